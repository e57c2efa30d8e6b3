/*-------------------------------------------------------------------------
 *
 * behind.c
 *	  combine(column): the states behind the columns of a continuous view.
 *
 * Merging states is exact where merging results is not: the average of
 * averages is no average, and distinct counts do not add up.  So the place of
 * combine(column) is taken by
 *
 *		stream.state_merge(aggregate, state)
 *
 * over the state that the column is computed from.  In a roll-up (rollup.c) that
 * is all, and its final function is put around it.  In a view on a view the
 * combine() is an aggregate of the split as others are, of whose state, merge and
 * final function the SeState tells; only its delta is the above.  The rows of the
 * source have its states behind their columns then, under the names of
 * se_catalog_state_name(): it is these names in the delta's text that say which.
 *
 * Over no states at all the aggregate is what it is over no rows: count is 0,
 * not NULL.  In a delta that is its initial state, as its own would have it.
 *
 * Nothing here is kept; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

/* ---- where combine() may be ---- */

bool
se_plan_is_combine(const Node *node)
{
	return IsA(node, Aggref) &&
		se_plan_is_ours(((const Aggref *) node)->aggfnoid, "combine");
}

typedef struct InnerContext
{
	SeQuery    *sq;
	int			level;			/* queries around this one */
} InnerContext;

static bool
refuse_inner_walker(Node *node, InnerContext *cx)
{
	if (node == NULL)
		return false;
	if (cx->level > 0 && se_plan_is_combine(node))
		refuse(cx->sq, ((Aggref *) node)->location,
			   errmsg("combine() can only be in the outermost query"),
			   errhint("Make a view of the sub-select, and use that."));
	if (IsA(node, Query))
	{
		InnerContext inner = {.sq = cx->sq, .level = cx->level + 1};

		return query_tree_walker((Query *) node, refuse_inner_walker, &inner, 0);
	}
	return expression_tree_walker(node, refuse_inner_walker, cx);
}

void
se_plan_refuse_inner_combine(SeQuery *sq)
{
	InnerContext cx = {.sq = sq};

	(void) query_tree_walker(sq->query, refuse_inner_walker, &cx, 0);
}

/* ---- the aggregates of a delta ---- */

Aggref *
se_plan_delta_aggref(Expr *expr)
{
	if (IsA(expr, CoalesceExpr))	/* or_initial_state */
		expr = linitial(((CoalesceExpr *) expr)->args);
	return IsA(expr, Aggref) ? (Aggref *) expr : NULL;
}

static Datum
constant_argument(const Aggref *aggref, int n)
{
	return castNode(Const, list_nth_node(TargetEntry, aggref->args, n)->expr)->constvalue;
}

static bool
merges_states(const Aggref *aggref)
{
	return se_plan_is_ours(aggref->aggfnoid, "state_merge");
}

void
se_plan_load_aggregate(Aggref *aggref, SeAggregate *agg)
{
	Oid			inputs[FUNC_MAX_ARGS];
	Datum	   *types = NULL;
	int			n = 0;

	if (!merges_states(aggref))
	{
		se_aggregate_load_call(aggref, agg);
		return;
	}
	if (list_length(aggref->args) > 2)
		deconstruct_array(DatumGetArrayTypeP(constant_argument(aggref, 2)),
						  REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT, &types,
						  NULL, &n);
	for (int i = 0; i < n; i++)
		inputs[i] = DatumGetObjectId(types[i]);
	se_aggregate_load(DatumGetObjectId(constant_argument(aggref, 0)), inputs, n,
					  agg);
}

/* ---- finding states ---- */

