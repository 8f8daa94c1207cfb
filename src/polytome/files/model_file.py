"""A fitted model in one safetensors file: nothing in it is ever executed, and nothing is used
unchecked.

The file holds tensors (`coef`, `intercept`, `history`, where they are numbers `classes`, `scale`
and `penalty_weights`, under a penalty of absolute values `proved_zero`, `text_...` of columns of
text, and `training_...` where the training was recorded) and one entry of text metadata,
`polytome`: JSON with a format version, the kind of the model, everything that is not a tensor, and
a SHA-256 checksum of both. Format 1 has no record of the training; formats 1 and 2 know one kind,
`LogisticRegression`. The kind of one that learns by `partial_fit` is named
`PartialLogisticRegression`: it has the state (`state`, and tensors `state_...`) in the place of
certificate and history.

A path of fits, kind `RegularizationPath`, keeps what its points have in common once, and of each
point what differs, in tensors of one more dimension.

Not saved: the callback, a `RandomState`, and a solver object, which is replaced by `solver="auto"`;
`solver_` of a loaded model is the text that described the solver. What follows from other parts
(`pairs_`, `losses_`) is computed again.

Reference:
    The safetensors format, https://huggingface.co/docs/safetensors: eight bytes of length, a JSON
    header, raw tensors.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, fields
from functools import partial
from importlib import import_module
from math import isqrt
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome._version import __version__
from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.files.saved_path import PATH, PATH_KIND, path_from_saved, path_to_saved
from polytome.files.saved_state import LATER_IN_STATE, STATE, STATE_TENSORS, state_from_saved, state_to_saved
from polytome.files.saved_steps import STEP_TENSOR
from polytome.files.saved_training import LATER_TENSORS, TRAINING_TENSORS, training_from_saved, training_to_saved
from polytome.files.saved_values import (
    CHECKSUM,
    MODELS,
    OF_COLUMNS,
    PARTIAL,
    classes_from_saved,
    classes_to_saved,
    parameters_from_saved,
    parameters_to_saved,
)
from polytome.files.tensor_files import Tensors, read_tensors
from polytome.models.calibration import Calibration, calibration_of
from polytome.models.decision import DecisionRule, decision_of
from polytome.models.fitted import feature_names_in
from polytome.models.fitted_source import FittedSource
from polytome.models.formula import Formula
from polytome.models.offsets import offset_places
from polytome.plain.kinds import DAMAGED, LARGEST_COUNT, WHOLE, brief, members, record, refuse
from polytome.plain.values import plain, refuse_constant
from polytome.solvers import Progress, Stop
from polytome.solvers.driver import Epoch
from polytome.tables.text_columns import is_text_tensor

if TYPE_CHECKING:
    from polytome.models.model import Model
    from polytome.models.path import RegularizationPath
    from polytome.models.separation import Separation
    from polytome.tables.encoder import Encoder

__all__ = ["FORMAT_VERSION", "checksum_of", "content_of", "load", "model_from", "save"]

FORMAT_VERSION = 3
"""The newest file format that this version reads, and the one that it writes."""

_KEY = "polytome"
_OF_FORMAT_2 = frozenset(["training"])  # what format 1 lacks
_HOMES = {
    "LogisticRegression": "polytome.models.logistic",
    "OneVsRest": "polytome.models.one_vs_rest",
    "OneVsOne": "polytome.models.one_vs_one",
    "MultilabelLogistic": "polytome.models.multilabel",
    "LinearRegression": "polytome.models.linear",
    "Perceptron": "polytome.models.neurons",
    "Adaline": "polytome.models.neurons",
    "SigmoidNeuron": "polytome.models.neurons",
}
_NEURONS = ("Perceptron", "Adaline", "SigmoidNeuron")
_LOSSES = {"OneVsRest": "one_vs_rest", "OneVsOne": "one_vs_one", "MultilabelLogistic": "multilabel"}


def save(model: Model | RegularizationPath, path: str | PathLike[str]) -> None:
    """Write a fitted model to one safetensors file, whole or not at all.

    Args:
        model: a fitted model; what its `source_` holds is kept.
        path: the file; an existing one is replaced only when the new one is complete.

    Raises:
        ArgumentError: this is not a model of Polytome, or its labels, settings or coefficients
            cannot be saved.
        FileError: the file cannot be written; an existing one is unchanged.
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

    text, tensors = content_of(model)
    content = to_bytes(tensors, {_KEY: text})
    with atomic_output(path) as stream:
        stream.write(content)


