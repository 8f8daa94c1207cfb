"""Memory planning: how many bytes beyond X a fit will need at its peak, how many there are, and
what to do about it.

A forecast adds up the arrays that are held at once, from the shape of the problem alone; each
solver states its own. It errs on the large side, mostly by a factor of two or less, and counts a
solver that may have to take over: a fit that begins can finish.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from polytome.curvature.hessian_factor import LARGEST_HESSIAN
from polytome.errors import DataError
from polytome.objective import Objective
from polytome.solvers import LBFGS, Choice, DualCoordinateAscent, Newton, Solver, named_solver
from polytome.solvers.choose import chooses
from polytome.solvers.size import BYTES_OF_NUMBER, Size

__all__ = ["available_memory", "forecast", "memory_left", "planned_solver"]

_NUMBERS_AT_START = 2**20  # numbers: threads, and the modules that are loaded when first needed
_BYTES_AT_START = 2**28  # of the interpreter and its libraries, where the system does not say it
_BYTES_ALWAYS_THERE = 2**26  # every machine has that much, and asking takes longer than a small fit


def planned_solver(
    solver: str | Solver, objective: Objective, random_state: Any = None, memory: int | None = None
) -> Choice:
    """The solver that a name stands for, if there is memory for it; where "auto" has the choice,
    one that fits.

    Args:
        solver: a name, or a solver.
        objective: what will be minimised.
        random_state: seed or RandomState for "sgd".
        memory: bytes that the process may take; None for what is free.

    Raises:
        ArgumentError: the name is not known.
        DataError: the fit would need more memory than there is.
    """
    choice = named_solver(solver, objective, random_state)
    needed = forecast(objective, choice.solver)
    available = memory_left(memory) if memory is not None or needed > _BYTES_ALWAYS_THERE else None
    if available is None or needed <= available:
        return choice
    others: list[Solver] = [LBFGS(), LBFGS(memory=3)]
    if isinstance(choice.solver, DualCoordinateAscent):
        others.insert(0, replace(choice.solver, then=None))
    frugal = next((other for other in others if forecast(objective, other) <= available), None)
    shortage = f"{type(choice.solver).__name__} would need {_gigabytes(needed)}, {_gigabytes(available)} are available"
    if frugal is not None and chooses(solver):
        return Choice(frugal, shortage)
    n_columns, n_outputs = objective.shape
    remedy = (
        f"use solver='auto' or {frugal}, which fits"
        if frugal is not None
        else "give fewer columns or classes, or a machine with more memory"
    )
    raise DataError(f"a fit of {n_columns - 1:,} columns and {n_outputs:,} outputs by {shortage}: {remedy}")


def forecast(objective: Objective, solver: Solver) -> int:
    """How many bytes beyond X a fit will need at its peak.

    Args:
        objective: what will be minimised.
        solver: how.

    Example:
        >>> import numpy as np
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> small, large = (Objective(Logistic(), L2(1.0), as_rows(np.ones((n, 100)), np.ones(n))) for n in (10, 10**4))
        >>> forecast(small, Newton()) < forecast(large, Newton())
        True
    """
    size = Size.of(objective)
    # In memory: classes, targets, weights, and what it takes to sort them. Rows that are read bring
    # their classes and weights; to draw some of them evenly takes an order of four bytes each.
    labels = 6 * size.rows if objective.rows.facts.is_resident else size.rows // 2
    has_hessian = objective.penalty.is_nothing and size.hessian <= LARGEST_HESSIAN**2
    certificate = Newton().numbers_held(size) if has_hessian else 0
    return int(
        BYTES_OF_NUMBER * (_NUMBERS_AT_START + labels + size.passes + max(solver.numbers_held(size), certificate))
    )


def available_memory() -> int | None:
    """Bytes that this process may still take, by the machine and by the limits set to it; None
    where this is not known.

    Example:
        >>> available_memory() is None or available_memory() > 0
        True
    """
    limits = [_free_memory(), *_control_groups(), _address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(min(known), 0) if known else None


def memory_left(memory: int | None = None) -> int | None:
    """Bytes that this process may still take if it may take so many in all; None for what is
    free."""
    available = available_memory()
    if memory is None:
        return available
    pages = _text("/proc/self/statm").split()
    held = int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else _BYTES_AT_START
    return max(min(memory - held, memory if available is None else available), 0)


def _free_memory() -> int | None:
    """What the machine can give without swapping."""
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, macOS
        return None


def _control_groups() -> list[int | None]:
    """What each control group around this process has left (Linux: containers, batch systems)."""
    available: list[int | None] = []
    for line in _text("/proc/self/cgroup").splitlines():
        _, kinds, group = line.split(":", 2)
        if kinds == "":
            root, names = Path("/sys/fs/cgroup"), ("memory.max", "memory.current")
        elif "memory" in kinds.split(","):
            root, names = Path("/sys/fs/cgroup/memory"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        inner = root / group.lstrip("/")
        for folder in (inner, *inner.parents):
            if not folder.is_relative_to(root):
                break
            limit, used = (_text(folder / name).strip() for name in names)
            if limit.isdecimal() and used.isdecimal():
                available.append(int(limit) - int(used) + _reclaimable(folder))
    return available


def _reclaimable(folder: Path) -> int:
    """Bytes of files that a control group holds in memory and would give up."""
    lines = [line.split() for line in _text(folder / "memory.stat").splitlines()]
    return next((int(line[1]) for line in lines if line[0] == "inactive_file"), 0)


def _address_space() -> int | None:
    """What `ulimit -v` leaves of the address space."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _text("/proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not used:
        return None
    return limit - int(used[0]) * resource.getpagesize()


def _text(path: str | Path) -> str:
    """A system file; empty where there is none."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _gigabytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:,.2g} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
