"""Predictions of many rows, for a file or an answer: classes, and the probability of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.evaluation.explain import output_names
from polytome.evaluation.metrics import class_counts
from polytome.models.fitted import Outputs
from polytome.tables.date_columns import DateCells
from polytome.tables.frames import EXACT, Cells, Frame, NumberCells
from polytome.tables.readers.columnar import import_pyarrow

if TYPE_CHECKING:
    import pyarrow

    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Predictions", "kept_columns", "predict_rows"]

_BLOCK_ROWS = 512
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""The first characters of texts that a spreadsheet program reads as formulas."""
_SPECIAL = re.compile(r'[",\r\n]')


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for each row.

    Attributes:
        classes: the labels, (K,); for a model of numbers the places of what it predicts.
        predictions: the most probable class of each row, (n,); for several labels 0 or 1, and for
            several numbers these, (n, K).
        probabilities: of each class, (n, K); None if they are not wanted, or the model has none.
        rows: which rows of the file these are, counted from 1, (n,); None when they are all.
        files: the image file of each row, (n,); None for other rows.
        outputs: of the model.
        ids: columns of the rows that are kept beside the predictions, by their names.
    """

    classes: Array
    predictions: Array
    probabilities: Array | None = None
    rows: Array | None = None
    files: Array | None = None
    outputs: Outputs = "classes"
    ids: Mapping[str, Array] = field(default_factory=dict)

    def counts(self) -> dict[Any, int]:
        """How many rows were put into each class, or have each label; nothing for numbers."""
        if self.outputs == "numbers":
            return {}
        if self.predictions.ndim > 1:
            return dict(zip(self.classes.tolist(), self.predictions.sum(axis=0).tolist(), strict=True))
        return class_counts(self.predictions)

    def columns(self) -> dict[str, Array]:
        """The columns of a table: `prediction`, or one `prediction_LABEL` each, and one
        `probability_CLASS` each.

        They are preceded by `file` for images, `row` if rows were left out, and the columns that
        are kept.
        """
        places = {"file": self.files, "row": self.rows, **self.ids}
        flat = {name: place for name, place in places.items() if place is not None}
        if self.predictions.ndim > 1:
            names = (f"prediction_{label}" for label in self.classes.tolist())
            flat.update(zip(names, self.predictions.T, strict=True))
        else:
            flat["prediction"] = self.predictions
        if self.probabilities is not None:
            names = (f"probability_{label}" for label in self.classes.tolist())
            flat.update(zip(names, self.probabilities.T, strict=True))
        return flat

    def to_csv(self, guard_formulas: bool = False) -> str:
        """CSV with a header line; numbers in the fewest digits that reproduce them exactly.

        Spreadsheet programs read a text such as `=1+1` as a formula and compute it, or worse. A
        guard in front of it changes the data, so it is written only on request.

        Args:
            guard_formulas: whether texts that begin with `=`, `+`, `-`, `@`, a tab or a line break
                get an apostrophe in front, which marks a text in such programs.

        Example:
            >>> predictions = Predictions(np.array(["no", "yes"]), np.array(["yes"]), np.array([[0.25, 0.75]]))
            >>> print(predictions.to_csv(), end="")
            prediction,probability_no,probability_yes
            yes,0.25,0.75
            >>> Predictions(np.array(["-", "=1+1"]), np.array(["=1+1"])).to_csv(guard_formulas=True)
            "prediction\\n'=1+1\\n"

        Reference:
            The OWASP Foundation, "CSV Injection",
            https://owasp.org/www-community/attacks/CSV_Injection.
        """
        columns = self.columns()
        head = ",".join(_quoted(name, guard=False) for name in columns)
        return head + "\n" + "".join(self.csv_blocks(guard_formulas))

    def csv_blocks(self, guard_formulas: bool = False) -> Iterator[str]:
        """The rows of `to_csv`, some at a time, so that other threads can run between them.

        Args:
            guard_formulas: as for `to_csv`.
        """
        columns = self.columns().values()
        for top in range(0, len(self.predictions), _BLOCK_ROWS):
            block = [_written(column[top : top + _BLOCK_ROWS], guard_formulas) for column in columns]
            yield "\n".join(map(",".join, zip(*block, strict=True))) + "\n"

    def to_parquet(self) -> bytes:
        """A Parquet file of the same columns; needs pyarrow.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pyarrow = import_pyarrow("Parquet")
        from pyarrow import parquet

        sink = pyarrow.BufferOutputStream()
        parquet.write_table(self.to_table(), sink)
        return bytes(sink.getvalue())

    def to_table(self) -> pyarrow.Table:
        """An Arrow table of the same columns; needs pyarrow."""
        import pyarrow

        return pyarrow.table({name: _arrow(column) for name, column in self.columns().items()})

    def to_arrow(self) -> bytes:
        """An Arrow stream of the same columns; needs pyarrow."""
        import pyarrow

        table = self.to_table()
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())


