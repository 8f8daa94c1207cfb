"""Extra curvature for the rows that a failed step of Newton's method would make badly wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Gram, Sums, block_scores

Array = NDArray[Any]

__all__ = ["Guard", "numbers_of_guarded"]

_MOST_NUMBERED_ROWS = 2**21  # of those that are not in memory, whose guard then takes 48 MiB
_SMALLEST = 1e-12  # extra curvature that is not 0
_FIRST_OF_ALL = 1e-6  # of all rows, where none is to blame, in units of the loss's largest curvature
_LEVELS_OF_OCTAVE = 4
_LEVELS = np.arange(256, dtype=np.uint8)
_LEVEL_OF_SMOOTHNESS = 164  # 23 octaves below the last level, and 41 above the first


def numbers_of_guarded(n_rows: int, is_resident: bool) -> int:
    """Numbers of eight bytes that a guard holds at most: the extra curvature of each row before, as
    observed and afterwards.

    Example:
        >>> numbers_of_guarded(8_000_000, True), numbers_of_guarded(8_000_000, False)
        (24000000, 3000000)
    """
    return 3 * n_rows // (8 if _has_levels(n_rows, is_resident) else 1)


def _has_levels(n_rows: int, is_resident: bool) -> bool:
    return not is_resident and n_rows > _MOST_NUMBERED_ROWS


class Guard:
    """The extra curvature e of each row, and the matrix `X' diag(e) X / S` that it makes.

    It is a number. Of very many rows that are not in memory it is a level of one byte, and the
    number is rounded up to the next of four in an octave: a guard need not be exact, as it says how
    far a step may go, and never where the optimum is.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.extra: Array | None = None
        """Of each row: a number, or a level, uint8."""
        facts = objective.rows.facts
        self._by_levels = _has_levels(facts.n_rows, facts.is_resident)
        self._matrix: Array | None = None

    @property
    def is_active(self) -> bool:
        """Whether any row has extra curvature."""
        return self.extra is not None

    def learn(self, W: Array, direction: Array) -> None:
        """Raises each row's extra curvature to what its loss showed beyond its quadratic model: a
        pass over the rows."""
        loss, columns = self.objective.loss, self.objective.rows.columns
        with np.errstate(over="ignore", invalid="ignore"):
            excess = _Excess(loss, columns.to_raw(W), columns.to_raw(direction), self._by_levels)
            (observed,) = self.objective.rows.reduce(excess)
        before, self._matrix = self.extra, None
        if (observed > (0 if before is None else before if self._by_levels else 1.01 * before)).any():
            self.extra = observed if before is None else np.maximum(before, observed, out=observed)
            return
        # No row is to blame, so rounding is: all of them restrain the step.
        if self._by_levels:
            first = _levels_of(np.array([_FIRST_OF_ALL * _unit(loss)]), loss)
            lifted = _moved(2 * _LEVELS_OF_OCTAVE)
            self.extra = np.maximum(lifted[observed if before is None else before], first)
        else:
            self.extra = np.maximum(4 * (observed if before is None else before), _FIRST_OF_ALL * loss.smoothness)

    def fade(self, ratio: float) -> None:
        """Lowers the extra curvature after a step with this ratio of actual to predicted
        decrease."""
        if self.extra is None or ratio <= 0.5:
            return
        kept = 0.05 if ratio > 1 else 0.25
        if self._by_levels:
            self.extra = _moved(round(_LEVELS_OF_OCTAVE * np.log2(kept)))[self.extra]
        else:
            self.extra = self.extra * kept
        if self._matrix is not None:
            self._matrix *= kept
        if not (self.extra >= (1 if self._by_levels else _SMALLEST)).any():
            self.extra = self._matrix = None

    @property
    def matrix(self) -> Array:
        """`X' diag(e) X / S` with the intercept's column of ones, (d + 1, d + 1): a pass over the
        rows it was learned from."""
        if self._matrix is None:
            self._matrix = self._weighted_gram()
        return self._matrix

    def added_to(self, H: Array) -> Array:
        """`H + I (x) matrix`, H in blocks; a new array."""
        guarded = H.copy()
        if self.is_active:
            n_columns = len(self.matrix)
            for start in range(0, H.shape[1], n_columns):
                part = slice(start, start + n_columns)
                guarded[:, part, part] += self.matrix
        return guarded

    def times(self, x: Array) -> Array:
        """The matrix times coefficients x."""
        return self.matrix @ x if self.is_active else np.zeros_like(x)

    def _weighted_gram(self) -> Array:
        """`X' diag(s e) X / S` over the rows with extra curvature."""
        rows, extra = self.objective.rows, self.extra
        assert extra is not None
        columns, fit_intercept = rows.columns, self.objective.fit_intercept
        if self._by_levels:
            places, values = extra, _values_of(self.objective.loss)
        else:
            places, values = np.arange(len(extra)), extra
        if np.count_nonzero(extra) > rows.facts.most_copied:
            (gram,) = rows.with_target(places).reduce(Gram(columns, fit_intercept, values))
        else:
            chosen = np.flatnonzero(extra)
            some = rows.subset(chosen, rows.weight[chosen] * values[places[chosen]])
            (gram,) = some.reduce(Gram(columns, fit_intercept))
        gram /= self.objective.total_weight
        return gram


def _unit(loss: Loss) -> float:
    """The loss's largest curvature, 1 where it has none."""
    return loss.smoothness if np.isfinite(loss.smoothness) else 1.0


def _values_of(loss: Loss) -> Array:
    """The extra curvature that each level stands for."""
    values: Array = _unit(loss) * 2.0 ** ((_LEVELS.astype(float) - _LEVEL_OF_SMOOTHNESS) / _LEVELS_OF_OCTAVE)
    values[0] = 0.0
    return values


def _levels_of(extra: Array, loss: Loss) -> Array:
    """The first level that stands for no less, uint8, or the last; 0 for what is too small."""
    levels: Array = np.minimum(np.searchsorted(_values_of(loss), extra), _LEVELS[-1]).astype(np.uint8)
    levels[extra < _SMALLEST] = 0
    return levels


def _moved(levels: int) -> Array:
    """Each level moved by so many, uint8; 0 stays, and so do what would be beyond the ends."""
    moved: Array = np.clip(_LEVELS.astype(int) + levels, 0, 255).astype(np.uint8)
    moved[0] = 0
    return moved


@dataclass(frozen=True, eq=False)
class _Excess:
    """The curvature that each row's loss shows along a direction beyond its quadratic model, from 0
    to the loss's largest, joined: (n,)."""

    loss: Loss
    raw: Array
    along: Array
    by_levels: bool
    joined = 1

    def of_block(self, block: Block) -> Sums:
        scores, change = block_scores(block, self.raw), block_scores(block, self.along)
        value, gradient = self.loss.value_and_gradient(scores, block.target)
        changed, _ = self.loss.value_and_gradient(scores + change, block.target)
        m, u = self.loss.curvature(scores, block.target)
        curvature = (m * change * change).sum(axis=1) - (0.0 if u is None else (u * change).sum(axis=1) ** 2)
        excess = changed - value - (gradient * change).sum(axis=1) - 0.5 * curvature
        found = 2 * excess / np.maximum((change * change).sum(axis=1), 1e-300)
        found = np.clip(np.nan_to_num(found, nan=self.loss.smoothness), 0.0, self.loss.smoothness)
        return (_levels_of(found, self.loss) if self.by_levels else found,)
