"""Two models on the same rows: how much one is better, and whether that could be chance.

What makes a row hard is hard for both models, so all is paired: intervals of differences come from
bootstrap samples of rows, drawn for both models alike, and McNemar's test looks only at the rows
where one is right and the other wrong.

Reference:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13 (percentile
    intervals); McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947); Dietterich, "Approximate statistical tests
    for comparing supervised classification learning algorithms", Neural Computation 10 (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.metrics import class_codes, one_label_each
from polytome.models.fitted import refuse_without_classes
from polytome.models.framed import labelled_rows
from polytome.plain.values import plain

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Comparison", "Difference", "Opinion", "compare", "compare_opinions", "mcnemar"]

_MOST_SAMPLES, _FEWEST_SAMPLES = 1000, 200
_WORK = 2_000_000_000
"""Numbers that all bootstrap samples may go through: some ten seconds."""


class Difference(NamedTuple):
    """A measure of two models on the same rows."""

    name: str
    first: float
    second: float
    difference: float
    """The second's less the first's."""
    low: float
    """The lower end of its 95 % bootstrap interval."""
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        n_rows: rows that both can judge.
        n_left_out: rows whose label one of them never saw.
        classes: the labels, (K,).
        differences: of accuracy, and of AUC and log loss where both have probabilities.
        n_samples: bootstrap samples that the intervals rest on.
        n_both_right: rows that both predict correctly.
        n_first_right: rows that the first alone predicts correctly.
        n_second_right: rows that the second alone predicts correctly.
        n_both_wrong: rows that neither predicts correctly.
        agreement: share of the rows that both put into the same class, right or wrong.
        p_value: of McNemar's exact test that both are right equally often.
        codes: true class of each row as a position, (n_rows,).
        first: the first's prediction of each row, likewise.
        second: the second's.
        rows: the number of each row among those that were given, counted from 0, (n_rows,).
    """

    n_rows: int
    n_left_out: int
    classes: Array
    differences: tuple[Difference, ...]
    n_samples: int
    n_both_right: int
    n_first_right: int
    n_second_right: int
    n_both_wrong: int
    agreement: float
    p_value: float
    codes: Array
    first: Array
    second: Array
    rows: Array

    def rows_of_one(self, second: bool) -> Array:
        """The numbers of the rows that one model alone predicts correctly.

        Args:
            second: whether it is the second.
        """
        right, other = self.first == self.codes, self.second == self.codes
        return np.asarray(self.rows[other & ~right if second else right & ~other])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the rows that one model alone predicts correctly."""
        names = ("n_rows", "n_left_out", "classes", "n_samples", "n_both_right", "n_first_right", "n_second_right")
        found = {name: getattr(self, name) for name in (*names, "n_both_wrong", "agreement", "p_value")}
        found["differences"] = [each._asdict() for each in self.differences]
        found["first_right_rows"] = self.rows_of_one(False) + 1
        found["second_right_rows"] = self.rows_of_one(True) + 1
        return dict(plain(found))


class Opinion(NamedTuple):
    """What one model says of rows."""

    classes: Array
    """(K,) its labels."""
    codes: Array
    """The true class of each row among them, -1 for others, shape (n,)."""
    predicted: Array
    """The predicted class as a position, shape (n,)."""
    log_probabilities: Array | None
    """Shape (n, K); None for a model without probabilities."""

    @classmethod
    def of(cls, model: Fitted, X: Any, y: Any) -> Opinion:
        """What a fitted model says.

        Args:
            model: a classifier.
            X: features, shape (n, d).
            y: true labels, shape (n,).
        """
        refuse_without_classes(model, "two models are compared by classes")
        X = X if hasattr(X, "shape") else np.asarray(X)
        codes = class_codes(one_label_each(y, X.shape[0]), model.classes_)
        logarithms = model.predict_log_proba(X) if model.has_probabilities else None
        return cls(model.classes_, codes, class_codes(model.predict(X), model.classes_), logarithms)


def compare(first: Fitted, second: Fitted, X: Any, y: Any = None, *, seed: int = 0) -> Comparison:
    """Compare two classifiers of the same classes on the same rows.

    Args:
        first: a fitted classifier.
        second: another one.
        X: features, shape (n, d), for both; preferably of rows that neither was fitted to. Of a
            data frame models of tables read their own columns.
        y: true labels, shape (n,); None where they are a column of the frame.
        seed: of the bootstrap samples.

    Raises:
        ArgumentError: they have other classes, or a model has none.
        DataError: no row has a label that both know.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 0, 1, 1, 1])
        >>> weak, strong = LogisticRegression(C=1e-6).fit(X, y), LogisticRegression().fit(X, y)
        >>> found = compare(weak, strong, X, y)
        >>> found.n_rows, found.n_second_right, found.differences[0].name
        (8, 3, 'accuracy')
    """
    opinions = [Opinion.of(model, *labelled_rows(model, X, y)) for model in (first, second)]
    return compare_opinions(*opinions, seed=seed)


def compare_opinions(first: Opinion, second: Opinion, *, seed: int = 0) -> Comparison:
    """Compare what two models say of the same rows, which each may have read in its own way.

    Args:
        first: of one model.
        second: of the other, of the same rows in the same order.
        seed: of the bootstrap samples.

    Raises:
        ArgumentError: they have other classes.
        DataError: no row has a label that both know.
    """
    names, others = ([str(label) for label in each.classes.tolist()] for each in (first, second))
    if set(names) != set(others):
        alone = sorted(set(names) ^ set(others))
        raise ArgumentError(
            f"the models have different classes ({', '.join(alone[:6])} {'is' if len(alone) == 1 else 'are'} of one "
            "only): compare models that distinguish the same ones"
        )
    place = np.array([names.index(label) for label in others])  # of the second's classes among the first's
    known = np.flatnonzero((first.codes >= 0) & (second.codes >= 0))
    if not len(known):
        raise DataError("no row has a label that is a class of both models")
    codes, predicted, theirs = first.codes[known], first.predicted[known], place[second.predicted[known]]
    if (codes != place[second.codes[known]]).any():
        row = int(known[np.argmax(codes != place[second.codes[known]])])
        raise DataError(f"row {row + 1}: the two models read different labels; their targets are different columns")
    right, also = predicted == codes, theirs == codes
    measures: list[_Mean | _Ranks] = [_Mean("accuracy", right, also)]
    if first.log_probabilities is not None and second.log_probabilities is not None:
        one, two = first.log_probabilities[known], second.log_probabilities[known][:, np.argsort(place)]
        rows = np.arange(len(codes))
        measures += [_Ranks("AUC", codes, one, two)] if len(np.unique(codes)) > 1 else []
        measures += [_Mean("log loss, nats", -one[rows, codes], -two[rows, codes])]
    width = 2 * sum(each.width for each in measures)
    n_samples = int(np.clip(_WORK // (len(codes) * width), _FEWEST_SAMPLES, _MOST_SAMPLES))
    random, found = np.random.default_rng(seed), np.empty((n_samples, len(measures)))
    for sample in range(n_samples):
        counts = np.bincount(random.integers(0, len(codes), len(codes)), minlength=len(codes)).astype(np.float64)
        found[sample] = [b - a for a, b in (each.values(counts) for each in measures)]
    low, high = np.nanquantile(found, [0.025, 0.975], axis=0)
    differences = []
    for j, each in enumerate(measures):
        a, b = each.values(np.ones(len(codes)))
        differences.append(Difference(each.name, a, b, b - a, float(low[j]), float(high[j])))
    first_right, second_right = int((right & ~also).sum()), int((also & ~right).sum())
    return Comparison(
        n_rows=len(codes),
        n_left_out=len(first.codes) - len(codes),
        classes=first.classes,
        differences=tuple(differences),
        n_samples=n_samples,
        n_both_right=int((right & also).sum()),
        n_first_right=first_right,
        n_second_right=second_right,
        n_both_wrong=int((~right & ~also).sum()),
        agreement=float((predicted == theirs).mean()),
        p_value=mcnemar(first_right, second_right),
        codes=codes,
        first=predicted,
        second=theirs,
        rows=known,
    )


def mcnemar(first_right: int, second_right: int) -> float:
    """The p-value of McNemar's exact test, two-sided: were a coin thrown for each row that one
    model alone has right, how often would it fall at least so unevenly?

    Args:
        first_right: rows that the first alone predicts correctly.
        second_right: rows that the second alone predicts correctly.

    Example:
        >>> mcnemar(1, 7), mcnemar(0, 0)
        (0.0703125, 1.0)
    """
    n = first_right + second_right
    return float(min(1.0, 2 * special.bdtr(min(first_right, second_right), n, 0.5)))


class _Mean:
    """The mean of one number per row, of two models."""

    width = 1

    def __init__(self, name: str, first: Array, second: Array) -> None:
        self.name, self._both = name, np.stack([first, second]).astype(np.float64)

    def values(self, counts: Array) -> tuple[float, float]:
        """Of both models, with each row so many times."""
        first, second = (self._both @ counts / counts.sum()).tolist()
        return first, second


class _Ranks:
    """The area under the ROC curve of two models; of more than two classes the mean over each
    against the rest."""

    def __init__(self, name: str, codes: Array, first: Array, second: Array) -> None:
        n_classes = first.shape[1]
        places = [1] if n_classes == 2 else [k for k in range(n_classes) if 0 < (codes == k).sum() < len(codes)]
        self.name, self.width = name, 4 * len(places)
        self._curves = [[_Order(codes == k, each[:, k]) for k in places] for each in (first, second)]

    def values(self, counts: Array) -> tuple[float, float]:
        """Of both models, with each row so many times; NaN where a sample lacks a class."""
        first, second = (float(np.mean([curve.area(counts) for curve in each])) for each in self._curves)
        return first, second


class _Order:
    """The rows in the order of a score, sorted once for all samples."""

    def __init__(self, belongs: Array, scores: Array) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
        self._belongs = belongs[self._order].astype(np.float64)

    def area(self, counts: Array) -> float:
        """The area with each row so many times; ties count half."""
        weights = counts[self._order]
        hit = weights * self._belongs
        hits, misses = np.add.reduceat(hit, self._starts), np.add.reduceat(weights - hit, self._starts)
        total = hits.sum() * misses.sum()
        return float((misses * (np.cumsum(hits) - hits / 2)).sum() / total) if total > 0 else float("nan")
