"""Columns on which the others depend exactly, such as all levels but one of a category beside an intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf

from polytome.numerics.exact_sums import exact_products
from polytome.objective import Objective
from polytome.passes import Block, Sums

Array = NDArray[Any]

__all__ = ["independent_columns"]

_RANK_TOLERANCE = 1e-11  # of a diagonal entry: what is left of a column that depends on others
_DENOMINATOR = 64.0  # denominators of the factors that are looked for
_FRACTION_TOLERANCE = 1e-3
_INTERCEPT_SCALE = 4.0  # so that the intercept's column is the first to be taken


def independent_columns(objective: Objective, blocks: Array) -> Array | None:
    """Columns, the intercept's last, of which all others are sums with simple factors, exactly: a pass over the rows.

    Args:
        objective: says what the rows are.
        blocks: the Hessian at some coefficients, as from `Objective.hessian_blocks`.

    Returns:
        Their places in order; None where no column was found to depend on others, or one does not exactly.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])  # two levels of a category
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(X, np.array([0, 1, 1, 0])))
        >>> len(independent_columns(objective, objective.hessian_blocks(np.zeros(objective.shape))))
        2
    """
    chosen, others, factors = _relations(objective, blocks)
    if not (len(chosen) and len(others)):
        return None
    rows = objective.rows
    raw = _raw_factors(objective, chosen, others, factors)
    first = _with_ones(next(rows.blocks()))[:1]
    # The constant is the least accurate of the factors, and one row determines it.
    raw[-1] = 0.0
    raw[-1] = (first[:, others] - first @ raw)[0] if objective.fit_intercept else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        (differing,) = rows.reduce(_DifferingBlocks(others, raw))
    return np.sort(chosen) if differing == 0 else None


@dataclass(frozen=True, eq=False)
class _DifferingBlocks:
    """In how many blocks other columns are not, or not shown to be, what these factors make of the first ones.

    Args:
        others: the places of these columns.
        factors: for columns as they are stored, and the constant, (n_features + 1, n_others).
    """

    others: Array
    factors: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        return (np.asarray(float(_differs(_with_ones(block), self.others, self.factors))),)


def _relations(objective: Objective, blocks: Array) -> tuple[Array, Array, Array]:
    """Columns that seem to be independent, the others, and the factors that make these of those, standardised."""
    n_columns, side = objective.shape[0], blocks.shape[1]
    gram = np.einsum("bkikj->ij", blocks.reshape(len(blocks), side // n_columns, n_columns, -1, n_columns))
    diagonal = gram.diagonal()
    scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scales[-1] *= _INTERCEPT_SCALE
    factor, order, rank, _ = dpstrf(gram * scales * scales[:, None], tol=_RANK_TOLERANCE, lower=1)
    order -= 1
    chosen, others = order[:rank], order[rank:]
    if not objective.fit_intercept:
        others = others[others != n_columns - 1]
    dependent = factor[rank:][np.isin(order[rank:], others)]
    found = solve_triangular(factor[:rank, :rank], dependent[:, :rank].T, lower=True, trans="T")
    return chosen, others, found * scales[chosen, None] / scales[others]


def _raw_factors(objective: Objective, chosen: Array, others: Array, factors: Array) -> Array:
    """The factors for columns as they are stored, (n_features + 1, n_others); near simple fractions they are these."""
    columns = objective.rows.columns
    scale = np.append(columns.scale, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = factors * scale[chosen, None] / scale[others]
    numerators = np.rint(raw * _DENOMINATOR)
    raw = np.where(
        np.abs(raw * _DENOMINATOR - numerators) <= _FRACTION_TOLERANCE, numerators / _DENOMINATOR, np.nan_to_num(raw)
    )
    found = np.zeros((len(scale), len(others)))
    found[chosen] = raw
    return found


def _with_ones(block: Block) -> Array:
    X: Any = block.X
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    return np.hstack([dense, np.ones((len(block.weight), 1))])


def _differs(X: Array, others: Array, factors: Array) -> bool:
    """Whether a column is not the sum of others, or not shown to be: every operation has to be free of rounding."""
    for column, column_factors in zip(others, factors.T, strict=True):
        remainder = X[:, column].copy()
        for j in np.flatnonzero(column_factors):
            product, rest = exact_products(X[:, j], column_factors[j])
            difference = remainder - product
            rounded = difference - remainder
            if rest.any() or ((remainder - (difference - rounded)) - (product + rounded)).any():
                return True
            remainder = difference
        if not (remainder == 0).all():
            return True
    return False
