--
-- stream.create_view(): sub-selects, WITH, LATERAL, functions and grouping
-- sets.  Each query through a stream in several batches gives what it gives
-- over an ordinary table of the same name that holds the same rows.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;

CREATE SCHEMA batch;
CREATE TABLE batch.ev (id int, k text, n int, p numeric(12,3), ts timestamptz, tags text[], j jsonb);
INSERT INTO batch.ev
SELECT i, CASE WHEN h % 10 = 0 THEN NULL ELSE 'k' || h % 6 END,
	CASE WHEN h % 11 = 0 THEN NULL ELSE h % 20 END, (h % 997) / 7.0,
	'2024-03-30 00:00+00'::timestamptz + make_interval(secs => h % 20000),
	CASE h % 7 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY[NULL, 't1'] ELSE ARRAY['t' || h % 3, 't' || h % 5] END,
	CASE h % 9 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN '{"items": []}' WHEN 3 THEN '{"items": [null]}'
		ELSE jsonb_build_object('items', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', 's' || (h + g) % 4, 'qty', g,
			'lots', CASE WHEN g < 3 THEN jsonb_build_array(jsonb_build_object('lot', (h + g) % 3), jsonb_build_object('lot', g)) ELSE '[]' END)), '[]')
			FROM generate_series(1, h % 4) AS g)) END
FROM generate_series(1, 600) AS i, LATERAL (SELECT i * 7919 % 104729 AS h) AS x;
CREATE TABLE shop (id int PRIMARY KEY, name text, weight numeric);
INSERT INTO shop SELECT i, CASE WHEN i <> 5 THEN 'shop ' || i % 7 END, i * 1.5 FROM generate_series(0, 15) AS i;
CREATE TABLE tree (id int, parent int);
INSERT INTO tree SELECT i, i / 2 FROM generate_series(1, 15) AS i;
CREATE TABLE se_batch AS TABLE tree;
CREATE VIEW heavy AS SELECT id FROM shop WHERE weight > (SELECT avg(weight) FROM shop);
SELECT stream.create_stream('ev', 'id int, k text, n int, p numeric(12,3), ts timestamptz, tags text[], j jsonb');

-- Makes a view of the query, feeds it, compares columns and rows.
CREATE FUNCTION check_view(query text, batches int DEFAULT 3) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	columns text := $q$ SELECT array_agg((attname, atttypid, atttypmod, attcollation) ORDER BY attnum)
		FROM pg_attribute WHERE attnum > 0 AND attrelid = '%s'::regclass $q$;
	rows bigint;
	missing bigint;
	extra bigint;
	same bool;
BEGIN
	PERFORM stream.create_view('checked', query);
	FOR i IN 0 .. batches - 1 LOOP
		PERFORM stream.ingest('ev', VARIADIC array_agg(to_jsonb(e)::text))
		FROM batch.ev AS e WHERE id % batches = i;
	END LOOP;
	PERFORM set_config('search_path', 'batch, public', true);
	EXECUTE 'CREATE TEMP TABLE expected AS ' || query;
	PERFORM set_config('search_path', 'public', true);
	CREATE TEMP TABLE actual AS SELECT * FROM checked;
	SELECT count(*) INTO rows FROM expected;
	SELECT count(*) INTO missing
	FROM (SELECT row_.*::text FROM expected row_ EXCEPT ALL SELECT row_.*::text FROM actual row_) x;
	SELECT count(*) INTO extra
	FROM (SELECT row_.*::text FROM actual row_ EXCEPT ALL SELECT row_.*::text FROM expected row_) x;
	EXECUTE format('SELECT (%s) = (%s)', format(columns, 'expected'), format(columns, 'actual'))
		INTO same;
	DROP TABLE expected, actual;
	PERFORM stream.drop('checked');
	RETURN format('%s rows, %s missing, %s too many%s', rows, missing, extra,
		CASE WHEN same THEN '' ELSE ', other columns' END);
END $$;

