"""Measures, prints the table, keeps the history.  Started by bench/run."""

import argparse
import ctypes
import datetime
import os
import re
import shutil
import statistics
import subprocess
import sys

from lab import HERE, Lab, WrongResult

ALL = ["throughput", "unstaged", "views", "latency", "idle", "memory"]
OPERATORS = ["hop", "cumulate", "session", "distinct", "hll"]
STATES = ["groups", "closing", "newgroups", "bloat"]
RATE = 10_000
HISTORY = os.path.join(HERE, "..", "docs", "benchmarks.md")

# figure, target, direction, the target after that
TARGETS = {
    "throughput / limit": (">=", 0.60, 0.75),
    "throughput / hand-written": (">=", 1.75, 2.2),
    "CPU per event / limit, staging on": ("<=", 2.6, 2.1),
    "CPU per event / limit, staging off": ("<=", 2.0, 1.6),
    "produce -> visible p50, ms": ("<=", 5, 3),
    "produce -> visible p99, ms": ("<=", 50, 20),
    "idle, % of a core": ("<", 0.5, 0.1),
    "memory, 4 partitions, MB": ("<=", 256, 128),
    "memory, 48 partitions, MB": ("<=", 256, 128),
    "CPU of 10 views / 1 view": ("<=", 3, 2),
}

# CPU of the worker per event against the tumble view's
OPERATOR_TARGETS = {
    "CPU of hop, 6 panes / tumble": ("<=", 1.5, 1.3),
    "CPU of cumulate, 6 steps / tumble": ("<=", 1.5, 1.3),
    "CPU of session / tumble": ("<=", 4, 2),
    "CPU of count(DISTINCT) / tumble": ("<=", 6, 4),
    "CPU of hll / tumble": ("<=", 2, 1.5),
}


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--events", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default=",".join(ALL))
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--groups", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--no-history", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--shared-buffers")  # of bench/run
    arguments = parser.parse_args()
    arguments.events = arguments.events or (
        1_000_000 if arguments.quick else 4_000_000)
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.only = arguments.only.split(",")
    for name in arguments.only:
        if name not in ALL + OPERATORS + STATES:
            parser.error(f'no figure "{name}"; there are'
                         f' {", ".join(ALL + OPERATORS + STATES)}')
    if arguments.minutes < 3:
        parser.error("--minutes: the last minute is compared with the second")
    return arguments


def show(name, run):
    rate = run["events"] / run["seconds"] / 1000
    memory = run.get("private_kb") or run.get("max_rss_kb")
    print(f"  {name:<24}{rate:9.0f} k events/s {run['cpu_us']:8.3f} us CPU"
          f" per event {memory / 1024:6.0f} MB", flush=True)


def say(text):
    print(text, flush=True)


def rounds(lab, arguments):
    """The backlog runs, one after the other, several times over."""
    only, events = arguments.only, arguments.events
    runs = {"limit": [], "hand": [], "on": [], "off": [], "ten": []}
    say(f"filling a topic with {events} events")
    topic, expected = lab.backlog(events, 4)
    unstaged = '{"staging_max_rows": 0}'
    steps = [
        ("limit", True, lambda: lab.limit(topic, expected)),
        ("hand", "throughput" in only, lambda: lab.hand(topic, expected)),
        ("on", True, lambda: lab.backlog_run(topic, expected, events)),
        ("off", "unstaged" in only, lambda: lab.backlog_run(
            topic, expected, events, options=unstaged)),
        ("ten", "views" in only, lambda: lab.backlog_run(
            topic, expected, events, views=10)),
    ]
    for name in OPERATORS:
        runs[name] = []
        steps.append((name, name in only, lambda name=name: lab.operator_run(
            topic, expected, events, name)))
    names = {"limit": "the limit", "hand": "hand-written consumer",
             "on": "stream_ext", "off": "stream_ext, no staging",
             "ten": "stream_ext, 10 views"}
    for i in range(arguments.rounds):
        say(f"round {i + 1} of {arguments.rounds}")
        for name, wanted, run in steps:
            if wanted:
                runs[name].append(run())
                show(names.get(name, f"stream_ext, {name}"), runs[name][-1])
    return runs


def median_ratio(runs, of, by, what):
    """The ratio of two runs of the same round; the median of all rounds."""
    return statistics.median(what(a) / what(b)
                             for a, b in zip(runs[of], runs[by]))


def rate(run):
    return run["events"] / run["seconds"]


def cpu(run):
    return run["cpu_us"]


