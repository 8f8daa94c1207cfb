"""The playground without a browser: its steps are the library's, its words and pictures follow from
them."""

import json
import re
import signal
import subprocess
import sys
import threading
import warnings
from itertools import islice, pairwise

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from typer.testing import CliRunner

pytest.importorskip("fastapi", reason="FastAPI is absent")

from polytome import LogisticRegression, OneVsRest
from polytome.certificates.certificate import certify
from polytome.cli.app import app as cli_app
from polytome.errors import PolytomeError
from polytome.lessons.softmax_by_hand import THETA
from polytome.losses import Softmax
from polytome.models.neurons import Adaline, Perceptron, SigmoidNeuron
from polytome.play import app as play_app
from polytome.play import runs
from polytome.play.points import data_sets, load_points
from polytome.play.presets import PRESETS
from polytome.play.problems import make_problem
from polytome.play.regions import class_regions, level_line
from polytome.play.runs import frames, json_line, moves
from polytome.play.settings import LOSSES, MOST_ROWS, WAYS, Settings
from polytome.play.views import loss_surface, opening, plane_window
from polytome.serve.listening import bound_socket
from polytome.solvers import LBFGS, GradientDescent, Newton, StochasticGradientDescent
from polytome.teaching.layouts import intercept_last
from polytome.teaching.tracing import trace
from serving import PATIENCE, Client, running, until

TWO = ("versicolor", "virginica")
PEOPLE = "height,weight,name,kind\n1.8,80,a,tall\n1.9,85,b,tall\n1.5,60,c,small\n1.6,?,d,small\n1.4,50,e,small\n"


def frame(problem, step):
    (only,) = frames(problem, step, 1)
    return only


def problem(**settings):
    return make_problem(Settings(**settings))


# ---- the steps are the library's own


@pytest.mark.parametrize(
    ("loss", "way", "neuron"),
    [
        ("adaline", "batch", Adaline(learning_rate=0.02, epochs=7, batch_size=None)),
        ("adaline", "mini-batch", Adaline(learning_rate=0.02, epochs=3, batch_size=7, random_state=5)),
        ("sigmoid", "stochastic", SigmoidNeuron(learning_rate=0.02, epochs=2, random_state=5)),
        ("perceptron", "stochastic", Perceptron(epochs=3, random_state=5)),
    ],
)
def test_frames_have_the_coefficients_of_a_neuron_to_the_last_bit(loss, way, neuron):
    rate = 1.0 if loss == "perceptron" else 0.02
    found = problem(classes=TWO, loss=loss, way=way, rate=rate, batch=7, seed=5)
    neuron.fit(found.X, found.codes)
    steps = {"batch": 1, "mini-batch": 15, "stochastic": 100}[way] * neuron.epochs
    *_, last = frames(found, steps, 1)
    W = last["coefficients"]
    assert W[:-1, 0].tobytes() == neuron.coef_[0].tobytes()
    assert W[-1].tobytes() == neuron.intercept_.tobytes()
    assert last["value"] == neuron.history_[-1].objective


@pytest.mark.parametrize("loss", ["logistic", "softmax", "one-vs-rest"])
@pytest.mark.parametrize(("way", "solver"), [("batch", GradientDescent(0.1)), ("newton", Newton()), ("lbfgs", LBFGS())])
def test_frames_have_the_objective_of_an_estimator_at_each_iteration(loss, way, solver):
    # An estimator descends on centred columns; so the columns are standardised here and there.
    found = problem(loss=loss, way=way, penalty=0.01, start="null", standardise=True)
    C = 1 / (0.01 * len(found.X))
    kind = OneVsRest if loss == "one-vs-rest" else LogisticRegression
    history = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = kind(C=C, scale="standard", solver=solver, tol=1e-13, max_iter=6, callback=history.append)
        model.fit(found.table.X, found.codes)
    values = [each.value for each in islice(moves(found), len(history))]
    assert values == pytest.approx([progress.objective for progress in history], rel=1e-11)


