"""Approximations of the inverse Hessian: what L-BFGS starts from, and conjugate gradients are
preconditioned by.

At the null model every row has the same probabilities, so the Hessian is exactly
`A (x) S + lambda I`, a Kronecker product of `A = diag(p) - p p'` over outputs and the Gram matrix
`S` of the columns. Elsewhere that form is the natural approximation: `A` the mean Hessian of the
loss with respect to the scores, `S` the Gram matrix weighted by each row's curvature. In the
eigenvectors of A it splits into one matrix `alpha S + lambda I` for each eigenvalue alpha. Before
that each output's columns are centred at the mean of the rows, weighted by their curvature in it:
the intercept of an output stands for that mean, and without this a direction along it would seem as
curved as any other. Two ways to invert those matrices:

    GramPreconditioner      Cholesky factors, for up to some thousands of columns
    DiagonalPreconditioner  the diagonal of S, for any number of columns
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from polytome.curvature.hessian_factor import ridged_factor
from polytome.curvature.sampling import drawn_by_curvature
from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, CentredSquares, CurvatureSums, Sums, curvature_of, hessian_of_scores
from polytome.penalties import by_column

Array = NDArray[Any]

__all__ = [
    "DiagonalPreconditioner",
    "GramPreconditioner",
    "KroneckerHessian",
    "Preconditioner",
    "gram_sample",
    "kronecker_hessian",
    "precondition",
]

MAX_GRAM_COLUMNS = 4_096
_MIN_SAMPLE_ROWS = 15_000
_ROWS_PER_COLUMN = 20
_GRAM_COST_PASSES = 2
MAX_GROUPS = 3


class Preconditioner(Protocol):
    """An approximate inverse Hessian."""

    def solve(self, gradient: Array) -> Array:
        """The inverse times a gradient of shape (n_features + 1, n_outputs)."""
        ...


@dataclass(frozen=True)
class Outputs:
    """The part over outputs: the mean Hessian of the loss with respect to the scores,
    `V diag(alpha) V'`."""

    V: Array
    alpha: Array
    mean_weight: float

    def solve_intercept(self, gradient: Array) -> Array:
        """Inverse of the intercepts' Hessian times rows of gradients; zero along directions without
        curvature."""
        step: Array = gradient @ self.V * _inverse(self.alpha * self.mean_weight) @ self.V.T
        return step

    def curved(self, values: Array) -> Array:
        """Rows of values of the outputs without their part along directions without curvature."""
        V = self.V[:, self.alpha > 0]
        projected: Array = values @ V @ V.T
        return projected


@dataclass(frozen=True)
class GramPreconditioner:
    """`(A (x) S + lambda I)^-1` by Cholesky factors of `alpha S + lambda I`, which no scaling of
    the columns can harm.

    Eigenvalues alpha that differ little share a factor: `groups` holds the eigenvectors of each,
    and the factor. `centres` (n_features, n_outputs) are the means of the rows, weighted by their
    curvature in each output: `S` is centred there, and a score is
    `(x - centre) w + (b + centre w)`, so that the coefficients w have nothing to do with the term
    in brackets.
    """

    outputs: Outputs
    groups: tuple[tuple[Array, tuple[Array, bool]], ...]
    centres: Array

    def solve(self, gradient: Array) -> Array:
        """Two triangular solves per group of eigenvalues."""
        return self._solve(gradient[:, None])[:, 0]

    def solve_both(self, one: Array, other: Array) -> tuple[Array, Array]:
        """As many solves as for one: what takes the time is reading the factors."""
        both = self._solve(np.stack([one, other], axis=1))
        return both[:, 0], both[:, 1]

    def _solve(self, gradients: Array) -> Array:
        """The inverse times gradients side by side, (n_features + 1, n_gradients, n_outputs)."""
        n_features, n_outputs = self.centres.shape
        centred = (gradients[:-1] - self.centres[:, None] * gradients[-1]).reshape(-1, n_outputs)
        step = np.zeros_like(gradients)
        for V, factor in self.groups:
            along = (centred @ V).astype(factor[0].dtype, copy=False).reshape(n_features, -1)
            solved = cho_solve(factor, along, check_finite=False).reshape(-1, V.shape[1])
            step[:-1] += (solved @ V.T).reshape(step[:-1].shape)
        moved = np.einsum("jk,jmk->mk", self.centres, step[:-1])
        step[-1] = self.outputs.solve_intercept(gradients[-1]) - self.outputs.curved(moved)
        return step


@dataclass(frozen=True)
class DiagonalPreconditioner:
    """`(A (x) diag(S) + lambda I)^-1`: one factor per entry, in the eigenvectors of A."""

    outputs: Outputs
    inverse: Array

    def solve(self, gradient: Array) -> Array:
        """Two products with a (K, K) matrix."""
        features = (gradient[:-1] @ self.outputs.V) * self.inverse @ self.outputs.V.T
        return np.vstack([features, self.outputs.solve_intercept(gradient[-1])])

    def solve_both(self, one: Array, other: Array) -> tuple[Array, Array]:
        """One after the other: there is no factor to read, and many columns make long gradients."""
        return self.solve(one), self.solve(other)


def precondition(objective: Objective, W: Array) -> GramPreconditioner | DiagonalPreconditioner:
    """The preconditioner that suits the shape, with the curvature at `W`; at most a pass over the
    rows."""
    if objective.rows.n_features > MAX_GRAM_COLUMNS:
        return _diagonal(objective, W)
    return kronecker_hessian(objective, W).inverse()


def gram_sample(n_rows: int, n_features: int, n_outputs: int) -> int | None:
    """How many rows are copied for the Gram matrix; None where it is made of all, which need no
    copy.

    About as much arithmetic as two passes, and enough rows for their Gram matrix to be
    representative.

    Example:
        >>> gram_sample(60_000, 784, 10), gram_sample(20_000, 784, 10)
        (15680, None)
    """
    size = max(_MIN_SAMPLE_ROWS, _ROWS_PER_COLUMN * n_features, _GRAM_COST_PASSES * n_rows * n_outputs // n_features)
    return size if 2 * size <= n_rows else None


def _outputs(objective: Objective, mean_hessian: Array, trace: float) -> Outputs:
    """Eigenvectors of A, normalised so that `A (x) S` has the trace of the Hessian."""
    n_outputs = len(mean_hessian)
    if not trace > 0:  # every row is classified beyond doubt: any positive curvature will do
        return Outputs(np.eye(n_outputs), np.ones(n_outputs), 1.0)
    alpha, V = np.linalg.eigh(mean_hessian / trace)
    # No curvature at all, but for rounding: the same change to every class, which canonical
    # coefficients never need.
    alpha[alpha <= 1e-12 * alpha.max()] = 0.0
    return Outputs(V, alpha, trace / objective.total_weight)


@dataclass(frozen=True)
class KroneckerHessian:
    """The approximation itself: `A (x) S + lambda I`, each output's columns centred for themselves.

    Attributes:
        outputs: A in its eigenvectors.
        S: Gram matrix of the columns, weighted by curvature, shape (n_features, n_features).
        centres: as in `GramPreconditioner`.
        ridge: lambda, or one for each column, (n_features,).
    """

    outputs: Outputs
    S: Array
    centres: Array
    ridge: float | Array

    def softened(self, by: float) -> KroneckerHessian:
        """The same with its curvature, but for the penalty's, divided by a number."""
        return replace(self, outputs=replace(self.outputs, alpha=self.outputs.alpha / by))

    def inverse(self) -> GramPreconditioner:
        """Its inverse, by Cholesky factors in the precision of S."""
        precision = float(np.finfo(self.S.dtype).eps)
        groups = tuple(
            (self.outputs.V[:, members], _factor(self.S.dtype.type(alpha) * self.S, self.ridge, precision))
            for alpha, members in _groups(self.outputs.alpha)
        )
        return GramPreconditioner(self.outputs, groups, self.centres)


