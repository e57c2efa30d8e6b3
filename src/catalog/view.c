/*-------------------------------------------------------------------------
 *
 * view.c
 *	  stream.catalog_views: what a stream's records are turned into, and
 *	  stream.catalog_distinct: what is kept for DISTINCT aggregates.
 *
 * What a view runs for batches differs from one of its streams to the next.  A row
 * of stream.catalog_views has it for the first, stream.catalog_sources for others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_VIEW, COL_STREAM, COL_STATE, COL_KIND, COL_QUERY, COL_DELTA_SQL,
	COL_MERGE_SQL, COL_LATE_SQL, COL_LATE_ROWS, COL_ENDS_SQL,
	COL_IDLE_WATERMARK, COL_BY_EVENT_TIME, COL_SERIAL, COL_EMIT,
	COL_STATE_TTL, COL_PARTITION_SPAN, COL_WINDOW_REACH,
	COL_ALLOWED_LATENESS, COL_OPTIONS, COL_START_COLUMN, COL_END_COLUMN,
	COL_OPEN_SQL,
	NCOLS
};

static const SeTable table = {"catalog_views", NCOLS};

enum
{
	COL_D_VIEW, COL_D_NUMBER, COL_D_KEPT, COL_D_VALUES_SQL, COL_D_KEEP_SQL,
	COL_D_DELTA_SQL,
	N_D_COLS
};

static const SeTable distinct_table = {"catalog_distinct", N_D_COLS};

static void
add_distinct(Oid view, int number, const SeDistinct *d)
{
	Datum		values[N_D_COLS] = {0};
	bool		isnull[N_D_COLS] = {0};

	values[COL_D_VIEW] = ObjectIdGetDatum(view);
	values[COL_D_NUMBER] = Int32GetDatum(number);
	values[COL_D_KEPT] = ObjectIdGetDatum(d->kept);
	values[COL_D_VALUES_SQL] = CStringGetTextDatum(d->values_sql);
	values[COL_D_KEEP_SQL] = CStringGetTextDatum(d->keep_sql);
	se_row_set_text(values, isnull, COL_D_DELTA_SQL, d->delta_sql);
	se_row_insert(&distinct_table, values, isnull);
}

/* In the order of their numbers: that of the primary key. */
static List *
list_distinct(Oid view)
{
	SeRowScan	rows;
	List	   *result = NIL;

	se_row_begin(&rows, &distinct_table, AccessShareLock, 1, view, 0);
	while (se_row_next(&rows))
	{
		SeDistinct *d = palloc0(sizeof(SeDistinct));

		d->kept = DatumGetObjectId(rows.values[COL_D_KEPT]);
		d->values_sql = se_row_text(&rows, COL_D_VALUES_SQL);
		d->keep_sql = se_row_text(&rows, COL_D_KEEP_SQL);
		d->delta_sql = se_row_text(&rows, COL_D_DELTA_SQL);
		result = lappend(result, d);
	}
	se_row_end(&rows);
	return result;
}

void
se_catalog_add_view(const SeView *v)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};
	ListCell   *lc;

	values[COL_VIEW] = ObjectIdGetDatum(v->relid);
	values[COL_STREAM] = ObjectIdGetDatum(v->stream);
	values[COL_STATE] = ObjectIdGetDatum(v->state);
	values[COL_KIND] = CharGetDatum(v->kind);
	values[COL_QUERY] = CStringGetTextDatum(v->query);
	values[COL_DELTA_SQL] = CStringGetTextDatum(v->delta_sql);
	values[COL_MERGE_SQL] = CStringGetTextDatum(v->merge_sql);
	se_row_set_text(values, isnull, COL_LATE_SQL, v->late_sql);
	isnull[COL_LATE_ROWS] = !OidIsValid(v->late_rows);
	values[COL_LATE_ROWS] = ObjectIdGetDatum(v->late_rows);
	se_row_set_text(values, isnull, COL_ENDS_SQL, v->ends_sql);
	isnull[COL_IDLE_WATERMARK] = TIMESTAMP_IS_NOBEGIN(v->idle_watermark);
	values[COL_IDLE_WATERMARK] = TimestampTzGetDatum(v->idle_watermark);
	values[COL_BY_EVENT_TIME] = BoolGetDatum(v->by_event_time);
	values[COL_SERIAL] = BoolGetDatum(v->serial);
	values[COL_EMIT] = CStringGetTextDatum(v->emit);
	se_row_set_pointer(values, isnull, COL_STATE_TTL, v->state_ttl);
	se_row_set_pointer(values, isnull, COL_PARTITION_SPAN, v->partition_span);
	se_row_set_pointer(values, isnull, COL_WINDOW_REACH, v->window_reach);
	se_row_set_pointer(values, isnull, COL_ALLOWED_LATENESS, v->allowed_lateness);
	values[COL_OPTIONS] = JsonbPGetDatum(v->options);
	values[COL_START_COLUMN] = Int16GetDatum(v->start_column);
	values[COL_END_COLUMN] = Int16GetDatum(v->end_column);
	se_row_set_text(values, isnull, COL_OPEN_SQL, v->open_sql);
	se_row_insert(&table, values, isnull);
	foreach(lc, v->distinct)
		add_distinct(v->relid, foreach_current_index(lc) + 1, lfirst(lc));
	foreach(lc, v->sources)
		se_view_source_add(v->relid, foreach_current_index(lc) + 1, lfirst(lc));
	CacheInvalidateRelcacheByRelid(v->stream);
}

