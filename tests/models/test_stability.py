"""Stability selection: known columns, its bound, its halves, threads, and being stopped."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from polytome import LogisticRegression, RegularizationPath, StabilitySelection
from polytome.errors import ArgumentError, DataError
from polytome.models.labels import hard_labels
from polytome.models.stability import _halves
from turns import TurnQueue


def simulated(seed, n_rows=120, n_columns=30, n_true=3, size=1.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns))
    X[:, 1:] += 0.5 * X[:, :-1]  # neighbours resemble each other
    scores = size * X[:, 5 : 5 + 8 * n_true : 8].sum(axis=1)
    return X, (scores + rng.logistic(size=n_rows) > 0).astype(int), np.arange(5, 5 + 8 * n_true, 8)


def test_known_columns_are_found_and_few_others():
    found, others = [], []
    for seed in range(2):
        X, y, true = simulated(seed, n_true=2)
        chosen = (
            StabilitySelection(n_pairs=8, scale="standard", n_strengths=25, tol=1e-3)
            .fit(X, y)
            .get_support(indices=True)
        )
        found.append(np.isin(true, chosen).mean())
        others.append(np.setdiff1d(chosen, true).size)
    assert np.mean(found) > 0.7
    assert np.mean(others) <= 1.0


def test_of_noise_no_more_is_selected_than_the_bound_says():
    n_selected = []
    for seed in range(4):
        X, y, _ = simulated(seed, n_rows=80, n_columns=20, size=0.0, n_true=1)
        chosen = StabilitySelection(n_pairs=5, threshold=0.6, max_false=2.0, n_strengths=25, tol=1e-3).fit(X, y)
        assert chosen.bound_ <= 2.0
        n_selected.append(chosen.get_support().sum())
    assert np.mean(n_selected) <= 2.0


def test_a_half_chooses_what_its_own_path_lets_in_first():
    X, y, _ = simulated(0)
    chosen = StabilitySelection(n_pairs=1, n_strengths=40, tol=1e-6).fit(X, y)
    counts = np.zeros(X.shape[1])
    for rows in _halves(hard_labels(y), np.ones(len(y)), 1, np.random.RandomState(0)):
        path = RegularizationPath(strengths=chosen.strengths_, tol=1e-6).fit(X[rows], y[rows])
        come_in = np.cumsum((path.coefs_ != 0).any(axis=1), axis=0) > 0
        few = np.flatnonzero(come_in.sum(axis=1) <= chosen.n_first_)[-1]
        counts += come_in[few]
    assert (chosen.frequencies_ == counts / 2).all()
    assert (np.diff(chosen.frequencies_along_, axis=0) >= 0).all()
    assert chosen.frequencies_.sum() <= chosen.n_first_


def test_halves_have_half_of_each_class_and_nothing_in_common():
    y = np.repeat([0, 1, 2], [11, 6, 2])
    weight = np.ones(len(y))
    weight[0] = 0.0
    halves = _halves(hard_labels(y), weight, 3, np.random.RandomState(1))
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert not np.intersect1d(one, other).size
        for half in (one, other):
            assert np.bincount(y[half]).tolist() == [5, 3, 1]
            assert 0 not in half
    assert not np.array_equal(halves[0], halves[2])


def test_threads_change_nothing_and_seeds_do():
    X, y, _ = simulated(1)
    one, two = (StabilitySelection(n_pairs=3, n_strengths=15, n_jobs=n).fit(X, y) for n in (1, 2))
    other = StabilitySelection(n_pairs=3, n_strengths=15, random_state=1).fit(X, y)
    assert (one.frequencies_along_ == two.frequencies_along_).all()
    assert not (one.frequencies_along_ == other.frequencies_along_).all()


def test_sparse_rows_and_more_classes():
    X, y, _ = simulated(2, n_columns=16, n_true=1)
    y = y + (X[:, 9] > 1)
    dense = StabilitySelection(n_pairs=2, n_strengths=15).fit(X, y)
    assert len(dense.classes_) == 3
    thin = StabilitySelection(n_pairs=2, n_strengths=15).fit(sparse.csr_matrix(X), y)
    assert (dense.frequencies_ == thin.frequencies_).all()


def test_rows_of_weight_0_are_not_there():
    X, y, _ = simulated(3, n_columns=16, n_true=1)
    kept = np.arange(len(y)) % 3 != 0
    weighted = StabilitySelection(n_pairs=2, n_strengths=15).fit(X, y, kept.astype(float))
    alone = StabilitySelection(n_pairs=2, n_strengths=15).fit(X[kept], y[kept])
    np.testing.assert_allclose(weighted.frequencies_, alone.frequencies_)


def test_it_is_a_selector_of_scikit_learn():
    X, y, true = simulated(0)
    chain = make_pipeline(StabilitySelection(n_pairs=4, n_strengths=20, scale="standard"), LogisticRegression()).fit(
        X, y
    )
    assert chain[0].transform(X).shape == (len(y), chain[-1].coef_.shape[1])
    assert np.isin(chain[0].get_support(indices=True), true).any()
    again = pickle.loads(pickle.dumps(chain[0]))
    assert (again.get_support() == chain[0].get_support()).all()
    assert clone(chain[0]).get_params() == chain[0].get_params()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_is_finished_is_kept_where_it_is_stopped(n_jobs, monkeypatch):
    monkeypatch.setattr("polytome.models.stability.SimpleQueue", TurnQueue)
    X, y, _ = simulated(4)
    whole = StabilitySelection(n_pairs=6, n_strengths=12, n_jobs=n_jobs)
    seen = []

    def stop(progress):
        seen.append(progress)
        return progress.done == 5

    with pytest.warns(UserWarning, match="of 6 pairs of half samples were finished"):
        part = clone(whole).set_params(callback=stop).fit(X, y)
    assert 1 <= part.n_pairs_done_ < 6
    assert [each.done for each in seen] == [1, 2, 3, 4, 5]
    assert seen[0].total == 12
    if n_jobs == 1:  # the finished pairs are the first ones
        first = clone(whole).set_params(n_pairs=part.n_pairs_done_).fit(X, y)
        assert (part.frequencies_ == first.frequencies_).all()
    with pytest.raises(KeyboardInterrupt, match="before one pair"):
        StabilitySelection(n_pairs=2, n_jobs=1, callback=lambda _: True).fit(X, y)


def test_ctrl_c_keeps_what_is_finished(monkeypatch):
    monkeypatch.setattr("polytome.models.stability.SimpleQueue", TurnQueue)
    X, y, _ = simulated(4)

    def interrupted(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="were finished"):
        part = StabilitySelection(n_pairs=6, n_strengths=12, n_jobs=1, callback=interrupted).fit(X, y)
    assert 2 <= part.n_pairs_done_ < 6


def test_the_bound_chooses_how_many_come_in():
    X, y, _ = simulated(0, n_columns=40)
    for threshold, max_false in ((0.6, 1.0), (0.75, 1.0), (0.9, 3.0), (1.0, 0.1)):
        chosen = StabilitySelection(n_pairs=1, threshold=threshold, max_false=max_false, n_strengths=5).fit(X, y)
        room = 40 * (2 * threshold - 1)
        assert chosen.bound_ == pytest.approx(chosen.n_first_**2 / room)
        assert chosen.bound_ <= max_false + 1e-12 < (chosen.n_first_ + 1) ** 2 / room


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"l1_ratio": 0.0}, "l1_ratio=0.0"),
        ({"l1_ratio": 1.5}, "l1_ratio=1.5"),
        ({"threshold": 0.5}, "threshold=0.5"),
        ({"threshold": "high"}, "threshold='high'"),
        ({"max_false": 0}, "max_false=0"),
        ({"max_false": 1e-9}, "no half sample could then choose any; needs at least 0.0667 "),
        ({"n_pairs": 0}, "n_pairs=0"),
        ({"n_strengths": 1}, "n_strengths=1"),
        ({"callback": 3}, "callback=3"),
        ({"tol": -1.0}, "tol"),
        ({"scale": "std"}, "scale"),
    ],
)
def test_settings_that_cannot_be_used(settings, said):
    X, y, _ = simulated(0)
    with pytest.raises(ArgumentError, match=said):
        StabilitySelection(**settings).fit(X, y)


def test_data_that_cannot_be_used():
    X, y, _ = simulated(0)
    once = y.copy()
    once[0] = 7
    with pytest.raises(DataError, match=r"class .*7.* has 1 row\(s\): two halves need at least two"):
        StabilitySelection().fit(X, once)
    with pytest.raises(DataError, match="one label per row"):
        StabilitySelection().fit(X, np.column_stack([1 - y, y]) * 0.8 + 0.1)
    with pytest.raises(DataError, match="only one class"):
        StabilitySelection().fit(X, np.zeros(len(y), int))