\pset tuples_only on
\pset format unaligned
-- sub-selects over tables where rows are counted: WHERE, arguments, FILTER, keys
SELECT check_view('SELECT k, count(*) FROM ev WHERE n IN (SELECT id FROM shop WHERE weight > 6) GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ev WHERE n NOT IN (SELECT id FROM shop WHERE weight > 6) GROUP BY k');
SELECT check_view('SELECT k, count(*), sum(p) FROM ev WHERE n > (SELECT avg(id) FROM shop) GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ev WHERE EXISTS (SELECT FROM shop WHERE id = ev.n AND name LIKE ''%3'') GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ev WHERE NOT EXISTS (SELECT FROM shop WHERE id = ev.n) OR n = 4 GROUP BY k');
SELECT check_view('SELECT count(*) FROM ev WHERE n = ANY (ARRAY(SELECT id FROM heavy))');
SELECT check_view('SELECT count(*) FROM ev WHERE (n, k) IN (SELECT id, ''k'' || id % 6 FROM shop)');
SELECT check_view('SELECT count(*) FROM ev WHERE n > ALL (SELECT id FROM shop WHERE id < ev.id % 10)');
SELECT check_view('SELECT k, sum((SELECT weight FROM shop WHERE id = ev.n)), avg(p * (SELECT max(weight) FROM shop)) FROM ev GROUP BY k');
SELECT check_view('SELECT k, sum((SELECT sum(s.weight) FROM shop AS s WHERE s.id < ev.n)) AS below FROM ev GROUP BY k');
SELECT check_view('SELECT k, count(*) FILTER (WHERE n IN (SELECT id FROM heavy)) AS heavy, avg(p) FILTER (WHERE EXISTS (SELECT FROM shop WHERE id = n AND name IS NULL)) FROM ev GROUP BY k');
SELECT check_view('SELECT (SELECT name FROM shop WHERE id = n) AS name, count(*) FROM ev GROUP BY 1');
SELECT check_view('SELECT upper((SELECT name FROM shop WHERE id = n)) AS name, count(*) FROM ev GROUP BY (SELECT name FROM shop WHERE id = n)');
SELECT check_view('SELECT n IN (SELECT id FROM heavy) AS heavy, EXISTS (SELECT FROM shop WHERE name = k) AS named, count(*) FROM ev GROUP BY 1, 2');
SELECT check_view('SELECT count(*) FROM ev JOIN shop AS s ON s.id = n AND s.weight >= (SELECT avg(weight) FROM shop AS t WHERE t.id % 2 = ev.id % 2)');
-- in what is computed when the view is read
SELECT check_view('SELECT k, count(*), (SELECT max(id) FROM shop) AS m, count(*)::numeric / (SELECT count(*) FROM shop) AS share FROM ev GROUP BY k');
SELECT check_view('SELECT n + 1 AS s, (SELECT name FROM shop WHERE id = ev.n % 9) AS name, count(*) FROM ev GROUP BY n');
SELECT check_view('SELECT id, n, (SELECT string_agg(s.id || ''/'' || ev.id, '' '' ORDER BY s.id) FROM shop AS s WHERE s.id = ev.n) AS x FROM ev WHERE id < 90 GROUP BY n, id');
SELECT check_view('SELECT k, (SELECT count(*) FROM shop WHERE id < max(ev.n) AND weight > (SELECT min(t.id) + count(ev.p) / 1000 FROM tree AS t WHERE t.id > min(ev.n))) AS c, max(n) FROM ev GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ev GROUP BY k HAVING max(n) > (SELECT avg(id) FROM shop WHERE name <> k) AND EXISTS (SELECT FROM shop WHERE id < count(ev.id))');
SELECT check_view('SELECT k, ARRAY(SELECT s.id FROM shop AS s WHERE s.id > avg(ev.n) ORDER BY 1) AS above FROM ev GROUP BY k');

