"""Flashcards as a file that Anki imports.

A package (`.apkg`) holds the cards with their style and opens with a double click; a text file
(`.txt`) holds the same cards in Anki's own text format, to be read, edited and imported by any
version. Formulas are left to Anki's MathJax. Cards keep their identity from version to version, so
that importing again updates them and keeps what was learned.

Reference: the Anki manual, "Importing text files",
https://docs.ankiweb.net/importing/text-files.html
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterable
from contextlib import closing
from io import BytesIO
from os import PathLike
from pathlib import Path

from polytome.errors import ArgumentError
from polytome.files.atomic_files import atomic_output, check_writable
from polytome.teaching.markup import html_for_mathjax
from polytome.teaching.page import Flashcard

__all__ = ["write_flashcards"]

_DECK = "Polytome: logistic and softmax regression"
_DECK_ID = 1_723_405_117  # any two numbers that never change
_MODEL_ID = 1_723_405_118
_STYLE = """\
.card { font: 20px/1.5 sans-serif; text-align: left; max-width: 40em; margin: 1em auto; padding: 0 1em; }
code { font-family: monospace; }
"""


def write_flashcards(path: str | PathLike[str], flashcards: Iterable[Flashcard]) -> int:
    """Write cards to a `.apkg` or `.txt` file, whole or not at all; the number of cards.

    Args:
        path: the file.
        flashcards: the cards; none is drawn before the path is known to be good.

    Raises:
        ArgumentError: the name ends in something else.
        FileError: the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".apkg", ".txt"):
        raise ArgumentError(f"{path}: Anki imports packages and text; end the name with .apkg or .txt")
    check_writable(path)
    cards = list(flashcards)
    content = _package(cards) if suffix == ".apkg" else _text(cards).encode("utf-8")
    with atomic_output(path) as stream:
        stream.write(content)
    return len(cards)


def _identity(card: Flashcard) -> str:
    """A name that depends on the question only, so that the answer may change."""
    return hashlib.sha256(card.front.encode("utf-8")).hexdigest()[:16]


def _fields(card: Flashcard) -> list[str]:
    return [" ".join(html_for_mathjax(side).split()) for side in (card.front, card.back)]


def _text(cards: list[Flashcard]) -> str:
    """Anki's text format: header lines that describe the columns, then a line per card."""
    heads = [
        *("#separator:tab", "#html:true", "#guid column:1", "#notetype:Basic", f"#deck:{_DECK}", "#tags column:4"),
    ]
    lines = ["\t".join([_identity(card), *_fields(card), " ".join(card.tags)]) for card in cards]
    return "\n".join([*heads, *lines]) + "\n"


def _package(cards: list[Flashcard]) -> bytes:
    """A package: a zip with the database that genanki makes."""
    import genanki

    model = genanki.Model(
        _MODEL_ID,
        "Polytome",
        fields=[{"name": "Front"}, {"name": "Back"}],
        templates=[{"name": "Card", "qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr id=answer>{{Back}}"}],
        css=_STYLE,
    )
    deck = genanki.Deck(_DECK_ID, _DECK)
    for card in cards:
        deck.add_note(genanki.Note(model, _fields(card), guid=_identity(card), tags=list(card.tags)))
    # Anki updates a note if the package's is newer, and uses milliseconds as the numbers of notes
    # and cards.
    now = time.time()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "collection.anki2")
        with closing(sqlite3.connect(database)) as connection, connection:
            genanki.Package(deck).write_to_db(connection.cursor(), now, itertools.count(int(1000 * now)))
        content = BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
            package.write(database, database.name)
            package.writestr("media", "{}")
        return content.getvalue()