def kronecker_hessian(objective: Objective, W: Array) -> KroneckerHessian:
    """The approximation with the curvature at `W`; at most a pass over the rows, for up to
    `MAX_GRAM_COLUMNS`."""
    facts = objective.rows.facts
    if (size := gram_sample(facts.n_rows, facts.n_features, objective.loss.n_outputs)) is not None:
        size = max(min(size, facts.most_copied), min(size, _MIN_SAMPLE_ROWS))
        objective = replace(objective, rows=drawn_by_curvature(objective, W, size))
    rows = objective.rows
    S, centres, curvature, mean_hessian = rows.reduce(
        CurvatureSums(objective.loss, rows.columns.to_raw(W), rows.columns)
    )
    outputs = _outputs(objective, mean_hessian, float(curvature.sum()))
    centres = centres * (_inverse(curvature) if objective.fit_intercept else 0.0)
    S -= (centres * curvature) @ centres.T
    S /= objective.total_weight
    return KroneckerHessian(outputs, S.astype(rows.precision), centres, by_column(objective.penalty.quadratic))


@dataclass(frozen=True, eq=False)
class _HessianAndTrace:
    """The sum of the rows' Hessians with respect to their scores, and that of their traces."""

    loss: Loss
    raw: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        trace, m, u = curvature_of(self.loss, block, self.raw)
        return hessian_of_scores(block.weight, m, u), np.asarray(trace.sum())


def _groups(alpha: Array) -> list[tuple[float, Array]]:
    """Positive eigenvalues within a factor of two (or four, sixteen, ... if those are too many) and
    where they stand."""
    places = np.flatnonzero(alpha)
    powers = np.log2(alpha[places])
    width = 1.0
    while len(np.unique(np.round(powers / width))) > MAX_GROUPS:
        width *= 2
    keys = np.round(powers / width)
    return [(float(2 ** powers[keys == key].mean()), places[keys == key]) for key in np.unique(keys)]


def _factor(S: Array, ridge: float | Array, least_ratio: float) -> tuple[Array, bool]:
    """Cholesky factor of `S + diag(ridge)`, each diagonal entry raised by the smallest ratio that
    makes it definite."""
    diagonal = S.diagonal() + ridge
    diagonal[diagonal <= 0] = 1.0  # a column of zeros without a penalty
    return ridged_factor(S, lambda ratio: diagonal * (1 + ratio), least_ratio), True


def _diagonal(objective: Objective, W: Array) -> DiagonalPreconditioner:
    rows, quadratic = objective.rows, objective.penalty.quadratic
    raw = rows.columns.to_raw(W)
    mean_hessian, trace = rows.reduce(_HessianAndTrace(objective.loss, raw))
    outputs = _outputs(objective, mean_hessian, float(trace))
    columns = rows.columns
    (squares,) = rows.reduce(CentredSquares(columns.shift, objective.loss, raw))
    squares *= columns.scale**2 / objective.total_weight
    curvature = np.multiply.outer(squares, outputs.alpha) + quadratic * (outputs.alpha > 0)
    return DiagonalPreconditioner(outputs, _inverse(curvature))


def _inverse(curvature: Array) -> Array:
    """One over each entry, zero where there is no curvature."""
    is_curved = curvature > 0
    return np.where(is_curved, 1 / np.where(is_curved, curvature, 1.0), 0.0)
