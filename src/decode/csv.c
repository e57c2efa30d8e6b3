/*-------------------------------------------------------------------------
 *
 * csv.c
 *	  Formats "csv" and "tsv": one line of delimited text per record.
 *
 * Which field goes into which column is known when the stream is made, never
 * learned from the data, so that a worker that starts in the middle of a
 * topic reads as one that saw its beginning:
 *
 *	* columns take the fields in order, and there must be just as many; or
 *	* every column says a position ("3"), further fields are ignored; or
 *	* option header lists the names of all fields, columns go by name.
 *
 * With option header (true, or such a list) a record that repeats the names
 * is skipped: files are often sent line by line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "csv_scan.h"
#include "format.h"

typedef struct CsvState
{
	SeCsvRules	rules;
	const char *null;			/* text of an unquoted NULL */
	size_t		null_len;
	bool		header;			/* skip records that repeat the names */
	int		   *positions;		/* of each column's field, from 0 */
	int			expected;		/* number of fields */
	bool		at_least;		/* more of them are no error */
	SeCsvField *fields;			/* of the current record */
} CsvState;

static const char *const csv_options[] = {
	"bytea_encoding", "delimiter", "encoding", "header", "null", "quote",
	"timestamp_unit", NULL
};
static const char *const tsv_options[] = {
	"bytea_encoding", "encoding", "header", "null", "timestamp_unit", NULL
};

/* An option that is one byte, or nothing where that is allowed. */
static char
single_char(const char *name, const char *value, bool can_be_empty)
{
	if (strcmp(value, "\\t") == 0)
		return '\t';
	if ((value[0] == '\0' && !can_be_empty) ||
		(value[0] != '\0' && value[1] != '\0') || IS_HIGHBIT_SET(value[0]) ||
		value[0] == '\n' || value[0] == '\r')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no value for option \"%s\"", value, name),
				 errhint("It is a single one-byte character; \\t is a tab.")));
	return value[0];
}

static void
read_rules(CsvState *state, const SeDecodeSpec *spec, bool tsv)
{
	const char *delimiter = se_decode_option(spec, "delimiter");
	const char *quote = se_decode_option(spec, "quote");
	const char *null = se_decode_option(spec, "null");

	state->rules.backslash = tsv;
	state->rules.delimiter = tsv ? '\t' : ',';
	state->rules.quote = tsv ? '\0' : '"';
	if (delimiter != NULL)
		state->rules.delimiter = single_char("delimiter", delimiter, false);
	if (quote != NULL)
		state->rules.quote = single_char("quote", quote, true);
	if (state->rules.delimiter == state->rules.quote)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delimiter and quote must be different characters")));
	state->null = null ? pstrdup(null) : tsv ? "\\N" : "";
	state->null_len = strlen(state->null);
}

/* Field names as a list of C strings, written as a line of the format. */
static List *
header_names(const CsvState *state, const char *line)
{
	size_t		len = strlen(line);
	int			max_fields = (int) len + 1;
	SeCsvField *fields = palloc(max_fields * sizeof(SeCsvField));
	const char *reason;
	size_t		position;
	List	   *names = NIL;
	int			n;
	int			i;

	n = se_csv_scan(&state->rules, line, len, palloc(len + 1), fields,
					max_fields, &reason, &position);
	if (n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"header\" is not a line of field names: %s at byte %zu",
						reason, position)));
	for (i = 0; i < n; i++)
		names = lappend(names, pnstrdup(fields[i].text, fields[i].len));
	return names;
}

static const char *
source_name(const SeColumn *column)
{
	return column->path ? column->path : column->name;
}

/* Columns find their fields in a list of names. */
static void
map_by_name(SeDecoder *decoder, CsvState *state, List *names)
{
	int			i;

	for (i = 0; i < decoder->nfields; i++)
	{
		ListCell   *lc;

		state->positions[i] = -1;
		foreach(lc, names)
		{
			if (strcmp(lfirst(lc), source_name(&decoder->fields[i])) == 0)
				state->positions[i] = foreach_current_index(lc);
		}
		if (state->positions[i] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\": there is no field \"%s\" in option \"header\"",
							decoder->fields[i].name,
							source_name(&decoder->fields[i])),
					 errhint("The field of a column with another name is said in \"fields\".")));
	}
	state->expected = list_length(names);
}

