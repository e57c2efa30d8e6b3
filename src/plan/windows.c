/*-------------------------------------------------------------------------
 *
 * windows.c
 *	  The window in a query's FROM, and how overlapping windows are kept.
 *
 * Tumbling windows are kept as they are.  A row of hop or cumulate is in many
 * windows; instead of a state for each of them, one per pane is kept, and the
 * view merges the panes of each window when it is read:
 *
 *	  delta:  SELECT window_start, k, sum(v)
 *			  FROM se_batch, stream.tumble(ts, pane) GROUP BY 1, 2
 *	  view:   SELECT window_start, k, final(sum_v) FROM (
 *				SELECT w.window_start, s.k, stream.state_merge(s.sum_v)
 *				FROM state s, stream.hop(s.window_start, slide, size) w
 *				GROUP BY 1, 2) s
 *
 * Where a cumulating window counts its steps anew, as days in a month, panes
 * come from stream.cumulate_step instead of tumble.
 *
 * That is right as long as the window's bounds are nothing but group keys.
 * Like all of this room it only writes SQL; a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"
#include "window/window.h"

/* The columns of a window function. */
#define WINDOW_START	1
#define WINDOW_END		2

static const char *
window_function(Oid fn)
{
	static const char *const functions[] = {"tumble", "hop", "cumulate", "session"};

	for (int i = 0; i < lengthof(functions); i++)
		if (se_plan_is_ours(fn, functions[i]))
			return functions[i];
	return NULL;
}

/* Lengths, offset and zone must be known, and the same for every row. */
static Const *
constant_argument(SeQuery *sq, FuncExpr *call, int i, const char *what)
{
	Const	   *value = list_nth(call->args, i);
	bool		zone = exprType((Node *) value) == TEXTOID;

	if (!IsA(value, Const) || (value->constisnull && !zone))
		refuse(sq, exprLocation((Node *) value),
			   errmsg("a window's %s must be a constant", what),
			   zone ? errhint("Write a name, as in stream.tumble(ts, '1 day', timezone => 'Europe/Berlin').") :
			   errhint("Write an interval, as in stream.tumble(ts, '10 s')."));
	return value;
}

static Interval
interval_argument(SeQuery *sq, FuncExpr *call, int i, const char *what)
{
	return *DatumGetIntervalP(constant_argument(sq, call, i, what)->constvalue);
}

static void
read_window(SeQuery *sq, FuncExpr *call)
{
	SeWindow   *window = &sq->window;
	bool		hop = strcmp(window->function, "hop") == 0;
	bool		tumble = strcmp(window->function, "tumble") == 0;
	int			next = 1;
	pg_tz	   *zone = NULL;

	/* This puts named and default arguments in their places too. */
	call = castNode(FuncExpr, eval_const_expressions(NULL, (Node *) call));
	if (strcmp(window->function, "session") == 0)
	{
		window->size = interval_argument(sq, call, next, "gap");
		window->size.time = se_window_micros(&window->size, "gap");
		window->size.day = 0;
		(void) se_window_length(&window->size, "gap", NULL);
		window->panes = "tumble";
		return;
	}
	if (!tumble)
		window->step = interval_argument(sq, call, next++,
										 hop ? "slide" : "step");
	window->size = interval_argument(sq, call, next++, "size");
	window->offset = interval_argument(sq, call, next++, "offset");
	if (list_length(call->args) > next)
	{
		Const	   *value = constant_argument(sq, call, next, "timezone");

		if (!value->constisnull)
			window->timezone = TextDatumGetCString(value->constvalue);
	}

	if (window->timezone != NULL)
		zone = se_window_zone(window->timezone);
	(void) se_window_calendar(se_window_local_length(&window->size, "size",
													 zone).unit,
							  &window->offset, zone);
	if (tumble)
		return;
	window->panes = "tumble";
	window->pane = window->step;
	if (hop)
		window->pane = se_window_hop_pane(&window->step, &window->size, zone);
	else if (!se_window_check_cumulate(&window->step, &window->size, zone))
		window->panes = "cumulate_step";
}

typedef struct InnerContext
{
	SeQuery    *sq;
	int			level;			/* queries around this one */
	bool		reads_stream;	/* it does */
} InnerContext;

