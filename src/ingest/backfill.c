/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  The positions of a worker that reads the topic again for one new view.
 *
 * Such a worker runs the loop of worker.c over the partitions that
 * stream.catalog_backfills has for the view, from their stored offsets to where
 * the stream stood when the view was made.  The stream's own workers count what
 * comes behind that in the view at the same time: states merge in any order.
 * It stages nothing, touches no other view, moves neither offset nor watermark
 * of the stream, and no row is late for it.
 *
 * Records that lie among the dead letters of the stream are passed over: they
 * come to all views when they are retried, which waits for the backfill.
 *
 * Where Kafka has deleted what was to be read, it starts with what is there.
 *
 * Crash: the offsets are committed with the results, and the next worker reads
 * on from them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "reader.h"

/* The records of the stream's dead letters there, in order. */
static void
find_dead_letters(SeReader *reader, SePosition *position)
{
	Oid			types[] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3];

	values[0] = Int32GetDatum(position->stored.partition);
	values[1] = Int64GetDatum(position->next_offset);
	values[2] = Int64GetDatum(position->end_offset);
	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT DISTINCT \"offset\" FROM %s "
									   "WHERE view_name IS NULL AND \"partition\" OPERATOR(pg_catalog.=) $1 "
									   "AND \"offset\" OPERATOR(pg_catalog.>=) $2 AND \"offset\" OPERATOR(pg_catalog.<) $3 "
									   "ORDER BY 1",
									   se_dead_letter_table(se_ingest_stream(reader->ingest))),
							  lengthof(types), types, values, NULL, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the dead letters");
	position->n_passed = (int) SPI_processed;
	if (position->n_passed > 0)
		position->passed = MemoryContextAllocHuge(reader->context,
												  sizeof(int64) * (Size) position->n_passed);
	for (int i = 0; i < position->n_passed; i++)
	{
		bool		isnull;

		position->passed[i] =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
										SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_finish();
}

/* Records before low are gone. */
static void
skip_to(SeReader *reader, SeBackfillPart *part, int64 low)
{
	int64		expected = part->next_offset;

	if (low <= expected)
		return;
	part->next_offset = Min(low, part->end_offset);
	se_catalog_advance_backfill(part, expected);
	ereport(LOG,
			(errmsg("backfill of view \"%s\": partition %d begins at offset %lld",
					get_rel_name(reader->view), part->partition,
					(long long) low),
			 errdetail("Earlier records are no longer in Kafka.")));
}

static void
adopt(SeReader *reader, const SeBackfillPart *part)
{
	SePartition row = {0};
	SePosition *position;

	row.relid = reader->relid;
	row.partition = part->partition;
	row.next_offset = part->next_offset;
	row.watermark = DT_NOBEGIN;
	row.closed_to = DT_NOBEGIN;
	position = se_progress_add(reader->progress, &row);
	position->end_offset = part->end_offset;
	find_dead_letters(reader, position);
}

bool
se_backfill_find(SeReader *reader, int count)
{
	List	   *parts = se_catalog_list_backfill(reader->view);
	int			n = list_length(parts);
	SePartitionOffset *lows = palloc(sizeof(SePartitionOffset) * Max(1, n));

	for (int i = 0; i < n; i++)
	{
		SeBackfillPart *part = list_nth(parts, i);

		lows[i].partition = part->partition;
		if (part->partition >= count)
			ereport(ERROR,
					(errcode(SE_ERRCODE_STOPPED),
					 errmsg("partition %d of topic \"%s\" no longer exists",
							part->partition,
							se_ingest_stream(reader->ingest)->topic)));
	}
	if (!reader->routine->resolve(reader->source, SE_STARTUP_EARLIEST, 0,
								  lows, n))
		return false;
	for (int i = 0; i < n; i++)
	{
		SeBackfillPart *part = list_nth(parts, i);

		skip_to(reader, part, lows[i].offset);
		if (part->next_offset < part->end_offset)
			adopt(reader, part);
	}
	return true;
}

int
se_backfill_unfinished(const SeReader *reader)
{
	int			n = 0;

	for (int i = 0; i < reader->progress->n; i++)
	{
		SePosition *position = &reader->progress->positions[i];

		n += position->stored.next_offset < position->end_offset;
	}
	return n;
}
