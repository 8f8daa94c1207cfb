"""The flashcards as files: read back by the rules of Anki's manual, and by Anki itself where it is
installed."""

from __future__ import annotations

import csv
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polytome.cli.app import app
from polytome.errors import ArgumentError, FileError
from polytome.lessons import all_flashcards
from polytome.teaching import flashcards as module
from polytome.teaching.flashcards import write_flashcards
from polytome.teaching.page import Flashcard

pytest.importorskip("genanki")

CARDS = list(all_flashcards())

Note = tuple[str, str, str, str]
"""Identity, front, back, tags."""


def notes_of_package(path: Path) -> list[Note]:
    """What an Anki package holds: a zip with a database, whose notes have fields separated by
    character 31."""
    folder = path.parent / f"{path.name}-unpacked"
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert package.read("media") == b"{}"
        package.extract("collection.anki2", folder)
    with closing(sqlite3.connect(folder / "collection.anki2")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT guid, flds, tags FROM notes ORDER BY id").fetchall()
        cards = connection.execute("SELECT count(*), count(DISTINCT nid) FROM cards").fetchone()
        lowest = connection.execute("SELECT min(id), min(mod) FROM notes").fetchone()
    assert cards == (len(rows), len(rows))
    assert min(lowest) > 0  # Anki takes note 0 for none
    return [(guid, *fields.split("\x1f"), tags.strip()) for guid, fields, tags in rows]


def notes_of_text(path: Path) -> tuple[dict[str, str], list[Note]]:
    """Heads and rows of a text file: heads begin with # and come first; tabs separate, quotes may
    enclose."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert lines[: len(heads)] == heads
    rows = list(csv.reader(lines[len(heads) :], delimiter="\t", strict=True))
    assert {len(row) for row in rows} == {4}
    return dict(head.removeprefix("#").split(":", 1) for head in heads), [(a, b, c, d) for a, b, c, d in rows]


def test_the_cards_can_be_learned_from() -> None:
    assert len(CARDS) >= 30
    assert len({card.front for card in CARDS}) == len(CARDS)
    assert all(card.front.strip() and card.back.strip() and card.tags for card in CARDS)
    assert not [tag for card in CARDS for tag in card.tags if set(tag) & set(" \t,")]
    assert sum("polytome::document-004" in card.tags for card in CARDS) == 3


def test_package_and_text_hold_the_same_notes(tmp_path: Path) -> None:
    package, text = tmp_path / "cards.apkg", tmp_path / "cards.TXT"
    assert write_flashcards(package, CARDS) == write_flashcards(text, CARDS) == len(CARDS)
    heads, rows = notes_of_text(text)
    assert notes_of_package(package) == rows
    assert len(rows) == len({identity for identity, *_ in rows}) == len(CARDS)
    assert heads == {
        "separator": "tab",
        "html": "true",
        "guid column": "1",
        "notetype": "Basic",
        "deck": "Polytome: logistic and softmax regression",
        "tags column": "4",
    }


def test_formulas_are_left_to_anki(tmp_path: Path) -> None:
    write_flashcards(tmp_path / "cards.txt", CARDS)
    _, rows = notes_of_text(tmp_path / "cards.txt")
    sides = [side for _, front, back, _ in rows for side in (front, back)]
    assert not [side for side in sides if "$" in side or "<math" in side]
    for opening, closing_mark in ((r"\(", r"\)"), (r"\[", r"\]")):
        assert any(opening in side for side in sides)
        assert not [side for side in sides if side.count(opening) != side.count(closing_mark)]
    assert [back for _, front, back, _ in rows if "What is <strong>softmax</strong>?" in front] == [
        r'<div class="formula" tabindex="0">\[S_j = \frac{e^{z_j}}{\sum_{k=1}^{K} e^{z_k}}\]</div>'
    ]


def test_a_note_keeps_its_identity_while_its_answer_changes(tmp_path: Path) -> None:
    card = Flashcard("What is $x < 1 & y$?", "An *old* answer.", ("polytome::trap",))
    found = []
    for back in ("An *old* answer.", "A new one."):
        write_flashcards(tmp_path / "cards.apkg", [replace(card, back=back)])
        found += notes_of_package(tmp_path / "cards.apkg")
    assert found == [
        ("6f5e98b7641ad418", r"<p>What is \(x &lt; 1 &amp; y\)?</p>", back, "polytome::trap")
        for back in ("<p>An <em>old</em> answer.</p>", "<p>A new one.</p>")
    ]


@pytest.mark.parametrize("name", ["cards.doc", "cards", "cards.apkg.zip"])
def test_another_suffix_is_refused_before_any_work(name: str, tmp_path: Path) -> None:
    def work() -> Iterator[Flashcard]:
        yield pytest.fail("work had begun")

    with pytest.raises(ArgumentError, match=r"end the name with \.apkg or \.txt"):
        write_flashcards(tmp_path / name, work())
    with pytest.raises(FileError, match="there is no folder"):
        write_flashcards(tmp_path / "absent" / "cards.apkg", work())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "said"), [("cards.doc", ".apkg or .txt"), ("absent/cards.txt", "create it first")])
def test_the_command_says_what_is_wrong_on_one_line(name: str, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["lesson", "--flashcards", str(tmp_path / name)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("suffix", [".apkg", ".txt"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write_leaves_the_old_file(
    suffix: str, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"cards{suffix}"
    path.write_bytes(b"old")

    def broken(_card: Flashcard) -> Iterator[str]:
        yield "half"
        raise error

    monkeypatch.setattr(module, "_fields", lambda card: list(broken(card)))
    with pytest.raises(error):
        write_flashcards(path, CARDS)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cards.txt"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        write_flashcards(path, CARDS)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write_flashcards(tmp_path / "cards.apkg", CARDS)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_anki_imports_both_files(tmp_path: Path) -> None:
    pytest.importorskip("anki.collection")
    from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest, ImportCsvRequest

    package, text = tmp_path / "cards.apkg", tmp_path / "cards.txt"
    n_cards = write_flashcards(package, CARDS)
    write_flashcards(text, CARDS)
    contents = []
    for path in (package, text):
        collection = Collection(str(tmp_path / f"{path.suffix}.anki2"))
        if path == package:
            options = ImportAnkiPackageOptions(merge_notetypes=True)
            log = collection.import_anki_package(ImportAnkiPackageRequest(package_path=str(path), options=options)).log
        else:
            metadata = collection.get_csv_metadata(path=str(path), delimiter=None)
            log = collection.import_csv(ImportCsvRequest(path=str(path), metadata=metadata)).log
        assert (len(log.new), collection.note_count(), collection.card_count()) == (n_cards, n_cards, n_cards)
        notes = [collection.get_note(identity) for identity in collection.find_notes("")]
        contents.append({note.guid: (tuple(note.fields), set(note.tags)) for note in notes})
        assert {collection.decks.name(card.did) for note in notes for card in note.cards()} == {
            "Polytome: logistic and softmax regression"
        }
        collection.close()
    assert contents[0] == contents[1]
    assert contents[0] == {
        identity: ((front, back), set(tags.split())) for identity, front, back, tags in notes_of_package(package)
    }
