/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The worker process: one reader of some partitions of one stream, or of
 *	  those that the backfill of one view has yet to read (backfill.c); or the
 *	  process that feeds the stream's views on views (feeder.c).
 *
 * The loop is: wait, poll, and for what came one transaction
 *
 *		BEGIN
 *		  lock the stream against DDL
 *		  decode, stage, views, dead letters
 *		  offsets and watermarks
 *		COMMIT
 *
 * This file holds the extension's only begin and commit.  No transaction and
 * no snapshot is held while waiting.  Every wait is on the latch, so SIGTERM
 * ends the process at once; nothing here blocks inside the client library.
 *
 * Errors end the process with exit code 1 after the abort; the launcher
 * starts it again with a growing delay.  Errors that would come again for
 * ever, or would lose records, put the stream into state "failed" with the
 * reason; its offsets stay.  When a record is at fault, the batch is read
 * again and applied carefully, which sets that record aside (batch.c).
 * A backfill never fails its stream: it shows the reason in stream.views and
 * is started again, until its view is dropped.
 *
 * Crash at any point: the transaction's results and offsets are both gone or
 * both there.  Commits are asynchronous: the last ones may be lost together,
 * and Kafka still has their records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../compat.h"
#include "../guc.h"
#include "../security/security.h"
#include "worker.h"

#define WATCH_INTERVAL_US 200000	/* how often figures are refreshed */
#define FREED_MEMORY_KEPT (32 * 1024 * 1024)

static SeWorkerSlot *slot;

/* ---- coming and going ---- */

static void
leave(int code, Datum arg)
{
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < se_shared->n_partitions; i++)
		if (se_partition_stats[i].worker_pid == MyProcPid)
			se_partition_stats[i].worker_pid = 0;
	if (slot->pid == MyProcPid)
	{
		slot->pid = 0;
		slot->latch = NULL;
	}
	if (se_shared->launcher_latch)
		SetLatch(se_shared->launcher_latch);
	LWLockRelease(se_shared->lock);
}

/* The slot may have been given up between registration and start. */
static void
enter(void)
{
	bool		stale;

	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	stale = slot->state == SE_SLOT_FREE || !slot->wanted || slot->pid != 0;
	if (!stale)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		slot->state = SE_SLOT_RUNNING;
	}
	LWLockRelease(se_shared->lock);
	if (stale)
		proc_exit(0);
	before_shmem_exit(leave, (Datum) 0);
}

static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_USERSET, PGC_S_SESSION);
}

static void
configure_session(void)
{
	char		work_mem[32];

	set_option("synchronous_commit", se_guc_synchronous_commit ? "on" : "off");
	set_option("jit", "off");
	set_option("max_parallel_workers_per_gather", "0");
	set_option("application_name", "stream_ext");
	/* before postgresql.conf, behind ALTER DATABASE and ALTER ROLE */
	snprintf(work_mem, sizeof(work_mem), "%d", se_guc_work_mem_kb);
	SetConfigOption("work_mem", work_mem, PGC_USERSET, PGC_S_GLOBAL);
}

/* ---- transactions ---- */

void
se_worker_begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);
	StartTransactionCommand();
}

