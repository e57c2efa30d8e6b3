/*-------------------------------------------------------------------------
 *
 * sql_settings.c
 *	  How our own SQL is written, read again and run: its settings, and names.
 *
 * plan/ deparses a view's query once; workers and later sessions parse what
 * it wrote.  Both do it under these settings, so that names and constants
 * mean the same whatever the role, the database or the session has set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"

#include "sql_settings.h"

int
se_sql_settings_begin(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] =
	{
		{"search_path", "pg_catalog, pg_temp"},
		{"datestyle", "ISO"},
		{"intervalstyle", "postgres"},
		{"extra_float_digits", "3"},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"array_nulls", "on"},
		{"quote_all_identifiers", "off"},
	};
	int			nestlevel = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i].name, settings[i].value,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

void
se_sql_settings_end(int nestlevel)
{
	AtEOXact_GUC(true, nestlevel);
}

Query *
se_sql_analyze(const char *sql, const char *relation, TupleDesc desc,
			   double rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	QueryEnvironment *env = create_queryEnv();
	Oid			params[] = {TIMESTAMPTZOID};
	List	   *raw;

	enr->md.name = unconstify(char *, relation);
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = rows;
	register_ENR(env, enr);

	raw = raw_parser(sql, RAW_PARSE_DEFAULT);
	return parse_analyze_fixedparams(linitial_node(RawStmt, raw), sql,
									 params, lengthof(params), env);
}

void
se_sql_execute(const char *sql)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", sql);
	SPI_finish();
	CommandCounterIncrement();
}

char *
se_sql_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}
