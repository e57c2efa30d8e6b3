/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The extension's settings, as SHOW and postgresql.conf know them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_GUC_H
#define SE_GUC_H

extern bool se_guc_enabled;
extern bool se_guc_synchronous_commit;
extern int	se_guc_max_workers;
extern int	se_guc_max_partitions;
extern int	se_guc_commits_per_second;
extern int	se_guc_fetch_memory_kb;
extern int	se_guc_discovery_interval_ms;
extern int	se_guc_work_mem_kb;
extern int	se_guc_direct_merge_groups;
extern int	se_guc_part_groups;
extern int	se_guc_locator_memory_kb;

extern void se_guc_init(void);

#endif							/* SE_GUC_H */
