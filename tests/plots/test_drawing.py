"""Every figure that the lessons can draw, on usual and on hostile data: legible, labelled, the same
on every run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from polytome.errors import ArgumentError, MissingExtraError
from polytome.numerics import sigmoid, softmax, softmax_jacobian
from polytome.plots import bars, charts, drawing, matrices, regions
from polytome.teaching import diagrams, graphs
from polytome.teaching.sketch import Node, Sketch

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from pictures import assert_legible, drawn_texts  # noqa: E402

LETTERS = [chr(97 + place) for place in range(26)]
LONG = [f"a class with quite a long name, {letter}" for letter in LETTERS]
Z = np.linspace(-6, 6, 61)
X = np.random.default_rng(0).normal(size=(60, 2))
LABELS = np.where(X[:, 0] > 0.5, "virginica", np.where(X[:, 1] > 0, "setosa", "versicolor"))


def names_of(X: Any) -> Any:
    return np.where(X[:, 0] > 0.5, "virginica", np.where(X[:, 1] > 0, "setosa", "versicolor"))


def nearest_letter(X: Any) -> Any:
    return np.array(LONG)[np.clip((X[:, 0] * 26).astype(int), 0, 25)]


def many_curves() -> Figure:
    return charts.curves({name: (Z, sigmoid(Z + k / 9)) for k, name in enumerate(LETTERS)}, x_label="z", y_label="p")


def neglog() -> Figure:
    a = np.linspace(0, 1, 101)
    with np.errstate(divide="ignore"):
        series = {"label 1: $-\\log a$": (a, -np.log(a)), "label 0: $-\\log(1 - a)$": (a, -np.log1p(-a))}
    return charts.curves(series, x_label="probability $a$", y_label="loss (nats)", y_limits=(0, 5))


def histories() -> Figure:
    epochs = np.arange(1, 51)
    series = {f"learning rate {rate}": (epochs, np.exp(-rate * epochs)) for rate in (0.1, 0.01, 0.001, 0.0001)}
    levels = {"null model": np.log(2)}
    return charts.curves(series, x_label="epoch", y_label="loss (nats)", log_y=True, levels=levels)


def one_feature() -> Figure:
    groups = {"setosa (0)": ([1.4, 1.3, 1.5], [0, 0, 0]), "versicolor (1)": ([4.5, 4.1, 4.6], [1, 1, 1])}
    functions = {"line": lambda x: 0.35 * x - 0.5, "sigmoid": lambda x: sigmoid(3 * x - 9)}
    return charts.points_with_curves(
        groups, functions, x_label="petal length (cm)", y_label="class", levels={"cut-off 0.5": 0.5}
    )


def step_graph() -> Figure:
    columns = [["x", "w"], ["z0", "z1"], ["p0", "p1"], ["loss"]]
    edges = [
        ("x", "z0"),
        ("w", "z0"),
        ("x", "z1"),
        ("w", "z1"),
        ("z0", "p0"),
        ("z0", "p1"),
        ("z1", "p0"),
        ("p0", "loss"),
    ]
    values = {
        "x": 1.4,
        "w": [[0.1, 0.05], [0.2, -0.1]],
        "z0": 0.38,
        "z1": -0.09,
        "p0": 0.615,
        "p1": 0.385,
        "loss": 0.486,
    }
    gradients = dict.fromkeys(edges, -0.5384627)
    return graphs.computational_graph(columns, edges, values, gradients=gradients)


def weather_tree() -> Figure:
    probabilities = {"Fine": 0.6, "Cloudy": 0.38, "Rainy": 0.01, "Snow": 0.01}
    return graphs.code_tree({"Fine": "0", "Cloudy": "10", "Rainy": "110", "Snow": "111"}, probabilities)


def matrix(values: Any, names: list[str], columns: list[str] | None = None) -> Figure:
    return matrices.heat_map(
        values,
        row_names=names,
        column_names=columns or names,
        row_label="true class",
        column_label="predicted class",
        value_label="images, of all in the test part",
    )


def neuron(n: int, **options: Any) -> Figure:
    return diagrams.neuron([f"$x_{{{j}}}$" for j in range(n)], [f"$w_{{{j}}}$" for j in range(n)], **options)


AXES = {"x_label": "x (cm)", "y_label": "y (cm)"}
DRAW: dict[str, Callable[[], Figure]] = {
    "curves": neglog,
    "curves-log": histories,
    "curves-26": many_curves,
    "curves-same-end": lambda: charts.curves(dict.fromkeys(LONG[:9], (Z, 0 * Z)), **AXES),
    "curves-one-point": lambda: charts.curves({"": ([3], [-1e-300])}, **AXES),
    "points": one_feature,
    "points-one": lambda: charts.points_with_curves({"one": ([5], [1])}, {}, **AXES),
    "points-26": lambda: charts.points_with_curves(dict.fromkeys(LONG, (X[:3, 0], X[:3, 1])), {}, **AXES),
    "bars": lambda: bars.bars(
        LETTERS[:4], {"P": [0.6, 0.38, 0.01, 0.01], "Q": [0.25] * 4}, value_label="p", name_label="k"
    ),
    "bars-26": lambda: bars.bars(LONG, {"P": 10.0 ** -np.arange(0, 260, 10)}, value_label="p", name_label="class"),
    "bars-odd": lambda: bars.bars(
        LETTERS[:5], {"P": [np.inf, -3, np.nan, 0, 2e9]}, value_label="p", name_label="class"
    ),
    "bar-panels": lambda: bars.bar_panels(
        ["setosa", "versicolor", "virginica"],
        {"score $z$": [-1.2, 2, -30.3], "probability, the softmax of the scores": softmax([-1.2, 2.0, -30.3])},
        name_label="class",
    ),
    "regions": lambda: regions.decision_regions(X, LABELS, names_of, **AXES),
    "regions-26": lambda: regions.decision_regions(
        (X[:26] + 2) / 4, nearest_letter((X[:26] + 2) / 4), nearest_letter, **AXES
    ),
    "regions-one": lambda: regions.decision_regions(
        [[2, 2]], ["$ only $"], lambda X: np.full(len(X), "$ only $"), **AXES
    ),
    "heat-map": lambda: matrix(softmax_jacobian([1.0, 2.0, 3.0]), LETTERS[:3]),
    "heat-map-10": lambda: matrix(np.diag([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]), LETTERS[:10]),
    "heat-map-odd": lambda: matrix([[np.nan, np.inf], [0, -1e-9]], LONG[:2]),
    "heat-map-zero": lambda: matrix([[0]], ["a"]),
    "images": lambda: matrices.image_grid(np.arange(7 * 12).reshape(7, 4, 3), LONG[:7]),
    "images-white": lambda: matrices.image_grid(np.zeros((1, 2, 2)), ["nothing"]),
    "weights": lambda: matrices.weight_images(
        np.arange(-30, 30).reshape(10, 2, 3), LETTERS[:10], value_label="weight (score per unit of brightness)"
    ),
    "weights-one": lambda: matrices.weight_images(
        np.zeros((1, 2, 3)), ["a"], value_label="weight (score per unit of brightness)"
    ),
    "neuron": lambda: neuron(3, activation="identity", threshold="0.5", learns_from="activation"),
    "neuron-one": lambda: diagrams.neuron(["petal length = 1.4 cm"], ["0.25"], activation="sigmoid", bias=None),
    "neuron-10": lambda: neuron(10, activation="step", learns_from="label"),
    "layer": lambda: diagrams.layer(4, 3, input_names=LONG[:4], output_names=LONG[:3]),
    "layer-sigmoids": lambda: diagrams.layer(3, 4, softmax=False),
    "layer-mnist": lambda: diagrams.layer(784, 10, output_names=[f"digit {k}" for k in range(10)]),
    "two-layers": diagrams.two_layer_network,
    "graph": step_graph,
    "tree": weather_tree,
    "tree-26": lambda: graphs.code_tree(
        {name: "1" * k + "0" for k, name in enumerate(LETTERS)}, {name: 2.0**-k for k, name in enumerate(LETTERS)}
    ),
}


@pytest.fixture(autouse=True)
def settings_are_as_before() -> Iterator[None]:
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before


@cache
def drawn(name: str) -> Figure:
    return DRAW[name]()


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("name", DRAW)
def test_every_axis_says_what_it_shows(name: str) -> None:
    figure = drawn(name)
    assert isinstance(figure, Figure)
    assert drawing.unlabelled(figure) == []


@pytest.mark.parametrize("name", DRAW)
def test_no_text_is_cut_off_or_covers_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_legible(drawn(name), monkeypatch)


def test_the_check_for_overlaps_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    figure, (axes,) = drawing.new_figure()
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "two")
    boxes = dict(drawn_texts(figure, monkeypatch))
    assert boxes["one"].overlaps(boxes["two"])


@cache
def svg_of(name: str) -> bytes:
    return drawing.svg_bytes(drawn(name))


# One of each function that draws; those of the others differ in their data alone.
EACH_FUNCTION = (
    *("curves-26", "points", "bars", "bar-panels", "regions", "heat-map", "images", "weights"),
    *("neuron", "layer", "two-layers", "graph", "tree"),
)


@pytest.mark.parametrize("name", EACH_FUNCTION)
def test_svg_is_the_same_in_two_runs_whatever_the_user_s_settings(name: str) -> None:
    once = svg_of(name)
    dark = {
        "axes.facecolor": "black",
        "font.size": 30,
        "svg.fonttype": "none",
        "svg.hashsalt": "x",
        "lines.linewidth": 9,
    }
    with matplotlib.rc_context(dark):
        assert drawing.svg_bytes(DRAW[name]()) == once
        assert matplotlib.rcParams["font.size"] == 30


def test_a_figure_in_its_final_place_is_drawn_once_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    figure, draws, draw = one_feature(), [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (draws.append(self), draw(self, renderer)))
    drawing.svg_bytes(figure)
    assert draws == [figure]
    drawing.png_bytes(figure)
    assert draws == [figure, figure]


def test_a_style_within_a_style_ends_with_the_outer_one() -> None:
    with matplotlib.rc_context({"font.size": 30}):
        with drawing.house_style():
            with pytest.raises(ZeroDivisionError), drawing.house_style():
                _ = 1 / 0
            assert matplotlib.rcParams["font.size"] == 10
        assert matplotlib.rcParams["font.size"] == 30


def test_svg_has_no_date_and_no_font() -> None:
    svg = drawing.svg_bytes(one_feature()).decode()
    assert "<path" in svg
    assert not {word for word in ("<text", "font-family", "dc:date", "Matplotlib v") if word in svg}


def test_png_has_200_dots_per_inch_and_the_same_bytes() -> None:
    once, again = (drawing.png_bytes(one_feature()) for _ in range(2))
    assert once == again
    width, height = (int.from_bytes(once[start : start + 4], "big") for start in (16, 20))
    assert (width, height) == (1280, 800)


def test_threads_draw_what_the_main_thread_draws() -> None:
    names = ["bars", "heat-map", "neuron"]
    alone = [svg_of(name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: drawing.svg_bytes(DRAW[name]()), names * 2))
    assert together == alone * 2


def test_matplotlib_is_loaded_when_something_is_drawn_and_pyplot_never() -> None:
    program = """
