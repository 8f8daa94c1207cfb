"""The problem that a fitted model solved, restated from its settings and the data in exact numbers.

Labels, weights of rows and classes, the penalty and the divisors of columns are deliberately read a
second time here: `polytome.verify` could not detect an error of `fit` in shared code.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.models.features import checked_rows
from polytome.models.fitted_source import source_of
from polytome.models.fitting import check_certified
from polytome.models.logistic import LogisticRegression
from polytome.models.multilabel import MultilabelLogistic
from polytome.models.one_vs_one import OneVsOne
from polytome.models.one_vs_rest import OneVsRest
from polytome.models.peer_settings import own_settings
from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import exact

Array = NDArray[Any]

__all__ = ["exact_problem", "without_offset_columns"]


def exact_problem(model: Any, X: Any, y: Any, sample_weight: Any, offset: Any = None) -> BallProblem:
    """The problem of a fitted classifier on the data of its fit.

    Args:
        model: a fitted `LogisticRegression`, `OneVsRest`, `OneVsOne` or `MultilabelLogistic`.
        X: the features that it was fitted to.
        y: their labels.
        sample_weight: the weights of the rows in that fit, or None.
        offset: what was added to the scores of the rows in that fit, or None.

    Raises:
        ArgumentError: the model is of another kind, or has no certificate.
        DataError: the data cannot be those of the fit.
    """
    if not isinstance(model, LogisticRegression | OneVsRest | OneVsOne | MultilabelLogistic):
        raise ArgumentError(
            f"model is a {type(model).__name__}: only a LogisticRegression, OneVsRest, OneVsOne or MultilabelLogistic "
            "has a certificate that can be verified"
        )
    check_certified(model)
    X = checked_rows(model, X)
    rows, n_rows = X.tocsr() if hasattr(X, "tocsr") else X, X.shape[0]
    if n_rows != model.objective_.n_rows:
        raise DataError(
            f"X has {n_rows:,} rows, but the model was fitted to {model.objective_.n_rows:,}: a certificate is about "
            "the rows of its fit; give those"
        )
    weight = _weights(sample_weight, n_rows)
    own = own_settings(model)
    settings: dict[str, Any] = {"C": float(own["C"]), "fit_intercept": bool(own["fit_intercept"])}
    settings["l1_ratio"] = float(own.get("l1_ratio") or 0.0)
    settings["scale"] = _divisors(model.scale, X.shape[1])
    settings["penalty_weights"] = _penalty_weights(model, X.shape[1])
    if settings["penalty_weights"] is not None and not any(settings["penalty_weights"]):
        settings |= {"C": np.inf, "penalty_weights": None}
    if np.isinf(settings["C"]):
        settings["l1_ratio"] = 0.0
    settings["bounds"] = _bounds(model, X.shape[1])
    settings["offset"] = _offset(model, offset, n_rows)
    if settings["l1_ratio"] > 0:
        settings["groups"] = _groups(model, X.shape[1])
        settings["group_ratio"] = float(vars(model).get("group_ratio", 1.0))
    if isinstance(model, MultilabelLogistic):
        return BallProblem(rows, _label_table(y, n_rows, len(model.labels_)), weight, softmax=False, **settings)
    n_classes = len(model.classes_)
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        target = _smoothed(model, _distributions(y, n_rows, n_classes))
        return BallProblem(rows, target, weight, softmax=n_classes > 2, **settings)
    codes = _codes(y, model.classes_, weight)
    if (factors := _factors(model, codes, weight)) is not None:
        settings |= {"factor": codes, "factors": factors}
    classes = np.arange(n_classes)
    if isinstance(model, OneVsOne):
        pairs = np.asarray(model.pairs_)
        own = (codes[:, None, None] == pairs).any(axis=2)
        is_second = (codes[:, None] == pairs[:, 1]).astype(np.uint8)
        return BallProblem(rows, is_second, weight, softmax=False, own=own, **settings)
    if n_classes == 2:
        is_second = _smoothed(model, codes[:, None].astype(np.uint8))
        return BallProblem(rows, is_second, weight, softmax=False, **settings)
    one_of_all = _smoothed(model, (codes[:, None] == classes).astype(np.uint8))
    return BallProblem(rows, one_of_all, weight, softmax=isinstance(model, LogisticRegression), **settings)


def without_offset_columns(model: Any, X: Any, offset: Any) -> tuple[Any, Any, Any]:
    """A model whose offset is columns of X, as it was fitted: without these, and the offset beside
    X; any other model as it is."""
    places = list(vars(model).get("offset_columns_", ()))
    if not places:
        return model, X, offset
    if offset is not None:
        raise DataError("offset: the model has it in columns of X; leave it out")
    X = checked_rows(model, X)
    rest = np.setdiff1d(np.arange(X.shape[1]), places)
    X = X.tocsc() if hasattr(X, "tocsc") else X
    columns = X[:, places].toarray() if hasattr(X, "tocsc") else X[:, places]
    twin = copy(model)
    twin.coef_, twin.n_features_in_, twin.needs_offset_ = model.coef_[:, rest], len(rest), True
    vars(twin).pop("offset_columns_")
    vars(twin).pop("feature_names_in_", None)
    if "proved_zero_" in vars(model):
        if model.proved_zero_[:, places].any():
            raise DataError("proved_zero_ has columns of the offset, whose coefficients are no part of the optimum")
        twin.proved_zero_ = model.proved_zero_[:, rest]
    if vars(model).get("groups") is not None:
        groups = _groups(model, X.shape[1]) or []
        twin.groups = [groups[place] for place in rest]
    if (bounds := _bounds(model, X.shape[1])) is not None:
        twin.bounds = [bounds[place] for place in rest]
    for setting in ("scale", "penalty_weights"):
        given = getattr(model, setting)
        if setting == "penalty_weights" and isinstance(given, Mapping):
            given = _penalty_weights(model, X.shape[1])
        if np.ndim(given) > 0:
            setattr(twin, setting, np.asarray(given, dtype=np.float64)[rest])
    return twin, X[:, rest], columns


def _weights(sample_weight: Any, n_rows: int) -> Array:
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n_rows, float(weight))
    if weight.shape != (n_rows,) or not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise DataError(f"sample_weight needs {n_rows} finite numbers that are not negative, one for each row of X")
    return weight


def _offset(model: Any, offset: Any, n_rows: int) -> Array | None:
    """A number for each row and output, or None for none."""
    if not vars(model).get("needs_offset_", False):
        if offset is not None:
            raise DataError("offset: the model was fitted without one")
        return None
    n_outputs = 1 if len(model.classes_) == 2 else len(model.classes_)
    found = None if offset is None else np.asarray(offset, dtype=np.float64)
    if found is None or found.size != n_rows * n_outputs or not np.isfinite(found).all():
        raise DataError(
            f"offset: the model was fitted with one; give that, {n_rows} rows of {n_outputs} finite numbers"
        )
    return found.reshape(n_rows, n_outputs)


def _smoothed(model: Any, target: Array) -> Array:
    """Labels of which each class has an even part of the share that the model smooths, as exact
    fractions; of two classes those of the second."""
    share = exact(vars(model).get("label_smoothing", 0.0))
    if share == 0:
        return target
    n_classes = max(2, target.shape[1])
    values = target.tolist()
    if target.dtype.kind == "f":  # probabilities add up to 1 apart from their rounding
        values = [[exact(v) for v in row] for row in values]
        values = [[v / sum(row, exact(0.0)) for v in row] for row in values]
    return np.array([[(1 - share) * v + share / n_classes for v in row] for row in values], dtype=object)


def _divisors(scale: Any, n_features: int) -> Any:
    """None, "standard", or a number for each column."""
    if scale is None or isinstance(scale, str):
        return scale
    return np.broadcast_to(np.asarray(scale, dtype=np.float64), (n_features,))


def _penalty_weights(model: Any, n_features: int) -> list[float] | None:
    """A number for each column, or None for 1 everywhere."""
    given = model.penalty_weights
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return [float(weight) for weight in np.broadcast_to(given, (n_features,))]
    if (encoder := source_of(model).encoder) is not None:
        names = [column.name for column in encoder.columns for _ in range(column.width)]
    else:
        names = list(model.feature_names_in_)
    return [float(given.get(name, 1.0)) for name in names]


def _groups(model: Any, n_features: int) -> list[int] | None:
    """The number of each column's group, or None."""
    given = vars(model).get("groups")
    if given is None:
        return None
    encoder = source_of(model).encoder
    if isinstance(given, str) and given == "columns" and encoder is not None:
        return [place for place, column in enumerate(encoder.columns) for _ in range(column.width)]
    if isinstance(given, str):
        return list(range(n_features))
    numbers = {label: number for number, label in enumerate(sorted({str(label) for label in given}))}
    return [numbers[str(label)] for label in given]


