"""How far estimates vary from sample to sample, by fitting again to resamples of the rows: also
where no formula of standard errors holds, as under a penalty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from polytome.errors import ArgumentError, DataError
from polytome.inference.display import Summary, number
from polytome.inference.frames import frame_of, kind_of_frame
from polytome.inference.maximum_likelihood import weights_checked
from polytome.inference.resampling import Refitted, Units, every_fit, refitter_of
from polytome.inference.result import Result, check_level
from polytome.models.peer_settings import threads_of
from polytome.plain.values import plain
from polytome.threads import available_threads

Array = NDArray[Any]

__all__ = ["Bootstrap", "bca_ends", "bootstrap"]

METHODS = ("bca", "percentile")
_MOST_LEFT_OUT = 400
"""How many fits without a row, or a group of rows, the acceleration of BCa is made of."""
_FIRST = 100
"""How many resamples show whether most have estimates."""
_MOST_NUMBERS = 2 * 10**8
_FEW = 0.95
"""The share of resamples with estimates below which a table warns."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates with what resamples say of them; prints in 80 columns, and shows itself in
    notebooks.

    Attributes:
        names: of the numbers.
        values: of all rows, (m,).
        replicates: of each resample that has estimates, (n_kept, m).
        left_out: without a row, cluster or group of them each, (g, m); no rows for percentiles.
        left_out_counts: how many such there are, (g,).
        n: how many resamples were drawn.
        lost: why resamples have no estimates, and how many.
        n_uncertified: resamples whose fit is not proved.
        units: "rows" or "clusters".
        n_units: how many of them.
        seed: of the random numbers.
        method: of the intervals, "bca" or "percentile".
        level: of the intervals.
        of: what was fitted.
        is_interrupted: whether Ctrl-C ended it before the resamples that were asked for.
        frame: the library of the data's frame.
        are_coefficients: whether the numbers are coefficients, and not those of a statistic.
    """

    names: tuple[str, ...]
    values: Array
    replicates: Array
    left_out: Array
    left_out_counts: Array
    n: int
    lost: Mapping[str, int]
    n_uncertified: int
    units: str
    n_units: int
    seed: int
    method: str
    level: float
    of: str
    is_interrupted: bool = False
    frame: str | None = None
    are_coefficients: bool = field(default=True, kw_only=True)

    @property
    def standard_errors(self) -> Array:
        """The standard deviations of the replicates."""
        return np.asarray(self.replicates.std(axis=0, ddof=1))

    @property
    def bias(self) -> Array:
        """The mean of the replicates, less the value."""
        return np.asarray(self.replicates.mean(axis=0) - self.values)

    @property
    def covariance(self) -> Array:
        """Of the replicates, (m, m)."""
        return np.atleast_2d(np.cov(self.replicates, rowvar=False))

    def ends(self, level: float | None = None, method: str | None = None) -> tuple[Array, Array]:
        """The ends of intervals: "bca" corrects percentiles for bias and for errors that grow with
        the value.

        Args:
            level: of confidence; that of the table, if None.
            method: "bca" or "percentile"; that of the table, if None.
        """
        level, method = self.level if level is None else level, self.method if method is None else method
        check_level(level)
        _check_method(method)
        if method == "percentile":
            lower, upper = np.quantile(self.replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)
            return lower, upper
        if not len(self.left_out):
            raise ArgumentError("method='bca' needs fits without each row, which were not made: bootstrap with it")
        return bca_ends(self.values, self.replicates, self.left_out, level, self.left_out_counts)

    @property
    def table(self) -> Any:
        """A frame of the data's library: a row for each number."""
        lower, upper = self.ends()
        columns: dict[str, Any] = {"name": list(self.names), "value": self.values, "bias": self.bias}
        columns |= {"std_error": self.standard_errors, "lower": lower, "upper": upper}
        return frame_of(columns, self.frame)

    def summary(self, *, odds_ratios: bool = False) -> Summary:
        """The table to be shown.

        Args:
            odds_ratios: whether `exp` of coefficients and of their intervals is shown.
        """
        if odds_ratios and not self.are_coefficients:
            raise ArgumentError("odds_ratios: the numbers are of your statistic, and not coefficients")
        lower, upper = self.ends()
        if odds_ratios:  # whose mean and deviation hang on the few largest replicates
            with np.errstate(over="ignore"):
                columns = {"odds ratio": np.exp(self.values), "from": np.exp(lower), "to": np.exp(upper)}
        else:
            what = "coefficient" if self.are_coefficients else "value"
            columns = {what: self.values, "bias": self.bias, "std. error": self.standard_errors}
            columns |= {"from": lower, "to": upper}
        rows = [(name, *(number(each[j]) for each in columns.values())) for j, name in enumerate(self.names)]
        kind = "BCa" if self.method == "bca" else "percentile"
        before = f"{kind} {100 * self.level:g} % "
        headings = ("", *(f"{before}{name}" if name == "from" else name for name in columns))
        return Summary(
            f"Bootstrap: {self.of}", (self._resamples(),), headings, (("", tuple(rows)),), tuple(self._notes())
        )

    def _resamples(self) -> str:
        rows = self.units if self.n_units != 1 else self.units[:-1]
        return f"{len(self.replicates):,} resamples of {self.n_units:,} {rows}, seed {self.seed}"

    def _notes(self) -> list[str]:
        notes = [f"Left out: {count:,} of {self.n:,} resamples, as {why}." for why, count in self.lost.items()]
        if len(self.replicates) < _FEW * self.n:
            notes.append(
                "So many are left out that errors and intervals are too small: they say how estimates vary where there "
                "are any. Use a penalty, or Firth's method."
            )
        if self.n_uncertified:
            notes.append(f"Not certified: the fits to {self.n_uncertified:,} resamples.")
        if self.is_interrupted:
            notes.append(f"Interrupted after {self.n:,} resamples.")
        return notes

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        lower, upper = self.ends()
        columns = {"value": self.values, "bias": self.bias, "std_error": self.standard_errors}
        columns |= {"lower": lower, "upper": upper}
        rows = [
            {"name": name} | {key: plain(values[j]) for key, values in columns.items()}
            for j, name in enumerate(self.names)
        ]
        return {
            "n": self.n,
            "n_kept": len(self.replicates),
            "lost": dict(self.lost),
            "n_uncertified": self.n_uncertified,
            "units": self.units,
            "n_units": self.n_units,
            "seed": self.seed,
            "method": self.method,
            "level": self.level,
            "is_interrupted": self.is_interrupted,
            "values": rows,
        }


