/*-------------------------------------------------------------------------
 *
 * create_view.c
 *	  stream.create_view() and stream.create_rollup().
 *
 * plan/ makes the relations; here they are entered in the catalog between two
 * batches of the stream, so that the view counts from an exact point on.
 *
 * A view on a view starts with all rows that its source shows, and so equals its
 * query from the first moment on.
 *
 * Whoever calls, the view is the stream's owner's: batches are merged with the
 * owner's rights, and the query's functions never run with others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../catalog/catalog.h"
#include "../ingest/feed.h"
#include "../ingest/ingest.h"
#include "../launcher/launcher.h"
#include "../plan/plan.h"
#include "../security/security.h"
#include "../state/state.h"
#include "../stats/stats.h"
#include "../window/window.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_create_view);
PG_FUNCTION_INFO_V1(se_sql_create_rollup);

enum
{
	ARG_NAME, ARG_QUERY, ARG_EMIT, ARG_STATE_TTL, ARG_ALLOWED_LATENESS,
	ARG_OPTIONS
};

/* The result over no rows of a stream: one row when there is no GROUP BY. */
static void
apply_nothing(const SeView *view)
{
	SeViewState *state = se_state_open(view);
	SeRowRange	nothing = {NULL, 0, 0};
	int64		late_rows = 0;

	(void) se_state_apply(state, &nothing, DT_NOBEGIN, true, &late_rows);
	se_state_close(state);
}

/* Rows of the source that are there, from the first to the last closed window. */
static void
feed_view(const SeView *view, const SeViewPlan *plan, Oid stream)
{
	SeFeed		feed = {0};

	se_plan_index_source(se_catalog_get_view(view->stream, false));
	feed.view = view->relid;
	feed.source = view->stream;
	feed.stream = stream;
	feed.time_column = plan->time_column;
	feed.fed_to = feed.watermark = DT_NOBEGIN;
	se_catalog_add_feed(&feed);
	se_feeds_fill(stream, view->relid);
}

static bool
has_progress(Oid stream)
{
	ListCell   *lc;
	List	   *partitions = se_catalog_list_partitions(stream);

	foreach(lc, partitions)
	{
		if (((SePartition *) lfirst(lc))->last_record_at != 0)
			return true;
	}
	return false;
}

/* Rows of batches before the view was made; or word that they are missing. */
static void
fill_view(const SeView *view, const List *streams)
{
	const SeStream *stream = linitial(streams);
	ListCell   *lc;

	switch (se_api_backfill_option(view->options))
	{
		case SE_BACKFILL_STAGING:
			se_api_backfill_staging(view, stream);
			break;
		case SE_BACKFILL_EARLIEST:
			se_api_backfill_earliest(view, stream);
			break;
		case SE_BACKFILL_NONE:
			foreach(lc, streams)
			{
				stream = lfirst(lc);
				if (has_progress(stream->relid))
					ereport(NOTICE,
							(errmsg("view \"%s\" counts the records that stream \"%s\" reads from now on",
									get_rel_name(view->relid),
									get_rel_name(stream->relid))));
			}
			break;
	}
}

/* No moment is one of several streams: they are read independently. */
static void
refuse_backfill(const SeView *view)
{
	if (list_length(view->streams) > 1 &&
		se_api_backfill_option(view->options) != SE_BACKFILL_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view of several streams cannot be backfilled"),
				 errhint("Leave the option out: the view counts what its streams read from now on.")));
}

/* The first one's queries are in the view's own row. */
static void
put_sources(SeView *view, const List *sources)
{
	const SeSource *first = linitial(sources);

	view->stream = first->stream;
	view->delta_sql = first->delta_sql;
	view->late_sql = first->late_sql;
	view->by_event_time = first->by_event_time;
	view->sources = list_copy_tail(sources, 1);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	static const char *const emits[] = {"update", "append", NULL};

	if (PG_ARGISNULL(ARG_NAME) || PG_ARGISNULL(ARG_QUERY) ||
		PG_ARGISNULL(ARG_EMIT) || PG_ARGISNULL(ARG_OPTIONS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name, query, emit and options must not be null")));
	se_api_check_choice("emit",
						text_to_cstring(PG_GETARG_TEXT_PP(ARG_EMIT)), emits);
	se_api_check_view_options(PG_GETARG_JSONB_P(ARG_OPTIONS));
	(void) se_api_backfill_option(PG_GETARG_JSONB_P(ARG_OPTIONS));
	if (!PG_ARGISNULL(ARG_STATE_TTL))
		se_api_check_interval("state_ttl", PG_GETARG_INTERVAL_P(ARG_STATE_TTL));
	if (!PG_ARGISNULL(ARG_ALLOWED_LATENESS))
		se_api_check_interval("allowed_lateness",
							  PG_GETARG_INTERVAL_P(ARG_ALLOWED_LATENESS));
}

static bool
keeps_late_rows(const Jsonb *options)
{
	static const char *const choices[] = {"keep", "count", NULL};
	const char *choice = se_catalog_option(options, "late_rows");

	if (choice == NULL)
		return true;
	se_api_check_choice("late_rows", choice, choices);
	return strcmp(choice, "keep") == 0;
}

/* What has no meaning where nothing is read and no row comes late. */
static void
refuse_feed_options(const SeView *view)
{
	const char *source = get_rel_name(linitial_oid(view->streams));

	if (view->allowed_lateness != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view on a view has no allowed_lateness"),
				 errdetail("It takes in rows of view \"%s\" when they are final, and none is late.",
						   source),
				 errhint("Windows stay open for rows that come late in \"%s\": set its allowed_lateness.",
						 source)));
	if (se_api_backfill_option(view->options) != SE_BACKFILL_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view on a view has no backfill"),
				 errdetail("It starts with all rows that view \"%s\" shows.",
						   source),
				 errhint("Leave the option out.")));
	if (se_api_bool_option(view->options, "close_on_idle"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view on a view does not close when the stream is idle"),
				 errdetail("Its windows close when those of view \"%s\" have.",
						   source),
				 errhint("Use emit => 'update' to see its last windows.")));
}

