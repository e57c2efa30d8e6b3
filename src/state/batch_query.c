/*-------------------------------------------------------------------------
 *
 * batch_query.c
 *	  Queries over the rows of a batch, planned once and run for each batch.
 *
 * The plans are ours (se_batch is scanned in a way of our own, and aggregates
 * may be split, which no cached plan of PostgreSQL's can be), so they are kept
 * and invalidated here as plancache.c does it.  There is one for small batches
 * and one for large ones: the hash table of a small batch should be cheap to
 * set up, and a join with a large batch wants another plan than one with ten
 * rows.
 *
 * Nothing is written: after an error or a crash there is nothing to repair.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "aggregate/agg_state.h"
#include "aggregate/aggregate.h"
#include "catalog/catalog.h"
#include "compat.h"
#include "delta.h"

/* Batches up to this size run the small plan. */
#define SE_SMALL_BATCH 2000

/* How many rows each of the two plans is made for. */
static const double planned_rows[] = {200, 50000};

typedef struct BatchPlan
{
	MemoryContext context;		/* holds what follows; NULL: not planned */
	bool		valid;
	PlannedStmt *stmt;
	Oid			role;			/* whom it was planned for */
	TupleDesc	batch;			/* row type of the stream */
	TupleDesc	result;			/* its rows, states as tables store them */
	uint64	   *identities;		/* per column: 0, or the aggregate whose
								 * serialized state it is */
} BatchPlan;

struct SeBatchQuery
{
	dlist_node	node;			/* in open_queries */
	MemoryContext context;		/* this struct and all below */
	MemoryContextCallback callback;
	Oid			stream;
	char	   *sql;
	BatchPlan	plans[lengthof(planned_rows)];
};

static dlist_head open_queries = DLIST_STATIC_INIT(open_queries);

/*
 * Invalidation.  Callbacks cannot be taken back, so they are registered once
 * and look through all open queries.
 */
static bool
plan_uses_relation(const SeBatchQuery *query, const BatchPlan *plan, Oid relid)
{
	return relid == InvalidOid || relid == query->stream ||
		list_member_oid(plan->stmt->relationOids, relid);
}

static void
relation_changed(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &open_queries)
	{
		SeBatchQuery *query = dlist_container(SeBatchQuery, node, iter.cur);

		for (int i = 0; i < lengthof(planned_rows); i++)
			if (query->plans[i].valid &&
				plan_uses_relation(query, &query->plans[i], relid))
				query->plans[i].valid = false;
	}
}

static bool
plan_uses_object(const BatchPlan *plan, int cacheid, uint32 hash)
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

	dlist_foreach(iter, &open_queries)
	{
		SeBatchQuery *query = dlist_container(SeBatchQuery, node, iter.cur);

		for (int i = 0; i < lengthof(planned_rows); i++)
			if (query->plans[i].valid &&
				(all || plan_uses_object(&query->plans[i], cacheid, hash)))
				query->plans[i].valid = false;
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

/* The query's memory goes away. */
static void
forget_query(void *arg)
{
	dlist_delete(&((SeBatchQuery *) arg)->node);
}

SeBatchQuery *
se_batch_query_open(const char *sql, Oid stream)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext batch query",
												  ALLOCSET_SMALL_SIZES);
	SeBatchQuery *query = MemoryContextAllocZero(context, sizeof(SeBatchQuery));

	register_callbacks();
	query->context = context;
	query->stream = stream;
	query->sql = MemoryContextStrdup(context, sql);
	dlist_push_tail(&open_queries, &query->node);
	query->callback.func = forget_query;
	query->callback.arg = query;
	MemoryContextRegisterResetCallback(context, &query->callback);
	return query;
}

/* The columns that the query yields, with serialized states as stream.agg_state. */
static void
describe_result(BatchPlan *plan)
{
	List	   *target = plan->stmt->planTree->targetlist;
	ListCell   *lc;

	plan->result = ExecCleanTypeFromTL(target);
	plan->identities = palloc0(sizeof(uint64) * plan->result->natts);
	foreach(lc, target)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Aggref	   *aggref = (Aggref *) tle->expr;
		AttrNumber	attno = tle->resno;
		SeAggregate agg;

		if (!IsA(aggref, Aggref) || aggref->aggtranstype != INTERNALOID)
			continue;
		se_aggregate_load_call(aggref, &agg);
		if (agg.transtype == INTERNALOID)
			plan->identities[attno - 1] = se_aggregate_identity(&agg);
		else if (se_aggregate_in_delta(agg.fn) != aggref->aggfnoid)
			elog(ERROR, "aggregate %u does not yield what is kept", agg.fn);
		TupleDescInitEntry(plan->result, attno, tle->resname,
						   agg.transtype == INTERNALOID ?
						   se_agg_state_type() : agg.transtype, -1, 0);
	}
}

