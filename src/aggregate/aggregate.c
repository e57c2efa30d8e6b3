/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  Reading pg_aggregate and pg_proc.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "aggregate.h"
#include "catalog/catalog.h"

/*
 * Checks the given input types against the declared ones and resolves the
 * result type.  A caller from SQL may have given anything.
 */
static void
resolve_types(SeAggregate *agg, Form_pg_proc proc, Oid transtype)
{
	Oid			declared[FUNC_MAX_ARGS];
	int			ndeclared = proc->pronargs;

	if (agg->ninputs < ndeclared)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregate %s needs the types of its %d arguments",
						format_procedure(agg->fn), ndeclared)));

	agg->polymorphic = IsPolymorphicType(transtype) ||
		IsPolymorphicType(proc->prorettype);
	for (int i = 0; i < ndeclared; i++)
	{
		declared[i] = proc->proargtypes.values[i];
		if (IsPolymorphicType(declared[i]) || declared[i] == ANYOID)
			agg->polymorphic = true;
		else if (declared[i] != agg->inputs[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("argument %d of aggregate %s is of type %s",
							i + 1, format_procedure(agg->fn),
							format_type_be(declared[i]))));
	}
	for (int i = 0; i < agg->ninputs; i++)
	{
		if (IsPolymorphicType(agg->inputs[i]) || agg->inputs[i] == ANYOID)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("aggregate %s needs the actual types of its arguments",
							format_procedure(agg->fn))));
	}

	agg->transtype = resolve_aggregate_transtype(agg->fn, transtype,
												 agg->inputs, agg->ninputs);
	agg->rettype = enforce_generic_type_consistency(agg->inputs, declared,
													ndeclared,
													proc->prorettype, false);
}

/*
 * sum(bigint) and sum(numeric) have an internal state, for speed, of which
 * nothing but the sum is ever asked: so that is what is kept.  It is shorter,
 * is added to the next one by numeric_add, and can be read as it is.  sum() is
 * NULL over no values, as numeric_add is of NULLs, and has the digits of the
 * longest value behind the point, as numeric_add has.
 */
static void
keep_sum(SeAggregate *agg)
{
	if (agg->finalfn != F_NUMERIC_SUM && agg->finalfn != F_NUMERIC_POLY_SUM)
		return;
	agg->combinefn = F_NUMERIC_ADD;
	agg->serialfn = agg->deserialfn = agg->finalfn = InvalidOid;
	agg->transtype = NUMERICOID;
}

void
se_aggregate_load(Oid fn, const Oid *inputs, int ninputs,
					   SeAggregate *out)
{
	HeapTuple	aggtup = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(fn));
	HeapTuple	proctup;
	Form_pg_aggregate agg;
	Form_pg_proc proc;

	if (!HeapTupleIsValid(aggtup))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not an aggregate function",
						format_procedure(fn))));
	proctup = SearchSysCache1(PROCOID, ObjectIdGetDatum(fn));
	if (!HeapTupleIsValid(proctup))
		elog(ERROR, "cache lookup failed for function %u", fn);
	agg = (Form_pg_aggregate) GETSTRUCT(aggtup);
	proc = (Form_pg_proc) GETSTRUCT(proctup);

	memset(out, 0, sizeof(*out));
	out->fn = fn;
	out->owner = proc->proowner;
	out->kind = agg->aggkind;
	out->transfn = agg->aggtransfn;
	out->combinefn = agg->aggcombinefn;
	out->serialfn = agg->aggserialfn;
	out->deserialfn = agg->aggdeserialfn;
	out->finalfn = agg->aggfinalfn;
	out->final_extra = agg->aggfinalextra;
	out->final_modifies = agg->aggfinalmodify != AGGMODIFY_READ_ONLY;
	out->sortop = agg->aggsortop;
	if (ninputs == 0)
	{
		ninputs = proc->pronargs;
		inputs = proc->proargtypes.values;
	}
	if (ninputs > FUNC_MAX_ARGS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("an aggregate has at most %d arguments",
						FUNC_MAX_ARGS)));
	out->ninputs = ninputs;
	memcpy(out->inputs, inputs, ninputs * sizeof(Oid));
	resolve_types(out, proc, agg->aggtranstype);
	keep_sum(out);

	ReleaseSysCache(proctup);
	ReleaseSysCache(aggtup);
}

void
se_aggregate_load_call(Aggref *aggref, SeAggregate *out)
{
	Oid			inputs[FUNC_MAX_ARGS];
	int			ninputs = get_aggregate_argtypes(aggref, inputs);

	se_aggregate_load(se_aggregate_of_user(aggref->aggfnoid), inputs, ninputs,
					  out);
}

Oid
se_aggregate_in_delta(Oid fn)
{
	Oid			input = fn == F_SUM_INT8 ? INT8OID : NUMERICOID;

	if (fn != F_SUM_INT8 && fn != F_SUM_NUMERIC)
		return fn;
	return se_catalog_function("total", 1, &input);
}

Oid
se_aggregate_of_user(Oid fn)
{
	if (fn == se_aggregate_in_delta(F_SUM_INT8))
		return F_SUM_INT8;
	if (fn == se_aggregate_in_delta(F_SUM_NUMERIC))
		return F_SUM_NUMERIC;
	return fn;
}

/* The symbol behind a support function, which outlives renames and moves. */
static void
append_symbol(StringInfo buf, Oid fn)
{
	HeapTuple	tup;
	Datum		symbol;
	bool		isnull;

	appendStringInfoChar(buf, '|');
	if (!OidIsValid(fn))
		return;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(fn));
	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for function %u", fn);
	symbol = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosrc, &isnull);
	if (!isnull)
		appendStringInfoString(buf, TextDatumGetCString(symbol));
	ReleaseSysCache(tup);
}

uint64
se_aggregate_identity(const SeAggregate *agg)
{
	StringInfoData buf;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint64		result;

	initStringInfo(&buf);
	append_symbol(&buf, agg->transfn);
	append_symbol(&buf, agg->combinefn);
	append_symbol(&buf, agg->serialfn);
	append_symbol(&buf, agg->deserialfn);
	append_symbol(&buf, agg->finalfn);
	if (agg->polymorphic)
		for (int i = 0; i < agg->ninputs; i++)
			appendStringInfo(&buf, "|%s",
							 format_type_extended(agg->inputs[i], -1,
												  FORMAT_TYPE_FORCE_QUALIFY));
	if (pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (uint8 *) buf.data, buf.len) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not hash the identity of an aggregate");
	pg_cryptohash_free(hash);
	memcpy(&result, digest, sizeof(result));
	pfree(buf.data);
	return result;
}
