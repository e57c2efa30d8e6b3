/*-------------------------------------------------------------------------
 *
 * remake.c
 *	  A view is given another SELECT, in place.
 *
 * CREATE OR REPLACE VIEW keeps all that hangs on a view, but the old columns
 * must be the first of the new ones.  Where they are not, the view's columns
 * are all taken away first and CREATE OR REPLACE VIEW adds the new ones to
 * none.  To drop the view and make it again would be simpler, but then its
 * OID, which people keep as regclass and our counters go by, its privileges,
 * comment and options would have to be carried over, and whatever we did not
 * think of would be lost.
 *
 * Columns are taken away only when nothing depends on the view: whoever
 * refers to a column does so by its number.  Privileges and comments of
 * columns go by their names.
 *
 * Crash: all of it is in the caller's transaction, under ACCESS EXCLUSIVE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/seclabel.h"
#include "commands/tablecmds.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteSupport.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "query.h"
#include "sql_settings.h"

/* What users hang on a column. */
typedef struct Column
{
	char	   *name;
	Acl		   *acl;			/* NULL: none */
	char	   *comment;		/* NULL: none */
} Column;

/* ---- may CREATE OR REPLACE VIEW do it? ---- */

static bool
begins_with_columns(Query *query, TupleDesc desc)
{
	if (list_length(query->targetList) < desc->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		TargetEntry *tle = list_nth_node(TargetEntry, query->targetList, i);
		Node	   *expr = (Node *) tle->expr;

		if (strcmp(NameStr(att->attname), tle->resname) != 0 ||
			att->atttypid != exprType(expr) ||
			att->atttypmod != exprTypmod(expr) ||
			att->attcollation != exprCollation(expr))
			return false;
	}
	return true;
}

/* ---- who depends on the view ---- */

/* By its rule, a view is meant. */
static char *
describe_dependent(Oid view, Oid classid, Oid objectid, int subid)
{
	ObjectAddress address;

	ObjectAddressSubSet(address, classid, objectid, subid);
	if (classid == RewriteRelationId)
	{
		Relation	rules = table_open(RewriteRelationId, AccessShareLock);
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(objectid));
		scan = systable_beginscan(rules, RewriteOidIndexId, true, NULL, 1, &key);
		tuple = systable_getnext(scan);
		if (HeapTupleIsValid(tuple))
		{
			Form_pg_rewrite rule = (Form_pg_rewrite) GETSTRUCT(tuple);

			if (rule->ev_class != view)
				ObjectAddressSet(address, RelationRelationId, rule->ev_class);
			else if (strcmp(NameStr(rule->rulename), ViewSelectRuleName) == 0)
				address.objectId = InvalidOid;
		}
		systable_endscan(scan);
		table_close(rules, AccessShareLock);
	}
	if (!OidIsValid(address.objectId))
		return NULL;			/* the view's own rule */
	return getObjectDescription(&address, false);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static bool
is_listed(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

static List *
add_dependents(List *list, Oid view, Oid classid, Oid objectid,
			   const Oid *own)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(classid));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(objectid));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2,
							  keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT(tuple);
		char	   *description;

		/* its row type and that one's array */
		if (dep->classid == TypeRelationId &&
			(dep->objid == own[0] || dep->objid == own[1]))
			continue;
		description = describe_dependent(view, dep->classid, dep->objid,
										 dep->objsubid);
		if (description != NULL && !is_listed(list, description))
			list = lappend(list, description);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return list;
}

static void
require_no_dependents(Oid view)
{
	List	   *list = NIL;
	StringInfoData names;
	ListCell   *lc;
	Oid			own[2];

	own[0] = get_rel_type_id(view);
	own[1] = get_array_type(own[0]);
	list = add_dependents(list, view, RelationRelationId, view, own);
	list = add_dependents(list, view, TypeRelationId, own[0], own);
	if (OidIsValid(own[1]))
		list = add_dependents(list, view, TypeRelationId, own[1], own);
	list_sort(list, compare_names);
	initStringInfo(&names);
	foreach(lc, list)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 (char *) lfirst(lc));
	if (list != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot change the columns of view \"%s\" because other objects depend on it",
						get_rel_name(view)),
				 errdetail("What depends on it: %s.", names.data),
				 errhint("Keep the columns that it has, in their order and with their types, and put new ones behind them; or drop what depends on it first.")));
}

/* ---- columns ---- */

