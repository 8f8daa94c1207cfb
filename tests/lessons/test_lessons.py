"""The lessons: each runs, shows what the documents print, and agrees; together they leave nothing
out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest

from polytome.errors import ArgumentError
from polytome.lessons import catalogue, find_lesson, run_lesson
from polytome.teaching.diagrams import layer
from polytome.teaching.documents import errata, identities, numbers
from polytome.teaching.formulas import FORMULA, mathml, plain
from polytome.teaching.html import fragment
from polytome.teaching.page import Code, Correction, Figure, Flashcard, Page, Question, Skipped, Table, Text

LESSONS = [lesson.name for lesson in catalogue()]


@cache
def page_of(name: str) -> Page:
    """The page of a lesson, run once for all tests of a process."""
    return run_lesson(find_lesson(name))


@cache
def figures_of(name: str) -> list[tuple[Figure, Any]]:
    """The figures of a lesson, each drawn once."""
    blocks = page_of(name).blocks
    found = [block.figure if isinstance(block, Question) else block for block in blocks]
    return [(block, block.draw()) for block in found if isinstance(block, Figure)]


@pytest.fixture(params=LESSONS)
def page(request: pytest.FixtureRequest) -> Page:
    return page_of(request.param)


@pytest.mark.parametrize("lesson", catalogue(), ids=lambda lesson: lesson.name)
def test_lessons_say_what_they_are(lesson):
    assert lesson.title
    assert lesson.summary.endswith(".")
    assert len(f"{lesson.title}: {lesson.summary}") <= 130


def test_nothing_disagrees_with_the_documents(page):
    wrong = [verdict for verdict in page.verdicts if verdict.outcome == "disagrees"]
    assert not wrong


@pytest.mark.parametrize("name", LESSONS)
def test_nothing_is_drawn_beyond_the_paper(name):
    pytest.importorskip("matplotlib")
    for block, figure in figures_of(name):
        left, bottom, right, top = figure.get_tightbbox().extents
        width, height = figure.get_size_inches()
        assert min(left, bottom, width - right, height - top) > -0.01, block.name  # inches


def test_what_could_not_run_says_why(page):
    skipped = [block for block in page.blocks if isinstance(block, Skipped)]
    assert all(len(block.why) > 20 for block in skipped)
    if os.environ.get("POLYTOME_DATA"):
        assert not [block for block in skipped if "POLYTOME_DATA" in block.why]


def test_every_number_identity_and_erratum_has_one_place():
    pages = [page_of(name) for name in LESSONS]
    checked = Counter(verdict.id for page in pages for verdict in page.verdicts)
    assert checked == Counter([*numbers(), *identities()])
    corrected = Counter(block.id for page in pages for block in page.blocks if isinstance(block, Correction))
    assert corrected == Counter([*errata()])


def test_every_lesson_shows_figures_or_asks(page):
    assert any(isinstance(block, Figure | Question | Flashcard | Table | Skipped) for block in page.blocks)
    assert sum(isinstance(block, Text | Question | Flashcard) for block in page.blocks) >= 3


def texts(page: Page) -> list[str]:
    """Every Markdown text of a page."""
    found: list[str] = []
    for block in page.blocks:
        parts = vars(block).values()
        found += [part for part in parts if isinstance(part, str)]
        found += [item for part in parts if isinstance(part, tuple) for item in part if isinstance(item, str)]
        if isinstance(block, Table):
            found += [cell for row in block.rows for cell in row if isinstance(cell, str)]
    return found


def test_every_formula_can_be_shown_in_a_browser_and_in_a_terminal(page):
    formulas = [found["display"] or found["inline"] for text in texts(page) for found in FORMULA.finditer(text)]
    for latex in formulas:
        assert mathml(latex).startswith("<math")
        characters = plain(latex)
        assert characters
        assert "\\" not in characters.replace("\\n", "")


def test_numbers_in_the_text_are_not_the_python_kind(page):
    """`np.float64(0.5)` or an array's repr in running text is a slip."""
    code = {block.source for block in page.blocks if isinstance(block, Code)}
    assert not [text for text in texts(page) if text not in code and ("np.float64(" in text or "array(" in text)]


@pytest.mark.parametrize("name", LESSONS)
def test_figures_are_drawn_with_labelled_axes(name):
    """Their files are made where the documents are built."""
    pytest.importorskip("matplotlib")
    from polytome.plots.drawing import unlabelled

    names = [block.name for block, _ in figures_of(name)]
    assert len(names) == len(set(names))
    for block, figure in figures_of(name):
        assert len(block.alternative) > 30, block.name
        assert block.caption.rstrip().endswith((".", "?")), block.name
        assert not unlabelled(figure), block.name


def test_a_lesson_runs_as_a_file():
    pytest.importorskip("rich")
    run = subprocess.run(
        [sys.executable, "-m", "polytome.lessons.softmax"],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    )
    assert "0.66524096" in run.stdout
    assert max(len(line.rstrip()) for line in run.stdout.splitlines()) <= 80


def test_an_unknown_lesson_suggests_the_nearest():
    with pytest.raises(ArgumentError, match="did you mean 'softmax-by-hand'"):
        find_lesson("softmax by hands")
    with pytest.raises(ArgumentError, match="lists them all"):
        find_lesson("zzzz")


def test_two_runs_give_the_same_page():
    def shown(page: Page) -> list[str]:
        return [repr(block) for block in page.blocks if not isinstance(block, Figure)]

    assert shown(page_of("stochastic-descent")) == shown(run_lesson(find_lesson("stochastic-descent")))


def test_a_figure_of_a_quiz_unfolds_with_the_answer() -> None:
    page = page_of("quizzes")
    assert not [block for block in page.blocks if isinstance(block, Figure)]
    assert [block.figure.name for block in page.blocks if isinstance(block, Question) and block.figure] == [
        "quiz-model",
        "quiz-outliers",
    ]
    assert isinstance(page.blocks[-1], Correction)  # which has an answer, too
    figure = Figure("drawn", "It is 15.", "Fifteen arrows.", lambda: layer(4, 3))
    asked = Page()
    asked.question("How many?", (), 0, "Fifteen.", figure)
    html = fragment(find_lesson("quizzes"), asked)
    before, _, answer = html.partition("<details>")
    assert "Fifteen" not in before
    assert "It is 15." in answer.partition("</details>")[0]