def content_of(model: Model | RegularizationPath) -> tuple[str, Tensors]:
    """The text and the tensors of a model's file.

    Raises:
        ArgumentError: this is not a model of Polytome, or its labels, settings or coefficients
            cannot be saved.
        sklearn.exceptions.NotFittedError: the model has not been fitted.
    """
    from polytome.models.model import Model
    from polytome.models.path import RegularizationPath

    if isinstance(model, Model):
        model = model._saved_as()
    if isinstance(model, RegularizationPath):
        saved, tensors = path_to_saved(model, partial(_to_saved, "LogisticRegression"))
    else:
        saved, tensors = _to_saved(_kind_of(model), model)
    saved["checksum"] = checksum_of(saved, tensors)
    text = json.dumps(saved, allow_nan=False)
    try:
        _from_saved(json.loads(text), tensors)  # whatever is written can be read back
    except FileError as error:
        raise ArgumentError(f"the model cannot be saved: {str(error).removeprefix(DAMAGED)}; fit it again") from error
    return text, tensors


def load(path: str | PathLike[str]) -> Any:
    """Read a model that `save` or the method of that name wrote.

    Args:
        path: the file.

    Returns:
        The fitted model, of the kind that was saved: coefficients, labels, certificate and history
        are equal to the last bit.

    Raises:
        FileError: the file is missing, cut short, damaged, not a Polytome model, or in a newer
            format; the message names the file and what is wrong.

    Example:
        >>> load("absent.safetensors")
        Traceback (most recent call last):
        polytome.errors.FileError: absent.safetensors: no such file; check the path
    """
    content, tensors = read_tensors(path, _KEY)
    if any(name.startswith(STEP_TENSOR) for name in tensors):
        raise FileError(f"{path}: holds a pipeline; read it with load_pipeline")
    try:
        return model_from(content, tensors)
    except FileError as error:
        raise FileError(f"{path}: {error}") from error


def model_from(content: str, tensors: Tensors) -> Any:
    """The model of a file's text and tensors, once these are checked.

    Raises:
        FileError: they are damaged, not those of a model, or in a newer format.
    """
    try:
        saved = _parsed(content)
        _check_version(saved)
        kind = _saved_kind(saved)
        names = (PATH if kind == PATH_KIND else MODELS[kind]).keys()
        members(
            saved,
            names if saved["format_version"] > 1 else names - _OF_FORMAT_2,
            WHOLE,
            absent={"kind", "separation", "offset_columns", "decision", "calibration"},
        )
        if saved["checksum"] != checksum_of(saved, tensors):
            refuse("the checksum does not match the content; copy the file again")
        return _from_saved(saved, tensors)
    except RecursionError as error:
        raise FileError(f"{DAMAGED}its metadata are nested too deeply") from error


def _kind_of(model: Any) -> str:
    """The name of a model's class, once it is fitted; that of a subclass is its parent's."""
    from sklearn.utils.validation import check_is_fitted

    from polytome.models.fitting import check_certified

    for each in type(model).__mro__:
        if _HOMES.get(each.__name__) == each.__module__:
            if vars(model).get("state_") is not None:
                return PARTIAL
            if "certificate" in MODELS[each.__name__]:
                check_certified(model)
            check_is_fitted(model, "coef_")
            return each.__name__
    kinds = ", ".join(_HOMES)
    raise ArgumentError(f"model is a {type(model).__name__}: only models of Polytome can be saved ({kinds})")


