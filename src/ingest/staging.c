/*-------------------------------------------------------------------------
 *
 * staging.c
 *	  The stream's recent rows: a ring of unlogged segments.
 *
 * The stream's table is an empty parent; its rows lie in a few children that
 * inherit from it.  One child is written; when it is full, or old, the next
 * one of the ring is emptied and written on.  Emptying takes effect at once,
 * outside the transaction, under a lock that is given back at once, so that
 * readers wait for milliseconds at most and no row is ever deleted singly.
 *
 * Where the ring takes no more than a quarter of shared_buffers, it lives
 * there: pages of an emptied segment are initialised and filled again, and
 * nothing is ever read or written.  A larger ring is cut to nothing and grown
 * again, through the small buffer ring of bulk writes, so that it does not
 * push out what others need.
 *
 * A segment that a reader still holds is left alone and another one taken;
 * when all are held, new rows are not staged (and counted as such) until one
 * is free: staging stays bounded whatever readers do.
 *
 * Crash: the segments come back empty.  Nothing depends on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/pg_inherits.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "../clock.h"
#include "ingest.h"

struct SeStaging
{
	int			n_segments;
	Oid			segments[SE_STAGING_SEGMENTS];
	int64		segment_max_rows;
	int64		segment_max_us; /* 0: no limit */
	SeStreamStats *stats;
	/* the running transaction's */
	Relation	rel;			/* segment being written, NULL: none */
	int			current;
	bool		blocked;		/* no segment is free: drop rows */
	BulkInsertState bulk;		/* NULL: the ring lives in shared buffers */
	MemoryContext context;		/* where bulk lives: as long as we do */
	CommandId	command;
};

SeStaging *
se_staging_open(Oid relid, int64 max_rows, int64 max_age_us,
				SeStreamStats *stats)
{
	SeStaging  *staging;
	List	   *children;
	ListCell   *lc;

	/* without counters in shared memory there is no ring to agree on */
	if (max_rows == 0 || stats == NULL)
		return NULL;
	staging = palloc0(sizeof(SeStaging));
	staging->context = CurrentMemoryContext;
	children = find_inheritance_children(relid, NoLock);
	foreach(lc, children)
	{
		if (staging->n_segments < SE_STAGING_SEGMENTS)
			staging->segments[staging->n_segments++] = lfirst_oid(lc);
	}
	if (staging->n_segments < 2)
		return NULL;
	/* all but the one being emptied count for the bounds */
	staging->segment_max_rows = Max(1, max_rows / (staging->n_segments - 1));
	staging->segment_max_us = max_age_us / (staging->n_segments - 1);
	staging->stats = stats;
	return staging;
}

static bool
segment_is_due(SeStaging *staging, int64 more_rows)
{
	SeStreamStats *stats = staging->stats;
	uint64		since = pg_atomic_read_u64(&stats->segment_since_us);

	if (pg_atomic_read_u64(&stats->segment_rows) + more_rows >
		(uint64) staging->segment_max_rows)
		return true;
	return staging->segment_max_us > 0 && since != 0 &&
		se_clock_us() - (int64) since > staging->segment_max_us;
}

/* Do all segments of this one's size fit? */
static bool
lives_in_buffers(const SeStaging *staging, Relation segment)
{
	return (uint64) RelationGetNumberOfBlocks(segment) * staging->n_segments <=
		NBuffers / 4;
}

static int
insert_options(const SeStaging *staging)
{
	return staging->bulk == NULL ? 0 : TABLE_INSERT_SKIP_FSM;
}

static void
close_segment(SeStaging *staging)
{
	if (staging->rel == NULL)
		return;
	table_finish_bulk_insert(staging->rel, insert_options(staging));
	if (staging->bulk != NULL)
		FreeBulkInsertState(staging->bulk);
	table_close(staging->rel, NoLock);
	staging->rel = NULL;
}

static bool
open_segment(SeStaging *staging, int number)
{
	Oid			relid = staging->segments[number % staging->n_segments];
	MemoryContext old;

	/* another worker empties it this moment at most */
	staging->rel = try_relation_open(relid, RowExclusiveLock);
	if (staging->rel == NULL)
		return false;
	staging->current = number;
	staging->bulk = NULL;
	if (!lives_in_buffers(staging, staging->rel))
	{
		old = MemoryContextSwitchTo(staging->context);
		staging->bulk = GetBulkInsertState();
		MemoryContextSwitchTo(old);
	}
	return true;
}

