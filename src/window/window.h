/*-------------------------------------------------------------------------
 *
 * window.h
 *	  Window arithmetic: which windows does a time belong to.
 *
 * Times are microseconds as TimestampTz and Timestamp hold them.  Nothing
 * here looks at a clock or a table, nor at the session's time zone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_WINDOW_H
#define SE_WINDOW_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/* 1970-01-01 on PostgreSQL's scale, which counts from 2000-01-01. */
#define SE_UNIX_EPOCH \
	((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

static inline int64
se_window_floor_division(int64 a, int64 b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* ---- tumble.c: fixed lengths, in microseconds ---- */

/* In microseconds, a day being 24 hours.  Refuses months in "what". */
extern int64 se_window_micros(const Interval *interval, const char *what);

/*
 * Microseconds of an interval whose months were refused; its days have 24
 * hours, in any time zone.
 */
static inline int64
se_window_duration(const Interval *interval)
{
	return interval->day * USECS_PER_DAY + interval->time;
}

/* Start of the bucket of this length that ts is in; infinity is its own. */
extern Timestamp se_window_start(Timestamp ts, int64 length, int64 offset);

/* End of the bucket that starts there. */
extern Timestamp se_window_end(Timestamp start, int64 length);

/* ---- calendar.c: units that differ in length ---- */

/*
 * Days are days of a time zone's calendar; without a time zone a day is
 * nothing but 24 hours, and is counted in microseconds.
 */
typedef enum SeUnit
{
	SE_MICROSECOND,
	SE_DAY,
	SE_MONTH,
} SeUnit;

typedef struct SeLength
{
	SeUnit		unit;
	int64		n;
} SeLength;

/*
 * A mark in time for every unit, numbered; number 0 is 1970-01-01 00:00 on
 * the clocks of the zone, shifted.
 */
typedef struct SeCalendar
{
	SeUnit		unit;
	int64		months;			/* the shift's months */
	int64		shift;			/* the rest of it, on those clocks */
	pg_tz	   *zone;			/* NULL: UTC */
} SeCalendar;

/* The zone of this name; an error if there is none. */
extern pg_tz *se_window_zone(const char *name);

/*
 * A window's size, slide or step, as "what" calls it: more than zero, and in
 * one unit.  The second refuses microseconds when there is a zone, as only
 * the steps of cumulate may be in them then.
 */
extern SeLength se_window_length(const Interval *length, const char *what,
								 pg_tz *zone);
extern SeLength se_window_local_length(const Interval *length,
									   const char *what, pg_tz *zone);

extern SeCalendar se_window_calendar(SeUnit unit, const Interval *offset,
									 pg_tz *zone);

/* The same clocks, counted in this unit from the mark of that number. */
extern SeCalendar se_window_calendar_from(const SeCalendar *calendar,
										  int64 number, SeUnit unit);

/* The last mark at or before a finite ts. */
extern int64 se_window_mark(const SeCalendar *calendar, Timestamp ts);

/* When a mark is: false, or an error that calls it "what", if out of range. */
extern bool se_window_try_mark_time(const SeCalendar *calendar, int64 number,
									Timestamp *ts);
extern Timestamp se_window_mark_time(const SeCalendar *calendar, int64 number,
									 const char *what);

extern int64 se_window_add_marks(int64 number, int64 n, const char *what);

/* The bucket of a calendar that a finite ts is in. */
extern void se_window_find_bucket(Timestamp ts, const Interval *size,
								  const Interval *offset, pg_tz *zone,
								  Timestamp *start, Timestamp *end);

/* ---- hop.c: windows that overlap ---- */

/*
 * The pane of hop windows: the longest bucket of which each window is a
 * union.  Refuses lengths that have none.
 */
extern Interval se_window_hop_pane(const Interval *slide, const Interval *size,
								   pg_tz *zone);

/*
 * Refuses what stream.cumulate does not take.  True when its steps are
 * buckets of one grid, whatever window they are in; else the size is of a
 * larger unit, each window counts its steps anew and may cut the last short.
 */
extern bool se_window_check_cumulate(const Interval *step,
									 const Interval *size, pg_tz *zone);

/* The step of stream.cumulate that a finite ts is in. */
extern void se_window_find_step(Timestamp ts, const Interval *step,
								const Interval *size, const Interval *offset,
								pg_tz *zone, Timestamp *start, Timestamp *end);

#endif							/* SE_WINDOW_H */