-- sub-selects in FROM, WITH: over tables
SELECT check_view('SELECT name, count(*), sum(w) FROM ev JOIN (SELECT name, min(id) AS id, sum(weight) AS w FROM shop GROUP BY name ORDER BY 3 LIMIT 5) AS s ON s.id = n GROUP BY name');
SELECT check_view('SELECT s.id, count(*) FROM ev LEFT JOIN (SELECT DISTINCT id FROM heavy UNION SELECT 3) AS s ON s.id = n GROUP BY s.id');
SELECT check_view('SELECT label, count(*) FROM ev JOIN (VALUES (1, ''one''), (2, ''two''), (NULL, ''none'')) AS v(n, label) USING (n) GROUP BY label');
SELECT check_view('SELECT x.c, count(*) FROM ev, LATERAL (SELECT count(*) AS c, max(name) AS m FROM shop WHERE id < ev.n) AS x WHERE m IS NOT NULL GROUP BY x.c');
SELECT check_view('SELECT x.id, count(*) FROM ev LEFT JOIN LATERAL (SELECT id FROM shop WHERE id <= ev.n ORDER BY id DESC LIMIT 2) AS x ON true GROUP BY x.id');
SELECT check_view('WITH s AS (SELECT * FROM shop WHERE weight > 4) SELECT a.name, count(*) FROM ev JOIN s AS a ON a.id = n LEFT JOIN s AS b ON b.id = n + 1 WHERE b.id IN (SELECT id FROM s) GROUP BY a.name');
SELECT check_view('WITH RECURSIVE up AS (SELECT id, id AS root FROM tree WHERE parent = 1 UNION ALL SELECT t.id, up.root FROM tree AS t JOIN up ON t.parent = up.id) SELECT root, count(*) FROM ev JOIN up ON up.id = n GROUP BY root');
SELECT check_view('WITH a AS (SELECT id FROM shop), b AS MATERIALIZED (SELECT id FROM a WHERE id > 3) SELECT k, sum((SELECT count(*) FROM b WHERE id < n)) FROM ev GROUP BY k');
SELECT check_view('WITH unused AS (SELECT 1) SELECT count(*) FROM ev');

-- over the stream, row by row
SELECT check_view('SELECT k, count(*), sum(m) FROM (SELECT k, n * 2 AS m FROM ev WHERE p > 10) AS v GROUP BY k');
SELECT check_view('WITH v AS (SELECT * FROM ev WHERE n > 3) SELECT k, count(*), avg(p) FROM v GROUP BY k');
SELECT check_view('WITH v AS MATERIALIZED (SELECT lower(k) AS lk, p FROM ev WHERE n > 3) SELECT lk, count(*), avg(p), lk || ''!'' AS x FROM v WHERE p < 100 GROUP BY lk');
SELECT check_view('WITH a AS (SELECT id, k, n, p AS price FROM ev), b AS (SELECT *, n % 3 AS r FROM a WHERE k <> ''k1'') SELECT r, max(price) - min(price) AS spread FROM (SELECT * FROM b WHERE id > 5) AS c GROUP BY r');
SELECT check_view('SELECT name, count(*) FROM (SELECT ev.k, s.name FROM ev LEFT JOIN shop AS s ON s.id = ev.n) AS v GROUP BY name');
SELECT check_view('SELECT t.parent, name, count(*) FROM shop AS s JOIN (SELECT id AS i, n AS id FROM ev) AS v USING (id) LEFT JOIN tree AS t USING (id) GROUP BY t.parent, name');
SELECT check_view('SELECT v.n, count(*) FROM shop AS s RIGHT JOIN (SELECT n FROM ev WHERE id IN (SELECT id FROM tree)) AS v ON s.id = v.n GROUP BY v.n');
SELECT check_view('SELECT s.name, count(*) FROM shop AS s, LATERAL (SELECT k FROM ev WHERE ev.n = s.id) AS v GROUP BY s.name');
SELECT check_view('SELECT tag, count(*) FROM (SELECT unnest(tags) AS tag FROM ev) AS v GROUP BY tag');
SELECT check_view('WITH v AS (SELECT ts AS at, k, p FROM ev WHERE n > 2) SELECT window_start, k, count(*), sum(p) FROM v, stream.tumble(v.at, ''10 min'') GROUP BY 1, 2');
SELECT check_view('SELECT window_start, k, count(*), avg(p) FROM (SELECT ts, lower(k) AS k, p FROM ev) AS v, stream.hop(ts, ''10 min'', ''30 min'') WHERE k IN (SELECT ''k'' || id FROM shop) GROUP BY 1, 2');
SELECT check_view('WITH w AS (SELECT * FROM stream.tumble(''2024-03-30 01:00+00''::timestamptz, ''1 h'')) SELECT count(*) FROM ev, w');
SELECT check_view('SELECT count(*) FROM ev AS "ev x" WHERE "ev x".n IN (SELECT "ev x".n % 7 FROM shop AS ev)');
SELECT check_view('WITH ev AS (SELECT k, n FROM ev WHERE n > 1) SELECT k, count(*) FROM ev GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM (SELECT e.k, s.id FROM ev AS e JOIN se_batch AS s ON s.id = e.n) AS se_batch GROUP BY k');
SELECT check_view('SELECT count(v) AS v, count(*) FROM (SELECT k, n FROM ev) AS v');

