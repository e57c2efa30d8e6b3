-- more often than there are places for counters
DO $$
BEGIN
	FOR i IN 1 .. 100 LOOP
		BEGIN
			PERFORM stream.create_stream('s', 'a int', options => '{"staging_max_rows": 10}');
			PERFORM stream.create_view('v', 'SELECT count(*) FROM s');
			PERFORM stream.ingest('s', '{"a": 1}');
			RAISE 'roll it back';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
BEGIN;
SELECT stream.create_stream('s', 'a int');
ROLLBACK;
-- what was not dropped after all keeps its figures
SELECT stream.create_stream('s', 'a int');
SELECT stream.ingest('s', '{"a": 1}');
BEGIN;
SELECT stream.drop('s');
ROLLBACK;
SELECT rows_total FROM stream.status;
SELECT count(*) AS staged FROM s;
SELECT stream.drop('s');
