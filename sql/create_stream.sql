--
-- stream.create_stream(): every argument, every refusal.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER test_kafka FOREIGN DATA WRAPPER stream_kafka
	OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE FOREIGN DATA WRAPPER other_wrapper;
CREATE SERVER other_server FOREIGN DATA WRAPPER other_wrapper;
RESET client_min_messages;

-- the least that makes a stream, and what it consists of
SELECT stream.create_stream('clicks', 'user_id text, at timestamptz');
SELECT c.oid::regclass, c.relpersistence, c.relkind, c.reloptions
FROM pg_class c WHERE c.relname LIKE 'clicks%' AND c.relkind = 'r'
ORDER BY 1;
SELECT column_name, data_type, is_nullable, is_identity
FROM information_schema.columns WHERE table_name = 'clicks_dead_letters'
ORDER BY ordinal_position;
SELECT stream, dead_letters, server, topic, format, fields, event_time,
	watermark_delay, allowed_lateness, idle_timeout, startup_mode, on_error,
	workers, state, options, error, error_at
FROM stream.catalog_streams \gx
SELECT stream, state, workers, lag, watermark, rows_total, dead_letters,
	late_rows, error FROM stream.status;
SELECT stream.ingest('clicks', '{"user_id": "ann", "at": "2024-05-01T10:00:00Z"}');
TABLE clicks;
SELECT stream.drop('clicks');

-- every argument
SELECT stream.create_stream(
	name => 'all_of_it',
	columns => 'id bigint NOT NULL, price numeric(10,2) DEFAULT 1.50 CHECK (price > 0), at timestamptz, k text, CONSTRAINT id_or_k CHECK (id > 0 OR k IS NOT NULL)',
	server => 'test_kafka', topic => 'prices', format => 'json',
	fields => '{"price": "article.price", "k": "@key"}',
	event_time => 'at', watermark_delay => '5 s', allowed_lateness => '1 min',
	idle_timeout => '10 s', scan_startup_mode => 'latest', on_error => 'skip',
	workers => 3, paused => true,
	options => '{"batch_max_rows": 1000, "staging_max_rows": 5000}');
SELECT stream, dead_letters, server, topic, format, fields, event_time,
	watermark_delay, allowed_lateness, idle_timeout, startup_mode, on_error,
	workers, state, options
FROM stream.catalog_streams \gx
\d all_of_it
SELECT stream, state, workers, lag, lag_time, error FROM stream.status;
SELECT stream.drop('all_of_it');

-- where to start
SELECT stream.create_stream('s1', 'a int', server => 'test_kafka', topic => 't', paused => true,
	scan_startup_mode => 'timestamp', options => '{"scan_startup_timestamp": "2024-01-01 00:00:00+00"}');
SELECT stream.create_stream('s2', 'a int', server => 'test_kafka', topic => 't', paused => true,
	scan_startup_mode => 'specific-offsets', options => '{"scan_startup_offsets": {"0": 5, "3": 9000000000}}');
SELECT stream, partition, next_offset, high_watermark, lag, watermark, idle, last_record_at
FROM stream.partitions ORDER BY stream::text, partition;
SELECT stream.drop('s1'), stream.drop('s2');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'timestamp');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'timestamp',
	options => '{"scan_startup_timestamp": "some day"}');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'specific-offsets');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'specific-offsets',
	options => '{"scan_startup_offsets": {}}');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'specific-offsets',
	options => '{"scan_startup_offsets": {"zero": 5}}');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'specific-offsets',
	options => '{"scan_startup_offsets": 17}');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'earliest',
	options => '{"scan_startup_offsets": {"0": 5}}');
SELECT stream.create_stream('s', 'a int', scan_startup_mode => 'newest');

-- nulls
SELECT stream.create_stream(NULL, 'a int');
SELECT stream.create_stream('s', NULL);
SELECT stream.create_stream('s', 'a int', format => NULL);
SELECT stream.create_stream('s', 'a int', fields => NULL);
SELECT stream.create_stream('s', 'a int', allowed_lateness => NULL);
SELECT stream.create_stream('s', 'a int', idle_timeout => NULL);
SELECT stream.create_stream('s', 'a int', scan_startup_mode => NULL);
SELECT stream.create_stream('s', 'a int', on_error => NULL);
SELECT stream.create_stream('s', 'a int', workers => NULL);
SELECT stream.create_stream('s', 'a int', paused => NULL);
SELECT stream.create_stream('s', 'a int', options => NULL);

-- values that make no sense
SELECT stream.create_stream('s', 'a int', format => 'xml');
SELECT stream.create_stream('s', 'a int', on_error => 'ignore');
SELECT stream.create_stream('s', 'a int', workers => 0);
SELECT stream.create_stream('s', 'a int', workers => 1025);
SELECT stream.create_stream('s', 'a int', watermark_delay => '-1 s');
SELECT stream.create_stream('s', 'a int', watermark_delay => '1 month');
SELECT stream.create_stream('s', 'a int', allowed_lateness => '-1 day');
SELECT stream.create_stream('s', 'a int', idle_timeout => '1 year');
SELECT stream.create_stream('s', 'a int', event_time => 'b');
SELECT stream.create_stream('s', 'a int', event_time => 'a');
SELECT stream.create_stream('s', 'a int', event_time => 'ctid');
SELECT stream.create_stream('s', 'a int', fields => '["a"]');
SELECT stream.create_stream('s', 'a int', fields => '{"b": "x"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": true}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": {"b": "c"}}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": ""}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "b..c"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "@size"}');

