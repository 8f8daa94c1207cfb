"""Displays of where a model decides: in the plane of two features, along a score, and on the
simplex."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.evaluation.curves import known_codes, typical_row
from polytome.evaluation.explain import feature_names
from polytome.numerics import sigmoid
from polytome.plots.charts import draw_points_with_curves
from polytome.plots.display import Display, Paper, feature_position, needs, plain_rows, shown_rows
from polytome.plots.drawing import GREY, INK, REFERENCE, figure_of, mark
from polytome.plots.labels import key_above, literal, percent, short
from polytome.plots.regions import draw_decision_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
Function = Callable[[Array], Array]

__all__ = ["DecisionRegionsDisplay", "SigmoidDisplay", "SimplexDisplay"]

_CHUNK = 2**22  # entries of a matrix of rows to be predicted at once: 32 MiB
_SCORE = "score $z$"
_BANDS = (0.75, 0.9, 0.99)
_STRENGTHS = (0.1, 0.2, 0.32, 0.46)  # strengths of the tint below, between and above them
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


@dataclass
class DecisionRegionsDisplay(Display):
    """The class that a model predicts at each point of the plane of two features, and with which
    probability.

    The more probable the class, the stronger the tint: below 75 %, 90 %, 99 %, and above. All other
    features are held at the median of the rows. At most 1,000 rows are shown.

    Args:
        points: the two features of the rows shown, shape (m, 2).
        labels: their classes, shape (m,).
        probabilities: (m, 2) points -> (m, K) probabilities.
        classes: shape (K,).
        names: the names of the two features.
        others: how many features are held.

    Example:
        >>> from polytome import LogisticRegression, load_dataset
        >>> iris = load_dataset("iris")
        >>> model = LogisticRegression().fit(iris.X, iris.y)
        >>> display = DecisionRegionsDisplay.from_estimator(model, iris.X, iris.y, features=(2, 3))
        >>> display.ax_.get_xlabel(), display.others
        ('feature_2', 2)
    """

    points: Array
    labels: Array
    probabilities: Function
    classes: Array
    names: tuple[str, str]
    others: int

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any, y: Any, *, features: Sequence[int | str] = (0, 1), ax: Any = None
    ) -> Self:
        """Let the model predict the plane.

        Args:
            model: a fitted classifier with `predict_proba`.
            X: features, shape (n, d).
            y: labels, shape (n,).
            features: two, by name or position.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: there is no such feature, or both are the same.
            DataError: a label is not one of the model's classes.
        """
        needs(model, "predict_proba")
        names = feature_names(model)
        positions = [feature_position(feature, names) for feature in features]
        if len(set(positions)) != 2 or len(positions) != 2:
            raise ArgumentError(f"features={features!r}: give two different features")
        codes = known_codes(y, model.classes_)
        shown = shown_rows(len(codes))
        points = np.column_stack([_column(X, place)[shown] for place in positions])
        row = typical_row(X)

        def probabilities(plane: Array) -> Array:
            return _with_moved(model, X, row, positions, plane)

        first, second = (names[place] for place in positions)
        labels = model.classes_[codes[shown]]
        return cls(points, labels, probabilities, model.classes_, (first, second), len(names) - 2).plot(ax)

    def _draw(self, axes: list[Axes]) -> None:
        from matplotlib.patches import Patch

        (panel,) = axes
        cache: dict[int, Array] = {}

        def predicted(plane: Array) -> Array:
            if len(plane) not in cache:
                cache[len(plane)] = self.probabilities(plane)
            return cache[len(plane)]

        def strength(plane: Array) -> Array:
            return np.asarray(np.take(_STRENGTHS, np.searchsorted(_BANDS, predicted(plane).max(axis=1), side="right")))

        def winner(plane: Array) -> Array:
            return np.asarray(self.classes[predicted(plane).argmax(axis=1)])

        key = {
            name: Patch(facecolor=str(1 - 0.8 * tone), edgecolor=GREY, linewidth=0.4)
            for name, tone in zip(("p < 75 %", "p < 90 %", "p < 99 %", "p ≥ 99 %"), _STRENGTHS, strict=True)
        }
        first, second = (literal(name) for name in self.names)
        draw_decision_regions(
            panel, self.points, self.labels, winner, x_label=first, y_label=second, strength=strength, strengths_key=key
        )

    def title(self) -> str:
        """What the picture shows."""
        held = "" if self.others == 0 else f"; the other {self.others} at their medians"
        return literal(f"What is predicted from {self.names[0]} and {self.names[1]}{held}")

    def description(self) -> str:
        """How many rows lie in the region of their own class."""
        predicted = self.classes[self.probabilities(self.points).argmax(axis=1)]
        right = float(np.mean(predicted == self.labels))
        held = f", the other {self.others} features at their medians" if self.others else ""
        return (
            f"Regions of {len(self.classes)} classes in the plane of {self.names[0]} and {self.names[1]}{held}; "
            f"{percent(right)} of the {len(self.points)} rows shown lie in the region of their class."
        )


@dataclass
class SigmoidDisplay(Display):
    """A model of two classes along its score, or along one feature while the others are held at
    their medians.

    The curve is the probability of the second class; rows of the first class lie at 0, those of the
    second at 1. The prediction changes at the dashed cross. At most 1,000 rows are shown.

    Args:
        x: the score or the feature of the rows shown, shape (m,).
        codes: 0 or 1 for each of them.
        probability: (k,) values of x -> (k,) probabilities of the second class.
        classes: the two labels.
        name: what x is, with its unit.
        cut_off: the probability from which the second class is predicted.

    Example:
        >>> from polytome import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> display = SigmoidDisplay.from_estimator(model, [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> round(display.crossing, 9)
        0.0
    """

    x: Array
    codes: Array
    probability: Function
    classes: Array
    name: str
    cut_off: float = 0.5

    @classmethod
    def from_estimator(
        cls, model: Any, X: Any, y: Any, *, feature: int | str | None = None, cut_off: float = 0.5, ax: Any = None
    ) -> Self:
        """Draw the curve and the rows.

        Args:
            model: a fitted classifier of two classes; for its score with `decision_function` and
                the logistic link.
            X: features, shape (n, d).
            y: labels, shape (n,).
            feature: a name or a position; None for the score.
            cut_off: the probability from which the second class is predicted, between 0 and 1.
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: the model has other than two classes, no such feature exists, or the
                cut-off is none.
            DataError: a label is not one of the model's classes.
        """
        needs(model, "predict_proba" if feature is not None else "decision_function")
        if len(model.classes_) != 2:
            raise ArgumentError(f"the model has {len(model.classes_)} classes; this display needs a model of two")
        if not 0 < cut_off < 1:
            raise ArgumentError(f"cut_off={cut_off}: give a probability between 0 and 1")
        codes = known_codes(y, model.classes_)
        shown = shown_rows(len(codes))
        if feature is None:
            x = np.asarray(model.decision_function(X))
            return cls(x[shown], codes[shown], sigmoid, model.classes_, _SCORE, cut_off).plot(ax)
        names = feature_names(model)
        place = feature_position(feature, names)
        row = typical_row(X)

        def probability(values: Array) -> Array:
            return _with_moved(model, X, row, [place], values[:, None])[:, 1]

        name = literal(names[place])
        return cls(_column(X, place)[shown], codes[shown], probability, model.classes_, name, cut_off).plot(ax)

    @property
    def crossing(self) -> float:
        """The x at which the probability crosses the cut-off; NaN if it does not within the range
        of the rows."""
        margin = 0.08 * float(np.ptp(self.x)) or 1.0
        grid = np.linspace(self.x.min() - margin, self.x.max() + margin, 1001)
        above = self.probability(grid) >= self.cut_off
        change = np.flatnonzero(above[1:] != above[:-1])
        if not len(change):
            return float("nan")
        low, high = grid[change[0]], grid[change[0] + 1]
        for _ in range(60):
            middle = (low + high) / 2
            same = (self.probability(np.array([middle]))[0] >= self.cut_off) == above[change[0]]
            low, high = (middle, high) if same else (low, middle)
        middle = (low + high) / 2
        return float(middle) if abs(middle) > 1e-12 * float(np.abs(grid).max()) else 0.0

    def _draw(self, axes: list[Axes]) -> None:
        (panel,), (first, second) = axes, (literal(label) for label in self.classes.tolist())
        groups = {
            f"{name} (at {code})": (self.x[self.codes == code], np.full(int((self.codes == code).sum()), code))
            for code, name in enumerate((first, second))
            if (self.codes == code).any()
        }
        draw_points_with_curves(
            panel,
            groups,
            {"sigmoid of the score" if self.name == _SCORE else "model": self.probability},
            x_label=self.name,
            y_label=f"probability of {second}",
            levels={f"cut-off {short(self.cut_off)}": self.cut_off},
        )
        for line in panel.lines[: len(groups)]:
            line.set(alpha=0.35)
        panel.lines[len(groups)].set_linestyle("-")
        if np.isfinite(crossing := self.crossing):
            panel.axvline(crossing, **REFERENCE)
        panel.set_ylim(-0.06, 1.06)

    def title(self) -> str:
        """What the picture shows."""
        crossing = f"; the cut-off is crossed at {short(self.crossing)}" if np.isfinite(self.crossing) else ""
        return f"How {'the score' if self.name == _SCORE else self.name} decides{crossing}"

    def description(self) -> str:
        """Where the cut-off is crossed, and how many rows lie on the wrong side."""
        wrong = int(((self.probability(self.x) >= self.cut_off) != (self.codes == 1)).sum())
        place = f"at {short(self.crossing)}" if np.isfinite(self.crossing) else "nowhere in their range"
        name = "the score" if self.name == _SCORE else self.name.replace(r"\$", "$")
        return (
            f"The probability of {self.classes[1]} against {name}: it crosses the cut-off of {short(self.cut_off)} "
            f"{place}; {wrong} of the {len(self.x)} rows shown lie on the wrong side."
        )


@dataclass
class SimplexDisplay(Display):
    """Predicted probabilities of three classes as points in a triangle: the closer to a corner, the
    more probable.

    The height of a point above the side opposite to a corner is the probability of that corner's
    class. The lines from the middle, where all three are equal, separate the regions of the
    predictions. At most 1,000 rows are shown.

    Args:
        probabilities: shape (m, 3).
        codes: the true class of each row as a position, shape (m,).
        classes: the three labels.

    Example:
        >>> p = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]])
        >>> display = SimplexDisplay(p, np.array([0, 2]), np.array(["a", "b", "c"])).plot()
        >>> display.places.round(3).tolist()
        [[0.15, 0.087], [0.5, 0.52]]

    Reference:
        Aitchison, "The Statistical Analysis of Compositional Data" (1986), section 1.4: the ternary
        diagram.
    """

    probabilities: Array
    codes: Array
    classes: Array

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any, *, ax: Any = None) -> Self:
        """Predict rows and draw them.

        Args:
            model: a fitted classifier of three classes with `predict_proba`.
            X: features, shape (n, d).
            y: labels, shape (n,).
            ax: axes; None for a new figure.

        Raises:
            ArgumentError: the model has another number of classes.
            DataError: a label is not one of the model's classes.
        """
        needs(model, "predict_proba")
        if len(model.classes_) != 3:
            raise ArgumentError(f"the model has {len(model.classes_)} classes; a triangle shows exactly three")
        codes = known_codes(y, model.classes_)
        shown = shown_rows(len(codes))
        return cls(np.asarray(model.predict_proba(X))[shown], codes[shown], model.classes_).plot(ax)

    @property
    def places(self) -> Array:
        """Where the rows lie, shape (m, 2): the corners' mean, weighted with the probabilities."""
        return np.asarray(self.probabilities @ _CORNERS)

    def _paper(self) -> Paper:
        return 5.6, 5.0, 1, 1

    def _draw(self, axes: list[Axes]) -> None:
        from matplotlib.patches import Polygon

        (panel,), places = axes, self.places
        panel.set_axis_off()
        panel.set(aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.1, 0.96))
        panel.add_patch(Polygon(_CORNERS, closed=True, facecolor="none", edgecolor=INK, linewidth=1.1, zorder=2))
        middle = _CORNERS.mean(axis=0)
        for k in range(3):
            one, other = _CORNERS[(k + 1) % 3], _CORNERS[(k + 2) % 3]
            panel.plot(*zip(middle, (one + other) / 2, strict=True), **REFERENCE)
            for share in (0.25, 0.5, 0.75):  # lines of equal probability
                ends = (share * _CORNERS[k] + (1 - share) * corner for corner in (one, other))
                panel.plot(*zip(*ends, strict=True), color="#dddddd", linewidth=0.6, zorder=0)
        places_of_names = [(0.0, -0.03, "right", "top"), (1.0, -0.03, "left", "top"), (0.5, 0.89, "center", "bottom")]
        key = {}
        looks: dict[str, Any] = {"linestyle": "none", "markersize": 6, "alpha": 0.8, "zorder": 3}
        for k, (label, (x, y, ha, va)) in enumerate(zip(self.classes.tolist(), places_of_names, strict=True)):
            here = places[self.codes == k]
            edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
            (key[literal(label)],) = panel.plot(here[:, 0], here[:, 1], **mark(k), **looks, **edge)
            shift = {"right": 0.08, "left": -0.08}.get(ha, 0.0)
            panel.text(x + shift, y, f"certainly\n{literal(label)}", ha=ha, va=va)
        key_above(figure_of(panel), key)

    def title(self) -> str:
        """What the picture shows."""
        return "Predicted probabilities on the simplex of three classes"

    def description(self) -> str:
        """How many predictions are nearly certain, and how many are wrong."""
        wrong = int((self.probabilities.argmax(axis=1) != self.codes).sum())
        sure = int((self.probabilities.max(axis=1) > 0.9).sum())
        first, second, third = self.classes.tolist()
        return (
            f"{len(self.codes)} rows in the triangle of {first}, {second} and {third}: {sure} of them lie in a corner "
            f"with a probability above 0.9, {wrong} in the region of another class."
        )


def _column(X: Any, place: int) -> Array:
    """One column as float64."""
    if hasattr(X, "tocsc"):
        return np.asarray(X.tocsc()[:, [place]].toarray()[:, 0], np.float64)
    return np.asarray(np.asarray(X)[:, place], np.float64)


def _with_moved(model: Any, X: Any, row: Array, positions: list[int], values: Array) -> Array:
    """Probabilities of a row in which some features have other values, a few thousand rows at a
    time."""
    size = max(1, _CHUNK // len(row))
    parts = []
    for start in range(0, len(values), size):
        block = values[start : start + size]
        rows = np.tile(row, (len(block), 1))
        rows[:, positions] = block
        parts.append(np.asarray(model.predict_proba(plain_rows(rows, X))))
    return np.concatenate(parts)
