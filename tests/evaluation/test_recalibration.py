"""Corrected probabilities: the best temperature, tables that ascend, other shares of the classes,
and everything that reads probabilities of a model with a correction."""

from copy import copy

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.datasets import load_digits
from sklearn.isotonic import IsotonicRegression

from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.explain import contributions
from polytome.evaluation.flips import smallest_flips
from polytome.evaluation.metrics import evaluate
from polytome.evaluation.recalibration import class_weight_sentence, corrected_prior, recalibrate
from polytome.evaluation.settled import settled_rows
from polytome.export import to_c, to_onnx, to_sklearn, to_sql
from polytome.files.model_file import load
from polytome.files.sources import fit_source, hold_out, one_against_rest, open_source
from polytome.models.calibration import Calibration
from polytome.models.decision import DecisionRule
from polytome.models.logistic import LogisticRegression
from polytome.report.facts import objective_facts
from polytome.report.wording import prediction_sentences
from polytome.serve.descriptions import describe


@pytest.fixture(scope="module", params=[2, 3])
def noisy(request):
    """A model that is far too sure, and rows that it has not seen."""
    random, K = np.random.default_rng(0), request.param
    y = random.integers(0, K, 1500)
    X = random.normal(size=(len(y), 20))
    X[np.arange(len(y)), y] += 1
    model = LogisticRegression(C=np.inf).fit(X[:150], y[:150])
    return model, X[150:], y[150:], random.uniform(0.5, 2.0, len(y) - 150)


@pytest.fixture
def model(noisy):
    return copy(noisy[0])


def log_loss(scores, y, weight):
    return -np.average(special.log_softmax(scores, axis=1)[np.arange(len(y)), y], weights=weight)


def test_no_other_temperature_has_a_smaller_log_loss(noisy, model):
    _, X, y, weight = noisy
    logarithms = model.predict_log_proba(X)
    found = recalibrate(model, X, y, sample_weight=weight).calibration
    best = optimize.minimize_scalar(lambda t: log_loss(logarithms / np.exp(t), y, weight), (0, 1), tol=1e-10)
    assert found.temperature == pytest.approx(np.exp(best.x), rel=1e-5)
    assert found.temperature > 1.5
    model.calibration_ = found
    assert log_loss(model.predict_log_proba(X), y, weight) == pytest.approx(best.fun, rel=1e-9)


def test_a_weight_is_as_many_rows(noisy, model):
    _, X, y, _ = noisy
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    for method in ("temperature", "isotonic"):
        one = recalibrate(model, X, y, method=method, sample_weight=weight).calibration
        other = recalibrate(model, X[rows], y[rows], method=method).calibration
        assert one.temperature == pytest.approx(other.temperature, rel=1e-9)
        if method == "temperature":
            model.calibration_ = one
            expected = model.predict_proba(X)
            model.calibration_ = other
            assert np.allclose(expected, model.predict_proba(X), atol=1e-9)
            model.calibration_ = None


def test_tables_are_isotonic_regressions_and_never_certain(noisy, model):
    _, X, y, weight = noisy
    logarithms = model.predict_log_proba(X)
    model.calibration_ = recalibrate(model, X, y, method="isotonic", sample_weight=weight).calibration
    found, K = model.predict_proba(X), len(model.classes_)
    expected = np.empty_like(found)
    for k in range(K):
        ends = [logarithms[:, k].min(), logarithms[:, k].max()]
        x = np.append(logarithms[:, k], ends)
        happened = np.append(y == k, [True, False]).astype(float)
        w = np.append(weight, [weight.mean()] * 2)
        expected[:, k] = IsotonicRegression(out_of_bounds="clip").fit(x, happened, w).predict(logarithms[:, k])
    if K == 2:
        expected[:, 0] = 1 - expected[:, 1]
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=1e-12)
    far = 1e6 * np.vstack([np.eye(20), -np.eye(20)])
    extreme = model.predict_proba(far)
    assert (extreme > 1e-5).all()
    assert np.allclose(extreme.sum(axis=1), 1)
    assert np.array_equal(model.predict(X), model.classes_[found.argmax(axis=1)])
    assert np.allclose(np.exp(model.predict_log_proba(X)), found)


def test_what_is_said_of_a_correction_is_of_rows_it_was_not_learned_from(noisy, model):
    _, X, y, _ = noisy
    for method in ("temperature", "isotonic"):
        found = recalibrate(model, X, y, method=method)
        assert found.helps
        assert found.calibration_error_after.high < found.calibration_error_before.low
        before = evaluate(model, X, y)
        assert found.log_loss_before.value == pytest.approx(before.log_loss)
        assert found.calibration_error_before.value == pytest.approx(before.calibration_error)
        assert "gain" in str(found)
        assert found.to_json()["calibration"]["reason"].endswith("1,350 held-out rows")
    # Tables that learn noise lose on other rows, and it is said.
    model.calibration_ = recalibrate(model, X, y).calibration
    random = np.random.default_rng(2)
    honest = LogisticRegression().fit(X, y)
    few = random.choice(len(y), 60, replace=False)
    noise = recalibrate(honest, X[few], y[few], method="isotonic")
    assert noise.log_loss_after.value > noise.log_loss_before.value
    assert not noise.helps


