"""What loads servers and clients, and the figures of one round of it."""

import contextlib
import json
import math
import os
import pathlib
import re
import select
import shlex
import shutil
import subprocess
import time

from cases import (AUTHORIZATION, ECHO, GHZ, IDLE, ORDER_JSON, PACED, PACED_IN_FLIGHT, PINGPONG,
                   PROTO, SERVER_CASES)
from programs import CORES, ROOT, RUN_LIMIT_S, Server, Trouble, cpu_seconds, memory_mib, pinned, run

H2_CLIENT = "bazel-bin/tests/bench/h2_client"
CHECK_CLIENT = "bazel-bin/tests/bench/check_client"
GHZ_WARM_UP_CALLS = 5000
TLS_CALLS = 20  # on each connection at least, so that they are more than its handshake
IDLE_CLIENTS = 4  # each opens its connections one by one
IDLE_SETTLE_S = 1


def load_cores(case):
    return CORES[:2] if case.both_cores else CORES[1:2]


def ghz_program():
    """Its path, or None."""
    installed = str(ROOT / ".mesh/tools/bin/ghz")
    return shutil.which("ghz") or shutil.which(installed)


# --- h2load ---------------------------------------------------------------------------------------


def h2load_command(server, case, calls, work, *more):
    scheme = "https" if server.tls else "http"
    headers = [word for header in case.headers
               for word in ("-H", header.replace("{token}", server.token()))]
    threads = ["-t", "2"] if case.both_cores else []
    return [
        "h2load", "-n", str(calls), "-c", str(case.connections), "-m", str(case.in_flight),
        "-H", "content-type: application/grpc", "-H", "te: trailers", *headers, *threads,
        "-d", str(work / case.request), *more,
        f"{scheme}://127.0.0.1:{server.port}/{ECHO}/{case.method}",
    ]


def check_h2load(said, calls, answer_bytes):
    """Calls a second; Trouble unless every call was answered with as many bytes as it must be."""
    succeeded = re.search(r"^status codes: (\d+) 2xx", said, re.M)
    data = re.search(r"\((\d+)\) data", said)
    rate = re.search(r"([\d.]+) req/s", said)
    if not (succeeded and data and rate) or int(succeeded.group(1)) != calls:
        raise Trouble(f"not all of {calls} calls were answered: {said.strip()[-300:]}")
    if int(data.group(1)) != calls * answer_bytes:
        raise Trouble(f"{data.group(1)} bytes came for {calls} calls of {answer_bytes}")
    return float(rate.group(1))


def load(server, case, calls, answer_bytes, work, *more):
    done = subprocess.run(
        h2load_command(server, case, calls, work, *more),
        cwd=ROOT, capture_output=True, timeout=RUN_LIMIT_S, check=False,
        preexec_fn=pinned(load_cores(case)),
    )
    return check_h2load(done.stdout.decode() + done.stderr.decode(), calls, answer_bytes)


def calls_for(rate, case, seconds):
    """A number of calls that lasts about `seconds` and is shared evenly by the connections."""
    least = TLS_CALLS if case.tls else 1
    return max(least, round(rate * seconds / case.connections)) * case.connections


def calibrate(server, case, seconds, answer_bytes, work):
    """Warms up and says how many calls a second the server takes at full load."""
    calls = calls_for(case.connections * case.in_flight * 4 / case.messages, case, 1)
    while True:
        started = time.monotonic()
        rate = load(server, case, calls, answer_bytes, work)
        if time.monotonic() - started > (seconds if case.tls else seconds / 4):  # handshakes
            return rate
        calls *= 4


def percentile(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, math.ceil(part * len(sorted_values)) - 1)]


def watched(server, calls, work_done):
    """CPU of the server for each of `calls` and its largest memory while `work_done` runs."""
    pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # VmHWM starts again
    before = cpu_seconds(server.pid)
    rate = work_done()
    spent = cpu_seconds(server.pid) - before
    return {
        "calls_per_s": rate,
        "cpu_us": spent / calls * 1e6,
        "rest_mib": server.rest_mib,
        "loaded_mib": memory_mib(server.pid, "VmHWM"),
    }


def measure_full(server, case, calls, answer_bytes, work):
    def loaded(calls):
        return watched(server, calls, lambda: load(server, case, calls, answer_bytes, work))

    figures = loaded(calls)
    if case.tls:  # a call's is what those after the first of a connection take
        opened = loaded(case.connections)["cpu_us"] * case.connections
        figures["cpu_us"] = (figures["cpu_us"] * calls - opened) / (calls - case.connections)
    if case.messages > 1:
        figures["cpu_us"] /= case.messages
        figures["messages_per_s"] = figures["calls_per_s"] * case.messages
    if case.mib:
        figures["mib_per_s"] = figures["calls_per_s"] * case.mib
    return figures


def measure_paced(server, case, rate, seconds, answer_bytes, work):
    """Latency at a fixed rate: every 10 ms h2load sends the calls that are due, in a burst, and a
    call's time begins when it is sent. So many may be in flight that none has to wait before."""
    case = case._replace(in_flight=PACED_IN_FLIGHT)
    calls, log = calls_for(rate, case, seconds), work / "latencies"
    log.unlink(missing_ok=True)
    more = ("--rps", str(rate / case.connections), "--log-file", str(log))
    figures = watched(server, calls, lambda: load(server, case, calls, answer_bytes, work, *more))
    micros = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    figures["p50_ms"] = percentile(micros, 0.50) / 1000
    figures["p99_ms"] = percentile(micros, 0.99) / 1000
    return figures


# --- others ---------------------------------------------------------------------------------------


