--
-- DROP EXTENSION, and a new beginning.
--
SELECT stream.create_stream('s', 'k int, v int');
SELECT stream.create_view('plain', 'SELECT k, count(*) FROM s GROUP BY k');
SELECT stream.create_view('with_state', 'SELECT k, stddev(v) FROM s GROUP BY k');
CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
SELECT stream.ingest('s', '{"k": 1, "v": 1}', 'rubbish');

\set VERBOSITY terse
DROP EXTENSION stream_ext;
\set VERBOSITY default
BEGIN;
SET client_min_messages = warning;
DROP EXTENSION stream_ext CASCADE;
ROLLBACK;
SELECT stream.ingest('s', '{"k": 1, "v": 3}');
SELECT * FROM plain;
SELECT k, round(stddev, 3) FROM with_state;

SET client_min_messages = warning;
DROP EXTENSION stream_ext CASCADE;
RESET client_min_messages;
SELECT srvname FROM pg_foreign_server;
SELECT stream.create_stream('t', 'a int');
-- the tables are the user's
SELECT count(*) FROM s;
SELECT count(*) FROM s_dead_letters;
-- dropping anything does no harm without the extension
CREATE TABLE t (a int);
DROP TABLE t;

CREATE EXTENSION stream_ext;
SELECT count(*) FROM stream.status;
SELECT stream.ingest('s', '{"k": 1, "v": 1}');
SELECT stream.create_stream('s', 'k int');
SET client_min_messages = warning;
DROP TABLE s CASCADE;
DO $$
DECLARE
	rel regclass;
BEGIN
	FOR rel IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace LOOP
		RAISE WARNING 'left behind: %', rel;
		EXECUTE format('DROP TABLE %s CASCADE', rel);
	END LOOP;
END $$;
RESET client_min_messages;
SELECT stream.create_stream('s', 'k int');
SELECT stream.create_view('plain', 'SELECT k, count(*) FROM s GROUP BY k');
SELECT stream.ingest('s', '{"k": 1}');
SELECT * FROM plain;
SELECT stream.drop('s', true);

-- the schema's name is taken
DROP EXTENSION stream_ext;
SET client_min_messages = error;
DROP SCHEMA IF EXISTS stream;
CREATE SCHEMA stream;
CREATE TABLE stream.catalog_streams (x int);
CREATE EXTENSION stream_ext;
DROP SCHEMA stream CASCADE;
CREATE EXTENSION stream_ext;
SELECT count(*) FROM stream.status;

-- a schema of somebody else is not moved into
DROP EXTENSION stream_ext CASCADE;
DROP SCHEMA IF EXISTS stream;
CREATE ROLE regress_squatter;
CREATE SCHEMA stream AUTHORIZATION regress_squatter;
CREATE EXTENSION stream_ext;
DROP SCHEMA stream;
DROP ROLE regress_squatter;
CREATE EXTENSION stream_ext;

-- tables of another version: nothing is read into them, and nothing is written
SELECT stream.create_stream('s', 'k int');
SELECT stream.create_view('counted', 'SELECT k, count(*) FROM s GROUP BY k');
BEGIN;
ALTER TABLE stream.catalog_partitions RENAME TO newer;
ALTER TABLE stream.newer RENAME CONSTRAINT catalog_partitions_pkey TO newer_pkey;
CREATE TABLE stream.catalog_partitions (stream oid, partition int,
	CONSTRAINT catalog_partitions_pkey PRIMARY KEY (stream, partition));
INSERT INTO stream.catalog_partitions SELECT 's'::regclass, -1;
SELECT stream.ingest('s', '{"k": 1}');
ROLLBACK;
BEGIN;
ALTER TABLE stream.catalog_distinct ADD COLUMN news text;
SAVEPOINT a;
SELECT stream.ingest('s', '{"k": 1}');
ROLLBACK TO a;
SELECT stream.create_view('more', 'SELECT count(DISTINCT k) FROM s');
ROLLBACK TO a;
DROP VIEW counted;
ROLLBACK;
SELECT stream.ingest('s', '{"k": 1}');
SELECT * FROM counted;
SELECT stream.drop('s', true);

-- a stream that could not be looked for runs after the update
CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE PROCEDURE wait_for_workers(wanted int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		PERFORM pg_stat_clear_snapshot();
		IF wanted = (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
					AND backend_type = 'stream_ext worker') THEN
			RETURN;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'there were never % workers', wanted;
END $$;
SELECT stream.create_stream('s', 'k int', server => 'kafka', topic => 't');
CALL wait_for_workers(1);
SELECT stream.pause('s');
CALL wait_for_workers(0);
UPDATE stream.catalog_streams SET state = 'r';
SET client_min_messages = warning;
ALTER EXTENSION stream_ext UPDATE;
RESET client_min_messages;
CALL wait_for_workers(1);
SELECT stream.drop('s', true);
CALL wait_for_workers(0);
DROP PROCEDURE wait_for_workers;
DROP SERVER kafka;
