/*-------------------------------------------------------------------------
 *
 * sessions.c
 *	  Session windows: rows of a group that are no further apart than a gap.
 *
 * Rows in one tumbling window as long as the gap are in one session for sure, so
 * that is what the delta groups by: it yields pieces of sessions, each with its
 * first and last time.  The merge chains pieces with each other and with the open
 * sessions of the state that they touch:
 *
 *		pieces		what the delta found
 *		spans		pieces chained: where to look in the state
 *		hits		open sessions there, by the unique index on (keys, start)
 *		merged		pieces and hits chained, their states merged
 *
 * A session that grows at its end keeps its row; one that is swallowed, or grows
 * at its start, leaves.
 *
 * $1 is the moment up to which windows are closed.  A session is closed when it
 * ends there or before; it takes no more rows, and what touches it starts
 * another.  A row whose own window [ts, ts + gap) is closed counts if it touches
 * an open session.  It is late if there is none, or if it also touches a closed
 * one that starts at or behind it: a session never grows backward over the start
 * of a closed one.  So sessions of a group end in the order in which they start,
 * and the one before a time is found in one step.  Such a row is a piece of its
 * own: whether others are near it must not depend on where tumbling windows
 * begin.
 *
 * Sessions of two workers could touch: merges of one view wait for each other
 * (SeView.serial).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "catalog/catalog.h"
#include "query.h"

#define PIECE "se_piece"		/* columns of the delta beside the keys */
#define FIRST SE_SESSION_FIRST
#define LAST "se_last"

bool
se_plan_has_sessions(const SeQuery *sq)
{
	return sq->window.function != NULL &&
		strcmp(sq->window.function, "session") == 0;
}

/* ---- the delta ---- */

Node *
se_plan_min_or_max(const char *name, Node *ts)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *qualified = list_make2(makeString("pg_catalog"),
									   makeString(pstrdup(name)));
	FuncCall   *call = makeFuncCall(qualified, NIL, COERCE_EXPLICIT_CALL, -1);
	Node	   *result;

	pstate->p_expr_kind = EXPR_KIND_SELECT_TARGET;
	result = ParseFuncOrColumn(pstate, qualified, list_make1(copyObject(ts)),
							   NULL, call, false, -1);
	free_parsestate(pstate);
	return result;
}

/* CASE WHEN ts > (SELECT $1 - gap) THEN start of its tumbling window ELSE ts END */
static Node *
piece_expr(const SeQuery *sq, Node *ts)
{
	CaseExpr   *result = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);
	Oid			type = exprType(ts);

	when->expr = (Expr *) se_plan_in_time_expr(sq, ts);
	when->result = (Expr *) makeVar(sq->window.rti, 1, type, -1, InvalidOid, 0);
	when->location = -1;
	result->casetype = type;
	result->args = list_make1(when);
	result->defresult = (Expr *) copyObject(ts);
	result->location = -1;
	return (Node *) result;
}

static bool
is_bound_clause(const SeQuery *sq, const SortGroupClause *clause, List *target)
{
	Var		   *var = (Var *) get_sortgroupclause_expr(unconstify(SortGroupClause *, clause),
													   target);

	return IsA(var, Var) && var->varno == sq->window.rti;
}

/*
 * SELECT keys, piece, min(ts), max(ts), states ... GROUP BY keys, piece, in
 * place of the bounds that the user groups by.
 */
static void
change_delta(const SeQuery *sq, SeSplit *split, Node *ts)
{
	Query	   *delta = split->delta;
	TargetEntry *piece = makeTargetEntry((Expr *) piece_expr(sq, ts), 0,
										 pstrdup(PIECE), false);
	List	   *groups = NIL;
	List	   *target = NIL;
	NullTest   *known = makeNode(NullTest);
	ListCell   *lc;

	foreach(lc, delta->groupClause)
		if (!is_bound_clause(sq, lfirst(lc), delta->targetList))
			groups = lappend(groups, lfirst(lc));
	foreach(lc, delta->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->ressortgroupref != 0 && IsA(tle->expr, Var) &&
			((Var *) tle->expr)->varno == sq->window.rti)
			continue;
		target = lappend(target, tle);
	}
	delta->groupClause = groups;
	(void) se_plan_group_by(delta, piece);
	target = lappend(target, piece);
	target = lappend(target, makeTargetEntry((Expr *) se_plan_min_or_max("min", ts), 0,
											 pstrdup(FIRST), false));
	target = lappend(target, makeTargetEntry((Expr *) se_plan_min_or_max("max", ts), 0,
											 pstrdup(LAST), false));
	foreach(lc, target)
		lfirst_node(TargetEntry, lc)->resno = foreach_current_index(lc) + 1;
	delta->targetList = target;
	delta->hasAggs = true;
	delta->hasSubLinks = true;

	/* a row without a time is in no session */
	known->arg = (Expr *) copyObject(ts);
	known->nulltesttype = IS_NOT_NULL;
	known->location = -1;
	delta->jointree->quals = make_and_qual(delta->jointree->quals,
										   (Node *) known);
}

