/*-------------------------------------------------------------------------
 *
 * stream_ext.c
 *	  Entry point of the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "api/api.h"
#include "guc.h"
#include "launcher/launcher.h"
#include "stats/stats.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	/*
	 * Without preloading there is no shared memory: functions then say so.
	 * The server itself must not start workers while pg_upgrade runs it.
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;
	se_guc_init();
	se_stats_init();
	se_api_hooks_init();
	se_api_ddl_init();
	if (!IsBinaryUpgrade)
		se_launcher_register();
}
