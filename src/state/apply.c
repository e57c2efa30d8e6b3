/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  One batch into one view: run the delta query over the batch's rows,
 *	  merge its groups into the state table.
 *
 *		rows (se_batch) -> delta plan -> groups (se_delta) -> merge plan
 *
 * The delta plan is ours (its aggregates are split, which no cached plan of
 * PostgreSQL's can be), so it is kept and invalidated here as plancache.c
 * does it.  There is one for small batches and one for large ones: the hash
 * table of a small batch should be cheap to set up, and a join with a large
 * batch wants another plan than one with ten rows.  The merge is an SPI plan.
 *
 * All memory of a batch is in one context, reset when the batch is done or,
 * after an error, when the next one begins.
 * Nothing is written but by the merge, in the caller's transaction: after an
 * error or a crash there is nothing to repair.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "aggregate/agg_state.h"
#include "aggregate/aggregate.h"
#include "catalog/catalog.h"
#include "compat.h"
#include "delta.h"
#include "sql_settings.h"
#include "state.h"

/* Batches up to this size run the small plan. */
#define SE_SMALL_BATCH 2000

/* How many rows each of the two plans is made for. */
static const double planned_rows[] = {200, 50000};

typedef struct DeltaPlan
{
	MemoryContext context;		/* holds what follows; NULL: not planned */
	bool		valid;
	PlannedStmt *stmt;
	Oid			role;			/* whom it was planned for */
	TupleDesc	batch;			/* row type of the stream */
	TupleDesc	delta;			/* its result, as the state table stores it */
	uint64	   *identities;		/* per column: 0, or the aggregate whose
								 * serialized state it is */
} DeltaPlan;

struct SeViewState
{
	dlist_node	node;			/* in open_states */
	MemoryContext context;		/* this struct and all below */
	MemoryContext batch_context;
	MemoryContextCallback callback;
	Oid			stream;
	char	   *delta_sql;
	char	   *merge_sql;
	DeltaPlan	plans[lengthof(planned_rows)];
	TupleDesc	merge_desc;		/* row type that merge was prepared for */
	SPIPlanPtr	merge;
};

static dlist_head open_states = DLIST_STATIC_INIT(open_states);

/*
 * Invalidation.  Callbacks cannot be taken back, so they are registered once
 * and look through all open states.
 */
static bool
plan_uses_relation(const SeViewState *state, const DeltaPlan *plan, Oid relid)
{
	return relid == InvalidOid || relid == state->stream ||
		list_member_oid(plan->stmt->relationOids, relid);
}

static void
relation_changed(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &open_states)
	{
		SeViewState *state = dlist_container(SeViewState, node, iter.cur);

		for (int i = 0; i < lengthof(planned_rows); i++)
			if (state->plans[i].valid &&
				plan_uses_relation(state, &state->plans[i], relid))
				state->plans[i].valid = false;
	}
}

static bool
plan_uses_object(const DeltaPlan *plan, int cacheid, uint32 hash)
{
	ListCell   *lc;

	foreach(lc, plan->stmt->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == cacheid &&
			(hash == 0 || item->hashValue == hash))
			return true;
	}
	return false;
}

/* Functions and types are known one by one, other objects are not. */
static void
object_changed(Datum arg, int cacheid, uint32 hash)
{
	bool		all = cacheid != PROCOID && cacheid != TYPEOID;
	dlist_iter	iter;

	dlist_foreach(iter, &open_states)
	{
		SeViewState *state = dlist_container(SeViewState, node, iter.cur);

		for (int i = 0; i < lengthof(planned_rows); i++)
			if (state->plans[i].valid &&
				(all || plan_uses_object(&state->plans[i], cacheid, hash)))
				state->plans[i].valid = false;
	}
}

static void
register_callbacks(void)
{
	static bool registered = false;
	static const int caches[] = {PROCOID, TYPEOID, OPEROID, AMOPOPID, NAMESPACEOID};

	if (registered)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], object_changed, (Datum) 0);
	registered = true;
}

/* The state's memory goes away. */
static void
forget_state(void *arg)
{
	SeViewState *state = arg;

	dlist_delete(&state->node);
	if (state->merge != NULL)
		SPI_freeplan(state->merge);
}

