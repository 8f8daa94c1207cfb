"""`polytome play`: the playground in the browser."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["play"]

_MOST_FILE_BYTES = 5_000_000


def play(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE.csv]", show_default=False, help="A table of your own, offered beside the others."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where it listens; 0 for any free port.")] = 8001,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Which address; any but this machine's own needs --token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", envvar="POLYTOME_TOKEN", show_default=False, help="What visitors must know."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
) -> None:
    """Watch gradient descent learn, step by step, in the browser.

    Points, a loss, a way to descend and a learning rate of your choice; every
    step is one of the library's own solvers. A link holds the whole state.

    \b
    Examples:
      polytome play
      polytome play people.csv
      polytome play --host 0.0.0.0 --token SECRET --no-browser
    """
    from polytome.errors import ArgumentError, MissingExtraError

    try:
        import uvicorn

        from polytome.play.app import make_app
        from polytome.serve.protection import is_loopback
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "fastapi", "starlette"):
            raise
        raise MissingExtraError(f'the playground needs {error.name}: pip install "polytome[serve]"') from error
    if token is None and not is_loopback(host):
        raise ArgumentError(f"--host {host}: others could reach it; give --token as well, which visitors are asked for")
    app = make_app(None if file is None else _table(file), token)
    sock = _listen(host, port)
    address = f"http://{_in_address(host)}:{sock.getsockname()[1]}/"
    print(f"Playground: {address}  (Ctrl-C stops it)", flush=True)
    if not no_browser and _has_display():
        import webbrowser

        webbrowser.open(address)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[sock])


def _table(path: Path) -> tuple[str, bytes]:
    """Name and content of a table; raises where it cannot be used, before anything listens."""
    from polytome.errors import FileError
    from polytome.play.points import load_points
    from polytome.play.settings import Settings

    content = path.read_bytes()
    if len(content) > _MOST_FILE_BYTES:
        raise FileError(f"{path}: has {len(content):,} bytes, at most {_MOST_FILE_BYTES:,} can be played with")
    load_points(Settings(data="file"), (path.name, content))
    return path.name, content


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, or an error that names the remedy."""
    from polytome.errors import ArgumentError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ArgumentError(
            f"--port {port}: cannot listen at {host} ({error.strerror}); choose another port"
        ) from error


def _in_address(host: str) -> str:
    """A host as it stands in an address; one that stands for all of this machine's, by the name of one."""
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _has_display() -> bool:
    """Whether a browser could open a window here."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
