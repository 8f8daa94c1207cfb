"""Reports of many kinds of models: their numbers are right, their HTML is valid, and a person can
read them."""

import json
import os
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from browsing import accessibility_faults, html_faults, overflows, visit
from polytome import LogisticRegression, load
from polytome.cli.app import app
from polytome.errors import ArgumentError, DataError
from polytome.evaluation.intervals import wilson_interval
from polytome.evaluation.settled import settled_rows
from polytome.files.sources import fit_source, hold_out, one_against_rest, open_source
from polytome.files.training_record import record_training
from polytome.report import make_report
from polytome.report.contents import judge
from polytome.report.pictures import Picture
from polytome.report.wording import interval, number, percent

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

NASTY = '<script>alert("1")</script> & $x^2$ \'{{ 7*7 }}'


class _Text(HTMLParser):
    """What a reader sees, and the cells of tables by their caption."""

    def __init__(self):
        super().__init__()
        self.words, self.tables, self.inside = [], {}, []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br", "link"):
            self.inside.append(tag)
        if tag == "caption":
            self.caption = ""
        if tag == "tr":
            self.tables.setdefault(self.caption, []).append([])
        if tag in ("td", "th"):
            self.tables[self.caption][-1].append("")

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" in self.inside:
            return
        self.words.append(data)
        if "caption" in self.inside:
            self.caption += data
        elif {"td", "th"} & set(self.inside):
            self.tables[self.caption][-1][-1] += data.strip()


@pytest.fixture
def words_only(monkeypatch):
    """Reports without figures, which take most of the time: for tests that read."""
    names = ("convergence", "calibration", "confusion", "roc", "precision_recall")
    blank = Picture("data:,", "a figure that this test does not look at", "", 1, 1)
    monkeypatch.setattr("polytome.report.page._figures", lambda model, judged: dict.fromkeys(names, blank))


def read(html):
    parser = _Text()
    parser.feed(html)
    return " ".join(" ".join(parser.words).split()), parser.tables


def table(tables, beginning):
    (found,) = [rows for caption, rows in tables.items() if caption.startswith(beginning)]
    return found


@pytest.fixture(scope="module")
def iris():
    source = hold_out(open_source("iris"), 0.3)
    model = fit_source(LogisticRegression(), source, command="polytome train iris --test-fraction 0.3")
    return model, source


@pytest.fixture(scope="module")
def iris_html(iris):
    model, source = iris
    return make_report(model, source.X_test, source.y_test, row_names=source.test_names, name="held out").html


# --- numbers ------------------------------------------------------------------------------------


def test_metrics_equal_those_of_scikit_learn(iris, iris_html):
    model, source = iris
    text, tables = read(iris_html)
    p, predicted = model.predict_proba(source.X_test), model.predict(source.X_test)
    right = int((predicted == source.y_test).sum())
    rows = table(tables, "The model beside the null model")
    assert rows[1][:3] == ["Accuracy", percent(right / 45), interval(wilson_interval(right, 45), percent)]
    assert rows[1][3] == "33.3 %"
    loss = next(row for row in rows if row[0] == "Log loss, nats")
    assert loss[1] == f"{log_loss(source.y_test, p):.4g}"
    assert loss[3] == f"{np.log(3):.4g}"
    brier = next(row for row in rows if row[0] == "Brier score")
    assert brier[1] == f"{((p - np.eye(3)[np.searchsorted(model.classes_, source.y_test)]) ** 2).sum(1).mean():.4g}"
    assert "Calibration error: the mean difference" in text
    assert f"{percent(right / 45)} correct" in text


def test_data_are_those_of_training(iris, iris_html):
    model, source = iris
    text, tables = read(iris_html)
    assert table(tables, "Training rows by class")[1:] == [[str(c), "35", "33.3 %"] for c in model.classes_]
    first = table(tables, "Numeric columns")[1]
    column = source.X[:, 0]
    assert first == ["sepal length (cm)", f"{column.min():.4g}", f"{column.mean():.4g}", f"{column.max():.4g}"]
    assert model.training_.data_sha256 in text
    assert "polytome train iris --test-fraction 0.3" in text
    assert "Seed of that choice 0" in text
    assert re.search(r"numpy \d", text)


