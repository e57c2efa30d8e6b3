/*-------------------------------------------------------------------------
 *
 * look.c
 *	  What stream.status, stream.partitions and stream.views read.
 *
 * Definitions and offsets come from our tables, everything that moves from
 * shared memory: looking costs the workers nothing.  A role sees the streams
 * it may select from, and all of them as a member of pg_read_all_stats.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../catalog/catalog.h"
#include "../guc.h"
#include "../ingest/ingest.h"
#include "../stats/stats.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_get_status);
PG_FUNCTION_INFO_V1(se_sql_get_partitions);
PG_FUNCTION_INFO_V1(se_sql_get_views);
PG_FUNCTION_INFO_V1(se_sql_watermark);
PG_FUNCTION_INFO_V1(se_sql_watermark_of_view);

static bool
may_see(Oid relid)
{
	bool		is_missing = false; /* dropped this moment: nothing to see */
	AclResult	acl = pg_class_aclcheck_ext(relid, GetUserId(), ACL_SELECT,
											&is_missing);

	return !is_missing && (acl == ACLCHECK_OK ||
						   has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS));
}

/* What the slots say about a stream's processes. */
typedef struct Processes
{
	int			running;
	int			slots;
	const char *waiting_for;
	bool		feeds;			/* one for views on views has a slot */
	char	   *feed_problem;	/* why that does not go on, or NULL */
} Processes;

#define NO_SLOT "waiting for a worker slot (stream_ext.max_workers)"

/* Why the process of a slot stopped or does not start; NULL: it runs. */
static char *
slot_problem(const SeWorkerSlot *slot)
{
	if (slot->problem[0] != '\0')
		return pstrdup(slot->problem);
	return slot->pid == 0 && slot->waiting_for ?
		psprintf("waiting for %s", slot->waiting_for) : NULL;
}

static Processes
count_processes(Oid relid)
{
	Processes	p = {0};

	if (se_shared == NULL)
		return p;
	LWLockAcquire(se_shared->lock, LW_SHARED);
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if (slot->state == SE_SLOT_FREE || slot->database != MyDatabaseId ||
			slot->relid != relid || OidIsValid(slot->view))
			continue;
		if (slot->feeds)
		{
			p.feeds = true;
			p.feed_problem = slot_problem(slot);
			continue;
		}
		p.slots++;
		if (slot->pid != 0)
			p.running++;
		else if (slot->waiting_for)
			p.waiting_for = slot->waiting_for;
	}
	LWLockRelease(se_shared->lock);
	return p;
}

/* Why views on views are not fed; NULL: they are, or there are none. */
static char *
feed_reason(const SeStream *stream, const Processes *p)
{
	const char *reason = p->feed_problem;

	if (se_shared != NULL && !p->feeds)
		reason = NO_SLOT;
	return reason == NULL || se_catalog_list_feeds(stream->relid) == NIL ?
		NULL : psprintf("views on views: %s", reason);
}

/* Why a stream that should run does not, or not well; NULL: it does. */
static char *
waiting_reason(const SeStream *stream, const Processes *p,
			   SeStreamStats *stats, TimestampTz *at)
{
	char	   *problem = stats ? se_stats_get_problem(stats, at) : NULL;

	if (stream->state != SE_STATE_RUNNING || stream->server == NULL)
		return NULL;
	if (!se_catalog_stream_is_home(stream))
		return "it comes from another cluster or database; stream.resume() starts it here";
	if (problem)
		return problem;
	*at = 0;
	if (!se_guc_enabled)
		return "stream_ext.enabled is off";
	if (p->running >= stream->workers)
		return feed_reason(stream, p);
	if (p->waiting_for)
		return psprintf("waiting for %s", p->waiting_for);
	if (se_shared && p->slots < stream->workers)
		return NO_SLOT;
	return "its worker is starting";
}

static const char *
state_name(const SeStream *stream, const char *waiting)
{
	if (stream->state == SE_STATE_FAILED)
		return "failed";
	if (stream->state == SE_STATE_PAUSED || !se_catalog_stream_is_home(stream))
		return "paused";
	return waiting ? "waiting" : "running";
}

typedef struct Totals
{
	int64		lag;			/* -1: unknown */
	TimestampTz watermark;		/* DT_NOBEGIN: none */
} Totals;

/* Of one partition; -1: not known. */
static int64
partition_lag(const SePartition *row, SePartitionStats *stats)
{
	uint64		high;

	if (stats == NULL)
		return -1;
	high = pg_atomic_read_u64(&stats->high_watermark);
	if (high == PG_UINT64_MAX)
		return -1;
	return Max(0, (int64) high - row->next_offset);
}

