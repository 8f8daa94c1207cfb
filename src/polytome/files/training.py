"""`train`: a model of a table in one call, the same as that of `polytome train`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from polytome.errors import ArgumentError, DataError
from polytome.files.monotone import bounds_beside_monotone, check_monotone_settings, monotone_source, monotone_stream
from polytome.files.row_cache import cached, check_cache_folder
from polytome.files.sources import (
    Source,
    fit_source,
    hold_out,
    is_dataset,
    one_against_rest,
    open_source,
    suited_scale,
)
from polytome.files.splits import SplitKind
from polytome.files.streamed import fit_streamed, hold_out_streamed, streamed_against_rest, why_streamed
from polytome.models.bounds import check_bounds, check_named_bounds
from polytome.models.logistic import LogisticRegression
from polytome.models.penalty_weights import check_named_weights, check_penalty_weights
from polytome.plain.names import close_name
from polytome.tables.data_frames import is_data_frame
from polytome.tables.monotone_levels import Monotone
from polytome.tables.reference_levels import check_references
from polytome.tables.streams.frames import is_frame
from polytome.tables.streams.opening import open_rows
from polytome.tables.streams.table import StreamedTable
from polytome.tables.terms import terms_of
from polytome.tables.text_columns import TextOptions

__all__ = ["check_settings", "prepared_source", "prepared_stream", "references_for", "split_by", "train"]


def train(
    source: Any,
    target: str | None = None,
    *,
    positive: str | None = None,
    test_fraction: float | None = None,
    group: str | None = None,
    time: str | None = None,
    random_state: int = 0,
    weight: str | None = None,
    offset: str | Sequence[str] = (),
    missing: str | None = None,
    marks: Sequence[str] | None = None,
    unknown: str | None = None,
    header: str = "auto",
    read_limit: float | None = None,
    drop: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
    dates: Mapping[str, str | Sequence[str]] | None = None,
    references: Mapping[str, str] | None = None,
    monotone: Monotone | None = None,
    numbers: str | Mapping[str, str] | None = None,
    ids: str | Sequence[str] = (),
    names: Sequence[str] = (),
    min_level_count: int = 1,
    crosses: Sequence[str | tuple[str, str]] = (),
    splines: Mapping[str, int | Sequence[float]] | None = None,
    powers: Mapping[str, int] | None = None,
    text: str | Sequence[str] = (),
    text_options: TextOptions | None = None,
    encoding: str | None = None,
    memory: str | float | None = None,
    cache: str | PathLike[str] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    workers: Any = None,
    data_dir: str | PathLike[str] | None = None,
    **settings: Any,
) -> LogisticRegression:
    """Train a model on a data frame, or on whatever `polytome train` takes: to the last bit the
    model of that command.

    The model then takes data frames with the same columns in `predict`, `predict_proba`,
    `decision_function`, `score`, `report`, in `polytome.verify`, `evaluate` and `contributions`:
    columns are found by name, in any order, and others are ignored.

    Args:
        source: a data frame of pandas, polars or Arrow (its index is no column), or of Dask or
            Spark; the name of a built-in data set, a path, or a list of paths.
        target: the column of labels: a name, "last", or a position from 1.
        positive: distinguish this label from all others.
        test_fraction: hold out this share of each class: `evaluate(model)` and `model.report()`
            then judge the model by these rows. Means and levels are learned from the others alone.
        group: a column of which no value is divided: whole groups are held out, such as all rows of
            a user, so that the model is judged by others. It is not a feature.
        time: a column of numbers or dates: the latest rows are held out. It is not a feature.
        random_state: seed of the held-out rows, and of the solver "sgd".
        weight: a column of numbers by which the rows are weighted.
        offset: a column of numbers that is added to the scores and not learned; of more than two
            classes one for each, in the order of the labels.
        missing: "error" (the default), "drop" or "mean"; this and the next arguments as for
            `read_table`.
        marks: words that mark a missing cell, besides the empty one.
        unknown: "error" (the default) or "zero": what a level means that training never saw.
        header: "yes", "no" or "auto": whether a text table has a line of names.
        read_limit: gigabytes of memory that a file's contents may take.
        drop: columns to leave out.
        categories: columns to read as text, even if they look like numbers. Those of the type
            category of pandas need not be named.
        dates: for columns of dates the parts of which each becomes a column, as in
            `{"signup": "year,month,age"}`; see `read_table`.
        references: the level of a category with which the others are compared, as in
            `{"education": "HS-grad"}`. Without a penalty (`C=inf`) each category leaves out a
            level: this one, or else the first in sorted order. With a penalty all stay in.
        monotone: columns along which the score of the second class, or of `positive`, never falls,
            or never rises, as in `{"age": "increasing"}`. Of a category the order of the levels is
            that of its type (ordered categories of pandas, polars and Arrow), or it is given, the
            level with the lowest score first: `{"education": ["none", "school", "college"]}`.
        numbers: how numbers with marks are written, by an example such as "1,234.5", for all
            columns or as `{"price": "1,234.5"}`; see `read_table`.
        ids: columns that are not features, and that `polytome predict` keeps beside predictions.
        names: of the columns of a text table without a header line.
        min_level_count: in how many rows a level must occur; rarer ones become one.
        crosses: pairs of columns of which the model also has the products, so that the effect of
            one may depend on the other, as in `[("age", "sex")]` or `["age*sex"]`.
        splines: for a column of numbers how many knots a natural cubic spline has, as in
            `{"age": 5}`, 3 to 20, at quantiles of the rows that are learned from; or its knots, as
            in `{"age": [20, 40, 60]}`.
        powers: for a column of numbers the largest exponent, as in `{"age": 2}`; 2 to 9.
        text: columns of text, of which the terms are counted.
        text_options: how; see `TextOptions`.
        encoding: of a text table, or of the texts of a folder; see `read_table`.
        memory: how much memory training may take, such as "2GB"; files that need more are read
            piece by piece.
        cache: a folder for a copy of the rows of files that are read piece by piece.
        checkpoint: a file for what each pass over files gave; the same call goes on from there.
        workers: who makes the passes over files, as for `open_rows`.
        data_dir: the folder of mnist or fashion-mnist.
        settings: those of `LogisticRegression`, such as `C` or `class_weight`.

    Returns:
        The fitted model. `training_` says what it was trained on, with notes on what was decided;
        `held_out_` are the rows that were not, as long as it stays in memory.

    Raises:
        ArgumentError: an argument cannot be used; of settings before anything is read.
        DataError: what the source holds cannot be used.
        FileError: a file cannot be read.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import pandas
        >>> columns = {"age": [25, 31, 42, 57], "hue": list("abab"), "income": ["low", "low", "high", "high"]}
        >>> df = pandas.DataFrame(columns)
        >>> model = train(df, target="income")
        >>> model.predict(pandas.DataFrame({"hue": ["b", "a"], "age": [60, 20], "name": ["Jo", "Al"]}))
        array(['high', 'low'], dtype='<U4')
    """
    settings = {**settings, "random_state": random_state}
    check_settings(settings, test_fraction)
    check_monotone_settings(monotone, settings)
    by, beside = split_by(group, time, test_fraction)
    if not (target is None or isinstance(target, str | int)):
        raise ArgumentError(
            f"target is a {type(target).__name__}: needs the name of the column of labels; give the labels a column, "
            "as df.assign(label=y), and target='label'"
        )
    table: dict[str, Any] = {"target": None if target is None else str(target), "missing": missing, "marks": marks}
    table |= {"unknown": unknown, "header": header, "weight": weight}
    table |= {"drop": _names("drop", drop), "categories": _names("categories", categories), "dates": dates}
    table["references"] = references_for(settings, references)
    table |= {
        "numbers": numbers,
        "ids": _names("ids", ids),
        "names": _names("names", names),
        "min_level_count": min_level_count,
    }
    terms = terms_of(crosses, splines, powers)
    texts: dict[str, Any] = {
        "terms": terms,
        "text": _names("text", text),
        "text_options": text_options,
        "encoding": encoding,
    }
    in_memory: dict[str, Any] = {
        "read_limit": read_limit,
        "data_dir": data_dir,
        "offset": _names("offset", offset) or None,
    }
    in_memory |= {
        "group": group,
        "time": time,
        "encoding": encoding,
    }
    streamed = {"cache": cache, "checkpoint": checkpoint}
    if (why := _why_streamed(source, memory, workers)) is None:
        _refuse(streamed, "is for rows that are read piece by piece, and these fit into memory")
        source = source[0] if isinstance(source, list | tuple) else source  # several are read piece by piece
        rows = open_source(source, data_dir=data_dir, read_limit=read_limit, beside=beside, **table, **texts)
        rows = prepared_source(rows, positive, test_fraction, random_state, by, monotone)
        settings["bounds"] = bounds_beside_monotone(rows, monotone, settings.get("bounds"))
        check_named_weights(settings.get("penalty_weights"), rows.encoder)
        check_named_bounds(settings.get("bounds"), rows.encoder)
        if settings.get("scale") is None:
            settings["scale"] = rows.scale
        return fit_source(LogisticRegression(**settings), rows, offset=_names("offset", offset))
    _refuse(in_memory, f"means nothing for rows that are read piece by piece ({why})")
    if cache is not None:
        check_cache_folder(cache)
    with ExitStack() as closing:
        if isinstance(workers, int | str):
            from polytome.rows.dask import opened_workers

            workers = closing.enter_context(opened_workers(str(workers)))
        table |= {"text": _names("text", text), "text_options": text_options, "terms": terms}
        opened = open_rows(source, memory=memory, workers=workers, **table)
        opened = prepared_stream(opened, positive, test_fraction, random_state, monotone)
        settings["bounds"] = bounds_beside_monotone(opened, monotone, settings.get("bounds"))
        check_named_weights(settings.get("penalty_weights"), opened.encoder)
        check_named_bounds(settings.get("bounds"), opened.encoder)
        if settings.get("scale") is None:
            settings["scale"] = suited_scale(opened.encoder)
        opened = opened if cache is None else cached(opened, cache)
        model = fit_streamed(LogisticRegression(**settings), opened, checkpoint=checkpoint)
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    return model


def references_for(settings: Mapping[str, Any], chosen: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The reference levels that suit the settings, for `read_table`: without a penalty those chosen
    and the first levels of other categories, otherwise None.

    Without an intercept levels stay in: a row without any would have the score 0, which is not that
    of a level.

    Args:
        settings: of `LogisticRegression`.
        chosen: for a column its reference level.

    Raises:
        ArgumentError: some are chosen where all levels stay in.

    Example:
        >>> references_for({"C": float("inf")}, None), references_for({"C": 1.0}, None)
        ({}, None)
    """
    if chosen is not None:
        check_references(chosen)
    C = settings.get("C", 1.0)
    reason = None
    if not np.isinf(C):
        reason = f"with a penalty (C={C:g}) all levels of a category stay in; train without one, with C=inf"
    elif not settings.get("fit_intercept", True):
        reason = "without an intercept all levels of a category stay in; train with one"
    if reason is None:
        return chosen or {}
    if chosen:
        name, level = next(iter(chosen.items()))
        raise ArgumentError(f"reference {name}={level}: {reason}, or leave the option out")
    return None


