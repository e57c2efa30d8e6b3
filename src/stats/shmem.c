/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The shared memory of the extension: layout, start, entries.
 *
 * Fixed arrays, searched in order: there are tens of streams, not thousands,
 * and who counts keeps a pointer to its entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "../guc.h"
#include "stats.h"

#define STREAMS_PER_WORKER 4
#define VIEWS_PER_WORKER 32

SeShared   *se_shared = NULL;
SeWorkerSlot *se_slots = NULL;
SeStreamStats *se_stream_stats = NULL;
SeViewStats *se_view_stats = NULL;
SePartitionStats *se_partition_stats = NULL;

static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

static Size
shared_size(void)
{
	Size		size = MAXALIGN(sizeof(SeShared));
	int			n = se_guc_max_workers;

	size = add_size(size, MAXALIGN(mul_size(n, sizeof(SeWorkerSlot))));
	size = add_size(size, MAXALIGN(mul_size(n * STREAMS_PER_WORKER,
											sizeof(SeStreamStats))));
	size = add_size(size, MAXALIGN(mul_size(n * VIEWS_PER_WORKER,
											sizeof(SeViewStats))));
	size = add_size(size, mul_size(se_guc_max_partitions,
								   sizeof(SePartitionStats)));
	return size;
}

static void
request_shmem(void)
{
	if (prev_request_hook)
		prev_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("stream_ext", 1);
}

/* Points the arrays behind the struct. */
static void
lay_out(char *base)
{
	int			n = se_guc_max_workers;
	char	   *p = base + MAXALIGN(sizeof(SeShared));

	se_slots = (SeWorkerSlot *) p;
	p += MAXALIGN(n * sizeof(SeWorkerSlot));
	se_stream_stats = (SeStreamStats *) p;
	p += MAXALIGN(n * STREAMS_PER_WORKER * sizeof(SeStreamStats));
	se_view_stats = (SeViewStats *) p;
	p += MAXALIGN(n * VIEWS_PER_WORKER * sizeof(SeViewStats));
	se_partition_stats = (SePartitionStats *) p;
}

