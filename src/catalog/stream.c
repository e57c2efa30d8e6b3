/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  stream.catalog_streams: one row per stream.
 *
 * A stream's identity is its staging table, so that PostgreSQL's own names,
 * owner, privileges, dump and drop apply to it.  The row also remembers which
 * cluster and database it belongs to: a copy made by pg_dump or CREATE
 * DATABASE ... TEMPLATE finds itself away from home and stays paused until
 * someone resumes it there, while a promoted standby goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_STREAM, COL_DEAD_LETTERS, COL_SERVER, COL_TOPIC, COL_FORMAT,
	COL_FIELDS, COL_EVENT_TIME, COL_WATERMARK_DELAY, COL_ALLOWED_LATENESS,
	COL_IDLE_TIMEOUT, COL_STARTUP_MODE, COL_ON_ERROR, COL_WORKERS, COL_STATE,
	COL_OPTIONS, COL_ERROR, COL_ERROR_AT, COL_SYSTEM_ID, COL_DATABASE,
	NCOLS
};

static const SeTable table = {"catalog_streams", NCOLS};

void
se_catalog_add_stream(const SeStream *s)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	values[COL_STREAM] = ObjectIdGetDatum(s->relid);
	values[COL_DEAD_LETTERS] = ObjectIdGetDatum(s->dead_letters);
	se_row_set_text(values, isnull, COL_SERVER, s->server);
	se_row_set_text(values, isnull, COL_TOPIC, s->topic);
	se_row_set_text(values, isnull, COL_FORMAT, s->format);
	se_row_set_pointer(values, isnull, COL_FIELDS, s->fields);
	se_row_set_text(values, isnull, COL_EVENT_TIME, s->event_time);
	se_row_set_pointer(values, isnull, COL_WATERMARK_DELAY, s->watermark_delay);
	se_row_set_pointer(values, isnull, COL_ALLOWED_LATENESS, s->allowed_lateness);
	se_row_set_pointer(values, isnull, COL_IDLE_TIMEOUT, s->idle_timeout);
	se_row_set_text(values, isnull, COL_STARTUP_MODE, s->startup_mode);
	se_row_set_text(values, isnull, COL_ON_ERROR, s->on_error);
	values[COL_WORKERS] = Int32GetDatum(s->workers);
	values[COL_STATE] = CharGetDatum(s->state);
	se_row_set_pointer(values, isnull, COL_OPTIONS, s->options);
	isnull[COL_ERROR] = true;
	isnull[COL_ERROR_AT] = true;
	values[COL_SYSTEM_ID] = Int64GetDatum((int64) GetSystemIdentifier());
	values[COL_DATABASE] = ObjectIdGetDatum(MyDatabaseId);
	se_row_insert(&table, values, isnull);
}

static void *
copy_pointer(SeRowScan *rows, int column)
{
	if (rows->isnull[column])
		return NULL;
	return PG_DETOAST_DATUM_COPY(rows->values[column]);
}

static SeStream *
make_stream(SeRowScan *rows)
{
	SeStream   *s = palloc0(sizeof(SeStream));

	s->relid = DatumGetObjectId(rows->values[COL_STREAM]);
	s->dead_letters = DatumGetObjectId(rows->values[COL_DEAD_LETTERS]);
	s->server = se_row_text(rows, COL_SERVER);
	s->topic = se_row_text(rows, COL_TOPIC);
	s->format = se_row_text(rows, COL_FORMAT);
	s->fields = copy_pointer(rows, COL_FIELDS);
	s->event_time = se_row_text(rows, COL_EVENT_TIME);
	s->watermark_delay = se_row_interval(rows, COL_WATERMARK_DELAY);
	s->allowed_lateness = se_row_interval(rows, COL_ALLOWED_LATENESS);
	s->idle_timeout = se_row_interval(rows, COL_IDLE_TIMEOUT);
	s->startup_mode = se_row_text(rows, COL_STARTUP_MODE);
	s->on_error = se_row_text(rows, COL_ON_ERROR);
	s->workers = DatumGetInt32(rows->values[COL_WORKERS]);
	s->state = DatumGetChar(rows->values[COL_STATE]);
	s->options = copy_pointer(rows, COL_OPTIONS);
	s->error = se_row_text(rows, COL_ERROR);
	if (!rows->isnull[COL_ERROR_AT])
		s->error_at = DatumGetTimestampTz(rows->values[COL_ERROR_AT]);
	s->system_id = DatumGetInt64(rows->values[COL_SYSTEM_ID]);
	s->database = DatumGetObjectId(rows->values[COL_DATABASE]);
	return s;
}

SeStream *
se_catalog_get_stream(Oid relid, bool missing_ok)
{
	SeRowScan	rows;
	SeStream   *stream = NULL;

	se_row_begin(&rows, &table, AccessShareLock, 1, relid, 0);
	if (se_row_next(&rows))
		stream = make_stream(&rows);
	se_row_end(&rows);
	if (stream == NULL && !missing_ok && get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the stream does not exist"),
				 errdetail("It was dropped a moment ago.")));
	if (stream == NULL && !missing_ok)
	{
		char	   *name = DatumGetCString(DirectFunctionCall1(regclassout,
															   ObjectIdGetDatum(relid)));

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is not a stream", name),
				 errhint("The streams of this database are listed in stream.status.")));
	}
	return stream;
}

