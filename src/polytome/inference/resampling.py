"""Resamples as whole weights of rows, and how a model is fitted again under them.

A resample draws as many rows as there are, or clusters, with replacement: each row's weight is how
often it was drawn, so that the columns are never copied. Resample number b depends on the seed and
on b alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import has_fit_parameter

from polytome.errors import ArgumentError, DataError
from polytome.inference.ascent import ascend
from polytome.inference.estimate import Estimate
from polytome.inference.firth import JeffreysLikelihood
from polytome.inference.firth_result import FirthResult
from polytome.inference.likelihood import Likelihood
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.median_bias import median_bias_reduced
from polytome.inference.median_result import MedianResult
from polytome.inference.ordered_result import OrderedResult
from polytome.inference.result import Result
from polytome.models.fitted import certificate_of, feature_names_in
from polytome.models.predictions import dense_coefficients
from polytome.solvers import Stop
from polytome.threads import one_blas_thread

Array = NDArray[Any]
Statistic = Callable[[Any], Any]

__all__ = ["Refitted", "Refitter", "Units", "every_fit", "refitter_of"]

_TOL = 1e-9
"""Of models that are fitted again: far below what resamples differ by."""
_MOVES = 1e-3
"""How far coefficients of standardised columns move in the last step of a fit that has no end."""
_FULL_RANK = 1e-9
"""The smallest eigenvalue of the scaled information of columns none of which is a sum of others."""
_AHEAD = 4

SEPARATED = "its classes are separated, so that estimates are infinite"
LOST_CLASS = "a class has no row in it"
COLLINEAR = "a column is a sum of others in it"
UNFINISHED = "its fit has not converged"


@dataclass(frozen=True)
class Refitted:
    """A fit to a resample.

    Attributes:
        values: of the statistic; None where there are none.
        lost: why there are none.
        is_certified: whether the fit is proved, or has converged.
    """

    values: Array | None
    lost: str = ""
    is_certified: bool = True


class Refitter(Protocol):
    """Fits again under other weights of rows, in any thread."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the statistic's numbers."""
        ...

    @property
    def values(self) -> Array:
        """The statistic of all rows."""
        ...

    def __call__(self, weight: Array) -> Refitted:
        """The statistic under weights."""
        ...


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn: rows, or clusters.

    Attributes:
        codes: the place of each row's unit, (n_rows,).
        n: how many units there are.
        counts: how many equal ones each stands for; None for one.
        weight: of each row, beside how often it is drawn.
        what: "rows" or "clusters".
    """

    codes: Array
    n: int
    counts: Array | None
    weight: Array
    what: str

    def drawn(self, seed: int, number: int) -> Array:
        """The weights of a resample."""
        random = np.random.default_rng([seed, number])
        if self.counts is None:
            return np.asarray(
                np.bincount(random.integers(0, self.n, self.n), minlength=self.n)[self.codes] * self.weight
            )
        return random.multinomial(int(self.counts.sum()), self.counts / self.counts.sum()).astype(np.float64)

    def left_out(self, most: int, seed: int) -> list[tuple[Array, int]]:
        """Weights that leave out a unit each, or a random group of units where these are many; and
        how many such there are."""
        if self.counts is not None:
            found = []
            for row in np.flatnonzero(self.counts):
                weight = self.counts.astype(np.float64)
                weight[row] -= 1
                found.append((weight, int(self.counts[row])))
            return found
        order = np.arange(self.n) if self.n <= most else np.random.default_rng([seed, 2**31]).permutation(self.n)
        groups = np.array_split(order, min(self.n, most))
        place = np.empty(self.n, dtype=np.intp)
        for number, group in enumerate(groups):
            place[group] = number
        own = place[self.codes]
        return [(np.where(own == number, 0.0, self.weight), 1) for number in range(len(groups))]


def every_fit(
    fit: Refitter, weights: Callable[[int], Array], n: int, n_threads: int, report: Callable[[int], object]
) -> tuple[list[Refitted], bool]:
    """The fits to n resamples in their order, and whether Ctrl-C ended them: then those before the
    first that was not finished.

    Args:
        fit: what is done to each.
        weights: of the resample of a number.
        n: how many.
        n_threads: that fit at the same time.
        report: is told how many are finished.
    """
    found: list[Refitted] = []
    stop, interrupted = Event(), False

    def of(number: int) -> Refitted | None:
        return None if stop.is_set() else fit(weights(number))

    with _quiet(), one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        pending: list[Future[Refitted | None]] = []
        number = 0
        try:
            while len(found) < n:
                while number < n and len(pending) < _AHEAD * n_threads:
                    pending.append(pool.submit(of, number))
                    number += 1
                one = pending[0].result()
                pending.pop(0)
                if one is not None:
                    found.append(one)
                report(len(found))
        except KeyboardInterrupt:
            interrupted = True
        except BaseException:
            stop.set()
            raise
        stop.set()
    for future in pending:
        one = future.result()
        if one is None:
            break
        found.append(one)
    return found, interrupted


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of single fits, which are counted instead; filters are of the process,
    so that they are set once for all threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def refitter_of(
    model: Any, X: Any, y: Any, sample_weight: Array | None, statistic: Statistic | None
) -> tuple[Refitter, int]:
    """How a table or a model is fitted again, and its number of rows.

    Raises:
        ArgumentError: it cannot be, or rows are given that it has, or not given that it needs.
    """
    if isinstance(model, Result):
        if X is not None or y is not None or sample_weight is not None:
            raise ArgumentError("X, y and sample_weight are for a model; a table has its rows: bootstrap(result)")
        return _OfResult.of(model, statistic), len(model.sample.weight if model.sample is not None else ())
    if X is None or y is None:
        raise ArgumentError(f"X, y: give the rows that {type(model).__name__} was fitted to")
    found = _OfModel.of(model, X, y, sample_weight, statistic)
    return found, len(found.weight)


def _numbers(values: Any) -> Array:
    """A statistic's numbers as a vector."""
    try:
        found = np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel()
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"statistic gave {values!r:.60}: it must give a number, or an array of numbers") from error
    return found