def _bounds(model: Any, n_features: int) -> list[tuple[float, float]] | None:
    """The lower and the upper bound of each column's coefficients, or None."""
    given = vars(model).get("bounds")
    if given is None:
        return None

    def ends(pair: Any) -> tuple[float, float]:
        low, high = pair
        return -np.inf if low is None else float(low), np.inf if high is None else float(high)

    found = [(-np.inf, np.inf)] * n_features
    if isinstance(given, Mapping):
        encoder, names = source_of(model).encoder, list(vars(model).get("feature_names_in_", ()))
        owners: list[tuple[Any, ...]]
        if encoder is not None:
            owners = [
                () if column.steps and own + 1 >= len(column.steps) else (column.name, place)  # beside steps
                for place, column in enumerate(encoder.columns)
                for own in range(column.width)
            ]
        else:
            owners = [(names[j] if names else None, j) for j in range(n_features)]
        for j, own in enumerate(owners):
            for key, pair in given.items():
                found[j] = ends(pair) if key in own else found[j]
    elif isinstance(given, tuple) and len(given) == 2:
        low, high = (np.broadcast_to(np.asarray(end, dtype=object), (n_features,)).tolist() for end in given)
        found = [ends(pair) for pair in zip(low, high, strict=True)]
    else:
        found = [ends(pair) for pair in given]
    return None if np.isinf(found).all() else found


