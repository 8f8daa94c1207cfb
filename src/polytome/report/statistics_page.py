"""The page about a table of coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from polytome.errors import ArgumentError
from polytome.inference.bootstrapping import Bootstrap
from polytome.inference.effects import Effects
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.result import Result
from polytome.inference.variables import variable_of, variables_of
from polytome.pages import base_styles, document
from polytome.report import Report
from polytome.report.pictures import figure

__all__ = ["statistics_report"]

_MOST_VARIABLES = 8
_READ = {
    "forest": "Estimates with their intervals. The dashed line is where there is no effect.",
    "effects": (
        "The mean predicted probability while one variable is set to values and the others stay as they are in the "
        "rows. Bands and intervals are of the covariance of the table, by the delta method."
    ),
    "residuals": (
        "How often a class occurs in a group of rows of similar probability, less what is predicted. Where the model "
        "is right some 95 of 100 groups lie in the grey band; a bow or a slope says that something is left out."
    ),
    "influence": "By how much the coefficients move without a row, and how far its columns lie from the others'.",
}


def statistics_report(
    result: Result,
    *,
    title: str | None = None,
    odds_ratios: bool = True,
    level: float = 0.95,
    intervals: str = "wald",
    variables: Sequence[str] | None = None,
    tests: Sequence[Any] = (),
    effects: Effects | None = None,
    resampled: Bootstrap | None = None,
) -> Report:
    """Write the page about a table: the table, tests, a forest plot, adjusted predictions,
    residuals and influence.

    A notebook shows it as the last line of a cell; `save` writes it to a file.

    Args:
        result: of `polytome.inference`.
        title: of the page.
        odds_ratios: whether odds ratios are shown, or coefficients.
        level: of the intervals.
        intervals: of the table and of the forest plot, "wald" or "profile".
        variables: along which predictions are drawn; the first eight, if None.
        tests: tests of the result, to be shown with it.
        effects: effects of the result, to be shown with it.
        resampled: what resamples of the rows say.

    Raises:
        ArgumentError: `result` is not a table of coefficients, or has no such variable.
        MissingExtraError: Matplotlib is not installed.

    Example:
        >>> from polytome.inference import fit_formula
        >>> data = {"passed": ["no", "no", "yes", "no", "yes", "yes"], "hours": [1, 2, 3, 4, 5, 6]}
        >>> page = statistics_report(fit_formula("passed ~ hours", data), title="Who passes")
        >>> "<h1>Who passes</h1>" in page.html and "<h2>Influence</h2>" in page.html
        True
    """
    from polytome.plots import EffectDisplay, ForestDisplay, InfluenceDisplay, ResidualsDisplay
    from polytome.plots.forest import result_of

    result_of(result)
    table = result.summary(odds_ratios=odds_ratios, level=level, intervals=intervals)
    parts = [_section("Coefficients", f'<div class="wide">{table._repr_html_()}</div>')]
    if len(result.estimate.terms) > 1:
        forest = ForestDisplay.from_result(result, odds_ratios=odds_ratios, level=level, intervals=intervals)
        parts.append(_pictures("Forest plot", "forest", [forest]))
    if tests:
        parts.append(_section("Tests", "<ul>" + "".join(f"<li>{_lines(each)}</li>" for each in tests) + "</ul>"))
    if effects is not None:
        parts.append(_section("Effects", f'<div class="wide">{effects.summary(level)._repr_html_()}</div>'))
    if resampled is not None:
        again = resampled.summary(odds_ratios=odds_ratios and resampled.are_coefficients)
        parts.append(_section("Bootstrap", f'<div class="wide">{again._repr_html_()}</div>'))
    chosen, left_out = _variables(result, variables)
    if chosen:
        drawn = [EffectDisplay.from_result(result, name, level=level) for name in chosen]
        more = f" Not drawn: {', '.join(left_out)}." if left_out else ""
        parts.append(_pictures("Adjusted predictions", "effects", drawn, more))
    if isinstance(result, LogisticResult):
        parts.append(_pictures("Residuals", "residuals", [ResidualsDisplay.from_result(result)]))
        if result.has_influence:
            parts.append(_pictures("Influence", "influence", [InfluenceDisplay.from_result(result)]))
    sheet = files("polytome.report").joinpath("report.css").read_text(encoding="utf-8")
    head = f"<style>\n{base_styles()}{sheet}</style>"
    of = title or f"{result.about.formula or result.about.response}"
    return Report(document(of, "Coefficients with standard errors.", "\n".join(parts), head=head))


def _variables(result: Result, wanted: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The variables along which predictions are drawn, and the others."""
    if result.sample is None or not hasattr(result, "predictions"):
        return [], []
    known = variables_of(result.sample, result.design)
    if wanted is not None:
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ArgumentError(f"variables: {unknown[0]!r} is not one of the model's; they begin {known[:10]}")
        return list(wanted), []
    changing = [name for name in known if _changes(result, name)]
    return changing[:_MOST_VARIABLES], changing[_MOST_VARIABLES:]


def _changes(result: Any, name: str) -> bool:
    """Whether a variable has more than one value, and enough of a category to be drawn."""
    levels, values = variable_of(result.sample, result.design, name)
    return len(levels) > 1 if levels is not None else bool(values.max() > values.min())


def _section(heading: str, content: str) -> str:
    return f"<h2>{escape(heading)}</h2>\n{content}"


def _pictures(heading: str, about: str, displays: Sequence[Any], more: str = "") -> str:
    images = []
    for display in displays:
        picture = figure(display)
        images.append(
            f'<div class="figure wide"><img src="{picture.source}" alt="{escape(picture.alt)}" '
            f'width="{picture.width}" height="{picture.height}"></div>'
        )
    return _section(heading, f"<p>{escape(_READ[about] + more)}</p>\n" + "\n".join(images))


def _lines(test: Any) -> str:
    return "<br>".join(escape(line) for line in str(test).split("\n"))
