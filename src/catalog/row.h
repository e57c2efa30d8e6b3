/*-------------------------------------------------------------------------
 *
 * row.h
 *	  Rows of our own tables as Datum arrays; private to catalog/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_CATALOG_ROW_H
#define SE_CATALOG_ROW_H

#include "access/genam.h"
#include "access/htup.h"
#include "access/skey.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define SE_MAX_COLUMNS 32

/* One of our tables as this library knows it. */
typedef struct SeTable
{
	const char *name;			/* in schema stream */
	int			n_columns;
} SeTable;

/* One of our tables, open, with a scan over its primary key or all of it. */
typedef struct SeRowScan
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;			/* current row */
	Datum		values[SE_MAX_COLUMNS];
	bool		isnull[SE_MAX_COLUMNS];
	LOCKMODE	lockmode;
} SeRowScan;

/*
 * Opens the table and scans the rows whose leading primary key columns (oid,
 * then int4) equal the nkeys given.  nkeys = 0 reads all.
 */
extern void se_row_begin(SeRowScan *rows, const SeTable *table,
						 LOCKMODE lockmode, int nkeys, Oid key1, int32 key2);
/* The same as of a snapshot; NULL: what is committed now. */
extern void se_row_begin_at(SeRowScan *rows, const SeTable *table,
							LOCKMODE lockmode, int nkeys, Oid key1,
							int32 key2, Snapshot snapshot);
extern bool se_row_next(SeRowScan *rows);	/* fills values and isnull */
extern void se_row_end(SeRowScan *rows);

/* Writes values and isnull back over the current row. */
extern void se_row_update(SeRowScan *rows);
extern void se_row_delete(SeRowScan *rows);

/* The rows whose primary key begins with this. */
extern void se_row_delete_all(const SeTable *table, Oid key);

extern void se_row_insert(const SeTable *table, Datum *values, bool *isnull);

/* A value of a row to be inserted; NULL: null. */
extern void se_row_set_text(Datum *values, bool *isnull, int column,
							const char *text);
/* Of a type passed by reference. */
extern void se_row_set_pointer(Datum *values, bool *isnull, int column,
							   const void *datum);

/* NULL-able text of a column, palloc'd. */
extern char *se_row_text(SeRowScan *rows, int column);
/* The same of an interval. */
extern Interval *se_row_interval(SeRowScan *rows, int column);
extern void se_row_put_text(SeRowScan *rows, int column, const char *text);

/* view_source.c: streams of a view, of SeSource in order. */
struct SeSource;
extern void se_view_source_add(Oid view, int number,
							   const struct SeSource *source);
extern List *se_view_source_list(Oid view);
extern void se_view_source_delete(Oid view);

#endif							/* SE_CATALOG_ROW_H */
