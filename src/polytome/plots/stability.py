"""A display of stability selection: how often each column comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.evaluation.ordering import largest
from polytome.models.fitted import feature_names_in
from polytome.plots.display import Display
from polytome.plots.drawing import GREY, REFERENCE, stroke
from polytome.plots.labels import EndLabel, counted, label_ends, literal, percent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from polytome.models.stability import StabilitySelection

Array = NDArray[Any]

__all__ = ["StabilityDisplay", "draw_stability"]

_NAMED = 8  # the most columns with their own colour and name
_MOST_GREY = 200


@dataclass
class StabilityDisplay(Display):
    """The share of half samples in which each column has come in, against the strength.

    Columns above the dashed line at the end are selected; the most frequent ones have names.

    Args:
        strengths: falling, (n,).
        frequencies: at each strength, (n, d).
        names: the names of the columns.
        threshold: the share from which a column is selected.

    Example:
        >>> display = StabilityDisplay([1.0, 0.5], np.array([[0.0, 0.0], [0.9, 0.2]]), ["age", "noise"], 0.75).plot()
        >>> display.ax_.get_ylabel()
        'share of half samples'

    Reference:
        Meinshausen and Buehlmann, "Stability selection", Journal of the Royal Statistical Society B
        72 (2010), figure 1.
    """

    strengths: Array
    frequencies: Array
    names: Sequence[str]
    threshold: float

    @classmethod
    def from_selection(cls, selection: StabilitySelection, *, ax: Any = None) -> Self:
        """Draw a fitted selection.

        Args:
            selection: what was fitted.
            ax: axes; None for a new figure.

        Raises:
            sklearn.exceptions.NotFittedError: it was not.
        """
        check_is_fitted(selection, "frequencies_")
        given = feature_names_in(selection)
        n_columns = selection.n_features_in_
        names = [f"feature_{j}" for j in range(n_columns)] if given is None else [str(name) for name in given]
        along = selection.frequencies_along_
        return cls(selection.strengths_, along, names, float(selection.threshold)).plot(ax)

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        strengths, last = np.asarray(self.strengths), self.frequencies[-1]
        named = [int(j) for j in largest(last, _NAMED, self.names) if last[j] > 0]
        others = np.setdiff1d(np.flatnonzero(last > 0), named)[:_MOST_GREY]
        for j in others:
            panel.plot(strengths, self.frequencies[:, j], color=GREY, linewidth=0.6, alpha=0.6)
        level = panel.axhline(self.threshold, **REFERENCE)
        panel.set(xscale="log", xlabel="strength of the penalty", ylabel="share of half samples", ylim=(-0.03, 1.03))
        panel.invert_xaxis()
        panel.minorticks_off()
        panel.margins(x=0.02)
        ends = []
        for place, j in enumerate(named):
            (line,) = panel.plot(strengths, self.frequencies[:, j], **stroke(place))
            ends.append(EndLabel(literal(self.names[j]), strengths[-1], last[j], str(line.get_color()), line))
        ends.append(EndLabel(f"threshold {short(self.threshold)}", strengths[-1], self.threshold, GREY, level))
        label_ends(panel, ends)

    def title(self) -> str:
        """What the picture shows."""
        n = int((self.frequencies[-1] >= self.threshold - 1e-9).sum())
        return f"At least {percent(self.threshold)} of half samples choose {counted(n, 'column')}"

    def description(self) -> str:
        """Which columns are selected."""
        last = self.frequencies[-1]
        chosen = [f"{self.names[j]} ({percent(last[j])})" for j in np.argsort(-last, kind="stable")]
        n = int((last >= self.threshold - 1e-9).sum())
        which = f": {', '.join(chosen[: min(n, _NAMED)])}" if n else ""
        return (
            f"At least {percent(self.threshold)} of half samples choose {n} of {counted(len(last), 'column')}{which}."
        )


def draw_stability(selection: StabilitySelection, *, ax: Any = None) -> StabilityDisplay:
    """What `StabilitySelection.plot` calls."""
    return StabilityDisplay.from_selection(selection, ax=ax)
