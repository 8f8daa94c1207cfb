"""The display of what a model predicts along one of its variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.estimate import width_of
from polytome.inference.result import Result, check_level
from polytome.inference.variables import variable_of
from polytome.plots.display import Display, Paper, shown_rows
from polytome.plots.drawing import GREY, PALETTE, figure_of, stroke
from polytome.plots.forest import draw_intervals, intervals_height, result_of
from polytome.plots.labels import EndLabel, key_above, label_ends, literal, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

__all__ = ["EffectDisplay"]

_FEW_VALUES = 12  # of a number, each of which is then predicted at
_GRID = 25  # predictions along a number of more values
_NAMED = 12  # the most classes with names beside their lines


@dataclass
class EffectDisplay(Display):
    """The mean predicted probability of each class while one variable is set to values and the
    others stay as they are in the rows: adjusted predictions.

    Of a number a line with a band along its range, and a tick on the axis for some rows; of a
    category, or of what is only 0 or 1, a point with an interval for each level. Bands are of the
    covariance that the table was made with, by the delta method, and end at 0 and 1.

    Args:
        variable: its name.
        values: shape (n_values,), numbers or names of levels.
        probabilities: shape (n_values, n_classes).
        lower: the lower ends of the intervals, of the same shape.
        upper: the upper ends.
        classes: the classes shown.
        subject: what is predicted, for the title.
        interval: the kind of the intervals.
        rows: some values that rows have; None of a category.

    Example:
        >>> display = EffectDisplay("dose", [0, 1], [[0.2], [0.5]], [[0.1], [0.3]], [[0.4], [0.7]], ["ill"], "ill")
        >>> display.plot().ax_.get_xlabel()
        'probability of ill, 95 % interval'

    Reference:
        Fox, "Effect displays in R for generalised linear models", Journal of Statistical Software 8
        (2003).
    """

    variable: str
    values: Sequence[Any]
    probabilities: Array
    lower: Array
    upper: Array
    classes: Sequence[Any]
    subject: str
    interval: str = "95 % interval"
    rows: Array | None = None

    @classmethod
    def from_result(
        cls, result: Result, variable: str, *, at: Mapping[str, Any] | None = None, level: float = 0.95, ax: Any = None
    ) -> Self:
        """Predict along a variable.

        Args:
            result: of `polytome.inference`.
            variable: its name, as the formula or the columns have it.
            at: a value for each of some other variables; these are as in the rows, if None.
            level: of the intervals.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: `result` has no predictions, or there is no such variable or value.
        """
        result_of(result)
        check_level(level)
        if not hasattr(result, "predictions"):
            raise ArgumentError(f"result is {type(result).__name__}, which has no predictions")
        grid, rows = _grid(result, variable)
        others = dict(at or {})
        for name, value in others.items():
            if name == variable or isinstance(value, list | tuple | np.ndarray):
                raise ArgumentError(f"at: {name} = {value!r:.60}; give one value of another variable than {variable!r}")
        found = result.predictions(at={**others, variable: grid})
        width = width_of(level, found.df) * found.standard_errors
        classes = list(dict.fromkeys(each for _, _, each in found.rows))
        shape = len(grid), len(classes)
        if len(classes) == 1:
            classes = [f"{result.about.response} = {classes[0]}"]
        where = "".join(f", {name} = {value}" for name, value in others.items())
        return cls(
            variable,
            grid,
            found.values.reshape(shape),
            np.clip(found.values - width, 0, 1).reshape(shape),
            np.clip(found.values + width, 0, 1).reshape(shape),
            classes,
            f"{result.about.response}{where}",
            f"{100 * level:g} % interval",
            rows,
        ).plot(ax)

    def __post_init__(self) -> None:
        self.probabilities, self.lower, self.upper = (
            np.asarray(each, dtype=np.float64) for each in (self.probabilities, self.lower, self.upper)
        )

    def _paper(self) -> Paper:
        if self.rows is not None:
            return 6.4, 4.2, 1, 1
        return 6.4, intervals_height([literal(value) for value in self.values], len(self.classes)), 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        of = f"probability of {self.classes[0]}" if len(self.classes) == 1 else "probability"
        of = f"{of}, {self.interval}" if np.isfinite(self.lower).any() else f"{of} (no interval)"
        if self.rows is None:
            panel.set_xlim(*_limits(self.probabilities, self.lower, self.upper))
            names = [_level_name(value) for value in self.values]
            drawn = draw_intervals(panel, names, self.probabilities.T, self.lower.T, self.upper.T)
            panel.set(xlabel=literal(of), ylabel=literal(self.variable))
            if len(drawn) > 1:
                key = {literal(name): line for name, line in zip(self.classes, drawn, strict=True)}
                key_above(figure_of(panel), key)
            return
        x, labels = np.asarray(self.values, dtype=np.float64), []
        for k, name in enumerate(self.classes):
            looks = stroke(k)
            panel.fill_between(x, self.lower[:, k], self.upper[:, k], color=looks["color"], alpha=0.16, linewidth=0)
            (line,) = panel.plot(x, self.probabilities[:, k], **looks)
            labels.append(EndLabel(literal(name), x[-1], self.probabilities[-1, k], PALETTE[k % len(PALETTE)], line))
        low, high = _limits(self.probabilities, self.lower, self.upper)
        room = 0.05 * (high - low)
        panel.plot(
            self.rows, np.full(len(self.rows), low - room / 2), "|", color=GREY, markersize=7, markeredgewidth=0.6
        )
        panel.set_ylim(low - room, high)
        panel.set_xlim(x[0], x[-1])
        panel.set(xlabel=literal(self.variable), ylabel=literal(of))
        if len(labels) > _NAMED:
            key_above(figure_of(panel), {label.name: label.line for label in labels if label.line is not None})
        elif len(labels) > 1:
            label_ends(panel, labels)

    def title(self) -> str:
        """What the picture shows."""
        return literal(f"Predicted probabilities of {self.subject} by {self.variable}")

    def description(self) -> str:
        """Where the probability of each class is smallest and largest, for at most five classes."""
        parts = []
        for k, name in list(enumerate(self.classes))[:5]:
            p = self.probabilities[:, k]
            low, high = int(p.argmin()), int(p.argmax())
            parts.append(
                f"{name}: from {short(p[low])} at {_level_name(self.values[low])} to {short(p[high])} at "
                f"{_level_name(self.values[high])}"
            )
        more = f" (and {len(self.classes) - 5} more classes)" if len(self.classes) > 5 else ""
        lost = "" if np.isfinite(self.lower).all() else " Some have no interval, as estimates are infinite."
        return f"Mean predicted probabilities of {self.subject} by {self.variable}: {'; '.join(parts)}{more}.{lost}"


def _level_name(value: Any) -> str:
    return short(value) if isinstance(value, float) else str(value)


def _limits(p: Array, lower: Array, upper: Array) -> tuple[float, float]:
    """Of the axis of probabilities: what is shown, with room, and 0 or 1 where these are near."""
    low, high = float(np.nanmin([*lower.ravel(), *p.ravel()])), float(np.nanmax([*upper.ravel(), *p.ravel()]))
    room = max(0.06 * (high - low), 0.005)
    return (0.0 if low - room < 0.1 else low - room), (1.0 if high + room > 0.9 else high + room)


def _grid(result: Any, variable: str) -> tuple[list[Any], Array | None]:
    """The values that a variable is set to, and of a number some that rows have."""
    levels, values = variable_of(result.sample, result.design, variable)
    if levels is not None:
        return list(levels), None
    column = np.sort(np.asarray(values, dtype=np.float64))
    rows = column[shown_rows(len(column), 200)]
    distinct = np.unique(column)
    if len(distinct) < 2:
        raise ArgumentError(f"variable {variable!r} is {distinct[0]:g} in every row: nothing is predicted along it")
    return (distinct if len(distinct) <= _FEW_VALUES else np.linspace(column[0], column[-1], _GRID)).tolist(), rows
