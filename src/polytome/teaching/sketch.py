"""Boxes, circles and arrows on paper, for diagrams: one unit is one inch, and the paper is as large
as the drawing.

A diagram's function says where things are; here they get the size of their text, arrows end at
their borders, and the labels of arrows go where they cover nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.plots.drawing import INK, chart, new_figure
from polytome.plots.labels import text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
Point = tuple[float, float]

__all__ = ["Arrow", "Node", "Sketch"]

_MARGIN = 0.08  # inches around the drawing
_LARGE = 0.8  # inches across, beyond which a circle is a box
_SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)  # where on its arrow a label may stand


@dataclass(frozen=True)
class Node:
    """A circle or a box.

    Attributes:
        x: of the middle.
        y: of the middle; upwards.
        width: in inches.
        height: in inches.
        is_round: a circle.
    """

    x: float
    y: float
    width: float
    height: float
    is_round: bool

    @property
    def left(self) -> Point:
        """Middle of its left side."""
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        """Middle of its right side."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> float:
        """Height of its lowest point."""
        return self.y - self.height / 2

    def border(self, toward: Point) -> Point:
        """Where a line from its middle to a point leaves it.

        Example:
            >>> Node(0, 0, 2, 1, is_round=False).border((4, 0))
            (1.0, 0.0)
        """
        dx, dy = toward[0] - self.x, toward[1] - self.y
        if self.is_round:
            scale = self.width / 2 / max(np.hypot(dx, dy), 1e-12)
        else:
            scale = min(self.width / 2 / max(abs(dx), 1e-12), self.height / 2 / max(abs(dy), 1e-12))
        return self.x + scale * dx, self.y + scale * dy


@dataclass(frozen=True)
class Arrow:
    """A straight line with a head and perhaps a label, between two points."""

    start: Point
    end: Point
    label: str
    looks: dict[str, Any]
    label_color: str

    def at(self, share: float) -> Point:
        """The point at a share of the way."""
        (x0, y0), (x1, y1) = self.start, self.end
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)


