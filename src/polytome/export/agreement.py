"""Whether an exported model makes the same predictions as the model: the same rows through both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.export.form import Form
from polytome.models.fitted import nameless
from polytome.models.fitted_source import source_of
from polytome.plain.names import suggested
from polytome.tables.encoder import Column
from polytome.tables.frames import Frame
from polytome.tables.text_columns import TextTerms

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]
Cells: TypeAlias = "Array | list[Array]"
"""Rows before encoding: an (n, d) array where all columns are numbers, else one array per
column."""

__all__ = ["Agreement", "checked_agreement", "encoded", "given_cells", "sample_cells"]

_MOST_ROWS, _MOST_CELLS = 256, 2**22
_RARELY = 1 / 16
_OFTEN = 1 / 4
_MOST_TERMS = 30
"""Of a text that is drawn, twice."""
_OTHER_WORDS = ("a", "I", "zq", "Über", "ÉTÉ", "x1", "λόγος", "中文", "²", "don't", "_")
_BETWEEN = (" ", " ", " ", "  ", ", ", ".\n", "\t", "\r\n", " – ", "-", "\u3000", " 😀 ", "!", "")
_UNSEEN = "a level that training never saw"


@dataclass(frozen=True)
class Agreement:
    """How closely an exported model agreed with the model.

    Attributes:
        runtime: what ran it.
        n_rows: rows that both predicted.
        largest_difference: between two probabilities of the same row and class, or two numbers
            relative to the largest.
        n_labels_differ: rows with a different label.
        of: what was compared.

    Example:
        >>> print(Agreement("onnxruntime 1.20", 256, 2.2e-16, 0))
        onnxruntime 1.20, 256 rows: largest difference in a probability 2.2e-16, every label equal
    """

    runtime: str
    n_rows: int
    largest_difference: float
    n_labels_differ: int
    of: str = "probability"

    def __str__(self) -> str:
        """One line."""
        labels = f"{self.n_labels_differ} labels differ" if self.n_labels_differ else "every label equal"
        found = f"{self.runtime}, {self.n_rows} rows: largest difference in a {self.of} {self.largest_difference:.1e}"
        return found if self.of == "number" else f"{found}, {labels}"

    def to_json(self) -> dict[str, Any]:
        """The members as plain values."""
        return asdict(self)


def checked_agreement(
    model: Fitted, form: Form, cells: Cells, found: tuple[Array, Array], runtime: str, allowed: float
) -> Agreement:
    """Compare what a runtime returned with the model's own predictions.

    Args:
        model: the model.
        form: its form.
        cells: the rows.
        found: labels, (n,), and probabilities, (n, K), from the runtime; of numbers these twice.
        runtime: its name and version.
        allowed: the largest difference in a probability.

    Raises:
        ArgumentError: a difference is larger, or a label differs although its two best classes do
            not tie.
    """
    labels, probabilities = found
    rows, model = encoded(model, cells), nameless(model)
    if form.link == "identity":
        numbers = model.predict(rows).reshape(len(probabilities), -1)
        difference = np.abs(numbers - probabilities).max() / max(1.0, np.abs(numbers).max())
        agreement = Agreement(runtime, len(numbers), float(difference), 0, "number")
        if not difference <= allowed:
            raise ArgumentError(f"not exported, since the result predicts something else: {agreement}")
        return agreement
    expected = model.predict_proba(rows)
    # Classes that tie in float64 may come in another order; that misleads nobody.
    near = expected if form.cut is None else expected * np.exp([form.cut / 2, -form.cut / 2])
    best = np.sort(near, axis=1)[:, -2:]
    differs = np.array([str(label) for label in labels]) != model.predict(rows).astype(np.str_)
    difference = np.abs(expected - probabilities).max()
    agreement = Agreement(runtime, len(expected), float(difference), int(differs.sum()))
    if not difference <= allowed or (differs & (best[:, 1] - best[:, 0] > 2 * allowed)).any():
        raise ArgumentError(f"not exported, since its predictions differ from the model's: {agreement}")
    return agreement


def sample_cells(model: Fitted, form: Form) -> Cells:
    """Rows drawn with a fixed seed from the ranges in training, or so that scores differ by a few
    units.

    Where the model fills missing cells or takes unknown levels, some are missing or unknown.
    """
    random = np.random.default_rng(0)
    n_rows = max(2, min(_MOST_ROWS, _MOST_CELLS // len(form.columns)))
    low, high = _ranges(model, form)
    if form.is_matrix:
        X = random.uniform(low, high, size=(n_rows, len(low)))
        gaps = (random.random(X.shape) < _RARELY) & ~np.isnan(form.fills)
        X[gaps] = np.nan
        return X
    cells, start = [], 0
    for column in form.columns:
        if column.kind == "number":
            drawn = random.uniform(low[start], high[start], size=n_rows)
            drawn[(random.random(n_rows) < _RARELY) & (column.fill is not None)] = np.nan
        elif column.terms is not None:
            drawn = _sample_texts(column, column.terms, n_rows, random)
        else:
            drawn = _sample_levels(column, form.unknown, n_rows, random)
        cells.append(drawn)
        start += column.width
    return cells


def given_cells(model: Fitted, form: Form, rows: Any) -> Cells:
    """A user's rows: an array, or for a table a data frame or a mapping from column to values.

    Raises:
        DataError: a column is missing, or the model cannot predict the rows.
    """
    named = isinstance(rows, Mapping) or hasattr(rows, "columns")
    if not named and not form.is_matrix:
        raise DataError("rows has no named columns: give a data frame, or a dict from each column to its values")
    if not named:
        X = np.asarray(rows, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(form.columns) or len(X) == 0:
            raise DataError(f"rows has shape {X.shape}; the model predicts rows of {len(form.columns)} numbers")
        return X
    lacking = [column.name for column in form.columns if column.name not in rows]
    if lacking:
        raise DataError(f"rows lacks the column {suggested(lacking[0], rows)}")
    cells = [_plain_cells(rows[column.name], column.kind) for column in form.columns]
    return np.column_stack(cells) if form.is_matrix else cells


def encoded(model: Fitted, cells: Cells) -> Any:
    """The rows as the model takes them, shape (n, d)."""
    encoder = source_of(model).encoder
    if encoder is None:
        return cells
    columns = cells.T if isinstance(cells, np.ndarray) else cells
    if not encoder.has_terms and all(c.kind == "number" and c.fill is None for c in encoder.columns):
        return cells
    named = {column.name: list(values) for column, values in zip(encoder.read_columns, columns, strict=True)}
    return encoder.encode(Frame.of(named, source="rows"))


def _ranges(model: Fitted, form: Form) -> tuple[Array, Array]:
    """Where to draw each feature from."""
    training = source_of(model).training
    if training is not None:
        return training.low, training.high
    steepest = np.abs(form.coefficients).max(axis=0)
    reach = np.divide(8 / np.sqrt(len(steepest)), steepest, out=np.ones_like(steepest), where=steepest > 1e-100)
    centre = np.zeros_like(reach)
    if form.is_matrix:
        centre = np.nan_to_num(form.fills)
    return centre - reach, centre + reach


def _sample_levels(column: Column, unknown: str, n_rows: int, random: np.random.Generator) -> Array:
    """Levels, all equally often, with some that are missing or unknown where the model takes
    them."""
    drawn = np.array(column.levels, dtype=object)[random.integers(len(column.levels), size=n_rows)]
    if unknown == "zero":
        drawn[random.random(n_rows) < _RARELY] = _UNSEEN
    if column.fill in column.levels or (column.fill is not None and unknown == "zero"):
        drawn[random.random(n_rows) < _RARELY] = None
    return drawn


def _sample_texts(column: Column, terms: TextTerms, n_rows: int, random: np.random.Generator) -> Array:
    """Texts of known terms, in capitals at times, and others, with all that may stand between
    them."""
    drawn = np.empty(n_rows, dtype=object)
    for row, size in enumerate(random.integers(_MOST_TERMS, size=n_rows)):
        known = [terms.words[place] for place in random.integers(len(terms.words), size=size)]
        capital = [word.upper() if word.isascii() and random.random() < _OFTEN else word for word in known]
        others = [_OTHER_WORDS[place] for place in random.integers(len(_OTHER_WORDS), size=size)]
        between = [_BETWEEN[place] for place in random.integers(len(_BETWEEN), size=2 * size)]
        some = [word if random.random() < _OFTEN else other for word, other in zip(capital, others, strict=True)]
        pieces = [*capital, *some]
        drawn[row] = "".join(piece + gap for piece, gap in zip(pieces, between, strict=True))
    filled = column.fill is not None
    drawn[[text == "" if not filled else random.random() < _RARELY for text in drawn]] = None if filled else "a"
    return drawn


def _plain_cells(values: Any, kind: str) -> Array:
    """A user's column as floats, or as texts with None where a cell is missing."""
    if kind == "number":
        return np.asarray(values, dtype=np.float64)
    cells = np.empty(len(values), dtype=object)
    cells[:] = [None if value is None or value != value else str(value) for value in values]
    return cells
