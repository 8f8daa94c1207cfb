"""The objectives of other programs: each written down in its own words, or fitted by it."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression as Theirs

from polytome import LogisticRegression, explain_objective, fit_like
from polytome.errors import ArgumentError

GLMNET = json.loads((Path(__file__).parent / "fixtures" / "glmnet.json").read_text(encoding="utf-8"))


def data(n_classes, seed=3, n=80):
    """Columns of different size, labels, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 3.0, 0.4] + [0.0, 1.0, -2.0]
    y = (X @ rng.normal(size=(3, n_classes)) + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    return X, y, 1.0 + np.arange(n) % 3


def losses(X, y, coef, intercept):
    """Of each row, with one score for two classes."""
    z = X @ coef.T + intercept
    if len(coef) == 1:
        return np.logaddexp(0, z[:, 0]) - y * z[:, 0]
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]


def spark_deviation(X, w):
    mean = w @ X / w.sum()
    return np.sqrt(w @ (X - mean) ** 2 / (w.sum() - (w @ w) / w.sum()))


def deviation(X, w):
    return np.sqrt(w @ (X - w @ X / w.sum()) ** 2 / w.sum())


# What each program says it minimises, from its parameters and defaults.
OBJECTIVES = {
    "scikit-learn": lambda p, X, y, w, b, b0: (
        p["C"] * w @ losses(X, y, b, b0)
        + p.get("l1_ratio", 0) * np.abs(b).sum()
        + (1 - p.get("l1_ratio", 0)) / 2 * (b * b).sum()
    ),
    "glmnet": lambda p, X, y, w, b, b0: (
        w @ losses(X, y, b, b0) / w.sum()
        + p["lambda_"]
        * (
            np.array(p.get("penalty_factor", np.ones(3)))
            * 3
            / np.sum(p.get("penalty_factor", np.ones(3)))
            * (
                p.get("alpha", 1.0) * np.abs(b * (deviation(X, w) if p.get("standardize", True) else 1))
                + (1 - p.get("alpha", 1.0)) / 2 * (b * (deviation(X, w) if p.get("standardize", True) else 1)) ** 2
            )
        ).sum()
    ),
    "spark": lambda p, X, y, w, b, b0: (
        w @ losses(X, y, b, b0) / w.sum()
        + p["regParam"]
        * (
            p.get("elasticNetParam", 0) * np.abs(b * (spark_deviation(X, w) if p.get("standardization", True) else 1))
            + (1 - p.get("elasticNetParam", 0))
            / 2
            * (b * (spark_deviation(X, w) if p.get("standardization", True) else 1)) ** 2
        ).sum()
    ),
    "statsmodels": lambda p, X, y, w, b, b0: (
        w @ losses(X, y, b, b0) + (p["alpha"] * np.abs(b)).sum()
        if p.get("model") == "Logit"
        else w @ losses(X, y, b, b0) / w.sum()
        + (p["alpha"] * (p.get("L1_wt", 1.0) * np.abs(b) + (1 - p.get("L1_wt", 1.0)) / 2 * b * b)).sum()
    ),
    "liblinear": lambda p, X, y, w, b, b0: (
        p["C"] * w @ losses(X, y, b, b0) + (np.abs(b).sum() if p.get("penalty") == "l1" else (b * b).sum() / 2)
    ),
    "pytorch": lambda p, X, y, w, b, b0: (
        w @ losses(X, y, b, b0) / (w.sum() if p.get("reduction", "mean") == "mean" else 1)
        + p["weight_decay"] / 2 * (b * b).sum()
    ),
}
CASES = [
    ("scikit-learn", {"C": 0.7}),
    ("scikit-learn", {"C": 0.7, "l1_ratio": 0.3}),
    ("glmnet", {"lambda_": 0.02}),
    ("glmnet", {"lambda_": 0.02, "alpha": 0.4, "standardize": False, "penalty_factor": [1, 2, 0.5]}),
    ("glmnet", {"lambda_": 0.02, "alpha": 0.0}),
    ("spark", {"regParam": 0.03}),
    ("spark", {"regParam": 0.03, "elasticNetParam": 0.6}),
    ("spark", {"regParam": 0.03, "elasticNetParam": 0.6, "standardization": False}),
    ("statsmodels", {"alpha": 0.05}),
    ("statsmodels", {"alpha": np.array([0.05, 0.1, 0.02]), "L1_wt": 0.2}),
    ("statsmodels", {"model": "Logit", "method": "l1", "alpha": 3.0}),
    ("liblinear", {"C": 0.4}),
    ("liblinear", {"C": 0.4, "penalty": "l1"}),
    ("pytorch", {"weight_decay": 0.04}),
    ("pytorch", {"weight_decay": 4.0, "reduction": "sum"}),
]


