"""`polytome lesson`: the documents' examples, recomputed, in the terminal or as pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.options import Json
from polytome.cli.output import live_line, make_console, print_json
from polytome.cli.show import show_table

if TYPE_CHECKING:
    from polytome.teaching.lesson import Lesson
    from polytome.teaching.page import Figure, Page

__all__ = ["lesson", "lesson_as_json"]


def lesson(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which lesson; without it, all are listed.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every lesson; needs --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for self-contained HTML pages.", metavar="DIR")] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the figures of a printed lesson (default: named after the lesson).", metavar="DIR"
        ),
    ] = None,
    flashcards: Annotated[
        Path | None, typer.Option(help="Write the flashcards for Anki: a .apkg or a .txt file.", metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the lessons, print one, or write them as pages.

    Every number on a page is computed when the page is made and compared with
    what the source documents print.

    \b
    Examples:
      polytome lesson
      polytome lesson softmax-by-hand
      polytome lesson softmax-by-hand --out pages
      polytome lesson --all --out site
      polytome lesson --flashcards cards.apkg
    """
    from polytome.errors import ArgumentError
    from polytome.lessons import all_flashcards, catalogue, find_lesson, run_lesson

    if every and (name is not None or out is None):
        raise ArgumentError("--all writes every lesson as a page: give --out DIR, and no lesson's name")
    if out is not None and not (every or name):
        raise ArgumentError("--out writes pages: name a lesson, or give --all")
    chosen = find_lesson(name) if name is not None else None
    if every or chosen or flashcards:
        _refuse_without_extra()
    if flashcards is not None:
        from polytome.teaching.flashcards import write_flashcards

        count = write_flashcards(flashcards, all_flashcards())
        print(f"{count} flashcards written to {flashcards}")
    if out is not None:
        _write_pages(list(catalogue()) if chosen is None else [chosen], out)
    elif chosen is not None and as_json:
        print_json(lesson_as_json(chosen, run_lesson(chosen)))
    elif chosen is not None:
        _print(chosen, run_lesson(chosen), figures)
    elif flashcards is None:
        _list(list(catalogue()), as_json)


def _refuse_without_extra() -> None:
    """Raises MissingExtraError before any work if a library that shows lessons is not installed."""
    from importlib.util import find_spec

    from polytome.errors import MissingExtraError

    for module in ("matplotlib", "markdown_it", "mdit_py_plugins", "latex2mathml", "pylatexenc", "pygments", "genanki"):
        if find_spec(module) is None:
            raise MissingExtraError(f'lessons need {module}, which is not installed: pip install "polytome[lessons]"')


def _list(lessons: list[Lesson], as_json: bool) -> None:
    if as_json:
        print_json({"lessons": [{"name": each.name, "title": each.title, "summary": each.summary} for each in lessons]})
        return
    show_table(make_console(), "Lessons, in learning order", ("name", "what"), [(e.name, e.summary) for e in lessons])


def _print(chosen: Lesson, page: Page, folder: Path | None) -> None:
    from polytome.files.atomic_files import atomic_output
    from polytome.teaching.terminal import lesson_console, print_lesson

    target = folder or Path(chosen.name)

    def save(figure: Figure) -> str:
        from polytome.plots.drawing import png_bytes

        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{figure.name}.png"
        with atomic_output(path) as file:
            file.write(png_bytes(figure.draw()))
        return str(path)

    print_lesson(chosen, page, lesson_console(), save)


def _write_pages(lessons: list[Lesson], folder: Path) -> None:
    """Each lesson as a page, and the list of all beside them where all are written."""
    from polytome.files.atomic_files import atomic_output
    from polytome.lessons import run_lesson
    from polytome.teaching.html import index_page, lesson_page

    folder.mkdir(parents=True, exist_ok=True)
    neighbours = [None, *lessons, None]
    with live_line() as report:
        for place, each in enumerate(lessons):
            report(f"{place + 1} of {len(lessons)}: {each.title}")
            text = lesson_page(each, run_lesson(each), neighbours[place], neighbours[place + 2])
            with atomic_output(folder / f"{each.name}.html") as file:
                file.write(text.encode("utf-8"))
    if len(lessons) > 1:
        with atomic_output(folder / "index.html") as file:
            file.write(index_page(lessons).encode("utf-8"))
    first = folder / ("index.html" if len(lessons) > 1 else f"{lessons[0].name}.html")
    print(f"{len(lessons)} {'pages' if len(lessons) > 1 else 'page'} written; open {first}")


def lesson_as_json(chosen: Lesson, page: Page) -> dict[str, Any]:
    """A lesson and its blocks as plain values; figures by their captions and descriptions."""
    from dataclasses import fields

    def plain(block: Any) -> dict[str, Any]:
        parts = {field.name: getattr(block, field.name) for field in fields(block) if field.name != "draw"}
        if "verdicts" in parts:
            parts["verdicts"] = [vars(verdict) for verdict in parts["verdicts"]]
        return {"type": type(block).__name__.lower(), **parts}

    return {"name": chosen.name, "title": chosen.title, "blocks": [plain(block) for block in page.blocks]}
