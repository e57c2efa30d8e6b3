/*-------------------------------------------------------------------------
 *
 * state.h
 *	  Applying one batch to the views of a stream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_H
#define SE_STATE_H

#include "../catalog/catalog.h"
#include "rows.h"

typedef struct SeViewState SeViewState;

/*
 * Makes what a worker keeps for one view between batches (plans).  Lives in
 * CurrentMemoryContext, survives transactions and their abort; ends with the
 * context at the latest.
 */
extern SeViewState *se_state_open(const SeView *view);

/*
 * Applies the rows of the batch to the view's state.  The caller is in a
 * transaction, as the stream's owner, and made no snapshot.  The rows have
 * the stream's row type.  Errors are raised; the caller's subtransaction
 * undoes what was done.  Returns the number of groups touched.
 *
 * alone: it is likely that nobody else merges into the state at the same time.
 * Then nobody may while it lasts, and many groups are merged faster.
 *
 * Windows that end at closed_to or before take no more rows (DT_NOBEGIN: all
 * are open).  Rows that are late for all their windows are kept or counted as
 * the view says, and added to *late_rows.
 *
 * A batch without rows is applied too: it gives a view without GROUP BY the
 * row that it has before any record, and proves a new view's statements.
 */
extern int64 se_state_apply(SeViewState *state, const SeRowRange *range,
							TimestampTz closed_to, bool alone,
							int64 *late_rows);

/* The end of the last window that the state has, DT_NOBEGIN: it has none. */
extern TimestampTz se_state_last_end(SeViewState *state);

/*
 * Lets go of groups that the stream's watermark has passed by more than the
 * view's state_ttl.  In a transaction, as the stream's owner.
 */
extern void se_state_expire(SeViewState *state, TimestampTz watermark);

extern void se_state_close(SeViewState *state);

/*
 * explain.c: the plans that a batch of nrows rows would run, as EXPLAIN shows
 * them.  The caller is as for se_state_apply; nothing is run.
 */
extern char *se_state_explain_delta(SeViewState *state, int nrows);
extern char *se_state_explain_merge(SeViewState *state, int nrows);

#endif							/* SE_STATE_H */
