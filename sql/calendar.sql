--
-- Windows of months, and of days of a time zone.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- months of all lengths, in a leap year; a quarter is three of them
SELECT w.*, w.window_end - w.window_start AS length, q.window_start::date AS quarter
FROM generate_series('2024-01-31 23:59:59.999999+00'::timestamptz, '2024-12-31', '1 month') AS ts,
	stream.tumble(ts, '1 month') AS w, stream.tumble(ts, '3 months') AS q;
-- February in common years, leap years, and in 1900, 2000 and 2100
SELECT w.*, window_end - window_start AS length
FROM (VALUES ('2023-02-28 12:00+00'::timestamptz), ('2024-02-29 12:00+00'), ('1900-02-28 12:00+00'),
	('2000-02-29 12:00+00'), ('2100-02-28 12:00+00')) AS x(ts), stream.tumble(ts, '1 month') AS w;
-- before and around 1970, 2000 and year 1; 2262, where nanoseconds in 64 bits end
SELECT ts, m.window_start AS month, five.*
FROM (VALUES ('1969-12-31 23:59:59.999999+00'::timestamptz), ('1970-01-01 00:00+00'), ('1999-12-31 23:59:59.999999+00'),
	('2000-01-01 00:00+00'), ('1582-10-04 00:00+00'), ('0001-01-01 00:00+00'), ('0001-12-31 23:59+00 BC'),
	('4714-12-25 00:00+00 BC'), ('2262-04-11 23:47:16.854775+00'), ('infinity'), ('-infinity'), (NULL)) AS x(ts),
	stream.tumble(ts, '1 month') AS m, stream.tumble(ts, '5 months') AS five;
-- years, decades; a fiscal year from April on, one from 6 April on; months from the 15th, from noon, from the last day on
SELECT * FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '1 year');
SELECT * FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '10 years');
SELECT * FROM stream.tumble('2024-02-01 12:00+00'::timestamptz, '1 year', '3 months');
SELECT ts, w.* FROM (VALUES ('2024-04-05 23:59+00'::timestamptz), ('2024-04-06 00:00+00')) AS x(ts),
	stream.tumble(ts, '1 year', '3 months 5 days') AS w;
SELECT ts, w.* FROM (VALUES ('2024-03-14 23:59+00'::timestamptz), ('2024-03-15 00:00+00')) AS x(ts),
	stream.tumble(ts, '1 month', '14 days') AS w;
SELECT * FROM stream.tumble('2024-03-01 11:59+00'::timestamptz, '1 month', '12 hours');
SELECT * FROM stream.tumble('2024-02-29 00:00+00'::timestamptz, '1 month', '-1 day');
SELECT * FROM stream.tumble('2024-05-01 12:00'::timestamp, '1 month', '14 days');
-- the session's time zone does not matter
SET timezone = 'Asia/Tokyo';
SELECT * FROM stream.tumble('2024-05-01 00:00+00'::timestamptz, '1 month');
SELECT * FROM stream.tumble('2024-03-31 12:00+00'::timestamptz, '1 day', timezone => 'Europe/Berlin');

-- days of a time zone: clocks go forward, and back
SET timezone = 'Europe/Berlin';
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM (VALUES ('2024-03-30 12:00+01'::timestamptz), ('2024-03-31 00:00+01'), ('2024-03-31 23:59:59.999999+02'),
	('2024-04-01 00:00+02'), ('2024-10-27 00:00+02'), ('2024-10-27 02:30+02'), ('2024-10-27 02:30+01'),
	('2024-10-27 23:59:59.999999+01'), ('2024-10-28 00:00+01')) AS x(ts), stream.tumble(ts, '1 day', timezone => 'Europe/Berlin') AS w;
SET timezone = 'America/New_York';
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM (VALUES ('2024-03-10 00:00-05'::timestamptz), ('2024-03-10 23:59-04'), ('2024-11-03 00:00-04'), ('2024-11-03 23:59-05')) AS x(ts),
	stream.tumble(ts, '1 day', '0', 'America/New_York') AS w;
