"""`polytome serve`: a model over HTTP, for people and programs."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from polytome.cli.options import Host, Json, ModelPath, Port
from polytome.cli.output import make_console, print_json

__all__ = ["serve"]


def serve(
    model: ModelPath,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="POLYTOME_TOKEN",
            show_envvar=True,
            show_default=False,
            help="Clients must send 'Authorization: Bearer TOKEN'; the page asks for it.",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="https://NAME",
            show_default=False,
            help="Allow requests from pages of this origin; may be given several times.",
        ),
    ] = None,
    most_rows: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most rows in one request.")] = 100_000,
    most_bytes: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most bytes in one request.")] = 16 << 20,
    as_json: Json = False,
) -> None:
    """Serve a model: a page to try it, and predictions over HTTP.

    POST /predict takes JSON {"rows": [...]}, CSV, an Arrow stream or, for a model
    of images, a PNG or JPEG file. There are also POST /explain, GET /model, /healthz,
    /metrics and /openapi.json. When the file is replaced, the new model is served.
    Ctrl-C finishes the requests that were accepted and ends with status 0.

    \b
    Examples:
      polytome serve iris.safetensors
      polytome serve mnist.safetensors --port 0
      POLYTOME_TOKEN=... polytome serve people.safetensors --host 0.0.0.0
    """
    from polytome.errors import MissingExtraError

    try:
        from polytome.serve.app import Limits, create_app
        from polytome.serve.listening import address_of, bound_socket, listen
        from polytome.serve.protection import check_token
    except ModuleNotFoundError as error:
        raise MissingExtraError(f'polytome serve needs {error.name}: pip install "polytome[serve]"') from error
    check_token(host, token)
    limits = Limits(most_rows=most_rows, most_bytes=most_bytes)
    app = create_app(model, limits=limits, token=token or None, origins=origin or ())
    listening = bound_socket(host, port)
    _log_to_stderr()
    address = address_of(listening)

    def ready() -> None:
        if as_json:
            print_json({"model": str(model), "address": address})
        else:
            make_console().print(f"{model.name} is served at {address} (Ctrl-C stops).", soft_wrap=True)

    listen(app, listening, limits.seconds, ready)


def _log_to_stderr() -> None:
    """One line for each request; from uvicorn, errors only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    for name, level in (("polytome.serve", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.addHandler(handler)
        logger.propagate = False
