"""Requests made up from the server's own OpenAPI document: none fails the server, none has an undocumented answer."""

import pytest

import polytome
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis")
import hypothesis  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import served  # noqa: E402

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
PATHS = ("/predict", "/explain", "/model", "/healthz", "/metrics")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    table = folder / "people.csv"
    lines = [f"{20 + 3 * i},{('red', 'blue')[i % 2]},{('low', 'high', 'high')[i % 3]}" for i in range(12)]
    table.write_text("\n".join(["age,colour,income", *lines, ",,low", ",blue,high"]) + "\n")
    model = fit_source(polytome.LogisticRegression(), open_source(str(table), target="income", missing="mean"))
    model.save(folder / "people.safetensors")
    with served(folder / "people.safetensors", most_rows=50, most_bytes=20_000) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "mode"),
    [*((path, "positive") for path in PATHS), *((path, "negative") for path in ("/predict", "/explain"))],
)
def test_every_answer_is_documented(client, path, mode):
    document = schemathesis.openapi.from_url(f"{client.address}/openapi.json")
    (operation,) = (found.ok() for found in document.include(path=path).get_all_operations())

    @hypothesis.settings(
        max_examples=80,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def every_case(case):
        case.call_and_validate(checks=CHECKS, timeout=10)

    every_case()
