/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Follows DROP TABLE, DROP VIEW, DROP SCHEMA and DROP OWNED.
 *
 * Streams and views are ordinary relations, so users may drop them by any
 * means PostgreSQL has.  Our rows about them go in the same transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"

#include "../catalog/catalog.h"
#include "../launcher/launcher.h"
#include "../stats/stats.h"
#include "api.h"

static object_access_hook_type previous_hook = NULL;

static void
follow_drop(ObjectAccessType access, Oid classid, Oid objectid, int subid,
			void *arg)
{
	if (previous_hook)
		previous_hook(access, classid, objectid, subid, arg);
	if (access != OAT_DROP || classid != RelationRelationId || subid != 0 ||
		creating_extension || !OidIsValid(MyDatabaseId) ||
		IsBootstrapProcessingMode() || !se_catalog_exists())
		return;
	if (se_catalog_forget_relation(objectid))
	{
		se_launcher_announce(objectid);
		se_stats_forget(MyDatabaseId, objectid);
	}
}

void
se_api_hooks_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = follow_drop;
}
