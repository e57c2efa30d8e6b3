/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  One batch into one view: run the delta query over the batch's rows,
 *	  merge its groups into the state table.
 *
 *		rows (se_batch) -> delta query -> groups (se_delta) -> merge
 *						-> late query  -> rows	 (se_late)	-> name_late_rows
 *						-> values query -> values (se_values) -> name_distinct
 *
 * The last is for aggregates with DISTINCT.  The values that name_distinct did
 * not have yet are a batch of their own (se_batch), aggregated by a delta query
 * whose groups join the others in se_delta.  A value that another worker is
 * about to insert is waited for, so one of the two counts it.  Every worker goes
 * through these tables in the same order and comes to the state table last, in
 * the order of the keys everywhere: they never wait in a ring.  That holds for
 * workers of several streams that a view reads, too: what they share are views,
 * and each stream goes through its own in the order of their OIDs.
 *
 * The merge is an SPI plan, prepared for the row type that the delta query
 * yields.  Whoever merges holds SE_MERGE_LOCK of the state until the transaction
 * ends, shared with others; or for itself, and then merge.c may do it.  The lock
 * comes before the values of DISTINCT aggregates: who makes partitions for the state
 * holds it, too, and may wait for these.
 *
 * A batch of very many groups is taken in parts, each with a merge of its own: the
 * hash table of a part's groups fits into the processor's caches.  That pays if
 * parts have few groups in common, and when rows are found without the index, which
 * one sweep in the order of its keys goes through faster than several.  Every so
 * often a batch is not split, which tells how many groups it has.  Statements of
 * parts do not go through the keys in one order: so all that is for those who hold
 * the lock for themselves.
 *
 * All memory of a batch is in one context, reset when the batch is done or,
 * after an error, when the next one begins.
 * Nothing is written but in the caller's transaction: after an error or a crash
 * there is nothing to repair.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"

#include "catalog/catalog.h"
#include "compat.h"
#include "delta.h"
#include "expire.h"
#include "guc.h"
#include "merge.h"
#include "sql_settings.h"
#include "state.h"

#define MOST_PARTS 16			/* of a batch */
#define LOOK_AGAIN 64			/* batches, of which one is not split */
#define REPEATED 1.1			/* groups of all parts to those of a batch */

/* A statement that reads the rows which a batch query yields. */
typedef struct Sink
{
	const char *relation;		/* the name it reads them by */
	char	   *sql;
	TupleDesc	desc;			/* row type that the plan was prepared for */
	SPIPlanPtr	plan;
} Sink;

/* An argument of DISTINCT aggregates. */
typedef struct Distinct
{
	Oid			kept;			/* name_distinct */
	SeBatchQuery *values;		/* of a batch */
	Sink		keep;			/* returns those that were not there */
	SeBatchQuery *delta;		/* over these; NULL: they are only kept */
} Distinct;

struct SeViewState
{
	MemoryContext context;		/* this struct and all below */
	MemoryContext batch_context;
	MemoryContextCallback callback;
	SeBatchQuery *delta;
	Sink		merge;
	SeLocator  *locator;		/* of the rows of the state table */
	char	   *ends_sql;		/* or NULL */
	SeExpiry   *expiry;			/* NULL: groups stay for ever */
	int			n_distinct;
	Distinct   *distinct;
	uint32		batches;		/* that were looked at for splitting */
	bool		repeats;		/* parts had many groups in common */
	int			whole_rows;		/* of the last batch that was not split */
	int64		whole_groups;
	Oid			relid;			/* the state table */
	bool		serial;			/* locked while it is merged into */
	bool		by_event_time;
	SeBatchQuery *late;			/* NULL: no row can be late */
	Sink		keep_late;		/* without sql: late rows are only counted */
};

/* The state's memory goes away. */
static void
forget_plans(void *arg)
{
	SeViewState *state = arg;

	if (state->merge.plan != NULL)
		SPI_freeplan(state->merge.plan);
	if (state->keep_late.plan != NULL)
		SPI_freeplan(state->keep_late.plan);
	for (int i = 0; i < state->n_distinct; i++)
		if (state->distinct[i].keep.plan != NULL)
			SPI_freeplan(state->distinct[i].keep.plan);
}

/* With the name of the state table where it belongs. */
static char *
with_state(const char *sql, Oid relid)
{
	char	   *name = se_sql_name(relid);
	const char *token;
	StringInfoData buf;

	initStringInfo(&buf);
	while ((token = strstr(sql, SE_STATE_TOKEN)) != NULL)
	{
		appendBinaryStringInfo(&buf, sql, token - sql);
		appendStringInfoString(&buf, name);
		sql = token + strlen(SE_STATE_TOKEN);
	}
	appendStringInfoString(&buf, sql);
	return buf.data;
}

