--
-- The stream's recent rows: a bounded ring, not in anybody's way.
--
-- the bound holds whatever comes: at most max_rows and one batch
SELECT stream.create_stream('s', 'i int', options => '{"staging_max_rows": 3000}');
SELECT stream.create_view('total', 'SELECT count(*), sum(i) FROM s');
DO $$
BEGIN
	FOR b IN 0 .. 19 LOOP
		PERFORM stream.ingest('s', VARIADIC ARRAY(SELECT format('{"i": %s}', i) FROM generate_series(b * 500 + 1, b * 500 + 500) i));
	END LOOP;
END $$;
SELECT count(*) BETWEEN 2000 AND 4000 AS bounded, max(i) AS newest, min(i) > 5000 AS old_ones_went FROM s;
TABLE total;
SELECT stream.drop('s', cascade => true);

-- one record at a time, the smallest ring
SELECT stream.create_stream('s', 'i int', options => '{"staging_max_rows": 1}');
SELECT count(*) FROM (SELECT stream.ingest('s', format('{"i": %s}', i)) FROM generate_series(1, 50) i) x;
SELECT count(*) BETWEEN 1 AND 4 AS bounded, max(i) AS newest FROM s;
SELECT stream.drop('s');

-- off: no segments, no rows, the views count
SELECT stream.create_stream('s', 'i int', options => '{"staging_max_rows": 0}');
SELECT stream.create_view('total', 'SELECT count(*), sum(i) FROM s');
SELECT stream.ingest('s', '{"i": 1}', '{"i": 2}');
SELECT count(*) FROM s;
TABLE total;
SELECT count(*) FROM pg_inherits WHERE inhparent = 's'::regclass;
SELECT stream.drop('s', cascade => true);

-- an open cursor holds the rows it reads; new ones go elsewhere or are dropped
SELECT stream.create_stream('s', 'i int', options => '{"staging_max_rows": 400}');
SELECT stream.create_view('total', 'SELECT count(*), sum(i) FROM s');
SELECT stream.ingest('s', VARIADIC ARRAY(SELECT format('{"i": %s}', i) FROM generate_series(1, 100) i));
BEGIN;
DECLARE c CURSOR FOR SELECT i FROM s ORDER BY i;
FETCH 2 FROM c;
DECLARE d CURSOR FOR SELECT i FROM s;
FETCH 1 FROM d;
SELECT sum(stream.ingest('s', VARIADIC ARRAY(SELECT format('{"i": %s}', i) FROM generate_series(b * 100 + 1, b * 100 + 100) i)))
FROM generate_series(1, 20) b;
FETCH 2 FROM c;
MOVE FORWARD ALL FROM d;
COMMIT;
TABLE total;
SELECT count(*) <= 600 AS bounded FROM s;
SELECT stream.ingest('s', '{"i": 5000}');
SELECT stream.ingest('s', '{"i": 5001}');
SELECT max(i) FROM s;
SELECT stream.drop('s', cascade => true);

-- what was staged by a transaction that failed is not seen, and not unbounded
SELECT stream.create_stream('s', 'i int', options => '{"staging_max_rows": 300}');
SELECT stream.ingest('s', '{"i": 0}');
DO $$
BEGIN
	FOR b IN 1 .. 20 LOOP
		BEGIN
			PERFORM stream.ingest('s', VARIADIC ARRAY(SELECT format('{"i": %s}', i) FROM generate_series(1, 100) i));
			RAISE 'roll it back';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT count(*) <= 1 AS nothing FROM s;
SELECT sum(pg_relation_size(inhrelid)) < 200000 AS small FROM pg_inherits WHERE inhparent = 's'::regclass;
SELECT stream.ingest('s', '{"i": 1}');
SELECT max(i) FROM s;
SELECT next_offset FROM stream.partitions;
SELECT stream.drop('s');

-- large rows are toasted, and go with their segment
SELECT stream.create_stream('s', 'i int, t text', options => '{"staging_max_rows": 30}');
DO $$
BEGIN
	FOR b IN 1 .. 20 LOOP
		PERFORM stream.ingest('s', VARIADIC ARRAY(SELECT format('{"i": %s, "t": "%s"}', b, (SELECT string_agg(md5(i::text || b || j), '') FROM generate_series(1, 200) j)) FROM generate_series(1, 10) i));
	END LOOP;
END $$;
SELECT count(*) <= 50 AS bounded, max(i), min(length(t)), max(length(t)) FROM s;
SELECT sum(pg_total_relation_size(inhrelid)) < 2000000 AS small FROM pg_inherits WHERE inhparent = 's'::regclass;
SELECT stream.drop('s');

-- rows lie in the segments only; columns are those of the stream
SELECT stream.create_stream('s', 'i int');
SELECT stream.ingest('s', '{"i": 1}');
SELECT count(*) FROM ONLY s;
SELECT DISTINCT relpersistence, relkind FROM pg_class WHERE relname LIKE 's\_segment%';
-- a segment that somebody dropped is not missed
DROP TABLE s_segment1;
SELECT stream.ingest('s', '{"i": 2}'), stream.ingest('s', '{"i": 3}');
SELECT max(i) FROM s;
-- emptied by hand
TRUNCATE s;
SELECT count(*) FROM s;
SELECT stream.ingest('s', '{"i": 4}');
TABLE s;
SELECT stream.drop('s');
