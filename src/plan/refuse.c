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

/* What no query within the query may be, not over tables either. */
static bool
refuse_queries_walker(Node *node, SeQuery *sq)
{
	if (node == NULL)
		return false;
	if (IsA(node, CommonTableExpr))
	{
		CommonTableExpr *cte = (CommonTableExpr *) node;

		if (!IsA(cte->ctequery, Query) ||
			((Query *) cte->ctequery)->commandType != CMD_SELECT)
			refuse(sq, cte->location,
				   errmsg("WITH query \"%s\" changes data", cte->ctename),
				   errdetail("It would run once for every batch."),
				   errhint("Use a SELECT; to react to rows use a trigger, or a job that reads the view."));
		if (strcmp(cte->ctename, SE_BATCH_NAME) == 0)
			refuse(sq, cte->location,
				   errmsg("a WITH query cannot be called \"%s\"",
						  SE_BATCH_NAME),
				   errdetail("That is what the rows of a batch are called."),
				   errhint("Give it another name."));
	}
	if (IsA(node, Query))
	{
		Query	   *q = (Query *) node;

		if (q->rowMarks != NIL)
			refuse(sq, -1,
				   errmsg("FOR UPDATE and FOR SHARE are not supported in a continuous view"),
				   errdetail("Rows would be locked by every batch."),
				   errhint("Leave it out."));
		return query_tree_walker(q, refuse_queries_walker, sq, 0);
	}
	return expression_tree_walker(node, refuse_queries_walker, sq);
}

/* Clauses that speak about the result as a whole. */
void
se_plan_refuse_shape(SeQuery *sq)
{
	Query	   *q = sq->query;

	if (q->setOperations != NULL)
		refuse(sq, -1,
			   errmsg("UNION, INTERSECT and EXCEPT are not supported in a continuous view"),
			   errdetail("A view keeps the groups of one query."),
			   errhint("Streams are put together by UNION ALL in FROM, as in SELECT ... FROM (SELECT ... UNION ALL SELECT ...) AS u GROUP BY ...; else make a view of each query and combine them when reading."));
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
	(void) refuse_queries_walker((Node *) q, sq);
}

typedef struct ColumnsContext
{
	SeQuery    *sq;
	Index		index;			/* of the stream in its query */
	Index		level;			/* queries between here and that */
} ColumnsContext;

/* Columns that a row of a batch does not have. */
static bool
refuse_columns_walker(Node *node, ColumnsContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno != cx->index || var->varlevelsup != cx->level)
			return false;
		if (var->varattno < 0)
			refuse(cx->sq, var->location,
				   errmsg("a stream's rows have no system columns"),
				   errhint("Give the stream a column of the record's metadata: \"@partition\", \"@offset\", \"@timestamp\" or \"@key\" in fields."));
		if (var->varattno == InvalidAttrNumber)
			refuse(cx->sq, var->location,
				   errmsg("the whole row of a stream is not supported in a continuous view"),
				   errhint("Name the columns."));
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		cx->level++;
		result = query_tree_walker((Query *) node, refuse_columns_walker, cx,
								   QTW_IGNORE_JOINALIASES);
		cx->level--;
		return result;
	}
	return expression_tree_walker(node, refuse_columns_walker, cx);
}

/* Tables that a worker cannot read, in the query and all its sub-selects. */
static bool
refuse_tables_walker(Node *node, SeQuery *sq)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind != RTE_RELATION)
			return false;
		if (list_member_oid(sq->streams, rte->relid) && rte->tablesample != NULL)
			refuse(sq, -1,
				   errmsg("TABLESAMPLE is not supported on a stream"),
				   errhint("Filter on a hash of a column."));
		if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
			refuse(sq, -1,
				   errmsg("temporary table \"%s\" cannot be used in a continuous view",
						  get_rel_name(rte->relid)),
				   errdetail("The stream is read by another process."),
				   errhint("Use a permanent table."));
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_tables_walker, sq,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, refuse_tables_walker, sq);
}

/* FROM and what its columns may be. */
void
se_plan_refuse_sources(SeQuery *sq)
{
	ListCell   *lc;

	(void) refuse_tables_walker((Node *) sq->query, sq);
	se_plan_find_window(sq);
	se_plan_refuse_hidden_streams(sq);
	foreach(lc, sq->places)
	{
		SePlace    *place = lfirst(lc);
		ColumnsContext cx = {.sq = sq, .index = place->index};

		(void) query_tree_walker(place->query, refuse_columns_walker, &cx,
								 QTW_IGNORE_JOINALIASES);
	}
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
	if (!q->hasAggs && q->groupClause == NIL)
		refuse(sq, -1,
			   errmsg("the query has neither an aggregate nor GROUP BY"),
			   errdetail("A continuous view keeps aggregates, not rows."),
			   errhint("Aggregate the rows, as in SELECT key, count(*) ... GROUP BY key; the latest rows can be read from the stream's own table."));
	se_plan_refuse_equal_sets(sq);
	refuse_same_names(sq);
}

