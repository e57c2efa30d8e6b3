--
-- What the extension puts into a database: nothing by accident.
--

-- the objects in it; arrays and row types are not listed before PostgreSQL 16
SELECT pg_describe_object(classid, objid, 0) AS object
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'stream_ext')
  AND NOT (classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t
			LEFT JOIN pg_class c ON c.oid = t.typrelid
			WHERE t.oid = objid AND (t.typelem <> 0 OR c.relkind <> 'c')))
ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- all in its own schema
SELECT p.oid::regprocedure
FROM pg_proc p
WHERE p.probin = '$libdir/stream_ext' AND p.pronamespace <> 'stream'::regnamespace;

-- each function, type, view, table and wrapper says what it is
SELECT p.oid::regprocedure AS without_comment
FROM pg_proc p
WHERE p.pronamespace = 'stream'::regnamespace
  AND p.proname NOT LIKE 'agg\_state\_%'
  AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass AS without_comment
FROM pg_class c
WHERE c.relnamespace = 'stream'::regnamespace AND c.relkind IN ('r', 'v')
  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT t.oid::regtype AS without_comment
FROM pg_type t
WHERE t.typnamespace = 'stream'::regnamespace AND t.typelem = 0
  AND t.typtype <> 'p'
  AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c
			WHERE c.oid = t.typrelid AND c.relkind = 'c'))
  AND obj_description(t.oid, 'pg_type') IS NULL;
SELECT fdwname FROM pg_foreign_data_wrapper
WHERE fdwname = 'stream_kafka'
  AND obj_description(oid, 'pg_foreign_data_wrapper') IS NULL;
SELECT obj_description(oid, 'pg_extension') FROM pg_extension
WHERE extname = 'stream_ext';

-- functions that anybody may run: those that look, and those that views and
-- types are made of
SELECT p.oid::regprocedure AS for_everybody
FROM pg_proc p
WHERE p.pronamespace = 'stream'::regnamespace
  AND has_function_privilege('pg_signal_backend', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- nobody else's rights are borrowed
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'stream'::regnamespace AND p.prosecdef;

-- tables and views that anybody may read; none that anybody may change
SELECT c.oid::regclass AS for_everybody,
	has_table_privilege('pg_signal_backend', c.oid, 'SELECT') AS can_read,
	has_table_privilege('pg_signal_backend', c.oid,
						'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS can_change
FROM pg_class c
WHERE c.relnamespace = 'stream'::regnamespace AND c.relkind IN ('r', 'v', 'S')
ORDER BY c.oid::regclass::text COLLATE "C";
SELECT has_schema_privilege('pg_signal_backend', 'stream', 'USAGE') AS usage,
	has_schema_privilege('pg_signal_backend', 'stream', 'CREATE') AS "create";
SELECT has_foreign_data_wrapper_privilege('pg_signal_backend', 'stream_kafka', 'USAGE') AS usage;

-- definitions and progress are dumped, and logged
SELECT c.oid::regclass, c.relpersistence, c.reloptions,
	c.oid = ANY (e.extconfig) AS dumped
FROM pg_class c, pg_extension e
WHERE e.extname = 'stream_ext' AND c.relnamespace = 'stream'::regnamespace
  AND c.relkind = 'r'
ORDER BY c.oid::regclass::text COLLATE "C";

-- the interface
SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments,
	pg_get_function_result(p.oid) AS result
FROM pg_proc p
WHERE p.pronamespace = 'stream'::regnamespace
  AND p.proname NOT LIKE 'agg\_state\_%'
ORDER BY p.proname COLLATE "C", 2;
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'stream'::regnamespace AND c.relkind IN ('v', 'c')
  AND a.attnum > 0
ORDER BY c.relname COLLATE "C", a.attnum;
