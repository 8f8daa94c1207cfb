"""C: the model as one header that any C99 or C++ program can include; it needs only the standard
library.

    #include "model.h"
    double row[POLYTOME_COLUMNS] = {5.9, 3.0, 5.1, 1.8}, probabilities[POLYTOME_CLASSES];
    int found = polytome_predict(row, probabilities);
    puts(polytome_class_names[found]);

Numbers are written in hexadecimal, which preserves every bit. A cell of a category holds the code
of its level, which `polytome_level(column, text)` looks up; a missing cell is NAN.

Reference:
    ISO/IEC 9899:1999, section 6.4.4.2 (hexadecimal floating constants).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from polytome.errors import ArgumentError
from polytome.export.form import Form, form_of
from polytome.files.atomic_files import atomic_output
from polytome.tables.encoder import Column

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["to_c", "write_c"]

_MOST_COEFFICIENTS = 1_000_000
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_HEAD = """\
/*
 * A {kind}, written by Polytome.
 *{facts}
 *
 * int {prefix}_predict(const double *row, double *{results})
 *
 * row: {columns} numbers, in the order of {prefix}_column_names. {cells}
 * {results}: room for {classes} numbers, one for each of {prefix}_class_names.
 * Returns {returned}; -1, with NAN for {results}, for a row that the model refuses:
 * {refused}.
 */
#ifndef {guard}_H
#define {guard}_H

#include <math.h>
#include <string.h>

#define {guard}_COLUMNS {columns}
#define {guard}_CLASSES {classes}

"""

_CATEGORY_CELLS = """\
A column of
 * categories holds the code of a level: {prefix}_level(column, text), which is -1 for a level never seen. NAN stands
 * for a missing cell."""

_TABLES = """\
/* For each column: its place among the coefficients, its number of levels (0: numbers), what replaces NAN. */
static const int {prefix}_starts[{columns}] = {{
{starts}
}};
static const int {prefix}_widths[{columns}] = {{
{widths}
}};
static const double {prefix}_fills[{columns}] = {{
{fills}
}};

/* The levels of all categories, in the places of their coefficients. */
static const char *const {prefix}_levels[{features}] = {{
{levels}
}};

/* The code of a level of a column of categories; -1 where training never saw it. */
static inline int {prefix}_level(int column, const char *text)
{{
    int code;
    for (code = 0; code < {prefix}_widths[column]; code++)
        if (strcmp({prefix}_levels[{prefix}_starts[column] + code], text) == 0)
            return code;
    return -1;
}}

"""

_TABLE_LOOP = """\
    for (column = 0; column < {guard}_COLUMNS; column++) {{
        const double (*coefficients)[{guard}_CLASSES] = {prefix}_coefficients + {prefix}_starts[column];
        const int width = {prefix}_widths[column];
        double value = isnan(row[column]) ? {prefix}_fills[column] : row[column];
        if (width == 0) {{
            refused |= !isfinite(value);{keep_number}
        }} else if (value >= 0 && value < width && value == floor(value)) {{
            coefficients += (int)value;{keep_code}
            value = 1;
        }} else {{
            refused |= {unseen};{keep_none}
            value = 0;
        }}
        for (k = 0; k < {guard}_CLASSES; k++)
            scores[k] += value * coefficients[0][k];
    }}
"""

_KEPT = {
    "keep_number": "\n            cells[column] = value;",
    "keep_code": "\n            cells[column] = value;",
    "keep_none": "\n            cells[column] = -1;",
}
"""What a loop adds where something is made of the cells: numbers, and codes of levels, -1 for
none."""
_CUBES = """\
/* A column of a natural spline: cubic up to its last knot, straight beyond. */
static inline double {prefix}_bend(double x, const double *at)
{{
    const double z = x < at[2] ? x : at[2], first = z > at[0] ? z - at[0] : 0, before = z > at[1] ? z - at[1] : 0;
    return first * first * first * at[3] - before * before * before * at[4] + (x > at[2] ? (x - at[2]) * at[5] : 0);
}}

"""

_MATRIX_LOOP = """\
    for (column = 0; column < {guard}_COLUMNS; column++) {{
        refused |= !isfinite(row[column]);
        for (k = 0; k < {guard}_CLASSES; k++)
            scores[k] += row[column] * {prefix}_coefficients[column][k];
    }}
"""

_SOFTMAX = """\
    for (k = 1; k < {guard}_CLASSES; k++)
        if (scores[k] > scores[best])
            best = k;
{rest}    /* The largest score is subtracted first: no exponential overflows, and at least one is 1. */
    for (k = 0; k < {guard}_CLASSES; k++) {{
        probabilities[k] = exp(scores[k] - scores[best]);
        total += probabilities[k];
    }}
    for (k = 0; k < {guard}_CLASSES; k++)
        probabilities[k] = refused ? NAN : probabilities[k] / total;
    return refused ? -1 : {decided};
