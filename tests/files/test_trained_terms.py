"""Models with products, powers and splines: whatever trains, keeps and reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import term_models
from commands import done, run
from polytome import load, train
from polytome.errors import ArgumentError
from polytome.evaluation.explain import cells_of, contributions
from polytome.evaluation.flips import smallest_flips
from polytome.evaluation.metrics import evaluate
from polytome.files.model_file import save
from polytome.files.sources import open_source
from polytome.files.tuned import _encoded_by_fold
from polytome.inference import summarize
from polytome.tables.terms import terms_of

OPTIONS = ["--cross", "age*sex", "--cross", "school * sex", "--cross", "hours*age"]
OPTIONS += ["--spline", "age=4", "--power", "hours=3"]
RULES = ["--target", "ill", "--drop", "way", "--missing", "mean", "--unknown", "zero"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    table = term_models.people()
    table.to_csv(folder / "people.csv", index=False)
    (folder / "parts").mkdir()
    table[:200].to_csv(folder / "parts" / "1.csv", index=False)
    table[200:].to_csv(folder / "parts" / "2.csv", index=False)
    save(term_models.model(), folder / "m.safetensors")
    return folder


def test_the_command_gives_the_bits_of_the_function_and_predicts_alike(folder: Path) -> None:
    out = folder / "again.safetensors"
    done("train", folder / "people.csv", *RULES, *OPTIONS, "--scale", "standard", "--out", out)
    model, again = term_models.model(), load(out)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    assert again.encoder_.columns == model.encoder_.columns
    assert load(folder / "m.safetensors").encoder_ == model.encoder_
    answers = done("predict", out, folder / "people.csv").splitlines()[1:]
    wanted = model.predict_proba(term_models.people())[:, 1]
    np.testing.assert_allclose([float(line.rpartition(",")[2]) for line in answers], wanted, atol=1e-6)
    parts = done("predict", out, folder / "parts").splitlines()[1:]
    assert [line.split(",")[1:] for line in parts] == [line.split(",")[1:] for line in answers]


def test_the_certificate_is_verified(folder: Path) -> None:
    pytest.importorskip("flint")
    found = done("verify", folder / "m.safetensors", folder / "people.csv")
    assert found.startswith("Confirmed: ")


def test_terms_find_what_columns_alone_do_not() -> None:
    table = term_models.people().drop(columns="way")
    plain = train(table, "ill", missing="mean", scale="standard", test_fraction=0.3)
    bent = train(
        table, "ill", missing="mean", scale="standard", test_fraction=0.3, crosses=["hours*sex"], splines={"age": 4}
    )
    assert evaluate(bent).log_loss < evaluate(plain).log_loss - 0.03
    assert bent.certificate_.holds


@pytest.mark.parametrize("make", [term_models.model, term_models.ways])
def test_contributions_of_a_term_are_one_and_add_up(make: Any) -> None:
    model = make()
    X = model.encoder_.encode(_frame(term_models.people()))
    found = contributions(model, X[:5]).by_column(model.encoder_)
    assert found.features[4:] == ("age*sex", "school*sex", "hours*age", "age spline", "hours^2", "hours^3")
    scores = model.decision_function(X[:5]).reshape(5, -1)
    np.testing.assert_allclose(found.scores, scores, atol=1e-9)
    cells = cells_of(model.encoder_, X[0])
    assert cells["age*sex"] == cells["age spline"] == cells["age"]
    assert cells["school*sex"] == f"{cells['school']}*{cells['sex']}"
    assert cells["hours^2"] == cells["hours"] ** 2


def test_no_flip_is_told_of_what_does_not_change_alone() -> None:
    table = term_models.people().drop(columns="way").dropna()
    model = train(table, "ill", crosses=["age*sex"], scale="standard")
    X = model.encoder_.encode(_frame(table))
    assert {flip.feature for flip in smallest_flips(model, X[0])} == {"hours", "school"}


def test_effects_are_of_what_changes_alone() -> None:
    table = term_models.people().drop(columns="way").dropna()
    model = train(table, "ill", C=np.inf, tol=1e-10, crosses=["age*sex"])
    X = model.encoder_.encode(_frame(table))
    result = summarize(model, X, table.ill)
    assert {name for name, _, _ in result.effects().rows} == {"hours", "school=none", "school=school"}
    with pytest.raises(ArgumentError, match=r"'age' does not change alone, as 'age\*sex=M' changes with it"):
        result.effects(["age"])
    with pytest.raises(ArgumentError, match="use 'average'"):
        result.effects(at="means")


def test_knots_are_learned_in_each_fold(folder: Path) -> None:
    asked = terms_of(splines={"hours": 4})
    source = open_source(folder / "people.csv", target="ill", drop=["way", "age", "school"], terms=asked)
    encode = _encoded_by_fold(source)
    assert encode is not None
    fewer = encode(np.flatnonzero(source.X[:, 0] < 30))
    place = source.encoder.feature_names.index("hours spline 1")
    assert fewer.shape == source.X.shape
    assert not np.allclose(fewer[:, place], source.X[:, place])
    np.testing.assert_array_equal(fewer[:, :place], source.X[:, :place])


def test_tune_takes_terms(folder: Path, tmp_path: Path) -> None:
    options = [
        "--spline",
        "age=3",
        "--folds",
        "2",
        "--C",
        "0.1,1",
        "--l1-ratio",
        "0",
        "--out",
        tmp_path / "t.safetensors",
    ]
    done("tune", folder / "people.csv", *RULES, *options)
    assert load(tmp_path / "t.safetensors").encoder_.feature_names[-1] == "age spline 1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--spline", "age"], "needs COLUMN=NUMBER"),
        (["--spline", "age=4", "--spline", "age=5"], "names the column 'age' twice"),
        (["--power", "age=x"], "needs COLUMN=NUMBER"),
        (["--cross", "age"], "needs two columns"),
        (["--cross", "age*town"], "has no column 'town'"),
    ],
)
def test_wrong_options_are_refused(options: list[str], words: str, folder: Path) -> None:
    found = run("train", folder / "people.csv", *RULES, *options)
    assert found.exit_code in (1, 2)
    assert words in " ".join(found.output.replace("│", " ").split())


TERMS: dict[str, Any] = {"crosses": ["age*sex", "school*sex", "hours*age"]}
TERMS |= {"splines": {"age": 4, "hours": [20, 35, 50, 60]}, "powers": {"hours": 2}}


@pytest.mark.parametrize("missing", ["drop", "mean"])
@pytest.mark.parametrize("test_fraction", [0.0, 0.3])
def test_rows_read_piece_by_piece_learn_the_terms_of_rows_in_memory(
    folder: Path, missing: str, test_fraction: float
) -> None:
    """The same knots, pairs and features, also where rows are left out or held out."""
    rules: dict[str, Any] = {"target": "ill", "drop": ["way"], "missing": missing, "scale": "standard", "tol": 1e-9}
    rules |= {"unknown": "zero", "test_fraction": test_fraction, **TERMS}
    model, streamed = train(folder / "people.csv", **rules), train(folder / "parts", **rules)
    made = [column for column in model.encoder_.columns if column.term is not None]
    found = [column for column in streamed.encoder_.columns if column.term is not None]
    assert len(made) == 9
    assert [column.name for column in found] == [column.name for column in made]
    for column, other in zip(made, found, strict=True):
        np.testing.assert_allclose(other.term.knots, column.term.knots, rtol=1e-12)
        assert (other.levels, other.term.of, other.term.given) == (column.levels, column.term.of, column.term.given)
    assert streamed.certificate_.holds
    table = term_models.people().dropna()
    np.testing.assert_allclose(streamed.predict_proba(table), model.predict_proba(table), rtol=1e-4)
    if test_fraction:
        assert evaluate(streamed).n_rows == evaluate(model).n_rows


def test_given_knots_are_kept(folder: Path, tmp_path: Path) -> None:
    """Through a file, in each fold, and where rows are held out: no quantile takes their place."""
    out = tmp_path / "m.safetensors"
    options = ["--spline", "age=20,30.5,60", "--spline", "hours=4", "--test-fraction", "0.3"]
    done("train", folder / "people.csv", *RULES, *options, "--out", out)
    terms = [column.term for column in load(out).encoder_.columns if column.term is not None]
    assert [(term.knots, term.given) for term in terms if term.of == ("age",)] == [((20.0, 30.5, 60.0), True)]
    assert not any(term.given for term in terms if term.of == ("hours",))
    with pytest.raises(ArgumentError, match="--cross, --spline or --power"):
        train("iris", powers={"petal length (cm)": 2})


@pytest.mark.parametrize(
    "knots", [[1, 2], [3, 2, 1], [1, 2, float("nan")], [1, 1, 2], list(range(21)), ["a", "b", "c"]]
)
def test_wrong_knots_are_refused(folder: Path, knots: list[Any]) -> None:
    with pytest.raises(ArgumentError, match=r"spline age=.*: needs its knots in rising order, 3 to 20 numbers, as in"):
        train(folder / "people.csv", "ill", splines={"age": knots})


def test_the_command_refuses_knots_that_are_not_numbers(folder: Path) -> None:
    found = run("train", folder / "people.csv", *RULES, "--spline", "age=20,x,40")
    assert found.exit_code == 2
    assert "or COLUMN=KNOT,..., such as age=20,40,60" in " ".join(found.output.replace("│", " ").split())


@pytest.mark.parametrize("source", ["people.csv", "parts"])
def test_a_plan_counts_the_features_of_terms(folder: Path, source: str) -> None:
    model = term_models.model()
    plan = json.loads(done("plan", folder / source, *RULES[:-2], *OPTIONS, "--json"))
    assert plan["n_features"] == len(model.encoder_.feature_names)


def test_a_diagnosis_tells_what_a_term_separates(tmp_path: Path) -> None:
    x = np.arange(-20, 21) / 4
    table = pandas.DataFrame({"x": x, "y": np.where(x**2 > 6, "far", "near")})
    table[::2].to_csv(tmp_path / "1.csv", index=False)
    table[1::2].to_csv(tmp_path / "2.csv", index=False)
    for sources in ([tmp_path / "1.csv"], [tmp_path / "1.csv", tmp_path / "2.csv"]):
        asked = [*sources, "--target", "y", "--json"]
        assert json.loads(done("diagnose", *asked))["separated"] == "no"
        assert json.loads(done("diagnose", *asked, "--power", "x=2"))["separated"] == "completely"


def test_the_server_takes_the_columns_of_the_table(folder: Path) -> None:
    testclient = pytest.importorskip("starlette.testclient")
    from polytome.serve.app import create_app

    model = term_models.model()
    rows = term_models.people()[["age", "hours", "school", "sex"]].dropna()[:3]
    with testclient.TestClient(create_app(folder / "m.safetensors"), base_url="http://127.0.0.1:8000") as client:
        found = client.get("/model").json()["features"]
        assert [(each["name"], each["in_terms"]) for each in found] == [
            ("age", True),
            ("hours", True),
            ("school", True),
            ("sex", True),
        ]
        for asked in (rows.to_dict("records"), rows.values.tolist()):
            answer = client.post("/predict", json={"rows": asked}).json()
            np.testing.assert_allclose(answer["probabilities"], model.predict_proba(rows), atol=1e-12)
        explained = client.post("/explain", json={"rows": rows.values.tolist()}).json()
        assert "age spline" in explained["columns"]
        assert explained["rows"][0]["flips"] == []
        schema = client.get("/openapi.json").json()["components"]["schemas"]["Row"]["oneOf"]
        assert schema[0]["maxItems"] == 4


def test_weights_and_groups_of_the_penalty_know_terms() -> None:
    table = term_models.people().drop(columns="way").dropna()
    free = train(table, "ill", crosses=["hours*age"], penalty_weights={"hours*age": 1e6}, scale="standard")
    assert np.abs(free.coef_[0, -1]) < 1e-6
    settings = {"groups": "columns", "l1_ratio": 1.0, "scale": "standard"}
    grouped = train(table, "ill", crosses=["age*sex"], **settings)
    assert grouped.certificate_.holds


def test_show_names_terms(folder: Path) -> None:
    found = json.loads(done("explain", folder / "m.safetensors", "--json"))
    assert "age spline 2" in found["features"]


def _frame(table: pandas.DataFrame) -> Any:
    from polytome.tables.data_frames import frame_of

    return frame_of(table)


def test_a_level_that_only_held_out_rows_have_is_in_no_term() -> None:
    n = 60
    table = pandas.DataFrame({"age": np.arange(n), "hue": ["rare"] + ["a", "b"] * 29 + ["a"], "y": list("pq") * 30})
    for seed in range(20):  # until the row is held out
        model = train(table, "y", test_fraction=0.3, random_state=seed, crosses=["age*hue"], scale="standard")
        if "hue=rare" not in model.encoder_.feature_names:
            break
    assert model.encoder_.feature_names == ("age", "hue=a", "hue=b", "age*hue=a", "age*hue=b")
    assert any("hue=rare" in note for note in model.training_.notes)
    assert np.isfinite(model.predict_proba(model.held_out_.X)).all()


def test_what_shows_coefficients_says_which_do_not_change_alone(folder: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "m.safetensors", tmp_path / "m.html"
    told = "'age*sex', 'hours spline' are made of other columns and change with them"
    options = ["--cross", "age*sex", "--spline", "hours=4", "--out", out, "--report", page]
    trained = done("train", folder / "people.csv", *RULES, *options)
    assert told in " ".join(trained.split())
    assert told in " ".join(done("explain", out).split())
    assert told in page.read_text().replace("&#39;", "'")
    done("train", folder / "people.csv", *RULES, "--out", out, "--report", page)
    assert "made of other columns" not in done("explain", out) + page.read_text()
