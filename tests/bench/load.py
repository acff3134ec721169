"""What is done to servers and by clients, and the figures of one round of it."""

import collections
import json
import math
import pathlib
import re
import shlex
import subprocess
import time

from programs import CORES, ROOT, RUN_LIMIT_S, Server, Trouble, cpu_seconds, memory_mib, pinned, run

PROTO = "tests/bench/bench/v1/echo.proto"
ECHO = "bench.v1.Echo"
STREAM_MESSAGES = 1000
STREAM_BYTES = 100

# What is done to servers; a call has `messages` messages.
Case = collections.namedtuple("Case", "title method request connections in_flight tls messages")

SERVER_CASES = {
    "order": Case("order, 50 x 10", "Call", "order", 50, 10, False, 1),
    "order-one": Case("order, 1 x 100", "Call", "order", 1, 100, False, 1),
    "single": Case("order, 1 x 1", "Call", "order", 1, 1, False, 1),
    "tls": Case("TLS, 50 x 10", "Call", "order", 50, 10, True, 1),
    "tls-one": Case("TLS, 1 x 100", "Call", "order", 1, 100, True, 1),
    "empty": Case("empty", "Ping", "empty", 50, 10, False, 1),
    "10B": Case("10 B", "Copy", "10B", 50, 10, False, 1),
    "1KiB": Case("1 KiB", "Copy", "1KiB", 50, 10, False, 1),
    "64KiB": Case("64 KiB, 10 x 4", "Copy", "64KiB", 10, 4, False, 1),
    "chat": Case("both ways", "Chat", "messages", 10, 1, False, STREAM_MESSAGES),
    "upload": Case("to the server", "Upload", "messages", 10, 1, False, STREAM_MESSAGES),
    "download": Case("from the server", "Download", "amount", 10, 1, False, STREAM_MESSAGES),
}
STREAMS = ("Chat", "Upload", "Download")
PACED = "paced"  # the order at a fixed rate, for its latency
GHZ = "ghz"  # the order once more, by the load generator that users know
CLIENT_CASES = {"clients": ("64 in flight", 64), "client-single": ("one at a time", 1)}
DRIVEN = "raw"  # the server that all clients call

# The same as tests/bench/order.textproto, for ghz.
ORDER_JSON = {
    "id": "0192f0c1-7a2b-7c3d", "created_ms": 1763712000000,
    "customer": {"name": "Ada", "email": "ada@example.org"},
    "lines": [{"product_id": "odyssey", "quantity": 2, "price_minor": 9999},
              {"product_id": "argo", "quantity": 1, "price_minor": 4999}],
    "express": True, "labels": {"k": "v"}, "discount": 0.1,
}


def framed(message):
    """gRPC's length-prefixed message, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def make_requests(work):
    """The requests' bodies as files, and how many bytes the right answer of each method has."""

    def encode(message, text):
        return framed(
            run("protoc", "-Iproto", "-Itests/bench", f"--encode=bench.v1.{message}",
                "bench/v1/echo.proto", input=text)
        )

    def payload(size):
        return encode("Payload", b'body: "%s"' % (b"x" * size))

    total = STREAM_MESSAGES * STREAM_BYTES
    amount = encode("Amount", b"messages: %d bytes: %d" % (STREAM_MESSAGES, total))
    requests = {
        "order": encode("Order", (ROOT / "tests/bench/order.textproto").read_bytes()),
        "empty": framed(b""),
        "10B": payload(10),
        "1KiB": payload(1024),
        "64KiB": payload(65536),
        "messages": payload(STREAM_BYTES) * STREAM_MESSAGES,
        "amount": amount,
    }
    for name, body in requests.items():
        (work / name).write_bytes(body)
    sizes = {name: len(body) for name, body in requests.items()}
    answers = {"Upload": len(amount), "Download": sizes["messages"]}
    return {
        case: answers.get(spec.method, sizes[spec.request]) for case, spec in SERVER_CASES.items()
    }


def h2load_command(server, case, calls, work, *more):
    scheme = "https" if server.tls else "http"
    return [
        "h2load", "-n", str(calls), "-c", str(case.connections), "-m", str(case.in_flight),
        "-H", "content-type: application/grpc", "-H", "te: trailers",
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
        preexec_fn=pinned(CORES[1]),
    )
    return check_h2load(done.stdout.decode() + done.stderr.decode(), calls, answer_bytes)


def calls_for(rate, case, seconds):
    """A number of calls that lasts about `seconds` and is shared evenly by the connections."""
    return max(1, round(rate * seconds / case.connections)) * case.connections


def calibrate(server, case, seconds, answer_bytes, work):
    """Warms up and says how many calls a second the server takes at full load."""
    calls = calls_for(case.connections * case.in_flight * 4 / case.messages, case, 1)
    while True:
        started = time.monotonic()
        rate = load(server, case, calls, answer_bytes, work)
        if time.monotonic() - started > seconds / 4:
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


def measure(server, case, calls, answer_bytes, work):
    figures = watched(server, calls, lambda: load(server, case, calls, answer_bytes, work))
    if case.messages > 1:
        figures["cpu_us"] /= case.messages
        figures["messages_per_s"] = figures["calls_per_s"] * case.messages
    return figures


def measure_paced(server, case, rate, seconds, answer_bytes, work):
    """Latency while calls come at a fixed rate, whatever the server does."""
    calls, log = calls_for(rate, case, seconds), work / "latencies"
    log.unlink(missing_ok=True)
    more = ("--rps", str(rate / case.connections), "--log-file", str(log))
    figures = watched(server, calls, lambda: load(server, case, calls, answer_bytes, work, *more))
    micros = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    figures["p50_ms"] = percentile(micros, 0.50) / 1000
    figures["p99_ms"] = percentile(micros, 0.99) / 1000
    return figures


def measure_ghz(server, case, ghz, calls):
    def work_done():
        done = subprocess.run(
            [ghz, "--insecure", "--import-paths", "proto,tests/bench", "--proto", PROTO,
             "--call", f"{ECHO}.{case.method}", "-d", json.dumps(ORDER_JSON), "-n", str(calls),
             "--connections", str(case.connections),
             "--concurrency", str(case.connections * case.in_flight),
             "--format", "json", f"127.0.0.1:{server.port}"],
            cwd=ROOT, capture_output=True, timeout=RUN_LIMIT_S, check=False,
            preexec_fn=pinned(CORES[1]),
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


def measure_client(program, server, in_flight, seconds):
    done = run(
        *shlex.split(program.command), str(server.port), str(in_flight), str(seconds),
        preexec_fn=pinned(CORES[1]),
    )
    calls, took, spent = (float(word) for word in done.split())
    if calls == 0:
        raise Trouble("made no call")
    return {"calls_per_s": calls / took, "cpu_us": spent / calls * 1e6}


def check_answers(program, tls, work, answer_bytes):
    """Every method's answers, compared with what was sent while others load the server."""
    case = SERVER_CASES["order"]
    with Server(program, work, tls) as server:
        calls = calls_for(calibrate(server, case, 1, answer_bytes, work), case, 1)
        loader = subprocess.Popen(
            h2load_command(server, case, calls, work), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=pinned(CORES[1]),
        )
        try:
            authority = [str(work / "certificate.pem")] if tls else []
            run("bazel-bin/tests/bench/check_client", str(server.port), program.serves, *authority)
            said, _ = loader.communicate(timeout=RUN_LIMIT_S)
        finally:
            loader.kill()
            loader.wait()
        check_h2load(said.decode(), calls, answer_bytes)
