/*-------------------------------------------------------------------------
 *
 * ingest.h
 *	  From records to committed results: the one code path that the workers
 *	  and stream.ingest() share.
 *
 * Order of calls, all inside one transaction of the caller:
 *
 *		se_ingest_lock()		waits for DDL; false: definition changed
 *		se_ingest_begin(), _add(), _finish()
 *								decode, stage, views, dead letters
 *		se_progress_save()		offsets and watermarks
 *
 * Only worker.c starts and ends transactions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_INGEST_H
#define SE_INGEST_H

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#include "../catalog/catalog.h"
#include "../decode/decode.h"
#include "../record.h"
#include "../stats/stats.h"

/* ---- progress.c: positions of the partitions we read ---- */

#define SE_NO_END PG_INT64_MAX

typedef struct SePosition
{
	SePartition stored;			/* what the table says */
	int64		next_offset;	/* with the running batch */
	TimestampTz max_event_time; /* of the running batch, DT_NOBEGIN: none */
	bool		seen;			/* got a record in the running batch */
	TimestampTz silent_since;	/* when it was last seen to have more */
	int64		end_offset;		/* of a backfill; SE_NO_END */
	int64	   *passed;			/* sorted: records to pass over */
	int			n_passed;
	SePartitionStats *stats;
} SePosition;

typedef struct SeProgress
{
	Oid			relid;
	Oid			view;			/* being backfilled; InvalidOid: the stream's */
	Interval	delay;			/* watermark_delay */
	bool		has_delay;
	TimestampTz watermark;		/* of the stream, for the running batch */
	int			n;
	int			allocated;
	SePosition *positions;		/* sorted by partition */
	SePosition *last;			/* where the previous record was */
	MemoryContext context;
} SeProgress;

/* view InvalidOid: of the stream itself, else of the backfill of that view. */
extern SeProgress *se_progress_create(const SeStream *stream, Oid view);
/* Takes over a stored row; partitions must come in order. */
extern SePosition *se_progress_add(SeProgress *progress,
								   const SePartition *stored);
extern SePosition *se_progress_find(SeProgress *progress, int32 partition);
/*
 * Is the record to be applied?  If not, because it counts already or is none of
 * the backfill, the position goes past it.
 */
extern bool se_progress_wants(SePosition *position, int64 offset);
/* Notes one record; event_time DT_NOBEGIN: none. */
extern void se_progress_note(SeProgress *progress, SePosition *position,
							 int64 offset, TimestampTz event_time);
extern void se_progress_save(SeProgress *progress);	/* in the transaction */

/*
 * Writes the stream's watermark though nothing was read.  False: there is
 * nothing to write.  Between batches, in a transaction that will commit.
 */
extern bool se_progress_close(SeProgress *progress, TimestampTz watermark);
extern void se_progress_committed(SeProgress *progress);
extern void se_progress_reset(SeProgress *progress);	/* after an abort */

/* ---- watermark.c: of a stream, from those of its partitions ---- */

/*
 * The watermark that a batch which begins now goes by; DT_NOBEGIN: none.  It
 * never goes back.
 */
extern TimestampTz se_watermark_next(const SeStream *stream);

/*
 * The watermark as of a snapshot that no batch falls short of which is running
 * then or comes later: a window that ends there has its final rows.
 */
extern TimestampTz se_watermark_closed(const SeStream *stream,
									   Snapshot snapshot);

/* How long windows of the view stay open for the stream's late rows, in microseconds. */
extern int64 se_watermark_lateness(const SeView *view, const SeStream *stream);
/* By so much earlier: windows that end there are closed.  DT_NOBEGIN: none. */
extern TimestampTz se_watermark_less(TimestampTz watermark, int64 lateness_us);

/* Has no partition of the stream anything to say any more? */
extern bool se_watermark_all_idle(const SeStream *stream);

/* Does the partition hold back the others? */
extern bool se_watermark_is_idle(const SeStream *stream,
								 const SePartition *partition);

/* ---- staging.c: the ring of unlogged segments ---- */

typedef struct SeStaging SeStaging;

extern SeStaging *se_staging_open(Oid relid, int64 max_rows,
								  int64 max_age_us, SeStreamStats *stats);
/* Per transaction. */
extern void se_staging_begin(SeStaging *staging);
extern void se_staging_write(SeStaging *staging, TupleTableSlot **slots,
							 int n);
extern void se_staging_end(SeStaging *staging);
/* Lets go of rows older than max_age; in a transaction of the caller. */
extern bool se_staging_tick_due(SeStaging *staging);
extern void se_staging_tick(SeStaging *staging);

/* ---- rowcheck.c: defaults, NOT NULL and CHECK of the stream's columns ---- */

typedef struct SeRowCheck SeRowCheck;

