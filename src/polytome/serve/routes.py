"""The routes of a served model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from polytome.serve.answers import MOST_EXPLAINED, Content, explanation, prediction
from polytome.serve.bodies import CSV, IMAGES, JSON, Rows, image_rows, read_rows
from polytome.serve.counting import Counts
from polytome.serve.decoders import Decoders
from polytome.serve.desk import Desk
from polytome.serve.documentation import EXPLAIN, HEALTH, METRICS, MODEL, PREDICT, document
from polytome.serve.exchange import Refusal
from polytome.serve.models import ModelFile, ServedModel

__all__ = ["add_answers", "add_facts"]

_SMALL = 1 << 17
_GUARD = "Whether CSV gets an apostrophe before texts that spreadsheet programs would read as formulas."


def add_answers(app: FastAPI, models: ModelFile, desk: Desk, decoders: Decoders, most_rows: int) -> None:
    """Add predictions and explanations."""

    async def asked(request: Request, route: str, most_rows: int) -> tuple[ServedModel, Callable[[], Rows], bool]:
        """The model, the reader of the rows, and whether reading them is little work."""
        request.scope["polytome"].route = route
        served, kind, body = models.current, _kind(request), await request.body()
        if kind not in IMAGES:
            # The answer grows with the rows and the classes, and so does the time that it takes.
            small = kind == JSON and len(body) * len(served.model.classes_) <= _SMALL
            return served, partial(read_rows, served, kind, body, most_rows), small
        if served.image_shape is None:
            raise Refusal(415, f"the model {served.name} was trained on tables, not on images; send rows as {JSON}")
        rows = image_rows(await decoders.form(body, served.image_shape, served.full))
        return served, lambda: rows, True

    @app.post("/predict", **PREDICT)
    async def predict(request: Request, guard_formulas: Annotated[bool, Query(description=_GUARD)] = False) -> Response:
        """Predict the class of each row.

        One row or many: JSON `{"rows": [...]}` with each row an array by position or an object by
        name, CSV, an Arrow stream, or for a model of images a PNG or JPEG file. The answer is JSON,
        or CSV or an Arrow stream if `Accept` asks for it.
        """
        served, rows_of, small = await asked(request, "/predict", most_rows)
        accept = request.headers.get("accept", "")
        return _response(request, await desk.run(small, partial(prediction, served, rows_of, accept, guard_formulas)))

    @app.post("/explain", **EXPLAIN)
    async def explain(
        request: Request,
        of: str | None = None,
        against: str | None = None,
        most_flips: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        """Explain predictions: what each column adds to each score, and the smallest changes that
        flip the class.

        Rows are sent as to `/predict`. With `of` and `against` the log odds between two classes are
        explained; with `most_flips` each row has that many flips at most, the smallest ones.
        """
        served, rows_of, _ = await asked(request, "/explain", min(most_rows, MOST_EXPLAINED))
        return _response(request, await desk.run(False, partial(explanation, served, rows_of, of, against, most_flips)))


def add_facts(app: FastAPI, models: ModelFile, desk: Desk, counts: Counts) -> None:
    """Add the description of the model and of the routes, health and metrics."""
    documents: dict[ServedModel, bytes] = {}  # of the newest model: it grows with the columns, and is made in a thread

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        served = models.current
        found = documents.get(served)
        if found is None:
            found = await desk.run(False, partial(document, app, served))
        documents.clear()
        documents[served] = found
        return Response(found, media_type="application/json")

    @app.get("/model", **MODEL)
    async def model(request: Request) -> Response:
        """Describe the model: its columns, classes, objective and certificate."""
        request.scope["polytome"].route = "/model"
        return Response(models.current.description, media_type="application/json")

    @app.get("/healthz", **HEALTH)
    async def healthz(request: Request) -> Response:
        """Say that the server is up."""
        request.scope["polytome"].route = "/healthz"
        return Response(b'{"status": "ok"}', media_type="application/json")

    @app.get("/metrics", **METRICS)
    async def metrics(request: Request) -> Response:
        """Counts for Prometheus."""
        request.scope["polytome"].route = "/metrics"
        return Response(counts.text(), headers={"content-type": counts.content_type})


def _kind(request: Request) -> str:
    """The media type of the body, without its parameters but `header`, which says whether CSV
    begins with names."""
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    header = [part for part in parameters if part.startswith("header=")]
    return f"{kind}; {header[0]}" if kind == CSV and header else kind


def _response(request: Request, content: Content) -> Response:
    request.scope["polytome"].rows = content.n_rows
    return Response(content.body, headers={"content-type": content.kind})
