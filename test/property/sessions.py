"""The oracle of stream.session: which session each row of a table is in.

batch.find_sessions makes a table "members" of the rows that a query groups, by
the group's keys, time and batch, with the session's bounds, or NULL for what is
late.  The oracle's query has a join with it where the view's has the function.

Where nothing can be late window functions tell the sessions of a table.  Else the
batches are gone through one by one, as docs/views.md has it:

  * a session that ends at the watermark or before is closed;
  * a row whose own window [ts, ts + gap) is closed is late if it touches a closed
    session that starts at or behind it;
  * what is left is chained with open sessions; a chain that is closed is late.

Copyright (c) 2026, the stream_ext contributors
"""
from values import quote
from windows import length_text

SETUP = """
CREATE TYPE batch.chain AS (first timestamptz, last timestamptz, ids int[], times timestamptz[]);
CREATE FUNCTION batch.find_sessions(rows_sql text, keys text, gap interval, closing bool) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	nth int;
	this_grp int;
	closed_at timestamptz;
	r record;
	chain batch.chain;
BEGIN
	PERFORM set_config('search_path', 'batch, public', true);
	EXECUTE format('CREATE TABLE batch.members AS SELECT DISTINCT r.*, dense_rank() OVER (ORDER BY %s) AS grp,
		NULL::int AS session, t AS window_start, t AS window_end FROM (%s) AS r WHERE t IS NOT NULL', keys, rows_sql);
	PERFORM set_config('search_path', 'public', true);
	UPDATE batch.members SET window_start = NULL, window_end = NULL;
	IF NOT closing THEN
		UPDATE batch.members AS m SET window_start = s.first, window_end = s.last + gap
		FROM (SELECT x.grp, x.t, min(x.t) OVER w AS first, max(x.t) OVER w AS last
			FROM (SELECT b.*, count(*) FILTER (WHERE begins) OVER (PARTITION BY b.grp ORDER BY b.t) AS n
				FROM (SELECT d.*, d.t > lag(d.t) OVER (PARTITION BY d.grp ORDER BY d.t) + gap AS begins
					FROM (SELECT DISTINCT a.grp, a.t FROM batch.members AS a) AS d) AS b) AS x
			WINDOW w AS (PARTITION BY x.grp, x.n)) AS s
		WHERE s.grp = m.grp AND s.t = m.t;
		RETURN;
	END IF;
	CREATE TABLE batch.sessions (id serial, grp int, first timestamptz, last timestamptz);
	FOR nth, this_grp, closed_at IN SELECT DISTINCT m.batch_no, m.grp, coalesce(m.closed, '-infinity') FROM batch.members AS m ORDER BY 1 LOOP
		chain := NULL;
		FOR r IN SELECT m.t AS first, m.t AS last, NULL::int AS id FROM batch.members AS m
				WHERE m.batch_no = nth AND m.grp = this_grp AND (m.t + gap > closed_at OR NOT EXISTS (
					SELECT FROM batch.sessions AS s WHERE s.grp = m.grp AND s.last + gap <= closed_at
						AND s.first BETWEEN m.t AND m.t + gap))
			UNION ALL SELECT s.first, s.last, s.id FROM batch.sessions AS s WHERE s.grp = this_grp AND s.last + gap > closed_at
			ORDER BY 1, 3 LOOP
			IF chain IS NULL OR r.first > chain.last + gap THEN
				PERFORM batch.close_chain(chain, nth, this_grp, closed_at - gap);
				SELECT r.first, r.last, ARRAY[r.id] AS ids, ARRAY[r.first] AS times INTO chain;
			ELSE
				SELECT chain.first, greatest(chain.last, r.last) AS last, chain.ids || r.id AS ids,
					chain.times || r.first AS times INTO chain;
			END IF;
		END LOOP;
		PERFORM batch.close_chain(chain, nth, this_grp, closed_at - gap);
	END LOOP;
	UPDATE batch.members AS m SET window_start = s.first, window_end = s.last + gap
	FROM batch.sessions AS s WHERE s.id = m.session;
	DROP TABLE batch.sessions;
END $$;

-- rows and open sessions that are one session, unless it ends before it begins to count
CREATE FUNCTION batch.close_chain(chain batch.chain, nth int, this_grp int, closed timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	new_id int;
BEGIN
	IF chain IS NULL OR chain.last <= closed THEN
		RETURN;
	END IF;
	INSERT INTO batch.sessions (grp, first, last) VALUES (this_grp, chain.first, chain.last) RETURNING id INTO new_id;
	DELETE FROM batch.sessions AS s WHERE s.id = ANY (chain.ids);
	UPDATE batch.members AS m SET session = new_id
	WHERE m.grp = this_grp AND (m.session = ANY (chain.ids) OR m.batch_no = nth AND m.t = ANY (chain.times));
END $$;
"""


def rows_sql(query, condition, lateness, hidden):
    """The rows that the query groups; its bounds are no columns of them."""
    keys = [k for k in query.keys if k not in bounds(query)]
    items = [(k, "k%d" % i) for i, k in enumerate(keys)]
    items += [(query.time, "t"), (query.name + ".batch_no", "batch_no"),
              ("%s.%s - interval '%s'" % (query.name, closed_column(query), lateness), "closed")]
    return query.select(items, condition, hidden, "(SELECT) AS w"), len(keys)


def closed_column(query):
    """What a row's batch went by: sessions of several streams are open as long as for one of them."""
    return "least_to" if query.window.merges and len(query.streams()) > 1 else "closed_to"


def bounds(query):
    return [query.window.bound(b) for b in ("window_start", "window_end")]


def find(query, condition, lateness, hidden):
    """Makes batch.members."""
    rows, n = rows_sql(query, condition, lateness, hidden)
    return "SELECT batch.find_sessions(%s, %s, '%s', %s);" % (
        quote(rows), quote(", ".join("k%d" % i for i in range(n)) or "1"), length_text(query.window.size),
        "true" if query.some_late else "false")


def lookup(query, late=False):
    """In FROM: the session of a row, or the window that it would have been late for."""
    keys = [k for k in query.keys if k not in bounds(query)]
    match = ["x.k%d IS NOT DISTINCT FROM (%s)" % (i, key) for i, key in enumerate(keys)]
    match += ["x.t = " + query.time, "x.batch_no = %s.batch_no" % query.name,
              "x.window_start IS %sNULL" % ("" if late else "NOT ")]
    return "(SELECT %s FROM members AS x WHERE %s) AS w" % (
        "x.t AS window_start, x.t + interval '%s' AS window_end" % length_text(query.window.size) if late else
        "x.window_start, x.window_end", " AND ".join(match))
