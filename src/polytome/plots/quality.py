"""Displays of how good predictions are: confusion and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError
from polytome.evaluation.curves import (
    Bin,
    calibration_bins,
    calibration_error,
    confidence,
    known_codes,
)
from polytome.evaluation.metrics import confused_pairs, confusion_matrix
from polytome.plots.display import Display, Paper, needs
from polytome.plots.drawing import GREY, PALETTE, REFERENCE, figure_of
from polytome.plots.labels import counted, literal, percent, text_size
from polytome.plots.matrices import draw_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["CalibrationDisplay", "ConfusionDisplay"]

_COUNTED = 15  # the most classes with counts and shares in their cells
_WRITTEN = 40  # the most with shares alone; beyond that, only colours


@dataclass
class ConfusionDisplay(Display):
    """Which classes are predicted as which: counts, and shares of the true class.

    Correct predictions are blue, wrong ones vermilion; a colour is as strong as the square root of
    its share, so that one error in a hundred is visible. With up to 15 classes each cell shows
    count and share, with up to 40 the share.

    Args:
        confusion: counts, shape (K, K), true classes in rows.
        classes: their labels, shape (K,).

    Example:
        >>> display = ConfusionDisplay.from_predictions(["cat", "cat", "dog"], ["cat", "dog", "dog"])
        >>> [text.get_text() for text in display.ax_.texts]
        ['1\\n50 %', '1\\n50 %', '0', '1\\n100 %']
    """

    confusion: NDArray[np.int64]
    classes: Array

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any, *, ax: Any = None) -> Self:
        """Predict and compare.

        Args:
            model: a fitted classifier.
            X: features, shape (n, d).
            y: true labels, shape (n,).
            ax: axes; None for a new figure.

        Raises:
            DataError: a label is not one of the model's classes.
        """
        check_is_fitted(model)
        codes = known_codes(y, model.classes_)
        predicted = known_codes(model.predict(X), model.classes_)
        return cls(confusion_matrix(codes, predicted, len(model.classes_)), model.classes_).plot(ax)

    @classmethod
    def from_predictions(cls, y: ArrayLike, predicted: ArrayLike, *, ax: Any = None) -> Self:
        """Compare labels with predictions.

        Args:
            y: true labels, shape (n,).
            predicted: predicted labels, shape (n,).
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: the lengths differ.
        """
        truth, other = np.asarray(y), np.asarray(predicted)
        if truth.shape != other.shape:
            raise ArgumentError(f"y, predicted: shapes {truth.shape} and {other.shape}; give one of each for each row")
        classes = np.unique(np.concatenate([truth, other]))
        codes = known_codes(truth, classes)
        return cls(confusion_matrix(codes, known_codes(other, classes), len(classes)), classes).plot(ax)

    @property
    def shares(self) -> Array:
        """Counts over the number of rows of the true class, shape (K, K); NaN where there is
        none."""
        totals = self.confusion.sum(axis=1, keepdims=True)
        unknown = np.full(self.confusion.shape, np.nan)
        return np.asarray(np.divide(self.confusion, totals, out=unknown, where=totals > 0))

    @property
    def accuracy(self) -> float:
        """The share of all rows that were predicted correctly."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def _cell(self) -> tuple[float, float]:
        """Points that a cell is wide and high."""
        k = len(self.classes)
        if k <= _COUNTED:
            widest = max(text_size(str(self.confusion.max()), 10)[0], text_size("100 %", 10)[0])
            return max(34.0, widest + 8), 31.0
        return (19.0, 17.0) if k <= _WRITTEN else (max(4.0, 460 / k),) * 2

    def _paper(self) -> Paper:
        k, (wide, high) = len(self.classes), self._cell()
        name = max(text_size(literal(label))[0] for label in self.classes.tolist())
        below = name if name + 4 > wide else 0.0  # names that are vertical
        return max(4.6, (k * wide + name + 60) / 72), max(2.2, (k * high + below + 60) / 72), 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        (panel,), k = axes, len(self.classes)
        shares = self.shares
        signed = np.sqrt(shares) * np.where(np.eye(k, dtype=bool), 1, -1)
        draw_cells(panel, signed, self._texts(shares), size=10 if k <= _COUNTED else 7)
        names = [literal(label) for label in self.classes.tolist()]
        figure_of(panel).draw_without_rendering()
        box = panel.get_window_extent()
        wide, high = (length * 72 / figure_of(panel).dpi / k for length in (box.width, box.height))
        across = int(np.ceil(12 / min(wide, high)))  # every name shown has room for its letters' height
        upright = max(text_size(name)[0] for name in names) + 4 > wide * across
        shown = np.arange(0, k, across)
        shown_names = [names[place] for place in shown]
        panel.set_xticks(shown + 0.5, shown_names, rotation=90 if upright else 0)
        panel.set_yticks(shown + 0.5, shown_names)
        panel.set(xlabel="predicted class", ylabel="true class")

    def _texts(self, shares: Array) -> list[list[str]] | None:
        k = len(self.classes)
        if k > _WRITTEN:
            return None
        texts = [[""] * k for _ in range(k)]
        for (row, column), count in np.ndenumerate(self.confusion):
            percent = _percent(float(shares[row, column]))
            if k <= _COUNTED:
                texts[row][column] = f"{count}\n{percent} %" if count else "0"
            elif shares[row, column] >= 0.005:
                texts[row][column] = percent
        return texts

    def title(self) -> str:
        """What the picture shows."""
        unit = {True: " (counts, % of the true class)", False: " (% of the true class)"}
        k = len(self.classes)
        return f"{percent(self.accuracy, 1)} predicted correctly" + (unit[k <= _COUNTED] if k <= _WRITTEN else "")

    def description(self) -> str:
        """The accuracy and the most frequent errors."""
        pairs = confused_pairs(self.confusion, self.classes, most=3)
        worst = [
            f"{pair.true} predicted as {pair.predicted} ({pair.n_rows} of its rows, {percent(pair.share, 1)})"
            for pair in pairs
        ]
        errors = f"The most frequent errors are {'; '.join(worst)}." if worst else "There are no errors."
        rows, right = counted(int(self.confusion.sum()), "row"), percent(self.accuracy, 1)
        return f"Of {rows} in {len(self.classes)} classes {right} are predicted correctly. {errors}"