void
se_worker_commit(void)
{
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Is this process still to run, for this stream in this way? */
static bool
is_wanted(const SeStream *stream)
{
	if (stream == NULL || stream->state != SE_STATE_RUNNING ||
		!se_catalog_stream_is_home(stream) || stream->server == NULL ||
		se_security_owner(slot->relid) != slot->owner)
		return false;
	if (slot->feeds)
		return true;
	if (OidIsValid(slot->view))
		return se_catalog_get_view(slot->view, true) != NULL;
	return stream->workers == slot->n_workers;
}

SeStream *
se_worker_definition(SeReader *reader)
{
	HeapTuple	tuple;
	SeStream   *stream;

	LockRelationOid(slot->relid, AccessShareLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(slot->relid));
	if (!HeapTupleIsValid(tuple))
		proc_exit(0);			/* dropped */
	ReleaseSysCache(tuple);
	if (!se_catalog_exists())
		proc_exit(0);
	stream = se_catalog_get_stream(slot->relid, true);
	if (!is_wanted(stream))
	{
		if (reader != NULL)
			se_reader_close(reader, true);
		se_worker_commit();
		proc_exit(0);
	}
	return stream;
}

/* Reads the definition, again when it changed. */
static void
load_definition(SeReader *reader)
{
	se_worker_begin("reading the definition of a stream");
	(void) se_worker_definition(reader);
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(TopMemoryContext);
	se_reader_define(reader, slot->relid);
	PopActiveSnapshot();
	se_worker_commit();
}

/* ---- backfills and feeds ---- */

void
se_worker_show_problem(const char *reason)
{
	/* only we write there */
	if (reason == NULL && slot->problem[0] == '\0')
		return;
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	strlcpy(slot->problem, reason ? reason : "", sizeof(slot->problem));
	LWLockRelease(se_shared->lock);
}

void
se_worker_end(void)
{
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	slot->wanted = false;
	LWLockRelease(se_shared->lock);
	proc_exit(0);
}

/* All is read. */
static void
end_backfill(SeReader *reader)
{
	char	   *name;

	se_worker_begin("ending the backfill of a view");
	name = get_rel_name(slot->view);
	ereport(LOG,
			(errmsg("backfill of view \"%s\" is done", name ? name : "")));
	se_worker_commit();
	se_reader_close(reader, true);
	se_worker_end();
}

/* ---- batches ---- */

static SeBatchResult
ingest_batch(SeReader *reader)
{
	int64		start = se_clock_us();

	se_ingest_begin(reader->ingest, reader->progress, reader->careful,
					slot->view);
	do
		se_ingest_add(reader->ingest, reader->records, reader->n_records);
	while (se_reader_poll_more(reader, start));
	return se_ingest_finish(reader->ingest);
}

/* One batch.  False: the definition changed before it took any record. */
static bool
run_batch(SeReader *reader, SeBatchResult *result)
{
	SeLimits   *limits = se_ingest_limits(reader->ingest);

	se_worker_begin("applying a batch");
	if (!se_ingest_lock(reader->ingest))
	{
		se_worker_commit();
		return false;
	}
	if (limits->statement_timeout_ms > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, limits->statement_timeout_ms);
	memset(result, 0, sizeof(*result));
	if (reader->n_records > 0)
		*result = ingest_batch(reader);
	se_reader_pass_ends(reader);
	PushActiveSnapshot(GetTransactionSnapshot());
	se_progress_save(reader->progress);
	PopActiveSnapshot();
	if (limits->statement_timeout_ms > 0)
		disable_timeout(STATEMENT_TIMEOUT, false);
	se_worker_commit();
	return true;
}

/*
 * Applies the batch whose first records are there.  When a record is at fault
 * it is read again, carefully.
 */
static void
apply_batch(SeReader *reader)
{
	MemoryContext context = CurrentMemoryContext;
	int64		start = se_clock_us();
	SeBatchResult result;
	volatile bool rewind = false;

	PG_TRY();
	{
		while (!run_batch(reader, &result))
			load_definition(reader);
	}
	PG_CATCH();
	{
		if (reader->careful || !se_ingest_is_poison(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		rewind = true;
	}
	PG_END_TRY();
	if (rewind)
	{
		se_reader_rewind(reader);
		return;
	}
	se_progress_committed(reader->progress);
	se_ingest_count(reader->ingest, &result, se_clock_us() - start);
	se_reader_committed(reader, start, result.rows);
	se_worker_show_problem(NULL);
}

/* ---- the loop ---- */

void
se_worker_serve_interrupts(SeReader *reader)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		configure_session();
	}
	if (!slot->wanted || !se_guc_enabled)
	{
		if (reader != NULL)
			se_reader_close(reader, true);
		proc_exit(0);
	}
}

/* Did DDL on the stream commit while we were idle? */
static void
check_definition(SeReader *reader)
{
	bool		same;

	se_worker_begin("checking the definition of a stream");
	same = se_ingest_lock(reader->ingest);
	se_worker_commit();
	if (!same)
		load_definition(reader);
}

/* False: the definition changed, or news of that may have been lost. */
static bool
close_windows(SeReader *reader)
{
	bool		same;

	se_worker_begin("closing windows");
	same = se_ingest_lock(reader->ingest);
	if (same)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		se_reader_close_windows(reader);
		PopActiveSnapshot();
	}
	se_worker_commit();
	return same;
}

static void
tick(SeReader *reader)
{
	if (se_staging_tick_due(se_ingest_staging(reader->ingest)))
	{
		se_worker_begin("emptying old staging segments");
		se_staging_tick(se_ingest_staging(reader->ingest));
		se_worker_commit();
	}
	if (se_reader_closing_due(reader) && !close_windows(reader))
		load_definition(reader);
	if (se_reader_partitions_due(reader))
	{
		se_worker_begin("looking for partitions");
		PushActiveSnapshot(GetTransactionSnapshot());
		se_reader_find_partitions(reader);
		PopActiveSnapshot();
		se_worker_commit();
	}
}

