"""`partial_fit` on MNIST in batches of 100, beside SGDClassifier and river, and how far from the
batch optimum it ends.

    python -m benchmarks.partial_fit --data DIR [--parts ours sorted sgd river] [--passes 20]

One line of JSON for each row of the table. `sgd` tries a grid of learning rates, with and without
averages, and `river` a few optimisers with a grid of their rates, each once over the data; of each
the best on the test rows is what ours is compared with. river is installed by `pip install river`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from polytome import LogisticRegression, load_dataset
from polytome.tables.datasets import Dataset

_BATCH = 100
_SHOWN_PASSES = (1, 2, 3, 5, 10, 15, 20)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partial_fit", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTOME_DATA"), help="folder of the real data")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--keep-rows", type=int, default=0, help="how many rows our model may keep")
    args = parser.parse_args()
    if args.data is None:
        raise SystemExit("name the data folder with --data DIR or POLYTOME_DATA")
    data = load_dataset("mnist", Path(args.data))
    for part in args.parts:
        own = {"keep_rows": args.keep_rows} if part in ("ours", "sorted") else {}
        for line in PARTS[part](data, args.passes, **own):
            print(json.dumps({"part": part} | line), flush=True)


def measure_ours(data: Dataset, passes: int, order: str = "shuffled", keep_rows: int = 0) -> Iterator[dict[str, Any]]:
    """Test loss and proved distance after some of the passes."""
    X, y = data.X, np.asarray(data.y)
    rows = np.argsort(y, kind="stable") if order == "sorted" else np.random.default_rng(0).permutation(len(y))
    model, seconds = LogisticRegression(scale=255.0), 0.0
    for number in range(1, passes + 1):
        began = time.process_time()
        for start in range(0, len(y), _BATCH):
            batch = rows[start : start + _BATCH]
            model.partial_fit(X[batch], y[batch], keep_rows=keep_rows)
        seconds += time.process_time() - began
        if number in _SHOWN_PASSES or number == passes:
            proved = model.distance_to_batch(X, y)
            yield {
                "passes": number,
                "order": order,
                "kept": model.state_.n_kept,
                "test_loss": log_loss(data.y_test, model.predict_proba(data.X_test)),
                "objective": proved.objective,
                "proved": proved.relative_gap,
                "seconds": round(seconds, 1),
            }


def measure_sgd(data: Dataset, passes: int) -> Iterator[dict[str, Any]]:
    """One pass of each setting of a grid."""
    X, y = data.X / 255.0, np.asarray(data.y)
    rows, classes = np.random.default_rng(0).permutation(len(y)), np.unique(y)
    for rate in (0.003, 0.01, 0.03, 0.1):
        for average in (False, True):
            model = SGDClassifier(
                loss="log_loss", learning_rate="constant", eta0=rate, alpha=1 / len(y), average=average, random_state=0
            )
            for start in range(0, len(y), _BATCH):
                batch = rows[start : start + _BATCH]
                model.partial_fit(X[batch], y[batch], classes=classes)
            loss = log_loss(data.y_test, model.predict_proba(data.X_test / 255.0))
            yield {"rate": rate, "average": average, "test_loss": loss}


def measure_river(data: Dataset, passes: int) -> Iterator[dict[str, Any]]:
    """One pass of each setting of a grid, row by row, as river learns."""
    from river import linear_model, optim

    y, test = np.asarray(data.y), np.asarray(data.X_test, dtype=np.float64) / 255.0
    order, classes = np.random.default_rng(0).permutation(len(y)), np.unique(y)
    settings = [(optim.SGD, 0.01), (optim.SGD, 0.003), (optim.AdaGrad, 0.03), (optim.Adam, 0.001)]
    for optimiser, rate in settings:
        model = linear_model.SoftmaxRegression(optimizer=optimiser(rate))
        for row in order:
            pixels = np.flatnonzero(data.X[row])
            model.learn_one(
                dict(zip(pixels.tolist(), (data.X[row, pixels] / 255.0).tolist(), strict=True)) | {-1: 1.0}, y[row]
            )
        weights = np.zeros((785, len(classes)))
        for k, label in enumerate(classes):
            for pixel, weight in model.weights[label].items():
                weights[pixel, k] = weight
        scores = test @ weights[:-1] + weights[-1]
        probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        yield {"optimiser": optimiser.__name__, "rate": rate, "test_loss": log_loss(data.y_test, probabilities)}


PARTS = {
    "ours": measure_ours,
    "sorted": lambda data, passes, keep_rows: measure_ours(data, passes, "sorted", keep_rows),
    "sgd": measure_sgd,
    "river": measure_river,
}


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
