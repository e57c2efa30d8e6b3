"""Views on views: closed windows of a view are the rows of another.

A view that shows only closed windows (emit append), and when they end, gets one or
two views on it, some with a window over its bounds, some made later.  Such a view
must equal its own query over what its source shows, at any moment; when it shows
only closed windows too, up to its own watermark.  The source is compared with the
oracle's table as any view, so this needs no other.

But for one that merges states, combine(column): it must equal the aggregates themselves
over the rows of the windows that the source shows.  So it has the oracle of the source,
grouped by fewer keys and by windows over its windows.

Copyright (c) 2026, the stream_ext contributors
"""
import copy

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


class Combined:
    """All of its columns are keys or combine(); in the oracle's query the window's are dw's."""

    def __init__(self, rng, query, since):
        self.since = since
        self.time, self.window = None, None
        if rng.random() < 0.7:
            self.time = rng.choice([b for b in time_bounds(query) if b in query.items])
            kind = rng.choice([k for k in KINDS if not k.merges])
            self.window = kind(rng, query.time_type)
        items = [item for item in query.items if item in query.keys]
        self.keys = rng.sample(items, rng.randint(0, min(2, len(items))))
        self.bare = [item for item in query.items if item in query.bare]
        self.filter = rng.choice([None, None, "{} IS NOT NULL", "{} IS NULL", "false"])
        self.of = rng.choice(items) if items else None
        self.having = rng.random() < 0.2
        self.append = self.window is not None and rng.random() < 0.5

    def features(self):
        yield "derived: combine"
        if self.window:
            yield "derived: combine over windows"
        if self.filter and self.of:
            yield "derived: combine with FILTER"
        if self.having:
            yield "derived: combine in HAVING"

    def parts(self, query):
        """Of each column the view's expression and the oracle's, keys first; how many these are."""
        column = {item: "v.c%d" % i for i, item in enumerate(query.items)}
        wanted = self.keys + self.bare + [item for item in (self.time, self.of) if item]
        if not self.bare or any(item not in query.items for item in wanted):
            return None, 0
        parts = [(column[key], key) for key in self.keys]
        if self.window:
            parts += [("w.window_start", "dw.d_start"), ("w.window_end", "dw.d_end")]
        n = len(parts)
        parts += [("combine(%s)" % column[item], item) for item in self.bare]
        item = self.bare[0]
        if self.filter and self.of and " FILTER " not in item:
            parts.append(tuple("%s FILTER (WHERE %s)" % (call, self.filter.format(of)) for call, of in (
                ("combine(%s)" % column[item], column[self.of]), (item, "(%s)" % self.of))))
        return parts, n

    def sql(self, query, source):
        parts, n = self.parts(query)
        if parts is None:
            return None
        text = "SELECT %s FROM %s v" % (", ".join("%s AS c%d" % (part, i) for i, (part, _) in enumerate(parts)), source)
        if self.window:
            text += ", " + self.window.call("v.c%d" % query.items.index(self.time), " AS w")
        if n:
            text += " GROUP BY " + ", ".join(part for part, _ in parts[:n])
        return text + (" HAVING %s IS NOT NULL" % parts[n][0] if self.having else "")

    def over_rows(self, query):
        """The source's query, changed to this one's over the rows."""
        parts, n = self.parts(query)
        over_all = copy.copy(query)
        over_all.items = [item for _, item in parts]
        over_all.keys = over_all.items[:n]
        over_all.having = "%s IS NOT NULL" % parts[n][1] if self.having else None
        if self.window:
            over_all.beside = ", " + self.window.call(self.time, " AS dw(d_start, d_end)")
        return over_all


def time_bounds(query):
    """The columns of a source that say when its windows end: none, then it is none."""
    start, end = (query.window.bound(b) for b in ("window_start", "window_end"))
    if end in query.items:
        return [end] if query.window.merges or start not in query.items else [start, end]
    return [] if query.window.merges or query.window.function() == "cumulate" else [start]


def choose(rng, query, batches):
    if not query.append or len(query.streams()) > 1 or not any(b in query.items for b in time_bounds(query)) or rng.random() < 0.2:
        return []
    kinds = [Derived] * rng.choice([1, 1, 2])
    if not query.having and not query.sets and any(item in query.bare for item in query.items) and rng.random() < 0.9:
        kinds.append(Combined)
    return [kind(rng, query, rng.choice([query.since, query.since, rng.randrange(query.since, batches)]))
            for kind in kinds]


def named(number, query):
    for i, derived in enumerate(query.derived):
        text = derived.sql(query, "v%d" % number)
        if text:
            yield "d%d_%d" % (number, i), derived, text


def create(number, query, batch):
    """Statements that make those that are made before this batch."""
    return ["SELECT stream.create_view('%s', %s%s);" % (name, quote(text), ", emit => 'append'" if derived.append else "")
            for name, derived, text in named(number, query) if max(derived.since, query.since) == batch]


def checks(number, query, batch, time_type, over_rows):
    """over_rows(query): such a query over the oracle's rows of what the source shows."""
    statements = []
    for name, derived, text in named(number, query):
        if max(derived.since, query.since) > batch:
            continue
        end = "window_end"
        if isinstance(derived, Combined):
            text = over_rows(derived.over_rows(query))
            end = "c%d" % (len(derived.keys) + 1)
        if derived.append:
            text = "SELECT * FROM (%s) q WHERE %s <= (SELECT watermark%s FROM stream.catalog_feeds WHERE view = '%s'::regclass)" % (
                text, end, " AT TIME ZONE 'UTC'" if time_type == "timestamp" else "", "public." + name)
        statements.append("SELECT batch.check_view('%s', %s);" % (name, quote(text)))
    return statements
