--
-- combine(column) in views on views: states of the source are merged, not its results.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
RESET client_min_messages;
-- one whose combine function has no use for a NULL, one that is polymorphic, and one
-- that compares in a collation which its result does not have
CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE total(int) (sfunc = plus, stype = int, combinefunc = plus, initcond = '0');
CREATE FUNCTION join_up(anyarray, anyarray) RETURNS anyarray LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2';
CREATE AGGREGATE collect(anyarray) (sfunc = join_up, stype = anyarray, combinefunc = join_up, initcond = '{}');
CREATE AGGREGATE length_of_last(text) (sfunc = text_larger, stype = text, combinefunc = text_larger, finalfunc = length);
-- rows in only one of view and query
CREATE FUNCTION differ(view text, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('WITH q AS (%2$s) SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE q) UNION ALL (TABLE q EXCEPT ALL TABLE %1$I)) d',
		view, query) INTO n;
	RETURN n;
END $$;
CREATE FUNCTION shows(view text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %I', view) INTO n; RETURN n; END $$;

-- by hand: of 1, 2 and 9 the average is 4, that of the minutes' averages 5.25
SELECT stream.create_stream('c', 'ts timestamptz, k text, v int', event_time => 'ts', watermark_delay => '0 s');
SELECT stream.create_view('c_minute', $$SELECT k, window_start, window_end, count(*) AS n, avg(v) AS mean, min(v) AS low
	FROM c, stream.tumble(ts, '1 min') GROUP BY 1, 2, 3$$, emit => 'append');
SELECT stream.create_view('c_hour', $$SELECT m.k, w.window_start, w.window_end, combine(m.n) AS n, combine(m.mean) AS mean, avg(m.mean) AS wrong, combine(low) AS low
	FROM c_minute m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2, 3$$, emit => 'append');
SELECT stream.create_view('c_day', $$SELECT h.k, w.window_start AS day, combine(n) AS n, combine(mean) AS mean, combine(low) AS low
	FROM c_hour h, stream.tumble(h.window_start, '1 day') w GROUP BY 1, 2$$, emit => 'append');
SELECT stream.ingest('c', '{"ts": "2026-03-01T00:00:10Z", "k": "a", "v": 1}', '{"ts": "2026-03-01T00:00:50Z", "k": "a", "v": 2}',
	'{"ts": "2026-03-01T00:07:00Z", "k": "a", "v": 9}', '{"ts": "2026-03-01T00:07:00Z", "v": 5}', '{"ts": "2026-03-01T00:08:00Z"}',
	'{"ts": "2026-03-01T23:00:00Z", "k": "a", "v": -2}', '{"ts": "2026-03-02T00:00:00Z", "k": "a", "v": 100}');
SELECT stream.ingest('c', '{"ts": "2026-03-02T00:00:00Z", "k": "a", "v": 100}');
SELECT * FROM c_hour ORDER BY window_start, k;
SELECT * FROM c_day ORDER BY k;
SELECT * FROM stream.explain('c_day') AS line WHERE line ~ 'Key:|Aggregate:|Columns:';
-- a roll-up of merged states
SELECT stream.create_rollup('c_all', 'SELECT combine(mean) AS mean, combine(n) AS n, combine(low) FILTER (WHERE n > 1) AS low FROM c_hour');
TABLE c_all;
DROP VIEW c_all;
SELECT stream.drop('c', cascade => true);

-- Against plain SQL over the rows, batch by batch.
SELECT stream.create_stream('s', 'i int, ts timestamptz, k int, v int, x numeric, f float8, u text', event_time => 'ts',
	watermark_delay => '0 s');
SELECT stream.create_view('minute', $$
	SELECT w.window_start, w.window_end, k, count(*) AS n, count(x) AS xs, sum(v) AS total, sum(x) AS sum, min(u) AS first,
		max(u COLLATE "C") AS last, avg(v) AS mean, avg(x) AS x_mean, stddev(x) AS deviation, variance(v) AS variance,
		avg(ts - '2026-03-01') AS since, bool_or(v > 90) AS high, hll_add_agg(hll_hash_text(u)) AS users, tdigest(f, 100) AS spread,
		total(v) AS own, collect(ARRAY[i]) AS all_i, length_of_last(u COLLATE "C") AS length, regr_count(f, f) AS pairs, avg(v) * 2 AS twice,
		count(DISTINCT v) AS several, max(DISTINCT v) AS top
	FROM s, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3 $$, emit => 'append');
CREATE FUNCTION level(source text, width text) RETURNS text LANGUAGE sql AS $q$
	SELECT format($$SELECT w.window_start, w.window_end, m.k, combine(m.n) AS n, combine(m.xs) AS xs, combine(m.total) AS total,
		combine(m.sum) AS sum, combine(m.first) AS first, combine(m.last) AS last, combine(m.mean) AS mean, combine(m.x_mean) AS x_mean,
		combine(m.deviation) AS deviation, combine(m.variance) AS variance, combine(m.since) AS since, combine(m.high) AS high,
		combine(m.users) AS users, combine(m.spread) AS spread, combine(m.own) AS own, combine(m.all_i) AS all_i, combine(m.length) AS length,
		combine(m.pairs) AS pairs, combine(m.top) AS top
		FROM %s m, stream.tumble(m.window_start, %L) w GROUP BY 1, 2, 3$$, source, width)
$q$;
SELECT stream.create_view('ten', level('minute', '10 min'), emit => 'append');
SELECT stream.create_view('hour', level('ten', '1 hour'), emit => 'append');
-- the types are those of the aggregates themselves
CREATE FUNCTION columns(view regclass) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), nullif(attcollation, 0)::regcollation), ', ' ORDER BY attname)
	FROM pg_attribute WHERE attrelid = view AND attnum > 0 AND attname NOT IN ('twice', 'several') $$;
