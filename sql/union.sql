--
-- Views over several streams: UNION ALL.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;

--
-- The master test: each query through streams in batches that alternate, and over
-- ordinary tables of the same names that hold the same rows.
--
CREATE DOMAIN code AS text NOT NULL CHECK (value <> '-');
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE SCHEMA batch;
CREATE TABLE batch.clicks AS
	SELECT i, '2024-05-01 12:00+00'::timestamptz + make_interval(secs => (i * 7919) % 3001 / 10.0) AS ts,
		CASE i % 5 WHEN 0 THEN NULL ELSE 'k' || i % 5 END AS user_id, (i * 31) % 97 AS n
	FROM generate_series(1, 300) AS i;
CREATE TABLE batch.visits AS
	SELECT i AS id, '2024-05-01 12:01+00'::timestamptz + make_interval(secs => (i * 6007) % 2003 / 10.0) AS seen_at,
		('k' || i % 7)::varchar(10) AS account, (i * 17 % 50 + i % 4 * 0.25)::numeric(10, 2) AS amount, ('c' || i % 3)::code AS c
	FROM generate_series(1, 200) AS i;
CREATE TABLE batch.taps AS
	SELECT i, 'k' || i % 3 AS key, (i * 3 % 11)::smallint AS n, ('2024-05-01 12:00'::timestamp + make_interval(secs => i)) AS at
	FROM generate_series(1, 100) AS i;
CREATE TABLE dim AS SELECT 'k' || i AS k, i % 2 AS side FROM generate_series(0, 3) AS i;

CREATE FUNCTION check_view(query text, parts int DEFAULT 7) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	differ bigint;
	total bigint;
BEGIN
	PERFORM stream.create_stream('clicks', 'i int, ts timestamptz, user_id text, n int');
	PERFORM stream.create_stream('visits', 'id int, seen_at timestamptz, account varchar(10), amount numeric(10, 2), c code');
	PERFORM stream.create_stream('taps', 'i int, key text, n smallint, at timestamp');
	PERFORM stream.create_view('v', query);
	FOR part IN 0 .. parts LOOP
		PERFORM stream.ingest('clicks', VARIADIC (SELECT array_agg(to_json(r)::text) FROM batch.clicks AS r WHERE abs(hashint4(i)) % (parts + 1) = part));
		PERFORM stream.ingest('visits', VARIADIC (SELECT array_agg(to_json(r)::text) FROM batch.visits AS r WHERE abs(hashint4(id)) % (parts + 1) = part));
		PERFORM stream.ingest('taps', VARIADIC (SELECT array_agg(to_json(r)::text) FROM batch.taps AS r WHERE abs(hashint4(i)) % (parts + 1) = part));
	END LOOP;
	PERFORM set_config('search_path', 'batch, public', true);
	EXECUTE 'CREATE VIEW batch.want AS ' || query;
	PERFORM set_config('search_path', 'public', true);
	SELECT count(*) INTO differ FROM (
		(SELECT v::text FROM v EXCEPT ALL SELECT want::text FROM batch.want AS want) UNION ALL
		(SELECT want::text FROM batch.want AS want EXCEPT ALL SELECT v::text FROM v)) AS d;
	SELECT count(*) INTO total FROM v;
	DROP VIEW batch.want;
	PERFORM stream.drop(s::regclass, cascade => true) FROM unnest('{clicks, visits, taps}'::text[]) AS s;
	RETURN format('%s rows, %s differ', total, differ);
END $$;

