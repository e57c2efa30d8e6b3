--
-- Streams go by stream.drop() and by whatever drops tables; nothing is left.
--
SET client_min_messages = warning;
CREATE VIEW leftovers AS
	SELECT 'relation' AS kind, c.oid::regclass::text AS name FROM pg_class c
	WHERE c.relkind IN ('r', 'v') AND c.relname ~ '^(s|agg|by_k|other)(_|$)'
	UNION ALL SELECT 'stream', stream::text FROM stream.catalog_streams
	UNION ALL SELECT 'partition', stream::text FROM stream.catalog_partitions
	UNION ALL SELECT 'view', view::text FROM stream.catalog_views;
CREATE PROCEDURE make(name text DEFAULT 's') LANGUAGE plpgsql AS $$
BEGIN
	PERFORM stream.create_stream(name, 'k int, v int');
	PERFORM stream.create_view('agg', format('SELECT k, avg(v) FROM %s GROUP BY k', name));
	PERFORM stream.create_view('by_k', format('SELECT k, count(*) FROM %s GROUP BY k', name));
	PERFORM stream.ingest(name, '{"k": 1, "v": 2}', 'rubbish');
END $$;

-- stream.drop: views first
CALL make();
SELECT stream.drop('s');
SELECT stream.drop('agg');
SELECT count(*) FROM stream.views;
SELECT stream.drop('s');
SELECT stream.drop('by_k');
SELECT stream.drop('s');
TABLE leftovers;

-- cascade
CALL make();
SELECT stream.drop('s', cascade => true);
TABLE leftovers;

-- what users built on it holds it, or goes with it
CALL make();
CREATE VIEW other AS SELECT count(*) FROM s;
CREATE VIEW other_2 AS SELECT count(*) FROM by_k;
SELECT stream.drop('by_k');
SELECT stream.drop('by_k', cascade => true);
SELECT stream.drop('agg');
SELECT stream.drop('s');
SELECT stream.drop('s', true);
TABLE leftovers;

-- DROP TABLE
CALL make();
DROP TABLE s;
DROP TABLE s CASCADE;
TABLE leftovers;

-- DROP VIEW of a view takes its state along, and the state holds the view
CALL make();
SELECT state AS agg_state FROM stream.get_views() WHERE name = 'agg'::regclass \gset
DROP TABLE :agg_state;
DROP VIEW agg;
SELECT to_regclass('agg_state');
SELECT name FROM stream.views;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
TABLE by_k;
-- what depends on the state is asked about, and a rollback brings both back
CREATE VIEW on_state AS SELECT * FROM by_k_state;
DROP VIEW by_k;
BEGIN;
SAVEPOINT before;
DROP VIEW by_k CASCADE;
SELECT to_regclass('by_k_state'), to_regclass('on_state');
ROLLBACK TO before;
DROP VIEW IF EXISTS no_such_view;
COMMIT;
TABLE by_k;
DROP VIEW on_state;
SELECT stream.drop('s', true);
TABLE leftovers;
CALL make();
SELECT state AS agg_state FROM stream.get_views() WHERE name = 'agg'::regclass \gset
DROP TABLE :agg_state CASCADE;
SELECT name FROM stream.views;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
SELECT stream.drop('s', true);
TABLE leftovers;

-- DROP SCHEMA
CREATE SCHEMA box;
SET search_path = box, public;
CALL make();
RESET search_path;
DROP SCHEMA box;
DROP SCHEMA box CASCADE;
TABLE leftovers;

-- view elsewhere
CREATE SCHEMA box;
CALL make();
SELECT stream.create_view('box.other', 'SELECT sum(v) FROM s');
DROP SCHEMA box CASCADE;
SELECT name FROM stream.views ORDER BY name::text;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
SELECT stream.drop('s', true);
TABLE leftovers;

-- DROP OWNED, and REASSIGN OWNED before it
CREATE ROLE regress_dropper;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO regress_dropper;
GRANT CREATE, USAGE ON SCHEMA public TO regress_dropper;
SET ROLE regress_dropper;
CALL make();
RESET ROLE;
DROP OWNED BY regress_dropper;
TABLE leftovers;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO regress_dropper;
GRANT CREATE, USAGE ON SCHEMA public TO regress_dropper;
SET ROLE regress_dropper;
CALL make();
RESET ROLE;
REASSIGN OWNED BY regress_dropper TO CURRENT_USER;
DROP OWNED BY regress_dropper;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
SELECT * FROM by_k;
SELECT stream.drop('s', true);
TABLE leftovers;
DROP ROLE regress_dropper;

-- two in one command, one in a transaction that is rolled back
CALL make();
SELECT stream.create_stream('s_2', 'a int');
BEGIN;
DROP TABLE s, s_2 CASCADE;
TABLE leftovers;
ROLLBACK;
SELECT stream FROM stream.status ORDER BY stream::text;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
TABLE by_k;
BEGIN;
SAVEPOINT a;
SELECT stream.drop('s', true);
ROLLBACK TO a;
SELECT stream.ingest('s', '{"k": 1, "v": 2}');
COMMIT;
TABLE by_k;
DROP TABLE s, s_2 CASCADE;
TABLE leftovers;

-- the name is free again, the new one starts anew
CALL make();
SELECT stream.drop('s', true);
SELECT stream.create_stream('s', 'a int');
SELECT count(*) FROM stream.partitions;
SELECT rows_total, dead_letters FROM stream.status;
SELECT stream.drop('s');

-- what is nobody's
SELECT stream.drop('no_such_stream');
SELECT stream.drop('pg_class');
SELECT stream.drop('leftovers');
DROP PROCEDURE make;
DROP VIEW leftovers;
