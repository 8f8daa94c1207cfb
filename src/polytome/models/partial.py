"""`partial_fit`: what a classifier keeps of rows that come in parts, and how far it is from their
optimum."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from polytome.certificates.careful import certify_given
from polytome.certificates.certificate import Certificate
from polytome.certificates.rounding import growth, rounding_of
from polytome.errors import ArgumentError, DataError
from polytome.losses import Logistic, Softmax
from polytome.models.certain_outputs import CERTAIN
from polytome.models.features import checked_batch, divisors_of, refuse_foreign_arrays
from polytome.models.fitted import feature_names_in
from polytome.models.fitted_source import FittedSource
from polytome.models.fitting import objective_of
from polytome.models.labels import Labels, class_weights, is_soft, label_column, row_weights
from polytome.models.offsets import offset_places
from polytome.models.peer_settings import check_peer_classes, l1_ratio_of, threads_of
from polytome.models.penalty_weights import penalty_weights_of
from polytome.models.predictions import checked_coefficients
from polytome.models.settings import check_whole_number, real_number
from polytome.objective import Objective
from polytome.passes import Columns
from polytome.rows.identities import identities
from polytome.solvers.running import Running
from polytome.solvers.running_batch import Batch
from polytome.tables.frames import listing
from polytome.tables.streams.table import StreamedTable
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["OF_FIT", "PartialState", "distance_to_batch", "learn_batch", "set_coefficients", "suits_partial_fit"]

OF_FIT = (
    *("certificate_", "stop_", "history_", "objective_", "solver_", "n_iter_"),
    *("separation_", "separation_unknown_", "proved_zero_", "needs_offset_", "offset_columns_"),
    *("_decision", "_calibration"),
)
"""What `fit` sets and `partial_fit` does not."""


@dataclass(frozen=True, eq=False)
class PartialState:
    """What `partial_fit` goes on from. No row is kept but those that `keep_rows` asks for.

    Attributes:
        running: what is known of the rows that have come.
        classes: those that rows have come of, in the order of their arrival, (n_arrived,).
        names: those of columns that `feature_names` has given; None where they have none.
        scale: what each column is divided by, (n_features,).
        fit_intercept: whether there is an intercept.
    """

    running: Running
    classes: Array
    names: tuple[str, ...] | None
    scale: Array
    fit_intercept: bool

    @property
    def n_rows(self) -> int:
        """Distinct rows that have come."""
        return self.running.seen.n_rows

    @property
    def weight(self) -> float:
        """The sum of their weights: what `C` is relative to."""
        return self.running.seen.weight

    @property
    def passes(self) -> int:
        """How often all of them have come."""
        return self.running.passes + min(self.n_rows, 1)

    @property
    def n_kept(self) -> int:
        """Rows that are kept, to be learned from again."""
        return 0 if self.running.kept is None else len(self.running.kept.codes)

    def __str__(self) -> str:
        """One line.

        Example:
            >>> from polytome import LogisticRegression
            >>> print(LogisticRegression().partial_fit([[0.0], [1.0]], ["a", "b"]).state_)
            partial_fit: 2 rows of 2 classes, 1 pass; how far from their optimum says distance_to_batch(X, y)
        """
        passes = f"{self.passes:,} pass{'' if self.passes == 1 else 'es'}"
        kept = f", {self.n_kept:,} rows kept" if self.n_kept else ""
        return (
            f"partial_fit: {self.n_rows:,} rows of {len(self.classes):,} classes, {passes}{kept}; "
            "how far from their optimum says distance_to_batch(X, y)"
        )


def learn_batch(
    estimator: Any, X: Any, y: Any, classes: Any, sample_weight: Any, feature_names: Any, keep_rows: Any
) -> None:
    """One call of `partial_fit`: the estimator is another one at its end, and the old one until
    then."""
    estimator._check_settings()
    if ratio := l1_ratio_of(estimator):
        raise ArgumentError(
            f"l1_ratio={ratio:g}: partial_fit learns under squares alone, since steps by batches set no coefficient to "
            "zero for good; leave l1_ratio (and penalty='l1') out, or use fit"
        )
    if vars(estimator).get("bounds") is not None:
        raise ArgumentError(
            "bounds: partial_fit learns coefficients without any, as its steps are those of a quadratic model; leave "
            "them out, or use fit"
        )
    if estimator.label_smoothing:
        raise ArgumentError(
            f"label_smoothing={estimator.label_smoothing:g}: partial_fit learns labels as they are; leave it out, or "
            "use fit"
        )
    state: PartialState | None = vars(estimator).get("state_")
    most_kept = _rows_to_keep(state, keep_rows)
    twin = copy(estimator)
    for name in OF_FIT:
        twin.__dict__.pop(name, None)
    X, names = _features(twin, estimator, state, X, y, feature_names)
    y = _labels(y)
    weight = _batch_weights(estimator, y, sample_weight)
    known = vars(estimator)["classes_"] if state is not None else np.zeros(0, dtype=y.dtype)
    if classes is not None:
        known = _joined(known, _labels(classes))
    counting = np.flatnonzero(weight > 0)
    all_classes = _joined(known, y[counting])
    check_peer_classes(estimator, len(all_classes))
    divisors = np.array(divisors_of(estimator.scale, np.ones(X.shape[1])))
    penalty_weights = penalty_weights_of(twin, X.shape[1])
    if state is None:
        running = Running.begin(X.shape[1], most_kept)
        state = PartialState(running, all_classes[:0], None, divisors, bool(estimator.fit_intercept))
    _check_same_settings(estimator, state, divisors)
    if not len(counting):
        return
    new = np.unique(y[counting])
    arrived = np.concatenate(
        [state.classes.astype(all_classes.dtype, copy=False), new[~np.isin(new, state.classes)]]
        if len(state.classes)
        else [new]
    ).astype(all_classes.dtype, copy=False)
    running = state.running.grown(X.shape[1], len(arrived), state.fit_intercept)
    strength = 0.0 if np.isinf(estimator.C) or estimator.penalty is None else 1 / float(estimator.C)
    # The softmax of two classes has a quarter of the squares of the one score of both, in each of
    # two columns.
    strength *= 2.0 if len(all_classes) == 2 else 1.0
    ridge = strength * (np.ones(X.shape[1]) if penalty_weights is None else penalty_weights)
    X = X[counting] if len(counting) < X.shape[0] else X
    X = X.tocsr() if hasattr(X, "tocsr") else X
    order = np.argsort(arrived, kind="stable")
    codes = order[np.searchsorted(arrived[order], y[counting])]
    batch = Batch(
        X=X,
        codes=codes.astype(np.int64),
        weight=weight[counting],
        places=counting,
        identities=identities(X, _label_numbers(arrived)[codes], weight[counting]),
        scale=1 / divisors,
        fit_intercept=state.fit_intercept,
        n_threads=threads_of(estimator.n_jobs),
    )
    # The same bits on any number of threads.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        running = running.after(batch, np.append(ridge, 0.0)[:, None])
    if not np.isfinite(running.coefficients).all():
        raise DataError("the coefficients of this batch would not be finite: scale its columns; nothing was learned")
    set_coefficients(twin, PartialState(running, arrived, names, divisors, state.fit_intercept), all_classes)
    estimator.__dict__ = twin.__dict__


def set_coefficients(estimator: Any, state: PartialState, classes: Array) -> None:
    """Sets what a classifier predicts by: its state in the order of its sorted classes.

    A class without a row yet is as improbable as one without weight in a fit.
    """
    W, places = state.running.coefficients, np.searchsorted(classes, state.classes)
    coefficients, intercepts = (W[:-1] / state.scale[:, None]).T, W[-1]
    if len(classes) <= 2:
        certain = CERTAIN if len(classes) == 2 and places[0] == 1 else -CERTAIN
        coef, intercept = np.zeros((1, len(W) - 1)), np.array([certain])
        if len(places) == 2:
            first, second = np.argsort(places)
            coef = coefficients[[second]] - coefficients[[first]]
            intercept = intercepts[[second]] - intercepts[[first]]
    else:
        coef, intercept = np.zeros((len(classes), len(W) - 1)), np.full(len(classes), -CERTAIN)
        coef[places], intercept[places] = coefficients, intercepts
    estimator.classes_, estimator.coef_, estimator.intercept_ = classes, coef, intercept
    estimator.state_, estimator.source_ = state, FittedSource()


def distance_to_batch(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Certificate:
    """The certificate of the present coefficients for the objective that `fit` would minimise on
    these data."""
    check_is_fitted(estimator, "coef_")
    estimator._check_settings()
    if estimator.label_smoothing or vars(estimator).get("needs_offset_", False) or offset_places(estimator):
        raise ArgumentError(
            "distance_to_batch: of a model with an offset or with smoothed labels only its fit knows the objective"
        )
    if isinstance(X, StreamedTable):
        raise ArgumentError("X is rows from open_rows: distance_to_batch needs features in memory, and labels")
    refuse_foreign_arrays(X)
    X, y = checked_batch(estimator, X, y, reset=False), _labels(y)
    classes = estimator.classes_
    if not X.shape[0]:
        raise DataError("X has no rows: a distance needs the data that it is measured on")
    if len(strange := _joined(classes, y)) > len(classes):
        lacking = [label for label in strange.tolist() if label not in set(classes.tolist())]
        raise DataError(f"y has the labels {listing(lacking, 6)}, of which the model has learned no row")
    labels = Labels(classes, np.searchsorted(classes, y))
    weight = row_weights(sample_weight, X.shape[0])
    if estimator.class_weight == "balanced":
        weight = class_weights("balanced", labels, weight)
    else:
        weight = weight * _class_weights(estimator, y)
    if len(classes) < 2:
        raise DataError(f"the model knows only the class {classes.tolist()[0]!r}: a distance needs at least two")
    coefficients, intercepts = checked_coefficients(
        estimator, estimator.coef_, estimator.intercept_, estimator._n_outputs
    )
    problem = estimator._problem(X, labels, weight)
    learned = problem.outputs.learned
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        objective = objective_of(estimator, X, problem).at(np.float64)
        found = None
        if problem.loss is not None:
            found = certify_given(objective, coefficients[learned].T, intercepts[learned], estimator.tol)
            if len(learned) == len(coefficients):
                return found
        return _with_all_classes(estimator, objective, labels, (coefficients, intercepts), found)


def _with_all_classes(
    estimator: Any,
    objective: Objective,
    labels: Labels,
    scores: tuple[Array, Array],
    found: Certificate | None,
) -> Certificate:
    """The certificate of all outputs, where the data lack some of the classes: the infimum is the
    one without these."""
    n_classes = len(labels.classes)
    loss: Logistic | Softmax = Logistic() if n_classes == 2 else Softmax(n_classes)
    # About the coefficients as they are given: those of centred columns would be others, by the
    # rounding of their intercepts.
    columns = Columns(np.zeros(len(scores[0].T)), objective.rows.columns.scale)
    rows = replace(objective.rows, target=labels.target).with_columns(columns)  # type: ignore[type-var]
    whole = Objective(loss, objective.penalty, rows, objective.fit_intercept)
    W = columns.from_raw_coefficients(np.vstack([scores[0].T, scores[1]]))
    value, _ = whole.value_and_gradient(W)
    # Of the objective, here and without these classes, and of the penalty's strength and scales.
    penalty = objective.penalty.value(W[:-1])
    rounding = 2 * (rounding_of(whole, W, value).objective + growth(objective.rows.n_rows + 100) * penalty)
    if found is None:
        null, total = float(np.log(2.0)), value + rounding
        return Certificate(total, total, null, estimator.tol, "proof", objective.penalty.modulus, rounding=rounding)
    gap = found.gap + max(0.0, value - found.objective) + rounding
    return replace(found, objective=max(value, gap), gap=gap, rounding=found.rounding + rounding, distance=np.inf)


def suits_partial_fit(estimator: Any) -> bool:
    """Whether no setting needs all rows at once; scikit-learn's tools ask so for the method.

    Raises:
        AttributeError: one does; the message says what to give in its place.

    Example:
        >>> from polytome import LogisticRegression
        >>> hasattr(LogisticRegression(), "partial_fit"), hasattr(LogisticRegression(scale="standard"), "partial_fit")
        (True, False)
    """
    if isinstance(estimator.scale, str):
        raise AttributeError(
            "scale='standard' needs the deviations of all rows before the first is learned: give a number, or one for "
            "each column"
        )
    if isinstance(estimator.class_weight, str):
        raise AttributeError(
            "class_weight='balanced' is not supported for partial_fit, since it needs the classes of all rows: give a "
            "dict from class to weight, or sample_weight"
        )
    return True


def _check_same_settings(estimator: Any, state: PartialState, divisors: Array) -> None:
    """Raises ArgumentError where a setting was changed that the state has made its own."""
    if bool(estimator.fit_intercept) != state.fit_intercept:
        raise ArgumentError(
            f"fit_intercept={estimator.fit_intercept}, and the model began with {state.fit_intercept}: leave it as it "
            "was, or begin anew with a clone of the model"
        )
    if not np.array_equal(divisors[: len(state.scale)], state.scale):
        raise ArgumentError(
            "scale is not what the model began with: leave it as it was, or begin anew with a clone of the model"
        )


def _rows_to_keep(state: PartialState | None, keep_rows: Any) -> int:
    """How many rows may be kept: what the first call says holds for all."""
    began = None if state is None else 0 if state.running.kept is None else state.running.kept.most
    if keep_rows is None:
        return began or 0
    check_whole_number("keep_rows", keep_rows, 0)
    if began not in (None, keep_rows):
        raise ArgumentError(
            f"keep_rows={keep_rows}: the model began with {began}, and rows that were not kept are gone; leave it out, "
            "or begin anew with a clone of the model"
        )
    return int(keep_rows)


def _features(
    twin: Any, estimator: Any, state: PartialState | None, X: Any, y: Any, feature_names: Any
) -> tuple[Any, tuple[str, ...] | None]:
    """X after its checks, and the names that were given beside it; the twin gets what X says of
    itself."""
    if isinstance(X, StreamedTable):
        raise ArgumentError("X is rows from open_rows, which fit reads several times: partial_fit needs X and y")
    refuse_foreign_arrays(X)
    given = X
    X = checked_batch(twin, X, y)
    names = _given_names(twin, X, feature_names)
    if state is None:
        return X, names
    known, before, found = state.names, feature_names_in(estimator), feature_names_in(twin)
    n_known, is_wider = estimator.n_features_in_, X.shape[1] > estimator.n_features_in_
    if (known is None) != (names is None):
        raise ArgumentError(
            f"feature_names were {'not ' if known is None else ''}given at the first call: give them at each call, or "
            "at none"
        )
    if known is not None and names is not None:
        if names[:n_known] != known:
            _refuse_other_names(known, names)
        return X, names
    if is_wider and before is not None and found is not None and list(found[:n_known]) == list(before):
        return X, None
    if is_wider and before is None and found is None:
        raise DataError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting {n_known} features as input: "
            "new columns need names, those of a frame or feature_names, from the first call on"
        )
    try:
        validate_data(estimator, given, reset=False, skip_check_array=True)
    except ValueError as error:
        raise DataError(str(error)) from error
    return X, None


def _given_names(twin: Any, X: Any, feature_names: Any) -> tuple[str, ...] | None:
    """The names beside X: one for each column, all different."""
    if feature_names is None:
        return None
    names = tuple(feature_names)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names) or len(names) != X.shape[1]:
        raise ArgumentError(
            f"feature_names has {len(set(names))} different names, X has {X.shape[1]} columns: give one text for each"
        )
    if feature_names_in(twin) is not None:
        raise ArgumentError("feature_names is given beside a frame, whose columns have names: leave it out")
    return tuple(map(str, names))


def _refuse_other_names(known: tuple[str, ...], names: tuple[str, ...]) -> None:
    place = next((at for at, pair in enumerate(zip(known, names, strict=False)) if pair[0] != pair[1]), len(names))
    found = repr(names[place]) if place < len(names) else "nothing"
    raise DataError(
        f"feature_names[{place}] is {found}, where the model knows {known[place]!r}: the columns that it knows come "
        "first, in their order, and new ones behind them"
    )


def _labels(y: Any) -> Array:
    """One label per row, as in `fit`, but of any number of classes."""
    if is_soft(y):
        raise DataError(f"y has shape {np.shape(y)}: partial_fit needs one label per row")
    labels: Array = label_column(y)
    if labels.dtype.kind not in "iu" and len(labels):
        kind = type_of_target(labels)
        if kind not in ("binary", "multiclass"):
            raise DataError(
                f"Unknown label type: {kind}. y has to name a class for each row; numbers that are measured are for "
                "regression, for example with LinearRegression"
            )
    return labels


def _family(labels: Array) -> str:
    """What labels are: text, booleans or numbers."""
    if labels.dtype.kind == "O":
        return "text" if all(isinstance(label, str) for label in labels.tolist()) else "objects"
    return {"U": "text", "S": "bytes", "b": "booleans"}.get(labels.dtype.kind, "numbers")


def _joined(known: Array, labels: Array) -> Array:
    """The sorted classes of both.

    Raises:
        DataError: labels are of another type than the classes known so far.
    """
    if not len(labels):
        return known
    if not len(known):
        return np.unique(labels)
    if (before := _family(known)) != (now := _family(labels)):
        raise DataError(
            f"y has {now} for labels, as {labels.tolist()[0]!r}, and the classes known so far are {before}, as "
            f"{known.tolist()[0]!r}: give all labels in one type"
        )
    both: Array = np.union1d(known, labels)
    return both


def _label_numbers(classes: Array) -> Array:
    """A number for each class that does not depend on the others, uint64."""
    texts = (repr(float(label) if isinstance(label, int | float) else label) for label in classes.tolist())
    digests = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def _batch_weights(estimator: Any, y: Array, sample_weight: Any) -> Array:
    """The weight of each row, that of its class included."""
    if not len(y):
        return np.zeros(0)
    weight: Array = row_weights(sample_weight, len(y)) * _class_weights(estimator, y)
    return weight


def _class_weights(estimator: Any, y: Array) -> Array:
    """The weight of each row's class; 1 for those that are not named, as some may come later."""
    given = estimator.class_weight
    if given is None:
        return np.ones(len(y))
    if not isinstance(given, Mapping):
        raise ArgumentError(f"class_weight={given!r}: needs None or a dict from class to weight")
    for label, value in given.items():
        if not (np.isfinite(number := real_number(value)) and number >= 0):
            raise ArgumentError(f"class_weight[{label!r}] = {value!r}: needs a finite number, zero or more")
    return np.array([float(given.get(label, 1.0)) for label in y.tolist()])
