/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Shared memory: who should run, who runs, and what they count.
 *
 * Everything here can be lost: it is rebuilt from the tables after a restart.
 * Looking at a running stream reads only this memory.
 *
 * Locks: se_shared->lock (LWLock) guards taking and freeing of entries and
 * the plain fields of slots.  Counters are atomics, written without it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATS_H
#define SE_STATS_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#define SE_STAGING_SEGMENTS 4
#define SE_MAX_DIRTY_DATABASES 64
#define SE_PROBLEM_LENGTH 256

/* What a stream's workers add up. */
typedef struct SeStreamStats
{
	Oid			database;		/* InvalidOid: free */
	Oid			relid;
	pg_atomic_uint64 rows;		/* accepted */
	pg_atomic_uint64 bytes;		/* payload bytes read */
	pg_atomic_uint64 dead_letters;
	pg_atomic_uint64 late_rows;
	pg_atomic_uint64 skipped;	/* on_error = skip */
	pg_atomic_uint64 unstaged;	/* rows that found no free segment */
	pg_atomic_uint64 batches;
	pg_atomic_uint64 last_batch_rows;
	pg_atomic_uint64 last_batch_us;
	/* rates: decayed by readers, see rate.c */
	pg_atomic_uint64 rate_rows; /* per second * 1000 */
	pg_atomic_uint64 rate_bytes;
	pg_atomic_uint64 rate_at_us;	/* se_clock_us of the last update */
	/* the staging ring */
	pg_atomic_uint32 segment;	/* the one being written */
	pg_atomic_uint64 segment_rows;
	pg_atomic_uint64 segment_since_us;
	/* why it waits: transient problem; "" when all is well */
	slock_t		problem_lock;
	char		problem[SE_PROBLEM_LENGTH];
	TimestampTz problem_at;
	ConditionVariable committed;	/* broadcast after each commit */
} SeStreamStats;

typedef struct SePartitionStats
{
	Oid			database;		/* InvalidOid: free */
	Oid			relid;
	int32		partition;
	pid_t		worker_pid;
	pg_atomic_uint64 high_watermark;	/* (uint64) -1: unknown */
	pg_atomic_uint64 next_offset;	/* committed */
	pg_atomic_uint32 idle;
} SePartitionStats;

typedef struct SeViewStats
{
	Oid			database;		/* InvalidOid: free */
	Oid			relid;
	pg_atomic_uint64 batches;	/* since the server started */
	pg_atomic_uint64 batch_us;	/* of the last batch */
	pg_atomic_uint64 rows;		/* given to it by the last batch */
	pg_atomic_uint64 groups;	/* touched by the last batch */
	pg_atomic_uint64 late_rows;
	pg_atomic_uint64 errors;	/* records it could not take */
} SeViewStats;

typedef enum SeSlotState
{
	SE_SLOT_FREE,
	SE_SLOT_WAITING,			/* wanted, not started yet */
	SE_SLOT_STARTING,			/* registered with the postmaster */
	SE_SLOT_RUNNING
} SeSlotState;

/* One worker process that should exist. */
typedef struct SeWorkerSlot
{
	SeSlotState state;
	bool		wanted;			/* false: the process is to leave */
	Oid			database;
	Oid			relid;
	Oid			view;			/* to backfill; InvalidOid: reads the stream */
	bool		feeds;			/* neither: feeds the stream's views on views */
	Oid			owner;
	int			worker_no;		/* 0 .. n_workers - 1 */
	int			n_workers;
	uint32		probe;			/* generation that last wanted it */
	pid_t		pid;			/* 0: none */
	Latch	   *latch;			/* NULL: none */
	int			failures;		/* in a row */
	int64		not_before_us;	/* next start, se_clock_us */
	const char *waiting_for;	/* constant text for status, NULL: nothing */
	char		problem[SE_PROBLEM_LENGTH]; /* why a backfill or feed
												 * stopped last */
} SeWorkerSlot;

typedef struct SeShared
{
	LWLock	   *lock;
	Latch	   *launcher_latch;
	pid_t		launcher_pid;
	uint32		generation;		/* counts probes */
	bool		all_dirty;		/* look into every database */
	int			n_dirty;
	Oid			dirty[SE_MAX_DIRTY_DATABASES];
	int			n_slots;
	int			n_streams;
	int			n_views;
	int			n_partitions;
} SeShared;

extern SeShared *se_shared;		/* NULL: not preloaded */
extern SeWorkerSlot *se_slots;
extern SeStreamStats *se_stream_stats;
extern SeViewStats *se_view_stats;
extern SePartitionStats *se_partition_stats;

extern void se_stats_init(void);	/* from _PG_init */

/* Raises an error with a hint when the library was not preloaded. */
extern void se_stats_require(void);

/*
 * The entry of a stream, view or partition, made when missing.  NULL when
 * shared memory has no place left: then nothing is counted.
 */
extern SeStreamStats *se_stats_stream(Oid database, Oid relid, bool create);
extern SeViewStats *se_stats_view(Oid database, Oid relid, bool create);
extern SePartitionStats *se_stats_partition(Oid database, Oid relid,
											int32 partition, bool create);
extern void se_stats_forget(Oid database, Oid relid);
extern void se_stats_forget_database(Oid database);

/* Adds a committed batch to the counters and the rates. */
extern void se_stats_count_batch(SeStreamStats *stats, int64 rows,
								 int64 bytes, int64 elapsed_us);

/* Rate now: decays when no batch comes any more. */
extern double se_stats_rate(SeStreamStats *stats, bool bytes);

extern void se_stats_set_problem(SeStreamStats *stats, const char *message);
extern char *se_stats_get_problem(SeStreamStats *stats, TimestampTz *at);

/*
 * After a commit that changed a stream: its workers look again, and the
 * launcher looks into the database.
 */
extern void se_stats_notify(Oid database, Oid relid);

#endif							/* SE_STATS_H */