/* Windows of the stream's rows that are not beside the aggregation. */
static bool
refuse_inner_walker(Node *node, InnerContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		InnerContext inner = {.sq = cx->sq, .level = cx->level + 1};

		inner.reads_stream = list_member_ptr(cx->sq->stream_path, node);
		return query_tree_walker((Query *) node, refuse_inner_walker, &inner,
								 QTW_IGNORE_JOINALIASES);
	}
	if (IsA(node, FuncExpr) && cx->level > 0)
	{
		FuncExpr   *call = (FuncExpr *) node;
		const char *function = window_function(call->funcid);
		bool		ours = cx->reads_stream;

		for (int i = 1; i <= cx->level; i++)
			ours |= contain_vars_of_level((Node *) call->args, i);
		if (function != NULL && ours)
			refuse(cx->sq, call->location,
				   errmsg("stream.%s cannot be in a sub-select of a continuous view",
						  function),
				   errdetail("The windows of a view are those in its outermost FROM."),
				   errhint("Call it there, as in FROM (SELECT ...) AS v, stream.tumble(v.ts, '10 s')."));
	}
	return expression_tree_walker(node, refuse_inner_walker, cx);
}

void
se_plan_find_window(SeQuery *sq)
{
	InnerContext cx = {.sq = sq};
	Index		rti = 0;
	ListCell   *lc;

	foreach(lc, sq->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		ListCell   *lc2;

		rti++;
		if (rte->rtekind != RTE_FUNCTION)
			continue;
		foreach(lc2, rte->functions)
		{
			RangeTblFunction *rtf = lfirst_node(RangeTblFunction, lc2);
			FuncExpr   *call = (FuncExpr *) rtf->funcexpr;
			const char *function = IsA(call, FuncExpr) ?
				window_function(call->funcid) : NULL;

			if (function == NULL)
				continue;
			if (sq->window.function != NULL)
				refuse(sq, call->location,
					   errmsg("the query has more than one window"),
					   errhint("Make a view for each window."));
			sq->window.function = function;
			sq->window.rti = rti;
			read_window(sq, call);
			if (sq->window.panes != NULL &&
				(list_length(rte->functions) > 1 || rte->funcordinality))
				refuse(sq, call->location,
					   errmsg("stream.%s cannot be in ROWS FROM or have WITH ORDINALITY",
							  function),
					   errhint("Name each function in FROM by itself."));
		}
	}
	(void) query_tree_walker(sq->query, refuse_inner_walker, &cx,
							 QTW_IGNORE_JOINALIASES);
}

/* ---- what the bounds of overlapping windows may be used for ---- */

typedef struct BoundContext
{
	SeQuery    *sq;
	Index		level;			/* queries between here and the outermost */
} BoundContext;

static bool
find_bound_walker(Node *node, BoundContext *cx)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == cx->sq->window.rti &&
		((Var *) node)->varlevelsup == cx->level)
		refuse(cx->sq, ((Var *) node)->location,
			   errmsg("the bounds of stream.%s can only be group keys by themselves",
					  cx->sq->window.function),
			   se_plan_has_sessions(cx->sq) ?
			   errdetail("Which session a row is in is known when it is merged with others.") :
			   errdetail("Rows are kept by the parts that windows share, not by window."),
			   errhint("GROUP BY window_start, and use it in expressions and conditions when reading the view."));
	if (IsA(node, Query))
	{
		BoundContext inner = {.sq = cx->sq, .level = cx->level + 1};

		return query_tree_walker((Query *) node, find_bound_walker, &inner,
								 QTW_IGNORE_JOINALIASES);
	}
	return expression_tree_walker(node, find_bound_walker, cx);
}

int
se_plan_key_is_bound(const SeQuery *sq, const SeKey *key)
{
	Var		   *var = (Var *) key->tle->expr;

	return sq->window.function != NULL && IsA(var, Var) &&
		var->varno == sq->window.rti ? var->varattno : 0;
}

