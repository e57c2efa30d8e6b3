-- Views on views: closed windows of one are the rows of the next.
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT stream.create_stream('clicks', 'ts timestamptz, k text, v int', event_time => 'ts',
  watermark_delay => '0 s');

-- minute -> hour -> day
SELECT stream.create_view('per_minute', $$
  SELECT k, w.window_start, w.window_end, count(*) AS n, sum(v) AS total
  FROM clicks, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3 $$, emit => 'append');
SELECT stream.create_view('per_hour', $$
  SELECT m.k, w.window_start, sum(m.n) AS n, sum(total) AS total, max(n) AS most
  FROM per_minute m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2 $$, emit => 'append');
SELECT stream.create_view('per_day', $$
  SELECT k, w.window_start AS day, sum(n) AS n, sum(total) AS total, count(*) AS hours
  FROM per_hour h, stream.tumble(h.window_start, '1 day') w GROUP BY 1, 2 $$,
  emit => 'append');
SELECT view, source, stream, time_column, fed_to, watermark FROM stream.catalog_feeds ORDER BY view::text;
SELECT name, stream FROM stream.views ORDER BY name::text;

-- what a view on a view must equal: its query over what its source shows
CREATE VIEW hours_from_minutes AS
  SELECT m.k, w.window_start, sum(m.n) AS n, sum(total) AS total, max(n) AS most
  FROM per_minute m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2;

SELECT stream.ingest('clicks', '{"ts": "2026-03-01T00:00:10Z", "k": "a", "v": 1}',
  '{"ts": "2026-03-01T00:00:50Z", "k": "a", "v": 2}', '{"ts": "2026-03-01T00:01:10Z", "k": "a", "v": 4}',
  '{"ts": "2026-03-01T00:01:10Z", "v": 8}', '{"ts": "2026-03-01T00:59:59Z", "k": "b", "v": 16}');
-- the watermark 00:59:59 takes effect: all minutes but the last are closed, no hour is
SELECT stream.ingest('clicks', '{"ts": "2026-03-01T01:00:00Z", "k": "a", "v": 32}');
SELECT * FROM per_minute ORDER BY window_start, k;
SELECT fed_to, watermark FROM stream.catalog_feeds ORDER BY view::text;
SELECT * FROM per_hour;
-- 01:00:00 closes the last minute, and the hour
SELECT stream.ingest('clicks', '{"ts": "2026-03-01T01:00:00Z", "k": "a", "v": 64}');
SELECT fed_to, watermark FROM stream.catalog_feeds ORDER BY view::text;
SELECT * FROM per_hour ORDER BY window_start, k;
SELECT * FROM per_day;
-- a late record changes none of them
SELECT stream.ingest('clicks', '{"ts": "2026-03-01T00:30:00Z", "k": "a", "v": 128}',
  '{"ts": "2026-03-01T23:59:59Z", "k": "b", "v": 256}', '{"ts": "2026-03-02T05:00:00Z", "k": "b", "v": 512}');
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T05:00:00Z", "k": "b", "v": 1024}');
SELECT * FROM per_hour ORDER BY window_start, k;
SELECT * FROM per_day ORDER BY day, k;
(TABLE per_hour EXCEPT ALL TABLE hours_from_minutes) UNION ALL
(SELECT * FROM hours_from_minutes WHERE window_start < '2026-03-02 05:00Z' EXCEPT ALL TABLE per_hour);

DROP VIEW hours_from_minutes;

-- what they are
CREATE FUNCTION explained(regclass) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT regexp_replace(line, 'time=[0-9.]+ ms', 'time=N ms')
  FROM (SELECT line, i, min(i) FILTER (WHERE line ~ '-> +Feed') OVER () AS feed
        FROM stream.explain($1) WITH ORDINALITY AS e(line, i)) e
  WHERE i >= feed ORDER BY i
$$;
SELECT * FROM explained('per_day');
SELECT regexp_replace(line, 'time=[0-9.]+ ms', 'time=N ms') AS line FROM stream.explain('clicks') AS line WHERE line ~ '->';
DROP FUNCTION explained;