SELECT check_view('SELECT count(*) FROM (SELECT user_id FROM clicks UNION ALL SELECT account FROM visits) AS u');
SELECT check_view('SELECT k, count(*), sum(x), avg(x) FROM (SELECT user_id AS k, n AS x FROM clicks WHERE n > 10 UNION ALL SELECT account, amount FROM visits) AS u GROUP BY k');
SELECT check_view('WITH u AS (SELECT user_id, i FROM clicks UNION ALL SELECT account, id FROM visits UNION ALL SELECT key, n FROM taps) SELECT user_id AS k, count(*), max(i) FROM u GROUP BY 1');
-- whole streams, names that are given to columns, columns that are not used
SELECT check_view('SELECT b, a % 3 AS r, count(*) FROM (SELECT * FROM taps AS t(a, b) UNION ALL SELECT i, user_id, 1, NULL FROM clicks) AS u(a, b) GROUP BY 1, 2');
SELECT check_view('SELECT count(*), count(x) AS x FROM (SELECT 1 AS x FROM clicks UNION ALL SELECT NULL FROM visits UNION ALL SELECT FROM_ FROM (SELECT n AS from_ FROM taps) AS t) AS u');
SELECT check_view('SELECT count(*) FROM (SELECT FROM clicks UNION ALL SELECT FROM visits) AS u');
-- constants tell the branches apart
SELECT check_view('SELECT what, k, count(*) FROM (SELECT ''click'' AS what, user_id AS k FROM clicks UNION ALL SELECT ''visit'', account FROM visits) AS u GROUP BY 1, 2');
SELECT check_view('SELECT what, count(*) FROM (SELECT ''click'' AS what FROM clicks UNION ALL SELECT ''visit'' FROM visits) AS u WHERE what = ''click'' GROUP BY what');
SELECT check_view('SELECT what, n FROM (SELECT ''click'' AS what, n FROM clicks UNION ALL SELECT ''visit'', id FROM visits) AS u WHERE what = ''click'' GROUP BY ROLLUP (what, n)');
SELECT check_view('SELECT count(*), count(DISTINCT n) AS n FROM (SELECT ''click'' AS what, n FROM clicks UNION ALL SELECT ''visit'', id FROM visits) AS u WHERE what = ''tap''');
-- types that must become one, domains, collations, trees
SELECT check_view('SELECT round(x, 2) AS x, count(*) FROM (SELECT n::smallint AS x FROM clicks UNION ALL SELECT amount FROM visits UNION ALL SELECT n FROM taps) AS u GROUP BY 1');
SELECT check_view('SELECT at, count(*) FROM (SELECT date_trunc(''minute'', ts) AS at FROM clicks UNION ALL SELECT at FROM taps) AS u GROUP BY 1');
SELECT check_view('SELECT c, count(*) FROM (SELECT c FROM visits UNION ALL SELECT key FROM taps) AS u GROUP BY c');
SELECT check_view('SELECT c, max(c), count(*) FROM (SELECT c FROM visits UNION ALL SELECT c FROM visits WHERE amount > 10 UNION ALL SELECT upper(key) FROM taps) AS u GROUP BY c');
SELECT check_view('SELECT upper(k) AS u, count(*) FROM (SELECT user_id COLLATE ignore_case AS k FROM clicks UNION ALL SELECT upper(account) COLLATE ignore_case FROM visits) AS u GROUP BY k');
SELECT check_view('SELECT k, count(*) FROM ((SELECT user_id AS k FROM clicks UNION ALL SELECT account FROM visits) UNION ALL (SELECT key FROM taps UNION ALL (WITH v AS (SELECT c FROM visits) SELECT c FROM v UNION ALL SELECT user_id FROM clicks))) AS u GROUP BY k');
-- the same stream in several branches
SELECT check_view('SELECT d, count(*), sum(n) FROM (SELECT user_id AS d, n FROM clicks UNION ALL SELECT ''all'', n FROM clicks UNION ALL SELECT ''odd'', n FROM clicks WHERE n % 2 = 1) AS u GROUP BY d');
SELECT check_view('SELECT k, count(DISTINCT n) FROM (SELECT user_id AS k, n FROM clicks UNION ALL SELECT key, n FROM taps UNION ALL SELECT user_id, i % 10 FROM clicks) AS u GROUP BY k');
-- joins in branches and outside, sub-selects, functions, what is around the union
SELECT check_view('SELECT side, count(*) FROM (SELECT d.side, c.n FROM clicks AS c JOIN dim AS d ON d.k = c.user_id UNION ALL SELECT d.side, 0 FROM visits LEFT JOIN (SELECT k AS account, side FROM dim) AS d USING (account)) AS u GROUP BY side');
SELECT check_view('SELECT u.k, d.side, count(*), sum((SELECT max(side) FROM dim WHERE dim.k > u.k)) FROM (SELECT user_id AS k FROM clicks UNION ALL SELECT account FROM visits) AS u LEFT JOIN dim AS d USING (k) GROUP BY 1, 2');
SELECT check_view('SELECT k, count(*) FROM (SELECT upper(k) AS k, m FROM (SELECT user_id AS k, m FROM clicks, generate_series(1, n % 3) AS m UNION ALL SELECT account, 1 FROM (SELECT * FROM visits WHERE id > 20) AS v) AS u WHERE m > 0) AS o GROUP BY k HAVING count(*) > 5');
SELECT check_view('WITH c AS (SELECT user_id AS k FROM clicks), v AS (SELECT account FROM visits), u AS (SELECT * FROM c UNION ALL SELECT * FROM v) SELECT k, count(*) FROM (SELECT * FROM u) AS o GROUP BY k');
SELECT check_view('SELECT k, l.x, count(*) FROM (SELECT user_id AS k, n FROM clicks UNION ALL SELECT key, n FROM taps) AS u, LATERAL (SELECT u.n % 3 AS x) AS l GROUP BY ROLLUP (k, l.x)');
-- DISTINCT across streams
SELECT check_view('SELECT k, count(DISTINCT x), sum(DISTINCT x) FILTER (WHERE x > 10) AS s, count(*) AS rows FROM (SELECT user_id AS k, n % 20 AS x FROM clicks UNION ALL SELECT account, (amount % 25)::int FROM visits) AS u GROUP BY k');
SELECT check_view('SELECT count(DISTINCT k), count(DISTINCT x) AS xs FROM (SELECT user_id AS k, n AS x FROM clicks UNION ALL SELECT key, n FROM taps) AS u');
-- windows
SELECT check_view('SELECT w.window_start, k, count(*) FROM (SELECT user_id AS k, ts FROM clicks UNION ALL SELECT account, seen_at FROM visits) AS u, stream.tumble(u.ts, ''1 min'') AS w GROUP BY 1, 2');
SELECT check_view('SELECT window_start, window_end, k, count(*), avg(x), count(DISTINCT x) AS d FROM (SELECT user_id AS k, ts, n AS x FROM clicks UNION ALL SELECT account, seen_at, amount FROM visits) AS u, stream.hop(u.ts, ''20 s'', ''1 min'') GROUP BY 1, 2, 3');
SELECT check_view('SELECT window_start, window_end, count(*), max(x) FROM (SELECT ts, n AS x FROM clicks UNION ALL SELECT seen_at, amount FROM visits UNION ALL SELECT at, n FROM taps) AS u, stream.cumulate(u.ts, ''30 s'', ''2 min'') GROUP BY 1, 2');
-- batches of one record
SELECT check_view('SELECT k, count(*), count(DISTINCT x) AS xs FROM (SELECT user_id AS k, n % 5 AS x FROM clicks WHERE i < 30 UNION ALL SELECT account, id % 4 FROM visits WHERE id < 20) AS u GROUP BY k', 300);

