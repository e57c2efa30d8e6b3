/*-------------------------------------------------------------------------
 *
 * closing.c
 *	  What the passing of time does to views: between batches, without rows.
 *
 * A window closes by the stream's watermark alone (watermark.c): batches leave
 * late rows out and readers of closed windows wait for it, and nothing is written
 * for it into the state.  Two things have to be done all the same:
 *
 *	  close_on_idle	The last windows of a stream at rest would stay open until
 *				its next row.  When no partition is active, such a view gets a
 *				watermark of its own, at which the last window that its state
 *				has is closed.  Its batches go by the greater of the two.  One
 *				that runs meanwhile would count rows into windows that readers
 *				take for final: so this excludes batches, by a lock that it
 *				only tries to get and keeps until the commit.  A batch before
 *				it is seen by se_watermark_all_idle, one after it reads the new
 *				watermark.
 *
 *	  state_ttl	Groups that the watermark has passed leave (state/expire.c): the
 *				one that readers go by, of a view of several streams the least.
 *
 * Crash: all is in the caller's one transaction, and follows from what is stored:
 * the watermark, and the state.  What was not committed is found again by whoever
 * looks next; what was is not done twice, as a view's watermark only grows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/int.h"
#include "storage/lmgr.h"

#include "batch.h"
#include "feed.h"

bool
se_ingest_has_closing(SeIngest *ingest)
{
	for (int i = 0; i < ingest->n_views; i++)
		if (ingest->views[i].view->late_sql != NULL ||
			ingest->views[i].view->state_ttl != NULL)
			return true;
	return false;
}

/*
 * What readers know of all streams of a view.  It shows no window that they see
 * gone, and the panes of others must be there.
 */
static TimestampTz
least_watermark(const SeView *view)
{
	TimestampTz result = DT_NOEND;
	ListCell   *lc;

	foreach(lc, view->streams)
	{
		SeStream   *stream = se_catalog_get_stream(lfirst_oid(lc), true);

		if (stream != NULL)
			result = Min(result, se_watermark_closed(stream, NULL));
	}
	return result;
}

void
se_ingest_expire(SeIngest *ingest)
{
	/* readers get to know of both at once: the watermark and what is gone */
	CommandCounterIncrement();
	for (int i = 0; i < ingest->n_views; i++)
	{
		SeViewTarget *target = &ingest->views[i];

		if (target->view->state_ttl != NULL)
			se_state_expire(target->state,
							se_feeds_leave_to(target->view,
											  least_watermark(target->view)));
	}
}

static void
close_last_windows(SeIngest *ingest, SeViewTarget *target)
{
	TimestampTz end = se_state_last_end(target->state);
	TimestampTz watermark;

	if (TIMESTAMP_NOT_FINITE(end) ||
		pg_add_s64_overflow(end, target->lateness_us, &watermark) ||
		!IS_VALID_TIMESTAMP(watermark) ||
		watermark <= se_watermark_next(ingest->stream) ||
		watermark <= se_catalog_idle_watermark(target->view->relid, NULL))
		return;
	se_catalog_set_idle_watermark(target->view->relid, watermark);
}

void
se_ingest_close_idle(SeIngest *ingest)
{
	bool		wanted = false;

	for (int i = 0; i < ingest->n_views; i++)
		wanted |= ingest->views[i].view->ends_sql != NULL;
	if (!wanted || ingest->closed_idle ||
		!se_watermark_all_idle(ingest->stream))
		return;
	/* until we commit, no other worker begins a batch */
	if (!ConditionalLockRelationOid(ingest->stream->relid,
									ShareRowExclusiveLock) ||
		!se_watermark_all_idle(ingest->stream))
		return;
	for (int i = 0; i < ingest->n_views; i++)
		if (ingest->views[i].view->ends_sql)
			close_last_windows(ingest, &ingest->views[i]);
	ingest->closed_idle = true;
}
