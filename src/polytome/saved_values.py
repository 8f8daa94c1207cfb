"""Values of a model that go into JSON, and their way back, where every type is checked.

JSON has no infinity and no NaN: they are written as the texts "inf", "-inf" and "nan" where a number is due.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, FileError
from polytome.training_record import TrainingRecord

Array = NDArray[Any]
Record = TypeVar("Record")

__all__ = [
    "DAMAGED",
    "TRAINING_TENSORS",
    "checked",
    "classes_from_saved",
    "classes_to_saved",
    "members",
    "parameters_from_saved",
    "parameters_to_saved",
    "plain",
    "record_from_saved",
    "refuse",
    "training_from_saved",
    "training_to_saved",
]

DAMAGED = "damaged or foreign: "
"""How every complaint about a file's content begins."""
_PREFIX = "training_"
_NONFINITE = ("inf", "-inf", "nan")
_DTYPE = re.compile(r"[<>|][biuf][1248]|[<>]U\d{1,5}|\|O")
_PARAMETERS: dict[str, Any] = {
    "C": float,
    "l1_ratio": float | None,
    "fit_intercept": int,
    "class_weight": str | list | None,
    "scale": float | str | None,
    "solver": str,
    "tol": float,
    "max_iter": int,
    "warm_start": int,
    "random_state": int | None,
    "verbose": int,
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHOLE_NUMBERS = ("class_counts", "constant", "duplicates")
_TRAINING_ARRAYS = (*_WHOLE_NUMBERS, "low", "mean", "high", "divisor", "centre_bounds")
TRAINING_TENSORS = frozenset(_PREFIX + name for name in _TRAINING_ARRAYS)
"""The tensors that a file has where the training was recorded."""
_TRAINING_VALUES: dict[str, Any] = {
    "source": str | None,
    "data_sha256": str,
    "n_rows": int,
    "could_change": int | None,
    "notes": list,
    "command": str | None,
    "test_fraction": float | None,
    "seed": int | None,
    "n_test_rows": int,
    "versions": dict,
    "seconds": float,
}


def refuse(complaint: str) -> NoReturn:
    """Raise for content that no save has written.

    Example:
        >>> refuse("coef holds NaN")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: coef holds NaN
    """
    raise FileError(DAMAGED + complaint)


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold: NumPy numbers into Python's, infinities and NaN into text.

    Args:
        value: None, a number, text, or lists, tuples and dicts (with text keys) of them.

    Raises:
        ArgumentError: the value is something else.

    Example:
        >>> plain({"C": np.inf, "tol": np.float64(0.5)})
        {'C': 'inf', 'tol': 0.5}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    raise ArgumentError(f"{value!r:.60} is a {type(value).__name__}, which a model file cannot hold")


def checked(value: Any, kind: Any, what: str) -> Any:
    """Return a value from JSON after checking its type.

    Args:
        value: parsed JSON.
        kind: `int`, `float` (whole numbers and the texts of `plain` are numbers too), `str`, `bool`, `list`, None, a
            `Literal`, or a union of these.
        what: what to call it in the message.

    Raises:
        FileError: it is something else.

    Example:
        >>> checked("inf", float, "C")
        inf
        >>> checked("high", float, "C")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: C is 'high'
    """
    if get_origin(kind) is Literal:
        if isinstance(value, str) and value in get_args(kind):
            return value
        refuse(f"{what} is {repr(value)[:60]}")
    kinds = get_args(kind) or (kind,)
    if float in kinds and isinstance(value, str) and value in _NONFINITE:
        return float(value)
    exact = type(value) in kinds or (value is None and NoneType in kinds)
    if exact or (type(value) is int and float in kinds) or (type(value) is bool and int in kinds):
        return value
    refuse(f"{what} is {repr(value)[:60]}")


def members(data: Any, names: Collection[str], what: str) -> dict[str, Any]:
    """Return a JSON object after checking that it has these members and no others.

    Raises:
        FileError: it is no object, or a member is absent or superfluous.

    Example:
        >>> members({"gap": 0.0}, ["gap", "tol"], "certificate")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: certificate lacks ['tol']
    """
    if not isinstance(data, dict):
        refuse(f"{what} is {repr(data)[:60]}, not a JSON object")
    for problem, found in (("lacks", set(names) - set(data)), ("has also", set(data) - set(names))):
        if found:
            refuse(f"{what} {problem} {sorted(found)[:8]}")
    return data


def record_from_saved(kind: type[Record], data: Any, what: str) -> Record:
    """Rebuild a dataclass from the JSON of its fields, checking each by its annotation.

    Example:
        >>> from polytome.solvers import Progress
        >>> saved = {"iteration": 0, "passes": 1.0, "objective": 0.5, "gap": "inf", "seconds": 0.0}
        >>> record_from_saved(Progress, saved, "history").gap
        inf
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass
    plain_members = members(data, names, what)
    return kind(**{name: checked(plain_members[name], hints[name], f"{what}.{name}") for name in names})


def classes_to_saved(classes: Array) -> tuple[dict[str, Any], Array | None]:
    """Labels as JSON, or where they are numbers their type as JSON and they themselves as a tensor.

    Raises:
        ArgumentError: a label is neither text, a number nor a truth value.

    Example:
        >>> classes_to_saved(np.array(["no", "yes"]))
        ({'dtype': '<U3', 'values': ['no', 'yes']}, None)
    """
    if classes.dtype.kind in "biuf" and classes.itemsize <= 8:
        return {"dtype": classes.dtype.str}, classes.astype(classes.dtype.newbyteorder("="))
    if classes.dtype.kind not in "UO":
        raise ArgumentError(
            f"classes_ has type {classes.dtype}: only labels of text, numbers or truth values can be saved"
        )
    return {"dtype": classes.dtype.str, "values": plain(classes.tolist())}, None


def classes_from_saved(data: Any, numbers: Array | None, n_classes: int) -> Array:
    """Labels with the type that they had, checked to be as many as the coefficients need and all different.

    Raises:
        FileError: they are not.

    Example:
        >>> classes_from_saved({"dtype": "<U3", "values": ["no", "yes"]}, None, 2)
        array(['no', 'yes'], dtype='<U3')
    """
    saved = members(data, ["dtype"] if numbers is not None else ["dtype", "values"], "classes")
    if not _DTYPE.fullmatch(checked(saved["dtype"], str, "the type of classes")):
        refuse(f"the type of classes is {saved['dtype'][:40]!r}")
    dtype = np.dtype(saved["dtype"])
    if numbers is not None:
        if (dtype.kind, dtype.itemsize) != (numbers.dtype.kind, numbers.itemsize):
            refuse(f"classes are {numbers.dtype}, and should be {dtype}")
        classes = numbers.astype(dtype)
    else:
        classes = _listed_classes(checked(saved["values"], list, "classes"), dtype)
    if classes.shape != (n_classes,):
        refuse(f"classes have shape {classes.shape}, and the coefficients need {(n_classes,)}")
    if len(set(classes.tolist())) != n_classes or not all(label == label for label in classes.tolist()):
        refuse("two classes are equal, or one is NaN")
    return classes


def _listed_classes(values: list[Any], dtype: np.dtype[Any]) -> Array:
    """Labels from a JSON list."""
    allowed = {"U": str, "O": str | int | float}.get(dtype.kind)
    if allowed is None:
        refuse(f"classes of type {dtype} are not in a tensor")
    texts = [checked(value, allowed, "a class") for value in values]
    if dtype.kind == "U" and max((len(text) for text in texts), default=0) * 4 > dtype.itemsize:
        refuse(f"a class is longer than its type {dtype} allows")
    classes = np.empty(len(texts), dtype=dtype)
    classes[:] = texts
    return classes


def parameters_to_saved(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], Array | None]:
    """The settings of an estimator as JSON, and the tensor of `scale` where it has one number per column.

    Raises:
        ArgumentError: a setting is of a kind that a file cannot hold.

    Example:
        >>> saved, scale = parameters_to_saved(dict.fromkeys(_PARAMETERS) | {"C": np.inf, "scale": [1, 2]})
        >>> saved["C"], saved["scale"], scale
        ('inf', 'tensor', array([1., 2.]))
    """
    kept = {name: parameters[name] for name in _PARAMETERS}
    if not isinstance(kept["solver"], str):
        kept["solver"] = "auto"
    if isinstance(kept["random_state"], np.random.RandomState):
        kept["random_state"] = None
    if isinstance(kept["class_weight"], Mapping):
        kept["class_weight"] = [list(pair) for pair in kept["class_weight"].items()]
    scale = None
    if np.ndim(kept["scale"]) > 0:
        scale, kept["scale"] = np.asarray(kept["scale"], dtype=np.float64), "tensor"
    return {name: plain(value) for name, value in kept.items()}, scale


def parameters_from_saved(data: Any, scale: Array | None) -> dict[str, Any]:
    """The settings of an estimator, each of its right type.

    Raises:
        FileError: one is not.

    Example:
        >>> parameters_from_saved({"C": 1.0}, None)
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: parameters lacks ['class_weight', 'fit_intercept', ...
    """
    saved = members(data, _PARAMETERS, "parameters")
    settings = {name: checked(saved[name], kind, f"parameters.{name}") for name, kind in _PARAMETERS.items()}
    if settings["scale"] not in ("tensor", "standard") and isinstance(settings["scale"], str):
        refuse(f"parameters.scale is {settings['scale'][:40]!r}")
    if (settings["scale"] == "tensor") != (scale is not None):
        refuse("the tensor scale and parameters.scale contradict each other")
    if scale is not None:
        settings["scale"] = scale
    weights = settings["class_weight"]
    if isinstance(weights, list):
        pairs = [checked(pair, list, "class_weight") for pair in weights]
        if not all(len(pair) == 2 for pair in pairs):
            refuse("parameters.class_weight is no list of pairs")
        settings["class_weight"] = {
            checked(label, str | int | float, "class_weight"): checked(weight, float, "class_weight")
            for label, weight in pairs
        }
    elif weights not in (None, "balanced"):
        refuse(f"parameters.class_weight is {weights[:40]!r}")
    return settings


def training_to_saved(record: TrainingRecord) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record of a training as JSON, and as tensors whose names begin with `training_`.

    Example:
        >>> from polytome.training_record import record_training
        >>> from polytome.estimators import LogisticRegression
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), ["no", "yes", "yes"]
        >>> saved, tensors = training_to_saved(record_training(LogisticRegression().fit(X, y), X, y))
        >>> saved["n_rows"], tensors["training_high"]
        (3, array([2.]))
    """
    values = {name: plain(getattr(record, name)) for name in _TRAINING_VALUES}
    return values, {_PREFIX + name: getattr(record, name) for name in _TRAINING_ARRAYS}


def training_from_saved(data: Any, tensors: Mapping[str, Array], n_classes: int, n_features: int) -> TrainingRecord:
    """The record of a training, its parts checked against each other and against the model.

    Args:
        data: its JSON.
        tensors: those of the file.
        n_classes: of the model.
        n_features: of the model.

    Raises:
        FileError: it is none that a training has written.
    """
    saved = members(data, _TRAINING_VALUES, "training")
    values = {name: checked(saved[name], kind, f"training.{name}") for name, kind in _TRAINING_VALUES.items()}
    if not _SHA256.fullmatch(values["data_sha256"]):
        refuse(f"training.data_sha256 is {values['data_sha256'][:40]!r}")
    if not (values["seconds"] >= 0 and values["n_rows"] > 0 and values["n_test_rows"] >= 0):
        refuse("training counts less than nothing")
    values["notes"] = tuple(checked(note, str, "a note of training") for note in values["notes"])
    for name in values["versions"].values():
        checked(name, str, "a version of training")
    found = {name: tensors[_PREFIX + name] for name in _TRAINING_ARRAYS}
    for name, tensor in found.items():
        if tensor.dtype != (np.int64 if name in _WHOLE_NUMBERS else np.float64):
            refuse(f"{_PREFIX}{name} is {tensor.dtype}")
    _check_features(found, n_features)
    counts = found["class_counts"]
    if counts.shape != (n_classes,) or (counts < 0).any() or counts.sum() != values["n_rows"]:
        refuse(f"the class counts of training do not make {values['n_rows']} rows of {n_classes} classes")
    if values["could_change"] is not None and not 0 <= values["could_change"] <= values["n_rows"]:
        refuse(f"training.could_change is {values['could_change']} of {values['n_rows']} rows")
    bounds = found["centre_bounds"]
    if bounds.shape not in ((0, 0), (n_classes, n_classes)) or not (bounds >= 0).all():
        refuse("training_centre_bounds does not bound the difference of each two classes")
    return TrainingRecord(**(values | found))


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
