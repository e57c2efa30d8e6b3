/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  stream.explain(): how a view comes to its rows, or what a stream is.
 *
 *		View -> State -> Merge -> Delta -> Decode -> Stream
 *		View -> State -> Merge -> Delta -> Feed -> View -> ... -> Stream
 *
 * A tree in the manner of EXPLAIN: what is further in happens first.  The
 * plans are PostgreSQL's own text, made here as a worker makes them: with the
 * owner's rights, as planning may run the owner's functions.  The actual
 * figures are those of the last batch, from shared memory.
 *
 * Crash: nothing is run and nothing is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../catalog/catalog.h"
#include "../compat.h"
#include "../plan/plan.h"
#include "../security/security.h"
#include "../state/state.h"
#include "../stats/stats.h"
#include "../sql_settings.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_explain);

#define STEP 6					/* how much further in a child's lines are */

/* ---- lines ---- */

static void put_line(ReturnSetInfo *rsinfo, int indent, const char *format,
					 ...) pg_attribute_printf(3, 4);

static void
put_line(ReturnSetInfo *rsinfo, int indent, const char *format,...)
{
	StringInfoData line;
	Datum		value;
	bool		isnull = false;

	initStringInfo(&line);
	appendStringInfoSpaces(&line, indent);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&line, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&line, needed);
	}
	value = CStringGetTextDatum(line.data);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
}

/* Text of several lines. */
static void
put_text(ReturnSetInfo *rsinfo, int indent, const char *text)
{
	while (*text != '\0')
	{
		int			length = strcspn(text, "\n");

		put_line(rsinfo, indent, "%.*s", length, text);
		text += length;
		if (*text == '\n')
			text++;
	}
}

static char *
interval_text(const Interval *span)
{
	return DatumGetCString(DirectFunctionCall1(interval_out,
											   IntervalPGetDatum(span)));
}

static char *
json_text(Jsonb *json)
{
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* ---- the stream ---- */

static const char *
state_word(const SeStream *stream)
{
	if (stream->state == SE_STATE_FAILED)
		return "failed";
	if (stream->state == SE_STATE_PAUSED || !se_catalog_stream_is_home(stream))
		return "paused";
	return "running";
}

static int
count_partitions(Oid stream)
{
	int			n = 0;
	List	   *rows = se_catalog_list_partitions(stream);
	ListCell   *lc;

	foreach(lc, rows)
		if (((SePartition *) lfirst(lc))->partition >= 0)
			n++;
	return n;
}

/* k, "V <- path.to.v", ... */
static char *
column_list(const SeStream *stream)
{
	Relation	rel = table_open(stream->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		char	   *path;

		if (att->attisdropped)
			continue;
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
						 quote_identifier(NameStr(att->attname)));
		path = se_catalog_option(stream->fields, NameStr(att->attname));
		if (path != NULL)
			appendStringInfo(&list, " <- %s", path);
	}
	table_close(rel, AccessShareLock);
	return list.data;
}

static void
put_source(ReturnSetInfo *rsinfo, int indent, const SeStream *stream)
{
	int			n = count_partitions(stream->relid);

	if (stream->server == NULL)
		put_line(rsinfo, indent, "Source: stream.ingest only");
	else
		put_line(rsinfo, indent,
				 "Source: topic %s of server %s, %s, %d worker%s",
				 quote_identifier(stream->topic),
				 quote_identifier(stream->server),
				 n == 0 ? "partitions not known yet" :
				 psprintf("%d partition%s", n, n == 1 ? "" : "s"),
				 stream->workers, stream->workers == 1 ? "" : "s");
	put_line(rsinfo, indent, "Event Time: %s",
			 stream->event_time ? quote_identifier(stream->event_time) :
			 "the record's timestamp");
	if (stream->watermark_delay != NULL)
		put_line(rsinfo, indent, "Watermark Delay: %s",
				 interval_text(stream->watermark_delay));
}

static void
put_decode(ReturnSetInfo *rsinfo, int indent, const SeStream *stream)
{
	put_line(rsinfo, indent, "Format: %s", stream->format);
	put_line(rsinfo, indent, "Columns: %s", column_list(stream));
	put_line(rsinfo, indent, "On Error: %s", stream->on_error);
}

/* "(actual rows=5 groups=2 time=0.431 ms)", or that there was none */
static char *
actual_figures(Oid view)
{
	SeViewStats *stats = se_stats_view(MyDatabaseId, view, false);

	if (stats == NULL || pg_atomic_read_u64(&stats->batches) == 0)
		return "(never executed)";
	return psprintf("(actual rows=" UINT64_FORMAT " groups=" UINT64_FORMAT
					" time=%.3f ms)",
					pg_atomic_read_u64(&stats->rows),
					pg_atomic_read_u64(&stats->groups),
					pg_atomic_read_u64(&stats->batch_us) / 1000.0);
}

