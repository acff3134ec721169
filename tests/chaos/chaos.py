#!/usr/bin/env python3
"""Plays services against each other while processes and servers are killed, frozen and emptied.

The options are those of scripts/chaos, which is the manual and has looked at them.
"""

import argparse
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import judge
import scenarios
from servers import Trouble, say
from stage import Stage


class Verdicts:
    def __init__(self):
        self.passed = 0
        self.failures = []

    def check(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failures.append(what)
            say(f"  FAILED: {what}")


COLUMNS = [one.name for one in judge.QUESTIONS]


def print_head():
    print(f"{'':24}" + "".join(f"{name:>13}" for name in COLUMNS))


def print_row(title, answers):
    print(f"{title:24}" + "".join(
        f"{answers[name]:>13}" for name in COLUMNS), flush=True)


def play(stage, scenario, options, verdicts):
    began = time.monotonic()
    say(f"{scenario.title}: {scenario.what} ...")
    stage.open()
    try:
        told = scenario.play(stage, options)
        answers = judge.judge(stage.postgres)
    except Trouble as trouble:
        verdicts.check(False, f"{scenario.title}: {trouble}")
        return
    finally:
        stage.close()
    print_row(scenario.title, answers)
    for line in told.lines:
        print(f"    {line}", flush=True)
    for what, holds in told.checks:
        verdicts.check(holds, f"{scenario.title}: {what}")
    verdicts.check(answers["sent"] > 0, f"{scenario.title}: nothing was sent")
    for one in judge.QUESTIONS:
        value = answers[one.name]
        if one.demanded is None or scenario.breaks:
            continue
        verdicts.check(value == one.demanded, f"{scenario.title}: {one.name}: {value}")
    if scenario.breaks:
        verdicts.check(answers[scenario.breaks] > 0,
                       f"{scenario.title}: {scenario.breaks} should be seen, and is not")
    say(f"  {time.monotonic() - began:.0f} s")


def arguments():
    parser = argparse.ArgumentParser(prog="chaos", add_help=False)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if options.short:
        options.kills = 80
    options.rounds = 1 if options.short else 4
    return options


def main():
    options = arguments()
    chosen = [one for one in scenarios.SCENARIOS if not options.only or one.name in options.only]
    if options.list:
        for one in scenarios.SCENARIOS:
            print(f"{one.name:16} {one.what}")
        return 0
    unknown = set(options.only) - {one.name for one in scenarios.SCENARIOS}
    if unknown:
        raise Trouble(f"--only: there is no '{min(unknown)}' (--list)")
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    random.seed(seed)
    verdicts = Verdicts()
    work = pathlib.Path(tempfile.mkdtemp(prefix="meshc-chaos-"))
    work.chmod(0o755)
    stage = Stage(work)
    judge.show_questions()
    print_head()
    try:
        for scenario in chosen:
            play(stage, scenario, options, verdicts)
    finally:
        stage.shut()
        if not verdicts.failures:
            shutil.rmtree(work)
    if verdicts.failures:
        say(f"chaos: logs and data are in {work}")
        print("\nfailed:")
        for failure in verdicts.failures:
            print(f"  {failure}")
    print(f"\n{verdicts.passed} passed, {len(verdicts.failures)} failed")
    return 1 if verdicts.failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except Trouble as trouble:
        say(f"chaos: {trouble}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
