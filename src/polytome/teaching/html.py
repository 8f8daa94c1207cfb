"""A page as self-contained HTML: styles, formulas and figures are in the file.

It follows the reader's light or dark colours, can be printed, works with the keyboard alone, and
has no script.
"""

from __future__ import annotations

from base64 import b64encode
from functools import singledispatch
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from polytome.pages import base_styles, document
from polytome.teaching import page as blocks
from polytome.teaching.documents import DOCUMENTS, Verdict
from polytome.teaching.lesson import Lesson
from polytome.teaching.markup import code_html, code_styles, html, inline_html
from polytome.teaching.wording import cell_text, comparison, outcome_text

__all__ = ["fragment", "index_page", "lesson_page", "lesson_styles"]

_MARKS = {"agrees": "good", "fault of the document": "fault", "disagrees": "bad", "not computed": "open"}


def lesson_page(lesson: Lesson, page: blocks.Page, before: Lesson | None = None, after: Lesson | None = None) -> str:
    """A whole HTML document with one lesson; its figures are drawn now."""
    # A single page has no list beside it.
    links = ['<a href="index.html">All lessons</a>'] if before or after else []
    if before is not None:
        links.append(f'<a rel="prev" href="{before.name}.html">Before: {escape(before.title)}</a>')
    if after is not None:
        links.append(f'<a rel="next" href="{after.name}.html">Next: {escape(after.title)}</a>')
    return _document(lesson.title, lesson.summary, " ".join(links), fragment(lesson, page))


def index_page(lessons: list[Lesson]) -> str:
    """A whole HTML document that lists lessons."""
    entries = "\n".join(
        f'<li><a href="{lesson.name}.html">{escape(lesson.title)}</a><br>{inline_html(lesson.summary)}</li>'
        for lesson in lessons
    )
    text = (
        "Everything in five source documents on logistic and softmax regression, recomputed; and what comes next, "
        "penalties and inference."
    )
    named = "\n".join(f"<li>{number}: {escape(title)}</li>" for number, title in DOCUMENTS.items())
    body = f'<p class="summary">{text}</p>\n<ol class="contents">\n{entries}\n</ol>'
    return _document("Lessons", text, "", f"{body}\n<h2>The documents</h2>\n<ul>\n{named}\n</ul>")


def fragment(lesson: Lesson, page: blocks.Page) -> str:
    """The blocks of a page as HTML, to be put into a document that has `lesson_styles()`."""
    parts = [f'<p class="summary">{inline_html(lesson.summary)}</p>']
    numbered = 0
    for block in page.blocks:
        if isinstance(block, blocks.Figure):
            numbered += 1
            parts.append(_figure(block, numbered))
        elif isinstance(block, blocks.Question) and block.figure is not None:
            numbered += 1
            parts.append(_question(block, _figure(block.figure, numbered)))
        else:
            parts.append(_shown(block))
    return "\n".join(parts)


def lesson_styles(light: str = "", dark: str = "") -> str:
    """The style sheet of a fragment; `light` and `dark` are the selectors of the colours of code.

    Without them the colours follow the reader's system.
    """
    sheet = files("polytome.teaching").joinpath("lesson.css").read_text(encoding="utf-8")
    return f"{sheet}\n{code_styles(light, dark)}"


def _document(title: str, description: str, links: str, body: str) -> str:
    return document(
        title,
        description,
        body,
        head=f"<style>\n{base_styles()}\n{lesson_styles()}\n</style>",
        navigation=f'<nav aria-label="Lessons">{links}</nav>' if links else "",
        kind="lesson",
    )


def _figure(block: blocks.Figure, number: int) -> str:
    from polytome.plots.drawing import svg_bytes

    picture = b64encode(svg_bytes(block.draw())).decode("ascii")
    return (
        f'<figure id="{escape(block.name)}"><img src="data:image/svg+xml;base64,{picture}" '
        f'alt="{escape(block.alternative)}"><figcaption><b>Figure {number}.</b> {inline_html(block.caption)}'
        "</figcaption></figure>"
    )


@singledispatch
def _shown(block: Any) -> str:
    raise TypeError(f"no way to show {type(block).__name__}")


@_shown.register
def _(block: blocks.Text) -> str:
    return html(block.markdown)


@_shown.register
def _(block: blocks.Code) -> str:
    return code_html(block.source)


@_shown.register
def _(block: blocks.Table) -> str:
    rows = ["".join(_cell(cell) for cell in row) for row in block.rows]
    return _table([inline_html(head) for head in block.heads], rows, inline_html(block.caption))


@_shown.register
def _(block: blocks.Check) -> str:
    rows = [_verdict_row(verdict) for verdict in block.verdicts]
    return _table(["", "What", "Values", "Verdict"], rows, "Printed and computed", "verdicts")


@_shown.register
def _(block: blocks.Correction) -> str:
    rows = "".join(
        f"<dt>{name}</dt><dd>{inline_html(text)}</dd>"
        for name, text in (("Wrong", block.wrong), ("Right", block.right), ("Shown", block.shown))
    )
    return (
        f'<aside class="erratum" id="erratum-{block.id}"><p><b>Erratum {block.id}</b> ({escape(block.kind)})</p>'
        f"<dl>{rows}</dl></aside>"
    )


@_shown.register
def _(block: blocks.Question) -> str:
    return _question(block)


def _question(block: blocks.Question, figure: str = "") -> str:
    """A question whose answer, and the figure that shows it, unfold."""
    letters = "abcdefghij"
    options = "".join(f"<li>{inline_html(option)}</li>" for option in block.options)
    answer = f"<b>{letters[block.answer]})</b> " if block.options else ""
    return (
        f'<div class="question"><p><b>{inline_html(block.prompt)}</b></p>'
        + (f'<ol type="a">{options}</ol>' if options else "")
        + f"<details><summary>Answer</summary><p>{answer}{inline_html(block.explanation)}</p>{figure}</details></div>"
    )


@_shown.register
def _(block: blocks.Flashcard) -> str:
    return (
        f'<div class="question">{html(block.front)}<details><summary>Turn the card</summary>{html(block.back)}'
        "</details></div>"
    )


@_shown.register
def _(block: blocks.Skipped) -> str:
    return f'<p class="skipped"><b>Not run here.</b> {inline_html(block.why)}</p>'


def _verdict_row(verdict: Verdict) -> str:
    note = f"<br><small>{escape(verdict.note)}</small>" if verdict.note else ""
    values = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in comparison(verdict))
    return (
        f'<th scope="row" id="{verdict.id}">{verdict.id}</th><td>{escape(verdict.what)}{note}</td>'
        f'<td><dl>{values}</dl></td><td class="{_MARKS[verdict.outcome]}">{escape(outcome_text(verdict))}</td>'
    )


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{inline_html(value)}</td>"
    if isinstance(value, np.ndarray):
        return f"<td><pre>{escape(cell_text(value))}</pre></td>"
    return f'<td class="number">{escape(cell_text(value))}</td>'


def _table(heads: list[str], rows: list[str], caption: str, kind: str = "values") -> str:
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    title = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">{title}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
