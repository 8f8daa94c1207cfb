"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BoundsOption",
    "Cache",
    "Categories",
    "Checkpoint",
    "ClassWeight",
    "DataFolder",
    "Dates",
    "Drop",
    "GroupRatio",
    "GroupsName",
    "Header",
    "Host",
    "Intercept",
    "InverseStrength",
    "Json",
    "JudgedSources",
    "L1Ratio",
    "LabelSmoothing",
    "MaxIter",
    "MemoryLimit",
    "Missing",
    "MissingMark",
    "ModelOut",
    "ModelPath",
    "Offset",
    "PenaltyWeights",
    "Port",
    "Positive",
    "Quiet",
    "ReadLimit",
    "References",
    "ReportOut",
    "Scale",
    "Seed",
    "SolverName",
    "SourceName",
    "SourceNames",
    "Split",
    "Strict",
    "Target",
    "TestFile",
    "TestFraction",
    "Tolerance",
    "TunedScale",
    "Unknown",
    "Unweighted",
    "WeightColumn",
    "WorkersName",
    "choice",
]


def choice(*allowed: str) -> Callable[[str | None], str | None]:
    """Refuse a value that is not one of these, before any command begins."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in allowed:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(allowed)}")
        return value

    return check


SourceName = Annotated[
    str, typer.Argument(metavar="SOURCE", show_default=False, help="The name of a data set, or a path.")
]
SourceNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", show_default=False, help="The name of a data set, or a path; or several files of one kind."
    ),
]
JudgedSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE...",
        show_default=False,
        help="Rows with labels, preferably not used in training: the name of a data set, or a path; or several files "
        "of one kind.",
    ),
]
ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", show_default=False, help="A file that train --out wrote (.safetensors).")
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        show_default=False,
        help="Folder with the four IDX files of mnist or fashion-mnist (else POLYTOME_DATA, else a download).",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        show_default=False,
        help="Where the labels are: a column's name, 'last', or a position counted from 1; in .npz the array's name.",
    ),
]
WeightColumn = Annotated[
    str | None,
    typer.Option(
        "--weight",
        metavar="COLUMN",
        show_default=False,
        help="A column of numbers by which the rows are weighted: 2 equals the row twice, 0 its absence.",
    ),
]
Unweighted = Annotated[
    bool,
    typer.Option(
        "--unweighted",
        help="Count each row once, even if training weighted rows by a column, by which they count here otherwise.",
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        metavar="error|drop|mean",
        callback=choice("error", "drop", "mean"),
        show_default=False,
        help="What to do with a missing cell: stop, leave out its row, or fill in the column's mean "
        "(default: stop; a model that was trained with mean fills in means).",
    ),
]
Unknown = Annotated[
    str | None,
    typer.Option(
        metavar="error|zero",
        callback=choice("error", "zero"),
        show_default=False,
        help="What to do with a text level that training never saw: stop, or count it as no known level "
        "(default: as in training, where the default is to stop).",
    ),
]
Header = Annotated[
    str,
    typer.Option(
        metavar="auto|yes|no",
        callback=choice("auto", "yes", "no"),
        help="Whether line 1 of a text table holds the columns' names.",
    ),
]
MissingMark = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD",
        show_default=False,
        help="A word that marks a missing cell, besides an empty cell (default in text tables: ?); may be given "
        "several times.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="train|test",
        callback=choice("train", "test"),
        show_default=False,
        help="Which part of a data set with test rows (default: test).",
    ),
]
ReadLimit = Annotated[
    float | None,
    typer.Option(
        metavar="GB",
        show_default=False,
        help="How much memory a file's contents may take (default: 1.07 GB, or 100 times its size).",
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        show_default=False,
        help="How much memory training may take, such as 2GB (default: what is free); files that need more are read "
        "piece by piece.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="Keep a copy of the rows of files here, as numbers, for files that take long to decode, such as .csv.gz.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Keep here what each pass over files gave; the same command goes on from there if it was killed.",
    ),
]
WorkersName = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|tcp://HOST:PORT",
        show_default=False,
        help="Who makes the passes over files: N processes on this machine, or the workers of a Dask "
        "cluster, which read the files under the same paths.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

Positive = Annotated[
    str | None, typer.Option(metavar="LABEL", show_default=False, help="Distinguish this class from all others.")
]
TestFraction = Annotated[
    float | None,
    typer.Option(metavar="F", show_default=False, help="Hold out this share of each class and evaluate on it."),
]
TestFile = Annotated[
    str | None,
    typer.Option(
        "--test",
        metavar="FILE",
        show_default=False,
        help="Evaluate on the rows of this table, which has the same columns and is not trained on.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Write no results and no notes, but warnings and errors.")]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit status 3 where no certificate holds.")]
Seed = Annotated[
    int, typer.Option(metavar="NUMBER", min=0, max=2**32 - 1, help="Seed of the held-out rows and of --solver sgd.")
]
InverseStrength = Annotated[
    float, typer.Option("--C", metavar="NUMBER", help="Inverse strength of the penalty; inf for no penalty.")
]
L1Ratio = Annotated[
    float,
    typer.Option(
        "--l1-ratio",
        metavar="NUMBER",
        help="The share of absolute values in the penalty, the rest being squares: 0 for L2, 1 for L1. Above 0 "
        "coefficients that do not pay for themselves are exactly 0.",
    ),
]
GroupsName = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="none|classes|columns",
        help="With --l1-ratio above 0, which coefficients are 0 together: those of a feature, of all classes "
        "(classes), or those of all features that a column became (columns), such as the levels of a category.",
    ),
]
GroupRatio = Annotated[
    float,
    typer.Option(
        "--group-ratio",
        metavar="NUMBER",
        help="With --groups, the share of norms in what --l1-ratio is the share of, the rest being absolute values: "
        "1 for norms alone; below it single coefficients are 0 in groups that are not (a sparse group lasso).",
    ),
]
LabelSmoothing = Annotated[
    float,
    typer.Option(
        "--label-smoothing",
        metavar="NUMBER",
        help="The share of each label that is spread evenly over all classes, from 0 and below 1.",
    ),
]
Offset = Annotated[
    list[str] | None,
    typer.Option(
        "--offset",
        metavar="COLUMN",
        show_default=False,
        help="A column of numbers that is added to the scores (of two classes, to the second one's) with the "
        "coefficient 1, and not learned: log exposure, or another model's log odds. With more than two classes, once "
        "for each, in the order of the labels. Rows to be predicted need it too.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="none|standard|NUMBER",
        show_default=False,
        help="What each column is divided by before its coefficient is penalised: nothing, its standard deviation, or "
        "a number (default: none; for the built-in images, their largest pixel value).",
    ),
]
TunedScale = Annotated[
    str | None,
    typer.Option(
        metavar="none|standard|NUMBER",
        show_default=False,
        help="What each column is divided by before its coefficient is penalised: its standard deviation, so that one "
        "strength suits columns in all units, nothing, or a number (default: standard; for the built-in images, their "
        "largest pixel value).",
    ),
]
PenaltyWeights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=NUMBER,...",
        show_default=False,
        help="What the penalty of these columns is multiplied by, as in age=0,income=2: 0 for no penalty; columns that "
        "are not named have 1. May be given several times.",
    ),
]
BoundsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bounds",
        metavar="LOW:HIGH|COLUMN=LOW:HIGH,...",
        show_default=False,
        help="What coefficients are within, of all columns, as in 0: for none below 0, or of those named, as in "
        "age=0:,income=-1:1; an end that is left out is no bound. May be given several times.",
    ),
]
ClassWeight = Annotated[
    str | None,
    typer.Option(metavar="balanced", show_default=False, help="balanced: every class has the same total weight."),
]
Intercept = Annotated[bool, typer.Option("--intercept/--no-intercept", help="Fit an intercept.")]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tol",
        metavar="NUMBER",
        help="Stop when the gap is proved (without a penalty perhaps only estimated) to be below this share of the "
        "null model's objective.",
    ),
]
MaxIter = Annotated[int, typer.Option(metavar="NUMBER", help="Stop after this many iterations at the latest.")]
SolverName = Annotated[
    str, typer.Option(metavar="NAME", help="auto chooses for you; or newton, lbfgs, dual, gradient-descent, sgd.")
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN,...",
        show_default=False,
        help="Leave these columns out: names, positions, or patterns such as 'x_*'; may be given several times.",
    ),
]
Dates = Annotated[
    list[str] | None,
    typer.Option(
        "--date",
        metavar="COLUMN=PART,...",
        show_default=False,
        help="Make columns of parts of a date: year, quarter, month, day, weekday, hour, and age, in days before the "
        "latest one; and where dates are not written as 2026-12-31, that day as they are, such as 31.12.2026. May be "
        "given several times.",
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        metavar="COLUMN=LEVEL",
        show_default=False,
        help="Without a penalty (--C inf) compare the other levels of a category with this one; default: the first in "
        "sorted order. May be given several times.",
    ),
]
Categories = Annotated[
    list[str] | None,
    typer.Option(
        "--categories",
        "--category",
        metavar="COLUMN,...",
        show_default=False,
        help="Read these columns as text even if they look like numbers or their texts hardly repeat; as for --drop.",
    ),
]
ModelOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="MODEL.safetensors", show_default=False, help="Save the model to this file."),
]
ReportOut = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", show_default=False, help="Write a report on the model to this file."),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Any address but loopback requires --token.")]
Port = Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="0 chooses a free port.")]