@pytest.mark.parametrize("solver", [Newton(), LBFGS()])
def test_frames_of_newton_and_lbfgs_are_the_iterates_of_the_solver(solver):
    found = problem(loss="softmax", way=type(solver).__name__.lower(), penalty=0.01)
    own = [iterate.coefficients.copy() for iterate in islice(solver.iterates(found.objective, found.start), 6)]
    shown = [each["coefficients"] for each in frames(found, 0, 6)]
    assert all(one.tobytes() == other.tobytes() for one, other in zip(own, shown, strict=True))


@pytest.mark.parametrize("way", ["mini-batch", "stochastic"])
def test_epochs_of_single_steps_are_the_iterates_of_the_solver(way):
    found = problem(data="moons", rows=30, loss="logistic", way=way, batch=8, decay=0.01, penalty=0.1, seed=3)
    solver = StochasticGradientDescent(0.1, 8 if way == "mini-batch" else 1, decay=0.01, seed=3)
    epochs = list(islice(solver.iterates(found.objective, found.start), 4))
    per_epoch = 4 if way == "mini-batch" else 30
    walk = list(frames(found, 0, 3 * per_epoch + 1))
    for number, epoch in enumerate(epochs):
        assert walk[number * per_epoch]["coefficients"].tobytes() == epoch.coefficients.tobytes()
    assert [each["passes"] for each in walk[::per_epoch]] == [0, 1, 2, 3]
    used = np.concatenate([each["update"]["rows"] for each in walk[1 : per_epoch + 1]])
    assert sorted(used) == list(range(30))


@pytest.mark.parametrize("loss", LOSSES)
def test_batch_descent_is_what_a_loop_in_numpy_makes(loss):
    found = problem(classes=TWO, loss=loss, rate=0.03, penalty=0.02)
    X = np.column_stack([found.X, np.ones(len(found.X))])
    W, y = np.zeros(found.objective.shape), found.codes[:, None].astype(float)
    for _ in range(25):
        z = X @ W
        p = 1 / (1 + np.exp(-z))
        error = {
            "adaline": z - y,
            "sigmoid": 2 * (p - y) * p * (1 - p),
            "perceptron": (z > 0) - y,
            "softmax": np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - np.eye(2)[found.codes],
        }.get(loss, p - y)
        gradient = X.T @ error / len(X)
        gradient[:-1] += 0.02 * W[:-1]
        W = W - 0.03 * gradient
    assert frame(found, 25)["coefficients"] == pytest.approx(W, rel=1e-10, abs=1e-13)


def test_a_frame_tells_the_step_that_led_to_it():
    found = problem(way="stochastic", loss="softmax", rate=0.2, decay=0.5)
    before, after = frames(found, 4, 2)
    update = after["update"]
    assert update["rate"] == 0.2 / (1 + 0.5 * 4)
    assert (update["before"] == before["coefficients"]).all()
    assert (update["before"] - update["rate"] * update["gradient"] == after["coefficients"]).all()
    one = trace(Softmax(3), found.X[update["rows"]], found.codes[update["rows"]], update["before"], update["rate"])
    chain = {symbol: values for symbol, _, values in update["chain"]}
    assert chain["yhat"] == pytest.approx(one.mean[0])
    assert one.coefficients == pytest.approx(after["coefficients"])


def test_the_average_is_the_mean_of_the_steps():
    found = problem(data="blobs", groups=2, way="stochastic", rate=0.3)
    walk = list(frames(found, 0, 41))
    mean = np.mean([each["coefficients"] for each in walk[1:]], axis=0)
    assert walk[-1]["average"] == pytest.approx(mean, rel=1e-12)
    assert walk[-1]["average_value"] == pytest.approx(found.objective.value_and_gradient(mean)[0], rel=1e-12)


def test_the_step_computed_by_hand():
    chosen = next(preset for preset in PRESETS if "by hand" in preset.title)
    found = make_problem(Settings.from_json(chosen.settings))
    assert found.start == pytest.approx(intercept_last(THETA))
    first = frame(found, 1)
    values = {symbol: values for symbol, _, values in first["update"]["chain"]}
    assert values["z"] == pytest.approx([0.38, -0.09])
    assert values["yhat"].round(4).tolist() == [0.6154, 0.3846]
    assert first["coefficients"].round(5).tolist() == [[0.25385, -0.15385], [0.13846, 0.01154]]


# ---- any part of a run, as JSON


