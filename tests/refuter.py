"""Adversarial fits, and the exact truth about each: certificates that claim too much do not get
through.

`python -m tests.refuter --seed 0 --count 2000 --kind outliers` prints how many certificates of such
fits are false, and `--show` the cases. It also tells in how many of the fits at default settings
the certificate holds, and how many of these have a solution in float64 at all: see
`float64_solution_exists`. A case is its kind and its number: `examine(make_case("outliers", 17))`
does one again.
"""

from __future__ import annotations

import argparse
import signal
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import localcontext
from typing import Any
from unittest import mock

import numpy as np
from flint import arb, arb_mat, ctx
from scipy import sparse

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, PolytomeError, Stop
from polytome.certificates.decimal_optimum import decimal_optimum
from polytome.certificates.decimal_problem import DecimalProblem, context
from polytome.certificates.decimal_problem import exact as as_decimals
from polytome.evaluation.settled import mean_variation_bound, settled_rows
from polytome.export import from_torch
from polytome.files.training_record import record_training
from polytome.verification.ball_curvature import excess_by_curvature
from polytome.verification.ball_newton import _derivatives, newton, zero_start
from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import exact, precision
from polytome.verification.polish import polished_with_corners

KINDS = (
    *("mild", "scales", "outliers", "offsets", "weights", "class_weights", "collinear", "strengths", "mixed"),
    *("unpenalised", "penalty_weights", "corners", "groups"),
    "score_offsets",  # and smoothed labels; "offsets" are columns far from zero
    "bounds",
    "sparse groups",
    "bounds of models",  # one binary model for each class, pair or label
    "groups of models",  # which all of them share, with absolute values beside norms or without
)
WITH_REST = ("corners", "groups", "bounds", "sparse groups", "bounds of models", "groups of models")
"""Kinds under absolute values, or norms of groups, or both, or within bounds, with any of the
difficulties of the others."""
MODELS = ("binary", "softmax", "soft", "soft binary", "rest", "pairs", "labels", "imported")
STORAGES = ("float64", "float64", "float32", "integer", "fortran", "csr", "csc")
SLOWEST = 5.0  # seconds of the processor; a fit that takes longer is ended
SLACK = 1e-9  # of the objective: how far the number that a certificate states may be off beyond its gap


@dataclass
class Case:
    """A problem with its settings, and what the fit is to be."""

    kind: str
    number: int
    model: str
    X: Any
    y: Any
    weight: Any
    settings: dict[str, Any]
    warm: bool
    offset: Any = None

    def __str__(self) -> str:
        """The case in one line."""
        form = type(self.X).__name__ if sparse.issparse(self.X) else f"{self.X.dtype}"
        warm = ", warm start" if self.warm else ""
        of_columns = ("scale", "penalty_weights")
        settings = {name: np.asarray(v).tolist() if name in of_columns else v for name, v in self.settings.items()}
        return f"{self.kind} {self.number}: {self.model}, {form}{self.X.shape}{warm}, {settings}"


