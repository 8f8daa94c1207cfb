from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

from polytome import OneVsOne
from polytome.errors import ArgumentError, DataError
from polytome.evaluation.explain import contributions, feature_names, largest_coefficients
from polytome.evaluation.flips import smallest_flips
from polytome.models.logistic import LogisticRegression
from polytome.tables.encoder import Column, Encoder

IRIS = load_iris()


def test_names_come_from_the_encoder_then_from_the_frame_then_from_positions() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target)
    assert feature_names(model) == ("feature_0", "feature_1", "feature_2", "feature_3")
    model = LogisticRegression().fit(pd.DataFrame(IRIS.data, columns=list("abcd")), IRIS.target)
    assert feature_names(model) == ("a", "b", "c", "d")
    columns = (Column("n", "number"), Column("c", "category", ("x", "y", "z")))
    model.encoder_ = Encoder(columns, None, "error", "error")
    assert feature_names(model) == ("n", "c=x", "c=y", "c=z")


def test_largest_coefficients_of_each_class() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target)
    model.coef_ = np.array([[1.0, -3.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 5.0, 0.5]])
    found = largest_coefficients(model, most=2)
    assert [(one.label, one.feature, one.value) for one in found] == [
        (0, "feature_1", -3.0),
        (0, "feature_3", 2.0),
        (2, "feature_2", 5.0),
        (2, "feature_0", -1.0),
    ]
    assert {one.odds_ratio for one in found} == {None}


def test_odds_ratio_multiplies_the_odds() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target == 2)
    X = IRIS.data[:1].copy()
    log_odds = model.decision_function(X)[0]
    for found in largest_coefficients(model):
        moved = X.copy()
        moved[0, int(found.feature.removeprefix("feature_"))] += 1
        assert np.isclose(np.exp(model.decision_function(moved)[0] - log_odds), found.odds_ratio)
        assert found.label is True


def test_an_odds_ratio_beyond_the_floats_is_infinite_without_a_warning() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target == 2)
    model.coef_ = np.array([[1e4, 0, 0, 0]])
    assert largest_coefficients(model)[0].odds_ratio == np.inf


COLUMNS = (Column("age", "number"), Column("colour", "category", ("blue", "green", "red")), Column("size", "number"))
ENCODER = Encoder(COLUMNS, None, "error", "error")


def three_classes(**settings):
    return LogisticRegression(**settings).fit(IRIS.data, IRIS.target_names[IRIS.target])


def with_record(model, X):
    model.training_ = SimpleNamespace(low=X.min(axis=0), mean=X.mean(axis=0), high=X.max(axis=0))
    return model


def coloured(n_classes, rng):
    """A model of a table with a category, and its encoded rows."""
    X = np.column_stack([rng.normal(40, 9, 120), np.eye(3)[rng.integers(3, size=120)], rng.normal(size=120)])
    scores = X @ (rng.normal(size=(5, n_classes)) * [[0.05], [2], [2], [2], [1]]) + rng.normal(size=(120, n_classes))
    model = LogisticRegression().fit(X, np.array(list("abcd"))[scores.argmax(axis=1)])
    model.encoder_ = ENCODER
    return model, X


@pytest.mark.parametrize("reference", [None, np.array([1.0, -2.0, 0.5, 3.0])])
def test_contributions_and_baseline_are_the_scores(reference):
    model = three_classes()
    found = contributions(model, IRIS.data, reference)
    assert found.labels == ("setosa", "versicolor", "virginica")
    assert found.values.shape == (150, 3, 4)
    np.testing.assert_allclose(found.scores, model.decision_function(IRIS.data), rtol=0, atol=1e-12)
    start = np.zeros(4) if reference is None else reference
    np.testing.assert_allclose(found.baseline, model.decision_function(start[None])[0], atol=1e-12)
    moved = IRIS.data[[7]].copy()
    moved[0, 2] = start[2]  # without its distance from the reference a feature adds nothing
    lost = model.decision_function(IRIS.data[[7]]) - model.decision_function(moved)
    np.testing.assert_allclose(found.values[7, :, 2], lost[0], atol=1e-12)


def test_two_classes_have_one_output_and_sparse_rows_the_same_contributions():
    model = LogisticRegression().fit(IRIS.data, IRIS.target == 2)
    found = contributions(model, IRIS.data)
    assert found.labels == (True,)
    np.testing.assert_allclose(found.scores[:, 0], model.decision_function(IRIS.data), atol=1e-12)
    np.testing.assert_array_equal(contributions(model, sparse.csr_array(IRIS.data)).values, found.values)


