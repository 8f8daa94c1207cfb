"""Offsets and smoothed labels, as a user of `LogisticRegression` meets them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize

from polytome import LogisticRegression, PolytomeError, load, verify
from polytome.errors import DataError
from polytome.models.labels import Labels, smoothed


@pytest.fixture
def two(rng):
    """Features, labels of two classes, and an offset."""
    X, offset = rng.normal(size=(200, 3)), 2 * rng.normal(size=200)
    scores = X @ [1.0, -1.0, 0.5] + 0.3 + offset
    return X, np.where(rng.random(200) < 1 / (1 + np.exp(-scores)), "yes", "no"), offset


@pytest.fixture
def three(rng):
    """Features, labels of three classes, and an offset for each."""
    X, offset = rng.normal(size=(200, 3)), 2 * rng.normal(size=(200, 3))
    scores = X @ rng.normal(size=(3, 3)) + offset + rng.gumbel(size=(200, 3))
    return X, scores.argmax(axis=1), offset


def test_the_minimum_is_that_of_the_objective_written_down(two):
    X, y, offset = two
    weight = 1.0 + np.arange(200) % 3
    model = LogisticRegression(C=0.5, tol=1e-10).fit(X, y, sample_weight=weight, offset=offset)

    def objective(w):
        z = X @ w[:3] + w[3] + offset
        return weight @ (np.logaddexp(0, z) - (y == "yes") * z) + w[:3] @ w[:3]

    best = minimize(objective, np.zeros(4), tol=1e-12)
    assert_allclose(np.append(model.coef_, model.intercept_), best.x, atol=2e-5)
    assert_allclose(model.certificate_.objective, best.fun / weight.sum(), rtol=1e-9)
    assert "x_i W + b + o_i" in str(model.objective_)


@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 1.0, "C": 0.1}, {"C": np.inf}, {"fit_intercept": False}])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, lambda X: X.astype(np.float32)])
def test_an_offset_that_the_columns_can_express_moves_coefficients_alone(settings, form, three):
    """Beside the offset `X V` of a fit without a penalty the coefficients are less by V; with one,
    the penalty is of what is left."""
    X, y, _ = three
    V = np.array([[0.5, 0, 0], [0, -1, 0], [0, 0, 0.25]])
    settings = {"tol": 1e-9} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(**settings).fit(form(X), y, offset=X @ V)
        plain = LogisticRegression(**settings).fit(form(X), y, offset=np.zeros((200, 3)))
        usual = LogisticRegression(**settings).fit(form(X), y)
    assert model.certificate_.gap < 1e-4
    assert_allclose(plain.predict_proba(X, offset=np.zeros((200, 3))), usual.predict_proba(X), atol=2e-3)
    if settings.get("C") == np.inf:
        assert_allclose(model.predict_proba(X, offset=X @ V), usual.predict_proba(X), atol=1e-4)


def test_classes_without_weight_take_no_offset(three):
    X, y, offset = three
    weight = (y != 1).astype(float)
    model = LogisticRegression(tol=1e-9).fit(X, y, sample_weight=weight, offset=offset)
    others = LogisticRegression(tol=1e-9, C=2).fit(
        X[y != 1], y[y != 1] == 2, offset=(offset[:, 2] - offset[:, 0])[y != 1]
    )
    found = model.predict_proba(X, offset=offset)
    assert found[:, 1].max() < 1e-40  # whatever its offset
    assert_allclose(found[:, 2], others.predict_proba(X, offset=offset[:, 2] - offset[:, 0])[:, 1], atol=1e-4)


def test_predictions_add_the_offset_and_ask_for_it(two, three):
    for X, y, offset in (two, three):
        model = LogisticRegression().fit(X, y, offset=offset)
        assert model.needs_offset_
        scores = model.decision_function(X, offset=offset)
        zeros = np.zeros_like(offset)
        assert_allclose(scores - offset, model.decision_function(X, offset=zeros), atol=1e-12)
        assert_allclose(np.exp(model.predict_log_proba(X, offset=offset)), model.predict_proba(X, offset=offset))
        assert model.score(X, y, offset=offset) > model.score(X, y, offset=zeros)
        assert_array_equal(
            model.predict(X, offset=offset), model.classes_[model.predict_proba(X, offset=offset).argmax(1)]
        )
        for method in (model.predict, model.predict_proba, model.predict_log_proba, model.decision_function):
            with pytest.raises(DataError, match="was fitted with an offset, and these rows have none"):
                method(X)


def test_a_model_without_an_offset_adds_one_that_it_is_given(two):
    X, y, offset = two
    model = LogisticRegression().fit(X, y)
    assert not model.needs_offset_
    assert_allclose(model.decision_function(X, offset=0.7), model.decision_function(X) + 0.7)
    assert_allclose(model.decision_function(X, offset=offset), model.decision_function(X) + offset)


def test_recalibrating_the_intercept_alone(two):
    """A model's own scores as the offset, and nothing else to learn: the sums of labels are met."""
    X, y, offset = two
    model = LogisticRegression().fit(X[:50], y[:50], offset=offset[:50])
    scores = model.decision_function(X[50:], offset=offset[50:]) + 1.5
    fixed = LogisticRegression(penalty_weights=1e10 * np.ones(1)).fit(np.ones((150, 1)), y[50:], offset=scores)
    met = fixed.predict_proba(np.ones((150, 1)), offset=scores)[:, 1].sum()
    assert_allclose(met, (y[50:] == "yes").sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (np.zeros(199), r"offset has shape \(199,\): needs \(200,\)"),
        (np.zeros((200, 2)), r"offset has shape \(200, 2\): needs \(200,\)"),
        (np.r_[np.zeros(7), np.nan, np.zeros(192)], r"offset\[7\] = nan: offsets need finite numbers"),
        (np.r_[np.zeros(3), -np.inf, np.zeros(196)], r"offset\[3\] = -inf"),
        (["a"] * 200, "offset"),
    ],
)
def test_wrong_offsets_of_two_classes_are_named(offset, message, two):
    X, y, _ = two
    with pytest.raises(PolytomeError, match=message):
        LogisticRegression().fit(X, y, offset=offset)


