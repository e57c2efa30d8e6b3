/*-------------------------------------------------------------------------
 *
 * place.c
 *	  Where in a query its stream is.
 *
 *		WITH v AS (SELECT lower(k) AS k FROM clicks WHERE n > 0)
 *		SELECT k, count(*) FROM v JOIN (SELECT ...) t USING (k) GROUP BY k
 *
 * The delta query is the user's query with a batch in the stream's place.  It
 * gives the same as the query over all rows, batch by batch, as long as each
 * row of the stream goes up to the aggregation by itself: through filters,
 * expressions and joins.  So the stream may be in a sub-select in FROM or in a
 * WITH query that does no more than that, to any depth, and it must be there
 * once: what looks at the stream's rows a second time would see those of one
 * batch.  Sub-selects over tables may be anything.
 *
 * Nothing here is kept; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "query.h"

typedef struct FindContext
{
	bool		views;			/* continuous views, else streams */
	List	   *found;			/* of OIDs */
} FindContext;

static bool
list_sources_walker(Node *node, FindContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION &&
			(cx->views ? se_catalog_get_view(rte->relid, true) != NULL :
			 se_catalog_get_stream(rte->relid, true) != NULL))
			cx->found = lappend_oid(cx->found, rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, list_sources_walker, cx,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, list_sources_walker, cx);
}

/*
 * The streams that are named anywhere below, or the continuous views, as often
 * as they are.
 */
static List *
list_sources(void *node, bool views)
{
	FindContext cx = {.views = views};

	(void) list_sources_walker(node, &cx);
	return cx.found;
}

static List *
list_streams(void *node)
{
	return list_sources(node, false);
}

/* What the query reads, as errors call it. */
static const char *
kind_of_source(const SeQuery *sq)
{
	return sq->source ? "view" : "stream";
}

/* A view in FROM that reads a stream would read its staging table. */
void
se_plan_refuse_hidden_streams(SeQuery *sq)
{
	List	   *rewritten = QueryRewrite(copyObject(sq->query));
	List	   *found = list_streams(linitial(rewritten));

	if (list_length(found) > (OidIsValid(sq->stream) && !sq->source ? 1 : 0))
		refuse(sq, -1,
			   errmsg("the query reads stream \"%s\" through a view",
					  get_rel_name(llast_oid(found))),
			   errhint("Only the rows of one batch are aggregated: name the stream itself in FROM, once."));
}

static void
refuse_number(SeQuery *sq, List *found)
{
	if (found == NIL)
	{
		se_plan_refuse_hidden_streams(sq);
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the query reads no stream"),
				 errhint("Name a stream made by stream.create_stream in FROM; over tables alone use CREATE VIEW.")));
	}
	if (list_length(found) == 1)
		return;
	if (linitial_oid(found) == lsecond_oid(found))
		refuse(sq, -1,
			   errmsg("the query reads %s \"%s\" more than once",
					  kind_of_source(sq), get_rel_name(linitial_oid(found))),
			   errdetail("One of them would see the rows of one batch only."),
			   errhint("Make a view of each use and join the views when reading."));
	if (sq->source)
		refuse(sq, -1,
			   errmsg("the query reads more than one continuous view and no stream"),
			   errdetail("It reads \"%s\" and \"%s\"; the rows of which it should count is not clear.",
						 get_rel_name(linitial_oid(found)),
						 get_rel_name(lsecond_oid(found))),
			   errhint("Make a view of each and join the views when reading."));
	refuse(sq, -1,
		   errmsg("the query reads more than one stream"),
		   errdetail("It reads \"%s\" and \"%s\".",
					 get_rel_name(linitial_oid(found)),
					 get_rel_name(lsecond_oid(found))),
		   errhint("Make a view of each stream and join the views when reading."));
}

/* ---- what may be between the stream and the aggregation ---- */

