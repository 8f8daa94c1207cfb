"""What /openapi.json says: the columns of the served model with an example, and for each route
every answer."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from polytome.serve.bodies import ARROW, CSV, IMAGES, JSON
from polytome.serve.models import ServedModel
from polytome.tables.encoder import Column

__all__ = ["EXPLAIN", "HEALTH", "METRICS", "MODEL", "PREDICT", "document"]

Json = dict[str, Any]

_LABEL: Json = {"type": ["string", "integer", "number", "boolean"]}
_LABELS: Json = {"type": "array", "items": _LABEL}
_NUMBER: Json = {"type": "number"}
_MATRIX: Json = {"type": "array", "items": {"type": "array", "items": _NUMBER}}
_PIXELS: Json = {**_MATRIX, "description": "For an image: what the model sees, rows of pixels."}
_BYTES: Json = {"type": "string", "format": "binary"}
_ROWS: Json = {"$ref": "#/components/schemas/Rows"}


def _object(needed: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "required": list(needed), "properties": {**needed, **(optional or {})}}


_PREDICTION = _object(
    {
        "classes": {**_LABELS, "description": "The classes, in the order of the probabilities."},
        "predictions": {**_LABELS, "description": "The most probable class of each row."},
        "probabilities": {**_MATRIX, "description": "For each row the probability of each class."},
    },
    {"seen": _PIXELS},
)
_FLIP = _object(
    {
        "feature": {"type": "string"},
        "value": {"type": ["number", "string", "null"], "description": "The column's current value."},
        "flipped": {"type": ["number", "string", "null"], "description": "The value at which the class has changed."},
        "rounded": {"type": ["number", "string", "null"], "description": "The same in few digits, at or beyond it."},
        "label": {"type": [*_LABEL["type"], "null"], "description": "The class beyond that value."},
        "size": {"type": ["number", "null"], "description": "Share of the range in training, or the column's unit."},
    }
)
_EXPLANATION = _object(
    {
        "classes": _LABELS,
        "columns": {"type": "array", "items": {"type": "string"}},
        "reference": {
            "type": "array",
            "items": {"type": ["number", "null"]},
            "description": "The row from which contributions are measured; null for a category.",
        },
        "outputs": {
            **_LABELS,
            "description": "The class of each score; with two classes the second, against the first.",
        },
        "baseline": {"type": "array", "items": _NUMBER, "description": "The scores at the reference."},
        "rows": {
            "type": "array",
            "items": _object(
                {
                    "prediction": _LABEL,
                    "probabilities": {"type": "array", "items": _NUMBER},
                    "contributions": {**_MATRIX, "description": "For each output, what each column adds to its score."},
                    "flips": {"type": "array", "items": _FLIP, "description": "The smallest changes, best first."},
                }
            ),
        },
    },
    {"seen": _PIXELS},
)
_MODEL = _object(
    {
        "name": {"type": "string"},
        "classes": _LABELS,
        "features": {
            "type": "array",
            "items": _object(
                {
                    "name": {"type": "string"},
                    "kind": {"enum": ["number", "category", "text", "date"]},
                    "levels": {"type": "array", "items": {"type": "string"}},
                    "reference": {
                        "type": ["string", "null"],
                        "description": "The level that coefficients compare the others with, if there is one.",
                    },
                    "in_terms": {
                        "type": "boolean",
                        "description": "Whether products, powers or splines are made of it; flips are not sought then.",
                    },
                    **{end: {"type": ["number", "null"]} for end in ("low", "mean", "high")},
                    "usual": {
                        "type": ["string", "null"],
                        "description": "The most frequent level in the training rows; a usual date.",
                    },
                },
                {
                    "parts": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Of a date, what counts of it. A row may have the date, or its parts.",
                    }
                },
            ),
        },
        "image_shape": {"type": ["array", "null"], "items": {"type": "integer"}},
        "full": {"type": ["number", "null"], "description": "The pixel value of full ink."},
        "objective": {"type": "object"},
        "certificate": {"type": "object"},
        "calibration": {"type": ["string", "null"], "description": "How probabilities are corrected."},
        "decision": {"type": ["object", "null"]},
        "trained_on": {"type": "object"},
        "version": {"type": "string"},
        "loaded_at": {"type": "string", "format": "date-time"},
    }
)
_ERRORS = {
    400: (
        "The request or its JSON cannot be read.",
        "the body is not JSON in UTF-8: Expecting value ...",
    ),
    401: ("The server was started with a token.", "this server asks for a token: send the header 'Authorization: ...'"),
    403: (
        "The name in Host or the origin of the page is not allowed.",
        "pages of 'https://example.org' may not ask ...",
    ),
    408: ("The body arrived too slowly.", "the body did not arrive within 30 seconds; send it faster, or less of it"),
    413: ("Too many bytes or rows.", "200,000 rows at once, and this server takes 100,000; send them in parts"),
    414: ("Path and query are too long.", "path and query are longer than 8,192 bytes; send what is long in the body"),
    415: (
        "A body of an unsupported type, or a compressed one.",
        f"the body may be {JSON}, {CSV}, ..., not 'text/plain'",
    ),
    422: ("Rows that do not suit the model.", "rows, row 1, column 'age': 'abc' is not a finite number; ..."),
    431: ("The head of the request is too large.", "the head of the request is too large"),
    500: ("An error of the server.", "the server failed to handle this request; its log says where"),
    503: ("Busy with large requests; see Retry-After.", "the server is busy with large requests; try again"),
}
_ANYWHERE = (400, 401, 403, 408, 413, 414, 415, 431, 500, 503)


def _answers(description: str, content: Json, *errors: int) -> dict[int | str, Json]:
    """The answers of a route: the successful one, those that any request may get, and its own
    errors."""
    found: dict[int | str, Json] = {200: {"description": description, "content": content}}
    for status in sorted((*_ANYWHERE, *errors)):
        about, words = _ERRORS[status]
        shape = {"schema": {"$ref": "#/components/schemas/Error"}, "example": {"error": words}}
        found[status] = {"description": about, "content": {JSON: shape}}
    return found


def _body() -> Json:
    kinds = {JSON: {"schema": _ROWS}, CSV: {"schema": {"type": "string"}}, ARROW: {"schema": _BYTES}}
    return {"requestBody": {"required": True, "content": kinds | {kind: {"schema": _BYTES} for kind in IMAGES}}}


PREDICT: Json = {
    "responses": _answers(
        "The predictions.",
        {JSON: {"schema": _PREDICTION}, CSV: {"schema": {"type": "string"}}, ARROW: {"schema": _BYTES}},
        422,
    ),
    "openapi_extra": _body(),
}
"""Of `POST /predict`, for FastAPI's decorator; the other names alike."""
EXPLAIN: Json = {
    "responses": _answers("The explanations.", {JSON: {"schema": _EXPLANATION}}, 422),
    "openapi_extra": _body(),
}
"""Of `POST /explain`."""
MODEL: Json = {"responses": _answers("The model.", {JSON: {"schema": _MODEL}})}
"""Of `GET /model`."""
HEALTH: Json = {"responses": _answers("The server is up.", {JSON: {"example": {"status": "ok"}}})}
"""Of `GET /healthz`."""
METRICS: Json = {"responses": _answers("Counts for Prometheus.", {"text/plain": {"schema": {"type": "string"}}})}
"""Of `GET /metrics`."""