def test_wrong_offsets_of_three_classes_are_named(three):
    X, y, offset = three
    with pytest.raises(DataError, match=r"needs \(200, 3\), a row of 3 numbers for each row"):
        LogisticRegression().fit(X, y, offset=offset[:, 0])
    offset[4, 2] = np.inf
    with pytest.raises(DataError, match=r"offset\[4, 2\] = inf"):
        LogisticRegression().fit(X, y, offset=offset)


def test_where_offsets_are_not_offered_it_is_said(two):
    X, y, offset = two
    with pytest.raises(PolytomeError, match="dual coordinate ascent does not know offsets"):
        LogisticRegression(solver="dual").fit(sparse.csr_array(X), y, offset=offset)
    model = LogisticRegression().fit(X, y, offset=offset)
    with pytest.raises(PolytomeError, match="only its fit knows the objective"):
        model.distance_to_batch(X, y)
    from polytome.export import to_sql

    with pytest.raises(PolytomeError, match=r"export model\.offset_as_columns\(\)"):
        to_sql(model)


@pytest.mark.parametrize("which", ["two", "three"])
def test_an_offset_in_columns_predicts_the_same_and_is_kept(which, tmp_path, request):
    X, y, offset = request.getfixturevalue(which)
    model = LogisticRegression(scale=[1.0, 2.0, 3.0], penalty_weights=[1.0, 0.5, 2.0]).fit(X, y, offset=offset)
    columns, width = offset.reshape(200, -1), 3 + offset.reshape(200, -1).shape[1]
    places = list(range(width))[1 : 1 + columns.shape[1]]
    wide = model.offset_as_columns(places=places)
    both = np.empty((200, width))
    both[:, places], both[:, [j for j in range(width) if j not in places]] = columns, X
    for found in (wide, _again(wide, tmp_path)):
        assert not found.needs_offset_
        assert found.offset_columns_ == tuple(places)
        assert_allclose(found.predict_proba(both), model.predict_proba(X, offset=offset))
        assert found.certificate_ == model.certificate_
    kept = _again(model, tmp_path)
    assert kept.needs_offset_
    assert_array_equal(kept.predict_proba(X, offset=offset), model.predict_proba(X, offset=offset))
    with pytest.raises(PolytomeError, match="without an offset, or has it in columns already"):
        wide.offset_as_columns()


@pytest.mark.parametrize("groups", [None, "classes", "columns", [0, 0, 1], ["b", "a", "b"]], ids=str)
@pytest.mark.parametrize("which", ["two", "three"])
def test_zeros_and_groups_beside_an_offset_in_columns_are_kept_and_confirmed(which, groups, tmp_path, request):
    X, y, offset = request.getfixturevalue(which)
    model = LogisticRegression(C=0.03, l1_ratio=1.0, groups=groups).fit(X, y, offset=offset)
    assert model.proved_zero_.any()
    columns = offset.reshape(200, -1)
    places = list(range(1, 1 + columns.shape[1]))
    wide = model.offset_as_columns(places=places)
    both = np.hstack([X[:, :1], columns, X[:, 1:]])
    for each in (wide, _again(wide, tmp_path)):
        found = verify(each, both, y)
        assert found.verdict == "confirmed", found.reasons
        assert found.confirmed_zeros == model.proved_zero_.sum()
    wide.proved_zero_ = np.ones_like(wide.proved_zero_)
    with pytest.raises(DataError, match="proved_zero_ has columns of the offset"):
        verify(wide, both, y)
    with pytest.raises(PolytomeError, match="proved_zero has columns of the offset"):
        wide.save(tmp_path / "other.safetensors")


