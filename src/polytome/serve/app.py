"""The application: a model's routes, behind their protection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from polytome._version import __version__
from polytome.serve.counting import Counts
from polytome.serve.decoders import Decoders
from polytome.serve.desk import Desk
from polytome.serve.models import ModelFile
from polytome.serve.page_routes import add_page
from polytome.serve.protection import Protection, protect
from polytome.serve.routes import add_answers, add_facts

__all__ = ["Limits", "create_app"]

_ABOUT = """\
Predictions of one logistic or softmax regression, their explanations, and the certificate that says how far the fit is
from the optimum. Every error is answered with {"error": "plain words"}.
"""
_DECODING = 10.0
_SETTINGS: dict[str, Any] = {
    "title": "Polytome",
    "description": _ABOUT,
    "version": __version__,
    "openapi_url": None,  # the document is made in a thread, once for each model
    "docs_url": None,  # FastAPI's documentation pages load scripts from another server
    "redirect_slashes": False,  # to an address made from the client's name for this server
    "redoc_url": None,
}


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        most_rows: rows in one request.
        most_bytes: bytes of its body.
        seconds: for the body to arrive, and for the answer to begin.
    """

    most_rows: int = 100_000
    most_bytes: int = 16 << 20
    seconds: float = 30.0


def create_app(
    path: str | PathLike[str],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
) -> Protection:
    """Make the ASGI application that serves a model file.

    Args:
        path: a file that `save` wrote; when it is replaced, the new model is served.
        limits: what it takes.
        token: what a client must know; None for none, which suits loopback only.
        origins: pages of other origins that may ask.

    Returns:
        The application, for `listening.listen` or any ASGI server.

    Raises:
        FileError: the file does not contain a valid model.
        ArgumentError: the token or an origin cannot be used.
    """
    limits = limits or Limits()
    counts = Counts()
    models = ModelFile(Path(path), counts.reload)
    desk, decoders = Desk(), Decoders(seconds=min(limits.seconds, _DECODING))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(models.watch())
        if models.current.image_shape is not None:
            await decoders.start()
        yield
        watching.cancel()
        desk.close()
        await decoders.close()

    app = FastAPI(lifespan=lifespan, **_SETTINGS)
    add_answers(app, models, desk, decoders, limits.most_rows)
    add_facts(app, models, desk, counts)
    add_page(app)
    return protect(
        app,
        token=token,
        most_bytes=limits.most_bytes,
        seconds=limits.seconds,
        origins=origins,
        finished=counts.exchange,
    )