-- weeks that begin on Monday; two days; months; days that begin at six in the morning
SELECT w.*, to_char(window_start, 'Dy'), (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM (VALUES ('2024-03-10 23:59:59.999999-04'::timestamptz), ('2024-03-11 00:00-04'), ('2024-11-03 12:00-05')) AS x(ts),
	stream.tumble(ts, '7 days', '4 days', 'America/New_York') AS w;
SELECT * FROM stream.tumble('1970-01-01 05:00+00'::timestamptz, '2 days', timezone => 'America/New_York');
SELECT * FROM stream.tumble('1970-01-01 04:59+00'::timestamptz, '2 days', timezone => 'America/New_York');
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM (VALUES ('2024-03-01 04:59+00'::timestamptz), ('2024-03-01 05:00+00'), ('2024-11-01 04:00+00'), ('1969-12-31 12:00+00')) AS x(ts),
	stream.tumble(ts, '1 month', timezone => 'America/New_York') AS w;
SELECT * FROM stream.tumble('2024-03-10 12:00-04'::timestamptz, '1 day', '6 hours', 'America/New_York');
-- an offset that is in the hour left out, and in the hour that comes twice: its first time
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM (VALUES ('2024-03-10 06:59+00'::timestamptz), ('2024-03-10 07:00+00'), ('2024-11-03 05:29+00'), ('2024-11-03 05:30+00'),
	('2024-11-03 06:15+00'), ('2024-11-03 06:30+00')) AS x(ts),
	stream.tumble(ts, '1 day', CASE WHEN ts < '2024-06-01' THEN '2 h 30 min' ELSE '1 h 30 min' END::interval, 'America/New_York') AS w;
-- names in other letters; a zone before an abbreviation, as for SET timezone; POSIX; null is none
SELECT window_start FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '1 day', timezone => 'europe/BERLIN');
SELECT window_start FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '1 day', timezone => '<+03>-3');
SELECT window_start FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '1 day', timezone => NULL);
-- zones, sizes and offsets that vary from row to row
SET timezone = 'UTC';
SELECT zone, size, "offset", window_start, window_end
FROM (VALUES ('Europe/Berlin', interval '1 day', interval '0'), ('Europe/Berlin', '1 month', '0'), (NULL, '1 month', '0'),
	('America/New_York', '1 month', '0'), ('America/New_York', '1 month', '1 day'), (NULL, '1 day', '1 day'), (NULL, '1 month', '1 day'),
	('Europe/Berlin', '1 month', '1 day')) AS x(zone, size, "offset"),
	stream.tumble('2024-05-01 12:00+00'::timestamptz, size, "offset", zone);

-- Clocks that are changed at midnight.  Sao Paulo left midnight out, and an hour before midnight came twice; in Havana the
-- hour after midnight comes twice; in St. John's midnight came, and 59 minutes of the day before again; Samoa left a day
-- out; Alaska had one twice.  Windows follow one another
-- without gap.  (tumble remembers its last window, hop does not.)
SELECT zone, w.*, w.window_start AT TIME ZONE zone AS shows, (extract(epoch FROM w.window_end - w.window_start) / 3600)::float AS hours,
	lead(w.window_start) OVER (PARTITION BY zone, first ORDER BY w.window_start) <> w.window_end AS gap,
	count(*) FILTER (WHERE ts < w.window_start OR ts >= w.window_end) AS outside, count(*) FILTER (WHERE h IS DISTINCT FROM w) AS unlike_hop
FROM (VALUES ('America/Sao_Paulo', '2018-11-02 12:00+00'::timestamptz), ('America/Sao_Paulo', '2018-02-16 12:00+00'),
		('America/Havana', '2023-11-04 12:00+00'), ('America/Havana', '2024-03-09 12:00+00'),
		('America/St_Johns', '2010-11-05 12:00+00'), ('Pacific/Apia', '2011-12-28 20:00+00'),
		('America/Sitka', '1867-10-17 01:00+00')) AS z(zone, first),
	generate_series(first, first + '3 days', '7 min') AS ts, stream.tumble(ts, '1 day', timezone => zone) AS w
	LEFT JOIN stream.hop(ts, '1 day', '1 day', timezone => zone) AS h ON true