def make_case(kind: str, number: int) -> Case:
    """The case of this kind and number: always the same."""
    rng = np.random.default_rng([KINDS.index(kind), number])
    n, d = int(rng.integers(2, 41)), int(rng.integers(1, 7))
    n_classes = int(rng.integers(3, 5))
    model = str(rng.choice(MODELS[:4] if kind == "score_offsets" else MODELS))
    if model in ("binary", "soft binary") or (model == "imported" and rng.random() < 0.5):
        n_classes = 2
    n = max(n, n_classes)
    difficulties = KINDS[: KINDS.index("penalty_weights")]
    chance = {"mixed": 0.35, "score_offsets": 0.15}.get(kind, 0.0)
    does = {name: kind == name or (chance > 0 and rng.random() < chance) for name in difficulties}
    if kind in WITH_REST:
        model = "softmax" if n_classes > 2 else "binary"
        if rng.random() < 0.2:
            model = "soft" if n_classes > 2 else "soft binary"
        if kind in ("bounds of models", "groups of models"):
            model = str(rng.choice(["rest", "pairs", "labels"]))
        does = {name: rng.random() < 0.2 for name in (*difficulties, "extremes")}
    X = _features(rng, n, d, does)
    X, storage = _stored(rng, X)
    y = _labels(rng, model, n, n_classes, X)
    settings: dict[str, Any] = {
        "C": 1.0 if rng.random() < 0.5 else float(10 ** rng.uniform(-2, 4)),
        "tol": 1e-4 if rng.random() < 0.6 else float(10 ** -rng.uniform(2, 10)),
        "fit_intercept": bool(rng.random() < 0.8),
    }
    if does["strengths"]:
        settings["C"] = float(10 ** rng.uniform(-8, 8))
    if does["unpenalised"] and kind == "unpenalised":
        settings["C"] = np.inf
    if kind in WITH_REST:
        _corners(rng, settings, kind, d)
    if kind not in WITH_REST:
        _solver(rng, settings, model, storage)
    elif rng.random() < 0.3:
        settings["max_iter"] = int(rng.choice([1, 2, 3, 5, 10]))
    chance = rng.random()
    if chance < 0.25 and model != "imported":
        settings["scale"] = "standard"
    elif chance < 0.4 and model != "imported":
        settings["scale"] = 10 ** rng.uniform(-4, 4, d)
    if kind == "penalty_weights" and model != "imported":
        chance = rng.random(d)
        weights = np.where(chance < 0.3, 0.0, np.where(chance < 0.6, 1.0, 10 ** rng.uniform(-8, 8, d)))
        settings["penalty_weights"] = weights
    if kind in WITH_REST and rng.random() < 0.25:
        weights = np.where(rng.random(d) < 0.3, 0.0, 10 ** rng.uniform(-8, 8, d))
        settings["penalty_weights"] = weights[_numbers(settings.get("groups"), d)]
    if kind in ("bounds", "bounds of models"):
        settings["bounds"] = _box(rng, settings, X)
    weight = None if rng.random() < 0.7 else rng.integers(1, 5, n).astype(float)
    if does["weights"]:
        weight = 10 ** rng.uniform(-12, 12, n)
    if does["class_weights"] or rng.random() < 0.05:
        ratios = 10 ** (rng.uniform(0, 12) * rng.random(n_classes))
        if model in ("binary", "softmax"):
            chosen = {k: float(r) for k, r in enumerate(ratios)}
            settings["class_weight"] = "balanced" if rng.random() < 0.1 else chosen
        elif np.ndim(y) == 1:
            weight = ratios[y] * (1.0 if weight is None else weight)
        else:
            weight = ratios[rng.integers(0, n_classes, n)]
    warm = model in ("binary", "softmax", "soft") and rng.random() < 0.15
    has_offset = kind == "score_offsets" or (kind in WITH_REST and rng.random() < 0.15)
    has_offset &= kind not in ("bounds of models", "groups of models")
    offset = _score_offset(rng, settings, n, n_classes) if has_offset else None
    return Case(kind, number, model, X, y, weight, settings, warm, offset)


