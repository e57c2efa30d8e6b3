/*-------------------------------------------------------------------------
 *
 * split.c
 *	  A query taken apart into group keys and distinct aggregates.
 *
 *		SELECT k, avg(x) + 1 FROM s WHERE w GROUP BY k HAVING avg(x) > 0
 *
 *	  keys:   k            states: avg(x)
 *	  delta:  SELECT k, avg(x) FROM s WHERE w GROUP BY k
 *	  view:   SELECT k, final(avg_x) + 1 FROM state WHERE final(avg_x) > 0
 *
 * Grouping sets add a key: see grouping.c.
 *
 * Join aliases are flattened first, as the parser does when it checks GROUP
 * BY, so that equal expressions are equal trees.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_clause.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "catalog/catalog.h"
#include "compat.h"
#include "query.h"

typedef struct SplitContext
{
	SeQuery    *sq;
	SeSplit    *split;
	List	   *names;			/* columns of the state table so far */
	int			level;			/* queries between here and the outermost */
} SplitContext;

Node *
se_plan_shift_levels(Node *node, int levels)
{
	if (levels == 0)
		return node;
	node = copyObject(node);
	IncrementVarSublevelsUp(node, levels, Max(0, -levels));
	return node;
}

static bool
name_taken(SplitContext *cx, const char *name)
{
	ListCell   *lc;

	if (SystemAttributeByName(name) != NULL)
		return true;
	foreach(lc, cx->names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* A column name made of one or two words, not longer than names may be. */
static char *
choose_name(SplitContext *cx, const char *word1, const char *word2)
{
	char	   *name = makeObjectName(word1, word2, NULL);

	for (int i = 2; name_taken(cx, name); i++)
		name = makeObjectName(word1, word2, psprintf("%d", i));
	cx->names = lappend(cx->names, name);
	return name;
}

/* The name of a plain column below casts, or NULL. */
static char *
plain_column(SplitContext *cx, Node *expr)
{
	Var		   *var;

	expr = strip_implicit_coercions(expr);
	if (!IsA(expr, Var))
		return NULL;
	var = (Var *) expr;
	if (var->varattno <= 0)
		return NULL;
	return get_rte_attribute_name(rt_fetch(var->varno, cx->sq->query->rtable),
								  var->varattno);
}

static void
add_key(SplitContext *cx, SortGroupClause *clause, List *target)
{
	TargetEntry *tle = get_sortgroupclause_tle(clause, target);
	SeKey	   *key = palloc0(sizeof(SeKey));
	const char *name = tle->resjunk ? NULL : tle->resname;

	if (name == NULL)
		name = plain_column(cx, (Node *) tle->expr);
	if (name == NULL || strcmp(name, "?column?") == 0)
		name = "key";
	key->column = choose_name(cx, name, NULL);
	key->tle = tle;
	key->clause = clause;
	cx->split->keys = lappend(cx->split->keys, key);
}

/* Which grouping set a group belongs to. */
static void
add_grouping_key(SplitContext *cx)
{
	GroupingFunc *grouping = se_plan_grouping_of_keys(cx->sq, cx->split->keys);
	SeKey	   *key = palloc0(sizeof(SeKey));

	key->column = choose_name(cx, "grouping_set", NULL);
	key->tle = makeTargetEntry((Expr *) grouping, 1, key->column, false);
	cx->split->keys = lappend(cx->split->keys, key);
}

/* avg_price, count, or the name that the user gave to a bare aggregate */
static char *
name_state(SplitContext *cx, Aggref *aggref)
{
	const char *fn = get_func_name(aggref->aggfnoid);
	char	   *column = NULL;
	ListCell   *lc;

	foreach(lc, cx->split->target)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (equal(tle->expr, aggref) && strcmp(tle->resname, fn) != 0)
			return choose_name(cx, tle->resname, NULL);
	}
	if (aggref->args != NIL)
		column = plain_column(cx, (Node *)
							  linitial_node(TargetEntry, aggref->args)->expr);
	return choose_name(cx, fn, column);
}

static void
add_state(SplitContext *cx, Aggref *aggref)
{
	SeState    *state;
	ListCell   *lc;

	foreach(lc, cx->split->states)
		if (equal(((SeState *) lfirst(lc))->aggref, aggref))
			return;

	state = palloc0(sizeof(SeState));
	state->aggref = aggref;
	if (se_plan_is_combine((Node *) aggref))
		se_plan_use_combine(cx->sq, state);
	else
	{
		se_aggregate_load_call(aggref, &state->agg);
		state->inputcollid = aggref->inputcollid;
	}
	se_plan_refuse_aggregate(cx->sq, aggref, &state->agg);
	state->column = name_state(cx, aggref);
	cx->split->states = lappend(cx->split->states, state);
}

/* Sub-selects too may hold aggregates of the outermost query. */
static bool
add_states_walker(Node *node, SplitContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == cx->level)
	{
		add_state(cx, (Aggref *) se_plan_shift_levels(node, -cx->level));
		return false;
	}
	if (IsA(node, Query))
	{
		cx->level++;
		(void) query_tree_walker((Query *) node, add_states_walker, cx, 0);
		cx->level--;
		return false;
	}
	return expression_tree_walker(node, add_states_walker, cx);
}

