"""Charts of numbers: curves, and points with curves.

Every function takes plain arrays and returns a figure in the style of `polytome.plots.drawing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import GREY, REFERENCE, chart, figure_of, mark, new_figure, numbers, stroke
from polytome.plots.labels import EndLabel, key_above, label_ends, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Array = NDArray[Any]

__all__ = ["curves", "draw_curves", "draw_points_with_curves", "points_with_curves"]

_FEW = 25  # the most points of a curve that are marked one by one
_POINTS: dict[str, Any] = {
    "linestyle": "none",
    "markersize": 6,
    "alpha": 0.75,
    "markeredgecolor": "white",
    "markeredgewidth": 0.5,
    "zorder": 3,
}


@chart
def curves(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    y_limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw one line per series, with its name at its end.

    A value that is not finite interrupts its line. Up to 25 points are marked.

    Args:
        series: name -> (x, y), two arrays of one length. The name `""` is not written.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line to compare with.
        log_x: logarithmic x; only positive values are shown.
        log_y: logarithmic y; at a value that is not positive the line leaves the picture.
        y_limits: the part of y to show; all of it if None.

    Raises:
        ArgumentError: there is no series, lengths differ, or a series has nothing that can be
            drawn.

    Example:
        >>> z = np.linspace(-6, 6, 200)
        >>> figure = curves({"sigmoid": (z, 1 / (1 + np.exp(-z)))}, x_label="score $z$", y_label="probability")
        >>> figure.axes[0].get_xlabel()
        'score $z$'
    """
    figure, (axes,) = new_figure()
    draw_curves(
        axes, series, x_label=x_label, y_label=y_label, levels=levels, log_x=log_x, log_y=log_y, y_limits=y_limits
    )
    return figure


