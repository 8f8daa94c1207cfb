"""The folds of a cross-validation: training rows and held-out rows, checked before any work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.models.labels import Labels

Array = NDArray[Any]
Fold = tuple[Array, Array]
"""Training rows and held-out rows, as numbers of rows."""

__all__ = ["MIN_FOLDS", "Fold", "checked_folds"]

MIN_FOLDS = 2
"""Folds that a choice needs."""


def checked_folds(cv: Any, X: Any, labels: Labels, weight: Array, groups: Any) -> list[Fold]:
    """The folds, each with all classes in its training rows.

    Raises:
        ArgumentError: `cv` makes no folds.
        DataError: there are fewer rows than folds, or a fold lacks a class.
    """
    groups = _checked_groups(groups, len(weight))
    try:
        pairs = list(_pairs(cv, X, labels, groups))
    except DataError:
        raise
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"cv={cv!r} makes no folds of these rows: {error}") from error
    if not pairs:
        raise ArgumentError(f"cv={cv!r}: makes no folds; needs pairs of training rows and held-out rows")
    folds = []
    for number, pair in enumerate(pairs, start=1):
        try:
            train, held_out = (_rows_of_fold(part, len(weight)) for part in pair)
        except (TypeError, ValueError, IndexError) as error:
            raise ArgumentError(
                f"cv: fold {number} is not a pair of training rows and held-out rows, numbers from 0 to "
                f"{len(weight) - 1}: {error}"
            ) from error
        _check_fold(number, train, held_out, labels, weight)
        folds.append((train, held_out))
    return folds


def _rows_of_fold(part: Any, n_rows: int) -> Array:
    """Numbers of rows, from numbers or booleans."""
    rows = np.asarray(part)
    rows = np.flatnonzero(rows) if rows.dtype == np.bool_ and rows.shape == (n_rows,) else rows
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ValueError(f"rows of type {rows.dtype} and shape {rows.shape}")
    if len(rows) and not (rows.min() >= 0 and rows.max() < n_rows):
        raise IndexError(f"row {rows.max() if rows.max() >= n_rows else rows.min()}")
    return rows.astype(np.intp)


def _check_fold(number: int, train: Array, held_out: Array, labels: Labels, weight: Array) -> None:
    """Raises DataError where nothing can be learned or judged."""
    if not weight[held_out].sum() > 0:
        raise DataError(f"fold {number} holds out no rows that count: use fewer folds, or another splitter")
    totals = np.bincount(labels.target[train], weights=weight[train], minlength=len(labels.classes))
    if (absent := np.flatnonzero(totals == 0)).size:
        label = labels.classes.tolist()[absent[0]]
        few = "have rows of one class only" if len(absent) == len(labels.classes) - 1 else f"lack the class {label!r}"
        raise DataError(
            f"fold {number}: its training rows {few}, so that nothing could be learned of the others; use fewer folds, "
            "or leave out classes that have fewer rows than folds"
        )


def _checked_groups(groups: Any, n_rows: int) -> Array | None:
    """One group for each row."""
    if groups is None:
        return None
    found: Array = np.asarray(groups)
    if found.shape != (n_rows,):
        raise DataError(f"groups has shape {found.shape}, X has {n_rows} rows: give one group per row")
    return found


def _pairs(cv: Any, X: Any, labels: Labels, groups: Array | None) -> Iterator[Any]:
    """Training rows and held-out rows of each fold."""
    is_flag = isinstance(cv, bool | np.bool_)
    if isinstance(cv, Integral) and not is_flag:
        yield from _stratified(int(cv), X, labels, groups)
    elif hasattr(cv, "split") and not isinstance(cv, str | bytes):
        yield from cv.split(X, labels.target, groups)
    elif is_flag or isinstance(cv, str | bytes) or not hasattr(cv, "__iter__"):
        raise TypeError("needs how many folds, a splitter of scikit-learn, or pairs of training and held-out rows")
    else:
        yield from cv


def _stratified(n_folds: int, X: Any, labels: Labels, groups: Array | None) -> Iterator[Any]:
    """As many folds, with about the same share of each class."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_rows, counts = len(labels.target), np.bincount(labels.target)
    if n_folds < MIN_FOLDS:
        raise TypeError("needs 2 folds or more")
    if n_rows < n_folds:
        raise DataError(f"cv={n_folds}: there are {n_rows} rows, fewer than folds; use fewer folds")
    if groups is not None:
        if (n_groups := len(np.unique(groups))) < n_folds:
            raise DataError(f"cv={n_folds}: there are {n_groups} groups, fewer than folds; use fewer folds")
        yield from StratifiedGroupKFold(n_folds).split(X, labels.target, groups)
        return
    if counts.max() < n_folds:
        raise DataError(
            f"cv={n_folds}: no class has as many rows as there are folds, the largest {counts.max()}; use fewer folds"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of small classes: a fold that lacks one is refused
        yield from StratifiedKFold(n_folds).split(X, labels.target)