def _percent(share: float) -> str:
    """A share in per cent, with a decimal if it is less than one."""
    if not np.isfinite(share):
        return ""
    return "<0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}" if 0 < share < 0.0095 else f"{100 * share:.0f}"


@dataclass
class CalibrationDisplay(Display):
    """Whether what is predicted with 80 % happens in 80 % of the rows: frequencies against
    predicted probabilities.

    Each bin's frequency has its binomial interval (Clopper and Pearson, 95 %): a bin is suspicious
    where the diagonal lies outside it. The grey bars show how many rows each bin has.

    Args:
        bins: from `polytome.evaluation.curves.calibration_bins`.
        event: the event that the probabilities are of.

    Example:
        >>> display = CalibrationDisplay.from_predictions([0, 1, 1, 1], [0.1, 0.6, 0.9, 0.8])
        >>> display.ax_.get_title(), round(display.error, 3)
        ('', 0.2)

    Reference:
        Dawid, "The well-calibrated Bayesian", Journal of the American Statistical Association 77
        (1982).
    """

    bins: Sequence[Bin]
    event: str

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        label: Any = None,
        bins: int = 10,
        ax: Any = None,
    ) -> Self:
        """Compare predicted probabilities with observed frequencies.

        Args:
            model: a fitted classifier with `predict_proba`.
            X: features, shape (n, d).
            y: true labels, shape (n,).
            sample_weight: of each row, shape (n,); None for equal ones.
            label: the class whose probability is judged. None for the second of two classes, and
                with more classes for the predicted class.
            bins: how many, of equal width.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: `label` is not one of the model's classes.
            DataError: a label of y is not one of the model's classes.
        """
        needs(model, "predict_proba")
        codes, probabilities = known_codes(y, model.classes_), np.asarray(model.predict_proba(X))
        classes = model.classes_.tolist()
        if label is None and len(classes) > 2:
            happened, p = confidence(codes, probabilities)
            return cls(calibration_bins(happened, p, bins, sample_weight), "the predicted class").plot(ax)
        if label is not None and label not in classes:
            raise ArgumentError(f"label={label!r}: is not one of the model's classes; they begin {classes[:5]}")
        place = 1 if label is None else classes.index(label)
        found = calibration_bins(codes == place, probabilities[:, place], bins, sample_weight)
        return cls(found, str(classes[place])).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        happened: ArrayLike,
        probabilities: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        event: str = "the event",
        bins: int = 10,
        ax: Any = None,
    ) -> Self:
        """Compare probabilities with observed frequencies.

        Args:
            happened: booleans, shape (n,).
            probabilities: predicted, shape (n,).
            sample_weight: of each row, shape (n,); None for equal ones.
            event: the event that the probabilities are of.
            bins: how many, of equal width.
            ax: axes; None for a new figure.
        """
        return cls(calibration_bins(happened, probabilities, bins, sample_weight), event).plot(ax)

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return calibration_error(self.bins)

    def _paper(self) -> Paper:
        return 5.4, 4.6, 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        rows = np.array([each.n_rows for each in self.bins])
        widths = [each.high - each.low for each in self.bins]
        panel.bar(
            [each.low for each in self.bins], 0.16 * rows / rows.max(), widths, align="edge", color="#d4d4d4", zorder=0
        )
        panel.plot([0, 1], [0, 1], **REFERENCE)
        p = np.array([each.mean_probability for each in self.bins])
        frequency = np.array([each.frequency for each in self.bins])
        below = frequency - [each.lower for each in self.bins]
        above = [each.upper for each in self.bins] - frequency
        bars: dict[str, Any] = {"elinewidth": 2.4, "capsize": 0, "ecolor": PALETTE[0], "alpha": 0.45}
        panel.errorbar(p, frequency, [below, above], fmt="none", zorder=2, **bars)
        panel.plot(p, frequency, "o-", color=PALETTE[0], markersize=6, linewidth=1.2, zorder=3)
        panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        panel.set(xlabel=literal(f"predicted probability of {self.event}"), ylabel="share in which it was true")
        panel.annotate(
            f"bars below: rows per bin, at most {rows.max():,}", (0.02, 0.98), va="top", fontsize=9, color=GREY
        )

    def title(self) -> str:
        """What the picture shows."""
        return f"Calibration: expected calibration error {self.error:.2g}"

    def description(self) -> str:
        """The expected calibration error and the worst bin."""
        worst = max(self.bins, key=lambda each: abs(each.frequency - each.mean_probability))
        outside = sum(not each.lower <= each.mean_probability <= each.upper for each in self.bins)
        return (
            f"The expected calibration error of the probabilities of {self.event} is {self.error:.3f}; {outside} of "
            f"{len(self.bins)} bins lie outside their 95 % binomial intervals. The largest error is in the bin from "
            f"{worst.low:.2g} to {worst.high:.2g}: {counted(worst.n_rows, 'row')}, {worst.mean_probability:.3f} "
            f"predicted, {worst.frequency:.3f} observed."
        )
