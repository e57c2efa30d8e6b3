/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  A look into one database: which streams should run there, which have
 *	  views on views, and which of their views are being backfilled?
 *
 * The probe lives for milliseconds.  It reads the extension's tables and
 * makes the worker slots of its database match them.  It runs none of the
 * users' code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "../catalog/catalog.h"
#include "../compat.h"
#include "../stats/stats.h"
#include "launcher.h"

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The slot of one worker; takes a free one when it has none. */
static void
want_worker(Oid relid, Oid view, bool feeds, Oid owner, int worker_no,
			int n_workers)
{
	SeWorkerSlot *free_slot = NULL;

	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if (slot->state == SE_SLOT_FREE)
		{
			free_slot = free_slot ? free_slot : slot;
			continue;
		}
		if (slot->database != MyDatabaseId || slot->relid != relid ||
			slot->view != view || slot->feeds != feeds ||
			slot->worker_no != worker_no)
			continue;
		/* one that is on its way out comes back after its end */
		if (slot->owner == owner && slot->n_workers == n_workers &&
			(slot->wanted || slot->state == SE_SLOT_WAITING))
		{
			slot->wanted = true;
			slot->probe = se_shared->generation;
		}
		return;
	}
	if (free_slot == NULL)
	{
		ereport(WARNING,
				(errmsg("no slot is free for worker %d of stream %u%s",
						worker_no, relid,
						feeds ? ", to feed its views on views" :
						OidIsValid(view) ? ", to backfill a view" : ""),
				 errhint("Increase stream_ext.max_workers.")));
		return;
	}
	memset(free_slot, 0, sizeof(SeWorkerSlot));
	free_slot->state = SE_SLOT_WAITING;
	free_slot->wanted = true;
	free_slot->database = MyDatabaseId;
	free_slot->relid = relid;
	free_slot->view = view;
	free_slot->feeds = feeds;
	free_slot->owner = owner;
	free_slot->worker_no = worker_no;
	free_slot->n_workers = n_workers;
	free_slot->probe = se_shared->generation;
}

static bool
should_run(const SeStream *stream, Oid owner)
{
	return stream->state == SE_STATE_RUNNING && stream->server != NULL &&
		OidIsValid(owner) && se_catalog_stream_is_home(stream);
}

/*
 * fed: those of the streams that have views on views.  backfilled: for each
 * stream the views that its topic is read again for.  These come last: streams go
 * first where slots are few.
 */
static void
match_slots(List *streams, List *fed, List *backfilled)
{
	ListCell   *lc;
	ListCell   *lc2;
	ListCell   *lc3;

	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	se_shared->generation++;
	foreach(lc, streams)
	{
		SeStream   *stream = lfirst(lc);
		Oid			owner = owner_of(stream->relid);

		if (!should_run(stream, owner))
			continue;
		for (int i = 0; i < stream->workers; i++)
			want_worker(stream->relid, InvalidOid, false, owner, i,
						stream->workers);
	}
	foreach(lc, fed)
	{
		SeStream   *stream = lfirst(lc);
		Oid			owner = owner_of(stream->relid);

		if (should_run(stream, owner))
			want_worker(stream->relid, InvalidOid, true, owner, 0, 1);
	}
	forboth(lc, streams, lc2, backfilled)
	{
		SeStream   *stream = lfirst(lc);
		List	   *views = lfirst(lc2);
		Oid			owner = owner_of(stream->relid);

		if (!should_run(stream, owner))
			continue;
		foreach(lc3, views)
			want_worker(stream->relid, lfirst_oid(lc3), false, owner, 0, 1);
	}
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if (slot->state == SE_SLOT_FREE || slot->database != MyDatabaseId ||
			slot->probe == se_shared->generation)
			continue;
		slot->wanted = false;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	if (se_shared->launcher_latch)
		SetLatch(se_shared->launcher_latch);
	LWLockRelease(se_shared->lock);
}

void
se_probe_main(Datum database)
{
	List	   *streams = NIL;
	List	   *fed = NIL;
	List	   *backfilled = NIL;
	ListCell   *lc;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database),
											  InvalidOid, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (se_catalog_exists())
		streams = se_catalog_list_streams();
	foreach(lc, streams)
	{
		SeStream   *stream = lfirst(lc);

		if (se_catalog_list_feeds(stream->relid) != NIL)
			fed = lappend(fed, stream);
		backfilled = lappend(backfilled,
							 se_catalog_list_backfilled(stream->relid));
	}
	match_slots(streams, fed, backfilled);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
