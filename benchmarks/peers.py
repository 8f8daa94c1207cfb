"""One small adapter for each library: fits X as it was given to it, and says in one form what came
out.

All are asked for the minimum of the same function,
`sum_i loss(x_i W + b, y_i) / n + ||W||^2 / (2 C n)`, each in its own terms. Only liblinear, which
has no such thing, penalises the intercept too: the objective that it reaches shows it.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.methods import OURS, Method

MANY = 1_000_000  # iterations: the tolerance or the time limit shall end a fit


@dataclass(frozen=True)
class Fitted:
    """What a library found: it is brought into one form when that is asked for, after the clock has
    stopped.

    Attributes:
        read: returns the coefficients.
        iterations: what the library calls so.
        verdict: what the library says of its own fit; "" where it says nothing.
        more: facts that Polytome alone has.
    """

    read: Callable[[], np.ndarray]
    iterations: int | None = None
    verdict: str = ""
    more: dict[str, Any] | None = None

    @property
    def coefficients(self) -> np.ndarray:
        """(n_features + 1, n_outputs) for the columns as they were given, intercept last, in
        float64."""
        return self.read().astype(np.float64, copy=False)


Fit = Callable[[Any, np.ndarray, float, Method], Fitted]
"""From X, class codes, C and the method to the fitted coefficients."""


def fit_polytome(X: Any, y: np.ndarray, C: float, method: Method, scale: float = 1.0) -> Fitted:
    from polytome import LogisticRegression, OneVsOne, OneVsRest

    classifier = {None: LogisticRegression, "one-vs-rest": OneVsRest, "one-vs-one": OneVsOne}[method.reduction]
    model = classifier(C=C, scale=None if scale == 1 else scale, tol=method.tol).fit(X, y)
    certificate = model.certificate_.to_json()
    facts = {
        "solver": type(model.solver_.solver).__name__,
        "passes": round(model.history_[-1].passes, 1),
        "gap": certificate["gap"],
        "relative_gap": certificate["relative_gap"],
        "null_objective": certificate["null_objective"],
    }
    verdict = "holds" if certificate["holds"] else f"{model.stop_.name.lower()}, does not hold"
    return Fitted(lambda: _stacked(model.coef_ * scale, model.intercept_), int(model.n_iter_[0]), verdict, facts)


def fit_scikit_learn(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    from sklearn.linear_model import LogisticRegression

    return _fit_scikit_learn(LogisticRegression, X, y, C, method)


def fit_intelex(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    """The class that its `patch_sklearn` puts in the place of scikit-learn's."""
    from sklearnex.linear_model import LogisticRegression

    return _fit_scikit_learn(LogisticRegression, X, y, C, method)


