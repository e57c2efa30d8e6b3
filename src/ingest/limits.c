/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  The options of a stream that bound its batches, staging and records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "ingest.h"

typedef enum BoundKind
{
	LIMIT_COUNT,
	LIMIT_BYTES,				/* "16MB", or a number of bytes */
	LIMIT_RATE,
	LIMIT_INTERVAL				/* stored in microseconds */
} BoundKind;

typedef struct Bound
{
	const char *name;
	BoundKind	kind;
	double		min;
	double		max;
	double		standard;
	const char *hint;
} Bound;

enum
{
	BATCH_MAX_ROWS, BATCH_MAX_BYTES, BATCH_INTERVAL, MAX_ROWS_PER_SECOND,
	STAGING_MAX_ROWS, STAGING_MAX_AGE, MESSAGE_MAX_BYTES, STATEMENT_TIMEOUT,
	N_LIMITS
};

/* In the order of the enum. */
static const Bound limit_options[N_LIMITS] = {
	{"batch_max_rows", LIMIT_COUNT, 1, 10e6, 131072,
	"A whole number from 1 to 10000000."},
	{"batch_max_bytes", LIMIT_BYTES, 1024, 1024.0 * 1024 * 1024, 32 * 1024 * 1024,
	"A size from 1kB to 1GB, such as 32MB."},
	{"batch_interval", LIMIT_INTERVAL, 0, 60e6, 0,
	"An interval up to one minute, such as 100 ms."},
	{"max_rows_per_second", LIMIT_RATE, 0, 1e9, 0,
	"A number of records per second; 0 means no limit."},
	{"staging_max_rows", LIMIT_COUNT, 0, 1e12, 1e6,
	"A whole number; 0 keeps no recent rows."},
	{"staging_max_age", LIMIT_INTERVAL, 0, 1e15, 0,
	"An interval, such as 1 hour; 0 means no limit."},
	{"message_max_bytes", LIMIT_BYTES, 1024, 1000000000, 16 * 1024 * 1024,
	"A size from 1kB to about 1GB, such as 16MB."},
	{"statement_timeout", LIMIT_INTERVAL, 0, 86400e6, 0,
	"An interval, such as 1 min; 0 means no limit."},
};

static const char *const limit_names[] = {
	"batch_max_rows", "batch_max_bytes", "batch_interval",
	"max_rows_per_second", "staging_max_rows", "staging_max_age",
	"message_max_bytes", "statement_timeout", NULL
};

const char *const *
se_limits_names(void)
{
	return limit_names;
}

static double
parse_bytes(const char *text, bool *ok)
{
	int			kb;
	const char *hint;
	char	   *end;
	double		plain = strtod(text, &end);

	*ok = true;
	if (end != text && *end == '\0')
		return plain;
	*ok = parse_int(text, &kb, GUC_UNIT_KB, &hint);
	return (double) kb * 1024;
}

static double
parse_interval(const char *text)
{
	Interval   *span = DatumGetIntervalP(DirectFunctionCall3(interval_in,
															 CStringGetDatum(text),
															 ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));

	return (double) span->time +
		(span->day + span->month * 30.0) * (double) USECS_PER_DAY;
}

static double
parse_limit(const Bound *option, const char *text)
{
	double		value = 0;
	bool		ok = true;
	char	   *end;

	switch (option->kind)
	{
		case LIMIT_BYTES:
			value = parse_bytes(text, &ok);
			break;
		case LIMIT_INTERVAL:
			value = parse_interval(text);
			break;
		case LIMIT_COUNT:
		case LIMIT_RATE:
			value = strtod(text, &end);
			ok = end != text && *end == '\0' &&
				(option->kind == LIMIT_RATE || value == floor(value));
			break;
	}
	if (!ok || isnan(value) || value < option->min || value > option->max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"",
						option->name, text),
				 errhint("%s", option->hint)));
	return value;
}

void
se_limits_read(const Jsonb *options, SeLimits *limits)
{
	double		v[N_LIMITS];

	for (int i = 0; i < N_LIMITS; i++)
	{
		char	   *text = se_catalog_option(options, limit_options[i].name);

		v[i] = text ? parse_limit(&limit_options[i], text) :
			limit_options[i].standard;
	}
	limits->batch_max_rows = (int) v[BATCH_MAX_ROWS];
	limits->batch_max_bytes = (int64) v[BATCH_MAX_BYTES];
	limits->batch_interval_us = (int) v[BATCH_INTERVAL];
	limits->max_rows_per_second = v[MAX_ROWS_PER_SECOND];
	limits->staging_max_rows = (int64) v[STAGING_MAX_ROWS];
	limits->staging_max_age_us = (int64) v[STAGING_MAX_AGE];
	limits->message_max_bytes = (int) v[MESSAGE_MAX_BYTES];
	limits->statement_timeout_ms = (int) (v[STATEMENT_TIMEOUT] / 1000);
}
