"""What is compared: a library, the settings of its classifier, and the type of number that it is given."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.datasets import Problem

# Above this scikit-learn's newton-cg is the faster of its two (digits, 650 coefficients: 0.06 s against 0.3 s).
MOST_COEFFICIENTS_FOR_CHOLESKY = 200
LARGE_BYTES = 32_000_000
MANY = {"max_iter": 10_000}

# Data sets, and how each is made a matter of binary models.
REDUCTIONS = {"mnist": "one-vs-rest", "newsgroups": "one-vs-rest", "letter": "one-vs-one"}


@dataclass(frozen=True)
class Method:
    """A way to fit.

    Attributes:
        library: "polytome" or "scikit-learn".
        settings: keyword arguments of its classifier, C excepted.
        dtype: what X is converted to before the clock starts; None to leave it as it is.
        blas_threads: threads of the BLAS; None for its own choice, which is all cores.
        reduction: "one-vs-rest" or "one-vs-one"; None for one model of all classes.
        n_jobs: processes among which scikit-learn shares out its binary models.
    """

    library: str
    settings: dict[str, Any] = field(default_factory=dict)
    dtype: str | None = None
    blas_threads: int | None = None
    reduction: str | None = None
    n_jobs: int | None = None

    @property
    def label(self) -> str:
        words = [self.library, *([self.settings["solver"]] if "solver" in self.settings else [])]
        words += [self.dtype] if self.dtype else []
        return " ".join([*words, *([f"n_jobs={self.n_jobs}"] if self.n_jobs else [])])

    def features(self, problem: Problem) -> Any:
        """X as this method is given it: Polytome divides by the scale itself, scikit-learn gets X / scale."""
        dtype = self.dtype or problem.X.dtype
        if self.library == "polytome" or problem.scale == 1:
            return problem.X.astype(dtype, copy=False)
        return np.divide(problem.X, np.dtype(dtype).type(problem.scale), dtype=dtype)

    def model(self, C: float, scale: float, **more: Any) -> Any:
        if self.library == "scikit-learn":
            from sklearn.linear_model import LogisticRegression
            from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

            binary = LogisticRegression(C=C, **self.settings)
            wrappers = {"one-vs-rest": OneVsRestClassifier, "one-vs-one": OneVsOneClassifier}
            return binary if self.reduction is None else wrappers[self.reduction](binary, n_jobs=self.n_jobs)
        from polytome import LogisticRegression, OneVsOne, OneVsRest

        classifier = {None: LogisticRegression, "one-vs-rest": OneVsRest, "one-vs-one": OneVsOne}[self.reduction]
        return classifier(C=C, scale=None if scale == 1 else scale, **self.settings, **more)

    def warm_up(self) -> None:
        """Fit three rows, so that imports and the start of threads are not part of what is measured."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model(1.0, 1.0).fit(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), [0, 1, 2])

    def coefficients(self, model: Any, scale: float) -> np.ndarray:
        """Coefficients (n_features + 1, n_outputs) for the columns X / scale, intercept last."""
        binary = [model] if self.library == "polytome" or self.reduction is None else model.estimators_
        coef = np.vstack([part.coef_ for part in binary]).astype(np.float64)
        intercept = np.concatenate([part.intercept_ for part in binary])
        return np.vstack([(coef * scale if self.library == "polytome" else coef).T, intercept])

    def facts(self, model: Any, complained: bool) -> dict[str, Any]:
        """What the fitted model says of itself."""
        if self.library == "scikit-learn":
            binary = [model] if self.reduction is None else model.estimators_
            iterations = int(max(np.max(part.n_iter_) for part in binary))
            # Warnings of worker processes do not reach this one.
            complained = complained or iterations >= binary[0].max_iter
            return {
                "solver": binary[0].solver,
                "passes": None,
                "iterations": iterations,
                "verdict": "not converged" if complained else "converged",
                "gap": None,
                "relative_gap": None,
            }
        certificate = model.certificate_
        return {
            "solver": type(model.solver_.solver).__name__,
            "passes": round(model.history_[-1].passes, 1),
            "iterations": int(model.n_iter_[0]),
            "verdict": "holds" if certificate.holds else f"{model.stop_.name.lower()}, does not hold",
            "gap": certificate.to_json()["gap"],
            "relative_gap": certificate.to_json()["relative_gap"],
        }


