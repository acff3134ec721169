"""What the broker says of its stream and consumers, asked in the protocol of NATS itself."""

import contextlib
import json
import re
import socket


def ask(url, subject):
    """The answer of JetStream's API, None when there is none."""
    host, port = re.match(r"nats://(.*):(\d+)$", url).groups()
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 5) as broker:
        broker.settimeout(5)
        broker.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.chaos 1\r\n'
                       + f"PUB {subject} _INBOX.chaos 0\r\n\r\n".encode())
        said = b""
        while not (head := re.search(rb"MSG _INBOX\.chaos 1 (\d+)\r\n", said)) or \
                len(said) < head.end() + int(head.group(1)):
            more = broker.recv(65536)
            if not more:
                return None
            said += more
        answer = json.loads(said[head.end():head.end() + int(head.group(1))])
        return None if "error" in answer else answer
    return None


def waiting(url, consumer):
    """Events that the consumer has not been given or has not acknowledged; None: nobody says."""
    info = ask(url, f"$JS.API.CONSUMER.INFO.EVENTS.{consumer}")
    return info and info["num_pending"] + info["num_ack_pending"]


def stored(url):
    info = ask(url, "$JS.API.STREAM.INFO.EVENTS")
    return info and info["state"]["messages"]
