/*-------------------------------------------------------------------------
 *
 * kept.c
 *	  What a view keeps, read back from its delta query.
 *
 * The delta is the one place that knows which expression is behind each
 * column of the state table.  It was written with qualified names, so that it
 * means the same to whoever reads it, unlike the user's text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

/* An expression of the query as text, in the manner of EXPLAIN. */
char *
se_plan_deparse(Query *query, Node *expr)
{
	PlannedStmt *stmt = makeNode(PlannedStmt);
	Bitmapset  *all = NULL;
	List	   *names;
	int			n = list_length(query->rtable);

	for (int i = 1; i <= n; i++)
		all = bms_add_member(all, i);
	names = select_rtable_names_for_explain(query->rtable, all);
	stmt->rtable = query->rtable;
	return deparse_expression(expr, deparse_context_for_plan_tree(stmt, names),
							  n > 1, false);
}

SeKept *
se_plan_read_kept(Oid stream, const char *delta_sql)
{
	SeKept	   *kept = palloc0(sizeof(SeKept));
	TupleDesc	desc = se_catalog_batch_type_for(stream, delta_sql);
	int			settings = se_sql_settings_begin();
	ListCell   *lc;

	kept->delta = se_sql_analyze(delta_sql, SE_BATCH_NAME, desc, 0);
	se_plan_put_aggregates(kept->delta, se_aggregate_of_user);
	foreach(lc, kept->delta->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		SeKeptColumn *column = palloc0(sizeof(SeKeptColumn));
		Aggref	   *aggref = se_plan_delta_aggref(tle->expr);

		column->column = tle->resname;
		column->expr = (Node *) tle->expr;
		column->is_key = aggref == NULL;
		if (aggref == NULL)
			column->text = se_plan_deparse(kept->delta, column->expr);
		else if (se_plan_aggregates_nothing(aggref))
			column->text = psprintf("%s(DISTINCT ...)",
									get_func_name(aggref->aggfnoid));
		else
			column->text = se_plan_combine_text(stream, kept->delta, aggref);
		kept->columns = lappend(kept->columns, column);
	}
	se_sql_settings_end(settings);
	return kept;
}
