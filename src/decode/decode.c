/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  The list of formats, the decoder's life, and what does not come from
 *	  the payload: key, partition, offset, timestamp, headers.
 *
 * A tombstone (no value) never makes a row, whatever the columns want.
 *
 * A decoder has a memory context of its own, whose end frees what lies
 * outside memory contexts too (simdjson's buffers): an error thrown through
 * us leaks nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "format.h"

/* Scratch memory grows to this; larger records take palloc'd pieces. */
#define MAX_SCRATCH_SIZE (1024 * 1024)

static const SeFormat *const formats[] = {
	&se_format_json,
	&se_format_csv,
	&se_format_tsv,
	&se_format_text,
	&se_format_bytea
};

static const SeFormat *
find_format(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	return NULL;
}

const char *const *
se_decode_format_options(const char *format)
{
	const SeFormat *found = find_format(format);

	return found ? found->options : NULL;
}

const char *
se_decode_format_names(void)
{
	static char names[128];
	int			i;

	names[0] = '\0';
	for (i = 0; i < lengthof(formats); i++)
	{
		if (i > 0)
			strlcat(names, ", ", sizeof(names));
		strlcat(names, formats[i]->name, sizeof(names));
	}
	return names;
}

/* The value of an option, or NULL. */
const char *
se_decode_option(const SeDecodeSpec *spec, const char *name)
{
	ListCell   *lc;

	foreach(lc, spec->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

static void
check_option_names(const SeDecodeSpec *spec, const SeFormat *format)
{
	ListCell   *lc;

	foreach(lc, spec->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		StringInfoData valid;
		int			i;

		initStringInfo(&valid);
		for (i = 0; format->options[i] != NULL; i++)
		{
			if (strcmp(format->options[i], def->defname) == 0)
				break;
			appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "",
							 format->options[i]);
		}
		if (format->options[i] == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("format \"%s\" has no option \"%s\"",
							format->name, def->defname),
					 valid.len > 0 ?
					 errhint("Its options are: %s.", valid.data) :
					 errhint("It has no options.")));
	}
}

/* The values that an option can have, and what each stands for. */
typedef struct OptionValue
{
	const char *name;
	int			value;
} OptionValue;

static int
option_value(const SeDecodeSpec *spec, const char *name,
			 const OptionValue *known, int nknown)
{
	const char *given = se_decode_option(spec, name);
	StringInfoData valid;
	int			i;

	if (given == NULL)
		return known[0].value;
	initStringInfo(&valid);
	for (i = 0; i < nknown; i++)
	{
		if (pg_strcasecmp(given, known[i].name) == 0)
			return known[i].value;
		appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "", known[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is no value for option \"%s\"", given, name),
			 errhint("Its values are: %s.", valid.data)));
	return 0;					/* not reached */
}

static void
read_common_options(SeDecoder *decoder, const SeDecodeSpec *spec)
{
	static const OptionValue units[] = {
		{"auto", SE_UNIT_AUTO},
		{"s", SE_UNIT_S},
		{"ms", SE_UNIT_MS},
		{"us", SE_UNIT_US},
		{"ns", SE_UNIT_NS}
	};
	static const OptionValue bytea_encodings[] = {
		{"escape", SE_BYTEA_INPUT},
		{"base64", SE_BYTEA_BASE64},
		{"hex", SE_BYTEA_HEX}
	};
	const char *encoding = se_decode_option(spec, "encoding");

	decoder->timestamp_unit = option_value(spec, "timestamp_unit",
										   units, lengthof(units));
	decoder->bytea_encoding = option_value(spec, "bytea_encoding",
										   bytea_encodings,
										   lengthof(bytea_encodings));
	decoder->encoding = encoding ? pg_char_to_encoding(encoding) : PG_UTF8;
	if (decoder->encoding < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encoding \"%s\" is not known", encoding),
				 errhint("Any of PostgreSQL's character sets will do: UTF8, LATIN1, WIN1252 ...")));
}

