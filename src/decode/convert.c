/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  One field of a payload to one Datum.
 *
 * Types that streams are made of have a way of their own here, because
 * their input functions would cost more than reading the whole record.
 * A value in a spelling that the short way does not know, and every value of
 * every other type, goes through the type's input function: what PostgreSQL
 * accepts is accepted, and with the same result.
 *
 * A value that cannot be converted is an error of the record (false, with
 * the decoder's error set).  Input functions of PostgreSQL 15 throw instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "format.h"
#include "scan.h"

/* How much of a bad value an error message shows. */
#define SHOWN_BYTES 200

/* The Unix epoch as PostgreSQL counts microseconds. */
#define UNIX_EPOCH_US \
	((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/*
 * A numeric in its short form, as tables store it: see the comment on
 * NumericShort in PostgreSQL's numeric.c.
 */
typedef struct ShortNumeric
{
	int32		vl_len_;
	uint16		header;			/* 10SDDDDDDDWWWWWW */
	int16		digits[6];		/* base 10000, as many as needed */
} ShortNumeric;

void
se_convert_init(SeColumn *column, Form_pg_attribute att)
{
	Oid			function;

	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->is_array = OidIsValid(get_element_type(att->atttypid));
	column->is_domain = get_typtype(att->atttypid) == TYPTYPE_DOMAIN;
	column->has_default = att->atthasdef ||
		(column->is_domain && get_typdefault(att->atttypid) != NULL);
	getTypeInputInfo(att->atttypid, &function, &column->ioparam);
	fmgr_info(function, &column->input);

	switch (att->atttypid)
	{
		case BOOLOID:
			column->kind = SE_TO_BOOL;
			break;
		case INT2OID:
			column->kind = SE_TO_INT2;
			break;
		case INT4OID:
			column->kind = SE_TO_INT4;
			break;
		case INT8OID:
			column->kind = SE_TO_INT8;
			break;
		case FLOAT4OID:
			column->kind = SE_TO_FLOAT4;
			break;
		case FLOAT8OID:
			column->kind = SE_TO_FLOAT8;
			break;
		case NUMERICOID:
			column->kind = SE_TO_NUMERIC;
			break;
		case TEXTOID:
		case VARCHAROID:
			column->kind = SE_TO_TEXT;
			break;
		case TIMESTAMPTZOID:
			column->kind = SE_TO_TIMESTAMPTZ;
			break;
		case TIMESTAMPOID:
			column->kind = SE_TO_TIMESTAMP;
			break;
		case DATEOID:
			column->kind = SE_TO_DATE;
			break;
		case UUIDOID:
			column->kind = SE_TO_UUID;
			break;
		case BYTEAOID:
			column->kind = SE_TO_BYTEA;
			break;
		default:
			column->kind = SE_TO_INPUT;
	}
}

/* Fail with a message that shows the value, of which a long one is cut. */
static bool
fail_value(SeDecoder *decoder, int sqlstate, const char *before,
		   const char *str, size_t len, const char *after)
{
	int			shown = (int) Min(len, SHOWN_BYTES);

	if (len > SHOWN_BYTES)
		shown = pg_mbcliplen(str, SHOWN_BYTES + 4, SHOWN_BYTES);
	return se_decode_fail(decoder, sqlstate, "%s\"%.*s%s\"%s", before,
						  shown, str, len > SHOWN_BYTES ? "..." : "", after);
}

static bool
fail_syntax(SeDecoder *decoder, const char *type, const char *str, size_t len)
{
	char		before[64];

	snprintf(before, sizeof(before), "invalid input syntax for type %s: ",
			 type);
	return fail_value(decoder, ERRCODE_INVALID_TEXT_REPRESENTATION, before,
					  str, len, "");
}

static bool
fail_range(SeDecoder *decoder, const char *type, const char *str, size_t len)
{
	char		after[64];

	snprintf(after, sizeof(after), " is out of range for type %s", type);
	return fail_value(decoder, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value ",
					  str, len, after);
}

/* Any type, by its input function. */
bool
se_convert_input(SeDecoder *decoder, SeColumn *column, const char *str,
				 size_t len, Datum *value)
{
	char	   *copy = se_decode_alloc(decoder, len + 1);
	int			sqlstate;
	const char *message;

	memcpy(copy, str, len);
	copy[len] = '\0';
	if (se_input_function_call(&column->input, copy, column->ioparam,
							   column->typmod, value, &sqlstate, &message))
		return true;
	return se_decode_fail(decoder, sqlstate, "%s", message);
}

/* NULL: a domain may refuse it; the input function of a domain throws. */
bool
se_convert_null(SeDecoder *decoder, SeColumn *column, bool missing)
{
	if (column->is_domain && !(missing && column->has_default))
		(void) InputFunctionCall(&column->input, NULL, column->ioparam,
								 column->typmod);
	return true;
}

bool
se_convert_varlena(SeDecoder *decoder, const char *str, size_t len,
				   Datum *value)
{
	char	   *result;

	if (len > MaxAllocSize - VARHDRSZ)
		return se_decode_fail(decoder, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  "value of %zu bytes is too long", len);
	result = se_decode_alloc(decoder, len + VARHDRSZ);
	SET_VARSIZE(result, len + VARHDRSZ);
	memcpy(VARDATA(result), str, len);
	*value = PointerGetDatum(result);
	return true;
}

static bool
convert_int(SeDecoder *decoder, SeColumn *column, const char *str, size_t len,
			Datum *value)
{
	static const char *const names[] = {"smallint", "integer", "bigint"};
	static const int64 maxima[] = {PG_INT16_MAX, PG_INT32_MAX, PG_INT64_MAX};
	int			which = column->kind - SE_TO_INT2;
	int64		result;

	switch (se_scan_int64(str, len, &result))
	{
		case SE_SCAN_OK:
			if (result <= maxima[which] && result >= -maxima[which] - 1)
				break;
			/* FALLTHROUGH */
		case SE_SCAN_OVERFLOW:
			return fail_range(decoder, names[which], str, len);
		case SE_SCAN_OTHER:

			/* 0x10 and 1_000 are integers from PostgreSQL 16 on. */
			if (len > 2 && (memchr(str, '_', len) || memchr(str, '0', len)))
				return se_convert_input(decoder, column, str, len, value);
			return fail_syntax(decoder, names[which], str, len);
	}

	if (which == 0)
		*value = Int16GetDatum((int16) result);
	else if (which == 1)
		*value = Int32GetDatum((int32) result);
	else
		*value = Int64GetDatum(result);
	return true;
}

static bool
convert_float(SeDecoder *decoder, SeColumn *column, const char *str,
			  size_t len, Datum *value)
{
	SeDecimal	decimal;
	double		result;
	float		result4;

	if (se_scan_decimal(str, len, &decimal))
	{
		if (column->kind == SE_TO_FLOAT8)
		{
			if (se_decimal_to_double(&decimal, &result))
			{
				*value = Float8GetDatum(result);
				return true;
			}
		}
		else if (se_decimal_to_float(&decimal, &result4))
		{
			*value = Float4GetDatum(result4);
			return true;
		}
	}
	return se_convert_input(decoder, column, str, len, value);
}

/*
 * Bring a decimal to numeric(precision, scale)'s scale.  False: it would
 * have to be rounded or is too large, which numeric_in does or refuses.
 */
static bool
apply_numeric_typmod(SeDecimal *decimal, int32 typmod)
{
	int			precision = ((typmod - VARHDRSZ) >> 16) & 0xFFFF;
	int			scale = (((typmod - VARHDRSZ) & 0x7FF) ^ 1024) - 1024;
	uint64		limit = 1;
	int			i;

	if (scale < 0 || precision > 18 || decimal->scale > scale)
		return false;
	for (i = 0; i < precision; i++)
		limit *= 10;
	while (decimal->scale < scale)
	{
		if (decimal->digits >= limit)
			return false;
		decimal->digits *= 10;
		decimal->scale++;
	}
	decimal->dscale = scale;
	return decimal->digits < limit;
}

/* False: does not fit the short form or our arithmetic. */
static bool
build_numeric(SeDecimal *decimal, ShortNumeric *result)
{
	int16		groups[6];
	int			ngroups = 0;
	int			fraction_groups;
	int			weight;
	int			first = 0;
	int			i;

	/* Digits in groups of four that start at the decimal point. */
	if (decimal->dscale > 60 || decimal->scale < -18)
		return false;
	for (i = decimal->scale; i < 0 || i % 4 != 0; i++)
	{
		if (decimal->digits > PG_UINT64_MAX / 10)
			return false;
		decimal->digits *= 10;
	}
	fraction_groups = i / 4;
	for (; decimal->digits > 0; decimal->digits /= 10000)
		groups[ngroups++] = decimal->digits % 10000;

	weight = ngroups - fraction_groups - 1;
	if (ngroups == 0)
	{
		weight = 0;
		decimal->negative = false;
	}
	while (first < ngroups && groups[first] == 0)
		first++;
	for (i = 0; i < ngroups - first; i++)
		result->digits[i] = groups[ngroups - 1 - i];

	result->header = 0x8000 | (decimal->negative ? 0x2000 : 0) |
		(decimal->dscale << 7) | (weight & 0x7F);
	SET_VARSIZE(result, offsetof(ShortNumeric, digits) +
				(ngroups - first) * sizeof(int16));
	return true;
}

static bool
convert_numeric(SeDecoder *decoder, SeColumn *column, const char *str,
				size_t len, Datum *value)
{
	SeDecimal	decimal;

	if (decoder->fast_numeric && se_scan_decimal(str, len, &decimal) &&
		(column->typmod < (int32) VARHDRSZ ||
		 apply_numeric_typmod(&decimal, column->typmod)))
	{
		ShortNumeric *result = se_decode_alloc(decoder, sizeof(ShortNumeric));

		if (build_numeric(&decimal, result))
		{
			*value = PointerGetDatum(result);
			return true;
		}
	}
	return se_convert_input(decoder, column, str, len, value);
}

/*
 * The layout of numeric is this server's business.  Compare some values
 * with numeric_in's; if they are not the same to the last byte, convert_numeric
 * leaves the type to its input function.
 */
bool
se_convert_fast_numeric(void)
{
	static const char *const samples[] = {
		"0", "0.00", "-12.50", "1234567890123.4567", "0.00001234", "1e7", "-1"
	};
	int			i;

	for (i = 0; i < lengthof(samples); i++)
	{
		SeDecimal	decimal;
		ShortNumeric ours;
		struct varlena *theirs;

		theirs = (struct varlena *)
			DatumGetPointer(DirectFunctionCall3(numeric_in,
												CStringGetDatum(samples[i]),
												ObjectIdGetDatum(InvalidOid),
												Int32GetDatum(-1)));
		if (!se_scan_decimal(samples[i], strlen(samples[i]), &decimal) ||
			!build_numeric(&decimal, &ours) ||
			VARSIZE(&ours) != VARSIZE(theirs) ||
			memcmp(&ours, theirs, VARSIZE(theirs)) != 0)
			return false;
	}
	return true;
}

/* A point in time to the Datum of a column of one of the three types. */
static bool
timestamp_datum(SeDecoder *decoder, SeColumn *column, Timestamp us,
				Datum *value)
{
	Timestamp	day;

	if (!IS_VALID_TIMESTAMP(us))
		return se_decode_fail(decoder, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
							  "timestamp out of range");
	if (column->kind != SE_TO_DATE)
	{
		*value = TimestampGetDatum(us);
		return true;
	}
	day = us / USECS_PER_DAY;
	if (us % USECS_PER_DAY < 0)
		day--;
	*value = DateADTGetDatum((DateADT) day);
	return true;
}

/*
 * A number that is a point in time: since the Unix epoch, in the unit the
 * stream says or, without one, in the unit that its magnitude tells: below
 * 1e11 seconds (years to 5138), below 1e14 ms, below 1e17 µs, else ns.
 */
static bool
convert_epoch(SeDecoder *decoder, SeColumn *column, const char *str,
			  size_t len, Datum *value)
{
	SeDecimal	decimal;
	int			unit = decoder->timestamp_unit;
	int64		us = 0;
	uint64		size;
	SeScanStatus status;

	if (!se_scan_decimal(str, len, &decimal))
		return fail_syntax(decoder, format_type_be(column->type), str, len);
	if (unit == SE_UNIT_AUTO)
	{
		status = se_decimal_to_int64(&decimal, 0, &us);
		size = us < 0 ? -(uint64) us : (uint64) us;
		if (status != SE_SCAN_OK || size >= UINT64CONST(100000000000000000))
			unit = SE_UNIT_NS;
		else if (size >= UINT64CONST(100000000000000))
			unit = SE_UNIT_US;
		else if (size >= UINT64CONST(100000000000))
			unit = SE_UNIT_MS;
		else
			unit = SE_UNIT_S;
	}
	status = se_decimal_to_int64(&decimal, unit, &us);
	if (status != SE_SCAN_OK || pg_add_s64_overflow(us, UNIX_EPOCH_US, &us))
		return fail_value(decoder, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
						  "timestamp out of range: ", str, len, "");
	return timestamp_datum(decoder, column, us, value);
}

/*
 * Does this text mean a number of seconds or so?  With the unit named any
 * number does.  Without it only those that are no date in any of
 * PostgreSQL's spellings: 10, 13, 16 or 19 digits.
 */
static bool
is_epoch(SeDecoder *decoder, const char *str, size_t len)
{
	SeDecimal	decimal;
	size_t		i;

	if (decoder->timestamp_unit != SE_UNIT_AUTO)
		return se_scan_decimal(str, len, &decimal);
	for (i = 0; i < len && str[i] >= '0' && str[i] <= '9'; i++)
		;
	return i == len && len >= 10 && len <= 19 && len % 3 == 1;
}

static bool
convert_time(SeDecoder *decoder, SeColumn *column, const char *str,
			 size_t len, Datum *value)
{
	SeScanTime	time;
	int32		days;

	if (len >= 10 && str[4] == '-' && column->typmod < 0)
	{
		if (column->kind == SE_TO_DATE)
		{
			if (se_scan_date(str, len, &days))
			{
				*value = DateADTGetDatum(days);
				return true;
			}
		}
		else if (se_scan_time(str, len, &time))
		{
			Timestamp	us = time.local_us;

			if (column->kind == SE_TO_TIMESTAMPTZ)
			{
				if (time.has_offset)
					us -= time.offset * USECS_PER_SEC;
				else
				{
					struct pg_tm tm = {0};

					tm.tm_year = time.year;
					tm.tm_mon = time.month;
					tm.tm_mday = time.day;
					tm.tm_hour = time.hour;
					tm.tm_min = time.minute;
					tm.tm_sec = time.second;
					us += DetermineTimeZoneOffset(&tm, session_timezone) *
						USECS_PER_SEC;
				}
			}
			*value = TimestampGetDatum(us);
			return true;
		}
	}
	else if (is_epoch(decoder, str, len))
		return convert_epoch(decoder, column, str, len, value);
	return se_convert_input(decoder, column, str, len, value);
}

static bool
convert_bytea(SeDecoder *decoder, SeColumn *column, const char *str,
			  size_t len, Datum *value)
{
	char	   *result;
	size_t		size;

	if (decoder->bytea_encoding == SE_BYTEA_INPUT)
		return se_convert_input(decoder, column, str, len, value);
	if (decoder->bytea_encoding == SE_BYTEA_HEX)
	{
		char	   *prefixed = se_decode_alloc(decoder, len + 2);

		memcpy(prefixed, "\\x", 2);
		memcpy(prefixed + 2, str, len);
		return se_convert_input(decoder, column, prefixed, len + 2, value);
	}

	result = se_decode_alloc(decoder, VARHDRSZ + len / 4 * 3 + 3);
	if (!se_scan_base64(str, len, (unsigned char *) VARDATA(result), &size))
		return fail_value(decoder, ERRCODE_INVALID_TEXT_REPRESENTATION,
						  "invalid base64: ", str, len, "");
	SET_VARSIZE(result, size + VARHDRSZ);
	*value = PointerGetDatum(result);
	return true;
}

/* Text in the server's encoding, without a NUL in it, to any type. */
bool
se_convert_text(SeDecoder *decoder, SeColumn *column, const char *str,
				size_t len, Datum *value)
{
	switch (column->kind)
	{
		case SE_TO_TEXT:

			/* As many bytes as characters allowed are never too many. */
			if (column->typmod < (int32) VARHDRSZ ||
				len <= column->typmod - VARHDRSZ)
				return se_convert_varlena(decoder, str, len, value);
			break;
		case SE_TO_INT2:
		case SE_TO_INT4:
		case SE_TO_INT8:
			return convert_int(decoder, column, str, len, value);
		case SE_TO_NUMERIC:
			return convert_numeric(decoder, column, str, len, value);
		case SE_TO_FLOAT4:
		case SE_TO_FLOAT8:
			return convert_float(decoder, column, str, len, value);
		case SE_TO_TIMESTAMPTZ:
		case SE_TO_TIMESTAMP:
		case SE_TO_DATE:
			return convert_time(decoder, column, str, len, value);
		case SE_TO_BYTEA:
			return convert_bytea(decoder, column, str, len, value);
		case SE_TO_UUID:
			{
				pg_uuid_t  *uuid = se_decode_alloc(decoder, sizeof(pg_uuid_t));

				if (!se_scan_uuid(str, len, uuid->data))
					break;
				*value = UUIDPGetDatum(uuid);
				return true;
			}
		case SE_TO_BOOL:
			{
				bool		flag;

				if (len == 0 || !parse_bool_with_len(str, len, &flag))
					break;
				*value = BoolGetDatum(flag);
				return true;
			}
		case SE_TO_INPUT:
			break;
	}
	return se_convert_input(decoder, column, str, len, value);
}

/* As text, but for a point in time a number counts from the epoch. */
bool
se_convert_number(SeDecoder *decoder, SeColumn *column, const char *str,
				  size_t len, Datum *value)
{
	if (column->kind == SE_TO_TIMESTAMPTZ ||
		column->kind == SE_TO_TIMESTAMP || column->kind == SE_TO_DATE)
		return convert_epoch(decoder, column, str, len, value);
	return se_convert_text(decoder, column, str, len, value);
}

bool
se_convert_bool(SeDecoder *decoder, SeColumn *column, bool flag,
				Datum *value)
{
	if (column->kind == SE_TO_BOOL)
	{
		*value = BoolGetDatum(flag);
		return true;
	}
	return se_convert_text(decoder, column, flag ? "true" : "false",
						   flag ? 4 : 5, value);
}

/*
 * Check text of a payload and bring it into the server's encoding.  Text
 * that passes has no NUL in it.
 */
bool
se_convert_encoding(SeDecoder *decoder, int encoding, const char **str,
					size_t *len)
{
	int			valid;

	if (*len > MaxAllocSize / MAX_CONVERSION_GROWTH)
		return se_decode_fail(decoder, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  "value of %zu bytes is too long", *len);
	valid = pg_encoding_verifymbstr(encoding, *str, (int) *len);
	if (valid < *len)
		return se_decode_fail(decoder, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							  "invalid byte sequence for encoding \"%s\": 0x%02x at byte %d",
							  pg_encoding_to_char(encoding),
							  (unsigned char) (*str)[valid], valid);
	if (encoding != GetDatabaseEncoding())
	{
		char	   *converted = pg_any_to_server(*str, (int) *len, encoding);

		if (converted != *str)
		{
			*str = converted;
			*len = strlen(converted);
		}
	}
	return true;
}
