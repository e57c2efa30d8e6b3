/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Records by hand: stream.ingest(), stream.ingest_records() and
 *	  stream.retry_dead_letters().
 *
 * Each call is one batch through the worker's own code, in the caller's
 * transaction and with the rights of the stream's owner.  Callers of one
 * stream wait for each other, so offsets are given out without gaps.
 *
 * Views on views of a stream that reads no Kafka take in what the call has closed
 * at its end.
 *
 * A stream that reads Kafka keeps what is fed by hand in partition -1, where
 * it cannot be mistaken for Kafka's records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "../clock.h"
#include "../compat.h"
#include "../ingest/feed.h"
#include "../ingest/ingest.h"
#include "../security/security.h"
#include "../sql_settings.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_ingest);
PG_FUNCTION_INFO_V1(se_sql_ingest_records);
PG_FUNCTION_INFO_V1(se_sql_retry_dead_letters);

#define AUTO_OFFSET (-1)

/* Headers of records given by hand: origin is their jsonb, or NULL. */
static bool
jsonb_header(const SeRecord *record, const char *name, const char **value,
			 size_t *len)
{
	Jsonb	   *headers = record->origin;
	JsonbValue	found;

	if (headers == NULL || !JB_ROOT_IS_OBJECT(headers) ||
		!getKeyJsonValueFromContainer(&headers->root, name, strlen(name),
									  &found))
		return false;
	*value = NULL;
	*len = 0;
	if (found.type == jbvString)
	{
		*value = found.val.string.val;
		*len = found.val.string.len;
	}
	else if (found.type != jbvNull)
	{
		*value = se_catalog_option(headers, name);
		*len = strlen(*value);
	}
	return true;
}

static Jsonb *
jsonb_headers(const SeRecord *record)
{
	return record->origin;
}

/*
 * Keeps other callers and DDL out; workers of the stream go on.  With a watermark
 * they wait, too: what is fed goes by the watermark of its beginning, and must
 * not come to windows that the workers have closed meanwhile.
 */
static SeStream *
lock_for_feeding(Oid relid)
{
	SeStream   *stream;

	LockRelationOid(relid, ShareUpdateExclusiveLock);
	stream = se_catalog_get_stream(relid, false);
	if (stream->server && stream->watermark_delay)
		LockRelationOid(relid, ShareRowExclusiveLock);
	return stream;
}

/* The position of a partition, with a row in the table. */
static SePosition *
position_of(SeProgress *progress, List **rows, int32 partition)
{
	SePartition row = {0};
	ListCell   *lc;

	foreach(lc, *rows)
	{
		SePartition *stored = lfirst(lc);

		if (stored->partition == partition)
			return se_progress_add(progress, stored);
	}
	row.relid = progress->relid;
	row.partition = partition;
	row.watermark = DT_NOBEGIN;
	row.closed_to = DT_NOBEGIN;
	se_catalog_add_partition(&row);
	return se_progress_add(progress, &row);
}

static int
compare_partitions(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/* Positions for all partitions named, in order. */
static void
load_positions(SeProgress *progress, const SeRecord *records, int n)
{
	List	   *rows = se_catalog_list_partitions(progress->relid);
	int32	   *partitions = palloc(sizeof(int32) * Max(n, 1));

	for (int i = 0; i < n; i++)
		partitions[i] = records[i].partition;
	qsort(partitions, n, sizeof(int32), compare_partitions);
	for (int i = 0; i < n; i++)
		if (i == 0 || partitions[i] != partitions[i - 1])
			(void) position_of(progress, &rows, partitions[i]);
}

/* Records without an offset follow the last one of their partition. */
static void
number_records(SeProgress *progress, SeRecord *records, int n)
{
	int64	   *next = palloc(sizeof(int64) * Max(progress->n, 1));

	for (int i = 0; i < progress->n; i++)
		next[i] = progress->positions[i].next_offset;
	for (int i = 0; i < n; i++)
	{
		SePosition *position = se_progress_find(progress, records[i].partition);
		int64	   *offset = &next[position - progress->positions];

		if (records[i].offset == AUTO_OFFSET)
			records[i].offset = *offset;
		*offset = Max(*offset, records[i].offset + 1);
	}
}

static int64
feed(Oid relid, SeRecord *records, int n)
{
	SeStream   *stream;
	SeIdentity	saved;
	SeIngest   *ingest;
	SeProgress *progress;
	SeBatchResult result;
	int64		start = se_clock_us();

	se_stats_require();
	se_security_require_insert(relid);
	stream = lock_for_feeding(relid);
	for (int i = 0; i < n; i++)
	{
		if (stream->server && (records[i].partition >= 0 ||
							   records[i].offset != AUTO_OFFSET))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("partition and offset of stream \"%s\" belong to Kafka",
							get_rel_name(relid)),
					 errhint("Leave them null: records fed by hand are numbered on their own.")));
		if (!stream->server && records[i].partition < 0)
			records[i].partition = 0;
	}

	se_security_become(se_security_owner(relid), &saved);
	ingest = se_ingest_open(relid, jsonb_header, jsonb_headers);
	se_ingest_close_idle(ingest);
	progress = se_progress_create(se_ingest_stream(ingest), InvalidOid);
	load_positions(progress, records, n);
	number_records(progress, records, n);
	result = se_ingest_records(ingest, records, n, progress, InvalidOid);
	se_progress_save(progress);
	se_progress_committed(progress);
	/* where workers run, theirs do it */
	if (stream->server == NULL)
		se_feeds_run(relid);
	se_ingest_expire(ingest);
	se_ingest_count(ingest, &result, se_clock_us() - start);
	se_ingest_close(ingest);
	CommandCounterIncrement();
	se_security_restore(&saved);
	return result.rows;
}

