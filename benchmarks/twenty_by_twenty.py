"""Twenty columns and as few rows, of 2 to 10 classes, under every penalty: the steps to 1e-8.

    python -m benchmarks.twenty_by_twenty --seeds 40

Few rows in as many columns are what solvers that go class by class, or have a bound in the place of
the Hessian, need hundreds of steps for. C is drawn from 0.01 to 1000. Every fit has to be certified
in at most 20 steps; the ones that are not are printed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression

KINDS = ("squares", "lasso", "elastic net", "groups", "sparse groups", "signs", "boxes", "lasso with signs")
_TOL, _MOST_STEPS, _CLASSES = 1e-8, 20, range(2, 11)


def settings_of(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """The settings of one fit."""
    settings: dict[str, Any] = {"C": float(10 ** rng.uniform(-2, 3)), "tol": _TOL}
    if kind in ("lasso", "elastic net", "groups", "sparse groups", "lasso with signs"):
        settings["l1_ratio"] = float(rng.uniform(0.05, 0.95)) if kind == "elastic net" else 1.0
    if kind in ("groups", "sparse groups"):
        settings["groups"] = "classes" if rng.random() < 0.5 else (np.arange(20) // 4).tolist()
        settings["group_ratio"] = float(rng.uniform(0.1, 0.9)) if kind == "sparse groups" else 1.0
    if kind in ("signs", "lasso with signs"):
        settings["bounds"] = (0, None)
    if kind == "boxes":
        settings["bounds"] = np.sort(rng.normal(size=(20, 2)), axis=1)
    return settings


def data_of(seed: int, n_classes: int) -> tuple[Any, Any]:
    """Rows and labels: 20 rows of two and three classes, 40 of more."""
    found: tuple[Any, Any] = make_classification(
        n_samples=20 if n_classes < 4 else 40,
        n_features=20,
        n_informative=10,
        n_redundant=2,
        n_classes=n_classes,
        random_state=seed,
    )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the steps of each kind, and returns how many fits took more than there may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="how many data sets of each number of classes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    missed = 0
    for kind in given.kinds:
        steps, began, failed = [], time.process_time(), 0
        for seed in range(given.first, given.first + given.seeds):
            for n_classes in _CLASSES:
                settings = settings_of(kind, np.random.default_rng([KINDS.index(kind), seed, n_classes]))
                model = LogisticRegression(**settings).fit(*data_of(seed, n_classes))
                steps.append(int(model.n_iter_[0]))
                if not model.certificate_.holds or steps[-1] > _MOST_STEPS:
                    failed += 1
                    print(
                        f"MISSED: {kind}, seed {seed}, {n_classes} classes, {model.stop_.name}, {steps[-1]} steps, "
                        f"{ {name: value for name, value in settings.items() if name != 'bounds'} }",
                        flush=True,
                    )
        missed += failed
        print(
            f"{kind}: {len(steps):,} fits, {failed} missed; steps: median {np.median(steps):g}, at most {max(steps)}; "
            f"{(time.process_time() - began) / len(steps) * 1e3:.1f} ms each",
            flush=True,
        )
    return missed


if __name__ == "__main__":
    raise SystemExit(main() > 0)
