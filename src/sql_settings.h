/*-------------------------------------------------------------------------
 *
 * sql_settings.h
 *	  Settings under which our own SQL is written and read again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_SQL_SETTINGS_H
#define SE_SQL_SETTINGS_H

/*
 * Nothing but pg_catalog in the search_path, constants in one format.  Give
 * the result to se_sql_settings_end; an error ends them too.
 */
extern int	se_sql_settings_begin(void);
extern void se_sql_settings_end(int nestlevel);

#endif							/* SE_SQL_SETTINGS_H */
