/*-------------------------------------------------------------------------
 *
 * delta.h
 *	  Queries over the rows of a batch; private to state/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_DELTA_H
#define SE_STATE_DELTA_H

#include "access/tupdesc.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "rows.h"

/*
 * delta.c: plans such a query for batches of about this many rows.  When it
 * aggregates, its plan returns transition states.
 */
extern PlannedStmt *se_state_plan_delta(const char *sql, TupleDesc batch,
										double batch_rows);

/*
 * batch_query.c: a query that reads se_batch, with its plans.  It lives in
 * CurrentMemoryContext, survives transactions and ends with the context.  $1
 * of the query is the moment up to which windows are closed.
 */
typedef struct SeBatchQuery SeBatchQuery;

extern SeBatchQuery *se_batch_query_open(const char *sql, Oid stream);

/*
 * Runs it over rows of a batch with the active snapshot, into the tuplestore.
 * Returns the type of the rows there, valid until the next run: serialized
 * states are of type stream.agg_state.
 */
extern TupleDesc se_batch_query_run(SeBatchQuery *query,
									const SeRowRange *range,
									TimestampTz closed_to,
									Tuplestorestate *store);

/* $1, as every statement of a batch has it. */
extern ParamListInfo se_batch_query_params(TimestampTz closed_to);

/* What that would run over n rows; valid as long. */
typedef struct SeBatchQueryPlan
{
	PlannedStmt *stmt;
	TupleDesc	result;
	const char *sql;
} SeBatchQueryPlan;

extern void se_batch_query_plan(SeBatchQuery *query, int n,
								SeBatchQueryPlan *plan);

/* apply.c for explain.c */
struct SeViewState;
extern SeBatchQuery *se_state_delta(struct SeViewState *state);
extern const char *se_state_merge_sql(struct SeViewState *state);

#endif							/* SE_STATE_DELTA_H */