def draw_curves(
    axes: Axes,
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    y_limits: tuple[float, float] | None = None,
) -> None:
    """Draw what `curves` draws on existing axes.

    Args:
        axes: where to draw.
        series: as for `curves`, like all the following.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line to compare with.
        log_x: logarithmic x.
        log_y: logarithmic y.
        y_limits: the part of y to show; all of it if None.

    Raises:
        ArgumentError: there is no series, lengths differ, or a series has nothing that can be
            drawn.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_curves(axes, {"loss": ([1, 2], [0.7, 0.5])}, x_label="epoch", y_label="loss (nats)")
        >>> axes.lines[0].get_ydata()
        array([0.7, 0.5])
    """
    if not series:
        raise ArgumentError("series is empty: give at least one")
    axes.set(xlabel=x_label, ylabel=y_label, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    lines = {}
    for position, (name, pair) in enumerate(series.items()):
        x, y = _pair(name, pair)
        if not (np.isfinite(y) & ((x > 0) | (not log_x)) & ((y > 0) | (not log_y))).any():
            raise ArgumentError(f"series {name!r}: no value can be drawn; give finite ones, positive on a log axis")
        marked = {"marker": mark(position)["marker"], "markersize": 5} if len(x) <= _FEW else {}
        (lines[name],) = axes.plot(x, y, **stroke(position), **marked)
    drawn_levels = [axes.axhline(height, **REFERENCE) for height in (levels or {}).values()]
    axes.margins(x=0.02)
    if y_limits is not None:
        axes.set_ylim(*y_limits)
    if log_y:
        _plain_decades(axes)
    label_ends(axes, [_end(name, line) for name, line in lines.items()] + _level_labels(axes, levels, drawn_levels))


@chart
def points_with_curves(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]],
    functions: Mapping[str, Callable[[Array], ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Draw points of several groups, and functions of x through them.

    One feature against 0 and 1 with a line and a sigmoid; predicted probabilities on their sigmoid,
    by class; a line through one group of points.

    Args:
        groups: name -> (x, y) of its points. The name `""` is not written.
        functions: name -> function of an array of x; drawn a little beyond the points.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line, for instance the cut-off at 0.5.

    Raises:
        ArgumentError: there are no points, or a group's lengths differ.

    Example:
        >>> figure = points_with_curves(
        ...     {"setosa": ([1.4, 1.5], [0, 0]), "versicolor": ([4.5, 4.1], [1, 1])},
        ...     {"line": lambda x: 0.35 * x - 0.5}, x_label="petal length (cm)", y_label="class",
        ... )
        >>> len(figure.axes)
        1
    """
    figure, (axes,) = new_figure()
    draw_points_with_curves(axes, groups, functions, x_label=x_label, y_label=y_label, levels=levels)
    return figure


def draw_points_with_curves(
    axes: Axes,
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]],
    functions: Mapping[str, Callable[[Array], ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Draw what `points_with_curves` draws on existing axes.

    Args:
        axes: where to draw.
        groups: as for `points_with_curves`, like all the following.
        functions: name -> function of an array of x.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line.

    Raises:
        ArgumentError: there are no points, or a group's lengths differ.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_points_with_curves(axes, {"a": ([0, 1], [0, 1])}, {}, x_label="x (cm)", y_label="y (cm)")
        >>> axes.lines[0].get_xdata()
        array([0., 1.])
    """
    pairs = {name: _pair(name, pair) for name, pair in groups.items()}
    finite = np.concatenate([x[np.isfinite(x + y)] for x, y in pairs.values()]) if pairs else np.empty(0)
    if not finite.size:
        raise ArgumentError("groups: no point has finite x and y; give at least one")
    axes.set(xlabel=x_label, ylabel=y_label)
    key = {}
    for position, (name, (x, y)) in enumerate(pairs.items()):
        (key[name],) = axes.plot(x, y, **mark(position), **_POINTS)
    low, high = finite.min(), finite.max()
    margin = 0.08 * (high - low) or max(0.5, abs(high) / 10)
    grid = np.linspace(low - margin, high + margin, 400)
    ends = []
    for position, (name, function) in enumerate(functions.items(), start=len(pairs)):
        _, y = _pair(name, (grid, function(grid)))
        (line,) = axes.plot(grid, y, **stroke(position))
        ends.append((name, line))
    drawn_levels = [axes.axhline(height, **REFERENCE) for height in (levels or {}).values()]
    axes.set_xlim(grid[0], grid[-1])
    key.pop("", None)
    labels = [_end(name, line) for name, line in ends] + _level_labels(axes, levels, drawn_levels)
    if key:
        key_above(figure_of(axes), key)
    label_ends(axes, labels)


def _pair(name: str, pair: tuple[ArrayLike, ArrayLike]) -> tuple[Array, Array]:
    """The x and y of a series, of one length."""
    x, y = numbers(pair[0], f"x of {name!r}"), numbers(pair[1], f"y of {name!r}")
    if len(x) != len(y):
        raise ArgumentError(f"{name!r}: {len(x)} values of x but {len(y)} of y; give as many of each")
    return x, y


def _plain_decades(axes: Axes) -> None:
    """On a logarithmic axis of few decades, plain numbers, 1, 2, 5, 10, instead of powers of
    ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.yaxis.minorticks_off()
    low, high = axes.get_ylim()
    if high < 1000 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _end(name: str, line: Line2D) -> EndLabel:
    """Where a curve's name is attached: its rightmost visible point, or its rightmost finite
    one."""
    x, y = (np.asarray(part, np.float64) for part in line.get_data())
    axes = line.axes
    assert axes is not None
    bottom, top = sorted(axes.get_ylim())
    finite = np.isfinite(x) & np.isfinite(y)
    seen = finite & (y >= bottom) & (y <= top)
    if not finite.any():
        raise ArgumentError(f"{name!r}: no value is finite; there is nothing to draw")
    candidates = np.flatnonzero(seen if seen.any() else finite)
    last = candidates[np.argmax(x[candidates])]
    return EndLabel(name, float(x[last]), float(y[last]), str(line.get_color()), line)


def _level_labels(axes: Axes, levels: Mapping[str, float] | None, lines: Sequence[Line2D]) -> list[EndLabel]:
    right = axes.get_xlim()[1]
    named = zip((levels or {}).items(), lines, strict=True)
    return [EndLabel(name, right, height, GREY, line) for (name, height), line in named]
