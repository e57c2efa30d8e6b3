"""What views are compared with: the same query over an ordinary table.

Schema "batch" has a table of the stream's name with the same rows, inserted as
SQL literals.  With search_path on it the very text of the view's query is run,
and compared with the view in both directions, and so are the columns' types.

The table has more columns, for which the oracle adds conditions.  batch_no is
for views that were made after the first batches; partition_no, offset_no and
as_json are the row's place and the row as late rows are kept.  What the stream is
behind, as a sub-select, passes them on.

The window functions themselves are checked apart: their windows of the rows'
times must be those that windows.py has.

closed_to is the watermark that the row's batch went by, NULL for none, least_to the
least of all streams' at that time, by which sessions of several go.  A view
whose windows close leaves a row out of the windows for which it came too late:
those with window_end + allowed_lateness <= closed_to.  With emit append it shows
those up to the watermark of the last batch.  A row that is late for all its
windows must be in the view's table of late rows, and no other.

Copyright (c) 2026, the stream_ext contributors
"""
import sessions
from feed import columns_sql
from values import INFINITY, quote, time_text

HIDDEN = ["batch_no", "closed_to", "least_to", "partition_no", "offset_no", "as_json"]

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
""" + sessions.SETUP


def create_table(case):
    return "\n".join(
        "CREATE TABLE batch.%s (%s, batch_no int, closed_to timestamptz, least_to timestamptz, partition_no int,"
        " offset_no bigint, as_json jsonb);" % (stream, columns_sql(case)) for stream in case.streams)


def moment(us, otherwise):
    return otherwise if us is None else quote(time_text(us, "+00"))


def insert(case, number, batch):
    rows = []
    for row in batch.rows:
        if case.is_dead(row):
            continue
        cells = [None if row.time is None else case.time_cell(row)] + row.cells
        rows.append("(%s, %d, %s, %s, %d, %d)" % (
            ", ".join("NULL" if c is None else quote(c[1]) for c in cells), number,
            moment(batch.closed_to, "NULL"), moment(batch.least_to, "NULL"), row.partition, row.offset))
    if not rows:
        return ""
    text = "INSERT INTO batch.%s VALUES %s;" % (batch.stream, ",\n\t".join(rows))
    if any(query.closes for query in case.queries):
        # now, as the time zone is the batch's
        text += "\nUPDATE batch.%s AS s SET as_json = to_jsonb(s) %s WHERE batch_no = %d;" % (
            batch.stream, " ".join("- '%s'" % name for name in HIDDEN), number)
    return text


def made_before(query):
    return "%s.batch_no >= %d" % (query.name, query.since) if query.since else ""


def condition(query, closed_to):
    conditions = [made_before(query)] if query.since else []
    if query.closes and query.window.merges:
        if query.append:
            conditions.append("%s + interval '%s' <= %s" % (
                query.window.bound("window_end"), lateness(query), moment(closed_to, "'-infinity'")))
    elif query.closes:
        end = query.window.bound("window_end")
        if query.lateness:
            end += " + interval '%s'" % query.lateness[1]
        conditions.append("(%s <= %s.closed_to) IS NOT TRUE" % (end, query.name))
        if query.append:
            conditions.append("%s <= %s" % (end, moment(closed_to, "'-infinity'")))
    return " AND ".join(conditions)


def lateness(query):
    return query.lateness[1] if query.lateness else "0"


def checks(number, query, closed_to, more=lambda over_rows: []):
    """Of the view and, if it has one, of its roll-up and of its late rows.

    Windows are closed up to closed_to.  more(over_rows) gives further checks, which
    may need the text of a query over the rows that the view shows.  Returns
    statements, and how many of them are checks.
    """
    _, over_all = query.rollup_sql("v%d" % number)
    merges = query.window is not None and query.window.merges
    window = sessions.lookup(query) if merges else None
    statements = []

    def over_rows(q):
        return q.sql(condition(query, closed_to), HIDDEN, window)

    for kind, q in [("v%d", query)] + ([("r%d", over_all)] if over_all else []):
        statements.append("SELECT batch.check_view('%s', %s);" % (kind % number, quote(over_rows(q))))
    if query.closes:
        statements.append(check_late_rows(number, query))
    statements += more(over_rows)
    n = len(statements)
    if merges:
        statements = (["\\o /dev/null", sessions.find(query, made_before(query), lateness(query), HIDDEN), "\\o"] +
                      statements + ["DROP TABLE batch.members;"])
    return statements, n


def check_late_rows(number, query):
    end = query.window.bound("window_end")
    conditions = [made_before(query)] if query.since else []
    window = None
    if query.window.merges:
        window = sessions.lookup(query, late=True)
    else:
        # the last window, and it was closed
        conditions += ["%s + interval '%s' <= %s.closed_to" % (end, lateness(query), query.name),
                       "%s = (SELECT max(y.window_end) FROM %s)" % (end, query.window.call(query.time, " AS y"))]
    items = [("%s.%s" % (query.name, name), column) for name, column in (
        ("partition_no", '"partition"'), ("offset_no", '"offset"'))]
    items += [(query.time, "event_time"), (query.window.bound("window_start"), "window_start"), (end, "window_end"),
              ("%s.%s - interval '%s'" % (query.name, sessions.closed_column(query), lateness(query)), "closed_to"),
              (query.name + ".as_json", '"row"')]
    want = query.select(items, " AND ".join(conditions), HIDDEN, window)
    return ("CREATE VIEW late_%d AS SELECT %s FROM v%d_late_rows;\n"
            "SELECT batch.check_view('late_%d', %s);\nDROP VIEW late_%d;" % (
                number, ", ".join(column for _, column in items), number, number, quote(want), number))


def check_dead_letters(case):
    """Rows without an event time, and no others."""
    dead = sum(case.is_dead(row) for batch in case.batches for row in batch.rows)
    letters = " UNION ALL ".join("SELECT FROM %s_dead_letters" % stream for stream in case.streams)
    return """WITH d AS (%s) SELECT 'check dead letters, ' || count(*) FROM d
UNION ALL SELECT 'dead letters should be %d: ' || count(*) FROM d HAVING count(*) <> %d;""" % (letters, dead, dead)


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
