/*-------------------------------------------------------------------------
 *
 * kafka.c
 *	  The Kafka source: reads assigned partitions from given offsets.
 *
 * All partitions, errors and log lines come through one queue of the library,
 * taken in batches without waiting; a pipe tells when to look.  Positions are
 * given by assign() and never read from the consumer group.
 *
 * A record is handed out only if it is at or behind the partition's position,
 * and once a fatal problem was seen nothing is handed out any more, so what
 * poll() returned is always a prefix of the log without a hole that is not in
 * the log itself (compaction, aborted transactions, control records).
 *
 * Waking brokers.  Before 2.2 a broker's thread, finding the queue full, goes
 * to sleep for up to a second however soon the queue is drained, which costs
 * most of the throughput unless queues are huge.  Any request to that broker
 * wakes it, and then it looks at the queue again.  So for every half queue
 * consumed each broker that leads our partitions gets one cheap question,
 * whose answer is thrown away.  An answer makes the event pipe readable, so
 * that a question that had to wait for it is not forgotten.
 *
 * Crash: nothing is kept here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/timestamp.h"

#include "../clock.h"
#include "kafka_common.h"

#define ANSWER_WAIT_MS		150 /* of the main thread, below MAX_BLOCK */
#define CLOSE_WAIT_MS		200
#define QUESTION_TIMEOUT_MS 15000
#define METADATA_MIN_AGE_US 1000000
#define MISSING_FATAL_US	30000000	/* a topic may be away that long */
#define WAKES_PER_BROKER	4	/* unanswered at a time */

typedef struct SePart
{
	bool		assigned;
	bool		at_end;
	int64		position;		/* no record below may come */
	int64		end_offset;		/* see SePartitionInfo */
	int32		leader;			/* broker id, -1 unknown */
} SePart;

struct SeSource
{
	SeKafkaClient *client;
	SeKafkaLimits limits;
	char	   *topic;
	int			max_record_bytes;

	SePart	   *parts;			/* indexed by partition */
	int			nparts;
	int			topic_partitions;	/* as of the last metadata, -1 unknown */
	int64		metadata_at;	/* when that came, 0 never */
	int64		missing_since;	/* the topic or a partition, 0 not */

	/* question in ask_offsets */
	SeStartupMode resolve_mode;
	TimestampTz resolve_at;

	/* an offset that a broker does not have, and we ask what it has */
	int32		lost_partition; /* -1: none */
	int64		lost_offset;

	rd_kafka_message_t **held;	/* records not released yet */
	int			nheld;
	int			held_size;

	int32	   *leaders;		/* distinct ones of assigned partitions */
	int			nleaders;
	int			wakes_waiting;
	int64		consumed;		/* records since the last wake */
	int64		consumed_bytes;

	SeProblem	problem;		/* what holds now */
};

static void *
checked_realloc(void *old, size_t size)
{
	void	   *new = realloc(old, size);

	if (new == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return new;
}

static void
ensure_parts(SeSource *s, int n)
{
	if (n <= s->nparts)
		return;
	s->parts = checked_realloc(s->parts, n * sizeof(SePart));
	for (int i = s->nparts; i < n; i++)
	{
		memset(&s->parts[i], 0, sizeof(SePart));
		s->parts[i].end_offset = -1;
		s->parts[i].leader = -1;
	}
	s->nparts = n;
}

/* ---- problems ---- */

static void
raise_problem(SeSource *s, const SeProblem *problem)
{
	if (s->problem.kind < SE_PROBLEM_FATAL)
		s->problem = *problem;
}

static void
raise_error(SeSource *s, rd_kafka_resp_err_t err, const char *text,
			int32 partition, int64 offset)
{
	SeProblem	problem;

	/* It says less than what led to it. */
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN &&
		s->problem.kind != SE_PROBLEM_NONE)
		return;
	if (se_kafka_problem(&problem, err, text, s->topic, partition, offset))
		raise_problem(s, &problem);
}

/* A question failed.  Why is known better by the errors of connections. */
static void
raise_no_answer(SeSource *s, rd_kafka_resp_err_t err)
{
	if (s->problem.kind == SE_PROBLEM_NONE)
		raise_error(s, err, "the brokers do not answer", -1, -1);
}

