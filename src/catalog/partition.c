/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  stream.catalog_partitions: how far each partition has been read.
 *
 * These rows are the stream's progress: next offset and watermark, written in
 * the transaction that holds the results of the records below that offset.
 * One row per partition, so that workers of one stream never meet here.  The
 * only index is on the key, so updates stay HOT and pages clean themselves.
 *
 * Crash: the row and the results are of one transaction; both are there or
 * neither.  A second worker for the same partition finds an offset it did not
 * expect, or a concurrent update, and gives up before its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_STREAM, COL_PARTITION, COL_NEXT_OFFSET, COL_WATERMARK,
	COL_LAST_RECORD_AT, COL_CLOSED_TO,
	NCOLS
};

static const SeTable table = {"catalog_partitions", NCOLS};

static void
fill_values(const SePartition *p, Datum *values, bool *isnull)
{
	values[COL_STREAM] = ObjectIdGetDatum(p->relid);
	values[COL_PARTITION] = Int32GetDatum(p->partition);
	values[COL_NEXT_OFFSET] = Int64GetDatum(p->next_offset);
	values[COL_WATERMARK] = TimestampTzGetDatum(p->watermark);
	values[COL_LAST_RECORD_AT] = TimestampTzGetDatum(p->last_record_at);
	isnull[COL_WATERMARK] = TIMESTAMP_IS_NOBEGIN(p->watermark);
	values[COL_CLOSED_TO] = TimestampTzGetDatum(p->closed_to);
	isnull[COL_LAST_RECORD_AT] = (p->last_record_at == 0);
	isnull[COL_CLOSED_TO] = TIMESTAMP_IS_NOBEGIN(p->closed_to);
}

void
se_catalog_add_partition(const SePartition *partition)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	fill_values(partition, values, isnull);
	se_row_insert(&table, values, isnull);
}

List *
se_catalog_list_partitions(Oid stream)
{
	return se_catalog_list_partitions_at(stream, NULL);
}

List *
se_catalog_list_partitions_at(Oid stream, Snapshot snapshot)
{
	SeRowScan	rows;
	List	   *partitions = NIL;

	se_row_begin_at(&rows, &table, AccessShareLock, 1, stream, 0, snapshot);
	while (se_row_next(&rows))
	{
		SePartition *p = palloc0(sizeof(SePartition));

		p->relid = stream;
		p->partition = DatumGetInt32(rows.values[COL_PARTITION]);
		p->next_offset = DatumGetInt64(rows.values[COL_NEXT_OFFSET]);
		p->watermark = rows.isnull[COL_WATERMARK] ? DT_NOBEGIN :
			DatumGetTimestampTz(rows.values[COL_WATERMARK]);
		if (!rows.isnull[COL_LAST_RECORD_AT])
			p->last_record_at =
				DatumGetTimestampTz(rows.values[COL_LAST_RECORD_AT]);
		p->closed_to = rows.isnull[COL_CLOSED_TO] ? DT_NOBEGIN :
			DatumGetTimestampTz(rows.values[COL_CLOSED_TO]);
		partitions = lappend(partitions, p);
	}
	se_row_end(&rows);
	return partitions;
}

void
se_catalog_advance_partition(const SePartition *partition,
							 int64 expected_offset)
{
	SeRowScan	rows;
	int64		stored = -1;

	se_row_begin(&rows, &table, RowExclusiveLock, 2, partition->relid,
				 partition->partition);
	if (se_row_next(&rows))
		stored = DatumGetInt64(rows.values[COL_NEXT_OFFSET]);
	if (stored != expected_offset)
		ereport(ERROR,
				(errcode(SE_ERRCODE_FENCED),
				 errmsg("partition %d was moved by somebody else",
						partition->partition),
				 errdetail("Its stored offset is %lld, expected %lld.",
						   (long long) stored, (long long) expected_offset)));
	fill_values(partition, rows.values, rows.isnull);
	se_row_update(&rows);
	se_row_end(&rows);
}

void
se_catalog_delete_partitions(Oid stream)
{
	se_row_delete_all(&table, stream);
}
