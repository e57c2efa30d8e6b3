"""What views are compared with: the same query over an ordinary table.

Schema "batch" has a table of the stream's name with the same rows, inserted as
SQL literals.  With search_path on it the very text of the view's query is run,
and compared with the view in both directions, and so are the columns' types.

The table has two columns more, for which the oracle adds a condition.  batch_no
is for views that were made after the first batches.

The window functions themselves are checked apart: their windows of the rows'
times must be those that windows.py has.

closed_to is the watermark that the row's batch went by, NULL for none.  A view
whose windows close leaves a row out of the windows for which it came too late:
those with window_end + allowed_lateness <= closed_to.  With emit append it shows
those up to the watermark of the last batch.

Copyright (c) 2026, the stream_ext contributors
"""
from feed import columns_sql
from values import INFINITY, quote, time_text

SETUP = """
CREATE SCHEMA batch;
CREATE FUNCTION batch.describe(relation regclass) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod),
		attcollation::regcollation), ', ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = relation AND attnum > 0 $$;

-- the first line says how many rows there are; others say what differs
CREATE FUNCTION batch.check_view(name text, query text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	view regclass := name::regclass;
	n bigint;
BEGIN
	PERFORM set_config('search_path', 'batch, public', true);
	EXECUTE 'CREATE VIEW batch.want AS ' || query;
	PERFORM set_config('search_path', 'public', true);
	EXECUTE 'SELECT count(*) FROM batch.want' INTO n;
	RETURN NEXT format('check %s %s', name, n);
	IF batch.describe('batch.want') <> batch.describe(view) THEN
		RETURN NEXT 'columns should be: ' || batch.describe('batch.want');
		RETURN NEXT 'columns are: ' || batch.describe(view);
	END IF;
	RETURN QUERY EXECUTE format(
		'SELECT ''missing: '' || x FROM
			(SELECT row_.*::text FROM batch.want row_ EXCEPT ALL SELECT row_.*::text FROM %1$s row_ LIMIT 5) AS m(x)
		UNION ALL SELECT ''too much: '' || x FROM
			(SELECT row_.*::text FROM %1$s row_ EXCEPT ALL SELECT row_.*::text FROM batch.want row_ LIMIT 5) AS e(x)',
		view);
	DROP VIEW batch.want;
END $$;
"""


def create_table(case):
    return "CREATE TABLE batch.s (%s, batch_no int, closed_to timestamptz);" % columns_sql(case)


def insert(case, number, batch):
    rows = []
    for row in batch.rows:
        if case.is_dead(row):
            continue
        cells = [None if row.time is None else case.time_cell(row)] + row.cells
        rows.append("(%s, %d, %s)" % (
            ", ".join("NULL" if c is None else quote(c[1]) for c in cells), number,
            "NULL" if batch.closed_to is None else quote(time_text(batch.closed_to, "+00"))))
    return "INSERT INTO batch.s VALUES %s;" % ",\n\t".join(rows) if rows else ""


def condition(query, closed_to):
    conditions = []
    if query.since:
        conditions.append("%s.batch_no >= %d" % (query.name, query.since))
    if query.closes:
        end = query.window.bound("window_end")
        if query.lateness:
            end += " + interval '%s'" % query.lateness[1]
        conditions.append("(%s <= %s.closed_to) IS NOT TRUE" % (end, query.name))
        if query.append:
            conditions.append("%s <= %s" % (
                end, "'-infinity'" if closed_to is None else quote(time_text(closed_to, "+00"))))
    return " AND ".join(conditions)


def checks(number, query, closed_to):
    """Of the view and, if it has one, of its roll-up; windows are closed up to closed_to."""
    _, over_all = query.rollup_sql("v%d" % number)
    compared = [("v", query)] + ([("r", over_all)] if over_all else [])
    return ["SELECT batch.check_view('%s%d', %s);" % (
        kind, number, quote(q.sql(condition(query, closed_to)))) for kind, q in compared]


def check_dead_letters(case):
    """Rows without an event time, and no others."""
    dead = sum(case.is_dead(row) for batch in case.batches for row in batch.rows)
    return """SELECT 'check dead letters, ' || count(*) FROM s_dead_letters
UNION ALL SELECT 'dead letters should be %d: ' || count(*) FROM s_dead_letters HAVING count(*) <> %d;""" % (
        dead, dead)


def array(values, type_):
    return "'{%s}'::%s[]" % (",".join('"%s"' % v for v in values), type_)


def check_window(case, number, query):
    """The windows of some of the rows, by other arithmetic than the function's."""
    times = sorted({row.time for batch in case.batches for row in batch.rows
                    if row.time not in (None, INFINITY)})[:20]
    zone = "+00" if case.time_type == "timestamptz" else ""
    want = [[time_text(us, zone) for us in (time,) + window]
            for time in times for window in query.window.windows_of(time)]
    return """WITH want AS (SELECT * FROM unnest(%s)),
	got AS (SELECT at, window_start, window_end FROM unnest(%s) AS at, %s)
SELECT 'check window of v%d ' || count(*) FROM got
UNION ALL SELECT 'window is missing: ' || x::text FROM (TABLE want EXCEPT ALL TABLE got) AS x
UNION ALL SELECT 'window too much: ' || x::text FROM (TABLE got EXCEPT ALL TABLE want) AS x;""" % (
        ", ".join(array([w[i] for w in want], case.time_type) for i in range(3)),
        array([time_text(us, zone) for us in times], case.time_type),
        query.window.call("at"), number)
