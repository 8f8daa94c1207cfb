"""A real server on a free port of loopback, in a thread of the test, and plain requests to it.

A busy machine may let any thread wait for seconds. So nothing here is measured in seconds but what
would otherwise never end, and that after `PATIENCE`.
"""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from polytome.serve.app import Limits, create_app
from polytome.serve.listening import address_of, bound_socket, make_server

PATIENCE = 300.0
"""Seconds after which something will not happen any more."""


def until(condition, what):
    """Wait until a condition holds; what it would mean is said if it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)


@dataclass
class Reply:
    """What the server answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Client:
    """Sends one request on a connection of its own."""

    address: str

    def __call__(self, method, path, body=None, **headers):
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=PATIENCE)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self("GET", path, **headers)

    def raw(self, *pieces, pause=0.0, ends=True):
        """What the server says to these bytes until it closes the connection, or hears that nothing
        more comes."""
        answer = b""
        with self.connection() as connection:
            with suppress(ConnectionError):  # it may end the connection before it has all of them
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while piece := connection.recv(65536):
                    answer += piece
        return answer

    def connection(self):
        """A connection on which nothing has been said yet."""
        parts = urlsplit(self.address)
        return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)

    def has_read_what_was_sent(self):
        """Come back when the server has read all that it was sent on connections before: it accepts
        them in their order, and reads of all of them in each turn of its loop."""
        assert self.get("/healthz").status == 200

    def rows(self, rows, path="/predict", **headers):
        return self("POST", path, json.dumps({"rows": rows}), content_type="application/json", **headers)


@contextmanager
def running(app, seconds=30.0, **settings):
    """A client of an ASGI application that runs in a thread until the end of the block."""
    listening = bound_socket("127.0.0.1", 0)
    ready = threading.Event()
    server = make_server(app, seconds, ready.set, **settings)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert ready.wait(PATIENCE), "the server did not start"
        yield Client(address_of(listening))
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def served(path, *, token=None, origins=(), **limits):
    """A client of a server of a model file."""
    limits = Limits(**limits)
    with running(create_app(path, limits=limits, token=token, origins=origins), limits.seconds) as client:
        yield client
