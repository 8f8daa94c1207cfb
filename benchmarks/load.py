"""A load of HTTP requests: connections that are kept open, each sending its next request when it
has its answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Load:
    """What was answered.

    Attributes:
        seconds: that the load lasted.
        latencies: seconds from each request to the end of its answer.
        errors: answers with another status than 200, and connections that broke.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def summary(self) -> dict[str, Any]:
        """Requests a second, and the latencies below which half and 99 of 100 requests were
        answered."""
        half, most = np.percentile(self.latencies, [50, 99]) if self.latencies else (np.nan, np.nan)
        return {
            "requests": len(self.latencies),
            "per_second": len(self.latencies) / self.seconds,
            "p50": float(half),
            "p99": float(most),
            "errors": self.errors,
        }


def request_bytes(address: str, path: str, body: bytes, kind: str = "application/json") -> bytes:
    """One POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def put_under_load(address: str, request: bytes, connections: int, seconds: float) -> Load:
    """Send the same request over and over.

    Args:
        address: of the server, `http://127.0.0.1:8000`.
        request: the bytes to send.
        connections: how many send at the same time.
        seconds: for how long.
    """
    return asyncio.run(_load(address, request, connections, seconds))


async def _load(address: str, request: bytes, connections: int, seconds: float) -> Load:
    load = Load()
    parts = urlsplit(address)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    senders = [_Sender(load, request, began + seconds, loop.create_future()) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, parts.hostname, parts.port)
    await asyncio.gather(*(sender.done for sender in senders))
    load.seconds = time.perf_counter() - began
    return load


class _Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load, request: bytes, until: float, done: asyncio.Future[None]) -> None:
        self.load, self.request, self.until, self.done = load, request, until, done
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.lower().index(b"content-length: ") + 16
        if len(body) < int(head[start:].split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        if head.startswith(b"HTTP/1.1 200"):
            self.load.latencies.append(now - self.sent)
        else:
            self.load.errors += 1
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.until:
            self.load.errors += 1
        self.done.set_result(None)

    def _send(self) -> None:
        self.received = b""
        self.sent = time.perf_counter()
        self.transport.write(self.request)