-- they keep what they read
SELECT stream.drop('per_minute');
DROP VIEW per_hour;
ALTER VIEW per_minute RENAME COLUMN n TO m;
ALTER VIEW per_day RENAME COLUMN n TO m;
ALTER VIEW per_minute RENAME TO minutes;
ALTER TABLE per_minute_state RENAME TO minutes_state;
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T06:00:00Z", "k": "c", "v": 1}');
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T06:00:00Z", "k": "c", "v": 1}');
SELECT * FROM per_hour WHERE window_start >= '2026-03-02' ORDER BY window_start, k;
SELECT stream.replace_view('minutes', $$
  SELECT k, w.window_end, w.window_start, count(*) AS n, sum(v) AS total
  FROM clicks, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3 $$);
SELECT stream.replace_view('minutes', $$
  SELECT k, w.window_end AS window_start, w.window_start AS window_end, count(*) AS n, sum(v) AS total
  FROM clicks, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3 $$);
-- counts from here on
SELECT stream.replace_view('minutes', $$
  SELECT k, w.window_start, w.window_end, count(*) AS n, 100 * sum(v) AS total, count(*) + 1 AS more
  FROM clicks, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3 HAVING sum(v) > 0 $$);
SELECT stream.replace_view('per_hour', $$
  SELECT m.k, w.window_start, sum(m.n) AS n, sum(total) AS total, max(n) AS most, sum(n) > 1 AS several
  FROM minutes m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2 $$);
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T07:00:00Z", "k": "c", "v": 1}');
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T07:00:00Z", "k": "c", "v": 0}');
SELECT * FROM per_hour WHERE window_start >= '2026-03-02' ORDER BY window_start, k;
-- of the stream's owner, as all its views
CREATE ROLE regress_vov;
GRANT CREATE, USAGE ON SCHEMA public TO regress_vov;
ALTER VIEW per_hour OWNER TO regress_vov;
ALTER TABLE clicks OWNER TO regress_vov;
SELECT c.relname, c.relowner::regrole FROM pg_class c
WHERE relname ~ '^(minutes|per_)' AND relkind IN ('r', 'v') ORDER BY 1;
-- whoever feeds needs SELECT on the source
REVOKE SELECT ON minutes FROM regress_vov;
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T08:00:00Z", "k": "c", "v": 1}');
SELECT stream.ingest('clicks', '{"ts": "2026-03-02T08:00:00Z", "k": "c", "v": 1}');
GRANT SELECT ON minutes TO regress_vov;
SELECT stream.drop('minutes', cascade => true);
SELECT count(*) FROM stream.catalog_feeds;
SELECT name FROM stream.views;
SELECT relname FROM pg_class WHERE relname ~ '^(minutes|per_)';
SELECT stream.drop('clicks');
REVOKE CREATE, USAGE ON SCHEMA public FROM regress_vov;
DROP ROLE regress_vov;

-- Sources of all windows, read in all ways: after each batch the view equals its
-- query over what the source shows.
SELECT stream.create_stream('s', 'i int, ts timestamptz, k int, v int', event_time => 'ts',
  watermark_delay => '20 s', allowed_lateness => '10 s');
CREATE TABLE names (k int, name text);
INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (1, 'eins');
CREATE TABLE pairs (view text, query text);
INSERT INTO pairs VALUES
  ('hop', $$SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS total
    FROM s, stream.hop(ts, '20 s', '1 min') w GROUP BY 1, 2, 3$$),
  ('cumulate', $$SELECT window_start, window_end, k, count(*) AS n, avg(v) AS average
    FROM s, stream.cumulate(ts, '20 s', '1 min') GROUP BY 1, 2, 3$$),
  ('session', $$SELECT k, window_start, window_end, count(*) AS n, max(v) AS top
    FROM s, stream.session(ts, '7 s') GROUP BY 1, 2, 3$$),
  ('starts', $$SELECT k, window_start AS at, count(*) AS n, count(DISTINCT v) AS several
    FROM s, stream.tumble(ts, '30 s', '5 s') GROUP BY 1, 2 HAVING count(*) > 1$$),
  ('ends', $$SELECT k, window_end AS until, count(*) AS n
    FROM s, stream.hop(ts, '45 s', '30 s') GROUP BY 1, 2$$),
  ('local', $$SELECT window_start, window_end, count(*) AS n
    FROM s, stream.tumble(ts AT TIME ZONE 'UTC', '30 s') GROUP BY 1, 2$$);
