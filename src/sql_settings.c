/*-------------------------------------------------------------------------
 *
 * sql_settings.c
 *	  Settings under which our own SQL is written and read again.
 *
 * plan/ deparses a view's query once; workers and later sessions parse what
 * it wrote.  Both do it under these settings, so that names and constants
 * mean the same whatever the role, the database or the session has set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/guc.h"
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