def defaults(problem: Problem) -> list[list[Method]]:
    """Polytome and scikit-learn as they are, and scikit-learn's Newton solver that suits the size; variants of each.

    Pixels are given to scikit-learn in float32, in which it is faster. Where the data is not large it may also use one
    thread of the BLAS: all of them can be a hundred times slower on small matrices. Polytome shares out the rows
    itself and always holds the BLAS to one thread.
    """
    n_outputs = 1 if problem.n_classes == 2 else problem.n_classes
    small = n_outputs * (problem.X.shape[1] + 1) <= MOST_COEFFICIENTS_FOR_CHOLESKY
    dtype = "float32" if problem.scale != 1 else None
    threads = [None] if problem.input_bytes > LARGE_BYTES else [1, None]
    return [
        [Method("polytome")],
        *(
            [Method("scikit-learn", {"solver": solver}, dtype, count) for count in threads]
            for solver in ("lbfgs", "newton-cholesky" if small else "newton-cg")
        ),
    ]


def ladders() -> list[list[Method]]:
    """For MNIST: each method from loose to tight, in steps of about 3 in its tolerance."""
    peers = [
        ("newton-cg", "float64", (3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)),
        ("newton-cg", "float32", (3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)),
        ("lbfgs", "float64", (1e-5, 3e-6, 1e-6, 3e-7, 1e-7)),
    ]
    ours = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
    return [
        [Method("polytome", {"tol": tol}) for tol in ours],
        *(
            [Method("scikit-learn", {"solver": solver, "tol": tol, **MANY}, dtype) for tol in tols]
            for solver, dtype, tols in peers
        ),
    ]


def reduced_ladders(name: str) -> list[list[Method]]:
    """For binary models of many classes: each method from loose to tight, in steps of about 3 in its tolerance.

    scikit-learn gets one process and two. Columns of words are too many for newton-cholesky.
    """
    reduction = REDUCTIONS[name]
    solvers = ("newton-cg", "lbfgs") if name == "newsgroups" else ("newton-cholesky", "newton-cg", "lbfgs")
    dtype = "float32" if name == "mnist" else None
    tolerances = (3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7)
    if name == "letter":  # 16 columns: a last step of Newton's method may overshoot a loose tolerance by far
        tolerances = (1e-2, 3e-3, 1e-3, *tolerances)
    return [
        [Method("polytome", {"tol": tol}, reduction=reduction) for tol in (1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)],
        *(
            [
                Method("scikit-learn", {"solver": solver, "tol": tol, **MANY}, dtype, None, reduction, n_jobs)
                for tol in tolerances
            ]
            for solver in solvers
            for n_jobs in (None, 2)
        ),
    ]


def exact_objective(problem: Problem, W: np.ndarray, reduction: str | None = None) -> float:
    """The objective (of binary models: the sum of theirs) in float64, on the data as stored, of any coefficients."""
    from polytome.losses import IndependentSigmoids, Logistic, Softmax
    from polytome.objective import Objective
    from polytome.pairwise import PairwiseSigmoids
    from polytome.penalties import L2
    from polytome.rows import Columns, as_rows

    n_rows, n_features = problem.X.shape
    loss = Logistic() if problem.n_classes == 2 else Softmax(problem.n_classes)
    target = problem.y
    if reduction == "one-vs-rest":
        loss, target = IndependentSigmoids(problem.n_classes), np.eye(problem.n_classes)[problem.y]
    elif reduction == "one-vs-one":
        loss = PairwiseSigmoids(problem.n_classes)
    columns = Columns(np.zeros(n_features), np.full(n_features, 1 / problem.scale))
    rows = as_rows(problem.X, target).with_columns(columns).at(np.float64)
    return Objective(loss, L2(1 / (problem.C * n_rows)), rows).value_and_gradient(W)[0]
