--
-- Session windows: they grow, bridge and merge as rows come in any order.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

CREATE PROCEDURE feed(VARIADIC events text[]) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(
		json_build_object('at', '2024-01-01T00:' || split_part(e, ' ', 1) || 'Z', 'k', nullif(split_part(e, ' ', 2), ''), 'v', 1)::text)
	FROM unnest(events) AS e));
END $$;

-- without a watermark sessions are those of all rows
SELECT stream.create_stream('s', 'at timestamptz, k text, v int', event_time => 'at');
SELECT stream.create_view('v', $$SELECT k, window_start, window_end, count(*) AS n FROM s, stream.session(at, '5 s') GROUP BY 1, 2, 3$$);
CALL feed('00:00 a', '00:05 a', '00:10.000001 a', '00:03 b', '00:07 ');
-- exactly a gap apart is one session, more is not; null is a key
TABLE v ORDER BY 1, 2;
-- one row bridges two sessions, another three
CALL feed('00:20 a', '00:30 a', '00:40 a');
CALL feed('00:25 a', '00:35 a');
TABLE v ORDER BY 1, 2;
CALL feed('00:15.000001 a', '00:15 ', '00:11 ');
TABLE v ORDER BY 1, 2;
-- it grows at its start, at its end and inside
CALL feed('59:00 c');
CALL feed('58:56 c');
CALL feed('59:04 c');
CALL feed('58:58 c');
TABLE v ORDER BY 1, 2;
SELECT * FROM v_state ORDER BY 1, 2;
SELECT stream.drop('s', cascade => true);

-- the same in any order, in any batches
CREATE TABLE rows AS
	SELECT i, '2024-05-01 12:00+00'::timestamptz + make_interval(secs => ((i * 7919) % 30011) / 4.0) AS at,
		CASE i % 7 WHEN 0 THEN NULL ELSE 'k' || i % 7 END AS k, i % 3 AS j, i % 97 AS n, (i % 1009)::numeric / 8 AS x
	FROM generate_series(1, 3000) AS i;
-- sessions of a table, by window functions
CREATE FUNCTION expected(gap interval) RETURNS TABLE (k text, j int, window_start timestamptz, window_end timestamptz,
	c bigint, a numeric, d numeric, m text) LANGUAGE sql AS $$
	SELECT k, j, min(at), max(at) + gap, count(*), avg(x), stddev(n), max('x' || n) FILTER (WHERE n > 50)
	FROM (SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY k, j ORDER BY at) AS session
		FROM (SELECT *, at > lag(at) OVER (PARTITION BY k, j ORDER BY at) + gap AS begins FROM rows WHERE i % 11 <> 0) AS r) AS r
	GROUP BY k, j, session
$$;
CREATE PROCEDURE compare(gap interval, batches int) LANGUAGE plpgsql AS $$
DECLARE
	differ bigint;
	total bigint;
BEGIN
	PERFORM stream.create_stream('s', 'i int, at timestamptz, k text, j int, n int, x numeric', event_time => 'at');
	PERFORM stream.create_view('v', format($q$SELECT k, j, window_start, window_end, count(*) AS c, avg(x) AS a, stddev(n) AS d,
		max('x' || n) FILTER (WHERE n > 50) AS m FROM s, stream.session(at, %L) WHERE i %% 11 <> 0
		GROUP BY window_start, k, window_end, j$q$, gap));
	FOR part IN 0..batches - 1 LOOP
		PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(to_json(r)::text) FROM rows AS r WHERE r.i % batches = part));
	END LOOP;
	SELECT count(*) FROM ((TABLE v EXCEPT ALL SELECT * FROM expected(gap))
		UNION ALL (SELECT * FROM expected(gap) EXCEPT ALL TABLE v)) AS d INTO differ;
	SELECT count(*) FROM v INTO total;
	RAISE NOTICE '% sessions, % differ', total, differ;
	PERFORM stream.drop('s', cascade => true);
