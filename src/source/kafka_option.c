/*-------------------------------------------------------------------------
 *
 * kafka_option.c
 *	  Which librdkafka settings a server or a user mapping may carry.
 *
 * An allowlist: the library can load code, run programs and read files as the
 * server's operating system user, and new versions bring new ways to do so.
 * What is not in "options" is refused; "refusals" only says why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/varlena.h"

#include "kafka_common.h"

#define ON_SERVER	0x01
#define ON_USER		0x02
#define IS_FILE		0x04		/* only for members of pg_read_server_files */
#define IS_SECRET	0x08		/* never in a message */

typedef struct Option
{
	const char *name;
	int			flags;
} Option;

static const Option options[] = {
	/* where to connect, and how */
	{"bootstrap.servers", ON_SERVER},
	{"security.protocol", ON_SERVER},
	{"sasl.mechanism", ON_SERVER | ON_USER},
	{"sasl.mechanisms", ON_SERVER | ON_USER},
	{"sasl.username", ON_USER | IS_SECRET},
	{"sasl.password", ON_USER | IS_SECRET},

	/* certificates */
	{"enable.ssl.certificate.verification", ON_SERVER},
	{"ssl.endpoint.identification.algorithm", ON_SERVER},
	{"ssl.ca.pem", ON_SERVER},
	{"ssl.ca.location", ON_SERVER | IS_FILE},
	{"ssl.crl.location", ON_SERVER | IS_FILE},
	{"ssl.cipher.suites", ON_SERVER},
	{"ssl.curves.list", ON_SERVER},
	{"ssl.sigalgs.list", ON_SERVER},
	{"ssl.certificate.pem", ON_USER | IS_SECRET},
	{"ssl.certificate.location", ON_USER | IS_FILE},
	{"ssl.key.pem", ON_USER | IS_SECRET},
	{"ssl.key.location", ON_USER | IS_FILE},
	{"ssl.key.password", ON_USER | IS_SECRET},
	{"ssl.keystore.location", ON_USER | IS_FILE},
	{"ssl.keystore.password", ON_USER | IS_SECRET},

	/* the network between */
	{"broker.address.family", ON_SERVER},
	{"broker.address.ttl", ON_SERVER},
	{"client.dns.lookup", ON_SERVER},
	{"client.rack", ON_SERVER},
	{"connections.max.idle.ms", ON_SERVER},
	{"reconnect.backoff.max.ms", ON_SERVER},
	{"reconnect.backoff.ms", ON_SERVER},
	{"retry.backoff.ms", ON_SERVER},
	{"socket.connection.setup.timeout.ms", ON_SERVER},
	{"socket.keepalive.enable", ON_SERVER},
	{"socket.max.fails", ON_SERVER},
	{"socket.nagle.disable", ON_SERVER},
	{"socket.receive.buffer.bytes", ON_SERVER},
	{"socket.send.buffer.bytes", ON_SERVER},
	{"socket.timeout.ms", ON_SERVER},

	/* fetching */
	{"fetch.error.backoff.ms", ON_SERVER},
	{"fetch.min.bytes", ON_SERVER},
	{"fetch.wait.max.ms", ON_SERVER},
	{"metadata.max.age.ms", ON_SERVER},
	{"topic.metadata.refresh.interval.ms", ON_SERVER},
};

typedef struct Refusal
{
	const char *pattern;		/* "x*" all that begins, "*x" all that ends so */
	const char *reason;
} Refusal;

#define LOADS_CODE	"It would load code into the server."
#define RUNS_CODE	"It would run a program as the server's operating system user."
#define REACHES_OUT "It would let the server read files or call addresses of somebody's choice."
#define OURS		"It is set by stream_ext."