--
-- Event time: each row is late by its own stream, windows close by all of them.
--
CREATE PROCEDURE feed(s regclass, VARIADIC events text[]) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest(s, VARIADIC (SELECT array_agg(
		json_build_object('at', '2024-01-01T' || split_part(e, ' ', 1) || 'Z', 'seen', '2024-01-01T' || split_part(e, ' ', 1) || 'Z',
			'k', split_part(e, ' ', 2), 'v', split_part(e, ' ', 2))::text)
	FROM unnest(events) AS e));
END $$;
SELECT stream.create_stream('a', 'at timestamptz, k text, n int', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_stream('b', 'v text, seen timestamptz', event_time => 'seen', watermark_delay => '0 s', idle_timeout => '1 day',
	allowed_lateness => '1 min');
CREATE VIEW parts AS
	SELECT inhparent::regclass AS state, inhrelid::regclass AS part FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE relpartbound IS NOT NULL ORDER BY 1, 2;
SELECT stream.create_view('shown', $$
	SELECT window_start, k, count(*) FROM (SELECT k, at FROM a UNION ALL SELECT v, seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1, 2 $$);
SELECT stream.create_view('final', $$
	SELECT window_start, k, count(*) FROM (SELECT k, at FROM a UNION ALL SELECT v, seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1, 2 $$,
	emit => 'append');
SELECT stream.create_view('final_hops', $$
	SELECT window_end, count(*), count(DISTINCT k) AS keys FROM (SELECT k, at FROM a UNION ALL SELECT v, seen FROM b) AS u, stream.hop(u.at, '1 min', '2 min') GROUP BY 1 $$,
	emit => 'append', allowed_lateness => '0', options => '{"late_rows": "count"}');
SELECT view, stream, by_event_time FROM stream.catalog_sources ORDER BY view::text;
SELECT name, stream, streams FROM stream.views ORDER BY name::text;
-- one condition for each stream, however this version writes views down
SELECT regexp_replace(replace(condition, 's.', ''), '\s+', ' ', 'g') AS condition
FROM regexp_split_to_table(substring(pg_get_viewdef('final', true) FROM 'WHERE (.*);'), ' AND ') AS condition;
CALL feed('a', '10:00:10 x', '10:00:20 y', '10:05:00 x');
CALL feed('a', '10:05:01 x');
-- b has seen nothing: nothing is closed, but by a's watermark rows of a are late
TABLE final;
CALL feed('a', '10:00:30 late', '10:04:59 late', '10:05:02 x');
CALL feed('b', '10:00:30 x', '10:02:00 z');
TABLE shown ORDER BY 1, 2;
CALL feed('b', '10:02:10 z');
-- b is at 10:02; with its minute nothing but [10:00, 10:01) is closed
TABLE final ORDER BY 1, 2;
TABLE final_hops ORDER BY 1;
-- late for a, not for b, whose windows stay open a minute longer
CALL feed('b', '10:01:30 z');
CALL feed('a', '10:01:30 late');
-- late for b, too
CALL feed('b', '10:00:59 late', '10:06:20 z');
CALL feed('b', '10:06:21 z');
TABLE shown ORDER BY 1, 2;
TABLE final ORDER BY 1, 2;
TABLE final_hops ORDER BY 1;
SELECT stream, event_time, window_end, closed_to, "row" - 'n' AS "row" FROM shown_late_rows ORDER BY 1, 2;
SELECT name, late_rows FROM stream.views ORDER BY name::text;
-- what has been shown as final never changes: the rest of both
CALL feed('a', '10:07:30 x');
CALL feed('b', '10:09:00 z');
CALL feed('a', '10:10:00 x');
CALL feed('b', '10:10:00 z');
CALL feed('a', '10:10:00 x');
SELECT count(*) FROM (TABLE final EXCEPT ALL SELECT * FROM shown WHERE window_start < '2024-01-01 10:08+00') AS d;
SELECT count(*) FROM (SELECT * FROM shown WHERE window_start < '2024-01-01 10:08+00' EXCEPT ALL TABLE final) AS d;
SELECT stream.drop('shown');
SELECT stream.drop('final');
SELECT stream.drop('final_hops');
SELECT count(*) FROM stream.catalog_sources;

-- the event time through sub-selects, expressions and coercions
SELECT stream.create_view('plain', $$SELECT window_start, count(*) FROM (SELECT s.at FROM (SELECT at, k FROM a WHERE n IS NULL) AS s) AS o, stream.tumble(o.at, '1 min') GROUP BY 1$$);
SELECT stream.create_view('shifted', $$SELECT window_start, count(*) FROM (SELECT at FROM a UNION ALL SELECT at + interval '1 s' FROM a UNION ALL SELECT seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1$$);
SELECT view, stream, by_event_time FROM stream.catalog_views UNION ALL SELECT view, stream, by_event_time FROM stream.catalog_sources ORDER BY 1, 2;
SELECT stream.drop('plain');
SELECT stream.drop('shifted');

--
-- state_ttl: by the least watermark
--
SELECT stream.drop('a'), stream.drop('b');
SELECT stream.create_stream('a', 'at timestamptz, k text, n int', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_stream('b', 'v text, seen timestamptz', event_time => 'seen', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('windows', $$
	SELECT window_start, k, count(*), count(DISTINCT k) AS keys FROM (SELECT k, at FROM a UNION ALL SELECT v, seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1, 2 $$,
	state_ttl => '8 min');
SELECT stream.create_view('keys', 'SELECT k, count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u GROUP BY k', state_ttl => '8 min');
CALL feed('a', '10:00:00 x', '10:01:00 y');
CALL feed('b', '10:00:30 x', '10:01:00 z');
TABLE keys_state ORDER BY 1;
CALL feed('a', '10:30:00 w');
CALL feed('a', '10:30:01 w');
-- b is still at 10:01
TABLE windows ORDER BY 1, 2;
TABLE keys ORDER BY 1;
SELECT * FROM parts;
CALL feed('b', '10:09:30 z');
CALL feed('b', '10:09:31 z');
TABLE windows ORDER BY 1, 2;
TABLE keys ORDER BY 1;
CALL feed('b', '10:11:00 z');
CALL feed('b', '10:11:01 z');
TABLE windows ORDER BY 1, 2;
SELECT * FROM parts;
SELECT stream.drop('windows');
SELECT stream.drop('keys');

--
-- Sessions: of all streams together, open as long as they are for one of them
--
SELECT stream.create_view('sessions', $$
	SELECT k, window_start, window_end, count(*) FROM (SELECT k, at FROM a UNION ALL SELECT v, seen FROM b) AS u, stream.session(u.at, '1 min') GROUP BY 1, 2, 3 $$);
CALL feed('a', '11:00:00 x', '11:01:30 x', '11:20:00 w');
CALL feed('a', '11:20:00 w');
CALL feed('b', '11:00:50 x');
CALL feed('b', '11:02:10 x');
SELECT k, window_start, window_end, count FROM sessions WHERE k = 'x' ORDER BY 1, 2;
-- a's watermark alone does not make its rows late
CALL feed('a', '11:03:00 x');
SELECT k, window_start, window_end, count FROM sessions WHERE k = 'x' ORDER BY 1, 2;
CALL feed('b', '11:10:00 x');
CALL feed('b', '11:10:00 y');
CALL feed('a', '11:03:30 x');
SELECT k, window_start, window_end, count FROM sessions WHERE k = 'x' ORDER BY 1, 2;
SELECT stream, event_time, closed_to FROM sessions_late_rows;
SELECT stream.drop('sessions');

--
-- Dead letters of one stream, retried for the view alone
--
SELECT stream.create_view('rates', 'SELECT count(*), sum(x) FROM (SELECT 10 / n AS x FROM a UNION ALL SELECT length(v) FROM b) AS u');
TABLE rates;
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "n": 5}', '{"at": "2024-01-01T12:00Z", "n": 0}');
SELECT stream.ingest('b', '{"seen": "2024-01-01T12:00Z", "v": "abc"}');
TABLE rates;
SELECT message, view_name FROM a_dead_letters;
UPDATE a_dead_letters SET payload = '{"at": "2024-01-01T12:00Z", "n": 2}';
SELECT stream.retry_dead_letters('b'), stream.retry_dead_letters('a');
TABLE rates;

--
-- Looking at it
--
-- the planner leaves the other stream's branch out, or an empty one of it
SELECT ltrim(line) AS line FROM stream.explain('rates') AS line
WHERE line ~ '->  (State|Merge|Delta|Custom Scan|Decode|Stream)|Columns:|Event Time:' AND line !~ 'rows=';
SELECT regexp_replace(line, 'time=.*', '...') FROM stream.explain('b') AS line WHERE line ~ 'View';
SELECT name, stream, streams FROM stream.views;

--
-- Renamed, altered
--
ALTER TABLE a RENAME TO first;
CREATE SCHEMA elsewhere;
ALTER TABLE b SET SCHEMA elsewhere;
ALTER TABLE elsewhere.b ADD COLUMN more int;
SELECT stream.create_view('late', $$SELECT window_start, count(*) FROM (SELECT at FROM first UNION ALL SELECT seen FROM elsewhere.b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1$$, emit => 'append');
ALTER TABLE first RENAME TO a;
ALTER TABLE elsewhere.b SET SCHEMA public;
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "n": 5}'), stream.ingest('b', '{"seen": "2024-01-01T12:00Z", "v": "abc", "more": 7}');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:10Z", "n": 5}'), stream.ingest('b', '{"seen": "2024-01-01T12:10Z", "v": "abc", "more": 7}');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "n": 5}'), stream.ingest('b', '{"seen": "2024-01-01T12:00Z", "v": "abc", "more": 7}');
TABLE rates;
TABLE late;
SELECT stream, event_time FROM late_late_rows ORDER BY stream::text;
ALTER TABLE a DROP COLUMN n;
ALTER TABLE b DROP COLUMN v;
ALTER TABLE b RENAME COLUMN v TO w;
ALTER TABLE b DROP COLUMN more;
SELECT stream.ingest('b', '{"seen": "2024-01-01T12:20Z", "v": "abc"}');
TABLE rates;
SELECT stream.drop('late');

--
-- Another query over the same state
--
SELECT stream.create_stream('c', 'v text, seen timestamptz');
SELECT stream.create_view('r', 'SELECT k, count(*), avg(x) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 1 FROM b) AS u GROUP BY k');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "k": "p", "n": 5}'), stream.ingest('b', '{"seen": "2024-01-01T12:00Z", "v": "p"}');
SELECT stream.replace_view('r', 'SELECT k, round(avg(x), 1) AS mean, count(*) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 1 FROM b) AS u GROUP BY k HAVING count(*) > 1');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "k": "p", "n": 6}');
TABLE r;
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 2 FROM b) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 1 FROM b WHERE length(v) > 1) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 1 FROM c AS b) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM (SELECT k, n AS x FROM a UNION ALL SELECT k, 1 FROM a AS b) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM (SELECT v AS k, 1 AS x FROM b UNION ALL SELECT k, n FROM a) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, sum(x) FROM (SELECT k, n AS x FROM a UNION ALL SELECT v, 1 FROM b) AS u GROUP BY k');
SELECT stream.replace_view('r', 'SELECT k, count(*) FROM a GROUP BY k');
-- the same streams, in each other's places
SELECT stream.create_view('places', 'SELECT x, count(*) FROM (SELECT 0 AS x FROM a UNION ALL SELECT 1 FROM b AS one UNION ALL SELECT 2 FROM c AS two) AS u GROUP BY x');
SELECT stream.replace_view('places', 'SELECT x, count(*) + 0 AS n FROM (SELECT 0 AS x FROM a UNION ALL SELECT 1 FROM b AS one UNION ALL SELECT 2 FROM c AS two) AS u GROUP BY x');
SELECT stream.replace_view('places', 'SELECT x, count(*) FROM (SELECT 0 AS x FROM a UNION ALL SELECT 1 FROM c AS one UNION ALL SELECT 2 FROM b AS two) AS u GROUP BY x');
SELECT stream.drop('places');
-- merged further
SELECT stream.create_rollup('total', 'SELECT combine(mean) AS mean, combine(count) AS count FROM r');
SELECT stream.create_rollup('total', 'SELECT combine(count) AS count FROM r');
TABLE total;
DROP VIEW total;

