/*
 * load.c
 *		Fills a topic with the bench events.
 *
 * Two ways.  As a backlog: n events as fast as they go, their event times
 * event-rate apart; the aggregate that any reader has to arrive at is folded
 * here, from the numbers and not from the JSON, and written to a file.  At a
 * rate: n events paced in real time, event time = now; the moment of each
 * produce() goes to a file, 8 bytes an event, for the latency probe.  They
 * come in bursts, one burst to one partition, as from a producer with Kafka's
 * sticky partitioner: ten thousand requests a second of one event each would
 * measure the broker.
 *
 * A backlog may follow another into its topic (-i); what any reader has to arrive
 * at is of both then.
 *
 * Burst b goes to partition b mod p and the producer is idempotent, so that in
 * a fresh topic the offset of each event is known.  A backlog's bursts are of
 * one event.  Any delivery error ends the run: a bench of fewer events than it
 * says would flatter.
 */
#include <errno.h>
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event.h"

typedef struct Group
{
	int64_t		count;
	int64_t		cents;
} Group;

typedef struct Load
{
	const char *brokers;
	const char *topic;
	const char *result_path;	/* expected aggregate, backlog only */
	const char *earlier_path;	/* that of a backlog which the topic has */
	const char *sent_path;		/* moments of produce(), rate only */
	uint64_t	events;
	uint64_t	seed;
	int			partitions;
	uint64_t	burst;			/* events in a row to one partition */
	double		rate;			/* events a second, 0: a backlog */
	double		event_rate;		/* events per second of event time */
	int			ads;
	Draw		draw;
	int64_t		window_ms;		/* of the expected aggregate */
	rd_kafka_t *producer;
	rd_kafka_topic_t *handle;
	Group	   *groups;
	int64_t		windows;
	int64_t    *sent;
} Load;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(1);
}

static void *
allocate(size_t count, size_t size)
{
	void	   *p = calloc(count, size);

	if (p == NULL)
		die("memory", strerror(errno));
	return p;
}

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void) rk;
	(void) opaque;
	if (message->err)
		die("delivery", rd_kafka_err2str(message->err));
}

static void
configure(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		error[256];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) !=
		RD_KAFKA_CONF_OK)
		die(name, error);
}

static void
connect_producer(Load *load)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		error[256];

	configure(conf, "bootstrap.servers", load->brokers);
	configure(conf, "compression.codec", "lz4");
	configure(conf, "enable.idempotence", "true");
	configure(conf, "queue.buffering.max.messages", "400000");
	/* what is measured at a rate is the reader: the producer adds nothing */
	configure(conf, "linger.ms", load->rate > 0 ? "0" : "20");
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	load->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error,
								  sizeof(error));
	if (load->producer == NULL)
		die("producer", error);
}

static void
create_topic(Load *load)
{
	char		error[256];
	rd_kafka_queue_t *queue = rd_kafka_queue_new(load->producer);
	rd_kafka_NewTopic_t *topic;
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		n;

	topic = rd_kafka_NewTopic_new(load->topic, load->partitions, 1, error,
								  sizeof(error));
	if (topic == NULL)
		die("topic", error);
	rd_kafka_CreateTopics(load->producer, &topic, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, 60000);
	if (event == NULL)
		die("create topic", "no answer from the broker");
	if (rd_kafka_event_error(event))
		die("create topic", rd_kafka_event_error_string(event));
	results = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result(event), &n);
	if (rd_kafka_topic_result_error(results[0]))
		die("create topic", rd_kafka_topic_result_error_string(results[0]));
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
}

static void
produce(Load *load, uint64_t i, int64_t time_ms)
{
	char		buf[EVENT_MAX_BYTES];
	Event		event;
	size_t		length = event_write(load->seed, i, time_ms, load->ads,
									 load->draw, buf, &event);

	if (load->groups != NULL && event.view)
	{
		int64_t		window = (time_ms - EVENT_EPOCH_MS) / load->window_ms;
		Group	   *group = &load->groups[window * load->ads +
										  event.ad_id - 1];

		group->count++;
		group->cents += event.cents;
	}
	while (rd_kafka_produce(load->handle, i / load->burst % load->partitions,
							RD_KAFKA_MSG_F_COPY, buf, length, NULL, 0,
							NULL) != 0)
	{
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(load->producer, 10);
	}
}

static void
send_backlog(Load *load)
{
	for (uint64_t i = 0; i < load->events; i++)
	{
		produce(load, i, event_backlog_time(load->seed, i, load->event_rate));
		if (i % 1024 == 0)
			rd_kafka_poll(load->producer, 0);
	}
}

static void
send_at_rate(Load *load)
{
	int64_t		start = clock_ns(CLOCK_MONOTONIC);

	for (uint64_t i = 0; i < load->events; i++)
	{
		if (i % load->burst == 0)
		{
			int64_t		due = start + (int64_t) (i * 1e9 / load->rate);
			struct timespec t = {due / 1000000000, due % 1000000000};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		}
		load->sent[i] = clock_ns(CLOCK_MONOTONIC);
		produce(load, i, clock_ns(CLOCK_REALTIME) / 1000000);
		if (i % 64 == 0)
			rd_kafka_poll(load->producer, 0);
	}
}

