--
-- Window arithmetic: stream.tumble, stream.window_start, stream.window_end.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- [start, end), aligned to the Unix epoch
SELECT ts, window_start, window_end
FROM (VALUES ('2024-05-01 12:00:00+00'::timestamptz), ('2024-05-01 12:00:09.999999+00'),
	('2024-05-01 12:00:10+00'), ('1970-01-01 00:00+00'), ('1969-12-31 23:59:59.999999+00'),
	('1999-12-31 23:59:59.999999+00'), ('2000-01-01 00:00+00'), ('2262-04-11 23:47:16.854775+00'),
	(NULL), ('infinity'), ('-infinity')) AS x(ts), stream.tumble(ts, '10 s');
SELECT ts, window_start, window_end
FROM (VALUES ('2024-05-01 12:00:09.999999'::timestamp), ('1969-12-31 23:59:59.999999'), ('infinity')) AS x(ts),
	stream.tumble(ts, '10 s');
-- a size that does not divide a day; weeks start as the epoch did, on a Thursday
SELECT window_start, window_end FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '7 hours');
SELECT to_char(window_start, 'Dy'), window_start, window_end
FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '7 days');
SELECT to_char(window_start, 'Dy'), window_start, window_end
FROM stream.tumble('2024-05-01 12:00+00'::timestamptz, '7 days', '4 days');
-- offsets: forward, back, more than the size
SELECT o, window_start, window_end
FROM (VALUES (interval '0'), ('2 min'), ('-2 min'), ('5 min'), ('1 day 2 min'), ('-3 min')) AS x(o),
	stream.tumble('2024-05-01 12:01+00'::timestamptz, '5 min', o);
-- days are 24 hours, whatever clocks do on the session's night of the change
SET timezone = 'Europe/Berlin';
SELECT window_start, window_end, window_end - window_start AS length
FROM generate_series('2024-03-30 12:00+00'::timestamptz, '2024-04-01 12:00+00', '1 day') AS ts, stream.tumble(ts, '1 day');
SELECT window_start, window_end
FROM generate_series('2024-10-27 00:30+00'::timestamptz, '2024-10-27 02:30+00', '1 hour') AS ts, stream.tumble(ts, '1 hour');
SET timezone = 'UTC';
-- the first and the last microsecond that PostgreSQL has
SELECT stream.window_start('4714-11-24 00:00:00+00 BC'::timestamptz, '1 us');
SELECT stream.window_start('4714-11-24 00:00:00+00 BC'::timestamptz, '7 us');
SELECT stream.window_start('294276-12-31 23:59:59.999999+00'::timestamptz, '1 h');
SELECT stream.window_end('294276-12-31 23:59:59.999999+00'::timestamptz, '1 h');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '100000000 days');
SELECT stream.window_end('2024-05-01 12:00+00'::timestamptz, '100000000 days');
SELECT stream.window_start('1960-05-01 12:00+00'::timestamptz, '100000000 days');
-- refused
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '0 s');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '-1 h');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '1 h', '1 month');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '2000000000 days');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '1 s', '106751990 days');
SELECT stream.window_start('2024-05-01 12:00+00'::timestamptz, '1 s', '-106751990 days');

-- the same as date_bin, wherever that is defined
SELECT count(*), count(*) FILTER (WHERE stream.window_start(ts, size, off)
	<> date_bin(size, ts, '1970-01-01 00:00+00'::timestamptz + off)) AS differ,
	count(*) FILTER (WHERE stream.window_end(ts, size, off) - stream.window_start(ts, size, off)
	<> size) AS odd_length
FROM (SELECT '1950-01-01 00:00+00'::timestamptz + make_interval(secs => i * 3571.123457) AS ts,
		make_interval(secs => 1 + i * 7919 % 90001 / 10.0) AS size,
		make_interval(secs => i * 104729 % 200003 - 100000) AS off
	FROM generate_series(1, 20000) AS i) AS x;
-- each row is in its window
SELECT count(*) AS outside
FROM generate_series('1969-12-31 00:00+00'::timestamptz, '1970-01-02 00:00+00', '997 ms') AS ts,
	stream.tumble(ts, '7.5 s', '1.25 s')
WHERE ts < window_start OR ts >= window_end;
