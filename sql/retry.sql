--
-- stream.retry_dead_letters(): they run again, each where it failed.
--
SET timezone = 'UTC';
CREATE FUNCTION text_of(bytea) RETURNS text LANGUAGE sql AS $$SELECT encode($1, 'escape')$$;

SELECT stream.create_stream('s', 'id int, amount int CONSTRAINT small CHECK (amount < 100), k text, h text',
	fields => '{"k": "@key", "h": "@headers.h"}');
SELECT stream.create_view('totals', 'SELECT k, count(*), sum(amount) FROM s GROUP BY k');
SELECT stream.ingest_records('s', ARRAY[
	(0, NULL, NULL, 'a', '{"id": 1, "amount": 10}', NULL),
	(0, NULL, NULL, 'a', '{"id": 2, "amount": 200}', '{"h": "kept"}'),
	(0, NULL, NULL, 'b', '{"id": 3, "amount": 300}', NULL),
	(0, NULL, NULL, 'b', 'rubbish', NULL)]::stream.record[]);
SELECT id, amount, k, h FROM s ORDER BY id;
SELECT * FROM totals ORDER BY k;
-- the fault persists: they stay
SELECT stream.retry_dead_letters('s');
SELECT "offset", sqlstate, message, text_of(payload) FROM s_dead_letters ORDER BY id;
SELECT * FROM totals ORDER BY k;
-- it is repaired
ALTER TABLE s DROP CONSTRAINT small;
SELECT stream.retry_dead_letters('s');
SELECT "offset", sqlstate, message, text_of(payload) FROM s_dead_letters ORDER BY id;
SELECT id, amount, k, h FROM s ORDER BY id;
SELECT * FROM totals ORDER BY k;
-- no offset moves
SELECT next_offset FROM stream.partitions;
-- corrected by hand
UPDATE s_dead_letters SET payload = '{"id": 4, "amount": 4}';
SELECT stream.retry_dead_letters('s');
SELECT stream.retry_dead_letters('s');
SELECT * FROM totals ORDER BY k;
SELECT stream.drop('s', cascade => true);

-- what one view refused goes to that view alone
CREATE TABLE divisors (k int, d int);
INSERT INTO divisors VALUES (1, 1), (2, 0), (3, 3);
SELECT stream.create_stream('s', 'k int, v int');
SELECT stream.create_view('counts', 'SELECT count(*), sum(v) FROM s');
SELECT stream.create_view('quotients', 'SELECT sum(s.v / d.d) AS q, count(*) FROM s JOIN divisors d ON d.k = s.k');
SELECT stream.create_view('inverses', 'SELECT sum(100 / v) AS i, count(*) FROM s');
SELECT stream.ingest('s', '{"k": 1, "v": 10}', '{"k": 2, "v": 20}', '{"k": 3, "v": 30}', '{"k": 2, "v": 0}', '{"k": 1, "v": 0}');
SELECT "offset", sqlstate, message, view_name FROM s_dead_letters ORDER BY id;
TABLE counts;
TABLE quotients;
TABLE inverses;
SELECT stream.retry_dead_letters('s');
SELECT "offset", sqlstate, message, view_name FROM s_dead_letters ORDER BY id;
UPDATE divisors SET d = 2 WHERE k = 2;
SELECT stream.retry_dead_letters('s');
SELECT "offset", sqlstate, message, view_name FROM s_dead_letters ORDER BY id;
TABLE counts;
TABLE quotients;
TABLE inverses;
SELECT count(*) AS staged FROM s;

-- a view that was renamed, moved or dropped meanwhile loses nothing silently
ALTER VIEW inverses RENAME TO inverted;
SELECT stream.retry_dead_letters('s');
SELECT "offset", view_name FROM s_dead_letters ORDER BY id;
UPDATE s_dead_letters SET view_name = 'public.inverted', payload = '{"k": 1, "v": 50}';
SELECT stream.retry_dead_letters('s');
TABLE inverted;
TABLE counts;
SELECT count(*) FROM s_dead_letters;
-- nor goes it to a relation that is none of its views
INSERT INTO s_dead_letters (partition, "offset", payload, sqlstate, message, view_name, failed_at)
VALUES (0, 1, '{"k": 1, "v": 1}', '22012', '', 'public.divisors', now());
SELECT stream.retry_dead_letters('s');
SELECT "offset", view_name FROM s_dead_letters ORDER BY id;
DELETE FROM s_dead_letters;

-- a letter of a view that does not even decode any more stays that view's
SELECT stream.ingest('s', '{"k": 1, "v": 0}');
SELECT view_name FROM s_dead_letters;
ALTER TABLE s ADD CONSTRAINT never_0 CHECK (v <> 0) NOT VALID;
SELECT stream.retry_dead_letters('s');
SELECT sqlstate, view_name FROM s_dead_letters;
TABLE counts;
SELECT stream.drop('s', cascade => true);
DROP TABLE divisors;

-- nothing to do; not a stream
SELECT stream.create_stream('s', 'a int');
SELECT stream.retry_dead_letters('s');
SELECT stream.retry_dead_letters('pg_class');
-- in a transaction that is rolled back they are back
SELECT stream.ingest('s', 'rubbish');
UPDATE s_dead_letters SET payload = '{"a": 1}';
BEGIN;
SELECT stream.retry_dead_letters('s');
SELECT count(*) FROM s_dead_letters;
ROLLBACK;
SELECT count(*) FROM s_dead_letters;
SELECT count(*) FROM s;
SELECT stream.drop('s');
DROP FUNCTION text_of;
