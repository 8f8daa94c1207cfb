"""`polytome play`: the playground in the browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from polytome.cli.options import Host, Json, Port
from polytome.cli.output import make_console, print_json

__all__ = ["play"]

_MOST_FILE_BYTES = 5_000_000
_SECONDS = 30.0


def play(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.csv", show_default=False, help="Your own table, offered beside the others."),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="POLYTOME_TOKEN",
            show_envvar=True,
            show_default=False,
            help="What the page asks visitors for.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    as_json: Json = False,
) -> None:
    """Watch gradient descent learn, step by step, in the browser.

    You choose the points, the loss, the kind of descent and the learning rate;
    every step is made by one of the library's own solvers. A link holds the
    whole state.

    \b
    Examples:
      polytome play
      polytome play people.csv
      POLYTOME_TOKEN=... polytome play --host 0.0.0.0 --no-browser
    """
    from polytome.errors import MissingExtraError

    try:
        from polytome.play.app import make_app
        from polytome.serve.listening import address_of, bound_socket, listen
        from polytome.serve.protection import check_token
    except ModuleNotFoundError as error:
        raise MissingExtraError(f'polytome play needs {error.name}: pip install "polytome[serve]"') from error
    check_token(host, token)
    app = make_app(None if file is None else _table(file), token or None)
    listening = bound_socket(host, port)

    def ready() -> None:
        address = address_of(listening)
        if as_json:
            print_json({"address": address})
        else:
            make_console().print(f"The playground is at {address} (Ctrl-C stops).", soft_wrap=True)
        if not no_browser and _has_display():
            import webbrowser

            webbrowser.open(address)

    listen(app, listening, _SECONDS, ready)


def _table(path: Path) -> tuple[str, bytes]:
    """Name and content of a table; raises if it cannot be used, before the server listens."""
    from polytome.errors import FileError
    from polytome.play.points import load_points
    from polytome.play.settings import Settings
    from polytome.tables.readers.opening import InputFile

    content = InputFile(path).contents()
    if len(content) > _MOST_FILE_BYTES:
        raise FileError(f"{path}: has {len(content):,} bytes; the playground takes at most {_MOST_FILE_BYTES:,}")
    load_points(Settings(data="file"), (path.name, content))
    return path.name, content


def _has_display() -> bool:
    """Whether a browser could open a window here."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
