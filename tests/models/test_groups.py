"""`LogisticRegression(groups=...)`: closed forms, conditions of an optimum that are checked here,
another implementation, what is kept, and wrong groups."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, load, load_dataset
from polytome.errors import ArgumentError, FileError
from polytome.files.sources import fit_source, open_source
from polytome.solvers import ProximalNewton

iris = load_dataset("iris")
X, y = np.asarray(iris.X), np.asarray(iris.y)
TWO = y == "versicolor"


def numbers_of(groups, d):
    return np.arange(d) if isinstance(groups, str) else np.unique(groups, return_inverse=True)[1]


def largest_violation(X, y, model, C, ratio, numbers, weights, divisors, norms=1.0):
    """How far the conditions of an optimum are from being met, with everything computed anew: in
    parts of each group's corner, or of the weight of the rows for intercepts."""
    Z, W = X / divisors, model.coef_.T * divisors[:, None]
    scores = Z @ W + model.intercept_
    codes = np.unique(y, return_inverse=True)[1]
    residual = (
        expit(scores) - codes[:, None] if W.shape[1] == 1 else softmax(scores, axis=1) - np.eye(W.shape[1])[codes]
    )
    gradient, worst = C * Z.T @ residual, float(np.abs(residual.sum(axis=0)).max()) * bool(model.fit_intercept)
    for g in range(numbers.max() + 1):
        own = numbers == g
        weight = weights[own][0]
        corner = ratio * norms * weight * np.sqrt(own.sum())
        absolute = ratio * (1 - norms) * weight
        slope = gradient[own] + (1 - ratio) * weight * W[own]
        norm = np.linalg.norm(W[own])
        slope = slope + (corner * W[own] / norm if norm > 0 else 0)
        left = np.sign(slope) * np.maximum(np.abs(slope) - absolute, 0)
        left = np.where(W[own] == 0, left, slope + absolute * np.sign(W[own]))
        if weight == 0:
            worst = max(worst, float(np.abs(slope).max()))
        elif norm == 0:
            worst = max(worst, (float(np.linalg.norm(left)) - corner) / (corner + absolute))
        else:
            worst = max(worst, float(np.linalg.norm(left)) / (corner + absolute))
    return worst


@pytest.mark.parametrize("target", [y, TWO], ids=["softmax", "two"])
@pytest.mark.parametrize(
    "settings",
    [
        {"groups": "classes", "C": 0.1},
        {"groups": [5, 5, 2, 2], "l1_ratio": 0.5, "C": 0.1},
        {"groups": ["a", "b", "a", "b"], "scale": [1.0, 2.0, 0.5, 3.0], "fit_intercept": False},
        {"groups": [0, 1, 0, 2], "penalty_weights": [2.0, 0.0, 2.0, 1.0], "l1_ratio": 0.9, "C": 0.02},
        {"groups": "classes", "C": 0.1, "group_ratio": 0.5},
        {"groups": [5, 5, 2, 2], "C": 0.2, "group_ratio": 0.3, "l1_ratio": 0.9, "scale": [1.0, 2.0, 0.5, 3.0]},
        {"groups": [0, 1, 0, 2], "penalty_weights": [2.0, 0.0, 2.0, 1.0], "group_ratio": 0.9, "C": 0.05},
    ],
    ids=str,
)
def test_every_fit_is_certified_and_meets_the_conditions_of_an_optimum(target, settings):
    settings = {"l1_ratio": 1.0, "C": 1.0, "tol": 1e-9} | settings
    model = LogisticRegression(**settings).fit(X, target)
    assert model.stop_.name == "CERTIFIED"
    assert model.certificate_.kind == "proof"
    assert model.certificate_.holds
    assert isinstance(model.solver_.solver, ProximalNewton)
    numbers = numbers_of(settings["groups"], 4)
    weights = np.asarray(settings.get("penalty_weights", np.ones(4)))
    divisors = np.asarray(settings.get("scale", np.ones(4)))
    norms = settings.get("group_ratio", 1.0)
    of_penalty = settings["C"], settings["l1_ratio"], numbers, weights, divisors, norms
    assert largest_violation(X, target, model, *of_penalty) < 2e-3
    assert_array_equal(model.coef_[model.proved_zero_], 0)
    is_zero = (model.coef_ == 0).all(axis=0)
    for g in range(numbers.max() + 1) if norms == 1 else ():
        assert len(set(is_zero[numbers == g])) == 1
        assert len(np.unique(model.proved_zero_[:, numbers == g])) == 1
    if target is y and norms == 1:
        assert_allclose(model.coef_.mean(axis=0), 0, atol=1e-12)


