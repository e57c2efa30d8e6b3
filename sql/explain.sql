--
-- stream.explain: what a view does with a batch, and what a stream is.
--
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
-- what varies: sizes, times, rows that statistics have not counted yet, and how
-- versions of PostgreSQL write down a view
CREATE FUNCTION explained(regclass) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(line, 'time=[0-9.]+ ms', 'time=N ms'), '\(rows=\d+ size=[^)]*\)', '(rows=N size=N)'),
		'InitPlan 1 \(returns \$0\)|\$0|\(InitPlan 1\).col1', 'InitPlan 1')
	FROM stream.explain($1) AS line
	WHERE pg_get_viewdef($1, true) IS NULL OR position(ltrim(line) IN pg_get_viewdef($1, true)) = 0
$$;

CREATE SCHEMA ex;
CREATE TABLE ex.names (k int PRIMARY KEY, name text);
SELECT stream.create_stream('ex.s', 'k int, "V" int, x numeric, unused text, at timestamptz',
	event_time => 'at', watermark_delay => '10 s', fields => '{"V": "a.v", "at": "@timestamp"}', options => '{"batch_max_rows": 5000}');
SELECT stream.create_view('ex.v', $$
	SELECT window_start, k + 1 AS next, count(*) AS n, round(avg(x), 2) AS average, max("V") FILTER (WHERE x > 0) AS top
	FROM ex.s, stream.tumble(at, '1 minute') WHERE k > 0 GROUP BY window_start, k HAVING count(*) > 0 $$);

-- no batch yet
SELECT * FROM explained('ex.v');
-- and after one, the last
SELECT stream.ingest('ex.s', '{"k": 9, "a": {"v": 9}}');
SELECT stream.ingest('ex.s', '{"k": 1, "a": {"v": 2}, "x": 1}', '{"k": 1, "a": {"v": 3}, "x": 2}', '{"k": 2, "x": 3}', '{"k": 0}', 'rubbish');
SELECT line FROM explained('ex.v') AS line WHERE line ~ 'actual|executed';
-- to explain runs nothing
SELECT k, n FROM (SELECT next AS k, n FROM ex.v) AS v ORDER BY k;

-- the view's own SQL is there
SELECT position('  ' || replace(pg_get_viewdef('ex.v', true), E'\n', E'\n  ') || E'\n  ->  State' IN string_agg(line, E'\n' ORDER BY i)) > 0 AS there
FROM stream.explain('ex.v') WITH ORDINALITY AS e(line, i);

-- joins, no key, no aggregate, windows by panes, a user's functions
CREATE FUNCTION ex.folded(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE NOTICE 'planned as %', current_user;
	RETURN $1;
END $$;
SELECT stream.create_view('ex.joined', 'SELECT n.name, sum("V") FROM ex.s LEFT JOIN ex.names n USING (k) GROUP BY n.name');
SELECT * FROM explained('ex.joined');
SELECT stream.create_view('ex.total', 'SELECT count(*) FROM ex.s');
SELECT * FROM explained('ex.total');
SELECT stream.create_view('ex.keys', 'SELECT k, at::date AS day FROM ex.s GROUP BY k, at::date');
SELECT line FROM explained('ex.keys') AS line WHERE line ~ 'Key:|Aggregate:|Conflict';
SELECT stream.create_view('ex.hop', $$SELECT window_start, window_end, count(*) FROM ex.s, stream.hop(at, '10 s', '30 s') GROUP BY 1, 2$$);
SELECT * FROM explained('ex.hop');

SELECT stream.create_view('ex.closed', $$SELECT window_start, count(*) FROM ex.s, stream.tumble(at, '10 s') GROUP BY 1$$, emit => 'append', options => '{"late_rows": "count"}');
SELECT line FROM explained('ex.closed') AS line WHERE line ~ 'Emit|Late Rows';

-- sessions: the merge is a longer story
SELECT stream.create_view('ex.sessions', $$SELECT k, window_start, window_end, count(*) AS n FROM ex.s, stream.session(at, '5 s') GROUP BY 1, 2, 3$$);
SELECT line FROM explained('ex.sessions') AS line WHERE line ~ '->  (State|Merge|Delta|Decode|Stream)|Key: k|Aggregate: n|Late Rows';

-- a stream
SELECT * FROM explained('ex.s');
SELECT stream.pause('ex.s');
CREATE SERVER test_kafka FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'localhost:1');
SELECT stream.create_stream('ex.k', 'line text', server => 'test_kafka', topic => 'some.topic', format => 'text', paused => true, workers => 2, on_error => 'skip');
SELECT * FROM explained('ex.k');
SELECT line FROM explained('ex.s') AS line WHERE line ~ '^Stream';
SELECT stream.resume('ex.s');
SELECT line FROM explained('ex.s') AS line WHERE line ~ '^Stream';
-- a copy in another database waits to be resumed there
BEGIN;
UPDATE stream.catalog_streams SET database = 0 WHERE stream = 'ex.s'::regclass;
SELECT line FROM explained('ex.s') AS line WHERE line ~ '^Stream';
ROLLBACK;

-- in the select list, in a join
SELECT stream.explain('ex.k') LIMIT 1;
SELECT count(*) > 10 AS many FROM stream.views AS v, stream.explain(v.name) WHERE v.name = 'ex.v'::regclass;

-- nothing else
SELECT stream.explain('ex.v_state');
SELECT stream.explain('ex.v_late_rows');
SELECT stream.explain('ex.s_dead_letters');
SELECT stream.explain('pg_class');
SELECT stream.explain(0);
SELECT stream.explain(NULL);

-- the owner's rights, whoever asks; only some may
SET client_min_messages = warning;
CREATE ROLE regress_explain_owner;
CREATE ROLE regress_explain_reader;
CREATE ROLE regress_explain_monitor IN ROLE pg_monitor;
RESET client_min_messages;
GRANT USAGE, CREATE ON SCHEMA ex TO PUBLIC;
GRANT SELECT ON ex.names TO regress_explain_owner;
ALTER TABLE ex.s OWNER TO regress_explain_owner;
SELECT stream.create_view('ex.folds', 'SELECT sum("V" + ex.folded(1)) FROM ex.s');
GRANT SELECT ON ex.v, ex.folds TO regress_explain_reader;
SELECT count(*) > 5 AS many FROM stream.explain('ex.folds');
SET ROLE regress_explain_reader;
SELECT count(*) > 5 AS many FROM stream.explain('ex.folds');
SET ROLE regress_explain_monitor;
SELECT count(*) > 5 AS many FROM stream.explain('ex.folds');
SELECT count(*) > 5 AS many FROM stream.explain('ex.s');
SET ROLE regress_explain_owner;
SELECT count(*) > 5 AS many FROM stream.explain('ex.folds');
SELECT current_user;
RESET ROLE;
-- what the owner may not read is not planned either
REVOKE SELECT ON ex.names FROM regress_explain_owner;
SELECT stream.explain('ex.joined');
SELECT current_user = session_user AS myself;

DROP FUNCTION explained;
SET client_min_messages = warning;
DROP SCHEMA ex CASCADE;
DROP SERVER test_kafka;
DROP ROLE regress_explain_owner, regress_explain_reader, regress_explain_monitor;
