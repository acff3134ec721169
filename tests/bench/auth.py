#!/usr/bin/env python3
"""Measures what it costs to know who calls and what is allowed, and how fast a change of it bites.

Calls: the server `typed-guarded-h2`, whose methods want a token and a permission that is known,
beside the same with public methods, and beside tonic, which looks at neither; as in rpc.py.
Tokens: the CPU of a check (tests/mesh/auth/check_bench.c). Changes: the real services, PostgreSQL
and NATS (revoke.c). More: tests/bench/README.md.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile

import report
from aims import AUTH_AIMS, judge
from cases import make_requests
from programs import ROOT, build, main_of, need, read_programs, run, say
from results import Results, spread_of
from rpc import check_servers, measure_servers

CASE = "guarded"
CHECK_BENCH = "//tests/mesh/auth:check_bench"
REVOKE = "//tests/bench:revoke"
CHECK_RUNS = 5
REVOKE_P99_MS = 100
CHECK_US = 3


def program(label):
    package, name = label[2:].split(":")
    return ROOT / "bazel-bin" / package / name


def check_tokens():
    """CPU us of a check of one of thousands of tokens that are known, by run."""
    found = []
    for _ in range(CHECK_RUNS):
        said = run(program(CHECK_BENCH)).decode()
        found.append(float(re.search(r"^kept, 8192 tokens +([\d.]+)", said, re.M).group(1)))
    return spread_of(found)


def revoke(rounds, work):
    """What revoke.c measured."""
    binary = program(REVOKE).resolve()
    said = run("env", "-C", f"{program(REVOKE)}.runfiles/meshc", f"TEST_TMPDIR={work}", binary,
               str(rounds))
    return json.loads(said.decode().splitlines()[-1])


def verdict(aim, limit, value, more=False):
    met = value["median"] >= limit if more else value["median"] <= limit
    return {"aim": aim, "limit": limit, "more": more, "value": value, "of": None, "met": met,
            "missing": [], "in_range": False}


def once(value):
    return {"median": value, "min": value, "max": value}


def measure_calls(results, options, work):
    """The versions of the peers, and who took part."""
    servers = [one for one in read_programs()
               if one.kind == "server" and CASE in one.serves.split(",")]
    if options.short:
        servers = [one for one in servers if one.name.startswith("typed")]
    skipped, versions = build(servers)
    servers = [one for one in servers if one.name not in skipped]
    answers = make_requests(work)
    servers = check_servers(results, servers, [CASE], work, answers)
    measure_servers(results, servers, [CASE], options, work, answers)
    for name, reason in skipped.items():
        results.trouble(CASE, name, reason)
    return versions, {one.name for one in servers}


def arguments():
    """The options of scripts/bench, which is their manual and has looked at them."""
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--rounds", type=int, default=61)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.rate = None
    if options.short:
        options.rounds, options.seconds, options.changes = 2, 0.3, 25
    return options


def print_tables(results, names, versions, verdicts, changes, options):
    print("# Who calls, and what is allowed: what it costs\n\n"
          f"Made by `{' '.join(['scripts/bench', 'auth'] + sys.argv[1:])}` on {report.machine()}.\n"
          f"Medians of {options.rounds} rounds (least - most); the CPU is the server's alone.\n"
          f"{'Compared with ' + ', '.join(versions) + '.' if versions else ''}\n")
    print("## Calls: the nested order with a trace, a deadline and a token, 50 x 10\n\n"
          "`typed-guarded-h2` verifies the token and looks the permission up; to the others all is "
          "public.\n")
    print(report.table([["server", "CPU us a call", "calls/s"]] + [
        [name] + [report.cell(results.spread(CASE, name, figure), True)
                  for figure in ("cpu_us", "calls_per_s")]
        for name in sorted(names) if results.spread(CASE, name, "cpu_us")]))
    print("## Changes\n\n"
          f"A permission was taken away {changes['rounds']} times, while "
          f"{changes['instances']} instances of a service answered "
          f"{changes['load_calls_per_s']:,.0f} calls/s in all. From the answer to that until an "
          f"instance refused:\np50 {changes['p50_ms']:.1f} ms, p99 {changes['p99_ms']:.1f} ms, "
          f"most {changes['max_ms']:.1f} ms.\n\n"
          f"{changes['burst']:,} calls at once of a user who was not known: "
          f"{changes['burst_let_in']:,} were let in, and the user service was asked "
          f"{changes['burst_asked']} time(s).\n")
    report.print_aims("mesh/auth", verdicts)
    for case, by_name in results.troubles.items():
        for name, reason in by_name.items():
            print(f"Not measured: {name}, {case}: {reason.splitlines()[0]}")


def main():
    options = arguments()
    need("h2load", "protoc")
    say("Building ...")
    run("bazel", "build", "--noshow_progress", "-c", "opt", "//tests/bench:all", CHECK_BENCH)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="meshc-bench-") as folder:
        work = pathlib.Path(folder)
        versions, names = measure_calls(results, options, work)
        say("tokens ...")
        tokens = check_tokens()
        say("changes ...")
        changes = revoke(options.changes, work)
    verdicts = judge(AUTH_AIMS, results, names, [CASE]) + [
        verdict("a check of a token that is known, us of CPU", CHECK_US, tokens),
        verdict("from a change to its effect in every instance, p99 ms", REVOKE_P99_MS,
                once(changes["p99_ms"])),
        verdict(f"questions for {changes['burst']:,} calls at once", 1,
                once(changes["burst_asked"])),
    ]
    if options.json:
        json.dump({"cases": {CASE: {name: {figure: results.spread(CASE, name, figure)
                                           for figure in ("cpu_us", "calls_per_s")}
                                    for name in names}},
                   "token_us": tokens, "changes": changes, "aims": verdicts,
                   "troubles": results.troubles}, sys.stdout, indent=1)
        print()
    else:
        print_tables(results, names, versions, verdicts, changes, options)
    let_in = changes["burst_let_in"] == changes["burst"] and changes["burst_asked"] == 1
    return 0 if let_in and "answers" not in results.troubles else 1


if __name__ == "__main__":
    main_of(main)
