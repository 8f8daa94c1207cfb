"""Displays of a penalty's strength: the coefficients along a path, and how well each strength
predicts held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.evaluation.explain import feature_names
from polytome.evaluation.ordering import largest
from polytome.models.cross_validation import chosen_by_rule
from polytome.models.groups import group_names, groups_of
from polytome.plots.display import Display, Paper
from polytome.plots.drawing import GREY, REFERENCE, figure_of, mark, stroke
from polytome.plots.labels import EndLabel, key_above, label_ends, literal, short

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.path import RegularizationPath

Array = NDArray[Any]

__all__ = ["CrossValidationDisplay", "PathDisplay", "draw_path"]

_MANY = 4000  # the most numbers of grey paths that are shapes in an SVG; more become one picture
_MOST_GREY = 200
_NAMED = 6  # the most paths of coefficients with their own colour and name


@dataclass
class PathDisplay(Display):
    """The coefficients of a path, against the strength and against their norm, and how many are
    not 0.

    Coefficients are multiplied by what their columns were divided by, so that they can be compared
    as the penalty compares them. With more than two classes a line is the norm of a column's
    coefficients, `(sum_k w_jk^2)^(1/2)`; where several columns are a group, the norm of all
    coefficients of a group, which has the name of its label or of its column of a table.

    Args:
        Cs: inverse strengths, rising, (n,).
        coefficients: one for each column or group, (n, d).
        n_active: how many coefficients, columns or groups are not 0, (n,).
        names: the names of the columns or groups.
        what: what a line is, "coefficient" or a norm.
        chosen: the C to be marked; None for none.
        counted: what `n_active` counts: "coefficients", "columns" or "groups".

    Example:
        >>> from polytome import RegularizationPath, load_dataset
        >>> iris = load_dataset("iris")
        >>> path = RegularizationPath(n_strengths=20).fit(iris.X, iris.y)
        >>> [axes.get_xlabel() for axes in PathDisplay.from_path(path).ax_]
        ['C, the inverse strength of the penalty', 'sum of these norms']

    Reference:
        Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models via
        coordinate descent", Journal of Statistical Software 33 (2010).
    """

    Cs: Array
    coefficients: Array
    n_active: Array
    names: Sequence[str]
    what: str = "coefficient"
    chosen: float | None = None
    counted: str = "coefficients"

    @classmethod
    def from_path(cls, path: RegularizationPath, *, chosen: float | None = None, ax: Any = None) -> Self:
        """Draw a fitted path.

        Args:
            path: what was fitted.
            chosen: a C to be marked.
            ax: two axes; None for a new figure.

        Raises:
            sklearn.exceptions.NotFittedError: it was not.
        """
        check_is_fitted(path, "strengths_")
        coefs, model = path.coefs_ * path.divisors_, path.model_at(0)
        sizes = coefs[:, 0] if coefs.shape[1] == 1 else np.linalg.norm(coefs, axis=1)
        names: Sequence[str] = feature_names(model)
        what = "coefficient" if coefs.shape[1] == 1 else "norm of a column's coefficients"
        counted, count = "coefficients", path.n_active_
        if (groups := groups_of(model, coefs.shape[2], model.source_.encoder)) is not None:
            counted = "columns"
            if groups.max() + 1 < len(groups):
                sizes = np.sqrt(np.array([np.bincount(groups, point * point) for point in sizes]))
                names, what, counted = group_names(model, groups), "norm of a group's coefficients", "groups"
            count = np.count_nonzero(sizes, axis=1)
        return cls(path.Cs_, sizes, count, names, what, chosen, counted).plot(ax)

    def _paper(self) -> Paper:
        return 8.6, 4.0, 1, 2

    def _draw(self, axes: list[Axes]) -> None:
        left, right = axes
        most = largest(np.abs(self.coefficients[-1]), _NAMED, self.names)
        named = [int(j) for j in most if self.coefficients[:, j].any()]
        others = np.setdiff1d(np.flatnonzero(self.coefficients.any(axis=0)), named)[:_MOST_GREY]
        norm = np.abs(self.coefficients).sum(axis=1)
        ends = []
        for panel, x in ((left, self.Cs), (right, norm)):
            for j in others:
                grey: dict[str, Any] = {"color": GREY, "linewidth": 0.6, "alpha": 0.6}
                panel.plot(x, self.coefficients[:, j], **grey, rasterized=len(others) * len(x) > _MANY)
            for place, j in enumerate(named):
                (line,) = panel.plot(x, self.coefficients[:, j], **stroke(place))
                if panel is right:
                    end = literal(self.names[j]), x[-1], self.coefficients[-1, j], str(line.get_color()), line
                    ends.append(EndLabel(*end))
            panel.margins(x=0.02)
            panel.minorticks_off()
        left.set(xscale="log", xlabel="C, the inverse strength of the penalty", ylabel=self.what)
        right.set(xlabel=f"sum of {'absolute coefficients' if self.what == 'coefficient' else 'these norms'}")
        right.tick_params(labelleft=False)
        right.set_ylim(left.get_ylim())
        left.minorticks_off()
        if self.chosen is not None:
            left.axvline(self.chosen, **REFERENCE)
            right.axvline(float(np.interp(np.log(self.chosen), np.log(self.Cs), norm)), **REFERENCE)
        for panel, x in ((left, np.log(self.Cs)), (right, norm)):
            self._count_above(panel, x)
        label_ends(right, ends)

    def _count_above(self, panel: Axes, x: Array) -> None:
        """How many coefficients are not 0, written above some places of an axis."""
        places = np.linspace(x[0], x[-1], 5)
        points = [int(np.abs(x - place).argmin()) for place in places]
        positions = np.exp(x[points]) if panel.get_xscale() == "log" else x[points]
        above = panel.secondary_xaxis("top")
        above.set_xticks(list(positions), [f"{self.n_active[point]:,}" for point in points])
        above.minorticks_off()
        above.set_xlabel(f"{self.counted} that are not 0")

    def title(self) -> str:
        """What the picture shows."""
        marked = "" if self.chosen is None else f"; the dashed line is the chosen C, {short(self.chosen)}"
        return f"The coefficients along the path of {len(self.Cs)} strengths{marked}"

    def description(self) -> str:
        """Where the path begins and ends, and which columns come first."""
        entered = [(int(np.flatnonzero(column)[0]), j) for j, column in enumerate(self.coefficients.T) if column.any()]
        first = [self.names[j] for _, j in sorted(entered)[:3]]
        lines = "groups" if self.counted == "groups" else "columns"
        order = f" The first {lines} to enter are {', '.join(first)}." if first and self.n_active[0] == 0 else ""
        return (
            f"From C = {short(self.Cs[0])} to {short(self.Cs[-1])} the number of {self.counted} that are not 0 goes "
            f"from {self.n_active[0]:,} to {self.n_active[-1]:,}.{order}"
        )


@dataclass
class CrossValidationDisplay(Display):
    """How well each strength predicts held-out rows, with standard errors, and what the two rules
    choose.

    Args:
        Cs: inverse strengths, rising, (n,).
        l1_ratios: shares of absolute values, (r,).
        means: of the folds' scores, smaller for better models, (r, n).
        errors: their standard errors, (r, n).
        measure: what the scores are, with the unit if there is one.
        n_folds: how many folds there were.

    Example:
        >>> from polytome import LogisticRegressionCV, load_dataset
        >>> iris = load_dataset("iris")
        >>> search = LogisticRegressionCV(Cs=5, l1_ratios=[1], cv=3).fit(iris.X, iris.y)
        >>> CrossValidationDisplay.from_search(search).ax_.get_ylabel()
        'held-out log loss (nats)'

    Reference:
        Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), section
        7.10.
    """

    Cs: Array
    l1_ratios: Array
    means: Array
    errors: Array
    measure: str
    n_folds: int

    @classmethod
    def from_search(cls, search: LogisticRegressionCV, *, ax: Any = None) -> Self:
        """Draw a fitted cross-validation.

        Args:
            search: what was fitted.
            ax: axes; None for a new figure.

        Raises:
            sklearn.exceptions.NotFittedError: it was not.
        """
        check_is_fitted(search, "mean_scores_")
        is_loss = search.scoring in (None, "neg_log_loss")
        means = -search.mean_scores_ if is_loss else search.mean_scores_
        measure = "held-out log loss (nats)" if is_loss else _measure(search.scoring)
        errors = search.standard_errors_
        return cls(search.Cs_, search.l1_ratios_, means, errors, measure, search.n_folds_done_).plot(ax)

    @property
    def _sign(self) -> float:
        """What larger scores are worth."""
        return -1.0 if self.measure == "held-out log loss (nats)" else 1.0

    @property
    def best(self) -> tuple[int, int]:
        """The place of the ratio and of the C with the best mean."""
        return chosen_by_rule(self._sign * self.means, self.errors, "min")

    @property
    def simplest(self) -> tuple[int, int]:
        """The strongest penalty within one standard error of it."""
        return chosen_by_rule(self._sign * self.means, self.errors, "1se")

    def _draw(self, axes: list[Axes]) -> None:
        (panel,) = axes
        key: dict[str, Artist] = {}
        for place, (ratio, means, errors) in enumerate(zip(self.l1_ratios, self.means, self.errors, strict=True)):
            look: Mapping[str, Any] = {**stroke(place), "marker": mark(place)["marker"], "markersize": 4}
            shifted = self.Cs * (1 + 0.04 * (place - (len(self.l1_ratios) - 1) / 2))  # bars side by side
            (line,) = panel.plot(shifted, means, **look)
            panel.errorbar(
                shifted, means, errors, fmt="none", ecolor=line.get_color(), elinewidth=0.8, capsize=2, alpha=0.7
            )
            key[f"l1_ratio {ratio:g}"] = line
        (place, at), (_, near) = self.best, self.simplest
        level = self.means[place, at] - self._sign * self.errors[place, at]
        key["one standard error from the best"] = panel.axhline(float(level), **REFERENCE)
        (key["best (min)"],) = panel.plot(self.Cs[[at]], self.means[place, [at]], "k*", markersize=12, zorder=5)
        (key["strongest within it (1se)"],) = panel.plot(
            self.Cs[[near]], self.means[place, [near]], "kD", markersize=7, fillstyle="none", zorder=5
        )
        panel.set(xscale="log", xlabel="C, the inverse strength of the penalty", ylabel=self.measure)
        panel.minorticks_off()
        key_above(figure_of(panel), key)

    def title(self) -> str:
        """What the picture shows."""
        place, at = self.best
        return (
            f"Cross-validation in {self.n_folds} folds: C = {short(self.Cs[at])} with l1_ratio "
            f"{self.l1_ratios[place]:g} predicts held-out rows best"
        )

    def description(self) -> str:
        """What the two rules choose, with their scores."""
        (place, at), (_, near) = self.best, self.simplest
        parts = [
            f"Of {len(self.Cs)} values of C from {short(self.Cs[0])} to {short(self.Cs[-1])} and "
            f"{len(self.l1_ratios)} of l1_ratio, C = {short(self.Cs[at])} with l1_ratio {self.l1_ratios[place]:g} is "
            f"best: {self.measure} {self.means[place, at]:.4g}, standard error {self.errors[place, at]:.2g}."
        ]
        if near != at:
            parts.append(f"C = {short(self.Cs[near])}, with {self.means[place, near]:.4g}, is within one of it.")
        return " ".join(parts)


def draw_path(path: RegularizationPath, *, chosen: float | None = None, ax: Any = None) -> PathDisplay:
    """What `RegularizationPath.plot` calls."""
    return PathDisplay.from_path(path, chosen=chosen, ax=ax)


def _measure(scoring: Any) -> str:
    """What a scorer's numbers are called."""
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    return f"held-out {str(name).replace('_', ' ').strip('<>')}"