void
se_plan_open_behind(Oid relid, SeBehind *behind)
{
	Relation	rel;
	TupleDesc	desc;
	int			settings;

	behind->view = se_catalog_get_view(relid, true);
	if (behind->view == NULL)
		return;
	if (pg_class_aclcheck(behind->view->state, GetUserId(), ACL_SELECT) !=
		ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the state of view \"%s\"",
						get_rel_name(relid)),
				 errhint("GRANT SELECT ON %s.",
						 quote_identifier(get_rel_name(behind->view->state)))));
	rel = table_open(relid, AccessShareLock);
	behind->query = copyObject(get_view_query(rel));
	table_close(rel, NoLock);
	desc = se_catalog_batch_type_for(behind->view->stream,
									 behind->view->delta_sql);
	settings = se_sql_settings_begin();
	behind->delta = se_sql_analyze(behind->view->delta_sql, SE_BATCH_NAME, desc,
								   0);
	se_plan_put_aggregates(behind->delta, se_aggregate_of_user);
	se_sql_settings_end(settings);
}

/* The state below a column of the view: a Var of the view's query, or NULL. */
static Var *
state_of_column(Expr *expr)
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

/* The column of the state table that it is; NULL: none alone. */
static const char *
state_column(const Query *query, Expr *expr)
{
	Var		   *state = state_of_column(expr);

	return state == NULL ? NULL :
		get_rte_attribute_name(rt_fetch(state->varno, query->rtable),
							   state->varattno);
}

/* What the delta has in that column, or NULL. */
static Aggref *
find_aggregate(const SeBehind *behind, const char *column)
{
	ListCell   *lc;

	foreach(lc, behind->delta->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (strcmp(tle->resname, column) == 0)
			return se_plan_delta_aggref(tle->expr);
	}
	return NULL;
}

Var *
se_plan_state_behind(SeQuery *sq, const Aggref *combine, const SeBehind *behind,
					 AttrNumber attno, SeAggregate *agg)
{
	TargetEntry *tle = list_nth_node(TargetEntry, behind->query->targetList,
									 attno - 1);
	const char *column = state_column(behind->query, tle->expr);
	Aggref	   *aggref = column ? find_aggregate(behind, column) : NULL;
	const char *name = get_rel_name(behind->view->relid);

	if (combine->aggdistinct != NIL || combine->aggorder != NIL)
		refuse(sq, combine->location,
			   errmsg("combine() has no DISTINCT and no ORDER BY"),
			   errhint("The order of states does not matter."));
	if (aggref == NULL)
		refuse(sq, combine->location,
			   errmsg("column \"%s\" of view \"%s\" is not an aggregate",
					  tle->resname, name),
			   errdetail("Keys and expressions over aggregates have no state to merge."),
			   errhint("Give the aggregate a column of its own in the view."));
	if (behind->view->distinct != NIL && se_plan_aggregates_nothing(aggref))
		refuse(sq, combine->location,
			   errmsg("column \"%s\" of view \"%s\" is an aggregate with DISTINCT, whose states do not merge",
					  tle->resname, name),
			   errdetail("Two groups may have seen the same values."),
			   errhint("Make a view with the roll-up's groups, or count approximately with the extension hll: hll_add_agg(hll_hash_text(value))."));
	se_plan_load_aggregate(aggref, agg);
	return state_of_column(tle->expr);
}

/* ---- merging them ---- */

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

Node *
se_plan_merge_states(const Aggref *combine, const SeAggregate *agg, Node *state)
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
	return or_initial_state((Node *) merge, agg);
}

/* ---- in a view on a view ---- */

/* The column of the source that combine() is given. */
static AttrNumber
combined_column(SeQuery *sq, const Aggref *combine)
{
	Node	   *arg = (Node *) linitial_node(TargetEntry, combine->args)->expr;
	int			natts;

	if (sq->source == NULL)
		refuse(sq, combine->location,
			   errmsg("combine() takes a column of a continuous view"),
			   errdetail("The query reads a stream, whose columns have no states."),
			   errhint("Use the aggregate itself; in a view on that view combine() merges its states."));
	if (sq->behind == NULL)
	{
		sq->behind = palloc0(sizeof(SeBehind));
		se_plan_open_behind(sq->source->relid, sq->behind);
	}
	natts = list_length(sq->behind->query->targetList);
	for (AttrNumber attno = 1; attno <= natts; attno++)
		if (se_plan_is_batch_column(sq, arg, attno))
			return attno;
	refuse(sq, combine->location,
		   errmsg("combine() takes a column of a continuous view"),
		   errhint("Name the column itself, of view \"%s\".",
				   get_rel_name(sq->source->relid)));
}