static TimestampTz
idle_watermark(SeRowScan *rows)
{
	return rows->isnull[COL_IDLE_WATERMARK] ? DT_NOBEGIN :
		DatumGetTimestampTz(rows->values[COL_IDLE_WATERMARK]);
}

static SeView *
make_view(SeRowScan *rows)
{
	SeView	   *v = palloc0(sizeof(SeView));
	ListCell   *lc;

	v->relid = DatumGetObjectId(rows->values[COL_VIEW]);
	v->stream = DatumGetObjectId(rows->values[COL_STREAM]);
	v->state = DatumGetObjectId(rows->values[COL_STATE]);
	v->kind = DatumGetChar(rows->values[COL_KIND]);
	v->query = se_row_text(rows, COL_QUERY);
	v->delta_sql = se_row_text(rows, COL_DELTA_SQL);
	v->merge_sql = se_row_text(rows, COL_MERGE_SQL);
	v->late_sql = se_row_text(rows, COL_LATE_SQL);
	if (!rows->isnull[COL_LATE_ROWS])
		v->late_rows = DatumGetObjectId(rows->values[COL_LATE_ROWS]);
	v->ends_sql = se_row_text(rows, COL_ENDS_SQL);
	v->idle_watermark = idle_watermark(rows);
	v->by_event_time = DatumGetBool(rows->values[COL_BY_EVENT_TIME]);
	v->serial = DatumGetBool(rows->values[COL_SERIAL]);
	v->emit = se_row_text(rows, COL_EMIT);
	v->state_ttl = se_row_interval(rows, COL_STATE_TTL);
	v->partition_span = se_row_interval(rows, COL_PARTITION_SPAN);
	v->window_reach = se_row_interval(rows, COL_WINDOW_REACH);
	v->allowed_lateness = se_row_interval(rows, COL_ALLOWED_LATENESS);
	v->options = (Jsonb *) PG_DETOAST_DATUM_COPY(rows->values[COL_OPTIONS]);
	v->start_column = DatumGetInt16(rows->values[COL_START_COLUMN]);
	v->end_column = DatumGetInt16(rows->values[COL_END_COLUMN]);
	v->open_sql = se_row_text(rows, COL_OPEN_SQL);
	v->distinct = list_distinct(v->relid);
	v->sources = se_view_source_list(v->relid);
	v->streams = list_make1_oid(v->stream);
	foreach(lc, v->sources)
		v->streams = lappend_oid(v->streams, ((SeSource *) lfirst(lc))->stream);
	return v;
}

SeView *
se_catalog_view_of(const SeView *view, Oid stream)
{
	SeView	   *result = palloc(sizeof(SeView));
	ListCell   *lc;

	*result = *view;
	foreach(lc, view->sources)
	{
		const SeSource *source = lfirst(lc);
		ListCell   *lc2;
		ListCell   *lc3;

		if (source->stream != stream)
			continue;
		result->stream = stream;
		result->delta_sql = source->delta_sql;
		result->late_sql = source->late_sql;
		result->by_event_time = source->by_event_time;
		result->distinct = NIL;
		forboth(lc2, view->distinct, lc3, source->values_sql)
		{
			SeDistinct *d = palloc(sizeof(SeDistinct));

			*d = *(SeDistinct *) lfirst(lc2);
			d->values_sql = lfirst(lc3);
			result->distinct = lappend(result->distinct, d);
		}
	}
	return result;
}

