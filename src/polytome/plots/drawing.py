"""One style for every figure: how a figure is made, how its parts are distinguished, and how it
becomes a file.

Figures are for paper as well as for screens: a white background, dark text of 10 and 11 points, 6.4
inches wide, one column of a page. The colours are those of Okabe and Ito, which people with any
colour vision can distinguish, and colour is never the only difference: lines also differ in their
dashes, points in their shape, and names stand beside what they name. Every axis of numbers says
what they are and in which unit.

Text between dollar signs is mathematics, as in Matplotlib; names that come from data go through
`literal`.

Reference:
    Okabe and Ito, "Color Universal Design" (2008): the palette. Tufte, "The Visual Display of
    Quantitative Information" (2001): no ink without information, labels beside the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import BytesIO
from threading import RLock
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GREY",
    "INK",
    "LINE_STYLES",
    "MARKERS",
    "PALETTE",
    "REFERENCE",
    "WARM_INK",
    "chart",
    "figure_of",
    "house_style",
    "is_ours",
    "mark",
    "new_figure",
    "numbers",
    "png_bytes",
    "settle",
    "stroke",
    "svg_bytes",
    "tint",
    "unlabelled",
]

Array = NDArray[Any]
Parameters = ParamSpec("Parameters")

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours without yellow, which is too faint on white paper."""

LINE_STYLES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)))
"""Their number shares no divisor with that of the colours: 28 lines come before a pair repeats."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
"""Shapes of points, for 70 classes before a pair of colour and shape repeats."""

INK = "#222222"
"""Text and axes."""

GREY = "#707070"
"""The background: reference lines, headings."""

REFERENCE: dict[str, Any] = {"color": GREY, "linestyle": (0, (4, 3)), "linewidth": 1.0, "zorder": 1}
"""A reference line, as arguments of `Axes.plot`."""

WARM_INK = "#A84A00"
"""The palette's vermilion, darker: text needs more contrast than lines (WCAG 2.2 requires 4.5)."""

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so that every machine draws the same letters
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.labelsize": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    # Text becomes outlines: no viewer can replace the font, so texts measured not to overlap do not
    # overlap.
    "svg.fonttype": "path",
    # Names inside the file are hashes with this salt instead of random ones: one figure, one
    # sequence of bytes.
    "svg.hashsalt": "polytome",
}
_OURS = "polytome"
_SAME_MARKS = re.compile(
    rb'(<g clip-path="[^"]*")>\n(<use [^>]*?( style="[^"]*")/>\n(?:<use [^>]*\3/>\n)*)</g>'
)  # points of one series in an SVG: each repeats how it looks
# Matplotlib's settings are global: without a lock two threads would restore each other's.
_SETTINGS_LOCK = RLock()


_is_set = False  # whether the thread that has the lock has set the style


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults with this style on top, whatever the user has set; restored at the
    end.

    It is also a decorator. Threads that draw wait for one another.

    Raises:
        MissingExtraError: Matplotlib is not installed.

    Example:
        >>> import matplotlib
        >>> with house_style():
        ...     matplotlib.rcParams["axes.labelsize"]
        11.0
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError('figures need matplotlib: pip install "polytome[report]"') from error
    global _is_set
    with _SETTINGS_LOCK:
        if _is_set:  # one figure asks for it some hundred times
            yield
            return
        with style.context(["default", _STYLE]):
            _is_set = True
            try:
                yield
            finally:
                _is_set = False


