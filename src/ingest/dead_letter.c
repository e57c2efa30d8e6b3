/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  Records that could not be taken, kept with the reason.
 *
 * They are written in the transaction that moves the offset past them, so a
 * record is either counted or here, never both and never neither.  The table
 * is the user's own: it is written by a plain INSERT as the stream's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "../sql_settings.h"
#include "ingest.h"

#define NPARAMS 12

static const Oid param_types[NPARAMS] = {
	TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID
};

static void
put_bytes(Datum *values, char *nulls, int i, const char *bytes, size_t len)
{
	bytea	   *copy;

	nulls[i] = bytes ? ' ' : 'n';
	if (bytes == NULL)
		return;
	copy = palloc(len + VARHDRSZ);
	SET_VARSIZE(copy, len + VARHDRSZ);
	memcpy(VARDATA(copy), bytes, len);
	values[i] = PointerGetDatum(copy);
}

static void
put_text(Datum *values, char *nulls, int i, const char *text)
{
	nulls[i] = text ? ' ' : 'n';
	if (text)
		values[i] = CStringGetTextDatum(text);
}

static void
fill_params(const SeStream *stream, const SeRecord *record,
			const SeReject *reject, SeHeadersFn headers,
			Datum *values, char *nulls)
{
	Jsonb	   *all = headers ? headers(record) : NULL;

	put_text(values, nulls, 0, stream->topic);
	values[1] = Int32GetDatum(record->partition);
	values[2] = Int64GetDatum(record->offset);
	values[3] = TimestampTzGetDatum(record->timestamp);
	nulls[3] = TIMESTAMP_IS_NOBEGIN(record->timestamp) ? 'n' : ' ';
	put_bytes(values, nulls, 4, record->key, record->key_len);
	put_bytes(values, nulls, 5, record->value, record->value_len);
	put_text(values, nulls, 6, unpack_sql_state(reject->sqlstate));
	put_text(values, nulls, 7, reject->message);
	put_text(values, nulls, 8, reject->column);
	put_text(values, nulls, 9, reject->view);
	nulls[10] = all ? ' ' : 'n';
	values[10] = PointerGetDatum(all);
	values[11] = TimestampTzGetDatum(GetCurrentTimestamp());
}

char *
se_dead_letter_table(const SeStream *stream)
{
	if (get_rel_name(stream->dead_letters) == NULL)
		ereport(ERROR,
				(errcode(SE_ERRCODE_STOPPED),
				 errmsg("stream \"%s\" has no table for dead letters any more",
						get_rel_name(stream->relid)),
				 errhint("It was dropped.  Drop the stream and create it again.")));
	return se_sql_name(stream->dead_letters);
}

void
se_dead_letter_write(const SeStream *stream, const SeRecord *records,
					 List *rejects, SeHeadersFn headers)
{
	StringInfoData sql;
	SPIPlanPtr	plan;
	ListCell   *lc;

	if (rejects == NIL)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO %s (topic, \"partition\", \"offset\", \"timestamp\", key, payload, sqlstate, message, column_name, view_name, headers, failed_at) "
					 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
					 se_dead_letter_table(stream));
	SPI_connect();
	plan = SPI_prepare(sql.data, NPARAMS, (Oid *) param_types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	foreach(lc, rejects)
	{
		SeReject   *reject = lfirst(lc);
		Datum		values[NPARAMS] = {0};
		char		nulls[NPARAMS];

		fill_params(stream, &records[reject->record], reject, headers,
					values, nulls);
		if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write a dead letter of stream \"%s\"",
				 get_rel_name(stream->relid));
	}
	SPI_finish();
}
