"""One case: a stream, its rows in batches, and queries, all from one seed.

Copyright (c) 2026, the stream_ext contributors
"""
import random
import re

import derived
from query import Query
from values import BASES, INFINITY, TYPES, Column, time_text
from windows import DELAYS, SECOND

SIZES = [0, 3, 10, 10] + [30, 60, 120, 200] * 3
ZONES = ["UTC", "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia"]

# What depends on the session's zone, and so on who feeds a stream.
LOCAL = re.compile(r"date_trunc|::date|extract|'2024-")


class Row:
    """cells are (json, literal) or None for NULL; time is the event's, or None."""

    def __init__(self, time, cells, partition):
        self.time = time
        self.cells = cells
        self.partition = partition
        self.offset = None			# feed.ingest gives it


class Batch:
    def __init__(self, rows, undone, stream="s"):
        self.rows = rows
        self.stream = stream
        self.zone = None			# of the session that feeds it; None: the case's
        self.direct = False			# its groups are merged without ON CONFLICT
        self.closed_to = None		# the watermark that it goes by; feed.watermarks
        self.least_to = None		# the least of all streams' at that time
        self.idle = []				# partitions that have been silent before it
        self.undone = undone		# fed twice: the first time is rolled back
        self.check = False			# whether views are compared after it


class Case:
    def __init__(self, seed, number):
        rng = random.Random("%d/%d" % (seed, number))
        self.seed, self.number = seed, number
        self.zone = rng.choice(ZONES)
        self.base = rng.choice(BASES) * SECOND
        self.columns = [Column(rng, i, rng.choice(TYPES)) for i in range(rng.randint(3, 8))]
        self.partitions = rng.randint(1, 4)
        self.streams = ["s", "s2"] if rng.random() < 0.3 else ["s"]
        # the time of the window may be the stream's own, or any column
        self.event_time = rng.random() < 0.7
        self.time_type = "timestamptz" if self.event_time or rng.random() < 0.6 else "timestamp"
        self.delay = rng.choice(DELAYS) if self.event_time and rng.random() < 0.5 else None
        batches = rng.choice([1, 2, 3, 5, 8, 20])
        self.queries = [
            Query(rng, self.columns, "at", self.time_type, rng.choice([0, 0, 0, rng.randrange(batches)]), self.streams)
            for _ in range(rng.choice([1, 1, 2, 3]))]
        for query in self.queries:
            query.choose_lateness(rng, self.delay is not None)
            query.derived = derived.choose(rng, query, batches)
        self.batches = self._make_batches(rng, batches)
        self.mixed_zones = rng.random() < 0.5 and not any(
            LOCAL.search(query.sql()) for query in self.queries)
        for batch in self.batches:
            batch.direct = rng.random() < 0.5
            if self.mixed_zones:
                batch.zone = rng.choice(ZONES)
        self.covered = {"type: " + c.type.label for c in self.columns}
        self.covered.add("timezone: " + ("many" if self.mixed_zones else self.zone))
        self.covered.add("batches: %d" % batches)
        self.covered.add("watermark: " + (self.delay[1] if self.delay else "none"))
        self.covered.add("partitions: %d" % self.partitions)
        self.covered.update("merge: " + ("direct" if batch.direct else "by ON CONFLICT")
                            for batch in self.batches)
        self.covered.add("streams: %d" % len(self.streams))
        if any(batch.idle for batch in self.batches):
            self.covered.add("late: idle partitions")
        self.covered.update(*(q.covered for q in self.queries))
        self.covered.update(*(d.features() for q in self.queries for d in q.derived))

    # ---- rows ----

    def _moments(self, rng):
        """What events happen at: around borders of the windows, and apart."""
        unit = rng.choice([SECOND, 60 * SECOND, 86400 * SECOND])
        moments = [self.base + rng.randint(-20, 20) * unit for _ in range(rng.choice([1, 3, 20]))]
        for query in self.queries:
            if query.window:
                moments += query.window.moments(rng, self.base, rng.choice([2, 4, 8]))
        return moments

    def _time(self, rng, moments):
        if rng.random() < 0.03:
            return None
        # infinite times cannot be subtracted, as queries over tumble do
        if not self.event_time and rng.random() < 0.02 and all(
                q.window is None or q.window.is_shared and not q.window.merges for q in self.queries):
            return INFINITY
        return rng.choice(moments) + rng.choice([0, 0, -1, 1, rng.randint(-10**6, 10**6),
                                                 rng.randint(-10**9, 10**9)])

    def _make_rows(self, rng, n):
        moments = self._moments(rng)
        rows = []
        for _ in range(n):
            if rows and rng.random() < 0.1:
                again = rng.choice(rows)
                rows.append(Row(again.time, again.cells, rng.randrange(self.partitions)))
            else:
                rows.append(Row(self._time(rng, moments), [c.draw(rng) for c in self.columns],
                                rng.randrange(self.partitions)))
        if rng.random() < 0.4:
            # nearly in order
            rows.sort(key=lambda r: (r.time or 0) + rng.randint(-10**7, 10**7))
        return rows

    def _close_exactly(self, rng, batches):
        """Lets the last batch, or another, go by a watermark that is just where a window closes."""
        closing = [q for q in self.queries if q.closes]
        if not closing or len(batches) < 2:
            return
        last = rng.choice([len(batches) - 1, rng.randrange(1, len(batches))])
        rows = [row for batch in batches[:last] for row in batch.rows]
        if not rows or not batches[last].rows:
            return
        batches[-1].stream = batches[-2].stream
        query = rng.choice(closing)
        latest = max((row.time for row in rows if row.time is not None), default=self.base)
        end = query.window.end_after(rng, latest)
        cells = rng.choice(rows).cells
        for partition in range(self.partitions):
            batches[last - 1].rows.append(Row(
                end + self.delay[0] + (query.lateness[0] if query.lateness else 0), cells, partition))

    def _make_batches(self, rng, n):
        rows = self._make_rows(rng, rng.choice(SIZES))
        cuts = sorted(rng.randint(0, len(rows)) for _ in range(n - 1))
        batches = [Batch(rows[a:b], rng.random() < 0.08, rng.choice(self.streams))
                   for a, b in zip([0] + cuts, cuts + [len(rows)])]
        if self.delay and rng.random() < 0.6:
            self._close_exactly(rng, batches)
        for batch in batches[:-1]:
            batch.check = rng.random() < 0.15
        if self.delay and rng.random() < 0.3:
            for batch in batches:
                batch.idle = [p for p in range(self.partitions) if rng.random() < 0.3]
        batches[-1].check = True
        return batches

    def time_cell(self, row):
        zone = "+00" if self.time_type == "timestamptz" else ""
        text = time_text(row.time, zone)
        return '"%s"' % text, text

    def is_dead(self, row):
        """Goes to dead letters instead of the views."""
        return self.event_time and row.time is None
