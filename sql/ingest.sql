--
-- stream.ingest() and stream.ingest_records(): batches by hand.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE FUNCTION positions(OUT stream regclass, OUT partition int, OUT next_offset bigint, OUT fed bool)
RETURNS SETOF record LANGUAGE sql AS
	'SELECT stream, partition, next_offset, last_record_at IS NOT NULL FROM stream.partitions ORDER BY stream::text, partition';

-- what is no stream
CREATE TABLE plain (a int);
SELECT stream.ingest('plain', '{}');
SELECT stream.ingest('no_such_table', '{}');
SELECT stream.ingest_records('plain', '{}');
DROP TABLE plain;

-- payloads are numbered on partition 0; nothing, NULL and no payload
SELECT stream.create_stream('s', 'a int, p int, o bigint, at timestamptz',
	fields => '{"p": "@partition", "o": "@offset", "at": "@timestamp"}');
SELECT stream.ingest('s', '{"a": 1}', '{"a": 2}');
SELECT stream.ingest('s', '{"a": 3}');
SELECT stream.ingest('s', VARIADIC '{}');
SELECT stream.ingest('s', VARIADIC NULL);
SELECT stream.ingest(NULL, '{"a": 4}');
SELECT stream.ingest('s', NULL, '{"a": 5}');
SELECT a, p, o FROM s ORDER BY o;
SELECT count(*) FROM s WHERE at <> now() AND at < now() - interval '1 hour';
SELECT * FROM positions();

-- records: partition and offset as given
SELECT stream.ingest_records('s', ARRAY[
	(1, 100, '2024-01-01Z', NULL, '{"a": 10}', NULL),
	(1, 101, '2024-01-02Z', NULL, '{"a": 11}', NULL),
	(0, NULL, NULL, NULL, '{"a": 12}', NULL),
	(1, NULL, NULL, NULL, '{"a": 13}', NULL),
	(NULL, NULL, NULL, NULL, '{"a": 14}', NULL),
	(7, NULL, NULL, NULL, '{"a": 15}', NULL)]::stream.record[]);
SELECT a, p, o, CASE WHEN at < '2024-02-01' THEN at END AS at FROM s WHERE a >= 10 ORDER BY a;
SELECT * FROM positions();

-- what lies below the stored offset was counted already; gaps are no loss
SELECT stream.ingest_records('s', ARRAY[
	(1, 101, NULL, NULL, '{"a": 20}', NULL), (1, 50, NULL, NULL, 'rubbish', NULL),
	(1, 200, NULL, NULL, '{"a": 21}', NULL), (1, 200, NULL, NULL, '{"a": 22}', NULL),
	(1, 199, NULL, NULL, '{"a": 23}', NULL)]::stream.record[]);
SELECT a, p, o FROM s WHERE a >= 20 ORDER BY a;
SELECT * FROM positions();
SELECT count(*) FROM s_dead_letters;

-- tombstones and what makes no row move the offset
SELECT stream.ingest_records('s', ARRAY[
	(2, 5, NULL, 'key', NULL, NULL), (2, 6, NULL, 'key', NULL, '{"h": "1"}')]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(3, 8, NULL, NULL, 'rubbish', NULL)]::stream.record[]);
SELECT * FROM positions();
SELECT stream.ingest_records('s', '{}'), stream.ingest_records('s', NULL);

-- what is no record
SELECT stream.ingest_records('s', ARRAY[NULL]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(-1, 1, NULL, NULL, '{}', NULL)]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(0, -1, NULL, NULL, '{}', NULL)]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(0, 9223372036854775807, NULL, NULL, '{}', NULL)]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(9, 9223372036854775806, NULL, NULL, '{"a": 99}', NULL)]::stream.record[]);
SELECT stream.ingest_records('s', ARRAY[(9, NULL, NULL, NULL, '{"a": 99}', NULL)]::stream.record[]);
SELECT partition, next_offset FROM stream.partitions WHERE partition = 9;
SELECT stream.drop('s');

-- key, headers, timestamp, value
SELECT stream.create_stream('m', 'n int, k text, kb bytea, ki int, h text, hb bytea, hn numeric, missing text DEFAULT ''no header'', at timestamp, raw jsonb, p bigint',
	fields => '{"k": "@key", "kb": "@key", "ki": "@headers.int", "h": "@headers.text", "hb": "@headers.text", "hn": "@headers.number", "missing": "@headers.optional", "at": "@timestamp", "raw": "@value", "p": "@partition"}');
SELECT stream.ingest_records('m', ARRAY[
	(0, NULL, '2024-03-01 12:00:00.5Z', 'key 1', '{"n": 1, "x": "y"}', '{"text": "h1", "int": "42", "number": 1.50, "optional": "given"}'),
	(1, NULL, '2024-03-01 12:00:01Z', '\x', '{"n": 2}', '{"text": "", "optional": null}'),
	(0, NULL, '2024-03-01 12:00:02Z', NULL, '{"n": 3}', NULL),
	(0, NULL, '2024-03-01 12:00:02Z', NULL, '{"n": 4}', '["no", "object"]'),
	(0, NULL, 'infinity', NULL, '{"n": 5}', NULL),
	(0, NULL, '2024-03-01 12:00:02Z', '\xff', '{"n": 6}', NULL),
	(0, NULL, '2024-03-01 12:00:02Z', '\x', '{"n": 7}', '{"int": "many", "text": {"a": [1]}}')]::stream.record[]);
SELECT * FROM m ORDER BY n;
SELECT sqlstate, message, column_name, partition, "offset", "timestamp", key, convert_from(payload, 'UTF8') AS payload, headers
FROM m_dead_letters ORDER BY id;
SELECT stream.drop('m');

-- the record's time is the event time unless a column is
SELECT stream.create_stream('e', 'at timestamptz, n int', event_time => 'at', watermark_delay => '0', fields => '{"at": "@timestamp"}');
SELECT stream.ingest_records('e', ARRAY[(0, NULL, '2024-03-01 12:00Z', NULL, '{"n": 1}', NULL)]::stream.record[]);
SELECT watermark FROM stream.partitions;
SELECT stream.drop('e');

-- partition and offset of a stream that reads Kafka are Kafka's
CREATE SERVER test_kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
SELECT stream.create_stream('k', 'a int, p int', server => 'test_kafka', topic => 't', paused => true, fields => '{"p": "@partition"}');
SELECT stream.ingest_records('k', ARRAY[(0, NULL, NULL, NULL, '{}', NULL)]::stream.record[]);
SELECT stream.ingest_records('k', ARRAY[(NULL, 5, NULL, NULL, '{}', NULL)]::stream.record[]);
SELECT stream.ingest('k', '{"a": 1}'), stream.ingest('k', '{"a": 2}');
SELECT * FROM k ORDER BY a;
SELECT * FROM positions();
SELECT state, lag FROM stream.status;
SELECT stream.drop('k');
DROP SERVER test_kafka;

-- a batch larger than a chunk, errors in several chunks
SELECT stream.create_stream('b', 'a int CHECK (a % 700 <> 0)');
SELECT stream.ingest('b', VARIADIC ARRAY(SELECT CASE WHEN i % 1000 = 999 THEN 'rubbish' ELSE format('{"a": %s}', i) END
	FROM generate_series(1, 5000) i));
SELECT count(*), min(a), max(a), sum(a) FROM b;
SELECT sqlstate, count(*), min("offset"), max("offset") FROM b_dead_letters GROUP BY 1 ORDER BY 1;
SELECT rows_total, dead_letters, batch_rows FROM stream.status;
SELECT stream.drop('b');
DROP FUNCTION positions;
