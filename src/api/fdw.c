/*-------------------------------------------------------------------------
 *
 * fdw.c
 *	  The foreign-data wrapper stream_kafka: checks the options of servers
 *	  and user mappings.  It has no handler: there are no foreign tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "fmgr.h"

#include "../source/source.h"

PG_FUNCTION_INFO_V1(se_sql_kafka_validator);

Datum
se_sql_kafka_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (catalog == ForeignServerRelationId)
		se_source_kafka_check_options(options, false);
	else if (catalog == UserMappingRelationId)
		se_source_kafka_check_options(options, true);
	else if (options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options belong to a server or a user mapping"),
				 errhint("CREATE SERVER ... FOREIGN DATA WRAPPER stream_kafka OPTIONS (\"bootstrap.servers\" 'host:9092').")));
	PG_RETURN_VOID();
}
