--
-- Backfill: what a view that is made later starts with.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- every kind of view equals one that was there from the beginning
SELECT stream.create_stream('s', $$at timestamptz, k text, v int, gone text, big text DEFAULT 'none'$$, event_time => 'at',
	options => '{"batch_max_rows": 70}');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
	('total', 'SELECT count(*) AS n, sum(v) AS total, avg(v) AS mean FROM s'),
	('by_key', 'SELECT k, count(*) AS n, stddev(v) AS deviation, max(length(big)) AS longest FROM s GROUP BY k HAVING count(*) > 2'),
	('tumbling', $$SELECT window_start, k, count(*) AS n, avg(v) AS mean FROM s, stream.tumble(at, '10 s') GROUP BY 1, 2$$),
	('hopping', $$SELECT window_start, window_end, k, count(*) AS n, max(v) AS most FROM s, stream.hop(at, '10 s', '30 s') GROUP BY 1, 2, 3$$),
	('growing', $$SELECT window_start, window_end, count(*) AS n FROM s, stream.cumulate(at, '10 s', '1 min') GROUP BY 1, 2$$),
	('visits', $$SELECT window_start, window_end, k, count(*) AS n FROM s, stream.session(at, '4 s') GROUP BY 1, 2, 3$$),
	('cubes', 'SELECT k, v % 3 AS r, grouping(k, v % 3) AS g, count(*) AS n FROM s GROUP BY CUBE (k, v % 3)');
SELECT stream.create_view(name || '_first', query) FROM queries;
CREATE PROCEDURE feed(low int, high int) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(json_build_object(
			'at', '2024-01-01 12:00+00'::timestamptz + make_interval(secs => i * 7919 % 997),
			'k', CASE WHEN i % 5 > 0 THEN 'k' || i % 5 END, 'v', i, 'gone', 'x',
			'big', CASE i % 50 WHEN 0 THEN (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 200) AS j) ELSE 'small' END)::text)
		FROM generate_series(low, high) AS i));
END $$;
CREATE PROCEDURE compare() LANGUAGE plpgsql AS $$
DECLARE
	q queries;
	differ bigint;
	n bigint;
BEGIN
	FOR q IN TABLE queries LOOP
		EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE %2$I) UNION ALL (TABLE %2$I EXCEPT ALL TABLE %1$I)) AS d',
			q.name, q.name || '_first') INTO differ;
		EXECUTE format('SELECT count(*) FROM %I', q.name) INTO n;
		RAISE INFO '%: % rows differ, some rows: %', q.name, differ, n > 0;
	END LOOP;
END $$;
CALL feed(1, 90);
-- the table's columns change between the rows
ALTER TABLE s DROP COLUMN gone;
ALTER TABLE s ADD COLUMN later int DEFAULT 7;
CALL feed(91, 300);
SELECT stream.create_view(name, query, options => '{"backfill": "staging"}') FROM queries;
CALL compare();
-- and goes on with what comes
CALL feed(301, 400);
CALL compare();
SELECT stream.create_view('added', 'SELECT later, count(*) FROM s GROUP BY later', options => '{"backfill": "staging"}');
TABLE added;
SELECT stream.drop('s', cascade => true);

-- no row is late; what is closed shows at once and stays
SELECT stream.create_stream('s', 'at timestamptz, v int', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
CREATE PROCEDURE feed_at(VARIADIC times text[]) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(json_build_object('at', '2024-01-01T00:00:' || t || 'Z', 'v', 1)::text)
		FROM unnest(times) AS t));
END $$;
CALL feed_at('01', '12');
CALL feed_at('02', '13');
CALL feed_at('03', '24');
SELECT stream.create_view('windows', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(at, '10 s') GROUP BY 1$$,
	options => '{"backfill": "staging"}');
SELECT stream.create_view('final', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(at, '10 s') GROUP BY 1$$,
	emit => 'append', options => '{"backfill": "staging", "late_rows": "count"}');
TABLE windows ORDER BY 1;
TABLE final ORDER BY 1;
CALL feed_at('04', '25');
TABLE windows ORDER BY 1;
TABLE final ORDER BY 1;
CALL feed_at('35');
CALL feed_at('36');
TABLE final ORDER BY 1;
SELECT stream.drop('s', cascade => true);

-- rows of this transaction; those of a subtransaction that is undone
SELECT stream.create_stream('s', 'v int');
BEGIN;
SELECT stream.ingest('s', '{"v": 1}');
SAVEPOINT a;
SELECT stream.ingest('s', '{"v": 10}');
ROLLBACK TO a;
SELECT stream.create_view('v', 'SELECT count(*) AS n, sum(v) AS total FROM s', options => '{"backfill": "staging"}');
SELECT stream.ingest('s', '{"v": 100}');
COMMIT;
TABLE v;
SELECT stream.drop('v');
-- none there: an empty start
TRUNCATE s;
SELECT stream.create_view('v', 'SELECT count(*) AS n, sum(v) AS total FROM s', options => '{"backfill": "staging"}');
TABLE v;
SELECT stream.drop('v');