import sys
from polytome.plots import bars, charts, drawing, matrices, regions
from polytome.teaching import diagrams, graphs
assert "matplotlib" not in sys.modules
drawing.svg_bytes(bars.bars(["a"], {"P": [1]}, value_label="p", name_label="k"))
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"polytome\[report\]"):
        drawing.new_figure()


def relative_luminance(color: Any) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def contrast(color: Any, ground: Any) -> float:
    low, high = sorted((relative_luminance(color), relative_luminance(ground)))
    return (high + 0.05) / (low + 0.05)


def test_letters_stand_out_and_lines_and_points_differ() -> None:
    for ink in (drawing.INK, drawing.GREY, drawing.WARM_INK, drawing.PALETTE[0]):
        assert contrast(ink, "white") >= 4.5
    assert min(contrast(color, "white") for color in drawing.PALETTE) > 2
    for look, n in ((drawing.stroke, 28), (drawing.mark, 70)):
        assert len({str(look(place)) for place in range(n)}) == n
    # Classes beside one another differ in shape as well as in colour.
    assert all(drawing.mark(k)["marker"] != drawing.mark(k + 1)["marker"] for k in range(26))


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", 2009: linear RGB as seen without the long-wave, the middle-wave and the short-wave
# cones.
WITHOUT_CONES = [
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
]


