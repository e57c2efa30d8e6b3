/*-------------------------------------------------------------------------
 *
 * watermark.c
 *	  How far a stream's event time has come, and which windows are closed.
 *
 * The watermark of a stream is the least of its active partitions'.  A batch
 * reads it when it begins and goes by it to the end: rows that are late then are
 * dropped.  Each batch writes the watermark it went by ("closed_to") beside the
 * offsets that it moves, in the same transaction.  That has two uses:
 *
 *	  * The watermark never goes back, through restarts and when an idle
 *		partition comes to life again: it is at least the greatest closed_to.
 *
 *	  * Whoever reads results may know which windows will not change any more.
 *		The batches of one worker follow each other, so the next one of each
 *		worker goes by a watermark that is at least that of its last one.  The
 *		least of these over all workers is a bound for whatever is running.
 *
 * So a window closes without anything being written for it, and no worker waits
 * for another.  A worker that has no records writes its closed_to all the same
 * when the watermark has moved (see worker.c).
 *
 * Crash: what was not committed is recomputed, from the same stored values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "../window/window.h"
#include "ingest.h"

bool
se_watermark_is_idle(const SeStream *stream, const SePartition *partition)
{
	SePartitionStats *stats;

	/* What is fed by hand is caught up; the worker knows about the rest. */
	if (stream->server == NULL || partition->partition < 0)
		return partition->last_record_at <
			GetCurrentTimestamp() - se_window_duration(stream->idle_timeout);
	stats = se_stats_partition(MyDatabaseId, stream->relid,
							   partition->partition, false);
	return stats && pg_atomic_read_u32(&stats->idle) != 0;
}

bool
se_watermark_all_idle(const SeStream *stream)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *partitions = se_catalog_list_partitions(stream->relid);
	ListCell   *lc;

	foreach(lc, partitions)
	{
		SePartition *p = lfirst(lc);

		/* the worker's flag may be a moment old, the row is not */
		if (!se_watermark_is_idle(stream, p) ||
			p->last_record_at >= now - se_window_duration(stream->idle_timeout))
			return false;
	}
	return partitions != NIL;
}

TimestampTz
se_watermark_next(const SeStream *stream)
{
	TimestampTz closed = DT_NOBEGIN;
	TimestampTz active = DT_NOEND;
	TimestampTz all = DT_NOEND;
	List	   *partitions;
	ListCell   *lc;

	if (stream->watermark_delay == NULL)
		return DT_NOBEGIN;
	partitions = se_catalog_list_partitions(stream->relid);
	foreach(lc, partitions)
	{
		SePartition *p = lfirst(lc);

		closed = Max(closed, p->closed_to);
		if (!TIMESTAMP_IS_NOBEGIN(p->watermark))
			all = Min(all, p->watermark);
		if (!se_watermark_is_idle(stream, p))
			active = Min(active, p->watermark);
	}
	/* when all are idle, none of those that have read something is left behind */
	if (TIMESTAMP_IS_NOEND(active))
		active = all;
	return TIMESTAMP_IS_NOEND(active) ? closed : Max(closed, active);
}

int64
se_watermark_lateness(const SeView *view, const SeStream *stream)
{
	return se_window_duration(view->allowed_lateness ? view->allowed_lateness :
							  stream->allowed_lateness);
}

TimestampTz
se_watermark_less(TimestampTz watermark, int64 lateness_us)
{
	TimestampTz result;

	if (TIMESTAMP_NOT_FINITE(watermark) ||
		pg_sub_s64_overflow(watermark, lateness_us, &result) ||
		!IS_VALID_TIMESTAMP(result))
		return DT_NOBEGIN;
	return result;
}

TimestampTz
se_watermark_closed(const SeStream *stream, Snapshot snapshot)
{
	int			workers = stream->server ? stream->workers : 1;
	TimestampTz *closed = palloc(sizeof(TimestampTz) * workers);
	bool	   *reads = palloc0(sizeof(bool) * workers);
	TimestampTz result = DT_NOEND;
	List	   *partitions;
	ListCell   *lc;

	for (int i = 0; i < workers; i++)
		closed[i] = DT_NOBEGIN;
	partitions = se_catalog_list_partitions_at(stream->relid, snapshot);
	foreach(lc, partitions)
	{
		SePartition *p = lfirst(lc);
		int			worker = p->partition % workers;

		/* fed by hand, when no worker runs a batch */
		if (p->partition < 0 && stream->server)
			continue;
		closed[worker] = Max(closed[worker], p->closed_to);
		reads[worker] = true;
	}
	for (int i = 0; i < workers; i++)
		if (reads[i])
			result = Min(result, closed[i]);
	pfree(closed);
	pfree(reads);
	return TIMESTAMP_IS_NOEND(result) ? DT_NOBEGIN : result;
}