@pytest.mark.parametrize("method", ["temperature", "isotonic", "shift"])
def test_a_file_keeps_it_and_other_readers_follow(noisy, model, tmp_path, method):
    _, X, y, _ = noisy
    K = len(model.classes_)
    plain, classes = model.predict_proba(X), model.predict(X)
    if method == "shift":
        model.calibration_ = Calibration(shift=np.linspace(-1, 1, K), reason="a test")
        expected = plain * np.exp(np.linspace(-1, 1, K))
        assert np.allclose(model.predict_proba(X), expected / expected.sum(axis=1, keepdims=True))
    else:
        model.calibration_ = recalibrate(model, X, y, method=method).calibration
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.calibration_.reason == model.calibration_.reason
    assert np.array_equal(again.coef_, model.coef_)
    assert again.certificate_ == model.certificate_
    if method == "temperature":
        assert np.array_equal(model.predict(X), classes)
    if method != "isotonic":
        assert np.allclose(contributions(model, X[:5]).scores, model.decision_function(X[:5]).reshape(5, -1))
        scores = model.decision_function(X)
        scores = np.column_stack([np.zeros(len(X)), scores]) if K == 2 else scores
        assert np.allclose(special.softmax(scores, axis=1), model.predict_proba(X))
        for flip in smallest_flips(model, X[0], most=3):
            row = X[0].copy()
            row[int(flip.feature.removeprefix("feature_"))] = flip.flipped
            assert model.predict(row[None])[0] == flip.label
        assert np.allclose(to_sklearn(model).predict_proba(X), model.predict_proba(X))
        assert to_onnx(model) is not None
        assert "calibration" in to_sql(model)
        assert "calibration" in to_c(model)
    else:
        for refuses in (to_sklearn, to_onnx, to_sql, to_c):
            with pytest.raises(ArgumentError, match="read from a table"):
                refuses(model)
        with pytest.raises(ArgumentError, match="calibration_ is a table"):
            smallest_flips(model, X[0])
    assert model.calibration_.sentence([0, 1, 2][:K]) == describe("m", model)["calibration"]
    assert "not part of the objective" in dict(objective_facts(model))["Calibration"]
    assert "before their correction" in " ".join(prediction_sentences(model, 0, 1)) or model.certificate_.strength == 0
    assert model.fit(X, y).calibration_ is None


def test_settled_rows_keep_the_class_of_corrected_probabilities():
    digits = load_digits()
    rough = fit_source(LogisticRegression(C=1e-4, tol=1e-3), open_source("digits"))
    exact = fit_source(LogisticRegression(C=1e-4, tol=1e-9), open_source("digits"))
    for calibration in (Calibration(temperature=3.0), Calibration(temperature=0.5, shift=np.linspace(0, 2, 10))):
        rough.calibration_ = exact.calibration_ = calibration
        settled = settled_rows(rough, digits.data)
        assert 0.1 < settled.mean() < 1
        assert np.array_equal(rough.predict(digits.data)[settled], exact.predict(digits.data)[settled])
    rough.calibration_ = recalibrate(rough, digits.data, digits.target, method="isotonic").calibration
    assert not settled_rows(rough, digits.data).any()
    said = " ".join(prediction_sentences(rough, 0, 1))
    assert "before their correction" in said
    assert "keep their class by the corrected probabilities" in said


def test_class_weights_are_taken_back_exactly():
    # Without features probabilities are the shares of the classes, as the weights make them.
    X, y = np.zeros((1000, 1)), np.array(["no"] * 970 + ["yes"] * 30)
    for weights, share in (("balanced", 0.5), ({"yes": 17.0}, 30 * 17 / (970 + 30 * 17))):
        weighted = LogisticRegression(class_weight=weights, tol=1e-12).fit(X, y)
        assert weighted.predict_proba(X)[0, 1] == pytest.approx(share)
        if weights == "balanced":
            with pytest.raises(ArgumentError, match="fitted to arrays: give training_shares"):
                corrected_prior(weighted, "training")
            weighted.calibration_ = corrected_prior(weighted, {"yes": 0.03}, training_shares={"yes": 0.5})
        else:
            weighted.calibration_ = corrected_prior(weighted, "training")
        assert weighted.predict_proba(X)[0, 1] == pytest.approx(0.03)


def test_shares_in_training_are_those_of_the_record_and_the_weights():
    rows = hold_out(one_against_rest(open_source("iris"), "virginica"), 0.2)
    plain = fit_source(LogisticRegression(), rows)
    assert class_weight_sentence(plain) == ""
    third = corrected_prior(plain, {"virginica": 1 / 3})
    assert np.allclose(third.shift, 0)
    weighted = fit_source(LogisticRegression(class_weight="balanced"), rows)
    assert "virginica 0.5 instead of 0.333" in class_weight_sentence(weighted)
    back = corrected_prior(weighted, "training")
    assert np.diff(back.shift)[0] == pytest.approx(-np.log(2))
    weighted.calibration_ = back
    assert class_weight_sentence(weighted) == ""
    smooth = fit_source(LogisticRegression(label_smoothing=0.3), rows)
    assert np.diff(corrected_prior(smooth, {"virginica": 0.7 / 3 + 0.15}).shift)[0] == pytest.approx(0, abs=1e-12)


