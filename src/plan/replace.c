/*-------------------------------------------------------------------------
 *
 * replace.c
 *	  Another query over the state that a view has.
 *
 * A view's query may change in all that is computed when it is read:
 * expressions over keys and aggregates, HAVING, columns.  What is computed
 * when a batch comes must stay: the stream, FROM, WHERE, the window and the
 * group keys.  Its aggregates must be among those that are kept.
 *
 * The old text was analysed under its creator's search_path, so it is not
 * read again.  Instead both queries' deltas, which name everything in full,
 * are analysed alike and their trees compared: aliases, column names and the
 * order of keys, aggregates and conditions do not matter.
 *
 * Nothing here outlives the transaction but the view's new rule; the state
 * table and its delta and merge are not touched.  So a dropped aggregate is
 * kept on, and may come back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

typedef struct Replacement
{
	Oid			view;
	SeQuery    *sq;				/* the new query */
	SeSplit    *split;
	SeKept	   *had;			/* what is kept */
	SeKept	   *wanted;			/* what the new query would keep */
} Replacement;

/* reason: the rest of the arguments are of psprintf */
#define refuse_state(r, location, ...) \
	raise_refusal(r, location, psprintf(__VA_ARGS__))

static void
raise_refusal(Replacement *r, int location, const char *reason)
{
	const char *name = get_rel_name(r->view);

	refuse(r->sq, location,
		   errmsg("the query needs another state than view \"%s\" keeps", name),
		   errdetail("%s", reason),
		   errhint("Make it a new view under another name with stream.create_view, let it catch up, stream.drop this one, and rename the new one with ALTER VIEW ... RENAME TO %s.",
				   quote_identifier(name)));
}

/* ---- FROM and WHERE ---- */

static bool
is_window(const RangeTblEntry *rte)
{
	FuncExpr   *call;

	if (rte->rtekind != RTE_FUNCTION)
		return false;
	call = (FuncExpr *) linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	return IsA(call, FuncExpr) &&
		get_func_namespace(call->funcid) == se_catalog_schema();
}

/* Aliases may differ, and what the target list reads of it. */
static bool
same_source(const RangeTblEntry *a, const RangeTblEntry *b)
{
	if (a->rtekind != b->rtekind)
		return false;
	switch (a->rtekind)
	{
		case RTE_NAMEDTUPLESTORE:
			return true;
		case RTE_RELATION:
			return a->relid == b->relid && a->inh == b->inh &&
				equal(a->tablesample, b->tablesample);
		case RTE_FUNCTION:
			return a->funcordinality == b->funcordinality &&
				equal(a->functions, b->functions);
		case RTE_TABLEFUNC:
			return equal(a->tablefunc, b->tablefunc);
		case RTE_JOIN:
			return a->jointype == b->jointype &&
				equal(a->joinaliasvars, b->joinaliasvars);
		default:
			return equal(a, b);
	}
}

static void
check_from(Replacement *r)
{
	List	   *had = r->had->delta->rtable;
	List	   *wanted = r->wanted->delta->rtable;
	ListCell   *lc;
	ListCell   *lc2;

	forboth(lc, had, lc2, wanted)
	{
		RangeTblEntry *a = lfirst_node(RangeTblEntry, lc);
		RangeTblEntry *b = lfirst_node(RangeTblEntry, lc2);

		if (same_source(a, b))
			continue;
		if (is_window(a) && is_window(b))
			refuse_state(r, -1, "The window is not the view's.");
		if (a->rtekind == RTE_JOIN && b->rtekind == RTE_JOIN)
			refuse_state(r, -1, "The joins in FROM are not the view's.");
		if (strcmp(a->eref->aliasname, b->eref->aliasname) == 0)
			refuse_state(r, -1, "\"%s\" in FROM is not the view's.",
						 a->eref->aliasname);
		refuse_state(r, -1,
					 "FROM has \"%s\" where the view has \"%s\".",
					 b->eref->aliasname, a->eref->aliasname);
	}
	if (list_length(had) != list_length(wanted))
		refuse_state(r, -1, "FROM has %s than the view's.",
					 list_length(had) < list_length(wanted) ? "more" : "less");
	if (!equal(r->had->delta->jointree->fromlist,
			   r->wanted->delta->jointree->fromlist))
		refuse_state(r, -1, "The joins in FROM are not the view's.");
	/* references to it go by name */
	if (!equal(r->had->delta->cteList, r->wanted->delta->cteList))
		refuse_state(r, -1, "The WITH clause is not the view's.");
	/* its numbers mean keys by their places */
	if ((r->had->delta->groupingSets != NIL ||
		 r->wanted->delta->groupingSets != NIL) &&
		!(equal(r->had->delta->groupingSets, r->wanted->delta->groupingSets) &&
		  equal(r->had->delta->targetList, r->wanted->delta->targetList)))
		refuse_state(r, -1, "The grouping sets are not the view's.");
}

/* As the user wrote it: what lateness.c added has a sub-select. */
static char *
condition_text(Query *query)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) query->jointree->quals))
		if (!contain_subplans(lfirst(lc)))
			conditions = lappend(conditions, lfirst(lc));
	if (conditions == NIL)
		return "none";
	return se_plan_deparse(query, (Node *) make_ands_explicit(conditions));
}

