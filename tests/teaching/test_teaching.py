"""What a lesson is made of: verdicts that can go both ways, and blocks shown in HTML and in a
terminal."""

from __future__ import annotations

import re

import numpy as np
import pytest

from polytome.errors import ArgumentError
from polytome.teaching.documents import DOCUMENTS, errata, identities, judge_identity, judge_number, numbers
from polytome.teaching.lesson import Lesson
from polytome.teaching.page import Page

LESSON = Lesson("one", "One & only", "What it shows.")


def test_the_documents_have_74_numbers_40_identities_and_61_errata():
    assert (len(numbers()), len(identities()), len(errata())) == (74, 40, 61)


@pytest.mark.parametrize("name", numbers())
def test_every_number_can_be_missed(name):
    """A verdict that agreed with anything would prove nothing."""
    number = numbers()[name]
    target = number.right if number.fault else number.reference if number.printed is None else number.printed
    if number.rule == "within":
        right, wrong = (target, target), ([value + 1 for value in target], [value + 2 for value in target])
    elif number.rule == "contains":
        right, wrong = [*target, "more"], target[1:]
    elif number.rule == "equal":
        right, wrong = target, "something else"
    else:
        exact = np.array(target, dtype=object).astype(float)
        right, wrong = (
            exact,
            np.where(np.isfinite(exact), exact + 3 * max(number.tolerance, 1e-9) * (1 + abs(exact)), 0),
        )
    assert judge_number(name, right).outcome == ("fault of the document" if number.fault else "agrees")
    assert judge_number(name, wrong).outcome == "disagrees"


@pytest.mark.parametrize("name", [name for name, number in numbers().items() if number.fault])
def test_a_fault_of_a_document_is_one(name):
    """What is printed must differ from what is right."""
    number = numbers()[name]
    assert number.printed != number.right
    assert judge_number(name, number.printed).outcome == "disagrees"


@pytest.mark.parametrize("name", identities())
def test_every_identity_can_fail(name):
    identity = identities()[name]
    outcomes = {judge_identity(name, 0.0).outcome, judge_identity(name, 1.0).outcome}
    assert outcomes == ({"agrees", "disagrees"} if identity.holds else {"fault of the document", "disagrees"})
    assert judge_identity(name, float("nan")).outcome != "agrees"


def test_wrong_names_are_refused():
    page = Page()
    for wrong in (lambda: page.number("S9-99", 1), lambda: page.identity("I-99", 0.0)):
        with pytest.raises(ArgumentError, match="no such entry"):
            wrong()
    with pytest.raises(ArgumentError, match="no such erratum"):
        page.erratum("009-1", wrong="", right="", shown="")
    with pytest.raises(ArgumentError, match="needs 2 cells"):
        page.table(("a", "b"), [(1,)])
    assert page.blocks == []


@pytest.fixture
def full_page() -> Page:
    """A page with a block of every kind but a figure, and text that would break careless HTML."""
    page = Page()
    page.text("## A <head>\n\nIf $a < b$ & `x<y>` then\n\n$$\\frac{a}{b} < 1$$")
    page.code(judge_identity)
    page.table(("symbol", "$W$"), [("a < b", 2 / 3), ("$z_1$", np.eye(2))], "Values <here>")
    page.number("S4-01", 0.5)
    page.identity("I-14-erratum", 4.3)
    page.erratum("000-1", wrong="$1 - p$", right="$p - y$", shown="from 0.69 to 9.2 [so]")
    page.question("Which?", ["this", "that"], 1, "Because $1 < 2$.")
    page.question("Why?", [], 0, "So.")
    page.flashcard("Front $x$", "Back", ["tag"])
    page.skip("The data is not here: set POLYTOME_DATA.", ["S0-15"])
    return page


def test_html_is_whole_and_loads_nothing(full_page):
    pytest.importorskip("markdown_it")
    from html.parser import HTMLParser

    from polytome.teaching.html import index_page, lesson_page

    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.unbalanced = [], []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "br", "img", "link", "hr"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            if not self.open or self.open.pop() != tag:
                self.unbalanced.append(tag)

    for text in (lesson_page(LESSON, full_page, None, LESSON), index_page([LESSON])):
        parser = Balance()
        parser.feed(text)
        assert not parser.open
        assert not parser.unbalanced
        assert "<script" not in text
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
        assert 'lang="en"' in text
        assert "One &amp; only" in text
    assert "x&lt;y&gt;" in lesson_page(LESSON, full_page)


def test_a_terminal_of_80_columns_shows_every_block(full_page):
    pytest.importorskip("rich")
    import io

    from polytome.teaching.terminal import lesson_console, print_lesson

    console = lesson_console()
    console.file, console.width = io.StringIO(), 80
    print_lesson(LESSON, full_page, console)
    text = console.file.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    for part in ("a/b < 1", "✓ agrees", "✎ fault of the document", "[so]", "Answer b)", "Not run here", "[1. 0.]"):
        assert part in text


def test_json_of_a_lesson_has_every_block(full_page):
    pytest.importorskip("typer")
    import json

    from polytome.cli.lesson import lesson_as_json

    found = json.loads(json.dumps(lesson_as_json(LESSON, full_page), default=lambda value: value.tolist()))
    assert [block["type"] for block in found["blocks"]] == [type(block).__name__.lower() for block in full_page.blocks]


def test_the_index_names_the_documents_by_title_and_author() -> None:
    pytest.importorskip("markdown_it")
    from polytome.teaching.html import index_page

    page = index_page([LESSON])
    for title in DOCUMENTS.values():
        assert title in page
