"""What is done to servers and by clients: the list of cases, and the requests that are sent."""

from typing import NamedTuple

from programs import ROOT, run

PROTO = "tests/bench/bench/v1/echo.proto"
ECHO = "bench.v1.Echo"
STREAM_MESSAGES = 1000
STREAM_BYTES = 100
PACED_IN_FLIGHT = 100  # on each connection: more than may come while a call is under way
IDLE_CONNECTIONS = 10000

# Kinds of cases.
LOAD = "load"  # by h2load, as much as the server takes
PACED = "paced"  # by h2load at a fixed rate, for the latency
GHZ = "ghz"  # by the load generator that users know
PINGPONG = "pingpong"  # a message goes once the one before came back
IDLE = "idle"  # connections that made a call and stay


AUTHORIZATION = "authorization: Bearer {token}"  # of the server's guard, if it has one
TRACED = ("grpc-timeout: 10S",
          "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


class Case(NamedTuple):
    title: str
    method: str = "Call"
    request: str = "order"
    connections: int = 50
    in_flight: int = 10  # on each connection
    tls: bool = False
    messages: int = 1  # of a call
    kind: str = LOAD
    headers: tuple = ()
    named: bool = False  # only for the programs whose line names it
    both_cores: bool = False  # server and load share both
    mib: float = 0  # of a payload, if bytes a second are looked at


SERVER_CASES = {
    "order": Case("order, 50 x 10"),
    "order-50x1": Case("order, 50 x 1", in_flight=1),
    "order-one": Case("order, 1 x 100", connections=1, in_flight=100),
    "single": Case("order, 1 x 1", connections=1, in_flight=1),
    "tls": Case("TLS, 50 x 10", tls=True),
    "tls-50x1": Case("TLS, 50 x 1", in_flight=1, tls=True),
    "tls-one": Case("TLS, 1 x 100", connections=1, in_flight=100, tls=True),
    "observed": Case("observed", named=True, headers=TRACED),
    "guarded": Case("guarded", named=True, headers=(*TRACED, AUTHORIZATION)),
    "loops": Case("order, both cores", named=True, both_cores=True),
    "empty": Case("empty", "Ping", "empty"),
    "10B": Case("10 B", "Copy", "10B"),
    "1KiB": Case("1 KiB", "Copy", "1KiB"),
    "64KiB": Case("64 KiB, 10 x 4", "Copy", "64KiB", 10, 4, mib=1 / 16),
    "1MiB": Case("1 MiB, 4 x 1", "Copy", "1MiB", 4, 1, mib=1),
    "chat": Case("both ways", "Chat", "messages", 10, 1, messages=STREAM_MESSAGES),
    "upload": Case("to the server", "Upload", "messages", 10, 1, messages=STREAM_MESSAGES),
    "download": Case("from the server", "Download", "amount", 10, 1, messages=STREAM_MESSAGES),
    "pingpong": Case("to and fro", "Chat", "message", 1, 1, kind=PINGPONG),
    "paced": Case("paced", kind=PACED),
    "ghz": Case("ghz", kind=GHZ),
    "idle": Case("plaintext", connections=IDLE_CONNECTIONS, kind=IDLE),
    "idle-tls": Case("TLS", connections=IDLE_CONNECTIONS, tls=True, kind=IDLE),
}
STREAMS = ("Chat", "Upload", "Download")
CLIENT_CASES = {"clients": ("64 in flight", 64), "client-single": ("one at a time", 1)}
DRIVEN = "raw"  # the server that all clients call


def takes_part(program, name):
    """Whether the program's line lets it serve the case."""
    case, words = SERVER_CASES[name], program.serves.split(",")
    if name in words:
        return True
    return not case.named and ("all" in words or "unary" in words and case.method not in STREAMS)


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
    """The requests' bodies as files; by case, how many bytes the right answer of a call has."""

    def encode(message, text):
        return framed(
            run("protoc", "-Iproto", "-Itests/bench", f"--encode=bench.v1.{message}",
                "bench/v1/echo.proto", input=text)
        )

    def payload(size):
        return encode("Payload", b'body: "%s"' % (b"x" * size))

    total = STREAM_MESSAGES * STREAM_BYTES
    amount = encode("Amount", b"messages: %d bytes: %d" % (STREAM_MESSAGES, total))
    message = payload(STREAM_BYTES)
    requests = {
        "order": encode("Order", (ROOT / "tests/bench/order.textproto").read_bytes()),
        "empty": framed(b""),
        "10B": payload(10),
        "1KiB": payload(1 << 10),
        "64KiB": payload(1 << 16),
        "1MiB": payload(1 << 20),
        "message": message,
        "messages": message * STREAM_MESSAGES,
        "amount": amount,
    }
    for name, body in requests.items():
        (work / name).write_bytes(body)
    sizes = {name: len(body) for name, body in requests.items()}
    answers = {"Upload": len(amount), "Download": sizes["messages"]}
    return {
        name: answers.get(case.method, sizes[case.request]) for name, case in SERVER_CASES.items()
    }