def test_one_column_has_the_closed_form_of_a_shrunken_step():
    """Rows x = -1 and x = 1 with shares of the second class q and 1 - q: without an intercept the
    score w solves `expit(w) - (1 - q) = -ratio / (C n)`, or is 0."""
    ones = np.array([[-1.0], [-1.0], [-1.0], [-1.0], [1.0], [1.0], [1.0], [1.0]])
    target = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    settings = {"l1_ratio": 1.0, "groups": "classes", "fit_intercept": False, "tol": 1e-12}
    model = LogisticRegression(C=1.0, **settings).fit(ones, target)
    p = 0.75 - 1 / 8
    assert model.coef_[0, 0] == pytest.approx(np.log(p / (1 - p)), rel=1e-6)
    assert LogisticRegression(C=0.4, **settings).fit(ones, target).coef_[0, 0] == 0.0


def test_copies_of_a_column_in_one_group_are_one_column():
    """sqrt(2) ||(w, w)|| is 2 |w|: two halves of a coefficient cost what it costs."""
    settings = {"l1_ratio": 1.0, "C": 0.2, "tol": 1e-11}
    once = LogisticRegression(groups="classes", **settings).fit(X[:, 2:], TWO)
    twice = LogisticRegression(groups=[0, 0, 1, 1], **settings).fit(X[:, [2, 2, 3, 3]], TWO)
    assert_allclose(twice.coef_[:, ::2] + twice.coef_[:, 1::2], once.coef_, rtol=1e-4)
    assert twice.certificate_.objective == pytest.approx(once.certificate_.objective, rel=1e-9)


def test_groups_of_one_coefficient_are_absolute_values():
    settings = {"l1_ratio": 0.7, "C": 0.3, "tol": 1e-11}
    alone = LogisticRegression(groups="classes", **settings).fit(X, TWO)
    plain = LogisticRegression(**settings).fit(X, TWO)
    assert_allclose(alone.coef_, plain.coef_, atol=1e-5)
    assert_array_equal(alone.coef_ == 0, plain.coef_ == 0)


@pytest.mark.parametrize("ratio", [0.4])
def test_a_constrained_solver_of_scipy_finds_nothing_better(rng, ratio):
    """Norms as bounds: minimise the loss plus `sum_g t_g` with `||W_g|| <= t_g`."""
    A, target, numbers = rng.normal(size=(40, 4)), np.arange(40) % 3, np.array([0, 1, 1, 0])
    A[:, 0] += target
    C = 0.3
    model = LogisticRegression(C=C, l1_ratio=ratio, groups=numbers, tol=1e-10).fit(A, target)

    def objective(v):
        W, b, t = v[:12].reshape(4, 3), v[12:15], v[15:]
        scores = A @ W + b
        loss = (logsumexp(scores, axis=1) - scores[np.arange(40), target]).sum()
        return C * loss + ratio * np.sqrt(2) * t.sum() + (1 - ratio) / 2 * (W * W).sum()

    cones = [
        {
            "type": "ineq",
            "fun": lambda v, own=numbers == g, g=g: v[15 + g] ** 2 - (v[:12].reshape(4, 3)[own] ** 2).sum(),
        }
        for g in range(2)
    ]
    bounds = [(None, None)] * 15 + [(0, None)] * 2
    start = np.concatenate([0.1 * rng.normal(size=15), np.ones(2)])
    found = scipy_minimize(objective, start, constraints=cones, bounds=bounds, method="SLSQP", tol=1e-12)
    ours = np.concatenate(
        [model.coef_.T.ravel(), model.intercept_, [np.linalg.norm(model.coef_[:, numbers == g]) for g in (0, 1)]]
    )
    assert objective(ours) <= found.fun + 1e-7
    assert objective(ours) == pytest.approx(C * 40 * model.certificate_.objective, rel=1e-9)


def test_kinds_of_rows_have_one_minimum(rng):
    dense = rng.integers(0, 3, (120, 8)) * (rng.random((120, 8)) < 0.5) * 1.0
    target = rng.integers(0, 3, 120)
    target[dense[:, 0] > 1] = 2
    settings = {"l1_ratio": 1, "groups": [0, 0, 1, 1, 2, 2, 3, 3], "C": 0.05, "tol": 1e-9}
    expected = LogisticRegression(**settings).fit(dense, target)
    assert (expected.coef_ == 0).any()
    assert (expected.coef_ != 0).any()
    for kind in (sparse.csr_array, sparse.csc_array, pd.DataFrame, lambda A: A.astype(np.uint8)):
        found = LogisticRegression(**settings).fit(kind(dense), target)
        assert_allclose(found.coef_, expected.coef_, atol=1e-4)


