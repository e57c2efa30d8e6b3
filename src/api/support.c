/*-------------------------------------------------------------------------
 *
 * support.c
 *	  Names, options and locks, as all SQL entry points treat them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "../catalog/catalog.h"
#include "../compat.h"
#include "../ingest/ingest.h"
#include "../security/security.h"
#include "api.h"

Oid
se_api_creation_schema(const char *name, char **relname)
{
	List	   *names = se_qualified_name_list(name);
	RangeVar   *rv = makeRangeVarFromNameList(names);

	*relname = rv->relname;
	return RangeVarGetCreationNamespace(rv);
}

/*
 * Conflicts with the lock that each batch takes, so that what the caller
 * changes takes effect between two batches; readers are not disturbed.
 */
SeStream *
se_api_lock_stream(Oid relid)
{
	SeStream   *stream = se_catalog_get_stream(relid, false);

	se_security_require_owner(relid);
	LockRelationOid(relid, ShareRowExclusiveLock);
	pfree(stream);
	return se_catalog_get_stream(relid, false);
}

void
se_api_lock_in_order(const List *relids)
{
	List	   *sorted = list_copy(relids);
	ListCell   *lc;

	list_sort(sorted, list_oid_cmp);
	foreach(lc, sorted)
		LockRelationOid(lfirst_oid(lc), ShareRowExclusiveLock);
}

List *
se_api_lock_streams(const List *relids)
{
	Oid			owner = InvalidOid;
	List	   *streams = NIL;
	ListCell   *lc;

	foreach(lc, relids)
		se_security_require_owner(lfirst_oid(lc));
	se_api_lock_in_order(relids);
	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);

		streams = lappend(streams, se_api_lock_stream(relid));
		if (OidIsValid(owner) && se_security_owner(relid) != owner)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("streams \"%s\" and \"%s\" belong to different roles",
							get_rel_name(linitial_oid(relids)),
							get_rel_name(relid)),
					 errdetail("A view is kept with the rights of its streams' owner."),
					 errhint("Give them to one role with ALTER TABLE ... OWNER TO.")));
		owner = se_security_owner(relid);
	}
	return streams;
}

void
se_api_check_choice(const char *argument, const char *value,
					const char *const *choices)
{
	StringInfoData all;

	initStringInfo(&all);
	for (int i = 0; choices[i]; i++)
	{
		if (strcmp(choices[i], value) == 0)
			return;
		appendStringInfo(&all, "%s%s", i ? ", " : "", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for %s: \"%s\"", argument, value),
			 errhint("Valid values are: %s.", all.data)));
}

static bool
is_among(const char *key, const char *const *names)
{
	for (int i = 0; names && names[i]; i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return false;
}

static void
append_names(StringInfo all, const char *const *names)
{
	for (int i = 0; names && names[i]; i++)
		appendStringInfo(all, "%s%s", all->len ? ", " : "", names[i]);
}

static void
check_options(const Jsonb *options, const char *const *first,
			  const char *const *second, const char *const *third)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example: options => '{\"batch_max_rows\": 10000}'.")));
	it = JsonbIteratorInit((JsonbContainer *) &options->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		StringInfoData all;
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (is_among(key, first) || is_among(key, second) ||
			is_among(key, third))
			continue;
		initStringInfo(&all);
		append_names(&all, first);
		append_names(&all, second);
		append_names(&all, third);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is not known", key),
				 all.len > 0 ?
				 errhint("Valid options are: %s.", all.data) :
				 errhint("There are no options here.")));
	}
}

void
se_api_check_stream_options(const Jsonb *options, const char *format)
{
	static const char *const startup[] = {
		"scan_startup_timestamp", "scan_startup_offsets", NULL
	};
	SeLimits	limits;

	check_options(options, se_limits_names(), startup,
				  se_decode_format_options(format));
	se_limits_read(options, &limits);
}

void
se_api_check_view_options(const Jsonb *options)
{
	static const char *const names[] = {
		"backfill", "late_rows", "close_on_idle", NULL
	};

	check_options(options, names, NULL, NULL);
}

void
se_api_check_interval(const char *argument, const Interval *span)
{
	if (span && (span->time < 0 || span->day < 0 || span->month < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", argument)));
	if (span && span->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be given in months", argument),
				 errhint("Months differ in length; use days.")));
}

bool
se_api_bool_option(const Jsonb *options, const char *name)
{
	char	   *text = se_catalog_option(options, name);
	bool		result = false;

	if (text != NULL && !parse_bool(text, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be true or false", name)));
	return result;
}

static bool
depends_on(const ObjectAddress *from, const ObjectAddress *to)
{
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result = false;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(from->classId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(from->objectId));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL,
							  lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		result |= form->refclassid == to->classId &&
			form->refobjid == to->objectId && form->refobjsubid == 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

void
se_api_depend_on_stream(Oid state, Oid stream)
{
	ObjectAddress from,
				to;

	ObjectAddressSet(from, RelationRelationId, state);
	ObjectAddressSet(to, RelationRelationId, stream);
	if (!depends_on(&from, &to))
		recordDependencyOn(&from, &to, DEPENDENCY_NORMAL);
}
