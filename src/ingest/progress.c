/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far the partitions of one reader have come.
 *
 * "stored" is what the table holds and every other reader of it sees;
 * next_offset and max_event_time run ahead of it within a batch and fall back
 * to it when the batch is given up.  The watermark of a partition is the
 * highest event time seen less the delay and never goes back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ingest.h"

SeProgress *
se_progress_create(const SeStream *stream, Oid view)
{
	SeProgress *progress = palloc0(sizeof(SeProgress));

	progress->relid = stream->relid;
	progress->view = view;
	progress->context = CurrentMemoryContext;
	progress->watermark = DT_NOBEGIN;
	if (stream->watermark_delay)
	{
		progress->has_delay = true;
		progress->delay = *stream->watermark_delay;
	}
	return progress;
}

SePosition *
se_progress_add(SeProgress *progress, const SePartition *stored)
{
	SePosition *position;

	Assert(progress->n == 0 ||
		   progress->positions[progress->n - 1].stored.partition <
		   stored->partition);
	if (progress->n == progress->allocated)
	{
		int			size = Max(8, progress->allocated * 2);

		if (progress->positions == NULL)
			progress->positions = MemoryContextAlloc(progress->context,
													 size * sizeof(SePosition));
		else
			progress->positions = repalloc(progress->positions,
										   size * sizeof(SePosition));
		progress->allocated = size;
	}
	position = &progress->positions[progress->n++];
	memset(position, 0, sizeof(SePosition));
	position->stored = *stored;
	position->next_offset = stored->next_offset;
	position->max_event_time = DT_NOBEGIN;
	position->silent_since = GetCurrentTimestamp();
	position->end_offset = SE_NO_END;
	if (!OidIsValid(progress->view))
		position->stats = se_stats_partition(MyDatabaseId, progress->relid,
											 stored->partition, true);
	if (position->stats)
		pg_atomic_write_u64(&position->stats->next_offset,
							stored->next_offset);
	progress->last = NULL;
	return position;
}

SePosition *
se_progress_find(SeProgress *progress, int32 partition)
{
	int			low = 0;
	int			high = progress->n;

	if (progress->last && progress->last->stored.partition == partition)
		return progress->last;
	while (low < high)
	{
		int			mid = (low + high) / 2;

		if (progress->positions[mid].stored.partition < partition)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == progress->n ||
		progress->positions[low].stored.partition != partition)
		return NULL;
	progress->last = &progress->positions[low];
	return progress->last;
}

static int
compare_offsets(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

bool
se_progress_wants(SePosition *position, int64 offset)
{
	/* read before, under an earlier assignment: it counts already */
	if (offset < position->next_offset)
		return false;
	if (offset >= position->end_offset && position->end_offset != SE_NO_END)
	{
		position->next_offset = position->end_offset;
		return false;
	}
	if (position->n_passed > 0 &&
		bsearch(&offset, position->passed, position->n_passed, sizeof(int64),
				compare_offsets) != NULL)
	{
		position->next_offset = offset + 1;
		return false;
	}
	return true;
}

void
se_progress_note(SeProgress *progress, SePosition *position, int64 offset,
				 TimestampTz event_time)
{
	position->seen = true;
	if (offset >= position->next_offset)
		position->next_offset = offset + 1;
	if (event_time > position->max_event_time)
		position->max_event_time = event_time;
}

static TimestampTz
new_watermark(SeProgress *progress, SePosition *position)
{
	TimestampTz watermark;
	int64		delay;

	if (!progress->has_delay ||
		TIMESTAMP_IS_NOBEGIN(position->max_event_time))
		return position->stored.watermark;
	/* days of 24 hours, in any time zone; none before the beginning of time */
	if (pg_mul_s64_overflow(progress->delay.day, USECS_PER_DAY, &delay) ||
		pg_add_s64_overflow(delay, progress->delay.time, &delay) ||
		pg_sub_s64_overflow(position->max_event_time, delay, &watermark) ||
		!IS_VALID_TIMESTAMP(watermark))
		return position->stored.watermark;
	return Max(watermark, position->stored.watermark);
}

static void
save_backfill(const SeProgress *progress, const SePosition *position)
{
	SeBackfillPart part;

	part.view = progress->view;
	part.partition = position->stored.partition;
	part.next_offset = position->next_offset;
	part.end_offset = position->end_offset;
	se_catalog_advance_backfill(&part, position->stored.next_offset);
}

/* Writes what moved.  The stored copy follows at se_progress_committed(). */
void
se_progress_save(SeProgress *progress)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < progress->n; i++)
	{
		SePosition *position = &progress->positions[i];
		SePartition row = position->stored;

		if (position->next_offset == position->stored.next_offset)
			continue;
		if (OidIsValid(progress->view))
		{
			save_backfill(progress, position);
			continue;
		}
		row.next_offset = position->next_offset;
		row.watermark = new_watermark(progress, position);
		row.closed_to = Max(row.closed_to, progress->watermark);
		if (position->seen)
			row.last_record_at = now;
		se_catalog_advance_partition(&row, position->stored.next_offset);
	}
}

bool
se_progress_close(SeProgress *progress, TimestampTz watermark)
{
	SePosition *position = progress->positions;

	if (progress->n == 0 || position->stored.closed_to >= watermark)
		return false;
	position->stored.closed_to = watermark;
	se_catalog_advance_partition(&position->stored,
								 position->stored.next_offset);
	return true;
}

void
se_progress_committed(SeProgress *progress)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < progress->n; i++)
	{
		SePosition *position = &progress->positions[i];

		if (position->next_offset != position->stored.next_offset)
		{
			position->stored.watermark = new_watermark(progress, position);
			position->stored.next_offset = position->next_offset;
			position->stored.closed_to = Max(position->stored.closed_to,
											 progress->watermark);
			if (position->seen)
				position->stored.last_record_at = now;
			if (position->stats)
				pg_atomic_write_u64(&position->stats->next_offset,
									position->next_offset);
		}
		position->max_event_time = DT_NOBEGIN;
		position->seen = false;
	}
}

void
se_progress_reset(SeProgress *progress)
{
	for (int i = 0; i < progress->n; i++)
	{
		SePosition *position = &progress->positions[i];

		position->next_offset = position->stored.next_offset;
		position->max_event_time = DT_NOBEGIN;
		position->seen = false;
	}
}
