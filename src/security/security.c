/*-------------------------------------------------------------------------
 *
 * security.c
 *	  Privilege checks, and the options of a connection.
 *
 * Connections are foreign servers, secrets are user mappings: the right to
 * read from a broker is USAGE on its server, granted by PostgreSQL's own
 * GRANT.  Secrets are read here, passed to the source and never shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "../compat.h"
#include "security.h"

Oid
se_security_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
se_security_require_owner(Oid stream)
{
	if (!se_owns_relation(stream, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of stream \"%s\"",
						get_rel_name(stream))));
}

void
se_security_require_insert(Oid stream)
{
	AclResult	acl = pg_class_aclcheck(stream, GetUserId(), ACL_INSERT);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, get_rel_name(stream));
}

bool
se_security_is_kafka(Oid server)
{
	ForeignServer *s = GetForeignServer(server);
	ForeignDataWrapper *fdw = GetForeignDataWrapper(s->fdwid);

	return strcmp(fdw->fdwname, "stream_kafka") == 0;
}

Oid
se_security_require_server(const char *server, Oid role)
{
	ForeignServer *s = GetForeignServerByName(server, false);
	AclResult	acl = se_object_aclcheck(ForeignServerRelationId,
										 s->serverid, role, ACL_USAGE);

	if (acl != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign server %s", server),
				 errhint("GRANT USAGE ON FOREIGN SERVER %s TO %s;", server,
						 GetUserNameFromId(role, false))));
	if (!se_security_is_kafka(s->serverid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a Kafka server", server),
				 errhint("Make one with CREATE SERVER ... FOREIGN DATA WRAPPER stream_kafka.")));
	return s->serverid;
}

/* Options of the user mapping of role, or else of PUBLIC. */
static List *
mapping_options(Oid server, Oid role)
{
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;
	List	   *list = NIL;

	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role),
							ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
								ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							  Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		list = untransformRelOptions(options);
	ReleaseSysCache(tuple);
	return list;
}

List *
se_security_connection(const char *server, Oid role)
{
	Oid			serverid = se_security_require_server(server, role);
	ForeignServer *s = GetForeignServer(serverid);

	return list_concat_copy(s->options, mapping_options(serverid, role));
}

void
se_security_become(Oid role, SeIdentity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->context);
	SetUserIdAndSecContext(role,
						   saved->context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

void
se_security_restore(const SeIdentity *saved)
{
	SetUserIdAndSecContext(saved->userid, saved->context);
}
