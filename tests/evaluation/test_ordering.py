"""Lists of the largest are the same on every machine: what differs by rounding alone is ordered by
name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from polytome import LogisticRegression
from polytome.evaluation.diagnosis import confidently_wrong_rows, confused_rows, largest_effects, least_certain_rows
from polytome.evaluation.explain import largest_coefficients
from polytome.evaluation.flips import smallest_flips
from polytome.evaluation.metrics import confused_pairs
from polytome.evaluation.ordering import largest
from polytome.files.training_record import record_training
from polytome.plots.coefficients import largest_signed

NAMES = ["tree", "ant", "pear", "bee", "oak", "fig", "cow"]


def noisy(values: np.ndarray, seed: int) -> np.ndarray:
    """The values as another machine might have computed them."""
    rng = np.random.default_rng(seed)
    return values * (1 + 4e-16 * rng.integers(-8, 9, size=np.shape(values)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 7, 9, None])
def test_noise_in_the_last_digits_changes_no_order(most: int | None, seed: int) -> None:
    values = np.array([0.3, 0.7, 0.3, 0.1, 0.3, 0.7, 0.1])
    want = [1, 5, 4, 2, 0, 3, 6]  # 0.7: ant, fig; 0.3: oak, pear, tree; 0.1: bee, cow
    assert largest(noisy(values, seed), most, NAMES).tolist() == want[:most]
    assert largest(noisy(values, seed), most).tolist() == [1, 5, 0, 2, 4, 3, 6][:most]


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 3e7, 1e300])
def test_values_that_differ_by_more_than_rounding_are_ordered_by_size(scale: float) -> None:
    values = scale * np.array([1.0, 1 + 1e-8, 1 + 2e-8, 1e-3, 1e-3 + 1e-11])
    assert largest(values, names=list("abcde")).tolist() == [2, 1, 0, 4, 3]


def test_random_values_come_as_a_plain_sort_has_them() -> None:
    values = np.random.default_rng(0).exponential(size=2000)
    assert largest(values).tolist() == np.argsort(-values).tolist()


def test_what_rounding_leaves_of_nothing_is_nothing() -> None:
    assert largest([1e-17, 2.0, 0.0, 3e-17], names=list("dcba")).tolist() == [1, 3, 2, 0]


def test_infinite_and_missing_values_have_their_places() -> None:
    values = [1.0, np.nan, np.inf, 0.0, 2.0, np.inf]
    assert largest(values).tolist() == [2, 5, 4, 0, 3, 1]
    assert largest(values, 1, list("zyxwvu")).tolist() == [5]
    assert largest([], 3).tolist() == []
    assert largest([0.0, 0.0], names=["b", "a"]).tolist() == [1, 0]


def test_a_chain_of_ties_has_one_order_whatever_it_starts_with() -> None:
    chain = np.exp(0.6e-9 * np.arange(7))  # each ties with its neighbours, the ends alone would not
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(7)
        found = largest(chain[order], names=[NAMES[j] for j in order])
        assert [NAMES[order[place]] for place in found] == sorted(NAMES)


def model_with(coefficients: np.ndarray) -> LogisticRegression:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-1, 1, size=(30, coefficients.shape[1])), columns=NAMES)
    X.iloc[:2] = [[-1.0], [1.0]] * np.ones(7)
    model = LogisticRegression().fit(X, np.arange(30) % 2)
    record = record_training(model, X, np.arange(30) % 2)
    model.training_ = replace(record, deviation=np.ones(len(NAMES)))  # or ties would be none
    model.coef_, model.intercept_ = coefficients, np.array([0.05])
    return model


@pytest.mark.parametrize("seed", range(4))
def test_lists_about_a_model(seed: int) -> None:
    coefficients = np.array([[0.3, -0.7, -0.3, 0.1, 0.3, 0.7, -0.1]])
    model = model_with(noisy(coefficients, seed))
    nothing = pd.DataFrame(np.zeros((1, 7)), columns=NAMES)
    want = ["ant", "fig", "oak", "pear", "tree", "bee", "cow"]
    for most in (1, 3, 4, 6):
        assert [found.feature for found in largest_coefficients(model, most)] == want[:most]
        assert [found.feature for found in largest_effects(model, most)[0]] == want[:most]
        assert [flip.feature for flip in smallest_flips(model, nothing, most)] == want[:most]
    # Those of the largest size first, then the largest value first and the most negative one last.
    shown = [NAMES[j] for j in largest_signed(model.coef_[0], 4, NAMES)]
    assert shown == ["fig", "oak", "pear", "ant"]


@pytest.mark.parametrize("seed", range(4))
def test_lists_about_rows(seed: int) -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.6, 0.2, 0.2], [0.25, 0.25, 0.5], [0.2, 0.6, 0.2], [0.25, 0.5, 0.25]])
    log_p = np.log(noisy(p, seed))
    found = least_certain_rows(np.zeros(5, int), log_p, most=2)
    assert [(each.row, each.predicted, each.runner_up) for each in found] == [(0, 0, 1), (2, 2, 0)]
    assert [each.row for each in confidently_wrong_rows(np.zeros(5, int), log_p)] == [3, 2, 4]
    log_p = np.log(noisy(np.tile([0.3, 0.7], (6, 1)), seed))
    assert [each.row for each in confused_rows(np.zeros(6, int), log_p, 0, 1, most=4)] == [0, 1, 2, 3]


def test_confusions_that_are_equally_frequent_come_in_the_order_of_the_classes() -> None:
    confusion = np.array([[5, 2, 3], [3, 4, 2], [2, 3, 6]])
    found = confused_pairs(confusion, np.array(["a", "b", "c"]), most=4)
    assert [(pair.true, pair.predicted) for pair in found] == [("a", "c"), ("b", "a"), ("c", "b"), ("a", "b")]
