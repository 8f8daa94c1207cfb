"""The bits of a fit depend on neither the number of threads nor the time of day."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import polytome.native
from polytome import LogisticRegression
from polytome.errors import ArgumentError
from polytome.losses import Logistic
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.rows import as_rows
from polytome.solvers import LBFGS, DistinctRows, GradientDescent, Newton, StochasticGradientDescent, TemperedNewton

WIDE = np.random.default_rng(1).normal(size=(2400, 700))  # blocks of 748 rows in float64, 1497 in float32
TALL = np.random.default_rng(2).normal(size=(50_000, 6))  # blocks of 16,384 rows
TEXT = sparse.random_array((20_000, 300), density=0.05, random_state=np.random.default_rng(3), format="csr")


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
    "sgd, tall": (TALL, 2, {"solver": StochasticGradientDescent(batch_size=2500), "max_iter": 3}),
    "sgd, sparse": (TEXT, 3, {"solver": StochasticGradientDescent(batch_size=1000), "max_iter": 2}),
    "no penalty": (TALL, 3, {"C": np.inf}),
    "balanced": (TALL, 3, {"class_weight": "balanced"}),
}


def fitted_bits(X: object, y: np.ndarray, settings: dict[str, object]) -> tuple[bytes, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some cases are cut short
        return unwarned_bits(X, y, settings)


def unwarned_bits(X: object, y: np.ndarray, settings: dict[str, object]) -> tuple[bytes, ...]:
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


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads take turns as often as can be, so that one which another disturbs is disturbed."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("native", ["compiled", "numpy"])
@pytest.mark.parametrize("name", CASES)
def test_eight_threads_that_disturb_each_other_change_no_bit(
    name: str, native: str, busy_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native == "numpy":
        monkeypatch.setattr(polytome.native, "instruction_set", lambda: None)
    X, K, settings = CASES[name]
    X, settings = X[:20_000], {**settings, "max_iter": 2}
    y = labels(X, K)
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "1")
    want = fitted_bits(X, y, settings)
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "8")
    assert fitted_bits(X, y, settings) == want


def test_the_rate_of_stochastic_descent_minds_the_steepest_row_whoever_finds_it(
    busy_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(0).normal(size=(400_000, 2))
    rates = set()
    for threads in ("1", "8", "8", "8"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        objective = Objective(Logistic(), L2(1.0), as_rows(X, np.arange(len(X)) % 2))
        rates.add(next(StochasticGradientDescent().steps(objective, np.zeros((3, 1)))).rate)
    longest = (X * X).sum(axis=1).max() + 1
    assert len(rates) == 1
    assert rates.pop() == pytest.approx(1 / (0.25 * longest + 1), rel=1e-12)


def test_a_model_that_threads_share_predicts_the_same_bits(busy_threads: None) -> None:
    model = LogisticRegression(tol=1e-2).fit(WIDE, labels(WIDE, 3))
    want = model.predict_proba(WIDE).tobytes()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: model.predict_proba(WIDE).tobytes(), range(24))) == {want}


def test_a_fit_beside_other_fits_has_its_own_bits(busy_threads: None) -> None:
    X, y = TALL[:5000], labels(TALL[:5000], 3)
    settings = [{"solver": "lbfgs"}, {"solver": "newton"}, {"C": 0.1}, {"scale": "standard"}]
    want = [fitted_bits(X, y, each) for each in settings]
    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert list(pool.map(lambda each: unwarned_bits(X, y, each), 3 * settings)) == 3 * want


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
import polytome.native
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