def chart(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a function that returns a figure draw it in this style, with everything in its final
    place.

    Matplotlib would rearrange the figure whenever it is drawn or saved, each time a little
    differently.

    Example:
        >>> @chart
        ... def empty():
        ...     return new_figure()[0]
        >>> svg_bytes(empty()) == svg_bytes(empty())
        True
    """

    @wraps(draw)
    def settled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with house_style():
            return settle(draw(*args, **kwargs))

    return settled


@house_style()
def settle(figure: Figure) -> Figure:
    """Put everything in its final place, and return the figure.

    Example:
        >>> settle(new_figure()[0]).axes[0].get_xlabel()
        ''
    """
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # "none" would leave one that does nothing, for which each file is drawn twice
    return figure


@house_style()
def new_figure(width: float = 6.4, height: float = 4.0, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make an empty figure of this style, which belongs to no window and no global list.

    Args:
        width: in inches.
        height: in inches.
        rows: of axes.
        columns: of axes.

    Returns:
        The figure and its axes, row by row. The axes move apart as far as their labels need.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> figure.get_size_inches()
        array([6.4, 4. ])
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", label=_OURS)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def figure_of(axes: Axes) -> Figure:
    """The whole figure that axes belong to, even those of a subfigure.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> figure_of(axes) is figure
        True
    """
    figure: Any = axes.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure  # type: ignore[no-any-return]


def is_ours(figure: Figure) -> bool:
    """Whether `new_figure` made a figure: then it may grow, and names may stand outside its axes.

    Example:
        >>> is_ours(new_figure()[0])
        True
    """
    return str(figure.get_label()) == _OURS


@house_style()
def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG: the same bytes whenever it is drawn with the same version of Matplotlib.

    Rasterised parts, such as thousands of points, have 150 dots per inch.

    Text is drawn as outlines. It cannot be searched, but looks the same in every viewer, and
    nothing overlaps if a font is missing.

    Args:
        figure: from one of the functions that draw.

    Example:
        >>> svg_bytes(new_figure()[0])[:19]
        b'<?xml version="1.0"'
    """
    target = BytesIO()
    figure.savefig(target, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    return _compact(target.getvalue())


def _compact(svg: bytes) -> bytes:
    """Without comments, indents and useless groups, places rounded to a hundredth of a point: half
    the size."""
    svg = re.sub(rb"<!--.*?-->", b"", svg, flags=re.DOTALL)
    svg = re.sub(rb">\s+<", b">\n<", svg)
    svg = re.sub(rb'<g id="\w+"/>\n', b"", svg)
    svg = re.sub(rb'<g id="text_\d+">\n(<g [^>]*>\n(?:<use [^>]*>\n)+</g>\n)</g>\n', rb"\1", svg)
    svg = _SAME_MARKS.sub(lambda found: found[1] + found[3] + b">\n" + found[2].replace(found[3], b"") + b"</g>", svg)
    places = re.compile(rb'(?: d| x| y)="[^"]*"|translate\([^)]*\)')
    return places.sub(lambda found: re.sub(rb"(\.\d\d)\d+", rb"\1", found.group()).replace(b"\n", b" "), svg)


@house_style()
def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG with 200 dots per inch, 1,280 across a column.

    Args:
        figure: from one of the functions that draw.

    Example:
        >>> png_bytes(new_figure()[0])[1:4]
        b'PNG'
    """
    target = BytesIO()
    figure.savefig(target, format="png", dpi=200, metadata={"Software": None})
    return target.getvalue()


def unlabelled(figure: Figure) -> list[str]:
    """The axes of a figure that show numbers or names without saying what they are; empty if there
    are none.

    Args:
        figure: anything drawn with Matplotlib.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> _ = axes.set_xlabel("petal length (cm)")
        >>> unlabelled(figure)
        ['y of axes 0']
    """
    if figure.stale:  # else its ticks are those that were drawn
        figure.draw_without_rendering()
    return [
        f"{name} of axes {number}"
        for number, axes in enumerate(figure.axes)
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis))
        if axes.axison
        and not axis.get_label_text().strip()
        and any(tick.get_visible() and tick.get_text() for tick in axis.get_ticklabels())
    ]


def stroke(position: int) -> dict[str, Any]:
    """Colour and dashes of the line at a position, as arguments of `Axes.plot`.

    Example:
        >>> stroke(0)
        {'color': '#0072B2', 'linestyle': '-'}
    """
    return {"color": PALETTE[position % len(PALETTE)], "linestyle": LINE_STYLES[position % len(LINE_STYLES)]}


def mark(position: int) -> dict[str, Any]:
    """Colour and shape of the points of the class at a position, as arguments of `Axes.plot`.

    Example:
        >>> mark(1)
        {'color': '#D55E00', 'marker': 's'}
    """
    return {"color": PALETTE[position % len(PALETTE)], "marker": MARKERS[position % len(MARKERS)]}


def tint(colour: str, strength: float = 0.2) -> str:
    """A colour mixed with white.

    Args:
        colour: `#rrggbb`.
        strength: 1 leaves the colour unchanged, 0 makes it white.

    Example:
        >>> tint("#0072B2", 0.2)
        '#cce3f0'
    """
    parts = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + strength * (part - 255)):02x}" for part in parts)


def numbers(values: ArrayLike, name: str, dimensions: int = 1) -> Array:
    """Values as float64, checked before anything is drawn.

    Raises:
        ArgumentError: they are not real numbers, have other dimensions, or there are none.

    Example:
        >>> numbers([1, 2], "x")
        array([1., 2.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name}: {error}; give real numbers") from error
    if array.ndim != dimensions or not array.size:
        raise ArgumentError(f"{name}: shape {array.shape}; give {dimensions} dimension(s) and at least one number")
    return array
