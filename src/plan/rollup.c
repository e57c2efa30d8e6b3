/*-------------------------------------------------------------------------
 *
 * rollup.c
 *	  Views that merge the states of continuous views when they are read.
 *
 *		SELECT day, combine(average) FROM per_hour GROUP BY day
 *
 *	  becomes
 *
 *		SELECT day, final(state_merge(per_hour.average_state))
 *		FROM (<the view's query, and its state>) per_hour GROUP BY day
 *
 * What is merged is behind.c's.  A roll-up is an ordinary view, made in the
 * caller's transaction: it keeps nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

typedef struct RollupContext
{
	SeQuery    *sq;
	Query	   *query;
	SeBehind   *sources;		/* by range table index - 1 */
	bool		combines;
} RollupContext;

/* The state as a further column of the view's subquery. */
static Var *
expose_state(RangeTblEntry *rte, Index rti, SeBehind *source, Var *state)
{
	List	   *target = source->query->targetList;
	int			attno = list_length(target) + 1;
	char	   *name = psprintf("state_%d", attno);

	source->query->targetList =
		lappend(target, makeTargetEntry((Expr *) copyObject(state), attno, name,
										false));
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(name));
	return makeVar(rti, attno, state->vartype, state->vartypmod,
				   state->varcollid, 0);
}

static Node *
combine_column(RollupContext *cx, Aggref *combine)
{
	Var		   *column = (Var *) linitial_node(TargetEntry, combine->args)->expr;
	SeBehind   *source;
	Var		   *state;
	SeAggregate agg;

	if (!IsA(column, Var) || column->varlevelsup != 0 ||
		column->varattno <= 0 ||
		cx->sources[column->varno - 1].view == NULL)
		refuse(cx->sq, combine->location,
			   errmsg("combine() takes a column of a continuous view"),
			   errhint("Name the column itself, and the view in FROM."));
	source = &cx->sources[column->varno - 1];
	state = se_plan_state_behind(cx->sq, combine, source, column->varattno,
								 &agg);
	cx->combines = true;
	state = expose_state(rt_fetch(column->varno, cx->query->rtable),
						 column->varno, source, state);
	return se_plan_final(&agg,
						 se_plan_merge_states(combine, &agg, (Node *) state),
						 combine->aggcollid, state->varcollid);
}

static Node *
combine_mutator(Node *node, RollupContext *cx)
{
	if (node == NULL)
		return NULL;
	if (se_plan_is_combine(node))
		return combine_column(cx, (Aggref *) node);
	return expression_tree_mutator(node, combine_mutator, cx);
}

/* Continuous views become their queries, with the states that are used. */
static void
put_sources(RollupContext *cx)
{
	ListCell   *lc;

	foreach(lc, cx->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		SeBehind   *source = &cx->sources[foreach_current_index(lc)];

		if (source->view == NULL)
			continue;
		if (rte->alias == NULL)
			rte->alias = makeAlias(rte->eref->aliasname, NIL);
		rte->rtekind = RTE_SUBQUERY;
		rte->relid = InvalidOid;
		rte->relkind = 0;
		rte->rellockmode = 0;
		rte->inh = false;
		rte->subquery = source->query;
	}
}

Oid
se_plan_create_rollup(const char *schema, const char *name, const char *query)
{
	RollupContext cx = {0};
	ErrorContextCallback callback;
	ListCell   *lc;
	char	   *sql;
	int			settings;

	se_plan_error_text(&callback, query);
	cx.sq = se_plan_analyze(query);
	cx.query = cx.sq->query;
	cx.sources = palloc0(sizeof(SeBehind) * Max(1, list_length(cx.query->rtable)));
	foreach(lc, cx.query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			se_plan_open_behind(rte->relid,
								&cx.sources[foreach_current_index(lc)]);
	}
	cx.query->targetList = (List *)
		combine_mutator((Node *) cx.query->targetList, &cx);
	cx.query->havingQual = combine_mutator(cx.query->havingQual, &cx);
	se_plan_refuse_inner_combine(cx.sq);
	if (!cx.combines)
		refuse(cx.sq, -1,
			   errmsg("the query combines nothing"),
			   errhint("Use combine(column) for an aggregate's column of a continuous view; without it CREATE VIEW does the same."));
	put_sources(&cx);
	error_context_stack = callback.previous;

	settings = se_sql_settings_begin();
	sql = psprintf("CREATE VIEW %s AS %s",
				   quote_qualified_identifier(schema, name),
				   pg_get_querydef(cx.query, false));
	se_sql_execute(sql);
	se_sql_settings_end(settings);
	return get_relname_relid(name, get_namespace_oid(schema, false));
}
