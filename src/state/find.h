/*-------------------------------------------------------------------------
 *
 * find.h
 *	  The row of a group in a state table; private to state/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_FIND_H
#define SE_STATE_FIND_H

#include "executor/executor.h"

#include "locator.h"

/* For one table, while a statement writes to it. */
typedef struct SeFinder SeFinder;

/*
 * existing: where rows are put that are found.  In CurrentMemoryContext; the
 * indexes of the table are open.
 */
extern SeFinder *se_finder_open(ResultRelInfo *table, TupleTableSlot *existing,
								Snapshot snapshot, SeLocator *locator);
extern void se_finder_close(SeFinder *finder);

/* Of the group that this row, of the table's row type, is of. */
extern uint32 se_finder_hash(SeFinder *finder, TupleTableSlot *row);

/* Where its row was; an invalid at->tid when that is not known. */
extern void se_finder_locate(SeFinder *finder, uint32 hash, SeLocation *at);

/*
 * Puts the row of the group into the slot, if there is one.  *located: it was
 * where it had been.
 */
extern bool se_finder_find(SeFinder *finder, TupleTableSlot *row,
						   const SeLocation *at, bool *located);

/* The group's row is at tid now; where was it located, or NULL. */
extern void se_finder_remember(SeFinder *finder, uint32 hash,
							   const SeLocation *was,
							   const ItemPointerData *tid);

#endif							/* SE_STATE_FIND_H */
