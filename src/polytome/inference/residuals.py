"""How each row fits, and how much the coefficients owe to it: residuals, leverages, Cook's
distances and the change of the coefficients without a row, in one pass over blocks of rows.

Without row i, one step of Newton's method changes the coefficients by `-V (I (x) x_i) e_i` with
`e_i = (I - W_i G_i)^-1 r_i`: W_i is the curvature of the row's loss, G_i the covariance of its
scores, and r_i what is left of its class. For two classes that is Pregibon's formula.

References: Pregibon, Logistic regression diagnostics, Annals of Statistics 9, 1981; McCullagh and
Nelder, Generalized Linear Models, 1989, chapter 12; Dunn and Smyth, Randomized quantile residuals,
Journal of Computational and Graphical Statistics 5, 1996; Hosmer, Lemeshow and Sturdivant, Applied
Logistic Regression, 2013, chapter 5; Fagerland, Hosmer and Bofin, Multinomial goodness-of-fit tests
for logistic regression models, Statistics in Medicine 27, 2008.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from polytome.errors import ArgumentError
from polytome.inference.covariance import leverages
from polytome.inference.display import Summary, number
from polytome.inference.likelihood import AtRows, Likelihood, Maximum
from polytome.inference.sample import Sample
from polytome.inference.tested import Test

Array = NDArray[Any]

__all__ = [
    "RESIDUALS",
    "ClassificationTable",
    "classification_of",
    "dfbeta_of",
    "hosmer_lemeshow_of",
    "influence_of",
    "pearson_of",
    "probabilities_at",
    "residuals_of",
]

_NOTHING_LEFT = 1e-4
"""`1 - leverage` of a row that its own coefficients fit: without it there are none."""
_SAME = 1e-10
"""Of probabilities: what rounding makes of equal rows."""
RESIDUALS = ("deviance", "pearson", "standardised", "standardised-pearson", "quantile")
"""The kinds of residuals."""


def residuals_of(likelihood: Likelihood, best: Maximum, sample: Sample, kind: str, seed: int) -> Array:
    """Residuals of one kind, (n,); for more than two classes Pearson's are (n, K).

    Args:
        likelihood: of the rows.
        best: its maximum.
        sample: the rows.
        kind: of `RESIDUALS`.
        seed: of the random numbers of quantile residuals.
    """
    if kind not in RESIDUALS:
        raise ArgumentError(f"kind={kind!r}: needs one of {', '.join(RESIDUALS)}")
    if kind == "quantile" and likelihood.n_equations > 1:
        raise ArgumentError("kind='quantile': more than two classes have no order, which quantile residuals need")
    if kind.startswith("standardised"):
        if likelihood.n_equations > 1:
            raise ArgumentError(
                f"kind={kind!r}: of more than two classes a row has a matrix of leverages; use 'deviance'"
            )
        own = residuals_of(likelihood, best, sample, "pearson" if kind.endswith("pearson") else "deviance", seed)
        left = 1 - influence_of(likelihood, best, sample)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(own / np.sqrt(np.where(left > _NOTHING_LEFT, left, np.nan)))
    residuals = np.concatenate([_of_block(rows, kind, sample) for rows in likelihood.at_rows(best.at)])
    if kind != "quantile":
        return residuals
    # The distribution of a row jumps by the probability p of the second class at its end: a row of
    # the second class lies above 1 - p, one of the first below, somewhere.
    uniform, p, is_second = np.random.default_rng(seed).uniform(size=len(residuals)), residuals, sample.codes == 1
    return np.asarray(np.where(is_second, norm.isf(uniform * p), norm.ppf(uniform * (1 - p))))


def _of_block(rows: AtRows, kind: str, sample: Sample) -> Array:
    """Residuals of a block; of quantiles the probability of the second class."""
    root = np.ones(1) if sample.weights_are in (None, "frequencies") else np.sqrt(rows.weight)
    if kind == "deviance":
        sign = np.sign(rows.residual[:, 0]) if rows.residual.shape[1] == 1 else 1.0
        return np.asarray(root * sign * np.sqrt(2 * rows.loss))
    if kind == "quantile":
        return np.asarray(rows.mean[:, 1])
    if rows.residual.shape[1] == 1:
        return np.asarray(root * rows.residual[:, 0] / np.sqrt(np.maximum(rows.curvature[:, 0, 0], 1e-300)))
    own, others = np.eye(rows.mean.shape[1])[rows.target], rows.mean.sum(axis=1, keepdims=True) - rows.mean
    return np.asarray(root[:, None] * (own - rows.mean) / np.sqrt(np.maximum(rows.mean * others, 1e-300)))


def probabilities_at(likelihood: Likelihood, best: Maximum) -> Array:
    """The probability of each class, the reference's first, (n, K)."""
    return np.concatenate([rows.mean for rows in likelihood.at_rows(best.at)])


