/*-------------------------------------------------------------------------
 *
 * total.c
 *	  stream.total(numeric): sum(numeric) in the query over a batch.
 *
 * PostgreSQL's sum() sets up an accumulator of a few hundred bytes per group,
 * which pays when it adds up many values.  Where a view has millions of groups
 * most of them meet one value in a batch: that is kept as it is, and from the
 * second value on the accumulator is PostgreSQL's.  The sum of one value has
 * that value's digits, so the result is the same.
 *
 * Crash: all of it is memory of the query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"

PG_FUNCTION_INFO_V1(se_sql_total_step);
PG_FUNCTION_INFO_V1(se_sql_total);

typedef struct Total
{
	Datum		sum;			/* state of sum(); 0: there was one value */
	char		value[FLEXIBLE_ARRAY_MEMBER];	/* the first, a Numeric */
} Total;

static Total *
start_total(FunctionCallInfo fcinfo, Numeric value)
{
	MemoryContext context;
	Total	   *total;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "stream.total_step was called outside an aggregate");
	total = MemoryContextAlloc(context,
							   offsetof(Total, value) + VARSIZE(value));
	total->sum = (Datum) 0;
	memcpy(total->value, value, VARSIZE(value));
	return total;
}

/* A step of sum(), in the place of ours. */
static Datum
add_to_sum(FunctionCallInfo fcinfo, Datum sum, Numeric value)
{
	LOCAL_FCINFO(call, 2);

	InitFunctionCallInfoData(*call, fcinfo->flinfo, 2, fcinfo->fncollation,
							 fcinfo->context, fcinfo->resultinfo);
	call->args[0].value = sum;
	call->args[0].isnull = sum == (Datum) 0;
	call->args[1].value = NumericGetDatum(value);
	call->args[1].isnull = false;
	return numeric_avg_accum(call);
}

/* total_step(internal, numeric) -> internal */
Datum
se_sql_total_step(PG_FUNCTION_ARGS)
{
	Total	   *total = PG_ARGISNULL(0) ? NULL : (Total *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
	{
		Numeric		value = PG_GETARG_NUMERIC(1);

		if (total == NULL)
			total = start_total(fcinfo, value);
		else
		{
			if (total->sum == (Datum) 0)
				total->sum = add_to_sum(fcinfo, (Datum) 0,
										(Numeric) total->value);
			total->sum = add_to_sum(fcinfo, total->sum, value);
		}
	}
	if (total == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(total);
}

/* The sum, a numeric; NULL of no values. */
Datum
se_sql_total(PG_FUNCTION_ARGS)
{
	Total	   *total = PG_ARGISNULL(0) ? NULL : (Total *) PG_GETARG_POINTER(0);

	if (total == NULL)
		PG_RETURN_NULL();
	if (total->sum == (Datum) 0)
		PG_RETURN_NUMERIC((Numeric) total->value);
	return DirectFunctionCall1(numeric_sum, total->sum);
}
