"""The routes of a served model."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from polytome.serve.answers import Content, explanation, prediction
from polytome.serve.bodies import CSV, IMAGES
from polytome.serve.counting import Counts
from polytome.serve.desk import Desk
from polytome.serve.documentation import EXPLAIN, HEALTH, METRICS, MODEL, PREDICT
from polytome.serve.models import ModelFile

__all__ = ["add_answers", "add_facts"]

_SMALL = 1 << 17


def add_answers(app: FastAPI, models: ModelFile, desk: Desk, most_rows: int) -> None:
    """Add predictions and explanations."""

    @app.post("/predict", **PREDICT)
    async def predict(request: Request) -> Response:
        """Predict the class of each row.

        One row or many: JSON `{"rows": [...]}` with each row an array by position or an object by name, CSV, an Arrow
        stream, or for a model of images a PNG or JPEG file. The answer is JSON, or CSV or an Arrow stream where
        `Accept` asks for it.
        """
        served, kind, body = models.current, _kind(request), await request.body()
        request.scope["polytome"].route = "/predict"
        # The answer grows with the rows and the classes, and so does the time that it takes.
        small = kind not in IMAGES and len(body) * len(served.model.classes_) <= _SMALL
        accept = request.headers.get("accept", "")
        return _response(request, await desk.run(small, partial(prediction, served, kind, body, most_rows, accept)))

    @app.post("/explain", **EXPLAIN)
    async def explain(
        request: Request,
        of: str | None = None,
        against: str | None = None,
        most_flips: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        """Explain predictions: what each column adds to each score, and the smallest changes that flip the class.

        Rows are sent as to `/predict`. With `of` and `against` the log odds between two classes are explained; with
        `most_flips` each row has that many flips at most, the smallest ones.
        """
        served, kind, body = models.current, _kind(request), await request.body()
        request.scope["polytome"].route = "/explain"
        work = partial(explanation, served, kind, body, most_rows, of, against, most_flips)
        return _response(request, await desk.run(False, work))


def add_facts(app: FastAPI, models: ModelFile, counts: Counts) -> None:
    """Add the description of the model, health and metrics."""

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
    """The media type of the body, without its parameters but `header`, which says whether CSV begins with names."""
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    header = [part for part in parameters if part.startswith("header=")]
    return f"{kind}; {header[0]}" if kind == CSV and header else kind


def _response(request: Request, content: Content) -> Response:
    request.scope["polytome"].rows = content.n_rows
    return Response(content.body, headers={"content-type": content.kind})
