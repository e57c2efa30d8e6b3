/*-------------------------------------------------------------------------
 *
 * operate.c
 *	  pause, resume, seek, wait and test_connection.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "../catalog/catalog.h"
#include "../clock.h"
#include "../launcher/launcher.h"
#include "../security/security.h"
#include "../source/source.h"
#include "../stats/stats.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_pause);
PG_FUNCTION_INFO_V1(se_sql_resume);
PG_FUNCTION_INFO_V1(se_sql_seek);
PG_FUNCTION_INFO_V1(se_sql_wait);
PG_FUNCTION_INFO_V1(se_sql_test_connection);

#define CONNECT_TIMEOUT_MS 10000
#define LOOK_INTERVAL_MS 100

Datum
se_sql_pause(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SeStream   *stream = se_api_lock_stream(relid);

	se_catalog_set_stream_state(relid, SE_STATE_PAUSED, stream->error);
	se_launcher_announce(relid);
	PG_RETURN_VOID();
}

/* pg_dump does not know what a table's rows depend on. */
static void
depend_again(Oid stream)
{
	List	   *views = se_catalog_list_views(stream);
	List	   *feeds = se_catalog_list_feeds(stream);
	ListCell   *lc;

	foreach(lc, views)
		se_api_depend_on_stream(((SeView *) lfirst(lc))->state, stream);
	foreach(lc, feeds)
	{
		SeFeed	   *feed = lfirst(lc);

		se_api_depend_on_stream(se_catalog_get_view(feed->view, false)->state,
								feed->source);
	}
}

Datum
se_sql_resume(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SeStream   *stream;

	se_stats_require();
	stream = se_api_lock_stream(relid);
	if (stream->server)
		(void) se_security_require_server(stream->server,
										  se_security_owner(relid));
	se_catalog_set_stream_state(relid, SE_STATE_RUNNING, NULL);
	se_catalog_adopt_stream(relid);
	depend_again(relid);
	se_stats_set_problem(se_stats_stream(MyDatabaseId, relid, true), NULL);
	se_launcher_announce(relid);
	PG_RETURN_VOID();
}

/* ---- seek ---- */

/*
 * What lies below the end of a backfill would count twice in that view.
 * partition -1: all.
 */
static void
refuse_during_backfill(Oid stream, int32 partition, int64 offset)
{
	List	   *views = se_catalog_list_backfilled(stream);
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, views)
	{
		List	   *parts = se_catalog_list_backfill(lfirst_oid(lc));

		foreach(lc2, parts)
		{
			SeBackfillPart *part = lfirst(lc2);

			if (partition >= 0 && (part->partition != partition ||
								   part->end_offset <= offset))
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("view \"%s\" of stream \"%s\" is being backfilled",
							get_rel_name(part->view), get_rel_name(stream)),
					 errdetail("Records of partition %d below offset %lld would count twice in it.",
							   part->partition, (long long) part->end_offset),
					 errhint("Resume the stream and wait until backfill_lag in stream.views is null, or drop the view; going forward is possible.")));
		}
	}
}

static void
refuse_offsets(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid offsets: %s", text),
			 errhint("Give {\"partition\": next_offset, ...} such as {\"0\": 1200}, or \"earliest\", \"latest\" or a timestamp.")));
}

static void
set_offset(Oid stream, int32 partition, int64 offset)
{
	List	   *rows = se_catalog_list_partitions(stream);
	SePartition row = {0};
	ListCell   *lc;

	foreach(lc, rows)
	{
		SePartition *stored = lfirst(lc);
		int64		expected = stored->next_offset;

		if (stored->partition != partition)
			continue;
		stored->next_offset = offset;
		se_catalog_advance_partition(stored, expected);
		CommandCounterIncrement();
		return;
	}
	row.relid = stream;
	row.partition = partition;
	row.next_offset = offset;
	row.watermark = DT_NOBEGIN;
	row.closed_to = DT_NOBEGIN;
	se_catalog_add_partition(&row);
}

void
se_api_set_offsets(Oid stream, const char *json)
{
	Jsonb	   *offsets = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															 CStringGetDatum(json)));
	List	   *list;
	ListCell   *lc;

	if (!JB_ROOT_IS_OBJECT(offsets) || JB_ROOT_COUNT(offsets) == 0)
		refuse_offsets(json);
	list = se_catalog_options_list(offsets);
	/* nulls are not in the list */
	if (list_length(list) != JB_ROOT_COUNT(offsets))
		refuse_offsets(json);
	foreach(lc, list)
	{
		DefElem    *def = lfirst(lc);
		char	   *text = strVal(def->arg);
		char	   *end;
		char	   *end2;
		long		partition = strtol(def->defname, &end, 10);
		long long	offset = strtoll(text, &end2, 10);

		if (*end != '\0' || end == def->defname || *end2 != '\0' ||
			end2 == text || partition < 0 || partition > PG_INT32_MAX ||
			offset < 0 || offset == PG_INT64_MAX)
			refuse_offsets(json);
		refuse_during_backfill(stream, (int32) partition, offset);
		set_offset(stream, (int32) partition, offset);
	}
}

