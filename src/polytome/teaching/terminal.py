"""A page in a terminal: 80 columns, formulas as plain characters, figures by their captions."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table as Grid
from rich.text import Text as Words
from rich.theme import Theme

from polytome.teaching import page as blocks
from polytome.teaching.documents import Verdict
from polytome.teaching.formulas import FORMULA, plain, with_plain_formulas
from polytome.teaching.lesson import Lesson
from polytome.teaching.wording import cell_text, comparison, outcome_text

__all__ = ["lesson_console", "print_lesson", "print_verdicts"]

_WIDEST = 100
_STYLES = {"agrees": "green", "fault of the document": "yellow", "disagrees": "bold red", "not computed": "dim"}
SaveFigure = Callable[[blocks.Figure], str]
"""Saves a figure and says where."""


def lesson_console() -> Console:
    """A console at most 100 columns wide, without a background for code and headings."""
    theme = Theme({"markdown.code": "cyan", "markdown.h1": "bold", "markdown.h2": "bold", "markdown.h3": "bold"})
    console = Console(highlight=False, emoji=False, theme=theme)
    console.width = min(console.width, _WIDEST)
    return console


def print_lesson(lesson: Lesson, page: blocks.Page, console: Console, save_figure: SaveFigure | None = None) -> None:
    """Print a lesson; figures are saved by `save_figure`, or only described."""
    console.print(Words(lesson.title, style="bold underline"))
    console.print(Words(lesson.summary, style="italic"))
    for block in page.blocks:
        console.print()
        if not isinstance(block, blocks.Figure):
            console.print(_shown(block))
        figure = block if isinstance(block, blocks.Figure) else getattr(block, "figure", None)
        if figure is not None:
            place = f" [{save_figure(figure)}]" if save_figure is not None else ""
            console.print(_words(f"Figure: {figure.caption}{place}", style="magenta"))


def print_verdicts(console: Console, verdicts: list[Verdict]) -> None:
    """Print verdicts with their notes."""
    console.print(_verdict_list(verdicts))


@singledispatch
def _shown(block: Any) -> RenderableType:
    raise TypeError(f"no way to print {type(block).__name__}")


@_shown.register
def _(block: blocks.Text) -> RenderableType:
    parts: list[RenderableType] = []
    end = 0
    for found in FORMULA.finditer(block.markdown):
        if found["display"]:
            parts += [*_paragraphs(block.markdown[end : found.start()]), _formula(found["display"])]
            end = found.end()
    return Group(*parts, *_paragraphs(block.markdown[end:]))


@_shown.register
def _(block: blocks.Code) -> RenderableType:
    return Padding(
        Syntax(block.source, "python", theme="ansi_light", background_color="default", word_wrap=True), (0, 0, 0, 2)
    )


@_shown.register
def _(block: blocks.Table) -> RenderableType:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for place, head in enumerate(block.heads):
        numeric = all(isinstance(row[place], int | float) for row in block.rows)
        grid.add_column(_words(head), justify="right" if numeric else "left", overflow="fold")
    for row in block.rows:
        grid.add_row(*(_words(cell_text(cell)) for cell in row))
    return Group(_words(block.caption, style="bold"), grid) if block.caption else grid


@_shown.register
def _(block: blocks.Check) -> RenderableType:
    return Group(Words("Printed and computed", style="bold"), _verdict_list(list(block.verdicts)))


@_shown.register
def _(block: blocks.Correction) -> RenderableType:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, text in (("wrong", block.wrong), ("right", block.right), ("shown", block.shown)):
        grid.add_row(name, _words(text))
    return Group(Words(f"Erratum {block.id} ({block.kind})", style="bold yellow"), Padding(grid, (0, 0, 0, 2)))


@_shown.register
def _(block: blocks.Question) -> RenderableType:
    letters = [f"{letter})" for letter in "abcdefghij"]
    options = [_words(f"  {letter} {option}") for letter, option in zip(letters, block.options, strict=False)]
    answer = f"Answer {letters[block.answer]}" if block.options else "Answer:"
    return Group(
        _words(f"Question. {block.prompt}", style="bold"), *options, _words(f"{answer} {block.explanation}", "green")
    )


@_shown.register
def _(block: blocks.Flashcard) -> RenderableType:
    return Group(_words(f"Front: {block.front}", "bold"), _words(f"Back: {block.back}"))


@_shown.register
def _(block: blocks.Skipped) -> RenderableType:
    return _words(f"Not run here: {block.why}", "yellow")


def _verdict_list(verdicts: list[Verdict]) -> RenderableType:
    """Each verdict on separate lines: the columns of a table would be too narrow for lists of
    numbers."""
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for verdict in verdicts:
        head = Words(outcome_text(verdict), style=_STYLES[verdict.outcome])
        head.append(f": {verdict.what}", style="default")
        lines = [head, *(Words(f"{name:8}  {value}") for name, value in comparison(verdict))]
        if verdict.note:
            lines.append(Words(verdict.note, style="dim"))
        grid.add_row(verdict.id, Group(*lines))
    return grid


def _paragraphs(markdown: str) -> list[RenderableType]:
    text = markdown.strip()
    return [Markdown(with_plain_formulas(text), hyperlinks=False)] if text else []


def _formula(latex: str) -> RenderableType:
    return Padding(Words(plain(latex), style="cyan"), (1, 0, 1, 4))


def _words(markdown: str, style: str = "") -> Words:
    """One paragraph without Markdown's marks: formulas as characters, code as it is."""
    text = FORMULA.sub(lambda found: plain(found["display"] or found["inline"]), markdown)
    return Words(text.replace("**", "").replace("`", ""), style=style)