@pytest.mark.parametrize(("engine", "parameters"), CASES)
def test_the_fit_is_the_minimum_of_the_objective_in_their_words(engine, parameters):
    """At no point nearby is their objective lower: with corners, gradients say little."""
    for n_classes in (2, 3) if engine not in ("statsmodels", "liblinear") else (2,):
        X, y, w = data(n_classes)
        model = fit_like(engine, X, y, w, tol=1e-9, **parameters)

        def theirs(b, b0, X=X, y=y, w=w):
            return OBJECTIVES[engine](parameters, X, y, w, b, b0)

        least, rng = theirs(model.coef_, model.intercept_), np.random.default_rng(0)
        allowed = 1e-7 * least
        for size in (1e-1, 1e-2, 1e-3):
            for _ in range(20):
                step = size * rng.normal(size=model.coef_.shape) * (rng.random(3) < 0.5)
                move = np.zeros(len(step)) if engine == "liblinear" else size * rng.normal(size=len(step))
                assert theirs(model.coef_ + step, model.intercept_ + move) >= least - allowed


@pytest.mark.parametrize(("engine", "parameters"), CASES)
def test_translations_are_exact_both_ways(engine, parameters):
    for n_classes in (2, 3) if engine not in ("statsmodels", "liblinear") else (2,):
        _, _, w = data(n_classes)
        found = explain_objective(engine, n_classes=n_classes, sample_weight=w, **parameters)
        for other, theirs in found.parameters.items():
            if theirs.get("lambda_", 1) is None:
                continue
            names = {name: value for name, value in theirs.items() if name != "solver"}
            again = explain_objective(other, n_classes=n_classes, sample_weight=w, **names)
            scaled_by_hand = "StandardScaler" in found.notes.get(other, "") or "deviations first" in found.notes.get(
                other, ""
            )
            for name, value in found.polytome.items():
                if (name == "scale" and scaled_by_hand) or (name == "fit_intercept" and other == "statsmodels"):
                    continue
                if name in ("C", "penalty_weights") and found.polytome["penalty_weights"] is not None:
                    continue  # only their product counts, compared below
                wanted = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
                assert again.polytome[name] == wanted, (other, name)
            if found.polytome["penalty_weights"] is not None:
                products = [np.array(each.polytome["penalty_weights"]) / each.polytome["C"] for each in (found, again)]
                assert_allclose(*products, rtol=1e-12)


@pytest.mark.parametrize("settings", [{"C": 0.3}, {"C": 0.3, "fit_intercept": False}, {"C": 2.0, "l1_ratio": 1.0}])
def test_scikit_learns_own_fits_agree(settings):
    X, y, w = data(3)
    solver = {"solver": "saga", "max_iter": 20_000} if settings.get("l1_ratio") else {"solver": "newton-cg"}
    # Older versions have a penalty in the place of the ratio's extremes.
    penalty = {"penalty": "elasticnet"} if settings.get("l1_ratio") and "penalty" in Theirs().get_params() else {}
    theirs = Theirs(tol=1e-8, **settings, **solver, **(penalty if Theirs().get_params()["penalty"] == "l2" else {}))
    theirs.fit(X, y, w)
    ours = fit_like("scikit-learn", X, y, w, tol=1e-9, **settings)
    assert_allclose(ours.coef_, theirs.coef_, atol=2e-3)
    assert explain_objective(theirs, sample_weight=w).polytome["C"] == pytest.approx(settings["C"])
    assert explain_objective(theirs, sample_weight=w).polytome["l1_ratio"] == settings.get("l1_ratio", 0.0)


def test_liblinears_own_fit_agrees():
    X, y, w = data(2)
    theirs = Theirs(C=0.4, solver="liblinear", fit_intercept=False, tol=1e-10).fit(X, y, w)
    assert_allclose(fit_like("liblinear", X, y, w, C=0.4, tol=1e-10).coef_, theirs.coef_, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "binomial elastic net",
        "binomial penalty factors",
        "multinomial elastic net",
        "multinomial grouped lasso",
        "multinomial grouped elastic net",
        "four classes, grouped lasso",
    ],
)
def test_glmnets_own_fits_agree(name):
    fit = next(each for each in GLMNET["fits"] if each["name"] == name)
    of_fit, own = GLMNET["data"][fit["data"]], fit["settings"]
    named = {"penalty.factor": "penalty_factor", "type.multinomial": "type_multinomial"}
    own = {named.get(name, name): value for name, value in own.items()}
    for point in fit["points"][1:]:
        settings = {"family": fit["family"], "lambda_": point["lambda"], **own}
        model = fit_like("glmnet", np.array(of_fit["x"]), of_fit["y"], tol=1e-9, **settings)
        theirs = np.array(point["coef"])
        apart = [each - each.mean(axis=0) if len(each) > 1 else each for each in (model.coef_, theirs)]
        assert_allclose(*apart, atol=4e-3)
        told = explain_objective(model).parameters["glmnet"]
        assert told.get("type_multinomial", "ungrouped") == own.get("type_multinomial", "ungrouped")
        assert told["lambda_"] == pytest.approx(point["lambda"])
        again = fit_like("glmnet", np.array(of_fit["x"]), of_fit["y"], tol=1e-9, **told)
        assert_allclose(again.coef_, model.coef_, atol=1e-5)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is absent")
