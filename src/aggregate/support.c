/*-------------------------------------------------------------------------
 *
 * support.c
 *	  Combine and final functions called outside an aggregate node:
 *	  stream.state_combine, stream.state_merge and stream.state_final.
 *
 * Support functions ask AggCheckCallContext() for the memory their state
 * lives in.  They are given an AggState of ours with two memory contexts,
 * one for the state and one for temporary data, both reset after each call.
 *
 * Types given in SQL are checked against the aggregate's, so that no
 * support function sees a value of another type than it was declared for.
 * The caller needs EXECUTE on the aggregate, and its owner on the support
 * functions, as in an ordinary query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "parser/parse_agg.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "agg_state.h"
#include "aggregate.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(se_sql_state_combine);
PG_FUNCTION_INFO_V1(se_sql_state_merge_step);
PG_FUNCTION_INFO_V1(se_sql_combine_step);
PG_FUNCTION_INFO_V1(se_sql_state_final);

/* What one call site needs; kept in fn_extra. */
typedef struct SeAggCall
{
	SeAggregate agg;
	bool		internal;		/* the state is stored as stream.agg_state */
	uint64		identity;
	int16		translen;
	bool		transbyval;
	int16		retlen;
	bool		retbyval;
	FmgrInfo	combine;
	FmgrInfo	serial;
	FmgrInfo	deserial;
	FmgrInfo	final;
	AggState   *aggstate;		/* what support functions are called with */
	ExprContext *state_context;
	ExprContext *temp_context;
} SeAggCall;

static void
load_support(SeAggCall *call, Oid fn, FmgrInfo *finfo, Expr *expr)
{
	AclResult	result = se_object_aclcheck(ProcedureRelationId, fn,
											call->agg.owner, ACL_EXECUTE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(fn));
	InvokeFunctionExecuteHook(fn);
	fmgr_info_cxt(fn, finfo, CurrentMemoryContext);
	fmgr_info_set_expr((Node *) expr, finfo);
}

static void
load_combine(SeAggCall *call, Oid collation)
{
	Oid			trans = call->agg.transtype;
	Expr	   *expr;

	if (!OidIsValid(call->agg.combinefn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate %s has no combine function",
						get_func_name(call->agg.fn))));
	build_aggregate_transfn_expr(&trans, 1, 0, false, trans, collation,
								 call->agg.combinefn, InvalidOid, &expr, NULL);
	load_support(call, call->agg.combinefn, &call->combine, expr);
	if (call->internal)
	{
		build_aggregate_serialfn_expr(call->agg.serialfn, &expr);
		load_support(call, call->agg.serialfn, &call->serial, expr);
	}
}

static void
load_final(SeAggCall *call, Oid collation)
{
	Expr	   *expr;

	if (!OidIsValid(call->agg.finalfn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate %s has no final function: its state is its result",
						get_func_name(call->agg.fn))));
	build_aggregate_finalfn_expr(call->agg.inputs,
								 call->agg.final_extra ?
								 call->agg.ninputs + 1 : 1,
								 call->agg.transtype, call->agg.rettype,
								 collation, call->agg.finalfn, &expr);
	load_support(call, call->agg.finalfn, &call->final, expr);
}

static void
load_aggregate(SeAggCall *call, Oid fn, ArrayType *types)
{
	AclResult	result = se_object_aclcheck(ProcedureRelationId, fn,
											GetUserId(), ACL_EXECUTE);
	Datum	   *values;
	bool	   *nulls;
	int			n;
	Oid			inputs[FUNC_MAX_ARGS];

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_AGGREGATE, get_func_name(fn));
	InvokeFunctionExecuteHook(fn);

	deconstruct_array(types, REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT,
					  &values, &nulls, &n);
	if (n > FUNC_MAX_ARGS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("an aggregate has at most %d arguments",
						FUNC_MAX_ARGS)));
	for (int i = 0; i < n; i++)
		inputs[i] = nulls[i] ? InvalidOid : DatumGetObjectId(values[i]);
	se_aggregate_load(fn, inputs, n, &call->agg);

	call->internal = call->agg.transtype == INTERNALOID;
	if (call->internal && (!OidIsValid(call->agg.serialfn) ||
						   !OidIsValid(call->agg.deserialfn)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate %s has a state that cannot be stored",
						get_func_name(fn))));
	get_typlenbyval(call->agg.transtype, &call->translen, &call->transbyval);
	get_typlenbyval(call->agg.rettype, &call->retlen, &call->retbyval);
}

