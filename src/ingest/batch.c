/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One batch: records in; staged rows, view states and dead letters out.
 *
 *		records --decode--> rows --+--> staging (1000 at a time)
 *			|                      +--> SeRows --> each view (views.c)
 *			+-- at fault ----------------------------> dead letters
 *
 * Decoding runs in a subtransaction, because type input functions and CHECK
 * expressions may throw.  It writes nothing, so it costs no transaction id;
 * after an error a new one goes on with the record behind the culprit.
 *
 * Crash: everything here is in the caller's one transaction, except staging,
 * on which nothing depends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "batch.h"

bool
se_ingest_is_poison(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return false;
	}
}

void
se_batch_reject(SeIngest *ingest, int record, int sqlstate,
				const char *column, const char *message, const char *view)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->batch_context);
	SeReject   *r = palloc0(sizeof(SeReject));

	if (strcmp(ingest->stream->on_error, "fail") == 0)
	{
		MemoryContextSwitchTo(old);
		/* for describe_record() */
		ingest->current = record;
		ingest->fault_column = column;
		if (ingest->from_view)
			ereport(ERROR,
					(errcode(SE_ERRCODE_STOPPED),
					 errmsg("%s", message),
					 errdetail("on_error is 'fail': the stream stops in front of this row of a view."),
					 errhint("Drop the view that cannot take it, and make it such that it can.")));
		ereport(ERROR,
				(errcode(SE_ERRCODE_STOPPED),
				 errmsg("%s", message),
				 errdetail("on_error is 'fail': the stream stops in front of this record."),
				 errhint("Correct what produced it and use stream.seek() to go past it, or let records like it go to the dead letters.")));
	}
	r->record = record;
	r->sqlstate = sqlstate;
	r->column = column ? pstrdup(column) : NULL;
	r->view = view ? view : ingest->only_name;
	r->message = pstrdup(message);
	ingest->rejects = lappend(ingest->rejects, r);
	ingest->n_rejects++;
	MemoryContextSwitchTo(old);
}

static void
clear_chunk(SeIngest *ingest)
{
	for (int i = 0; i < ingest->n_chunk; i++)
	{
		/* the context's reset frees the tuples together */
		ingest->chunk[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(ingest->chunk[i]);
	}
	ingest->n_chunk = 0;
}

/* Hands the finished rows to staging. */
static void
flush_chunk(SeIngest *ingest)
{
	MemoryContext old;

	if (ingest->n_chunk == 0)
		return;
	old = MemoryContextSwitchTo(ingest->chunk_context);
	se_staging_write(ingest->staging, ingest->chunk, ingest->n_chunk);
	clear_chunk(ingest);
	MemoryContextSwitchTo(old);
	MemoryContextReset(ingest->chunk_context);
}

/* False: the row has no usable event time. */
static bool
event_time_of(SeIngest *ingest, const SeRecord *record, TimestampTz *at)
{
	Datum		value;

	if (ingest->event_column < 0)
	{
		*at = record->timestamp;
		return true;
	}
	if (ingest->row->tts_isnull[ingest->event_column])
		return false;
	value = ingest->row->tts_values[ingest->event_column];
	if (ingest->event_type == DATEOID)
		value = DirectFunctionCall1(date_timestamp, value);
	*at = DatumGetTimestampTz(value);
	return !TIMESTAMP_NOT_FINITE(*at);
}

/* The row's tuple, for staging. */
static void
stage_row(SeIngest *ingest)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->chunk_context);
	HeapTuple	tuple = heap_form_tuple(ingest->tupdesc,
										ingest->row->tts_values,
										ingest->row->tts_isnull);

	/* owned by the slot, so that nothing copies it again */
	ExecStoreHeapTuple(tuple, ingest->chunk[ingest->n_chunk++], true);
	MemoryContextSwitchTo(old);
}

static void
keep_row(SeIngest *ingest)
{
	if (ingest->stage_rows)
		stage_row(ingest);
	if (ingest->rows)
	{
		const SeRecord *record = &ingest->records[ingest->current];

		se_rows_add(ingest->rows, ingest->row->tts_values,
					ingest->row->tts_isnull, record->partition,
					record->offset);
	}
	if (ingest->careful)
		ingest->row_record[ingest->n_rows] = ingest->current;
	ingest->n_rows++;
}

/* Checks the decoded row.  False: it was rejected. */
static bool
check_row(SeIngest *ingest, TimestampTz *event_time)
{
	const SeRecord *record = &ingest->records[ingest->current];
	const char *column;
	int			sqlstate;
	char		message[512];

	if (ingest->missing)
		se_rowcheck_defaults(ingest->check, ingest->row->tts_values,
							 ingest->row->tts_isnull, ingest->missing);
	if (!event_time_of(ingest, record, event_time))
	{
		se_batch_reject(ingest, ingest->current,
						ERRCODE_NULL_VALUE_NOT_ALLOWED,
						ingest->stream->event_time,
						"event time is null or infinite", NULL);
		return false;
	}
	if (!se_rowcheck_test(ingest->check, ingest->row, &column, &sqlstate,
						  message, sizeof(message)))
	{
		se_batch_reject(ingest, ingest->current, sqlstate, column, message,
						NULL);
		return false;
	}
	return true;
}

