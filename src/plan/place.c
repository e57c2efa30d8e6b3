/*-------------------------------------------------------------------------
 *
 * place.c
 *	  Where in a query its streams are.
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
 * Rows of UNION ALL go up by themselves, too.  So each of its branches may read a
 * stream, the same or another, and must: a table would count again with every
 * batch.
 *
 * Nothing here is kept; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
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

	if (list_length(found) > (sq->source ? 0 : list_length(sq->places)))
		refuse(sq, -1,
			   errmsg("the query reads stream \"%s\" through a view",
					  get_rel_name(llast_oid(found))),
			   errhint("Only the rows of one batch are aggregated: name the stream itself in FROM, once."));
}

static void
refuse_none(SeQuery *sq)
{
	se_plan_refuse_hidden_streams(sq);
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("the query reads no stream"),
			 errhint("Name a stream made by stream.create_stream in FROM; over tables alone use CREATE VIEW.")));
}

static void
refuse_two(SeQuery *sq, Oid one, Oid other)
{
	if (one == other)
		refuse(sq, -1,
			   errmsg("the query reads %s \"%s\" more than once",
					  kind_of_source(sq), get_rel_name(one)),
			   errdetail("One of them would see the rows of one batch only."),
			   errhint("Make a view of each use and join the views when reading."));
	if (sq->source)
		refuse(sq, -1,
			   errmsg("the query reads more than one continuous view and no stream"),
			   errdetail("It reads \"%s\" and \"%s\"; the rows of which it should count is not clear.",
						 get_rel_name(one), get_rel_name(other)),
			   errhint("Make a view of each and join the views when reading."));
	refuse(sq, -1,
		   errmsg("the query reads more than one stream"),
		   errdetail("It reads \"%s\" and \"%s\".",
					 get_rel_name(one), get_rel_name(other)),
		   errhint("Make a view of each stream and join the views when reading; rows of several streams that are counted alike can be put together with UNION ALL in FROM."));
}

/* ---- what may be between the stream and the aggregation ---- */

/* True when rti, which the stream is in, is in this part of FROM; refuses its nullable side. */
static bool
refuse_join_side(SeQuery *sq, Node *jtnode, Index rti, Oid stream)
{
	bool		found = false;

	if (IsA(jtnode, RangeTblRef))
		return ((RangeTblRef *) jtnode)->rtindex == rti;
	if (IsA(jtnode, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) jtnode)->fromlist)
			found |= refuse_join_side(sq, lfirst(lc), rti, stream);
		return found;
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, jtnode);
		bool		left = refuse_join_side(sq, join->larg, rti, stream);
		bool		right = refuse_join_side(sq, join->rarg, rti, stream);

		if ((left && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_LEFT) ||
			(right && join->jointype != JOIN_INNER &&
			 join->jointype != JOIN_RIGHT))
			refuse(sq, -1,
				   errmsg("%s \"%s\" is on the nullable side of an outer join",
						  kind_of_source(sq), get_rel_name(stream)),
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

/* Branches whose rows are compared with each other. */
static void
refuse_operation(SeQuery *sq, Node *node)
{
	SetOperationStmt *operation = (SetOperationStmt *) node;

	if (!IsA(node, SetOperationStmt))
		return;
	if (operation->op != SETOP_UNION || !operation->all)
		refuse(sq, -1,
			   errmsg("UNION, INTERSECT and EXCEPT are not supported in a sub-select over a stream"),
			   errdetail("They compare a row with all others, of which a batch has only some."),
			   errhint("Use UNION ALL of streams, or make a view of each query and combine them when reading."));
	refuse_operation(sq, operation->larg);
	refuse_operation(sq, operation->rarg);
}

static void
refuse_table_branch(SeQuery *sq, Query *branch)
{
	refuse(sq, exprLocation((Node *) branch->targetList),
		   errmsg("a branch of UNION ALL reads no stream"),
		   errdetail("Its rows would be counted again with every batch."),
		   errhint("Make a view of the streams alone, and add the rows of tables when reading it."));
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
	List	   *found;

	if (node == NULL)
		return false;
	found = IsA(node, CommonTableExpr) || IsA(node, SubLink) ?
		list_sources(node, sq->source != NULL) : NIL;
	if (IsA(node, CommonTableExpr) && found != NIL &&
		!list_member_ptr(sq->stream_path, ((CommonTableExpr *) node)->ctequery))
		refuse(sq, ((CommonTableExpr *) node)->location,
			   errmsg("WITH query \"%s\", which reads a stream, is not used in FROM",
					  ((CommonTableExpr *) node)->ctename),
			   errdetail("A sub-select in an expression would see the rows of one batch only."),
			   errhint("Name it in FROM, once."));
	if (IsA(node, SubLink) && found != NIL)
		refuse(sq, ((SubLink *) node)->location,
			   errmsg("%s \"%s\" is read by a sub-select in an expression",
					  kind_of_source(sq), get_rel_name(linitial_oid(found))),
			   errdetail("The sub-select would see the rows of one batch only."),
			   errhint("Name the %s in FROM; sub-selects in expressions can read tables.",
					   kind_of_source(sq)));
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_sublink_walker, sq, 0);
	return expression_tree_walker(node, refuse_sublink_walker, sq);
}

