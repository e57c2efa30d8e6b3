/*-------------------------------------------------------------------------
 *
 * ttl.c
 *	  What state_ttl makes of a view's state: see state/expire.c.
 *
 * With a window among the keys the state table is partitioned by one of its
 * bounds.  Without one it gets a column more, the time of the group's last row,
 * which is kept like an aggregate: max(event time).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "query.h"

#define SPANS_PER_TTL 8

/* The group key that partitions the state: the start, if there is a choice. */
static SeKey *
partition_key(const SeQuery *sq, const SeSplit *split)
{
	SeKey	   *found = NULL;
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);
		int			bound = se_plan_key_is_bound(sq, key);

		if (bound == 1)
			return key;
		if (bound == 2)
			found = key;
	}
	return found;
}

int64
se_plan_longest(const Interval *size)
{
	return size->month * 31 * USECS_PER_DAY +
		size->day * (USECS_PER_DAY + USECS_PER_HOUR) + size->time;
}

/* The event time columns of the streams, all of one type, in their order. */
static List *
event_times(const SeQuery *sq, const SeViewPlan *plan, Var **like)
{
	List	   *attnos = NIL;
	ListCell   *lc;

	foreach(lc, sq->streams)
	{
		TupleDesc	desc = se_catalog_batch_type(lfirst_oid(lc));
		SeStream   *stream = sq->source ? NULL :
			se_catalog_get_stream(lfirst_oid(lc), false);
		Form_pg_attribute att;
		AttrNumber	attno = plan->time_column;	/* of the view in its place */

		if (stream != NULL)
			attno = stream->event_time ?
				get_attnum(stream->relid, stream->event_time) : 0;
		att = attno > 0 ? TupleDescAttr(desc, attno - 1) : NULL;
		if (att == NULL ||
			(att->atttypid != TIMESTAMPTZOID && att->atttypid != TIMESTAMPOID))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("state_ttl of a view without a window needs an event time column of type timestamptz or timestamp"),
					 errdetail("Groups leave by the time of their last row."),
					 errhint("Create the stream with event_time, or group by a window.")));
		if (attnos == NIL)
			*like = makeVar(1, attno, att->atttypid, att->atttypmod,
							att->attcollation, 0);
		else if (att->atttypid != (*like)->vartype ||
				 att->atttypmod != (*like)->vartypmod)
			refuse(sq, -1,
				   errmsg("state_ttl of a view without a window needs event time columns of one type"),
				   errdetail("Those of streams \"%s\" and \"%s\" differ.",
							 get_rel_name(linitial_oid(sq->streams)),
							 get_rel_name(stream->relid)),
				   errhint("Group by a window."));
		attnos = lappend_int(attnos, attno);
	}
	return attnos;
}

static void
add_updated_at(SeQuery *sq, SeSplit *split, const SeViewPlan *plan)
{
	SeState    *state = palloc0(sizeof(SeState));
	Var		   *like = NULL;
	List	   *attnos = event_times(sq, plan, &like);
	Node	   *time;
	ListCell   *lc;

	foreach(lc, split->delta->targetList)
		if (strcmp(lfirst_node(TargetEntry, lc)->resname, SE_UPDATED_COLUMN) == 0)
			refuse(sq, -1,
				   errmsg("column name \"%s\" is in use by the view's state",
						  SE_UPDATED_COLUMN),
				   errhint("Give the column another name."));
	time = se_plan_batch_columns(sq, split->delta, like, attnos);
	state->column = SE_UPDATED_COLUMN;
	state->aggref = castNode(Aggref, se_plan_min_or_max("max", time));
	se_aggregate_load_call(state->aggref, &state->agg);
	split->states = lappend(split->states, state);
	split->delta->targetList =
		lappend(split->delta->targetList,
				makeTargetEntry((Expr *) copyObject(state->aggref),
								list_length(split->delta->targetList) + 1,
								state->column, false));
	split->delta->hasAggs = true;
}

void
se_plan_use_ttl(SeQuery *sq, const SeViewRequest *request, SeSplit *split,
				SeViewPlan *plan)
{
	SeKey	   *key = partition_key(sq, split);
	int64		reach = se_plan_longest(&sq->window.size);
	Interval   *span;

	if (!request->watermark)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("state_ttl needs a stream with a watermark"),
				 errdetail("Groups leave when the watermark has passed them."),
				 errhint("Create stream \"%s\" with watermark_delay.",
						 get_rel_name(se_plan_without_watermark(request)))));
	if (split->keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("state_ttl needs GROUP BY"),
				 errdetail("The one group of this view would leave with the stream's first pause.")));
	if (request->ttl_us < request->lateness_us)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state_ttl must not be shorter than allowed_lateness"),
				 errdetail("Windows would leave that still take rows.")));
	if (key == NULL)
	{
		add_updated_at(sq, split, plan);
		return;
	}
	if (sq->query->groupingSets != NIL && !se_plan_in_every_set(sq, key))
		refuse(sq, -1,
			   errmsg("state_ttl needs the window's bounds in every grouping set"),
			   errdetail("Totals over windows never leave."),
			   errhint("Write GROUP BY window_start, ROLLUP (key)."));
	span = palloc0(sizeof(Interval));
	span->time = Max(Max(request->ttl_us / SPANS_PER_TTL, reach), USECS_PER_SEC);
	plan->partition_span = span;
	if (!split->session_end)
	{
		plan->window_reach = palloc0(sizeof(Interval));
		plan->window_reach->time = reach;
	}
	split->partition_key = key;
}
