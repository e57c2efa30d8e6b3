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
 * Crash: nothing is kept here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/timestamp.h"

#include "../clock.h"
#include "kafka_common.h"

#define CLOSE_WAIT_MS		200

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
		se_kafka_ensure_parts(s, parts[i].partition + 1);
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
	se_kafka_find_leaders(s);
	err = rd_kafka_assign(s->client->rk, n > 0 ? list : NULL);
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not assign partitions of topic \"%s\": %s",
						s->topic, rd_kafka_err2str(err))));
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
	if (part == NULL)
	{
		se_kafka_raise(s, message->err, rd_kafka_message_errstr(message),
					   -1, -1);
		return;
	}
	switch (message->err)
	{
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			part->end_offset = message->offset;
			part->position = Max(part->position, message->offset);
			part->at_end = true;
			se_kafka_clear(s, partition);
			break;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			se_kafka_offset_lost(s, partition, part->position);
			break;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			se_kafka_topic_missing(s, partition);
			break;
		default:
			se_kafka_raise(s, message->err, rd_kafka_message_errstr(message),
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
		se_kafka_raise_fatal(s, ERRCODE_DATA_EXCEPTION, message->partition,
							 message->offset,
							 "partition %d went back from offset " INT64_FORMAT " to " INT64_FORMAT ": it was truncated, or the topic was made anew",
							 message->partition, part->position, message->offset);
		return false;
	}
	if (message->len + message->key_len > s->max_record_bytes)
	{
		se_kafka_raise_fatal(s, ERRCODE_PROGRAM_LIMIT_EXCEEDED, message->partition,
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
		se_kafka_topic_missing(s, -1);
		return;
	}
	strlcpy(text, note->text, sizeof(text));
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		rd_kafka_fatal_error(s->client->rk, text, sizeof(text));
	se_kafka_raise(s, err, text, -1, -1);
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

		s->held = se_kafka_realloc(s->held, size * sizeof(*s->held));
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
		se_kafka_clear(s, records[count - 1].partition);
	if (n >= max)
		se_kafka_client_signal(s->client);
	if (s->client->notes->count > 0)
		se_kafka_notes_report(s->client->notes, take_error, s);
	se_kafka_wake(s);
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

/* Before there is anything to poll for, why connections fail. */
static void
take_errors_unassigned(SeSource *s)
{
	rd_kafka_message_t *message;

	for (int i = 0; i < s->nparts; i++)
		if (s->parts[i].assigned)
			return;
	while (rd_kafka_consume_batch_queue(s->client->queue, 0, &message, 1) > 0)
		rd_kafka_message_destroy(message);
	if (s->client->notes->count > 0)
		se_kafka_notes_report(s->client->notes, take_error, s);
}

static void
kafka_problem(SeSource *s, SeProblem *problem)
{
	take_errors_unassigned(s);
	if (s->lost_partition >= 0)
		se_kafka_explain_lost(s);
	se_kafka_forget_old(s);
	/* An answer shows that a connection is back, or the topic. */
	if (s->missing_since != 0 ||
		(s->problem.kind == SE_PROBLEM_TRANSIENT && s->problem.partition < 0))
		se_kafka_refresh(s, 0);
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
		.count_partitions = se_kafka_count_partitions,
		.resolve = se_kafka_resolve,
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
