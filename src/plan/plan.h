/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  A view's query, split into what runs per batch, what is kept, and what
 *	  users read.
 *
 * plan/ refuses, with reason and hint, everything that cannot be kept
 * incrementally.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_PLAN_H
#define SE_PLAN_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

typedef struct SeViewRequest
{
	const char *schema;			/* where the view and its state go */
	const char *name;
	const char *query;			/* the user's text */
	const char *emit;			/* update */
} SeViewRequest;

typedef struct SeViewPlan
{
	Oid			stream;			/* relid of the stream in its FROM */
	Oid			state;			/* relid of the state table made */
	Oid			view;			/* relid of the view made */
	char	   *delta_sql;		/* SELECT keys, bare aggregates FROM se_batch */
	char	   *merge_sql;		/* INSERT INTO state SELECT ... FROM se_delta */
} SeViewPlan;

/*
 * The ephemeral relations of a batch: the delta query reads the stream's rows
 * as se_batch, merge_sql reads the delta query's result as se_delta.  So a
 * view neither locks its stream nor minds the stream being renamed.
 */
#define SE_BATCH_NAME "se_batch"
#define SE_DELTA_NAME "se_delta"

/* The stream that a query reads; refuses a query that has none or several. */
extern Oid	se_plan_find_stream(const char *query);

/*
 * Analyses, refuses or creates: state table, its unique index and the view.
 * Runs as the current user, who will own them, in the current transaction.
 * A view without GROUP BY has its one row only after se_state_apply with an
 * empty batch.
 */
extern SeViewPlan *se_plan_create_view(const SeViewRequest *request);

/*
 * For state/: the delta query of a view, analysed afresh and planned so that
 * the aggregates yield transition states.  batch is the row type of the
 * stream.  Runs with the current user's rights; needs an active snapshot.
 */
extern PlannedStmt *se_plan_delta(const char *delta_sql, TupleDesc batch,
								  double batch_rows);

/*
 * Settings under which our SQL is written and read again: nothing but
 * pg_catalog in the search_path, constants in one format.  Give the result
 * to se_plan_end_settings.
 */
extern int	se_plan_begin_settings(void);
extern void se_plan_end_settings(int nestlevel);

/* Type stream.agg_state, which holds serialized transition states. */
extern Oid	se_plan_state_type(void);

#endif							/* SE_PLAN_H */