-- set-returning functions of a row's columns in FROM
SELECT check_view('SELECT tag, count(*) FROM ev, unnest(tags) AS tag GROUP BY tag');
SELECT check_view('SELECT tag, ord, count(*) FROM ev LEFT JOIN LATERAL unnest(tags) WITH ORDINALITY AS t(tag, ord) ON true GROUP BY tag, ord');
SELECT check_view('SELECT item->>''sku'' AS sku, count(*), sum((item->>''qty'')::int) FROM ev, jsonb_array_elements(j->''items'') AS item GROUP BY 1');
SELECT check_view('SELECT item->>''sku'' AS sku, count(*), count(item) AS items FROM ev LEFT JOIN LATERAL jsonb_array_elements(j->''items'') AS item ON item <> ''null'' GROUP BY 1');
-- nested arrays, flattened twice
SELECT check_view('SELECT item->>''sku'' AS sku, lot->>''lot'' AS lot, count(*) FROM ev, jsonb_array_elements(j->''items'') AS item, jsonb_array_elements(CASE jsonb_typeof(item) WHEN ''object'' THEN item->''lots'' END) AS lot GROUP BY 1, 2');
SELECT check_view('SELECT item->>''sku'' AS sku, lot->>''lot'' AS lot, count(*), sum(p) FROM ev LEFT JOIN LATERAL jsonb_array_elements(j->''items'') AS item ON jsonb_typeof(item) = ''object'' LEFT JOIN LATERAL jsonb_array_elements(item->''lots'') AS lot ON true GROUP BY 1, 2');
SELECT check_view('SELECT sku, sum(qty), count(lots) FROM ev, jsonb_to_recordset(nullif(j->''items'', ''[null]'')) AS x(sku text, qty int, lots jsonb) GROUP BY sku');
SELECT check_view('SELECT a, b, count(*) FROM ev, ROWS FROM (unnest(tags), generate_series(1, n % 4)) AS x(a, b) GROUP BY a, b');
SELECT check_view('SELECT g, name, count(*) FROM ev CROSS JOIN LATERAL generate_series(n - 1, n) AS g LEFT JOIN shop AS s ON s.id = g GROUP BY g, name');
SELECT check_view('SELECT key, count(*), max(value::text) FROM ev, jsonb_each(j) GROUP BY key');
SELECT check_view('SELECT window_start, tag, count(*) FROM ev, stream.hop(ts, ''10 min'', ''20 min''), unnest(tags) AS tag GROUP BY 1, 2');

