"""The rows of a table as a formula uses them: variables as numbers, booleans or text of NumPy, the
classes, and the rows in which nothing is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError, MissingExtraError
from polytome.inference.covariance import clusters_from
from polytome.inference.frames import kind_of_frame
from polytome.inference.maximum_likelihood import refuse_one_class, weights_checked
from polytome.tables.columns import NamedColumns
from polytome.tables.frames import EXACT, listing

Array = NDArray[Any]

__all__ = [
    "as_pandas",
    "collected",
    "column_names",
    "complete_rows",
    "formulaic_library",
    "listed",
    "pandas_library",
    "plain_column",
    "response_of",
]


def response_of(frame: Any, name: str) -> tuple[list[Any], Array]:
    """The classes in order (of a categorical column, its own), and the place of each row's."""
    column = frame[name]
    if str(column.dtype) == "category":
        classes, codes = list(column.cat.categories), np.asarray(column.cat.codes, dtype=np.intp)
    else:
        values = np.asarray(column)
        if values.dtype.kind == "f":
            broken = np.flatnonzero(values != np.round(values))
            if len(broken):
                raise DataError(
                    f"{name} holds numbers that are measured, such as {values[broken[0]]:g}: a classifier needs classes"
                )
            values = values.astype(np.int64)
        found, codes = np.unique(values, return_inverse=True)
        classes = found.tolist()
    refuse_one_class(classes, name)
    return classes, codes.astype(np.intp)


def complete_rows(
    frame: Any, formula: str, missing: str, weights: Any, weights_are: str | None, clusters: Any
) -> tuple[Any, Array, Array, Any]:
    """The rows in which nothing that is used is missing and the weight is not 0, their numbers,
    weights and clusters."""
    gaps: Array = np.asarray(frame.isna())
    wrong: Any = gaps.any(axis=1)
    if wrong.any() and missing == "error":
        row, column = map(int, np.argwhere(gaps)[0])
        raise DataError(
            f"{frame.columns[column]!r} is missing in row {row} (rows with gaps: {int(wrong.sum()):,}): fill it in, or "
            "leave such rows out with missing='drop'"
        )
    given = np.asarray(frame[weights], dtype=object) if isinstance(weights, str) else weights
    if given is not None and len(given) == len(wrong):
        given = np.where(wrong, 0.0, np.asarray(given, dtype=object))
    weight = weights_checked(given, weights_are, len(frame), weights if isinstance(weights, str) else "weights")
    keep: Array = ~wrong & (weight > 0)
    if not keep.any():
        raise DataError(f"formula {formula!r}: no row is left; in each something that is used is missing")
    columns, names = [], []
    for j, one in enumerate(listed(clusters)):
        values = np.asarray(frame[one]) if isinstance(one, str) else np.asarray(one)
        if values.shape != (len(frame),):
            raise DataError(f"clusters has shape {values.shape}: give one value for each of {len(frame):,} rows")
        columns.append(values)
        names.append(one if isinstance(one, str) else f"clusters[{j}]")
    frame = frame[keep].reset_index(drop=True)
    for name in frame.columns:
        if str(frame[name].dtype) == "category":
            frame[name] = frame[name].cat.remove_unused_categories()
        else:
            frame[name] = plain_column(frame[name])
    grouped = clusters_from(columns, names, keep) if columns else None
    return frame, np.flatnonzero(keep), weight[keep], grouped


def listed(clusters: Any) -> list[Any]:
    """The columns of clusters: names or arrays."""
    if clusters is None:
        return []
    if isinstance(clusters, list | tuple) and all(isinstance(one, str) or np.ndim(one) == 1 for one in clusters):
        return list(clusters)
    if not isinstance(clusters, str) and np.ndim(clusters) == 2:
        return list(np.asarray(clusters).T)
    return [clusters]