static void
make_agg_context(SeAggCall *call)
{
	AggState   *aggstate = makeNode(AggState);

	call->state_context = CreateStandaloneExprContext();
	call->temp_context = CreateStandaloneExprContext();
	aggstate->curaggcontext = call->state_context;
	aggstate->tmpcontext = call->temp_context;
	aggstate->ss.ps.ps_ExprContext = call->temp_context;
	call->aggstate = aggstate;
}

/* The state's argument must have the type that its column has. */
static void
check_type(FunctionCallInfo fcinfo, int argno, Oid expected)
{
	Oid			actual = argno < 0 ? get_fn_expr_rettype(fcinfo->flinfo) :
		get_fn_expr_argtype(fcinfo->flinfo, argno);

	if (actual != expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the aggregate's %s is of type %s, not %s",
						argno < 0 ? "result" : "state",
						format_type_be(expected), format_type_be(actual))));
}

/*
 * The aggregate is argument number agg, a state is number state, and the input
 * types are number types; without that argument there are none.
 */
static SeAggCall *
get_call(FunctionCallInfo fcinfo, int agg, int state, int types, bool final)
{
	SeAggCall  *call = fcinfo->flinfo->fn_extra;
	Oid			collation = PG_GET_COLLATION();
	MemoryContext old;
	Oid			state_type;

	if (PG_ARGISNULL(agg) || (PG_NARGS() > types && PG_ARGISNULL(types)))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the aggregate and its argument types must not be null")));
	if (call != NULL && call->agg.fn == PG_GETARG_OID(agg))
		return call;

	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc0(sizeof(SeAggCall));
	load_aggregate(call, PG_GETARG_OID(agg),
				   PG_NARGS() > types ? PG_GETARG_ARRAYTYPE_P(types) :
				   construct_empty_array(REGTYPEOID));
	state_type = call->internal ? se_agg_state_type() : call->agg.transtype;
	check_type(fcinfo, state, state_type);
	if (final)
		check_type(fcinfo, -1, call->agg.rettype);
	if (call->internal)
	{
		Expr	   *expr;

		call->identity = se_aggregate_identity(&call->agg);
		build_aggregate_deserialfn_expr(call->agg.deserialfn, &expr);
		load_support(call, call->agg.deserialfn, &call->deserial, expr);
	}
	if (final)
		load_final(call, collation);
	else
		load_combine(call, collation);
	make_agg_context(call);
	MemoryContextSwitchTo(old);

	fcinfo->flinfo->fn_extra = call;
	return call;
}

/* Calls a support function as the aggregate node would. */
static Datum
call_support(SeAggCall *call, FmgrInfo *fn, Oid collation, int nargs,
			 NullableDatum a, NullableDatum b, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, fn, nargs, collation,
							 (Node *) call->aggstate, NULL);
	fcinfo->args[0] = a;
	if (nargs > 1)
		fcinfo->args[1] = b;
	for (int i = 2; i < nargs; i++)
	{
		fcinfo->args[i].value = (Datum) 0;
		fcinfo->args[i].isnull = true;
	}
	if (fn->fn_strict)
		for (int i = 0; i < nargs; i++)
			if (fcinfo->args[i].isnull)
			{
				*isnull = true;
				return (Datum) 0;
			}
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}

/*
 * A state as support functions want it, in the current memory context.
 * writable: they may change it in place.
 */
static NullableDatum
read_state(SeAggCall *call, NullableDatum stored, bool writable)
{
	/* The second argument of a deserialization function is never looked at. */
	NullableDatum dummy = {.value = (Datum) 0,.isnull = false};
	NullableDatum state = stored;

	if (stored.isnull)
		return stored;
	if (call->internal)
	{
		state.value = PointerGetDatum(se_agg_state_open(stored.value,
														call->identity));
		state.value = call_support(call, &call->deserial, InvalidOid, 2,
								   state, dummy, &state.isnull);
	}
	else if (writable && !call->transbyval)
	{
		if (call->translen == -1)
			state.value = PointerGetDatum(PG_DETOAST_DATUM_COPY(stored.value));
		else
			state.value = datumCopy(stored.value, false, call->translen);
	}
	return state;
}

