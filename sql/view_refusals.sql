--
-- stream.create_view(): every query that it refuses, and why.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT stream.create_stream('ev', 'id int, k text, n int, p numeric, ts timestamptz, x xid');
SELECT stream.create_stream('ev2', 'id int, k text');
CREATE TABLE shop (id int PRIMARY KEY, name text);
CREATE VIEW over_ev AS SELECT * FROM ev;
CREATE VIEW over_both AS SELECT s.* FROM shop s WHERE EXISTS (SELECT 1 FROM ev2);
CREATE TEMP TABLE for_now (id int);
CREATE FUNCTION add_up(numeric, numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT RETURN $1 + $2;
CREATE AGGREGATE no_combine(numeric) (sfunc = add_up, stype = numeric);
CREATE AGGREGATE no_serial(numeric) (sfunc = numeric_avg_accum, stype = internal,
	finalfunc = numeric_avg, combinefunc = numeric_avg_combine);
CREATE FUNCTION dice(int) RETURNS int LANGUAGE sql VOLATILE RETURN $1;

-- not one SELECT
SELECT stream.create_view('v', '');
SELECT stream.create_view('v', 'SELEC 1');
SELECT stream.create_view('v', 'SELECT 1; SELECT 2');
SELECT stream.create_view('v', 'INSERT INTO shop VALUES (1)');
SELECT stream.create_view('v', 'CREATE TABLE x ()');
SELECT stream.create_view('v', 'SELECT count(*) INTO x FROM ev');
SELECT stream.create_view('v', 'SELECT nosuch, count(*) FROM ev GROUP BY 1');
SELECT stream.create_view('v', 'SELECT k, count($1) FROM ev GROUP BY k');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev');

-- clauses about the result as a whole
SELECT stream.create_view('v', 'SELECT count(*) FROM ev UNION ALL SELECT count(*) FROM ev2');
SELECT stream.create_view('v', 'VALUES (1)');
SELECT stream.create_view('v', 'SELECT DISTINCT k, count(*) FROM ev GROUP BY k');
SELECT stream.create_view('v', 'SELECT DISTINCT ON (k) k, n FROM ev');
SELECT stream.create_view('v', 'SELECT k, rank() OVER (ORDER BY k) FROM ev');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k LIMIT 3');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k OFFSET 3');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k ORDER BY 2');
SELECT stream.create_view('v', 'SELECT k FROM ev FOR UPDATE');

-- sub-selects and WITH: the stream's rows may pass through one, once and each by itself
SELECT stream.create_view('v', 'SELECT count(*) FROM shop WHERE id IN (SELECT id FROM ev)');
SELECT stream.create_view('v', 'SELECT count(*), (SELECT max(id) FROM ev) FROM shop');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE n > (SELECT avg(n) FROM ev)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE EXISTS (SELECT FROM ev2 WHERE ev2.id = ev.id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE id IN (SELECT id FROM over_ev)');
SELECT stream.create_view('v', 'SELECT count(*) FROM shop WHERE id IN (SELECT id FROM over_ev)');
SELECT stream.create_view('v', 'SELECT sum(c) FROM (SELECT k, count(*) AS c FROM ev GROUP BY k) x');
SELECT stream.create_view('v', 'WITH x AS (SELECT k FROM ev GROUP BY k) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT 1 FROM ev HAVING true) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT DISTINCT k FROM ev) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT DISTINCT ON (k) k, n FROM ev) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM ev LIMIT 3) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM ev OFFSET 3) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT row_number() OVER (PARTITION BY k) AS i FROM ev) x WHERE i = 1');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM ev ORDER BY k) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT id FROM ev UNION ALL SELECT id FROM shop) x');
SELECT stream.create_view('v', 'WITH a AS (SELECT * FROM ev), b AS (SELECT id FROM a EXCEPT SELECT id FROM shop) SELECT count(*) FROM (SELECT * FROM b) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM ev FOR UPDATE) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev JOIN (SELECT id FROM shop FOR SHARE) x USING (id)');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev) SELECT count(*) FROM x a JOIN x b USING (id)');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev) SELECT count(*) FROM x WHERE n > (SELECT avg(n) FROM x)');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev) SELECT count(*) FROM shop WHERE id IN (SELECT id FROM x)');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev) SELECT count(*) FROM shop');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev) SELECT count(*) FROM x, ev');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev2) SELECT count(*) FROM x, ev');
SELECT stream.create_view('v', 'WITH RECURSIVE x AS (SELECT id FROM ev UNION ALL SELECT id + 1 FROM x WHERE id < 3) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'WITH x AS (INSERT INTO shop VALUES (1) RETURNING id) SELECT count(*) FROM ev');
SELECT stream.create_view('v', 'WITH x AS (DELETE FROM ev RETURNING id) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'WITH se_batch AS (SELECT 1) SELECT count(*) FROM ev, se_batch');
SELECT stream.create_view('v', 'WITH x AS (SELECT max(id) AS m FROM shop) SELECT count(*), (SELECT m FROM x) FROM ev');
SELECT stream.create_view('v', 'SELECT count(*) FROM shop LEFT JOIN (SELECT id FROM ev) x USING (id)');
SELECT stream.create_view('v', 'WITH x AS (SELECT shop.id FROM shop LEFT JOIN ev USING (id)) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'WITH x AS (SELECT e.* FROM ev e TABLESAMPLE SYSTEM (1)) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE id IN (SELECT id FROM for_now)');
SELECT stream.create_view('v', 'SELECT (SELECT max(id) FROM for_now), count(*) FROM ev');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT ctid FROM ev) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT ev AS r FROM ev) x');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE EXISTS (SELECT FROM shop WHERE ev.xmin IS NULL)');
SELECT stream.create_view('v', 'SELECT x, count(*) FROM (SELECT k, n FROM ev) x GROUP BY x');
SELECT stream.create_view('v', 'SELECT s.id, (SELECT count(*) FROM shop t WHERE t.name = s.name) AS c, count(*) FROM ev JOIN shop s ON s.id = n GROUP BY s.id');
SELECT stream.create_view('v', 'SELECT k, (SELECT no_combine(ev.p) FROM shop) FROM ev GROUP BY k');
SELECT stream.create_view('v', 'SELECT json_agg(k) FROM (SELECT k FROM ev) x');

