"""A model of dates is asked about dates: one field each, whatever parts of them count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest

from polytome import train
from polytome.files.model_file import save
from polytome.serve.descriptions import describe

testclient = pytest.importorskip("starlette.testclient")

from polytome.serve.app import create_app  # noqa: E402


def visits() -> pandas.DataFrame:
    random, n = np.random.default_rng(2), 120
    days = np.datetime64("2024-01-05T09:00") + random.integers(0, 24 * 500, n) * np.timedelta64(1, "h")
    table = pandas.DataFrame({"age": random.integers(20, 80, n), "when": days, "hue": random.choice(["a", "b"], n)})
    table["ill"] = np.where(random.random(n) < 0.2 + 0.5 * (table.when.dt.month < 5), "yes", "no")
    return table


@pytest.mark.parametrize(
    ("parts", "usual"),
    [
        ("year,month,weekday,age", r"2024-\d\d-\d\d"),
        ("quarter,hour", r"2000-\d\d-01T\d\d:00"),
        ("day", r"2000-01-\d\d"),
    ],
)
def test_the_form_has_one_field_for_a_date(parts: str, usual: str, tmp_path: Any) -> None:
    import re

    model = train(visits(), "ill", dates={"when": parts})
    age, when, hue = describe("m", model)["features"]
    assert (age["kind"], when["kind"], hue["kind"]) == ("number", "date", "category")
    assert when["name"] == "when"
    assert when["parts"] == parts.split(",")
    assert re.fullmatch(usual, when["usual"])
    save(model, tmp_path / "m.safetensors")
    with testclient.TestClient(create_app(tmp_path / "m.safetensors"), base_url="http://127.0.0.1:8000") as client:
        row = [31, when["usual"], "a"]
        answer = client.post("/predict", json={"rows": [row]}).json()
        wanted = model.predict_proba(pandas.DataFrame([row], columns=["age", "when", "hue"]))
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-12)
        explained = client.post("/explain", json={"rows": [row]}).json()
        assert [f"when.{part}" for part in parts.split(",")] == explained["columns"][1:-1]
        refused = client.post("/predict", json={"rows": [[31, "2026-02-30", "a"]]})
        assert refused.status_code == 422
        assert "is not a date such as" in refused.json()["error"]
