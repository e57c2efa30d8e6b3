--
-- Windows that overlap: stream.hop and stream.cumulate, in SQL and in views.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- the windows of one moment
SELECT * FROM stream.hop('2024-05-01 12:00:07+00'::timestamptz, '5 s', '10 s');
SELECT * FROM stream.hop('2024-05-01 12:00:10'::timestamp, '5 s', '10 s');
-- a slide that does not divide the size, with an offset
SELECT * FROM stream.hop('2024-05-01 12:00:07+00'::timestamptz, '4 s', '10 s', '1 s');
-- a slide beyond the size leaves gaps
SELECT ts, w.* FROM generate_series('2024-05-01 12:00:00+00'::timestamptz, '2024-05-01 12:00:12+00', '2 s') AS ts
	LEFT JOIN stream.hop(ts, '10 s', '3 s') AS w ON true;
-- before the epoch, infinite, null
SELECT * FROM stream.hop('1969-12-31 23:59:59.999999+00'::timestamptz, '5 s', '10 s');
SELECT * FROM stream.hop('infinity'::timestamptz, '5 s', '10 s');
SELECT * FROM stream.hop(NULL::timestamptz, '5 s', '10 s');
SELECT * FROM stream.cumulate('2024-05-01 12:00:07+00'::timestamptz, '5 s', '20 s');
SELECT * FROM stream.cumulate('2024-05-01 12:00:19.999999'::timestamp, '5 s', '20 s');
SELECT * FROM stream.cumulate('1969-12-31 18:00:00+00'::timestamptz, '6 h', '1 day', '-1 h');
SELECT * FROM stream.cumulate('-infinity'::timestamptz, '5 s', '10 s');
-- refused
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '0', '10 s');
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '1 month', '10 s');
SELECT * FROM stream.hop('4714-11-24 00:00:00+00 BC'::timestamptz, '1 s', '10 s');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '7 s', '10 s');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '-1 s', '10 s');

-- each moment is in each of its windows, and in as many as there should be
SELECT slide, size, count(*), count(*) FILTER (WHERE ts < window_start OR ts >= window_end) AS outside,
	count(*) FILTER (WHERE window_end - window_start <> size) AS odd_length,
	count(*) FILTER (WHERE mod(extract(epoch FROM window_start), extract(epoch FROM slide)) <> 0) AS off_grid
FROM (VALUES (interval '5 s', interval '10 s'), ('4 s', '10 s'), ('7 s', '3 s'), ('10 s', '10 s')) AS v(slide, size),
	generate_series('1969-12-31 23:00+00'::timestamptz, '1970-01-01 01:00+00', '0.7 s') AS ts,
	stream.hop(ts, slide, size)
GROUP BY 1, 2 ORDER BY 1, 2;

-- views: the same query over the stream's own rows gives the same
CREATE PROCEDURE compare(query text) LANGUAGE plpgsql AS $$
DECLARE
	differ bigint;
	total bigint;
BEGIN
	PERFORM stream.create_view('v', query);
	FOR part IN 0..9 LOOP
		PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(to_json(r)::text) FROM rows AS r WHERE r.i % 10 = part));
	END LOOP;
	EXECUTE format('SELECT count(*) FROM ((TABLE v EXCEPT ALL (%1$s)) UNION ALL ((%1$s) EXCEPT ALL TABLE v)) AS d', query) INTO differ;
	SELECT count(*) FROM v INTO total;
	RAISE NOTICE '% rows, % differ', total, differ;
	PERFORM stream.drop('v');
	PERFORM stream.drop('s');
	PERFORM stream.create_stream('s', 'i int, at timestamptz, k text, n int, x numeric', event_time => 'at', options => '{"staging_max_rows": 100000}');
END $$;
CREATE TABLE rows AS
	SELECT i, '2024-05-01 12:00+00'::timestamptz + make_interval(secs => (i * 7919) % 3001 / 10.0) AS at,
		CASE i % 5 WHEN 0 THEN NULL ELSE 'k' || i % 5 END AS k, i % 97 AS n, i % 1009 / 8.0 AS x
	FROM generate_series(1, 2000) AS i;
SELECT stream.create_stream('s', 'i int, at timestamptz, k text, n int, x numeric', event_time => 'at', options => '{"staging_max_rows": 100000}');
CALL compare('SELECT window_start, window_end, k, count(*), sum(n), avg(x), min(x), max(k) FROM s, stream.hop(at, ''5 s'', ''30 s'') GROUP BY 1, 2, 3');
CALL compare('SELECT window_start, count(*), round(stddev(x), 8) AS sd, bool_or(n > 90) FROM s, stream.hop(at, ''4 s'', ''10 s'', ''1 s'') WHERE n > 3 GROUP BY window_start');
CALL compare('SELECT window_end AS till, k, sum(x) FILTER (WHERE n % 2 = 0) AS even FROM s, stream.hop(at, ''10 s'', ''3 s'') GROUP BY 1, 2 HAVING count(*) > 1');
CALL compare('SELECT window_start + ''1 s'' AS later, k, count(*) FROM s, stream.hop(at, ''10 s'', ''20 s'') AS w GROUP BY window_start, k');
CALL compare('SELECT window_start, window_end, k, count(*), avg(x) FROM s, stream.cumulate(at, ''10 s'', ''1 min'') GROUP BY 1, 2, 3');
CALL compare('SELECT w.b AS until, sum(n), var_pop(n) FROM s, stream.cumulate(at, ''15 s'', ''1 min'', ''5 s'') AS w(a, b) GROUP BY b');
CALL compare('SELECT window_start, k, count(*) FROM s, stream.cumulate(at, ''10 s'', ''1 min'') GROUP BY 1, 2');
CALL compare('SELECT window_start, k FROM s, stream.hop(at, ''10 s'', ''1 min'') GROUP BY 1, 2');
CALL compare('SELECT window_start, max(ARRAY[n, i]) FROM s CROSS JOIN LATERAL stream.hop(s.at, ''20 s'', ''1 min'') GROUP BY 1');

-- refused: bounds of such windows are keys and nothing else
SELECT stream.create_view('v', $$SELECT count(*) FROM s, stream.hop(at, '7 s', '10 s')$$);
SELECT stream.create_view('v', $$SELECT k, count(*) FROM s, stream.cumulate(at, '5 s', '10 s') GROUP BY k$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM s, stream.hop(at, '7 s', '10 s') WHERE window_start > '2020-01-01' GROUP BY window_start$$);
SELECT stream.create_view('v', $$SELECT count(*) FILTER (WHERE window_end > at + '1 s') FROM s, stream.hop(at, '7 s', '10 s') GROUP BY window_start$$);
SELECT stream.create_view('v', $$SELECT date_trunc('hour', window_start), count(*) FROM s, stream.hop(at, '7 s', '10 s') GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM s, stream.hop(at, '7 s', '10 s'), generate_series(window_start, window_end, '1 s') GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM s, ROWS FROM (stream.hop(at, '7 s', '10 s'), generate_series(1, 2)) AS w(window_start, window_end, i) GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM s, stream.cumulate(at, '7 s', '10 s') GROUP BY window_start$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM s, stream.hop(at, n * interval '1 s', '10 s') GROUP BY window_start$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM s, stream.hop(at, '1 s', '10 s') AS a, stream.tumble(at, '10 s') AS b GROUP BY a.window_start$$);

SELECT stream.drop('s');
DROP PROCEDURE compare;
DROP TABLE rows;
