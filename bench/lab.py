"""The bench's hands: programs, topics, streams, and what /proc says of a process.

Everything that runs is run one at a time, and every result is compared with
the fold of the topic that its producer wrote: a fast wrong answer stops the
bench.
"""

import contextlib
import datetime
import filecmp
import os
import re
import subprocess
import sys
import threading
import time

import confluent_kafka
import psycopg

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")

# Milliseconds between the bursts of a load at a rate: 500 wakeups a second
# are cheap on any machine, and add a millisecond to no one.
BURST_MS = 2

COLUMNS = ("user_id text, ad_id int, event_type text, price numeric,"
           " event_time timestamptz")

VIEW = """
SELECT window_start, ad_id, count(*) AS events, sum(price) AS total
FROM {stream}, stream.tumble(event_time, '10 s')
WHERE event_type = 'view'
GROUP BY window_start, ad_id"""

# The same with other windows and aggregates: the SELECT list's end, FROM's end,
# and how often each event counts in column "events" (None: it varies).
OPERATORS = {
    "hop": ("", "stream.hop(event_time, '10 s', '60 s')", 6),
    "cumulate": ("", "stream.cumulate(event_time, '10 s', '60 s')", None),
    "session": ("", "stream.session(event_time, '1 s')", 1),
    "distinct": (", count(DISTINCT user_id) AS users",
                 "stream.tumble(event_time, '10 s')", 1),
    "hll": (", hll_add_agg(hll_hash_text(user_id)) AS users",
            "stream.tumble(event_time, '10 s')", 1),
}

OPERATOR_VIEW = """
SELECT window_start, window_end, ad_id, count(*) AS events,
       sum(price) AS total{columns}
FROM clicks, {window}
WHERE event_type = 'view'
GROUP BY window_start, window_end, ad_id"""

GROUPS_VIEW = """
SELECT ad_id, count(*) AS events, sum(price) AS total
FROM {stream} WHERE event_type = 'view' GROUP BY ad_id"""

GROUPS_RESULT = """
COPY (SELECT 1709251200, ad_id, events, (total * 100)::bigint
      FROM {view} ORDER BY 2) TO STDOUT"""

# Windows that close together, and a view on what they say then.
CLOSING_VIEW = """
SELECT w.window_start, w.window_end, ad_id, count(*) AS events
FROM clicks, stream.tumble(event_time, '1 hour') w
GROUP BY 1, 2, 3"""

CLOSED_VIEW = """
SELECT c.ad_id % 1000 AS shelf, w.window_start, count(*) AS ads,
       sum(c.events) AS events
FROM closing_view c, stream.tumble(c.window_start, '1 day') w
GROUP BY 1, 2"""

NEW_GROUPS_VIEW = """
SELECT w.window_start, user_id, count(*) AS events, sum(price) AS total
FROM clicks, stream.tumble(event_time, '10 s') w
GROUP BY 1, 2"""

RESULT = """
COPY (SELECT extract(epoch FROM window_start)::bigint, ad_id, events,
             (total * 100)::bigint FROM {view} ORDER BY 1, 2) TO STDOUT"""

SETUP = """
CREATE EXTENSION stream_ext;
CREATE ROLE app LOGIN;
GRANT CREATE ON SCHEMA public TO app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO app;
CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka
    OPTIONS ("bootstrap.servers" '{brokers}');
GRANT USAGE ON FOREIGN SERVER kafka TO app;
CREATE USER MAPPING FOR app SERVER kafka;
"""


# every batch updates each of the groups once, in an order of its own
BLOAT_BATCHES = """
DO $$
BEGIN
  FOR b IN 1 .. {batches} LOOP
    PERFORM stream.ingest('churn', VARIADIC ARRAY(
      SELECT k || ',' || k::bigint * b % 9973 FROM generate_series(1, {groups}) k
      ORDER BY k::bigint * b % 1009));
    COMMIT;
  END LOOP;
END $$"""
BLOAT_VIEW = ("SELECT k, count(*) AS n, sum(v) AS total, avg(v) AS mean,"
              " max(v) AS top FROM churn GROUP BY k")


class WrongResult(Exception):
    """A run that does not count."""


