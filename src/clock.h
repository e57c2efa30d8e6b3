/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The only clock of the extension: monotonic microseconds for pacing and
 *	  timings.  Wall-clock time for users comes from GetCurrentTimestamp().
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_CLOCK_H
#define SE_CLOCK_H

#include <time.h>

/* Microseconds since an arbitrary point; never goes back. */
static inline int64
se_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

#endif							/* SE_CLOCK_H */
