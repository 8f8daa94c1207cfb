"""Memory is planned: how many bytes beyond X a fit will need at its peak, how many there are, and what to do about it.

A forecast adds up the arrays that a solver holds at once, from the shape of the problem alone. It errs on the large
side, mostly by a factor of two or less, and counts a solver that may have to take over: a fit that is begun can be
finished.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytome import native
from polytome.curvature.hessian_factor import LARGEST_HESSIAN
from polytome.curvature.pairs import ROWS_AT_ONCE
from polytome.curvature.preconditioner import MOST_GRAM_COLUMNS, MOST_GROUPS, gram_sample
from polytome.errors import DataError
from polytome.objective import Objective
from polytome.solvers import (
    LBFGS,
    Choice,
    DistinctRows,
    DualCoordinateAscent,
    Newton,
    RowSpace,
    Solver,
    TemperedNewton,
    named_solver,
)
from polytome.solvers.choose import chooses

__all__ = ["available_memory", "forecast", "planned_solver"]

_NUMBER = 8  # bytes of a float64
_BEGIN = 2**20  # numbers: threads, and the modules that are loaded when first needed
_SMALL = 2**26  # no machine lacks so little, and asking takes longer than a small fit


def planned_solver(solver: str | Solver, objective: Objective, random_state: Any = None) -> Choice:
    """The solver that a name stands for, if there is memory for it; where "auto" has the choice, one that fits.

    Raises:
        ArgumentError: the name is not known.
        DataError: the fit would need more memory than there is.
    """
    choice = named_solver(solver, objective, random_state)
    needed = forecast(objective, choice.solver)
    available = available_memory() if needed > _SMALL else None
    if available is None or needed <= available:
        return choice
    others: list[Solver] = [LBFGS(), LBFGS(memory=3)]
    if isinstance(choice.solver, DualCoordinateAscent):
        others.insert(0, replace(choice.solver, then=None))
    frugal = next((other for other in others if forecast(objective, other) <= available), None)
    short = f"{type(choice.solver).__name__} would need {_gigabytes(needed)}, {_gigabytes(available)} are available"
    if frugal is not None and chooses(solver):
        return Choice(frugal, short)
    n_columns, n_outputs = objective.shape
    remedy = (
        f"use solver='auto' or {frugal}, for which there is room"
        if frugal is not None
        else "give fewer columns or classes, or a machine with more memory"
    )
    raise DataError(f"a fit of {n_columns - 1:,} columns and {n_outputs:,} outputs by {short}: {remedy}")


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
    size = _Size.of(objective)
    certificate = _newton(size) if objective.penalty.strength == 0 and size.hessian <= LARGEST_HESSIAN**2 else 0
    numbers = _BEGIN + _labels(size) + _passes(size) + max(_solver(size, solver), certificate)
    return int(_NUMBER * numbers)


@dataclass(frozen=True)
class _Size:
    """What a forecast depends on. All that follows counts numbers of eight bytes.

    `entries` are those of X that are stored, and `row` what a copied row takes; `block` are the rows of the largest
    block, of which each of the threads has one in work.
    """

    rows: int
    columns: int
    outputs: int
    separable: bool
    is_sparse: bool
    entries: int
    row: float
    block: int
    threads: int

    @classmethod
    def of(cls, objective: Objective) -> _Size:
        facts = objective.rows.facts
        return cls(
            rows=facts.n_rows,
            columns=objective.shape[0],
            outputs=objective.shape[1],
            separable=objective.loss.separable,
            is_sparse=facts.is_sparse,
            entries=facts.n_entries,
            row=facts.entry_bytes * facts.n_entries / facts.n_rows / _NUMBER,
            block=facts.largest_block,
            threads=min(facts.n_threads, facts.n_blocks),
        )

    @property
    def coefficients(self) -> int:
        return self.columns * self.outputs

    @property
    def hessian(self) -> int:
        return self.columns * self.coefficients if self.separable else self.coefficients**2

    @property
    def dense_blocks(self) -> int:
        """Blocks of standardised columns and their scores, in each thread."""
        return self.threads * self.block * (2 * self.columns + 4 * self.outputs)


def _labels(size: _Size) -> int:
    """Classes, targets, weights, and what it takes to sort them."""
    return 6 * size.rows


def _passes(size: _Size) -> int:
    """Coefficients in raw and in standard units, the gradient, what the driver keeps; in each thread two sums and a
    block in the precision of its products."""
    block = size.block * (size.entries // size.rows + 2 * size.outputs)
    return (8 + 2 * size.threads) * size.coefficients + size.threads * block


def _solver(size: _Size, solver: Solver | None) -> float:
    """The numbers that a solver holds at its peak."""
    match solver:
        case None:
            return 0
        case LBFGS():
            # The pairs stay where they are while another solver goes on.
            pairs = 2 * solver.pairs_kept(size.coefficients) * size.coefficients
            return pairs + max(5 * size.coefficients + _preconditioner(size), _solver(size, solver.then))
        case Newton():
            sample = 0 if solver.sample is None else min(solver.sample, size.rows) * size.row
            return _newton(size) + sample
        case TemperedNewton():
            return _tempered(size, solver.pairs)
        case DualCoordinateAscent():
            return _dual(size, solver.then)
        case RowSpace():
            # The dense rows, their copy in the decomposition, and its two factors; then as many columns as rows.
            rank = min(size.rows, size.columns)
            reduced = replace(size, columns=rank + 1, is_sparse=False, row=rank)
            decomposition = 5 * size.rows * size.columns + 4 * rank**2
            return decomposition + _passes(reduced) + _solver(reduced, solver.solver)
        case DistinctRows():
            # A copy of X at most, and the keys of the rows.
            return size.rows * (size.row + 6) + _solver(size, solver.solver)
        case _:
            return 5 * size.coefficients


def _preconditioner(size: _Size) -> float:
    """A Gram matrix, its sums, its factors and the sample it is made from; or its diagonal."""
    if size.columns > MOST_GRAM_COLUMNS + 1:
        return 4 * size.coefficients
    sample = gram_sample(size.rows, size.columns - 1, size.outputs) or 0
    copied = sample * (size.row + 3)
    return (min(MOST_GROUPS, size.outputs) + 3 + 2 * size.threads) * size.columns**2 + copied + size.dense_blocks


def _newton(size: _Size) -> int:
    """The Hessian, one before it, a copy with its guard and a factor; a sum in each thread, in NumPy with its terms."""
    if native.makes_derivatives(size.columns, size.coefficients):
        few_rows = size.rows * size.row // 20
        return int((6 + 3 * size.threads) * size.hessian + few_rows)
    kronecker = 0 if size.separable else 2 * size.threads * size.block * size.coefficients
    return (4 + 5 * size.threads) * size.hessian + kronecker + size.dense_blocks


def _tempered(size: _Size, pairs: int) -> int:
    """The Hessian and its factor, scores of all rows twice, drawn pairs (row, place, weight) with two copies, rows of
    some of them; their Gram matrices take less than the factor."""
    drawn = min(2 * pairs * size.coefficients, size.rows * size.outputs)
    rows = min(drawn, ROWS_AT_ONCE) * size.columns
    return 3 * size.hessian + 2 * size.rows * size.outputs + 9 * drawn + rows + size.dense_blocks


def _dual(size: _Size, then: Solver | None) -> float:
    """Dual variables, and the predictions, residuals and scores of all rows that a certificate compares; coefficients
    of the steps and of the certificate; squared entries."""
    predictions = size.rows * size.outputs
    state = predictions + 2 * size.coefficients
    return state + max(6 * predictions + 2 * size.coefficients + 2 * size.entries, _solver(size, then))


def available_memory() -> int | None:
    """Bytes that this process may still take, by the machine and by the limits set to it; None where nobody says.

    Example:
        >>> available_memory() is None or available_memory() > 0
        True
    """
    limits = [_free_memory(), *_control_groups(), _address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(min(known), 0) if known else None


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
    left: list[int | None] = []
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
                left.append(int(limit) - int(used) + _reclaimable(folder))
    return left


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
    """A file of the system; empty where there is none."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _gigabytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:,.2g} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
