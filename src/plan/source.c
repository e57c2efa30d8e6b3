/*-------------------------------------------------------------------------
 *
 * source.c
 *	  Views on views: what a view must be to be read by another, and what the
 *	  other may do with it.
 *
 * Where other views have a stream, a view on a view has one with emit "append".  A row
 * of that appears when its window closes and never changes, so its rows are a
 * stream, which ingest/feed.c hands on in the order of their windows.
 *
 * That order is all it has of time.  So the time of a row is one of the bounds of
 * its window, as the source shows it, and a window of the view on the view is
 * over that.  When all rows are there whose windows end at F or before, the view's
 * watermark is
 *
 *		over window_end		F
 *		over window_start	the start of the first window that ends after F
 *							(open_sql); sessions have none
 *
 * Nothing here is kept; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

/* ---- what a view shows of its window ---- */

void
se_plan_note_bounds(const SeQuery *sq, const SeSplit *split, SeViewPlan *plan)
{
	ListCell   *lc;

	plan->start_column = plan->end_column = 0;
	plan->open_sql = NULL;
	if (sq->window.function == NULL)
		return;
	foreach(lc, split->target)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, lc)->expr;
		AttrNumber	attno = foreach_current_index(lc) + 1;

		if (!IsA(var, Var) || var->varno != sq->window.rti)
			continue;
		if (var->varattno == 1 && plan->start_column == 0)
			plan->start_column = attno;
		if (var->varattno == 2 && plan->end_column == 0)
			plan->end_column = attno;
	}
	/* windows that share their start close one after the other */
	if (strcmp(sq->window.function, "cumulate") == 0 && plan->end_column == 0)
		plan->start_column = 0;
	if (!se_plan_has_sessions(sq))
		plan->open_sql = se_plan_open_from_text(sq);
}

/* ---- what is read by a view ---- */

/* The view that the query reads is one whose rows appear once. */
static void
refuse_source(const SeQuery *sq)
{
	const SeView *source = sq->source;
	const char *name = get_rel_name(source->relid);

	if (list_length(source->streams) > 1)
		refuse(sq, -1,
			   errmsg("view \"%s\" is one of several streams and cannot be read by a continuous view",
					  name),
			   errhint("Merge its states when reading with stream.create_rollup, or write the query over the streams."));
	if (strcmp(source->emit, "append") != 0)
		refuse(sq, -1,
			   errmsg("view \"%s\" has emit \"update\" and cannot be read by a continuous view",
					  name),
			   errdetail("Its rows change; what was counted of them would have to be taken back."),
			   errhint("Make \"%s\" with emit => 'append', or merge its states when reading with stream.create_rollup.",
					   name));
	if (source->end_column == 0 &&
		(source->start_column == 0 || source->open_sql == NULL))
		refuse(sq, -1,
			   errmsg("view \"%s\" does not show when its windows end", name),
			   errdetail("Its rows are taken in when their windows are closed."),
			   errhint("Add window_end to the columns of \"%s\".", name));
}

static void
find_time(SeQuery *sq, SeViewPlan *plan)
{
	const SeView *source = sq->source;
	Node	   *time;

	plan->time_column = source->end_column ? source->end_column :
		source->start_column;
	if (sq->window.function == NULL)
		return;
	time = se_plan_window_time(sq);
	if (source->end_column &&
		se_plan_is_batch_column(sq, time, source->end_column))
		return;
	if (source->start_column &&
		se_plan_is_batch_column(sq, time, source->start_column))
	{
		plan->time_column = source->start_column;
		if (source->open_sql != NULL)
			return;
		refuse(sq, exprLocation(time),
			   errmsg("a window over the start of sessions of view \"%s\" is not supported",
					  get_rel_name(source->relid)),
			   errdetail("Sessions close in the order in which they end; one that has begun long ago may come last."),
			   errhint("Use the end of the session: stream.%s(window_end, ...).",
					   sq->window.function));
	}
	refuse(sq, exprLocation(time),
		   errmsg("the window of a view on view \"%s\" is not over its window_start or window_end",
				  get_rel_name(source->relid)),
		   errdetail("Rows of a view come in the order of their windows, and in no other order of time."),
		   errhint("Give stream.%s the column itself; to group by another time use date_trunc or the like.",
				   sq->window.function));
}

