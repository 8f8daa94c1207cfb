"""Connections: uvicorn's protocol with limits on everything a client can send before it is
examined.

Reference:
    Fielding, Nottingham and Reschke, "HTTP/1.1", RFC 9112 (2022), sections 3.2 and 9; the size of a
    head is counted as in Thomson and Benfield, "HTTP/2", RFC 9113 (2022), section 6.5.2.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from polytome.serve.exchange import error_body

__all__ = ["Connection"]

_MOST_HEAD = 64 << 10
_HEADER_COST = 32  # each header counts this many bytes more: thousands of empty headers take time too
_MOST_PIPELINED = 16
_TOGETHER = 64 << 10
_LINGER = 1.0
_BAD = b"400 Bad Request", "this is not an HTTP request"
_LARGE = b"431 Request Header Fields Too Large", "the head of the request is too large"
_FULL = b"503 Service Unavailable", "the server has as many connections as it can hold; try again later"


class _OneWrite:
    """A transport that sends together what is written in one turn of the event loop.

    uvicorn writes the head of an answer and its body one after the other; as one packet they cost a
    fourth less.

    Args:
        transport: of the connection; everything except writing is left to it.
        loop: the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._ended:  # an abandoned request may still ask its client to continue
            return
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _TOGETHER:  # a stream may write on and on without a turn of the loop
            self._flush()

    def write_eof(self) -> None:
        self._ended = True
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._flush()
        self._transport.abort()

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))


class _TooLarge(Exception):  # noqa: N818  (the parser passes it on; the client gets a message)
    """A head, or the number of requests that wait for their answers, is beyond its limit."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on the time and the bytes that the head of a request may
    take.

    Args:
        args: as for the protocol of uvicorn.
        seconds: for a head to come in.
        most_connections: that are open at once; beyond them the one that has waited longest for a
            request is ended, or for the rest of one, or else the new one.
        settings: as for the protocol of uvicorn.
    """

    def __init__(self, *args: Any, seconds: float, most_connections: int, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._seconds, self._most_connections = seconds, most_connections
        self._waiting: asyncio.TimerHandle | None = None
        self._before: RequestResponseCycle | None = None  # the request before the newest one
        self._quiet = 0  # bytes received since a request last came nearer to its end
        self._head = 0
        self._in_head = self._progress = self._deaf = self._stopping = False
        self._refusal = _BAD
        self.waits_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress: each complete one has its answer."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        """Wait for a head; where there are too many connections, one of them ends."""
        joined: Any = _OneWrite(transport, self.loop)
        super().connection_made(joined)
        self._wait_for_head()
        if len(self.connections) > self._most_connections and not self._make_room():
            self._deaf = True
            self._stop_waiting()
            self._say(*_FULL)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count a new head."""
        super().on_message_begin()
        self._wait_for_head()
        self._head, self._in_head = 0, True
        self.scope["extensions"] = {"polytome.abort": {"call": self.transport.abort}}

    def on_url(self, url: bytes) -> None:
        """Count the target of the request as part of the head."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; one that comes after the body is counted and otherwise ignored, since it
        was not checked."""
        self._count(len(name) + len(value) + _HEADER_COST)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Accept a request; while the server stops, the newest one ends the connection."""
        self._stop_waiting()
        self._in_head = False
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise _TooLarge
        self._before = self.cycle
        super().on_headers_complete()
        if self._stopping:
            if self.pipeline and self._before is not None:
                self._before.keep_alive = True
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Note that a request comes nearer to its end."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        self._progress = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, as long as they lead somewhere."""
        if self._deaf:
            return
        self._progress = False
        super().data_received(data)
        self._quiet = 0 if self._progress else self._quiet + len(data)
        if self._quiet > _MOST_HEAD and not self._deaf:
            self._refuse(*_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks whether the other direction stays open
        """Answer a client that has sent everything; if something is missing, end the connection."""
        if self.is_idle or self.cycle.more_body or self.cycle.response_started:
            self.transport.close()  # asyncio would close its own transport, and the last answer may not be there yet
            return False
        self.cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser rejected."""
        self._refuse(*self._refusal)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even one that never took its last answer."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Begin to close; a request that is arriving on an idle connection gets a moment to
        arrive."""
        self._stopping = True
        if self.is_idle:
            self.loop.call_later(_LINGER, self._end_if_idle)
        else:
            self.cycle.keep_alive = False

    def _end_if_idle(self) -> None:
        if self.is_idle and not self._quiet:
            self.transport.close()

    def _count(self, size: int) -> None:
        """Count bytes of a head, and let the parser stop where there are too many."""
        self._head += size
        if self._head > _MOST_HEAD:
            self._refusal = _LARGE
            raise _TooLarge

    def _make_room(self) -> bool:
        """Close the connection that has waited longest: a system has few, and new clients need one.

        It waits for a request, or where none of those is left for the rest of one.
        """
        others = [other for other in self.connections if isinstance(other, Connection) and other is not self]
        open_ones = [other for other in others if not other.transport.is_closing()]
        idle = [other for other in open_ones if other.is_idle]
        waiting = idle or [other for other in open_ones if other.cycle.more_body]
        if waiting:
            min(waiting, key=lambda other: other.waits_since).transport.abort()
        return bool(waiting)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self.waits_since = self.loop.time()
        self._waiting = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, status: bytes, words: str) -> None:
        """Answer something other than a request, and read no more; complete requests before it are
        still answered.

        The connection stays half open for a moment: closed at once, it would be reset while the
        client still sends, and the client might never see why.
        """
        self._deaf = True
        self._stop_waiting()
        if self.pipeline and self.cycle.more_body and self._before is not None:  # answers keep the order of requests
            self.pipeline.popleft()
            self.cycle = self._before
        if not self.is_idle:
            if not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._say(status, words)
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def _say(self, status: bytes, words: str) -> None:
        """Write an answer to no request."""
        body = error_body(words)
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)
