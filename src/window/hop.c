/*-------------------------------------------------------------------------
 *
 * hop.c
 *	  Windows that overlap: hop and cumulate.
 *
 * Both are unions of buckets, the panes: hop's are as long as the greatest
 * common divisor of slide and size, cumulate's are its steps.  A view keeps
 * one state per pane; the windows that a pane is part of are the windows that
 * its start is in, so one function serves rows and panes.
 *
 * For panes as shared parts of sliding windows see Li et al., "No Pane, No
 * Gain" (SIGMOD Record 34, 2005).
 *
 * Everything is counted in marks of a calendar (calendar.c), microseconds
 * too.  The windows of hop that contain a moment are a range of integers.
 * The steps of cumulate are counted from their window's start, maybe in a
 * smaller unit, such as days in a month; the last one ends with the window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "compat.h"
#include "window.h"

PG_FUNCTION_INFO_V1(se_sql_hop);
PG_FUNCTION_INFO_V1(se_sql_cumulate);
PG_FUNCTION_INFO_V1(se_sql_hop_closed);
PG_FUNCTION_INFO_V1(se_sql_cumulate_closed);
PG_FUNCTION_INFO_V1(se_sql_hop_open_from);

/* ---- lengths that go together ---- */

static void
check_hop(const SeLength *slide, const SeLength *size)
{
	if (slide->unit != size->unit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("slide and size of a hopping window must both be in months, or neither"),
				 errdetail("Such windows are put together from equal parts, and a month is no number of days."),
				 errhint("For windows that grow by days until a month is full, use stream.cumulate.")));
}

Interval
se_window_hop_pane(const Interval *slide, const Interval *size, pg_tz *zone)
{
	SeLength	a = se_window_local_length(slide, "slide", zone);
	SeLength	b = se_window_local_length(size, "size", zone);
	Interval	pane = {0};

	check_hop(&a, &b);
	while (b.n != 0)
	{
		int64		rest = a.n % b.n;

		a.n = b.n;
		b.n = rest;
	}
	if (a.unit == SE_MONTH)
		pane.month = a.n;
	else if (a.unit == SE_DAY)
		pane.day = a.n;
	else
		pane.time = a.n;
	return pane;
}

static void
check_cumulate(const SeLength *step, const SeLength *size)
{
	if (step->unit > size->unit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the step of a cumulating window must not be in a larger unit than its size"),
				 errhint("Give the step in the unit of the size, or in a smaller one.")));
	if (step->unit == size->unit && size->n % step->n != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the size of a cumulating window must be a multiple of its step")));
}

bool
se_window_check_cumulate(const Interval *step, const Interval *size,
						 pg_tz *zone)
{
	SeLength	a = se_window_length(step, "step", zone);
	SeLength	b = se_window_local_length(size, "size", zone);

	check_cumulate(&a, &b);
	return a.unit == b.unit;
}

/* ---- steps ---- */

/* The window of cumulate that is full, and the calendar of its steps. */
typedef struct Steps
{
	SeCalendar	calendar;
	int64		length;
	int64		next;			/* mark of the end of the step of ts */
	Timestamp	start;
	Timestamp	full;
} Steps;

static void
find_steps(Timestamp ts, const Interval *step, const Interval *size,
		   const Interval *offset, pg_tz *zone, Steps *steps)
{
	SeLength	a = se_window_length(step, "step", zone);
	SeLength	b = se_window_local_length(size, "size", zone);
	SeCalendar	windows = se_window_calendar(b.unit, offset, zone);
	int64		first;

	check_cumulate(&a, &b);
	first = se_window_mark(&windows, ts);
	first = se_window_floor_division(first, b.n) * b.n;
	steps->start = se_window_mark_time(&windows, first, "start");
	steps->full = se_window_mark_time(&windows,
									  se_window_add_marks(first, b.n, "end"),
									  "end");
	steps->calendar = se_window_calendar_from(&windows, first, a.unit);
	steps->length = a.n;
	first = se_window_mark(&steps->calendar, ts) / a.n * a.n;
	steps->next = se_window_add_marks(first, a.n, "end");
}

