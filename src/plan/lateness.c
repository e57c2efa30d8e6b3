/*-------------------------------------------------------------------------
 *
 * lateness.c
 *	  Rows that come when their windows are closed.
 *
 * $1 of the delta query is the moment up to which windows are closed, -infinity
 * when none is.  A row is late for a window that ends there or before.
 *
 *	  tumble	the delta takes rows from the start of the first open window on:
 *				  WHERE ts >= (SELECT stream.window_start($1, size, offset))
 *
 *	  hop,		the same for the last of the windows that a row is in.  A row
 *	  cumulate	may be late for its first windows only, while they share their
 *				panes with the others.  So the pane has a key more, "late_after":
 *				the end of the last window for which the row came too late.  The
 *				view lets a window take only panes whose late_after is before
 *				its end.  Rows in time have -infinity there.
 *
 *	  session	see sessions.c
 *
 * The late query yields the rows that the delta leaves out, as name_late_rows
 * keeps them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

#define LATE_AFTER "late_after"

bool
se_plan_is_windowed(const SeQuery *sq, const SeSplit *split)
{
	ListCell   *lc;

	foreach(lc, split->keys)
		if (se_plan_key_is_bound(sq, lfirst(lc)) > 0)
			return true;
	return false;
}

Node *
se_plan_window_time(const SeQuery *sq)
{
	RangeTblEntry *rte = rt_fetch(sq->window.rti, sq->query->rtable);
	RangeTblFunction *rtf = linitial_node(RangeTblFunction, rte->functions);

	return linitial(castNode(FuncExpr,
							 eval_const_expressions(NULL, rtf->funcexpr))->args);
}

const char *
se_plan_closed_to_text(Oid type)
{
	return type == TIMESTAMPOID ? "pg_catalog.timezone('UTC', $1)" : "$1";
}

Node *
se_plan_closed_to_expr(Oid type)
{
	return se_plan_moment_expr(1, type);
}

Node *
se_plan_moment_expr(int number, Oid type)
{
	Param	   *param = makeNode(Param);
	Oid			types[] = {TEXTOID, TIMESTAMPTZOID};
	Oid			fn;

	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = TIMESTAMPTZOID;
	param->paramtypmod = -1;
	param->location = -1;
	if (type != TIMESTAMPOID)
		return (Node *) param;
	fn = LookupFuncName(list_make2(makeString("pg_catalog"),
								   makeString("timezone")),
						lengthof(types), types, false);
	return (Node *) makeFuncExpr(fn, TIMESTAMPOID,
								 list_make2(makeConst(TEXTOID, -1,
													  DEFAULT_COLLATION_OID, -1,
													  CStringGetTextDatum("UTC"),
													  false, false), param),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The first moment that is in an open window. */
static char *
open_from_text(const SeWindow *window, Oid type)
{
	const char *closed_to = se_plan_closed_to_text(type);
	SeWindow	whole = *window;

	if (strcmp(window->function, "session") == 0)
		return psprintf("SELECT %s - %s", closed_to,
						se_plan_interval_literal(&window->size));
	if (strcmp(window->function, "hop") == 0)
		return psprintf("SELECT stream.hop_open_from(%s, %s)", closed_to,
						se_plan_window_arguments(window));
	/* cumulate's last window is its whole size */
	whole.function = "tumble";
	return psprintf("SELECT stream.window_start(%s, %s)", closed_to,
					se_plan_window_arguments(&whole));
}

char *
se_plan_open_from_text(const SeQuery *sq)
{
	Oid			type = exprType(se_plan_window_time(sq));
	char	   *text = open_from_text(&sq->window, type);

	return type == TIMESTAMPOID ?
		psprintf("SELECT pg_catalog.timezone('UTC', (%s))", text) : text;
}

/* ts >= (SELECT ...), or ts > for sessions, evaluated once per batch */
Node *
se_plan_in_time_expr(const SeQuery *sq, Node *ts)
{
	ParseState *pstate = make_parsestate(NULL);
	SubLink    *sublink = makeNode(SubLink);
	char	   *operator = se_plan_has_sessions(sq) ? ">" : ">=";
	Oid			params[] = {TIMESTAMPTZOID};
	Node	   *result;

	sublink->subLinkType = EXPR_SUBLINK;
	sublink->subselect = (Node *)
		se_plan_analyze_text(open_from_text(&sq->window, exprType(ts)), params,
							 lengthof(params));
	sublink->location = -1;
	result = (Node *) make_op(pstate, list_make2(makeString("pg_catalog"),
												 makeString(operator)),
							  copyObject(ts), (Node *) sublink, NULL, -1);
	free_parsestate(pstate);
	return result;
}

/* A row without a time is late for nothing. */
static Node *
not_late_expr(const SeQuery *sq, Node *ts)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) se_plan_in_time_expr(sq, ts);
	test->booltesttype = IS_NOT_FALSE;
	test->location = -1;
	return (Node *) test;
}

static void
add_condition(Query *query, Node *condition)
{
	query->jointree->quals = make_and_qual(query->jointree->quals, condition);
	query->hasSubLinks = true;
}

