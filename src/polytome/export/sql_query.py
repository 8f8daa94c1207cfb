"""SQL: the model as one query that a database can answer without additional software.

The query has four steps: the cells with missing ones filled, a score for each class, the
exponentials of the scores minus the largest one (so that none overflows), and their shares. It is
standard SQL with `exp`, `CASE` and common table expressions, for SQLite (from 3.35, with its
mathematical functions), PostgreSQL (from 12), and by their manuals DuckDB, and MySQL 8 with its
modes ANSI_QUOTES and NO_BACKSLASH_ESCAPES, CHAR for VARCHAR, and without the word MATERIALIZED.

Reference:
    ISO/IEC 9075-2, sections 5.2 (quotation marks are doubled) and 7.17 (WITH).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.export.agreement import Agreement, checked_agreement, sample_cells
from polytome.export.form import Form, Link, form_of
from polytome.files.atomic_files import atomic_output, check_writable
from polytome.tables.encoder import Column
from polytome.tables.frames import MISSING_WORDS
from polytome.tables.terms import Term

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["to_sql", "write_sql"]

_MOST_COLUMNS = 1600
"""Of a table in PostgreSQL; SQLite allows 2,000."""
_ALLOWED = 1e-10
_LARGEST = "1.797693134862315E308"
_SMALLEST = -700
"""PostgreSQL refuses exponentials that underflow; exp(-700) is 1e-304."""


def to_sql(model: Fitted, *, table: str = "rows", keep: Sequence[str] = ()) -> str:
    """The model as a query of a table with its columns: `prediction` and one `probability_CLASS`
    for each class.

    Of several numbers there is one `prediction_PLACE` for each, and no probability.

    A missing cell is NULL, or where a table holds texts (as SQLite's `.import` makes them) one of
    the spellings that a file may use, such as an empty one. A row that the model refuses, for a
    missing cell that it does not fill, a level that it never saw, or text where a number is
    expected, gets NULL in all these columns.

    Args:
        model: a fitted `LogisticRegression` with at most 1,600 columns.
        table: the name of the table or view.
        keep: columns of the table that the answer begins with, such as its key.

    Raises:
        ArgumentError: the model cannot be exported, or a name cannot be used.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> query = to_sql(model, table="people", keep=["id"])
        >>> query.splitlines()[-2:]
        ['  e_1 / (e_0 + e_1) AS "probability_yes"', 'FROM exponentials;']
    """
    form = form_of(model, decides=True)
    if len(form.columns) > _MOST_COLUMNS:
        raise ArgumentError(
            f"{len(form.columns):,} columns are more than a table of a database holds ({_MOST_COLUMNS:,}): export to "
            "ONNX"
        )
    is_number = form.link == "identity"
    answers = list(map(str, form.classes))
    if not is_number:
        answers = ["prediction", *(f"probability_{label}" for label in form.classes)]
    if clash := sorted({*keep} & {*answers}):
        raise ArgumentError(f"keep={clash[0]!r}: the answer has a column of this name; rename yours in a view")
    names = [column.name for column in form.columns]
    if len({*names}) < len(names):
        raise ArgumentError(
            f"two columns are called {max(names, key=names.count)!r}: a table cannot have both; rename one"
        )
    for name in (table, *keep, *names):
        if not name or "\0" in name:
            raise ArgumentError(f"{name!r}: no column or table of a database can have this name; rename it")
    places = range(len(form.classes))
    kept = [f"k_{place}" for place in range(len(keep))]
    scores, exponentials = [f"s_{k}" for k in places], [f"e_{k}" for k in places]
    steps = [
        _step("cells", [*_renamed(keep, kept), *_cells(form)], _name(table)),
        *([_step("terms", [*kept, *_terms(form)], "cells")] if form.terms else []),
        _step("scores", [*kept, *(f"{_score(form, k)} AS s_{k}" for k in places)], "terms" if form.terms else "cells"),
    ]
    facts = "".join(f"-- {name}: {_comment(fact)}\n" for name, fact in form.facts.items())
    first = [f"{k} AS {_name(name)}" for k, name in zip(kept, keep, strict=True)]
    if is_number:
        numbers = [f"{score} AS {_name(answer)}" for score, answer in zip(scores, answers, strict=True)]
        return f"{facts}WITH {', '.join(steps)}\n{_select([*first, *numbers], 'scores')};\n"
    steps += [
        _step("compared", [*kept, *scores, f"{_largest(scores)} AS largest"], "scores"),
        _step("exponentials", [*kept, *scores, "largest", *(_exponential(k, form.link) for k in places)], "compared"),
    ]
    total = " + ".join(exponentials)
    shares = [f"{e} / ({total}) AS {_name(answer)}" for e, answer in zip(exponentials, answers[1:], strict=True)]
    answer = [*first, _prediction(form), *shares]
    return f"{facts}WITH {', '.join(steps)}\n{_select(answer, 'exponentials')};\n"


def write_sql(
    model: Fitted, path: str | PathLike[str], *, table: str = "rows", keep: Sequence[str] = ()
) -> Agreement | None:
    """Write `to_sql(model)` to a file, after checking that SQLite's answer agrees with the model.

    Args:
        model: a fitted `LogisticRegression` with at most 1,600 columns.
        path: the file.
        table: the name of the table or view.
        keep: columns of the table that the answer begins with.

    Returns:
        How closely both agreed; None where this Python's SQLite has no `exp`, or two columns differ
        in case only.

    Raises:
        ArgumentError: the model cannot be exported, a name cannot be used, or the answers differ.
        FileError: the file cannot be written.
    """
    path = check_writable(path)
    text = to_sql(model, table=table, keep=keep)
    agreement = _agreement(model, form_of(model, decides=True))
    with atomic_output(path) as stream:
        stream.write(text.encode())
    return agreement


def _step(name: str, columns: Iterable[str], source: str) -> str:
    # Without MATERIALIZED a database may put each step's expressions into the next, and the query
    # would explode.
    return f"{name} AS MATERIALIZED (\n{_select(columns, source)}\n)"


def _select(columns: Iterable[str], source: str) -> str:
    return "SELECT\n  " + ",\n  ".join(columns) + f"\nFROM {source}"


def _renamed(names: Iterable[str], new: Iterable[str]) -> list[str]:
    return [f"{_name(name)} AS {other}" for name, other in zip(names, new, strict=True)]


def _cells(form: Form) -> list[str]:
    """The columns of the table, filled, under generated names."""
    cells = []
    for place, column in enumerate(form.columns):
        name = _name(column.name)
        # Text only for comparison: as text a number would lose digits.
        words = ", ".join(_text(word) for word in sorted(MISSING_WORDS - set(column.levels)))
        missing = f"{name} IS NULL OR CAST({name} AS VARCHAR(100)) IN ({words})"
        if column.kind == "number":
            # To SQLite text that is not a number is 0, or the number it begins with; but it
            # compares beyond all numbers.
            ends = (f"CAST({sign}{_LARGEST} AS DOUBLE PRECISION)" for sign in ("-", ""))
            value = f"CASE WHEN {name} BETWEEN {' AND '.join(ends)} THEN CAST({name} AS DOUBLE PRECISION) END"
        else:
            value = f"CAST({name} AS VARCHAR({_longest(column)}))"
        fill = "NULL" if column.fill is None else _fill(column.fill)
        cells.append(f"CASE WHEN {missing} THEN {fill} ELSE {value} END AS x_{place}")
    return cells


def _terms(form: Form) -> list[str]:
    """The filled cells, and what is made of them, under generated names."""
    made = [f"x_{place}" for place in range(len(form.columns))]
    for place, (_, term, _) in enumerate(form.placed_terms, start=len(made)):
        made.append(f"{_term(form, term)} AS x_{place}")
    return made


def _term(form: Form, term: Term) -> str:
    """A number that is made of others, or of a cross the pair of levels; where a cell is missing,
    the columns that it is made of refuse the row."""
    places = form.sources(term)
    first = f"x_{places[0]}"
    if term.kind == "power":
        return " * ".join([first] * term.place)
    if term.kind == "spline":
        bend = term.bend
        last = f"CASE WHEN {first} < {_number(bend.last)} THEN {first} ELSE {_number(bend.last)} END"
        cubes = []
        for knot, factor in ((bend.first, bend.rise), (bend.before, -bend.fall)):
            over = f"({last} - {_number(knot)})"
            cubes.append(
                f"CASE WHEN {first} > {_number(knot)} THEN {over} * {over} * {over} * {_number(factor)} ELSE 0E0 END"
            )
        beyond = f"({first} - {_number(bend.last)}) * {_number(bend.slope)}"
        return " + ".join([*cubes, f"CASE WHEN {first} > {_number(bend.last)} THEN {beyond} ELSE 0E0 END"])
    if term.kind == "product":
        return f"{first} * x_{places[1]}"
    if term.kind == "levels":
        texts = ", ".join(map(_text, _texts(form.columns[places[1]], str(term.level))))
        return f"CASE WHEN x_{places[1]} IN ({texts}) THEN {first} ELSE 0E0 END"
    known = []
    for place in places:
        column = form.columns[place]
        cases = (f"WHEN {_text(text)} THEN {_text(level)}" for level in column.coded for text in _texts(column, level))
        known.append(f"CASE x_{place} {' '.join(cases)} END")
    return f"{known[0]} || '*' || {known[1]}"


def _texts(column: Column, level: str) -> list[str]:
    """A level, and how else databases spell it."""
    return [level, *(text for text in _spellings(level) if text not in column.levels)]


def _fill(fill: float | str) -> str:
    return _text(fill) if isinstance(fill, str) else _number(fill)


def _longest(column: Column) -> int:
    """Characters that distinguish a level from any other text: a longer text is cut, and still is
    not a level."""
    return max(len(text) for level in column.levels for text in (level, *_spellings(level))) + 1


def _spellings(level: str) -> list[str]:
    """How databases spell the same boolean or whole number (in a column of fractions) as text."""
    if (word := level.lower()) in ("true", "false"):
        digit = "1" if word == "true" else "0"
        return sorted({word, word.upper(), word.capitalize(), digit, f"{digit}.0"} - {level})
    return [f"{level}.0"] if level.lstrip("-").isdecimal() else []


def _score(form: Form, k: int) -> str:
    """The score of one class."""
    terms = [_number(form.intercepts[k])]
    if k == 0 and len(form.classes) == 2 and form.link == "softmax":
        return terms[0]
    for place, (column, coefficients) in enumerate(form.placed_columns):
        if column.kind == "number":
            terms.append(f"{_number(coefficients[k, 0])} * x_{place}")
        else:
            terms.append(_level_term(column, coefficients[k], form.unknown, place))
    for place, (column, _, coefficients) in enumerate(form.placed_terms, start=len(form.columns)):
        if column.kind == "number":
            finite = f"CASE WHEN x_{place} BETWEEN -{_LARGEST} AND {_LARGEST} THEN x_{place} END"
            terms.append(f"{_number(coefficients[k, 0])} * {finite}")
        else:
            pairs = zip(column.levels, coefficients[k], strict=True)
            cases = " ".join(f"WHEN {_text(pair)} THEN {_number(value)}" for pair, value in pairs)
            terms.append(f"CASE x_{place} {cases} ELSE 0E0 END")
    return _sum(terms)


def _level_term(column: Column, coefficients: Array, unknown: str, place: int) -> str:
    """The coefficient of the level in a cell. A missing cell leaves NULL, a level never seen leaves
    0 or NULL."""
    levels = " ".join(
        f"WHEN {_text(text)} THEN {_number(value)}"
        for level, value in zip(column.levels, coefficients, strict=True)
        for text in _texts(column, level)
    )
    unseen = f" ELSE CASE WHEN x_{place} IS NOT NULL THEN 0E0 END" if unknown == "zero" else ""
    return f"CASE x_{place} {levels}{unseen} END"


def _sum(terms: list[str]) -> str:
    """A sum as a balanced tree: databases limit how deep an expression may be, and rounding errors
    add up less."""
    if len(terms) <= 8:
        return "(" + " + ".join(terms) + ")"
    half = len(terms) // 2
    return f"({_sum(terms[:half])}\n    + {_sum(terms[half:])})"


def _largest(scores: list[str]) -> str:
    """The largest of several columns, which only some databases call GREATEST."""
    cases = [
        f"WHEN {' AND '.join(f'{score} >= {other}' for other in scores if other != score)} THEN {score}"
        for score in scores[:-1]
    ]
    return f"CASE {' '.join(cases)} ELSE {scores[-1]} END"


def _exponential(k: int, link: Link) -> str:
    """The exponential of what is linked to a score, over that of the largest one."""
    less = f"s_{k} - largest"
    if link == "rest":
        less = f"{_log_sigmoid(f's_{k}')} - {_log_sigmoid('largest')}"
    return f"CASE WHEN {less} < {_SMALLEST} THEN 0E0 ELSE exp({less}) END AS e_{k}"


def _log_sigmoid(score: str) -> str:
    """The logarithm of a sigmoid: far from zero its correction is nothing, and no exponential
    underflows."""
    size = f"CASE WHEN abs({score}) > {-_SMALLEST} THEN 0E0 ELSE exp(-abs({score})) END"
    return f"(CASE WHEN {score} < 0E0 THEN {score} ELSE 0E0 END - ln(1E0 + {size}))"


def _prediction(form: Form) -> str:
    """The first class with the largest score, or the one on its side of a cut-off; NULL where there
    is none."""
    values = [_text(label) if isinstance(label, str) else str(label) for label in form.classes]
    if form.cut is not None:
        return (
            f"CASE WHEN s_1 >= {_number(form.cut)} THEN {values[1]} WHEN s_1 < {_number(form.cut)} THEN {values[0]} "
            'END AS "prediction"'
        )
    cases = " ".join(f"WHEN s_{k} = largest THEN {value}" for k, value in enumerate(values))
    return f'CASE {cases} END AS "prediction"'


def _number(value: float) -> str:
    """The shortest number that float64 reads back; with an exponent it is approximate, and no
    decimal fraction."""
    digits = repr(float(value))
    return digits if "e" in digits else f"{digits}E0"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    if "\0" in text:
        raise ArgumentError(f"{text!r}: text in a database cannot hold this; rename the level or the class")
    return "'" + text.replace("'", "''") + "'"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _agreement(model: Fitted, form: Form) -> Agreement | None:
    """SQLite's answer beside the model on rows drawn from the model's ranges; None where SQLite
    cannot give one."""
    names = [column.name for column in form.columns]
    if len({name.lower() for name in names}) < len(names):
        return None  # SQLite treats a and A as one column, other databases as two
    cells = sample_cells(model, form)
    columns = [values.tolist() for values in (cells.T if isinstance(cells, np.ndarray) else cells)]
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("SELECT exp(1)")
        except sqlite3.OperationalError:
            return None
        database.execute(f'CREATE TABLE "rows" ({", ".join(map(_name, names))})')
        marks = ", ".join("?" * len(names))
        database.executemany(f'INSERT INTO "rows" VALUES ({marks})', zip(*columns, strict=True))  # NaN becomes NULL
        try:
            answer = database.execute(to_sql(model)).fetchall()
        except sqlite3.Error as error:
            raise ArgumentError(
                f"SQLite does not answer the query ({error}); to_sql, or --sql - in a shell, gives it unchecked"
            ) from error
    first = 0 if form.link == "identity" else 1
    shares = np.array([row[first:] for row in answer], dtype=np.float64)
    found = np.array([row[0] for row in answer], dtype=object), shares
    return checked_agreement(model, form, cells, found, f"SQLite {sqlite3.sqlite_version}", _ALLOWED)
