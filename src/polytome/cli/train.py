"""`polytome train`: from a data set or a file to a fitted model with its certificate."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polytome.cli.beside_streams import (
    check_beside_streams,
    check_solver_beside_streams,
    opened_workers,
    refuse_beside_streams,
    refuse_in_memory,
    refuse_report_without_test_rows,
    why_read,
)
from polytome.cli.decide import Wanted
from polytome.cli.fit_words import require_certificate
from polytome.cli.interruption import Interruption
from polytome.cli.monotone import MonotoneOption, monotone_from
from polytome.cli.option_groups import FitOptions, PenaltyOptions, TableOptions
from polytome.cli.options import (
    Cache,
    Checkpoint,
    DataFolder,
    Json,
    MemoryLimit,
    ModelOut,
    Positive,
    Quiet,
    ReportOut,
    Seed,
    SourceNames,
    Strict,
    Target,
    TestFile,
    TestFraction,
    WorkersName,
)
from polytome.cli.output import command_line, live_line, make_console, quietly, show_notes
from polytome.cli.outputs import check_outputs, is_same_file
from polytome.cli.recalibrate import Correction
from polytome.cli.runs import LogTo, check_log
from polytome.cli.show import balance, show_facts
from polytome.cli.split_options import GroupColumn, TimeColumn
from polytome.cli.term_options import TermOptions
from polytome.cli.text_options import TextGroup
from polytome.cli.training_outcome import Asked, Material, finish

if TYPE_CHECKING:
    from rich.console import Console

    from polytome.files.sources import Source
    from polytome.models.logistic import LogisticRegression
    from polytome.solvers import Progress
    from polytome.tables.monotone_levels import Monotone
    from polytome.tables.streams.table import StreamedTable

__all__ = ["train"]

_TEST_ROWS = "rows that were held out"
_TRAINING_ROWS = "rows of the training data (nothing was held out)"


def train(
    context: typer.Context,
    sources: SourceNames,
    *,
    target: Target = None,
    positive: Positive = None,
    test_fraction: TestFraction = None,
    group: GroupColumn = None,
    time_column: TimeColumn = None,
    test: TestFile = None,
    seed: Seed = 0,
    penalty: PenaltyOptions,
    fit: FitOptions,
    monotone: MonotoneOption = None,
    table: TableOptions,
    terms: TermOptions,
    memory: MemoryLimit = None,
    cache: Cache = None,
    checkpoint: Checkpoint = None,
    workers: WorkersName = None,
    data: DataFolder = None,
    out: ModelOut = None,
    report: ReportOut = None,
    log_to: LogTo = None,
    wanted: Wanted,
    correction: Correction,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: Json = False,
    text: TextGroup,
) -> None:
    """Train a model and say how far it is from the optimum.

    SOURCE is a built-in data set (see: polytome datasets) or a file: CSV, TSV,
    Parquet, Feather, JSON Lines, Excel (book.xlsx#Sheet), SQLite (shop.db#table),
    .npy, .npz, libsvm text, a folder of IDX images, or a folder of images or of
    text files with a subfolder for each class; - is the standard input.

    A column of text (--text) becomes a feature for each word, weighted by tf-idf.

    Files that do not fit into memory (see --memory), and several of one kind (named
    one after the other, a folder, or a pattern), are read piece by piece in each
    pass: the same model and certificate in little memory. So are Parquet, Arrow,
    text tables, libsvm text and .npy. With --workers processes or machines share
    the work: again the same model, bit by bit.

    A model predicts the most probable class. Where mistakes differ, --threshold,
    --costs or --prefer decide otherwise: kept in the model, for every later use.
    So are corrections of its probabilities, by held-out rows (--recalibrate) or for
    other shares of the classes (--prior); coefficients and certificate stay as they
    are.

    Ctrl-C stops at the next iterate; with --out the best model so far is saved, and
    the exit status is 130. A second Ctrl-C stops at once.

    \b
    Examples:
      polytome train iris
      polytome train iris --positive virginica
      polytome train people.csv --target income --test-fraction 0.2 --missing mean
      polytome train churn.csv --target left --test june.csv --prefer recall=0.9
      polytome train visits.csv --target ill --test-fraction 0.2 --group patient
      polytome train messages.tsv --target label --text message
      polytome train people.csv --target income --spline age=5 --cross 'age*sex'
      polytome train counts.csv --target survived --weight cases
      polytome train people.csv --target income --C inf --reference town=Oslo
      zcat people.csv.gz | polytome train - --target income --id customer
      polytome train 'shop.db#select age, city, left from people' --target left
      polytome train claims.csv --target claim --offset log_exposure
      polytome train logs/2026-*/*.parquet --target clicked --memory 2GB
      polytome train big.parquet --target clicked --workers 4
      polytome train mnist --data DIR --out mnist.safetensors --report mnist.html
    """
    from polytome.errors import ArgumentError
    from polytome.evaluation.metrics import class_counts
    from polytome.files.monotone import bounds_beside_monotone, check_monotone_settings
    from polytome.files.training import check_settings, prepared_source, split_by
    from polytome.models.bounds import check_named_bounds
    from polytome.models.penalty_weights import check_named_weights

    if quiet:
        context.with_resource(quietly())
    settings = {
        **penalty.settings(),
        **fit.settings(),
        "label_smoothing": fit.label_smoothing,
        "random_state": seed,
    }
    check_outputs(
        [*sources, target, wanted.costs, test],
        {"--out": (out, ".safetensors"), "--report": (report, ".html .htm"), "--checkpoint": (checkpoint, "")},
    )
    wanted.check()
    correction.check(fit.class_weight is not None)
    if log_to is not None:
        check_log(log_to)
    asked = Asked(out, report, as_json, wanted, correction, log_to)
    from_rows = {"--prefer": wanted.prefer, "--recalibrate": correction.recalibrate}
    if test is not None and test_fraction:
        raise ArgumentError(
            f"--test {test}: there are test rows already (--test-fraction holds some out); leave one of them out"
        )
    check_settings(settings, test_fraction)
    rising = monotone_from(monotone)
    check_monotone_settings(rising, settings)
    by, beside = split_by(group, time_column, test_fraction)
    reading = {"target": target, "weight": fit.weight, **table.reading(settings), **text.reading()}
    reading["terms"] = terms.made()
    if (why := why_read(sources, memory, workers)) is not None:
        refused = {"--data": data, "--offset": fit.offset, **table.refused_piecewise()}
        refuse_beside_streams(sources, why, {**refused, "--test": test, "--group": group, "--time": time_column})
        check_solver_beside_streams(sources, why, fit.solver)
        check_beside_streams(cache, checkpoint, fit.solver)
        refuse_report_without_test_rows(report, test_fraction)
        opened: dict[str, Any] = {**reading, "memory": memory}
        prepare = partial(_prepared_stream, positive=positive, test_fraction=test_fraction, seed=seed, cache=cache)
        _refuse_without_test_rows(from_rows, bool(test_fraction))
        with opened_workers(workers) as opened["workers"]:
            given = command_line(context)
            model = _train_streamed(sources, why, opened, prepare, settings, rising, given, checkpoint, asked)
        require_certificate(strict, model.certificate_)
        return
    source = sources[0]
    refuse_in_memory(source, {"--cache": cache, "--checkpoint": checkpoint})
    rows = _read(source, data, {**reading, **table.whole(), "beside": beside})
    rows = prepared_source(rows, positive, test_fraction, seed, by, rising)
    settings["bounds"] = bounds_beside_monotone(rows, rising, settings["bounds"])
    if test is not None:
        rows = _with_test_rows(rows, test, **table.whole())
    check_named_weights(settings["penalty_weights"], rows.encoder)
    wanted.check_classes(sorted(class_counts(rows.y)))
    correction.check_classes(sorted(class_counts(rows.y)))
    _refuse_without_test_rows(from_rows, rows.X_test is not None)
    check_named_bounds(settings["bounds"], rows.encoder)
    show_notes(rows.notes)
    if penalty.scale is None:
        settings["scale"] = rows.scale
    model = _train(rows, settings, command_line(context), asked, fit.offset or ())
    require_certificate(strict, model.certificate_)


def _with_test_rows(rows: Source, test: str, *, read_limit: float | None, encoding: str | None) -> Source:
    """The rows with those of another file as test rows, read in the same way."""
    from dataclasses import replace

    import numpy as np

    from polytome.errors import ArgumentError, DataError
    from polytome.files.sources import is_dataset, texts_of
    from polytome.models.framed import against_rest
    from polytome.tables.frames import listing
    from polytome.tables.table import read_table

    if rows.X_test is not None:
        raise ArgumentError(f"--test {test}: there are test rows already ({rows.name} brings its own); leave it out")
    if rows.encoder is None or is_dataset(test):
        raise ArgumentError(
            f"--test {test}: is for a table beside a table; evaluate on other rows with polytome evaluate MODEL {test}"
        )
    if is_same_file(test, rows.name):
        raise ArgumentError(f"--test {test}: is {rows.name}, which is trained on; give rows that are not")
    read = read_table(test, encoder=rows.encoder, read_limit=read_limit, encoding=encoding)
    if read.y is None:
        raise ArgumentError(f"--test {test}: has no labels to compare the predictions with")
    labels = read.y if rows.positive is None else against_rest(read.y, rows.positive)
    known = np.unique(np.asarray(rows.y))
    if not np.isin(labels, known).any():
        first, classes = (
            listing([str(label) for label in labels[:2]]),
            listing([str(label) for label in known]),
        )
        raise DataError(
            f"--test {test}: no label is one of the classes: its labels are like {first}, the classes are {classes}; "
            "write its labels as in the training rows"
        )
    numbers = np.arange(1, len(labels) + 1) if read.kept is None else np.flatnonzero(read.kept) + 1
    return replace(
        rows,
        X_test=read.X,
        y_test=labels,
        weight_test=read.weight,
        test_names=numbers,
        test_source=test,
        texts=None if read.frame is None else texts_of(rows.encoder, read.frame),
        notes=(*rows.notes, *read.notes),
    )


def _refuse_without_test_rows(options: dict[str, str | None], has_test_rows: bool) -> None:
    """Refuse to learn cut-offs and corrections from training rows, where probabilities are too
    sure."""
    from polytome.errors import ArgumentError

    for option, value in options.items():
        if value is not None and not has_test_rows:
            what = "a cut-off is chosen on" if option == "--prefer" else "a correction is learned from"
            raise ArgumentError(
                f"{option} {value}: {what} rows that were not trained on; hold some out with --test-fraction, or take "
                f"other rows: polytome evaluate MODEL ROWS {option} ... --out MODEL"
            )


def _read(source: str, data: Path | None, options: dict[str, Any]) -> Source:
    """The rows, read or downloaded with progress shown."""
    from polytome.files.sources import open_source

    with live_line() as say:
        say(f"reading {source}")
        return open_source(
            source,
            data_dir=data,
            progress=lambda name, done, _: say(f"downloading {name}: {done / 1e6:.1f} MB"),
            **options,
        )


def _train(
    rows: Source, settings: dict[str, Any], command: str, asked: Asked, offset: Sequence[str]
) -> LogisticRegression:
    """Fit rows in memory, and show what came of it."""
    from polytome.evaluation.metrics import class_counts, evaluate
    from polytome.files.sources import fit_source

    counts = class_counts(rows.y)
    console = make_console(quiet=asked.as_json)
    with Interruption() as interruption:
        _show_data(console, rows, counts)
        model = _fitted(settings, interruption, lambda model: fit_source(model, rows, command=command, offset=offset))
    held_out = rows.X_test is not None
    judged = (rows.X_test, rows.y_test, rows.weight_test) if held_out else (rows.X, rows.y, rows.weight)
    material = Material(
        name=rows.name,
        n_rows=rows.X.shape[0],
        n_features=rows.X.shape[1],
        n_test_rows=0 if rows.y_test is None else len(rows.y_test),
        counts=counts,
        notes=rows.notes,
        judged=_judged_rows(rows),
        test_rows=lambda: (rows.X_test, rows.y_test, rows.weight_test),
        evaluate=lambda model: evaluate(model, *judged),
        write_report=lambda model, report: _write_report(model, rows, report),
    )
    finish(model, material, asked, console, interruption.requested)
    return model


def _judged_rows(rows: Source) -> str:
    if rows.test_source is not None:
        return f"rows of {rows.test_source}"
    return _TRAINING_ROWS if rows.X_test is None else _TEST_ROWS


def _show_data(console: Console, rows: Source, counts: dict[Any, int]) -> None:
    n_rows, n_features = rows.X.shape
    size = f"{n_rows:,} rows, {n_features:,} features, {len(counts)} classes"
    if rows.y_test is not None:
        size += f"; {len(rows.y_test):,} more rows to test on"
    show_facts(console, {"Data": f"{rows.name}: {size}", "Classes": balance(counts)})


def _write_report(model: LogisticRegression, rows: Source, report: Path) -> None:
    """The report on a model just trained: evaluated on the rows held out, or if there are none on
    the training rows."""
    from polytome.report import make_report

    if rows.X_test is None:
        name = f"the training rows, {rows.name}"
        make_report(model, rows.X, rows.y, name=name, sample_weight=rows.weight).save(report)
    else:
        name = f"rows of {rows.name} that were held out" if rows.test_source is None else rows.test_source
        how: dict[str, Any] = {"row_names": rows.test_names, "sample_weight": rows.weight_test, "texts": rows.texts}
        make_report(model, rows.X_test, rows.y_test, name=name, **how).save(report)


def _prepared_stream(
    table: StreamedTable,
    monotone: Monotone | None,
    *,
    positive: str | None,
    test_fraction: float | None,
    seed: int,
    cache: Path | None,
) -> StreamedTable:
    """The rows with the labels, the test rows and the copy that the options ask for."""
    from polytome.files.row_cache import bytes_of_cache, cached
    from polytome.files.training import prepared_stream

    table = prepared_stream(table, positive, test_fraction, seed, monotone)
    if cache is None:
        return table
    show_notes([f"a copy of the rows as numbers in {cache} takes up to {bytes_of_cache(table) / 1e9:,.2g} GB"])
    return cached(table, cache)


def _train_streamed(
    sources: list[str],
    why: str,
    options: dict[str, Any],
    prepare: Callable[[StreamedTable, Monotone | None], StreamedTable],
    settings: dict[str, Any],
    monotone: Monotone | None,
    command: str,
    checkpoint: Path | None,
    asked: Asked,
) -> LogisticRegression:
    """Fit rows that stay in their files, and show what came of it."""
    from polytome.files.monotone import bounds_beside_monotone
    from polytome.files.sources import suited_scale
    from polytome.files.streamed import fit_streamed
    from polytome.files.streamed_predictions import evaluate_test_rows, sample_of_test_rows
    from polytome.models.bounds import check_named_bounds
    from polytome.models.penalty_weights import check_named_weights
    from polytome.tables.streams.opening import open_rows

    console = make_console(quiet=asked.as_json)
    with Interruption() as interruption:
        began = time.perf_counter()
        with live_line() as say:
            say(f"reading {sources[0]}")
            table = open_rows(
                sources, progress=lambda done, n_rows: say(f"reading {done:,} of {n_rows:,} rows"), **options
            )
            seconds = time.perf_counter() - began
            table = prepare(table, monotone)
        if settings["scale"] is None:
            settings["scale"] = suited_scale(table.encoder)
        check_named_weights(settings["penalty_weights"], table.encoder)
        asked.wanted.check_classes(table.classes.tolist())
        asked.correction.check_classes(table.classes.tolist())
        settings["bounds"] = bounds_beside_monotone(table, monotone, settings["bounds"])
        check_named_bounds(settings["bounds"], table.encoder)
        show_notes(table.notes)
        counts = dict(zip(table.classes.tolist(), table.class_counts.tolist(), strict=True))
        _show_streamed(console, table, counts, why, seconds)
        keep: dict[str, Any] = {"command": command, "checkpoint": checkpoint}
        model = _fitted(settings, interruption, lambda model: fit_streamed(model, table, **keep))
    drawn = lru_cache(1)(partial(sample_of_test_rows, table, table.seed or 0))  # which reads the files
    material = Material(
        name=table.name,
        n_rows=table.n_rows,
        n_features=table.X.n_features,
        n_test_rows=0 if table.test is None else table.test.n_rows,
        counts=counts,
        notes=table.notes,
        judged=_TRAINING_ROWS if table.test is None else _TEST_ROWS,
        test_rows=lambda: (drawn()[0], drawn()[1], drawn()[3]),
        evaluate=lambda model: evaluate_test_rows(model, table),
        write_report=lambda model, report: _write_streamed_report(model, table, drawn(), report),
    )
    try:
        finish(model, material, asked, console, interruption.requested)
    except typer.Exit:
        if checkpoint is not None:
            console.print(f"The same command goes on from {checkpoint}.", soft_wrap=True)
        raise
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model


def _show_streamed(console: Console, table: StreamedTable, counts: dict[Any, int], why: str, seconds: float) -> None:
    """What is trained on, and what to expect of it."""
    size = f"{table.n_rows:,} rows, {table.X.n_features:,} features, {len(counts)} classes"
    if table.test is not None:
        size += f"; {table.test.n_rows:,} more rows to test on"
    again = f"read piece by piece ({why}) in each pass: {table.n_bytes / 1e9:,.2g} GB, {seconds:,.2g} s the first"
    passes = "a fit takes some 10 to 100 passes"
    show_facts(
        console, {"Data": f"{table.name}: {size}", "Classes": balance(counts), "Streamed": f"{again} time; {passes}"}
    )


def _write_streamed_report(
    model: LogisticRegression, table: StreamedTable, drawn: tuple[Any, Any, Any, Any], report: Path
) -> None:
    """The report on a model just trained, evaluated on test rows, of which as many are drawn as
    are in memory at a time."""
    from polytome.report import make_report

    X, y, numbers, weight = drawn
    n_rows = 0 if table.test is None else table.test.n_rows
    share = "" if len(y) == n_rows else f"{len(y):,} drawn from {n_rows:,} "
    how: dict[str, Any] = {"row_names": numbers, "sample_weight": weight}
    make_report(model, X, y, name=f"{share}rows of {table.name} that were held out", **how).save(report)


def _fitted(
    settings: dict[str, Any],
    interruption: Interruption,
    fit: Callable[[LogisticRegression], LogisticRegression],
) -> LogisticRegression:
    """The model, fitted with progress shown until it is done or interrupted."""
    from sklearn.exceptions import ConvergenceWarning

    from polytome.models.logistic import LogisticRegression

    with live_line() as say, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the command's own words, from `stop_`

        def report(progress: Progress) -> bool:
            say(
                f"pass {progress.passes:.0f}  objective {progress.objective:.8f}  gap {progress.gap:.1e}  "
                f"{progress.seconds:.1f} s"
            )
            return interruption.requested

        say("preparing")
        return fit(LogisticRegression(**settings, callback=report))
