/*-------------------------------------------------------------------------
 *
 * relations.c
 *	  The state table and the view over it.
 *
 *		name_state	  group keys, then one column per distinct aggregate:
 *					  the plain value where the state is the result, or the
 *					  transition state (stream.agg_state where it is internal)
 *		name		  the user's columns: final functions and expressions
 *
 * The state table is unique on the keys, NULLs being equal as in GROUP BY.
 * No index holds a state column and a part of each page stays free, so that
 * the merge's updates are HOT.  Both are made by SQL as the current user, in
 * the caller's transaction.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "aggregate/agg_state.h"
#include "catalog/catalog.h"
#include "query.h"
#include "sql_settings.h"

static Oid
relation_oid(const SeViewRequest *request, const char *name)
{
	return get_relname_relid(name, get_namespace_oid(request->schema, false));
}

Oid
se_plan_state_type(const SeState *state)
{
	return state->agg.transtype == INTERNALOID ? se_agg_state_type() :
		state->agg.transtype;
}

/*
 * A state's column has the collation that the aggregate compares with, so
 * that combine and final functions compare with it too.
 */
static Oid
state_column_collation(const SeState *state)
{
	if (!OidIsValid(get_typcollation(se_plan_state_type(state))))
		return InvalidOid;
	return OidIsValid(state->inputcollid) ? state->inputcollid :
		get_typcollation(se_plan_state_type(state));
}

void
se_plan_append_column(StringInfo buf, const char *name, Oid type,
					  int32 typmod, Oid collation)
{
	appendStringInfo(buf, "%s %s", quote_identifier(name),
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN |
										  FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation) && collation != get_typcollation(type))
		appendStringInfo(buf, " COLLATE %s",
						 generate_collation_name(collation));
	appendStringInfoString(buf, ", ");
}

char *
se_plan_key_columns(const SeSplit *split, const char *more)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, split->keys)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote_identifier(((SeKey *) lfirst(lc))->column));
	if (more)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote_identifier(more));
	return buf.data;
}

void
se_plan_begin_table(StringInfo sql, const SeViewRequest *request,
					const char *name, const SeSplit *split)
{
	ListCell   *lc;

	initStringInfo(sql);
	appendStringInfo(sql, "CREATE TABLE %s (",
					 quote_qualified_identifier(request->schema, name));
	foreach(lc, split->keys)
	{
		SeKey	   *key = lfirst(lc);
		Node	   *expr = (Node *) key->tle->expr;

		se_plan_append_column(sql, key->column, exprType(expr),
							  exprTypmod(expr), exprCollation(expr));
	}
}

Oid
se_plan_finish_table(StringInfo sql, const SeViewRequest *request,
					 const char *name, const SeSplit *split,
					 const char *unique, const char *options)
{
	appendStringInfo(sql, "UNIQUE NULLS NOT DISTINCT (%s))", unique);
	if (split->partition_key)	/* the parts have the options */
		appendStringInfo(sql, " PARTITION BY RANGE (%s)",
						 quote_identifier(split->partition_key->column));
	else
		appendStringInfo(sql, " USING heap%s", options);
	se_sql_execute(sql->data);
	return relation_oid(request, name);
}

Oid
se_plan_attach_table(const SeViewRequest *request, const char *name, Oid state)
{
	ObjectAddress table,
				owner;

	ObjectAddressSet(table, RelationRelationId, relation_oid(request, name));
	ObjectAddressSet(owner, RelationRelationId, state);
	recordDependencyOn(&table, &owner, DEPENDENCY_INTERNAL);
	return table.objectId;
}

Oid
se_plan_make_state(const SeViewRequest *request, const SeQuery *sq,
				   SeSplit *split)
{
	char	   *name = makeObjectName(request->name, NULL, "state");
	StringInfoData sql;
	ListCell   *lc;

	se_plan_begin_table(&sql, request, name, split);
	if (split->keys == NIL)
		appendStringInfoString(&sql, SE_ALL_ROWS_COLUMN " boolean NOT NULL, ");
	if (split->session_end)
		se_plan_append_column(&sql, split->session_end->column,
							  exprType((Node *) split->session_end->tle->expr),
							  -1, InvalidOid);
	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);

		se_plan_append_column(&sql, state->column, se_plan_state_type(state),
							  -1, state_column_collation(state));
	}

	return se_plan_finish_table(&sql, request, name, split,
								split->keys == NIL ? SE_ALL_ROWS_COLUMN :
								se_plan_key_columns(split, NULL),
								se_plan_is_windowed(sq, split) ?
								" WITH (" SE_STATE_OPTIONS ")" :
								" WITH (" SE_STATE_OPTIONS_UNWINDOWED ")");
}

Node *
se_plan_types_const(const SeAggregate *agg)
{
	Datum	   *types = palloc(agg->ninputs * sizeof(Datum));
	ArrayType  *array;

	for (int i = 0; i < agg->ninputs; i++)
		types[i] = ObjectIdGetDatum(agg->inputs[i]);
	array = construct_array(types, agg->ninputs, REGTYPEOID, sizeof(Oid), true,
							TYPALIGN_INT);
	return (Node *) makeConst(REGTYPEARRAYOID, -1, InvalidOid, -1,
							  PointerGetDatum(array), false, false);
}

