"""Steps of dual coordinate ascent over the rows of a CSR matrix, one after the other, in compiled
code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.native.arrays import doubles, loss_name
from polytome.native.stored_rows import StoredRows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["DualSteps"]


@dataclass(frozen=True, eq=False)
class DualSteps:
    """The arguments that stay the same from step to step.

    Args:
        instruction_set: one of `polytome.native.instruction_sets()`.
        loss: `Softmax`, `Logistic` or `IndependentSigmoids`.
        rows: the rows, a CSR matrix that compiled code reads.
        curvature: how far each row's scores follow its prediction, shape (n,).
        scale_squares: the squared scale of each column.
        per_weight: `1 / (S lambda)`.
        intercept_square: the square of the constant column that stands for the intercept.
    """

    instruction_set: str
    loss: Loss
    rows: StoredRows
    curvature: Array
    scale_squares: Array
    per_weight: float
    intercept_square: float

    @property
    @kept
    def _bound(self) -> Any:
        block = self.rows.block
        target = doubles(block.target.reshape(len(block.target), -1))
        return replace(self.rows, block=replace(block, target=target)).bound

    def make(self, order: Array, coefficients: Array, intercepts: Array, dual: Array) -> tuple[float, float]:
        """Steps for rows, one after the other, each of which changes the arrays in place.

        Args:
            order: numbers of the rows, one step for each.
            coefficients: for raw columns, (n_features, n_outputs), float32 or float64.
            intercepts: shape (n_outputs,), float64.
            dual: scores of the dual point, (n, n_outputs), of the type of the coefficients.

        Returns:
            The weighted losses of the rows and their shares of the duality gap, before each row's
            step.

        Raises:
            IndexError: a class code or a column index is out of range.
        """
        settings = (doubles(self.curvature), doubles(self.scale_squares), self.per_weight, self.intercept_square)
        name, numbers = loss_name(self.loss, self.rows.block.target), order.astype(np.int64, copy=False)
        sums = self._bound.dual_steps(self.instruction_set, name, *settings, numbers, coefficients, intercepts, dual)
        return float(sums[0]), float(sums[1])
