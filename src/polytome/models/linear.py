"""`LinearRegression`: least squares by orthogonal factors, which keep the digits that the normal
equations lose.

The normal equations `w = (X'X)^-1 X'y` are the textbook's answer and square the condition number:
where X determines the coefficients to 8 digits, X'X determines none. Here the rows are never
multiplied by each other. Each block of rows joins the triangle `R` of those before it by a QR
factorisation, `R <- qr([R; block])`, so one pass over the rows, in memory or not, leaves a triangle
with the same least-squares solutions as the whole.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from polytome.errors import DataError
from polytome.models.cells import masked_place
from polytome.models.features import checked_features, checked_rows, refuse_nonfinite
from polytome.models.fitted_source import FittedSource
from polytome.models.labels import row_weights
from polytome.models.model import Model
from polytome.models.predictions import checked_coefficients, dense_coefficients, refuse_nonfinite_coefficients
from polytome.models.settings import check_common_settings
from polytome.objective import all_scores
from polytome.rows import Columns, Rows, as_rows, on_host, sound_sparse
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["LinearRegression", "targets"]

_EPS = float(np.finfo(np.float64).eps)
_LARGEST_TRIANGLE = 2**26  # entries: half a gigabyte, and minutes


class LinearRegression(RegressorMixin, MultiOutputMixin, Model):  # type: ignore[misc]  # scikit-learn is untyped
    """Least squares: minimises `sum_i s_i ||x_i W + b - y_i||^2`; of all solutions the one with the
    smallest `||W||`.

    A column counts as a combination of others where it is one to rounding, whatever the units of
    the columns: the rank is that of the columns centred and divided by their standard deviations.

    Args:
        fit_intercept: whether to fit an intercept; otherwise columns are neither centred nor
            shifted.

    Attributes:
        coef_: (d,), or (n_targets, d) for a y of two dimensions, float64.
        intercept_: a number, or (n_targets,).
        rank_: number of independent columns (centred, if there is an intercept).
        singular_: singular values of the columns (centred, and rows times the root of their
            weight), descending.
        condition_: condition number of those columns divided by their standard deviations: how many
            times relative errors in them may be magnified in the coefficients. Infinite if columns
            depend on each other.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [0.5, 1.5, 2.5])
        >>> model.coef_.round(12), round(model.intercept_, 12)
        (array([1.]), 0.5)

    References: Golub and Van Loan, Matrix Computations, 2013, sections 5.3 and 5.5; Demmel,
    Grigori, Hoemmen and Langou, Communication-optimal parallel and sequential QR and LU
    factorizations, SIAM Journal on Scientific Computing 34, 2012.
    """

    outputs = "numbers"

    coef_: Array
    intercept_: Any
    rank_: int
    singular_: Array
    condition_: float

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the coefficients.

        Args:
            X: shape (n, d). NumPy of any real type and order, memory maps, SciPy sparse, pandas or
                polars; not copied.
            y: real numbers, shape (n,) or (n, n_targets).
            sample_weight: one weight per row; 2 equals the row twice, 0 equals its absence.

        Returns:
            The fitted model.

        Raises:
            DataError: X, y or sample_weight cannot be used, or the triangle of X would not fit in
                memory.
        """
        check_common_settings(self)
        X = on_host(checked_features(self, X, y))
        refuse_nonfinite(X, self)
        target = targets(on_host(y))
        _refuse_wide(*X.shape)
        rows = as_rows(
            X if isinstance(X, np.ndarray) else sound_sparse(X).tocsr(),  # a CSC matrix would be one block
            target.reshape(len(target), -1),
            row_weights(sample_weight, X.shape[0]),
        )
        with one_blas_thread():
            self._solve(_standardised(rows, bool(self.fit_intercept)))
        self.source_ = FittedSource()
        if target.ndim == 1:
            self.coef_, self.intercept_ = self.coef_[0], float(self.intercept_[0])
        return self

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "linear regression"

    def predict(self, X: Any) -> Array:
        """`X @ coef_.T + intercept_`, shape (n,) or (n, n_targets)."""
        check_is_fitted(self)
        X = checked_rows(self, X)
        given = np.atleast_2d(dense_coefficients(self))
        coefficients, intercepts = checked_coefficients(self, given, np.atleast_1d(self.intercept_), len(given))
        raw = np.vstack([coefficients.T, intercepts])
        refuse_nonfinite_coefficients(raw.T)
        predicted = all_scores(as_rows(X, np.zeros(X.shape[0])), raw)
        return predicted[:, 0] if np.ndim(self.coef_) == 1 else predicted

    def _solve(self, rows: Rows) -> None:
        """Sets coefficients and diagnostics from the triangle of the standardised columns."""
        d, scale = rows.n_features, rows.columns.scale[:, None]
        triangle = _triangle(rows)
        # The column of ones comes first: without its row, all others are centred exactly.
        first = 1 if self.fit_intercept else 0
        R, projected = triangle[first:, 1 : d + 1], triangle[first:, d + 1 :]
        left, singular, right = np.linalg.svd(R, full_matrices=False)
        largest = max(singular[0], abs(triangle[0, 0]))  # the ones are as long as a column, and never vanish
        rank = int((singular > _EPS * max(rows.n_rows, d) * largest).sum())
        W = right[:rank].T @ (left[:, :rank].T @ projected / singular[:rank, None])
        if rank < d:
            # The shortest solution in the units of X: the projection of any on the space of its
            # rows.
            basis = np.linalg.qr(right[:rank].T / scale)[0]
            W = basis @ (basis.T @ (scale * W)) / scale
        coefficients = scale * W
        self.coef_, self.intercept_ = np.ascontiguousarray(coefficients.T), np.zeros(W.shape[1])
        if self.fit_intercept:
            at_the_means = (triangle[0, d + 1 :] - triangle[0, 1 : d + 1] @ W) / triangle[0, 0]
            self.intercept_ = at_the_means - rows.columns.shift @ coefficients
        self.rank_ = rank
        self.singular_ = np.linalg.svd(R / scale.T, compute_uv=False)
        self.condition_ = float(singular[0] / singular[-1]) if rank == d else np.inf

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def targets(y: Any) -> Array:
    """The numbers to be predicted as an array, (n,) or (n, n_targets), all finite.

    Raises:
        DataError: an entry is masked, missing, infinite or not a number.

    Example:
        >>> targets([1, 2.5])
        array([1. , 2.5])
    """
    if (place := masked_place(y)) is not None:
        raise DataError(f"y{list(place)} is masked: fill it in, or leave out its row")
    target: Array
    try:
        target = check_array(y, ensure_2d=False, dtype=np.float64, ensure_all_finite=False, input_name="y")
    except (TypeError, ValueError) as error:
        raise DataError(f"y cannot be read as one number per row: {error}") from error
    wrong = np.argwhere(~np.isfinite(target))
    if len(wrong):
        value = "NaN" if np.isnan(target[tuple(wrong[0])]) else "infinity"
        raise DataError(f"y contains {value} at {wrong[0].tolist()}: leave out rows whose target is not known")
    return target