static void
take_record(SeIngest *ingest)
{
	const SeRecord *record = &ingest->records[ingest->current];
	TupleTableSlot *row = ingest->row;
	TimestampTz event_time = DT_NOBEGIN;
	SePosition *position = NULL;
	SeDecodeStatus status;

	if (ingest->progress)
	{
		position = se_progress_find(ingest->progress, record->partition);
		if (position == NULL)
			elog(ERROR, "record of partition %d, which is not ours",
				 record->partition);
		if (!se_progress_wants(position, record->offset))
			return;
	}
	ingest->bytes += record->value_len;
	ExecClearTuple(row);
	status = se_decode_record(ingest->decoder, record, row->tts_values,
							  row->tts_isnull, ingest->missing);
	if (status == SE_DECODE_ROW)
	{
		ExecStoreVirtualTuple(row);
		if (check_row(ingest, &event_time))
		{
			keep_row(ingest);
			ingest->min_event_time = Min(ingest->min_event_time, event_time);
		}
		else
			event_time = DT_NOBEGIN;
	}
	else if (status == SE_DECODE_ERROR)
	{
		const SeDecodeError *error = se_decode_error(ingest->decoder);

		se_batch_reject(ingest, ingest->current, error->sqlstate,
						error->column, error->message, NULL);
	}
	if (position)
		se_progress_note(ingest->progress, position, record->offset,
						 event_time);
}

/* Decodes a chunk, or what is left of one; throws at a culprit. */
static void
take_chunk(SeIngest *ingest)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->row_context);
	int			end = Min(ingest->current + SE_CHUNK, ingest->n_records);

	CHECK_FOR_INTERRUPTS();
	while (ingest->current < end && ingest->n_chunk < SE_CHUNK)
	{
		MemoryContextReset(ingest->row_context);
		take_record(ingest);
		ingest->current++;
	}
	MemoryContextSwitchTo(old);
}

/* An error was thrown while the current record was decoded or checked. */
static void
reject_thrown(SeIngest *ingest, ErrorData *error)
{
	const SeRecord *record = &ingest->records[ingest->current];

	se_batch_reject(ingest, ingest->current, error->sqlerrcode,
					se_decode_current_column(ingest->decoder), error->message,
					NULL);
	if (ingest->progress)
		se_progress_note(ingest->progress,
						 se_progress_find(ingest->progress, record->partition),
						 record->offset, DT_NOBEGIN);
	ingest->current++;
}

/* take_chunk() in a subtransaction, which writes nothing. */
static void
take_chunk_safely(SeIngest *ingest)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		take_chunk(ingest);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(ingest->batch_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!se_ingest_is_poison(error->sqlerrcode))
			ReThrowError(error);
		reject_thrown(ingest, error);
	}
	PG_END_TRY();
}

static void
take_all(SeIngest *ingest)
{
	while (ingest->current < ingest->n_records)
	{
		take_chunk_safely(ingest);
		if (ingest->n_chunk == SE_CHUNK)
			flush_chunk(ingest);
	}
}

/* Says which record an error is about. */
static void
describe_record(void *arg)
{
	SeIngest   *ingest = arg;
	const char *column;

	if (ingest->records == NULL || ingest->current >= ingest->n_records)
		return;
	column = ingest->fault_column ? ingest->fault_column :
		se_decode_current_column(ingest->decoder);
	errcontext("stream \"%s\"%s%s, partition %d, offset %lld%s%s",
			   ingest->relname,
			   ingest->stream->topic ? ", topic " : "",
			   ingest->stream->topic ? ingest->stream->topic : "",
			   ingest->records[ingest->current].partition,
			   (long long) ingest->records[ingest->current].offset,
			   column ? ", column " : "", column ? column : "");
}