/* True when rti is in this part of FROM; refuses its nullable side. */
static bool
refuse_join_side(SeQuery *sq, Node *jtnode, Index rti)
{
	bool		found = false;

	if (IsA(jtnode, RangeTblRef))
		return ((RangeTblRef *) jtnode)->rtindex == rti;
	if (IsA(jtnode, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) jtnode)->fromlist)
			found |= refuse_join_side(sq, lfirst(lc), rti);
		return found;
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, jtnode);
		bool		left = refuse_join_side(sq, join->larg, rti);
		bool		right = refuse_join_side(sq, join->rarg, rti);

		if ((left && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_LEFT) ||
			(right && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_RIGHT))
			refuse(sq, -1,
				   errmsg("%s \"%s\" is on the nullable side of an outer join",
						  kind_of_source(sq), get_rel_name(sq->stream)),
				   errdetail("Rows of the other side without a match would have to be taken back when a match arrives."),
				   errhint("Put the %s on the left of LEFT JOIN.",
						   kind_of_source(sq)));
		return left || right;
	}
}

/* A sub-select in FROM or a WITH query, between the stream and the outermost query. */
static void
refuse_inner_shape(SeQuery *sq, Query *q)
{
	const char *clause = NULL;

	if (q->setOperations != NULL)
		refuse(sq, -1,
			   errmsg("UNION, INTERSECT and EXCEPT are not supported in a sub-select over a stream"),
			   errdetail("The other side would be read again with every batch."),
			   errhint("Make a view of each query and combine them when reading."));
	if (q->hasAggs || q->groupClause != NIL || q->groupingSets != NIL ||
		q->havingQual != NULL)
		refuse(sq, exprLocation((Node *) q->targetList),
			   errmsg("a sub-select that aggregates a stream is not supported in a continuous view"),
			   errdetail("It would see the rows of one batch only."),
			   errhint("Make a continuous view of the sub-select, and aggregate its rows when reading it, or with stream.create_rollup."));
	if (q->hasWindowFuncs)
		clause = "window functions (OVER)";
	else if (q->distinctClause != NIL)
		clause = q->hasDistinctOn ? "DISTINCT ON" : "DISTINCT";
	else if (q->limitCount != NULL || q->limitOffset != NULL)
		clause = "LIMIT and OFFSET";
	if (clause != NULL)
		refuse(sq, exprLocation((Node *) q->targetList),
			   errmsg("%s in a sub-select over a stream cannot be kept incrementally",
					  clause),
			   errdetail("It would see the rows of one batch only."),
			   errhint("Group by the columns that make a row unique in a view of its own, and use the clause when reading it."));
	if (q->sortClause != NIL)
		refuse(sq, exprLocation((Node *) q->targetList),
			   errmsg("ORDER BY is not supported in a sub-select over a stream"),
			   errdetail("Rows are aggregated in the order in which they come."),
			   errhint("Leave it out."));
}

static CommonTableExpr *
find_with_query(Query *query, const char *name)
{
	ListCell   *lc;

	foreach(lc, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		if (strcmp(cte->ctename, name) == 0)
			return cte;
	}
	elog(ERROR, "there is no WITH query \"%s\"", name);
}

static void
refuse_with_query(SeQuery *sq, CommonTableExpr *cte)
{
	if (cte->cterecursive)
		refuse(sq, cte->location,
			   errmsg("recursive WITH query \"%s\" reads a stream",
					  cte->ctename),
			   errdetail("It would see the rows of one batch only."),
			   errhint("A recursive query over tables can be joined; recurse over a view when reading it."));
	if (cte->cterefcount > 1)
		refuse(sq, cte->location,
			   errmsg("WITH query \"%s\", which reads a stream, is used more than once",
					  cte->ctename),
			   errdetail("One of them would see the rows of one batch only."),
			   errhint("Make a view of each use and join the views when reading."));
}

/* The stream is in the query, but not in its FROM. */
static bool
refuse_sublink_walker(Node *node, SeQuery *sq)
{
	if (node == NULL)
		return false;
	if (IsA(node, CommonTableExpr) &&
		list_sources(node, sq->source != NULL) != NIL)
		refuse(sq, ((CommonTableExpr *) node)->location,
			   errmsg("WITH query \"%s\", which reads a stream, is not used in FROM",
					  ((CommonTableExpr *) node)->ctename),
			   errdetail("A sub-select in an expression would see the rows of one batch only."),
			   errhint("Name it in FROM, once."));
	if (IsA(node, SubLink) && list_sources(node, sq->source != NULL) != NIL)
		refuse(sq, ((SubLink *) node)->location,
			   errmsg("%s \"%s\" is read by a sub-select in an expression",
					  kind_of_source(sq), get_rel_name(sq->stream)),
			   errdetail("The sub-select would see the rows of one batch only."),
			   errhint("Name the %s in FROM; sub-selects in expressions can read tables.",
					   kind_of_source(sq)));
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_sublink_walker, sq, 0);
	return expression_tree_walker(node, refuse_sublink_walker, sq);
}