SELECT columns('minute') = columns('ten') AS ten, columns('minute') = columns('hour') AS hour, columns('hour');
SELECT attname, atttypid::regtype, attcollation::regcollation FROM pg_attribute WHERE attrelid = 'hour_state'::regclass AND attname IN ('last', 'length', 'users');
-- What they must show.  Arrays are sorted and digests counted: they depend on the order of rows.
CREATE FUNCTION plain(view text, width text) RETURNS text LANGUAGE sql AS $q$
	SELECT format($$SELECT w.window_start, w.window_end, k, count(*) AS n, count(x) AS xs, sum(v) AS total, sum(x) AS sum, min(u) AS first,
		max(u COLLATE "C") AS last, avg(v) AS mean, avg(x) AS x_mean, stddev(x) AS deviation, variance(v) AS variance,
		avg(ts - '2026-03-01') AS since, bool_or(v > 90) AS high, hll_cardinality(hll_add_agg(hll_hash_text(u))) AS users, tdigest_count(tdigest(f, 100)) AS fs,
		total(v) AS own, array_agg(i ORDER BY i) AS all_i, length_of_last(u COLLATE "C") AS length, regr_count(f, f) AS pairs, max(v) AS top
		FROM s, stream.tumble(ts, %L) w
		WHERE w.window_end <= (SELECT watermark FROM stream.catalog_feeds WHERE view = %L::regclass) GROUP BY 1, 2, 3$$, width, view)
$q$;
CREATE FUNCTION shown(view text) RETURNS text LANGUAGE sql AS $q$
	SELECT format($$SELECT window_start, window_end, k, n, xs, total, sum, first, last, mean, x_mean, deviation, variance, since, high, hll_cardinality(users) AS users,
		tdigest_count(spread) AS fs, own, (SELECT array_agg(e ORDER BY e) FROM unnest(all_i) e) AS all_i, length, pairs, top FROM %I$$, view)
