"""`auto`: which solver suits an objective, by its shape alone; and the solvers by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from polytome import native
from polytome.curvature.hessian_factor import LARGEST_HESSIAN
from polytome.curvature.preconditioner import MAX_GRAM_COLUMNS
from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import Bounded, GroupLasso
from polytome.rows import Rows, Storage, in_memory
from polytome.solvers.distinct_rows import DistinctRows
from polytome.solvers.driver import Solution
from polytome.solvers.dual_coordinate_ascent import DualCoordinateAscent, row_squares
from polytome.solvers.gradient_descent import GradientDescent
from polytome.solvers.lbfgs import LBFGS
from polytome.solvers.newton import Newton
from polytome.solvers.projected_newton import ProjectedNewton
from polytome.solvers.proximal_newton import ProximalNewton
from polytome.solvers.row_space import RowSpace
from polytome.solvers.solver import Solver, check_residence
from polytome.solvers.stochastic import StochasticGradientDescent
from polytome.solvers.tempered_newton import TemperedNewton

__all__ = ["Choice", "check_named_residence", "choose_solver", "chooses", "named_solver", "seed_from"]

_NAMES = ("auto", "newton", "lbfgs", "dual", "gradient-descent", "sgd")
_AUTO_IN_SCIKIT_LEARN = ("newton-cg", "newton-cholesky", "liblinear", "sag", "saga")
_MIN_ROW_SPACE_COLUMNS = 500
_SHORT_FIT_OPERATIONS = 2e8  # operations: some milliseconds, as the calls of a short L-BFGS take
_LONG_HESSIAN_OPERATIONS = 2e9
_REMAINING_NEWTON_STEPS = 5  # of Newton's method, where L-BFGS hands over
_HESSIAN_SPEEDUP = 8  # operations of a Hessian in the time that one of a pass takes
_MIN_PATIENCE_ITERATIONS = 100  # iterations: what the products of a sampled Newton's method cost at least
_MAX_ROW_SPACE_ENTRIES = 2**23
_FEW_ENTRIES = 10  # times those of a row are no more than there are columns
_SAMPLED_ROWS = 1000
_MAX_DUAL_CURVATURE = 1000.0  # C times the mean squared length of a row
_LBFGS_PASSES = 400  # that L-BFGS may need; what costs no more is left to Newton's method, whose steps are surer


@dataclass(frozen=True)
class Choice:
    """A solver, and why it is the one: what a fitted model keeps as `solver_`.

    Attributes:
        solver: the record of its settings.
        reason: in words, with the numbers of this fit, and what took over, if anything did.

    Example:
        >>> print(Choice(Newton(), "solver='newton' was asked for"))
        Newton(sample=None): solver='newton' was asked for
    """

    solver: Solver
    reason: str

    def __str__(self) -> str:
        """The solver and the reason, in one line."""
        return f"{self.solver}: {self.reason}"

    def after(self, solution: Solution) -> Choice:
        """The choice with what happened: the reason also says which solver or precision took
        over."""
        return replace(self, reason="; ".join([self.reason, *solution.took_over]))


def choose_solver(objective: Objective) -> Choice:
    """Newton where its Hessians cost less than the passes that L-BFGS would need, else L-BFGS.

    A pass takes about `4 n d K` operations and L-BFGS some hundred of them; a Hessian takes
    `n (d K)^2`, its factor `(d K)^3 / 3` (for a separable loss, K times those of one output), and
    Newton's method needs about ten. Of rows of few entries, a Hessian takes no more than their
    products. Where L-BFGS reaches no certificate in the time that the rest
    of Newton's method would take (nearly separable classes under a weak penalty), that takes over
    if its Hessian fits, from a sample of many rows: so neither wrong guess costs more than twice
    the better solver. Where pairs of classes are cheaper (many classes), a sample of them takes
    over after thirty iterations, with equal rows merged; not so for several outputs of a separable
    loss, each of which has a quasi-Newton matrix to itself.

    Sparse rows in very many columns, or in more than there are rows, go to `DualCoordinateAscent`,
    whose step costs no more than a row's own entries, unless the penalty is so weak that it would
    be slow. Where there are fewer other rows than columns, and few enough entries for a
    decomposition, Newton or L-BFGS works in the space of the rows.

    Example:
        >>> import numpy as np
        >>> from polytome.losses import Softmax
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> choose_solver(Objective(Softmax(3), L2(1.0), as_rows(np.eye(3), np.arange(3)))).solver
        Newton(sample=None)
    """
    n, d = objective.rows.n_rows, objective.rows.n_features
    if isinstance(objective.penalty, GroupLasso):
        # One group and what has no penalty are worked on at once, however large they are.
        largest = (int(np.bincount(objective.penalty.groups).max()) + 1) * objective.loss.n_outputs
        largest += len(objective.unpenalised) * objective.loss.n_outputs
        solver = ProximalNewton(max(ProximalNewton.largest, largest))
        return Choice(solver, f"a penalty with norms of groups, {d:,} columns, {n:,} rows")
    if isinstance(objective.penalty, Bounded):
        within = f"coefficients within bounds, {d:,} columns, {n:,} rows"
        is_large = objective.size > ProximalNewton.largest and ProjectedNewton().minimises(objective.penalty)
        return Choice(ProjectedNewton() if is_large else ProximalNewton(), within)
    if objective.penalty.has_rest:
        return Choice(ProximalNewton(), f"a penalty with absolute values, {d:,} columns, {n:,} rows")
    curvature = _dual_curvature(objective)
    if curvature <= _MAX_DUAL_CURVATURE:
        entries = objective.rows.facts.n_entries / n
        size = f"rows of {entries:.0f} entries on average in {d:,} columns"
        return Choice(DualCoordinateAscent(), f"{size}; C times their mean squared length is {curvature:.2g}")
    resident, alike = objective.rows.facts.is_resident, objective.penalty.is_rotation_invariant
    if resident and alike and d > max(n, _MIN_ROW_SPACE_COLUMNS) and n * d <= _MAX_ROW_SPACE_ENTRIES:
        inner = _by_cost(objective, n, n + 1)
        return Choice(RowSpace(inner.solver), f"{n:,} rows span few of {d:,} dimensions; there, {inner.reason}")
    return _by_cost(objective, n, d + 1)


def _by_cost(objective: Objective, n: int, n_columns: int) -> Choice:
    """Newton or L-BFGS for n rows and `n_columns` columns."""
    n_outputs = objective.loss.n_outputs
    size = n_columns * n_outputs
    # The sides of the Hessian's blocks, and how many there are.
    side, blocks = (n_columns, n_outputs) if objective.loss.separable else (size, 1)
    one_pass, hessian = 4 * n * size, float(blocks * n * side**2)
    if (products := _products_of_entries(objective, n_columns)) is not None:
        one_pass, hessian = 4 * (objective.rows.facts.n_entries + n) * n_outputs, products
    newton = 10 * (hessian + blocks * side**3 / 3)
    fits = blocks * side**2 <= LARGEST_HESSIAN**2
    size_in_words = f"{size:,} coefficients, {n:,} rows"
    passes = f"{newton / one_pass:,.0f} passes over the rows"
    cost = f"Newton's method would cost as much as {passes}, and L-BFGS may need {_LBFGS_PASSES}"
    if fits and newton <= max(_LBFGS_PASSES * one_pass, _SHORT_FIT_OPERATIONS):
        reason = cost if newton > _SHORT_FIT_OPERATIONS else "so few that its steps cost almost nothing"
        return Choice(Newton(), f"{size_in_words}: {reason}")
    if not fits:
        return Choice(
            LBFGS(),
            f"{size_in_words}: a Hessian, as Newton's method needs it, would take {8 * blocks * side**2 / 1e9:,.1f} GB",
        )
    if blocks > 1:
        return Choice(LBFGS(), f"{size_in_words}: {cost}")
    sample = max(4 * side, 40 * n // side)
    # What one Hessian takes from a sample of rows, and from one of pairs of classes.
    by_rows = min(sample, n) * side**2
    by_pairs = min(2 * TemperedNewton.pairs * side, n * n_outputs**2 // 2) * n_columns**2
    resident = objective.rows.facts.is_resident
    if resident and isinstance(objective.loss, Softmax) and max(by_pairs, _LONG_HESSIAN_OPERATIONS) < by_rows:
        return Choice(DistinctRows(LBFGS(then=TemperedNewton())), f"{size_in_words}, {n_outputs} classes: {cost}")
    patience = max(_MIN_PATIENCE_ITERATIONS, int(_REMAINING_NEWTON_STEPS * by_rows / (_HESSIAN_SPEEDUP * one_pass)))
    then = Newton(sample=sample if sample < n // 2 else None)
    return Choice(LBFGS(then=then, then_after=patience), f"{size_in_words}: {cost}")


def _products_of_entries(objective: Objective, n_columns: int) -> float | None:
    """Operations of a Hessian that is made of products of entries, where that costs less than dense
    blocks."""
    rows, n_outputs = objective.rows, objective.loss.n_outputs
    if n_columns != objective.shape[0] or not isinstance(rows, Storage):
        return None
    n_sums = n_outputs if objective.loss.separable else n_outputs * (n_outputs + 1) // 2
    return native.hessian_operations(rows.stored_rows, n_columns, n_sums)


def _dual_curvature(objective: Objective) -> float:
    """C times the mean squared length of a row, if rows are sparse and columns too many for a
    matrix of them, or more than rows of few entries; else infinity."""
    rows, penalty, facts = objective.rows, objective.penalty, objective.rows.facts
    if penalty.is_nothing or objective.unpenalised.size:
        return np.inf
    if not (facts.is_resident and facts.is_sparse):
        return np.inf
    is_wide = facts.n_features > max(facts.n_rows, _MIN_ROW_SPACE_COLUMNS)
    if not (
        facts.n_features > MAX_GRAM_COLUMNS
        or (is_wide and _FEW_ENTRIES * facts.n_entries <= facts.n_rows * facts.n_features)
    ):
        return np.inf
    if not isinstance(objective.loss, (Softmax, Logistic, IndependentSigmoids)):
        return np.inf
    rows_in_memory = in_memory(rows, "dual coordinate ascent")
    if not native.makes_dual_steps(objective.loss, rows_in_memory.stored_rows):
        return np.inf  # row by row would be slow in Python
    first = rows_in_memory.pick(slice(0, min(rows.n_rows, _SAMPLED_ROWS)))
    squares = row_squares(first, rows.columns.scale**2 / np.ravel(penalty.weights))
    return float(first.weight @ squares) / (float(first.weight.sum()) * rows.n_rows * penalty.modulus)


def named_solver(solver: str | Solver, objective: Objective, random_state: Any = None) -> Choice:
    """The solver that a name stands for ("auto" chooses by shape); a solver stands for itself.

    Args:
        solver: "auto", "newton", "lbfgs", "dual", "gradient-descent", "sgd", or a record such as
            `GradientDescent(0.1)`. Scikit-learn's "newton-cg", "newton-cholesky", "liblinear",
            "sag" and "saga", which all seek the same minimum, stand for "auto".
        objective: what will be minimised.
        random_state: seed or RandomState for "sgd".

    Raises:
        ArgumentError: the name is not known.
    """
    if not isinstance(solver, str):
        if isinstance(solver, type) or not isinstance(solver, Solver):
            raise ArgumentError(f"solver={solver!r}: needs one of {', '.join(_NAMES)}, or a solver of polytome.solvers")
        return Choice(solver, "given with its settings")
    if chooses(solver):
        choice = choose_solver(objective)
        reason = f"solver={solver!r} is scikit-learn's and means 'auto' here; {choice.reason}"
        return choice if solver == "auto" else replace(choice, reason=reason)
    named: Solver
    if solver == "newton":
        named = Newton()
    elif solver == "lbfgs":
        named = LBFGS()
    elif solver == "dual":
        named = DualCoordinateAscent()
    elif solver == "gradient-descent":
        named = GradientDescent()
    elif solver == "sgd":
        named = StochasticGradientDescent(batch_size=32, decay=1e-3, seed=seed_from(random_state))
    else:
        raise ArgumentError(f"solver={solver!r}: needs one of {', '.join(_NAMES)}; 'auto' suits every data set")
    return Choice(named, f"solver={solver!r} was asked for")


def check_named_residence(solver: str | Solver, rows: Rows) -> None:
    """Refuse, before any work, rows that are not in memory, where the solver that a name stands for
    needs them there.

    Raises:
        ArgumentError: it does.
    """
    if solver == "dual":
        check_residence(DualCoordinateAscent(), rows)
    elif not isinstance(solver, str | type) and isinstance(solver, Solver):
        check_residence(solver, rows)


def chooses(solver: str | Solver) -> bool:
    """Whether the objective's shape is to choose: "auto", and scikit-learn's own names of solvers.

    Example:
        >>> chooses("auto"), chooses("saga"), chooses("newton")
        (True, True, False)
    """
    return isinstance(solver, str) and solver in ("auto", *_AUTO_IN_SCIKIT_LEARN)


def seed_from(random_state: Any) -> int:
    """A seed from what scikit-learn accepts as `random_state`; None is 0, so that a fit repeats
    itself."""
    if random_state is None:
        return 0
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if not isinstance(random_state, Integral) or int(random_state) < 0:
        raise ArgumentError(f"random_state={random_state!r}: needs None, a whole number from 0, or a RandomState")
    return int(random_state)
