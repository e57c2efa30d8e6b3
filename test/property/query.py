"""Queries: windows, joins, sub-selects, keys, grouping sets, aggregates and expressions.

A query is kept in parts, so that shrink.py can take some away and the oracle
can add a condition to WHERE.  Every choice is noted in query.covered, for the
summary; COVERABLE lists all that there is to choose.

Copyright (c) 2026, the stream_ext contributors
"""
import copy

from aggregates import AGGREGATES
from values import TYPES, quote, time_text
from windows import DELAYS, KINDS, SECOND

# A small table with duplicate and missing ids, from which a stream is enriched.
DIM = [("d.label", {"text", "ordered"}), ("d.weight", {"exact", "num", "ordered"}),
       ("d.id", {"int", "exact", "num", "small", "ordered"})]
DIM_SETUP = """
CREATE TABLE dim (id int, label text, weight numeric(6,1));
INSERT INTO dim SELECT i % 17, CASE WHEN i % 4 > 0 THEN 'label ' || i % 5 END, i * 1.5
	FROM generate_series(0, 24) AS i;
"""
JOINS = ["inner", "left", "left, conditional", "right, reversed"]

INT = {"int", "exact", "num", "small", "ordered"}
# set-returning functions of a column: its family, what is in FROM, the columns
FUNCTIONS = {
    "unnest": ("array", ", unnest({}) AS u(x)", [("u.x", INT)]),
    "LEFT unnest": ("array", " LEFT JOIN LATERAL unnest({}) AS u(x) ON u.x > 0", [("u.x", INT)]),
    "unnest, ordinality": ("array", ", unnest({}) WITH ORDINALITY AS u(x, n)", [("u.x", INT), ("u.n", INT)]),
    "jsonb_array_elements": ("jsonarray", ", jsonb_array_elements({}) AS u(x)", [("u.x", {"json"})]),
    "LEFT jsonb_array_elements": (
        "jsonarray", " LEFT JOIN LATERAL jsonb_array_elements({}) AS u(x) ON u.x ->> 'n' <> '1'", [("u.x", {"json"})]),
    "jsonb, nested": (
        "jsonarray", ", jsonb_array_elements({}) AS j(v) LEFT JOIN LATERAL"
        " jsonb_array_elements_text(j.v -> 'tags') AS u(x) ON true",
        [("j.v", {"json"}), ("u.x", {"text", "ordered"})]),
    "generate_series": ("small", ", generate_series(1, abs({})::int % 4) AS u(x)", [("u.x", INT)]),
}

# What is between the stream and the query.
AROUND = {
    "sub-select": ("", "({}) AS e"),
    "nested sub-select": ("", "(SELECT * FROM (SELECT * FROM ({}) AS a WHERE a.at IS NULL OR a.at <> '2024-02-29') AS b) AS e"),
    "WITH": ("WITH e AS ({})\n", "e"),
    "WITH, nested": ("WITH a AS (SELECT * FROM dim), b AS ({}) ", "(SELECT * FROM b) AS e"),
}
# Of which streams it is UNION ALL.
UNIONS = [["s", "s2"], ["s2", "s"], ["s", "s2", "s"], ["s", "s"]]
SETS = ["ROLLUP", "CUBE", "GROUPING SETS", "two ROLLUPs", "DISTINCT"]


