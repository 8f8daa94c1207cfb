"""Pictures in the page itself: figures and images as data URIs, each with alternative text."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polytome.plots.display import Display

Array = NDArray[Any]

__all__ = ["Picture", "figure", "row_picture"]

_LARGEST_SVG = 120_000  # bytes; beyond that a figure is smaller as pixels


class Picture(NamedTuple):
    """A picture as an HTML page shows it."""

    source: str
    """A data URI."""
    alt: str
    title: str
    width: int
    """In CSS pixels."""
    height: int


def figure(display: Display) -> Picture:
    """A drawn display: as SVG, or as PNG where the SVG would be very large."""
    from polytome.plots.drawing import png_bytes, svg_bytes

    width, height = display.figure_.get_size_inches() * 96
    drawing, kind = svg_bytes(display.figure_), "svg+xml"
    if len(drawing) > _LARGEST_SVG:
        drawing, kind = png_bytes(display.figure_), "png"
    return Picture(_uri(drawing, kind), display.description(), display.title(), round(width), round(height))


def row_picture(values: Array, shape: tuple[int, int], full: float, alt: str) -> Picture:
    """A row of pixels as dark ink on white paper.

    Args:
        values: shape (height * width,); 0 is the background.
        shape: height and width.
        full: the value of full ink.
        alt: the alternative text.
    """
    ink = np.clip(values.reshape(shape) / (full or 1.0), 0.0, 1.0)
    return _pixels(np.rint(255 * (1 - ink)).astype(np.uint8), alt)


def _pixels(pixels: NDArray[np.uint8], alt: str) -> Picture:
    from polytome.errors import MissingExtraError

    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError('pictures need Pillow: pip install "polytome[report]"') from error
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    height, width = pixels.shape[:2]
    return Picture(_uri(stream.getvalue(), "png"), alt, "", width, height)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
