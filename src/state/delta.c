/*-------------------------------------------------------------------------
 *
 * delta.c
 *	  The delta query: keys and transition states of one batch.
 *
 * PostgreSQL's planner only splits an aggregate for parallel workers, so we
 * let it plan a plain one and then turn the Agg node on top into the first
 * stage of a split: AGGSPLIT_INITIAL_SERIAL makes it return its transition
 * states, serialized to bytea where they are of type internal.  Every
 * aggregate with a combine function works, without a list of names.
 *
 * That the Agg node is on top is not luck: the delta query has no DISTINCT,
 * ORDER BY, LIMIT, window function or set-returning target, and a target
 * list of bare keys and aggregates, which the Agg node projects itself.  So
 * no node above reads an aggregate's result with the type it had before.
 * Grouping sets are worked through by that node and those chained to it; the
 * aggregates of sub-selects, in plans of their own, stay as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "catalog/catalog.h"
#include "delta.h"
#include "sql_settings.h"

static bool
mark_partial_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		mark_partial_aggref((Aggref *) node, AGGSPLIT_INITIAL_SERIAL);
		return false;
	}
	return expression_tree_walker(node, mark_partial_walker, context);
}

static void
mark_partial(Agg *agg)
{
	ListCell   *lc;

	if (agg->aggsplit != AGGSPLIT_SIMPLE)
		elog(ERROR, "the delta query's aggregation is split already");
	agg->aggsplit = AGGSPLIT_INITIAL_SERIAL;
	foreach(lc, agg->chain)
		lfirst_node(Agg, lc)->aggsplit = AGGSPLIT_INITIAL_SERIAL;
	(void) expression_tree_walker((Node *) agg->plan.targetlist,
								  mark_partial_walker, NULL);
	(void) expression_tree_walker((Node *) agg->plan.qual,
								  mark_partial_walker, NULL);
}

PlannedStmt *
se_state_plan_delta(const char *sql, TupleDesc batch, double batch_rows)
{
	PlannedStmt *stmt;
	Query	   *query;
	int			settings;

	settings = se_sql_settings_begin();
	query = se_sql_analyze(sql, SE_BATCH_NAME, batch, batch_rows);
	query = linitial_node(Query, QueryRewrite(query));
	se_sql_settings_end(settings);

	/*
	 * The planner may read the bodies of the user's SQL functions: it works
	 * in his search_path.  Compiling a plan that runs for a millisecond never
	 * pays.
	 */
	settings = NewGUCNestLevel();
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	/*
	 * Nothing is known about the columns of a batch, so the planner expects few
	 * rows behind a WHERE and would sort them: four times the cost of hashing
	 * when there are many.
	 */
	(void) set_config_option("enable_sort", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	stmt = pg_plan_query(query, sql, 0, NULL);
	AtEOXact_GUC(true, settings);

	if (IsA(stmt->planTree, Agg))
		mark_partial((Agg *) stmt->planTree);
	else if (query->hasAggs)
		elog(ERROR, "the delta query's plan has no aggregation on top");
	return stmt;
}
