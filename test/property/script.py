"""A case as one SQL script: a transaction that is rolled back at the end.

Copyright (c) 2026, the stream_ext contributors
"""
import functools
import re

import derived
import feed
import oracle


def write(case):
    """The script, and how many checks it makes."""
    lines = ["-- seed %d, case %d" % (case.seed, case.number), "BEGIN;",
             "SET LOCAL timezone = '%s';" % case.zone, "SET LOCAL client_min_messages = warning;",
             "\\o /dev/null", feed.create_stream(case), oracle.create_table(case)]
    feed.watermarks(case)
    checks = 0
    offsets = {}
    closed_to = {stream: None for stream in case.streams}
    for number, batch in enumerate(case.batches):
        if batch.rows:
            closed_to[batch.stream] = batch.closed_to
        lines += [feed.create_view(i, query) for i, query in enumerate(case.queries)
                  if query.since == number]
        for i, query in enumerate(case.queries):
            lines += derived.create(i, query, number)
        lines.append(feed.silence(batch))
        ingest = feed.ingest(case, batch, offsets)
        lines.append("SET LOCAL stream_ext.direct_merge_groups = %d;"
                     % (1 if batch.direct else 1000))
        if batch.zone:
            lines.append("SET LOCAL timezone = '%s';" % batch.zone)
        if batch.undone:
            lines += ["SAVEPOINT undone;", ingest, "ROLLBACK TO undone;"]
        lines += [ingest, oracle.insert(case, number, batch)]
        if batch.zone:
            lines.append("SET LOCAL timezone = '%s';" % case.zone)
        if batch.check:
            lines.append("\\o")
            for i, query in enumerate(case.queries):
                if query.since <= number:
                    compared, n = oracle.checks(
                        i, query, feed.least([closed_to[s] for s in query.streams()]),
                        functools.partial(derived.checks, i, query, number, case.time_type))
                    lines += compared
                    checks += n
            lines.append("\\o /dev/null")
    lines.append("\\o")
    for i, query in enumerate(case.queries):
        if query.window and not query.window.merges:
            lines.append(oracle.check_window(case, i, query))
            checks += 1
    lines.append(oracle.check_dead_letters(case))
    checks += 1
    lines += ["ROLLBACK;", ""]
    return "\n".join(line for line in lines if line), checks


class Verdict:
    """What psql printed: good when there is nothing but as many checks."""

    def __init__(self, output, checks):
        lines = output.splitlines()
        counts = [line.split() for line in lines if line.startswith("check ")]
        self.output = output
        # of views, roll-ups and views on views, and late ones
        self.rows = sum(int(words[2]) for words in counts if words[1][0] in "vrd" and words[2].isdigit())
        self.late = sum(int(words[2]) for words in counts if words[1].startswith("late_"))
        self.good = len(lines) == len(counts) == checks
        # must stay the same in shrink.py
        wrong = [line for line in lines if not line.startswith("check ")]
        self.kind = wrong and (re.search("ERROR:.*", output) or re.match("[^:]*", wrong[0]))[0]
        self.kind = re.sub('".*?"|[0-9]', "", self.kind or "")