def test_the_reference_is_the_mean_of_training_where_it_is_recorded():
    model = with_record(three_classes(), IRIS.data)
    found = contributions(model, IRIS.data)
    np.testing.assert_array_equal(found.reference, IRIS.data.mean(axis=0))
    np.testing.assert_allclose(found.values.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("target", "pairs"),
    [
        (IRIS.target_names[IRIS.target], [("virginica", "setosa"), ("setosa", "versicolor")]),
        (IRIS.target == 2, [(True, False), (False, True)]),
    ],
)
def test_between_two_classes_the_contributions_are_those_to_their_log_odds(target, pairs):
    model = LogisticRegression().fit(IRIS.data, target)
    log_p = model.predict_log_proba(IRIS.data)
    for label, other in pairs:
        pair = contributions(model, IRIS.data).between(label, other)
        first, second = (model.classes_.tolist().index(one) for one in (label, other))
        assert (pair.labels, pair.classes) == ((label,), (other, label))
        np.testing.assert_allclose(pair.scores[:, 0], log_p[:, first] - log_p[:, second], atol=1e-9)
        again = pair.between(other, label)  # a pair is a model of two classes
        np.testing.assert_array_equal(again.values, -pair.values)


def test_levels_of_a_category_are_added_up(rng):
    model, X = coloured(4, rng)
    found = contributions(model, X, X.mean(axis=0))
    by_column = found.by_column(ENCODER)
    assert by_column.features == ("age", "colour", "size")
    np.testing.assert_allclose(by_column.values[:, :, 1], found.values[:, :, 1:4].sum(axis=2))
    np.testing.assert_allclose(by_column.scores, found.scores)
    assert np.isnan(by_column.reference).tolist() == [False, True, False]
    with pytest.raises(ArgumentError, match=r"encoder makes 1 features"):
        found.by_column(Encoder(COLUMNS[:1], None, "error", "error"))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_at_a_flip_two_scores_are_equal_and_around_it_the_classes_are_the_old_and_the_new(binary, recorded):
    names = IRIS.target_names[IRIS.target]
    model = LogisticRegression(C=10).fit(
        IRIS.data, np.where(names == "setosa", "versicolor", names) if binary else names
    )
    if recorded:
        with_record(model, IRIS.data)
    seen = 0
    for x in IRIS.data[::10]:
        old = model.predict(x[None])[0]
        flips = smallest_flips(model, x)
        assert [flip.feature for flip in sorted(flips)] == [f"feature_{j}" for j in range(4)]
        assert [flip.size for flip in flips] == sorted(flip.size for flip in flips)
        for flip in flips:
            j = int(flip.feature.removeprefix("feature_"))
            low, high = (IRIS.data.min(axis=0)[j], IRIS.data.max(axis=0)[j]) if recorded else (-1e6, 1e6)
            grid = np.repeat(x[None], 2001, axis=0)
            if flip.flipped is None:
                grid[:, j] = np.linspace(low, high, 2001)
                assert set(model.predict(grid)) == {old}
                assert (flip.label, flip.size) == (None, np.inf)
                continue
            seen += 1
            step = 1e-9 * (flip.flipped - x[j])
            around = np.repeat(x[None], 3, axis=0)
            around[:, j] = [flip.flipped - step, flip.flipped, flip.flipped + step]
            assert model.predict(around[[0, 2]]).tolist() == [old, flip.label]
            lead = np.sort(np.atleast_2d(model.predict_log_proba(around[[1]])))[0]
            assert abs(lead[-1] - lead[-2]) < 1e-9
            grid[:, j] = np.linspace(2 * x[j] - flip.flipped + step, flip.flipped - step, 2001)  # no nearer one
            grid = grid[(grid[:, j] >= low) & (grid[:, j] <= high)]
            assert set(model.predict(grid)) == {old}
            wanted = abs(flip.flipped - x[j]) / ((high - low) if recorded else 1)
            assert np.isclose(flip.size, wanted)
    assert seen > 15


def test_each_other_level_of_a_category_is_tried(rng):
    model, X = coloured(4, rng)
    seen = 0
    for x in X[:40]:
        old, flips = model.predict(x[None])[0], smallest_flips(model, x)
        reached = {flip.flipped: flip.label for flip in flips if flip.feature == "colour"}
        for number, level in enumerate(COLUMNS[1].levels):
            moved = x.copy()
            moved[1:4] = np.eye(3)[number]
            new = model.predict(moved[None])[0]
            assert (reached.get(level) == new) == (new != old)
            seen += new != old
        now = COLUMNS[1].levels[int(x[1:4].argmax())]
        assert {flip.value for flip in flips if flip.feature == "colour"} == {now}
    assert seen > 5


def test_a_row_outside_the_range_of_training_may_come_back_as_far_as_it_must():
    model = with_record(
        LogisticRegression(C=100).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]), np.array([[2.0], [3.0]])
    )
    crossing = float(-model.intercept_[0] / model.coef_[0, 0])
    (flip,) = smallest_flips(model, [0.0])
    assert np.isclose(flip.flipped, crossing)
    model.training_.low[:] = 1.6  # beyond the crossing: no value from here to the range's end changes the class
    assert smallest_flips(model, [3.0])[0].flipped is None


