"""The displays of `polytome.plots`: what they draw is what was computed, legible, and the same in
every run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import calibration_curve
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB

import polytome
from polytome import (
    LogisticRegression,
    LogisticRegressionCV,
    RegularizationPath,
    StabilitySelection,
    load_dataset,
    plots,
)
from polytome.errors import ArgumentError, DataError, MissingExtraError
from polytome.evaluation.curves import binomial_interval
from polytome.evaluation.explain import contributions
from polytome.inference import fit_firth, fit_formula, fit_ordered
from polytome.numerics import sigmoid

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402

from pictures import assert_legible  # noqa: E402
from polytome.plots import drawing  # noqa: E402

NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
PETALS = NAMES[2:]


@cache
def iris() -> tuple[pd.DataFrame, np.ndarray, LogisticRegression]:
    """Three classes, names of features, held-out rows."""
    data = load_dataset("iris")
    X, y = pd.DataFrame(data.X, columns=NAMES), data.y
    return X.iloc[1::2], y[1::2], LogisticRegression().fit(X.iloc[::2], y[::2])


@cache
def cancer() -> tuple[np.ndarray, np.ndarray, LogisticRegression]:
    """Two classes."""
    data = load_dataset("breast-cancer")
    return data.X[1::2], data.y[1::2], LogisticRegression(scale="standard").fit(data.X[::2], data.y[::2])


@cache
def digits() -> tuple[np.ndarray, np.ndarray, LogisticRegression]:
    """Ten classes of pictures."""
    data = load_dataset("digits")
    model = LogisticRegression(scale=16.0).fit(data.X[::2], data.y[::2])
    model.image_shape_ = (8, 8)
    return data.X[1::2], data.y[1::2], model


def many_confused(k: int) -> plots.ConfusionDisplay:
    random = np.random.default_rng(k)
    y = random.integers(0, k, 60 * k)
    predicted = np.where(random.random(len(y)) < 0.8, y, (y + random.integers(0, 5, len(y))) % k)
    labels = np.array([f"word {position:02d}" for position in range(k)])
    return plots.ConfusionDisplay.from_predictions(labels[y], labels[predicted])


def penalties() -> plots.RegularizationDisplay:
    X, y, model = iris()
    return plots.RegularizationDisplay.from_estimator(model, X[::2], y[::2], X[1::2], y[1::2], Cs=[0.01, 1, 100])


def why(example: Callable[[], Any], row: int, **settings: Any) -> plots.ContributionsDisplay:
    X, _, model = example()
    return plots.ContributionsDisplay.from_estimator(
        model, np.asarray(X)[row] if example != iris else X.iloc[[row]], **settings
    )


def rates(solver: Any = "gradient-descent") -> plots.LearningRatesDisplay:
    X, y, model = iris()
    return plots.LearningRatesDisplay.from_estimator(model, X, y, [0.01, 0.1, 1000.0], epochs=8, solver=solver)


@cache
def grades() -> dict[str, Any]:
    """A table of two variables and three classes."""
    random = np.random.default_rng(3)
    hours, group = random.uniform(0, 10, 240).round(1), random.integers(0, 3, 240)
    place = (0.5 * hours + group + random.logistic(size=240) > np.array([[2.0], [5.0]])).sum(axis=0)
    names = ["without any teaching at all", "an_evening_course_without_blanks", "day ($20)"]
    return {
        "grade": np.array(["fails", "passes", "excels"])[place].tolist(),
        "passed": np.where(place > 0, "yes", "no").tolist(),
        "hours of study": hours.tolist(),
        "taught": [names[k] for k in group],
        "rare": np.where((place > 0) & (np.arange(240) % 9 == 0), 1, 0).tolist(),
    }


@cache
def graded(response: str = "passed", more: str = "", **asked: Any) -> Any:
    return fit_formula(f"{response} ~ `hours of study` + taught{more}", grades(), **asked)


DRAW: dict[str, Callable[[], plots.display.Display]] = {
    "convergence": lambda: plots.ConvergenceDisplay.from_estimator(digits()[2]),
    "rates": rates,
    "rates-sgd": lambda: rates("sgd"),
    "penalty": penalties,
    "coefficients-2": lambda: plots.CoefficientsDisplay.from_estimator(cancer()[2]),
    "coefficients-3": lambda: plots.CoefficientsDisplay.from_estimator(iris()[2], iris()[0]),
    "coefficients-10": lambda: plots.CoefficientsDisplay.from_estimator(digits()[2]),
    "coefficients-some": lambda: plots.CoefficientsDisplay.from_estimator(digits()[2], labels=[3, 8]),
    "regions": lambda: plots.DecisionRegionsDisplay.from_estimator(iris()[2], *iris()[:2], features=PETALS),
    "regions-2": lambda: plots.DecisionRegionsDisplay.from_estimator(cancer()[2], *cancer()[:2], features=(20, 21)),
    "regions-10": lambda: plots.DecisionRegionsDisplay.from_estimator(digits()[2], *digits()[:2], features=(42, 21)),
    "sigmoid": lambda: plots.SigmoidDisplay.from_estimator(cancer()[2], *cancer()[:2]),
    "sigmoid-feature": lambda: plots.SigmoidDisplay.from_estimator(cancer()[2], *cancer()[:2], feature=20, cut_off=0.3),
    "simplex": lambda: plots.SimplexDisplay.from_estimator(iris()[2], *iris()[:2]),
    "confusion-2": lambda: plots.ConfusionDisplay.from_estimator(cancer()[2], *cancer()[:2]),
    "confusion-10": lambda: plots.ConfusionDisplay.from_estimator(digits()[2], *digits()[:2]),
    "confusion-26": lambda: many_confused(26),
    "confusion-100": lambda: many_confused(100),
    "calibration-2": lambda: plots.CalibrationDisplay.from_estimator(cancer()[2], *cancer()[:2]),
    "calibration-10": lambda: plots.CalibrationDisplay.from_estimator(digits()[2], *digits()[:2]),
    "calibration-one": lambda: plots.CalibrationDisplay.from_estimator(digits()[2], *digits()[:2], label=8),
    "roc-2": lambda: plots.RocDisplay.from_estimator(cancer()[2], *cancer()[:2]),
    "roc-10": lambda: plots.RocDisplay.from_estimator(digits()[2], *digits()[:2]),
    "precision-2": lambda: plots.PrecisionRecallDisplay.from_estimator(cancer()[2], *cancer()[:2]),
    "path-2": lambda: RegularizationPath(n_strengths=12, scale="standard").fit(*cancer()[:2]).plot(chosen=1.0),
    "path-3": lambda: RegularizationPath(0.5, n_strengths=12).fit(*iris()[:2]).plot(),
    "cross-validation": lambda: plots.CrossValidationDisplay.from_search(
        LogisticRegressionCV(Cs=4, l1_ratios=[0, 1], cv=3).fit(*iris()[:2])
    ),
    "stability-2": lambda: StabilitySelection(n_pairs=3, n_strengths=12, scale="standard").fit(*cancer()[:2]).plot(),
    "precision-10": lambda: plots.PrecisionRecallDisplay.from_estimator(digits()[2], *digits()[:2]),
    "forest-2": lambda: plots.ForestDisplay.from_result(graded(), intervals="profile"),
    "forest-3": lambda: plots.ForestDisplay.from_result(graded("grade"), odds_ratios=False),
    "forest-infinite": lambda: plots.ForestDisplay.from_result(graded(more=" + rare")),
    "forest-40": lambda: plots.ForestDisplay(
        *(np.linspace(-3, 3, 40) + each for each in (0, -0.5, 0.5)),
        [f"a rather_long_name {j}" for j in range(40)],
        ["y"],
        "y = 1 against 0",
    ).plot(),
    "effect-2": lambda: plots.EffectDisplay.from_result(graded(), "hours of study"),
    "effect-3": lambda: plots.EffectDisplay.from_result(graded("grade"), "hours of study", at={"taught": "day ($20)"}),
    "effect-levels": lambda: plots.EffectDisplay.from_result(graded("grade"), "taught"),
    "effect-infinite": lambda: plots.EffectDisplay.from_result(graded(more=" + rare"), "rare"),
    "residuals-2": lambda: plots.ResidualsDisplay.from_result(graded()),
    "residuals-3": lambda: plots.ResidualsDisplay.from_result(graded("grade")),
    "influence-2": lambda: plots.InfluenceDisplay.from_result(graded()),
    "influence-3": lambda: plots.InfluenceDisplay.from_result(graded("grade")),
    "why-2": lambda: why(cancer, 3),
    "why-3": lambda: why(iris, 40),
    "why-image": lambda: why(digits, 5, label=8, against=3),
}
LARGE = {
    "forest-40": 160,
    "confusion-26": 260,
    "confusion-10": 110,
    "confusion-100": 110,
    "regions-10": 120,
    "regions-2": 90,
}

ONE_OF_EACH = (
    *("convergence", "rates", "penalty", "coefficients-2", "regions", "sigmoid", "simplex", "confusion-2"),
    *("calibration-10", "roc-2", "precision-10", "path-3", "cross-validation", "stability-2", "forest-3"),
    *("effect-3", "residuals-3", "influence-3", "why-3"),
)


def again(display: plots.display.Display) -> plots.display.Display:
    """A display of the same numbers, not drawn yet."""
    fields = {name: value for name, value in vars(display).items() if name not in ("ax_", "figure_")}
    return type(display)(**fields)


@cache
def drawn(name: str) -> plots.display.Display:
    return DRAW[name]()


@cache
def svg_of(name: str) -> bytes:
    return drawing.svg_bytes(drawn(name).figure_)


@pytest.fixture(autouse=True)
def settings_are_as_before() -> Iterator[None]:
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", DRAW)
def test_every_axis_says_what_it_shows_and_no_text_covers_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(name).figure_
    assert drawing.unlabelled(figure) == []
    assert_legible(figure, monkeypatch)


@pytest.mark.parametrize("name", DRAW)
def test_svg_is_small(name: str) -> None:
    assert len(svg_of(name)) < 1000 * LARGE.get(name, 80)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_svg_is_the_same_in_two_runs(name: str) -> None:
    assert drawing.svg_bytes(again(drawn(name)).plot().figure_) == svg_of(name)


@pytest.mark.parametrize("name", ["roc-2", "coefficients-3"])
def test_a_notebook_shows_the_svg(name: str) -> None:
    assert drawn(name)._repr_svg_() == svg_of(name).decode()


@pytest.mark.parametrize("name", DRAW)
def test_title_and_description_make_sense_alone(name: str) -> None:
    display = drawn(name)
    assert len(display.title()) > 15
    words = display.description()
    assert words.endswith(".")
    assert any(letter.isdigit() for letter in words)
    assert not {"nan", "$", "\\", "np."} & set(words.split())


@pytest.mark.parametrize("name", [name for name in DRAW if name.endswith(("2", "image")) or "-" not in name])
def test_a_display_draws_on_axes_that_it_is_given(name: str) -> None:
    _, _, rows, columns = drawn(name)._paper()
    figure = Figure(figsize=(8 * columns, 6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    size = figure.get_size_inches().copy()
    display = again(drawn(name)).plot(axes)
    assert display.figure_ is figure
    assert (figure.get_size_inches() == size).all()
    assert axes[0, 0].get_title(loc="left") or axes[0, 0].get_title()
    assert display._repr_svg_() is None
    with pytest.raises(ArgumentError, match="axes for"):
        display.plot([*axes.flat, axes[0, 0]])


def test_convergence_draws_the_history_and_the_tolerance(tmp_path: Path) -> None:
    model = digits()[2]
    display = drawn("convergence")
    for panel, attribute in zip(display.ax_, ("passes", "seconds"), strict=True):
        above, gap, end, tolerance = panel.lines
        x = [getattr(line, attribute) for line in model.history_]
        floor = model.certificate_.objective - model.certificate_.gap
        assert np.allclose(above.get_xdata(), x)
        assert np.allclose(above.get_ydata(), [line.objective - floor for line in model.history_])
        assert np.allclose(gap.get_ydata(), [line.gap for line in model.history_])
        assert end.get_ydata() == [model.certificate_.gap]
        limit = model.certificate_.tol * model.certificate_.null_objective
        assert np.allclose(tolerance.get_ydata(), limit)
    model.save(tmp_path / "model.safetensors")
    loaded = plots.ConvergenceDisplay.from_estimator(polytome.load(tmp_path / "model.safetensors"))
    assert drawing.svg_bytes(loaded.figure_) == drawing.svg_bytes(display.figure_)


def test_convergence_calls_what_is_not_proved_an_estimate(monkeypatch) -> None:
    monkeypatch.setattr("polytome.certificates.certificate.curvature_bound", lambda *_: None)
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 1, 0, 1]
    display = plots.ConvergenceDisplay.from_estimator(LogisticRegression(C=np.inf).fit(X, y))
    assert "estimated" in display.description()


def test_coefficients_are_the_largest_ones_with_their_names() -> None:
    model = cancer()[2]
    display = plots.CoefficientsDisplay.from_estimator(model, most=4)
    order = np.argsort(-np.abs(model.coef_[0]))[:4]
    order = order[np.argsort(-model.coef_[0][order])]
    assert [bar.get_width() for bar in display.ax_.patches] == model.coef_[0][order].tolist()
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == [f"feature_{j}" for j in order]
    assert display.ax_.get_xlabel() == "log odds per unit"


def test_coefficients_per_standard_deviation() -> None:
    X, _, model = iris()
    display = drawn("coefficients-3")
    for panel, row in zip(display.ax_, model.coef_, strict=False):
        assert np.allclose(sorted(bar.get_width() for bar in panel.patches), sorted(row * X.to_numpy().std(axis=0)))
        assert panel.get_xlim() == pytest.approx(display.ax_[0].get_xlim())


def test_pictures_of_coefficients_share_one_scale_with_white_for_zero() -> None:
    model = digits()[2]
    images = [panel.images[0] for panel in drawn("coefficients-10").ax_]
    assert np.allclose([image.get_array() for image in images], model.coef_.reshape(10, 8, 8))
    (low, high), *others = [image.get_clim() for image in images]
    assert low == -high
    assert all(limits == (low, high) for limits in others)
    assert images[0].cmap(0.5)[:3] == (1, 1, 1)


def test_regions_are_the_predictions_with_the_other_features_at_their_medians() -> None:
    X, y, model = iris()
    display = drawn("regions")
    plane = np.array([[1.4, 0.2], [4.5, 1.4], [6.0, 2.3]])
    rows = np.column_stack([np.tile(np.median(X.iloc[:, :2], axis=0), (3, 1)), plane])
    assert np.allclose(display.probabilities(plane), model.predict_proba(pd.DataFrame(rows, columns=NAMES)))
    shown = {line.get_markersize() and tuple(map(tuple, line.get_xydata())) for line in display.ax_.lines}
    assert {place for rows in shown for place in rows} == set(map(tuple, X[PETALS].to_numpy()))
    pixels = display.ax_.images[0].get_array()
    left, right, bottom, top = display.ax_.images[0].get_extent()
    at = ((plane - [left, bottom]) / [right - left, top - bottom] * [pixels.shape[1], pixels.shape[0]]).astype(int)
    expected = model.predict_proba(pd.DataFrame(rows, columns=NAMES))
    for (column, row), p in zip(at, expected, strict=True):
        strength = (0.1, 0.2, 0.32, 0.46)[int(np.searchsorted((0.75, 0.9, 0.99), p.max(), side="right"))]
        colour = drawing.tint(drawing.PALETTE[p.argmax()], strength)
        assert "#" + "".join(f"{part:02x}" for part in pixels[row, column]) == colour
    assert (display.labels == y).all()


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda X: X])
def test_regions_of_any_classifier_with_probabilities(frame: Callable[[Any], Any]) -> None:
    X, y, _ = cancer()
    model = GaussianNB().fit(frame(X), y)
    display = plots.DecisionRegionsDisplay.from_estimator(model, frame(X), y, features=(0, 1))
    assert display.probabilities(X[:3, :2]).shape == (3, 2)


def test_regions_of_sparse_rows_are_those_of_dense_ones() -> None:
    from scipy import sparse

    X, y, model = digits()
    place = np.array([[3.0, 4.0]])
    dense = plots.DecisionRegionsDisplay.from_estimator(model, X, y, features=(42, 21))
    same = plots.DecisionRegionsDisplay.from_estimator(model, sparse.csr_array(X), y, features=(42, 21))
    assert np.allclose(dense.probabilities(place), same.probabilities(place))
    assert np.allclose(dense.points, same.points)


def test_the_sigmoid_is_the_model_and_its_cut_off_is_where_the_probability_crosses_it() -> None:
    X, y, model = cancer()
    display = drawn("sigmoid")
    curve = display.ax_.lines[2]
    assert np.allclose(curve.get_ydata(), sigmoid(np.asarray(curve.get_xdata())))
    zero, one = display.ax_.lines[:2]
    scores = model.decision_function(X)
    assert np.allclose(np.sort(one.get_xdata()), np.sort(scores[y == model.classes_[1]]))
    assert (np.asarray(zero.get_ydata()) == 0).all()
    assert display.crossing == 0
    wrong = int((model.predict(X) != y).sum())
    assert f"{wrong} of the {len(y)} rows" in display.description()
    assert plots.SigmoidDisplay.from_estimator(model, X, y, cut_off=0.9).crossing == pytest.approx(np.log(9))


def test_the_sigmoid_along_a_feature_holds_the_others_at_their_medians() -> None:
    X, _, model = cancer()
    display = drawn("sigmoid-feature")
    row = np.median(X, axis=0)
    row[20] = display.crossing
    assert model.predict_proba(row[None])[0, 1] == pytest.approx(0.3)


def test_the_simplex_has_certainty_in_its_corners_and_distances_for_probabilities() -> None:
    X, _, model = iris()
    display = drawn("simplex")
    p = model.predict_proba(X)
    drawn_points = np.concatenate([line.get_xydata() for line in display.ax_.lines if line.get_linestyle() == "None"])
    assert sorted(map(tuple, drawn_points)) == sorted(map(tuple, display.places))
    # Viviani: the distance from each side, over the height of the triangle, is a probability.
    height = np.sqrt(3) / 2
    x, y = display.places.T
    assert np.allclose(y / height, p[:, 2])
    assert np.allclose((np.sqrt(3) * (1 - x) - y) / 2 / height, p[:, 0])


def test_confusion_counts_and_shares_are_those_of_scikit_learn() -> None:
    X, y, model = digits()
    display = drawn("confusion-10")
    expected = metrics.confusion_matrix(y, model.predict(X))
    assert (display.confusion == expected).all()
    assert np.allclose(display.shares, metrics.confusion_matrix(y, model.predict(X), normalize="true"))
    assert display.accuracy == pytest.approx(metrics.accuracy_score(y, model.predict(X)))
    texts = [text.get_text() for text in display.ax_.texts]
    assert [int(text.split("\n")[0]) for text in texts] == expected.ravel().tolist()
    assert f"{100 * display.accuracy:.1f}\xa0%" in display.title()


def test_a_class_without_rows_has_empty_shares() -> None:
    display = plots.ConfusionDisplay.from_predictions(["a", "a"], ["a", "b"])
    assert [text.get_text() for text in display.ax_.texts] == ["1\n50 %", "1\n50 %", "0", "0"]
    perfect = plots.ConfusionDisplay.from_predictions(["a", "b"], ["a", "b"])
    assert "no errors" in perfect.description()


def test_calibration_is_that_of_scikit_learn_with_exact_binomial_bands() -> None:
    X, y, model = cancer()
    display = drawn("calibration-2")
    p, happened = model.predict_proba(X)[:, 1], y == model.classes_[1]
    frequency, mean = calibration_curve(happened, p, n_bins=10)
    points = next(line for line in display.ax_.lines if line.get_marker() == "o")
    assert np.allclose(points.get_xydata(), np.column_stack([mean, frequency]))
    counts = np.histogram(p, bins=np.linspace(0, 1, 11))[0]
    counts = counts[counts > 0]
    lower, upper = binomial_interval(np.round(frequency * counts), counts)
    ends = np.array([segment[:, 1] for segment in display.ax_.collections[0].get_segments()])
    assert np.allclose(ends, np.column_stack([lower, upper]))
    error = (counts * np.abs(frequency - mean)).sum() / counts.sum()
    assert display.error == pytest.approx(error)
    assert f"{error:.2g}" in display.title()


def test_calibration_of_many_classes_is_that_of_the_class_predicted() -> None:
    X, y, model = digits()
    p = model.predict_proba(X)
    frequency, _ = calibration_curve(model.predict(X) == y, p.max(axis=1), n_bins=10)
    assert np.allclose([each.frequency for each in drawn("calibration-10").bins], frequency)
    frequency, _ = calibration_curve(y == 8, p[:, 8], n_bins=10)
    assert np.allclose([each.frequency for each in drawn("calibration-one").bins], frequency)


@pytest.mark.parametrize("make", [RandomForestClassifier, GaussianNB])
def test_quality_of_any_classifier_is_what_scikit_learn_s_displays_show(make: Any) -> None:
    X, y, _ = cancer()
    settings = {"n_estimators": 10, "random_state": 0} if make is RandomForestClassifier else {}
    model = make(**settings).fit(X[:100], y[:100])
    scores, truth = model.predict_proba(X)[:, 1], y == model.classes_[1]
    roc = plots.RocDisplay.from_estimator(model, X, y)
    peer = metrics.RocCurveDisplay(**dict(zip(("fpr", "tpr"), metrics.roc_curve(truth, scores)[:2], strict=True)))
    curve = roc.curves[model.classes_[1]]
    assert np.allclose(curve.x, peer.fpr)
    assert np.allclose(curve.y, peer.tpr)
    assert roc.areas[model.classes_[1]] == pytest.approx(metrics.roc_auc_score(truth, scores))
    precision = plots.PrecisionRecallDisplay.from_estimator(model, X, y)
    assert precision.mean_area == pytest.approx(metrics.average_precision_score(truth, scores))
    confusion = plots.ConfusionDisplay.from_estimator(model, X, y)
    assert (confusion.confusion == metrics.confusion_matrix(y, model.predict(X))).all()


def test_areas_of_ten_classes_and_lines_that_keep_to_the_curves() -> None:
    X, y, model = digits()
    p = model.predict_proba(X)
    roc, precision = drawn("roc-10"), drawn("precision-10")
    for label in model.classes_.tolist():
        assert roc.areas[label] == pytest.approx(metrics.roc_auc_score(y == label, p[:, label]))
        assert precision.areas[label] == pytest.approx(metrics.average_precision_score(y == label, p[:, label]))
    for display in (roc, precision):
        exact = {tuple(point) for curve in display.curves.values() for point in zip(curve.x, curve.y, strict=True)}
        lines = [line for line in display.ax_.lines if len(line.get_xdata()) > 2]
        assert len(lines) == 10
        assert {tuple(point) for line in lines for point in line.get_xydata()} <= exact
    key = [text.get_text() for text in roc.figure_.legends[0].get_texts()]
    ranked = sorted(roc.areas, key=lambda label: -roc.areas[label])
    assert [int(text.split()[0]) for text in key] == ranked


def test_more_than_ten_classes_leave_the_best_ones_grey() -> None:
    random = np.random.default_rng(0)
    model = GaussianNB().fit(random.normal(size=(260, 3)) + np.arange(260)[:, None] % 26 / 9, np.arange(260) % 26)
    display = plots.RocDisplay.from_estimator(model, model.theta_, np.arange(26))
    assert display.figure_.legends[0].get_texts()[-1].get_text() == "16 better ones"


@pytest.mark.parametrize(("name", "example", "row"), [("why-2", cancer, 3), ("why-3", iris, 40)])
def test_contributions_add_up_to_the_log_odds(name: str, example: Callable[[], Any], row: int) -> None:
    X, _, model = example()
    rows = X.iloc[[row]] if example is iris else X[[row]]
    display = drawn(name)
    names, values = display.bars()
    log_p = model.predict_log_proba(rows)[0]
    first, second = (model.classes_.tolist().index(label) for label in (display.label, display.against))
    assert values.sum() == pytest.approx(log_p[first] - log_p[second])
    assert display.label == model.predict(rows)[0]
    assert np.allclose([bar.get_width() for bar in display.ax_.patches], values)
    assert len(names) == len(values)
    assert np.allclose(
        np.sort(display.values),
        np.sort(contributions(model, rows).between(display.label, display.against).values[0, 0]),
    )


def test_contributions_of_a_picture_lie_on_its_pixels() -> None:
    X, _, model = digits()
    display = drawn("why-image")
    picture, reasons = (panel.images[0].get_array() for panel in display.ax_)
    assert (np.asarray(picture) == X[5].reshape(8, 8)).all()
    assert np.allclose(reasons, ((model.coef_[8] - model.coef_[3]) * X[5]).reshape(8, 8))


def test_contributions_of_a_table_are_those_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(
        "age,colour,income\n" + "".join(f"{20 + k},{'red' if k % 3 else 'blue'},{k % 2}\n" for k in range(30))
    )
    table = polytome.read_table(path, target="income")
    model = LogisticRegression().fit(table.X, table.y)
    model.encoder_ = table.encoder
    display = plots.ContributionsDisplay.from_estimator(model, table.X[[0]])
    assert list(display.names) == ["age = 20", "colour = blue"]


def test_learning_rates_are_named_and_the_diverging_one_is_marked() -> None:
    texts = {text.get_text() for text in drawn("rates").ax_.texts}
    assert texts == {"rate 0.01", "rate 0.1", "rate 1000: diverges"}
    for line, descent in zip(drawn("rates").ax_.lines, drawn("rates").descents, strict=False):
        top = drawn("rates").ax_.get_ylim()[1]
        expected = [min(value, top) if np.isfinite(value) else top for value in descent.objectives]
        assert np.allclose(line.get_ydata(), expected)
    assert "Diverging: 1000" in drawn("rates").description()


def test_the_penalty_s_paths_are_the_coefficients() -> None:
    display = drawn("penalty")
    X = iris()[0].to_numpy()[::2]
    for point, lengths in zip(display.path, display.lengths, strict=True):
        assert np.allclose(lengths, np.linalg.norm(point.coefficients * X.std(axis=0), axis=0))
    fitted, held_out = display.ax_[0].lines[:2]
    assert list(fitted.get_ydata()) == [point.train_loss for point in display.path]
    assert list(held_out.get_ydata()) == [point.held_out_loss for point in display.path]
    assert display.best.held_out_loss == min(held_out.get_ydata())
    assert {text.get_text() for text in display.ax_[1].texts} == set(NAMES)


@pytest.mark.parametrize(("make", "names"), [(pd.DataFrame, ["a", "b"]), (None, ["feature_0", "feature_1"])])
def test_the_penalty_s_paths_have_names_before_the_model_is_fitted(make: Any, names: list[str]) -> None:
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.5]]), [0, 1, 0, 1]
    X = X if make is None else make(X, columns=names)
    display = plots.RegularizationDisplay.from_estimator(LogisticRegression(), X, y, X, y, Cs=[1, 10])
    assert list(display.names) == names


class NearestCentroidLike(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Labels alone."""

    def fit(self, X: Any, y: Any) -> NearestCentroidLike:
        self.classes_ = np.unique(y)
        return self