SeViewState *
se_state_open(const SeView *view)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext view",
												  ALLOCSET_SMALL_SIZES);
	SeViewState *state = MemoryContextAllocZero(context, sizeof(SeViewState));
	char	   *schema;
	const char *name;

	register_callbacks();
	state->context = context;
	state->batch_context = AllocSetContextCreate(context,
												 "stream_ext view batch",
												 ALLOCSET_DEFAULT_SIZES);
	state->stream = view->stream;
	state->delta_sql = MemoryContextStrdup(context, view->delta_sql);
	schema = get_namespace_name(get_rel_namespace(view->state));
	name = quote_qualified_identifier(schema, get_rel_name(view->state));
	state->merge_sql = MemoryContextStrdup(context,
										   psprintf("INSERT INTO %s%s", name,
													view->merge_sql));
	dlist_push_tail(&open_states, &state->node);
	state->callback.func = forget_state;
	state->callback.arg = state;
	MemoryContextRegisterResetCallback(context, &state->callback);
	return state;
}

void
se_state_close(SeViewState *state)
{
	MemoryContextDelete(state->context);
}

/*
 * The columns that the delta query yields, with serialized states as
 * stream.agg_state.
 */
static void
describe_delta(DeltaPlan *plan)
{
	List	   *target = plan->stmt->planTree->targetlist;
	ListCell   *lc;

	plan->delta = ExecCleanTypeFromTL(target);
	plan->identities = palloc0(sizeof(uint64) * plan->delta->natts);
	foreach(lc, target)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Aggref	   *aggref = (Aggref *) tle->expr;
		AttrNumber	attno = tle->resno;
		SeAggregate agg;

		if (!IsA(aggref, Aggref) || aggref->aggtranstype != INTERNALOID)
			continue;
		se_aggregate_load_call(aggref, &agg);
		plan->identities[attno - 1] = se_aggregate_identity(&agg);
		TupleDescInitEntry(plan->delta, attno, tle->resname,
						   se_agg_state_type(), -1, 0);
	}
}

static TupleDesc
stream_row_type(Oid stream)
{
	TupleDesc	shared = lookup_rowtype_tupdesc(get_rel_type_id(stream), -1);
	TupleDesc	result = CreateTupleDescCopy(shared);

	ReleaseTupleDesc(shared);
	return result;
}

static void
make_plan(SeViewState *state, DeltaPlan *plan, double rows)
{
	MemoryContext old;

	if (plan->context != NULL)
		MemoryContextDelete(plan->context);
	memset(plan, 0, sizeof(*plan));
	plan->context = AllocSetContextCreate(state->context,
										  "stream_ext delta plan",
										  ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(plan->context);
	plan->role = GetUserId();
	plan->batch = stream_row_type(state->stream);
	MemoryContextSwitchTo(state->batch_context);
	plan->stmt = se_state_plan_delta(state->delta_sql, plan->batch, rows);
	se_batch_scan_replace(plan->stmt, plan->batch);
	MemoryContextSwitchTo(plan->context);
	plan->stmt = copyObject(plan->stmt);
	describe_delta(plan);
	plan->valid = true;
	MemoryContextSwitchTo(old);
}

/* What plancache.c does before it lets a cached plan run. */
static void
lock_relations(const PlannedStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			LockRelationOid(rte->relid, rte->rellockmode);
	}
}

static DeltaPlan *
get_plan(SeViewState *state, int nrows)
{
	int			i = nrows > SE_SMALL_BATCH ? 1 : 0;
	DeltaPlan  *plan = &state->plans[i];

	for (;;)
	{
		if (!plan->valid || plan->stmt->transientPlan ||
			(plan->stmt->dependsOnRole && plan->role != GetUserId()))
			make_plan(state, plan, planned_rows[i]);

		/* Waiting for a lock may bring the news that the plan is outdated. */
		lock_relations(plan->stmt);
		if (plan->valid)
			return plan;
	}
}

/* Where the delta query's rows go: into a tuplestore, states wrapped. */
typedef struct DeltaReceiver
{
	DestReceiver pub;
	Tuplestorestate *store;
	const DeltaPlan *plan;
	bool		wraps;
	MemoryContext row_context;
	Datum	   *values;
} DeltaReceiver;

static bool
receive_plain(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((DeltaReceiver *) self)->store, slot);
	return true;
}