SELECT stream.create_view(view, query, emit => 'append', allowed_lateness => CASE view WHEN 'cumulate' THEN '0 s' WHEN 'starts' THEN '1 min' END::interval) FROM pairs;
TRUNCATE pairs;
INSERT INTO pairs VALUES
  ('hop_none', $$SELECT k, count(*) AS windows, sum(n) AS n FROM hop GROUP BY k$$),
  ('hop_all', $$SELECT count(*) AS windows, sum(n) AS n, avg(total) AS average FROM hop$$),
  ('hop_tumble', $$SELECT w.window_start, k, count(*) AS windows, sum(n) AS n
    FROM hop h, stream.tumble(h.window_start, '2 min') w GROUP BY 1, 2$$),
  ('hop_inner', $$WITH h AS (SELECT n * 2 AS n, window_start AS at FROM hop WHERE k > 0)
    SELECT w.window_start, sum(n) AS n FROM h, stream.tumble(h.at, '2 min') w GROUP BY 1$$),
  ('hop_hop', $$SELECT w.window_start, w.window_end, count(*) AS windows, sum(n) AS n
    FROM hop h, stream.hop(h.window_end, '1 min', '3 min') w GROUP BY 1, 2$$),
  ('cumulate_trunc', $$SELECT date_trunc('minute', window_end) AS minute, count(DISTINCT k) AS ks, max(n) AS most
    FROM cumulate GROUP BY 1$$),
  ('cumulate_tumble', $$SELECT w.window_start, max(average) AS average, count(*) AS windows
    FROM cumulate c, stream.tumble(c.window_start, '3 min') w GROUP BY 1$$),
  ('cumulate_cumulate', $$SELECT w.window_start, w.window_end, count(*) AS windows
    FROM cumulate c, stream.cumulate(c.window_end, '1 min', '3 min') w GROUP BY 1, 2$$),
  ('session_tumble', $$SELECT w.window_start, k, count(*) AS sessions, sum(n) AS n, avg(x.window_end - x.window_start) AS length
    FROM session x, stream.tumble(x.window_end, '1 min') w GROUP BY 1, 2$$),
  ('session_join', $$SELECT name, count(*) AS sessions, sum(top) AS total
    FROM session LEFT JOIN names USING (k) GROUP BY name$$),
  ('starts_hop', $$SELECT window_start, window_end, count(*) AS windows, sum(several) AS several
    FROM starts, stream.hop(at, '1 min', '90 s') GROUP BY 1, 2$$),
  ('starts_sub', $$SELECT half, grouping(half), count(*) AS windows
    FROM (SELECT k / 2 AS half, n FROM starts WHERE n > 2) x GROUP BY ROLLUP (half)$$),
  ('ends_tumble', $$SELECT window_end, k, sum(n) AS n FROM ends, stream.tumble(until, '1 min') GROUP BY 1, 2$$),
  ('local_tumble', $$SELECT w.window_start, sum(n) AS n
    FROM local l, stream.tumble(l.window_start, '1 min') w GROUP BY 1$$);
SELECT stream.create_view(view, query) FROM pairs;
-- some that close, and some on those
INSERT INTO pairs VALUES
  ('hop_closed', $$SELECT w.window_start, w.window_end, k, sum(n) AS n
    FROM hop h, stream.tumble(h.window_start, '2 min') w GROUP BY 1, 2, 3$$),
  ('cumulate_closed', $$SELECT w.window_start, w.window_end, sum(n) AS n
    FROM cumulate c, stream.cumulate(c.window_start, '2 min', '4 min') w GROUP BY 1, 2$$),
  ('session_closed', $$SELECT w.window_start, w.window_end, sum(n) AS n
    FROM session x, stream.hop(x.window_end, '1 min', '2 min') w GROUP BY 1, 2$$),
  ('local_closed', $$SELECT w.window_start, w.window_end, sum(n) AS n
    FROM local l, stream.tumble(l.window_end, '2 min') w GROUP BY 1, 2$$);