GROUP BY zone, first, w.window_start, w.window_end ORDER BY zone, w.window_start;

-- hop: months, local days
SELECT * FROM stream.hop('2024-05-15 12:00+00'::timestamptz, '1 month', '3 months');
SELECT * FROM stream.hop('2024-05-15 12:00+00'::timestamptz, '2 months', '3 months', '10 days');
SELECT * FROM stream.hop('2024-05-15 12:00'::timestamp, '3 months', '1 year');
SELECT ts, w.* FROM (VALUES ('2024-01-31 23:59+00'::timestamptz), ('2024-02-01 00:00+00')) AS x(ts)
	LEFT JOIN stream.hop(ts, '3 months', '1 month') AS w ON true;
SET timezone = 'Europe/Berlin';
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM stream.hop('2024-03-31 12:00+02'::timestamptz, '1 day', '3 days', timezone => 'Europe/Berlin') AS w;
SELECT w.*, (extract(epoch FROM window_end - window_start) / 3600)::float AS hours
FROM stream.hop('2024-10-27 02:30+01'::timestamptz, '1 day', '7 days', timezone => 'Europe/Berlin') AS w;
-- cumulate: months in a year, days in a month, local days in a week, hours in a local day
SELECT count(*), min(window_start), max(window_start), min(window_end), max(window_end)
FROM stream.cumulate('2024-05-15 12:00+00'::timestamptz, '1 month', '1 year', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-02-26 12:00+01'::timestamptz, '1 day', '1 month', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-03-08 12:00+01'::timestamptz, '7 days', '1 month', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-03-30 12:00+01'::timestamptz, '1 day', '7 days', '4 days', 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-03-31 19:00+02'::timestamptz, '1 hour', '1 day', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-10-27 16:30+01'::timestamptz, '6 hours', '1 day', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-02-20 12:00'::timestamp, '10 days', '1 month', '14 days');
SELECT * FROM stream.cumulate('2024-05-15 12:00+00'::timestamptz, '40 days', '1 month');
-- the step, which views keep
SELECT * FROM stream.cumulate_step('2024-03-30 12:00+01'::timestamptz, '7 days', '1 month', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate_step('2024-10-27 23:30+01'::timestamptz, '6 hours', '1 day', timezone => 'Europe/Berlin');
SET timezone = 'UTC';
-- a day that was left out ends as it begins: that is not one more window
SELECT * FROM stream.cumulate('2011-12-29 12:00-10'::timestamptz, '1 day', '1 month', timezone => 'Pacific/Apia');
SELECT * FROM stream.hop('infinity'::timestamptz, '1 month', '2 months');
SELECT * FROM stream.cumulate('-infinity'::timestamptz, '1 day', '1 month', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate_step('infinity'::timestamptz, '1 day', '1 month');
SELECT * FROM stream.hop(NULL::timestamptz, '1 month', '2 months');
SELECT * FROM stream.hop(now(), '1 month', '2 months', NULL);

-- refused
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 month 1 day');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 year -1 hour');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '-1 month');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '0', timezone => 'Europe/Berlin');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day 1 hour', timezone => 'Europe/Berlin');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 hour', timezone => 'Europe/Berlin');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '24 hours', timezone => 'Europe/Berlin');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day', '1 month', 'Europe/Berlin');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 month', '100000000 days');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day', timezone => 'Mars/Olympus');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day', timezone => 'CEST');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day', timezone => '');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '1 day', timezone => repeat('x', 300));
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '1 day', '1 month', timezone => 'Europe/Berlin');
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '1 month', '30 days');
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '6 hours', '1 day', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '1 month', '30 days');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '5 months', '1 year');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '2 days', '7 days', timezone => 'Europe/Berlin');
SELECT * FROM stream.cumulate('2024-05-01'::timestamptz, '1 day 1 hour', '1 month', timezone => 'Europe/Berlin');
-- the first and the last that PostgreSQL has
SELECT * FROM stream.tumble('4714-11-24 00:00+00 BC'::timestamptz, '1 month');
SELECT * FROM stream.tumble('294276-12-31 23:59:59.999999+00'::timestamptz, '1 month');
SELECT * FROM stream.tumble('294276-12-31 23:59:59.999999+00'::timestamptz, '1 day', timezone => 'Asia/Tokyo');
SELECT * FROM stream.tumble('2024-05-01'::timestamptz, '2147483647 months');
SELECT * FROM stream.tumble('294276-11-30 23:59:59.999999+00'::timestamptz, '1 month');
SELECT * FROM stream.hop('2024-05-01'::timestamptz, '106751991 days', '106751991 days');

