/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  stream.catalog_feeds: how far views on views have taken in their sources.
 *
 * A row says that all rows of the source whose windows end at fed_to or before
 * are in the view.  It is written in the transaction that merges those rows, on
 * half-empty pages (HOT), like those of stream.catalog_partitions.
 *
 * Crash: row and results are of one transaction.  Feeders of one view wait for
 * each other; one that did not would find a fed_to that it did not expect and
 * give up before its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_VIEW, COL_SOURCE, COL_STREAM, COL_TIME_COLUMN, COL_FED_TO,
	COL_WATERMARK,
	NCOLS
};

static const SeTable table = {"catalog_feeds", NCOLS};

/* The feeder of the stream looks again. */
static void
announce(Oid stream)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream)))
		CacheInvalidateRelcacheByRelid(stream);
}

void
se_catalog_add_feed(const SeFeed *feed)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	values[COL_VIEW] = ObjectIdGetDatum(feed->view);
	values[COL_SOURCE] = ObjectIdGetDatum(feed->source);
	values[COL_STREAM] = ObjectIdGetDatum(feed->stream);
	values[COL_TIME_COLUMN] = Int16GetDatum(feed->time_column);
	values[COL_FED_TO] = TimestampTzGetDatum(feed->fed_to);
	values[COL_WATERMARK] = TimestampTzGetDatum(feed->watermark);
	se_row_insert(&table, values, isnull);
	announce(feed->stream);
}

static SeFeed *
make_feed(SeRowScan *rows)
{
	SeFeed	   *feed = palloc0(sizeof(SeFeed));

	feed->view = DatumGetObjectId(rows->values[COL_VIEW]);
	feed->source = DatumGetObjectId(rows->values[COL_SOURCE]);
	feed->stream = DatumGetObjectId(rows->values[COL_STREAM]);
	feed->time_column = DatumGetInt16(rows->values[COL_TIME_COLUMN]);
	feed->fed_to = DatumGetTimestampTz(rows->values[COL_FED_TO]);
	feed->watermark = DatumGetTimestampTz(rows->values[COL_WATERMARK]);
	return feed;
}

SeFeed *
se_catalog_get_feed(Oid view, Snapshot snapshot)
{
	SeRowScan	rows;
	SeFeed	   *feed = NULL;

	se_row_begin_at(&rows, &table, AccessShareLock, 1, view, 0, snapshot);
	if (se_row_next(&rows))
		feed = make_feed(&rows);
	se_row_end(&rows);
	return feed;
}

Oid
se_catalog_stream_of(Oid source)
{
	SeFeed	   *feed = se_catalog_get_feed(source, NULL);
	SeView	   *view = feed ? NULL : se_catalog_get_view(source, true);

	return feed ? feed->stream : view ? view->stream : source;
}

List *
se_catalog_streams_of(const List *sources)
{
	List	   *streams = NIL;
	ListCell   *lc;

	foreach(lc, sources)
		streams = lappend_oid(streams, se_catalog_stream_of(lfirst_oid(lc)));
	return streams;
}

/* Those whose column has this value. */
static List *
list_feeds(int column, Oid value)
{
	SeRowScan	rows;
	List	   *feeds = NIL;

	se_row_begin(&rows, &table, AccessShareLock, 0, InvalidOid, 0);
	while (se_row_next(&rows))
		if (DatumGetObjectId(rows.values[column]) == value)
			feeds = lappend(feeds, make_feed(&rows));
	se_row_end(&rows);
	return feeds;
}

List *
se_catalog_list_feeds_from(Oid source)
{
	return list_feeds(COL_SOURCE, source);
}

static bool
is_source_ahead(const List *feeds, const SeFeed *feed)
{
	ListCell   *lc;

	foreach(lc, feeds)
		if (((SeFeed *) lfirst(lc))->view == feed->source)
			return true;
	return false;
}

List *
se_catalog_list_feeds(Oid stream)
{
	List	   *rest = list_feeds(COL_STREAM, stream);
	List	   *sorted = NIL;

	while (rest != NIL)
	{
		int			n = list_length(rest);
		ListCell   *lc;

		foreach(lc, rest)
		{
			SeFeed	   *feed = lfirst(lc);

			if (is_source_ahead(rest, feed))
				continue;
			sorted = lappend(sorted, feed);
			rest = foreach_delete_current(rest, lc);
		}
		if (list_length(rest) == n)
			elog(ERROR, "views of stream %u feed each other", stream);
	}
	return sorted;
}

void
se_catalog_move_feed(const SeFeed *feed, TimestampTz expected)
{
	SeRowScan	rows;

	se_row_begin(&rows, &table, RowExclusiveLock, 1, feed->view, 0);
	if (!se_row_next(&rows) ||
		DatumGetTimestampTz(rows.values[COL_FED_TO]) != expected)
		ereport(ERROR,
				(errcode(SE_ERRCODE_FENCED),
				 errmsg("the feed of view %u was moved by somebody else",
						feed->view)));
	rows.values[COL_FED_TO] = TimestampTzGetDatum(feed->fed_to);
	rows.values[COL_WATERMARK] = TimestampTzGetDatum(feed->watermark);
	se_row_update(&rows);
	se_row_end(&rows);
	CommandCounterIncrement();
}

void
se_catalog_delete_feed(Oid view)
{
	SeRowScan	rows;

	se_row_begin(&rows, &table, RowExclusiveLock, 1, view, 0);
	while (se_row_next(&rows))
	{
		announce(DatumGetObjectId(rows.values[COL_STREAM]));
		se_row_delete(&rows);
	}
	se_row_end(&rows);
	CommandCounterIncrement();
}
