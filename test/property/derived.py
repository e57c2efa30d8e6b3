"""Views on views: closed windows of a view are the rows of another.

A view that shows only closed windows (emit append), and when they end, gets one or
two views on it, some with a window over its bounds, some made later.  Such a view
must equal its own query over what its source shows, at any moment; when it shows
only closed windows too, up to its own watermark.  The source is compared with the
oracle's table as any view, so this needs no other.

Copyright (c) 2026, the stream_ext contributors
"""
from values import quote
from windows import KINDS


class Derived:
    """Items of the source are named by their text, as shrink.py takes some away."""

    def __init__(self, rng, query, since):
        self.since = since
        self.time, self.window = None, None
        bounds = [b for b in time_bounds(query) if b in query.items]
        if rng.random() < 0.7:
            self.time = rng.choice(bounds)
            kind = rng.choice([k for k in KINDS if not k.merges])
            self.window = kind(rng, query.time_type)
        items = [item for item in query.items if item in query.keys]
        self.keys = rng.sample(items, rng.randint(0, min(2, len(items))))
        self.distinct = rng.choice(items)
        self.numbers = [item for item in query.items if item in query.numeric][:2]
        self.having = rng.random() < 0.2
        self.append = self.window is not None and rng.random() < 0.5
        self.shows = rng.choice([["window_start", "window_end"], ["window_end", "window_start"],
                                 ["window_end"], ["window_start"]])
        if self.window and (self.append or self.window.is_shared):
            self.shows = ["window_start", "window_end"]

    def features(self):
        yield "derived: " + (self.window.KIND if self.window else "none")
        if self.append:
            yield "derived: emit append"
        if self.since:
            yield "derived: made later"

    def sql(self, query, source):
        """None when an item is not there any more."""
        wanted = self.keys + self.numbers + [self.distinct] + ([self.time] if self.time else [])
        if any(item not in query.items for item in wanted):
            return None
        column = {item: "v.c%d" % i for i, item in enumerate(query.items)}
        keys = [column[key] for key in self.keys] + (["w." + name for name in self.shows] if self.window else [])
        items = ["%s AS k%d" % (key, i) if not key.startswith("w.") else key for i, key in enumerate(keys)]
        items += ["count(*) AS n", "count(DISTINCT %s) AS several" % column[self.distinct]]
        items += ["sum(%s::numeric) AS sum%d" % (column[item], i) for i, item in enumerate(self.numbers)]
        text = "SELECT %s FROM %s v" % (", ".join(items), source)
        if self.window:
            text += ", " + self.window.call(column[self.time], " AS w")
        if keys:
            text += " GROUP BY " + ", ".join(keys)
        return text + (" HAVING count(*) > 1" if self.having else "")


def time_bounds(query):
    """The columns of a source that say when its windows end: none, then it is none."""
    start, end = (query.window.bound(b) for b in ("window_start", "window_end"))
    if end in query.items:
        return [end] if query.window.merges or start not in query.items else [start, end]
    return [] if query.window.merges or query.window.function() == "cumulate" else [start]


def choose(rng, query, batches):
    if not query.append or len(query.streams()) > 1 or not any(b in query.items for b in time_bounds(query)) or rng.random() < 0.2:
        return []
    return [Derived(rng, query, rng.choice([query.since, query.since, rng.randrange(query.since, batches)]))
            for _ in range(rng.choice([1, 1, 2]))]


def named(number, query):
    for i, derived in enumerate(query.derived):
        text = derived.sql(query, "v%d" % number)
        if text:
            yield "d%d_%d" % (number, i), derived, text


def create(number, query, batch):
    """Statements that make those that are made before this batch."""
    return ["SELECT stream.create_view('%s', %s%s);" % (name, quote(text), ", emit => 'append'" if derived.append else "")
            for name, derived, text in named(number, query) if max(derived.since, query.since) == batch]


def checks(number, query, batch, time_type):
    statements = []
    for name, derived, text in named(number, query):
        if max(derived.since, query.since) > batch:
            continue
        if derived.append:
            text = "SELECT * FROM (%s) q WHERE window_end <= (SELECT watermark%s FROM stream.catalog_feeds WHERE view = '%s'::regclass)" % (
                text, " AT TIME ZONE 'UTC'" if time_type == "timestamp" else "", "public." + name)
        statements.append("SELECT batch.check_view('%s', %s);" % (name, quote(text)))
    return statements
