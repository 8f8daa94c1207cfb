"""The plane of two features, divided into the regions that a classifier gives to each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from polytome.errors import ArgumentError
from polytome.plots.drawing import INK, PALETTE, chart, figure_of, mark, new_figure, numbers, tint
from polytome.plots.labels import key_above, literal, text_size

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

__all__ = ["decision_regions", "draw_decision_regions"]

_GRID = (320, 480)  # rows and columns of predictions
_FEW = 1000  # the most points that are shapes in an SVG; more become one picture
_SAMPLE = 14.0  # points for the mark in front of a name


@chart
def decision_regions(
    X: ArrayLike, y: ArrayLike, predict: Callable[[Array], ArrayLike], *, x_label: str, y_label: str
) -> Figure:
    """Draw rows with two features by class, on the regions that `predict` gives to each class.

    Each class's name stands in its own region, beside its mark, where no row lies. If there is no
    room for one of them, a key above the axes explains all marks.

    Args:
        X: shape (n, 2).
        y: labels, shape (n,).
        predict: (m, 2) rows -> (m,) labels.
        x_label: the first feature, with its unit.
        y_label: the second feature, with its unit.

    Raises:
        ArgumentError: X does not have two columns and one row for each label, or a value is not
            finite.

    Example:
        >>> def predict(X):
        ...     return np.where(X.sum(axis=1) > 1, "tall", "small")
        >>> X = [[0, 0], [1, 1]]
        >>> figure = decision_regions(X, ["small", "tall"], predict, x_label="width (cm)", y_label="height (cm)")
        >>> figure.axes[0].get_xlabel()
        'width (cm)'
    """
    figure, (axes,) = new_figure()
    draw_decision_regions(axes, X, y, predict, x_label=x_label, y_label=y_label)
    return figure


def draw_decision_regions(
    axes: Axes,
    X: ArrayLike,
    y: ArrayLike,
    predict: Callable[[Array], ArrayLike],
    *,
    x_label: str,
    y_label: str,
    strength: Callable[[Array], ArrayLike] | None = None,
    strengths_key: Mapping[str, Artist] | None = None,
) -> None:
    """Draw what `decision_regions` draws on existing axes, with tints of given strength.

    Args:
        axes: where to draw.
        X: shape (n, 2).
        y: labels, shape (n,).
        predict: (m, 2) rows -> (m,) labels.
        x_label: the first feature, with its unit.
        y_label: the second feature, with its unit.
        strength: (m, 2) rows -> (m,) strengths of the region's colour, from 0 (white) to 1; the
            same for all if None.
        strengths_key: what a strength means -> a sample of it, for the key above the axes.

    Raises:
        ArgumentError: X does not have two columns and one row for each label, or a value is not
            finite.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> def predict(X):
        ...     return X[:, 0] > 1
        >>> draw_decision_regions(axes, [[0, 0], [2, 1]], [False, True], predict, x_label="a", y_label="b")
        >>> [line.get_xdata().tolist() for line in axes.lines]
        [[0.0], [2.0]]
    """
    X, y = numbers(X, "X", dimensions=2), np.asarray(y)
    if X.shape[1] != 2 or y.shape != (len(X),):
        raise ArgumentError(f"X, y: shapes {X.shape} and {y.shape}; give two features and one label for each row")
    if not np.isfinite(X).all():
        raise ArgumentError("X: a value is not finite; leave its row out")
    across, upwards = _range(X[:, 0], _GRID[1]), _range(X[:, 1], _GRID[0])
    plane = np.column_stack([part.ravel() for part in np.meshgrid(across, upwards)])
    predicted = np.asarray(predict(plane))
    if predicted.shape != (_GRID[0] * _GRID[1],):
        raise ArgumentError(f"predict: returned shape {predicted.shape}; it must return one label for each row")
    labels, codes = np.unique(np.concatenate([y, predicted]), return_inverse=True)
    regions = codes[len(y) :].reshape(_GRID)
    strengths = np.full(_GRID, 0.2) if strength is None else np.asarray(strength(plane), np.float64).reshape(_GRID)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=across[[0, -1]], ylim=upwards[[0, -1]])
    _draw_regions(axes, across, upwards, regions, strengths)
    key = {}
    for code, label in enumerate(labels):
        rows = X[codes[: len(y)] == code]
        (key[literal(label)],) = axes.plot(rows[:, 0], rows[:, 1], **_points(code), rasterized=len(X) > _FEW)
    figure = figure_of(axes)
    places = _places(figure, axes, regions, list(key), X)
    above = dict(strengths_key or {}) | (key if len(places) < len(labels) else {})
    if above:
        key_above(figure, above)
        places = _places(figure, axes, regions, list(key), X)
    for code, place in places.items():
        _write_name(axes, place, list(key)[code], code)


def _range(values: Array, n: int) -> Array:
    """Points from a little below the smallest value to a little above the largest."""
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or max(0.5, abs(high) / 10)
    return np.linspace(low - margin, high + margin, n)


def _points(code: int) -> dict[str, Any]:
    looks = {"linestyle": "none", "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 3}
    return mark(code) | looks


def _draw_regions(axes: Axes, across: Array, upwards: Array, regions: Array, strengths: Array) -> None:
    """Tints, and a thin line wherever two regions meet."""
    colours = np.zeros((*regions.shape, 3), np.uint8)
    for code, strength in np.unique(np.column_stack([regions.ravel(), strengths.ravel()]), axis=0):
        colour = tint(PALETTE[int(code) % len(PALETTE)], strength)
        here = (regions == code) & (strengths == strength)
        colours[here] = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    extent = (across[0], across[-1], upwards[0], upwards[-1])
    axes.imshow(colours, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for code in np.unique(regions):
        if (regions != code).any():
            # Smoothed, so that a sloping border is a line and not a staircase of the grid.
            inside = ndimage.gaussian_filter((regions == code).astype(float), 2.5)
            axes.contour(across, upwards, inside, levels=[0.5], colors=INK, linewidths=0.6)


def _write_name(axes: Axes, place: tuple[float, float], name: str, code: int) -> None:
    """A mark and a name on a white background, so that the mark is not mistaken for a row."""
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea, HPacker, TextArea

    sample = DrawingArea(_SAMPLE - 4, 8)
    sample.add_artist(Line2D([5], [4], **_points(code)))
    packed = HPacker(children=[sample, TextArea(name)], pad=0, sep=4, align="center")
    looks = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    axes.add_artist(AnnotationBbox(packed, place, bboxprops=looks))


def _places(figure: Figure, axes: Axes, regions: Array, names: list[str], X: Array) -> dict[int, tuple[float, float]]:
    """Where each name fits into its class's region without covering rows: code -> centre.

    A place is free if the whole rectangle around it is: a minimum over a window of the rectangle's
    size. The free place closest to the centre of the region is used.
    """
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    rows, columns = regions.shape
    per_row, per_column = (72 / figure.dpi * length / n for length, n in ((box.height, rows), (box.width, columns)))
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    taken = np.zeros(regions.shape, bool)
    at = ((X - [left, bottom]) / [right - left, top - bottom] * [columns - 1, rows - 1]).round().astype(int)
    taken[at[:, 1], at[:, 0]] = True
    taken = ndimage.maximum_filter(taken, (round(12 / per_row), round(12 / per_column)))
    places = {}
    for code, name in enumerate(names):
        width, height = text_size(name)
        window = (int((height + 12) / per_row) + 1, int((width + _SAMPLE + 14) / per_column) + 1)
        region = regions == code
        free = np.argwhere(ndimage.minimum_filter(region & ~taken, window, mode="constant", cval=False))
        if len(free):
            middle = np.argwhere(region).mean(axis=0)
            row, column = free[np.argmin((((free - middle) * [per_row, per_column]) ** 2).sum(axis=1))]
            x = left + (right - left) * column / (columns - 1)
            places[code] = (float(x), float(bottom + (top - bottom) * row / (rows - 1)))
    return places