/* The end of a step: the mark, but not beyond the window. */
static Timestamp
step_end(const Steps *steps)
{
	Timestamp	end;

	if (!se_window_try_mark_time(&steps->calendar, steps->next, &end))
		return steps->full;
	return Min(end, steps->full);
}

void
se_window_find_step(Timestamp ts, const Interval *step, const Interval *size,
					const Interval *offset, pg_tz *zone,
					Timestamp *start, Timestamp *end)
{
	Steps		steps;

	find_steps(ts, step, size, offset, zone, &steps);
	*start = se_window_mark_time(&steps.calendar, steps.next - steps.length,
								 "start");
	*end = step_end(&steps);
}

/* ---- the windows of a moment ---- */

/* What one call has still to return. */
typedef struct Windows
{
	bool		(*next) (struct Windows *w);	/* false: that was all */
	Timestamp	start;			/* the one found last */
	Timestamp	end;

	SeCalendar	calendar;		/* hop */
	int64		mark;			/* of the next one's start */
	int64		slide;
	int64		size;
	int64		left;			/* how many are to come */

	Steps		steps;			/* cumulate */
} Windows;

typedef void (*FindWindows) (Timestamp ts, const Interval *step,
							 const Interval *size, const Interval *offset,
							 pg_tz *zone, Windows *w);

/* An infinite time is a window of its own. */
static bool
next_infinite(Windows *w)
{
	return w->left-- > 0;
}

static bool
next_hop(Windows *w)
{
	if (w->left-- <= 0)
		return false;
	w->start = se_window_mark_time(&w->calendar, w->mark, "start");
	w->end = se_window_mark_time(&w->calendar,
								 se_window_add_marks(w->mark, w->size, "end"),
								 "end");
	w->mark += w->slide;
	return true;
}

/* Windows of this size that start every slide and contain ts. */
static void
find_hops(Timestamp ts, const Interval *slide, const Interval *size,
		  const Interval *offset, pg_tz *zone, Windows *w)
{
	SeLength	a = se_window_local_length(slide, "slide", zone);
	SeLength	b = se_window_local_length(size, "size", zone);
	int64		mark;
	int64		first;
	int64		last;

	check_hop(&a, &b);
	w->calendar = se_window_calendar(b.unit, offset, zone);
	mark = se_window_mark(&w->calendar, ts);
	/* those of k * slide <= mark < k * slide + size; maybe none, in a gap */
	last = se_window_floor_division(mark, a.n);
	first = se_window_floor_division(se_window_add_marks(mark, -b.n, "start"),
									 a.n) + 1;
	w->mark = first * a.n;
	w->left = last - first + 1;
	w->slide = a.n;
	w->size = b.n;
	w->next = next_hop;
}

static bool
next_cumulation(Windows *w)
{
	Timestamp	before = w->end;

	if (before >= w->steps.full)
		return false;
	/* a day that a zone left out ends when it begins: not one more window */
	while ((w->end = step_end(&w->steps)) <= before)
		w->steps.next = se_window_add_marks(w->steps.next, w->steps.length,
											"end");
	return true;
}

/* Windows that start with the bucket of this size and end after ts. */
static void
find_cumulations(Timestamp ts, const Interval *step, const Interval *size,
				 const Interval *offset, pg_tz *zone, Windows *w)
{
	find_steps(ts, step, size, offset, zone, &w->steps);
	w->start = w->steps.start;
	w->end = ts;				/* before the first end */
	w->next = next_cumulation;
}

static Datum
next_window(FunctionCallInfo fcinfo, FuncCallContext *call)
{
	Windows    *w = call->user_fctx;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (w == NULL || !w->next(w))
		SRF_RETURN_DONE(call);
	CHECK_FOR_INTERRUPTS();
	values[0] = TimestampGetDatum(w->start);
	values[1] = TimestampGetDatum(w->end);
	SRF_RETURN_NEXT(call,
					HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
													  values, nulls)));
}

