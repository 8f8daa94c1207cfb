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

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.ordering import largest
from polytome.models.fitted import refuse_without_classes
from polytome.models.fitted_source import source_of
from polytome.models.framed import labelled_rows
from polytome.plain.values import plain
from polytome.tables.streams.frames import refuse_spread
from polytome.tables.streams.table import StreamedTable

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = [
    "ConfusedPair",
    "Evaluation",
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
    n_rows: int
    share: float
    """Share of all rows of the true class."""


@dataclass(frozen=True)
class Evaluation:
    """A model's predictions beside the truth.

    All but `n_rows`, `unseen` and `accuracy_of_all` are about the rows whose label is one of the
    model's classes.

    Attributes:
        n_rows: all rows.
        unseen: labels that the model never saw, with the number of rows of each.
        accuracy: share of the rows that were predicted correctly.
        null_accuracy: share of the most frequent class, which a constant prediction reaches.
        log_loss: mean of minus the log-probability of the true class, in nats; None for a model
            without probabilities.
        null_log_loss: the smallest that a constant prediction can reach, in nats.
        classes: shape (K,).
        confusion: (K, K) counts, true classes in rows, predicted ones in columns.
    """

    n_rows: int
    unseen: dict[Any, int]
    accuracy: float
    null_accuracy: float
    log_loss: float | None
    null_log_loss: float
    classes: Array
    confusion: NDArray[np.int64]

    @property
    def n_unseen(self) -> int:
        """The number of rows with a label that the model never saw."""
        return sum(self.unseen.values())

    @property
    def accuracy_of_all(self) -> float:
        """The accuracy if rows with an unseen label count as errors, which no model could have
        avoided."""
        return self.accuracy * (self.n_rows - self.n_unseen) / self.n_rows

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; the confusion matrix as a list of rows; what is infinite or NaN
        becomes None."""
        found: dict[str, Any] = plain(
            {
                "n_rows": self.n_rows,
                "n_unseen": self.n_unseen,
                "unseen": self.unseen,
                "accuracy": self.accuracy,
                "null_accuracy": self.null_accuracy,
                "accuracy_of_all": self.accuracy_of_all,
                "log_loss": self.log_loss,
                "null_log_loss": self.null_log_loss,
                "classes": self.classes,
                "confusion": self.confusion,
            }
        )
        return found


def evaluate(model: Fitted, X: Any = None, y: Any = None) -> Evaluation:
    """Compare a model's predictions with the truth.

    Args:
        model: a fitted classifier that puts each row into one class.
        X: features, shape (n, d); rows of `open_rows`; or a data frame for a model that was trained
            on a table. None takes the rows that training held out.
        y: true labels, shape (n,). Rows whose label the model never saw are counted and left out.
            None where X has them: rows of `open_rows`, or a data frame with the column of labels.

    Raises:
        ArgumentError: the model has no classes.
        DataError: no label is one of the model's classes; or there are no rows or labels.

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
    """
    if X is None and y is None:
        X, y = _held_out(model)
    refuse_spread(X)
    if isinstance(X, StreamedTable):
        return evaluate_pieces(model, X.labelled_pieces())
    X, y = labelled_rows(model, X, y)
    X = X if hasattr(X, "shape") else np.asarray(X)
    return evaluate_pieces(model, [(X, one_label_each(y, X.shape[0]))])


def _held_out(model: Fitted) -> tuple[Any, Any]:
    """Features and labels of the rows that training held out."""
    held_out = source_of(model).held_out
    if held_out is None:
        raise ArgumentError(
            "X, y: the model has no rows that training held out (those that train(test_fraction=...) holds out are "
            "kept as long as the model is in memory); give rows with labels"
        )
    return held_out.X, held_out.y


def evaluate_pieces(model: Fitted, pieces: Iterable[tuple[Any, Array]]) -> Evaluation:
    """Compare a model's predictions with the truth, of which a piece at a time is in memory.

    Args:
        model: a fitted classifier that puts each row into one class.
        pieces: features and true labels of some rows each.

    Raises:
        ArgumentError: the model has no classes.
        DataError: no label is one of the model's classes.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["no", "no", "yes", "yes"])
        >>> model = LogisticRegression().fit(X, y)
        >>> evaluate_pieces(model, [(X[:3], y[:3]), (X[3:], y[3:])]).accuracy == evaluate(model, X, y).accuracy
        True
    """
    refuse_without_classes(model, "rows are judged by one label each")
    n_classes, n_rows, total = len(model.classes_), 0, 0.0
    first: list[Any] = []
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    unseen: dict[Any, int] = {}
    for X, y in pieces:
        first = first or y[:1].tolist()
        n_rows += len(y)
        codes = class_codes(y, model.classes_)
        known = codes >= 0
        for label, count in class_counts(y[~known]).items():
            unseen[label] = unseen.get(label, 0) + count
        if not known.any():
            continue
        if not known.all():
            X, codes = X[known], codes[known]
        confusion += confusion_matrix(codes, class_codes(model.predict(X), model.classes_), n_classes)
        if model.has_probabilities:
            total += float(model.predict_log_proba(X)[np.arange(len(codes)), codes].sum())
    counts = confusion.sum(axis=1)
    n_known = int(counts.sum())
    if not n_known:
        raise DataError(
            f"no label is one of the model's classes: the labels are like {first}, the classes like "
            f"{model.classes_[:5].tolist()}"
        )
    return Evaluation(
        n_rows=n_rows,
        unseen=dict(sorted(unseen.items())),
        accuracy=float(np.trace(confusion) / n_known),
        null_accuracy=float(counts.max() / n_known),
        log_loss=-total / n_known if model.has_probabilities else None,
        null_log_loss=_entropy(counts),
        classes=model.classes_,
        confusion=confusion,
    )


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
        confusion: counts, shape (K, K), true classes in rows.
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
        ConfusedPair(labels[i], labels[j], int(errors[i, j]), float(errors[i, j] / totals[i]))
        for i, j in pairs
        if errors[i, j] > 0
    ]
