"""Options of columns of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from polytome.cli.options import choice

__all__ = [
    "Analyzer",
    "Encoding",
    "Hashing",
    "Lowercase",
    "MaxFeatures",
    "MinCount",
    "Ngrams",
    "TextColumns",
    "TextGroup",
    "Tfidf",
]

_PANEL = "Options of texts"

TextColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="COLUMN",
        show_default=False,
        help="Count the terms of this column of text; may be given several times.",
        rich_help_panel=_PANEL,
    ),
]
Analyzer = Annotated[
    str | None,
    typer.Option(
        metavar="word|char|char_wb",
        callback=choice("word", "char", "char_wb"),
        show_default=False,
        help="What terms are made of: words (the default), characters, or characters of one word.",
        rich_help_panel=_PANEL,
    ),
]
Ngrams = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        show_default=False,
        help="The shortest and the longest run of words, or characters, that is a term, such as 1,2 (default: 1,1).",
        rich_help_panel=_PANEL,
    ),
]
MinCount = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        show_default=False,
        help="Leave out terms that occur in fewer of the training texts (default: 1).",
        rich_help_panel=_PANEL,
    ),
]
MaxFeatures = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        show_default=False,
        help="Keep at most this many terms, those that occur most often (default: all).",
        rich_help_panel=_PANEL,
    ),
]
Hashing = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|2^BITS",
        show_default=False,
        help="Hash terms to this many features instead of keeping a list of them, such as 2^18.",
        rich_help_panel=_PANEL,
    ),
]
Lowercase = Annotated[
    bool | None,
    typer.Option(
        "--lowercase/--no-lowercase",
        show_default=False,
        help="Whether upper and lower case are the same (default: yes).",
        rich_help_panel=_PANEL,
    ),
]
Tfidf = Annotated[
    bool | None,
    typer.Option(
        "--tfidf/--no-tfidf",
        show_default=False,
        help="Weight terms by how rare they are, and texts by their length; or count (default: weight).",
        rich_help_panel=_PANEL,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default=False,
        help="How a text table, or the texts of a folder, are encoded, as in cp1252 (default: UTF-8, or UTF-16 with "
        "its mark; texts of a folder that are not are read as Latin-1).",
    ),
]


@dataclass(frozen=True)
class TextGroup:
    """Which columns are texts, and how their terms are counted."""

    text: TextColumns = None
    analyzer: Analyzer = None
    ngrams: Ngrams = None
    min_count: MinCount = None
    max_features: MaxFeatures = None
    hashing: Hashing = None
    lowercase: Lowercase = None
    tfidf: Tfidf = None

    def reading(self) -> dict[str, Any]:
        """These options as texts are read by them."""
        from polytome.tables.text_columns import TextOptions

        given: dict[str, Any] = {
            "analyzer": self.analyzer,
            "ngrams": None if self.ngrams is None else _pair(self.ngrams),
            "min_count": self.min_count,
            "max_features": self.max_features,
            "hashing": None if self.hashing is None else _number(self.hashing),
            "lowercase": self.lowercase,
            "tfidf": self.tfidf,
        }
        given = {name: value for name, value in given.items() if value is not None}
        options = TextOptions(**given) if given else None
        return {"text": self.text or (), "text_options": options}


def _pair(text: str) -> tuple[int, int]:
    """`1,2`, or `2` for both."""
    if not (match := re.fullmatch(r"(\d{1,9})(?:,(\d{1,9}))?", text.replace(" ", ""))):
        raise typer.BadParameter(f"{text!r} is not LOW,HIGH, such as 1,2", param_hint="'--ngrams'")
    return int(match[1]), int(match[2] or match[1])


def _number(text: str) -> int:
    """`262144` or `2^18`."""
    if match := re.fullmatch(r"2(?:\^|\*\*)(\d{1,2})", text):
        return int(2 ** int(match[1]))
    if not re.fullmatch(r"\d{1,12}", text):
        raise typer.BadParameter(f"{text!r} is not a number of features, such as 2^18", param_hint="'--hashing'")
    return int(text)