class Query:
    def __init__(self, rng, columns, time_column, time_type, since=0, streams=("s",)):
        self.covered = set()
        self.since = since			# the batch that the view is made before
        self.around = rng.choice(sorted(AROUND)) if rng.random() < (0.25 if len(streams) == 1 else 0.7) else None
        self.union = None
        self.name = "e" if self.around or rng.random() < 0.3 else "s"
        self.time = "%s.%s" % (self.name, time_column)
        self.window = None
        self.join = None
        self.function = None
        self.sets = None
        self.where = None
        self.having = None
        self.closes = False			# late rows are dropped
        self.some_late = False		# and there may be some
        self.lateness = None
        self.append = False			# shows windows when they are closed
        self.derived = []			# views on it, see derived.py
        self.beside = ""			# more in FROM, of the oracle's
        self.numeric = set()		# items that are numbers
        self.time_type = time_type
        self.calls = []				# aggregates so far
        self.bare = set()			# as they are in the select list, without anything around
        self.refs = [("%s.%s" % (self.name, c.sql), c.families) for c in columns]
        self.refs.append((self.time, {"moment", "ordered"}))
        self.inner = [(time_column, "x." + time_column)] + [(c.sql, "x." + c.sql) for c in columns]
        self.inner_from = ""
        if self.around:
            self._choose_around(rng, columns)
            self._choose_union(rng, streams)
        self._choose_window(rng, time_type)
        self._choose_join(rng)
        self._choose_where(rng)
        self.keys = self._choose_keys(rng)
        self._choose_sets(rng)
        self.items = self._choose_items(rng)
        self.rollup = self._choose_rollup(rng)

    def sql(self, condition=None, hidden=(), window=None):
        """The query; the rest is the oracle's.

        condition is added to WHERE, hidden are columns that only its table has,
        and window stands for the call of stream.session.
        """
        text = self.select([(item, "c%d" % i) for i, item in enumerate(self.items)], condition, hidden, window)
        if self.keys:
            text += "\nGROUP BY " + self._group_by()
        if self.having:
            text += "\nHAVING " + self.having
        return text

    def select(self, items, condition=None, hidden=(), window=None):
        """Something else over the rows that are grouped."""
        conditions = [c for c in (self.where, condition) if c]
        text = "%sSELECT %s\nFROM %s" % (
            AROUND[self.around][0].format(self._inner(hidden)) if self.around else "",
            ",\n\t".join("%s AS %s" % item for item in items), self._from(hidden, window))
        if conditions:
            text += "\nWHERE " + " AND ".join("(%s)" % c for c in conditions)
        return text

    def rollup_sql(self, view):
        """A query that merges the view's groups by some of its keys, and its oracle.

        None if there is none, as over groups that HAVING has left out.
        """
        parts = [(item in self.keys, i, item) for i, item in enumerate(self.items)
                 if (item in self.keys and item in (self.rollup or ())) or item in self.bare]
        if self.rollup is None or self.having or not any(not key for key, _, _ in parts):
            return None, None
        text = "SELECT %s FROM %s" % (
            ", ".join(("c%d" if key else "combine(c%d)") % i + " AS c%d" % n
                      for n, (key, i, _) in enumerate(parts)), view)
        keys = [(i, item) for key, i, item in parts if key]
        if keys:
            text += " GROUP BY " + ", ".join("c%d" % i for i, _ in keys)
        over_all = copy.copy(self)
        over_all.items = [item for _, _, item in parts]
        over_all.keys = [item for _, item in keys]
        over_all.sets = None
        return text, over_all

    def is_plain(self):
        """Only what a view must have: a key or an aggregate."""
        return bool(self.items) and (bool(self.keys) or any("(" in i for i in self.items))

    def choose_lateness(self, rng, watermark):
        """Windows close when they are keys by themselves, and the stream has a watermark."""
        bounds = [self.window.bound(b) for b in ("window_start", "window_end")] if self.window else []
        self.closes = watermark and any(key in bounds for key in self.keys)
        self.some_late = self.closes
        if self.closes:
            self._cover("late", self.window.KIND)
            if rng.random() < 0.5:
                self.lateness = rng.choice(DELAYS)
                self._cover("late", "with allowed_lateness")
            # windows of cumulate that share their start do not close together
            if len(self.streams()) > 1:
                self._cover("late", "of two streams")
                if self.window.merges:
                    self._cover("late", "sessions of two streams")
                    return		# they cannot show only those that are closed
            if rng.random() < 0.4 and (bounds[1] in self.keys or self.window.function() != "cumulate") and all(
                    key not in bounds for key in self._varying()):
                self.append = True
                self._cover("late", "emit append")
                if self.rollup_sql("v")[0]:
                    self._cover("rollup", "of closed windows")

    # ---- parts ----

    def _cover(self, kind, name):
        self.covered.add("%s: %s" % (kind, name))

    def _inner(self, hidden):
        """The sub-select that the stream is in."""
        columns = ", ".join("%s AS %s" % (expr, name) for name, expr in
                            self.inner + [(name, "x." + name) for name in hidden])
        return "\n\tUNION ALL ".join("SELECT %s FROM %s AS x%s" % (columns, stream, self.inner_from)
                                     for stream in self.union or ["s"])

    def streams(self):
        """Those that it reads."""
        return set(self.union or ["s"]) if self.around else {"s"}

    def _from(self, hidden, window):
        stream = AROUND[self.around][1].format(self._inner(hidden)) if self.around else \
            "s" if self.name == "s" else "s AS e"
        if self.join:
            on = "d.id = (%s)::int" % self.join[1]
            stream = {
                "inner": "%s JOIN dim d ON %s" % (stream, on),
                "left": "%s LEFT JOIN dim d ON %s" % (stream, on),
                "left, conditional": "%s LEFT JOIN dim d ON %s AND d.weight > 9" % (stream, on),
                "right, reversed": "dim d RIGHT JOIN %s ON %s" % (stream, on),
            }[self.join[0]]
        if self.function:
            stream += self.function
        if self.window:
            stream += (", LATERAL " if self.comma and window else ", " if self.comma else " CROSS JOIN LATERAL ") + (
                window or self.window.call(self.time))
        return stream + self.beside

    def _choose_around(self, rng, columns):
        """Columns that are computed, a filter and a join in the sub-select."""
        self._cover("around", self.around)
        outer, self.refs = self.refs, [("x." + c.sql, c.families) for c in columns]
        on = self._ref(rng, "small")
        more = []
        if on and rng.random() < 0.5:
            self.inner_from = (" LEFT JOIN (SELECT id, max(label) AS label, count(*) AS n FROM dim GROUP BY id) AS t"
                               " ON t.id = (%s)::int" % on)
            self._cover("around", "join")
            more += [("label", "upper(t.label)", {"text", "ordered"}), ("n", "coalesce(t.n, 0)::int", INT)]
        if self._ref(rng, "int"):
            more.append(("computed", "abs(%s %% 7)::int" % self._ref(rng, "int"), INT))
        if self._ref(rng, "text"):
            more.append(("letter", "left(%s, 1)" % self._ref(rng, "text"), {"text", "ordered"}))
        if rng.random() < 0.4:
            self.inner_from += " WHERE " + self.predicate(rng)
            self._cover("around", "WHERE")
        self.inner += [(name, expr) for name, expr, _ in more]
        self.refs = outer + [("e." + name, families) for name, _, families in more]

    def _choose_union(self, rng, streams):
        unions = [union for union in UNIONS if set(union) <= set(streams)]
        if rng.random() < (0.2 if len(streams) == 1 else 0.8):
            self.union = rng.choice(unions)
            self._cover("union", "of " + ", ".join(self.union))

    def _choose_window(self, rng, time_type):
        kind = rng.choice([None] + KINDS + KINDS[1:4])
        if kind:
            self.window = kind(rng, time_type)
            self.comma = rng.random() < 0.6
            for feature in self.window.features():
                self._cover("window", feature)
        else:
            self._cover("window", "none")

    def _choose_join(self, rng):
        on = [ref for ref, families in self.refs if "small" in families]
        if on and rng.random() < 0.3:
            self.join = (rng.choice(JOINS), rng.choice(on))
            self._cover("join", self.join[0])
            self.refs = self.refs + DIM
        else:
            self._cover("join", "none")
        functions = [(name, ref) for name in sorted(FUNCTIONS) for ref, families in self.refs
                     if FUNCTIONS[name][0] in families and (name != "generate_series" or rng.random() < 0.1)]
        if functions and rng.random() < 0.5:
            name, ref = rng.choice(functions)
            self.function = FUNCTIONS[name][1].format(ref)
            self._cover("function", name)
            self.refs = self.refs + FUNCTIONS[name][2]

    def _ref(self, rng, family):
        """A column of the family, or None."""
        refs = [ref for ref, families in self.refs if family == "any" or family in families]
        return rng.choice(refs) if refs else None

    def predicate(self, rng, depth=0):
        ref, families = rng.choice(self.refs)
        if depth < 2 and rng.random() < 0.3:
            return "%s%s %s %s" % (rng.choice(["", "NOT "]),
                                   "(%s)" % self.predicate(rng, depth + 1),
                                   rng.choice(["AND", "OR"]), "(%s)" % self.predicate(rng, depth + 1))
        if rng.random() < 0.15:
            return "%s IS %sNULL" % (ref, rng.choice(["", "NOT "]))
        if "small" in families and rng.random() < 0.15:
            self._cover("clause", "sub-select in a condition")
            return rng.choice(["EXISTS (SELECT FROM dim AS q WHERE q.id = (%s)::int AND q.weight > 20)",
                               "%s IN (SELECT q.id FROM dim AS q WHERE q.label IS NOT NULL)",
                               "(SELECT count(*) FROM dim AS q WHERE q.id = (%s)::int) > 1"]) % ref
        if "num" in families:
            return rng.choice(["%s > %d", "%s <= %d", "%s <> %d", "%s BETWEEN -5 AND %d",
                               "%s IN (1, 2, %d)", "%s IS DISTINCT FROM %d"]) % (
                                   ref, rng.randint(-3, 20))
        if "text" in families:
            return rng.choice(["%s > %s", "%s LIKE %s || '%%'", "%s = %s", "coalesce(%s, '') <> %s",
                               "lower(%s) < %s"]) % (
                                   ref, quote(rng.choice(["a", "b", "A", "k1", "Z", "ä"])))
        if "bool" in families:
            return ref if rng.random() < 0.5 else ref + " IS NOT TRUE"
        if "json" in families:
            return "%s ->> 'k' = 'a'" % ref
        if "moment" in families or "date" in families:
            return "%s > '2024-03-15'" % ref
        return "%s IS NOT NULL" % ref

    def _choose_where(self, rng):
        if rng.random() < 0.45:
            self.where = self.predicate(rng)
            self._cover("clause", "WHERE")
        elif self.window and not self.window.is_shared and rng.random() < 0.3:
            self.where = "%s > %s OR window_end < %s + '1 day'" % (
                self.window.bound("window_start"), quote(time_text(1711000000 * SECOND, "+00")),
                self.time)
            self._cover("clause", "WHERE over bounds")

    # ---- keys ----

    def _key(self, rng):
        ref, families = rng.choice(self.refs)
        if rng.random() < 0.5:
            return "column", ref
        if "small" in families and rng.random() < 0.2:
            return "sub-select", "(SELECT max(q.label) FROM dim AS q WHERE q.id = (%s)::int)" % ref
        if "int" in families:
            return "expression", rng.choice(["%s %% 3", "(%s > 2)", "coalesce(%s, 0)", "abs(%s %% 5)::int"]) % ref
        if "text" in families:
            return "expression", rng.choice(["lower(%s)", "length(%s)", "coalesce(%s, '?')",
                                             'upper(%s) COLLATE "C"', "left(%s, 1)"]) % ref
        if "moment" in families:
            return "expression", rng.choice(["date_trunc('hour', %s)", "(%s)::date",
                                             "extract(dow FROM %s)"]) % ref
        if "json" in families:
            return "expression", "(%s ->> 'k')" % ref
        if "date" in families:
            return "expression", "(%s - date '2024-01-01') %% 4" % ref
        if "num" in families:
            return "expression", "(%s > 0)" % ref
        return "column", ref

    def _window_keys(self, rng):
        if not self.window:
            return []
        start, end = (self.window.bound(b) for b in ("window_start", "window_end"))
        choices = [[start], [end], [start, end], [end, start]]
        if not self.window.is_shared:
            choices += [[], ["%s - %s" % (end, start)], ["date_trunc('hour', %s)" % start]]
        return rng.choice(choices)

    def _choose_sets(self, rng):
        """(kind, keys that are in every set, the sets of GROUPING SETS)"""
        bounds = [self.window.bound(b) for b in ("window_start", "window_end")] if self.window else []
        must = bounds if self.window and self.window.is_shared else []
        varying = [k for k in self.keys if k not in must]
        # PostgreSQL before 18 does not roll up a sub-select
        if (not varying or self.window and self.window.merges or any("SELECT" in k for k in self.keys) or
                rng.random() > 0.25):
            return
        # sometimes all windows' bounds, so that emit append is possible
        if rng.random() < 0.5:
            varying = [k for k in varying if k not in bounds] or varying
        fixed = [k for k in self.keys if k not in varying]
        sets = [[k for k in varying if rng.random() < 0.5] for _ in range(rng.randint(1, 3))]
        # each key is in one
        sets.append([k for k in varying if not any(k in s for s in sets)])
        self.sets = (rng.choice(SETS), fixed, [s for i, s in enumerate(sets) if s not in sets[:i]])
        self._cover("grouping", self.sets[0])
        self._cover("grouping", "beside other keys" if fixed else "of all keys")

    def _varying(self):
        return [k for k in self.keys if self.sets and k not in self.sets[1]]

    def _group_by(self):
        if self.sets is None:
            return ", ".join(self.keys)
        kind, fixed, sets = self.sets
        keys = self._varying()
        half = len(keys) // 2

        def some(words, keys):
            return "%s (%s)" % (words, ", ".join(keys))
        text = {
            "ROLLUP": lambda: some("ROLLUP", keys),
            "CUBE": lambda: some("CUBE", keys),
            "GROUPING SETS": lambda: some("GROUPING SETS", [some("", [k for k in s if k in keys]) for s in sets]),
            "two ROLLUPs": lambda: ", ".join(some("ROLLUP", k) for k in (keys[:half], keys[half:]) if k),
            "DISTINCT": lambda: some("ROLLUP", keys) + ", " + some("CUBE", keys[:1]),
        }[kind]()
        return ("DISTINCT " if kind == "DISTINCT" else "") + ", ".join([k for k in self.keys if k in fixed] + [text])

    def _choose_keys(self, rng):
        keys = self._window_keys(rng)
        n = rng.choice([0, 1, 1, 2, 3])
        self._cover("keys", n)
        for _ in range(n):
            kind, key = self._key(rng)
            self._cover("key", kind)
            if key not in keys:
                keys.append(key)
        rng.shuffle(keys)
        return keys

    # ---- the select list ----

    def aggregate(self, rng, numeric=False):
        while True:
            agg = rng.choice(AGGREGATES)
            args = [self._ref(rng, family) for family in agg.needs]
            distinct = "DISTINCT" in agg.template
            if distinct and self.window and self.window.KIND == "session":
                continue
            if None not in args and (agg.result == "num" or not numeric):
                break
        call = agg.template.format(*args)
        self._cover("aggregate", agg.name)
        if rng.random() < 0.15 and not numeric and self.calls:
            # the same again, or with another condition
            agg, call = rng.choice(self.calls)
            self._cover("clause", "repeated aggregate")
        self.calls.append((agg, call))
        if rng.random() < 0.25:
            call += " FILTER (WHERE %s)" % self.predicate(rng)
            self._cover("clause", "FILTER")
        if agg.wrap == "{}" and "DISTINCT" not in agg.template:
            self.bare.add(call)
        if agg.result == "num":
            self.numeric.add(agg.wrap.format(call))
        return agg.wrap.format(call)

    def _over_aggregates(self, rng):
        a, b = self.aggregate(rng, True), self.aggregate(rng, True)
        self._cover("clause", "expression over aggregates")
        form = rng.choice(["{a}::numeric - {b}::numeric", "coalesce({a}, 0)", "{a}::text || '/' || {b}::text",
                           "CASE WHEN {a} > {b} THEN 'more' ELSE 'less' END",
                           "round({a}::numeric / nullif(count(*), 0), 3)", "{a} IS NULL OR {b} IS NULL",
                           "greatest({a}, {b}) + 1", "{a}::numeric + (SELECT count(*) + {b}::numeric FROM dim)"])
        if "SELECT" in form:
            self._cover("clause", "sub-select beside aggregates")
        return form.format(a=a, b=b)

    def _choose_items(self, rng):
        items = [k for k in self.keys if rng.random() < 0.9]
        if self.keys and rng.random() < 0.15:
            key = rng.choice(self.keys)
            items.append("coalesce((%s)::text, '-')" % key)
            self._cover("clause", "expression over a key")
        for _ in range(rng.choice([1, 1, 2, 3, 5]) if self.keys and rng.random() < 0.95 or
                       not self.keys else 0):
            items.append(self._over_aggregates(rng) if rng.random() < 0.2 else self.aggregate(rng))
        if self.window and not self.window.is_shared and rng.random() < 0.2:
            items.append("max(%s) FILTER (WHERE %s - %s < interval '4 s')" % (
                self.window.bound("window_end"), self.time, self.window.bound("window_start")))
            self._cover("clause", "aggregate of bounds")
        if self.sets and rng.random() < 0.8:
            keys = rng.sample(self.keys, rng.randint(1, len(self.keys)))
            items.append("grouping(%s)" % ", ".join(keys))
            self._cover("grouping", "GROUPING()")
        if not items:
            items.append("count(*)")
        if rng.random() < 0.2:
            self.having = rng.choice(["count(*) > 1", "count(*) % 2 = 0",
                                      "coalesce(%s, 0) > 1" % self.aggregate(rng, True)])
            self._cover("clause", "HAVING")
            if self.window and self.window.bound("window_start") in self.keys and rng.random() < 0.4:
                self.having += " AND %s > '2024-03-31 01:00+00'" % self.window.bound("window_start")
                self._cover("clause", "HAVING over bounds")
        rng.shuffle(items)
        return items

    def _choose_rollup(self, rng):
        """The keys that a roll-up has, of those that the view shows; None for no roll-up."""
        rollup = [k for k in self.keys if rng.random() < 0.4] if rng.random() < 0.3 and not self.sets else None
        self.rollup = rollup
        if self.rollup_sql("v")[0]:
            self._cover("rollup", "with keys" if rollup else "without keys")
        return rollup


