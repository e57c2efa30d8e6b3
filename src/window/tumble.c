/*-------------------------------------------------------------------------
 *
 * tumble.c
 *	  Fixed buckets on a grid that is aligned to the Unix epoch in UTC.
 *
 * stream.tumble is an SQL function whose body is two bare calls of the
 * functions here, so that the planner inlines it and a window costs two
 * integer divisions per row.  date_bin() would need timestamptz + interval
 * beside it for the window's end and for a shifted origin, and that sum
 * follows the session's time zone for intervals in days.
 *
 * Calendar units (months, days in a time zone) will come in here as another
 * kind of grid; until then months are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#include "window.h"

PG_FUNCTION_INFO_V1(se_sql_window_start);
PG_FUNCTION_INFO_V1(se_sql_window_end);

/* 1970-01-01 on PostgreSQL's scale, which counts from 2000-01-01. */
#define SE_UNIX_EPOCH \
	((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

static int64
interval_micros(const Interval *interval, const char *what)
{
	int64		days;
	int64		result;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a window's %s cannot be in months or years", what),
				 errdetail("Months differ in length."),
				 errhint("Use a window of days, and group by date_trunc('month', window_start) when reading.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a window's %s is out of range", what)));
	return result;
}

int64
se_window_length(const Interval *length, const char *what)
{
	int64		result = interval_micros(length, what);

	if (result <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a window's %s must be greater than zero", what)));
	return result;
}

int64
se_window_offset(const Interval *offset)
{
	return interval_micros(offset, "offset");
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

/*
 * stream.window_start(ts, size, offset): for timestamptz and timestamp,
 * which are the same number here.
 */
Datum
se_sql_window_start(PG_FUNCTION_ARGS)
{
	Timestamp	ts = PG_GETARG_TIMESTAMP(0);
	int64		length = se_window_length(PG_GETARG_INTERVAL_P(1), "size");
	int64		offset = se_window_offset(PG_GETARG_INTERVAL_P(2));

	PG_RETURN_TIMESTAMP(se_window_start(ts, length, offset));
}

/* stream.window_end(ts, size, offset) */
Datum
se_sql_window_end(PG_FUNCTION_ARGS)
{
	Timestamp	ts = PG_GETARG_TIMESTAMP(0);
	int64		length = se_window_length(PG_GETARG_INTERVAL_P(1), "size");
	int64		offset = se_window_offset(PG_GETARG_INTERVAL_P(2));

	PG_RETURN_TIMESTAMP(se_window_end(se_window_start(ts, length, offset),
									  length));
}
