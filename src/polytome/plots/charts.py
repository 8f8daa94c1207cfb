"""Charts of numbers: curves, points with curves, and bars.

Every function takes plain arrays and returns a figure in the style of `polytome.plots.drawing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import GREY, INK, PALETTE, chart, figure_of, mark, new_figure, numbers, stroke
from polytome.plots.labels import EndLabel, key_above, label_ends, short, text_size, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

Array = NDArray[Any]

__all__ = [
    "bar_panels",
    "bars",
    "bars_height",
    "curves",
    "draw_bars",
    "draw_curves",
    "draw_points_with_curves",
    "make_room",
    "points_with_curves",
]

_HATCHES = ("", "////", "....", "xxxx")
_FEW = 25  # so few points of a curve are marked one by one
_POINTS: dict[str, Any] = {
    "linestyle": "none",
    "markersize": 6,
    "alpha": 0.75,
    "markeredgecolor": "white",
    "markeredgewidth": 0.5,
    "zorder": 3,
}
_LEVEL: dict[str, Any] = {"color": GREY, "linestyle": (0, (4, 3)), "linewidth": 1.0}


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

    A value that is not finite interrupts its line. Where there are at most 25 points they are marked.

    Args:
        series: name -> (x, y), two arrays of one length. The name `""` is not written.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line to compare with.
        log_x: logarithmic x; only positive values can be seen.
        log_y: logarithmic y; a value that is not positive leads out of the picture.
        y_limits: the part of y to show; all of it if None.

    Raises:
        ArgumentError: there is no series, lengths differ, or a series has nothing that can be drawn.

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
    """Draw what `curves` draws on axes that are there.

    Args:
        axes: where to draw.
        series: as for `curves`, and so are the others.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line to compare with.
        log_x: logarithmic x.
        log_y: logarithmic y.
        y_limits: the part of y to show; all of it if None.

    Raises:
        ArgumentError: there is no series, lengths differ, or a series has nothing that can be drawn.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_curves(axes, {"loss": ([1, 2], [0.7, 0.5])}, x_label="epoch", y_label="loss (nats)")
        >>> axes.lines[0].get_ydata()
        array([0.7, 0.5])
    """
    if not series:
        raise ArgumentError("series: there are none; give at least one")
    axes.set(xlabel=x_label, ylabel=y_label, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    lines = {}
    for position, (name, pair) in enumerate(series.items()):
        x, y = _pair(name, pair)
        if not (np.isfinite(y) & ((x > 0) | (not log_x)) & ((y > 0) | (not log_y))).any():
            raise ArgumentError(f"series {name!r}: no value can be drawn; give finite ones, positive on a log axis")
        marked = {"marker": mark(position)["marker"], "markersize": 5} if len(x) <= _FEW else {}
        (lines[name],) = axes.plot(x, y, **stroke(position), **marked)
    drawn_levels = [axes.axhline(height, **_LEVEL) for height in (levels or {}).values()]
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

    One feature against 0 and 1 with a line and a sigmoid; predicted probabilities on their sigmoid, by class; a line
    through one group of points.

    Args:
        groups: name -> (x, y) of its points. The name `""` is not written.
        functions: name -> function of an array of x; drawn a little beyond the points.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line, for instance the cut-off at 0.5.

    Raises:
        ArgumentError: there is no point, or a group's lengths differ.

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
    """Draw what `points_with_curves` draws on axes that are there.

    Args:
        axes: where to draw.
        groups: as for `points_with_curves`, and so are the others.
        functions: name -> function of an array of x.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        levels: name -> height of a dashed line.

    Raises:
        ArgumentError: there is no point, or a group's lengths differ.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_points_with_curves(axes, {"a": ([0, 1], [0, 1])}, {}, x_label="x (cm)", y_label="y (cm)")
        >>> axes.lines[0].get_xdata()
        array([0., 1.])
    """
    pairs = {name: _pair(name, pair) for name, pair in groups.items()}
    finite = np.concatenate([x[np.isfinite(x + y)] for x, y in pairs.values()]) if pairs else np.empty(0)
    if not finite.size:
        raise ArgumentError("groups: there is no point with finite x and y; give at least one")
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
        ends.append((name, *axes.plot(grid, y, **stroke(position))))
    drawn_levels = [axes.axhline(height, **_LEVEL, zorder=1) for height in (levels or {}).values()]
    axes.set_xlim(grid[0], grid[-1])
    key.pop("", None)
    labels = [_end(name, line) for name, line in ends] + _level_labels(axes, levels, drawn_levels)
    if key:
        key_above(figure_of(axes), key)
    label_ends(axes, labels)


@chart
def bars(names: Sequence[str], series: Mapping[str, ArrayLike], *, value_label: str, name_label: str) -> Figure:
    """Draw a distribution, or several side by side, as bars with their values.

    The bars lie flat, so that names of any length and number can be read without turning the head. A value that is
    not finite has no bar, only its name.

    Args:
        names: one per value.
        series: name -> one value per name, in one unit for all.
        value_label: what the values are, with their unit.
        name_label: what the names are.

    Raises:
        ArgumentError: lengths differ, or there is nothing to draw.

    Example:
        >>> both = {"P": [1, 0], "Q": [0.7, 0.3]}
        >>> figure = bars(["cat", "dog"], both, value_label="probability", name_label="animal")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '0', '0.7', '0.3']
    """
    values = _columns(names, series)
    figure, (axes,) = new_figure(height=bars_height(names, len(values)))
    drawn = draw_bars(axes, names, list(values.values()))
    axes.set(xlabel=value_label, ylabel=name_label)
    if len(values) > 1:
        key_above(figure, dict(zip(values, drawn, strict=True)))
    return figure


@chart
def bar_panels(names: Sequence[str], panels: Mapping[str, ArrayLike], *, name_label: str) -> Figure:
    """Draw values in different units beside one another, such as scores and their softmax.

    Args:
        names: one per value; they stand left of the first panel and count for all.
        panels: what the values are, with their unit -> one value per name.
        name_label: what the names are.

    Raises:
        ArgumentError: lengths differ, or there is nothing to draw.

    Example:
        >>> figure = bar_panels(["a", "b"], {"score": [1, 2], "probability": [0.27, 0.73]}, name_label="class")
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['score', 'probability']
    """
    values = _columns(names, panels)
    figure, all_axes = new_figure(height=bars_height(names, 1), columns=len(values))
    for axes, (label, column) in zip(all_axes, values.items(), strict=True):
        draw_bars(axes, names, [column])
        axes.set_xlabel(wrapped(label, 60 // len(values)))
    all_axes[0].set_ylabel(name_label)
    for axes in all_axes[1:]:
        axes.tick_params(labelleft=False)
    return figure


def _pair(name: str, pair: tuple[ArrayLike, ArrayLike]) -> tuple[Array, Array]:
    """The x and y of a series, of one length."""
    x, y = numbers(pair[0], f"x of {name!r}"), numbers(pair[1], f"y of {name!r}")
    if len(x) != len(y):
        raise ArgumentError(f"{name!r}: {len(x)} values of x but {len(y)} of y; give as many of each")
    return x, y


def _plain_decades(axes: Axes) -> None:
    """On a logarithmic axis of few decades plain numbers, 1, 2, 5, 10, in place of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.yaxis.minorticks_off()
    low, high = axes.get_ylim()
    if high < 1000 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _end(name: str, line: Line2D) -> EndLabel:
    """Where a curve's name is tied: its rightmost point that can be seen, or its rightmost finite one."""
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


