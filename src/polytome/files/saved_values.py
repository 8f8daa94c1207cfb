"""The parts of a model as values for JSON and tensors, and their way back: the schema of a model
file.

`MODELS` says what each value may be; all metadata are checked against it before any of it is used.
What two parts say about the same thing is compared afterwards, by the functions that assemble the
parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError
from polytome.models.bounds import bounds_as_saved
from polytome.models.groups import group_labels
from polytome.plain.kinds import (
    LARGEST,
    LARGEST_COUNT,
    Kind,
    brief,
    choice,
    either,
    flag,
    label,
    listed,
    mapped,
    optional,
    real,
    record,
    refuse,
    text,
    whole,
)
from polytome.plain.values import plain
from polytome.solvers import Stop

Array = NDArray[Any]

__all__ = [
    "CHECKSUM",
    "MODELS",
    "PARTIAL",
    "TRAINING",
    "classes_from_saved",
    "classes_to_saved",
    "parameters_from_saved",
    "parameters_to_saved",
]

CHECKSUM = re.compile(r"[0-9a-f]{64}")
"""SHA-256 in hexadecimal."""
_SMALLEST = 5e-324  # the smallest positive number
_POSITIVE, _COUNT = real(_SMALLEST, LARGEST), whole(0, LARGEST_COUNT)
_SEED = whole(-(2**63), 2**64 - 1)
_FINITE = real(-LARGEST, LARGEST)
_EXTENDED = real(-np.inf, np.inf)
_MOST_STEPS = 2**31 - 1  # `n_iter_` is an int32, as scikit-learn's
_LABEL_TYPE = re.compile(r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]U[1-9]\d{0,9}|\|O")
_WIDEST_LABEL = 1000
"""The most characters of a label type that is wider than its longest label: each prediction takes
as many."""
_LABEL_BYTES = 2**24
_BYTES_PER_CHARACTER = 100
"""Labels of one type all take the room of the longest: so much for each character that there is, or
`_LABEL_BYTES`."""


def _anything(value: Any, what: str) -> Any:
    """For values that are checked where they are assembled."""
    return value


def _nothing(value: Any, what: str) -> Any:
    """For what no model of a kind has."""
    if value is not None:
        refuse(f"{what} is {brief(value)}, and models of this kind have none")
    return value


_PARAMETERS: dict[str, Kind] = {
    "C": real(_SMALLEST, np.inf),
    "l1_ratio": optional(real(0, 1)),
    "groups": optional(either(choice("classes", "columns"), listed(either(_SEED, text(nul=True))))),
    "group_ratio": real(_SMALLEST, 1),
    "fit_intercept": either(flag, whole(0, 1)),
    "class_weight": optional(either(choice("balanced"), listed(listed(_anything, 2)))),
    "scale": optional(either(_POSITIVE, choice("standard", "tensor"))),
    "penalty_weights": optional(either(choice("tensor"), listed(listed(_anything, 2)))),
    "bounds": optional(either(choice("tensor"), listed(_EXTENDED, 2), listed(listed(_anything, 3)))),
    "label_smoothing": real(0, 1 - 2**-53),
    "solver": text(100),
    "tol": real(0, LARGEST),
    "max_iter": _COUNT,
    "warm_start": either(flag, whole(0, 1)),
    "random_state": optional(_SEED),
    "verbose": either(flag, whole(-(2**31), 2**31)),
}
OF_COLUMNS = {"scale": _SMALLEST, "penalty_weights": 0.0}
"""Settings that may hold one number for each column, and the least that it may be: those are
tensors in a file."""
_OF_ONE_MODEL = ("class_weight", "label_smoothing", "warm_start")
_BINARY_MODELS = {name: kind for name, kind in _PARAMETERS.items() if name not in _OF_ONE_MODEL}
_LATER_OF_BINARY = {"l1_ratio": 0.0, "bounds": None, "groups": None, "group_ratio": 1.0}
_PERCEPTRON: dict[str, Kind] = {
    "epochs": whole(1, LARGEST_COUNT),
    "shuffle": flag,
    "random_state": optional(_SEED),
}
_DESCENDING = _PERCEPTRON | {
    "learning_rate": optional(_POSITIVE),
    "batch_size": optional(whole(1, LARGEST_COUNT)),
}
_FORMULA: dict[str, Kind] = {
    "loss": choice("softmax", "logistic", "one_vs_rest", "one_vs_one", "multilabel"),
    "n_rows": whole(1, LARGEST_COUNT),
    "total_weight": _POSITIVE,
    "n_features": whole(1, LARGEST_COUNT),
    "n_classes": whole(1, LARGEST_COUNT),
    "strength": real(0, LARGEST),
    "fit_intercept": flag,
    "scale": text(100),
    "value": real(0, np.inf, nan=True),
    "penalty_weights": text(100),
    "l1_ratio": real(0, 1),
    "has_offset": flag,
    "label_smoothing": real(0, 1),
    "groups": text(100),
    "bounds": text(100),
    "group_ratio": real(_SMALLEST, 1),
}
_LATER_OF_FORMULA = {
    "penalty_weights": "none",
    "l1_ratio": 0.0,
    "has_offset": False,
    "label_smoothing": 0.0,
    "groups": "none",
    "bounds": "none",
    "group_ratio": 1.0,
}
"""What objectives of earlier versions lack."""
_CERTIFICATE: dict[str, Kind] = {
    "objective": real(0, np.inf, nan=True),
    "gap": real(0, np.inf),
    "null_objective": real(0, LARGEST),
    "tol": real(0, LARGEST),
    "kind": choice("proof", "estimate"),
    "strength": real(0, LARGEST),
    "estimate": optional(real(-LARGEST, np.inf, nan=True)),
    "rounding": real(0, np.inf),
    "intercept": real(0, np.inf),
    "distance": real(0, np.inf),
    "l1_ratio": real(0, 1),
    "has_bounds": flag,
}
_CERTIFICATE_FIELDS = {field.name: field.default for field in fields(Certificate)}
_LATER = ("rounding", "intercept", "distance", "l1_ratio", "has_bounds")
"""What certificates of earlier versions lack."""
TRAINING: dict[str, Kind] = {
    "source": optional(text()),
    "data_sha256": text(64),
    "n_rows": whole(1, LARGEST_COUNT),
    "could_change": optional(_COUNT),
    "notes": listed(text()),
    "command": optional(text()),
    "test_fraction": optional(real(_SMALLEST, 1)),
    "seed": optional(_SEED),
    "n_test_rows": _COUNT,
    "versions": mapped(text(100)),
    "seconds": real(0, LARGEST, nan=True),
    "divided_by": optional(
        record(
            {
                "kind": choice("group", "time"),
                "column": text(nul=True),
                "fraction": real(_SMALLEST, 1),
                "seed": _SEED,
            }
        )
    ),
}
"""What each value of the record of a training may be."""
_LATER_OF_TRAINING = {"divided_by": None}
_MODEL: dict[str, Kind] = {
    "format_version": whole(1, LARGEST_COUNT),
    "checksum": text(64),
    "library_version": text(100),
    "kind": text(100),
    "parameters": record(
        _PARAMETERS,
        {"penalty_weights": None, "label_smoothing": 0.0, "groups": None, "group_ratio": 1.0, "bounds": None},
    ),
    "feature_names": optional(listed(text(nul=True))),
    "encoder": _anything,
    "image_shape": optional(listed(whole(1, LARGEST_COUNT), 2)),
    "positive": optional(text(nul=True)),
    "training": optional(record(TRAINING, _LATER_OF_TRAINING)),
}
_SEPARATION: dict[str, Kind] = {
    "n_separated": whole(1, LARGEST_COUNT),
    "is_complete": flag,
    "infinite": listed(
        record(
            {
                "column": whole(0, LARGEST_COUNT),
                "of": whole(0, LARGEST_COUNT),
                "against": listed(whole(0, LARGEST_COUNT)),
                "sign": whole(-1, 1),
            }
        )
    ),
}
_CERTIFIED = _MODEL | {
    "classes": _anything,
    "objective": record(_FORMULA, _LATER_OF_FORMULA),
    "certificate": record(
        {name: _CERTIFICATE[name] for name in _CERTIFICATE_FIELDS},
        {name: value for name, value in _CERTIFICATE_FIELDS.items() if name in _LATER},
    ),
    "stop": choice(*Stop.__members__),
    "n_iter": whole(0, _MOST_STEPS),
    "solver": text(),
    "separation": optional(either(text(1000), record(_SEPARATION))),
}
_BINARY = _CERTIFIED | {"parameters": record(_BINARY_MODELS, _LATER_OF_BINARY)}
_NEURON = _MODEL | {"parameters": record(_DESCENDING), "classes": _anything, "stop": choice(*Stop.__members__)}
PARTIAL = "PartialLogisticRegression"
"""The kind of a `LogisticRegression` that `partial_fit` has made: it has a state, and no
certificate."""
MODELS: dict[str, dict[str, Kind]] = {
    "LogisticRegression": _CERTIFIED
    | {
        "offset_columns": listed(whole(0, LARGEST_COUNT)),
        "calibration": optional(
            record({"temperature": _POSITIVE, "shift": optional(listed(_FINITE)), "reason": text(1_000_000)})
        ),
        "decision": optional(record({"threshold": optional(real(0, 1)), "reason": text(1_000_000)})),
    },
    PARTIAL: _MODEL | {"classes": _anything, "state": _anything, "training": _nothing},
    "OneVsRest": _BINARY,
    "OneVsOne": _BINARY,
    "MultilabelLogistic": _BINARY | {"training": _nothing},
    "LinearRegression": _MODEL
    | {
        "parameters": record({"fit_intercept": _PARAMETERS["fit_intercept"]}),
        "rank": _COUNT,
        "condition": real(0, np.inf, nan=True),
        "training": _nothing,
    },
    "Perceptron": _NEURON | {"parameters": record(_PERCEPTRON)},
    "Adaline": _NEURON,
    "SigmoidNeuron": _NEURON,
}
"""What each value of a file may be, by the kind of its model; those that say `_anything` are
checked where they are put together."""


def classes_to_saved(classes: Array) -> tuple[dict[str, Any], Array | None]:
    """Labels as JSON, or where they are numbers their type as JSON and they themselves as a tensor.

    Raises:
        ArgumentError: a label is neither text, a number nor a boolean.

    Example:
        >>> classes_to_saved(np.array(["no", "yes"]))
        ({'dtype': '<U3', 'values': ['no', 'yes']}, None)
    """
    if classes.dtype.kind in "biuf" and classes.itemsize <= 8:
        return {"dtype": classes.dtype.str}, classes.astype(classes.dtype.newbyteorder("="))
    if classes.dtype.kind not in "UO":
        raise ArgumentError(f"classes_ has type {classes.dtype}: only labels of text, numbers or booleans can be saved")
    labels = classes.tolist()
    if any(isinstance(each, float) and not np.isfinite(each) for each in labels):
        raise ArgumentError("classes_ holds NaN or infinity among labels of several types: JSON has no such numbers")
    return {"dtype": classes.dtype.str, "values": plain(labels, words=True)}, None


def classes_from_saved(data: Any, numbers: Array | None, n_classes: int) -> Array:
    """Labels with the type that they had, checked to be as many as the coefficients need and all
    different.

    Raises:
        FileError: they are not.

    Example:
        >>> classes_from_saved({"dtype": "<U3", "values": ["no", "yes"]}, None, 2)
        array(['no', 'yes'], dtype='<U3')
    """
    kinds = {"dtype": text(20), "values": listed(label, n_classes)}
    if numbers is not None:
        del kinds["values"]
    saved = record(kinds)(data, "classes")
    if not _LABEL_TYPE.fullmatch(saved["dtype"]):
        refuse(f"the type of classes is {brief(saved['dtype'])}")
    if numbers is None:
        classes = _listed_classes(saved["values"], saved["dtype"])
    else:
        if saved["dtype"][1:] != numbers.dtype.str[1:]:
            refuse(f"classes are {numbers.dtype.str}, and should be {saved['dtype']}")
        classes = numbers.astype(saved["dtype"])
    if classes.shape != (n_classes,):
        refuse(f"classes have shape {classes.shape}, and the coefficients need {(n_classes,)}")
    labels = classes.tolist()
    if len(set(labels)) != n_classes or not all(each == each for each in labels):
        refuse("two classes are equal, or one is NaN")
    return classes


def _listed_classes(values: list[Any], name: str) -> Array:
    """Labels from a JSON list, given a type that no more than holds them."""
    width = int(name[2:]) if name[1] == "U" else 0
    if not width and name != "|O":
        refuse(f"classes of type {name} are not in a tensor")
    if width:
        values = [text(nul=True)(value, "a class") for value in values]
        lengths = [len(value) for value in values]
        if max(lengths) > width:
            refuse(f"a class is longer than its type {name} allows")
        if width > max(_WIDEST_LABEL, *lengths) or 4 * width * len(values) > max(
            _LABEL_BYTES, _BYTES_PER_CHARACTER * sum(lengths)
        ):
            refuse(f"classes of type {name} would need far more memory than their {sum(lengths)} characters")
    classes = np.empty(len(values), dtype=name)
    classes[:] = values
    if classes.tolist() != values:
        refuse("a class ends with the character NUL")
    return classes


def parameters_to_saved(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
    """The settings of an estimator as JSON, and as tensors by name those that have one number per
    column.

    Raises:
        ArgumentError: a setting is of a kind that a file cannot hold.

    Example:
        >>> saved, tensors = parameters_to_saved(dict.fromkeys(_PARAMETERS) | {"C": np.inf, "scale": [1, 2]})
        >>> saved["C"], saved["scale"], tensors
        ('inf', 'tensor', {'scale': array([1., 2.])})
    """
    kept = {name: value for name, value in parameters.items() if name != "callback"}
    if not isinstance(kept.get("solver", ""), str):
        kept["solver"] = "auto"
    if isinstance(kept.get("random_state"), np.random.RandomState):
        kept["random_state"] = None
    if isinstance(weights := kept.get("class_weight"), Mapping):
        kept["class_weight"] = [list(pair) for pair in weights.items()]
    if isinstance(weights := kept.get("penalty_weights"), Mapping):
        kept["penalty_weights"] = [[name, float(weight)] for name, weight in weights.items()]
    if kept.get("groups") is not None:
        kept["groups"] = group_labels(kept["groups"])
    tensors = {}
    if isinstance(bounds := bounds_as_saved(kept.get("bounds")), np.ndarray):
        tensors["bounds"], bounds = bounds, "tensor"
    if "bounds" in kept:
        kept["bounds"] = bounds
    for name in OF_COLUMNS:
        if name in kept and np.ndim(parameters[name]) > 0:
            tensors[name], kept[name] = np.asarray(parameters[name], dtype=np.float64), "tensor"
    return {name: plain(value, words=True) for name, value in kept.items()}, tensors


def parameters_from_saved(settings: dict[str, Any], tensors: Mapping[str, Array], n_features: int) -> dict[str, Any]:
    """The settings of an estimator.

    Args:
        settings: as `MODELS` wants them.
        tensors: those of the file by name; of settings are `OF_COLUMNS`.
        n_features: of the model.

    Raises:
        FileError: they contradict each other.

    Example:
        >>> parameters_from_saved({"scale": "tensor", "class_weight": None}, {}, 3)
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: the tensor scale and parameters.scale contradict each other
    """
    settings = dict(settings)
    for name, least in OF_COLUMNS.items():
        numbers = tensors.get(name)
        if (settings.get(name) == "tensor") != (numbers is not None):
            refuse(f"the tensor {name} and parameters.{name} contradict each other")
        if numbers is not None:
            is_usable = numbers.dtype == np.float64 and numbers.shape == (n_features,) and np.isfinite(numbers).all()
            if not is_usable or not (numbers >= least).all():
                what = "positive number" if least > 0 else "number, zero or more,"
                refuse(f"the tensor {name} is not one {what} for each of {n_features} features")
            settings[name] = numbers
    bounds = tensors.get("bounds")
    if (settings.get("bounds") == "tensor") != (bounds is not None):
        refuse("the tensor bounds and parameters.bounds contradict each other")
    if bounds is not None:
        if bounds.dtype != np.float64 or bounds.shape != (n_features, 2):
            refuse(f"the tensor bounds is {bounds.dtype} of shape {bounds.shape} for {n_features} features")
        settings["bounds"] = bounds
    elif isinstance(given := settings.get("bounds"), list):
        if given and not isinstance(given[0], list):
            settings["bounds"] = tuple(given)
        else:
            keys, ends = either(_SEED, text(nul=True)), (_EXTENDED, _EXTENDED)
            found = {
                keys(key, "bounds"): tuple(end(value, "bounds") for end, value in zip(ends, pair, strict=True))
                for key, *pair in given
            }
            if len(found) < len(given):
                refuse("parameters.bounds names a column twice")
            settings["bounds"] = found
    for name, kind in (("class_weight", label), ("penalty_weights", text())):
        if isinstance(weights := settings.get(name), list):
            found = {kind(key, name): real(0, LARGEST)(weight, name) for key, weight in weights}
            if len(found) < len(weights):
                refuse(f"parameters.{name} names a {'class' if name == 'class_weight' else 'column'} twice")
            settings[name] = found
    return settings