static void pg_attribute_printf(5, 6)
raise_fatal(SeSource *s, int sqlstate, int32 partition, int64 offset,
			const char *format,...)
{
	SeProblem	problem;
	va_list		args;
	size_t		used;

	memset(&problem, 0, sizeof(problem));
	problem.kind = SE_PROBLEM_FATAL;
	problem.sqlstate = sqlstate;
	problem.partition = partition;
	problem.offset = offset;
	used = snprintf(problem.message, sizeof(problem.message),
					"topic \"%s\", ", s->topic);
	used = Min(used, sizeof(problem.message) - 1);
	va_start(args, format);
	vsnprintf(problem.message + used, sizeof(problem.message) - used,
			  format, args);
	va_end(args);
	if (sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		strlcpy(problem.hint, "Raise message_max_bytes of the stream.",
				sizeof(problem.hint));
	else
		strlcpy(problem.hint,
				"Decide where to go on with stream.seek, then resume the stream.",
				sizeof(problem.hint));
	raise_problem(s, &problem);
}

/* Something of this partition came from a broker. */
static void
partition_is_well(SeSource *s, int32 partition)
{
	s->missing_since = 0;
	if (s->problem.kind == SE_PROBLEM_TRANSIENT &&
		(s->problem.partition == -1 || s->problem.partition == partition))
		s->problem.kind = SE_PROBLEM_NONE;
}

/*
 * Metadata may lack a topic for a moment while brokers come and go, so that a
 * topic we read is gone only when it stays away.
 */
static void
topic_is_missing(SeSource *s, int32 partition)
{
	int64		now = se_clock_us();
	bool		reading = false;

	if (s->missing_since == 0)
		s->missing_since = now;
	for (int i = 0; i < s->nparts; i++)
		reading |= s->parts[i].assigned;
	if (!reading || now - s->missing_since < MISSING_FATAL_US)
	{
		char		text[300];

		snprintf(text, sizeof(text), "topic \"%.200s\" does not exist",
				 s->topic);
		raise_error(s, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
					partition < 0 ? text : "the partition does not exist",
					partition, -1);
		return;
	}
	if (partition < 0)
		raise_fatal(s, ERRCODE_UNDEFINED_OBJECT, -1, -1,
					"which this stream reads, does not exist any more");
	else
		raise_fatal(s, ERRCODE_UNDEFINED_OBJECT, partition, -1,
					"partition %d, which this stream reads, does not exist any more",
					partition);
}

/* ---- metadata ---- */

static void
find_leaders(SeSource *s)
{
	s->leaders = checked_realloc(s->leaders, Max(s->nparts, 1) * sizeof(int32));
	s->nleaders = 0;
	for (int i = 0; i < s->nparts; i++)
	{
		int			k = 0;

		if (!s->parts[i].assigned || s->parts[i].leader < 0)
			continue;
		while (k < s->nleaders && s->leaders[k] != s->parts[i].leader)
			k++;
		if (k == s->nleaders)
			s->leaders[s->nleaders++] = s->parts[i].leader;
	}
}

static void
take_topic(SeSource *s, const rd_kafka_metadata_topic_t *topic)
{
	int32		missing = -1;

	ensure_parts(s, topic->partition_cnt);
	for (int i = 0; i < topic->partition_cnt; i++)
	{
		const rd_kafka_metadata_partition_t *part = &topic->partitions[i];

		if (part->id >= 0 && part->id < s->nparts)
			s->parts[part->id].leader = part->leader;
	}
	find_leaders(s);
	s->topic_partitions = topic->partition_cnt;
	for (int i = topic->partition_cnt; i < s->nparts && missing < 0; i++)
		if (s->parts[i].assigned)
			missing = i;
	if (missing >= 0)
		topic_is_missing(s, missing);
	else if (s->missing_since != 0 ||
			 s->problem.sqlstate == ERRCODE_UNDEFINED_OBJECT)
		partition_is_well(s, -1);
}

/* Looks at an answer that has come; asks again unless the last is fresh. */
static void
refresh_metadata(SeSource *s, int wait_ms)
{
	SeKafkaAsk *ask = &s->client->ask_metadata;
	int64		now = se_clock_us();

	if (!se_kafka_client_answered(s->client, ask, 0) &&
		ask->state == SE_KAFKA_ASK_IDLE &&
		(s->metadata_at == 0 || now - s->metadata_at >= METADATA_MIN_AGE_US))
		se_kafka_client_ask(s->client, ask, QUESTION_TIMEOUT_MS);
	if (!se_kafka_client_answered(s->client, ask, wait_ms))
		return;

	s->metadata_at = se_clock_us();
	if (ask->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		raise_no_answer(s, ask->err);
	else if (ask->metadata->topic_cnt != 1)
		elog(ERROR, "unexpected metadata of %d topics",
			 ask->metadata->topic_cnt);
	else
	{
		const rd_kafka_metadata_topic_t *topic = &ask->metadata->topics[0];

		s->topic_partitions = -1;
		if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			topic_is_missing(s, -1);
		else if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			raise_error(s, topic->err, NULL, -1, -1);
		else
			take_topic(s, topic);
	}
	se_kafka_ask_reset(ask);
}

static int
kafka_count_partitions(SeSource *s)
{
	refresh_metadata(s, s->topic_partitions < 0 ? ANSWER_WAIT_MS : 0);
	return s->topic_partitions > 0 ? s->topic_partitions : -1;
}

/* ---- positions ---- */

/* What ListOffsets wants: -1 the end, -2 the beginning, or milliseconds. */
static int64
kafka_time(SeStartupMode mode, TimestampTz at)
{
	int64		us;

	if (mode == SE_STARTUP_LATEST)
		return RD_KAFKA_OFFSET_END;
	if (mode == SE_STARTUP_EARLIEST)
		return RD_KAFKA_OFFSET_BEGINNING;
	if (TIMESTAMP_IS_NOEND(at))
		return RD_KAFKA_OFFSET_END;
	if (TIMESTAMP_IS_NOBEGIN(at))
		return 0;
	us = at + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	return us <= 0 ? 0 : (us + 999) / 1000;
}

static void
ask_offsets(SeSource *s, SeStartupMode mode, TimestampTz at,
			const SePartitionOffset *parts, int n)
{
	SeKafkaAsk *ask = &s->client->ask_offsets;

	se_kafka_ask_reset(ask);
	ask->offsets = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(ask->offsets, s->topic,
										  parts[i].partition)->offset =
			kafka_time(mode, at);
	s->resolve_mode = mode;
	s->resolve_at = at;
	se_kafka_client_ask(s->client, ask, QUESTION_TIMEOUT_MS);
}

/* Copies an answer; false when it is an error or to another question. */
static bool
take_offsets(SeSource *s, SeStartupMode mode, TimestampTz at,
			 SePartitionOffset *parts, int n)
{
	SeKafkaAsk *ask = &s->client->ask_offsets;
	bool		complete = true;

	if (ask->err != RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		raise_no_answer(s, ask->err);
		return false;
	}
	if (s->resolve_mode != mode || s->resolve_at != at)
		return false;
	for (int i = 0; i < n; i++)
	{
		rd_kafka_topic_partition_t *found;

		found = rd_kafka_topic_partition_list_find(ask->offsets, s->topic,
												   parts[i].partition);
		if (found && found->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			raise_error(s, found->err, NULL, parts[i].partition, -1);
		if (found == NULL || found->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
			found->offset < 0)
			complete = false;
		else
			parts[i].offset = found->offset;
	}
	return complete;
}

static bool
kafka_resolve(SeSource *s, SeStartupMode mode, TimestampTz at,
			  SePartitionOffset *parts, int n)
{
	SeKafkaAsk *ask = &s->client->ask_offsets;
	bool		complete;

	if (n == 0)
		return true;
	if (se_kafka_client_answered(s->client, ask, 0) ||
		ask->state == SE_KAFKA_ASK_IDLE)
	{
		complete = ask->state == SE_KAFKA_ASK_DONE &&
			take_offsets(s, mode, at, parts, n);
		se_kafka_ask_reset(ask);
		if (complete)
			return true;
		ask_offsets(s, mode, at, parts, n);
	}
	if (!se_kafka_client_answered(s->client, ask, ANSWER_WAIT_MS))
		return false;
	complete = take_offsets(s, mode, at, parts, n);
	se_kafka_ask_reset(ask);
	return complete;
}

/*
 * The broker does not have the offset we want.  The library has stopped reading
 * that partition; before we say so we find out what the broker does have.
 */
static void
offset_is_lost(SeSource *s, int32 partition, int64 offset)
{
	SePartitionOffset part = {partition, 0};

	if (s->lost_partition >= 0)
		return;
	if (s->client->ask_offsets.state == SE_KAFKA_ASK_WAITING)
	{
		raise_error(s, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, NULL,
					partition, offset);
		return;
	}
	s->lost_partition = partition;
	s->lost_offset = offset;
	ask_offsets(s, SE_STARTUP_EARLIEST, DT_NOBEGIN, &part, 1);
}

static void
explain_lost_offset(SeSource *s)
{
	SeKafkaAsk *ask = &s->client->ask_offsets;
	int32		partition = s->lost_partition;
	int64		offset = s->lost_offset;
	int64		low = -1;

	if (!se_kafka_client_answered(s->client, ask, 0))
		return;
	if (ask->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		low = ask->offsets->elems[0].offset;
	se_kafka_ask_reset(ask);
	s->lost_partition = -1;
	if (low < 0)
		raise_error(s, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, NULL,
					partition, offset);
	else if (offset < low)
		raise_fatal(s, ERRCODE_DATA_EXCEPTION, partition, offset,
					"partition %d: records from offset " INT64_FORMAT " to " INT64_FORMAT " were deleted before they were read",
					partition, offset, low - 1);
	else
		raise_fatal(s, ERRCODE_DATA_EXCEPTION, partition, offset,
					"partition %d ends before offset " INT64_FORMAT ", where this stream stands: it was truncated, or the topic was made anew",
					partition, offset);
}

static void
discard_queue(SeSource *s)
{
	rd_kafka_message_t *some[64];
	ssize_t		n;

	do
	{
		n = rd_kafka_consume_batch_queue(s->client->queue, 0, some,
										 lengthof(some));
		for (ssize_t i = 0; i < n; i++)
			rd_kafka_message_destroy(some[i]);
	} while (n > 0);
}

static void
kafka_assign(SeSource *s, const SePartitionOffset *parts, int n)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t err;

	Assert(s->nheld == 0);
	rd_kafka_assign(s->client->rk, NULL);
	discard_queue(s);

	for (int i = 0; i < s->nparts; i++)
		s->parts[i].assigned = false;
	list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
	{
		SePart	   *part;

		if (parts[i].partition < 0 || parts[i].offset < 0)
			elog(ERROR, "invalid position " INT64_FORMAT " of partition %d",
				 parts[i].offset, parts[i].partition);
		ensure_parts(s, parts[i].partition + 1);
		part = &s->parts[parts[i].partition];
		part->assigned = true;
		part->at_end = false;
		part->end_offset = -1;
		part->position = parts[i].offset;
		rd_kafka_topic_partition_list_add(list, s->topic,
										  parts[i].partition)->offset =
			parts[i].offset;
	}
	s->problem.kind = SE_PROBLEM_NONE;
	s->missing_since = 0;
	s->lost_partition = -1;
	find_leaders(s);
	err = rd_kafka_assign(s->client->rk, n > 0 ? list : NULL);
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not assign partitions of topic \"%s\": %s",
						s->topic, rd_kafka_err2str(err))));
}