@pytest.mark.parametrize("way", WAYS)
def test_a_run_can_be_read_in_parts(way):
    found = problem(way=way, penalty=0.01, classes=TWO)
    whole = [json_line(each) for each in frames(found, 0, 9)]
    assert [json_line(each) for part in (0, 4, 7) for each in frames(found, part, 4)][:8] == whole[:8]
    read = [json.loads(line) for line in whole]
    assert [np.array(each["coefficients"]).tobytes() for each in read] == [
        each["coefficients"].tobytes() for each in frames(found, 0, 9)
    ]


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 0), (0, 501), (5001, 1)])
def test_no_more_is_computed_than_a_request_may_ask(first, count):
    with pytest.raises(PolytomeError, match=f"first={first}, count={count}"):
        frames(problem(), first, count)


def test_frames_are_computed_when_they_are_asked_for(monkeypatch):
    calls = []
    monkeypatch.setattr(runs, "certify", lambda *given: calls.append(1) or certify(*given))
    run = frames(problem(penalty=0.1), 0, 500)
    next(run), next(run)
    assert len(calls) == 2


# ---- what it says about a run


def test_the_promised_rate_is_the_border_for_the_squared_loss():
    bound = problem(data="houses", loss="adaline").safe_rate
    below, above = (problem(data="houses", loss="adaline", rate=share * bound) for share in (0.999, 1.001))
    values = [move.value for move in islice(moves(below), 400)]
    assert all(after < before for before, after in pairwise(values))
    values = [move.value for move in islice(moves(above), 2000)]
    assert values[-1] > values[1000] > values[500] > values[250]


@pytest.mark.parametrize("loss", ["logistic", "softmax", "one-vs-rest", "adaline", "sigmoid"])
def test_below_the_promised_rate_every_step_descends(loss):
    found = problem(loss=loss, rate=1.0)
    found = problem(loss=loss, rate=0.999 * found.safe_rate, start="random", seed=2)
    assert {each["state"] for each in frames(found, 1, 300)} <= {"falls", "level"}


@pytest.mark.parametrize("loss", ["logistic", "softmax", "one-vs-rest", "adaline"])
def test_far_above_it_the_run_diverges_and_is_told_what_to_do(loss):
    found = problem(loss=loss, rate=100.0)
    words = next(each["words"] for each in frames(found, 0, 100) if each["state"] == "diverged")
    assert words.startswith("Diverged: the loss is ")
    advised = float(words.split("2/L = ")[1].rstrip("."))
    assert 0.99 * found.safe_rate < advised <= found.safe_rate
    assert "diverged" not in {each["state"] for each in frames(problem(loss=loss, rate=advised), 0, 100)}


def test_a_run_ends_where_its_numbers_do():
    walk = list(frames(problem(loss="adaline", rate=1e9), 0, 500))
    assert 5 < len(walk) < 40
    assert walk[-1]["last"]
    assert walk[-1]["words"].startswith("Diverged: the loss has overflowed. Try a rate below 2/L = ")
    assert "NaN" not in json_line(walk)
    assert "Infinity" not in json_line(walk)


@pytest.mark.parametrize("loss", ["logistic", "softmax", "one-vs-rest", "adaline"])
@pytest.mark.parametrize("way", ["batch", "stochastic", "lbfgs"])
def test_the_gap_is_a_bound_on_the_distance_from_the_optimum(loss, way):
    found = problem(loss=loss, way=way, penalty=0.1, rate=0.05)
    lowest = found.optimum.value
    for each in frames(found, 0, 60):
        assert each["value"] - lowest <= each["gap"] + 1e-12


def test_what_is_not_proved_is_no_gap():
    assert frame(problem(), 3)["gap"] is None
    assert frame(problem(loss="perceptron", penalty=0.1), 3)["gap"] is None
    separated = problem(data="six-petals", rate=0.5)
    assert separated.optimum.value == 0
    assert "separated" in separated.optimum.words
    assert frame(separated, 300)["gap"] == frame(separated, 300)["value"]


def test_the_optimum_is_where_the_estimator_ends():
    found = problem(loss="softmax", penalty=0.01)
    model = LogisticRegression(C=1 / (0.01 * 150), tol=1e-10).fit(found.X, found.codes)
    assert found.optimum.value == pytest.approx(model.certificate_.objective, rel=1e-9)
    assert found.optimum.coefficients[:-1] == pytest.approx(model.coef_.T, abs=1e-3)


