"""Tables as text of 80 columns, Markdown, LaTeX and HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

__all__ = ["Summary", "number", "p_text"]

_WIDTH = 80
_MOST_NAME = 24
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{each: "\\" + each for each in "&%$#_{}"},
}


def number(value: float, digits: int = 5) -> str:
    """A number as tables show it; what is not estimated is NA.

    Example:
        >>> number(2.82611297), number(-0.0000226), number(float("inf")), number(float("nan"))
        ('2.8261', '-2.26e-05', '+inf', 'NA')
    """
    if np.isnan(value):
        return "NA"
    if np.isinf(value):
        return "+inf" if value > 0 else "-inf"
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e6):
        return f"{value:.2e}"
    text = f"{value:#.{digits}g}"
    return text.rstrip(".")


def p_text(value: float) -> str:
    """A p-value as tables show it.

    Example:
        >>> p_text(0.0255), p_text(3e-7), p_text(float("nan"))
        ('0.0255', '3.0e-07', 'NA')
    """
    if np.isnan(value):
        return "NA"
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"


@dataclass(frozen=True)
class Summary:
    """A table with what stands above and below it; prints as text of 80 columns, and shows itself
    in notebooks.

    Attributes:
        title: the first line.
        facts: sentences above the table.
        columns: headings; the first is of the names.
        groups: for each equation its heading, empty where there is one equation, and its lines,
            cells as text.
        notes: sentences below the table.

    Example:
        >>> print(Summary("A table", ("1 row",), ("", "value"), (("", (("age", "2.5"),)),), ()))
        A table
        1 row
        <BLANKLINE>
             value
        age    2.5
    """

    title: str
    facts: tuple[str, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [part for text in (self.title, *self.facts) for part in textwrap.wrap(text, _WIDTH)]
        widths = [max(len(row[j]) for row in self._all_rows()) + 2 for j in range(1, len(self.columns))]
        room = _WIDTH - sum(widths)
        name = min(max(len(row[0]) for row in self._all_rows()), max(min(room, _MOST_NAME), 1))
        for heading, rows in self.groups:
            if heading:
                lines += ["", *textwrap.wrap(heading, _WIDTH)]
            else:
                lines.append("")
            lines.append(_line(("", *self.columns[1:]), name, widths))
            for row in rows:
                if len(row[0]) > name:
                    lines += textwrap.wrap(row[0], _WIDTH)
                    row = ("", *row[1:])
                lines.append(_line(row, name, widths))
        if self.notes:
            lines += ["", *(part for note in self.notes for part in textwrap.wrap(note, _WIDTH))]
        return "\n".join(lines)

    def _all_rows(self) -> list[tuple[str, ...]]:
        return [("", *self.columns[1:]), *(row for _, rows in self.groups for row in rows)]

    def to_markdown(self) -> str:
        """The table for Markdown, one for each equation."""
        parts = [f"**{_marked(self.title)}**", *map(_marked, self.facts)]
        for heading, rows in self.groups:
            head = "| " + " | ".join((_marked(heading or self.columns[0]), *self.columns[1:])) + " |"
            rule = "|:--|" + "--:|" * (len(self.columns) - 1)
            parts.append("\n".join([head, rule, *("| " + " | ".join(map(_marked, row)) + " |" for row in rows)]))
        return "\n\n".join([*parts, *map(_marked, self.notes)])

    def to_latex(self) -> str:
        """The table for LaTeX, a `tabular` between rules, with what stands below it as text."""
        lines = [r"\begin{tabular}{l" + "r" * (len(self.columns) - 1) + "}", r"\hline"]
        for heading, rows in self.groups:
            lines += [_latex_row((heading or self.columns[0], *self.columns[1:])), r"\hline"]
            lines += [_latex_row(row) for row in rows]
            lines.append(r"\hline")
        lines.append(r"\end{tabular}")
        return "\n".join(
            [f"% {self.title}", *lines, *(rf"\par\noindent {_latex(note)}" for note in (*self.facts, *self.notes))]
        )

    def _repr_html_(self) -> str:
        parts = [*(f"<p>{escape(fact)}</p>" for fact in self.facts)]
        parts.append(f'<table><caption style="text-align:left">{escape(self.title)}</caption>')
        for heading, rows in self.groups:
            cells = "".join(_cell("th", each, "col", "right") for each in self.columns[1:])
            parts.append(f"<tbody><tr>{_cell('th', heading or self.columns[0], 'col', 'left')}{cells}</tr>")
            for row in rows:
                values = "".join(_cell("td", each, None, "right") for each in row[1:])
                parts.append(f"<tr>{_cell('th', row[0], 'row', 'left')}{values}</tr>")
            parts.append("</tbody>")
        return "".join([*parts, "</table>", *(f"<p>{escape(note)}</p>" for note in self.notes)])


def _cell(kind: str, text: str, scope: str | None, side: str) -> str:
    about = f' scope="{scope}"' if scope else ""
    return f'<{kind}{about} style="text-align:{side}">{escape(text)}</{kind}>'


def _line(row: Sequence[str], name: int, widths: Sequence[int]) -> str:
    cells = (cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))
    return (row[0].ljust(name) + "".join(cells)).rstrip()


def _marked(text: str) -> str:
    for letter in "\\`*_|<>":
        text = text.replace(letter, "\\" + letter)
    return text


def _latex(text: Any) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in str(text))


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(map(_latex, row)) + r" \\"