static const Refusal refusals[] = {
	{"plugin.library.paths", LOADS_CODE},
	{"ssl.engine.*", LOADS_CODE},
	{"ssl.providers", LOADS_CODE},
	{"sasl.kerberos.*", RUNS_CODE},
	{"sasl.oauthbearer.*", REACHES_OUT},
	{"enable.sasl.oauthbearer.*", REACHES_OUT},
	{"https.ca.*", REACHES_OUT},
	{"offset.store.*", "Offsets are kept in the database."},
	{"debug", "It would write what is read into the server's log."},
	{"internal.termination.signal", "It would interfere with the server's signals."},
	{"*_cb", "It is a hook for programs."},
	{"interceptors", "It is a hook for programs."},
	{"opaque", "It is a hook for programs."},
	{"default_topic_conf", "It is a hook for programs."},
	{"auto.offset.reset", OURS},
	{"isolation.level", OURS},
	{"enable.auto.*", OURS},
	{"auto.commit.*", OURS},
	{"check.crcs", OURS},
	{"allow.auto.create.topics", OURS},
	{"enable.partition.eof", OURS},
	{"log*", OURS},
	{"statistics.interval.ms", OURS},
	{"client.id", OURS},
	{"group.*", OURS},
	{"partition.assignment.strategy", OURS},
	{"session.timeout.ms", OURS},
	{"heartbeat.interval.ms", OURS},
	{"max.poll.interval.ms", OURS},
	{"metadata.broker.list", "Use \"bootstrap.servers\"."},
	{"queued.*", "It is derived from the memory that a worker may use."},
	{"fetch.max.bytes", "It is derived from the memory that a worker may use."},
	{"fetch.message.max.bytes", "It is derived from the memory that a worker may use."},
	{"max.partition.fetch.bytes", "It is derived from the memory that a worker may use."},
	{"fetch.queue.backoff.ms", OURS},
	{"receive.message.max.bytes", "Use message_max_bytes of the stream."},
	{"message.max.bytes", "Use message_max_bytes of the stream."},
};

/* GSSAPI runs kinit, OAUTHBEARER calls addresses. */
static const char *const mechanisms[] = {
	"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"
};

static bool
matches(const char *pattern, const char *name)
{
	size_t		length = strlen(pattern);

	if (pattern[0] == '*')
		return strlen(name) >= length - 1 &&
			strcmp(name + strlen(name) - (length - 1), pattern + 1) == 0;
	if (pattern[length - 1] == '*')
		return strncmp(name, pattern, length - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static const Option *
find_option(const char *name)
{
	for (int i = 0; i < lengthof(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* The valid names, and before them the one that was probably meant. */
static char *
make_hint(const char *name, int where)
{
	StringInfoData hint;
	const char *closest = NULL;
	int			distance = 5;
	const char *separator = "Valid options are: ";

	initStringInfo(&hint);
	for (int i = 0; i < lengthof(options) && strlen(name) < 100; i++)
	{
		int			d;

		if (!(options[i].flags & where))
			continue;
		d = varstr_levenshtein_less_equal(name, strlen(name), options[i].name,
										  strlen(options[i].name), 1, 1, 1,
										  distance, true);
		if (d < distance)
		{
			distance = d;
			closest = options[i].name;
		}
	}
	if (closest)
		appendStringInfo(&hint, "Perhaps you meant \"%s\".  ", closest);
	for (int i = 0; i < lengthof(options); i++)
		if (options[i].flags & where)
		{
			appendStringInfo(&hint, "%s%s", separator, options[i].name);
			separator = ", ";
		}
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

static void
refuse(const char *name, int where)
{
	const Option *option = find_option(name);

	if (option)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 where == ON_SERVER ?
				 errmsg("option \"%s\" belongs to a user mapping, not to a server",
						name) :
				 errmsg("option \"%s\" belongs to a server, not to a user mapping",
						name)));
	for (int i = 0; i < lengthof(refusals); i++)
		if (matches(refusals[i].pattern, name))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" is not allowed", name),
					 errdetail("%s", refusals[i].reason)));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errhint("%s", make_hint(name, where))));
}

static void
check_mechanism(const char *value)
{
	for (int i = 0; i < lengthof(mechanisms); i++)
		if (strcmp(value, mechanisms[i]) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("SASL mechanism \"%s\" is not supported", value),
			 errhint("Supported are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.")));
}

static void
check_option(const char *name, const char *value, int where)
{
	const Option *option = find_option(name);

	if (option == NULL || !(option->flags & where))
		refuse(name, where);
	if ((option->flags & IS_FILE) &&
		!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only members of role pg_read_server_files may name files of the server."),
				 errhint("Give the certificate or key itself, in one of the options that end in \".pem\".")));
	if (*value == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" is empty", name)));
	if (strncmp(name, "sasl.mechanism", 14) == 0)
		check_mechanism(value);
	else
		se_kafka_check_value(name, value, option->flags & IS_SECRET);
}

void
se_source_kafka_check_options(List *given, bool in_user_mapping)
{
	bool		servers = in_user_mapping;
	ListCell   *lc;

	foreach(lc, given)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "bootstrap.servers") == 0)
			servers = true;
		check_option(def->defname, defGetString(def),
					 in_user_mapping ? ON_USER : ON_SERVER);
	}
	if (!servers)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"bootstrap.servers\" is required"),
				 errhint("Name one or more brokers: OPTIONS (\"bootstrap.servers\" 'host1:9092,host2:9092').")));
}
