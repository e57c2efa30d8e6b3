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
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "query.h"

/*
 * Writes the delta query down with the batch in the stream's place.  Its
 * columns keep their names: the batch has the alias that the stream had, or
 * the stream's own name.  To the deparser the batch is a WITH query, whose
 * name it writes unqualified, too; it does not know ephemeral relations.
 */
char *
se_plan_delta_sql(SeQuery *sq, SeSplit *split)
{
	Query	   *delta = copyObject(split->delta);
	RangeTblEntry *rte = rt_fetch(sq->stream_rti, delta->rtable);

	if (rte->alias == NULL)
		rte->alias = makeAlias(rte->eref->aliasname, NIL);
	rte->rtekind = RTE_CTE;
	rte->ctename = SE_BATCH_NAME;
	rte->relid = InvalidOid;
	rte->inh = false;
	return pg_get_querydef(delta, false);
}

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

static Query *
analyze_delta(const char *delta_sql, TupleDesc batch, double batch_rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	QueryEnvironment *env = create_queryEnv();
	List	   *raw;
	Query	   *query;

	enr->md.name = SE_BATCH_NAME;
	enr->md.tupdesc = batch;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = batch_rows;
	register_ENR(env, enr);

	raw = raw_parser(delta_sql, RAW_PARSE_DEFAULT);
	query = parse_analyze_fixedparams(linitial_node(RawStmt, raw), delta_sql,
									  NULL, 0, env);
	return linitial_node(Query, QueryRewrite(query));
}

PlannedStmt *
se_plan_delta(const char *delta_sql, TupleDesc batch, double batch_rows)
{
	PlannedStmt *stmt;
	Query	   *query;
	int			settings;

	settings = se_plan_begin_settings();
	query = analyze_delta(delta_sql, batch, batch_rows);
	se_plan_end_settings(settings);

	/*
	 * The planner may read the bodies of the user's SQL functions: it works
	 * in his search_path.  Compiling a plan that runs for a millisecond never
	 * pays.
	 */
	settings = NewGUCNestLevel();
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	stmt = pg_plan_query(query, delta_sql, 0, NULL);
	AtEOXact_GUC(true, settings);

	if (IsA(stmt->planTree, Agg))
		mark_partial((Agg *) stmt->planTree);
	else if (query->hasAggs)
		elog(ERROR, "the delta query's plan has no aggregation on top");
	return stmt;
}
