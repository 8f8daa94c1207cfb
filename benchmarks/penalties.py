"""L1 and elastic net beside scikit-learn's solvers: processor time, and the measured distance from
the minimum.

    python -m benchmarks.penalties a9a
    python -m benchmarks.penalties mnist --C 1
    python -m benchmarks.penalties a9a --path 100 --min-ratio 1e-4
    python -m benchmarks.penalties mnist --path 50 --min-ratio 0.02
    python -m benchmarks.penalties mnist --path 30 --min-ratio 0.02 --groups --rows 4000

The distance is that of each result's objective, computed here, from the lowest that any method
reached, in parts of the null model's. liblinear penalises its intercept: a constant of 100 makes
that small. With `--path` whole paths are compared, from the largest strength down, and the distance
is the worst on the path; the peers are adelie (two classes; its multinomial has groups only) and
skglm, where they are installed. With `--groups` a column is in a softmax for all classes or for
none, as in adelie's multinomial.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logsumexp
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression as Theirs

from polytome import LogisticRegression, RegularizationPath, load_dataset


def problem(name: str, n_rows: int = 10_000) -> tuple[Any, np.ndarray]:
    """Features and class codes; of MNIST so many rows."""
    if name == "mnist":
        data = load_dataset("mnist")
        return data.X[:n_rows] / 255.0, np.unique(data.y[:n_rows], return_inverse=True)[1]
    X, y = load_svmlight_file(str(Path(os.environ["POLYTOME_DATA"]) / "a9a" / "a9a"), n_features=123)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, (y > 0).astype(int)


def objective(X: Any, y: np.ndarray, model: Any, C: float, ratio: float) -> float:
    """The mean loss and the penalty."""
    scores = np.asarray(X @ model.coef_.T + model.intercept_)
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    loss = float(np.mean(logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]))
    size = ratio * np.abs(model.coef_).sum() + (1 - ratio) / 2 * (model.coef_**2).sum()
    return loss + float(size) / (C * len(y))


Points = list[tuple[np.ndarray, np.ndarray]]


def our_path(X: Any, y: np.ndarray, strengths: np.ndarray, tol: float, groups: str | None = None) -> Points:
    """Coefficients and intercepts at each strength."""
    path = RegularizationPath(1.0, strengths=strengths, tol=tol, groups=groups).fit(X, y)
    return list(zip(path.coefs_, path.intercepts_, strict=True))


def our_grouped_path(X: Any, y: np.ndarray, strengths: np.ndarray, tol: float) -> Points:
    """The same with the classes of a column as a group."""
    return our_path(X, y, strengths, tol, "classes")


def adelie_grouped_path(X: Any, y: np.ndarray, strengths: np.ndarray, tol: float) -> Points:
    """The same by adelie, whose loss is divided by the number of classes."""
    import adelie

    K, d = int(y.max()) + 1, X.shape[1]
    dense, target = np.asfortranarray(X), np.eye(K)[y]
    settings: dict[str, Any] = {"early_exit": False, "progress_bar": False, "tol": tol, "irls_tol": tol}
    family, weights = adelie.glm.multinomial(y=target), np.ones(d)
    state = adelie.grpnet(dense, family, lmda_path=strengths / K, penalty=weights, **settings)
    coefficients, intercepts = state.betas.toarray(), np.asarray(state.intercepts)
    return [(row.reshape(d, K).T, intercepts[place]) for place, row in enumerate(coefficients)]


def adelie_path(X: Any, y: np.ndarray, strengths: np.ndarray, tol: float) -> Points:
    """The same by adelie, which takes dense columns."""
    import adelie

    dense = np.asfortranarray(X.toarray() if sparse.issparse(X) else X)
    settings: dict[str, Any] = {"early_exit": False, "progress_bar": False, "tol": tol, "irls_tol": tol}
    state = adelie.grpnet(dense, adelie.glm.binomial(y=y.astype(float)), lmda_path=strengths, **settings)
    coefficients, intercepts = state.betas.toarray(), np.ravel(state.intercepts)
    return [(row[None], intercepts[place, None]) for place, row in enumerate(coefficients)]


def skglm_path(X: Any, y: np.ndarray, strengths: np.ndarray, tol: float) -> Points:
    """The same by skglm's proximal Newton, each strength from the last; what it compiles is not
    counted."""
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.solvers import ProxNewton
    from skglm.utils.jit_compilation import compiled_clone

    columns, signs = sparse.csc_matrix(X) if sparse.issparse(X) else np.asfortranarray(X), 2.0 * y - 1
    penalty, datafit = compiled_clone(L1(1.0)), compiled_clone(Logistic())
    solver = ProxNewton(tol=tol, fit_intercept=True, max_iter=50)
    w, found = np.zeros(X.shape[1] + 1), []
    for strength in strengths:
        penalty.alpha = strength
        w, _, _ = solver.solve(columns, signs, datafit, penalty, w.copy(), columns @ w[:-1] + w[-1])
        found.append((w[None, :-1].copy(), w[-1:].copy()))
    return found


def compare_paths(name: str, X: Any, y: np.ndarray, count: int, min_ratio: float, in_groups: bool) -> None:
    """Print a line for each method at each tolerance."""
    largest = RegularizationPath(1.0, n_strengths=1, groups="classes" if in_groups else None).fit(X, y)
    strengths = largest.strength_max_ * np.geomspace(1.0, min_ratio, count)
    ours = our_grouped_path if in_groups else our_path
    methods: list[tuple[str, Callable[..., Points], float]] = [("polytome", ours, tol) for tol in (1e-4, 1e-3, 1e-8)]
    if in_groups:
        methods = [("polytome", ours, tol) for tol in (1e-4, 1e-6)]
        if find_spec("adelie") is not None:
            methods += [("adelie", adelie_grouped_path, tol) for tol in (1e-7, 1e-9)]
    elif y.max() == 1:
        peers = {"adelie": (adelie_path, 1e-7, 1e-5), "skglm": (skglm_path, 1e-6, 1e-4)}
        for peer, (run, *tols) in peers.items():
            if find_spec(peer) is not None:
                run(X, y, strengths[:2], tols[0])  # compiles, or loads
                methods += [(peer, run, tol) for tol in tols]
    found = {}
    for peer, run, tol in methods:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began, used = time.perf_counter(), time.process_time()
            points = run(X, y, strengths, tol)
            seconds = time.perf_counter() - began, time.process_time() - used
        values = [path_objective(X, y, *point, at, in_groups) for point, at in zip(points, strengths, strict=True)]
        found[f"{peer} tol {tol:g}"] = (np.array(values), *seconds)
    lowest = np.min([values for values, *_ in found.values()], axis=0)
    null = largest.certificates_[0].null_objective
    kind = "groups" if in_groups else "L1"
    print(f"{name}: {X.shape[0]:,} x {X.shape[1]}, {kind}, {count} strengths down to {min_ratio:g} of the largest")
    for label, (values, elapsed, used) in found.items():
        worst = float((values - lowest).max()) / null
        print(f"{label:24} {elapsed:8.2f} s, of processors {used:8.2f} s, worst distance {worst:8.1e}")


def path_objective(
    X: Any, y: np.ndarray, coef: np.ndarray, intercept: np.ndarray, strength: float, in_groups: bool
) -> float:
    """The mean loss and the penalty, of absolute values or of each column's norm."""
    scores = np.asarray(X @ coef.T + intercept)
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    loss = float(np.mean(logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]))
    return loss + strength * float((np.linalg.norm(coef, axis=0) if in_groups else np.abs(coef)).sum())


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["a9a", "mnist"])
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--l1-ratio", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, nargs="*", default=[20, 100], help="of saga")
    parser.add_argument("--path", type=int, default=0, help="strengths of a path, in the place of one")
    parser.add_argument("--min-ratio", type=float, default=1e-4)
    parser.add_argument("--groups", action="store_true", help="of a path: all classes of a column together")
    parser.add_argument("--rows", type=int, default=10_000, help="of MNIST")
    given = parser.parse_args()
    X, y = problem(given.data, given.rows)
    if given.path:
        compare_paths(given.data, X, y, given.path, given.min_ratio, given.groups)
        return
    C, ratio = given.C, given.l1_ratio
    methods: dict[str, Callable[[], Any]] = {
        f"polytome tol {tol:g}": lambda tol=tol: LogisticRegression(C=C, l1_ratio=ratio, tol=tol)
        for tol in (1e-4, 1e-6)
    }
    for count in given.iterations:
        settings: dict[str, Any] = {"C": C, "l1_ratio": ratio, "solver": "saga", "tol": 1e-12, "max_iter": count}
        methods[f"saga, {count} iterations"] = lambda settings=settings: Theirs(**settings)
    if y.max() == 1 and ratio == 1:
        for tol in (1e-2, 1e-3):
            settings = {"C": C, "l1_ratio": 1, "solver": "liblinear", "tol": tol, "intercept_scaling": 100.0}
            methods[f"liblinear tol {tol:g}"] = lambda settings=settings: Theirs(**settings)
    found = {}
    for name, make in methods.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began, used = time.perf_counter(), time.process_time()
            model = make().fit(X, y)
            seconds = time.perf_counter() - began, time.process_time() - used
        found[name] = (objective(X, y, model, C, ratio), *seconds, int((model.coef_ != 0).sum()))
        if name.startswith("polytome"):
            null = model.certificate_.null_objective
    lowest = min(value for value, *_ in found.values())
    print(f"{given.data}: {X.shape[0]:,} x {X.shape[1]}, C = {C:g}, l1_ratio = {ratio:g}")
    for name, (value, elapsed, used, count) in found.items():
        apart = (value - lowest) / null
        print(f"{name:24} {elapsed:8.2f} s, of processors {used:8.2f} s, distance {apart:8.1e}, {count} not 0")


if __name__ == "__main__":
    main()