/* A bound as a column of the state table. */
static SeKey *
bound_column(const SeQuery *sq, SeSplit *split, AttrNumber attno, Oid type)
{
	const char *name = attno == 1 ? "window_start" : "window_end";
	SeKey	   *result = palloc0(sizeof(SeKey));
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key) == attno)
			return key;
		if (strcmp(key->column, name) == 0)
			name = psprintf("session_%s", attno == 1 ? "start" : "end");
	}
	foreach(lc, split->states)
		if (strcmp(((SeState *) lfirst(lc))->column, name) == 0)
			name = psprintf("session_%s", attno == 1 ? "start" : "end");
	result->column = pstrdup(name);
	result->tle = makeTargetEntry((Expr *) makeVar(sq->window.rti, attno, type,
												   -1, InvalidOid, 0), 0,
								  result->column, false);
	return result;
}

void
se_plan_name_sessions(const SeQuery *sq, SeSplit *split)
{
	Oid			type = exprType(se_plan_window_time(sq));
	SeKey	   *start = bound_column(sq, split, 1, type);
	SeKey	   *end = bound_column(sq, split, 2, type);
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, split->keys)
		if (se_plan_key_is_bound(sq, lfirst(lc)) == 0)
			keys = lappend(keys, lfirst(lc));
	split->keys = lappend(keys, start);
	split->session_end = end;
}

void
se_plan_use_sessions(const SeQuery *sq, SeSplit *split)
{
	change_delta(sq, split, se_plan_window_time(sq));
}

/* ---- the merge ---- */

/* Names that the statement is made of. */
typedef struct Names
{
	List	   *keys;			/* of SeKey, without the bounds */
	const char *start;
	const char *end;
	char	   *gap;
	char	   *closed_to;		/* $1 in the type of the bounds */
	const List *states;
} Names;

/* "a.x, a.y, " or, with an empty alias, "x, y, " */
static char *
key_list(const Names *names, const char *alias)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names->keys)
		appendStringInfo(&buf, "%s%s%s, ", alias, *alias ? "." : "",
						 quote_identifier(((SeKey *) lfirst(lc))->column));
	return buf.data;
}

static char *
state_list(const Names *names, const char *alias)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names->states)
		appendStringInfo(&buf, ", %s%s%s", alias, *alias ? "." : "",
						 quote_identifier(((SeState *) lfirst(lc))->column));
	return buf.data;
}

/* "PARTITION BY x, y " */
static char *
partition_by(const Names *names)
{
	char	   *keys = key_list(names, "");

	if (names->keys == NIL)
		return "";
	keys[strlen(keys) - 2] = '\0';
	return psprintf("PARTITION BY %s ", keys);
}

/*
 * The same group in both: AND ... for each key.  Plain equality lets the index
 * be used; nulls wants the groups which have a null in b, and finds them too.
 */
static char *
same_group(const Names *names, const char *a, const char *b, bool nulls)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names->keys)
	{
		SeKey	   *key = lfirst(lc);
		const char *column = quote_identifier(key->column);
		List	   *operator;
		List	   *args;
		char	   *equal;

		format_operator_parts(key->clause->eqop, &operator, &args, 0);
		equal = psprintf("%s.%s OPERATOR(%s.%s) %s.%s", a, column,
						 quote_identifier(linitial(operator)),
						 (char *) lsecond(operator), b, column);
		if (nulls)
			appendStringInfo(&buf, " AND (%s OR %s.%s IS NULL AND %s.%s IS NULL)",
							 equal, a, column, b, column);
		else
			appendStringInfo(&buf, " AND %s", equal);
	}
	if (nulls)
	{
		appendStringInfoString(&buf, " AND (false");
		foreach(lc, names->keys)
			appendStringInfo(&buf, " OR %s.%s IS NULL", b,
							 quote_identifier(((SeKey *) lfirst(lc))->column));
		appendStringInfoChar(&buf, ')');
	}
	return buf.data;
}

