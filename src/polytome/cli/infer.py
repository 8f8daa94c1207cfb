"""`polytome infer`: a table of coefficients with standard errors, from a formula."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polytome.cli.fit_words import require_proof
from polytome.cli.options import Categories, Header, Json, MissingMark, Quiet, ReadLimit, Strict, choice
from polytome.cli.output import live_line, make_console, print_json, printable, quietly, show_notes
from polytome.cli.outputs import check_outputs
from polytome.cli.text_options import Encoding

__all__ = ["infer"]

_ROBUST = ("HC0", "HC1", "HC2", "HC3", "robust", "CR2", "CR3")
_BY_CLUSTER = ("CR2", "CR3")
_WEIGHTS = ("frequencies", "importance", "sampling")


def infer(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FILE", show_default=False, help="A text table, or a file of Parquet or Arrow.")
    ],
    formula: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA", show_default=False, help='What is predicted by what, as in "prog ~ ses + write".'
        ),
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            show_default=False,
            help="The class that the others are compared with (default: the first).",
        ),
    ] = None,
    firth: Annotated[
        bool,
        typer.Option("--firth", help="Bias-reduced estimates, which are finite also where classes are separated."),
    ] = False,
    median: Annotated[
        bool,
        typer.Option("--median", help="Finite estimates of two classes that are as often too large as too small."),
    ] = False,
    ordered: Annotated[
        bool,
        typer.Option("--ordered", help="The classes have an order: proportional odds. Numbers have their own."),
    ] = False,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS,CLASS,...",
            show_default=False,
            help="The classes from the lowest to the highest; implies --ordered.",
        ),
    ] = None,
    brant: Annotated[
        bool, typer.Option("--brant", help="Show Brant's test of proportional odds; implies --ordered.")
    ] = False,
    robust: Annotated[
        str | None,
        typer.Option(
            metavar="HC0|HC1|HC2|HC3|robust|CR2|CR3",
            callback=choice(*_ROBUST),
            show_default=False,
            help="Standard errors that hold whatever the variance of rows; robust is Stata's; CR2 and CR3, of few "
            "clusters, need --cluster.",
        ),
    ] = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", show_default=False, help="Standard errors by cluster; given twice, by two ways."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", show_default=False, help="The weights of rows; needs --weights-are.")
    ] = None,
    weights_are: Annotated[
        str | None,
        typer.Option(
            metavar="frequencies|importance|sampling",
            callback=choice(*_WEIGHTS),
            show_default=False,
            help="What weights mean: equal rows, importance, or a survey's.",
        ),
    ] = None,
    odds_ratios: Annotated[
        bool, typer.Option("--odds-ratios", help="Show odds ratios instead of coefficients.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Intervals by the profile likelihood.")] = False,
    level: Annotated[float, typer.Option(metavar="NUMBER", help="Of confidence.")] = 0.95,
    effects: Annotated[bool, typer.Option("--effects", help="Show average marginal effects, too.")] = False,
    resamples: Annotated[
        int | None,
        typer.Option(
            "--bootstrap",
            metavar="N",
            min=2,
            show_default=False,
            help="Fit again to N resamples of rows, with --cluster of clusters, and show BCa intervals.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Of the resamples.")] = 0,
    hypotheses: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            metavar="HYPOTHESIS",
            show_default=False,
            help='Test a term, or what is as "read = write"; may be given several times.',
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="FORMULA",
            show_default=False,
            help="A smaller model, to be tested against this one on the same rows.",
        ),
    ] = None,
    missing: Annotated[
        str,
        typer.Option(
            metavar="drop|error",
            callback=choice("drop", "error"),
            help="What to do with rows where something that is used is missing.",
        ),
    ] = "drop",
    missing_mark: MissingMark = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    categories: Categories = None,
    encoding: Encoding = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE.html", show_default=False, help="Write all of it as a page to this file."
        ),
    ] = None,
    strict: Strict = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit a formula and print coefficients with standard errors.

    Text columns are categories, compared with their first level; C(rank,
    Treatment("2")) chooses another, and makes categories of numbers. Separated
    classes, and columns that are sums of others, are named.

    \b
    Examples:
      polytome infer people.csv "income ~ age + town" --odds-ratios
      polytome infer people.csv "income ~ age * town" --robust HC1 --test town
      polytome infer people.csv "ill ~ marker + age" --firth --profile
      polytome infer people.csv "ill ~ marker" --cluster town --bootstrap 2000
      polytome infer people.csv "health ~ age" --order poor,fair,good --brant

    Exit status: 0 also where estimates are infinite, 3 without a proof (--strict).
    """
    import numpy as np

    from polytome.inference.bootstrapping import bootstrap
    from polytome.inference.formula import fit_formula
    from polytome.inference.result import check_level
    from polytome.tables.columns import read_columns

    if quiet:
        context.with_resource(quietly())
    check_level(level)
    check_outputs([source], {"--report": (report, ".html .htm")})
    if robust in _BY_CLUSTER and not cluster:
        raise typer.BadParameter(f"--robust {robust} is of clusters: name their column with --cluster")
    if robust is not None and robust not in _BY_CLUSTER and cluster:
        raise typer.BadParameter(
            f"--robust {robust} and --cluster exclude each other: errors by cluster are robust; of few clusters take "
            "--robust CR2 or CR3"
        )
    ordered = ordered or brant or order is not None
    methods = {"--ordered": ordered, "--firth": firth, "--median": median}
    if sum(methods.values()) > 1:
        raise typer.BadParameter(f"{' and '.join(name for name, is_on in methods.items() if is_on)} exclude each other")
    if strict and any(methods.values()):
        name = next(name for name, is_on in methods.items() if is_on)
        raise typer.BadParameter(f"{name} comes without a certificate, which --strict requires; leave one of them out")
    with live_line() as say:
        say(f"reading {source}")
        data = read_columns(
            source,
            header=header,
            categories=categories or (),
            marks=missing_mark,
            read_limit=read_limit,
            encoding=encoding,
        )
        asked: dict[str, Any] = {
            "method": "firth" if firth else "median" if median else "ordered" if ordered else "maximum-likelihood",
            "reference": reference,
            "order": None if order is None else [name.strip() for name in order.split(",")],
            "weights": weights,
            "weights_are": weights_are,
            "covariance": robust,
            "clusters": cluster or None,
        }
        say("fitting")
        result = fit_formula(formula, data, missing=missing, **asked)
        intervals = "profile" if profile else "wald"
        summary = result.summary(odds_ratios=odds_ratios, level=level, intervals=intervals)
        tests = [result.test(each) for each in hypotheses or ()]
        if compare is not None:
            tests.append(result.compare(compare))
        found = result.effects() if effects else None
        proportional = result.brant() if brant else None
        again = None
        if resamples is not None:

            def told(done: int, total: int) -> None:
                if done % 20 == 0:
                    say(f"fitting again, {done:,} of {total:,} (Ctrl-C keeps what is done)")

            again = bootstrap(result, n=resamples, level=level, seed=seed, progress=told)
        repeated = None if again is None else again.summary(odds_ratios=odds_ratios)
        if report is not None:
            from polytome.report.statistics_page import statistics_report

            say("drawing the page")
            statistics_report(
                result,
                title=f"{formula}, in {Path(source).name}",
                odds_ratios=odds_ratios,
                level=level,
                intervals=intervals,
                tests=(*tests, *([proportional] if proportional is not None else [])),
                effects=found,
                resampled=again,
            ).save(report)
    if as_json:
        shown = {
            "source": source,
            **result.to_json(level, odds_ratios=odds_ratios),
            "tests": [test.to_json() for test in tests],
        }
        if profile:
            ends = result.confidence_intervals(level, method="profile")
            shown["profile"] = {name: list(ends[name]) for name in ("equation", "term", "lower", "upper")}
            if odds_ratios:
                for side in ("lower", "upper"):
                    with np.errstate(over="ignore"):
                        shown["profile"][f"odds_ratio_{side}"] = np.exp(list(ends[side])).tolist()
        if proportional is not None:
            shown["brant"] = proportional.to_json()
        if found is not None:
            shown["effects"] = found.to_json(level)["effects"]
        if again is not None:
            shown["bootstrap"] = again.to_json()
        print_json(shown)
    else:
        show_notes(data.notes)
        console = make_console()
        for part in (summary, *tests, proportional, None if found is None else found.summary(level), repeated):
            if part is not None:
                console.print(printable_lines(str(part)), soft_wrap=True)
                console.print()
        if report is not None:
            console.print(f"Written: {report}", soft_wrap=True)
    require_proof(strict, result.about.is_proved, result.about.notes[0].rstrip("."))


def printable_lines(text: str) -> str:
    """Lines without the control characters that could control a terminal."""
    return "\n".join(printable(line) for line in text.split("\n"))
