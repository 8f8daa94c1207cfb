"""`polytome evaluate`: how good a model is on rows with labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polytome.cli.beside_streams import refuse_beside_streams
from polytome.cli.decide import Wanted
from polytome.cli.options import (
    DataFolder,
    Header,
    Json,
    Missing,
    ModelOut,
    ModelPath,
    ReadLimit,
    SourceNames,
    Split,
    Target,
    Unknown,
    Unweighted,
)
from polytome.cli.output import live_line, make_console, print_json, show_notes
from polytome.cli.outputs import check_outputs
from polytome.cli.recalibrate import Correction, show_calibration
from polytome.cli.show import show_evaluation, show_facts
from polytome.cli.text_options import Encoding

if TYPE_CHECKING:
    from polytome.evaluation.metrics import Evaluation
    from polytome.files.sources import Source
    from polytome.models.fitted import Fitted

__all__ = ["evaluate", "rows_for_model"]


def evaluate(
    model: ModelPath,
    sources: SourceNames,
    *,
    split: Split = None,
    data: DataFolder = None,
    target: Target = None,
    missing: Missing = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    unweighted: Unweighted = False,
    wanted: Wanted,
    correction: Correction,
    out: ModelOut = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with true labels.

    The null model predicts the frequencies of the classes in these same rows: no
    other constant prediction does better. Labels that training never saw are
    counted and reported separately. Intervals are 95 % intervals. Of two classes F1
    and average precision are those of the positive class, of more the mean of all
    classes, and AUC the mean of each class against the rest.

    With --threshold, --costs or --prefer the model predicts by another rule; with
    --out this model is saved, and decides so wherever it is used. A cut-off that
    --prefer chooses on these rows looks a little better on them than on new ones.

    --recalibrate and --prior correct the probabilities, before classes are chosen;
    what --recalibrate is worth is told on parts of these rows that it was not
    learned from. The certificate stays that of the coefficients, which are the same.

    A model of images takes a folder of images (see: polytome predict --help), one
    of texts in a folder another such folder; the name of a subfolder is the label
    of what is in it.

    Several files of one kind, and one that does not fit into memory, are read piece
    by piece.

    \b
    Examples:
      polytome evaluate mnist.safetensors mnist --data DIR
      polytome evaluate people.safetensors more-people.csv
      polytome evaluate a.safetensors june.csv --prefer f1 --out b.safetensors
      polytome evaluate a.safetensors june.csv --prior yes=0.1 --out b.safetensors
      polytome evaluate mnist.safetensors my-digits
    """
    from polytome.errors import ArgumentError
    from polytome.evaluation import metrics
    from polytome.files.model_file import save
    from polytome.files.sources import open_model
    from polytome.files.splits import are_training_rows
    from polytome.files.streamed import named, why_read_piecewise
    from polytome.models.calibration import calibration_of
    from polytome.models.decision import decision_of

    recalibrate, prefer = correction.recalibrate, wanted.prefer
    from_rows = {"--recalibrate": recalibrate, "--prefer": prefer}
    learned = [f"{option} {value}" for option, value in from_rows.items() if value is not None]
    wanted.check()
    correction.check()
    check_outputs([model, *sources, target, wanted.costs], {"--out": (out, ".safetensors")})
    fitted = open_model(model)
    weights = not unweighted
    _correct(fitted, correction, wanted, out)
    if recalibrate is None and prefer is None and wanted.is_asked:  # without rows
        fitted.decision_ = wanted.rule(fitted, None, None, None, "")
    corrected = None
    if (why := why_read_piecewise(sources)) is not None:
        refused = {"--split": split, "--data": data, "--read-limit": read_limit, "--prefer": prefer}
        refused |= {"--encoding": encoding, "--recalibrate": recalibrate}
        options = {"target": target, "missing": missing, "unknown": unknown, "header": header, "weights": weights}
        evaluation, notes = _evaluate_piecewise(fitted, sources, why, refused, options)
    else:
        _refuse_several(sources)
        how = (split, data, target, missing, unknown, header, read_limit)
        rows = read_labelled(fitted, sources[0], *how, weights=weights, encoding=encoding)
        if learned:
            if rows.y is not None and are_training_rows(fitted, rows.X, rows.y):
                raise ArgumentError(
                    f"{learned[0]}: {sources[0]} has the rows that the model was trained on, where probabilities are "
                    "too sure; give others"
                )
            name = f"rows of {sources[0]}"
            if recalibrate is not None:
                corrected = correction.correct(fitted, rows.X, rows.y, rows.weight, name)
            if wanted.is_asked:
                fitted.decision_ = wanted.rule(fitted, rows.X, rows.y, rows.weight, name)
        evaluation, notes = metrics.evaluate(fitted, rows.X, rows.y, rows.weight), rows.notes
    source = named(sources)
    rule, calibration = decision_of(fitted), calibration_of(fitted)
    if out is not None:
        save(fitted, out)
    if as_json:
        print_json(
            {
                "model": str(model),
                "source": source,
                "split": split,
                "decision": None if rule is None else rule.to_json(),
                "calibration": None if calibration is None else calibration.to_json(),
                "recalibration": None if corrected is None else corrected.to_json(),
                "out": None if out is None else str(out),
                "metrics": evaluation.to_json(),
                "notes": notes,
            }
        )
        return
    console = make_console()
    show_facts(console, {"Model": str(model), "Data": f"{source}: {evaluation.n_rows:,} rows"})
    show_calibration(console, fitted, corrected)
    if rule is not None:
        show_facts(console, {"Decision": rule.sentence(fitted.classes_.tolist())})
    show_evaluation(console, evaluation, "rows")
    if out is not None:
        console.print(
            f"\nThe changed model is in {out}; its coefficients and certificate are the same.", soft_wrap=True
        )