COVERABLE = (
    ["window: none"] + ["window: " + k.KIND for k in KINDS] +
    ["window: %s with offset" % k for k in ("tumble", "hop", "cumulate", "calendar")] +
    ["window: hop of an odd size", "window: hop with gaps", "window: calendar, month",
     "window: calendar, month of a zone", "window: calendar, day of a zone", "join: none"] +
    ["join: " + j for j in JOINS] + ["function: " + f for f in FUNCTIONS] +
    ["around: " + a for a in list(AROUND) + ["join", "WHERE"]] +
    ["union: of " + ", ".join(u) for u in UNIONS] + ["late: of two streams", "late: sessions of two streams"] +
    ["grouping: " + g for g in SETS + ["GROUPING()", "beside other keys", "of all keys"]] +
    ["clause: " + c for c in ("WHERE", "WHERE over bounds", "FILTER", "HAVING", "HAVING over bounds",
                              "expression over aggregates", "expression over a key",
                              "aggregate of bounds", "repeated aggregate", "sub-select in a condition",
                              "sub-select beside aggregates")] +
    ["late: " + k.KIND for k in KINDS] +
    ["late: with allowed_lateness", "late: emit append", "late: rows set aside", "late: idle partitions"] +
    ["derived: none", "derived: emit append", "derived: made later", "derived: combine", "derived: combine over windows",
     "derived: combine with FILTER", "derived: combine in HAVING"] +
    ["derived: " + k.KIND for k in KINDS if not k.merges] +
    ["rollup: with keys", "rollup: without keys", "rollup: of closed windows"] +
    ["keys: %d" % n for n in range(4)] + ["key: column", "key: expression", "key: sub-select"] +
    ["aggregate: " + a.name for a in AGGREGATES] + ["type: " + t.label for t in TYPES])