static void
open_distinct(SeViewState *state, const SeView *view)
{
	ListCell   *lc;

	state->distinct = palloc0(sizeof(Distinct) *
							  Max(1, list_length(view->distinct)));
	foreach(lc, view->distinct)
	{
		SeDistinct *from = lfirst(lc);
		Distinct   *d = &state->distinct[state->n_distinct++];

		d->kept = from->kept;
		d->values = se_batch_query_open(from->values_sql, view->stream);
		d->keep.relation = SE_VALUES_NAME;
		d->keep.sql = with_state(from->keep_sql, from->kept);
		if (from->delta_sql)
			d->delta = se_batch_query_open(from->delta_sql, from->kept);
	}
}

SeViewState *
se_state_open(const SeView *view)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext view",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SeViewState *state = palloc0(sizeof(SeViewState));

	state->context = context;
	state->batch_context = AllocSetContextCreate(context,
												 "stream_ext view batch",
												 ALLOCSET_DEFAULT_SIZES);
	state->delta = se_batch_query_open(view->delta_sql, view->stream);
	state->locator = se_locator_create(view->late_sql != NULL ||
									   view->state_ttl != NULL);
	state->merge.relation = SE_DELTA_NAME;
	state->merge.sql = with_state(view->merge_sql, view->state);
	if (view->late_sql)
		state->late = se_batch_query_open(with_state(view->late_sql,
													 view->state),
										  view->stream);
	state->expiry = se_expiry_create(view);
	if (view->ends_sql)
		state->ends_sql = with_state(view->ends_sql, view->state);
	open_distinct(state, view);
	state->by_event_time = view->by_event_time;
	state->relid = view->state;
	state->serial = view->serial;
	state->keep_late.relation = SE_LATE_NAME;
	if (OidIsValid(view->late_rows))
		state->keep_late.sql =
			psprintf("INSERT INTO %s SELECT *%s FROM " SE_LATE_NAME,
					 se_sql_name(view->late_rows),
					 list_length(view->streams) < 2 ? "" :
					 psprintf(", %u::pg_catalog.oid::pg_catalog.regclass",
							  view->stream));
	state->callback.func = forget_plans;
	state->callback.arg = state;
	MemoryContextRegisterResetCallback(context, &state->callback);
	MemoryContextSwitchTo(old);
	return state;
}

void
se_state_close(SeViewState *state)
{
	MemoryContextDelete(state->context);
}

SeBatchQuery *
se_state_delta(SeViewState *state)
{
	return state->delta;
}

const char *
se_state_merge_sql(SeViewState *state)
{
	return state->merge.sql;
}

/* The plan of a sink for rows of this type; the rows are registered. */
static SPIPlanPtr
prepare(SeViewState *state, Sink *sink, TupleDesc desc)
{
	Oid			params[] = {TIMESTAMPTZOID};
	MemoryContext old;
	int			settings;

	if (sink->plan != NULL && equalTupleDescs(sink->desc, desc))
		return sink->plan;
	if (sink->plan != NULL)
	{
		SPI_freeplan(sink->plan);
		sink->plan = NULL;
	}

	old = MemoryContextSwitchTo(state->context);
	sink->desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	settings = se_sql_settings_begin();
	sink->plan = SPI_prepare(sink->sql, lengthof(params), params);
	se_sql_settings_end(settings);
	if (sink->plan == NULL)
		elog(ERROR, "could not prepare \"%s\"", sink->sql);
	SPI_keepplan(sink->plan);
	return sink->plan;
}

/* What the statement returned, as a batch of rows of that relation. */
static SeRows *
take_returned(SeViewState *state, Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(state->batch_context);
	TupleDesc	desc = SPI_tuptable->tupdesc;
	SeRows	   *result = se_rows_create(se_catalog_batch_type(relid));
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *isnull = palloc(sizeof(bool) * desc->natts);

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], desc, values, isnull);
		se_rows_add(result, values, isnull, 0, 0);
	}
	MemoryContextSwitchTo(old);
	return result;
}

/* Rows by the name that a sink's statement reads them by. */
static EphemeralNamedRelation
describe_rows(const Sink *sink, TupleDesc desc, Tuplestorestate *rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));

	enr->md.name = unconstify(char *, sink->relation);
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = tuplestore_tuple_count(rows);
	enr->reldata = rows;
	return enr;
}

/* SPI that knows these rows. */
static void
connect_with(EphemeralNamedRelation rows)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_register_relation(rows) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows of a batch");
}

/*
 * Gives rows to the statement of a sink.  What it returns, rows of the relation
 * kept, goes to *returned if that is asked for; the result tells how many.
 */
