"""Column types, and values as a JSON payload and as an SQL literal have them.

The two spellings are made side by side, so that the oracle's rows do not go
through the decoder.  Equal values have one spelling only (numeric of a fixed
scale, no -0, intervals below a day): which of two equal values min() or a
group shows is up to the order of rows, in PostgreSQL too.

Floats are halves between -50 and 50: their sums are exact in any order, so
sum() and avg() compare to the letter.

Copyright (c) 2026, the stream_ext contributors
"""
import json
from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)
WORDS = ["", "a", "A", "b", "ä", "Ä", "z", "Z", "ab", "a b", "it's", 'q"q', "back\\slash",
         "%", "_", "ß", "SS", "\u4e2d", "\U0001f600", "NULL", "k1", "k2", "k10", "tab\there"]


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def ident(name):
    return '"' + name.replace('"', '""') + '"' if not name.isidentifier() or \
        name != name.lower() else name


INFINITY = 10**30


def time_text(us, zone):
    """Microseconds since 1970 as ISO 8601."""
    if us == INFINITY:
        return "infinity"
    when = EPOCH + timedelta(microseconds=us)
    return when.strftime("%Y-%m-%d %H:%M:%S.") + "%06d" % when.microsecond + zone


def plain(text):
    return text, text


def string(text):
    return json.dumps(text), text


def make_moment(rng, zone):
    text = time_text(rng.choice(BASES) * 1000000 + rng.randint(-10**11, 10**11), zone)
    return json.dumps(text.replace(" ", "T") if rng.random() < 0.5 else text), text


def make_json(rng):
    text = json.dumps({"k": rng.choice(["a", "b", None]), "n": rng.randint(0, 3)})
    return text, text


def make_json_array(rng):
    text = json.dumps([{"k": rng.choice(["a", "b", None]), "n": rng.randint(0, 3), "tags": rng.sample(
        ["a", "A", "x y", "\u00e4"], rng.randint(0, 2))} for _ in range(rng.randint(0, 3))])
    return text, text


def make_array(rng):
    items = [rng.choice([None, 0, 1, 2, 7]) for _ in range(rng.randint(0, 3))]
    return json.dumps(items), "{%s}" % ",".join("NULL" if i is None else str(i) for i in items)


# Moments around which rows gather, in seconds: the epoch, the turn of PostgreSQL's
# own, the ends of 32-bit seconds and of 64-bit nanoseconds, both changes of clocks.
BASES = [0, 946684800, 1709287200, 2147483647, 9223372036, 1711846800, 1729990800,
         1714521600, -86400 * 400]


class Type:
    """families say what a column of it can be used for; see aggregates.py."""

    def __init__(self, name, families, make, label=None):
        self.name = name
        self.label = label or name
        self.families = set(families.split())
        self.make = make


TYPES = [
    Type("int2", "int exact num small ordered", lambda r: plain(str(r.randint(-50, 50)))),
    Type("int4", "int exact num small ordered key", lambda r: plain(str(r.randint(-20, 50)))),
    Type("int8", "int exact num ordered", lambda r: plain(str(r.choice(
        [0, 1, -1, 2**31, 2**62, -2**63, 2**63 - 1, r.randint(-10**12, 10**12)])))),
    Type("numeric", "exact num ordered", lambda r: plain(
        "%d.%02d" % (r.randint(0, 10**r.randint(1, 20)), r.randint(0, 99)))),
    Type("numeric(10,2)", "exact num ordered", lambda r: plain(
        "%d.%02d" % (r.randint(-999, 999) or 1, r.randint(0, 99)))),
    Type("float8", "float num small ordered", lambda r: plain(repr(r.randint(-100, 100) / 2))),
    Type("float4", "float num small ordered", lambda r: plain(repr(r.randint(-100, 100) / 2))),
    Type("float8", "float num ordered", lambda r: plain(repr(r.randint(-100, 100) / 2))
         if r.random() < 0.7 else string(r.choice(["NaN", "Infinity", "-Infinity"])), "float8 with NaN"),
    Type("numeric", "exact num ordered", lambda r: plain(str(r.randint(-100, 100)))
         if r.random() < 0.7 else string(r.choice(["NaN", "Infinity", "-Infinity"])), "numeric with NaN"),
    Type("text", "text ordered", lambda r: string(r.choice(WORDS))),
    Type('text COLLATE "C"', "text ordered", lambda r: string(r.choice(WORDS))),
    Type('text COLLATE "und-x-icu"', "text ordered", lambda r: string(r.choice(WORDS))),
    Type('text COLLATE "sv-x-icu"', "text ordered", lambda r: string(r.choice(WORDS))),
    Type("varchar(12)", "text ordered", lambda r: string(r.choice(WORDS))),
    Type("bool", "bool", lambda r: plain(r.choice(["true", "false"]))),
    Type("date", "date ordered", lambda r: string(
        time_text(r.randint(-400, 40000) * 86400 * 10**6, "")[:10])),
    Type("time", "other ordered", lambda r: string("%02d:%02d:00" % (r.randint(0, 23), r.randint(0, 59)))),
    Type("interval", "interval ordered", lambda r: string("%d seconds" % r.randint(0, 86399))),
    Type("timestamptz", "moment ordered", lambda r: make_moment(r, "+00")),
    Type("timestamp", "moment ordered", lambda r: make_moment(r, "")),
    Type("uuid", "other", lambda r: string("%08x-0000-4000-8000-%012x" % (
        r.getrandbits(32), r.getrandbits(48)))),
    Type("jsonb", "json", make_json),
    Type("jsonb", "jsonarray", make_json_array, "jsonb of arrays"),
    Type("int4[]", "array ordered", make_array),
    Type("inet", "other ordered", lambda r: string("10.0.0.%d" % r.randint(0, 255))),
    Type("char(5)", "other ordered", lambda r: string(r.choice(["a", "b", "A", "", "ab c"]))),
    Type("bytea", "other", lambda r: string("\\x%04x" % r.getrandbits(12))),
    Type("bit(8)", "bits", lambda r: string(format(r.getrandbits(8), "08b"))),
    Type("money", "money ordered", lambda r: string("%d.%02d" % (r.randint(0, 999), r.randint(0, 99)))),
    Type("int4range", "range", lambda r: string("[%d,%d)" % (r.randint(-5, 5), r.randint(5, 9)))),
    Type("small", "int exact num small ordered", lambda r: plain(str(r.randint(-50, 50)))),
    Type("mood", "enum ordered", lambda r: string(r.choice(["sad", "ok", "happy"]))),
]


class Column:
    """A column with the values that it may have: few or many, NULL or not."""

    def __init__(self, rng, number, type_):
        self.type = type_
        self.name = ("%s%d" % (type_.name[0], number) if rng.random() < 0.85 else
                     rng.choice(["Mixed Case", 'quo"ted', "select", "naïve"]) + str(number))
        self.sql = ident(self.name)
        self.pool = [type_.make(rng) for _ in range(rng.choice([1, 2, 3, 5, 12, 60]))]
        self.nulls = rng.choice([0, 0, 0.1, 0.5, 1 if rng.random() < 0.1 else 0.2])

    @property
    def families(self):
        return self.type.families

    def draw(self, rng):
        return None if rng.random() < self.nulls else rng.choice(self.pool)
