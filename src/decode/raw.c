/*-------------------------------------------------------------------------
 *
 * raw.c
 *	  Formats "text" and "bytea": the whole payload is one column's value.
 *
 * An empty payload is an empty value, not NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "format.h"

static const char *const text_options[] = {
	"bytea_encoding", "encoding", "timestamp_unit", NULL
};
static const char *const bytea_options[] = {NULL};

static void
raw_create(SeDecoder *decoder, const SeDecodeSpec *spec)
{
	bool		bytea = decoder->format == &se_format_bytea;

	if (decoder->nfields != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" needs exactly one column that takes the payload, not %d",
						decoder->format->name, decoder->nfields),
				 errhint("Map the other columns to @key, @partition, @offset, @timestamp or @headers.NAME.")));
	if (decoder->fields[0].path != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" has no field \"%s\" for column \"%s\"",
						decoder->format->name, decoder->fields[0].path,
						decoder->fields[0].name),
				 errhint("The payload goes whole into the one column that is not mapped.")));
	if (bytea && decoder->fields[0].type != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("format \"bytea\" needs a column of type bytea, but column \"%s\" is not",
						decoder->fields[0].name)));
}

static SeDecodeStatus
text_decode(SeDecoder *decoder, const SeRecord *record, Datum *values,
			bool *isnull, bool *missing)
{
	SeColumn   *column = &decoder->fields[0];
	const char *str = record->value;
	size_t		len = record->value_len;

	decoder->current = column;
	isnull[column->attno] = false;
	if (!se_convert_encoding(decoder, decoder->encoding, &str, &len) ||
		!se_convert_text(decoder, column, str, len, &values[column->attno]))
		return SE_DECODE_ERROR;
	decoder->current = NULL;
	return SE_DECODE_ROW;
}

static SeDecodeStatus
bytea_decode(SeDecoder *decoder, const SeRecord *record, Datum *values,
			 bool *isnull, bool *missing)
{
	SeColumn   *column = &decoder->fields[0];

	decoder->current = column;
	isnull[column->attno] = false;
	if (!se_convert_varlena(decoder, record->value, record->value_len,
							&values[column->attno]))
		return SE_DECODE_ERROR;
	decoder->current = NULL;
	return SE_DECODE_ROW;
}

const SeFormat se_format_text = {
	.name = "text",
	.options = text_options,
	.create = raw_create,
	.decode = text_decode
};

const SeFormat se_format_bytea = {
	.name = "bytea",
	.options = bytea_options,
	.create = raw_create,
	.decode = bytea_decode
};