def test_what_is_proved_is_what_was_computed(iris, iris_html):
    model, source = iris
    text, _ = read(iris_html)
    certificate = model.certificate_
    assert f"{certificate.gap:#.3g} nats" in text
    assert f"at most {model.training_.could_change:,} (" in text
    settled = int(settled_rows(model, source.X_test).sum())
    assert f"of the 45 rows below {settled:,} (" in text
    assert "0.01 % that were asked for" in text


def test_rows_have_their_numbers_in_the_file_and_their_reasons_add_up(iris, iris_html):
    model, _ = iris
    _, tables = read(iris_html)
    everything = open_source("iris")
    for row in table(tables, "Least certain")[1:]:
        position = int(row[0]) - 1
        assert str(everything.y[position]) == row[1]
        x = everything.X[position]
        assert model.predict([x])[0] == row[2]
        p = model.predict_proba([x])[0]
        assert percent(p.max()) == row[3]
        parts = [float(value) for value in re.findall(r"([+-]\d+\.\d\d)(?= \w)", row[5])]
        top, other = np.argsort(p)[::-1][:2]
        if row[1] != row[2]:
            other = model.classes_.tolist().index(row[1])
        scores = model.decision_function([x])[0] - model.decision_function([model.training_.mean])[0]
        assert sum(parts) == pytest.approx(scores[top] - scores[other], abs=0.03)


def test_effects_are_coefficients(iris, iris_html):
    model, _ = iris
    _, tables = read(iris_html)
    rows = table(tables, "Largest effects")
    assert rows[0] == ["Class", "Feature", "Coefficient", "Range", "Effect over the range"]
    assert f"{model.coef_[0, 2]:.4g}" == rows[1][2]


# --- reading it ---------------------------------------------------------------------------------


def test_the_page_is_valid_html(iris_html):
    assert html_faults(iris_html) == []


def test_every_section_is_in_the_contents_and_the_other_way_round(iris_html):
    links = re.findall(r'<a href="#([a-z]+)">', iris_html)
    headings = re.findall(r'<h2 id="([a-z]+)">', iris_html)
    assert links == headings
    assert "<script" not in iris_html


@pytest.mark.parametrize("dark", [False, True])
def test_it_reads_well_on_a_phone_without_network_and_script(chromium, iris_html, tmp_path, dark):
    path = tmp_path / "report.html"
    path.write_text(iris_html, encoding="utf-8")
    with visit(chromium, path, dark=dark, width=360, height=740) as page:
        assert not overflows(page)
        assert accessibility_faults(page) == []
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.evaluate("[...document.images].every(image => image.alt.length > 5)")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"


def test_it_prints(chromium, iris_html, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(iris_html, encoding="utf-8")
    with visit(chromium, path) as page:
        pages = page.pdf(format="A4").count(b"/Type /Page\n")
    assert pages <= 12


def test_in_a_notebook_it_stands_in_a_frame_of_its_own(iris):
    model, source = iris
    shown = model.report(source.X_test, source.y_test)._repr_html_()
    assert shown.startswith("<iframe ")
    assert "sandbox" in shown
    assert shown.count("<") == 2  # the page is text inside of an attribute


# --- kinds of models ----------------------------------------------------------------------------


def noisy(K, n=600, d=3):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) + 0.5 * rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    return X, y


@pytest.mark.parametrize("K", [2, 10, 105])
def test_any_number_of_classes_is_drawn(K):
    X, y = noisy(K)
    model = LogisticRegression().fit(X, y)
    html = model.report(X[:300], y[:300]).html
    assert len(html) < 1_500_000


@pytest.mark.parametrize("K", [2, 3, 26, 105])
def test_any_number_of_classes_is_told(K, words_only):
    X, y = noisy(K)
    labels = np.array([f"class {k}" for k in range(K)])[y]
    model = LogisticRegression().fit(X, labels)
    html = model.report(X[:300], labels[:300], X_train=X, y_train=labels).html
    if K == 105:
        assert html_faults(html) == []
    text, tables = read(html)
    assert f"{K} classes" in text
    assert len(table(tables, "Training rows by class")) == 1 + (K if K <= 40 else 10)


