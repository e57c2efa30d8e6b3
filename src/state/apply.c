/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  One batch into one view: run the delta query over the batch's rows,
 *	  merge its groups into the state table.
 *
 *		rows (se_batch) -> delta query -> groups (se_delta) -> merge
 *						-> late query  -> rows	 (se_late)	-> name_late_rows
 *
 * The merge is an SPI plan, prepared for the row type that the delta query
 * yields.
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
#include "utils/snapmgr.h"

#include "catalog/catalog.h"
#include "delta.h"
#include "expire.h"
#include "sql_settings.h"
#include "state.h"

/* A statement that reads the rows which a batch query yields. */
typedef struct Sink
{
	const char *relation;		/* the name it reads them by */
	char	   *sql;
	TupleDesc	desc;			/* row type that the plan was prepared for */
	SPIPlanPtr	plan;
} Sink;

struct SeViewState
{
	MemoryContext context;		/* this struct and all below */
	MemoryContext batch_context;
	MemoryContextCallback callback;
	SeBatchQuery *delta;
	Sink		merge;
	char	   *ends_sql;		/* or NULL */
	SeExpiry   *expiry;			/* NULL: groups stay for ever */
	Oid			serial;			/* locked while it is merged into; or none */
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
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* With the name of the state table where it belongs. */
static char *
with_state(const char *sql, Oid relid)
{
	char	   *name = qualified_name(relid);
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
	state->merge.relation = SE_DELTA_NAME;
	state->merge.sql = with_state(view->merge_sql, view->state);
	if (view->late_sql)
		state->late = se_batch_query_open(with_state(view->late_sql,
													 view->state),
										  view->stream);
	state->expiry = se_expiry_create(view);
	if (view->ends_sql)
		state->ends_sql = with_state(view->ends_sql, view->state);
	state->serial = view->serial ? view->state : InvalidOid;
	state->keep_late.relation = SE_LATE_NAME;
	if (OidIsValid(view->late_rows))
		state->keep_late.sql =
			psprintf("INSERT INTO %s SELECT * FROM " SE_LATE_NAME,
					 qualified_name(view->late_rows));
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

static void
pour(SeViewState *state, Sink *sink, TupleDesc desc, Tuplestorestate *rows,
	 TimestampTz closed_to)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	Datum		values[] = {TimestampTzGetDatum(closed_to)};

	enr->md.name = unconstify(char *, sink->relation);
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = tuplestore_tuple_count(rows);
	enr->reldata = rows;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows of a batch");
	if (SPI_execute_plan(prepare(state, sink, desc), values, NULL, false,
						 0) != SPI_OK_INSERT)
		elog(ERROR, "could not execute \"%s\"", sink->sql);
	SPI_finish();
}

/* Runs a query over the rows and pours what it yields.  Returns how many. */
static int64
run(SeViewState *state, SeBatchQuery *query, Sink *sink,
	const SeRowRange *range, TimestampTz closed_to)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleDesc	desc;
	int64		result;

	PushActiveSnapshot(GetTransactionSnapshot());
	desc = se_batch_query_run(query, range, closed_to, rows);
	PopActiveSnapshot();
	result = tuplestore_tuple_count(rows);
	if (result > 0 && state->expiry && sink == &state->merge)
		se_expiry_make_partitions(state->expiry, desc, rows);
	if (result > 0 && sink->sql != NULL)
		pour(state, sink, desc, rows, closed_to);
	tuplestore_end(rows);
	return result;
}

int64
se_state_apply(SeViewState *state, const SeRowRange *range,
			   TimestampTz closed_to, int64 *late_rows)
{
	MemoryContext old;
	int64		result;

	MemoryContextReset(state->batch_context);
	old = MemoryContextSwitchTo(state->batch_context);
	/* other workers of the stream wait, readers and vacuum do not */
	if (OidIsValid(state->serial))
		LockDatabaseObject(RelationRelationId, state->serial, SE_MERGE_LOCK,
						   ExclusiveLock);
	result = run(state, state->delta, &state->merge, range, closed_to);
	if (state->late != NULL && !TIMESTAMP_IS_NOBEGIN(closed_to))
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