def influence_of(likelihood: Likelihood, best: Maximum, sample: Sample) -> tuple[Array, Array]:
    """The leverage of each row, and its Cook's distance, both (n,)."""
    V = likelihood.covariance(best.derived)
    found = [(lever, cook) for _, lever, _, cook in _changes(likelihood, best, sample, V)]
    leverage, cook = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return leverage, cook


def dfbeta_of(likelihood: Likelihood, best: Maximum, sample: Sample) -> Array:
    """What each row adds to the coefficients, (n, n_estimated), for columns as given."""
    V = likelihood.covariance(best.derived)
    given = likelihood.to_given @ V
    E, m = likelihood.n_equations, likelihood.n_terms
    parts = []
    for rows, _, left, _ in _changes(likelihood, best, sample, V):
        scores = (left[:, :, None] * rows.X[:, None, :]).reshape(len(rows.X), E * m)
        parts.append(scores @ given.T)
    return np.concatenate(parts)


def _changes(
    likelihood: Likelihood, best: Maximum, sample: Sample, V: Array
) -> Iterator[tuple[AtRows, Array, Array, Array]]:
    """Each block with its leverages, `(I - W G)^-1 r` and Cook's distances."""
    counts = sample.weights_are == "frequencies"
    for rows in likelihood.at_rows(best.at):
        W, G = leverages(rows, V, counts)
        H = W @ G
        weight = 1.0 if counts else rows.weight[:, None]
        rest = np.eye(H.shape[1]) - H
        fits_itself = ~(np.linalg.eigvals(rest).real.min(axis=1) > _NOTHING_LEFT)
        rest[fits_itself] = np.eye(H.shape[1])
        left = np.linalg.solve(rest, (rows.residual * weight)[:, :, None])
        left[fits_itself] = np.nan
        cook = (np.swapaxes(left, 1, 2) @ G @ left)[:, 0, 0] / likelihood.size
        yield rows, np.trace(H, axis1=1, axis2=2), left[:, :, 0], cook


def hosmer_lemeshow_of(likelihood: Likelihood, best: Maximum, sample: Sample, groups: int) -> Test:
    """Observed and expected numbers in groups by the probability that the class is not the
    reference, whose ends are quantiles."""
    K = likelihood.n_equations + 1
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 3:
        raise ArgumentError(f"groups={groups!r}: needs a whole number, 3 or more")
    P, codes = _counted(likelihood, best, sample, "Hosmer and Lemeshow's test")
    other = rounded(1 - P[:, 0] if K > 2 else P[:, 1])
    ends = np.unique(np.quantile(other, np.linspace(0, 1, groups + 1)))
    place = np.clip(np.searchsorted(ends, other, side="left") - 1, 0, len(ends) - 2)
    n_groups = len(ends) - 1
    if n_groups < 3:
        raise ArgumentError(f"groups={groups}: the probabilities make only {n_groups} groups, and 3 are needed")
    observed = np.array([np.bincount(place[codes == k], minlength=n_groups) for k in range(K)], dtype=float)
    expected = np.array([np.bincount(place, P[:, k], n_groups) for k in range(K)])
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1e-300)).sum())
    return Test.of("Hosmer and Lemeshow", f"the fit in {n_groups} groups", statistic, (n_groups - 2) * (K - 1))