SELECT stream.create_view(view, query, emit => 'append') FROM pairs WHERE view ~ '_closed$';
INSERT INTO pairs VALUES
  ('closed_on_hop', $$SELECT w.window_start, count(*) AS windows, sum(n) AS n
    FROM hop_closed h, stream.tumble(h.window_start, '4 min') w GROUP BY 1$$),
  ('closed_on_local', $$SELECT w.window_start, count(*) AS windows, sum(n) AS n
    FROM local_closed h, stream.hop(h.window_start, '4 min', '8 min') w GROUP BY 1$$);
SELECT stream.create_view(view, query) FROM pairs WHERE view ~ '^closed_on_';

-- rows in only one of view and query; of a view that closes, among its closed windows
CREATE FUNCTION differ(view text, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
  closed text := CASE WHEN view !~ '_closed$' THEN 'true' ELSE
    format('window_end <= (SELECT watermark %s FROM stream.catalog_feeds WHERE view = %L::regclass)',
      CASE WHEN view ~ '^local' THEN $q$AT TIME ZONE 'UTC'$q$ END, view) END;
BEGIN
  EXECUTE format('WITH q AS (SELECT * FROM (%2$s) q WHERE %3$s)
    SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE q) UNION ALL (TABLE q EXCEPT ALL TABLE %1$I)) d',
    view, query, closed) INTO n;
  RETURN n;
END $$;
CREATE FUNCTION shows(view text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %I', view) INTO n; RETURN n; END $$;
-- 40 rows, half a second from row to row, up to 42 s out of order
CREATE FUNCTION batch(b int) RETURNS bigint LANGUAGE sql AS $$
  SELECT stream.ingest('s', VARIADIC array_agg(jsonb_build_object('i', i, 'k', nullif(i * 7 % 5, 4), 'v', i * 31 % 97,
    'ts', timestamptz '2026-03-01 00:00Z' + make_interval(secs => i / 2.0 - i * i % 13 * 3.5 + i / 100 * 8))::text ORDER BY i))
  FROM generate_series(b * 40, b * 40 + 39) i
$$;
DO $$
DECLARE
  n bigint;
  pair pairs;
BEGIN
  FOR b IN 0 .. 24 LOOP
    PERFORM batch(b);
    FOR pair IN SELECT * FROM pairs LOOP
      n := differ(pair.view, pair.query);
      IF n > 0 THEN RAISE WARNING 'batch %: % rows of % differ', b, n, pair.view; END IF;
    END LOOP;
  END LOOP;
END $$;
SELECT pairs.view, differ(pairs.view, query), shows(pairs.view), f.watermark
FROM pairs JOIN stream.catalog_feeds f ON f.view = pairs.view::regclass ORDER BY pairs.view COLLATE "C";
SELECT name, late_rows FROM stream.views WHERE stream = 's'::regclass OR late_rows > 0 ORDER BY name::text COLLATE "C";
SELECT * FROM session_tumble WHERE k = 1 ORDER BY window_start LIMIT 3;
-- how rows are found: where no index begins with the window there is one more
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid, 1, true) AS first FROM pg_index
WHERE indrelid IN (SELECT state FROM stream.catalog_views WHERE stream = 's'::regclass) ORDER BY indexrelid::regclass::text COLLATE "C";
-- made later they start with all that is shown
SELECT stream.create_view('later_' || view, query) FROM pairs WHERE view !~ 'closed' ORDER BY view COLLATE "C";
SELECT 'later_' || view AS view, differ('later_' || view, query), shows('later_' || view) > 0 AS shows
FROM pairs WHERE view !~ 'closed' ORDER BY view COLLATE "C";
-- under an old snapshot, too
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT batch(25);
SELECT stream.create_view('old', 'SELECT k, sum(n) AS n FROM hop GROUP BY k');
SELECT batch(26);
SELECT differ('old', 'SELECT k, sum(n) AS n FROM hop GROUP BY k'), differ(view, query) FROM pairs WHERE view = 'hop_closed';
COMMIT;
-- what is rolled back is fed again
BEGIN;
SELECT batch(27);
ROLLBACK;
SELECT batch(27);
SELECT view, differ(view, query) FROM pairs WHERE differ(view, query) > 0;

