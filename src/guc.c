/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The extension's settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "guc.h"

bool		se_guc_enabled = true;
bool		se_guc_synchronous_commit = false;
int			se_guc_max_workers = 16;
int			se_guc_max_partitions = 4096;
int			se_guc_commits_per_second = 200;
int			se_guc_fetch_memory_kb = 64 * 1024;
int			se_guc_discovery_interval_ms = 10000;
int			se_guc_work_mem_kb = 32 * 1024;
int			se_guc_direct_merge_groups = 1000;
int			se_guc_part_groups = 4000;
int			se_guc_locator_memory_kb = 128 * 1024;

void
se_guc_init(void)
{
	DefineCustomBoolVariable("stream_ext.enabled",
							 "Runs the streams' workers.",
							 "Off stops all workers of the server; their streams go on where they were when it is on again.",
							 &se_guc_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("stream_ext.synchronous_commit",
							 "Makes workers wait until their commits are on disk.",
							 "Off, a crash may undo the last transactions; Kafka still has their records and they are applied again.",
							 &se_guc_synchronous_commit, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.max_workers",
							"Most worker processes that all streams of the server may have at a time.",
							"Each also counts against max_worker_processes.",
							&se_guc_max_workers, 16, 1, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.max_partitions",
							"Most partitions whose progress can be watched at a time.",
							NULL,
							&se_guc_max_partitions, 4096, 16, 1000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.commits_per_second",
							"Most transactions a worker commits per second.",
							"A record that comes after a pause is handled at once; a steady trickle shares transactions.",
							&se_guc_commits_per_second, 200, 1, 100000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.fetch_memory",
							"Memory a worker may fill with records fetched ahead.",
							"Takes effect when the worker starts.",
							&se_guc_fetch_memory_kb, 64 * 1024, 4 * 1024, INT_MAX / 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.discovery_interval",
							"How often a worker looks for new partitions of its topic.",
							NULL,
							&se_guc_discovery_interval_ms, 10000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.work_mem",
							"Memory that a sort or hash table of a worker may use before it goes to disk.",
							"It takes the place of work_mem, unless that is set for the stream's owner or the database.",
							&se_guc_work_mem_kb, 32 * 1024, 64, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.locator_memory",
							"Memory in which a worker may remember where the rows of groups are.",
							"Views with many groups use 11 to 23 bytes of it per group; without it each group is looked for in the index.",
							&se_guc_locator_memory_kb, 128 * 1024, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.direct_merge_groups",
							"How many groups of a batch are merged without ON CONFLICT, if a worker is alone.",
							"For tests.",
							&se_guc_direct_merge_groups, 1000, 1, INT_MAX,
							PGC_USERSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							NULL, NULL, NULL);

	DefineCustomIntVariable("stream_ext.part_groups",
							"How many groups a part of a batch has that is split.",
							"For tests.",
							&se_guc_part_groups, 4000, 1, INT_MAX,
							PGC_USERSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("stream_ext");
}
