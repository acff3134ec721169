#!/usr/bin/env bash
# scripts/bench without the programs that it measures: the order of rounds, verdicts, its end.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

BENCH=$PWD/tests/bench

# python: runs its input beside the bench's own modules.
python() {
    command -v python3 >/dev/null || skip 'there is no python3'
    PYTHONPATH=$BENCH expect 0 python3 -B -c "$(cat)"
}

test_each_program_is_first_in_as_many_rounds_as_the_others() {
    python <<'END'
from results import turn

for count in range(1, 9):
    names = [str(number) for number in range(count)]
    for rounds in range(1, 3 * count):
        orders = [turn(names, number) for number in range(rounds)]
        assert all(sorted(order) == names for order in orders), orders
        first = [sum(order[0] == name for order in orders) for name in names]
        assert max(first) - min(first) <= 1, (rounds, orders)
END
}

test_an_aim_without_figures_is_shown_as_not_measured() {
    python <<'END'
from aims import CORE_AIMS, judge
from results import Results

aim = CORE_AIMS[0]
[other] = aim.theirs
names, cases = {aim.mine, other}, [aim.case]
results = Results()
[verdict] = judge(CORE_AIMS, results, names, cases)
assert verdict["aim"] == aim.title and verdict["value"] is None and verdict["met"] is None, verdict
results.figures[aim.case] = {aim.mine: [{aim.figure: 1.0}], other: [{aim.figure: 2.0}]}
[verdict] = judge(CORE_AIMS, results, names, cases)
assert verdict["value"]["median"] == 0.5 and verdict["met"], verdict
END
}

test_an_aim_beside_the_best_peer_is_judged_by_the_best_one_and_names_it() {
    python <<'END'
from aims import Aim, judge
from results import Results

results = Results()
results.figures = {
    "order": {"mine": [{"cpu_us": 3.0}], "a": [{"cpu_us": 4.0}], "b": [{"cpu_us": 2.0}]},
    "download": {"mine": [{"calls_per_s": 3.0}], "a": [{"calls_per_s": 4.0}],
                 "b": [{"calls_per_s": 2.0}]},
}
names, cases = {"mine", "a", "b", "absent"}, ["order", "download"]
peers = ("a", "b", "absent")

def verdict(*fields):
    [one] = judge([Aim("title", *fields)], results, names, cases)
    return one["of"], one["value"]["median"], one["met"]

assert verdict("order", "cpu_us", "mine", peers, 1.5) == ("b", 1.5, True)
assert verdict("order", "cpu_us", "mine", peers, 1.4) == ("b", 1.5, False)
assert verdict("download", "calls_per_s", "mine", peers, 0.75, True) == ("a", 0.75, True)
assert verdict("download", "calls_per_s", "mine", peers, 0.8, True) == ("a", 0.75, False)
assert verdict("order", "cpu_us", "mine", (), 3) == (None, 3.0, True)
END
}

test_an_aim_whose_limit_is_in_the_range_of_rounds_says_so() {
    python <<'END'
from aims import Aim, judge
from results import Results

results = Results()
results.figures = {"order": {"mine": [{"cpu_us": us} for us in (1.0, 2.0, 4.0)]}}

def verdict(limit, more=False):
    [one] = judge([Aim("title", "order", "cpu_us", "mine", (), limit, more)], results, {"mine"},
                  ["order"])
    return one["met"], one["in_range"]

assert verdict(3) == (True, True) and verdict(1.5) == (False, True)
assert verdict(1) == (False, True) and verdict(0.9) == (False, False)
assert verdict(4) == (True, False)
assert verdict(3, True) == (False, True) and verdict(1.5, True) == (True, True)
assert verdict(4, True) == (False, True) and verdict(5, True) == (False, False)
assert verdict(1, True) == (True, False)
END
}

test_an_aim_beside_the_best_peer_says_which_peers_are_missing() {
    python <<'END'
import contextlib, io
import report
from aims import Aim, judge
from results import Results

results = Results()
results.figures = {"order": {"mine": [{"cpu_us": 1.0}, {"cpu_us": 3.0}],
                             "a": [{"cpu_us": 1.0}, {"cpu_us": 1.0}]}}
aims = [Aim("first", "order", "cpu_us", "mine", ("a", "b", "c"), 2.5),
        Aim("second", "order", "cpu_us", "mine", ("a",), 3.0)]
verdicts = judge(aims, results, {"mine", "a", "b"}, ["order"])
assert [one["missing"] for one in verdicts] == [["b", "c"], []], verdicts
said = io.StringIO()
with contextlib.redirect_stdout(said):
    report.print_aims("both", verdicts)
said = said.getvalue()
assert said.endswith("\nThe best peer without b, c: first\n\n"), said
assert "2.00 (1.00 - 3.00) of a | yes (range spans it) |" in said, said
assert "2.00 (1.00 - 3.00) |                  yes |" in said, said
END
}