-- refused
SELECT stream.create_view('shown', $$SELECT window_start, count(*) FROM s, stream.tumble(ts, '30 s') GROUP BY 1$$);
SELECT stream.create_view('hidden', $$SELECT k, count(*) AS n FROM s, stream.tumble(ts, '30 s') GROUP BY k, window_end$$, emit => 'append');
SELECT stream.create_view('part', $$SELECT window_start, count(*) AS n FROM s, stream.cumulate(ts, '20 s', '1 min') GROUP BY window_start, window_end$$, emit => 'append');
SELECT stream.create_view('x', 'SELECT count(*) FROM shown');
SELECT stream.create_view('x', 'SELECT count(*) FROM hidden');
SELECT stream.create_view('x', 'SELECT count(*) FROM part');
SELECT stream.create_view('x', 'SELECT count(*) FROM hop, session');
SELECT stream.create_view('x', 'SELECT count(*) FROM hop a, hop b');
SELECT stream.create_view('x', 'SELECT count(*) FROM names LEFT JOIN hop USING (k)');
SELECT stream.create_view('x', 'SELECT count(*) FROM names WHERE k IN (SELECT k FROM hop)');
SELECT stream.create_view('x', 'SELECT count(*) FROM (SELECT DISTINCT k FROM hop) h');
SELECT stream.create_view('x', 'SELECT hop, count(*) FROM hop GROUP BY 1');
SELECT stream.create_view('x', $$SELECT w.window_start, count(*) FROM hop h, stream.tumble(h.window_start + '1 s', '1 min') w GROUP BY 1$$);
SELECT stream.create_view('x', $$SELECT w.window_start, count(*) FROM (SELECT window_start + '1 s' AS at FROM hop) h, stream.tumble(h.at, '1 min') w GROUP BY 1$$);
SELECT stream.create_stream('s2', 'ts timestamptz, k int', event_time => 'ts', watermark_delay => '0');
SELECT stream.create_view('united', $$SELECT window_end, count(*) AS n FROM (SELECT ts FROM s UNION ALL SELECT ts FROM s2) u, stream.tumble(u.ts, '1 min') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('x', 'SELECT sum(n) FROM united');
SELECT stream.create_view('x', 'SELECT sum(n) FROM (SELECT n FROM hop UNION ALL SELECT n FROM session) u');
SELECT stream.create_view('x', $$SELECT w.window_start, count(*) FROM session x, stream.tumble(x.window_start, '1 min') w GROUP BY 1$$);
SELECT stream.create_view('x', 'SELECT count(*) FROM hop', emit => 'append');
SELECT stream.create_view('x', 'SELECT count(*) FROM hop', allowed_lateness => '1 s');
SELECT stream.create_view('x', 'SELECT count(*) FROM hop', options => '{"backfill": "staging"}');
SELECT stream.create_view('x', $$SELECT w.window_start, count(*) FROM hop h, stream.tumble(h.window_start, '1 h') w GROUP BY 1$$, options => '{"close_on_idle": true}');
SELECT stream.create_view('x', 'SELECT count(*) FROM hop_tumble');
SELECT stream.replace_view('hop_none', 'SELECT k, count(*) AS windows, sum(n) AS n FROM session GROUP BY k');
-- beside a stream a view is a table
SELECT stream.create_view('beside', 'SELECT count(*) FROM s JOIN hop_none USING (k)');
SET client_min_messages = warning;
SELECT stream.drop('s', cascade => true);
SELECT stream.drop('s2');
RESET client_min_messages;
DROP TABLE names, pairs;
DROP FUNCTION differ, shows, batch;

-- Sessions of sessions, months of days in a time zone, the last windows of a stream
-- that rests, and how long groups stay.
SELECT stream.create_stream('z', 'at timestamptz, u text', event_time => 'at', watermark_delay => '0');
SELECT stream.create_view('visits', $$SELECT u, window_start, window_end, count(*) AS n
  FROM z, stream.session(at, '10 min') GROUP BY 1, 2, 3$$, emit => 'append');
SELECT stream.create_view('stays', $$SELECT u, w.window_start, w.window_end, count(*) AS visits, sum(n) AS n
  FROM visits v, stream.session(v.window_end, '2 h') w GROUP BY 1, 2, 3$$);
SELECT stream.create_view('stays_closed', $$SELECT u, w.window_start, w.window_end, count(*) AS visits, sum(n) AS n
  FROM visits v, stream.session(v.window_end, '2 h') w GROUP BY 1, 2, 3$$, emit => 'append');
SELECT stream.create_view('days', $$SELECT window_start, window_end, count(*) AS n
  FROM z, stream.tumble(at, '1 day', timezone => 'Europe/Berlin') GROUP BY 1, 2$$, emit => 'append');
SELECT stream.create_view('months', $$SELECT w.window_start AS month, count(*) AS days, sum(n) AS n
  FROM days d, stream.tumble(d.window_start, '1 month', timezone => 'Europe/Berlin') w GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('month_so_far', $$SELECT w.window_start AS month, w.window_end AS until, sum(n) AS n
  FROM days d, stream.cumulate(d.window_start, '1 day', '1 month', timezone => 'Europe/Berlin') w GROUP BY 1, 2$$);
SELECT stream.create_view('recent', $$SELECT window_start, window_end, count(*) AS n
  FROM z, stream.tumble(at, '1 h') GROUP BY 1, 2$$, emit => 'append', state_ttl => '2 h');
SELECT stream.create_view('recent_days', $$SELECT w.window_start, sum(n) AS n
  FROM recent r, stream.tumble(r.window_start, '1 day') w GROUP BY 1$$, state_ttl => '3 days');
SELECT stream.create_view('recent_hours', $$SELECT extract(hour FROM window_start) AS hour, sum(n) AS n
  FROM recent GROUP BY 1$$, state_ttl => '6 h');
SELECT stream.ingest('z', '{"at": "2026-02-27T22:00:00Z", "u": "a"}', '{"at": "2026-02-27T22:05:00Z", "u": "a"}',
  '{"at": "2026-02-27T23:30:00Z", "u": "a"}', '{"at": "2026-02-27T23:30:00Z"}');
SELECT stream.ingest('z', '{"at": "2026-02-28T01:00:00Z", "u": "a"}');
SELECT stream.ingest('z', '{"at": "2026-02-28T01:20:00Z", "u": "b"}');
SELECT * FROM visits ORDER BY window_start, u;
SELECT * FROM stays ORDER BY window_start, u;
TABLE stays_closed;
SELECT stream.ingest('z', '{"at": "2026-02-28T03:20:00Z", "u": "b"}');
-- groups leave each by its own watermark, and none before the views on it have it
SELECT * FROM recent;
SELECT * FROM recent_days ORDER BY 1;
SELECT * FROM recent_hours ORDER BY hour;
SELECT stream.ingest('z', '{"at": "2026-02-28T23:00:00Z", "u": "c"}');
SELECT stream.ingest('z', '{"at": "2026-03-28T23:00:00Z", "u": "c"}');
SELECT stream.ingest('z', '{"at": "2026-03-28T23:00:00Z", "u": "c"}');
SELECT * FROM stays ORDER BY window_start, u;
SELECT * FROM stays_closed ORDER BY window_start, u;
SELECT * FROM days ORDER BY 1;
SELECT * FROM months;
SELECT * FROM month_so_far WHERE until IN ('2026-02-28 23:00Z', '2026-03-01 23:00Z', '2026-03-31 22:00Z') ORDER BY 1, 2;
SELECT view, fed_to, watermark FROM stream.catalog_feeds WHERE source = 'days'::regclass ORDER BY view::text;
SELECT * FROM recent;
SELECT * FROM recent_days ORDER BY 1;
SELECT * FROM recent_hours ORDER BY hour;
SELECT stream.ingest('z', '{"at": "2026-04-02T12:00:00Z"}');
SELECT stream.ingest('z', '{"at": "2026-04-02T12:00:00Z"}');
SELECT * FROM recent_days ORDER BY 1;
SELECT * FROM recent_hours ORDER BY hour;
SELECT * FROM months ORDER BY 1;
SET client_min_messages = warning;
SELECT stream.drop('z', cascade => true);
RESET client_min_messages;

-- the last windows of a stream that rests go on to the views on them
SELECT stream.create_stream('r', 'at timestamptz', event_time => 'at', watermark_delay => '1 h', idle_timeout => '0');
SELECT stream.create_view('r_minute', $$SELECT window_start, count(*) AS n FROM r, stream.tumble(at, '1 min') GROUP BY 1$$,
  emit => 'append', options => '{"close_on_idle": true}');
SELECT stream.create_view('r_all', 'SELECT count(*) AS minutes, sum(n) AS n FROM r_minute');
SELECT stream.ingest('r', '{"at": "2026-03-01T00:00:10Z"}', '{"at": "2026-03-01T00:00:20Z"}', '{"at": "2026-03-01T00:01:00Z"}');
TABLE r_all;
SELECT stream.ingest('r', VARIADIC '{}');
TABLE r_all;
SET client_min_messages = warning;
SELECT stream.drop('r', cascade => true);
RESET client_min_messages;

-- A row that a view cannot take is a dead letter; the rest counts, in the other
-- views and behind it.
SELECT stream.create_stream('d', 'ts timestamptz, k text, v int', event_time => 'ts', watermark_delay => '0',
  options => '{"batch_max_rows": 3}');
SELECT stream.create_view('d_minute', $$SELECT k, window_start, window_end, sum(v) AS v
  FROM d, stream.tumble(ts, '1 min') GROUP BY 1, 2, 3$$, emit => 'append');
SELECT stream.create_view('d_rate', 'SELECT k, count(*) AS n, sum(60 / v) AS rate FROM d_minute GROUP BY k');
SELECT stream.create_view('d_sum', 'SELECT count(*) AS n, sum(v) AS v FROM d_minute');
SELECT stream.ingest('d', VARIADIC array_agg(format('{"ts": "2026-03-01T00:%s:00Z", "k": "%s", "v": %s}',
  lpad((i / 2)::text, 2, '0'), i % 2, CASE WHEN i IN (3, 8) THEN 0 ELSE i END) ORDER BY i))
FROM generate_series(1, 12) i;
SELECT stream.ingest('d', '{"ts": "2026-03-01T01:00:00Z", "k": "x", "v": 1}');
SELECT * FROM d_rate ORDER BY k;
SELECT stream.ingest('d', '{"ts": "2026-03-01T01:00:00Z", "k": "x", "v": 1}');
SELECT * FROM d_rate ORDER BY k;
SELECT * FROM d_sum;
SELECT "partition", "offset", "timestamp", convert_from(payload, 'UTF8') AS payload, sqlstate, message, view_name FROM d_dead_letters ORDER BY id;
SELECT name, errors FROM stream.views WHERE stream = 'd_minute'::regclass ORDER BY name::text;
-- they stay: the record itself was taken
SELECT stream.retry_dead_letters('d');
SELECT count(*) FROM d_dead_letters;
-- of rows that are there before the view, too
SELECT stream.create_view('d_later', 'SELECT count(*) AS n, sum(60 / v) AS rate FROM d_minute');
TABLE d_later;
SELECT view_name, count(*) FROM d_dead_letters GROUP BY 1 ORDER BY 1;
SET client_min_messages = warning;
SELECT stream.drop('d', cascade => true);
RESET client_min_messages;
-- with on_error fail it is an error, and nothing is fed
SELECT stream.create_stream('d', 'ts timestamptz, v int', event_time => 'ts', watermark_delay => '0', on_error => 'fail');
SELECT stream.create_view('d_minute', $$SELECT window_start, sum(v) AS v FROM d, stream.tumble(ts, '1 min') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('d_rate', 'SELECT count(*) AS n, sum(60 / v) AS rate FROM d_minute');
SELECT stream.ingest('d', '{"ts": "2026-03-01T00:00:00Z", "v": 1}', '{"ts": "2026-03-01T00:01:00Z", "v": 0}', '{"ts": "2026-03-01T00:02:00Z", "v": 1}');
SELECT stream.ingest('d', '{"ts": "2026-03-01T00:03:00Z", "v": 1}');
TABLE d_rate;
SELECT stream.drop('d_rate');
SELECT stream.ingest('d', '{"ts": "2026-03-01T00:03:00Z", "v": 1}');
SELECT * FROM d_minute ORDER BY 1;
SET client_min_messages = warning;
SELECT stream.drop('d', cascade => true);
