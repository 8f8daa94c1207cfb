"""Columns on which the others depend exactly, such as all levels but one of a category beside an
intercept.

And, of a softmax that has some classes in each row, coefficients without which it can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf

from polytome.losses import labels_of
from polytome.numerics.exact_sums import exact_products
from polytome.objective import Objective
from polytome.passes import Block, Sums

Array = NDArray[Any]

__all__ = ["independent_columns", "independent_unknowns"]

_RANK_TOLERANCE = 1e-11  # of a diagonal entry: what is left of a column that depends on others
_DENOMINATOR = 64.0  # denominators of the factors that are looked for
_FRACTION_TOLERANCE = 1e-3
_NOISE = 1e-9  # of the largest change of a coefficient: what stands for none
_INTERCEPT_SCALE = 4.0  # so that the intercept's column is the first to be taken


def independent_columns(objective: Objective, blocks: Array, places: Array | None = None) -> Array | None:
    """Columns, the intercept's last, of which all others are sums with simple factors, exactly: a
    pass over the rows.

    Args:
        objective: says what the rows are.
        blocks: the Hessian at some coefficients, as from `Objective.hessian_blocks`.
        places: of the columns that the Hessian is of, among which some are sought; None for all,
            the intercept's last.

    Returns:
        Their places in order; None where no column was found to depend on others, or one does not
        exactly.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])  # two levels of a category
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(X, np.array([0, 1, 1, 0])))
        >>> len(independent_columns(objective, objective.hessian_blocks(np.zeros(objective.shape))))
        2
    """
    chosen, others, factors = _relations(objective, blocks, np.arange(objective.shape[0]) if places is None else places)
    if not len(others):
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
    """In how many blocks other columns are not, or not shown to be, what these factors make of the
    first ones.

    Args:
        others: the places of these columns.
        factors: for columns as they are stored, and the constant, (n_features + 1, n_others).
    """

    others: Array
    factors: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        return (np.asarray(float(_differs(_with_ones(block), self.others, self.factors))),)


def _relations(objective: Objective, blocks: Array, places: Array) -> tuple[Array, Array, Array]:
    """Columns that seem to be independent, the others, and the factors that make these of those,
    standardised."""
    n_columns, side = len(places), blocks.shape[1]
    gram = np.einsum("bkikj->ij", blocks.reshape(len(blocks), side // n_columns, n_columns, -1, n_columns))
    diagonal, intercept = gram.diagonal(), objective.rows.n_features
    scales = np.where(places == intercept, _INTERCEPT_SCALE, 1.0) / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    factor, order, rank, _ = dpstrf(gram * scales * scales[:, None], tol=_RANK_TOLERANCE, lower=1)
    order -= 1
    chosen, others = order[:rank], order[rank:]
    if not objective.fit_intercept:
        others = others[places[others] != intercept]
    dependent = factor[rank:][np.isin(order[rank:], others)]
    found = solve_triangular(factor[:rank, :rank], dependent[:, :rank].T, lower=True, trans="T")
    return places[chosen], places[others], found * scales[chosen, None] / scales[others]


def _raw_factors(objective: Objective, chosen: Array, others: Array, factors: Array) -> Array:
    """The factors for columns as they are stored, (n_features + 1, n_others); near simple fractions
    they are these."""
    columns = objective.rows.columns
    scale = np.append(columns.scale, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = factors * scale[chosen, None] / scale[others]
    raw = np.nan_to_num(_near_fractions(raw))
    found = np.zeros((len(scale), len(others)))
    found[chosen] = raw
    return found


def _near_fractions(numbers: Array) -> Array:
    """Simple fractions, for numbers that are near some."""
    near = np.rint(numbers * _DENOMINATOR)
    return np.where(np.abs(numbers * _DENOMINATOR - near) <= _FRACTION_TOLERANCE, near / _DENOMINATOR, numbers)


def _with_ones(block: Block) -> Array:
    X: Any = block.X
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    return np.hstack([dense, np.ones((len(block.weight), 1))])


def _differs(X: Array, others: Array, factors: Array) -> bool:
    """Whether a column is not the sum of others, or not shown to be: every operation has to be free
    of rounding."""
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


def independent_unknowns(objective: Objective, blocks: Array) -> Array | None:
    """Coefficients that can reach whatever scores of the kept classes all can reach, exactly: a
    pass over the rows.

    Changes of the others, each with one of these, have to leave the differences of these scores as
    they are.

    Args:
        objective: of `KeptClasses`, whose last class is held.
        blocks: the Hessian at some coefficients, as from `Objective.hessian_blocks`.

    Returns:
        Which they are, (n_outputs - 1, n_features + 1); None where it is not shown that they are
        enough.
    """
    n_columns, n_free = objective.shape[0], objective.shape[1] - 1
    H = blocks[0, : n_free * n_columns, : n_free * n_columns]
    diagonal = H.diagonal()
    scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scales[n_columns - 1 :: n_columns] *= _INTERCEPT_SCALE
    factor, order, rank, _ = dpstrf(H * scales * scales[:, None], tol=_RANK_TOLERANCE, lower=1)
    order -= 1
    chosen, others = order[:rank], order[rank:]
    free = np.zeros(H.shape[0], dtype=bool)
    free[chosen] = True
    if not objective.fit_intercept:
        others = others[others % n_columns != n_columns - 1]
    found = solve_triangular(factor[:rank, :rank], factor[rank:, :rank].T, lower=True, trans="T")
    found = found[:, np.isin(order[rank:], others)] * scales[chosen, None] / scales[others]
    changes = np.zeros((len(others), H.shape[0]))
    changes[:, chosen] = -found.T
    changes[np.arange(len(others)), others] = 1.0
    raw = np.empty((len(others), n_columns, n_free))
    columns = objective.rows.columns
    for place, (change, other) in enumerate(zip(changes, others, strict=True)):
        own = change.reshape(n_free, n_columns).T / np.append(1 / columns.scale, 1.0)[:, None]
        own[np.abs(own) < _NOISE * np.abs(own).max()] = 0.0
        own /= own[other % n_columns, other // n_columns]
        raw[place] = _near_fractions(own)
        # Equal for classes whose other coefficients are.
        raw[place, -1] = _near_fractions(own[-1] - columns.shift @ raw[place, :-1])
        # Rounded or not, together they have to reach whatever the others are changed by.
        again = columns.from_raw_coefficients(raw[place]).T.ravel()[others]
        again /= again[place]
        again[place] = 0.0
        if not np.abs(again).sum() < 0.5 or (raw[place, -1].any() and not objective.fit_intercept):
            return None
    with np.errstate(over="ignore", invalid="ignore"):
        (differing,) = objective.rows.reduce(_ChangedBlocks(raw)) if len(others) else (np.zeros(()),)
    return free.reshape(n_free, n_columns) if differing == 0 else None


@dataclass(frozen=True, eq=False)
class _ChangedBlocks:
    """In how many blocks changes of coefficients change, or may change, a difference of two scores
    that are kept.

    Args:
        changes: of coefficients for raw columns, (n_changes, n_features + 1, n_outputs - 1).
    """

    changes: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        X, kept = _with_ones(block), labels_of(block.target) >= 0
        for change in self.changes:
            # The last class is held. Classes whose coefficients change alike keep their
            # differences.
            ways, way = np.unique(np.column_stack([change, np.zeros(len(change))]) + 0.0, axis=1, return_inverse=True)
            way = way.reshape(-1)
            rest = ~_are_alike(np.broadcast_to(way.astype(np.float64), kept.shape), kept)
            moved = np.column_stack([_exact_scores(X[rest], own) for own in ways.T])[:, way]
            if not (_are_alike(moved, kept[rest]) & ~(np.isnan(moved) & kept[rest]).any(axis=1)).all():
                return (np.asarray(1.0),)
        return (np.asarray(0.0),)


def _are_alike(values: Array, kept: Array) -> Array:
    """For which rows the values that are kept are all the same, (n,)."""
    own = np.where(kept, values, np.nan)
    return np.asarray(np.fmax.reduce(own, axis=1) == np.fmin.reduce(own, axis=1))


def _exact_scores(X: Array, coefficients: Array) -> Array:
    """Scores of rows, (n,); NaN where an operation was not free of rounding."""
    total = np.zeros(len(X))
    for j in np.flatnonzero(coefficients):
        product, rest = exact_products(X[:, j], coefficients[j])
        added = total + product
        back = added - total
        rounded = (rest != 0) | (((total - (added - back)) + (product - back)) != 0)
        total = np.where(rounded, np.nan, added)
    return total
