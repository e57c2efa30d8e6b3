/*
 * demo/replay.c
 *		Sends the flights to Kafka in the order and at the pace they left.
 *
 * It owns the pace.  A clock of the flights' time runs at --speed days per
 * second from the first departure on; a flight is sent when the clock reaches
 * its departure.  The clock stands still while the reader is too far behind:
 * the embedded broker (broker.c) drops what is not read in time.  What counts
 * as behind is what the broker has acknowledged less what the stream has
 * committed, so a reader that crashed and starts again is waited for too.
 *
 * Records are sent by an idempotent producer, so a retry makes no second
 * record and keeps the order.  When this program dies the topic holds a part
 * of the flights; it must be started again on a fresh topic.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "flights.h"
#include "reader.h"

/* How often the reader is asked and the status is written, in seconds. */
#define TICK 0.2

/* The broker keeps 5 MB of a partition; this much may be unread in it ... */
#define MAX_BEHIND_BYTES (3 * 1024 * 1024)

/* ... and these records may be on their way to it. */
#define MAX_IN_FLIGHT "5000"

typedef struct Replay
{
	/* options */
	const char *brokers;
	const char *topic;
	const char *status_file;
	double		speed;			/* seconds of flight time per second; 0: max */

	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	Reader	   *reader;			/* NULL: nobody to wait for */

	size_t		total;
	size_t		sent;
	int64_t		bytes;
	int64_t		acked[READER_MAX_PARTITIONS];	/* next offset to be written */
	int64_t		read[READER_MAX_PARTITIONS];	/* next offset to be read */
	bool		reader_known;	/* the last question was answered */

	double		start;			/* when the clock was at the first flight */
	double		next_tick;
	double		held;			/* seconds spent waiting for the reader */
	int64_t		flight_time;	/* departure of the last flight sent */
	int32_t		utc_offset;
} Replay;

static volatile sig_atomic_t stop_asked = 0;

static void
on_stop(int signo)
{
	(void) signo;
	stop_asked = 1;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "replay: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	Replay	   *replay = opaque;

	(void) rk;
	if (message->err)
		die("a flight was not accepted by the broker",
			rd_kafka_err2str(message->err));
	if (message->partition < 0 || message->partition >= READER_MAX_PARTITIONS)
		die(replay->topic, "has too many partitions");
	if (message->offset >= replay->acked[message->partition])
		replay->acked[message->partition] = message->offset + 1;
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	(void) opaque;
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		die("librdkafka", reason);
	fprintf(stderr, "replay: %s: %s\n", rd_kafka_name(rk), reason);
}

static void
set_conf(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		errstr[512];

	if (rd_kafka_conf_set(conf, name, value, errstr, sizeof(errstr)) !=
		RD_KAFKA_CONF_OK)
		die(name, errstr);
}

static void
connect_broker(Replay *replay)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		errstr[512];

	set_conf(conf, "bootstrap.servers", replay->brokers);
	set_conf(conf, "log_level", "3");
	set_conf(conf, "client.id", "stream_ext-demo");
	set_conf(conf, "enable.idempotence", "true");
	set_conf(conf, "partitioner", "murmur2_random");
	set_conf(conf, "compression.type", "lz4");
	set_conf(conf, "queue.buffering.max.messages", MAX_IN_FLIGHT);
	set_conf(conf, "message.timeout.ms", "60000");
	set_conf(conf, "linger.ms", replay->speed > 0 ? "50" : "5");
	rd_kafka_conf_set_opaque(conf, replay);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);

	replay->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
	if (replay->rk == NULL)
		die("librdkafka", errstr);
	replay->rkt = rd_kafka_topic_new(replay->rk, replay->topic, NULL);
	if (replay->rkt == NULL)
		die(replay->topic, rd_kafka_err2str(rd_kafka_last_error()));
}