@pytest.mark.parametrize("seen", [np.eye(3), *map(np.array, WITHOUT_CONES)], ids=["all", "no-L", "no-M", "no-S"])
def test_the_palette_can_be_told_apart_by_any_eye(seen: Any) -> None:
    rgb = np.array([to_rgb(color) for color in drawing.PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ seen.T
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])
    closest = min(np.linalg.norm(one - other) for one, other in combinations(lab, 2))
    assert closest > 10  # about 2.3 is the least difference that an eye sees


def test_names_at_the_ends_keep_the_order_and_stay_near() -> None:
    heights = {"low": 0.0, "b": 0.50, "c": 0.501, "high": 1.0}
    figure = charts.curves({name: ([0, 1], [height] * 2) for name, height in heights.items()}, **AXES)
    places = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    assert sorted(places, key=places.__getitem__) == ["low", "b", "c", "high"]
    to_axes = figure.axes[0].transData + figure.axes[0].transAxes.inverted()
    wanted = {name: to_axes.transform((0, height))[1] for name, height in heights.items()}
    assert places["low"] == pytest.approx(wanted["low"], abs=0.01)
    assert places["high"] == pytest.approx(wanted["high"], abs=0.01)
    assert (places["b"] + places["c"]) / 2 == pytest.approx((wanted["b"] + wanted["c"]) / 2, abs=0.01)


