--
-- Records that cannot be taken: dead letters, skipped, or the stream stops.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE FUNCTION text_of(bytea) RETURNS text LANGUAGE sql AS $$SELECT encode($1, 'escape')$$;

CREATE FUNCTION refuse_13(int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	IF $1 = 13 THEN RAISE 'thirteen is not welcome'; END IF;
	RETURN true;
END $$;
SELECT stream.create_stream('s', $$id int NOT NULL, price numeric(6,2) CONSTRAINT price_is_positive CHECK (price > 0),
	name varchar(5), at timestamptz, ratio int CHECK (100 / ratio > 0), other int CHECK (refuse_13(other)),
	CONSTRAINT sum_is_small CHECK (id + other < 1000)$$,
	event_time => 'at', fields => '{"other": "o"}');
SELECT stream.ingest('s',
	'{"id": 1, "price": 1, "name": "ok", "at": "2024-01-01Z", "ratio": 2, "o": 3}',
	'{"id": null, "at": "2024-01-01Z"}',
	'{"at": "2024-01-01Z"}',
	'{"id": 3, "at": null}',
	'{"id": 4}',
	'{"id": 5, "at": "infinity"}',
	'{"id": 6, "at": "2024-01-01Z", "price": 0}',
	'{"id": 7, "at": "2024-01-01Z", "price": 10000}',
	'{"id": 8, "at": "2024-01-01Z", "name": "too long"}',
	'{"id": 9999999999, "at": "2024-01-01Z"}',
	'{"id": "ten", "at": "2024-01-01Z"}',
	'{"id": 11, "at": "2024-01-01Z", "ratio": 0}',
	'{"id": 12, "at": "2024-01-01Z", "o": 13}',
	'{"id": 500, "at": "2024-01-01Z", "o": 500}',
	'{"id": 14, "at": "2024-01-01Z"',
	'{"id": 15, "at": "2024-01-01Z"} trailing',
	'{"id": 16, "at": "2024-01-01Z", "name": "\u0000"}',
	'',
	'{"id": 18, "at": "2024-13-01Z"}',
	'{"id": 19, "at": "2024-01-01Z", "ratio": null, "price": null}');
SELECT stream.ingest_records('s', ARRAY[
	(0, NULL, '2024-01-01Z', 'the key', '\x7b226964223a2032302c20226e616d65223a2022ff227d', '{"trace": "abc"}')]::stream.record[]);
SELECT id, price, name, ratio, other FROM s ORDER BY id;
SELECT "offset", sqlstate, message, column_name FROM s_dead_letters ORDER BY id;
SELECT "offset", text_of(payload) FROM s_dead_letters ORDER BY id;
SELECT topic, partition, "offset", "timestamp", key, text_of(payload) AS payload, headers, view_name,
	now() - failed_at < interval '1 hour' AS failed_just_now
FROM s_dead_letters ORDER BY id DESC LIMIT 1;
SELECT rows_total, dead_letters, error FROM stream.status;
-- all moved the offset
SELECT next_offset FROM stream.partitions;

-- the table is the user's
DELETE FROM s_dead_letters WHERE "offset" < 100;
INSERT INTO s_dead_letters (id, partition, "offset", sqlstate, message, failed_at) VALUES (1, 0, 0, '', '', now());
SELECT stream.drop('s');
SELECT to_regclass('s_dead_letters');

-- skip: counted, not kept
SELECT stream.create_stream('s', 'a int', on_error => 'skip');
SELECT stream.ingest('s', '{"a": 1}', 'rubbish', '{"a": 2}');
TABLE s;
SELECT count(*) FROM s_dead_letters;
SELECT next_offset FROM stream.partitions;
SELECT rows_total, dead_letters, error FROM stream.status;
SELECT stream.drop('s');

-- fail: nothing of the batch happened
SELECT stream.create_stream('s', 'a int NOT NULL CHECK (a < 10)', on_error => 'fail');
SELECT stream.create_view('v', 'SELECT count(*), sum(a) FROM s');
SELECT stream.ingest('s', '{"a": 1}', 'rubbish', '{"a": 2}');
SELECT stream.ingest('s', '{"a": 1}', '{"a": null}');
SELECT stream.ingest('s', '{"a": 1}', '{"a": 11}');
SELECT stream.ingest('s', '{"a": "x"}');
TABLE s;
TABLE v;
SELECT next_offset FROM stream.partitions;
SELECT stream.ingest('s', '{"a": 1}', '{"a": 2}');
TABLE v;
SELECT stream.drop('v'), stream.drop('s');

-- an error that is not a record's fault is the caller's, and nothing happened
CREATE FUNCTION needs_a_table(int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	PERFORM count(*) FROM no_such_table;
	RETURN true;
END $$;
SELECT stream.create_stream('s', 'a int CHECK (needs_a_table(a))');
SELECT stream.ingest('s', '{"a": 1}');
SELECT next_offset FROM stream.partitions;
SELECT stream.drop('s');

-- without its table for dead letters a stream takes no faulty record
SELECT stream.create_stream('s', 'a int');
DROP TABLE s_dead_letters;
SELECT stream.ingest('s', '{"a": 1}');
SELECT stream.ingest('s', '{"a": 2}', 'rubbish');
SELECT stream.retry_dead_letters('s');
SELECT next_offset FROM stream.partitions;
SELECT stream.drop('s');

-- it may be moved and renamed
SELECT stream.create_stream('s', 'a int');
CREATE SCHEMA hospital;
ALTER TABLE s_dead_letters SET SCHEMA hospital;
ALTER TABLE hospital.s_dead_letters RENAME TO "Patients";
SELECT stream.ingest('s', 'rubbish');
SELECT text_of(payload) FROM hospital."Patients";
SELECT stream.retry_dead_letters('s');
SELECT count(*) FROM hospital."Patients";
SELECT stream.drop('s');
SELECT to_regclass('hospital."Patients"');
DROP SCHEMA hospital;

-- a long message and an odd value do no harm
SELECT stream.create_stream('s', 'a int');
SELECT stream.ingest('s', format('{"a": "%s"}', repeat('äöü', 1000)), '{"a": "%s %n \\ \" ''"}');
SELECT length(message), left(message, 60) AS message, octet_length(payload) FROM s_dead_letters ORDER BY id;
SELECT message FROM s_dead_letters ORDER BY id DESC LIMIT 1;
SELECT stream.drop('s');
DROP FUNCTION refuse_13, needs_a_table, text_of;
