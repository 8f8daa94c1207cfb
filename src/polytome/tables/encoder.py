"""How the rows of a table become numbers: the part of a model that remembers its table.

Numbers stay as they are. A category with levels a, b, c becomes three columns of zeros and ones, named
`colour=a`, `colour=b`, `colour=c` (one-hot coding). No level is dropped: with a penalty the coefficients are
unique nevertheless, and no level is favoured by being the reference.

Reference:
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), sections 2.2 and 18.3.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import DataError, FileError
from polytome.tables.frames import MISSING_WORDS, Cells, Frame, listing
from polytome.tables.label_columns import read_labels, refuse_first
from polytome.tables.marked_numbers import explain_marks

__all__ = ["MISSING_LEVEL", "MISSING_MARKS", "MISSING_RULES", "UNKNOWN_RULES", "Column", "Encoder", "is_missing"]

MISSING_LEVEL = "(missing)"
"""The level that stands for a missing category where `missing="mean"`."""
MISSING_MARKS = ("?",)
"""The words that mark a missing cell in a text file, besides the empty one, unless others are given."""
MISSING_RULES = ("error", "drop", "mean")
"""What may happen to a missing cell."""
UNKNOWN_RULES = ("error", "zero")
"""What may happen to a level that training never saw."""
_BLOCK_ROWS = 2048
SPARSE_BELOW = 0.25
"""Encoded rows are sparse where fewer than this share of their entries can differ from zero."""

Matrix: TypeAlias = "NDArray[np.float64] | sparse.csr_array"


@dataclass(frozen=True)
class Column:
    """One column of a table as a model knows it.

    Attributes:
        name: its name in the header, or `column_3` without one.
        kind: "number" or "category".
        levels: the levels of a category, sorted; empty for numbers.
        fill: what replaces a missing cell: a number's training mean, `MISSING_LEVEL` for a category, None
            for nothing.
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    @property
    def width(self) -> int:
        """The number of encoded columns it becomes."""
        return 1 if self.kind == "number" else len(self.levels)


