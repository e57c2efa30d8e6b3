/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  Tells workers and launcher about a change when it is committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "../stats/stats.h"
#include "launcher.h"

static List *announced = NIL;	/* of stream OIDs, in TopMemoryContext */

static void
at_end(XactEvent event, void *arg)
{
	ListCell   *lc;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			foreach(lc, announced)
				se_stats_notify(MyDatabaseId, lfirst_oid(lc));
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	list_free(announced);
	announced = NIL;
}

void
se_launcher_announce(Oid stream)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
		RegisterXactCallback(at_end, NULL);
	registered = true;
	old = MemoryContextSwitchTo(TopMemoryContext);
	announced = list_append_unique_oid(announced, stream);
	MemoryContextSwitchTo(old);
}
