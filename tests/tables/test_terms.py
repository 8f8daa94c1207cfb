"""Columns that are made of other columns: what they are, and what is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import pytest
from scipy.interpolate import CubicSpline

import term_models
from polytome.errors import ArgumentError, DataError, FileError
from polytome.tables.encoder import Column, Encoder
from polytome.tables.frames import Frame
from polytome.tables.schemas import learn_encoder, learn_from_fewer
from polytome.tables.terms import Term, Terms, knots_of, terms_of


def table_of(frame: pandas.DataFrame) -> Frame:
    return Frame.of({name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame})


def learned(terms: Terms, **rules: Any) -> tuple[Encoder, Frame]:
    encoder, frame, _ = learn_encoder(table_of(term_models.people()), "ill", drop=["way"], terms=terms, **rules)
    return encoder, frame


def columns_of(encoder: Encoder, frame: Frame) -> dict[str, np.ndarray]:
    X = encoder.encode(frame)
    return dict(zip(encoder.feature_names, np.asarray(X.toarray() if hasattr(X, "toarray") else X).T, strict=True))


@pytest.mark.parametrize("count", [3, 4, 5, 7, 12])
def test_a_spline_spans_the_natural_cubic_splines_with_its_knots(count: int) -> None:
    values = np.random.default_rng(1).gamma(3, 20, 500)
    knots = knots_of(values, count)
    assert knots is not None
    assert len({*knots}) == count
    x = np.linspace(-50, 3 * values.max(), 900)
    made = [Term("spline", ("age",), place, knots=knots).values({"age": x}, {}) for place in range(1, count - 1)]
    basis = np.column_stack([np.ones_like(x), x, *made])
    inside = (x >= knots[0]) & (x <= knots[-1])
    for cardinal in np.eye(count):  # scipy's natural spline is straight beyond its knots only where it is told so
        wanted = CubicSpline(knots, cardinal, bc_type="natural")
        at_ends = wanted(knots[0]) + wanted(knots[0], 1) * (x - knots[0])
        beyond = wanted(knots[-1]) + wanted(knots[-1], 1) * (x - knots[-1])
        target = np.where(inside, wanted(x), np.where(x < knots[0], at_ends, beyond))
        weights, *_ = np.linalg.lstsq(basis / np.abs(basis).max(axis=0), target, rcond=None)
        residual = basis / np.abs(basis).max(axis=0) @ weights - target
        assert np.abs(residual).max() < 1e-7 * np.abs(target).max()


def test_a_spline_keeps_its_digits_far_beyond_its_knots() -> None:
    term = Term("spline", ("x",), 1, knots=(0.0, 1.0, 3.0))
    far = np.array([1e6, 1e12])
    np.testing.assert_allclose(np.diff(term.values({"x": far}, {})) / np.diff(far), term.bend.slope, rtol=1e-14)


def test_columns_are_what_their_names_say() -> None:
    encoder, frame = learned(terms_of(term_models.CROSSES, {"age": 4}, {"hours": 3}), missing="mean", unknown="zero")
    found = columns_of(encoder, frame)
    ages, hours = found["age"], found["hours"]
    assert not np.isnan(ages).any()  # a term is made of filled cells
    np.testing.assert_array_equal(found["age*sex=M"], ages * found["sex=M"])
    np.testing.assert_array_equal(found["age*sex=F"], ages * found["sex=F"])
    np.testing.assert_array_equal(found["hours*age"], ages * hours)
    np.testing.assert_array_equal(found["hours^3"], hours**3)
    np.testing.assert_array_equal(found["school*sex=none*M"], found["school=none"] * found["sex=M"])
    np.testing.assert_array_equal(found["school*sex=(missing)*F"], found["school=(missing)"] * found["sex=F"])
    assert [name for name in found if "spline" in name] == ["age spline 1", "age spline 2"]
    # Unknown levels have no pair, and a pair that did not occur has no feature.
    new = Frame.of({"age": [1.0], "hours": [2], "school": ["other"], "sex": ["M"]})
    other = columns_of(encoder, new)
    assert sum(value[0] for name, value in other.items() if name.startswith("school*sex")) == 0
    assert other["age*sex=M"][0] == 1


def test_without_a_penalty_pairs_leave_the_reference_levels_out() -> None:
    encoder, frame = learned(Terms((("school", "sex"), ("age", "sex"))), missing="drop", references={"sex": "M"})
    found = columns_of(encoder, frame)
    names = [name for name in found if "*" in name]
    assert names == ["school*sex=none*F", "school*sex=school*F", "age*sex=F"]
    matrix = np.column_stack([np.ones(frame.n_rows), *found.values()])
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1]


def test_terms_stand_beside_text_and_in_sparse_rows() -> None:
    frame = Frame.of(
        {
            "said": ["good day", "bad day", "good night", "bad night"],
            "age": [25, 31, 47, 52],
            "hue": ["red", "blue", "red", "blue"],
            "y": ["a", "b", "a", "b"],
        }
    )
    encoder, _, _ = learn_encoder(frame, "y", text=["said"], terms=terms_of(["age*hue"], powers={"age": 2}))
    found = columns_of(encoder, frame)
    assert found["age*hue=red"].tolist() == [25, 0, 47, 0]
    assert found["age^2"].tolist() == [625, 961, 2209, 2704]
    assert encoder.encode(frame).format == "csr"


def test_fewer_rows_teach_other_knots_and_pairs() -> None:
    encoder, frame = learned(terms_of(["school*sex", "age*sex"], {"age": 4}), missing="mean")
    young = frame.take(frame["age"].numbers() < 45)
    again = learn_from_fewer(encoder, young)
    old, new = ([column.term for column in each.columns if column.term] for each in (encoder, again))
    assert [term.name for term in new] == [term.name for term in old]
    assert new[-1].knots[-1] < old[-1].knots[-1]
    few = young.take(np.asarray([cell == "M" for cell in (young["sex"].text(row) for row in range(young.n_rows))]))
    assert not [name for name in learn_from_fewer(encoder, few).feature_names if name.endswith("F")]


def test_an_encoder_with_terms_is_saved_as_values() -> None:
    encoder, _ = learned(terms_of(term_models.CROSSES, {"age": 4}, {"hours": 3}), missing="mean")
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
    assert "term" not in json.dumps(replace(encoder, columns=encoder.read_columns).to_json())


def of(number: int, **changes: Any) -> Any:
    """The JSON of an encoder of which one column is changed."""
    encoder, _ = learned(terms_of(term_models.CROSSES, {"age": 4}, {"hours": 3}), missing="mean")
    data = deepcopy(encoder.to_json())
    column = data["columns"][number]
    column["term"] |= {name: value for name, value in changes.items() if name in column["term"]}
    column |= {name: value for name, value in changes.items() if name not in column["term"]}
    return data


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (4, {"of": ["age", "nobody"]}),
        (4, {"of": ["sex", "age"]}),
        (4, {"of": ["age", "age"]}),
        (4, {"level": None}),
        (4, {"level": "X"}),
        (4, {"name": "other"}),
        (4, {"fill": 3.0}),
        (4, {"place": 1}),
        (6, {"kind": "product"}),
        (6, {"of": ["school"]}),
        (7, {"knots": [1.0]}),
        (8, {"knots": [3.0, 2.0, 1.0, 0.0]}),
        (8, {"knots": [0.0, 1.0]}),
        (8, {"knots": [0.0, 1e-300, 2e-300, 3e-300]}),
        (8, {"knots": [-1e308, 0.0, 1e300, 1e308]}),
        (8, {"place": 3}),
        (10, {"place": 99}),
        (11, {"of": ["sex"]}),
        (11, {"kind": "magic"}),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(number: int, changes: dict[str, Any]) -> None:
    assert Encoder.from_json(of(number)).columns[number].term is not None
    with pytest.raises(FileError):
        Encoder.from_json(of(number, **changes))


def test_columns_of_the_table_come_first() -> None:
    data = of(4)
    data["columns"].append({"name": "late", "kind": "number", "levels": [], "fill": None})
    with pytest.raises(FileError, match="after one that is made of others"):
        Encoder.from_json(data)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"crosses": ["age"]}, "needs two columns"),
        ({"crosses": ["age*sex*hours"]}, "needs two columns"),
        ({"crosses": "age*sex"}, "needs a list of pairs"),
        ({"crosses": 5}, "needs a list of pairs"),
        ({"crosses": {"age": "sex"}}, "needs a list of pairs"),
        ({"crosses": [5]}, "needs two columns"),
        ({"crosses": [None]}, "needs two columns"),
        ({"crosses": [("age", 5)]}, "needs two columns"),
        ({"crosses": ["age*sxe"]}, "did you mean 'sex'"),
        ({"crosses": ["age*age"]}, "--power age=2"),
        ({"crosses": ["age*ill"]}, "has no column 'ill' to learn from"),
        ({"crosses": ["age*sex", ("age", "sex")]}, "asked for twice"),
        ({"splines": {"sex": 4}}, "is a category"),
        ({"splines": {"age": 2}}, "a whole number from 3 to 20"),
        ({"splines": {"age": 4.5}}, "a whole number from 3 to 20"),
        ({"splines": {"age": "4"}}, "spline age='4': needs knots, a whole number from 3 to 20"),
        ({"splines": ["age"]}, "needs a number for each column"),
        ({"powers": {"age": 10}}, "a whole number from 2 to 9"),
        ({"powers": {"way": 2}}, "has no column 'way'"),
    ],
)
def test_wrong_terms_are_refused_with_a_remedy(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words.replace("*", r"\*")):
        learned(terms_of(**asked), missing="mean")


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    asked = terms_of(splines={"age": np.int64(4)}, powers={"age": np.uint8(3)})
    assert asked == terms_of(splines={"age": 4}, powers={"age": 3})
    assert type(asked.splines[0][1]) is int


def test_columns_that_do_not_suit_their_term_are_refused() -> None:
    few = {"x": [0, 1, 1, 0], "y": ["a", "b", "a", "b"]}
    with pytest.raises(DataError, match="fewer than 3 different numbers"):
        learn_encoder(Frame.of(few), "y", terms=terms_of(splines={"x": 3}))
    with pytest.raises(DataError, match=r"has a column 'x\^2'"):
        learn_encoder(Frame.of({**few, "x^2": [1, 2, 3, 5]}), "y", terms=terms_of(powers={"x": 2}))
    many = {"a": [f"a{k}" for k in range(40)] * 2, "b": [f"b{k % 39}" for k in range(80)], "y": ["p", "q"] * 40}
    with pytest.raises(DataError, match="80 pairs of levels occur in 80 rows"):
        learn_encoder(Frame.of(many), "y", terms=terms_of(["a*b"]))
    said = Frame.of({"said": ["good day", "bad day"], "x": [1, 2], "y": ["p", "q"]})
    with pytest.raises(ArgumentError, match="column 'said' is text"):
        learn_encoder(said, "y", text=["said"], terms=terms_of(["said*x"]))


def test_numbers_that_are_too_large_for_a_term_are_refused_in_their_place() -> None:
    encoder = Encoder(
        (Column("x", "number"), Column("x^2", "number", term=Term("power", ("x",), 2))), None, "error", "error"
    )
    with pytest.raises(DataError, match=r"row 2, column 'x': .* is too large for 'x\^2'"):
        encoder.encode(Frame.of({"x": [1.0, 1e200]}))


def test_rare_pairs_are_left_out_with_rare_levels() -> None:
    frame = Frame.of({"a": list("ppppqqqq"), "b": list("ssstssss"), "y": list("uvuvuvuv")})
    encoder, _, _ = learn_encoder(frame, "y", terms=terms_of(["a*b"]), min_level_count=1)
    assert [name for name in encoder.feature_names if "*" in name] == ["a*b=p*s", "a*b=p*t", "a*b=q*s"]
    encoder, _, _ = learn_encoder(frame, "y", terms=terms_of(["a*b"]), min_level_count=3)
    assert [name for name in encoder.feature_names if "*" in name] == ["a*b=p*s", "a*b=q*s"]
