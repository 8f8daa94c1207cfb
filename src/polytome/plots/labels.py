"""The texts of a figure: how large they are, how they are broken into lines, and where they stand
beside the data."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polytome.plots.drawing import figure_of, house_style, is_ours

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EndLabel", "key_above", "key_beside", "label_ends", "literal", "percent", "short", "text_size", "wrapped"]


def literal(text: object) -> str:
    """Text in which a dollar sign is a dollar sign: for names that come from data.

    Example:
        >>> literal("over $50K or under $20K").count(chr(92))
        2
    """
    return str(text).replace("$", r"\$")


def wrapped(text: str, width: int) -> str:
    """Text in lines of at most `width` characters; formulas between dollar signs stay whole.

    Example:
        >>> wrapped("loss of the test rows $-log p$", 14).splitlines()
        ['loss of the', 'test rows', '$-log p$']
    """
    whole = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", lambda formula: formula.group().replace(" ", "\0"), text)
    breakable = whole == text and "$" not in text
    lines = textwrap.fill(whole, width, break_long_words=breakable, break_on_hyphens=breakable)
    return lines.replace("\0", " ")


def short(value: float) -> str:
    """A number in at most three significant digits, with a true minus sign.

    Example:
        >>> [short(number) for number in (0.66524, -2.0, 12345.0, 1e-30, float("inf"))]
        ['0.665', '−2', '12345', '1e−30', '∞']
    """
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "−").replace("inf", "∞")


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent, with a space that does not break before the sign.

    Example:
        >>> percent(0.925, 1).split()
        ['92.5', '%']
    """
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def counted(n: int, noun: str) -> str:
    """A number of things, in the singular or the plural.

    Example:
        >>> counted(1, "row"), counted(5321, "row")
        ('1 row', '5,321 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


@lru_cache(maxsize=4096)
def text_size(text: str, size: float = 10) -> tuple[float, float]:
    """Width and height of a text, possibly of several lines, in points (72 to the inch).

    Example:
        >>> text_size("wide")[0] > text_size("i")[0]
        True
    """
    with house_style():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        # Letters are rounded to whole dots: with 576 to the inch no text is wider on paper than it
        # is measured here.
        figure = Figure((0.1, 0.1), dpi=576)
        FigureCanvasAgg(figure)
        box = figure.text(0, 0, text, fontsize=size).get_window_extent()
        return float(box.width) / 8, float(box.height) / 8


class EndLabel(NamedTuple):
    """A name right of the axes, connected by a thin line to the point it belongs to."""

    name: str
    x: float
    y: float
    color: str
    line: Artist | None = None
    """What the name belongs to, for a legend if there is no room beside the axes."""


def label_ends(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Write names right of the axes, each as close to its point's height as possible without
    overlapping another.

    The figure grows in height if the names need it. In a figure that `new_figure` did not make they
    stand in a legend.

    Args:
        axes: with all data drawn and limits set.
        labels: points in data coordinates.

    Reference:
        Barlow et al., "Statistical Inference under Order Restrictions" (1972): heights with given
        gaps that are nearest to wanted ones are an isotonic regression.
    """
    from scipy.optimize import isotonic_regression

    labels = [label for label in labels if label.name]
    if not labels:
        return
    figure = figure_of(axes)
    if not is_ours(figure):
        _legend(axes, {label.name: label.line for label in labels if label.line is not None})
        return
    texts = [wrapped(label.name, 22) for label in labels]
    sizes = np.array([text_size(text)[1] + 3 for text in texts])
    figure.draw_without_rendering()
    points_high = axes.get_window_extent().height * 72 / figure.dpi
    if sizes.sum() > points_high:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + (sizes.sum() - points_high) / 72)
        points_high = sizes.sum()
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = np.clip(to_axes.transform([(label.x, label.y) for label in labels]), 0, 1)
    order = np.argsort(wanted[:, 1], kind="stable")
    sizes = sizes[order] / points_high
    offsets = np.concatenate([[0], np.cumsum((sizes[:-1] + sizes[1:]) / 2)])
    free = isotonic_regression(wanted[order, 1] - offsets).x
    heights = np.clip(free, 0, max(0, 1 - offsets[-1])) + offsets
    for position, place in zip(order, heights, strict=True):
        color = labels[position].color
        axes.annotate(
            texts[position],
            xy=tuple(wanted[position]),
            xytext=(1.06, place),
            xycoords="axes fraction",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkA": 0, "relpos": (0, 0.5)},
        )


def key_above(figure: Figure, entries: Mapping[str, Artist]) -> None:
    """Explain marks in rows above the axes, where they cover no data; the figure grows by the rows
    it needs.

    In a figure that `new_figure` did not make they are explained in a legend inside the axes.

    Args:
        figure: before its names at the ends of lines are placed.
        entries: name of a class or series -> what is drawn for it.
    """
    if not is_ours(figure):
        first = next(iter(entries.values()))
        if first.axes is not None:
            _legend(first.axes, entries)
        return
    names = [wrapped(name, 40) for name in entries]
    width, height = figure.get_size_inches()
    columns = max(1, int((width * 72 - 20) // (max(text_size(name)[0] for name in names) + 36)))
    rows = -(-len(names) // columns)
    figure.set_size_inches(width, height + (rows - 1) * max(text_size(name)[1] + 5 for name in names) / 72)
    figure.legend(
        list(entries.values()), names, loc="outside upper left", ncols=columns, handlelength=1.6, columnspacing=1.2
    )


def key_beside(figure: Figure, entries: Mapping[str, Artist], heading: str) -> None:
    """Explain lines in a column right of the axes; in a figure that `new_figure` did not make, in a
    legend inside them.

    Args:
        figure: its axes make room for the column.
        entries: name of a line -> the line.
        heading: what the names mean.
    """
    if is_ours(figure):
        place: dict[str, Any] = {"loc": "outside right upper", "title": heading, "alignment": "left"}
        figure.legend(list(entries.values()), list(entries), handlelength=2.4, **place)
    elif (axes := next(iter(entries.values())).axes) is not None:
        _legend(axes, entries)


def _legend(axes: Any, entries: Mapping[str, Artist]) -> None:
    """Entries in the legend inside the axes, after those that it already has."""
    before = axes.get_legend()
    if before is not None:
        texts = [text.get_text() for text in before.get_texts()]
        entries = {**dict(zip(texts, before.legend_handles, strict=True)), **entries}
    axes.legend(list(entries.values()), list(entries), frameon=True, framealpha=0.85, edgecolor="none")