def test_the_words_of_an_end():
    *_, last = frames(problem(data="and", loss="perceptron", way="stochastic", rate=1), 0, 500)
    assert last["last"]
    assert last["words"].startswith("Settled: no point is on the wrong side")
    arrived = [each for each in frames(problem(way="newton", penalty=0.01), 0, 12) if each["state"] == "arrived"]
    assert arrived[0]["step"] <= 8
    assert "of its lowest value" in arrived[0]["words"]


def test_presets_show_what_they_say():
    found = {preset.title: make_problem(Settings.from_json(preset.settings)) for preset in PRESETS}
    states = {title: {each["state"] for each in frames(found[title], 1, 120)} for title in found}
    assert "diverged" in states["Too large a rate"]
    assert "falls" not in states["Too large a rate"]
    assert states["A line finds its place"] == {"falls"} == states["Logistic regression"]
    zigzag = np.diff([each["coefficients"][0, 0] for each in frames(found["Zigzag on unscaled features"], 0, 12)])
    assert (zigzag[1:] * zigzag[:-1] < 0).all()
    noise = list(frames(found["Noise and averaging"], 300, 200))
    spread, mean_spread = (np.std([each[name] for each in noise]) for name in ("value", "average_value"))
    assert mean_spread < spread / 5
    perceptron = list(frames(found["The perceptron never settles"], 3000, 300))
    assert not perceptron[-1]["last"]
    assert len({each["coefficients"].tobytes() for each in perceptron}) > 20
    assert min(each["step"] for each in frames(found["Newton in a few steps"], 0, 9) if each["state"] == "arrived") <= 6
    *_, xor = frames(found["XOR: no line can separate it"], 400, 1)
    assert xor["coefficients"] == pytest.approx(np.zeros((3, 1)), abs=1e-3)


# ---- pictures


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 5])
def test_regions_are_where_the_model_says_so(n_outputs, rng):
    window = (-2.0, 3.0, -1.0, 1.5)
    points = rng.uniform([-2, -1], [3, 1.5], size=(400, 2))
    for _ in range(20):
        W = rng.normal(size=(3, n_outputs))
        scores = points @ W[:-1] + W[-1]
        codes = (scores[:, 0] > 0.2).astype(int) if n_outputs == 1 else scores.argmax(axis=1)
        regions = class_regions(W, window, 0.2)
        assert sum(map(area, regions)) == pytest.approx(12.5)
        for code, region in enumerate(regions):
            assert (inside(region, points) == (codes == code)).all()


def area(polygon):
    x, y = polygon.T
    return 0.5 * abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))