/* Until the caller takes it off the stack again. */
static void
describe_errors(SeIngest *ingest, ErrorContextCallback *callback)
{
	callback->callback = describe_record;
	callback->arg = ingest;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* Room in row_record for so many rows. */
static void
expect_rows(SeIngest *ingest, int n)
{
	Size		size;

	if (n <= ingest->row_room)
		return;
	ingest->row_room = Max(n, 2 * ingest->row_room);
	size = sizeof(int) * (Size) ingest->row_room;
	ingest->row_record = ingest->row_record ?
		repalloc_huge(ingest->row_record, size) :
		MemoryContextAllocHuge(ingest->context, size);
}

/* While the records are there. */
static void
write_rejects(SeIngest *ingest)
{
	if (ingest->rejects == NIL)
		return;
	if (strcmp(ingest->stream->on_error, "dead_letter") == 0)
		se_dead_letter_write(ingest->stream, ingest->records,
							 ingest->rejects, ingest->headers);
	ingest->rejects = NIL;
}

void
se_ingest_begin(SeIngest *ingest, SeProgress *progress, bool careful,
				Oid only_view)
{
	bool		backfill;

	/* what an earlier batch left behind when it failed */
	clear_chunk(ingest);
	MemoryContextReset(ingest->chunk_context);
	MemoryContextReset(ingest->batch_context);
	if (ingest->rows)
		se_rows_clear(ingest->rows);

	ingest->records = NULL;
	ingest->n_records = 0;
	ingest->current = 0;
	ingest->fault_column = NULL;
	ingest->progress = progress;
	ingest->careful = careful;
	ingest->rejects = NIL;
	ingest->n_rejects = 0;
	ingest->bytes = 0;
	ingest->n_rows = 0;
	ingest->stage_rows = ingest->staging != NULL && !OidIsValid(only_view);
	ingest->only_view = only_view;
	ingest->only_name = NULL;
	for (int i = 0; i < ingest->n_views; i++)
		if (ingest->views[i].view->relid == only_view)
			ingest->only_name = ingest->views[i].name;
	/* in a backfill no row is late */
	backfill = progress && OidIsValid(progress->view);
	ingest->alone = progress && !backfill &&
		(ingest->stream->server == NULL || ingest->stream->workers == 1);
	ingest->watermark = backfill ? DT_NOBEGIN :
		se_watermark_next(ingest->stream);
	ingest->closed_idle = false;
	ingest->min_event_time = DT_NOEND;
	for (int i = 0; i < ingest->n_views; i++)
	{
		SeViewTarget *target = &ingest->views[i];

		if (target->view->ends_sql)
			target->idle_watermark = backfill ? DT_NOBEGIN :
				se_catalog_idle_watermark(target->view->relid, NULL);
		se_batch_read_others(ingest, target);
	}
	if (progress)
		progress->watermark = ingest->watermark;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ingest->stage_rows)
		se_staging_begin(ingest->staging);
}

void
se_ingest_add(SeIngest *ingest, const SeRecord *records, int n)
{
	ErrorContextCallback callback;
	MemoryContext old = MemoryContextSwitchTo(ingest->batch_context);

	if (ingest->careful)
		expect_rows(ingest, n);
	else
		ingest->current = 0;
	ingest->records = records;
	ingest->n_records = n;
	describe_errors(ingest, &callback);
	take_all(ingest);
	if (!ingest->careful)
	{
		write_rejects(ingest);
		ingest->records = NULL;
	}
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
}

SeBatchResult
se_ingest_finish(SeIngest *ingest)
{
	ErrorContextCallback callback;
	SeBatchResult result;
	MemoryContext old = MemoryContextSwitchTo(ingest->batch_context);

	describe_errors(ingest, &callback);
	if (ingest->stage_rows)
	{
		flush_chunk(ingest);
		se_staging_end(ingest->staging);
	}
	CommandCounterIncrement();
	se_batch_apply_views(ingest);
	write_rejects(ingest);
	PopActiveSnapshot();
	error_context_stack = callback.previous;

	result.rows = ingest->n_rows;
	result.rejected = ingest->n_rejects;
	result.bytes = ingest->bytes;
	ingest->records = NULL;
	MemoryContextSwitchTo(old);
	return result;
}

SeBatchResult
se_ingest_records(SeIngest *ingest, const SeRecord *records, int n,
				  SeProgress *progress, Oid only_view)
{
	se_ingest_begin(ingest, progress, true, only_view);
	se_ingest_add(ingest, records, n);
	return se_ingest_finish(ingest);
}

void
se_ingest_count(SeIngest *ingest, const SeBatchResult *result,
				int64 elapsed_us)
{
	SeStreamStats *stats = ingest->stats;

	if (stats == NULL)
		return;
	if (result->rejected > 0)
		pg_atomic_fetch_add_u64(strcmp(ingest->stream->on_error, "skip") == 0 ?
								&stats->skipped : &stats->dead_letters,
								result->rejected);
	for (int i = 0; i < ingest->n_views; i++)
	{
		SeViewTarget *target = &ingest->views[i];

		if (target->stats == NULL || (OidIsValid(ingest->only_view) &&
									  target->view->relid != ingest->only_view))
			continue;
		pg_atomic_write_u64(&target->stats->batch_us, target->elapsed_us);
		pg_atomic_write_u64(&target->stats->rows, target->rows);
		pg_atomic_write_u64(&target->stats->groups, target->groups);
		pg_atomic_fetch_add_u64(&target->stats->late_rows, target->late_rows);
		pg_atomic_fetch_add_u64(&stats->late_rows, target->late_rows);
		pg_atomic_fetch_add_u64(&target->stats->batches, 1);
	}
	/* the stream has counted these before */
	if (ingest->progress && OidIsValid(ingest->progress->view))
		return;
	se_stats_count_batch(stats, result->rows, result->bytes, elapsed_us);
}