def split_by(group: str | None, time: str | None, test_fraction: float | None) -> tuple[SplitKind, str | None]:
    """How rows are held out, and the column that decides it.

    Raises:
        ArgumentError: two columns decide, or there is nothing to decide.

    Example:
        >>> split_by("user", None, 0.2)
        ('group', 'user')
    """
    if group is not None and time is not None:
        raise ArgumentError("group, time: each says which rows are held out; give one of them")
    beside = time if group is None else group
    if beside is None:
        return "class", None
    kind: SplitKind = "time" if group is None else "group"
    if not isinstance(beside, str):
        raise ArgumentError(f"{kind}={beside!r}: needs the name of a column")
    if not test_fraction:
        raise ArgumentError(f"{kind}={beside!r}: says which rows are held out; say how many with test_fraction")
    return kind, beside


def prepared_source(
    rows: Source,
    positive: str | None,
    test_fraction: float | None,
    seed: int,
    by: SplitKind = "class",
    monotone: Monotone | None = None,
) -> Source:
    """Rows in memory with the labels, the steps and the test rows that are asked for.

    Raises:
        ArgumentError: there is no such label, or the fraction cannot be used, or as `with_steps`.
    """
    if positive is not None:
        rows = one_against_rest(rows, positive)
    rows = monotone_source(rows, monotone)
    if test_fraction is not None and (test_fraction != 0 or rows.X_test is not None):
        rows = hold_out(rows, test_fraction, seed, by)
    return replace(rows, frame=None, beside=None)  # as much memory as the file takes