def test_a_forest_has_the_table_s_numbers_on_a_logarithmic_axis() -> None:
    result = graded()
    display = plots.ForestDisplay.from_result(result, level=0.9)
    shown = result.confidence_intervals(0.9)
    assert next(tick.get_text().replace("\n", " ") for tick in display.ax_.get_yticklabels()) == "hours of study"
    for line, low, high in zip(display.ax_.lines[1:4], shown["lower"][1:], shown["upper"][1:], strict=True):
        np.testing.assert_allclose(line.get_xdata(), np.exp([low, high]))
    np.testing.assert_allclose(display.ax_.lines[4].get_xdata(), np.exp(result.coefficients[0, 1:]))
    assert display.ax_.get_xscale() == "log"
    assert "90 % Wald" in display.ax_.get_xlabel()
    assert list(display.ax_.lines[0].get_xdata()) == [1.0, 1.0]


def test_a_forest_leaves_out_the_least_certain_and_takes_terms_in_their_order() -> None:
    result = graded("grade")
    some = plots.ForestDisplay.from_result(result, most=1)
    assert list(some.names) == ["hours of study"]
    assert "1 most certain of 3" in some.title()
    chosen = plots.ForestDisplay.from_result(result, terms=["taught", "hours of study"])
    assert [*chosen.names][2] == "hours of study"
    assert len(chosen.names) == 3
    np.testing.assert_array_equal(chosen.coefficients[:, 2], result.coefficients[:, 1])
    np.testing.assert_array_less(chosen.lower, chosen.coefficients)