def _score_offset(rng: np.random.Generator, settings: dict[str, Any], n: int, n_classes: int) -> Any:
    """Offsets of any size, perhaps far from zero or alike in many rows; sometimes with smoothed
    labels."""
    shape = (n,) if n_classes == 2 else (n, n_classes)
    offset = 10 ** rng.uniform(-3, 4) * rng.normal(size=shape)
    if rng.random() < 0.3:
        offset = offset + 10 ** rng.uniform(-2, 8) * rng.choice([-1, 1])
    if rng.random() < 0.2:
        offset = np.rint(offset)
    if rng.random() < 0.2:
        offset[rng.permutation(n)[: n // 2]] = 0.0
    if rng.random() < 0.3:
        settings["label_smoothing"] = float(rng.choice([0.1, 0.5, 10 ** -rng.uniform(1, 12), 1 - 2.0**-20]))
    if settings.get("solver") == "dual":
        settings["solver"] = "newton"
    if rng.random() < 0.15:
        settings["C"] = np.inf
    return offset


def _corners(rng: np.random.Generator, settings: dict[str, Any], kind: str, d: int) -> None:
    """A share of absolute values, or of norms of groups."""
    settings["C"] = float(10 ** rng.uniform(-2, 3))
    settings["l1_ratio"] = 1.0 if rng.random() < 0.5 else float(rng.choice([0.01, 0.5, 0.9, 0.999]))
    if kind in ("groups", "sparse groups", "groups of models"):
        settings["groups"] = "classes" if rng.random() < 0.4 else rng.integers(0, max(1, d // 2), d).tolist()
    if kind == "sparse groups" or (kind == "groups of models" and rng.random() < 0.5):
        settings["group_ratio"] = float(rng.choice([0.5, 0.9, 1e-3, 1 - 1e-9, rng.uniform(0.01, 1)]))


def _box(rng: np.random.Generator, settings: dict[str, Any], X: Any) -> Any:
    """Signs, boxes of all sizes with 0 among them or without, and fixed coefficients, in any form;
    beside absolute values, squares or neither."""
    d = X.shape[1]
    if (chance := rng.random()) < 0.4:
        settings["l1_ratio"] = 0.0
    elif chance < 0.5:
        settings |= {"l1_ratio": 0.0, "C": np.inf}
    largest = np.maximum(np.abs(X.toarray() if sparse.issparse(X) else np.asarray(X, float)).max(axis=0), 1e-300)
    size = np.where(rng.random(d) < 0.7, 1 / largest, 1.0) * 10 ** rng.uniform(-3, 3, d)
    # Beyond, squares of coefficients that may not be 0 are refused as infinite.
    ends = np.clip(np.sort(size[:, None] * rng.normal(size=(d, 2)), axis=1), -1e60, 1e60)
    chance = rng.random(d)
    low = np.where(chance < 0.3, 0.0, np.where(chance < 0.5, -np.inf, ends[:, 0]))
    high = np.where(rng.random(d) < 0.3, np.inf, np.where(chance < 0.3, np.abs(ends[:, 1]), ends[:, 1]))
    high = np.where(rng.random(d) < 0.1, np.where(np.isfinite(low), low, high), high)
    weights = settings.get("penalty_weights")
    left_alone = np.zeros(d, dtype=bool) if weights is None else weights == 0
    is_half = (np.isfinite(low) != np.isfinite(high)) & (left_alone | np.isinf(settings["C"]))
    low, high = np.where(is_half, -np.inf, low), np.where(is_half, np.inf, high)
    if rng.random() < 0.3:
        return {j: (float(low[j]), float(high[j])) for j in range(d)}
    return (low, high) if rng.random() < 0.5 else np.stack([low, high], axis=1)


def _ends(bounds: Any, d: int) -> list[tuple[float, float]] | None:
    """The bounds of each column; None where none is finite."""
    if isinstance(bounds, dict):
        found = [bounds[j] for j in range(d)]
    else:
        found = list(zip(*bounds, strict=True)) if isinstance(bounds, tuple) else [tuple(row) for row in bounds]
    return [(float(a), float(b)) for a, b in found] if np.isfinite(found).any() else None


def _numbers(groups: Any, d: int) -> Any:
    """The number of each column's group."""
    return np.arange(d) if groups is None or groups == "classes" else np.asarray(groups)


def _features(rng: np.random.Generator, n: int, d: int, does: dict[str, bool]) -> Any:
    """Ordinary features, made difficult in the ways that are asked for."""
    X = rng.normal(size=(n, d))
    if rng.random() < 0.2:
        X = (X > 0).astype(float)
    elif rng.random() < 0.2:
        X = np.rint(3 * X)
    if does["collinear"]:
        for j in range(d):
            chance, other = rng.random(), int(rng.integers(d))
            if chance < 0.2:
                X[:, j] = rng.normal()
            elif chance < 0.4:
                X[:, j] = X[:, other]
            elif chance < 0.8:
                X[:, j] = X[:, other] * rng.normal() + 10 ** -rng.uniform(1, 15) * rng.normal(size=n)
    if does["scales"]:
        X = X * 10 ** rng.uniform(-8, 8, d)
    if does.get("extremes"):
        X = X * 10 ** rng.uniform(-150, 150, d)
    if does["offsets"]:
        X = 10 ** rng.uniform(-2, 2, d) * (X + 10 ** rng.uniform(0, 14, d) * rng.choice([-1, 1], d))
    if does["outliers"]:
        for _ in range(int(rng.integers(1, 3))):
            X[rng.integers(n), rng.integers(d)] = rng.choice([-1, 1]) * 10 ** rng.uniform(3, 15)
    return X


def _stored(rng: np.random.Generator, X: Any) -> tuple[Any, str]:
    """The features as one of the types and layouts that a fit takes."""
    storage = str(rng.choice(STORAGES))
    if storage == "float32":
        X = np.clip(X, -1e38, 1e38).astype(np.float32)
    elif storage == "integer":
        X = np.clip(np.rint(X), -(2.0**53), 2.0**53).astype(np.int64)
    elif storage == "fortran":
        X = np.asfortranarray(X)
    elif storage in ("csr", "csc"):
        X = sparse.csr_array(X * (rng.random(X.shape) < 0.7))
        X = X if storage == "csr" else X.tocsc()
    return X, storage


def _labels(rng: np.random.Generator, model: str, n: int, n_classes: int, X: Any) -> Any:
    """Labels that depend on the features a little, or wholly; every class occurs."""
    dense = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)
    ranks = dense.argsort(axis=0).argsort(axis=0) / n
    scores = ranks @ rng.normal(size=(dense.shape[1], n_classes)) * 10 ** rng.uniform(-1, 2)
    scores += rng.gumbel(size=scores.shape) * (rng.random() < 0.8)
    if model == "labels":
        y = (scores > np.median(scores, axis=0)).astype(float)
        y[0], y[1] = 0, 1
        return y if rng.random() < 0.7 else np.clip(y + rng.uniform(-0.4, 0.4, y.shape), 0, 1)
    if model.startswith("soft") and model != "softmax":
        y = np.exp(scores - scores.max(axis=1, keepdims=True))
        y[y < 1e-3] = 0
        y[:n_classes] = np.eye(n_classes)
        return y / y.sum(axis=1, keepdims=True)
    y = scores.argmax(axis=1)
    y[rng.permutation(n)[:n_classes]] = np.arange(n_classes)
    return y


def _solver(rng: np.random.Generator, settings: dict[str, Any], model: str, storage: str) -> None:
    """The automatic solver, or one of the others with few iterations."""
    if rng.random() < 0.6:
        return
    settings["solver"] = str(rng.choice(["newton", "lbfgs", "dual", "gradient-descent", "sgd"]))
    has_dual = storage in ("csr", "csc") and np.isfinite(settings["C"]) and model != "pairs"
    if settings["solver"] == "dual" and not has_dual:
        settings["solver"] = "newton"
    settings["max_iter"] = int(rng.choice([1, 3, 10, 40, 200]))


def fit(case: Case) -> Any:
    """The fitted model of a case."""
    settings = dict(case.settings)
    if case.model == "imported":
        start = LogisticRegression(**settings).fit(case.X, case.y, case.weight)
        noise = np.random.default_rng(case.number).normal(size=start.coef_.shape)
        coef = (start.coef_ * (1 + 10.0 ** -(case.number % 12) * noise)).astype(np.float32)
        state = {"weight": coef} | ({"bias": start.intercept_} if settings["fit_intercept"] else {})
        C, tol = settings["C"], settings["tol"]
        return from_torch(state, start.classes_, case.X, case.y, C=C, tol=tol, sample_weight=case.weight)
    if case.model in ("rest", "pairs", "labels"):
        settings.pop("class_weight", None)
        kind = {"rest": OneVsRest, "pairs": OneVsOne, "labels": MultilabelLogistic}[case.model]
        return kind(**settings).fit(case.X, case.y, case.weight)
    data = case.X, case.y, case.weight, case.offset
    if not case.warm:
        return LogisticRegression(**settings).fit(*data)
    model = LogisticRegression(**{**settings, "C": 0.1, "warm_start": True}).fit(*data)
    return model.set_params(C=settings["C"]).fit(*data)


def problem_of(case: Case) -> BallProblem:
    """What the fit minimises, written down from the data without looking at the model."""
    X = case.X.tocsr() if sparse.issparse(case.X) else case.X
    n = X.shape[0]
    weight = np.ones(n) if case.weight is None else np.asarray(case.weight, dtype=float)
    settings: dict[str, Any] = {"scale": case.settings.get("scale")}
    weights, C = case.settings.get("penalty_weights"), case.settings["C"]
    if weights is not None:
        settings["penalty_weights"], C = weights.tolist(), C if weights.any() else np.inf
    if np.isfinite(C) and (ratio := case.settings.get("l1_ratio", 0.0)) > 0:
        settings["l1_ratio"] = ratio
        if (groups := case.settings.get("groups")) is not None:
            settings["groups"] = _numbers(groups, X.shape[1]).tolist()
            settings["group_ratio"] = case.settings.get("group_ratio", 1.0)
    if (bounds := case.settings.get("bounds")) is not None:
        settings["bounds"] = _ends(bounds, X.shape[1])
    y, own, softmax = np.asarray(case.y), None, False
    if y.ndim == 1:
        n_classes = int(y.max()) + 1
        if (given := case.settings.get("class_weight")) is not None and case.model in ("binary", "softmax"):
            settings["factor"], settings["factors"] = (
                y,
                [exact(given[k]) for k in range(n_classes)]
                if given != ("balanced")
                else _balanced(y, weight, n_classes),
            )
        if case.model == "pairs":
            pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
            own = np.array([[c in pair for pair in pairs] for c in y.tolist()])
            y = np.array([[c == pair[1] for pair in pairs] for c in y.tolist()])
        else:
            softmax = n_classes > 2 and case.model != "rest"
            y = np.eye(n_classes)[y] if n_classes > 2 else y[:, None]
        y = y.astype(np.uint8)
    elif case.model != "labels":
        softmax = y.shape[1] > 2
        y = y if softmax else _second(y)
    if (share := exact(case.settings.get("label_smoothing", 0.0))) != 0:
        n_classes = max(2, y.shape[1])
        rows = [[exact(v) if isinstance(v, float | int) else v for v in row] for row in y.tolist()]
        rows = [[v / sum(row, exact(0)) for v in row] for row in rows] if softmax else rows
        y = np.array([[(1 - share) * v + share / n_classes for v in row] for row in rows], dtype=object)
    if case.offset is not None:
        settings["offset"] = case.offset.reshape(n, -1)
    return BallProblem(X, y, weight, C, softmax, case.settings["fit_intercept"], own, **settings)


def _balanced(y: Any, weight: Any, n_classes: int) -> list[Any]:
    totals = [sum((exact(w) for w in weight[y == k]), exact(0)) for k in range(n_classes)]
    return [sum(totals, exact(0)) / (n_classes * total) for total in totals]


def _second(y: Any) -> Any:
    """Of two probabilities the second, as a share of both."""
    return np.array([[exact(b) / (exact(a) + exact(b))] for a, b in y.tolist()], dtype=object)


@dataclass
class Truth:
    """What is known of a certificate: `faults` says what it claims too much."""

    case: Case
    model: Any = None
    seconds: float = 0.0
    least: float = 0.0  # the excess is proved to be at least this
    most: float = np.inf  # and at most this
    value: float = np.nan
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    near: list[Any] | None = None

    def nearby(self, problem: BallProblem) -> list[Any]:
        """Coefficients and intercepts near the optimum under a penalty with corners: those of the
        same fit to the last digit that it reaches, and of proximal gradient steps."""
        if self.near is None:
            self.near = []
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                changes = {"tol": 1e-14, "max_iter": 60}
                try:
                    fine = fit(replace(self.case, settings=self.case.settings | changes, warm=False))
                    self.near.append((np.asarray(fine.coef_, float), np.asarray(fine.intercept_, float)))
                except PolytomeError:
                    pass
                for start in [*self.near, (self.model.coef_.astype(float), self.model.intercept_.astype(float))]:
                    found = polished_with_corners(problem, *start, lambda _: None)
                    if all(np.isfinite(part).all() for part in found):
                        self.near.append(found)
                        break
        return self.near

    def in_decimals(self) -> Any:
        """The optimum in more digits than balls have at first, where columns of 1e100 leave nothing
        of floats; what is evaluated there needs no trust in it. None where it takes long."""
        seen: list[Any] = []
        minimum = LogisticRegression._minimum

        def spy(model: LogisticRegression, plan: Any, data: Any) -> Any:
            seen.append(plan.objective)
            return minimum(model, plan, data)

        with warnings.catch_warnings(), mock.patch.object(LogisticRegression, "_minimum", spy):
            warnings.simplefilter("ignore")
            fit(replace(self.case, settings=self.case.settings | {"max_iter": 0}, warm=False))
        if not seen or (problem := DecimalProblem.of(seen[0].at(np.float64))) is None:
            return None
        if (found := decimal_optimum(problem, seen[0].null[0][-1], 120)) is None:
            return None
        with localcontext(context(problem.digits)):
            W = found[0][:-1] * as_decimals(seen[0].rows.columns.scale)[:, None]
        rows = [[arb(str(entry)).mid() for entry in row] for row in [*W.tolist(), found[0][-1].tolist()]]
        return arb_mat(rows[:-1]), rows[-1]

    def __str__(self) -> str:
        """One line."""
        text = f"{self.case}\n    {', '.join(self.faults + self.notes)}; {self.seconds:.2f} s"
        if self.model is None:
            return text
        claim, stop = self.model.certificate_, self.model.stop_.name
        return (
            f"{text}; {stop}, gap {claim.gap:.3g}, true excess {self.least:.6g} to {self.most:.6g}, tol * null "
            f"{claim.tol * claim.null_objective:.3g}, objective {claim.objective:.6g}, true {self.value:.6g}"
        )


class TooSlowError(Exception):
    """A fit took longer than `SLOWEST`."""


def _ring(*_: Any) -> None:
    raise TooSlowError


def examine(case: Case) -> Truth:
    """Fit, and find out what is true."""
    truth = Truth(case)
    before = signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    began = time.process_time()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            truth.model = fit(case)
    except TooSlowError:
        truth.notes.append("too slow")
    except PolytomeError as error:
        truth.notes.append(f"refused: {error}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    truth.seconds = time.process_time() - began
    leaked = {str(w.message)[:60] for w in caught if issubclass(w.category, RuntimeWarning)}
    truth.faults += [f"leaks: {text}" for text in sorted(leaked)]
    if truth.model is not None:
        judge(truth, problem_of(case))
    return truth


def judge(truth: Truth, problem: BallProblem) -> None:
    """Compare the certificate with exact numbers."""
    model = truth.model
    claim = model.certificate_
    if not (np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all() and np.isfinite(claim.objective)):
        truth.faults.append("not finite")
        return
    point = arb_mat(np.asarray(model.coef_, float).T.tolist()), [arb(v) for v in model.intercept_.tolist()]
    for bits in (128, 256, 640):
        with precision(bits):
            value = problem.value(*point)
            truth.value = float(value)
            decided = _excess(truth, problem, point, value)
            if decided:
                _check_claims(truth, problem, value)
                if problem.bounds is None and np.isinf(problem.C) and claim.is_of_curvature:
                    _beside_the_minimum(truth, problem, point)
                return
    truth.notes.append("undecided")


def _excess(truth: Truth, problem: BallProblem, point: Any, value: Any) -> bool:
    """Whether the excess over the minimum is known well enough; a fault where it is above the
    gap."""
    claim = truth.model.certificate_
    penalised = np.isfinite(problem.C) or problem.bounds is not None
    if claim.is_of_separation:
        if value > claim.gap:
            truth.least = float(value)
            truth.faults.append("false proof")
        return bool(value > claim.gap or value <= claim.gap)
    gap = arb(claim.gap)
    if value <= gap:  # no loss and no penalty is negative
        return True
    if penalised:
        most = value - problem.bound(*point)
        truth.most = _above(most)
        if most <= gap:
            return True
    enough = (value * arb(2) ** -(ctx.prec // 2)).mid()
    least = arb(0)
    starts = [point, zero_start(problem)] if penalised else [point]
    if problem.l1_ratio > 0 or problem.bounds is not None:
        starts = [_as_point(coefficients) for coefficients in truth.nearby(problem)]
        starts.append(point)
    for start in starts:
        W, b = start
        if problem.bounds is None:
            W, b, _ = newton(problem, *start, enough, max_iterations=100 if penalised else 30)
        least = max(least, value - problem.value(W, b))
        if penalised:
            truth.most = min(truth.most, _above(value - problem.bound(W, b)))
        if least > gap or truth.most <= claim.gap:
            break
    truth.least = max(0.0, float(least.lower()))
    if least > gap:
        if claim.kind == "proof":
            truth.faults.append("false proof")
        tolerated = arb(claim.tol) * arb(claim.null_objective)
        if truth.model.stop_ is Stop.CERTIFIED and least > tolerated:
            truth.faults.append("beyond tol")
        return True
    if not penalised:
        return True
    is_rest = problem.l1_ratio > 0 or problem.bounds is not None
    if is_rest and truth.most > claim.gap and ctx.prec > 600 and (found := truth.in_decimals()) is not None:
        truth.most = min(truth.most, _above(value - problem.bound(*found)))
    # A gap of exactly 0 can be true and is never reached by a ball: 2^-300 will do.
    return truth.most <= claim.gap + (claim.gap == 0 and ctx.prec > 600) * float(value) * 2.0**-300


def _as_point(found: Any) -> Any:
    """Coefficients and intercepts as balls."""
    return arb_mat(found[0].T.tolist()), [arb(entry) for entry in found[1].tolist()]


def _check_claims(truth: Truth, problem: BallProblem, value: Any) -> None:
    """The other numbers of a certificate."""
    claim = truth.model.certificate_
    for coefficients, (low, high) in zip(truth.model.coef_.T, problem.bounds or (), strict=False):
        exact = coefficients.astype(np.float64)  # a float32 cannot be compared with a bound beyond its range
        if not ((exact >= low) & (exact <= high)).all():
            truth.faults.append("not within bounds")
    if abs(value - arb(claim.objective)) > arb(claim.gap) + SLACK * value:
        truth.faults.append("objective off")
    if abs(problem.null() - arb(claim.null_objective)) > SLACK * problem.null():
        truth.faults.append("null objective off")
    if claim.gap > claim.objective * (1 + SLACK):  # no loss is negative
        truth.faults.append("gap above objective")
    if np.isfinite(problem.C) and abs(problem.strength - arb(claim.strength)) > SLACK * problem.strength:
        truth.faults.append("strength off")
    if claim.kind == "proof" and np.isfinite(problem.C) and np.isfinite(claim.gap):
        modulus = problem.strength * (1 - arb(float(problem.l1_ratio)))
        distance = (2 * arb(claim.gap) / modulus).sqrt() if problem.l1_ratio < 1 else arb("inf")
        if distance > arb(claim.coefficient_bound) * (1 + SLACK):
            truth.faults.append("coefficient bound too small")
    if truth.model.stop_ is Stop.CERTIFIED and not claim.holds:
        truth.faults.append("certified though it does not hold")


def _beside_the_minimum(truth: Truth, problem: BallProblem, point: Any) -> None:
    """Without penalty: the distance of the coefficients from the optimal ones, and what is said of
    predictions."""
    model, case = truth.model, truth.case
    enough = (problem.value(*point) * arb(2) ** -(ctx.prec // 2)).mid()
    W, b, _ = newton(problem, *point, enough, max_iterations=60)
    away = arb(0)
    for divisor, row in zip(problem.divisors, (point[0] - W).tolist(), strict=True):
        middle = sum(row, arb(0)) / len(row) if problem.softmax else arb(0)
        away += divisor**2 * sum(((entry - middle) ** 2 for entry in row), arb(0))
    _, radius = excess_by_curvature(problem, W, b)
    bound = arb(model.certificate_.coefficient_bound)
    if radius.is_finite() and away > (bound + radius) ** 2:
        truth.faults.append("coefficient bound too small")
    if np.isfinite(model.certificate_.coefficient_bound) and not radius.is_finite():
        truth.notes.append("no radius")
    if case.model not in ("binary", "softmax", "imported") or case.offset is not None:
        return
    model.training_ = record = record_training(model, case.X, case.y)
    if record.could_change is None:
        return
    (block,) = problem.blocks()
    best = [[float(p.mid()) for p in row] for row, _ in problem.predictions(block, W, b)]
    probabilities = np.array(best) if problem.softmax else np.column_stack([1 - np.array(best), best])
    variation = np.abs(probabilities - model.predict_proba(case.X)).sum(axis=1).mean() / 2
    even = case.settings.get("class_weight") is None
    if even and variation > mean_variation_bound(model.certificate_.gap) + SLACK:
        truth.faults.append("probabilities differ by more")
    lead = np.sort(probabilities, axis=1)
    moved = (probabilities.argmax(axis=1) != model.predict(case.X)) & (lead[:, -1] - lead[:, -2] > SLACK)
    if moved.sum() > record.could_change or (moved & settled_rows(model, case.X)).any():
        truth.faults.append("a settled class changes")


def float64_solution_exists(truth: Truth) -> bool:
    """Whether coefficients in float64 come within the tolerance of the minimum.

    They do if the fit's are proved to; and if those of the exact optimum do, which Newton's method
    finds in many digits, once they are rounded to `coef_` and `intercept_`: the exact intercepts,
    or those that are best beside the rounded coefficients. Columns as large as 1e14 times what they
    differ by leave no others that are near.
    """
    claim, problem = truth.model.certificate_, problem_of(truth.case)
    if claim.holds:
        return True
    with precision(256):
        tolerated = arb(claim.tol) * arb(claim.null_objective)
        W, b, least = newton(problem, *zero_start(problem), tolerated * arb(2) ** -60, max_iterations=300)
        rounded = arb_mat([[float(w) for w in row] for row in W.tolist()])
        intercepts = [b, _best_intercepts(problem, rounded, b)] if problem.fit_intercept else [b]
        values = [problem.value(rounded, [arb(float(entry)) for entry in each]) for each in intercepts]
        return any(bool(value - least <= tolerated) for value in values)


def _best_intercepts(problem: BallProblem, W: Any, b: list[Any]) -> list[Any]:
    """Intercepts that are best beside these coefficients, by Newton's method from ones that are
    near."""
    for _ in range(20):
        gradient, hessian, unknowns = _derivatives(problem, W, b)
        free = [at for at, (_, j) in enumerate(unknowns) if j == problem.X.shape[1]]
        slopes, bends = gradient.tolist(), hessian.tolist()
        try:
            step = arb_mat([[bends[k][m] for m in free] for k in free]).solve(
                arb_mat([slopes[k] for k in free]), algorithm="approx"
            )
        except ZeroDivisionError:
            break
        moves = {unknowns[at][0]: move.mid() for at, move in zip(free, step.entries(), strict=True)}
        b = [(entry - moves.get(k, 0)).mid() for k, entry in enumerate(b)]
    return b


def _above(ball: Any) -> float:
    """A float not below the ball."""
    return float(np.nextafter(float(ball.upper()), np.inf))


def statistics(kind: str, first: int, count: int, show: bool) -> str:
    """Examine many cases of a kind; a line of what was found."""
    tally: Counter[str] = Counter()
    slowest, checking = 0.0, 0.0
    for number in range(first, first + count):
        case = make_case(kind, number)
        began = time.process_time()
        truth = examine(case)
        checking += time.process_time() - began - truth.seconds
        slowest = max(slowest, truth.seconds)
        tally["fits"] += 1
        tally.update(text.partition(":")[0] for text in truth.faults + truth.notes)
        tally["certified"] += truth.model is not None and truth.model.stop_ is Stop.CERTIFIED
        if _is_default(case):
            tally["auto"] += 1
            holds = truth.model is not None and truth.model.certificate_.holds
            tally["holds"] += holds
            exists = holds or truth.model is None or float64_solution_exists(truth)
            tally["exists"] += exists
            if not holds:
                truth.notes.append("auto not reached" if exists else "no float64 solution")
        if show and (truth.faults or truth.notes):
            print(truth, flush=True)
    parts = [f"{name} {tally[name]}" for name in ("fits", "certified", "false proof", "beyond tol")]
    parts += [f"auto holds in {tally['holds']} of {tally['auto']}, {tally['exists']} of which have a float64 solution"]
    known = {"fits", "certified", "false proof", "beyond tol", "auto", "holds", "exists"}
    parts += [f"{name} {number}" for name, number in sorted(tally.items()) if name not in known]
    return f"{kind}: {', '.join(parts)}; slowest {slowest:.1f} s; {1000 * checking / count:.0f} ms for each check"


def _is_default(case: Case) -> bool:
    """Whether the fit is one that should reach its tolerance: at least 1e-4, a penalty, the
    automatic solver."""
    chosen = {"solver", "max_iter"} & set(case.settings) or case.model == "imported"
    return not chosen and case.settings["tol"] >= 1e-4 and np.isfinite(case.settings["C"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    parser.add_argument("--count", type=int, default=200, help="cases of each kind")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--show", action="store_true", help="print every case with a fault or a note")
    arguments = parser.parse_args()
    for kind in KINDS if arguments.kind == "all" else (arguments.kind,):
        print(statistics(kind, arguments.seed, arguments.count, arguments.show), flush=True)


if __name__ == "__main__":
    main()