def _to_saved(kind: str, model: Any) -> tuple[dict[str, Any], Tensors]:
    """What the file keeps: values for JSON, and tensors."""
    from polytome.models.peer_settings import own_settings
    from polytome.models.predictions import dense_coefficients

    parameters, tensors_of_columns = parameters_to_saved(own_settings(model))
    of_texts: Tensors = {}
    names, source = feature_names_in(model), model.source_
    saved: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
        "kind": kind,
        "parameters": parameters,
        "feature_names": None if names is None else [str(name) for name in names],
        "encoder": None if source.encoder is None else source.encoder.to_json(of_texts),
        "image_shape": None if source.image_shape is None else [int(side) for side in source.image_shape],
        "positive": source.positive,
    }
    tensors = {"coef": dense_coefficients(model), "intercept": np.atleast_1d(model.intercept_)}
    tensors |= tensors_of_columns | of_texts
    if kind == PARTIAL:
        saved["state"], of_state = state_to_saved(model.state_, model.classes_)
        saved["state"] = plain(saved["state"], words=True)
        tensors |= of_state
    if "classes" in MODELS[kind]:
        saved["classes"], numbers = classes_to_saved(model.labels_ if kind == "MultilabelLogistic" else model.classes_)
        if numbers is not None:
            tensors["classes"] = numbers
    if "stop" in MODELS[kind]:
        history, columns = [astuple(line) for line in model.history_], len(fields(type(model.history_[0])))
        tensors["history"] = np.array(history, dtype=np.float64).reshape(-1, columns)
        saved["stop"] = model.stop_.name
    if "certificate" in MODELS[kind]:
        saved["objective"], saved["certificate"] = (
            plain(asdict(each), words=True) for each in (model.objective_, model.certificate_)
        )
        if "proved_zero_" in vars(model):
            tensors["proved_zero"] = model.proved_zero_
        saved["n_iter"], saved["solver"] = int(model.n_iter_[0]), str(model.solver_)
        found = vars(model).get("separation_")
        saved["separation"] = vars(model).get("separation_unknown_") if found is None else plain(asdict(found))
    if kind == "LogisticRegression":
        saved["offset_columns"] = list(offset_places(model))
        if (calibration := calibration_of(model)) is not None:
            saved["calibration"] = calibration.to_json()
            if (table := saved["calibration"].pop("table")) is not None:
                tensors["calibration_table"] = np.array(table, dtype=np.float64)
        if (rule := decision_of(model)) is not None:  # without one, files stay as they were
            saved["decision"] = {"threshold": rule.threshold, "reason": rule.reason}
            if rule.costs is not None:
                tensors["costs"] = rule.costs
    if kind == "LinearRegression":
        saved["rank"], saved["condition"] = int(model.rank_), plain(float(model.condition_), words=True)
        tensors["singular"] = model.singular_
    saved["training"] = None
    if source.training is not None:
        saved["training"], of_training = training_to_saved(source.training)
        tensors |= of_training
    return saved, {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def checksum_of(saved: dict[str, Any], tensors: Tensors) -> str:
    """SHA-256 of a text's values, but for the checksum itself, and of its tensors."""
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
    try:
        found = json.loads(content, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileError(f"damaged: its metadata are not JSON ({error}); copy the file again") from error
    if not isinstance(found, dict):
        refuse("its metadata are not a JSON object")
    return found


def _check_version(saved: dict[str, Any]) -> None:
    """Refuse a newer format, saying which version wrote it."""
    version = saved.get("format_version")
    if type(version) is not int or version < 1:
        refuse(f"format_version is {brief(version)}")
    if version > FORMAT_VERSION:
        raise FileError(
            f"the file has format {brief(version)}, and Polytome {__version__} reads up to {FORMAT_VERSION}; upgrade "
            f"Polytome (the file was written by version {str(saved.get('library_version'))[:40]})"
        )


def _saved_kind(saved: dict[str, Any]) -> str:
    """The kind of the model, which decides what else there is."""
    kind = saved.get("kind", "LogisticRegression")
    if not isinstance(kind, str) or kind not in {*MODELS, PATH_KIND}:
        refuse(f"kind is {brief(kind)}, not one of {', '.join([*MODELS, PATH_KIND])}")
    return kind


def _from_saved(saved: dict[str, Any], tensors: Tensors) -> Any:
    """The model, after each of its values has been checked, and then the parts against each
    other."""
    kind = _saved_kind(saved)
    if kind == PATH_KIND:
        return path_from_saved(record(PATH)(saved, WHOLE), tensors, _from_saved)
    absent: dict[str, Any] = {
        "training": None,
        "kind": kind,
        "separation": None,
        "offset_columns": [],
        "decision": None,
        "calibration": None,
    }
    saved = record(MODELS[kind], absent)(saved, WHOLE)
    of_kind = {"LinearRegression": ["singular"], PARTIAL: [name for name in tensors if name in STATE_TENSORS]}
    needed = {"coef", "intercept", *of_kind.get(kind, ["history"])}
    if saved["training"] is not None:
        needed |= TRAINING_TENSORS
    if "objective" in saved and (saved["objective"]["l1_ratio"] > 0 or saved["objective"]["bounds"] != "none"):
        needed |= {"proved_zero"}
    if (decision := saved.get("decision")) is not None and decision["threshold"] is None:
        needed |= {"costs"}
    given = {name for name in tensors if not is_text_tensor(name)}  # those the encoder checks
    calibration = saved.get("calibration")
    optional = {"classes", "bounds", *OF_COLUMNS, *([] if calibration is None else ["calibration_table"])}
    optional |= LATER_TENSORS if saved["training"] is not None else set()
    if not needed <= given <= needed | optional:
        refuse(f"its tensors are {brief(sorted(tensors))}")
    if not CHECKSUM.fullmatch(saved["checksum"]):
        refuse(f"checksum is {brief(saved['checksum'])}")
    coef, intercept = _coefficients(tensors, kind)
    n_features = coef.shape[-1]
    parameters = parameters_from_saved(saved["parameters"], tensors, n_features)
    name = "LogisticRegression" if kind == PARTIAL else kind
    model: Any = getattr(import_module(_HOMES[name]), name)(**parameters)
    model.coef_, model.intercept_, model.n_features_in_ = coef, intercept, n_features
    if (zeros := tensors.get("proved_zero")) is not None:
        if zeros.dtype != np.bool_ or zeros.shape != coef.shape:
            refuse(f"proved_zero is {zeros.dtype} of shape {zeros.shape}, not boolean of shape {coef.shape}")
        model.proved_zero_ = zeros
    if kind == "LinearRegression":
        _linear_from_saved(model, saved, tensors)
    elif kind == PARTIAL:
        _partial_from_saved(model, saved, tensors)
    else:
        _classifier_from_saved(model, kind, saved, tensors)
    if (names := saved["feature_names"]) is not None:
        if len(names) != n_features:
            refuse(f"{len(names)} feature names for {n_features} features")
        model.feature_names_in_ = np.array(names, dtype=object)
    training = None
    if saved["training"] is not None:
        training = training_from_saved(saved["training"], tensors, len(model.classes_), n_features)
    model.source_ = FittedSource(
        encoder=_encoder(saved["encoder"], tensors, n_features),
        image_shape=_image_shape(saved["image_shape"], n_features),
        positive=_positive(saved["positive"], [] if kind == "LinearRegression" else model.classes_.tolist()),
        training=training,
    )
    if "certificate" in MODELS[kind]:
        _check_weights(model)
    try:
        if calibration is not None:
            model.calibration_ = Calibration(**calibration, table=tensors.get("calibration_table"))
        if decision is not None:
            model.decision_ = DecisionRule(decision["threshold"], tensors.get("costs"), decision["reason"])
    except ArgumentError as error:
        refuse(f"its calibration or decision cannot be used: {error}")
    return model


def _classifier_from_saved(model: Any, kind: str, saved: dict[str, Any], tensors: Tensors) -> None:
    """Sets labels, outcome and history, and what proves them."""
    from polytome.losses.pairwise import PairwiseSigmoids

    n_classes = _n_classes(kind, len(model.coef_))
    model.classes_ = classes_from_saved(saved["classes"], tensors.get("classes"), n_classes)
    if kind == "OneVsOne":
        model.pairs_ = PairwiseSigmoids(n_classes).pairs
    if kind == "MultilabelLogistic":
        model.labels_, model.classes_ = model.classes_, np.arange(n_classes)
    model.stop_ = Stop[saved["stop"]]
    if kind in _NEURONS:
        model.history_ = _epochs(tensors["history"])
        model.losses_ = np.array([epoch.running for epoch in model.history_])
        model.n_iter_ = len(model.history_)
        return
    model.objective_, model.certificate_ = Formula(**saved["objective"]), Certificate(**saved["certificate"])
    _check_claims(model, kind)
    model.n_iter_ = np.array([saved["n_iter"]], dtype=np.int32)
    model.history_ = _history(tensors["history"])
    model.solver_ = saved["solver"]
    found = saved["separation"]
    if isinstance(found, str):
        model.separation_unknown_, found = found, None
    model.separation_ = _separation(found, saved["objective"])
    if kind == "LogisticRegression":
        _offset_from_saved(model, saved["offset_columns"])
    elif model.objective_.has_offset or model.objective_.label_smoothing:
        refuse(f"the objective of a {kind} has an offset or smoothed labels")


def _offset_from_saved(model: Any, places: list[int]) -> None:
    """Sets where the offset of rows to be predicted is, if they need one."""
    formula, n_features = model.objective_, model.n_features_in_
    if formula.label_smoothing != model.label_smoothing:
        refuse(
            f"labels are smoothed by {formula.label_smoothing} in the objective, by {model.label_smoothing} in the "
            "settings"
        )
    model.needs_offset_ = formula.has_offset and not places
    if not places:
        return
    n_outputs = len(model.coef_)
    is_possible = formula.has_offset and len(set(places)) == n_outputs == len(places) and max(places) < n_features
    if not is_possible or not np.array_equal(model.coef_[:, places], np.eye(n_outputs)):
        refuse(f"offset_columns are {brief(places)}, not a column with the coefficient 1 for each score")
    if "proved_zero_" in vars(model) and model.proved_zero_[:, places].any():
        refuse("proved_zero has columns of the offset, which are not learned")
    model.offset_columns_ = tuple(places)


def _separation(saved: dict[str, Any] | None, objective: dict[str, Any]) -> Separation | None:
    """Which coefficients have no finite estimate."""
    from polytome.models.separation import Infinite, Separation

    if saved is None:
        return None
    infinite = tuple(Infinite(**each | {"against": tuple(each["against"])}) for each in saved["infinite"])
    n_classes, n_rows = objective["n_classes"], objective["n_rows"]
    for each in infinite:
        if each.column >= objective["n_features"] or max(each.of, *each.against, 0) >= n_classes:
            refuse("separation names a column or a class that the model does not have")
    if not 0 < saved["n_separated"] <= n_rows:
        refuse("separation cannot be that of this model")
    return Separation(saved["n_separated"], saved["is_complete"], infinite)


def _partial_from_saved(model: Any, saved: dict[str, Any], tensors: Tensors) -> None:
    """Sets labels and state; the coefficients must be those of the state."""
    from polytome.models.partial import set_coefficients

    own = record(STATE, LATER_IN_STATE)(saved["state"], "state")
    coef, intercept = model.coef_, model.intercept_
    n_outputs = own["n_classes"] if own["n_classes"] > 2 else 1
    if len(coef) != n_outputs:
        refuse(f"coef has {len(coef)} rows for {own['n_classes']} classes")
    classes = classes_from_saved(saved["classes"], tensors.get("classes"), own["n_classes"])
    try:
        is_sorted = np.array_equal(np.unique(classes), classes)
    except TypeError:
        is_sorted = False
    if not is_sorted:
        refuse("the classes are not sorted")
    state = state_from_saved(own, tensors, classes, model.n_features_in_)
    set_coefficients(model, state, classes)
    if not (np.array_equal(model.coef_, coef) and np.array_equal(model.intercept_, intercept)):
        refuse("the coefficients are not those of the state")


def _linear_from_saved(model: Any, saved: dict[str, Any], tensors: Tensors) -> None:
    """Sets what least squares says of its columns; one target has a number for an intercept."""
    if "classes" in tensors or "scale" in tensors:
        refuse(f"its tensors are {brief(sorted(tensors))}")
    singular, n_features = tensors["singular"], model.n_features_in_
    if singular.dtype != np.float64 or singular.ndim != 1 or not len(singular) <= n_features:
        refuse(f"singular is {singular.dtype} of shape {singular.shape} for {n_features} features")
    if not (np.isfinite(singular) & (singular >= 0)).all() or not (np.diff(singular) <= 0).all():
        refuse("singular does not hold singular values in descending order")
    if saved["rank"] > n_features:
        refuse(f"rank is {saved['rank']} of {n_features} features")
    model.rank_, model.singular_, model.condition_ = saved["rank"], singular, float(saved["condition"])
    if model.coef_.ndim == 1:
        model.intercept_ = float(model.intercept_[0])


def _n_classes(kind: str, n_outputs: int) -> int:
    """How many classes, or labels, have so many rows of coefficients."""
    if kind == "MultilabelLogistic":
        return n_outputs
    if kind == "OneVsOne":
        n_classes = (1 + isqrt(1 + 8 * n_outputs)) // 2
        if n_classes * (n_classes - 1) // 2 != n_outputs:
            refuse(f"coef has {n_outputs} rows, and no number of classes has so many pairs")
        return n_classes
    return max(2, n_outputs)


def _coefficients(tensors: Tensors, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The coefficients and intercepts, of shapes that a model of this kind has."""
    coef, intercept = tensors["coef"], tensors["intercept"]
    dtype, dimensions, wrong = (
        coef.dtype,
        {2},
        {"LogisticRegression": {2}, PARTIAL: {2}, "OneVsRest": {2}}.get(kind, set()),
    )
    needs = "(1, d), or (K, d) with K above 2"
    if kind == "LinearRegression":
        dimensions, needs = {1, 2}, "(d,) or (n_targets, d)"
    elif kind in _NEURONS:
        needs, wrong = "(1, d)", {len(coef)} - {1} if coef.ndim else set()
    if dtype not in (np.float64, np.float32) or coef.ndim not in dimensions or 0 in coef.shape or len(coef) in wrong:
        refuse(f"coef is {dtype} of shape {coef.shape}, not float64 or float32 of shape {needs}")
    n_outputs = len(coef) if coef.ndim == 2 else 1
    if intercept.dtype != dtype or intercept.shape != (n_outputs,):
        refuse(f"intercept is {intercept.dtype} of shape {intercept.shape}, not {dtype} of shape {(n_outputs,)}")
    for name, tensor in (("coef", coef), ("intercept", intercept)):
        if not np.isfinite(tensor).all():
            refuse(f"{name} holds NaN or infinity")
    return coef, intercept


def _check_claims(model: Any, kind: str) -> None:
    """Refuse an objective, a certificate and an outcome that contradict each other or the
    coefficients."""
    from polytome.models.peer_settings import l1_ratio_of

    n_classes, n_features = len(model.classes_), model.n_features_in_
    formula, certificate = model.objective_, model.certificate_
    if (formula.n_classes, formula.n_features) != (n_classes, n_features):
        refuse(f"the objective does not fit {n_classes} classes and {n_features} features")
    own = _LOSSES.get(kind, "softmax" if n_classes > 2 else "logistic")
    if formula.loss != ("logistic" if kind == "OneVsRest" and n_classes == 2 else own):
        refuse(f"the objective has a {formula.loss} loss for {n_classes} classes")
    if formula.l1_ratio != certificate.l1_ratio or formula.l1_ratio != l1_ratio_of(model) * (formula.strength > 0):
        refuse(
            f"l1_ratio is {formula.l1_ratio} in the objective, {certificate.l1_ratio} in the certificate, "
            f"{l1_ratio_of(model)} in the settings"
        )
    said, proved = (formula.value, formula.strength), (certificate.objective, certificate.strength)
    if not np.array_equal(said, proved, equal_nan=True):
        refuse(f"the objective is {said[0]} of strength {said[1]}, in the certificate {proved[0]} of {proved[1]}")
    if np.isnan(certificate.objective) and np.isfinite(certificate.gap):
        refuse(f"the certificate proves a gap of {certificate.gap} about an objective that is NaN")
    if certificate.kind == "estimate" and certificate.strength > 0:
        refuse(f"the certificate is an estimate, although there is a penalty of strength {certificate.strength}")
    parts = certificate.rounding + certificate.intercept  # of the gap
    if not parts <= certificate.gap * (1 + 1e-12):
        refuse(f"the certificate's parts make {parts}, more than its gap {certificate.gap}")
    if model.stop_.name in ("CERTIFIED", "ESTIMATED") and not certificate.holds:
        refuse(f"stop is {model.stop_.name}, although the certificate does not hold")
    if model.stop_.name in ("SEPARATED", "ESTIMATED") and certificate.strength > 0:
        refuse(f"stop is {model.stop_.name}, although there is a penalty")


def _check_weights(model: Any) -> None:
    """Refuse weights or groups of columns in the penalty that are none of these columns, or that
    the objective does not have."""
    from polytome.models.bounds import at_bound, bounds_of, bounds_text, check_bounds, within_bounds
    from polytome.models.groups import check_group_ratio, group_ratio_of, groups_of, groups_text
    from polytome.models.penalty_weights import penalty_weights_of, weights_text

    try:
        weights = penalty_weights_of(model, model.n_features_in_, model.source_.encoder)
        groups = groups_of(model, model.n_features_in_, model.source_.encoder)
        check_group_ratio(group_ratio_of(model), groups is not None)
        check_bounds(vars(model).get("bounds"), groups is not None)
        bounds = bounds_of(model, model.n_features_in_, model.source_.encoder)
    except ArgumentError as error:
        refuse(str(error))
    formula = model.objective_
    expected = weights_text(weights) if formula.strength > 0 else "none"
    if formula.penalty_weights != expected:
        refuse(f"the objective has the penalty weights {brief(formula.penalty_weights)}, the settings {expected}")
    expected = groups_text(groups) if formula.l1_ratio > 0 else "none"
    if formula.groups != expected:
        refuse(f"the objective has the groups {brief(formula.groups)}, the settings {expected}")
    ratio = group_ratio_of(model) if expected != "none" else 1.0
    if formula.group_ratio != ratio:
        refuse(f"the objective has the group_ratio {brief(formula.group_ratio)}, the settings {ratio}")
    if formula.bounds != bounds_text(bounds) or model.certificate_.has_bounds != (bounds is not None):
        refuse(f"the objective has the bounds {brief(formula.bounds)}, the settings {bounds_text(bounds)}")
    if bounds is not None:
        if not np.array_equal(within_bounds(bounds, model.coef_.astype(np.float64)), model.coef_):
            refuse("a coefficient is not within its bounds")
        model.at_bound_ = at_bound(bounds, model.coef_)


def _history(tensor: NDArray[Any]) -> tuple[Progress, ...]:
    """One `Progress` per row of the tensor."""
    if tensor.dtype != np.float64 or tensor.ndim != 2 or tensor.shape[1] != len(fields(Progress)) or not len(tensor):
        refuse(f"history is {tensor.dtype} of shape {tensor.shape}")
    iterations, passes = tensor[:, 0], tensor[:, 1]
    if not ((iterations >= 0) & (iterations < LARGEST_COUNT) & (iterations == np.floor(iterations))).all():
        refuse("history has impossible numbers of iterations")
    if not (np.isfinite(passes) & (passes >= 0)).all():
        refuse("history has impossible numbers of passes")
    if (tensor[:, 2:] < 0).any():
        refuse("history holds an objective, a gap or a time below zero")
    return tuple(Progress(int(iteration), *rest) for iteration, *rest in tensor.tolist())


def _epochs(tensor: NDArray[Any]) -> tuple[Epoch, ...]:
    """One `Epoch` per row of the tensor; NaN stands for steps that were not counted."""
    if tensor.dtype != np.float64 or tensor.ndim != 2 or tensor.shape[1] != len(fields(Epoch)) or not len(tensor):
        refuse(f"history is {tensor.dtype} of shape {tensor.shape}")
    numbers, updates = tensor[:, 0], tensor[:, 3]
    if not np.array_equal(numbers, np.arange(1, len(tensor) + 1)):
        refuse("history does not count its epochs from 1")
    counted = np.isnan(updates) | ((updates >= 0) & (updates < LARGEST_COUNT) & (updates == np.floor(updates)))
    if not counted.all():
        refuse("history counts steps beyond measure")
    if (tensor[:, 1:3] < 0).any():
        refuse("history holds a loss below zero")
    return tuple(
        Epoch(int(number), objective, running, None if steps != steps else int(steps))
        for number, objective, running, steps in tensor.tolist()
    )


def _encoder(saved: Any, tensors: Tensors, n_features: int) -> Encoder | None:
    from polytome.tables.encoder import Encoder

    if saved is None:
        if texts := sorted(filter(is_text_tensor, tensors)):
            refuse(f"it has no encoder, and the tensors {brief(texts)} of one")
        return None
    encoder = Encoder.from_json(saved, tensors)
    if (width := sum(column.width for column in encoder.columns)) != n_features:
        refuse(f"its encoder makes {width} features, its coefficients need {n_features}")
    return encoder


def _image_shape(saved: list[int] | None, n_features: int) -> tuple[int, int] | None:
    if saved is None:
        return None
    if saved[0] * saved[1] != n_features:
        refuse(f"image_shape is {saved} for {n_features} features")
    return saved[0], saved[1]


def _positive(saved: str | None, classes: list[Any]) -> str | None:
    if saved is not None and (len(classes) != 2 or saved != classes[-1]):
        refuse(f"positive is {brief(saved)}, which is not the second of two classes")
    return saved
