/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Views on views: the rows of closed windows, handed on.
 *
 *		per_minute --(closed in (fed_to, S])--> SeRows --> per_hour --> per_day
 *
 * Closing a window writes nothing: its row is there once stream.watermark() has
 * passed it, and never changes then.  So what a view on a view has taken in is
 * one moment, fed_to, and a step takes in the rows whose windows end after it, up
 * to S, where the source stands now.  The step reads S and the rows under one
 * snapshot, applies the rows as a batch of records is applied (views.c), and moves
 * fed_to in the same transaction.
 *
 * The view's own watermark follows from fed_to and is stored beside it: its
 * windows close by it, and S of a view on it is read from there.  No row comes
 * late: times of rows to come are never before it (plan/source.c).
 *
 * Rows are read through the source view, by a cursor (of views that merge panes
 * through their query, so that only the panes of these windows are; and where
 * states are combined, with these behind the columns), and applied some tens of
 * thousands at a time.  One that the view cannot take becomes a dead letter of
 * the stream, with the row as JSON.
 *
 * Locks: whoever feeds a view holds SHARE UPDATE EXCLUSIVE on it, so there is one
 * at a time, and none while it is being dropped or replaced.
 *
 * Crash: fed_to and what the rows made are of one transaction.  S never goes
 * back, and rows at or below it are the same whoever reads them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "../clock.h"
#include "../plan/plan.h"
#include "../sql_settings.h"
#include "../window/window.h"
#include "batch.h"
#include "feed.h"

#define FETCH_ROWS 1000			/* of the cursor at a time */
#define NO_PLACE (-1)			/* rows of a view are at no partition and offset */

/* A view on a view. */
typedef struct Feed
{
	Oid			view;
	SeView	   *source;
	AttrNumber	time_column;
	int64		lateness_us;	/* of the source */
	TupleDesc	desc;			/* of its rows */
	char	   *rows_sql;		/* how they are read, but through the source
								 * itself; or NULL */
	int64		reach;			/* of a window over panes */
	SeIngest   *batch;			/* rows of the source in the place of records */
	SeViewTarget *target;

	/* the running step */
	int64		bytes;			/* in batch->rows, about */
	int64		rows;
	int64		groups;
} Feed;

struct SeFeeds
{
	MemoryContext context;
	SeStream   *stream;
	SeLimits	limits;
	uint32		version;		/* of what is watched */
	int			n;
	Feed	   *feeds;
};

/* ---- what changed meanwhile ---- */

/* Of one process, which feeds one stream at a time. */
static uint32 version = 1;
static List *watched = NIL;		/* OIDs, in TopMemoryContext */

static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || list_member_oid(watched, relid))
		version++;
}

static void
watch(Oid relid)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	old = MemoryContextSwitchTo(TopMemoryContext);
	watched = list_append_unique_oid(watched, relid);
	MemoryContextSwitchTo(old);
}

bool
se_feeds_changed(const SeFeeds *feeds)
{
	return feeds->version != version;
}

/* ---- opening ---- */

static TupleDesc
batch_type(const Feed *feed, const SeView *view)
{
	return se_catalog_batch_type_for(feed->source->relid, view->delta_sql);
}

/* What views.c works on, for one view and without records. */
static void
make_batch(SeFeeds *feeds, Feed *feed, SeView *view)
{
	SeIngest   *batch = palloc0(sizeof(SeIngest));
	SeViewTarget *target = palloc0(sizeof(SeViewTarget));

	target->view = view;
	target->state = se_state_open(target->view);
	target->stats = se_stats_view(MyDatabaseId, feed->view, true);
	target->name = se_sql_name(feed->view);
	target->idle_watermark = DT_NOBEGIN;
	target->others_closed = DT_NOEND;
	batch->context = feeds->context;
	batch->batch_context = AllocSetContextCreate(feeds->context,
												 "stream_ext feed step",
												 ALLOCSET_DEFAULT_SIZES);
	batch->stream = feeds->stream;
	batch->relname = get_rel_name(feed->source->relid);
	batch->rows = se_rows_create(batch_type(feed, view));
	batch->n_views = 1;
	batch->views = target;
	batch->min_event_time = DT_NOEND;
	batch->from_view = true;
	batch->alone = true;
	feed->target = target;
	feed->batch = batch;
}