@pytest.mark.parametrize("odds_ratios", [True, False])
def test_a_forest_of_nothing_finite_and_of_endless_intervals_is_drawn(odds_ratios: bool) -> None:
    nothing = np.full((1, 2), np.nan)
    endless = plots.ForestDisplay([[np.inf, np.nan]], nothing, nothing, ["a", "b"], ["y"], "y", odds_ratios).plot()
    assert "1 coefficient without a finite estimate" in endless.description()
    texts = [text.get_text() for text in endless.ax_.texts]
    assert texts == ["∞ (no interval)", "not estimated"]
    zero = plots.ForestDisplay([[0.0]], [[0.0]], [[0.0]], ["a"], ["y"], "y", odds_ratios).plot()
    low, high = zero.ax_.get_xlim()
    assert low < (1 if odds_ratios else 0) < high
    wide = plots.ForestDisplay([[3, -2.0]], [[-400, -3]], [[460, -1]], ["a", "b"], ["y"], "y", odds_ratios).plot()
    low, high = np.log(wide.ax_.get_xlim()) if odds_ratios else wide.ax_.get_xlim()
    assert high < (25 if odds_ratios else 1000)
    assert low < -3


def test_an_effect_is_the_mean_prediction_with_the_errors_of_the_table() -> None:
    result = graded("grade")
    display = plots.EffectDisplay.from_result(result, "taught")
    found = result.predictions(at={"taught": list(display.values)})
    np.testing.assert_allclose(display.probabilities.ravel(), found.values)
    np.testing.assert_allclose(display.probabilities.sum(axis=1), 1)
    wide = np.minimum(found.values + 1.959963984540054 * found.standard_errors, 1)
    np.testing.assert_allclose(display.upper.ravel(), wide)
    assert plots.EffectDisplay.from_result(graded(), "hours of study").rows is not None


