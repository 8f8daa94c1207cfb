"""The display of one prediction's reasons: what each feature adds to the log odds between two
classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError
from polytome.evaluation.explain import Contributions, cells_of, contributions
from polytome.evaluation.ordering import largest
from polytome.models.fitted_source import source_of
from polytome.numerics import sigmoid
from polytome.plots.bars import bars_height
from polytome.plots.coefficients import draw_signed_bars, draw_signed_pictures, largest_signed, picture_paper
from polytome.plots.display import Display, Paper
from polytome.plots.labels import literal, percent, short
from polytome.plots.matrices import draw_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["ContributionsDisplay"]


@dataclass
class ContributionsDisplay(Display):
    """Why one row is predicted as one class and not another: what each feature adds to the log odds
    between the two.

    Contributions are measured from a reference, such as the mean row; all bars together add up to
    the log odds. A picture is shown beside the contributions of its pixels: blue counts for the
    first class, vermilion for the other.

    Args:
        values: what each feature adds, shape (d,), in nats.
        baseline: the log odds at the reference.
        names: the names of the features, with the row's values.
        label: the class that positive contributions count for.
        against: the other class.
        most: the most bars; the remaining features are added up.
        picture: the row as a picture, shape (height, width), or None.

    Example:
        >>> from polytome import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> display = ContributionsDisplay.from_estimator(model, [3.0], reference=[1.5])
        >>> display.label, bool(np.isclose(display.log_odds, model.decision_function([[3.0]])[0]))
        ('yes', True)

    Reference:
        Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS 2017,
        section 4.
    """

    values: Array
    baseline: float
    names: Sequence[str]
    label: Any
    against: Any
    most: int = 10
    picture: Array | None = None

    @classmethod
    def from_estimator(
        cls,
        model: Fitted,
        x: Any,
        *,
        label: Any = None,
        against: Any = None,
        reference: ArrayLike | None = None,
        most: int = 10,
        ax: Any = None,
    ) -> Self:
        """Explain a row.

        Args:
            model: a fitted classifier with linear scores.
            x: one row, shape (d,) or (1, d), dense, sparse or a frame.
            label: the class that positive contributions count for; None for the most probable one.
            against: the other class; None for the most probable one apart from `label`.
            reference: the row to measure from, shape (d,); None for the training means if the model
                has a record of them, else zeros.
            most: the most bars.
            ax: axes, two for a picture; None for a new figure.

        Raises:
            ArgumentError: there are several rows, a label is not one of the model's classes, or
                both are the same.
        """
        check_is_fitted(model, ["coef_", "classes_"])
        rows = np.asarray(x, np.float64)[None] if np.ndim(x) == 1 and not hasattr(x, "tocsr") else x
        if rows.shape[0] != 1:
            raise ArgumentError(f"x has {rows.shape[0]} rows: give the one row to explain")
        probabilities = model.predict_proba(rows)[0]
        label = model.classes_.tolist()[int(probabilities.argmax())] if label is None else label
        ranking = model.classes_[largest(probabilities, 2)].tolist()
        against = next(other for other in ranking if other != label) if against is None else against
        if label == against:
            raise ArgumentError(f"label and against are both {label!r}: give two different classes")
        found = contributions(model, rows, reference).between(label, against)
        row = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, np.float64)[0]
        shape, encoder = source_of(model).image_shape, source_of(model).encoder
        if encoder is not None and shape is None:
            found, cells = found.by_column(encoder), cells_of(encoder, row)
            texts = [_text(cells[name]) for name in found.features]
        else:
            texts = [short(value) for value in row]
        names = [f"{name} = {text}" for name, text in zip(found.features, texts, strict=True)]
        picture = None if shape is None else row.reshape(shape)
        return cls(*_one(found), names, label, against, most, picture).plot(ax)

    @property
    def log_odds(self) -> float:
        """The logarithm of the ratio of the probabilities of `label` and `against`."""
        return float(self.baseline + self.values.sum())

    def bars(self) -> tuple[list[str], Array]:
        """Names and values of the bars; their sum is `log_odds`."""
        chosen = largest_signed(self.values, self.most, self.names)
        names, values = [self.names[j] for j in chosen], list(self.values[chosen])
        if rest := len(self.values) - len(chosen):
            names.append(f"the other {rest} together")
            values.append(self.values.sum() - self.values[chosen].sum())
        return [*names, "at the reference"], np.array([*values, self.baseline])

    def _paper(self) -> Paper:
        if self.picture is not None:
            return picture_paper(2, (self.picture.shape[0], self.picture.shape[1]))
        return 6.8, bars_height(self.bars()[0], 1), 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        label = f"log odds of {literal(self.label)} against {literal(self.against)} (nats)"
        if self.picture is not None:
            shape, most = self.picture.shape, self.picture.max()
            draw_picture(axes[0], self.picture, "the image", cmap="gray_r", vmin=0, vmax=most if most > 0 else 1)
            caption = f"blue: for {literal(self.label)}, orange: for {literal(self.against)}"
            draw_signed_pictures(axes[1:], self.values.reshape(1, *shape), [caption], label, beside=axes[:1])
            return
        names, values = self.bars()
        draw_signed_bars(axes[0], [literal(name) for name in names], values)
        axes[0].set(xlabel=label, ylabel="feature and its value")

    def title(self) -> str:
        """What the picture shows."""
        share = float(sigmoid(np.array([self.log_odds]))[0])
        parts = f"{percent(share, 1)} to {percent(1 - share, 1)}"
        return literal(f"Why {self.label}, not {self.against}: log odds {short(self.log_odds)}, that is {parts}")

    def description(self) -> str:
        """The features that count most for and against."""
        parts = []
        for word, sign in (("for", 1), ("against", -1)):
            j = int(largest(np.maximum(sign * self.values, 0), 1, self.names)[0])
            if sign * self.values[j] > 0:
                parts.append(f"{self.names[j]} counts most {word} it ({short(self.values[j])})")
        reasons = f" {' and '.join(parts)}." if parts else ""
        return (
            f"The log odds of {self.label} against {self.against} are {short(self.log_odds)} nats, of which "
            f"{short(self.baseline)} at the reference.{reasons}"
        )


def _one(found: Contributions) -> tuple[Array, float]:
    """The values and the baseline of the only row and output."""
    return found.values[0, 0], float(found.baseline[0])


def _text(cell: float | str) -> str:
    return cell if isinstance(cell, str) else short(cell)
