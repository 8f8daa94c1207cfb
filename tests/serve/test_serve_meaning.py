"""Tables that a server is sent are read as on the command line: headers, large whole numbers,
booleans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from polytome.files.sources import fit_source, open_source
from polytome.models.logistic import LogisticRegression

pytest.importorskip("fastapi")
testclient = pytest.importorskip("starlette.testclient")

LARGE = [2**53, 2**53 + 1]


def _client(folder: Path, text: str, **options: object) -> Iterator[object]:
    from polytome.serve.app import create_app

    (folder / "t.csv").write_text(text)
    model = fit_source(LogisticRegression(C=100.0), open_source(str(folder / "t.csv"), target="y", **options))
    model.save(folder / "m.safetensors")
    with testclient.TestClient(create_app(folder / "m.safetensors"), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[object]:
    lines = [f"{i % 7}.5,{i % 3}.5,{'ab'[i % 7 > 3]}" for i in range(60)]
    yield from _client(tmp_path, "\n".join(["0,1,y", *lines]))


@pytest.fixture
def with_ids(tmp_path: Path) -> Iterator[object]:
    lines = [f"{LARGE[i % 2]},{i % 5}.5,{i % 3 > 0},{'ab'[(i % 2) ^ (i % 7 == 0)]}" for i in range(60)]
    yield from _client(tmp_path, "\n".join(["id,x,ok,y", *lines]), categories=["id"])


@pytest.mark.parametrize(
    ("parameter", "body", "rows"),
    [
        ("", "0,1\n0.5,1\n", 1),
        ("", "1,0\n0.5,1\n", 1),
        ("", "5,1\n0.5,1\n", 2),
        ("; header=absent", "0,1\n0.5,1\n", 2),
        ("; charset=utf-8; header=absent", "0,1\n0.5,1\n", 2),
        ("; header=present", "0,1\n0.5,1\n", 1),
    ],
)
def test_a_header_of_numbers(numbered, parameter: str, body: str, rows: int) -> None:
    answer = numbered.post("/predict", content=body, headers={"Content-Type": f"text/csv{parameter}"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == rows


def test_a_header_that_may_be_is_none(numbered) -> None:
    answer = numbered.post("/predict", content="0,1\n1,1\n", headers={"Content-Type": "text/csv; header=maybe"})
    assert answer.status_code == 415
    assert "present or absent" in answer.text


@pytest.mark.parametrize("spelled", [lambda number: number, str, lambda number: f" {number}"])
def test_a_large_number_is_the_level_that_it_names(with_ids, spelled) -> None:
    rows = [{"id": spelled(number), "x": 1, "ok": True} for number in LARGE]
    answer = with_ids.post("/predict", json={"rows": rows})
    assert answer.json()["predictions"] == ["a", "b"]


def test_a_truth_value_is_one_whatever_stands_beside_it(with_ids) -> None:
    rows = [{"id": LARGE[0], "x": 1, "ok": value} for value in (True, "true", 1, 1.0, "True", "1")]
    answer = with_ids.post("/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    assert len({json.dumps(row) for row in answer.json()["probabilities"]}) == 1


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 310, "1" + "0" * 299])
def test_numbers_of_any_length_are_answered(with_ids, number: str) -> None:
    body = f'{{"rows": [{{"id": {LARGE[0]}, "x": {number}, "ok": 1}}, {{"id": {number}, "x": 1, "ok": 1}}]}}'
    answer = with_ids.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