/* Can this column take that piece of metadata? */
static bool
metadata_type_fits(SeMetadata metadata, Oid type)
{
	switch (metadata)
	{
		case SE_META_PARTITION:
			return type == INT4OID || type == INT8OID;
		case SE_META_OFFSET:
			return type == INT8OID;
		case SE_META_TIMESTAMP:
			return type == TIMESTAMPTZOID || type == TIMESTAMPOID;
		case SE_META_VALUE:
			return type == TEXTOID || type == VARCHAROID ||
				type == BYTEAOID || type == JSONOID || type == JSONBOID;
		default:
			return true;		/* bytes or text: any type */
	}
}

static void
read_metadata_path(SeColumn *column)
{
	static const struct
	{
		const char *name;
		SeMetadata	metadata;
		const char *types;
	}			known[] = {
		{"@key", SE_META_KEY, ""},
		{"@partition", SE_META_PARTITION, "integer or bigint"},
		{"@offset", SE_META_OFFSET, "bigint"},
		{"@timestamp", SE_META_TIMESTAMP,
		"timestamp with time zone or timestamp"},
		{"@value", SE_META_VALUE, "text, bytea, json or jsonb"}
	};
	int			i;

	if (strncmp(column->path, "@headers.", 9) == 0 && column->path[9] != '\0')
	{
		column->metadata = SE_META_HEADER;
		column->header = column->path + 9;
		return;
	}
	for (i = 0; i < lengthof(known); i++)
	{
		if (strcmp(column->path, known[i].name) != 0)
			continue;
		column->metadata = known[i].metadata;
		if (!metadata_type_fits(column->metadata, column->type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot take \"%s\"",
							column->name, format_type_be(column->type),
							column->path),
					 errhint("Its type can be %s.", known[i].types)));
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("field \"%s\" of column \"%s\" is not known",
					column->path, column->name),
			 errhint("There are @key, @partition, @offset, @timestamp, @headers.NAME and @value. "
					 "A field of the payload whose name begins with @ is written in double quotes.")));
}

static void
add_columns(SeDecoder *decoder, const SeDecodeSpec *spec)
{
	TupleDesc	desc = spec->columns;
	int			i;

	decoder->natts = desc->natts;
	decoder->fields = palloc0((desc->natts + 1) * sizeof(SeColumn));
	decoder->metadata = palloc0((desc->natts + 1) * sizeof(SeColumn));
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *path = spec->paths ? spec->paths[i] : NULL;
		SeColumn	column = {0};

		if (att->attisdropped || att->attgenerated != '\0')
			continue;
		column.attno = i;
		column.name = pstrdup(NameStr(att->attname));
		column.path = path ? pstrdup(path) : NULL;
		se_convert_init(&column, att);
		if (path != NULL && path[0] == '@')
		{
			read_metadata_path(&column);
			decoder->metadata[decoder->nmetadata++] = column;
		}
		else
			decoder->fields[decoder->nfields++] = column;
	}
}

SeDecoder *
se_decode_create(const SeDecodeSpec *spec)
{
	const SeFormat *format = find_format(spec->format);
	MemoryContext context;
	MemoryContext old;
	SeDecoder  *decoder;

	if (format == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" is not known", spec->format),
				 errhint("The formats are: %s.", se_decode_format_names())));

	context = AllocSetContextCreate(CurrentMemoryContext, "stream decoder",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	decoder = palloc0(sizeof(SeDecoder));
	decoder->format = format;
	decoder->context = context;
	decoder->header = spec->header;
	decoder->utf8_server = GetDatabaseEncoding() == PG_UTF8;
	decoder->fast_numeric = se_convert_fast_numeric();
	decoder->scratch_size = 8192;
	decoder->scratch = palloc(decoder->scratch_size);
	check_option_names(spec, format);
	read_common_options(decoder, spec);
	add_columns(decoder, spec);
	format->create(decoder, spec);
	MemoryContextSwitchTo(old);
	return decoder;
}

void
se_decode_destroy(SeDecoder *decoder)
{
	MemoryContextDelete(decoder->context);
}

/* Forget the last record's Datums; make room if they did not fit. */
static void
reset_scratch(SeDecoder *decoder)
{
	if (decoder->scratch_used > decoder->scratch_size &&
		decoder->scratch_size < MAX_SCRATCH_SIZE)
	{
		size_t		size = decoder->scratch_size;
		char	   *scratch;

		while (size < decoder->scratch_used && size < MAX_SCRATCH_SIZE)
			size *= 2;
		scratch = MemoryContextAlloc(decoder->context, size);
		pfree(decoder->scratch);
		decoder->scratch = scratch;
		decoder->scratch_size = size;
	}
	decoder->scratch_used = 0;
}