def test_curves_show_the_numbers_given() -> None:
    y = [np.inf, 3.0, 2.0, np.nan]
    figure = charts.curves({"a": ([4, 3, 2, 1], y), "b": ([1, 10], [1, 1])}, x_label="x", y_label="y", log_x=True)
    lines = figure.axes[0].lines
    np.testing.assert_array_equal(lines[0].get_xydata(), np.column_stack([[4, 3, 2, 1], y]))
    assert figure.axes[0].get_xscale() == "log"
    assert [line.get_marker() for line in lines] == ["o", "s"]  # few points are marked


def test_bars_are_as_long_as_their_values_and_inside_the_axes() -> None:
    values = [0.25, -2, 1e-9]
    figure = bars.bars(["a", "b", "c"], {"P": values, "Q": [3, 2, 1]}, value_label="p", name_label="k")
    axes = figure.axes[0]
    assert [patch.get_width() for patch in axes.patches] == [*values, 3, 2, 1]
    tops = [patch.get_y() for patch in axes.patches]
    assert tops == sorted(tops[:3]) + sorted(tops[3:])
    assert axes.yaxis_inverted()
    figure.draw_without_rendering()
    for text in axes.texts:
        assert axes.bbox.padded(1).contains(*text.get_window_extent().min), text.get_text()
        assert axes.bbox.padded(1).contains(*text.get_window_extent().max), text.get_text()


def test_regions_have_the_tint_of_the_class_predicted_there() -> None:
    figure = regions.decision_regions(X, LABELS, names_of, **AXES)
    axes = figure.axes[0]
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    colours = np.asarray(image.get_array())
    tints = [tuple(round(255 * part) for part in to_rgb(drawing.tint(drawing.PALETTE[k]))) for k in range(3)]
    for row in (7, 100, 300):
        for column in (3, 240, 470):
            x = left + (right - left) * column / (colours.shape[1] - 1)
            y = bottom + (top - bottom) * row / (colours.shape[0] - 1)
            code = sorted(set(LABELS)).index(str(names_of(np.array([[x, y]]))[0]))
            assert tuple(colours[row, column]) == tints[code]
    points = [line for line in axes.lines if len(line.get_xdata())]
    assert sum(len(line.get_xdata()) for line in points) == len(X)
    assert len({line.get_marker() for line in points}) == 3


def test_a_class_without_rows_and_a_name_without_room_get_a_key() -> None:
    figure = regions.decision_regions(X, np.full(60, 1), lambda X: np.where(X[:, 0] > 2.9, 2, 1), **AXES)
    assert not figure.legends
    narrow = regions.decision_regions(X, LABELS, lambda X: np.full(len(X), "setosa"), **AXES)
    assert [text.get_text() for text in narrow.legends[0].get_texts()] == ["setosa", "versicolor", "virginica"]