$q$;
-- 100 rows, seven seconds from row to row and a pause now and then, out of order in the batch
CREATE FUNCTION batch(b int) RETURNS bigint LANGUAGE sql AS $$
	SELECT stream.ingest('s', VARIADIC array_agg(jsonb_build_object('i', i, 'k', nullif(i % 5, 4), 'v', i * 31 % 97, 'x', nullif(i * 17 % 101, 3) / 8.0,
		'f', i * 13 % 89, 'u', chr(65 + i % 23 + i % 2 * 32) || repeat('x', i % 4),
		'ts', timestamptz '2026-03-01 00:00Z' + make_interval(secs => i * 7 + i / 25 * 50))::text ORDER BY i * 7 % 3, i))
	FROM generate_series(b * 100, b * 100 + 99) i
$$;
DO $$
DECLARE
	n bigint;
	t record;
BEGIN
	FOR b IN 0 .. 11 LOOP
		PERFORM batch(b);
		FOR t IN SELECT * FROM (VALUES ('ten', '10 min'), ('hour', '1 hour')) AS t(view, width) LOOP
			EXECUTE format('WITH v AS (%s), q AS (%s) SELECT count(*) FROM ((TABLE v EXCEPT ALL TABLE q) UNION ALL (TABLE q EXCEPT ALL TABLE v)) d',
				shown(t.view), plain(t.view, t.width)) INTO n;
			IF n > 0 THEN RAISE WARNING 'batch %: % rows of % differ', b, n, t.view; END IF;
		END LOOP;
	END LOOP;
END $$;
SELECT shows('minute'), shows('ten'), shows('hour');
SELECT window_start, k, n, round(mean, 6) AS mean, round(hll_cardinality(users)) AS users FROM hour WHERE k IS NULL ORDER BY 1;
-- a digest of digests has quantiles near those of the rows
SELECT count(*) AS far FROM hour h WHERE abs((SELECT tdigest_percentile(d, 0.9) FROM (VALUES (spread)) AS x(d)) -
	(SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY f) FROM s WHERE ts >= window_start AND ts < window_end AND k IS NOT DISTINCT FROM h.k)) > 1;
-- the average of averages is another one
SELECT count(*) > 0 AS differs FROM hour h WHERE mean <> (SELECT avg(mean) FROM minute m
	WHERE m.window_start >= h.window_start AND m.window_end <= h.window_end AND m.k IS NOT DISTINCT FROM h.k);

-- All kinds of queries: each pair is the view, and the same over the rows of closed minutes.
CREATE TABLE names (k int, name text);
INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (1, 'eins');
CREATE VIEW closed AS SELECT s.* FROM s, stream.tumble(ts, '1 min') w
	WHERE w.window_end <= (SELECT max(fed_to) FROM stream.catalog_feeds WHERE source = 'minute'::regclass);
