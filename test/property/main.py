"""Runs cases in parallel sessions and says what they covered.  See run.

Copyright (c) 2026, the stream_ext contributors
"""
import argparse
import collections
import os
import random
import sys
import tempfile
import threading
import time

import script
from case import Case
from query import COVERABLE
from session import Session
from shrink import shrink

# With so many cases, what never occurred was left out by mistake.
ENOUGH = 1000


class Run:
    """What the sessions share."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.cases = iter([args.case] if args.case is not None else range(args.cases))
        self.covered = collections.Counter()
        self.passed = self.failed = self.checks = self.rows = self.empty = 0
        self.died = []
        self.commands = []			# that run failed cases again

    def next_case(self):
        with self.lock:
            return None if self.failed >= self.args.failures else next(self.cases, None)

    def count(self, case, verdict, checks):
        with self.lock:
            self.covered.update(case.covered)
            if verdict.late:
                self.covered["late: rows set aside"] += 1
            self.checks += checks
            self.rows += verdict.rows
            self.empty += verdict.good and verdict.rows == 0
            if verdict.good:
                self.passed += 1
            else:
                self.failed += 1

    def report(self, case, verdict, text):
        """Before it is made smaller: the server may be gone."""
        name = os.path.join(self.args.output, "property-%d-%d.sql" % (case.seed, case.number))
        with open(name, "w") as out:
            out.write(text)
        command = "FAILED: test/property/run --seed %d --case %d" % (case.seed, case.number)
        with self.lock:
            self.commands.append(command)
            print(command)
            print("all of it: %s\n%s" % (name, verdict.output), flush=True)

    def report_small(self, case, verdict, text):
        with self.lock:
            print("case %d made smaller:\n%s%s" % (case.number, text, verdict.output), flush=True)


def execute(session, case):
    text, checks = script.write(case)
    return script.Verdict(session.run(text), checks), text, checks


def work(run, number, directory):
    session = Session("property_%d" % number, directory)
    k = run.next_case()
    while k is not None:
        case = Case(run.args.seed, k)
        verdict, text, checks = execute(session, case)
        run.count(case, verdict, checks)
        if run.args.verbose:
            print(text, verdict.output, sep="\n")
        if not verdict.good:
            def fails(smaller):
                other = execute(session, smaller)[0]
                return not other.good and other.kind == verdict.kind
            run.report(case, verdict, text)
            small = shrink(case, fails)
            other, small_text, _ = execute(session, small)
            run.report_small(case, other, small_text)
        k = run.next_case()
    session.close()


def guarded(run, *args):
    try:
        work(run, *args)
    except BaseException as error:
        run.died.append(error)
        raise


def summary(run, seconds):
    """True when all that can occur did."""
    kinds = collections.defaultdict(list)
    for name in sorted(set(COVERABLE) | set(run.covered)):
        kind, what = name.split(": ", 1)
        kinds[kind].append("%s %d" % (what, run.covered[name]))
    for kind, counts in sorted(kinds.items()):
        print("%s: %s" % (kind, ", ".join(counts)))
    n = run.passed + run.failed
    print("%d cases in %.0f s, %.1f a second; %d comparisons of %d rows; in %d cases no rows" % (
        n, seconds, n / seconds, run.checks, run.rows, run.empty))
    missing = [name for name in COVERABLE if not run.covered[name]]
    if n >= ENOUGH and missing:
        print("never occurred: " + ", ".join(missing))
        return False
    return True


def main():
    parser = argparse.ArgumentParser(prog="test/property/run")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--failures", type=int, default=5, help="give up after so many")
    parser.add_argument("--output", default=".", help="where scripts of failed cases go")
    parser.add_argument("--verbose", action="store_true", help="print every script")
    args = parser.parse_args()
    print("seed %d" % args.seed, flush=True)

    run = Run(args)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        threads = [threading.Thread(target=guarded, args=(run, i, directory))
                   for i in range(args.sessions if args.case is None else 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    complete = summary(run, time.monotonic() - start)
    print("".join(command + "\n" for command in run.commands), end="")
    run.failed += len(run.died) + (not complete)
    print("%d passed, %d failed" % (run.passed, run.failed))
    sys.exit(run.failed > 0 or run.passed == 0)


if __name__ == "__main__":
    main()
