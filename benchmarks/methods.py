"""What is compared: a library, its solver, how closely it is asked to fit, and the form in which it
is given X."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.datasets import Problem

OURS = "polytome"


@dataclass(frozen=True)
class Method:
    """A way to fit.

    Attributes:
        library: a key of `peers.FITS`.
        solver: its own name of its algorithm; None where it has one only.
        tol: its own tolerance, whatever it means there; None where it cannot be set.
        dtype: what X is converted to before the clock starts; None to leave it as it is.
        layout: "dense" or "columns" (dense, column by column); None to leave it as it is.
        threads: threads that the library, or the BLAS below it, may use; None for its own choice,
            which is all cores.
        reduction: "one-vs-rest" or "one-vs-one"; None for one model of all classes.
        n_jobs: processes among which scikit-learn shares out its binary models.
    """

    library: str
    solver: str | None = None
    tol: float | None = None
    dtype: str | None = None
    layout: str | None = None
    threads: int | None = None
    reduction: str | None = None
    n_jobs: int | None = None

    @property
    def label(self) -> str:
        """The words that name it in a table; neither the tolerance nor the threads are among
        them."""
        words = (self.library, self.solver, self.dtype, "dense" if self.layout == "dense" else None)
        return " ".join([*filter(None, words), *([f"n_jobs={self.n_jobs}"] if self.n_jobs else [])])

    def at(self, tol: float | None) -> Method:
        """The same with another tolerance."""
        return replace(self, tol=tol)

    def features(self, problem: Problem) -> Any:
        """X as this method is given it: Polytome divides by the scale itself, the others get X /
        scale."""
        X, dtype = problem.X, np.dtype(self.dtype or problem.X.dtype)
        if self.library != OURS and problem.scale != 1:
            X = np.divide(X, dtype.type(problem.scale), dtype=dtype)
        elif X.dtype != dtype:
            X = X.astype(dtype)
        if self.layout is not None:
            X = X.toarray() if sparse.issparse(X) else X
            X = np.asarray(X, order="F" if self.layout == "columns" else "C")
        return X if self.library == OURS else _with_short_indices(X)


def _with_short_indices(X: Any) -> Any:
    """Sparse X with indices of 32 bits, which some peers insist on."""
    if not sparse.issparse(X) or X.indices.dtype == np.int32:
        return X
    return sparse.csr_array((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)


def exact_objective(problem: Problem, W: np.ndarray, reduction: str | None = None) -> float:
    """The objective (of binary models: the sum of theirs) in float64, on the data as stored, of any
    coefficients."""
    from polytome.losses import IndependentSigmoids, Logistic, Softmax
    from polytome.losses.pairwise import PairwiseSigmoids
    from polytome.objective import Objective
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
    return Objective(loss, L2(1 / (problem.C * n_rows)), rows).value_and_gradient(np.asarray(W, dtype=np.float64))[0]