CREATE TABLE pairs (view text, query text, plain text);
INSERT INTO pairs VALUES
	('everything', 'SELECT combine(mean) AS mean, combine(n) AS n, combine(own) AS own, combine(first) AS first FROM minute',
		'SELECT avg(v) AS mean, count(*) AS n, total(v) AS own, min(u) AS first FROM closed'),
	('expressions', $$SELECT k, round(combine(mean) * 2 + sum(n), 6) AS a, combine(m.n) / combine(pairs) AS b, coalesce(combine(deviation), 0) > 3 AS c
		FROM minute m GROUP BY k HAVING combine(m.n) > 3 AND combine(mean) > 40$$,
		$$SELECT k, round(avg(v) * 2 + count(*), 6) AS a, count(*) / regr_count(f, f) AS b, coalesce(stddev(x), 0) > 3 AS c
		FROM closed GROUP BY k HAVING count(*) > 3 AND avg(v) > 40$$),
	('filtered', $$SELECT k, combine(mean) FILTER (WHERE k > 1) AS mean, combine(n) FILTER (WHERE k > 1) AS n, combine(own) FILTER (WHERE k > 1) AS own,
		combine(n) FILTER (WHERE window_start >= '2026-03-01 01:00Z') AS late, combine(all_i) FILTER (WHERE false) AS none
		FROM minute GROUP BY k$$,
		$$SELECT k, avg(v) FILTER (WHERE k > 1) AS mean, count(*) FILTER (WHERE k > 1) AS n, total(v) FILTER (WHERE k > 1) AS own,
		count(*) FILTER (WHERE ts >= '2026-03-01 01:00Z') AS late, collect(ARRAY[i]) FILTER (WHERE false) AS none
		FROM closed GROUP BY k$$),
	('sets', $$SELECT date_trunc('hour', window_start) AS hour, k, grouping(k), combine(mean) AS mean, combine(own) AS own, hll_cardinality(combine(users)) AS users
		FROM minute GROUP BY GROUPING SETS ((1, 2), (1), ())$$,
		$$SELECT date_trunc('hour', ts) AS hour, k, grouping(k), avg(v) AS mean, total(v) AS own, hll_cardinality(hll_add_agg(hll_hash_text(u))) AS users
		FROM closed GROUP BY GROUPING SETS ((1, 2), (1), ())$$),
	('joined', $$SELECT name, combine(x_mean) AS mean, combine(n) AS n FROM minute LEFT JOIN names USING (k) GROUP BY name$$,
		$$SELECT name, avg(x) AS mean, count(*) AS n FROM closed LEFT JOIN names USING (k) GROUP BY name$$),
	('inside', $$WITH a AS (SELECT k, mean AS average, n AS number FROM minute WHERE k > 0)
		SELECT b.half, combine(b.average) AS mean, combine(b.average) FILTER (WHERE b.half > 0) AS some, combine(b.number) AS n
		FROM (SELECT k / 2 AS half, a.* FROM a) b GROUP BY half$$,
		$$SELECT k / 2 AS half, avg(v) AS mean, avg(v) FILTER (WHERE k / 2 > 0) AS some, count(*) AS n FROM closed WHERE k > 0 GROUP BY 1$$),
	('distinct_too', $$SELECT k, combine(mean) AS mean, combine(own) AS own, combine(own) FILTER (WHERE k > 2) AS own2, count(DISTINCT m.first) AS firsts FROM minute m GROUP BY k$$,
		$$SELECT k, avg(v) AS mean, total(v) AS own, total(v) FILTER (WHERE k > 2) AS own2, (SELECT count(DISTINCT m.first) FROM minute m WHERE m.k IS NOT DISTINCT FROM c.k) AS firsts FROM closed c GROUP BY k$$),
	('twice_the_same', 'SELECT k, combine(mean) AS a, combine(mean) AS b, stream.combine(m.mean) + 1 AS c FROM minute m GROUP BY k',
		'SELECT k, avg(v) AS a, avg(v) AS b, avg(v) + 1 AS c FROM closed GROUP BY k'),
	('sliding', $$SELECT w.window_start, w.window_end, combine(mean) AS mean, combine(n) AS n, combine(own) AS own
		FROM minute m, stream.hop(m.window_start, '5 min', '15 min') w GROUP BY 1, 2$$,
		$$SELECT w.window_start, w.window_end, avg(v) AS mean, count(*) AS n, total(v) AS own FROM closed, stream.hop(ts, '5 min', '15 min') w GROUP BY 1, 2$$);
SELECT stream.create_view(view, query) FROM pairs;
SELECT view, differ(view, plain), shows(view) > 0 AS shows FROM pairs ORDER BY view;
-- what comes later is merged with what they have
SELECT batch(12), batch(13);
SELECT view, differ(view, plain) FROM pairs WHERE differ(view, plain) > 0;
-- over nothing
SELECT stream.create_view('none', 'SELECT combine(n) AS n, combine(own) AS own, combine(all_i) AS all_i, combine(mean) AS mean, combine(total) AS total, combine(users) AS users FROM minute WHERE k = 77');
SELECT none.*, users IS NULL AS empty FROM none;
SELECT n, own, all_i, mean, total FROM none_state;

