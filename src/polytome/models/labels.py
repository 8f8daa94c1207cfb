"""From the user's labels and weights to the codes, probabilities and row weights of a loss."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from polytome.errors import ArgumentError, DataError
from polytome.models.cells import is_missing, masked_place, vector
from polytome.models.settings import real_number
from polytome.numerics.totals import class_totals
from polytome.rows import on_host

Array = NDArray[Any]

__all__ = [
    "Labels",
    "class_weights",
    "hard_labels",
    "is_soft",
    "label_column",
    "label_table",
    "refuse_constant_labels",
    "row_weights",
    "smoothed",
    "soft_labels",
]


@dataclass(frozen=True)
class Labels:
    """The classes in order, and for each row its code, shape (n,), or its probabilities, shape
    (n, n_classes)."""

    classes: Array
    target: Array

    @property
    def is_soft(self) -> bool:
        """Whether rows carry probabilities instead of one class."""
        return self.target.ndim == 2

    def counting(self, weight: Array) -> tuple[Labels, Array]:
        """The labels of the classes that have weight, and the places of these among all, shape
        (n_counting,).

        Rows of weight zero may get another class. All as they are where every class has weight.
        """
        totals = weight @ self.target if self.is_soft else class_totals(self.target, weight, len(self.classes))
        places = np.flatnonzero(totals > 0)
        if len(places) == len(self.classes):
            return self, places
        if self.is_soft:
            target = np.where((weight > 0)[:, None], self.target[:, places], np.eye(1, len(places)))
        else:
            target = np.minimum(np.searchsorted(places, self.target), len(places) - 1)
        return Labels(self.classes[places], target), places


def smoothed(labels: Labels, share: float) -> Labels:
    """Labels of which each class gets an even part of a share of every row: `(1 - e) y + e / K`.

    Example:
        >>> smoothed(Labels(np.array(["no", "yes"]), np.array([0, 1])), 0.2).target
        array([[0.9, 0.1],
               [0.1, 0.9]])

    Reference: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the inception architecture
    for computer vision, CVPR 2016, section 7.
    """
    if not share:
        return labels
    n_classes = len(labels.classes)
    if labels.is_soft:
        return Labels(labels.classes, (1 - share) * labels.target + share / n_classes)
    target = np.full((len(labels.target), n_classes), share / n_classes)
    target[np.arange(len(target)), labels.target] += 1 - share
    return Labels(labels.classes, target)


def is_soft(y: Any) -> bool:
    """Whether y has several columns: soft labels, one probability per class.

    Raises:
        DataError: y is a list of rows of unequal length.
    """
    try:
        shape = getattr(y, "shape", None) or np.asarray(y).shape
    except ValueError as error:
        raise DataError(
            "y is a list of unequal parts: give one label per row; lists of labels are for "
            "sklearn.preprocessing.MultiLabelBinarizer and MultilabelLogistic"
        ) from error
    return len(shape) == 2 and int(shape[1]) > 1


def label_column(y: Any) -> Array:
    """One label per row, all of one type: text, booleans, whole numbers, or others that can be
    sorted.

    Raises:
        DataError: y has several columns, a row has no label, or labels of different types stand
            beside each other.

    Example:
        >>> label_column(np.array([np.int64(1), 0], dtype=object))
        array([1, 0])
    """
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu":
        return y
    y = on_host(y)
    if (place := masked_place(y)) is not None:
        raise DataError(f"y[{place[0]}] is masked: {_LABEL_EACH_ROW}")
    values: Array
    try:
        if not isinstance(getattr(y, "dtype", np.dtype(int)), np.dtype):  # scikit-learn makes floats of pandas' Int64
            y = np.asarray(y)
        values = column_or_1d(y, warn=True)
        if values.dtype.kind in "US" and isinstance(y, list | tuple):
            _of_one_type(np.asarray(y, dtype=object).ravel())  # NumPy made text of numbers beside text, and of NaN
    except DataError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError(f"y cannot be read as one label per row: {error}") from error
    if values.dtype.kind == "O":
        return _of_one_type(values)
    missing = np.isnat(values) if values.dtype.kind in "mM" else np.isnan(values) if values.dtype.kind == "f" else None
    if missing is not None and missing.any():
        row = int(missing.argmax())
        raise DataError(f"y contains {'NaT' if values.dtype.kind in 'mM' else 'NaN'} at row {row}: {_LABEL_EACH_ROW}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"y contains infinity at row {int((~np.isfinite(values)).argmax())}: give every row a label")
    return values


_LABEL_EACH_ROW = "give every row a label, or leave out the rows without one"
_FAMILIES: tuple[tuple[Any, type | None], ...] = (
    (str, str),
    (bool | np.bool_, bool),
    (int | np.integer, int),
    (float | np.floating, float),
)


def _of_one_type(labels: Array) -> Array:
    """Labels that came as objects: numbers and booleans as such, text as `str`."""
    if set(map(type, labels.tolist())) == {str}:
        return labels
    family, made = next(((kind, of) for kind, of in _FAMILIES if isinstance(labels[0], kind)), (type(labels[0]), None))
    for row, label in enumerate(labels.tolist()):
        if is_missing(label):
            raise DataError(f"y contains NaN at row {row} ({label!r}): {_LABEL_EACH_ROW}")
        if not isinstance(label, family) or (made is int and isinstance(label, bool)):
            raise DataError(f"y[{row}] = {label!r} beside {labels[0]!r}: give every row a label, all of one type")
    if made is None:
        return labels
    plain = [made(label) for label in labels.tolist()]
    return np.array(plain, dtype=object) if made is str else np.array(plain)


def hard_labels(y: Any) -> Labels:
    """The classes that occur in y, in order, and the code of each row's.

    Warns where there are more classes than half the rows: y is then seldom a column of classes.

    Raises:
        DataError: fewer than two classes, or y holds no classes.
    """
    y = label_column(y)
    if y.dtype.kind not in "iu":  # integers are classes
        try:
            kind = type_of_target(y)
        except (TypeError, ValueError) as error:
            raise DataError(f"y does not name classes: {error}") from error
        if kind not in ("binary", "multiclass"):
            raise DataError(
                f"Unknown label type: {kind}. y has to name a class for each row; numbers that are measured are for "
                "regression, for example with LinearRegression"
            )
    classes, codes = _classes_and_codes(y)
    if len(classes) < 2:
        raise DataError(
            f"y has only one class, {classes.tolist()[0]!r}: a classifier needs rows of at least two classes"
        )
    if len(y) > 20 and len(classes) > len(y) / 2:
        warnings.warn(
            f"y has {len(classes):,} classes in {len(y):,} rows: is it a number to be predicted, or a row's name?",
            UserWarning,
            stacklevel=3,
        )
    return Labels(classes, codes)


def _classes_and_codes(y: Array) -> tuple[Array, Array]:
    """The labels that occur, sorted, and the place of each row's label among them."""
    if y.dtype.kind in "iu" and y.dtype != np.uint64:
        smallest = int(y.min())
        if int(y.max()) - smallest < len(y):  # a table of all numbers between is no larger than y, and sorts by itself
            offsets = y.astype(np.int64, copy=False) - smallest
            found = np.bincount(offsets) > 0
            classes = (np.flatnonzero(found) + smallest).astype(y.dtype)
            return classes, (np.cumsum(found) - 1)[offsets]
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise DataError(f"the labels in y cannot be sorted: {error}") from error
    return classes, codes


