--
-- stream.create_view(): a view equals its query over all rows, whatever
-- batches they came in.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;

-- what a user gets: one view to read, one table that holds its state
SELECT stream.create_stream('clicks', 'user_id text, ad_id int, event_type text, price numeric(10,2), event_time timestamptz');
SELECT stream.create_view('clicks_per_ad', $$
	SELECT window_start, ad_id, count(*) AS clicks, avg(price) AS price, max(price),
		sum(price) FILTER (WHERE price > 10) + 1 AS dear
	FROM clicks, stream.tumble(event_time, '10 s')
	WHERE event_type = 'click'
	GROUP BY window_start, ad_id
	HAVING count(*) > 1 $$);
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod)
FROM pg_attribute
WHERE attrelid IN ('clicks_per_ad'::regclass, 'clicks_per_ad_state'::regclass) AND attnum > 0
ORDER BY attrelid, attnum;
-- PostgreSQL 16 and later write columns without "s."
SELECT regexp_replace(pg_get_viewdef('clicks_per_ad'), '\ms\.', '', 'g');
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'clicks_per_ad_state'::regclass;
SELECT reloptions FROM pg_class WHERE oid = 'clicks_per_ad_state'::regclass;
TABLE clicks_per_ad;
SELECT stream.ingest('clicks',
	'{"ad_id": 1, "event_type": "click", "price": 5, "event_time": "2024-05-01T12:00:00Z"}',
	'{"ad_id": 1, "event_type": "view", "price": 1000, "event_time": "2024-05-01T12:00:01Z"}',
	'{"ad_id": 1, "event_type": "click", "price": 10.50, "event_time": "2024-05-01T12:00:09.999999Z"}',
	'{"ad_id": 1, "event_type": "click", "price": 7, "event_time": "2024-05-01T12:00:10Z"}',
	'{"ad_id": null, "event_type": "click", "price": null, "event_time": "2024-05-01T12:00:00Z"}');
TABLE clicks_per_ad;
SELECT stream.ingest('clicks',
	'{"ad_id": 1, "event_type": "click", "price": 8, "event_time": "2024-05-01T12:00:19Z"}',
	'{"ad_id": null, "event_type": "click", "price": 20, "event_time": "2024-05-01T12:00:05Z"}');