/* stream.hop_closed(ts, $1, slide, size, offset) or stream.cumulate_closed */
static Node *
late_after_expr(const SeQuery *sq, Node *ts)
{
	const SeWindow *window = &sq->window;
	Oid			type = exprType(ts);
	Oid			types[] = {type, type, INTERVALOID, INTERVALOID, INTERVALOID,
	TEXTOID};
	char	   *name = psprintf("%s_closed", window->function);
	List	   *args;
	Oid			fn;

	args = list_make5(copyObject(ts), se_plan_closed_to_expr(type),
					  se_plan_interval_const(&window->step),
					  se_plan_interval_const(&window->size),
					  se_plan_interval_const(&window->offset));
	if (type != TIMESTAMPOID)
		args = lappend(args, window->timezone == NULL ?
					   makeNullConst(TEXTOID, -1, DEFAULT_COLLATION_OID) :
					   makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
								 CStringGetTextDatum(window->timezone), false,
								 false));
	fn = se_catalog_function(name, list_length(args), types);
	return (Node *) makeFuncExpr(fn, type, args, InvalidOid,
								 DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
}

/* A key more, which only the state table and the view's FROM know. */
static void
add_late_after(const SeQuery *sq, SeSplit *split, Node *ts)
{
	SeKey	   *key = palloc0(sizeof(SeKey));
	Query	   *delta = split->delta;
	ListCell   *lc;

	key->column = LATE_AFTER;
	foreach(lc, delta->targetList)
		if (strcmp(lfirst_node(TargetEntry, lc)->resname, LATE_AFTER) == 0)
			refuse(sq, -1,
				   errmsg("column name \"%s\" is in use by the view's state",
						  LATE_AFTER),
				   errhint("Give the column another name."));
	key->tle = makeTargetEntry((Expr *) late_after_expr(sq, ts),
							   list_length(split->keys) + 1,
							   key->column, false);
	key->clause = se_plan_group_by(delta, key->tle);

	/* keys come before states */
	foreach(lc, delta->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resno >= key->tle->resno)
			tle->resno++;
	}
	delta->targetList = list_insert_nth(delta->targetList,
										list_length(split->keys), key->tle);
	split->keys = lappend(split->keys, key);
	split->late_after = key;
}

/* ---- the late query ---- */

static void
put_column(Query *query, Node *expr, const char *name)
{
	query->targetList =
		lappend(query->targetList,
				makeTargetEntry((Expr *) expr,
								list_length(query->targetList) + 1,
								pstrdup(name), false));
}

static void
put_batch_column(SeQuery *sq, Query *query, AttrNumber attno, Oid type,
				 int32 typmod, Oid collation, const char *name)
{
	Var		   *column = makeVar(1, attno, type, typmod, collation, 0);

	put_column(query, se_plan_batch_column(sq, query, column), name);
}

/* The group keys, for the search in the state. */
static void
put_keys(const SeQuery *sq, Query *query, const SeSplit *split)
{
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key) == 0)
			put_column(query, copyObject((Node *) key->tle->expr), key->column);
	}
}

/* The last window that a late row is in. */
static char *
last_window(const SeQuery *sq)
{
	const char *ts = "l.\"@ts\"";

	if (se_plan_has_sessions(sq))
		return psprintf("SELECT %s AS window_start, %s + %s AS window_end",
						ts, ts, se_plan_interval_literal(&sq->window.size));
	return psprintf("SELECT w.window_start, w.window_end FROM stream.%s(%s, %s) w "
					"ORDER BY w.window_end DESC LIMIT 1",
					sq->window.function, ts,
					se_plan_window_arguments(&sq->window));
}

/*
 * Over the batch, what the table of late rows has:
 *	  SELECT partition, offset, ts, window, $1, row FROM (SELECT ... FROM ...
 *	  WHERE <the user's> AND NOT ts >= ...) l, the last window of ts
 */
static char *
late_sql(SeQuery *sq, SeSplit *split, Node *ts)
{
	Query	   *query = copyObject(split->delta);
	TupleDesc	desc = se_catalog_batch_type(sq->stream);
	int			natts = desc->natts - 2;	/* behind them partition and offset */
	char	   *sql;

	query->targetList = NIL;
	query->groupClause = NIL;
	query->groupingSets = NIL;
	query->hasAggs = false;
	put_batch_column(sq, query, natts + 1, INT4OID, -1, InvalidOid,
					 "@partition");
	put_batch_column(sq, query, natts + 2, INT8OID, -1, InvalidOid,
					 "@offset");
	put_column(query, copyObject(ts), "@ts");
	put_column(query, se_plan_batch_row(sq, query), "@row");
	if (se_plan_has_sessions(sq))
		put_keys(sq, query, split);
	add_condition(query, (Node *) makeBoolExpr(NOT_EXPR,
											   list_make1(se_plan_in_time_expr(sq, ts)),
											   -1));
	sql = se_plan_deparse_delta(sq, query);
	return psprintf("SELECT l.\"@partition\" AS \"partition\", l.\"@offset\" AS \"offset\", "
					"l.\"@ts\" AS event_time, w.window_start, w.window_end, "
					"$1 AS closed_to, l.\"@row\" OPERATOR(pg_catalog.-) "
					"'{" SE_BATCH_PARTITION "," SE_BATCH_OFFSET "," SE_BATCH_DROPPED "}'::pg_catalog.text[] AS \"row\", "
					"pg_catalog.now() AS arrived_at "
					"FROM (%s) l, LATERAL (%s) w%s",
					sql, last_window(sq),
					se_plan_has_sessions(sq) ?
					psprintf(" WHERE %s",
							 se_plan_in_no_session(sq, split, "l",
												   "l.\"@ts\"")) : "");
}

