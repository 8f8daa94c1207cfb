"""One request and its answer on their way through the server: the record of both, errors, and
security headers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
"""What ASGI says of a request."""
Message = MutableMapping[str, Any]
"""A piece of a request or of its answer."""
Receive = Callable[[], Awaitable[Message]]
"""Waits for the next piece of a request."""
Send = Callable[[Message], Awaitable[None]]
"""Sends the next piece of an answer."""
Headers = list[tuple[bytes, bytes]]
"""Names and values."""

__all__ = [
    "Answer",
    "Exchange",
    "Gone",
    "Headers",
    "Message",
    "Receive",
    "Refusal",
    "Scope",
    "Send",
    "error_body",
    "log_fault",
]

_log = logging.getLogger("polytome.serve")

SECURITY_HEADERS: Headers = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # "no-referrer" would also remove the Origin from this server's own forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
"""What every answer tells a browser, unless the application says otherwise."""
_LINGER = 2.0


class Refusal(Exception):  # noqa: N818  (it is an answer, not a fault)
    """A request that is answered with an error; a route may also raise it.

    Args:
        status: of HTTP, 400 or more.
        words: what is wrong and what to do, for the client.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, words: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(words)
        self.status, self.words = status, words
        self.headers: Headers = [(name.lower().encode(), value.encode()) for name, value in headers]


class Gone(Exception):  # noqa: N818  (reported to nobody)
    """The client disconnected before its request was complete."""


@dataclass
class Exchange:
    """One request and what became of it, for logs and metrics; `scope["polytome"]` while it
    runs."""

    method: str
    path: str
    rows: int | None = None
    """How many rows it was about; set by the route."""
    route: str = "other"
    """The path of the route that answered; set by the route, so that metrics do not grow with what
    clients invent."""
    status: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)


class Answer:
    """The way back to a client: adds headers, notes the status, and drops a client that does not
    read.

    Args:
        scope: the request.
        send: the server's.
        seconds: for each piece of the answer to be taken.
        origins: pages of other origins that may read it.
    """

    def __init__(self, scope: Scope, send: Send, seconds: float, origins: set[str]) -> None:
        self._scope, self._send, self._seconds = scope, send, seconds
        self._varies = bool(origins)
        self.exchange: Exchange = scope["polytome"]
        self.started = False
        self.body_is_read = False
        self.held = 0
        self.limit: asyncio.Timeout | None = None
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"") if origins else b""
        self.allowed_origin = origin if origin.decode("latin-1") in origins else b""

    async def send(self, message: Message) -> None:
        """Pass on one message of the application."""
        if message["type"] == "http.response.start":
            self.started = True
            self.exchange.status = message["status"]
            message["headers"] = self._with_security(message.get("headers", ()))
            await self._send(message)
        elif self.limit is None or not message.get("more_body", False):
            await self._send(message)
        else:  # a stream may pause between its pieces for any time; each piece must be taken in time
            self.limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
            await self._send(message)
            self.limit.reschedule(None)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        length = (b"content-length", b"%d" % len(body))
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await self.send({"type": "http.response.body", "body": body})

    async def preflight(self) -> None:
        """Tell a browser what a page of an allowed origin may send."""
        allowed = [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"authorization, content-type, accept"),
            (b"access-control-max-age", b"600"),
        ]
        start = {"type": "http.response.start", "status": 204, "headers": allowed}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refusal, receive: Receive) -> None:
        """Send an error, if nothing was sent yet, and end a connection of which the body was not
        read to its end.

        A connection that is closed while the client is still sending is reset, and the client may
        never see why. So the rest is read, and discarded, for a moment.
        """
        if self.started:
            return
        self.limit = None
        body = error_body(refusal.words)
        headers = [
            *refusal.headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        sends_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in self._scope["headers"])
        closing = sends_body and not self.body_is_read
        if closing:
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if closing:
            try:
                async with asyncio.timeout(_LINGER):
                    while (await receive()).get("more_body", False):
                        pass
            except TimeoutError:
                pass
        await self._send({"type": "http.response.body", "body": b""})

    def hang_up(self) -> None:
        """End the connection at once: a client that does not take its answer cannot be told
        anything more."""
        abort = self._scope.get("extensions", {}).get("polytome.abort")
        if abort is not None:  # an extension is a dict by the rules of ASGI
            abort["call"]()

    def _with_security(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The headers of the application, and those that it has not set itself."""
        found = list(headers)
        names = {name.lower() for name, _ in found}
        found += [header for header in SECURITY_HEADERS if header[0] not in names]
        if b"cache-control" not in names:
            found.append((b"cache-control", b"no-store"))
        if self._varies:
            found.append((b"vary", b"Origin"))
        if self.allowed_origin:
            found.append((b"access-control-allow-origin", self.allowed_origin))
        return found


def error_body(words: str) -> bytes:
    """The one shape of an error.

    Example:
        >>> error_body("the body is not JSON")
        b'{"error": "the body is not JSON"}'
    """
    return json.dumps({"error": words}, ensure_ascii=False).encode("utf-8", "backslashreplace")


def log_fault(error: Exception) -> None:
    """Say where an unexpected error came from; its message may contain a client's data and is left
    out."""
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s in:\n%s", type(error).__name__, place.rstrip())
