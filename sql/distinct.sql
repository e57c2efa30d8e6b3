--
-- Aggregates with DISTINCT in views: exact, whatever batches the rows came in.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
-- one that takes NULL for a value
CREATE FUNCTION or_null(int, text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + CASE WHEN $2 IS NULL THEN 1000 ELSE 1 END';
CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE count_nulls(text) (sfunc = or_null, stype = int, combinefunc = plus, initcond = '0');

-- the tables behind a view
SELECT stream.create_stream('s', 'k text, n int, x numeric, at timestamptz');
SELECT stream.create_view('v', $$
	SELECT k, count(*), count(DISTINCT n) AS numbers, sum(DISTINCT n), avg(DISTINCT x) FILTER (WHERE n > 1) AS mean
	FROM s GROUP BY k $$);
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod)
FROM pg_attribute WHERE attrelid IN ('v_state'::regclass, 'v_distinct'::regclass, 'v_distinct2'::regclass) AND attnum > 0
ORDER BY attrelid::regclass::text, attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'v_distinct'::regclass;
SELECT to_regclass('v_distinct3') AS third;
-- within a batch, across batches
SELECT stream.ingest('s', '{"k": "a", "n": 1, "x": 1.0}', '{"k": "a", "n": 1, "x": 9}', '{"k": "a", "n": 2, "x": 1.00}', '{"k": "b"}');
TABLE v ORDER BY 1;
SELECT stream.ingest('s', '{"k": "a", "n": 2, "x": 1.000}', '{"k": "a", "n": 3, "x": 4}', '{"k": "b", "n": 3}', '{"n": 3}');
TABLE v ORDER BY 1;
TABLE v_distinct ORDER BY 1, 2;
SELECT stream.ingest('s', '{"k": "a", "n": 3, "x": 4.0}', '{"n": null}');
TABLE v ORDER BY 1;
-- a batch that is rolled back has brought no value
BEGIN;
SELECT stream.ingest('s', '{"k": "a", "n": 4}');
SELECT numbers FROM v WHERE k = 'a';
ROLLBACK;
SELECT numbers FROM v WHERE k = 'a';
SELECT stream.ingest('s', '{"k": "a", "n": 4}');
SELECT numbers FROM v WHERE k = 'a';
-- a record at fault brings none either, the others of its batch do
SELECT stream.create_view('poisoned', 'SELECT count(DISTINCT 100 / n), sum(DISTINCT 100 / n), count(DISTINCT n) AS n, max(n + 2147483640) FROM s');
SELECT stream.ingest('s', '{"n": 1}', '{"n": 2}', '{"n": 0}', '{"n": 7}', '{"n": 9}', '{"n": 2}');
TABLE poisoned;
SELECT message, payload, view_name FROM s_dead_letters ORDER BY payload;
SELECT value FROM poisoned_distinct ORDER BY 1;
-- FILTER sees only what WHERE leaves
SELECT stream.create_view('guarded', 'SELECT count(DISTINCT x) FILTER (WHERE 10 / n > 1) FROM s WHERE n <> 0');
SELECT stream.ingest('s', '{"n": 0, "x": 1}', '{"n": 5, "x": 1}', '{"n": 5, "x": 2}', '{"n": 10, "x": 3}');
TABLE guarded;
SELECT count(*) FROM s_dead_letters WHERE view_name = 'public.guarded';
-- size
SELECT state_bytes = pg_total_relation_size('v_state') + pg_total_relation_size('v_distinct') + pg_total_relation_size('v_distinct2') AS all_of_it
FROM stream.views WHERE name = 'v'::regclass;
SELECT regexp_replace(line, '\(rows=.*', '(...)') FROM stream.explain('v') AS line WHERE line ~ '^ *(->  (State|Distinct)|Aggregate:|Key:)';
SELECT * FROM stream.explain('v_distinct');
-- renamed, and in another schema
CREATE SCHEMA elsewhere;
ALTER TABLE v_distinct SET SCHEMA elsewhere;
ALTER TABLE elsewhere.v_distinct RENAME TO numbers;
SELECT stream.ingest('s', '{"k": "a", "n": 4}', '{"k": "a", "n": 5}');
SELECT numbers, sum FROM v WHERE k = 'a';
-- they go with the view, and with its stream to another owner
DROP TABLE elsewhere.numbers;
CREATE ROLE distinct_owner;
ALTER TABLE s OWNER TO distinct_owner;
SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('numbers', 'v_distinct2', 'v_state') ORDER BY 1;
ALTER TABLE s OWNER TO CURRENT_USER;
DROP ROLE distinct_owner;
DROP VIEW v;
SELECT stream.drop('poisoned');
SELECT relname FROM pg_class WHERE relname ~ '^(v|numbers|poisoned)' AND relkind = 'r';
SELECT view, number FROM stream.catalog_distinct ORDER BY 1, 2;
SELECT stream.drop('s', cascade => true);
SELECT count(*) FROM stream.catalog_distinct;
DROP SCHEMA elsewhere;

