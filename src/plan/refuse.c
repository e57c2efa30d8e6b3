/*-------------------------------------------------------------------------
 *
 * refuse.c
 *	  Every query that cannot be kept current, with the reason and a way out.
 *
 * A view must equal its query over all rows seen, whatever batches they came
 * in.  What depends on other rows of the stream than the group's, on the
 * order of rows or on the moment of evaluation cannot.  The rest of the
 * refusals are things that are not built yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "catalog/catalog.h"
#include "query.h"

int
se_plan_position(const SeQuery *sq, int location)
{
	if (location < 0)
		return 0;
	return errposition(pg_mbstrlen_with_len(sq->text, location) + 1);
}

/* Clauses that speak about the result as a whole. */
void
se_plan_refuse_shape(SeQuery *sq)
{
	Query	   *q = sq->query;
	ListCell   *lc;

	if (q->setOperations != NULL)
		refuse(sq, -1,
			   errmsg("UNION, INTERSECT and EXCEPT are not supported in a continuous view"),
			   errhint("Make a view of each query and combine them when reading."));
	if (q->cteList != NIL)
		refuse(sq, exprLocation(linitial(q->cteList)),
			   errmsg("WITH is not supported in a continuous view"),
			   errhint("Write the query without WITH, or put a query over tables into an ordinary view and join it."));
	if (q->hasSubLinks)
		refuse(sq, -1,
			   errmsg("sub-selects are not supported in a continuous view"),
			   errhint("Join the table instead, or put the sub-select into an ordinary view and join it."));
	foreach(lc, q->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_SUBQUERY || rte->rtekind == RTE_VALUES)
			refuse(sq, -1,
				   errmsg("sub-selects in FROM are not supported in a continuous view"),
				   errhint("Name the stream itself in FROM; put a query over tables into an ordinary view and join it."));
	}
	if (q->hasDistinctOn)
		refuse(sq, exprLocation((Node *) q->targetList),
			   errmsg("DISTINCT ON is not supported in a continuous view"),
			   errhint("Group by the key; aggregates such as max(time) say which row is the newest."));
	if (q->distinctClause != NIL)
		refuse(sq, exprLocation((Node *) q->targetList),
			   errmsg("DISTINCT is not supported in a continuous view"),
			   errhint("GROUP BY the same columns."));
	if (q->hasWindowFuncs)
		refuse(sq, -1,
			   errmsg("window functions (OVER) are not supported in a continuous view"),
			   errhint("Use window functions when reading the view; for windows of time use stream.tumble, stream.hop or stream.cumulate in FROM."));
	if (q->limitCount != NULL || q->limitOffset != NULL)
		refuse(sq, exprLocation(q->limitCount ? q->limitCount : q->limitOffset),
			   errmsg("LIMIT and OFFSET are not supported in a continuous view"),
			   errhint("Limit when reading the view."));
	if (q->sortClause != NIL)
		refuse(sq, -1,
			   errmsg("ORDER BY is not supported in a continuous view"),
			   errhint("Order when reading the view."));
	if (q->rowMarks != NIL)
		refuse(sq, -1,
			   errmsg("FOR UPDATE and FOR SHARE are not supported in a continuous view"));
}

static bool
list_streams_walker(Node *node, List **found)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION &&
			se_catalog_get_stream(rte->relid, true) != NULL)
			*found = lappend_oid(*found, rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, list_streams_walker, found,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, list_streams_walker, found);
}

/* A view in FROM that reads a stream would read its staging table. */
void
se_plan_refuse_hidden_streams(SeQuery *sq)
{
	List	   *rewritten = QueryRewrite(copyObject(sq->query));
	List	   *found = NIL;

	(void) list_streams_walker(linitial(rewritten), &found);
	if (list_length(found) > (OidIsValid(sq->stream) ? 1 : 0))
		refuse(sq, -1,
			   errmsg("the query reads stream \"%s\" through a view",
					  get_rel_name(llast_oid(found))),
			   errhint("Only the rows of one batch are aggregated: name the stream itself in FROM, once."));
}

/* True when the stream is in this part of FROM; refuses its nullable side. */
static bool
check_join_side(SeQuery *sq, Node *jtnode)
{
	bool		found = false;

	if (IsA(jtnode, RangeTblRef))
		return ((RangeTblRef *) jtnode)->rtindex == sq->stream_rti;
	if (IsA(jtnode, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) jtnode)->fromlist)
			found |= check_join_side(sq, lfirst(lc));
		return found;
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, jtnode);
		bool		left = check_join_side(sq, join->larg);
		bool		right = check_join_side(sq, join->rarg);

		if ((left && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_LEFT) ||
			(right && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_RIGHT))
			refuse(sq, -1,
				   errmsg("stream \"%s\" is on the nullable side of an outer join",
						  get_rel_name(sq->stream)),
				   errdetail("Rows of the other side without a match would have to be taken back when a match arrives."),
				   errhint("Put the stream on the left of LEFT JOIN."));
		return left || right;
	}
}