def test_pytorchs_own_fit_agrees():
    import torch

    X, y, _ = data(3)
    linear = torch.nn.Linear(3, 3, dtype=torch.float64)
    groups = [{"params": [linear.weight], "weight_decay": 0.1}, {"params": [linear.bias], "weight_decay": 0.0}]
    descent, loss = torch.optim.SGD(groups, lr=0.2), torch.nn.CrossEntropyLoss(label_smoothing=0.2)
    for _ in range(1500):
        descent.zero_grad()
        loss(linear(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        descent.step()
    ours = fit_like("pytorch", X, y, weight_decay=0.1, label_smoothing=0.2, tol=1e-9)
    assert_allclose(ours.coef_, linear.weight.detach().numpy(), atol=1e-4)


def test_two_scores_for_two_classes_have_half_the_squares():
    X, y, _ = data(2)

    def theirs(w):  # glmnet's multinomial of two classes
        b, b0 = w[:6].reshape(2, 3), w[6:]
        return losses(X, y, b, b0).mean() + 0.05 / 2 * (b * b).sum()

    best = minimize(theirs, np.zeros(8), tol=1e-12).x
    for engine, parameters in (
        ("glmnet", {"family": "multinomial", "alpha": 0, "lambda_": 0.05, "standardize": False}),
        ("pytorch", {"weight_decay": 0.05, "n_outputs": 2}),
        ("spark", {"regParam": 0.05, "family": "multinomial", "standardization": False}),
    ):
        ours = fit_like(engine, X, y, tol=1e-10, **parameters)
        assert_allclose(ours.coef_[0], best[3:6] - best[:3], atol=1e-4)


def test_two_scores_for_two_classes_in_groups_are_a_norm_of_halves():
    X, y, _ = data(2)
    lambda_ = 0.05

    def theirs(w):  # positive and negative parts; the norm of two halves of b is |b| / sqrt(2)
        b = w[:3] - w[3:6]
        return losses(X, y, b[None], w[6:]).mean() + lambda_ / np.sqrt(2) * w[:6].sum()

    best = minimize(theirs, np.zeros(7), bounds=[(0, None)] * 6 + [(None, None)], tol=1e-14).x
    settings = {"alpha": 1, "lambda_": lambda_, "standardize": False, "type_multinomial": "grouped"}
    halves = fit_like("glmnet", X, y, tol=1e-10, family="multinomial", **settings)
    assert halves.groups is None
    assert_allclose(halves.coef_[0], best[:3] - best[3:6], atol=1e-4)
    one = fit_like("glmnet", X, y, tol=1e-10, family="binomial", **settings)
    plain = fit_like("glmnet", X, y, tol=1e-10, **(settings | {"type_multinomial": "ungrouped"}))
    assert_allclose(one.coef_, plain.coef_)
    assert (np.abs(halves.coef_) > np.abs(one.coef_)).any()


def test_squares_alone_have_no_groups():
    X, y, _ = data(3)
    settings = {"alpha": 0, "lambda_": 0.1, "family": "multinomial"}
    grouped = fit_like("glmnet", X, y, type_multinomial="grouped", **settings)
    assert grouped.groups is None
    assert_allclose(grouped.coef_, fit_like("glmnet", X, y, **settings).coef_)


@pytest.mark.parametrize(
    ("groups", "n_classes", "of_polytome", "of_glmnet"),
    [
        ("classes", 3, "classes", "grouped"),
        ([4, 2, 7], 3, "classes", "grouped"),
        (["a", "a", "b"], 3, ["a", "a", "b"], "it groups the classes of each column, but no columns"),
        (["a", "a", "b"], 2, ["a", "a", "b"], "it groups the classes of each column, but no columns"),
        ("classes", 2, None, None),
        (np.array([4, 2, 7]), 2, None, None),
    ],
)
def test_groups_are_told_where_a_program_has_them(groups, n_classes, of_polytome, of_glmnet):
    X, y, _ = data(n_classes)
    model = LogisticRegression(l1_ratio=1, C=0.1, groups=groups)
    before = explain_objective(model, n_rows=80, n_classes=n_classes)
    for each in (before, explain_objective(model.fit(X, y))):
        assert each.polytome["groups"] == of_polytome
        told = each.parameters.get("glmnet")
        assert (each.notes["glmnet"] if told is None else told.get("type_multinomial")) == of_glmnet
        assert ("norms of groups" in each.notes.get("Spark", "")) == (of_polytome is not None)
        assert "glmnet" in str(each)
        assert each.to_json()["polytome"]["groups"] == of_polytome


def test_columns_are_classes_where_a_fit_has_found_them_to_be():
    X, y, _ = data(3)
    model = LogisticRegression(l1_ratio=1, C=0.1, groups="columns")
    assert "glmnet" not in explain_objective(model, n_rows=80, n_classes=3).parameters  # of a table, perhaps
    assert explain_objective(model.fit(X, y)).parameters["glmnet"]["type_multinomial"] == "grouped"


def test_a_fitted_model_is_told_in_every_programs_words():
    X, y, _ = data(3)
    model = LogisticRegression(C=2.0, scale="standard").fit(X, y)
    found = explain_objective(model)
    assert found.parameters["glmnet"]["lambda_"] == pytest.approx(1 / 160)
    assert found.parameters["glmnet"]["standardize"] is True
    assert found.parameters["Spark"]["regParam"] == pytest.approx(79 / 80 / 160)
    assert found.parameters["PyTorch"]["weight_decay"] == pytest.approx(1 / 160)
    assert "one class against the rest" in found.notes["liblinear"]
    assert "StandardScaler" in found.notes["scikit-learn"]
    assert str(found).startswith("polytome     C=2, scale='standard'\nscikit-learn C=2\n")
    assert found.to_json()["polytome"]["C"] == 2.0
    same = fit_like("glmnet", X, y, family="multinomial", alpha=0, lambda_=found.parameters["glmnet"]["lambda_"])
    assert_allclose(same.coef_, model.coef_)


def test_a_model_with_weighted_rows_needs_them_for_sparks_deviations():
    X, y, w = data(3)
    model = LogisticRegression(scale="standard").fit(X, y, sample_weight=w)
    assert "give sample_weight" in explain_objective(model).notes["Spark"]
    spread = w.sum() / (w.sum() - w @ w / w.sum())
    told = explain_objective(model, sample_weight=w).parameters["Spark"]
    assert told["regParam"] == pytest.approx(1 / w.sum() / spread)


@pytest.mark.parametrize(
    ("engine", "parameters", "message"),
    [
        ("stata", {}, "engine='stata': needs one of"),
        ("glmnet", {}, "give the lambda_ of one of its points"),
        ("glmnet", {"lambda_": 0.1, "lambda": 1}, "glmnet has no parameter 'lambda' of its objective"),
        ("glmnet", {"lambda_": -1}, "lambda_=-1: needs a number from 0"),
        ("glmnet", {"lambda_": 0.1, "alpha": 1.5}, r"alpha=1\.5: needs a number from 0 to 1"),
        ("glmnet", {"lambda_": 0.1, "family": "binomial"}, "y has 3 classes; use 'multinomial'"),
        ("glmnet", {"lambda_": 0.1, "type_multinomial": "group"}, "type_multinomial='group': needs"),
        ("glmnet", {"lambda_": 0.1, "penalty_factor": [1, 2]}, "2 numbers were given for 3 columns"),
        ("scikit-learn", {"C": 0}, "C=0: needs a positive number"),
        ("spark", {"regParam": np.nan}, "regParam=nan"),
        ("statsmodels", {"alpha": 1.0}, "against a reference class"),
        ("liblinear", {}, "one class against the rest: use polytome.OneVsRest"),
        ("pytorch", {"weight_decay": 0.1, "decays_bias": True}, "weight_decay of the bias too is another objective"),
    ],
)
def test_what_cannot_be_translated_is_told(engine, parameters, message):
    X, y, _ = data(3)
    with pytest.raises(ArgumentError, match=message):
        fit_like(engine, X, y, **parameters)


def test_an_objective_without_rows_asks_for_them():
    with pytest.raises(ArgumentError, match="needs the number of rows of the fit"):
        explain_objective(Theirs())
    with pytest.raises(ArgumentError, match="liblinear penalises its intercept"):
        explain_objective("liblinear", n_rows=10, bias=1.0)
    with pytest.raises(ArgumentError, match="model is a int: needs a LogisticRegression"):
        explain_objective(3, n_rows=10)