-- server and topic
SELECT stream.create_stream('s', 'a int', server => 'test_kafka');
SELECT stream.create_stream('s', 'a int', topic => 't');
SELECT stream.create_stream('s', 'a int', server => 'no_such_server', topic => 't');
SELECT stream.create_stream('s', 'a int', server => 'other_server', topic => 't');

-- columns that a stream cannot have
SELECT stream.create_stream('s', '');
SELECT stream.create_stream('s', 'CHECK (1 > 0)');
SELECT stream.create_stream('s', 'a int, a text');
SELECT stream.create_stream('s', 'a no_such_type');
SELECT stream.create_stream('s', 'a int PRIMARY KEY');
SELECT stream.create_stream('s', 'a int UNIQUE');
SELECT stream.create_stream('s', 'a int, PRIMARY KEY (a)');
SELECT stream.create_stream('s', 'a int, UNIQUE (a)');
SELECT stream.create_stream('s', 'a int REFERENCES pg_class');
SELECT stream.create_stream('s', 'a int, FOREIGN KEY (a) REFERENCES pg_class');
SELECT stream.create_stream('s', 'a int, EXCLUDE (a WITH =)');
SELECT stream.create_stream('s', 'a int GENERATED ALWAYS AS IDENTITY');
SELECT stream.create_stream('s', 'a int, b int GENERATED ALWAYS AS (a + 1) STORED');
SELECT stream.create_stream('s', 'a serial');
SELECT stream.create_stream('s', 'a bigserial');
SELECT stream.create_stream('s', 'LIKE pg_class');
SELECT stream.create_stream('s', 'a int CHECK (b > 0)');
SELECT stream.create_stream('s', 'a int DEFAULT no_such_function()');
SELECT stream.create_stream('s', 'ctid int');

-- columns is not a way to run anything else
CREATE TABLE victim (a int);
SELECT stream.create_stream('s', 'a int); DROP TABLE victim; --');
SELECT stream.create_stream('s', 'a int); DROP TABLE victim; CREATE TABLE s2 (b int');
SELECT stream.create_stream('s', 'a int) INHERITS (victim');
SELECT stream.create_stream('s', 'a int) PARTITION BY RANGE (a');
SELECT stream.create_stream('s', 'a int) WITH (fillfactor = 10');
SELECT stream.create_stream('s', 'a int) USING heap WITH (fillfactor = 10');
SELECT stream.create_stream('s', 'a int) TABLESPACE pg_default --');
SELECT stream.create_stream('s', 'a int) /*');
SELECT stream.create_stream('s', 'a int /*');
SELECT stream.create_stream('s', 'a int -- a comment is one');
SELECT stream.create_stream('s2', 'a text DEFAULT $q$); DROP TABLE victim; --$q$');
SELECT stream.ingest('s2', '{}');
TABLE s2;
SELECT stream.drop('s2'), stream.drop('s');
SELECT count(*) FROM victim;
DROP TABLE victim;

-- names
SELECT stream.create_stream('', 'a int');
SELECT stream.create_stream('a b', 'a int');
SELECT stream.create_stream('no_such_schema.s', 'a int');
SELECT stream.create_stream('other_database.public.s', 'a int');
\set VERBOSITY terse
SELECT stream.create_stream('pg_temp.s', 'a int');
\set VERBOSITY default
SELECT stream.create_stream('pg_catalog.s', 'a int');
CREATE SCHEMA "My Schema";
SELECT stream.create_stream('"My Schema"."A ""quoted"" name"', '"My Column" int, "select" text',
	fields => '{"My Column": "\"a.b\""}', event_time => NULL);
SELECT stream.ingest('"My Schema"."A ""quoted"" name"', '{"a.b": 7, "select": "x"}', '{"a.b": "y"}');
TABLE "My Schema"."A ""quoted"" name";
SELECT message, column_name FROM "My Schema"."A ""quoted"" name_dead_letters";
SELECT stream, rows_total, dead_letters FROM stream.status;
SELECT stream.drop('"My Schema"."A ""quoted"" name"');
DROP SCHEMA "My Schema";
SELECT stream.create_stream('UpperCase', 'a int');
SELECT stream.create_stream('uppercase', 'a int');
SELECT stream.drop('uppercase');

-- search_path says where, as in CREATE TABLE
CREATE SCHEMA elsewhere;
CREATE DOMAIN elsewhere.positive AS int CHECK (value > 0);
SET search_path = elsewhere, public;
SELECT stream.create_stream('here', 'a positive');
RESET search_path;
SELECT stream FROM stream.status;
SELECT stream.ingest('elsewhere.here', '{"a": 1}', '{"a": 0}');
SELECT stream.drop('elsewhere.here');
DROP SCHEMA elsewhere CASCADE;

-- long names are cut as PostgreSQL cuts them
SELECT stream.create_stream('a_' || repeat('long_', 12) || 'x', 'a int');
SELECT c.relname FROM pg_class c WHERE c.relname LIKE 'a\_long%' AND c.relkind = 'r'
ORDER BY c.relname COLLATE "C";
SELECT stream.drop(('a_' || repeat('long_', 12) || 'x')::regclass);

-- what is there stays
CREATE TABLE taken_dead_letters (x int);
SELECT stream.create_stream('taken', 'a int');
DROP TABLE taken_dead_letters;
SELECT stream.create_stream('twice', 'a int');
SELECT stream.create_stream('twice', 'a int');
SELECT stream.drop('twice');

-- nothing is left
SELECT count(*) FROM stream.catalog_streams;
SELECT count(*) FROM stream.catalog_partitions;
SELECT relname FROM pg_class WHERE relname LIKE '%segment%' OR relname LIKE '%dead_letters%';
DROP SERVER test_kafka;
DROP SERVER other_server;
DROP FOREIGN DATA WRAPPER other_wrapper;