def test_the_levels_of_a_column_are_one_group(tmp_path):
    """In a table with a category, "columns" groups the features that it became."""
    file = tmp_path / "t.csv"
    rng = np.random.default_rng(3)
    colour, size = rng.choice(["red", "green", "blue"], 90), rng.normal(size=90)
    label = np.where(size + 0.3 * rng.normal(size=90) > 0, "big", "small")
    pd.DataFrame({"colour": colour, "size": size, "label": label}).to_csv(file, index=False)
    source = open_source(str(file), target="label")
    model = fit_source(LogisticRegression(l1_ratio=1, C=0.1, groups="columns"), source)
    assert model.groups == "columns"
    assert model.objective_.groups == "2 groups of 4 columns"
    width = model.source_.encoder.columns[0].width
    assert_array_equal(model.proved_zero_[0], np.repeat([True, False], [width, 1]))
    model.save(tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").objective_ == model.objective_
    flint = pytest.importorskip("flint")
    assert flint
    from polytome import verify

    assert verify(model, source.X, source.y).verdict == "confirmed"


@pytest.fixture(scope="module")
def sparse_groups():
    """Petals are kept, one of the two for each class, and one of two noisy columns by itself."""
    noise = np.random.default_rng(2).normal(size=(150, 2))
    wide = np.hstack([X[:, 2:], noise])
    settings = {"l1_ratio": 0.9, "C": 0.1, "tol": 1e-8}
    return wide, LogisticRegression(groups=[0, 0, 1, 1], group_ratio=0.5, **settings).fit(wide, y)


def test_single_coefficients_are_zero_in_groups_that_are_kept(sparse_groups):
    wide, model = sparse_groups
    is_zero = model.coef_ == 0
    assert is_zero[:, 2:].all()
    assert is_zero[:, :2].any()
    assert not is_zero[:, :2].all()
    assert model.proved_zero_[:, 2:].all()
    assert model.proved_zero_[:, :2].any()
    text = "0.0666667 (0.45 sum_g sqrt(p_g) ||W_g|| + 0.45 ||W||_1 + 0.1/2 ||W||^2), 2 groups of 4 columns"
    assert text in str(model.objective_)
    weighted = {"penalty_weights": [2, 2, 1, 1], "groups": [0, 0, 1, 1], "group_ratio": 0.25, "l1_ratio": 1}
    text = str(LogisticRegression(**weighted).fit(wide, y).objective_)
    assert "sum_g w_g (0.25 sqrt(p_g) ||W_g|| + 0.75 ||W_g||_1)" in text


def test_sparse_groups_are_kept_in_files_and_verified(sparse_groups, tmp_path):
    wide, model = sparse_groups
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.objective_ == model.objective_
    assert again.group_ratio == 0.5
    assert_array_equal(again.fit(wide, y).coef_, model.coef_)
    pytest.importorskip("flint")
    from polytome import verify

    found = verify(model, wide, y)
    assert found.verdict == "confirmed"
    assert found.claimed_zeros == found.confirmed_zeros > 6
    off = load(tmp_path / "m.safetensors")
    off.coef_ = off.coef_ * 1.01
    assert verify(off, wide, y).verdict == "refuted"


def test_between_norms_and_absolute_values_lie_sparse_groups():
    """With a share of norms that is next to 1, or next to 0, the fit is that of these alone."""
    settings = {"l1_ratio": 1.0, "C": 0.2, "tol": 1e-10}
    norms = LogisticRegression(groups=[0, 0, 1, 1], **settings).fit(X, y)
    alone = LogisticRegression(**settings).fit(X, y)
    for ratio, expected in ((1 - 1e-9, norms), (1e-9, alone)):
        found = LogisticRegression(groups=[0, 0, 1, 1], group_ratio=ratio, **settings).fit(X, y)
        assert found.stop_.name == "CERTIFIED"
        assert found.certificate_.objective == pytest.approx(expected.certificate_.objective, rel=1e-7)


def test_the_formula_says_what_is_grouped():
    settings = {"l1_ratio": 1, "C": 0.1}
    classes = LogisticRegression(groups="classes", **settings).fit(X, y)
    assert str(classes.objective_).endswith("+ 0.0666667 sum_j ||W_j||")
    pairs = LogisticRegression(groups=[0, 0, 1, 1], **settings).fit(X, y)
    assert "sum_g sqrt(p_g) ||W_g||, 2 groups of 4 columns" in str(pairs.objective_)
    assert pairs.objective_.to_json()["groups"] == "2 groups of 4 columns"


@pytest.mark.parametrize("groups", ["classes", ["a", "a", "b", "b"], np.array([3, 3, 1, 1]), (0, 1, 1, 0)])
def test_a_model_file_keeps_groups(tmp_path, groups):
    model = LogisticRegression(groups=groups, l1_ratio=0.7, C=0.1).fit(X, y)
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.objective_ == model.objective_
    assert_array_equal(again.proved_zero_, model.proved_zero_)
    assert str(again.fit(X, y).objective_) == str(model.objective_)
    assert clone(model).groups is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda saved: saved["parameters"].update(groups=[0, 1]), "groups has 2 labels"),
        (lambda saved: saved["parameters"].update(groups=None), "the settings none"),
        (lambda saved: saved["parameters"].update(groups="rows"), "groups is 'rows'"),
        (lambda saved: saved["parameters"].update(groups=[0, 0, 1, 1.5]), "groups"),
        (lambda saved: saved["objective"].update(groups="classes"), "the objective has the groups"),
        (lambda saved: saved["objective"].update(group_ratio=0.5), "the objective has the group_ratio 0.5"),
        (lambda saved: saved["parameters"].update(group_ratio=0.5), "the settings 0.5"),
        (lambda saved: saved["parameters"].update(group_ratio=0), "group_ratio is 0"),
    ],
)
def test_a_model_file_whose_groups_contradict_each_other_is_refused(change, told):
    from polytome.files.model_file import _from_saved, _kind_of, _to_saved

    model = LogisticRegression(groups=[0, 0, 1, 1], l1_ratio=0.7, C=0.1).fit(X, y)
    saved, tensors = _to_saved(_kind_of(model), model)
    saved["checksum"] = "0" * 64
    _from_saved(saved, tensors)
    change(saved)
    with pytest.raises(FileError, match=told):
        _from_saved(saved, tensors)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"groups": "rows"}, r"groups='rows': needs None, 'classes', 'columns', or one label"),
        ({"groups": 3}, r"groups=3: needs None"),
        ({"groups": {"a": 1}}, r"groups=\{'a': 1\}: needs None"),
        ({"groups": [0, 0, 1]}, r"groups has 3 labels, X has 4 columns"),
        ({"groups": []}, r"groups has 0 labels, X has 4 columns"),
        ({"groups": [0, 0, 1, 0.5]}, r"groups\[3\] is 0.5: needs a whole number or text"),
        ({"groups": [0, 0, np.nan, 1]}, r"groups\[2\] is nan: needs a whole number or text"),
        ({"groups": [0, True, 1, 1]}, r"groups\[1\] is True"),
        ({"groups": [[0, 0], [1, 1]]}, r"groups\[0\] is \[0, 0\]"),
        ({"groups": [0, 0, "a", 1]}, r"whole numbers and text"),
        ({"groups": [0, 0, 1, 1], "l1_ratio": 0}, r"groups has no effect where l1_ratio is 0"),
        (
            {"groups": [0, 0, 1, 1], "penalty_weights": [1, 2, 1, 1]},
            r"penalty_weights\[1\] is 2 and penalty_weights\[0\] is 1",
        ),
        ({"groups": [0, 0, 1, 1], "solver": "newton"}, r"solver='newton' minimises L2 penalties or none"),
        ({"group_ratio": 0.5}, r"group_ratio=0.5 has no effect without groups: give groups"),
        ({"groups": "classes", "group_ratio": 0}, r"group_ratio=0: leaves nothing of the norms of groups"),
        ({"groups": "classes", "group_ratio": 1.5}, r"group_ratio=1.5: needs a number above 0, and at most 1"),
        ({"groups": "classes", "group_ratio": np.nan}, r"group_ratio=nan: needs a number above 0"),
        ({"groups": "classes", "group_ratio": True}, r"group_ratio=True: needs a number above 0"),
        ({"groups": "classes", "group_ratio": "half"}, r"group_ratio='half': needs a number above 0"),
    ],
)
def test_groups_that_cannot_be_used_are_named(settings, told):
    with pytest.raises(ArgumentError, match=told):
        LogisticRegression(**{"l1_ratio": 1} | settings).fit(X, y)


def test_without_a_penalty_groups_mean_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=np.inf, groups=[0, 0, 1, 1], l1_ratio=1).fit(X, TWO)
    assert model.objective_.groups == "none"
    assert "proved_zero_" not in vars(model)