def prepared_stream(
    table: StreamedTable,
    positive: str | None,
    test_fraction: float | None,
    seed: int,
    monotone: Monotone | None = None,
) -> StreamedTable:
    """Rows that stay in their files with the labels, the steps and the test rows that are asked
    for.

    Raises:
        ArgumentError: as `prepared_source`.
    """
    if positive is not None:
        table = streamed_against_rest(table, positive)
    table = monotone_stream(table, monotone)
    return hold_out_streamed(table, test_fraction, seed) if test_fraction else table


def check_settings(settings: Mapping[str, Any], test_fraction: float | None) -> None:
    """Let the estimator refuse settings before any row is read, by a trial fit to four made-up
    rows.

    Raises:
        ArgumentError: there is no such setting, or it cannot be used.
    """
    known = list(inspect.signature(LogisticRegression).parameters)
    arguments = [name for name in inspect.signature(train).parameters if name != "settings"]
    for name in settings:
        if name not in known:
            close = close_name(name, [*known, *arguments])
            hint = f"; did you mean {close!r}?" if close else f"; LogisticRegression has {', '.join(known)}"
            raise ArgumentError(f"{name}: is neither an argument of train nor a setting of LogisticRegression{hint}")
    if test_fraction is not None and not 0 <= test_fraction < 1:
        raise ArgumentError(f"test_fraction={test_fraction:g}: needs a number between 0 and 1")
    check_penalty_weights(settings.get("penalty_weights"))
    check_bounds(settings.get("bounds"), settings.get("groups") is not None)
    with warnings.catch_warnings(), suppress(DataError):  # these four rows do not matter
        warnings.simplefilter("ignore")
        few = {**settings, "max_iter": min(settings.get("max_iter", 1), 1), "penalty_weights": None}
        few["bounds"] = None if isinstance(few.get("bounds"), dict) else few.get("bounds")
        LogisticRegression(**few).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])


