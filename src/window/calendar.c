/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  Windows of months, and of days of a time zone.
 *
 * Such units have no length, but they have marks: the moments at which a
 * month or a day begins.  Marks are numbered from 1970-01-01, so that the
 * windows of tumble, hop and cumulate are differences of integers, as fixed
 * ones are differences of microseconds:
 *
 *	  bucket of size n:  marks k * n and (k + 1) * n,  k = floor(mark(ts) / n)
 *
 * All that is particular to calendars is then two functions, the mark before
 * a time and the time of a mark.
 *
 * A mark is the first moment at which the zone's clocks show its date and
 * time, or a later one.  So every moment is in exactly one bucket, also where
 * clocks are changed at midnight: a midnight that is skipped is the moment of
 * the change, one that comes twice is its first.  PostgreSQL's AT TIME ZONE
 * would take the second, and leave the hour between in no day.
 *
 * Zones are names that pg_tzset() knows, as SET timezone takes them.
 * Abbreviations, which AT TIME ZONE looks at first, are not taken: they mean
 * an offset, and which one is up to timezone_abbreviations.
 *
 * There is nothing here that a crash could leave behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "window.h"

/* From 1970-01-01 to 2000-01-01. */
#define EPOCH_DAYS	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE))

/* No clock differs from UTC by more: POSIX allows 167 hours. */
#define MAX_ZONE_DAYS	8

/* About 73,000 years. */
#define MAX_SHIFT	(PG_INT64_MAX / 4)

pg_tz *
se_window_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", name),
				 errhint("Use a name that is in pg_timezone_names, as 'Europe/Berlin'; an abbreviation is not enough.")));
	if (!pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("time zone \"%s\" counts leap seconds", name),
				 errdetail("PostgreSQL does not support leap seconds.")));
	return zone;
}

/* ---- lengths ---- */

static SeLength
in_one_unit(const Interval *length, const char *what, pg_tz *zone)
{
	if (length->month != 0)
	{
		if (length->day != 0 || length->time != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a window's %s cannot mix months with days or hours",
							what),
					 errdetail("Months differ in length: the sum would have none."),
					 errhint("Use whole months; an offset shifts the windows by days or hours.")));
		return (SeLength) {SE_MONTH, length->month};
	}
	if (zone != NULL && length->day != 0)
	{
		if (length->time != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a window's %s cannot mix days of a time zone with hours",
							what),
					 errdetail("Days of a time zone differ in length: the sum would have none."),
					 errhint("Use whole days; an offset shifts the windows by hours.")));
		return (SeLength) {SE_DAY, length->day};
	}
	return (SeLength) {SE_MICROSECOND, se_window_micros(length, what)};
}

SeLength
se_window_length(const Interval *length, const char *what, pg_tz *zone)
{
	SeLength	result = in_one_unit(length, what, zone);

	if (result.n <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a window's %s must be greater than zero", what)));
	return result;
}

SeLength
se_window_local_length(const Interval *length, const char *what, pg_tz *zone)
{
	SeLength	result = se_window_length(length, what, zone);

	if (zone != NULL && result.unit == SE_MICROSECOND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a window's %s must be in days or months when a time zone is given",
						what),
				 errdetail("Hours and less are equally long in all time zones."),
				 errhint("Leave the time zone out, and shift the windows by an offset; a day is '1 day', not '24 hours'.")));
	return result;
}

SeCalendar
se_window_calendar(SeUnit unit, const Interval *offset, pg_tz *zone)
{
	SeCalendar	calendar = {unit, 0, 0, zone};
	Interval	rest = *offset;

	if (unit == SE_MONTH)
	{
		calendar.months = rest.month;
		rest.month = 0;
	}
	calendar.shift = se_window_micros(&rest, "offset");
	/* so that a mark less a length does not overflow */
	if (calendar.shift > MAX_SHIFT || calendar.shift < -MAX_SHIFT)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a window's offset is out of range")));
	return calendar;
}

/* ---- clocks ---- */

static pg_time_t
unix_seconds(Timestamp ts)
{
	return se_window_floor_division(ts, USECS_PER_SEC) +
		EPOCH_DAYS * SECS_PER_DAY;
}

/*
 * What is added to UTC at this moment to get what clocks show, in
 * microseconds.  *change: the second at which that ends, if it does.
 */
static int64
clock_offset(pg_tz *zone, Timestamp ts, pg_time_t *change, bool *changes)
{
	pg_time_t	t = unix_seconds(ts);
	long int	now;
	long int	then;
	int			now_dst;
	int			then_dst;
	int			found = pg_next_dst_boundary(&t, &now, &now_dst, change,
											 &then, &then_dst, zone);

	if (found < 0)
		elog(ERROR, "could not read time zone \"%s\"",
			 pg_get_timezone_name(zone));
	*changes = found > 0;
	return now * USECS_PER_SEC;
}

/*
 * The first moment at which clocks show this or later.  Looks at one stretch
 * without change after another, from a moment at which they show less.
 */
static Timestamp
first_shown(pg_tz *zone, Timestamp local)
{
	Timestamp	from = local - MAX_ZONE_DAYS * USECS_PER_DAY;

	for (;;)
	{
		pg_time_t	change;
		bool		changes;
		Timestamp	at = local - clock_offset(zone, from, &change, &changes);

		at = Max(at, from);
		if (!changes || unix_seconds(at) < change)
			return at;
		from = (change - EPOCH_DAYS * SECS_PER_DAY) * USECS_PER_SEC;
	}
}

