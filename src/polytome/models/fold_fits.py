"""The fits of a cross-validation: of each fold under each kind of penalty, judged by its held-out
rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import numerics
from polytome.errors import ArgumentError
from polytome.models.bounds import bounds_of, within_bounds
from polytome.models.fitting import objective_of
from polytome.models.folds import Fold
from polytome.models.labels import Labels, class_weights
from polytome.models.logistic import LogisticRegression
from polytome.models.path import (
    PathProgress,
    fits_along,
    problem_of,
)
from polytome.models.settings import real_number
from polytome.objective.objective import all_scores
from polytome.rows import as_rows
from polytome.rows.blocks import submitted
from polytome.solvers import Progress, Stop
from polytome.solvers.path import Guide
from polytome.threads import watch

Array = NDArray[Any]

__all__ = ["OfFold", "Search", "at_ratio"]


class OfFold(NamedTuple):
    """What the fits of one fold under one kind of penalty gave, for each strength."""

    scores: Array
    coefficients: Array
    iterations: Array
    failed: int
    guide: Guide | None = None


def at_ratio(model: LogisticRegression, ratio: float) -> LogisticRegression:
    """The model under this share of absolute values or norms; squares alone have no groups."""
    model = copy(model)
    model.l1_ratio = float(ratio)
    if not ratio:
        model.groups, model.group_ratio = None, 1.0
    return model


@dataclass(frozen=True)
class Search:
    """What is to be fitted and judged."""

    model: LogisticRegression
    X: Any
    labels: Labels
    weight: Array
    is_weighted: bool
    folds: list[Fold]
    Cs: Array
    ratios: Array
    scorer: Any
    encode: Callable[[Array], Any] | None = None

    def X_of(self, fold: int) -> Any:
        """X as the training rows of a fold have it."""
        return self.X if self.encode is None else self.encode(self.folds[fold][0])

    def run(
        self,
        n_threads: int,
        known: dict[tuple[int, int], OfFold],
        report: Callable[[PathProgress], object],
    ) -> tuple[dict[tuple[int, int], OfFold], bool]:
        """What each fold under each ratio gave, in parallel threads, and whether it was stopped."""
        tasks = [(fold, place) for fold in range(len(self.folds)) for place in range(len(self.ratios))]
        tasks = [task for task in tasks if task not in known]
        found, events, stop = dict(known), SimpleQueue[object](), Event()
        total, began, done = len(tasks) * len(self.Cs), time.perf_counter(), 0

        def tell() -> bool:
            nonlocal done
            done += 1
            return bool(report(PathProgress(done, total, time.perf_counter() - began)))

        # Under squares alone the first fold is a guide to the others.
        first = [(fold, place) for fold, place in tasks if fold == 0 or self.ratios[place] > 0]
        for some in (first, [task for task in tasks if task not in first]):
            workers = max(1, min(n_threads, len(some)))

            def fit(task: tuple[int, int], share: int = n_threads // workers) -> OfFold | None:
                return self._fold(*task, n_threads=share, stop=stop, tell=events.put, pilot=found.get((0, task[1])))

            with ThreadPoolExecutor(workers) as pool:
                pending = {submitted(pool, fit, task): task for task in some}
                watch(pending, events, stop, tell)
            for future, task in pending.items():
                if (part := future.result()) is not None:
                    found[task] = part
        return found, stop.is_set()

    def _fold(
        self,
        fold: int,
        place: int,
        *,
        n_threads: int,
        stop: Event,
        tell: Callable[[object], None],
        pilot: OfFold | None,
    ) -> OfFold | None:
        """The fits to the training rows of one fold, judged by its held-out rows; None where it was
        stopped."""
        if stop.is_set():
            return None
        (train, held_out), X = self.folds[fold], self.X_of(fold)
        model = at_ratio(self.model, self.ratios[place])
        model.n_jobs = n_threads
        weight = self.weight * np.bincount(train, minlength=len(self.weight))
        weight = class_weights(model.class_weight, self.labels, weight)
        problem = problem_of(model, X, self.labels, weight)
        objective = objective_of(model, X, problem)
        judge, bounds = _Judge(self, model, X[held_out], held_out), bounds_of(model, X.shape[1])
        scores, coefficients, iterations, failed = [], [], [], 0

        def stopped(_: Progress) -> bool:
            return stop.is_set()

        trace = Guide() if fold == 0 else None
        guide = None if pilot is None else pilot.guide
        for step in fits_along(model, objective, self.Cs, None, stopped, guide, trace):
            solution = step.solution
            if solution.stop is Stop.INTERRUPTED:
                return None
            coef, intercept = problem.outputs.spread(*solution.as_given(step.objective))
            coef = within_bounds(bounds, coef)
            scores.append(judge.score(coef, intercept))
            coefficients.append(np.hstack([coef, intercept[:, None]]))
            iterations.append(max(len(solution.history) - 1, 1))  # scikit-learn's checks want one at least
            failed += not solution.certificate.holds
            tell(None)
        return OfFold(np.array(scores), np.array(coefficients), np.array(iterations), failed, trace)

    def held_out_probabilities(self, coefficients: Array, done: list[int]) -> Array:
        """The probabilities of rows by the fits that they were held out of."""
        total = np.zeros((len(self.weight), len(self.labels.classes)))
        count = np.zeros(len(total))
        for fold in done:
            _, held_out = self.folds[fold]
            own = coefficients[fold]
            logarithms = _log_probabilities(_scores(self.X_of(fold)[held_out], own[:, :-1], own[:, -1]))
            np.add.at(total, held_out, np.exp(logarithms))
            np.add.at(count, held_out, 1.0)
        with np.errstate(invalid="ignore"):
            found: Array = total / np.where(count > 0, count, np.nan)[:, None]
        return found

    def digest(self) -> str:
        """What tells these data, folds and settings from others."""
        digest = hashlib.blake2b()
        X: Any = self.X
        parts = [X.data, X.indices, X.indptr] if sparse.issparse(self.X) else [X]
        folds = [part for fold in self.folds for part in fold]
        for part in (*parts, self.labels.target, self.weight, self.Cs, self.ratios, *folds):
            array = np.ascontiguousarray(part)
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(array.tobytes() if array.dtype.kind == "O" else array.data)
        settings = {name: value for name, value in self.model.get_params(deep=False).items() if name != "l1_ratio"}
        digest.update(repr((self.labels.classes.tolist(), sorted(settings.items()), self.scorer)).encode())
        return digest.hexdigest()


class _Judge:
    """The held-out rows of a fold, by which its fits are judged."""

    def __init__(self, search: Search, model: LogisticRegression, X: Any, held_out: Array) -> None:
        self.X, self.codes = X, search.labels.target[held_out]
        self.weight, self.scorer = search.weight[held_out], search.scorer
        self.classes, self.model = search.labels.classes, model
        self.parameters = {"sample_weight": self.weight} if search.is_weighted and _takes_weights(self.scorer) else {}

    def score(self, coef: Array, intercept: Array) -> float:
        """How good coefficients are for these rows; larger is better."""
        if self.scorer is None:
            logarithms = _log_probabilities(_scores(self.X, coef, intercept))
            own = logarithms[np.arange(len(self.codes)), self.codes]
            return float(self.weight @ own / self.weight.sum())
        model = copy(self.model)
        model.coef_, model.intercept_, model.classes_ = coef, intercept, self.classes
        model.__dict__.pop("feature_names_in_", None)
        try:
            score = self.scorer(model, self.X, self.classes[self.codes], **self.parameters)
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f"scoring: the scorer fails on the held-out rows of a fold: {error}; choose one that suits "
                f"{len(self.classes)} classes, or None for the log loss"
            ) from error
        if not np.isfinite(found := real_number(score)):
            raise ArgumentError(f"scoring: the scorer gave {score!r} for the held-out rows of a fold: needs a number")
        return found


def _scores(X: Any, coef: Array, intercept: Array) -> Array:
    """The scores of rows, (n, n_outputs)."""
    return all_scores(as_rows(X, np.zeros(X.shape[0]), n_threads=1), np.vstack([coef.T, intercept]))


def _log_probabilities(scores: Array) -> Array:
    """Those of all classes, (n, K)."""
    if scores.shape[1] == 1:
        found: Array = numerics.log_sigmoid(np.hstack([-scores, scores]))
        return found
    return np.asarray(numerics.log_softmax(scores, axis=1))


def _takes_weights(scorer: Any) -> bool:
    """Whether it is one of scikit-learn's, which take weights of rows."""
    return hasattr(scorer, "_score_func")
