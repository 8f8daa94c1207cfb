"""Columns of dates: parts of them beside Python's own calendar, from every kind of table and back
from a file; and never levels unasked."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas
import polars
import pytest
from numpy.testing import assert_array_equal

import polytome
from polytome import PolytomeError, train
from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.metrics import evaluate
from polytome.export import to_sklearn
from polytome.tables.date_columns import PARTS, DateParts, with_parts
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame
from polytome.tables.readers.plain_rows import encode_plain_rows

N_ROWS = 100
WHOLE = {"signup": PARTS}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@pytest.fixture(scope="module")
def people() -> pandas.DataFrame:
    random = np.random.default_rng(0)
    hours = pandas.to_timedelta(random.integers(0, 700 * 24, N_ROWS), "h")
    when = pandas.Series(pandas.Timestamp("2026-01-01") + hours)
    frame = pandas.DataFrame({"age": random.integers(18, 80, N_ROWS), "signup": when})
    frame["y"] = np.where(
        (np.array([time.weekday() for time in when]) > 4) ^ (random.random(N_ROWS) < 0.1), "yes", "no"
    )
    frame.loc[3, "signup"] = pandas.NaT
    return frame


@pytest.fixture(scope="module")
def model(people: pandas.DataFrame) -> Any:
    return train(people, "y", dates=WHOLE, missing="mean", unknown="zero", test_fraction=0.2)


def test_parts_are_those_of_pythons_calendar():
    times = [datetime(1968, 2, 28, 23, 59, 59) + timedelta(hours=1013 * step) for step in range(700)]
    frame = Frame.of({"t": [time.isoformat() for time in times]})
    parts = with_parts(frame, [DateParts("t", PARTS, "2030-01-01T00:00:00")], ())
    for name, expected in {
        "year": [time.year for time in times],
        "day": [time.day for time in times],
        "age": [(datetime(2030, 1, 1) - time) / timedelta(days=1) for time in times],
    }.items():
        assert_array_equal(parts[f"t.{name}"].numbers(), expected)
    for name, texts in {
        "quarter": [f"Q{(time.month + 2) // 3}" for time in times],
        "month": [time.strftime("%m") for time in times],
        "weekday": [
            f"{time.isoweekday()} {['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][time.weekday()]}" for time in times
        ],
        "hour": [time.strftime("%H") for time in times],
    }.items():
        assert [parts[f"t.{name}"].text(row) for row in range(len(times))] == texts


@pytest.mark.parametrize(
    "word",
    ["2026-03-01", "2026-03-01T00:00", "2026-03-01 00:00:00.5", "2026-03-01T00:00:00Z", "2026-03-01 00:00+05:30"],
)
def test_a_time_is_what_the_clock_showed_there(word):
    parts = with_parts(Frame.of({"t": [word]}), [DateParts("t", ("day", "hour"))], ())
    assert (parts["t.day"].numbers()[0], parts["t.hour"].text(0)) == (1, "00")


def test_every_kind_of_table_has_the_same_parts(people, model, tmp_path):
    people.to_csv(tmp_path / "people.csv", index=False)
    people.to_parquet(tmp_path / "people.parquet")
    zone = people["signup"].dt.tz_localize("Asia/Kolkata")
    texts = people["signup"].astype(str).replace("NaT", None)
    for source in (
        tmp_path / "people.csv",
        tmp_path / "people.parquet",
        polars.from_pandas(people),
        people.assign(signup=zone),
        people.assign(signup=texts),
    ):
        other = train(source, "y", dates={"signup": list(PARTS)}, missing="mean", unknown="zero", test_fraction=0.2)
        assert_array_equal(other.coef_, model.coef_)
        assert other.encoder_.columns == model.encoder_.columns
        assert other.encoder_.dates == model.encoder_.dates


def test_rows_that_are_read_piece_by_piece_have_the_same_parts(people, tmp_path):
    people[:40].to_csv(tmp_path / "1.csv", index=False)
    people[40:].to_csv(tmp_path / "2.csv", index=False)
    options: dict[str, Any] = {"dates": WHOLE, "missing": "mean", "unknown": "zero", "test_fraction": 0.2, "tol": 1e-8}
    streamed = train([tmp_path / "1.csv", tmp_path / "2.csv"], "y", **options)
    whole = train(people, "y", **options)
    assert streamed.encoder_.feature_names == whole.encoder_.feature_names
    assert streamed.encoder_.dates == whole.encoder_.dates
    np.testing.assert_allclose(streamed.coef_, whole.coef_, atol=1e-9)
    assert evaluate(streamed).accuracy == evaluate(whole).accuracy > 0.8


def test_a_saved_model_reads_dates_or_their_parts(people, model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    loaded = polytome.load(tmp_path / "model.safetensors")
    assert loaded.encoder_ == model.encoder_
    assert loaded.encoder_.source_names == ("age", "signup")
    assert_array_equal(loaded.predict_proba(people), model.predict_proba(people))
    row = {"age": 30, "signup": "2026-03-01 04:00"}
    names = [column.name for column in loaded.encoder_.columns]
    parts = dict(zip(names, [30, 2026, "Q1", "03", 1, "7 Sun", "04"], strict=False))
    latest = datetime.fromisoformat(loaded.encoder_.dates[0].reference)
    parts["signup.age"] = (latest - datetime(2026, 3, 1, 4)) / timedelta(days=1)
    expected = loaded.decision_function(pandas.DataFrame([row]))
    assert_array_equal(loaded.decision_function(pandas.DataFrame([parts])), expected)
    for plain in (row, parts, list(row.values()), list(parts.values())):
        assert_array_equal(loaded.decision_function(encode_plain_rows(loaded.encoder_, [plain])), expected)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {}, r"column 'signup': holds dates; make parts of them with --date signup=year,month,weekday,age"),
        ({"signup": "2026-11-30"}, {}, r"column 'signup': holds dates, such as '2026-11-30'; make parts"),
        (
            {"signup": "30.11.2026"},
            {},
            r"what look like dates, such as '30.11.2026'; make parts of them, with 31",
        ),
        ({"signup": "11/30/26"}, {}, r"what look like dates, such as '11/30/26'"),
        ({}, {"dates": {"signup": "yeer"}}, r"has no part 'yeer'; .* did you mean 'year'\?"),
        ({}, {"dates": {"signup": "year,year"}}, "name a part twice"),
        ({}, {"dates": {"signup": ""}}, "has no part ''"),
        ({}, {"dates": {"sinup": "year"}}, "date='sinup': .*; did you mean 'signup'"),
        ({}, {"dates": {"signup": "year"}, "drop": "signup"}, "also named by another option"),
        ({}, {"dates": {"y": "year"}}, "also named by another option"),
        ({}, {"dates": {"signup": "year"}}, r"row 4, column 'signup.year': the cell is missing"),
        ({"signup": "soon"}, {"dates": {"signup": "age"}}, r"row 1, column 'signup': 'soon' is not a date such as"),
        ({"signup": "2026-02-30"}, {"dates": {"signup": "age"}}, r"'2026-02-30' is not a date such as"),
        ({"signup": None}, {"dates": {"signup": "age"}}, "every cell is missing"),
        ({"signup.year": 1}, {"dates": {"signup": "year"}}, "has a column 'signup.year', as a part of 'signup'"),
    ],
)
def test_dates_that_cannot_be_used_are_named(people, change, options, message):
    with pytest.raises(PolytomeError, match=message):
        train(people.assign(**change), "y", **options)


def test_dates_count_as_levels_only_where_they_are_said_to(people, tmp_path):
    table = people.assign(signup=np.where(np.arange(N_ROWS) % 2, "2026-11-30", "2026-12-01"))
    assert train(table, "y", categories="signup").encoder_.columns[1].levels == ("2026-11-30", "2026-12-01")
    table.to_csv(tmp_path / "1.csv", index=False)
    with pytest.raises(DataError, match="holds dates, such as '2026-12-01'"):
        train([tmp_path / "1.csv"] * 2, "y")
    mixed = people.assign(signup=np.where(np.arange(N_ROWS) % 2, "2026-11-30", "never"))
    assert train(mixed, "y").encoder_.columns[1].levels == ("2026-11-30", "never")


def test_other_forms_refuse_parts_of_dates(model):
    with pytest.raises(ArgumentError, match="reads parts of the date 'signup', which no other form makes"):
        to_sklearn(model)


@pytest.mark.parametrize(
    "change",
    [
        {"parts": []},
        {"parts": ["year", "year"]},
        {"parts": ["minute"]},
        {"parts": ["year", "age"], "reference": None},
        {"reference": "soon"},
        {"reference": "2026-02-30T00:00:00"},
        {"name": "age"},
        {"name": "other"},
        {"example": "1.2.2026"},
    ],
)
def test_a_wrong_description_of_dates_is_refused(model, change):
    plain = json.loads(json.dumps(model.encoder_.to_json()))
    assert Encoder.from_json(plain) == model.encoder_
    plain["dates"][0] |= change
    with pytest.raises(FileError, match="damaged or foreign"):
        Encoder.from_json(plain)


@pytest.mark.parametrize(
    ("form", "example"),
    [
        ("%d.%m.%Y", "31.12.2026"),
        ("%d/%m/%Y", "31/12/2025"),
        ("%m/%d/%Y", "12/31/2026"),
        ("%m-%d-%Y", "12-31-1999"),
        ("%Y/%m/%d", "2026/12/31"),
        ("%d.%m.%Y %H:%M", "31.12.2026"),
        ("%m/%d/%Y %H:%M:%S", "12/31/2026"),
        ("%Y-%m-%d", "31.12.2026"),
    ],
)
def test_dates_by_an_example_are_their_twins(people, tmp_path, form, example):
    """The same model as of dates written as 2026-12-31, in memory, in pieces, from a file."""
    days = pandas.Series(pandas.date_range("2024-01-29 18:05", periods=N_ROWS, freq="37h"))
    if "%H" not in form:
        days = days.dt.normalize()
    parts = "year,month,day,hour,age"
    twin = train(people.assign(signup=days.dt.strftime("%Y-%m-%dT%H:%M:%S")), "y", dates={"signup": parts})
    written = people.assign(signup=days.dt.strftime(form))
    model = train(written, "y", dates={"signup": f"{parts},{example}"})
    length = 16 if "%S" not in form else 19
    assert model.encoder_.dates[0].reference[:length] == twin.encoder_.dates[0].reference[:length]
    assert np.array_equal(model.predict_proba(written), twin.predict_proba(written.assign(signup=days.astype(str))))
    written[:40].to_csv(tmp_path / "1.csv", index=False)
    written[40:].to_csv(tmp_path / "2.csv", index=False)
    streamed = train([tmp_path / "1.csv", tmp_path / "2.csv"], "y", dates={"signup": f"{parts},{example}"})
    assert streamed.encoder_.dates == model.encoder_.dates
    model.save(tmp_path / "m.safetensors")
    again = polytome.load(tmp_path / "m.safetensors")
    assert np.array_equal(again.predict_proba(written), model.predict_proba(written))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["14.08.2025", "1.9.2025"], r"--date signup=year,month,31\.12\.2026, leave"),
        (["1/2/2025", "3/4/2025"], r"year,month,31/12/2026 or --date signup=year,month,12/31/2026, leave"),
        (["1/2/2025", "3/24/2025"], r"there: --date signup=year,month,12/31/2026, leave"),
        (["2025/1/2", "2025/3/24"], r"there: --date signup=year,month,2026/12/31, leave"),
        (["1.2.25", "3.4.25"], r"write them as 2026-11-30 for --date"),
    ],
)
def test_the_message_shows_the_examples_that_fit_all_cells(people, cells, said):
    table = people.assign(signup=np.resize(cells, N_ROWS))
    with pytest.raises(DataError, match=said):
        train(table, "y")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("year,30.12.2026", "does not show how dates are written; give 31 December"),
        ("year,31.12.26", "does not show how dates are written"),
        ("year,31.2026.12", "does not show how dates are written"),
        ("31.12.2026", "names no part"),
        ("year,31.12.2026,12/31/2026", "is written in two ways"),
    ],
)
def test_a_wrong_example_of_a_date_is_refused(people, asked, said):
    with pytest.raises(ArgumentError, match=said):
        train(people, "y", dates={"signup": asked})


def test_a_day_that_the_calendar_lacks_is_refused_in_each_form(people):
    with pytest.raises(DataError, match=r"'30\.2\.2026' is not a date such as 31\.12\.2026 or 2026-12-31"):
        train(people.assign(signup="30.2.2026"), "y", dates={"signup": "year,31.12.2026"})
