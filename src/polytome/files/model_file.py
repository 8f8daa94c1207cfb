"""A fitted model in one safetensors file: nothing in it is ever executed, and nothing in it is believed unchecked.

The file holds tensors (`coef`, `intercept`, `history`, where they are numbers `classes`, `scale` and `penalty_weights`,
and `training_...` where the training was recorded) and one entry of text metadata, `polytome`: JSON with a format
version, all that is not a tensor, and a SHA-256 checksum of both. Format 1 has no record of the training.

Not saved: the callback, a `RandomState`, and a solver object, whose place is taken by `solver="auto"`; `solver_` of a
loaded model is the text that described the solver.

Reference:
    The safetensors format, https://huggingface.co/docs/safetensors: eight bytes of length, a JSON header, raw tensors.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, fields
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome._version import __version__
from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.files.saved_kinds import DAMAGED, LARGEST_COUNT, WHOLE, brief, members, plain, record, refuse
from polytome.files.saved_training import TRAINING_TENSORS, training_from_saved, training_to_saved
from polytome.files.saved_values import (
    CHECKSUM,
    MODEL,
    OF_COLUMNS,
    classes_from_saved,
    classes_to_saved,
    parameters_from_saved,
    parameters_to_saved,
)
from polytome.files.tensor_files import Tensors, read_tensors
from polytome.models.fitted_source import FittedSource
from polytome.models.formula import Formula
from polytome.solvers import Progress, Stop

if TYPE_CHECKING:
    from polytome.models.logistic import LogisticRegression
    from polytome.tables.encoder import Encoder

__all__ = ["FORMAT_VERSION", "load", "save"]

FORMAT_VERSION = 2
"""The newest file format that this version reads, and the one that it writes."""

_KEY = "polytome"
_OF_FORMAT_2 = frozenset(["training"])  # what format 1 lacks


def save(model: LogisticRegression, path: str | PathLike[str]) -> None:
    """Write a fitted model to one safetensors file, whole or not at all.

    Args:
        model: a fitted `LogisticRegression`; what its `source_` holds is kept.
        path: the file; an existing one is replaced only when the new one is complete.

    Raises:
        ArgumentError: this is no `LogisticRegression`, or its labels, settings or coefficients cannot be saved.
        FileError: the file cannot be written; an old one is as it was.
        sklearn.exceptions.NotFittedError: the model has not been fitted.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(model, Path(folder, "model.safetensors"))
        ...     again = load(Path(folder, "model.safetensors"))
        >>> bool((again.coef_ == model.coef_).all()), again.classes_, again.certificate_ == model.certificate_
        (True, array(['no', 'yes'], dtype='<U3'), True)
    """
    from safetensors.numpy import save as to_bytes

    from polytome.models.fitting import check_certified
    from polytome.models.logistic import LogisticRegression

    if not isinstance(model, LogisticRegression):
        raise ArgumentError(f"model is a {type(model).__name__}: only a polytome.LogisticRegression can be saved")
    check_certified(model)
    saved, tensors = _to_saved(model)
    saved["checksum"] = _checksum(saved, tensors)
    text = json.dumps(saved, allow_nan=False)
    try:
        _from_saved(json.loads(text), tensors)  # whatever is written can be read again
    except FileError as error:
        raise ArgumentError(f"the model cannot be saved: {str(error).removeprefix(DAMAGED)}; fit it again") from error
    content = to_bytes(tensors, {_KEY: text})
    with atomic_output(path) as stream:
        stream.write(content)


def load(path: str | PathLike[str]) -> LogisticRegression:
    """Read a model that `save` or `LogisticRegression.save` wrote.

    Args:
        path: the file.

    Returns:
        The fitted model: coefficients, labels, certificate and history are equal to the last bit.

    Raises:
        FileError: the file is missing, cut short, damaged, no model of Polytome, or in a newer format; the message
            names the file and what is wrong.

    Example:
        >>> load("absent.safetensors")
        Traceback (most recent call last):
        polytome.errors.FileError: absent.safetensors: no such file
    """
    content, tensors = read_tensors(path, _KEY)
    try:
        saved = _parsed(content)
        _check_version(saved)
        members(saved, MODEL if saved["format_version"] > 1 else MODEL.keys() - _OF_FORMAT_2, WHOLE)
        if saved["checksum"] != _checksum(saved, tensors):
            refuse("the checksum does not match the content; copy the file again")
        return _from_saved(saved, tensors)
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except RecursionError as error:
        raise FileError(f"{path}: {DAMAGED}its metadata are nested too deeply") from error


def _to_saved(model: LogisticRegression) -> tuple[dict[str, Any], Tensors]:
    """What the file keeps: values for JSON, and tensors."""
    from polytome.models.fitting import dense_coefficients
    from polytome.models.peer_settings import own_settings

    parameters, tensors_of_columns = parameters_to_saved(own_settings(model))
    classes, class_numbers = classes_to_saved(model.classes_)
    names, source = getattr(model, "feature_names_in_", None), model.source_
    saved: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
        "classes": classes,
        "parameters": parameters,
        "feature_names": None if names is None else [str(name) for name in names],
        "encoder": None if source.encoder is None else source.encoder.to_json(),
        "image_shape": None if source.image_shape is None else [int(side) for side in source.image_shape],
        "positive": source.positive,
        "objective": plain(asdict(model.objective_)),
        "certificate": plain(asdict(model.certificate_)),
        "stop": model.stop_.name,
        "n_iter": int(model.n_iter_[0]),
        "solver": str(model.solver_),
    }
    history = np.array([astuple(line) for line in model.history_], dtype=np.float64).reshape(-1, len(fields(Progress)))
    tensors = {"coef": dense_coefficients(model), "intercept": model.intercept_, "history": history}
    tensors |= tensors_of_columns
    if class_numbers is not None:
        tensors["classes"] = class_numbers
    saved["training"] = None
    if source.training is not None:
        saved["training"], of_training = training_to_saved(source.training)
        tensors |= of_training
    return saved, {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def _checksum(saved: dict[str, Any], tensors: Tensors) -> str:
    """SHA-256 of everything in the file but the checksum itself."""
    digest = hashlib.sha256()
    kept = {key: value for key, value in saved.items() if key != "checksum"}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype.kind}{tensor.itemsize} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _parsed(content: str) -> dict[str, Any]:
    """The JSON of the metadata."""

    def refuse_constant(name: str) -> None:
        raise ValueError(f"{name} is no number of JSON")

    try:
        found = json.loads(content, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileError(f"damaged: its metadata are not JSON ({error}); copy the file again") from error
    if not isinstance(found, dict):
        refuse("its metadata are not a JSON object")
    return found


def _check_version(saved: dict[str, Any]) -> None:
    """Refuse a newer format, saying which version can read it."""
    version = saved.get("format_version")
    if type(version) is not int or version < 1:
        refuse(f"format_version is {brief(version)}")
    if version > FORMAT_VERSION:
        raise FileError(
            f"the file has format {brief(version)}, and Polytome {__version__} reads up to {FORMAT_VERSION}; upgrade "
            f"Polytome (the file was written by version {str(saved.get('library_version'))[:40]})"
        )


def _from_saved(saved: dict[str, Any], tensors: Tensors) -> LogisticRegression:
    """The model, after each of its values has been checked, and then the parts against each other."""
    from polytome.models.logistic import LogisticRegression

    saved = record(MODEL, {"training": None})(saved, WHOLE)
    needed = {"coef", "intercept", "history"}
    if saved["training"] is not None:
        needed |= TRAINING_TENSORS
    if not needed <= set(tensors) <= needed | {"classes", *OF_COLUMNS}:
        refuse(f"its tensors are {brief(sorted(tensors))}")
    if not CHECKSUM.fullmatch(saved["checksum"]):
        refuse(f"checksum is {brief(saved['checksum'])}")
    coef, intercept = _coefficients(tensors)
    n_classes, n_features = max(2, len(coef)), coef.shape[1]
    parameters = parameters_from_saved(saved["parameters"], tensors, n_features)
    model = LogisticRegression(**parameters)
    model.coef_, model.intercept_, model.n_features_in_ = coef, intercept, n_features
    model.classes_ = classes_from_saved(saved["classes"], tensors.get("classes"), n_classes)
    model.objective_, model.certificate_ = Formula(**saved["objective"]), Certificate(**saved["certificate"])
    model.stop_ = Stop[saved["stop"]]
    _check_claims(model)
    model.n_iter_ = np.array([saved["n_iter"]], dtype=np.int32)
    model.history_ = _history(tensors["history"])
    model.solver_ = saved["solver"]
    if (names := saved["feature_names"]) is not None:
        if len(names) != n_features:
            refuse(f"{len(names)} feature names for {n_features} features")
        model.feature_names_in_ = np.array(names, dtype=object)
    _check_weights(model)
    training = None
    if saved["training"] is not None:
        training = training_from_saved(saved["training"], tensors, n_classes, n_features)
    model.source_ = FittedSource(
        encoder=_encoder(saved["encoder"], n_features),
        image_shape=_image_shape(saved["image_shape"], n_features),
        positive=_positive(saved["positive"], model.classes_),
        training=training,
    )
    return model


def _coefficients(tensors: Tensors) -> tuple[NDArray[Any], NDArray[Any]]:
    """The coefficients and intercepts, of shapes that a model has."""
    coef, intercept = tensors["coef"], tensors["intercept"]
    kind = coef.dtype
    if kind not in (np.float64, np.float32) or coef.ndim != 2 or 0 in coef.shape or coef.shape[0] == 2:
        refuse(
            f"coef is {kind} of shape {coef.shape}, not float64 or float32 of shape (1, d), or (K, d) with K above 2"
        )
    if intercept.dtype != kind or intercept.shape != (len(coef),):
        refuse(f"intercept is {intercept.dtype} of shape {intercept.shape}, not {kind} of shape {(len(coef),)}")
    for name, tensor in (("coef", coef), ("intercept", intercept)):
        if not np.isfinite(tensor).all():
            refuse(f"{name} holds NaN or infinity")
    return coef, intercept


def _check_claims(model: LogisticRegression) -> None:
    """Refuse an objective, a certificate and an outcome that contradict each other or the coefficients."""
    n_classes, n_features = len(model.classes_), model.n_features_in_
    formula, certificate = model.objective_, model.certificate_
    if (formula.n_classes, formula.n_features) != (n_classes, n_features):
        refuse(f"the objective does not fit {n_classes} classes and {n_features} features")
    if formula.loss != ("softmax" if n_classes > 2 else "logistic"):
        refuse(f"the objective has a {formula.loss} loss for {n_classes} classes")
    said, proved = (formula.value, formula.strength), (certificate.objective, certificate.strength)
    if not np.array_equal(said, proved, equal_nan=True):
        refuse(f"the objective is {said[0]} of strength {said[1]}, in the certificate {proved[0]} of {proved[1]}")
    if np.isnan(certificate.objective) and np.isfinite(certificate.gap):
        refuse(f"the certificate proves a gap of {certificate.gap} about an objective that is NaN")
    if certificate.kind == "estimate" and certificate.strength > 0:
        refuse(f"the certificate is an estimate, although there is a penalty of strength {certificate.strength}")
    # Parts of the gap; a certificate of an older file has none.
    parts = getattr(certificate, "rounding", 0.0) + getattr(certificate, "intercept", 0.0)
    if not parts <= certificate.gap * (1 + 1e-12):
        refuse(f"the certificate's parts make {parts}, more than its gap {certificate.gap}")
    if model.stop_.name in ("CERTIFIED", "ESTIMATED") and not certificate.holds:
        refuse(f"stop is {model.stop_.name}, although the certificate does not hold")
    if model.stop_.name in ("SEPARATED", "ESTIMATED") and certificate.strength > 0:
        refuse(f"stop is {model.stop_.name}, although there is a penalty")


def _check_weights(model: LogisticRegression) -> None:
    """Refuse weights of columns in the penalty that are none of these columns, or that the objective does not have."""
    from polytome.models.penalty_weights import penalty_weights_of, weights_text

    try:
        weights = penalty_weights_of(model, model.n_features_in_)
    except ArgumentError as error:
        refuse(str(error))
    formula = model.objective_
    expected = weights_text(weights) if formula.strength > 0 else "none"
    if formula.penalty_weights != expected:
        refuse(f"the objective has the penalty weights {brief(formula.penalty_weights)}, the settings {expected}")


def _history(tensor: NDArray[Any]) -> tuple[Progress, ...]:
    """One `Progress` per row of the tensor."""
    if tensor.dtype != np.float64 or tensor.ndim != 2 or tensor.shape[1] != len(fields(Progress)) or not len(tensor):
        refuse(f"history is {tensor.dtype} of shape {tensor.shape}")
    iterations, passes = tensor[:, 0], tensor[:, 1]
    if not ((iterations >= 0) & (iterations < LARGEST_COUNT) & (iterations == np.floor(iterations))).all():
        refuse("history counts iterations beyond measure")
    if not (np.isfinite(passes) & (passes >= 0)).all():
        refuse("history counts passes beyond measure")
    if (tensor[:, 2:] < 0).any():
        refuse("history holds an objective, a gap or a time below zero")
    return tuple(Progress(int(iteration), *rest) for iteration, *rest in tensor.tolist())


def _encoder(saved: Any, n_features: int) -> Encoder | None:
    from polytome.tables.encoder import Encoder

    if saved is None:
        return None
    encoder = Encoder.from_json(saved)
    if (width := sum(column.width for column in encoder.columns)) != n_features:
        refuse(f"its encoder makes {width} features, its coefficients need {n_features}")
    return encoder


def _image_shape(saved: list[int] | None, n_features: int) -> tuple[int, int] | None:
    if saved is None:
        return None
    if saved[0] * saved[1] != n_features:
        refuse(f"image_shape is {saved} for {n_features} features")
    return saved[0], saved[1]


def _positive(saved: str | None, classes: NDArray[Any]) -> str | None:
    if saved is not None and (len(classes) != 2 or saved != classes.tolist()[-1]):
        refuse(f"positive is {brief(saved)}, which is not the second of two classes")
    return saved