static void
check_where(Replacement *r)
{
	Query	   *had = r->had->delta;
	Query	   *wanted = r->wanted->delta;
	List	   *a = make_ands_implicit((Expr *) had->jointree->quals);
	List	   *b = make_ands_implicit((Expr *) wanted->jointree->quals);
	int			settings;
	char	   *theirs;
	char	   *ours;

	if (list_difference(a, b) == NIL && list_difference(b, a) == NIL)
		return;
	settings = se_sql_settings_begin();
	theirs = condition_text(wanted);
	ours = condition_text(had);
	se_sql_settings_end(settings);
	refuse_state(r, exprLocation(r->sq->query->jointree->quals),
				 "The condition in WHERE is %s, the view's is %s.", theirs,
				 ours);
}

/*
 * Windows of other lengths may be made of the same panes.  But the view's
 * panes are kept and given up as its own windows ask for.
 */
static void
check_panes(Replacement *r, Query *shown, Query *wanted)
{
	SePanes		had;
	SePanes		would;
	FuncExpr   *a;
	FuncExpr   *b;

	(void) se_plan_find_panes(shown, &had);
	(void) se_plan_find_panes(wanted, &would);
	a = had.windows;
	b = would.windows;
	/* but for the first argument, the panes' time */
	if ((a == NULL) != (b == NULL) ||
		(a != NULL &&
		 (a->funcid != b->funcid ||
		  !equal(list_copy_tail(a->args, 1), list_copy_tail(b->args, 1)))))
		refuse_state(r, -1, "The window is not the view's.");
}

/* What the view reads, and what it would read. */
static void
check_select(Replacement *r, const char *select, Oid state)
{
	Relation	rel = table_open(r->view, NoLock);
	int			settings = se_sql_settings_begin();
	Query	   *wanted = se_plan_analyze(select)->query;

	se_sql_settings_end(settings);
	check_panes(r, get_view_query(rel), wanted);
	se_plan_keep_shown(r->view, state, get_view_query(rel), wanted);
	table_close(rel, NoLock);
}

/* ---- keys and aggregates ---- */

static SeKeptColumn *
find_equal(const List *columns, const SeKeptColumn *like)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		SeKeptColumn *column = lfirst(lc);

		if (column->is_key == like->is_key && equal(column->expr, like->expr))
			return column;
	}
	return NULL;
}

static SeKey *
key_of_column(const SeSplit *split, const SeKeptColumn *column)
{
	ListCell   *lc;

	foreach(lc, split->keys)
		if (strcmp(((SeKey *) lfirst(lc))->column, column->column) == 0)
			return lfirst(lc);
	return NULL;
}

static SeState *
state_of_column(const SeSplit *split, const SeKeptColumn *column)
{
	ListCell   *lc;

	foreach(lc, split->states)
		if (strcmp(((SeState *) lfirst(lc))->column, column->column) == 0)
			return lfirst(lc);
	return NULL;
}

/* A key that the user did not ask for: late_after of lateness.c. */
static bool
is_hidden(const SeKeptColumn *column)
{
	FuncExpr   *call = (FuncExpr *) column->expr;

	return IsA(call, FuncExpr) &&
		(se_plan_is_ours(call->funcid, "hop_closed") ||
		 se_plan_is_ours(call->funcid, "cumulate_closed"));
}

static char *
list_columns(const SeKept *kept, bool keys)
{
	StringInfoData list;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, kept->columns)
	{
		SeKeptColumn *column = lfirst(lc);

		if (column->is_key == keys && !is_hidden(column))
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
							 column->text);
	}
	return list.len > 0 ? list.data : "none";
}

static void
check_columns(Replacement *r)
{
	ListCell   *lc;

	foreach(lc, r->wanted->columns)
	{
		SeKeptColumn *column = lfirst(lc);

		if (find_equal(r->had->columns, column) != NULL)
			continue;
		if (is_hidden(column))
			refuse_state(r, -1, "The window is not the view's.");
		if (column->is_key)
			refuse_state(r, exprLocation((Node *) key_of_column(r->split, column)->tle->expr),
						 "%s is not a group key of the view; its keys: %s.",
						 column->text, list_columns(r->had, true));
		refuse_state(r, state_of_column(r->split, column)->aggref->location,
					 "%s is not kept; the view's aggregates: %s.",
					 column->text, list_columns(r->had, false));
	}
	foreach(lc, r->had->columns)
	{
		SeKeptColumn *column = lfirst(lc);

		if (!column->is_key || find_equal(r->wanted->columns, column) != NULL)
			continue;
		if (is_hidden(column))
			refuse_state(r, -1, "The window is not the view's.");
		else
			refuse_state(r, -1,
						 "The query does not group by %s, as the view does.",
						 column->text);
	}
}

/*
 * The last columns of a delta that yields pieces of sessions are none of the
 * state's; in them is what makes rows one session.
 */