--
-- Rights
--
CREATE ROLE union_one;
CREATE ROLE union_two IN ROLE union_one;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO union_one;
GRANT CREATE ON SCHEMA public TO union_one, union_two;
ALTER TABLE c OWNER TO union_one;
-- one's own and another's
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT v FROM b UNION ALL SELECT v FROM c) AS u');
SET ROLE union_one;
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT v FROM c UNION ALL SELECT v FROM b) AS u');
RESET ROLE;
ALTER TABLE a OWNER TO union_one;
ALTER TABLE b OWNER TO union_one;
SELECT stream.drop('rates');
SELECT stream.drop('r');
ALTER TABLE a OWNER TO union_one;
ALTER TABLE b OWNER TO union_one;
SET ROLE union_two;
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT at FROM a UNION ALL SELECT seen FROM b UNION ALL SELECT seen FROM c) AS u');
RESET ROLE;
SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('v', 'v_state') ORDER BY 1;
REASSIGN OWNED BY union_one TO CURRENT_USER;
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z"}'), stream.ingest('b', '{"seen": "2024-01-01T12:00Z"}'), stream.ingest('c', '{}');
TABLE v;
DROP OWNED BY union_one, union_two;
DROP ROLE union_two;
DROP ROLE union_one;

--
-- Dropped
--
SELECT stream.drop('b');
DROP TABLE c;
SELECT stream.drop('b', cascade => true);
SELECT view FROM stream.catalog_views UNION ALL SELECT view FROM stream.catalog_sources;
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z"}'), stream.ingest('c', '{}');
SELECT stream.create_stream('b', 'v text, seen timestamptz');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT at FROM a UNION ALL SELECT seen FROM b UNION ALL SELECT seen FROM c) AS u');
DROP VIEW v;
SELECT view FROM stream.catalog_views UNION ALL SELECT view FROM stream.catalog_sources;
SELECT to_regclass('v_state');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT at FROM a UNION ALL SELECT seen FROM b) AS u');
DROP TABLE a CASCADE;
SELECT view FROM stream.catalog_views UNION ALL SELECT view FROM stream.catalog_sources;
SELECT stream.ingest('b', '{}');

