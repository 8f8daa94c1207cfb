"""Matrices and images: numbers in coloured cells, pictures with captions, weights as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import GREY, PALETTE, chart, new_figure, numbers
from polytome.plots.labels import short, text_size, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]

__all__ = ["PICTURE", "draw_cells", "draw_picture", "heat_map", "image_grid", "signed_colours", "weight_images"]

_BLUE, _VERMILLION = PALETTE[:2]
PICTURE = 1.15
"""Inches: width of one picture of a grid."""

_FEW = 900  # the most cells that are shapes in an SVG; more become one picture


@chart
def heat_map(
    matrix: ArrayLike,
    *,
    row_names: Sequence[str],
    column_names: Sequence[str],
    row_label: str,
    column_label: str,
    value_label: str,
) -> Figure:
    """Draw a small matrix as coloured cells with their numbers: a Jacobian, a confusion matrix.

    Without negative values the cells go from white to blue; with them zero is white, blue is above
    and vermilion below. The figure is as large as the numbers need.

    Args:
        matrix: shape (rows, columns). A value that is not finite is written in a grey cell.
        row_names: one per row, first row on top.
        column_names: one per column.
        row_label: what the rows are.
        column_label: what the columns are.
        value_label: what the numbers are, with their unit; written above.

    Raises:
        ArgumentError: there are not as many names as rows or columns.

    Example:
        >>> figure = heat_map(
        ...     [[0.19, -0.19], [-0.19, 0.19]], row_names=["$S_1$", "$S_2$"], column_names=["$a_1$", "$a_2$"],
        ...     row_label="output", column_label="input", value_label="derivative of the output by the input",
        ... )
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.19', '−0.19', '−0.19', '0.19']
    """
    matrix = numbers(matrix, "matrix", dimensions=2)
    if matrix.shape != (len(row_names), len(column_names)):
        expected = f"{len(row_names)} row names and {len(column_names)} column names"
        raise ArgumentError(f"matrix: shape {matrix.shape} but {expected}; give one name for each row and column")
    finite = np.ma.masked_invalid(matrix)
    most = float(np.abs(finite).max()) if finite.count() else 0.0
    texts = [[short(value) for value in row] for row in matrix]
    figure, (axes,) = new_figure()
    draw_cells(axes, finite / (most or 1), texts)
    cell = max(30.0, *(text_size(text)[0] + 10 for row in texts for text in row))
    upright = max(text_size(name)[0] for name in column_names) + 4 > cell
    axes.set_xticks(np.arange(len(column_names)) + 0.5, column_names, rotation=90 if upright else 0)
    axes.set_yticks(np.arange(len(row_names)) + 0.5, row_names)
    axes.set(xlabel=column_label, ylabel=row_label)
    figure.suptitle(value_label, x=0.01, ha="left", fontsize=11)
    width = max(len(column_names) * cell, text_size(column_label, 11)[0])
    height = max(len(row_names) * max(24.0, 0.62 * cell), text_size(row_label, 11)[0])
    _fit(figure, axes, (width, height), value_label)
    return figure


def draw_cells(axes: Axes, shares: Array, texts: Sequence[Sequence[str]] | None, size: float = 10) -> None:
    """Draw cells on existing axes: white for 0, blue for 1, vermilion for -1, the first row on top.

    Args:
        axes: where to draw; the middle of the first cell is at (0.5, 0.5).
        shares: shape (rows, columns), from -1 to 1; a masked or missing one is grey.
        texts: what is written in each cell; None for nothing.
        size: of the texts, in points.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_cells(axes, np.array([[1.0, -0.5]]), [["9", "-4"]])
        >>> [text.get_text() for text in axes.texts]
        ['9', '-4']
    """
    shares = np.ma.masked_invalid(shares)
    colours = signed_colours()
    looks: dict[str, Any] = {"edgecolors": "#cccccc", "linewidth": 0.5} if shares.size <= _FEW else {"rasterized": True}
    axes.pcolormesh(shares, cmap=colours, vmin=-1, vmax=1, **looks)
    for (row, column), text in np.ndenumerate(np.array([] if texts is None else texts, dtype=object)):
        color = _readable_on(colours((shares[row, column] + 1) / 2))
        place: dict[str, Any] = {"ha": "center", "va": "center_baseline" if "\n" not in text else "center"}
        axes.text(column + 0.5, row + 0.5, text, fontsize=size, color=color, **place)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()


def draw_picture(axes: Axes, image: Array, caption: str, **looks: Any) -> AxesImage:
    """Draw one image above its caption, in a thin frame.

    Args:
        axes: where to draw.
        image: shape (height, width).
        caption: below it.
        **looks: colours and their limits, as arguments of `Axes.imshow`.

    Example:
        >>> figure, (axes,) = new_figure()
        >>> draw_picture(axes, np.eye(2), "a matrix", cmap="gray_r").get_clim()
        (0.0, 1.0)
    """
    drawn = axes.imshow(image, interpolation="nearest", **looks)
    axes.set_title(caption, fontsize=9, loc="center", y=0, va="top", pad=-4)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GREY, linewidth=0.5)
    return drawn


@chart
def image_grid(images: ArrayLike, captions: Sequence[str], *, columns: int = 5) -> Figure:
    """Draw grey images, each above its caption: the largest value of all is black, zero is white.

    Args:
        images: shape (n, height, width), numbers from 0 upwards, such as digits.
        captions: one per image.
        columns: images side by side.

    Raises:
        ArgumentError: there are not as many captions as images, or a value is not finite.

    Example:
        >>> figure = image_grid(np.eye(3)[None], ["an identity matrix"])
        >>> len(figure.axes)
        1
    """
    images = numbers(images, "images", dimensions=3)
    most = images.max()
    figure, _ = _grid(images, captions, columns, cmap="gray_r", vmin=0, vmax=most if most > 0 else 1)
    return figure


@chart
def weight_images(images: ArrayLike, captions: Sequence[str], *, value_label: str, columns: int = 5) -> Figure:
    """Draw one image of weights per class: zero is white, blue counts for the class and vermilion
    against it.

    All images share one scale of colours, as far below zero as above.

    Args:
        images: shape (n, height, width): the weights of each class, reshaped as the images they
            weigh.
        captions: one per image.
        value_label: what the weights are, with their unit; stands at the scale.
        columns: images side by side.

    Raises:
        ArgumentError: there are not as many captions as images, or a value is not finite.

    Example:
        >>> figure = weight_images([[[1.0, -2.0]]], ["class 0"], value_label="weight (score per unit of brightness)")
        >>> figure.axes[-1].get_xlabel()
        'weight (score per unit of brightness)'
    """
    images = numbers(images, "images", dimensions=3)
    most = np.abs(images).max() or 1
    figure, drawn = _grid(images, captions, columns, cmap=signed_colours(), vmin=-most, vmax=most)
    width, height = figure.get_size_inches()
    least = text_size(value_label, 11)[0] / 72 + 0.3
    figure.set_size_inches(max(width, least), height + 0.65)
    figure.colorbar(drawn, ax=figure.axes, location="bottom", aspect=45, fraction=0.06, label=value_label)
    return figure


def signed_colours() -> Colormap:
    """Vermilion over white to blue: people with any colour vision can distinguish the ends.

    Example:
        >>> print(*signed_colours()(0.5))
        1.0 1.0 1.0 1.0
    """
    from matplotlib.colors import LinearSegmentedColormap

    ends = [_VERMILLION, "#ffffff", _BLUE]
    return LinearSegmentedColormap.from_list("polytome", ends, N=257).with_extremes(bad="#dddddd")


def _readable_on(rgba: Any) -> str:
    """Black or white, whichever stands out more: a contrast of at least 4.5 on any ground (WCAG
    2.2, 1.4.3)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgba[:3])
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def _fit(figure: Figure, axes: Axes, points: tuple[float, float], title: str) -> None:
    """Give the axes a size in points, and the figure what their labels and the title need
    besides."""
    for _ in range(2):  # the second time the labels' room is measured in a figure of nearly the right size
        figure.draw_without_rendering()
        box = axes.get_window_extent()
        extra = figure.get_size_inches() - np.array([box.width, box.height]) / figure.dpi
        width, height = np.array(points) / 72 + extra
        figure.set_size_inches(max(width, text_size(title, 11)[0] / 72 + 0.2), height)


def _grid(images: Array, captions: Sequence[str], columns: int, **looks: Any) -> tuple[Figure, AxesImage]:
    """Images in rows, each over its caption; the figure and one of the images."""
    if len(images) != len(captions):
        raise ArgumentError(f"captions: {len(captions)} for {len(images)} images; give one for each")
    if not np.isfinite(images).all():
        raise ArgumentError("images: a value is not finite; give finite numbers")
    if columns < 1:
        raise ArgumentError(f"columns: {columns}; give at least 1")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    texts = [wrapped(caption, 15) for caption in captions]
    captions_high = max(text_size(text, 9)[1] for text in texts) / 72 + 0.12
    picture_high = PICTURE * min(3.0, images.shape[1] / images.shape[2])
    figure, all_axes = new_figure(columns * (PICTURE + 0.12), rows * (picture_high + captions_high), rows, columns)
    for axes, image, text in zip(all_axes, images, texts, strict=False):
        drawn = draw_picture(axes, image, text, **looks)
    for axes in all_axes[len(images) :]:
        axes.set_axis_off()
    return figure, drawn
