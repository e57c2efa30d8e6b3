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

#include "nodes/parsenodes.h"

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
	char	   *delta_sql;		/* SELECT keys, bare aggregates FROM stream ... */
	char	   *merge_sql;		/* INSERT INTO state SELECT ... FROM se_delta ... */
} SeViewPlan;

/* The ephemeral relation that merge_sql reads: the delta query's result. */
#define SE_DELTA_NAME "se_delta"

/* The stream that a query reads; refuses a query that has none or several. */
extern Oid	se_plan_find_stream(const char *query);

/*
 * Analyses, refuses or creates: state table, its unique index and the view.
 * Runs as the current user, who will own them, in the current transaction.
 */
extern SeViewPlan *se_plan_create_view(const SeViewRequest *request);

/*
 * For state/: the delta query of a view, analysed afresh, its stream replaced
 * by the ephemeral relation "batch_name", planned so that the aggregates
 * yield transition states.  Runs with the current user's rights.
 */
extern PlannedStmt *se_plan_delta(const char *delta_sql, Oid stream,
								  const char *batch_name, double batch_rows);

#endif							/* SE_PLAN_H */