SELECT * FROM clicks_per_ad ORDER BY window_start, ad_id;
-- a batch without a row that passes WHERE touches nothing
SELECT stream.ingest('clicks', '{"ad_id": 9, "event_type": "buy", "event_time": "2024-05-01T12:00:00Z"}');
SELECT count(*) FROM clicks_per_ad_state;
-- a batch that is rolled back never was
BEGIN;
SELECT stream.ingest('clicks', '{"ad_id": 1, "event_type": "click", "price": 1, "event_time": "2024-05-01T12:00:19Z"}');
SELECT clicks FROM clicks_per_ad WHERE window_start = '2024-05-01 12:00:10+00';
SAVEPOINT a;
SELECT stream.ingest('clicks', '{"ad_id": 1, "event_type": "click", "price": 1, "event_time": "2024-05-01T12:00:19Z"}');
SELECT clicks FROM clicks_per_ad WHERE window_start = '2024-05-01 12:00:10+00';
ROLLBACK TO a;
SELECT clicks FROM clicks_per_ad WHERE window_start = '2024-05-01 12:00:10+00';
ROLLBACK;
SELECT clicks FROM clicks_per_ad WHERE window_start = '2024-05-01 12:00:10+00';
-- a batch counts in views made since, and in those only
SELECT stream.create_view('total', 'SELECT count(*), sum(price) FROM clicks');
TABLE total;
SELECT stream.ingest('clicks', '{"price": 1}', '{"price": 2}');
TABLE total;
-- names
CREATE SCHEMA "Other";
SELECT stream.create_view('"Other"."Per ""user"""', 'SELECT user_id AS "Who?", count(*) AS "all_rows", count(price) AS "select" FROM clicks GROUP BY 1');
SELECT stream.create_view('a_name_that_is_exactly_as_long_as_names_may_be_in_postgresql_63', 'SELECT user_id AS ctid_, sum(price), sum(price) FILTER (WHERE price > 1) AS s2, count(*) AS sum_price FROM clicks GROUP BY user_id');
SELECT stream.ingest('clicks', '{"user_id": "u", "price": 1}', '{"user_id": "u", "price": 2}');
TABLE "Other"."Per ""user""";
TABLE a_name_that_is_exactly_as_long_as_names_may_be_in_postgresql_63;
SELECT c.oid::regclass, array_agg(a.attname ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'r' AND (c.relname LIKE 'Per%' OR c.relname LIKE 'a_name%')
GROUP BY c.oid ORDER BY 1;
SELECT stream.drop('clicks', true);

--
-- The master test: each query through a stream in several batches, and over
-- an ordinary table of the same name that holds the same rows.
--
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE SCHEMA batch;
CREATE TABLE batch.ev (
	id int, k text, n int, b bigint, si smallint, p numeric(12,3), f float8,
	r float4, ok bool, iv interval, ts timestamptz, tsl timestamp, d date,
	tm time, m mood, kc text COLLATE ignore_case, vc varchar(5), u uuid,
	ip inet, mo money, bt bit(8), j jsonb);
INSERT INTO batch.ev
SELECT i, CASE WHEN h % 10 = 0 THEN NULL ELSE 'k' || h % 6 END,
	CASE WHEN h % 11 = 0 THEN NULL ELSE h % 20 END,
	h::bigint * 1000000007, h % 100, (h % 997) / 7.0, (h % 31) / 4.0,
	h % 10, CASE WHEN h % 13 > 0 THEN h % 3 = 0 END,
	make_interval(days => h % 3, secs => h % 100),
	'2024-03-30 00:00+00'::timestamptz + make_interval(secs => h % 200000),
	'2024-03-30 00:00'::timestamp + make_interval(secs => h % 200000),
	date '2024-01-01' + h % 400, make_time(h % 24, h % 60, 0),
	(enum_range(NULL::mood))[1 + h % 3],
	(ARRAY['x', 'X', 'y'])[1 + h % 3], 'v' || h % 4, md5((h % 5)::text)::uuid,
	('10.0.0.' || h % 4)::inet, (h % 1000)::numeric::money,
	(h % 255)::bit(8), jsonb_build_object('t', h % 4, 'list', jsonb_build_array(1, h % 3))
FROM generate_series(1, 1000) i, LATERAL (SELECT i * 7919 % 104729 AS h) x;
CREATE TABLE shop (id int PRIMARY KEY, name text, weight numeric);
INSERT INTO shop SELECT i, 'shop ' || i % 7, i * 1.5 FROM generate_series(0, 15) i;
CREATE VIEW shops AS SELECT id, upper(name) AS name FROM shop WHERE id > 3;

-- aggregates of our own: plain, with an initial value, polymorphic
CREATE FUNCTION add_up(numeric, numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT RETURN $1 + $2;
CREATE AGGREGATE my_sum(numeric) (sfunc = add_up, stype = numeric, combinefunc = add_up);
CREATE AGGREGATE my_sum0(numeric) (sfunc = add_up, stype = numeric, combinefunc = add_up, initcond = '0');
CREATE FUNCTION keep(anyarray, anyelement) RETURNS anyarray
	LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $2 IS NULL THEN $1 ELSE array_append($1, $2) END';
CREATE FUNCTION join_up(anyarray, anyarray) RETURNS anyarray
	LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2';
CREATE FUNCTION in_order(anyarray, anyelement) RETURNS anyarray
	LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY(SELECT unnest($1) ORDER BY 1)';
CREATE AGGREGATE collect(anyelement) (sfunc = keep, stype = anyarray, combinefunc = join_up,
	finalfunc = in_order, finalfunc_extra, initcond = '{}');

SELECT stream.create_stream('ev', $$
	id int, k text, n int, b bigint, si smallint, p numeric(12,3), f float8,
	r float4, ok bool, iv interval, ts timestamptz, tsl timestamp, d date,
	tm time, m mood, kc text COLLATE ignore_case, vc varchar(5), u uuid,
	ip inet, mo money, bt bit(8), j jsonb $$);

-- Makes a view of the query, feeds it, compares columns and rows.
CREATE FUNCTION check_view(query text, batches int) RETURNS text
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
		FROM batch.ev e WHERE id % batches = i;
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
-- groups
SELECT check_view('SELECT k, count(*) FROM ev GROUP BY k', 3);
SELECT check_view('SELECT k FROM ev GROUP BY k', 3);
SELECT check_view('SELECT k, m FROM ev GROUP BY m, k', 3);
SELECT check_view('SELECT count(*) FROM ev', 1);
SELECT check_view('SELECT count(*), sum(n), avg(n), max(ts), sum(n) + 1 AS x FROM ev', 4);
SELECT check_view('SELECT count(*), sum(n), avg(p), max(k) FROM ev WHERE false', 2);
SELECT check_view('SELECT k, count(*) FROM ev WHERE n > 100 GROUP BY k', 2);
SELECT check_view('SELECT u, vc, d, iv, ok, m, p, tm, ip, mo, bt, r, f, si, b, count(*) FROM ev GROUP BY u, vc, d, iv, ok, m, p, tm, ip, mo, bt, r, f, si, b', 3);
SELECT check_view('SELECT j, count(*) FROM ev GROUP BY j', 3);
SELECT check_view('SELECT lower(kc) AS lc, count(*) FROM ev GROUP BY kc', 3);
SELECT check_view('SELECT string_to_array(vc, ''v'') AS a, count(*) FROM ev GROUP BY string_to_array(vc, ''v'')', 3);
SELECT check_view('SELECT row(n % 3, k)::pair AS pr, (row(n % 3, k)::pair).a AS a, count(*) FROM ev GROUP BY row(n % 3, k)::pair', 3);
SELECT check_view('SELECT int4range(0, n % 4) AS r, count(*) FROM ev GROUP BY 1', 3);
SELECT check_view('SELECT upper(k) || ''!'' AS u, length(k) AS l, count(*) FROM ev GROUP BY upper(k) || ''!'', length(k)', 3);
SELECT check_view('SELECT count(*), n + 1 FROM ev GROUP BY n + 1, k', 3);
SELECT check_view('SELECT ''c''::text AS c, count(*) FROM ev GROUP BY ''c''::text', 3);
SELECT check_view('SELECT extract(dow FROM ts) AS dow, date_trunc(''hour'', ts) AS h, count(*) FROM ev GROUP BY 1, 2', 3);
SELECT check_view('SELECT date_bin(''15 min'', tsl, ''2001-01-01'') AS bin, count(*) FROM ev GROUP BY 1', 3);
SELECT check_view('SELECT j->>''t'' AS t, sum((j->>''t'')::int) FROM ev GROUP BY j->>''t''', 3);
-- windows
SELECT check_view('SELECT window_start, window_end, k, count(*), avg(p) FROM ev, stream.tumble(ts, ''1 hour'') GROUP BY window_start, window_end, k', 7);
SELECT check_view('SELECT window_start AS w, sum(b) FROM ev, stream.tumble(ts, ''1 day'', ''3 hours'') GROUP BY 1', 3);
SELECT check_view('SELECT window_start AS w, sum(b) FROM ev, stream.tumble(tsl, size => interval ''90 min'') GROUP BY 1', 3);
SELECT check_view('SELECT w.window_end - w.window_start AS len, k, count(*) FROM ev e CROSS JOIN LATERAL stream.tumble(e.ts, ''7 min'') w GROUP BY 1, 2', 3);
SELECT check_view('SELECT window_end - interval ''1 us'' AS last FROM ev, stream.tumble(ts, ''30 min'', "offset" => ''-7 min'') GROUP BY window_end', 3);
-- expressions, FILTER, HAVING
SELECT check_view('SELECT k, sum(n) / nullif(count(n), 0) AS q, sum(n)::numeric / count(*) AS q2, max(p) - min(p) AS spread, CASE WHEN count(*) > 100 THEN ''many'' ELSE k END AS c FROM ev GROUP BY k', 3);
SELECT check_view('SELECT sum(n) AS s, sum(n) * 2 AS s2, avg(n), 1 AS one, ''x'' AS x, NULL AS nothing, current_user AS me FROM ev', 3);
SELECT check_view('SELECT count(*) FILTER (WHERE ok), count(n) FILTER (WHERE n > 10) AS c2, sum(p) FILTER (WHERE k = ''k1'') AS s1, sum(p) FILTER (WHERE k = ''k2'') AS s2, avg(p) FILTER (WHERE n > 100), k FROM ev GROUP BY k', 3);
SELECT check_view('SELECT k, count(*) FROM ev GROUP BY k HAVING count(*) > 100 AND avg(n) > 5 AND k IS NOT NULL', 3);
SELECT check_view('SELECT count(*) FROM ev HAVING count(*) > 100000', 3);
SELECT check_view('SELECT n FROM ev WHERE id BETWEEN 10 AND 20 OR k IN (''k1'', ''k2'') AND ts > ''2024-03-30 05:00+00'' GROUP BY n', 3);
-- sums and averages of every type
SELECT check_view('SELECT ok, sum(n), sum(b) AS s2, sum(si) AS s3, sum(p) AS s4, sum(f) AS s5, sum(r) AS s6, sum(iv) AS s7, sum(mo) AS s8, sum(tm) AS s9 FROM ev GROUP BY ok', 5);
SELECT check_view('SELECT m, avg(n), avg(b) AS a2, avg(si) AS a3, avg(p) AS a4, avg(f) AS a5, avg(r) AS a6, avg(iv) AS a7 FROM ev GROUP BY m', 5);
-- statistics: floating point may differ in the last digits
SELECT check_view('SELECT d, stddev(n), variance(b), stddev_pop(p), var_samp(si), var_pop(p) AS vp, stddev_samp(b) AS ss, round(stddev(f)::numeric, 6) AS s2, round(var_pop(r)::numeric, 6) AS v2 FROM ev GROUP BY d', 5);
SELECT check_view('SELECT regr_count(f, n), round(corr(n, f)::numeric, 6) AS c1, round(covar_pop(n, f)::numeric, 6) AS c2, round(covar_samp(n, f)::numeric, 6) AS c3, round(regr_avgx(f, n)::numeric, 6) AS r1, round(regr_avgy(f, n)::numeric, 6) AS r2, round(regr_intercept(f, n)::numeric, 6) AS r3, round(regr_r2(f, n)::numeric, 6) AS r4, round(regr_slope(f, n)::numeric, 6) AS r5, round(regr_sxx(f, n)::numeric, 6) AS r6, round(regr_sxy(f, n)::numeric, 4) AS r7, round(regr_syy(f, n)::numeric, 4) AS r8 FROM ev', 5);
-- minima and maxima of every type
SELECT check_view('SELECT n, min(k) AS a1, max(k) AS a2, min(m) AS a3, max(m) AS a4, min(d) AS a5, max(d) AS a6, min(ts) AS a7, max(tsl) AS a8, min(iv) AS a9, max(iv) AS b1, min(b) AS b2, max(b) AS b3, min(si) AS b4, max(p) AS b5, min(f) AS b6, max(r) AS b7, min(tm) AS b8, max(mo) AS b9, min(ip) AS c1, max(ip) AS c2, max(vc) AS c3, max(string_to_array(vc, ''v'')) AS c4, max(k COLLATE "C") AS c5, min(lower(kc)) AS c6 FROM ev GROUP BY n', 5);
SELECT check_view('SELECT n, min(k), max(p), bool_and(ok), every(ok) FROM ev GROUP BY n', 20);
SELECT check_view('SELECT max(p), min(n) FROM ev', 20);
-- bits and booleans
SELECT check_view('SELECT k, bool_and(ok), bool_or(ok), every(n > 2), bit_or(n), bit_and(b), bit_xor(n), bit_or(bt) AS o2, bit_xor(si) AS x2 FROM ev GROUP BY k', 5);
SELECT check_view('SELECT k, range_intersect_agg(int4range(n % 3, 20)) FROM ev GROUP BY k', 5);
-- aggregates of users and of other extensions
SELECT check_view('SELECT k, my_sum(p), my_sum0(p) FROM ev GROUP BY k', 5);
SELECT check_view('SELECT my_sum(p), my_sum0(p) FROM ev WHERE k = ''none''', 5);
SELECT check_view('SELECT ok, collect(n), collect(k) AS ks FROM ev WHERE id < 50 GROUP BY ok', 5);
SELECT check_view('SELECT k, hll_cardinality(hll_add_agg(hll_hash_integer(n))) AS c, hll_add_agg(hll_hash_text(vc), 12) AS h FROM ev GROUP BY k', 5);
SELECT check_view('SELECT m, tdigest_count(tdigest(p::float8, 100)) AS n, round(tdigest_percentile(p::float8, 1000, 0.5)::numeric / 50) AS median FROM ev GROUP BY m', 5);
-- joins with tables and views, set-returning functions of columns
SELECT check_view('SELECT s.name, count(*), sum(e.p * s.weight) FROM ev e JOIN shop s ON s.id = e.n GROUP BY s.name', 3);
SELECT check_view('SELECT s.name, count(*), count(s.id) AS hits FROM ev e LEFT JOIN shop s ON s.id = e.n GROUP BY s.name', 3);
SELECT check_view('SELECT s.name, count(*) FROM shop s RIGHT JOIN ev e ON s.id = e.n AND s.weight > 3 GROUP BY s.name', 3);
SELECT check_view('SELECT id, max(name), count(*) FROM ev JOIN shop USING (id) GROUP BY id', 3);
SELECT check_view('SELECT x.id, max(x.name) FROM (ev JOIN shop USING (id)) AS x GROUP BY x.id', 3);
SELECT check_view('SELECT s.name, count(*) FROM ev JOIN shops s ON s.id = n GROUP BY s.name', 3);
SELECT check_view('SELECT count(e.k), count(*) AS all FROM ev e, shop s', 3);
SELECT check_view('SELECT e."kk", count(*) FROM ev AS e(i, "kk") GROUP BY e."kk"', 3);
SELECT check_view('SELECT x.v, count(*) FROM ev, jsonb_array_elements_text(j->''list'') AS x(v) GROUP BY x.v', 3);
SELECT check_view('SELECT g, count(*) FROM ev, generate_series(1, n % 4) AS g GROUP BY g', 3);
\pset tuples_only off
\pset format aligned

-- batches larger than what the plan for small ones is made for
SELECT stream.create_view('big', 'SELECT n % 2 AS odd, count(*), avg(p) FROM ev GROUP BY 1');
SELECT stream.ingest('ev', VARIADIC array_agg(to_jsonb(e)::text)) FROM batch.ev e, generate_series(1, 5) g;
SELECT stream.ingest('ev', VARIADIC array_agg(to_jsonb(e)::text)) FROM batch.ev e WHERE id <= 3;
SELECT odd, count, round(avg, 3) AS avg FROM big ORDER BY odd;
SELECT n % 2 AS odd, count(*), round(avg(p), 3) AS avg
FROM (SELECT e.* FROM batch.ev e, generate_series(1, 5) g UNION ALL SELECT * FROM batch.ev WHERE id <= 3) x
GROUP BY 1 ORDER BY 1;
-- memory for hashing is bounded: more groups than fit are spilled
SET work_mem = '64kB';
SELECT check_view('SELECT id, p, count(*), avg(p) FROM ev GROUP BY id, p', 1);
RESET work_mem;
SELECT stream.drop('big');

-- the planner sees through tumble: no function scan, one call per row
EXPLAIN (VERBOSE, COSTS OFF)
SELECT window_start, count(*) FROM batch.ev, stream.tumble(ts, '10 s') GROUP BY window_start;

--
-- Definitions change under a view.
--
SELECT stream.create_view('per_shop', 'SELECT s.name, count(*) FROM ev e JOIN shop s ON s.id = e.n GROUP BY s.name');
SELECT stream.ingest('ev', '{"n": 1}', '{"n": 2}');
TABLE per_shop ORDER BY name;
-- the table as it is when the batch is read
UPDATE shop SET name = 'renamed' WHERE id = 2;
ALTER TABLE shop ADD COLUMN more int, ALTER COLUMN weight TYPE float8;
SELECT stream.ingest('ev', '{"n": 1}', '{"n": 2}');
TABLE per_shop ORDER BY name;
-- the stream has another name, a column more and one fewer
ALTER TABLE ev RENAME TO events;
ALTER TABLE events DROP COLUMN si;
ALTER TABLE events ADD COLUMN late text;
SELECT stream.ingest('events', '{"n": 1, "late": "x"}');
TABLE per_shop ORDER BY name;
-- what the view uses cannot go away unnoticed
\set VERBOSITY terse
ALTER TABLE events DROP COLUMN n;
DROP TABLE shop;
DROP TABLE events;
DROP TABLE per_shop_state;
\set VERBOSITY default
-- a function is replaced
CREATE FUNCTION grade(int) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'old';
SELECT stream.create_view('graded', 'SELECT grade(n), count(*) FROM events GROUP BY 1');
SELECT stream.ingest('events', '{"n": 1}');
CREATE OR REPLACE FUNCTION grade(int) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'new';
SELECT stream.ingest('events', '{"n": 1}');
TABLE graded ORDER BY grade;
DROP FUNCTION grade;
-- other settings in the session that feeds
SET search_path = batch, public;
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SET transform_null_equals = on;
SELECT stream.create_view('public.dated', $$SELECT d > '03/04/2024' AS after, k = NULL AS never, count(*) FROM public.events WHERE iv > '-1 00:00:01' GROUP BY 1, 2$$);
RESET transform_null_equals;
RESET intervalstyle;
SET datestyle = 'ISO, MDY';
SELECT stream.ingest('public.events', '{"d": "2024-03-20", "iv": "1 s"}', '{"d": "2024-04-04", "iv": "1 s"}');
RESET search_path;
TABLE dated ORDER BY after;
SELECT stream.drop('events', true);

--
-- Rights: a reader needs the view only; states cannot be forged.
--
CREATE ROLE regress_stream_owner;
CREATE ROLE regress_stream_reader;
GRANT CREATE ON SCHEMA public TO regress_stream_owner;
GRANT EXECUTE ON FUNCTION stream.create_stream, stream.create_view, stream.ingest TO regress_stream_owner;
SET ROLE regress_stream_owner;
SELECT stream.create_stream('s', 'k text, p numeric');
SELECT stream.create_view('v', 'SELECT k, avg(p), count(*) FROM s GROUP BY k');
SELECT stream.ingest('s', '{"k": "a", "p": 1}', '{"k": "a", "p": 2}');
GRANT SELECT ON v TO regress_stream_reader;
-- a state from text is for superusers
SELECT state_text FROM (SELECT avg_p::text AS state_text FROM v_state) x \gset
\set VERBOSITY terse
SELECT :'state_text'::stream.agg_state;
INSERT INTO v_state VALUES ('forged', :'state_text', 1);
SELECT stream.state_final('avg(numeric)'::regprocedure, '\x00'::bytea, NULL::numeric);
-- the state of another aggregate is refused
SELECT stream.state_final('stddev(numeric)'::regprocedure, avg_p, NULL::numeric) FROM v_state;
SELECT stream.state_combine('avg(bigint)'::regprocedure, avg_p, avg_p) FROM v_state;
-- and so is another type
SELECT stream.state_final('avg(numeric)'::regprocedure, avg_p, NULL::text) FROM v_state;
SELECT stream.state_final('avg(integer)'::regprocedure, 1, NULL::numeric);
SELECT stream.state_combine('max(anyarray)'::regprocedure, 1, 2);
SELECT stream.state_combine('max(anyarray)'::regprocedure, 1, 2, 'integer');
SELECT stream.state_combine('max(anyarray)'::regprocedure, 1, 2, 'integer[]');
SELECT stream.state_combine('max(anyarray)'::regprocedure, ARRAY[1], ARRAY[2], 'anyarray');
SELECT stream.state_combine('max(anyarray)'::regprocedure, ARRAY[1], ARRAY[2], 'integer[]');
SELECT stream.state_combine('sum(integer)'::regprocedure, 1::bigint, 2::bigint, 'text');
SELECT stream.state_combine('lower(text)'::regprocedure, 'a'::text, 'b');
SELECT stream.state_combine(NULL, 1, 2);
SELECT stream.state_combine('json_agg(anyelement)'::regprocedure, avg_p, avg_p, 'integer') FROM v_state;
SELECT stream.state_final('count()'::regprocedure, 1::bigint, NULL::bigint);
\set VERBOSITY default
-- used as they are meant to be
SELECT stream.state_final('avg(numeric)'::regprocedure,
	stream.state_combine('avg(numeric)'::regprocedure, avg_p, avg_p), NULL::numeric),
	stream.state_combine('max(integer)'::regprocedure, 3, NULL),
	stream.state_combine('sum(integer)'::regprocedure, 3::bigint, 4::bigint),
	stream.state_final('avg(integer)'::regprocedure, '{2,7}'::bigint[], NULL::numeric)
FROM v_state;
SET ROLE regress_stream_reader;
TABLE v;
SELECT avg_p FROM v_state;
RESET ROLE;
-- dump and restore by a superuser
CREATE TABLE restored (LIKE v_state);
INSERT INTO restored VALUES ('a', :'state_text', 2);
SELECT stream.state_final('avg(numeric)'::regprocedure, avg_p, NULL::numeric) FROM restored;
SELECT '\x0102'::stream.agg_state;
-- a reader without EXECUTE on the aggregate, as in an ordinary view
CREATE AGGREGATE secret_avg(numeric) (sfunc = numeric_avg_accum, stype = internal,
	finalfunc = numeric_avg, combinefunc = numeric_avg_combine,
	serialfunc = numeric_avg_serialize, deserialfunc = numeric_avg_deserialize);
REVOKE EXECUTE ON FUNCTION secret_avg(numeric) FROM PUBLIC;
SET ROLE regress_stream_owner;
SELECT stream.create_view('w', 'SELECT k, secret_avg(p) FROM s GROUP BY k');
RESET ROLE;
GRANT EXECUTE ON FUNCTION secret_avg(numeric) TO regress_stream_owner;
SET ROLE regress_stream_owner;
SELECT stream.create_view('w', 'SELECT k, secret_avg(p) FROM s GROUP BY k');
SELECT stream.ingest('s', '{"k": "a", "p": 1}', '{"k": "a", "p": 2}');
SELECT stream.ingest('s', '{"k": "a", "p": 9}');
TABLE w;
GRANT SELECT ON w TO regress_stream_reader;
SET ROLE regress_stream_reader;
TABLE w;
RESET ROLE;
DROP OWNED BY regress_stream_owner, regress_stream_reader CASCADE;
DROP ROLE regress_stream_owner, regress_stream_reader;
DROP TABLE restored;
DROP AGGREGATE secret_avg(numeric);
DROP FUNCTION check_view, join_up, keep, in_order, add_up CASCADE;
DROP SCHEMA batch, "Other" CASCADE;
DROP TABLE shop CASCADE;
DROP COLLATION ignore_case;
DROP TYPE mood, pair;
DROP EXTENSION hll, tdigest;