def figures(text):
    """The last line of a bench program, name=value ..., as a dict."""
    line = text.strip().splitlines()[-1]
    return {name: float(value)
            for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def cpu_seconds(pid):
    """CPU that a process has used, in all its threads, ended ones included."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_threads(pid):
    """The same to the nanosecond, of the threads there are: for idle ones."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def private_kb(pid):
    """Memory that is this process's alone: no shared buffers, no files."""
    with open(f"/proc/{pid}/status") as f:
        match = re.search(r"RssAnon:\s+(\d+)", f.read())
    return int(match.group(1)) if match else 0  # it has just ended


class Trickle:
    """Events of now at a rate, to all partitions in turn, until stop()."""

    def __init__(self, brokers, topic, partitions, rate):
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": brokers, "linger.ms": 2})
        self.topic, self.partitions, self.rate = topic, partitions, rate
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        start, sent = time.monotonic(), 0
        while not self.stopping.wait(0.01):
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            value = ('{"user_id":"u","ad_id":1,"event_type":"view",'
                     f'"price":1.00,"event_time":"{now}"}}')
            while sent < (time.monotonic() - start) * self.rate:
                self.producer.produce(self.topic, value,
                                      partition=sent % self.partitions)
                sent += 1
            self.producer.poll(0)
        self.producer.flush()

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Backlogs:
    """What is produced for a stream with one view, a backlog after the other."""

    def __init__(self, lab, stream, view, topic, expected, options):
        self.lab, self.stream, self.view = lab, stream, view
        self.topic, self.expected, self.options = topic, expected, options
        self.events, self.seed = 0, 1

    def fill(self, events, *more):
        self.lab.fill(self.topic, self.expected, events, 4, "-s", self.seed,
                      *self.options, *more)
        self.events += events
        self.seed += 1

    def first(self, events, *more):
        self.fill(events, *more)
        self.lab.admin.execute("CHECKPOINT")
        return self.lab.run_backlog(events, 1800, self.stream)

    def next(self, events, *more):
        """It comes while the worker waits for the view's table; what that has
        done before tells nothing of this one."""
        pid = self.lab.worker(self.stream)
        cpu = cpu_seconds(pid)
        with psycopg.connect(self.lab.dsn + "app") as holder:
            holder.execute(f"LOCK TABLE {self.view}_state IN SHARE MODE")
            self.fill(events, "-i", self.expected, *more)
        start = time.monotonic()
        memory = self.lab.await_progress(self.events, pid, 1800, self.stream)
        return {"events": events, "seconds": time.monotonic() - start,
                "cpu_us": (cpu_seconds(pid) - cpu) * 1e6 / events,
                "private_kb": memory}


class Lab:
    def __init__(self, directory, brokers):
        self.dir = directory
        self.brokers = brokers
        self.dsn = (f"host={os.environ['PGHOST']} port={os.environ['PGPORT']}"
                    " dbname=postgres user=")
        self.admin = psycopg.connect(self.dsn + "postgres", autocommit=True)
        if not self.admin.execute(
                "SELECT 1 FROM pg_extension WHERE extname = 'stream_ext'"
                ).fetchone():
            self.admin.execute(SETUP.format(brokers=brokers))
        self.app = psycopg.connect(self.dsn + "app", autocommit=True)
        self.topics = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def program(self, name, *arguments):
        """Runs a bench program to its end; returns its figures."""
        done = subprocess.run(
            [self.path(name), *map(str, arguments)], check=True,
            stdout=subprocess.PIPE, text=True)
        return figures(done.stdout)

    def new_topic(self):
        self.topics += 1
        return f"bench{int(time.time())}x{self.topics}"

    def backlog(self, events, partitions, *options):
        """A topic with that many events and the file of the expected result."""
        topic = self.new_topic()
        expected = self.path(topic + ".tsv")
        self.fill(topic, expected, events, partitions, *options)
        return topic, expected

    def fill(self, topic, expected, events, partitions, *options):
        self.program("load", "-b", self.brokers, "-t", topic, "-n", events,
                     "-p", partitions, "-o", expected, *options)

    def check(self, got, expected, who):
        if not filecmp.cmp(got, expected, shallow=False):
            raise WrongResult(f"{who}: {got} differs from {expected}")

    # ---- the two to compare with

    def limit(self, topic, expected):
        got = self.path("limit.tsv")
        result = self.program("limit", "-b", self.brokers, "-t", topic, "-o",
                              got)
        subprocess.run(["sort", "-n", "-k1,1", "-k2,2", "-o", got, got],
                       check=True, env={"LC_ALL": "C"})
        self.check(got, expected, "limit")
        return result

    def hand_command(self, topic, *more):
        return [sys.executable, os.path.join(HERE, "consumer.py"),
                "--brokers", self.brokers, "--topic", topic, "--dsn",
                self.dsn + "postgres", *more]

    def forget_hand(self):
        self.admin.execute("DROP TABLE IF EXISTS hand_result, hand_offsets")

    def hand(self, topic, expected):
        got = self.path("hand.tsv")
        self.forget_hand()
        done = subprocess.run(self.hand_command(topic, "--result", got),
                              check=True, stdout=subprocess.PIPE, text=True)
        self.check(got, expected, "consumer.py")
        return figures(done.stdout)

    # ---- the extension

    @contextlib.contextmanager
    def stream(self, topic, views, options="{}", extra_columns="",
               fields="{}", query=VIEW, name="clicks"):
        """A paused stream with views of these names, dropped at the end."""
        with self.app.transaction():
            self.app.execute(
                "SELECT stream.create_stream(%s, columns => %s,"
                " server => 'kafka', topic => %s, event_time => 'event_time',"
                " watermark_delay => '5 s', paused => true, fields => %s,"
                " options => %s)",
                (name, COLUMNS + extra_columns, topic, fields, options))
            for view in views:
                self.app.execute("SELECT stream.create_view(%s, %s)",
                                 (view, query.format(stream=name)))
        try:
            yield
        finally:
            self.app.execute("SELECT stream.drop(%s, true)", (name,))

    def progress(self, stream="clicks"):
        """Records whose results are committed, and the worker."""
        return self.app.execute(
            "SELECT coalesce(sum(next_offset), 0), max(worker_pid)"
            " FROM stream.partitions WHERE stream = %s::text::regclass",
            (stream,)).fetchone()

    def worker(self, stream="clicks"):
        return self.progress(stream)[1]

    def error(self, stream="clicks"):
        row = self.app.execute(
            "SELECT state, error FROM stream.status"
            " WHERE stream = %s::text::regclass", (stream,)).fetchone()
        return f"the stream is {row[0]}: {row[1]}"

    def await_progress(self, events, pid, timeout, stream="clicks"):
        """Until so many are committed; the most memory that the worker had."""
        memory, done, start = 0, 0, time.monotonic()
        while done < events:
            time.sleep(0.02)
            done, worker = self.progress(stream)
            if pid and worker and worker != pid:
                raise WrongResult(f"worker {pid} has become {worker}")
            if worker:
                with contextlib.suppress(FileNotFoundError):
                    memory = max(memory, private_kb(worker))
            if time.monotonic() - start > timeout:
                raise WrongResult(f"{done} of {events} events in {timeout} s;"
                                  f" {self.error(stream)}")
        return memory

    def run_backlog(self, events, timeout=300, stream="clicks"):
        """Resumes the stream, waits until all is committed; its figures."""
        start = time.monotonic()
        self.app.execute("SELECT stream.resume(%s)", (stream,))
        memory = self.await_progress(events, None, timeout, stream)
        seconds = time.monotonic() - start
        return {"events": events, "seconds": seconds,
                "cpu_us": cpu_seconds(self.worker(stream)) * 1e6 / events,
                "private_kb": memory}

    def check_view(self, view, expected, result=RESULT):
        got = self.path(view + ".tsv")
        with open(got, "wb") as f, self.app.cursor() as cursor:
            with cursor.copy(result.format(view=view)) as copy:
                for chunk in copy:
                    f.write(chunk)
        self.check(got, expected, view)

    def backlog_run(self, topic, expected, events, views=1, options="{}"):
        """One backlog through the extension, checked."""
        names = [f"clicks_per_ad_{i}" for i in range(views)]
        self.admin.execute("CHECKPOINT")
        with self.stream(topic, names, options):
            result = self.run_backlog(events)
            for name in names:
                self.check_view(name, expected)
        return result

    def operator_run(self, topic, expected, events, operator):
        """One backlog through a view with another window or aggregate."""
        columns, window, times = OPERATORS[operator]
        if operator == "hll":
            self.admin.execute("CREATE EXTENSION IF NOT EXISTS hll")
        with open(expected) as f:
            wanted = sum(int(line.split("\t")[2]) for line in f)
        self.admin.execute("CHECKPOINT")
        with self.stream(topic, ["operator_view"], query=OPERATOR_VIEW.format(
                columns=columns, window=window)):
            result = self.run_backlog(events)
            got = self.app.execute(
                "SELECT sum(events) FROM operator_view").fetchone()[0]
            if times and got != wanted * times:
                raise WrongResult(f"{operator}: {got} events counted, not"
                                  f" {wanted * times}")
        return result

    @contextlib.contextmanager
    def groups(self, name, ads):
        """A stream with a view without a window by so many ads."""
        options = ("-a", ads, "-w", 10 ** 12)  # all of event time is one window
        topic = self.new_topic()
        expected = self.path(topic + ".tsv")
        view = f"{name}_per_ad"
        with self.stream(topic, [view], query=GROUPS_VIEW, name=name):
            yield Backlogs(self, name, view, topic, expected, options)
            self.check_view(view, expected, GROUPS_RESULT)

    def groups_runs(self, ads, events, rounds):
        """Backlogs into views by 1000 ads and by many: yields what, figures.

        Many that come for the first time; then, when each of them is there,
        in each round one of the 1000, and of the many drawn evenly and by
        Zipf's law.  The workers go on, as those of streams that run for long.
        """
        with self.groups("few", 1000) as few, self.groups("many", ads) as many:
            yield "few, new", few.first(1000, "-c")
            yield "many, new", many.first(events)
            yield "many, each once", many.next(ads, "-c")
            for _ in range(rounds):
                yield "few", few.next(events)
                yield "many", many.next(events)
                yield "many, Zipf", many.next(events, "-z")

    def closing_run(self, groups):
        """A window of so many groups closes under a load of 10,000 events/s.

        Returns the seconds until a view on it has its rows, counted from the
        moment at which the watermark passes the window, and the longest batch
        of that time in ms.
        """
        events = 3 * groups
        topic, expected = self.backlog(events, 4, "-a", groups, "-e", 2000,
                                       "-w", 3_600_000)
        with self.stream(topic, []):
            self.app.execute("SELECT stream.create_view('closing_view', %s,"
                             " emit => 'append')", (CLOSING_VIEW,))
            self.app.execute("SELECT stream.create_view('closed_view', %s)",
                             (CLOSED_VIEW,))
            self.run_backlog(events)
            load = Trickle(self.brokers, topic, 4, 10_000)
            try:
                return self.watch_closing(events)
            finally:
                load.stop()

    def watch_closing(self, events, timeout=120):
        """Looks every few ms, until a second after all is there.

        The longest batch of the load is the longest time without a new one,
        or what the stream says of its last: looks may miss a short one."""
        longest, passed, done = 0, None, None
        start, rows, changed = time.monotonic(), events, None
        while done is None or time.monotonic() < done + 1:
            batch_ms, rows_now, closes, counted = self.app.execute(
                "SELECT batch_ms, rows_total,"
                " stream.watermark('clicks') >= '2024-03-02',"
                " (SELECT sum(events) FROM closed_view"
                "  WHERE window_start = '2024-03-01 00:00+00')"
                " FROM stream.status").fetchone()
            now = time.monotonic()
            if rows_now > rows:
                since = (now - changed) * 1000 if changed else 0
                longest = max(longest, batch_ms, since)
                rows, changed = rows_now, now
            if closes and passed is None:
                passed = now
            if counted == events and done is None:
                done = now
            if now - start > timeout:
                raise WrongResult(f"closing: {counted} of {events} events;"
                                  f" {self.error()}")
            time.sleep(0.003)
        return {"seconds": done - passed, "longest_ms": longest}

    def bloat_run(self, groups, batches):
        """Updates each group of a view without a window once in every batch.

        Returns the bytes of the state table, with its index, when the groups
        were just made and in the end."""
        size = "SELECT pg_total_relation_size('per_k_state')"
        self.app.execute(
            "SELECT stream.create_stream('churn', columns => 'k int, v numeric',"
            " format => 'csv', options => '{\"staging_max_rows\": 0}')")
        try:
            self.app.execute("SELECT stream.create_view('per_k', %s)",
                             (BLOAT_VIEW,))
            self.app.execute(BLOAT_BATCHES.format(groups=groups, batches=1))
            fresh = self.app.execute(size).fetchone()[0]
            self.app.execute(BLOAT_BATCHES.format(groups=groups,
                                                  batches=batches))
            counts = self.app.execute(
                "SELECT count(*), min(n), max(n) FROM per_k").fetchone()
            if counts != (groups, batches + 1, batches + 1):
                raise WrongResult(f"bloat: {counts} groups and events of each")
            return {"fresh": fresh, "bytes": self.app.execute(size).fetchone()[0]}
        finally:
            self.app.execute("SELECT stream.drop('churn', true)")

    def new_groups_run(self, rate, minutes):
        """Every event is a group of its own; figures of each minute."""
        topic, events = self.new_topic(), rate * 60 * minutes
        load = subprocess.Popen(
            [self.path("load"), "-b", self.brokers, "-t", topic, "-n",
             str(events), "-r", str(rate), "-k",
             str(max(1, rate * BURST_MS // 1000))],
            stdout=subprocess.PIPE, text=True)
        load.stdout.readline()
        result = []
        try:
            with self.stream(topic, []):
                self.app.execute(
                    "SELECT stream.create_view('new_groups_view', %s,"
                    " state_ttl => '30 s')", (NEW_GROUPS_VIEW,))
                self.app.execute("SELECT stream.resume('clicks')")
                time.sleep(5)
                before, pid = self.progress()
                cpu, start = cpu_seconds(pid), time.monotonic()
                for minute in range(minutes - 1):
                    time.sleep(max(0, start + 60 - time.monotonic()))
                    (done, pid), now = self.progress(), time.monotonic()
                    used = cpu_seconds(pid)
                    result.append({
                        "events": int(done - before), "seconds": now - start,
                        "cpu_us": (used - cpu) * 1e6 / float(done - before),
                        "private_kb": private_kb(pid)})
                    yield result[-1]
                    before, cpu, start = done, used, now
                if load.wait() != 0:
                    raise WrongResult("load failed")
                deadline = time.monotonic() + 60
                while self.progress()[0] < events:
                    if time.monotonic() > deadline:
                        raise WrongResult(f"{events} events are too many;"
                                          f" {self.error()}")
                    time.sleep(0.1)
        finally:
            load.kill()

    # ---- latency

    def latency(self, reader_query, dsn, rate, seconds, skip_seconds, begin):
        """produce -> visible of every event sent at a rate, in ms.

        begin(topic) starts the reader once the topic is there; whatever the
        reader has to do to start falls into the seconds that are skipped.
        """
        topic, events = self.new_topic(), rate * seconds
        burst = str(max(1, rate * BURST_MS // 1000))
        sent = self.path(topic + ".sent")
        load = subprocess.Popen(
            [self.path("load"), "-b", self.brokers, "-t", topic, "-n",
             str(events), "-r", str(rate), "-k", burst, "-l", sent],
            stdout=subprocess.PIPE, text=True)
        try:
            load.stdout.readline()
            begin(topic)
            probe = subprocess.Popen(
                [self.path("probe"), "-d", dsn, "-q", reader_query, "-l",
                 sent, "-n", str(events), "-k", burst, "-s",
                 str(rate * skip_seconds)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if load.wait() != 0:
                raise WrongResult("load failed")
            out, _ = probe.communicate()
            if probe.returncode != 0:
                raise WrongResult("probe failed")
        finally:
            load.kill()
        return figures(out)

    def stream_latency(self, rate, seconds, skip_seconds, idle_seconds):
        """Latency of the bench view's stream, then its idle CPU."""
        with contextlib.ExitStack() as stack:
            def begin(topic):
                stack.enter_context(self.stream(
                    topic, ["clicks_per_ad_0"], extra_columns=", part int",
                    fields='{"part": "@partition"}'))
                self.app.execute(
                    "SELECT stream.create_view('seen', 'SELECT part,"
                    " count(*) AS events FROM clicks GROUP BY part')")
                self.app.execute("SELECT stream.resume('clicks')")

            result = self.latency("SELECT part, events FROM seen",
                                  self.dsn + "app", rate, seconds,
                                  skip_seconds, begin)
            pid = self.worker()
            result["cpu_us"] = cpu_seconds(pid) * 1e6 / (rate * seconds)
            time.sleep(2)
            before, start = cpu_of_threads(pid), time.monotonic()
            time.sleep(idle_seconds)
            result["idle_percent"] = 100 * (cpu_of_threads(pid) - before) / (
                time.monotonic() - start)
        return result

    def hand_latency(self, rate, seconds, skip_seconds):
        self.forget_hand()
        reader = None

        def begin(topic):
            nonlocal reader
            reader = subprocess.Popen(self.hand_command(topic, "--follow"),
                                      stdout=subprocess.PIPE, text=True)
            reader.stdout.readline()

        try:
            return self.latency("SELECT part, next_offset FROM hand_offsets",
                                self.dsn + "postgres", rate, seconds,
                                skip_seconds, begin)
        finally:
            if reader:
                reader.terminate()
                reader.wait()
