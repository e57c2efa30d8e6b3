/*-------------------------------------------------------------------------
 *
 * distinct.c
 *	  Aggregates with DISTINCT: the values that each group has seen are kept.
 *
 *		SELECT k, count(*), sum(DISTINCT x) FILTER (WHERE f) FROM s GROUP BY k
 *
 *	  values:	SELECT k, CASE WHEN f THEN x END AS value, f IS TRUE AS passes
 *				FROM se_batch GROUP BY 1, 2, 3
 *	  keep:		INSERT INTO name_distinct SELECT k, value FROM se_values
 *				WHERE passes ON CONFLICT DO NOTHING RETURNING k, value
 *	  delta:	SELECT k, NULL AS count, sum(value), 1 AS "@se_set"
 *				FROM se_batch GROUP BY k
 *
 * To the last, se_batch is what was returned: values that the group did not have
 * before.  So it yields ordinary transition states, which the merge folds into the
 * state table with those of the view's own delta.  That has the initial state in
 * these columns, and 0 in @se_set: a group whose rows bring nothing new is there all
 * the same.
 *
 * Aggregates of the same argument and FILTER share a table.  It is unique on keys
 * and value by the operators and the collation that DISTINCT goes by.
 *
 * Panes of hop and cumulate may have seen the same value, so states of panes do
 * not merge.  There the view aggregates the kept values of each window when it is
 * read, and there is no delta.
 *
 * FILTER is no part of WHERE, because it must not see a row that WHERE leaves out.
 *
 * The tables are made in the caller's transaction: a crash leaves nothing behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

#define SET "\"" SE_DISTINCT_SET "\""
#define PASSES "@se_passes"		/* column of se_values: FILTER let the row in */

void
se_plan_refuse_distinct(SeQuery *sq, Aggref *aggref, const SeAggregate *agg)
{
	const char *name = get_func_name(aggref->aggfnoid);
	Node	   *value;

	if (list_length(aggref->args) != 1 || agg->ninputs != 1 ||
		aggref->aggvariadic)
		refuse(sq, aggref->location,
			   errmsg("aggregate \"%s\" with DISTINCT has more than one argument", name),
			   errdetail("The values of one argument are kept."),
			   errhint("Make one value of them, such as a || '/' || b."));
	value = (Node *) linitial_node(TargetEntry, aggref->args)->expr;
	if (get_typtype(exprType(value)) == TYPTYPE_PSEUDO)
		refuse(sq, exprLocation(value),
			   errmsg("the argument of \"%s\" with DISTINCT is of pseudo-type %s, which cannot be stored",
					  name, format_type_be(exprType(value))),
			   errhint("Cast it to a composite type that you create, or to text."));
	if (se_plan_has_sessions(sq) && !OidIsValid(agg->sortop))
		refuse(sq, aggref->location,
			   errmsg("aggregate \"%s\" with DISTINCT is not supported with session windows", name),
			   errdetail("Sessions that grow together may have seen the same values."),
			   errhint("Count approximately with the extension hll: hll_cardinality(hll_add_agg(hll_hash_text(value)))."));
}

/* min, max and the like are the same without DISTINCT. */
static bool
needs_values(const SeState *state)
{
	return state->aggref->aggdistinct != NIL &&
		!OidIsValid(state->agg.sortop);
}

static Node *
argument(const SeState *state)
{
	return (Node *) linitial_node(TargetEntry, state->aggref->args)->expr;
}

/* ---- the values of a batch ---- */

static char *
value_column(const SeSplit *split)
{
	char	   *name = "value";

	for (int i = 2;; i++)
	{
		bool		taken = false;
		ListCell   *lc;

		foreach(lc, split->keys)
			taken |= strcmp(((SeKey *) lfirst(lc))->column, name) == 0;
		if (!taken)
			return name;
		name = psprintf("value_%d", i);
	}
}

static void
add_group(Query *query, Expr *expr, char *name)
{
	TargetEntry *tle = makeTargetEntry(expr, list_length(query->targetList) + 1,
									   name, false);

	(void) se_plan_group_by(query, tle);
	query->targetList = lappend(query->targetList, tle);
}

