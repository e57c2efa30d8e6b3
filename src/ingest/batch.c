/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One batch: records in; staged rows, view states and dead letters out.
 *
 *		records --decode--> rows --+--> staging (1000 at a time)
 *			|                      +--> tuplestore --> each view
 *			+-- at fault ----------------------------> dead letters
 *
 * Decoding runs in a subtransaction, because type input functions and CHECK
 * expressions may throw.  It writes nothing, so it costs no transaction id;
 * after an error a new one goes on with the record behind the culprit.
 *
 * Views run in the main transaction first.  Only when one throws does the
 * caller abort and come again "careful": then each view runs in a
 * subtransaction, and a batch that fails is halved until the record at fault
 * stands alone.  That view goes without it; the others count it.
 *
 * Crash: everything here is in the caller's one transaction, except staging,
 * on which nothing depends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../clock.h"
#include "../state/state.h"
#include "ingest.h"

#define CHUNK 1000				/* rows staged at a time */
#define CHUNK_CONTEXT_SIZE (1024 * 1024)

typedef struct ViewTarget
{
	SeView	   *view;
	SeViewState *state;
	SeViewStats *stats;
	char	   *name;			/* qualified, for dead letters */
	int64		elapsed_us;		/* of the running batch */
	int64		groups;
} ViewTarget;

struct SeIngest
{
	MemoryContext context;		/* lives as long as the definition */
	MemoryContext batch_context;	/* one batch */
	MemoryContext chunk_context;	/* CHUNK rows */
	MemoryContext row_context;	/* one row */
	SeStream   *stream;
	SeLimits	limits;
	TupleDesc	tupdesc;
	SeDecoder  *decoder;
	SeRowCheck *check;
	SeStaging  *staging;
	SeStreamStats *stats;
	SeHeadersFn headers;
	int			event_column;	/* index, -1: the record's timestamp */
	Oid			event_type;
	int			n_views;
	ViewTarget *views;
	TupleTableSlot *row;		/* virtual: what decode fills */
	TupleTableSlot *chunk[CHUNK];	/* heap tuples on their way to staging */
	int			n_chunk;
	bool	   *missing;
	uint32		version;		/* definition_version at open */
	char	   *relname;

	/* the running batch */
	const SeRecord *records;
	int			n_records;
	int			current;		/* record being decoded */
	Tuplestorestate *rows;
	int		   *row_record;		/* per row: index of its record */
	int			n_rows;
	List	   *rejects;
	int64		bytes;
	SeProgress *progress;
	bool		stage_rows;
	const char *only_name;		/* the one view that these records are for */
};

/*
 * Definitions that changed, seen through invalidations of the streams'
 * relations.  A counter for all streams is enough: DDL is rare.
 */
static uint32 definition_version = 1;
static Oid	watched_relid = InvalidOid;

static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == watched_relid)
		definition_version++;
}

static void
watch_relation(Oid relid)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	watched_relid = relid;
}

/* ---------------------------------------------------------------------
 * Definition
 * ---------------------------------------------------------------------
 */

/* Paths per attribute, from {"column": "path"}. */
static char **
read_paths(TupleDesc desc, const Jsonb *fields)
{
	char	  **paths = palloc0(sizeof(char *) * desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			paths[i] = se_catalog_option(fields, NameStr(att->attname));
	}
	return paths;
}

/* The options that belong to the format. */
static List *
format_options(const char *format, const Jsonb *options)
{
	const char *const *names = se_decode_format_options(format);
	List	   *all = se_catalog_options_list(options);
	List	   *mine = NIL;
	ListCell   *lc;

	foreach(lc, all)
	{
		DefElem    *def = lfirst(lc);

		for (int i = 0; names && names[i]; i++)
			if (strcmp(names[i], def->defname) == 0)
				mine = lappend(mine, def);
	}
	return mine;
}

static void
open_views(SeIngest *ingest)
{
	List	   *views = se_catalog_list_views(ingest->stream->relid);
	ListCell   *lc;

	ingest->views = palloc0(sizeof(ViewTarget) * Max(1, list_length(views)));
	foreach(lc, views)
	{
		ViewTarget *target = &ingest->views[ingest->n_views++];

		target->view = lfirst(lc);
		target->state = se_state_open(target->view);
		target->stats = se_stats_view(MyDatabaseId, target->view->relid, true);
		target->name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(target->view->relid)),
												  get_rel_name(target->view->relid));
	}
}

static void
find_event_column(SeIngest *ingest)
{
	ingest->event_column = -1;
	if (ingest->stream->event_time == NULL)
		return;
	for (int i = 0; i < ingest->tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(ingest->tupdesc, i);

		if (!att->attisdropped &&
			strcmp(NameStr(att->attname), ingest->stream->event_time) == 0)
		{
			ingest->event_column = i;
			ingest->event_type = att->atttypid;
			return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("event time column \"%s\" of stream \"%s\" does not exist",
					ingest->stream->event_time, ingest->relname),
			 errhint("It was renamed or dropped; name it as before.")));
}

