"""What a server counts, in the text format that Prometheus collects.

Reference:
    The Prometheus exposition format, https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from functools import cache

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from polytome.serve.exchange import Exchange

__all__ = ["Counts"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counts:
    """Requests, their durations, rows, and reloads of the model."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        requests = Counter(
            "polytome_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        seconds = Histogram(
            "polytome_request_seconds",
            "Time from the start of a request to the last byte of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._rows = Counter("polytome_rows", "Rows predicted or explained.", registry=self._registry)
        self._reloads = Counter(
            "polytome_model_reloads", "Changes of the model file.", ("outcome",), registry=self._registry
        )
        for outcome in ("done", "refused"):
            self._reloads.labels(outcome)
        # Finding a label's counter takes longer than counting: methods, routes and statuses are few
        # and are kept.
        self._requests_of = cache(lambda method, route, status: requests.labels(method, route, str(status)))
        self._seconds_of = cache(seconds.labels)

    def exchange(self, exchange: Exchange) -> None:
        """Count one exchange."""
        method = exchange.method if exchange.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._requests_of(method, exchange.route, exchange.status).inc()
        self._seconds_of(exchange.route).observe(exchange.seconds)
        if exchange.rows is not None and exchange.status < 400:
            self._rows.inc(exchange.rows)

    def reload(self, outcome: str) -> None:
        """Count one change of the model file: "done" or "refused"."""
        self._reloads.labels(outcome).inc()

    content_type = CONTENT_TYPE_LATEST
    """Media type of `text`."""

    def text(self) -> bytes:
        """All counts, as Prometheus reads them."""
        return generate_latest(self._registry)
