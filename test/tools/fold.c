/*
 * fold.c
 *	  kafkatool's oracle: what a topic of gen's records must add up to.
 *
 * Reads each partition from its beginning, read_committed, to where it ends now
 * or to the offset given, and keeps count, sum and highest number per key.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kafkatool.h"

typedef struct Group
{
	char		key[32];
	int64_t		window;			/* its start, in ms since 1970 */
	uint64_t	count;
	int64_t		sum;
	int64_t		maxseq;
} Group;

typedef struct Fold
{
	bool		by_partition;
	bool		skip_bad;
	int64_t		width;			/* of a window in ms, 0: none */
	Group	   *groups;			/* open hash, nslots a power of two */
	size_t		nslots;
	size_t		ngroups;
	uint64_t	bad;
} Fold;

static uint64_t
hash_group(const char *key, int64_t window)
{
	uint64_t	h = UINT64_C(1469598103934665603) ^ (uint64_t) window;

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char) *key) * UINT64_C(1099511628211);
	return h ^ (h >> 29);
}

static Group *
find_slot(Group *groups, size_t nslots, const char *key, int64_t window)
{
	size_t		i = hash_group(key, window) & (nslots - 1);

	while (groups[i].count > 0 &&
		   (groups[i].window != window || strcmp(groups[i].key, key) != 0))
		i = (i + 1) & (nslots - 1);
	return &groups[i];
}

static Group *
find_group(Fold *fold, const char *key, int64_t window)
{
	Group	   *group;

	if (fold->ngroups * 2 >= fold->nslots)
	{
		size_t		nslots = fold->nslots ? fold->nslots * 2 : 1024;
		Group	   *groups = kt_alloc(nslots * sizeof(Group));

		for (size_t i = 0; i < fold->nslots; i++)
		{
			group = &fold->groups[i];
			if (group->count > 0)
				*find_slot(groups, nslots, group->key, group->window) = *group;
		}
		free(fold->groups);
		fold->groups = groups;
		fold->nslots = nslots;
	}
	group = find_slot(fold->groups, fold->nslots, key, window);
	if (group->count == 0)
	{
		snprintf(group->key, sizeof(group->key), "%s", key);
		group->window = window;
		group->maxseq = -1;
		fold->ngroups++;
	}
	return group;
}

/* gen's records only; anything else is bad. */
static bool
parse_record(const rd_kafka_message_t *msg, char *key, int *partition,
			 int64_t *seq, int64_t *v, int64_t *ms)
{
	char		text[512],
				when[40];
	size_t		length = msg->len < sizeof(text) - 1 ? msg->len : sizeof(text) - 1;
	long long	nseq,
				nv;
	int			millis;
	struct tm	tm = {0};
	char	   *end;

	if (msg->payload == NULL)
		return false;
	memcpy(text, msg->payload, length);
	text[length] = '\0';
	if (sscanf(text, "{\"p\":%d,\"seq\":%lld,\"k\":\"%31[^\"]\",\"v\":%lld,\"ts\":\"%39[^\"]\"",
			   partition, &nseq, key, &nv, when) != 5)
		return false;
	if (((const char *) msg->payload)[msg->len - 1] != '}')
		return false;
	end = strptime(when, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || sscanf(end, ".%3dZ", &millis) != 1)
		return false;
	*seq = nseq;
	*v = nv;
	*ms = (int64_t) timegm(&tm) * 1000 + millis;
	return true;
}

static void
fold_message(Fold *fold, const rd_kafka_message_t *msg)
{
	char		key[32];
	int			partition;
	int64_t		seq,
				v,
				ms,
				window = 0;
	Group	   *group;

	if (!parse_record(msg, key, &partition, &seq, &v, &ms))
	{
		if (!fold->skip_bad)
			kt_die("partition %d, offset %lld: not one of gen's records",
				   msg->partition, (long long) msg->offset);
		fold->bad++;
		return;
	}
	if (partition != msg->partition)
		kt_die("partition %d, offset %lld: the record says partition %d",
			   msg->partition, (long long) msg->offset, partition);
	if (fold->by_partition)
		snprintf(key, sizeof(key), "%d", partition);
	if (fold->width > 0)
		window = ms - ms % fold->width;
	group = find_group(fold, key, window);
	group->count++;
	group->sum += v;
	if (seq > group->maxseq)
		group->maxseq = seq;
}

/* "0=12,1=34": partitions that are not named end at 0, they are not read. */
static void
parse_upto(const char *text, int64_t *upto, int n)
{
	char	   *copy = strdup(text),
			   *save = NULL;

	for (int i = 0; i < n; i++)
		upto[i] = 0;
	for (char *item = strtok_r(copy, ",", &save); item != NULL;
		 item = strtok_r(NULL, ",", &save))
	{
		char	   *value = strchr(item, '=');
		int64_t		partition;

		if (value == NULL)
			kt_die("--upto wants PARTITION=OFFSET,...");
		*value++ = '\0';
		partition = kt_number(item, "a partition");
		if (partition < 0 || partition >= n)
			kt_die("--upto: there is no partition %s", item);
		upto[partition] = kt_number(value, "an offset");
	}
	free(copy);
}