@dataclass
class Sketch:
    """A diagram; `figure()` draws it.

    Example:
        >>> sketch = Sketch()
        >>> x = sketch.node(0, 0, "$x$")
        >>> sketch.arrow(x, sketch.node(1.5, 0, "$z$"), label="$w$")
        >>> width, height = sketch.figure().get_size_inches()
        >>> bool(width > height)
        True
    """

    _nodes: list[tuple[Node, str, float, dict[str, Any]]] = field(default_factory=list)
    _texts: list[tuple[float, float, str, float, dict[str, Any]]] = field(default_factory=list)
    _lines: list[tuple[Sequence[Point], dict[str, Any]]] = field(default_factory=list)
    _arrows: list[Arrow] = field(default_factory=list)
    _boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def node(
        self,
        x: float,
        y: float,
        text: str,
        *,
        shape: Literal["circle", "box"] = "circle",
        fill: str = "white",
        edge: str = INK,
        dashed: bool = False,
        size: float = 12,
        height: float = 0.0,
    ) -> Node:
        """Add a circle or a box around a text; a box where the circle would be large.

        Args:
            x: of its middle, in inches.
            y: of its middle, in inches; upwards.
            text: inside.
            shape: of its border.
            fill: a colour.
            edge: colour of its border.
            dashed: a border of dashes.
            size: of the text, in points.
            height: the least height, in inches.
        """
        wide, high = (length / 72 for length in text_size(text, size)) if text else (0.0, 0.0)
        across = max(0.5, np.hypot(wide, high) + 0.1)
        if shape == "circle" and across <= _LARGE:
            node = Node(x, y, across, across, is_round=True)
        else:
            node = Node(x, y, max(0.5, wide + 0.22), max(0.42, high + 0.18, height), is_round=False)
        looks = {"facecolor": fill, "edgecolor": edge, "linestyle": (0, (3, 2)) if dashed else "-", "linewidth": 1.1}
        self._nodes.append((node, text, size, looks))
        self._cover(x, y, node.width, node.height)
        return node

    def text(
        self, x: float, y: float, text: str, *, align: str = "center", size: float = 10, color: str = INK
    ) -> tuple[float, float]:
        """Add a text whose middle, or left or right end, is at a point; returns its width and
        height in inches."""
        wide, high = (length / 72 for length in text_size(text, size))
        self._texts.append((x, y, text, size, {"ha": align, "color": color}))
        self._cover(x + {"left": wide / 2, "right": -wide / 2}.get(align, 0.0), y, wide, high)
        return wide, high

    def line(
        self, points: Sequence[Point], *, color: str = INK, linestyle: Any = "-", width: float = 1.1, head: bool = False
    ) -> None:
        """Add a line through points, in front of circles and boxes, with a head at its end if
        wanted."""
        looks = {"color": color, "linestyle": linestyle, "linewidth": width}
        if head:
            *points, last = points
            self._arrows.append(Arrow(points[-1], last, "", {"arrowstyle": "-|>", **looks}, color))
        self._lines.append((points, looks))
        for x, y in points:
            self._boxes.append((x, x, y, y))

    def arrow(
        self,
        start: Node | Point,
        end: Node | Point,
        *,
        label: str = "",
        color: str = INK,
        linestyle: Any = "-",
        width: float = 1.1,
        shift: float = 0.0,
        head: bool = True,
        label_color: str | None = None,
    ) -> None:
        """Add an arrow from border to border.

        Args:
            start: a node or a point.
            end: a node or a point.
            label: stands on the line, where it covers nothing else if there is such a place.
            color: of the line.
            linestyle: Matplotlib's dashes.
            width: of the line, in points.
            shift: inches to its left, so that two arrows can run side by side.
            head: False for a plain line.
            label_color: of the label; the line's if None.
        """
        from_middle, to_middle = ((p.x, p.y) if isinstance(p, Node) else p for p in (start, end))
        first = start.border(to_middle) if isinstance(start, Node) else start
        last = end.border(from_middle) if isinstance(end, Node) else end
        dx, dy = to_middle[0] - from_middle[0], to_middle[1] - from_middle[1]
        length = max(np.hypot(dx, dy), 1e-12)
        aside = (-dy / length * shift, dx / length * shift)
        looks = {"arrowstyle": "-|>" if head else "-", "color": color, "linestyle": linestyle, "linewidth": width}
        first, last = ((x + aside[0], y + aside[1]) for x, y in (first, last))
        self._arrows.append(Arrow(first, last, label, looks, label_color or color))

    @chart
    def figure(self) -> Figure:
        """Draw everything on a figure of the right size."""
        placed = self._place_labels()
        edges = np.array(self._boxes)
        low = np.array([edges[:, 0].min(), edges[:, 2].min()]) - _MARGIN
        high = np.array([edges[:, 1].max(), edges[:, 3].max()]) + _MARGIN
        figure, (axes,) = new_figure(*(high - low))
        figure.set_layout_engine("none")
        axes.set_position((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        for points, looks in self._lines:
            axes.plot(*zip(*points, strict=True), **looks, zorder=3)
        for arrow in self._arrows:
            fixed = {"mutation_scale": 10, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", arrow.end, arrow.start, arrowprops=fixed | arrow.looks, zorder=1)
        for node, text, size, looks in self._nodes:
            _draw_node(axes, node, looks)
            axes.text(node.x, node.y, text, fontsize=size, ha="center", va="center", zorder=4)
        for x, y, text, size, looks in self._texts:
            axes.text(x, y, text, fontsize=size, va="center", zorder=4, **looks)
        for arrow, (x, y) in placed:
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
            axes.text(x, y, arrow.label, color=arrow.label_color, ha="center", va="center", bbox=ground, zorder=3)
        return figure

    def _cover(self, x: float, y: float, width: float, height: float) -> None:
        self._boxes.append((x - width / 2, x + width / 2, y - height / 2, y + height / 2))

    def _place_labels(self) -> list[tuple[Arrow, Point]]:
        """Each label in turn where it covers least: above all no box or text, then no other
        arrow."""
        placed = []
        for arrow in self._arrows:
            if not arrow.label:
                continue
            wide, high = (length / 72 + 0.04 for length in text_size(arrow.label))
            others = [other for other in self._arrows if other is not arrow]

            def cost(middle: Point, wide: float = wide, high: float = high, others: list[Arrow] = others) -> int:
                box = (middle[0] - wide / 2, middle[0] + wide / 2, middle[1] - high / 2, middle[1] + high / 2)
                covered = sum(_overlap(box, taken) for taken in self._boxes)
                return 10 * covered + sum(_crosses(other, box) for other in others)

            middle = min(map(arrow.at, _SHARES), key=cost)
            self._cover(*middle, wide, high)
            placed.append((arrow, middle))
        return placed


def _draw_node(axes: Axes, node: Node, looks: dict[str, Any]) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    if node.is_round:
        axes.add_patch(Circle((node.x, node.y), node.width / 2, zorder=2, **looks))
    else:
        corner = (node.left[0], node.bottom)
        rounded = "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch(corner, node.width, node.height, boxstyle=rounded, zorder=2, **looks))


def _overlap(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two rectangles (left, right, bottom, top) share more than an edge."""
    return box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3]


def _crosses(arrow: Arrow, box: tuple[float, float, float, float]) -> bool:
    """Whether an arrow runs through a rectangle; 60 points of it are checked."""
    x, y = np.linspace(arrow.start, arrow.end, 60).T
    return bool(((x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3])).any())
