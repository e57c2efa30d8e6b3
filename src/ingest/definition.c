/*-------------------------------------------------------------------------
 *
 * definition.c
 *	  A stream's definition, made ready for batches: decoder, checks, staging
 *	  and views; and how a change of it is noticed.
 *
 * A worker opens it once and again when DDL changed it.  DDL on a stream
 * invalidates the relation, and each batch takes a lock on it first, so a
 * batch sees either the whole change or nothing of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../sql_settings.h"
#include "batch.h"

#define CHUNK_CONTEXT_SIZE (1024 * 1024)

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

	ingest->views = palloc0(sizeof(SeViewTarget) * Max(1, list_length(views)));
	foreach(lc, views)
	{
		SeViewTarget *target = &ingest->views[ingest->n_views++];

		target->view = lfirst(lc);
		target->state = se_state_open(target->view);
		target->idle_watermark = DT_NOBEGIN;
		target->lateness_us = se_watermark_lateness(target->view,
													ingest->stream);
		target->stats = se_stats_view(MyDatabaseId, target->view->relid, true);
		target->name = se_sql_name(target->view->relid);
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
	for (int i = 0; i < SE_CHUNK; i++)
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
	if (ingest->n_views > 0)
		ingest->rows = se_rows_create(se_catalog_batch_type(relid));
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
