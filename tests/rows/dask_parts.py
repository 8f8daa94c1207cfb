"""Parts that do to a worker what can happen to one: values that travel to it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polytome.errors import DataError


@dataclass(frozen=True)
class Made:
    """Rows that are made when they are read, in pieces of 100.

    Attributes:
        seconds: that a reading takes at the least.
        trap: a file that does not exist until the first reading, which ends its process.
        fault: what every reading does: "refuse", "memory" or "die".
    """

    seed: int
    n_rows: int
    seconds: float = 0.0
    trap: str = ""
    fault: str = ""

    def __str__(self) -> str:
        return f"part {self.seed}"

    def read(self) -> Iterator[Any]:
        time.sleep(self.seconds)
        if self.trap:
            try:
                Path(self.trap).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "refuse":
            raise DataError(f"{self}: the disk is gone")
        if self.fault == "memory":
            raise MemoryError
        if self.fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        X = np.random.default_rng(self.seed).normal(1, 3, (self.n_rows, 5))
        for start in range(0, self.n_rows, 100):
            yield X[start : start + 100]


def allow_failures(number: int, dask_scheduler: Any) -> None:
    """How many workers a task may lose."""
    dask_scheduler.allowed_failures = number


def pretend(module: str, version: str | None) -> str | None:
    """Let a module have another version in this process, or None: not be there; returns the one
    before."""
    found = sys.modules.get(module)
    if found is None:
        sys.modules[module] = _HIDDEN.pop(module)
        return None
    before = str(found.__version__)
    if version is None:
        _HIDDEN[module] = found
        sys.modules[module] = None  # type: ignore[assignment]  # Python's own mark of what cannot be imported
    else:
        found.__version__ = version  # type: ignore[attr-defined]
    return before


_HIDDEN: dict[str, Any] = {}