List *
se_catalog_list_streams(void)
{
	SeRowScan	rows;
	List	   *streams = NIL;

	se_row_begin(&rows, &table, AccessShareLock, 0, InvalidOid, 0);
	while (se_row_next(&rows))
		streams = lappend(streams, make_stream(&rows));
	se_row_end(&rows);
	return streams;
}

/* Finds the row for an update; the caller ends the scan. */
static void
begin_update(SeRowScan *rows, Oid relid)
{
	se_row_begin(rows, &table, RowExclusiveLock, 1, relid, 0);
	if (!se_row_next(rows))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("stream with OID %u was dropped", relid)));
}

static void
end_update(SeRowScan *rows, Oid relid)
{
	se_row_update(rows);
	se_row_end(rows);
	CommandCounterIncrement();
	/* workers notice by the invalidation of the stream's relation */
	CacheInvalidateRelcacheByRelid(relid);
}

void
se_catalog_set_stream_state(Oid relid, char state, const char *error)
{
	SeRowScan	rows;

	begin_update(&rows, relid);
	rows.values[COL_STATE] = CharGetDatum(state);
	se_row_put_text(&rows, COL_ERROR, error);
	rows.isnull[COL_ERROR_AT] = (error == NULL);
	rows.values[COL_ERROR_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	end_update(&rows, relid);
}

void
se_catalog_set_startup_mode(Oid relid, const char *mode, Jsonb *options)
{
	SeRowScan	rows;

	begin_update(&rows, relid);
	se_row_put_text(&rows, COL_STARTUP_MODE, mode);
	rows.values[COL_OPTIONS] = JsonbPGetDatum(options);
	end_update(&rows, relid);
}

void
se_catalog_adopt_stream(Oid relid)
{
	SeRowScan	rows;

	begin_update(&rows, relid);
	rows.values[COL_SYSTEM_ID] = Int64GetDatum((int64) GetSystemIdentifier());
	rows.values[COL_DATABASE] = ObjectIdGetDatum(MyDatabaseId);
	end_update(&rows, relid);
}

bool
se_catalog_stream_is_home(const SeStream *stream)
{
	return stream->system_id == (int64) GetSystemIdentifier() &&
		stream->database == MyDatabaseId;
}

/* Deletes the stream's row; its partitions and views are the caller's. */
bool
se_catalog_delete_stream(Oid relid)
{
	SeRowScan	rows;
	bool		found;

	se_row_begin(&rows, &table, RowExclusiveLock, 1, relid, 0);
	found = se_row_next(&rows);
	if (found)
		se_row_delete(&rows);
	se_row_end(&rows);
	return found;
}

/* ---- the row type of a batch ---- */

int
se_catalog_natts(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	result = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	return result;
}

/* Columns of the stream, of the state unless that is InvalidOid, and two more. */
static TupleDesc
batch_type(Oid stream, Oid state)
{
	TupleDesc	rows = lookup_rowtype_tupdesc(get_rel_type_id(stream), -1);
	TupleDesc	states = OidIsValid(state) ?
		lookup_rowtype_tupdesc(get_rel_type_id(state), -1) : NULL;
	int			natts = rows->natts + (states ? states->natts : 0);
	TupleDesc	result = CreateTemplateTupleDesc(natts + 2);

	for (int i = 1; i <= rows->natts; i++)
		TupleDescCopyEntry(result, i, rows, i);
	for (int i = rows->natts + 1; i <= natts; i++)
	{
		AttrNumber	attno = i - rows->natts;

		TupleDescCopyEntry(result, i, states, attno);
		namestrcpy(&TupleDescAttr(result, i - 1)->attname,
				   se_catalog_state_name(attno));
	}
	ReleaseTupleDesc(rows);
	if (states)
		ReleaseTupleDesc(states);
	TupleDescInitEntry(result, natts + 1, SE_BATCH_PARTITION, INT4OID, -1, 0);
	TupleDescInitEntry(result, natts + 2, SE_BATCH_OFFSET, INT8OID, -1, 0);
	return result;
}

TupleDesc
se_catalog_batch_type(Oid stream)
{
	return batch_type(stream, InvalidOid);
}

TupleDesc
se_catalog_batch_type_with_states(Oid view)
{
	return batch_type(view, se_catalog_get_view(view, false)->state);
}

TupleDesc
se_catalog_batch_type_for(Oid stream, const char *sql)
{
	SeView	   *view = strstr(sql, SE_BATCH_STATE) == NULL ? NULL :
		se_catalog_get_view(stream, true);

	return batch_type(stream, view && se_catalog_reads_states(sql, view) ?
					  view->state : InvalidOid);
}

char *
se_catalog_state_name(AttrNumber attno)
{
	return psprintf(SE_BATCH_STATE "%d", attno);
}

bool
se_catalog_reads_states(const char *sql, const SeView *view)
{
	int			natts = se_catalog_natts(view->state);

	for (AttrNumber attno = 1; attno <= natts; attno++)
		if (se_catalog_reads_state(sql, attno))
			return true;
	return false;
}

bool
se_catalog_reads_state(const char *sql, AttrNumber attno)
{
	return strstr(sql, psprintf("\"%s\"", se_catalog_state_name(attno))) != NULL;
}
