"""Penalty weights: scaled columns, unpenalised columns, exact minima, refusals, and what is said of
them."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression as Peer

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Stop, load
from polytome.certificates.unpenalised import Equations
from polytome.errors import ArgumentError
from polytome.files.sources import Source, fit_source, hold_out, open_source
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import WeightedL2
from polytome.report.facts import objective_facts
from polytome.rows import as_rows
from polytome.solvers import Newton, RowSpace, minimize

X, Y = load_iris(return_X_y=True)
WEIGHTS = np.array([2.0, 0.5, 1.0, 4.0])
FREE = np.array([1.0, 0.0, 2.0, 1.0])
SOLVERS = ("auto", "newton", "lbfgs", "dual", "gradient-descent")


def labels(n_classes):
    return Y if n_classes == 3 else (Y == 1).astype(int)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_what_scaled_columns_would_be(solver, n_classes):
    rows, y = (X - X.mean(axis=0)) / X.std(axis=0), labels(n_classes)  # the slow solvers end sooner
    model = LogisticRegression(penalty_weights=WEIGHTS, solver=solver, tol=1e-11).fit(rows, y)
    peer = Peer(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(rows / np.sqrt(WEIGHTS), y)
    assert model.stop_ is Stop.CERTIFIED
    assert_allclose(model.coef_ * np.sqrt(WEIGHTS), peer.coef_, atol=1e-5)
    assert_allclose(model.intercept_ - model.intercept_.mean() * (n_classes > 2), peer.intercept_, atol=1e-4)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("scale", [None, "standard", [1.0, 2.0, 0.5, 10.0]])
def test_weights_and_divisors_of_columns_go_together(kind, scale):
    given = {"tol": 1e-10, "scale": scale}
    weighted = LogisticRegression(penalty_weights=WEIGHTS, **given).fit(kind(X), Y)
    divisors = np.ones(4) if scale is None else X.std(axis=0) if scale == "standard" else np.array(scale)
    divided = LogisticRegression(tol=1e-10, scale=divisors * np.sqrt(WEIGHTS)).fit(kind(X), Y)
    assert_allclose(weighted.coef_, divided.coef_, rtol=1e-4, atol=1e-6)
    assert weighted.certificate_.objective == pytest.approx(divided.certificate_.objective, abs=1e-9)
    assert weighted.certificate_.coefficient_bound == pytest.approx(divided.certificate_.coefficient_bound, rel=0.5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_an_unpenalised_column_has_no_gradient_of_the_loss_left(solver, n_classes, fit_intercept):
    y = labels(n_classes)
    model = LogisticRegression(penalty_weights=FREE, solver=solver, tol=1e-7, fit_intercept=fit_intercept).fit(X, y)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.kind == "proof"
    step, along = 1e-5, np.eye(4)[1]

    def loss(change):
        scores = X @ (model.coef_ + change * along * np.arange(1, len(model.coef_) + 1)[:, None]).T + model.intercept_
        scores = scores if n_classes == 3 else np.hstack([np.zeros((150, 1)), scores])
        return np.mean(np.logaddexp.reduce(scores, axis=1) - scores[np.arange(150), y])

    assert abs(loss(step) - loss(-step)) / (2 * step) < 1e-4
    nearly = LogisticRegression(
        penalty_weights=np.where(FREE == 0, 1e-8, FREE), tol=1e-11, fit_intercept=fit_intercept
    ).fit(X, y)
    assert model.certificate_.objective - model.certificate_.gap <= nearly.certificate_.objective + 1e-12
    assert_allclose(model.predict_proba(X), nearly.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("weights", [WEIGHTS, FREE])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8, 1e-12])
def test_the_gap_is_no_smaller_than_the_excess_in_eighty_digits(weights, tol):
    exact_minimum = pytest.importorskip("exact_minimum").exact_minimum
    y = labels(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last tolerance is near what rounding lets through
        model = LogisticRegression(penalty_weights=weights, tol=tol).fit(X, y)
    best = exact_minimum(model, X, y, np.ones(150), np.sqrt(weights))
    coef = np.array([[float(w.mid()) for w in part] for part in best.W])
    loss = -sum(row[k] for row, k in zip(best.log_probabilities(X), y.tolist(), strict=True)) / 150
    squares = sum(w * w * float(c) for w, c in zip(best.W[0], weights, strict=True))
    least = float((loss + squares / 300).mid())
    assert model.certificate_.objective - least <= model.certificate_.gap * (1 + 1e-9) + 1e-16
    distance = np.sqrt((weights * (model.coef_ - coef) ** 2).sum())
    assert distance <= model.certificate_.coefficient_bound


@pytest.mark.filterwarnings("ignore:No finite coefficients are optimal")
def test_classes_that_an_unpenalised_column_tells_apart_are_certified_all_the_same():
    """The petals tell setosa from the others: no finite coefficients are optimal, and the proof
    needs none."""
    model = LogisticRegression(penalty_weights=[1, 0, 2, 0]).fit(X, Y)
    assert model.stop_ is Stop.CERTIFIED
    assert_allclose(model.predict_proba(X)[:50, 0], 1, atol=1e-4)


@pytest.mark.filterwarnings("ignore:No finite coefficients are optimal")
@pytest.mark.parametrize("model", [OneVsRest, OneVsOne, MultilabelLogistic])
def test_an_unpenalised_column_may_tell_apart_the_classes_of_one_output_alone(model):
    """The rows that are left in doubt are others for each output."""
    rng = np.random.default_rng(8)
    levels, y = rng.integers(0, 2, (40, 2)), rng.integers(0, 3, 40)
    levels[y == 0, 0], levels[y == 1, 1] = 1, 0
    y = np.eye(3)[y] if model is MultilabelLogistic else y
    fitted = model(penalty_weights=[0.0, 0.0, 1.0]).fit(np.column_stack([levels, rng.normal(size=40)]), y)
    assert fitted.stop_ is Stop.CERTIFIED


@pytest.mark.filterwarnings("ignore:No finite coefficients are optimal")
@pytest.mark.parametrize("model", [LogisticRegression, MultilabelLogistic])
def test_soft_labels_leave_an_unpenalised_column_to_tell_classes_apart(model):
    """Classes that soft labels give nothing are ruled out in some rows, where others stay in
    doubt."""
    rng = np.random.default_rng(9)
    level, y = rng.integers(0, 2, 30), rng.dirichlet(np.ones(3), 30)
    y[level == 1, 0] = 0.0
    y /= y.sum(axis=1, keepdims=True)
    fitted = model(penalty_weights=[0.0, 1.0], tol=1e-7).fit(np.column_stack([level, rng.normal(size=30)]), y)
    assert fitted.stop_ is Stop.CERTIFIED


def test_a_soft_label_that_is_met_exactly_is_still_in_doubt():
    X = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 0.0], [-1.0, 0.0]])
    objective = Objective(Logistic(), WeightedL2(0.1, [1.0, 0.0]), as_rows(X, np.full(4, 0.5), np.ones(4)))
    equations = Equations.at(objective, np.zeros(objective.shape), 1e-9)
    assert equations.places.tolist() == [1, 2]
    assert (equations.scales > 0).all()


def dependent(kind):
    """Columns without weight of which some are sums of others, and the weights of all."""
    levels = np.eye(3)[np.random.default_rng(0).integers(0, 3, 150)]
    more = {"twice": X[:, 1:2], "multiple": 2 * X[:, 1:2], "levels": levels, "constant": np.full((150, 1), 0.3)}
    found = np.hstack([X, more[kind]])
    return found, np.append([1.0, 0.0, 1.0, 1.0], np.zeros(found.shape[1] - 4))


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["twice", "multiple", "levels", "constant"])
def test_columns_without_weight_that_are_sums_of_others_are_proved(kind, fit_intercept, stored):
    both, weights = dependent(kind)
    for n_classes in (2, 3):
        y = labels(n_classes)
        model = LogisticRegression(penalty_weights=weights, fit_intercept=fit_intercept).fit(stored(both), y)
        assert model.stop_ is Stop.CERTIFIED
        # Of the penalised columns what depends adds nothing: a fit without it reaches the same.
        least = independent_fit(kind, fit_intercept, both, weights, y)
        assert abs(model.certificate_.objective - least.objective) <= model.certificate_.gap + least.gap


def independent_fit(kind, fit_intercept, both, weights, y):
    """The certificate without the columns that depend on others."""
    keep = {"twice": [], "multiple": [], "levels": [4, 5] if fit_intercept else [4, 5, 6]}
    chosen = [0, 1, 2, 3, *keep.get(kind, [] if fit_intercept else [4])]
    model = LogisticRegression(penalty_weights=weights[chosen], fit_intercept=fit_intercept, tol=1e-9)
    return model.fit(both[:, chosen], y).certificate_


@pytest.mark.parametrize("kind", ["twice", "multiple", "levels"])
def test_the_independent_check_confirms_it(kind):
    pytest.importorskip("flint", reason="python-flint is absent")
    from dataclasses import replace

    from polytome import verify

    both, weights = dependent(kind)
    for model in (LogisticRegression(penalty_weights=weights), OneVsRest(penalty_weights=weights)):
        found = verify(model.fit(both, labels(3)), both, labels(3))
        assert found.verdict == "confirmed", found.reasons
        model.certificate_ = replace(model.certificate_, gap=found.excess_at_least / 2 + 1e-18)
        assert verify(model, both, labels(3)).verdict == "refuted"


def test_columns_without_weight_that_depend_but_for_the_last_digit_are_proved_in_decimals():
    nearly = np.hstack([X, np.pi * X[:, 1:2]])
    model = LogisticRegression(penalty_weights=[1, 0, 1, 1, 0]).fit(nearly, labels(2))
    assert model.stop_ is Stop.CERTIFIED
    # With all digits the last column says what no multiple of the other does, and may help.
    alone = LogisticRegression(penalty_weights=[1, 0, 1, 1], tol=1e-9).fit(X, labels(2))
    assert model.certificate_.objective - model.certificate_.gap <= alone.certificate_.objective


def test_more_columns_without_weight_that_depend_in_another_way_end_honestly(monkeypatch):
    monkeypatch.setattr("polytome.certificates.decimal_proof._MAX_WORK", 0.0)  # as for more rows
    nearly = np.hstack([X, np.pi * X[:, 1:2]])
    with pytest.warns(UserWarning, match="penalty weight is 0 may tell some classes apart perfectly, or depend"):
        model = LogisticRegression(penalty_weights=[1, 0, 1, 1, 0]).fit(nearly, labels(2))
    assert model.stop_ is Stop.STALLED
    assert not model.certificate_.holds
    assert model.certificate_.gap >= model.certificate_.objective


def test_a_constant_column_without_weight_is_the_intercepts_own():
    wide = np.hstack([X, np.full((150, 1), 7.0)])
    model = LogisticRegression(penalty_weights=[1, 0, 1, 1, 0]).fit(wide, labels(2))
    assert model.stop_ is Stop.CERTIFIED
    other = LogisticRegression(penalty_weights=FREE * [1, 1, 0.5, 1]).fit(X, labels(2))
    assert model.certificate_.objective == pytest.approx(other.certificate_.objective, rel=1e-4)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne])
@pytest.mark.parametrize("weights", [WEIGHTS, FREE])
def test_several_binary_models_share_the_weights(kind, weights):
    model = kind(penalty_weights=weights, tol=1e-8).fit(X, Y)
    assert model.stop_ is Stop.CERTIFIED
    assert "sum_j w_j ||W_j||^2, w 4 given numbers" in str(model.objective_)
    if kind is OneVsRest:
        alone = LogisticRegression(penalty_weights=weights, tol=1e-9).fit(X, labels(2))
        assert_allclose(model.coef_[1], alone.coef_[0], atol=1e-3)


def test_labels_share_the_weights():
    table = np.stack([Y == 1, X[:, 0] > 5.8], axis=1).astype(int)
    both = MultilabelLogistic(penalty_weights=WEIGHTS, tol=1e-8).fit(X, table)
    alone = LogisticRegression(penalty_weights=WEIGHTS, tol=1e-9).fit(X, table[:, 0])
    assert_allclose(both.coef_[0], alone.coef_[0], atol=1e-4)


def test_ones_and_zeros_are_the_plain_ridge_and_no_penalty():
    plain, ones = LogisticRegression().fit(X, Y), LogisticRegression(penalty_weights=np.ones(4)).fit(X, Y)
    assert_array_equal(plain.coef_, ones.coef_)
    assert ones.objective_ == plain.objective_
    y = np.random.default_rng(0).integers(0, 2, 150)
    free, zeros = LogisticRegression(C=np.inf).fit(X, y), LogisticRegression(penalty_weights=np.zeros(4)).fit(X, y)
    assert_array_equal(free.coef_, zeros.coef_)
    assert zeros.certificate_ == free.certificate_


def test_weights_by_name_are_those_of_the_columns():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    named = LogisticRegression(penalty_weights={"b": 0.0, "c": 2.0}).fit(frame, Y)
    listed = LogisticRegression(penalty_weights=[1.0, 0.0, 2.0, 1.0]).fit(X, Y)
    assert_array_equal(named.coef_, listed.coef_)
    assert named.objective_ == listed.objective_
    with pytest.raises(ArgumentError, match="penalty_weights names 'e', which is not a column of X: it has 'a', 'b'"):
        LogisticRegression(penalty_weights={"e": 1.0}).fit(frame, Y)
    with pytest.raises(ArgumentError, match="X has no names of columns"):
        LogisticRegression(penalty_weights={"a": 1.0}).fit(X, Y)


TABLE = """age,town,"wage, net",label
20,a,1,no
30,b,2,yes
40,a,3,yes
50,c,1,no
60,b,3,yes
70,a,4,no
"""


def test_weights_by_name_are_those_of_all_features_of_a_tables_column(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    rows = open_source(str(tmp_path / "t.csv"), target="label")
    given = {"town": 3.0, "wage, net": 0.0}
    named = fit_source(LogisticRegression(penalty_weights=given), rows)
    listed = LogisticRegression(penalty_weights=[1, 3, 3, 3, 0]).fit(rows.X, rows.y)
    assert named.penalty_weights is given
    assert_array_equal(named.coef_, listed.coef_)
    assert named.objective_ == listed.objective_
    record = fit_source(LogisticRegression(penalty_weights=[1, 3, 3, 3, 0]), rows).training_
    assert_array_equal(named.training_.divisor, record.divisor)
    assert_array_equal(named.training_.centre_bounds, record.centre_bounds)
    named.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.penalty_weights == given
    assert again.objective_ == named.objective_
    assert "(town 3, wage, net 0; others 1)" in dict(objective_facts(again))["Penalty"]


@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne])
def test_a_fit_to_a_table_leaves_the_names_for_the_next_whatever_happens(kind, tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    rows = open_source(str(tmp_path / "t.csv"), target="label")
    model = kind(penalty_weights={"age": 0.0})
    for held_out in (0.2, 0.4):  # with other levels, and so another number of features
        fit_source(model, hold_out(rows, held_out))
        assert model.penalty_weights == {"age": 0.0}
    model.set_params(C=-1.0)
    with pytest.raises(ArgumentError, match="C=-1"):
        fit_source(model, rows)
    assert model.penalty_weights == {"age": 0.0}
    model.set_params(C=1.0)
    with pytest.raises(ArgumentError, match="X has no names of columns"):  # the last table's are no names of these
        model.fit(rows.X, rows.y)


@pytest.mark.parametrize(
    ("name", "near"),
    [("aeg", "; did you mean 'age'?"), ("town=a", "; did you mean 'town'?"), ("qqqq", "'town', 'wage, net'$")],
)
def test_a_name_that_no_column_has_is_refused_with_the_near_ones(name, near, tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    message = f"penalty_weights names {name!r}, which is not a column of X: it has 'age', .*{near.replace('?', '.')}"
    with pytest.raises(ArgumentError, match=message):
        fit_source(
            LogisticRegression(penalty_weights={name: 1.0}), open_source(str(tmp_path / "t.csv"), target="label")
        )
    with pytest.raises(ArgumentError, match="X has no names of columns"):
        fit_source(LogisticRegression(penalty_weights={name: 1.0}), Source("rows", X, Y))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -1.0, 1.0, 1.0], r"penalty_weights\[1\] is -1.0: needs 0 or a number"),
        ([1.0, np.nan, 1.0, 1.0], r"penalty_weights\[1\] is nan"),
        ([1.0, 1.0, np.inf, 1.0], r"penalty_weights\[2\] is inf"),
        ([1.0, 1.0, 1.0, 1e-300], r"penalty_weights\[3\] is 1e-300"),
        ([1.0, 1.0], r"penalty_weights has shape \(2,\), X has 4 columns"),
        ([[1.0] * 4], "penalty_weights=.*needs None, one number for each column"),
        ([[1.0], [1.0, 2.0]], "penalty_weights=.*needs None, one number for each column"),
        ("standard", "penalty_weights='standard'"),
        (2.0, "penalty_weights=2.0"),
        (["a"] * 4, "penalty_weights="),
        ({"a": -1.0}, r"penalty_weights\['a'\] is -1.0"),
        ({"a": "1"}, r"penalty_weights\['a'\] is '1'"),
        ({1: 1.0}, "penalty_weights has the key 1"),
    ],
)
@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest])
def test_weights_that_cannot_be_used_are_named(kind, weights, message):
    with pytest.raises(ArgumentError, match=message):
        kind(penalty_weights=weights).fit(X, Y)


def test_a_solver_that_needs_more_refuses_by_name():
    with pytest.raises(ArgumentError, match=r"dual coordinate ascent needs a penalty on every column.*column 1"):
        LogisticRegression(penalty_weights=FREE, solver="dual").fit(X, Y)
    with pytest.raises(ArgumentError, match="RowSpace needs a penalty that weighs all columns alike"):
        LogisticRegression(penalty_weights=WEIGHTS, solver=RowSpace(Newton())).fit(X, Y)


@pytest.mark.parametrize("weighted", [WEIGHTS, FREE])
def test_few_rows_of_many_columns_are_fitted_without_the_space_of_the_rows(rng, weighted):
    wide = rng.normal(size=(20, 300))
    y = (wide[:, 0] > 0).astype(int)
    weights = np.resize(weighted, 300) if weighted is WEIGHTS else np.append(0.0, np.ones(299))
    model = LogisticRegression(penalty_weights=weights).fit(wide + (weights == 0) * rng.normal(size=(20, 1)), y)
    assert model.stop_ is Stop.CERTIFIED


def test_the_settings_are_scikit_learns():
    model = LogisticRegression(penalty_weights=WEIGHTS)
    assert_array_equal(clone(model).penalty_weights, WEIGHTS)
    assert "penalty_weights" in LogisticRegression().get_params()
    fitted = model.fit(X, Y)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    before = fitted.coef_
    assert_array_equal(fitted.fit(X, Y).coef_, before)


@pytest.mark.parametrize("weights", [WEIGHTS, FREE, np.zeros(4), {"c": 3.0, "a": 0.0}, None])
def test_a_file_keeps_the_weights(tmp_path, weights):
    from polytome import load

    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    y = np.random.default_rng(0).integers(0, 2, 150)
    model = LogisticRegression(penalty_weights=weights).fit(frame, y)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.objective_ == model.objective_
    assert again.certificate_ == model.certificate_
    if isinstance(weights, dict) or weights is None:
        assert again.penalty_weights == weights
    else:
        assert_array_equal(again.penalty_weights, weights)
    assert_array_equal(again.fit(frame, y).coef_, model.coef_)


@pytest.mark.parametrize("weights", [WEIGHTS, FREE])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_independent_check_confirms_the_certificate(weights, n_classes):
    pytest.importorskip("flint", reason="python-flint is absent")
    from dataclasses import replace

    from polytome import verify

    y = labels(n_classes)
    model = LogisticRegression(penalty_weights=weights, scale="standard").fit(X, y)
    found = verify(model, X, y)
    assert found.verdict == "confirmed", found.reasons
    true = model.certificate_
    model.certificate_ = replace(true, gap=found.excess_at_least / 2 + 1e-18)
    assert verify(model, X, y).verdict == "refuted"
    model.certificate_, model.penalty_weights = true, np.where(weights == 1, 1.5, weights)
    assert verify(model, X, y).verdict == "refuted"


@pytest.mark.filterwarnings("ignore:No finite coefficients are optimal")
@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne])
def test_the_independent_check_has_a_bound_where_unpenalised_columns_tell_classes_apart(kind):
    pytest.importorskip("flint", reason="python-flint is absent")
    from polytome import verify

    model = kind(penalty_weights=[1, 0, 2, 0]).fit(X, Y)
    found = verify(model, X, Y)
    assert found.verdict == "confirmed", found.reasons


def test_settled_rows_and_the_record_of_training_know_the_weights():
    from polytome.evaluation.settled import settled_rows
    from polytome.files.training_record import record_training

    weighted = LogisticRegression(penalty_weights=WEIGHTS, tol=1e-8).fit(X, Y)
    divided = LogisticRegression(scale=np.sqrt(WEIGHTS), tol=1e-8).fit(X, Y)
    for model in (weighted, divided):
        model.training_ = record_training(model, X, Y)
    assert weighted.training_.could_change == divided.training_.could_change == 0
    assert_allclose(weighted.training_.divisor, divided.training_.divisor)
    assert settled_rows(weighted, X).sum() == settled_rows(divided, X).sum() > 0
    free = LogisticRegression(penalty_weights=FREE, tol=1e-8).fit(X, Y)
    free.training_ = record_training(free, X, Y)
    assert free.training_.could_change == 0
    assert free.training_.centre_bounds.shape == (0, 0)
    assert not settled_rows(free, X).any()


def test_the_report_says_the_weights():
    from polytome.report.facts import objective_facts

    facts = dict(objective_facts(LogisticRegression(penalty_weights=FREE).fit(X, Y)))
    assert "each times its column's weight (4 given numbers, 1 of them 0)" in facts["Penalty"]


@pytest.mark.parametrize("weights", [[1.0, 3.0, 0.25, 1.0], [1.0, 0.0, 1.0, 0.0]])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_coefficients_reach_below_what_is_proved(rng, weights, n_classes):
    """A certificate at any coefficients, near the minimum or not, is a lower bound of every value
    of the objective."""
    from polytome.certificates.certificate import certify

    rows = as_rows(X, labels(n_classes))
    objective = Objective(Logistic() if n_classes == 2 else Softmax(3), WeightedL2(0.05, weights), rows)
    best = minimize(objective, Newton(), tol=1e-12).coefficients
    least, _ = objective.value_and_gradient(best)
    for size in (1.0, 0.1, 1e-3, 1e-6, 0.0):
        W = objective.loss.canonical(best + size * rng.normal(size=best.shape))
        certificate, at = certify(objective, W, 1e-4)
        value, _ = objective.value_and_gradient(at)
        assert value - certificate.gap <= least * (1 + 1e-14)
        assert certificate.gap >= 0


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("constant", [0.0, -0.0])
def test_unpenalised_columns_without_an_equation_are_as_good_as_absent(make, n_classes, constant):
    """Columns of zeros without an intercept have no equation: there is nothing to solve, and
    nothing to pay for."""
    rows, y = np.array(X), np.arange(len(X)) % n_classes
    rows[:, [0, 2]] = constant
    model = LogisticRegression(penalty_weights=[0, 1, 0, 1], fit_intercept=False).fit(make(rows), y)
    without = LogisticRegression(fit_intercept=False).fit(rows[:, [1, 3]], y)
    assert model.stop_.name == without.stop_.name == "CERTIFIED"
    np.testing.assert_allclose(model.coef_[:, [1, 3]], without.coef_, rtol=1e-6, atol=1e-9)
    assert not model.coef_[:, [0, 2]].any()
    assert model.certificate_.objective - without.certificate_.objective <= model.certificate_.gap
    assert without.certificate_.objective - model.certificate_.objective <= without.certificate_.gap