/*
 * The column itself, so that a batch knows the least of it.  With a view in the
 * stream's place there is no other.
 */
static bool
is_event_time(SeQuery *sq, Node *ts)
{
	SeStream   *stream;

	if (sq->source != NULL)
		return true;
	stream = se_catalog_get_stream(sq->stream, false);
	return stream->event_time != NULL &&
		se_plan_is_batch_column(sq, ts, get_attnum(sq->stream,
												   stream->event_time));
}

void
se_plan_drop_late(SeQuery *sq, SeSplit *split, SeViewPlan *plan)
{
	Node	   *ts = se_plan_window_time(sq);
	ListCell   *lc;

	foreach(lc, plan->sources)
	{
		SeSource   *source = lfirst(lc);

		sq->stream = source->stream;
		/* no row of a view comes late */
		if (sq->source == NULL)
			source->late_sql = late_sql(sq, split, ts);
		source->by_event_time = is_event_time(sq, ts);
	}
	sq->stream = linitial_oid(sq->streams);
	if (se_plan_has_sessions(sq))
		return;					/* the merge knows which rows are late */
	if (sq->window.panes != NULL)
		add_late_after(sq, split, ts);
	add_condition(split->delta, not_late_expr(sq, ts));
}

/* ---- closed windows ---- */

static char *
regclass_literal(Oid relid)
{
	return psprintf("%s::pg_catalog.regclass",
					quote_literal_cstr(se_sql_name(relid)));
}

/*
 * That the watermarks of all streams have passed the window's end by so long; -1: as
 * long as the stream's late rows are waited for.
 */
static char *
passed_condition(const SeQuery *sq, const SeViewRequest *request, Oid state,
				 const char *window_end, int64 after_us)
{
	Oid			type = exprType(se_plan_window_time(sq));
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, request->streams)
	{
		const SeRequestStream *stream = lfirst(lc);
		Interval	after = {.time = after_us < 0 ? stream->lateness_us : after_us};
		char	   *name = regclass_literal(stream->relid);
		char	   *watermark;

		if (request->close_on_idle || sq->source != NULL)
			name = psprintf("%s, %s", name, regclass_literal(state));
		watermark = psprintf("(SELECT stream.watermark(%s))", name);
		if (type == TIMESTAMPOID)
			watermark = psprintf("pg_catalog.timezone('UTC', %s)", watermark);
		appendStringInfo(&buf, "%s%s + %s <= %s", buf.len > 0 ? " AND " : "",
						 window_end, se_plan_interval_literal(&after),
						 watermark);
	}
	return buf.data;
}

/* Of all streams: a window may still take rows of the one that is behind. */
char *
se_plan_closed_condition(const SeQuery *sq, const SeViewRequest *request,
						 Oid state, const char *window_end)
{
	return passed_condition(sq, request, state, window_end, -1);
}

char *
se_plan_stays_condition(const SeQuery *sq, const SeViewRequest *request,
						Oid state, const char *window_end)
{
	return psprintf("(%s) IS NOT TRUE",
					passed_condition(sq, request, state, window_end,
									 request->ttl_us));
}

Oid
se_plan_without_watermark(const SeViewRequest *request)
{
	ListCell   *lc;

	foreach(lc, request->streams)
		if (!((SeRequestStream *) lfirst(lc))->watermark)
			return ((SeRequestStream *) lfirst(lc))->relid;
	return InvalidOid;
}

/* ---- the table of late rows ---- */

Oid
se_plan_make_late_rows(const SeViewRequest *request, const SeQuery *sq,
					   Oid state)
{
	char	   *name = makeObjectName(request->name, NULL, "late_rows");
	const char *time = format_type_be_qualified(exprType(se_plan_window_time(sq)));

	se_sql_execute(psprintf("CREATE TABLE %s (\"partition\" integer NOT NULL, \"offset\" bigint NOT NULL, "
							 "event_time %s NOT NULL, window_start %s NOT NULL, window_end %s NOT NULL, "
							 "closed_to timestamptz NOT NULL, \"row\" jsonb NOT NULL, arrived_at timestamptz NOT NULL%s) USING heap",
							 quote_qualified_identifier(request->schema, name),
							 time, time, time,
							 list_length(sq->streams) > 1 ? ", stream regclass NOT NULL" : ""));
	return se_plan_attach_table(request, name, state);
}
