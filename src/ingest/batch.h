/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  A stream made ready for batches, and the batch that is running.
 *	  Private to definition.c, batch.c, views.c, closing.c and feed.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_BATCH_H
#define SE_BATCH_H

#include "../state/state.h"
#include "ingest.h"

#define SE_CHUNK 1000			/* rows decoded and staged at a time */

typedef struct SeViewTarget
{
	SeView	   *view;
	SeViewState *state;
	SeViewStats *stats;
	char	   *name;			/* qualified, for dead letters */
	int64		elapsed_us;		/* of the running batch */
	int64		rows;
	int64		groups;
	int64		late_rows;
	TimestampTz idle_watermark; /* the view's own, or DT_NOBEGIN */
	int64		lateness_us;	/* how long windows stay open */
	TimestampTz others_closed;	/* the same by the other streams, where sessions
								 * of all are chained; DT_NOEND */
} SeViewTarget;

struct SeIngest
{
	MemoryContext context;		/* lives as long as the definition */
	MemoryContext batch_context;	/* one batch */
	MemoryContext chunk_context;	/* SE_CHUNK rows */
	MemoryContext row_context;	/* one row */
	SeStream   *stream;
	SeLimits	limits;
	TupleDesc	tupdesc;
	SeDecoder  *decoder;
	SeRowCheck *check;
	SeStaging  *staging;
	SeStreamStats *stats;
	SeHeadersFn headers;
	int			event_column;	/* index, -1: the record's timestamp */
	Oid			event_type;
	int			n_views;
	SeViewTarget *views;
	TupleTableSlot *row;		/* virtual: what decode fills */
	TupleTableSlot *chunk[SE_CHUNK];	/* heap tuples on their way to staging */
	int			n_chunk;
	bool	   *missing;
	uint32		version;		/* definition_version at open */
	char	   *relname;

	/* the running batch */
	const SeRecord *records;
	int			n_records;
	int			current;		/* record being decoded */
	const char *fault_column;	/* at which it stopped, on_error = fail */
	SeRows	   *rows;			/* for the views; NULL: there are none */
	bool		careful;
	bool		alone;			/* nobody else is likely to merge into views */
	int		   *row_record;		/* careful: per row, index of its record */
	int			row_room;		/* allocated for */
	int			n_rows;
	List	   *rejects;		/* not written yet */
	int			n_rejects;		/* of the batch */
	int64		bytes;
	TimestampTz min_event_time; /* of its rows */
	bool		closed_idle;	/* since the last batch */
	TimestampTz watermark;		/* of the stream, that the batch goes by */
	SeProgress *progress;
	bool		stage_rows;
	Oid			only_view;
	const char *only_name;		/* the one view that these records are for */
	bool		from_view;		/* rows are a view's: they have no records */
};

/* Sets one record of the batch aside; view NULL: it is the record's fault. */
extern void se_batch_reject(SeIngest *ingest, int record, int sqlstate,
							const char *column, const char *message,
							const char *view);

/*
 * views.c: the batch's rows to all views, or to only_view.  A careful batch
 * sets records at fault aside instead of throwing.
 */
extern void se_batch_apply_views(SeIngest *ingest);

/* views.c: what a view goes by that is not of this stream. */
extern void se_batch_read_others(SeIngest *ingest, SeViewTarget *target);

#endif							/* SE_BATCH_H */
