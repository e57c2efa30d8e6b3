/*-------------------------------------------------------------------------
 *
 * views.c
 *	  The rows of a batch, applied to the views of their stream.
 *
 * Views run in the main transaction first.  Only when one throws does the
 * caller abort and come again carefully: then each view runs in a
 * subtransaction, and a batch that fails is halved until the record at fault
 * stands alone.  That view goes without it; the others count it.
 *
 * Crash: everything here is in the caller's one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "../clock.h"
#include "batch.h"

/* Windows of the view that end here or before are closed for the batch. */
static TimestampTz
closed_to(const SeIngest *ingest, const SeViewTarget *target)
{
	TimestampTz watermark = Max(ingest->watermark, target->idle_watermark);

	return Min(se_watermark_less(watermark, target->lateness_us),
			   target->others_closed);
}

/*
 * A row of one stream may join sessions of another.  So sessions of several streams
 * are open as long as they are for one of them.
 */
void
se_batch_read_others(SeIngest *ingest, SeViewTarget *target)
{
	ListCell   *lc;

	target->others_closed = DT_NOEND;
	if (!target->view->serial)
		return;
	foreach(lc, target->view->streams)
	{
		SeStream   *stream;
		TimestampTz closed;

		if (lfirst_oid(lc) == ingest->stream->relid)
			continue;
		stream = se_catalog_get_stream(lfirst_oid(lc), true);
		if (stream == NULL)
			continue;			/* being dropped, and the view with it */
		closed = se_watermark_less(se_watermark_next(stream),
								   se_watermark_lateness(target->view, stream));
		target->others_closed = Min(target->others_closed, closed);
	}
}

static void
apply_view(SeIngest *ingest, SeViewTarget *target, int low, int high)
{
	SeRowRange	range = {ingest->rows, low, high - low};
	TimestampTz closed = closed_to(ingest, target);
	int64		start = se_clock_us();

	/* then nothing has to look for late rows */
	range.in_time = ingest->min_event_time >= closed;
	target->groups += se_state_apply(target->state, &range, closed,
									 ingest->alone && list_length(target->view->streams) == 1,
									 &target->late_rows);
	target->rows += range.n;
	target->elapsed_us += se_clock_us() - start;
}

/*
 * Applies rows [low, high) in a subtransaction.  NULL: done.  Otherwise the
 * error, and nothing of these rows is in the view.
 */
static ErrorData *
try_view(SeIngest *ingest, SeViewTarget *target, int low, int high)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	int64		rows = target->rows;
	int64		groups = target->groups;
	int64		late_rows = target->late_rows;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		apply_view(ingest, target, low, high);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(ingest->batch_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		target->rows = rows;
		target->groups = groups;
		target->late_rows = late_rows;
		if (!se_ingest_is_poison(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

/* Halves what fails until single records stand alone. */
static void
apply_carefully(SeIngest *ingest, SeViewTarget *target, int low, int high)
{
	ErrorData  *error;
	int			middle;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	error = try_view(ingest, target, low, high);
	if (error == NULL)
		return;
	if (high - low == 1)
	{
		se_batch_reject(ingest, ingest->row_record[low], error->sqlerrcode,
						NULL, error->message, target->name);
		if (target->stats)
			pg_atomic_fetch_add_u64(&target->stats->errors, 1);
		return;
	}
	middle = low + (high - low) / 2;
	apply_carefully(ingest, target, low, middle);
	apply_carefully(ingest, target, middle, high);
}

void
se_batch_apply_views(SeIngest *ingest)
{
	if (ingest->n_rows == 0)
		return;
	for (int i = 0; i < ingest->n_views; i++)
	{
		SeViewTarget *target = &ingest->views[i];

		target->elapsed_us = 0;
		target->rows = 0;
		target->groups = 0;
		target->late_rows = 0;
		if (OidIsValid(ingest->only_view) &&
			target->view->relid != ingest->only_view)
			continue;
		if (ingest->careful)
			apply_carefully(ingest, target, 0, ingest->n_rows);
		else
			apply_view(ingest, target, 0, ingest->n_rows);
	}
}