def test_names_and_labels_stay_text():
    X, y = noisy(3)
    frame = pd.DataFrame(X, columns=[NASTY, "a\nb", "**bold**"])
    labels = np.array([NASTY, "</style>", "x" * 300])[y]
    model = LogisticRegression().fit(frame, labels)
    html = model.report(frame, labels, X_train=frame, y_train=labels).html
    assert "<script" not in html
    assert "49" not in re.sub(r"\d\d+|[\d.,]+", "", html)
    assert html_faults(html) == []
    assert NASTY.split("$")[0] in read(html)[0]


def test_thousands_of_sparse_features():
    rng = np.random.default_rng(0)
    X = sparse.random_array((400, 130_000), density=2e-4, format="csr", random_state=np.random.default_rng(1))
    y = rng.integers(0, 3, size=400)
    model = LogisticRegression(C=10).fit(X, y)
    html = model.report(X[:100], y[:100], X_train=X, y_train=y).html
    text, _ = read(html)
    assert "130,000 features" in text
    assert len(html) < 1_000_000


def test_unseen_labels_are_told(words_only):
    X, y = noisy(3)
    model = LogisticRegression().fit(X, y)
    strange = y.copy()
    strange[:7] = 9
    text, _ = read(model.report(X, strange).html)
    assert "7 more rows have labels that training never saw (9)" in text
    with pytest.raises(DataError, match="no label is one of"):
        model.report(X, strange + 100)


def test_without_rows_it_says_that_nothing_is_known(words_only):
    text, _ = read(fit_source(LogisticRegression(), open_source("iris")).report().html)
    assert "says nothing about how good the predictions are" in text
    assert "Confusion" not in text


def test_without_a_record_it_says_so(words_only):
    X, y = noisy(2)
    text, _ = read(LogisticRegression().fit(X, y).report(X, y).html)
    assert "This model has no record of its training data" in text
    assert "LogisticRegression().fit(X, y)" in text


def test_rows_of_training_are_recognised(iris, words_only):
    model, source = iris
    assert "flatters every model" in read(make_report(model, source.X, source.y).html)[0]
    whole = open_source("iris")
    assert "include the training rows" in read(make_report(model, whole.X, whole.y, name="iris").html)[0]
    held_out = read(make_report(model, source.X_test, source.y_test, name="iris").html)[0]
    assert "On rows other than the training rows" in held_out


def test_rows_of_one_class_have_no_ranking():
    X, y = noisy(3)
    model = LogisticRegression().fit(X, y)
    html = model.report(X[y == 1], y[y == 1]).html
    assert "Ranking" not in html


def test_one_row(words_only):
    X, y = noisy(2)
    text, _ = read(LogisticRegression().fit(X, y).report(X[:1], y[:1]).html)
    assert "Evaluated on 1 row:" in text


def test_a_fit_that_failed_is_a_visible_warning(words_only):
    X, y = noisy(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=1, solver="lbfgs", tol=1e-9).fit(X, y)
    text, _ = read(model.report().html)
    assert "Warning: this fit is not finished. max_iter iterations were made" in text
    assert "NOT shown to be at its minimum" in text
    assert "NOT within" in text


def test_without_penalty_the_proof_is_of_the_curvature(words_only):
    X, y = noisy(2)
    text, _ = read(LogisticRegression(C=np.inf).fit(X, y).report().html)
    assert "that follows from the curvature at these coefficients" in text
    assert "Nothing is proved about predictions" not in text
    assert "of the optimal ones (root of the sum of squares, for columns divided by their scale)" in text


def test_an_estimate_is_not_called_proved(words_only, monkeypatch):
    monkeypatch.setattr("polytome.certificates.certificate.curvature_bound", lambda *_: None)
    monkeypatch.setattr("polytome.certificates.certificate.least_of_the_rest", lambda *_: None)
    X, y = noisy(2)
    model = LogisticRegression(C=np.inf).fit(X, y)
    text, _ = read(model.report(X, y, X_train=X, y_train=y).html)
    assert "Without a penalty nothing was proved" in text
    assert "Nothing is proved about predictions" in text
    assert "Proved:" not in text