--
-- The master test: each query through a stream in batches, and over an ordinary
-- table of the same name that holds the same rows.
--
CREATE SCHEMA batch;
CREATE TABLE batch.s AS
	SELECT i, '2024-05-01 12:00+00'::timestamptz + make_interval(secs => (i * 7919) % 3001 / 10.0) AS at,
		CASE i % 5 WHEN 0 THEN NULL ELSE 'k' || i % 5 END AS k,
		CASE WHEN i % 11 > 0 THEN (i * 31) % 97 END AS n,
		(ARRAY['1', '1.0', '1.00', '2', '2.50', '2.5', NULL])[i * 13 % 7 + 1]::numeric AS x,
		(ARRAY['a', 'A', 'b', 'B', 'b ', '', NULL])[i * 17 % 7 + 1] AS t,
		(ARRAY['sad', 'ok', 'happy', NULL])[i % 4 + 1]::mood AS m,
		CASE i % 6 WHEN 0 THEN '-0'::float8 WHEN 1 THEN '0' WHEN 2 THEN 'NaN' ELSE i % 3 END AS f
	FROM generate_series(1, 700) AS i;
CREATE FUNCTION check_view(query text, parts int DEFAULT 9) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	differ bigint;
	total bigint;
BEGIN
	PERFORM stream.create_stream('s', 'i int, at timestamptz, k text, n int, x numeric, t text, m mood, f float8');
	PERFORM stream.create_view('v', query);
	FOR part IN 0 .. parts LOOP
		PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(to_json(r)::text) FROM batch.s AS r WHERE abs(hashint4(i)) % (parts + 1) = part));
	END LOOP;
	PERFORM set_config('search_path', 'batch, public', true);
	EXECUTE 'CREATE VIEW batch.want AS ' || query;
	PERFORM set_config('search_path', 'public', true);
	SELECT count(*) INTO differ FROM (
		(SELECT v::text FROM v EXCEPT ALL SELECT want::text FROM batch.want AS want) UNION ALL
		(SELECT want::text FROM batch.want AS want EXCEPT ALL SELECT v::text FROM v)) AS d;
	SELECT count(*) INTO total FROM v;
	DROP VIEW batch.want;
	PERFORM stream.drop('s', cascade => true);
	RETURN format('%s rows, %s differ', total, differ);
