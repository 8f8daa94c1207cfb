"""The page of a served model: static files, from this machine alone."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from polytome.pages import base_styles

__all__ = ["add_page"]

_FOLDER = Path(__file__).parent / "page"
_FRESH = {"cache-control": "no-cache"}  # a browser keeps what it has and asks whether it is still good


class _Checked(StaticFiles):
    """Static files, of which an upgrade is seen at once."""

    def file_response(self, *args: object, **settings: object) -> Response:
        response = super().file_response(*args, **settings)  # type: ignore[arg-type]
        response.headers.update(_FRESH)
        return response


def add_page(app: FastAPI) -> None:
    """Serve the page at `/` and its files under `/static`, with the style sheet that all pages share."""

    @app.get("/static/base.css", include_in_schema=False)
    async def styles() -> Response:
        return Response(base_styles(), media_type="text/css", headers=_FRESH)

    app.mount("/static", _Checked(directory=_FOLDER, check_dir=False), name="static")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(_FOLDER / "index.html", headers=_FRESH)
