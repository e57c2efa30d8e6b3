--
-- What is rolled back has not happened.
--
SET timezone = 'UTC';
-- definitions
BEGIN;
SELECT stream.create_stream('s', 'a int');
SELECT stream.create_view('v', 'SELECT count(*) FROM s');
SELECT stream.ingest('s', '{"a": 1}');
TABLE v;
ROLLBACK;
SELECT to_regclass('s'), to_regclass('v'), to_regclass('s_dead_letters');
SELECT count(*) FROM stream.catalog_streams;
SELECT count(*) FROM stream.catalog_partitions;
SELECT count(*) FROM stream.catalog_views;

-- batches
SELECT stream.create_stream('s', 'a int', watermark_delay => '0');
SELECT stream.create_view('v', 'SELECT a, count(*) FROM s GROUP BY a');
SELECT stream.ingest('s', '{"a": 1}', 'rubbish');
SELECT count(*) AS staged FROM s;
SELECT rows_total, dead_letters FROM stream.status;
SELECT watermark AS before FROM stream.partitions \gset
BEGIN;
SELECT stream.ingest('s', '{"a": 1}', '{"a": 2}', 'rubbish');
SELECT * FROM v ORDER BY a;
SELECT next_offset FROM stream.partitions;
ROLLBACK;
SELECT * FROM v ORDER BY a;
SELECT count(*) FROM s;
SELECT count(*) FROM s_dead_letters;
SELECT next_offset, watermark = :'before' AS same_watermark FROM stream.partitions;

-- savepoints
BEGIN;
SELECT stream.ingest('s', '{"a": 10}');
SAVEPOINT one;
SELECT stream.ingest('s', '{"a": 11}');
ROLLBACK TO one;
SELECT stream.ingest('s', '{"a": 12}', 'rubbish');
SAVEPOINT two;
SELECT stream.ingest('s', '{"a": 13}');
RELEASE two;
COMMIT;
SELECT * FROM v ORDER BY a;
SELECT a FROM s ORDER BY a;
SELECT next_offset FROM stream.partitions;

-- several batches in a transaction, with what the first one did
BEGIN;
SELECT stream.ingest('s', '{"a": 20}', '{"a": 20}');
SELECT stream.ingest('s', '{"a": 20}', '{"a": 21}');
SELECT * FROM v WHERE a >= 20 ORDER BY a;
COMMIT;
SELECT * FROM v WHERE a >= 20 ORDER BY a;

-- an error later on takes the batch along
BEGIN;
SELECT stream.ingest('s', '{"a": 30}');
SELECT 1 / 0;
COMMIT;
SELECT * FROM v WHERE a >= 30;

-- DDL and batches in one transaction
BEGIN;
ALTER TABLE s ADD COLUMN b int;
SELECT stream.ingest('s', '{"a": 40, "b": 4}');
SELECT stream.create_view('w', 'SELECT sum(b) FROM s');
SELECT stream.ingest('s', '{"a": 41, "b": 5}');
TABLE w;
ROLLBACK;
SELECT stream.ingest('s', '{"a": 42, "b": 5}');
SELECT * FROM v WHERE a >= 40;

-- from a function, in a query, many times
CREATE FUNCTION twice(int) RETURNS bigint LANGUAGE sql AS
	$$SELECT stream.ingest('s', format('{"a": %s}', $1), format('{"a": %s}', $1))$$;
SELECT twice(50), twice(50);
SELECT sum(twice(60 + i)) FROM generate_series(1, 3) i;
SELECT * FROM v WHERE a >= 50 ORDER BY a;
DROP FUNCTION twice;

-- other isolation levels, read only, and no transaction block
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM v;
SELECT stream.ingest('s', '{"a": 70}');
SELECT stream.ingest('s', '{"a": 70}');
SELECT * FROM v WHERE a = 70;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT stream.ingest('s', '{"a": 70}');
COMMIT;
SELECT * FROM v WHERE a = 70;
\set VERBOSITY terse
BEGIN READ ONLY;
SELECT stream.ingest('s', '{"a": 80}');
ROLLBACK;
\set VERBOSITY default
BEGIN READ ONLY;
SELECT stream.pause('s');
ROLLBACK;
SELECT * FROM v WHERE a = 80;

SELECT stream.drop('s', true);
SELECT count(*) FROM stream.catalog_partitions;