--
-- What is refused
--
SELECT stream.create_stream('a', 'at timestamptz, k text, n int', event_time => 'at', watermark_delay => '0 s');
SELECT stream.create_stream('d', 'at timestamp, k text', event_time => 'at', watermark_delay => '0 s');
SELECT stream.create_stream('e', 'at timestamptz, k text', watermark_delay => '0 s');
CREATE VIEW over_a AS SELECT * FROM a;
-- not UNION ALL, not in FROM
SELECT stream.create_view('v', 'SELECT count(*) FROM a UNION ALL SELECT count(*) FROM b');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION SELECT v FROM b) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a INTERSECT ALL SELECT v FROM b) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL (SELECT v FROM b EXCEPT SELECT k FROM dim)) AS u');
-- tables
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM dim UNION ALL SELECT k FROM a) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL VALUES (''x''), (''y'')) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT k FROM over_a) AS u');
-- branches through which not each row goes by itself
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b GROUP BY v) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL (SELECT v FROM b ORDER BY v LIMIT 1)) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b ORDER BY 1) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM dim LEFT JOIN b ON v = k) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM dim LEFT JOIN (SELECT k FROM a UNION ALL SELECT v FROM b) AS u USING (k)');
SELECT stream.create_view('v', 'SELECT sum(n) FROM (SELECT k, count(*) AS n FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u GROUP BY k) AS u');
-- two of them
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u JOIN c ON c.v = u.k');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u, (SELECT k FROM a UNION ALL SELECT v FROM b) AS w');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT b.v FROM b, c) AS u');
SELECT stream.create_view('v', 'WITH x AS (SELECT k FROM a) SELECT count(*) FROM (SELECT k FROM x UNION ALL SELECT k FROM x) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u WHERE k IN (SELECT v FROM c)');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b WHERE v IN (SELECT k FROM e)) AS u');
SELECT stream.create_view('v', 'WITH x AS (SELECT k FROM a UNION ALL SELECT v FROM b), y AS (SELECT v FROM c) SELECT count(*) FROM x');
-- columns
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT ctid::text FROM b) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT b::text FROM b) AS u');
SELECT stream.create_view('v', 'SELECT count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b TABLESAMPLE system (10)) AS u');
SELECT stream.create_view('v', $$SELECT count(*) FROM (SELECT k, window_start FROM a, stream.tumble(at, '1 min') UNION ALL SELECT v, seen FROM b) AS u$$);
-- time
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM (SELECT at FROM a UNION ALL SELECT seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1$$, emit => 'append');
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM (SELECT at FROM a UNION ALL SELECT seen FROM b) AS u, stream.tumble(u.at, '1 min') GROUP BY 1$$, state_ttl => '1 h');
SELECT stream.create_view('v', $$SELECT k, count(*) FROM (SELECT k FROM a UNION ALL SELECT k FROM d) AS u GROUP BY 1$$, state_ttl => '1 h');
SELECT stream.create_view('v', $$SELECT k, count(*) FROM (SELECT k FROM a UNION ALL SELECT k FROM e) AS u GROUP BY 1$$, state_ttl => '1 h');
SELECT stream.create_view('v', $$SELECT k, window_start, count(*) FROM (SELECT k, at FROM a UNION ALL SELECT k, at FROM e) AS u, stream.session(u.at, '1 min') GROUP BY 1, 2$$, emit => 'append');
SELECT stream.create_view('v', $$SELECT window_start, count(*) FROM (SELECT at FROM a UNION ALL SELECT at FROM e) AS u, stream.tumble(u.at, '1 min') GROUP BY 1$$,
	options => '{"close_on_idle": true}');
