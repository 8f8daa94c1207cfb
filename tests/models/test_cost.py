"""What a fit will cost: of rows in memory, of rows in files, and on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

from polytome import LogisticRegression, open_rows
from polytome.errors import ArgumentError, DataError
from polytome.models.cost import Workers, cost_of_fit, cost_on_paper
from polytome.objective import Objective
from polytome.solvers.memory import forecast


@pytest.fixture(autouse=True)
def few_made_rows_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is promised on paper holds whether the rows made up to be timed are many or few; and on
    a busy machine no trial is cut short."""
    monkeypatch.setattr("polytome.models.cost._MADE_ENTRIES", 2**17)
    monkeypatch.setattr("polytome.solvers.trial._MAX_SECONDS", 3600.0)


def test_few_rows_cost_what_their_fit_takes() -> None:
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(tol=1e-6, callback=lambda progress: True, verbose=1)
    cost = cost_of_fit(model, X, y)
    fitted = LogisticRegression(tol=1e-6).fit(X, y)
    assert cost.passes == (fitted.history_[-1].passes,) * 3
    assert cost.known_from == "a fit to all rows"
    assert (cost.n_rows, cost.n_features, cost.n_classes, cost.n_entries) == (1_797, 64, 10, 1_797 * 64)
    assert cost.n_bytes == X.nbytes
    assert not cost.is_read
    assert cost.reading_seconds is None
    assert cost.choice is not None
    assert str(cost.choice) == str(fitted.solver_)
    assert cost.seconds[0] == cost.seconds[1] == cost.seconds[2] > cost.own_seconds > 0
    assert cost.seconds[1] == pytest.approx(cost.passes[1] * cost.pass_seconds + cost.own_seconds)
    assert not hasattr(model, "coef_")


def test_weights_settings_and_soft_labels_count() -> None:
    X, y = load_iris(return_X_y=True)
    settings: dict[str, Any] = {"C": 100.0, "scale": "standard", "class_weight": {0: 2.0}, "fit_intercept": False}
    weight = np.linspace(0.5, 2.0, len(y))
    cost = cost_of_fit(LogisticRegression(**settings), X, y, weight)
    assert cost.passes[1] == LogisticRegression(**settings).fit(X, y, weight).history_[-1].passes
    soft = cost_of_fit(LogisticRegression(), X, np.full((len(X), 4), 0.25))
    assert soft.n_classes == 4


def test_more_rows_than_a_trial_has_give_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.solvers.trial._FIRST_ROWS", 500)
    monkeypatch.setattr("polytome.solvers.trial._ENOUGH_SECONDS", 0.0)
    X, y = load_digits(return_X_y=True)
    cost = cost_of_fit(LogisticRegression(), X, y)
    assert cost.known_from == "a fit to 500 of the rows"
    low, expected, high = cost.passes
    actual = LogisticRegression().fit(X, y).history_[-1].passes
    assert low <= actual <= high
    assert low < expected < high
    assert cost.seconds[0] < cost.seconds[1] < cost.seconds[2]


def test_rare_classes_and_rows_without_weight(rng: np.random.Generator, tmp_path: Path) -> None:
    X, y = rng.normal(size=(20_000, 5)), rng.integers(0, 2, 20_000)
    y[7_777], weight = 2, np.zeros(20_000)
    weight[5_000:8_000] = 1.0
    for settings in ({}, {"solver": "lbfgs"}):
        for weights in (None, weight):
            cost = cost_of_fit(LogisticRegression(**settings), X, y, weights)
            assert cost.n_classes == 3
            assert cost.passes[1] > 0
    rare = streamed(tmp_path, rare=True)
    assert cost_of_fit(LogisticRegression(), rare).n_classes == 3


def test_one_class_has_nothing_to_learn() -> None:
    cost = cost_of_fit(LogisticRegression(), [[0.0], [1.0]], [0, 1], [1.0, 0.0])
    assert cost.choice is None
    assert cost.seconds == (0.0, 0.0, 0.0)
    assert "nothing" in cost.bottleneck


def test_what_fit_refuses_is_refused() -> None:
    with pytest.raises(ArgumentError, match="C=-1"):
        cost_of_fit(LogisticRegression(C=-1), [[0.0], [1.0]], [0, 1])
    with pytest.raises(DataError, match="NaN at row 1"):
        cost_of_fit(LogisticRegression(), [[0.0], [np.nan]], [0, 1])


def streamed(folder: Path, n_rows: int = 3_000, rare: bool = False) -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    y = (X[:, 0] + rng.logistic(size=n_rows) > 0).astype(int)
    y[-1] = 2 if rare else 1
    table = {f"x{j}": X[:, j] for j in range(4)} | {"y": y}
    parquet.write_table(pyarrow.table(table), folder / "t.parquet", row_group_size=500)
    return open_rows(folder / "t.parquet", target="y")


