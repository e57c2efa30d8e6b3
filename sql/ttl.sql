--
-- state_ttl: groups leave when the watermark has passed them.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

CREATE PROCEDURE feed(VARIADIC events text[]) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM stream.ingest('s', VARIADIC (SELECT array_agg(
		json_build_object('at', '2024-01-01T' || split_part(e, ' ', 1) || 'Z', 'k', split_part(e, ' ', 2))::text)
	FROM unnest(events) AS e));
END $$;
CREATE VIEW parts AS
	SELECT inhparent::regclass AS state, inhrelid::regclass AS part, pg_get_expr(relpartbound, c.oid) AS bounds
	FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE relpartbound IS NOT NULL ORDER BY 1, 3;

SELECT stream.create_stream('s', 'at timestamptz, k text', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('minutes', $$SELECT window_start, k, count(*) AS n FROM s, stream.tumble(at, '1 min') GROUP BY 1, 2$$,
	state_ttl => '16 min');
SELECT stream.create_view('hops', $$SELECT window_end, count(*) AS n FROM s, stream.hop(at, '1 min', '4 min') GROUP BY 1$$,
	state_ttl => '16 min');
SELECT stream.create_view('sessions', $$SELECT k, window_start, count(*) AS n FROM s, stream.session(at, '3 min') GROUP BY 1, 2$$,
	state_ttl => '16 min');
SELECT stream.create_view('keys', 'SELECT k, count(*) AS n FROM s GROUP BY k', state_ttl => '16 min');
CALL feed('10:00:30 a', '10:01:00 b', '10:03:00 a', '10:03:10 long');
-- a partition of the state for each two minutes, made as they are needed
SELECT * FROM parts WHERE state = 'minutes_state'::regclass;
CALL feed('10:06:00 long', '10:08:00 c');
CALL feed('10:09:00 long');
CALL feed('10:12:00 long');
TABLE minutes ORDER BY 1, 2;
TABLE hops ORDER BY 1;
TABLE sessions ORDER BY 1, 2;
TABLE keys ORDER BY 1;
-- 10:20 is 16 minutes after the end of [10:00, 10:02), [10:02, 10:04)
CALL feed('10:20:00 d', '10:14:00 long');
CALL feed('10:20:00 d');
TABLE minutes ORDER BY 1, 2;
TABLE hops ORDER BY 1;
TABLE sessions ORDER BY 1, 2;
TABLE keys ORDER BY 1;
SELECT * FROM parts WHERE state = 'minutes_state'::regclass;
-- a session that began long ago stays while it is young
SELECT * FROM parts WHERE state = 'sessions_state'::regclass;
CALL feed('11:00:00 e');
CALL feed('11:00:01 e');
TABLE minutes ORDER BY 1, 2;
TABLE hops ORDER BY 1;
TABLE sessions ORDER BY 1, 2;
TABLE keys ORDER BY 1;
SELECT * FROM parts WHERE state <> 's'::regclass;
-- what comes for a window that has left is late; a group without a window begins anew
CALL feed('10:00:30 a', '11:00:02 e');
TABLE minutes ORDER BY 1, 2;
TABLE keys ORDER BY 1;
SELECT k, n, updated_at FROM keys_state ORDER BY 1;
SELECT event_time FROM minutes_late_rows;
CALL feed('11:00:03 e');
TABLE keys ORDER BY 1;

-- sizes are those of all partitions
ANALYZE minutes_state;
SELECT name, state_bytes > 0 AS bytes FROM stream.views ORDER BY name::text;
-- the user's index and rights are there in new partitions
CREATE INDEX ON minutes_state (k);
CREATE ROLE ttl_reader;
GRANT SELECT ON minutes_state TO ttl_reader;
CALL feed('11:30:00 f');
SET ROLE ttl_reader;
SELECT count(*) FROM minutes_state WHERE k = 'f';
RESET ROLE;
SELECT count(*) FROM pg_indexes WHERE tablename LIKE 'minutes\_state\__%' AND indexdef LIKE '%(k)';
-- a failed batch makes no partition
BEGIN;
CALL feed('12:00:00 f');
ROLLBACK;
CALL feed('11:31:00 f');
TABLE minutes ORDER BY 1, 2;
-- times that no partition is for are the view's dead letters, as are too many of them
SELECT stream.create_view('other', $$SELECT window_start, count(*) AS n FROM s, stream.tumble(CASE k WHEN 'inf' THEN 'infinity' WHEN 'null' THEN NULL ELSE at END, '1 min')
	GROUP BY 1$$, state_ttl => '16 min');
CALL feed('11:31:00 inf', '11:31:01 null', '11:31:02 g');
TABLE other;
SELECT message, view_name FROM s_dead_letters ORDER BY id;
SELECT stream.drop('other');
SELECT count(*) FROM pg_class WHERE relname LIKE 'other%';

-- refused
SELECT stream.create_view('r', 'SELECT count(*) FROM s', state_ttl => '1 min');
SELECT stream.create_view('r', 'SELECT k, count(*) FROM s GROUP BY k', state_ttl => '1 month');
SELECT stream.create_view('r', 'SELECT k, count(*) FROM s GROUP BY k', state_ttl => '-1 s');
SELECT stream.create_view('r', 'SELECT k, count(*) FROM s GROUP BY k', state_ttl => '1 min', allowed_lateness => '2 min');
SELECT stream.create_view('r', 'SELECT k AS updated_at, count(*) FROM s GROUP BY k', state_ttl => '1 min');
SELECT stream.create_view('r', $$SELECT k, window_start, count(*) FROM s, stream.tumble(at, '1 min') GROUP BY ROLLUP (k, window_start)$$, state_ttl => '1 min');
SELECT stream.create_stream('timeless', 'at timestamptz, k text', event_time => 'at');
SELECT stream.create_view('r', 'SELECT k, count(*) FROM timeless GROUP BY k', state_ttl => '1 min');
SELECT stream.drop('timeless');
SELECT stream.create_stream('dated', 'at date, k text', event_time => 'at', watermark_delay => '1 day');
SELECT stream.create_view('r', 'SELECT k, count(*) FROM dated GROUP BY k', state_ttl => '1 min');
SELECT stream.drop('dated');

DROP VIEW minutes;
SELECT count(*) FROM pg_class WHERE relname LIKE 'minutes%';
SELECT stream.drop('s', cascade => true);
DROP VIEW parts;
DROP ROLE ttl_reader;
DROP PROCEDURE feed;

-- panes leave before windows that they are in: a window is whole or not there
SELECT stream.create_stream('beats', 'at timestamptz', event_time => 'at', watermark_delay => '0 s', idle_timeout => '1 day');
SELECT stream.create_view('beats_hop', $$SELECT window_start, count(*) AS n FROM beats, stream.hop(at, '20 s', '1 min') GROUP BY 1$$,
	emit => 'append', state_ttl => '1 min');
SELECT stream.create_view('beats_cumulate', $$SELECT window_start, window_end, count(*) AS n FROM beats, stream.cumulate(at, '20 s', '1 min') GROUP BY 1, 2$$,
	state_ttl => '1 min');
CREATE TABLE seen (at timestamptz);
DO $$
BEGIN
	FOR i IN 0 .. 59 LOOP
		INSERT INTO seen VALUES (timestamptz '2024-01-01 00:00:00+00' + i * interval '10 s');
		PERFORM stream.ingest('beats', format('{"at":"%s"}', timestamptz '2024-01-01 00:00:00+00' + i * interval '10 s'));
		IF EXISTS (TABLE beats_hop EXCEPT
				SELECT window_start, count(*) FROM seen, stream.hop(at, '20 s', '1 min') GROUP BY 1) OR
			EXISTS (TABLE beats_cumulate EXCEPT
				SELECT window_start, window_end, count(*) FROM seen, stream.cumulate(at, '20 s', '1 min') GROUP BY 1, 2) THEN
			RAISE EXCEPTION 'a window is not whole after record %', i;
		END IF;
	END LOOP;
END $$;
TABLE beats_hop ORDER BY 1;
TABLE beats_cumulate ORDER BY 1, 2;
SELECT stream.drop('beats', true);
DROP TABLE seen;
