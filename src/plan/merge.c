/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  The statement that merges a batch's states into the state table.
 *
 *		INSERT INTO state AS s (keys, states) SELECT ... FROM se_delta
 *		ORDER BY keys ON CONFLICT (keys) DO UPDATE SET a = combine(s.a, EXCLUDED.a)
 *
 * The state's name is put in when the view is opened, so that the table and its
 * schema may be renamed.
 *
 * All writers go through the keys in the same order, so they wait for each
 * other but never deadlock.  It is plain SQL: the state table may be
 * partitioned or distributed.
 *
 * A built-in combine function of plain values (count, sum, min, max, ...) is
 * called as it is; the others expect to be called by an aggregate node and
 * go through stream.state_combine.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "catalog/catalog.h"
#include "query.h"

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		skip = strlen(name) - strlen(suffix);

	return strlen(name) >= strlen(suffix) && strcmp(name + skip, suffix) == 0;
}

/*
 * True when SQL may call the combine function by name: a built-in one that is
 * not, by PostgreSQL's naming, a part of an aggregate.
 */
static bool
combines_directly(const SeState *state)
{
	const SeAggregate *agg = &state->agg;
	const char *name;

	if (agg->transtype == INTERNALOID || OidIsValid(agg->finalfn) ||
		agg->combinefn >= FirstGenbkiObjectId)
		return false;
	name = get_func_name(agg->combinefn);
	return !ends_with(name, "_transfn") && !ends_with(name, "_combine") &&
		!ends_with(name, "_accum");
}

/* 'pg_catalog.avg(numeric)'::pg_catalog.regprocedure */
char *
se_plan_aggregate_literal(const SeAggregate *agg)
{
	return psprintf("%s::pg_catalog.regprocedure",
					quote_literal_cstr(format_procedure_extended(agg->fn,
																 FORMAT_PROC_FORCE_QUALIFY)));
}

/* The types that a polymorphic aggregate is called with. */
char *
se_plan_types_array(const SeAggregate *agg)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "ARRAY[");
	for (int i = 0; i < agg->ninputs; i++)
		appendStringInfo(&buf, "%s%s::pg_catalog.regtype", i > 0 ? ", " : "",
						 quote_literal_cstr(format_type_extended(agg->inputs[i], -1,
																 FORMAT_TYPE_FORCE_QUALIFY)));
	appendStringInfoChar(&buf, ']');
	return buf.data;
}

static char *
combine_expression(const SeState *state)
{
	const SeAggregate *agg = &state->agg;
	const char *column = quote_identifier(state->column);
	StringInfoData buf;

	initStringInfo(&buf);
	if (combines_directly(state))
	{
		appendStringInfo(&buf, "%s(s.%s, EXCLUDED.%s)",
						 quote_qualified_identifier("pg_catalog",
													get_func_name(agg->combinefn)),
						 column, column);
		if (func_strict(agg->combinefn))
			return psprintf("COALESCE(%s, s.%s, EXCLUDED.%s)", buf.data,
							column, column);
		return buf.data;
	}

	appendStringInfo(&buf, "stream.state_combine(%s, s.%s, EXCLUDED.%s",
					 se_plan_aggregate_literal(agg), column, column);
	if (agg->polymorphic)
		appendStringInfo(&buf, ", VARIADIC %s", se_plan_types_array(agg));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/*
 * When all states only ever grow in the order of their aggregate (min, max,
 * bool_and), a row whose states do not grow need not be written.
 */
static char *
changed_condition(const List *states)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, states)
	{
		const SeState *state = lfirst(lc);
		const char *column = quote_identifier(state->column);
		List	   *names;
		List	   *args;

		if (!OidIsValid(state->agg.sortop))
			return NULL;
		format_operator_parts(state->agg.sortop, &names, &args, 0);
		appendStringInfo(&buf,
						 "%sEXCLUDED.%s OPERATOR(%s.%s) s.%s OR s.%s IS NULL AND EXCLUDED.%s IS NOT NULL",
						 buf.len > 0 ? " OR " : "", column,
						 quote_identifier(linitial(names)),
						 (char *) lsecond(names), column, column, column);
	}
	return buf.len > 0 ? buf.data : NULL;
}