-- FROM
SELECT stream.create_view('v', 'SELECT count(*) FROM shop');
SELECT stream.create_view('v', 'SELECT count(*)');
SELECT stream.create_view('v', 'SELECT count(*) FROM over_ev');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, over_ev');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, over_both');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, ev2');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev a, ev b');
SELECT stream.create_view('v', 'SELECT count(*) FROM shop LEFT JOIN ev USING (id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev RIGHT JOIN shop USING (id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev FULL JOIN shop USING (id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM shop a LEFT JOIN (ev JOIN shop b USING (id)) USING (id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev TABLESAMPLE BERNOULLI (10)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, for_now');

-- windows
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 h'), stream.tumble(ts, '2 h') b$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 month 1 day')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 h', '1 year')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '0 s')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '-1 h')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, NULL)$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 h', NULL)$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, make_interval(secs => n))$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 day', timezone => k)$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 day', timezone => current_setting('TimeZone'))$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 day', timezone => 'Mars/Olympus')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.tumble(ts, '1 hour', timezone => 'Europe/Berlin')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.hop(ts, '1 day', '1 month')$$);
SELECT stream.create_view('v', $$SELECT count(*) FROM ev, stream.cumulate(ts, '1 month', '1 day')$$);
SELECT stream.create_view('v', $$WITH x AS (SELECT * FROM ev, stream.tumble(ts, '1 h')) SELECT window_start, count(*) FROM x GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT (w).window_start, count(*) FROM (SELECT stream.hop(ts, '1 h', '2 h') AS w FROM ev) x GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT w.window_start, count(*) FROM ev, LATERAL (SELECT * FROM stream.tumble(ev.ts, '1 h')) w GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT (SELECT window_start FROM stream.tumble(ts, '1 h')) AS w, count(*) FROM ev GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM ev, stream.hop(ts, '1 h', '2 h') WHERE EXISTS (SELECT FROM shop WHERE window_end > now()) GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM ev, stream.hop(ts, '1 h', '2 h') AS w, LATERAL (SELECT id FROM shop WHERE w.window_end > now()) x GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, sum((SELECT max(s.id) FROM shop s WHERE window_end > now())) FROM ev, stream.hop(ts, '1 h', '2 h') GROUP BY 1$$);
SELECT stream.create_view('v', $$SELECT window_start, k, count(*) FROM ev, stream.hop(ts, '1 h', '2 h') GROUP BY ROLLUP (window_start, k)$$);
SELECT stream.create_view('v', $$SELECT window_start, window_end, count(*) FROM ev, stream.cumulate(ts, '1 h', '2 h') GROUP BY GROUPING SETS ((window_start), (window_end))$$);

