"""Passes over rows in compiled code, one read of the rows as they are stored, and the one table
that offers them.

What a pass means is its NumPy definition, `of_block`, which also runs wherever compiled code does
not: where the extension could not be built, for losses and matrices that it does not know, and with
the environment variable `POLYTOME_NATIVE=0`. It is told where blocks end, and adds up the blocks in
their order.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.losses import Loss
from polytome.native.arrays import csr_entries, doubles, loss_name, reads_as_is
from polytome.native.coordinate_ascent import DualSteps
from polytome.native.descent import Box, Groups, descend, descend_in_groups
from polytome.native.entries import PRODUCT_IN_OPERATIONS, products_pay
from polytome.native.libsvm_lines import read_lines
from polytome.native.side_by_side import Room, write_dense, write_sparse
from polytome.native.stored_rows import FEW_ROWS, StoredRows, _passes
from polytome.native.twins import TWINS, EachBlock, Whole, forms_derivatives
from polytome.passes import Block, Columns, Pass, Sums, added_up
from polytome.threads import available_threads

if _passes is not None:
    atexit.register(_passes.end_passes)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_passes.forget_other_threads)

__all__ = [
    "Box",
    "DualSteps",
    "EachBlock",
    "Groups",
    "Link",
    "Room",
    "StoredRows",
    "Whole",
    "dual_steps",
    "gram_descent",
    "group_descent",
    "hessian_operations",
    "instruction_set",
    "instruction_sets",
    "libsvm_lines",
    "linked_scores",
    "makes_derivatives",
    "makes_dual_steps",
    "makes_predictions",
    "newton_points",
    "reduce_block",
    "rows_of_columns",
    "work_of",
]

Array = NDArray[Any]
Link = Literal["scores", "softmax", "sigmoids", "probabilities", "logarithms", "places"]
"""What scores are turned into: nothing else; the softmax of each row; the sigmoid of each score;
probabilities, which are the softmax, or the sigmoids of minus and plus a single score; their
logarithms; or the place of the largest score, of a single one 1 where it is positive."""
_OF_BOTH_CLASSES = ("probabilities", "logarithms")


def instruction_sets() -> tuple[str, ...]:
    """The instruction sets that this processor and this build have in common, the best first; empty
    without extension.

    Example:
        >>> set(instruction_sets()) <= {"avx512", "avx2", "portable"}
        True
    """
    return () if _passes is None else tuple(_passes.instruction_sets())


@cache
def instruction_set() -> str | None:
    """The instruction set in use, None where NumPy does the work: `POLYTOME_NATIVE`, else the best
    there is.

    `POLYTOME_NATIVE` is 0 (NumPy), 1 or empty (the best) or one of `instruction_sets()`; it is read
    once.

    Raises:
        ArgumentError: the variable has another value.

    Example:
        >>> instruction_set() in (None, *instruction_sets())
        True
    """
    setting = os.environ.get("POLYTOME_NATIVE", "").strip()
    offered = instruction_sets()
    if setting in ("", "1"):
        return offered[0] if offered else None
    if setting != "0" and setting not in offered:
        raise ArgumentError(
            f"environment variable POLYTOME_NATIVE={setting!r}: needs one of {', '.join(('0', '1', *offered))}"
        )
    return None if setting == "0" else setting


def work_of(a_pass: Pass, rows: StoredRows) -> Whole | EachBlock:
    """Who does a pass over rows in memory, and how: compiled code where the table has a twin that
    suits, else NumPy.

    Args:
        a_pass: one of `polytome.passes`, or any other.
        rows: the rows.

    Example:
        >>> import numpy as np
        >>> from polytome.passes import ProductOfColumns
        >>> block = Block(np.eye(2), np.dtype(float), np.ones((2, 1)), np.ones(2))
        >>> type(work_of(ProductOfColumns(), StoredRows.of_single(block))).__name__
        'EachBlock'
    """
    instructions, twin = instruction_set(), TWINS.get(type(a_pass))
    if instructions is not None and twin is not None and rows.is_array_by_block:
        return EachBlock(partial(reduce_block, a_pass, threads=1))  # blocks share the threads already
    if instructions is None or twin is None or not twin.suits(a_pass, rows):
        return EachBlock(a_pass.of_block)
    return twin.work(instructions, a_pass, rows)


def newton_points(
    loss: Loss, rows: StoredRows, columns: Columns, fit_intercept: bool, quadratic: Array, total_weight: float
) -> Callable[[Array, Array], float] | None:
    """What fills results for coefficients of shape (n_outputs, n_features + 1), and returns the sum
    of the rows' losses; None where NumPy does the work. See `polytome.curvature.newton_point`.

    Args:
        loss: of the rows.
        rows: an array, or others, which NumPy reads.
        columns: how the rows are centred and scaled.
        fit_intercept: whether the intercept may move away from zero.
        quadratic: of the penalty, for each column, shape (n_features,).
        total_weight: of the rows.
    """
    instructions, name = instruction_set(), loss_name(loss, rows.block.target)
    if instructions is None or not rows.is_dense or not name:
        return None
    bound, standard = rows.bound, (doubles(columns.shift), doubles(columns.scale), fit_intercept)
    quadratic = doubles(quadratic)

    def compute(coefficients: Array, results: Array) -> float:
        found: float = bound.newton_point(instructions, name, coefficients, *standard, quadratic, total_weight, results)
        return found

    return compute


def makes_predictions(X: Any) -> bool:
    """Whether compiled code makes the predictions of a matrix's rows; they are in float64, whatever
    the matrix is stored in."""
    return instruction_set() is not None and reads_as_is(X)


def linked_scores(X: Any, coefficients: Array, intercepts: Array, link: Link) -> tuple[bool, Array]:
    """Whether all scores of rows are finite, and what the link makes of them, in float64.

    The rows are not bound first: binding would take as long as a prediction.

    Args:
        X: an array or a CSR matrix, (n, n_features), of which compiled code makes predictions.
        coefficients: shape (n_outputs, n_features), float64 in any order.
        intercepts: shape (n_outputs,), float64.
        link: what scores are turned into.

    Raises:
        IndexError: a column index is out of range.
        ValueError: the pointers of a sparse matrix do not grow.
    """
    instructions, n_rows, width = instruction_set(), X.shape[0], len(intercepts)
    assert instructions is not None
    if link == "places":
        width = 1
    elif width == 1 and link in _OF_BOTH_CLASSES:
        width = 2
    result = np.empty((n_rows, width))
    threads = 1 if n_rows < FEW_ROWS else available_threads()
    if isinstance(X, np.ndarray):
        return _passes.predict_dense(instructions, X, link, coefficients, intercepts, result, threads), result
    data, indices, bounds = csr_entries(X)
    return _passes.predict_sparse(
        instructions, data, indices, bounds, link, coefficients, intercepts, result, threads
    ), result


def reduce_block(a_pass: Pass, block: Block, threads: int | None = None) -> Sums:
    """The result of a pass for one block of rows, by so many threads, or as many as pay off.

    Example:
        >>> import numpy as np
        >>> from polytome.passes import RowSquares, Columns
        >>> block = Block(np.array([[3.0, 4.0]]), np.dtype(float), np.zeros(1), np.ones(1))
        >>> reduce_block(RowSquares(Columns.identity(2)), block)
        (array([25.]),)
    """
    work = work_of(a_pass, StoredRows.of_single(block, threads))
    if isinstance(work, EachBlock):
        return added_up([work.of_block(block)], a_pass.joined)
    return work.results(work.compute())


def makes_dual_steps(loss: Loss, rows: StoredRows) -> bool:
    """Whether compiled code makes the steps of dual coordinate ascent, for a loss of
    probabilities."""
    return instruction_set() is not None and rows.is_csr and loss_name(loss, rows.block.target) != ""


def dual_steps(
    loss: Loss, rows: StoredRows, curvature: Array, scale_squares: Array, per_weight: float, intercept_square: float
) -> DualSteps:
    """The steps of dual coordinate ascent, on the instruction set in use; see `DualSteps`."""
    instructions = instruction_set()
    assert instructions is not None
    return DualSteps(instructions, loss, rows, curvature, scale_squares, per_weight, intercept_square)


def makes_derivatives(n_columns: int, n_coefficients: int) -> bool:
    """Whether compiled code forms Hessians of this many columns, the intercept's included, and
    coefficients."""
    return instruction_set() is not None and forms_derivatives(n_columns, n_coefficients)


def hessian_operations(rows: StoredRows, n_columns: int, n_sums: int) -> float | None:
    """Operations, as many as fit into its time, of a Hessian that is made of products of entries;
    None where dense blocks cost less, or all there are.

    Args:
        rows: the rows.
        n_columns: the intercept's included.
        n_sums: entries of the Hessian of a row's scores.
    """
    if instruction_set() is None or not products_pay(rows, n_columns, n_sums):
        return None
    return 2.0 * PRODUCT_IN_OPERATIONS * n_sums * rows.entry_products


def gram_descent(
    H: Array,
    corner: Array,
    gradient: Array,
    coefficients: Array,
    sweeps: int,
    tolerance: float,
    box: Box | None = None,
) -> int:
    """Sweeps of coordinate descent on a quadratic model with absolute values, in place; see
    `polytome.native.descent`."""
    return descend(instruction_set() is not None, H, corner, gradient, coefficients, sweeps, tolerance, box)


def group_descent(
    H: Array,
    groups: Groups,
    corner: Array,
    absolute: Array,
    gradient: Array,
    coefficients: Array,
    sweeps: int,
    tolerance: float,
) -> int:
    """Sweeps over the groups of a quadratic model with norms, in place; see
    `polytome.native.descent`."""
    compiled = instruction_set() is not None
    return descend_in_groups(compiled, H, groups, corner, absolute, gradient, coefficients, sweeps, tolerance)


def rows_of_columns(
    columns: Sequence[Array], widths: Sequence[int], *, is_sparse: bool, room: Room | None = None
) -> Any:
    """The columns of a table as rows: a CSR matrix without zeros, or an array.

    Args:
        columns: each (n,): numbers, float64; or levels, whole numbers of which each is a column of
            ones and zeros, -1 for none.
        widths: how many columns each becomes.
        is_sparse: whether a CSR matrix is wanted.
        room: where they are written; None for fresh memory.

    Example:
        >>> rows_of_columns([np.array([0.5, 2.0]), np.array([1, -1])], [1, 2], is_sparse=False)
        array([[0.5, 0. , 1. ],
               [2. , 0. , 0. ]])
    """
    starts = np.cumsum([0, *widths], dtype=np.int64)
    write = write_sparse if is_sparse else write_dense
    return write(instruction_set() is not None, columns, starts[:-1], int(starts[-1]), room or Room())


def libsvm_lines(text: bytes) -> tuple[Array, Array, Array, Array] | None:
    """Whole lines of libsvm text as labels, numbers of entries, columns from 0 and values; None
    where they are for the reader in Python.

    Example:
        >>> libsvm_lines(b"# a comment is for Python") is None
        True
    """
    return None if instruction_set() is None else read_lines(text)
