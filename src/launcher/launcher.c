/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Starts, stops and restarts the workers of all streams of the server.
 *
 * One static process, connected to no database.  What should run is in the
 * tables of each database; a short-lived probe (probe.c) reads them and fills
 * the slots in shared memory.  The launcher makes processes match slots:
 *
 *		FREE -> WAITING -> STARTING -> RUNNING -> WAITING (it died)
 *		  ^________________________________|____ (no longer wanted)
 *
 * It learns of changes by its latch: a commit announces its database, a
 * worker that ends sends SIGUSR1.  It never polls while nothing happens.
 *
 * A worker that dies early is started again with a delay that doubles, plus a
 * random part so that many do not come back at once.
 *
 * Crash: after a crash of the server shared memory is new, every database is
 * probed, everything starts again.  If only the launcher dies, the workers
 * go on; the new launcher takes over their slots by pid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../guc.h"
#include "../stats/stats.h"
#include "launcher.h"

#define FIRST_DELAY_US 200000
#define LONGEST_DELAY_US 30000000
#define HEALTHY_US 10000000		/* who lived that long starts at once */
#define NO_PROCESS_DELAY_US 2000000

typedef struct Child
{
	BackgroundWorkerHandle *handle;
	int64		started_us;
} Child;

static Child *children;			/* per slot */
static BackgroundWorkerHandle *probe = NULL;
static Oid	probed = InvalidOid;

void
se_launcher_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "stream_ext", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "se_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "stream_ext launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "stream_ext launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/* ---- databases to look into ---- */

static void
add_dirty(Oid database)
{
	for (int i = 0; i < se_shared->n_dirty; i++)
		if (se_shared->dirty[i] == database)
			return;
	if (se_shared->n_dirty < SE_MAX_DIRTY_DATABASES)
		se_shared->dirty[se_shared->n_dirty++] = database;
	else
		se_shared->all_dirty = true;
}

/* Databases that can be connected to, templates left out. */
static List *
list_databases(void)
{
	List	   *databases = NIL;
	MemoryContext context = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database db = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!db->datallowconn || db->datistemplate)
			continue;
		old = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, db->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/* When everything is dirty, or more than we had room for. */
static List *all_databases = NIL;

static Oid
next_dirty(void)
{
	Oid			database = InvalidOid;
	bool		all;

	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	all = se_shared->all_dirty;
	se_shared->all_dirty = false;
	if (se_shared->n_dirty > 0)
		database = se_shared->dirty[--se_shared->n_dirty];
	LWLockRelease(se_shared->lock);

	if (all)
	{
		list_free(all_databases);
		all_databases = list_databases();
	}
	if (!OidIsValid(database) && all_databases != NIL)
	{
		database = linitial_oid(all_databases);
		all_databases = list_delete_first(all_databases);
	}
	return database;
}

static bool
start_process(const char *function, const char *name, const char *type,
			  Datum arg, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "stream_ext", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	strlcpy(worker.bgw_type, type, BGW_MAXLEN);
	worker.bgw_main_arg = arg;
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* A dropped database: nothing of it is wanted any more. */
static void
give_up_database(Oid database)
{
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		if (se_slots[i].state == SE_SLOT_FREE ||
			se_slots[i].database != database)
			continue;
		se_slots[i].wanted = false;
		if (se_slots[i].latch)
			SetLatch(se_slots[i].latch);
	}
	LWLockRelease(se_shared->lock);
	se_stats_forget_database(database);
}

static bool
database_exists(Oid database)
{
	List	   *databases = list_databases();
	bool		exists = list_member_oid(databases, database);

	list_free(databases);
	return exists;
}

/* One probe at a time.  Returns false when it must be tried again. */
static bool
run_probes(void)
{
	pid_t		pid;

	if (probe != NULL)
	{
		if (GetBackgroundWorkerPid(probe, &pid) != BGWH_STOPPED)
			return true;
		pfree(probe);
		probe = NULL;
	}
	probed = next_dirty();
	if (!OidIsValid(probed))
		return true;
	if (!database_exists(probed))
	{
		give_up_database(probed);
		return false;			/* on to the next one */
	}
	if (start_process("se_probe_main", "stream_ext probe", "stream_ext probe",
					  ObjectIdGetDatum(probed), &probe))
		return true;
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	add_dirty(probed);
	LWLockRelease(se_shared->lock);
	return false;
}

/* ---- workers ---- */

static bool
has_ended(int i)
{
	pid_t		pid;

	if (children[i].handle != NULL)
		return GetBackgroundWorkerPid(children[i].handle, &pid) == BGWH_STOPPED;
	/* started by a launcher before us: the worker clears its pid */
	return se_slots[i].pid == 0 &&
		se_clock_us() - children[i].started_us > HEALTHY_US;
}

