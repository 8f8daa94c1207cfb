"""The page of a served model: static files, from this machine alone."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

__all__ = ["add_page"]

_FOLDER = Path(__file__).parent / "page"


class _Checked(StaticFiles):
    """Static files that a browser keeps and asks about again, so that an upgrade is seen at once."""

    def file_response(self, *args: object, **settings: object) -> Response:
        response = super().file_response(*args, **settings)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def add_page(app: FastAPI) -> None:
    """Serve the page at `/` and its files under `/static`."""
    app.mount("/static", _Checked(directory=_FOLDER, check_dir=False), name="static")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(_FOLDER / "index.html", headers={"cache-control": "no-cache"})
