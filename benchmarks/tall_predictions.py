"""Predictions of a million rows of thirty columns, of two and of three classes: processor time of
ours and of scikit-learn with the same coefficients, in turns.

Run it with `python -m benchmarks.tall_predictions`; OPENBLAS_NUM_THREADS and POLYTOME_NUM_THREADS
set the threads.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

_ROWS, _COLUMNS, _REPEATS = 1_000_000, 30, 9
_FUNCTIONS = ("predict_proba", "predict_log_proba", "predict")


def main() -> None:
    """Print a line for each number of classes and each function."""
    from sklearn.linear_model import LogisticRegression as Theirs

    from polytome import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.standard_normal((_ROWS, _COLUMNS))
    for n_classes in (2, 3):
        few = rng.standard_normal((300, _COLUMNS))
        ours = LogisticRegression().fit(few, np.arange(300) % n_classes)
        theirs = Theirs()
        for name in ("classes_", "n_features_in_", "coef_", "intercept_"):
            setattr(theirs, name, getattr(ours, name))
        for function in _FUNCTIONS:
            spent: list[list[float]] = [[], []]
            for _ in range(_REPEATS):
                for model, mine in zip((ours, theirs), spent, strict=True):
                    mine.append(_seconds(getattr(model, function), X))
            mine, other = (1e3 * median(each) for each in spent)
            print(f"{n_classes} classes, {function}: {mine:.1f} ms, scikit-learn {other:.1f}: {other / mine:.2f} times")


def _seconds(call: Any, X: Any) -> float:
    began = time.process_time()
    call(X)
    return time.process_time() - began


if __name__ == "__main__":
    main()