-- Sources of overlapping windows merge their panes first; sessions; views on those.
CREATE TABLE sources (view text, query text);
INSERT INTO sources VALUES
	('hopping', $$SELECT w.window_start, w.window_end, k, avg(v) AS mean, count(*) AS n, total(v) AS own FROM s, stream.hop(ts, '1 min', '2 min') w GROUP BY 1, 2, 3$$),
	('growing', $$SELECT w.window_end, k, w.window_start, avg(v) AS mean, stddev(x) AS deviation FROM s, stream.cumulate(ts, '1 min', '10 min') w GROUP BY 1, 2, 3$$),
	('visits', $$SELECT k, window_start, window_end, avg(v) AS mean, hll_add_agg(hll_hash_text(u)) AS users FROM s, stream.session(ts, '1 min') GROUP BY 1, 2, 3$$),
	('per_set', $$SELECT w.window_end, w.window_start, k, grouping(k) AS total, avg(v) AS mean FROM s, stream.tumble(ts, '2 min') w GROUP BY GROUPING SETS ((1, 2, 3), (1, 2))$$);
SELECT stream.create_view(view, query, emit => 'append', options => '{"backfill": "staging"}') FROM sources;
TRUNCATE pairs;
INSERT INTO pairs VALUES
	('on_hop', $$SELECT w.window_start, w.window_end, k, combine(mean) AS mean, combine(n) AS n, combine(own) AS own
		FROM hopping h, stream.tumble(h.window_start, '10 min') w WHERE extract(minute FROM h.window_start)::int % 2 = 0 GROUP BY 1, 2, 3$$,
		$$SELECT w.window_start, w.window_end, k, avg(v) AS mean, count(*) AS n, total(v) AS own FROM s, stream.tumble(ts, '10 min') w GROUP BY 1, 2, 3$$),
	('on_cumulate', $$SELECT w.window_start, w.window_end, k, combine(mean) AS mean, combine(deviation) AS deviation
		FROM growing g, stream.tumble(g.window_start, '1 hour') w WHERE g.window_end - g.window_start = '10 min' GROUP BY 1, 2, 3$$,
		$$SELECT w.window_start, w.window_end, k, avg(v) AS mean, stddev(x) AS deviation FROM s, stream.tumble(ts, '1 hour') w GROUP BY 1, 2, 3$$),
	('on_set', $$SELECT w.window_start, w.window_end, combine(p.mean) FILTER (WHERE p.total = 0) AS keys, combine(p.mean) FILTER (WHERE total = 1) AS totals
		FROM per_set p, stream.tumble(p.window_end, '10 min') w GROUP BY 1, 2$$,
		$$SELECT w.window_start, w.window_end, avg(v) AS keys, avg(v) AS totals FROM s, stream.tumble(stream.window_end(ts, '2 min'), '10 min') w GROUP BY 1, 2$$),
	('on_visits', $$SELECT k, w.window_start, w.window_end, combine(mean) AS mean, hll_cardinality(combine(users)) AS users, count(*) AS visits
		FROM visits v, stream.tumble(v.window_end, '10 min') w GROUP BY 1, 2, 3$$,
		$$SELECT v.k, w.window_start, w.window_end, avg(s.v) AS mean, hll_cardinality(hll_add_agg(hll_hash_text(s.u))) AS users, count(DISTINCT v.window_start) AS visits
		FROM visits v JOIN s ON s.k IS NOT DISTINCT FROM v.k AND s.ts >= v.window_start AND s.ts < v.window_end, stream.tumble(v.window_end, '10 min') w
		GROUP BY 1, 2, 3$$),
	('visits_of_visits', $$SELECT k, w.window_start, w.window_end, combine(mean) AS mean FROM visits v, stream.session(v.window_end, '100 s') w GROUP BY 1, 2, 3$$,
		$$SELECT w.k, w.window_start, w.window_end, avg(s.v) AS mean FROM visits_of_visits w JOIN visits v
		ON v.k IS NOT DISTINCT FROM w.k AND v.window_end >= w.window_start AND v.window_end < w.window_end
		JOIN s ON s.k IS NOT DISTINCT FROM v.k AND s.ts >= v.window_start AND s.ts < v.window_end GROUP BY 1, 2, 3$$);