/* The views that read a stream or view, each with those that read it. */
static void
put_views(ReturnSetInfo *rsinfo, int indent, Oid source)
{
	List	   *views = se_catalog_list_views(source);
	ListCell   *lc;

	foreach(lc, views)
	{
		SeView	   *view = lfirst(lc);

		put_line(rsinfo, indent, "->  View %s  %s", se_sql_name(view->relid),
				 actual_figures(view->relid));
		put_views(rsinfo, indent + STEP, view->relid);
	}
}

static void
explain_stream(ReturnSetInfo *rsinfo, const SeStream *stream)
{
	put_line(rsinfo, 0, "Stream %s  (%s)", se_sql_name(stream->relid),
			 state_word(stream));
	put_source(rsinfo, 2, stream);
	put_decode(rsinfo, 2, stream);
	if (JB_ROOT_COUNT(stream->options) > 0)
		put_line(rsinfo, 2, "Options: %s", json_text(stream->options));
	put_line(rsinfo, 2, "Dead Letters: %s",
			 se_sql_name(stream->dead_letters));
	put_views(rsinfo, 2, stream->relid);
}

/* ---- a view ---- */

/* "name  (rows=5 size=16 kB)" */
static char *
table_text(Oid relid)
{
	Datum		table = ObjectIdGetDatum(relid);
	Datum		size = DirectFunctionCall1(pg_total_relation_size, table);

	return psprintf("%s  (rows=" INT64_FORMAT " size=%s)",
					se_sql_name(relid),
					DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples,
													  table)),
					TextDatumGetCString(DirectFunctionCall1(pg_size_pretty, size)));
}

/* What the columns of a state, or of a table of values, hold. */
static void
put_columns(ReturnSetInfo *rsinfo, int indent, Oid table, const SeKept *kept)
{
	ListCell   *lc;

	foreach(lc, kept->columns)
	{
		SeKeptColumn *column = lfirst(lc);
		AttrNumber	attno = get_attnum(table, column->column);

		if (attno == InvalidAttrNumber)
			continue;
		put_line(rsinfo, indent, "%s: %s %s = %s",
				 column->is_key ? "Key" : "Aggregate",
				 quote_identifier(column->column),
				 format_type_be(get_atttype(table, attno)), column->text);
	}
}

/* The values of aggregates with DISTINCT. */
static void
put_distinct(ReturnSetInfo *rsinfo, int indent, const SeView *view)
{
	ListCell   *lc;

	foreach(lc, view->distinct)
	{
		SeDistinct *d = lfirst(lc);

		put_line(rsinfo, indent, "->  Distinct %s", table_text(d->kept));
		put_columns(rsinfo, indent + STEP, d->kept,
					se_plan_read_kept(view->stream, d->values_sql));
	}
}

static void
put_state(ReturnSetInfo *rsinfo, int indent, const SeView *view)
{
	put_line(rsinfo, indent, "->  State %s", table_text(view->state));
	put_columns(rsinfo, indent + STEP, view->state,
				se_plan_read_kept(view->stream, view->delta_sql));
}

/* The size of the batch whose plan is shown: the last one's. */
static int
last_batch_rows(Oid view)
{
	SeViewStats *stats = se_stats_view(MyDatabaseId, view, false);

	return stats == NULL ? 0 :
		(int) Min(pg_atomic_read_u64(&stats->rows), (uint64) PG_INT32_MAX);
}

static const char *
time_text(TimestampTz at)
{
	return DatumGetCString(DirectFunctionCall1(timestamptz_out,
											   TimestampTzGetDatum(at)));
}

static void
put_stream(ReturnSetInfo *rsinfo, int indent, const SeStream *stream)
{
	put_line(rsinfo, indent, "->  Stream %s  (%s)",
			 se_sql_name(stream->relid), state_word(stream));
	put_source(rsinfo, indent + STEP, stream);
}

/* Where the rows of a view on a view come from. */
static void
put_feeds(ReturnSetInfo *rsinfo, int indent, const SeFeed *feed)
{
	SeStream   *stream = se_catalog_get_stream(feed->stream, false);

	for (; feed != NULL; feed = se_catalog_get_feed(feed->source, NULL))
	{
		put_line(rsinfo, indent, "->  Feed");
		indent += STEP;
		put_line(rsinfo, indent, "Event Time: %s",
				 quote_identifier(get_attname(feed->source, feed->time_column,
											  false)));
		put_line(rsinfo, indent, "Windows Until: %s", time_text(feed->fed_to));
		put_line(rsinfo, indent, "Watermark: %s", time_text(feed->watermark));
		put_line(rsinfo, indent, "->  View %s  %s", se_sql_name(feed->source),
				 actual_figures(feed->source));
		indent += STEP;
	}
	put_stream(rsinfo, indent, stream);
}

