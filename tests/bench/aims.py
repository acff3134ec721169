"""What is aimed at: two lists, and what a run's figures say of them."""

from typing import NamedTuple

from cases import SERVER_CASES

STYLES = {"typed": "inline handlers", "typed-worker": "handlers on workers"}
PEERS = ("cpp-async", "cpp-callback", "grpc-go", "tonic", "grpc-js", "grpcio")


class Aim(NamedTuple):
    title: str
    case: str
    figure: str
    mine: str
    theirs: tuple  # the best of these that are there; none: the figure itself
    limit: float
    more: bool = False  # at least `limit` is aimed at; otherwise at most


def both_styles(transport, aims):
    """The aims for handlers of either style."""
    return [Aim(f"{title} ({style})", case, figure, name + transport, theirs, *limit)
            for title, case, figure, theirs, *limit in aims
            for name, style in STYLES.items()]


CORE_AIMS = both_styles("", [
    ("server, CPU of a raw byte echo", "order", "cpu_us", ("raw",), 1.25),
    ("server, CPU of C++ async", "order", "cpu_us", ("cpp-async",), 1.00),
    ("server, CPU of C++ callback", "order", "cpu_us", ("cpp-callback",), 0.90),
    ("server, CPU of grpc-go", "order", "cpu_us", ("grpc-go",), 1.05),
    ("server, p99 at a fixed rate, of C++ async", "paced", "p99_ms", ("cpp-async",), 1.00),
    ("server, p99 at a fixed rate, of C++ callback", "paced", "p99_ms", ("cpp-callback",), 1.00),
    ("server, memory under load, of grpc-go", "order", "loaded_mib", ("grpc-go",), 0.80),
]) + [Aim("client, CPU of the raw core client", "clients", "cpu_us", "typed", ("raw",), 1.15)]

H2_AIMS = both_styles("-h2", [
    ("50 x 10, CPU of tonic", "order", "cpu_us", ("tonic",), 0.55),
    ("50 x 10, CPU of grpc-go", "order", "cpu_us", ("grpc-go",), 0.30),
    ("50 x 10, CPU of a bare nghttp2 echo", "order", "cpu_us", ("nghttp2",), 1.50),
    ("50 x 1, CPU of tonic", "order-50x1", "cpu_us", ("tonic",), 0.80),
    ("50 x 1, CPU of grpc-go", "order-50x1", "cpu_us", ("grpc-go",), 0.50),
    ("50 x 1 with TLS, CPU of tonic", "tls-50x1", "cpu_us", ("tonic",), 0.80),
    ("50 x 1 with TLS, CPU of grpc-go", "tls-50x1", "cpu_us", ("grpc-go",), 0.60),
    ("64 KiB, bytes/s of the best peer", "64KiB", "mib_per_s", PEERS, 1.00, True),
    ("1 MiB, bytes/s of the best peer", "1MiB", "mib_per_s", PEERS, 1.00, True),
    ("stream from the server, messages/s of the best peer", "download", "messages_per_s",
     PEERS, 1.50, True),
    ("to and fro, p50 of the best peer", "pingpong", "p50_us", PEERS, 1.00),
    ("to and fro, p99 of the best peer", "pingpong", "p99_us", PEERS, 1.00),
]) + [
    Aim("metrics, trace ids and deadline, CPU of bare tonic", "observed", "cpu_us",
        "typed-observed-h2", ("tonic",), 0.80),
    Aim("idle connection, KiB", "idle", "idle_kib", "typed-h2", (), 20),
    Aim("idle connection, memory of the best peer's", "idle", "idle_kib", "typed-h2", PEERS, 1.00),
    Aim("idle connection with TLS, KiB", "idle-tls", "idle_kib", "typed-h2", (), 45),
    Aim("idle connection with TLS, memory of the best peer's", "idle-tls", "idle_kib", "typed-h2",
        PEERS, 1.00),
    Aim("two loops, CPU of one loop", "loops", "cpu_us", "typed-loops-h2", ("typed-h2",), 1.10),
]

AUTH_AIMS = [
    Aim("a token and a permission, calls/s of the same call declared public", "guarded",
        "calls_per_s", "typed-guarded-h2", ("typed-observed-h2",), 0.95, True),
    Aim("metrics, trace ids, deadline, token and permission, CPU of bare tonic", "guarded",
        "cpu_us", "typed-guarded-h2", ("tonic",), 1.00),
]


def best(aim, results, names):
    """Of those that are compared, the one with the best figure, None without any; and those without
    a figure."""
    medians = {name: results.spread(aim.case, name, aim.figure) for name in aim.theirs
               if name in names}
    measured = [name for name in medians if medians[name]]
    pick = max if aim.more else min
    missing = [name for name in aim.theirs if name not in measured]
    return pick(measured, key=lambda name: medians[name]["median"], default=None), missing


def judge(aims, results, names, cases):
    """The aims of what was asked for, by the median; one that could not be measured has no value.
    Where rounds were on both sides of the limit, it is in their range; the peers that the best one
    was not chosen of are missing."""
    verdicts = []
    for aim in aims:
        asked = aim.case in cases and aim.mine in names
        if not asked or aim.theirs and not names.intersection(aim.theirs):
            continue
        other, missing = best(aim, results, names)
        if aim.theirs:
            value = results.ratio(aim.case, aim.figure, aim.mine, other)
        else:
            value = results.spread(aim.case, aim.mine, aim.figure)
        met, in_range = None, False
        if value:
            in_range = (value["min"] < aim.limit if aim.more else value["max"] > aim.limit) and (
                value["max"] >= aim.limit if aim.more else value["min"] <= aim.limit)
            met = value["median"] >= aim.limit if aim.more else value["median"] <= aim.limit
        verdicts.append({"aim": aim.title, "limit": aim.limit, "more": aim.more, "value": value,
                         "of": other if len(aim.theirs) > 1 else None, "met": met,
                         "missing": missing if len(aim.theirs) > 1 else [], "in_range": in_range})
    return verdicts


def compared(kind):
    """The programs that an aim compares in cases of the kind."""
    return {name for aim in CORE_AIMS + H2_AIMS
            if aim.case in SERVER_CASES and SERVER_CASES[aim.case].kind == kind
            for name in (aim.mine, *aim.theirs)}