def test_only_so_many_flips_as_wanted_and_the_smallest_of_them():
    model = three_classes()
    assert smallest_flips(model, IRIS.data[60], most=2) == smallest_flips(model, sparse.csr_array(IRIS.data[[60]]))[:2]


def test_what_cannot_be_explained_is_refused():
    model = three_classes()
    with pytest.raises(DataError, match="NaN at row 0, column 1"):
        contributions(model, [[1.0, np.nan, 1.0, 1.0]])
    with pytest.raises(ArgumentError, match=r"reference has shape \(2,\): needs 4"):
        contributions(model, IRIS.data, [1.0, 2.0])
    with pytest.raises(ArgumentError, match="'rose' is not one of the classes 'setosa'"):
        contributions(model, IRIS.data).between("rose", "setosa")
    with pytest.raises(ArgumentError, match="x has 2 rows"):
        smallest_flips(model, IRIS.data[:2])
    with pytest.raises(ValueError, match="3 features"):
        smallest_flips(model, [1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match="OneVsOne, which has no score for each class"):
        smallest_flips(OneVsOne().fit(IRIS.data, IRIS.target), IRIS.data[0])


def flip_model(number):
    """A random model, its rows, and its encoder where it has a category: rows of ordinary, large
    and tiny columns."""
    rng = np.random.default_rng([7, number])
    n, K = 60, int(rng.choice([2, 2, 3, 6]))
    size = 10.0 ** rng.integers(-6, 7, 2)
    numbers = rng.normal(size=(n, 2)) * size + size * rng.choice([0, 3, 1000], 2)
    numbers[:, 1] = np.rint(numbers[:, 1])
    X = np.column_stack([numbers[:, 0], np.eye(3)[rng.integers(3, size=n)], numbers[:, 1]])
    scores = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-300) @ rng.normal(size=(5, K)) + rng.gumbel(size=(n, K))
    y = scores.argmax(axis=1)
    y[:K] = np.arange(K)
    model = LogisticRegression(scale="standard", C=float(rng.choice([0.01, 1, 100]))).fit(X, y)
    model.encoder_ = ENCODER
    if rng.random() < 0.7:
        with_record(model, X)
    return model, X


@pytest.mark.parametrize("number", range(40))
def test_each_flip_is_what_the_model_predicts_and_nothing_less_flips(number):
    model, X = flip_model(number)
    places = {"age": 0, "size": 4}
    for x in X[:8]:
        old = model.predict(x[None])[0]
        for flip in smallest_flips(model, x):
            if flip.feature == "colour":
                if flip.flipped is not None:
                    moved = x.copy()
                    moved[1:4] = np.eye(3)[["blue", "green", "red"].index(flip.flipped)]
                    assert (model.predict(moved[None])[0], flip.rounded) == (flip.label, flip.flipped)
                continue
            j = places[flip.feature]
            low, high = (
                (model.training_.low[j], model.training_.high[j]) if hasattr(model, "training_") else (-1e9, 1e9)
            )
            if flip.flipped is None:
                grid = np.tile(x, (200, 1))
                grid[:, j] = np.linspace(low, high, 200)
                assert set(model.predict(grid)) == {old}
                continue
            change, shown = flip.flipped - x[j], flip.rounded - x[j]
            assert abs(change) <= abs(shown) <= 1.01 * abs(change) + 1e-300
            after = np.tile(x, (2, 1))
            after[:, j] = flip.flipped, flip.rounded
            assert model.predict(after).tolist() == [flip.label] * 2
            assert flip.label != old
            before = np.tile(x, (201, 1))
            before[:, j] = x[j] + np.linspace(-1, 1, 201) * (1 - 1e-6) * change
            before = before[(before[:, j] >= low) & (before[:, j] <= high)]
            assert set(model.predict(before)) == {old}
            assert len(repr(flip.rounded)) <= len(repr(flip.flipped))


def test_on_the_boundary_the_least_step_flips():
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 2.0]], [0, 0, 1, 1])
    model.coef_, model.intercept_ = np.array([[2.0, 0.0]]), np.array([-3.0])
    first, second = smallest_flips(model, [1.5, 7.0])  # both classes have the score 0, and the first is predicted
    assert model.predict([[1.5, 7.0]]) == [0]
    assert 1.5 < first.flipped < 1.5 + 1e-13
    assert model.predict([[first.flipped, 7.0]]).tolist() == [first.label] == [1]
    assert (second.flipped, second.rounded) == (None, None)


def test_a_flip_is_told_in_as_few_digits_as_overshoot_it_by_a_hundredth():
    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    for start, threshold, shown in ((1100.0, 1525.14, 1526.0), (4.9, 4.89966, 4.899659), (-1.0, -1234.5, -1240.0)):
        direction = np.sign(threshold - start)
        model.coef_, model.intercept_ = np.array([[direction]]), np.array([-direction * threshold])
        (flip,) = smallest_flips(model, [start])
        assert flip.flipped == pytest.approx(threshold, rel=1e-12)
        assert flip.rounded == shown
