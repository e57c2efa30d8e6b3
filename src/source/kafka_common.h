/*-------------------------------------------------------------------------
 *
 * kafka_common.h
 *	  What the files of the Kafka source share.  No other file includes
 *	  rdkafka.h, and no file outside of this directory includes this one.
 *
 *	  kafka.c			the reader: positions in, records and ends out
 *	  kafka_topic.c		partitions, leaders, offsets by time; wakes brokers
 *	  kafka_header.c	headers of a record
 *	  kafka_client.c	a client handle with its helper thread, log and errors
 *	  kafka_conf.c		settings: forced ones, memory, the user's
 *	  kafka_problem.c	what an error means for the stream
 *	  kafka_admin.c		connection test and ends of partitions, in a backend
 *	  kafka_option.c	the allowlist of names
 *
 * Threads: librdkafka has its own, and each client has one of ours (the
 * helper) for calls that wait for the network.  All of them block all signals
 * and none of them may touch anything of PostgreSQL's, so whatever is shared
 * with them is malloc'ed.  What the library has to say (log lines, errors) is
 * queued by it and comes out when the main thread polls; our callbacks only
 * copy it into SeKafkaNotes, and the main thread reports it after the library
 * has returned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_KAFKA_COMMON_H
#define SE_KAFKA_COMMON_H

#include <pthread.h>

#include <librdkafka/rdkafka.h>

#include "source.h"

/* From here on the library wakes up by itself when its queue was full. */
#define SE_KAFKA_HAS_QUEUE_BACKOFF	0x02020000

/* The largest record we take when the stream does not say. */
#define SE_KAFKA_MAX_RECORD	(64 * 1024 * 1024)

#define SE_KAFKA_TEXT	400
#define SE_KAFKA_NOTES	32

typedef struct SeKafkaNote
{
	int			level;			/* syslog's, of a log line */
	rd_kafka_resp_err_t err;	/* of an error; 0 for a log line */
	char		text[SE_KAFKA_TEXT];
} SeKafkaNote;

typedef struct SeKafkaNotes
{
	int			count;
	int			lost;			/* came while the array was full */
	SeKafkaNote note[SE_KAFKA_NOTES];
} SeKafkaNotes;

/* ---- kafka_conf.c ---- */

typedef struct SeKafkaLimits
{
	int			queued_messages;	/* fetch more when fewer are waiting */
	int			queued_kb;
} SeKafkaLimits;

/* The settings of a client; ereports what is wrong with the user's. */
extern rd_kafka_conf_t *se_kafka_conf(const SeSourceConfig *config,
									  SeKafkaLimits *limits);

/* Refuses a value that the library does not take (kafka_option.c). */
extern void se_kafka_check_value(const char *name, const char *value,
								 bool secret);

/* ---- kafka_client.c ---- */

typedef enum SeKafkaAskState
{
	SE_KAFKA_ASK_IDLE,
	SE_KAFKA_ASK_WAITING,		/* the helper has it or will take it */
	SE_KAFKA_ASK_DONE			/* the answer is in */
} SeKafkaAskState;

/*
 * A question to the cluster, and its answer.  The fields below state belong
 * to whoever state says: the helper while WAITING, else the main thread.
 */
typedef struct SeKafkaAsk
{
	SeKafkaAskState state;
	bool		all_topics;		/* of ask_metadata: not only the client's */
	int			timeout_ms;
	rd_kafka_resp_err_t err;
	const struct rd_kafka_metadata *metadata;
	int32		controller;
	rd_kafka_topic_partition_list_t *offsets;	/* in: times, out: offsets */
} SeKafkaAsk;

typedef struct SeKafkaClient
{
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;	/* records, errors and log lines */
	rd_kafka_queue_t *answers;	/* to wake requests, see kafka_topic.c */
	SeKafkaNotes *notes;
	int			event_fd[2];	/* pipe: read end, write end */

	pthread_t	helper;
	pthread_mutex_t lock;		/* over all below */
	pthread_cond_t changed;
	SeKafkaAsk	ask_metadata;
	SeKafkaAsk	ask_offsets;
	bool		closing;		/* the helper shall destroy the handle */
	bool		destroyed;		/* it has */
	bool		abandoned;		/* nobody waits for that: free the rest too */
} SeKafkaClient;

extern SeKafkaClient *se_kafka_client_open(const SeSourceConfig *config,
										   SeKafkaLimits *limits);

