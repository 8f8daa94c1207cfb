"""The options of a cut-off and of costs, which several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from polytome.models.decision import DecisionRule

__all__ = ["Costs", "Prefer", "Threshold", "Wanted"]

Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="SHARE",
        show_default=False,
        help="Predict the second of two classes (with --positive, that one) where its probability is at least this.",
    ),
]
Costs = Annotated[
    Path | None,
    typer.Option(
        "--costs",
        metavar="FILE.csv",
        show_default=False,
        help="Predict the class of the smallest expected cost. The file has a line of the predicted classes and one "
        "line for each true class: what each prediction costs there.",
    ),
]
Prefer = Annotated[
    str | None,
    typer.Option(
        "--prefer",
        metavar="GOAL",
        show_default=False,
        help="Choose the cut-off of two classes on held-out rows: f1 for the largest F1 of the second class, "
        "recall=SHARE for the best precision with at least this recall, precision=SHARE for the best recall with at "
        "least this precision.",
    ),
]


@dataclass(frozen=True)
class Wanted:
    """How classes are to be predicted, as the options say it.

    Attributes:
        threshold: of `--threshold`.
        costs: of `--costs`.
        prefer: of `--prefer`.
    """

    threshold: Threshold = None
    costs: Costs = None
    prefer: Prefer = None

    @property
    def is_asked(self) -> bool:
        """Whether any option is given."""
        return any(value is not None for value in (self.threshold, self.costs, self.prefer))

    def check(self) -> None:
        """Refuse, before any work, options that contradict each other or cannot be used."""
        from polytome.errors import ArgumentError, FileError
        from polytome.evaluation.thresholds import Preference
        from polytome.models.decision import DecisionRule

        given = [name for name in ("threshold", "costs", "prefer") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ArgumentError(f"--{given[0]}, --{given[1]}: each says how classes are predicted; give one of them")
        if self.threshold is not None:
            DecisionRule(threshold=self.threshold)
        if self.prefer is not None:
            Preference.parsed(self.prefer)
        if self.costs is not None and not self.costs.is_file():
            raise FileError(f"--costs {self.costs}: no such file")

    def check_classes(self, classes: Any) -> None:
        """Refuse, before a fit, what does not suit the classes."""
        from polytome.errors import ArgumentError
        from polytome.evaluation.thresholds import check_two_classes

        labels = [str(label) for label in classes]
        if self.prefer is not None:
            check_two_classes(labels, self.prefer)
        if self.threshold is not None and len(labels) != 2:
            raise ArgumentError(
                f"--threshold {self.threshold:g}: one cut-off divides two classes, and there are {len(labels)}; give "
                "--costs, or distinguish one class with --positive"
            )
        if self.costs is not None:
            self._by_costs(classes)

    def _by_costs(self, classes: Any) -> DecisionRule:
        from polytome.evaluation.thresholds import read_costs
        from polytome.models.decision import DecisionRule

        assert self.costs is not None
        return DecisionRule.by_costs(read_costs(self.costs, list(classes)), list(classes))

    def rule(self, model: Any, X: Any, y: Any, weight: Any, name: str) -> DecisionRule | None:
        """The rule for a model; None if no option is given.

        Args:
            model: fitted.
            X: held-out rows, for `--prefer`.
            y: their labels.
            weight: of each; None for equal ones.
            name: where they come from.
        """
        from polytome.evaluation.thresholds import choose_threshold
        from polytome.models.decision import DecisionRule

        if self.threshold is not None:
            return DecisionRule(threshold=self.threshold)
        if self.costs is not None:
            return self._by_costs(model.classes_.tolist())
        if self.prefer is not None:
            return choose_threshold(model, X, y, prefer=self.prefer, sample_weight=weight, name=name)
        return None
