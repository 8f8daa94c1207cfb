"""`auto`: which solver suits an objective, by its shape alone; and the solvers by name."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from polytome import native
from polytome.errors import ArgumentError
from polytome.hessian_factor import LARGEST_HESSIAN
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.preconditioner import MOST_GRAM_COLUMNS
from polytome.rows import SparseRows
from polytome.solvers.distinct_rows import DistinctRows
from polytome.solvers.driver import Solver
from polytome.solvers.dual_coordinate_ascent import DualCoordinateAscent
from polytome.solvers.gradient_descent import GradientDescent
from polytome.solvers.lbfgs import LBFGS
from polytome.solvers.newton import Newton
from polytome.solvers.row_space import RowSpace
from polytome.solvers.stochastic import StochasticGradientDescent
from polytome.solvers.tempered_newton import TemperedNewton

__all__ = ["choose_solver", "named_solver", "seed_from"]

_NAMES = ("auto", "newton", "lbfgs", "dual", "gradient-descent", "sgd")
_LARGEST_NEWTON = 20_000
_FEW_COLUMNS = 500
_CHEAP = 2e8  # operations: some milliseconds, as the calls of a short L-BFGS take
_DEAR = 2e9
_STEPS_LEFT = 5  # of Newton's method, where L-BFGS hands over
_FASTER = 8  # operations of a Hessian in the time that one of a pass takes
_LEAST_PATIENCE = 100  # iterations: what the products of a sampled Newton's method cost at least
_LARGEST_ROW_SPACE = 2**23
_ROWS_LOOKED_AT = 1000
_MOST_BEND = 1000.0  # C times the mean squared length of a row


def choose_solver(objective: Objective) -> Solver:
    """Newton where its Hessians cost less than the passes that L-BFGS would need, else L-BFGS.

    A pass takes about `4 n d K` operations and L-BFGS some hundred of them; a Hessian takes `n (d K)^2`, its factor
    `(d K)^3 / 3` (for a separable loss, K times those of one output), and Newton's method needs about ten. Where L-BFGS
    brings no certificate in the time that the rest of Newton's method would take (nearly separable classes under a weak
    penalty), that takes over if its Hessian fits, from a sample of many rows: so neither wrong guess costs more than
    twice the better solver. Where pairs of classes are cheaper (many classes), a sample of them takes over after thirty
    iterations, with equal rows merged; not so for several outputs of a separable loss, each of which has a quasi-Newton
    matrix to itself.

    Sparse rows in very many columns go to `DualCoordinateAscent`, whose step costs no more than a row's own entries,
    unless the penalty is so weak that it would be slow. Where there are fewer rows than columns, and few enough entries
    for a decomposition, Newton or L-BFGS works in the space of the rows.

    Example:
        >>> import numpy as np
        >>> from polytome.losses import Softmax
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> choose_solver(Objective(Softmax(3), L2(1.0), as_rows(np.eye(3), np.arange(3))))
        Newton(sample=None)
    """
    n, d = objective.rows.n_rows, objective.rows.n_features
    if d > max(n, _FEW_COLUMNS) and n * d <= _LARGEST_ROW_SPACE:
        return RowSpace(_by_cost(objective, n, n + 1))
    if suits_dual_ascent(objective):
        return DualCoordinateAscent()
    return _by_cost(objective, n, d + 1)


def _by_cost(objective: Objective, n: int, n_columns: int) -> Solver:
    """Newton or L-BFGS for n rows and so many columns."""
    n_outputs = objective.loss.n_outputs
    size = n_columns * n_outputs
    # The sides of the Hessian's blocks, and how many there are.
    side, blocks = (n_columns, n_outputs) if objective.loss.separable else (size, 1)
    one_pass = 4 * n * size
    newton = 10 * blocks * (n * side**2 + side**3 / 3)
    fits = blocks * side**2 <= LARGEST_HESSIAN**2
    if fits and newton <= max(400 * one_pass, _CHEAP):
        return Newton()
    if not fits or blocks > 1:
        return LBFGS()
    sample = max(4 * side, 40 * n // side)
    # What one Hessian takes from a sample of rows, and from one of pairs of classes.
    by_rows = min(sample, n) * side**2
    by_pairs = min(2 * TemperedNewton.pairs * side, n * n_outputs**2 // 2) * n_columns**2
    if n_outputs > 1 and max(by_pairs, _DEAR) < by_rows:
        return DistinctRows(LBFGS(then=TemperedNewton()))
    patience = max(_LEAST_PATIENCE, int(_STEPS_LEFT * by_rows / (_FASTER * one_pass)))
    return LBFGS(then=Newton(sample=sample if sample < n // 2 else None), then_after=patience)


def suits_dual_ascent(objective: Objective) -> bool:
    """Whether rows are sparse, columns too many for a matrix of them, and the penalty not too weak."""
    rows, strength = objective.rows, objective.penalty.strength
    if not (isinstance(rows, SparseRows) and rows.n_features > MOST_GRAM_COLUMNS and strength > 0):
        return False
    if not isinstance(objective.loss, (Softmax, Logistic, IndependentSigmoids)):
        return False
    if not native.reads_csr(rows.X):
        return False  # one row after the other would be slow in Python
    first = rows.pick(slice(0, min(rows.n_rows, _ROWS_LOOKED_AT)))
    squares = first.X.multiply(first.X) @ rows.columns.scale**2
    bend = float(first.weight @ squares) / (float(first.weight.sum()) * rows.n_rows * strength)
    return bend <= _MOST_BEND


def named_solver(solver: str | Solver, objective: Objective, random_state: Any = None) -> Solver:
    """The solver that a name stands for ("auto" chooses by shape); a solver stands for itself.

    Args:
        solver: "auto", "newton", "lbfgs", "dual", "gradient-descent", "sgd", or a record such as
            `GradientDescent(0.1)`.
        objective: what will be minimised.
        random_state: seed or RandomState for "sgd".

    Raises:
        ArgumentError: the name is not known, or Newton's Hessian would not fit into memory.
    """
    if not isinstance(solver, str):
        if isinstance(solver, type) or not callable(getattr(solver, "iterates", None)):
            raise ArgumentError(f"solver={solver!r}: needs one of {', '.join(_NAMES)}, or a solver of polytome.solvers")
        return solver
    if solver == "auto":
        return choose_solver(objective)
    if solver == "newton":
        if objective.hessian_entries > _LARGEST_NEWTON**2:
            raise ArgumentError(
                f"solver='newton': the Hessian of {objective.size:,} coefficients would take "
                f"{8 * objective.hessian_entries / 2**30:.0f} GiB; use solver='auto'"
            )
        return Newton()
    if solver == "lbfgs":
        return LBFGS()
    if solver == "dual":
        return DualCoordinateAscent()
    if solver == "gradient-descent":
        return GradientDescent()
    if solver == "sgd":
        return StochasticGradientDescent(batch_size=32, decay=1e-3, seed=seed_from(random_state))
    raise ArgumentError(f"solver={solver!r}: needs one of {', '.join(_NAMES)}; 'auto' suits every data set")


def seed_from(random_state: Any) -> int:
    """A seed from what scikit-learn accepts as `random_state`; None is 0, so that a fit repeats itself."""
    if random_state is None:
        return 0
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if not isinstance(random_state, Integral) or int(random_state) < 0:
        raise ArgumentError(f"random_state={random_state!r}: needs None, a whole number from 0, or a RandomState")
    return int(random_state)