static int64
pour(SeViewState *state, Sink *sink, TupleDesc desc, Tuplestorestate *rows,
	 TimestampTz closed_to, Oid kept, SeRows **returned)
{
	Datum		values[] = {TimestampTzGetDatum(closed_to)};
	int64		result;

	connect_with(describe_rows(sink, desc, rows));
	if (SPI_execute_plan(prepare(state, sink, desc), values, NULL, false,
						 0) != (returned ? SPI_OK_INSERT_RETURNING : SPI_OK_INSERT))
		elog(ERROR, "could not execute \"%s\"", sink->sql);
	result = SPI_processed;
	if (returned)
		*returned = take_returned(state, kept);
	SPI_finish();
	return result;
}

/*
 * The merge statement without SPI, so that merge.c can have its rows.  SPI is
 * connected and knows the delta.
 */
static void
run_merge_plan(SeViewState *state, EphemeralNamedRelation delta,
			   TupleDesc desc, TimestampTz closed_to)
{
	CachedPlan *cached =
		SPI_plan_get_cached_plan(prepare(state, &state->merge, desc));
	QueryEnvironment *env = create_queryEnv();
	QueryDesc  *query;

	register_ENR(env, delta);
	/* what others have merged before we got the lock is seen */
	PushActiveSnapshot(GetTransactionSnapshot());
	query = CreateQueryDesc(linitial_node(PlannedStmt, cached->stmt_list),
							"stream_ext merge", GetActiveSnapshot(),
							InvalidSnapshot, None_Receiver,
							se_batch_query_params(closed_to), env, 0);
	ExecutorStart(query, 0);
	if (!se_merge_directly(query, state->locator))
		se_executor_run(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
	ReleaseCachedPlan(cached, CurrentResourceOwner);
	CommandCounterIncrement();
}

/*
 * May this transaction merge by itself?  Then the lock is its own until it ends.
 * With an old snapshot it would not see what was merged since.
 */
static bool
lock_for_itself(SeViewState *state, bool alone)
{
	return alone && !state->serial && !IsolationUsesXactSnapshot() &&
		ConditionalLockDatabaseObject(RelationRelationId, state->relid,
									  SE_MERGE_LOCK, ExclusiveLock);
}

/* The groups of a batch into the state table. */
static void
merge(SeViewState *state, TupleDesc desc, Tuplestorestate *groups,
	  TimestampTz closed_to, bool alone)
{
	EphemeralNamedRelation delta;

	if (tuplestore_tuple_count(groups) < se_guc_direct_merge_groups ||
		!lock_for_itself(state, alone))
	{
		LockDatabaseObject(RelationRelationId, state->relid, SE_MERGE_LOCK,
						   ShareLock);
		(void) pour(state, &state->merge, desc, groups, closed_to, InvalidOid,
					NULL);
		return;
	}
	delta = describe_rows(&state->merge, desc, groups);
	connect_with(delta);
	run_merge_plan(state, delta, desc, closed_to);
	SPI_finish();
}

/* Runs a query over the rows; returns the type of what it puts into "to". */
static TupleDesc
run_query(SeBatchQuery *query, const SeRowRange *range, TimestampTz closed_to,
		  Tuplestorestate *to)
{
	TupleDesc	desc;

	PushActiveSnapshot(GetTransactionSnapshot());
	desc = se_batch_query_run(query, range, closed_to, to);
	PopActiveSnapshot();
	return desc;
}

/* Runs a query over the rows and pours what it yields.  Returns how many. */
static int64
run(SeViewState *state, SeBatchQuery *query, Sink *sink,
	const SeRowRange *range, TimestampTz closed_to)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleDesc	desc;
	int64		result;

	desc = run_query(query, range, closed_to, rows);
	result = tuplestore_tuple_count(rows);
	if (result > 0 && sink->sql != NULL)
		(void) pour(state, sink, desc, rows, closed_to, InvalidOid, NULL);
	tuplestore_end(rows);
	return result;
}

/* Rows of both are in one tuplestore. */
static void
check_same_types(TupleDesc a, TupleDesc b)
{
	bool		same = a->natts == b->natts;

	for (int i = 0; same && i < a->natts; i++)
		same = TupleDescAttr(a, i)->atttypid == TupleDescAttr(b, i)->atttypid;
	if (!same)
		elog(ERROR, "the delta queries of a view yield rows of different types");
}

/*
 * Keeps the values of the batch, and puts the groups of new ones into "to", whose
 * rows are of this type.
 */