-- tables around the stream, which is preserved
SELECT check_view('SELECT s.name, t.parent, count(*), count(t.id) AS found FROM ev LEFT JOIN (shop AS s FULL JOIN tree AS t ON t.id = s.id + 2) ON coalesce(s.id, t.id) = n GROUP BY s.name, t.parent');
SELECT check_view('SELECT h.id, count(*) FROM tree AS t RIGHT JOIN (heavy AS h RIGHT JOIN ev ON h.id = ev.n) ON t.id = ev.id GROUP BY h.id');
SELECT check_view('SELECT x.id, max(name), count(*) FROM ev LEFT JOIN (shop AS s FULL JOIN heavy AS h USING (id)) AS x ON x.id = n GROUP BY x.id');
SELECT check_view('SELECT x.i, y.c, z, max(x.w), count(*) FROM ev LEFT JOIN (shop AS s FULL JOIN tree AS t USING (id)) AS x(i, a, w, b) ON x.i = n, LATERAL (SELECT count(*) AS c FROM heavy WHERE id > x.i) AS y, unnest(ARRAY[x.i, 1]) AS z, shop AS s WHERE EXISTS (SELECT FROM tree WHERE id = x.i + s.id) GROUP BY ROLLUP (x.i, y.c, z)');
SELECT check_view('SELECT count(*), count(s.id) AS hits FROM ev LEFT JOIN shop AS s ON false');

-- users' functions
CREATE FUNCTION size_of(price numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN price > 100 THEN 'large' WHEN price > 50 THEN 'middling' END $$;
CREATE FUNCTION shop_name(i int) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT name FROM public.shop WHERE id = i); END $$;
CREATE FUNCTION parts(t text) RETURNS TABLE (part text, place int) LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN QUERY VALUES (left(t, 1), 1), (right(t, 1), 2); END $$;
SELECT check_view('SELECT size_of(p) AS size, shop_name(n) AS shop, count(*), max(shop_name(n + 1)) AS next FROM ev WHERE shop_name(n) <> ''shop 2'' GROUP BY 1, 2');
SELECT check_view('SELECT part, place, count(*) FILTER (WHERE size_of(p) IS NULL) AS small FROM ev, parts(k) GROUP BY part, place');
SELECT check_view('SELECT shop_name(n), (SELECT count(*) FROM shop WHERE name = shop_name(ev.n)) AS c FROM ev GROUP BY n');

