"""Learn what the columns of a table are in one reading, with a state that does not grow with the
rows.

What is learned, and what is refused, is as in `polytome.tables.schemas`, which has all rows at
once. Of a column of text the words that occur are kept, with how often and where they do so first;
of numbers how many there are, and their sum. Only the labels take something for each row: a code.
"""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.date_columns import refuse_dates
from polytome.tables.encoder import MISSING_REMEDY, Column, Encoder, is_missing
from polytome.tables.frames import MISSING_WORDS, Cells, Frame, NumberCells, TextCells
from polytome.tables.label_columns import label_kind, read_labels
from polytome.tables.marked_numbers import explain_marks
from polytome.tables.reference_levels import refuse_zero, same_reference, with_references
from polytome.tables.schemas import (
    FEW_WRONG,
    MOST_LEVEL_BYTES,
    category_column,
    note_fills,
    raise_together,
    refuse_equal_names,
    refuse_marked_numbers,
    without_gap_words,
)
from polytome.tables.streams.each_row import joined, smallest
from polytome.tables.term_columns import learn_again
from polytome.tables.text_columns import TermCounts, TextOptions
from polytome.tables.weight_columns import read_weights, weight_note

__all__ = ["MOST_WORDS", "Learner", "learn_from_fewer_frames"]

MOST_WORDS = 100_000
"""Different texts of a column, and different labels, that are kept."""


