"""What all displays share: they hold plain numbers, draw them on new axes or on yours, and describe
them in words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError
from polytome.plots.drawing import figure_of, house_style, is_ours, new_figure, settle, svg_bytes
from polytome.plots.labels import text_size, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

__all__ = ["Display", "Paper", "feature_position", "needs", "plain_rows", "shown_rows"]

Paper = tuple[float, float, int, int]
"""Width and height in inches, rows and columns of axes."""


class Display(ABC):
    """A picture of a fitted model, in the style of scikit-learn's displays.

    `from_estimator` computes the numbers and draws them; the constructor takes the numbers
    themselves.

    Attributes:
        ax_: the axes; a list if there are several.
        figure_: the whole figure.
    """

    ax_: Any
    figure_: Figure

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Args:
            ax: axes to draw on, one for each panel; None for a new figure, which belongs to no
                window and no global list: `display.figure_.savefig`,
                `polytome.plots.drawing.svg_bytes`, or the last line of a notebook's cell show it.

        Raises:
            ArgumentError: `ax` has another number of axes.
            MissingExtraError: Matplotlib is not installed.
        """
        with house_style():
            width, height, rows, columns = self._paper()
            if ax is None:
                self.figure_, axes = new_figure(width, height, rows, columns)
                self._draw(axes)
                _write_title(self.figure_, self.title())
                settle(self.figure_)
            else:
                axes = list(np.ravel(ax))
                if len(axes) != rows * columns:
                    raise ArgumentError(f"ax: {len(axes)} axes for {rows} x {columns} panels; give one for each")
                self.figure_ = figure_of(axes[0])
                self._draw(axes)
                axes[0].set_title(self.title())
        self.ax_ = axes[0] if len(axes) == 1 else axes
        return self

    def _paper(self) -> Paper:
        """The size of a new figure, and the number of its axes."""
        return 6.4, 4.2, 1, 1

    @abstractmethod
    def _draw(self, axes: list[Axes]) -> None:
        """Draw on as many axes as `_paper` says."""

    @abstractmethod
    def title(self) -> str:
        """What the picture shows: the line above it."""

    @abstractmethod
    def description(self) -> str:
        """The picture's alternative text: one or two sentences on what it shows, with its
        numbers."""

    def _repr_svg_(self) -> str | None:
        """What a notebook shows; None if the axes are yours, which the notebook shows already."""
        figure = getattr(self, "figure_", None)
        return svg_bytes(figure).decode() if figure is not None and is_ours(figure) else None


def _write_title(figure: Figure, title: str) -> None:
    """The title above everything, including a key, in its own space."""
    from matplotlib.font_manager import FontProperties

    width, height = figure.get_size_inches()
    text = wrapped(title, int(width * 11.5))
    figure.set_size_inches(width, height + (text_size(text, 11)[1] + 6) / 72)
    above = [key for key in figure.legends if not key.get_title().get_text()]
    if above:
        (key,) = above
        key.set_title(text, prop=FontProperties(size=11))
        key.set_alignment("left")
    else:
        figure.suptitle(text, x=0.012, ha="left", fontsize=11)


def needs(model: Any, method: str) -> None:
    """Refuse a model that is not fitted, or lacks a method that the display calls.

    Raises:
        sklearn.exceptions.NotFittedError: the model has not been fitted.
        ArgumentError: the model has no such method.
    """
    check_is_fitted(model)
    if not hasattr(model, method):
        raise ArgumentError(f"model is a {type(model).__name__}, which has no {method}: this display needs it")


def feature_position(feature: int | str, names: Sequence[str]) -> int:
    """The position of a feature that is given by its name or its position.

    Raises:
        ArgumentError: there is none.

    Example:
        >>> feature_position("width", ["height", "width"]), feature_position(0, ["height", "width"])
        (1, 0)
    """
    if isinstance(feature, str):
        if feature in names:
            return list(names).index(feature)
        raise ArgumentError(
            f"feature {feature!r}: the model has no feature of this name; its names begin {list(names)[:5]}"
        )
    if isinstance(feature, (int, np.integer)) and 0 <= feature < len(names):
        return int(feature)
    raise ArgumentError(f"feature {feature!r}: give a name, or a position from 0 to {len(names) - 1}")


def plain_rows(rows: Array, X: Any) -> Any:
    """Rows as a frame with X's names where X is one, so that a model knows them."""
    columns = getattr(X, "columns", None)
    return rows if columns is None else type(X)(dict(zip(columns, rows.T, strict=True)))


def shown_rows(n: int, most: int = 1000) -> NDArray[np.intp]:
    """Positions of at most `most` rows, evenly spaced: more would not make the picture clearer.

    Example:
        >>> shown_rows(5, 3)
        array([0, 2, 4])
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
