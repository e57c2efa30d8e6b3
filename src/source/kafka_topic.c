/*-------------------------------------------------------------------------
 *
 * kafka_topic.c
 *	  What the cluster says about the topic: its partitions, who leads them,
 *	  the offsets behind a startup mode, and whether it is still there.
 *
 * Questions go through the client's helper, so that nothing here waits for the
 * network longer than ANSWER_WAIT_MS; an answer that is late is looked at in a
 * later call.
 *
 * Waking brokers.  Before 2.2 a broker's thread, finding the queue full, goes
 * to sleep for up to a second however soon the queue is drained, which costs
 * most of the throughput unless queues are huge.  Any request to that broker
 * wakes it, and then it looks at the queue again.  So for every half queue
 * consumed each broker that leads our partitions gets one cheap question,
 * whose answer is thrown away.  An answer makes the event pipe readable, so
 * that a question that had to wait for it is not forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "../clock.h"
#include "kafka_common.h"

#define ANSWER_WAIT_MS		150 /* of the main thread, below MAX_BLOCK */
#define QUESTION_TIMEOUT_MS 15000
#define METADATA_MIN_AGE_US 1000000
#define MISSING_FATAL_US	30000000	/* a topic may be away that long */
#define WAKES_PER_BROKER	4	/* unanswered at a time */

void *
se_kafka_realloc(void *old, size_t size)
{
	void	   *new = realloc(old, size);

	if (new == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return new;
}

void
se_kafka_ensure_parts(SeSource *s, int n)
{
	if (n <= s->nparts)
		return;
	s->parts = se_kafka_realloc(s->parts, n * sizeof(SePart));
	for (int i = s->nparts; i < n; i++)
	{
		memset(&s->parts[i], 0, sizeof(SePart));
		s->parts[i].end_offset = -1;
		s->parts[i].leader = -1;
	}
	s->nparts = n;
}

/*
 * Metadata may lack a topic for a moment while brokers come and go, so that a
 * topic we read is gone only when it stays away.
 */
void
se_kafka_topic_missing(SeSource *s, int32 partition)
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
		se_kafka_raise(s, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
					   partition < 0 ? text : "the partition does not exist",
					   partition, -1);
		return;
	}
	if (partition < 0)
		se_kafka_raise_fatal(s, ERRCODE_UNDEFINED_OBJECT, -1, -1,
							 "which this stream reads, does not exist any more");
	else
		se_kafka_raise_fatal(s, ERRCODE_UNDEFINED_OBJECT, partition, -1,
							 "partition %d, which this stream reads, does not exist any more",
							 partition);
}

/* ---- metadata ---- */

/* A question failed.  Why is known better by the errors of connections. */
static void
raise_no_answer(SeSource *s, rd_kafka_resp_err_t err)
{
	if (s->problem.kind == SE_PROBLEM_NONE)
		se_kafka_raise(s, err, "the brokers do not answer", -1, -1);
}

void
se_kafka_find_leaders(SeSource *s)
{
	s->leaders = se_kafka_realloc(s->leaders, Max(s->nparts, 1) * sizeof(int32));
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

	se_kafka_ensure_parts(s, topic->partition_cnt);
	for (int i = 0; i < topic->partition_cnt; i++)
	{
		const rd_kafka_metadata_partition_t *part = &topic->partitions[i];

		if (part->id >= 0 && part->id < s->nparts)
			s->parts[part->id].leader = part->leader;
	}
	se_kafka_find_leaders(s);
	s->topic_partitions = topic->partition_cnt;
	for (int i = topic->partition_cnt; i < s->nparts && missing < 0; i++)
		if (s->parts[i].assigned)
			missing = i;
	if (missing >= 0)
		se_kafka_topic_missing(s, missing);
	else if (s->missing_since != 0 || s->problem_at < s->metadata_asked)
		se_kafka_clear(s, -1);
}

/* Looks at an answer that has come; asks again unless the last is fresh. */
void
se_kafka_refresh(SeSource *s, int wait_ms)
{
	SeKafkaAsk *ask = &s->client->ask_metadata;
	int64		now = se_clock_us();

	if (!se_kafka_client_answered(s->client, ask, 0) &&
		ask->state == SE_KAFKA_ASK_IDLE &&
		(s->metadata_at == 0 || now - s->metadata_at >= METADATA_MIN_AGE_US))
	{
		s->metadata_asked = now;
		se_kafka_client_ask(s->client, ask, QUESTION_TIMEOUT_MS);
	}
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
			se_kafka_topic_missing(s, -1);
		else if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			char		text[SE_KAFKA_TEXT];

			snprintf(text, sizeof(text), "topic \"%.200s\": %s", s->topic,
					 rd_kafka_err2str(topic->err));
			se_kafka_raise(s, topic->err, text, -1, -1);
		}
		else
			take_topic(s, topic);
	}
	se_kafka_ask_reset(ask);
}

int
se_kafka_count_partitions(SeSource *s)
{
	se_kafka_refresh(s, s->topic_partitions < 0 ? ANSWER_WAIT_MS : 0);
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
			se_kafka_raise(s, found->err, NULL, parts[i].partition, -1);
		if (found == NULL || found->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
			found->offset < 0)
			complete = false;
		else
			parts[i].offset = found->offset;
	}
	return complete;
}

bool
se_kafka_resolve(SeSource *s, SeStartupMode mode, TimestampTz at,
				 SePartitionOffset *parts, int n)
{
	SeKafkaAsk *ask = &s->client->ask_offsets;
	bool		complete;

	if (n == 0)
		return true;
	if (s->lost_partition >= 0)
		return false;
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
void
se_kafka_offset_lost(SeSource *s, int32 partition, int64 offset)
{
	SePartitionOffset part = {partition, 0};

	if (s->lost_partition >= 0)
		return;
	if (s->client->ask_offsets.state == SE_KAFKA_ASK_WAITING)
	{
		se_kafka_raise(s, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, NULL,
					   partition, offset);
		return;
	}
	s->lost_partition = partition;
	s->lost_offset = offset;
	ask_offsets(s, SE_STARTUP_EARLIEST, DT_NOBEGIN, &part, 1);
}

void
se_kafka_explain_lost(SeSource *s)
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
		se_kafka_raise(s, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, NULL,
					   partition, offset);
	else if (offset < low)
		se_kafka_raise_fatal(s, ERRCODE_DATA_EXCEPTION, partition, offset,
							 "partition %d: records from offset " INT64_FORMAT " to " INT64_FORMAT " were deleted before they were read",
							 partition, offset, low - 1);
	else
		se_kafka_raise_fatal(s, ERRCODE_DATA_EXCEPTION, partition, offset,
							 "partition %d ends before offset " INT64_FORMAT ", where this stream stands: it was truncated, or the topic was made anew",
							 partition, offset);
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

void
se_kafka_wake(SeSource *s)
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
		se_kafka_refresh(s, 0);
	if (s->nleaders == 0 || s->wakes_waiting >= s->nleaders * WAKES_PER_BROKER)
		return;
	for (int i = 0; i < s->nleaders; i++)
		send_wake(s, s->leaders[i]);
	s->consumed = s->consumed_bytes = 0;
}
