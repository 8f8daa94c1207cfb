"""Displays of what a model has learnt: its coefficients, as bars with names or as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError
from polytome.evaluation.curves import column_spreads
from polytome.evaluation.explain import feature_names, output_names
from polytome.evaluation.ordering import largest
from polytome.models.fitted_source import source_of
from polytome.models.model import Model
from polytome.models.predictions import dense_coefficients
from polytome.plots.bars import bars_height, draw_bars, make_room
from polytome.plots.display import Display, Paper
from polytome.plots.drawing import PALETTE, figure_of
from polytome.plots.labels import literal, short, text_size, wrapped
from polytome.plots.matrices import PICTURE, draw_picture, signed_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["CoefficientsDisplay", "draw_signed_bars", "draw_signed_pictures", "largest_signed", "picture_paper"]

_COLUMNS = 5  # pictures side by side


@dataclass
class CoefficientsDisplay(Display):
    """The largest coefficients with the names of their features, for each class; those of an image
    model as pictures.

    A coefficient is the change of a class's score when its feature grows by one unit and the others
    stay the same; with two classes, the change of the log odds of the second. Pictures share one
    colour scale with white for zero: blue counts for the class, vermilion against it.

    Args:
        coefficients: shape (K, d), or (1, d) for two classes.
        names: the names of the features.
        labels: one per row of `coefficients`.
        most: the most bars for each class.
        unit: the unit of the features.
        image_shape: height and width if each row is a picture, else None.

    Example:
        >>> names, labels = ["height", "width", "age"], ["tall"]
        >>> display = CoefficientsDisplay(np.array([[2.0, -0.5, 0.1]]), names, labels, most=2).plot()
        >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
        ['height', 'width']

    Reference:
        Agresti, "Categorical Data Analysis" (2013), sections 5.1 and 8.1.
    """

    coefficients: Array
    names: Sequence[str]
    labels: Sequence[Any]
    most: int = 10
    unit: str = "unit"
    image_shape: tuple[int, int] | None = None

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any = None, *, labels: Sequence[Any] | None = None, most: int = 10, ax: Any = None
    ) -> Self:
        """Draw the coefficients of a fitted linear model.

        Coefficients of features with different units cannot be compared by size: give rows, and
        each is multiplied by its feature's standard deviation there.

        Args:
            model: a fitted classifier with `coef_` and `classes_`; one of images has
                `image_shape_`.
            X: features, shape (n, d), for coefficients per standard deviation; None for
                coefficients per unit.
            labels: the classes to show; None for all (of two classes, only the second has
                coefficients).
            most: the most bars for each class.
            ax: one axes for each class; None for a new figure.

        Raises:
            ArgumentError: `most` is below 1, or a label has no coefficients of its own.
            sklearn.exceptions.NotFittedError: the model has not been fitted.
        """
        check_is_fitted(model, "coef_")
        if most < 1:
            raise ArgumentError(f"most={most}: give at least 1")
        known = output_names(model) if isinstance(model, Model) else _their_labels(model)
        wanted = known if labels is None else list(labels)
        if unknown := [label for label in wanted if label not in known]:
            raise ArgumentError(f"labels: {unknown} have no coefficients of their own; choose from {known[:10]}")
        rows = np.atleast_2d(dense_coefficients(model))[[known.index(label) for label in wanted]]
        if X is not None:
            rows = rows * column_spreads(X)
        unit = "unit" if X is None else "standard deviation"
        return cls(rows, feature_names(model), wanted, most, unit, source_of(model).image_shape).plot(ax)

    def _paper(self) -> Paper:
        k = len(self.labels)
        if self.image_shape is not None:
            return picture_paper(k, self.image_shape)
        columns = 1 if k == 1 else 2
        names = [self._names(row) for row in range(k)]
        tallest = max(bars_height(each, 1) for each in names)
        rows = -(-k // columns)
        return 6.4 if k == 1 else 8.4, (tallest + 0.35) * rows, rows, columns

    def _chosen(self, row: int) -> NDArray[np.intp]:
        return largest_signed(self.coefficients[row], self.most, self.names)

    def _names(self, row: int) -> list[str]:
        return [literal(self.names[j]) for j in self._chosen(row)]

    def _draw(self, axes: list[Axes]) -> None:
        k = len(self.labels)
        for spare in axes[k:]:
            spare.set_axis_off()
        if self.image_shape is not None:
            captions = [literal(label) for label in self.labels]
            pictures = self.coefficients.reshape(-1, *self.image_shape)
            draw_signed_pictures(axes[:k], pictures, captions, f"coefficient (score per {self.unit} of brightness)")
            return
        chosen = [values[self._chosen(row)] for row, values in enumerate(self.coefficients)]
        for row, panel in enumerate(axes[:k]):
            draw_signed_bars(panel, self._names(row), chosen[row])
            panel.set(xlabel=f"{'log odds' if k == 1 else 'score'} per {self.unit}", ylabel="feature")
            if k > 1:
                panel.set_title(wrapped(literal(self.labels[row]), 40), fontsize=10)
        for panel in axes[:k]:
            make_room(panel, np.concatenate(chosen))
        limits = np.array([panel.get_xlim() for panel in axes[:k]])
        for panel in axes[:k]:
            panel.set_xlim(limits[:, 0].min(), limits[:, 1].max())

    def title(self) -> str:
        """What the picture shows."""
        if self.image_shape is not None:
            return "The coefficients of each class: ink on blue counts for it, on orange against it"
        n, d = min(self.most, len(self.names)), len(self.names)
        share = f"The {n} largest of {d} coefficients" if n < d else "The coefficients"
        return literal(f"{share} for {self.labels[0]}") if len(self.labels) == 1 else f"{share} of each class"

    def description(self) -> str:
        """The largest coefficient of each class, for at most five classes."""
        parts = []
        for label, row in list(zip(self.labels, self.coefficients, strict=True))[:5]:
            j = int(largest(np.abs(row), 1, self.names)[0])
            parts.append(f"{label}: {self.names[j]} {short(row[j])}")
        more = f" (and {len(self.labels) - 5} more classes)" if len(self.labels) > 5 else ""
        return f"The coefficient of largest absolute value is, for {'; '.join(parts)}{more}."


def _their_labels(model: Any) -> list[Any]:
    """What each row of coefficients counts for in a classifier of scikit-learn."""
    check_is_fitted(model, "classes_")
    labels: list[Any] = (model.classes_[1:] if model.coef_.shape[0] == 1 else model.classes_).tolist()
    return labels


def largest_signed(values: Array, most: int, names: Sequence[str]) -> NDArray[np.intp]:
    """Positions of the values of largest absolute value, from the largest to the most negative;
    zeros are left out.

    Example:
        >>> largest_signed(np.array([0.1, -3.0, 2.0, 0.0]), 2, ["a", "b", "c", "d"])
        array([2, 1])
    """
    chosen = largest(np.abs(values), most, names)
    above, below = chosen[values[chosen] > 0], chosen[values[chosen] < 0]
    return np.concatenate([above, below[::-1]]) if len(above) + len(below) else chosen


def picture_paper(n: int, shape: tuple[int, int]) -> Paper:
    """The layout for n pictures of a shape with captions and a scale."""
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    size = PICTURE if n > 3 else 1.9
    return max(4.4, columns * (size + 0.12)), rows * (size * min(3.0, shape[0] / shape[1]) + 0.3) + 0.75, rows, columns


def draw_signed_bars(axes: Axes, names: Sequence[str], values: Array) -> None:
    """Draw bars that are blue above zero and vermilion below, as the pixels of a picture are.

    Args:
        axes: where to draw.
        names: one for each value.
        values: shape (n,).
    """
    draw_bars(axes, names, [values])
    for bar, value in zip(axes.patches, values, strict=True):
        bar.set_facecolor(PALETTE[0] if value >= 0 else PALETTE[1])


def draw_signed_pictures(
    axes: Sequence[Axes], pictures: Array, captions: Sequence[str], label: str, beside: Sequence[Axes] = ()
) -> None:
    """Draw pictures of signed numbers with one scale of colours, as far below zero as above.

    One number in two hundred may lie beyond the scale, so that a few pixels do not make all others
    pale.

    Args:
        axes: one for each picture.
        pictures: shape (n, height, width).
        captions: one for each.
        label: what the numbers are, at the scale.
        beside: further axes above the scale.
    """
    from matplotlib.ticker import MaxNLocator

    most = float(np.quantile(np.abs(pictures), 0.995, method="higher")) or 1.0
    for panel, picture, caption in zip(axes, pictures, captions, strict=True):
        text = wrapped(caption, 15) if text_size(caption, 9)[0] > 72 * PICTURE else caption
        drawn = draw_picture(panel, picture, text, cmap=signed_colours(), vmin=-most, vmax=most)
    beyond = "both" if np.abs(pictures).max() > most else "neither"
    figure, all_axes = figure_of(axes[0]), [*beside, *axes]
    width = float(figure.get_size_inches()[0])
    ticks = MaxNLocator(max(2, int(width)), steps=[1, 2, 5, 10])
    looks: dict[str, Any] = {"ticks": ticks, "location": "bottom", "aspect": 45, "fraction": 0.06, "extend": beyond}
    figure.colorbar(drawn, ax=all_axes, label=label, **looks)