def plain_column(column: Any) -> Any:
    """A column without gaps as numbers, booleans or text of NumPy."""
    pandas = pandas_library()
    values = column.to_numpy()
    name, kind = column.name, str(column.dtype)
    if values.dtype.kind in "mM":
        raise DataError(f"column {name!r} holds dates or durations: make a number of them, such as the year")
    if values.dtype.kind == "O":
        found = {type(value) for value in values.tolist()}
        if found <= {str}:
            return pandas.Series(values.astype(str).astype(object), name=name)
        if found <= {bool, np.bool_}:
            return pandas.Series(values.astype(bool), name=name)
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            shown = listing(sorted(each.__name__ for each in found), form=str)
            raise DataError(f"column {name!r} holds {shown}: it needs numbers, or text") from error
    if kind.startswith(("str", "string")) or values.dtype.kind in "UST":
        return pandas.Series(values.astype(str).astype(object), name=name)
    if values.dtype.kind == "b":
        return pandas.Series(values, name=name)
    values = values.astype(np.float64) if values.dtype.kind != "i" else values
    if values.dtype.kind == "f" and (values == np.round(values)).all() and np.abs(values).max(initial=0) <= EXACT:
        values = values.astype(np.int64)  # a level is called 2, not 2.0, though its column had gaps
    return pandas.Series(values, name=name)


def pandas_library() -> Any:
    """pandas, or what is to be installed.

    Raises:
        MissingExtraError: formulaic is not installed.
    """
    formulaic_library()  # which brings pandas
    import pandas

    return pandas


def collected(data: Any) -> Any:
    """A lazy frame of polars, computed."""
    return data.collect() if kind_of_frame(data) == "polars" and hasattr(data, "collect") else data


def column_names(data: Any) -> list[str]:
    """The names of a table's columns."""
    if isinstance(data, NamedColumns):
        return list(data.names)
    if kind_of_frame(data) == "pyarrow":
        return list(data.column_names)
    names = data.keys() if isinstance(data, Mapping) else getattr(data, "columns", None)
    if names is None or len(names) == 0:
        raise DataError(
            f"data is {type(data).__name__}: give a frame of pandas, polars or Arrow, or a mapping from names to "
            "columns"
        )
    return [str(name) for name in names]


def as_pandas(data: Any, names: list[str]) -> Any:
    """Some columns as a pandas frame."""
    pandas, kind = pandas_library(), kind_of_frame(data)
    if isinstance(data, NamedColumns):
        return pandas.DataFrame({name: data.column(name) for name in names})
    if kind == "polars":
        return pandas.DataFrame({name: _from_polars(data[name], pandas) for name in names})
    if kind == "pyarrow":
        return data.select(names).to_pandas()
    if kind == "pandas":
        frame = data.copy(deep=False)
        frame.columns = [str(name) for name in frame.columns]
        doubled = [name for name in names if list(frame.columns).count(name) > 1]
        if doubled:
            raise DataError(f"data has several columns {doubled[0]!r}: give each a name of its own")
        return frame[names].reset_index(drop=True)
    lengths = {name: len(data[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns differ in length: {lengths}")
    return pandas.DataFrame({name: list(data[name]) for name in names})


def _from_polars(column: Any, pandas: Any) -> Any:
    """A column of polars with its levels in order, and None where it is missing."""
    kind = str(column.dtype)
    if kind.startswith("Enum"):
        return pandas.Categorical(column.to_list(), categories=column.dtype.categories.to_list())
    if kind.startswith(("String", "Boolean", "Categorical")) or column.null_count():
        values = column.to_list()  # the levels of a Categorical have no order of their own
        return pandas.Series(values, dtype=object if column.dtype.is_numeric() is False else None)
    return column.to_numpy()


def formulaic_library() -> Any:
    """formulaic, or what is to be installed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import formulaic
    except ImportError as error:
        raise MissingExtraError('formulas need formulaic: pip install "polytome[stats]"') from error
    return formulaic