/*
 * When the value counts, or NULL for always.  Rolled up columns are found by
 * their expressions; $1, which is never null, makes the value another one.
 */
static Expr *
value_condition(const Query *query, const SeState *state)
{
	Expr	   *filter = copyObject(state->aggref->aggfilter);
	NullTest   *known;

	if (query->groupingSets == NIL)
		return filter;
	known = makeNode(NullTest);
	known->arg = (Expr *) se_plan_closed_to_expr(TIMESTAMPTZOID);
	known->nulltesttype = IS_NOT_NULL;
	known->location = -1;
	return filter == NULL ? (Expr *) known :
		makeBoolExpr(AND_EXPR, list_make2(known, filter), -1);
}

static Expr *
value_if(Expr *condition, Expr *value)
{
	CaseExpr   *result = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = condition;
	when->result = value;
	when->location = -1;
	result->casetype = exprType((Node *) value);
	result->casecollid = exprCollation((Node *) value);
	result->args = list_make1(when);
	result->defresult = (Expr *) makeNullConst(result->casetype, -1,
											   result->casecollid);
	result->location = -1;
	return (Expr *) result;
}

static Expr *
is_true(Expr *condition)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = condition;
	test->booltesttype = IS_TRUE;
	test->location = -1;
	return (Expr *) test;
}

static Query *
make_values(const SeSplit *split, const SeDistinctSet *set)
{
	const SeState *state = linitial(set->states);
	Query	   *query = copyObject(split->delta);
	Expr	   *condition;
	Expr	   *value = (Expr *) copyObject(argument(state));

	query->targetList = list_truncate(query->targetList,
									  list_length(split->keys));
	query->hasAggs = false;
	condition = value_condition(query, state);
	if (condition != NULL)
		value = value_if(condition, value);
	add_group(query, value, set->column);
	if (state->aggref->aggfilter != NULL)
		add_group(query, is_true(copyObject(condition)), PASSES);
	return query;
}

/* ---- the delta ---- */

static SeDistinctSet *
find_set(SeSplit *split, const SeState *state)
{
	SeDistinctSet *set;
	ListCell   *lc;

	foreach(lc, split->distinct)
	{
		const SeState *other;

		set = lfirst(lc);
		other = linitial(set->states);
		if (equal(argument(other), argument(state)) &&
			equal(other->aggref->aggfilter, state->aggref->aggfilter))
			return set;
	}
	set = palloc0(sizeof(SeDistinctSet));
	set->column = value_column(split);
	split->distinct = lappend(split->distinct, set);
	return set;
}

/* aggregate(NULL) FILTER (WHERE false): its initial state */
static void
aggregate_nothing(Aggref *aggref)
{
	TargetEntry *arg = linitial_node(TargetEntry, aggref->args);
	Node	   *value = (Node *) arg->expr;

	arg->expr = (Expr *) makeNullConst(exprType(value), exprTypmod(value),
									   exprCollation(value));
	aggref->aggfilter = (Expr *) makeBoolConst(false, false);
}

bool
se_plan_aggregates_nothing(const Aggref *aggref)
{
	Const	   *filter = (Const *) aggref->aggfilter;

	return filter != NULL && IsA(filter, Const) && !filter->constisnull &&
		!DatumGetBool(filter->constvalue) && aggref->args != NIL &&
		!contain_vars_of_level((Node *) aggref->args, 0);
}