def soft_labels(y: Any) -> Labels:
    """Probabilities of each class, one row per row of X; the classes are the column names of a
    frame, else 0, 1, 2, ...

    Raises:
        DataError: an entry is negative or not finite, or a row does not add up to one.
    """
    names = getattr(y, "columns", None)
    if (place := masked_place(y)) is not None:
        raise DataError(f"y{list(place)} is masked: {_LABEL_EACH_ROW}")
    try:
        target = np.asarray(on_host(y), dtype=np.float64)
    except (TypeError, ValueError) as error:
        _refuse_missing_in_table(y)
        raise DataError(
            f"y has {np.shape(y)[1]} columns that are not numbers: give one column of labels (a model for each column "
            "of them is for sklearn.multioutput.MultiOutputClassifier), or the probability of each class"
        ) from error
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
    if ((target == 0) | (target == 1)).all():
        warnings.warn(
            f"y has {target.shape[1]} columns of 0 and 1: it was read as the probability of each class, one of them "
            "certain in each row. The same as one label per row is y.argmax(axis=1); labels that do not exclude each "
            "other are for MultilabelLogistic",
            UserWarning,
            stacklevel=3,
        )
    classes = np.arange(target.shape[1]) if names is None else np.asarray(list(names))
    return Labels(classes, target / sums[:, None])


def _refuse_missing_in_table(y: Any) -> None:
    """Raises DataError at the first missing cell of several columns."""
    for row, cells in enumerate(np.asarray(y, dtype=object).tolist()):
        for column, cell in enumerate(cells):
            if is_missing(cell):
                raise DataError(f"y[{row}, {column}] is missing ({cell}): give a number for each row and column")