static int
compare_groups(const void *a, const void *b)
{
	const Group *ga = a,
			   *gb = b;
	int			c = strcmp(ga->key, gb->key);

	if (c == 0)
		c = (ga->window > gb->window) - (ga->window < gb->window);
	return c;
}

static void
print_groups(Fold *fold)
{
	size_t		n = 0;

	for (size_t i = 0; i < fold->nslots; i++)
	{
		if (fold->groups[i].count > 0)
			fold->groups[n++] = fold->groups[i];
	}
	if (n > 0)
		qsort(fold->groups, n, sizeof(Group), compare_groups);
	for (size_t i = 0; i < n; i++)
	{
		Group	   *g = &fold->groups[i];

		printf("%s\t", g->key);
		if (fold->width > 0)
			printf("%lld\t", (long long) g->window);
		printf("%llu\t%lld\t%lld\n", (unsigned long long) g->count,
			   (long long) g->sum, (long long) g->maxseq);
	}
}

/* Every partition from its beginning until it ends, or reaches upto. */
static void
read_topic(rd_kafka_t *rk, const char *topic, int n, const int64_t *upto,
		   Fold *fold)
{
	rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(n);
	bool	   *finished = kt_alloc(n * sizeof(bool));
	int			left = 0;
	time_t		heard = time(NULL);

	for (int p = 0; p < n; p++)
	{
		finished[p] = upto[p] == 0;
		if (finished[p])
			continue;
		rd_kafka_topic_partition_list_add(parts, topic, p)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
		left++;
	}
	if (rd_kafka_assign(rk, parts) != RD_KAFKA_RESP_ERR_NO_ERROR)
		kt_die("cannot assign the partitions of %s", topic);
	rd_kafka_topic_partition_list_destroy(parts);

	while (left > 0)
	{
		rd_kafka_message_t *msg = rd_kafka_consumer_poll(rk, 1000);

		if (msg == NULL)
		{
			if (time(NULL) - heard > KT_TIMEOUT_MS / 1000)
				kt_die("nothing from the brokers for a minute");
			continue;
		}
		heard = time(NULL);
		if (msg->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
			msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		{
			if (!finished[msg->partition])
			{
				bool		within = upto[msg->partition] < 0 ||
					msg->offset < upto[msg->partition];

				if (msg->err == RD_KAFKA_RESP_ERR_NO_ERROR && within)
					fold_message(fold, msg);
				else
				{
					finished[msg->partition] = true;
					left--;
				}
			}
		}
		else if (msg->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
				 msg->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
			kt_die("%s", rd_kafka_message_errstr(msg));
		rd_kafka_message_destroy(msg);
	}
	free(finished);
}

void
kt_fold(int argc, char **argv)
{
	Fold		fold = {0};
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	const char *by = kt_option(&argc, argv, "--by");
	const char *width = kt_option(&argc, argv, "--window");
	const char *upto_text = kt_option(&argc, argv, "--upto");
	int64_t    *upto;
	int			n;

	fold.skip_bad = kt_flag(&argc, argv, "--skip-bad");
	kt_arguments(argc, argv, 1, 1,
				 "TOPIC [--by k|p] [--window MS] [--upto P=OFFSET,...] [--skip-bad]");
	if (by != NULL && strcmp(by, "k") != 0 && strcmp(by, "p") != 0)
		kt_die("--by is k or p");
	fold.by_partition = by != NULL && strcmp(by, "p") == 0;
	fold.width = width ? kt_number(width, "--window") : 0;

	conf = kt_conf();
	kt_set(conf, "group.id", "kafkatool");
	kt_set(conf, "isolation.level", "read_committed");
	kt_set(conf, "enable.auto.commit", "false");
	kt_set(conf, "enable.auto.offset.store", "false");
	kt_set(conf, "auto.offset.reset", "error");
	kt_set(conf, "enable.partition.eof", "true");
	kt_set(conf, "check.crcs", "true");
	rk = kt_open(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);

	n = kt_partitions(rk, argv[1]);
	upto = kt_alloc(n * sizeof(int64_t));
	for (int p = 0; p < n; p++)
		upto[p] = -1;
	if (upto_text != NULL)
		parse_upto(upto_text, upto, n);
	read_topic(rk, argv[1], n, upto, &fold);
	print_groups(&fold);
	if (fold.bad > 0)
		fprintf(stderr, "%llu other records\n", (unsigned long long) fold.bad);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	free(upto);
	free(fold.groups);
}