-- grouping sets: a NULL of the data and the NULL of what is rolled up stay apart
SELECT check_view('SELECT k, count(*), sum(n), avg(p) FROM ev GROUP BY ROLLUP (k)');
SELECT check_view('SELECT k, n, grouping(k, n), count(*) FROM ev GROUP BY ROLLUP (k, n)');
SELECT check_view('SELECT k, n % 3 AS r, id % 2 AS odd, grouping(id % 2) AS g1, grouping(n % 3, k) AS g2, grouping(k, n % 3, id % 2) AS g3, grouping(id % 2, k, k) AS g4, max(p), stddev(n) FROM ev GROUP BY CUBE (k, n % 3, id % 2)', 5);
SELECT check_view('SELECT k, n, count(*) FROM ev GROUP BY GROUPING SETS ((k, n), (n), (k))');
SELECT check_view('SELECT k, n, id % 3 AS r, count(*), bool_and(p > 1) FROM ev GROUP BY DISTINCT id % 3, ROLLUP (k, n), CUBE (n)', 2);
SELECT check_view('SELECT k FROM ev GROUP BY ROLLUP (k)');
SELECT check_view('SELECT coalesce(k, CASE grouping(k) WHEN 1 THEN ''all'' ELSE ''none'' END) AS k, count(*) FROM ev GROUP BY ROLLUP (k) HAVING grouping(k) = 1 OR count(*) > 60');
SELECT check_view('SELECT k, count(*), (SELECT max(id) FROM shop WHERE id < count(ev.id) / 50 + grouping(ev.k)) AS m FROM ev GROUP BY GROUPING SETS ((k), ())');
SELECT check_view('SELECT k, count(*), max(n) FROM ev WHERE n > 100 GROUP BY ROLLUP (k)');
SELECT check_view('SELECT k, count(*) FROM ev WHERE n > 100 GROUP BY GROUPING SETS ((k), (k, n))');
SELECT check_view('SELECT k, count(*) FROM ev WHERE false GROUP BY CUBE (k, n)', 1);
SELECT check_view('SELECT count(*), sum(n) FROM ev GROUP BY ()');
SELECT check_view('SELECT k, grouping(k), count(*) FROM ev GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ev GROUP BY GROUPING SETS ((k))');
SELECT check_view('SELECT k AS a, k AS b, k || ''x'' AS c, count(*) FROM ev GROUP BY ROLLUP (k)');
SELECT check_view('SELECT k, n AS grouping_set, count(*) FROM ev GROUP BY ROLLUP (k, n)');
SELECT check_view('SELECT tag, name, count(*) FROM (SELECT tags, n FROM ev) AS v LEFT JOIN LATERAL unnest(tags) AS tag ON true LEFT JOIN shop AS s ON s.id = n GROUP BY CUBE (tag, name)');
SELECT check_view('SELECT id, name, grouping(name), count(*) FROM (SELECT n AS id FROM ev) AS v JOIN shop AS s USING (id) GROUP BY ROLLUP (id, name)');
SELECT check_view('SELECT (SELECT name FROM shop WHERE id = n) AS name, k, count(*) FROM ev GROUP BY ROLLUP (1, 2)');
-- with windows
SELECT check_view('SELECT window_start, k, count(*), avg(p) FROM ev, stream.tumble(ts, ''1 hour'') GROUP BY ROLLUP (window_start, k)');
SELECT check_view('SELECT window_start, window_end, k, grouping(k), count(*), avg(p) FROM ev, stream.tumble(ts, ''1 hour'') GROUP BY window_start, window_end, CUBE (k, n)');
SELECT check_view('SELECT window_start, window_end, k, grouping(k), count(*), avg(p) FROM ev, stream.hop(ts, ''1 hour'', ''2 hours'') GROUP BY window_start, window_end, ROLLUP (k)');
SELECT check_view('SELECT window_end, k, n % 2 AS odd, grouping(n % 2) AS g, count(*) FROM ev, stream.cumulate(ts, ''1 hour'', ''1 day'') GROUP BY window_end, GROUPING SETS ((k), (k, n % 2), ())');
-- sorted instead of hashed, and with less memory than the groups take
SET enable_hashagg = off;
SELECT check_view('SELECT k, n, id % 7 AS r, grouping(n, k), count(*), avg(p) FROM ev GROUP BY CUBE (k, n, id % 7)');
RESET enable_hashagg;
SET enable_sort = off;
SET work_mem = '64kB';
SELECT check_view('SELECT id, p, n, grouping(p, n), count(*), avg(p) AS a FROM ev GROUP BY CUBE (id, p, n)', 2);
RESET work_mem;
RESET enable_sort;
\pset tuples_only off
\pset format aligned

