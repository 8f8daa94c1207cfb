"""What is known about a model, as pairs of a name and a text, for the report and the model card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polytome.errors import ArgumentError
from polytome.evaluation.explain import feature_names, output_names
from polytome.models.calibration import calibration_of
from polytome.models.decision import decision_of
from polytome.models.fitted import certificate_of, learns_in_parts
from polytome.models.fitted_source import source_of
from polytome.models.offsets import offset_places
from polytome.report.wording import listing, number, percent

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted
    from polytome.models.fitted_source import TrainingRecord

__all__ = [
    "check_reported",
    "data_facts",
    "fit_in_python",
    "objective_facts",
    "output_labels",
    "reproduction_facts",
    "training_facts",
]

Facts = list[tuple[str, str]]


def objective_facts(model: Fitted) -> Facts:
    """The numbers in the objective.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> objective_facts(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]))[:2]
        [('Loss', 'logistic, in nats'), ('Rows', '3')]
    """
    if certificate_of(model) is None:
        return [("Kind", model.kind), ("Features", f"{model.n_features_in_:,}")]
    formula = model.objective_
    weights = "" if formula.total_weight == formula.n_rows else f", of weight {number(formula.total_weight)} in all"
    divided = "their standard deviations" if formula.scale == "standard" else formula.scale
    scale = "" if formula.scale == "none" else f", divided by {divided} before the penalty"
    weighted = "" if formula.penalty_weights == "none" else f", each times its column's weight ({_weights(model)})"
    ratio = formula.l1_ratio
    sums = f"({number(ratio)} of the sum of absolute and {number(1 - ratio)} of half the sum of squared coefficients)"
    if formula.groups != "none":
        of = "each column" if formula.groups == "classes" else f"{formula.groups}, each times the root of its size"
        sums = f"the sum of the norms of the coefficients of {of}"
        if (norms := formula.group_ratio) < 1:
            absolute = f"{number(ratio * (1 - norms))} of the sum of absolute coefficients"
            squares = f", and {number(1 - ratio)} of half the sum of squared coefficients" if ratio < 1 else ""
            sums = f"({number(ratio * norms)} of {sums}, and {absolute}{squares})"
        elif ratio < 1:
            sums = f"({number(ratio)} of {sums}, and {number(1 - ratio)} of half the sum of squared coefficients)"
    elif ratio in (0, 1):
        sums = "the sum of absolute coefficients" if ratio else "half the sum of squared coefficients"
    penalty = f"{number(formula.strength)} times {sums}{weighted} (C = {number(formula.C)})"
    rule, calibration, labels = decision_of(model), calibration_of(model), model.classes_.tolist()
    afterwards = [] if calibration is None else [("Calibration", calibration.sentence(labels))]
    afterwards += [] if rule is None else [("Decision", rule.sentence(labels))]
    places, names = offset_places(model), feature_names(model)
    of_rows = (
        f"{', '.join(names[place] for place in places)}, with the coefficient 1"
        if places
        else "given beside the columns"
    )
    smoothing = formula.label_smoothing
    others = [("Offset", of_rows)] if formula.has_offset else []
    if formula.bounds != "none":
        at_bound = int(vars(model)["at_bound_"].sum())
        others.append(("Bounds", f"{formula.bounds}; {at_bound:,} of {model.coef_.size:,} coefficients at one"))
    others += [("Label smoothing", f"{number(smoothing)} of each label, spread over all classes")] if smoothing else []
    return [
        ("Loss", f"{formula.loss}, in nats"),
        *others,
        ("Rows", f"{formula.n_rows:,}{weights}"),
        ("Features", f"{formula.n_features:,}{scale}"),
        ("Penalty", penalty if formula.strength > 0 else "none"),
        ("Intercept", "fitted, not penalised" if formula.fit_intercept else "none"),
        ("Value reached", f"{number(formula.value, 6)} nats"),
        ("Null model", f"{number(model.certificate_.null_objective, 6)} nats, with the best intercept alone"),
        *((title, f"not part of the objective: {sentence}") for title, sentence in afterwards),
    ]


def data_facts(model: Fitted, record: TrainingRecord) -> Facts:
    """The training data.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = fit_source(LogisticRegression(), open_source("iris"))
        >>> data_facts(model, model.training_)[3:]
        [('Constant features', 'none'), ('Duplicate features', 'none')]
    """
    names, shape = feature_names(model), source_of(model).image_shape
    kept = f", and {record.n_test_rows:,} held out for testing" if record.n_test_rows else ""
    pixels = "" if shape is None else f", the pixels of images of {shape[0]} by {shape[1]}"
    constant = [names[j] for j in record.constant.tolist()]
    doubles = [f"{names[second]} equals {names[first]}" for first, second in record.duplicates.tolist()]
    return [
        ("Source", record.source or "given in Python"),
        ("Rows", f"{record.n_rows:,}{kept}"),
        ("Features", f"{len(names):,}{pixels}"),
        ("Constant features", _some(constant, shape is None)),
        ("Duplicate features", _some(doubles, shape is None)),
    ]


def reproduction_facts(record: TrainingRecord) -> Facts:
    """What is needed to reproduce the model.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = fit_source(LogisticRegression(), open_source("iris"))
        >>> [name for name, _ in reproduction_facts(model.training_)]
        ['SHA-256 of the data', 'Versions', 'Seconds of the fit']
    """
    facts = []
    if record.test_fraction is not None:
        facts += [("Share held out", percent(record.test_fraction)), ("Seed of that choice", str(record.seed))]
    seconds = [] if math.isnan(record.seconds) else [("Seconds of the fit", number(record.seconds, 3))]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return [
        *facts,
        ("SHA-256 of the data", record.data_sha256),
        ("Versions", versions),
        *seconds,
    ]


def fit_in_python(model: Fitted) -> str:
    """The estimator with its settings, as Python code."""
    parameters = model.get_params(deep=False)
    parameters |= {"callback": None} if "callback" in parameters else {}
    return " ".join(repr(type(model)(**parameters)).split()) + (
        ".partial_fit(X, y)" if learns_in_parts(model) else ".fit(X, y)"
    )


def output_labels(model: Any) -> list[Any]:
    """The classes of a model, or its labels, or the places of its numbers.

    Example:
        >>> from polytome import LinearRegression
        >>> output_labels(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
        [0]
    """
    if model.outputs in ("labels", "numbers"):
        return output_names(model)
    classes: list[Any] = model.classes_.tolist()
    return classes


def training_facts(model: Any) -> Facts:
    """How a fit without a certificate went.

    Example:
        >>> from polytome import Perceptron
        >>> training_facts(Perceptron().fit([[-1.0], [1.0]], [0, 1]))[0]
        ('Epochs', '2')
    """
    if learns_in_parts(model):
        state = model.state_
        kept = [("Rows kept in the model", f"{state.n_kept:,}")] if state.n_kept else []
        passes = ("Passes over them", f"{state.passes:,}")
        return [("Learned by", "partial_fit"), ("Rows", f"{state.n_rows:,}"), passes, *kept]
    if model.outputs == "numbers":
        condition = number(model.condition_, 3)
        return [("Independent columns", f"{model.rank_:,}"), ("Condition of the standardised columns", condition)]
    last = model.history_[-1]
    return [
        ("Epochs", f"{len(model.history_):,}"),
        ("Mean loss at the end", number(last.objective)),
        ("Why it stopped", model.stop_.value.replace("`", "")),
    ]


def check_reported(model: Any) -> None:
    """Raises ArgumentError for what is not a model of Polytome, or has coefficients from elsewhere
    and no certificate."""
    from sklearn.utils.validation import check_is_fitted

    from polytome.models.certified import CertifiedClassifier
    from polytome.models.fitting import check_certified
    from polytome.models.model import Model

    if not isinstance(model, Model):
        raise ArgumentError(f"model is a {type(model).__name__}: give a fitted Polytome model")
    if isinstance(model, CertifiedClassifier) and not learns_in_parts(model):
        check_certified(model)
    check_is_fitted(model, "coef_")


def _weights(model: Fitted) -> str:
    """The weights of columns in the penalty: by name where they were given so."""
    given = vars(model)["penalty_weights"]
    if not isinstance(given, Mapping):
        return model.objective_.penalty_weights
    return f"{listing([f'{name} {number(weight)}' for name, weight in given.items()])}; others 1"


def _some(things: list[str], named: bool) -> str:
    """How many there are, and which, if they have meaningful names."""
    if not things:
        return "none"
    return f"{len(things):,}: {listing(things, 8)}" if named else f"{len(things):,}"
