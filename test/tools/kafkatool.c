/*
 * kafkatool.c
 *	  A small Kafka client for tests: makes topics, produces what a test says
 *	  byte by byte, and folds a topic independently of the extension.
 *
 * It is a tool of its own, and not kcat, because tests need transactions that
 * abort, keys and values that are NULL or binary, and an oracle; and because a
 * record that was not delivered must be an error here.  It shares no code with
 * the extension: what it says about a topic is a second opinion.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kafkatool.h"

#define MAX_SETTINGS 64

static const char *bootstrap;
static const char *settings[MAX_SETTINGS];
static int	nsettings;

static const struct
{
	const char *name;
	void		(*run) (int argc, char **argv);
}			commands[] = {
	{"create", kt_create},
	{"add-partitions", kt_add_partitions},
	{"delete-topic", kt_delete_topic},
	{"delete-records", kt_delete_records},
	{"offsets", kt_offsets},
	{"partitions", kt_show_partitions},
	{"produce", kt_produce},
	{"gen", kt_gen},
	{"fold", kt_fold},
};

static const char usage[] =
"usage: kafkatool -b HOST:PORT [-X librdkafka-option=value]... COMMAND ...\n"
"  ($KAFKA_BOOTSTRAP serves instead of -b)\n"
"\n"
"  create TOPIC PARTITIONS [REPLICAS] [config=value]...\n"
"  add-partitions TOPIC TOTAL\n"
"  delete-topic TOPIC\n"
"  delete-records TOPIC PARTITION OFFSET       everything below OFFSET (-1: all)\n"
"  offsets TOPIC                               partition, low, high; high is what\n"
"                                              a read_committed reader may reach\n"
"  partitions TOPIC                            partition, leader, replicas\n"
"\n"
"  produce TOPIC [--txn ID] [--compression C]\n"
"      a record per line of standard input, fields separated by tabs:\n"
"      partition or -, key, value, headers (name=value,...), timestamp in ms;\n"
"      the last two may be missing.  \\N is NULL; \\\\ \\t \\n \\r \\xHH are bytes.\n"
"      The lines \\begin \\commit \\abort (with --txn) and \\flush are commands.\n"
"\n"
"  gen TOPIC [--count N | 0: until SIGTERM] [--partitions N] [--rate PER-SECOND]\n"
"      [--seed S] [--keys N] [--start SEQ] [--step MS] [--now] [--pad BYTES]\n"
"      [--txn ID --txn-size N --abort-every N] [--compression C]\n"
"      JSON {\"p\":partition,\"seq\":n,\"k\":key,\"v\":value,\"ts\":time}, keyed by k,\n"
"      seq counting per partition from SEQ; prints sent and aborted counts\n"
"\n"
"  fold TOPIC [--by k|p] [--window MS] [--upto P=OFFSET,...] [--skip-bad]\n"
"      reads gen's records read_committed to the end, or below --upto's offsets:\n"
"      key [window start], count, sum(v), max(seq), tab-separated and sorted\n";

void
kt_die(const char *fmt,...)
{
	va_list		args;

	fputs("kafkatool: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);

	/* not exit(): librdkafka's destructors may wait for a dead broker */
	fflush(stdout);
	_exit(1);
}

void *
kt_alloc(size_t size)
{
	void	   *p = calloc(1, size ? size : 1);

	if (p == NULL)
		kt_die("out of memory");
	return p;
}

int64_t
kt_number(const char *text, const char *what)
{
	char	   *end;
	long long	n = strtoll(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		kt_die("%s is not a number: \"%s\"", what, text);
	return n;
}

static void
drop_arguments(int *argc, char **argv, int at, int n)
{
	memmove(argv + at, argv + at + n, (*argc - at - n) * sizeof(char *));
	*argc -= n;
}

const char *
kt_option(int *argc, char **argv, const char *name)
{
	for (int i = 1; i < *argc; i++)
	{
		const char *value;

		if (strcmp(argv[i], name) != 0)
			continue;
		if (i + 1 >= *argc)
			kt_die("%s wants a value", name);
		value = argv[i + 1];
		drop_arguments(argc, argv, i, 2);
		return value;
	}
	return NULL;
}

bool
kt_flag(int *argc, char **argv, const char *name)
{
	for (int i = 1; i < *argc; i++)
	{
		if (strcmp(argv[i], name) == 0)
		{
			drop_arguments(argc, argv, i, 1);
			return true;
		}
	}
	return false;
}

void
kt_arguments(int argc, char **argv, int least, int most, const char *what)
{
	for (int i = 1; i < argc; i++)
	{
		if (strncmp(argv[i], "--", 2) == 0)
			kt_die("%s does not know the option %s", argv[0], argv[i]);
	}
	if (argc - 1 < least || argc - 1 > most)
		kt_die("usage: %s %s", argv[0], what);
}

void
kt_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		err[512];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		kt_die("%s", err);
}

rd_kafka_conf_t *
kt_conf(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	kt_set(conf, "bootstrap.servers", bootstrap);
	kt_set(conf, "log_level", "3");
	for (int i = 0; i < nsettings; i++)
	{
		char	   *name = strdup(settings[i]);
		char	   *value = name ? strchr(name, '=') : NULL;

		if (value == NULL)
			kt_die("-X wants option=value, not \"%s\"", settings[i]);
		*value++ = '\0';
		kt_set(conf, name, value);
		free(name);
	}
	return conf;
}

rd_kafka_t *
kt_open(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char		err[512];
	rd_kafka_t *rk = rd_kafka_new(type, conf, err, sizeof(err));

	if (rk == NULL)
		kt_die("%s", err);
	return rk;
}

int
main(int argc, char **argv)
{
	int			at = 1;

	bootstrap = getenv("KAFKA_BOOTSTRAP");
	while (at + 1 < argc && argv[at][0] == '-')
	{
		if (strcmp(argv[at], "-b") == 0)
			bootstrap = argv[at + 1];
		else if (strcmp(argv[at], "-X") == 0 && nsettings < MAX_SETTINGS)
			settings[nsettings++] = argv[at + 1];
		else
			break;
		at += 2;
	}

	for (size_t i = 0; at < argc && i < sizeof(commands) / sizeof(*commands); i++)
	{
		if (strcmp(argv[at], commands[i].name) != 0)
			continue;
		if (bootstrap == NULL)
			kt_die("which brokers? give -b HOST:PORT or set KAFKA_BOOTSTRAP");
		commands[i].run(argc - at, argv + at);
		if (fflush(stdout) != 0 || ferror(stdout))
			kt_die("cannot write standard output");
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
