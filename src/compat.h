/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the PostgreSQL versions we build for.
 *
 * PostgreSQL 15 is the floor; 17 is built and tested too.  Code elsewhere is
 * written for the newest spelling and has no version #if.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_COMPAT_H
#define SE_COMPAT_H

#include "miscadmin.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "stream_ext needs PostgreSQL 15 or later"
#endif

/* 16 has one ACL check for all object classes. */
#if PG_VERSION_NUM < 160000
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"

static inline AclResult
se_object_aclcheck(Oid classid, Oid objectid, Oid roleid, AclMode mode)
{
	switch (classid)
	{
		case ForeignServerRelationId:
			return pg_foreign_server_aclcheck(objectid, roleid, mode);
		case ProcedureRelationId:
			return pg_proc_aclcheck(objectid, roleid, mode);
		case NamespaceRelationId:
			return pg_namespace_aclcheck(objectid, roleid, mode);
		default:
			elog(ERROR, "unexpected object class %u", classid);
			return ACLCHECK_NO_PRIV;
	}
}
#define se_owns_relation(relid, roleid) pg_class_ownercheck(relid, roleid)
#else
#include "catalog/pg_class.h"
#define se_object_aclcheck(classid, objectid, roleid, mode) \
	object_aclcheck(classid, objectid, roleid, mode)
#define se_owns_relation(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#endif

/* 16 moved the macros of variable-length values out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 lets a background worker run as a role that may not log in. */
#if PG_VERSION_NUM < 170000
#define SE_WORKER_CONNECT_FLAGS 0
#else
#include "postmaster/bgworker.h"
#define SE_WORKER_CONNECT_FLAGS BGWORKER_BYPASS_ROLELOGINCHECK
#endif

/* 16 gave input routines a place for soft errors. */
#include "utils/regproc.h"
#if PG_VERSION_NUM < 160000
#define se_qualified_name_list(name) stringToQualifiedNameList(name)
#else
#define se_qualified_name_list(name) stringToQualifiedNameList(name, NULL)
#endif

/* 16 has another name for what a relation's file is known by. */
#if PG_VERSION_NUM < 160000
#define se_file_of(rel) ((rel)->rd_node)
#else
#define se_file_of(rel) ((rel)->rd_locator)
#endif

/* 16 tracks in Vars which outer joins may null them. */
#if PG_VERSION_NUM < 160000
#define se_flatten_join_alias_vars(query, node) \
	flatten_join_alias_vars(query, node)
#else
#define se_flatten_join_alias_vars(query, node) \
	flatten_join_alias_vars(NULL, query, node)
#endif

/* 18 no longer asks whether a query is run once. */
#if PG_VERSION_NUM < 180000
#define se_executor_run(query) \
	ExecutorRun(query, ForwardScanDirection, 0, true)
#else
#define se_executor_run(query) \
	ExecutorRun(query, ForwardScanDirection, 0)
#endif

/* 16 tells which indexes an update concerns, and finds a partition's row type. */
#include "access/tableam.h"
#include "executor/executor.h"
#if PG_VERSION_NUM < 160000
typedef bool SeUpdateIndexes;
#define SE_NO_INDEXES false
#define SE_ALL_INDEXES true
#define se_root_to_child_map(rel, estate) ((rel)->ri_RootToPartitionMap)
#define se_insert_index_tuples(rel, slot, estate, update, indexes) \
	list_free(ExecInsertIndexTuples(rel, slot, estate, update, false, NULL, \
									NIL))
#else
typedef TU_UpdateIndexes SeUpdateIndexes;
#define SE_NO_INDEXES TU_None
#define SE_ALL_INDEXES TU_All
#define se_root_to_child_map(rel, estate) ExecGetRootToChildMap(rel, estate)
#define se_insert_index_tuples(rel, slot, estate, update, indexes) \
	list_free(ExecInsertIndexTuples(rel, slot, estate, update, false, NULL, \
									NIL, (indexes) == TU_Summarizing))
#endif

/* 16 lets an input function report bad input without throwing. */
#if PG_VERSION_NUM < 160000
#include "fmgr.h"

static inline bool
se_input_function_call(FmgrInfo *flinfo, char *str, Oid ioparam, int32 typmod,
					   Datum *value, int *sqlstate, const char **message)
{
	*sqlstate = 0;
	*message = "";
	*value = InputFunctionCall(flinfo, str, ioparam, typmod);
	return true;
}
#else
#include "fmgr.h"
#include "nodes/miscnodes.h"

static inline bool
se_input_function_call(FmgrInfo *flinfo, char *str, Oid ioparam, int32 typmod,
					   Datum *value, int *sqlstate, const char **message)
{
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	escontext.details_wanted = true;
	if (InputFunctionCallSafe(flinfo, str, ioparam, typmod,
							  (Node *) &escontext, value))
		return true;
	*sqlstate = escontext.error_data->sqlerrcode;
	*message = escontext.error_data->message;
	return false;
}
#endif

#endif							/* SE_COMPAT_H */
