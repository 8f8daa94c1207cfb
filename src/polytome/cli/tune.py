"""`polytome tune`: the penalty that predicts held-out rows best, and the model with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.fit_words import require_certificate
from polytome.cli.option_groups import FitOptions, TableOptions, Without
from polytome.cli.option_values import groups_from, scale_of
from polytome.cli.options import (
    DataFolder,
    Json,
    ModelOut,
    Positive,
    Quiet,
    ReportOut,
    Seed,
    SourceNames,
    Strict,
    Target,
    TunedScale,
)
from polytome.cli.output import command_line, live_line, make_console, print_json, quietly, show_notes, show_warning
from polytome.cli.outputs import check_outputs
from polytome.cli.show import balance, model_line, show_certificate, show_evaluation, show_facts, show_table
from polytome.cli.term_options import TermOptions
from polytome.cli.text_options import TextGroup

if TYPE_CHECKING:
    from rich.console import Console

    from polytome.evaluation.metrics import Evaluation
    from polytome.files.sources import Source
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.logistic import LogisticRegression
    from polytome.report.tuned import Tuned

__all__ = ["tune"]

_INTERRUPTED = 130
_NUMBERS = re.compile(r"[0-9.,eE+-]+")
_AUC = "auc"
_METRICS = {
    "log-loss": None,
    "accuracy": "accuracy",
    "balanced-accuracy": "balanced_accuracy",
    "brier": "neg_brier_score",
    "f1": "f1_macro",
}

Ratios = Annotated[
    list[str] | None,
    typer.Option(
        "--l1-ratio",
        metavar="NUMBER...",
        show_default=False,
        help="The shares of absolute values in the penalty to try, each from 0 (L2) to 1 (L1), as in 0 0.5 1 or "
        "0,0.5,1 (default: 0 0.5 1).",
    ),
]
Strengths = Annotated[
    str,
    typer.Option(
        "--C", metavar="N|NUMBER,...", help="How many inverse strengths to try, or which, as in 0.01,0.1,1,10."
    ),
]
Rule = Annotated[
    str,
    typer.Option(
        metavar="min|1se",
        help="min: what predicts held-out rows best; 1se: the strongest penalty within one standard error of it.",
    ),
]
Folds = Annotated[int, typer.Option(metavar="NUMBER", min=2, help="How many folds, each held out in turn.")]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        show_default=False,
        help="Hold out rows with the same value in this column together; it is not a feature.",
    ),
]
PenaltyGroups = Annotated[
    str | None,
    typer.Option(
        "--penalty-groups",
        metavar="none|classes|columns",
        show_default=False,
        help="With an --l1-ratio above 0, which coefficients are 0 together: those of a feature, of all classes "
        "(classes), or those of all features that a column became (columns); what --groups is in polytome train.",
    ),
]
TunedGroupRatio = Annotated[
    float,
    typer.Option(
        "--group-ratio",
        metavar="NUMBER",
        help="With --penalty-groups, the share of norms beside absolute values: 1 for norms alone.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="COLUMN",
        show_default=False,
        help="Hold out later rows than those trained on, by this column; it is not a feature.",
    ),
]
Metric = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What is best: log-loss, auc, accuracy, balanced-accuracy, brier, f1, or the name of a scorer of "
        "scikit-learn.",
    ),
]


def tune(
    context: typer.Context,
    sources: SourceNames,
    *,
    target: Target = None,
    l1_ratio: Ratios = None,
    C: Strengths = "20",
    rule: Rule = "min",
    folds: Folds = 10,
    groups: Groups = None,
    order_by: Time = None,
    metric: Metric = "log-loss",
    positive: Positive = None,
    seed: Seed = 0,
    scale: TunedScale = None,
    fit: Annotated[FitOptions, Without(["weight", "label_smoothing", "offset"])],
    penalty_groups: PenaltyGroups = None,
    group_ratio: TunedGroupRatio = 1.0,
    table: Annotated[TableOptions, Without(["reference"])],
    terms: TermOptions,
    data: DataFolder = None,
    out: ModelOut = None,
    report: ReportOut = None,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: Json = False,
    text: TextGroup,
) -> None:
    """Choose the penalty by cross-validation, and train the model with it.

    Each fold of the rows is held out in turn; for each strength and kind of the
    penalty the model is fitted to the others, with its certificate, and judged on
    the fold. The chosen model is then fitted to all rows. What is learned from rows
    (--scale standard, --class-weight, means that fill missing cells) is learned in
    each fold from its training rows; the terms of texts and how rare they are come
    from all rows, without their labels. SOURCE is what polytome train takes, in memory.

    Ctrl-C: the choice rests on the folds that are finished, if they are two or more,
    and the exit status is 130. A second Ctrl-C stops at once.

    \b
    Examples:
      polytome tune iris
      polytome tune people.csv --target income --l1-ratio 1 --rule 1se
      polytome tune iris --l1-ratio 1 --penalty-groups columns
      polytome tune visits.csv --target ill --groups patient --metric auc
      polytome tune sales.csv --target bought --time date --folds 5
      polytome tune messages.tsv --target label --text message
      polytome tune iris --out best.safetensors --report tune.html
    """
    from polytome.errors import ArgumentError

    if quiet:
        context.with_resource(quietly())
    source, ratios = _source_and_ratios(sources, l1_ratio)
    if l1_ratio is not None:
        context.params["l1_ratio"] = [repr(ratio) for ratio in ratios]  # for --save-config
    check_outputs([source, target], {"--out": (out, ".safetensors"), "--report": (report, ".html .htm")})
    settings: dict[str, Any] = {
        "l1_ratios": ratios,
        "Cs": _strengths(C),
        "rule": rule,
        "scoring": _scoring(metric),
        "scale": scale_of(scale),
        **fit.settings(),
        "groups": groups_from(penalty_groups, "--penalty-groups"),
        "group_ratio": group_ratio,
        "random_state": seed,
    }
    _check(settings, groups, order_by)
    left_out = {name: option for name, option in ((groups, "groups"), (order_by, "time")) if name is not None}
    if table.names is not None and left_out:
        raise ArgumentError(
            f"--names: the column of --{next(iter(left_out.values()))} is found by the names in the file; add a header "
            "line"
        )
    reading = {"target": target, **table.reading(settings), **text.reading(), **table.whole()}
    reading |= {"drop": [*reading["drop"], *left_out], "terms": terms.made()}
    _refuse_columns_of_data_sets(source, left_out)
    try:
        rows = _read(source, data, reading, positive)
    except ArgumentError as error:
        raise ArgumentError(_said_of_columns(str(error), left_out) + _of_coefficients(left_out)) from error
    show_notes(rows.notes)
    if scale is None:
        settings["scale"] = "standard" if rows.scale is None else rows.scale
    if settings["scoring"] == _AUC:
        settings["scoring"] = _auc_of(rows)
    settings["cv"], group_of_row = _folds(rows, folds, seed, groups, order_by, table.header)
    model = _tune(rows, settings, group_of_row, command_line(context), out, report, as_json)
    require_certificate(strict, model.certificate_)


def _source_and_ratios(sources: list[str], given: list[str] | None) -> tuple[str, list[float]]:
    """The one source, and the ratios: numbers behind `--l1-ratio 0`, as in `--l1-ratio 0 0.5 1`,
    come as further sources."""
    from polytome.errors import ArgumentError

    numbers = [name for name in sources if given and _NUMBERS.fullmatch(name) and not Path(name).exists()]
    names = [name for name in sources if name not in numbers]
    if len(names) != 1:
        raise ArgumentError(
            f"{', '.join(names) or 'SOURCE'}: tune takes one source, a data set or a file that fits into memory"
        )
    texts = ",".join([*(given or ["0,0.5,1"]), *numbers]).split(",")
    return names[0], [_number(text, "--l1-ratio") for text in texts]


def _refuse_columns_of_data_sets(source: str, columns: dict[str, str]) -> None:
    from polytome.errors import ArgumentError
    from polytome.files.sources import is_dataset

    if is_dataset(source):
        for name, option in columns.items():
            told = f"--{option} {name}: {source} is a built-in data set, which has no such column"
            raise ArgumentError(told + _of_coefficients(columns))


def _said_of_columns(message: str, columns: dict[str, str]) -> str:
    """A message about a column that is left out, by the option that named it."""
    for name, option in columns.items():
        message = message.replace(f"drop={name!r}", f"--{option} {name}")
    return message


def _of_coefficients(columns: dict[str, str]) -> str:
    """What whoever gives --groups as to `polytome train` is told more."""
    meant = [name for name, option in columns.items() if option == "groups" and name in ("classes", "columns")]
    return f"; for groups of coefficients give --penalty-groups {meant[0]}" if meant else ""


def _strengths(text: str) -> int | list[float]:
    """How many strengths to try, or which."""
    return int(text) if text.isdecimal() else [_number(part, "--C") for part in text.split(",")]


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint=f"'{option}'") from None


def _check(settings: dict[str, Any], groups: str | None, order_by: str | None) -> None:
    """Let the estimator refuse settings before any row is read, by a trial on a few made-up
    rows."""
    import warnings

    from polytome.errors import ArgumentError
    from polytome.models.bounds import check_bounds
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.penalty_weights import check_penalty_weights

    if groups is not None and order_by is not None:
        raise ArgumentError("--groups and --time: rows are held out by one of them; leave the other out")
    check_penalty_weights(settings["penalty_weights"])
    check_bounds(settings["bounds"], settings["groups"] is not None)
    few = {**settings, "max_iter": 1, "penalty_weights": None, "bounds": None, "scoring": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        LogisticRegressionCV(**few, cv=2).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])


def _read(source: str, data: Path | None, options: dict[str, Any], positive: str | None) -> Source:
    """The rows, read or downloaded with progress shown."""
    from polytome.errors import ArgumentError
    from polytome.files.sources import is_dataset, one_against_rest, open_source
    from polytome.files.streamed import why_streamed

    if not is_dataset(source) and (why := why_streamed([source], None, None)) is not None:
        raise ArgumentError(f"{source}: would be read piece by piece ({why}); tune needs rows that fit into memory")
    with live_line() as say:
        say(f"reading {source}")
        rows = open_source(
            source,
            data_dir=data,
            progress=lambda name, done, _: say(f"downloading {name}: {done / 1e6:.1f} MB"),
            **options,
        )
    return rows if positive is None else one_against_rest(rows, positive)


def _scoring(metric: str) -> str | None:
    """The scorer that a name stands for, whose "auc" waits for the number of classes."""
    from polytome.errors import ArgumentError
    from polytome.models.cross_validation import scorer_of

    if metric == _AUC or metric in _METRICS:
        return _METRICS.get(metric, _AUC)
    name = metric.replace("-", "_")
    try:
        scorer_of(name)
    except ArgumentError as error:
        known = ", ".join([*_METRICS, _AUC])
        raise ArgumentError(
            f"--metric {metric}: needs one of {known}, or the name of a scorer of scikit-learn"
        ) from error
    return name


def _auc_of(rows: Source) -> str:
    """The area under the curve for these labels: of two classes, or the mean of one against the
    rest."""
    from polytome.evaluation.metrics import class_counts

    return "roc_auc" if rows.positive is not None or len(class_counts(rows.y)) == 2 else "roc_auc_ovr"


def _folds(
    rows: Source, count: int, seed: int, groups: str | None, order_by: str | None, header: str
) -> tuple[Any, Any]:
    """What holds out rows, and for each row its group, if there are groups."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

    from polytome.errors import DataError
    from polytome.files.tuned import column_of_rows, order_of_times

    n_rows = rows.X.shape[0]
    if n_rows < count + (order_by is not None):
        raise DataError(f"--folds {count}: {rows.name} has {n_rows} rows, too few for so many folds; use fewer")
    if groups is not None:
        import numpy as np

        _, values = column_of_rows(rows, groups, "groups", header=header)
        if (found := len(np.unique(values))) < count:
            raise DataError(f"--groups {groups}: has {found} groups, fewer than {count} folds; use fewer --folds")
        return StratifiedGroupKFold(count, shuffle=True, random_state=seed), values
    if order_by is not None:
        order = order_of_times(column_of_rows(rows, order_by, "time", header=header)[1])
        return [(order[train], order[test]) for train, test in TimeSeriesSplit(count).split(order)], None
    return StratifiedKFold(count, shuffle=True, random_state=seed), None