def test_separated_classes_have_no_minimum(words_only):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=np.inf).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    text, _ = read(model.report().html)
    assert "Proved to have no minimum: the classes are separated" in text


def test_a_category_is_named_with_its_level(tmp_path, words_only):
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue"], size=200)
    kind = np.where((colour == "red") ^ (rng.random(200) < 0.1), "yes", "no")
    path = tmp_path / "table.csv"
    pd.DataFrame({"size": rng.normal(size=200), "colour": colour, "kind": kind}).to_csv(path, index=False)
    source = hold_out(open_source(str(path), target="kind"), 0.5)
    model = fit_source(LogisticRegression(), source)
    text, tables = read(make_report(model, source.X_test, source.y_test, row_names=source.test_names).html)
    for row in table(tables, "Least certain")[1:]:
        assert f"colour = {colour[int(row[0]) - 1]}" in row[5]
    assert len(table(tables, "Numeric columns")) == 2
    assert "Report on a model of table.csv" in text


def test_images_are_shown(words_only):
    source = hold_out(open_source("digits"), 0.3)
    model = fit_source(LogisticRegression(scale=16.0), source)
    html = make_report(model, source.X_test, source.y_test).html
    assert html.count('<img class="pixels"') >= 20
    assert "data:image/png" in html
    assert html_faults(html) == []
    binary = hold_out(one_against_rest(open_source("digits"), "3"), 0.3)
    two = fit_source(LogisticRegression(scale=16.0), binary)
    assert make_report(two, binary.X_test, binary.y_test).html.count('<img class="pixels"') >= 8


# --- doors --------------------------------------------------------------------------------------


def test_models_of_other_libraries_are_refused():
    with pytest.raises(ArgumentError, match="model is a LinearDiscriminantAnalysis: give a fitted Polytome model"):
        make_report(LinearDiscriminantAnalysis().fit([[0.0], [1.0], [2.0]], [0, 1, 1]))


def test_features_without_labels_are_refused(iris):
    model, source = iris
    with pytest.raises(ArgumentError, match="X, y: "):
        model.report(source.X_test)
    with pytest.raises(ArgumentError, match="X_train, y_train: "):
        model.report(X_train=source.X)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_train_report_and_report_agree(tmp_path):
    model, first, second = (tmp_path / name for name in ("iris.safetensors", "first.html", "second.html"))
    done = run("train", "iris", "--test-fraction", "0.3", "--out", model, "--report", first)
    assert done.exit_code == 0, done.output
    assert f"The report is in {first}." in done.output
    held_out = hold_out(open_source("iris"), 0.3)
    frame = pd.DataFrame(held_out.X_test, columns=list(held_out.encoder.feature_names)).assign(label=held_out.y_test)
    frame.to_csv(tmp_path / "held out.csv", index=False)
    assert run("report", model, tmp_path / "held out.csv", "--out", second).exit_code == 0
    one, two = (read(path.read_text(encoding="utf-8"))[1] for path in (first, second))
    for beginning in ("The model beside", "Quality of each class", "Most frequent confusions", "Largest effects"):
        assert [row[:4] for row in table(one, beginning)] == [row[:4] for row in table(two, beginning)]


def test_report_without_rows_goes_beside_the_model(tmp_path):
    model = tmp_path / "iris.safetensors"
    LogisticRegression().fit(*load_iris(return_X_y=True)).save(model)
    done = run("report", model, "--json")
    assert done.exit_code == 0, done.output
    assert '"out": ' in done.output
    assert (tmp_path / "iris.html").exists()


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    done = run("train", "iris", "--report", tmp_path / "absent" / "report.html")
    assert done.exit_code == 1
    assert "create it first" in done.output
    assert "Classes" not in done.output


def test_a_table_without_labels_is_refused(tmp_path):
    model, path = tmp_path / "iris.safetensors", tmp_path / "new.csv"
    assert run("train", "iris", "--out", model).exit_code == 0
    path.write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n1,2,3,4\n")
    done = run("report", model, path)
    assert done.exit_code == 1
    assert "has no labels" in done.output
    assert not (tmp_path / "iris.html").exists()


# --- notebooks ----------------------------------------------------------------------------------


