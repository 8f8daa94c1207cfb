"""The bits of a fit depend on neither the number of threads nor the time of day."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression
from polytome.errors import ArgumentError
from polytome.rows import as_rows
from polytome.solvers import LBFGS, DistinctRows, GradientDescent, Newton, StochasticGradientDescent, TemperedNewton

WIDE = np.random.default_rng(1).normal(size=(2400, 700))  # blocks of 748 rows in float64, 1497 in float32
TALL = np.random.default_rng(2).normal(size=(50_000, 6))  # blocks of 16,384 rows
TEXT = sparse.random_array((20_000, 300), density=0.05, rng=np.random.default_rng(3), format="csr")


def labels(X: object, K: int) -> np.ndarray:
    """Noisy linear labels, so that no fit is over at once."""
    rng = np.random.default_rng(4)
    return (X @ rng.normal(size=(X.shape[1], K)) / 5 + rng.gumbel(size=(X.shape[0], K))).argmax(axis=1)


CASES = {
    "float64, lbfgs": (WIDE, 3, {"solver": LBFGS()}),
    "float32, lbfgs": (WIDE.astype(np.float32), 3, {"solver": LBFGS()}),
    "float32, newton": (TALL.astype(np.float32), 2, {"solver": Newton()}),
    "float64, newton, softmax": (TALL, 3, {"solver": Newton()}),
    "float64, sampled newton": (TALL, 3, {"solver": Newton(sample=2000)}),
    "float64, tempered newton": (TALL, 4, {"solver": TemperedNewton()}),
    "csr, tempered newton": (TEXT[:, :60], 3, {"solver": DistinctRows(TemperedNewton())}),
    "uint8, auto": ((20 * np.abs(WIDE)).astype(np.uint8), 3, {"scale": 255}),
    "integers, auto": ((20 * TALL).astype(np.int32), 3, {"scale": "standard"}),
    "fortran order": (np.asfortranarray(TALL), 4, {}),
    "csr, auto": (TEXT[:, :220], 3, {}),
    "csr, newton": (TEXT[:, :220], 2, {"solver": Newton()}),
    "csr float32, lbfgs": (TEXT.astype(np.float32), 3, {"solver": LBFGS()}),
    "csc, lbfgs": (TEXT.tocsc(), 3, {"solver": LBFGS()}),
    "gradient descent": (TALL, 2, {"solver": GradientDescent(), "max_iter": 5}),
    "sgd": (TALL[:2000], 2, {"solver": StochasticGradientDescent(batch_size=8), "max_iter": 3}),
    "no penalty": (TALL, 3, {"C": np.inf}),
    "balanced": (TALL, 3, {"class_weight": "balanced"}),
}


def fitted_bits(X: object, y: np.ndarray, settings: dict[str, object]) -> tuple[bytes, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some cases are cut short
        model = LogisticRegression(**{"max_iter": 8, "tol": 1e-9, **settings}).fit(X, y)
    objectives = np.array([p.objective for p in model.history_])
    certificate = np.array([model.certificate_.objective, model.certificate_.gap])
    return model.coef_.tobytes(), model.intercept_.tobytes(), objectives.tobytes(), certificate.tobytes()


@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_the_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, K, settings = CASES[name]
    y = labels(X, K)
    bits = []
    for threads in ("1", "2", "3", "2"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        assert as_rows(X, y).n_threads == int(threads)
        bits.append(fitted_bits(X, y, settings))
    assert bits[0] == bits[1] == bits[2] == bits[3]


def test_these_data_have_several_blocks() -> None:
    """Otherwise the test above could not fail."""
    for name, (X, _, _) in CASES.items():
        rows = as_rows(X, np.zeros(X.shape[0]))
        for precision in (np.float32, np.float64) if X.dtype.itemsize < 8 else (np.float64,):
            assert len(rows.at(precision).parts()) > 1 or name in ("csc, lbfgs", "sgd")


def test_scores_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    y = labels(WIDE, 3)
    model = LogisticRegression(tol=1e-2).fit(WIDE, y)
    scores = []
    for threads in ("1", "3"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        scores.append(model.decision_function(WIDE).tobytes())
    assert scores[0] == scores[1]


PROGRAM = """
import numpy as np
from polytome import LogisticRegression
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 600)).astype(np.float32)
y = (X[:, :3] + rng.gumbel(size=(2000, 3))).argmax(axis=1)
model = LogisticRegression(tol=1e-3).fit(X, y)
print(model.coef_.tobytes().hex()[:4000], model.intercept_.tobytes().hex())
"""


def test_bits_are_the_same_in_fresh_processes() -> None:
    """Other counts of threads from the start, of BLAS too, and another seed of hashes."""
    outputs = set()
    for threads, blas, seed in (("1", "1", "1"), ("3", "2", "2")):
        variables = {"POLYTOME_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": blas, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, **variables}, capture_output=True, text=True, check=True
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop()) > 4000


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5"])
def test_wrong_number_of_threads(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTOME_NUM_THREADS", text)
    with pytest.raises(ArgumentError, match=r"POLYTOME_NUM_THREADS.*positive whole number"):
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
