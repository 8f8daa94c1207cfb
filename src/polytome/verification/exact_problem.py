"""The problem that a fitted model solved, restated from its settings and the data in exact numbers.

Labels, weights of rows and classes, the penalty and the divisors of columns are deliberately read a
second time here: `polytome.verify` could not detect an error of `fit` in shared code.
"""

from __future__ import annotations

from collections.abc import Mapping
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

__all__ = ["exact_problem"]


def exact_problem(model: Any, X: Any, y: Any, sample_weight: Any) -> BallProblem:
    """The problem of a fitted classifier on the data of its fit.

    Args:
        model: a fitted `LogisticRegression`, `OneVsRest`, `OneVsOne` or `MultilabelLogistic`.
        X: the features that it was fitted to.
        y: their labels.
        sample_weight: the weights of the rows in that fit, or None.

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
    if settings["l1_ratio"] > 0:
        settings["groups"] = _groups(model, X.shape[1])
    if isinstance(model, MultilabelLogistic):
        return BallProblem(rows, _label_table(y, n_rows, len(model.labels_)), weight, softmax=False, **settings)
    n_classes = len(model.classes_)
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        target = _distributions(y, n_rows, n_classes)
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
        return BallProblem(rows, codes[:, None].astype(np.uint8), weight, softmax=False, **settings)
    one_of_all = (codes[:, None] == classes).astype(np.uint8)
    return BallProblem(rows, one_of_all, weight, softmax=isinstance(model, LogisticRegression), **settings)


def _weights(sample_weight: Any, n_rows: int) -> Array:
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n_rows, float(weight))
    if weight.shape != (n_rows,) or not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise DataError(f"sample_weight needs {n_rows} finite numbers that are not negative, one for each row of X")
    return weight


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
