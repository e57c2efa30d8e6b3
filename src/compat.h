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

/* 17 lets a background worker run as a role that may not log in. */
#if PG_VERSION_NUM < 170000
#define SE_WORKER_CONNECT_FLAGS 0
#else
#define SE_WORKER_CONNECT_FLAGS BGWORKER_BYPASS_ROLELOGINCHECK
#endif

#endif							/* SE_COMPAT_H */
