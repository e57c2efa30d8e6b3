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
SELECT stream.create_view('v', 'WITH c AS (SELECT 1) SELECT count(*) FROM ev, c');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev WHERE id IN (SELECT id FROM shop)');
SELECT stream.create_view('v', 'SELECT count(*), (SELECT max(id) FROM shop) FROM ev');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k HAVING max(n) > (SELECT 1)');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT * FROM ev) e');
SELECT stream.create_view('v', 'SELECT count(*) FROM ev, (VALUES (1)) e(y)');
SELECT stream.create_view('v', 'VALUES (1)');
SELECT stream.create_view('v', 'SELECT DISTINCT k, count(*) FROM ev GROUP BY k');
SELECT stream.create_view('v', 'SELECT DISTINCT ON (k) k, n FROM ev');
SELECT stream.create_view('v', 'SELECT k, rank() OVER (ORDER BY k) FROM ev');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k LIMIT 3');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k OFFSET 3');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY k ORDER BY 2');
SELECT stream.create_view('v', 'SELECT k FROM ev FOR UPDATE');

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
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY ROLLUP (k)');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM ev GROUP BY GROUPING SETS ((k), ())');
SELECT stream.create_view('v', 'SELECT k, grouping(k), count(*) FROM ev GROUP BY k');
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
SELECT stream.create_view('v', 'SELECT count(*), random() < 2 AS yes FROM ev');
TABLE v;
SELECT stream.drop('v');

-- aggregates
SELECT stream.create_view('v', 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT mode() WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT rank(1) WITHIN GROUP (ORDER BY n) FROM ev');
SELECT stream.create_view('v', 'SELECT count(DISTINCT k) FROM ev');
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