SELECT stream.create_view('v', 'SELECT k, count(*) FROM (SELECT k FROM a UNION ALL SELECT v FROM b) AS u GROUP BY k', options => '{"backfill": "staging"}');
-- of one stream all of it works
SELECT stream.ingest('a', '{"at": "2024-01-01T12:00Z", "k": "p"}', '{"at": "2024-01-01T12:00:10Z", "k": "q"}');
SELECT stream.create_view('v', $$SELECT k, window_start, window_end, count(*) FROM (SELECT k, at FROM a UNION ALL SELECT 'all', at FROM a) AS u, stream.session(u.at, '1 min') GROUP BY 1, 2, 3$$,
	emit => 'append', options => '{"backfill": "staging", "close_on_idle": true}');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:10Z", "k": "q"}');
SELECT stream.ingest('a', '{"at": "2024-01-01T12:20Z", "k": "q"}');
TABLE v ORDER BY 1, 2;
SELECT name, streams FROM stream.views;

SELECT stream.drop(s, cascade => true) FROM unnest('{a, b, c, d, e}'::regclass[]) AS s;
DROP SCHEMA elsewhere;
DROP SCHEMA batch CASCADE;
DROP FUNCTION check_view;
DROP PROCEDURE feed;
DROP VIEW parts;
DROP TABLE dim;
DROP COLLATION ignore_case;
DROP DOMAIN code;
