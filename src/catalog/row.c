/*-------------------------------------------------------------------------
 *
 * row.c
 *	  Reading and writing rows of our own tables.
 *
 * They are ordinary logged tables, written with the calls that the system
 * catalogs use: no privileges, no triggers, no planner, indexes kept.  Every
 * scan takes a fresh snapshot, so what another transaction committed a moment
 * ago is seen even in the middle of a long one.
 *
 * Crash: nothing is kept outside the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "row.h"

#define CHANGE "a change of a stream"	/* in "cannot execute ..." */

Oid
se_catalog_schema(void)
{
	return get_namespace_oid("stream", true);
}

Oid
se_catalog_function(const char *name, int nargs, const Oid *types)
{
	return LookupFuncName(list_make2(makeString("stream"),
									 makeString(pstrdup(name))),
						  nargs, types, false);
}

/* All of them: while the extension is being dropped some are gone already. */
bool
se_catalog_exists(void)
{
	static const char *const relations[] = {
		"catalog_streams", "catalog_streams_pkey",
		"catalog_partitions", "catalog_partitions_pkey",
		"catalog_views", "catalog_views_pkey",
		"catalog_distinct", "catalog_distinct_pkey",
		"catalog_sources", "catalog_sources_pkey",
		"catalog_backfills", "catalog_backfills_pkey",
		"catalog_feeds", "catalog_feeds_pkey"
	};
	Oid			schema = se_catalog_schema();

	if (!OidIsValid(schema) ||
		!OidIsValid(get_extension_oid("stream_ext", true)))
		return false;
	for (int i = 0; i < lengthof(relations); i++)
		if (!OidIsValid(get_relname_relid(relations[i], schema)))
			return false;
	return true;
}

static Oid
own_relation(const char *name)
{
	Oid			schema = se_catalog_schema();
	Oid			relid = OidIsValid(schema) ?
		get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table stream.%s does not exist", name),
				 errhint("Run CREATE EXTENSION stream_ext in this database.")));
	return relid;
}

/*
 * The library is replaced when the server starts, the tables by ALTER EXTENSION
 * ... UPDATE: in between they do not fit, and nothing may be read into them.
 */
static Relation
open_table(const SeTable *table, LOCKMODE lockmode)
{
	Relation	rel = table_open(own_relation(table->name), lockmode);
	int			n_columns = RelationGetNumberOfAttributes(rel);

	Assert(table->n_columns <= SE_MAX_COLUMNS);
	if (n_columns != table->n_columns)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table stream.%s is of another version of stream_ext than the library",
						table->name),
				 errdetail("The table has %d columns, the library knows %d.",
						   n_columns, table->n_columns),
				 n_columns < table->n_columns ?
				 errhint("Run ALTER EXTENSION stream_ext UPDATE in this database.") :
				 errhint("Restart the server, so that it loads the newer library.")));
	return rel;
}

void
se_row_begin_at(SeRowScan *rows, const SeTable *table, LOCKMODE lockmode,
				int nkeys, Oid key1, int32 key2, Snapshot snapshot)
{
	ScanKeyData keys[2];
	char		pkey[NAMEDATALEN];

	snprintf(pkey, sizeof(pkey), "%s_pkey", table->name);
	rows->lockmode = lockmode;
	rows->tuple = NULL;
	rows->rel = open_table(table, lockmode);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(key1));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(key2));
	rows->scan = systable_beginscan(rows->rel, own_relation(pkey), true,
									snapshot, nkeys, keys);
}

void
se_row_begin(SeRowScan *rows, const SeTable *table, LOCKMODE lockmode,
			 int nkeys, Oid key1, int32 key2)
{
	se_row_begin_at(rows, table, lockmode, nkeys, key1, key2, NULL);
}

bool
se_row_next(SeRowScan *rows)
{
	rows->tuple = systable_getnext(rows->scan);
	if (!HeapTupleIsValid(rows->tuple))
		return false;
	heap_deform_tuple(rows->tuple, RelationGetDescr(rows->rel),
					  rows->values, rows->isnull);
	return true;
}

void
se_row_end(SeRowScan *rows)
{
	systable_endscan(rows->scan);
	/* writers keep their lock to the end of the transaction */
	table_close(rows->rel,
				rows->lockmode == AccessShareLock ? AccessShareLock : NoLock);
}

void
se_row_update(SeRowScan *rows)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rows->rel),
										rows->values, rows->isnull);

	PreventCommandIfReadOnly(CHANGE);
	CatalogTupleUpdate(rows->rel, &rows->tuple->t_self, tuple);
	heap_freetuple(tuple);
}

void
se_row_delete(SeRowScan *rows)
{
	PreventCommandIfReadOnly(CHANGE);
	CatalogTupleDelete(rows->rel, &rows->tuple->t_self);
}

void
se_row_delete_all(const SeTable *table, Oid key)
{
	SeRowScan	rows;

	se_row_begin(&rows, table, RowExclusiveLock, 1, key, 0);
	while (se_row_next(&rows))
		se_row_delete(&rows);
	se_row_end(&rows);
	CommandCounterIncrement();
}

void
se_row_insert(const SeTable *table, Datum *values, bool *isnull)
{
	Relation	rel = open_table(table, RowExclusiveLock);
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), values, isnull);

	PreventCommandIfReadOnly(CHANGE);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

char *
se_row_text(SeRowScan *rows, int column)
{
	if (rows->isnull[column])
		return NULL;
	return TextDatumGetCString(rows->values[column]);
}

Interval *
se_row_interval(SeRowScan *rows, int column)
{
	Interval   *copy;

	if (rows->isnull[column])
		return NULL;
	copy = palloc(sizeof(Interval));
	*copy = *DatumGetIntervalP(rows->values[column]);
	return copy;
}

void
se_row_set_text(Datum *values, bool *isnull, int column, const char *text)
{
	isnull[column] = (text == NULL);
	if (text)
		values[column] = CStringGetTextDatum(text);
}

void
se_row_set_pointer(Datum *values, bool *isnull, int column,
				   const void *datum)
{
	isnull[column] = (datum == NULL);
	values[column] = PointerGetDatum(datum);
}

void
se_row_put_text(SeRowScan *rows, int column, const char *text)
{
	se_row_set_text(rows->values, rows->isnull, column, text);
}
