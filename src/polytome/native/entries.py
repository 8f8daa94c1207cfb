"""Hessians of sparse rows, as sums of the products of each row's own entries.

A row of a few entries has few products, however many columns there are; a Gram matrix of dense
blocks has all of them. The sums are of raw columns. Where these are shifted, the shift is taken out
of the sums, which costs digits where a column's mean dwarfs its deviation: there, dense blocks are
formed after all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.native.arrays import doubles, loss_name
from polytome.native.stored_rows import StoredRows
from polytome.passes import Derivatives, Sums

Array = NDArray[Any]

__all__ = ["PRODUCT_IN_OPERATIONS", "derivatives_of_entries", "products_pay"]

PRODUCT_IN_OPERATIONS = 6
"""Operations of dense blocks, which stay in registers, in the time in which a product is added to
memory."""
_FEW_OPERATIONS = 1e7  # of dense blocks: a millisecond, as turning sums of raw columns into standard ones takes
_LARGEST_SUMS = 2**26  # numbers: half a gigabyte in each thread
_PRODUCTS_PER_SUM = 8  # of a block, at least: its sums are set to zero before and added up after
_DIGITS_LEFT = 1e-7  # of a column's square, what the shift must leave


def products_pay(rows: StoredRows, n_columns: int, n_sums: int) -> bool:
    """Whether products of entries cost less than dense blocks.

    Args:
        rows: a CSR matrix.
        n_columns: the intercept's included.
        n_sums: entries of the Hessian of a row's scores.
    """
    if not rows.is_csr or n_sums * n_columns**2 > _LARGEST_SUMS:
        return False
    dense = n_sums * len(rows.block.weight) * n_columns**2 / 2
    return bool(PRODUCT_IN_OPERATIONS * n_sums * rows.entry_products + _FEW_OPERATIONS <= dense)


def derivatives_of_entries(
    instructions: str, a_pass: Derivatives, rows: StoredRows, dense: Callable[[], Sums]
) -> tuple[Callable[[], float], Callable[[float], Sums]]:
    """The call that adds up the products, and what turns them into the pass's results.

    Args:
        instructions: an instruction set.
        a_pass: what is to be added up.
        rows: a CSR matrix.
        dense: the same from dense blocks, for columns whose shift leaves too few digits.
    """
    n_columns, n_outputs = a_pass.W.shape
    n_sums = n_outputs if a_pass.loss.separable else n_outputs * (n_outputs + 1) // 2
    raw = doubles(a_pass.columns.to_raw(a_pass.W))
    sums = np.zeros(raw.size + n_sums * n_columns**2)
    each = max(_PRODUCTS_PER_SUM * n_columns**2 * len(rows.ends) // max(rows.entry_products, 1), 1)
    ends = np.ascontiguousarray(np.append(rows.ends[each - 1 : -1 : each], rows.ends[-1]))
    compute = partial(
        rows.bound.entry_derivatives, instructions, loss_name(a_pass.loss, rows.block.target), raw, ends, sums
    )

    def results(value: float) -> Sums:
        products = sums[raw.size :].reshape(n_columns, n_columns, n_sums)
        if not _keeps_digits(a_pass, products):
            return dense()
        gradient = a_pass.columns.from_raw(sums[: raw.size].reshape(raw.shape))
        if not a_pass.fit_intercept:
            gradient[-1] = 0.0
        grams = [_standardised(a_pass, products[:, :, place]) for place in range(n_sums)]
        if a_pass.loss.separable:
            return np.asarray(value), gradient, np.stack(grams)
        hessian = np.empty((n_outputs, n_columns, n_outputs, n_columns))
        pairs = ((k, other) for k in range(n_outputs) for other in range(k + 1))
        for (k, other), gram in zip(pairs, grams, strict=True):
            hessian[k, :, other] = hessian[other, :, k] = gram
        return np.asarray(value), gradient, hessian.reshape(1, a_pass.W.size, a_pass.W.size)

    return compute, results


def _keeps_digits(a_pass: Derivatives, products: Array) -> bool:
    """Whether the shift leaves some digits of the sum of each column's squares; all numbers are
    finite then."""
    shift, n_outputs = a_pass.columns.shift[:, None], a_pass.W.shape[1]
    # Those of the diagonals, which have no signs.
    chosen = [place if a_pass.loss.separable else place * (place + 3) // 2 for place in range(n_outputs)]
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("iik->ik", products)[:-1, chosen]
        means, weights = products[-1, :-1, chosen].T, products[-1, -1, chosen]
        left = squares - 2 * shift * means + shift**2 * weights
        return bool((np.isfinite(left) & (left >= _DIGITS_LEFT * shift**2 * weights)).all())


def _standardised(a_pass: Derivatives, products: Array) -> Array:
    """The sum of the products of standardised columns, both triangles, from the lower one of raw
    columns."""
    gram = np.tril(products)
    gram += np.tril(products, -1).T
    shift, scale = a_pass.columns.shift, a_pass.columns.scale
    means, weight = gram[-1, :-1].copy(), gram[-1, -1]
    shifted = np.multiply.outer(shift, means - 0.5 * weight * shift)
    gram[:-1, :-1] -= shifted
    gram[:-1, :-1] -= shifted.T
    gram[:-1, :-1] *= scale
    gram[:-1, :-1] *= scale[:, None]
    gram[-1, :-1] = gram[:-1, -1] = (means - shift * weight) * scale * a_pass.fit_intercept
    gram[-1, -1] = weight * a_pass.fit_intercept
    return gram
