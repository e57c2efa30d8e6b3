-- The state of sum(bigint) and sum(numeric) is the sum, which anyone can read: it is what
-- the same SQL over the same rows is, digit by digit.
SELECT stream.create_stream('s', 'k int, i bigint, n numeric, ts timestamptz', format => 'csv', event_time => 'ts',
	watermark_delay => '0 s', options => '{"null": "-"}');
SELECT stream.create_view('sums', 'SELECT k, sum(i) AS i, sum(n) AS n, avg(n) AS mean, sum(n) FILTER (WHERE i > 0) AS some, sum(-n) AS minus
	FROM s GROUP BY k');
SELECT stream.create_view('everything', 'SELECT sum(i) AS i, sum(n) + 1 AS n FROM s HAVING count(*) > 0');
SELECT stream.create_view('apart', 'SELECT k, sum(DISTINCT i) AS i, sum(DISTINCT n) AS n, sum(n) AS all_n FROM s GROUP BY k');
SELECT stream.create_view('sliding', 'SELECT window_start, sum(i) AS i, sum(n) AS n FROM s, stream.hop(ts, ''10 s'', ''25 s'') GROUP BY 1');
SELECT stream.create_view('per_minute', 'SELECT k, window_start, window_end, sum(i) AS i, sum(n) AS n FROM s, stream.tumble(ts, ''1 minute'') GROUP BY 1, 2, 3',
	emit => 'append');
SELECT stream.create_view('per_hour', 'SELECT w.window_start, combine(i) AS i, combine(n) AS n, sum(m.n) AS same FROM per_minute m, stream.tumble(m.window_start, ''1 hour'') w GROUP BY 1');
SELECT stream.create_rollup('per_key', 'SELECT k, combine(i) AS i, combine(n) AS n FROM per_minute GROUP BY k');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'sums_state'::regclass AND attnum > 0;

-- more than a bigint holds, digits behind the point, infinities, NaN, nothing but NULLs, no rows at all
CREATE TABLE rows (k int, i bigint, n numeric, ts timestamptz);
INSERT INTO rows VALUES
	(1, 9223372036854775807, 0.5, '2026-01-01 00:00:01+00'), (1, 9223372036854775807, 1.250, '2026-01-01 00:00:02+00'),
	(1, -1, -1.75, '2026-01-01 00:00:12+00'), (2, NULL, NULL, '2026-01-01 00:00:13+00'),
	(3, 1, 'Infinity', '2026-01-01 00:00:14+00'), (3, 2, 1e40, '2026-01-01 00:00:31+00'),
	(4, 1, 'Infinity', '2026-01-01 00:01:00+00'), (4, -1, '-Infinity', '2026-01-01 00:01:01+00'),
	(5, 0, 'NaN', '2026-01-01 00:01:02+00'), (5, 0, 1, '2026-01-01 00:01:03+00'),
	(6, -9223372036854775808, 1e-30, '2026-01-01 00:01:04+00'), (6, -9223372036854775808, 0.00, '2026-01-01 00:01:05+00'),
	(7, 1, NULL, '2026-01-01 00:01:06+00'), (NULL, 5, 0.10, '2026-01-01 00:01:07+00'), (1, 2, 0.5, '2026-01-01 00:01:08+00');
CREATE FUNCTION feed(from_time timestamptz, to_time timestamptz) RETURNS bigint LANGUAGE sql AS $$
	SELECT stream.ingest('s', VARIADIC array_agg(concat_ws(',', coalesce(k::text, '-'), coalesce(i::text, '-'), coalesce(n::text, '-'), ts) ORDER BY ts))
	FROM rows WHERE ts >= from_time AND ts < to_time $$;
SELECT * FROM everything;
SELECT feed('-infinity', '2026-01-01 00:00:12+00'), feed('2026-01-01 00:00:12+00', '2026-01-01 00:01:03+00'), feed('2026-01-01 00:01:03+00', 'infinity');
SELECT * FROM sums ORDER BY k;
SELECT * FROM apart ORDER BY k;
CREATE FUNCTION differs(name text, batch text) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
	-- as text: 1.0 is not 1.00 here
	RETURN QUERY EXECUTE format('SELECT v::text FROM (TABLE %1$I) AS v EXCEPT ALL SELECT b::text FROM (%2$s) AS b', name, batch);
	RETURN QUERY EXECUTE format('SELECT b::text FROM (%2$s) AS b EXCEPT ALL SELECT v::text FROM (TABLE %1$I) AS v', name, batch);
END $$;
SELECT differs('sums', 'SELECT k, sum(i) AS i, sum(n) AS n, avg(n) AS mean, sum(n) FILTER (WHERE i > 0) AS some, sum(-n) AS minus FROM rows GROUP BY k');
SELECT differs('everything', 'SELECT sum(i) AS i, sum(n) + 1 AS n FROM rows');
SELECT differs('apart', 'SELECT k, sum(DISTINCT i) AS i, sum(DISTINCT n) AS n, sum(n) AS all_n FROM rows GROUP BY k');
SELECT differs('sliding', 'SELECT window_start, sum(i) AS i, sum(n) AS n FROM rows, stream.hop(ts, ''10 s'', ''25 s'') GROUP BY 1');
SELECT differs('per_key', 'SELECT k, sum(i) AS i, sum(n) AS n FROM rows WHERE ts < ''2026-01-01 00:01:00+00'' GROUP BY k');
SELECT stream.ingest('s', '9,1,1,2026-01-01 02:00:00+00'), stream.ingest('s', '9,1,1,2026-01-01 02:00:01+00');
SELECT differs('per_hour', 'SELECT window_start, sum(i) AS i, sum(n) AS n, sum(n) AS same FROM rows, stream.tumble(ts, ''1 hour'') GROUP BY 1');
SELECT differs('per_key', 'SELECT k, sum(i) AS i, sum(n) AS n FROM rows GROUP BY k');

-- a view that may do without the average, and with the sum in an expression, goes on
SELECT stream.replace_view('sums', 'SELECT k, sum(i) / 2 AS i FROM s GROUP BY k');
SELECT stream.ingest('s', '2,7,1,2026-01-01 02:00:00+00');
SELECT * FROM sums WHERE k IN (2, 6) ORDER BY k;

-- what stands for sum() in the query over a batch is an ordinary aggregate to others
SELECT stream.total(i), stream.total(n) FROM rows WHERE k = 1;
SELECT k, stream.total(n), stream.total(n) IS NOT DISTINCT FROM sum(n) AS same FROM rows GROUP BY k HAVING count(n) < 2 ORDER BY k;
SELECT bool_and(same), count(*) FROM (SELECT stream.total(n) OVER w IS NOT DISTINCT FROM sum(n) OVER w AS same FROM rows
	WINDOW w AS (PARTITION BY k ORDER BY ts ROWS 1 PRECEDING)) AS each_row;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE rows SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT stream.total(i) FROM rows;
CREATE TABLE parts (k int, n numeric) PARTITION BY HASH (k);
CREATE TABLE part0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT i, i FROM generate_series(1, 100) AS i;
SET enable_partitionwise_aggregate = on;
EXPLAIN (COSTS OFF) SELECT stream.total(n) FROM parts;
SELECT stream.total(n), sum(n) FROM parts;
SELECT stream.create_view('total', 'SELECT stream.total(i) AS i, stream.total(n) AS n FROM s');
SELECT stream.ingest('s', '1,7,1,2026-01-01 02:00:00+00', '1,8,1,2026-01-01 02:00:00+00');
SELECT i, n, pg_typeof(n) FROM total_state;
SELECT stream.drop('s', true);
DROP FUNCTION feed, differs;
DROP TABLE rows, parts;
