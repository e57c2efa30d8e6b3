/*-------------------------------------------------------------------------
 *
 * kafka_conf.c
 *	  Settings of a librdkafka client.
 *
 * Three layers, applied in this order, each result checked: what bounds the
 * memory and our own defaults, what the user's server and user mapping say
 * (names were checked by kafka_option.c), and last what correctness depends on,
 * so that nobody can change that.
 *
 * Memory.  All partitions are forwarded to one queue, so the library's queue
 * limits count over all of them, and a fetch goes out while the queue is below
 * both.  A record costs its bytes, uncompressed, and about RECORD_OVERHEAD of
 * the library's own.  On top of the queue comes what one fetch of each broker
 * may bring beyond the limit: fetch.max.bytes, compressed.
 *
 * Fairness.  After each pause of a full queue the library asks for the first
 * partitions first.  So a fetch is made large enough for all of them, where
 * memory allows: a backlog that is read evenly keeps event times together,
 * and with them the groups that a batch touches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "common/string.h"

#include "kafka_common.h"

#define DEFAULT_MEMORY_KB	65536
#define RECORD_OVERHEAD		512 /* bytes, beside key and value */
#define MIN_FETCH_BYTES		1000000 /* the library takes no less */
#define MIN_PARTITION_BYTES (256 * 1024)
#define MAX_PARTITION_BYTES (1024 * 1024)
#define USUAL_PARTITIONS	8	/* when we do not know yet */
#define RESPONSE_SLACK		(1024 * 1024)

/*
 * Defaults of ours: a connection that went silent is given up, and a broker
 * that is back is found again, within seconds rather than a minute.
 */
static const char *const defaults[][2] = {
	{"socket.timeout.ms", "10000"},
	{"socket.connection.setup.timeout.ms", "10000"},
	{"socket.keepalive.enable", "true"},
	{"reconnect.backoff.max.ms", "2000"},
};

/* What correctness depends on. */
static const char *const forced[][2] = {
	{"auto.offset.reset", "error"},
	{"isolation.level", "read_committed"},
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"check.crcs", "true"},
	{"enable.partition.eof", "true"},
	{"log.queue", "true"},
	{"log_level", "5"},
	{"log.connection.close", "false"},
};

static void
set_option(rd_kafka_conf_t *conf, const char *name, const char *value,
		   bool secret)
{
	char		reason[256];
	rd_kafka_conf_res_t res;

	res = rd_kafka_conf_set(conf, name, value, reason, sizeof(reason));
	if (res == RD_KAFKA_CONF_OK)
		return;
	rd_kafka_conf_destroy(conf);
	if (res == RD_KAFKA_CONF_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("librdkafka %s does not know option \"%s\"",
						rd_kafka_version_str(), name)));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\"", name),
			 secret ? 0 : errdetail("%s.", reason)));
}

static void
set_number(rd_kafka_conf_t *conf, const char *name, int64 value)
{
	char		text[32];

	snprintf(text, sizeof(text), INT64_FORMAT, value);
	set_option(conf, name, text, false);
}

static void
set_limits(rd_kafka_conf_t *conf, const SeSourceConfig *config,
		   SeKafkaLimits *limits)
{
	int64		memory;
	int64		fetch;
	int64		response;
	int			partitions = config->partitions_hint > 0 ?
		config->partitions_hint : USUAL_PARTITIONS;

	memory = config->memory_kb > 0 ? config->memory_kb : DEFAULT_MEMORY_KB;
	memory = Max(memory, 4096) * 1024;
	limits->queued_kb = Min(memory / 2 / 1024, 2000000);
	limits->queued_messages = Min(memory / 2 / (2 * RECORD_OVERHEAD), 1000000);
	fetch = Min(memory / 8, (int64) partitions * MAX_PARTITION_BYTES);
	fetch = Max(fetch, MIN_FETCH_BYTES);
	response = Max(config->max_record_bytes, SE_KAFKA_MAX_RECORD);
	response = Max(response, fetch) + RESPONSE_SLACK;

	set_number(conf, "queued.max.messages.kbytes", limits->queued_kb);
	set_number(conf, "queued.min.messages", limits->queued_messages);
	set_number(conf, "fetch.max.bytes", fetch);
	set_number(conf, "max.partition.fetch.bytes",
			   Min(Max(fetch / partitions, MIN_PARTITION_BYTES),
				   Min(fetch, MAX_PARTITION_BYTES)));
	set_number(conf, "receive.message.max.bytes",
			   Min(response, PG_INT32_MAX));

	/*
	 * A record is sent as soon as it is there.  What the wait delays is the
	 * next look at partitions that were left out of a fetch because the queue
	 * was full, and any other request on that connection.
	 */
	set_number(conf, "fetch.min.bytes", 1);
	set_number(conf, "fetch.wait.max.ms", 500);
	set_number(conf, "fetch.error.backoff.ms", 100);
	if (rd_kafka_version() >= SE_KAFKA_HAS_QUEUE_BACKOFF)
		set_number(conf, "fetch.queue.backoff.ms", 10);
}

static bool
is_secret(const char *name)
{
	return strcmp(name, "bootstrap.servers") != 0 &&
		(strstr(name, "password") || strstr(name, ".pem") ||
		 strstr(name, "username"));
}

static bool
starts_with(const char *value, const char *prefix)
{
	return value && pg_strncasecmp(value, prefix, strlen(prefix)) == 0;
}

rd_kafka_conf_t *
se_kafka_conf(const SeSourceConfig *config, SeKafkaLimits *limits)
{
	rd_kafka_conf_t *conf;
	const char *protocol = NULL;
	bool		mechanism = false;
	bool		servers = false;
	ListCell   *lc;

	conf = rd_kafka_conf_new();
	set_limits(conf, config, limits);
	for (int i = 0; i < lengthof(defaults); i++)
		set_option(conf, defaults[i][0], defaults[i][1], false);
	foreach(lc, config->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const char *value = defGetString(def);

		if (strcmp(def->defname, "bootstrap.servers") == 0)
			servers = true;
		else if (strcmp(def->defname, "security.protocol") == 0)
			protocol = value;
		else if (starts_with(def->defname, "sasl.mechanism"))
			mechanism = true;
		set_option(conf, def->defname, value, is_secret(def->defname));
	}
	for (int i = 0; i < lengthof(forced); i++)
		set_option(conf, forced[i][0], forced[i][1], false);
	set_option(conf, "client.id",
			   config->client_id ? config->client_id : "stream_ext", false);
	set_option(conf, "group.id",
			   config->group_id ? config->group_id : "stream_ext", false);

	if (!servers || (starts_with(protocol, "sasl") && !mechanism))
	{
		rd_kafka_conf_destroy(conf);
		if (!servers)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
					 errmsg("the server has no option \"bootstrap.servers\"")));
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("\"security.protocol\" is \"%s\" but there is no \"sasl.mechanism\"",
						protocol),
				 errhint("Set \"sasl.mechanism\" to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")));
	}
	return conf;
}

void
se_kafka_check_value(const char *name, const char *value, bool secret)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set_option(conf, name, value, secret);
	rd_kafka_conf_destroy(conf);
}

const char *
se_source_kafka_version(void)
{
	return rd_kafka_version_str();
}