void
se_plan_use_combine(SeQuery *sq, SeState *state)
{
	AttrNumber	attno = combined_column(sq, state->aggref);

	state->inputcollid = se_plan_state_behind(sq, state->aggref, sq->behind,
											  attno, &state->agg)->varcollid;
}

typedef struct PutContext
{
	SeQuery    *sq;
	Query	   *query;
	List	   *attnos;			/* columns of the batch, and what they are in the */
	List	   *columns;		/* query */
} PutContext;

/* The state behind a column, in the rows of the batch. */
static Node *
batch_state(PutContext *cx, const Var *state)
{
	const SeBehind *behind = cx->sq->behind;
	RangeTblEntry *rte = rt_fetch(state->varno, behind->query->rtable);
	AttrNumber	attno = se_catalog_natts(behind->view->relid) +
		get_attnum(behind->view->state,
				   get_rte_attribute_name(rte, state->varattno));
	Var		   *like = makeVar(1, attno, state->vartype, state->vartypmod,
							   state->varcollid, 0);
	Node	   *column;
	ListCell   *lc;
	ListCell   *lc2;

	forboth(lc, cx->attnos, lc2, cx->columns)
		if (lfirst_int(lc) == attno)
			return copyObject(lfirst(lc2));
	column = se_plan_batch_column(cx->sq, cx->query, like);
	cx->attnos = lappend_int(cx->attnos, attno);
	cx->columns = lappend(cx->columns, column);
	return copyObject(column);
}

static Node *
put_states_mutator(Node *node, PutContext *cx)
{
	Aggref	   *combine = (Aggref *) node;
	SeAggregate agg;
	Var		   *state;

	if (node == NULL)
		return NULL;
	if (!se_plan_is_combine(node))
		return expression_tree_mutator(node, put_states_mutator, cx);
	state = se_plan_state_behind(cx->sq, combine, cx->sq->behind,
								 combined_column(cx->sq, combine), &agg);
	return se_plan_merge_states(combine, &agg, batch_state(cx, state));
}

void
se_plan_put_states(SeQuery *sq, Query *query)
{
	PutContext	cx = {.sq = sq, .query = query};

	if (sq->behind != NULL)
		query->targetList = (List *)
			put_states_mutator((Node *) query->targetList, &cx);
}

/* ---- in the view that it reads ---- */

bool
se_plan_show_states(const SeView *view, Query *query, const char *delta_sql)
{
	List	   *columns = query->targetList;
	int			natts = se_catalog_natts(view->state);

	if (!se_catalog_reads_states(delta_sql, view))
		return false;
	query->targetList = list_copy(columns);
	for (AttrNumber attno = 1; attno <= natts; attno++)
	{
		Expr	   *state = NULL;
		const char *name = get_attname(view->state, attno, false);
		Oid			type = get_atttype(view->state, attno);
		ListCell   *lc;

		if (!se_catalog_reads_state(delta_sql, attno))
			state = (Expr *) makeNullConst(OidIsValid(type) ? type : INT4OID, -1,
										   InvalidOid);
		else
			foreach(lc, columns)
			{
				Expr	   *expr = lfirst_node(TargetEntry, lc)->expr;
				const char *column = state_column(query, expr);

				if (column != NULL && strcmp(column, name) == 0)
					state = (Expr *) state_of_column(expr);
			}
		if (state == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("view \"%s\" does not show an aggregate whose states are combined",
							get_rel_name(view->relid)),
					 errhint("Give it back its query with stream.replace_view.")));
		query->targetList =
			lappend(query->targetList,
					makeTargetEntry(copyObject(state),
									list_length(query->targetList) + 1,
									se_catalog_state_name(attno), false));
	}
	return true;
}

