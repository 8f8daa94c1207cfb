"""Learn from a training table what each of its columns is."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.date_columns import parts_of_dates, refuse_dates, with_parts
from polytome.tables.encoder import (
    MISSING_LEVEL,
    MISSING_MARKS,
    MISSING_REMEDY,
    OTHER_LEVEL,
    Column,
    Encoder,
    is_missing,
)
from polytome.tables.frames import MISSING_WORDS, Frame, listing, parse_number
from polytome.tables.label_columns import label_kind, refuse_first
from polytome.tables.marked_numbers import explain_marks
from polytome.tables.named_columns import (
    find_column,
    find_columns,
    find_ids,
    find_texts,
    find_weight,
    learn_dates,
    name_written_numbers,
    note_positions,
    note_written_numbers,
)
from polytome.tables.number_formats import (
    find_written_numbers,
    with_written_numbers,
)
from polytome.tables.reference_levels import refuse_zero, same_reference, with_references
from polytome.tables.term_columns import learn_again, with_term_columns
from polytome.tables.terms import Terms
from polytome.tables.text_columns import TextOptions, TextTerms, learn_terms, looks_like_text
from polytome.tables.weight_columns import weight_note

__all__ = [
    "FEW_WRONG",
    "MOST_LEVEL_BYTES",
    "category_column",
    "column_kind",
    "learn_encoder",
    "learn_from_fewer",
    "note_drops",
    "note_fills",
    "raise_together",
    "refuse_equal_names",
    "refuse_marked_numbers",
    "without_gap_words",
]

_FEW_LEVELS = 20
_FEWEST_ROWS = ((1000, 5.0), (20, 1.1))
"""Above so many levels a column is refused by default if there are on average fewer rows for
each."""
MOST_LEVEL_BYTES = 1 << 24
"""Bytes that all levels of a column may have together by default: they are kept in the model."""
FEW_WRONG = 0.05
_MOST_TOLD = 12


def raise_together(source: str, errors: Sequence[DataError]) -> None:
    """Raise what is wrong with columns as one error.

    Args:
        source: the table's name, with which each message begins.
        errors: at most one for each column.

    Raises:
        DataError: there is at least one.
    """
    if len(errors) == 1:
        raise errors[0]
    if errors:
        said = [f"({place}) {str(error).removeprefix(source).lstrip(', ')}" for place, error in enumerate(errors, 1)]
        raise DataError(f"{source}: {len(errors)} columns cannot be used: {listing(said, _MOST_TOLD, str, '; ')}")


def learn_encoder(
    frame: Frame,
    target: str,
    *,
    missing: str = "error",
    unknown: str = "error",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    marks: Sequence[str] = MISSING_MARKS,
    weight: str | None = None,
    text: Sequence[str] = (),
    text_options: TextOptions | None = None,
    dates: Mapping[str, str | Sequence[str]] | None = None,
    references: Mapping[str, str] | None = None,
    numbers: str | Mapping[str, str] | None = None,
    ids: Sequence[str] = (),
    layout: Sequence[str] = (),
    min_level_count: int = 1,
    terms: Terms | None = None,
) -> tuple[Encoder, Frame, tuple[str, ...]]:
    """Decide for each column whether it holds numbers or categories.

    A column holds numbers when every cell that is not missing is a finite number (or every one is
    true or false), and categories otherwise. Where one cell or fewer than 5 % of the cells spoil a
    column of numbers, that is an error. Among numbers every word of `MISSING_WORDS` is a missing
    cell, among other words only those of `marks` are.

    Args:
        frame: the training table.
        target: the column of labels: a name, "last", or a position from 1.
        missing: "error", "drop" (leave out rows with a gap in a column that is used) or "mean" (a
            number gets the column's mean, a category the level `MISSING_LEVEL`).
        unknown: kept in the encoder; see `Encoder`.
        drop: columns to leave out: names, positions, patterns; several in one text with commas.
        categories: columns to read as text, named likewise, whatever they look like and however
            rare their levels are.
        marks: words that mark a missing cell, besides the empty one.
        weight: the column of the weights of rows; as the target.
        text: columns of which the terms are counted. In them only an empty cell is missing; with
            "mean" it is an empty text.
        text_options: how; None for `TextOptions()`.
        dates: for columns of dates the parts that become columns; see `PARTS`.
        references: the level that has no feature, for categories; see `with_references`.
        numbers: how numbers are written, for columns or for all of text; see `WrittenNumbers`.
        ids: columns that are no features and are kept beside predictions; as for `drop`.
        layout: kept in the encoder.
        min_level_count: the rows in which a level must occur; rarer ones become one, `OTHER_LEVEL`.
        terms: columns that are made of others; None for none.

    Returns:
        The encoder, the frame with the rows that training uses, and notes that a user should see.

    Raises:
        ArgumentError: an option names no column of the table.
        DataError: a column cannot be used; the message names the column, the place and the remedy.

    Example:
        >>> frame = Frame.of({"age": [25, 31], "colour": ["red", "blue"], "y": ["a", "b"]})
        >>> encoder, _, _ = learn_encoder(frame, "y")
        >>> encoder.feature_names
        ('age', 'colour=blue', 'colour=red')
    """
    notes = list(frame.notes)
    named = [target, *drop, *categories, *text, *ids, *([] if weight is None else [weight])]
    note_positions(frame.names, named, notes)
    target = find_column(frame, target, "target")
    dropped = set(find_columns(frame, drop, "drop", keep=(target, str(weight))))
    forced = set(find_columns(frame, categories, "categories", keep=(target, str(weight))))
    weight = find_weight(frame, weight, target, {*dropped, *forced})
    kept = find_ids(frame, ids, {target: "target", **dict.fromkeys(forced, "categories"), str(weight): "weight"})
    dropped.update(kept)
    written = name_written_numbers(frame, numbers or {}, {target: "target", **dict.fromkeys(forced, "categories")})
    texts = find_texts(frame, text, {target: "target", **dict.fromkeys(dropped, "drop")}, forced, weight)
    others = {target, weight, *dropped, *forced, *texts}
    index = [name for name in frame.index if name not in others]
    unread = {*others, *(each.name for each in parts_of_dates(dates or {})), *index}
    written = find_written_numbers(frame, written, unread, marks)
    frame = with_written_numbers(frame, written, marks)
    note_written_numbers(written, numbers or {}, notes)
    whole = frame
    parts = learn_dates(frame, lambda: [whole], dates or {}, others, marks)
    frame = with_parts(frame, parts, marks)
    left_out = {target, weight, *dropped, *index}
    names = [name for name in frame.names if name not in left_out]
    if not names:
        raise DataError(
            f"{frame.source}: has no column besides the target {target!r}; if there should be more, "
            "separate the cells by commas, tabs, semicolons or bars"
        )
    notes += [
        f"column {name!r} is taken to be the index that pandas wrote and left out; to learn from it give it a name, or "
        "use reset_index() in pandas"
        for name in index
    ]
    notes += [] if weight is None else [weight_note(weight)]
    for name in (target, *names):
        if name not in texts:
            frame = frame.without(name, set(marks) - MISSING_WORDS)
    declared = {*forced, *frame.categories}
    kinds: dict[str, Literal["number", "category", "text"]] = {}
    errors: dict[str, DataError] = {}
    for name in names:
        try:
            kinds[name] = "text" if name in texts else column_kind(frame, name, declared, marks, notes)
        except DataError as error:
            errors[name] = error
    for name in (target, *(name for name, kind in kinds.items() if kind == "category")):
        frame = without_gap_words(frame, name, marks, notes)
    if weight is not None:
        frame = frame.without(weight, marks)
    if missing == "drop":
        weighed = {} if weight is None else {weight: "number"}
        frame = _drop_gaps(frame, {**kinds, target: "category", **weighed}, notes) if not errors else frame
    columns, options = [], text_options or TextOptions()
    for name, kind in kinds.items():
        try:
            if kind == "text":
                columns.append(_learn_text(frame, name, missing, options))
            else:
                rules = (missing, name in forced, min_level_count)
                columns.append(_learn_column(frame, name, kind, *rules, notes=notes))
        except DataError as error:
            errors[name] = error
    raise_together(frame.source, [errors[name] for name in names if name in errors])
    gaps = is_missing(frame[target], "category")
    refuse_first(frame, target, gaps, "the label is missing; fill it in, or leave out the row with --missing drop")
    coded, kind_of_labels = with_references(columns, references, frame.source), label_kind(frame, target, notes=notes)
    encoder = Encoder(coded, target, missing, unknown, kind_of_labels, tuple(marks), weight, parts)
    encoder = replace(encoder, numbers=written, ids=tuple(kept), layout=tuple(layout), min_level_count=min_level_count)
    refuse_zero(encoder, unknown)
    encoder = with_term_columns(encoder, lambda: [frame], frame.source, terms)
    refuse_equal_names(frame.source, encoder)
    if missing == "mean":
        note_fills({name: int(is_missing(frame[name], kind).sum()) for name, kind in kinds.items()}, notes)
    return encoder, frame, tuple(notes)


def learn_from_fewer(encoder: Encoder, frame: Frame) -> Encoder:
    """Learn means and levels again from some of the rows; the kind of each column does not change.

    Args:
        encoder: as `learn_encoder` returned it.
        frame: some rows of the frame that came with it.

    Raises:
        DataError: in these rows every cell of a column is missing.

    Example:
        >>> frame = Frame.of({"age": [25, 31, 31], "hue": ["red", "blue", "blue"], "y": ["a", "b", "a"]})
        >>> encoder, frame, _ = learn_encoder(frame, "y")
        >>> learn_from_fewer(encoder, frame.take(np.array([False, True, True]))).feature_names
        ('age', 'hue=blue')
    """
    columns = tuple(
        _learn_text(frame, column.name, encoder.missing, column.terms.options)
        if column.terms is not None
        else same_reference(
            _learn_column(frame, column.name, column.kind, encoder.missing, True, encoder.min_level_count),
            column,
            frame.source,
        )
        for column in encoder.read_columns
    )
    return learn_again(replace(encoder, columns=columns), encoder, lambda: [frame], frame.source)


def _learn_text(frame: Frame, name: str, missing: str, options: TextOptions) -> Column:
    """Learn the terms of a column of text."""
    cells = frame[name]
    gaps = is_missing(cells, "text")
    if gaps.all():
        raise DataError(
            f"{frame.source}, column {name!r}: every cell of the rows to learn from is missing; "
            f"leave the column out with --drop {name}"
        )
    if missing != "mean":
        refuse_first(frame, name, gaps, MISSING_REMEDY)
    terms: TextTerms = learn_terms(cells, options, f"{frame.source}, column {name!r}")
    return Column(name, "text", fill="" if missing == "mean" else None, terms=terms)


def column_kind(
    frame: Frame, name: str, forced: Collection[str], marks: Sequence[str], notes: list[str]
) -> Literal["number", "category"]:
    """Decide what a column holds, refusing what is neither."""
    cells = frame[name]
    if name in forced:
        return "category"
    values = cells.numbers()
    present = ~np.isnan(values)
    if not present.any():
        if len({*cells.words()[1]} - {*marks}) > 1:  # two words that may mean nothing mean different things
            return "category"
        raise DataError(
            f"{frame.source}, column {name!r}: every cell is missing; leave the column out with --drop {name}"
        )
    wrong = np.isinf(values)
    if not wrong.any():
        _note_counting(name, values, notes)
        return "number"
    n_wrong, n_present = int(wrong.sum()), int(present.sum())
    said = explain_marks(cells.text(int(np.argmax(wrong))))
    if n_wrong < FEW_WRONG * n_present or n_wrong == 1 < n_present - 2:
        refuse_first(
            frame,
            name,
            wrong,
            f"{{value}} {said or 'is not a finite number'}, while {n_present - n_wrong} other cells are numbers; "
            f"correct the cell, or treat the column as text with --categories {name}",
        )
    refuse_marked_numbers(frame, name, wrong)
    refuse_dates(frame.source, name, cells.words()[1], marks)
    if n_wrong < n_present:
        notes.append(f"column {name!r} is read as text: {n_wrong} of its {n_present} cells are not numbers")
    return "category"


def _note_counting(name: str, values: NDArray[np.float64], notes: list[str]) -> None:
    """Say that whole numbers that are all different may merely number the rows."""
    some = values[: _FEW_LEVELS * _FEW_LEVELS]
    if len(values) <= 2 or not (some == np.floor(some)).all() or len(np.unique(some)) < len(some):
        return
    ordered = np.sort(values)
    if not (ordered == np.floor(ordered)).all():  # NaN is last and equals nothing
        return
    remedy = f"leave it out with --drop {name} if it is not a measurement"
    if ordered[0] in (0.0, 1.0) and (np.diff(ordered) == 1).all():
        notes.append(f"column {name!r} counts the rows; {remedy}")
    elif len(values) > _FEW_LEVELS and (np.diff(ordered) > 0).all():
        notes.append(f"column {name!r} holds a different whole number in each row; {remedy}")


def refuse_marked_numbers(frame: Frame, name: str, wrong: NDArray[np.bool_]) -> None:
    """Refuse text that would be numbers but for marks in it, such as commas."""
    _, words = frame[name].words()
    if all(explain_marks(word) or np.isfinite(parse_number(word)) or word in MISSING_WORDS for word in words):
        said = explain_marks(frame[name].text(int(np.argmax(wrong))))
        refuse_first(frame, name, wrong, f"{{value}} {said}; or let the column count as text with --categories {name}")


def without_gap_words(frame: Frame, name: str, marks: Sequence[str], notes: list[str]) -> Frame:
    """Treat the words that mark missing cells in a column of words as missing, and say which others
    look like marks."""
    _, words = frame[name].words()
    doubtful = [word for word in words if word in MISSING_WORDS and word not in marks]
    others = [word for word in words if word not in MISSING_WORDS]
    if others and all(np.isfinite(parse_number(word)) for word in others):
        return frame.without(name, MISSING_WORDS)
    if doubtful:
        notes.append(
            f"column {name!r}: {listing(doubtful)} is read as a name like any other; if it marks missing cells, use "
            f"--missing-mark {doubtful[0]}"
        )
    return frame.without(name, marks)


def refuse_equal_names(source: str, encoder: Encoder) -> None:
    """Refuse columns of which two features would have one name, such as `a=b` beside `a` with level
    `b`."""
    name, count = Counter(encoder.feature_names).most_common(1)[0]
    if count > 1:
        makers = [column.name for column in encoder.columns if name in column.feature_names]
        raise DataError(
            f"{source}: the columns {listing(makers)} both make a feature named {name!r}; rename one of them"
        )


def _drop_gaps(frame: Frame, kinds: dict[str, str], notes: list[str]) -> Frame:
    """Leave out the rows that lack a cell in any column that is used."""
    keep = ~np.any([is_missing(frame[name], kind) for name, kind in kinds.items()], axis=0)
    if not keep.any():
        raise DataError(f"{frame.source}: every row has a missing cell; use --missing mean, or leave columns out")
    note_drops(keep, notes)
    return frame.take(keep)


def note_drops(keep: NDArray[np.bool_], notes: list[str]) -> None:
    """Say how many rows are not kept, if there are some."""
    if not keep.all():
        notes.append(f"{int((~keep).sum())} of {len(keep)} rows have a missing cell and are left out")


def note_fills(gaps: Mapping[str, int], notes: list[str]) -> None:
    """Say how many cells are filled, and in which columns."""
    filled = [f"{name} ({count})" for name, count in gaps.items() if count]
    if filled:
        notes.append(f"missing cells are filled: {listing(filled, _MOST_TOLD, str)}")


def _learn_column(
    frame: Frame, name: str, kind: str, missing: str, forced: bool, fewest: int, notes: list[str] | None = None
) -> Column:
    """Learn the mean of a number column, or the levels of a category."""
    cells = frame[name]
    gaps = is_missing(cells, kind)
    if gaps.all() and (kind == "number" or missing != "mean"):
        raise DataError(
            f"{frame.source}, column {name!r}: every cell of the rows to learn from is missing; "
            f"leave the column out with --drop {name}"
        )
    if kind == "number":
        return Column(name, "number", fill=float(cells.numbers()[~gaps].mean()) if missing == "mean" else None)
    codes, words = cells.words()
    counts = dict(zip(words, np.bincount(codes[codes >= 0], minlength=len(words)).tolist(), strict=True))
    return category_column(frame.source, name, counts, int(gaps.sum()), missing, forced, fewest, notes)


def category_column(
    source: str,
    name: str,
    counts: Mapping[str, int],
    n_gaps: int,
    missing: str,
    forced: bool,
    fewest: int = 1,
    notes: list[str] | None = None,
) -> Column:
    """The column of a category.

    Args:
        source: the table's name.
        name: the column's.
        counts: how many cells hold each word.
        n_gaps: how many cells are missing.
        missing: as for `learn_encoder`.
        forced: whether it is a category however rare its words are.
        fewest: the cells that a level needs; rarer words become one, `OTHER_LEVEL`.
        notes: receives a sentence if there are such.

    Raises:
        DataError: the words hardly repeat, and nobody said that they are a category nevertheless;
            or all of them are too rare for levels.

    Example:
        >>> category_column("t.csv", "hue", {"red": 5, "blue": 3, "pink": 1}, 0, "error", False, fewest=2).levels
        ('(other)', 'blue', 'red')
    """
    n_present, n_words = sum(counts.values()), len(counts)
    words = [word for word, count in counts.items() if count >= fewest]
    if counts and not [word for word in words if word != OTHER_LEVEL]:
        raise DataError(
            f"{source}, column {name!r}: holds {n_words} different texts, none of them in {fewest} cells or more; "
            f"leave the column out with --drop {name}, or lower --min-level-count"
        )
    if len(words) < n_words:
        if notes is not None:
            n_rare = n_words - len(words)
            verbs = ("occurs", "counts") if n_rare == 1 else ("occur", "count")
            notes.append(
                f"column {name!r}: {n_rare:,} of its {n_words:,} levels {verbs[0]} in fewer than {fewest} rows and "
                f"{verbs[1]} as {OTHER_LEVEL!r}, as unknown ones will"
            )
        words = [*(word for word in words if word != OTHER_LEVEL), OTHER_LEVEL]
    other = OTHER_LEVEL if fewest > 1 and OTHER_LEVEL in words else None
    size = sum(len(word.encode()) for word in words)
    rare = any(len(words) > levels and n_present < rows * len(words) for levels, rows in _FEWEST_ROWS)
    if not forced and (rare or size > MOST_LEVEL_BYTES):
        reason = (
            f"{n_present / len(words):.1f} rows for each are few" if rare else f"{size:,} bytes are too many to keep"
        )
        holds = f"{source}, column {name!r}: holds {len(words)} different texts in {n_present} cells, such as "
        if looks_like_text(words):
            raise DataError(
                f"{holds}{reprlib.repr(words[0])}; learn from their words with --text {name}, or leave the column out "
                f"with --drop {name}"
            )
        raise DataError(
            f"{holds}{reprlib.repr(words[0])}; {reason}; leave the column out with --drop {name}, or learn from it "
            f"anyway with --categories {name}"
        )
    extra = {MISSING_LEVEL} if missing == "mean" and n_gaps else set()
    fill = MISSING_LEVEL if missing == "mean" else None
    return Column(name, "category", tuple(sorted({*words, *extra})), fill, other=other)