/* Nothing beside plain rows, all in pages of this one file? */
static bool
has_plain_pages_only(Relation rel)
{
	BlockNumber visible;
	BlockNumber frozen;

	if (rel->rd_rel->relhasindex)
		return false;
	if (OidIsValid(rel->rd_rel->reltoastrelid))
	{
		Relation	toast = table_open(rel->rd_rel->reltoastrelid,
									   AccessExclusiveLock);
		bool		used = RelationGetNumberOfBlocks(toast) > 0;

		table_close(toast, NoLock);
		if (used)
			return false;
	}
	/* somebody has vacuumed it */
	visibilitymap_count(rel, &visible, &frozen);
	return visible == 0 && frozen == 0;
}

/* What was on the page may stay there: nothing points to it any more. */
static void
clear_page(Page page, Size size)
{
	PageHeader	header = (PageHeader) page;

	if (PageIsNew(page) || header->pd_special != size)
	{
		PageInit(page, size, 0);
		return;
	}
	header->pd_flags = 0;
	header->pd_lower = SizeOfPageHeaderData;
	header->pd_upper = header->pd_special;
	header->pd_prune_xid = InvalidTransactionId;
}

/* Makes all pages empty ones, to be found through the free space map. */
static void
clear_pages(Relation rel)
{
	BlockNumber n = RelationGetNumberOfBlocks(rel);

	for (BlockNumber i = 0; i < n; i++)
	{
		Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, i,
												RBM_ZERO_AND_LOCK, NULL);
		Page		page = BufferGetPage(buffer);
		Size		space;

		clear_page(page, BufferGetPageSize(buffer));
		space = PageGetHeapFreeSpace(page);
		MarkBufferDirty(buffer);
		UnlockReleaseBuffer(buffer);
		RecordPageWithFreeSpace(rel, i, space);
	}
	FreeSpaceMapVacuum(rel);
}

/* Empties segment "number" if nobody holds it. */
static bool
empty_segment(SeStaging *staging, int from, int number)
{
	Oid			relid = staging->segments[number];
	Relation	rel;
	uint32		expected = from;
	bool		moved = false;

	if (!ConditionalLockRelationOid(relid, AccessExclusiveLock))
		return false;
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL)
	{
		/* an open cursor of our own transaction holds it, too */
		if (rel->rd_refcnt == 1 &&
			pg_atomic_compare_exchange_u32(&staging->stats->segment,
										   &expected, number))
		{
			if (lives_in_buffers(staging, rel) && has_plain_pages_only(rel))
				clear_pages(rel);
			else
				heap_truncate_one_rel(rel);
			pg_atomic_write_u64(&staging->stats->segment_rows, 0);
			pg_atomic_write_u64(&staging->stats->segment_since_us,
								se_clock_us());
			moved = true;
		}
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(relid, AccessExclusiveLock);
	return moved || expected != (uint32) from;
}

/* Moves the ring on.  False: every other segment is held by somebody. */
static bool
rotate(SeStaging *staging)
{
	int			from = pg_atomic_read_u32(&staging->stats->segment) %
		staging->n_segments;

	close_segment(staging);
	for (int i = 1; i < staging->n_segments; i++)
	{
		if (empty_segment(staging, from, (from + i) % staging->n_segments))
			return true;
	}
	return false;
}

void
se_staging_begin(SeStaging *staging)
{
	staging->rel = NULL;
	staging->bulk = NULL;
	staging->blocked = false;
	staging->command = GetCurrentCommandId(true);
}

void
se_staging_write(SeStaging *staging, TupleTableSlot **slots, int n)
{
	SeStreamStats *stats = staging->stats;
	int			number;

	if (!staging->blocked && segment_is_due(staging, n) && !rotate(staging))
		staging->blocked = true;
	if (staging->blocked)
	{
		pg_atomic_fetch_add_u64(&stats->unstaged, n);
		return;
	}
	number = pg_atomic_read_u32(&stats->segment) % staging->n_segments;
	if (staging->rel != NULL && staging->current != number)
		close_segment(staging);
	if (staging->rel == NULL && !open_segment(staging, number))
	{
		staging->blocked = true;
		return;
	}
	table_multi_insert(staging->rel, slots, n, staging->command,
					   insert_options(staging), staging->bulk);
	if (pg_atomic_fetch_add_u64(&stats->segment_rows, n) == 0)
		pg_atomic_write_u64(&stats->segment_since_us, se_clock_us());
}

void
se_staging_end(SeStaging *staging)
{
	close_segment(staging);
}

bool
se_staging_tick_due(SeStaging *staging)
{
	return staging && staging->segment_max_us > 0 &&
		segment_is_due(staging, 0);
}

void
se_staging_tick(SeStaging *staging)
{
	staging->rel = NULL;
	(void) rotate(staging);
}
