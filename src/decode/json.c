/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Format "json": one JSON object per record.
 *
 * The shim finds the wanted values and has checked the whole document;
 * here they become Datums.  A JSON string is what its characters say, in the
 * column's own input syntax; numbers and booleans are their token's text;
 * json and jsonb columns take any value as it stands.  An array fits an array
 * column, any other type is given the text of arrays and objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "format.h"
#include "json_shim.h"
#include "json_text.h"

typedef struct JsonState
{
	SeJson	   *json;
	int		   *slots;			/* of each field in the shim's result */
	MemoryContextCallback callback;
} JsonState;

static const char *const json_options[] = {
	"bytea_encoding", "timestamp_unit", NULL
};

static void
close_shim(void *arg)
{
	se_json_close((SeJson *) arg);
}

static void
json_create(SeDecoder *decoder, const SeDecodeSpec *spec)
{
	JsonState  *state = palloc0(sizeof(JsonState));
	int			i;

	state->slots = palloc0((decoder->nfields + 1) * sizeof(int));
	state->json = se_json_open();
	if (state->json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	state->callback.func = close_shim;
	state->callback.arg = state->json;
	MemoryContextRegisterResetCallback(decoder->context, &state->callback);

	for (i = 0; i < decoder->nfields; i++)
	{
		SeColumn   *column = &decoder->fields[i];
		const char *reason;

		state->slots[i] = se_json_want(state->json,
									   column->path ? column->path :
									   column->name,
									   column->path == NULL, &reason);
		if (state->slots[i] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("path \"%s\" of column \"%s\" is not valid: %s",
							column->path ? column->path : column->name,
							column->name, reason),
					 errhint("A path is like user.address.city or tags[0]; a key with dots in it is put in double quotes.")));
	}
	decoder->state = state;
}

static bool
fail_text(SeDecoder *decoder, SeJsonTextStatus status)
{
	switch (status)
	{
		case SE_JSON_TEXT_NUL:
			return se_decode_fail(decoder, ERRCODE_UNTRANSLATABLE_CHARACTER,
								  "unsupported Unicode escape sequence: \\u0000 cannot be converted to text");
		case SE_JSON_TEXT_SURROGATE:
			return se_decode_fail(decoder, ERRCODE_INVALID_TEXT_REPRESENTATION,
								  "invalid Unicode escape: half of a surrogate pair");
		default:
			return se_decode_fail(decoder, ERRCODE_INVALID_TEXT_REPRESENTATION,
								  "invalid escape in a JSON string");
	}
}

/* Text of the document, all UTF-8, as the server wants it. */
static inline bool
to_server(SeDecoder *decoder, const char **str, size_t *len)
{
	return decoder->utf8_server ||
		se_convert_encoding(decoder, PG_UTF8, str, len);
}

static bool
convert_string(SeDecoder *decoder, SeColumn *column, const SeJsonValue *json,
			   Datum *value)
{
	const char *str = json->text;
	size_t		len = json->len;

	if (column->kind == SE_TO_TEXT && column->typmod < 0 &&
		len <= SE_JSON_READABLE && !json->escaped && decoder->utf8_server)
	{
		/* The usual case by far; a copy of fixed size takes no call. */
		char	   *result = se_decode_alloc(decoder,
											 VARHDRSZ + SE_JSON_READABLE);

		SET_VARSIZE(result, VARHDRSZ + len);
		memcpy(VARDATA(result), str, SE_JSON_READABLE);
		*value = PointerGetDatum(result);
		return true;
	}

	if (json->escaped)
	{
		char	   *plain = se_decode_alloc(decoder, len);
		size_t		fault;
		SeJsonTextStatus status;

		status = se_json_unescape(str, len, plain, &len, &fault);
		if (status != SE_JSON_TEXT_OK)
			return fail_text(decoder, status);
		str = plain;
	}
	return to_server(decoder, &str, &len) &&
		se_convert_text(decoder, column, str, len, value);
}

/* The value as it stands, for json and jsonb. */
static bool
convert_to_json(SeDecoder *decoder, SeColumn *column, const SeJsonValue *json,
				Datum *value)
{
	const char *str = json->text;
	size_t		len = json->len;

	if (json->kind == SE_JSON_STRING)
	{
		str--;
		len += 2;
	}
	if (!to_server(decoder, &str, &len))
		return false;
	if (column->type == JSONOID)
		return se_convert_varlena(decoder, str, len, value);
	return se_convert_input(decoder, column, str, len, value);
}

static bool
convert_container(SeDecoder *decoder, SeColumn *column,
				  const SeJsonValue *json, Datum *value)
{
	const char *str = json->text;
	size_t		len = json->len;

	if (column->is_array && json->kind == SE_JSON_ARRAY)
	{
		char	   *literal;
		SeJsonTextStatus status;

		if (len > MaxAllocSize / 8)
			return se_decode_fail(decoder, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
								  "value of %zu bytes is too long", len);
		literal = se_decode_alloc(decoder, 4 * len + 8);
		status = se_json_array_literal(str, len, literal, &len);
		if (status != SE_JSON_TEXT_OK)
			return fail_text(decoder, status);
		str = literal;
	}
	return to_server(decoder, &str, &len) &&
		se_convert_text(decoder, column, str, len, value);
}

static bool
convert_value(SeDecoder *decoder, SeColumn *column, const SeJsonValue *json,
			  Datum *value)
{
	if (column->type == JSONOID || column->type == JSONBOID)
		return convert_to_json(decoder, column, json, value);

	switch (json->kind)
	{
		case SE_JSON_STRING:
			return convert_string(decoder, column, json, value);
		case SE_JSON_NUMBER:
			return se_convert_number(decoder, column, json->text, json->len,
									 value);
		case SE_JSON_TRUE:
		case SE_JSON_FALSE:
			return se_convert_bool(decoder, column,
								   json->kind == SE_JSON_TRUE, value);
		default:
			return convert_container(decoder, column, json, value);
	}
}

static SeDecodeStatus
json_decode(SeDecoder *decoder, const SeRecord *record, Datum *values,
			bool *isnull, bool *missing)
{
	JsonState  *state = decoder->state;
	const SeJsonValue *found;
	int			i;

	found = se_json_parse(state->json, record->value, record->value_len);
	if (found == NULL)
	{
		se_decode_fail(decoder, ERRCODE_INVALID_TEXT_REPRESENTATION, "%s",
					   se_json_error(state->json));
		return SE_DECODE_ERROR;
	}

	for (i = 0; i < decoder->nfields; i++)
	{
		SeColumn   *column = &decoder->fields[i];
		const SeJsonValue *json = &found[state->slots[i]];
		bool		ok;

		decoder->current = column;
		if (json->kind <= SE_JSON_NULL)
		{
			if (missing != NULL)
				missing[column->attno] = json->kind == SE_JSON_MISSING;
			ok = se_convert_null(decoder, column,
								 json->kind == SE_JSON_MISSING);
		}
		else
		{
			isnull[column->attno] = false;
			ok = convert_value(decoder, column, json, &values[column->attno]);
		}
		if (!ok)
			return SE_DECODE_ERROR;
	}
	decoder->current = NULL;
	return SE_DECODE_ROW;
}

const SeFormat se_format_json = {
	.name = "json",
	.options = json_options,
	.create = json_create,
	.decode = json_decode
};
