"""What the bench prints."""

import json
import os
import pathlib
import platform
import re
import sys

from cases import (CLIENT_CASES, DRIVEN, IDLE_CONNECTIONS, LOAD, SERVER_CASES, STREAM_BYTES,
                   STREAM_MESSAGES)
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


def print_orders(results, names, sizes):
    paced = f"; p50 and p99 at {results.rate:,} calls/s" if results.figures.get("paced") else ""
    print("## Servers: the nested order\n\n"
          f"50 connections with 10 calls in flight on each{paced}.\n")
    columns = [("order", "cpu_us", "CPU us a call", True),
               ("order", "calls_per_s", "calls/s", False),
               ("paced", "p50_ms", "p50 ms", False), ("paced", "p99_ms", "p99 ms", True),
               ("order", "rest_mib", "MiB at rest", False),
               ("order", "loaded_mib", "MiB under load", False), None,
               ("ghz", "calls_per_s", "ghz calls/s", False), ("ghz", "cpu_us", "ghz CPU us", False),
               ("ghz", "p99_ms", "ghz p99 ms", False)]
    rows = [["server"] + [one[2] if one else "MiB shipped" for one in columns]]
    for name in names:
        if any(name in results.figures.get(one[0], ()) for one in columns if one):
            rows.append([name] + [
                cell(results.spread(one[0], name, one[1]), one[3]) if one else number(sizes[name])
                for one in columns])
    print(table(rows))


def print_figures(results, names, noun, columns):
    """A column for each (case, figure, title), a row for each program that has any of them."""
    rows = [[noun] + [title for _, _, title in columns]]
    for name in names:
        cells = [cell(results.spread(case, name, figure)) for case, figure, _ in columns]
        if any(text != "-" for text in cells):
            rows.append([name] + cells)
    print(table(rows))


def print_aims(title, judged):
    print(f"## Aims of {title}\n\nRatios are taken round by round.\n")
    print(table([["aim", "limit", "measured", "met"]] + [
        [one["aim"], f"{'>=' if one['more'] else '<='} {one['limit']:.2f}",
         cell(one["value"], True) + (f" of {one['of']}" if one["of"] else ""),
         VERDICTS[one["met"]] + (" (range spans it)" if one["in_range"] else "")]
        for one in judged]))
    without = {}
    for one in judged:
        if one["missing"]:
            without.setdefault(", ".join(one["missing"]), []).append(one["aim"])
    for peers, aims in without.items():
        print(f"The best peer without {peers}: {'; '.join(aims)}\n")


def print_tables(results, versions, skipped, sizes, verdicts, options):
    def measured(*cases):
        return [case for case in cases if results.figures.get(case)]

    names = list(sizes)
    command = " ".join(["scripts/bench", "rpc"] + sys.argv[1:])
    peers = f"Compared with {', '.join(versions)}.\n" if versions else ""
    print("# gRPC servers and clients side by side\n\n"
          f"Made by `{command}` on {machine()}.\n"
          f"Medians of {options.rounds} rounds (least - most); the CPU is the measured program's "
          f"alone.\n{peers}What the rows and columns mean: [tests/bench](../tests/bench/README.md)."
          "\n")
    if measured("order", "paced", "ghz"):
        print_orders(results, names, sizes)
    full = measured(*(case for case in SERVER_CASES if SERVER_CASES[case].kind == LOAD))
    unary = [case for case in full if SERVER_CASES[case].messages == 1 and case != "order"]
    for figure, title in (("cpu_us", "CPU us a call"), ("calls_per_s", "calls/s")):
        if unary:
            print(f"## Servers: {title}, by what is called\n\n"
                  "Connections x calls in flight on each; 50 x 10 where nothing is said.\n")
            print_figures(results, names, "server",
                          [(case, figure, SERVER_CASES[case].title) for case in unary])
    large = [case for case in full if SERVER_CASES[case].mib]
    if large:
        print("## Servers: MiB/s each way\n")
        print_figures(results, names, "server",
                      [(case, "mib_per_s", SERVER_CASES[case].title) for case in large])
    streams = [case for case in full if SERVER_CASES[case].messages > 1]
    if streams:
        print(f"## Streams of {STREAM_MESSAGES:,} messages of {STREAM_BYTES} bytes, 10 at once\n")
        print_figures(results, names, "server", [
            (case, figure, title.format(SERVER_CASES[case].title)) for case in streams
            for figure, title in (("messages_per_s", "{}: messages/s"),
                                  ("cpu_us", "{}: CPU us a message"))])
    if measured("pingpong"):
        print(f"## One message of {STREAM_BYTES} bytes to and fro on a stream\n")
        print_figures(results, names, "server", [
            ("pingpong", "p50_us", "p50 us"), ("pingpong", "p99_us", "p99 us"),
            ("pingpong", "messages_per_s", "messages/s")])
    idle = measured("idle", "idle-tls")
    if idle:
        print(f"## {IDLE_CONNECTIONS:,} idle connections that made a call: KiB of memory each\n")
        print_figures(results, names, "server",
                      [(case, "idle_kib", SERVER_CASES[case].title) for case in idle])
    clients = measured(*CLIENT_CASES)
    if clients:
        print(f"## Clients: the nested order over one connection, to the server `{DRIVEN}`\n")
        everyone = dict.fromkeys(name for case in clients for name in results.figures[case])
        print_figures(results, everyone, "client", [
            (case, figure, f"{CLIENT_CASES[case][0]}: {title}") for case in clients
            for figure, title in (("cpu_us", "CPU us a call"), ("calls_per_s", "calls/s"))])
    for title, judged in verdicts.items():
        if judged:
            print_aims(title, judged)
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
