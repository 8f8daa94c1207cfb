"""Displays of what a fit leaves: residuals in groups of rows, and the rows that it owes most to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.evaluation.ordering import largest
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.residuals import probabilities_at
from polytome.plots.display import Display, Paper, shown_rows
from polytome.plots.drawing import GREY, PALETTE, REFERENCE, figure_of, is_ours, mark
from polytome.plots.forest import result_of
from polytome.plots.labels import EndLabel, counted, key_above, label_ends, literal, short, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["InfluenceDisplay", "ResidualsDisplay"]

_MOST_BINS = 50
_MOST_PANELS = 12
_MOST_POINTS = 600
_NAMED_ROWS = 5


@dataclass
class ResidualsDisplay(Display):
    """Residuals in groups of rows of similar probability: how often a class occurs in a group, less
    the mean probability that is predicted for it.

    Where the model is right, some 95 of 100 groups lie in the grey band of two standard errors. A
    bow or a slope says that something is left out. Single residuals would not show it: a row has
    only two possible ones.

    Args:
        means: for each class the mean probability of each group.
        residuals: for each class the mean residual of each group.
        errors: for each class the standard error of these under the model.
        classes: the classes shown.
        subject: what is predicted, for the title.

    Example:
        >>> display = ResidualsDisplay([[0.2, 0.8]], [[0.05, -0.02]], [[0.04, 0.04]], ["ill"], "ill").plot()
        >>> display.n_outside
        0

    Reference:
        Gelman and Hill, "Data Analysis Using Regression and Multilevel/Hierarchical Models" (2007),
        section 5.6.
    """

    means: Sequence[Array]
    residuals: Sequence[Array]
    errors: Sequence[Array]
    classes: Sequence[Any]
    subject: str

    @classmethod
    def from_result(cls, result: LogisticResult, *, bins: int | None = None, ax: Any = None) -> Self:
        """Group the rows of a fit.

        Args:
            result: of `polytome.inference`.
            bins: how many groups of as many rows; None for the square root of the number of rows,
                at most 50. Rows of equal probability are in one group.
            ax: one axes for each class (of two classes, for the second); None for a new figure.

        Raises:
            ArgumentError: `result` has no residuals, or `bins` is not a whole number above 1.
        """
        _has_rows(result, "residuals")
        sample = result.sample
        n = len(sample.weight)
        if bins is not None and (isinstance(bins, bool) or not isinstance(bins, int) or bins < 2):
            raise ArgumentError(f"bins={bins!r}: give a whole number, at least 2")
        n_bins = bins or max(2, min(_MOST_BINS, int(np.sqrt(n))))
        P = probabilities_at(result.likelihood, result.best)
        shown = [1] if len(sample.classes) == 2 else list(range(len(sample.classes)))
        if len(shown) > _MOST_PANELS:
            counts = np.bincount(sample.codes, sample.weight, len(sample.classes))
            shown = sorted(largest(counts.tolist(), _MOST_PANELS))
        counts_rows = sample.weights_are == "frequencies"
        found = [_grouped(P[:, k], sample.codes == k, sample.weight, n_bins, counts_rows) for k in shown]
        means, residuals, errors = (list(each) for each in zip(*found, strict=True))
        names = [str(sample.classes[k]) for k in shown]
        if len(names) == 1:
            names = [f"{result.about.response} = {names[0]}"]
        return cls(means, residuals, errors, names, result.about.response).plot(ax)

    @property
    def n_outside(self) -> int:
        """Groups outside the band of two standard errors."""
        return sum(int(_outside(r, e).sum()) for r, e in zip(self.residuals, self.errors, strict=True))

    @property
    def n_groups(self) -> int:
        """Groups of all classes."""
        return sum(len(each) for each in self.means)

    def _paper(self) -> Paper:
        k = len(self.classes)
        return (6.4, 4.0, 1, 1) if k == 1 else (8.4, 2.6 * -(-k // 2), -(-k // 2), 2)

    def _draw(self, axes: list[Axes]) -> None:
        for spare in axes[len(self.classes) :]:
            spare.set_axis_off()
        pieces = list(zip(axes, self.means, self.residuals, self.errors, self.classes, strict=False))
        for panel, mean, residual, error, name in pieces:
            mean, residual, error = (np.asarray(each, dtype=np.float64) for each in (mean, residual, error))
            panel.fill_between(mean, -2 * error, 2 * error, color="#d4d4d4", linewidth=0, zorder=0)
            panel.axhline(0, **REFERENCE)
            outside = _outside(residual, error)
            points: dict[str, Any] = {"linestyle": "none", "markersize": 5}
            panel.plot(mean[~outside], residual[~outside], "o", color=PALETTE[0], **points)
            panel.plot(mean[outside], residual[outside], "s", color=PALETTE[1], **points)
            panel.set(xlabel=literal(f"mean probability of {name}"), ylabel="mean residual")
            if len(self.classes) > 1:
                panel.set_title(wrapped(literal(name), 40), fontsize=10)
                panel.set_xlabel("mean probability")

    def title(self) -> str:
        """What the picture shows."""
        return literal(
            f"Residuals of {self.subject} in groups: {self.n_outside} of {self.n_groups} outside two standard errors"
        )

    def description(self) -> str:
        """How many groups lie outside the band, and the farthest."""
        sizes = [
            np.abs(np.asarray(residual)) / np.maximum(error, 1e-300)
            for residual, error in zip(self.residuals, self.errors, strict=True)
        ]
        k = int(np.argmax([each.max() for each in sizes]))
        j = int(sizes[k].argmax())
        return (
            f"Mean residuals of {self.subject} in {self.n_groups} groups of rows by predicted probability, with two "
            f"standard errors as a grey band: {self.n_outside} lie outside. The farthest has a mean probability of "
            f"{self.classes[k]} of {short(self.means[k][j])} and a mean residual of {short(self.residuals[k][j])}, "
            f"{short(sizes[k][j])} standard errors."
        )


def _outside(residual: Any, error: Any) -> Array:
    outside: Array = np.abs(np.asarray(residual)) > 2 * np.asarray(error)
    return outside


def _grouped(p: Array, happened: Array, weight: Array, n_bins: int, counts: bool) -> tuple[Array, Array, Array]:
    """Mean probabilities, mean residuals and their standard errors under the model."""
    ends = np.unique(np.quantile(p, np.linspace(0, 1, n_bins + 1)))
    place = np.clip(np.searchsorted(ends, p, side="left") - 1, 0, max(len(ends) - 2, 0))
    total = np.bincount(place, weight)
    kept = total > 0
    squares = weight if counts else weight**2
    spread = np.bincount(place, squares * p * (1 - p))
    mean = np.bincount(place, weight * p)
    residual = np.bincount(place, weight * (happened - p))
    return mean[kept] / total[kept], residual[kept] / total[kept], np.sqrt(spread[kept]) / total[kept]


@dataclass
class InfluenceDisplay(Display):
    """What each row does to the fit: its leverage, and Cook's distance, by how much all
    coefficients move without it.

    The rows that move them most are named by their numbers, which count from 0. Of many rows those
    of the largest distances are drawn, and some of the others.

    Args:
        leverage: shape (n,).
        cook: shape (n,); NaN for a row that its own coefficients fit.
        codes: the place of each row's class, shape (n,).
        classes: the classes.
        numbers: which rows these are, shape (n,).
        n_rows: how many rows the fit has.

    Example:
        >>> display = InfluenceDisplay([0.1, 0.2], [0.01, 0.4], [0, 1], ["well", "ill"], [0, 1], 2).plot()
        >>> display.ax_.get_xlabel()
        'leverage'

    Reference:
        Pregibon, "Logistic regression diagnostics", Annals of Statistics 9 (1981).
    """

    leverage: Array
    cook: Array
    codes: Array
    classes: Sequence[Any]
    numbers: Array
    n_rows: int

    @classmethod
    def from_result(cls, result: LogisticResult, *, ax: Any = None) -> Self:
        """Compute the influence of each row of a fit.

        Args:
            result: of `polytome.inference`.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: `result` has no influence of rows, as that of Firth's method.
        """
        _has_rows(result, "influence")
        frame, sample = result.influence(), result.sample
        leverage, cook = (np.asarray(frame[name], dtype=np.float64) for name in ("leverage", "cook"))
        order = np.argsort(-np.nan_to_num(cook, nan=-1.0), kind="stable")
        shown = order
        if len(order) > _MOST_POINTS:
            half = _MOST_POINTS // 2
            shown = np.concatenate([order[:half], order[half:][shown_rows(len(order) - half, half)]])
        shown = np.sort(shown)
        codes, numbers = sample.codes[shown], sample.numbers[shown]
        return cls(leverage[shown], cook[shown], codes, sample.classes, numbers, len(order)).plot(ax)

    def __post_init__(self) -> None:
        self.leverage, self.cook = (np.asarray(each, dtype=np.float64) for each in (self.leverage, self.cook))
        self.codes, self.numbers = np.asarray(self.codes), np.asarray(self.numbers)

    def _worst(self) -> list[int]:
        return list(largest(np.nan_to_num(self.cook, nan=-1.0).tolist(), min(_NAMED_ROWS, len(self.cook))))

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        key: dict[str, Any] = {}
        for k, name in enumerate(self.classes):
            own = self.codes == k
            if own.any():
                looks: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "alpha": 0.7, "markeredgewidth": 0}
                (key[literal(name)],) = panel.plot(self.leverage[own], self.cook[own], **looks, **mark(k))
        panel.set(xlabel="leverage", ylabel="Cook's distance")
        top = float(np.nanmax(self.cook)) if np.isfinite(self.cook).any() else 1.0
        panel.set_ylim(-0.03 * top, 1.06 * top)
        panel.axhline(0, color=GREY, linewidth=0.5)
        if len(key) > 1:
            key_above(figure_of(panel), key)
        if is_ours(figure_of(panel)):
            label_ends(
                panel,
                [
                    EndLabel(f"row {self.numbers[i]}", self.leverage[i], self.cook[i], GREY)
                    for i in self._worst()
                    if np.isfinite(self.cook[i])
                ],
            )

    def title(self) -> str:
        """What the picture shows."""
        n = len(self.leverage)
        share = f"{n:,} of {self.n_rows:,} rows" if n < self.n_rows else counted(n, "row")
        return f"Leverage and influence of {share}"

    def description(self) -> str:
        """The rows of the largest Cook's distances."""
        lost = int((~np.isfinite(self.cook)).sum())
        rows = [
            f"row {self.numbers[i]} ({self.classes[self.codes[i]]}, leverage {short(self.leverage[i])}, Cook's "
            f"distance {short(self.cook[i])})"
            for i in self._worst()[:3]
            if np.isfinite(self.cook[i])
        ]
        more = f" {counted(lost, 'row')} that only one coefficient fits has no distance." if lost else ""
        return f"Of {counted(self.n_rows, 'row')} those that move the coefficients most are {'; '.join(rows)}.{more}"


def _has_rows(result: Any, what: str) -> None:
    """Raises ArgumentError unless a result knows what each row does."""
    result_of(result)
    if not isinstance(result, LogisticResult):
        raise ArgumentError(f"result is {type(result).__name__}, which has no {what}: give one of fit_formula")