def _arrow(column: Array) -> pyarrow.Array:
    """A column for Arrow; one of objects has text or whole numbers, and None for a missing cell."""
    import pyarrow

    if column.dtype.kind != "O":
        return pyarrow.array(column)
    is_text = any(isinstance(value, str) for value in column.tolist()) or all(value is None for value in column)
    return pyarrow.array(column, pyarrow.string() if is_text else pyarrow.int64(), from_pandas=True)


def _written(column: Array, guard_formulas: bool) -> list[str]:
    """The cells of a column as CSV has them, with an apostrophe before texts that look like
    formulas if that is wanted."""
    values: list[Any] = column.tolist()
    if column.dtype.kind not in "UO":
        return list(map(repr if column.dtype.kind == "f" else str, values))
    known = {value: _quoted(value, guard_formulas) for value in set(values)}
    return [known[value] for value in values]


def _quoted(value: str | float | None, guard: bool) -> str:
    """One cell, in quotation marks where it needs them; the missing one is empty."""
    text = "" if value is None else str(value)
    if guard and isinstance(value, str) and text.startswith(_FORMULAS):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def kept_columns(frame: Frame, names: Sequence[str]) -> dict[str, Array]:
    """Columns of a table as they are, to be kept beside predictions.

    Args:
        frame: the rows.
        names: of the columns; those that the table lacks are left out.

    Returns:
        For each whole numbers or text, with None where a cell is missing, or floats.

    Example:
        >>> frame = Frame.of({"customer": [17, None], "share": [0.5, 1]})
        >>> kept_columns(frame, ["customer", "share"])
        {'customer': array([17, None], dtype=object), 'share': array([0.5, 1. ])}
    """
    return {name: _kept(frame[name]) for name in names if name in frame.names}


def _kept(cells: Cells) -> Array:
    if isinstance(cells, DateCells):
        return np.array([cells.text(row) or None for row in range(len(cells))], dtype=object)
    if isinstance(cells, NumberCells) and not cells.is_boolean:
        values = cells.numbers()
        present = ~np.isnan(values)
        if not (np.abs(values[present]) <= EXACT).all() or not (values[present] == np.floor(values[present])).all():
            return values
        found = np.full(len(values), None, dtype=object)
        found[present] = values[present].astype(np.int64)
        return found
    codes, words = cells.words()
    lookup: Array = np.array([*words, None], dtype=object)  # code -1 points at its last entry
    return lookup[codes]


def predict_rows(
    model: Fitted,
    X: Any,
    *,
    probabilities: bool = True,
    kept: NDArray[np.bool_] | None = None,
    files: Sequence[str] | None = None,
    ids: Mapping[str, Array] | None = None,
) -> Predictions:
    """Predict rows with a fitted model.

    Args:
        model: fitted, of any kind.
        X: (n, d) rows.
        probabilities: whether they are wanted.
        kept: which rows of a file X holds, as `Source.kept` says it.
        files: the image file of each row, as `Source.files` says it.
        ids: columns that are kept beside the predictions, as `kept_columns` makes them.

    Raises:
        DataError: X does not suit the model.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> predict_rows(model, [[2.5]], probabilities=False).to_csv()
        'prediction\\nyes\\n'
    """
    predictions = model.predict(X)
    return Predictions(
        np.array(output_names(model)) if model.outputs in ("labels", "numbers") else model.classes_,
        predictions,
        model.predict_proba(X) if probabilities and model.has_probabilities else None,
        None if kept is None else np.flatnonzero(kept) + 1,
        None if files is None else np.array(files),
        model.outputs,
        ids or {},
    )
