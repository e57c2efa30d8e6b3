/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of the SQL functions for windows; private to window/.
 *
 * They are not declared STRICT: the last argument is a time zone, which may be
 * null.  Those for timestamp do not have it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_WINDOW_ARGUMENTS_H
#define SE_WINDOW_ARGUMENTS_H

#include "fmgr.h"
#include "utils/builtins.h"

#include "window.h"

/* Of the first n. */
static inline bool
any_null(FunctionCallInfo fcinfo, int n)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(i))
			return true;
	return false;
}

static inline bool
has_zone(FunctionCallInfo fcinfo, int argno)
{
	return PG_NARGS() > argno && !PG_ARGISNULL(argno);
}

static inline pg_tz *
zone_argument(FunctionCallInfo fcinfo, int argno)
{
	return has_zone(fcinfo, argno) ?
		se_window_zone(text_to_cstring(PG_GETARG_TEXT_PP(argno))) : NULL;
}

#endif							/* SE_WINDOW_ARGUMENTS_H */
