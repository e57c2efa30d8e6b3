"""Windows of a query, and the moments at which something may go wrong in them.

A new kind of window is a class with KIND and a place in KINDS: its call in
FROM, its grid in microseconds, which expressions its bounds may be in, and the
windows of a moment by a way of its own: the oracle calls stream.tumble and the
like too, so that they must be compared with something else.

Copyright (c) 2026, the stream_ext contributors
"""
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

    def __init__(self, rng):
        self.choose(rng)
        self.offset = rng.choice([0, 0, 1, -1, self.step // 3, -self.step, 5 * self.size // 2,
                                  -self.size - self.step // 2])
        self.alias = rng.choice(["", " w", " AS w"])

    def call(self, ts):
        args = [ts] + ["'%s'" % a for a in self.lengths]
        if self.offset:
            args.append("'%s'" % length_text(self.offset))
        return "stream.%s(%s)%s" % (self.KIND, ", ".join(args), self.alias)

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


KINDS = [Tumble, Hop, Cumulate]