def bootstrap(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    clusters: Any = None,
    sample_weight: Any = None,
    n: int = 2000,
    method: str = "bca",
    level: float = 0.95,
    seed: int = 0,
    statistic: Callable[[Any], Any] | None = None,
    n_jobs: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Bootstrap:
    """Fit a model again to resamples of its rows, and tell how far its coefficients vary.

    Rows are drawn with replacement, or whole clusters of them; a resample is whole weights of rows,
    and X is never copied. The result depends on the seed alone, not on the number of threads; its
    first resamples are those of a smaller `n`. Ctrl-C ends it and keeps what is done.

    Under a penalty intervals are of the penalised coefficients, bias included: they say how far the
    fit would vary, not where a coefficient without a penalty lies.

    Args:
        model: a table of `polytome.inference`, which has its rows; or a fitted classifier whose
            `fit` takes `sample_weight`, with any penalty. It is not changed.
        X: for a classifier, the rows that it was fitted to.
        y: their labels.
        clusters: the cluster of each row, (n_rows,): whole clusters are drawn. Those of a table
            whose errors are clustered one way, if None.
        sample_weight: for a classifier, the weight of each row beside how often it is drawn.
        n: how many resamples.
        method: "bca" (bias-corrected and accelerated) or "percentile".
        level: of the intervals.
        seed: of the random numbers, a whole number from 0.
        statistic: numbers to be told instead of coefficients: called with the coefficients of a
            table, (n_equations, n_terms), or with the fitted classifier, in several threads.
        n_jobs: how many threads fit at the same time; None for as many as there are cores.
        progress: is told after each fit how many are done, and of how many.

    Returns:
        The values, their errors and intervals. Resamples whose classes are separated, or lack a
        class, have no finite estimates without a penalty: they are left out, counted and told.

    Raises:
        ArgumentError: the model cannot be fitted again, or an argument cannot be used.
        DataError: clusters or weights do not suit the rows, or nearly no resample has estimates.

    Example:
        >>> from polytome import LogisticRegression
        >>> X, y = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]] * 5, ["no", "no", "yes", "no", "yes", "yes"] * 5
        >>> model = LogisticRegression(C=1.0).fit(X, y)
        >>> found = bootstrap(model, X, y, n=50, method="percentile")
        >>> found.names, found.replicates.shape
        (('Intercept', 'feature_0'), (50, 2))

    References: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 14;
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, chapter 5.
    """
    _check(n, method, level, seed)
    fit, n_rows = refitter_of(model, X, y, _weights(sample_weight, X), statistic)
    if n * len(fit.values) > _MOST_NUMBERS:
        raise ArgumentError(f"n={n:,} resamples of {len(fit.values):,} numbers are too many to keep: give statistic=")
    units = _units(model, clusters, n_rows, getattr(fit, "weight", None))
    left_out = units.left_out(_MOST_LEFT_OUT, seed) if method == "bca" else []
    n_threads = threads_of(n_jobs) or available_threads()
    total = n + len(left_out)

    def told(done: int) -> None:
        if progress is not None:
            progress(done, total)

    without, stopped = every_fit(fit, lambda k: left_out[k][0], len(left_out), n_threads, told)
    if stopped:
        raise KeyboardInterrupt

    def some(first: int, last: int) -> tuple[list[Refitted], bool]:
        def weights(number: int) -> Array:
            return units.drawn(seed, first + number)

        return every_fit(fit, weights, last - first, n_threads, lambda done: told(len(left_out) + first + done))

    # Where few resamples have estimates that is said after the first ones, not after all.
    found, interrupted = some(0, min(n, _FIRST))
    _refuse_few(found, interrupted)
    if n > _FIRST and not interrupted:
        more, interrupted = some(_FIRST, n)
        found += more
        _refuse_few(found, False)
    kept = [each.values for each in found if each.values is not None]
    lost = Counter(each.lost for each in found if each.values is None)
    return Bootstrap(
        names=fit.names,
        values=fit.values,
        replicates=np.array(kept),
        left_out=_stacked(without, len(fit.values)),
        left_out_counts=np.array(
            [c for (_, c), each in zip(left_out, without, strict=True) if each.values is not None]
        ),
        n=len(found),
        lost=dict(lost),
        n_uncertified=sum(not each.is_certified for each in found),
        units=units.what,
        n_units=units.n if units.counts is None else int(units.counts.sum()),
        seed=seed,
        method=method,
        level=level,
        of=_of(model),
        is_interrupted=interrupted,
        frame=model.about.frame if isinstance(model, Result) else kind_of_frame(X),
        are_coefficients=statistic is None,
    )


def bca_ends(
    values: Array, replicates: Array, left_out: Array, level: float, counts: Array | None = None
) -> tuple[Array, Array]:
    """The ends of bias-corrected and accelerated intervals.

    Args:
        values: (m,).
        replicates: (n, m).
        left_out: the values without a unit each, (g, m).
        level: of confidence.
        counts: how many equal units each stands for, (g,).

    Example:
        >>> replicates = np.random.default_rng(0).normal(size=(999, 1))
        >>> low, high = bca_ends(np.zeros(1), replicates, np.array([[-1.0], [0.0], [1.0]]), 0.9)
        >>> low.round(2), high.round(2)
        (array([-1.42]), array([1.74]))
    """
    n = len(replicates)
    share = ((replicates < values).sum(axis=0) + (replicates <= values).sum(axis=0)) / (2 * n)
    bias = norm.ppf(np.clip(share, 1 / (n + 1), n / (n + 1)))
    repeated = np.ones(len(left_out)) if counts is None else counts
    mean = repeated @ left_out / repeated.sum()
    change = mean - left_out
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = repeated @ change**3 / (6 * (repeated @ change**2) ** 1.5)
    acceleration = np.nan_to_num(acceleration)
    ends = []
    for z in (float(norm.ppf((1 - level) / 2)), float(norm.ppf((1 + level) / 2))):
        moved = norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(np.array([np.quantile(replicates[:, j], p) for j, p in enumerate(moved)]))
    return ends[0], ends[1]


def _refuse_few(found: list[Refitted], interrupted: bool) -> None:
    """Raises DataError where fewer than half of the resamples have estimates; KeyboardInterrupt
    where none has yet."""
    n_kept = sum(each.values is not None for each in found)
    if interrupted and n_kept < 2:
        raise KeyboardInterrupt
    if n_kept < max(2, len(found) / 2):
        lost = Counter(each.lost for each in found if each.values is None)
        told = "; ".join(f"{count:,}, as {why}" for why, count in lost.items())
        raise DataError(
            f"only {n_kept:,} of {len(found):,} resamples have estimates (left out: {told}): fit with a penalty, or by "
            "Firth's method"
        )


def _stacked(found: list[Refitted], m: int) -> Array:
    kept = [each.values for each in found if each.values is not None]
    return np.array(kept) if kept else np.zeros((0, m))


def _check(n: Any, method: Any, level: Any, seed: Any) -> None:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise ArgumentError(f"n={n!r}: needs a whole number of resamples, at least 2; 2000 for intervals")
    _check_method(method)
    check_level(level)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(f"seed={seed!r}: needs a whole number, 0 or more")


def _check_method(method: Any) -> None:
    if method not in METHODS:
        raise ArgumentError(f"method={method!r}: needs 'bca' or 'percentile'")


def _weights(sample_weight: Any, X: Any) -> Array | None:
    if sample_weight is None or X is None:
        return None if sample_weight is None else np.asarray(sample_weight)
    return weights_checked(sample_weight, None, X.shape[0] if hasattr(X, "shape") else len(X), "sample_weight")


def _units(model: Any, clusters: Any, n_rows: int, weight: Array | None) -> Units:
    """What is drawn, for a table or a model."""
    sample = model.sample if isinstance(model, Result) else None
    if sample is not None:
        weight = sample.weight
    own = np.ones(n_rows) if weight is None else weight
    if clusters is None and sample is not None:
        if model.about.covariance.startswith("cluster") and sample.clusters is None:
            raise ArgumentError("clusters: the errors of this table are clustered two ways; give the one to be drawn")
        clusters = sample.clusters
    if clusters is None:
        is_counted = sample is not None and sample.weights_are == "frequencies"
        return Units(np.arange(n_rows), n_rows, own if is_counted else None, own, "rows")
    values = np.asarray(clusters)
    if values.shape != (n_rows,):
        raise DataError(f"clusters has shape {values.shape}: give one value for each of {n_rows:,} rows")
    codes = np.unique(values, return_inverse=True)[1].ravel()
    n = int(codes.max()) + 1
    if n < 2:
        raise DataError("clusters: there is one cluster only; resamples need several")
    return Units(codes, n, None, own, "clusters")


def _of(model: Any) -> str:
    if isinstance(model, Result):
        return f"{model.about.title.lower()} of {model.about.response} ({model.about.method})"
    penalty = f", C={model.C:g}" if isinstance(getattr(model, "C", None), int | float) else ""
    return f"{type(model).__name__}{penalty}"
