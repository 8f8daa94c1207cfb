"""The independent checker: its mathematics against mpmath, its verdicts on true and false
certificates."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

pytest.importorskip("flint", reason="python-flint is absent")

from flint import arb, arb_mat

from commands import done, run
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Perceptron, load_dataset, verify
from polytome.errors import ArgumentError, DataError, MissingExtraError
from polytome.export import from_sklearn, from_torch
from polytome.verification.ball_newton import newton, zero_start
from polytome.verification.exact_data import precision
from polytome.verification.exact_problem import exact_problem
from refuter import KINDS, make_case, problem_of
from refuter import fit as fit_case

mpmath.mp.dps = 40
OUTLIER = np.array([[2.3], [0.5], [1.0], [0.3], [-0.5], [1.9], [1e10], [-1.0]]), [0, 1, 0, 1, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def iris():
    return load_dataset("iris")


def _claiming(model, **changes):
    """The model with another certificate."""
    model.certificate_ = replace(model.certificate_, **changes)
    return model


def _point(model):
    return arb_mat(np.asarray(model.coef_, float).T.tolist()), [arb(b) for b in np.ravel(model.intercept_).tolist()]


def _softmax_objective(X, y, weight, C, W, b):
    """The documented objective, term by term in 40 digits."""
    total = sum(mpmath.mpf(s) for s in weight)
    loss = mpmath.mpf(0)
    for x, label, s in zip(X.tolist(), y, weight, strict=True):
        z = [
            sum(mpmath.mpf(w) * mpmath.mpf(v) for w, v in zip(row, x, strict=True)) + c
            for row, c in zip(W, b, strict=True)
        ]
        loss += mpmath.mpf(s) * (mpmath.log(sum(mpmath.exp(k) for k in z)) - z[label])
    return loss / total + sum(mpmath.mpf(w) ** 2 for row in W for w in row) / (2 * mpmath.mpf(C) * total)


def test_the_objective_is_the_documented_one_in_forty_digits(rng):
    X, y, weight = rng.normal(size=(9, 2)), np.arange(9) % 3, 10 ** rng.uniform(-3, 3, 9)
    model = LogisticRegression(C=0.7).fit(X, y, weight)
    expected = _softmax_objective(X, y, weight, 0.7, model.coef_.tolist(), model.intercept_.tolist())
    with precision(160):
        value = exact_problem(model, X, y, weight).value(*_point(model))
        assert abs(value - arb(mpmath.nstr(expected, 38))) < arb("1e-36")


def within(problem, W):
    """The nearest coefficients within bounds, if there are some."""
    if problem.bounds is None:
        return W
    low, high = np.array(problem.bounds).T[:, :, None]
    return arb_mat(np.clip([[float(entry) for entry in row] for row in W.tolist()], low, high).tolist())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "unpenalised"])
def test_the_bound_is_below_the_objective_and_meets_it_at_the_minimum(kind):
    for number in range(6):
        problem = problem_of(make_case(kind, 100 + number))
        if np.isinf(problem.C):  # a bound by the penalty needs one
            continue
        rng = np.random.default_rng(number)
        with precision(256):
            W, b = zero_start(problem)
            W, value = within(problem, W), None
            if problem.bounds is None:
                W, b, value = newton(problem, W, b, arb("1e-60"))
            lowest = problem.bound(W, b)
            value = problem.value(W, b) if value is None else value
            assert lowest <= value or lowest.overlaps(problem.value(W, b))
            # Beside corners these steps leave zeros where they are; within bounds there are none.
            if problem.l1_ratio == 0 and problem.bounds is None:
                assert value - lowest <= value * arb("1e-9")
            anywhere = within(problem, arb_mat(rng.normal(size=(problem.X.shape[1], problem.n_outputs)).tolist()))
            intercepts = [arb(float(c)) * problem.fit_intercept for c in rng.normal(size=problem.n_outputs)]
            elsewhere = problem.bound(anywhere, intercepts)
            assert elsewhere <= problem.value(W, b) or elsewhere.overlaps(problem.value(W, b))
            above = problem.value(anywhere, intercepts)
            assert above >= lowest or above.overlaps(lowest)


@pytest.mark.parametrize("kind", KINDS)
def test_the_problem_of_a_model_is_that_of_its_data(kind):
    # Written down twice: from the data alone by the refuter, from model and data by the checker.
    for number in range(200, 208):
        case = make_case(kind, number)
        case.settings["max_iter"] = 2  # any coefficients will do
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = fit_case(case)
        with precision(200):
            values = [
                problem.value(*_point(model)) - problem.null()
                for problem in (problem_of(case), exact_problem(model, case.X, case.y, case.weight, case.offset))
            ]
            assert values[0].overlaps(values[1]), str(case)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegression(tol=1e-9, scale="standard", class_weight="balanced"),
        LogisticRegression(fit_intercept=False, scale=[1.0, 2.0, 3.0, 4.0], class_weight={"setosa": 3}),
        OneVsRest(C=10.0),
        OneVsOne(),
    ],
)
def test_true_certificates_are_confirmed_and_false_ones_refuted(model, iris):
    model.fit(iris.X, iris.y)
    found = verify(model, iris.X, iris.y)
    assert found.verdict == "confirmed"
    assert found.excess_at_least <= found.excess_at_most <= model.certificate_.gap
    assert found.coefficient_bound <= model.certificate_.coefficient_bound
    assert found.objective == pytest.approx(model.certificate_.objective, rel=1e-12)
    assert str(found).startswith("Confirmed: the objective")
    false = verify(_claiming(model, gap=0.9 * found.excess_at_least), iris.X, iris.y)
    assert false.verdict == "refuted"
    assert "claims at most" in str(false)
    assert verify(_claiming(model, gap=1.1 * found.excess_at_most), iris.X, iris.y).verdict == "confirmed"


def test_two_classes_soft_labels_sparse_rows_and_weights(iris, rng):
    soft = rng.dirichlet([0.3, 0.3], size=150)
    weight = rng.integers(0, 3, 150).astype(float)
    rows = sparse.csc_array(np.where(iris.X > 1.5, iris.X, 0))
    for X in (rows, rows.tocsr(), rows.toarray(), np.asfortranarray(rows.toarray().astype(np.float32))):
        for y in (soft, rng.integers(0, 2, 150), rng.dirichlet([1, 1, 1], size=150)):
            found = verify(LogisticRegression().fit(X, y, weight), X, y, weight)
            assert found.verdict == "confirmed", str(found)


def test_a_place_that_is_stored_twice_holds_the_sum():
    twice = sparse.csr_array((np.array([1.0, 2.0, 1.0, 4.0]), [0, 0, 1, 1], [0, 2, 3, 4, 4]), shape=(4, 2))
    y, once = [0, 1, 0, 1], sparse.csr_array(twice.toarray())
    model = LogisticRegression(scale="standard").fit(once, y)
    values = []
    with precision(128):
        for X in (twice, once, once.toarray()):
            values.append(exact_problem(model, X, y, None).value(*_point(model)))
    assert values[0].overlaps(values[1])
    assert values[0].overlaps(values[2])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("kind", [LogisticRegression, OneVsOne])
def test_large_models_get_a_better_witness_in_floats(iris, kind, form, monkeypatch):
    monkeypatch.setattr("polytome.verification.ball_check._MAX_HESSIAN_COEFFICIENTS", 0)
    monkeypatch.setattr("polytome.verification.ball_check._MAX_DIRECT_ENTRIES", 0)
    monkeypatch.setattr("polytome.verification.exact_data._BLOCK_ENTRIES", 256)
    X, said = form(iris.X), []
    model = kind(tol=1e-2, solver="lbfgs").fit(X, iris.y)
    excess = verify(_claiming(model, gap=0.0), X, iris.y, progress=said.append)
    assert excess.verdict == "refuted"
    assert excess.excess_at_most <= excess.excess_at_least * 1.1
    found = verify(_claiming(model, gap=excess.excess_at_most), X, iris.y)
    assert (found.verdict, found.witness) == ("confirmed", "coefficients of further Newton steps")
    assert any("of 150 rows, 128 bits" in words for words in said)


def test_labels_that_do_not_exclude_each_other(iris, rng):
    labels = rng.integers(0, 2, (150, 3))
    assert verify(MultilabelLogistic().fit(iris.X, labels), iris.X, labels).verdict == "confirmed"


def test_models_of_other_libraries(iris):
    from sklearn.linear_model import LogisticRegression as Theirs

    model = from_sklearn(Theirs(max_iter=1000).fit(iris.X, iris.y), iris.X, iris.y)
    assert verify(model, iris.X, iris.y).verdict == "confirmed"
    state = {"weight": model.coef_.astype(np.float32), "bias": model.intercept_}
    found = verify(from_torch(state, model.classes_, iris.X, iris.y), iris.X, iris.y)
    assert found.verdict == "confirmed"
    assert found.excess_at_most < 1e-6


def test_the_claim_of_a_naive_bound_about_an_outlier_is_refuted():
    X, y = OUTLIER
    model = LogisticRegression().fit(X, y)
    model.coef_, model.intercept_ = np.array([[0.00109]]), np.array([-0.0009])
    found = verify(_claiming(model, gap=3.7e-5, objective=0.6), X, y)
    assert found.verdict == "refuted"
    assert found.excess_at_least > 3.7e-5


def test_every_number_of_a_certificate_is_checked(iris):
    model = LogisticRegression().fit(iris.X, iris.y)
    true = model.certificate_
    for change, word in (
        ({"objective": true.objective + 1e-3}, "objective is"),
        ({"null_objective": true.null_objective * 1.01}, "null model is"),
        ({"strength": true.strength * 2}, "strength of the penalty is"),
    ):
        model.certificate_ = replace(true, **change)
        found = verify(model, iris.X, iris.y)
        assert found.verdict == "refuted"
        assert word in str(found)


def test_an_estimate_is_not_confirmed_but_can_be_refuted(iris):
    with pytest.warns(UserWarning, match="setosa against versicolor and virginica, in either direction"):
        model = LogisticRegression(C=np.inf, tol=1e-7).fit(iris.X, iris.y)
    _claiming(model, kind="estimate")
    found = verify(model, iris.X, iris.y)
    assert found.verdict == "undecided"
    assert "and here at most" in str(found)
    assert found.excess_at_most <= model.certificate_.gap
    assert found.coefficient_bound == np.inf  # setosa is apart from the others
    assert found.to_json()["coefficient_bound"] is None
    model.coef_ = 0.5 * model.coef_
    value = float(verify(model, iris.X, iris.y).objective)
    assert verify(_claiming(model, objective=value), iris.X, iris.y).verdict == "refuted"


def test_separation_is_a_matter_of_signs(iris):
    y = iris.y == "setosa"
    with pytest.warns(UserWarning, match="penalty"):
        model = LogisticRegression(C=np.inf).fit(iris.X, y)
    _claiming(model, gap=model.certificate_.gap * (1 + 1e-12))
    found = verify(model, iris.X, y)
    assert found.verdict == "confirmed"
    assert found.margin > 0
    y[0] = False
    found = verify(model, iris.X, y)
    assert found.verdict == "refuted"
    assert "wrong side" in str(found)


def test_without_a_gap_the_certificate_claims_nothing_and_what_is_proved_is_said(iris):
    model = _claiming(LogisticRegression().fit(iris.X, iris.y), gap=np.inf)
    found = verify(model, iris.X, iris.y)
    assert found.verdict == "confirmed"
    assert found.excess_at_most < 1e-6


def test_data_that_cannot_be_those_of_the_fit_are_refused(iris):
    model = LogisticRegression().fit(iris.X, iris.y)
    with pytest.raises(DataError, match="120 rows, but the model was fitted to 150"):
        verify(model, iris.X[:120], iris.y[:120])
    with pytest.raises(DataError, match=r"y holds 'rose' in row 3, which is not one of"):
        verify(model, iris.X, [*iris.y[:3], "rose", *iris.y[4:]])
    with pytest.raises(DataError, match="149 labels for 150 rows"):
        verify(model, iris.X, iris.y[1:])
    with pytest.raises(DataError, match="sample_weight needs 150"):
        verify(model, iris.X, iris.y, [1.0, -1.0])
    with pytest.raises(DataError, match="NaN at row 0"):
        verify(model, np.full((150, 4), np.nan), iris.y)
    with pytest.raises(ArgumentError, match="model is a Perceptron"):
        verify(Perceptron().fit(iris.X, iris.y == "setosa"), iris.X, iris.y)


def test_the_remedy_is_named_where_the_library_is_absent(iris, monkeypatch):
    model = LogisticRegression().fit(iris.X, iris.y)
    parts = ("flint", "polytome.verification.")
    for name in [name for name in sys.modules if name.startswith(parts) and not name.endswith(".checker")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingExtraError, match=r"pip install .polytome\[verify\]"):
        verify(model, iris.X, iris.y)


def test_the_command_says_its_verdict_in_words_in_json_and_by_its_status(tmp_path, iris):
    path = tmp_path / "iris.safetensors"
    done("train", "iris", "--test-fraction", "0.2", "--out", path)
    text = done("verify", path, "iris")
    assert text.startswith("Confirmed: the objective")
    assert "balls of 128 bits" in text
    found = json.loads(done("verify", path, "iris", "--json"))
    assert (found["verdict"], found["n_rows"]) == ("confirmed", 120)
    model = LogisticRegression().fit(iris.X, iris.y)
    _claiming(model, gap=1e-12, rounding=0.0, intercept=0.0).save(path)
    refuted = run("verify", path, "iris")
    assert (refuted.exit_code, refuted.stdout.split(":")[0]) == (1, "Refuted")
    with pytest.warns(UserWarning, match="No finite coefficients are optimal"):
        model = LogisticRegression(C=np.inf, tol=1e-3).fit(iris.X, iris.y)
    _claiming(model, kind="estimate").save(path)
    undecided = run("verify", path, "iris", "--json")
    assert (undecided.exit_code, json.loads(undecided.stdout)["verdict"]) == (3, "undecided")


def test_weights_by_name_are_those_of_the_columns_of_a_frame_or_a_table_and_of_their_files(tmp_path, iris):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(iris.X, columns=list("abcd"))
    frame["town"] = np.resize(["x", "y", "z"], 150)
    table, path = tmp_path / "iris.csv", tmp_path / "model.safetensors"
    frame.assign(label=iris.y).to_csv(table, index=False)
    numbers = frame[list("abcd")]
    model = LogisticRegression(penalty_weights={"b": 0.0, "c": 3.0}).fit(numbers, iris.y)
    assert verify(model, numbers, iris.y).verdict == "confirmed"
    model.save(path)
    assert done("verify", path, table).startswith("Confirmed")
    done("train", table, "--target", "label", "--penalty-weights", "b=0,town=5", "--out", path)
    assert done("verify", path, table).startswith("Confirmed")


def test_no_penalty_in_scikit_learns_words(iris):
    y = np.random.default_rng(0).integers(0, 2, 150)
    for kind in (LogisticRegression(penalty=None), LogisticRegression(C=np.inf)):
        assert verify(kind.fit(iris.X, y), iris.X, y).verdict == "confirmed"


def test_other_rows_than_those_of_training_are_told(tmp_path):
    path, others = tmp_path / "model.safetensors", tmp_path / "others.csv"
    first = tmp_path / "first.csv"
    first.write_text("a,label\n1,x\n2,y\n3,x\n4,y\n", encoding="utf-8")
    others.write_text("a,label\n1,x\n2,y\n3,y\n4,y\n", encoding="utf-8")
    done("train", first, "--target", "label", "--out", path)
    confirmed = run("verify", path, first)
    assert confirmed.stdout.startswith("Confirmed")
    assert "Note" not in confirmed.stderr  # that these are the rows of training is what verify needs
    told = run("verify", path, others)
    assert told.exit_code == 1
    assert "not the rows that the model was trained on" in told.stdout


@pytest.mark.parametrize(
    "settings",
    [
        {"l1_ratio": 1},
        {"l1_ratio": 0.4, "C": 5.0, "scale": "standard"},
        {"l1_ratio": 1, "penalty_weights": [1, 0, 2, 0.5]},
        {"l1_ratio": 0.9, "fit_intercept": False},
        {"l1_ratio": 1, "groups": "classes", "C": 0.1},
        {"l1_ratio": 0.5, "groups": [0, 0, 1, 1], "C": 0.03, "scale": "standard"},
    ],
    ids=str,
)
@pytest.mark.parametrize("two", [False, True])
def test_certificates_of_absolute_values_are_confirmed_and_false_ones_refuted(settings, two):
    iris = load_dataset("iris")
    y = iris.y == "versicolor" if two else iris.y
    model = LogisticRegression(tol=1e-7, **settings).fit(iris.X, y)
    found = verify(model, iris.X, y)
    assert found.verdict == "confirmed", found.reasons
    assert found.excess_at_most <= model.certificate_.gap
    assert found.confirmed_zeros == found.claimed_zeros == model.proved_zero_.sum()
    assert np.isinf(found.coefficient_bound) == (settings["l1_ratio"] == 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        early = LogisticRegression(max_iter=2, **settings).fit(iris.X, y)
    early.certificate_ = replace(early.certificate_, gap=1e-9, rounding=0.0, intercept=0.0)
    assert verify(early, iris.X, y).verdict == "refuted"
    model.certificate_ = replace(model.certificate_, l1_ratio=0.25)
    assert "share of absolute values" in str(verify(model, iris.X, y))


@pytest.mark.parametrize("groups", [None, "classes"])
def test_zeros_that_are_not_proved_are_not_confirmed(groups):
    iris = load_dataset("iris")
    settings = {"l1_ratio": 1, "groups": groups, "C": 0.1}
    model = LogisticRegression(**settings, tol=1e-6).fit(iris.X, iris.y)
    zeros = model.proved_zero_
    model.proved_zero_ = np.ones_like(zeros)
    found = verify(model, iris.X, iris.y)
    assert found.verdict == "refuted"
    assert "is said to be 0 at every optimum, and it is" in str(found)
    assert found.confirmed_zeros == zeros.sum()
    # The null model has zeros only, and few of them are zeros of the optimum.
    with pytest.warns(ConvergenceWarning):
        null = LogisticRegression(**settings, max_iter=0).fit(iris.X, iris.y)
    null.proved_zero_ = np.ones_like(zeros)
    found = verify(null, iris.X, iris.y)
    assert found.verdict == "undecided"
    assert "could not be shown to be" in str(found)
    assert found.confirmed_zeros == zeros.sum()


def test_coefficients_of_float32_under_absolute_values_are_confirmed():
    """Rounded, they are no witness; Newton's method on those that are not 0 finds one."""
    iris = load_dataset("iris")
    X = iris.X.astype(np.float32)
    for settings in ({"C": 0.05}, {"C": 1.0}, {"penalty_weights": [1, 0, 2, 0.5], "C": 0.05}):
        model = LogisticRegression(l1_ratio=1, tol=1e-6, **settings).fit(X, iris.y)
        assert model.coef_.dtype == np.float32
        assert verify(model, X, iris.y).verdict == "confirmed"