def test_rows_in_files_are_read_in_each_pass(tmp_path: Path) -> None:
    table = streamed(tmp_path)
    cost = cost_of_fit(LogisticRegression(), table, workers=Workers(3, 1e6))
    assert cost.is_read
    assert cost.reading_seconds is not None
    assert cost.reading_seconds > 0
    assert cost.n_bytes == (tmp_path / "t.parquet").stat().st_size
    model = LogisticRegression().fit(table)
    assert cost.passes[0] <= model.history_[-1].passes <= cost.passes[2]
    assert cost.shared is not None
    assert cost.shared.workers.count == 3
    assert cost.shared.send_seconds == cost.shared.bytes_sent / 1e6
    assert cost.shared.pass_seconds == pytest.approx(
        cost.pass_seconds / 3 + cost.shared.send_seconds + cost.shared.add_seconds
    )


def test_the_memory_is_that_which_a_fit_is_held_to() -> None:
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression()
    cost = cost_of_fit(model, X, y)
    assert cost.choice is not None
    problem = model._problem(X, *_labels(y))
    assert problem.loss is not None
    from polytome.penalties import L2

    assert cost.memory == forecast(Objective(problem.loss, L2(1.0), problem.rows), cost.choice.solver)


def _labels(y: Any) -> Any:
    from polytome.models.labels import hard_labels

    return hard_labels(y), np.ones(len(y))


# 4.3e9 rows of 39 entries, but in few columns, which take less time to make up.
SHAPE: dict[str, Any] = {"n_rows": 4.3e9, "n_features": 1e4, "n_entries": 39, "n_bytes": 1e12}


def test_on_paper_the_bottleneck_is_named() -> None:
    model = LogisticRegression()
    alone = cost_on_paper(model, **SHAPE, memory=1e10)
    assert alone.is_read
    assert alone.n_rows == 4_300_000_000
    assert alone.reading_seconds == pytest.approx(1_000.0)
    assert alone.pass_seconds >= 1_000.0
    assert alone.bottleneck.startswith("memory")
    assert alone.memory > 1.7e10  # four bytes for each row
    slow_disk = cost_on_paper(model, **SHAPE, memory=1e13, disk=1e3, workers=Workers(2))
    assert slow_disk.is_read is False  # where it fits, nothing is read
    slow_disk = cost_on_paper(model, **SHAPE, memory=8e11, disk=1e3)
    assert slow_disk.bottleneck.startswith("disk")
    slow_network = cost_on_paper(model, **SHAPE, memory=2e10, workers=Workers(1_000, 1e5))
    assert slow_network.bottleneck.startswith("network")
    assert slow_network.shared is not None
    assert slow_network.shared.send_seconds == pytest.approx(1_000 * 8 * (1e4 + 1 + 1e4 + 2) / 1e5)


def test_more_workers_take_less_time_and_memory_each() -> None:
    model = LogisticRegression()
    few, many = (cost_on_paper(model, **SHAPE, memory=2e10, workers=Workers(count, 1e12)).shared for count in (10, 500))
    assert few is not None
    assert many is not None
    assert many.memory < few.memory
    assert many.pass_seconds < few.pass_seconds


def test_passes_on_paper_grow_with_the_digits_and_hold_known_fits() -> None:
    X, y = load_digits(return_X_y=True)
    found = []
    for tol in (1e-2, 1e-4, 1e-6):
        model = LogisticRegression(tol=tol)
        cost = cost_on_paper(model, n_rows=1_797, n_features=64, n_classes=10)
        low, _, high = cost.passes
        assert low <= model.fit(X, y).history_[-1].passes <= high
        found.append(cost.passes)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_rows": 1.5}, "rows=1.5"),
        ({"n_features": 0}, "columns=0"),
        ({"n_entries": 10}, "entries=10"),
        ({"n_entries": 0.0}, "entries=0"),
        ({"n_classes": 1}, "classes=1"),
        ({"disk": 0.0}, "disk=0.0"),
    ],
)
def test_shapes_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        cost_on_paper(LogisticRegression(), **{"n_rows": 100, "n_features": 5} | changes)


def test_workers_that_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="workers=0"):
        Workers(0)
    with pytest.raises(ArgumentError, match="bandwidth"):
        replace(Workers(1), bandwidth=float("nan"))


def test_absolute_values_on_paper_have_passes_of_their_own() -> None:
    shape: dict[str, Any] = {"n_rows": 10_000, "n_features": 20, "n_classes": 3, "workers": Workers(2)}
    plain, absolute = (cost_on_paper(LogisticRegression(l1_ratio=ratio), **shape) for ratio in (0.0, 0.5))
    assert absolute.passes == pytest.approx((1, 11, 25))
    assert type(absolute.choice.solver).__name__ == "ProximalNewton"
    assert absolute.shared.bytes_sent == plain.shared.bytes_sent  # both send a Hessian
