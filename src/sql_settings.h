/*-------------------------------------------------------------------------
 *
 * sql_settings.h
 *	  How our own SQL is written, read again and run: its settings, and names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_SQL_SETTINGS_H
#define SE_SQL_SETTINGS_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"

/*
 * Nothing but pg_catalog in the search_path, constants in one format.  Give
 * the result to se_sql_settings_end; an error ends them too.
 */
extern int	se_sql_settings_begin(void);
extern void se_sql_settings_end(int nestlevel);

/*
 * Analyses one statement that reads an ephemeral relation of that name and
 * row type; to be called between the two above.
 */
extern Query *se_sql_analyze(const char *sql, const char *relation,
							 TupleDesc desc, double rows);

/*
 * Runs one statement with the current user's rights, and makes what it changed
 * visible to the next one.
 */
extern void se_sql_execute(const char *sql);

/* schema.name of a relation that exists, quoted. */
extern char *se_sql_name(Oid relid);

#endif							/* SE_SQL_SETTINGS_H */
