"""A model behind HTTP answers as the model does, to the last bit, in every form that rows can
have."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polytome
from polytome.files.sources import fit_source, open_source
from polytome.tables.frames import Frame

pytest.importorskip("fastapi")
pa = pytest.importorskip("pyarrow")
from serving import served  # noqa: E402

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PEOPLE = [
    {"age": 25, "size": 1.5, "colour": "red", "smokes": True},
    {"age": 31, "size": 1.7, "colour": "blue", "smokes": False},
    {"age": 62, "size": 1.6, "colour": "red", "smokes": False},
    {"age": 44, "size": 1.9, "colour": "green, pale", "smokes": True},
    {"age": None, "size": 1.8, "colour": None, "smokes": True},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def iris_path(folder):
    path = folder / "iris.safetensors"
    fit_source(polytome.LogisticRegression(), open_source("iris")).save(path)
    return path


@pytest.fixture(scope="module")
def people_path(folder):
    table = folder / "people.csv"
    lines = ["age,size,colour,smokes,income"]
    for number, person in enumerate(PEOPLE * 4):
        cells = ["" if value is None else json.dumps(value) for value in person.values()]
        lines.append(",".join([*cells, ("low", "high", "high")[number % 3]]))
    table.write_text("\n".join(lines).replace("true", "yes").replace("false", "no") + "\n")
    path = folder / "people.safetensors"
    fit_source(polytome.LogisticRegression(), open_source(str(table), target="income", missing="mean")).save(path)
    return path


@pytest.fixture(scope="module")
def digits_path(folder):
    path = folder / "digits.safetensors"
    fit_source(polytome.LogisticRegression(scale=16.0, tol=1e-2), open_source("digits")).save(path)
    return path


@pytest.fixture(scope="module")
def iris(iris_path):
    with served(iris_path, most_rows=1000, most_bytes=1 << 20) as client:
        yield client


@pytest.fixture(scope="module")
def people(people_path):
    with served(people_path) as client:
        yield client


def people_rows():
    return [{**person, "smokes": "yes" if person["smokes"] else "no"} for person in PEOPLE]


def arrow_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def assert_equals_model(answer, model, X):
    assert answer["classes"] == model.classes_.tolist()
    assert answer["predictions"] == model.predict(X).tolist()
    assert answer["probabilities"] == model.predict_proba(X).tolist()  # floats travel without loss


def test_rows_by_position_by_name_and_alone(iris, iris_path):
    model = polytome.load(iris_path)
    X = open_source("iris").X
    names = [column.name for column in model.encoder_.columns]
    shuffled = [{**dict(zip(names[::-1], row[::-1], strict=True)), "note": "ignored"} for row in X.tolist()]
    for rows in (X.tolist(), shuffled):
        answer = iris.rows(rows)
        assert answer.status == 200
        assert_equals_model(answer.json, model, X)
    for one in (X[7].tolist(), dict(zip(names, X[7].tolist(), strict=True))):
        assert_equals_model(iris.rows(one).json, model, X[[7]])


def test_csv_and_arrow_in_and_out(iris, iris_path):
    model = polytome.load(iris_path)
    X = open_source("iris").X
    names = [column.name for column in model.encoder_.columns]
    text = "\n".join([",".join(names), *(",".join(map(repr, row)) for row in X.tolist())])
    stream = arrow_stream(pa.table(dict(zip(names, X.T, strict=True))))
    for kind, body in ((CSV, text), (f"{CSV}; charset=utf-8", text), (ARROW, stream)):
        assert_equals_model(iris("POST", "/predict", body, content_type=kind).json, model, X)
    without_header = text.partition("\n")[2]
    assert_equals_model(iris("POST", "/predict", without_header, content_type=CSV).json, model, X)

    answer = iris("POST", "/predict", text, content_type=CSV, accept=CSV)
    assert answer.headers["content-type"].startswith(CSV)
    lines = [line.split(",") for line in answer.body.decode().splitlines()]
    assert lines[0] == ["prediction", *(f"probability_{label}" for label in model.classes_)]
    assert [line[0] for line in lines[1:]] == model.predict(X).tolist()
    assert [[float(cell) for cell in line[1:]] for line in lines[1:]] == model.predict_proba(X).tolist()

    answer = iris("POST", "/predict", stream, content_type=ARROW, accept=f"{ARROW}, */*;q=0.1")
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(io.BytesIO(answer.body)).read_all()
    assert table["prediction"].to_pylist() == model.predict(X).tolist()
    assert np.array_equal(np.column_stack(table.columns[1:]), model.predict_proba(X))


def test_a_table_with_categories_and_gaps(people, people_path):
    model = polytome.load(people_path)
    rows = people_rows()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    X = model.encoder_.encode(Frame.of(columns))
    assert_equals_model(people.rows(rows).json, model, X)
    assert_equals_model(people.rows([list(row.values()) for row in rows]).json, model, X)
    table = pa.table(columns)
    assert_equals_model(people("POST", "/predict", arrow_stream(table), content_type=ARROW).json, model, X)
    coded = table.set_column(2, "colour", table["colour"].dictionary_encode())
    assert_equals_model(people("POST", "/predict", arrow_stream(coded), content_type=ARROW).json, model, X)


@pytest.mark.parametrize(
    ("rows", "status", "words"),
    [
        ([], 422, "is empty; send at least one row"),
        ([[]], 422, "has 0 values where the model needs 4"),
        ([[1, 2, 3]], 422, "row 1: has 3 values where the model needs 4, in this order: 'age', 'size'"),
        ([1, 2], 422, "has 2 values"),
        ("red", 422, '"rows" needs a list'),
        (None, 422, '"rows" needs a list'),
        ([{"age": 1}], 422, "row 1: lacks the column 'size', 'colour', 'smokes'; found 'age'"),
        ([people_rows()[0], {**people_rows()[1], "age": "old"}], 422, "row 2, column 'age': 'old' is not a finite"),
        ([[25, None, "red", "yes"], [25, [1], "red", "yes"]], 422, "row 2, column 'size': is a list"),
        ([[25, {}, "red", "yes"]], 422, "row 1, column 'size': is an object"),
        ([[25, 1.5, "mauve", "yes"]], 422, "the level 'mauve' was not in the training data"),
        ([[25, 1.5, "red", "yes"], "x"], 422, "row 2: is text; send a list"),
    ],
)
def test_rows_that_do_not_suit_the_model(people, rows, status, words):
    answer = people.rows(rows)
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert words in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("", 400, "not JSON"),
        ("{", 400, "not JSON in UTF-8: Expecting property name"),
        (b'{"rows": [["\xff"]]}', 400, "byte 12 cannot be decoded"),
        ('{"rows": [[NaN, 1, 1, 1]]}', 400, "NaN is not a JSON number; send null"),
        ('{"rows": [[-Infinity, 1, 1, 1]]}', 400, "Infinity is not a JSON number"),
        ('{"rows": [[1e400, 1, "red", "yes"]]}', 422, "'inf' is not a finite number"),
        ('{"rows": [[' + "9" * 400 + ', 1, "red", "yes"]]}', 422, "'inf' is not a finite number"),
        ('{"rows": [[' + "9" * 5000 + ', 1, "red", "yes"]]}', 422, "'inf' is not a finite number"),
        ("[" * 100_000, 400, "nested too deeply"),
        ('{"rows": ' + "[" * 100_000, 400, "nested too deeply"),
        ("[[1, 2, 3, 4]]", 422, 'needs the form {"rows": [...]}'),
        ('{"row": [1]}', 422, 'needs the form {"rows": [...]}'),
        ('{"rows": [[1]], "missing": "mean"}', 422, "has 'missing' besides"),
        (r'{"rows": [["\ud800", 1, "red", "yes"]]}', 422, "is not a finite number"),
    ],
)
def test_bodies_that_are_no_rows(people, body, status, words):
    answer = people("POST", "/predict", body, content_type="application/json")
    assert answer.status == status
    assert words in answer.json["error"]
    assert len(answer.body) < 1000


def test_other_types_and_methods_are_refused_in_words(iris):
    assert iris("POST", "/predict", "x=1", content_type="application/x-www-form-urlencoded").status == 415
    assert "Content-Type says none" in iris("POST", "/predict", b"{}").json["error"]
    assert "trained on tables" in iris("POST", "/predict", b"\x89PNG", content_type="image/png").json["error"]
    missing = iris.get("/nowhere")
    assert (missing.status, list(missing.json)) == (404, ["error"])
    wrong = iris.get("/predict")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert "does not take GET; use POST" in wrong.json["error"]
    assert "lacks the column" in iris("POST", "/predict", "a,b\n1,2\n", content_type=CSV).json["error"]
    assert "damaged Arrow stream" in iris("POST", "/predict", b"\xff\xff\xff\xff", content_type=ARROW).json["error"]
    assert "leave the range of float64" in iris.rows([[1e308] * 4]).json["error"]
    assert iris.rows([[1.0] * 4] * 1001).status == 413
    assert iris("POST", "/predict", "1,2,3,4\n" * 1001, content_type=CSV).status == 413


def test_the_command_line_says_the_same(people_path, people, tmp_path):
    """One encoder, one set of texts: only the name of the source differs."""
    table = tmp_path / "new.csv"
    table.write_text("age,size,colour,smokes\n25,1.5,red,yes\n26,1.5,mauve,no\n")
    done = subprocess.run(
        [sys.executable, "-m", "polytome", "predict", str(people_path), str(table)], capture_output=True, text=True
    )
    said = people("POST", "/predict", table.read_text(), content_type=CSV).json["error"]
    wanted = done.stderr.strip().removeprefix(f"Error: {table}")
    assert wanted.endswith("; correct it, or let it count as no known level with --unknown zero")
    assert said == "the body" + wanted.removesuffix(", or let it count as no known level with --unknown zero")


def test_explanations_are_those_of_the_library(people, people_path):
    from polytome.evaluation.explain import contributions
    from polytome.evaluation.flips import smallest_flips
    from polytome.serve.models import ServedModel

    loaded = ServedModel.read(people_path)
    model = loaded.model
    rows = people_rows()[:2]
    X = loaded.encoder.encode(Frame.of({name: [row[name] for row in rows] for name in rows[0]}))
    answer = people.rows(rows, path="/explain").json
    found = contributions(model, X).by_column(loaded.encoder)
    assert answer["columns"] == ["age", "size", "colour", "smokes"]
    assert answer["outputs"] == list(found.labels)
    assert answer["baseline"] == found.baseline.tolist()
    for number, row in enumerate(answer["rows"]):
        assert row["contributions"] == found.values[number].tolist()
        assert row["prediction"] == model.predict(X)[number]
        assert [flip["feature"] for flip in row["flips"]] == [
            flip.feature for flip in smallest_flips(model, X[[number]])
        ]

    between = people.rows(rows, path="/explain?of=high&against=low").json
    assert between["outputs"] == ["high"]
    assert between["rows"][0]["contributions"] == found.between("high", "low").values[0].tolist()
    assert "give both classes" in people.rows(rows, path="/explain?of=high").json["error"]
    assert "not one of the classes high, low" in people.rows(rows, path="/explain?of=high&against=x").json["error"]
    assert people.rows(rows * 51, path="/explain").status == 413


def test_the_model_describes_itself(people, people_path, digits_path):
    model = polytome.load(people_path)
    facts = people.get("/model").json
    assert facts["name"] == "people.safetensors"
    assert facts["classes"] == ["high", "low"]
    assert [(one["name"], one["kind"]) for one in facts["features"]] == [
        ("age", "number"),
        ("size", "number"),
        ("colour", "category"),
        ("smokes", "category"),
    ]
    assert facts["features"][3]["levels"] == list(model.encoder_.columns[3].levels)
    colours = [person["colour"] for person in PEOPLE if person["colour"] is not None]
    assert facts["features"][2]["usual"] == max(set(colours), key=colours.count)
    assert facts["certificate"]["sentence"] == str(model.certificate_)
    assert facts["objective"] == model.objective_.to_json()
    assert facts["version"] == polytome.__version__
    assert facts["image_shape"] is None
    with served(digits_path) as digits:
        facts = digits.get("/model").json
        assert (facts["image_shape"], facts["full"]) == ([8, 8], 16.0)


def test_images_are_seen_as_the_library_sees_them(digits_path):
    image = pytest.importorskip("PIL.Image")
    from polytome.tables.images import training_form

    model = polytome.load(digits_path)
    drawn = np.full((120, 90), 250, dtype=np.uint8)
    drawn[20:100, 40:52] = 10
    with served(digits_path) as client:
        for kind in ("png", "jpeg"):
            file = io.BytesIO()
            image.fromarray(drawn).save(file, kind)
            answer = client("POST", "/predict", file.getvalue(), content_type=f"image/{kind}")
            form = training_form(file.getvalue(), (8, 8), 16.0)
            assert answer.status == 200
            assert_equals_model(answer.json, model, form.reshape(1, -1))
            assert answer.json["seen"] == form.tolist()
            explained = client("POST", "/explain", file.getvalue(), content_type=f"image/{kind}").json
            assert explained["seen"] == form.tolist()
        blank = io.BytesIO()
        image.new("L", (50, 50), 255).save(blank, "png")
        for body, words in ((blank.getvalue(), "is blank"), (file.getvalue()[:200], "image"), (b"no image", "image")):
            answer = client("POST", "/predict", body, content_type="image/png")
            assert answer.status == 422
            assert words in answer.json["error"]


def test_a_model_that_was_fitted_to_a_frame_takes_rows_by_name(folder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"b": [0.0, 1.0, 2.0, 3.0], "a": [1.0, 0.0, 1.0, 0.5]})
    model = polytome.LogisticRegression().fit(frame, [False, False, True, True])
    path = folder / "frame.safetensors"
    model.save(path)
    with served(path) as client:
        answer = client.rows([{"a": 0.5, "b": 2.5}]).json
        assert answer["classes"] == [False, True]
        assert answer["probabilities"] == model.predict_proba(pd.DataFrame({"b": [2.5], "a": [0.5]})).tolist()


def test_a_person_signs_in_with_the_token_and_meets_the_page(iris_path, chromium):
    from browsing import accessibility_faults, overflows, visit

    token = "a-token-for-friends"
    with (
        served(iris_path, token=token) as client,
        visit(chromium, f"{client.address}/", width=360, dark=True) as page,
    ):
        assert page.title() == "Sign in - Polytome"
        assert accessibility_faults(page) == []
        assert not overflows(page)
        page.get_by_label("Token").fill("a guess")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert "not the token" in page.get_by_role("alert").inner_text()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{client.address}/")
        page.get_by_text("setosa").first.wait_for()


def test_openapi_names_every_route_and_an_example_that_works(people):
    document = people.get("/openapi.json").json
    assert set(document["paths"]) == {"/predict", "/explain", "/model", "/healthz", "/metrics"}
    for path in document["paths"].values():
        for operation in path.values():
            assert {"200", "400", "401", "403", "408", "413", "500", "503"} <= set(operation["responses"])
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        assert people.rows(example["value"]["rows"]).status == 200
    assert people("POST", "/predict", content["text/csv"]["example"], content_type=CSV).status == 200


@pytest.mark.data
def test_adult_by_name_as_by_file(tmp_path):
    """Real rows with gaps and categories: JSON objects give what the command line gives for the
    file."""
    data = Path(os.environ.get("POLYTOME_DATA", "absent"), "adult")
    if not data.is_dir():
        pytest.skip("POLYTOME_DATA has no adult")
    source = open_source(str(data / "adult-train.csv"), target="last", missing="mean")
    path = tmp_path / "adult.safetensors"
    model = fit_source(polytome.LogisticRegression(tol=1e-2, scale="standard"), source)
    model.save(path)
    lines = (data / "adult-train.csv").read_text().splitlines()[:300]
    rows = [[cell.strip() for cell in line.split(",")][:14] for line in lines]
    names = [column.name for column in model.encoder_.columns]
    expected = model.predict_proba(source.X[:300]).tolist()
    with served(path) as client:
        assert client.rows(rows).json["probabilities"] == expected
        assert client.rows([dict(zip(names, row, strict=True)) for row in rows]).json["probabilities"] == expected