static void
run_distinct(SeViewState *state, Distinct *d, const SeRowRange *range,
			 TimestampTz closed_to, TupleDesc type, Tuplestorestate *to)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	SeRows	   *fresh = NULL;
	int64		n = 0;
	TupleDesc	desc;

	desc = run_query(d->values, range, closed_to, rows);
	if (tuplestore_tuple_count(rows) > 0)
		n = pour(state, &d->keep, desc, rows, closed_to, d->kept,
				 d->delta ? &fresh : NULL);
	tuplestore_end(rows);
	if (d->delta != NULL && n > 0)
	{
		SeRowRange	values = {fresh, 0, (int) n};

		check_same_types(type, run_query(d->delta, &values, closed_to, to));
	}
}

/*
 * The groups of the batch into the state.  Groups of new values are groups of
 * the batch, too: the merge makes one of them.
 */
static int64
run_delta(SeViewState *state, const SeRowRange *range, TimestampTz closed_to,
		  bool alone)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleDesc	desc = run_query(state->delta, range, closed_to, rows);
	int64		result = tuplestore_tuple_count(rows);

	if (result > 0 && state->expiry)
		se_expiry_make_partitions(state->expiry, desc, rows);
	/* whoever waits for our values must not be what the merge would wait for */
	if (result > 0 && state->n_distinct > 0)
		LockDatabaseObject(RelationRelationId, state->relid, SE_MERGE_LOCK,
						   ShareLock);
	for (int i = 0; i < state->n_distinct; i++)
		run_distinct(state, &state->distinct[i], range, closed_to, desc, rows);
	if (result > 0)
		merge(state, desc, rows, closed_to, alone);
	tuplestore_end(rows);
	return result;
}

/*
 * Into how many parts the next batch is split.  A larger one than the last that was
 * whole is expected to have no more groups: a small batch does not tell how many
 * there are.
 */
static int
choose_parts(SeViewState *state, int rows, bool alone)
{
	double		expected;

	if (state->n_distinct > 0)
		return 1;
	if (state->batches++ % LOOK_AGAIN == 0)
	{
		state->repeats = false;
		return 1;
	}
	/* parts would go through the index one after the other */
	if (state->repeats || state->whole_rows == 0 ||
		!se_locator_is_warm(state->locator))
		return 1;
	expected = (double) state->whole_groups *
		Min(rows, state->whole_rows) / state->whole_rows;
	if (expected < 2.0 * se_guc_part_groups ||
		!lock_for_itself(state, alone))
		return 1;
	return (int) Min(MOST_PARTS, expected / se_guc_part_groups);
}

static void
note_parts(SeViewState *state, int parts, int rows, int64 groups)
{
	if (parts == 1)
	{
		state->whole_rows = rows;
		state->whole_groups = groups;
	}
	else if ((double) groups * state->whole_rows >
			 REPEATED * state->whole_groups * rows)
		state->repeats = true;
}

static int64
run_parts(SeViewState *state, const SeRowRange *range, TimestampTz closed_to,
		  bool alone)
{
	int			parts = choose_parts(state, range->n, alone);
	int64		groups = 0;

	for (int i = 0; i < parts; i++)
	{
		SeRowRange	part = *range;
		int			begin = (int) ((int64) range->n * i / parts);
		int			end = (int) ((int64) range->n * (i + 1) / parts);

		part.first += begin;
		part.n = end - begin;
		groups += run_delta(state, &part, closed_to, alone);
	}
	note_parts(state, parts, range->n, groups);
	return groups;
}

int64
se_state_apply(SeViewState *state, const SeRowRange *range,
			   TimestampTz closed_to, bool alone, int64 *late_rows)
{
	MemoryContext old;
	int64		result;

	MemoryContextReset(state->batch_context);
	old = MemoryContextSwitchTo(state->batch_context);
	/* other workers of the stream wait, readers and vacuum do not */
	if (state->serial)
		LockDatabaseObject(RelationRelationId, state->relid, SE_MERGE_LOCK,
						   ExclusiveLock);
	result = run_parts(state, range, closed_to, alone);
	if (state->late != NULL && !TIMESTAMP_IS_NOBEGIN(closed_to) &&
		!(state->by_event_time && range->in_time))
		*late_rows += run(state, state->late, &state->keep_late, range,
						  closed_to);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->batch_context);
	return result;
}

void
se_state_expire(SeViewState *state, TimestampTz watermark)
{
	if (state->expiry)
		se_expiry_run(state->expiry, watermark);
}

TimestampTz
se_state_last_end(SeViewState *state)
{
	TimestampTz result = DT_NOBEGIN;
	int			settings = se_sql_settings_begin();

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(state->ends_sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", state->ends_sql);
	if (SPI_processed > 0)
	{
		bool		isnull;
		Datum		end = SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull);

		if (!isnull)
			result = DatumGetTimestampTz(end);
	}
	SPI_finish();
	se_sql_settings_end(settings);
	return result;
}
