"""What a user waits for before any arithmetic: the import, the command line, a small fit, one
row."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import prepared, restore
from benchmarks.predict import in_turns

_PROCESSES = 9
_FITS = 50
_CALLS = 2000


def measure_startup(data: Path | None, work: Path, limit: float) -> dict[str, Any]:
    """Medians in seconds."""
    programs = {
        "nothing": ["-c", "pass"],
        "import numpy, scipy": ["-c", "import numpy, scipy"],
        "import polytome": ["-c", "import polytome"],
        "import sklearn.linear_model": ["-c", "import sklearn.linear_model"],
        "polytome --help": ["-m", "polytome", "--help"],
    }
    calls = [lambda words=words: _finished(words) for words in programs.values()]
    processes = dict(zip(programs, in_turns(calls, _PROCESSES), strict=True))
    return {"processes": processes, "iris": _iris(data, work), "row": _one_row()}


def _finished(words: list[str]) -> None:
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


def _iris(data: Path | None, work: Path) -> dict[str, float]:
    """Seconds of whole fits with default options; of ours also those that the solver took."""
    from sklearn.linear_model import LogisticRegression as Theirs

    from polytome import LogisticRegression

    problem = restore(prepared("iris", data, work))
    ours, alone = LogisticRegression(), []

    def fit_ours() -> None:
        alone.append(ours.fit(problem.X, problem.y).history_[-1].seconds)

    theirs = {f"scikit-learn {name}": Theirs(solver=name) for name in ("newton-cholesky", "newton-cg", "lbfgs")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = [fit_ours, *(lambda model=model: model.fit(problem.X, problem.y) for model in theirs.values())]
        seconds = dict(zip(("polytome", *theirs), in_turns(calls, _FITS), strict=True))
    return {**seconds, "polytome, its solver alone": median(alone)}


def _one_row() -> dict[str, float]:
    """Seconds of `predict_proba` on one row of four columns."""
    from sklearn.linear_model import LogisticRegression as Theirs

    from polytome import LogisticRegression

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), np.arange(60) % 3
    models = {"polytome": LogisticRegression().fit(X, y), "scikit-learn": Theirs().fit(X, y)}
    calls = [lambda model=model: model.predict_proba(X[:1]) for model in models.values()]
    return dict(zip(models, in_turns(calls, _CALLS), strict=True))
