/*
 * probe.c
 *		From produce() to visible: how long each event takes to show up in
 *		what a query returns.
 *
 * The query gives (partition, events visible).  It is run again and again on
 * one connection, and the moment its answer is here, with the counts, is
 * noted whenever a count has grown.  Afterwards each event is looked up: load
 * sent event i at a moment it wrote down, in bursts of one partition each, so
 * its place in its partition is known and it is visible in the first answer
 * that counts more than that many.  Every event is measured, none is sampled,
 * and an answer's time is taken when it has arrived, so the figures are upper
 * bounds.
 *
 * Both sides read CLOCK_MONOTONIC, which is one clock for the machine.
 */
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PARTITIONS 64

typedef struct Sight
{
	int64_t		at;				/* ns */
	int			partition;
	int64_t		visible;		/* events of that partition */
} Sight;

typedef struct Probe
{
	const char *dsn;
	const char *query;
	const char *sent_path;
	int64_t		events;			/* stop when all these are visible */
	int64_t		skip;			/* the first ones do not count */
	int			partitions;
	int64_t		burst;			/* events in a row to one partition */
	int64_t		interval_ns;
	int64_t		timeout_ns;
	PGconn	   *conn;
	int64_t		visible[MAX_PARTITIONS];
	Sight	   *sights;
	size_t		n_sights;
	size_t		polls;
	int64_t		poll_ns;
} Probe;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "probe: %s: %s\n", what, why);
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
note(Probe *probe, int64_t at, int partition, int64_t visible)
{
	if (partition < 0 || partition >= probe->partitions)
		die("query", "it returns a partition that does not exist");
	if (visible < probe->visible[partition])
		die("query", "events that were visible are gone");
	if (visible == probe->visible[partition])
		return;
	probe->visible[partition] = visible;
	if ((probe->n_sights & (probe->n_sights - 1)) == 0)
	{
		size_t		room = probe->n_sights == 0 ? 1 : probe->n_sights * 2;

		probe->sights = realloc(probe->sights, room * sizeof(Sight));
		if (probe->sights == NULL)
			die("memory", strerror(errno));
	}
	probe->sights[probe->n_sights++] = (Sight) {at, partition, visible};
}

/* One look; returns the number of events visible in all partitions */
static int64_t
look(Probe *probe)
{
	int64_t		start = now_ns();
	int64_t		at;
	int64_t		sum = 0;
	PGresult   *res = PQexecPrepared(probe->conn, "look", 0, NULL, NULL, NULL,
									 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("query", PQerrorMessage(probe->conn));
	at = now_ns();
	probe->polls++;
	probe->poll_ns += at - start;
	for (int i = 0; i < PQntuples(res); i++)
		note(probe, at, atoi(PQgetvalue(res, i, 0)),
			 strtoll(PQgetvalue(res, i, 1), NULL, 10));
	PQclear(res);
	for (int i = 0; i < probe->partitions; i++)
		sum += probe->visible[i];
	return sum;
}

static void
watch(Probe *probe)
{
	int64_t		give_up = now_ns() + probe->timeout_ns;
	int64_t		next = now_ns();
	PGresult   *res;

	probe->conn = PQconnectdb(probe->dsn);
	if (PQstatus(probe->conn) != CONNECTION_OK)
		die("connection", PQerrorMessage(probe->conn));
	res = PQprepare(probe->conn, "look", probe->query, 0, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die("query", PQerrorMessage(probe->conn));
	PQclear(res);

	while (look(probe) < probe->events)
	{
		struct timespec t;

		next += probe->interval_ns;
		if (next < now_ns())
			next = now_ns();
		t = (struct timespec) {next / 1000000000, next % 1000000000};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		if (now_ns() > give_up)
			die("timeout", "not all events became visible");
	}
	PQfinish(probe->conn);
}

static int64_t *
read_sent(const Probe *probe)
{
	int64_t    *sent = malloc(probe->events * sizeof(int64_t));
	FILE	   *f = fopen(probe->sent_path, "r");

	if (sent == NULL || f == NULL ||
		fread(sent, sizeof(int64_t), probe->events, f) !=
		(size_t) probe->events)
		die(probe->sent_path, "not the times of all events");
	fclose(f);
	return sent;
}

static int
compare(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

static void
report(Probe *probe)
{
	int64_t    *sent = read_sent(probe);
	int64_t    *latency = malloc(probe->events * sizeof(int64_t));
	int64_t		seen[MAX_PARTITIONS] = {0};
	int64_t		n = 0;

	if (latency == NULL)
		die("memory", strerror(errno));
	for (size_t s = 0; s < probe->n_sights; s++)
	{
		const Sight *sight = &probe->sights[s];

		for (; seen[sight->partition] < sight->visible;
			 seen[sight->partition]++)
		{
			int64_t		place = seen[sight->partition];
			int64_t		i = (place / probe->burst * probe->partitions +
							 sight->partition) * probe->burst +
				place % probe->burst;

			if (i >= probe->skip && i < probe->events)
				latency[n++] = sight->at - sent[i];
		}
	}
	if (n == 0)
		die("result", "no event was measured");
	qsort(latency, n, sizeof(int64_t), compare);
	printf("events=%lld p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f max_ms=%.3f"
		   " polls=%zu poll_us=%.1f\n",
		   (long long) n, latency[n / 2] / 1e6, latency[n * 9 / 10] / 1e6,
		   latency[n * 99 / 100] / 1e6, latency[n - 1] / 1e6, probe->polls,
		   probe->poll_ns / 1e3 / probe->polls);
}

int
main(int argc, char **argv)
{
	Probe		probe = {.partitions = 4, .burst = 1, .interval_ns = 1000000,
						 .timeout_ns = INT64_C(120000000000)};
	int			option;

	while ((option = getopt(argc, argv, "d:q:l:n:s:p:k:i:T:")) != -1)
		switch (option)
		{
			case 'd':
				probe.dsn = optarg;
				break;
			case 'q':
				probe.query = optarg;
				break;
			case 'l':
				probe.sent_path = optarg;
				break;
			case 'n':
				probe.events = strtoll(optarg, NULL, 10);
				break;
			case 's':
				probe.skip = strtoll(optarg, NULL, 10);
				break;
			case 'p':
				probe.partitions = atoi(optarg);
				break;
			case 'k':
				probe.burst = strtoll(optarg, NULL, 10);
				break;
			case 'i':
				probe.interval_ns = strtoll(optarg, NULL, 10) * 1000;
				break;
			case 'T':
				probe.timeout_ns = strtoll(optarg, NULL, 10) * 1000000000;
				break;
			default:
				probe.query = NULL;
		}
	if (probe.dsn == NULL || probe.query == NULL || probe.sent_path == NULL ||
		probe.events <= 0 || probe.burst <= 0 || probe.partitions < 1 ||
		probe.partitions > MAX_PARTITIONS)
	{
		fprintf(stderr, "usage: probe -d DSN -q QUERY -l SENT_TIMES -n EVENTS"
				" [-s SKIP] [-p PARTITIONS]\n"
				"             [-k BURST] [-i INTERVAL_US] [-T TIMEOUT_S]\n");
		return 2;
	}
	watch(&probe);
	/* the producer writes its file when it is done: wait for that first */
	while (getchar() != EOF)
		;
	report(&probe);
	return 0;
}