def test_infinite_estimates_take_the_interval_where_they_matter_alone() -> None:
    result = graded(more=" + rare")
    assert np.isinf(result.coefficients).any()
    display = plots.EffectDisplay.from_result(result, "rare")
    assert np.isnan(display.lower[1, 0])
    assert "infinite" in display.description()
    forest = plots.ForestDisplay.from_result(result)
    assert "without a finite estimate" in forest.description()


def test_groups_of_residuals_are_observed_less_predicted() -> None:
    result = graded()
    display = plots.ResidualsDisplay.from_result(result, bins=2)
    p = np.concatenate([rows.mean[:, 1] for rows in result.likelihood.at_rows(result.best.at)])
    upper = p > np.median(p)
    happened = result.sample.codes == 1
    assert display.residuals[0][1] == pytest.approx((happened - p)[upper].mean())
    assert display.errors[0][1] == pytest.approx(np.sqrt((p * (1 - p))[upper].sum()) / upper.sum())
    assert display.means[0][1] == pytest.approx(p[upper].mean())


def test_influence_names_the_rows_of_the_largest_distances() -> None:
    result = graded()
    frame = result.influence()
    worst = int(np.argmax(np.asarray(frame["cook"])))
    display = plots.InfluenceDisplay.from_result(result)
    assert f"row {worst} (" in display.description()
    assert f"row {worst}" in [text.get_text() for text in display.ax_.texts]