/* Records that the broker has and the stream has not, in the worst partition. */
static int64_t
most_behind(const Replay *replay)
{
	int64_t		most = 0;
	int			i;

	for (i = 0; i < READER_MAX_PARTITIONS; i++)
	{
		if (replay->acked[i] - replay->read[i] > most)
			most = replay->acked[i] - replay->read[i];
	}
	return most;
}

static bool
must_wait(const Replay *replay)
{
	if (replay->reader == NULL || replay->sent == 0)
		return false;
	return most_behind(replay) * (replay->bytes / (int64_t) replay->sent) >
		MAX_BEHIND_BYTES;
}

/* One line for people, then name=value for scripts; replaced as a whole. */
static void
write_status(const Replay *replay, const char *what)
{
	char		temporary[4096];
	char		day[32];
	time_t		local = replay->flight_time + replay->utc_offset;
	struct tm	tm;
	FILE	   *out;

	gmtime_r(&local, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &tm);
	if (replay->status_file == NULL)
	{
		fprintf(stderr, "replay: %s, New York %s, %zu of %zu flights sent\n",
				what, day, replay->sent, replay->total);
		return;
	}
	snprintf(temporary, sizeof(temporary), "%s.new", replay->status_file);
	out = fopen(temporary, "w");
	if (out == NULL)
		die(temporary, strerror(errno));
	fprintf(out, "state='%s'\nnew_york='%s'\nsent=%zu\ntotal=%zu\n"
			"behind=%" PRId64 "\nheld=%.1f\n",
			what, day, replay->sent, replay->total, most_behind(replay),
			replay->held);
	if (fclose(out) != 0 || rename(temporary, replay->status_file) != 0)
		die(replay->status_file, strerror(errno));
}

static void
tick(Replay *replay)
{
	if (replay->reader != NULL)
		replay->reader_known = reader_positions(replay->reader, replay->read);
	if (must_wait(replay))
		write_status(replay, replay->reader_known ?
					 "waiting for the stream" : "waiting for PostgreSQL");
	else
		write_status(replay, "sending");
	replay->next_tick = now() + TICK;
}

/*
 * Serve librdkafka for up to that many seconds, less when a tick is due.
 */
static void
serve(Replay *replay, double seconds)
{
	double		to_tick = replay->next_tick - now();

	if (to_tick <= 0)
	{
		tick(replay);
		to_tick = TICK;
	}
	if (seconds > to_tick)
		seconds = to_tick;
	rd_kafka_poll(replay->rk, (int) (seconds * 1000 + 0.999));
}

/* The clock stands still until the reader has caught up. */
static void
wait_for_reader(Replay *replay)
{
	double		from = now();

	while (must_wait(replay) && !stop_asked)
	{
		tick(replay);
		serve(replay, 0.02);
	}
	replay->held += now() - from;
	replay->start += now() - from;
}

/* Wait until the flight may be sent; false when asked to stop. */
static bool
wait_for_turn(Replay *replay, const Flight *first, const Flight *flight)
{
	double		after = (double) (flight->left - first->left);
	double		early;

	serve(replay, 0);
	while (!stop_asked)
	{
		if (must_wait(replay))
			wait_for_reader(replay);
		early = replay->speed > 0 ?
			replay->start + after / replay->speed - now() : 0;
		if (early <= 0)
			return true;
		serve(replay, early);
	}
	return false;
}

static void
send_flight(Replay *replay, const Flight *flight)
{
	char		json[FLIGHT_JSON_MAX];
	size_t		len = flight_json(flight, json, sizeof(json));
	size_t		key_len = strlen(flight->tailnum);

	while (rd_kafka_produce(replay->rkt, RD_KAFKA_PARTITION_UA,
							RD_KAFKA_MSG_F_COPY, json, len,
							key_len > 0 ? flight->tailnum : NULL, key_len,
							NULL) != 0)
	{
		rd_kafka_resp_err_t err = rd_kafka_last_error();

		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("sending a flight", rd_kafka_err2str(err));
		serve(replay, 0.005);
	}
	replay->sent++;
	replay->bytes += (int64_t) len;
	replay->flight_time = flight->left;
	replay->utc_offset = flight->utc_offset;
}