/* Note what is wrong with the record.  Returns false for callers' ease. */
bool
se_decode_fail(SeDecoder *decoder, int sqlstate, const char *fmt,...)
{
	SeDecodeError *error = &decoder->error;
	va_list		args;
	int			len;

	error->sqlstate = sqlstate;
	error->column = decoder->current ? decoder->current->name : NULL;
	va_start(args, fmt);
	len = vsnprintf(error->message, sizeof(error->message), fmt, args);
	va_end(args);
	if (len >= (int) sizeof(error->message))
	{
		/* Not in the middle of a character. */
		len = sizeof(error->message) - 1;
		error->message[pg_mbcliplen(error->message, len, len)] = '\0';
	}
	return false;
}

/* Bytes from outside the payload: as they are, or text for any other type. */
static bool
convert_outside_bytes(SeDecoder *decoder, SeColumn *column, const char *bytes,
					  size_t len, Datum *value)
{
	if (column->type == BYTEAOID)
		return se_convert_varlena(decoder, bytes, len, value);
	return se_convert_encoding(decoder, decoder->encoding, &bytes, &len) &&
		se_convert_text(decoder, column, bytes, len, value);
}

static bool
convert_metadata(SeDecoder *decoder, SeColumn *column, const SeRecord *record,
				 Datum *value, bool *isnull, bool *missing)
{
	const char *bytes = NULL;
	size_t		len = 0;

	*isnull = false;
	switch (column->metadata)
	{
		case SE_META_PARTITION:
			*value = column->kind == SE_TO_INT4 ?
				Int32GetDatum(record->partition) :
				Int64GetDatum((int64) record->partition);
			return true;
		case SE_META_OFFSET:
			*value = Int64GetDatum(record->offset);
			return true;
		case SE_META_TIMESTAMP:

			/* A column without time zone shows UTC. */
			*value = TimestampTzGetDatum(record->timestamp);
			*isnull = TIMESTAMP_NOT_FINITE(record->timestamp);
			return true;
		case SE_META_KEY:
			bytes = record->key;
			len = record->key_len;
			break;
		case SE_META_VALUE:
			bytes = record->value;
			len = record->value_len;
			break;
		case SE_META_HEADER:
			if (decoder->header == NULL ||
				!decoder->header(record, column->header, &bytes, &len))
				*missing = true;
			break;
		case SE_META_NONE:
			elog(ERROR, "column \"%s\" takes no metadata", column->name);
	}
	*isnull = bytes == NULL;
	if (bytes == NULL)
		return se_convert_null(decoder, column, *missing);
	return convert_outside_bytes(decoder, column, bytes, len, value);
}

SeDecodeStatus
se_decode_record(SeDecoder *decoder, const SeRecord *record, Datum *values,
				 bool *isnull, bool *missing)
{
	SeDecodeStatus status;
	int			i;

	decoder->current = NULL;
	if (record->value == NULL)
		return SE_DECODE_NOTHING;

	reset_scratch(decoder);
	memset(isnull, true, decoder->natts);
	if (missing != NULL)
		memset(missing, false, decoder->natts);

	/* Without a field of it wanted, the payload need not have the format. */
	if (decoder->nfields > 0)
	{
		status = decoder->format->decode(decoder, record, values, isnull,
										 missing);
		if (status != SE_DECODE_ROW)
			return status;
	}
	for (i = 0; i < decoder->nmetadata; i++)
	{
		SeColumn   *column = &decoder->metadata[i];
		bool		absent = false;

		decoder->current = column;
		if (!convert_metadata(decoder, column, record,
							  &values[column->attno], &isnull[column->attno],
							  &absent))
			return SE_DECODE_ERROR;
		if (missing != NULL)
			missing[column->attno] = absent;
	}
	decoder->current = NULL;
	return SE_DECODE_ROW;
}

const SeDecodeError *
se_decode_error(SeDecoder *decoder)
{
	return &decoder->error;
}

const char *
se_decode_current_column(SeDecoder *decoder)
{
	return decoder->current ? decoder->current->name : NULL;
}