SELECT stream.create_view(view, query, emit => 'append') FROM pairs;
UPDATE pairs SET plain = format('SELECT * FROM (%s) q WHERE window_end <= (SELECT watermark FROM stream.catalog_feeds WHERE view = %L::regclass)', plain, view);
DO $$
DECLARE
	p record;
BEGIN
	FOR b IN 14 .. 18 LOOP
		PERFORM batch(b);
		FOR p IN SELECT view, differ(view, plain) AS n FROM pairs LOOP
			IF p.n > 0 THEN RAISE WARNING 'batch %: % rows of % differ', b, p.n, p.view; END IF;
		END LOOP;
	END LOOP;
END $$;
SELECT view, differ(view, plain), shows(view) FROM pairs ORDER BY view;
-- as people wrote it
SELECT line FROM stream.explain('on_hop') AS line WHERE line ~ 'Aggregate:';
SELECT line FROM stream.explain('inside') AS line WHERE line ~ 'Aggregate:';
-- merging again what was merged of panes, when it is read
SELECT stream.create_rollup('rolled', 'SELECT k, combine(mean) AS mean, combine(n) AS n, combine(own) FILTER (WHERE k < 0) AS own FROM on_hop GROUP BY k');
SELECT differ('rolled', $$SELECT k, avg(v) AS mean, count(*) AS n, 0 AS own FROM s WHERE ts < (SELECT max(window_end) FROM on_hop) GROUP BY k$$) AS differ, shows('rolled');
DROP VIEW rolled;

-- refused
SELECT stream.create_view('x', 'SELECT k, combine(twice) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(k) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(mean + 1) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(several) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(DISTINCT mean) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(mean ORDER BY n) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(x) FROM s GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, count(*) FROM s GROUP BY k HAVING combine(x) > 1');
SELECT stream.create_view('x', 'SELECT k, combine(name) FROM minute JOIN names USING (k) GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, sum(n) FROM minute WHERE combine(mean) > 1 GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, sum(combine(n)) FROM minute GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(n) OVER (PARTITION BY k) FROM minute');
SELECT stream.create_view('x', 'SELECT k, (SELECT combine(m.n)) FROM minute m GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, count(*) FROM minute JOIN (SELECT combine(k) AS k FROM names) n USING (k) GROUP BY k');
SELECT stream.create_view('x', 'SELECT k, combine(m) FROM (SELECT k, coalesce(mean, 0) AS m FROM minute) m GROUP BY k');
SELECT stream.create_view('x', $$SELECT w.window_start, combine(mean) FILTER (WHERE w.window_start > '2026-03-01') FROM minute m, stream.hop(m.window_start, '5 min', '15 min') w GROUP BY 1$$);
SELECT combine(mean) FROM minute;
SELECT stream.combine(mean) FROM minute;
-- an own function of that name comes first
CREATE AGGREGATE combine(numeric) (sfunc = numeric_add, stype = numeric, combinefunc = numeric_add, initcond = '0');
SELECT stream.create_view('own_combine', 'SELECT k, combine(x) AS x, combine(x) FILTER (WHERE false) AS none FROM s WHERE x IS NOT NULL GROUP BY k', options => '{"backfill": "staging"}');
SELECT differ('own_combine', 'SELECT k, sum(x) AS x, 0 AS none FROM s WHERE x IS NOT NULL GROUP BY k') AS differ;
SELECT stream.drop('own_combine');
DROP AGGREGATE combine(numeric);

