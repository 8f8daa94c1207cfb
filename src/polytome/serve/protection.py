"""What protects an application from a network: limits, access, rules for browsers, and one form of
error.

`protect` puts a FastAPI application behind `Protection`, plain ASGI, so that nothing reaches a
route unchecked:

* nothing is parsed before it is known to be small, and before the token is known nothing that the
  standard library would parse: headers and the target of a request are examined as bytes, in one
  pass;
* a body is read whole before the application is called, and only up to a number of bytes and
  seconds;
* an answer begins within the same number of seconds, and a client that does not take it is dropped;
* without a token only names of this machine may be asked for (`Host`), so that a foreign page
  cannot reach a server on loopback by pointing its own name at 127.0.0.1 (DNS rebinding); a page of
  another origin is refused unless allowed;
* with a token every path except those in `open_paths` requires it: `Authorization: Bearer TOKEN`,
  or for a browser the cookie that the sign-in page sets;
* every failure is answered with `{"error": "plain words"}`, and an unexpected one never shows its
  traceback;
* one line is logged for each request: method, path, status, milliseconds, rows, and nothing of the
  data.

Reference:
    Fielding, Nottingham and Reschke, "HTTP Semantics", RFC 9110 (2022), section 15; Jones and
    Hardt, "Bearer Token Usage", RFC 6750 (2012).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polytome.errors import ArgumentError, PolytomeError
from polytome.serve.exchange import (
    Answer,
    Exchange,
    Gone,
    Message,
    Receive,
    Refusal,
    Scope,
    Send,
    error_body,
    log_fault,
)
from polytome.serve.sign_in import SignIn
from polytome.serve.wording import words_for_client

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Protection", "check_token", "is_loopback", "protect"]

_log = logging.getLogger("polytome.serve")
_BODIES_HELD = 8
_SMALL_BODY = 64 << 10
"""Bytes of a body that is always taken: large ones that wait must not keep small ones out."""
_MOST_TARGET = 8 << 10
"""The most bytes of path and query: enough for a form, and few enough to parse at once."""
_MOST_FORM = 16 << 10
"""The most bytes of the sign-in form; its sender is not known yet."""
_ONCE = (b"host", b"origin", b"authorization", b"content-type", b"content-length", b"content-encoding")
"""Headers that may occur only once: with two it would be unclear which one counts."""
_MOST_WORDS = 200
_DOCUMENT = "/openapi.json"
_CLOSED_BY_CLIENT = 499


def protect(
    app: FastAPI,
    *,
    token: str | None,
    most_bytes: int,
    seconds: float,
    origins: Sequence[str] | None = None,
    open_paths: Sequence[str] = ("/healthz",),
    finished: Callable[[Exchange], None] | None = None,
) -> Protection:
    """Put an application behind its protection, and give all of its errors one form.

    A route that fails raises `Refusal(status, words)`; a `PolytomeError` becomes status 422 with
    its message.

    Args:
        app: the application; handlers of its errors are added to it.
        token: what a client must know; None for none, which only a server on loopback may do.
        most_bytes: of a body; all bodies in memory at once may hold eight times as many.
        seconds: for a body to come in, for an answer to begin, and for each piece of it to be
            taken.
        origins: pages of other origins that may ask, as `https://example.org`; None where the
            server's command has no option for them, which messages then do not name.
        open_paths: paths that need no token.
        finished: called after each exchange.

    Returns:
        The ASGI application to serve.

    Raises:
        ArgumentError: an origin is not valid, or the token holds characters that a header cannot.
    """
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

    def handler(refusal_of: Callable[[Any, Any], Refusal]) -> Callable[[Any, Any], Awaitable[Response]]:
        async def handle(request: Any, error: Any) -> Response:
            refusal = refusal_of(request, error)
            response = Response(error_body(refusal.words), refusal.status, media_type="application/json")
            response.raw_headers.extend(refusal.headers)
            return response

        return handle

    app.add_exception_handler(Refusal, handler(lambda _, error: error))
    app.add_exception_handler(PolytomeError, handler(lambda _, error: Refusal(422, words_for_client(str(error)))))
    app.add_exception_handler(HTTPException, handler(_from_framework))
    app.add_exception_handler(RequestValidationError, handler(_from_validation))
    # Starlette raises an unexpected error again once this answer is sent, and Protection logs it.
    app.add_exception_handler(Exception, handler(lambda _, error: _fault()))
    return Protection(app, token, most_bytes, seconds, origins, open_paths, finished)


class Protection:
    """An ASGI application that passes permitted requests on to another; see `protect`."""

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        token: str | None,
        most_bytes: int,
        seconds: float,
        origins: Sequence[str] | None = None,
        open_paths: Sequence[str] = (),
        finished: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._app = app
        self._most_bytes, self._seconds = most_bytes, seconds
        self._sign_in = None if token is None else SignIn(token)
        self._takes_origins = origins is not None
        self._origins = {_checked_origin(origin) for origin in origins or ()}
        self._hosts = {urlsplit(origin).hostname for origin in self._origins}
        self._open_paths = frozenset(open_paths)
        self._finished = finished
        self._held = 0  # bytes of all bodies that are in memory now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the start and the stop of the server pass untouched, WebSockets not
        at all."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope["polytome"] = Exchange(scope["method"], scope["path"])
        answer = Answer(scope, send, self._seconds, self._origins)
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._held -= answer.held
            exchange.seconds = time.perf_counter() - exchange.began
            _log_line(exchange)
            if self._finished is not None:
                self._finished(exchange)

    async def _answer(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Check, read the body, hand over; whatever goes wrong becomes an error answer."""
        try:
            headers = _checked_head(scope)
            self._check_caller(headers)
            if answer.allowed_origin and scope["method"] == "OPTIONS":
                await answer.preflight()
                return
            if await self._signing_in(scope, headers, receive, answer):
                return
            body = await self._read(headers, receive, answer)
            async with asyncio.timeout(self._seconds) as answer.limit:
                await self._app(scope, _replay(body, receive), answer.send)
        except Refusal as refusal:
            await answer.refuse(refusal, receive)
        except Gone:
            answer.exchange.status = _CLOSED_BY_CLIENT
        except asyncio.CancelledError:  # cancelled by the stopping server: all that is left is to answer
            words = "the server is stopping before the answer is ready; send the request again later"
            await answer.refuse(Refusal(503, words, [("Retry-After", "5")]), receive)
        except TimeoutError:
            if answer.started:
                answer.hang_up()
            words = f"the answer took longer than {self._seconds:g} seconds; send less at once, or try again later"
            await answer.refuse(Refusal(503, words, [("Retry-After", "5")]), receive)
        except Exception as error:
            log_fault(error)
            await answer.refuse(_fault(), receive)

    def _check_caller(self, headers: dict[bytes, bytes]) -> None:
        """Refuse names that are not this machine's, and pages of other origins."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self._sign_in is None and b"host" in headers:
            name = _split(f"//{host}")[1]
            if not (is_loopback(name) or name in self._hosts):
                proxy = "behind a proxy start it with --origin https://THAT.NAME, or with --token"
                raise Refusal(
                    403,
                    f"this server answers to the names of its own machine only, not to {host[:100]!r}; "
                    f"{proxy if self._takes_origins else 'start it with --token'}",
                )
        if b"origin" not in headers:
            return
        origin = headers[b"origin"].decode("latin-1")
        if origin not in self._origins and _split(origin)[0] != host.lower():
            remedy = "start it with --origin to allow them" if self._takes_origins else "use the page of its own"
            raise Refusal(403, f"pages of {origin[:100]!r} may not ask this server; {remedy}")

    async def _signing_in(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, answer: Answer) -> bool:
        """Answer those who must sign in, or are doing so; true when the request is answered with
        that."""
        if self._sign_in is None or scope["path"] in self._open_paths:
            return False
        if scope["path"] == "/login" and scope["method"] == "POST":
            form = await self._read(headers, receive, answer, min(_MOST_FORM, self._most_bytes))
            said = headers.get(b"x-forwarded-proto", b"").lower()  # of a proxy; a client that lies harms only itself
            page = self._sign_in.attempt(form, b"https" in (said, scope.get("scheme", "").encode()))
        elif self._sign_in.is_known(headers):
            if scope["path"] != "/login":
                return False
            page = self._sign_in.welcome("/")
        elif scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b""):
            query = scope["query_string"].decode("latin-1")
            page = self._sign_in.page(scope["path"] + ("?" + query if query else ""))
        else:
            raise Refusal(
                401,
                "this server asks for a token: send the header 'Authorization: Bearer TOKEN' with the token that it "
                "was started with",
                [("WWW-Authenticate", "Bearer")],
            )
        await answer.whole(page.status, page.headers, page.body)
        return True

    async def _read(
        self, headers: dict[bytes, bytes], receive: Receive, answer: Answer, most_bytes: int | None = None
    ) -> bytes:
        """The whole body; neither its stated size nor its pace is trusted."""
        most_bytes = most_bytes or self._most_bytes
        too_large = Refusal(413, f"the body is larger than {most_bytes:,} bytes; send less at once")
        if _stated_length(headers) > most_bytes:
            raise too_large
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding not in ("", "identity"):
            raise Refusal(
                415,
                f"the body is compressed (Content-Encoding: {encoding[:100]}); send it as it is",
                [("Accept-Encoding", "identity")],
            )
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    piece = message.get("body", b"")
                    pieces.append(piece)
                    answer.held += len(piece)
                    self._held += len(piece)
                    if answer.held > most_bytes:
                        raise too_large
                    if answer.held > _SMALL_BODY and self._held > _BODIES_HELD * self._most_bytes:
                        raise Refusal(503, "the server is busy with large requests; try again", [("Retry-After", "1")])
                    more = message.get("more_body", False)
        except TimeoutError:
            words = f"the body did not arrive within {self._seconds:g} seconds; send it faster, or less of it"
            raise Refusal(408, words) from None
        answer.body_is_read = True
        return b"".join(pieces)


def is_loopback(host: str) -> bool:
    """Whether a name or an address can be reached from this machine alone.

    Example:
        >>> is_loopback("localhost"), is_loopback("127.0.0.7"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    if host.lower() in ("localhost", "127.0.0.1", "::1"):  # the usual names, without parsing an address
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Refuse an address that other machines can reach if there is no token.

    Args:
        host: the name or address to listen at.
        token: what clients must know; None or empty for none.

    Raises:
        ArgumentError: there is no token, and other machines can reach the host; the message offers
            a new token.

    Example:
        >>> check_token("127.0.0.1", None)
    """
    if not is_loopback(host) and not token:
        raise ArgumentError(
            f"host={host!r}: other machines can reach this address, so it needs --token (or POLYTOME_TOKEN), such as "
            f"{secrets.token_urlsafe(24)}"
        )


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, and afterwards what the client does."""
    waiting = True

    async def replay() -> Message:
        nonlocal waiting
        if waiting:
            waiting = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _checked_head(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name, once everything that is wrong for any application has been refused."""
    if len(scope["path"]) + len(scope["query_string"]) > _MOST_TARGET:
        raise Refusal(414, f"path and query are longer than {_MOST_TARGET:,} bytes; send what is long in the body")
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in _ONCE:
            raise Refusal(400, f"the header {name.decode('latin-1')} comes twice; send it once")
        headers[name] = value
    if b"host" not in headers and scope.get("http_version") == "1.1":
        raise Refusal(400, "the header host is missing; HTTP/1.1 requires it")
    return headers


def _stated_length(headers: dict[bytes, bytes]) -> int:
    """What a request says of its body; 0 where it says nothing."""
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit():
        raise Refusal(400, "the header content-length is not a number; send the number of bytes")
    return int(stated) if len(stated) < 20 else 10**20


def _fault() -> Refusal:
    return Refusal(500, "the server failed to handle this request; its log says where")


def _from_framework(request: Any, error: Any) -> Refusal:
    """What a route that is not there, or not for this method, says."""
    headers = list((error.headers or {}).items())
    path, method = request.scope["path"][:100], request.method
    if error.status_code == 404 and error.detail == "Not Found":
        return Refusal(404, f"there is no {path!r} here{_document_of(request, 'lists what there is')}", headers)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return Refusal(405, f"{path!r} does not take {method}; use {allowed}", headers)
    return Refusal(error.status_code, str(error.detail)[:_MOST_WORDS], headers)


def _from_validation(request: Any, error: Any) -> Refusal:
    """The first thing that FastAPI found wrong with a request."""
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])[:_MOST_WORDS]
    return Refusal(422, f"{place}: {first['msg']}{_document_of(request, 'says what is expected')}")


def _document_of(request: Any, words: str) -> str:
    """Where an application says what it takes, if it does."""
    has_one = any(getattr(route, "path", "") == _DOCUMENT for route in request.app.routes)
    return f"; {_DOCUMENT} {words}" if has_one else ""


def _log_line(exchange: Exchange) -> None:
    rows = "" if exchange.rows is None else f" {exchange.rows} rows"
    path = exchange.path[:200].encode("unicode_escape").decode("ascii")  # cannot forge a line or control a terminal
    _log.info("%s %s %d %.1f ms%s", exchange.method, path, exchange.status, 1e3 * exchange.seconds, rows)


def _split(address: str) -> tuple[str, str]:
    """Host with port, and host alone, in lower case; empty where there is none."""
    try:
        parts = urlsplit(address)
        return parts.netloc.lower(), parts.hostname or ""
    except ValueError:
        return "", ""


def _checked_origin(origin: str) -> str:
    """An origin as a browser sends it: scheme, host, and the port unless it is the scheme's own."""
    given = origin.rstrip("/").lower()
    scheme, _, rest = given.partition("://")
    host, name = _split(given)
    if scheme not in ("http", "https") or not name or host != rest or "@" in rest:
        raise ArgumentError(f"origin={origin!r}: needs a scheme and a host, such as https://example.org")
    return given