END $$;
SET client_min_messages = notice;
CALL compare('1 s', 1);
CALL compare('20 s', 1);
CALL compare('20 s', 7);
CALL compare('1 min', 40);
CALL compare('1 day', 3);
CALL compare('1 microsecond', 2);
DROP PROCEDURE compare;
DROP FUNCTION expected;
DROP TABLE rows;

-- no key beside the session; only one bound; names that are taken
SELECT stream.create_stream('s', 'at timestamptz, k text, v int', event_time => 'at');
SELECT stream.create_view('one', $$SELECT count(*) AS n, max(k) AS window_start FROM s, stream.session(at, '5 s') GROUP BY window_end$$);
SELECT stream.create_view('two', $$SELECT k AS window_end, max(window_start) FROM s, stream.session(at, '5 s') GROUP BY k, window_start HAVING count(*) > 1$$);
SELECT stream.create_view('two', $$SELECT k AS window_end, window_start AS began, sum(v) AS window_start FROM s, stream.session(at, '5 s') GROUP BY 1, 2 HAVING count(*) > 1$$);
CALL feed('00:00 a', '00:04 b', '00:05 a', '00:20 c');
TABLE one ORDER BY 1;
TABLE one_state ORDER BY 1;
TABLE two ORDER BY 1;
TABLE two_state ORDER BY 1, 2;
SELECT stream.drop('s', cascade => true);

-- sessions close; a row that comes later starts another, or is late
SELECT stream.create_stream('s', 'at timestamptz, k text, v int', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('v', $$SELECT k, window_start, window_end, count(*) AS n FROM s, stream.session(at, '5 s') GROUP BY 1, 2, 3$$);
SELECT stream.create_view('final', $$SELECT k, window_end, count(*) AS n FROM s, stream.session(at, '5 s') GROUP BY 1, 2$$, emit => 'append');
SELECT stream.create_view('counted', $$SELECT window_end, count(*) AS n FROM s, stream.session(at, '5 s') WHERE k <> 'z' GROUP BY 1$$, options => '{"late_rows": "count"}');
CALL feed('00:01 a', '00:10 a', '00:15 z');
TABLE v ORDER BY 1, 2;
TABLE final ORDER BY 1, 2;
-- W = :15: [1,6) and [10,15) of a are closed; :12 starts another, which overlaps what is closed
CALL feed('00:12 a', '00:03 a', '00:16 b', '00:09 z', '00:10 z');
TABLE v ORDER BY 1, 2;
TABLE final ORDER BY 1, 2;
SELECT event_time, window_start, window_end, closed_to, "row" ->> 'k' AS k FROM v_late_rows ORDER BY 1;
-- one batch: :13 joins the open session of a; :09 would, but it touches the closed one behind it, at :10
CALL feed('00:13 a', '00:09 a', '00:18 a', '00:30 b');
TABLE v ORDER BY 1, 2;
SELECT event_time, closed_to, "row" ->> 'k' AS k FROM v_late_rows ORDER BY 1, 3;
CALL feed('00:30 b');
TABLE final ORDER BY 1, 2;
SELECT name, late_rows FROM stream.views ORDER BY name::text;

-- refused
SELECT * FROM stream.session('2024-01-01'::timestamptz, '5 s');
SELECT stream.create_view('r', $$SELECT k, count(*) FROM s, stream.session(at, '5 s') GROUP BY k$$);
SELECT stream.create_view('r', $$SELECT date_trunc('day', window_start), count(*) FROM s, stream.session(at, '5 s') GROUP BY 1$$);
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM s, stream.session(at, '1 month') GROUP BY 1$$);
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM s, stream.session(at, '0') GROUP BY 1$$);
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM s, stream.session(at, make_interval(secs => v)) GROUP BY 1$$);
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM s, stream.session(at, '5 s') WHERE window_start > '2024-01-01' GROUP BY 1$$);
SELECT stream.create_view('r', $$SELECT window_start, k, count(*) FROM s, stream.session(at, '5 s') GROUP BY 1, ROLLUP (k)$$);
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM (SELECT * FROM s, stream.session(at, '5 s')) AS x GROUP BY 1$$);
SELECT stream.drop('s', cascade => true);
DROP PROCEDURE feed;