-- Another query: expressions around combine() may change, and what is combined must be kept.
SELECT stream.replace_view('expressions', $$SELECT k, round(combine(mean), 1) AS a, combine(pairs) AS b, combine(m.n) > 3 AS c, combine(deviation) AS d
	FROM minute m GROUP BY k$$);
SELECT differ('expressions', $$SELECT k, round(avg(v), 1) AS a, regr_count(f, f) AS b, count(*) > 3 AS c, stddev(x) AS d FROM closed GROUP BY k$$);
SELECT stream.replace_view('expressions', 'SELECT k, combine(variance) AS a FROM minute GROUP BY k');
SELECT stream.replace_view('expressions', 'SELECT k, combine(mean) FILTER (WHERE n > 1) AS a FROM minute GROUP BY k');
SELECT stream.replace_view('sliding', $$SELECT w.window_start, w.window_end, combine(mean) + 1 AS mean, combine(n) AS n, combine(own) AS own
	FROM minute m, stream.hop(m.window_start, '5 min', '15 min') w GROUP BY 1, 2$$);
SELECT stream.create_view('source', $$SELECT window_end, k, avg(v) AS mean, count(*) AS n, max(v) AS top FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$, emit => 'append');
SELECT stream.create_view('reader', 'SELECT k, combine(mean) AS mean, sum(n) AS n FROM source GROUP BY k');
-- what nobody combines may change, and come behind
SELECT stream.replace_view('source', $$SELECT window_end, k, avg(v) AS mean, count(*) + 1 AS n, max(v) AS top, count(*) AS again FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$);
SELECT stream.replace_view('source', $$SELECT window_end, k, avg(v) + 1 AS mean, count(*) AS n, max(v) AS top, avg(v) AS average FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$);
SELECT stream.replace_view('source', $$SELECT window_end, k, count(*) AS mean, count(*) AS n, max(v) AS top FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$);
SELECT stream.replace_view('source', $$SELECT window_end, k FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$);
-- also while the reader's query does without it
SELECT stream.replace_view('reader', 'SELECT k, NULL::numeric AS mean, sum(n) AS n FROM source GROUP BY k');
SELECT stream.replace_view('source', $$SELECT window_end, k, avg(v) + 1 AS mean, count(*) AS n, max(v) AS top, 1 AS again FROM s, stream.hop(ts, '1 min', '2 min') GROUP BY 1, 2$$);
SELECT batch(19), batch(20);
SELECT stream.replace_view('reader', 'SELECT k, combine(mean) AS mean, sum(n) AS n FROM source GROUP BY k');
SELECT count(*) AS wrong FROM reader r WHERE mean IS DISTINCT FROM
	(SELECT avg(v) FROM s, stream.hop(ts, '1 min', '2 min') w WHERE k IS NOT DISTINCT FROM r.k AND ts >= (SELECT min(ts) FROM s WHERE i >= 1900)
	AND w.window_end <= (SELECT fed_to FROM stream.catalog_feeds WHERE view = 'reader'::regclass));
-- names of tables do not matter, those of columns stay
ALTER VIEW source RENAME TO "the source";
ALTER TABLE source_state RENAME TO "its state";
SELECT batch(21);
ALTER VIEW "the source" RENAME COLUMN mean TO m;
SELECT k, n > 0 AS n FROM reader ORDER BY k;
DROP VIEW "the source";
DROP TABLE "its state";
SELECT stream.drop('"the source"', cascade => true);