def _tune(
    rows: Source,
    settings: dict[str, Any],
    groups: Any,
    command: str,
    out: Path | None,
    report: Path | None,
    as_json: bool,
) -> LogisticRegression:
    """Choose, save, and show each result as soon as it is available."""
    import warnings

    from polytome.evaluation.metrics import class_counts, evaluate
    from polytome.files.tuned import path_of_source, tune_source
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.report.tuned import Tuned

    counts = class_counts(rows.y)
    console = make_console(quiet=as_json)
    n_rows, n_features = rows.X.shape
    size = f"{n_rows:,} rows, {n_features:,} features, {len(counts)} classes"
    show_facts(console, {"Data": f"{rows.name}: {size}", "Classes": balance(counts)})
    with live_line() as say, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said in the command's own words
        search = LogisticRegressionCV(**settings, callback=lambda progress: say(str(progress)))
        try:
            tune_source(search, rows, groups=groups, command=command)
        except KeyboardInterrupt:
            show_warning("stopped before two folds were finished: nothing was chosen, and nothing is saved.")
            raise
    model, tuned = search.best_model(), Tuned(search)
    if out is not None:
        model.save(out)
    _show_choice(console, tuned)
    show_facts(console, {"Model": model_line(model), "Objective": str(model.objective_)})
    show_certificate(console, model.certificate_)
    _show_doubts(tuned)
    evaluation = None
    if rows.X_test is not None:
        evaluation = evaluate(model, rows.X_test, rows.y_test, rows.weight_test)
        show_evaluation(console, evaluation, "rows that were held out of all this")
    if out is not None:
        console.print(f"\nThe model is in {out}.", soft_wrap=True)
    else:
        console.print("\nNot saved: add --out MODEL.safetensors to save the model.", soft_wrap=True)
    if report is not None:
        from polytome.report import make_report

        with live_line() as say, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            say("writing the report")
            held_out = {} if rows.X_test is None else {"X": rows.X_test, "y": rows.y_test, "name": "held-out rows"}
            make_report(search, **held_out, path=path_of_source(search, rows)).save(report)
        console.print(f"The report is in {report}.", soft_wrap=True)
    if as_json:
        print_json(_summary(rows, search, tuned, evaluation, out))
    if tuned.is_partial:
        raise typer.Exit(_INTERRUPTED)
    return model


