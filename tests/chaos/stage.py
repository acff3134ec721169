"""The servers, the programs that play on them, and what is left of it in the databases."""

import json
import os
import pathlib
import signal
import subprocess
import time

import jetstream
import judge
from servers import ROOT, Nats, Postgres, Trouble, say, wait_for

PROGRAMS = ROOT / "bazel-bin/tests/chaos"
ACCOUNTS = 200
ACK_WAIT_MS = 2000
END_LIMIT_S = 40
# Without any progress for so long nothing more is to be expected.
PATIENCE_S = 25
SETTLE_LIMIT_S = 150
PROGRESS_LIMIT_S = 90


class Member:
    """One process; with a fault it is to die of."""

    def __init__(self, stage, role, fault="", **settings):
        self.role = role
        self.fault = fault
        self.began = time.monotonic()
        program, database, more = ROLES[role]
        settings = {**more, **settings}
        self.process = subprocess.Popen(
            [PROGRAMS / settings.pop("program", program)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=stage.log(role),
            env={**os.environ, "CHAOS_DATABASE": stage.postgres.database(database),
                 "CHAOS_NATS": stage.nats.url, "CHAOS_ACCOUNTS": str(ACCOUNTS),
                 "CHAOS_ACK_WAIT_MS": str(ACK_WAIT_MS), "CHAOS_FAULT": fault, **settings})

    def ended(self):
        """Whether it is no more; Trouble when nobody has killed it."""
        code = self.process.poll()
        if code not in (None, -signal.SIGKILL):
            raise Trouble(f"a {self.role} ended by itself, with {code}")
        return code is not None

    def stands_still(self):
        state = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return state.rsplit(")", 1)[1].split()[0] == "T"

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """In good order; its figures."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=END_LIMIT_S)
        if self.process.returncode != 0:
            raise Trouble(f"a {self.role} ended with {self.process.returncode}")
        return json.loads(said)


# Role: program, database, settings. A relay is a producer that produces nothing.
ROLES = {
    "producer": ("producer", "ledger", {}),
    "relay": ("producer", "ledger", {"CHAOS_THREADS": "0"}),
    "consumer": ("consumer", "books", {}),
}


class Stage:
    def __init__(self, work):
        self.work = work
        self.postgres = Postgres(work)
        self.nats = Nats(work)
        self.members = []
        self.logs = {}

    def log(self, role):
        if role not in self.logs:
            self.logs[role] = open(self.work / f"{role}.log", "ab")
        return self.logs[role]

    def open(self):
        """Empty databases and an empty broker."""
        self.postgres.start()
        for name, tables in ("ledger", judge.LEDGER_TABLES), ("books", judge.BOOKS_TABLES):
            self.postgres.run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
            self.postgres.run("postgres", f"CREATE DATABASE {name};")
            self.postgres.run(name, tables.format(accounts=ACCOUNTS))
            subprocess.run([PROGRAMS / "tables"], check=True, stderr=self.log("tables"),
                           env={**os.environ, "CHAOS_DATABASE": self.postgres.database(name)})
        if self.nats.process:
            self.nats.stop()
            self.nats.wipe()
        self.nats.start()

    def start(self, role, count=1, **settings):
        started = [Member(self, role, **settings) for _ in range(count)]
        self.members += started
        return started

    def close(self):
        for member in self.members:
            member.kill()
        self.members = []

    def shut(self):
        self.close()
        self.nats.stop()
        self.postgres.stop()

    def tried(self):
        """Events applied, and those whose transaction did not commit: quickly."""
        return int(self.postgres.run("books", "SELECT last_value FROM applied_number_seq"))

    def wait_for_progress(self, events):
        """Until so many more were handled."""
        before = self.tried()
        wait_for(f"{events} more events", lambda: self.tried() >= before + events,
                 PROGRESS_LIMIT_S)

    def settle(self, consumer="consumer"):
        """Nobody produces any more; waits until all is applied, or nothing moves any more. What the
        processes have counted, added up."""
        figures = {}
        left = []
        for member in self.members:
            if member.role != "consumer" and not member.ended():
                for name, value in member.end().items():
                    figures[name] = figures.get(name, 0) + value
            else:
                left.append(member)
        self.members = [member for member in left if not member.ended()]
        self.start("relay")
        self.start("consumer", 2 - sum(one.role == "consumer" for one in self.members),
                   program=consumer)
        self.wait_until_nothing_moves()
        for member in self.members:
            for name, value in member.end().items():
                figures[name] = figures.get(name, 0) + value
        self.members = []
        return figures

    def wait_until_nothing_moves(self):
        sent = int(self.postgres.run("ledger", judge.SENT))
        last, since = None, time.monotonic()
        limit = since + SETTLE_LIMIT_S
        while True:
            waiting = jetstream.waiting(self.nats.url, "books")
            if waiting == 0 and int(self.postgres.run("books", judge.APPLIED)) >= sent:
                return
            if (self.tried(), waiting) != last:
                last, since = (self.tried(), waiting), time.monotonic()
            if time.monotonic() > min(limit, since + PATIENCE_S):
                say(f"  it does not end; the broker has {waiting} to give or unanswered")
                return
            time.sleep(0.2)