/* A null among the arguments but for the zone gives no window. */
static Windows *
first_window(FunctionCallInfo fcinfo, FindWindows find)
{
	Windows    *w = palloc0(sizeof(Windows));

	if (any_null(fcinfo, 4))
		return NULL;
	w->start = w->end = PG_GETARG_TIMESTAMP(0);
	if (TIMESTAMP_NOT_FINITE(w->start))
	{
		w->next = next_infinite;
		w->left = 1;
	}
	else
		find(w->start, PG_GETARG_INTERVAL_P(1), PG_GETARG_INTERVAL_P(2),
			 PG_GETARG_INTERVAL_P(3), zone_argument(fcinfo, 4), w);
	return w;
}

static Datum
list_windows(FunctionCallInfo fcinfo, FindWindows find)
{
	if (SRF_IS_FIRSTCALL())
	{
		FuncCallContext *call = SRF_FIRSTCALL_INIT();
		MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "the function must return rows");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = first_window(fcinfo, find);
		MemoryContextSwitchTo(old);
	}
	return next_window(fcinfo, SRF_PERCALL_SETUP());
}

/* stream.hop(ts, slide, size, offset, timezone) */
Datum
se_sql_hop(PG_FUNCTION_ARGS)
{
	return list_windows(fcinfo, find_hops);
}

/* stream.cumulate(ts, step, size, offset, timezone) */
Datum
se_sql_cumulate(PG_FUNCTION_ARGS)
{
	return list_windows(fcinfo, find_cumulations);
}

/* ---- windows that are closed ---- */

/* End of the last window of a moment that ends at closed_to or before. */
static Datum
last_closed(FunctionCallInfo fcinfo, FindWindows find)
{
	Timestamp	closed_to = PG_GETARG_TIMESTAMP(1);
	Timestamp	result = DT_NOBEGIN;
	Windows		w = {0};

	if (any_null(fcinfo, 5))
		PG_RETURN_NULL();
	w.start = w.end = PG_GETARG_TIMESTAMP(0);
	/* a row in time: each of its windows ends behind it */
	if (w.start >= closed_to || TIMESTAMP_NOT_FINITE(w.start) ||
		TIMESTAMP_NOT_FINITE(closed_to))
		PG_RETURN_TIMESTAMP(DT_NOBEGIN);
	find(w.start, PG_GETARG_INTERVAL_P(2), PG_GETARG_INTERVAL_P(3),
		 PG_GETARG_INTERVAL_P(4), zone_argument(fcinfo, 5), &w);
	while (w.next(&w) && w.end <= closed_to)
		result = w.end;
	PG_RETURN_TIMESTAMP(result);
}

/* stream.hop_closed(ts, closed_to, slide, size, offset, timezone) */
Datum
se_sql_hop_closed(PG_FUNCTION_ARGS)
{
	return last_closed(fcinfo, find_hops);
}

/* stream.cumulate_closed(ts, closed_to, step, size, offset, timezone) */
Datum
se_sql_cumulate_closed(PG_FUNCTION_ARGS)
{
	return last_closed(fcinfo, find_cumulations);
}

/* stream.hop_open_from(closed_to, slide, size, offset, timezone) */
Datum
se_sql_hop_open_from(PG_FUNCTION_ARGS)
{
	Timestamp	closed_to = PG_GETARG_TIMESTAMP(0);
	pg_tz	   *zone;
	SeLength	slide;
	SeLength	size;
	SeCalendar	calendar;
	int64		mark;

	if (any_null(fcinfo, 4))
		PG_RETURN_NULL();
	if (TIMESTAMP_NOT_FINITE(closed_to))
		PG_RETURN_TIMESTAMP(closed_to);
	zone = zone_argument(fcinfo, 4);
	slide = se_window_local_length(PG_GETARG_INTERVAL_P(1), "slide", zone);
	size = se_window_local_length(PG_GETARG_INTERVAL_P(2), "size", zone);
	check_hop(&slide, &size);
	calendar = se_window_calendar(size.unit, PG_GETARG_INTERVAL_P(3), zone);
	/* a window is closed when the mark of its end is at closed_to or before */
	mark = se_window_add_marks(se_window_mark(&calendar, closed_to), -size.n,
							   "start");
	mark = (se_window_floor_division(mark, slide.n) + 1) * slide.n;
	PG_RETURN_TIMESTAMP(se_window_mark_time(&calendar, mark, "start"));
}
