/*
 * kafkatool.h
 *	  What the parts of kafkatool share.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#ifndef KAFKATOOL_H
#define KAFKATOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <librdkafka/rdkafka.h>

/* how long a broker may take for anything that is asked of it */
#define KT_TIMEOUT_MS	60000

extern void kt_die(const char *fmt,...) __attribute__((format(printf, 1, 2), noreturn));
extern void *kt_alloc(size_t size);
extern int64_t kt_number(const char *text, const char *what);

/*
 * Options are "--name value" anywhere after the command.  kt_option takes one
 * out of the argument list and returns its value, or NULL; kt_flag does so for
 * one without a value.  kt_arguments refuses what is left over.
 */
extern const char *kt_option(int *argc, char **argv, const char *name);
extern bool kt_flag(int *argc, char **argv, const char *name);
extern void kt_arguments(int argc, char **argv, int least, int most,
						 const char *usage);

/* a handle on the brokers given by -b, with the user's -X settings */
extern rd_kafka_conf_t *kt_conf(void);
extern void kt_set(rd_kafka_conf_t *conf, const char *name, const char *value);
extern rd_kafka_t *kt_open(rd_kafka_type_t type, rd_kafka_conf_t *conf);

/* the topic's partition count, when every partition has a leader */
extern int	kt_partitions(rd_kafka_t *rk, const char *topic);

/* the producer in produce.c */
typedef struct KtProducer
{
	rd_kafka_t *rk;
	bool		transactional;
	bool		in_transaction;
	uint64_t	delivered;
	uint64_t	failed;
} KtProducer;

extern void kt_producer_open(KtProducer *p, const char *txn_id,
							 const char *compression);
extern void kt_producer_send(KtProducer *p, const char *topic, int32_t partition,
							 const void *key, size_t keylen,
							 const void *value, size_t valuelen,
							 rd_kafka_headers_t *headers, int64_t timestamp);
extern void kt_producer_begin(KtProducer *p);
extern bool kt_producer_commit(KtProducer *p);
extern void kt_producer_abort(KtProducer *p);
extern void kt_producer_flush(KtProducer *p);
extern void kt_producer_close(KtProducer *p);

/* the commands; argv[0] is the command's name */
extern void kt_create(int argc, char **argv);
extern void kt_add_partitions(int argc, char **argv);
extern void kt_delete_topic(int argc, char **argv);
extern void kt_delete_records(int argc, char **argv);
extern void kt_offsets(int argc, char **argv);
extern void kt_show_partitions(int argc, char **argv);
extern void kt_produce(int argc, char **argv);
extern void kt_gen(int argc, char **argv);
extern void kt_fold(int argc, char **argv);

#endif							/* KAFKATOOL_H */