static void
make_slots(SeIngest *ingest)
{
	ingest->row = MakeSingleTupleTableSlot(ingest->tupdesc, &TTSOpsVirtual);
	for (int i = 0; i < CHUNK; i++)
		ingest->chunk[i] = MakeSingleTupleTableSlot(ingest->tupdesc,
													&TTSOpsHeapTuple);
}

SeIngest *
se_ingest_open(Oid relid, SeHeaderFn header, SeHeadersFn headers)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "stream_ext stream",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SeIngest   *ingest = palloc0(sizeof(SeIngest));
	SeDecodeSpec spec = {0};
	Relation	rel;

	ingest->context = context;
	ingest->batch_context = AllocSetContextCreate(context, "batch",
												  ALLOCSET_DEFAULT_SIZES);
	ingest->chunk_context = AllocSetContextCreate(context, "chunk",
												  CHUNK_CONTEXT_SIZE,
												  CHUNK_CONTEXT_SIZE,
												  CHUNK_CONTEXT_SIZE * 8);
	ingest->row_context = AllocSetContextCreate(context, "row",
												ALLOCSET_DEFAULT_SIZES);
	watch_relation(relid);
	rel = table_open(relid, AccessShareLock);
	ingest->version = definition_version;
	ingest->relname = pstrdup(RelationGetRelationName(rel));
	ingest->stream = se_catalog_get_stream(relid, false);
	se_limits_read(ingest->stream->options, &ingest->limits);
	ingest->tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	ingest->tupdesc->tdtypeid = RECORDOID;
	ingest->check = se_rowcheck_create(rel);
	find_event_column(ingest);

	spec.format = ingest->stream->format;
	spec.columns = ingest->tupdesc;
	spec.paths = read_paths(ingest->tupdesc, ingest->stream->fields);
	spec.options = format_options(spec.format, ingest->stream->options);
	spec.header = header;
	ingest->decoder = se_decode_create(&spec);
	ingest->headers = headers;
	ingest->stats = se_stats_stream(MyDatabaseId, relid, true);
	ingest->staging = se_staging_open(relid, ingest->limits.staging_max_rows,
									  ingest->limits.staging_max_age_us,
									  ingest->stats);
	if (se_rowcheck_has_defaults(ingest->check))
		ingest->missing = palloc0(sizeof(bool) * ingest->tupdesc->natts);
	make_slots(ingest);
	open_views(ingest);
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);
	return ingest;
}

void
se_ingest_close(SeIngest *ingest)
{
	for (int i = 0; i < ingest->n_views; i++)
		se_state_close(ingest->views[i].state);
	se_decode_destroy(ingest->decoder);
	MemoryContextDelete(ingest->context);
}

SeStream *
se_ingest_stream(SeIngest *ingest)
{
	return ingest->stream;
}

SeLimits *
se_ingest_limits(SeIngest *ingest)
{
	return &ingest->limits;
}

SeStreamStats *
se_ingest_stats(SeIngest *ingest)
{
	return ingest->stats;
}

SeStaging *
se_ingest_staging(SeIngest *ingest)
{
	return ingest->staging;
}

bool
se_ingest_lock(SeIngest *ingest)
{
	/* waits for DDL, then takes in what it changed */
	LockRelationOid(ingest->stream->relid, RowExclusiveLock);
	return ingest->version == definition_version;
}

/* ---------------------------------------------------------------------
 * Records to rows
 * ---------------------------------------------------------------------
 */

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

static void
reject(SeIngest *ingest, int record, int sqlstate, const char *column,
	   const char *message, const char *view)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->batch_context);
	SeReject   *r = palloc0(sizeof(SeReject));

	if (strcmp(ingest->stream->on_error, "fail") == 0)
	{
		MemoryContextSwitchTo(old);
		ereport(ERROR,
				(errcode(SE_ERRCODE_STOPPED),
				 errmsg("%s", message),
				 errdetail("on_error is 'fail': the stream stops in front of this record."),
				 errhint("Correct what produced it and use stream.seek() to go past it, or let records like it go to the dead letters."),
				 errcontext("partition %d, offset %lld%s%s",
							ingest->records[record].partition,
							(long long) ingest->records[record].offset,
							column ? ", column " : "",
							column ? column : "")));
	}
	r->record = record;
	r->sqlstate = sqlstate;
	r->column = column ? pstrdup(column) : NULL;
	r->view = view ? view : ingest->only_name;
	r->message = pstrdup(message);
	ingest->rejects = lappend(ingest->rejects, r);
	MemoryContextSwitchTo(old);
}

