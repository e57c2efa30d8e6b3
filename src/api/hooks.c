/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Follows DROP TABLE, DROP VIEW, DROP SCHEMA and DROP OWNED.
 *
 * Streams and views are ordinary relations, so users may drop them by any
 * means PostgreSQL has.  Our rows about them go in the same transaction.
 *
 * Their counters in shared memory know no rollback.  They are given back when
 * it is certain that the relation is gone: when the transaction that dropped
 * it commits, or the one that made it does not, in whole or in part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "../catalog/catalog.h"
#include "../launcher/launcher.h"
#include "../stats/stats.h"
#include "api.h"

static object_access_hook_type previous_hook = NULL;

/* Streams and views of this transaction, in TopMemoryContext. */
static List *made = NIL;
static bool made_unlogged = false;
static List *dropped = NIL;

static void
forget(List *relids, bool only_missing)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);

		if (!only_missing ||
			!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
			se_stats_forget(MyDatabaseId, relid);
	}
}

/*
 * A transaction that made unlogged tables is rolled back: its record goes to disk
 * before the files are removed.  Otherwise a crash could leave a server that finds
 * the tables made in its log, but not what became of them, and their init files in
 * the way of making them again, so that it does not start.
 */
static void
flush_abort(void)
{
	XLogRecPtr	end;

	if (!made_unlogged || RecoveryInProgress())
		return;
	/* behind a full page this is where the next record goes, after a header */
	end = GetXLogInsertRecPtr();
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	XLogFlush(end);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		flush_abort();
}

void
se_api_note_unlogged(void)
{
	made_unlogged = true;
}

static void
at_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			forget(made, true);
			forget(dropped, true);
			return;
		case XACT_EVENT_ABORT:
			flush_abort();
			forget(made, false);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	se_api_forget_dropped_views();
	list_free(made);
	list_free(dropped);
	made = dropped = NIL;
	made_unlogged = false;
}

static void
remember(List **relids, Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	*relids = list_append_unique_oid(*relids, relid);
	MemoryContextSwitchTo(old);
}

void
se_api_note_made(Oid relid)
{
	remember(&made, relid);
}

static void
follow_drop(ObjectAccessType access, Oid classid, Oid objectid, int subid,
			void *arg)
{
	SeView	   *view;

	if (previous_hook)
		previous_hook(access, classid, objectid, subid, arg);
	if (access != OAT_DROP || classid != RelationRelationId || subid != 0 ||
		creating_extension || !OidIsValid(MyDatabaseId) ||
		IsBootstrapProcessingMode() || !se_catalog_exists())
		return;
	view = se_catalog_get_view(objectid, true);
	if (view != NULL)
		se_api_note_view_dropped(view->relid, view->state);
	if (se_catalog_forget_relation(objectid))
	{
		se_launcher_announce(objectid);
		remember(&dropped, objectid);
	}
}

void
se_api_hooks_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = follow_drop;
	RegisterXactCallback(at_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