-- the whole has its row before any record; the set is a column of the state
SELECT stream.create_view('rolled', 'SELECT k, n, grouping(k, n), count(*), sum(p) FROM ev GROUP BY GROUPING SETS ((), (k), (k, n))');
TABLE rolled;
SELECT stream.ingest('ev', '{"k": null, "n": 1, "p": 2}', '{"k": "a", "n": null, "p": 3}');
SELECT stream.ingest('ev', '{"k": null, "n": 1, "p": 5}');
SELECT * FROM rolled ORDER BY grouping, k, n;
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'rolled_state'::regclass AND attnum > 0 ORDER BY attnum;
SELECT regexp_replace(pg_get_viewdef('rolled'), '\ms\.', '', 'g');
-- the plans that serve them: chained and mixed aggregation
EXPLAIN (COSTS OFF) SELECT k, n, count(*) FROM batch.ev GROUP BY CUBE (k, n);
-- a roll-up reads the rows of one set
SELECT stream.create_rollup('again', 'SELECT combine(sum) AS sum, combine(count) AS n FROM rolled WHERE "grouping" = 1');
TABLE again;
SELECT stream.create_rollup('wrong', 'SELECT combine("grouping") FROM rolled');
-- a roll-up of a view whose rows come from a sub-select
SELECT stream.create_view('nested', 'WITH v AS (SELECT lower(k) AS k, p FROM ev WHERE n IN (SELECT id FROM shop)) SELECT k, avg(p) AS mean, (SELECT count(*) FROM shop) AS shops FROM v GROUP BY k');
SELECT stream.ingest('ev', '{"k": "A", "n": 1, "p": 2}', '{"k": "a", "n": 2, "p": 4}', '{"k": "b", "n": 2, "p": 9}', '{"k": "b", "n": 99, "p": 9}');
SELECT stream.create_rollup('over_nested', 'SELECT combine(mean) AS mean, max(shops) AS shops FROM nested');
TABLE over_nested;

-- the table as it is when the batch is read, or, beside aggregates, when the view is
DELETE FROM shop WHERE id IN (2, 5);
SELECT stream.ingest('ev', '{"k": "a", "n": 2, "p": 1000}');
SELECT * FROM nested ORDER BY k;
-- what sub-selects use is held, at any depth, and so are the stream's columns
\set VERBOSITY terse
DROP TABLE shop;
ALTER TABLE shop DROP COLUMN id;
ALTER TABLE ev DROP COLUMN p;
ALTER TABLE ev DROP COLUMN tags;
SELECT stream.drop('rolled', true), stream.drop('nested', true);
SELECT stream.create_view('nested', 'SELECT count(*) FROM ev WHERE n IN (SELECT id FROM (SELECT id FROM tree) AS t WHERE size_of(id) IS NULL)');
DROP TABLE tree;
DROP FUNCTION size_of;
\set VERBOSITY default
-- the stream may be renamed, get a column and lose one
ALTER TABLE ev RENAME TO events;
ALTER TABLE events ADD COLUMN more text;
SELECT stream.create_view('late', 'WITH v AS (SELECT * FROM events) SELECT more, count(*) FROM v GROUP BY ROLLUP (more)');
SELECT stream.ingest('events', '{"n": 3, "more": "x"}');
TABLE nested;
SELECT * FROM late ORDER BY more;
SELECT stream.drop('events', true);

--
-- Late rows of a stream behind sub-selects are kept as the stream's rows.
--
SELECT stream.create_stream('s', 'at timestamptz, k text, n int', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('plain', 'SELECT window_start, count(*) FROM s, stream.tumble(at, ''5 s'') GROUP BY 1');
SELECT stream.create_view('behind', 'WITH a(k, batch_3, ts) AS (SELECT lower(k), n, at FROM s WHERE n > 0) SELECT window_start, k, count(*) FROM (SELECT k AS batch_4, ts AS t, batch_3 AS n FROM a) AS v(k), stream.tumble(t, ''5 s'') GROUP BY 1, 2');
SELECT stream.create_view('sliding', 'SELECT window_start, count(*) FROM (SELECT at FROM s WHERE n IN (SELECT id FROM tree)) AS v JOIN shop ON shop.id = 1, stream.hop(v.at, ''5 s'', ''10 s'') GROUP BY 1');
SELECT stream.create_view('rolled_windows', 'SELECT window_start, grouping(window_start) AS g, count(*) FROM s, stream.tumble(at, ''5 s'') GROUP BY ROLLUP (window_start)');
SELECT stream.create_view('rolled_hops', 'SELECT window_start, k, grouping(k) AS g, count(*) FROM s, stream.hop(at, ''5 s'', ''10 s'') GROUP BY window_start, ROLLUP (k)');
SELECT stream.create_view('final', 'SELECT window_start, k, grouping(k) AS g, count(*) FROM s, stream.tumble(at, ''5 s'') GROUP BY window_start, ROLLUP (k)', emit => 'append');
SELECT stream.create_view('never', 'SELECT window_start, k, count(*) FROM s, stream.tumble(at, ''5 s'') GROUP BY ROLLUP (window_start, k)', emit => 'append');
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:12Z", "k": "A", "n": 1}');
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:03Z", "k": "B", "n": 1}', '{"at": "2024-01-01T00:00:03Z", "k": "C", "n": 0}',
	'{"at": "2024-01-01T00:00:11Z", "k": "B", "n": 2}', '{"at": "2024-01-01T00:00:08Z", "k": "D", "n": 3}');