/* Columns say their positions, or take the fields as they come. */
static void
map_by_position(SeDecoder *decoder, CsvState *state)
{
	int			nmapped = 0;
	int			i;

	for (i = 0; i < decoder->nfields; i++)
	{
		const char *path = decoder->fields[i].path;

		state->positions[i] = i;
		if (path == NULL)
			continue;
		if (strspn(path, "0123456789") != strlen(path) ||
			strlen(path) > 4 || atoi(path) < 1 || atoi(path) > 1600)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("field \"%s\" of column \"%s\" is no position from 1 to 1600",
							path, decoder->fields[i].name),
					 errhint("To use names, list those of all fields in option \"header\", as in 'id,name,price'.")));
		state->positions[i] = atoi(path) - 1;
		nmapped++;
	}
	if (nmapped > 0 && nmapped < decoder->nfields)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("some columns have a position and others have not"),
				 errhint("Give each column that takes a field a position, or none.")));
	state->at_least = nmapped > 0;
	for (i = 0; i < decoder->nfields; i++)
		state->expected = Max(state->expected, state->positions[i] + 1);
}

static void
csv_create(SeDecoder *decoder, const SeDecodeSpec *spec)
{
	CsvState   *state = palloc0(sizeof(CsvState));
	const char *header = se_decode_option(spec, "header");
	bool		flag = false;

	read_rules(state, spec, decoder->format == &se_format_tsv);
	state->positions = palloc0((decoder->nfields + 1) * sizeof(int));
	if (header != NULL && !parse_bool(header, &flag))
	{
		map_by_name(decoder, state, header_names(state, header));
		flag = true;
	}
	else
		map_by_position(decoder, state);
	state->header = flag;
	state->fields = palloc0((state->expected + 1) * sizeof(SeCsvField));
	decoder->state = state;
}

/* Is this record the line of names? */
static bool
repeats_names(SeDecoder *decoder, CsvState *state)
{
	int			i;

	for (i = 0; i < decoder->nfields; i++)
	{
		const SeColumn *column = &decoder->fields[i];
		const char *name = state->at_least ? column->name :
			source_name(column);
		const SeCsvField *field = &state->fields[state->positions[i]];

		if (field->len != strlen(name) ||
			pg_strncasecmp(field->text, name, field->len) != 0)
			return false;
	}
	return true;
}

/* Split the payload into state->fields; false: the error is set. */
static bool
split_record(SeDecoder *decoder, CsvState *state, const SeRecord *record)
{
	const char *str = record->value;
	size_t		len = record->value_len;
	const char *reason;
	size_t		position;
	int			n;

	if (!se_convert_encoding(decoder, decoder->encoding, &str, &len))
		return false;
	if (decoder->encoding == PG_UTF8 && len >= 3 &&
		memcmp(str, "\xEF\xBB\xBF", 3) == 0)
	{
		str += 3;
		len -= 3;
	}
	n = se_csv_scan(&state->rules, str, len, se_decode_alloc(decoder, len),
					state->fields, state->expected, &reason, &position);
	if (n < 0)
		return se_decode_fail(decoder, ERRCODE_BAD_COPY_FILE_FORMAT,
							  "%s at byte %zu", reason, position);
	if (n < state->expected || (n > state->expected && !state->at_least))
		return se_decode_fail(decoder, ERRCODE_BAD_COPY_FILE_FORMAT,
							  "record has %d fields, expected are %s%d", n,
							  state->at_least ? "at least " : "",
							  state->expected);
	return true;
}

static SeDecodeStatus
csv_decode(SeDecoder *decoder, const SeRecord *record, Datum *values,
		   bool *isnull, bool *missing)
{
	CsvState   *state = decoder->state;
	int			i;

	if (!split_record(decoder, state, record))
		return SE_DECODE_ERROR;
	if (state->header && repeats_names(decoder, state))
		return SE_DECODE_NOTHING;

	for (i = 0; i < decoder->nfields; i++)
	{
		SeColumn   *column = &decoder->fields[i];
		const SeCsvField *field = &state->fields[state->positions[i]];
		bool		ok;

		decoder->current = column;
		if (!field->quoted && field->raw_len == state->null_len &&
			memcmp(field->raw, state->null, state->null_len) == 0)
			ok = se_convert_null(decoder, column, false);
		else
		{
			isnull[column->attno] = false;
			ok = se_convert_text(decoder, column, field->text, field->len,
								 &values[column->attno]);
		}
		if (!ok)
			return SE_DECODE_ERROR;
	}
	decoder->current = NULL;
	return SE_DECODE_ROW;
}

const SeFormat se_format_csv = {
	.name = "csv",
	.options = csv_options,
	.create = csv_create,
	.decode = csv_decode
};

const SeFormat se_format_tsv = {
	.name = "tsv",
	.options = tsv_options,
	.create = csv_create,
	.decode = csv_decode
};