def _why_streamed(source: Any, memory: str | float | None, workers: Any) -> str | None:
    """Why a source is read piece by piece; None if it is not."""
    if is_data_frame(source):
        given = {"memory": memory, "workers": workers}
        _refuse(given, "is for files that are read piece by piece, and a data frame is in memory")
        return None
    if is_frame(source):
        return "a data frame of a cluster"
    if not isinstance(source, str | PathLike | list | tuple):
        raise ArgumentError(
            f"source is a {type(source).__name__}: needs a data frame with named columns, the name of a data set, or a "
            "path; features and labels in arrays are fitted by LogisticRegression().fit(X, y)"
        )
    names = [source] if isinstance(source, str | PathLike) else list(source)
    if not names:
        raise ArgumentError("source: is an empty list; give at least one file")
    if len(names) == 1 and is_dataset(str(names[0])) and memory is workers is None:
        return None
    return why_streamed(names, memory, workers)


def _names(argument: str, names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as text."""
    if isinstance(names, str | int):
        return (str(names),)
    if not isinstance(names, Iterable):
        raise ArgumentError(f"{argument}={names!r}: needs a name, or a list of names")
    return tuple(map(str, names))


def _refuse(options: Mapping[str, Any], why: str) -> None:
    """Refuse options that mean nothing here."""
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(f"{name}: {why}; leave it out")
