"""Malformed, huge, slow and half-sent requests by the hundred: every good one beside them is
answered, and right.

On a busy machine a good client may be refused because its time is up, but only if that time has
passed by the client's own clock too.
"""

import asyncio
import json
import socket
import threading
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

import polytome
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
from serving import PATIENCE, served

SECONDS = 2.0
ROW = [5.9, 3.0, 5.1, 1.8]


class GoodClients(threading.Thread):
    """One connection that is kept and one new one for each request, in turns, until told to
    stop."""

    def __init__(self, address, expected):
        super().__init__()
        self.netloc, self.expected = urlsplit(address).netloc, expected
        self.stop, self.wrong, self.n_right = threading.Event(), [], 0

    def run(self):
        kept = HTTPConnection(self.netloc, timeout=PATIENCE)
        while not self.stop.is_set():
            for connection in (kept, HTTPConnection(self.netloc, timeout=PATIENCE)):
                began = time.perf_counter()
                try:
                    body = json.dumps({"rows": [ROW]})
                    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    found = json.loads(answer.read())
                    if answer.status in (408, 503) and time.perf_counter() - began >= SECONDS:
                        connection.close()
                    elif answer.status != 200 or found["probabilities"] != self.expected:
                        self.wrong.append((answer.status, found))
                    else:
                        self.n_right += 1
                except Exception as error:  # whatever it is, a good request was lost
                    connection.close()
                    if not isinstance(error, ConnectionError) or time.perf_counter() - began < SECONDS:
                        self.wrong.append(repr(error))
                if connection is not kept:
                    connection.close()
        kept.close()


def abuses(host):
    """What is sent, whether the sender then reads, and how many do it."""
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n".encode()

    def whole(body):
        return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body

    large = json.dumps({"rows": [ROW] * 20_000}).encode()
    return [
        ("half a head", head, True, 80),
        ("nothing", b"", True, 80),
        ("half a body", whole(b'{"rows": [[1, 2, 3, 4]]}')[:-5], True, 80),
        ("garbage", bytes(range(256)) * 4, True, 80),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), True, 40),
        ("bad JSON", whole(b'{"rows": [[1, 2, 3'), True, 80),
        ("deep JSON", whole(b"[" * 50_000), True, 30),
        ("many lists", whole(b'{"rows": [' + b"[]," * 200_000 + b"[]]}"), True, 10),
        ("numbers", whole(b'{"rows": [[' + b"1e999," * 100_000 + b"1]]}"), True, 10),
        ("wide CSV", whole(b"," * 500_000).replace(b"application/json", b"text/csv"), True, 10),
        ("too large", head + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000, True, 40),
        (
            "endless chunks",
            head + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 65535 + b"\r\n",
            True,
            40,
        ),
        ("endless head", head + b"X: " + b"x" * 300_000, True, 40),
        ("never reads", whole(large) * 2, False, 10),
        ("goes away", whole(large), None, 20),
        ("large", whole(large), True, 20),
    ]


async def send(host, data, reads):
    """One connection; the status that it was answered with."""
    name, port = host.split(":")
    connection = socket.create_connection((name, int(port)))
    connection.setblocking(False)
    sent = connection.send(data) if data else 0  # before this loop turns to others: heads are in time
    try:
        reader, writer = await asyncio.open_connection(sock=connection)
    except OSError as error:
        return repr(error)
    try:
        writer.write(data[sent:])
        if reads:
            answer = await asyncio.wait_for(reader.read(200), PATIENCE)
            return answer[9:12].decode() or "closed"
        await asyncio.sleep(SECONDS + 1 if reads is False else 0.05)
        return "left"
    except (TimeoutError, OSError) as error:
        return type(error).__name__
    finally:
        writer.transport.abort()


async def attack(host):
    names, senders = [], []
    for name, data, reads, count in abuses(host):
        names += [name] * count
        senders += [send(host, data, reads) for _ in range(count)]
    outcomes: dict[str, set] = {}
    for name, outcome in zip(names, await asyncio.gather(*senders), strict=True):
        outcomes.setdefault(name, set()).add(outcome)
    return outcomes


def test_abuse_loses_no_good_request(tmp_path):
    path = tmp_path / "iris.safetensors"
    model = fit_source(polytome.LogisticRegression(), open_source("iris"))
    model.save(path)
    with served(path, seconds=SECONDS, most_bytes=1 << 20) as client:
        good = [GoodClients(client.address, model.predict_proba([ROW]).tolist()) for _ in range(3)]
        for thread in good:
            thread.start()
        outcomes = asyncio.run(attack(urlsplit(client.address).netloc))
        for thread in good:
            thread.stop.set()
        for thread in good:
            thread.join(PATIENCE)
        assert [thread.wrong for thread in good] == [[], [], []]
        assert sum(thread.n_right for thread in good) > 20
        assert client.get("/healthz").status == 200
    closed = {"closed", "ConnectionResetError"}
    late = {"408", "503"}  # of a body that takes the server, or this machine, too long to read, and of its answer
    assert outcomes["half a head"] <= closed
    assert outcomes["nothing"] <= closed
    assert outcomes["half a body"] == {"408"}
    assert outcomes["garbage"] | outcomes["TLS"] <= {"400"} | closed
    assert outcomes["bad JSON"] <= {"400"} | late
    assert outcomes["deep JSON"] <= {"400"} | late
    for name in ("many lists", "wide CSV"):
        assert outcomes[name] <= {"413"} | late
    assert outcomes["numbers"] <= {"422"} | late
    for name in ("too large", "endless chunks", "endless head"):
        assert outcomes[name] <= {"413", "431"} | late | closed
    assert outcomes["large"] <= {"200"} | late