void
se_plan_refuse_window_use(SeQuery *sq, SeSplit *split)
{
	BoundContext cx = {.sq = sq};
	bool		grouped = false;
	Index		rti = 0;
	ListCell   *lc;

	if (sq->window.panes == NULL)
		return;
	if (se_plan_has_sessions(sq) && sq->query->groupingSets != NIL)
		refuse(sq, exprLocation((Node *) sq->query->groupingSets),
			   errmsg("GROUPING SETS, ROLLUP and CUBE are not supported with session windows"),
			   errdetail("Each grouping set would have sessions of its own."),
			   errhint("Make a view for each set of keys."));
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key) > 0)
		{
			grouped = true;
			if (!se_plan_in_every_set(sq, key))
				refuse(sq, exprLocation((Node *) key->tle->expr),
					   errmsg("the bounds of stream.%s must be in every grouping set",
							  sq->window.function),
					   errdetail("Each row would count once for every window that it is in."),
					   errhint("Write GROUP BY window_start, ROLLUP (key), or make a view for the other sets."));
		}
		else if (!IsA(key->tle->expr, GroupingFunc))
			(void) find_bound_walker((Node *) key->tle->expr, &cx);
	}
	if (!grouped)
		refuse(sq, -1,
			   errmsg("the query does not group by the windows of stream.%s",
					  sq->window.function),
			   se_plan_has_sessions(sq) ?
			   errdetail("Without its session a row could be counted without the window.") :
			   errdetail("Each row would count once for every window that it is in."),
			   errhint("Add window_start to GROUP BY."));
	foreach(lc, split->states)
		(void) find_bound_walker((Node *) ((SeState *) lfirst(lc))->aggref, &cx);
	(void) find_bound_walker((Node *) split->delta->jointree, &cx);
	/* functions and sub-selects beside it in FROM */
	foreach(lc, split->delta->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (++rti != sq->window.rti && rte->rtekind != RTE_JOIN)
			(void) range_table_entry_walker(rte, find_bound_walker, &cx, 0);
	}
}

/* ---- panes ---- */

Const *
se_plan_interval_const(const Interval *value)
{
	Interval   *interval = palloc(sizeof(Interval));

	*interval = *value;
	return makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval),
					 IntervalPGetDatum(interval), false, false);
}

void
se_plan_use_panes(SeQuery *sq, Query *delta)
{
	RangeTblEntry *rte;
	RangeTblFunction *rtf;
	FuncExpr   *call;
	List	   *name;
	Oid			types[FUNC_MAX_ARGS];
	int			n = 0;
	ListCell   *lc;

	if (sq->window.panes == NULL)
		return;
	rte = rt_fetch(sq->window.rti, delta->rtable);
	rtf = linitial_node(RangeTblFunction, rte->functions);
	call = castNode(FuncExpr,
					eval_const_expressions(NULL, rtf->funcexpr));
	/* tumble takes one length where the others take two; the rest is alike */
	if (se_plan_has_sessions(sq))
	{
		Interval	none = {0};

		call->args = list_make3(linitial(call->args),
								se_plan_interval_const(&sq->window.size),
								se_plan_interval_const(&none));
		if (exprType(linitial(call->args)) != TIMESTAMPOID)
			call->args = lappend(call->args,
								 makeNullConst(TEXTOID, -1,
											   DEFAULT_COLLATION_OID));
	}
	else if (strcmp(sq->window.panes, "tumble") == 0)
	{
		lsecond(call->args) = se_plan_interval_const(&sq->window.pane);
		call->args = list_delete_nth_cell(call->args, 2);
	}
	foreach(lc, call->args)
		types[n++] = exprType(lfirst(lc));
	name = list_make2(makeString("stream"),
					  makeString(pstrdup(sq->window.panes)));
	call->funcid = LookupFuncName(name, n, types, false);
	rtf->funcexpr = (Node *) call;
	/* the deparser names columns by the function unless there is an alias */
	if (rte->alias == NULL)
		rte->alias = makeAlias(rte->eref->aliasname, NIL);
}

char *
se_plan_interval_literal(const Interval *value)
{
	Datum		text = DirectFunctionCall1(interval_out,
										   IntervalPGetDatum(value));

	return psprintf("%s::pg_catalog.interval",
					quote_literal_cstr(DatumGetCString(text)));
}

char *
se_plan_window_arguments(const SeWindow *window)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (strcmp(window->function, "tumble") != 0)
		appendStringInfo(&buf, "%s, ",
						 se_plan_interval_literal(&window->step));
	appendStringInfo(&buf, "%s, %s", se_plan_interval_literal(&window->size),
					 se_plan_interval_literal(&window->offset));
	if (window->timezone != NULL)
		appendStringInfo(&buf, ", %s::pg_catalog.text",
						 quote_literal_cstr(window->timezone));
	return buf.data;
}

/*
 * A moment of the pane, from the keys that are there: its start, or the last
 * one before its end.
 */
static char *
pane_moment(const SeQuery *sq, const SeSplit *split)
{
	const SeKey *end = NULL;
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key) == WINDOW_START)
			return psprintf("s.%s", quote_identifier(key->column));
		if (se_plan_key_is_bound(sq, key) == WINDOW_END)
			end = key;
	}
	Assert(end != NULL);
	return psprintf("s.%s - '1 microsecond'::pg_catalog.interval",
					quote_identifier(end->column));
}