/* ---- marks ---- */

/* The first day of a month, counted from 2000-01-01; without the shift. */
static bool
first_of_month(const SeCalendar *calendar, int64 number, int64 *days)
{
	int64		months;
	int64		year;

	if (pg_add_s64_overflow(number, calendar->months, &months))
		return false;
	year = 1970 + se_window_floor_division(months, 12);
	/* date2j() is good for a little more than timestamps are */
	if (year < JULIAN_MINYEAR || year >= JULIAN_MAXYEAR)
		return false;
	*days = date2j(year, months - (year - 1970) * 12 + 1, 1) -
		POSTGRES_EPOCH_JDATE;
	return true;
}

/* What clocks show at a mark; false if out of range. */
static bool
shown_at_mark(const SeCalendar *calendar, int64 number, Timestamp *local)
{
	int64		days;
	int64		result;

	if (calendar->unit == SE_MICROSECOND)
	{
		if (pg_add_s64_overflow(number, SE_UNIX_EPOCH, &result))
			return false;
	}
	else
	{
		if (calendar->unit == SE_MONTH ?
			!first_of_month(calendar, number, &days) :
			pg_sub_s64_overflow(number, EPOCH_DAYS, &days))
			return false;
		if (pg_mul_s64_overflow(days, USECS_PER_DAY, &result))
			return false;
	}
	if (pg_add_s64_overflow(result, calendar->shift, &result) ||
		!IS_VALID_TIMESTAMP(result))
		return false;
	*local = result;
	return true;
}

bool
se_window_try_mark_time(const SeCalendar *calendar, int64 number,
						Timestamp *ts)
{
	if (!shown_at_mark(calendar, number, ts))
		return false;
	if (calendar->zone != NULL)
		*ts = first_shown(calendar->zone, *ts);
	return IS_VALID_TIMESTAMP(*ts);
}

Timestamp
se_window_mark_time(const SeCalendar *calendar, int64 number,
					const char *what)
{
	Timestamp	result;

	if (!se_window_try_mark_time(calendar, number, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("%s of the window is out of range", what)));
	return result;
}

/* The number of the mark whose date and time clocks showed last. */
static bool
mark_shown(const SeCalendar *calendar, Timestamp local, int64 *number)
{
	int64		days;
	int			year;
	int			month;
	int			day;

	if (pg_sub_s64_overflow(local, calendar->shift, &local))
		return false;
	if (calendar->unit == SE_MICROSECOND)
		return !pg_sub_s64_overflow(local, SE_UNIX_EPOCH, number);

	days = se_window_floor_division(local, USECS_PER_DAY);
	*number = days + EPOCH_DAYS;
	if (calendar->unit == SE_DAY)
		return true;
	days += POSTGRES_EPOCH_JDATE;
	if (days < 0)				/* the other end is beyond int64 */
		return false;
	j2date(days, &year, &month, &day);
	*number = ((int64) year - 1970) * 12 + month - 1 - calendar->months;
	return true;
}

int64
se_window_mark(const SeCalendar *calendar, Timestamp ts)
{
	Timestamp	local = ts;
	Timestamp	next;
	int64		number;
	pg_time_t	change;
	bool		changes;

	if ((calendar->zone != NULL &&
		 pg_add_s64_overflow(ts, clock_offset(calendar->zone, ts, &change,
											  &changes), &local)) ||
		!mark_shown(calendar, local, &number))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("start of the window is out of range")));
	/* after clocks were put back they show less than marks that have passed */
	if (calendar->zone != NULL)
		while (se_window_try_mark_time(calendar, number + 1, &next) &&
			   next <= ts)
			number++;
	return number;
}

int64
se_window_add_marks(int64 number, int64 n, const char *what)
{
	int64		result;

	if (pg_add_s64_overflow(number, n, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("%s of the window is out of range", what)));
	return result;
}

SeCalendar
se_window_calendar_from(const SeCalendar *calendar, int64 number, SeUnit unit)
{
	SeCalendar	result = *calendar;
	Timestamp	start = se_window_mark_time(calendar, number, "start");

	result.unit = unit;
	if (unit == SE_MONTH)
		result.months += number;
	else
	{
		result.months = 0;
		if (unit == SE_DAY)
			(void) shown_at_mark(calendar, number, &start);
		else
			result.zone = NULL;
		result.shift = start - SE_UNIX_EPOCH;
	}
	return result;
}

void
se_window_find_bucket(Timestamp ts, const Interval *size,
					  const Interval *offset, pg_tz *zone,
					  Timestamp *start, Timestamp *end)
{
	SeLength	length = se_window_local_length(size, "size", zone);
	SeCalendar	calendar = se_window_calendar(length.unit, offset, zone);
	int64		first = se_window_mark(&calendar, ts);

	first = se_window_floor_division(first, length.n) * length.n;
	*start = se_window_mark_time(&calendar, first, "start");
	*end = se_window_mark_time(&calendar,
							   se_window_add_marks(first, length.n, "end"),
							   "end");
}
