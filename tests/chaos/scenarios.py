"""What is done to the services, and who plays."""

import collections
import random
import signal
import time
from typing import Callable, NamedTuple

from servers import say, wait_for
from stage import ACK_WAIT_MS, Member

MOMENT = "any moment"
ARMED_LIMIT_S = 4  # then it is killed where it is
MOMENT_LIMIT_S = 0.5
REPORT_S = 5
WITHOUT_INBOX_KILLS = 12

# How often a process passes the point until it dies there, at most: some are passed with each
# event, some with each batch.
POINTS = {
    "producer": {"produce_before_commit": 60, "produce_after_commit": 60, MOMENT: 0},
    "relay": {"relay_before_publish": 60, "relay_after_publish": 60, "relay_before_note": 5,
              "relay_before_commit": 5, "relay_after_commit": 5, MOMENT: 0},
    "consumer": {"consume_after_insert": 5, "consume_before_commit": 5, "consume_before_ack": 60,
                 "consume_after_ack": 60, MOMENT: 0},
}


class Told:
    """What a scenario found out beside the databases."""

    def __init__(self):
        self.lines = []
        self.checks = []

    def check(self, what, holds):
        self.checks.append((what, holds))


class Armed:
    """A place on the stage whose process is killed, each time at the next point."""

    def __init__(self, stage, role, settings, points=None):
        self.stage = stage
        self.role = role
        self.settings = settings
        self.points = list(points or POINTS[role])
        random.shuffle(self.points)
        self.start()

    def start(self, at_once=False):
        """One that is to die at the first of the points; `at_once`: at its first passing."""
        point = self.points[0]
        fault, limit_s = "", random.uniform(0.02, MOMENT_LIMIT_S)
        if point != MOMENT:
            limit_s = ARMED_LIMIT_S
            passes = 1 if at_once else random.randint(1, POINTS[self.role][point])
            fault = f"kill {point} {passes}"
        self.limit = time.monotonic() + limit_s
        self.member = Member(self.stage, self.role, fault, **self.settings)
        self.stage.members.append(self.member)

    def died(self):
        """Where it did, when it did; None: it lives. The next one is alive already."""
        point = self.points[0]
        if not self.member.ended():
            if time.monotonic() < self.limit:
                return None
            self.member.kill()
            point = MOMENT
        self.stage.members.remove(self.member)
        if point == self.points[0]:
            self.points.append(self.points.pop(0))
            self.start()
        else:
            self.start(at_once=True)
        return point


def kill_in_turn(stage, kills, roles, told, points=None, **settings):
    """Kills so many processes of these roles, which have these settings, at these points or at all
    of the role. How often where."""
    deaths = collections.Counter()
    armed = [Armed(stage, role, settings, points) for role in roles]
    reported = time.monotonic()
    while deaths.total() < kills:
        for one in armed:
            point = one.died()
            if point and deaths.total() < kills:
                deaths[point] += 1
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            say(f"  {deaths.total()} of {kills} killed, {stage.tried()} handled")
        time.sleep(0.005)
    for one in armed:  # nobody dies in the rest
        one.member.kill()
        stage.members.remove(one.member)
    told.lines.append("killed: " + ", ".join(f"{count} {point}"
                                             for point, count in sorted(deaths.items())))
    return deaths


def killed_everywhere(deaths, role, told):
    for point in POINTS[role]:
        told.check(f"nobody was killed at {point}", deaths[point] > 0)