-- A hundred years at odd steps: each moment is in its window, and the windows are those of date_trunc.
SELECT zone, unit, count(*), count(*) FILTER (WHERE ts < window_start OR ts >= window_end) AS outside,
	count(*) FILTER (WHERE window_start <> date_trunc(unit, ts, zone)) AS start_differs,
	count(*) FILTER (WHERE window_end <> (date_trunc(unit, ts AT TIME ZONE zone) + size) AT TIME ZONE zone) AS end_differs
FROM (VALUES ('Europe/Berlin'), ('America/New_York'), ('Asia/Kolkata'), ('Australia/Lord_Howe'), ('Pacific/Chatham'), ('UTC')) AS z(zone),
	(VALUES ('day', interval '1 day', interval '0'), ('week', '7 days', '4 days'), ('month', '1 month', '0'), ('quarter', '3 months', '0'),
		('year', '1 year', '0'), ('decade', '10 years', '0')) AS u(unit, size, "offset"),
	generate_series('1950-01-01 00:00+00'::timestamptz, '2050-01-01 00:00+00', '189 hours 13 min 1.000001 s') AS ts,
	stream.tumble(ts, size, "offset", zone)
GROUP BY 1, 2 ORDER BY 1, 2;
-- hop and cumulate against their definition: the windows of all months or days, and which of them a moment is in
CREATE TABLE moments AS SELECT ts FROM generate_series('2023-12-01 00:00+00'::timestamptz, '2025-01-10 00:00+00', '11 hours 7 min') AS ts;
SELECT (SELECT count(*) FROM moments, stream.hop(ts, '2 months', '5 months', '3 days', 'America/New_York')) AS windows, count(*) AS differ
FROM (SELECT ts, window_start, window_end FROM moments, stream.hop(ts, '2 months', '5 months', '3 days', 'America/New_York')) AS a
FULL JOIN (SELECT ts, f AT TIME ZONE 'America/New_York' AS window_start, (m + interval '5 months 3 days') AT TIME ZONE 'America/New_York' AS window_end
	FROM generate_series('2023-01-01'::timestamp, '2026-01-01', '2 months') AS m, LATERAL (SELECT m + interval '3 days') AS s(f), moments
	WHERE ts >= f AT TIME ZONE 'America/New_York' AND ts < (m + interval '5 months 3 days') AT TIME ZONE 'America/New_York') AS b
USING (ts, window_start, window_end) WHERE a IS NULL OR b IS NULL;
SELECT (SELECT count(*) FROM moments, stream.hop(ts, '3 days', '7 days', '5 hours', 'Europe/Berlin')) AS windows, count(*) AS differ
FROM (SELECT ts, window_start, window_end FROM moments, stream.hop(ts, '3 days', '7 days', '5 hours', 'Europe/Berlin')) AS a
FULL JOIN (SELECT ts, f AT TIME ZONE 'Europe/Berlin' AS window_start, (f + interval '7 days') AT TIME ZONE 'Europe/Berlin' AS window_end
	FROM generate_series('1970-01-01 05:00'::timestamp, '2026-01-01', '3 days') AS f, moments
	WHERE f > '2023-11-20' AND ts >= f AT TIME ZONE 'Europe/Berlin' AND ts < (f + interval '7 days') AT TIME ZONE 'Europe/Berlin') AS b
