--
-- Windows that close: late rows, allowed lateness, emit => 'append'.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- one batch of times in the minute 2024-01-01 00:00, with a key
CREATE PROCEDURE feed(VARIADIC events text[]) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(
		json_build_object('at', '2024-01-01T00:' || split_part(e, ' ', 1) || 'Z', 'k', split_part(e, ' ', 2))::text)
	FROM unnest(events) AS e));
END $$;

SELECT stream.create_stream('s', 'at timestamptz, k text', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('tumbling', $$SELECT window_start, window_end, count(*) AS n
	FROM s, stream.tumble(at, '5 s') GROUP BY 1, 2$$);
SELECT stream.create_view('hopping', $$SELECT window_start, window_end, count(*) AS n, max(k) AS k
	FROM s, stream.hop(at, '5 s', '10 s') GROUP BY 1, 2$$);
SELECT stream.create_view('growing', $$SELECT window_start, window_end, count(*) AS n
	FROM s, stream.cumulate(at, '5 s', '15 s') GROUP BY 1, 2$$);
SELECT stream.create_view('unwindowed', 'SELECT count(*) AS n FROM s');
SELECT stream.create_view('patient', $$SELECT window_start, count(*) AS n
	FROM s, stream.tumble(at, '5 s') GROUP BY 1$$, allowed_lateness => '5 s');
SELECT stream.create_view('final', $$SELECT window_start, k, count(*) AS n
	FROM s, stream.tumble(at, '5 s') GROUP BY 1, 2 HAVING count(*) > 1$$, emit => 'append');
SELECT stream.create_view('final_hops', $$SELECT window_end, count(*) AS n
	FROM s, stream.hop(at, '5 s', '10 s') GROUP BY 1$$, emit => 'append', options => '{"late_rows": "count"}');

-- the watermark of a batch holds for the next one: nothing is late here
CALL feed('00:01 a', '00:05 a', '00:02 a');
SELECT watermark FROM stream.status;
-- W = :05 closes [0,5) of tumble and of cumulate, and [-5,5) of hop
CALL feed('00:04 b');
TABLE tumbling ORDER BY 1;
TABLE hopping ORDER BY 1;
TABLE growing ORDER BY 1, 2;
TABLE unwindowed;
TABLE patient ORDER BY 1;
TABLE final ORDER BY 1, 2;
TABLE final_hops ORDER BY 1;
-- what was late is kept, with its place and its window
SELECT partition, "offset", event_time, window_start, window_end, closed_to, "row" FROM tumbling_late_rows;
SELECT count(*) FROM hopping_late_rows;
SELECT to_regclass('final_hops_late_rows') AS not_kept;

-- exactly at the border; and the first of a window after later ones
CALL feed('00:10 a', '00:09.999999 a', '00:05 c', '00:04.999999 c');
TABLE tumbling ORDER BY 1;
TABLE hopping ORDER BY 1;
CALL feed('00:20 a', '00:07 d', '00:10 d');
TABLE tumbling ORDER BY 1;
TABLE hopping ORDER BY 1;
TABLE growing ORDER BY 1, 2;
TABLE patient ORDER BY 1;
TABLE final ORDER BY 1, 2;
TABLE final_hops ORDER BY 1;
SELECT event_time, window_start, window_end, closed_to, "row" ->> 'k' AS k FROM hopping_late_rows ORDER BY 1, 5;

-- rows that appeared never change, whatever comes
CREATE TABLE seen AS TABLE final;
CALL feed('00:00 a', '00:01 a', '00:05 a', '00:06 a', '00:14 z');
CALL feed('00:31 a', '00:01 a', '00:05 a', '00:06 a');
CALL feed('00:31 a');
SELECT count(*) AS lost FROM (TABLE seen EXCEPT ALL TABLE final) AS d;
TABLE final ORDER BY 1, 2;
SELECT name, late_rows FROM stream.views ORDER BY name::text;
SELECT late_rows FROM stream.status;

-- a late row that a WHERE leaves out is none; an error in WHERE is a dead letter
SELECT stream.create_view('filtered', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(at, '5 s')
	WHERE k = 'x' AND 10 / (extract(second FROM at) - 3) <> 0 GROUP BY 1$$);
CALL feed('00:01 x', '00:01 y', '00:03 x', '00:40 x');
TABLE filtered;
SELECT "row" FROM filtered_late_rows;
SELECT message, view_name FROM s_dead_letters;

-- the stream is not the first in FROM
SELECT stream.create_view('joined', $$SELECT window_start, x, count(*) AS n FROM (VALUES ('y'), ('x')) AS t (x) JOIN s ON k = x,
	stream.tumble(at, '5 s') GROUP BY 1, 2$$);
CALL feed('00:02 x', '00:03 a', '00:41 y');
TABLE joined;
SELECT event_time, "row" FROM joined_late_rows;

-- columns that were dropped or are composite, timestamps without time zone
SELECT stream.create_stream('plain', 'gone int, at timestamp, j jsonb, a int[]', event_time => 'at', watermark_delay => '1 s');
ALTER TABLE plain DROP COLUMN gone;
SELECT stream.create_view('v', $$SELECT window_end, count(*) AS n FROM plain, stream.tumble(at, '5 s') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('h', $$SELECT window_end, count(*) AS n FROM plain, stream.hop(at, '5 s', '15 s') GROUP BY 1$$, emit => 'append');
SET timezone = 'America/New_York';
SELECT stream.ingest('plain', '{"at": "2024-03-10 01:59:58"}', '{"at": "2024-03-10 02:00:05"}');
SELECT stream.ingest('plain', '{"at": "2024-03-10 01:59:59", "j": {"x": 1}, "a": [1, 2]}', '{"at": "2024-03-10 02:00:04"}');
TABLE v;
TABLE h;
SELECT event_time, window_start, window_end, closed_to, "row" FROM v_late_rows;
SET timezone = 'UTC';
SELECT stream.ingest('plain', '{"at": "2024-03-10 02:01:00"}');
SELECT stream.ingest('plain', '{"at": "2024-03-10 02:01:00"}');
TABLE v ORDER BY 1;
TABLE h ORDER BY 1;

-- calendar windows: February is closed, March is not; a day of 23 hours
SELECT stream.create_stream('c', 'at timestamptz', event_time => 'at', watermark_delay => '0 s');
SELECT stream.create_view('months', $$SELECT window_start, count(*) AS n FROM c, stream.tumble(at, '1 month', timezone => 'Europe/Berlin') GROUP BY 1$$);
SELECT stream.create_view('quarters', $$SELECT window_start, window_end, count(*) AS n FROM c, stream.hop(at, '1 month', '3 months', timezone => 'Europe/Berlin') GROUP BY 1, 2$$);
SELECT stream.create_view('days', $$SELECT window_end, count(*) AS n FROM c, stream.cumulate(at, '12 h', '1 day', timezone => 'Europe/Berlin') GROUP BY 1$$, emit => 'append');
SET timezone = 'Europe/Berlin';
SELECT stream.ingest('c', '{"at": "2024-02-29 12:00"}', '{"at": "2024-03-01 00:00"}');
SELECT stream.ingest('c', '{"at": "2024-02-29 23:59:59"}', '{"at": "2024-03-31 11:00"}', '{"at": "2024-03-31 13:01"}');
SELECT stream.ingest('c', '{"at": "2024-03-31 12:30"}', '{"at": "2024-03-31 13:30"}', '{"at": "2024-04-01 00:00"}');
SELECT stream.ingest('c', '{"at": "2024-03-31 23:59"}');
TABLE months ORDER BY 1;
TABLE quarters ORDER BY 1;
TABLE days ORDER BY 1;
SELECT event_time, window_start, window_end, closed_to FROM months_late_rows;
SELECT event_time, window_start, window_end, closed_to FROM days_late_rows;
SELECT count(*) FROM quarters_late_rows;
SELECT stream.drop('c', cascade => true);
SET timezone = 'UTC';

-- the table of late rows belongs to the state
DROP TABLE v_late_rows;
DROP VIEW v;
SELECT to_regclass('v_state'), to_regclass('v_late_rows');

-- refused
SELECT stream.create_view('r', 'SELECT k, count(*) FROM s GROUP BY k', emit => 'append');
SELECT stream.create_view('r', $$SELECT date_trunc('hour', window_start), count(*) FROM s, stream.tumble(at, '5 s') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM s, stream.cumulate(at, '5 s', '15 s') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('r', 'SELECT count(*) FROM s', emit => 'complete');
SELECT stream.create_view('r', 'SELECT count(*) FROM s', options => '{"late_rows": "drop"}');
SELECT stream.create_view('r', 'SELECT count(*) FROM s', options => '{"late": "keep"}');
SELECT stream.create_view('r', 'SELECT count(*) FROM s', allowed_lateness => '1 month');
SELECT stream.create_view('r', 'SELECT count(*) FROM s', allowed_lateness => '-1 s');
SELECT stream.create_stream('timeless', 'at timestamptz', event_time => 'at');
SELECT stream.create_view('r', $$SELECT window_start, count(*) FROM timeless, stream.tumble(at, '5 s') GROUP BY 1$$, emit => 'append');
SELECT stream.watermark('timeless');
SELECT stream.watermark('pg_class');

SELECT stream.drop('timeless');
SELECT stream.drop('plain', cascade => true);
SELECT stream.drop('s', cascade => true);
DROP TABLE seen;
DROP PROCEDURE feed;

-- the last windows of a stream that is idle: only if the view asks for it
SELECT stream.create_stream('s', 'at timestamptz, k text', event_time => 'at', watermark_delay => '1 min', idle_timeout => '0 s');
SELECT stream.create_view('open', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(at, '5 s') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('done', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(at, '5 s') GROUP BY 1$$,
	emit => 'append', allowed_lateness => '1 s', options => '{"close_on_idle": true}');
SELECT stream.create_view('done_hops', $$SELECT window_end, count(*) AS n FROM s, stream.hop(at, '5 s', '10 s') GROUP BY 1$$,
	emit => 'append', options => '{"close_on_idle": true}');
SELECT stream.create_view('done_visits', $$SELECT k, window_end, count(*) AS n FROM s, stream.session(at, '5 s') GROUP BY 1, 2$$,
	emit => 'append', options => '{"close_on_idle": "yes"}');
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:01Z", "k": "a"}', '{"at": "2024-01-01T00:00:07Z", "k": "a"}');
TABLE done;
-- idle since: the next batch finds the windows closed, and is late for them
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:08Z", "k": "a"}', '{"at": "2024-01-01T00:00:10Z", "k": "b"}');
TABLE open;
TABLE done ORDER BY 1;
TABLE done_hops ORDER BY 1;
TABLE done_visits ORDER BY 1, 2;
SELECT event_time, closed_to FROM done_late_rows;
SELECT stream.ingest('s', VARIADIC '{}'::text[]);
TABLE done ORDER BY 1;
TABLE done_hops ORDER BY 1;
TABLE done_visits ORDER BY 1, 2;
SELECT stream.create_view('r', $$SELECT k, count(*) FROM s GROUP BY 1$$, options => '{"close_on_idle": true}');
SELECT stream.create_view('r', $$SELECT k, count(*) FROM s GROUP BY 1$$, options => '{"close_on_idle": "maybe"}');
SELECT stream.drop('s', cascade => true);

-- columns that the view does not use may come and go
SELECT stream.create_stream('changing', 'at timestamptz, k text, a int, b int', event_time => 'at', watermark_delay => '0 s');
SELECT stream.create_view('changing_view', $$SELECT window_start, count(*) FROM (SELECT at FROM changing WHERE k <> '') c, stream.hop(c.at, '1 s', '2 s') GROUP BY 1$$);
SELECT stream.ingest('changing', '{"at":"2026-01-01T00:01:00Z","k":"x","a":1,"b":1}');
ALTER TABLE changing DROP COLUMN a;
ALTER TABLE changing ADD COLUMN c numeric DEFAULT 3;
SELECT stream.ingest('changing', '{"at":"2026-01-01T00:00:00Z","k":"y","a":2,"b":2}');
SELECT "offset", "row" FROM changing_view_late_rows;
SELECT stream.drop('changing', true);