class Learner:
    """What has been seen of a table so far.

    Args:
        source: what messages call the whole table.
        names: of the feature columns.
        target: the column of labels.
        missing: as for `learn_encoder`.
        unknown: as for `learn_encoder`.
        forced: the columns to read as text, whatever they look like.
        marks: words that mark a missing cell, besides the empty one.
        weight: the column of weights of rows; None for equal ones.
        references: as for `learn_encoder`.
        min_level_count: as for `learn_encoder`.
        texts: the columns of which the terms are counted.
        text_options: how.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        target: str,
        *,
        missing: str,
        unknown: str,
        forced: Collection[str],
        marks: Sequence[str],
        weight: str | None = None,
        references: Mapping[str, str] | None = None,
        min_level_count: int = 1,
        texts: Collection[str] = (),
        text_options: TextOptions | None = None,
    ) -> None:
        self.source, self.target, self.weight, self.references = source, target, weight, references
        self.min_level_count = min_level_count
        self.missing, self.unknown, self.forced, self.marks = missing, unknown, forced, tuple(marks)
        options = text_options or TextOptions()
        self.columns = {
            name: _SeenTexts(self, name, options) if name in texts else _Seen(self, name, name in forced)
            for name in names
        }
        self.labels = _Seen(self, target, forced=True)
        self.codes: list[NDArray[np.signedinteger[Any]]] = []
        self.weights: list[NDArray[np.float64]] = []
        self.n_rows = 0
        self._begins: list[int] = []
        self._frames: list[Frame] = []

    def see(self, frame: Frame) -> None:
        """Look at the next rows.

        Raises:
            DataError: a column cannot be used.
        """
        self._begins.append(self.n_rows)
        self._frames.append(Frame((), (), frame.source, locate=frame.locate))
        marks = set(self.marks) - MISSING_WORDS
        for name, seen in (*self.columns.items(), (self.target, self.labels)):
            cells = frame[name]
            plain = not marks or isinstance(seen, _SeenTexts)
            seen.see(cells if plain else cells.without(marks), self.n_rows)
        self.codes.append(self.labels.last_codes.astype(smallest(len(self.labels.counts))))
        if self.weight is not None:
            drops = self.missing == "drop"
            self.weights.append(read_weights(frame, self.weight, self.marks, may_be_missing=drops))
        self.n_rows += frame.n_rows

    def join(self, later: Learner) -> None:
        """Take over what another one has seen of the rows that follow.

        Raises:
            DataError: a column cannot be used.
        """
        for name, seen in self.columns.items():
            other = later.columns[name]
            assert isinstance(seen, _Seen)
            assert isinstance(other, _Seen)  # rows that lie with workers have no columns of text
            seen.join(other, self.n_rows)
        codes = self.labels.join(later.labels, self.n_rows)
        self._begins += [self.n_rows + row for row in later._begins]
        self._frames += later._frames
        self.codes += [codes[each] for each in later.codes]
        self.weights += later.weights
        self.n_rows += later.n_rows

    def place(self, row: int) -> str:
        """Where one of the rows stands in its file."""
        number = bisect_right(self._begins, row) - 1
        return self._frames[number].place(row - self._begins[number])

    def has_gaps(self) -> bool:
        """Whether a cell is missing where that leaves out its row."""
        columns = (*self.columns.values(), self.labels)
        return any(seen.n_gaps for seen in columns) or any(np.isnan(some).any() for some in self.weights)

    @property
    def text_entries(self) -> int:
        """How many terms the texts have that are features, each counted once for its text."""
        return sum(seen.counts.n_entries for seen in self.columns.values() if isinstance(seen, _SeenTexts))

    def learned(self) -> tuple[Encoder, tuple[str, ...]]:
        """The encoder, and notes that a user should see.

        Raises:
            DataError: a column or the labels cannot be used; the message names the place.
        """
        notes = [] if self.weight is None else [weight_note(self.weight)]
        columns, errors = [], []
        for seen in self.columns.values():
            try:
                columns.append(seen.column(notes))
            except DataError as error:
                errors.append(error)
        raise_together(self.source, errors)
        words = self.labels.without_gaps(notes)
        kind = label_kind(words, self.target, notes=notes, n_rows=self.n_rows - self.labels.n_gaps)
        if self.labels.n_gaps and self.missing != "drop":
            self.labels.refuse(
                self.labels.first_gap, "the label is missing; fill it in, or leave out the row with --missing drop"
            )
        coded = with_references(columns, self.references, self.source)
        encoder = Encoder(coded, self.target, self.missing, self.unknown, kind, self.marks, self.weight)
        encoder = replace(encoder, min_level_count=self.min_level_count)
        refuse_zero(encoder, self.unknown)
        refuse_equal_names(self.source, encoder)
        if self.missing == "mean":
            note_fills({name: seen.n_gaps for name, seen in self.columns.items()}, notes)
        return encoder, tuple(notes)

    def classes(self, kind: Literal["integer", "text"]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The labels that occur, sorted, and which of them each code stands for, -1 for none."""
        words = self.labels.without_gaps([])
        labels = read_labels(words.take(words[self.target].words()[0] >= 0), self.target, kind)
        assert labels is not None
        classes, places = np.unique(labels, return_inverse=True)
        found = np.full(len(self.labels.counts) + 1, -1, dtype=np.int64)  # code -1 points at its last entry
        found[np.flatnonzero(words[self.target].words()[0] >= 0)] = places
        return classes, found

    def labelled(self, kind: Literal["integer", "text"]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The labels that occur, sorted, and which of them each row has, in the smallest type; what
        was kept for each row is given away."""
        classes, meant = self.classes(kind)
        return classes, joined(self.codes, meant.astype(smallest(len(classes))))

    def weighed(self) -> NDArray[np.float64] | None:
        """The weight of each row, which is given away; None where they are equal."""
        return None if self.weight is None else joined(self.weights)


def learn_from_fewer_frames(encoder: Encoder, frames: Callable[[], Iterable[Frame]], source: str) -> Encoder:
    """Learn means and levels again from some of the rows, as `learn_from_fewer` does from one
    frame.

    Args:
        encoder: of all rows.
        frames: gives those of the rows to learn from, piece by piece.
        source: what messages call the whole table.

    Raises:
        DataError: in these rows every cell of a column is missing.
    """
    seen: dict[str, tuple[NDArray[np.int64], float]] = {}
    texts = {
        column.name: TermCounts(column.terms.options, f"{source}, column {column.name!r}")
        for column in encoder.columns
        if column.terms is not None
    }
    for frame in frames():
        frame = encoder.align(frame)
        for column in encoder.read_columns:
            if column.terms is not None:
                texts[column.name].see(frame[column.name])
                continue
            counts, total = encoder.counted(frame, column)
            before, sum_before = seen.get(column.name, (np.zeros_like(counts), 0.0))
            seen[column.name] = (before + counts, sum_before + total)
    columns = []
    for column in encoder.read_columns:
        if column.terms is not None:
            columns.append(replace(column, terms=texts[column.name].terms()))
            continue
        (n_gaps, *counted), total = seen[column.name][0].tolist(), seen[column.name][1]
        present = sum(counted)
        if not present and (column.kind == "number" or encoder.missing != "mean"):
            raise DataError(
                f"{source}, column {column.name!r}: every cell of the rows to learn from is missing; leave the column "
                f"out with --drop {column.name}"
            )
        if column.kind == "number":
            columns.append(replace(column, fill=total / present if encoder.missing == "mean" else None))
        else:
            words = {level: count for level, count in zip(column.levels, counted, strict=True) if count}
            rules = (encoder.missing, True, encoder.min_level_count)
            learned = category_column(source, column.name, words, n_gaps, *rules)
            columns.append(same_reference(learned, column, source))
    return learn_again(replace(encoder, columns=tuple(columns)), encoder, frames, source)


class _SeenTexts:
    """What is kept of a column of text: its terms, and which cells are missing."""

    def __init__(self, table: Learner, name: str, options: TextOptions) -> None:
        self.table, self.name = table, name
        self.counts = TermCounts(options, f"{table.source}, column {name!r}")
        self.n_gaps, self.first_gap = 0, 0

    def see(self, cells: Cells, row: int) -> None:
        """Look at more cells, of which the first stands in this row."""
        gaps = is_missing(cells, "text")
        if gaps.any():
            self.first_gap = self.first_gap if self.n_gaps else row + int(np.argmax(gaps))
            self.n_gaps += int(gaps.sum())
            if self.table.missing == "error":
                raise DataError(f"{self.table.place(self.first_gap)}, column {self.name!r}: {MISSING_REMEDY}")
        self.counts.see(cells)

    def column(self, notes: list[str]) -> Column:
        """What the column is."""
        if self.n_gaps == self.counts.n_texts:
            raise DataError(
                f"{self.table.source}, column {self.name!r}: every cell of the rows to learn from is missing; "
                f"leave the column out with --drop {self.name}"
            )
        fill = "" if self.table.missing == "mean" else None
        return Column(self.name, "text", fill=fill, terms=self.counts.terms())


class _Seen:
    """What is kept of a column."""

    def __init__(self, table: Learner, name: str, forced: bool) -> None:
        self.table, self.name, self.forced = table, name, forced
        self.codes: dict[str, int] | None = {}
        """The words that occur; None where they were too many, and all of them numbers."""
        self.counts: list[int] = []
        self.firsts: list[int] = []
        self.bytes = 0
        self.n_missing = 0
        self.first_missing = 0
        self.n_numbers = 0
        self.total = 0.0
        self.n_gaps = 0
        self.first_gap = 0
        self.last_codes = np.empty(0, dtype=np.int32)

    def see(self, cells: Cells, row: int) -> None:
        """Look at more cells, of which the first stands in this row."""
        if self.codes is None or (isinstance(cells, NumberCells) and not self.forced):
            self._see_numbers(cells, row)
        else:
            self._see_words(cells, row)

    def join(self, later: _Seen, row: int) -> NDArray[np.int32]:
        """Take over what was seen of later cells, of which the first stands in this row; returns
        the own code for each of the later ones, and last -1."""
        if self.codes is None and later.codes is not None:
            later._forget_words()
        elif self.codes is not None and later.codes is None:
            self._forget_words()
        if later.n_missing:
            self.first_missing = self.first_missing if self.n_missing else row + later.first_missing
        self.n_missing += later.n_missing
        self.n_numbers += later.n_numbers
        self.total += later.total
        if self.codes is None or later.codes is None:
            return np.full(1, -1, dtype=np.int32)
        own = np.full(len(later.codes) + 1, -1, dtype=np.int32)  # code -1 points at its last entry
        for word, code in later.codes.items():
            if word not in self.codes:
                self.codes[word] = len(self.counts)
                self.counts.append(0)
                self.firsts.append(row + later.firsts[code])
                self.bytes += len(word.encode())
            own[code] = self.codes[word]
            self.counts[own[code]] += later.counts[code]
        if len(self.counts) > MOST_WORDS or self.bytes > MOST_LEVEL_BYTES:
            self._forget_words()
        return own

    def _see_numbers(self, cells: Cells, row: int) -> None:
        values = cells.numbers()
        missing, wrong = np.isnan(values), np.isinf(values)
        if wrong.any():
            at = int(np.argmax(wrong))
            said = explain_marks(cells.text(at)) or "is not a finite number"
            self.refuse(
                row + at,
                f"{reprlib.repr(cells.text(at))} {said}, while other cells are numbers; correct the cell, or treat the "
                f"column as text with --categories {self.name}",
            )
        self._see_missing(missing, row)
        self.n_numbers += len(values) - int(missing.sum())
        self.total += float(values[~missing].sum())

    def _see_missing(self, missing: NDArray[np.bool_], row: int) -> None:
        if missing.any():
            self.first_missing = self.first_missing if self.n_missing else row + int(np.argmax(missing))
            self.n_missing += int(missing.sum())

    def _see_words(self, cells: Cells, row: int) -> None:
        found, words = cells.words()
        self._see_missing(found < 0, row)
        assert self.codes is not None
        counts = np.bincount(found[found >= 0], minlength=len(words))
        own = np.full(len(words) + 1, -1, dtype=np.int32)  # code -1 points at its last entry
        new = [word for word in words if word not in self.codes]
        if new:
            firsts = np.full(len(words), len(found), dtype=np.int64)
            np.minimum.at(firsts, found[found >= 0], np.flatnonzero(found >= 0))
            for place in np.argsort(firsts, kind="stable").tolist():
                if words[place] not in self.codes:
                    self.codes[words[place]] = len(self.counts)
                    self.counts.append(0)
                    self.firsts.append(row + int(firsts[place]))
                    self.bytes += len(words[place].encode())
        for place, word in enumerate(words):
            own[place] = self.codes[word]
            self.counts[own[place]] += int(counts[place])
        self.last_codes = own[found]
        if len(self.counts) > MOST_WORDS or self.bytes > MOST_LEVEL_BYTES:
            self._forget_words()

    def _forget_words(self) -> None:
        """Of too many words only that they are numbers is remembered; where they are not, the
        column is refused."""
        words = self._words()
        values = words[self.name].numbers()
        if self.forced or np.isinf(values).any():
            what = "labels" if self.name == self.table.target else "texts"
            most = f"{MOST_WORDS:,}" if len(self.counts) > MOST_WORDS else f"{MOST_LEVEL_BYTES:,} bytes"
            remedy = (
                "choose a column of classes" if what == "labels" else f"leave the column out with --drop {self.name}"
            )
            raise DataError(
                f"{self.table.source}, column {self.name!r}: holds {len(self.counts):,} or more different {what}, such "
                f"as {reprlib.repr(next(iter(self._codes)))}, and {most} of them are kept of rows that are read piece "
                f"by piece; {remedy}"
            )
        self._count_numbers(values)
        self.codes = None

    @property
    def _codes(self) -> dict[str, int]:
        assert self.codes is not None
        return self.codes

    def _count_numbers(self, values: NDArray[np.float64]) -> None:
        """Make numbers of the words so far."""
        counts, firsts = np.array(self.counts, dtype=np.int64), np.array(self.firsts, dtype=np.int64)
        gaps = np.isnan(values)
        if gaps.any():
            first = int(firsts[gaps].min())
            self.first_missing = min(self.first_missing, first) if self.n_missing else first
            self.n_missing += int(counts[gaps].sum())
        self.n_numbers += int(counts[~gaps].sum())
        self.total += float(values[~gaps] @ counts[~gaps])

    def _words(self) -> Frame:
        """The words that occur, as a table in which each stands in the row where it occurs
        first."""
        return Frame((self.name,), (TextCells(np.arange(len(self._codes)), list(self._codes)),), self.table.source)

    def without_gaps(self, notes: list[str]) -> Frame:
        """The words, those being missing that mark a missing cell; counts these."""
        words = without_gap_words(self._words(), self.name, self.table.marks, notes)
        gaps = words[self.name].words()[0] < 0
        self._note_gaps(gaps)
        return words

    def _note_gaps(self, gaps: NDArray[np.bool_]) -> None:
        """Count missing cells: empty ones, and those with words that mark them."""
        firsts = [first for first, gap in zip(self.firsts, gaps, strict=True) if gap]
        firsts += [self.first_missing] if self.n_missing else []
        self.n_gaps = self.n_missing + sum(count for count, gap in zip(self.counts, gaps, strict=True) if gap)
        self.first_gap = min(firsts, default=0)

    def refuse(self, row: int, complaint: str) -> None:
        """Raise for the cell in this row."""
        raise DataError(f"{self.table.place(row)}, column {self.name!r}: {complaint}")

    def column(self, notes: list[str]) -> Column:
        """What the column is."""
        is_category = self.forced
        if self.codes:
            values = self._words()[self.name].numbers()
            is_category = is_category or self._is_category(values, notes)
            if not is_category:
                self._count_numbers(values)
        if is_category:
            words = self.without_gaps(notes)
            column = self._category(words, notes)
        else:
            self.n_gaps, self.first_gap = self.n_missing, self.first_missing
            if not self.n_numbers:
                raise DataError(
                    f"{self.table.source}, column {self.name!r}: every cell is missing; leave the column out with "
                    f"--drop {self.name}"
                )
            fill = self.total / self.n_numbers if self.table.missing == "mean" else None
            column = Column(self.name, "number", fill=fill)
        if self.n_gaps and self.table.missing == "error":
            self.refuse(self.first_gap, MISSING_REMEDY)
        return column

    def _category(self, words: Frame, notes: list[str]) -> Column:
        present = self.table.n_rows - self.n_gaps
        codes, found = words[self.name].words()
        places = np.flatnonzero(codes >= 0)  # of those that mark no missing cell
        counts = {found[code]: self.counts[place] for place, code in zip(places, codes[places], strict=True)}
        if not present and self.table.missing != "mean":
            raise DataError(
                f"{self.table.source}, column {self.name!r}: every cell of the rows to learn from is missing; "
                f"leave the column out with --drop {self.name}"
            )
        rules = (self.table.missing, self.forced, self.table.min_level_count)
        return category_column(self.table.source, self.name, counts, self.n_gaps, *rules, notes)

    def _is_category(self, values: NDArray[np.float64], notes: list[str]) -> bool:
        """Whether words are names and not numbers; as `learn_encoder` decides it, each word counted
        as it occurs."""
        counts = np.array(self.counts, dtype=np.int64)
        words = self._words()
        is_present, is_wrong = ~np.isnan(values), np.isinf(values)
        n_present, n_wrong = int(counts[is_present].sum()), int(counts[is_wrong].sum())
        if not n_present + self.n_numbers:
            return len({*self._codes} - {*self.table.marks}) > 1
        if not n_wrong:
            return False
        first = int(np.argmax(is_wrong))
        text = list(self._codes)[first]
        said = explain_marks(text)
        if n_wrong < FEW_WRONG * n_present or n_wrong == 1 < n_present - 2:
            self.refuse(
                self.firsts[first],
                f"{reprlib.repr(text)} {said or 'is not a finite number'}, while {n_present - n_wrong} other cells are "
                f"numbers; correct the cell, or treat the column as text with --categories {self.name}",
            )
        refuse_marked_numbers(words, self.name, is_wrong)
        refuse_dates(self.table.source, self.name, list(self._codes), self.table.marks)
        if n_wrong < n_present:
            notes.append(f"column {self.name!r} is read as text: {n_wrong} of its {n_present} cells are not numbers")
        return True