/* ---- finding it ---- */

/*
 * The query behind an entry of FROM, in front of the queries around it; NIL
 * when it is none.  levels are the queries from this one outwards.
 */
static List *
enter(List *levels, const RangeTblEntry *rte)
{
	if (rte->rtekind == RTE_SUBQUERY)
		return lcons(rte->subquery, list_copy(levels));
	if (rte->rtekind == RTE_CTE && !rte->self_reference)
	{
		List	   *around = list_copy_tail(levels, rte->ctelevelsup);

		return lcons(find_with_query(linitial(around), rte->ctename)->ctequery,
					 around);
	}
	return NIL;
}

/*
 * Goes down from a query to the one that has the stream in its FROM, and
 * refuses what is on the way.  Returns the queries from that one up to this
 * one, and the entry in each that leads there; NIL when it is not in FROM.
 */
static List *
find_path(SeQuery *sq, List *levels, List **entries)
{
	Query	   *query = linitial_node(Query, levels);
	Index		place = 0;
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		List	   *inner;
		List	   *path = NIL;

		place++;
		inner = enter(levels, rte);
		if (inner != NIL)
			path = find_path(sq, inner, entries);
		else if (rte->rtekind == RTE_RELATION && rte->relid == sq->stream)
			*entries = NIL;
		else
			continue;
		if (inner != NIL && path == NIL)
			continue;

		if (rte->rtekind == RTE_CTE)
			refuse_with_query(sq, find_with_query(list_nth(levels,
														   rte->ctelevelsup),
												  rte->ctename));
		if (inner != NIL)
			refuse_inner_shape(sq, linitial(inner));
		(void) refuse_join_side(sq, (Node *) query->jointree, place);
		*entries = lappend_int(*entries, place);
		return lappend(path, query);
	}
	return NIL;
}

void
se_plan_find_place(SeQuery *sq)
{
	List	   *found = list_streams(sq->query);
	List	   *entries;

	if (found == NIL)
	{
		/* beside a stream they are as tables */
		found = list_sources(sq->query, true);
		if (found != NIL)
			sq->source = se_catalog_get_view(linitial_oid(found), false);
	}
	refuse_number(sq, found);
	sq->stream = linitial_oid(found);
	sq->stream_path = find_path(sq, list_make1(sq->query), &entries);
	if (sq->stream_path == NIL)
	{
		(void) refuse_sublink_walker((Node *) sq->query, sq);
		elog(ERROR, "stream \"%s\" was not found in the query",
			 get_rel_name(sq->stream));
	}
	sq->stream_index = linitial_int(entries);
}

RangeTblEntry *
se_plan_stream_entry(SeQuery *sq, Query *query)
{
	List	   *entries;
	List	   *path = find_path(sq, list_make1(query), &entries);

	return rt_fetch(linitial_int(entries),
					linitial_node(Query, path)->rtable);
}

/* The sub-selects that the stream is in pass the column on. */
Node *
se_plan_batch_column(SeQuery *sq, Query *query, Var *column)
{
	List	   *entries;
	List	   *path = find_path(sq, list_make1(query), &entries);
	Var		   *var = copyObject(column);

	/* the deparser goes by the syntactic one */
	var->varno = var->varnosyn = linitial_int(entries);
	for (int i = 1; i < list_length(path); i++)
	{
		Query	   *inner = list_nth_node(Query, path, i - 1);
		Query	   *outer = list_nth_node(Query, path, i);
		Index		rti = list_nth_int(entries, i);
		RangeTblEntry *rte = rt_fetch(rti, outer->rtable);
		AttrNumber	attno = list_length(inner->targetList) + 1;
		char	   *name = psprintf("batch_%d", column->varattno);

		inner->targetList = lappend(inner->targetList,
									makeTargetEntry((Expr *) var, attno, name,
													false));
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(name));
		var = makeVar(rti, attno, column->vartype, column->vartypmod,
					  column->varcollid, 0);
	}
	return (Node *) var;
}
