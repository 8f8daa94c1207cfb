"""The record of a training as JSON and tensors of a model file, and its way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.files.saved_values import CHECKSUM, TRAINING
from polytome.models.fitted_source import DividedBy, TrainingRecord
from polytome.plain.kinds import brief, refuse
from polytome.plain.values import plain

Array = NDArray[Any]

__all__ = ["LATER_TENSORS", "TRAINING_TENSORS", "training_from_saved", "training_to_saved"]

_PREFIX = "training_"
_WHOLE_NUMBERS = ("class_counts", "constant", "duplicates")
_ARRAYS = (*_WHOLE_NUMBERS, "low", "mean", "high", "divisor", "centre_bounds")
TRAINING_TENSORS = frozenset(_PREFIX + name for name in _ARRAYS)
"""The tensors of a file in which the training was recorded."""
LATER_TENSORS = frozenset([_PREFIX + "deviation"])
"""Those that files of earlier versions lack."""


def training_to_saved(record: TrainingRecord) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record of a training as JSON, and as tensors whose names begin with `training_`.

    Example:
        >>> from polytome.files.training_record import record_training
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), ["no", "yes", "yes"]
        >>> saved, tensors = training_to_saved(record_training(LogisticRegression().fit(X, y), X, y))
        >>> saved["n_rows"], tensors["training_high"]
        (3, array([2.]))
    """
    values = {name: plain(getattr(record, name), words=True) for name in TRAINING if name != "divided_by"}
    values["divided_by"] = None if record.divided_by is None else asdict(record.divided_by)
    tensors = {_PREFIX + name: getattr(record, name) for name in _ARRAYS}
    if record.deviation is not None:
        tensors[_PREFIX + "deviation"] = record.deviation
    return values, tensors


def training_from_saved(
    values: dict[str, Any], tensors: Mapping[str, Array], n_classes: int, n_features: int
) -> TrainingRecord:
    """The record of a training; its parts are checked against each other and against the model.

    Args:
        values: as `saved_values.TRAINING` wants them.
        tensors: those of the file.
        n_classes: of the model.
        n_features: of the model.

    Raises:
        FileError: no training can have written it.
    """
    if not CHECKSUM.fullmatch(values["data_sha256"]):
        refuse(f"training.data_sha256 is {brief(values['data_sha256'])}")
    found = {name: tensors[_PREFIX + name] for name in _ARRAYS}
    for name, tensor in found.items():
        if tensor.dtype != (np.int64 if name in _WHOLE_NUMBERS else np.float64):
            refuse(f"{_PREFIX}{name} is {tensor.dtype}")
    _check_features(found, n_features)
    counts, n_rows = found["class_counts"], values["n_rows"]
    if counts.shape != (n_classes,) or (counts < 0).any() or sum(counts.tolist()) != n_rows:
        refuse(f"the class counts of training do not make {n_rows} rows of {n_classes} classes")
    if (values["could_change"] or 0) > n_rows:
        refuse(f"training.could_change is {values['could_change']} of {n_rows} rows")
    bounds = found["centre_bounds"]
    if bounds.shape not in ((0, 0), (n_classes, n_classes)) or not (bounds >= 0).all():
        refuse("training_centre_bounds does not bound the difference of each two classes")
    if (deviation := tensors.get(_PREFIX + "deviation")) is not None:
        is_usable = deviation.dtype == np.float64 and deviation.shape == (n_features,)
        if not is_usable or not (np.isfinite(deviation) & (deviation >= 0)).all():
            refuse("training_deviation is not one number, zero or more, for each feature")
        found["deviation"] = deviation
    divided_by = None if values["divided_by"] is None else DividedBy(**values["divided_by"])
    return TrainingRecord(**(values | found | {"notes": tuple(values["notes"]), "divided_by": divided_by}))


def _check_features(found: Mapping[str, Array], n_features: int) -> None:
    """Refuse numbers about features that contradict each other or the model."""
    low, mean, high = (found[name] for name in ("low", "mean", "high"))
    if not low.shape == mean.shape == high.shape == (n_features,):
        refuse(f"training_low, _mean and _high are not one number for each of {n_features} features")
    if not (np.isfinite(low) & np.isfinite(high) & (low <= mean) & (mean <= high)).all():
        refuse("training_low, _mean and _high are out of order or not finite")
    divisor = found["divisor"]
    if divisor.shape != (n_features,) or not (np.isfinite(divisor) & (divisor > 0)).all():
        refuse("training_divisor is not one positive number for each feature")
    constant, duplicates = found["constant"], found["duplicates"]
    if not np.array_equal(constant, np.flatnonzero(low == high)):
        refuse("training_constant does not name the features whose smallest value is their largest")
    if duplicates.ndim != 2 or duplicates.shape[1] != 2:
        refuse(f"training_duplicates has shape {duplicates.shape}")
    first, second = duplicates.T
    if not ((first >= 0) & (first < second) & (second < n_features)).all():
        refuse("training_duplicates does not hold pairs of features")