/* Columns that a row of a batch does not have. */
static bool
refuse_columns_walker(Node *node, SeQuery *sq)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno != sq->stream_rti || var->varlevelsup != 0)
			return false;
		if (var->varattno < 0)
			refuse(sq, var->location,
				   errmsg("a stream's rows have no system columns"),
				   errhint("Give the stream a column of the record's metadata: \"@partition\", \"@offset\", \"@timestamp\" or \"@key\" in fields."));
		if (var->varattno == InvalidAttrNumber)
			refuse(sq, var->location,
				   errmsg("the whole row of a stream is not supported in a continuous view"),
				   errhint("Name the columns."));
		return false;
	}
	return expression_tree_walker(node, refuse_columns_walker, sq);
}

static void
refuse_tables(SeQuery *sq)
{
	Index		rti = 0;
	ListCell   *lc;

	foreach(lc, sq->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		rti++;
		if (rte->rtekind != RTE_RELATION)
			continue;
		if (rti == sq->stream_rti && rte->tablesample != NULL)
			refuse(sq, -1,
				   errmsg("TABLESAMPLE is not supported on a stream"),
				   errhint("Filter on a hash of a column."));
		if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
			refuse(sq, -1,
				   errmsg("temporary table \"%s\" cannot be used in a continuous view",
						  get_rel_name(rte->relid)),
				   errdetail("The stream is read by another process."),
				   errhint("Use a permanent table."));
	}
}

/* FROM and what its columns may be. */
void
se_plan_refuse_sources(SeQuery *sq)
{
	refuse_tables(sq);
	(void) check_join_side(sq, (Node *) sq->query->jointree);
	se_plan_find_window(sq);
	se_plan_refuse_hidden_streams(sq);
	(void) query_tree_walker(sq->query, refuse_columns_walker, sq,
							 QTW_IGNORE_JOINALIASES);
}

/* CREATE VIEW would say the same, about a query that the user never wrote. */
static void
refuse_same_names(SeQuery *sq)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, sq->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		ListCell   *lc2;

		if (tle->resjunk)
			continue;
		foreach(lc2, names)
			if (strcmp(lfirst(lc2), tle->resname) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" specified more than once",
								tle->resname),
						 errhint("Name the column with AS."),
						 se_plan_position(sq, exprLocation((Node *) tle->expr))));
		names = lappend(names, tle->resname);
	}
}

/* The target list and GROUP BY. */
void
se_plan_refuse_grouping(SeQuery *sq)
{
	Query	   *q = sq->query;

	if (q->hasTargetSRFs)
		refuse(sq, -1,
			   errmsg("set-returning functions in the select list are not supported in a continuous view"),
			   errhint("Call the function in FROM: FROM stream, function(column)."));
	if (q->groupingSets != NIL)
		refuse(sq, exprLocation((Node *) q->groupingSets),
			   errmsg("GROUPING SETS, ROLLUP and CUBE are not supported in a continuous view"),
			   errhint("Make a view grouped by all the columns and roll it up when reading."));
	if (!q->hasAggs && q->groupClause == NIL)
		refuse(sq, -1,
			   errmsg("the query has neither an aggregate nor GROUP BY"),
			   errdetail("A continuous view keeps aggregates, not rows."),
			   errhint("Aggregate the rows, as in SELECT key, count(*) ... GROUP BY key; the latest rows can be read from the stream's own table."));
	refuse_same_names(sq);
}

typedef struct UngroupedContext
{
	SeQuery    *sq;
	SeSplit    *split;
} UngroupedContext;

/* PostgreSQL allows t.name beside GROUP BY t.id; the state has no such column. */
static bool
refuse_ungrouped_walker(Node *node, UngroupedContext *cx)
{
	ListCell   *lc;

	if (node == NULL || IsA(node, Aggref))
		return false;
	foreach(lc, cx->split->keys)
		if (equal(node, ((SeKey *) lfirst(lc))->tle->expr))
			return false;
	if (IsA(node, Var))
		refuse(cx->sq, ((Var *) node)->location,
			   errmsg("a column that depends on a group key is not supported in a continuous view"),
			   errdetail("It would be read when the group is first seen, and may change later."),
			   errhint("Add the column to GROUP BY, or join the table when reading the view."));
	return expression_tree_walker(node, refuse_ungrouped_walker, cx);
}

