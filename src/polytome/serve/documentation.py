"""What OpenAPI says of each route: examples, and every answer that it can give."""

from __future__ import annotations

from typing import Any

PREDICT: dict[str, Any] = {}
EXPLAIN: dict[str, Any] = {}
MODEL: dict[str, Any] = {}
HEALTH: dict[str, Any] = {}
METRICS: dict[str, Any] = {}
__all__ = ["EXPLAIN", "HEALTH", "METRICS", "MODEL", "PREDICT"]
