/*-------------------------------------------------------------------------
 *
 * rowcheck.c
 *	  Defaults, NOT NULL and CHECK of a stream's columns, row by row.
 *
 * The executor's own ExecConstraints() would throw; here a row that breaks a
 * constraint is one record for the dead letters, so the answer is a boolean.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "ingest.h"

typedef struct Check
{
	char	   *name;
	ExprState  *state;
} Check;

struct SeRowCheck
{
	TupleDesc	tupdesc;
	bool		has_not_null;
	int			n_checks;
	Check	   *checks;
	bool		has_defaults;
	ExprState **defaults;		/* per attribute, NULL: none */
	EState	   *estate;
	ExprContext *econtext;
	char		relname[NAMEDATALEN];
};

static void
prepare_checks(SeRowCheck *check, TupleConstr *constr)
{
	check->n_checks = constr->num_check;
	check->checks = palloc0(sizeof(Check) * constr->num_check);
	for (int i = 0; i < constr->num_check; i++)
	{
		Node	   *expr = stringToNode(constr->check[i].ccbin);

		check->checks[i].name = pstrdup(constr->check[i].ccname);
		check->checks[i].state = ExecPrepareCheck((List *) make_ands_implicit((Expr *) expr),
												  check->estate);
	}
}

SeRowCheck *
se_rowcheck_create(Relation rel)
{
	SeRowCheck *check = palloc0(sizeof(SeRowCheck));
	TupleDesc	desc = RelationGetDescr(rel);
	MemoryContext old;

	check->tupdesc = CreateTupleDescCopyConstr(desc);
	check->estate = CreateExecutorState();
	check->econtext = GetPerTupleExprContext(check->estate);
	check->defaults = palloc0(sizeof(ExprState *) * desc->natts);
	strlcpy(check->relname, RelationGetRelationName(rel), NAMEDATALEN);

	old = MemoryContextSwitchTo(check->estate->es_query_cxt);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Expr	   *expr;

		if (att->attisdropped)
			continue;
		check->has_not_null = check->has_not_null || att->attnotnull;
		if (!att->atthasdef)
			continue;
		expr = (Expr *) build_column_default(rel, i + 1);
		check->defaults[i] = ExecPrepareExpr(expr, check->estate);
		check->has_defaults = true;
	}
	if (desc->constr && desc->constr->num_check > 0)
		prepare_checks(check, desc->constr);
	MemoryContextSwitchTo(old);
	return check;
}

bool
se_rowcheck_has_defaults(SeRowCheck *check)
{
	return check->has_defaults;
}

void
se_rowcheck_defaults(SeRowCheck *check, Datum *values, bool *isnull,
					 const bool *missing)
{
	for (int i = 0; i < check->tupdesc->natts; i++)
	{
		if (!missing[i] || check->defaults[i] == NULL)
			continue;
		/* in the caller's short-lived context */
		values[i] = ExecEvalExpr(check->defaults[i], check->econtext,
								 &isnull[i]);
	}
}

bool
se_rowcheck_test(SeRowCheck *check, TupleTableSlot *slot, const char **column,
				 int *sqlstate, char *message, size_t size)
{
	*column = NULL;
	for (int i = 0; check->has_not_null && i < check->tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(check->tupdesc, i);

		if (!att->attnotnull || att->attisdropped || !slot->tts_isnull[i])
			continue;
		*column = NameStr(att->attname);
		*sqlstate = ERRCODE_NOT_NULL_VIOLATION;
		snprintf(message, size,
				 "null value in column \"%s\" of stream \"%s\" violates not-null constraint",
				 *column, check->relname);
		return false;
	}
	if (check->n_checks == 0)
		return true;
	ResetPerTupleExprContext(check->estate);
	check->econtext->ecxt_scantuple = slot;
	for (int i = 0; i < check->n_checks; i++)
	{
		if (ExecCheck(check->checks[i].state, check->econtext))
			continue;
		*sqlstate = ERRCODE_CHECK_VIOLATION;
		snprintf(message, size,
				 "record of stream \"%s\" violates check constraint \"%s\"",
				 check->relname, check->checks[i].name);
		return false;
	}
	return true;
}