void
se_plan_use_distinct(const SeQuery *sq, const SeViewRequest *request,
					 SeSplit *split)
{
	int			resno = list_length(split->keys);
	ListCell   *lc;

	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);

		if (needs_values(state))
		{
			SeDistinctSet *set = find_set(split, state);

			set->states = lappend(set->states, state);
			state->at_read = sq->window.panes != NULL;
		}
	}
	if (split->distinct != NIL && list_length(split->keys) >= INDEX_MAX_KEYS)
		refuse(sq, -1,
			   errmsg("a continuous view with DISTINCT in an aggregate cannot have more than %d group keys",
					  INDEX_MAX_KEYS - 1));
	if (split->distinct != NIL && request->ttl_us >= 0 &&
		split->partition_key == NULL)
		refuse(sq, -1,
			   errmsg("state_ttl of a view with DISTINCT in an aggregate needs a window among the group keys"),
			   errdetail("The values that a group has seen leave with its window."),
			   errhint("Group by a window, or count approximately with the extension hll."));
	foreach(lc, split->distinct)
	{
		SeDistinctSet *set = lfirst(lc);

		set->values = make_values(split, set);
	}
	foreach(lc, split->states)
	{
		TargetEntry *tle;
		Aggref	   *aggref;

		if (((SeState *) lfirst(lc))->aggref->aggdistinct == NIL)
		{
			resno++;
			continue;
		}
		tle = list_nth_node(TargetEntry, split->delta->targetList, resno++);
		aggref = castNode(Aggref, tle->expr);
		aggref->aggdistinct = NIL;
		if (needs_values(lfirst(lc)))
			aggregate_nothing(aggref);
	}
	if (split->distinct != NIL && sq->window.panes == NULL)
		split->delta->targetList =
			lappend(split->delta->targetList,
					makeTargetEntry((Expr *) makeConst(INT4OID, -1, InvalidOid,
													   sizeof(int32),
													   Int32GetDatum(0), false,
													   true),
									resno + 1, SE_DISTINCT_SET, false));
}

int
se_plan_distinct_set(const SeSplit *split, const SeState *state)
{
	ListCell   *lc;

	foreach(lc, split->distinct)
		if (list_member_ptr(((SeDistinctSet *) lfirst(lc))->states, state))
			return foreach_current_index(lc) + 1;
	return 0;
}

/* ---- statements and tables ---- */

/* Do all its aggregates pass over a NULL? */
static bool
ignores_nulls(const SeDistinctSet *set)
{
	ListCell   *lc;

	foreach(lc, set->states)
		if (!func_strict(((SeState *) lfirst(lc))->agg.transfn))
			return false;
	return true;
}

static char *
keep_sql(const SeSplit *split, const SeDistinctSet *set)
{
	const SeState *state = linitial(set->states);
	char	   *columns = se_plan_key_columns(split, set->column);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "INSERT INTO " SE_STATE_TOKEN
					 " AS s (%s) SELECT %s FROM " SE_VALUES_NAME " WHERE %s",
					 columns, columns,
					 state->aggref->aggfilter ? "\"" PASSES "\"" : "true");
	if (ignores_nulls(set))
		appendStringInfo(&buf, " AND %s IS DISTINCT FROM NULL",
						 quote_identifier(set->column));
	appendStringInfo(&buf, " ORDER BY %s ON CONFLICT (%s) DO NOTHING",
					 columns, columns);
	if (!state->at_read)
		appendStringInfo(&buf, " RETURNING %s", columns);
	return buf.data;
}

static char *
aggregate_name(Oid fn)
{
	return quote_qualified_identifier(get_namespace_name(get_func_namespace(fn)),
									  get_func_name(fn));
}

static char *
delta_sql(const SeSplit *split, const SeDistinctSet *set, int number)
{
	char	   *keys = se_plan_key_columns(split, NULL);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "SELECT %s%s", keys, *keys ? ", " : "");
	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);

		if (list_member_ptr(set->states, state))
			appendStringInfo(&buf, "%s(%s)",
							 aggregate_name(se_aggregate_in_delta(state->agg.fn)),
							 quote_identifier(set->column));
		else
			appendStringInfo(&buf, "NULL::%s",
							 format_type_be_qualified(se_plan_state_type(state)));
		appendStringInfo(&buf, " AS %s, ", quote_identifier(state->column));
	}
	appendStringInfo(&buf, "%d AS " SET " FROM " SE_BATCH_NAME, number);
	if (*keys)
		appendStringInfo(&buf, " GROUP BY %s", keys);
	return buf.data;
}