def backlog_figures(lab, arguments, figures, notes):
    runs = rounds(lab, arguments)
    only = arguments.only
    for name, key in (("limit", "limit"), ("hand-written", "hand"),
                      ("stream_ext", "on"), ("no staging", "off"),
                      ("10 views", "ten")):
        if runs[key]:
            notes.append((name, statistics.median(map(rate, runs[key])),
                          statistics.median(map(cpu, runs[key]))))
    if "throughput" in only:
        figures["throughput / limit"] = median_ratio(runs, "on", "limit", rate)
        figures["throughput / hand-written"] = median_ratio(
            runs, "on", "hand", rate)
        figures["CPU per event / limit, staging on"] = median_ratio(
            runs, "on", "limit", cpu)
    if "unstaged" in only:
        figures["CPU per event / limit, staging off"] = median_ratio(
            runs, "off", "limit", cpu)
    if "views" in only:
        figures["CPU of 10 views / 1 view"] = median_ratio(
            runs, "ten", "on", cpu)
    for name, figure in zip(OPERATORS, OPERATOR_TARGETS):
        if name in only:
            figures[figure] = median_ratio(runs, name, "on", cpu)
    if "memory" in only:
        figures["memory, 4 partitions, MB"] = max(
            run["private_kb"] for run in runs["on"]) / 1024


def check_disk(directory, events):
    """Full disks stop the broker, which would be waited for in vain."""
    needed = 20 + events * 80 // 1_000_000_000  # with the server and its WAL
    free = shutil.disk_usage(directory).free // 1_000_000_000
    if free < needed:
        raise WrongResult(f"{free} GB of disk are free, {needed} are needed")


def groups_figures(lab, arguments, figures):
    """A view without a window, by few keys and by many."""
    runs = {}
    events = 3 * arguments.groups // 2
    check_disk(arguments.dir, 3 * events * (arguments.rounds + 1))
    say(f"backlogs of {events} events of 1000 and of {arguments.groups} ads")
    for what, run in lab.groups_runs(arguments.groups, events,
                                     arguments.rounds):
        show(what, run)
        runs.setdefault(what, []).append(run)
    for what in ("many", "many, Zipf"):
        figures[f"groups: {what} / few, events per CPU s"] = median_ratio(
            runs, "few", what, cpu)
        figures[f"groups: {what} / few, events per s"] = median_ratio(
            runs, what, "few", rate)
    figures["groups: many, new / few, events per s"] = rate(
        runs["many, new"][0]) / statistics.median(map(rate, runs["few"]))
    figures["memory, 10 M groups, MB"] = max(
        run["private_kb"] for each in runs.values() for run in each) / 1024


def closing_figures(lab, arguments, figures):
    groups = min(arguments.groups, 1_000_000)
    say(f"a window of {groups} groups")
    run = lab.closing_run(groups)
    figures["closing 1 M rows for the next view, s"] = run["seconds"]
    figures["longest batch meanwhile, ms"] = run["longest_ms"]


def new_groups_figures(lab, arguments, figures):
    say(f"100000 new groups a second for {arguments.minutes} minutes")
    runs = []
    for run in lab.new_groups_run(100_000, arguments.minutes):
        runs.append(run)
        show(f"minute {len(runs)}", run)
    # the first minute has no old windows yet that leave
    figures["new groups, CPU of last minute / second"] = (
        cpu(runs[-1]) / cpu(runs[1]))
    figures["new groups, k/s in the last minute"] = rate(runs[-1]) / 1000


def bloat_figures(lab, figures):
    groups, batches = 1000, 10_000
    say(f"{groups * batches} updates of {groups} groups")
    run = lab.bloat_run(groups, batches)
    say(f"  state table, fresh {run['fresh'] / 1024:.0f} kB,"
        f" then {run['bytes'] / 1024:.0f} kB")
    figures["bloat, size after 10 M updates / fresh"] = (
        run["bytes"] / run["fresh"])


def memory_figures(lab, arguments, figures):
    say("48 partitions")
    topic, expected = lab.backlog(arguments.events, 48)
    run = lab.backlog_run(topic, expected, arguments.events)
    show("stream_ext", run)
    figures["memory, 48 partitions, MB"] = run["private_kb"] / 1024


def latency_figures(lab, arguments, figures, notes):
    seconds = 15 if arguments.quick else 30
    say(f"{arguments.rate} events/s for {seconds} s, then nothing")
    run = lab.stream_latency(arguments.rate, seconds, 5, 20 if arguments.quick else 40)
    if "latency" in arguments.only:
        figures["produce -> visible p50, ms"] = run["p50_ms"]
        figures["produce -> visible p99, ms"] = run["p99_ms"]
        hand = lab.hand_latency(arguments.rate, seconds, 5)
        for name, result in (("stream_ext", run), ("hand-written", hand)):
            say(f"  {name:<24} p50 {result['p50_ms']:.2f}"
                f"  p90 {result['p90_ms']:.2f}  p99 {result['p99_ms']:.2f}"
                f"  max {result['max_ms']:.1f} ms")
        say(f"  stream_ext at that rate: {run['cpu_us']:.2f} us CPU per event;"
            f" a look of the probe takes {run['poll_us']:.0f} us")
    if "idle" in arguments.only:
        figures["idle, % of a core"] = run["idle_percent"]