char *
se_plan_window_end(const SeQuery *sq, const SeSplit *split)
{
	ListCell   *lc;

	if (split->session_end)
		return psprintf("s.%s", quote_identifier(split->session_end->column));
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key) == WINDOW_END)
			return psprintf("s.%s", quote_identifier(key->column));
	}
	return psprintf("stream.window_end(%s, %s)", pane_moment(sq, split),
					se_plan_window_arguments(&sq->window));
}

char *
se_plan_ends_sql(const SeQuery *sq, const SeSplit *split)
{
	const char *end = "w.window_end";
	char	   *windows = "";

	if (sq->window.panes == NULL || split->session_end)
		end = se_plan_window_end(sq, split);
	else
		windows = psprintf(", stream.%s(%s, %s) w", sq->window.function,
						   pane_moment(sq, split),
						   se_plan_window_arguments(&sq->window));
	if (exprType(se_plan_window_time(sq)) == TIMESTAMPOID)
		end = psprintf("pg_catalog.timezone('UTC', %s)", end);
	return psprintf("SELECT pg_catalog.max(%s) FROM " SE_STATE_TOKEN " s%s"
					" WHERE pg_catalog.isfinite(%s)", end, windows, end);
}

char *
se_plan_state_source(const SeViewRequest *request, SeQuery *sq,
					 SeSplit *split, Oid state)
{
	const SeWindow *window = &sq->window;
	char	   *table = se_sql_name(state);
	StringInfoData sql;
	StringInfoData groups;
	ListCell   *lc;

	if (window->panes == NULL || se_plan_has_sessions(sq))
		return table;
	if (split->distinct != NIL)
		table = se_plan_state_and_values(split, state);
	initStringInfo(&sql);
	initStringInfo(&groups);
	appendStringInfoString(&sql, "(SELECT ");
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);
		const char *column = quote_identifier(key->column);
		int			bound = se_plan_key_is_bound(sq, key);
		const char *value;

		if (key == split->late_after)
			continue;
		value = bound == WINDOW_START ? "w.window_start" :
			bound == WINDOW_END ? "w.window_end" : psprintf("s.%s", column);

		appendStringInfo(&sql, "%s%s AS %s", groups.len > 0 ? ", " : "",
						 value, column);
		appendStringInfo(&groups, "%s%s", groups.len > 0 ? ", " : "", value);
	}
	foreach(lc, split->states)
	{
		SeState    *st = lfirst(lc);
		const char *column = quote_identifier(st->column);

		if (st->at_read)
			appendStringInfo(&sql, ", %s AS %s",
							 se_plan_aggregate_values(split, st), column);
		else
			appendStringInfo(&sql, ", stream.state_merge(%s, s.%s%s%s)%s AS %s",
							 se_plan_aggregate_literal(&st->agg), column,
							 st->agg.polymorphic ? ", " : "",
							 st->agg.polymorphic ? se_plan_types_array(&st->agg) : "",
							 split->distinct != NIL ? " FILTER (WHERE s.\"" SE_DISTINCT_SET "\" = 0)" : "",
							 column);
	}
	appendStringInfo(&sql, " FROM %s s, stream.%s(%s, %s) w", table,
					 window->function, pane_moment(sq, split),
					 se_plan_window_arguments(window));
	if (split->late_after)
		appendStringInfo(&sql, " WHERE w.window_end > s.%s",
						 split->late_after->column);
	if (request->append)
		appendStringInfo(&sql, " AND %s",
						 se_plan_closed_condition(sq, request, state,
												  "w.window_end"));
	if (request->ttl_us >= 0)
		appendStringInfo(&sql, " AND %s",
						 se_plan_stays_condition(sq, request, state,
												 "w.window_end"));
	appendStringInfo(&sql, " GROUP BY %s)", groups.data);
	return sql.data;
}

/* ---- panes in a view that is there ---- */

static bool
find_panes_walker(Node *node, SePanes *found)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_panes_walker, found);
	foreach(lc, ((Query *) node)->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		FuncExpr   *call;

		if (rte->rtekind != RTE_FUNCTION)
			continue;
		call = (FuncExpr *) linitial_node(RangeTblFunction, rte->functions)->funcexpr;
		if (IsA(call, FuncExpr) && (se_plan_is_ours(call->funcid, "hop") ||
									se_plan_is_ours(call->funcid, "cumulate")))
		{
			found->query = (Query *) node;
			found->windows = call;
			return true;
		}
	}
	return query_tree_walker((Query *) node, find_panes_walker, found, 0);
}

bool
se_plan_find_panes(Query *query, SePanes *panes)
{
	memset(panes, 0, sizeof(*panes));
	return find_panes_walker((Node *) query, panes);
}
