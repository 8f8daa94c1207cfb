"""What a model file may say of the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.plain.kinds import (
    LARGEST,
    LARGEST_COUNT,
    brief,
    choice,
    either,
    listed,
    optional,
    real,
    record,
    refuse,
    text,
    whole,
)
from polytome.tables.column import MISSING_LEVEL, OTHER_LEVEL, Column
from polytome.tables.date_columns import PARTS, DateParts, is_time
from polytome.tables.date_forms import check_example
from polytome.tables.number_formats import WrittenNumbers
from polytome.tables.saved_terms import check_term, term_from_json
from polytome.tables.text_columns import TextTerms, is_text_tensor, text_tensors

__all__ = ["MISSING_MARKS", "MISSING_RULES", "UNKNOWN_RULES", "encoder_from_json"]

MISSING_MARKS = ("?",)
"""The words that mark a missing cell in a text file, besides the empty one, unless others are
given."""
MISSING_RULES = ("error", "drop", "mean")
"""What may happen to a missing cell."""
UNKNOWN_RULES = ("error", "zero")
"""What may happen to a level that training never saw."""
_LONGEST_NAMES = 2**27
"""Characters of the names of one category's features in a file: `column=level`, so that short text
cannot grow."""

_TEXT = text(LARGEST_COUNT, nul=True)
_COLUMN = record(
    {
        "name": _TEXT,
        "kind": choice("number", "category", "text"),
        "levels": listed(_TEXT),
        "fill": optional(either(choice(MISSING_LEVEL, ""), real(-LARGEST, LARGEST))),
        "terms": lambda value, what: value,  # checked by `TextTerms.from_json`
        "reference": optional(_TEXT),
        "other": optional(choice(OTHER_LEVEL)),
        "steps": listed(_TEXT),
        "term": optional(term_from_json),
    },
    {"terms": None, "reference": None, "other": None, "steps": [], "term": None},
)
_WRITTEN = record({"name": _TEXT, "example": _TEXT})
_DATE = record(
    {"name": _TEXT, "parts": listed(choice(*PARTS)), "reference": optional(_TEXT), "example": optional(_TEXT)},
    {"example": None},
)
_ENCODER = record(
    {
        "columns": listed(_COLUMN),
        "target": optional(_TEXT),
        "missing": choice(*MISSING_RULES),
        "unknown": choice(*UNKNOWN_RULES),
        "label_kind": choice("integer", "text"),
        "marks": listed(_TEXT),
        "weight": optional(_TEXT),
        "dates": listed(_DATE),
        "numbers": listed(_WRITTEN),
        "ids": listed(_TEXT),
        "layout": listed(_TEXT),
        "min_level_count": whole(1, LARGEST_COUNT),
    },
    {
        "marks": list(MISSING_MARKS),
        "weight": None,
        **{name: [] for name in ("dates", "numbers", "ids", "layout")},
        "min_level_count": 1,
    },
)


def encoder_from_json(data: object, tensors: Mapping[str, NDArray[Any]] | None = None) -> dict[str, Any]:
    """The arguments of an `Encoder` of the values that its `to_json` gave, everything checked.

    Args:
        data: parsed JSON.
        tensors: the arrays that came with it, perhaps among others.

    Raises:
        FileError: something is absent, superfluous, of the wrong type, contradictory or not finite.
    """
    found = _ENCODER(data, "encoder")
    given = {name: tensor for name, tensor in (tensors or {}).items() if is_text_tensor(name)}
    columns = tuple(_column_of(column, place, given) for place, column in enumerate(found["columns"]))
    for place, column in enumerate(columns):
        if column.term is not None:
            check_term(column, columns[:place], f"encoder.columns[{place}]")
        elif place and columns[place - 1].term is not None:
            refuse(f"encoder.columns[{place}] is a column of the table after one that is made of others")
    used = {name for place, column in enumerate(columns) if column.terms for name in text_tensors(place)}
    if unused := given.keys() - used:
        refuse(f"the tensors {brief(sorted(unused))} belong to no column of text")
    names = [column.name for column in columns]
    if not names:
        refuse("encoder.columns is empty: a table has at least one column")
    if len({*names, found["target"]}) != len(names) + 1:
        refuse(f"encoder.columns has {brief(names)}: names that do not differ from each other and from the target")
    if found["weight"] is not None and found["weight"] in (*names, found["target"]):
        refuse(f"encoder.weight is {brief(found['weight'])}, which is a column of features or labels")
    dates = tuple(
        _date_of(each, f"encoder.dates[{place}]", {*names, found["target"], found["weight"]})
        for place, each in enumerate(found["dates"])
    )
    if len({each.name for each in dates}) < len(dates):
        refuse("encoder.dates names a column twice")
    lists = {name: tuple(found[name]) for name in ("ids", "layout")}
    numbers = tuple(_written_of(each, f"encoder.numbers[{k}]") for k, each in enumerate(found["numbers"]))
    if set(lists["ids"]) & {*names, found["target"], found["weight"]}:
        refuse(f"encoder.ids is {brief(found['ids'])}, of which some are columns of features, labels or weights")
    if len({*lists["layout"]}) < len(lists["layout"]):
        refuse(f"encoder.layout is {brief(found['layout'])}: names that do not differ from each other")
    rules: dict[str, Any] = {rule: found[rule] for rule in ("missing", "unknown", "label_kind", "min_level_count")}
    rules |= {"marks": tuple(found["marks"]), "weight": found["weight"], "dates": dates, "numbers": numbers}
    return {"columns": columns, "target": found["target"], **rules, **lists}


def _written_of(found: dict[str, Any], what: str) -> WrittenNumbers:
    """How a column is written, by an example that is one."""
    written = WrittenNumbers(found["name"], found["example"])
    try:
        written.number()
    except ArgumentError:
        refuse(f"{what}.example is {brief(found['example'])}, not a number that is written with marks")
    return written


def _date_of(found: dict[str, Any], what: str, known: set[str | None]) -> DateParts:
    """Parts of a date that are columns of the model."""
    parts = DateParts(found["name"], tuple(found["parts"]), found["reference"], found["example"])
    if not parts.parts or len({*parts.parts}) < len(parts.parts) or not set(parts.columns) <= known:
        refuse(f"{what} has the parts {brief(found['parts'])}, which are not columns of the encoder")
    if parts.name in known:
        refuse(f"{what}.name is {brief(parts.name)}, which is a column itself")
    if ("age" in parts.parts) != (parts.reference is not None):
        refuse(f"{what}.reference is {brief(found['reference'])}: an age has a reference, and nothing else has")
    if parts.reference is not None and not is_time(parts.reference):
        refuse(f"{what}.reference is {brief(found['reference'])}, not a time such as 2026-11-30T18:05:00")
    if parts.example is not None:
        try:
            check_example(parts.example)
        except ArgumentError:
            refuse(f"{what}.example is {brief(found['example'])}, which does not show how dates are written")
    return parts


def _column_of(found: dict[str, Any], place: int, tensors: Mapping[str, NDArray[Any]]) -> Column:
    """A column whose parts agree with each other."""
    what, name, levels, fill = f"encoder.columns[{place}]", found["name"], tuple(found["levels"]), found["fill"]
    reference, term = found["reference"], found["term"]
    if term is not None and (fill, reference, found["other"]) != (None, None, None):
        refuse(f"{what} is made of other columns and has a fill, a reference or another level")
    if reference is not None and (reference not in levels or len(levels) == 1):
        refuse(f"{what}.reference is {brief(reference)}, which is not one of several levels")
    steps = tuple(found["steps"])
    if steps:
        is_order = len(set(steps)) == len(steps) > 1 and set(steps) | {MISSING_LEVEL} == {*levels, MISSING_LEVEL}
        if found["kind"] != "category" or not is_order or reference != steps[0] or found["other"] is not None:
            refuse(f"{what}.steps is {brief(found['steps'])}, not an order of its levels that begins at the reference")
    if found["other"] is not None and (found["kind"] != "category" or found["other"] not in levels):
        refuse(f"{what}.other is {brief(found['other'])}, which is not one of its levels")
    if found["kind"] == "text":
        if levels or fill not in (None, "") or term is not None:
            refuse(f"{what} has levels, a term or a fill of {brief(fill)}: a column of text has none")
        terms = TextTerms.from_json(found["terms"], name, place, tensors, f"{what}.terms")
        return Column(name, "text", (), fill, terms)
    if found["terms"] is not None:
        refuse(f"{what}.terms is {brief(found['terms'])}: a column of a {found['kind']} has none")
    if found["kind"] == "number":
        if levels:
            refuse(f"{what}.levels is {brief(found['levels'])}: a column of numbers has none")
        return Column(name, "number", (), optional(_as_float)(fill, f"{what}.fill"), term=term)
    if fill not in (None, MISSING_LEVEL):
        refuse(f"{what}.fill is {brief(fill)}, neither {MISSING_LEVEL!r} nor null")
    if not levels or list(levels) != sorted(set(levels)):
        refuse(f"{what}.levels is {brief(found['levels'])}, not different levels in sorted order")
    if len(name) * len(levels) > _LONGEST_NAMES:
        refuse(f"{what} has {len(levels)} levels of a long name, which each of them repeats")
    return Column(name, "category", levels, fill, reference=reference, other=found["other"], steps=steps, term=term)


def _as_float(value: Any, what: str) -> float:
    return float(real(-LARGEST, LARGEST)(value, what))
