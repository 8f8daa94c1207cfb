"""Measures of how good predictions are: plain functions on arrays, in nats where there is a unit.

The null model of a set of rows predicts the frequencies of the classes in that same set, whatever
the features. No other constant prediction has a smaller log loss there, so it is the strictest
constant baseline; its log loss is the entropy of the labels.

Reference:
    Murphy, "Probabilistic Machine Learning: An Introduction" (2022), sections 5.1.3
    (confusion matrices) and 6.1 (entropy and cross-entropy); Gneiting and Raftery, "Strictly proper
    scoring rules, prediction, and estimation", Journal of the American Statistical Association 102
    (2007): the log loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from polytome.errors import DataError
from polytome.evaluation.intervals import ClassQuality, Estimate, class_qualities, weighted_share
from polytome.evaluation.measures import Tally, balanced_accuracy, f1, matthews
from polytome.evaluation.ordering import largest
from polytome.models.fitted import refuse_without_classes
from polytome.models.framed import held_out_rows, labelled_rows
from polytome.models.labels import row_weights
from polytome.plain.values import plain
from polytome.tables.streams.frames import refuse_spread
from polytome.tables.streams.table import StreamedTable

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = [
    "ConfusedPair",
    "Evaluation",
    "Metric",
    "accuracy",
    "class_codes",
    "class_counts",
    "confused_pairs",
    "confusion_matrix",
    "evaluate",
    "evaluate_pieces",
    "log_loss",
    "null_log_loss",
    "one_label_each",
]


class ConfusedPair(NamedTuple):
    """Rows of one class that were predicted as another."""

    true: Any
    predicted: Any
    n_rows: float
    share: float
    """Share of all rows of the true class."""


class Metric(NamedTuple):
    """One number that says how good predictions are, beside that of the null model."""

    name: str
    """As a reader calls it."""
    value: float
    low: float | None
    """The lower end of its 95 % interval; None where none is computed."""
    high: float | None
    null: float | None
    """What the null model reaches; None where the comparison says nothing."""


@dataclass(frozen=True)
class Evaluation:
    """A model's predictions beside the truth.

    All but `n_rows`, `unseen` and `accuracy_of_all` are about the rows whose label is one of the
    model's classes. What needs probabilities is None for a model without any.

    Attributes:
        n_rows: all rows.
        unseen: labels that the model never saw, with the number of rows of each.
        accuracy: share of the rows that were predicted correctly.
        null_accuracy: share of the most frequent class, which a constant prediction reaches.
        log_loss: mean of minus the log-probability of the true class, in nats.
        null_log_loss: the smallest that a constant prediction can reach, in nats.
        classes: shape (K,).
        confusion: (K, K) counts, or weights of rows; true classes in rows, predicted in columns.
        confusion_squares: (K, K) sums of squared weights; equal to `confusion` without weights.
        positive: of two classes the second, which F1 and average precision are of; None for more.
        log_loss_interval: the log loss with its 95 % interval.
        brier_score: mean squared error of the probabilities: of two classes that of one of them, of
            more the sum over all.
        calibration_error: the expected difference of predicted probability and observed frequency,
            in 10 bins of equal width: of two classes of the positive one's probability, of more of
            the predicted class's.
        auc: area under the ROC curve, of more than two classes the mean over each against the rest;
            None also for more than 50 million probabilities that are read piece by piece.
        average_precision: the area under the precision-recall curve, likewise.
        top_k: of five classes and more, for some k, how often the true class is among the k most
            probable ones.
    """

    n_rows: int
    unseen: dict[Any, int]
    accuracy: float
    null_accuracy: float
    log_loss: float | None
    null_log_loss: float
    classes: Array
    confusion: NDArray[Any]
    confusion_squares: NDArray[Any]
    positive: Any
    log_loss_interval: Estimate | None
    brier_score: float | None
    calibration_error: float | None
    auc: float | None
    average_precision: float | None
    top_k: dict[int, float]

    @property
    def n_unseen(self) -> int:
        """The number of rows with a label that the model never saw."""
        return sum(self.unseen.values())

    @property
    def accuracy_of_all(self) -> float:
        """The accuracy if rows with an unseen label count as errors, which no model could have
        avoided."""
        return self.accuracy * (self.n_rows - self.n_unseen) / self.n_rows

    @property
    def accuracy_interval(self) -> Estimate:
        """The accuracy with Wilson's 95 % interval."""
        right, total, squares = np.trace(self.confusion), self.confusion.sum(), self.confusion_squares.sum()
        return weighted_share(float(right), float(total), float(squares))

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that occur."""
        return balanced_accuracy(self.confusion)

    @property
    def f1(self) -> float:
        """Of the positive class; of more than two the mean over the classes that occur or are
        predicted."""
        return f1(self.confusion, self._positive_place)

    @property
    def matthews(self) -> float:
        """Matthews' correlation coefficient of true and predicted classes."""
        return matthews(self.confusion)

    @property
    def per_class(self) -> list[ClassQuality]:
        """Precision and recall with intervals, and F1, of each class."""
        return class_qualities(self.confusion, self.classes, self.confusion_squares)

    @property
    def _positive_place(self) -> int | None:
        return 1 if len(self.classes) == 2 else None

    def metrics(self) -> list[Metric]:
        """All measures in the order in which they are shown: of decisions, of the ranking of rows,
        of probabilities."""
        totals = self.confusion.sum(axis=1)
        shares = totals / totals.sum()
        present, place = int((shares > 0).sum()), self._positive_place
        constant = np.zeros_like(self.confusion)
        constant[:, int(totals.argmax())] = totals  # always the most frequent class
        of = f"of {self.positive}" if place is not None else "mean over classes"
        auc = "AUC" if place is not None else "AUC, mean of one against rest"
        found = [
            Metric("accuracy", *self.accuracy_interval, self.null_accuracy),
            Metric("balanced accuracy", self.balanced_accuracy, None, None, 1 / present),
            Metric(f"F1, {of}", self.f1, None, None, f1(constant, place)),
            Metric("Matthews correlation", self.matthews, None, None, 0.0),
        ]
        found += [
            Metric(f"top-{k} accuracy", value, None, None, float(np.sort(shares)[-k:].sum()))
            for k, value in self.top_k.items()
        ]
        if self.auc is not None and self.average_precision is not None:
            share = 1 / present if place is None else float(shares[place])
            found += [
                Metric(auc, self.auc, None, None, 0.5),
                Metric(f"average precision, {of}", self.average_precision, None, None, share),
            ]
        if self.log_loss_interval is not None:
            found.append(Metric("log loss, nats", *self.log_loss_interval, self.null_log_loss))
        if self.brier_score is not None and self.calibration_error is not None:
            spread = float(1 - (shares**2).sum())
            found += [
                Metric("Brier score", self.brier_score, None, None, spread / 2 if place is not None else spread),
                Metric("calibration error, 10 bins", self.calibration_error, None, None, None),
            ]
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; the confusion matrix as a list of rows; what is infinite or NaN
        becomes None."""
        per_class = [
            {
                "label": each.label,
                "n_rows": each.n_rows,
                "n_predicted": each.n_predicted,
                "precision": each.precision._asdict(),
                "recall": each.recall._asdict(),
                "f1": each.f1,
            }
            for each in self.per_class
        ]
        found: dict[str, Any] = plain(
            {
                "n_rows": self.n_rows,
                "n_unseen": self.n_unseen,
                "unseen": self.unseen,
                "accuracy": self.accuracy,
                "accuracy_interval": self.accuracy_interval[1:],
                "null_accuracy": self.null_accuracy,
                "accuracy_of_all": self.accuracy_of_all,
                "balanced_accuracy": self.balanced_accuracy,
                "positive": self.positive,
                "f1": self.f1,
                "matthews": self.matthews,
                "top_k": self.top_k,
                "auc": self.auc,
                "average_precision": self.average_precision,
                "log_loss": self.log_loss,
                "log_loss_interval": None if self.log_loss_interval is None else self.log_loss_interval[1:],
                "null_log_loss": self.null_log_loss,
                "brier_score": self.brier_score,
                "calibration_error": self.calibration_error,
                "classes": self.classes,
                "per_class": per_class,
                "confusion": self.confusion,
            }
        )
        return found


def evaluate(model: Fitted, X: Any = None, y: Any = None, sample_weight: Any = None) -> Evaluation:
    """Compare a model's predictions with the truth.

    Args:
        model: a fitted classifier that puts each row into one class.
        X: features, shape (n, d); rows of `open_rows`; or a data frame for a model that was trained
            on a table. None takes the rows that training held out.
        y: true labels, shape (n,). Rows whose label the model never saw are counted and left out.
            None where X has them: rows of `open_rows`, or a data frame with the column of labels.
        sample_weight: of each row, shape (n,); None for equal ones, but for rows that training held
            out, which have their own. All measures are weighted; `n_rows` and `unseen` count rows.

    Raises:
        ArgumentError: the model has no classes.
        DataError: no label is one of the model's classes; a weight cannot be used; or there are no
            rows or labels.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> model = LogisticRegression().fit(X, ["no", "no", "yes", "yes"])
        >>> evaluation = evaluate(model, X, np.array(["no", "yes", "yes", "perhaps"]))
        >>> evaluation.confusion
        array([[1, 0],
               [1, 1]])
        >>> round(evaluation.accuracy, 3), evaluation.unseen, evaluation.accuracy_of_all
        (0.667, {'perhaps': 1}, 0.5)
        >>> evaluation.auc, round(evaluation.f1, 3)
        (1.0, 0.667)
    """
    if X is None and y is None:
        X, y, sample_weight = held_out_rows(model)
    refuse_spread(X)
    if isinstance(X, StreamedTable):
        return evaluate_pieces(model, X.labelled_pieces())
    X, y = labelled_rows(model, X, y)
    X = X if hasattr(X, "shape") else np.asarray(X)
    weight = None if sample_weight is None else row_weights(sample_weight, X.shape[0])
    return evaluate_pieces(model, [(X, one_label_each(y, X.shape[0]), weight)])


def evaluate_pieces(model: Fitted, pieces: Iterable[tuple[Any, Array, Array | None]]) -> Evaluation:
    """Compare a model's predictions with the truth, of which a piece at a time is in memory.

    Args:
        model: a fitted classifier that puts each row into one class.
        pieces: features, true labels and weights of some rows each; None in place of equal weights.

    Raises:
        ArgumentError: the model has no classes.
        DataError: no label is one of the model's classes, or all weights are zero.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["no", "no", "yes", "yes"])
        >>> model = LogisticRegression().fit(X, y)
        >>> pieces = [(X[:3], y[:3], None), (X[3:], y[3:], None)]
        >>> evaluate_pieces(model, pieces).accuracy == evaluate(model, X, y).accuracy
        True
    """
    refuse_without_classes(model, "rows are judged by one label each")
    n_classes, n_rows, weighted = len(model.classes_), 0, False
    tally = Tally(n_classes)
    first: list[Any] = []
    weights, squares = np.zeros((n_classes, n_classes)), np.zeros((n_classes, n_classes))
    unseen: dict[Any, int] = {}
    for X, y, given in pieces:
        first = first or y[:1].tolist()
        n_rows, weighted = n_rows + len(y), weighted or given is not None
        weight = np.ones(len(y)) if given is None else given
        codes = class_codes(y, model.classes_)
        known = codes >= 0
        for label, count in class_counts(y[~known]).items():
            unseen[label] = unseen.get(label, 0) + count
        if not known.any():
            continue
        if not known.all():
            X, codes, weight = X[known], codes[known], weight[known]
        pair = codes * n_classes + class_codes(model.predict(X), model.classes_)
        weights += np.bincount(pair, weight, n_classes**2).reshape(n_classes, n_classes)
        squares += np.bincount(pair, weight**2, n_classes**2).reshape(n_classes, n_classes)
        if model.has_probabilities:
            tally.add(codes, model.predict_log_proba(X), weight)
    totals = weights.sum(axis=1)
    total = float(totals.sum())
    if not total > 0:
        if n_rows > sum(unseen.values()):
            raise DataError("every row has the weight 0: at least one row must count")
        raise DataError(
            f"no label is one of the model's classes: the labels are like {first}, the classes like "
            f"{model.classes_[:5].tolist()}; write the labels as in training"
        )
    if not weighted:
        weights, squares = weights.astype(np.int64), squares.astype(np.int64)
    return Evaluation(
        n_rows=n_rows,
        unseen=dict(sorted(unseen.items())),
        accuracy=float(np.trace(weights) / total),
        null_accuracy=float(totals.max() / total),
        null_log_loss=_entropy(totals),
        classes=model.classes_,
        confusion=weights,
        confusion_squares=squares,
        positive=model.classes_.tolist()[1] if n_classes == 2 else None,
        **_of_probabilities(tally if model.has_probabilities else None),
    )


def _of_probabilities(tally: Tally | None) -> dict[str, Any]:
    """The fields of an evaluation that need probabilities."""
    if tally is None:
        names = ("log_loss", "log_loss_interval", "brier_score", "calibration_error", "auc", "average_precision")
        return dict.fromkeys(names) | {"top_k": {}}
    loss, rankings = tally.loss, tally.rankings()
    interval = loss.interval()
    known = rankings is not None and not np.isnan(rankings.auc)
    return {
        "log_loss": loss.value,
        "log_loss_interval": interval._replace(low=max(0.0, interval.low)),  # a log loss is never negative
        "brier_score": tally.brier_score,
        "calibration_error": tally.calibration_error,
        "auc": rankings.auc if rankings is not None and known else None,
        "average_precision": rankings.average_precision if rankings is not None and known else None,
        "top_k": tally.top_k,
    }


def one_label_each(y: Any, n_rows: int) -> Array:
    """True labels of rows to evaluate, shape (n,); a single column is accepted too.

    Args:
        y: labels, shape (n,) or (n, 1).
        n_rows: n.

    Raises:
        DataError: their number differs from that of the rows, or there are several numbers for each
            row.

    Example:
        >>> one_label_each([["no"], ["yes"]], 2)
        array(['no', 'yes'], dtype='<U3')
    """
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and len(labels) == n_rows:
        raise DataError(
            f"y has shape {labels.shape}: evaluation takes one label for each row, not probabilities; give the most "
            "probable class of each row, classes_[y.argmax(axis=1)]"
        )
    if labels.shape != (n_rows,):
        raise DataError(f"y has shape {labels.shape} for {n_rows} rows of X: give one label for each row")
    return labels


def class_codes(y: Array, classes: Array) -> NDArray[np.intp]:
    """The position of each label among the classes, -1 if it is not one of them.

    Args:
        y: labels, shape (n,).
        classes: all different, in any order, shape (K,).

    Example:
        >>> class_codes(np.array(["b", "z", "a"]), np.array(["a", "b"]))
        array([ 1, -1,  0])
    """
    position = {label: code for code, label in enumerate(classes.tolist())}
    labels, inverse = np.unique(y, return_inverse=True)
    codes = np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.intp)
    return codes[inverse]


def class_counts(y: Any) -> dict[Any, int]:
    """The number of rows of each label, labels sorted.

    Example:
        >>> class_counts(np.array(["b", "a", "b"]))
        {'a': 1, 'b': 2}
    """
    labels, counts = np.unique(y, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def accuracy(y: Array, predicted: Array) -> float:
    """The share of rows where the two are equal.

    Example:
        >>> accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
        0.75
    """
    return float(np.mean(y == predicted))


def log_loss(codes: Array, log_probabilities: Array) -> float:
    """`-mean_i log p_i[y_i]` in nats, from log-probabilities: exact where the probability itself
    would be zero.

    Args:
        codes: true classes as positions, shape (n,).
        log_probabilities: natural logarithms, shape (n, K).

    Example:
        >>> log_loss(np.array([0, 1]), np.array([[0.0, -2000.0], [0.0, -2000.0]]))
        1000.0
    """
    return float(-np.mean(log_probabilities[np.arange(len(codes)), codes]))


def null_log_loss(codes: Array) -> float:
    """`-sum_k f_k log f_k` in nats, `f_k` the frequency of class k: the smallest log loss of a
    constant prediction.

    Example:
        >>> round(null_log_loss(np.array([0, 1, 1, 0])), 4)
        0.6931
    """
    return _entropy(np.bincount(codes))


def _entropy(counts: Array) -> float:
    """Of the distribution that has these counts, in nats."""
    frequency = counts / counts.sum()
    return float(-xlogy(frequency, frequency).sum())


def confusion_matrix(codes: Array, predicted: Array, n_classes: int) -> NDArray[np.int64]:
    """Counts of rows by true class (rows) and predicted class (columns), shape (K, K).

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
        array([[1, 1],
               [0, 1]])
    """
    counts = np.bincount(codes * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def confused_pairs(confusion: Array, classes: Array, most: int = 10) -> list[ConfusedPair]:
    """The pairs of classes that are confused most often, the worst first, ties in the order of the
    classes.

    Args:
        confusion: counts or weights of rows, shape (K, K), true classes in rows.
        classes: their labels, shape (K,).
        most: the most pairs.

    Example:
        >>> confused_pairs(np.array([[8, 2], [1, 9]]), np.array(["cat", "dog"]))[0]
        ConfusedPair(true='cat', predicted='dog', n_rows=2, share=0.2)
    """
    errors = confusion - np.diag(np.diag(confusion))
    labels, totals = classes.tolist(), confusion.sum(axis=1)
    worst = largest(errors.ravel(), most)
    pairs = [(int(place) // len(classes), int(place) % len(classes)) for place in worst]
    return [
        ConfusedPair(labels[i], labels[j], errors[i, j].item(), float(errors[i, j] / totals[i]))
        for i, j in pairs
        if errors[i, j] > 0
    ]
