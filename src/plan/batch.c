/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  The batch in the stream's place: the queries that are run for it.
 *
 *		SELECT k, count(*) FROM (SELECT k FROM clicks UNION ALL
 *								 SELECT account FROM visits) u GROUP BY k
 *
 *	  of a batch of clicks:
 *		SELECT k, count(*) FROM (SELECT k FROM se_batch clicks UNION ALL
 *			SELECT account FROM (SELECT NULL::text AS account WHERE false) visits) u
 *		GROUP BY k
 *
 * States merge, so what a view gets from several streams is the sum of what it gets
 * from each.  A stream's query has no rows in the other streams' places, but their
 * columns: the branches keep their types, and the planner leaves them out.
 *
 * Like all of this room it only makes queries; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "query.h"

#define WHOLE_ROW (-100)		/* no attribute number of a table's */

/* ---- rows of the batch ---- */

/* What the deparser knows of the batch's columns beyond the stream's. */
static void
add_batch_columns(const SeQuery *sq, RangeTblEntry *rte)
{
	TupleDesc	desc = sq->behind ?
		se_catalog_batch_type_with_states(rte->relid) :
		se_catalog_batch_type(rte->relid);
	int			known = list_length(rte->eref->colnames);

	rte->eref->colnames = list_copy(rte->eref->colnames);
	for (int i = known; i < desc->natts; i++)
		rte->eref->colnames =
			lappend(rte->eref->colnames,
					makeString(pstrdup(NameStr(TupleDescAttr(desc, i)->attname))));
}

/*
 * To the deparser the batch is a WITH query, whose name it writes unqualified, too;
 * it does not know ephemeral relations.
 */
static void
put_batch(const SeQuery *sq, RangeTblEntry *rte)
{
	add_batch_columns(sq, rte);
	rte->rtekind = RTE_CTE;
	rte->ctename = SE_BATCH_NAME;
	rte->relid = InvalidOid;
	rte->inh = false;
}

/* ---- no rows ---- */

typedef struct ColumnsContext
{
	Index		index;
	Index		level;			/* queries between here and the stream's */
	Bitmapset  *attnos;
} ColumnsContext;

static bool
collect_columns_walker(Node *node, ColumnsContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == cx->index && var->varlevelsup == cx->level)
			cx->attnos = bms_add_member(cx->attnos, var->varattno);
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		cx->level++;
		result = query_tree_walker((Query *) node, collect_columns_walker, cx,
								   QTW_IGNORE_JOINALIASES);
		cx->level--;
		return result;
	}
	return expression_tree_walker(node, collect_columns_walker, cx);
}

/*
 * A null of a column's type.  A domain may not take one, but the element of an empty
 * array is not checked.
 */
static Expr *
nothing_of(Form_pg_attribute att)
{
	Oid			array = get_array_type(att->atttypid);
	SubscriptingRef *element;

	if (get_typtype(att->atttypid) != TYPTYPE_DOMAIN || !OidIsValid(array))
		return (Expr *) makeNullConst(att->atttypid, att->atttypmod,
									  att->attcollation);
	element = makeNode(SubscriptingRef);
	element->refcontainertype = array;
	element->refelemtype = element->refrestype = att->atttypid;
	element->reftypmod = -1;
	element->refcollid = att->attcollation;
	element->refupperindexpr =
		list_make1(makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
							 Int32GetDatum(1), false, true));
	element->refexpr = (Expr *)
		makeConst(array, -1, att->attcollation, -1,
				  PointerGetDatum(construct_empty_array(att->atttypid)),
				  false, false);
	return (Expr *) element;
}