/* Hands the finished rows to staging and to the views' tuplestore. */
static void
flush_chunk(SeIngest *ingest)
{
	MemoryContext old;

	if (ingest->n_chunk == 0)
		return;
	old = MemoryContextSwitchTo(ingest->chunk_context);
	if (ingest->stage_rows)
		se_staging_write(ingest->staging, ingest->chunk, ingest->n_chunk);
	for (int i = 0; i < ingest->n_chunk; i++)
	{
		HeapTupleTableSlot *slot = (HeapTupleTableSlot *) ingest->chunk[i];

		if (ingest->rows)
			tuplestore_puttuple(ingest->rows, slot->tuple);
		/* the context's reset frees the tuples together */
		ingest->chunk[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(ingest->chunk[i]);
	}
	ingest->n_chunk = 0;
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

static void
keep_row(SeIngest *ingest)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->chunk_context);
	HeapTuple	tuple = heap_form_tuple(ingest->tupdesc,
										ingest->row->tts_values,
										ingest->row->tts_isnull);

	/* owned by the slot, so that nothing copies it again */
	ExecStoreHeapTuple(tuple, ingest->chunk[ingest->n_chunk++], true);
	MemoryContextSwitchTo(old);
	ingest->row_record[ingest->n_rows++] = ingest->current;
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
		reject(ingest, ingest->current, ERRCODE_NULL_VALUE_NOT_ALLOWED,
			   ingest->stream->event_time,
			   "event time is null or infinite", NULL);
		return false;
	}
	if (!se_rowcheck_test(ingest->check, ingest->row, &column, &sqlstate,
						  message, sizeof(message)))
	{
		reject(ingest, ingest->current, sqlstate, column, message, NULL);
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
		/* read before, under an earlier assignment: it counts already */
		if (record->offset < position->next_offset)
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
			keep_row(ingest);
		else
			event_time = DT_NOBEGIN;
	}
	else if (status == SE_DECODE_ERROR)
	{
		const SeDecodeError *error = se_decode_error(ingest->decoder);

		reject(ingest, ingest->current, error->sqlstate, error->column,
			   error->message, NULL);
	}
	if (position)
		se_progress_note(ingest->progress, position, record->offset,
						 event_time);
}

/* Decodes until a chunk is full or all is done; throws at a culprit. */
static void
take_chunk(SeIngest *ingest)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->row_context);

	CHECK_FOR_INTERRUPTS();
	while (ingest->current < ingest->n_records && ingest->n_chunk < CHUNK)
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

	reject(ingest, ingest->current, error->sqlerrcode,
		   se_decode_current_column(ingest->decoder), error->message, NULL);
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
	ingest->current = 0;
	while (ingest->current < ingest->n_records)
	{
		take_chunk_safely(ingest);
		if (ingest->n_chunk == CHUNK)
			flush_chunk(ingest);
	}
	flush_chunk(ingest);
}

/* ---------------------------------------------------------------------
 * Rows to views
 * ---------------------------------------------------------------------
 */

static void
apply_view(ViewTarget *target, Tuplestorestate *rows, int64 n)
{
	int64		start = se_clock_us();

	target->groups += se_state_apply(target->state, rows, n);
	target->elapsed_us += se_clock_us() - start;
}