/* Kafka's partitions start anew by a startup mode. */
static void
start_anew(SeStream *stream, const char *word)
{
	const char *mode = word;
	char	   *json;
	StringInfoData option;
	Datum		added;
	Jsonb	   *options;

	if (strcmp(word, "latest") != 0)
		refuse_during_backfill(stream->relid, -1, 0);
	initStringInfo(&option);
	if (strcmp(word, "earliest") != 0 && strcmp(word, "latest") != 0)
	{
		Datum		at = DirectFunctionCall3(timestamptz_in,
											 CStringGetDatum(word),
											 ObjectIdGetDatum(InvalidOid),
											 Int32GetDatum(-1));

		mode = "timestamp";
		json = DatumGetCString(DirectFunctionCall1(timestamptz_out, at));
		appendStringInfo(&option, "{\"scan_startup_timestamp\": \"%s\"}", json);
	}
	else
		appendStringInfoString(&option, "{}");
	added = DirectFunctionCall1(jsonb_in, CStringGetDatum(option.data));
	options = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												 JsonbPGetDatum(stream->options),
												 added));
	se_catalog_delete_partitions(stream->relid);
	se_catalog_set_startup_mode(stream->relid, mode, options);
}

Datum
se_sql_seek(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Jsonb	   *offsets = PG_GETARG_JSONB_P(1);
	SeStream   *stream = se_api_lock_stream(relid);
	char	   *text = JsonbToCString(NULL, &offsets->root, VARSIZE(offsets));

	if (stream->state == SE_STATE_RUNNING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" is running", get_rel_name(relid)),
				 errhint("Call stream.pause('%s') first.", get_rel_name(relid))));
	if (JB_ROOT_IS_OBJECT(offsets))
		se_api_set_offsets(relid, text);
	else if (JB_ROOT_IS_SCALAR(offsets))
	{
		JsonbValue	scalar;

		if (!JsonbExtractScalar(&offsets->root, &scalar) ||
			scalar.type != jbvString)
			refuse_offsets(text);
		start_anew(stream, pnstrdup(scalar.val.string.val,
									scalar.val.string.len));
	}
	else
		refuse_offsets(text);
	CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_VOID();
}

/* ---- wait ---- */

static SeSourceConfig *
make_config(List *options, const char *topic)
{
	SeSourceConfig *config = palloc0(sizeof(SeSourceConfig));

	config->options = options;
	config->topic = topic;
	config->client_id = "stream_ext";
	config->group_id = "stream_ext";
	return config;
}

static bool
has_reached(Oid relid, const int64 *ends, int n)
{
	List	   *rows = se_catalog_list_partitions(relid);
	int			reached = 0;
	ListCell   *lc;

	foreach(lc, rows)
	{
		SePartition *row = lfirst(lc);

		if (row->partition >= 0 && row->partition < n &&
			row->next_offset >= ends[row->partition])
			reached++;
	}
	return reached == n;
}

/* An error when waiting would be in vain. */
static void
check_can_reach(Oid relid)
{
	SeStream   *stream = se_catalog_get_stream(relid, false);

	if (stream->state == SE_STATE_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has failed", get_rel_name(relid)),
				 errdetail("%s", stream->error ? stream->error : "")));
	if (stream->state == SE_STATE_PAUSED || !se_catalog_stream_is_home(stream))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" is paused", get_rel_name(relid)),
				 errhint("Call stream.resume('%s').", get_rel_name(relid))));
}

static int64
interval_ms(const Interval *span)
{
	double		us = (double) span->time +
		(span->day + span->month * 30.0) * (double) USECS_PER_DAY;

	return (int64) Min(Max(us / 1000.0, 0), (double) PG_INT32_MAX);
}

Datum
se_sql_wait(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SeStream   *stream = se_catalog_get_stream(relid, false);
	int64		deadline = se_clock_us() +
		interval_ms(PG_GETARG_INTERVAL_P(1)) * 1000;
	SeStreamStats *stats;
	int64	   *ends;
	int			n;
	bool		reached;

	se_stats_require();
	se_security_require_owner(relid);
	if (stream->server == NULL)
		PG_RETURN_BOOL(true);
	ends = se_source_kafka_end_offsets(make_config(se_security_connection(stream->server,
																		  se_security_owner(relid)),
												   stream->topic),
									   (int) Max(1, Min(CONNECT_TIMEOUT_MS,
														(deadline - se_clock_us()) / 1000)),
									   &n);
	stats = se_stats_stream(MyDatabaseId, relid, true);
	if (stats)
		ConditionVariablePrepareToSleep(&stats->committed);
	for (;;)
	{
		reached = has_reached(relid, ends, n);
		if (reached || se_clock_us() >= deadline)
			break;
		check_can_reach(relid);
		CHECK_FOR_INTERRUPTS();
		if (stats)
			(void) ConditionVariableTimedSleep(&stats->committed,
											   LOOK_INTERVAL_MS,
											   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	PG_RETURN_BOOL(reached);
}

/* ---- test_connection ---- */

Datum
se_sql_test_connection(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *server = NameStr(*PG_GETARG_NAME(0));
	List	   *options = se_security_connection(server, GetUserId());
	List	   *facts = se_source_kafka_test(make_config(options, NULL),
											 CONNECT_TIMEOUT_MS);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, facts)
	{
		SeConnectionFact *fact = lfirst(lc);
		Datum		values[5] = {0};
		bool		nulls[5] = {0};

		values[0] = CStringGetTextDatum(fact->kind);
		values[1] = CStringGetTextDatum(fact->name);
		values[2] = Int32GetDatum(fact->id);
		nulls[2] = fact->id < 0;
		values[3] = Int32GetDatum(fact->partitions);
		nulls[3] = strcmp(fact->kind, "topic") != 0;
		nulls[4] = fact->detail == NULL;
		if (fact->detail)
			values[4] = CStringGetTextDatum(fact->detail);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
