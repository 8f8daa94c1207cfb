"""What is known of a model, as pairs of a name and a text: the report lists them, and so does the model card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from polytome.evaluation.explain import feature_names
from polytome.report.wording import listing, number, percent

if TYPE_CHECKING:
    from polytome.files.training_record import TrainingRecord
    from polytome.models.logistic import LogisticRegression

__all__ = ["data_facts", "fit_in_python", "objective_facts", "reproduction_facts"]

Facts = list[tuple[str, str]]


def objective_facts(model: LogisticRegression) -> Facts:
    """The numbers that stand in the objective.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> objective_facts(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]))[:2]
        [('Loss', 'logistic, in nats'), ('Rows', '3')]
    """
    formula = model.objective_
    weights = "" if formula.total_weight == formula.n_rows else f", of weight {number(formula.total_weight)} in all"
    divided = "their standard deviations" if formula.scale == "standard" else formula.scale
    scale = "" if formula.scale == "none" else f", divided by {divided} before the penalty"
    weighted = (
        "" if formula.penalty_weights == "none" else f", each times its column's weight ({formula.penalty_weights})"
    )
    penalty = (
        f"{number(formula.strength)} times half the sum of squared coefficients{weighted} (C = {number(formula.C)})"
    )
    return [
        ("Loss", f"{formula.loss}, in nats"),
        ("Rows", f"{formula.n_rows:,}{weights}"),
        ("Features", f"{formula.n_features:,}{scale}"),
        ("Penalty", penalty if formula.strength > 0 else "none"),
        ("Intercept", "fitted, not penalised" if formula.fit_intercept else "none"),
        ("Value reached", f"{number(formula.value, 6)} nats"),
        ("Null model", f"{number(model.certificate_.null_objective, 6)} nats, with the best intercept alone"),
    ]


def data_facts(model: LogisticRegression, record: TrainingRecord) -> Facts:
    """What the data of training were.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = fit_source(LogisticRegression(), open_source("iris"))
        >>> data_facts(model, model.training_)[3:]
        [('Constant features', 'none'), ('Duplicate features', 'none')]
    """
    names, shape = feature_names(model), getattr(model, "image_shape_", None)
    kept = f", and {record.n_test_rows:,} kept to test on" if record.n_test_rows else ""
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
    """What it takes to make the model again.

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


def fit_in_python(model: LogisticRegression) -> str:
    """The estimator with its settings, as one writes it in Python."""
    parameters: dict[str, Any] = {**model.get_params(deep=False), "callback": None}
    return " ".join(repr(type(model)(**parameters)).split()) + ".fit(X, y)"


def _some(things: list[str], named: bool) -> str:
    """How many there are, and which where names tell a reader something."""
    if not things:
        return "none"
    return f"{len(things):,}: {listing(things, 8)}" if named else f"{len(things):,}"
