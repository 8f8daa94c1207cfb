"""Without a penalty a level of each category is left out: the coefficients are those of a formula,
and whatever reads the model knows of the level."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import reference_models
from commands import run
from polytome import LogisticRegression, load, read_table, train
from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.explain import cells_of, contributions, largest_coefficients, reference_levels
from polytome.evaluation.flips import smallest_flips
from polytome.files.model_file import save
from polytome.files.splits import choose_held_out
from polytome.report.wording import levels_sentence
from polytome.serve.descriptions import describe
from polytome.tables.encoder import MISSING_LEVEL, Column, Encoder
from polytome.tables.frames import Frame
from polytome.tables.reference_levels import first_level, same_reference, with_references
from polytome.tables.streams import spread
from polytome.tables.streams.opening import open_rows
from reference_models import CHOSEN, SCHOOLS, frame

people = pytest.fixture(reference_models.people, scope="module")
model = pytest.fixture(reference_models.model, scope="module")


@pytest.fixture(scope="module")
def files(people: pandas.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    people.to_csv(folder / "people.csv", index=False)
    in_parts(people, folder / "parts")
    return folder


def in_parts(table: pandas.DataFrame, folder: Path) -> Path:
    """A folder of two files, which are read piece by piece."""
    folder.mkdir()
    table[:100].to_csv(folder / "1.csv", index=False)
    table[100:].to_csv(folder / "2.csv", index=False)
    return folder


def test_coefficients_are_those_of_a_formula(people, model):
    formula = pytest.importorskip("polytome.inference")
    pytest.importorskip("formulaic")
    text = "ill ~ age + C(school, Treatment('none')) + C(rank, Treatment('3')) + town"
    found = formula.fit_formula(text, people)
    mine = np.concatenate([model.intercept_, model.coef_[0]])
    assert model.encoder_.feature_names[1:3] == ("school=college", "school=school")
    np.testing.assert_allclose(mine, found.coefficients[0], rtol=1e-8, atol=1e-10)


def test_coefficients_of_three_classes_are_those_of_a_formula(people):
    formula = pytest.importorskip("polytome.inference")
    pytest.importorskip("formulaic")
    model = train(people, "way", drop=["ill", "rank"], C=np.inf, tol=1e-13, references={"school": "none"})
    found = formula.fit_formula("way ~ age + C(school, Treatment('none')) + town", people, reference="bus")
    mine = np.column_stack([model.intercept_, model.coef_])
    np.testing.assert_allclose(mine[1:] - mine[0], found.coefficients, rtol=1e-8, atol=1e-9)
    assert {each.feature: each.against for each in largest_coefficients(model, 9)} == {
        "age": None,
        **dict.fromkeys(["school=college", "school=school"], "none"),
        **dict.fromkeys(["town=Bree", "town=Crail", "town=Dull"], "Aber"),
    }


def test_rows_in_files_give_the_same_coefficients(people, model, files, tmp_path):
    how = {"target": "ill", "drop": ["way"], "categories": ["rank"], "references": CHOSEN}
    rows = open_rows(files / "people.csv", **how)
    assert rows.encoder.columns == model.encoder_.columns
    streamed = LogisticRegression(C=np.inf, tol=1e-9).fit(rows)
    np.testing.assert_allclose(streamed.coef_, model.coef_, rtol=1e-3)
    np.testing.assert_array_equal(read_table(files / "people.csv", **how).X, model.encoder_.encode(frame(people)))


def test_partitions_of_a_cluster_leave_the_same_level_out(people, model):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pandas(people.drop(columns="way"), preserve_index=False)
    rules = {"missing": "error", "unknown": "error", "drop": (), "categories": ("rank",), "marks": (), "notes": []}
    asked = spread.asked_of("a frame", table.column_names, "ill", references=CHOSEN, **rules)
    pieces = [table[:120], table[120:]]
    encoder, classes, _ = spread.joined(asked, [spread.learner_of(each, asked, k) for k, each in enumerate(pieces)])
    assert encoder.columns == model.encoder_.columns
    X, _, _ = spread.encoded(pieces[1], asked, encoder, classes, "a frame")
    np.testing.assert_array_equal(X, model.encoder_.encode(frame(people[120:])))


def test_the_level_left_out_is_the_first(people):
    assert reference_levels(train(people, "ill", drop="way", categories="rank", C=np.inf)) == {
        "school": "college",
        "rank": "1",
        "town": "Aber",
    }
    assert first_level(["10", "9", MISSING_LEVEL]) == "9"
    assert first_level([MISSING_LEVEL, "a"]) == "a"
    assert first_level(["true", "false"]) == "false"


@pytest.mark.parametrize("settings", [{"C": 1.0}, {"C": np.inf, "fit_intercept": False}])
def test_with_a_penalty_or_without_an_intercept_all_levels_stay(people, settings):
    model = train(people, "ill", drop="way,age,rank", **settings)
    assert reference_levels(model) == {}
    assert len(model.encoder_.feature_names) == 7
    assert {each.against for each in largest_coefficients(model)} == {None}
    with pytest.raises(ArgumentError, match="all levels of a category stay in"):
        train(people, "ill", references={"school": "none"}, **settings)


def test_sentences_say_what_a_level_is_compared_with(people, model):
    assert "left out" in levels_sentence(model)
    assert "quotient of their odds ratios" in levels_sentence(train(people, "ill", drop="way"))
    assert "difference of their coefficients" in levels_sentence(train(people, "way", drop="ill"))
    assert levels_sentence(train(people, "ill", drop="way,school,rank,town")) is None
    assert levels_sentence(train(people, "ill", drop="way", C=np.inf, fit_intercept=False)) is None
    order = sorted(set(people["school"].dropna()))
    steps = levels_sentence(train(people, "ill", drop="way", monotone={"school": order}))
    assert steps.startswith(
        f"A step, such as school>={order[1]}, compares a level with the one before it. All levels of "
    )
    alone = levels_sentence(train(people, "ill", drop="way,rank,town", monotone={"school": order}))
    assert alone == f"A step, such as school>={order[1]}, compares a level with the one before it."
    table = read_table(people, target="ill", drop=["way", "age"])
    every = LogisticRegression(C=np.inf).fit(table.X, table.y)
    every.source_ = replace(every.source_, encoder=table.encoder)
    assert "a coefficient alone means nothing" in levels_sentence(every)


def test_a_model_file_keeps_the_level(people, model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.encoder_ == model.encoder_
    np.testing.assert_array_equal(again.predict_proba(people), model.predict_proba(people))


def test_files_without_the_member_load_and_wrong_ones_do_not():
    encoder = Encoder((Column("hue", "category", ("a", "b")),), None, "error", "error")
    assert "reference" not in encoder.to_json()["columns"][0]
    assert Encoder.from_json(encoder.to_json()) == encoder
    named = replace(encoder, columns=(Column("hue", "category", ("a", "b"), reference="b"),))
    assert Encoder.from_json(named.to_json()) == named
    for levels, reference in ((["a", "b"], "c"), (["a"], "a"), (["a", "b"], 1)):
        wrong = {**named.to_json(), "columns": [{**named.to_json()["columns"][0]}]}
        wrong["columns"][0] |= {"levels": levels, "reference": reference}
        with pytest.raises(FileError, match="reference"):
            Encoder.from_json(wrong)


def test_a_level_never_seen_is_refused_and_is_not_the_reference(people, model):
    odd = people.head(3).assign(town="Elgin")
    with pytest.raises(DataError, match=r"'Elgin' was not in the training data.*leave the row out"):
        model.predict(odd)
    with pytest.raises(ArgumentError, match=r"unknown='zero'.*reference level '3'|unknown='zero'.*'none'"):
        train(people, "ill", drop="way", C=np.inf, unknown="zero", references={"school": "none"})
    with pytest.raises(ArgumentError, match="would count as that one"):
        read_table(odd, encoder=model.encoder_, unknown="zero", labels=False)


def test_held_out_rows_with_a_level_of_their_own_are_left_out(people, files, tmp_path):
    rare = people.assign(town=[*people.town[:-1], "Elgin"])
    seed = next(seed for seed in range(40) if choose_held_out(rare.ill.to_numpy(), 0.5, seed)[-1])
    model = train(rare, "ill", drop="way", C=np.inf, test_fraction=0.5, random_state=seed)
    assert any(
        "1 held-out row has a level that no training row has, and is left out" in note for note in model.training_.notes
    )
    held_out = model.held_out_
    n_test = len(people) - model.training_.n_rows - 1
    assert held_out.X.shape[0] == len(held_out.y) == len(held_out.row_names) == n_test
    assert 300 not in held_out.row_names
    parts = in_parts(rare, tmp_path / "rare")
    streamed = train(parts, "ill", drop="way", C=np.inf, test_fraction=0.5, random_state=seed)
    assert streamed.encoder_.columns == model.encoder_.columns
    assert streamed.held_out_.X.n_rows == n_test
    np.testing.assert_allclose(streamed.coef_, model.coef_, rtol=1e-2)


def test_learned_again_from_fewer_rows_the_level_stays_or_is_chosen_anew():
    before = Column("hue", "category", ("a", "b", "c"), reference="b")
    fewer = Column("hue", "category", ("b", "c"))
    assert same_reference(fewer, before, "t").reference == "b"
    assert same_reference(fewer, replace(before, reference="a"), "t").reference == "b"
    with pytest.raises(DataError, match="no row to learn from has the reference level 'b'"):
        same_reference(Column("hue", "category", ("a", "c")), before, "t")
    with pytest.raises(DataError, match=r"has one level, 'b'.*--drop hue"):
        same_reference(Column("hue", "category", ("b",)), before, "t")


@pytest.mark.parametrize(
    ("references", "said"),
    [
        ({"scool": "none"}, r"no column 'scool' \(did you mean 'school'\?\)"),
        ({"ill": "no"}, "no column 'ill'"),
        ({"age": "45"}, "holds numbers and has no levels; let it count as a category"),
        ({"school": "College"}, r"no level 'College' \(did you mean 'college'\?\)"),
    ],
)
def test_wrong_references(references, said, people, files):
    with pytest.raises(ArgumentError, match=said):
        train(people, "ill", C=np.inf, references=references)
    with pytest.raises(ArgumentError, match=said):
        open_rows(files / "people.csv", target="ill", references=references)


def test_a_category_of_one_level_cannot_be_compared(people):
    with pytest.raises(DataError, match=r"column 'land': has one level, 'Wales'.*--drop land"):
        train(people.assign(land="Wales"), "ill", C=np.inf)
    with pytest.raises(ArgumentError, match="is text and has no levels"):
        with_references([Column("said", "text")], {"said": "x"}, "t")


def test_missing_cells_are_a_level_and_not_the_reference(people):
    gaps = people.assign(school=people.school.where(people.age > 30, None))
    model = train(gaps, "ill", drop="way", C=np.inf, missing="mean")
    assert model.encoder_.columns[1].levels == (MISSING_LEVEL, *SCHOOLS)
    assert model.encoder_.columns[1].coded == (MISSING_LEVEL, "none", "school")
    X = model.encoder_.encode(frame(gaps.assign(rank=gaps["rank"].astype(float))))
    np.testing.assert_array_equal(X[:, 1] == 1, gaps.school.isna())
    kept = train(gaps, "ill", drop="way", C=np.inf, missing="mean", references={"school": MISSING_LEVEL})
    assert kept.encoder_.columns[1].coded == tuple(SCHOOLS)
    np.testing.assert_allclose(kept.predict_proba(gaps), model.predict_proba(gaps), atol=0.01)


def test_sparse_rows_leave_the_same_level_out():
    random = np.random.default_rng(0)
    columns = {f"c{j}": random.choice(list("abcdefgh"), 60).astype(object).tolist() for j in range(3)}
    learned = tuple(Column(name, "category", tuple("abcdefgh"), reference="c") for name in columns)
    sparse = Encoder(learned, None, "error", "error")
    assert sparse.is_sparse
    X = sparse.encode(Frame.of(columns))
    dense = np.column_stack([np.equal(cells, level) for cells in columns.values() for level in "abdefgh"])
    np.testing.assert_array_equal(X.toarray(), dense)
    assert X.nnz == dense.sum()


def test_explanations_name_the_level(people, model):
    row = people[people.school == "none"].head(1)
    x = model.encoder_.encode(frame(row))[0]
    assert cells_of(model.encoder_, x)["school"] == "none"
    found = contributions(model, row)
    np.testing.assert_allclose(found.scores[:, 0], model.decision_function(row))
    by_column = found.by_column(model.encoder_)
    mean = model.training_.mean
    assert by_column.values[0, 0, 1] == pytest.approx(-(model.coef_[0, 1:3] @ mean[1:3]))
    against = {each.feature: each.against for each in largest_coefficients(model, 20)}
    assert against["school=college"] == "none"
    assert against["rank=1"] == "3"
    assert against["age"] is None


def test_flips_go_to_the_reference_too(people, model):
    """Each other level is tried, against predictions for rows that have it."""
    tried = set()
    for place in range(12):
        row = people.iloc[[place]]
        now = model.predict(row)[0]
        want = set()
        for name in ("school", "rank", "town"):
            for level in model.encoder_.columns[model.encoder_.source_names.index(name)].levels:
                if model.predict(row.assign(**{name: level}))[0] != now:
                    want.add((name, row[name].iloc[0], level))
        flips = smallest_flips(model, model.encoder_.encode(frame(row)))
        assert {(f.feature, f.value, f.flipped) for f in flips if f.feature != "age" and f.flipped} == want
        tried |= {level for _, _, level in want}
    assert "none" in tried


def test_the_server_knows_all_levels(people, model):
    features = {each["name"]: each for each in describe("m", model)["features"]}
    assert features["school"]["levels"] == SCHOOLS
    assert features["school"]["reference"] == "none"
    usual = people["rank"].mode()[0]
    assert features["rank"]["usual"] == usual
    mostly = people.assign(rank=["3"] * 200 + ["1"] * 100)
    mostly = train(mostly, "ill", drop="way", categories="rank", C=np.inf, references=CHOSEN)
    assert {each["name"]: each for each in describe("m", mostly)["features"]}["rank"]["usual"] == "3"


def test_summaries_take_the_model(people, model):
    from polytome.inference import summarize

    found = summarize(model, people, people.ill)
    np.testing.assert_allclose(found.coefficients[0, 1:], model.coef_[0], rtol=1e-8)
    assert np.isfinite(found.standard_errors).all()
    assert found.test("town").df == 3
    assert found.test("age").df == 1


def parsed(*words: Any) -> dict[str, Any]:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_line(files, model, tmp_path):
    out, page = tmp_path / "m.safetensors", tmp_path / "m.html"
    words = ("train", files / "people.csv", "--target", "ill", "--drop", "way", "--categories", "rank", "--C", "inf")
    chosen = ("--reference", "school=none", "--reference", "rank=3")
    shown = run(*words, *chosen, "--tol", "1e-13", "--out", out, "--report", page)
    assert shown.exit_code == 0, shown.stderr
    assert "against" in shown.stdout.split("Largest coefficients")[1]
    assert "school=college against none" in page.read_text()
    np.testing.assert_array_equal(load(out).coef_, model.coef_)
    found = parsed("explain", out)
    assert found["reference_levels"] == {"school": "none", "rank": "3", "town": "Aber"}
    assert {each["against"] for each in found["largest_coefficients"]} <= {None, "none", "3", "Aber"}
    assert "against" in run("explain", out).stdout
    penalised = run(*words[:-1], "1")
    assert "none is the reference" in " ".join(penalised.stdout.split())
    assert run("evaluate", out, files / "people.csv", "--unknown", "zero").exit_code == 1
    for wrong in (("--reference", "school"), ("--reference", "school=none", "--reference", "school=school")):
        assert run(*words, *wrong).exit_code == 2
    assert "no level 'nope'" in run(*words, "--reference", "school=nope").stderr
    streamed = parsed("train", files / "parts", *words[2:], *chosen)
    assert streamed["model"]["reference_levels"] == found["reference_levels"]
    assert "takes no --reference" in run("train", "iris", "--C", "inf", "--reference", "a=b").stderr