def _codes(y: Any, classes: Array, weight: Array) -> Array:
    """The place of each row's label among the classes; a row of weight 0 may hold any label."""
    labels = np.asarray(y)
    if labels.ndim == 2:
        labels = labels[:, 0]
    if labels.shape != weight.shape:
        raise DataError(f"y has {len(labels)} labels for {len(weight)} rows of X: give one for each")
    places = {label: place for place, label in enumerate(classes.tolist())}
    codes = np.zeros(len(labels), dtype=np.int64)
    for row, label in enumerate(labels.tolist()):
        place = places.get(label)
        if place is None and weight[row] > 0:
            raise DataError(
                f"y holds {label!r} in row {row}, which is not one of the model's classes ({list(places)[:5]})"
            )
        codes[row] = place or 0
    return codes


def _distributions(y: Any, n_rows: int, n_classes: int) -> Array:
    """Soft labels; for two classes the share of the second, as an exact fraction."""
    target = np.asarray(y, dtype=np.float64)
    if target.shape != (n_rows, n_classes):
        raise DataError(f"y has shape {target.shape}: {n_rows} rows of {n_classes} probabilities are needed")
    if n_classes > 2:
        return target
    shares = [[exact(second) / (exact(first) + exact(second))] for first, second in target.tolist()]
    return np.array(shares, dtype=object)


def _label_table(y: Any, n_rows: int, n_labels: int) -> Array:
    table = np.asarray(y.toarray() if hasattr(y, "toarray") else y, dtype=np.float64)
    if table.shape != (n_rows, n_labels):
        raise DataError(f"y has shape {table.shape}: {n_rows} rows of {n_labels} labels are needed")
    return table


def _factors(model: Any, codes: Array, weight: Array) -> list[Any] | None:
    """The exact factors of the row weights of each class; None for no factors."""
    given, n_classes = vars(model).get("class_weight"), len(model.classes_)
    if given is None:
        return None
    if isinstance(given, Mapping):
        return [exact(given.get(label, 1.0)) for label in model.classes_.tolist()]
    totals = [sum((exact(w) for w in weight[codes == k].tolist()), exact(0.0)) for k in range(n_classes)]
    return [sum(totals, exact(0.0)) / (n_classes * total) for total in totals]