-- columns
SELECT stream.create_view('v', 'SELECT ctid, count(*) FROM ev GROUP BY ctid');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE tableoid > 0');
SELECT stream.create_view('v', 'SELECT count(ev) FROM ev');
SELECT stream.create_view('v', 'SELECT count(*), count(n) FROM ev');
SELECT stream.create_view('v', 'SELECT 1, 2, count(*) FROM ev');

-- grouping
SELECT stream.create_view('v', 'TABLE ev');
SELECT stream.create_view('v', 'SELECT k, n FROM ev');
SELECT stream.create_view('v', 'SELECT generate_series(1, 2), count(*) FROM ev');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY GROUPING SETS ((k), (k))');
SELECT stream.create_view('v', 'SELECT k, n, count(*) FROM ev GROUP BY CUBE (k, n), ROLLUP (n)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev GROUP BY GROUPING SETS ((), ())');
SELECT stream.create_view('v', 'SELECT ''c''::text AS c, count(*) FROM ev GROUP BY ROLLUP (''c''::text, k)');
SELECT stream.create_view('v', 'SELECT 1 FROM ev GROUP BY ()');
SELECT stream.create_view('v', 'SELECT x, count(*) FROM ev GROUP BY ROLLUP (x)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev GROUP BY k, ROLLUP ((' || string_agg('n + ' || i, ', ') || '))')
FROM generate_series(1, 31) i;
SELECT stream.create_view('v', 'SELECT row(k, n), count(*) FROM ev GROUP BY row(k, n)');
SELECT stream.create_view('v', 'SELECT x, count(*) FROM ev GROUP BY x');
SELECT stream.create_view('v', 'SELECT s.id, s.name, count(*) FROM ev JOIN shop s ON s.id = n GROUP BY s.id');
SELECT stream.create_view('v', 'SELECT s.id, count(*) FROM ev JOIN shop s ON s.id = n GROUP BY s.id HAVING length(s.name) > 1');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev GROUP BY ' || string_agg('n + ' || i, ', '))
FROM generate_series(1, 33) i;

-- volatile functions where rows are counted; where results are read they may be
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE random() < 0.5');
SELECT stream.create_view('v', 'SELECT dice(n), count(*) FROM ev GROUP BY dice(n)');
SELECT stream.create_view('v', 'SELECT sum(dice(n)) FROM ev');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev JOIN shop s ON s.id = dice(n)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, generate_series(1, dice(n))');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT dice(n) AS d FROM ev) x WHERE d > 1');
SELECT stream.create_view('v', 'WITH x AS (SELECT * FROM ev WHERE random() < 0.1) SELECT count(*) FROM x');
SELECT stream.create_view('v', 'WITH x AS (SELECT id FROM shop ORDER BY random() LIMIT 1) SELECT count(*) FROM ev JOIN x USING (id)');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE id IN (SELECT dice(id) FROM shop)');
SELECT stream.create_view('v', 'SELECT sum((SELECT max(dice(id)) FROM shop)) FROM ev');
SELECT stream.create_view('v', 'SELECT (SELECT dice(n)), count(*) FROM ev GROUP BY 1');
SELECT stream.create_view('v', 'SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM shop WHERE dice(n) = 1)) FROM ev');
SELECT stream.create_view('v', 'SELECT count(*), random() < 2 AS yes, (SELECT count(*) FROM shop WHERE random() > 2) AS none FROM ev');
TABLE v;
SELECT stream.drop('v');

-- aggregates
SELECT stream.create_view('v', 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT mode() WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT rank(1) WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT count(DISTINCT (k, n)) FROM ev');
SELECT stream.create_view('v', 'SELECT max(k ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT json_agg(k) FROM ev');
SELECT stream.create_view('v', 'SELECT no_combine(p) FROM ev');
SELECT stream.create_view('v', 'SELECT no_serial(p) FROM ev');
SELECT stream.create_view('v', 'SELECT k FROM ev GROUP BY k HAVING no_combine(p) > 1');

-- what is not there yet
SELECT stream.create_view('v', 'SELECT count(*) FROM ev', emit => 'append');

-- names that are taken
SELECT stream.create_view('shop', 'SELECT count(*) FROM ev');
CREATE TABLE taken_state ();
SELECT stream.create_view('taken', 'SELECT count(*) FROM ev');

-- nothing is left behind
SELECT relname FROM pg_class
WHERE relname IN ('v', 'v_state', 'taken', 'taken_state', 'shop_state') ORDER BY 1;

SELECT stream.drop('ev', true), stream.drop('ev2', true);
DROP TABLE shop, taken_state, for_now CASCADE;
DROP AGGREGATE no_combine(numeric);
DROP AGGREGATE no_serial(numeric);
DROP FUNCTION add_up, dice;
