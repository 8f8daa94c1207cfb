"""The description of a model: the columns that it needs, its classes, its objective and its
certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytome._version import __version__
from polytome.files.sources import encoder_of
from polytome.models.calibration import calibration_of
from polytome.models.decision import decision_of
from polytome.models.fitted_source import source_of

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted
    from polytome.tables.date_columns import DateParts
    from polytome.tables.encoder import Encoder

__all__ = ["describe", "full_value"]


def describe(name: str, model: Fitted) -> dict[str, Any]:
    """A model as plain values for JSON.

    Args:
        name: what to call it.
        model: fitted.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> found = describe("m", LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1]))
        >>> found["classes"], found["features"][0]["name"], found["certificate"]["holds"]
        ([0, 1], 'column_1', True)
    """
    training = source_of(model).training
    shape = source_of(model).image_shape
    rule, calibration, labels = decision_of(model), calibration_of(model), model.classes_.tolist()
    return {
        "name": name,
        "classes": model.classes_.tolist(),
        "features": _features(model, training),
        "image_shape": None if shape is None else list(shape),
        "full": None if shape is None else full_value(model),
        "objective": model.objective_.to_json(),
        "certificate": {**model.certificate_.to_json(), "sentence": str(model.certificate_)},
        "calibration": None if calibration is None else calibration.sentence(labels),
        "decision": None if rule is None else {**rule.to_json(), "sentence": rule.sentence(labels)},
        "trained_on": {"source": None if training is None else training.source, "rows": model.objective_.n_rows},
        "version": __version__,
    }


def full_value(model: Fitted) -> float:
    """The value of full ink in the training images: the largest value seen, or else the number they
    are scaled by."""
    training = source_of(model).training
    if training is not None:
        return float(np.max(training.high))
    return float(model.scale) if isinstance(model.scale, int | float) else 255.0


def _features(model: Fitted, training: Any) -> list[dict[str, Any]]:
    """The columns of a table as a user sees them, with a date in the place of its parts; where
    training was recorded, the range of a number and the level that most rows have."""
    found = []
    start = 0
    moved = {name for column in encoder_of(model).columns if column.term for name in column.term.of}
    for column in encoder_of(model).read_columns:
        is_number = column.kind == "number"
        facts: dict[str, Any] = dict.fromkeys(("low", "mean", "high", "usual"))
        if training is not None and is_number:
            facts.update({end: float(getattr(training, end)[start]) for end in ("low", "mean", "high")})
        elif (
            training is not None and column.kind == "category"
        ):  # the mean of a level's feature is its share of the rows
            means = training.mean[start : start + column.width]
            facts["usual"] = column.levels[int(np.argmax(column.shares(means)))]
        levels = {"levels": list(column.levels), "reference": column.reference}
        found.append({"name": column.name, "kind": column.kind, **levels, **facts, "in_terms": column.name in moved})
        start += column.width
    return _with_dates(encoder_of(model), found)


def _with_dates(encoder: Encoder, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The features with each date in the place of its parts."""
    parts = {part: each for each in encoder.dates for part in each.columns}
    by_name = {feature["name"]: feature for feature in features}
    whole: dict[str, dict[str, Any]] = {}
    for feature in features:
        date = parts.get(feature["name"])
        if date is None:
            whole[feature["name"]] = feature
        elif date.name not in whole:
            known = {part: by_name[f"{date.name}.{part}"] for part in date.parts}
            facts: dict[str, Any] = dict.fromkeys(("reference", "low", "mean", "high"))
            whole[date.name] = {
                "name": date.name,
                "kind": "date",
                "levels": [],
                **facts,
                "usual": _usual_date(date, known),
                "in_terms": any(each["in_terms"] for each in known.values()),
                "parts": list(date.parts),
            }
    return list(whole.values())


def _usual_date(date: DateParts, parts: dict[str, dict[str, Any]]) -> str:
    """A date whose parts are common ones, as far as training was recorded."""
    means = {part: each["mean"] for part, each in parts.items() if each["mean"] is not None}
    usual = {part: each["usual"] for part, each in parts.items() if each["usual"] is not None}
    hour = usual.get("hour")
    time = "" if "hour" not in date.parts else f"T{hour if str(hour).isdecimal() else 12}:00"
    if "age" in means and date.reference is not None:
        day = np.datetime64(date.reference[:10]) - round(means["age"])
        return f"{day}{time}"
    year = round(means["year"]) if "year" in means else int((date.reference or "2000")[:4])
    quarter = str(usual.get("quarter", "Q1"))
    month = str(usual.get("month", f"{3 * int(quarter[1]) - 2:02}" if quarter.startswith("Q") else "01"))
    month = month if month.isdecimal() else "01"
    return f"{year:04}-{month}-{min(28, max(1, round(means.get('day', 1)))):02}{time}"
