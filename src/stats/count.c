/*-------------------------------------------------------------------------
 *
 * count.c
 *	  Counting batches, rates and problems.
 *
 * A rate is an exponentially decayed mean over about five seconds.  Several
 * workers may update it at once; a lost update costs a little accuracy of a
 * figure that is looked at, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "storage/spin.h"
#include "utils/timestamp.h"

#include "../clock.h"
#include "stats.h"

#define RATE_SECONDS 5.0

static double
decay_since(SeStreamStats *stats, int64 now)
{
	uint64		at = pg_atomic_read_u64(&stats->rate_at_us);

	if (at == 0 || (int64) at >= now)
		return 1.0;
	return exp(-((double) (now - (int64) at)) / (RATE_SECONDS * 1e6));
}

static void
add_to_rate(pg_atomic_uint64 *rate, double decay, int64 count)
{
	double		old = (double) pg_atomic_read_u64(rate) / 1000.0;

	pg_atomic_write_u64(rate, (uint64)
						((old * decay + count / RATE_SECONDS) * 1000.0));
}

void
se_stats_count_batch(SeStreamStats *stats, int64 rows, int64 bytes,
					 int64 elapsed_us)
{
	int64		now = se_clock_us();
	double		decay;

	if (stats == NULL)
		return;
	decay = decay_since(stats, now);
	pg_atomic_fetch_add_u64(&stats->rows, rows);
	pg_atomic_fetch_add_u64(&stats->bytes, bytes);
	pg_atomic_fetch_add_u64(&stats->batches, 1);
	pg_atomic_write_u64(&stats->last_batch_rows, rows);
	pg_atomic_write_u64(&stats->last_batch_us, elapsed_us);
	add_to_rate(&stats->rate_rows, decay, rows);
	add_to_rate(&stats->rate_bytes, decay, bytes);
	pg_atomic_write_u64(&stats->rate_at_us, now);
	ConditionVariableBroadcast(&stats->committed);
}

double
se_stats_rate(SeStreamStats *stats, bool bytes)
{
	pg_atomic_uint64 *rate = bytes ? &stats->rate_bytes : &stats->rate_rows;

	return (double) pg_atomic_read_u64(rate) / 1000.0 *
		decay_since(stats, se_clock_us());
}

void
se_stats_set_problem(SeStreamStats *stats, const char *message)
{
	TimestampTz now = GetCurrentTimestamp();

	if (stats == NULL)
		return;
	SpinLockAcquire(&stats->problem_lock);
	/* since when, while it stays the same */
	if (strncmp(stats->problem, message ? message : "",
				SE_PROBLEM_LENGTH - 1) != 0)
		stats->problem_at = now;
	strlcpy(stats->problem, message ? message : "", SE_PROBLEM_LENGTH);
	SpinLockRelease(&stats->problem_lock);
}

/* NULL when there is none. */
char *
se_stats_get_problem(SeStreamStats *stats, TimestampTz *at)
{
	char		copy[SE_PROBLEM_LENGTH];

	SpinLockAcquire(&stats->problem_lock);
	memcpy(copy, stats->problem, sizeof(copy));
	*at = stats->problem_at;
	SpinLockRelease(&stats->problem_lock);
	return copy[0] == '\0' ? NULL : pstrdup(copy);
}