def test_numbers_in_cells_can_be_read_on_their_colour() -> None:
    values = np.linspace(-1, 1, 41).reshape(1, -1)
    for shown in (values, np.abs(values)):
        figure = matrix(shown, ["row"], [str(k) for k in range(41)])
        (mesh,) = figure.axes[0].collections
        mesh.update_scalarmappable()
        for text, ground in zip(figure.axes[0].texts, mesh.get_facecolor(), strict=True):
            assert contrast(text.get_color(), ground[:3]) >= 4.5, text.get_text()


def test_zero_is_white_and_one_scale_serves_all_weights() -> None:
    figure = matrices.weight_images([[[3.0, 0.0]], [[-1.0, 1.0]]], ["a", "b"], value_label="weight")
    images = [axes.images[0] for axes in figure.axes[:2]]
    assert [image.get_clim() for image in images] == [(-3, 3)] * 2
    assert images[0].cmap(images[0].norm(0.0))[:3] == pytest.approx((1, 1, 1), abs=0.01)
    assert len(figure.axes) == 3
    grey = matrices.image_grid([[[0, 255]], [[0, 9]]], ["a", "b"])
    assert [axes.images[0].get_clim() for axes in grey.axes] == [(0, 255)] * 2


@pytest.mark.parametrize(("features", "classes", "parameters"), [(1, 2, 4), (1, 3, 6), (2, 3, 9), (4, 3, 15)])
def test_a_layer_counts_its_parameters_and_draws_an_arrow_for_each(
    features: int, classes: int, parameters: int
) -> None:
    figure = diagrams.layer(features, classes)
    assert f"({features} + 1) × {classes} = {parameters} parameters" in texts_of(figure)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrows) == parameters + 2 * classes


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"activation": "step"}, {"label", "$\\hat y = 1$ if $z > 0$,\nelse $0$"}),
        ({"activation": "identity"}, {"prediction", r"$\hat y = z$"}),
        ({"activation": "identity", "threshold": "0.5"}, {"label", "threshold", "$a = z$"}),
        ({"activation": "sigmoid"}, {"probability", r"$\hat y = \sigma(z)$"}),
        ({"activation": "sigmoid", "threshold": "0.5"}, {"label", r"$a = \sigma(z)$"}),
        ({"activation": "sigmoid", "threshold": "0.5", "learns_from": "activation"}, {"error $y - a$"}),
        ({"activation": "step", "learns_from": "label"}, {r"error $y - \hat y$"}),
    ],
)
def test_a_neuron_says_what_it_computes(options: dict[str, Any], expected: set[str]) -> None:
    assert expected <= set(texts_of(neuron(2, **options)))


def test_a_label_stands_on_its_arrow_and_off_other_things() -> None:
    sketch = Sketch()
    start, end = sketch.node(0, 0, "a"), sketch.node(4, 1, "b")
    sketch.node(2, 0.5, "in the way", shape="box")
    sketch.arrow(start, end, label="w")
    figure = sketch.figure()
    (label,) = [text for text in figure.axes[0].texts if text.get_text() == "w"]
    x, y = label.get_position()
    assert y == pytest.approx(x / 4)
    assert abs(x - 2) > 0.5


def test_borders_of_circles_and_boxes() -> None:
    circle, box = Node(1, 1, 2, 2, is_round=True), Node(0, 0, 4, 2, is_round=False)
    assert circle.border((4, 5)) == pytest.approx((1.6, 1.8))
    assert box.border((1, 2)) == pytest.approx((0.5, 1))
    assert box.border((-8, 2)) == pytest.approx((-2, 0.5))


def test_a_computation_shows_every_value_and_gradient() -> None:
    shown = texts_of(step_graph())
    assert {"x\n1.4", "w\n[0.1, 0.05]\n[0.2, −0.1]", "z1\n−0.09", "loss\n0.486"} <= set(shown)
    assert shown.count("−0.538") == 8
    large = graphs.computational_graph([["W"]], [], {"W": np.zeros((784, 10))})
    assert texts_of(large) == ["W\n784 × 10 numbers"]