def document(app: FastAPI, served: ServedModel) -> bytes:
    """The OpenAPI document of an application, with the columns of the model that is served now, as
    JSON.

    Args:
        app: with its routes.
        served: the model.
    """
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    columns = served.encoder.read_columns
    by_position: Json = {
        "type": "array",
        "items": {"type": ["number", "string", "boolean", "null"]},
        "minItems": len(columns),
        "maxItems": len(columns),
    }
    by_name = _object({column.name: _value_schema(column) for column in columns})
    row = {"oneOf": [by_position, by_name]}
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas["Error"] = _object({"error": {"type": "string", "description": "What is wrong, and what to do."}})
    schemas["Row"] = row
    schemas["Rows"] = _object({"rows": {"oneOf": [{"type": "array", "minItems": 1, "items": row}, row]}})
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"token": []}]  # a server without a token asks for none
    example = _example(served)
    for path in ("/predict", "/explain"):
        content = found["paths"][path]["post"]["requestBody"]["content"]
        content[JSON]["examples"] = {
            "by position": {"value": {"rows": [list(example.values())]}},
            "by name": {"value": {"rows": [example]}},
        }
        content[CSV]["example"] = "\n".join(",".join(map(_cell, line)) for line in (example, example.values())) + "\n"
    return json.dumps(found).encode()


def _value_schema(column: Column) -> Json:
    """What a column takes; null if training learnt how to fill in a missing value."""
    gap = ["null"] if column.fill is not None else []
    if column.kind == "number":
        return {"type": ["number", *gap]}
    if column.kind == "text":
        return {"type": ["string", *gap], "description": "A text; only the terms that training saw count."}
    said = f"One of the {len(column.levels)} levels that GET /model lists."
    said += "" if column.other is None else f" Any other text counts as {column.other}."
    return {"type": ["string", *gap], "description": said}


def _example(served: ServedModel) -> dict[str, Any]:
    """A row that the model takes: zeros, the first level of each category, and some text."""
    return {
        column.name: "some text" if column.kind == "text" else column.levels[0] if column.levels else 0.0
        for column in served.encoder.read_columns
    }


def _cell(value: Any) -> str:
    """A value as a cell of CSV."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text
