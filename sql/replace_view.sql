--
-- stream.replace_view: other expressions over the same state.
--
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
CREATE SCHEMA rv;
CREATE SCHEMA elsewhere;
CREATE TABLE rv.names (k int, name text);
INSERT INTO rv.names VALUES (1, 'one'), (2, 'two');
SELECT stream.create_stream('rv.s', 'k int, v int, x numeric, c varchar(10), at timestamptz', event_time => 'at');
SELECT stream.create_stream('rv.other', 'k int, v int, x numeric, at timestamptz', event_time => 'at');

-- made in one search_path, replaced in another, where the names mean other things
SET search_path = rv;
SELECT stream.create_view('v', $$
	SELECT window_start, k, count(*) AS n, avg(x) AS average, max(v) AS top
	FROM s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k HAVING count(*) > 1 $$);
SET search_path = elsewhere, public;
CREATE TABLE s (k int, v int, x numeric, at timestamptz);
CREATE PROCEDURE feed(k int, v int, x numeric) LANGUAGE sql AS $$
	SELECT stream.ingest('rv.s', json_build_object('k', k, 'v', v, 'x', x, 'c', 'c' || k, 'at', '2024-05-01T12:00:00Z')::text)
$$;
CALL feed(1, 1, 1);
CALL feed(1, 3, 2);
CALL feed(2, 5, 3);
TABLE rv.v;
CREATE TABLE was AS SELECT 'rv.v'::regclass::oid AS view, delta_sql, merge_sql, state::oid FROM stream.catalog_views WHERE view = 'rv.v'::regclass;

-- the same columns first: what depends on the view stays
CREATE VIEW dependent AS SELECT k, average FROM rv.v;
SELECT stream.replace_view('rv.v', $$
	SELECT window_start, k, count(*) AS n, round(avg(x), 1) + 100 AS average, max(v) AS top, max(v) * 2 AS double, window_start::date AS day
	FROM rv.s AS renamed, stream.tumble(at, '60 s') WHERE v IS NOT NULL AND renamed.k > 0 GROUP BY k, window_start $$);
SELECT * FROM rv.v ORDER BY k;
SELECT * FROM dependent ORDER BY k;
SELECT name, query FROM stream.views WHERE name = 'rv.v'::regclass;
CALL feed(2, 7, 4);
SELECT * FROM rv.v ORDER BY k;

-- other columns: not while something depends on the view
CREATE FUNCTION takes(rv.v) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE holds (many rv.v[]);
CREATE TABLE guarded (k int);
CREATE POLICY by_view ON guarded USING (EXISTS (SELECT FROM rv.v WHERE v.k = guarded.k));
CREATE RULE nothing AS ON INSERT TO rv.v DO INSTEAD NOTHING;
ALTER VIEW rv.v ALTER COLUMN n SET DEFAULT 1;
SELECT stream.replace_view('rv.v', $$SELECT k, window_start, max(v) AS biggest FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY 1, 2$$);
SELECT stream.replace_view('rv.v', $$SELECT window_start, k, count(*) AS m, round(avg(x), 1) AS average, max(v) AS top, max(v) * 2 AS double, window_start::date AS day FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY 1, 2$$);
SELECT stream.replace_view('rv.v', $$SELECT window_start, k, count(*)::int AS n, round(avg(x), 1) AS average, max(v) AS top, max(v) * 2 AS double, window_start::date AS day FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY 1, 2$$);
SELECT count(*) FROM dependent;
DROP FUNCTION takes;
DROP TABLE holds, guarded;
DROP RULE nothing ON rv.v;
ALTER VIEW rv.v ALTER COLUMN n DROP DEFAULT;
DROP VIEW dependent;

-- when nothing does: fewer, renamed, in another order, of other types; the view
-- is still itself, and so is all that hangs on it
SET client_min_messages = warning;
CREATE ROLE regress_rv_reader;
CREATE ROLE regress_rv_column;
RESET client_min_messages;
GRANT USAGE ON SCHEMA rv TO regress_rv_reader;
GRANT SELECT ON rv.v TO regress_rv_reader WITH GRANT OPTION;
GRANT SELECT (k), UPDATE (average) ON rv.v TO PUBLIC;
GRANT SELECT (k), SELECT (average) ON rv.v TO regress_rv_column;
COMMENT ON VIEW rv.v IS 'of each k';
COMMENT ON COLUMN rv.v.k IS 'the key';
COMMENT ON COLUMN rv.v.average IS 'goes away';
ALTER VIEW rv.v SET (security_barrier = true);
CREATE INDEX by_key ON rv.v_state (k);
SELECT stream.replace_view('rv.v', $$
	SELECT k::text AS k, count(*) - 1 AS less, window_start
	FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, s.k HAVING max(v) > 3 $$);