END $$;
SELECT check_view('SELECT count(DISTINCT n) FROM s');
SELECT check_view('SELECT k, count(DISTINCT n), sum(DISTINCT n), avg(DISTINCT n), count(*) AS rows, sum(n) AS total FROM s GROUP BY k');
SELECT check_view('SELECT k, count(DISTINCT n) FROM s GROUP BY k', 0);
SELECT check_view('SELECT k, count(DISTINCT n) + count(DISTINCT t) * 100 + count(DISTINCT n) AS both FROM s GROUP BY k HAVING count(DISTINCT n) > 20', 40);
SELECT check_view('SELECT count(DISTINCT n) AS n, count(DISTINCT t) AS t, count(DISTINCT x) AS x, count(DISTINCT m) AS m, count(DISTINCT f) AS f, count(DISTINCT i) AS i, max(DISTINCT n), min(t), bool_or(DISTINCT n > 5) FROM s');
SELECT check_view('SELECT k, count(DISTINCT n) FILTER (WHERE i % 3 = 0) AS a, count(DISTINCT n) FILTER (WHERE t IS NULL) AS b, count(DISTINCT n), count(n) FILTER (WHERE i % 3 = 0) AS c FROM s GROUP BY k');
SELECT check_view('SELECT k, count(DISTINCT n) FROM s WHERE n > 50 AND t <> ''a'' GROUP BY k');
SELECT check_view('SELECT n % 7 AS r, upper(k) AS k, sum(DISTINCT n * 2) AS s, round(stddev(DISTINCT n), 6) AS d, var_pop(DISTINCT i) FROM s GROUP BY 1, 2');
-- equal but not the same
SELECT check_view('SELECT k, round(sum(DISTINCT x), 2) AS s, round(avg(DISTINCT x), 4) AS a, count(DISTINCT f) FROM s GROUP BY k');
SELECT check_view('SELECT count(DISTINCT t COLLATE "C"), count(DISTINCT t COLLATE ignore_case) AS i, count(DISTINCT lower(t)) AS l FROM s');
SELECT check_view('SELECT t COLLATE ignore_case = ''a'' AS a, count(DISTINCT t), count(DISTINCT n) AS n FROM s GROUP BY t COLLATE ignore_case');
-- NULL as a value
SELECT check_view('SELECT k, count_nulls(DISTINCT t), count(DISTINCT t), count_nulls(DISTINCT t) FILTER (WHERE n > 90) AS f FROM s GROUP BY k');
-- of a key, of a constant, of rows, of sub-selects
SELECT check_view('SELECT k, count(DISTINCT k), count(DISTINCT 1) AS one FROM s GROUP BY k');
SELECT check_view('SELECT k AS value, n % 2 AS value_2, count(DISTINCT t), sum(n) AS "@se_Set" FROM s GROUP BY 1, 2');
CREATE TABLE dim AS SELECT i % 17 AS id, 'label ' || i % 5 AS label FROM generate_series(0, 24) AS i;
SELECT check_view('SELECT k, count(DISTINCT label), count(DISTINCT (SELECT max(label) FROM dim WHERE id = n)) AS m,
	count(DISTINCT n) FILTER (WHERE EXISTS (SELECT FROM dim AS d WHERE d.id = s.n)) AS known FROM s LEFT JOIN dim ON id = n GROUP BY k');
SELECT check_view('WITH v AS (SELECT k, n + 1 AS n FROM s WHERE n > 5) SELECT k, count(DISTINCT a) FROM v, generate_series(n, n + 2) AS a GROUP BY k');
-- totals
SELECT check_view('SELECT k, t, grouping(k, t), count(DISTINCT n), sum(DISTINCT n), count(*) AS rows FROM s GROUP BY ROLLUP (k, t)');
SELECT check_view('SELECT k, n % 3 AS r, count(DISTINCT k), count(DISTINCT n % 3) AS rs, count(DISTINCT n) AS n FROM s GROUP BY CUBE (k, n % 3)');
SELECT check_view('SELECT k, n > 50 AS big, count(DISTINCT x) FILTER (WHERE n > 50) FROM s GROUP BY GROUPING SETS ((k), (n > 50), ())');
-- windows
SELECT check_view('SELECT window_start, k, count(DISTINCT n), sum(DISTINCT n) FROM s, stream.tumble(at, ''10 s'') GROUP BY 1, 2');
SELECT check_view('SELECT window_start, count(DISTINCT window_end), count(DISTINCT n) AS n FROM s, stream.tumble(at, ''10 s'') GROUP BY window_start');
SELECT check_view('SELECT window_start, window_end, k, count(DISTINCT n), round(avg(DISTINCT x), 6) AS a, sum(n), count(DISTINCT t COLLATE "C") FILTER (WHERE n > 20) AS f
	FROM s, stream.hop(at, ''5 s'', ''30 s'') GROUP BY 1, 2, 3');
SELECT check_view('SELECT window_end AS till, count(DISTINCT k) AS keys FROM s, stream.hop(at, ''4 s'', ''10 s'', ''1 s'') GROUP BY 1 HAVING count(DISTINCT k) > 3');
SELECT check_view('SELECT window_start, window_end, count(DISTINCT n) + count(*) AS n, max(DISTINCT n) AS m FROM s, stream.cumulate(at, ''10 s'', ''1 min'') GROUP BY 1, 2');
SELECT check_view('SELECT window_start, k, count(DISTINCT n), count(DISTINCT k) AS ks FROM s, stream.hop(at, ''10 s'', ''20 s'') GROUP BY window_start, ROLLUP (k)');
SELECT check_view('SELECT window_start, k, count_nulls(DISTINCT t), count_nulls(t) AS n FROM s, stream.hop(at, ''5 s'', ''12 s'') GROUP BY 1, 2');

-- late rows bring no value
SELECT stream.create_stream('w', 'at timestamptz, k text', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('tumbling', $$SELECT window_start, count(DISTINCT k), count(*) AS n FROM w, stream.tumble(at, '5 s') GROUP BY 1$$);
SELECT stream.create_view('hopping', $$SELECT window_start, count(DISTINCT k), count(*) AS n FROM w, stream.hop(at, '5 s', '10 s') GROUP BY 1$$);
SELECT stream.create_view('final', $$SELECT window_start, count(DISTINCT k) FROM w, stream.tumble(at, '5 s') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('final_hops', $$SELECT window_start, count(DISTINCT k) FROM w, stream.hop(at, '5 s', '10 s') GROUP BY 1$$, emit => 'append');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:00:01Z", "k": "a"}', '{"at": "2024-01-01T00:00:02Z", "k": "a"}', '{"at": "2024-01-01T00:00:05Z", "k": "a"}');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:00:04Z", "k": "late"}', '{"at": "2024-01-01T00:00:06Z", "k": "b"}');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:00:11Z", "k": "a"}', '{"at": "2024-01-01T00:00:04Z", "k": "later"}');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:00:04Z", "k": "too late"}', '{"at": "2024-01-01T00:00:11Z", "k": "c"}');
TABLE tumbling ORDER BY 1;
TABLE hopping ORDER BY 1;
TABLE final ORDER BY 1;
TABLE final_hops ORDER BY 1;
SELECT value FROM tumbling_distinct ORDER BY 1;
SELECT name, late_rows FROM stream.views ORDER BY name::text;
SELECT stream.drop('w', cascade => true);

-- values leave with their windows
SELECT stream.create_stream('w', 'at timestamptz, k text', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('minutes', $$SELECT window_start, count(DISTINCT k), count(*) AS n FROM w, stream.tumble(at, '1 min') GROUP BY 1$$, state_ttl => '16 min');
SELECT stream.create_view('hops', $$SELECT window_end, count(DISTINCT k), count(*) AS n FROM w, stream.hop(at, '1 min', '2 min') GROUP BY 1$$, state_ttl => '16 min');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:00:01Z", "k": "a"}', '{"at": "2024-01-01T00:00:30Z", "k": "a"}', '{"at": "2024-01-01T00:01:00Z", "k": "b"}');
SELECT stream.ingest('w', '{"at": "2024-01-01T00:10:01Z", "k": "a"}', '{"at": "2024-01-01T00:30:00Z", "k": "a"}', '{"at": "2024-01-01T00:30:00Z", "k": "b"}');
TABLE minutes ORDER BY 1;
TABLE hops ORDER BY 1;
SELECT name, state_bytes = (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits
	WHERE inhparent = (name || '_state')::regclass OR inhparent = (name || '_distinct')::regclass) AS all_of_it
FROM stream.views WHERE stream = 'w'::regclass ORDER BY name::text;
SELECT stream.ingest('w', '{"at": "2024-01-01T00:30:02Z", "k": "b"}');
TABLE minutes ORDER BY 1;
TABLE hops ORDER BY 1;
SELECT inhparent::regclass, count(*) FROM pg_inherits WHERE inhparent::regclass::text ~ '^(minutes|hops)_' AND inhrelid::regclass::text !~ 'key' GROUP BY 1 ORDER BY inhparent::regclass::text;
SELECT stream.create_view('keys', 'SELECT k, count(DISTINCT at) FROM w GROUP BY k', state_ttl => '16 min');
SELECT stream.drop('w', cascade => true);

-- refused
SELECT stream.create_stream('s', 'k text, n int, at timestamptz, j json');
SELECT stream.create_view('v', 'SELECT corr(DISTINCT n, n) FROM s');
SELECT stream.create_view('v', 'SELECT count(DISTINCT (k, n)) FROM s');
SELECT stream.create_view('v', 'SELECT count(DISTINCT j) FROM s');
SELECT stream.create_view('v', 'SELECT sum(DISTINCT n ORDER BY n) FROM s');
SELECT stream.create_view('v', 'SELECT json_agg(DISTINCT n) FROM s');
SELECT stream.create_view('v', 'SELECT count(DISTINCT random()) FROM s');
SELECT stream.create_view('v', 'SELECT count(DISTINCT n) FILTER (WHERE random() > 0.5) FROM s');
SELECT stream.create_view('v', $$SELECT window_start, count(DISTINCT n) FROM s, stream.session(at, '1 s') GROUP BY 1$$);
SELECT stream.create_view('m', $$SELECT window_start, max(DISTINCT n) FROM s, stream.session(at, '1 s') GROUP BY 1$$);
SELECT stream.create_view('v', 'SELECT k, count(DISTINCT n) AS numbers, count(*) AS rows FROM s GROUP BY k');
SELECT stream.create_rollup('r', 'SELECT combine(rows), combine(numbers) FROM v');
SELECT stream.create_rollup('r', 'SELECT combine(rows) FROM v');
SELECT stream.replace_view('v', 'SELECT k, count(DISTINCT at) AS numbers FROM s GROUP BY k');
-- a function of a FILTER cannot be dropped
CREATE FUNCTION even(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
SELECT stream.create_view('e', 'SELECT count(DISTINCT n) FILTER (WHERE even(n)) FROM s');
DROP FUNCTION even(int);
SELECT stream.drop('s', cascade => true);

DROP FUNCTION check_view, even;
DROP TABLE dim;
DROP SCHEMA batch CASCADE;
DROP AGGREGATE count_nulls(text);
DROP FUNCTION or_null, plus;
DROP COLLATION ignore_case;
DROP TYPE mood;
