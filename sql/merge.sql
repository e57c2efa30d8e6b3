-- Many groups are merged into a state without ON CONFLICT: the results are the same.
SET stream_ext.direct_merge_groups = 1;

-- new groups, more than are inserted at a time, and old ones; NULL keys; two columns
SELECT stream.create_stream('m', 'k int, t text, v int, ts timestamptz', format => 'csv',
	event_time => 'ts', watermark_delay => '1 hour', options => '{"null": "-"}');
SELECT stream.create_view('sums', 'SELECT k, t, count(*) AS n, sum(v) AS total, avg(v) AS mean FROM m GROUP BY k, t');
SELECT stream.create_view('most', 'SELECT k, max(v) AS most FROM m GROUP BY k');
SELECT stream.create_view('every', 'SELECT count(*) AS n, count(DISTINCT k) AS k FROM m');
SELECT stream.create_view('per_day', 'SELECT window_start, k % 7 AS d, count(*) AS n, sum(v) AS total
	FROM m, stream.tumble(ts, ''1 day'') GROUP BY 1, 2', state_ttl => '10 days');
CREATE TABLE rows AS
SELECT nullif(i % 2500, 7) AS k, CASE i % 2 WHEN 0 THEN NULL ELSE 'x' END AS t,
	i AS v, timestamptz '2026-01-01 12:00+00' + i * interval '2 minutes' AS ts
FROM generate_series(1, 6000) AS i;
SELECT stream.ingest('m', VARIADIC (SELECT array_agg(concat_ws(',', coalesce(k::text, '-'), coalesce(t, '-'), v, ts)
	ORDER BY v) FROM rows WHERE v <= 4000));
SELECT stream.ingest('m', VARIADIC (SELECT array_agg(concat_ws(',', coalesce(k::text, '-'), coalesce(t, '-'), v, ts)
	ORDER BY v) FROM rows WHERE v > 4000));
CREATE VIEW want_sums AS SELECT k, t, count(*) AS n, sum(v) AS total, avg(v) AS mean FROM rows GROUP BY k, t;
SELECT count(*), sum(n) FROM sums;
SELECT count(*) AS wrong FROM ((TABLE sums EXCEPT TABLE want_sums) UNION ALL (TABLE want_sums EXCEPT TABLE sums)) AS x;
SELECT count(*) AS wrong FROM (TABLE most EXCEPT SELECT k, max(v) FROM rows GROUP BY k) AS x;
SELECT * FROM every;

-- partitions: some came with the batch, and what state_ttl lets go of is gone
SELECT count(*) > 1 AS partitions FROM pg_inherits WHERE inhparent = 'per_day_state'::regclass;
SELECT count(*) AS wrong FROM (TABLE per_day EXCEPT
	SELECT date_trunc('day', ts, 'UTC'), k % 7, count(*), sum(v) FROM rows GROUP BY 1, 2) AS x;
SELECT count(*) > 0 AS groups FROM per_day;

-- what users put on a state table is kept up: an index, a constraint, a trigger
CREATE INDEX by_n ON most_state (most);
ALTER TABLE most_state ADD CONSTRAINT positive CHECK (most > 0);
SELECT stream.ingest('m', '1,-,7000,2026-01-09 12:00+00', '3000,-,1,2026-01-09 12:00+00');
SET enable_seqscan = off;
SELECT k FROM most_state WHERE most = 7000;
RESET enable_seqscan;
SELECT stream.ingest('m', '3001,-,-5,2026-01-09 12:00+00');
SELECT view_name, sqlstate, message FROM m_dead_letters;
CREATE TABLE told (k int, most int);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO told VALUES (NEW.k, NEW.most);
	RETURN NEW;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON most_state FOR EACH ROW EXECUTE FUNCTION tell();
SELECT stream.ingest('m', '1,-,8000,2026-01-09 12:00+00', '3002,-,2,2026-01-09 12:00+00', '2,-,1,2026-01-09 12:00+00');
SELECT * FROM told ORDER BY k;

-- a column that users add
ALTER TABLE sums_state ADD COLUMN extra int DEFAULT 5;
SELECT stream.ingest('m', '1,y,1,2026-01-09 12:00+00');
SELECT k, t, n, total FROM sums WHERE t = 'y';
SELECT count(*) FROM sums_state WHERE extra IS DISTINCT FROM 5;

DROP TABLE rows CASCADE;
SELECT stream.drop('m', true);
DROP TABLE told;
DROP FUNCTION tell;
