"""The benchmarks' decisions: which tolerance comes next, which run counts, what is said of it.
Nothing is timed."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import gpu
from benchmarks.datasets import Problem, gaussian, prepared, restore, store
from benchmarks.figures import draw_race, draw_scaling
from benchmarks.goals import GOALS, Goal
from benchmarks.ladder import (
    fastest_within,
    first_within,
    next_tolerance,
    ratio,
    runs_to_repeat,
    threads_to_try,
)
from benchmarks.measure import merged
from benchmarks.methods import Method, exact_objective
from benchmarks.peers import FITS, installed, warm_up
from benchmarks.references import PROVED, fingerprint, suboptimality, tightest
from benchmarks.report import page
from benchmarks.shapes import MODELS, SHAPES, loosest
from benchmarks.tables import fastest_table, number, race_table, rungs_table
from scipy import sparse

from polytome import LogisticRegression

OPTIONS = ("dtype", "layout", "threads", "reduction", "n_jobs")
ALL = {**SHAPES, **MODELS}
REFERENCES = json.loads((Path(__file__).parents[1] / "benchmarks" / "references.json").read_text())


def row(tol: float | None, distance: float, seconds: float = 1.0, library: str = "scikit-learn") -> dict[str, Any]:
    method = Method(library, "lbfgs", tol)
    return {
        "label": method.label,
        "method": {"library": library, "solver": "lbfgs", "tol": tol, **dict.fromkeys(OPTIONS)},
        "status": "ok",
        "limit": 60.0,
        "suboptimality": distance,
        "seconds": seconds,
        "peak_bytes": 2_000_000,
        "iterations": 7,
        "verdict": "converged",
    }


def ended(tol: float, limit: float) -> dict[str, Any]:
    return {**row(tol, math.nan), "status": f"> {limit:g} s", "limit": limit, "seconds": None}


def test_a_ladder_goes_down_by_tens_and_then_half_way_between_miss_and_hit() -> None:
    def distance(tol: float) -> float:
        return tol**2  # as that of a gradient near a minimum

    ladder = [row(1e-1, distance(1e-1))]
    while (tol := next_tolerance(ladder, (1e-4, 1e-6))) is not None:
        ladder.append(row(tol, distance(tol)))
    assert [one["method"]["tol"] for one in ladder] == [1e-1, 1e-2, 1e-3, 3e-2, 3e-3]


def test_far_from_the_minimum_a_ladder_takes_two_steps_at_once() -> None:
    assert next_tolerance([row(1e-1, 1e-1)], (1e-8,)) == 1e-3
    ladder = [row(1e-1, 1e-1), row(1e-3, 1e-9)]
    assert next_tolerance(ladder, (1e-8,)) == 1e-2
    assert next_tolerance([*ladder, row(1e-2, 1e-4)], (1e-8,)) == 3e-3


def test_a_ladder_whose_first_run_is_close_enough_goes_up() -> None:
    ladder = [row(1e-2, 1e-9)]
    assert next_tolerance(ladder, (1e-4,)) == 1e-1
    assert next_tolerance([*ladder, row(1e-1, 1e-2)], (1e-4,)) == 3e-2
    assert next_tolerance([*ladder, row(1e-1, 1e-2), row(3e-2, 1e-3)], (1e-4,)) is None
    assert next_tolerance([*ladder, row(1e-1, 1e-9), row(1.0, 1e-9)], (1e-4,)) is None


def test_a_ladder_ends_where_nothing_more_comes() -> None:
    assert next_tolerance([row(None, 1e-2)], (1e-4,)) is None
    stalled = [row(10.0**-power, 1e-3) for power in range(1, 5)]
    assert next_tolerance(stalled, (1e-4,)) is None
    assert next_tolerance(stalled[:3], (1e-4,)) == 1e-4
    assert next_tolerance([row(1e-13, 1e-3)], (1e-4,)) is None


def test_the_loosest_run_that_is_close_enough_counts() -> None:
    ladder = [row(1e-1, 1e-2), row(1e-3, 1e-8), row(1e-2, 1e-6), ended(1e-4, 5.0)]
    assert first_within(ladder, 1e-5) is ladder[2]
    assert first_within(ladder, 1e-7) is ladder[1]
    assert first_within(ladder, 1e-12) is None
    quick = [row(1e-4, 1e-6, seconds=0.5)]
    assert fastest_within([ladder, quick], 1e-5) is quick[0]
    assert fastest_within([ladder], 1e-12) is None


def test_a_ratio_is_the_fastest_peer_over_ours() -> None:
    ours = [row(1e-1, 1e-2, 0.1, "polytome"), row(1e-2, 1e-7, 0.5, "polytome")]
    also_ours = [row(1e-2, 1e-7, 0.1, "polytome")]
    slow, quick = [row(1e-3, 1e-7, 9.0)], [row(1e-3, 1e-7, 4.0, "glum")]
    everyone = [ours, also_ours, slow, quick]
    assert ratio(everyone, 1e-6, lambda _: True) == (8.0, True)
    assert ratio(everyone, 1e-6, lambda one: one["method"]["library"] == "scikit-learn") == (18.0, True)
    assert ratio(everyone, 1e-9, lambda _: True) is None
    assert ratio([ours], 1e-6, lambda _: True) is None


def test_where_no_peer_came_close_the_time_it_had_bounds_the_ratio() -> None:
    ours = [row(1e-2, 1e-7, 0.5, "polytome")]
    cut, failed = [row(1e-2, 1e-3, 4.0), ended(1e-3, 10.0)], [{**ended(1e-2, 10.0), "status": "failed: ValueError"}]
    stopped = [row(1e-2, 1e-3, 30.0)]
    assert ratio([ours, cut, failed, stopped], 1e-6, lambda _: True) == (20.0, False)
    assert ratio([ours, failed], 1e-6, lambda _: True) is None


def test_only_runs_that_may_decide_are_repeated() -> None:
    ours = [row(1e-2, 1e-7, 30.0, "polytome")]
    quick, slower, much_slower = [row(1e-2, 1e-7, 2.0)], [row(1e-2, 1e-7, 4.0)], [row(1e-2, 1e-7, 4.1)]
    assert runs_to_repeat([ours, quick, slower, much_slower], (1e-6,)) == [*quick, *slower]
    ours[0]["seconds"] = 10.0
    assert runs_to_repeat([ours, much_slower], (1e-6,)) == [*ours, *much_slower]


def test_repeats_are_merged_by_their_median() -> None:
    runs = [row(1e-2, 1e-7, seconds) for seconds in (3.0, 1.0, 2.0)]
    assert merged(runs)["seconds"] == 2.0
    assert merged(runs)["all_seconds"] == [3.0, 1.0, 2.0]
    assert merged([*runs, ended(1e-2, 5.0)])["status"] == "> 5 s"


def test_small_data_gets_one_thread_and_large_data_all() -> None:
    assert threads_to_try(1000) == (1,)
    assert threads_to_try(10_000_000) == (1, None)
    assert threads_to_try(100_000_000) == (None,)


@pytest.mark.parametrize("name", ALL)
def test_every_race_is_well_posed(name: str) -> None:
    shape = ALL[name]
    assert list(shape.targets) == sorted(shape.targets, reverse=True)
    assert {method.library for method in shape.ours} == {"polytome"}
    assert {peer.library for peer in shape.peers} <= set(FITS) - {"polytome"}
    assert len({peer.label for peer in shape.peers}) == len(shape.peers)
    assert all((loosest(peer) is None) == (peer.library == "statsmodels") for peer in shape.peers)
    assert all(method.reduction == shape.reduction for method in (*shape.ours, *shape.peers))


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_every_stored_minimum_belongs_to_a_race_and_is_proved(name: str) -> None:
    entry = REFERENCES[name]
    assert name in ALL
    assert entry["proved"] == pytest.approx(entry["gap"] / entry["objective"])
    assert entry["proved"] <= PROVED or name == "kdd99"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_reference_is_a_minimum(n_classes: int) -> None:
    problem = gaussian(200, 3, n_classes)
    entry = tightest(problem)
    assert entry["proved"] <= PROVED
    model = LogisticRegression(tol=1e-3).fit(problem.X, problem.y)
    W = np.vstack([model.coef_.T, model.intercept_])
    assert suboptimality(exact_objective(problem, W), entry) > 0
    assert suboptimality(entry["objective"] - 1e-17, entry) == 0
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = W + 0.01 * rng.standard_normal(W.shape)
        assert exact_objective(problem, moved) > entry["objective"] - entry["gap"]


def test_the_objective_is_that_of_scikit_learn_divided_by_its_factor() -> None:
    rng = np.random.default_rng(0)
    X, y, W = rng.integers(0, 256, (40, 3)).astype(np.uint8), np.arange(40) % 3, rng.standard_normal((4, 3))
    scores = X / 255 @ W[:-1] + W[-1]
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(40), y]
    expected = losses.mean() + (W[:-1] ** 2).sum() / (2 * 7.0 * 40)
    assert exact_objective(Problem("x", X, y, C=7.0, scale=255.0), W) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "saga"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_adapter_of_scikit_learn_finds_the_same_minimum(solver: str, n_classes: int) -> None:
    problem = gaussian(100, 2, n_classes)
    fitted = FITS["scikit-learn"](problem.X.astype(float), problem.y, problem.C, Method("scikit-learn", solver, 1e-9))
    assert suboptimality(exact_objective(problem, fitted.coefficients), tightest(problem)) < 1e-7
    assert fitted.verdict == "converged"


@pytest.mark.parametrize("reduction", ["one-vs-rest", "one-vs-one"])
def test_binary_models_of_both_libraries_have_the_same_minimum(reduction: str) -> None:
    problem = gaussian(120, 2, 3)
    entry = tightest(problem, reduction)
    for method in (Method("polytome", tol=1e-9), Method("scikit-learn", "newton-cg", 1e-9)):
        reduced = Method(method.library, method.solver, method.tol, reduction=reduction)
        fitted = FITS[method.library](problem.X.astype(float), problem.y, problem.C, reduced)
        assert suboptimality(exact_objective(problem, fitted.coefficients, reduction), entry) < 1e-8


def test_a_peer_is_given_the_form_that_it_prefers() -> None:
    pixels = Problem("x", np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([0, 1]), scale=255.0)
    assert Method("polytome").features(pixels) is pixels.X
    given = Method("PyTorch", dtype="float32").features(pixels)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, pixels.X / 255, rtol=1e-6)
    entries = sparse.csr_array(np.eye(3))
    entries.indices, entries.indptr = entries.indices.astype(np.int64), entries.indptr.astype(np.int64)
    words = Problem("y", entries, np.array([0, 1, 1]))
    assert Method("polytome").features(words).indices.dtype == np.int64
    assert Method("scikit-learn").features(words).indices.dtype == np.int32
    assert Method("adelie", layout="columns").features(words).flags.f_contiguous


def test_figures_can_be_drawn_again_to_the_same_bits(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ours = [row(1e-1, 1e-2, 0.1, "polytome"), row(1e-2, 0.0, 0.5, "polytome")]
    race = {"targets": [1e-4], "ladders": [ours, [row(1e-3, 1e-5, 4.0), ended(1e-4, 9)]]}
    points = [{"size": [100, 5, 2], "seconds": {"polytome": 0.1, "scikit-learn": None}}]
    for name in ("one", "two"):
        draw_race(race, tmp_path / name / "race.svg")
        draw_scaling(points, "rows", tmp_path / name / "rows.svg")
    for name in ("race.svg", "rows.svg"):
        text = (tmp_path / "one" / name).read_text()
        assert text == (tmp_path / "two" / name).read_text()
        assert "polytome" in text
        assert "<svg" in text


def test_a_library_that_is_not_there_is_known_to_be_missing() -> None:
    assert installed("scikit-learn")
    assert not installed("a-library-that-nobody-wrote")
    warm_up(Method("scikit-learn", "lbfgs", 1e-12), binary=True)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_problem_survives_being_stored(tmp_path: Path, form: str) -> None:
    problem = gaussian(20, 3, 2)
    if form == "sparse":
        problem = Problem("z", sparse.csr_array(problem.X), problem.y, C=2.0)
    store(problem, tmp_path / "z")
    again = restore(tmp_path / "z")
    assert fingerprint(again) == fingerprint(problem)
    assert (again.C, again.scale) == (problem.C, problem.scale)
    changed = again.X * (1 + 1e-6)
    others = (replace(again, C=3.0), replace(again, X=changed), replace(again, y=again.y[::-1]))
    assert all(abs(fingerprint(other) / fingerprint(problem) - 1) > PROVED for other in others)


def test_a_prepared_problem_is_made_once(tmp_path: Path) -> None:
    folder = prepared("iris", None, tmp_path)
    before = (folder / "X.npy").stat().st_mtime_ns
    assert prepared("iris", None, tmp_path) == folder
    assert (folder / "X.npy").stat().st_mtime_ns == before
    with pytest.raises(SystemExit, match="needs the data folder"):
        prepared("mnist", None, tmp_path)


def test_a_goal_says_whether_it_was_reached() -> None:
    def goal(value: tuple[float, bool] | None, more_is_better: bool = True) -> tuple[str, ...]:
        least, aim = (5, 10) if more_is_better else (10, 5)
        return Goal("work", least, aim, "×", lambda _: value, more_is_better).line({})

    assert goal(None)[-2:] == ("not measured", "")
    assert goal((4.0, True))[-2:] == ("4 ×", "no")
    assert goal((5.0, True))[-2:] == ("5 ×", "yes")
    assert goal((12.0, False))[-2:] == ("more than 12 ×", "the aim")
    assert goal((7.0, True), more_is_better=False)[-1] == "yes"
    assert goal((11.0, True), more_is_better=False)[-1] == "no"


def test_the_page_shows_each_method_and_every_run() -> None:
    ladders = [
        [row(1e-1, 1e-2, 0.1, "polytome"), row(1e-2, 1e-7, 0.5, "polytome")],
        [row(1e-3, 1e-5, 4.0), ended(1e-4, 9)],
    ]
    race = {
        "about": "flowers",
        "targets": [1e-4, 1e-6],
        "data": {"n_rows": 150, "n_features": 4, "n_classes": 3, "input_bytes": 4800},
        "reference": {"objective": 0.1925754440, "gap": 0.0, "proved": 1e-14, "how": "Newton"},
        "skipped": ["glum"],
        "ladders": ladders,
    }
    text = race_table(race)
    assert "| scikit-learn lbfgs | 4.00 | 8 | > 9 s |  | 1e-05 | 2 |" in text
    assert "| iris | 1e-06 | 0.500 | none |  | more than 18 |" in fastest_table({"iris": race})
    assert "| iris | 1e-04 | 0.500 | scikit-learn lbfgs | 4.00 | 8 |" in fastest_table({"iris": race})
    assert rungs_table(ladders).count("\n") == 2 + 4
    machine = {"cpu": "a processor", "cores": 2, "memory_gib": 24, "versions": {"Python": "3"}}
    shown = page({"machine": machine, "races": {"iris": race}})
    assert "Not installed, and so not measured: glum." in shown
    assert shown.count("| not measured |") == len(GOALS)
    assert "## Scaling" not in shown


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123456, "0.0123"), (1234.5, "1234"), (9.999, "10.00"), (None, "not reached")]
)
def test_numbers_have_three_digits_and_no_powers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_fits_to_rows_on_a_device_are_measured() -> None:
    torch = pytest.importorskip("torch")
    device = torch.device("cpu")
    X, y = gpu._made(gpu.Shape(400, 8, 3, "bfloat16"), device)
    limits = gpu._limits(device, small=True)
    found = gpu._measured("imagenet", X, y, device, limits, time.perf_counter() + 60)
    assert found["polytome"]["stop"] == "CERTIFIED"
    assert found["pass"].keys() == {"seconds", "by memory", "by operations", "times"}
    assert (found["rows"], found["columns"], found["dtype"]) == (400, 8, "torch.bfloat16")
    goal = found["polytome"]["objective"] + 1e-3
    peer = gpu._torch_lbfgs(X.float(), y, goal, limit=30.0)
    assert peer["reached"]
    assert peer["objective"] <= goal
