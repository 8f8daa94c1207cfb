"""A real server on a free port of loopback, in a thread of the test, and plain requests to it."""

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
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=30)
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
        parts = urlsplit(self.address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    answer += piece
            return answer

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
        assert ready.wait(20), "the server did not start"
        yield Client(address_of(listening))
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def served(path, *, token=None, origins=(), **limits):
    """A client of a server of a model file."""
    limits = Limits(**limits)
    with running(create_app(path, limits=limits, token=token, origins=origins), limits.seconds) as client:
        yield client
