"""Lessons: everything in the source documents, recomputed, and what they leave out.

There is one file for each lesson. Its docstring begins with "Title: what it shows."; its function
`lesson(page)` computes and fills a page. A file can be run as a script,
`python -m polytome.lessons.softmax_by_hand`, with the same result as
`polytome lesson softmax-by-hand`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from polytome.errors import ArgumentError
from polytome.plain.names import close_name
from polytome.teaching.lesson import Lesson

if TYPE_CHECKING:
    from polytome.teaching.page import Flashcard, Page

__all__ = ["all_flashcards", "catalogue", "find_lesson", "print_script", "run_lesson"]

_IN_ORDER = (
    "linear-regression",
    "line-to-sigmoid",
    "four-neurons",
    "cost-and-derivatives",
    "batch-gradient-descent",
    "stochastic-descent",
    "iris-virginica",
    "softmax",
    "softmax-by-hand",
    "where-cross-entropy-comes-from",
    "information",
    "logits-and-losses",
    "jacobians",
    "softmax-iris",
    "softmax-pytorch",
    "many-classes",
    "mnist",
    "penalties",
    "inference",
    "linked-notebooks",
    "notation",
    "quizzes",
    "flashcards",
)


@cache
def catalogue() -> tuple[Lesson, ...]:
    """The lessons, in learning order.

    Example:
        >>> catalogue()[0].title
        'Linear regression'
    """
    return tuple(
        _described(name)
        for name in _IN_ORDER
        if files("polytome.lessons").joinpath(f"{name.replace(chr(45), chr(95))}.py").is_file()
    )


def find_lesson(name: str) -> Lesson:
    """The lesson with a given name.

    Raises:
        ArgumentError: there is no such lesson; the closest name is suggested.

    Example:
        >>> find_lesson("softmax-by-hand").title
        'Softmax by hand'
    """
    known = {lesson.name: lesson for lesson in catalogue()}
    if name in known:
        return known[name]
    close = close_name(name.replace("_", "-").replace(" ", "-"), known, cutoff=0.4)
    hint = f"; did you mean {close!r}?" if close is not None else ";"
    raise ArgumentError(f"{name!r}: no such lesson{hint} `polytome lesson` lists them all")


def run_lesson(lesson: Lesson) -> Page:
    """The page that a lesson fills; everything on it is computed by this call."""
    from polytome.teaching.page import Page

    page = Page()
    import_module(f"polytome.lessons.{lesson.module}").lesson(page)
    return page


def all_flashcards() -> Iterator[Flashcard]:
    """All cards, in the order of the lesson that shows them; it runs when the first card is asked
    for.

    Example:
        >>> len(list(all_flashcards())) > 3
        True
    """
    from polytome.teaching.page import Flashcard

    page = run_lesson(find_lesson("flashcards"))
    yield from (block for block in page.blocks if isinstance(block, Flashcard))


def print_script(path: str) -> None:
    """Run the lesson of a file and print it without figures: what the file does when it is run by
    itself."""
    from polytome.teaching.terminal import lesson_console, print_lesson

    lesson = find_lesson(Path(path).stem.replace("_", "-"))
    print_lesson(lesson, run_lesson(lesson), lesson_console())


def _described(name: str) -> Lesson:
    """Title and summary from the first line of a lesson's docstring, without running it."""
    path = files("polytome.lessons").joinpath(f"{name.replace('-', '_')}.py")
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    title, _, summary = documentation.split("\n\n")[0].replace("\n", " ").partition(": ")
    return Lesson(name, title, summary[:1].upper() + summary[1:])