-- The owner of the stream combines; he may have lost the right to read the states.
CREATE ROLE regress_combiner;
GRANT CREATE, USAGE ON SCHEMA public TO regress_combiner;
GRANT EXECUTE ON FUNCTION stream.create_stream, stream.create_view, stream.ingest TO regress_combiner;
SET ROLE regress_combiner;
SELECT stream.create_stream('p', 'ts timestamptz, v int', event_time => 'ts', watermark_delay => '0', options => '{"batch_max_rows": 3}');
SELECT stream.create_view('p_minute', $$SELECT window_start, window_end, avg(v) AS mean, sum(v) AS total FROM p, stream.tumble(ts, '1 min') GROUP BY 1, 2$$, emit => 'append');
SELECT stream.create_view('p_all', 'SELECT combine(mean) AS mean FROM p_minute');
REVOKE SELECT ON p_minute_state FROM regress_combiner;
SELECT stream.create_view('p_more', 'SELECT combine(mean) AS mean FROM p_minute');
GRANT SELECT ON p_minute_state TO regress_combiner;
SELECT stream.ingest('p', '{"ts": "2026-03-01T00:00:00Z", "v": 1}', '{"ts": "2026-03-01T00:00:00Z", "v": 4}', '{"ts": "2026-03-01T00:01:00Z", "v": 5}');
SELECT stream.ingest('p', '{"ts": "2026-03-01T00:02:00Z", "v": 6}');
TABLE p_all;
-- a row that cannot be taken is described as people see it
SELECT stream.create_view('p_rate', 'SELECT combine(mean) AS mean, sum(1 / (total - 10)) AS rate, count(*) AS n FROM p_minute');
SELECT stream.ingest('p', '{"ts": "2026-03-01T00:03:00Z", "v": 3}', '{"ts": "2026-03-01T00:03:00Z", "v": 7}', '{"ts": "2026-03-01T00:04:00Z", "v": 11}');
SELECT stream.ingest('p', '{"ts": "2026-03-01T00:05:00Z", "v": 3}');
SELECT stream.ingest('p', '{"ts": "2026-03-01T00:06:00Z", "v": 3}');
TABLE p_rate;
TABLE p_all;
SELECT convert_from(payload, 'UTF8') AS payload, message, view_name FROM p_dead_letters;
-- groups of the source stay until they are combined, and leave then
SELECT stream.create_view('p_short', $$SELECT window_start, window_end, avg(v) AS mean FROM p, stream.tumble(ts, '1 min') GROUP BY 1, 2$$, emit => 'append', state_ttl => '2 min');
SELECT stream.create_view('p_long', $$SELECT w.window_start, combine(mean) AS mean FROM p_short s, stream.tumble(s.window_start, '10 min') w GROUP BY 1$$, state_ttl => '1 day');
SELECT stream.ingest('p', VARIADIC array_agg(format('{"ts": "%s", "v": %s}', '2026-03-01 01:00Z'::timestamptz + i * interval '20 s', i))) FROM generate_series(1, 60) i;
SELECT stream.ingest('p', '{"ts": "2026-03-01T02:00:00Z"}');
SELECT stream.ingest('p', '{"ts": "2026-03-01T02:00:00Z"}');
SELECT count(*) FROM p_short;
SELECT * FROM p_long ORDER BY 1;
RESET ROLE;
SET client_min_messages = warning;
SELECT stream.drop('p', cascade => true);
REVOKE CREATE, USAGE ON SCHEMA public FROM regress_combiner;
DROP OWNED BY regress_combiner;
DROP ROLE regress_combiner;

-- An aggregate whose states are combined is not dropped before the views.
\set VERBOSITY terse
DROP AGGREGATE total(int);
\set VERBOSITY default
DROP VIEW closed;
SELECT stream.drop('s', cascade => true);
DROP AGGREGATE total(int), collect(anyarray), length_of_last(text);
DROP FUNCTION plus, join_up, differ, shows, level, columns, plain, shown, batch;
DROP TABLE names, pairs, sources;
DROP EXTENSION hll, tdigest;
