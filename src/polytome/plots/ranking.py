"""Displays of how well scores rank: ROC curves and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.evaluation.curves import Curve, one_against_rest, precision_recall_curve, roc_curve
from polytome.evaluation.ordering import largest
from polytome.plots.display import Display
from polytome.plots.drawing import GREY, REFERENCE, figure_of, stroke
from polytome.plots.labels import key_beside, literal, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["PrecisionRecallDisplay", "RocDisplay"]

_NAMED = 10  # the most curves with their own colour and name


@dataclass
class _PerClassDisplay(Display):
    """One curve for each class against the rest, named with its area; with many classes only the
    worst are named."""

    curves: Mapping[Any, Curve]

    @staticmethod
    def _curve(belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Curve:
        raise NotImplementedError

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, ax: Any = None
    ) -> Self:
        """Score rows and draw a curve for each class; with two classes, for the second.

        Args:
            model: a fitted classifier with `decision_function` or `predict_proba`.
            X: features, shape (n, d).
            y: true labels, shape (n,).
            sample_weight: of each row, shape (n,); None for equal ones.
            ax: axes; None for a new figure.

        Raises:
            DataError: a label is not one of the model's classes, or all rows are of one class.
        """
        kinds = one_against_rest(model, X, y)
        return cls({label: cls._curve(*pair, sample_weight) for label, pair in kinds.items()}).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        belongs: ArrayLike,
        scores: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        name: Any = "the class",
        ax: Any = None,
    ) -> Self:
        """Draw the curve of scores.

        Args:
            belongs: whether each row belongs to the class, shape (n,).
            scores: higher for the class, shape (n,).
            sample_weight: of each row, shape (n,); None for equal ones.
            name: the name of the class.
            ax: axes; None for a new figure.

        Raises:
            DataError: all rows are of the class, or none is.
        """
        return cls({name: cls._curve(belongs, scores, sample_weight)}).plot(ax)

    @property
    def areas(self) -> dict[Any, float]:
        """The area of each class."""
        return {label: curve.area for label, curve in self.curves.items()}

    @property
    def mean_area(self) -> float:
        """The mean over the classes."""
        return float(np.mean(list(self.areas.values())))

    def _draw_curves(self, panel: Axes, drawstyle: str, heading: str) -> None:
        """Lines and a key, the best class first; with many classes the ten worst are named, the
        others grey."""
        labels = list(self.curves)
        ranked = [labels[k] for k in largest([self.curves[label].area for label in labels])]
        named = ranked[-_NAMED:]
        for label in ranked[:-_NAMED]:
            faint: dict[str, Any] = {"color": GREY, "linewidth": 0.6, "alpha": 0.6, "rasterized": True}
            (rest,) = panel.plot(*_seen(self.curves[label]), drawstyle=drawstyle, **faint)
        key = {}
        for place, label in enumerate(named):
            curve = self.curves[label]
            looks = stroke(place) | {"linewidth": 1.5}
            (key[literal(f"{label}  {_area(curve.area)}")],) = panel.plot(*_seen(curve), drawstyle=drawstyle, **looks)
        if len(ranked) > len(named):
            key[f"{len(ranked) - len(named)} better ones"] = rest
        key_beside(figure_of(panel), key, heading)

    def _classes(self) -> str:
        return "each class against the rest" if len(self.curves) > 1 else f"class {next(iter(self.curves))}"

    def _worst(self) -> str:
        if len(self.curves) == 1:
            return ""
        label = min(self.areas, key=lambda each: self.areas[each])
        return f" The lowest is {_area(self.areas[label])}, of class {label}; the mean {_area(self.mean_area)}."


def _seen(curve: Curve) -> tuple[Array, Array]:
    """Points of a curve that are at least a five-hundredth of the axes apart: what a line of this
    width can show."""
    steps = np.column_stack([curve.x, curve.y])
    kept = np.r_[True, (np.diff(np.floor(500 * steps), axis=0) != 0).any(axis=1)]
    kept[-1] = True
    return curve.x[kept], curve.y[kept]


def _area(area: float) -> str:
    """An area with enough digits to distinguish it from 1."""
    return f"{area:.3f}" if area < 0.9995 or area == 1 else f"{area:.5f}"


@dataclass
class RocDisplay(_PerClassDisplay):
    """True- against false-positive rate at every cut-off, for each class against the rest, with the
    areas below.

    If all curves stay in the upper left corner, only that corner is shown.

    Args:
        curves: label -> curve, from `polytome.evaluation.curves.roc_curve`.

    Example:
        >>> display = RocDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.8])
        >>> display.areas
        {'the class': 0.75}

    Reference:
        Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006).
    """

    @staticmethod
    def _curve(belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Curve:
        return roc_curve(belongs, scores, sample_weight)

    def _draw(self, axes: list[Axes]) -> None:
        (panel,), side = axes, self._corner()
        if side == 1:
            panel.plot([0, 1], [0, 1], **REFERENCE)
        self._draw_curves(panel, "default", "class  area")
        panel.set(xlabel="false-positive rate", ylabel="true-positive rate")
        panel.set(xlim=(-0.01 * side, 1.01 * side), ylim=(1 - 1.01 * side, 1 + 0.01 * side))

    def _corner(self) -> float:
        """How much of each axis shows all curves whole: the least of a few round shares."""
        for side in (0.05, 0.1, 0.2):
            curves = self.curves.values()
            if all(np.interp(side, curve.x, curve.y) >= 1 - side / 5 for curve in curves):
                return side
        return 1.0

    def title(self) -> str:
        """What the picture shows."""
        corner = "" if self._corner() == 1 else " (upper left corner)"
        return f"ROC curve{corner} of {self._classes()}"

    def description(self) -> str:
        """The areas."""
        if len(self.curves) == 1:
            ((label, area),) = self.areas.items()
            return f"The area under the receiver operating characteristic of class {label!r} is {_area(area)}."
        return (
            f"Receiver operating characteristics of {len(self.curves)} classes, each against the rest.{self._worst()}"
        )


@dataclass
class PrecisionRecallDisplay(_PerClassDisplay):
    """Precision against recall at every cut-off, for each class against the rest, with the average
    precision.

    Args:
        curves: label -> curve, from `polytome.evaluation.curves.precision_recall_curve`.

    Example:
        >>> display = PrecisionRecallDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.8])
        >>> round(display.areas["the class"], 3)
        0.833

    Reference:
        Davis and Goadrich, "The relationship between precision-recall and ROC curves", ICML (2006).
    """

    @staticmethod
    def _curve(belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Curve:
        return precision_recall_curve(belongs, scores, sample_weight)

    def _draw(self, axes: list[Axes]) -> None:
        if len(self.curves) == 1:
            axes[0].axhline(next(iter(self.curves.values())).share, **REFERENCE)
        self._draw_curves(axes[0], "steps-pre", "class  average")
        axes[0].set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))

    def title(self) -> str:
        """What the picture shows."""
        return f"Precision and recall of {self._classes()}"

    def description(self) -> str:
        """The average precisions."""
        if len(self.curves) == 1:
            ((label, curve),) = self.curves.items()
            return (
                f"The average precision of class {label!r} is {_area(curve.area)}; guessing has {short(curve.share)}, "
                "the share of its rows."
            )
        return f"Precision against recall of {len(self.curves)} classes, each against the rest.{self._worst()}"
