/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Where records come from, behind one table of functions.
 *
 * The worker loop knows only this header.  A source never blocks the caller
 * for more than SE_SOURCE_MAX_BLOCK_MS, never starts or ends a transaction
 * and never calls PostgreSQL from a thread of its own.
 *
 * Crash: a source keeps nothing.  Positions are given to assign() by the
 * caller, who keeps them in a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_SOURCE_H
#define SE_SOURCE_H

#include "nodes/pg_list.h"

#include "../record.h"

#define SE_SOURCE_MAX_BLOCK_MS 200

typedef struct SePartitionOffset
{
	int32		partition;
	int64		offset;			/* of the next record to read */
} SePartitionOffset;

typedef struct SePartitionInfo
{
	int64		low;			/* first offset kept, -1 unknown */
	int64		high;			/* one past the last record, -1 unknown */
	int64		end_offset;		/* where the end was last reached, as a next
								 * offset (behind control records and aborted
								 * ones), -1 when not reached yet */
	bool		at_end;			/* nothing was left at the last look */
} SePartitionInfo;

typedef enum SeProblemKind
{
	SE_PROBLEM_NONE,
	SE_PROBLEM_TRANSIENT,		/* the source goes on trying by itself */
	SE_PROBLEM_FATAL			/* reading on would lose or repeat records */
} SeProblemKind;

typedef struct SeProblem
{
	SeProblemKind kind;
	int			sqlstate;
	int32		partition;		/* -1: not of one partition */
	int64		offset;			/* -1: unknown */
	char		message[512];
	char		hint[256];
} SeProblem;

/* Startup positions that are names rather than numbers. */
typedef enum SeStartupMode
{
	SE_STARTUP_EARLIEST,
	SE_STARTUP_LATEST,
	SE_STARTUP_TIMESTAMP
} SeStartupMode;

typedef struct SeSourceConfig
{
	List	   *options;		/* of DefElem: server and user mapping options,
								 * already checked against the allowlist */
	const char *topic;
	const char *client_id;		/* shown in the broker's logs */
	const char *group_id;		/* for lag tools only */
	int			memory_kb;		/* bound for records fetched ahead */
	int			max_record_bytes;	/* message_max_bytes; 0: default */
	int			partitions_hint;	/* how many we expect to read; 0: unknown */
} SeSourceConfig;

typedef struct SeSource SeSource;

typedef struct SeSourceRoutine
{
	const char *name;

	/* Makes a source; no network wait.  ereports what is misconfigured. */
	SeSource   *(*open) (const SeSourceConfig *config);

	/* Readable when poll() may have something.  Valid until close(). */
	int			(*event_fd) (SeSource *source);

	/*
	 * Number of partitions of the topic, or -1 when the answer did not come in
	 * time (call again later; problem() says why).
	 */
	int			(*count_partitions) (SeSource *source);

	/*
	 * Turns a startup mode into real offsets: fills in parts[i].offset.
	 * False: no answer in time, call again later.
	 */
	bool		(*resolve) (SeSource *source, SeStartupMode mode,
							TimestampTz at, SePartitionOffset *parts, int n);

	/*
	 * Reads from exactly these positions; replaces the former assignment.
	 * Never called while records of the former one are still unreleased.
	 */
	void		(*assign) (SeSource *source, const SePartitionOffset *parts,
						   int n);

	/*
	 * Up to max records, without waiting.  They stay valid until release().
	 * Records of one partition come in offset order.
	 */
	int			(*poll) (SeSource *source, SeRecord *records, int max);

	/* Lets go of all records that poll() gave since the last release. */
	void		(*release) (SeSource *source);

	void		(*partition_info) (SeSource *source, int32 partition,
								   SePartitionInfo *info);

	/* The worst problem since the last call; kind NONE when all is well. */
	void		(*problem) (SeSource *source, SeProblem *problem);

	/* Tells the broker's group how far we are.  Fire and forget. */
	void		(*report) (SeSource *source, const SePartitionOffset *parts,
						   int n);

	SeHeaderFn	header;
	SeHeadersFn headers;

	/*
	 * clean = false: on an error path; must not wait for anything and may
	 * leak what the process exit will free.
	 */
	void		(*close) (SeSource *source, bool clean);
} SeSourceRoutine;

/* The Kafka source (kafka.c). */
extern const SeSourceRoutine *se_source_kafka(void);

/*
 * Option names (kafka_option.c): the allowlist of librdkafka settings that a
 * server (in_user_mapping = false) or user mapping may carry.  Raises an
 * error that names the valid ones.  Needs the current user for those that
 * only members of pg_read_server_files may set.
 */
extern void se_source_kafka_check_options(List *options, bool in_user_mapping);

/*
 * Connects, waits at most timeout_ms in slices with interrupts checked.
 * Returns lists of palloc'd rows for stream.test_connection: brokers, then
 * topics.  Raises the broker's or library's error.
 */
typedef struct SeConnectionFact
{
	const char *kind;			/* "broker" or "topic" */
	const char *name;			/* host:port, or the topic's name */
	int			id;				/* broker id, or -1 */
	int			partitions;		/* of a topic, else 0 */
	const char *detail;			/* e.g. "controller", an error, or NULL */
} SeConnectionFact;

extern List *se_source_kafka_test(const SeSourceConfig *config,
								  int timeout_ms);

/*
 * Ends of all partitions of the topic right now (read_committed), for
 * stream.wait: array indexed by partition, palloc'd; *n partitions.
 */
extern int64 *se_source_kafka_end_offsets(const SeSourceConfig *config,
										  int timeout_ms, int *n);

/* Version text of the client library, for status and logs. */
extern const char *se_source_kafka_version(void);

#endif							/* SE_SOURCE_H */
