"""The stream of a case and its records, as SQL.

Each batch is one call of stream.ingest_records; offsets grow within a
partition, with gaps, and partitions are mixed as the rows are.

Copyright (c) 2026, the stream_ext contributors
"""
from values import ident, quote


def columns_sql(case):
    return ", ".join(columns(case))


def columns(case):
    return ["at " + case.time_type] + ["%s %s" % (c.sql, c.type.name) for c in case.columns]


def create_stream(case):
    options = ", event_time => 'at'" if case.event_time else ""
    if case.delay:
        options += ", watermark_delay => '%s', idle_timeout => '1 day'" % case.delay[1]
    # the second has its columns in another order
    return "\n".join("SELECT stream.create_stream('%s', %s%s);" % (
        stream, quote(", ".join(columns(case)[::-1 if i else 1])), options) for i, stream in enumerate(case.streams))


def create_view(number, query):
    options = ", allowed_lateness => '%s'" % query.lateness[1] if query.lateness else ""
    if query.append:
        options += ", emit => 'append'"
    sql = "SELECT stream.create_view('v%d', %s%s);" % (number, quote(query.sql()), options)
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
    """offsets: the next one of each partition, by stream; grows."""
    records = []
    offsets = offsets.setdefault(batch.stream, {})
    for row in batch.rows:
        offset = offsets.get(row.partition, 0)
        row.offset = offset
        offsets[row.partition] = offset + 1 + len(records) % 3
        records.append("(%d, %d, NULL, NULL, convert_to(%s, 'UTF8'), NULL)" % (
            row.partition, offset, quote(payload(case, row))))
    return "SELECT stream.ingest_records('%s', ARRAY[%s]::stream.record[]);" % (batch.stream, ",\n\t".join(records))


def silence(batch):
    """Makes partitions idle: their last record came long ago."""
    return ("UPDATE stream.catalog_partitions SET last_record_at = '2000-01-01'"
            " WHERE stream = '%s'::regclass AND partition IN (%s);" % (
                batch.stream, ", ".join(str(p) for p in batch.idle))) if batch.idle else ""


class Marks:
    """How far a stream's event time has come.

    Its watermark is the least of the partitions' that have been seen, each the
    greatest event time less the delay; it never goes back.  One that has brought
    only dead letters has none yet, and holds it up.  Idle ones do not count, unless
    all are; then those without a watermark do not.
    """

    def __init__(self, delay):
        self.delay = delay
        self.marks = {}
        self.idle = set()
        self.closed_to = None		# that of its last batch

    def watermark(self):
        active = [mark for p, mark in self.marks.items() if p not in self.idle]
        if not active:
            # all are idle: of those that have a watermark, the least
            active = [mark for mark in self.marks.values() if mark is not None]
        if not active or None in active:
            return self.closed_to
        return min(active) if self.closed_to is None else max(min(active), self.closed_to)

    def add(self, rows):
        self.closed_to = self.watermark()
        for row in rows:
            self.marks.setdefault(row.partition, None)
            self.idle.discard(row.partition)
            if row.time is not None:
                mark = row.time - self.delay
                seen = self.marks[row.partition]
                self.marks[row.partition] = mark if seen is None else max(mark, seen)


def least(watermarks):
    """None is less than all."""
    return None if None in watermarks else min(watermarks)


def watermarks(case):
    """Sets the watermarks that each batch goes by, before it."""
    if case.delay is None:
        return
    streams = {stream: Marks(case.delay[0]) for stream in case.streams}
    for batch in case.batches:
        marks = streams[batch.stream]
        marks.idle.update(p for p in batch.idle if p in marks.marks)
        if not batch.rows:
            continue
        batch.closed_to = marks.watermark()
        batch.least_to = least([other.watermark() for other in streams.values()])
        marks.add(batch.rows)