/* A tuplestore of rows [low, high) of the batch. */
static Tuplestorestate *
slice_rows(SeIngest *ingest, int low, int high)
{
	Tuplestorestate *slice = tuplestore_begin_heap(false, false, work_mem);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(ingest->tupdesc,
													&TTSOpsMinimalTuple);

	tuplestore_select_read_pointer(ingest->rows, 0);
	tuplestore_rescan(ingest->rows);
	if (low > 0)
		tuplestore_skiptuples(ingest->rows, low, true);
	for (int i = low; i < high; i++)
	{
		if (!tuplestore_gettupleslot(ingest->rows, true, false, slot))
			elog(ERROR, "batch has fewer rows than counted");
		tuplestore_puttupleslot(slice, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	return slice;
}

/*
 * Applies rows [low, high) in a subtransaction.  NULL: done.  Otherwise the
 * error, and nothing of these rows is in the view.
 */
static ErrorData *
try_view(SeIngest *ingest, ViewTarget *target, int low, int high)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool		whole = (low == 0 && high == ingest->n_rows);
	Tuplestorestate *rows = whole ? ingest->rows :
		slice_rows(ingest, low, high);
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		apply_view(target, rows, high - low);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(ingest->batch_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!se_ingest_is_poison(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	if (!whole)
		tuplestore_end(rows);
	return error;
}

/* Halves what fails until single records stand alone. */
static void
apply_carefully(SeIngest *ingest, ViewTarget *target, int low, int high)
{
	ErrorData  *error;
	int			middle;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	error = try_view(ingest, target, low, high);
	if (error == NULL)
		return;
	if (high - low == 1)
	{
		reject(ingest, ingest->row_record[low], error->sqlerrcode, NULL,
			   error->message, target->name);
		if (target->stats)
			pg_atomic_fetch_add_u64(&target->stats->errors, 1);
		return;
	}
	middle = low + (high - low) / 2;
	apply_carefully(ingest, target, low, middle);
	apply_carefully(ingest, target, middle, high);
}

static void
apply_views(SeIngest *ingest, bool careful, Oid only_view)
{
	if (ingest->n_rows == 0)
		return;
	for (int i = 0; i < ingest->n_views; i++)
	{
		ViewTarget *target = &ingest->views[i];

		if (OidIsValid(only_view) && target->view->relid != only_view)
			continue;
		target->elapsed_us = 0;
		target->groups = 0;
		if (careful)
			apply_carefully(ingest, target, 0, ingest->n_rows);
		else
			apply_view(target, ingest->rows, ingest->n_rows);
	}
}

/* ---------------------------------------------------------------------
 * The batch
 * ---------------------------------------------------------------------
 */

/* Says which record an error is about. */
static void
describe_record(void *arg)
{
	SeIngest   *ingest = arg;
	const char *column;

	if (ingest->records == NULL || ingest->current >= ingest->n_records)
		return;
	column = se_decode_current_column(ingest->decoder);
	errcontext("stream \"%s\"%s%s, partition %d, offset %lld%s%s",
			   ingest->relname,
			   ingest->stream->topic ? ", topic " : "",
			   ingest->stream->topic ? ingest->stream->topic : "",
			   ingest->records[ingest->current].partition,
			   (long long) ingest->records[ingest->current].offset,
			   column ? ", column " : "", column ? column : "");
}

static void
start_batch(SeIngest *ingest, const SeRecord *records, int n,
			SeProgress *progress)
{
	/* what an earlier batch left behind when it failed */
	for (int i = 0; i < CHUNK && ingest->n_chunk > 0; i++)
	{
		ingest->chunk[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(ingest->chunk[i]);
	}
	ingest->n_chunk = 0;
	MemoryContextReset(ingest->chunk_context);
	MemoryContextReset(ingest->batch_context);

	ingest->records = records;
	ingest->n_records = n;
	ingest->current = 0;
	ingest->progress = progress;
	ingest->rejects = NIL;
	ingest->bytes = 0;
	ingest->n_rows = 0;
	ingest->row_record = palloc(sizeof(int) * Max(n, 1));
	ingest->rows = ingest->n_views == 0 ? NULL :
		tuplestore_begin_heap(false, false,
							  (int) (ingest->limits.batch_max_bytes / 1024) * 2);
}

static void
write_rejects(SeIngest *ingest)
{
	if (ingest->rejects == NIL)
		return;
	if (strcmp(ingest->stream->on_error, "dead_letter") == 0)
		se_dead_letter_write(ingest->stream, ingest->records,
							 ingest->rejects, ingest->headers);
}

SeBatchResult
se_ingest_records(SeIngest *ingest, const SeRecord *records, int n,
				  SeProgress *progress, bool careful, Oid only_view)
{
	ErrorContextCallback callback;
	SeBatchResult result;
	MemoryContext old = MemoryContextSwitchTo(ingest->batch_context);

	start_batch(ingest, records, n, progress);
	ingest->stage_rows = ingest->staging != NULL && !OidIsValid(only_view);
	ingest->only_name = NULL;
	for (int i = 0; i < ingest->n_views; i++)
		if (ingest->views[i].view->relid == only_view)
			ingest->only_name = ingest->views[i].name;

	callback.callback = describe_record;
	callback.arg = ingest;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (ingest->stage_rows)
		se_staging_begin(ingest->staging);
	take_all(ingest);
	if (ingest->stage_rows)
		se_staging_end(ingest->staging);
	CommandCounterIncrement();

	apply_views(ingest, careful, only_view);
	if (ingest->rows)
		tuplestore_end(ingest->rows);
	ingest->rows = NULL;
	write_rejects(ingest);
	PopActiveSnapshot();
	error_context_stack = callback.previous;

	result.rows = ingest->n_rows;
	result.rejected = list_length(ingest->rejects);
	result.bytes = ingest->bytes;
	ingest->records = NULL;
	MemoryContextSwitchTo(old);
	return result;
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
		ViewTarget *target = &ingest->views[i];

		if (target->stats == NULL)
			continue;
		pg_atomic_write_u64(&target->stats->batch_us, target->elapsed_us);
		pg_atomic_write_u64(&target->stats->groups, target->groups);
	}
	se_stats_count_batch(stats, result->rows, result->bytes, elapsed_us);
}