/* A named join with a column that only the name can say: COALESCE(a.x, b.x). */
static bool
hides_merged_column(const RangeTblEntry *rte)
{
	ListCell   *lc;

	if (rte->rtekind != RTE_JOIN || rte->alias == NULL)
		return false;
	foreach(lc, rte->joinaliasvars)
		if (lfirst(lc) != NULL && !IsA(lfirst(lc), Var))
			return true;
	return false;
}

static bool
drop_name_walker(Node *node, Query *query)
{
	if (node == NULL)
		return false;
	if (IsA(node, JoinExpr) &&
		hides_merged_column(rt_fetch(((JoinExpr *) node)->rtindex,
									 query->rtable)))
	{
		((JoinExpr *) node)->alias = NULL;
		rt_fetch(((JoinExpr *) node)->rtindex, query->rtable)->alias = NULL;
	}
	return expression_tree_walker(node, drop_name_walker, query);
}

/*
 * Keys and aggregates have no join aliases any more.  Where a join's name hides
 * the tables that they refer to instead, the query does without that name.
 */
static void
drop_join_names(Query *query)
{
	bool		hidden = false;
	ListCell   *lc;

	foreach(lc, query->rtable)
		hidden |= hides_merged_column(lfirst(lc));
	if (!hidden)
		return;
	query->jointree = (FromExpr *)
		se_flatten_join_alias_vars(query, (Node *) query->jointree);
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->lateral && rte->rtekind == RTE_SUBQUERY)
			rte->subquery = (Query *)
				se_flatten_join_alias_vars(query, (Node *) rte->subquery);
		rte->functions = (List *)
			se_flatten_join_alias_vars(query, (Node *) rte->functions);
		rte->tablefunc = (TableFunc *)
			se_flatten_join_alias_vars(query, (Node *) rte->tablefunc);
		rte->values_lists = (List *)
			se_flatten_join_alias_vars(query, (Node *) rte->values_lists);
	}
	(void) drop_name_walker((Node *) query->jointree, query);
}

/* SELECT keys, bare aggregates, with the user's FROM, WHERE and GROUP BY. */
static Query *
make_delta(SeQuery *sq, SeSplit *split)
{
	Query	   *delta = copyObject(sq->query);
	List	   *target = NIL;
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);
		TargetEntry *tle = makeTargetEntry(copyObject(key->tle->expr),
										   list_length(target) + 1,
										   key->column, false);

		tle->ressortgroupref = key->tle->ressortgroupref;
		target = lappend(target, tle);
	}
	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);

		target = lappend(target,
						 makeTargetEntry((Expr *) copyObject(state->aggref),
										 list_length(target) + 1,
										 state->column, false));
	}
	drop_join_names(delta);
	delta->targetList = target;
	delta->havingQual = NULL;
	if (split->keys == NIL)
		delta->groupingSets = NIL;	/* GROUP BY () */
	delta->hasAggs = split->states != NIL;
	return delta;
}

SeSplit *
se_plan_split(SeQuery *sq)
{
	SeSplit    *split = palloc0(sizeof(SeSplit));
	SplitContext cx = {.sq = sq, .split = split};
	List	   *target;
	ListCell   *lc;

	target = (List *) se_flatten_join_alias_vars(sq->query,
												 (Node *) sq->query->targetList);
	split->having = se_flatten_join_alias_vars(sq->query,
											   sq->query->havingQual);
	foreach(lc, target)
		if (!lfirst_node(TargetEntry, lc)->resjunk)
			split->target = lappend(split->target, lfirst(lc));

	foreach(lc, sq->query->groupClause)
		add_key(&cx, lfirst_node(SortGroupClause, lc), target);
	if (split->keys == NIL)
		choose_name(&cx, SE_ALL_ROWS_COLUMN, NULL);
	else if (sq->query->groupingSets != NIL)
		add_grouping_key(&cx);
	(void) expression_tree_walker((Node *) split->target, add_states_walker,
								  &cx);
	(void) add_states_walker(split->having, &cx);
	split->delta = make_delta(sq, split);
	return split;
}

/* In a query with grouping sets the column is in each of them. */
SortGroupClause *
se_plan_group_by(Query *query, TargetEntry *tle)
{
	SortGroupClause *clause = makeNode(SortGroupClause);

	clause->tleSortGroupRef = assignSortGroupRef(tle, query->targetList);
	get_sort_group_operators(exprType((Node *) tle->expr), true, true, false,
							 &clause->sortop, &clause->eqop, NULL,
							 &clause->hashable);
	query->groupClause = lappend(query->groupClause, clause);
	if (query->groupingSets != NIL)
		query->groupingSets =
			lappend(query->groupingSets,
					makeGroupingSet(GROUPING_SET_SIMPLE,
									list_make1_int(clause->tleSortGroupRef),
									-1));
	return clause;
}

static bool
put_aggregates_walker(Node *node, Oid (*translate) (Oid))
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		((Aggref *) node)->aggfnoid = translate(((Aggref *) node)->aggfnoid);
		return false;
	}
	return expression_tree_walker(node, put_aggregates_walker,
								  (void *) translate);
}

void
se_plan_put_aggregates(Query *delta, Oid (*translate) (Oid))
{
	(void) put_aggregates_walker((Node *) delta->targetList, translate);
}

/* Writes the delta query down with the batch in the stream's place. */
char *
se_plan_deparse_delta(SeQuery *sq, Query *delta)
{
	delta = copyObject(delta);
	se_plan_put_states(sq, delta);
	se_plan_put_aggregates(delta, se_aggregate_in_delta);
	se_plan_put_batch(sq, delta);
	return pg_get_querydef(delta, false);
}
