--
-- Who may define, feed, look at and operate streams.
--
SET client_min_messages = warning;
CREATE ROLE regress_owner LOGIN;
CREATE ROLE regress_member IN ROLE regress_owner;
CREATE ROLE regress_other;
CREATE ROLE regress_reader;
CREATE ROLE regress_monitor IN ROLE pg_monitor;
CREATE SCHEMA play AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA play TO PUBLIC;
CREATE SERVER test_kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
RESET client_min_messages;

-- without EXECUTE nothing is defined or changed
SET ROLE regress_owner;
SELECT stream.create_stream('play.s', 'k int, v int');
SELECT stream.create_view('play.v', 'SELECT count(*) FROM play.s');
SELECT stream.drop('pg_class');
SELECT stream.ingest('pg_class', '{}');
SELECT stream.ingest_records('pg_class', '{}');
SELECT stream.pause('pg_class');
SELECT stream.resume('pg_class');
SELECT stream.seek('pg_class', '{}');
SELECT stream.wait('pg_class');
SELECT stream.retry_dead_letters('pg_class');
SELECT stream.test_connection('test_kafka');
-- looking is free
SELECT count(*) FROM stream.status;
SELECT count(*) FROM stream.partitions;
SELECT count(*) FROM stream.views;
SELECT count(*) FROM stream.dashboard();
-- the tables behind it are not
SELECT count(*) FROM stream.catalog_streams;
SELECT count(*) FROM stream.catalog_partitions;
SELECT count(*) FROM stream.catalog_views;
RESET ROLE;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO regress_owner, regress_other;

-- the right to read from a server is USAGE on it
SET ROLE regress_owner;
SELECT stream.create_stream('play.k', 'a int', server => 'test_kafka', topic => 't', paused => true);
SELECT stream.test_connection('test_kafka');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER test_kafka TO regress_owner;
SET ROLE regress_owner;
SELECT stream.create_stream('play.k', 'a int', server => 'test_kafka', topic => 't', paused => true);
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER test_kafka FROM regress_owner;
SET ROLE regress_owner;
SELECT stream.resume('play.k');
SELECT stream.drop('play.k');

-- a schema in which the caller may create
SELECT stream.create_stream('pg_catalog.s', 'a int');
SELECT stream.create_stream('stream.s', 'a int');

-- the caller owns what is made
SELECT stream.create_stream('play.s', 'k int, v int', paused => true);
SELECT stream.create_view('play.v', 'SELECT k, count(*), sum(v) FROM play.s GROUP BY k');
SELECT stream.ingest('play.s', '{"k": 1, "v": 1}', 'rubbish');
RESET ROLE;
SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'play'::regnamespace;
SELECT relname, relacl FROM pg_class WHERE relnamespace = 'play'::regnamespace AND relacl IS NOT NULL;

-- somebody else may do nothing with it
SET ROLE regress_other;
SELECT stream.ingest('play.s', '{"k": 1}');
SELECT stream.ingest_records('play.s', '{}');
SELECT stream.pause('play.s');
SELECT stream.resume('play.s');
SELECT stream.seek('play.s', '{"0": 0}');
SELECT stream.wait('play.s');
SELECT stream.retry_dead_letters('play.s');
SELECT stream.drop('play.s');
SELECT stream.drop('play.v');
SELECT stream.create_view('mine', 'SELECT count(*) FROM play.s');
SELECT * FROM play.s;
SELECT * FROM play.v;
SELECT * FROM play.s_dead_letters;
-- nor see it
SELECT count(*) FROM stream.status;
SELECT count(*) FROM stream.partitions;
SELECT count(*) FROM stream.views;
RESET ROLE;

-- who may select from a stream sees it, and no more
GRANT SELECT ON play.s, play.v TO regress_reader;
SET ROLE regress_reader;
SELECT k, v FROM play.s;
SELECT * FROM play.v;
SELECT stream, state FROM stream.status;
SELECT stream, partition FROM stream.partitions;
SELECT name, stream FROM stream.views;
SELECT stream.pause('play.s');
RESET ROLE;
SET ROLE regress_monitor;
SELECT stream FROM stream.status;
SELECT * FROM play.v;
RESET ROLE;

