"""Correct a model's probabilities: by what happened to rows that it was not trained on, or for
other shares of the classes.

What is learned on held-out rows is judged on such of them as it was not learned from: they are
divided into five parts, and each part is judged by what the other four say. So a table that follows
the noise of few rows looks as bad as it is.

References:
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML (2017):
    temperatures; Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass
    probability estimates", KDD (2002): isotonic regression for each class; King and Zeng, "Logistic
    regression in rare events data", Political Analysis 9 (2001): other shares of the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.curves import known_codes
from polytome.evaluation.intervals import Estimate, mean_interval
from polytome.evaluation.measures import CALIBRATION_BINS, bin_of
from polytome.models.calibration import Calibration
from polytome.models.fitted_source import source_of
from polytome.models.framed import held_out_rows, labelled_rows
from polytome.models.labels import row_weights

if TYPE_CHECKING:
    from polytome.models.logistic import LogisticRegression

Array = NDArray[Any]
Method = Literal["temperature", "isotonic"]

__all__ = ["Recalibration", "checked_shares", "class_weight_sentence", "corrected_prior", "recalibrate"]

_FOLDS = 5
_FEWEST_ROWS = 20
_LARGEST_LOG_TEMPERATURE = 50.0
_RESAMPLED_ROWS = 20_000_000
"""How many rows the samples of a bootstrap have together, within the numbers of samples below."""
_FEWEST_SAMPLES, _MOST_SAMPLES = 100, 1000


@dataclass(frozen=True)
class Recalibration:
    """A correction of probabilities, and what it is worth on rows that it was not learned from.

    Attributes:
        calibration: what to give to `model.calibration_`.
        n_rows: the rows it was learned from, all of them.
        log_loss_before: of the model as it was fitted, in nats, with its 95 % interval.
        log_loss_after: with the correction that the other parts of the rows give.
        log_loss_gain: the first minus the second, row by row.
        calibration_error_before: the expected difference of predicted probability and observed
            frequency in 10 bins, with a bootstrap interval.
        calibration_error_after: the same, corrected.
    """

    calibration: Calibration
    n_rows: int
    log_loss_before: Estimate
    log_loss_after: Estimate
    log_loss_gain: Estimate
    calibration_error_before: Estimate
    calibration_error_after: Estimate

    @property
    def helps(self) -> bool:
        """Whether the log loss is better beyond doubt."""
        return bool(self.log_loss_gain.low > 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {name: value._asdict() for name, value in vars(self).items() if isinstance(value, Estimate)}
        return {"calibration": self.calibration.to_json(), "n_rows": self.n_rows, **estimates}

    def __str__(self) -> str:
        """In one line."""
        loss, gain = (self.log_loss_before, self.log_loss_after), self.log_loss_gain
        error = (self.calibration_error_before, self.calibration_error_after)
        verdict = "" if self.helps else "; whether that is better is within the noise of these rows"
        if gain.high < 0:
            verdict = "; that is worse: leave probabilities as they are"
        return (
            f"log loss {loss[0].value:.4f} before, {loss[1].value:.4f} after (gain {gain.low:.4f} to {gain.high:.4f}), "
            f"calibration error {error[0].value:.4f} before, {error[1].value:.4f} after{verdict}"
        )


def recalibrate(
    model: LogisticRegression,
    X: Any = None,
    y: Any = None,
    *,
    method: Method = "temperature",
    sample_weight: Any = None,
    name: str = "held-out rows",
) -> Recalibration:
    """Learn from held-out rows how a model's probabilities are to be corrected;
    `model.calibration_ = recalibrate(model, ...).calibration` keeps that in the model.

    Args:
        model: a fitted `LogisticRegression`; a correction that it has is left out.
        X: features of rows that it was not trained on, shape (n, d), or a data frame for a model of
            a table; None takes the rows that training held out.
        y: their labels, shape (n,); None where X has them.
        method: "temperature" divides all scores by one number, which keeps every prediction.
            "isotonic" learns for each class how often it happened at which probability, as a table
            that ascends; it takes more rows, some thousand, and corrects any shape. To the rows are
            added one of the class at its lowest and one of others at its highest probability, so
            that no probability becomes 0 or 1. Of more than two classes the tables' probabilities
            are divided by their sum.
        sample_weight: of these rows; None for equal ones.
        name: where the rows come from, for the reason.

    Raises:
        ArgumentError: no rows were held out, or the method is unknown.
        DataError: rows or labels do not suit the model, they are fewer than 20, or no temperature
            suits them best.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> random = np.random.default_rng(0)
        >>> X, y = random.normal(size=(400, 50)), random.integers(0, 2, 400)
        >>> X[:, 0] += y
        >>> model = LogisticRegression(C=100.0).fit(X[:100], y[:100])
        >>> found = recalibrate(model, X[100:], y[100:])
        >>> found.calibration.temperature > 3, found.helps
        (True, True)
    """
    if method not in ("temperature", "isotonic"):
        raise ArgumentError(f"method={method!r}: needs 'temperature' or 'isotonic'")
    bare = copy(model)
    bare.decision_ = bare.calibration_ = None
    if X is None and y is None:
        X, y, sample_weight = held_out_rows(model)
    X, y = labelled_rows(model, X, y)
    codes = known_codes(y, model.classes_)
    weight = row_weights(sample_weight, len(codes))
    counting = weight > 0
    if int(counting.sum()) < _FEWEST_ROWS:
        raise DataError(f"{name}: are {int(counting.sum())} rows; a correction needs {_FEWEST_ROWS} and more")
    logarithms = np.asarray(bare.predict_log_proba(X), dtype=np.float64)[counting]
    codes, weight = codes[counting], weight[counting]
    after = np.empty_like(logarithms)
    folds = _folds(codes)
    for fold in range(_FOLDS):
        others, own = folds != fold, folds == fold
        after[own] = _corrected(
            _learned(method, codes[others], logarithms[others], weight[others], ""), logarithms[own]
        )
    what = "temperature of the smallest log loss" if method == "temperature" else "isotonic regression"
    calibration = _learned(method, codes, logarithms, weight, f"{what} on {len(codes):,} {name}")
    rows = np.arange(len(codes))
    losses = [-each[rows, codes] for each in (logarithms, after)]
    given = None if sample_weight is None else weight
    errors = _calibration_errors(codes, (logarithms, after), weight)
    return Recalibration(
        calibration,
        len(codes),
        mean_interval(losses[0], weight=given),
        mean_interval(losses[1], weight=given),
        mean_interval(losses[0] - losses[1], weight=given),
        *errors,
    )


def corrected_prior(
    model: LogisticRegression,
    shares: Mapping[Any, float] | Literal["training"],
    *,
    training_shares: Mapping[Any, float] | None = None,
) -> Calibration:
    """Correct a model for rows among which classes have other shares than those it was fitted to:
    `log(share / share in training)` is added to each class's score.

    Where rows of a class were sampled or weighted more than others, and all else is equal, that is
    exact: a weight multiplies the odds.

    Args:
        model: a fitted `LogisticRegression`.
        shares: of each class among the rows to be predicted, which add up to 1; of two classes that
            of one is enough. Or "training": those of the training rows without class weights.
        training_shares: those that the model was fitted to, class weights included; None where they
            are known from the record of its training and its class weights.

    Raises:
        ArgumentError: shares cannot be used; or those of training are not known.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.arange(10.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 0])
        >>> model = LogisticRegression(class_weight={1: 4}).fit(X, y)
        >>> correction = corrected_prior(model, "training")
        >>> bool(np.isclose(np.diff(correction.shift)[0], -np.log(4)))
        True
    """
    labels = model.classes_.tolist()
    if isinstance(shares, str):
        if shares != "training":
            raise ArgumentError(f"shares={shares!r}: needs the share of each class, or 'training'")
        if model.class_weight is None:
            raise ArgumentError(
                "shares='training': the model was fitted without class weights, so that its probabilities are those "
                "of its training rows already; give the share of each class"
            )
        weights = _class_weights(model)
        if (weights == 0).any():
            raise ArgumentError(
                f"the class {labels[int(np.argmin(weights))]!r} has the weight 0: no shift corrects that"
            )
        return Calibration(shift=-np.log(weights), reason="class weights are taken back")
    wanted = checked_shares(shares, labels, "shares")
    had = (
        _fitted_shares(model) if training_shares is None else checked_shares(training_shares, labels, "training_shares")
    )
    if (had == 0).any():
        raise ArgumentError(
            f"the class {labels[int(np.argmin(had))]!r} has no weight in training: no shift corrects that"
        )
    told = ", ".join(
        f"{label} {share:.6g} instead of {was:.6g}"
        for label, share, was in list(zip(labels, wanted, had, strict=True))[-8:]
    )
    return Calibration(shift=np.log(wanted) - np.log(had), reason=f"for other shares of the classes: {told}")


def class_weight_sentence(model: Any) -> str:
    """What class weights did to the probabilities of a model; nothing where it has none, or where
    that is corrected.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> class_weight_sentence(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
        ''
    """
    given = vars(model).get("class_weight")
    calibration = vars(model).get("_calibration")
    if given is None or (calibration is not None and (calibration.shift is not None or calibration.is_table)):
        return ""
    told = (
        "class weights change the probabilities, which are those of rows among which classes have the shares that the "
        "weights make"
    )
    try:
        shares = _fitted_shares(model)
        record = source_of(model).training
    except ArgumentError:
        return told
    if record is None or len(shares) > 8:
        return told
    before = record.class_counts / record.class_counts.sum()
    parts = ", ".join(
        f"{label} {after:.3g} instead of {was:.3g}"
        for label, after, was in zip(model.classes_.tolist(), shares, before, strict=True)
    )
    return f"{told} ({parts})"


def _learned(method: Method, codes: Array, logarithms: Array, weight: Array, reason: str) -> Calibration:
    """The correction that some rows give."""
    if method == "temperature":
        return Calibration(temperature=_temperature(codes, logarithms, weight), reason=reason)
    return Calibration(table=_table(codes, logarithms, weight), reason=reason)


def _corrected(calibration: Calibration, logarithms: Array) -> Array:
    """Log-probabilities with a correction."""
    if calibration.is_table:
        return np.log(calibration.probabilities(logarithms))
    corrected: Array = special.log_softmax(logarithms / calibration.temperature, axis=1)
    return corrected


def _folds(codes: Array) -> Array:
    """The part that each row belongs to, each with as many rows of each class as can be."""
    random = np.random.default_rng(0)
    found = np.empty(len(codes), dtype=np.intp)
    order = random.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    found[order] = np.arange(len(codes)) % _FOLDS
    return found


def _temperature(codes: Array, logarithms: Array, weight: Array) -> float:
    """The one of the smallest log loss, which is convex in its inverse."""
    rows = np.arange(len(codes))
    own = logarithms[rows, codes]

    def slope(log_temperature: float) -> float:
        """The derivative of the log loss with respect to the inverse temperature."""
        p = special.softmax(logarithms * np.exp(-log_temperature), axis=1)
        return float(weight @ ((p * logarithms).sum(axis=1) - own))

    if slope(_LARGEST_LOG_TEMPERATURE) >= 0:
        raise DataError(
            "no temperature is the best: on these rows the scores of the true classes are not above those of others, "
            "so that the model says nothing about them; look at the rows"
        )
    if (logarithms.max(axis=1) == own).all():
        raise DataError(
            "no temperature is the best: every one of these rows is predicted correctly, and the colder the better; "
            "give more rows"
        )
    low = -1.0
    while slope(low) < 0 and low > -_LARGEST_LOG_TEMPERATURE:
        low *= 2
    high = 1.0
    while slope(high) > 0 and high < _LARGEST_LOG_TEMPERATURE:
        high *= 2
    return float(np.exp(optimize.brentq(slope, low, high, xtol=1e-12)))


def _table(codes: Array, logarithms: Array, weight: Array) -> Array:
    """For each class, of two for the second, how often it happened at which log-probability."""
    from sklearn.isotonic import IsotonicRegression

    parts = []
    for k in range(1 if logarithms.shape[1] == 2 else 0, logarithms.shape[1]):
        x = np.concatenate([logarithms[:, k], [logarithms[:, k].min(), logarithms[:, k].max()]])
        happened = np.concatenate([codes == k, [True, False]]).astype(np.float64)
        fitted = IsotonicRegression(out_of_bounds="clip").fit(x, happened, np.append(weight, [weight.mean()] * 2))
        parts.append(
            np.column_stack([np.full(len(fitted.X_thresholds_), k), fitted.X_thresholds_, fitted.y_thresholds_])
        )
    return np.concatenate(parts)


def _calibration_errors(codes: Array, both: tuple[Array, Array], weight: Array) -> list[Estimate]:
    """The calibration error before and after, each with the interval that bootstrap samples give:
    reflected at the estimate, as samples are further from calibrated than their rows."""
    n = len(codes)
    n_samples = int(np.clip(_RESAMPLED_ROWS // n, _FEWEST_SAMPLES, _MOST_SAMPLES))
    cells = []
    for each in both:
        probabilities = np.exp(each)
        if each.shape[1] == 2:
            happened, predicted = codes == 1, probabilities[:, 1]
        else:
            happened, predicted = each.argmax(axis=1) == codes, probabilities.max(axis=1)
        cells.append((bin_of(predicted, CALIBRATION_BINS), weight * (happened - predicted)))

    def error(counts: Array, place: Array, excess: Array) -> float:
        total = np.abs(np.bincount(place, counts * excess, CALIBRATION_BINS)).sum()
        return float(total) / float(counts @ weight)

    random, found = np.random.default_rng(0), np.empty((n_samples, 2))
    for sample in range(n_samples):
        counts = np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)
        found[sample] = [error(counts, *each) for each in cells]
    estimates = []
    for j, cell in enumerate(cells):
        value = error(np.ones(n), *cell)
        low, high = 2 * value - np.quantile(found[:, j], [0.975, 0.025])
        estimates.append(Estimate(value, max(0.0, float(low)), max(0.0, float(high))))
    return estimates


def _class_weights(model: Any) -> Array:
    """The weight of each class in a fit, up to a common factor."""
    labels, given = model.classes_.tolist(), model.class_weight
    if given is None:
        return np.ones(len(labels))
    if isinstance(given, Mapping):
        return np.array([float(given.get(label, 1.0)) for label in labels])
    counts = _class_counts(model)
    weights: Array = np.zeros(len(labels))
    np.divide(counts.sum() / np.count_nonzero(counts), counts, out=weights, where=counts > 0)
    return weights


def _class_counts(model: Any) -> Array:
    """The training rows of each class."""
    record = source_of(model).training
    if record is None:
        raise ArgumentError(
            "the shares of classes in training are not known, as the model was fitted to arrays: give training_shares"
        )
    return np.asarray(record.class_counts, dtype=np.float64)


def _fitted_shares(model: Any) -> Array:
    """The shares of the classes that a model was fitted to, class weights and smoothing
    included."""
    counts = _class_counts(model) * _class_weights(model)
    total, smoothing = counts.sum(), float(model.objective_.label_smoothing)
    if not np.isclose(total, model.objective_.total_weight, rtol=1e-6, atol=0):
        raise ArgumentError(
            "the shares of classes in training are not known, as rows had weights of their own: give training_shares"
        )
    shares: Array = (1 - smoothing) * counts / total + smoothing / len(counts)
    return shares


def checked_shares(shares: Any, labels: list[Any], name: str) -> Array:
    """The share of each class, (K,); of two classes one may be left out.

    Args:
        shares: by class.
        labels: all classes.
        name: of the argument, for messages.

    Raises:
        ArgumentError: they are not shares of all classes that add up to 1.

    Example:
        >>> checked_shares({"yes": 0.25}, ["no", "yes"], "shares")
        array([0.75, 0.25])
    """
    if not isinstance(shares, Mapping):
        raise ArgumentError(f"{name} is a {type(shares).__name__}: needs a dict from class to share")
    for label, share in shares.items():
        if label not in labels:
            raise ArgumentError(f"{name}: {label!r} is not one of the classes {', '.join(map(str, labels[:12]))}")
        if not (isinstance(share, int | float | np.number) and 0 < share < 1):
            raise ArgumentError(f"{name}[{label!r}] = {share!r}: needs a share between 0 and 1")
    given = {label: float(share) for label, share in shares.items()}
    if len(labels) == 2 and len(given) == 1:
        ((label, share),) = given.items()
        given[labels[1 - labels.index(label)]] = 1 - share
    if lacking := [label for label in labels if label not in given]:
        raise ArgumentError(f"{name}: lacks the class {lacking[0]!r}; give the share of each")
    found = np.array([given[label] for label in labels])
    if not abs(found.sum() - 1) <= 1e-6:
        raise ArgumentError(f"{name}: add up to {found.sum():.6g}; they are shares of all rows, and make 1")
    total = found.sum()
    normalised: Array = found / total
    return normalised
