/*-------------------------------------------------------------------------
 *
 * batch_scan.c
 *	  The scan of se_batch in a delta plan, over the batch's decoded rows.
 *
 * The planner knows se_batch as an ephemeral named relation and plans to scan
 * a tuplestore.  The rows are there as Datums already: to form tuples, store
 * them and take them apart again for each view would be a good part of the
 * whole cost of an event.  So the finished plan's scan of that tuplestore is
 * exchanged for a custom scan of the same output.
 *
 * Crash: plans are made anew by every process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/queryenvironment.h"

#include "catalog/catalog.h"
#include "rows.h"

typedef struct BatchScan
{
	CustomScanState css;
	const SeRowRange *range;
	int			next;
} BatchScan;

/* ---- running it ---- */

static TupleTableSlot *
next_row(ScanState *node)
{
	BatchScan  *scan = (BatchScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	if (scan->next >= scan->range->n)
		return ExecClearTuple(slot);
	se_rows_show(scan->range->rows, scan->range->first + scan->next++, slot);
	return slot;
}

static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *css)
{
	return ExecScan(&css->ss, next_row, recheck_row);
}

static void
begin_scan(CustomScanState *css, EState *estate, int eflags)
{
	BatchScan  *scan = (BatchScan *) css;
	EphemeralNamedRelation enr;

	/* to be shown, not run: there is no batch */
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	enr = get_ENR(estate->es_queryEnv, SE_BATCH_NAME);
	scan->range = enr->reldata;
	scan->next = 0;
}

static void
end_scan(CustomScanState *css)
{
}

static void
rescan(CustomScanState *css)
{
	((BatchScan *) css)->next = 0;
	ExecScanReScan(&css->ss);
}

/* ---- showing it ---- */

static bool
collect_columns_walker(Node *node, Bitmapset **attnos)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == INDEX_VAR)
		*attnos = bms_add_member(*attnos, ((Var *) node)->varattno);
	return expression_tree_walker(node, collect_columns_walker, attnos);
}

/* The columns of the stream that are read and, when it ran, how many rows. */
static void
explain_scan(CustomScanState *css, List *ancestors, ExplainState *es)
{
	BatchScan  *scan = (BatchScan *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	Bitmapset  *attnos = NULL;
	List	   *names = NIL;
	int			attno = -1;

	(void) collect_columns_walker((Node *) plan->scan.plan.targetlist,
								  &attnos);
	(void) collect_columns_walker((Node *) plan->scan.plan.qual, &attnos);
	while ((attno = bms_next_member(attnos, attno)) >= 0)
		names = lappend(names,
						list_nth_node(TargetEntry, plan->custom_scan_tlist,
									  attno - 1)->resname);
	if (names != NIL)
		ExplainPropertyList("Columns", names, es);
	if (scan->range != NULL)
		ExplainPropertyInteger("Batch Rows", NULL, scan->range->n, es);
}

/* ---- putting it into a plan ---- */

static Node *
create_state(CustomScan *plan)
{
	static const CustomExecMethods methods = {
		.CustomName = "stream_ext batch",
		.BeginCustomScan = begin_scan,
		.ExecCustomScan = exec_scan,
		.EndCustomScan = end_scan,
		.ReScanCustomScan = rescan,
		.ExplainCustomScan = explain_scan,
	};
	BatchScan  *scan = palloc0(sizeof(BatchScan));

	NodeSetTag(scan, T_CustomScanState);
	scan->css.methods = &methods;
	return (Node *) scan;
}

static const CustomScanMethods scan_methods = {
	.CustomName = "stream_ext batch",
	.CreateCustomScanState = create_state,
};

/* References to the scanned relation become ones to the scan's own list. */
static Node *
to_scan_vars(Node *node, void *scanrelid)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		if (var->varno == *(Index *) scanrelid)
			var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, to_scan_vars, scanrelid);
}

/* All columns of the batch, at their places. */
static List *
scan_columns(Index scanrelid, TupleDesc batch)
{
	List	   *columns = NIL;

	for (int i = 0; i < batch->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(batch, i);
		Expr	   *expr;

		if (att->attisdropped)
			expr = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		else
			expr = (Expr *) makeVar(scanrelid, i + 1, att->atttypid,
									att->atttypmod, att->attcollation, 0);
		columns = lappend(columns,
						  makeTargetEntry(expr, i + 1,
										  att->attisdropped ? SE_BATCH_DROPPED :
										  pstrdup(NameStr(att->attname)),
										  false));
	}
	return columns;
}

static Plan *
make_batch_scan(NamedTuplestoreScan *old, TupleDesc batch)
{
	CustomScan *scan = makeNode(CustomScan);
	Index		scanrelid = old->scan.scanrelid;
	Plan	   *plan = &scan->scan.plan;

	*plan = old->scan.plan;
	NodeSetTag(scan, T_CustomScan);
	plan->targetlist = (List *)
		to_scan_vars((Node *) plan->targetlist, &scanrelid);
	plan->qual = (List *) to_scan_vars((Node *) plan->qual, &scanrelid);
	scan->scan.scanrelid = 0;
	scan->custom_scan_tlist = scan_columns(scanrelid, batch);
	scan->custom_relids = bms_make_singleton(scanrelid);
	scan->methods = &scan_methods;
	return plan;
}

static Plan *replace(Plan *plan, TupleDesc batch);

static void
replace_list(List *plans, TupleDesc batch)
{
	ListCell   *lc;

	foreach(lc, plans)
		lfirst(lc) = replace(lfirst(lc), batch);
}

static Plan *
replace(Plan *plan, TupleDesc batch)
{
	if (plan == NULL)
		return NULL;
	if (IsA(plan, NamedTuplestoreScan) &&
		strcmp(((NamedTuplestoreScan *) plan)->enrname, SE_BATCH_NAME) == 0)
		return make_batch_scan((NamedTuplestoreScan *) plan, batch);
	/* the kinds of nodes that have children elsewhere than left and right */
	if (IsA(plan, Append))
		replace_list(((Append *) plan)->appendplans, batch);
	else if (IsA(plan, MergeAppend))
		replace_list(((MergeAppend *) plan)->mergeplans, batch);
	else if (IsA(plan, SubqueryScan))
		((SubqueryScan *) plan)->subplan =
			replace(((SubqueryScan *) plan)->subplan, batch);
	else if (IsA(plan, CustomScan))
		replace_list(((CustomScan *) plan)->custom_plans, batch);
	plan->lefttree = replace(plan->lefttree, batch);
	plan->righttree = replace(plan->righttree, batch);
	return plan;
}

void
se_batch_scan_replace(PlannedStmt *stmt, TupleDesc batch)
{
	stmt->planTree = replace(stmt->planTree, batch);
	replace_list(stmt->subplans, batch);
}
