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
 * The length of a window in microseconds.  Refuses months, whose length
 * varies, and lengths that are not positive.
 */
extern int64 se_window_length(const Interval *size);

/* The shift of a window's grid in microseconds; refuses months. */
extern int64 se_window_offset(const Interval *offset);

/* Start of the bucket of this length that ts is in; infinity is its own. */
extern Timestamp se_window_start(Timestamp ts, int64 length, int64 offset);

/* End of the bucket that starts there. */
extern Timestamp se_window_end(Timestamp start, int64 length);

#endif							/* SE_WINDOW_H */
