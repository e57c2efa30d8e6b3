/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  From the user's text to a view: the order of the steps.
 *
 * The text is analysed once, in the user's search_path.  Everything written
 * from it (delta, merge, view) is deparsed with qualified names, so that it
 * means the same in a worker and in a later session.  Nothing here outlives
 * the transaction but the relations it made: a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

/* Positions in errors are in the view's query, not in the caller's. */
static void
query_error_callback(void *arg)
{
	const char *text = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
}

bool
se_plan_is_ours(Oid fn, const char *name)
{
	return get_func_namespace(fn) == se_catalog_schema() &&
		strcmp(get_func_name(fn), name) == 0;
}

void
se_plan_error_text(ErrorContextCallback *callback, const char *text)
{
	callback->callback = query_error_callback;
	callback->arg = unconstify(char *, text);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

static bool
calls_combine_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncCall) &&
		strcmp(strVal(llast(((FuncCall *) node)->funcname)), "combine") == 0)
		return true;
	return raw_expression_tree_walker(node, calls_combine_walker, context);
}

/* Lets combine() be found whatever the search_path. */
static void
add_our_schema(void)
{
	const char *path = GetConfigOption("search_path", false, false);

	(void) set_config_option("search_path",
							 *path ? psprintf("%s, stream", path) : "stream",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

Query *
se_plan_analyze_text(const char *text, const Oid *params, int nparams)
{
	List	   *raw = raw_parser(text, RAW_PARSE_DEFAULT);
	Query	   *query = NULL;
	int			nestlevel = NewGUCNestLevel();

	if (list_length(raw) == 1)
	{
		RawStmt    *stmt = linitial_node(RawStmt, raw);

		if (IsA(stmt->stmt, SelectStmt) && calls_combine_walker(stmt->stmt, NULL))
			add_our_schema();
		query = parse_analyze_fixedparams(stmt, text, params, nparams, NULL);
	}
	AtEOXact_GUC(true, nestlevel);
	if (query == NULL || query->commandType != CMD_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the query must be exactly one SELECT")));
	return query;
}

SeQuery *
se_plan_analyze(const char *text)
{
	SeQuery    *sq = palloc0(sizeof(SeQuery));

	sq->text = text;
	sq->query = se_plan_analyze_text(text, NULL, 0);
	return sq;
}

List *
se_plan_find_streams(const char *query)
{
	ErrorContextCallback callback;
	SeQuery    *sq;

	se_plan_error_text(&callback, query);
	sq = se_plan_analyze(query);
	se_plan_refuse_shape(sq);
	se_plan_find_places(sq);

	error_context_stack = callback.previous;
	return sq->streams;
}

/*
 * What the delta query uses, the state table depends on: dropping a joined
 * table or a function then names the view instead of breaking the stream.
 */
static void
record_dependencies(Oid state, SeSplit *split)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, state);
	recordDependencyOnExpr(&address, (Node *) split->delta, NIL,
						   DEPENDENCY_NORMAL);
}

static void
make_sources(const SeQuery *sq, SeViewPlan *plan)
{
	ListCell   *lc;

	foreach(lc, sq->streams)
	{
		SeSource   *source = palloc0(sizeof(SeSource));

		source->stream = lfirst_oid(lc);
		plan->sources = lappend(plan->sources, source);
	}
}

/* For each stream the same queries, with its batch in its place. */
static void
write_deltas(SeQuery *sq, const SeSplit *split, SeViewPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->sources)
	{
		SeSource   *source = lfirst(lc);

		sq->stream = source->stream;
		source->delta_sql = se_plan_deparse_delta(sq, split->delta);
		source->values_sql = se_plan_list_values(sq, split);
	}
	sq->stream = linitial_oid(sq->streams);
}

/*
 * The user's text taken apart, or refused; fills the queries over a batch in
 * plan.
 */
SeQuery *
se_plan_take_apart(const SeViewRequest *request, SeViewPlan *plan,
				   SeSplit **result)
{
	ErrorContextCallback callback;
	SeQuery    *sq;
	SeSplit    *split;
	bool		windowed;
	int			settings;

	se_plan_error_text(&callback, request->query);
	sq = se_plan_analyze(request->query);
	se_plan_refuse_shape(sq);
	se_plan_find_places(sq);
	se_plan_refuse_sources(sq);
	se_plan_refuse_inner_combine(sq);
	se_plan_use_source(sq, plan);
	se_plan_refuse_grouping(sq);
	split = se_plan_split(sq);
	se_plan_refuse_keys(sq, split);
	se_plan_refuse_window_use(sq, split);
	windowed = se_plan_is_windowed(sq, split);
	se_plan_refuse_emit(sq, request, split, windowed);
	se_plan_use_panes(sq, split->delta);

	error_context_stack = callback.previous;

	settings = se_sql_settings_begin();
	make_sources(sq, plan);
	se_plan_note_bounds(sq, split, plan);
	plan->serial = se_plan_has_sessions(sq);
	if (plan->serial)
		se_plan_name_sessions(sq, split);
	if (windowed && request->watermark)
		se_plan_drop_late(sq, split, plan);
	if (request->ttl_us >= 0)
		se_plan_use_ttl(sq, request, split, plan);
	se_plan_use_distinct(sq, request, split);
	if (plan->serial)
		se_plan_use_sessions(sq, split);
	write_deltas(sq, split, plan);
	se_sql_settings_end(settings);
	*result = split;
	return sq;
}

SeViewPlan *
se_plan_create_view(const SeViewRequest *request)
{
	SeViewPlan *plan = palloc0(sizeof(SeViewPlan));
	SeSplit    *split;
	SeQuery    *sq = se_plan_take_apart(request, plan, &split);
	int			settings;

	settings = se_sql_settings_begin();
	plan->state = se_plan_make_state(request, sq, split);
	if (((SeSource *) linitial(plan->sources))->late_sql && request->keep_late)
		plan->late_rows = se_plan_make_late_rows(request, sq, plan->state);
	if (request->close_on_idle)
		plan->ends_sql = se_plan_ends_sql(sq, split);
	plan->distinct = se_plan_make_distinct(request, sq, split, plan->state);
	plan->merge_sql = plan->serial ? se_plan_merge_sessions_sql(sq, split) :
		se_plan_merge_sql(sq, split);
	plan->view = se_plan_make_view(request, sq, split, plan->state);
	se_sql_settings_end(settings);

	record_dependencies(plan->state, split);
	return plan;
}