/* ---- finding them ---- */

/* What is found on the way down. */
typedef struct Search
{
	SeQuery    *sq;
	List	   *places;			/* of SePlace */
	List	   *queries;		/* that have one in FROM or further in */
	bool		recursive;		/* in a query that is refused if it has one */
} Search;

/*
 * The query behind an entry of FROM, in front of the queries around it; NIL
 * when it is none.  levels are the queries from this one outwards.
 */
List *
se_plan_enter(List *levels, const RangeTblEntry *rte)
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

List *
se_plan_list_branches(Node *operation)
{
	if (!IsA(operation, SetOperationStmt))
		return list_make1(operation);
	return list_concat(se_plan_list_branches(((SetOperationStmt *) operation)->larg),
					   se_plan_list_branches(((SetOperationStmt *) operation)->rarg));
}

static Oid	search(Search *s, List *levels);

static Oid
search_union(Search *s, List *levels)
{
	Query	   *query = linitial_node(Query, levels);
	List	   *branches = se_plan_list_branches(query->setOperations);
	Query	   *without = NULL;
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, branches)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_node(RangeTblRef, lc)->rtindex,
									  query->rtable);
		Oid			stream = search(s, se_plan_enter(levels, rte));

		if (!OidIsValid(stream))
			without = rte->subquery;
		else
		{
			refuse_inner_shape(s->sq, rte->subquery);
			found = stream;
		}
	}
	if (!OidIsValid(found) || s->recursive)
		return found;
	refuse_operation(s->sq, query->setOperations);
	if (without != NULL)
		refuse_table_branch(s->sq, without);
	return found;
}

/* The same for an entry of the query's FROM. */
static Oid
search_entry(Search *s, List *levels, Index index)
{
	Query	   *query = linitial_node(Query, levels);
	RangeTblEntry *rte = rt_fetch(index, query->rtable);
	List	   *inner = se_plan_enter(levels, rte);
	CommonTableExpr *cte = NULL;
	bool		recursive = s->recursive;
	Oid			found;

	if (rte->rtekind == RTE_CTE)
		cte = find_with_query(list_nth(levels, rte->ctelevelsup), rte->ctename);
	s->recursive |= cte != NULL && cte->cterecursive;
	if (inner != NIL)
		found = search(s, inner);
	else if (rte->rtekind == RTE_RELATION &&
			 list_member_oid(s->sq->streams, rte->relid))
	{
		SePlace    *place = palloc(sizeof(SePlace));

		place->stream = found = rte->relid;
		place->query = query;
		place->index = index;
		s->places = lappend(s->places, place);
	}
	else
		found = InvalidOid;
	s->recursive = recursive;
	if (!OidIsValid(found))
		return InvalidOid;

	if (cte != NULL)
		refuse_with_query(s->sq, cte);
	if (inner != NIL)
		refuse_inner_shape(s->sq, linitial(inner));
	(void) refuse_join_side(s->sq, (Node *) query->jointree, index, found);
	return found;
}

/*
 * Goes down from a query to those that have a stream in their FROM, and refuses
 * what is on the way.  Returns a stream that is there, or InvalidOid.
 */
static Oid
search(Search *s, List *levels)
{
	Query	   *query = linitial_node(Query, levels);
	Oid			found = InvalidOid;

	check_stack_depth();
	if (query->setOperations != NULL)
		found = search_union(s, levels);
	else
		for (Index i = 1; i <= list_length(query->rtable); i++)
		{
			Oid			stream = search_entry(s, levels, i);

			if (OidIsValid(found) && OidIsValid(stream))
				refuse_two(s->sq, found, stream);
			found = OidIsValid(stream) ? stream : found;
		}
	if (OidIsValid(found))
		s->queries = lappend(s->queries, query);
	return found;
}

static bool
has_union_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->setOperations != NULL ||
			query_tree_walker((Query *) node, has_union_walker, context, 0);
	return expression_tree_walker(node, has_union_walker, context);
}

void
se_plan_find_places(SeQuery *sq)
{
	List	   *found = list_streams(sq->query);
	Search		s = {.sq = sq};

	if (found == NIL)
	{
		/* beside a stream they are as tables */
		found = list_sources(sq->query, true);
		if (found == NIL)
			refuse_none(sq);
		sq->source = se_catalog_get_view(linitial_oid(found), false);
	}
	if (list_length(found) > 1 &&
		(sq->source || !has_union_walker((Node *) sq->query, NULL)))
		refuse_two(sq, linitial_oid(found), lsecond_oid(found));
	sq->streams = list_concat_unique_oid(NIL, found);
	sq->stream = linitial_oid(sq->streams);
	(void) search(&s, list_make1(sq->query));
	sq->places = s.places;
	sq->stream_path = s.queries;
	if (list_length(s.places) != list_length(found))
	{
		(void) refuse_sublink_walker((Node *) sq->query, sq);
		elog(ERROR, "stream \"%s\" was not found in the query",
			 get_rel_name(sq->stream));
	}
}

List *
se_plan_list_places(SeQuery *sq, Query *query)
{
	Search		s = {.sq = sq};

	(void) search(&s, list_make1(query));
	return s.places;
}
