/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  What one worker reads with: source, positions, definition, pacing.
 *	  Private to ingest/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_READER_H
#define SE_READER_H

#include "access/xlogdefs.h"

#include "../source/source.h"
#include "ingest.h"

typedef struct SeReader
{
	Oid			relid;
	Oid			view;			/* to backfill; InvalidOid: reads the stream */
	int			worker_no;
	int			n_workers;
	const SeSourceRoutine *routine;
	SeSource   *source;			/* NULL until the first definition */
	SeIngest   *ingest;
	SeProgress *progress;
	bool		assigned;
	int			n_assigned;		/* partitions */
	MemoryContext context;		/* positions, records */

	/* the running batch */
	SeRecord   *records;		/* not yet released */
	int			n_records;
	int			max_records;	/* room */
	int			batch_records;
	int64		batch_bytes;
	bool		careful;		/* a careful batch keeps all its records */
	bool		drained;		/* the source had no more */
	bool		more;			/* the batch was cut at a bound */

	/* se_clock_us() times */
	int64		next_start_us;
	int64		careful_until_us;
	int64		partitions_due_us;
	int64		report_due_us;
	int64		closing_due_us;
	int64		closing_at_latest_us;

	/* group offsets on their way to the broker once flushed */
	SePartitionOffset *report;
	int			n_report;
	XLogRecPtr	report_lsn;
	XLogRecPtr	last_commit_lsn;
	bool		moved_since_report;
	bool		has_problem;
} SeReader;

extern SeReader *se_reader_create(Oid relid, Oid view, int worker_no,
								  int n_workers);

/* Opens the definition, and the source when there is none; in a transaction. */
extern void se_reader_define(SeReader *reader, Oid relid);

/* Finds and assigns partitions; in a transaction. */
extern bool se_reader_partitions_due(SeReader *reader);
extern void se_reader_find_partitions(SeReader *reader);

/*
 * Once nothing comes any more, or only for other workers: tells readers how
 * far windows are closed.  In a transaction, between batches.
 */
extern bool se_reader_closing_due(SeReader *reader);
extern void se_reader_close_windows(SeReader *reader);

/* Pacing: may a batch start now?  And how long is there nothing to do? */
extern bool se_reader_may_start(SeReader *reader);
extern long se_reader_timeout_ms(SeReader *reader, bool *on_socket);
extern int	se_reader_fd(SeReader *reader);

/* Starts a batch: fills records[] with the first that have arrived. */
extern void se_reader_poll(SeReader *reader);

/*
 * The next records of the batch that started at start_us.  A careful batch
 * gets them behind those in records[], another one in place of them, which are
 * let go.  False: the batch is full, or nothing came.
 */
extern bool se_reader_poll_more(SeReader *reader, int64 start_us);

/*
 * The batch was aborted because of a record in it: goes back to its start, to
 * read it again carefully.
 */
extern void se_reader_rewind(SeReader *reader);

/* Control records and aborted ones at the ends of partitions. */
extern bool se_reader_ends_moved(SeReader *reader);
extern void se_reader_pass_ends(SeReader *reader);

/* The batch that started at start_us is committed: lets its records go. */
extern void se_reader_committed(SeReader *reader, int64 start_us, int64 rows);

/* Refreshes figures and group offsets; raises what is fatal. */
extern void se_reader_watch(SeReader *reader);

extern void se_reader_close(SeReader *reader, bool clean);

/* Has a backfill nothing left to read? */
extern bool se_reader_is_done(const SeReader *reader);

/*
 * backfill.c for reader.c: finds what is to be read, of so many partitions of
 * the topic; in a transaction.  False: ask again later.
 */
extern bool se_backfill_find(SeReader *reader, int count);
/* Partitions whose end is not reached. */
extern int	se_backfill_unfinished(const SeReader *reader);

#endif							/* SE_READER_H */
