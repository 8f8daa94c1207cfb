"""Which columns of a table the options of a training name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from polytome.errors import ArgumentError, DataError
from polytome.plain.names import close_name
from polytome.tables.date_columns import DateParts, date_parts_of, parts_of_dates
from polytome.tables.frames import Frame, listing
from polytome.tables.number_formats import ALL_COLUMNS, WrittenNumbers, written_numbers_of

__all__ = [
    "NO_HEADER",
    "find_column",
    "find_columns",
    "find_ids",
    "find_texts",
    "find_weight",
    "learn_dates",
    "name_written_numbers",
    "note_positions",
    "note_written_numbers",
]

NO_HEADER = "the file has no header line: name its columns with --names (or names=...)"
"""What to do where a column cannot be found by its name."""


def find_column(frame: Frame, wanted: str, option: str) -> str:
    """Return the name of the column that the user means.

    Args:
        frame: the table.
        wanted: a name; or else "last", or a position counted from 1.
        option: the option that named it, for the message.

    Raises:
        ArgumentError: there is no such column; the message lists those there are.

    Example:
        >>> frame = Frame.of({"age": [25], "income": ["low"]})
        >>> find_column(frame, "last", "target"), find_column(frame, "1", "drop")
        ('income', 'age')
    """
    if wanted in frame.names:
        return wanted
    if wanted == "last":
        return frame.names[-1]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(frame.names):
        return frame.names[int(wanted) - 1]
    close = close_name(wanted, frame.names)
    hint = "" if close is None else f"; did you mean {close!r}?"
    hint = hint if frame.headed else f"; {NO_HEADER}"
    raise ArgumentError(
        f"{option}={wanted!r}: {frame.source} has no such column; choose a name, a position from 1 to "
        f"{len(frame.names)}, or 'last'; its columns are {listing(frame.names)}{hint}"
    )


def find_columns(frame: Frame, wanted: Sequence[str], option: str, keep: Collection[str] = ()) -> list[str]:
    """Return the names of the columns that the user means.

    Args:
        frame: the table.
        wanted: for each a name or position, as for `find_column`; several, separated by commas; or
            patterns, in which * stands for any characters, ? for one and [ab] for one of some.
        option: the option that named them, for the message.
        keep: columns that no pattern means.

    Raises:
        ArgumentError: there is no such column, or a pattern means none.

    Example:
        >>> frame = Frame.of({"age": [25], "x_1": [1], "x_2": [2], "income": ["low"]})
        >>> find_columns(frame, ["x_*", "age,last"], "drop")
        ['x_1', 'x_2', 'age', 'income']
    """
    found: list[str] = []
    for text in wanted:
        for word in [text] if text in frame.names else text.split(","):
            if word in frame.names or not set("*?[") & set(word):
                found.append(find_column(frame, word, option))
                continue
            meant = [name for name in frame.names if fnmatchcase(name, word) and name not in keep]
            if not meant:
                raise ArgumentError(
                    f"{option}={word!r}: {frame.source} has no column of this pattern; its columns are "
                    f"{listing(frame.names)}"
                )
            found += meant
    return list(dict.fromkeys(found))


def learn_dates(
    header: Frame,
    frames: Callable[[], Iterable[Frame]],
    dates: Mapping[str, str | Sequence[str]],
    others: Collection[str | None],
    marks: Sequence[str],
) -> tuple[DateParts, ...]:
    """What a model reads of the columns of dates.

    Args:
        header: the training table, of which the names are needed.
        frames: gives its rows, which are read for an age.
        dates: for each column, named as for `find_column`, its parts; see `parts_of_dates`.
        others: columns that other options name.
        marks: words that mark a missing cell.

    Raises:
        ArgumentError: there is no such column or part, or the column is another option's.
        DataError: a cell is not a date, or a part has the name of a column.

    Example:
        >>> frame = Frame.of({"signup": ["2026-11-28", "2026-11-30"], "y": ["a", "b"]})
        >>> learn_dates(frame, lambda: [frame], {"signup": "year,month"}, {"y"}, ())
        (DateParts(name='signup', parts=('year', 'month'), reference=None, example=None),)
    """
    found: list[DateParts] = []
    for asked in parts_of_dates(dates):
        wanted = asked.name
        name = find_column(header, wanted, "date")
        if name in others or name in [each.name for each in found]:
            raise ArgumentError(
                f"date={wanted!r}: column {name!r} is also named by another option; leave one of them out"
            )
        found.append(replace(asked, name=name))
        if same := [part for part in found[-1].columns if part in header.names]:
            raise DataError(f"{header.source}: has a column {same[0]!r}, as a part of {name!r} is called; rename it")
    return tuple(date_parts_of(frames(), each, marks) for each in found)


def find_weight(frame: Frame, wanted: str | None, target: str, others: Collection[str]) -> str | None:
    """The name of the column of weights; None for none.

    Args:
        frame: the table.
        wanted: as for `find_column`.
        target: the column of labels.
        others: columns that other options name.

    Raises:
        ArgumentError: there is no such column, or it is another one's.

    Example:
        >>> find_weight(Frame.of({"cases": [2], "income": ["low"]}), "cases", "income", ())
        'cases'
    """
    if wanted is None:
        return None
    name = find_column(frame, wanted, "weight")
    if name == target or name in others:
        what = "the column of labels" if name == target else "also named by --drop or --categories"
        raise ArgumentError(f"weight={wanted!r}: column {name!r} is {what}; give weights in a column of their own")
    return name


def find_ids(frame: Frame, wanted: Sequence[str], taken: Mapping[str, str]) -> list[str]:
    """The names of columns that are kept beside predictions, which no other option may name.

    Args:
        frame: the table.
        wanted: as for `find_columns`.
        taken: for columns that other options name these options.

    Raises:
        ArgumentError: there is no such column, or it is another option's.

    Example:
        >>> find_ids(Frame.of({"customer": [17], "income": ["low"]}), ["customer"], {"income": "target"})
        ['customer']
    """
    found = find_columns(frame, wanted, "id", keep=taken)
    if both := [name for name in found if name in taken]:
        raise ArgumentError(f"id={both[0]!r}: is also named by --{taken[both[0]]}; leave one of them out")
    return found


def name_written_numbers(
    frame: Frame, numbers: str | Mapping[str, str], taken: Mapping[str, str]
) -> tuple[WrittenNumbers, ...]:
    """How columns are written, by the names that the table gives them.

    Args:
        frame: the table.
        numbers: an example for all columns of text, or for each column, named as for
            `find_columns`.
        taken: for columns that other options name these options.

    Raises:
        ArgumentError: there is no such column, it is another option's, or an example is none.

    Example:
        >>> frame = Frame.of({"price": ["1.234,5"], "y": ["a"]})
        >>> name_written_numbers(frame, {"price": "1.234,5"}, {"y": "target"})
        (WrittenNumbers(name='price', example='1.234,5'),)
    """
    found: dict[str, WrittenNumbers] = {}
    for each in written_numbers_of(numbers):
        names = [each.name] if each.name == ALL_COLUMNS else find_columns(frame, [each.name], "numbers", keep=taken)
        for name in names:
            if name in taken:
                raise ArgumentError(f"numbers={name!r}: is also named by --{taken[name]}; leave one of them out")
            found[name] = WrittenNumbers(name, each.example)
    return tuple(found.values())


def note_written_numbers(written: Sequence[WrittenNumbers], numbers: str | Mapping[str, str], notes: list[str]) -> None:
    """Say which columns are read by an example that was given for all."""
    for each in written_numbers_of(numbers):
        if each.name == ALL_COLUMNS:
            names = [one.name for one in written if one.example == each.example]
            notes.append(
                f"{'column' if len(names) == 1 else 'columns'} {listing(names)}: read as numbers such as {each.example}"
                if names
                else f"no column of text holds numbers such as {each.example} alone"
            )


def find_texts(
    frame: Frame, wanted: Sequence[str], taken: Mapping[str, str], forced: Collection[str], weight: str | None
) -> set[str]:
    """The names of the columns of text, which no other option may name.

    Args:
        frame: the table.
        wanted: as for `find_columns`.
        taken: for columns that other options name these options.
        forced: those named as categories.
        weight: that of weights.

    Raises:
        ArgumentError: there is no such column, or it is another option's.

    Example:
        >>> sorted(find_texts(Frame.of({"message": ["a b"], "y": ["x"]}), ["message"], {"y": "target"}, (), None))
        ['message']
    """
    found = {find_column(frame, name, "text") for name in wanted}
    others = {**taken, **dict.fromkeys(forced, "categories"), **({} if weight is None else {weight: "weight"})}
    if both := sorted(found & others.keys()):
        raise ArgumentError(f"text={both[0]!r}: is also named by --{others[both[0]]}; name the column once")
    return found


def note_positions(names: Sequence[str], wanted: Sequence[str], notes: list[str]) -> None:
    """Say which column a number means that is the name of one column and the position of
    another."""
    for word in dict.fromkeys(wanted):
        if word in names and word.isascii() and word.isdigit() and 1 <= int(word) <= len(names):
            other = names[int(word) - 1]
            if other != word:
                notes.append(f"{word} means the column of this name, not column {other!r}, which has this position")
