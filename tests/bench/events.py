#!/usr/bin/env python3
"""Measures events through outbox and inbox, beside a plain program without guarantees.

Programs: event_service.c (a service on mesh/events) and event_plain.c (the same rows with the same
statements, and nats.c). PostgreSQL flushes to disk as it does in production. More:
tests/bench/README.md.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import report
from programs import CORES, ROOT, Trouble, main_of, memory_mib, need, run, say
from results import Results, spread_of
import servers

SERVICE = ROOT / "bazel-bin/tests/bench/event_service"
PLAIN = ROOT / "bazel-bin/tests/bench/event_plain"
BATCH, SELLERS = 100, 4
RATE = 500
RUN_LIMIT_S = 900
MEMORY_POINTS = 10
# What the consumer's memory may grow by between a fifth of a backlog and its end.
GROWTH_MIB = 2
TABLES = {
    "seller": "CREATE TABLE sold (item_id text, version bigint, note text,"
              " PRIMARY KEY (item_id, version));",
    "noter": "CREATE TABLE noted (item_id text, version bigint, note text,"
             " PRIMARY KEY (item_id, version));",
}


class Bus:
    """Both servers with empty databases and an empty broker, while a `with` lasts."""

    def __init__(self, work):
        self.postgres = servers.Postgres(work)
        self.nats = servers.Nats(work)

    def __enter__(self):
        try:
            self.postgres.start()
            self.nats.start()
        except BaseException:  # also SystemExit: nobody calls __exit__ yet
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.nats.stop()
        self.postgres.stop()

    def clear(self):
        for name, table in TABLES.items():
            self.postgres.run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
            self.postgres.run("postgres", f"CREATE DATABASE {name};")
            self.postgres.run(name, table)
            run(SERVICE, "tables", self.postgres.database(name))
        self.postgres.run("postgres", "CHECKPOINT;")
        self.nats.stop()
        self.nats.wipe()
        self.nats.start()

    def start(self, program, what, *numbers):
        """A program that sells or notes."""
        database = "seller" if what == "sell" else "noter"
        return subprocess.Popen(
            [program, what, self.postgres.database(database), self.nats.url,
             *(str(number) for number in numbers)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)

    @property
    def log(self):
        return open(self.nats.folder.parent / "log", "ab")

    def count(self, table):
        return int(self.postgres.run("noter", f"SELECT count(*) FROM {table};"))


def said_by(process):
    """What it printed when it ended well."""
    said, _ = process.communicate(timeout=RUN_LIMIT_S)
    if process.returncode != 0:
        raise Trouble(f"{process.args[0].name} {process.args[1]} ended with {process.returncode}")
    return json.loads(said)


def together(bus, program, count, batch, rate, sellers):
    """Sells and notes at once; the figures of both."""
    bus.clear()
    noter = bus.start(program, "note", count)
    seller = bus.start(program, "sell", count, batch, rate, sellers)
    try:
        return {**said_by(noter), **said_by(seller)}
    finally:
        for one in noter, seller:
            one.kill()
            one.wait()


def throughput(bus, program, count):
    figures = together(bus, program, count, BATCH, 0, SELLERS)
    if program == SERVICE and bus.count("noted") != count:
        raise Trouble(f"{bus.count('noted')} of {count} events were noted")
    return {"events_per_s": count * 1e9 / (figures["last_ns"] - figures["start_ns"])}


def latency(bus, program, count):
    figures = together(bus, program, count, 1, RATE, SELLERS)
    return {name: figures[name] for name in ("p50_ms", "p99_ms", "max_ms")}


def raw(bus, count):
    bus.clear()
    return {what: json.loads(run(PLAIN, what, bus.nats.url, str(count)))["per_s"]
            for what in ("publish", "fetch")}


def watch_memory(bus, process, count, samples):
    """(share of the events that were noted, MiB) now and then."""
    while process.poll() is None:
        try:
            samples.append((bus.count("noted") / count, memory_mib(process.pid, "VmRSS")))
        except (AttributeError, OSError):  # it is ending
            return
        time.sleep(0.2)


def backlog(bus, count):
    """Sells everything first; then it is noted, and the noter's memory looked at."""
    bus.clear()
    began = time.monotonic()
    seller = bus.start(SERVICE, "sell", count, BATCH, 0, SELLERS)
    peak = 0
    while seller.poll() is None:
        try:
            peak = max(peak, memory_mib(seller.pid, "VmRSS"))
        except (AttributeError, OSError):
            pass
        time.sleep(0.1)
    said_by(seller)
    published = time.monotonic() - began
    samples = []
    noter = bus.start(SERVICE, "note", count)
    watcher = threading.Thread(target=watch_memory, args=(bus, noter, count, samples))
    began = time.monotonic()
    watcher.start()
    try:
        said_by(noter)
    finally:
        noter.kill()
        noter.wait()
        watcher.join()
    drained = time.monotonic() - began
    fifth = min(samples, key=lambda one: abs(one[0] - 0.2))[0]
    middle = [mib for share, mib in samples if 0.15 <= share <= 0.3 or share == fifth]
    points = [min(samples, key=lambda one: abs(one[0] - share / MEMORY_POINTS))
              for share in range(1, MEMORY_POINTS + 1)]
    return {"events": count, "published_per_s": count / published, "seller_peak_mib": peak,
            "drained_per_s": count / drained, "growth_mib": samples[-1][1] - max(middle),
            "points": points}