USING (ts, window_start, window_end) WHERE a IS NULL OR b IS NULL;
SELECT (SELECT count(*) FROM moments, stream.cumulate(ts, '5 days', '1 month', '2 days', 'Europe/Berlin')) AS windows, count(*) AS differ
FROM (SELECT ts, window_start, window_end FROM moments, stream.cumulate(ts, '5 days', '1 month', '2 days', 'Europe/Berlin')) AS a
FULL JOIN (SELECT DISTINCT ts, f AT TIME ZONE 'Europe/Berlin' AS window_start, until AT TIME ZONE 'Europe/Berlin' AS window_end
	FROM generate_series('2023-10-01'::timestamp, '2025-03-01', '1 month') AS m, LATERAL (SELECT m + interval '2 days') AS s(f),
		generate_series(1, 7) AS i, LATERAL (SELECT least(f + i * interval '5 days', m + interval '1 month 2 days')) AS e(until), moments
	WHERE ts >= f AT TIME ZONE 'Europe/Berlin' AND ts < until AT TIME ZONE 'Europe/Berlin') AS b
USING (ts, window_start, window_end) WHERE a IS NULL OR b IS NULL;
DROP TABLE moments;

-- the planner sees through tumble and cumulate_step
CREATE TABLE plain (at timestamptz);
EXPLAIN (VERBOSE, COSTS OFF)
SELECT window_start, count(*) FROM plain, stream.tumble(at, '1 day', timezone => 'Europe/Berlin') GROUP BY window_start;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT window_end, count(*) FROM plain, stream.cumulate_step(at, '1 day', '1 month') GROUP BY window_end;
DROP TABLE plain;

-- views: the same query over the rows gives the same
CREATE PROCEDURE compare(query text) LANGUAGE plpgsql AS $$
DECLARE
	differ bigint;
	total bigint;
BEGIN
	PERFORM stream.create_view('v', query);
	FOR part IN 0..4 LOOP
		PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(to_json(r)::text) FROM rows AS r WHERE r.i % 5 = part));
	END LOOP;
	query := replace(query, 'FROM s', 'FROM rows AS s');
	EXECUTE format('SELECT count(*) FROM ((TABLE v EXCEPT ALL (%1$s)) UNION ALL ((%1$s) EXCEPT ALL TABLE v)) AS d', query) INTO differ;
	SELECT count(*) FROM v INTO total;
	RAISE NOTICE '% rows of % states, % differ', total, (SELECT count(*) FROM v_state), differ;
	PERFORM stream.drop('v');
	PERFORM stream.drop('s');
	PERFORM stream.create_stream('s', 'i int, at timestamptz, wall timestamp, k text, n int, x numeric');
END $$;
-- a year of Europe and America with their nights of change, and the days that Samoa had and had not
CREATE TABLE rows AS
	SELECT i, at, at AT TIME ZONE 'Europe/Berlin' AS wall,
		CASE i % 3 WHEN 0 THEN NULL ELSE 'k' || i % 3 END AS k, i % 97 AS n, i % 1009 / 8.0 AS x
	FROM (SELECT i, '2024-01-01 00:00+00'::timestamptz + make_interval(mins => (i * 7919) % 3001 * 180) FROM generate_series(1, 2000) AS i
		UNION ALL SELECT i, '2024-03-30 12:00+00'::timestamptz + make_interval(mins => i * 7 % 2880) FROM generate_series(2001, 2200) AS i
		UNION ALL SELECT i, '2024-10-26 12:00+00'::timestamptz + make_interval(mins => i * 7 % 2880) FROM generate_series(2201, 2400) AS i
		UNION ALL SELECT i, '2011-12-29 00:00+00'::timestamptz + make_interval(mins => i * 41 % 5000) FROM generate_series(2401, 2600) AS i
		UNION ALL VALUES (2601, 'infinity'::timestamptz), (2602, '-infinity')) AS x(i, at);