/* Probes are started before this in a round: there must be another one. */
static void
probe_again(Oid database)
{
	add_dirty(database);
	SetLatch(MyLatch);
}

static void
note_end(int i)
{
	SeWorkerSlot *slot = &se_slots[i];
	int64		now = se_clock_us();

	if (children[i].handle)
		pfree(children[i].handle);
	children[i].handle = NULL;
	slot->pid = 0;
	slot->latch = NULL;
	if (!slot->wanted)
	{
		slot->state = SE_SLOT_FREE;
		probe_again(slot->database);
		return;
	}
	slot->state = SE_SLOT_WAITING;
	if (now - children[i].started_us > HEALTHY_US)
		slot->failures = 0;
	slot->not_before_us = now +
		Min(LONGEST_DELAY_US, (int64) FIRST_DELAY_US << Min(slot->failures, 10));
	slot->not_before_us += (int64) (pg_prng_double(&pg_global_prng_state) *
									(slot->not_before_us - now) / 4);
	/* perhaps its stream or database is gone */
	if (slot->failures > 0)
		probe_again(slot->database);
	slot->failures++;
	slot->waiting_for = "restart after an error";
}

static void
start_worker(int i)
{
	SeWorkerSlot *slot = &se_slots[i];
	char		name[BGW_MAXLEN];

	if (slot->feeds)
		snprintf(name, sizeof(name), "stream_ext feed %u/%u", slot->database,
				 slot->relid);
	else if (OidIsValid(slot->view))
		snprintf(name, sizeof(name), "stream_ext backfill %u/%u/%u",
				 slot->database, slot->relid, slot->view);
	else
		snprintf(name, sizeof(name), "stream_ext worker %u/%u/%d",
				 slot->database, slot->relid, slot->worker_no);
	children[i].started_us = se_clock_us();
	if (start_process("se_worker_main", name,
					  slot->feeds ? "stream_ext feed" :
					  OidIsValid(slot->view) ? "stream_ext backfill" :
					  "stream_ext worker",
					  Int32GetDatum(i), &children[i].handle))
	{
		slot->state = SE_SLOT_STARTING;
		slot->waiting_for = NULL;
		return;
	}
	children[i].handle = NULL;
	slot->waiting_for = "a free process (max_worker_processes)";
	slot->not_before_us = children[i].started_us + NO_PROCESS_DELAY_US;
}

/* Makes processes match slots.  Returns ms until something is due, or -1. */
static long
run_workers(void)
{
	int64		next = -1;
	int64		now = se_clock_us();

	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if ((slot->state == SE_SLOT_STARTING ||
			 slot->state == SE_SLOT_RUNNING) && has_ended(i))
			note_end(i);
		if (slot->state == SE_SLOT_WAITING && !slot->wanted)
			slot->state = SE_SLOT_FREE;
		if (slot->state != SE_SLOT_WAITING || !se_guc_enabled)
			continue;
		if (slot->not_before_us <= now)
			start_worker(i);
		if (slot->state == SE_SLOT_WAITING &&
			(next < 0 || slot->not_before_us < next))
			next = slot->not_before_us;
	}
	LWLockRelease(se_shared->lock);
	return next < 0 ? -1 : Max(1, (next - se_clock_us()) / 1000 + 1);
}

/* ---- the process ---- */

static void
leave(int code, Datum arg)
{
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	if (se_shared->launcher_pid == MyProcPid)
	{
		se_shared->launcher_pid = 0;
		se_shared->launcher_latch = NULL;
	}
	LWLockRelease(se_shared->lock);
}

static void
enter(void)
{
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	se_shared->launcher_pid = MyProcPid;
	se_shared->launcher_latch = MyLatch;
	se_shared->all_dirty = true;
	LWLockRelease(se_shared->lock);
	before_shmem_exit(leave, (Datum) 0);
}

void
se_launcher_main(Datum arg)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	children = MemoryContextAllocZero(TopMemoryContext,
									  sizeof(Child) * se_shared->n_slots);
	for (int i = 0; i < se_shared->n_slots; i++)
		children[i].started_us = se_clock_us();
	CurrentMemoryContext = TopMemoryContext;
	enter();

	for (;;)
	{
		bool		probing;
		long		timeout;
		int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		/* started again, unless the server is stopping */
		if (ShutdownRequestPending)
			proc_exit(1);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		probing = run_probes();
		timeout = run_workers();
		if (!probing && (timeout < 0 || timeout > 1000))
			timeout = 1000;
		if (timeout >= 0)
			events |= WL_TIMEOUT;
		(void) WaitLatch(MyLatch, events, timeout, PG_WAIT_EXTENSION);
	}
}