def arguments():
    """The options of scripts/bench, which is their manual and has looked at them."""
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("--backlog", type=int, default=1000000)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.paced = 5000
    if options.short:
        options.rounds, options.events, options.backlog, options.paced = 2, 10000, 50000, 1000
    return options


def verdict(aim, limit, value, more=False):
    met = None
    if value:
        met = value["median"] >= limit if more else value["median"] <= limit
    return {"aim": aim, "limit": limit, "more": more, "value": value, "of": None, "met": met,
            "missing": [], "in_range": False}


def once(value):
    return {"median": value, "min": value, "max": value}


def judge(results, drained):
    return [
        verdict(f"commit to the consumer's commit at {RATE} events/s, p50 ms", 10,
                results.spread("latency", "mesh", "p50_ms")),
        verdict(f"commit to the consumer's commit at {RATE} events/s, p99 ms", 50,
                results.spread("latency", "mesh", "p99_ms")),
        verdict("events/s through outbox and inbox", 10000,
                results.spread("throughput", "mesh", "events_per_s"), True),
        verdict("events/s of the plain program", 0.5,
                results.ratio("throughput", "events_per_s", "mesh", "plain"), True),
        verdict(f"a backlog of {drained['events']:,}: growth of memory, MiB", GROWTH_MIB,
                once(drained["growth_mib"])),
    ]


def print_tables(results, drained, verdicts, options):
    print("# Events: what the guarantees cost\n\n"
          f"Made by `{' '.join(['scripts/bench', 'events'] + sys.argv[1:])}` on "
          f"{report.machine()}.\nMedians of {options.rounds} rounds (least - most). All programs, "
          "PostgreSQL (with fsync) and nats-server share\nthe cores. What the rows mean: "
          "[tests/bench](../tests/bench/README.md).\n")
    print("## From the first commit to the last of the consumer\n\n"
          f"{options.events:,} events, {BATCH} in a transaction with {BATCH} business rows, "
          f"{SELLERS} threads that sell.\n")
    print(report.table([["program", "events/s"]] + [
        [title, report.cell(results.spread("throughput", name, "events_per_s"), True)]
        for name, title in (("mesh", "mesh/events: outbox, inbox, versions"),
                            ("plain", "plain: batched inserts, no guarantees"))]))
    print(f"## At {RATE} events/s, one in a transaction\n\n"
          "From just before the commit to after the consumer's commit.\n")
    print(report.table([["program", "p50 ms", "p99 ms", "most ms"]] + [
        [name] + [report.cell(results.spread("latency", name, figure), True)
                  for figure in ("p50_ms", "p99_ms", "max_ms")] for name in ("mesh", "plain")]))
    print("## JetStream alone, the same client library and server, 256 bytes\n")
    print(report.table([["what", "events/s"]] + [
        [title, report.cell(results.spread("raw", "jetstream", what), True)]
        for what, title in (("publish", "asynchronous publish, 1,000 pending"),
                            ("fetch", "fetch 500, acknowledge each"))]))
    print(f"## A backlog of {drained['events']:,} events\n\n"
          f"Published at {drained['published_per_s']:,.0f} events/s (the seller had "
          f"{drained['seller_peak_mib']:.0f} MiB at most), handled at "
          f"{drained['drained_per_s']:,.0f} events/s.\n")
    print(report.table([["handled"] + [f"{share:.0%}" for share, _ in drained["points"]],
                        ["consumer, MiB"] + [f"{mib:.1f}" for _, mib in drained["points"]]]))
    report.print_aims("mesh/events", verdicts)
    for case, by_name in results.troubles.items():
        for name, reason in by_name.items():
            print(f"Not measured: {name}, {case}: {reason.splitlines()[0]}")


def measure(bus, options):
    results = Results()
    programs = {"mesh": SERVICE, "plain": PLAIN}
    say("throughput ...")
    results.rounds("throughput", list(programs), options.rounds,
                   lambda name: throughput(bus, programs[name], options.events))
    say("latency ...")
    results.rounds("latency", list(programs), options.rounds,
                   lambda name: latency(bus, programs[name], options.paced))
    say("JetStream alone ...")
    results.rounds("raw", ["jetstream"], options.rounds, lambda _: raw(bus, options.events))
    say(f"a backlog of {options.backlog:,} ...")
    return results, backlog(bus, options.backlog)


def main():
    options = arguments()
    need("psql")
    say("Building ...")
    run("bazel", "build", "--noshow_progress", "-c", "opt", "//tests/bench:event_service",
        "//tests/bench:event_plain")
    with tempfile.TemporaryDirectory(prefix="meshc-bench-") as folder:
        work = pathlib.Path(folder)
        work.chmod(0o755)  # PostgreSQL is another user when we are root
        try:
            with Bus(work) as bus:
                results, drained = measure(bus, options)
        except servers.Trouble as trouble:
            raise Trouble(trouble) from trouble
    verdicts = judge(results, drained)
    if options.json:
        json.dump({"cases": {case: {name: {figure: results.spread(case, name, figure)
                                           for figure in rounds[0]}
                                    for name, rounds in by_name.items()}
                             for case, by_name in results.figures.items()},
                   "backlog": drained, "aims": verdicts, "troubles": results.troubles},
                  sys.stdout, indent=1)
        print()
    else:
        print_tables(results, drained, verdicts, options)
    return 1 if results.troubles else 0


if __name__ == "__main__":
    main_of(main)