SELECT stream.create_stream('s', 'i int, at timestamptz, wall timestamp, k text, n int, x numeric');
CALL compare('SELECT window_start, window_end, k, count(*), avg(x) FROM s, stream.tumble(at, ''1 month'') GROUP BY 1, 2, 3');
CALL compare('SELECT window_start, window_end, count(*), avg(x) FROM s, stream.tumble(at, ''1 day'', timezone => ''Europe/Berlin'') GROUP BY 1, 2');
CALL compare('SELECT date_trunc(''year'', window_start), sum(n) FROM s, stream.tumble(at, ''7 days'', ''4 days'', ''America/New_York'') GROUP BY 1');
CALL compare('SELECT window_start, count(*) FROM s, stream.tumble(wall, ''3 months'', ''1 month'') GROUP BY 1');
CALL compare('SELECT window_start, window_end, k, count(*), avg(x), max(k) FROM s, stream.hop(at, ''1 month'', ''3 months'', timezone => ''Europe/Berlin'') GROUP BY 1, 2, 3');
CALL compare('SELECT window_end, count(*), stddev(n)::numeric(10, 6) AS sd FROM s, stream.hop(at, ''4 months'', ''6 months'', ''14 days'') GROUP BY 1');
CALL compare('SELECT window_start, window_end, count(*), avg(x) FROM s, stream.hop(at, ''2 days'', ''7 days'', ''5 hours'', ''Europe/Berlin'') GROUP BY 1, 2');
CALL compare('SELECT window_end AS until, k, sum(n) FROM s, stream.hop(at, ''1 day'', ''2 days'', timezone => ''Pacific/Apia'') GROUP BY 1, 2');
CALL compare('SELECT window_start, count(*) FROM s, stream.hop(wall, ''1 month'', ''12 months'') GROUP BY 1');
CALL compare('SELECT window_start, window_end, k, count(*), avg(x) FROM s, stream.cumulate(at, ''1 day'', ''1 month'', timezone => ''America/New_York'') GROUP BY 1, 2, 3');
CALL compare('SELECT window_end, count(*), avg(x) FROM s, stream.cumulate(at, ''7 days'', ''1 month'', ''14 days 6 hours'', ''Europe/Berlin'') GROUP BY 1');
CALL compare('SELECT window_start, window_end, count(*), avg(x) FROM s, stream.cumulate(at, ''1 day'', ''1 month'', timezone => ''Pacific/Apia'') GROUP BY 1, 2');
CALL compare('SELECT window_start, window_end, count(*), avg(x) FROM s, stream.cumulate(at, ''1 month'', ''1 year'', ''3 months'') GROUP BY 1, 2');
CALL compare('SELECT window_start, window_end, count(*) FROM s, stream.cumulate(at, ''6 hours'', ''1 day'', timezone => ''Europe/Berlin'') GROUP BY 1, 2');
CALL compare('SELECT w.b AS until, count(*) FROM s, stream.cumulate(wall, ''10 days'', ''1 month'') AS w(a, b) GROUP BY 1');
CALL compare('SELECT window_start, count(*) FROM s, stream.cumulate(at, ''1 day'', ''7 days'', ''4 days'', ''Europe/Berlin'') GROUP BY 1');
-- the zone is the view's, not the session's
SELECT stream.create_view('v', $$SELECT window_start, window_end, count(*) FROM s, stream.cumulate(at, '1 day', '1 month', timezone => 'Europe/Berlin') GROUP BY 1, 2$$);
SET timezone = 'America/New_York';
SELECT stream.ingest('s', '{"at": "2024-03-30T22:59:00Z"}', '{"at": "2024-03-31T12:00:00Z"}');
SET timezone = 'Europe/Berlin';
TABLE v ORDER BY 1, 2;
SELECT view_definition LIKE '%''Europe/Berlin''%' AS zone_is_kept FROM information_schema.views WHERE table_name = 'v';
SET timezone = 'UTC';

SELECT stream.drop('s', true);
DROP PROCEDURE compare;
DROP TABLE rows;
