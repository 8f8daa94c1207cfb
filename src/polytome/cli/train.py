"""`polytome train`: from a data set or a file to a fitted model with its certificate."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.console import Console

from polytome.cli.bounds import bounds_from
from polytome.cli.decide import Costs, Prefer, Threshold, Wanted
from polytome.cli.interruption import Interruption
from polytome.cli.options import (
    BoundsOption,
    Cache,
    Categories,
    Checkpoint,
    ClassWeight,
    DataFolder,
    Dates,
    Drop,
    GroupsName,
    Header,
    Intercept,
    InverseStrength,
    Json,
    L1Ratio,
    LabelSmoothing,
    MaxIter,
    MemoryLimit,
    Missing,
    MissingMark,
    ModelOut,
    Offset,
    PenaltyWeights,
    Positive,
    Quiet,
    ReadLimit,
    ReportOut,
    Scale,
    Seed,
    SolverName,
    SourceNames,
    Strict,
    Target,
    TestFile,
    TestFraction,
    Tolerance,
    Unknown,
    WeightColumn,
    WorkersName,
)
from polytome.cli.output import command_line, live_line, make_console, print_json, quietly, show_notes, show_warning
from polytome.cli.outputs import check_outputs, is_same_file
from polytome.cli.show import balance, show_certificate, show_coefficients, show_evaluation, show_facts
from polytome.cli.text_options import (
    Analyzer,
    Encoding,
    Hashing,
    Lowercase,
    MaxFeatures,
    MinCount,
    Ngrams,
    TextColumns,
    Tfidf,
    check_text_beside_streams,
    text_options_of,
)

if TYPE_CHECKING:
    from polytome.evaluation.metrics import Evaluation
    from polytome.files.sources import Source
    from polytome.models.fitted import Fitted
    from polytome.models.logistic import LogisticRegression
    from polytome.solvers import Progress
    from polytome.tables.streams.table import StreamedTable

__all__ = [
    "check_solver_beside_streams",
    "coefficients_title",
    "dates_of",
    "groups_from",
    "model_line",
    "refuse_beside_streams",
    "scale_of",
    "train",
    "weights_of",
    "why_read",
]

_FEW_CLASSES = 10
_INTERRUPTED = 130
_NOT_CERTIFIED = 3
_WEIGHT = re.compile(r"(?P<name>.+?)=(?P<number>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf|nan),", re.DOTALL)


def train(
    context: typer.Context,
    sources: SourceNames,
    target: Target = None,
    positive: Positive = None,
    test_fraction: TestFraction = None,
    test: TestFile = None,
    seed: Seed = 0,
    C: InverseStrength = 1.0,
    l1_ratio: L1Ratio = 0.0,
    groups: GroupsName = None,
    scale: Scale = None,
    penalty_weights: PenaltyWeights = None,
    bounds: BoundsOption = None,
    class_weight: ClassWeight = None,
    weight: WeightColumn = None,
    label_smoothing: LabelSmoothing = 0.0,
    offset: Offset = None,
    intercept: Intercept = True,
    tol: Tolerance = 1e-4,
    max_iter: MaxIter = 10_000,
    solver: SolverName = "auto",
    missing: Missing = None,
    missing_mark: MissingMark = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    drop: Drop = None,
    categories: Categories = None,
    date: Dates = None,
    memory: MemoryLimit = None,
    cache: Cache = None,
    checkpoint: Checkpoint = None,
    workers: WorkersName = None,
    data: DataFolder = None,
    out: ModelOut = None,
    report: ReportOut = None,
    threshold: Threshold = None,
    costs: Costs = None,
    prefer: Prefer = None,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: Json = False,
    text: TextColumns = None,
    analyzer: Analyzer = None,
    ngrams: Ngrams = None,
    min_count: MinCount = None,
    max_features: MaxFeatures = None,
    hashing: Hashing = None,
    lowercase: Lowercase = None,
    tfidf: Tfidf = None,
    encoding: Encoding = None,
) -> None:
    """Train a model and say how far it is from the optimum.

    SOURCE is a built-in data set (see: polytome datasets) or a file: CSV, TSV,
    Parquet, Feather, .npy, .npz, libsvm text, a folder of IDX images, or a folder
    of images or of text files with a subfolder for each class.

    A column of text (--text) becomes a feature for each word, weighted by tf-idf.

    Files that do not fit into memory (see --memory), and several of one kind (named
    one after the other, a folder, or a pattern), are read piece by piece in each
    pass: the same model and certificate in little memory. So are Parquet, Arrow,
    text tables, libsvm text and .npy. With --workers processes or machines share
    the work: again the same model, bit by bit.

    A model predicts the most probable class. Where mistakes differ, --threshold,
    --costs or --prefer decide otherwise: kept in the model, for every later use.

    Ctrl-C stops at the next iterate; with --out the best model so far is saved, and
    the exit status is 130. A second Ctrl-C stops at once.

    \b
    Examples:
      polytome train iris
      polytome train iris --positive virginica
      polytome train people.csv --target income --test-fraction 0.2 --missing mean
      polytome train churn.csv --target left --test june.csv --prefer recall=0.9
      polytome train messages.tsv --target label --text message
      polytome train counts.csv --target survived --weight cases
      polytome train claims.csv --target claim --offset log_exposure
      polytome train logs/2026-*/*.parquet --target clicked --memory 2GB
      polytome train big.parquet --target clicked --workers 4
      polytome train mnist --data DIR --out mnist.safetensors --report mnist.html
    """
    from polytome.evaluation.metrics import class_counts
    from polytome.files.training import check_settings, prepared_source
    from polytome.models.bounds import check_named_bounds
    from polytome.models.penalty_weights import check_named_weights

    if quiet:
        context.with_resource(quietly())
    settings: dict[str, Any] = {
        "C": C,
        "l1_ratio": l1_ratio,
        "groups": groups_from(groups),
        "scale": scale_of(scale),
        "penalty_weights": weights_of(penalty_weights),
        "bounds": bounds_from(bounds),
        "class_weight": class_weight,
        "label_smoothing": label_smoothing,
        "fit_intercept": intercept,
        "tol": tol,
        "max_iter": max_iter,
        "solver": solver,
        "random_state": seed,
    }
    check_outputs(
        [*sources, target, costs, test],
        {"--out": (out, ".safetensors"), "--report": (report, ".html .htm"), "--checkpoint": (checkpoint, "")},
    )
    wanted = Wanted(threshold, costs, prefer)
    wanted.check()
    check_settings(settings, test_fraction)
    text_options = text_options_of(analyzer, ngrams, min_count, max_features, hashing, lowercase, tfidf)
    table: dict[str, Any] = {
        "target": target,
        "missing": missing,
        "marks": missing_mark,
        "unknown": unknown,
        "header": header,
    }
    table |= {"weight": weight, "dates": dates_of(date)}
    chosen = {"read_limit": read_limit, "drop": drop or (), "categories": categories or ()}
    if (why := why_read(sources, memory, workers)) is not None:
        refused = {"--data": data, "--read-limit": read_limit, "--offset": offset, "--encoding": encoding}
        refuse_beside_streams(sources, why, {**refused, "--test": test})
        check_text_beside_streams(sources, why, text, text_options)
        check_solver_beside_streams(sources, why, solver)
        _check_beside_streams(cache, checkpoint, solver)
        _refuse_report_without_test_rows(report, test_fraction)
        asked = {**table, "memory": memory, "drop": drop or (), "categories": categories or ()}
        prepare = partial(_prepared_stream, positive=positive, test_fraction=test_fraction, seed=seed, cache=cache)
        if prefer is not None:
            _refuse_without_test_rows(prefer, bool(test_fraction))
        with _workers(workers) as asked["workers"]:
            model = _train_streamed(
                sources, why, asked, prepare, settings, command_line(context), out, report, checkpoint, as_json, wanted
            )
        _hold_to(strict, model)
        return
    source = sources[0]
    _refuse_in_memory(source, {"--cache": cache, "--checkpoint": checkpoint})
    texts = {"text": text or (), "text_options": text_options, "encoding": encoding}
    rows = _read(source, data, {**table, **chosen, **texts})
    rows = prepared_source(rows, positive, test_fraction, seed)
    if test is not None:
        rows = _with_test_rows(rows, test, read_limit, encoding)
    check_named_weights(settings["penalty_weights"], rows.encoder)
    wanted.check_classes(sorted(class_counts(rows.y)))
    if prefer is not None:
        _refuse_without_test_rows(prefer, rows.X_test is not None)
    check_named_bounds(settings["bounds"], rows.encoder)
    show_notes(rows.notes)
    if scale is None:
        settings["scale"] = rows.scale
    _hold_to(strict, _train(rows, settings, command_line(context), out, report, as_json, offset or (), wanted))


def _hold_to(strict: bool, model: LogisticRegression) -> None:
    """End with an exit status of its own where a certificate is required and does not hold."""
    if strict and not model.certificate_.holds:
        show_warning("the certificate does not hold, which --strict requires.")
        raise typer.Exit(_NOT_CERTIFIED)


def _with_test_rows(rows: Source, test: str, read_limit: float | None, encoding: str | None) -> Source:
    """The rows with those of another file as test rows, read in the same way."""
    from dataclasses import replace

    import numpy as np

    from polytome.errors import ArgumentError
    from polytome.files.sources import is_dataset, texts_of
    from polytome.models.framed import against_rest
    from polytome.tables.table import read_table

    if rows.X_test is not None:
        whose = "--test-fraction holds some out" if rows.test_fraction else f"{rows.name} brings its own"
        raise ArgumentError(f"--test {test}: there are test rows already ({whose}); leave one of them out")
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


def dates_of(texts: list[str] | None) -> dict[str, str] | None:
    """The option `--date` as `read_table` takes it."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, parts = text.rpartition("=")
        if not name or name in found:
            what = f"names the column {name!r} twice" if name else "is not COLUMN=PART,..., such as signup=year,month"
            raise typer.BadParameter(f"{text!r} {what}", param_hint="'--date'")
        found[name] = parts
    return found or None


def why_read(sources: list[str], memory: str | None, workers: str | None = None) -> str | None:
    """Why the sources are read piece by piece; None if they are not."""
    from polytome.files.sources import is_dataset
    from polytome.files.streamed import why_streamed

    is_one_dataset = len(sources) == 1 and is_dataset(sources[0])
    return None if is_one_dataset and memory is workers is None else why_streamed(sources, memory, workers)


def _workers(workers: str | None) -> AbstractContextManager[Any]:
    """Who makes the passes, as long as the context lasts; None for this process."""
    if workers is None:
        return nullcontext()
    from polytome.rows.dask import opened_workers

    return opened_workers(workers)


def refuse_beside_streams(sources: list[str], why: str, options: dict[str, Any]) -> None:
    """Refuse options that mean nothing for rows that are read piece by piece."""
    from polytome.errors import ArgumentError

    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ArgumentError(
            f"{given[0]}: {sources[0]} is read piece by piece ({why}), where the option means nothing; leave it out"
        )


def check_solver_beside_streams(sources: list[str], why: str, solver: str) -> None:
    """Refuse, before the first reading, a solver that needs all rows in memory."""
    from polytome.errors import ArgumentError

    if solver == "dual":
        raise ArgumentError(
            f"--solver dual: dual coordinate ascent needs rows in memory, and {sources[0]} is read piece by piece "
            f"({why}); use --solver auto"
        )


def _refuse_without_test_rows(prefer: str, has_test_rows: bool) -> None:
    """Refuse to choose a cut-off on training rows, where probabilities are too sure."""
    from polytome.errors import ArgumentError

    if not has_test_rows:
        raise ArgumentError(
            f"--prefer {prefer}: a cut-off is chosen on rows that were not trained on; hold some out with "
            "--test-fraction, or choose it on other rows: polytome evaluate MODEL ROWS --prefer ... --out MODEL"
        )


def _refuse_report_without_test_rows(report: Path | None, test_fraction: float | None) -> None:
    """Refuse a report on all training rows, which it would take into memory."""
    from polytome.errors import ArgumentError

    if report is not None and not test_fraction:
        raise ArgumentError(
            "--report: shows rows that the model was not trained on where rows are read piece by piece; hold some out "
            "with --test-fraction, or give others to polytome report"
        )


def _check_beside_streams(cache: Path | None, checkpoint: Path | None, solver: str) -> None:
    """Refuse a folder that copies cannot be kept in, and to keep passes where a solver makes
    none."""
    from polytome.errors import ArgumentError
    from polytome.files.row_cache import check_cache_folder

    if cache is not None:
        check_cache_folder(cache)
    if checkpoint is not None and solver == "sgd":
        raise ArgumentError(
            "--checkpoint: keeps sums over all rows, and --solver sgd makes none; leave one of them out"
        )


def _refuse_in_memory(source: str, options: dict[str, Path | None]) -> None:
    """Refuse what is for rows that are read piece by piece."""
    from polytome.errors import ArgumentError

    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"{name}: is for rows that are read piece by piece, and {source} is not: it fits into memory; "
                "leave it out, or allow less with --memory"
            )


def _prepared_stream(
    table: StreamedTable, positive: str | None, test_fraction: float | None, seed: int, cache: Path | None
) -> StreamedTable:
    """The rows with the labels, the test rows and the copy that the options ask for."""
    from polytome.files.row_cache import bytes_of_cache, cached
    from polytome.files.training import prepared_stream

    table = prepared_stream(table, positive, test_fraction, seed)
    if cache is None:
        return table
    show_notes([f"a copy of the rows as numbers in {cache} takes up to {bytes_of_cache(table) / 1e9:,.2g} GB"])
    return cached(table, cache)


def _train_streamed(
    sources: list[str],
    why: str,
    options: dict[str, Any],
    prepare: Callable[[StreamedTable], StreamedTable],
    settings: dict[str, Any],
    command: str,
    out: Path | None,
    report: Path | None,
    checkpoint: Path | None,
    as_json: bool,
    wanted: Wanted,
) -> LogisticRegression:
    """Fit rows that stay in their files, save, and show each result as soon as it is available."""
    from polytome.files.streamed import evaluate_test_rows, fit_streamed
    from polytome.models.bounds import check_named_bounds
    from polytome.models.penalty_weights import check_named_weights
    from polytome.tables.streams.opening import open_rows

    console = Console(quiet=True) if as_json else make_console()
    with Interruption() as interruption:
        began = time.perf_counter()
        with live_line() as say:
            say(f"reading {sources[0]}")
            table = open_rows(
                sources, progress=lambda done, n_rows: say(f"reading {done:,} of {n_rows:,} rows"), **options
            )
            seconds = time.perf_counter() - began
            table = prepare(table)
        check_named_weights(settings["penalty_weights"], table.encoder)
        wanted.check_classes(table.classes.tolist())
        check_named_bounds(settings["bounds"], table.encoder)
        show_notes(table.notes)
        counts = dict(zip(table.classes.tolist(), table.class_counts.tolist(), strict=True))
        _show_streamed(console, table, counts, why, seconds)
        keep: dict[str, Any] = {"command": command, "checkpoint": checkpoint}
        model = _fitted(settings, interruption, lambda model: fit_streamed(model, table, **keep))
    interrupted, failed = interruption.requested, list[Exception]()
    undecided = _decide(wanted, model, lambda: _streamed_test_rows(table))
    if out is not None:
        _try_to(partial(model.save, out), failed)
    _show_fit(console, model)
    _show_warnings(model, interrupted)
    _show_decision(console, model)
    evaluation = None
    if not interrupted:
        evaluation = evaluate_test_rows(model, table)
        _show_quality(console, model, evaluation, table.test is not None)
    kept = None if failed else out
    if kept is not None or out is None:
        _show_place(console, model, table.name, kept, interrupted)
    if (
        report is not None
        and not interrupted
        and _try_to(partial(_write_streamed_report, model, table, report), failed)
    ):
        console.print(f"The report is in {report}.", soft_wrap=True)
    if as_json:
        shown = {"name": table.name, "n_rows": table.n_rows, "n_features": table.X.n_features, "notes": table.notes}
        shown["n_test_rows"] = 0 if table.test is None else table.test.n_rows
        print_json(_summary(shown, counts, model, evaluation, kept))
    if failed:
        raise failed[0]
    if undecided is not None:
        raise undecided
    if interrupted:
        if checkpoint is not None:
            console.print(f"The same command goes on from {checkpoint}.", soft_wrap=True)
        raise typer.Exit(_INTERRUPTED)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model


def _write_streamed_report(model: LogisticRegression, table: StreamedTable, report: Path) -> None:
    """The report on a model just trained, evaluated on test rows, of which as many are drawn as
    are in memory at a time."""
    from polytome.files.streamed import sample_of_test_rows
    from polytome.report import make_report

    X, y, numbers, weight = sample_of_test_rows(table, table.seed or 0)
    n_rows = 0 if table.test is None else table.test.n_rows
    drawn = "" if len(y) == n_rows else f"{len(y):,} drawn from {n_rows:,} "
    how: dict[str, Any] = {"row_names": numbers, "sample_weight": weight}
    make_report(model, X, y, name=f"{drawn}rows of {table.name} that were held out", **how).save(report)


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
    rows: Source,
    settings: dict[str, Any],
    command: str,
    out: Path | None,
    report: Path | None,
    as_json: bool,
    offset: Sequence[str],
    wanted: Wanted,
) -> LogisticRegression:
    """Fit, save, evaluate; show each result as soon as it is available."""
    from polytome.evaluation.metrics import class_counts, evaluate

    counts = class_counts(rows.y)
    console = Console(quiet=True) if as_json else make_console()
    with Interruption() as interruption:
        _show_data(console, rows, counts)
        model = _fit(rows, settings, command, interruption, offset)
    interrupted = interruption.requested
    failed: list[Exception] = []
    undecided = _decide(wanted, model, lambda: (rows.X_test, rows.y_test, rows.weight_test))
    if out is not None:
        _try_to(partial(model.save, out), failed)
    _show_fit(console, model)
    _show_warnings(model, interrupted)
    _show_decision(console, model)
    evaluation = None
    if not interrupted:
        held_out = rows.X_test is not None
        judged = (rows.X_test, rows.y_test, rows.weight_test) if held_out else (rows.X, rows.y, rows.weight)
        evaluation = evaluate(model, *judged)
        _show_quality(console, model, evaluation, held_out, rows.test_source)
    kept = None if failed else out
    if kept is not None or out is None:
        _show_place(console, model, rows.name, kept, interrupted)
    if report is not None and not interrupted and _try_to(partial(_write_report, model, rows, report), failed):
        console.print(f"The report is in {report}.", soft_wrap=True)
    if as_json:
        shown = {"name": rows.name, "n_rows": rows.X.shape[0], "n_features": rows.X.shape[1], "notes": rows.notes}
        shown["n_test_rows"] = 0 if rows.y_test is None else len(rows.y_test)
        print_json(_summary(shown, counts, model, evaluation, kept))
    if failed:
        raise failed[0]
    if undecided is not None:
        raise undecided
    if interrupted:
        raise typer.Exit(_INTERRUPTED)
    return model


def _decide(
    wanted: Wanted, model: LogisticRegression, test_rows: Callable[[], tuple[Any, Any, Any]]
) -> Exception | None:
    """Let a model predict by the rule that is wanted; an error where none does so is shown after
    the results of the fit, of which nothing is lost."""
    from polytome.errors import ArgumentError, DataError

    if not wanted.is_asked:
        return None
    try:
        X, y, weight = test_rows() if wanted.prefer is not None else (None, None, None)
        model.decision_ = wanted.rule(model, X, y, weight, "rows that were not trained on")
    except (ArgumentError, DataError) as error:
        return error
    return None


def _streamed_test_rows(table: StreamedTable) -> tuple[Any, Any, Any]:
    from polytome.files.streamed import sample_of_test_rows

    X, y, _, weight = sample_of_test_rows(table, table.seed or 0)
    return X, y, weight


def _show_decision(console: Console, model: LogisticRegression) -> None:
    if model.decision_ is not None:
        show_facts(console, {"Decision": model.decision_.sentence(model.classes_.tolist())})


def _try_to(write: Callable[[], object], failed: list[Exception]) -> bool:
    """Whether something could be written; if not, the results are shown nevertheless, and then the
    error."""
    from polytome.errors import FileError

    try:
        write()
    except (FileError, OSError) as error:
        failed.append(error)
        return False
    return True


def scale_of(text: str | None) -> float | str | None:
    """The option `--scale` as the estimator takes it."""
    if text in (None, "none"):
        return None
    if text == "standard":
        return text
    try:
        return float(str(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not 'none', 'standard' or a number", param_hint="'--scale'") from None


def groups_from(text: str | None) -> Literal["classes", "columns"] | None:
    """The option `--groups` as the estimator takes it."""
    if text in (None, "none"):
        return None
    if text == "classes":
        return "classes"
    if text == "columns":
        return "columns"
    raise typer.BadParameter(f"{text!r} is not 'none', 'classes' or 'columns'", param_hint="'--groups'")


def weights_of(texts: list[str] | None) -> dict[str, float] | None:
    """The option `--penalty-weights` as the estimator takes it. A comma in a column's name is part
    of it."""
    found: dict[str, float] = {}
    for text in texts or ():
        rest = f"{text},"
        while rest:
            match = _WEIGHT.match(rest)
            if match is None:
                reason = f"{rest.removesuffix(',')!r} is not COLUMN=NUMBER, such as age=0"
                raise typer.BadParameter(reason, param_hint="'--penalty-weights'")
            name, number = match["name"], match["number"]
            if name in found:
                reason = f"the column {name!r} is named twice"
                raise typer.BadParameter(reason, param_hint="'--penalty-weights'")
            found[name], rest = float(number), rest[match.end() :]
    return found or None


def _fit(
    rows: Source, settings: dict[str, Any], command: str, interruption: Interruption, offset: Sequence[str]
) -> LogisticRegression:
    """The model, fitted to rows in memory."""
    from polytome.files.sources import fit_source

    return _fitted(settings, interruption, lambda model: fit_source(model, rows, command=command, offset=offset))


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


def _show_data(console: Console, rows: Source, counts: dict[Any, int]) -> None:
    n_rows, n_features = rows.X.shape
    size = f"{n_rows:,} rows, {n_features:,} features, {len(counts)} classes"
    if rows.y_test is not None:
        size += f"; {len(rows.y_test):,} more rows to test on"
    show_facts(console, {"Data": f"{rows.name}: {size}", "Classes": balance(counts)})


def _show_fit(console: Console, model: LogisticRegression) -> None:
    from polytome.report.wording import number

    passes, n_iter = model.history_[-1].passes, int(model.n_iter_[0])
    show_facts(
        console,
        {
            "Model": model_line(model),
            "Objective": str(model.objective_),
            "Fit": f"{n_iter} iterations, {passes:.0f} passes over the rows, {number(model.training_.seconds, 3)} s",
            "Solver": str(model.solver_),
            "Stopped": model.stop_.value,
        },
    )
    show_certificate(console, model.certificate_)


def _show_warnings(model: LogisticRegression, interrupted: bool) -> None:
    """Why the fit did not end as it should, and which coefficients mean nothing."""
    from polytome.models.separation import separation_sentence

    if not model.stop_.succeeded and not interrupted:
        show_warning(f"{model.stop_.value}.")
    if sentence := separation_sentence(model):
        show_warning(sentence)


def _show_quality(
    console: Console, model: LogisticRegression, evaluation: Evaluation, held_out: bool, test: str | None = None
) -> None:
    what = "rows that were held out" if held_out else "rows of the training data (nothing was held out)"
    what = what if test is None else f"rows of {test}"
    show_evaluation(console, evaluation, what)
    _show_coefficients(console, model)


def _show_coefficients(console: Console, model: LogisticRegression) -> None:
    from polytome.evaluation.explain import largest_coefficients
    from polytome.evaluation.ordering import largest

    n_classes = len(model.classes_)
    coefficients = largest_coefficients(model, most=5 if n_classes == 2 else 3)
    if n_classes > _FEW_CLASSES:
        names = [(found.feature, place) for place, found in enumerate(coefficients)]
        coefficients = [coefficients[j] for j in largest([abs(found.value) for found in coefficients], 10, names)]
    show_coefficients(console, coefficients, coefficients_title(model))


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


def model_line(model: Fitted) -> str:
    """The kind, size and penalty of a model, in one line."""
    import numpy as np

    from polytome.models.fitted import certificate_of

    intercepts = 0 if vars(model).get("fit_intercept") is False else np.size(model.intercept_)
    # Those of an offset are 1, and were not learned.
    learned = model.coef_.size - len(model.coef_) * len(vars(model).get("offset_columns_", ()))
    size = f"{learned + intercepts:,} coefficients"
    if certificate_of(model) is None:
        return f"{model.kind}, {size}"
    strength = f"C = {model.objective_.C:.6g}" if model.objective_.strength > 0 else "no penalty"
    if model.objective_.l1_ratio > 0:
        zeros = int((model.coef_ == 0).sum())
        strength += f", l1_ratio = {model.objective_.l1_ratio:g}"
        if model.objective_.groups != "none":
            strength += f", groups = {model.objective_.groups}"
        strength += f": {zeros:,} of {model.coef_.size:,} coefficients are 0"
    if model.objective_.bounds != "none":
        at_bound = int(vars(model)["at_bound_"].sum())
        strength += f", {model.objective_.bounds}: {at_bound:,} of {model.coef_.size:,} coefficients at a bound"
    return f"{model.kind}, {size}, {strength}"


def coefficients_title(model: Fitted) -> str:
    """What the coefficients of a model mean, in one line."""
    from polytome.evaluation.explain import has_odds

    if has_odds(model):
        first, second = model.classes_.tolist()
        return f"Largest coefficients: change of the log odds of {second} against {first}"
    what = {"classes": "class's score", "pairs": "pair's score", "labels": "label's score", "numbers": "number"}
    return f"Largest coefficients: change of the {what[model.outputs]} per unit of the feature"


def _show_place(console: Console, model: LogisticRegression, source: str, out: Path | None, interrupted: bool) -> None:
    """Say where the model was saved, or how to save it."""
    if out is not None:
        what = "The best model so far, with the certificate above," if interrupted else "The model"
        console.print(f"\n{what} is in {out}.", soft_wrap=True)
    elif interrupted:
        console.print("\nInterrupted; nothing is saved, because no --out was given.")
    else:
        name = "model" if Path(source).suffix or Path(source).is_dir() else source
        console.print(f"\nNot saved: add --out {name}.safetensors to save the model.", soft_wrap=True)


def _summary(
    data: dict[str, Any],
    counts: dict[Any, int],
    model: LogisticRegression,
    evaluation: Evaluation | None,
    out: Path | None,
) -> dict[str, Any]:
    """Everything that is shown, for `--json`."""
    from polytome.evaluation.explain import largest_coefficients
    from polytome.models.separation import separation_to_json

    metrics = None
    if evaluation is not None:
        metrics = {"rows": "held-out" if data.get("n_test_rows") else "training", **evaluation.to_json()}
    return {
        "data": {
            **{name: data[name] for name in ("name", "n_rows", "n_features")},
            "n_classes": len(counts),
            "balance": {str(label): count for label, count in counts.items()},
            "n_test_rows": data.get("n_test_rows", 0),
            "notes": data["notes"],
        },
        "objective": model.objective_.to_json(),
        "certificate": model.certificate_.to_json(),
        "stop": {"name": model.stop_.name, "message": model.stop_.value},
        "decision": None if model.decision_ is None else model.decision_.to_json(),
        "separation": separation_to_json(model),
        "metrics": metrics,
        "model": {
            "path": None if out is None else str(out),
            "classes": model.classes_.tolist(),
            "n_iter": int(model.n_iter_[0]),
            "passes": model.history_[-1].passes,
            "penalty_weights": model.penalty_weights,
            "solver": str(model.solver_),
            "largest_coefficients": [found._asdict() for found in largest_coefficients(model)],
        },
        "seconds": model.training_.seconds,
    }