static void
open_feed(SeFeeds *feeds, const SeFeed *row, Feed *feed)
{
	SeView	   *source = se_catalog_get_view(row->source, false);
	SeView	   *view = se_catalog_get_view(row->view, false);
	bool		on_stream = source->stream == feeds->stream->relid;
	TupleDesc	desc;

	/* before their names are read: they may be changed in between */
	watch(source->relid);
	watch(source->state);
	watch(view->relid);
	watch(view->state);
	feed->view = row->view;
	feed->source = source;
	feed->time_column = row->time_column;
	if (on_stream)
		feed->lateness_us = se_watermark_lateness(source, feeds->stream);
	desc = lookup_rowtype_tupdesc(get_rel_type_id(source->relid), -1);
	feed->desc = CreateTupleDescCopy(desc);
	ReleaseTupleDesc(desc);
	feed->rows_sql = se_plan_rows_of_source(source, view->delta_sql,
											&feed->reach);
	make_batch(feeds, feed, view);
}

SeFeeds *
se_feeds_open(Oid stream, Oid only)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext feeds",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SeFeeds    *feeds = palloc0(sizeof(SeFeeds));
	List	   *rows;
	ListCell   *lc;

	list_free(watched);
	watched = NIL;
	watch(stream);
	feeds->version = version;
	feeds->context = context;
	feeds->stream = se_catalog_get_stream(stream, false);
	se_limits_read(feeds->stream->options, &feeds->limits);
	rows = se_catalog_list_feeds(stream);
	feeds->feeds = palloc0(sizeof(Feed) * Max(1, list_length(rows)));
	foreach(lc, rows)
	{
		SeFeed	   *row = lfirst(lc);

		if (OidIsValid(only) && row->view != only)
			continue;
		/* waits for those who drop them, and then they are gone */
		LockRelationOid(row->source, AccessShareLock);
		LockRelationOid(row->view, AccessShareLock);
		if (se_catalog_get_feed(row->view, NULL) != NULL)
			open_feed(feeds, row, &feeds->feeds[feeds->n++]);
	}
	MemoryContextSwitchTo(old);
	return feeds;
}

void
se_feeds_close(SeFeeds *feeds)
{
	for (int i = 0; i < feeds->n; i++)
		se_state_close(feeds->feeds[i].target->state);
	MemoryContextDelete(feeds->context);
}

int
se_feeds_count(const SeFeeds *feeds)
{
	return feeds->n;
}

/* ---- how far the source has closed ---- */

/* S: windows of the source that end here or before have their final rows. */
static TimestampTz
source_closed_to(const SeFeeds *feeds, const Feed *feed, Snapshot snapshot)
{
	const SeView *source = feed->source;
	SeFeed	   *row = se_catalog_get_feed(source->relid, snapshot);
	TimestampTz watermark;

	if (row != NULL)
		return row->watermark;
	watermark = se_watermark_closed(feeds->stream, snapshot);
	if (source->ends_sql != NULL)
		watermark = Max(watermark,
						se_catalog_idle_watermark(source->relid, snapshot));
	return se_watermark_less(watermark, feed->lateness_us);
}

/* The start of the first window of the source that ends after this. */
static TimestampTz
open_from(const SeView *source, TimestampTz closed_to)
{
	Oid			types[] = {TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(closed_to)};
	TimestampTz result = DT_NOBEGIN;
	bool		isnull = true;
	int			settings;

	if (source->open_sql == NULL || TIMESTAMP_NOT_FINITE(closed_to))
		return closed_to;
	settings = se_sql_settings_begin();
	if (SPI_execute_with_args(source->open_sql, lengthof(types), types, values,
							  NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed == 1)
		result = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
												   SPI_tuptable->tupdesc, 1,
												   &isnull));
	if (isnull)
		elog(ERROR, "could not execute \"%s\"", source->open_sql);
	SPI_freetuptable(SPI_tuptable);
	se_sql_settings_end(settings);
	return result;
}