SELECT * FROM plain ORDER BY 1;
SELECT * FROM behind ORDER BY 1, 2;
SELECT * FROM sliding ORDER BY 1;
-- a row that is late for its window is in no total
SELECT * FROM rolled_windows ORDER BY 2, 1;
SELECT * FROM rolled_hops ORDER BY 3, 1, 2;
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:15Z", "k": "B", "n": 1}');
SELECT stream.ingest('s', '{"at": "2024-01-01T00:00:08Z", "k": "E", "n": 1}', '{"at": "2024-01-01T00:00:16Z", "k": "B", "n": 1}');
SELECT * FROM rolled_hops ORDER BY 3, 1, 2;
SELECT * FROM final ORDER BY 3, 1, 2;
SELECT 'plain' AS v, partition, "offset", event_time, window_end, "row" FROM plain_late_rows
UNION ALL SELECT 'behind', partition, "offset", event_time, window_end, "row" FROM behind_late_rows
UNION ALL SELECT 'sliding', partition, "offset", event_time, window_end, "row" FROM sliding_late_rows ORDER BY 1, 2, 3;
SELECT stream.drop('s', true);

--
-- Rights: sub-selects and functions run as the stream's owner, whoever feeds it.
--
CREATE ROLE regress_stream_owner;
CREATE TABLE secret (id int);
INSERT INTO secret VALUES (1);
CREATE TABLE allowed (id int);
INSERT INTO allowed VALUES (1), (2);
GRANT SELECT ON allowed TO regress_stream_owner;
CREATE FUNCTION whoami() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN current_user; END $$;
CREATE FUNCTION peek(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.secret WHERE id = $1)';
GRANT CREATE ON SCHEMA public TO regress_stream_owner;
GRANT EXECUTE ON FUNCTION stream.create_stream, stream.create_view, stream.ingest TO regress_stream_owner;
SET ROLE regress_stream_owner;
SELECT stream.create_stream('s', 'k text, n int');
SELECT stream.create_view('v', 'SELECT count(*) FROM s WHERE n IN (SELECT id FROM secret)');
SELECT stream.create_view('x', 'SELECT (SELECT max(id) FROM secret), count(*) FROM s');
TABLE x;
RESET ROLE;
SELECT stream.create_view('v', 'SELECT whoami(), max(whoami()) AS top, count(*) FILTER (WHERE n IN (SELECT id FROM allowed WHERE whoami() = ''regress_stream_owner'')) AS mine FROM s GROUP BY whoami()');
SELECT stream.ingest('s', '{"n": 1}', '{"n": 3}');
TABLE v;
SELECT stream.create_view('w', 'SELECT count(*) FROM s WHERE peek(n)');
SELECT stream.ingest('s', '{"n": 1}');
GRANT SELECT ON secret TO regress_stream_owner;
SELECT stream.ingest('s', '{"n": 1}');
TABLE w;
SELECT stream.drop('s', true);
DROP OWNED BY regress_stream_owner CASCADE;
DROP ROLE regress_stream_owner;
DROP FUNCTION check_view, size_of, shop_name, parts, whoami, peek;
DROP TABLE secret, allowed, shop, tree, se_batch CASCADE;
DROP SCHEMA batch CASCADE;