extern SeRowCheck *se_rowcheck_create(Relation rel);
extern bool se_rowcheck_has_defaults(SeRowCheck *check);
/* Puts defaults in place of missing fields. */
extern void se_rowcheck_defaults(SeRowCheck *check, Datum *values,
								 bool *isnull, const bool *missing);
/* False: *column (may be NULL), *sqlstate and message say why. */
extern bool se_rowcheck_test(SeRowCheck *check, TupleTableSlot *slot,
							 const char **column, int *sqlstate,
							 char *message, size_t size);

/* ---- dead_letter.c ---- */

typedef struct SeReject
{
	int			record;			/* index into the batch's records */
	int			sqlstate;
	const char *column;			/* or NULL */
	const char *view;			/* qualified name, NULL: the record itself */
	char	   *message;
} SeReject;

/* Qualified name of the stream's table for them; an error when it is gone. */
extern char *se_dead_letter_table(const SeStream *stream);
/* Inserts all of them, in the current transaction, as the current user. */
extern void se_dead_letter_write(const SeStream *stream,
								 const SeRecord *records,
								 List *rejects, SeHeadersFn headers);

/* ---- batch.c ---- */

typedef struct SeIngest SeIngest;
typedef struct SeLimits SeLimits;

typedef struct SeBatchResult
{
	int64		rows;			/* accepted */
	int64		rejected;		/* dead letters or skipped */
	int64		bytes;			/* payload bytes read */
} SeBatchResult;

/*
 * Reads the definition of a stream and prepares decoder, checks, staging and
 * views.  In a transaction, as the stream's owner.  Lives in a context of its
 * own below CurrentMemoryContext.
 */
extern SeIngest *se_ingest_open(Oid relid, SeHeaderFn header,
								SeHeadersFn headers);
extern void se_ingest_close(SeIngest *ingest);
extern SeStream *se_ingest_stream(SeIngest *ingest);
extern SeStreamStats *se_ingest_stats(SeIngest *ingest);
extern SeStaging *se_ingest_staging(SeIngest *ingest);
extern SeLimits *se_ingest_limits(SeIngest *ingest);
/*
 * When the whole stream is idle, closes the last windows of views that ask for
 * it.  Between batches, in a transaction; gives up when a batch is running.
 */
extern void se_ingest_close_idle(SeIngest *ingest);
/* Lets views go of groups by their state_ttl; in a transaction. */
extern void se_ingest_expire(SeIngest *ingest);
/* Has it a view whose windows close, or groups leave? */
extern bool se_ingest_has_closing(SeIngest *ingest);

/*
 * Takes the lock that keeps DDL on the stream out until the transaction ends.
 * False: the definition changed since open; open again.
 */
extern bool se_ingest_lock(SeIngest *ingest);

/*
 * A batch: begin, add once or more, finish.
 *
 * careful = false: any error is thrown, and the records of an add() may be let
 * go when it returns.  When the error is a record's fault, the caller may
 * abort, get the records again and come with careful = true: that finds the
 * records at fault and sets them aside.  Then all records stay where they are
 * until the batch is finished, and each add() has the former ones in front of
 * the new ones.
 *
 * progress may be NULL (a retry moves no offset); only_view restricts the
 * views to one.
 */
extern void se_ingest_begin(SeIngest *ingest, SeProgress *progress,
							bool careful, Oid only_view);
extern void se_ingest_add(SeIngest *ingest, const SeRecord *records, int n);
extern SeBatchResult se_ingest_finish(SeIngest *ingest);

/* All three at once, carefully. */
extern SeBatchResult se_ingest_records(SeIngest *ingest,
									   const SeRecord *records, int n,
									   SeProgress *progress, Oid only_view);

/* After the commit: counters.  elapsed in microseconds. */
extern void se_ingest_count(SeIngest *ingest, const SeBatchResult *result,
							int64 elapsed_us);

/* True when an error of this SQLSTATE is the record's fault. */
extern bool se_ingest_is_poison(int sqlstate);

/* ---- options of a stream, with defaults applied ---- */

struct SeLimits
{
	int			batch_max_rows;
	int64		batch_max_bytes;
	int			batch_interval_us;	/* 0: by commits_per_second */
	double		max_rows_per_second;	/* 0: no limit */
	int64		staging_max_rows;
	int64		staging_max_age_us; /* 0: no limit */
	int			message_max_bytes;
	int			statement_timeout_ms;
};

/* limits.c: raises errors with hints; the API calls it to check. */
extern void se_limits_read(const Jsonb *options, SeLimits *limits);
extern const char *const *se_limits_names(void);

/* ---- worker.c ---- */

extern PGDLLEXPORT void se_worker_main(Datum slot);

#endif							/* SE_INGEST_H */
