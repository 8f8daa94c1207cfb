"""Charts of named numbers: horizontal bars, in one chart or in panels side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import INK, PALETTE, chart, figure_of, new_figure, numbers
from polytome.plots.labels import key_above, short, text_size, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

Array = NDArray[Any]

__all__ = ["bar_panels", "bars", "bars_height", "draw_bars", "make_room"]

_HATCHES = ("", "////", "....", "xxxx")


@chart
def bars(names: Sequence[str], series: Mapping[str, ArrayLike], *, value_label: str, name_label: str) -> Figure:
    """Draw a distribution, or several side by side, as bars with their values.

    The bars are horizontal, so that any number of names of any length can be read. A value that is
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
    """Draw values in different units side by side, such as scores and their softmax.

    Args:
        names: one per value; they stand left of the first panel and hold for all panels.
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


def _columns(names: Sequence[str], series: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The values of every series, one for each name."""
    columns = {name: numbers(values, name) for name, values in series.items()}
    if not columns:
        raise ArgumentError("series is empty: give at least one")
    for name, values in columns.items():
        if len(values) != len(names):
            raise ArgumentError(f"{name!r}: {len(values)} values for {len(names)} names; give one for each")
    return columns


def bars_height(names: Sequence[str], n_series: int) -> float:
    """Height in inches of axes that leave room for every bar and every line of a name.

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
    """Draw horizontal bars of all series with their values, the first name and the first series on
    top.

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
    # The room for the texts depends on the limits, and the limits on the texts: each round comes
    # closer to both.
    for _ in range(20):
        low = min(0.0, (ends - np.where(values < 0, texts, 0) * span).min())
        high = max(0.0, (ends + np.where(values < 0, 0, texts) * span).max())
        span = min(high - low, 5 * np.ptp([*ends, 0]))
    axes.set_xlim(low, high if high > low else 1)
    axes.xaxis.set_major_locator(MaxNLocator(max(2, int(width / 50)), steps=[1, 2, 5, 10]))
