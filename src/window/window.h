/*-------------------------------------------------------------------------
 *
 * window.h
 *	  Window arithmetic: which bucket does a time belong to.
 *
 * Times are microseconds as TimestampTz and Timestamp hold them.  Nothing
 * here looks at a clock, a time zone or a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_WINDOW_H
#define SE_WINDOW_H

#include "datatype/timestamp.h"

/*
 * A window's size, slide or step, as "what" calls it, in microseconds.
 * Refuses months, whose length varies, and lengths that are not positive.
 */
extern int64 se_window_length(const Interval *length, const char *what);

/* The shift of a window's grid in microseconds; refuses months. */
extern int64 se_window_offset(const Interval *offset);

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

/*
 * hop.c: the pane of hop windows, the longest bucket of which each window is
 * a union; and that cumulate's size is a multiple of its step.  Microseconds.
 */
extern int64 se_window_hop_pane(int64 slide, int64 size);
extern void se_window_check_cumulate(int64 step, int64 size);

#endif							/* SE_WINDOW_H */