-- a row that the view cannot take: there is no view
SELECT stream.ingest('s', '{"v": 0}', '{"v": 5}');
SELECT stream.create_view('v', 'SELECT sum(100 / v) AS total FROM s', options => '{"backfill": "staging"}');
SELECT count(*) FROM stream.views;
SELECT count(*) FROM s_dead_letters;
SELECT stream.create_view('v', 'SELECT sum(100 / nullif(v, 0)) AS total FROM s', options => '{"backfill": "staging"}');
TABLE v;
SELECT stream.drop('v');
-- dead letters of the stream count when they are retried; those of a former view would count twice
SELECT stream.ingest('s', '{"v": "x"}');
SELECT stream.create_view('v', 'SELECT sum(100 / v) AS total FROM s');
SELECT stream.ingest('s', '{"v": 0}');
SELECT view_name, message FROM s_dead_letters ORDER BY id;
SELECT stream.drop('v');
SELECT stream.create_view('v', 'SELECT count(*) AS n FROM s', options => '{"backfill": "staging"}');
DELETE FROM s_dead_letters WHERE view_name IS NOT NULL;
SELECT stream.create_view('v', 'SELECT count(*) AS n FROM s', options => '{"backfill": "staging"}');
TABLE v;
UPDATE s_dead_letters SET payload = '{"v": 3}';
SELECT stream.retry_dead_letters('s');
TABLE v;
SELECT stream.drop('s', cascade => true);

-- its owner's business, whoever calls
CREATE ROLE filler;
GRANT CREATE ON SCHEMA public TO filler;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO filler;
SET ROLE filler;
SELECT stream.create_stream('s', 'v int');
SELECT stream.ingest('s', '{"v": 1}', '{"v": 2}');
CREATE FUNCTION who(int) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN current_user; END $$;
RESET ROLE;
SELECT stream.create_view('v', 'SELECT who(v), count(*) FROM s GROUP BY 1', options => '{"backfill": "staging"}');
TABLE v;
SELECT stream.drop('s', cascade => true);
DROP FUNCTION who;
REVOKE ALL ON SCHEMA public FROM filler;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA stream FROM filler;
DROP ROLE filler;

-- what is refused
SELECT stream.create_stream('s', 'v int', options => '{"staging_max_rows": 0}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "staging"}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "earliest"}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "all"}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"fill": "all"}');
SELECT stream.drop('s');
-- the topic again: where the stream stands is where the backfill ends
CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
CREATE USER MAPPING FOR CURRENT_USER SERVER kafka;
SELECT stream.create_stream('s', 'v int, at timestamptz', server => 'kafka', topic => 't', event_time => 'at', watermark_delay => '0 s',
	scan_startup_mode => 'latest', paused => true, options => '{"staging_max_rows": 0}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "staging"}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "earliest"}');
SELECT stream.seek('s', '{"0": 100, "1": 0, "2": 300}');
SELECT stream.ingest('s', '{"v": 1}');
SELECT stream.create_view('closed', 'SELECT window_start, count(*) FROM s, stream.tumble(at, ''1 s'') GROUP BY 1',
	emit => 'append', options => '{"backfill": "earliest"}');
SELECT stream.create_view('closed', 'SELECT window_start, count(*) FROM s, stream.tumble(at, ''1 s'') GROUP BY 1',
	state_ttl => '1 day', options => '{"backfill": "earliest"}');
BEGIN;
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "earliest"}');
SELECT * FROM stream.catalog_backfills ORDER BY partition;
ROLLBACK;
SELECT * FROM stream.catalog_backfills;
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "earliest"}');
SELECT stream.create_view('w', 'SELECT count(*) FROM s');
SELECT * FROM stream.catalog_backfills ORDER BY partition;
SELECT name, backfill_lag, backfill_error FROM stream.views ORDER BY name::text;
-- back is refused, forward is not
SELECT stream.seek('s', '{"0": 99}');
SELECT stream.seek('s', '{"1": 10, "2": 0}');
SELECT stream.seek('s', '"earliest"');
SELECT stream.seek('s', '"2026-01-01"');
SELECT stream.seek('s', '{"0": 100, "1": 10, "2": 301, "3": 0}');
SELECT partition, next_offset FROM stream.partitions ORDER BY 1;
SELECT stream.retry_dead_letters('s');
SELECT stream.seek('s', '"latest"');
SELECT backfill_lag FROM stream.views WHERE name::text = 'v';
-- it goes with its view, by any way
BEGIN;
DROP VIEW v;
SELECT count(*) FROM stream.catalog_backfills;
ROLLBACK;
BEGIN;
DROP TABLE v_state CASCADE;
SELECT count(*) FROM stream.catalog_backfills;
ROLLBACK;
SELECT count(*) FROM stream.catalog_backfills;
SELECT stream.drop('v');
SELECT count(*) FROM stream.catalog_backfills;
SELECT stream.seek('s', '{"0": 50}');
SELECT stream.create_view('v', 'SELECT count(*) FROM s', options => '{"backfill": "earliest"}');
SELECT partition, end_offset FROM stream.catalog_backfills ORDER BY partition;
SET client_min_messages = warning;
SELECT stream.drop('s', cascade => true);
RESET client_min_messages;
SELECT count(*) FROM stream.catalog_backfills;
DROP SERVER kafka CASCADE;
DROP TABLE queries;
DROP PROCEDURE feed, compare, feed_at;
