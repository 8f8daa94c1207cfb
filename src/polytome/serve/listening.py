"""Listening on a port: uvicorn with bounds on what comes before a request, and an end that lets requests finish."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import current_thread, main_thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from polytome.errors import ArgumentError
from polytome.serve.exchange import error_body

__all__ = ["address_of", "bound_socket", "listen", "make_server"]

_MOST_HEADER_BYTES = 64 << 10
_MOST_CONNECTIONS = 800  # systems let a process have 1024 files open, if nobody asks for more
_STOPPING = 20
_TOGETHER = 64 << 10
_IDLE = 30
_LINGER = 1.0


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 takes a free one.

    Raises:
        ArgumentError: the address is taken, or is none of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ArgumentError(f"host={host!r}: is no address ({error.strerror or error})") from error
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ArgumentError(
            f"cannot listen on {host}, port {port}: {reason}; choose another with --port (0 takes a free one)"
        ) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """The address for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(app: Any, listening: socket.socket, seconds: float, ready: Callable[[], None]) -> None:
    """Serve an application until Ctrl-C or SIGTERM; requests that were accepted are finished first.

    Args:
        app: an ASGI application.
        listening: the socket.
        seconds: for the head of a request to come in.
        ready: called when requests are accepted.
    """
    server = make_server(app, seconds, ready)
    # A thread with a large request lets go of the interpreter as often as this; a small one waits no longer for it.
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()  # what is here now stays: to look at it again and again would stop every request
    server.run([listening])


def make_server(
    app: Any, seconds: float, ready: Callable[[], None], most_connections: int = _MOST_CONNECTIONS
) -> uvicorn.Server:
    """The server of `listen`, for those who start and stop it themselves.

    Args:
        app: an ASGI application.
        seconds: for the head of a request to come in.
        ready: called when requests are accepted.
        most_connections: that are open at once; beyond them the one that has been idle longest is ended.
    """
    protocol: Any = partial(_Protocol, seconds=seconds, most_connections=most_connections)
    config = uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",  # uvloop is no quicker here, and accepts one client a turn: when it is busy, new ones wait
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_STOPPING,
        forwarded_allow_ips="127.0.0.1,::1",
    )
    return _Server(config, ready)


class _Server(uvicorn.Server):
    """Says when it is ready, and ends by itself after the signal that stops it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn would raise it again afterwards, and the exit status would be that of a failure."""
        if current_thread() is not main_thread():  # signals are for the main thread alone
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _OneWrite:
    """A transport that sends together what is written in one turn of the event loop.

    uvicorn writes the head of an answer and its body one after the other; as one packet they cost a fourth less.

    Args:
        transport: of the connection; all but writing is left to it.
        loop: the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _TOGETHER:  # a stream may write on and on without a turn of the loop
            self._flush()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on the time and the bytes that the head of a request may take."""

    def __init__(self, *args: Any, seconds: float, most_connections: int, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._seconds, self._most_connections = seconds, most_connections
        self._waiting: asyncio.TimerHandle | None = None
        self._head = 0
        self._deaf = False
        self._idle_since = 0.0

    def connection_made(self, transport: Any) -> None:
        joined: Any = _OneWrite(transport, self.loop)
        super().connection_made(joined)
        self._wait_for_head()
        if len(self.connections) > self._most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_head()
        self.scope["extensions"] = {"polytome.abort": {"call": self.transport.abort}}

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._waiting is not None:
            self._head += len(data)
        super().data_received(data)
        if self._waiting is not None and self._head > _MOST_HEADER_BYTES and not self._deaf:
            self._refuse(b"431 Request Header Fields Too Large", "the head of the request is too large")

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", "this is no request of HTTP")

    def timeout_keep_alive_handler(self) -> None:
        """Let an idle connection go, even one that never took its last answer."""
        self.transport.abort()

    def _make_room(self) -> None:
        """End the connection that has waited longest without a request: a system has few, and new clients need one."""
        others = [other for other in self.connections if isinstance(other, _Protocol) and other is not self]
        idle = [other for other in others if other.cycle is None or other.cycle.response_complete]
        if idle:
            min(idle, key=lambda other: other._idle_since).transport.abort()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._head = 0
        self._idle_since = self.loop.time()
        self._waiting = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, status: bytes, words: str) -> None:
        """Answer what is no request, and take nothing more; a request before it that is complete is still answered.

        The connection stays half open for a moment: closed at once, it would be reset while the client still sends,
        and the client might never see why.
        """
        self._deaf = True
        self._stop_waiting()
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = error_body(words)
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)
