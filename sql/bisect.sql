--
-- A view that fails for one record goes without it; everything else counts.
--
SELECT stream.create_stream('s', 'k int, v int');
SELECT stream.create_view('all_of_them', 'SELECT count(*), sum(v) FROM s');
SELECT stream.create_view('inverse', 'SELECT count(*), sum(1000 / v) FROM s');
SELECT stream.create_view('by_key', 'SELECT k, count(*), min(100 / v) FROM s GROUP BY k');

-- one in a large batch
SELECT stream.ingest('s', VARIADIC ARRAY(SELECT format('{"k": %s, "v": %s}', i % 3, i % 2500 - 700) FROM generate_series(1, 2500) i));
TABLE all_of_them;
SELECT "offset", sqlstate, message, column_name, view_name, convert_from(payload, 'UTF8') AS payload
FROM s_dead_letters ORDER BY view_name, id;
SELECT i.count, i.sum = w.sum AS right FROM inverse i, (SELECT sum(1000 / v) FROM s WHERE v <> 0) w;
SELECT b.k, b.count, b.min = w.min AS right
FROM by_key b JOIN (SELECT k, count(*), min(100 / v) FROM s WHERE v <> 0 GROUP BY k) w USING (k, count) ORDER BY k;
SELECT rows_total, dead_letters FROM stream.status;
SELECT name, errors FROM stream.views ORDER BY name::text;
SELECT next_offset FROM stream.partitions;
DELETE FROM s_dead_letters;

-- the first, the last, every one
SELECT stream.ingest('s', '{"k": 10, "v": 0}', '{"k": 10, "v": 1}');
SELECT stream.ingest('s', '{"k": 11, "v": 1}', '{"k": 11, "v": 0}');
SELECT stream.ingest('s', '{"k": 12, "v": 0}', '{"k": 12, "v": 0}', '{"k": 12, "v": 0}');
SELECT view_name, count(*), array_agg("offset" ORDER BY "offset") FROM s_dead_letters GROUP BY 1 ORDER BY 1;
SELECT * FROM by_key WHERE k >= 10 ORDER BY k;
SELECT count FROM all_of_them;
SELECT stream.drop('s', cascade => true);

-- a group's overflow is the record's that brings it about
SELECT stream.create_stream('s', 'v bigint');
SELECT stream.create_view('sums', 'SELECT sum(v::int) AS s, max(v) AS m FROM s');
SELECT stream.ingest('s', '{"v": 2147483647}', '{"v": 2147483648}', '{"v": 1}');
TABLE sums;
SELECT "offset", sqlstate, message, view_name FROM s_dead_letters;
SELECT stream.drop('s', cascade => true);

-- errors raised by functions; those that are nobody's data are the caller's
CREATE FUNCTION picky(int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF $1 = 1 THEN RAISE 'one is refused'; END IF;
	IF $1 = 2 THEN RAISE 'two is refused' USING ERRCODE = '22000'; END IF;
	IF $1 = 3 THEN RAISE 'no right to three' USING ERRCODE = 'insufficient_privilege'; END IF;
	RETURN $1;
END $$;
SELECT stream.create_stream('s', 'v int');
SELECT stream.create_view('picked', 'SELECT sum(picky(v)) FROM s');
SELECT stream.create_view('counted', 'SELECT count(*) FROM s');
SELECT stream.ingest('s', '{"v": 0}', '{"v": 1}', '{"v": 2}', '{"v": 10}');
TABLE picked;
TABLE counted;
SELECT "offset", sqlstate, message FROM s_dead_letters ORDER BY id;
\set VERBOSITY terse
SELECT stream.ingest('s', '{"v": 10}', '{"v": 3}');
\set VERBOSITY default
TABLE picked;
TABLE counted;
SELECT next_offset FROM stream.partitions;
SELECT stream.drop('s', cascade => true);

-- the state's own constraints and triggers count, too
SELECT stream.create_stream('s', 'k int, v int');
SELECT stream.create_view('guarded', 'SELECT k, count(*) FROM s GROUP BY k');
SELECT state AS guarded_state FROM stream.get_views() \gset
CREATE FUNCTION no_seven() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.k = 7 THEN RAISE 'no seven' USING ERRCODE = 'check_violation'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER no_seven BEFORE INSERT ON :guarded_state FOR EACH ROW EXECUTE FUNCTION no_seven();
SELECT stream.ingest('s', '{"k": 6}', '{"k": 7}', '{"k": 8}');
SELECT * FROM guarded ORDER BY k;
SELECT "offset", sqlstate, message, view_name FROM s_dead_letters;
SELECT stream.drop('s', cascade => true);
DROP FUNCTION picky, no_seven;

-- skip and fail know views, too
SELECT stream.create_stream('s', 'v int', on_error => 'skip');
SELECT stream.create_view('inverse', 'SELECT count(*), sum(10 / v) FROM s');
SELECT stream.ingest('s', '{"v": 0}', '{"v": 5}');
TABLE inverse;
SELECT count(*) FROM s_dead_letters;
SELECT stream.drop('s', cascade => true);
SELECT stream.create_stream('s', 'v int', on_error => 'fail');
SELECT stream.create_view('inverse', 'SELECT count(*), sum(10 / v) FROM s');
SELECT stream.ingest('s', '{"v": 0}', '{"v": 5}');
TABLE inverse;
SELECT count(*) FROM s;
SELECT stream.drop('s', cascade => true);
