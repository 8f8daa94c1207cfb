"""`LogisticRegression(bounds=...)`: another implementation, every form of bounds, what is kept, and
wrong bounds."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from typer.testing import CliRunner

from polytome import LogisticRegression, explain_objective, fit_like, load, load_dataset
from polytome.cli.app import app
from polytome.errors import ArgumentError, FileError
from polytome.files.sources import fit_source, open_source
from polytome.models.bounds import bounds_of
from polytome.solvers import ProximalNewton

iris = load_dataset("iris")
X, y = np.asarray(iris.X), np.asarray(iris.y)
TWO = y == "versicolor"
inf = np.inf


def least_of_scipy(X, y, C, ratio, low, high, divisors=1.0):
    """The minimum that L-BFGS-B finds: absolute values by positive and negative parts."""
    codes = np.unique(y, return_inverse=True)[1]
    (n, d), K = X.shape, codes.max() + 1
    L, strength = 1 if K == 2 else K, 0.0 if np.isinf(C) else 1 / (C * n)
    low, high = (np.repeat(np.broadcast_to(each, (d,)), L) for each in (low, high))
    size = np.repeat(np.broadcast_to(divisors, (d,)), L)

    def objective(v):
        W, b = v[: d * L] - v[d * L : 2 * d * L], v[2 * d * L :]
        scores = X @ W.reshape(d, L) + b
        scores = np.hstack([np.zeros((n, 1)), scores]) if L == 1 else scores
        total = logsumexp(scores, axis=1)
        residual = np.exp(scores - total[:, None])
        residual[np.arange(n), codes] -= 1
        residual = residual[:, -L:] / n
        value = (total - scores[np.arange(n), codes]).mean() + strength * (1 - ratio) / 2 * ((size * W) ** 2).sum()
        value += strength * ratio * (np.tile(size, 2) @ v[: 2 * d * L])
        slope = (X.T @ residual).ravel() + strength * (1 - ratio) * size**2 * W
        corner = strength * ratio * size
        return value, np.concatenate([slope + corner, corner - slope, residual.sum(axis=0)])

    ends = [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)]
    ends += [(max(-b, 0), max(-a, 0)) for a, b in zip(low, high, strict=True)] + [(-inf, inf)] * L
    start = np.array([a if np.isfinite(a) else 0.0 for a, _ in ends])
    options = {"maxiter": 20_000, "maxfun": 200_000, "ftol": 1e-16, "gtol": 1e-11}
    return minimize(objective, start, jac=True, bounds=ends, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize("target", [y, TWO], ids=["softmax", "two"])
@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        ({"C": 1.0}, 0.0, inf),
        ({"C": 30.0}, [-0.5, -inf, 0.0, -2.0], [0.5, 0.2, inf, -1.0]),
        ({"C": inf}, -0.4, 0.3),
        ({"C": inf}, [-inf, -0.2, 0.0, 0.1], [inf, 0.2, 0.5, 0.1]),
        ({"C": 0.2, "l1_ratio": 1.0}, 0.0, inf),
        ({"C": 0.2, "l1_ratio": 0.5, "scale": [2.0, 0.5, 1.0, 3.0]}, [0.1, -inf, -0.3, 0.0], [1.0, 0.0, 0.7, inf]),
    ],
    ids=str,
)
def test_every_fit_is_certified_and_no_other_implementation_finds_less(target, settings, low, high):
    model = LogisticRegression(bounds=(low, high), tol=1e-8, **settings).fit(X, target)
    certificate = model.certificate_
    assert model.stop_.name == "CERTIFIED"
    assert certificate.holds
    assert certificate.has_bounds
    assert isinstance(model.solver_.solver, ProximalNewton)
    assert ((model.coef_ >= low) & (model.coef_ <= high)).all()
    low, high = (np.broadcast_to(each, (4,)) for each in (low, high))
    assert_array_equal(model.at_bound_, (model.coef_ == low) | (model.coef_ == high))
    assert model.at_bound_.any()
    assert_array_equal(model.coef_[model.proved_zero_], 0)
    theirs = least_of_scipy(
        X, target, settings["C"], settings.get("l1_ratio", 0), low, high, settings.get("scale", 1.0)
    )
    assert certificate.objective - certificate.gap <= theirs + 1e-12
    assert theirs >= certificate.objective - 1e-7  # L-BFGS-B may stop early


def test_one_column_has_the_closed_form():
    """Shares of the second class of 1/4 at x = -1 and 3/4 at x = 1: the fit is log 3 without
    bounds, and the nearest bound with them."""
    one, target = np.repeat([[-1.0], [1.0]], 4, axis=0), [0, 0, 0, 1, 1, 1, 1, 0]
    settings = {"C": inf, "fit_intercept": False, "tol": 1e-12}
    for low, high in [(-1, 2), (0, 1), (2, 3), (-3, -0.5), (0.25, 0.25)]:
        found = LogisticRegression(bounds=(low, high), **settings).fit(one, target).coef_[0, 0]
        assert found == pytest.approx(np.clip(np.log(3), low, high), rel=1e-9)


def test_a_sign_leaves_out_what_would_go_the_other_way():
    """Coefficients kept at 0 by their sign are proved to be 0, and the others are those of a fit
    without these columns."""
    model = LogisticRegression(bounds=(0, None), tol=1e-10).fit(X, TWO)
    kept = model.coef_[0] > 0
    assert 0 < kept.sum() < 4
    assert_array_equal(model.proved_zero_[0], ~kept)
    alone = LogisticRegression(tol=1e-10).fit(X[:, kept], TWO)
    assert_allclose(model.coef_[:, kept], alone.coef_, rtol=1e-4)


@pytest.mark.parametrize(
    "bounds",
    [
        (0, inf),
        (0.0, None),
        [[0, inf]] * 4,
        np.array([[0, inf]] * 4),
        (np.zeros(4), inf),
        ([0, 0, 0, 0], [None] * 4),
        {0: (0, None), 1: (0, inf), 2: (0, None), 3: (0, None)},
        dict.fromkeys(["sepal length", "sepal width", "petal length", "petal width"], (0, None)),
    ],
    ids=str,
)
def test_every_form_means_the_same(tmp_path, bounds):
    frame = pd.DataFrame(X, columns=["sepal length", "sepal width", "petal length", "petal width"])
    model = LogisticRegression(bounds=bounds).fit(frame, y)
    assert_array_equal(model.coef_, LogisticRegression(bounds=(0, inf)).fit(X, y).coef_)
    assert str(model.objective_).endswith("+ 0.00666667/2 ||W||^2, subject to 0 <= W")
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.objective_ == model.objective_
    assert again.certificate_ == model.certificate_
    assert_array_equal(again.at_bound_, model.at_bound_)
    assert_array_equal(again.proved_zero_, model.proved_zero_)
    assert_array_equal(again.fit(frame, y).coef_, model.coef_)
    assert clone(model).bounds is not None


def test_bounds_are_of_coefficients_as_they_are_returned():
    """In any type and with any scale no coefficient is past its bound by a digit."""
    for scale in (None, "standard", [1e-3, 7.0, 1 / 3, 1e5]):
        for values in (X, X.astype(np.float32), sparse.csr_array(X)):
            model = LogisticRegression(bounds=(-0.1, 0.7), scale=scale, C=100.0).fit(values, y)
            assert model.certificate_.holds
            assert (model.coef_.astype(float) >= -0.1).all()
            assert (model.coef_.astype(float) <= 0.7).all()
            assert model.at_bound_.any()


def test_a_softmax_within_bounds_is_not_centred_beyond_them():
    """Coefficients of all classes are moved together as far as the bounds allow; those that are
    fixed stay."""
    model = LogisticRegression(bounds={0: (1, 2), 1: (0.5, 0.5)}, tol=1e-9).fit(X, y)
    assert_array_equal(model.coef_[:, 1], 0.5)
    assert (model.coef_[:, 0] >= 1).all()
    assert (model.coef_[:, 0] == 1).any()
    assert_allclose(model.coef_[:, 2:].mean(axis=0), 0, atol=1e-9)


def test_rows_in_files_and_starts_from_elsewhere_have_one_minimum(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(label=y)
    file = tmp_path / "t.csv"
    frame.to_csv(file, index=False)
    from polytome import open_rows

    settings = {"bounds": {"a": (None, 0), "d": (0, 1)}, "C": 3.0, "tol": 1e-9}
    expected = LogisticRegression(**settings).fit(frame.drop(columns="label"), y)
    streamed = LogisticRegression(**settings).fit(open_rows(file, target="label"))
    assert streamed.certificate_.holds
    assert_allclose(streamed.coef_, expected.coef_, atol=2e-3)
    warm = LogisticRegression(C=3.0, warm_start=True).fit(X, y)
    warm.set_params(bounds={0: (None, 0), 3: (0, 1)}, tol=1e-9).fit(X, y)
    assert_allclose(warm.coef_, expected.coef_, atol=2e-3)
    started = LogisticRegression(bounds=(1, 2), max_iter=0)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        assert_array_equal(started.fit(X, y).coef_, 1.0)


def test_a_category_has_its_bounds_in_every_level_and_the_command_line_gives_them(tmp_path):
    file, out = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rng = np.random.default_rng(3)
    colour, size = rng.choice(["red", "green", "blue"], 90), rng.normal(size=90)
    label = np.where(size + (colour == "red") + 0.3 * rng.normal(size=90) > 0, "big", "small")
    pd.DataFrame({"colour": colour, "size, or so": size, "label": label}).to_csv(file, index=False)
    source = open_source(str(file), target="label")
    bounds = {"colour": (-0.2, 0.1), "size, or so": (None, 0)}
    model = fit_source(LogisticRegression(bounds=bounds), source)
    assert model.bounds == bounds
    width = model.source_.encoder.columns[0].width
    assert (np.abs(model.coef_[0, :width]) <= 0.2).all()
    assert model.at_bound_[0, :width].any()
    asked = ["train", str(file), "--target", "label", "--out", str(out), "--bounds", "colour=-0.2:0.1,size, or so=:0"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "coefficients at a bound" in " ".join(result.output.split())
    assert_array_equal(load(out).coef_, model.coef_)
    pytest.importorskip("flint")
    from polytome import verify

    assert verify(load(out), source.X, source.y).verdict == "confirmed"
    for wrong, told in [("color=0:", "did you mean 'colour'"), ("colour=1", "is not LOW:HIGH"), ("2:1", "above")]:
        result = CliRunner().invoke(app, [*asked[:4], "--bounds", wrong])
        assert result.exit_code != 0
        assert told in " ".join(result.output.replace("│", " ").split()) + str(result.exception)


@pytest.mark.parametrize(
    "settings",
    [
        {"bounds": (0, inf), "C": 1.0},
        {"bounds": (-0.4, 0.3), "C": inf},
        {"bounds": [[-inf, inf], [-0.2, 0.2], [0, 0.5], [0.1, 0.1]], "C": inf},
        {"bounds": {0: (0.1, 1.0), 2: (None, 0)}, "C": 0.3, "l1_ratio": 1.0},
        {"bounds": (0, inf), "C": 0.3, "l1_ratio": 0.5, "scale": "standard", "penalty_weights": [1, 2, 0.5, 1]},
    ],
    ids=str,
)
def test_a_second_opinion_confirms_it_and_refutes_what_is_claimed_too_much(settings):
    pytest.importorskip("flint")
    from polytome import verify

    for target in (y[::3], TWO[::3]):
        model = LogisticRegression(**settings).fit(X[::3], target)
        found = verify(model, X[::3], target)
        assert found.verdict == "confirmed", found
        assert found.confirmed_zeros == found.claimed_zeros
    inside = model.coef_.copy()
    model.coef_ = np.clip(np.full(inside.shape, 0.2), *bounds_of(model, 4))
    assert verify(model, X[::3], target).verdict == "refuted"
    model.coef_ = inside.copy()
    model.coef_[0, 2] = 17.5 if settings["bounds"] != (0, inf) else -17.5
    assert "bounds are from" in " ".join(verify(model, X[::3], target).reasons)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"bounds": (1, 0)}, r"bounds are from 1 to 0: the lower bound is above"),
        ({"bounds": (np.nan, 1)}, r"bounds is \(nan, 1\): needs a pair of numbers"),
        ({"bounds": 3}, r"bounds=3: needs None, a pair"),
        ({"bounds": "0:1"}, r"bounds='0:1': needs None, a pair"),
        ({"bounds": (0, "1")}, r"needs a pair of numbers"),
        ({"bounds": [0, 1]}, r"needs None, a pair"),
        ({"bounds": []}, r"bounds has shape"),
        ({"bounds": [[0, 1, 2]] * 4}, r"bounds has shape \(4, 3\)"),
        ({"bounds": [[0, 1]] * 3}, r"pairs for 3 columns, X has 4"),
        ({"bounds": (np.zeros(3), 1)}, r"pairs for 3 columns, X has 4"),
        ({"bounds": (np.zeros(3), np.ones(4))}, r"needs None, a pair"),
        ({"bounds": [[0, 1], [0, 1], [2, 1], [0, 1]]}, r"bounds of column 2 are from 2 to 1"),
        ({"bounds": (inf, inf)}, r"no coefficient is there"),
        ({"bounds": {"a": (0, 1)}}, r"X has no names of columns"),
        ({"bounds": {4: (0, 1)}}, r"bounds has the place 4, and X has 4 columns"),
        ({"bounds": {1.5: (0, 1)}}, r"bounds has the key 1.5"),
        ({"bounds": {1: 5}}, r"bounds\[1\] is 5: needs a pair"),
        ({"bounds": (0, inf), "C": inf}, r"bounds of column 0 are from 0 to inf, and it has no penalty"),
        ({"bounds": (0, 1), "l1_ratio": 1, "groups": "classes"}, r"bounds and groups"),
        ({"bounds": (0, 1), "solver": "newton"}, r"Newton does not minimise .* within bounds: use ProximalNewton"),
        ({"bounds": (0, 1), "solver": "lbfgs"}, r"LBFGS does not minimise .* within bounds"),
    ],
)
def test_bounds_that_cannot_be_used_are_named(settings, told):
    with pytest.raises(ArgumentError, match=told):
        LogisticRegression(**settings).fit(X, y)


def test_names_that_are_near_are_suggested_and_a_column_has_one_pair():
    frame = pd.DataFrame(X, columns=["age", "income", "debts", "years"])
    with pytest.raises(ArgumentError, match=r"bounds names 'incme', .*did you mean 'income'"):
        LogisticRegression(bounds={"incme": (0, 1)}).fit(frame, y)
    with pytest.raises(ArgumentError, match=r"bounds has 'age' and 0, which are one column"):
        LogisticRegression(bounds={"age": (0, 1), 0: (0, 2)}).fit(frame, y)
    with pytest.raises(ArgumentError, match=r"bounds: partial_fit learns coefficients without any"):
        LogisticRegression(bounds=(0, 1)).partial_fit(X, y)
    with pytest.raises(ArgumentError, match=r"without 0, and a class has no rows of positive weight"):
        LogisticRegression(bounds=(1, 2)).fit(X, y, sample_weight=np.where(y == y[0], 0.0, 1.0))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda saved: saved["parameters"].update(bounds=[0.0, 1.0]), "the objective has the bounds"),
        (lambda saved: saved["parameters"].update(bounds=None), "the objective has the bounds"),
        (lambda saved: saved["parameters"].update(bounds=[1.0, 0.0]), "above the upper one"),
        (lambda saved: saved["parameters"].update(bounds="tensor"), "contradict each other"),
        (lambda saved: saved["parameters"].update(bounds=[[1, 0.0]]), "bounds"),
        (lambda saved: saved["certificate"].update(has_bounds=False), "the objective has the bounds"),
    ],
)
def test_a_model_file_whose_bounds_contradict_each_other_is_refused(change, told):
    from polytome.files.model_file import _from_saved, _kind_of, _to_saved

    model = LogisticRegression(bounds=(0, None)).fit(X, y)
    saved, tensors = _to_saved(_kind_of(model), model)
    saved["checksum"] = "0" * 64
    _from_saved(json.loads(json.dumps(saved)), tensors)
    with pytest.raises(FileError, match="not within its bounds"):
        _from_saved(saved, tensors | {"coef": tensors["coef"] - 100.0})
    change(saved)
    with pytest.raises(FileError, match=told):
        _from_saved(saved, tensors)


def test_other_programs_words():
    model = fit_like("glmnet", X, TWO, lambda_=0.01, alpha=0.5, lower_limits=[-1, 0, 0, -2], upper_limits=0.5)
    assert (model.coef_ >= [-1, 0, 0, -2]).all()
    assert (model.coef_ <= 0.5).all()
    words = explain_objective(model)
    assert words.parameters["glmnet"]["lower_limits"] == [-1, 0, 0, -2]
    assert np.allclose(words.parameters["glmnet"]["upper_limits"], 0.5)
    assert words.notes["scikit-learn"] == "it has no bounds of coefficients"
    assert "bounds beside squares alone" in words.notes["Spark"]
    signs = explain_objective(LogisticRegression(bounds=(0, None)).fit(X, y))
    assert signs.parameters["glmnet"]["lower_limits"] == 0
    assert "upper_limits" not in signs.parameters["glmnet"]
    assert (
        "its limits have 0 among them" in explain_objective(LogisticRegression(bounds=(1, 2)).fit(X, y)).notes["glmnet"]
    )
    with pytest.raises(ArgumentError, match="0 or less"):
        fit_like("glmnet", X, TWO, lambda_=0.01, lower_limits=1)
    with pytest.raises(ArgumentError, match="family='binomial'"):
        fit_like("glmnet", X, TWO, lambda_=0.01, lower_limits=0, family="multinomial")


def test_an_offset_as_columns_has_no_bounds():
    offset = np.linspace(-1, 1, len(X))
    model = LogisticRegression(bounds=(0, 0.4)).fit(X, TWO, offset=offset)
    wide = model.offset_as_columns()
    assert wide.coef_[0, -1] == 1.0
    assert not wide.at_bound_[0, -1]
    assert wide.objective_.bounds == "bounds of 4 of 5 columns"
    assert_allclose(wide.predict_proba(np.column_stack([X, offset])), model.predict_proba(X, offset=offset))