@dataclass(frozen=True)
class Encoder:
    """The columns of a table and what they become.

    Attributes:
        columns: the feature columns in the order of the model's coefficients.
        target: the name of the column that holds the labels; None when the model has no such column.
        missing: what happens to a missing cell: "error", "drop" (the reader drops the row) or "mean" (see
            `Column.fill`).
        unknown: what happens to a level that training never saw: "error", or "zero" (all its columns are
            zero).
        label_kind: whether the labels are whole numbers or text.
        marks: words that mark a missing cell in every column, besides the empty one. Where only a number, a known level
            or a label that is a whole number can stand, those of `MISSING_WORDS` do so too.

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

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns; those of a category are `column=level`."""
        return tuple(
            name
            for column in self.columns
            for name in (
                [column.name] if column.kind == "number" else [f"{column.name}={level}" for level in column.levels]
            )
        )

    def align(self, frame: Frame) -> Frame:
        """Find this encoder's columns in a frame.

        Columns are matched by name, in any order; others are ignored. A frame without a header that has
        exactly as many columns as the encoder is matched by position.

        Args:
            frame: the table as it was read.

        Returns:
            The frame with the encoder's columns in order, and then the target column if there is one.

        Raises:
            DataError: a column is missing; the message lists what was found.
        """
        names = [column.name for column in self.columns]
        if not frame.headed and len(frame.names) == len(names):
            return replace(frame, names=tuple(names), headed=True)
        lacking = [name for name in names if name not in frame.names]
        if lacking and not frame.headed:
            raise DataError(
                f"{frame.source}: has {len(frame.names)} columns and no header line, where the model needs "
                f"{len(names)}: {listing(names)}; add a header line (or use --header yes if line 1 is one)"
            )
        if lacking:
            raise DataError(
                f"{frame.source}: lacks the column {listing(lacking)}; found {listing(frame.names)}; "
                "name the columns as in training"
            )
        has_target = self.target is not None and self.target in frame.names
        return replace(frame.select([*names, self.target] if has_target and self.target else names), headed=True)

    def encode(self, frame: Frame) -> Matrix:
        """Turn the rows of a frame into numbers.

        Args:
            frame: a table with this encoder's columns; see `align`.

        Returns:
            `(n_rows, len(feature_names))` float64: a CSR array where the columns of categories leave most
            entries zero (this depends on the encoder alone), otherwise dense.

        Raises:
            DataError: a column is missing, a cell is missing or is not a number, or a level was never seen and
                `unknown` is "error"; the message names the place, the column and the value.
        """
        frame = self.align(frame)
        width = sum(column.width for column in self.columns)
        blocks = [
            self._numbers(frame, column) if column.kind == "number" else self._codes(frame, column)
            for column in self.columns
        ]
        if len(self.columns) < SPARSE_BELOW * width:
            return self._sparse(blocks, frame.n_rows, width)
        return self._dense(blocks, frame.n_rows, width)

    def labels(self, frame: Frame) -> NDArray[Any] | None:
        """Read the target column of a frame.

        Args:
            frame: a table that may hold the target column.

        Returns:
            `(n_rows,)` int64 or `str` labels; None when the frame has no target column or nothing in it.

        Raises:
            DataError: some labels are missing, or one is not a whole number where training had only whole
                numbers.
        """
        frame = self.align(frame)
        if self.target is None or self.target not in frame.names:
            return None
        marks = {*self.marks, *(MISSING_WORDS if self.label_kind == "integer" else ())}
        return read_labels(frame.without(self.target, marks), self.target, self.label_kind)

    def incomplete(self, frame: Frame) -> NDArray[np.bool_]:
        """Tell which rows of a frame lack a cell in one of this encoder's columns; `(n_rows,)`."""
        frame = self.align(frame)
        gaps: NDArray[np.bool_] = np.any(
            [
                np.isnan(self._plain_numbers(frame, column))
                if column.kind == "number"
                else self._positions(frame, column) == _GAP
                for column in self.columns
            ],
            axis=0,
        )
        return gaps

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values from which `from_json` makes an equal encoder."""
        plain = asdict(self)
        plain["columns"] = [{**column, "levels": list(column["levels"])} for column in plain["columns"]]
        if self.marks == MISSING_MARKS:
            del plain["marks"]  # as in files that are older than this member
        else:
            plain["marks"] = list(self.marks)
        return plain

    @classmethod
    def from_json(cls, data: object) -> Encoder:
        """Rebuild an encoder from what `to_json` returned, checking everything.

        Args:
            data: parsed JSON.

        Raises:
            FileError: something is absent, superfluous, of the wrong type, contradictory or not finite.

        Example:
            >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="zero")
            >>> Encoder.from_json(encoder.to_json()) == encoder
            True
        """
        plain = _members({"marks": list(MISSING_MARKS), **data} if isinstance(data, dict) else data, cls, "encoder")
        if not isinstance(plain["columns"], list) or not plain["columns"]:
            _damaged("columns", plain["columns"], "a list of at least one column")
        if not isinstance(plain["marks"], list):
            _damaged("marks", plain["marks"], "a list of text")
        columns = tuple(_column_from_json(column) for column in plain["columns"])
        target = None if plain["target"] is None else _text("target", plain["target"])
        names = [column.name for column in columns]
        if len({*names, target}) != len(names) + 1:
            _damaged("columns", names, "names that differ from each other and from the target")
        return cls(
            columns,
            target,
            missing=_choice("missing", plain["missing"], MISSING_RULES),
            unknown=_choice("unknown", plain["unknown"], UNKNOWN_RULES),
            label_kind="integer" if _choice("label_kind", plain["label_kind"], _LABELS) == "integer" else "text",
            marks=tuple(_text("marks", mark) for mark in plain["marks"]),
        )

    def _plain_numbers(self, frame: Frame, column: Column) -> NDArray[np.float64]:
        """Read a number column as it is: NaN where a cell is missing, infinity where it is not a number."""
        marks = set(self.marks) - MISSING_WORDS  # those of MISSING_WORDS are not numbers anyway
        cells = frame[column.name]
        return (cells.without(marks) if marks else cells).numbers()

    def _numbers(self, frame: Frame, column: Column) -> NDArray[np.float64]:
        """Read a number column, filling gaps only where training decided so."""
        values = self._plain_numbers(frame, column)
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
            refuse_first(frame, column.name, gaps, _MISSING_REMEDY)
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
        return np.array([*found, _GAP], dtype=np.intp)[codes]  # code -1 points at the last

    def _codes(self, frame: Frame, column: Column) -> NDArray[np.intp]:
        """Read a category column as positions among its levels; -1 is a level never seen, where allowed."""
        found = self._positions(frame, column)
        if column.fill is None:
            refuse_first(frame, column.name, found == _GAP, _MISSING_REMEDY)
        elif column.fill in column.levels:
            found = np.where(found == _GAP, column.levels.index(str(column.fill)), found)
        if self.unknown == "error":
            refuse_first(
                frame,
                column.name,
                found < 0,
                f"the level {{value}} was not in the training data, which had {listing(column.levels)}; "
                "correct it, or let it count as no known level with --unknown zero",
            )
        return np.maximum(found, -1)

    def _dense(self, blocks: list[NDArray[Any]], n_rows: int, width: int) -> NDArray[np.float64]:
        """Write the columns side by side into one array."""
        X = np.zeros((n_rows, width))
        for top in range(0, n_rows, _BLOCK_ROWS):  # a few rows at a time stay in cache while columns are written
            part = X[top : top + _BLOCK_ROWS]
            start = 0
            for column, block in zip(self.columns, blocks, strict=True):
                values = block[top : top + _BLOCK_ROWS]
                if column.kind == "number":
                    part[:, start] = values
                else:
                    rows = np.flatnonzero(values >= 0)
                    part[rows, start + values[rows]] = 1.0
                start += column.width
        return X

    def _sparse(self, blocks: list[NDArray[Any]], n_rows: int, width: int) -> sparse.csr_array:
        """Write one entry per row and column of the table, then remove the zeros."""
        values = np.empty((n_rows, len(blocks)))
        indices = np.empty((n_rows, len(blocks)), dtype=np.int32)
        start = 0
        for j, (column, block) in enumerate(zip(self.columns, blocks, strict=True)):
            is_number = column.kind == "number"
            values[:, j] = block if is_number else block >= 0
            indices[:, j] = start if is_number else start + np.maximum(block, 0)
            start += column.width
        ends = np.arange(n_rows + 1) * len(blocks)
        X = sparse.csr_array((values.ravel(), indices.ravel(), ends), shape=(n_rows, width))
        X.eliminate_zeros()
        return X


_LABELS = ("integer", "text")
_UNSEEN, _GAP = -1, -2
_LONGEST_NAMES = 2**27
"""Characters of the names of one category's features in a file: `column=level`, so that short text cannot grow."""
_MISSING_REMEDY = "the cell is missing; fill it in, or choose --missing drop or --missing mean in training"


