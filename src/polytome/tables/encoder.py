"""How the rows of a table become numbers: the part of a model that remembers its table.

Numbers stay as they are. A category with levels a, b, c becomes three columns of zeros and ones,
named `colour=a`, `colour=b`, `colour=c` (one-hot coding). With a penalty no level is left out: the
coefficients are unique nevertheless, and no level is favoured by being the reference. Without a
penalty one is, and a coefficient compares its level with that one (see
`polytome.tables.reference_levels`). A text becomes a column for each of its terms (see
`polytome.tables.text_columns`).

Reference:
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), sections 2.2 and
    18.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.errors import DataError
from polytome.plain.names import suggested
from polytome.tables.column import MISSING_LEVEL, OTHER_LEVEL, Column
from polytome.tables.date_columns import DateParts, with_parts
from polytome.tables.frames import MISSING_WORDS, Cells, Frame, listing
from polytome.tables.label_columns import read_labels, refuse_first
from polytome.tables.marked_numbers import explain_marks
from polytome.tables.number_formats import WrittenNumbers, with_written_numbers
from polytome.tables.saved_encoder import MISSING_MARKS, MISSING_RULES, UNKNOWN_RULES, encoder_from_json
from polytome.tables.weight_columns import read_weights

__all__ = [
    "MISSING_LEVEL",
    "MISSING_MARKS",
    "MISSING_REMEDY",
    "MISSING_RULES",
    "OTHER_LEVEL",
    "UNKNOWN_RULES",
    "Column",
    "Encoder",
    "is_missing",
]

MISSING_REMEDY = (
    "the cell is missing; fill it in, or leave out its row with --missing drop, or train with --missing mean"
)
"""What a message says of a missing cell where none may be."""
SPARSE_BELOW = 0.25
"""Encoded rows are sparse where fewer than this share of their entries can differ from zero."""

Matrix: TypeAlias = "NDArray[np.float64] | sparse.csr_array"


@dataclass(frozen=True)
class Encoder:
    """The columns of a table and what they become.

    Attributes:
        columns: the feature columns in the order of the model's coefficients; those that are made
            of others are the last.
        target: the name of the column that holds the labels; None when the model has no such
            column.
        missing: what happens to a missing cell: "error", "drop" (the reader drops the row) or
            "mean" (see `Column.fill`).
        unknown: what happens to a level that training never saw: "error", or "zero"
            (all its columns are zero). Where a category has a reference level, which zeros are, it
            is an error in any case.
        label_kind: whether the labels are whole numbers or text.
        marks: words that mark a missing cell in every column, besides the empty one. Where only a
            number, a known level or a label that is a whole number can stand, those of
            `MISSING_WORDS` do so too.
        weight: the name of the column that weighted the rows in training; None for equal weights.
        dates: columns of which parts are among `columns`. A table may have the dates or the parts.
        numbers: columns the numbers of which are written with marks, such as 1,234.5.
        ids: columns that are kept beside predictions, and no features.
        layout: the names of all columns of a training table without a header line, in their order;
            empty where it had one.
        min_level_count: the rows of training in which a level must occur, else it is put together
            with others; see `Column.other`.

    Example:
        >>> columns = (Column("age", "number"), Column("colour", "category", ("blue", "red")))
        >>> encoder = Encoder(columns, target=None, missing="error", unknown="error")
        >>> encoder.feature_names
        ('age', 'colour=blue', 'colour=red')
        >>> encoder.encode(Frame.of({"colour": ["red", "blue"], "age": [25, 31]}))
        array([[25.,  0.,  1.],
               [31.,  1.,  0.]])
    """

    columns: tuple[Column, ...]
    target: str | None
    missing: str
    unknown: str
    label_kind: Literal["integer", "text"] = "text"
    marks: tuple[str, ...] = MISSING_MARKS
    weight: str | None = None
    dates: tuple[DateParts, ...] = ()
    numbers: tuple[WrittenNumbers, ...] = ()
    ids: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    min_level_count: int = 1

    @property
    def read_columns(self) -> tuple[Column, ...]:
        """The columns that a table brings: all but those that are made of others."""
        return tuple(column for column in self.columns if column.term is None)

    @property
    def has_terms(self) -> bool:
        """Whether a column is made of others."""
        return any(column.term is not None for column in self.columns)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The columns of a table that are read: those of the features, with a date in the place of
        its parts."""
        whole = {part: each.name for each in self.dates for part in each.columns}
        return tuple(dict.fromkeys(whole.get(column.name, column.name) for column in self.read_columns))

    @property
    def column_widths(self) -> list[tuple[str, int]]:
        """Each column's name, and how many features it becomes."""
        return [(column.name, column.width) for column in self.columns]

    @property
    def beside_steps(self) -> NDArray[np.bool_]:
        """Which encoded columns are levels beside the steps of a category, as that of missing
        cells: bounds of the category are of its steps alone."""
        n_steps = [len(column.steps) - 1 if column.steps else column.width for column in self.columns]
        places = [np.arange(column.width) for column in self.columns]
        return np.concatenate([[], *(own >= steps for own, steps in zip(places, n_steps, strict=True))]).astype(bool)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns, see `Column.feature_names`."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def is_sparse(self) -> bool:
        """Whether encoded rows are sparse: where the columns of categories leave most entries
        zero, and where a column is text."""
        return self.has_text or self.entries_of_row < SPARSE_BELOW * sum(column.width for column in self.columns)

    @property
    def entries_of_row(self) -> int:
        """The entries of a row, without texts, that can differ from zero: one for each column, and
        for each step."""
        return sum(column.width if column.steps else 1 for column in self.columns)

    @property
    def has_text(self) -> bool:
        """Whether a column is text."""
        return any(column.terms is not None for column in self.columns)

    def named(self, frame: Frame) -> Frame:
        """A frame without a header line with the names that its number of columns shows: those of
        training, with or without the target, or those of the features."""
        unlabelled = tuple(name for name in self.layout if name != self.target)
        features = tuple(column.name for column in self.read_columns)
        for known in (self.layout, unlabelled, features, self.source_names):
            if not frame.headed and len(frame.names) == len(known):
                return replace(frame, names=known, headed=True)
        return frame

    def align(self, frame: Frame) -> Frame:
        """Find this encoder's columns in a frame.

        Columns are matched by name, in any order; others are ignored. A frame without a header that
        has exactly as many columns as the encoder, or as the training table had, is matched by
        position.

        Args:
            frame: the table as it was read.

        Returns:
            The frame with the encoder's columns in order, and then the target column, that of
            weights and those that are kept, if there are any.

        Raises:
            DataError: a column is missing; the message lists what was found.
        """
        names = [column.name for column in self.read_columns]
        frame = self.named(frame)
        if self.numbers:
            frame = with_written_numbers(frame, self.numbers, self.marks)
        if self.dates:
            frame = with_parts(frame, self.dates, self.marks)
        whole = {part: each.name for each in self.dates for part in each.columns}
        known = {*frame.names}
        lacking = list(dict.fromkeys(whole.get(name, name) for name in names if name not in known))
        if lacking and not frame.headed:
            raise DataError(
                f"{frame.source}: has {len(frame.names)} columns and no header line, where the model needs "
                f"{len(self.layout or self.source_names)}: {listing(self.layout or self.source_names)}; add a header "
                "line (or use --header yes if line 1 is one)"
            )
        if lacking:
            others = [name for name in frame.names if name not in names]
            raise DataError(
                f"{frame.source}: lacks the column {listing(lacking, form=lambda name: suggested(name, others))}; "
                f"found {listing(frame.names)}; name the columns as in training"
            )
        kept = (self.target, self.weight, *(name for name in self.ids if name not in names))
        more = [name for name in dict.fromkeys(kept) if name is not None and name in frame.names]
        return replace(frame.select([*names, *more]), headed=True)

    def encode(self, frame: Frame, room: native.Room | None = None) -> Matrix:
        """Turn the rows of a frame into numbers.

        Args:
            frame: a table with this encoder's columns; see `align`.
            room: where rows are written that are dropped before more are wanted; None for memory
                of their own.

        Returns:
            `(n_rows, len(feature_names))` float64: a CSR array where the columns of categories
            leave most entries zero or one is text (this depends on the encoder alone), otherwise
            dense.

        Raises:
            DataError: a column is missing, a cell is missing or is not a number, or a level was
                never seen and `unknown` is "error"; the message names the place, the column and the
                value.
        """
        frame = self.align(frame)
        if self.has_text:
            return self._beside_texts(frame)
        columns, widths = _laid_out(self.columns, self._places(frame))
        X: Matrix = native.rows_of_columns(columns, widths, is_sparse=self.is_sparse, room=room)
        return X

    def places(self, frame: Frame) -> dict[str, NDArray[Any]]:
        """What each row has in each column that is no text: a number, or the place of its level
        among those that have a feature, -1 for none.

        Args:
            frame: a table, see `align`.

        Raises:
            DataError: as `encode`.
        """
        return self._places(self.align(frame))

    def _places(self, frame: Frame) -> dict[str, NDArray[Any]]:
        """As `places`, of a frame that is aligned."""
        found: dict[str, NDArray[Any]] = {}
        coded = {column.name: column.coded for column in self.columns} if self.has_terms else {}
        for column in self.columns:
            if column.term is not None:
                found[column.name] = column.term.values(found, coded, column.levels)
                self._refuse_overflow(frame, column, found[column.name])
            elif column.kind != "text":
                found[column.name] = (self._numbers if column.kind == "number" else self._codes)(frame, column)
        return found

    def _refuse_overflow(self, frame: Frame, column: Column, values: NDArray[Any]) -> None:
        """Refuse a term that is too large for a number."""
        assert column.term is not None
        wrong = ~np.isfinite(values)
        if wrong.any():
            what = (
                f"{{value}} is too large for {column.name!r}, which is made of it; correct the cell, or train without"
            )
            refuse_first(frame, column.term.of[0], wrong, f"{what} the term")

    def labels(self, frame: Frame) -> NDArray[Any] | None:
        """Read the target column of a frame.

        Args:
            frame: a table that may hold the target column.

        Returns:
            `(n_rows,)` int64 or `str` labels; None when the frame has no target column or nothing
            in it.

        Raises:
            DataError: some labels are missing, or one is not a whole number where training had only
                whole numbers.
        """
        frame = self.align(frame)
        if self.target is None or self.target not in frame.names:
            return None
        marks = {*self.marks, *(MISSING_WORDS if self.label_kind == "integer" else ())}
        return read_labels(frame.without(self.target, marks), self.target, self.label_kind)

    def weights(self, frame: Frame) -> NDArray[np.float64] | None:
        """Read the column of weights of a frame.

        Args:
            frame: a table with this encoder's columns.

        Returns:
            `(n_rows,)` numbers, zero or more; None when rows have equal weights.

        Raises:
            DataError: the column is missing, or a weight is missing, is not a finite number or is
                negative; the message names the place, the column and the value.
        """
        if self.weight is None:
            return None
        if self.weight not in frame.names:
            raise DataError(
                f"{frame.source}: lacks the column {suggested(self.weight, frame.names)}, by which the rows were "
                f"weighted in training; found {listing(frame.names)}; name the columns as in training, or count each "
                "row once with --unweighted where a command has this option"
            )
        return read_weights(frame, self.weight, self.marks)

    def _beside_texts(self, frame: Frame) -> sparse.csr_array:
        """Encode texts one by one, and the columns between them together."""
        parts: list[Any] = []
        found = self._places(frame)
        for terms, group in groupby(self.columns, lambda column: column.terms):
            columns = tuple(group)
            if terms is None:
                places, widths = _laid_out(columns, found)
                is_sparse = replace(self, columns=columns).is_sparse
                made = native.rows_of_columns(places, widths, is_sparse=is_sparse)
                parts.append(sparse.csr_array(made))
                continue
            for column in columns:
                cells = frame[column.name]
                if column.fill is None:
                    refuse_first(frame, column.name, is_missing(cells, "text"), MISSING_REMEDY)
                parts.append(terms.encode(cells))
        return parts[0] if len(parts) == 1 else sparse.csr_array(sparse.hstack(parts, format="csr"))

    def incomplete(self, frame: Frame) -> NDArray[np.bool_]:
        """Tell which rows of a frame lack a cell in one of this encoder's columns; `(n_rows,)`."""
        frame = self.align(frame)
        gaps: NDArray[np.bool_] = np.any(
            [
                is_missing(frame[column.name], "text")
                if column.kind == "text"
                else np.isnan(self._plain_numbers(frame, column))
                if column.kind == "number"
                else self._positions(frame, column) == _GAP
                for column in self.read_columns
            ],
            axis=0,
        )
        if self.weight is not None and self.weight in frame.names:
            gaps |= np.isnan(frame.without(self.weight, set(self.marks))[self.weight].numbers())
        return gaps

    def unseen(self, frame: Frame) -> NDArray[np.bool_]:
        """Tell which rows of a frame have a level that cannot be compared with the reference, as
        training never saw it; `(n_rows,)`."""
        frame = self.align(frame)
        found = np.zeros(frame.n_rows, dtype=np.bool_)
        for column in self.columns:
            if column.reference is not None:
                places = self._filled_positions(frame, column)
                found |= (places == _UNSEEN) | ((places == _GAP) & (column.fill is not None))
        return found

    def counted(self, frame: Frame, column: Column) -> tuple[NDArray[np.int64], float]:
        """How many cells of a column are missing, and how many have each of its levels (of a number
        column: are numbers); and the sum of its numbers."""
        if column.kind == "number":
            values = self._plain_numbers(frame, column)
            present = values[~np.isnan(values)]
            return np.array([len(values) - len(present), len(present)]), float(present.sum())
        found = self._positions(frame, column)
        levels = np.bincount(found[found >= 0], minlength=len(column.levels))
        return np.array([(found == _GAP).sum(), *levels]), 0.0

    def to_json(self, tensors: dict[str, NDArray[Any]] | None = None) -> dict[str, Any]:
        """Return plain JSON values from which `from_json` makes an equal encoder.

        Args:
            tensors: receives the arrays that columns of text need besides; None where there are no
                such columns, or these arrays do not matter.
        """
        plain = asdict(replace(self, columns=()))
        found = {} if tensors is None else tensors
        plain["columns"] = [column.to_json(place, found) for place, column in enumerate(self.columns)]
        if self.marks == MISSING_MARKS:
            del plain["marks"]  # as in files that are older than this member
        else:
            plain["marks"] = list(self.marks)
        if self.weight is None:
            del plain["weight"]  # likewise
        plain["dates"] = [
            {
                name: list(value) if name == "parts" else value
                for name, value in each.items()
                if name != "example" or value
            }
            for each in plain["dates"]
        ]
        plain["numbers"], plain["ids"] = list(plain["numbers"]), list(self.ids)
        plain["layout"] = list(self.layout)
        for name in ("dates", "numbers", "ids", "layout"):
            if not plain[name]:
                del plain[name]  # likewise
        if self.min_level_count == 1:
            del plain["min_level_count"]  # likewise
        return plain

    @classmethod
    def from_json(cls, data: object, tensors: Mapping[str, NDArray[Any]] | None = None) -> Encoder:
        """Rebuild an encoder from what `to_json` returned, checking everything.

        Args:
            data: parsed JSON.
            tensors: the arrays that came with it, perhaps among others.

        Raises:
            FileError: something is absent, superfluous, of the wrong type, contradictory or not
                finite.

        Example:
            >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="zero")
            >>> Encoder.from_json(encoder.to_json()) == encoder
            True
        """
        return cls(**encoder_from_json(data, tensors))

    def _plain_numbers(self, frame: Frame, column: Column) -> NDArray[np.float64]:
        """Read a number column as it is: NaN where a cell is missing, infinity where it is not a
        number."""
        marks = set(self.marks) - MISSING_WORDS  # those of MISSING_WORDS are not numbers anyway
        cells = frame[column.name]
        return (cells.without(marks) if marks else cells).numbers()

    def _numbers(self, frame: Frame, column: Column) -> NDArray[np.float64]:
        """Read a number column, filling gaps only where training decided so."""
        values = self._plain_numbers(frame, column)
        if np.isfinite(values).all():
            return values
        wrong = np.isinf(values)
        if wrong.any():
            said = explain_marks(frame[column.name].text(int(np.argmax(wrong))))
            refuse_first(
                frame,
                column.name,
                wrong,
                f"{{value}} {said or 'is not a finite number'}; correct the cell, or treat the column as text in "
                f"training (--categories {column.name})",
            )
        gaps = np.isnan(values)
        if isinstance(column.fill, str) or column.fill is None:
            refuse_first(frame, column.name, gaps, MISSING_REMEDY)
            return values
        return np.where(gaps, column.fill, values)

    def _positions(self, frame: Frame, column: Column) -> NDArray[np.intp]:
        """Read a category column as positions among its levels, or as `_GAP` or `_UNSEEN`."""
        codes, words = frame[column.name].words()
        position = {level: number for number, level in enumerate(column.levels)}
        lowered = {level.lower(): number for level, number in position.items() if level.lower() in ("true", "false")}
        found = [
            _GAP
            if word in self.marks or (word in MISSING_WORDS and word not in position)
            else position.get(word, lowered.get(word.lower(), _UNSEEN))
            for word in words
        ]
        if column.other is not None:
            found = [position[column.other] if place == _UNSEEN else place for place in found]
        return np.array([*found, _GAP], dtype=np.intp)[codes]  # code -1 points at the last

    def _codes(self, frame: Frame, column: Column) -> NDArray[np.intp]:
        """Read a category column as positions among its features; -1 is the reference level, or a
        level never seen, where allowed."""
        found = self._filled_positions(frame, column)
        if column.reference is None and found.min(initial=0) >= 0:
            return found
        if column.fill is None:
            refuse_first(frame, column.name, found == _GAP, MISSING_REMEDY)
        if self.unknown == "error" or column.reference is not None:
            remedy = "let it count as no known level with --unknown zero"
            if column.reference is not None:
                remedy = f"leave the row out: nothing is known of it beside the reference {column.reference!r}"
            refuse_first(
                frame,
                column.name,
                found < 0,
                f"the level {{value}} was not in the training data, which had {listing(column.levels)}; "
                f"correct it, or {remedy}",
            )
        found = np.maximum(found, -1)
        if column.reference is None:
            return found
        places = {level: place for place, level in enumerate(column.coded)}
        return np.array([*(places.get(level, -1) for level in column.levels), -1], dtype=np.intp)[found]

    def _filled_positions(self, frame: Frame, column: Column) -> NDArray[np.intp]:
        """As `_positions`, with the level of missing cells where there were some in training."""
        found = self._positions(frame, column)
        if column.fill is not None and column.fill in column.levels:
            return np.where(found == _GAP, column.levels.index(str(column.fill)), found)
        return found


_UNSEEN, _GAP = -1, -2


def is_missing(cells: Cells, kind: str) -> NDArray[np.bool_]:
    """Return where the cells of a column of this kind are missing.

    Example:
        >>> is_missing(Frame.of({"age": [25, None]})["age"], "number")
        array([False,  True])
    """
    return np.isnan(cells.numbers()) if kind == "number" else cells.words()[0] < 0


def _laid_out(columns: Iterable[Column], places: Mapping[str, NDArray[Any]]) -> tuple[list[NDArray[Any]], list[int]]:
    """Arrays to be written side by side, and how many features each becomes: a category is one of
    codes, but for steps, each of which is an array of its own."""
    arrays: list[NDArray[Any]] = []
    widths: list[int] = []
    for column in columns:
        if column.steps:
            arrays += column.stepped(places[column.name])
            widths += [1] * column.width
        else:
            arrays.append(places[column.name])
            widths.append(column.width)
    return arrays, widths
