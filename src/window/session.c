/*-------------------------------------------------------------------------
 *
 * session.c
 *	  stream.session, which only continuous views can answer.
 *
 * The session that a row is in depends on other rows, so there is nothing to
 * compute from its time alone: plan/ replaces the call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_FUNCTION_INFO_V1(se_sql_session);

/* stream.session(ts, gap) */
Datum
se_sql_session(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("stream.session works in continuous views only"),
			 errdetail("The session that a row is in depends on the rows around it."),
			 errhint("Over a table, use window functions: count the rows whose distance to lag(ts) is greater than the gap.")));
}