bool
se_feeds_due(const SeFeeds *feeds, int i)
{
	const Feed *feed = &feeds->feeds[i];
	SeFeed	   *row = se_catalog_get_feed(feed->view, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		result;

	result = row != NULL &&
		source_closed_to(feeds, feed, snapshot) > row->fed_to;
	UnregisterSnapshot(snapshot);
	return result;
}

/* ---- rows ---- */

/* The row as JSON, in the place of a record's payload. */
static void
describe_row(const Feed *feed, int row, SeRecord *record)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(batch_type(feed, feed->target->view),
													&TTSOpsVirtual);
	HeapTuple	tuple;
	Datum		json;

	se_rows_show(feed->batch->rows, row, slot);
	tuple = heap_form_tuple(feed->desc, slot->tts_values, slot->tts_isnull);
	json = DirectFunctionCall1(row_to_json,
							   heap_copy_tuple_as_datum(tuple, feed->desc));
	record->partition = NO_PLACE;
	record->offset = NO_PLACE;
	record->timestamp = DT_NOBEGIN;
	record->value = VARDATA_ANY(DatumGetTextPP(json));
	record->value_len = VARSIZE_ANY_EXHDR(DatumGetTextPP(json));
}

/* Rows that the view could not take. */
static void
set_aside(SeFeeds *feeds, Feed *feed)
{
	SeIngest   *batch = feed->batch;
	SeRecord   *records;
	SeStreamStats *stats;
	ListCell   *lc;
	bool		keep = strcmp(feeds->stream->on_error, "dead_letter") == 0;

	if (batch->rejects == NIL)
		return;
	records = palloc0(sizeof(SeRecord) * list_length(batch->rejects));
	foreach(lc, batch->rejects)
	{
		SeReject   *reject = lfirst(lc);
		int			i = foreach_current_index(lc);

		describe_row(feed, reject->record, &records[i]);
		reject->record = i;
	}
	if (keep)
		se_dead_letter_write(feeds->stream, records, batch->rejects, NULL);
	stats = se_stats_stream(MyDatabaseId, feeds->stream->relid, true);
	if (stats)
		pg_atomic_fetch_add_u64(keep ? &stats->dead_letters : &stats->skipped,
								list_length(batch->rejects));
	batch->rejects = NIL;
}

static void
apply_rows(SeFeeds *feeds, Feed *feed)
{
	SeIngest   *batch = feed->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->batch_context);

	if (batch->n_rows > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; batch->careful && i < batch->n_rows; i++)
			batch->row_record[i] = i;
		se_batch_apply_views(batch);
		feed->rows += batch->n_rows;
		feed->groups += feed->target->groups;
		set_aside(feeds, feed);
		CommandCounterIncrement();
	}
	batch->n_rows = 0;
	feed->bytes = 0;
	se_rows_clear(batch->rows);
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch->batch_context);
}

/* Rows of the cursor that are in SPI_tuptable.  Returns how many. */
static uint64
take_rows(SeFeeds *feeds, Feed *feed)
{
	SPITupleTable *table = SPI_tuptable;
	int			natts = table->tupdesc->natts;
	Datum	   *values = palloc(sizeof(Datum) * natts);
	bool	   *isnull = palloc(sizeof(bool) * natts);
	uint64		n = SPI_processed;

	for (uint64 i = 0; i < n; i++)
	{
		heap_deform_tuple(table->vals[i], table->tupdesc, values, isnull);
		se_rows_add(feed->batch->rows, values, isnull, NO_PLACE, NO_PLACE);
		feed->batch->n_rows++;
		feed->bytes += table->vals[i]->t_len;
		if (feed->batch->n_rows >= feeds->limits.batch_max_rows ||
			feed->bytes >= feeds->limits.batch_max_bytes)
			apply_rows(feeds, feed);
	}
	SPI_freetuptable(table);
	pfree(values);
	pfree(isnull);
	return n;
}