def rounded(values: Array) -> Array:
    """With the smallest of those that differ by rounding alone for each of them."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.append(True, np.diff(ranked) > _SAME * ranked[1:])
    rounded = np.empty_like(values)
    rounded[order] = ranked[starts][starts.cumsum() - 1]
    return rounded


def pearson_of(likelihood: Likelihood, best: Maximum, sample: Sample) -> Test:
    """Observed and expected numbers for each pattern of columns."""
    P, codes = _counted(likelihood, best, sample, "Pearson's test")
    columns = np.concatenate([block for _, block in sample.blocks()])
    if sample.offset is not None:
        columns = np.column_stack([columns, sample.offset])
    if sample.weights_are == "frequencies":
        columns = np.repeat(columns, sample.weight.astype(np.intp), axis=0)
    _, first, pattern = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    K, n_patterns = P.shape[1], len(first)
    df = n_patterns * (K - 1) - likelihood.size
    if df <= 0:
        raise ArgumentError(f"Pearson's test: there are {n_patterns} patterns of columns, too few for the coefficients")
    sizes = np.bincount(pattern.ravel())
    observed = np.array([np.bincount(pattern.ravel()[codes == k], minlength=n_patterns) for k in range(K)])
    expected = sizes * P[first].T
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1e-300)).sum())
    return Test.of("Pearson", f"the fit in {n_patterns:,} patterns of columns", statistic, df)


def _counted(likelihood: Likelihood, best: Maximum, sample: Sample, what: str) -> tuple[Array, Array]:
    """Probabilities and classes, a row for each observation."""
    P, codes = probabilities_at(likelihood, best), sample.codes
    if sample.weights_are == "frequencies":
        counts = sample.weight.astype(np.intp)
        return np.repeat(P, counts, axis=0), np.repeat(codes, counts)
    if sample.weights_are is not None:
        raise ArgumentError(f"{what} counts rows, which {sample.weights_are} weights do not")
    return P, codes


@dataclass(frozen=True, eq=False)
class ClassificationTable:
    """How often each class is predicted as which.

    Attributes:
        classes: the classes.
        counts: rows of a class (line) predicted as another (column).
        threshold: from which probability on the second of two classes is predicted.
    """

    classes: tuple[Any, ...]
    counts: Array
    threshold: float | None = None

    @property
    def accuracy(self) -> float:
        """The share of rows that are predicted as their own class."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def sensitivity(self) -> float:
        """Of two classes: the share of the second one's rows that are predicted as it."""
        return self._share(1)

    @property
    def specificity(self) -> float:
        """Of two classes: the share of the first one's rows that are predicted as it."""
        return self._share(0)

    def _share(self, k: int) -> float:
        if len(self.classes) != 2:
            raise ArgumentError("sensitivity and specificity are of two classes")
        return float(self.counts[k, k] / self.counts[k].sum())

    def summary(self) -> Summary:
        """The table to be shown."""
        lines = [
            (f"is {name}", *(number(value, 6) if value % 1 else f"{value:,.0f}" for value in row))
            for name, row in zip(self.classes, self.counts, strict=True)
        ]
        facts = [f"{100 * self.accuracy:.2f} % are predicted as their own class"]
        if len(self.classes) == 2:
            facts.append(f"sensitivity {100 * self.sensitivity:.2f} %, specificity {100 * self.specificity:.2f} %")
        headings = ("", *(f"as {name}" for name in self.classes))
        return Summary("Classes as they are predicted", ("; ".join(facts) + ".",), headings, (("", tuple(lines)),), ())

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def classification_of(likelihood: Likelihood, best: Maximum, sample: Sample, threshold: float) -> ClassificationTable:
    """Each row predicted as its most probable class, or of two classes by a threshold."""
    P, K = probabilities_at(likelihood, best), likelihood.n_equations + 1
    if not (isinstance(threshold, int | float) and 0 < threshold < 1):
        raise ArgumentError(f"threshold={threshold!r}: needs a number between 0 and 1")
    if K > 2 and threshold != 0.5:
        raise ArgumentError("threshold is for two classes; of more the most probable one is predicted")
    predicted = (P[:, 1] >= threshold).astype(np.intp) if K == 2 else P.argmax(axis=1)
    counts = np.bincount(sample.codes * K + predicted, sample.weight, K * K).reshape(K, K)
    return ClassificationTable(sample.classes, counts, threshold if K == 2 else None)