def _show_choice(console: Console, tuned: Tuned) -> None:
    """The table of strengths for the chosen l1_ratio, and what the others came to."""
    from polytome.report.wording import number

    search = tuned.search
    heads = ["C", tuned.measure.lower(), "standard error", "not 0", "choice"]
    lines = [
        [number(row.C), number(row.mean), number(row.error, 2), number(row.active), row.marks] for row in tuned.rows
    ]
    show_table(console, f"Strengths with l1_ratio {tuned.l1_ratio}, from strong to weak", heads, lines)
    others = []
    for ratio, means in zip(search.l1_ratios_, search.mean_scores_, strict=True):
        best = float(means.max()) * (-1.0 if tuned.is_loss else 1.0)
        others.append(f"{ratio:g}: {number(best)} at C = {number(float(search.Cs_[means.argmax()]))}")
    console.print()
    if len(others) > 1:
        show_facts(console, {"l1_ratio": f"best {tuned.measure.lower()} of each: {'; '.join(others)}"})
    show_facts(console, {"Chosen": f"C = {number(search.C_)}, l1_ratio = {tuned.l1_ratio}, by the rule {search.rule}"})


def _show_doubts(tuned: Tuned) -> None:
    """What the choice may suffer from."""
    from polytome.report.wording import number

    search = tuned.search
    if tuned.is_partial:
        show_warning(f"stopped: the choice rests on {search.n_folds_done_} of {len(search.folds_)} folds.")
    if tuned.at_end:
        is_suited = not (search.scale is None or isinstance(search.scale, int | float))  # else one for each column
        show_warning(
            f"the best C, {number(float(search.Cs_[-1]))}, is the largest that was tried: a weaker penalty may be "
            f"better; give larger ones with --C{'' if is_suited else ', or --scale standard'}"
        )


def _summary(
    rows: Source, search: LogisticRegressionCV, tuned: Tuned, evaluation: Evaluation | None, out: Path | None
) -> dict[str, Any]:
    """Everything that is shown, for `--json`."""
    model = search.best_model()
    return {
        "data": {"name": rows.name, "n_rows": rows.X.shape[0], "n_features": rows.X.shape[1], "notes": rows.notes},
        "choice": {
            "C": search.C_,
            "l1_ratio": search.l1_ratio_,
            "rule": search.rule,
            "metric": search.scoring or "log-loss",
            "n_folds": len(search.folds_),
            "n_folds_done": search.n_folds_done_,
            "at_end_of_grid": tuned.at_end,
        },
        "tried": [row._asdict() for row in tuned.rows],
        "Cs": search.Cs_,
        "l1_ratios": search.l1_ratios_,
        "mean_scores": search.mean_scores_,
        "standard_errors": search.standard_errors_,
        "objective": model.objective_.to_json(),
        "certificate": model.certificate_.to_json(),
        "stop": {"name": model.stop_.name, "message": model.stop_.value},
        "metrics": None if evaluation is None else evaluation.to_json(),
        "model": {"path": None if out is None else str(out), "classes": model.classes_.tolist()},
    }