/* Hands a question to the helper; it must not be WAITING. */
extern void se_kafka_client_ask(SeKafkaClient *client, SeKafkaAsk *ask,
								int timeout_ms);

/* True when the answer is in; waits for it up to wait_ms. */
extern bool se_kafka_client_answered(SeKafkaClient *client, SeKafkaAsk *ask,
									 int wait_ms);

/* Frees what an answer holds. */
extern void se_kafka_ask_reset(SeKafkaAsk *ask);

/* Makes the event pipe readable. */
extern void se_kafka_client_signal(SeKafkaClient *client);

/*
 * Destroys the handle in the helper and waits for that up to wait_ms; what is
 * not done by then goes on without us.  No record may be referenced.
 */
extern void se_kafka_client_close(SeKafkaClient *client, int wait_ms);

/* Writes log lines to the server's log, errors to on_error; empties them. */
typedef void (*SeKafkaErrorFn) (void *arg, const SeKafkaNote *note);

extern void se_kafka_notes_report(SeKafkaNotes *notes,
								  SeKafkaErrorFn on_error, void *arg);

/* ---- the source ---- */

typedef struct SePart
{
	bool		assigned;
	bool		at_end;
	int64		position;		/* no record below may come */
	int64		end_offset;		/* see SePartitionInfo */
	int32		leader;			/* broker id, -1 unknown */
} SePart;

struct SeSource
{
	SeKafkaClient *client;
	SeKafkaLimits limits;
	char	   *topic;
	int			max_record_bytes;

	SePart	   *parts;			/* indexed by partition */
	int			nparts;
	int			topic_partitions;	/* as of the last metadata, -1 unknown */
	int64		metadata_asked; /* when we last asked */
	int64		metadata_at;	/* when an answer came, 0 never */
	int64		missing_since;	/* the topic or a partition, 0 not */

	/* question in ask_offsets */
	SeStartupMode resolve_mode;
	TimestampTz resolve_at;

	/* an offset that a broker does not have, and we ask what it has */
	int32		lost_partition; /* -1: none */
	int64		lost_offset;

	rd_kafka_message_t **held;	/* records not released yet */
	int			nheld;
	int			held_size;

	int32	   *leaders;		/* distinct ones of assigned partitions */
	int			nleaders;
	int			wakes_waiting;
	int64		consumed;		/* records since the last wake */
	int64		consumed_bytes;

	SeProblem	problem;		/* what holds now */
	int64		problem_at;		/* when it last showed */
};

/* ---- kafka_problem.c ---- */

/*
 * What an error of the library means.  partition and offset are -1 when it is
 * not of one partition.  False: of no concern to reading.
 */
extern bool se_kafka_problem(SeProblem *problem, rd_kafka_resp_err_t err,
							 const char *text, const char *topic,
							 int32 partition, int64 offset);

/* The same, as the problem of a source; the worst stays. */
extern void se_kafka_raise(SeSource *s, rd_kafka_resp_err_t err,
						   const char *text, int32 partition, int64 offset);
extern void se_kafka_raise_fatal(SeSource *s, int sqlstate, int32 partition,
								 int64 offset, const char *format,...)
			pg_attribute_printf(5, 6);

/* Something of this partition (-1: of all) came from a broker. */
extern void se_kafka_clear(SeSource *s, int32 partition);
extern void se_kafka_forget_old(SeSource *s);

/* ---- kafka_topic.c ---- */

extern void *se_kafka_realloc(void *old, size_t size);
extern void se_kafka_ensure_parts(SeSource *s, int n);
extern int	se_kafka_count_partitions(SeSource *s);
extern void se_kafka_refresh(SeSource *s, int wait_ms);
extern void se_kafka_find_leaders(SeSource *s);
extern void se_kafka_topic_missing(SeSource *s, int32 partition);
extern bool se_kafka_resolve(SeSource *s, SeStartupMode mode, TimestampTz at,
							 SePartitionOffset *parts, int n);
extern void se_kafka_offset_lost(SeSource *s, int32 partition, int64 offset);
extern void se_kafka_explain_lost(SeSource *s);
extern void se_kafka_wake(SeSource *s);

/* ---- kafka_header.c ---- */

extern bool se_kafka_header(const SeRecord *record, const char *name,
							const char **value, size_t *len);
extern Jsonb *se_kafka_headers(const SeRecord *record);

#endif							/* SE_KAFKA_COMMON_H */