/* What the group keys and the expressions over them may be. */
void
se_plan_refuse_keys(SeQuery *sq, SeSplit *split)
{
	UngroupedContext cx = {.sq = sq, .split = split};
	ListCell   *lc;

	(void) refuse_ungrouped_walker((Node *) split->target, &cx);
	(void) refuse_ungrouped_walker(split->having, &cx);

	if (list_length(split->keys) > INDEX_MAX_KEYS)
		refuse(sq, -1,
			   errmsg("a continuous view cannot have more than %d group keys",
					  INDEX_MAX_KEYS));
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);
		Node	   *expr = (Node *) key->tle->expr;
		Oid			type = exprType(expr);

		if (get_typtype(type) == TYPTYPE_PSEUDO)
			refuse(sq, exprLocation(expr),
				   errmsg("group key \"%s\" is of pseudo-type %s, which cannot be stored",
						  key->column, format_type_be(type)),
				   errhint("Group by its fields."));
		if (!OidIsValid(GetDefaultOpClass(type, BTREE_AM_OID)))
			refuse(sq, exprLocation(expr),
				   errmsg("group key \"%s\" is of type %s, which has no order",
						  key->column, format_type_be(type)),
				   errdetail("Groups are found by a unique index."),
				   errhint("Cast the key to a type with a btree operator class, such as text."));
	}
	if (contain_volatile_functions((Node *) split->delta))
		refuse(sq, -1,
			   errmsg("volatile functions are not supported in WHERE, GROUP BY, joins or an aggregate's arguments"),
			   errdetail("Reading the same records again would give another result."),
			   errhint("Use functions declared STABLE or IMMUTABLE."));
}

/* What asks for windows that close. */
void
se_plan_refuse_emit(SeQuery *sq, const SeViewRequest *request, bool windowed)
{
	if (!request->append)
		return;
	if (!windowed)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("emit \"append\" needs a window among the group keys"),
				 errdetail("A row appears when its window closes; without a window none ever does."),
				 errhint("Add a window to FROM and its window_start to GROUP BY, or use emit => 'update'.")));
	if (!request->watermark)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("emit \"append\" needs a stream with a watermark"),
				 errdetail("Without a watermark no window closes."),
				 errhint("Create stream \"%s\" with watermark_delay, or use emit => 'update'.",
						 get_rel_name(sq->stream))));
}

/* Aggregates whose states cannot be kept and merged. */
void
se_plan_refuse_aggregate(SeQuery *sq, Aggref *aggref, const SeAggregate *agg)
{
	const char *name = get_func_name(aggref->aggfnoid);

	if (agg->kind != AGGKIND_NORMAL)
		refuse(sq, aggref->location,
			   errmsg("ordered-set aggregate \"%s\" cannot be kept incrementally", name),
			   errdetail("It needs all rows of the group."),
			   errhint("For percentiles use the extension tdigest: tdigest_percentile(value, 100, 0.95)."));
	if (aggref->aggdistinct != NIL)
		refuse(sq, aggref->location,
			   errmsg("aggregate \"%s\" with DISTINCT cannot be kept incrementally", name),
			   errdetail("It needs all values of the group."),
			   errhint("Group by the value too and count when reading, or count approximately with the extension hll: hll_cardinality(hll_add_agg(hll_hash_text(value)))."));
	if (aggref->aggorder != NIL)
		refuse(sq, aggref->location,
			   errmsg("aggregate \"%s\" with ORDER BY cannot be kept incrementally", name),
			   errdetail("Its state does not keep the order."),
			   errhint("Leave ORDER BY out, or order when reading the view."));
	if (!OidIsValid(agg->combinefn))
		refuse(sq, aggref->location,
			   errmsg("aggregate %s has no combine function",
					  format_procedure(agg->fn)),
			   errdetail("The states of two batches cannot be merged."),
			   errhint("Use an aggregate created with COMBINEFUNC."));
	if (agg->transtype == INTERNALOID &&
		(!OidIsValid(agg->serialfn) || !OidIsValid(agg->deserialfn)))
		refuse(sq, aggref->location,
			   errmsg("aggregate %s has a state that cannot be stored",
					  format_procedure(agg->fn)),
			   errdetail("Its state is of type internal and it has no serialization functions."),
			   errhint("Use an aggregate created with SERIALFUNC and DESERIALFUNC."));
	if (agg->transtype != INTERNALOID &&
		get_typtype(agg->transtype) == TYPTYPE_PSEUDO)
		refuse(sq, aggref->location,
			   errmsg("aggregate %s has a state of pseudo-type %s, which cannot be stored",
					  format_procedure(agg->fn),
					  format_type_be(agg->transtype)));
}
