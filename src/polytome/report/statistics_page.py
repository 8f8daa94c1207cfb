"""The page about a table of coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Protocol

from polytome.pages import base_styles, document
from polytome.report import Report

__all__ = ["Shown", "statistics_report"]


class Shown(Protocol):
    """What shows itself in HTML."""

    def _repr_html_(self) -> str: ...


def statistics_report(title: str, tables: Sequence[tuple[str, Shown]], sentences: Sequence[str]) -> Report:
    """A page of tables, and of sentences such as tests.

    Args:
        title: of the page.
        tables: each with its heading.
        sentences: below the first table.

    Example:
        >>> from polytome.inference.display import Summary
        >>> table = Summary("A table", (), ("", "value"), (("", (("age", "2.5"),)),), ())
        >>> "<td" in statistics_report("Of people.csv", [("Coefficients", table)], []).html
        True
    """
    parts = []
    for place, (heading, table) in enumerate(tables):
        parts.append(f'<h2>{escape(heading)}</h2>\n<div class="wide">{table._repr_html_()}</div>')
        if place == 0 and sentences:
            parts.append("<h2>Tests</h2>\n<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences) + "</ul>")
    sheet = files("polytome.report").joinpath("report.css").read_text(encoding="utf-8")
    head = f"<style>\n{base_styles()}{sheet}</style>"
    return Report(document(title, "Coefficients with standard errors.", "\n".join(parts), head=head))
