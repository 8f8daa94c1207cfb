"""The points of the playground: Iris, the lessons' small tables, points drawn at random, and a
user's own tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, PolytomeError
from polytome.play.settings import MOST_ROWS, Settings
from polytome.tables.readers.delimited import read_delimited
from polytome.tables.table import read_table

Array = NDArray[Any]

__all__ = ["Table", "data_sets", "load_points", "read_own"]

_MOST_CLASSES = 6  # colours and shapes that can be distinguished at a glance
_MOST_COLUMNS = 200
_FARTHEST = 1e9


@dataclass(frozen=True)
class Table:
    """Labelled points.

    Attributes:
        title: what they are, in words.
        X: shape (n, d), float64.
        feature_names: d names.
        y: a code for each row, positions in `class_names`; real numbers where there are no classes.
        class_names: in order; empty if a number is predicted instead of a class.
        suggested: names of the features to show first.
        target: the name of the number to predict; empty if there are classes.
        columns: all columns, from which features can be chosen.
        label: the column of labels in a user's own table, which may be any of its columns.
        every_class: all classes, from which some can be chosen.
        notes: sentences that the user should see.
    """

    title: str
    X: Array
    feature_names: tuple[str, ...]
    y: Array
    class_names: tuple[str, ...]
    suggested: tuple[str, ...]
    target: str = ""
    columns: tuple[str, ...] = ()
    label: str = ""
    every_class: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _iris(settings: Settings) -> Table:
    from polytome.tables.datasets import load_dataset

    iris = load_dataset("iris")
    codes = np.searchsorted(np.array(iris.class_names), iris.y)
    names = iris.feature_names
    return Table("Iris: 150 flowers of three species", iris.X, names, codes, iris.class_names, names[2:])


def _nine_flowers(settings: Settings) -> Table:
    from polytome.lessons.softmax_by_hand import FLOWERS

    iris = _iris(settings)
    codes = FLOWERS[:, -1].astype(int)
    return replace(iris, title="Nine flowers of Iris", X=FLOWERS[:, :-1], y=codes)


def _lengths(settings: Settings) -> Table:
    from polytome.lessons.line_to_sigmoid import KINDS, LENGTHS

    return _petals("Six petals, first table", LENGTHS, KINDS)


def _other_lengths(settings: Settings) -> Table:
    from polytome.lessons.line_to_sigmoid import KINDS, OTHER_LENGTHS

    return _petals("Six petals, second table", OTHER_LENGTHS, KINDS)


def _nine_lengths(settings: Settings) -> Table:
    from polytome.lessons.where_cross_entropy_comes_from import LABELS, PETAL_LENGTHS

    return _petals("Nine petals, three kinds", PETAL_LENGTHS, LABELS)


def _petals(title: str, lengths: Array, kinds: Array) -> Table:
    name = ("petal length (cm)",)
    return Table(title, lengths[:, None], name, kinds, tuple(f"kind {kind}" for kind in sorted(set(kinds))), name)


def _houses(settings: Settings) -> Table:
    from polytome.lessons.linear_regression import AREA, PRICE

    name = ("area",)
    return Table("Four houses: areas and prices", AREA[:, None], name, PRICE, (), name, target="price")


def _truth_table(title: str, y: list[int]) -> Table:
    names = ("a", "b")
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Table(title, X, names, np.array(y), ("false", "true"), names)


def _blobs(settings: Settings) -> Table:
    from sklearn.datasets import make_blobs

    X, y = make_blobs(
        settings.rows,
        centers=settings.groups,
        cluster_std=settings.spread,
        random_state=settings.seed,
        center_box=(-4, 4),
    )
    return _drawn(f"{settings.rows} points in {settings.groups} blobs", X, y, settings.groups)


def _moons(settings: Settings) -> Table:
    from sklearn.datasets import make_moons

    X, y = make_moons(settings.rows, noise=0.2 * settings.spread, random_state=settings.seed)
    return _drawn(f"{settings.rows} points in two moons", X, y, 2)


def _rings(settings: Settings) -> Table:
    from sklearn.datasets import make_circles

    X, y = make_circles(settings.rows, noise=0.1 * settings.spread, factor=0.5, random_state=settings.seed)
    return _drawn(f"{settings.rows} points in two rings", X, y, 2)


def _drawn(title: str, X: Array, y: Array, n_classes: int) -> Table:
    names = ("x1", "x2")
    return Table(title, X, names, y, tuple("ABCDEF"[:n_classes]), names)


_SETS: dict[str, tuple[str, Callable[[Settings], Table]]] = {
    "iris": ("Iris", _iris),
    "nine-flowers": ("Nine flowers", _nine_flowers),
    "six-petals": ("Six petals", _lengths),
    "six-petals-again": ("Six petals, second table", _other_lengths),
    "nine-petals": ("Nine petals", _nine_lengths),
    "houses": ("Areas and prices", _houses),
    "and": ("AND", lambda settings: _truth_table("AND: true where both are", [0, 0, 0, 1])),
    "xor": ("XOR", lambda settings: _truth_table("XOR: true where one of the two is", [0, 1, 1, 0])),
    "blobs": ("Blobs", _blobs),
    "moons": ("Two moons", _moons),
    "rings": ("Two rings", _rings),
}


def data_sets() -> dict[str, str]:
    """The data sets that every playground has: their titles by name.

    Example:
        >>> data_sets()["moons"]
        'Two moons'
    """
    return {name: title for name, (title, _) in _SETS.items()}


def load_points(settings: Settings, file: tuple[str, bytes] | None = None) -> Table:
    """The chosen points: features, classes and rows as the settings ask for.

    Args:
        settings: which data set, and what of it.
        file: name and content of the table that the data set "file" stands for.

    Raises:
        ArgumentError: there is no such data set, feature or class.
        DataError, FileError: a user's own table cannot be used; the message names the place.

    Example:
        >>> table = load_points(Settings(classes=("setosa", "virginica")))
        >>> table.X.shape, table.feature_names
        ((100, 2), ('petal length (cm)', 'petal width (cm)'))
    """
    if settings.data == "own":
        if not settings.csv.strip():
            raise ArgumentError("data='own': the table is empty; choose a file")
        table = read_own(settings.name, settings.content, settings)
    elif settings.data == "file" and file is not None:
        table = read_own(*file, settings)
    elif settings.data in _SETS:
        table = _SETS[settings.data][1](settings)
    else:
        raise ArgumentError(f"data={settings.data[:50]!r}: no such data set; choose one of {', '.join(_SETS)}")
    table = _with_features(table, settings.features or table.suggested)
    table = _with_classes(table, settings.classes) if table.class_names else table
    return _with_few_rows(table)


def read_own(name: str, content: bytes, settings: Settings) -> Table:
    """A user's own table: two columns of numbers, and one of labels.

    Args:
        name: the file's name, which messages use.
        content: a text table as `polytome train` reads it.
        settings: which columns; those that it does not name are the first two of numbers, and the
            last one.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(content)
        try:
            table = _read(path, settings)
        except PolytomeError as error:  # the user knows the name, not where the file was put
            raise type(error)(str(error).replace(str(path), name[:100])) from error
    return replace(table, title=f"{name[:100]}: {len(table.y)} rows")


