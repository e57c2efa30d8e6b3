/*
 * gen.c
 *	  kafkatool's load for fault tests: records whose sum tells a lost or a
 *	  doubled one.
 *
 * Each partition numbers its records without a gap, and the numbers, keys, values
 * and times follow from the seed alone.  With transactions every N-th is
 * aborted; its records keep their numbers, which a reader must then never see.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kafkatool.h"

/* 2026-01-01 00:00:00 UTC in ms: where the records' times begin */
#define FIRST_TIME	INT64_C(1767225600000)

typedef struct Load
{
	const char *topic;
	int			partitions;
	uint64_t	count;			/* 0: until a signal comes */
	uint64_t	rate;			/* per second, 0: as fast as it goes */
	uint64_t	random;
	int			keys;
	uint64_t	start;			/* first sequence number */
	int64_t		step;			/* ms between records' times */
	bool		now;			/* times are the clock's */
	int			pad;
	const char *txn;
	uint64_t	txn_size;
	uint64_t	abort_every;
} Load;

static volatile sig_atomic_t stopping;

static void
stop(int signo)
{
	(void) signo;
	stopping = 1;
}

/* xorshift64* */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t	x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint64_t
number_option(int *argc, char **argv, const char *name, uint64_t otherwise)
{
	const char *text = kt_option(argc, argv, name);
	int64_t		n = text ? kt_number(text, name) : 0;

	if (n < 0)
		kt_die("%s must not be negative", name);
	return text ? (uint64_t) n : otherwise;
}

static void
read_options(Load *load, int argc, char **argv, const char **compression)
{
	memset(load, 0, sizeof(*load));
	load->partitions = number_option(&argc, argv, "--partitions", 0);
	load->count = number_option(&argc, argv, "--count", 0);
	load->rate = number_option(&argc, argv, "--rate", 0);
	load->random = number_option(&argc, argv, "--seed", 1) * 2 + 1;
	load->keys = number_option(&argc, argv, "--keys", 100);
	load->start = number_option(&argc, argv, "--start", 0);
	load->step = number_option(&argc, argv, "--step", 1);
	load->pad = number_option(&argc, argv, "--pad", 0);
	load->txn = kt_option(&argc, argv, "--txn");
	load->txn_size = number_option(&argc, argv, "--txn-size", 100);
	load->abort_every = number_option(&argc, argv, "--abort-every", 0);
	load->now = kt_flag(&argc, argv, "--now");
	*compression = kt_option(&argc, argv, "--compression");
	kt_arguments(argc, argv, 1, 1, "TOPIC [options]");
	load->topic = argv[1];
	if (load->keys < 1 || load->txn_size < 1 || load->pad > 100000)
		kt_die("--keys and --txn-size start at 1, --pad ends at 100000");
}

static void
send_one(KtProducer *p, Load *load, uint64_t i, char *value, size_t size)
{
	int			partition = i % load->partitions;
	uint64_t	random = next_random(&load->random);
	int64_t		ms;
	time_t		seconds;
	struct tm	tm;
	char		key[32],
				when[40];
	int			keylen,
				length;

	ms = load->now ? clock_us(CLOCK_REALTIME) / 1000 :
		FIRST_TIME + (int64_t) i * load->step;
	seconds = ms / 1000;
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	keylen = snprintf(key, sizeof(key), "k%05d", (int) (random % load->keys));
	length = snprintf(value, size,
					  "{\"p\":%d,\"seq\":%llu,\"k\":\"%s\",\"v\":%d,\"ts\":\"%s.%03dZ\"",
					  partition,
					  (unsigned long long) (load->start + i / load->partitions),
					  key, (int) ((random >> 32) % 1000), when, (int) (ms % 1000));
	if (load->pad > 0)
	{
		length += snprintf(value + length, size - length, ",\"pad\":\"");
		memset(value + length, 'x', load->pad);
		length += load->pad;
		value[length++] = '"';
	}
	value[length++] = '}';
	kt_producer_send(p, load->topic, partition, key, keylen, value, length, NULL, 0);
}

/* Sleeps until record i is due; librdkafka's callbacks are served meanwhile. */
static void
pace(KtProducer *p, const Load *load, uint64_t i, int64_t began)
{
	int64_t		due;

	if (load->rate == 0)
		return;
	due = began + (int64_t) (i * UINT64_C(1000000) / load->rate);
	while (!stopping && clock_us(CLOCK_MONOTONIC) < due)
		rd_kafka_poll(p->rk, (due - clock_us(CLOCK_MONOTONIC)) / 1000 + 1);
}

void
kt_gen(int argc, char **argv)
{
	Load		load;
	KtProducer	p;
	const char *compression;
	struct sigaction action = {.sa_handler = stop};
	uint64_t	sent = 0,
				aborted = 0,
				in_txn = 0,
				txns = 0;
	int64_t		began;
	size_t		size;
	char	   *value;

	read_options(&load, argc, argv, &compression);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	kt_producer_open(&p, load.txn, compression);
	if (load.partitions == 0)
		load.partitions = kt_partitions(p.rk, load.topic);

	size = 256 + load.pad;
	value = kt_alloc(size);

	began = clock_us(CLOCK_MONOTONIC);
	for (; !stopping && (load.count == 0 || sent < load.count); sent++)
	{
		pace(&p, &load, sent, began);
		if (load.txn != NULL && !p.in_transaction)
			kt_producer_begin(&p);
		send_one(&p, &load, sent, value, size);
		in_txn++;
		if (load.txn != NULL && in_txn == load.txn_size)
		{
			txns++;
			if (load.abort_every > 0 && txns % load.abort_every == 0)
			{
				kt_producer_abort(&p);
				aborted += in_txn;
			}
			else if (!kt_producer_commit(&p))
				aborted += in_txn;
			in_txn = 0;
		}
	}
	if (p.in_transaction && !kt_producer_commit(&p))
		aborted += in_txn;
	kt_producer_close(&p);
	free(value);
	printf("sent\t%llu\naborted\t%llu\n", (unsigned long long) sent,
		   (unsigned long long) aborted);
}