static void
start_shmem(void)
{
	bool		found;

	if (prev_startup_hook)
		prev_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	se_shared = ShmemInitStruct("stream_ext", shared_size(), &found);
	lay_out((char *) se_shared);
	if (!found)
	{
		memset(se_shared, 0, shared_size());
		se_shared->lock = &GetNamedLWLockTranche("stream_ext")->lock;
		se_shared->n_slots = se_guc_max_workers;
		se_shared->n_streams = se_guc_max_workers * STREAMS_PER_WORKER;
		se_shared->n_views = se_guc_max_workers * VIEWS_PER_WORKER;
		se_shared->n_partitions = se_guc_max_partitions;
		se_shared->all_dirty = true;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
se_stats_init(void)
{
	prev_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

void
se_stats_require(void)
{
	if (se_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream_ext was not loaded when the server started"),
				 errhint("Set shared_preload_libraries = 'stream_ext' and restart the server.")));
}

static void
init_stream(SeStreamStats *s, Oid database, Oid relid)
{
	memset(s, 0, sizeof(SeStreamStats));
	pg_atomic_init_u64(&s->rows, 0);
	pg_atomic_init_u64(&s->bytes, 0);
	pg_atomic_init_u64(&s->dead_letters, 0);
	pg_atomic_init_u64(&s->late_rows, 0);
	pg_atomic_init_u64(&s->skipped, 0);
	pg_atomic_init_u64(&s->unstaged, 0);
	pg_atomic_init_u64(&s->batches, 0);
	pg_atomic_init_u64(&s->last_batch_rows, 0);
	pg_atomic_init_u64(&s->last_batch_us, 0);
	pg_atomic_init_u64(&s->rate_rows, 0);
	pg_atomic_init_u64(&s->rate_bytes, 0);
	pg_atomic_init_u64(&s->rate_at_us, 0);
	pg_atomic_init_u32(&s->segment, 0);
	pg_atomic_init_u64(&s->segment_rows, 0);
	pg_atomic_init_u64(&s->segment_since_us, 0);
	SpinLockInit(&s->problem_lock);
	ConditionVariableInit(&s->committed);
	s->relid = relid;
	s->database = database;
}

SeStreamStats *
se_stats_stream(Oid database, Oid relid, bool create)
{
	SeStreamStats *entry = NULL;
	SeStreamStats *free_entry = NULL;

	if (se_shared == NULL)
		return NULL;
	LWLockAcquire(se_shared->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < se_shared->n_streams && entry == NULL; i++)
	{
		SeStreamStats *s = &se_stream_stats[i];

		if (s->database == database && s->relid == relid)
			entry = s;
		else if (s->database == InvalidOid && free_entry == NULL)
			free_entry = s;
	}
	if (entry == NULL && create && free_entry != NULL)
	{
		init_stream(free_entry, database, relid);
		entry = free_entry;
	}
	LWLockRelease(se_shared->lock);
	return entry;
}

SeViewStats *
se_stats_view(Oid database, Oid relid, bool create)
{
	SeViewStats *entry = NULL;
	SeViewStats *free_entry = NULL;

	if (se_shared == NULL)
		return NULL;
	LWLockAcquire(se_shared->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < se_shared->n_views && entry == NULL; i++)
	{
		SeViewStats *v = &se_view_stats[i];

		if (v->database == database && v->relid == relid)
			entry = v;
		else if (v->database == InvalidOid && free_entry == NULL)
			free_entry = v;
	}
	if (entry == NULL && create && free_entry != NULL)
	{
		entry = free_entry;
		pg_atomic_init_u64(&entry->batches, 0);
		pg_atomic_init_u64(&entry->batch_us, 0);
		pg_atomic_init_u64(&entry->rows, 0);
		pg_atomic_init_u64(&entry->groups, 0);
		pg_atomic_init_u64(&entry->late_rows, 0);
		pg_atomic_init_u64(&entry->errors, 0);
		entry->relid = relid;
		entry->database = database;
	}
	LWLockRelease(se_shared->lock);
	return entry;
}

SePartitionStats *
se_stats_partition(Oid database, Oid relid, int32 partition, bool create)
{
	SePartitionStats *entry = NULL;
	SePartitionStats *free_entry = NULL;

	if (se_shared == NULL)
		return NULL;
	LWLockAcquire(se_shared->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < se_shared->n_partitions && entry == NULL; i++)
	{
		SePartitionStats *p = &se_partition_stats[i];

		if (p->database == database && p->relid == relid &&
			p->partition == partition)
			entry = p;
		else if (p->database == InvalidOid && free_entry == NULL)
			free_entry = p;
	}
	if (entry == NULL && create && free_entry != NULL)
	{
		entry = free_entry;
		pg_atomic_init_u64(&entry->high_watermark, PG_UINT64_MAX);
		pg_atomic_init_u64(&entry->next_offset, 0);
		pg_atomic_init_u32(&entry->idle, 0);
		entry->worker_pid = 0;
		entry->partition = partition;
		entry->relid = relid;
		entry->database = database;
	}
	LWLockRelease(se_shared->lock);
	return entry;
}

/* relid InvalidOid: all of the database. */
static void
forget(Oid database, Oid relid)
{
	bool		all = !OidIsValid(relid);

	if (se_shared == NULL)
		return;
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < se_shared->n_streams; i++)
		if (se_stream_stats[i].database == database &&
			(all || se_stream_stats[i].relid == relid))
			se_stream_stats[i].database = InvalidOid;
	for (int i = 0; i < se_shared->n_views; i++)
		if (se_view_stats[i].database == database &&
			(all || se_view_stats[i].relid == relid))
			se_view_stats[i].database = InvalidOid;
	for (int i = 0; i < se_shared->n_partitions; i++)
		if (se_partition_stats[i].database == database &&
			(all || se_partition_stats[i].relid == relid))
			se_partition_stats[i].database = InvalidOid;
	LWLockRelease(se_shared->lock);
}

/* A dropped stream or view gives its entries back. */
void
se_stats_forget(Oid database, Oid relid)
{
	forget(database, relid);
}

/* So does a dropped database. */
void
se_stats_forget_database(Oid database)
{
	forget(database, InvalidOid);
}

void
se_stats_notify(Oid database, Oid relid)
{
	bool		known = false;

	if (se_shared == NULL)
		return;
	LWLockAcquire(se_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if (slot->database != database || slot->relid != relid)
			continue;
		slot->failures = 0;
		slot->not_before_us = 0;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	for (int i = 0; i < se_shared->n_dirty; i++)
		known = known || se_shared->dirty[i] == database;
	if (!known && se_shared->n_dirty < SE_MAX_DIRTY_DATABASES)
		se_shared->dirty[se_shared->n_dirty++] = database;
	else if (!known)
		se_shared->all_dirty = true;
	if (se_shared->launcher_latch)
		SetLatch(se_shared->launcher_latch);
	LWLockRelease(se_shared->lock);
}
