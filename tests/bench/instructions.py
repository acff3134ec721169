#!/usr/bin/env python3
"""Counts the instructions of a unary call in servers: the same on a busy machine as on a quiet one.

Each server runs under callgrind, once with few calls and once with many; the difference is what the
calls alone cost in user space. More: tests/bench/README.md.
"""

import argparse
import json
import pathlib
import re
import shlex
import tempfile

import load
import report
from cases import SERVER_CASES, make_requests
from programs import RUN_LIMIT_S, Server, Trouble, build, main_of, need, read_programs, say

PROGRAMS = "raw,typed"
CASE = SERVER_CASES["order"]._replace(connections=1, in_flight=10)
FEW, MANY = 500, 2500


def count(program, calls, answer_bytes, work):
    """The instructions of a server's whole life, with so many calls in it."""
    log = work / "callgrind"
    log.unlink(missing_ok=True)
    # the children are what `env` becomes
    wrapped = ["valgrind", "--tool=callgrind", "--trace-children=yes",
               f"--callgrind-out-file={log}"]
    command = f"{shlex.join(wrapped)} {program.command}"
    with Server(program._replace(command=command), work, False) as server:
        load.load(server, CASE, calls, answer_bytes, work)
        server.process.terminate()  # callgrind writes its log
        server.process.wait(RUN_LIMIT_S)
        total = re.search(r"^totals: (\d+)", log.read_text() if log.exists() else "", re.M)
        if not total:
            raise Trouble(f"callgrind counted nothing: {server.said()}")
    return int(total.group(1))


def measure(programs, work):
    answer_bytes = make_requests(work)["order"]
    counts = {}
    for program in programs:
        say(f"{program.name} ...")
        few, many = (count(program, calls, answer_bytes, work) for calls in (FEW, MANY))
        counts[program.name] = round((many - few) / (MANY - FEW))
    return counts


def ratio(counts, name):
    return counts[name] / counts["raw"] if "raw" in counts else None


def print_table(counts):
    rows = [["server", "instructions a call", "of raw"]]
    for name, value in counts.items():
        part = ratio(counts, name)
        rows.append([name, f"{value:,}", f"{part:.2f}" if part else "-"])
    print(report.table(rows), end="")


def judge(counts, limit):
    """Trouble if a call of `typed` takes more than `limit` of one of `raw`."""
    reached = ratio(counts, "typed")
    if reached > limit:
        raise Trouble(
            f"a call takes typed {counts['typed']:,} instructions, {reached:.3f} of the "
            f"{counts['raw']:,} of raw: above the limit of {limit}. Something on a call's way "
            "became dearer; tests/bench/README.md says how to see what")


def main():
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--only", default=PROGRAMS)
    parser.add_argument("--limit", type=float)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    servers = {one.name: one for one in read_programs() if one.kind == "server"}
    names = [name for name in options.only.split(",") if name]
    for name in names:
        if name not in servers:
            parser.error(f"--only: there is no server '{name}'")
    if options.limit and not {"raw", "typed"} <= set(names):
        parser.error("--limit needs the programs raw and typed")
    need("valgrind", "h2load", "protoc")

    skipped, _ = build([servers[name] for name in names])
    if skipped:
        raise Trouble("; ".join(f"{name}: {reason}" for name, reason in skipped.items()))
    with tempfile.TemporaryDirectory(prefix="meshc-bench-") as folder:
        counts = measure([servers[name] for name in names], pathlib.Path(folder))
    if options.json:
        print(json.dumps({"instructions": counts}, indent=1))
    else:
        print_table(counts)
    if options.limit:
        judge(counts, options.limit)
    return 0


if __name__ == "__main__":
    main_of(main)
