"""From the user's labels and weights to the codes, probabilities and row weights that a loss takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError

Array = NDArray[Any]

__all__ = [
    "Labels",
    "check_every_class_counts",
    "hard_labels",
    "is_soft",
    "label_table",
    "refuse_constant_labels",
    "refuse_mixed_labels",
    "row_weights",
    "soft_labels",
]


@dataclass(frozen=True)
class Labels:
    """The classes in order, and for each row its code, shape (n,), or its probabilities, shape (n, n_classes)."""

    classes: Array
    target: Array

    @property
    def is_soft(self) -> bool:
        """Whether rows carry probabilities instead of one class."""
        return self.target.ndim == 2


def is_soft(y: Any) -> bool:
    """Whether y has several columns: soft labels, one probability per class."""
    shape = np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def refuse_mixed_labels(y: Array) -> None:
    """Raises DataError where labels of different types, or None, stand beside each other, naming the first row."""
    if y.dtype.kind != "O":
        return
    first = type(y[0])
    for row, label in enumerate(y.tolist()):
        if label is None or not isinstance(label, first):
            raise DataError(f"y[{row}] = {label!r} beside {y[0]!r}: give every row a label, all of one type")


def hard_labels(y: Array, weight: Array) -> Labels:
    """Codes of the classes that occur in rows of positive weight.

    Raises:
        DataError: fewer than two classes.
    """
    present = weight > 0
    classes, codes = _classes_and_codes(y, present)
    if len(classes) < 2:
        where = "" if present.all() else " among the rows of positive weight"
        only = classes.tolist()[0]
        raise DataError(f"y has only one class, {only!r}{where}: a classifier needs rows of at least two classes")
    return Labels(classes, codes)


def _classes_and_codes(y: Array, present: Array) -> tuple[Array, Array]:
    """The labels of rows that are present, sorted, and the place of each row's label among them."""
    if y.dtype.kind in "iu" and y.dtype != np.uint64:
        smallest = int(y.min())
        if int(y.max()) - smallest < len(y):  # a table of all numbers between is no larger than y, and sorts by itself
            offsets = y.astype(np.int64, copy=False) - smallest
            found = np.bincount(offsets, weights=present) > 0
            classes = (np.flatnonzero(found) + smallest).astype(y.dtype)
            return classes, np.maximum(np.cumsum(found) - 1, 0)[offsets]
    classes = np.unique(y[present])
    return classes, np.minimum(np.searchsorted(classes, y), len(classes) - 1)  # a row of weight 0 may hold another one


def soft_labels(y: Any) -> Labels:
    """Probabilities of each class, one row per row of X; the classes are the column names of a frame, else 0, 1, 2, ...

    Raises:
        DataError: an entry is negative or not finite, or a row does not add up to one.
    """
    names = getattr(y, "columns", None)
    target = np.asarray(y, dtype=np.float64)
    bad = ~np.isfinite(target) | (target < 0)
    if bad.any():
        row, column = map(int, np.argwhere(bad)[0])
        raise DataError(f"y[{row}, {column}] = {target[row, column]}: soft labels are probabilities, from 0 to 1")
    sums = target.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > 1e-6)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"row {row} of y adds up to {sums[row]:.6g}: a y with several columns holds the probability of each class, "
            "adding up to 1 in each row; for one label per row give a y of one dimension"
        )
    classes = np.arange(target.shape[1]) if names is None else np.asarray(list(names))
    return Labels(classes, target / sums[:, None])


def row_weights(sample_weight: Any, n_rows: int) -> Array:
    """Row weights as float64; ones if None.

    Raises:
        DataError: wrong length, a negative or non-finite weight, or all of them zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n_rows, float(weight))
    if weight.shape != (n_rows,):
        raise DataError(f"sample_weight has shape {weight.shape}, X has {n_rows} rows: give one weight per row")
    bad = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(bad):
        row = int(bad[0])
        raise DataError(f"sample_weight[{row}] = {weight[row]}: weights must be finite and not negative")
    if not weight.any():
        raise DataError("sample_weight is zero for every row: at least two rows must count")
    return weight


def class_weights(class_weight: object, labels: Labels, weight: Array) -> Array:
    """Row weights times the weight of each row's class.

    "balanced" gives every class the same total, counting rows by their weights, so that weight 2 still equals two rows.

    Raises:
        ArgumentError: neither None, "balanced" nor a mapping from classes to weights that are not negative.
    """
    if class_weight is None:
        return weight
    if labels.is_soft:
        raise ArgumentError("class_weight cannot be used with soft labels: put the weights into sample_weight")
    n_classes = len(labels.classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(labels.target, weights=weight, minlength=n_classes)
        per_class = weight.sum() / (n_classes * counts)
    elif isinstance(class_weight, Mapping):
        known = {label: code for code, label in enumerate(labels.classes.tolist())}
        per_class = np.ones(n_classes)
        for label, value in class_weight.items():
            if not (isinstance(value, Real) and np.isfinite(float(value)) and float(value) > 0):
                raise ArgumentError(f"class_weight[{label!r}] = {value!r}: needs a positive finite number")
            if label in known:
                per_class[known[label]] = value
    else:
        raise ArgumentError(f"class_weight={class_weight!r}: needs None, 'balanced' or a dict from class to weight")
    result: Array = weight * per_class[labels.target]
    return result


def check_every_class_counts(labels: Labels, weight: Array) -> None:
    """Raises DataError where a class has no weight at all: its optimal score would be minus infinity."""
    if labels.is_soft:
        totals = weight @ labels.target
    else:
        totals = np.bincount(labels.target, weights=weight, minlength=len(labels.classes))
    empty = np.flatnonzero(totals <= 0)
    if len(empty):
        name = labels.classes.tolist()[int(empty[0])]
        raise DataError(
            f"class {name!r} has weight 0 in total, so no finite coefficients would be optimal: leave its rows out "
            "(with soft labels, its column of y), or give it a positive weight"
        )


def label_table(y: Any) -> Array:
    """y as (n, L) numbers from 0 to 1: bytes where they are whole.

    Raises:
        DataError: y is not a table, or has an entry outside.
    """
    if y is None:
        raise DataError("MultilabelLogistic requires y to be passed, but the target y is None")
    try:
        table = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    except ValueError as error:
        raise DataError(
            "y has rows of unequal length: sklearn.preprocessing.MultiLabelBinarizer makes a column per label of lists"
        ) from error
    if table.ndim != 2 or table.shape[1] == 0:
        raise DataError(
            f"y has shape {table.shape}: MultilabelLogistic needs a column per label, (n, L); one label per row is for "
            "LogisticRegression or OneVsRest, lists of labels for sklearn.preprocessing.MultiLabelBinarizer"
        )
    try:
        values = table.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y holds {table.dtype}, not numbers: give 0 or 1 for each row and label") from error
    outside = np.argwhere(~((values >= 0) & (values <= 1)))
    if len(outside):
        row, column = map(int, outside[0])
        raise DataError(f"y[{row}, {column}] = {values[row, column]:g}: needs 0, 1 or a probability between them")
    whole = bool(np.isin(values, (0.0, 1.0)).all())
    return values.astype(np.uint8) if whole else values


def refuse_constant_labels(target: Array, names: Array) -> None:
    """Raises DataError where a label is never, or always, there: its intercept would be infinite."""
    never, always = (target == 0).all(axis=0), (target == 1).all(axis=0)
    for column in np.flatnonzero(never | always):
        raise DataError(
            f"label {names.tolist()[column]!r} is {'1' if always[column] else '0'} in every row of positive weight: "
            "there is nothing to learn, and its intercept would be infinite; leave the column out"
        )