/* ---- waking brokers ---- */

static void
send_wake(SeSource *s, int32 broker)
{
	rd_kafka_t *rk = s->client->rk;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_ConfigResource_t *config;
	char		name[16];

	snprintf(name, sizeof(name), "%d", broker);
	config = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, name);
	/* One setting: without a name all of them would be described. */
	rd_kafka_ConfigResource_set_config(config, "compression.type", "");
	options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_AdminOptions_set_request_timeout(options, 5000, NULL, 0);
	rd_kafka_DescribeConfigs(rk, &config, 1, options, s->client->answers);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(config);
	s->wakes_waiting++;
}

static void
wake_brokers(SeSource *s)
{
	rd_kafka_event_t *answer;

	if (rd_kafka_version() >= SE_KAFKA_HAS_QUEUE_BACKOFF)
		return;
	while (s->wakes_waiting > 0 &&
		   (answer = rd_kafka_queue_poll(s->client->answers, 0)) != NULL)
	{
		rd_kafka_event_destroy(answer);
		s->wakes_waiting--;
	}
	if (s->consumed < s->limits.queued_messages / 2 &&
		s->consumed_bytes / 1024 < s->limits.queued_kb / 2)
		return;
	if (s->nleaders == 0)
		refresh_metadata(s, 0);
	if (s->nleaders == 0 || s->wakes_waiting >= s->nleaders * WAKES_PER_BROKER)
		return;
	for (int i = 0; i < s->nleaders; i++)
		send_wake(s, s->leaders[i]);
	s->consumed = s->consumed_bytes = 0;
}