/* Sessions of the state in and before the span n, of groups with(out) nulls. */
static void
append_hits(StringInfo buf, const Names *names, bool nulls)
{
	char	   *keys = key_list(names, "s");
	char	   *states = state_list(names, "s");
	char	   *same = same_group(names, "s", "n", nulls);

	appendStringInfo(buf, "(SELECT %s s.%s, s.%s%s FROM " SE_STATE_TOKEN " s"
					 " WHERE s.%s >= n." FIRST " AND s.%s <= n." LAST " + %s%s)"
					 " UNION ALL "
					 "(SELECT %s s.%s, s.%s%s FROM " SE_STATE_TOKEN " s"
					 " WHERE s.%s < n." FIRST "%s ORDER BY s.%s DESC LIMIT 1)",
					 keys, names->start, names->end, states,
					 names->start, names->start, names->gap, same,
					 keys, names->start, names->end, states,
					 names->start, same, names->start);
}

/* Does a closed session start at or behind the row d and touch it? */
static char *
touches_closed(const Names *names, bool nulls)
{
	return psprintf("EXISTS (SELECT FROM " SE_STATE_TOKEN " s WHERE s.%s >= d." FIRST
					" AND s.%s <= d." FIRST " + %s AND s.%s <= %s%s)",
					names->start, names->start, names->gap, names->end,
					names->closed_to, same_group(names, "s", "d", nulls));
}

static void
append_pieces(StringInfo buf, const Names *names)
{
	char	   *keys = key_list(names, "d");
	char	   *states = state_list(names, "d");

	appendStringInfo(buf, "WITH pieces AS MATERIALIZED (SELECT %s d." FIRST ", d." LAST
					 "%s FROM " SE_DELTA_NAME " d WHERE d." FIRST " > %s - %s OR NOT %s",
					 keys, states, names->closed_to, names->gap,
					 touches_closed(names, false));
	if (names->keys != NIL)
		appendStringInfo(buf, " AND NOT %s", touches_closed(names, true));
	appendStringInfoString(buf, ")");
}

static void
append_spans(StringInfo buf, const Names *names)
{
	char	   *keys = key_list(names, "");
	char	   *partition = partition_by(names);

	appendStringInfo(buf, ", spans AS (SELECT %s pg_catalog.min(" FIRST ") AS " FIRST
					 ", pg_catalog.max(" LAST ") AS " LAST " FROM (SELECT %s " FIRST ", " LAST
					 ", pg_catalog.count(*) FILTER (WHERE se_begins) OVER (%sORDER BY " FIRST ") AS se_n"
					 " FROM (SELECT %s " FIRST ", " LAST ", " FIRST " > pg_catalog.lag(" LAST
					 ") OVER (%sORDER BY " FIRST ") + %s AS se_begins FROM pieces) p) p GROUP BY %s se_n)",
					 keys, keys, partition, keys, partition, names->gap, keys);
	appendStringInfo(buf, ", hits AS MATERIALIZED (SELECT DISTINCT ON (%s %s) h.* FROM spans n, LATERAL (",
					 key_list(names, "h"), psprintf("h.%s", names->start));
	append_hits(buf, names, false);
	if (names->keys != NIL)
	{
		appendStringInfoString(buf, " UNION ALL ");
		append_hits(buf, names, true);
	}
	appendStringInfo(buf, ") h WHERE h.%s > %s AND h.%s >= n." FIRST " ORDER BY %s h.%s)",
					 names->end, names->closed_to, names->end,
					 key_list(names, "h"), names->start);
}

static void
append_numbered(StringInfo buf, const Names *names)
{
	char	   *keys = key_list(names, "");
	char	   *states = state_list(names, "");
	char	   *partition = partition_by(names);

	appendStringInfo(buf, ", parts AS (SELECT %s " FIRST ", " LAST ", NULL AS se_was%s FROM pieces"
					 " UNION ALL SELECT %s %s, %s - %s, %s%s FROM hits)",
					 keys, states, keys, names->start, names->end, names->gap,
					 names->start, states);
	appendStringInfo(buf, ", numbered AS MATERIALIZED (SELECT *, pg_catalog.count(*)"
					 " FILTER (WHERE se_begins) OVER (%sORDER BY " FIRST ", se_was) AS se_n"
					 " FROM (SELECT *, " FIRST " > pg_catalog.max(" LAST ") OVER (%sORDER BY " FIRST
					 ", se_was ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + %s AS se_begins FROM parts) p)",
					 partition, partition, names->gap);
}