static void
take_off_pieces(Replacement *r)
{
	int			had = list_length(r->had->columns) - SE_PIECE_COLUMNS;
	int			wanted = list_length(r->wanted->columns) - SE_PIECE_COLUMNS;

	for (int i = 0; i < SE_PIECE_COLUMNS; i++)
	{
		SeKeptColumn *a = list_nth(r->had->columns, had + i);
		SeKeptColumn *b = list_nth(r->wanted->columns, wanted + i);

		if (!equal(a->expr, b->expr))
			refuse_state(r, -1, "The window is not the view's.");
	}
	r->had->columns = list_truncate(r->had->columns, had);
	r->wanted->columns = list_truncate(r->wanted->columns, wanted);
}

/* A bound of sessions by the name that it has in the state table. */
static SeKey *
name_bound(const SeKey *bound, Oid state, AttrNumber attno)
{
	SeKey	   *key = palloc(sizeof(SeKey));

	*key = *bound;
	key->column = get_attname(state, attno, false);
	return key;
}

/*
 * The new query's keys and aggregates, at the places and with the names that
 * they have in the state table.
 */
static void
use_state(Replacement *r, Oid state_table)
{
	List	   *keys = NIL;
	List	   *states = NIL;
	ListCell   *lc;

	foreach(lc, r->had->columns)
	{
		SeKeptColumn *column = lfirst(lc);
		SeKeptColumn *like = find_equal(r->wanted->columns, column);

		if (column->is_key)
		{
			SeKey	   *asked = key_of_column(r->split, like);
			SeKey	   *key = palloc(sizeof(SeKey));

			*key = *asked;
			key->column = column->column;
			if (r->split->late_after == asked)
				r->split->late_after = key;
			keys = lappend(keys, key);
		}
		else
		{
			SeState    *state = palloc0(sizeof(SeState));

			/* no longer asked for: only its place matters */
			state->aggref = se_plan_delta_aggref((Expr *) column->expr);
			if (like != NULL)
				*state = *state_of_column(r->split, like);
			else
				se_plan_load_aggregate(state->aggref, &state->agg);
			state->column = column->column;
			states = lappend(states, state);
		}
	}
	if (r->split->session_end)
	{
		AttrNumber	attno = list_length(keys) + 1;

		keys = lappend(keys, name_bound(llast(r->split->keys), state_table,
										attno));
		r->split->session_end = name_bound(r->split->session_end, state_table,
										   attno + 1);
	}
	r->split->keys = keys;
	r->split->states = states;
}

static const SeSource *
find_source(const List *sources, Oid stream)
{
	ListCell   *lc;

	foreach(lc, sources)
		if (((SeSource *) lfirst(lc))->stream == stream)
			return lfirst(lc);
	return NULL;
}

static void
check_streams(Replacement *r, const SeViewPlan *old, const SeViewPlan *new)
{
	ListCell   *lc;

	foreach(lc, new->sources)
	{
		const SeSource *source = lfirst(lc);

		if (find_source(old->sources, source->stream) != NULL)
			continue;
		if (list_length(old->sources) > 1)
			refuse_state(r, -1, "It reads stream \"%s\", which the view does not.",
						 get_rel_name(source->stream));
		else
			refuse_state(r, -1, "It reads stream \"%s\", the view reads \"%s\".",
						 get_rel_name(source->stream),
						 get_rel_name(((SeSource *) linitial(old->sources))->stream));
	}
	foreach(lc, old->sources)
	{
		const SeSource *source = lfirst(lc);

		if (find_source(new->sources, source->stream) == NULL)
			refuse_state(r, -1, "It does not read stream \"%s\", as the view does.",
						 get_rel_name(source->stream));
	}
}

/* Would batches of that stream be taken as they are? */
static void
check_source(Replacement *r, const SeSource *had, const SeSource *wanted)
{
	ErrorContextCallback callback;

	r->had = se_plan_read_kept(had->stream, had->delta_sql);
	r->wanted = se_plan_read_kept(had->stream, wanted->delta_sql);
	se_plan_error_text(&callback, r->sq->text);
	check_from(r);
	if (r->split->session_end)
		take_off_pieces(r);
	check_columns(r);
	check_where(r);
	error_context_stack = callback.previous;
}

void
se_plan_replace_view(const SeViewRequest *request, const SeViewPlan *old,
					 SeViewPlan *new)
{
	Replacement r = {.view = old->view};
	ListCell   *lc;
	char	   *select;
	int			settings;

	r.sq = se_plan_take_apart(request, new, &r.split);
	check_streams(&r, old, new);
	if (new->serial != old->serial)
		refuse_state(&r, -1, "The window is not the view's.");
	if (old->distinct != NIL || r.split->distinct != NIL)
		refuse_state(&r, -1, "The query of a view with DISTINCT in an aggregate cannot be replaced.");
	foreach(lc, old->sources)
		check_source(&r, lfirst(lc),
					 find_source(new->sources,
								 ((SeSource *) lfirst(lc))->stream));
	use_state(&r, old->state);
	settings = se_sql_settings_begin();
	select = se_plan_view_select(request, r.sq, r.split, old->state);
	se_sql_settings_end(settings);
	check_select(&r, select, old->state);
	se_plan_remake_view(old->view, select);
}