/* ---- reading ---- */

static void
drain_events(SeSource *s)
{
	char		buffer[256];

	while (read(s->client->event_fd[0], buffer, sizeof(buffer)) ==
		   sizeof(buffer))
		;
}

static TimestampTz
record_time(const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	int64		ms = rd_kafka_message_timestamp(message, &type);
	const int64 epoch_ms = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		SECS_PER_DAY * 1000;

	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0)
		return DT_NOBEGIN;
	if (ms >= END_TIMESTAMP / 1000 + epoch_ms)
		return END_TIMESTAMP - 1;
	return (ms - epoch_ms) * 1000;
}

/* An end of partition, or an error.  Not a record. */
static void
take_event(SeSource *s, const rd_kafka_message_t *message)
{
	int32		partition = message->partition;
	SePart	   *part = NULL;

	if (partition >= 0 && partition < s->nparts)
		part = &s->parts[partition];
	if (partition >= 0 && (part == NULL || !part->assigned))
		return;
	switch (message->err)
	{
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			part->end_offset = message->offset;
			part->position = Max(part->position, message->offset);
			part->at_end = true;
			partition_is_well(s, partition);
			break;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			offset_is_lost(s, partition, part->position);
			break;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			topic_is_missing(s, partition);
			break;
		default:
			raise_error(s, message->err, rd_kafka_message_errstr(message),
						partition, message->offset);
	}
}

