/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  A look into one database: which streams should run there?
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
want_worker(Oid relid, Oid owner, int worker_no, int n_workers)
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
				(errmsg("no slot is free for worker %d of stream %u",
						worker_no, relid),
				 errhint("Increase stream_ext.max_workers.")));
		return;
	}
	memset(free_slot, 0, sizeof(SeWorkerSlot));
	free_slot->state = SE_SLOT_WAITING;
	free_slot->wanted = true;
	free_slot->database = MyDatabaseId;
	free_slot->relid = relid;
	free_slot->owner = owner;
	free_slot->worker_no = worker_no;
	free_slot->n_workers = n_workers;
	free_slot->probe = se_shared->generation;
}

static void
match_slots(List *streams)
{
	ListCell   *lc;

	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	se_shared->generation++;
	foreach(lc, streams)
	{
		SeStream   *stream = lfirst(lc);
		Oid			owner = owner_of(stream->relid);

		if (stream->state != SE_STATE_RUNNING || stream->server == NULL ||
			!OidIsValid(owner) || !se_catalog_stream_is_home(stream))
			continue;
		for (int i = 0; i < stream->workers; i++)
			want_worker(stream->relid, owner, i, stream->workers);
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

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database),
											  InvalidOid, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (se_catalog_exists())
		streams = se_catalog_list_streams();
	match_slots(streams);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
