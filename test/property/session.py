"""A psql that scripts are given to, one after the other.

Copyright (c) 2026, the stream_ext contributors
"""
import os
import subprocess
import time

from aggregates import SETUP as AGGREGATES
from oracle import SETUP as ORACLE
from query import DIM_SETUP

END = "-- end of script --"
SETUP = """
CREATE EXTENSION stream_ext;
CREATE EXTENSION hll;
CREATE DOMAIN small AS int CHECK (VALUE BETWEEN -100 AND 100);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
""" + DIM_SETUP + AGGREGATES + ORACLE


class Session:
    """In a database of its own, which is made here."""

    def __init__(self, database, directory):
        self.database = database
        self.file = os.path.join(directory, database + ".sql")
        self.psql = None
        subprocess.run(["psql", "-XAtqc", "CREATE DATABASE " + database], check=True)
        output = self.run(SETUP)
        if output:
            raise RuntimeError("the database cannot be set up:\n" + output)

    def run(self, script):
        """What it printed; after an error, or a crash, up to there."""
        if self.psql is None:
            self._connect()
        with open(self.file, "w") as out:
            out.write(script)
        self.psql.stdin.write("\\i %s\n\\echo '%s'\n" % (self.file, END))
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == END + "\n":
                return "".join(lines)
            lines.append(line)
        self.psql.wait()
        self.psql = None
        return "".join(lines)

    def close(self):
        if self.psql:
            self.psql.stdin.close()
            self.psql.wait()

    def _connect(self):
        deadline = time.monotonic() + 60
        while subprocess.run(["pg_isready", "-q", "-t", "5"]).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not come back")
            time.sleep(0.1)
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.database], text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
