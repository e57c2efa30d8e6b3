--
-- Streams and views are known by what they are, not by their names.
--
CREATE SCHEMA here;
CREATE SCHEMA there;
SELECT stream.create_stream('here.s', 'k int, v int NOT NULL, at timestamptz', event_time => 'at', fields => '{"v": "value"}');
SELECT stream.create_view('here.v', 'SELECT k, sum(v) FROM here.s GROUP BY k');
SELECT stream.ingest('here.s', '{"k": 1, "value": 1, "at": 0}');

ALTER TABLE here.s RENAME TO "Stream";
ALTER VIEW here.v RENAME TO "View";
SELECT stream.ingest('here."Stream"', '{"k": 1, "value": 2, "at": 0}', '{"k": 2, "at": 0}');
SELECT * FROM here."View";
SELECT message FROM here.s_dead_letters;
SELECT stream, rows_total FROM stream.status;
SELECT name, stream FROM stream.views;

ALTER TABLE here."Stream" SET SCHEMA there;
ALTER VIEW here."View" SET SCHEMA there;
SELECT stream.ingest('there."Stream"', '{"k": 1, "value": 3, "at": 0}');
SELECT * FROM there."View";
ALTER SCHEMA there RENAME TO elsewhere;
SELECT stream.ingest('elsewhere."Stream"', '{"k": 1, "value": 5, "at": 0}', 'rubbish');
SELECT * FROM elsewhere."View";
SELECT count(*) FROM here.s_dead_letters;
SELECT name, stream FROM stream.views;

-- columns: new ones are read, the ones that are used are held
ALTER TABLE elsewhere."Stream" ADD COLUMN extra text DEFAULT 'none';
SELECT stream.ingest('elsewhere."Stream"', '{"k": 3, "value": 1, "at": 0, "extra": "x"}', '{"k": 3, "value": 1, "at": 0}');
SELECT extra, count(*) FROM elsewhere."Stream" GROUP BY 1 ORDER BY 1;
ALTER TABLE elsewhere."Stream" DROP COLUMN extra;
SELECT stream.ingest('elsewhere."Stream"', '{"k": 3, "value": 1, "at": 0, "extra": "x"}');
ALTER TABLE elsewhere."Stream" ALTER COLUMN v DROP NOT NULL;
SELECT stream.ingest('elsewhere."Stream"', '{"k": 3, "at": 0}');
ALTER TABLE elsewhere."Stream" ADD CHECK (k < 100);
SELECT stream.ingest('elsewhere."Stream"', '{"k": 100, "at": 0}');
SELECT * FROM elsewhere."View" ORDER BY k;
SELECT sqlstate, count(*) FROM here.s_dead_letters GROUP BY 1 ORDER BY 1;
-- the column that event_time names
ALTER TABLE elsewhere."Stream" RENAME at TO happened;
-- a column that a view reads
BEGIN;
ALTER TABLE elsewhere."Stream" DROP COLUMN v;
ROLLBACK;
SELECT stream.ingest('elsewhere."Stream"', '{"k": 3, "value": 1, "at": 0}');
SELECT * FROM elsewhere."View" ORDER BY k;

SELECT stream.drop('elsewhere."Stream"', true);
SELECT count(*) FROM pg_class WHERE relnamespace IN ('elsewhere'::regnamespace, 'here'::regnamespace);
DROP SCHEMA elsewhere, here;