def _refuse_wide(n: int, d: int) -> None:
    """Raises DataError where a dense triangle of the columns would be too large to hold or to
    decompose."""
    if min(n, d) * d > _LARGEST_TRIANGLE:
        raise DataError(
            f"X has {n:,} rows and {d:,} columns: exact least squares needs a dense matrix of {min(n, d):,} by {d:,} "
            f"numbers ({8 * min(n, d) * d / 2**30:.1f} GiB); drop or combine columns, or iterate, for example with "
            "scipy.sparse.linalg.lsqr"
        )


def _standardised(rows: Rows, fit_intercept: bool) -> Rows:
    """The rows with columns centred, if there is an intercept, and divided by their spread."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = rows.moments()
    spread = deviation if fit_intercept else np.hypot(mean, deviation)
    if not np.isfinite(spread).all():
        column = int(np.flatnonzero(~np.isfinite(spread))[0])
        raise DataError(f"column {column} of X is too large: squares of its values overflow; rescale it")
    # A spread that is rounding alone carries no information: such a column stays as small as it is.
    constant = spread <= _EPS * max(rows.n_rows, rows.n_features) * np.abs(mean)
    divisor = np.where(constant, np.abs(mean), spread)
    shift = mean if fit_intercept else np.zeros_like(mean)
    return rows.with_columns(Columns(shift, 1 / np.where(divisor > 0, divisor, 1.0)))


def _triangle(rows: Rows) -> Array:
    """Triangular factor of `sqrt(weight) * [1, standardised columns, target]`: one pass, block
    after block in order."""
    width = 1 + rows.n_features + rows.target.shape[1]
    waiting: list[Array] = []
    for block in rows.blocks():
        part = np.column_stack([np.ones(len(block.weight)), rows.dense(block), block.target])
        waiting.append(part * np.sqrt(block.weight)[:, None])
        # Three times the height of the triangle, so that it is not factored again for each small
        # block.
        if sum(map(len, waiting)) >= 3 * width:
            waiting = [_factor(waiting)]
    return _factor(waiting)


def _factor(parts: list[Array]) -> Array:
    """`R` of the QR factorisation of stacked parts."""
    R: Any = np.linalg.qr(np.vstack(parts), mode="r")
    triangle: Array = R
    return triangle