def _again(model, folder):
    model.save(folder / "model.safetensors")
    return load(folder / "model.safetensors")


def test_names_of_offset_columns(two):
    pandas = pytest.importorskip("pandas", reason="pandas is absent")
    X, y, offset = two
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    wide = LogisticRegression().fit(frame, y, offset=pandas.Series(offset)).offset_as_columns(["exposure"], [0])
    assert list(wide.feature_names_in_) == ["exposure", "a", "b", "c"]
    frame.insert(0, "exposure", offset)
    assert len(wide.predict(frame)) == 200
    with pytest.raises(PolytomeError, match="has a column of this name already"):
        LogisticRegression().fit(frame, y, offset=offset).offset_as_columns(["exposure"])


def test_a_new_fit_forgets_the_offset(two):
    X, y, offset = two
    model = LogisticRegression().fit(X, y, offset=offset).offset_as_columns()
    model.fit(X, y)
    assert not model.needs_offset_
    assert not hasattr(model, "offset_columns_")
    assert len(model.predict(X)) == 200


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_smoothed_labels_are_soft_ones(share, two, three):
    for X, y, _ in (two, three):
        classes, codes = np.unique(y, return_inverse=True)
        soft = (1 - share) * np.eye(len(classes))[codes] + share / len(classes)
        weight = 1.0 + np.arange(200) % 3
        model = LogisticRegression(label_smoothing=share).fit(X, y, sample_weight=weight)
        same = LogisticRegression().fit(X, soft, sample_weight=weight)
        assert_allclose(model.coef_, same.coef_, rtol=1e-9)
        assert model.certificate_.null_objective == pytest.approx(same.certificate_.null_objective, rel=1e-12)
        assert list(model.classes_) == list(classes)
        again = smoothed(Labels(classes, soft), share).target
        assert_allclose(again, (1 - share) * soft + share / len(classes))


def test_smoothed_labels_are_never_separated():
    X, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    model = LogisticRegression(C=np.inf, label_smoothing=0.2).fit(X, y)
    assert model.certificate_.holds
    assert model.separation_ is None
    assert "y_i being 0.8 times the label plus 0.2/2 for each class" in str(model.objective_)


def test_class_weights_count_the_labels_as_they_are(two):
    X, y, _ = two
    smooth = LogisticRegression(label_smoothing=0.1, class_weight="balanced").fit(X, y)
    weight = np.where(y == "yes", 100 / (y == "yes").sum(), 100 / (y == "no").sum())
    same = LogisticRegression(label_smoothing=0.1).fit(X, y, sample_weight=weight)
    assert_allclose(smooth.coef_, same.coef_, rtol=1e-6)


@pytest.mark.parametrize("share", [1.0, -0.1, np.nan, "a", None, True, 2])
def test_wrong_label_smoothing_is_named(share, two):
    X, y, _ = two
    with pytest.raises(PolytomeError, match=r"label_smoothing=.*: needs a number from 0, and below 1"):
        LogisticRegression(label_smoothing=share).fit(X, y)


def test_partial_fit_does_not_smooth(two):
    X, y, _ = two
    with pytest.raises(PolytomeError, match="partial_fit learns labels as they are"):
        LogisticRegression(label_smoothing=0.1).partial_fit(X, y)


@pytest.mark.parametrize(
    "settings", [{}, {"label_smoothing": 0.1}, {"l1_ratio": 1.0}, {"penalty_weights": [0.0, 1, 1]}]
)
def test_verify_confirms_offsets_and_smoothing(settings, two, three):
    pytest.importorskip("flint", reason="python-flint is absent")
    from polytome import verify

    for X, y, offset in (two, three):
        X, y, offset = X[:40], y[:40], offset[:40]
        model = LogisticRegression(**settings).fit(X, y, offset=offset)
        assert verify(model, X, y, offset=offset).verdict == "confirmed"
        assert verify(model, X, y, offset=1.2 * offset).verdict == "refuted"
        wide = model.offset_as_columns()
        assert verify(wide, np.column_stack([X, offset]), y).verdict == "confirmed"
        with pytest.raises(DataError, match="the model was fitted with one; give that"):
            verify(model, X, y)