static Oid
find_state_final(void)
{
	Oid			types[] = {REGPROCEDUREOID, ANYOID, ANYELEMENTOID,
	REGTYPEARRAYOID};

	return se_catalog_function("state_final", lengthof(types), types);
}

Node *
se_plan_final(const SeAggregate *agg, Node *state, Oid resultcollid,
			  Oid inputcollid)
{
	FuncExpr   *call;
	List	   *args;

	if (!OidIsValid(agg->finalfn))
		return state;
	args = list_make3(makeConst(REGPROCEDUREOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(agg->fn), false, true),
					  state,
					  makeNullConst(agg->rettype, -1,
									get_typcollation(agg->rettype)));
	if (agg->polymorphic)
		args = lappend(args, se_plan_types_const(agg));
	call = makeFuncExpr(find_state_final(), agg->rettype, args, resultcollid,
						inputcollid, COERCE_EXPLICIT_CALL);
	call->funcvariadic = agg->polymorphic;
	return (Node *) call;
}

/* The aggregate's result from its state column. */
static Node *
final_expression(const SeState *state, AttrNumber attno)
{
	Var		   *var = makeVar(1, attno, se_plan_state_type(state), -1,
							  state_column_collation(state), 0);

	if (state->at_read)
		return (Node *) makeVar(1, attno, state->agg.rettype, -1,
								state->aggref->aggcollid, 0);
	return se_plan_final(&state->agg, (Node *) var, state->aggref->aggcollid,
						 state->inputcollid);
}

typedef struct ViewContext
{
	SeSplit    *split;
	int			level;			/* queries between here and the outermost */
} ViewContext;

/*
 * What a key or an aggregate of the outermost query is in the state table, or
 * NULL.  level tells how far inside the node is.
 */
static Node *
state_expression(Node *node, SeSplit *split, int level)
{
	AttrNumber	attno = 0;
	ListCell   *lc;

	foreach(lc, split->keys)
	{
		Node	   *expr = (Node *) ((SeKey *) lfirst(lc))->tle->expr;

		attno++;
		if (equal(node, se_plan_shift_levels(expr, level)))
			return (Node *) makeVar(1, attno, exprType(expr), exprTypmod(expr),
									exprCollation(expr), 0);
	}
	if (split->keys == NIL)
		attno++;
	if (split->session_end)
	{
		Node	   *expr = (Node *) split->session_end->tle->expr;

		attno++;
		if (equal(node, se_plan_shift_levels(expr, level)))
			return (Node *) makeVar(1, attno, exprType(expr), -1, InvalidOid, 0);
	}
	if (IsA(node, GroupingFunc) && ((GroupingFunc *) node)->agglevelsup == level)
		return se_plan_grouping_value((GroupingFunc *) node, split->keys);
	if (!IsA(node, Aggref) || ((Aggref *) node)->agglevelsup != level)
		return NULL;
	node = se_plan_shift_levels(node, -level);
	foreach(lc, split->states)
	{
		SeState    *state = lfirst(lc);

		attno++;
		if (equal(node, state->aggref))
			return final_expression(state, attno);
	}
	elog(ERROR, "an aggregate of the query has no state");
}

/* The user's expression over the state table's columns. */
static Node *
view_mutator(Node *node, ViewContext *cx)
{
	Node	   *found;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		cx->level++;
		node = (Node *) query_tree_mutator((Query *) node, view_mutator, cx, 0);
		cx->level--;
		return node;
	}
	found = state_expression(node, cx->split, cx->level);
	if (found != NULL)
		return se_plan_shift_levels(found, cx->level);
	return expression_tree_mutator(node, view_mutator, cx);
}

char *
se_plan_view_select(const SeViewRequest *request, SeQuery *sq,
					SeSplit *split, Oid state)
{
	List	   *names = deparse_context_for("s", state);
	const char *where = "WHERE";
	ViewContext cx = {.split = split};
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(lc, split->target)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Node	   *expr = view_mutator((Node *) tle->expr, &cx);

		appendStringInfo(&sql, "%s%s AS %s",
						 foreach_current_index(lc) > 0 ? ", " : "",
						 deparse_expression(expr, names, true, false),
						 quote_identifier(tle->resname));
	}
	appendStringInfo(&sql, " FROM %s s",
					 se_plan_state_source(request, sq, split, state));
	if (request->append &&
		(sq->window.panes == NULL || se_plan_has_sessions(sq)))
	{
		appendStringInfo(&sql, " WHERE %s",
						 se_plan_closed_condition(sq, request, state,
												  se_plan_window_end(sq, split)));
		where = "AND";
	}
	if (split->having != NULL)
		appendStringInfo(&sql, " %s (%s)", where,
						 deparse_expression(view_mutator(split->having, &cx),
											names, true, false));
	return sql.data;
}

Oid
se_plan_make_view(const SeViewRequest *request, SeQuery *sq, SeSplit *split,
				  Oid state)
{
	se_sql_execute(psprintf("CREATE VIEW %s AS %s",
							 quote_qualified_identifier(request->schema, request->name),
							 se_plan_view_select(request, sq, split, state)));
	return relation_oid(request, request->name);
}