/* AND v.column <op> $n, if the source shows that bound */
static void
put_condition(StringInfo sql, const Feed *feed, AttrNumber column,
			  const char *operator, const char *param)
{
	Form_pg_attribute att;

	if (column == 0)
		return;
	att = TupleDescAttr(feed->desc, column - 1);
	appendStringInfo(sql, att->atttypid == TIMESTAMPOID ?
					 " AND v.%s %s pg_catalog.timezone('UTC', %s)" :
					 " AND v.%s %s %s",
					 quote_identifier(NameStr(att->attname)), operator, param);
}

/*
 * The rows of windows that end in ($1, $2]; $3 and $4 are the starts of the first
 * windows that end after them, and from $5 on are all panes of them.  A bound is
 * given both ways if it can be, for whatever index or partitions the state has.
 */
static char *
rows_sql(const Feed *feed, bool first)
{
	const SeView *source = feed->source;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT v.* FROM %s v WHERE true",
					 feed->rows_sql ? feed->rows_sql :
					 se_sql_name(source->relid));
	put_condition(&sql, feed, source->end_column, "<=", "$2");
	if (source->open_sql != NULL)
		put_condition(&sql, feed, source->start_column, "<",
					  source->end_column ? "$2" : "$4");
	if (first)
		return sql.data;
	put_condition(&sql, feed, source->end_column, ">", "$1");
	if (source->open_sql != NULL)
		put_condition(&sql, feed, source->start_column, ">=", "$3");
	return sql.data;
}

static void
read_rows(SeFeeds *feeds, Feed *feed, TimestampTz from, TimestampTz to,
		  TimestampTz open_to)
{
	Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)];
	int			settings;
	Portal		portal;

	values[0] = TimestampTzGetDatum(from);
	values[1] = TimestampTzGetDatum(to);
	values[2] = TimestampTzGetDatum(open_from(feed->source, from));
	values[3] = TimestampTzGetDatum(open_to);
	values[4] = TimestampTzGetDatum(se_watermark_less(from, feed->reach));
	settings = se_sql_settings_begin();
	portal = SPI_cursor_open_with_args(NULL,
									   rows_sql(feed, TIMESTAMP_IS_NOBEGIN(from)),
									   lengthof(types), types, values, NULL,
									   true, 0);
	se_sql_settings_end(settings);
	do
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
	while (take_rows(feeds, feed) > 0);
	SPI_cursor_close(portal);
}

/* ---- a step ---- */

static void
describe_feed(void *arg)
{
	const Feed *feed = arg;

	errcontext("feeding view \"%s\" from view \"%s\"", feed->target->name,
			   feed->batch->relname);
}

/* Nothing is left of a step that failed. */
static void
prepare_step(SeFeeds *feeds, Feed *feed, const SeFeed *row, bool careful)
{
	SeIngest   *batch = feed->batch;

	MemoryContextReset(batch->batch_context);
	se_rows_clear(batch->rows);
	batch->n_rows = 0;
	batch->rejects = NIL;
	batch->n_rejects = 0;
	batch->careful = careful;
	batch->watermark = row->watermark;
	if (careful && batch->row_record == NULL)
		batch->row_record =
			MemoryContextAllocHuge(feeds->context,
								   sizeof(int) * (Size) feeds->limits.batch_max_rows);
	feed->bytes = 0;
	feed->rows = 0;
	feed->groups = 0;
}