def refused() -> dict[str, tuple[Callable[[], Any], type[Exception], str]]:
    X, y, three = iris()
    two_X, two_y, two = cancer()
    fresh = LogisticRegression()
    return {
        "simplex-2": (lambda: plots.SimplexDisplay.from_estimator(two, two_X, two_y), ArgumentError, "has 2 classes"),
        "sigmoid-3": (lambda: plots.SigmoidDisplay.from_estimator(three, X, y), ArgumentError, "has 3 classes"),
        "cut-off": (
            lambda: plots.SigmoidDisplay.from_estimator(two, two_X, two_y, cut_off=1.5),
            ArgumentError,
            "cut_off=1.5",
        ),
        "name": (
            lambda: plots.DecisionRegionsDisplay.from_estimator(three, X, y, features=("petal", 1)),
            ArgumentError,
            "'petal'.*sepal length",
        ),
        "position": (
            lambda: plots.DecisionRegionsDisplay.from_estimator(three, X, y, features=(0, 4)),
            ArgumentError,
            "0 to 3",
        ),
        "twice": (
            lambda: plots.DecisionRegionsDisplay.from_estimator(three, X, y, features=(1, 1)),
            ArgumentError,
            "two different",
        ),
        "labels": (lambda: plots.CoefficientsDisplay.from_estimator(three, labels=["rose"]), ArgumentError, "rose"),
        "most": (lambda: plots.CoefficientsDisplay.from_estimator(three, most=0), ArgumentError, "most=0"),
        "label": (
            lambda: plots.CalibrationDisplay.from_estimator(three, X, y, label="rose"),
            ArgumentError,
            "label='rose'",
        ),
        "rows": (lambda: plots.ContributionsDisplay.from_estimator(three, X), ArgumentError, "has 75 rows"),
        "same": (
            lambda: plots.ContributionsDisplay.from_estimator(
                two, two_X[0], label=two.classes_[0], against=two.classes_[0]
            ),
            ArgumentError,
            "two different classes",
        ),
        "unknown": (
            lambda: plots.RocDisplay.from_estimator(three, X, ["rose"] * 75),
            DataError,
            "not one of the model's classes",
        ),
        "no-probabilities": (
            lambda: plots.CalibrationDisplay.from_estimator(RidgeClassifier().fit(two_X, two_y), two_X, two_y),
            ArgumentError,
            "RidgeClassifier, which has no predict_proba",
        ),
        "no-scores": (
            lambda: plots.RocDisplay.from_estimator(NearestCentroidLike().fit(two_X, two_y), two_X, two_y),
            ArgumentError,
            "has no scores",
        ),
        "lengths": (lambda: plots.ConfusionDisplay.from_predictions([1, 2], [1]), ArgumentError, "shapes"),
        "unfitted": (lambda: plots.ConvergenceDisplay.from_estimator(fresh), NotFittedError, "not fitted"),
        "unfitted-coefficients": (
            lambda: plots.CoefficientsDisplay.from_estimator(fresh),
            NotFittedError,
            "not fitted",
        ),
        "unfitted-regions": (
            lambda: plots.DecisionRegionsDisplay.from_estimator(fresh, X, y),
            NotFittedError,
            "not fitted",
        ),
        "no-table": (lambda: plots.ForestDisplay.from_result(three), ArgumentError, "result is LogisticRegression"),
        "no-term": (
            lambda: plots.ForestDisplay.from_result(graded(), terms="hour of study"),
            ArgumentError,
            "did you mean 'hours of study'",
        ),
        "no-slopes": (
            lambda: plots.ForestDisplay.from_result(fit_formula("passed ~ 1", grades())),
            ArgumentError,
            "no coefficients beside",
        ),
        "no-variable": (lambda: plots.EffectDisplay.from_result(graded(), "hour"), ArgumentError, "no variable is"),
        "no-level": (
            lambda: plots.EffectDisplay.from_result(graded(), "hours of study", at={"taught": "night"}),
            ArgumentError,
            "no level 'night'",
        ),
        "bins": (lambda: plots.ResidualsDisplay.from_result(graded(), bins=1), ArgumentError, "bins=1"),
        "ordered": (
            lambda: plots.InfluenceDisplay.from_result(fit_ordered([[0], [1], [2], [1]], [0, 0, 1, 2])),
            ArgumentError,
            "OrderedResult, which has no influence",
        ),
        "firth": (
            lambda: plots.InfluenceDisplay.from_result(fit_firth([[0], [1], [2], [1]], [0, 0, 1, 1])),
            ArgumentError,
            "Firth",
        ),
        "unfitted-quality": (lambda: plots.RocDisplay.from_estimator(fresh, X, y), NotFittedError, "not fitted"),
    }


@pytest.mark.parametrize("name", refused())
def test_what_cannot_be_drawn_is_refused_with_a_reason(name: str) -> None:
    call, error, message = refused()[name]
    with pytest.raises(error, match=message):
        call()


def test_displays_are_public_sorted_and_loaded_lazily() -> None:
    assert plots.__all__ == sorted(plots._HOMES)
    for names in (DRAW, ONE_OF_EACH):
        assert {type(drawn(name)).__name__ for name in names} == set(plots.__all__)
    assert set(plots.__all__) <= set(dir(plots))
    with pytest.raises(AttributeError, match="no attribute 'PieDisplay'"):
        plots.PieDisplay  # noqa: B018
    program = """
import sys
import polytome.plots
assert "numpy" not in sys.modules
from polytome.plots import ConfusionDisplay, SimplexDisplay, ContributionsDisplay, LearningRatesDisplay
assert "matplotlib" not in sys.modules
ConfusionDisplay.from_predictions([1], [1])
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"polytome\[report\]"):
        plots.ConfusionDisplay.from_predictions([1], [1])
