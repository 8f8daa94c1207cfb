"""Listening on a port: uvicorn with limits on scarce system resources, and an end that lets
requests finish."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import logging
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Timer, current_thread, main_thread
from typing import Any

import uvicorn

from polytome.errors import ArgumentError
from polytome.serve.connections import Connection
from polytome.serve.exchange import log_fault

__all__ = ["address_of", "bound_socket", "listen", "make_server"]

_log = logging.getLogger("polytome.serve")
_MOST_CONNECTIONS = 800
_FEWEST = 8
_AT_ONCE = 32  # connections that are accepted before the event loop does anything else
_OTHER_FILES = 32 + _AT_ONCE
_WAITING = 2048  # connections that the system may queue until they are accepted
_STOPPING = 20
_FINISHING = 17  # of these seconds, for requests; the rest is for what must be ended
_TAKING_IN = 1.0
_A_MOMENT = 0.05
_TURNS = 8  # of the event loop, after which a socket that was accepted is a connection whose request is read
_ATTACH_FILTER = 26  # of Linux's socket options
_NO_NEW_ONES = (  # a program for its packet filter: (code, where to go on if true, if false, operand)
    (0x30, 0, 0, 13),  # load the byte of flags of the TCP header
    (0x45, 0, 1, 2),  # is this a SYN, the first packet of a connection?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep all others
)
_IDLE = 30
_COMPLAINT_EVERY = 10.0
_SHED_EVERY = 0.5
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 chooses a free one.

    Raises:
        ArgumentError: the address is in use, or does not belong to this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ArgumentError(f"host={host!r}: is not an address ({error.strerror or error})") from error
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ArgumentError(
            f"cannot listen on {host}, port {port}: {reason}; choose another with --port (0 chooses a free one)"
        ) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """The address for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(app: Any, listening: socket.socket, seconds: float, ready: Callable[[], None]) -> None:
    """Serve an application until Ctrl-C or SIGTERM; requests that were accepted are finished first.

    This is the last thing that a process does: 20 seconds after the signal it has ended, with
    status 0, even if a thread is still working.

    Args:
        app: an ASGI application.
        listening: the socket.
        seconds: for the head of a request to come in.
        ready: called when requests are accepted.
    """
    server = make_server(app, seconds, ready, _room())
    # How often a thread with a large request yields the interpreter; a small request waits no
    # longer than this.
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()  # objects that exist now stay: collecting them repeatedly would pause every request
    server.run([listening])


def make_server(
    app: Any, seconds: float, ready: Callable[[], None], most_connections: int = _MOST_CONNECTIONS
) -> uvicorn.Server:
    """The server of `listen`, for those who start and stop it themselves.

    Args:
        app: an ASGI application.
        seconds: for the head of a request to come in.
        ready: called when requests are accepted.
        most_connections: that are open at once; beyond them one that waits for its client ends, or
            else the new one.
    """
    protocol: Any = partial(Connection, seconds=seconds, most_connections=most_connections)
    config = uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",  # uvloop is no faster here, and accepts one client per turn: when it is busy, new ones wait
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a long list of proxies would be parsed before the client is known, and nothing uses it
        backlog=_AT_ONCE,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_FINISHING,
    )
    return _Server(config, ready)


class _Server(uvicorn.Server):
    """Says when it is ready, and ends by itself after the signal that stops it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(_Complaints(self._shed))
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_WAITING)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the connections that are waiting, which closing the socket would reset, then
        end."""
        with selectors.DefaultSelector() as waiting:
            for listening in sockets or ():
                _end_handshakes(listening)
                waiting.register(listening, selectors.EVENT_READ)
            await asyncio.sleep(_A_MOMENT)
            loop = asyncio.get_running_loop()
            end, turns = loop.time() + _TAKING_IN, 0
            # Each turn accepts one at least. Seconds alone might be over before the first turn, as
            # a process may have to wait for a processor.
            while sockets and waiting.select(0) and (turns < _WAITING or loop.time() < end):
                await asyncio.sleep(0)
                turns += 1
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn would raise it again afterwards, and the exit status would be
        that of a failure."""
        if current_thread() is not main_thread():  # signals are for the main thread alone
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        """Stop, and end in time: a thread that cannot be stopped would be waited for forever."""
        if not self.should_exit:
            guard = Timer(_STOPPING, _leave)
            guard.daemon = True
            guard.start()
        self.handle_exit(number, frame)

    def _shed(self) -> None:
        """End half of the idle connections when the system has no room for new ones."""
        found = [connection for connection in self.server_state.connections if isinstance(connection, Connection)]
        idle = sorted((one for one in found if one.is_idle), key=lambda one: one.waits_since)
        for connection in idle[: (len(idle) + 1) // 2]:
            connection.transport.abort()


class _Complaints:
    """Report errors of an event loop in one line now and then: they may occur thousands of times a
    second.

    Args:
        shed: called when the system has run out of something that connections take.
    """

    def __init__(self, shed: Callable[[], None]) -> None:
        self._shed = shed
        self._shed_at = self._said_at = -_COMPLAINT_EVERY
        self._left_out = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, now = context.get("exception"), loop.time()
        lacking = error.errno if isinstance(error, OSError) and error.errno in _OUT_OF else None
        if lacking is not None and now - self._shed_at > _SHED_EVERY:
            self._shed_at = now
            self._shed()
        if now - self._said_at < _COMPLAINT_EVERY:
            self._left_out += 1
            return
        again = f" ({self._left_out:,} more such lines were left out)" if self._left_out else ""
        self._said_at, self._left_out = now, 0
        if lacking is not None:
            _log.error("%s", f"new connections wait: {os.strerror(lacking)}; raise the limit of the process{again}")
        elif isinstance(error, Exception):
            log_fault(error)
        else:
            _log.error("%s", f"{context.get('message')}{again}")


def _end_handshakes(listening: socket.socket) -> None:
    """Let no new connection begin, if the system supports that; those that have begun are still
    accepted.

    A socket that still listens when it is closed resets clients that connect between its last
    accept and its end. A client that is not answered now tries again within a second, and is then
    refused properly.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_NEW_ONES)
    buffer = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):  # the system may not permit it
        listening.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_NO_NEW_ONES), ctypes.addressof(buffer))
        )


def _room() -> int:
    """How many connections a process may have, with files left for everything else."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return _MOST_CONNECTIONS
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(_FEWEST, min(_MOST_CONNECTIONS, files - _OTHER_FILES))


def _leave() -> None:
    """End the process without waiting for its threads."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