void
se_api_fill_request(SeViewRequest *request, const SeView *view,
					const List *streams)
{
	ListCell   *lc;

	request->query = view->query;
	request->append = strcmp(view->emit, "append") == 0;
	request->close_on_idle = se_api_bool_option(view->options, "close_on_idle");
	request->keep_late = keeps_late_rows(view->options);
	request->watermark = true;
	foreach(lc, streams)
	{
		const SeStream *stream = lfirst(lc);
		SeRequestStream *of = palloc(sizeof(SeRequestStream));

		of->relid = stream->relid;
		of->watermark = stream->watermark_delay != NULL;
		of->lateness_us = se_watermark_lateness(view, stream);
		/* no row of a view is late */
		if (!list_member_oid(view->streams, stream->relid))
		{
			of->relid = linitial_oid(view->streams);
			of->lateness_us = 0;
		}
		request->streams = lappend(request->streams, of);
		request->watermark &= of->watermark;
		request->lateness_us = Max(request->lateness_us, of->lateness_us);
	}
	request->ttl_us = view->state_ttl ? se_window_duration(view->state_ttl) : -1;
}

Datum
se_sql_create_view(PG_FUNCTION_ARGS)
{
	SeViewRequest request = {0};
	SeViewPlan *plan;
	SeView		view = {0};
	SeIdentity	saved;
	char	   *relname;
	Oid			schema;
	List	   *streams;
	bool		on_view;
	ListCell   *lc;

	se_stats_require();
	check_arguments(fcinfo);
	schema = se_api_creation_schema(text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME)),
									&relname);
	request.schema = get_namespace_name(schema);
	request.name = relname;
	view.query = text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY));
	view.emit = text_to_cstring(PG_GETARG_TEXT_PP(ARG_EMIT));
	view.options = PG_GETARG_JSONB_P(ARG_OPTIONS);
	if (!PG_ARGISNULL(ARG_ALLOWED_LATENESS))
		view.allowed_lateness = PG_GETARG_INTERVAL_P(ARG_ALLOWED_LATENESS);
	if (!PG_ARGISNULL(ARG_STATE_TTL))
		view.state_ttl = PG_GETARG_INTERVAL_P(ARG_STATE_TTL);

	view.streams = se_plan_find_streams(view.query);
	streams = se_catalog_streams_of(view.streams);
	on_view = linitial_oid(streams) != linitial_oid(view.streams);
	if (on_view)
		refuse_feed_options(&view);
	else
		refuse_backfill(&view);
	streams = se_api_lock_streams(streams);
	se_api_fill_request(&request, &view, streams);
	se_security_become(se_security_owner(linitial_oid(view.streams)), &saved);
	plan = se_plan_create_view(&request);
	CommandCounterIncrement();

	view.relid = plan->view;
	view.state = plan->state;
	view.kind = SE_VIEW_AGGREGATE;
	put_sources(&view, plan->sources);
	view.merge_sql = plan->merge_sql;
	view.late_rows = plan->late_rows;
	view.ends_sql = plan->ends_sql;
	view.idle_watermark = DT_NOBEGIN;
	view.distinct = plan->distinct;
	view.serial = plan->serial;
	view.partition_span = plan->partition_span;
	view.window_reach = plan->window_reach;
	view.start_column = plan->start_column;
	view.end_column = plan->end_column;
	view.open_sql = plan->open_sql;
	se_catalog_add_view(&view);
	se_api_note_made(view.relid);
	foreach(lc, view.streams)
	{
		se_api_depend_on_stream(view.state, lfirst_oid(lc));
		apply_nothing(se_catalog_view_of(&view, lfirst_oid(lc)));
	}
	foreach(lc, streams)
		se_launcher_announce(((SeStream *) lfirst(lc))->relid);
	if (on_view)
		feed_view(&view, plan, ((SeStream *) linitial(streams))->relid);
	else
		fill_view(&view, streams);
	se_security_restore(&saved);
	PG_RETURN_OID(plan->view);
}

/* stream.create_rollup(name text, query text) */
Datum
se_sql_create_rollup(PG_FUNCTION_ARGS)
{
	char	   *relname;
	Oid			schema;

	schema = se_api_creation_schema(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									&relname);
	PG_RETURN_OID(se_plan_create_rollup(get_namespace_name(schema), relname,
										text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