TABLE rv.v;
CALL feed(1, 4, 4);
SELECT * FROM rv.v ORDER BY k;
SELECT view = 'rv.v'::regclass AS same_view, w.delta_sql = c.delta_sql AND w.merge_sql = c.merge_sql AND w.state = c.state::oid AS same_state FROM was AS w JOIN stream.catalog_views AS c USING (view);
SELECT reloptions, relnatts, obj_description(oid) FROM pg_class WHERE oid = 'rv.v'::regclass;
SELECT grantee::regrole, privilege_type, is_grantable FROM pg_class, aclexplode(relacl) WHERE oid = 'rv.v'::regclass AND grantee <> relowner;
SELECT attname, attnum, atttypid::regtype, (SELECT array_agg(privilege_type) FROM aclexplode(attacl) WHERE grantee = 0) AS public, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'rv.v'::regclass ORDER BY attnum;
SELECT count(*) FROM pg_description WHERE objoid = 'rv.v'::regclass;
SELECT objsubid, deptype, refobjid::regrole FROM pg_shdepend WHERE objid = 'rv.v'::regclass AND deptype <> 'o' ORDER BY 1;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'rv.v_state'::regclass ORDER BY indexrelid;
SET ROLE regress_rv_reader;
SELECT count(*) FROM rv.v;
RESET ROLE;
-- prepared statements, and rows of the view's type
PREPARE all_of_it AS SELECT * FROM rv.v ORDER BY k;
EXECUTE all_of_it;
SELECT row_to_json(v) FROM rv.v ORDER BY k;

-- the aggregates that it left out come back with all they counted
SELECT stream.replace_view('rv.v', $$
	SELECT window_start AS start, k, avg(x) AS average, max(v) AS top, count(*) AS n
	FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k $$);
