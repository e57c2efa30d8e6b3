"""Windows of a query, and the moments at which something may go wrong in them.

A new kind of window is a class with KIND and a place in KINDS: its call in
FROM, its grid in microseconds, which expressions its bounds may be in, and the
windows of a moment by a way of its own: the oracle calls stream.tumble and the
like too, so that they must be compared with something else.  Sessions have none
of their own: sessions.py has their oracle.

Copyright (c) 2026, the stream_ext contributors
"""
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

SECOND = 10**6
LENGTHS = [(1, "1 us"), (250000, "250 ms"), (SECOND, "1 s"), (7 * SECOND, "7 seconds"),
           (10 * SECOND, "00:00:10"), (90 * SECOND, "90 s"), (300 * SECOND, "5 min"),
           (3600 * SECOND, "1 hour"), (7 * 3600 * SECOND, "7 h"), (86400 * SECOND, "1 day"),
           (97200 * SECOND, "1 day 3 hours"), (7 * 86400 * SECOND, "7 days"),
           (7 * 86400 * SECOND, "1 week")]


DELAYS = [(0, "0 s"), (10 * SECOND, "10 s"), (3600 * SECOND, "1 hour"), (2 * 86400 * SECOND, "48 hours")]


def length_text(us):
    return "%d us" % us if us % SECOND else "%d s" % (us // SECOND)


class Window:
    """Bounds may be anything but what is_shared says: keys by themselves."""

    merges = False				# windows of rows; see Session

    def __init__(self, rng, time_type):
        self.choose(rng)
        self.offset = rng.choice([0, 0, 1, -1, self.step // 3, -self.step, 5 * self.size // 2,
                                  -self.size - self.step // 2])
        self.alias = rng.choice(["", " w", " AS w"])

    def call(self, ts, alias=None):
        args = [ts] + ["'%s'" % a for a in self.lengths]
        if self.offset:
            args.append("'%s'" % length_text(self.offset))
        return "stream.%s(%s)%s" % (self.function(), ", ".join(args), alias or self.alias)

    @classmethod
    def function(cls):
        return cls.KIND.split()[-1]

    def features(self):
        """What it is a case of, for the summary."""
        yield self.KIND
        if self.offset:
            yield self.KIND + " with offset"
        if self.size % self.step:
            yield self.KIND + " of an odd size"
        if self.size < self.step:
            yield self.KIND + " with gaps"

    def starts(self, us):
        """All multiples of step (and offset) from which size reaches beyond us."""
        start = self.offset + (us - self.offset - self.size) // self.step * self.step
        while start <= us:
            if us < start + self.size:
                yield start
            start += self.step

    def windows_of(self, us):
        """[start, end) of those that a moment is in."""
        return [(start, start + self.size) for start in self.starts(us)]

    def bound(self, name):
        return ("w." if self.alias else "") + name

    def moments(self, rng, base, n):
        """Around n borders of the grid near base."""
        origin = base - (base - self.offset) % self.step
        reach = max(3, min(12, self.size // self.step))
        return [origin + rng.randint(-reach, reach) * self.step for _ in range(n)]

    def end_after(self, rng, us):
        """The end of a window that is, or was, open at us."""
        offset = self.offset + self.size
        return offset + (us - offset) // self.step * self.step + rng.randint(1, 2) * self.step


class Tumble(Window):
    KIND = "tumble"
    is_shared = False

    def choose(self, rng):
        self.size, text = rng.choice(LENGTHS)
        self.step = self.size
        self.lengths = [text]


class Hop(Window):
    KIND = "hop"
    is_shared = True

    def choose(self, rng):
        self.step, text = rng.choice(LENGTHS)
        many = rng.randint(2, 12)
        self.size = max(1, rng.choice([self.step, self.step * many, self.step * many // 3,
                                       self.step * rng.randint(1, 30) // 10,
                                       self.step + 1, self.step // 2]))
        self.lengths = [text, length_text(self.size)]


class Cumulate(Window):
    KIND = "cumulate"
    is_shared = True

    def choose(self, rng):
        self.step, text = rng.choice(LENGTHS)
        self.size = self.step * rng.choice([1, 2, 3, 7, 24])
        self.lengths = [text, length_text(self.size)]

    def windows_of(self, us):
        start = self.offset + (us - self.offset) // self.size * self.size
        ends = range(start + self.step, start + self.size + 1, self.step)
        return [(start, end) for end in ends if us < end]


class Session(Window):
    """size is the gap."""
    KIND = "session"
    is_shared = True
    merges = True

    def choose(self, rng):
        self.size, text = rng.choice(LENGTHS)
        self.step = self.size
        self.lengths = [text]

    def __init__(self, rng, time_type):
        super().__init__(rng, time_type)
        self.offset = 0

    def moments(self, rng, base, n):
        """Chains of about a gap, and holes between them."""
        step = rng.choice([self.size, self.size // 2 + 1, self.size + 1])
        return [base + rng.randint(-4, 4) * step + rng.choice([0, 0, self.size // 2, -1, 1])
                for _ in range(2 * n)]

    def end_after(self, rng, us):
        return us + rng.randint(0, 2) * self.size


# ---- months, and days of a time zone ----

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
# zones, each with moments at which clocks are changed
CHANGES = {
    "Europe/Berlin": [1711846800, 1729990800], "America/New_York": [1710054000, 1730613600],
    "America/Sao_Paulo": [1541300400, 1550368800], "America/Havana": [1710046800, 1699160400],
    "America/St_Johns": [1289010660], "Pacific/Apia": [1325239200], "Asia/Kolkata": [1711846800]}


def from_utc(us, zone):
    """What clocks show."""
    when = EPOCH + us * MICROSECOND
    return when if zone is None else \
        when.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def first_shown(local, zone):
    """The first moment at which clocks show this, or a later time."""
    us = (local - EPOCH) // MICROSECOND
    if zone is None:
        return us
    us -= local.replace(tzinfo=ZoneInfo(zone)).utcoffset() // MICROSECOND
    if from_utc(us, zone) == local:
        return us
    # it is left out: the change is the first moment that shows more
    low = us - 2 * 86400 * SECOND
    while us - low > 1:
        middle = (low + us) // 2
        if from_utc(middle, zone) >= local:
            us = middle
        else:
            low = middle
    return us


def add_months(year, months):
    return datetime(year + months // 12, months % 12 + 1, 1)


class Calendar(Window):
    """Lengths are in months or days; marks are numbered from 1970, as integers."""

    # size and step in their units, as text: n, and what one of them is
    SIZES = [(1, "month"), (1, "month"), (3, "month"), (12, "month"), (5, "month"), (1, "day"), (1, "day"), (2, "day"), (7, "day")]

    def __init__(self, rng, time_type):
        self.zone = rng.choice(sorted(CHANGES)) if time_type == "timestamptz" else None
        self.n, self.unit = rng.choice(self.SIZES)
        if self.zone is None or self.unit == "month" and rng.random() < 0.3:
            self.unit = "month"
            self.zone = None
        self.choose(rng)
        self.months = rng.choice([0, 0, 0, 1, -1, 3]) if self.unit == "month" else 0
        self.shift = timedelta(seconds=rng.choice([0, 0, 0, 14 * 86400, 6 * 3600, -86400, 9000, -3600]))
        self.alias = rng.choice(["", " w", " AS w"])

    def choose(self, rng):
        self.lengths = [self.n]

    def call(self, ts, alias=None):
        args = [ts] + ["'%s'" % (n if isinstance(n, str) else "%d %s" % (n, self.unit)) for n in self.lengths]
        if self.months or self.shift:
            args.append("'%d months %d s'" % (self.months, self.shift // timedelta(seconds=1)))
        if self.zone:
            args.append("timezone => '%s'" % self.zone)
        return "stream.%s(%s)%s" % (self.function(), ", ".join(args), alias or self.alias)

    def features(self):
        yield self.KIND
        yield "calendar, %s%s" % (self.unit, " of a zone" if self.zone else "")
        if self.months or self.shift:
            yield "calendar with offset"

    def local(self, k):
        """What clocks show at mark k."""
        first = add_months(1970, k + self.months) if self.unit == "month" else EPOCH + timedelta(days=k)
        return first + self.shift

    def mark(self, k):
        return first_shown(self.local(k), self.zone)

    def number(self, us):
        """Of the last mark that is not after us."""
        shown = from_utc(us, self.zone) - self.shift
        k = (shown.year - 1970) * 12 + shown.month - 1 - self.months if self.unit == "month" else \
            (shown - EPOCH).days
        k -= 2
        while self.mark(k + 1) <= us:
            k += 1
        return k

    def windows_of(self, us):
        k = self.number(us) // self.n * self.n
        return [(self.mark(k), self.mark(k + self.n))]

    def moments(self, rng, base, n):
        if self.zone and rng.random() < 0.5:
            base = rng.choice(CHANGES[self.zone]) * SECOND
        k = self.number(base)
        return [self.mark(k + rng.randint(-2, 2) * rng.choice([1, self.n])) for _ in range(n)] + [base]

    def end_after(self, rng, us):
        return max((end for _, end in self.windows_of(us)), default=us)


class CalendarTumble(Calendar):
    KIND = "calendar tumble"
    is_shared = False


class CalendarHop(Calendar):
    KIND = "calendar hop"
    is_shared = True

    def choose(self, rng):
        self.slide = rng.choice([1, 2, 3, self.n, self.n + 1])
        self.lengths = [self.slide, self.n]

    def windows_of(self, us):
        k = self.number(us) // self.slide * self.slide
        while self.mark(k + self.n) > us:
            yield self.mark(k), self.mark(k + self.n)
            k -= self.slide


class CalendarCumulate(Calendar):
    KIND = "calendar cumulate"
    is_shared = True

    def choose(self, rng):
        if self.unit == "month":
            self.step = rng.choice([1, self.n, "1 day", "7 days", "36 hours" if self.n == 1 else "1 week"])
            if self.n > 3 and isinstance(self.step, str):
                self.step = 1
        else:
            self.step = rng.choice([1, self.n, "5 hours", "12:00:00"])
        self.lengths = [self.step, self.n]

    def ends(self, k):
        """Where the windows of bucket k end, its own end being the last."""
        last, end = self.mark(k), self.mark(k + self.n)
        for i in range(1, 1000):
            if isinstance(self.step, int):
                at = self.mark(k + i * self.step)
            elif "day" in self.step or "week" in self.step:
                days = {"1 day": 1, "7 days": 7, "1 week": 7}[self.step]
                at = first_shown(self.local(k) + timedelta(days=i * days), self.zone)
            else:
                at = self.mark(k) + i * {"5 hours": 5, "12:00:00": 12, "36 hours": 36}[self.step] * 3600 * SECOND
            if at >= end:
                break
            if at > last:			# Samoa had a day that nobody saw
                yield at
            last = at
        yield end

    def windows_of(self, us):
        k = self.number(us) // self.n * self.n
        return [(self.mark(k), end) for end in self.ends(k) if us < end]


KINDS = [Tumble, Hop, Cumulate, Session, CalendarTumble, CalendarHop, CalendarCumulate]
