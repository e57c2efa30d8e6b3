/*-------------------------------------------------------------------------
 *
 * grouping.c
 *	  GROUPING SETS, ROLLUP and CUBE.
 *
 *		SELECT a, b, grouping(b), sum(x) FROM s GROUP BY ROLLUP (a, b)
 *
 *	  delta:  SELECT a, b, GROUPING(a, b), sum(x) FROM se_batch
 *			  GROUP BY ROLLUP (a, b)
 *	  state:  unique on (a, b, grouping_set)
 *	  view:   SELECT a, b, grouping_set & 1, sum_x FROM state
 *
 * GROUPING over all keys says which grouping set a row belongs to.  It is one
 * more key of the state table, so that a NULL among the data and the NULL of a
 * column that is rolled up stay apart, and every GROUPING() of the query is
 * made of its bits.  The set without columns has its row before any record
 * came, as a view without GROUP BY has: PostgreSQL gives it for an empty batch.
 *
 * Nothing here is kept; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_agg.h"

#include "query.h"

/* The query's grouping sets, each a list of sort/group references. */
static List *
list_sets(const Query *query)
{
	return expand_grouping_sets(query->groupingSets, query->groupDistinct, -1);
}

static Bitmapset *
set_members(List *set)
{
	Bitmapset  *members = NULL;
	ListCell   *lc;

	foreach(lc, set)
		members = bms_add_member(members, lfirst_int(lc));
	return members;
}

/* Rows of equal sets would be one row of the state, where they should be two. */
void
se_plan_refuse_equal_sets(SeQuery *sq)
{
	List	   *seen = NIL;
	ListCell   *lc;

	foreach(lc, list_sets(sq->query))
	{
		Bitmapset  *set = set_members(lfirst(lc));
		ListCell   *lc2;

		foreach(lc2, seen)
			if (bms_equal(set, lfirst(lc2)))
				refuse(sq, exprLocation((Node *) sq->query->groupingSets),
					   errmsg("a grouping set is there more than once"),
					   errdetail("Its rows could not be told apart."),
					   errhint("Use GROUP BY DISTINCT, or leave one of them out."));
		seen = lappend(seen, set);
	}
}

bool
se_plan_in_every_set(const SeQuery *sq, const SeKey *key)
{
	ListCell   *lc;

	foreach(lc, list_sets(sq->query))
		if (!list_member_int(lfirst(lc), key->tle->ressortgroupref))
			return false;
	return true;
}

/* GROUPING(all keys) */
GroupingFunc *
se_plan_grouping_of_keys(SeQuery *sq, const List *keys)
{
	GroupingFunc *grouping = makeNode(GroupingFunc);
	ListCell   *lc;

	foreach(lc, keys)
	{
		TargetEntry *tle = ((SeKey *) lfirst(lc))->tle;

		/* PostgreSQL does not roll up copies of it; the view could not know */
		if (IsA(eval_const_expressions(NULL, (Node *) tle->expr), Const))
			refuse(sq, exprLocation((Node *) tle->expr),
				   errmsg("a constant is not supported in a grouping set"),
				   errhint("Group by columns; select the constant beside them."));
		grouping->args = lappend(grouping->args, tle->expr);
		grouping->refs = lappend_int(grouping->refs, tle->ressortgroupref);
	}
	grouping->location = -1;
	return grouping;
}

static Expr *
int4_op(char *name, Expr *left, Expr *right)
{
	Oid			op = OpernameGetOprid(list_make2(makeString("pg_catalog"),
												 makeString(name)),
									  INT4OID, INT4OID);

	return make_opclause(op, INT4OID, false, left, right, InvalidOid,
						 InvalidOid);
}

static Expr *
int4_const(int value)
{
	return (Expr *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
							  Int32GetDatum(value), false, true);
}

/*
 * A GROUPING() of the query from the key that GROUPING(all keys) is: its bits
 * are picked, the last argument's being the lowest.
 */
static Expr *
pick_bits(const GroupingFunc *grouping, const GroupingFunc *all, Expr *key)
{
	Expr	   *result = NULL;
	ListCell   *lc;

	foreach(lc, grouping->refs)
	{
		int			place = 0;
		Expr	   *bit;

		while (list_nth_int(all->refs, place) != lfirst_int(lc))
			place++;
		bit = copyObject(key);
		if (place < list_length(all->refs) - 1)
			bit = int4_op(">>", bit,
						  int4_const(list_length(all->refs) - 1 - place));
		bit = int4_op("&", bit, int4_const(1));
		result = result == NULL ? bit :
			int4_op("|", int4_op("<<", result, int4_const(1)), bit);
	}
	return result;
}

Node *
se_plan_grouping_value(const GroupingFunc *grouping, const List *keys)
{
	AttrNumber	attno = 0;
	ListCell   *lc;

	foreach(lc, keys)
	{
		GroupingFunc *all = (GroupingFunc *) ((SeKey *) lfirst(lc))->tle->expr;
		Expr	   *key;

		attno++;
		if (!IsA(all, GroupingFunc))
			continue;
		key = (Expr *) makeVar(1, attno, INT4OID, -1, InvalidOid, 0);
		if (equal(grouping->refs, all->refs))
			return (Node *) key;
		return (Node *) pick_bits(grouping, all, key);
	}
	return (Node *) int4_const(0);	/* no grouping sets */
}