/* A state as it is stored, in the current memory context. */
static Datum
write_state(SeAggCall *call, NullableDatum state, MemoryContext target,
			bool *isnull)
{
	MemoryContext old;
	Datum		result = state.value;

	*isnull = state.isnull;
	if (call->internal)
	{
		result = call_support(call, &call->serial, InvalidOid, 1, state, state,
							  isnull);
		if (*isnull)
			return (Datum) 0;
		old = MemoryContextSwitchTo(target);
		result = PointerGetDatum(se_agg_state_make(DatumGetByteaPP(result),
												   call->identity));
		MemoryContextSwitchTo(old);
	}
	else if (!*isnull && !call->transbyval)
	{
		old = MemoryContextSwitchTo(target);
		result = datumCopy(result, false, call->translen);
		MemoryContextSwitchTo(old);
	}
	return result;
}

static void
reset_contexts(SeAggCall *call)
{
	ReScanExprContext(call->state_context);
	ReScanExprContext(call->temp_context);
}

static Datum
combine(FunctionCallInfo fcinfo, SeAggCall *call, NullableDatum a,
		NullableDatum b)
{
	NullableDatum merged;
	MemoryContext target;
	Datum		result;
	bool		isnull;

	/* A strict combine function takes the other state when one is missing. */
	if (call->combine.fn_strict && (a.isnull || b.isnull))
	{
		if (a.isnull && b.isnull)
			PG_RETURN_NULL();
		PG_RETURN_DATUM(a.isnull ? b.value : a.value);
	}

	target = MemoryContextSwitchTo(call->state_context->ecxt_per_tuple_memory);
	a = read_state(call, a, true);
	MemoryContextSwitchTo(call->temp_context->ecxt_per_tuple_memory);
	b = read_state(call, b, false);
	merged.value = call_support(call, &call->combine, PG_GET_COLLATION(), 2,
								a, b, &merged.isnull);
	result = write_state(call, merged, target, &isnull);
	MemoryContextSwitchTo(target);
	reset_contexts(call);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/*
 * stream.state_combine(agg regprocedure, state anyelement, other anyelement,
 *						VARIADIC input_types regtype[])
 */
Datum
se_sql_state_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, get_call(fcinfo, 0, 1, 3, false), fcinfo->args[1],
				   fcinfo->args[2]);
}

/*
 * stream.state_merge_step(merged anyelement, agg regprocedure,
 *						   state anyelement [, input_types regtype[]])
 */
Datum
se_sql_state_merge_step(PG_FUNCTION_ARGS)
{
	SeAggCall  *call = get_call(fcinfo, 1, 2, 3, false);

	/* the first state: there may be no NULL that the function can combine it with */
	if (PG_ARGISNULL(0) && !PG_ARGISNULL(2))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	return combine(fcinfo, call, fcinfo->args[0], fcinfo->args[2]);
}

/*
 * stream.state_final(agg regprocedure, state "any", result anyelement,
 *					  VARIADIC input_types regtype[])
 * The value of result is not looked at; it gives the type.
 */
Datum
se_sql_state_final(PG_FUNCTION_ARGS)
{
	SeAggCall  *call = get_call(fcinfo, 0, 1, 3, true);
	NullableDatum state = fcinfo->args[1];
	NullableDatum none = {.value = (Datum) 0,.isnull = true};
	MemoryContext target;
	Datum		result;
	bool		isnull;

	target = MemoryContextSwitchTo(call->state_context->ecxt_per_tuple_memory);
	state = read_state(call, state, call->agg.final_modifies);
	MemoryContextSwitchTo(call->temp_context->ecxt_per_tuple_memory);
	result = call_support(call, &call->final, PG_GET_COLLATION(),
						  call->agg.final_extra ? call->agg.ninputs + 1 : 1,
						  state, none, &isnull);
	MemoryContextSwitchTo(target);
	if (!isnull && !call->retbyval)
		result = datumCopy(result, false, call->retlen);
	reset_contexts(call);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* stream.combine() outside the queries of views */
Datum
se_sql_combine_step(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("combine() can be used only in the query of stream.create_rollup, or of a continuous view over another"),
			 errdetail("A view's columns hold results; what is merged are the states behind them.")));
	PG_RETURN_NULL();
}