test_a_server_that_does_not_start_is_not_measured_at_a_fixed_rate_either() {
    python <<'END'
import argparse, pathlib
import load, rpc
from results import Results

load.measure = lambda server, case, rate, *_: {"calls_per_s": rate, "p99_ms": 1.0}
options = argparse.Namespace(rate=None, rounds=1, seconds=1)
results = Results()
case = rpc.Round(results, "paced", options, 0, pathlib.Path("."))
case.rates, case.servers = {"typed": 1000}, {"typed": 1000}
results.trouble("paced", "cpp-async", "does not listen")
case.run_paced()
assert results.troubles["paced"] == {"cpp-async": "does not listen"}, results.troubles
END
}

test_answers_are_compared_while_others_load_the_server() {
    : >"$WORK/loads"
    stand_in "$WORK/check" <<<"#!/bin/sh
timeout 60 tail -n +1 -f '$WORK/loads' | grep -q -m 1 4"
    python <<END
import contextlib, pathlib, types
import load

loads = []

# The check ends in the fourth.
def one(*_):
    loads.append(len(loads) + 1)
    with open("$WORK/loads", "a") as said:
        print(loads[-1], file=said, flush=True)

@contextlib.contextmanager
def server(*_):
    yield types.SimpleNamespace(port=1, tls=False, token=lambda: "secret")

def check(client):
    load.CHECK_CLIENT = client
    load.check_answers(types.SimpleNamespace(serves="all"), False, pathlib.Path("$WORK"), 5)

load.Server, load.load, load.calibrate = server, one, lambda *_: 1000
check("$WORK/check")
assert len(loads) >= 4, loads
try:
    check("false")
    assert False, "wrong answers are right"
except load.Trouble as trouble:
    assert str(trouble) == "false: exit code 1", trouble
END
}

test_a_fixed_rate_that_a_server_of_the_aims_does_not_hold_is_lowered() {
    python <<'END'
import argparse, pathlib
import load, rpc
from results import Results

def measure(server, case, rate, seconds, answer_bytes, work):
    return {"calls_per_s": min(rate, server), "p99_ms": 1.0}

load.measure = measure
options = argparse.Namespace(rate=None, rounds=3, seconds=1)
results = Results()
case = rpc.Round(results, "paced", options, 0, pathlib.Path("."))
case.rates = {"typed": 1000, "cpp-async": 2000, "grpcio": 300}
case.servers = {"typed": 400, "cpp-async": 2000, "grpcio": 300}  # what they hold
case.run_paced()
assert results.rate == 300, results.rate
assert set(results.figures["paced"]) == {"typed", "cpp-async", "grpcio"}, results.figures
assert not results.troubles.get("paced"), results.troubles
END
}

test_a_server_ends_with_the_bench_also_while_it_starts() {
    python <<END
import os, pathlib, signal, sys
import programs

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
programs.listens = lambda port: os.kill(os.getpid(), signal.SIGTERM)
program = programs.Program("server", "late", "sleep 600", "true", "", "unary")
server = programs.Server(program, pathlib.Path("$WORK"), False)
try:
    with server:
        assert False, "it listens"
except SystemExit as end:
    assert end.code == 143, end
assert server.process.poll() == -signal.SIGKILL, server.process.poll()
END
}

test_a_builder_ends_with_the_bench() {
    python <<END
import os, signal, subprocess, sys
import programs

started = []

# Told to end when it shows what its builder says.
class Terminal:
    def write(self, text):
        os.kill(os.getpid(), signal.SIGTERM)

class Builder(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        started.append(self)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
programs.subprocess.Popen = Builder
sys.stderr = Terminal()
command = "sh -c 'echo building >&2; exec sleep 600'"
try:
    programs.build([programs.Program("server", "late", "true", command, "", "unary")])
    assert False, "it was built"
except SystemExit as end:
    assert end.code == 143, end
sys.stderr = sys.__stderr__
[builder] = started
assert builder.poll() == -signal.SIGTERM, builder.poll()
END
}

run_tests
