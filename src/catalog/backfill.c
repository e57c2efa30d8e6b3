/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  stream.catalog_backfills: what new views have yet to read of the topic.
 *
 * A row says that records [next_offset, end_offset) of a partition are not in
 * the view; it goes when nothing is left.  end_offset is where the stream stood
 * when the view was made, and from where its batches count in the view.
 *
 * The rows are written in the transaction that merges the records they stand
 * for, one row per partition, on half-empty pages (HOT), like those of
 * stream.catalog_partitions.
 *
 * Crash: row and results are of one transaction.  A second process for the same
 * view finds an offset that it did not expect and gives up before its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_VIEW, COL_PARTITION, COL_NEXT_OFFSET, COL_END_OFFSET,
	NCOLS
};

static const SeTable table = {"catalog_backfills", NCOLS};

void
se_catalog_add_backfill(const SeBackfillPart *part)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	values[COL_VIEW] = ObjectIdGetDatum(part->view);
	values[COL_PARTITION] = Int32GetDatum(part->partition);
	values[COL_NEXT_OFFSET] = Int64GetDatum(part->next_offset);
	values[COL_END_OFFSET] = Int64GetDatum(part->end_offset);
	se_row_insert(&table, values, isnull);
}

List *
se_catalog_list_backfill(Oid view)
{
	SeRowScan	rows;
	List	   *parts = NIL;

	se_row_begin(&rows, &table, AccessShareLock, 1, view, 0);
	while (se_row_next(&rows))
	{
		SeBackfillPart *part = palloc0(sizeof(SeBackfillPart));

		part->view = view;
		part->partition = DatumGetInt32(rows.values[COL_PARTITION]);
		part->next_offset = DatumGetInt64(rows.values[COL_NEXT_OFFSET]);
		part->end_offset = DatumGetInt64(rows.values[COL_END_OFFSET]);
		parts = lappend(parts, part);
	}
	se_row_end(&rows);
	return parts;
}

List *
se_catalog_list_backfilled(Oid stream)
{
	List	   *views = se_catalog_list_views(stream);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, views)
	{
		Oid			view = ((SeView *) lfirst(lc))->relid;

		if (se_catalog_list_backfill(view) != NIL)
			result = lappend_oid(result, view);
	}
	return result;
}

void
se_catalog_advance_backfill(const SeBackfillPart *part,
							int64 expected_offset)
{
	SeRowScan	rows;
	int64		stored = -1;

	se_row_begin(&rows, &table, RowExclusiveLock, 2, part->view,
				 part->partition);
	if (se_row_next(&rows))
		stored = DatumGetInt64(rows.values[COL_NEXT_OFFSET]);
	if (stored != expected_offset)
		ereport(ERROR,
				(errcode(SE_ERRCODE_FENCED),
				 errmsg("the backfill of partition %d was moved by somebody else",
						part->partition),
				 errdetail("Its stored offset is %lld, expected %lld.",
						   (long long) stored, (long long) expected_offset)));
	if (part->next_offset >= part->end_offset)
		se_row_delete(&rows);
	else
	{
		rows.values[COL_NEXT_OFFSET] = Int64GetDatum(part->next_offset);
		se_row_update(&rows);
	}
	se_row_end(&rows);
}

void
se_catalog_delete_backfill(Oid view)
{
	se_row_delete_all(&table, view);
}