def _columns(names: Sequence[str], series: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The values of every series, as many as there are names."""
    columns = {name: numbers(values, name) for name, values in series.items()}
    if not columns:
        raise ArgumentError("series: there are none; give at least one")
    for name, values in columns.items():
        if len(values) != len(names):
            raise ArgumentError(f"{name!r}: {len(values)} values for {len(names)} names; give one for each")
    return columns


def bars_height(names: Sequence[str], n_series: int) -> float:
    """Height in inches of axes in which every bar and every line of a name has room.

    Args:
        names: one per value.
        n_series: how many bars each has.

    Example:
        >>> bars_height(["a", "b"], 1)
        2.0
    """
    lines = sum(max(n_series, wrapped(name, 24).count("\n") + 1) for name in names)
    return max(2.0, 0.9 + 0.2 * lines + 0.12 * len(names))


def draw_bars(axes: Axes, names: Sequence[str], series: Sequence[Array]) -> list[Patch]:
    """Draw flat bars of all series with their values, the first name and the first series on top.

    Args:
        axes: where to draw.
        names: one per value.
        series: of float64 arrays, one value per name.

    Returns:
        A bar of each series, for a key.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> (bar,) = draw_bars(axes, ["a"], [np.array([2.0])])
        >>> bar.get_width()
        np.float64(2.0)
    """
    places = np.arange(len(names))
    thickness = 0.8 / len(series)
    samples: list[Patch] = []
    for position, values in enumerate(series):
        heights = places + (position - (len(series) - 1) / 2) * thickness
        looks: dict[str, Any] = {"color": PALETTE[position % len(PALETTE)], "hatch": _HATCHES[position % len(_HATCHES)]}
        lengths = np.where(np.isfinite(values), values, 0)
        drawn = axes.barh(heights, lengths, 0.85 * thickness, edgecolor="white", linewidth=0, **looks)
        samples.append(drawn.patches[0])
        for height, length, value in zip(heights, lengths, values, strict=True):
            side, shift = ("right", -3) if value < 0 else ("left", 3)
            place: dict[str, Any] = {"xytext": (shift, 0), "textcoords": "offset points", "ha": side, "va": "center"}
            axes.annotate(short(value), (length, height), fontsize=9, **place)
    axes.set_yticks(places, [wrapped(name, 24) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=INK, linewidth=0.8)
    make_room(axes, np.concatenate(series))
    return samples


def make_room(axes: Axes, values: Array) -> None:
    """Set limits at which the values written at the ends of bars stay inside the axes.

    Args:
        axes: with the bars drawn.
        values: the lengths of the bars, or those of all panels that are to share a scale.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> make_room(axes, np.array([1.0, 2.0]))
        >>> bool(axes.get_xlim()[1] > 2)
        True
    """
    from matplotlib.ticker import MaxNLocator

    figure = figure_of(axes)
    figure.draw_without_rendering()
    width = axes.get_window_extent().width * 72 / figure.dpi
    ends = np.where(np.isfinite(values), values, 0)
    texts = np.array([text_size(short(value), 9)[0] + 6 for value in values]) / width
    low, high = min(0.0, ends.min()), max(0.0, ends.max())
    span = high - low
    # What a text takes of the axis depends on the limits, and they on the texts: each round comes nearer to both.
    for _ in range(20):
        low = min(0.0, (ends - np.where(values < 0, texts, 0) * span).min())
        high = max(0.0, (ends + np.where(values < 0, 0, texts) * span).max())
        span = min(high - low, 5 * np.ptp([*ends, 0]))
    axes.set_xlim(low, high if high > low else 1)
    axes.xaxis.set_major_locator(MaxNLocator(max(2, int(width / 50)), steps=[1, 2, 5, 10]))