@dataclass(frozen=True, eq=False)
class _OfResult:
    """A table of `polytome.inference`."""

    result: Any
    statistic: Statistic | None
    names: tuple[str, ...]
    values: Array

    @classmethod
    def of(cls, result: Result, statistic: Statistic | None) -> _OfResult:
        if not isinstance(result, LogisticResult | OrderedResult):
            raise ArgumentError(
                f"result is {type(result).__name__}, whose rows are not kept: it cannot be fitted again"
            )
        endless = list(_endless(result.estimate))
        if endless:
            raise ArgumentError(
                f"result has no finite estimate of {endless[0]!r}: resamples would have none either; use "
                "method='firth', or profile intervals"
            )
        own = result.coefficients
        if statistic is None:
            several = len(result.estimate.equations) > 1
            labels = [f"[{equation}]{term}" if several else term for equation, term in result.labels]
            return cls(
                result, None, tuple(labels[k] for k in result.estimate.estimated), own.ravel()[~np.isnan(own.ravel())]
            )
        values = _numbers(statistic(np.nan_to_num(own)))
        return cls(result, statistic, _numbered(len(values)), values)

    def __call__(self, weight: Array) -> Refitted:
        result = self.result
        likelihood = result.likelihood
        totals = np.bincount(result.sample.codes, weight, len(result.sample.classes))
        if not (totals > 0).all():
            return Refitted(None, LOST_CLASS)
        own = replace(likelihood, rows=replace(likelihood.rows, weight=weight, n_threads=1))
        information = own.derived(result.best.at).information
        size = np.sqrt(np.maximum(np.diag(information), 0.0))
        if not (size > 0).all() or np.linalg.eigvalsh(information / np.outer(size, size))[0] < _FULL_RANK:
            return Refitted(None, COLLINEAR)
        if isinstance(result, MedianResult):
            found: Any = median_bias_reduced(own, result.best.at)
            at, step, has_converged = found.at, found.last_step, found.has_converged
        elif isinstance(result, LogisticResult) and not isinstance(result, FirthResult):
            best = own.maximum(result.best.at)
            at, step, has_converged = best.at, best.last_step, True
        else:
            derive: Any = JeffreysLikelihood(own).derived if isinstance(own, Likelihood) else own.derived
            found = ascend(derive, result.best.at)
            at, step, has_converged = found.at, found.last_step, found.has_converged
        if np.abs(step).max(initial=0.0) > _MOVES:
            return Refitted(None, UNFINISHED if isinstance(result, FirthResult | MedianResult) else SEPARATED)
        if not has_converged:
            return Refitted(None, UNFINISHED)
        values = own.to_given @ at
        if self.statistic is None:
            return Refitted(values)
        coefficients = np.zeros(result.coefficients.size)
        coefficients[result.estimate.estimated] = values
        return Refitted(_numbers(self.statistic(coefficients.reshape(result.coefficients.shape))))


def _endless(estimate: Estimate) -> list[str]:
    return [
        term for (_, term), value in zip(estimate.labels, estimate.coefficients.ravel(), strict=True) if np.isinf(value)
    ]