/* Sleeps until there is something to do; the reader knows until when. */
static void
nap(SeReader *reader)
{
	bool		on_socket;
	long		timeout = se_reader_timeout_ms(reader, &on_socket);
	int			events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
	int			rc;

	if (timeout <= 0)
		return;
	if (on_socket)
		rc = WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE,
							   se_reader_fd(reader), timeout,
							   PG_WAIT_EXTENSION);
	else
		rc = WaitLatch(MyLatch, events, timeout, PG_WAIT_EXTENSION);
	if (rc & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		se_worker_serve_interrupts(reader);
		check_definition(reader);
	}
}

static void
run(SeReader *reader)
{
	int64		watched_at = 0;

	load_definition(reader);
	for (;;)
	{
		se_worker_serve_interrupts(reader);
		tick(reader);
		if (se_reader_is_done(reader))
			end_backfill(reader);
		if (se_reader_may_start(reader))
		{
			se_reader_poll(reader);
			if (reader->n_records > 0 || se_reader_ends_moved(reader))
				apply_batch(reader);
		}
		if (se_clock_us() - watched_at > WATCH_INTERVAL_US)
		{
			se_reader_watch(reader);	/* raises fatal problems */
			watched_at = se_clock_us();
		}
		nap(reader);
	}
}

/* ---- errors ---- */

/* Errors that would come back at each try, or that reading on would hide. */
static bool
is_fatal(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return sqlstate != SE_ERRCODE_FENCED;
	}
}

/* The reason as status shows it. */
static char *
describe_error(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->context)
	{
		const char *end = strchr(error->context, '\n');
		int			length = end ? end - error->context :
			(int) strlen(error->context);

		appendStringInfo(&text, " (%.*s)", length, error->context);
	}
	if (error->hint)
		appendStringInfo(&text, " HINT: %s", error->hint);
	return text.data;
}

static void
mark_failed(const char *reason)
{
	se_worker_begin("marking a stream as failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	LockRelationOid(slot->relid, AccessShareLock);
	if (se_catalog_exists() &&
		se_catalog_get_stream(slot->relid, true) != NULL)
		se_catalog_set_stream_state(slot->relid, SE_STATE_FAILED, reason);
	PopActiveSnapshot();
	se_worker_commit();
	se_stats_notify(MyDatabaseId, slot->relid);
}

static void
handle_error(SeReader *reader)
{
	ErrorData  *error;
	char	   *reason;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	/* the client library may hang in its destructor with records out */
	if (reader != NULL)
		se_reader_close(reader, false);
	reason = describe_error(error);
	if (OidIsValid(slot->view))
	{
		se_worker_show_problem(reason);
		proc_exit(1);
	}
	if (is_fatal(error->sqlerrcode))
	{
		mark_failed(reason);
		proc_exit(0);
	}
	if (slot->feeds)
		se_worker_show_problem(reason);
	else
		se_stats_set_problem(se_stats_stream(MyDatabaseId, slot->relid, true),
							 reason);
	proc_exit(1);
}

/*
 * What one batch frees the next one needs again: the C library must not give
 * it back to the system in between, page by page.
 */
static void
keep_freed_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	(void) mallopt(M_TRIM_THRESHOLD, FREED_MEMORY_KEPT);
	(void) mallopt(M_MMAP_THRESHOLD, FREED_MEMORY_KEPT);
	(void) mallopt(M_TOP_PAD, 1024 * 1024);
#endif
}

void
se_worker_main(Datum arg)
{
	SeReader   *reader = NULL;

	keep_freed_memory();
	slot = &se_slots[DatumGetInt32(arg)];
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	enter();
	BackgroundWorkerInitializeConnectionByOid(slot->database, slot->owner,
											  SE_WORKER_CONNECT_FLAGS);
	configure_session();
	MemoryContextSwitchTo(TopMemoryContext);
	if (!slot->feeds)
		reader = se_reader_create(slot->relid, slot->view, slot->worker_no,
								  slot->n_workers);
	PG_TRY();
	{
		if (slot->feeds)
			se_feeder_run(slot->relid);
		else
			run(reader);
	}
	PG_CATCH();
	{
		handle_error(reader);
	}
	PG_END_TRY();
}
