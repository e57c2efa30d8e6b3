/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  The plans of a view, in PostgreSQL's own EXPLAIN text.
 *
 * They are made as a worker makes them, by the same functions, with the
 * current user's rights; a plan of another session cannot be looked into.
 * Costs are left out: the planner's guess is made for a batch of a fixed
 * size, and what batches really cost is counted in shared memory.
 *
 * Crash: nothing is run and nothing is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"
#include "delta.h"
#include "sql_settings.h"
#include "state.h"

char *
se_state_explain_delta(SeViewState *state, int nrows)
{
	ExplainState *es = NewExplainState();
	SeBatchQueryPlan plan;
	QueryDesc  *query;
	int			settings;

	es->costs = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	se_batch_query_plan(se_state_delta(state), nrows, &plan);
	settings = se_sql_settings_begin();
	query = CreateQueryDesc(plan.stmt, plan.sql, GetActiveSnapshot(),
							InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	ExecutorStart(query, EXEC_FLAG_EXPLAIN_ONLY);
	ExplainPrintPlan(es, query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	se_sql_settings_end(settings);
	PopActiveSnapshot();
	return es->str->data;
}

/* The merge is an SPI plan; what it reads must be there to be planned. */
char *
se_state_explain_merge(SeViewState *state, int nrows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	StringInfoData text;
	Oid			params[] = {TIMESTAMPTZOID};
	Datum		closed_to[] = {TimestampTzGetDatum(DT_NOBEGIN)};
	SeBatchQueryPlan plan;
	char	   *sql;
	int			settings;

	PushActiveSnapshot(GetTransactionSnapshot());
	se_batch_query_plan(se_state_delta(state), nrows, &plan);
	PopActiveSnapshot();
	initStringInfo(&text);
	sql = psprintf("EXPLAIN (COSTS off) %s", se_state_merge_sql(state));
	enr->md.name = SE_DELTA_NAME;
	enr->md.tupdesc = plan.result;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->reldata = tuplestore_begin_heap(false, false, work_mem);

	settings = se_sql_settings_begin();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the delta of a batch");
	if (SPI_execute_with_args(sql, lengthof(params), params, closed_to, NULL,
							  false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
	for (uint64 i = 0; i < SPI_processed; i++)
		appendStringInfo(&text, "%s\n",
						 SPI_getvalue(SPI_tuptable->vals[i],
									  SPI_tuptable->tupdesc, 1));
	SPI_finish();
	se_sql_settings_end(settings);
	tuplestore_end(enr->reldata);
	return text.data;
}