def _read(path: Path, settings: Settings) -> Table:
    frame = read_delimited(path)
    if not 2 <= len(frame.names) <= _MOST_COLUMNS:
        raise DataError(
            f"{path}: has {len(frame.names)} column(s); a column of numbers and one of labels are needed, and at most "
            f"{_MOST_COLUMNS} columns in total"
        )
    label = settings.label or frame.names[-1]
    columns = {column: frame[column].numbers() for column in frame.names if column not in (label, *frame.index)}
    numeric = tuple(column for column, values in columns.items() if not np.isinf(values).any())
    chosen = settings.features or numeric[:2]
    if not chosen:
        raise DataError(f"{path}: no column except {label!r} holds only numbers; give at least one that does")
    for column in (*chosen, label):
        if column not in frame.names:
            raise ArgumentError(f"{path}: has no column {column!r}; its columns are {', '.join(frame.names)}")
    others = [column for column in frame.names if column not in (*chosen, label)]
    header = "yes" if frame.headed else "no"
    read = read_table(path, target=label, drop=others, missing="drop", header=header)
    assert read.y is not None  # since a target was named
    assert read.feature_names is not None
    classes, codes = np.unique(read.y, return_inverse=True)
    if read.feature_names != tuple(column for column in frame.names if column in chosen):
        text = next(column for column in chosen if column not in read.feature_names)
        raise DataError(f"{path}: column {text!r} does not hold numbers; choose one of {', '.join(numeric)}")
    X = np.asarray(read.X, dtype=np.float64)
    far = np.argwhere(np.abs(X) > _FARTHEST)
    if len(far):
        row, column = far[0]
        raise DataError(
            f"{path}, column {read.feature_names[column]!r}: holds {X[row, column]:g}; the playground takes numbers up "
            f"to {_FARTHEST:g}, so choose a larger unit"
        )
    return Table(
        title=str(path),
        X=X,
        feature_names=read.feature_names,
        y=codes,
        class_names=tuple(str(each) for each in classes),
        suggested=chosen,
        columns=frame.names,
        label=label,
        notes=(*frame.notes, *read.notes),
    )


def _with_features(table: Table, names: tuple[str, ...]) -> Table:
    """The table with these columns alone."""
    for name in names:
        if name not in table.feature_names:
            raise ArgumentError(f"features={name[:80]!r}: choose from {', '.join(table.feature_names)}")
    columns = [table.feature_names.index(name) for name in names]
    kept = table.columns or table.feature_names
    return replace(table, X=table.X[:, columns], feature_names=names, columns=kept)


def _with_classes(table: Table, names: tuple[str, ...]) -> Table:
    """The table with the rows of these classes alone, all if none is named."""
    for name in names:
        if name not in table.class_names:
            raise ArgumentError(f"classes={name[:80]!r}: choose from {', '.join(table.class_names)}")
    kept = tuple(name for name in table.class_names if name in names or not names)
    if len(kept) < 2:
        raise ArgumentError(f"classes={', '.join(names)}: choose at least two")
    if len(kept) > _MOST_CLASSES:
        raise ArgumentError(f"{table.title}: {len(kept)} classes; choose at most {_MOST_CLASSES} of them")
    position = np.array([kept.index(name) if name in kept else -1 for name in table.class_names])
    codes = position[table.y]
    return replace(table, X=table.X[codes >= 0], y=codes[codes >= 0], class_names=kept, every_class=table.class_names)


def _with_few_rows(table: Table) -> Table:
    """The table itself, or a random sample of as many rows as a picture can show."""
    n_rows = len(table.X)
    if n_rows <= MOST_ROWS:
        return table
    chosen = np.sort(np.random.default_rng(0).choice(n_rows, MOST_ROWS, replace=False))
    note = f"{MOST_ROWS:,} of its {n_rows:,} rows, drawn at random, are shown and learned from"
    return replace(table, X=table.X[chosen], y=table.y[chosen], notes=(*table.notes, note))