def _fit_scikit_learn(classifier: Any, X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

    binary = classifier(C=C, solver=method.solver, tol=method.tol, max_iter=MANY)
    wrappers = {"one-vs-rest": OneVsRestClassifier, "one-vs-one": OneVsOneClassifier}
    model = binary if method.reduction is None else wrappers[method.reduction](binary, n_jobs=method.n_jobs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    parts = [model] if method.reduction is None else model.estimators_
    complained = any(warning.category.__name__ == "ConvergenceWarning" for warning in caught)
    return Fitted(
        lambda: _stacked(
            np.vstack([part.coef_ for part in parts]), np.concatenate([part.intercept_ for part in parts])
        ),
        int(max(np.max(part.n_iter_) for part in parts)),
        "not converged" if complained else "converged",
    )


def fit_glum(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="binomial", alpha=1 / (C * len(y)), solver=method.solver, gradient_tol=method.tol, max_iter=MANY
    )
    model.fit(X, y.astype(X.dtype))
    return Fitted(lambda: _stacked(model.coef_[None], np.atleast_1d(model.intercept_)), int(model.n_iter_))


def fit_statsmodels(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    """Ridge through its generalised linear model, whose optimiser's tolerance cannot be set."""
    from statsmodels.api import GLM, add_constant, families

    penalty = np.append(np.full(X.shape[1], 1 / (C * len(y))), 0.0)
    model = GLM(y, add_constant(X, prepend=False, has_constant="add"), family=families.Binomial())
    found = model.fit_regularized(alpha=penalty, L1_wt=0, opt_method=method.solver)
    return Fitted(lambda: np.asarray(found.params).reshape(-1, 1))


def fit_adelie(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    """Its elastic net without the part of the first power, at one strength; for classes its loss is
    divided by K."""
    import adelie

    n_rows, n_features = X.shape
    n_classes = int(y.max()) + 1
    binary = n_classes == 2
    if binary:
        family, strength = adelie.glm.binomial(y.astype(X.dtype)), 1 / (C * n_rows)
    else:
        family = adelie.glm.multinomial(np.eye(n_classes, dtype=X.dtype)[y])
        strength = 1 / (C * n_rows * n_classes)
    state = adelie.grpnet(
        *(X, family),
        alpha=0,
        penalty=np.ones(n_features),
        lmda_path=np.array([strength], dtype=X.dtype),
        tol=method.tol,
        irls_tol=method.tol,
        early_exit=False,
        progress_bar=False,
        n_threads=method.threads or len(os.sched_getaffinity(0)),
    )

    def read() -> np.ndarray:
        coefficients = state.betas.toarray()[-1].reshape(n_features, 1 if binary else n_classes)
        return np.vstack([coefficients, np.atleast_1d(state.intercepts[-1])])

    return Fitted(read)


def fit_torch(X: Any, y: np.ndarray, C: float, method: Method) -> Fitted:
    """L-BFGS with the strong Wolfe line search on all rows at once, gradients by autograd."""
    import torch

    tensor = _torch_matrix(X)
    n_rows, n_features = X.shape
    n_outputs = 1 if y.max() == 1 else int(y.max()) + 1
    target = torch.from_numpy(y) if n_outputs > 1 else torch.from_numpy(y.astype(X.dtype))[:, None]
    loss = torch.nn.functional.cross_entropy if n_outputs > 1 else torch.nn.functional.binary_cross_entropy_with_logits
    W = torch.zeros((n_features, n_outputs), dtype=tensor.dtype, requires_grad=True)
    b = torch.zeros(n_outputs, dtype=tensor.dtype, requires_grad=True)
    single = tensor.dtype == torch.float32
    optimiser = torch.optim.LBFGS(
        [W, b],
        max_iter=MANY,
        max_eval=2 * MANY,
        tolerance_grad=method.tol,
        tolerance_change=1e-9 if single else 1e-15,  # the default for float32; float64 can go further
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        optimiser.zero_grad()
        value = loss(tensor @ W + b, target) + (W * W).sum() / (2 * C * n_rows)
        value.backward()
        return value

    optimiser.step(closure)
    iterations = optimiser.state[W]["n_iter"]
    return Fitted(lambda: np.vstack([W.detach().numpy(), b.detach().numpy()]), int(iterations))


def _torch_matrix(X: Any) -> Any:
    """X as a tensor; no copy of dense numbers."""
    import torch

    if not sparse.issparse(X):
        return torch.from_numpy(X)
    warnings.simplefilter("ignore")  # "in beta state"
    parts = (torch.from_numpy(part) for part in (X.indptr, X.indices, X.data))
    return torch.sparse_csr_tensor(*parts, size=X.shape)


def _stacked(coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """scikit-learn's (n_outputs, n_features) and (n_outputs,) as (n_features + 1, n_outputs)."""
    return np.vstack([coef.T, intercept])


FITS: dict[str, Fit] = {
    OURS: fit_polytome,
    "scikit-learn": fit_scikit_learn,
    "scikit-learn-intelex": fit_intelex,
    "glum": fit_glum,
    "statsmodels": fit_statsmodels,
    "PyTorch": fit_torch,
    "adelie": fit_adelie,
}
MODULES = {"scikit-learn": "sklearn", "scikit-learn-intelex": "sklearnex", "PyTorch": "torch"}


def installed(library: str) -> bool:
    return importlib.util.find_spec(MODULES.get(library, library)) is not None


def warm_up(method: Method, binary: bool) -> None:
    """Fit a few rows, so that imports and the start of threads are not part of what is measured."""
    X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [1.0, 3.0], [3.0, 1.0], [2.0, 0.0]])
    y = np.array([0, 1, 0, 1, 0, 1] if binary else [0, 1, 2, 0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        easy = None if method.tol is None else 1e-3
        FITS[method.library](np.asfortranarray(X) if method.layout == "columns" else X, y, 1.0, method.at(easy))
