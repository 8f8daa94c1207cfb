"""Requests made up from the server's own OpenAPI document: none fails the server, none has an
undocumented answer."""

import pytest

import polytome
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
import hypothesis

from serving import PATIENCE, served

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
    schemathesis = pytest.importorskip("schemathesis")  # here, not above: its import takes seconds
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as of_documents

    checks = (
        not_a_server_error,
        of_documents.status_code_conformance,
        of_documents.content_type_conformance,
        of_documents.response_schema_conformance,
    )
    document = schemathesis.openapi.from_url(f"{client.address}/openapi.json")
    (operation,) = (found.ok() for found in document.include(path=path).get_all_operations())

    @hypothesis.settings(
        max_examples=30,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def every_case(case):
        case.call_and_validate(checks=checks, timeout=PATIENCE)

    every_case()