def is_missing(cells: Cells, kind: str) -> NDArray[np.bool_]:
    """Return where the cells of a column of this kind are missing.

    Example:
        >>> is_missing(Frame.of({"age": [25, None]})["age"], "number")
        array([False,  True])
    """
    return np.isnan(cells.numbers()) if kind == "number" else cells.words()[0] < 0


def _damaged(what: str, found: object, wanted: str) -> NoReturn:
    """Refuse a part of an encoder that no encoder can have written."""
    raise FileError(f"encoder, {what}: found {repr(found)[:60]}, needed {wanted}; the file is damaged or foreign")


def _members(data: object, kind: type, what: str) -> dict[str, Any]:
    """Return a dictionary after checking that it has a dataclass's fields and no others."""
    names = {field.name for field in fields(kind)}
    if not isinstance(data, dict) or set(data) != names:
        _damaged(what, sorted(map(str, data)) if isinstance(data, dict) else data, f"the members {sorted(names)}")
    return data


def _text(what: str, value: object) -> str:
    """Return a string after checking that it is one and can be written out."""
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        _damaged(what, value, "text")
    return value


def _choice(what: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return a string after checking that it is one of a few."""
    if not isinstance(value, str) or value not in allowed:
        _damaged(what, value, f"one of {allowed}")
    return value


def _column_from_json(data: object) -> Column:
    """Rebuild one column from JSON that may be hostile."""
    plain = _members(data, Column, "column")
    name = _text("column name", plain["name"])
    kind = _choice(f"column {name!r:.60}, kind", plain["kind"], ("number", "category"))
    fill = plain["fill"]
    if not isinstance(plain["levels"], list):
        _damaged(f"column {name!r}, levels", plain["levels"], "a list of text")
    what = f"column {name!r:.60}, level"
    levels = tuple(_text(what, level) for level in plain["levels"])
    if len(name) * len(levels) > _LONGEST_NAMES:
        _damaged(f"column {name!r:.60}, levels", len(levels), "fewer, or a shorter name: each level repeats it")
    if kind == "number":
        is_number = isinstance(fill, int | float) and not isinstance(fill, bool)
        if fill is not None and not (is_number and abs(fill) <= sys.float_info.max):
            _damaged(f"column {name!r}, fill", fill, "a finite number or null")
        if levels:
            _damaged(f"column {name!r}, levels", plain["levels"], "none, since it holds numbers")
        return Column(name, "number", (), None if fill is None else float(fill))
    if fill not in (None, MISSING_LEVEL):
        _damaged(f"column {name!r}, fill", fill, f"{MISSING_LEVEL!r} or null")
    if not levels or list(levels) != sorted(set(levels)):
        _damaged(f"column {name!r}, levels", plain["levels"], "different levels in sorted order")
    return Column(name, "category", levels, fill)
