"""Columns of a table become rows: compiled code writes what NumPy does, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.native.side_by_side import Room, write_dense, write_sparse

needs_extension = pytest.mark.skipif(not native.instruction_sets(), reason="the extension is not built")


def table(n_rows: int, seed: int) -> tuple[list[NDArray[Any]], NDArray[np.int64], int]:
    """Numbers, some of them zero, negative zero or missing, and levels, some of them none."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(4, n_rows)) * (rng.random((4, n_rows)) < 0.7)
    numbers[0, ::5], numbers[1, ::7] = np.nan, -0.0
    columns: list[NDArray[Any]] = []
    widths = [1, 3, 1, 1, 40, 1]
    for width in widths:
        columns.append(numbers[len(columns) % 4] if width == 1 else rng.integers(-1, width, n_rows))
    columns[-1] = columns[-1][::-1]
    columns[4] = columns[4].astype(np.int16)
    starts = np.cumsum([0, *widths], dtype=np.int64)
    return columns, starts[:-1], int(starts[-1])


@needs_extension
@pytest.mark.parametrize("n_rows", [0, 1, 63, 64, 65, 5_000])
def test_compiled_code_and_numpy_write_the_same_rows(n_rows: int) -> None:
    columns, starts, width = table(n_rows, n_rows)
    dense = [write_dense(is_compiled, columns, starts, width, Room()) for is_compiled in (False, True)]
    assert dense[0].shape == (n_rows, width)
    assert np.array_equal(dense[0], dense[1], equal_nan=True)
    found = [write_sparse(is_compiled, columns, starts, width, Room()) for is_compiled in (False, True)]
    for name in ("data", "indices", "indptr"):
        ours, numpys = getattr(found[1], name), getattr(found[0], name)
        assert ours.dtype == numpys.dtype
        assert np.array_equal(ours, numpys, equal_nan=ours.dtype.kind == "f")
    assert np.array_equal(found[1].toarray(), dense[0], equal_nan=True)


@needs_extension
def test_levels_beyond_the_columns_are_refused() -> None:
    with pytest.raises(IndexError, match="outside the columns"):
        write_dense(True, [np.array([3])], np.array([0]), 3, Room())


@needs_extension
def test_rows_that_are_mostly_zeros_keep_no_room_for_them() -> None:
    found = write_sparse(True, [np.zeros(1_000), np.ones(1_000), np.zeros(1_000)], np.arange(3), 3, Room())
    assert found.nnz == len(found.data) == len(found.indices) == 1_000
    base = found.data.base
    assert base is None or base.nbytes == found.data.nbytes


def test_rows_are_sparse_where_that_is_asked_for() -> None:
    columns = [np.array([0.0, 2.0]), np.array([1, -1])]
    dense = native.rows_of_columns(columns, [1, 2], is_sparse=False)
    found = native.rows_of_columns(columns, [1, 2], is_sparse=True)
    assert sparse.issparse(found)
    assert np.array_equal(found.toarray(), dense)
    assert np.array_equal(dense, [[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]])


@pytest.mark.parametrize("is_sparse", [False, True])
def test_room_is_used_again_only_when_nobody_holds_what_is_in_it(is_sparse: bool) -> None:
    room, columns = Room(), [np.arange(1.0, 200.0), np.arange(199) % 3]

    def write(factor: float) -> Any:
        return native.rows_of_columns([factor * columns[0], columns[1]], [1, 3], is_sparse=is_sparse, room=room)

    first, second = write(1.0), write(2.0)
    part = first[10:20]
    before = part.copy()
    places = {id(array) for array in room._arrays}
    del first, second
    for factor in range(3, 12):
        last = write(float(factor))
        assert last[[5], [0]] == 6.0 * factor
    assert abs(part - before).max() == 0
    assert places & {id(array) for array in room._arrays}
    assert len(room._arrays) <= 6