@dataclass(frozen=True, eq=False)
class _OfModel:
    """A fitted classifier."""

    model: Any
    X: Any
    y: Any
    codes: Array | None
    weight: Array
    statistic: Statistic | None
    names: tuple[str, ...]
    values: Array

    @classmethod
    def of(cls, model: Any, X: Any, y: Any, sample_weight: Array | None, statistic: Statistic | None) -> _OfModel:
        if not hasattr(model, "fit") or not has_fit_parameter(model, "sample_weight"):
            raise ArgumentError(
                f"model is {type(model).__name__}: a resample is whole weights of rows, so that its fit must take "
                "sample_weight"
            )
        if vars(model).get("needs_offset_", False):
            raise ArgumentError("model was fitted with an offset: use bootstrap of fit_formula with offset()")
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        labels = np.asarray(y)
        if labels.shape[:1] != (n,):
            raise DataError(f"y has {len(labels):,} labels for {n:,} rows of X: give one for each")
        weight = np.ones(n) if sample_weight is None else sample_weight
        has_classes = labels.ndim == 1 and is_classifier(model)
        codes = np.unique(labels, return_inverse=True)[1].ravel() if has_classes else None
        base = _again(model, None)
        with _quiet():
            base.fit(X, y, sample_weight=weight)
        if vars(base).get("separation_") is not None or vars(base).get("stop_") is Stop.SEPARATED:
            raise ArgumentError(
                "model has infinite estimates, as its classes are separated, and most resamples would have too: fit "
                "with a penalty (a finite C), or use fit_formula(..., method='firth')"
            )
        values = _numbers((statistic or _coefficients)(base))
        names = _names(base) if statistic is None else _numbered(len(values))
        return cls(base, X, y, codes, weight, statistic, names, values)

    def __call__(self, weight: Array) -> Refitted:
        if self.codes is not None and not (np.bincount(self.codes, weight) > 0).all():
            return Refitted(None, LOST_CLASS)
        twin = _again(self.model, self.model)
        twin.fit(self.X, self.y, sample_weight=weight)
        if vars(twin).get("separation_") is not None or vars(twin).get("stop_") is Stop.SEPARATED:
            return Refitted(None, SEPARATED)
        values = _numbers((self.statistic or _coefficients)(twin))
        if not np.isfinite(values).all():
            return Refitted(None, "its statistic is not finite")
        certificate = certificate_of(twin)
        return Refitted(values, is_certified=certificate is None or bool(certificate.holds))


def _again(model: Any, start: Any) -> Any:
    """A model of the same settings that can be fitted, from where a fit has ended."""
    settings = model.get_params()
    if start is not None and "warm_start" in settings:
        twin = copy(start)
        twin.warm_start = True
        return twin
    twin = clone(model)
    if "tol" in settings and settings["tol"] is not None:
        twin.tol = min(float(settings["tol"]), _TOL)
    if "n_jobs" in settings:
        twin.n_jobs = 1
    return twin


def _coefficients(model: Any) -> Array:
    """All coefficients, those of an output and its intercept one after the other."""
    if not hasattr(model, "coef_"):
        raise ArgumentError(f"model is {type(model).__name__}, which has no coef_: give statistic=")
    coef = np.atleast_2d(dense_coefficients(model))
    intercept = np.broadcast_to(np.ravel(model.intercept_), (len(coef),))
    return np.column_stack([intercept, coef]).ravel()


def _names(model: Any) -> tuple[str, ...]:
    coef = np.atleast_2d(dense_coefficients(model))
    known = feature_names_in(model)
    features = [f"feature_{j}" for j in range(coef.shape[1])] if known is None else [str(name) for name in known]
    terms = ["Intercept", *features]
    if len(coef) == 1:
        return tuple(terms)
    return tuple(f"[{output}]{term}" for output in _outputs(model, len(coef)) for term in terms)


def _outputs(model: Any, n: int) -> Sequence[Any]:
    """What each row of coefficients counts for."""
    kind, classes = getattr(model, "outputs", "classes"), getattr(model, "classes_", None)
    if kind == "pairs":
        return [f"{second} against {first}" for first, second in model.classes_[model.pairs_].tolist()]
    if kind == "labels":
        return list(model.labels_.tolist())
    return classes.tolist() if kind == "classes" and classes is not None and len(classes) == n else range(n)


def _numbered(n: int) -> tuple[str, ...]:
    return ("statistic",) if n == 1 else tuple(f"statistic[{j}]" for j in range(n))
