"""How a penalty was chosen, as the report and the command line tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from polytome.models.cross_validation import LogisticRegressionCV, chosen_by_rule
from polytome.report.pictures import Picture, figure
from polytome.report.wording import number

if TYPE_CHECKING:
    from polytome.models.path import RegularizationPath

__all__ = ["Tried", "Tuned"]


class Tried(NamedTuple):
    """One strength with the chosen l1_ratio."""

    C: float
    mean: float
    """Of the folds' scores: log loss in nats, or a scorer's number."""
    error: float
    """Its standard error."""
    active: float
    """The median over the folds of how many coefficients are not 0."""
    marks: str
    """Which rules choose it: min, 1se, both or none."""


@dataclass(frozen=True)
class Tuned:
    """A finished cross-validation.

    Attributes:
        search: what was fitted.
        path: the coefficients on all rows with the chosen l1_ratio; None for no picture of them.
    """

    search: LogisticRegressionCV
    path: RegularizationPath | None = None

    @property
    def is_loss(self) -> bool:
        """Whether it was judged by the log loss."""
        return self.search.scoring in (None, "neg_log_loss")

    @property
    def measure(self) -> str:
        """What the scores are."""
        return "Held-out log loss" if self.is_loss else f"Held-out {str(self.search.scoring).replace('_', ' ')}"

    @property
    def l1_ratio(self) -> str:
        """The chosen one."""
        return f"{self.search.l1_ratio_:g}"

    @property
    def rows(self) -> list[Tried]:
        """What was tried with the chosen l1_ratio, from strong to weak."""
        search = self.search
        place = int(np.flatnonzero(search.l1_ratios_ == search.l1_ratio_)[0])
        marks = {rule: chosen_by_rule(search.mean_scores_, search.standard_errors_, rule) for rule in ("min", "1se")}
        active = np.count_nonzero(search.coefs_paths_[:, place, :, :, :-1], axis=(2, 3))
        done = ~np.isnan(search.scores_).any(axis=(1, 2))
        sign = -1.0 if self.is_loss else 1.0
        return [
            Tried(
                float(C),
                sign * float(search.mean_scores_[place, at]),
                float(search.standard_errors_[place, at]),
                float(np.median(active[done, at])),
                ", ".join(rule for rule, found in marks.items() if found == (place, at)),
            )
            for at, C in enumerate(search.Cs_)
        ]

    @property
    def sentence(self) -> str:
        """What was tried, how it was judged, and what was chosen."""
        search = self.search
        rules = {"min": "the best mean", "1se": "the strongest penalty within one standard error of the best"}
        folds = f"{search.n_folds_done_} of {len(search.folds_)}" if self.is_partial else str(len(search.folds_))
        ratios = ", ".join(f"{ratio:g}" for ratio in search.l1_ratios_)
        found = next(row for row in self.rows if row.C == search.C_)
        return (
            f"{len(search.Cs_)} strengths with l1_ratio {ratios} were judged by cross-validation in {folds} folds, "
            f"each held out in turn. C = {number(search.C_)} with l1_ratio {self.l1_ratio} was chosen: "
            f"{rules[search.rule]} "
            f"({self.measure.lower()} {number(found.mean)}, standard error {number(found.error, 2)}). A score by which "
            "something was chosen is a little better than what new rows will show."
        )

    @property
    def is_partial(self) -> bool:
        """Whether it was stopped before all folds were finished."""
        return self.search.n_folds_done_ < len(self.search.folds_)

    @property
    def at_end(self) -> bool:
        """Whether the best is the weakest penalty that was tried, so that a weaker one may be
        better."""
        _, at = chosen_by_rule(self.search.mean_scores_, self.search.standard_errors_, "min")
        return at == len(self.search.Cs_) - 1

    def figures(self) -> dict[str, Picture]:
        """The pictures, by name."""
        from polytome.plots.paths import CrossValidationDisplay, PathDisplay

        found = {"cross_validation": figure(CrossValidationDisplay.from_search(self.search))}
        if self.path is not None:
            found["path"] = figure(PathDisplay.from_path(self.path, chosen=self.search.C_))
        return found
