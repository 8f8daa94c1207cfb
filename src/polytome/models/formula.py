"""The minimised formula with its numbers: how a fit describes itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from polytome.penalties import L2, ElasticNet, Penalty, WeightedL2, group_lasso_text
from polytome.plain.values import plain

__all__ = ["Formula"]


@dataclass(frozen=True)
class Formula:
    """The objective of a fit, with its numbers.

    Attributes:
        loss: "softmax" or "logistic".
        n_rows: rows of the data.
        total_weight: sum of their weights.
        n_features: columns of the data.
        n_classes: classes.
        strength: of the penalty on the mean-loss scale; 0 without a penalty.
        fit_intercept: whether there is an intercept (never penalised).
        scale: "none", "standard", or the numbers that the columns are divided by before the
            penalty.
        value: of the objective at the fitted coefficients, in nats.
        penalty_weights: "none", or what each column's part of the penalty is multiplied by.
        l1_ratio: the share of absolute values, or of norms of groups, in the penalty; the rest are
            squares.
        has_offset: whether each row adds an offset of its own to its scores.
        label_smoothing: the share of each label that is spread evenly over all classes.
        groups: "none", "classes" (the coefficients of each column are a group), or how many groups
            of columns there are.
        bounds: "none", or what the coefficients are within.
        group_ratio: where there are groups, the share of norms beside absolute values.

    Example:
        >>> print(Formula("softmax", 150, 150.0, 4, 3, 1 / 150, True, "none", 0.1))
        (1/150) sum_i softmax_loss(x_i W + b, y_i) + 0.00666667/2 ||W||^2
    """

    loss: str
    n_rows: int
    total_weight: float
    n_features: int
    n_classes: int
    strength: float
    fit_intercept: bool
    scale: str
    value: float
    penalty_weights: str = "none"
    l1_ratio: float = 0.0
    has_offset: bool = False
    label_smoothing: float = 0.0
    groups: str = "none"
    bounds: str = "none"
    group_ratio: float = 1.0

    @property
    def C(self) -> float:
        """The same strength as scikit-learn states it, `1 / (strength * total_weight)`."""
        return 1 / (self.strength * self.total_weight) if self.strength > 0 else float("inf")

    def __str__(self) -> str:
        """The formula on one line."""
        weights = "" if self.total_weight == self.n_rows else "s_i "
        scores = "x_i W + b" if self.fit_intercept else "x_i W"
        scores += " + o_i" if self.has_offset else ""
        text = f"(1/{self.total_weight:.10g}) sum_i {weights}{self.loss}_loss({scores}, y_i)"
        if self.strength > 0:
            weighted = self.penalty_weights != "none"
            text += f" + {self._penalty_text(weighted)}" + (f", w {self.penalty_weights}" if weighted else "")
            if self.groups not in ("none", "classes"):
                text += f", {self.groups}, p_g of them in group g"
        if self.scale != "none":
            text += f", x divided by {'its standard deviation' if self.scale == 'standard' else self.scale}"
        if self.label_smoothing > 0:
            kept, spread = 1 - self.label_smoothing, self.label_smoothing
            text += f", y_i being {kept:.6g} times the label plus {spread:.6g}/{self.n_classes} for each class"
        return text if self.bounds == "none" else f"{text}, subject to {self.bounds}"

    def _penalty_text(self, weighted: bool) -> str:
        if self.groups != "none":
            alone = self.groups == "classes"
            return group_lasso_text(self.strength, self.l1_ratio, alone, weighted, self.group_ratio)
        penalty: Penalty = WeightedL2(self.strength, 1.0) if weighted else L2(self.strength)
        if self.l1_ratio > 0:
            penalty = ElasticNet(self.strength, self.l1_ratio, 1.0 if weighted else None)
        return penalty.text

    def to_json(self) -> dict[str, Any]:
        """The numbers and the text as plain values for JSON; what is infinite or NaN, as C without
        a penalty, is None."""
        found: dict[str, Any] = plain({**asdict(self), "C": self.C, "text": str(self)})
        return found
