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
SELECT stream.drop('clicks', cascade => true);
