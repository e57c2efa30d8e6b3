/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  The decoded rows of one batch, as the delta queries of all views read
 *	  them: Datums side by side, neither formed into tuples nor copied again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_ROWS_H
#define SE_STATE_ROWS_H

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "nodes/plannodes.h"

typedef struct SeRows SeRows;

/* Some rows of a batch: what the ephemeral relation se_batch stands for. */
typedef struct SeRowRange
{
	const SeRows *rows;
	int			first;
	int			n;
	bool		in_time;		/* no event time is before what is closed */
} SeRowRange;

/* Rows of se_batch, in CurrentMemoryContext; its memory serves all batches. */
extern SeRows *se_rows_create(TupleDesc desc);

/* Forgets all rows. */
extern void se_rows_clear(SeRows *rows);

/* Copies one row of the stream. */
extern void se_rows_add(SeRows *rows, const Datum *values, const bool *isnull,
						int32 partition, int64 offset);

/*
 * batch_scan.c: lets the plan of a delta query read an SeRowRange, the
 * reldata of se_batch, where it would read a tuplestore.  batch is the row
 * type that the query was planned for.
 */
extern void se_batch_scan_replace(PlannedStmt *stmt, TupleDesc batch);

/*
 * rows.c for batch_scan.c: lets a virtual slot show one row, where it lies.
 * Nobody may materialize that slot: the copies would take the row's place.
 */
extern void se_rows_show(const SeRows *rows, int i, TupleTableSlot *slot);

#endif							/* SE_STATE_ROWS_H */
