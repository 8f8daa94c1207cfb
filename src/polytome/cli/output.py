"""Where output goes: results to stdout, everything about the work itself to stderr, with `--json`
nothing but JSON."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import typer

from polytome.plain.values import plain

if TYPE_CHECKING:  # rich takes as long to import as the help takes
    from rich.console import Console

__all__ = [
    "command_line",
    "live_line",
    "make_console",
    "print_json",
    "printable",
    "quietly",
    "show_notes",
    "show_warning",
]

_WIDEST = 100
_IS_QUIET = ContextVar("_IS_QUIET", default=False)


def command_line(context: typer.Context) -> str:
    """The command that runs, as it would be typed."""
    return shlex.join(["polytome", *context.meta["polytome.arguments"]])


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console that prints text as it is, and respects NO_COLOR and whether the output is a
    terminal; a quiet one prints nothing."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    console.width = min(console.width, _WIDEST)
    console.quiet = quiet or (_IS_QUIET.get() and not stderr)
    return console


@contextmanager
def quietly() -> Iterator[None]:
    """Write no results, notes and progress while the context lasts; warnings and errors remain."""
    before = _IS_QUIET.set(True)
    try:
        yield
    finally:
        _IS_QUIET.reset(before)


def printable(value: object) -> str:
    """A label or a name without the control characters that could control a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object; arrays become lists, and what JSON cannot hold, infinity and NaN,
    becomes null."""
    print(json.dumps(plain(value), ensure_ascii=False, allow_nan=False), flush=True)


def show_notes(notes: Iterable[str]) -> None:
    """Print what was noticed while a table was read."""
    for note in () if _IS_QUIET.get() else notes:
        print(f"Note: {printable(note)}", file=sys.stderr)


def show_warning(sentence: str) -> None:
    """Print a warning that does not stop the command."""
    from rich.text import Text

    make_console(stderr=True).print(Text(f"Warning: {sentence}", style="yellow"), soft_wrap=True)


@contextmanager
def live_line() -> Iterator[Callable[[str], None]]:
    """A line on stderr that is overwritten as work goes on; nothing where stderr is not a
    terminal."""
    console = make_console(stderr=True)
    if not console.is_terminal or _IS_QUIET.get():
        yield lambda _: None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(Text(""), console=console, transient=True, refresh_per_second=8) as live:
        yield lambda text: live.update(Text(printable(text), style="dim", no_wrap=True, overflow="ellipsis"))
