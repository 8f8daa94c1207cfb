"""A model of texts behind the server: the text is a field, and the words that count are named."""

import pytest

from polytome import LogisticRegression
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi", reason="the extra serve is absent")
testclient = pytest.importorskip("starlette.testclient")

TEXTS = [("win a free prize now", "spam"), ("free cash, call now", "spam"), ("see you at home", "ham")]
TEXTS += [("dinner at home tonight?", "ham")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    lines = [f'"{text}",{label}' for text, label in TEXTS]
    (folder / "t.csv").write_text("\n".join(["message,y", *lines]) + "\n")
    source = open_source(str(folder / "t.csv"), target="y", text=["message"])
    fit_source(LogisticRegression(scale=source.scale), source).save(folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def client(saved):
    from polytome.serve.app import create_app

    with testclient.TestClient(create_app(saved), base_url="http://127.0.0.1:8000") as found:
        yield found


def test_a_text_is_predicted_and_its_words_are_named(client):
    asked = {"rows": [{"message": "a free dinner <now>, Free!"}]}
    assert client.post("/predict", json=asked).json()["predictions"] == ["spam"]
    found = client.post("/explain", json=asked).json()
    assert set(found["columns"]) == {"message: free", "message: dinner", "message: now"}
    values = dict(zip(found["columns"], found["rows"][0]["contributions"][0], strict=True))
    assert values["message: free"] > 0 > values["message: dinner"]
    assert found["rows"][0]["flips"] == []
    total = found["baseline"][0] + sum(values.values())
    assert (total > 0) == (found["rows"][0]["probabilities"][1] > 0.5)


def test_the_model_says_that_it_takes_text(client):
    (feature,) = client.get("/model").json()["features"]
    assert feature["name"] == "message"
    assert feature["kind"] == "text"
    assert feature["levels"] == []
    schema = client.get("/openapi.json").json()
    by_name = schema["components"]["schemas"]["Row"]["oneOf"][1]["properties"]["message"]
    assert by_name["type"] == ["string"]
    example = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert client.post("/predict", json=example["by name"]["value"]).status_code == 200


@pytest.mark.parametrize(("value", "words"), [("", "the cell is missing"), (None, "the cell is missing")])
def test_no_text_is_refused(client, value, words):
    answer = client.post("/predict", json={"rows": [{"message": value}]})
    assert answer.status_code == 422
    assert words in answer.json()["error"]
