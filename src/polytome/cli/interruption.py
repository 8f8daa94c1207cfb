"""Ctrl-C during a fit: once to stop at the next iterate, twice to stop at once."""

from __future__ import annotations

import signal
import sys
from types import TracebackType
from typing import Any, Self

__all__ = ["Interruption"]


class Interruption:
    """While it is entered, the first Ctrl-C only sets `requested`; the second raises
    KeyboardInterrupt.

    Example:
        >>> with Interruption() as interruption:
        ...     interruption.requested
        False
    """

    requested = False

    def __enter__(self) -> Self:
        self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *_: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nStopping at the next iterate; Ctrl-C again stops at once.", file=sys.stderr)
