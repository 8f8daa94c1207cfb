"""The display of a table of coefficients: estimates with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.evaluation.ordering import largest
from polytome.inference.hypotheses import nearest
from polytome.inference.result import Result
from polytome.plots.display import Display, Paper
from polytome.plots.drawing import GREY, REFERENCE, figure_of, is_ours, mark
from polytome.plots.labels import counted, key_above, literal, short, text_size, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["ForestDisplay", "draw_intervals", "intervals_height", "result_of"]

_NAME_WIDTH = 28  # characters of a line of a name
_FARTHEST = 2.0  # how far an interval is drawn beyond the estimates, in spans of these
_FARTHEST_LOGARITHM = float(np.log(1e6))  # and of odds ratios at most


@dataclass
class ForestDisplay(Display):
    """Estimates with their intervals: odds ratios on a logarithmic axis, or coefficients.

    The dashed line is where there is no effect: an odds ratio of 1, a coefficient of 0. Of more
    than two classes each has a line of its own below the name of a term. What has no finite
    estimate points to the edge, and so does an interval that goes on beyond it.

    Args:
        coefficients: shape (n_equations, n_terms); infinite where there is no finite estimate, NaN
            where there is none.
        lower: the lower ends of their intervals, of the same shape.
        upper: the upper ends.
        names: the names of the terms.
        equations: what each equation is about: the class, against the reference.
        subject: what the coefficients are of, for the title.
        odds_ratios: whether `exp` of all of them is shown.
        interval: the kind of the intervals.
        n_left_out: how many more coefficients an equation has.

    Example:
        >>> display = ForestDisplay([[0.8, -0.1]], [[0.2, -0.3]], [[1.4, 0.1]], ["dose", "age"], ["ill"], "ill").plot()
        >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
        ['dose', 'age']
        >>> display.ax_.get_xscale()
        'log'

    Reference:
        Lewis and Clarke, "Forest plots: trying to see the wood and the trees", BMJ 322 (2001).
    """

    coefficients: Array
    lower: Array
    upper: Array
    names: Sequence[str]
    equations: Sequence[Any]
    subject: str
    odds_ratios: bool = True
    interval: str = "95 % interval"
    n_left_out: int = 0

    @classmethod
    def from_result(
        cls,
        result: Result,
        *,
        odds_ratios: bool = True,
        level: float = 0.95,
        intervals: str = "wald",
        terms: str | Sequence[str] | None = None,
        most: int = 40,
        ax: Any = None,
    ) -> Self:
        """Draw the coefficients of a table.

        Args:
            result: of `polytome.inference`.
            odds_ratios: whether odds ratios are shown, or coefficients.
            level: of the intervals.
            intervals: "wald" or "profile".
            terms: of which terms or coefficients; None for all but intercepts and thresholds.
            most: the most coefficients of each equation; of more those with the largest
                |coefficient / standard error|.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: `result` is not one, there is no such term, or nothing to draw.
        """
        result_of(result)
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ArgumentError(f"most={most!r}: give a whole number, at least 1")
        own = list(result.estimate.terms)
        if terms is None:
            chosen = [j for j, name in enumerate(own) if j in _slopes(result) and name != "Intercept"]
        else:
            known = {name: (j,) for j, name in enumerate(own)} | dict(result.about.terms)
            wanted = [terms] if isinstance(terms, str) else list(terms)
            for name in wanted:
                if name not in known:
                    raise ArgumentError(f"terms: no coefficient is {name!r}{nearest(name, list(known))}")
            chosen = list(dict.fromkeys(j for name in wanted for j in known[name]))
        if not chosen:
            raise ArgumentError("terms: the model has no coefficients beside its intercepts; name what is to be drawn")
        n_all = len(chosen)
        if n_all > most:
            sizes = np.abs(result.z)
            sizes = np.where(np.isinf(result.coefficients), np.inf, np.nan_to_num(sizes, nan=-1.0)).max(axis=0)
            chosen = sorted(chosen[k] for k in largest([sizes[j] for j in chosen], most))
        frame = result.confidence_intervals(level, method=intervals, terms=[own[j] for j in chosen])
        places = np.searchsorted(np.unique(chosen), chosen)
        lower, upper = (
            np.asarray(frame[side]).reshape(len(result.coefficients), -1)[:, places] for side in ("lower", "upper")
        )
        kind = {"wald": "Wald", "profile": "profile-likelihood"}[intervals]
        equations = result.estimate.equations
        return cls(
            result.coefficients[:, chosen],
            lower,
            upper,
            [own[j] for j in chosen],
            [str(each) for each in equations],
            _subject(result),
            odds_ratios,
            f"{100 * level:g} % {kind} interval",
            n_all - len(chosen),
        ).plot(ax)

    def __post_init__(self) -> None:
        self.coefficients, self.lower, self.upper = (
            np.atleast_2d(np.asarray(each, dtype=np.float64)) for each in (self.coefficients, self.lower, self.upper)
        )

    def _paper(self) -> Paper:
        names = [literal(name) for name in self.names]
        sides = max(text_size(wrapped(name, _NAME_WIDTH))[0] for name in names)
        sides += max(text_size(self._numbers(e, j), 9)[0] for e, j in np.ndindex(self.coefficients.shape))
        return max(6.4, sides / 72 + 3.4), intervals_height(names, len(self.equations)), 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        low, high = self._limits()
        turned = np.exp if self.odds_ratios else np.asarray
        if self.odds_ratios:
            panel.set_xscale("log")
        panel.set_xlim(float(turned(low)), float(turned(high)))
        panel.axvline(1.0 if self.odds_ratios else 0.0, **REFERENCE)
        shown = [np.clip(each, low, high) for each in (self.lower, self.upper)]
        centre = np.where(np.isfinite(self.coefficients), self.coefficients, np.nan)
        drawn = draw_intervals(panel, self.names, turned(centre), *(turned(each) for each in shown))
        self._mark_the_endless(panel, low, high, turned)
        self._write_numbers(panel)
        panel.set(xlabel=f"{self._what()}, {self.interval}", ylabel="term")
        _set_ticks(panel, low, high, self.odds_ratios)
        if len(self.equations) > 1:
            key_above(figure_of(panel), {literal(name): line for name, line in zip(self.equations, drawn, strict=True)})

    def _what(self) -> str:
        return "odds ratio" if self.odds_ratios else "coefficient (log odds)"

    def _limits(self) -> tuple[float, float]:
        """Of the axis, for coefficients: all estimates, and intervals unless they are much wider
        than what these span."""
        values = self.coefficients[np.isfinite(self.coefficients)]
        ends = np.concatenate([each[np.isfinite(each)] for each in (self.lower, self.upper)])
        first, last = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
        widths = (self.upper - self.lower)[np.isfinite(self.upper - self.lower)]
        span = max(last - first, float(np.median(widths)) if len(widths) else 0.0) or 1.0
        beyond = _FARTHEST * span
        if self.odds_ratios:
            beyond = min(beyond, _FARTHEST_LOGARITHM)
        low = max(first - beyond, min(ends.min(initial=first), first))
        high = min(last + beyond, max(ends.max(initial=last), last))
        room = 0.04 * (high - low) or 0.5
        return low - room, high + room

    def _mark_the_endless(self, panel: Axes, low: float, high: float, turned: Any) -> None:
        """Arrow heads at the edge where an estimate or an end lies beyond it."""
        places, inside = _places(len(self.names), len(self.equations)), 0.012 * (high - low)
        for e, j in np.ndindex(self.coefficients.shape):
            looks: dict[str, Any] = {"color": mark(e)["color"], "markersize": 6, "linestyle": "none"}
            if self.upper[e, j] > high or self.coefficients[e, j] == np.inf:
                panel.plot(turned(high - inside), places[e, j], marker=">", **looks)
            if self.lower[e, j] < low or self.coefficients[e, j] == -np.inf:
                panel.plot(turned(low + inside), places[e, j], marker="<", **looks)

    def _write_numbers(self, panel: Axes) -> None:
        """The numbers right of the axes, where there is room for them."""
        if not is_ours(figure_of(panel)):
            return
        places = _places(len(self.names), len(self.equations))
        for e, j in np.ndindex(self.coefficients.shape):
            panel.annotate(
                self._numbers(e, j),
                (1.02, places[e, j]),
                xycoords=panel.get_yaxis_transform(),
                va="center",
                fontsize=9 if len(self.equations) == 1 else 8,
                annotation_clip=False,
            )

    def _numbers(self, e: int, j: int) -> str:
        value, low, high = (float(each[e, j]) for each in (self.coefficients, self.lower, self.upper))
        if np.isnan(value):
            return "not estimated"
        if self.odds_ratios:
            with np.errstate(over="ignore"):
                value, low, high = (float(np.exp(each)) for each in (value, low, high))
        if np.isnan(low) or np.isnan(high):
            return f"{_written(value)} (no interval)"
        return f"{_written(value)} ({_written(low)} to {_written(high)})"

    def title(self) -> str:
        """What the picture shows."""
        n = len(self.names)
        what = "Odds ratios" if self.odds_ratios else "Coefficients"
        share = f"The {n} most certain of {n + self.n_left_out} {what.lower()}" if self.n_left_out else what
        return literal(f"{share} of {self.subject}")

    def description(self) -> str:
        """How many intervals exclude no effect, and the coefficient that is farthest from it."""
        shown = np.isfinite(self.lower) | np.isfinite(self.upper)
        excluding = (self.lower > 0) | (self.upper < 0)
        none = "an odds ratio of 1" if self.odds_ratios else "a coefficient of 0"
        told = f"{int(excluding.sum())} of {counted(int(shown.sum()), 'interval')} without {none}"
        finite = np.where(np.isfinite(self.coefficients), np.abs(self.coefficients), -1.0)
        e, j = divmod(int(finite.argmax()), finite.shape[1])
        farthest = ""
        if finite[e, j] >= 0:
            of = f" for {self.equations[e]}" if len(self.equations) > 1 else ""
            farthest = f"; the farthest from it is that of {self.names[j]}{of}, {self._numbers(e, j)}"
        endless = int(np.isinf(self.coefficients).sum())
        more = f" {counted(endless, 'coefficient')} without a finite estimate." if endless else ""
        what = "Odds ratios" if self.odds_ratios else "Coefficients"
        return f"{what} of {self.subject}: {told}{farthest}.{more}"


def result_of(result: Any) -> None:
    """Raises ArgumentError for what is not a table of coefficients."""
    if not isinstance(result, Result):
        raise ArgumentError(
            f"result is {type(result).__name__}: give what fit_formula, summarize, fit_firth or fit_ordered of "
            "polytome.inference return"
        )


def draw_intervals(panel: Axes, names: Sequence[str], values: Array, lower: Array, upper: Array) -> list[Any]:
    """Draw points with intervals, all of one name below each other, the first name on top.

    Args:
        panel: axes with limits set.
        names: shape (n,), as data have them.
        values: shape (n_series, n); NaN has no point.
        lower: of the same shape.
        upper: of the same shape.

    Returns:
        A mark of each series, for a key.
    """
    n_series, n = values.shape
    places, drawn = _places(n, n_series), []
    for e in range(n_series):
        looks = mark(e)
        line: dict[str, Any] = {"color": looks["color"], "linewidth": 1.6, "solid_capstyle": "butt"}
        for j in range(n):
            panel.plot([lower[e, j], upper[e, j]], [places[e, j]] * 2, **line)
        drawn += panel.plot(values[e], places[e], linestyle="none", markersize=5.5, zorder=3, **looks)
    panel.set_yticks(np.arange(n), [wrapped(literal(name), _NAME_WIDTH) for name in names])
    panel.set_ylim(n - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    if n_series > 1:
        for boundary in np.arange(n - 1) + 0.5:
            panel.axhline(boundary, color=GREY, linewidth=0.3)
    return drawn


def intervals_height(names: Sequence[str], n_series: int) -> float:
    """Height in inches of axes with room for every name and every interval.

    Example:
        >>> intervals_height(["a", "b"], 1)
        1.8
    """
    lines = max(text_size(wrapped(name, _NAME_WIDTH))[1] for name in names) / 72
    return max(1.8, 0.9 + max(lines + 0.09, 0.17 * n_series + 0.08) * len(names))


def _places(n: int, n_series: int) -> Array:
    """The heights of intervals, (n_series, n)."""
    within = (np.arange(n_series) - (n_series - 1) / 2) * 0.8 / n_series
    places: Array = np.arange(n)[None, :] + within[:, None]
    return places


def _slopes(result: Result) -> range:
    """The places of what is not a threshold."""
    sample = result.sample
    has_thresholds = result.about.reference is None and sample is not None
    return range(len(sample.names) if has_thresholds and sample is not None else len(result.estimate.terms))


def _subject(result: Result) -> str:
    about = result.about
    if about.reference is None:
        return f"higher classes of {about.response}"
    if len(result.estimate.equations) == 1:
        return f"{about.response} = {result.estimate.equations[0]} against {about.reference}"
    return f"each class of {about.response} against {about.reference}"


def _written(value: float) -> str:
    """A number with three digits, or as many as tell it from 1."""
    if np.isfinite(value) and 0.99 < value < 1.01 and value != 1:
        digits = int(np.ceil(-np.log10(abs(value - 1)))) + 1
        return f"{value:.{min(digits, 8)}f}"
    return short(value)


def _set_ticks(panel: Axes, low: float, high: float, is_log: bool) -> None:
    """Round numbers, as many as there is room for."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

    figure = figure_of(panel)
    figure.draw_without_rendering()
    most = max(3, int(panel.get_window_extent().width * 72 / figure.dpi / 40))
    if not is_log:
        panel.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
        return
    ticks = log_ticks(float(np.exp(low)), float(np.exp(high)), most)
    panel.xaxis.set_major_locator(FixedLocator(list(ticks)))
    panel.xaxis.set_major_formatter(FixedFormatter([_written(tick) for tick in ticks]))
    panel.xaxis.set_minor_locator(NullLocator())


def log_ticks(low: float, high: float, most: int) -> Array:
    """Round numbers on a logarithmic axis, at most so many.

    Example:
        >>> log_ticks(0.3, 4.0, 5).tolist(), log_ticks(1e-4, 1e5, 6).tolist()
        ([0.5, 1.0, 2.0], [0.0001, 0.01, 1.0, 100.0, 10000.0])
    """
    from matplotlib.ticker import MaxNLocator

    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    powers = np.arange(first, last + 1)
    for digits in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = np.array([digit * 10.0**power for power in powers for digit in digits])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) <= most:
            if len(ticks) >= 3:
                return ticks
            break
    if len(ticks) <= most:
        linear = np.asarray(MaxNLocator(most - 1, steps=[1, 2, 5, 10]).tick_values(low, high))
        return linear[(linear >= low) & (linear <= high) & (linear > 0)]
    step = -(-len(powers) // most)
    ticks = 10.0 ** np.array([power for power in powers if power % step == 0])
    return ticks[(ticks >= low) & (ticks <= high)]