SELECT * FROM rv.v ORDER BY k;
EXECUTE all_of_it;
DEALLOCATE all_of_it;
-- ... also to no aggregate at all
SELECT stream.replace_view('rv.v', $$SELECT k FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT * FROM rv.v ORDER BY k;

-- what the columns depended on is let go, what they depend on is held
CREATE DOMAIN small AS int;
SELECT stream.replace_view('rv.v', $$SELECT k::small AS k FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, s.k$$);
DROP DOMAIN small;
SELECT stream.replace_view('rv.v', $$SELECT k, max(v) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
DROP DOMAIN small;
SELECT * FROM rv.v ORDER BY k;

-- another state is refused
SELECT stream.replace_view('rv.v', $$SELECT count(*) FROM rv.other, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT count(*) FROM s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s WHERE k > 0 AND v IS NOT NULL GROUP BY k$$);
SELECT stream.replace_view('rv.v', $$SELECT s.k, count(*) FROM rv.s, stream.tumble(at, '1 minute'), rv.names WHERE s.k > 0 AND v IS NOT NULL GROUP BY window_start, s.k$$);
SELECT stream.replace_view('rv.v', $$SELECT s.k FROM rv.s, rv.names WHERE s.k > 0 AND v IS NOT NULL GROUP BY name, s.k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '2 minutes') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '1 minute', '5 s') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.hop(at, '1 minute', '5 minutes') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k >= 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '1 minute') GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, c, count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k, c$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY k$$);
SELECT stream.replace_view('rv.v', $$SELECT k + 1, count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k + 1$$);
SELECT stream.replace_view('rv.v', $$SELECT count(*) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL$$);
SELECT stream.replace_view('rv.v', $$SELECT k, sum(v) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, max(v + 0) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k, count(*) FILTER (WHERE v > 1) FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.v', $$SELECT k FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k HAVING min(v) > 0$$);
-- what no view may be is refused as ever
SELECT stream.replace_view('rv.v', 'SELECT k FROM rv.s ORDER BY k');
SELECT stream.replace_view('rv.v', 'SELECT 1');
SELECT stream.replace_view('rv.v', 'DROP TABLE was');
SELECT stream.replace_view('rv.v', 'SELECT');
SELECT stream.replace_view('rv.v', $$SELECT k, k FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT stream.replace_view('rv.s', 'SELECT 1');
SELECT stream.replace_view('rv.v_state', 'SELECT 1');
SELECT stream.replace_view('pg_views', 'SELECT 1');
SELECT stream.replace_view(0, 'SELECT 1');
SELECT stream.replace_view(NULL, 'SELECT 1');
-- after all that the view is as it was
SELECT * FROM rv.v ORDER BY k;
-- rolled back
BEGIN;
SELECT stream.replace_view('rv.v', $$SELECT max(v) AS top FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
TABLE rv.v;
ROLLBACK;
SELECT * FROM rv.v ORDER BY k;

-- no key; one row
SELECT stream.create_view('rv.total', 'SELECT count(*) AS n, stddev(v) AS deviation FROM rv.s');
CALL feed(3, 1, 1);
CALL feed(3, 4, 1);
SELECT stream.replace_view('rv.total', 'SELECT round(stddev(v), 3) AS deviation FROM rv.s HAVING count(*) > 1');
TABLE rv.total;
SELECT stream.replace_view('rv.total', 'SELECT k, count(*) FROM rv.s GROUP BY k');
SELECT stream.replace_view('rv.total', 'SELECT max(k) FROM rv.s');

-- joins, keys under casts and collations, types with modifiers
SELECT stream.create_view('rv.joined', $$SELECT n.name, c, upper(c COLLATE "C") AS upper, count(*) FILTER (WHERE x > 1.5) AS n, bool_or(v > 3) AS any
	FROM rv.s LEFT JOIN rv.names AS n USING (k) WHERE c IS DISTINCT FROM 'zero' GROUP BY 1, 2, 3$$);
CALL feed(1, 1, 1);
CALL feed(2, 4, 2);
SELECT stream.replace_view('rv.joined', $$SELECT upper(c COLLATE "C") AS upper, coalesce(names.name, 'nobody') AS name, c, count(*) FILTER (WHERE x > 1.5) AS n, bool_or(v > 3) AS any
	FROM rv.s AS other_alias LEFT JOIN rv.names USING (k) WHERE c IS DISTINCT FROM 'zero' GROUP BY c, 1, names.name$$);
SELECT * FROM rv.joined ORDER BY c;
SELECT stream.replace_view('rv.joined', $$SELECT n.name, c, upper(c COLLATE "C"), bool_or(v > 3)
	FROM rv.s JOIN rv.names AS n USING (k) WHERE c IS DISTINCT FROM 'zero' GROUP BY 1, 2, 3$$);
SELECT stream.replace_view('rv.joined', $$SELECT n.name, c, upper(c COLLATE "C"), bool_or(v > 3)
	FROM rv.s LEFT JOIN rv.names AS n ON n.k = s.k + 1 WHERE c IS DISTINCT FROM 'zero' GROUP BY 1, 2, 3$$);
SELECT stream.replace_view('rv.joined', $$SELECT n.name, c, upper(c COLLATE "POSIX"), bool_or(v > 3)
	FROM rv.s LEFT JOIN rv.names AS n USING (k) WHERE c IS DISTINCT FROM 'zero' GROUP BY 1, 2, 3$$);

-- windows that overlap
SELECT stream.create_view('rv.hop', $$SELECT window_start, window_end, count(*) AS n, avg(x) AS average FROM rv.s, stream.hop(at, '1 minute', '2 minutes') GROUP BY 1, 2$$);
CALL feed(1, 1, 1);
CALL feed(2, 4, 2);
SELECT stream.replace_view('rv.hop', $$SELECT round(avg(x), 2) AS average, window_start + '1 s' AS later FROM rv.s, stream.hop(at, '60 s', '120 s') GROUP BY window_start, window_end$$);
SELECT stream.replace_view('rv.hop', $$SELECT round(avg(x), 2) AS average, window_start FROM rv.s, stream.hop(at, '60 s', '120 s') GROUP BY window_end, window_start$$);
SELECT * FROM rv.hop ORDER BY window_start;
SELECT stream.replace_view('rv.hop', $$SELECT window_start, window_end, avg(x) FROM rv.s, stream.hop(at, '1 minute', '3 minutes') GROUP BY 1, 2$$);
SELECT stream.replace_view('rv.hop', $$SELECT window_start, window_end, avg(x) FROM rv.s, stream.hop(at, '1 minute', '90 s') GROUP BY 1, 2$$);
SELECT stream.replace_view('rv.hop', $$SELECT window_start, window_end, avg(x) FROM rv.s, stream.cumulate(at, '1 minute', '2 minutes') GROUP BY 1, 2$$);
SELECT stream.replace_view('rv.hop', $$SELECT window_start, window_end, avg(x) FROM rv.s, stream.tumble(at, '1 minute') GROUP BY 1, 2$$);
-- a roll-up keeps what it was made of
SELECT stream.replace_view('rv.hop', $$SELECT avg(x) AS average, window_start AS start FROM rv.s, stream.hop(at, '60 s', '120 s') GROUP BY window_end, window_start$$);
SELECT stream.create_rollup('rv.rollup', 'SELECT round(combine(average), 2) AS average FROM rv.hop WHERE extract(minute FROM start) = 0');
SELECT stream.replace_view('rv.hop', $$SELECT window_start FROM rv.s, stream.hop(at, '60 s', '120 s') GROUP BY window_end, window_start$$);
CALL feed(1, 1, 6);
TABLE rv.rollup;
TABLE rv.hop;

-- windows that close: rows late for some, emit => 'append'
SELECT stream.create_stream('rv.w', 'at timestamptz, k text', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('rv.hops', $$SELECT window_start, k, count(*) AS n, max(k) AS top FROM rv.w, stream.hop(at, '5 s', '10 s') WHERE k <> 'x' GROUP BY 1, 2$$);
SELECT stream.create_view('rv.final', $$SELECT window_start, k, count(*) AS n FROM rv.w, stream.tumble(at, '5 s') GROUP BY 1, 2$$, emit => 'append', allowed_lateness => '1 s');
SELECT stream.create_view('rv.final_hops', $$SELECT window_start, k, count(*) AS n FROM rv.w, stream.hop(at, '5 s', '10 s') GROUP BY 1, 2$$, emit => 'append');
CREATE PROCEDURE feed_w(VARIADIC seconds text[]) LANGUAGE sql AS $$
	SELECT stream.ingest('rv.w', VARIADIC (SELECT array_agg(json_build_object('k', 'a', 'at', '2024-05-01T12:00:' || s || 'Z')::text) FROM unnest(seconds) AS s))
$$;
CALL feed_w('01', '06', '09');
CALL feed_w('04', '07', '12', '13');
CREATE VIEW expected AS
	SELECT 'hops' AS view, window_start, n FROM rv.hops UNION ALL SELECT 'final', window_start, n FROM rv.final UNION ALL SELECT 'final_hops', window_start, n FROM rv.final_hops;
CREATE TABLE before AS TABLE expected;
TABLE before ORDER BY view, window_start;
DROP VIEW expected;
SELECT stream.replace_view('rv.hops', $$SELECT k AS late_key, 2 * count(*) AS doubled, window_start AS k FROM rv.w, stream.hop(at, '5 s', '10 s') WHERE k <> 'x' GROUP BY w.k, window_start$$);
SELECT stream.replace_view('rv.final', $$SELECT 2 * count(*) AS doubled, window_start FROM rv.w, stream.tumble(at, '5 s') GROUP BY k, window_start HAVING count(*) > 0$$);
SELECT stream.replace_view('rv.final_hops', $$SELECT 2 * count(*) AS doubled, window_start FROM rv.w, stream.hop(at, '5 s', '10 s') GROUP BY k, window_start$$);
SELECT view, window_start, n * 2 AS doubled FROM before
EXCEPT ALL (SELECT 'hops', k, doubled FROM rv.hops UNION ALL SELECT 'final', window_start, doubled FROM rv.final UNION ALL SELECT 'final_hops', window_start, doubled FROM rv.final_hops);
-- it goes on: a row late for one window of hop counts in the other
CALL feed_w('21', '08', '14');
CALL feed_w('17');
SELECT k AS window_start, doubled FROM rv.hops ORDER BY 1;
SELECT window_start, doubled FROM rv.final ORDER BY 1;
SELECT window_start, doubled FROM rv.final_hops ORDER BY 1;
SELECT name, late_rows FROM stream.views WHERE stream = 'rv.w'::regclass ORDER BY name::text;
-- refused
SELECT stream.replace_view('rv.hops', $$SELECT window_start, count(*) FROM rv.w, stream.hop(at, '5 s', '20 s') WHERE k <> 'x' GROUP BY 1, k$$);
SELECT stream.replace_view('rv.hops', $$SELECT window_start, count(*) FROM rv.w, stream.tumble(at, '5 s') WHERE k <> 'x' GROUP BY 1, k$$);
SELECT stream.replace_view('rv.hops', $$SELECT window_start, count(*) FROM rv.w, stream.hop(at, '5 s', '10 s') WHERE k <> 'y' GROUP BY 1, k$$);
SELECT stream.replace_view('rv.hops', $$SELECT window_start, count(*) FROM rv.w, stream.hop(at, '5 s', '10 s') WHERE k <> 'x' GROUP BY 1$$);
SELECT stream.replace_view('rv.final', $$SELECT window_start, count(*) FROM rv.w, stream.tumble(at, '5 s') WHERE k <> 'y' GROUP BY 1, k$$);
SELECT stream.replace_view('rv.final', $$SELECT window_start, count(*) FROM rv.w, stream.hop(at, '5 s', '10 s') GROUP BY 1, k$$);
SELECT stream.replace_view('rv.final', $$SELECT k, count(*) FROM rv.w, stream.tumble(at, '5 s') GROUP BY k$$);

-- windows of calendar months, and of days of a time zone
SELECT stream.create_view('rv.months', $$SELECT window_start, count(*) AS n FROM rv.w, stream.hop(at, '1 month', '3 months') GROUP BY 1$$);
SELECT stream.create_view('rv.days', $$SELECT window_start, count(*) AS n FROM rv.w, stream.tumble(at, '1 day', timezone => 'Europe/Amsterdam') GROUP BY 1$$);
CALL feed_w('30', '31');
SELECT stream.replace_view('rv.months', $$SELECT count(*) AS n, window_start AS first FROM rv.w, stream.hop(at, '1 month', '3 months') GROUP BY window_start$$);
SELECT stream.replace_view('rv.days', $$SELECT count(*) AS n, window_start AS day FROM rv.w, stream.tumble(at, '1 day', timezone => 'Europe/Amsterdam') GROUP BY window_start$$);
SELECT * FROM rv.months ORDER BY first;
SELECT * FROM rv.days;
SELECT stream.replace_view('rv.months', $$SELECT count(*) FROM rv.w, stream.hop(at, '1 month', '2 months') GROUP BY window_start$$);
SELECT stream.replace_view('rv.days', $$SELECT count(*) FROM rv.w, stream.tumble(at, '1 day') GROUP BY window_start$$);

-- sessions
SELECT stream.create_view('rv.sessions', $$SELECT window_start AS "from", k, window_end AS "to", count(*) AS n, min(at) AS first FROM rv.w, stream.session(at, '5 s') GROUP BY 1, 2, 3$$);
SELECT stream.ingest('rv.w', '{"k":"a","at":"2026-01-01T00:00:01Z"}', '{"k":"a","at":"2026-01-01T00:00:04Z"}',
	'{"k":"a","at":"2026-01-01T00:00:10Z"}', '{"k":"b","at":"2026-01-01T00:00:02Z"}');
SELECT stream.replace_view('rv.sessions', $$SELECT upper(x.k) AS k, count(*) * 10 AS n, s.window_end - window_start AS long, s.window_start FROM rv.w AS x, stream.session(at, '5 s') AS s GROUP BY k, s.window_start, s.window_end HAVING count(*) > 1$$);
SELECT * FROM rv.sessions;
SELECT stream.ingest('rv.w', '{"k":"a","at":"2026-01-01T00:00:06Z"}', '{"k":"b","at":"2026-01-01T00:00:03Z"}');
SELECT * FROM rv.sessions ORDER BY k;
-- an aggregate comes back, and is whole
SELECT stream.replace_view('rv.sessions', $$SELECT k, min(at) AS first, count(*) AS n, window_start FROM rv.w, stream.session(at, '5 s') GROUP BY window_start, k$$);
SELECT * FROM rv.sessions ORDER BY k;
SELECT stream.replace_view('rv.sessions', $$SELECT k, window_start, count(*) AS n FROM rv.w, stream.session(at, '6 s') GROUP BY 1, 2, window_end$$);
SELECT stream.replace_view('rv.sessions', $$SELECT k, window_start, max(at) AS n FROM rv.w, stream.session(at, '5 s') GROUP BY 1, 2, window_end$$);
SELECT stream.replace_view('rv.sessions', $$SELECT window_start, count(*) AS n FROM rv.w, stream.session(at, '5 s') GROUP BY 1, window_end$$);
SELECT stream.replace_view('rv.sessions', $$SELECT k, window_start, count(*) AS n FROM rv.w, stream.tumble(at, '5 s') GROUP BY 1, 2, window_end$$);
SELECT stream.replace_view('rv.final', $$SELECT k, window_start, count(*) AS n FROM rv.w, stream.session(at, '5 s') GROUP BY 1, 2, window_end$$);
SELECT stream.drop('rv.sessions');

-- only its owner; and as its owner
SET client_min_messages = warning;
CREATE ROLE regress_rv_owner;
RESET client_min_messages;
GRANT USAGE, CREATE ON SCHEMA rv TO regress_rv_owner;
SET ROLE regress_rv_owner;
SELECT stream.replace_view('rv.total', 'SELECT count(*) FROM rv.s');
RESET ROLE;
GRANT EXECUTE ON FUNCTION stream.replace_view TO regress_rv_owner;
SET ROLE regress_rv_owner;
SELECT stream.replace_view('rv.total', 'SELECT count(*) FROM rv.s');
RESET ROLE;
GRANT SELECT ON rv.names TO regress_rv_owner;
ALTER TABLE rv.s OWNER TO regress_rv_owner;
SELECT stream.replace_view('rv.total', 'SELECT count(*) AS n FROM rv.s');
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'rv.total'::regclass;
SET ROLE regress_rv_owner;
SELECT stream.replace_view('rv.total', 'SELECT count(*) + 1 AS more FROM rv.s');
TABLE rv.total;
RESET ROLE;

-- with a time to live, with and without a window
SELECT stream.create_stream('rv.t', 'k int, at timestamptz', event_time => 'at', watermark_delay => '0 s');
SELECT stream.create_view('rv.groups', 'SELECT k, count(*) AS n FROM rv.t GROUP BY k', state_ttl => '1 day');
SELECT stream.create_view('rv.windows', $$SELECT window_start, count(*) AS n FROM rv.t, stream.tumble(at, '1 hour') GROUP BY 1$$, state_ttl => '1 day');
SELECT stream.ingest('rv.t', '{"k": 1, "at": "2024-01-01T00:00Z"}', '{"k": 1, "at": "2024-01-01T00:01Z"}');
SELECT stream.replace_view('rv.groups', 'SELECT k, count(*) * 10 AS n FROM rv.t GROUP BY k');
SELECT stream.replace_view('rv.windows', $$SELECT window_start, count(*) * 10 AS n FROM rv.t, stream.tumble(at, '1 hour') GROUP BY 1$$);
SELECT stream.ingest('rv.t', '{"k": 1, "at": "2024-01-01T00:02Z"}');
TABLE rv.groups;
TABLE rv.windows;
SELECT stream.ingest('rv.t', '{"k": 2, "at": "2024-01-04T00:00Z"}');
SELECT stream.ingest('rv.t', '{"k": 2, "at": "2024-01-04T00:00Z"}');
TABLE rv.groups;
TABLE rv.windows;
SELECT stream.drop('rv.t', cascade => true);

-- renamed, moved and replaced
ALTER VIEW rv.v RENAME TO "A View";
ALTER VIEW rv."A View" SET SCHEMA elsewhere;
SELECT stream.replace_view('"A View"', $$SELECT max(v) AS "A Column" FROM rv.s, stream.tumble(at, '1 minute') WHERE k > 0 AND v IS NOT NULL GROUP BY window_start, k$$);
SELECT * FROM elsewhere."A View" ORDER BY 1;

-- dropped as any
SELECT stream.drop('elsewhere."A View"');
SELECT to_regclass('rv.v_state'), to_regclass('elsewhere."A View"');
SET client_min_messages = warning;
DROP SCHEMA rv, elsewhere CASCADE;
DROP OWNED BY regress_rv_reader, regress_rv_column, regress_rv_owner;
DROP ROLE regress_rv_reader, regress_rv_column, regress_rv_owner;
SELECT count(*) FROM stream.catalog_views;