static void
run(Replay *replay, const Flights *all)
{
	size_t		i;
	double		begun = now();
	rd_kafka_resp_err_t err;

	replay->total = all->count;
	replay->flight_time = all->flight[0].left;
	replay->utc_offset = all->flight[0].utc_offset;
	replay->start = begun;
	tick(replay);
	for (i = 0; i < all->count; i++)
	{
		if (!wait_for_turn(replay, &all->flight[0], &all->flight[i]))
			break;
		send_flight(replay, &all->flight[i]);
	}

	err = rd_kafka_flush(replay->rk, 60000);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("the broker did not take the last flights",
			rd_kafka_err2str(err));
	write_status(replay, stop_asked ? "stopped" : "done");
	printf("%zu flights sent in %.1f s, of them %.1f s waiting for the"
		   " stream\n", replay->sent, now() - begun, replay->held);
}

static const char *usage_text =
	"usage: replay --brokers LIST --topic NAME [options] < flights.csv\n"
	"  --speed N|max     days of flights per second, 1 unless told\n"
	"  --follow CONNINFO hold back when the stream there lags\n"
	"  --stream NAME     the stream to follow\n"
	"  --status FILE     write the progress into this file\n"
	"  --print           print the records instead of sending them\n";

static double
parse_speed(const char *text)
{
	char	   *end;
	double		days = strtod(text, &end);

	if (strcmp(text, "max") == 0)
		return 0;
	if (end == text || *end != '\0' || !(days > 0 && days < 1e6))
		die(text, "--speed is a number of days per second, or max");
	return days * 86400;
}

static void
print_flights(const Flights *all)
{
	char		json[FLIGHT_JSON_MAX];
	size_t		i;

	for (i = 0; i < all->count; i++)
	{
		flight_json(&all->flight[i], json, sizeof(json));
		printf("%s\t%s\n", all->flight[i].tailnum, json);
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"brokers", required_argument, NULL, 'b'},
		{"topic", required_argument, NULL, 't'},
		{"speed", required_argument, NULL, 's'},
		{"follow", required_argument, NULL, 'f'},
		{"stream", required_argument, NULL, 'n'},
		{"status", required_argument, NULL, 'o'},
		{"print", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0}
	};
	static Replay replay = {.speed = 86400};
	struct sigaction on_signal = {.sa_handler = on_stop};
	const char *follow = NULL;
	const char *stream = NULL;
	bool		print = false;
	Flights		all;
	int			opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (opt)
		{
			case 'b':
				replay.brokers = optarg;
				break;
			case 't':
				replay.topic = optarg;
				break;
			case 's':
				replay.speed = parse_speed(optarg);
				break;
			case 'f':
				follow = optarg;
				break;
			case 'n':
				stream = optarg;
				break;
			case 'o':
				replay.status_file = optarg;
				break;
			case 'p':
				print = true;
				break;
			default:
				fputs(usage_text, stderr);
				return 2;
		}
	}
	if (optind != argc || (follow == NULL) != (stream == NULL) ||
		(!print && (replay.brokers == NULL || replay.topic == NULL)))
	{
		fputs(usage_text, stderr);
		return 2;
	}

	all = flights_read(stdin);
	if (print)
	{
		print_flights(&all);
		return 0;
	}

	sigaction(SIGTERM, &on_signal, NULL);
	sigaction(SIGINT, &on_signal, NULL);
	if (follow != NULL)
		replay.reader = reader_new(follow, stream);
	connect_broker(&replay);
	run(&replay, &all);
	rd_kafka_topic_destroy(replay.rkt);
	rd_kafka_destroy(replay.rk);
	if (replay.reader != NULL)
		reader_free(replay.reader);
	free(all.flight);
	return stop_asked ? 1 : 0;
}
