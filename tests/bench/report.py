"""What the bench prints."""

import json
import os
import pathlib
import platform
import re
import sys

from load import CLIENT_CASES, DRIVEN, GHZ, PACED, SERVER_CASES, STREAM_BYTES, STREAM_MESSAGES
from programs import CORES

VERDICTS = {True: "yes", False: "no", None: "not measured"}
LOAD_BEFORE = os.getloadavg()[0]  # what else the machine did


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(spread, with_range=False):
    if spread is None:
        return "-"
    text = number(spread["median"])
    if with_range:
        text += f" ({number(spread['min'])} - {number(spread['max'])})"
    return text


def table(rows):
    """Markdown that is readable as it is. The first row is the head, the first column text; columns
    without any figure are left out."""
    kept = [i for i in range(len(rows[0])) if i == 0 or any(row[i] != "-" for row in rows[1:])]
    rows = [[row[i] for i in kept] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(row):
        cells = [row[0].ljust(widths[0])]
        cells += [word.rjust(width) for word, width in zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if i else "-")
                          for i, width in enumerate(widths)) + "|"
    return "\n".join([line(rows[0]), rule] + [line(row) for row in rows[1:]]) + "\n"


def print_tables(results, versions, skipped, sizes, verdicts, options):
    def has(*cases):
        return any(results.figures.get(case) for case in cases)

    names = list(sizes)
    command = " ".join(["scripts/bench", "rpc"] + sys.argv[1:])
    peers = f"Compared with {', '.join(versions)}.\n" if versions else ""
    print("# gRPC servers and clients side by side\n\n"
          f"Made by `{command}` on {machine()}.\n"
          f"Medians of {options.rounds} rounds (least - most); the CPU is the measured program's "
          f"alone.\n{peers}What the columns mean: [tests/bench](../tests/bench/README.md).\n")
    if has("order", PACED, GHZ):
        paced = f"; p50 and p99 at {results.rate:,} calls/s" if has(PACED) else ""
        print("## Servers: the nested order\n\n"
              f"50 connections with 10 calls in flight on each{paced}.\n"
              "`typed` has inline handlers, `typed-worker` handlers on workers.\n")
        rows = [["server", "CPU us a call", "calls/s", "p50 ms", "p99 ms", "MiB at rest",
                 "MiB under load", "MiB shipped", "ghz calls/s", "ghz CPU us", "ghz p99 ms"]]
        for name in names:
            rows.append([
                name, cell(results.spread("order", name, "cpu_us"), True),
                cell(results.spread("order", name, "calls_per_s")),
                cell(results.spread(PACED, name, "p50_ms")),
                cell(results.spread(PACED, name, "p99_ms"), True),
                cell(results.spread("order", name, "rest_mib")),
                cell(results.spread("order", name, "loaded_mib")),
                number(sizes[name]),
                cell(results.spread(GHZ, name, "calls_per_s")),
                cell(results.spread(GHZ, name, "cpu_us")),
                cell(results.spread(GHZ, name, "p99_ms")),
            ])
        print(table(rows))
    unary = [case for case in SERVER_CASES
             if case != "order" and SERVER_CASES[case].messages == 1 and has(case)]
    for figure, title in (("cpu_us", "CPU us a call"), ("calls_per_s", "calls/s")):
        if unary:
            print(f"## Servers: {title}, by what is called\n\n"
                  "Connections x calls in flight on each; 50 x 10 where nothing is said.\n")
            print(table([["server"] + [SERVER_CASES[case].title for case in unary]] + [
                [name] + [cell(results.spread(case, name, figure)) for case in unary]
                for name in names]))
    streams = [case for case in SERVER_CASES if SERVER_CASES[case].messages > 1 and has(case)]
    if streams:
        print(f"## Streams of {STREAM_MESSAGES:,} messages of {STREAM_BYTES} bytes, 10 at once\n")
        head = ["server"]
        for case in streams:
            head += [f"{SERVER_CASES[case].title}: messages/s", "CPU us a message"]
        print(table([head] + [
            [name] + [cell(results.spread(case, name, figure)) for case in streams
                      for figure in ("messages_per_s", "cpu_us")]
            for name in names if any(name in results.figures[case] for case in streams)]))
    clients = [case for case in CLIENT_CASES if has(case)]
    if clients:
        print(f"## Clients: the nested order over one connection, to the server `{DRIVEN}`\n")
        head = ["client"]
        for case in clients:
            head += [f"{CLIENT_CASES[case][0]}: CPU us a call", "calls/s"]
        everyone = dict.fromkeys(name for case in clients for name in results.figures[case])
        print(table([head] + [
            [name] + [text for case in clients
                      for text in (cell(results.spread(case, name, "cpu_us"), True),
                                   cell(results.spread(case, name, "calls_per_s")))]
            for name in everyone]))
    if verdicts:
        print("## Aims, as ratios round by round\n")
        print(table([["aim", "at most", "measured", "met"]] + [
            [one["aim"], f"{one['at_most']:.2f}", cell(one["ratio"], True),
             VERDICTS[one["met"]]] for one in verdicts]))
    for name, reason in skipped.items():
        print(f"Left out: {reason if name in reason else name + ': ' + reason}")
    for case, by_name in results.troubles.items():
        for name, reason in by_name.items():
            print(f"Not measured: {name}, {case}: {reason.splitlines()[0]}")


def print_json(results, versions, skipped, sizes, verdicts, options):
    cases = {
        case: {name: {figure: results.spread(case, name, figure) for figure in rounds[0]}
               for name, rounds in by_name.items()}
        for case, by_name in results.figures.items()
    }
    json.dump({"rounds": options.rounds, "seconds": options.seconds, "rate": results.rate,
               "versions": versions,
               "cases": cases, "shipped_mib": sizes, "aims": verdicts, "skipped": skipped,
               "troubles": results.troubles}, sys.stdout, indent=1)
    print()


def machine():
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else platform.machine()
    return f"{name}, {len(CORES)} cores, load average before: {LOAD_BEFORE:.1f}"