static void
append_merged(StringInfo buf, const Names *names)
{
	ListCell   *lc;

	appendStringInfo(buf, ", merged AS (SELECT %s pg_catalog.min(" FIRST ") AS se_start, pg_catalog.max("
					 LAST ") + %s AS se_end", key_list(names, ""), names->gap);
	foreach(lc, names->states)
	{
		const SeState *st = lfirst(lc);
		const char *column = quote_identifier(st->column);

		appendStringInfo(buf, ", stream.state_merge(%s, %s%s%s) AS %s",
						 se_plan_aggregate_literal(&st->agg), column,
						 st->agg.polymorphic ? ", " : "",
						 st->agg.polymorphic ? se_plan_types_array(&st->agg) : "",
						 column);
	}
	appendStringInfo(buf, " FROM numbered GROUP BY %s se_n HAVING pg_catalog.max(" LAST ") + %s > %s)",
					 key_list(names, ""), names->gap, names->closed_to);
	/* sessions that are not the first of theirs any more */
	appendStringInfo(buf, ", gone AS (DELETE FROM " SE_STATE_TOKEN " s USING numbered n"
					 " WHERE n.se_was IS NOT NULL AND NOT n.se_begins AND s.%s = n.se_was%s)",
					 names->start, same_group(names, "s", "n", false));
	if (names->keys != NIL)
		appendStringInfo(buf, ", gone_nulls AS (DELETE FROM " SE_STATE_TOKEN " s USING numbered n"
						 " WHERE n.se_was IS NOT NULL AND NOT n.se_begins AND s.%s = n.se_was%s)",
						 names->start, same_group(names, "s", "n", true));
}

static Names
collect_names(const SeQuery *sq, const SeSplit *split)
{
	SeKey	   *start = llast(split->keys);
	Oid			type = exprType((Node *) start->tle->expr);
	Names		names = {0};

	names.keys = list_truncate(list_copy(split->keys),
							   list_length(split->keys) - 1);
	names.start = quote_identifier(start->column);
	names.end = quote_identifier(split->session_end->column);
	names.gap = se_plan_interval_literal(&sq->window.size);
	names.closed_to = pstrdup(se_plan_closed_to_text(type));
	names.states = split->states;
	return names;
}

char *
se_plan_in_no_session(const SeQuery *sq, const SeSplit *split,
					  const char *row, const char *ts)
{
	Names		names = collect_names(sq, split);
	StringInfoData buf;

	initStringInfo(&buf);
	for (int nulls = 0; nulls < (names.keys == NIL ? 1 : 2); nulls++)
		appendStringInfo(&buf, "%sNOT EXISTS (SELECT FROM " SE_STATE_TOKEN " s"
						 " WHERE s.%s <= %s AND s.%s >= %s + %s AND s.%s > %s%s)",
						 nulls ? " AND " : "", names.start, ts, names.end, ts,
						 names.gap, names.end, names.closed_to,
						 same_group(&names, "s", row, nulls));
	return buf.data;
}

char *
se_plan_merge_sessions_sql(const SeQuery *sq, const SeSplit *split)
{
	Names		names = collect_names(sq, split);
	char	   *keys;
	char	   *states;
	StringInfoData buf;
	ListCell   *lc;

	keys = key_list(&names, "");
	states = state_list(&names, "");
	initStringInfo(&buf);
	append_pieces(&buf, &names);
	append_spans(&buf, &names);
	append_numbered(&buf, &names);
	append_merged(&buf, &names);
	appendStringInfo(&buf, " INSERT INTO " SE_STATE_TOKEN " AS s (%s %s, %s%s)"
					 " SELECT %s se_start, se_end%s FROM merged ORDER BY %s se_start"
					 " ON CONFLICT (%s %s) DO UPDATE SET %s = EXCLUDED.%s",
					 keys, names.start, names.end, states, keys, states, keys,
					 keys, names.start, names.end, names.end);
	foreach(lc, split->states)
	{
		const char *column = quote_identifier(((SeState *) lfirst(lc))->column);

		appendStringInfo(&buf, ", %s = EXCLUDED.%s", column, column);
	}
	return buf.data;
}
