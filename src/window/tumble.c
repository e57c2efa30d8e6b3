/*-------------------------------------------------------------------------
 *
 * tumble.c
 *	  Buckets: fixed ones on a grid that is aligned to the Unix epoch in UTC,
 *	  and the SQL functions that give one bucket, also of a calendar.
 *
 * stream.tumble is an SQL function whose body is two bare calls of the
 * functions here, so that the planner inlines it and a window costs two
 * integer divisions per row.  date_bin() would need timestamptz + interval
 * beside it for the window's end and for a shifted origin, and that sum
 * follows the session's time zone for intervals in days.
 *
 * Buckets of a calendar (calendar.c) cost more to find, but rows that come
 * one after the other are mostly in the same: the last one is remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "compat.h"
#include "window.h"

PG_FUNCTION_INFO_V1(se_sql_window_start);
PG_FUNCTION_INFO_V1(se_sql_window_end);
PG_FUNCTION_INFO_V1(se_sql_step_start);
PG_FUNCTION_INFO_V1(se_sql_step_end);

int64
se_window_micros(const Interval *interval, const char *what)
{
	int64		days;
	int64		result;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a window's %s cannot be in months or years", what),
				 errdetail("Months differ in length, and the window's size is not in months.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a window's %s is out of range", what)));
	return result;
}

/* Remainder that is never negative. */
static inline int64
modulo(int64 value, int64 length)
{
	int64		result = value % length;

	return result < 0 ? result + length : result;
}

Timestamp
se_window_start(Timestamp ts, int64 length, int64 offset)
{
	int64		origin;
	int64		into;
	Timestamp	start;

	if (TIMESTAMP_NOT_FINITE(ts))
		return ts;

	if (!pg_add_s64_overflow(SE_UNIX_EPOCH, offset, &origin))
	{
		/* Both remainders are below length: this cannot overflow. */
		into = modulo(ts, length) - modulo(origin, length);
		if (into < 0)
			into += length;
		if (!pg_sub_s64_overflow(ts, into, &start) &&
			IS_VALID_TIMESTAMP(start))
			return start;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("start of the window is out of range")));
}

Timestamp
se_window_end(Timestamp start, int64 length)
{
	Timestamp	end;

	if (TIMESTAMP_NOT_FINITE(start))
		return start;
	if (pg_add_s64_overflow(start, length, &end) || !IS_VALID_TIMESTAMP(end))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("end of the window is out of range")));
	return end;
}

/* ---- one bucket per call ---- */

/* What a function found last in a calendar, and its arguments after ts. */
typedef struct LastBucket
{
	Interval	lengths[3];
	int			name_length;	/* of the zone; -1: none */
	char		name[TZ_STRLEN_MAX + 1];
	pg_tz	   *zone;
	Timestamp	start;
	Timestamp	end;			/* not after start: nothing is known yet */
} LastBucket;

static LastBucket *
last_bucket(FmgrInfo *flinfo)
{
	LastBucket *last = flinfo->fn_extra;

	if (last == NULL)
	{
		last = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(LastBucket));
		last->name_length = -1;
		flinfo->fn_extra = last;
	}
	return last;
}

/* Is it the answer for these arguments?  Takes note of them if not. */
static bool
is_known(LastBucket *last, Timestamp ts, const Interval *lengths,
		 const text *name)
{
	const char *chars = name ? VARDATA_ANY(name) : "";
	int			length = name ? VARSIZE_ANY_EXHDR(name) : -1;

	if (last->name_length != length ||
		(length > 0 && memcmp(last->name, chars, length) != 0))
	{
		pg_tz	   *zone = name ? se_window_zone(text_to_cstring(name)) : NULL;

		/* a zone's name fits */
		if (length > 0)
			memcpy(last->name, chars, length);
		last->name_length = length;
		last->zone = zone;
	}
	else if (memcmp(last->lengths, lengths, sizeof(last->lengths)) == 0)
		return last->start <= ts && ts < last->end;
	last->start = last->end = 0;
	memcpy(last->lengths, lengths, sizeof(last->lengths));
	return false;
}

/*
 * The bucket of a calendar that ts is in: of tumble, or a step of cumulate.
 * The arguments are ts, n lengths and perhaps a zone, which may be null.
 */
static Datum
calendar_bucket(FunctionCallInfo fcinfo, int n, bool want_end)
{
	Timestamp	ts = PG_GETARG_TIMESTAMP(0);
	LastBucket *last = last_bucket(fcinfo->flinfo);
	Interval	lengths[3] = {{0}};

	for (int i = 0; i < n; i++)
		lengths[i] = *PG_GETARG_INTERVAL_P(i + 1);
	if (!is_known(last, ts, lengths,
				  has_zone(fcinfo, n + 1) ? PG_GETARG_TEXT_PP(n + 1) : NULL))
	{
		Timestamp	start;
		Timestamp	end;

		if (n == 2)
			se_window_find_bucket(ts, &lengths[0], &lengths[1], last->zone,
								  &start, &end);
		else
			se_window_find_step(ts, &lengths[0], &lengths[1], &lengths[2],
								last->zone, &start, &end);
		last->start = start;
		last->end = end;
	}
	PG_RETURN_TIMESTAMP(want_end ? last->end : last->start);
}

static Datum
window_bound(FunctionCallInfo fcinfo, bool want_end)
{
	const Interval *size;
	Timestamp	ts;
	int64		length;

	if (any_null(fcinfo, 3))
		PG_RETURN_NULL();
	ts = PG_GETARG_TIMESTAMP(0);
	if (TIMESTAMP_NOT_FINITE(ts))
		PG_RETURN_TIMESTAMP(ts);
	size = PG_GETARG_INTERVAL_P(1);
	if (size->month != 0 || has_zone(fcinfo, 3))
		return calendar_bucket(fcinfo, 2, want_end);

	length = se_window_length(size, "size", NULL).n;
	ts = se_window_start(ts, length,
						 se_window_micros(PG_GETARG_INTERVAL_P(2), "offset"));
	PG_RETURN_TIMESTAMP(want_end ? se_window_end(ts, length) : ts);
}

/*
 * stream.window_start(ts, size, offset, timezone): for timestamptz and, then
 * without a zone, for timestamp, which are the same number here.
 */
Datum
se_sql_window_start(PG_FUNCTION_ARGS)
{
	return window_bound(fcinfo, false);
}

/* stream.window_end(ts, size, offset, timezone) */
Datum
se_sql_window_end(PG_FUNCTION_ARGS)
{
	return window_bound(fcinfo, true);
}

static Datum
step_bound(FunctionCallInfo fcinfo, bool want_end)
{
	if (any_null(fcinfo, 4))
		PG_RETURN_NULL();
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMP(0)))
		PG_RETURN_TIMESTAMP(PG_GETARG_TIMESTAMP(0));
	return calendar_bucket(fcinfo, 3, want_end);
}

/* stream.step_start(ts, step, size, offset, timezone) */
Datum
se_sql_step_start(PG_FUNCTION_ARGS)
{
	return step_bound(fcinfo, false);
}

/* stream.step_end(ts, step, size, offset, timezone) */
Datum
se_sql_step_end(PG_FUNCTION_ARGS)
{
	return step_bound(fcinfo, true);
}
