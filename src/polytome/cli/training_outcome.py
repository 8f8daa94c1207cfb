"""The end of `polytome train`: a model decides, is saved, shown, judged and reported, each result
as soon as it is available."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polytome.cli.decide import Wanted
from polytome.cli.fit_words import solver_words, stop_words
from polytome.cli.output import print_json, show_warning
from polytome.cli.recalibrate import Correction, show_calibration
from polytome.cli.show import (
    coefficients_title,
    model_line,
    show_certificate,
    show_coefficients,
    show_evaluation,
    show_facts,
)

if TYPE_CHECKING:
    from rich.console import Console

    from polytome.evaluation.metrics import Evaluation
    from polytome.evaluation.recalibration import Recalibration
    from polytome.models.logistic import LogisticRegression

__all__ = ["Asked", "Material", "finish"]

_FEW_CLASSES = 10
_INTERRUPTED = 130


@dataclass(frozen=True)
class Asked:
    """What is to become of a model.

    Attributes:
        out: file of the model, if it is to be saved.
        report: file of the report, if one is to be written.
        as_json: print one JSON object instead of text.
        wanted: how classes are to be predicted.
        correction: how probabilities are to be corrected.
        log_to: folder, or place in MLflow, that the run is kept in, if it is.
    """

    out: Path | None
    report: Path | None
    as_json: bool
    wanted: Wanted
    correction: Correction
    log_to: str | None = None


@dataclass(frozen=True)
class Material:
    """What a model was trained on, in memory or in files.

    Attributes:
        name: of the source.
        n_rows: that were trained on.
        n_features: columns of the feature matrix.
        n_test_rows: that were held out or brought along.
        counts: rows of each class.
        notes: what was noticed while the source was read.
        judged: which rows the model is judged by, in words.
        test_rows: features, labels and weights of the rows that a cut-off or a correction may be
            learned from.
        evaluate: the quality of the model on the rows that are judged.
        write_report: write a report on the model to a file.
    """

    name: str
    n_rows: int
    n_features: int
    n_test_rows: int
    counts: Mapping[Any, int]
    notes: Sequence[str]
    judged: str
    test_rows: Callable[[], tuple[Any, Any, Any]]
    evaluate: Callable[[LogisticRegression], Evaluation]
    write_report: Callable[[LogisticRegression, Path], object]


def finish(model: LogisticRegression, material: Material, asked: Asked, console: Console, interrupted: bool) -> None:
    """Save, show, judge and report a model; what fails is raised when all else has been shown.

    Raises:
        FileError: something could not be written.
        ArgumentError: no cut-off is as wanted, or shares of classes are not known.
        DataError: the rows that a cut-off or a correction is learned from do not allow it.
        Exit: the fit was interrupted.
    """
    failed: list[Exception] = []
    corrected, undecided = _decide(asked, model, material)
    if asked.out is not None:
        _try_to(partial(model.save, asked.out), failed)
    _show_fit(console, model)
    _show_warnings(model, interrupted)
    show_calibration(console, model, corrected)
    if model.decision_ is not None:
        show_facts(console, {"Decision": model.decision_.sentence(model.classes_.tolist())})
    evaluation = None
    if not interrupted:
        evaluation = material.evaluate(model)
        show_evaluation(console, evaluation, material.judged)
        _show_coefficients(console, model)
    kept = None if failed else asked.out
    if kept is not None or asked.out is None:
        _show_place(console, model, material.name, kept, interrupted)
    if (
        asked.report is not None
        and not interrupted
        and _try_to(partial(material.write_report, model, asked.report), failed)
    ):
        console.print(f"The report is in {asked.report}.", soft_wrap=True)
    if asked.as_json or asked.log_to is not None:
        summary = _summary(material, model, evaluation, kept, corrected)
        if (
            asked.log_to is not None
            and not interrupted
            and _try_to(partial(_keep_run, asked.log_to, summary, model, material), failed)
        ):
            console.print(f"The run is kept in {asked.log_to}.", soft_wrap=True)
        if asked.as_json:
            print_json(summary)
    if failed:
        raise failed[0]
    if undecided is not None:
        raise undecided
    if interrupted:
        raise typer.Exit(_INTERRUPTED)


def _decide(
    asked: Asked, model: LogisticRegression, material: Material
) -> tuple[Recalibration | None, Exception | None]:
    """Correct a model's probabilities, and let it predict by the rule that is wanted; an error
    where that cannot be is shown after the results of the fit, of which nothing is lost."""
    from polytome.errors import ArgumentError, DataError

    wanted, correction, corrected = asked.wanted, asked.correction, None
    try:
        from_rows = wanted.prefer is not None or correction.recalibrate is not None
        rows = (*(material.test_rows() if from_rows else (None, None, None)), "rows that were not trained on")
        if correction.is_asked:
            corrected = correction.correct(model, *rows)
        if wanted.is_asked:
            model.decision_ = wanted.rule(model, *rows)
    except (ArgumentError, DataError) as error:
        return corrected, error
    return corrected, None


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


def _keep_run(place: str, summary: Mapping[str, Any], model: LogisticRegression, material: Material) -> None:
    """Keep what is shown, with the command, the settings and digests of the rows."""
    from polytome.cli.runs import keep
    from polytome.files.training_record import data_hash
    from polytome.models.peer_settings import own_settings
    from polytome.plain.values import plain

    record = model.training_
    X, y, _ = material.test_rows() if material.n_test_rows else (None, None, None)
    settings = {name: value for name, value in own_settings(model).items() if name not in ("callback", "verbose")}
    facts = {
        "command": record.command,
        "settings": plain(settings, words=True),
        "data_sha256": record.data_sha256,
        "judged_sha256": record.data_sha256 if y is None else data_hash(X, y),
        "versions": record.versions,
        **summary,
    }
    keep(place, facts, model, lambda path: material.write_report(model, path))


def _show_fit(console: Console, model: LogisticRegression) -> None:
    from polytome.report.wording import count, number

    iterations = count(int(model.n_iter_[0]), "iteration")
    passes = count(round(model.history_[-1].passes), "pass", "passes")
    show_facts(
        console,
        {
            "Model": model_line(model),
            "Objective": str(model.objective_),
            "Fit": f"{iterations}, {passes} over the rows, {number(model.training_.seconds, 3)} s",
            "Solver": solver_words(model.solver_),
            "Stopped": stop_words(model.stop_),
        },
    )
    show_certificate(console, model.certificate_)


def _show_warnings(model: LogisticRegression, interrupted: bool) -> None:
    """Why the fit did not end as it should, and which coefficients mean nothing."""
    from polytome.models.separation import separation_sentence

    if not model.stop_.succeeded and not interrupted:
        show_warning(f"{stop_words(model.stop_)}.")
    if sentence := separation_sentence(model):
        show_warning(sentence)


def _show_coefficients(console: Console, model: LogisticRegression) -> None:
    from polytome.evaluation.explain import largest_coefficients
    from polytome.evaluation.ordering import largest
    from polytome.report.wording import levels_sentence, terms_sentence

    n_classes = len(model.classes_)
    coefficients = largest_coefficients(model, most=5 if n_classes == 2 else 3)
    if n_classes > _FEW_CLASSES:
        names = [(found.feature, place) for place, found in enumerate(coefficients)]
        coefficients = [coefficients[j] for j in largest([found.effect for found in coefficients], 10, names)]
    show_coefficients(console, coefficients, coefficients_title(model), levels_sentence(model), terms_sentence(model))


def _show_place(console: Console, model: LogisticRegression, source: str, out: Path | None, interrupted: bool) -> None:
    """Say where the model was saved, or how to save it."""
    if out is not None:
        what = "The best model so far, with the certificate above," if interrupted else "The model"
        console.print(f"\n{what} is in {out}.", soft_wrap=True)
    elif interrupted:
        console.print("\nInterrupted; nothing is saved, because no --out was given.")
    else:
        from polytome.files.sources import is_dataset

        name = source if is_dataset(source) else "model"
        console.print(f"\nNot saved: add --out {name}.safetensors to save the model.", soft_wrap=True)


def _summary(
    material: Material,
    model: LogisticRegression,
    evaluation: Evaluation | None,
    out: Path | None,
    corrected: Recalibration | None,
) -> dict[str, Any]:
    """Everything that is shown, for `--json`."""
    from polytome.evaluation.explain import largest_coefficients, reference_levels
    from polytome.models.separation import separation_to_json

    metrics = None
    if evaluation is not None:
        metrics = {"rows": "held-out" if material.n_test_rows else "training", **evaluation.to_json()}
    return {
        "data": {
            "name": material.name,
            "n_rows": material.n_rows,
            "n_features": material.n_features,
            "n_classes": len(material.counts),
            "balance": {str(label): count for label, count in material.counts.items()},
            "n_test_rows": material.n_test_rows,
            "notes": material.notes,
        },
        "objective": model.objective_.to_json(),
        "certificate": model.certificate_.to_json(),
        "stop": {"name": model.stop_.name, "message": model.stop_.value},
        "decision": None if model.decision_ is None else model.decision_.to_json(),
        "calibration": None if model.calibration_ is None else model.calibration_.to_json(),
        "recalibration": None if corrected is None else corrected.to_json(),
        "separation": separation_to_json(model),
        "metrics": metrics,
        "model": {
            "path": None if out is None else str(out),
            "classes": model.classes_.tolist(),
            "n_iter": int(model.n_iter_[0]),
            "passes": model.history_[-1].passes,
            "penalty_weights": model.penalty_weights,
            "solver": str(model.solver_),
            "reference_levels": reference_levels(model),
            "largest_coefficients": [found._asdict() for found in largest_coefficients(model)],
        },
        "seconds": model.training_.seconds,
    }
