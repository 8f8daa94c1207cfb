"""Displays of how a model came to be: its convergence, learning rates, and strengths of the
penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.evaluation.curves import column_spreads
from polytome.evaluation.explain import feature_names
from polytome.evaluation.metrics import class_codes, null_log_loss
from polytome.evaluation.ordering import largest
from polytome.evaluation.sweeps import Descent, PathPoint, learning_rate_descents, regularization_path
from polytome.numerics.outward import rounded_up
from polytome.plots.charts import draw_curves
from polytome.plots.display import Display, Paper
from polytome.plots.drawing import GREY, REFERENCE, figure_of, stroke
from polytome.plots.labels import EndLabel, key_above, label_ends, literal, short

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from polytome.certificates.certificate import Certificate
    from polytome.models.fitted import Fitted
    from polytome.solvers import Progress

Array = NDArray[Any]

__all__ = ["ConvergenceDisplay", "LearningRatesDisplay", "RegularizationDisplay"]

_FEW = 25  # the most iterations that are marked one by one
_MANY = 4000  # the most numbers of grey paths that are shapes in an SVG; more become one picture
_NAMED = 6  # the most paths of coefficients with their own colour and name


@dataclass
class ConvergenceDisplay(Display):
    """How a fit approached its minimum: against passes over the rows, and against seconds.

    The minimum is not known, but the certificate gives a lower bound on it (an estimate if nothing
    is proved). One line is the height of the objective above that bound, the other the distance
    that each iteration could prove.

    Args:
        history: one `Progress` per iteration.
        certificate: the final certificate.

    Example:
        >>> from polytome import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"])
        >>> display = ConvergenceDisplay.from_estimator(model)
        >>> [axes.get_xlabel() for axes in display.ax_]
        ['passes over the rows', 'time since the first iteration (s)']

    Reference:
        Boyd and Vandenberghe, "Convex Optimization" (2004), section 5.5.1: stopping by a duality
        gap.
    """

    history: Sequence[Progress]
    certificate: Certificate

    @classmethod
    def from_estimator(cls, model: Fitted, *, ax: Any = None) -> Self:
        """Draw the history of a fitted or loaded model.

        Args:
            model: a fitted model of Polytome with a certificate.
            ax: two axes; None for a new figure.

        Raises:
            sklearn.exceptions.NotFittedError: the model has no history.
        """
        check_is_fitted(model, ["history_", "certificate_"])
        return cls(model.history_, model.certificate_).plot(ax)

    @property
    def floor(self) -> float:
        """The lower bound on the minimum, in nats."""
        return self.certificate.objective - self.certificate.gap

    @property
    def tolerance(self) -> float:
        """The largest gap at which the fit may stop, in nats."""
        return self.certificate.tol * self.certificate.null_objective

    def _paper(self) -> Paper:
        return 7.4, 3.4, 1, 2

    def _draw(self, axes: list[Axes]) -> None:
        proved = "proved" if self.certificate.kind == "proof" else "estimated"
        objective = np.array([line.objective for line in self.history])
        gap = np.array([line.gap for line in self.history])
        times = {
            "passes over the rows": np.array([line.passes for line in self.history]),
            "time since the first iteration (s)": np.array([line.seconds for line in self.history]),
        }
        key: dict[str, Artist] = {}
        dots: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(objective) <= _FEW else {}
        for panel, (label, x) in zip(axes, times.items(), strict=True):
            lines = {
                f"objective above its {proved} lower bound": objective - self.floor,
                "gap at each iteration" if proved == "proved" else "estimated gap at each iteration": gap,
            }
            for place, (name, y) in enumerate(lines.items()):
                seen = np.where(np.isfinite(y) & (y > 0), y, np.nan)
                (key[name],) = panel.plot(x, seen, **stroke(place), **dots)
            end, tolerance = f"gap of the certificate, {short(rounded_up(self.certificate.gap))}", short(self.tolerance)
            gap_above_zero = self.certificate.gap if self.certificate.gap > 0 else np.nan
            (key[end],) = panel.plot(x[-1:], [gap_above_zero], "k*", markersize=10, linestyle="none", zorder=4)
            key[f"tolerance, {tolerance}"] = panel.axhline(self.tolerance, **REFERENCE)
            panel.set(xlabel=label, yscale="log")
            panel.minorticks_off()
        axes[0].set_ylabel("distance from the minimum (nats)")
        axes[1].tick_params(labelleft=False)
        axes[1].set_ylim(axes[0].get_ylim())
        key_above(figure_of(axes[0]), key)

    def title(self) -> str:
        """What the picture shows."""
        return f"How the fit approached its minimum, in {len(self.history) - 1} iterations"

    def description(self) -> str:
        """The end of the fit in a sentence."""
        last, certificate = self.history[-1], self.certificate
        known = "proved" if certificate.kind == "proof" else "estimated"
        verdict = "within" if certificate.holds else "which is outside"
        return (
            f"After {len(self.history) - 1} iterations and {short(last.passes)} passes over the rows the objective "
            f"{certificate.objective:.6g} is {known} to be at most {rounded_up(certificate.gap, 2):.1e} nats above its "
            f"minimum, {verdict} the tolerance of {self.tolerance:.1e}."
        )


@dataclass
class LearningRatesDisplay(Display):
    """The objective against epochs for several learning rates; those that diverge are marked.

    Args:
        descents: from `polytome.evaluation.sweeps.learning_rate_descents`.

    Example:
        >>> from polytome import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> display = LearningRatesDisplay.from_estimator(LogisticRegression(), X, y, [0.1, 1e3], epochs=5)
        >>> [text.get_text() for text in display.ax_.texts]
        ['rate 0.1', 'rate 1000: diverges']
    """

    descents: Sequence[Descent]

    @classmethod
    def from_estimator(
        cls,
        model: Fitted,
        X: Any,
        y: Any,
        learning_rates: Sequence[float] = (0.01, 0.1, 1.0, 10.0),
        *,
        epochs: int = 50,
        solver: Literal["gradient-descent", "sgd"] = "gradient-descent",
        ax: Any = None,
    ) -> Self:
        """Descend with each rate on the objective that the model's settings and the data define,
        and draw the runs.

        Args:
            model: its settings say what is minimised; it is not changed and need not be fitted.
            X: features, shape (n, d).
            y: labels, shape (n,).
            learning_rates: positive numbers.
            epochs: the most passes over the rows for each rate.
            solver: "gradient-descent" makes one step per epoch, "sgd" one per row.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: there is no learning rate, one is not positive, or the solver is another
                one.
        """
        return cls(learning_rate_descents(model, X, y, learning_rates, epochs=epochs, solver=solver)).plot(ax)

    def _draw(self, axes: list[Axes]) -> None:
        starts = [descent.objectives[0] for descent in self.descents]
        seen = [value for walk in self.descents if not walk.diverges for value in walk.objectives] + starts
        low, high = min(seen), max(max(seen), 1.6 * max(starts))
        bottom = max(low * 0.9, high * 1e-6)
        series = {}
        for descent in self.descents:
            name = f"rate {short(descent.learning_rate)}" + (": diverges" if descent.diverges else "")
            values = np.array(descent.objectives)
            # A line that leaves the picture continues along its edge.
            series[name] = (np.arange(len(values)), np.fmin(values, high))
        limits = (bottom, high)
        draw_curves(axes[0], series, x_label="epoch", y_label="objective (nats)", log_y=True, y_limits=limits)

    def title(self) -> str:
        """What the picture shows."""
        return "The same descent with different learning rates"

    def description(self) -> str:
        """The best rate, and those that diverge."""
        calm = [descent for descent in self.descents if not descent.diverges]
        parts = []
        if calm:
            best = min(calm, key=lambda descent: descent.objectives[-1])
            epochs, end = len(best.objectives) - 1, best.objectives[-1]
            parts.append(
                f"Of {len(self.descents)} learning rates {short(best.learning_rate)} comes lowest: the objective falls "
                f"from {best.objectives[0]:.4g} to {end:.4g} nats in {epochs} epochs."
            )
        wild = [short(descent.learning_rate) for descent in self.descents if descent.diverges]
        parts.append(f"Diverging: {', '.join(wild)}." if wild else "None diverges.")
        return " ".join(parts)


@dataclass
class RegularizationDisplay(Display):
    """The effect of the penalty's strength: log loss on the fitted rows and on others, and
    coefficients, against C.

    Coefficients are per standard deviation of their feature, so that they can be compared. With
    more than two classes a path is the norm of a feature's coefficients, `(sum_k w_jk^2)^(1/2)`.

    Args:
        path: from `polytome.evaluation.sweeps.regularization_path`.
        names: the names of the features.
        spreads: their standard deviations.
        null_loss: log loss of the held-out rows under their own frequencies, in nats.

    Example:
        >>> from polytome import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> display = RegularizationDisplay.from_estimator(LogisticRegression(), X, y, X, y, Cs=[0.1, 1, 10])
        >>> display.best.C
        10.0

    Reference:
        Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), sections
        3.4.1 and 7.2.
    """

    path: Sequence[PathPoint]
    names: Sequence[str]
    spreads: Array
    null_loss: float

    @classmethod
    def from_estimator(
        cls,
        model: Fitted,
        X: Any,
        y: Any,
        X_held_out: Any,
        y_held_out: Any,
        *,
        Cs: Sequence[float] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4),
        ax: Any = None,
    ) -> Self:
        """Fit the model with each C and draw the results.

        Args:
            model: a classifier with the setting `C`; it is not changed and need not be fitted.
            X: features to fit to, shape (n, d).
            y: their labels.
            X_held_out: other rows.
            y_held_out: their labels.
            Cs: positive numbers.
            ax: two axes; None for a new figure.

        Raises:
            ArgumentError: there is no C.
            DataError: a held-out label is not one of the model's classes.
        """
        path = regularization_path(model, X, y, X_held_out, y_held_out, Cs)
        y_held_out = np.asarray(y_held_out)
        null_loss = null_log_loss(class_codes(y_held_out, np.unique(y_held_out)))
        return cls(path, _names(model, X), column_spreads(X), null_loss).plot(ax)

    @property
    def best(self) -> PathPoint:
        """The point of lowest held-out log loss."""
        return min(self.path, key=lambda point: point.held_out_loss)

    @property
    def lengths(self) -> Array:
        """A coefficient of each feature, shape (number of C, d); with more than two classes, their
        norm."""
        rows = [point.coefficients * self.spreads for point in self.path]
        return np.array([row[0] if len(row) == 1 else np.linalg.norm(row, axis=0) for row in rows])

    def _paper(self) -> Paper:
        return 6.4, 6.4, 2, 1

    def _draw(self, axes: list[Axes]) -> None:
        upper, lower = axes
        Cs = [point.C for point in self.path]
        losses: dict[str, tuple[ArrayLike, ArrayLike]] = {
            "rows fitted": (Cs, [point.train_loss for point in self.path]),
            "held-out rows": (Cs, [point.held_out_loss for point in self.path]),
        }
        levels = {"null model": self.null_loss}
        draw_curves(upper, losses, x_label="", y_label="log loss (nats)", levels=levels, log_x=True)
        upper.plot([self.best.C], [self.best.held_out_loss], "k*", markersize=11, zorder=4)
        upper.set_ylim(bottom=0 if min(point.train_loss for point in self.path) > 0 else None)
        paths = self.lengths
        named = largest(np.abs(paths[-1]), _NAMED, self.names)
        for j in np.setdiff1d(np.arange(paths.shape[1]), named)[:200]:
            lower.plot(Cs, paths[:, j], color=GREY, linewidth=0.6, alpha=0.6, rasterized=paths.size > _MANY)
        ends = []
        for place, j in enumerate(named):
            (line,) = lower.plot(Cs, paths[:, j], **stroke(place))
            ends.append(EndLabel(literal(self.names[j]), Cs[-1], paths[-1, j], str(line.get_color()), line))
        binary = len(self.path[0].coefficients) == 1
        lower.set(
            xscale="log",
            ylabel=("coefficient" if binary else "norm of the coefficients") + "\nper standard deviation",
        )
        lower.set_xlabel("C, the inverse strength of the penalty")
        lower.margins(x=0.02)
        for panel in axes:
            panel.minorticks_off()
            panel.axvline(self.best.C, **REFERENCE)
        upper.tick_params(labelbottom=False)
        label_ends(lower, ends)

    def title(self) -> str:
        """What the picture shows."""
        return f"The strength of the penalty: C = {short(self.best.C)} predicts held-out rows best"

    def description(self) -> str:
        """The best C and the ends of the path."""
        best, first, last = self.best, self.path[0], self.path[-1]
        return (
            f"Of {len(self.path)} values of C from {short(first.C)} to {short(last.C)} the held-out log loss is lowest "
            f"at {short(best.C)}, {best.held_out_loss:.4g} nats; at the ends it is {first.held_out_loss:.4g} and "
            f"{last.held_out_loss:.4g} (null model: {self.null_loss:.4g})."
        )


def _names(model: Fitted, X: Any) -> Sequence[str]:
    """The names of the features, even of a model that is not fitted yet."""
    if "n_features_in_" in vars(model):
        return feature_names(model)
    columns = getattr(X, "columns", None)
    return [f"feature_{j}" for j in range(np.shape(X)[1])] if columns is None else [str(name) for name in columns]