"""

_REST = """\
    /* Each score is that of one class against the rest: the logarithm of its sigmoid takes its place. */
    for (k = 0; k < {guard}_CLASSES; k++)
        scores[k] = (scores[k] < 0 ? scores[k] : 0) - log1p(exp(-fabs(scores[k])));
"""

_IDENTITY = """\
    for (k = 0; k < {guard}_CLASSES; k++)
        numbers[k] = refused ? NAN : scores[k];
    return refused ? -1 : 0;
"""

_PREDICT = """\
static inline int {prefix}_predict(const double *row, double *{results})
{{
    double scores[{guard}_CLASSES]{total}{term_numbers};
    int column, k{best}, refused = 0{term_places};

    for (k = 0; k < {guard}_CLASSES; k++)
        scores[k] = {prefix}_intercepts[k];
{loop}{terms}
{end}}}

#endif
"""


def _decided(form: Form) -> str:
    """The place of the predicted class: of the largest score, or on its side of a cut-off."""
    return "best" if form.cut is None else f"scores[1] >= {_hexadecimal(form.cut)}"


def write_c(model: Fitted, path: str | PathLike[str], *, prefix: str = "polytome") -> None:
    """Write `to_c(model)` to a file.

    Args:
        model: a fitted `LogisticRegression` of at most a million coefficients.
        path: the file.
        prefix: the beginning of all names.

    Raises:
        ArgumentError: the model cannot be exported, or the prefix is not a C identifier.
        FileError: the file cannot be written.
    """
    text = to_c(model, prefix=prefix)
    with atomic_output(path) as stream:
        stream.write(text.encode())


def to_c(model: Fitted, *, prefix: str = "polytome") -> str:
    """The model as a C99 header.

    Args:
        model: a fitted `LogisticRegression` of at most a million coefficients.
        prefix: the beginning of all names; two models in one program need two.

    Raises:
        ArgumentError: the model cannot be exported, or the prefix is not a C identifier.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> "static inline int polytome_predict(" in to_c(model)
        True
    """
    if not _PREFIX.fullmatch(prefix):
        raise ArgumentError(f"prefix={prefix!r}: needs a letter, followed by letters, digits and underscores")
    form = form_of(model, decides=True)
    if form.coefficients.size > _MOST_COEFFICIENTS:
        raise ArgumentError(
            f"{form.coefficients.size:,} coefficients are too many for a program in text (at most "
            f"{_MOST_COEFFICIENTS:,}): export to ONNX"
        )
    placed = np.hstack([coefficients for _, coefficients in form.placed_columns])
    is_table = not form.is_matrix or not np.isnan(form.fills).all()
    names = {
        "prefix": prefix,
        "guard": prefix.upper(),
        "columns": len(form.columns),
        "classes": len(form.classes),
        "features": placed.shape[1],
    }
    loop = _TABLE_LOOP if is_table else _MATRIX_LOOP
    unseen = "1" if form.unknown == "error" else "isnan(value) != 0"
    columns = [column.name for column in form.columns]
    is_number = form.link == "identity"
    names |= {
        "results": "numbers" if is_number else "probabilities",
        "total": "" if is_number else ", total = 0",
        "best": "" if is_number else ", best = 0",
    }
    rest = _REST.format(**names) if form.link == "rest" else ""
    end = (_IDENTITY if is_number else _SOFTMAX).format(rest=rest, decided=_decided(form), **names)
    return "".join(
        [
            _head(form, names, is_table),
            _array(f"const char *const {prefix}_class_names", len(form.classes), map(_quoted, form.classes)),
            _array(f"const char *const {prefix}_column_names", len(columns), map(_quoted, columns)),
            _tables(form, names) if is_table else "",
            _array(f"const double {prefix}_intercepts", len(form.classes), map(_hexadecimal, form.intercepts)),
            "/* One line for each number and each level, one number for each class. */\n",
            _array(
                f"const double {prefix}_coefficients",
                f"{names['features']}][{names['classes']}",
                ("{" + ", ".join(map(_hexadecimal, row)) + "}" for row in placed.T),
            ),
            _term_tables(form, names),
            _PREDICT.format(
                loop=loop.format(**names, unseen=unseen, **_KEPT if form.terms else dict.fromkeys(_KEPT, "")),
                terms=_terms(form, names),
                end=end,
                term_numbers=f", cells[{len(form.columns)}], term" if form.terms else "",
                term_places=", place" if form.terms else "",
                **names,
            ),
        ]
    )


def _term_tables(form: Form, names: dict[str, object]) -> str:
    """The coefficients of what is made of other columns, the numbers of splines, and for each pair
    of levels its place."""
    if not form.terms:
        return ""
    prefix, tables, start = names["prefix"], [_CUBES.format(**names)], 0
    for place, (column, term, _) in enumerate(form.placed_terms):
        if term.kind == "spline":
            bend = term.bend
            numbers = (bend.first, bend.before, bend.last, bend.rise, bend.fall, bend.slope)
            tables.append(_array(f"const double {prefix}_spline_{place}", 6, map(_hexadecimal, numbers)))
        if term.kind == "cross":
            first, second = (form.columns[source] for source in form.sources(term))
            known = {level: start + k for k, level in enumerate(column.levels)}
            pairs = [
                known.get(f"{one}*{other}", -1) if one in first.coded and other in second.coded else -1
                for one in first.levels
                for other in second.levels
            ]
            tables.append(_array(f"const int {prefix}_pairs_{place}", len(pairs), map(str, pairs)))
        start += column.width
    rows = np.hstack([coefficients for _, _, coefficients in form.placed_terms]).T
    tables.append("/* The coefficients of what is made of other columns. */\n")
    lines = ("{" + ", ".join(map(_hexadecimal, row)) + "}" for row in rows)
    tables.append(_array(f"const double {prefix}_term_coefficients", f"{start}][{names['classes']}", lines))
    return "".join(tables)


def _terms(form: Form, names: dict[str, object]) -> str:
    """What is made of other columns, added to the scores."""
    prefix, text, start = names["prefix"], "", 0
    for place, (column, term, _) in enumerate(form.placed_terms):
        cells = [f"cells[{source}]" for source in form.sources(term)]
        text += f"\n    /* {_comment(column.name)} */"
        if term.kind == "cross":
            width = len(form.columns[form.sources(term)[1]].levels)
            text += (
                f"\n    place = {cells[0]} < 0 || {cells[1]} < 0 ? -1 : "
                f"{prefix}_pairs_{place}[(int){cells[0]} * {width} + (int){cells[1]}];"
                f"\n    for (k = 0; place >= 0 && k < {names['guard']}_CLASSES; k++)"
                f"\n        scores[k] += {prefix}_term_coefficients[place][k];"
            )
        else:
            if term.kind == "spline":
                value = f"{prefix}_bend({cells[0]}, {prefix}_spline_{place})"
            elif term.kind == "levels":
                code = form.columns[form.sources(term)[1]].levels.index(str(term.level))
                value = f"{cells[1]} == {code} ? {cells[0]} : 0"
            else:
                value = " * ".join(cells * term.place if term.kind == "power" else cells)
            text += (
                f"\n    term = {value};\n    refused |= !isfinite(term);"
                f"\n    for (k = 0; k < {names['guard']}_CLASSES; k++)"
                f"\n        scores[k] += term * {prefix}_term_coefficients[{start}][k];"
            )
        start += column.width
    return text


def _head(form: Form, names: dict[str, object], is_table: bool) -> str:
    """The comment that says what this is, and the guard."""
    facts = "".join(f"\n * {name.replace('_', ' ')}: {_comment(fact)}" for name, fact in form.facts.items())
    refused = ["a number that is infinite, or missing where training filled none"]
    if is_table and form.unknown == "error":
        refused.append("a level that training never saw")
    return _HEAD.format(
        kind=_kind(form),
        returned="0" if form.link == "identity" else "the place of the most probable class",
        facts=facts,
        cells=_CATEGORY_CELLS.format(**names) if is_table else "",
        refused=", ".join(refused),
        **names,
    )


def _kind(form: Form) -> str:
    if form.link != "softmax":
        return _comment(form.facts["model"])
    return f"{'logistic' if len(form.classes) == 2 else 'softmax'} regression with {len(form.classes)} classes"


def _tables(form: Form, names: dict[str, object]) -> str:
    """How the columns of a table become features."""
    columns = form.columns
    starts = np.cumsum([0, *(max(1, len(column.levels)) for column in columns)])[:-1]
    levels = [level for column in columns for level in (column.levels or ("",))]
    return _TABLES.format(
        starts=_lines(map(str, starts)),
        widths=_lines(str(len(column.levels)) for column in columns),
        fills=_lines(map(_fill, columns)),
        levels=_lines(map(_quoted, levels)),
        **names,
    )


def _fill(column: Column) -> str:
    """What replaces a missing cell: a number, the code of a level, or NAN for nothing."""
    if column.fill is None:
        return "NAN"
    if isinstance(column.fill, str):
        return str(column.levels.index(column.fill)) if column.fill in column.levels else "-1"
    return _hexadecimal(column.fill)


def _array(declaration: str, size: int | str, items: Iterable[str]) -> str:
    return f"static {declaration}[{size}] = {{\n{_lines(items)}\n}};\n\n"


def _lines(items: Iterable[str]) -> str:
    return ",\n".join(f"    {item}" for item in items)


def _hexadecimal(number: float) -> str:
    return float(number).hex()


def _quoted(text: object) -> str:
    """A C string: characters other than plain ASCII are written as their UTF-8 bytes, in octal.

    Octal escapes end after three digits, while hexadecimal would continue into the text; `?` could
    begin a trigraph.
    """
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in str(text).encode()
    )
    return '"' + "".join(plain) + '"'


def _comment(text: str) -> str:
    """Text that cannot end a comment."""
    return json.dumps(text)[1:-1].replace("*/", "* /").replace("/*", "/ *").replace("??/", "?? /")