-- who may insert feeds it, with the owner's rights: the views count
GRANT INSERT ON play.s TO regress_other;
SET ROLE regress_other;
SELECT stream.ingest('play.s', '{"k": 1, "v": 10}', 'more rubbish');
SELECT current_user;
SELECT stream.retry_dead_letters('play.s');
RESET ROLE;
SELECT * FROM play.v;
SELECT count(*) FROM play.s_dead_letters;

-- members of the owner may operate it
SET ROLE regress_member;
SELECT stream.pause('play.s');
RESET ROLE;
GRANT EXECUTE ON FUNCTION stream.pause(regclass), stream.resume(regclass) TO regress_member;
SET ROLE regress_member;
SELECT stream.pause('play.s'), stream.resume('play.s');
RESET ROLE;

-- functions in views and checks run as the owner, not as who feeds
CREATE FUNCTION play.note(int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	RAISE NOTICE 'runs as %', current_user;
	RETURN $1;
END $$;
SET ROLE regress_owner;
SELECT stream.create_view('play.noted', 'SELECT sum(play.note(v)) FROM play.s');
RESET ROLE;
SET ROLE regress_other;
SELECT stream.ingest('play.s', '{"k": 2, "v": 3}');
RESET ROLE;
-- ... even when a superuser feeds
SELECT stream.ingest('play.s', '{"k": 2, "v": 3}');
-- ... and they cannot take the session over
CREATE FUNCTION play.escape(int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM set_config('role', 'none', false);
	RETURN $1;
END $$;
SELECT stream.drop('play.noted');
SET ROLE regress_owner;
SELECT stream.create_view('play.escaped', 'SELECT sum(play.escape(v)) FROM play.s');
RESET ROLE;
\set VERBOSITY terse
SELECT stream.ingest('play.s', '{"k": 2, "v": 3}');
\set VERBOSITY default
SELECT current_user = session_user AS myself;
SELECT stream.drop('play.escaped');

-- a superuser's view over somebody's stream is the stream's owner's, from the
-- first use of its functions on
SELECT stream.create_view('play.by_superuser', 'SELECT count(*), sum(play.note(1)) FROM play.s');
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'play.by_superuser'::regclass;
SET ROLE regress_owner;
SELECT stream.ingest('play.s', '{"k": 3, "v": 3}');
RESET ROLE;
SELECT * FROM play.by_superuser;
SELECT stream.drop('play.by_superuser');

-- what the owner may not read, its views cannot
CREATE TABLE secret (k int, name text);
INSERT INTO secret VALUES (1, 'x');
SET ROLE regress_owner;
SELECT stream.create_view('play.told', 'SELECT secret.name, count(*) FROM play.s JOIN public.secret ON secret.k = s.k GROUP BY 1');
RESET ROLE;
GRANT SELECT ON secret TO regress_owner;
SET ROLE regress_owner;
SELECT stream.create_view('play.told', 'SELECT secret.name, count(*) FROM play.s JOIN public.secret ON secret.k = s.k GROUP BY 1');
SELECT stream.ingest('play.s', '{"k": 1, "v": 1}');
RESET ROLE;
REVOKE SELECT ON secret FROM regress_owner;
SET ROLE regress_owner;
SELECT stream.ingest('play.s', '{"k": 1, "v": 1}');
SELECT * FROM play.told;
RESET ROLE;

-- a new owner takes over, with his own rights on what the views join
ALTER TABLE play.s OWNER TO regress_other;
SET ROLE regress_owner;
SELECT stream.pause('play.s');
RESET ROLE;
\set VERBOSITY terse
SELECT stream.ingest('play.s', '{"k": 1, "v": 1}');
\set VERBOSITY default
-- ... or the heir of all
ALTER TABLE play.s OWNER TO regress_owner;
DROP VIEW play.told;
SET client_min_messages = warning;
GRANT CREATE ON SCHEMA play TO regress_other;
REASSIGN OWNED BY regress_owner TO regress_other;
RESET client_min_messages;
SET ROLE regress_other;
SELECT stream.ingest('play.s', '{"k": 1, "v": 1}', 'rubbish');
RESET ROLE;

-- the rights of readers of the ready view are those of PostgreSQL's views
SET ROLE regress_reader;
SELECT count(*) FROM play.v;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA play CASCADE;
DROP TABLE secret;
DROP SERVER test_kafka;
DROP OWNED BY regress_owner, regress_member, regress_other, regress_reader, regress_monitor;
DROP ROLE regress_owner, regress_member, regress_other, regress_reader, regress_monitor;
