"""`StabilitySelection`: columns that a penalty keeps in most half samples of the rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError, DataError
from polytome.models.features import FeatureScale
from polytome.models.fitting import objective_of
from polytome.models.higher import higher
from polytome.models.labels import Labels, class_weights
from polytome.models.logistic import LogisticRegression
from polytome.models.path import PathProgress, data_in_memory, fits_along, largest_strength, problem_of
from polytome.models.peer_settings import threads_of
from polytome.models.settings import check_whole_number, real_number
from polytome.rows.blocks import submitted
from polytome.solvers import Progress, Stop
from polytome.threads import available_threads, watch

Array = NDArray[Any]

__all__ = ["StabilitySelection"]

_FIRST_STRENGTH, _LAST_STRENGTH = 2.0, 0.002
"""Of the largest useful strength of all rows: where the paths of half samples begin and end."""


class StabilitySelection(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Choose the columns that a penalty with absolute values keeps in most half samples.

    The rows are divided at random into two halves, each class by itself, `n_pairs` times. On each
    half a path of certified fits goes from the strongest penalty down until more than `n_first_`
    columns have come in; those before are the choice of that half. A column is selected if it is
    chosen by the share `threshold` of the halves. Rows are left out by a weight of 0: X is not
    copied.

    `n_first_` is as large as `max_false` allows: with p columns of which q are chosen on each half,
    the expected number of selected columns that a half chooses with a probability of at most q / p
    (no more often than by drawing q of p) is at most `q^2 / (p (2 threshold - 1))`. Nothing else is
    assumed, given the labels, than rows that are independent and alike. Such a column need not be
    without any effect, and one with an effect need not be found: the bound is about what is found
    by accident.

    Args:
        l1_ratio: the share of absolute values in the penalty, above 0.
        n_pairs: pairs of half samples.
        threshold: the share of half samples that must choose a column, above 0.5, at most 1.
        max_false: the bound on the expected number of columns selected by accident.
        n_strengths: strengths of each path, at most.
        fit_intercept: as in `LogisticRegression`, like all that follow.
        class_weight: None, "balanced", or a dict from class to weight.
        scale: what each column is divided by before its coefficient is penalised.
        tol: each fit is proved to be within `tol` times the null model's objective of its minimum.
        max_iter: most iterations of each fit.
        n_jobs: threads, which share the half samples; they change no bit of the result.
        random_state: seed of the halves.
        verbose: 1 prints a line for each half sample.
        callback: called with a `PathProgress` after each half sample; a true return value stops, as
            Ctrl-C does: the finished pairs are kept.

    Attributes:
        frequencies_: the share of half samples that chose each column, shape (d,).
        frequencies_along_: the share in which it had come in at each strength, (n_strengths, d).
        strengths_: the strengths of the paths, falling, (n_strengths,).
        n_first_: how many columns a half sample chooses at most.
        bound_: on the expected number of columns selected by accident.
        n_pairs_done_: pairs that the result rests on: all, unless it was stopped.
        classes_: the labels, sorted.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 20))
        >>> y = X[:, 3] - X[:, 7] + rng.normal(size=200) > 0
        >>> chosen = StabilitySelection(n_pairs=5).fit(X, y)
        >>> chosen.get_support(indices=True), chosen.n_first_, chosen.bound_ <= 1
        (array([3, 7]), 3, True)

    References: Meinshausen and Buehlmann, Stability selection, Journal of the Royal Statistical
    Society B 72, 2010; Shah and Samworth, Variable selection with error control: another look at
    stability selection, the same 75, 2013 (complementary pairs, theorem 1).
    """

    def __init__(
        self,
        l1_ratio: float = 1.0,
        *,
        n_pairs: int = 50,
        threshold: float = 0.75,
        max_false: float = 1.0,
        n_strengths: int = 50,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        scale: FeatureScale = None,
        tol: float = 1e-4,
        max_iter: int = 10_000,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
        callback: Callable[[PathProgress], object] | None = None,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.n_pairs = n_pairs
        self.threshold = threshold
        self.max_false = max_false
        self.n_strengths = n_strengths
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.scale = scale
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose columns on all half samples.

        Args:
            X: shape (n, d), as in `LogisticRegression`; in memory.
            y: one label per row.
            sample_weight: one weight per row; rows of weight 0 are in no half.

        Returns:
            The fitted selection.

        Raises:
            ArgumentError: a setting cannot be used.
            DataError: X, y or sample_weight cannot be used, or a class has fewer than two rows.
            KeyboardInterrupt: it was stopped before one pair was finished.
        """
        model = self._checked_model()
        X, labels, weight = data_in_memory(self, X, y, sample_weight)
        if labels.is_soft:
            raise DataError("y has a probability for each class: half samples need one label per row")
        model.n_features_in_ = self.n_features_in_
        n_first = self._n_first(self.n_features_in_)
        halves = _halves(labels, weight, int(self.n_pairs), check_random_state(self.random_state))
        whole = class_weights(model.class_weight, labels, weight)
        largest, _ = largest_strength(objective_of(model, X, problem_of(model, X, labels, whole)), float(self.l1_ratio))
        strengths = largest * np.geomspace(_FIRST_STRENGTH, _LAST_STRENGTH, int(self.n_strengths))
        sampling = _Sampling(model, X, labels, weight, halves, strengths, n_first)
        found, interrupted = sampling.run(threads_of(self.n_jobs) or available_threads(), self._report)
        done = [pair for pair in range(len(halves) // 2) if 2 * pair in found and 2 * pair + 1 in found]
        if not done:
            raise KeyboardInterrupt("stopped before one pair of half samples was finished")
        self._keep([found[2 * pair + half] for pair in done for half in (0, 1)], sampling)
        if interrupted and len(done) < self.n_pairs:
            warnings.warn(
                f"stopped when {len(done)} of {self.n_pairs} pairs of half samples were finished: the frequencies rest "
                "on these",
                UserWarning,
                stacklevel=2,
            )
        return self

    def plot(self, *, ax: Any = None) -> Any:
        """Draw in which share of half samples each column has come in, against the strength.

        Args:
            ax: axes; None for a new figure.

        Returns:
            A `StabilityDisplay`.

        Raises:
            MissingExtraError: Matplotlib is not installed.
        """
        return higher("draw_stability")(self, ax=ax)

    def _get_support_mask(self) -> Array:
        """Which columns are selected: scikit-learn's `get_support` and `transform` ask for it."""
        check_is_fitted(self, "frequencies_")
        return np.asarray(self.frequencies_ >= self.threshold - 1e-9)  # a share that is equal has been rounded

    def _checked_model(self) -> LogisticRegression:
        """The model of each fit, its settings checked."""
        if isinstance(self.l1_ratio, bool) or not 0 < real_number(self.l1_ratio) <= 1:
            raise ArgumentError(
                f"l1_ratio={self.l1_ratio!r}: needs a number above 0, at most 1: squares leave nothing out"
            )
        for name, smallest in (("n_pairs", 1), ("n_strengths", 2)):
            check_whole_number(name, getattr(self, name), smallest)
        if isinstance(self.threshold, bool) or not 0.5 < real_number(self.threshold) <= 1:
            raise ArgumentError(f"threshold={self.threshold!r}: needs a number above 0.5, at most 1")
        if isinstance(self.max_false, bool) or not 0 < real_number(self.max_false) < np.inf:
            raise ArgumentError(f"max_false={self.max_false!r}: needs a positive number")
        callback: Any = self.callback
        if callback is not None and not callable(callback):
            raise ArgumentError(f"callback={callback!r}: needs None or a function, called with a PathProgress")
        model = LogisticRegression(
            l1_ratio=float(self.l1_ratio),
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
            scale=self.scale,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        model._check_settings()
        return model

    def _n_first(self, n_columns: int) -> int:
        """How many columns a half sample may choose, so that the bound is at most `max_false`."""
        room = 2 * float(self.threshold) - 1
        n_first = int(np.sqrt(float(self.max_false) * n_columns * room) * (1 + 1e-12))
        if n_first < 1:
            raise ArgumentError(
                f"max_false={self.max_false!r}: of {n_columns} columns no half sample could then choose any; needs at "
                f"least {1 / (n_columns * room):.3g} with threshold={self.threshold!r}"
            )
        return min(n_first, n_columns)

    def _report(self, progress: PathProgress) -> object:
        if self.verbose:
            print(str(progress).replace("fits", "half samples"))
        return self.callback is not None and self.callback(progress)

    def _keep(self, parts: list[_OfHalf], sampling: _Sampling) -> None:
        """Sets the attributes of the fitted selection."""
        entered = np.array([part.entered for part in parts])
        self.strengths_, self.classes_ = sampling.strengths, sampling.labels.classes
        places = np.arange(len(sampling.strengths))
        self.frequencies_along_ = np.array([(entered <= place).mean(axis=0) for place in places])
        self.frequencies_, self.n_first_ = self.frequencies_along_[-1], sampling.n_first
        self.bound_ = sampling.n_first**2 / (self.n_features_in_ * (2 * float(self.threshold) - 1))
        self.n_pairs_done_ = len(parts) // 2
        if failed := sum(part.failed for part in parts):
            warnings.warn(
                f"{failed} fits to half samples did not reach their certificates; raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )


class _OfHalf(NamedTuple):
    """For each column the place of the strength at which it came in, or the number of strengths;
    and how many fits were not certified."""

    entered: Array
    failed: int


@dataclass(frozen=True)
class _Sampling:
    """What is to be fitted to which halves."""

    model: LogisticRegression
    X: Any
    labels: Labels
    weight: Array
    halves: list[Array]
    strengths: Array
    n_first: int

    def run(self, n_threads: int, report: Callable[[PathProgress], object]) -> tuple[dict[int, _OfHalf], bool]:
        """What each half chose, in parallel threads, and whether it was stopped."""
        events, stop = SimpleQueue[object](), Event()
        total, workers = len(self.halves), max(1, min(n_threads, len(self.halves)))
        began, done = time.perf_counter(), 0

        def choose(half: int) -> _OfHalf | None:
            chosen = self._half(half, n_threads // workers, stop)
            events.put(None)
            return chosen

        def tell() -> bool:
            nonlocal done
            done += 1
            return not stop.is_set() and bool(report(PathProgress(done, total, time.perf_counter() - began)))

        with ThreadPoolExecutor(workers) as pool:
            pending = [submitted(pool, choose, half) for half in range(total)]
            watch(pending, events, stop, tell)
        results = [future.result() for future in pending]
        return {half: result for half, result in enumerate(results) if result is not None}, stop.is_set()

    def _half(self, half: int, n_threads: int, stop: Event) -> _OfHalf | None:
        """The first columns to come in on one half; None where it was stopped."""
        if stop.is_set():
            return None
        model = copy(self.model)
        model.n_jobs = n_threads
        weight = np.zeros(len(self.weight))
        weight[self.halves[half]] = self.weight[self.halves[half]]
        weight = class_weights(model.class_weight, self.labels, weight)
        objective = objective_of(model, self.X, problem_of(model, self.X, self.labels, weight))
        entered = np.full(self.X.shape[1], len(self.strengths))
        failed = 0

        def stopped(_: Progress) -> bool:
            return stop.is_set()

        Cs = 1 / (self.strengths * objective.total_weight)
        for place, step in enumerate(fits_along(model, objective, Cs, None, stopped)):
            if step.solution.stop is Stop.INTERRUPTED:
                return None
            failed += not step.solution.certificate.holds
            present = np.abs(step.solution.coefficients[:-1]).max(axis=1) > 0
            new = present & (entered == len(self.strengths))
            if np.count_nonzero(entered < len(self.strengths)) + np.count_nonzero(new) > self.n_first:
                break
            entered[new] = place
        return _OfHalf(entered, failed)


def _halves(labels: Labels, weight: Array, n_pairs: int, random: np.random.RandomState) -> list[Array]:
    """Rows of half samples, two after one another that have none in common; each has half of every
    class."""
    rows_of_class = [np.flatnonzero((labels.target == k) & (weight > 0)) for k in range(len(labels.classes))]
    for label, rows in zip(labels.classes, rows_of_class, strict=True):
        if len(rows) < 2:
            raise DataError(f"y: class {label!r} has {len(rows)} row(s): two halves need at least two of each class")
    halves = []
    for _ in range(n_pairs):
        shuffled = [random.permutation(rows) for rows in rows_of_class]
        for part in (0, 1):
            parts = [rows[part * (len(rows) // 2) : (part + 1) * (len(rows) // 2)] for rows in shuffled]
            halves.append(np.sort(np.concatenate(parts)))
    return halves