static void
put_bytes(Datum value, const char **bytes, size_t *len)
{
	struct varlena *data = PG_DETOAST_DATUM_PACKED(value);

	*bytes = VARDATA_ANY(data);
	*len = VARSIZE_ANY_EXHDR(data);
}

/* stream.ingest(stream regclass, VARIADIC payloads text[]) */
Datum
se_sql_ingest(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Datum	   *payloads;
	bool	   *nulls;
	int			n;
	SeRecord   *records;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &payloads, &nulls, &n);
	records = palloc0(sizeof(SeRecord) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		records[i].partition = -1;
		records[i].offset = AUTO_OFFSET;
		records[i].timestamp = GetCurrentTransactionStartTimestamp();
		if (!nulls[i])
			put_bytes(payloads[i], &records[i].value, &records[i].value_len);
	}
	PG_RETURN_INT64(feed(relid, records, n));
}

/* One stream.record. */
static void
read_record(HeapTupleHeader composite, SeRecord *record)
{
	Datum		v[6];
	bool		isnull[6];
	HeapTupleData tuple;
	TupleDesc	desc;

	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(composite),
								  HeapTupleHeaderGetTypMod(composite));
	tuple.t_len = HeapTupleHeaderGetDatumLength(composite);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = composite;
	heap_deform_tuple(&tuple, desc, v, isnull);
	ReleaseTupleDesc(desc);

	record->partition = isnull[0] ? -1 : DatumGetInt32(v[0]);
	record->offset = isnull[1] ? AUTO_OFFSET : DatumGetInt64(v[1]);
	record->timestamp = isnull[2] ? GetCurrentTransactionStartTimestamp() :
		DatumGetTimestampTz(v[2]);
	if (!isnull[3])
		put_bytes(v[3], &record->key, &record->key_len);
	if (!isnull[4])
		put_bytes(v[4], &record->value, &record->value_len);
	if (!isnull[5])
		record->origin = DatumGetJsonbP(v[5]);
	if ((!isnull[0] && record->partition < 0) ||
		(!isnull[1] && record->offset < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition and offset of a record must not be negative")));
	/* the next one must be a number, too */
	if (record->offset == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("offset of a record is out of range")));
}

/* stream.ingest_records(stream regclass, records stream.record[]) */
Datum
se_sql_ingest_records(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	Datum	   *composites;
	bool	   *nulls;
	int			n;
	SeRecord   *records;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE,
					  &composites, &nulls, &n);
	records = palloc0(sizeof(SeRecord) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a record must not be null"),
					 errhint("A tombstone is a record whose value is null.")));
		read_record(DatumGetHeapTupleHeader(composites[i]), &records[i]);
	}
	PG_RETURN_INT64(feed(relid, records, n));
}

/* ---- dead letters again ---- */

/* The names of the stream's views as text[]. */
static Datum
view_names(const SeStream *stream)
{
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext,
											 false);
	List	   *views = se_catalog_list_views(stream->relid);
	ListCell   *lc;

	foreach(lc, views)
	{
		char	   *name = se_sql_name(((SeView *) lfirst(lc))->relid);

		names = accumArrayResult(names, CStringGetTextDatum(name), false,
								 TEXTOID, CurrentMemoryContext);
	}
	return makeArrayResult(names, CurrentMemoryContext);
}