def _correct(fitted: Any, correction: Correction, wanted: Wanted, out: Path | None) -> None:
    """Refuse what cannot change a model, and correct its probabilities where that needs no rows."""
    from polytome.errors import ArgumentError
    from polytome.models.decision import decision_of
    from polytome.models.fitted import refuse_without_classes
    from polytome.models.logistic import LogisticRegression

    if not (wanted.is_asked or correction.is_asked):
        if out is not None:
            raise ArgumentError(
                f"--out {out}: saves a model with another rule or correction; give --threshold, --costs, --prefer, "
                "--recalibrate or --prior"
            )
        return
    refuse_without_classes(fitted, "a rule decides between classes")
    if not isinstance(fitted, LogisticRegression):
        raise ArgumentError(
            f"the model is a {type(fitted).__name__}, which always predicts the most probable class: --threshold, "
            "--costs, --prefer, --recalibrate and --prior are for logistic and softmax regression"
        )
    wanted.check_classes(fitted.classes_.tolist())
    if not correction.is_asked:
        return
    if (rule := decision_of(fitted)) is not None:
        if not wanted.is_asked:
            option = "--recalibrate" if correction.recalibrate is not None else "--prior"
            raise ArgumentError(
                f"{option}: the model decides by a rule for its probabilities as they are "
                f"({rule.sentence(fitted.classes_.tolist())}); say how classes are chosen after the correction: "
                "--threshold, --costs or --prefer"
            )
        fitted.decision_ = None
    if correction.recalibrate is None:
        correction.correct(fitted, None, None, None, "")


def _evaluate_piecewise(
    fitted: Fitted, sources: list[str], why: str, refused: dict[str, Any], options: dict[str, Any]
) -> tuple[Evaluation, tuple[str, ...]]:
    """Evaluate on rows that do not fit into memory."""
    from polytome.files.streamed_predictions import evaluate_streamed

    refuse_beside_streams(sources, why, refused)
    with live_line() as say:
        found = evaluate_streamed(
            fitted, sources, progress=lambda done, n_rows: say(f"{done:,} of {n_rows:,} rows"), **options
        )
    show_notes(found[1])
    return found