@pytest.mark.parametrize("sole", [0, 2])
@pytest.mark.parametrize("model", [LogisticRegression(), LogisticRegression(l1_ratio=1.0), OneVsRest(), OneVsOne()])
def test_a_fit_of_one_class_is_confirmed_beside_the_null_model_of_an_even_guess(model, sole, rng):
    X, y = rng.normal(size=(30, 3)), np.arange(30) % 3
    weight = (y == sole) * rng.gamma(1, 1, 30)
    fitted = clone(model).fit(X, y, sample_weight=weight)
    assert fitted.certificate_.null_objective == np.log(2.0)
    found = verify(fitted, X, y, sample_weight=weight)
    assert found.verdict == "confirmed", found.reasons
    assert found.null_objective == pytest.approx(np.log(2.0))


def test_no_objective_is_farther_from_its_minimum_than_from_zero(rng):
    """A strong penalty and rows of 1e8: the witness proves less than that losses are not
    negative."""
    X, y = rng.normal(size=(11, 1)) + 1e8, np.arange(11) % 2
    weight = np.array([1, 1, 1e6, 0, 0, 1e-12, 1, 1e-12, 1e-300, 1, 1])
    model = LogisticRegression(l1_ratio=0.999, C=5.6e-7, tol=0.05, scale="standard", fit_intercept=False)
    model.fit(X, y, sample_weight=weight)
    found = verify(model, X, y, sample_weight=weight)
    assert found.excess_at_most <= np.nextafter(found.objective, 1) * (1 + 1e-12)
