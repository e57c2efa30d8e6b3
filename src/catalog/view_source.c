/*-------------------------------------------------------------------------
 *
 * view_source.c
 *	  stream.catalog_sources: the streams of a view behind its first.
 *
 * What the first stream's batches run is in stream.catalog_views; the rows here
 * have the same for the others.
 *
 * Crash: they are written in the transaction that makes the view, and go with its
 * row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "catalog.h"
#include "row.h"

enum
{
	COL_VIEW, COL_NUMBER, COL_STREAM, COL_DELTA_SQL, COL_LATE_SQL,
	COL_BY_EVENT_TIME, COL_VALUES_SQL,
	NCOLS
};

static const SeTable table = {"catalog_sources", NCOLS};

static Datum
text_array(const List *strings)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(1, list_length(strings)));
	ListCell   *lc;

	foreach(lc, strings)
		values[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(values, list_length(strings), TEXTOID,
										   -1, false, TYPALIGN_INT));
}

static List *
string_list(Datum array)
{
	List	   *result = NIL;
	Datum	   *values;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &values, NULL, &n);
	for (int i = 0; i < n; i++)
		result = lappend(result, TextDatumGetCString(values[i]));
	return result;
}

void
se_view_source_add(Oid view, int number, const SeSource *source)
{
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	values[COL_VIEW] = ObjectIdGetDatum(view);
	values[COL_NUMBER] = Int32GetDatum(number);
	values[COL_STREAM] = ObjectIdGetDatum(source->stream);
	values[COL_DELTA_SQL] = CStringGetTextDatum(source->delta_sql);
	se_row_set_text(values, isnull, COL_LATE_SQL, source->late_sql);
	values[COL_BY_EVENT_TIME] = BoolGetDatum(source->by_event_time);
	values[COL_VALUES_SQL] = text_array(source->values_sql);
	se_row_insert(&table, values, isnull);
	CacheInvalidateRelcacheByRelid(source->stream);
}

List *
se_view_source_list(Oid view)
{
	SeRowScan	rows;
	List	   *result = NIL;

	se_row_begin(&rows, &table, AccessShareLock, 1, view, 0);
	while (se_row_next(&rows))
	{
		SeSource   *source = palloc0(sizeof(SeSource));

		source->stream = DatumGetObjectId(rows.values[COL_STREAM]);
		source->delta_sql = se_row_text(&rows, COL_DELTA_SQL);
		source->late_sql = se_row_text(&rows, COL_LATE_SQL);
		source->by_event_time = DatumGetBool(rows.values[COL_BY_EVENT_TIME]);
		source->values_sql = string_list(rows.values[COL_VALUES_SQL]);
		result = lappend(result, source);
	}
	se_row_end(&rows);
	return result;
}

void
se_view_source_delete(Oid view)
{
	se_row_delete_all(&table, view);
}