/* SELECT the columns that are used WHERE false */
static void
put_nothing(const SePlace *place, RangeTblEntry *rte)
{
	ColumnsContext cx = {.index = place->index};
	TupleDesc	desc = se_catalog_batch_type(place->stream);
	Query	   *none = makeNode(Query);
	ListCell   *lc;

	(void) query_tree_walker(place->query, collect_columns_walker, &cx,
							 QTW_IGNORE_JOINALIASES);
	none->commandType = CMD_SELECT;
	none->canSetTag = true;
	none->jointree = makeFromExpr(NIL, makeBoolConst(false, false));
	foreach(lc, rte->eref->colnames)
	{
		int			i = foreach_current_index(lc);
		Form_pg_attribute att = TupleDescAttr(desc, i);

		/* to the deparser a column without a name is one that was dropped */
		if (!bms_is_member(i + 1, cx.attnos))
			lfirst(lc) = makeString("");
		else
			none->targetList =
				lappend(none->targetList,
						makeTargetEntry(nothing_of(att),
										list_length(none->targetList) + 1,
										pstrdup(NameStr(att->attname)), false));
	}
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = none;
	rte->relid = InvalidOid;
	rte->relkind = 0;
	rte->rellockmode = 0;
	rte->inh = false;
}

/* Columns keep their names: what is put there has the name that the stream had. */
void
se_plan_put_batch(SeQuery *sq, Query *query)
{
	List	   *places = se_plan_list_places(sq, query);
	ListCell   *lc;

	foreach(lc, places)
	{
		SePlace    *place = lfirst(lc);
		RangeTblEntry *rte = rt_fetch(place->index, place->query->rtable);

		if (rte->alias == NULL)
			rte->alias = makeAlias(rte->eref->aliasname, NIL);
		if (place->stream == sq->stream)
			put_batch(sq, rte);
		else
			put_nothing(place, rte);
	}
}

/* ---- columns on their way up ---- */

typedef struct Passing
{
	SeQuery    *sq;
	const Var  *like;			/* its type is theirs */
	List	   *attnos;			/* in the order of sq->streams; 0: NULL */
	char	   *name;
} Passing;

static Node *pass_up(const Passing *p, List *levels);

/* From the query behind an entry of FROM; NULL when it reads no stream. */
static Node *
pass_out(const Passing *p, List *levels, Index rti)
{
	RangeTblEntry *rte = rt_fetch(rti, linitial_node(Query, levels)->rtable);
	List	   *entered = se_plan_enter(levels, rte);
	Query	   *inner;
	AttrNumber	attno;
	Node	   *expr;

	if (entered == NIL)
		return NULL;
	expr = pass_up(p, entered);
	if (expr == NULL)
		return NULL;
	inner = linitial_node(Query, entered);
	attno = list_length(inner->targetList) + 1;
	inner->targetList = lappend(inner->targetList,
								makeTargetEntry((Expr *) expr, attno, p->name,
												false));
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(p->name));
	return (Node *) makeVar(rti, attno, p->like->vartype, p->like->vartypmod,
							p->like->varcollid, 0);
}

static void
add_union_column(const Passing *p, Node *node)
{
	SetOperationStmt *operation = (SetOperationStmt *) node;

	if (!IsA(node, SetOperationStmt))
		return;
	operation->colTypes = lappend_oid(operation->colTypes, p->like->vartype);
	operation->colTypmods = lappend_int(operation->colTypmods,
										p->like->vartypmod);
	operation->colCollations = lappend_oid(operation->colCollations,
										   p->like->varcollid);
	add_union_column(p, operation->larg);
	add_union_column(p, operation->rarg);
}

static AttrNumber
attno_of(const Passing *p, Oid stream)
{
	ListCell   *lc;
	ListCell   *lc2;

	forboth(lc, p->sq->streams, lc2, p->attnos)
		if (lfirst_oid(lc) == stream)
			return lfirst_int(lc2);
	return 0;
}