def rows_for_model(
    fitted: Fitted,
    sources: list[str],
    split: str | None,
    data: Path | None,
    target: str | None,
    missing: str | None,
    unknown: str | None,
    header: str,
    read_limit: float | None,
    *,
    weights: bool = False,
    encoding: str | None = None,
    draws: bool = False,
    judges: bool = True,
) -> tuple[Source, str]:
    """Labelled rows for a model in memory, of one source or of several files, and what to call
    them; `weights` and `draws` as for `read_files`, `judges` as for `read_labelled`."""
    from numpy import flatnonzero

    from polytome.files.splits import rows_of_training
    from polytome.files.streamed import named, why_read_piecewise
    from polytome.files.streamed_predictions import read_files

    if (why := why_read_piecewise(sources)) is None:
        _refuse_several(sources)
        options = (split, data, target, missing, unknown, header, read_limit)
        rows = read_labelled(fitted, sources[0], *options, weights=weights, encoding=encoding, judges=judges)
        numbers: Any = rows.files if rows.kept is None else flatnonzero(rows.kept) + 1
        return replace(rows, test_names=numbers), sources[0] if split is None else f"{sources[0]}, {split} rows"
    refused = {"--split": split, "--data": data, "--read-limit": read_limit, "--encoding": encoding}
    refuse_beside_streams(sources, why, refused)
    how: dict[str, Any] = {"target": target, "missing": missing, "unknown": unknown, "header": header}
    with live_line() as say:
        rows = read_files(fitted, sources, weights=weights, draws=draws, progress=partial(_told, say), **how)
    seen = rows_of_training(fitted, rows.X, rows.y, rows.name) if judges and rows.y is not None else ""
    show_notes([*rows.notes, *([seen] if seen else [])])
    return rows, f"{rows.notes[0]} of {named(sources)}" if rows.notes else named(sources)


def _told(say: Callable[[str], object], done: int, n_rows: int) -> None:
    say(f"{done:,} of {n_rows:,} rows")


def _refuse_several(sources: list[str]) -> None:
    """Refuse several sources where they are read whole."""
    from polytome.errors import ArgumentError

    if len(sources) > 1:
        raise ArgumentError(f"{', '.join(sources)}: are read whole; give one at a time")


def read_labelled(
    fitted: Fitted,
    source: str,
    split: str | None,
    data: Path | None,
    target: str | None,
    missing: str | None,
    unknown: str | None,
    header: str,
    read_limit: float | None,
    *,
    weights: bool = False,
    encoding: str | None = None,
    judges: bool = True,
) -> Source:
    """Rows with labels for a model, read or downloaded with progress shown; where they are to judge
    it, a note says if they are those of its training.

    Raises:
        DataError: the rows do not suit the model, or have no labels.
    """
    from polytome.errors import DataError
    from polytome.files.sources import read_for_model
    from polytome.files.splits import rows_of_training
    from polytome.models.fitted import refuse_without_classes
    from polytome.models.fitted_source import source_of

    refuse_without_classes(fitted, "rows of a file or data set have one label each")
    with live_line() as say:
        say(f"reading {source}")
        rows = read_for_model(
            fitted,
            source,
            target=target,
            data_dir=data,
            split=split,
            progress=lambda name, done, _: say(f"downloading {name}: {done / 1e6:.1f} MB"),
            missing=missing,
            unknown=unknown,
            header=header,
            read_limit=read_limit,
            encoding=encoding,
            weights=weights,
        )
    show_notes(rows.notes)
    if rows.y is None:
        encoder = source_of(fitted).encoder
        if rows.files is not None:
            wanted = "put the files of each class into a subfolder named after the class"
        elif encoder is None:
            wanted = "say where they are with --target"
        else:
            wanted = f"they are expected in column {encoder.target!r}"
        raise DataError(f"{source}: has no labels to compare the predictions with; {wanted}")
    seen = rows_of_training(fitted, rows.X, rows.y, rows.name) if judges else ""
    show_notes([seen] if seen else [])
    return replace(rows, notes=(*rows.notes, seen)) if seen else rows
