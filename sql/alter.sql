--
-- ALTER TABLE and ALTER VIEW on streams and views.
--
SET client_min_messages = warning;
CREATE ROLE regress_first;
CREATE ROLE regress_second;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO regress_first;
CREATE SCHEMA play AUTHORIZATION regress_first;
GRANT USAGE, CREATE ON SCHEMA play TO regress_second;
RESET client_min_messages;
SET ROLE regress_first;
SELECT stream.create_stream('play.s', 'k int, v int');
SELECT stream.create_view('play.sums', 'SELECT k, sum(v) FROM play.s GROUP BY k');
SELECT stream.ingest('play.s', '{"k": 1, "v": 2}');
RESET ROLE;

-- a column's name is what records and views call it
ALTER TABLE play.s RENAME COLUMN v TO amount;
ALTER TABLE play.s RENAME v TO amount;
-- columns of the view and of other tables may be renamed
ALTER VIEW play.sums RENAME COLUMN sum TO amount;
CREATE TABLE play.t (a int);
ALTER TABLE play.t RENAME COLUMN a TO b;
DROP TABLE play.t;

-- a new column is filled from then on
ALTER TABLE play.s ADD COLUMN w int DEFAULT 7;
SELECT stream.ingest('play.s', '{"k": 1, "v": 3}', '{"k": 1, "v": 4, "w": 5}');
SELECT * FROM play.s ORDER BY v;
TABLE play.sums;

-- the owner of a view is the stream's, and all of a stream changes hands
ALTER VIEW play.sums OWNER TO regress_second;
ALTER TABLE play.sums OWNER TO regress_second;
ALTER TABLE play.s OWNER TO regress_second;
SELECT relname, pg_get_userbyid(relowner) FROM pg_class
	WHERE relnamespace = 'play'::regnamespace AND relkind IN ('r', 'v', 'S')
	ORDER BY relname;
SET ROLE regress_first;
SELECT stream.ingest('play.s', '{"k": 1, "v": 5}');
RESET ROLE;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO regress_second;
SET ROLE regress_second;
SELECT stream.ingest('play.s', '{"k": 1, "v": 5}', '{"k": "x"}');
TABLE play.sums;
SELECT payload FROM play.s_dead_letters;
RESET ROLE;
REASSIGN OWNED BY regress_second TO regress_first;
SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
	WHERE relnamespace = 'play'::regnamespace AND relkind IN ('r', 'v', 'S');
SET ROLE regress_first;
SELECT stream.ingest('play.s', '{"k": 2, "v": 5}');
SELECT stream.drop('play.s', true);
RESET ROLE;

DROP SCHEMA play CASCADE;
DROP OWNED BY regress_first, regress_second;
DROP ROLE regress_first, regress_second;
