/*-------------------------------------------------------------------------
 *
 * feeder.c
 *	  The process that feeds the views on views of one stream.
 *
 * It is a worker process (worker.c) without a reader: what it reads are closed
 * windows (feed.c).  So a million rows that close at once do not stop the stream's
 * workers, who neither know nor wait for it.
 *
 * The loop is: wait, look whether a watermark has moved, and if so one transaction
 * for each view, sources first.  A look is a few rows of our own tables; it comes
 * five times a second while watermarks move, once a second when they do not, and
 * whenever something was announced.
 *
 * Locks: ACCESS SHARE on the stream, which waits for DROP and ALTER but not for
 * those who change something between two batches, as they would have the stream's
 * workers wait for a long step.  The views themselves are locked in feed.c.
 *
 * Errors are as a worker's: a row at fault is found by a careful step, what may
 * pass ends the process to be started again, and the rest fails the stream.
 *
 * Crash: fed_to and what was fed are of one transaction.  With asynchronous commit
 * the last transactions may be lost; those of the workers whose windows they took
 * in come before them in the log, so none of what is left has not happened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "feed.h"
#include "worker.h"

#define ACTIVE_NAP_MS 200
#define IDLE_NAP_MS 1000
#define ACTIVE_US 5000000		/* after the last step */
#define EXPIRE_INTERVAL_US 1000000
#define CAREFUL_US 60000000		/* one row at fault seldom comes alone */

typedef struct Feeder
{
	Oid			stream;
	SeFeeds    *feeds;			/* NULL: to be opened */
	/* se_clock_us() times */
	int64		fed_at_us;
	int64		expire_due_us;
	int64		careful_until_us;
} Feeder;

static void
begin(Feeder *feeder, const char *activity)
{
	se_worker_begin(activity);
	LockRelationOid(feeder->stream, AccessShareLock);
}

/* Opens them, again when something changed.  Leaves when there are none. */
static void
define(Feeder *feeder)
{
	SeFeeds    *old = feeder->feeds;

	(void) se_worker_definition(NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(TopMemoryContext);
	feeder->feeds = NULL;
	if (old != NULL)
		se_feeds_close(old);
	feeder->feeds = se_feeds_open(feeder->stream, InvalidOid);
	PopActiveSnapshot();
	if (se_feeds_count(feeder->feeds) > 0)
		return;
	se_worker_commit();
	se_worker_end();
}

/* Has a window closed somewhere? */
static bool
look(Feeder *feeder)
{
	bool		due = false;

	begin(feeder, "looking for closed windows");
	if (feeder->feeds == NULL || se_feeds_changed(feeder->feeds))
		define(feeder);
	for (int i = 0; i < se_feeds_count(feeder->feeds) && !due; i++)
		due = se_feeds_due(feeder->feeds, i);
	se_worker_commit();
	return due;
}

/* One step of one view.  False: something changed, or it must be careful. */
static bool
try_step(Feeder *feeder, int i)
{
	MemoryContext context = CurrentMemoryContext;
	bool		careful = se_clock_us() < feeder->careful_until_us;
	volatile bool done = false;

	PG_TRY();
	{
		begin(feeder, "feeding a view on a view");
		done = se_feeds_step(feeder->feeds, i, careful);
		se_worker_commit();
	}
	PG_CATCH();
	{
		if (careful || !se_ingest_is_poison(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		feeder->careful_until_us = se_clock_us() + CAREFUL_US;
	}
	PG_END_TRY();
	return done;
}

/* A step of each view, sources first. */
static void
feed(Feeder *feeder)
{
	for (int i = 0; i < se_feeds_count(feeder->feeds); i++)
	{
		se_worker_serve_interrupts(NULL);
		if (!try_step(feeder, i))
			return;				/* the next look finds it */
	}
	feeder->fed_at_us = se_clock_us();
}

static void
expire(Feeder *feeder)
{
	if (se_clock_us() < feeder->expire_due_us)
		return;
	feeder->expire_due_us = se_clock_us() + EXPIRE_INTERVAL_US;
	for (int i = 0; i < se_feeds_count(feeder->feeds); i++)
	{
		if (!se_feeds_has_ttl(feeder->feeds, i))
			continue;
		begin(feeder, "letting go of old groups");
		se_feeds_expire(feeder->feeds, i);
		se_worker_commit();
	}
}

static void
nap(Feeder *feeder)
{
	bool		active = se_clock_us() - feeder->fed_at_us < ACTIVE_US;
	int			rc;

	rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				   active ? ACTIVE_NAP_MS : IDLE_NAP_MS, PG_WAIT_EXTENSION);
	if (rc & WL_LATCH_SET)
		ResetLatch(MyLatch);
}

void
se_feeder_run(Oid stream)
{
	Feeder		feeder = {.stream = stream};

	for (;;)
	{
		se_worker_serve_interrupts(NULL);
		while (look(&feeder))
			feed(&feeder);
		se_worker_show_problem(NULL);
		expire(&feeder);
		nap(&feeder);
	}
}