/* What happens to a batch of a stream, or of a view, before it is merged. */
static void
put_delta(ReturnSetInfo *rsinfo, int indent, const SeView *view, Oid relid,
		  const char *plan)
{
	SeFeed	   *feed = se_catalog_get_feed(view->relid, NULL);
	SeStream   *stream;

	put_line(rsinfo, indent, "->  Delta");
	indent += STEP;
	put_text(rsinfo, indent, plan);
	if (feed != NULL)
	{
		put_feeds(rsinfo, indent, feed);
		return;
	}
	stream = se_catalog_get_stream(relid, false);
	put_line(rsinfo, indent, "->  Decode");
	indent += STEP;
	put_decode(rsinfo, indent, stream);
	put_stream(rsinfo, indent, stream);
}

static void
explain_view(ReturnSetInfo *rsinfo, const SeView *view)
{
	int			nrows = last_batch_rows(view->relid);
	int			indent = 2;
	SeIdentity	saved;
	char	   *sql;
	char	   *merge = NULL;
	List	   *deltas = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	/* whatever runs the user's functions */
	se_security_become(se_security_owner(view->stream), &saved);
	foreach(lc, view->streams)
	{
		SeViewState *state = se_state_open(se_catalog_view_of(view, lfirst_oid(lc)));

		deltas = lappend(deltas, se_state_explain_delta(state, nrows));
		if (merge == NULL)
			merge = se_state_explain_merge(state, nrows);
		se_state_close(state);
	}
	sql = TextDatumGetCString(DirectFunctionCall2(pg_get_viewdef_ext,
												  ObjectIdGetDatum(view->relid),
												  BoolGetDatum(true)));
	put_line(rsinfo, 0, "View %s", se_sql_name(view->relid));
	put_line(rsinfo, indent, "Emit: %s", view->emit);
	if (view->late_sql != NULL)
		put_line(rsinfo, indent, "Late Rows: %s",
				 OidIsValid(view->late_rows) ?
				 se_sql_name(view->late_rows) : "counted");
	put_text(rsinfo, indent, sql);
	put_state(rsinfo, indent, view);
	put_distinct(rsinfo, indent, view);
	se_security_restore(&saved);

	indent += STEP;
	put_line(rsinfo, indent, "->  Merge  %s", actual_figures(view->relid));
	indent += STEP;
	put_text(rsinfo, indent, merge);
	forboth(lc, view->streams, lc2, deltas)
		put_delta(rsinfo, indent, view, lfirst_oid(lc), lfirst(lc2));
}

/* ---- entry ---- */

static void
require_explain(Oid relid)
{
	if (se_owns_relation(relid, GetUserId()) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of \"%s\" to have it explained",
					get_rel_name(relid)),
			 errhint("Members of pg_read_all_stats may explain all streams and views.")));
}

/* What belongs to a view or a stream, but is neither. */
static void
refuse_relation(Oid relid)
{
	const char *name = get_rel_name(relid);
	ListCell   *lc;
	List	   *views = se_catalog_list_views(InvalidOid);
	Oid			meant = InvalidOid;

	foreach(lc, views)
	{
		SeView	   *view = lfirst(lc);
		ListCell   *lc2;

		if (OidIsValid(relid) &&
			(view->state == relid || view->late_rows == relid))
			meant = view->relid;
		foreach(lc2, view->distinct)
			if (((SeDistinct *) lfirst(lc2))->kept == relid)
				meant = view->relid;
	}
	ereport(ERROR,
			(errcode(name ? ERRCODE_WRONG_OBJECT_TYPE : ERRCODE_UNDEFINED_TABLE),
			 name ? errmsg("\"%s\" is neither a stream nor a continuous view", name) :
			 errmsg("relation with OID %u does not exist", relid),
			 OidIsValid(meant) ?
			 errhint("It is a part of view %s.", se_sql_name(meant)) :
			 errhint("They are listed in stream.status and stream.views; ordinary queries are explained by EXPLAIN.")));
}

Datum
se_sql_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relid = PG_GETARG_OID(0);
	SeStream   *stream = se_catalog_get_stream(relid, true);
	SeView	   *view = stream ? NULL : se_catalog_get_view(relid, true);

	if (stream == NULL && view == NULL)
		refuse_relation(relid);
	require_explain(relid);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (stream != NULL)
		explain_stream(rsinfo, stream);
	else
		explain_view(rsinfo, view);
	return (Datum) 0;
}
