"""One stream with many random views, as files for a test that has Kafka and workers.

	python3 sample.py --seed N --views N --records N --directory DIR

DIR/setup.sql	what types, tables and functions the views use
DIR/create.sql	the stream "s" on topic "sample", and its views, in one transaction
DIR/records		one record a line, as kafkatool produce reads them, in order
DIR/table.sql	the table of the same rows
DIR/closed		the watermark that results must reach
DIR/check_N.sql	compares view N; prints "check ..." lines, and others for what differs

Batches are as they come, so no row may be late: the watermark's delay is longer
than all times are apart.  The last record of each partition is so far ahead that
it closes the windows of the others, for the views that show only closed ones.

Copyright (c) 2026, the stream_ext contributors
"""
import argparse
import os
import random
import re

import feed
import oracle
from case import Batch, Case, Row
from query import Query
from session import SETUP
from values import TYPES, Column, time_text
from windows import SECOND

DAY = 86400 * SECOND


class Sample(Case):
    """A case of one batch, as far as the oracle is concerned."""

    def __init__(self, seed, views, records, partitions=8):
        rng = random.Random(seed)
        self.seed, self.number, self.zone = seed, 0, "UTC"
        self.base = 1711846800 * SECOND
        self.partitions = partitions
        self.streams = ["s"]
        self.event_time, self.time_type = True, "timestamptz"
        names = ["int4", "numeric", "text", "bool", "small", "int4[]", "jsonb of arrays", "float8", "interval"]
        types = [t for name in names for t in TYPES if t.label == name]
        self.columns = [Column(rng, i, t) for i, t in enumerate(types + rng.sample(TYPES, 3))]
        self.queries = [Query(rng, self.columns, "at", self.time_type) for _ in range(views)]
        # workers take turns at totals, and so at what comes after them
        self.queries.sort(key=lambda q: (not (q.window and q.window.merges), not q.keys or q.sets is not None))
        for query in self.queries:
            query.choose_lateness(rng, True)
            query.some_late = False
        rows = self._make_rows(rng, records)
        times = [row.time for row in rows if row.time is not None]
        delay = (max(times) - min(times)) // SECOND * SECOND + DAY
        self.delay = (delay, "%d s" % (delay // SECOND))
        self.closed_to = max(times) + 400 * DAY
        for partition in range(partitions):
            rows.append(Row(self.closed_to + delay, rng.choice(rows).cells, partition))
        for row in rows:
            row.offset = 0
        self.batches = [Batch(rows, False)]


def kafkatool_line(case, row):
    value = re.sub(r"[\\\x00-\x1f]", lambda m: "\\x%02x" % ord(m[0]), feed.payload(case, row))
    return "%d\t\\N\t%s" % (row.partition, value)


def create(case):
    stream = feed.create_stream(case).replace("stream.create_stream('s', ", "stream.create_stream('s', server => 'kafka', "
                                              "topic => 'sample', workers => 4, "
                                              "options => '{\"batch_max_rows\": 50}', columns => ", 1)
    views = [feed.create_view(i, query) for i, query in enumerate(case.queries)]
    return "\n".join(["BEGIN;", stream] + views + ["COMMIT;", ""])


def files(case):
    batch = case.batches[0]
    yield "setup.sql", SETUP.replace("CREATE EXTENSION stream_ext;", "")
    yield "create.sql", create(case)
    yield "records", "".join(kafkatool_line(case, row) + "\n" for row in batch.rows)
    yield "table.sql", oracle.create_table(case) + "\n" + oracle.insert(case, 0, batch) + "\nANALYZE batch.s;\n"
    yield "closed", time_text(case.closed_to, "+00")
    for i, query in enumerate(case.queries):
        statements, _ = oracle.checks(i, query, case.closed_to)
        yield "check_%d.sql" % i, "\n".join(["SET timezone = 'UTC';"] + statements + [""])


def main():
    parser = argparse.ArgumentParser(prog="sample.py")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--directory", required=True)
    args = parser.parse_args()
    for name, text in files(Sample(args.seed, args.views, args.records)):
        with open(os.path.join(args.directory, name), "w", encoding="utf-8") as out:
            out.write(text)


if __name__ == "__main__":
    main()