static bool
receive_wrapping(TupleTableSlot *slot, DestReceiver *self)
{
	DeltaReceiver *receiver = (DeltaReceiver *) self;
	const DeltaPlan *plan = receiver->plan;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);

	slot_getallattrs(slot);
	for (int i = 0; i < plan->delta->natts; i++)
	{
		receiver->values[i] = slot->tts_values[i];
		if (plan->identities[i] != 0 && !slot->tts_isnull[i])
			receiver->values[i] =
				PointerGetDatum(se_agg_state_make(DatumGetByteaPP(slot->tts_values[i]),
												  plan->identities[i]));
	}
	tuplestore_putvalues(receiver->store, plan->delta, receiver->values,
						 slot->tts_isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->row_context);
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receiver_done(DestReceiver *self)
{
}

static DestReceiver *
make_receiver(const DeltaPlan *plan, Tuplestorestate *store)
{
	DeltaReceiver *receiver = palloc0(sizeof(DeltaReceiver));
	bool		wraps = false;

	for (int i = 0; i < plan->delta->natts; i++)
		wraps |= plan->identities[i] != 0;
	receiver->pub.receiveSlot = wraps ? receive_wrapping : receive_plain;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_done;
	receiver->pub.rDestroy = receiver_done;
	receiver->pub.mydest = DestTuplestore;
	receiver->store = store;
	receiver->plan = plan;
	if (wraps)
	{
		receiver->values = palloc(sizeof(Datum) * plan->delta->natts);
		receiver->row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "stream_ext delta row",
													  ALLOCSET_DEFAULT_SIZES);
	}
	return (DestReceiver *) receiver;
}

static EphemeralNamedRelation
make_enr(char *name, TupleDesc desc, void *store, double rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));

	enr->md.name = name;
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = rows;
	enr->reldata = store;
	return enr;
}

static void
run_delta(SeViewState *state, const DeltaPlan *plan, const SeRowRange *range,
		  Tuplestorestate *groups)
{
	QueryEnvironment *env = create_queryEnv();
	QueryDesc  *query;

	register_ENR(env, make_enr(SE_BATCH_NAME, plan->batch,
							   unconstify(SeRowRange *, range), range->n));
	query = CreateQueryDesc(plan->stmt, state->delta_sql, GetActiveSnapshot(),
							InvalidSnapshot, make_receiver(plan, groups), NULL,
							env, 0);
	ExecutorStart(query, 0);
	se_executor_run(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* The merge plan for groups of this row type. */
static SPIPlanPtr
get_merge(SeViewState *state, TupleDesc desc)
{
	MemoryContext old;
	int			settings;

	if (state->merge != NULL && equalTupleDescs(state->merge_desc, desc))
		return state->merge;
	if (state->merge != NULL)
	{
		SPI_freeplan(state->merge);
		state->merge = NULL;
	}

	old = MemoryContextSwitchTo(state->context);
	state->merge_desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	settings = se_sql_settings_begin();
	state->merge = SPI_prepare(state->merge_sql, 0, NULL);
	se_sql_settings_end(settings);
	if (state->merge == NULL)
		elog(ERROR, "could not prepare \"%s\"", state->merge_sql);
	SPI_keepplan(state->merge);
	return state->merge;
}

static void
run_merge(SeViewState *state, const DeltaPlan *plan, Tuplestorestate *groups)
{
	EphemeralNamedRelation enr;

	enr = make_enr(SE_DELTA_NAME, plan->delta, groups,
				   tuplestore_tuple_count(groups));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the delta of a batch");
	if (SPI_execute_plan(get_merge(state, plan->delta), NULL, NULL, false,
						 0) != SPI_OK_INSERT)
		elog(ERROR, "could not execute \"%s\"", state->merge_sql);
	SPI_finish();
}

int64
se_state_apply(SeViewState *state, const SeRowRange *range)
{
	MemoryContext old;
	Tuplestorestate *groups;
	DeltaPlan  *plan;
	int64		result;

	MemoryContextReset(state->batch_context);
	old = MemoryContextSwitchTo(state->batch_context);
	PushActiveSnapshot(GetTransactionSnapshot());

	plan = get_plan(state, range->n);
	groups = tuplestore_begin_heap(false, false, work_mem);
	run_delta(state, plan, range, groups);
	PopActiveSnapshot();

	result = tuplestore_tuple_count(groups);
	if (result > 0)
		run_merge(state, plan, groups);
	tuplestore_end(groups);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->batch_context);
	return result;
}