def inside(polygon, points):
    """Whether points lie on the left of every edge of a convex polygon that runs
    counter-clockwise."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    away = points[:, None] - polygon
    return (edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0] >= 0).all(axis=1) & (len(polygon) > 0)


def test_ties_have_one_region_and_lost_numbers_none():
    sizes = [list(map(area, class_regions(np.zeros((3, k)), (0, 1, 0, 1)))) for k in (1, 3)]
    assert sizes == [[1.0, 0.0], [1.0, 0.0, 0.0]]
    for W in (np.full((3, 1), np.nan), np.array([[1e308], [1e308], [np.inf]])):
        assert [len(each) for each in class_regions(W, (0, 10, 0, 10))] == [0, 0]


def test_a_level_line_has_its_level(rng):
    crossed = 0
    for W in rng.normal(size=(50, 3, 1)):
        ends = level_line(W, (-1, 1, -1, 1), 0.5)
        crossed += len(ends) > 0
        assert ends @ W[:-1] + W[-1] == pytest.approx(np.full((len(ends), 1), 0.5))
    assert 20 < crossed < 50


@pytest.mark.parametrize("loss", LOSSES)
def test_the_surface_is_the_loss(loss):
    found = problem(classes=TWO, loss=loss, penalty=0.1)
    held = np.arange(float(found.objective.size)).reshape(found.objective.shape)
    last = found.objective.size - 1
    surface = loss_surface(found, 1, last, held.tolist(), [[-1, 2], [0, 3]])
    for row, column in [(0, 0), (60, 7), (13, 60)]:
        W = held.copy()
        W.flat[1], W.flat[last] = surface["x"][column], surface["y"][row]
        assert surface["values"][row, column] == pytest.approx(found.objective.value_and_gradient(W)[0], rel=1e-13)
    assert surface["x"][0] < -1
    assert surface["x"][-1] > 2
    assert (np.diff(surface["levels"]) > 0).all()
    assert held.flat[1] == 1.0  # what was given is left as it was


def test_a_surface_shows_start_and_optimum_even_where_a_run_has_gone_astray():
    found = problem(data="houses", loss="adaline", rate=0.08)
    surface = loss_surface(found, 0, 1, None, [[-1e9, 1e9], [-1e9, 1e9]])
    best = found.optimum.coefficients.ravel()
    for axis, position in (("x", 0), ("y", 1)):
        assert surface[axis][0] < min(0, best[position])
        assert max(0, best[position]) < surface[axis][-1] < 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, None), "parameters 0 and 0: choose two different ones from 0 to 2"),
        ((0, 9, None), "parameters 0 and 9"),
        ((0, 1, [[1, 2], [3, 4]]), r"held: needs finite numbers of shape \(3, 1\)"),
        ((0, 1, [["x"], [1], [2]]), "held: needs finite numbers"),
        ((0, 1, [[1], [1], [1e300]]), "none beyond 1e12"),
        ((0, 1, None, [[0, 1]]), "path: needs finite numbers"),
    ],
)
def test_wrong_questions_about_a_surface(arguments, message):
    with pytest.raises(PolytomeError, match=message):
        loss_surface(problem(), *arguments)


def test_no_optimum_no_surface_through_it():
    with pytest.raises(PolytomeError, match=r"no optimal values to hold\. The perceptron"):
        loss_surface(problem(loss="perceptron"), 0, 1, None)


@pytest.mark.parametrize("data", list(data_sets()))
@pytest.mark.parametrize("standardise", [False, True])
def test_every_data_set_can_be_drawn(data, standardise):
    loss = "adaline" if data == "houses" else "logistic"
    found = problem(data=data, loss=loss, standardise=standardise)
    shown = json.loads(json_line(opening(found)))
    assert len(shown["points"]) == len(found.X)
    assert len(shown["parameters"]) == found.objective.size
    if found.X.shape[1] == 2:
        left, right, bottom, top = plane_window(found)
        assert left < found.X[:, 0].min()
        assert found.X[:, 1].max() < top
        assert bottom < top
        assert left < right
    else:
        assert len(frame(found, 2)["curves"][0]) == len(shown["grid"])
    if standardise:
        assert found.X.mean(axis=0) == pytest.approx(0, abs=1e-12)
        assert found.X.std(axis=0) == pytest.approx(1)


# ---- settings and tables


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1], "the settings are not a JSON object"),
        ({"colour": 1}, "'colour': no such setting"),
        ({"data": "mars"}, "data='mars': no such data set; choose one of iris"),
        ({"data": "file"}, "data='file': no such data set"),
        ({"data": "own"}, "the table is empty"),
        ({"rate": 0}, "rate=0: needs a number from 1e-09"),
        ({"rate": "fast"}, "rate='fast': needs a number"),
        ({"rate": float("nan")}, "rate='nan': needs a number"),
        ({"rate": True}, "rate='True': needs a number"),
        ({"rows": 10.5}, "rows=10.5: needs a whole number"),
        ({"rows": 10**400}, "needs a number"),
        ({"rows": 10**6}, "rows=1e[+]06: needs a number from 4 to 1000"),
        ({"loss": "hinge"}, "loss='hinge': choose one of logistic"),
        ({"way": "walk"}, "way='walk': choose one of batch"),
        ({"features": "a"}, "features: needs a list of names"),
        ({"features": ["a", "b", "c"]}, "choose one, or two different ones"),
        ({"features": ["petal"]}, "features='petal': choose from sepal length"),
        ({"classes": ["rose", "setosa"]}, "classes='rose': choose from setosa"),
        ({"classes": ["setosa"]}, "choose at least two"),
        ({"one": "rose"}, "one='rose': choose the class that counts as 1"),
        ({"data": "houses"}, "loss='logistic': price is a number"),
        ({"start": "here"}, "start='here': needs zeros"),
        ({"start": "1, nan, 2"}, "start='1, nan, 2'"),
        ({"start": "1, 2"}, "start: 2 numbers for 3 parameters"),
        ({"way": "newton", "loss": "perceptron"}, "has no curvature to use"),
        ({"data": "own", "csv": "x" * 200_001}, "200,001 bytes; at most 200,000"),
    ],
)
def test_settings_that_cannot_be_used(given, message):
    with pytest.raises(PolytomeError, match=message):
        make_problem(Settings.from_json(given))


def test_settings_make_the_way_to_json_and_back():
    settings = Settings(classes=TWO, start="1 2 3", rate=0.3, data="own", csv=PEOPLE)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_starts():
    assert problem(start="1; 2, 3").start.ravel().tolist() == [1, 2, 3]
    assert problem(start="null").start == pytest.approx(np.array([[0], [0], [np.log(0.5)]]))
    assert (problem(start="random", seed=1).start != problem(start="random", seed=2).start).all()


def test_a_table_of_ones_own():
    table = load_points(Settings(data="own", csv=PEOPLE))
    assert (table.feature_names, table.class_names, table.label) == (("height", "weight"), ("small", "tall"), "kind")
    assert table.X[-1].tolist() == [1.4, 50.0]
    assert table.y.tolist() == [1, 1, 0, 0]
    assert "1 of 5 rows" in table.notes[0]
    swapped = load_points(Settings(data="own", csv=PEOPLE, features=("weight", "height")))
    assert swapped.X.tolist() == table.X[:, ::-1].tolist()
    assert swapped.feature_names == ("weight", "height")
    one = load_points(Settings(data="file", features=("height",)), ("people.csv", PEOPLE.encode()))
    assert one.X.shape == (5, 1)
    assert one.title == "people.csv: 5 rows"


@pytest.mark.parametrize(
    ("csv", "settings", "message"),
    [
        ("a,b,c\n1,2\n", {}, r"^table\.csv, line 2: 2 cells where the first line has 3"),
        ("a,b,c\n1,2,x\n", {}, r"^table\.csv, column 'c': holds only the label 'x'"),
        ("a,c\nred,x\nblue,y\n", {}, "no column except 'c' holds only numbers"),
        ("c\nx\ny\n", {}, "has 1 column"),
        ("a,b,c\n1,2,x\n3,-1e300,y\n", {}, "column 'b': holds -1e[+]300; the playground takes numbers up to 1e[+]09"),
        (PEOPLE, {"features": ("age",)}, r"has no column 'age'; its columns are height, weight, name, kind"),
        (PEOPLE, {"features": ("name",)}, "column 'name' does not hold numbers; choose one of height, weight"),
        (PEOPLE, {"name": "a\0/../b.csv", "label": "sort"}, r"^a\\x00/\.\./b\.csv: has no column 'sort'"),
        (PEOPLE, {"label": "sort"}, "has no column 'sort'"),
        ("a,b\n" + "".join(f"{k},c{k % 9}\n" for k in range(90)), {}, "9 classes; choose at most 6"),
        ("a,b\n" + "".join(f"{k},{k + 0.5}\n" for k in range(90)), {}, "'b'"),
        ("a,b\n1,x\n1,y\n", {"standardise": True}, "a: has one value only"),
        ("a,b\n1,\ud800\n", {}, "UTF-8"),
    ],
)
def test_tables_that_cannot_be_used(csv, settings, message):
    with pytest.raises(PolytomeError, match=message) as caught:
        make_problem(Settings(data="own", csv=csv, **settings))
    assert "/tmp" not in str(caught.value)


def test_of_a_long_table_some_rows_are_shown():
    csv = "a,b\n" + "".join(f"{k},c{k % 2}\n" for k in range(3000))
    table = load_points(Settings(data="own", csv=csv))
    assert len(table.X) == MOST_ROWS
    assert "1,000 of its 3,000 rows" in table.notes[-1]


# ---- the server


@pytest.fixture(scope="module")
def client():
    with running(play_app.make_app(("people.csv", PEOPLE.encode()))) as client:
        yield client


def ask(client, place, **question):
    return client("POST", place, json.dumps(question), content_type="application/json")


def test_a_run_over_http(client):
    answer = ask(client, "/run", settings={"data": "file", "rate": 0.2}, first=3, count=4)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    own = list(frames(make_problem(Settings(data="file", rate=0.2), ("people.csv", PEOPLE.encode())), 3, 4))
    assert [line["step"] for line in lines] == [3, 4, 5, 6]
    assert [np.array(line["coefficients"]).tobytes() for line in lines] == [
        each["coefficients"].tobytes() for each in own
    ]
    assert ask(client, "/problem", settings={}).json["parameters"] == ["w1", "w2", "b"]
    assert len(ask(client, "/surface", settings={}, held=[[0], [0], [0]]).json["values"]) == 61


@pytest.mark.parametrize("place", ["/problem", "/run", "/surface"])
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 422, "JSON"),
        ("[1]", 422, "the request is not a JSON object"),
        ('{"settings": 7}', 422, "settings: needs an object"),
        ('{"settings": {"rate": -1}}', 422, "rate=-1: needs a number"),
        (" " * 900_000, 413, "800,000 bytes"),
    ],
)
def test_wrong_requests_get_one_plain_sentence(client, place, body, status, message):
    answer = client("POST", place, body, content_type="application/json")
    assert (answer.status, message in answer.json["error"]) == (status, True), answer.body


def test_the_page_allows_only_itself(client):
    answer = client.get("/")
    assert answer.status == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    assert "people.csv" in page
    assert "<script>" not in page
    assert "style=" not in page
    assert " on" + "click" not in page
    assert client.get("/play.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/nothing").status == 404


def test_a_token_is_asked_for():
    with running(play_app.make_app(token="for-friends")) as client:
        assert ask(client, "/run", settings={}).status == 401
        known = {"authorization": "Bearer for-friends", "content_type": "application/json"}
        assert client("POST", "/run", '{"count": 1}', **known).status == 200


def test_who_stops_reading_stops_the_computation(monkeypatch, caplog):
    is_over = threading.Event()

    def without_end(problem, first, count):
        while not is_over.wait(0.002):
            yield {"step": 1}

    monkeypatch.setattr(play_app, "frames", without_end)
    with caplog.at_level("INFO", "polytome.serve"), running(play_app.make_app()) as client:
        with client.connection() as connection:
            connection.sendall(
                b"POST /run HTTP/1.1\r\nhost: [::1]\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            )
            assert b"200" in connection.recv(4096)
        try:
            until(lambda: "POST /run 200" in caplog.text, "a request is in the log when the server has done with it")
        finally:
            is_over.set()


def test_clients_have_nothing_to_do_with_each_other(client):
    from concurrent.futures import ThreadPoolExecutor

    questions = [{"data": "blobs", "seed": seed, "way": way} for seed in range(3) for way in ("batch", "stochastic")]
    alone = [ask(client, "/run", settings=each, count=60).body for each in questions]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda each: ask(client, "/run", settings=each, count=60).body, questions))
    assert together == alone
    assert len(set(alone)) == 6


# ---- the command


def refused(*words):
    result = CliRunner().invoke(cli_app, ["play", *map(str, words)])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_what_the_command_refuses_before_it_listens(tmp_path):
    bad, long = tmp_path / "bad.csv", tmp_path / "long.csv"
    bad.write_text("a,b\n1,x\n2\n")
    long.write_text("a,b\n" + "1,x\n" * 1_300_000)
    assert "bad.csv, line 3: 1 cells where the first line has 2" in refused(bad)
    assert "the playground takes at most 5,000,000" in refused(long)
    assert "no such file" in refused(tmp_path / "none.csv")
    assert "so it needs --token" in refused("--host", "0.0.0.0")
    taken = bound_socket("127.0.0.1", 0)
    try:
        taken.listen()
        assert "choose another with --port" in refused("--port", taken.getsockname()[1])
    finally:
        taken.close()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert 'pip install "polytome[serve]"' in refused()


def test_the_command_serves_until_it_is_stopped(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    command = [sys.executable, "-m", "polytome", "play", str(path), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
            question = {"settings": {"data": "file"}}
            assert ask(Client(address), "/problem", **question).json["title"] == "people.csv: 4 rows"
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE) == 0
        finally:
            server.kill()