typedef struct UngroupedContext
{
	SeQuery    *sq;
	SeSplit    *split;
	int			level;			/* queries between here and the outermost */
} UngroupedContext;

/*
 * PostgreSQL allows t.name beside GROUP BY t.id; the state has no such column.
 * Nor has the view, which is what is walked here, the delta's WITH queries.
 */
static bool
refuse_ungrouped_walker(Node *node, UngroupedContext *cx)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == cx->level)
		return false;
	foreach(lc, cx->split->keys)
		if (equal(node, se_plan_shift_levels((Node *) ((SeKey *) lfirst(lc))->tle->expr,
											 cx->level)))
			return false;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == cx->level)
		refuse(cx->sq, ((Var *) node)->location,
			   errmsg("a column that depends on a group key is not supported in a continuous view"),
			   errdetail("It would be read when the group is first seen, and may change later."),
			   errhint("Add the column to GROUP BY, or join the table when reading the view."));
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && rte->ctelevelsup >= cx->level)
			refuse(cx->sq, -1,
				   errmsg("WITH query \"%s\" is used beside the aggregates",
						  rte->ctename),
				   errdetail("What is outside of aggregates, WHERE and GROUP BY is computed when the view is read."),
				   errhint("Write the query out in the sub-select."));
		return false;
	}
	if (IsA(node, Query))
	{
		cx->level++;
		(void) query_tree_walker((Query *) node, refuse_ungrouped_walker, cx,
								 QTW_EXAMINE_RTES_BEFORE |
								 QTW_IGNORE_JOINALIASES);
		cx->level--;
		return false;
	}
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
					  sq->query->groupingSets ? INDEX_MAX_KEYS - 1 :
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

/* Windows of cumulate that share their start close one after the other. */
static void
refuse_shared_start(SeQuery *sq, const SeSplit *split)
{
	const SeKey *start = NULL;
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		int			bound = se_plan_key_is_bound(sq, lfirst(lc));

		if (bound == 2)
			return;
		if (bound == 1)
			start = lfirst(lc);
	}
	refuse(sq, exprLocation((Node *) start->tle->expr),
		   errmsg("emit \"append\" needs window_end of stream.cumulate among the group keys"),
		   errdetail("Windows that share their start close one after the other: their row would change after it has appeared."),
		   errhint("Add window_end to GROUP BY, or use emit => 'update'."));
}

/* What asks for windows that close. */
void
se_plan_refuse_emit(SeQuery *sq, const SeViewRequest *request,
					const SeSplit *split, bool windowed)
{
	ListCell   *lc;

	if (request->close_on_idle && (!windowed || !request->watermark))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("close_on_idle needs a window among the group keys and a stream with a watermark"),
				 errdetail("Without them no window closes.")));
	if (request->close_on_idle && list_length(sq->streams) > 1)
		refuse(sq, -1,
			   errmsg("close_on_idle is not supported for a view of several streams"),
			   errdetail("A window closes when the watermarks of all of them have passed it."),
			   errhint("Leave it out, or send records on that let the watermarks pass the last window."));
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
						 get_rel_name(se_plan_without_watermark(request)))));
	if (se_plan_has_sessions(sq) && list_length(sq->streams) > 1)
		refuse(sq, -1,
			   errmsg("emit \"append\" is not supported for sessions of several streams"),
			   errdetail("A batch of one stream may still bring rows to a session that the watermark of another has passed meanwhile."),
			   errhint("Use emit => 'update', or another window."));
	if (strcmp(sq->window.function, "cumulate") == 0)
		refuse_shared_start(sq, split);
	foreach(lc, split->keys)
		if (se_plan_key_is_bound(sq, lfirst(lc)) > 0 &&
			!se_plan_in_every_set(sq, lfirst(lc)))
			refuse(sq, exprLocation((Node *) ((SeKey *) lfirst(lc))->tle->expr),
				   errmsg("emit \"append\" needs the window's bounds in every grouping set"),
				   errdetail("A row appears when its window closes; a total over windows never does."),
				   errhint("Write GROUP BY window_start, ROLLUP (key), or use emit => 'update'."));
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
	if (aggref->aggdistinct != NIL)
		se_plan_refuse_distinct(sq, aggref, agg);
}
