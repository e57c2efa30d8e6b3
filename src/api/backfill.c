/*-------------------------------------------------------------------------
 *
 * backfill.c
 *	  What a new view starts with: option "backfill" of stream.create_view().
 *
 *	  staging	rows that are still in the stream's table, here and now
 *	  earliest	what the topic has below the stream's offsets, read by a worker
 *				of its own from the commit on (ingest/backfill.c)
 *
 * The stream is locked against batches, so a row is either of a batch that is
 * committed, and then in the table or let go, or of one that the view will see.
 * The table's segments are read as they are: no privileges, no row security,
 * and under a snapshot of their own, as the transaction's may be older than the
 * lock.
 *
 * A row has no record behind it any more, nothing that could be set aside: one
 * that the view cannot take is an error, and there is no view.
 *
 * Crash: all of it is in the transaction that makes the view; what a worker has
 * yet to read is in stream.catalog_backfills.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "../compat.h"
#include "../ingest/ingest.h"
#include "../state/state.h"
#include "../sql_settings.h"
#include "api.h"

#define NO_PARTITION (-1)		/* staged rows do not know where they are from */
#define NO_OFFSET (-1)

/* Rows on their way from staging to the view, a bounded number at a time. */
typedef struct Backfill
{
	const SeView *view;
	SeViewState *state;
	SeLimits	limits;
	SeRows	   *rows;
	int			n;				/* in rows */
	int64		bytes;			/* about, in rows */
	int64		total;
} Backfill;

SeBackfill
se_api_backfill_option(const Jsonb *options)
{
	static const char *const choices[] = {"staging", "earliest", NULL};
	const char *choice = se_catalog_option(options, "backfill");

	if (choice == NULL)
		return SE_BACKFILL_NONE;
	se_api_check_choice("backfill", choice, choices);
	return strcmp(choice, "staging") == 0 ? SE_BACKFILL_STAGING :
		SE_BACKFILL_EARLIEST;
}

/*
 * A record that a former view of this name refused may be counted by the
 * backfill.  Tried again it would count twice.
 */
static void
refuse_old_dead_letters(const SeView *view, const SeStream *stream)
{
	char	   *table = se_dead_letter_table(stream);
	Oid			types[] = {TEXTOID};
	Datum		values[1];
	bool		found;

	values[0] = CStringGetTextDatum(se_sql_name(view->relid));
	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT 1 FROM %s WHERE view_name OPERATOR(pg_catalog.=) $1 LIMIT 1",
									   table),
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the dead letters");
	found = SPI_processed > 0;
	SPI_finish();
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are dead letters of a former view \"%s\"",
						get_rel_name(view->relid)),
				 errdetail("Records that the backfill counts would count again when they are retried."),
				 errhint("Delete them from %s, or give the view another name.",
						 table)));
}

static void
flush(Backfill *backfill)
{
	SeRowRange	range = {backfill->rows, 0, backfill->n};
	int64		late_rows = 0;

	if (backfill->n == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	/* nothing is late */
	(void) se_state_apply(backfill->state, &range, DT_NOBEGIN, true,
						  &late_rows);
	CommandCounterIncrement();
	se_rows_clear(backfill->rows);
	backfill->total += backfill->n;
	backfill->n = 0;
	backfill->bytes = 0;
}

static void
add_row(Backfill *backfill, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			slot->tts_isnull[i] = true;
		if (att->attlen == -1 && !slot->tts_isnull[i])
			backfill->bytes += toast_datum_size(slot->tts_values[i]);
	}
	se_rows_add(backfill->rows, slot->tts_values, slot->tts_isnull,
				NO_PARTITION, NO_OFFSET);
	backfill->n++;
}