def row_weights(sample_weight: Any, n_rows: int) -> Array:
    """Row weights as float64; ones if None.

    Raises:
        DataError: wrong length, a negative or non-finite weight, or all of them zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = vector(on_host(sample_weight), "sample_weight")
    if weight.ndim == 0:
        weight = np.full(n_rows, float(weight))
    if weight.shape != (n_rows,):
        raise DataError(f"sample_weight has shape {weight.shape}, X has {n_rows} rows: give one weight per row")
    bad = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(bad):
        row = int(bad[0])
        raise DataError(f"sample_weight[{row}] = {weight[row]}: weights must be finite and not negative")
    if not weight.any():
        raise DataError("sample_weight is zero for every row: at least one row must count")
    return checked_total(weight, "sample_weight")


def checked_total(weight: Array, name: str) -> Array:
    """The weights; raises DataError where their sum is so large or small that sums over rows would
    leave float64."""
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if not 1e-100 <= total <= 1e100:
        row = int(weight.argmax())
        raise DataError(
            f"{name} adds up to {total:g} (largest: {weight[row]:g}, row {row}): needs a sum from 1e-100 to 1e100; "
            "multiply all weights by one number, and divide C by it"
        )
    return weight


def class_weights(class_weight: object, labels: Labels, weight: Array) -> Array:
    """Row weights times the weight of each row's class.

    "balanced" gives every class the same total, counting rows by their weights, so that weight 2
    still equals two rows.

    Raises:
        ArgumentError: neither None, "balanced" nor a mapping from classes to weights that are not
            negative.
    """
    if class_weight is None:
        return weight
    if labels.is_soft:
        raise ArgumentError("class_weight cannot be used with soft labels: put the weights into sample_weight")
    n_classes = len(labels.classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = class_totals(labels.target, weight, n_classes)
        per_class = np.zeros(n_classes)
        np.divide(weight.sum() / np.count_nonzero(totals), totals, out=per_class, where=totals > 0)
    elif isinstance(class_weight, Mapping):
        per_class = _given_weights(class_weight, labels.classes)
    else:
        raise ArgumentError(f"class_weight={class_weight!r}: needs None, 'balanced' or a dict from class to weight")
    with np.errstate(over="ignore"):
        result: Array = weight * per_class[labels.target]
    if not result.any():
        raise DataError("class_weight and sample_weight leave every row with weight 0: at least one row must count")
    return checked_total(result, "sample_weight times class_weight")


def _given_weights(class_weight: Mapping[Any, Any], classes: Array) -> Array:
    """The weight of each class; 1 for those that are not named.

    A key that is not a class may stand beside weights of all classes, as in scikit-learn: a fold
    may lack a rare one.
    """
    known = {label: code for code, label in enumerate(classes.tolist())}
    per_class = np.ones(len(classes))
    for label, value in class_weight.items():
        if not (np.isfinite(number := real_number(value)) and number >= 0):
            raise ArgumentError(f"class_weight[{label!r}] = {value!r}: needs a finite number, zero or more")
        if label in known:
            per_class[known[label]] = number
    unknown = [label for label in class_weight if label not in known]
    if unknown and len(class_weight) - len(unknown) < len(classes):
        lacking = [label for label in classes.tolist() if label not in class_weight]
        raise ArgumentError(
            f"class_weight names {_listed(unknown)}, not among the classes of y; those without a weight are "
            f"{_listed(lacking)}"
            " (text and number are not the same)"
        )
    return per_class


def _listed(labels: list[Any]) -> str:
    """A few labels as a user writes them."""
    return ", ".join(map(repr, labels[:5])) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def label_table(y: Any) -> Array:
    """y as (n, L) numbers from 0 to 1: bytes where they are whole.

    Raises:
        DataError: y is not a table, or has an entry outside.
    """
    y = on_host(y)
    if y is None:
        raise DataError("MultilabelLogistic requires y to be passed, but the target y is None")
    if (place := masked_place(y)) is not None:
        raise DataError(f"y{list(place)} is masked: give 0 or 1 for each row and label")
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
        _refuse_missing_in_table(table)
        raise DataError(f"y holds {table.dtype}, not numbers: give 0 or 1 for each row and label") from error
    outside = np.argwhere(~((values >= 0) & (values <= 1)))
    if len(outside):
        row, column = map(int, outside[0])
        raise DataError(f"y[{row}, {column}] = {values[row, column]:g}: needs 0, 1 or a probability between them")
    whole = bool(np.isin(values, (0.0, 1.0)).all())
    return values.astype(np.uint8) if whole else values


def refuse_constant_labels(target: Array, names: Array) -> None:
    """Raises DataError where a label is never, or always, there: its intercept would be
    infinite."""
    never, always = (target == 0).all(axis=0), (target == 1).all(axis=0)
    for column in np.flatnonzero(never | always):
        raise DataError(
            f"label {names.tolist()[column]!r} is {'1' if always[column] else '0'} in every row: there is nothing to "
            "learn, and its intercept would be infinite; leave the column out"
        )
