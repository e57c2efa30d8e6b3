/*
 * admin.c
 *	  kafkatool's commands that change or show topics.
 *
 * Each waits until the cluster's metadata shows what it did, so that the next
 * command of a test may rely on it.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafkatool.h"

/* Topic configuration "name=value", cut in two in place. */
static char *
split_setting(char *text)
{
	char	   *value = strchr(text, '=');

	if (value == NULL)
		kt_die("a topic's settings are name=value, not \"%s\"", text);
	*value = '\0';
	return value + 1;
}

static void
check_topic_results(const rd_kafka_topic_result_t **results, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
			kt_die("topic %s: %s", rd_kafka_topic_result_name(results[i]),
				   rd_kafka_topic_result_error_string(results[i]));
	}
}

static rd_kafka_event_t *
wait_event(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, KT_TIMEOUT_MS);

	if (event == NULL)
		kt_die("no answer from the brokers");
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		kt_die("%s", rd_kafka_event_error_string(event));
	return event;
}

/*
 * One look at a topic: its partition count if it exists and every partition has
 * a leader; 0 if it does not exist; -1 if it is not ready.
 */
static int
look(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	rd_kafka_resp_err_t err;
	int			n;

	err = rd_kafka_metadata(rk, 0, rkt, &md, 5000);
	rd_kafka_topic_destroy(rkt);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	n = md->topics[0].partition_cnt;
	if (md->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		n = 0;
	else if (md->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR)
		n = -1;
	for (int i = 0; i < n; i++)
	{
		if (md->topics[0].partitions[i].leader < 0)
			n = -1;
	}
	rd_kafka_metadata_destroy(md);
	return n;
}

static void
wait_for_partitions(rd_kafka_t *rk, const char *topic, int want)
{
	time_t		deadline = time(NULL) + KT_TIMEOUT_MS / 1000;

	while (look(rk, topic) != want)
	{
		if (time(NULL) > deadline)
			kt_die("topic %s does not get to %d partitions", topic, want);
		usleep(50000);
	}
}

int
kt_partitions(rd_kafka_t *rk, const char *topic)
{
	time_t		deadline = time(NULL) + KT_TIMEOUT_MS / 1000;
	int			n;

	/* a broker may hear of a new topic later than the one that was asked then */
	while ((n = look(rk, topic)) <= 0)
	{
		if (time(NULL) > deadline)
			kt_die(n == 0 ? "topic %s does not exist" :
				   "topic %s has partitions without a leader", topic);
		usleep(50000);
	}
	return n;
}

void
kt_create(int argc, char **argv)
{
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_NewTopic_t *topic;
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		nresults;
	int			partitions,
				replicas = 1,
				at = 3;
	char		err[512];

	kt_arguments(argc, argv, 2, 100,
				 "TOPIC PARTITIONS [REPLICAS] [config=value]...");
	partitions = kt_number(argv[2], "PARTITIONS");
	if (at < argc && strchr(argv[at], '=') == NULL)
		replicas = kt_number(argv[at++], "REPLICAS");

	rk = kt_open(RD_KAFKA_PRODUCER, kt_conf());
	queue = rd_kafka_queue_new(rk);
	topic = rd_kafka_NewTopic_new(argv[1], partitions, replicas, err, sizeof(err));
	if (topic == NULL)
		kt_die("%s", err);
	for (; at < argc; at++)
	{
		char	   *value = split_setting(argv[at]);

		if (rd_kafka_NewTopic_set_config(topic, argv[at], value) !=
			RD_KAFKA_RESP_ERR_NO_ERROR)
			kt_die("bad setting %s", argv[at]);
	}

	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	event = wait_event(queue);
	results = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result(event), &nresults);
	check_topic_results(results, nresults);
	rd_kafka_event_destroy(event);
	wait_for_partitions(rk, argv[1], partitions);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

void
kt_add_partitions(int argc, char **argv)
{
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_NewPartitions_t *more;
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		nresults;
	int			total;
	char		err[512];

	kt_arguments(argc, argv, 2, 2, "TOPIC TOTAL");
	total = kt_number(argv[2], "TOTAL");
	rk = kt_open(RD_KAFKA_PRODUCER, kt_conf());
	queue = rd_kafka_queue_new(rk);
	more = rd_kafka_NewPartitions_new(argv[1], total, err, sizeof(err));
	if (more == NULL)
		kt_die("%s", err);
	rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
	event = wait_event(queue);
	results = rd_kafka_CreatePartitions_result_topics(
		rd_kafka_event_CreatePartitions_result(event), &nresults);
	check_topic_results(results, nresults);
	rd_kafka_event_destroy(event);
	wait_for_partitions(rk, argv[1], total);
	rd_kafka_NewPartitions_destroy(more);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

void
kt_delete_topic(int argc, char **argv)
{
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_DeleteTopic_t *topic;
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		nresults;

	kt_arguments(argc, argv, 1, 1, "TOPIC");
	rk = kt_open(RD_KAFKA_PRODUCER, kt_conf());
	queue = rd_kafka_queue_new(rk);
	topic = rd_kafka_DeleteTopic_new(argv[1]);
	rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
	event = wait_event(queue);
	results = rd_kafka_DeleteTopics_result_topics(
		rd_kafka_event_DeleteTopics_result(event), &nresults);
	check_topic_results(results, nresults);
	rd_kafka_event_destroy(event);
	wait_for_partitions(rk, argv[1], 0);
	rd_kafka_DeleteTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

void
kt_delete_records(int argc, char **argv)
{
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_DeleteRecords_t *del;
	rd_kafka_event_t *event;
	rd_kafka_topic_partition_list_t *offsets;
	const rd_kafka_topic_partition_list_t *done;
	int64_t		offset;

	kt_arguments(argc, argv, 3, 3, "TOPIC PARTITION OFFSET");
	offset = kt_number(argv[3], "OFFSET");
	rk = kt_open(RD_KAFKA_PRODUCER, kt_conf());
	queue = rd_kafka_queue_new(rk);
	offsets = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(offsets, argv[1],
									  kt_number(argv[2], "PARTITION"))->offset =
		offset < 0 ? RD_KAFKA_OFFSET_END : offset;
	del = rd_kafka_DeleteRecords_new(offsets);
	rd_kafka_DeleteRecords(rk, &del, 1, NULL, queue);
	event = wait_event(queue);
	done = rd_kafka_DeleteRecords_result_offsets(
		rd_kafka_event_DeleteRecords_result(event));
	if (done->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR)
		kt_die("%s", rd_kafka_err2str(done->elems[0].err));
	printf("%lld\n", (long long) done->elems[0].offset);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(del);
	rd_kafka_topic_partition_list_destroy(offsets);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

void
kt_offsets(int argc, char **argv)
{
	rd_kafka_conf_t *conf = kt_conf();
	rd_kafka_t *rk;
	int			n;

	kt_arguments(argc, argv, 1, 1, "TOPIC");
	kt_set(conf, "isolation.level", "read_committed");
	rk = kt_open(RD_KAFKA_CONSUMER, conf);
	n = kt_partitions(rk, argv[1]);
	for (int p = 0; p < n; p++)
	{
		int64_t		low,
					high;
		rd_kafka_resp_err_t err;

		err = rd_kafka_query_watermark_offsets(rk, argv[1], p, &low, &high,
											   KT_TIMEOUT_MS);
		if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
			kt_die("%s/%d: %s", argv[1], p, rd_kafka_err2str(err));
		printf("%d\t%lld\t%lld\n", p, (long long) low, (long long) high);
	}
	rd_kafka_destroy(rk);
}

void
kt_show_partitions(int argc, char **argv)
{
	rd_kafka_t *rk = kt_open(RD_KAFKA_PRODUCER, kt_conf());
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *rkt;
	rd_kafka_resp_err_t err;

	kt_arguments(argc, argv, 1, 1, "TOPIC");
	rkt = rd_kafka_topic_new(rk, argv[1], NULL);
	err = rd_kafka_metadata(rk, 0, rkt, &md, KT_TIMEOUT_MS);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		err = md->topics[0].err;
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		kt_die("topic %s: %s", argv[1], rd_kafka_err2str(err));
	for (int p = 0; p < md->topics[0].partition_cnt; p++)
	{
		const struct rd_kafka_metadata_partition *part = &md->topics[0].partitions[p];

		printf("%d\t%d\t", part->id, part->leader);
		for (int r = 0; r < part->replica_cnt; r++)
			printf("%s%d", r ? "," : "", part->replicas[r]);
		putchar('\n');
	}
	rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(rkt);
	rd_kafka_destroy(rk);
}