static void
make_plan(SeBatchQuery *query, BatchPlan *plan, double rows)
{
	MemoryContext old;

	if (plan->context != NULL)
		MemoryContextDelete(plan->context);
	memset(plan, 0, sizeof(*plan));
	plan->context = AllocSetContextCreate(query->context,
										  "stream_ext batch plan",
										  ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(plan->context);
	plan->role = GetUserId();
	plan->batch = se_catalog_batch_type_for(query->stream, query->sql);
	MemoryContextSwitchTo(old);
	plan->stmt = se_state_plan_delta(query->sql, plan->batch, rows);
	se_batch_scan_replace(plan->stmt, plan->batch);
	MemoryContextSwitchTo(plan->context);
	plan->stmt = copyObject(plan->stmt);
	describe_result(plan);
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

static BatchPlan *
get_plan(SeBatchQuery *query, int nrows)
{
	int			i = nrows > SE_SMALL_BATCH ? 1 : 0;
	BatchPlan  *plan = &query->plans[i];

	for (;;)
	{
		if (!plan->valid || plan->stmt->transientPlan ||
			(plan->stmt->dependsOnRole && plan->role != GetUserId()))
			make_plan(query, plan, planned_rows[i]);

		/* Waiting for a lock may bring the news that the plan is outdated. */
		lock_relations(plan->stmt);
		if (plan->valid)
			return plan;
	}
}

/* Where the query's rows go: into a tuplestore, states wrapped. */
typedef struct ResultReceiver
{
	DestReceiver pub;
	Tuplestorestate *store;
	const BatchPlan *plan;
	bool		wraps;
	MemoryContext row_context;
	Datum	   *values;
} ResultReceiver;

static bool
receive_plain(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((ResultReceiver *) self)->store, slot);
	return true;
}

static bool
receive_wrapping(TupleTableSlot *slot, DestReceiver *self)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	const BatchPlan *plan = receiver->plan;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);

	slot_getallattrs(slot);
	for (int i = 0; i < plan->result->natts; i++)
	{
		receiver->values[i] = slot->tts_values[i];
		if (plan->identities[i] != 0 && !slot->tts_isnull[i])
			receiver->values[i] =
				PointerGetDatum(se_agg_state_make(DatumGetByteaPP(slot->tts_values[i]),
												  plan->identities[i]));
	}
	tuplestore_putvalues(receiver->store, plan->result, receiver->values,
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
make_receiver(const BatchPlan *plan, Tuplestorestate *store)
{
	ResultReceiver *receiver = palloc0(sizeof(ResultReceiver));
	bool		wraps = false;

	for (int i = 0; i < plan->result->natts; i++)
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
		receiver->values = palloc(sizeof(Datum) * plan->result->natts);
		receiver->row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "stream_ext batch query row",
													  ALLOCSET_DEFAULT_SIZES);
	}
	return (DestReceiver *) receiver;
}

ParamListInfo
se_batch_query_params(TimestampTz closed_to)
{
	ParamListInfo params = makeParamList(1);

	params->params[0].value = TimestampTzGetDatum(closed_to);
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = TIMESTAMPTZOID;
	return params;
}

TupleDesc
se_batch_query_run(SeBatchQuery *query, const SeRowRange *range,
				   TimestampTz closed_to, Tuplestorestate *store)
{
	BatchPlan  *plan = get_plan(query, range->n);
	QueryEnvironment *env = create_queryEnv();
	EphemeralNamedRelation batch = palloc0(sizeof(EphemeralNamedRelationData));
	QueryDesc  *desc;

	batch->md.name = SE_BATCH_NAME;
	batch->md.tupdesc = plan->batch;
	batch->md.enrtype = ENR_NAMED_TUPLESTORE;
	batch->md.enrtuples = range->n;
	batch->reldata = unconstify(SeRowRange *, range);
	register_ENR(env, batch);

	desc = CreateQueryDesc(plan->stmt, query->sql, GetActiveSnapshot(),
						   InvalidSnapshot, make_receiver(plan, store),
						   se_batch_query_params(closed_to), env, 0);
	ExecutorStart(desc, 0);
	se_executor_run(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	return plan->result;
}

void
se_batch_query_plan(SeBatchQuery *query, int n, SeBatchQueryPlan *plan)
{
	BatchPlan  *mine = get_plan(query, n);

	plan->stmt = mine->stmt;
	plan->result = mine->result;
	plan->sql = query->sql;
}
