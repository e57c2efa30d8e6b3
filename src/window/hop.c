/*-------------------------------------------------------------------------
 *
 * hop.c
 *	  Windows that overlap: hop and cumulate.
 *
 * Both are unions of buckets of one grid, the panes: hop's are as long as the
 * greatest common divisor of slide and size, cumulate's are its steps.  A
 * view keeps one state per pane; the windows that a pane is part of are the
 * windows that its start is in, so one function serves rows and panes.
 *
 * For panes as shared parts of sliding windows see Li et al., "No Pane, No
 * Gain" (SIGMOD Record 34, 2005).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "window.h"

PG_FUNCTION_INFO_V1(se_sql_hop);
PG_FUNCTION_INFO_V1(se_sql_cumulate);
PG_FUNCTION_INFO_V1(se_sql_hop_closed);
PG_FUNCTION_INFO_V1(se_sql_cumulate_closed);

int64
se_window_hop_pane(int64 slide, int64 size)
{
	while (size != 0)
	{
		int64		rest = slide % size;

		slide = size;
		size = rest;
	}
	return slide;
}

void
se_window_check_cumulate(int64 step, int64 size)
{
	if (size % step != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the size of a cumulating window must be a multiple of its step")));
}

/* The windows of one call that are still to be returned. */
typedef struct Windows
{
	Timestamp	start;			/* of the next one */
	Timestamp	end;
	int64		start_step;
	int64		end_step;
	int64		n;				/* how many are left */
} Windows;

typedef struct WindowKind
{
	const char *step;			/* what its second argument is called */
	void		(*find) (Timestamp ts, int64 step, int64 size, int64 offset,
						 Windows *windows);
} WindowKind;

static int64
floor_division(int64 a, int64 b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Windows of this size that start every slide and contain ts. */
static void
find_hops(Timestamp ts, int64 slide, int64 size, int64 offset, Windows *w)
{
	Timestamp	last = se_window_start(ts, slide, offset);
	int64		room = size - 1 - (ts - last);	/* before last, down to ts */

	w->n = floor_division(room, slide) + 1;
	if (w->n <= 0)
		return;					/* ts is in a gap between windows */
	if (pg_sub_s64_overflow(last, (w->n - 1) * slide, &w->start) ||
		!IS_VALID_TIMESTAMP(w->start))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("start of the window is out of range")));
	w->end = se_window_end(w->start, size);
	(void) se_window_end(last, size);
	w->start_step = w->end_step = slide;
}

/* Windows that start with the bucket of this size and end after ts. */
static void
find_cumulations(Timestamp ts, int64 step, int64 size, int64 offset,
				 Windows *w)
{
	int64		steps;

	se_window_check_cumulate(step, size);
	w->start = se_window_start(ts, size, offset);
	(void) se_window_end(w->start, size);
	steps = (ts - w->start) / step + 1;
	w->end = w->start + steps * step;
	w->start_step = 0;
	w->end_step = step;
	w->n = size / step - steps + 1;
}

static const WindowKind hop = {"slide", find_hops};
static const WindowKind cumulate = {"step", find_cumulations};

static Datum
next_window(FunctionCallInfo fcinfo, FuncCallContext *call)
{
	Windows    *w = call->user_fctx;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (w->n <= 0)
		SRF_RETURN_DONE(call);
	CHECK_FOR_INTERRUPTS();
	values[0] = TimestampGetDatum(w->start);
	values[1] = TimestampGetDatum(w->end);
	w->start += w->start_step;
	w->end += w->end_step;
	w->n--;
	SRF_RETURN_NEXT(call,
					HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
													  values, nulls)));
}

static Datum
list_windows(FunctionCallInfo fcinfo, const WindowKind *kind)
{
	if (SRF_IS_FIRSTCALL())
	{
		FuncCallContext *call = SRF_FIRSTCALL_INIT();
		MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		Windows    *w = palloc0(sizeof(Windows));
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "the function must return rows");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = w;
		MemoryContextSwitchTo(old);

		w->start = w->end = PG_GETARG_TIMESTAMP(0);
		if (TIMESTAMP_NOT_FINITE(w->start))
			w->n = 1;			/* a window of its own */
		else
			kind->find(w->start,
					   se_window_length(PG_GETARG_INTERVAL_P(1), kind->step),
					   se_window_length(PG_GETARG_INTERVAL_P(2), "size"),
					   se_window_offset(PG_GETARG_INTERVAL_P(3)), w);
	}
	return next_window(fcinfo, SRF_PERCALL_SETUP());
}

/* stream.hop(ts, slide, size, offset) */
Datum
se_sql_hop(PG_FUNCTION_ARGS)
{
	return list_windows(fcinfo, &hop);
}

/* stream.cumulate(ts, step, size, offset) */
Datum
se_sql_cumulate(PG_FUNCTION_ARGS)
{
	return list_windows(fcinfo, &cumulate);
}

/* ---- windows that a late row misses ---- */

/* End of the last of these windows that ends at closed_to or before. */
static Timestamp
last_closed(const Windows *w, Timestamp closed_to)
{
	int64		more;

	if (w->n <= 0 || w->end > closed_to)
		return DT_NOBEGIN;
	more = (closed_to - w->end) / w->end_step;
	return w->end + Min(more, w->n - 1) * w->end_step;
}

static Datum
find_closed(FunctionCallInfo fcinfo, const WindowKind *kind)
{
	Timestamp	ts = PG_GETARG_TIMESTAMP(0);
	Timestamp	closed_to = PG_GETARG_TIMESTAMP(1);
	Windows		w = {0};

	/* a row in time: each of its windows ends behind it */
	if (ts >= closed_to || TIMESTAMP_NOT_FINITE(ts) ||
		TIMESTAMP_NOT_FINITE(closed_to))
		PG_RETURN_TIMESTAMP(DT_NOBEGIN);
	kind->find(ts, se_window_length(PG_GETARG_INTERVAL_P(2), kind->step),
			   se_window_length(PG_GETARG_INTERVAL_P(3), "size"),
			   se_window_offset(PG_GETARG_INTERVAL_P(4)), &w);
	PG_RETURN_TIMESTAMP(last_closed(&w, closed_to));
}

/* stream.hop_closed(ts, closed_to, slide, size, offset) */
Datum
se_sql_hop_closed(PG_FUNCTION_ARGS)
{
	return find_closed(fcinfo, &hop);
}

/* stream.cumulate_closed(ts, closed_to, step, size, offset) */
Datum
se_sql_cumulate_closed(PG_FUNCTION_ARGS)
{
	return find_closed(fcinfo, &cumulate);
}