static Totals
add_up(const SeStream *stream)
{
	Totals		t = {0, se_watermark_next(stream)};
	List	   *rows = se_catalog_list_partitions(stream->relid);
	ListCell   *lc;

	foreach(lc, rows)
	{
		SePartition *row = lfirst(lc);
		SePartitionStats *stats = se_stats_partition(MyDatabaseId,
													 stream->relid,
													 row->partition, false);
		int64		lag = partition_lag(row, stats);

		if (row->partition >= 0 && stream->server)
			t.lag = (lag < 0 || t.lag < 0) ? -1 : t.lag + lag;
	}
	if (rows == NIL && stream->server)
		t.lag = -1;
	return t;
}

static Datum
lag_time(int64 lag, double rate)
{
	Interval   *span = palloc0(sizeof(Interval));

	span->time = lag == 0 ? 0 : (int64) (lag / rate * USECS_PER_SEC);
	return IntervalPGetDatum(span);
}

static void
put_status(ReturnSetInfo *rsinfo, const SeStream *stream)
{
	SeStreamStats *stats = se_stats_stream(MyDatabaseId, stream->relid, false);
	Processes	processes = count_processes(stream->relid);
	Totals		totals = add_up(stream);
	TimestampTz at = 0;
	char	   *waiting = waiting_reason(stream, &processes, stats, &at);
	double		rate = stats ? se_stats_rate(stats, false) : 0;
	const char *error = stream->error ? stream->error : waiting;
	Datum		v[15] = {0};
	bool		isnull[15] = {0};

	v[0] = ObjectIdGetDatum(stream->relid);
	v[1] = CStringGetTextDatum(state_name(stream, waiting));
	v[2] = Int32GetDatum(processes.running);
	v[3] = Int64GetDatum(totals.lag);
	isnull[3] = totals.lag < 0;
	isnull[4] = totals.lag < 0 || (totals.lag > 0 && rate < 1);
	if (!isnull[4])
		v[4] = lag_time(totals.lag, rate);
	v[5] = Float8GetDatum(rate);
	v[6] = Float8GetDatum(stats ? se_stats_rate(stats, true) : 0);
#define COUNTER(field) Int64GetDatum(stats ? (int64) pg_atomic_read_u64(&stats->field) : 0)
	v[7] = COUNTER(last_batch_rows);
	v[8] = Float8GetDatum(stats ? pg_atomic_read_u64(&stats->last_batch_us) / 1000.0 : 0);
	v[9] = TimestampTzGetDatum(totals.watermark);
	isnull[9] = TIMESTAMP_NOT_FINITE(totals.watermark);
	v[10] = COUNTER(rows);
	v[11] = COUNTER(dead_letters);
	v[12] = COUNTER(late_rows);
	isnull[13] = error == NULL;
	if (error)
		v[13] = CStringGetTextDatum(error);
	v[14] = TimestampTzGetDatum(stream->error ? stream->error_at : at);
	isnull[14] = (stream->error ? stream->error_at : at) == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, v, isnull);
}

Datum
se_sql_get_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *streams;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	streams = se_catalog_list_streams();
	foreach(lc, streams)
	{
		SeStream   *stream = lfirst(lc);

		if (may_see(stream->relid))
			put_status(rsinfo, stream);
	}
	return (Datum) 0;
}

static void
put_partition(ReturnSetInfo *rsinfo, const SeStream *stream,
			  const SePartition *row)
{
	SePartitionStats *stats = se_stats_partition(MyDatabaseId, row->relid,
												 row->partition, false);
	int64		lag = row->partition < 0 ? -1 : partition_lag(row, stats);
	Datum		v[9] = {0};
	bool		isnull[9] = {0};

	v[0] = ObjectIdGetDatum(row->relid);
	v[1] = Int32GetDatum(row->partition);
	isnull[2] = stats == NULL || stats->worker_pid == 0;
	v[2] = Int32GetDatum(stats ? stats->worker_pid : 0);
	v[3] = Int64GetDatum(row->next_offset);
	isnull[4] = lag < 0;
	v[4] = Int64GetDatum(stats ?
						 (int64) pg_atomic_read_u64(&stats->high_watermark) : 0);
	isnull[5] = lag < 0;
	v[5] = Int64GetDatum(lag);
	isnull[6] = TIMESTAMP_NOT_FINITE(row->watermark);
	v[6] = TimestampTzGetDatum(row->watermark);
	v[7] = BoolGetDatum(se_watermark_is_idle(stream, row));
	isnull[8] = row->last_record_at == 0;
	v[8] = TimestampTzGetDatum(row->last_record_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, v, isnull);
}

