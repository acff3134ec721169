#!/usr/bin/env python3
"""Measures gRPC servers and clients side by side: one contract, one load generator, in turn.

Every program of tests/bench/programs is built, or skipped by name with the reason, and every
server's answers are compared with what was sent before it is measured. Servers have one core, what
loads them another. A case's rounds go through all programs in turn, in another order each time.
Printed are medians with their range. More: tests/bench/README.md.
"""

import argparse
import contextlib
import pathlib
import resource
import subprocess
import tempfile

import load
import report
from aims import CORE_AIMS, H2_AIMS, compared, judge
from cases import CLIENT_CASES, DRIVEN, GHZ, IDLE, PACED, SERVER_CASES, make_requests, takes_part
from programs import (CORES, Server, Trouble, build, main_of, need, read_programs, run, say,
                      shipped_mib)
from results import Results

FILES = 12000  # open at once: connections that are idle, and what else a server has

PACE = 0.5  # the fixed rate, of what the slowest server of the aims takes at full load
RATE_HELD = 0.95  # the part of a fixed rate that a server must hold
PACE_AGAIN = 0.6  # the next rate, of one that a server of the aims did not hold
PACES = 4


def make_certificate(work):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", work / "key.pem", "-out", work / "certificate.pem")


def check_servers(results, servers, selected, work, answers):
    """Those whose answers are right, also with TLS if they take part in such a case."""
    right = []
    for server in servers:
        say(f"Checking the answers of {server.name} ...")
        try:
            tls = any(SERVER_CASES[name].tls and takes_part(server, name) for name in selected)
            for with_tls in (False, True)[: 1 + tls]:
                load.check_answers(server, with_tls, work, answers["order"])
            right.append(server)
        except (Trouble, subprocess.TimeoutExpired) as error:
            results.trouble("answers", server.name, error)
    return right


class Round:
    """A case with all the servers that take part in it."""

    def __init__(self, results, name, options, answer_bytes, work):
        self.results, self.name, self.case = results, name, SERVER_CASES[name]
        self.options, self.answer_bytes, self.work = options, answer_bytes, work
        self.servers, self.rates = {}, {}

    def start(self, stack, program):
        cores = CORES[:2] if self.case.both_cores else CORES[:1]
        try:
            server = stack.enter_context(Server(program, self.work, self.case.tls, cores))
            self.rates[program.name] = load.warm_up(
                server, self.case, self.options.seconds, self.answer_bytes, self.work)
            self.servers[program.name] = server
        except (Trouble, subprocess.TimeoutExpired) as error:
            self.results.trouble(self.name, program.name, error)

    def run(self):
        troubles = self.results.troubles.get(self.name, ())
        names = [name for name in self.servers if name not in troubles]
        # freed memory would serve the next round's connections
        rounds = 1 if self.case.kind == IDLE else self.options.rounds
        self.results.rounds(self.name, names, rounds, lambda which: load.measure(
            self.servers[which], self.case, self.rates[which], self.options.seconds,
            self.answer_bytes, self.work))

    def run_paced(self):
        """At a rate that the servers of the aims can hold, found by trying lower ones."""
        most = dict(self.rates)
        aims = compared(PACED).intersection(most) or set(most)
        begun = dict(self.results.troubles.get(self.name, {}))  # of those that did not start
        rate = self.options.rate or round(PACE * min((most[name] for name in aims), default=0))
        for left in reversed(range(1 if self.options.rate else PACES)):
            say(f"  at {rate:,} calls/s")
            self.results.rate = rate
            self.results.troubles[self.name] = dict(begun)
            for name in most:
                self.rates[name] = rate
                if most[name] < rate:
                    self.results.trouble(self.name, name,
                                         f"takes {most[name]:,.0f} calls/s at most, not {rate:,}")
            self.run()
            slow = self.overtaxed()
            if not left or not aims.intersection(slow):
                break
            rate = round(rate * PACE_AGAIN)
        for name, reached in slow.items():
            del self.results.figures[self.name][name]
            self.results.trouble(self.name, name, f"held {reached:,.0f} calls/s of {rate:,}")

    def overtaxed(self):
        """What those reached that mostly did not hold the rate."""
        reached = {name: self.results.spread(self.name, name, "calls_per_s")["median"]
                   for name in self.results.figures[self.name]}
        return {name: rate for name, rate in reached.items()
                if rate < RATE_HELD * self.results.rate}


def measure_servers(results, programs, selected, options, work, answers):
    for name in selected:
        if SERVER_CASES[name].kind == GHZ and not load.ghz_program():
            say("ghz: skipped: not here (scripts/setup --tools)")
            continue
        say(f"{name} ...")
        round_ = Round(results, name, options, answers[name], work)
        with contextlib.ExitStack() as stack:
            for program in programs:
                if takes_part(program, name):
                    round_.start(stack, program)
            if SERVER_CASES[name].kind == PACED:
                round_.run_paced()
            else:
                round_.run()


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


def arguments():
    """The options of scripts/bench, which is their manual and has looked at them."""
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser, parser.parse_args()


def choose(parser, options, programs):
    """The programs and the cases that are asked for."""
    cases = [*SERVER_CASES, *CLIENT_CASES]
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


def raise_file_limit():
    """For idle connections; servers and clients inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise Trouble(f"needs {FILES} open files, {hard} are allowed: see ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def main():
    parser, options = arguments()
    everyone = read_programs()
    programs, cases = choose(parser, options, everyone)
    client_cases = [case for case in cases if case in CLIENT_CASES]
    server_cases = [case for case in cases if case in SERVER_CASES]
    servers = [one for one in programs if one.kind == "server" and server_cases]
    clients = [one for one in programs if one.kind == "client" and client_cases]
    driven = next(one for one in everyone if one.kind == "server" and one.name == DRIVEN)
    need("h2load", "protoc")
    if any(SERVER_CASES[case].kind == IDLE for case in server_cases):
        raise_file_limit()

    # with this one come the others of this tree, also what compares answers
    skipped, versions = build([driven] + servers + clients)
    servers = [one for one in servers if one.name not in skipped]
    clients = [one for one in clients if one.name not in skipped]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="meshc-bench-") as folder:
        work = pathlib.Path(folder)
        answers = make_requests(work)
        if any(SERVER_CASES[case].tls for case in server_cases):
            make_certificate(work)
        if not options.short:
            servers = check_servers(results, servers, server_cases, work, answers)
        measure_servers(results, servers, server_cases, options, work, answers)
        if clients:
            measure_clients(results, clients, driven, client_cases, options, work)

    sizes = {server.name: shipped_mib(server) for server in servers}
    names = {program.name for program in programs}
    verdicts = {title: judge(aims, results, names, cases)
                for title, aims in (("the core transport", CORE_AIMS),
                                    ("the nghttp2 transport", H2_AIMS))}
    if options.json:
        report.print_json(results, versions, skipped, sizes, verdicts, options)
    else:
        report.print_tables(results, versions, skipped, sizes, verdicts, options)
    return 1 if "answers" in results.troubles or options.short and results.troubles else 0


if __name__ == "__main__":
    main_of(main)
