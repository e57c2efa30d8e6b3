/*-------------------------------------------------------------------------
 *
 * delta.h
 *	  Planning a view's delta query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_DELTA_H
#define SE_STATE_DELTA_H

#include "access/tupdesc.h"
#include "nodes/plannodes.h"

/*
 * The delta query, analysed afresh and planned so that the aggregates yield
 * transition states.  batch is the row type of the stream.  Runs with the
 * current user's rights; needs an active snapshot.
 */
extern PlannedStmt *se_state_plan_delta(const char *delta_sql, TupleDesc batch,
										double batch_rows);

#endif							/* SE_STATE_DELTA_H */