void
se_plan_use_source(SeQuery *sq, SeViewPlan *plan)
{
	if (sq->source == NULL)
		return;
	refuse_source(sq);
	find_time(sq, plan);
}

/* ---- finding rows by their window ---- */

static AttrNumber
state_attno(const Query *query, Node *node, Oid state)
{
	Var		   *var = (Var *) node;
	RangeTblEntry *rte;

	if (IsA(node, OpExpr))		/* end - 1 microsecond */
		var = linitial(((OpExpr *) node)->args);
	if (!IsA(var, Var) || var->varlevelsup != 0)
		return 0;
	rte = rt_fetch(var->varno, query->rtable);
	return rte->rtekind == RTE_RELATION && rte->relid == state ?
		var->varattno : 0;
}

/* The column of the state by which rows of a window are found; 0: none is. */
static AttrNumber
window_column(const SeView *source)
{
	SePanes		panes;
	AttrNumber	attno;
	Relation	rel = table_open(source->relid, AccessShareLock);
	Query	   *query = get_view_query(rel);
	AttrNumber	column = source->open_sql && source->start_column ?
		source->start_column : source->end_column;
	TargetEntry *tle = list_nth_node(TargetEntry, query->targetList,
									 column - 1);

	attno = state_attno(query, (Node *) tle->expr, source->state);
	if (attno == 0 && se_plan_find_panes(query, &panes))
		attno = state_attno(panes.query, linitial(panes.windows->args),
							source->state);
	table_close(rel, NoLock);
	return attno;
}

static bool
has_index(Oid relid, AttrNumber attno)
{
	Relation	rel = table_open(relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	bool		result = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		result |= index->rd_index->indkey.values[0] == attno &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
		index_close(index, NoLock);
	}
	table_close(rel, NoLock);
	return result;
}

void
se_plan_index_source(const SeView *source)
{
	AttrNumber	attno = window_column(source);
	int			settings;

	if (attno == 0 || has_index(source->state, attno))
		return;
	settings = se_sql_settings_begin();
	se_sql_execute(psprintf("CREATE INDEX ON %s (%s)",
							se_sql_name(source->state),
							quote_identifier(get_attname(source->state, attno,
														 false))));
	se_sql_settings_end(settings);
}

/* pane <operator> $n */
static Node *
pane_condition(Node *pane, const char *operator, int n)
{
	ParseState *pstate = make_parsestate(NULL);
	Node	   *result;

	result = (Node *) make_op(pstate, list_make2(makeString("pg_catalog"),
												 makeString(pstrdup(operator))),
							  copyObject(pane),
							  se_plan_moment_expr(n, exprType(pane)), NULL, -1);
	free_parsestate(pstate);
	return result;
}

/* Returns the reach. */
static int64
limit_panes(const SePanes *panes)
{
	/* the condition on the windows says nothing about panes to the planner */
	Node	   *pane = linitial(panes->windows->args);
	Const	   *size = lthird_node(Const, panes->windows->args);

	panes->query->jointree->quals =
		make_and_qual(panes->query->jointree->quals,
					  make_and_qual(pane_condition(pane, ">=", 5),
									pane_condition(pane, "<", 2)));
	return se_plan_longest(DatumGetIntervalP(size->constvalue));
}

char *
se_plan_rows_of_source(const SeView *source, const char *delta_sql,
					   int64 *reach)
{
	Relation	rel = table_open(source->relid, AccessShareLock);
	Query	   *query = copyObject(get_view_query(rel));
	SePanes		panes;
	bool		shared;
	int			settings;
	char	   *sql;

	table_close(rel, NoLock);
	shared = se_plan_find_panes(query, &panes);
	*reach = shared ? limit_panes(&panes) : 0;
	if (!se_plan_show_states(source, query, delta_sql) && !shared)
		return NULL;
	settings = se_sql_settings_begin();
	sql = psprintf("(%s)", pg_get_querydef(query, false));
	se_sql_settings_end(settings);
	return sql;
}
