"""Rows that `partial_fit` keeps as values for JSON and tensors, and their way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.plain.kinds import LARGEST_COUNT, Kind, refuse, whole
from polytome.solvers.running_kept import Kept

Array = NDArray[Any]

__all__ = ["KEPT", "KEPT_TENSORS", "kept_from_saved", "kept_to_saved"]

KEPT: dict[str, Kind] = {name: whole(0, LARGEST_COUNT) for name in ("most", "quota", "arrival")}
"""What each value may be."""
_DENSE, _SPARSE = ("kept_rows",), ("kept_entries", "kept_columns", "kept_bounds")
_OF_ROWS = ("kept_codes", "kept_weight", "kept_identities")
KEPT_TENSORS = (*_DENSE, *_SPARSE, *_OF_ROWS)
"""The names of all tensors that there can be."""


def kept_to_saved(kept: Kept) -> tuple[dict[str, Any], dict[str, Array]]:
    """Rows that are kept as values for JSON, and their tensors."""
    tensors: dict[str, Array] = dict(zip(_OF_ROWS, (kept.codes, kept.weight, kept.identities), strict=True))
    if sparse.issparse(kept.X):
        X: Any = kept.X
        tensors |= dict(zip(_SPARSE, (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), strict=True))
    else:
        tensors |= dict(zip(_DENSE, (kept.X,), strict=True))
    return {name: getattr(kept, name) for name in KEPT}, tensors


def kept_from_saved(
    saved: dict[str, Any], tensors: Mapping[str, Array], n_features: int, n_classes: int, n_rows: int
) -> Kept:
    """Rows that are kept, once all their parts fit each other.

    Args:
        saved: as `KEPT` wants it.
        tensors: those of the file, without what their names begin with.
        n_features: of the model.
        n_classes: of which rows have come.
        n_rows: that have come.

    Raises:
        FileError: they do not.
    """
    form = _DENSE if "kept_rows" in tensors else _SPARSE
    found, needed = {name for name in tensors if name in KEPT_TENSORS}, {*form, *_OF_ROWS}
    if found != needed:
        refuse(f"its kept rows have the tensors {sorted(found)}, and should have {sorted(needed)}")
    codes, weight, identities = (tensors[name] for name in _OF_ROWS)
    size = len(codes) if codes.ndim == 1 else 0
    types = (np.int64, np.float64, np.uint64)
    for name, dtype in zip(_OF_ROWS, types, strict=True):
        if tensors[name].dtype != dtype or tensors[name].shape != (size,):
            refuse(f"the tensor state_{name} is not {np.dtype(dtype)} with a value for each kept row")
    if not 0 < size <= min(max(saved["most"], n_classes), n_rows):
        refuse(f"{size} rows are kept, of {n_rows} and at most {saved['most']}")
    if not ((codes >= 0) & (codes < n_classes)).all() or len(np.unique(codes)) < n_classes:
        refuse("the tensor state_kept_codes does not name all classes, or others")
    if not (np.isfinite(weight) & (weight > 0)).all() or not (identities[1:] > identities[:-1]).all():
        refuse("the kept rows have no weights, or are not in the order of their identities")
    if not 1 <= saved["quota"] <= max(saved["most"], 1) or np.bincount(codes).max() > saved["quota"]:
        refuse("more rows of a class are kept than there may be")
    if saved["arrival"] >= n_rows:
        refuse("state.kept.arrival is later than the last row")
    X: Any = tensors["kept_rows"] if form is _DENSE else _sparse_rows(tensors, size, n_features)
    if X.ndim != 2 or X.shape != (size, n_features) or not _is_sound(X.data if form is _SPARSE else X):
        refuse(f"the kept rows are not finite numbers of shape ({size}, {n_features})")
    return Kept(saved["most"], saved["quota"], saved["arrival"], X, codes, weight, identities)


def _sparse_rows(tensors: Mapping[str, Array], size: int, n_features: int) -> Any:
    """A CSR matrix whose indices lie within its shape, those of each row growing."""
    entries, columns, bounds = (tensors[name] for name in _SPARSE)
    if columns.dtype != np.int64 or bounds.dtype != np.int64 or bounds.shape != (size + 1,):
        refuse("the bounds and columns of the kept rows are not whole numbers")
    if entries.ndim != 1 or columns.shape != entries.shape:
        refuse("the kept rows have not one column for each entry")
    if bounds[0] != 0 or bounds[-1] != len(entries) or (np.diff(bounds) < 0).any():
        refuse("the tensor state_kept_bounds does not divide the entries into rows")
    if ((columns < 0) | (columns >= n_features)).any():
        refuse("the tensor state_kept_columns names a column that there is not")
    places = np.repeat(np.arange(size), np.diff(bounds))
    if ((np.diff(columns) <= 0) & (np.diff(places) == 0)).any():
        refuse("the tensor state_kept_columns does not name different columns in order")
    return sparse.csr_matrix((entries, columns, bounds), shape=(size, n_features))


def _is_sound(numbers: Array) -> bool:
    """Whether they are real numbers, all finite."""
    return numbers.dtype.kind in "iu" or (numbers.dtype.kind == "f" and bool(np.isfinite(numbers).all()))