static List *
save_columns(Oid view, int natts)
{
	List	   *columns = NIL;

	for (int attno = 1; attno <= natts; attno++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(view),
											Int16GetDatum(attno));
		Column	   *column = palloc0(sizeof(Column));
		Datum		acl;
		bool		isnull;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for attribute %d of relation %u",
				 attno, view);
		column->name = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(tuple))->attname));
		acl = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &isnull);
		if (!isnull)
			column->acl = DatumGetAclPCopy(acl);
		ReleaseSysCache(tuple);
		column->comment = GetComment(view, RelationRelationId, attno);
		columns = lappend(columns, column);
	}
	return columns;
}

static void
delete_dependencies_of_columns(Oid view)
{
	Relation	depend = table_open(DependRelationId, RowExclusiveLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(view));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2,
							  keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (((Form_pg_depend) GETSTRUCT(tuple))->objsubid > 0)
			CatalogTupleDelete(depend, &tuple->t_self);
	systable_endscan(scan);
	table_close(depend, RowExclusiveLock);
}

/* Leaves a view without columns, and a rule that nobody may run. */
static void
remove_columns(Oid view, int natts)
{
	Relation	classes = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(view));

	for (int attno = 1; attno <= natts; attno++)
	{
		ObjectAddress address;

		ObjectAddressSubSet(address, RelationRelationId, view, attno);
		DeleteComments(view, RelationRelationId, attno);
		DeleteSecurityLabel(&address);
		deleteSharedDependencyRecordsFor(RelationRelationId, view, attno);
	}
	delete_dependencies_of_columns(view);
	DeleteAttributeTuples(view);
	((Form_pg_class) GETSTRUCT(tuple))->relnatts = 0;
	CatalogTupleUpdate(classes, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(classes, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
restore_acl(Oid view, AttrNumber attno, Acl *acl)
{
	Relation	attributes = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	old = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(view),
										  Int16GetDatum(attno));
	Datum		values[Natts_pg_attribute] = {0};
	bool		nulls[Natts_pg_attribute] = {0};
	bool		replaces[Natts_pg_attribute] = {0};
	HeapTuple	new;
	HeapTuple	class = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
	Oid		   *members;
	int			n = aclmembers(acl, &members);

	values[Anum_pg_attribute_attacl - 1] = PointerGetDatum(acl);
	replaces[Anum_pg_attribute_attacl - 1] = true;
	new = heap_modify_tuple(old, RelationGetDescr(attributes), values, nulls,
							replaces);
	CatalogTupleUpdate(attributes, &new->t_self, new);
	updateAclDependencies(RelationRelationId, view, attno,
						  ((Form_pg_class) GETSTRUCT(class))->relowner,
						  0, NULL, n, members);
	ReleaseSysCache(class);
	table_close(attributes, RowExclusiveLock);
}

static void
restore_columns(Oid view, const List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		Column	   *column = lfirst(lc);
		AttrNumber	attno = get_attnum(view, column->name);

		if (attno == InvalidAttrNumber)
			continue;
		if (column->acl != NULL)
			restore_acl(view, attno, column->acl);
		if (column->comment != NULL)
			CreateComments(view, RelationRelationId, attno, column->comment);
	}
	CommandCounterIncrement();
}

/* ---- the view ---- */

/* CREATE OR REPLACE VIEW forgets the options that it does not name. */
static char *
options_clause(Oid view)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
	StringInfoData clause;
	Datum		options;
	bool		isnull;
	ListCell   *lc;

	initStringInfo(&clause);
	options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	if (!isnull)
	{
		foreach(lc, untransformRelOptions(options))
		{
			DefElem    *def = lfirst_node(DefElem, lc);

			appendStringInfo(&clause, "%s%s = %s",
							 clause.len > 0 ? ", " : " WITH (",
							 quote_identifier(def->defname),
							 quote_literal_cstr(defGetString(def)));
		}
		appendStringInfoChar(&clause, ')');
	}
	ReleaseSysCache(tuple);
	return clause.data;
}

static void
create_or_replace(Oid view, const char *select)
{
	se_sql_execute(psprintf("CREATE OR REPLACE VIEW %s%s AS %s",
							se_sql_name(view), options_clause(view), select));
}

void
se_plan_remake_view(Oid view, const char *select)
{
	Relation	rel = table_open(view, NoLock);
	int			natts = RelationGetNumberOfAttributes(rel);
	int			settings = se_sql_settings_begin();
	Query	   *query = se_plan_analyze(select)->query;
	bool		keeps = begins_with_columns(query, RelationGetDescr(rel));
	List	   *columns = NIL;

	CheckTableNotInUse(rel, "stream.replace_view");
	table_close(rel, NoLock);
	if (!keeps)
	{
		require_no_dependents(view);
		columns = save_columns(view, natts);
		remove_columns(view, natts);
	}
	create_or_replace(view, select);
	restore_columns(view, columns);
	se_sql_settings_end(settings);
}
