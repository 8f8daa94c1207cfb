"""Columns that are sums of others: what R calls aliased.

Of columns that depend on each other, the one with the most entries that are not zero is called a
sum of the others: of the levels of a category the most frequent, which is a good one to compare the
others with. Of columns with as many, it is the last.

Reference: Chambers and Hastie, Statistical Models in S, 1992, section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from polytome.passes import Columns
from polytome.rows import Rows
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["Alias", "aliases_of", "sizes_and_centres"]

_DEPENDENT = 1e-10
"""What is left of a column, relative to its length, where it depends on others."""
_ZERO = 1e-8
"""A factor that is none, relative to the largest."""


@dataclass(frozen=True)
class Alias:
    """A column that others make up.

    Attributes:
        column: its number.
        others: the numbers of the columns that it is a sum of, and their factors.
        constant: what is added.
    """

    column: int
    others: tuple[tuple[int, float], ...]
    constant: float


def aliases_of(rows: Rows, used: Array, fit_intercept: bool, *, keep_order: bool = False) -> tuple[Alias, ...]:
    """Which of the used columns depend on others, and on the intercept: two passes.

    Rows of weight 0 do not count. With `keep_order` a column is called a sum of those before it, as
    in R.

    Example:
        >>> from polytome.rows import as_rows
        >>> X = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 3.0], [2.0, 5.0, 0.0], [4.0, -3.0, 1.0]])
        >>> X[:, 2] = 2 * X[:, 0] - X[:, 1] + 7
        >>> (alias,) = aliases_of(as_rows(X, np.zeros(4)), np.arange(3), True)
        >>> alias.column, [(j, round(factor, 9)) for j, factor in alias.others], round(alias.constant, 9)
        (2, [(0, 2.0), (1, -1.0)], 7.0)
    """
    rows = rows.at(np.float64)
    size, shift, n_entries = sizes_and_centres(rows, fit_intercept)
    if not keep_order:
        used = used[np.argsort(n_entries[used], kind="stable")]
    rows = rows.with_columns(Columns(shift, 1 / size))
    places = np.array([*([-1] if fit_intercept else []), *used], dtype=np.intp)
    R = np.zeros((0, len(places)))
    for block in rows.blocks():
        X = rows.columns.with_intercept(block, fit_intercept)[block.weight > 0][:, places]
        with one_blas_thread():
            R = qr(np.vstack([R, X]), mode="r", check_finite=False)[0][: len(places)]
    kept, found = np.zeros(0, dtype=np.intp), []
    Q, triangle = np.zeros((len(R), 0)), np.zeros((0, 0))
    for j, place in enumerate(places):
        shares = Q.T @ R[:, j]
        rest = R[:, j] - Q @ shares
        more = Q.T @ rest
        shares, rest = shares + more, rest - Q @ more
        length, left = np.linalg.norm(R[:, j]), np.linalg.norm(rest)
        if left > _DEPENDENT * length:
            Q = np.column_stack([Q, rest / left])
            triangle = np.block([[triangle, shares[:, None]], [np.zeros((1, len(kept))), np.array([[left]])]])
            kept = np.append(kept, j)
            continue
        factors = solve_triangular(triangle, shares) if len(kept) else np.zeros(0)
        others = places[kept]
        raw = factors * size[place] / np.where(others == -1, 1.0, size[others])
        counted = (np.abs(factors) > _ZERO * max(np.abs(factors).max(initial=0.0), 1e-300)) & (others != -1)
        centre = shift[place] - float(raw[others != -1] @ shift[others[others != -1]])
        constant = float(centre + raw[others == -1].sum()) if fit_intercept else 0.0
        pairs = tuple((int(other), float(factor)) for other, factor in zip(others[counted], raw[counted], strict=True))
        found.append(Alias(int(place), pairs, constant))
    return tuple(sorted(found, key=lambda alias: alias.column))


def sizes_and_centres(rows: Rows, fit_intercept: bool) -> tuple[Array, Array, Array]:
    """Half the range of each column, or its largest entry, where its middle is, and how many
    entries are not zero."""
    n_entries = np.zeros(rows.n_features, dtype=np.int64)
    least, most = np.full(rows.n_features, np.inf), np.full(rows.n_features, -np.inf)
    for block in rows.blocks():
        X: Any = block.X
        low, high, nonzero = X.min(axis=0), X.max(axis=0), (X != 0).sum(axis=0)
        n_entries += np.asarray(nonzero).ravel()
        if rows.is_sparse:
            low, high = low.toarray().ravel(), high.toarray().ravel()
        least, most = np.minimum(least, low), np.maximum(most, high)
    shift = (least + most) / 2 if fit_intercept else np.zeros_like(least)
    size = np.maximum(np.abs(least - shift), np.abs(most - shift))
    return np.where(size > 0, size, 1.0), shift, n_entries
