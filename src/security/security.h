/*-------------------------------------------------------------------------
 *
 * security.h
 *	  Who may do what.
 *
 * Every check raises an error.  A stream belongs to the owner of its staging
 * table: only members of that role may change it, and all its work runs with
 * that role's rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_SECURITY_H
#define SE_SECURITY_H

#include "nodes/pg_list.h"

extern void se_security_require_owner(Oid stream);

/* May role read from this server?  Returns the server's OID. */
extern Oid	se_security_require_server(const char *server, Oid role);

/* May the current user insert into the stream by hand? */
extern void se_security_require_insert(Oid stream);

/*
 * Options to connect with: the server's and those of the user mapping of
 * role (or of PUBLIC), as DefElems with String values.  Checks USAGE.
 */
extern List *se_security_connection(const char *server, Oid role);

/* Is the server one of stream_kafka's? */
extern bool se_security_is_kafka(Oid server);

/* Runs as role until se_security_restore(); restored by abort, too. */
typedef struct SeIdentity
{
	Oid			userid;
	int			context;
} SeIdentity;

extern void se_security_become(Oid role, SeIdentity *saved);
extern void se_security_restore(const SeIdentity *saved);
extern Oid	se_security_owner(Oid relid);

#endif							/* SE_SECURITY_H */