/* What write_result() wrote when the topic was made. */
static void
read_earlier(Load *load)
{
	FILE	   *f = fopen(load->earlier_path, "r");
	long long	start;
	long long	count;
	long long	cents;
	int			ad;

	if (f == NULL)
		die(load->earlier_path, strerror(errno));
	while (fscanf(f, "%lld %d %lld %lld", &start, &ad, &count, &cents) == 4)
	{
		int64_t		window = (start * 1000 - EVENT_EPOCH_MS) / load->window_ms;

		if (window < 0 || window >= load->windows || ad < 1 || ad > load->ads)
			die(load->earlier_path, "of other windows or ads");
		load->groups[window * load->ads + ad - 1].count += count;
		load->groups[window * load->ads + ad - 1].cents += cents;
	}
	if (!feof(f))
		die(load->earlier_path, "not a result");
	fclose(f);
}

static void
write_result(const Load *load)
{
	FILE	   *f = fopen(load->result_path, "w");

	if (f == NULL)
		die(load->result_path, strerror(errno));
	for (int64_t i = 0; i < load->windows * load->ads; i++)
		if (load->groups[i].count > 0)
			fprintf(f, "%lld\t%d\t%lld\t%lld\n",
					(long long) (EVENT_EPOCH_MS + i / load->ads *
								 load->window_ms) / 1000,
					(int) (i % load->ads) + 1,
					(long long) load->groups[i].count,
					(long long) load->groups[i].cents);
	if (fclose(f) != 0)
		die(load->result_path, strerror(errno));
}

static void
write_sent(const Load *load)
{
	FILE	   *f = fopen(load->sent_path, "w");

	if (f == NULL ||
		fwrite(load->sent, sizeof(int64_t), load->events, f) != load->events ||
		fclose(f) != 0)
		die(load->sent_path, strerror(errno));
}

static void
usage(void)
{
	fprintf(stderr,
			"usage: load -b BROKERS -t TOPIC -n EVENTS [-p PARTITIONS]"
			" [-s SEED]\n"
			"            [-e EVENT_RATE] [-a ADS] [-w WINDOW_MS]"
			" [-o EXPECTED_TSV]\n"
			"            [-z | -c] [-i EARLIER_TSV]             a backlog\n"
			"            -r RATE [-k BURST] [-l SENT_TIMES]     paced\n");
	exit(2);
}

static void
parse_options(Load *load, int argc, char **argv)
{
	int			option;

	while ((option = getopt(argc, argv, "b:t:n:p:s:e:a:zci:w:o:r:k:l:")) != -1)
		switch (option)
		{
			case 'b':
				load->brokers = optarg;
				break;
			case 't':
				load->topic = optarg;
				break;
			case 'n':
				load->events = strtoull(optarg, NULL, 10);
				break;
			case 'p':
				load->partitions = atoi(optarg);
				break;
			case 's':
				load->seed = strtoull(optarg, NULL, 10);
				break;
			case 'e':
				load->event_rate = atof(optarg);
				break;
			case 'a':
				load->ads = atoi(optarg);
				break;
			case 'z':
				load->draw = DRAW_BY_ZIPF;
				break;
			case 'c':
				load->draw = DRAW_IN_TURN;
				break;
			case 'i':
				load->earlier_path = optarg;
				break;
			case 'w':
				load->window_ms = strtoll(optarg, NULL, 10);
				break;
			case 'o':
				load->result_path = optarg;
				break;
			case 'r':
				load->rate = atof(optarg);
				break;
			case 'k':
				load->burst = strtoull(optarg, NULL, 10);
				break;
			case 'l':
				load->sent_path = optarg;
				break;
			default:
				usage();
		}
	if (load->brokers == NULL || load->topic == NULL || load->events == 0 ||
		load->partitions < 1 || load->burst < 1 || load->event_rate <= 0 ||
		load->ads < 1 || load->window_ms < 1000 ||
		(load->earlier_path != NULL && load->rate > 0) ||
		optind < argc)
		usage();
}

int
main(int argc, char **argv)
{
	Load		load = {.partitions = 4, .burst = 1, .seed = 1, .event_rate = 10000,
		.ads = EVENT_ADS, .window_ms = EVENT_WINDOW_MS};
	int64_t		start;

	parse_options(&load, argc, argv);
	if (load.rate > 0)
		load.sent = allocate(load.events, sizeof(int64_t));
	else
	{
		load.windows = (int64_t) (load.events / load.event_rate * 1000 /
								  load.window_ms) + 2;
		load.groups = allocate(load.windows * load.ads, sizeof(Group));
	}
	connect_producer(&load);
	if (load.earlier_path == NULL)
		create_topic(&load);
	else
		read_earlier(&load);
	load.handle = rd_kafka_topic_new(load.producer, load.topic, NULL);
	printf("ready\n");
	fflush(stdout);

	start = clock_ns(CLOCK_MONOTONIC);
	if (load.rate > 0)
		send_at_rate(&load);
	else
		send_backlog(&load);
	if (rd_kafka_flush(load.producer, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("flush", "events were left unsent");
	printf("events=%llu seconds=%.3f\n", (unsigned long long) load.events,
		   (clock_ns(CLOCK_MONOTONIC) - start) / 1e9);

	if (load.result_path != NULL && load.groups != NULL)
		write_result(&load);
	if (load.sent_path != NULL && load.sent != NULL)
		write_sent(&load);
	rd_kafka_topic_destroy(load.handle);
	rd_kafka_destroy(load.producer);
	return 0;
}