/* name_distinct, name_distinct2, ...: keys and value, no more */
static Oid
make_kept(const SeViewRequest *request, const SeSplit *split,
		  const SeDistinctSet *set, int number, Oid state)
{
	char	   *name = makeObjectName(request->name, NULL, number == 1 ?
									  "distinct" : psprintf("distinct%d", number));
	Node	   *value = argument(linitial(set->states));
	ObjectAddress owner;
	StringInfoData sql;

	se_plan_begin_table(&sql, request, name, split);
	se_plan_append_column(&sql, set->column, exprType(value),
						  exprTypmod(value), exprCollation(value));
	(void) se_plan_finish_table(&sql, request, name, split,
								se_plan_key_columns(split, set->column), "");

	ObjectAddressSet(owner, RelationRelationId, state);
	recordDependencyOnExpr(&owner, (Node *) set->values, NIL,
						   DEPENDENCY_NORMAL);
	return se_plan_attach_table(request, name, state);
}

List *
se_plan_list_values(SeQuery *sq, const SeSplit *split)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, split->distinct)
		result = lappend(result,
						 se_plan_deparse_delta(sq, ((SeDistinctSet *) lfirst(lc))->values));
	return result;
}

List *
se_plan_make_distinct(const SeViewRequest *request, SeQuery *sq,
					  SeSplit *split, Oid state)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, split->distinct)
	{
		SeDistinctSet *set = lfirst(lc);
		SeDistinct *d = palloc0(sizeof(SeDistinct));
		SeState    *first = linitial(set->states);

		set->kept = make_kept(request, split, set,
							  foreach_current_index(lc) + 1, state);
		d->kept = set->kept;
		d->values_sql = se_plan_deparse_delta(sq, set->values);
		d->keep_sql = keep_sql(split, set);
		if (!first->at_read)
			d->delta_sql = delta_sql(split, set, foreach_current_index(lc) + 1);
		result = lappend(result, d);
	}
	return result;
}

/* ---- kept values in the view ---- */

/* One part of the union below: the state table, or what a set keeps. */
static void
append_part(StringInfo buf, const SeSplit *split, Oid relid,
			const SeDistinctSet *set, int number)
{
	ListCell   *lc;

	appendStringInfo(buf, "%sSELECT %s, %d AS " SET,
					 number > 0 ? " UNION ALL " : "",
					 se_plan_key_columns(split, NULL), number);
	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);
		const char *column = quote_identifier(state->column);

		if (state->at_read)
			continue;
		if (set == NULL)
			appendStringInfo(buf, ", %s", column);
		else
			appendStringInfo(buf, ", NULL::%s AS %s",
							 format_type_be_qualified(se_plan_state_type(state)),
							 column);
	}
	foreach(lc, split->distinct)
	{
		SeDistinctSet *other = lfirst(lc);
		Node	   *value = argument(linitial(other->states));

		if (other == set)
			appendStringInfo(buf, ", %s", quote_identifier(set->column));
		else
			appendStringInfo(buf, ", NULL::%s%s",
							 format_type_be_qualified(exprType(value)),
							 OidIsValid(exprCollation(value)) ?
							 psprintf(" COLLATE %s", generate_collation_name(exprCollation(value))) : "");
		appendStringInfo(buf, " AS \"@se_value%d\"", foreach_current_index(lc) + 1);
	}
	appendStringInfo(buf, " FROM %s", se_sql_name(relid));
}

/*
 * (SELECT keys, 0 AS @se_set, states, NULL AS @se_value1 FROM state
 *	UNION ALL SELECT keys, 1, NULL ..., value FROM name_distinct)
 */
char *
se_plan_state_and_values(const SeSplit *split, Oid state)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '(');
	append_part(&buf, split, state, NULL, 0);
	foreach(lc, split->distinct)
		append_part(&buf, split, ((SeDistinctSet *) lfirst(lc))->kept,
					lfirst(lc), foreach_current_index(lc) + 1);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* aggregate(DISTINCT s."@se_value1") FILTER (WHERE s."@se_set" = 1) */
char *
se_plan_aggregate_values(const SeSplit *split, const SeState *state)
{
	int			number = se_plan_distinct_set(split, state);

	return psprintf("%s(DISTINCT s.\"@se_value%d\") FILTER (WHERE s." SET " = %d)",
					aggregate_name(state->agg.fn), number, number);
}