static void
append_list(StringInfo buf, const char *item)
{
	if (buf->len > 0)
		appendStringInfoString(buf, ", ");
	appendStringInfoString(buf, item);
}

/*
 * Any order will do that is the same for all writers, so text is compared byte by
 * byte.  Where texts are equal that have other bytes, that would be two orders.
 */
static char *
order_expression(const SeKey *key)
{
	Oid			collation = exprCollation((Node *) key->tle->expr);
	const char *column = quote_identifier(key->column);

	if (OidIsValid(collation) && collation != C_COLLATION_OID &&
		get_collation_isdeterministic(collation))
		return psprintf("%s COLLATE pg_catalog.\"C\"", column);
	return pstrdup(column);
}

/*
 * What is merged.  Where new values were aggregated by themselves a group is
 * there more than once: @se_set tells where from, and so which states it has.
 */
static char *
delta_source(const SeQuery *sq, const SeSplit *split, const char *keys)
{
	StringInfoData buf;
	ListCell   *lc;

	if (split->distinct == NIL || sq->window.panes != NULL)
		return SE_DELTA_NAME;
	initStringInfo(&buf);
	appendStringInfo(&buf, "(SELECT %s", keys);
	foreach(lc, split->states)
	{
		const SeState *st = lfirst(lc);
		const char *column = quote_identifier(st->column);

		appendStringInfo(&buf, "%sstream.state_merge(%s, %s%s%s) FILTER (WHERE \"" SE_DISTINCT_SET "\" IN (0, %d)) AS %s",
						 foreach_current_index(lc) > 0 || *keys ? ", " : "",
						 se_plan_aggregate_literal(&st->agg), column,
						 st->agg.polymorphic ? ", " : "",
						 st->agg.polymorphic ? se_plan_types_array(&st->agg) : "",
						 se_plan_distinct_set(split, st), column);
	}
	appendStringInfoString(&buf, " FROM " SE_DELTA_NAME);
	if (*keys)
		appendStringInfo(&buf, " GROUP BY %s", keys);
	appendStringInfoString(&buf, ") d");
	return buf.data;
}

char *
se_plan_merge_sql(const SeQuery *sq, const SeSplit *split)
{
	StringInfoData columns;
	StringInfoData values;
	StringInfoData keys;
	StringInfoData order;
	StringInfoData sets;
	StringInfoData sql;
	char	   *source;
	char	   *changed = changed_condition(split->states);
	ListCell   *lc;

	initStringInfo(&columns);
	initStringInfo(&values);
	initStringInfo(&keys);
	initStringInfo(&order);
	initStringInfo(&sets);
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		append_list(&keys, quote_identifier(key->column));
		if (!se_plan_key_is_bound(sq, key))
			append_list(&order, order_expression(key));
	}
	/* a batch has few windows: compared first, they would mostly be equal */
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);

		if (se_plan_key_is_bound(sq, key))
			append_list(&order, quote_identifier(key->column));
	}
	append_list(&values, keys.data);
	source = delta_source(sq, split, keys.data);
	if (split->keys == NIL)
	{
		append_list(&keys, SE_ALL_ROWS_COLUMN);
		append_list(&values, "true");
	}
	append_list(&columns, keys.data);
	foreach(lc, split->states)
	{
		SeState    *st = lfirst(lc);

		append_list(&columns, quote_identifier(st->column));
		append_list(&values, quote_identifier(st->column));
		append_list(&sets, psprintf("%s = %s", quote_identifier(st->column),
									combine_expression(st)));
	}

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO " SE_STATE_TOKEN " AS s (%s) SELECT %s FROM %s",
					 columns.data, values.data, source);
	if (split->keys != NIL)
		appendStringInfo(&sql, " ORDER BY %s", order.data);
	if (split->states == NIL)
		appendStringInfo(&sql, " ON CONFLICT (%s) DO NOTHING", keys.data);
	else
		appendStringInfo(&sql, " ON CONFLICT (%s) DO UPDATE SET %s",
						 keys.data, sets.data);
	if (changed != NULL)
		appendStringInfo(&sql, " WHERE %s", changed);
	return sql.data;
}