def test_the_way_through_the_tree_is_the_code() -> None:
    figure = weather_tree()
    shown = texts_of(figure)
    assert {"P = 0.6, code 0", "P = 0.38, code 10", "P = 0.01, code 110", "P = 0.01, code 111"} <= set(shown)
    assert {"1", "0.4", "0.02"} <= set(shown)  # the probability of everything to the right of a circle
    height = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    assert height["Fine"] > height["Cloudy"] > height["Rainy"] > height["Snow"]  # zeros above ones


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no-series": (lambda: charts.curves({}, **AXES), "series is empty"),
    "lengths": (lambda: charts.curves({"a": ([1, 2], [1])}, **AXES), "'a': 2 values of x but 1 of y"),
    "words": (lambda: charts.curves({"a": (["x"], [1])}, **AXES), "x of 'a': .*give real numbers"),
    "nothing-finite": (lambda: charts.curves({"a": ([1], [np.nan])}, **AXES), "series 'a': no value can be drawn"),
    "log-of-zero": (lambda: charts.curves({"a": ([0], [1])}, **AXES, log_x=True), "positive on a log axis"),
    "no-groups": (lambda: charts.points_with_curves({}, {}, **AXES), "groups: no point has finite x and y"),
    "no-point": (lambda: charts.points_with_curves({"a": ([1], [np.nan])}, {}, **AXES), "groups: no point"),
    "function": (
        lambda: charts.points_with_curves({"a": ([1], [1])}, {"f": lambda x: x * np.nan}, **AXES),
        "'f': no value is finite",
    ),
    "predict": (
        lambda: regions.decision_regions([[1, 1]], [1], lambda X: X, **AXES),
        r"predict: returned shape \(153600, 2\)",
    ),
    "not-finite-images": (lambda: matrices.image_grid([[[np.nan]]], ["a"]), "images: a value is not finite"),
    "bars": (lambda: bars.bars(["a"], {"P": [1, 2]}, value_label="p", name_label="k"), "'P': 2 values for 1 names"),
    "no-bars": (lambda: bars.bar_panels(["a"], {}, name_label="k"), "series is empty"),
    "empty": (lambda: bars.bars([], {"P": []}, value_label="p", name_label="k"), "P: shape .*at least one number"),
    "three-features": (lambda: regions.decision_regions(np.eye(3), [1, 2, 3], names_of, **AXES), "two features"),
    "not-finite": (lambda: regions.decision_regions([[np.nan, 1]], [1], names_of, **AXES), "X: a value is not finite"),
    "names": (lambda: matrix(np.eye(3), LETTERS[:2]), r"matrix: shape \(3, 3\) but 2 row names and 2 column"),
    "captions": (lambda: matrices.image_grid(np.ones((2, 3, 3)), ["a"]), "captions: 1 for 2 images"),
    "columns": (lambda: matrices.image_grid(np.ones((1, 3, 3)), ["a"], columns=0), "columns: 0"),
    "weights": (lambda: diagrams.neuron(["x"], [], activation="step"), "inputs, weights: 1 and 0"),
    "activation": (lambda: neuron(1, activation="relu"), "activation: 'relu'; give one of identity"),
    "layer": (lambda: diagrams.layer(0, 3), "n_inputs: 0"),
    "layer-names": (lambda: diagrams.layer(1, 3, output_names=["a"]), "n_outputs: 3, with 1 names"),
    "twice": (lambda: graphs.computational_graph([["a"], ["a"]], [], {}), r"columns: \['a'\]"),
    "no-column": (lambda: graphs.computational_graph([["a"]], [("a", "b")], {}), r"\['b'\] stand in none"),
    "no-edge": (
        lambda: graphs.computational_graph([["a"], ["b"]], [], {}, gradients={("a", "b"): 1}),
        r"gradients: \[\('a', 'b'\)\] are not edges",
    ),
    "prefix": (lambda: graphs.code_tree({"a": "0", "b": "01"}, {"a": 0.5, "b": 0.5}), "'0' of 'a' begins '01' of 'b'"),
    "digits": (lambda: graphs.code_tree({"a": "2"}, {"a": 1}), r"codes\['a'\]: '2'"),
    "symbols": (lambda: graphs.code_tree({"a": "0"}, {"b": 1}), "their symbols differ"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_name(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        call()
