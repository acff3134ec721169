#!/usr/bin/env python3
"""Measures gRPC servers and clients side by side: one contract, one load generator, in turn.

Every program of tests/bench/programs is built, or skipped by name with the reason, and every
server's answers are compared with what was sent before it is measured. Servers have one core, what
loads them another. A case's rounds go through all programs in turn, in another order each time.
Printed are medians with their range. More: tests/bench/README.md.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import load
import report
from load import CLIENT_CASES, DRIVEN, GHZ, PACED, SERVER_CASES, STREAMS
from programs import (ROOT, Server, Trouble, build, main_of, need, read_programs, run, say,
                      shipped_mib)

STYLES = {"typed": "inline handlers", "typed-worker": "handlers on workers"}

Aim = collections.namedtuple("Aim", "title case figure mine theirs at_most")

AIMS = [
    Aim(f"{title} ({style})", case, figure, name, other, limit)
    for title, case, figure, other, limit in (
        ("server, CPU of a raw byte echo", "order", "cpu_us", "raw", 1.25),
        ("server, CPU of C++ async", "order", "cpu_us", "cpp-async", 1.00),
        ("server, CPU of C++ callback", "order", "cpu_us", "cpp-callback", 0.90),
        ("server, CPU of grpc-go", "order", "cpu_us", "grpc-go", 1.05),
        ("server, p99 at a fixed rate, of C++ async", PACED, "p99_ms", "cpp-async", 1.00),
        ("server, p99 at a fixed rate, of C++ callback", PACED, "p99_ms", "cpp-callback", 1.00),
        ("server, memory under load, of grpc-go", "order", "loaded_mib", "grpc-go", 0.80),
    )
    for name, style in STYLES.items()
] + [Aim("client, CPU of the raw core client", "clients", "cpu_us", "typed", "raw", 1.15)]

GHZ_WARM_UP_CALLS = 5000
PACE = 0.5  # the fixed rate, of what the slowest server of the aims takes at full load
RATE_HELD = 0.95  # the part of a fixed rate that a server must hold


def turn(names, number):
    """The order of a round: each name is first as often as the others, and each follows another."""
    step = 1 if number % 2 == 0 else -1
    return [names[(number + step * place) % len(names)] for place in range(len(names))]


class Results:
    """figures[case][program] is a list of a round's figures; troubles what went wrong, by name."""

    def __init__(self):
        self.figures = {}
        self.troubles = {}
        self.rate = None  # calls/s of the case `paced`

    def trouble(self, case, name, error):
        say(f"  {name}: {case}: {error}")
        self.troubles.setdefault(case, {})[name] = str(error)

    def rounds(self, case, names, rounds, one):
        """Runs `one(name)` for each name, in turn, each round in another order."""
        figures = self.figures[case] = {name: [] for name in names}
        for number in range(rounds):
            for name in turn(names, number):
                if name in self.troubles.get(case, ()):
                    continue
                try:
                    figures[name].append(one(name))
                except (Trouble, subprocess.TimeoutExpired) as error:
                    figures[name].clear()
                    self.trouble(case, name, error)
        self.figures[case] = {name: values for name, values in figures.items() if values}

    def spread(self, case, name, figure):
        values = [one[figure] for one in self.figures.get(case, {}).get(name, ()) if figure in one]
        return spread_of(values)

    def ratio(self, case, figure, name, other):
        """Round by round, so that a drift of the machine hits both."""
        mine = self.figures.get(case, {}).get(name, ())
        theirs = self.figures.get(case, {}).get(other, ())
        return spread_of([a[figure] / b[figure] for a, b in zip(mine, theirs)])


def spread_of(values):
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def make_certificate(work):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", work / "key.pem", "-out", work / "certificate.pem")


def check_servers(results, servers, tls, work, answers):
    """Those whose answers are right."""
    right = []
    for server in servers:
        say(f"Checking the answers of {server.name} ...")
        try:
            for with_tls in (False, True)[: 1 + tls]:
                load.check_answers(server, with_tls, work, answers["order"])
            right.append(server)
        except (Trouble, subprocess.TimeoutExpired) as error:
            results.trouble("answers", server.name, error)
    return right