/* False: it must not be handed out. */
static bool
take_record(SeSource *s, rd_kafka_message_t *message, SeRecord *record)
{
	SePart	   *part;

	if (s->problem.kind == SE_PROBLEM_FATAL ||
		message->partition < 0 || message->partition >= s->nparts)
		return false;
	part = &s->parts[message->partition];
	if (!part->assigned)
		return false;
	if (message->offset < part->position)
	{
		raise_fatal(s, ERRCODE_DATA_EXCEPTION, message->partition,
					message->offset,
					"partition %d went back from offset " INT64_FORMAT " to " INT64_FORMAT ": it was truncated, or the topic was made anew",
					message->partition, part->position, message->offset);
		return false;
	}
	if (message->len + message->key_len > s->max_record_bytes)
	{
		raise_fatal(s, ERRCODE_PROGRAM_LIMIT_EXCEEDED, message->partition,
					message->offset,
					"partition %d, offset " INT64_FORMAT ": the record has %zu bytes, more than message_max_bytes allows (%d)",
					message->partition, message->offset,
					message->len + message->key_len, s->max_record_bytes);
		return false;
	}
	part->position = message->offset + 1;
	part->at_end = false;
	record->partition = message->partition;
	record->offset = message->offset;
	record->timestamp = record_time(message);
	record->key = message->key;
	record->key_len = message->key_len;
	record->value = message->payload;
	record->value_len = message->len;
	record->origin = message;
	s->consumed_bytes += message->len;
	return true;
}

static void
take_error(void *arg, const SeKafkaNote *note)
{
	SeSource   *s = arg;
	char		text[SE_KAFKA_TEXT];
	rd_kafka_resp_err_t err = note->err;

	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
	{
		topic_is_missing(s, -1);
		return;
	}
	strlcpy(text, note->text, sizeof(text));
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		rd_kafka_fatal_error(s->client->rk, text, sizeof(text));
	raise_error(s, err, text, -1, -1);
}

