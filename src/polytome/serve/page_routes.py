"""The page of a served model: a few files, from this machine alone, kept in memory."""

from __future__ import annotations

import hashlib
from mimetypes import guess_type
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

from polytome.pages import base_styles

__all__ = ["add_page"]

_FOLDER = Path(__file__).parent / "page"


def add_page(app: FastAPI) -> None:
    """Serve the page at `/` and its files under `/static`, with the style sheet that all pages
    share."""
    for path in sorted(_FOLDER.iterdir()):
        if path.is_file():
            _add(app, "/" if path.name == "index.html" else f"/static/{path.name}", path.name, path.read_bytes())
    _add(app, "/static/base.css", "base.css", base_styles().encode())


def _add(app: FastAPI, address: str, name: str, content: bytes) -> None:
    """Serve one file; a browser keeps its copy and asks whether it is still current."""
    kind = "text/javascript" if name.endswith(".js") else guess_type(name)[0]
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"cache-control": "no-cache", "etag": tag}

    @app.api_route(address, methods=["GET", "HEAD"], include_in_schema=False)
    async def file(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)
