"""A fitted model in one safetensors file: nothing in it is ever executed, and nothing in it is believed unchecked.

The file holds tensors (`coef`, `intercept`, `history`, where they are numbers `classes` and `scale`, and
`training_...` where the training was recorded) and one entry of text metadata, `polytome`: JSON with a format version,
all that is not a tensor, and a SHA-256 checksum of both. Format 1 has no record of the training.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import __version__
from polytome.atomic_files import atomic_output
from polytome.certificate import Certificate
from polytome.errors import ArgumentError, FileError
from polytome.formula import Formula
from polytome.saved_values import (
    DAMAGED,
    TRAINING_TENSORS,
    checked,
    classes_from_saved,
    classes_to_saved,
    members,
    parameters_from_saved,
    parameters_to_saved,
    plain,
    record_from_saved,
    refuse,
    training_from_saved,
    training_to_saved,
)
from polytome.solvers import Progress, Stop

if TYPE_CHECKING:
    from polytome.estimators import LogisticRegression

Tensors = dict[str, NDArray[Any]]

__all__ = ["FORMAT_VERSION", "load", "save"]

FORMAT_VERSION = 2
"""The newest file format that this version reads, and the one that it writes."""

_KEY = "polytome"
_LARGEST_HEADER = 100_000_000  # a limit of safetensors itself
_TENSOR_TYPES = frozenset(["F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"])
_MEMBERS_OF_1 = (
    *("format_version", "checksum", "library_version", "parameters", "classes", "feature_names", "encoder"),
    *("image_shape", "positive", "objective", "certificate", "stop", "n_iter", "solver"),
)
_MEMBERS = (*_MEMBERS_OF_1, "training")


def save(model: LogisticRegression, path: str | PathLike[str]) -> None:
    """Write a fitted model to one safetensors file, whole or not at all.

    Args:
        model: a fitted `LogisticRegression`. Its attributes `encoder_` (an `Encoder`), `image_shape_` (height, width)
            and `positive_` (the label of a one-against-the-rest model) are kept where it has them.
        path: the file; an existing one is replaced only when the new one is complete.

    Raises:
        ArgumentError: this is no `LogisticRegression`, or its labels, settings or coefficients cannot be saved.
        FileError: the file cannot be written; an old one is as it was.
        sklearn.exceptions.NotFittedError: the model has not been fitted.

    Example:
        >>> import tempfile
        >>> from polytome.estimators import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(model, Path(folder, "model.safetensors"))
        ...     again = load(Path(folder, "model.safetensors"))
        >>> bool((again.coef_ == model.coef_).all()), again.classes_, again.certificate_ == model.certificate_
        (True, array(['no', 'yes'], dtype='<U3'), True)
    """
    from safetensors.numpy import save as to_bytes

    from polytome.estimators import LogisticRegression
    from polytome.fitting import check_certified

    if not isinstance(model, LogisticRegression):
        raise ArgumentError(f"model is a {type(model).__name__}: only a polytome.LogisticRegression can be saved")
    check_certified(model)
    record, tensors = _to_saved(model)
    record["checksum"] = _checksum(record, tensors)
    text = json.dumps(record, allow_nan=False)
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
    try:
        record, tensors = _read(Path(path))
        _check_version(record)
        members(record, _MEMBERS if record["format_version"] > 1 else _MEMBERS_OF_1, "the model")
        if record["checksum"] != _checksum(record, tensors):
            refuse("the checksum does not match the content; copy the file again")
        return _from_saved(record, tensors)
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error


def _to_saved(model: LogisticRegression) -> tuple[dict[str, Any], Tensors]:
    """What the file keeps: values for JSON, and tensors."""
    from polytome.fitting import dense_coefficients
    from polytome.peer_settings import own_settings

    parameters, scale = parameters_to_saved(own_settings(model))
    classes, class_numbers = classes_to_saved(model.classes_)
    names = getattr(model, "feature_names_in_", None)
    encoder, shape = getattr(model, "encoder_", None), getattr(model, "image_shape_", None)
    record = {
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
        "classes": classes,
        "parameters": parameters,
        "feature_names": None if names is None else [str(name) for name in names],
        "encoder": None if encoder is None else encoder.to_json(),
        "image_shape": None if shape is None else [int(side) for side in shape],
        "positive": getattr(model, "positive_", None),
        "objective": plain(asdict(model.objective_)),
        "certificate": plain(asdict(model.certificate_)),
        "stop": model.stop_.name,
        "n_iter": int(model.n_iter_[0]),
        "solver": str(model.solver_),
    }
    history = np.array([astuple(line) for line in model.history_], dtype=np.float64).reshape(-1, len(fields(Progress)))
    tensors = {"coef": dense_coefficients(model), "intercept": model.intercept_, "history": history}
    for name, numbers in (("classes", class_numbers), ("scale", scale)):
        if numbers is not None:
            tensors[name] = numbers
    record["training"] = None
    if hasattr(model, "training_"):
        record["training"], of_training = training_to_saved(model.training_)
        tensors |= of_training
    return record, {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def _checksum(record: dict[str, Any], tensors: Tensors) -> str:
    """SHA-256 of everything in the file but the checksum itself."""
    digest = hashlib.sha256()
    kept = {key: value for key, value in record.items() if key != "checksum"}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype.kind}{tensor.itemsize} {tensor.shape}".encode())
        digest.update(tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    """The JSON and the tensors of a file of which nothing is known."""
    from safetensors import SafetensorError, safe_open

    _check_start(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise FileError("a safetensors file, but no model that Polytome saved: its metadata lack 'polytome'")
            names = sorted(file.keys())
            for name in names:
                if file.get_slice(name).get_dtype() not in _TENSOR_TYPES:
                    refuse(f"the tensor {name!r} has a type that no model has")
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise FileError(f"damaged, or no safetensors file ({error}); copy the file again") from error
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"damaged: its metadata are not JSON ({error}); copy the file again") from error
    if not isinstance(record, dict):
        refuse("its metadata are not a JSON object")
    return record, tensors


def _check_start(path: Path) -> None:
    """Refuse what cannot be a safetensors file before anything is mapped into memory."""
    if path.is_dir():
        raise FileError("is a folder; name the model file in it")
    if path.exists() and not path.is_file():
        raise FileError("is no ordinary file; name a model file")
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(9)
    if size == 0:
        raise FileError("the file is empty")
    if size < 9:
        raise FileError(f"the file is cut short: it holds {size} bytes only")
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" or length > _LARGEST_HEADER:
        raise FileError("is not a safetensors file, or its first bytes are damaged")
    if length > size - 8:
        raise FileError(
            f"the file is cut short, or its first bytes are damaged: it holds {size} bytes, its header alone needs "
            f"{length + 8}"
        )


def _check_version(record: dict[str, Any]) -> None:
    """Refuse a newer format, saying which version can read it."""
    version = record.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        refuse(f"format_version is {version!r}")
    if version > FORMAT_VERSION:
        raise FileError(
            f"the file has format {version}, and Polytome {__version__} reads up to {FORMAT_VERSION}; upgrade Polytome "
            f"(the file was written by version {str(record.get('library_version'))[:40]})"
        )


def _from_saved(record: dict[str, Any], tensors: Tensors) -> LogisticRegression:
    """The model, after each of its parts has been checked and the parts against each other."""
    from polytome.estimators import LogisticRegression

    needed = {"coef", "intercept", "history"}
    if (training := record.get("training")) is not None:
        needed |= TRAINING_TENSORS
    if not needed <= set(tensors) <= needed | {"classes", "scale"}:
        refuse(f"its tensors are {sorted(tensors)[:12]}")
    coef, intercept = tensors["coef"], tensors["intercept"]
    if coef.dtype not in (np.float64, np.float32) or coef.ndim != 2 or 0 in coef.shape or coef.shape[0] == 2:
        refuse(f"coef is {coef.dtype} of shape {coef.shape}, not floating of shape (1, d) or (K, d) with K above 2")
    if intercept.dtype not in (np.float64, np.float32) or intercept.shape != (len(coef),):
        refuse(f"intercept is {intercept.dtype} of shape {intercept.shape}, not floating of shape {(len(coef),)}")
    for name, tensor in (("coef", coef), ("intercept", intercept)):
        if not np.isfinite(tensor).all():
            refuse(f"{name} holds NaN or infinity")
    n_classes, n_features = max(2, len(coef)), coef.shape[1]
    model = LogisticRegression(**parameters_from_saved(record["parameters"], tensors.get("scale")))
    model.coef_, model.intercept_, model.n_features_in_ = coef, intercept, n_features
    model.classes_ = classes_from_saved(record["classes"], tensors.get("classes"), n_classes)
    model.objective_ = record_from_saved(Formula, record["objective"], "objective")
    if (model.objective_.n_classes, model.objective_.n_features) != (n_classes, n_features):
        refuse(f"the objective does not fit {n_classes} classes and {n_features} features")
    model.certificate_ = record_from_saved(Certificate, record["certificate"], "certificate")
    if record["stop"] not in Stop.__members__:
        refuse(f"stop is {str(record['stop'])[:40]!r}, which is no member of polytome.Stop")
    model.stop_ = Stop[record["stop"]]
    model.n_iter_ = np.array([checked(record["n_iter"], int, "n_iter")], dtype=np.int32)
    model.history_ = _history(tensors["history"])
    model.solver_ = checked(record["solver"], str, "solver")
    if training is not None:
        model.training_ = training_from_saved(training, tensors, n_classes, n_features)
    _restore_names(model, record)
    return model


def _history(tensor: NDArray[Any]) -> tuple[Progress, ...]:
    """One `Progress` per row of the tensor."""
    if tensor.dtype != np.float64 or tensor.ndim != 2 or tensor.shape[1] != len(fields(Progress)):
        refuse(f"history is {tensor.dtype} of shape {tensor.shape}")
    if not (np.abs(tensor[:, 0]) < 2**53).all():
        refuse("history counts iterations beyond measure")
    return tuple(Progress(int(iteration), *rest) for iteration, *rest in tensor.tolist())


def _restore_names(model: LogisticRegression, record: dict[str, Any]) -> None:
    """Set the attributes that only some models have, after checking that they fit."""
    from polytome.encoders import Encoder

    n_features = model.n_features_in_
    if (names := record["feature_names"]) is not None:
        texts = [checked(name, str, "feature_names") for name in checked(names, list, "feature_names")]
        if len(texts) != n_features:
            refuse(f"{len(texts)} feature names for {n_features} features")
        model.feature_names_in_ = np.array(texts, dtype=object)
    if record["encoder"] is not None:
        model.encoder_ = Encoder.from_json(record["encoder"])
        if (width := len(model.encoder_.feature_names)) != n_features:
            refuse(f"its encoder makes {width} features, its coefficients need {n_features}")
    if (shape := record["image_shape"]) is not None:
        sides = tuple(checked(side, int, "image_shape") for side in checked(shape, list, "image_shape"))
        if len(sides) != 2 or min(sides) < 1 or sides[0] * sides[1] != n_features:
            refuse(f"image_shape is {list(sides)[:4]} for {n_features} features")
        model.image_shape_ = sides
    if (positive := record["positive"]) is not None:
        if positive != model.classes_[-1] or len(model.classes_) != 2:
            refuse(f"positive is {str(positive)[:40]!r}, which is not the second of two classes")
        model.positive_ = checked(positive, str, "positive")
