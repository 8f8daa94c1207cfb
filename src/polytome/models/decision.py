"""Which class is predicted from probabilities: by a cut-off, or by what mistakes cost.

Without a rule a model predicts the most probable class, which is right most often, and best where
every mistake costs the same.

Reference:
    Elkan, "The foundations of cost-sensitive learning", IJCAI (2001): with right probabilities the
    class of the smallest expected cost is the best decision, of two classes a cut-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["DecisionRule", "decision_of"]

_MOST_CLASSES = 1000
"""Of a table of costs: it has a number for each pair of classes."""


@dataclass(frozen=True, eq=False)
class DecisionRule:
    """How probabilities become a class: `model.decision_ = rule` makes a model predict by it.

    Either a cut-off of two classes or costs of three and more; `by_costs` turns costs of two
    classes into their cut-off.

    Attributes:
        threshold: the second of two classes is predicted where its probability is at least this.
        costs: (K, K) what it costs to predict the column's class for a row of the row's class.
        reason: how the rule was chosen.

    Raises:
        ArgumentError: it is neither or both, or a number cannot be used.

    Example:
        >>> rule = DecisionRule(threshold=0.2)
        >>> rule.codes(np.array([[0.9, 0.1], [0.7, 0.3]]))
        array([0, 1])
    """

    threshold: float | None = None
    costs: Array | None = None
    reason: str = "given"

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.costs is None):
            raise ArgumentError("threshold, costs: give one of the two")
        if self.threshold is not None:
            try:
                threshold = float(self.threshold)
            except (TypeError, ValueError):
                threshold = np.nan
            if not 0 < threshold < 1:
                raise ArgumentError(f"threshold={self.threshold!r}: needs a probability between 0 and 1")
            object.__setattr__(self, "threshold", threshold)
        if self.costs is not None:
            costs = _checked_costs(self.costs)
            if len(costs) < 3:
                raise ArgumentError("costs of two classes are a cut-off: give them to DecisionRule.by_costs")
            object.__setattr__(self, "costs", costs)

    @classmethod
    def by_costs(cls, costs: ArrayLike, classes: Sequence[Any] | None = None) -> DecisionRule:
        """The rule that predicts the class of the smallest expected cost.

        Args:
            costs: (K, K) what it costs to predict the column's class for a row of the row's class,
                in the order of the model's classes. A gain is a negative cost.
            classes: labels for messages and the reason; None for places.

        Raises:
            ArgumentError: costs cannot be used, or are such that one class would always be
                predicted.

        Example:
            >>> DecisionRule.by_costs([[0, 1], [4, 0]]).threshold
            0.2
        """
        matrix = _checked_costs(costs)
        names = [str(label) for label in (range(len(matrix)) if classes is None else classes)]
        if len(matrix) > 2:
            return cls(costs=matrix, reason="the smallest expected cost, by a table of costs")
        wrong = matrix[0, 1] - matrix[0, 0], matrix[1, 0] - matrix[1, 1]  # what a mistake costs more
        for place, excess in enumerate(wrong):
            if not excess > 0:
                other = names[1 - place]
                raise ArgumentError(
                    f"costs: to predict {other!r} for a row of {names[place]!r} costs no more than to predict "
                    f"{names[place]!r}, so that {other!r} would always be predicted; give mistakes larger costs"
                )
        reason = (
            f"the smallest expected cost, where {names[1]!r} for a row of {names[0]!r} costs {wrong[0]:g} more than "
            f"the right class, and {names[0]!r} for a row of {names[1]!r} {wrong[1]:g} more"
        )
        return cls(threshold=float(wrong[0] / (wrong[0] + wrong[1])), reason=reason)

    @property
    def n_classes(self) -> int:
        """Of how many classes it decides."""
        return 2 if self.costs is None else len(self.costs)

    @property
    def log_odds(self) -> float:
        """Of two classes: the score from which on the second class is predicted."""
        if self.threshold is None:
            raise ArgumentError("a rule of costs is no cut-off of one score")
        return float(np.log(self.threshold) - np.log1p(-self.threshold))

    def codes(self, probabilities: Array) -> NDArray[np.intp]:
        """The places of the predicted classes, shape (n,).

        Args:
            probabilities: shape (n, K).
        """
        if self.costs is None:
            return (probabilities[:, 1] >= self.threshold).astype(np.intp)
        return np.asarray((probabilities @ self.costs).argmin(axis=1))

    def sentence(self, classes: Sequence[Any]) -> str:
        """What is predicted when, and how that was chosen.

        Args:
            classes: the labels.

        Example:
            >>> DecisionRule(threshold=0.2).sentence(["no", "yes"])
            'yes is predicted where its probability is at least 0.2: given'
        """
        if self.threshold is not None:
            return f"{classes[1]} is predicted where its probability is at least {self.threshold:.6g}: {self.reason}"
        return f"the class is predicted whose expected cost is the smallest: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        costs = None if self.costs is None else self.costs.tolist()
        return {"threshold": self.threshold, "costs": costs, "reason": self.reason}


def decision_of(model: object) -> DecisionRule | None:
    """The rule by which a model predicts; None where it predicts the most probable class.

    Example:
        >>> decision_of(object()) is None
        True
    """
    rule: DecisionRule | None = getattr(model, "__dict__", {}).get("_decision")
    return rule


def _checked_costs(costs: Any) -> NDArray[np.float64]:
    """Costs as a square array of finite numbers."""
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"costs: are not a table of numbers ({error})") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ArgumentError(f"costs have shape {matrix.shape}: give a row and a column for each class")
    if len(matrix) > _MOST_CLASSES:
        raise ArgumentError(f"costs are of {len(matrix):,} classes: a rule of costs has at most {_MOST_CLASSES:,}")
    if not np.isfinite(matrix).all():
        row, column = map(int, np.argwhere(~np.isfinite(matrix))[0])
        raise ArgumentError(f"costs[{row}, {column}] is {matrix[row, column]}: costs are finite numbers")
    matrix.flags.writeable = False
    return matrix
