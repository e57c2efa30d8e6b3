"""The stream of a case and its records, as SQL.

Each batch is one call of stream.ingest_records; offsets grow within a
partition, with gaps, and partitions are mixed as the rows are.

Copyright (c) 2026, the stream_ext contributors
"""
from values import ident, quote


def columns_sql(case):
    return ", ".join(["at " + case.time_type] +
                     ["%s %s" % (c.sql, c.type.name) for c in case.columns])


def create_stream(case):
    return "SELECT stream.create_stream('s', %s%s);" % (
        quote(columns_sql(case)), ", event_time => 'at'" if case.event_time else "")


def create_view(number, query):
    sql = "SELECT stream.create_view('v%d', %s);" % (number, quote(query.sql()))
    rollup, _ = query.rollup_sql("v%d" % number)
    if rollup:
        sql += "\nSELECT stream.create_rollup('r%d', %s);" % (number, quote(rollup))
    return sql


def payload(case, row):
    """A JSON object; a NULL is a null or a field that is not there."""
    fields = []
    if row.time is not None:
        fields.append('"at": ' + case.time_cell(row)[0])
    for i, (column, cell) in enumerate(zip(case.columns, row.cells)):
        name = '"%s": ' % column.name.replace('"', '\\"')
        if cell is not None:
            fields.append(name + cell[0])
        elif i % 2:
            fields.append(name + "null")
    return "{%s}" % ", ".join(fields)


def ingest(case, batch, offsets):
    """offsets: the next one of each partition; grows."""
    records = []
    for row in batch.rows:
        offset = offsets.get(row.partition, 0)
        offsets[row.partition] = offset + 1 + len(records) % 3
        records.append("(%d, %d, NULL, NULL, convert_to(%s, 'UTF8'), NULL)" % (
            row.partition, offset, quote(payload(case, row))))
    return "SELECT stream.ingest_records('s', ARRAY[%s]::stream.record[]);" % ",\n\t".join(records)
