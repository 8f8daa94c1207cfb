"""Formulas: what columns they make of which frames, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

from inference_data import people
from polytome.errors import DataError, PolytomeError
from polytome.inference import diagnose_formula, fit_formula


def columns_by_hand(frame: pd.DataFrame) -> np.ndarray:
    south, west = (frame["town"] == level for level in ("south", "west"))
    return np.column_stack([south, west, frame["age"], south * frame["age"], west * frame["age"]]).astype(float)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "mapping"])
def test_every_kind_of_frame_gives_the_same_table_and_its_own_kind_of_frame(kind: str) -> None:
    frame = people()
    frame.loc[3, "wage"] = np.nan
    frame.loc[5, "town"] = None
    frame.loc[7, "age"] = None
    given: Any = {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "pyarrow": pa.Table.from_pandas(frame),
        "mapping": {name: frame[name].tolist() for name in frame.columns},
    }[kind]
    result = fit_formula("vote ~ town * log(wage) + age + member", given, reference="no")
    assert result.estimate.terms == (
        *("Intercept", "town[south]", "town[west]", "log(wage)", "age", "member"),
        *("town[south]:log(wage)", "town[west]:log(wage)"),
    )
    assert result.estimate.equations == ("blank", "yes")
    assert result.sample.numbers.tolist() == [row for row in range(120) if row not in (3, 5, 7)]
    assert result.about.n_dropped == 3
    assert "117 rows, 3 more left out as something is missing" in str(result)
    whole = fit_formula("vote ~ town * log(wage) + age + member", frame.dropna().reset_index(drop=True), reference="no")
    assert_allclose(result.coefficients, whole.coefficients, rtol=1e-9)
    home = type(result.table).__module__.split(".")[0]
    assert home == ("pandas" if kind == "mapping" else kind)
    with pytest.raises(DataError, match=r"'wage' is missing in row 3 \(rows with gaps: 3\)|'town'|'age'"):
        fit_formula("vote ~ town * log(wage) + age + member", given, missing="error")


def test_columns_are_those_that_one_would_make_by_hand() -> None:
    frame = people()
    result = fit_formula("vote ~ town * age", frame)
    assert_allclose(result.sample.X, columns_by_hand(frame)[:, [0, 1, 2, 3, 4]])
    assert result.about.terms["town:age"] == (4, 5)
    without = fit_formula("vote ~ 0 + town + age", frame)
    assert without.estimate.terms == ("town[north]", "town[south]", "town[west]", "age")
    # The same space of columns: the same fit.
    other = fit_formula("vote ~ town + age", frame)
    assert_allclose(without.statistics.log_likelihood, other.statistics.log_likelihood, rtol=1e-12)
    for coded in (
        "C(town, Sum)",
        "C(town, Helmert)",
        "C(town, Poly)",
        "C(town, Treatment('west'))",
        "C(town, contr.diff)",
    ):
        again = fit_formula(f"vote ~ {coded} + age", frame)
        assert_allclose(again.statistics.log_likelihood, other.statistics.log_likelihood, rtol=1e-12)
        assert again.test(coded).df == 4
    reference = fit_formula("vote ~ C(town, Treatment('west')) + age", frame)
    assert reference.estimate.terms == ("Intercept", "town[north]", "town[south]", "age")
    assert_allclose(reference.coefficients[:, 1], -other.coefficients[:, 2], rtol=1e-7)
    curved = fit_formula("vote ~ poly(age, 2) + bs(wage, df=4)", frame)
    squares = fit_formula("vote ~ age + I(age ** 2) + bs(wage, df=4)", frame)
    assert_allclose(curved.statistics.log_likelihood, squares.statistics.log_likelihood, rtol=1e-9)


def test_levels_of_a_categorical_column_keep_their_order() -> None:
    frame = people()
    frame["town"] = pd.Categorical(frame["town"], ["west", "south", "north", "nowhere"])
    frame["vote"] = pd.Categorical(frame["vote"], ["yes", "no", "blank"])
    enums = {name: pl.Enum(list(frame[name].cat.categories)) for name in ("town", "vote")}
    for given in (frame, pl.from_pandas(frame.astype({"town": str, "vote": str})).cast(enums)):
        result = fit_formula("vote ~ town", given)
        assert result.estimate.terms == ("Intercept", "town[south]", "town[north]")
        assert result.about.reference == "yes"
        assert result.estimate.equations == ("no", "blank")


def test_a_point_is_all_other_columns_but_those_of_weights_and_clusters() -> None:
    frame = people()
    result = fit_formula(
        "vote ~ .", frame, weights="count", weights_are="frequencies", clusters="group", covariance="cluster"
    )
    assert result.estimate.terms == ("Intercept", "age", "wage", "town[south]", "town[west]", "member[True]") or (
        result.estimate.terms == ("Intercept", "age", "wage", "town[south]", "town[west]", "member")
    )
    assert "clustered by group (9 clusters)" in str(result)
    assert result.statistics.n_observations == frame["count"].sum()


def test_names_with_blanks_stand_in_backticks() -> None:
    frame = people().rename(columns={"age": "age in years", "vote": "the vote"})
    result = fit_formula("`the vote` ~ `age in years` + C(town, Treatment('west'))", frame)
    assert result.estimate.terms[1] == "age in years"
    assert_allclose(result.test("age in years = 0").statistic, result.test("`age in years`").statistic)
    assert result.about.response == "the vote"


def test_a_model_of_the_intercept_alone_has_a_closed_form() -> None:
    frame = people()
    result = fit_formula("vote ~ 1", frame, reference="no")
    counts = frame["vote"].value_counts()
    assert_allclose(result.coefficients[:, 0], np.log([counts[k] / counts["no"] for k in ("blank", "yes")]), rtol=1e-12)
    assert_allclose(result.standard_errors[:, 0], np.sqrt([1 / counts[k] + 1 / counts["no"] for k in ("blank", "yes")]))


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("vote ~ agee", {}, "there is no column 'agee'; did you mean 'age'"),
    ("vot ~ age", {}, "there is no column 'vot'; did you mean 'vote'"),
    ("age", {}, "needs the form 'response ~ terms'"),
    ("vote ~ ", {}, "it has no terms"),
    ("log(vote) ~ age", {}, "its left side must be the name of a column"),
    ("vote ~ age**", {}, "formula 'vote ~ age[*][*]'"),
    ("vote ~ age | town", {}, "'[|]' has no meaning"),
    ("vote ~ open('x')", {}, "there is no function 'open'"),
    ("vote ~ log(age).shape", {}, "Missing operator"),
    ("vote ~ np.load(age)", {}, "np.load is not one of its functions"),
    ("vote ~ I([x for x in age])", {}, "cannot stand in it"),
    ("vote ~ I((lambda: age)())", {}, "cannot stand in it"),
    ("vote ~ I(age.__class__)", {}, "is not one of its functions"),
    ("vote ~ log(town)", {}, "Unable to evaluate factor"),
    ("vote ~ log(age - 30)", {}, "every value must be a finite number"),
    ("wage ~ age", {}, "holds numbers that are measured"),
    ("vote ~ age", {"reference": "maybe"}, "reference='maybe': not one of the classes of vote"),
    (
        "vote ~ age",
        {"weights": "counts", "weights_are": "sampling"},
        "weights: there is no column 'counts'; did you mean",
    ),
    ("vote ~ age", {"clusters": "groups"}, "clusters: there is no column 'groups'; did you mean 'group'"),
    ("vote ~ age", {"clusters": ["group", "town", "count"]}, "clusters has 3 columns"),
    ("vote ~ age", {"missing": "mean"}, "missing='mean': needs 'drop' or 'error'"),
    ("vote ~ age", {"weights": [1, 2], "weights_are": "frequencies"}, "2 entries for 120 rows"),
    ("vote ~ age", {"clusters": np.zeros(7)}, "give one value for each of 120 rows"),
]


@pytest.mark.parametrize(("formula", "how", "said"), WRONG)
def test_what_cannot_be_used_is_refused_in_one_sentence(formula: str, how: dict[str, Any], said: str) -> None:
    with pytest.raises(PolytomeError, match=said):
        fit_formula(formula, people(), **how)


def test_data_that_cannot_be_used_are_refused() -> None:
    frame = people()
    with pytest.raises(DataError, match="vote has only one class, 'no'"):
        fit_formula("vote ~ age", frame[frame["vote"] == "no"])
    with pytest.raises(DataError, match="holds dates"):
        fit_formula("vote ~ day", frame.assign(day=pd.Timestamp("2026-01-01")))
    with pytest.raises(DataError, match="no row is left"):
        fit_formula("vote ~ age", frame.assign(age=np.nan))
    with pytest.raises(DataError, match="give a frame of pandas, polars or Arrow"):
        fit_formula("vote ~ age", [[1, 2]])
    with pytest.raises(DataError, match="columns differ in length"):
        fit_formula("y ~ x", {"y": ["a", "b"], "x": [1]})
    with pytest.raises(DataError, match="'age' is too large: squares of its values overflow"):
        fit_formula("vote ~ age", frame.assign(age=frame["age"] * 1e200))
    assert fit_formula("vote ~ age", pl.from_pandas(frame).lazy()).statistics.n_observations == 120
    with pytest.raises(DataError, match="holds list"):
        fit_formula("vote ~ parts", frame.assign(parts=[[1]] * len(frame)))
    with pytest.raises(DataError, match="several columns 'age'"):
        fit_formula("vote ~ age", pd.concat([frame, frame[["age"]]], axis=1))


def test_separation_is_told_before_any_fit() -> None:
    data = {"ill": ["no", "yes", "yes", "no"], "exposed": ["a", "a", "b", "a"], "twice": [0, 2, 2, 4]}
    found = diagnose_formula("ill ~ exposed + twice", data)
    assert found.classes == ("no", "yes")
    assert [(found.feature_names[each.column], each.sign) for each in found.separation.infinite] == [("exposed[b]", 1)]
    assert "'exposed[b]'  to +infinity" in str(found)