/*
 * Takes dead letters out of their table, as records.  Those of views that are
 * no longer there, or not under that name, stay.
 */
static SeRecord *
take_dead_letters(const SeStream *stream, int *n, char ***views)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext old;
	SeRecord   *records;
	Oid			types[] = {TEXTARRAYOID};
	Datum		names[1];

	SPI_connect();
	names[0] = view_names(stream);
	if (SPI_execute_with_args(psprintf("WITH taken AS (DELETE FROM %s "
									   "WHERE view_name IS NULL OR view_name OPERATOR(pg_catalog.=) ANY ($1) RETURNING *) "
									   "SELECT \"partition\", \"offset\", \"timestamp\", key, payload, headers, view_name "
									   "FROM taken ORDER BY id",
									   se_dead_letter_table(stream)),
							  1, types, names, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the dead letters");
	*n = (int) SPI_processed;
	old = MemoryContextSwitchTo(context);
	records = palloc0(sizeof(SeRecord) * Max(*n, 1));
	*views = palloc0(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum		v[7];
		bool		isnull[7];

		for (int c = 0; c < 7; c++)
			v[c] = SPI_getbinval(tuple, desc, c + 1, &isnull[c]);
		records[i].partition = DatumGetInt32(v[0]);
		records[i].offset = DatumGetInt64(v[1]);
		records[i].timestamp = isnull[2] ? DT_NOBEGIN :
			DatumGetTimestampTz(v[2]);
		if (!isnull[3])
			put_bytes(PointerGetDatum(PG_DETOAST_DATUM_COPY(v[3])),
					  &records[i].key, &records[i].key_len);
		if (!isnull[4])
			put_bytes(PointerGetDatum(PG_DETOAST_DATUM_COPY(v[4])),
					  &records[i].value, &records[i].value_len);
		if (!isnull[5])
			records[i].origin = DatumGetJsonbPCopy(v[5]);
		if (!isnull[6])
			(*views)[i] = TextDatumGetCString(v[6]);
	}
	MemoryContextSwitchTo(old);
	SPI_finish();
	return records;
}

/* A record that only one view refused goes to that view alone. */
static int64
retry_group(SeIngest *ingest, const SeRecord *records, char **views, int n,
			const char *view)
{
	SeRecord   *group = palloc(sizeof(SeRecord) * n);
	SeBatchResult result;
	Oid			only = InvalidOid;
	int			m = 0;

	for (int i = 0; i < n; i++)
		if ((view == NULL) == (views[i] == NULL) &&
			(view == NULL || strcmp(view, views[i]) == 0))
			group[m++] = records[i];
	if (view)
		only = RangeVarGetRelid(makeRangeVarFromNameList(se_qualified_name_list(view)),
								NoLock, true);
	if (m == 0 || (view && !OidIsValid(only)))
		return 0;
	result = se_ingest_records(ingest, group, m, NULL, only);
	se_ingest_count(ingest, &result, 0);
	return view ? m - result.rejected : result.rows;
}

/* It passes over dead letters, and goes by those that are there. */
static void
refuse_during_backfill(Oid relid)
{
	List	   *views = se_catalog_list_backfilled(relid);

	if (views != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("view \"%s\" of stream \"%s\" is being backfilled",
						get_rel_name(linitial_oid(views)),
						get_rel_name(relid)),
				 errhint("Wait until its backfill_lag in stream.views is null.")));
}

Datum
se_sql_retry_dead_letters(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	SeIdentity	saved;
	SeIngest   *ingest;
	SeRecord   *records;
	char	  **views;
	int			n;
	int64		accepted;

	se_stats_require();
	(void) se_catalog_get_stream(relid, false);
	se_security_require_owner(relid);
	(void) lock_for_feeding(relid);
	refuse_during_backfill(relid);
	se_security_become(se_security_owner(relid), &saved);
	ingest = se_ingest_open(relid, jsonb_header, jsonb_headers);
	records = take_dead_letters(se_ingest_stream(ingest), &n, &views);
	accepted = retry_group(ingest, records, views, n, NULL);
	for (int i = 0; i < n; i++)
	{
		bool		first = views[i] != NULL;

		for (int j = 0; first && j < i; j++)
			first = views[j] == NULL || strcmp(views[j], views[i]) != 0;
		if (first)
			accepted += retry_group(ingest, records, views, n, views[i]);
	}
	se_ingest_close(ingest);
	se_security_restore(&saved);
	PG_RETURN_INT64(accepted);
}