def test_scikit_learns_diagram_has_objective_and_certificate_below():
    model = LogisticRegression()
    assert "Certificate" not in model._repr_html_()
    X, y = load_breast_cancer(return_X_y=True)
    model.set_params(scale="standard").fit(X, y)
    for html in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert "sk-container" in html or "sk-top-container" in html
        assert "Proved: the objective" in html
        assert "(1/569) sum_i logistic_loss" in html
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    assert "LogisticRegression" in pipeline._repr_html_()
    assert "text/plain" in model._repr_mimebundle_()


# --- real data ----------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif("POLYTOME_DATA" not in os.environ, reason="POLYTOME_DATA names no folder of real data")
def test_a_report_on_mnist_is_small_enough_to_send(chromium, tmp_path):
    folder = Path(os.environ["POLYTOME_DATA"])
    model, path = tmp_path / "mnist.safetensors", tmp_path / "mnist.html"
    done = run("train", "mnist", "--data", folder, "--tol", "1e-2", "--out", model, "--report", path)
    assert done.exit_code == 0, done.output
    html = path.read_text(encoding="utf-8")
    assert len(html) < 3_000_000
    assert html_faults(html) == []
    assert f"{load(model).training_.constant.size}" == "67"
    with visit(chromium, path, width=360) as page:
        assert not overflows(page)
        assert accessibility_faults(page) == []


# --- a notebook's cells: rows as they are at hand -----------------------------------------------

GIVEN = {
    "lists": lambda X, y: (X.tolist(), y.tolist()),
    "tuples": lambda X, y: (tuple(map(tuple, X.tolist())), tuple(y.tolist())),
    "one column of labels": lambda X, y: (X, y[:, None]),
    "frames": lambda X, y: (pd.DataFrame(X).to_numpy(), pd.DataFrame({"y": y})),
    "a series": lambda X, y: (X, pd.Series(y)),
    "sparse rows": lambda X, y: (sparse.csr_array(X), y.tolist()),
}


@pytest.mark.parametrize("form", GIVEN)
@pytest.mark.parametrize("unseen", [False, True])
def test_rows_may_be_given_in_any_form(form, unseen):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression().fit(X, y)
    if unseen:
        y = np.where(np.arange(150) == 7, 9, y)
    one, two = judge(model, X, y, name="rows"), judge(model, *GIVEN[form](X, y), name="rows")
    assert two.evaluation.confusion.tolist() == one.evaluation.confusion.tolist()
    assert two.evaluation.unseen == one.evaluation.unseen
    assert [each.name for each in two.least_certain] == [each.name for each in one.least_certain]


@pytest.mark.parametrize("form", GIVEN)
def test_rows_of_training_may_be_given_in_any_form(form):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression().fit(X, y)
    assert record_training(model, *GIVEN[form](X, y)).class_counts.tolist() == [50, 50, 50]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3)[load_iris().target], r"one label for each row, not probabilities; .* classes_\[y.argmax"),
        (load_iris().target[:10], r"y has shape \(10,\) for 150 rows"),
        ("setosa", r"y has shape \(\) for 150 rows"),
        (np.zeros((75, 2)), r"y has shape \(75, 2\) for 150 rows"),
    ],
)
def test_what_is_not_one_label_for_each_row_is_refused(labels, message):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(DataError, match=message):
        model.report(X, labels)
    with pytest.raises(DataError, match=message):
        model.report(X_train=X, y_train=labels)


# --- one time, measured once --------------------------------------------------------------------


def test_terminal_json_file_and_report_tell_the_same_time(tmp_path):
    out, page = tmp_path / "model.safetensors", tmp_path / "report.html"
    words = ["train", "iris", "--out", str(out), "--report", str(page)]
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, words)
    told = re.search(r"passes over the rows, (\S+) s", shown.output).group(1)
    assert told == number(load(out).training_.seconds, 3)
    assert re.search(rf"Seconds of the fit\s*</[^>]*>\s*<[^>]*>\s*{re.escape(told)}\s*<", page.read_text())
    told = json.loads(CliRunner().invoke(app, ["train", "iris", "--out", str(out), "--json"]).stdout)["seconds"]
    assert told == load(out).training_.seconds