SeView *
se_catalog_get_view(Oid relid, bool missing_ok)
{
	SeRowScan	rows;
	SeView	   *view = NULL;

	se_row_begin(&rows, &table, AccessShareLock, 1, relid, 0);
	if (se_row_next(&rows))
		view = make_view(&rows);
	se_row_end(&rows);
	if (view == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is not a continuous view", relid),
				 errhint("They are listed in stream.views.")));
	return view;
}

void
se_catalog_set_view_query(const SeView *view)
{
	SeRowScan	rows;

	se_row_begin(&rows, &table, RowExclusiveLock, 1, view->relid, 0);
	if (!se_row_next(&rows))
		elog(ERROR, "continuous view %u has no row", view->relid);
	se_row_put_text(&rows, COL_QUERY, view->query);
	rows.values[COL_START_COLUMN] = Int16GetDatum(view->start_column);
	rows.values[COL_END_COLUMN] = Int16GetDatum(view->end_column);
	se_row_update(&rows);
	se_row_end(&rows);
	CommandCounterIncrement();
}

void
se_catalog_set_idle_watermark(Oid relid, TimestampTz watermark)
{
	SeRowScan	rows;

	se_row_begin(&rows, &table, RowExclusiveLock, 1, relid, 0);
	if (!se_row_next(&rows))
		elog(ERROR, "continuous view %u has no row", relid);
	rows.values[COL_IDLE_WATERMARK] = TimestampTzGetDatum(watermark);
	rows.isnull[COL_IDLE_WATERMARK] = false;
	se_row_update(&rows);
	se_row_end(&rows);
	CommandCounterIncrement();
}

TimestampTz
se_catalog_idle_watermark(Oid relid, Snapshot snapshot)
{
	SeRowScan	rows;
	TimestampTz result = DT_NOBEGIN;

	se_row_begin_at(&rows, &table, AccessShareLock, 1, relid, 0, snapshot);
	if (se_row_next(&rows))
		result = idle_watermark(&rows);
	se_row_end(&rows);
	return result;
}

Oid
se_catalog_view_of_state(Oid state)
{
	SeRowScan	rows;
	Oid			result = InvalidOid;

	se_row_begin(&rows, &table, AccessShareLock, 0, InvalidOid, 0);
	while (se_row_next(&rows))
		if (DatumGetObjectId(rows.values[COL_STATE]) == state)
			result = DatumGetObjectId(rows.values[COL_VIEW]);
	se_row_end(&rows);
	return result;
}

List *
se_catalog_list_views(Oid stream)
{
	SeRowScan	rows;
	List	   *views = NIL;

	se_row_begin(&rows, &table, AccessShareLock, 0, InvalidOid, 0);
	while (se_row_next(&rows))
	{
		SeView	   *view = make_view(&rows);

		if (!OidIsValid(stream))
			views = lappend(views, view);
		else if (list_member_oid(view->streams, stream))
			views = lappend(views, se_catalog_view_of(view, stream));
	}
	se_row_end(&rows);
	return views;
}

/*
 * A relation goes away.  As a stream it takes its progress along; its views
 * were dropped before it or with it.  As a view or as a view's state it takes
 * the view's row, its backfill and its feed along.
 */
bool
se_catalog_forget_relation(Oid relid)
{
	SeRowScan	rows;
	bool		found = se_catalog_delete_stream(relid);

	if (found)
		se_catalog_delete_partitions(relid);

	se_row_begin(&rows, &table, RowExclusiveLock, 0, InvalidOid, 0);
	while (se_row_next(&rows))
	{
		SeView	   *view = make_view(&rows);
		ListCell   *lc;

		if (view->relid != relid && view->state != relid &&
			!list_member_oid(view->streams, relid))
			continue;
		se_row_delete_all(&distinct_table, view->relid);
		se_view_source_delete(view->relid);
		se_catalog_delete_backfill(view->relid);
		se_catalog_delete_feed(view->relid);
		se_row_delete(&rows);
		foreach(lc, view->streams)
			if (lfirst_oid(lc) != relid)
				CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
		found = true;
	}
	se_row_end(&rows);
	CommandCounterIncrement();
	return found;
}