Datum
se_sql_get_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *streams;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	streams = se_catalog_list_streams();
	foreach(lc, streams)
	{
		SeStream   *stream = lfirst(lc);
		List	   *rows;
		ListCell   *lc2;

		if (!may_see(stream->relid))
			continue;
		rows = se_catalog_list_partitions(stream->relid);
		foreach(lc2, rows)
			put_partition(rsinfo, stream, lfirst(lc2));
	}
	return (Datum) 0;
}

/* Records that the view's backfill has yet to read; -1: it has none. */
static int64
backfill_lag(Oid view)
{
	List	   *parts = se_catalog_list_backfill(view);
	int64		lag = 0;
	ListCell   *lc;

	foreach(lc, parts)
	{
		SeBackfillPart *part = lfirst(lc);

		lag += part->end_offset - part->next_offset;
	}
	return parts == NIL ? -1 : lag;
}

/* Why a backfill stopped or does not start; NULL: it runs, or its stream rests. */
static char *
backfill_problem(const SeView *view)
{
	SeStream   *stream = se_catalog_get_stream(view->stream, true);
	char	   *problem = NULL;
	bool		has_slot = false;

	if (se_shared == NULL || stream == NULL ||
		stream->state != SE_STATE_RUNNING || !se_catalog_stream_is_home(stream))
		return NULL;
	LWLockAcquire(se_shared->lock, LW_SHARED);
	for (int i = 0; i < se_shared->n_slots; i++)
	{
		SeWorkerSlot *slot = &se_slots[i];

		if (slot->state == SE_SLOT_FREE || slot->database != MyDatabaseId ||
			slot->view != view->relid)
			continue;
		has_slot = true;
		problem = slot_problem(slot);
	}
	LWLockRelease(se_shared->lock);
	return has_slot ? problem : NO_SLOT;
}

static Datum
relation_array(const List *relids)
{
	Datum	   *values = palloc(sizeof(Datum) * list_length(relids));
	ListCell   *lc;

	foreach(lc, relids)
		values[foreach_current_index(lc)] = ObjectIdGetDatum(lfirst_oid(lc));
	return PointerGetDatum(construct_array(values, list_length(relids),
										   REGCLASSOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

static void
put_view(ReturnSetInfo *rsinfo, const SeView *view)
{
	SeViewStats *stats = se_stats_view(MyDatabaseId, view->relid, false);
	int64		lag = backfill_lag(view->relid);
	char	   *problem = lag < 0 ? NULL : backfill_problem(view);
	Datum		v[11] = {0};
	bool		isnull[11] = {0};

	v[0] = ObjectIdGetDatum(view->relid);
	v[1] = CStringGetTextDatum("view");
	v[2] = ObjectIdGetDatum(view->stream);
	v[3] = ObjectIdGetDatum(view->state);
	v[4] = Float8GetDatum(stats ? pg_atomic_read_u64(&stats->batch_us) / 1000.0 : 0);
	v[5] = Int64GetDatum(stats ? (int64) pg_atomic_read_u64(&stats->late_rows) : 0);
	v[6] = Int64GetDatum(stats ? (int64) pg_atomic_read_u64(&stats->errors) : 0);
	v[7] = CStringGetTextDatum(view->query);
	v[8] = Int64GetDatum(lag);
	isnull[8] = lag < 0;
	isnull[9] = problem == NULL;
	if (problem)
		v[9] = CStringGetTextDatum(problem);
	v[10] = relation_array(view->streams);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, v, isnull);
}

Datum
se_sql_get_views(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *views;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	views = se_catalog_list_views(InvalidOid);
	foreach(lc, views)
	{
		SeView	   *view = lfirst(lc);

		if (may_see(view->relid))
			put_view(rsinfo, view);
	}
	return (Datum) 0;
}

/* stream.watermark(stream, state) */
Datum
se_sql_watermark_of_view(PG_FUNCTION_ARGS)
{
	Oid			view = se_catalog_view_of_state(PG_GETARG_OID(1));
	SeFeed	   *feed = se_catalog_get_feed(view, GetActiveSnapshot());
	SeStream   *stream;
	TimestampTz idle;

	if (feed != NULL)
		PG_RETURN_TIMESTAMPTZ(feed->watermark);
	stream = se_catalog_get_stream(PG_GETARG_OID(0), false);
	idle = se_catalog_idle_watermark(view, GetActiveSnapshot());
	PG_RETURN_TIMESTAMPTZ(Max(idle, se_watermark_closed(stream,
														GetActiveSnapshot())));
}

/* stream.watermark(stream): as of the query's snapshot, for views. */
Datum
se_sql_watermark(PG_FUNCTION_ARGS)
{
	SeStream   *stream = se_catalog_get_stream(PG_GETARG_OID(0), false);

	PG_RETURN_TIMESTAMPTZ(se_watermark_closed(stream, GetActiveSnapshot()));
}