def measure_ghz(server, case, calls):
    def work_done():
        done = subprocess.run(
            [ghz_program(), "--insecure", "--import-paths", "proto,tests/bench", "--proto", PROTO,
             "--call", f"{ECHO}.{case.method}", "-d", json.dumps(ORDER_JSON), "-n", str(calls),
             "--connections", str(case.connections),
             "--concurrency", str(case.connections * case.in_flight),
             "--format", "json", f"127.0.0.1:{server.port}"],
            cwd=ROOT, capture_output=True, timeout=RUN_LIMIT_S, check=False,
            preexec_fn=pinned(load_cores(case)),
        )
        if done.returncode != 0:
            raise Trouble(f"ghz: {done.stderr.decode(errors='replace').strip()[-300:]}")
        report.update(json.loads(done.stdout))
        if report["statusCodeDistribution"] != {"OK": calls}:
            raise Trouble(f"ghz: answers were {report['statusCodeDistribution']}")
        return report["rps"]

    report = {}
    figures = watched(server, calls, work_done)
    latencies = {entry["percentage"]: entry["latency"] for entry in report["latencyDistribution"]}
    figures["p99_ms"] = latencies[99] / 1e6
    return figures


def measure_pingpong(server, case, seconds, work):
    said = run(H2_CLIENT, "pingpong", str(server.port), work / case.request, str(seconds),
               preexec_fn=pinned(load_cores(case)))
    messages, p50, p99 = (float(word) for word in said.split())
    return {"messages_per_s": messages / seconds, "p50_us": p50, "p99_us": p99}


def start_idle(stack, server, case, connections, work):
    """A client whose connections make a call and stay until its input is closed."""
    command = [H2_CLIENT, "idle", str(server.port), work / case.request, str(connections)]
    client = stack.enter_context(subprocess.Popen(
        command + ["tls"] * server.tls, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=pinned(load_cores(case)),
    ))
    stack.callback(client.kill)
    return client


def await_idle(client):
    speaks, _, _ = select.select([client.stdout], [], [], RUN_LIMIT_S)
    if not speaks or client.stdout.readline() != b"ready\n":
        client.kill()
        raise Trouble(client.stderr.read().decode().strip() or "took too long to connect")


def end_idle(client):
    _, said = client.communicate(timeout=RUN_LIMIT_S)
    if client.returncode != 0:
        raise Trouble(said.decode().strip())


def measure_idle(server, case, work):
    """Memory that each connection takes, on top of the first one's."""
    with contextlib.ExitStack() as stack:
        first = start_idle(stack, server, case, 1, work)
        await_idle(first)
        before = memory_mib(server.pid, "VmRSS")
        part = case.connections // IDLE_CLIENTS
        clients = [start_idle(stack, server, case, part, work) for _ in range(IDLE_CLIENTS)]
        for client in clients:
            await_idle(client)
        time.sleep(IDLE_SETTLE_S)
        after = memory_mib(server.pid, "VmRSS")
        for client in [first, *clients]:
            end_idle(client)
    return {"idle_kib": (after - before) * 1024 / (part * IDLE_CLIENTS)}


def measure_client(program, server, in_flight, seconds):
    done = run(
        *shlex.split(program.command), str(server.port), str(in_flight), str(seconds),
        preexec_fn=pinned(CORES[1:2]),
    )
    calls, took, spent = (float(word) for word in done.split())
    if calls == 0:
        raise Trouble("made no call")
    return {"calls_per_s": calls / took, "cpu_us": spent / calls * 1e6}


# --- by kind --------------------------------------------------------------------------------------


def warm_up(server, case, seconds, answer_bytes, work):
    """How many calls a second the server takes of what loads it, where that is needed."""
    if case.kind == GHZ:
        return measure_ghz(server, case, GHZ_WARM_UP_CALLS)["calls_per_s"]
    if case.kind in (PINGPONG, IDLE):
        return None
    return calibrate(server, case, seconds, answer_bytes, work)


def measure(server, case, rate, seconds, answer_bytes, work):
    """A round of `seconds`, with calls for that time at `rate` a second."""
    if case.kind == PACED:
        return measure_paced(server, case, rate, seconds, answer_bytes, work)
    if case.kind == PINGPONG:
        return measure_pingpong(server, case, seconds, work)
    if case.kind == IDLE:
        return measure_idle(server, case, work)
    calls = calls_for(rate, case, seconds)
    if case.kind == GHZ:
        return measure_ghz(server, case, calls)
    return measure_full(server, case, calls, answer_bytes, work)


def check_answers(program, tls, work, answer_bytes):
    """Every method's answers, compared with what was sent while others load the server."""
    case = SERVER_CASES["order"]._replace(headers=(AUTHORIZATION,))
    streams = "all" if "all" in program.serves.split(",") else "unary"
    with Server(program, work, tls) as server:
        calls = calls_for(calibrate(server, case, 1, answer_bytes, work), case, 1)
        authority = [str(work / "certificate.pem")] if tls else []
        limit = time.monotonic() + RUN_LIMIT_S
        with subprocess.Popen([CHECK_CLIENT, str(server.port), streams, *authority], cwd=ROOT,
                              env=os.environ | {"BENCH_AUTHORIZATION": f"Bearer {server.token()}"},
                              stderr=subprocess.PIPE) as checker:
            try:
                while checker.poll() is None:
                    load(server, case, calls, answer_bytes, work)
                    if time.monotonic() > limit:
                        raise Trouble(f"the answers were not checked within {RUN_LIMIT_S} s")
                said = checker.stderr.read().decode(errors="replace").strip()
            finally:
                checker.kill()
        if checker.returncode != 0:
            raise Trouble(f"{CHECK_CLIENT}: {said[-300:] or 'exit code %d' % checker.returncode}")