/* to_jsonb(stream.*): as the columns are when it is read */
static Node *
row_as_jsonb(Index rti)
{
	Oid			types[] = {ANYELEMENTOID};
	Oid			fn = LookupFuncName(list_make2(makeString("pg_catalog"),
											   makeString("to_jsonb")),
									lengthof(types), types, false);

	return (Node *) makeFuncExpr(fn, JSONBOID,
								 list_make1(makeVar(rti, InvalidAttrNumber,
													RECORDOID, -1, InvalidOid, 0)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The column in the innermost of these queries; NULL when it reads no stream. */
static Node *
pass_up(const Passing *p, List *levels)
{
	Query	   *query = linitial_node(Query, levels);
	Node	   *result = NULL;

	check_stack_depth();
	if (query->setOperations != NULL)
	{
		List	   *branches = se_plan_list_branches(query->setOperations);
		ListCell   *lc;

		foreach(lc, branches)
		{
			Node	   *expr = pass_out(p, levels,
										lfirst_node(RangeTblRef, lc)->rtindex);

			result = result ? result : expr;
		}
		if (result != NULL)
			add_union_column(p, query->setOperations);
		return result;
	}
	for (Index i = 1; i <= list_length(query->rtable) && !result; i++)
	{
		RangeTblEntry *rte = rt_fetch(i, query->rtable);
		AttrNumber	attno;

		if (rte->rtekind != RTE_RELATION ||
			!list_member_oid(p->sq->streams, rte->relid))
		{
			result = pass_out(p, levels, i);
			continue;
		}
		attno = attno_of(p, rte->relid);
		if (attno == 0)
			result = (Node *) makeNullConst(p->like->vartype, p->like->vartypmod,
											p->like->varcollid);
		else if (attno == WHOLE_ROW)
			result = row_as_jsonb(i);
		else
			result = (Node *) makeVar(i, attno, p->like->vartype,
									  p->like->vartypmod, p->like->varcollid, 0);
	}
	return result;
}

Node *
se_plan_batch_columns(SeQuery *sq, Query *query, Var *like, List *attnos)
{
	Passing		p = {.sq = sq, .like = like, .attnos = attnos};

	p.name = psprintf("batch_%d", Max(like->varattno, 0));
	return pass_up(&p, list_make1(query));
}

Node *
se_plan_batch_column(SeQuery *sq, Query *query, Var *column)
{
	List	   *attnos = NIL;
	ListCell   *lc;

	foreach(lc, sq->streams)
		attnos = lappend_int(attnos, lfirst_oid(lc) == sq->stream ?
							 column->varattno : 0);
	return se_plan_batch_columns(sq, query, column, attnos);
}

Node *
se_plan_batch_row(SeQuery *sq, Query *query)
{
	Var		   *like = makeVar(1, WHOLE_ROW, JSONBOID, -1, InvalidOid, 0);

	return se_plan_batch_column(sq, query, like);
}

/* ---- columns on their way down ---- */

/* Are there rows of the batch in the innermost of these queries? */
static bool
has_batch(SeQuery *sq, List *levels)
{
	ListCell   *lc;

	foreach(lc, linitial_node(Query, levels)->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		List	   *inner = se_plan_enter(levels, rte);

		if (inner != NIL ? has_batch(sq, inner) :
			rte->rtekind == RTE_RELATION && rte->relid == sq->stream)
			return true;
	}
	return false;
}

static bool
is_batch_column(SeQuery *sq, List *levels, Node *expr, AttrNumber attno)
{
	Query	   *query = linitial_node(Query, levels);
	Var		   *var = (Var *) expr;
	RangeTblEntry *rte;
	List	   *branches;
	ListCell   *lc;

	if (!IsA(var, Var) || var->varlevelsup != 0 || var->varattno <= 0)
		return false;
	rte = rt_fetch(var->varno, query->rtable);
	if (rte->rtekind == RTE_RELATION)
		return rte->relid == sq->stream && var->varattno == attno;
	levels = se_plan_enter(levels, rte);
	if (levels == NIL)
		return false;
	query = linitial_node(Query, levels);
	if (query->setOperations == NULL)
		return is_batch_column(sq, levels,
							   (Node *) list_nth_node(TargetEntry, query->targetList,
													  var->varattno - 1)->expr,
							   attno);
	branches = se_plan_list_branches(query->setOperations);
	foreach(lc, branches)
	{
		List	   *inner = se_plan_enter(levels, rt_fetch(lfirst_node(RangeTblRef, lc)->rtindex,
														   query->rtable));
		Node	   *column;

		if (!has_batch(sq, inner))
			continue;
		column = (Node *) list_nth_node(TargetEntry,
										linitial_node(Query, inner)->targetList,
										var->varattno - 1)->expr;
		/* where types differ it is not the column itself that goes on */
		if (exprType(column) != var->vartype ||
			!is_batch_column(sq, inner, column, attno))
			return false;
	}
	return true;
}

bool
se_plan_is_batch_column(SeQuery *sq, Node *expr, AttrNumber attno)
{
	return is_batch_column(sq, list_make1(sq->query), expr, attno);
}
