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
 * Merging states is exact where merging results is not: the average of
 * averages is no average, and distinct counts do not add up.  A roll-up is
 * an ordinary view, made in the caller's transaction: it keeps nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

/* A continuous view in FROM. */
typedef struct Source
{
	SeView	   *view;			/* NULL: another relation */
	Query	   *subquery;		/* the view's, with states behind its columns */
	Query	   *delta;			/* tells the aggregate of each state */
} Source;

typedef struct RollupContext
{
	SeQuery    *sq;
	Query	   *query;
	Source	   *sources;		/* by range table index - 1 */
	bool		combines;
} RollupContext;

/* combine() is found whatever the search_path. */
static SeQuery *
analyze_rollup(const char *text)
{
	int			nestlevel = NewGUCNestLevel();
	const char *path = GetConfigOption("search_path", false, false);
	SeQuery    *sq;

	(void) set_config_option("search_path",
							 *path ? psprintf("%s, stream", path) : "stream",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	sq = se_plan_analyze(text);
	AtEOXact_GUC(true, nestlevel);
	return sq;
}

static Query *
view_query(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Query	   *query = copyObject(get_view_query(rel));

	table_close(rel, NoLock);
	return query;
}

static void
open_source(RollupContext *cx, RangeTblEntry *rte, Source *source)
{
	TupleDesc	desc;
	int			settings;

	source->view = rte->rtekind == RTE_RELATION ?
		se_catalog_get_view(rte->relid, true) : NULL;
	if (source->view == NULL)
		return;
	if (pg_class_aclcheck(source->view->state, GetUserId(), ACL_SELECT) !=
		ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the state of view \"%s\"",
						get_rel_name(rte->relid)),
				 errhint("GRANT SELECT ON %s.",
						 quote_identifier(get_rel_name(source->view->state)))));
	source->subquery = view_query(rte->relid);
	desc = lookup_rowtype_tupdesc(get_rel_type_id(source->view->stream), -1);
	settings = se_sql_settings_begin();
	source->delta = se_sql_analyze(source->view->delta_sql, SE_BATCH_NAME,
								   desc, 0);
	se_sql_settings_end(settings);
	ReleaseTupleDesc(desc);
}

/* The state below a column of the view: a Var of the view's query, or NULL. */
static Var *
state_of_column(Node *expr)
{
	FuncExpr   *call = (FuncExpr *) expr;

	if (IsA(expr, Var))
		return (Var *) expr;
	if (IsA(expr, FuncExpr) &&
		se_plan_is_ours(call->funcid, "state_final") &&
		IsA(lsecond(call->args), Var))
		return lsecond(call->args);
	return NULL;
}

/* The aggregate whose states are in that column of the state table. */
static bool
find_aggregate(const Source *source, Var *state, SeAggregate *agg,
			   Aggref **aggref)
{
	RangeTblEntry *rte = rt_fetch(state->varno, source->subquery->rtable);
	const char *column = get_rte_attribute_name(rte, state->varattno);
	ListCell   *lc;

	foreach(lc, source->delta->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (strcmp(tle->resname, column) != 0 || !IsA(tle->expr, Aggref))
			continue;
		*aggref = (Aggref *) tle->expr;
		se_aggregate_load_call(*aggref, agg);
		return true;
	}
	return false;
}

/* The state as a further column of the view's subquery. */
static Var *
expose_state(RangeTblEntry *rte, Index rti, Source *source, Var *state)
{
	List	   *target = source->subquery->targetList;
	int			attno = list_length(target) + 1;
	char	   *name = psprintf("state_%d", attno);

	source->subquery->targetList =
		lappend(target, makeTargetEntry((Expr *) copyObject(state), attno, name,
										false));
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(name));
	return makeVar(rti, attno, state->vartype, state->vartypmod,
				   state->varcollid, 0);
}

static Node *
merge_state(Aggref *combine, const SeAggregate *agg, Var *state)
{
	ParseState *pstate = make_parsestate(NULL);
	FuncCall   *call = makeFuncCall(list_make2(makeString("stream"),
											   makeString("state_merge")),
									NIL, COERCE_EXPLICIT_CALL, -1);
	List	   *args;
	Aggref	   *merge;

	args = list_make2(makeConst(REGPROCEDUREOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(agg->fn), false, true),
					  state);
	if (agg->polymorphic)
		args = lappend(args, se_plan_types_const(agg));
	pstate->p_expr_kind = EXPR_KIND_SELECT_TARGET;
	merge = castNode(Aggref, ParseFuncOrColumn(pstate, call->funcname, args,
											   NULL, call, false, -1));
	merge->aggfilter = combine->aggfilter;
	free_parsestate(pstate);
	return (Node *) merge;
}

/*
 * Over no states at all the aggregate is what it is over no rows: count is
 * 0, not NULL.
 */
