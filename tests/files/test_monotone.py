"""`train(monotone=...)` and `--monotone`: another implementation, orders of levels, files that are
read piece by piece, exports, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from typer.testing import CliRunner

from polytome import load, open_rows, train, verify
from polytome.cli.app import app
from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.explain import cells_of, levels_against
from polytome.evaluation.flips import smallest_flips
from polytome.export import write_onnx, write_sklearn, write_sql
from polytome.files.monotone import bounds_beside_monotone, monotone_stream
from polytome.files.sources import open_source
from polytome.files.training import prepared_source
from polytome.models.logistic import LogisticRegression
from polytome.serve.descriptions import describe
from polytome.tables.data_frames import frame_of
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame
from polytome.tables.readers.columnar import orders_of_arrow
from polytome.tables.table import read_table

inf = np.inf
LEVELS = ["none", "school", "college", "doctor"]
ALONG = {"education": LEVELS, "age": "increasing"}


def people(n=600):
    rng = np.random.default_rng(5)
    level, age, hue = rng.integers(4, size=n), rng.normal(40, 10, size=n), rng.choice(["blue", "red"], size=n)
    scores = np.array([0.0, -0.4, 0.9, 0.3])[level] - 0.03 * (age - 40) + (hue == "red")
    ill = np.where(rng.random(n) < 1 / (1 + np.exp(-scores)), "yes", "no")
    return pd.DataFrame({"education": np.array(LEVELS)[level], "age": age, "hue": hue, "ill": ill})


df = people()


@pytest.fixture(scope="module")
def model():
    return train(df, "ill", monotone=ALONG, C=2.0, tol=1e-9)


def test_no_other_implementation_finds_less(model):
    # Steps as differences of what levels add to the score, by code of its own.
    level, red = df.education.map(LEVELS.index).to_numpy(), (df.hue == "red").to_numpy(float)
    sign = np.where(df.ill == "yes", 1.0, -1.0)

    def objective(v):
        steps, age, hues, b = v[:3], v[3], v[4:6], v[6]
        scores = np.concatenate([[0.0], np.cumsum(steps)])[level] + age * df.age.to_numpy() + hues[0] * (1 - red)
        scores = scores + hues[1] * red + b
        return np.logaddexp(0, -sign * scores).mean() + (v[:6] ** 2).sum() / (2 * 2.0 * len(df))

    found = minimize(
        objective,
        np.zeros(7),
        method="L-BFGS-B",
        bounds=[(0, None)] * 4 + [(None, None)] * 3,
        options={"ftol": 1e-16, "gtol": 1e-9, "maxiter": 5000, "maxfun": 100_000},
    )
    lower = model.certificate_.objective - model.certificate_.gap
    assert model.certificate_.holds
    assert lower <= found.fun
    assert_allclose(model.certificate_.objective, found.fun, rtol=1e-7)
    added = model.encoder_.columns[0].by_level(model.coef_[0, :3])
    by_level = dict(zip(model.encoder_.columns[0].levels, added, strict=True))
    assert [by_level[level] for level in LEVELS] == sorted(by_level.values())
    assert by_level["none"] == by_level["school"] == 0
    assert by_level["college"] == by_level["doctor"] > 0
    assert model.coef_[0, 3] == 0
    assert model.at_bound_.tolist() == [[True, False, True, True, False, False]]


def test_the_free_fit_would_not_be_monotone_and_all_ways_to_say_the_order_agree(model):
    free = train(df, "ill", C=2.0)
    added = dict(zip(free.encoder_.columns[0].levels, free.coef_[0, :4], strict=True))
    assert added["school"] < added["none"]
    assert added["doctor"] < added["college"]
    assert free.coef_[0, 4] < 0
    ordered = pd.Categorical(df.education, categories=[*LEVELS, "never seen"], ordered=True)
    typed = df.assign(education=ordered)
    settings = {"monotone": {"education": "increasing", "age": "increasing"}, "C": 2.0, "tol": 1e-9}
    for frame in (typed, pyarrow.Table.from_pandas(typed)):
        assert_array_equal(train(frame, "ill", **settings).coef_, model.coef_)
    fell = train(typed, "ill", monotone={"education": "decreasing", "age": "decreasing"})
    assert fell.encoder_.feature_names[:3] == ("education>=school", "education>=college", "education>=doctor")
    assert (fell.coef_[0, :4] <= 0).all()
    assert fell.coef_[0, 3] < 0
    assert "never rises along 'education'" in fell.training_.notes[0]


def test_numbers_that_count_as_a_category_are_in_their_own_order():
    counts = df.assign(size=np.where(df.hue == "red", "10", np.where(df.age > 40, "9", "2")))
    found = train(counts.drop(columns="hue"), "ill", categories="size", monotone={"size": "increasing"})
    assert next(column for column in found.encoder_.columns if column.name == "size").steps == ("2", "9", "10")


def test_missing_cells_have_a_level_of_their_own_beside_the_steps():
    gaps = df.assign(education=df.education.where(np.arange(len(df)) % 5 > 0, None))
    found = train(gaps, "ill", missing="mean", monotone={"education": LEVELS})
    assert found.encoder_.feature_names[:4] == (
        "education>=school",
        "education>=college",
        "education>=doctor",
        "education=(missing)",
    )
    rows = pd.DataFrame({"education": [None, "none", "doctor"], "age": 40.0, "hue": "red"})
    X = found.encoder_.encode(frame_of(rows))
    assert X[:, :4].tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]]
    assert [cells_of(found.encoder_, row)["education"] for row in X] == ["(missing)", "none", "doctor"]
    assert (found.coef_[0, :3] >= 0).all()


@pytest.mark.parametrize("direction", ["increasing", "decreasing"])
def test_the_level_of_missing_cells_has_no_sign(direction, tmp_path):
    rng = np.random.default_rng(1)
    level = rng.integers(3, size=300)
    is_missing = rng.random(300) < 0.3
    chance = np.where(is_missing, 0.05 if direction == "increasing" else 0.95, 0.4)
    gaps = pd.DataFrame(
        {
            "size": pd.Categorical(
                np.where(is_missing, None, np.array(["s", "m", "l"])[level]), ["s", "m", "l"], ordered=True
            ),
            "age": rng.normal(size=300),
            "ill": np.where(rng.random(300) < chance, "yes", "no"),
        }
    )
    found = train(gaps, "ill", missing="mean", monotone={"size": direction}, tol=1e-9)
    missing, sign = found.encoder_.feature_names.index("size=(missing)"), 1 if direction == "increasing" else -1
    assert sign * found.coef_[0, missing] < -1
    assert (sign * found.coef_[0, :2] >= 0).all()
    X = found.encoder_.encode(frame_of(gaps))
    bounds = [(0, None) if sign > 0 else (None, 0)] * 2 + [(None, None)] * 2
    twin = LogisticRegression(bounds=bounds, tol=1e-9).fit(X, gaps.ill)
    assert_allclose(found.coef_, twin.coef_, atol=1e-4)
    assert verify(found, gaps.drop(columns="ill"), gaps.ill).verdict == "confirmed"
    found.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert_array_equal(again.coef_, found.coef_)
    assert again.objective_.bounds == "bounds of 2 of 4 columns"
    path = tmp_path / "gaps.csv"
    gaps.to_csv(path, index=False)
    order = ["s", "m", "l"][::sign]  # lists rise, so those that do are turned round where the score falls
    pieces = train(str(path), "ill", missing="mean", monotone={"size": order}, memory="2GB", tol=1e-9)
    assert sign * pieces.coef_[0, pieces.encoder_.feature_names.index("size=(missing)")] < -0.5


def test_it_is_saved_explained_exported_and_confirmed(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert_array_equal(again.predict_proba(df), model.predict_proba(df))
    assert again.encoder_ == model.encoder_
    assert again.bounds == {"education": (0.0, inf), "age": (0.0, inf)}
    assert verify(again, df.drop(columns="ill"), df.ill).verdict == "confirmed"
    assert levels_against(model) == ["none", "school", "college", None, None, None]
    assert "the score of 'yes' never falls along 'education'" in " ".join(model.training_.notes)
    for write, name in ((write_onnx, "m.onnx"), (write_sql, "m.sql"), (write_sklearn, "m.py")):
        assert write(model, tmp_path / name).n_labels_differ == 0
    usual = {feature["name"]: feature["usual"] for feature in describe("m", model)["features"]}
    assert usual["education"] == df.education.mode()[0]
    assert usual["hue"] == df.hue.mode()[0]
    near = df[df.education == "college"]
    near = near.iloc[[int(np.argmin(np.abs(model.decision_function(near))))]]
    flips = smallest_flips(model, model.encoder_.encode(frame_of(near)), None)
    flipped = {flip.flipped for flip in flips if flip.feature == "education"}
    assert flipped == {"none", "school"}
    assert model.predict(near)[0] == "yes"
    assert (model.predict(pd.concat([near] * 3).assign(education=LEVELS[:2] + LEVELS[3:])) == ["no", "no", "yes"]).all()


def test_rows_held_out_and_rows_in_files_have_the_same_steps(tmp_path):
    path = tmp_path / "people.csv"
    df.to_csv(path, index=False)
    inside = train(str(path), "ill", monotone=ALONG, C=2.0, test_fraction=0.25)
    pieces = train(str(path), "ill", monotone=ALONG, C=2.0, test_fraction=0.25, memory="2GB")
    assert inside.encoder_ == pieces.encoder_
    assert inside.bounds == pieces.bounds
    assert_allclose(pieces.coef_, inside.coef_, atol=1e-3)
    stream = open_rows(str(path), target="ill")
    table = monotone_stream(stream, ALONG)
    assert table.X.n_features == 6
    assert bounds_beside_monotone(table, ALONG, None) == inside.bounds


def test_a_level_that_is_held_out_is_a_step_less():
    rare = pd.concat([df, df[:1].assign(education="rare", ill="yes")], ignore_index=True)
    along = {"education": ["none", "rare", *LEVELS[1:]]}
    for seed in range(8):
        found = train(rare, "ill", monotone=along, test_fraction=0.5, random_state=seed)
        steps = found.encoder_.columns[0].steps
        assert steps in (tuple(LEVELS), tuple(along["education"]))
        if steps == tuple(LEVELS):
            return
    pytest.fail("the rare level was never held out")


def test_the_command_line(tmp_path):
    path, out = tmp_path / "people.csv", tmp_path / "m.safetensors"
    df.to_csv(path, index=False)
    arguments = ["train", str(path), "--target", "ill", "--C", "2", "--tol", "1e-9", "--out", str(out)]
    run = CliRunner().invoke(app, [*arguments, "--monotone", "education=none<school<college<doctor,age=increasing"])
    assert run.exit_code == 0, run.output
    assert "never falls along 'education': none < school < college < doctor" in " ".join(run.output.split())
    assert_array_equal(load(out).coef_, train(df, "ill", monotone=ALONG, C=2.0, tol=1e-9).coef_)
    run = CliRunner().invoke(app, [*arguments, "--monotone", "education=up"])
    assert run.exit_code == 2
    assert "'education=up' is not COLUMN=increasing" in " ".join(run.output.split()).replace("│ ", "")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"monotone": ["age"]}, "needs a direction for each column"),
        ({"monotone": {3: "increasing"}}, "has the key 3"),
        ({"monotone": {"age": "up"}}, r"monotone\['age'\] is 'up': needs 'increasing', 'decreasing'"),
        ({"monotone": {"education": ["none"]}}, "at least two"),
        ({"monotone": {"education": ["none", "school", "none"]}}, "has the level 'none' twice"),
        ({"monotone": {"ag": "increasing"}}, "did you mean 'age'"),
        ({"monotone": {"age": LEVELS}}, "the column holds numbers"),
        ({"monotone": {"hue": "increasing"}}, "the levels of the column have no order"),
        ({"monotone": {"education": LEVELS[:3]}}, "and not 'doctor', which rows have"),
        ({"monotone": {"education": [*LEVELS, "shcool"]}}, "did you mean 'school'"),
        ({"monotone": ALONG, "C": inf}, "use a weak one, such as C=1e6"),
        ({"monotone": ALONG, "bounds": (0, 1)}, "by the names of columns"),
        ({"monotone": ALONG, "bounds": {"age": (0, 1)}}, "both name 'age'"),
        ({"monotone": ALONG, "groups": "columns", "l1_ratio": 1.0}, "monotone and groups"),
        ({"monotone": ALONG, "unknown": "zero"}, "would count as the lowest one"),
        ({"monotone": ALONG, "min_level_count": 151}, "which has no place in an order"),
    ],
)
def test_what_cannot_be_monotone_is_named(settings, told):
    with pytest.raises(ArgumentError, match=told):
        train(df, "ill", **settings)


def test_three_classes_and_a_single_level_are_refused():
    three = df.assign(ill=np.where(df.age > 50, "perhaps", df.ill))
    with pytest.raises(ArgumentError, match=r"has 3 classes.* with positive"):
        train(three, "ill", monotone={"age": "increasing"})
    assert train(three, "ill", positive="yes", monotone={"age": "increasing"}).coef_.shape[0] == 1
    with pytest.raises(DataError, match="has one level, 'none'"):
        train(df.assign(education="none"), "ill", monotone={"education": LEVELS})
    with pytest.raises(ArgumentError, match="iris is not a table"):
        prepared_source(open_source("iris"), "setosa", None, 0, monotone={"petal": "increasing"})


def test_a_level_never_seen_is_refused_and_a_table_may_order_its_pieces_differently(model):
    with pytest.raises(DataError, match="the level 'master' was not in the training data"):
        model.predict(df[:2].assign(education="master"))
    with pytest.raises(ArgumentError, match=r"would count as that one; .*or leave such rows out"):
        read_table(df, encoder=model.encoder_, unknown="zero")
    pieces = [pyarrow.DictionaryArray.from_arrays([0], [word], ordered=True) for word in ("a", "b")]
    assert orders_of_arrow(pyarrow.table({"size": pyarrow.chunked_array(pieces)})) == {}
    assert Frame.of({"size": ["a"]}).orders == {}


@pytest.mark.parametrize("steps", [["none"], LEVELS[:3], [*LEVELS, "none"], [LEVELS[1], LEVELS[0], *LEVELS[2:]]])
def test_a_file_whose_steps_contradict_its_levels_is_refused(model, steps):
    plain = model.encoder_.to_json()
    assert Encoder.from_json(plain) == model.encoder_
    plain["columns"][0]["steps"] = steps
    with pytest.raises(FileError, match="not an order of its levels that begins at the reference"):
        Encoder.from_json(plain)


def test_steps_beside_texts_and_many_levels_are_sparse():
    rng = np.random.default_rng(0)
    words = rng.choice(["good day", "bad night", "long walk"], size=len(df))
    found = train(df.assign(said=words), "ill", text="said", monotone={"education": LEVELS})
    assert (found.coef_[0, :3] >= 0).all()
    assert found.encoder_.feature_names[0] == "education>=school"
    many = df.assign(place=[f"p{k:02d}" for k in rng.integers(40, size=len(df))])
    found = train(many, "ill", monotone={"education": LEVELS}, tol=1e-8)
    assert found.encoder_.is_sparse
    assert found.stop_.succeeded
    X = found.encoder_.encode(frame_of(many)).toarray()
    assert_array_equal(X[:, 0], df.education != "none")
    dense = LogisticRegression(bounds=found.bounds and [(0, None)] * 3 + [(None, None)] * (X.shape[1] - 3), tol=1e-8)
    assert_allclose(dense.fit(X, df.ill).coef_, found.coef_, atol=1e-4)
