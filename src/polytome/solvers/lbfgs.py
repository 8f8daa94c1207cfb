"""L-BFGS started from a preconditioner that is rebuilt as the curvature changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.preconditioner import (
    MAX_GRAM_COLUMNS,
    MAX_GROUPS,
    KroneckerHessian,
    gram_sample,
    kronecker_hessian,
    precondition,
)
from polytome.curvature.quasi_newton import Inverse, Pairs, pair_of, two_loops
from polytome.objective import Objective
from polytome.penalties import by_column
from polytome.rows.draw import NUMBERS_OF_DRAWN
from polytome.solvers.iterates import Iterate
from polytome.solvers.line_search import backtrack
from polytome.solvers.ridge_start import ridge_start
from polytome.solvers.size import Size
from polytome.solvers.solver import GivesWay, Solver

Array = NDArray[Any]

__all__ = ["LBFGS", "Curvature", "memory_of_preconditioner"]

_MAX_PAIRS_BYTES = 2**28
_LONG_PASS_OPERATIONS = 1e9  # operations


@dataclass
class Curvature:
    """What is known of an objective's curvature, which another strength of the penalty changes by a
    multiple of the identity alone.

    Attributes:
        hessian: an approximate Hessian; None if it is not known, or diagonal.
        pairs: of steps and gradient changes.
        quadratic: the penalty's curvature that these include; None before there are any.
    """

    hessian: KroneckerHessian | None = None
    pairs: Pairs = field(default_factory=deque)
    quadratic: float | Array | None = None

    def at(self, objective: Objective, W: Array) -> Inverse:
        """An approximate inverse Hessian at coefficients, of which the Hessian is kept."""
        if objective.rows.n_features > MAX_GRAM_COLUMNS:
            return precondition(objective, W)
        self.hessian = kronecker_hessian(objective, W)
        return self.hessian.inverse()

    def under(self, objective: Objective, count: int) -> Pairs:
        """At most so many pairs, and the Hessian, as this objective has them; pairs of the same
        objective may be spoilt by rounding, and are forgotten."""
        quadratic, before = objective.penalty.quadratic, self.quadratic
        pairs: Pairs = deque(maxlen=count)
        if before is not None and np.any(quadratic != before):
            for step, gradient_change, _ in self.pairs:
                changed = gradient_change.copy()
                changed[:-1] += (quadratic - before) * step[:-1]
                product = objective.dot(step, changed)
                if (product > 0).all():
                    pairs.append((step, changed, product))
        self.pairs, self.quadratic = pairs, quadratic
        if self.hessian is not None:
            self.hessian = replace(self.hessian, ridge=by_column(quadratic))
        return pairs


@dataclass(frozen=True)
class LBFGS(Solver):
    """Limited-memory BFGS whose initial matrix is a preconditioner, an approximation of the inverse
    Hessian.

    The outputs of a separable loss are problems of their own that share the passes over the rows:
    each has its own inner products, and so a quasi-Newton matrix to itself.

    Args:
        memory: pairs of steps and gradient changes kept; fewer where they would take more than 256
            MiB.
        rebuild: iterations at which the preconditioner is rebuilt, with the curvature of the
            coefficients reached.
        then: the solver that takes over where the certificate does not hold after `then_after`
            iterations; None for none.

    Example:
        >>> LBFGS(memory=10)
        LBFGS(memory=10, rebuild=(0, 10, 30), then=None, then_after=30)

    Reference: Nocedal and Wright, Numerical Optimization, 2006, section 7.2.
    """

    memory: int = 30
    rebuild: tuple[int, ...] = (0, 10, 30)
    then: Solver | None = None
    then_after: int = 30
    careful_fallback = True
    fallback_after = 1000

    def pairs_kept(self, size: int) -> int:
        """How many pairs are kept of so many coefficients."""
        return max(3, min(self.memory, _MAX_PAIRS_BYTES // (2 * 8 * size)))

    def iterates(self, objective: Objective, start: Array) -> Generator[Iterate, None, GivesWay | None]:
        """Iterates from `start`; each step counts the passes of its line search."""
        return self.steps(objective, start, Curvature())

    def steps(
        self, objective: Objective, start: Array, curvature: Curvature
    ) -> Generator[Iterate, None, GivesWay | None]:
        """The iterates of a descent that begins with known curvature, and leaves there what it
        learns."""
        pairs = curvature.under(objective, self.pairs_kept(objective.size))
        inverse: Inverse | None = None
        W = start
        value, gradient = objective.value_and_gradient(W)
        passes, iteration = 1, 0
        if _is_long(objective) and not W[:-1].any():
            ridge_solution = ridge_start(objective, W, gradient)
            ridge_value, ridge_gradient = objective.value_and_gradient(ridge_solution)
            passes += 2
            if ridge_value < value:
                W, value, gradient = ridge_solution, ridge_value, ridge_gradient
        is_known = curvature.hessian is not None
        while True:
            if not (is_known and iteration == 0) and (inverse is None or iteration in self.rebuild):
                inverse = curvature.at(objective, W)
                passes += 1
            yield Iterate(W, value, gradient, passes)
            if inverse is None:
                assert curvature.hessian is not None
                inverse = curvature.hessian.inverse()
            direction = -two_loops(objective, pairs, inverse, gradient)
            found = backtrack(objective, W, value, gradient, direction)
            if found is None and not pairs:
                return None
            if found is None:
                pairs.clear()  # rounding may have spoilt the pairs; the preconditioner is unaffected
                inverse, is_known = None, False
                continue
            trial, value, trial_gradient, new_passes = found
            if (pair := pair_of(objective, trial - W, trial_gradient - gradient)) is not None:
                pairs.append(pair)
            W, gradient = trial, trial_gradient
            passes += new_passes
            iteration += 1
            if self.then is not None and iteration == self.then_after:
                return GivesWay(W, passes)

    def numbers_held(self, size: Size) -> float:
        """The pairs, which are kept while another solver runs, and the preconditioner."""
        pairs = 2 * self.pairs_kept(size.coefficients) * size.coefficients
        own = 5 * size.coefficients + memory_of_preconditioner(size)
        return pairs + max(own, 0 if self.then is None else self.then.numbers_held(size))


def memory_of_preconditioner(size: Size) -> float:
    """A Gram matrix, its sums, its factors and the sample it is made from; or its diagonal."""
    if size.columns > MAX_GRAM_COLUMNS + 1:
        return 4 * size.coefficients
    sample = min(gram_sample(size.rows, size.columns - 1, size.outputs) or 0, size.most_copied)
    copied = sample * (size.row + NUMBERS_OF_DRAWN)
    return (min(MAX_GROUPS, size.outputs) + 3 + 2 * size.threads) * size.columns**2 + copied + size.dense_blocks


def _is_long(objective: Objective) -> bool:
    """Whether a pass takes long, and longer than another Gram matrix."""
    n_rows, n_features, n_outputs = objective.rows.n_rows, objective.rows.n_features, objective.loss.n_outputs
    if n_features > MAX_GRAM_COLUMNS or 4 * n_rows * objective.size < _LONG_PASS_OPERATIONS:
        return False
    return 4 * n_rows * n_outputs >= (gram_sample(n_rows, n_features, n_outputs) or n_rows) * n_features
