--
-- stream.create_rollup: states of continuous views, merged when read.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT stream.create_stream('s', 'k int, v numeric, u text, at timestamptz', event_time => 'at');
SELECT stream.create_view('per_minute', $$
	SELECT window_start, k, count(*), avg(v) AS mean, stddev(v) AS deviation, max(u) AS top, max(ARRAY[k, 1]) AS pair,
		avg(v) * 2 AS twice
	FROM s, stream.tumble(at, '1 min') GROUP BY 1, 2$$);
SELECT stream.create_view('sliding', $$
	SELECT window_start, k, avg(v) AS mean FROM s, stream.hop(at, '1 min', '2 min') GROUP BY 1, 2$$);
SELECT stream.ingest('s', VARIADIC (SELECT array_agg(json_build_object('k', i % 3, 'v', i, 'u', 'u' || i,
	'at', '2024-05-01 12:00:07+00'::timestamptz + i * interval '1.7 s')::text) FROM generate_series(1, 500) AS i));

-- the same as over all rows, where the average of averages is not
SELECT stream.create_rollup('per_hour', $$
	SELECT date_trunc('hour', window_start) AS hour, combine(mean) AS mean, round(combine(deviation), 6) AS deviation,
		combine(count) AS n, combine(top) FILTER (WHERE k < 2) AS top, combine(pair) AS pair, count(*) AS groups
	FROM per_minute WHERE k >= 0 GROUP BY 1 HAVING combine(count) > 10$$);
TABLE per_hour;
SELECT date_trunc('hour', at) AS hour, avg(v) AS mean, round(stddev(v), 6) AS deviation, count(*) AS n,
	max(u) FILTER (WHERE k < 2) AS top, max(ARRAY[k, 1]) AS pair FROM s GROUP BY 1;
SELECT count(*) AS wrong FROM (SELECT avg(mean) AS m FROM per_minute) AS a, per_hour AS h WHERE a.m = h.mean;
-- it follows the view
SELECT stream.ingest('s', '{"k": 0, "v": 1e6, "u": "zz", "at": "2024-05-01 12:59:59Z"}');
SELECT mean, n, top FROM per_hour;
-- windows that do not overlap make up all rows; joins, aliases, no GROUP BY
CREATE TABLE names (k int, name text);
INSERT INTO names VALUES (0, 'zero'), (1, 'one');
SELECT stream.create_rollup('named', $$
	SELECT name, combine(x.mean) AS mean FROM sliding AS x LEFT JOIN names AS n USING (k)
	WHERE extract(minute FROM window_start)::int % 2 = 0 GROUP BY name$$);
SELECT * FROM named ORDER BY name;
SELECT name, avg(v) AS mean FROM s LEFT JOIN names USING (k) GROUP BY name ORDER BY name;
SELECT stream.create_rollup('total', 'SELECT combine(m.mean) + 1 AS mean FROM per_minute AS m');
TABLE total;
-- over nothing an aggregate is what it is over no rows
CREATE FUNCTION join_up(anyarray, anyarray) RETURNS anyarray LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2';
CREATE AGGREGATE collect(anyarray) (sfunc = join_up, stype = anyarray, combinefunc = join_up, initcond = '{}');
SELECT stream.create_stream('nothing', 'k int, v int, f float8');
SELECT stream.create_view('of_nothing', 'SELECT k, count(*), count(v) AS c, sum(v), avg(v), stddev(f) AS sd, regr_count(f, f) AS rc, collect(ARRAY[v]) AS a FROM nothing GROUP BY k');
SELECT stream.create_rollup('nothing_at_all', 'SELECT combine(count) AS count, combine(c) AS c, combine(sum) AS sum, combine(avg) AS avg, combine(sd) AS sd, combine(rc) AS rc, combine(a) AS a, combine(c) FILTER (WHERE k > 1) AS f FROM of_nothing');
TABLE nothing_at_all;
SELECT count(*), count(v) AS c, sum(v), avg(v), stddev(f) AS sd, regr_count(f, f) AS rc, collect(ARRAY[v]) AS a, count(v) FILTER (WHERE k > 1) AS f FROM nothing;
SELECT stream.ingest('nothing', '{"k": 1, "v": 7, "f": 1.5}');
TABLE nothing_at_all;
SELECT stream.drop('nothing', true);
DROP AGGREGATE collect(anyarray);
DROP FUNCTION join_up;
-- the states are of the view's owner
SET client_min_messages = warning;
CREATE ROLE regress_roller;
CREATE SCHEMA desk AUTHORIZATION regress_roller;
RESET client_min_messages;
GRANT SELECT ON per_minute TO regress_roller;
GRANT EXECUTE ON FUNCTION stream.create_rollup TO regress_roller;
SET ROLE regress_roller;
SELECT stream.create_rollup('desk.mine', 'SELECT combine(mean) FROM per_minute');
RESET ROLE;
GRANT SELECT ON per_minute_state TO regress_roller;
SET ROLE regress_roller;
SELECT stream.create_rollup('desk.mine', 'SELECT round(combine(mean)) FROM per_minute');
TABLE desk.mine;
RESET ROLE;

-- refused
SELECT stream.create_rollup('x', 'SELECT k, combine(twice) FROM per_minute GROUP BY k');
SELECT stream.create_rollup('x', 'SELECT k, combine(k) FROM per_minute GROUP BY k');
SELECT stream.create_rollup('x', 'SELECT k, combine(mean + 1) FROM per_minute GROUP BY k');
SELECT stream.create_rollup('x', 'SELECT k, combine(DISTINCT mean) FROM per_minute GROUP BY k');
SELECT stream.create_rollup('x', 'SELECT k, sum(count) FROM per_minute GROUP BY k');
SELECT stream.create_rollup('x', 'SELECT combine(relname::text) FROM pg_class');
SELECT stream.create_rollup('x', 'SELECT * FROM (SELECT combine(mean) FROM per_minute) AS y');
SELECT stream.create_rollup('x', 'SELECT combine(mean) FROM (SELECT * FROM per_minute) AS y');
SELECT stream.create_rollup('x', 'INSERT INTO names DEFAULT VALUES');
SELECT stream.combine(count) FROM per_minute;
-- it holds what it reads
SELECT stream.drop('per_minute');
SELECT stream.drop('s', true);
DROP TABLE names;
DROP OWNED BY regress_roller;
DROP ROLE regress_roller;