static int
kafka_poll(SeSource *s, SeRecord *records, int max)
{
	rd_kafka_message_t **new;
	ssize_t		n;
	int			count = 0;

	/* Before looking at the queue: what comes later signals again. */
	drain_events(s);
	if (s->problem.kind == SE_PROBLEM_FATAL || max <= 0)
		return 0;
	if (s->nheld + max > s->held_size)
	{
		int			size = Max(s->nheld + max, s->held_size * 2);

		s->held = checked_realloc(s->held, size * sizeof(*s->held));
		s->held_size = size;
	}
	new = s->held + s->nheld;
	n = rd_kafka_consume_batch_queue(s->client->queue, 0, new, max);
	for (ssize_t i = 0; i < n; i++)
	{
		rd_kafka_message_t *message = new[i];

		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
			take_record(s, message, &records[count]))
		{
			new[count++] = message;
			continue;
		}
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			take_event(s, message);
		rd_kafka_message_destroy(message);
	}
	s->nheld += count;
	s->consumed += count;
	if (count > 0)
		partition_is_well(s, records[count - 1].partition);
	if (n >= max)
		se_kafka_client_signal(s->client);
	if (s->client->notes->count > 0)
		se_kafka_notes_report(s->client->notes, take_error, s);
	wake_brokers(s);
	return count;
}

static void
kafka_release(SeSource *s)
{
	for (int i = 0; i < s->nheld; i++)
		rd_kafka_message_destroy(s->held[i]);
	s->nheld = 0;
}

/* ---- the rest of the table ---- */

static SeSource *
kafka_open(const SeSourceConfig *config)
{
	SeKafkaLimits limits;
	SeKafkaClient *client = se_kafka_client_open(config, &limits);
	SeSource   *s = calloc(1, sizeof(SeSource));

	if (s)
		s->topic = strdup(config->topic);
	if (s == NULL || s->topic == NULL)
	{
		free(s);
		se_kafka_client_close(client, 0);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	s->client = client;
	s->limits = limits;
	s->max_record_bytes = config->max_record_bytes > 0 ?
		config->max_record_bytes : SE_KAFKA_MAX_RECORD;
	s->topic_partitions = -1;
	s->lost_partition = -1;
	return s;
}

static int
kafka_event_fd(SeSource *s)
{
	return s->client->event_fd[0];
}

static void
kafka_partition_info(SeSource *s, int32 partition, SePartitionInfo *info)
{
	int64		low;
	int64		high;

	info->low = info->high = info->end_offset = -1;
	info->at_end = false;
	if (partition < 0 || partition >= s->nparts)
		return;
	info->end_offset = s->parts[partition].end_offset;
	info->at_end = s->parts[partition].at_end;
	if (rd_kafka_get_watermark_offsets(s->client->rk, s->topic, partition,
									   &low, &high) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	if (low >= 0)
		info->low = low;
	if (high >= 0)
		info->high = high;
}

static void
kafka_problem(SeSource *s, SeProblem *problem)
{
	if (s->lost_partition >= 0)
		explain_lost_offset(s);
	if (s->missing_since != 0 && s->problem.kind != SE_PROBLEM_FATAL)
		refresh_metadata(s, 0);
	*problem = s->problem;
}

static void
kafka_report(SeSource *s, const SePartitionOffset *parts, int n)
{
	rd_kafka_topic_partition_list_t *list;

	list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		if (parts[i].offset >= 0)
			rd_kafka_topic_partition_list_add(list, s->topic,
											  parts[i].partition)->offset =
				parts[i].offset;
	if (list->cnt > 0)
		rd_kafka_commit(s->client->rk, list, 1 /* do not wait */ );
	rd_kafka_topic_partition_list_destroy(list);
}

static void
kafka_close(SeSource *s, bool clean)
{
	if (!clean)
		return;
	kafka_release(s);
	se_kafka_client_close(s->client, CLOSE_WAIT_MS);
	free(s->topic);
	free(s->parts);
	free(s->held);
	free(s->leaders);
	free(s);
}

const SeSourceRoutine *
se_source_kafka(void)
{
	static const SeSourceRoutine routine = {
		.name = "kafka",
		.open = kafka_open,
		.event_fd = kafka_event_fd,
		.count_partitions = kafka_count_partitions,
		.resolve = kafka_resolve,
		.assign = kafka_assign,
		.poll = kafka_poll,
		.release = kafka_release,
		.partition_info = kafka_partition_info,
		.problem = kafka_problem,
		.report = kafka_report,
		.header = se_kafka_header,
		.headers = se_kafka_headers,
		.close = kafka_close,
	};

	return &routine;
}