def measure_servers(results, programs, selected, options, work, answers):
    for name in selected:
        case = SERVER_CASES["order" if name in (PACED, GHZ) else name]
        size = answers["order" if name in (PACED, GHZ) else name]
        ghz = shutil.which("ghz") or str(ROOT / ".mesh/tools/bin/ghz")
        if name == GHZ and not os.access(ghz, os.X_OK):
            say("ghz: skipped: not here (scripts/setup --tools)")
            continue

        def calibrate(server):
            if name == GHZ:
                return load.measure_ghz(server, case, ghz, GHZ_WARM_UP_CALLS)["calls_per_s"]
            return load.calibrate(server, case, options.seconds, size, work)

        def measure(which):
            server = servers[which]
            if name == PACED:
                return load.measure_paced(server, case, results.rate, options.seconds, size, work)
            calls = load.calls_for(rates[which], case, options.seconds)
            if name == GHZ:
                return load.measure_ghz(server, case, ghz, calls)
            return load.measure(server, case, calls, size, work)

        say(f"{name} ...")
        with contextlib.ExitStack() as stack:
            servers, rates = {}, {}
            for program in programs:
                if case.method in STREAMS and program.serves != "all":
                    continue
                try:
                    server = stack.enter_context(Server(program, work, case.tls))
                    rates[program.name] = calibrate(server)
                    servers[program.name] = server
                except (Trouble, subprocess.TimeoutExpired) as error:
                    results.trouble(name, program.name, error)
            if name == PACED:
                results.rate = options.rate or pace(rates)
                say(f"  at {results.rate:,} calls/s")
                leave_out_slow(results, rates)
            names = [which for which in servers if which not in results.troubles.get(name, ())]
            results.rounds(name, names, options.rounds, measure)
        if name == PACED:
            drop_overtaxed(results)


def pace(rates):
    """The rate that all servers of the aims can hold; without such, all that are there."""
    compared = {name for aim in AIMS if aim.case == PACED for name in (aim.mine, aim.theirs)}
    return round(PACE * min([rates[name] for name in rates if name in compared] or
                            rates.values(), default=0))


def leave_out_slow(results, rates):
    """A server that cannot take the rate is not measured at it."""
    for name, most in rates.items():
        if most < results.rate:
            results.trouble(PACED, name, f"takes {most:,.0f} calls/s at most, not {results.rate:,}")


def drop_overtaxed(results):
    """Nor is one that mostly did not hold it."""
    for name in list(results.figures[PACED]):
        reached = results.spread(PACED, name, "calls_per_s")["median"]
        if reached < RATE_HELD * results.rate:
            del results.figures[PACED][name]
            results.trouble(PACED, name, f"held {reached:,.0f} calls/s of {results.rate:,}")


def measure_clients(results, clients, driven, selected, options, work):
    by_name = {client.name: client for client in clients}
    for name in selected:
        say(f"{name} ...")
        with Server(driven, work, False) as server:
            results.rounds(
                name, list(by_name), options.rounds,
                lambda which: load.measure_client(
                    by_name[which], server, CLIENT_CASES[name][1], options.seconds),
            )


def judge(results, names, cases):
    """The aims of what was asked for; one that could not be measured has no ratio."""
    verdicts = []
    for aim in AIMS:
        if aim.case in cases and {aim.mine, aim.theirs} <= names:
            ratio = results.ratio(aim.case, aim.figure, aim.mine, aim.theirs)
            met = ratio["median"] <= aim.at_most if ratio else None
            verdicts.append({"aim": aim.title, "at_most": aim.at_most, "ratio": ratio, "met": met})
    return verdicts


def arguments():
    """The options of scripts/bench, which is their manual and has looked at them."""
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.75)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser, parser.parse_args()


def choose(parser, options, programs):
    """The programs and the cases that are asked for."""
    cases = [*SERVER_CASES, PACED, GHZ, *CLIENT_CASES]
    if options.short:
        options.only = "raw,typed,order"
        options.seconds = 0.5
    words = [word for word in options.only.split(",") if word]
    names = {program.name for program in programs}
    for word in words:
        if word not in names and word not in cases:
            parser.error(f"--only: '{word}' is neither a program nor a case")
    if names.intersection(words):
        programs = [program for program in programs if program.name in words]
    cases = [case for case in cases if case in words] or cases
    return programs, cases


def main():
    parser, options = arguments()
    everyone = read_programs()
    programs, cases = choose(parser, options, everyone)
    client_cases = [case for case in cases if case in CLIENT_CASES]
    server_cases = [case for case in cases if case not in CLIENT_CASES]
    servers = [one for one in programs if one.kind == "server" and server_cases]
    clients = [one for one in programs if one.kind == "client" and client_cases]
    driven = next(one for one in everyone if one.kind == "server" and one.name == DRIVEN)
    need("h2load", "protoc")

    # with this one come the others of this tree, also what compares answers
    skipped, versions = build([driven] + servers + clients)
    servers = [one for one in servers if one.name not in skipped]
    clients = [one for one in clients if one.name not in skipped]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="meshc-bench-") as folder:
        work = pathlib.Path(folder)
        answers = load.make_requests(work)
        tls = any(case in SERVER_CASES and SERVER_CASES[case].tls for case in server_cases)
        if tls:
            make_certificate(work)
        if not options.short:
            servers = check_servers(results, servers, tls, work, answers)
        measure_servers(results, servers, server_cases, options, work, answers)
        if clients:
            measure_clients(results, clients, driven, client_cases, options, work)

    sizes = {server.name: shipped_mib(server) for server in servers}
    verdicts = judge(results, {program.name for program in programs}, cases)
    if options.json:
        report.print_json(results, versions, skipped, sizes, verdicts, options)
    else:
        report.print_tables(results, versions, skipped, sizes, verdicts, options)
    return 1 if "answers" in results.troubles or options.short and results.troubles else 0


if __name__ == "__main__":
    main_of(main)