static void
read_segment(Backfill *backfill, Relation rel, MemoryContext row_context)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		/* values that were stored elsewhere are fetched */
		MemoryContext old = MemoryContextSwitchTo(row_context);

		add_row(backfill, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		if (backfill->n >= backfill->limits.batch_max_rows ||
			backfill->bytes >= backfill->limits.batch_max_bytes)
			flush(backfill);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

static void
describe_backfill(void *arg)
{
	const Backfill *backfill = arg;

	errcontext("backfill of view \"%s\" from the rows of stream \"%s\"",
			   get_rel_name(backfill->view->relid),
			   get_rel_name(backfill->view->stream));
}

static void
read_staging(Backfill *backfill)
{
	ErrorContextCallback callback = {error_context_stack, describe_backfill, backfill};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "stream_ext backfill row",
													  ALLOCSET_DEFAULT_SIZES);
	/* with this lock no segment is emptied any more */
	List	   *segments = find_inheritance_children(backfill->view->stream,
													 AccessShareLock);
	ListCell   *lc;

	error_context_stack = &callback;
	foreach(lc, segments)
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		read_segment(backfill, rel, row_context);
		table_close(rel, NoLock);
	}
	flush(backfill);
	error_context_stack = callback.previous;
	MemoryContextDelete(row_context);
}

void
se_api_backfill_staging(const SeView *view, const SeStream *stream)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext backfill",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Backfill	backfill = {0};

	backfill.view = view;
	se_limits_read(stream->options, &backfill.limits);
	if (backfill.limits.staging_max_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" keeps no recent rows",
						get_rel_name(stream->relid)),
				 errdetail("Its option staging_max_rows is 0."),
				 stream->server ?
				 errhint("Use {\"backfill\": \"earliest\"} to read the topic again.") : 0));
	refuse_old_dead_letters(view, stream);
	backfill.state = se_state_open(view);
	backfill.rows = se_rows_create(se_catalog_batch_type(stream->relid));
	read_staging(&backfill);
	se_state_close(backfill.state);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	ereport(NOTICE,
			(errmsg_plural("view \"%s\" starts with %lld row that is still in the table of stream \"%s\"",
						   "view \"%s\" starts with %lld rows that are still in the table of stream \"%s\"",
						   (unsigned long) backfill.total,
						   get_rel_name(view->relid),
						   (long long) backfill.total,
						   get_rel_name(stream->relid))));
}

/* ---- earliest ---- */

static void
refuse_earliest(const SeView *view, const SeStream *stream, bool started)
{
	if (stream->server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" reads no topic that could be read again",
						get_rel_name(stream->relid)),
				 errhint("Use {\"backfill\": \"staging\"} for the rows that are still in its table.")));
	if (strcmp(view->emit, "append") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view with emit \"append\" cannot be backfilled from the topic"),
				 errdetail("Windows that are closed show at once; their rows would change while old records are read."),
				 errhint("Use emit \"update\", or {\"backfill\": \"staging\"}.")));
	if (view->state_ttl != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view with state_ttl cannot be backfilled from the topic"),
				 errdetail("Groups could leave before their old records are read."),
				 errhint("Use {\"backfill\": \"staging\"} for the rows that are still in the stream's table.")));
	/* where it will start is not known, and read everything it will not */
	if (!started && strcmp(stream->startup_mode, "earliest") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has not begun to read",
						get_rel_name(stream->relid)),
				 errhint("Make the view when stream.partitions shows offsets of the stream.")));
}

void
se_api_backfill_earliest(const SeView *view, const SeStream *stream)
{
	List	   *partitions = se_catalog_list_partitions(stream->relid);
	bool		started = false;
	bool		any = false;
	ListCell   *lc;

	foreach(lc, partitions)
		started |= ((SePartition *) lfirst(lc))->partition >= 0;
	refuse_earliest(view, stream, started);
	refuse_old_dead_letters(view, stream);
	foreach(lc, partitions)
	{
		SePartition *p = lfirst(lc);
		SeBackfillPart part = {0};

		if (p->partition < 0 || p->next_offset == 0)
			continue;
		part.view = view->relid;
		part.partition = p->partition;
		part.end_offset = p->next_offset;
		se_catalog_add_backfill(&part);
		any = true;
	}
	if (any)
		ereport(NOTICE,
				(errmsg("view \"%s\" is being filled with the records that stream \"%s\" has read before",
						get_rel_name(view->relid),
						get_rel_name(stream->relid)),
				 errhint("stream.views shows how many are left (backfill_lag).")));
}