def share(options, percent):
    return max(1, options.kills * percent // 100)


def producers_killed(stage, options):
    told = Told()
    stage.start("consumer", 2)
    stage.start("relay")
    deaths = kill_in_turn(stage, share(options, 25), ["producer", "producer"], told)
    killed_everywhere(deaths, "producer", told)
    stage.settle()
    return told


def relays_killed(stage, options):
    told = Told()
    stage.start("consumer", 2)
    stage.start("producer", CHAOS_RELAY="0")
    deaths = kill_in_turn(stage, share(options, 25), ["relay", "relay"], told)
    killed_everywhere(deaths, "relay", told)
    stage.settle()
    return told


def consumers_killed(stage, options):
    told = Told()
    stage.start("producer", 2)
    deaths = kill_in_turn(stage, share(options, 25), ["consumer", "consumer"], told)
    killed_everywhere(deaths, "consumer", told)
    stage.settle()
    return told


def all_killed(stage, options):
    told = Told()
    kill_in_turn(stage, share(options, 25), ["producer", "relay", "consumer", "consumer"], told)
    stage.settle()
    return told


def everybody(stage, **settings):
    stage.start("producer", 2, **settings)
    stage.start("consumer", 2, **settings)
    stage.wait_for_progress(200)


def broker_killed(stage, options):
    everybody(stage)
    for _ in range(2 * options.rounds):
        stage.nats.kill()
        time.sleep(random.uniform(0, 0.5))  # services go on committing
        stage.nats.start()
        stage.wait_for_progress(200)
    stage.settle()
    return Told()


def store_deleted(stage, options):
    """While consumers have not handled all of it."""
    everybody(stage)
    for _ in range(options.rounds):
        for member in stage.members:
            if member.role == "consumer":
                member.kill()
        stage.members = [one for one in stage.members if one.role != "consumer"]
        time.sleep(1)  # much comes that nobody handles
        stage.nats.kill()
        stage.nats.wipe()
        stage.nats.start()
        stage.start("consumer", 2)
        stage.wait_for_progress(200)
    stage.settle()
    return Told()


def database_restarted(stage, options):
    everybody(stage)
    for number in range(2 * options.rounds):
        if number % 2 == 0:
            stage.postgres.stop()
        else:
            stage.postgres.kill()
        stage.postgres.start()
        stage.wait_for_progress(200)
    stage.settle()
    return Told()


def freeze(stage, role, point, told):
    """One stands still at the point, until the broker or the database has given up on it."""
    member, = stage.start(role, fault=f"stop {point} {random.randint(1, 5)}")
    wait_for(f"a {role} at {point}", lambda: member.ended() or member.stands_still(), 30)
    stage.start(role)
    time.sleep(1.5 * ACK_WAIT_MS / 1000)  # what the fault is: it comes back too late
    stage.wait_for_progress(50)
    member.signal(signal.SIGCONT)
    told.lines.append(f"stood still for {time.monotonic() - member.began:.1f} s: {point}")
    stage.wait_for_progress(50)


def consumers_frozen(stage, options):
    told = Told()
    stage.start("producer", 2)
    for _ in range(options.rounds):
        for point in "consume_after_insert", "consume_before_commit", "consume_before_ack":
            freeze(stage, "consumer", point, told)
    stage.settle()
    return told


def relays_frozen(stage, options):
    told = Told()
    stage.start("producer", 1, CHAOS_RELAY="0")
    stage.start("consumer", 2)
    for _ in range(options.rounds):
        for point in "relay_after_publish", "relay_before_note", "relay_before_commit":
            freeze(stage, "relay", point, told)
    stage.settle()
    return told


def two_relays(stage, options):
    """Nothing happens to them: none publishes what another one does."""
    told = Told()
    stage.start("relay", 2)
    everybody(stage)
    stage.wait_for_progress(1000 * options.rounds)
    published = stage.settle()["published"]
    made = int(stage.postgres.run("ledger", "SELECT count(*) FROM entry"))
    told.lines.append(f"{made} events, published {published} times by five relays")
    told.check(f"{made} events were published {published} times", made == published)
    return told


def clock_jumps(stage, options):
    everybody(stage, CHAOS_CLOCK="jump")
    stage.wait_for_progress(1500 * options.rounds)
    stage.settle()
    return Told()


def without_inbox(stage, options):
    # Events with versions are not doubled without the inbox, either: many have to die with some
    # of the others committed and not acknowledged.
    stage.start("producer", 2)
    kill_in_turn(stage, max(WITHOUT_INBOX_KILLS, share(options, 5)), ["consumer", "consumer"],
                 Told(), points=["consume_before_ack"], program="consumer_without_inbox")
    stage.settle("consumer_without_inbox")
    return Told()


def without_outbox(stage, options):
    stage.start("consumer", 2)
    kill_in_turn(stage, share(options, 5), ["producer", "producer"], Told(),
                 program="producer_without_outbox")
    stage.settle()
    return Told()


class Scenario(NamedTuple):
    name: str
    title: str
    what: str
    play: Callable
    breaks: str = ""  # what this build does wrong, which has to be seen


SCENARIOS = [
    Scenario("producers", "producers killed", "kill -9 at each boundary", producers_killed),
    Scenario("relays", "relays killed", "kill -9 at each boundary", relays_killed),
    Scenario("consumers", "consumers killed", "kill -9 at each boundary", consumers_killed),
    Scenario("all", "all killed", "kill -9 of all of them, at each boundary", all_killed),
    Scenario("broker", "broker killed", "kill -9 of nats-server, started again", broker_killed),
    Scenario("store", "store deleted", "nats-server comes back with an empty disk", store_deleted),
    Scenario("database", "database restarted", "and killed, started again", database_restarted),
    Scenario("frozen", "consumers frozen", "SIGSTOP past the redelivery time", consumers_frozen),
    Scenario("frozen-relay", "relays frozen", "SIGSTOP past the time of their lock",
             relays_frozen),
    Scenario("two-relays", "several relays", "at once, and nothing goes wrong", two_relays),
    Scenario("clock", "clock jumps", "the wall clock of services, by hours", clock_jumps),
    Scenario("without-inbox", "without the inbox", "consumers that note nothing, killed",
             without_inbox, "doubled"),
    Scenario("without-outbox", "without the outbox", "producers that publish themselves, killed",
             without_outbox, "lost"),
]
