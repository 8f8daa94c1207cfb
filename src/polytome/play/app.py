"""The server of the playground: a page that draws, and the three requests that it makes.

| request | answer |
|---|---|
| `GET /` | the page; its query is the state |
| `POST /problem` | what does not change during a run: points, names, formulas, the optimum |
| `POST /run` | frames, one line of JSON each, computed while they are read |
| `POST /surface` | the loss over two parameters |

Each request carries all settings, and nothing is kept: clients are independent of each other, and a
client that stops reading stops its computation.
"""

from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from polytome.errors import ArgumentError, MissingExtraError
from polytome.pages import base_styles, document
from polytome.play.points import data_sets
from polytome.play.presets import PRESETS, link
from polytome.play.problems import Problem, make_problem
from polytome.play.runs import MOST_FRAMES, frames, json_line
from polytome.play.settings import MOST_BYTES, Settings
from polytome.play.views import loss_surface, opening

if TYPE_CHECKING:
    from polytome.serve.protection import Protection

__all__ = ["make_app", "page_html"]

_STYLES = ("play", "figures")
_SCRIPTS = ("play", "settings", "server", "axes", "plane", "surface", "curve", "numbers", "facts", "marks")
_MOST_BODY = 4 * MOST_BYTES  # a table is larger as JSON
_SECONDS = 30.0
_LINES = 10  # frames that are computed at a time


def page_html(file_name: str = "") -> str:
    """The page, with the data sets to choose from and the presets.

    Args:
        file_name: name of the table that the server was started with; empty if there is none.
    """
    sets = {**({"file": file_name} if file_name else {}), **data_sets(), "own": "Your own (CSV)"}
    options = "\n".join(f'<option value="{name}">{escape(title)}</option>' for name, title in sets.items())
    presets = "\n".join(
        f'<li><a href="{escape(link(preset))}" data-hint="{escape(preset.hint)}">{escape(preset.title)}</a></li>'
        for preset in PRESETS
    )
    body = files("polytome.play").joinpath("page", "play.html").read_text(encoding="utf-8")
    head = (
        '<link rel="icon" href="data:,">\n<link rel="stylesheet" href="base.css">\n'
        '<link rel="stylesheet" href="play.css">\n<link rel="stylesheet" href="figures.css">\n'
        '<script type="module" src="play.js"></script>'
    )
    body = body.replace("<!-- data sets -->", options).replace("<!-- presets -->", presets)
    return document("Playground", "Watch gradient descent learn, step by step.", body, head=head, kind="play")


def make_app(file: tuple[str, bytes] | None = None, token: str | None = None) -> "Protection":
    """The application behind its protection.

    Args:
        file: name and content of a table to offer.
        token: what a client must know; None for none, which only a server on loopback may do.

    Raises:
        MissingExtraError: FastAPI is not installed.
        ArgumentError: the token holds what a header cannot.
    """
    try:
        from fastapi import Body, FastAPI
        from fastapi.responses import Response, StreamingResponse
    except ImportError as error:
        raise MissingExtraError('the playground needs fastapi: pip install "polytome[serve]"') from error
    from polytome.serve.protection import protect

    app = FastAPI(
        title="Polytome's playground", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    page = page_html(file[0] if file else "")
    make_problem(Settings())  # loads libraries that the first visitor would otherwise wait for
    given = Annotated[Any, Body()]

    def problem_of(asked: Any) -> Problem:
        return make_problem(Settings.from_json(_field(asked, "settings", Mapping, {})), file)

    @app.get("/")
    def show_page() -> Response:
        return Response(page, media_type="text/html")

    def add_part(name: str, kind: str, text: str) -> None:
        app.get(f"/{name}")(lambda: Response(text, media_type=kind))

    folder = files("polytome.play").joinpath("page")
    add_part("base.css", "text/css", base_styles())
    for name in _STYLES:
        add_part(f"{name}.css", "text/css", folder.joinpath(f"{name}.css").read_text(encoding="utf-8"))
    for name in _SCRIPTS:
        add_part(f"{name}.js", "text/javascript", folder.joinpath(f"{name}.js").read_text(encoding="utf-8"))

    @app.post("/problem")
    def show_problem(asked: given) -> Response:
        return Response(json_line(opening(problem_of(asked))), media_type="application/json")

    @app.post("/run")
    def run(asked: given) -> StreamingResponse:
        first, count = _field(asked, "first", int, 0), _field(asked, "count", int, MOST_FRAMES)
        lines = _stretches(frames(problem_of(asked), first, count))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    @app.post("/surface")
    def show_surface(asked: given) -> Response:
        across, upwards = _field(asked, "across", int, 0), _field(asked, "upwards", int, 1)
        held, path = _field(asked, "held", list, None), _field(asked, "path", list, None)
        surface = loss_surface(problem_of(asked), across, upwards, held, path)
        return Response(json_line(surface), media_type="application/json")

    return protect(app, token=token, most_bytes=_MOST_BODY, seconds=_SECONDS)


def _stretches(values: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Lines of JSON, some at a time: each group is computed in a thread once the one before it has
    been sent."""
    lines: list[str] = []
    for value in values:
        lines.append(json_line(value))
        if len(lines) == _LINES:
            yield "".join(lines)
            lines = []
    yield "".join(lines)


def _field(asked: Any, name: str, kind: type[Any], default: Any) -> Any:
    """One part of a request, of the type that it must have; the default where it is absent or
    null."""
    if not isinstance(asked, Mapping):
        raise ArgumentError("the request is not a JSON object; send one as application/json")
    value = asked.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ArgumentError(
            f"{name}: needs {'a whole number' if kind is int else 'a list' if kind is list else 'an object'}"
        )
    return value