STATE_TARGETS = {
    "groups: many / few, events per CPU s": (">=", 0.5, 0.7),
    "groups: many / few, events per s": (">=", 0.5, 0.7),
    "groups: many, Zipf / few, events per CPU s": (">=", 0.5, 0.7),
    "groups: many, Zipf / few, events per s": (">=", 0.5, 0.7),
    "groups: many, new / few, events per s": (">=", 0.3, 0.5),
    "memory, 10 M groups, MB": ("<=", 256, 128),
    "closing 1 M rows for the next view, s": ("<=", 5, 2),
    "longest batch meanwhile, ms": ("<=", 200, 50),
    "new groups, CPU of last minute / second": ("<=", 1.2, 1.1),
    "new groups, k/s in the last minute": (">=", 98, 99),
    "bloat, size after 10 M updates / fresh": ("<=", 1.5, 1.1),
}


def meets(value, direction, target):
    return value >= target if direction == ">=" else (
        value <= target if direction == "<=" else value < target)


def print_table(figures):
    say(f"\n{'figure':<43}{'measured':>10}{'target':>12}{'and then':>10}")
    for name, (direction, first, second) in {
            **TARGETS, **OPERATOR_TARGETS, **STATE_TARGETS}.items():
        if name in figures:
            value = figures[name]
            verdict = ("met, and the next" if meets(value, direction, second)
                       else "met" if meets(value, direction, first)
                       else "MISSED")
            say(f"{name:<43}{value:>10.2f}{direction + ' ' + str(first):>12}"
                f"{second:>10}  {verdict}")


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read()).group(1)
    model = re.sub(r"\(R\)|\(TM\)| CPU| Processor|@.*", "", model)
    return f"{os.cpu_count()} x {model.strip()}"


def versions(lab):
    server = lab.admin.execute("SHOW server_version").fetchone()[0].split()[0]
    extension = lab.admin.execute(
        "SELECT extversion FROM pg_extension"
        " WHERE extname = 'stream_ext'").fetchone()[0]
    commit = subprocess.run(
        ["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
        stdout=subprocess.PIPE, text=True).stdout.strip()
    library = ctypes.CDLL("librdkafka.so.1")
    library.rd_kafka_version_str.restype = ctypes.c_char_p
    return (f"{extension} {commit}".strip(), server,
            library.rd_kafka_version_str().decode())


def append_history(lab, arguments, figures, notes, load):
    """One line for the figures, one for what they are ratios of."""
    extension, server, rdkafka = versions(lab)
    cells = [datetime.date.today().isoformat(), extension,
             f"{machine()}, load {load:.1f}", server, rdkafka,
             f"{arguments.events / 1e6:g} M"]
    cells += [f"{figures[name]:.2f}" if name in figures else "-"
              for name in TARGETS]
    cells.append("; ".join(f"{name} {events / 1000:.0f} k/s {us:.2f} us"
                           for name, events, us in notes) or "-")
    with open(HISTORY, "a") as f:
        f.write("| " + " | ".join(cells) + " |\n")


def main():
    arguments = parse_arguments()
    load = os.getloadavg()[0]
    if load > 0.7:
        say(f"the machine is busy (load {load:.1f}): expect nothing of the"
            " figures but their ratios")
    lab = Lab(arguments.dir, arguments.brokers)
    figures, notes = {}, []
    only = set(arguments.only)
    if only & {"throughput", "unstaged", "views", "memory", *OPERATORS}:
        backlog_figures(lab, arguments, figures, notes)
    if "memory" in only:
        memory_figures(lab, arguments, figures)
    if only & {"latency", "idle"}:
        latency_figures(lab, arguments, figures, notes)
    if "groups" in only:
        groups_figures(lab, arguments, figures)
    if "closing" in only:
        closing_figures(lab, arguments, figures)
    if "newgroups" in only:
        new_groups_figures(lab, arguments, figures)
    if "bloat" in only:
        bloat_figures(lab, figures)
    print_table(figures)
    if not arguments.no_history:
        append_history(lab, arguments, figures, notes, load)


try:
    main()
except (WrongResult, subprocess.CalledProcessError) as problem:
    sys.exit(f"bench: {problem}")
