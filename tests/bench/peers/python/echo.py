"""The contract of tests/bench on grpcio with asyncio, as its documentation writes it.

    echo.py server PORT [CERTIFICATE KEY]
    echo.py client PORT IN_FLIGHT SECONDS
"""

import asyncio
import os
import sys
import time

import grpc
from bench.v1 import echo_pb2 as pb
from bench.v1 import echo_pb2_grpc


class Echo(echo_pb2_grpc.EchoServicer):
    async def Ping(self, request, context):
        return request

    async def Call(self, request, context):
        return request

    async def Copy(self, request, context):
        return request

    async def Chat(self, request_iterator, context):
        async for payload in request_iterator:
            yield payload

    async def Upload(self, request_iterator, context):
        amount = pb.Amount()
        async for payload in request_iterator:
            amount.messages += 1
            amount.bytes += len(payload.body)
        return amount

    async def Download(self, request, context):
        payload = pb.Payload(body=bytes(request.bytes // max(request.messages, 1)))
        for _ in range(request.messages):
            yield payload


def read(path):
    with open(path, "rb") as file:
        return file.read()


async def serve(port, tls):
    server = grpc.aio.server()
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    address = f"127.0.0.1:{port}"
    if tls:
        certificate, key = tls
        credentials = grpc.ssl_server_credentials([(read(key), read(certificate))])
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


async def drive(port, in_flight, seconds):
    stub = echo_pb2_grpc.EchoStub(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
    order = pb.Order(
        id="0192f0c1-7a2b-7c3d",
        created_ms=1763712000000,
        customer=pb.Customer(name="Ada", email="ada@example.org"),
        lines=[
            pb.Line(product_id="odyssey", quantity=2, price_minor=9999),
            pb.Line(product_id="argo", quantity=1, price_minor=4999),
        ],
        express=True,
        labels={"k": "v"},
        discount=0.1,
    )
    calls = 0

    async def caller():
        nonlocal calls
        while True:
            answer = await stub.Call(order)
            assert answer.id == order.id
            calls += 1

    callers = [asyncio.create_task(caller()) for _ in range(in_flight)]
    await asyncio.sleep(seconds / 4)
    calls_before, cpu_before, started = calls, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    for task in callers:
        if task.done():
            task.result()  # raises what ended it
    took, spent = time.monotonic() - started, time.process_time() - cpu_before
    print(calls - calls_before, took, spent, flush=True)
    os._exit(0)


if __name__ == "__main__":
    what, port, *rest = sys.argv[1:]
    if what == "server":
        asyncio.run(serve(port, rest))
    else:
        asyncio.run(drive(port, int(rest[0]), float(rest[1])))
