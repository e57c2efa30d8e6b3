--
-- Views at the borders of windows: events exactly on them, the years in which
-- time stamps of other systems begin and end, and days on which clocks change.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;

-- what a stream is fed with: the moments, given to it as UTC
CREATE FUNCTION feed(VARIADIC moments text[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT stream.ingest('s'::text::regclass, VARIADIC array_agg(json_build_object('at', m)::text ORDER BY i))
	FROM unnest(moments) WITH ORDINALITY AS x(m, i) $$;

-- an event on a border is in the window that begins there, in each kind of window
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at');
SELECT stream.create_view('tumbled', $$SELECT window_start, window_end, count(*), min(at), max(at)
	FROM s, stream.tumble(at, '10 s') GROUP BY 1, 2$$);
SELECT stream.create_view('shifted', $$SELECT window_start, window_end, count(*), min(at), max(at)
	FROM s, stream.tumble(at, '10 s', '1 us') GROUP BY 1, 2$$);
SELECT stream.create_view('hopped', $$SELECT window_start, window_end, count(*), min(at), max(at)
	FROM s, stream.hop(at, '4 s', '10 s') GROUP BY 1, 2$$);
SELECT stream.create_view('apart', $$SELECT window_start, window_end, count(*), min(at), max(at)
	FROM s, stream.hop(at, '10 s', '4 s') GROUP BY 1, 2$$);
SELECT stream.create_view('grown', $$SELECT window_start, window_end, count(*), min(at), max(at)
	FROM s, stream.cumulate(at, '5 s', '10 s') GROUP BY 1, 2$$);
SELECT feed('2024-05-01T12:00:10Z', '2024-05-01T12:00:04Z', '2024-05-01T12:00:00Z');
SELECT feed('2024-05-01T12:00:09.999999Z', '2024-05-01T12:00:10Z', '2024-05-01T12:00:10.000001Z',
	'2024-05-01T11:59:59.999999Z', '2024-05-01T12:00:03.999999Z');
TABLE tumbled ORDER BY 1, 2;
TABLE shifted ORDER BY 1, 2;
TABLE hopped ORDER BY 1, 2;
TABLE apart ORDER BY 1, 2;
TABLE grown ORDER BY 1, 2;

-- 1970: windows before, after and across the epoch
SELECT stream.drop('s', true);
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at');
SELECT stream.create_view('tumbled', $$SELECT window_start, window_end, count(*) FROM s, stream.tumble(at, '7 h') GROUP BY 1, 2$$);
SELECT stream.create_view('shifted', $$SELECT window_start, window_end, count(*) FROM s, stream.tumble(at, '7 h', '-2 h') GROUP BY 1, 2$$);
SELECT stream.create_view('hopped', $$SELECT window_start, window_end, count(*) FROM s, stream.hop(at, '4 h', '6 h', '-1 h') GROUP BY 1, 2$$);
SELECT stream.create_view('grown', $$SELECT window_start, window_end, count(*) FROM s, stream.cumulate(at, '3 h', '6 h', '1 h') GROUP BY 1, 2$$);
SELECT feed('1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00.000001Z', '1969-12-31T19:00:00Z');
SELECT feed('1970-01-01T00:00:00Z', '1970-01-01T01:00:00Z', '1969-12-31T16:59:59.999999Z');
TABLE tumbled ORDER BY 1, 2;
TABLE shifted ORDER BY 1, 2;
TABLE hopped ORDER BY 1, 2;
TABLE grown ORDER BY 1, 2;

-- 2262: 64 bits of nanoseconds end at 23:47:16.854775807 on April 11; 2038: 32 of seconds
SELECT feed('2262-04-11T23:47:16.854775Z', '2262-04-11T23:47:16.854776Z', '2262-04-12T00:00:00Z');
SELECT feed('2038-01-19T03:14:07Z', '2038-01-19T03:14:08Z', '2262-04-11T23:47:17Z', '9999-12-31T23:59:59.999999Z');
SELECT * FROM tumbled WHERE window_start > '2000-01-01' ORDER BY 1, 2;
SELECT * FROM shifted WHERE window_start > '2000-01-01' ORDER BY 1, 2;
SELECT * FROM hopped WHERE window_start > '2000-01-01' ORDER BY 1, 2;
SELECT * FROM grown WHERE window_start > '2000-01-01' ORDER BY 1, 2;
SELECT stream.drop('s', true);

-- Hours and days are those of UTC whatever the session's zone: in the one that
-- makes the views, in those that feed them and in the one that reads.  Here
-- clocks go forward at 01:00 UTC on March 31 and back at 01:00 UTC on October 27,
-- in New York at 07:00 on March 10 and at 06:00 on November 3.
SET timezone = 'Europe/Berlin';
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at');
SELECT stream.create_view('hours', $$SELECT window_start, window_end, count(*) FROM s, stream.tumble(at, '1 hour') GROUP BY 1, 2$$);
SELECT stream.create_view('days', $$SELECT window_start, window_end, count(*) FROM s, stream.tumble(at, '1 day') GROUP BY 1, 2$$);
SELECT stream.create_view('days_from_6', $$SELECT window_start, window_end, count(*) FROM s, stream.tumble(at, '1 day', '-1 day 6 hours') GROUP BY 1, 2$$);
SELECT stream.create_view('two_days', $$SELECT window_start, window_end, count(*) FROM s, stream.hop(at, '1 day', '2 days') GROUP BY 1, 2$$);
SELECT stream.create_view('halves', $$SELECT window_start, window_end, count(*) FROM s, stream.cumulate(at, '12 hours', '1 day') GROUP BY 1, 2$$);
CREATE TABLE moments AS
	SELECT day + make_interval(secs => i * 1800) AS at
	FROM unnest(ARRAY['2024-03-10 00:00+00', '2024-03-30 00:00+00', '2024-10-26 00:00+00', '2024-11-03 00:00+00']::timestamptz[]) AS day,
		generate_series(0, 95) AS i;
SELECT stream.ingest('s', VARIADIC array_agg(to_json(m)::text)) FROM moments AS m WHERE extract(minute FROM at) = 0;
SET timezone = 'America/New_York';
SELECT stream.ingest('s', VARIADIC array_agg(to_json(m)::text)) FROM moments AS m WHERE extract(minute FROM at) = 30;
-- each hour has two, in every zone that reads
SELECT count(*), min(count), max(count), min(window_end - window_start) AS shortest, max(window_end - window_start) AS longest FROM hours;
SET timezone = 'Europe/Berlin';
SELECT window_start, window_end, count FROM hours
WHERE window_start BETWEEN '2024-03-31 00:00+00' AND '2024-03-31 02:00+00'
	OR window_start BETWEEN '2024-10-27 00:00+00' AND '2024-10-27 02:00+00'
ORDER BY window_start;
TABLE days ORDER BY 1;
SET timezone = 'UTC';
TABLE days ORDER BY 1;
TABLE days_from_6 ORDER BY 1;
TABLE two_days ORDER BY 1;
TABLE halves ORDER BY 1, 2;
-- the same from the moments themselves, in another zone
SET timezone = 'Australia/Lord_Howe';
SELECT 'days' AS view, count(*) AS differ FROM (
	(TABLE days EXCEPT ALL SELECT window_start, window_end, count(*) FROM moments, stream.tumble(at, '1 day') GROUP BY 1, 2)
	UNION ALL (SELECT window_start, window_end, count(*) FROM moments, stream.tumble(at, '1 day') GROUP BY 1, 2 EXCEPT ALL TABLE days)) AS x
UNION ALL SELECT 'two_days', count(*) FROM (
	(TABLE two_days EXCEPT ALL SELECT window_start, window_end, count(*) FROM moments, stream.hop(at, '1 day', '2 days') GROUP BY 1, 2)
	UNION ALL (SELECT window_start, window_end, count(*) FROM moments, stream.hop(at, '1 day', '2 days') GROUP BY 1, 2 EXCEPT ALL TABLE two_days)) AS x
UNION ALL SELECT 'halves', count(*) FROM (
	(TABLE halves EXCEPT ALL SELECT window_start, window_end, count(*) FROM moments, stream.cumulate(at, '12 hours', '1 day') GROUP BY 1, 2)
	UNION ALL (SELECT window_start, window_end, count(*) FROM moments, stream.cumulate(at, '12 hours', '1 day') GROUP BY 1, 2 EXCEPT ALL TABLE halves)) AS x;
SET timezone = 'UTC';

SELECT stream.drop('s', true);
DROP TABLE moments;
DROP FUNCTION feed;