static void
take_in(SeFeeds *feeds, Feed *feed, SeFeed *row, TimestampTz to, bool careful)
{
	ErrorContextCallback callback = {error_context_stack, describe_feed, feed};
	TimestampTz from = row->fed_to;
	TimestampTz open_to;
	int64		start = se_clock_us();
	SeViewStats *stats = feed->target->stats;

	error_context_stack = &callback;
	prepare_step(feeds, feed, row, careful);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	open_to = open_from(feed->source, to);
	read_rows(feeds, feed, from, to, open_to);
	SPI_finish();
	apply_rows(feeds, feed);
	row->fed_to = to;
	row->watermark = Max(row->watermark,
						 feed->time_column == feed->source->end_column ? to :
						 open_to);
	se_catalog_move_feed(row, from);
	error_context_stack = callback.previous;
	if (stats == NULL || feed->rows == 0)
		return;
	pg_atomic_write_u64(&stats->batch_us, se_clock_us() - start);
	pg_atomic_write_u64(&stats->rows, feed->rows);
	pg_atomic_write_u64(&stats->groups, feed->groups);
	pg_atomic_fetch_add_u64(&stats->batches, 1);
}

bool
se_feeds_step(SeFeeds *feeds, int i, bool careful)
{
	Feed	   *feed = &feeds->feeds[i];
	SeFeed	   *row;
	TimestampTz to;

	/* in the order of DROP ... CASCADE, which waits here and not further on */
	LockRelationOid(feed->source->relid, AccessShareLock);
	LockRelationOid(feed->source->state, AccessShareLock);
	LockRelationOid(feed->view, ShareUpdateExclusiveLock);
	LockRelationOid(feed->target->view->state, RowExclusiveLock);
	if (se_feeds_changed(feeds))
		return false;
	row = se_catalog_get_feed(feed->view, NULL);
	if (row == NULL)
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	to = source_closed_to(feeds, feed, GetActiveSnapshot());
	if (to > row->fed_to)
		take_in(feeds, feed, row, to, careful);
	PopActiveSnapshot();
	pfree(row);
	return true;
}

/* ---- state_ttl ---- */

TimestampTz
se_feeds_leave_to(const SeView *view, TimestampTz watermark)
{
	List	   *feeds;
	ListCell   *lc;

	if (view->state_ttl == NULL || TIMESTAMP_NOT_FINITE(watermark))
		return watermark;
	feeds = se_catalog_list_feeds_from(view->relid);
	foreach(lc, feeds)
	{
		TimestampTz fed_to = ((SeFeed *) lfirst(lc))->fed_to;
		TimestampTz leave_to;

		if (TIMESTAMP_NOT_FINITE(fed_to))
			return fed_to;
		if (!pg_add_s64_overflow(fed_to, se_window_duration(view->state_ttl),
								 &leave_to))
			watermark = Min(watermark, leave_to);
	}
	return watermark;
}

bool
se_feeds_has_ttl(const SeFeeds *feeds, int i)
{
	return feeds->feeds[i].target->view->state_ttl != NULL;
}

void
se_feeds_expire(SeFeeds *feeds, int i)
{
	const Feed *feed = &feeds->feeds[i];
	SeFeed	   *row;

	if (!se_feeds_has_ttl(feeds, i))
		return;
	LockRelationOid(feed->view, ShareUpdateExclusiveLock);
	/* it may have been dropped meanwhile */
	row = se_catalog_get_feed(feed->view, NULL);
	if (row != NULL)
		se_state_expire(feed->target->state,
						se_feeds_leave_to(feed->target->view, row->watermark));
}

/* ---- all of it ---- */

/* Opens them and makes a step of each. */
static SeFeeds *
step_all(Oid stream, Oid only)
{
	SeFeeds    *feeds = se_feeds_open(stream, only);

	for (int i = 0; i < feeds->n; i++)
	{
		if (se_feeds_step(feeds, i, true))
			continue;
		/* the lock brought news: again, with what there is now */
		se_feeds_close(feeds);
		feeds = se_feeds_open(stream, only);
		i = -1;
	}
	return feeds;
}

void
se_feeds_fill(Oid stream, Oid view)
{
	se_feeds_close(step_all(stream, view));
}

void
se_feeds_run(Oid stream)
{
	SeFeeds    *feeds;

	if (se_catalog_list_feeds(stream) == NIL)
		return;
	CommandCounterIncrement();
	feeds = step_all(stream, InvalidOid);
	for (int i = 0; i < feeds->n; i++)
		se_feeds_expire(feeds, i);
	se_feeds_close(feeds);
}