def test_an_offset_is_divided_as_well():
    random = np.random.default_rng(0)
    X, offset = random.normal(size=(50, 2)), random.normal(size=50)
    y = (X[:, 0] + offset > 0).astype(int)
    model = LogisticRegression().fit(X, y, offset=offset)
    scores = model.decision_function(X, offset=offset)
    model.calibration_ = Calibration(temperature=4.0)
    assert np.allclose(model.decision_function(X, offset=offset), scores / 4)
    wide = model.offset_as_columns()
    assert np.allclose(wide.decision_function(np.column_stack([X, offset])), scores / 4)


def test_single_precision_stays_single():
    X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    y = (X[:, 0] + X[::-1, 1] > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    for method in ("temperature", "isotonic"):
        model.calibration_ = recalibrate(model, X, y, method=method).calibration
        assert model.predict_proba(X).dtype == model.coef_.dtype == np.float32


WRONG = [
    (lambda: Calibration(temperature=0.0), "temperature=0.0: needs a positive number"),
    (lambda: Calibration(temperature="hot"), "temperature='hot'"),
    (lambda: Calibration(shift=[1.0]), "shift has 1 numbers"),
    (lambda: Calibration(shift=[0.0, np.inf]), "shift holds inf"),
    (lambda: Calibration(table=[[1, -1, 0.5]], temperature=2.0), "stands alone"),
    (lambda: Calibration(table=[[1, -1, 0.0]]), "between 0 and 1"),
    (lambda: Calibration(table=[[1, -1, 0.5], [1, -2, 0.6]]), "do not ascend"),
    (lambda: Calibration(table=[[0, -1, 0.5], [2, -2, 0.6]]), "every class from 0"),
    (lambda: Calibration(table=[[1, -1]]), "table has 2 columns"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_corrections(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_what_cannot_be_learned_says_why(noisy, model):
    _, X, y, _ = noisy
    with pytest.raises(DataError, match="are 19 rows; a correction needs 20"):
        recalibrate(model, X[:19], y[:19])
    with pytest.raises(ArgumentError, match="method='platt'"):
        recalibrate(model, X, y, method="platt")
    with pytest.raises(DataError, match="every one of these rows is predicted correctly"):
        recalibrate(model, X, model.predict(X))
    with pytest.raises(DataError, match="not above those of others"):
        recalibrate(model, X, model.classes_[model.predict_proba(X).argmin(axis=1)])
    with pytest.raises(ArgumentError, match="no rows"):
        recalibrate(model)
    with pytest.raises(ArgumentError, match="is of 5 classes"):
        model.calibration_ = Calibration(shift=np.zeros(5))
    with pytest.raises(ArgumentError, match="give a Calibration"):
        model.calibration_ = 2.0
    for shares, message in (
        ({9: 0.5}, "9 is not one of the classes"),
        ({0: 1.5}, "needs a share between 0 and 1"),
        ("balanced", "shares='balanced'"),
        ("training", "without class weights"),
        (0.5, "needs a dict"),
    ):
        with pytest.raises(ArgumentError, match=message):
            corrected_prior(model, shares)
    if len(model.classes_) > 2:
        with pytest.raises(ArgumentError, match="lacks the class 2"):
            corrected_prior(model, {0: 0.3, 1: 0.3})
        with pytest.raises(ArgumentError, match=r"add up to 0\.9"):
            corrected_prior(model, {0: 0.3, 1: 0.3, 2: 0.3})
    else:
        model.decision_ = DecisionRule(threshold=0.2)
        with pytest.raises(ArgumentError, match="decides by a rule for its probabilities"):
            model.calibration_ = Calibration(temperature=2.0)


def test_a_damaged_correction_is_refused(tmp_path):
    import json

    from safetensors import safe_open
    from safetensors.numpy import save_file

    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    model.calibration_ = Calibration(shift=[0.0, 1.0])
    model.save(tmp_path / "m.safetensors")
    from polytome.files.model_file import checksum_of

    with safe_open(tmp_path / "m.safetensors", "numpy") as file:
        saved = json.loads(file.metadata()["polytome"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for wrong in ({"temperature": -1.0}, {"shift": [0.0]}, {"shift": [0.0, 1.0, 2.0]}, {"shift": "none"}):
        changed = saved | {"calibration": saved["calibration"] | wrong}
        changed["checksum"] = checksum_of(changed, tensors)
        save_file(tensors, tmp_path / "w.safetensors", {"polytome": json.dumps(changed)})
        with pytest.raises(FileError, match=r"w\.safetensors"):
            load(tmp_path / "w.safetensors")
