--
-- pause, resume, seek, wait, test_connection.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER test_kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE TABLE plain (a int);

SELECT stream.create_stream('s', 'a int');
SELECT state FROM stream.status;
SELECT stream.pause('s');
SELECT state FROM stream.status;
SELECT stream.pause('s');
-- a paused stream reads nothing from Kafka; by hand it can be fed
SELECT stream.ingest('s', '{"a": 1}');
SELECT stream.resume('s');
SELECT stream.resume('s');
SELECT state FROM stream.status;

-- what is no stream
SELECT stream.pause('plain');
SELECT stream.resume('plain');
SELECT stream.seek('plain', '{"0": 1}');
SELECT stream.wait('plain');
SELECT stream.drop('plain');
SELECT stream.pause('nothing');
SELECT stream.pause(0);
SELECT stream.pause(NULL) IS NULL AS null;

-- seek
SELECT stream.seek('s', '{"0": 5}');
SELECT stream.pause('s');
SELECT stream.seek('s', '{"0": 5, "3": "7"}');
SELECT partition, next_offset FROM stream.partitions ORDER BY 1;
SELECT stream.ingest_records('s', ARRAY[(0, 4, NULL, NULL, '{"a": 2}', NULL), (0, 5, NULL, NULL, '{"a": 3}', NULL), (3, NULL, NULL, NULL, '{"a": 4}', NULL)]::stream.record[]);
SELECT partition, next_offset FROM stream.partitions ORDER BY 1;
SELECT a FROM s ORDER BY a;
SELECT stream.seek('s', '{"0": 0}');
SELECT partition, next_offset FROM stream.partitions ORDER BY 1;
SELECT stream.seek('s', '{}');
SELECT stream.seek('s', '[]');
SELECT stream.seek('s', '5');
SELECT stream.seek('s', 'null');
SELECT stream.seek('s', '{"zero": 5}');
SELECT stream.seek('s', '{"": 5}');
SELECT stream.seek('s', '{"-1": 5}');
SELECT stream.seek('s', '{"2147483648": 5}');
SELECT stream.seek('s', '{"0": -1}');
SELECT stream.seek('s', '{"0": 1.5}');
SELECT stream.seek('s', '{"0": "end"}');
SELECT stream.seek('s', '{"0": ""}');
SELECT stream.seek('s', '{"0": null}');
SELECT stream.seek('s', '{"0": true}');
SELECT stream.seek('s', '{"0": {"offset": 1}}');
SELECT stream.seek('s', '{"0": 99999999999999999999}');
SELECT stream.seek('s', '{"0": 9223372036854775807}');
SELECT stream.seek('s', '"soon"');
SELECT partition, next_offset FROM stream.partitions ORDER BY 1;
SELECT stream.seek('s', '"earliest"');
SELECT count(*) FROM stream.partitions;
SELECT startup_mode, options FROM stream.catalog_streams;
SELECT stream.seek('s', '"2024-01-01 00:00:00+00"');
SELECT startup_mode, options FROM stream.catalog_streams;
SELECT stream.seek('s', '"latest"');
SELECT startup_mode FROM stream.catalog_streams;
-- a seek that is rolled back did not happen
BEGIN;
SELECT stream.seek('s', '{"0": 77}');
ROLLBACK;
SELECT count(*) FROM stream.partitions;

-- wait: nothing to wait for without a server
SELECT stream.wait('s');
SELECT stream.wait('s', '0');
SELECT stream.drop('s');
-- nobody answers at port 1
SELECT stream.create_stream('k', 'a int', server => 'test_kafka', topic => 't', paused => true);
\set VERBOSITY sqlstate
SELECT stream.wait('k', '0.2 s');
\set VERBOSITY default
SELECT state, lag, error FROM stream.status;
SELECT stream.test_connection('no_such_server');
-- resume and pause are transactional, too
BEGIN;
SELECT stream.resume('k');
ROLLBACK;
SELECT state FROM stream.status;
BEGIN;
SAVEPOINT a;
SELECT stream.resume('k');
ROLLBACK TO a;
COMMIT;
SELECT state FROM stream.status;
-- the server stays as long as a stream needs it
DROP SERVER test_kafka;
SELECT stream.drop('k');
DROP SERVER test_kafka;
DROP TABLE plain;