static Node *
or_initial_state(Node *merged, const SeAggregate *agg)
{
	HeapTuple	tup = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(agg->fn));
	CoalesceExpr *coalesce;
	Datum		initval;
	bool		isnull;
	Oid			input;
	Oid			param;
	Datum		value;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for aggregate %u", agg->fn);
	initval = SysCacheGetAttr(AGGFNOID, tup, Anum_pg_aggregate_agginitval,
							  &isnull);
	if (isnull)
	{
		ReleaseSysCache(tup);
		return merged;
	}
	getTypeInputInfo(agg->transtype, &input, &param);
	value = OidInputFunctionCall(input, TextDatumGetCString(initval), param,
								 -1);
	ReleaseSysCache(tup);

	coalesce = makeNode(CoalesceExpr);
	coalesce->coalescetype = agg->transtype;
	coalesce->coalescecollid = exprCollation(merged);
	coalesce->args = list_make2(merged,
								makeConst(agg->transtype, -1,
										  coalesce->coalescecollid,
										  get_typlen(agg->transtype), value,
										  false,
										  get_typbyval(agg->transtype)));
	coalesce->location = -1;
	return (Node *) coalesce;
}

static Node *
combine_column(RollupContext *cx, Aggref *combine)
{
	Var		   *column = (Var *) linitial_node(TargetEntry, combine->args)->expr;
	Source	   *source;
	TargetEntry *tle;
	Var		   *state;
	SeAggregate agg;
	Aggref	   *aggref;

	if (!IsA(column, Var) || column->varlevelsup != 0 ||
		column->varattno <= 0 ||
		cx->sources[column->varno - 1].view == NULL)
		refuse(cx->sq, combine->location,
			   errmsg("combine() takes a column of a continuous view"),
			   errhint("Name the column itself, and the view in FROM."));
	if (combine->aggdistinct != NIL || combine->aggorder != NIL)
		refuse(cx->sq, combine->location,
			   errmsg("combine() has no DISTINCT and no ORDER BY"),
			   errhint("The order of states does not matter."));
	source = &cx->sources[column->varno - 1];
	tle = list_nth_node(TargetEntry, source->subquery->targetList,
						column->varattno - 1);
	state = state_of_column((Node *) tle->expr);
	if (state == NULL || !find_aggregate(source, state, &agg, &aggref))
		refuse(cx->sq, combine->location,
			   errmsg("column \"%s\" of view \"%s\" is not an aggregate",
					  tle->resname, get_rel_name(source->view->relid)),
			   errdetail("Keys and expressions over aggregates have no state to merge."),
			   errhint("Give the aggregate a column of its own in the view."));
	if (source->view->distinct != NIL && se_plan_aggregates_nothing(aggref))
		refuse(cx->sq, combine->location,
			   errmsg("column \"%s\" of view \"%s\" is an aggregate with DISTINCT, whose states do not merge",
					  tle->resname, get_rel_name(source->view->relid)),
			   errdetail("Two groups may have seen the same values."),
			   errhint("Make a view with the roll-up's groups, or count approximately with the extension hll: hll_add_agg(hll_hash_text(value))."));
	cx->combines = true;
	state = expose_state(rt_fetch(column->varno, cx->query->rtable),
						 column->varno, source, state);
	return se_plan_final(&agg, or_initial_state(merge_state(combine, &agg, state),
												&agg),
						 aggref->aggcollid, aggref->inputcollid);
}

static bool
is_combine(Node *node)
{
	return IsA(node, Aggref) &&
		se_plan_is_ours(((Aggref *) node)->aggfnoid, "combine");
}

static Node *
combine_mutator(Node *node, RollupContext *cx)
{
	if (node == NULL)
		return NULL;
	if (is_combine(node))
		return combine_column(cx, (Aggref *) node);
	return expression_tree_mutator(node, combine_mutator, cx);
}

static bool
refuse_nested_walker(Node *node, SeQuery *sq)
{
	if (node == NULL)
		return false;
	if (is_combine(node))
		refuse(sq, ((Aggref *) node)->location,
			   errmsg("combine() can only be in the outermost query"),
			   errhint("Make a roll-up of the sub-select, and use it as a view."));
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_nested_walker, sq, 0);
	return expression_tree_walker(node, refuse_nested_walker, sq);
}

/* Continuous views become their queries, with the states that are used. */
static void
put_sources(RollupContext *cx)
{
	ListCell   *lc;

	foreach(lc, cx->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		Source	   *source = &cx->sources[foreach_current_index(lc)];

		if (source->view == NULL)
			continue;
		if (rte->alias == NULL)
			rte->alias = makeAlias(rte->eref->aliasname, NIL);
		rte->rtekind = RTE_SUBQUERY;
		rte->relid = InvalidOid;
		rte->relkind = 0;
		rte->rellockmode = 0;
		rte->inh = false;
		rte->subquery = source->subquery;
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
	cx.sq = analyze_rollup(query);
	cx.query = cx.sq->query;
	cx.sources = palloc0(sizeof(Source) * Max(1, list_length(cx.query->rtable)));
	foreach(lc, cx.query->rtable)
		open_source(&cx, lfirst_node(RangeTblEntry, lc),
					&cx.sources[foreach_current_index(lc)]);
	cx.query->targetList = (List *)
		combine_mutator((Node *) cx.query->targetList, &cx);
	cx.query->havingQual = combine_mutator(cx.query->havingQual, &cx);
	(void) query_tree_walker(cx.query, refuse_nested_walker, cx.sq, 0);
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