void
se_plan_keep_shown(Oid view, Oid state, Query *had, Query *wanted)
{
	List	   *feeds = se_catalog_list_feeds_from(view);
	ListCell   *lc;

	foreach(lc, feeds)
	{
		Oid			reader = ((SeFeed *) lfirst(lc))->view;
		const char *sql = se_catalog_get_view(reader, false)->delta_sql;
		ListCell   *lc2;

		foreach(lc2, had->targetList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc2);
			int			i = foreach_current_index(lc2);
			const char *column = state_column(had, tle->expr);
			const char *other = NULL;

			if (column == NULL ||
				!se_catalog_reads_state(sql, get_attnum(state, column)))
				continue;
			if (i < list_length(wanted->targetList))
				other = state_column(wanted,
									 list_nth_node(TargetEntry, wanted->targetList, i)->expr);
			if (other != NULL && strcmp(column, other) == 0)
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("column \"%s\" of view \"%s\" must stay the aggregate that it is",
							tle->resname, get_rel_name(view)),
					 errdetail("View \"%s\" combines its states.",
							   get_rel_name(reader)),
					 errhint("Keep the column where it is, or drop that view.")));
		}
	}
}

/* ---- for people ---- */

/* The column of the view that is computed from this one of its state table. */
static AttrNumber
column_of_state(const SeView *view, AttrNumber state)
{
	Relation	rel = table_open(view->relid, AccessShareLock);
	Query	   *query = get_view_query(rel);
	const char *name = get_attname(view->state, state, false);
	AttrNumber	result = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		const char *column = state_column(query,
										  lfirst_node(TargetEntry, lc)->expr);

		if (result == 0 && column != NULL && strcmp(column, name) == 0)
			result = foreach_current_index(lc) + 1;
	}
	table_close(rel, NoLock);
	return result;
}

/* The column of the batch that has come up to this one. */
static AttrNumber
column_of_batch(List *levels, const Var *var)
{
	Query	   *query = linitial_node(Query, levels);
	RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);

	if (rte->rtekind == RTE_NAMEDTUPLESTORE)
		return var->varattno;
	levels = se_plan_enter(levels, rte);
	query = linitial_node(Query, levels);
	return column_of_batch(levels,
						   castNode(Var, list_nth_node(TargetEntry, query->targetList,
													   var->varattno - 1)->expr));
}

char *
se_plan_combine_text(Oid source, Query *delta, Aggref *aggref)
{
	static const Oid types[] = {ANYELEMENTOID};
	TargetEntry *state;
	Var		   *var;
	AttrNumber	attno;
	RangeTblEntry *rte;

	if (!merges_states(aggref))
		return se_plan_deparse(delta, (Node *) aggref);
	aggref = copyObject(aggref);
	aggref->aggfnoid = se_catalog_function("combine", lengthof(types), types);
	state = lsecond_node(TargetEntry, aggref->args);
	state->resno = 1;
	aggref->aggargtypes = list_make1_oid(exprType((Node *) state->expr));
	aggref->args = list_make1(state);
	var = castNode(Var, state->expr);
	attno = column_of_state(se_catalog_get_view(source, false),
							column_of_batch(list_make1(delta), var) -
							se_catalog_natts(source));
	delta = copyObject(delta);
	rte = rt_fetch(var->varno, delta->rtable);
	if (rte->rtekind == RTE_NAMEDTUPLESTORE)
		var->varattno = var->varattnosyn = attno;
	else						/* it has come through a sub-select */
		lfirst(list_nth_cell(rte->eref->colnames, var->varattno - 1)) =
			makeString(get_attname(source, attno, false));
	return se_plan_deparse(delta, (Node *) aggref) + strlen("stream.");
}
