"""From a line to the sigmoid: why yes or no needs a curve, which one it is, and how to compute it.

Documents 003 (petal length against category), 001 and 004 (the sigmoid and its properties), 002
(the cut-off), 000 (the sigmoid in NumPy). Method: Bishop, Pattern Recognition and Machine Learning,
2006, sections 4.2 and 4.3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

LENGTHS = np.array([1.4, 1.0, 1.5, 3.0, 3.8, 4.1])
OTHER_LENGTHS = np.array([1.4, 1.3, 1.5, 4.5, 4.1, 4.6])
KINDS = np.array([0, 0, 0, 1, 1, 1])
TWO_LARGE = np.array([9.0, 9.0])
GRID = np.linspace(-8, 8, 1601)


def lesson(page: Page) -> None:
    """Fill the page."""
    a_line_for_two_kinds(page)
    odds(page)
    sigmoid_and_logit(page)
    fitted_to_flowers(page)
    from_probability_to_class(page)
    the_derivative(page)
    on_a_computer(page)
    two_tables(page)


def sigmoid(z: Any) -> Any:
    """Any real number becomes a number between 0 and 1."""
    return 1 / (1 + np.exp(-z))


def logit(p: Any) -> Any:
    """A probability becomes the logarithm of its odds."""
    return np.log(p / (1 - p))


def a_line_for_two_kinds(page: Page) -> None:
    """Six flowers, and what is wrong with a line."""
    line, tilted = fitted_line(LENGTHS, KINDS), fitted_line(*with_two_large())
    page.text(rf"""
        Document 003 has six flowers of two kinds, A and B. Given the length of a petal, which kind is it? Write 0 for A
        and 1 for B. Then a prediction between 0 and 1 can be read as a **probability** of being a B, and from one half
        on we say B. Could a line predict it? The previous lesson fits one: it reaches one half at a petal length of
        {cut_of(line):.2f} cm, and all six flowers are on their right sides. But three things are wrong.

        1. A line has no bounds. For a petal of 0.5 cm it predicts {line.predict([[0.5]])[0]:.2f}, for 6 cm
           {line.predict([[6.0]])[0]:.2f}. These are not probabilities.
        2. Add two large flowers of kind B, {TWO_LARGE[0]:g} cm long. They are not news: the line said B. But squared
           errors penalise it for predicting more than 1, so it tilts. Now it reaches one half at {cut_of(tilted):.2f}
           cm, and the flower of 3 cm, a B, is called an A.
        3. A line rises by the same amount everywhere. But half a centimetre should matter a lot between the kinds, and
           hardly at all for a flower that is clearly an A.
    """)
    page.figure(
        "tilted-line",
        lambda: draw_lines(line, tilted),
        "Two large flowers of kind B, on the correct side, tilt the line so far that the flower of 3 cm is "
        "misclassified.",
        "Six points at heights 0 and 1 against petal length, two more far to the right at height 1, and two lines: the "
        "one fitted to all eight is flatter and crosses one half further right.",
    )


def odds(page: Page) -> None:
    """Probability, odds, log odds: three scales for one thing."""
    page.text(r"""
        ## Log odds: a scale without ends

        We need something that turns any number $z = w x + b$ into a probability. Look at it from the other side: turn a
        probability into a number that may be anything, and let a line predict *that*.

        - The **odds** are $p / (1 - p)$: how many times more likely yes is than no. They run from 0 to infinity.
        - Their logarithm, the **log odds** or **logit**, runs from minus infinity to infinity. It is 0 where yes and no
          are equally likely, and changing sides only changes the sign.
    """)
    page.table(
        ("probability $p$", "odds $p / (1 - p)$", r"log odds $\log (p / (1 - p))$"),
        [(p, p / (1 - p), float(logit(p))) for p in (0.001, 0.1, 0.5, 0.75, 0.9, 0.999)],
        "One statement on three scales (natural logarithms)",
    )
    page.text(r"""
        So let the log odds be linear, $\log \frac{p}{1 - p} = z = w x + b$, and solve for $p$, one step at a time:

        $$\frac{p}{1 - p} = e^z, \qquad p = e^z - p e^z, \qquad p (1 + e^z) = e^z, \qquad p = \frac{e^z}{1 + e^z}$$

        Divide above and below by $e^z$. The result is the **sigmoid**, or logistic function:

        $$\sigma(z) = \frac{1}{1 + e^{-z}}$$

        Nothing about its shape was chosen: it follows from a line for the log odds. The number $z$ is called the
        *score*, or the logit. Fitting it is called **logistic regression**.
    """)
    page.code(sigmoid, logit)


def sigmoid_and_logit(page: Page) -> None:
    """Values, limits, symmetry, and the inverse."""
    page.number("S4-01", sigmoid(0.0))
    page.number("S0-08", [sigmoid(0.0), sigmoid(100.0), sigmoid(-100.0)])
    page.number("S4-02", numerics.sigmoid([np.inf, -np.inf]))
    page.figure(
        "logit",
        draw_logit,
        "The logit: from a probability to a number without bounds. Read from the vertical axis to the horizontal one, "
        "it is the sigmoid.",
        "A curve that rises from minus infinity at probability 0 through 0 at one half to infinity at probability 1.",
    )
    page.text(r"""
        The two forms of the sigmoid are the same number, and the logit is its inverse. The complement to 1 is again a
        sigmoid, which says that the two kinds may change places:

        $$1 - \sigma(z) = \frac{1 + e^{-z} - 1}{1 + e^{-z}} = \frac{e^{-z}}{1 + e^{-z}} = \frac{1}{e^z + 1}
        = \sigma(-z)$$
    """)
    p = sigmoid(GRID)
    where = f"{len(GRID):,} scores from {GRID[0]:g} to {GRID[-1]:g}."
    page.identity("I-07", float(np.abs(np.exp(GRID) / (1 + np.exp(GRID)) - p).max()), where)
    page.identity("I-08", float(np.abs(logit(p) - GRID).max()), where)
    beside = np.abs([1 - p - sigmoid(-GRID), 1 - p - 1 / (1 + np.exp(GRID))])
    page.identity("I-06", float(beside.max()), where)
    u = 2.0
    page.erratum(
        "004-8",
        wrong=r"In the proof of $1 - \sigma(u) = \sigma(-u)$ the exponent is written with two minus signs; and softmax "
        r"is said to start from $\mathrm{R}^n$, in upright type.",
        right=r"The denominator is $e^u + 1$: the signs cancel. $\mathbb{R}^n$ is meant, vectors of $n$ real numbers.",
        shown=f"For u = {u:g}: 1 - sigmoid(u) is {1 - sigmoid(u):.6f}, and so is 1 / (exp(u) + 1) = "
        f"{1 / (np.exp(u) + 1):.6f}; with exp(-u) instead it would be {1 / (np.exp(-u) + 1):.6f}.",
    )


def fitted_to_flowers(page: Page) -> None:
    """Logistic regression of the six flowers, and what its slope means."""
    model, line = fitted_sigmoid(LENGTHS, KINDS), fitted_line(LENGTHS, KINDS)
    w, b = float(model.coef_[0, 0]), float(model.intercept_[0])
    more, rows = cut_of(fitted_sigmoid(*with_two_large())), LENGTHS[:, None]
    page.text(rf"""
        ## The six flowers again

        `LogisticRegression(C=10)` chooses $w$ and $b$ for the sigmoid, as `LinearRegression` did for the line; how is
        the subject of the lesson *Cost and derivatives*. ($C$ is the inverse of a small penalty on $w$. Without it the
        curve through six flowers that can be separated would become steeper forever.) It finds $w = {w:.3f}$ per
        centimetre and $b = {b:.3f}$. Every fit says how good it is:

        *{model.certificate_}*
    """)
    page.table(
        ("petal length (cm)", "kind", "line", r"sigmoid $\hat y$"),
        zip(LENGTHS, KINDS, line.predict(rows), model.predict_proba(rows)[:, 1], strict=True),
        "Predictions for the six flowers",
    )
    page.figure(
        "line-and-sigmoid",
        lambda: draw_line_and_sigmoid(line, model),
        "The sigmoid stays between 0 and 1, is steep where the kinds meet, and flat where there is no doubt.",
        "Six points at heights 0 and 1 against petal length with a straight line and an S-shaped curve through them.",
    )
    page.text(rf"""
        - **The cut.** $\hat y = 1/2$ where $z = 0$, at $x = -b / w = {-b / w:.3f}$ cm. With the two large flowers it is
          at {more:.3f} cm: a flower that is already predicted with near certainty has hardly any influence.
        - **The slope.** One centimetre more adds $w$ to the log odds, wherever it starts. So it multiplies the odds by
          $e^w = {np.exp(w):.1f}$.
    """)


def from_probability_to_class(page: Page) -> None:
    """The cut-off, and document 002's twenty points."""
    z, kinds = random_scores()
    page.text(r"""
        ## From a probability to a class

        A probability is not yet a decision. The usual rule says 1 where $\hat y > 1/2$. Since the sigmoid rises and is
        one half at 0, that is the same as $z > 0$: the class can be read from the score, without any exponential.
        (A cut-off of one half treats both errors as equally bad. If missing a 1 costs more, choose a lower cut-off.)
    """)
    page.figure(
        "cut-off",
        lambda: draw_cut_off(z, kinds),
        "Twenty random points (document 002 draws others, without a seed), each at its score and predicted "
        "probability. The dashed line is the cut-off.",
        "The sigmoid for scores from -7.5 to 7.5 with twenty points on it: circles below the dashed line at 0.5, "
        "squares above it.",
    )
    different = (sigmoid(GRID) > 0.5) != (GRID > 0)
    page.identity("I-09", float(different.mean()), "Share of the scores where the two rules differ.")
    tiny = 1e-17
    page.erratum(
        "002-7",
        wrong=r"The text cuts at $\hat y \ge 0.5$, the code at $\hat y > 0.5$, and the toy classes at $z > 0$.",
        right="One rule throughout. This library says 1 where the score is above 0, and 0 at exactly 0.",
        shown=f"At z = 0 the probability is {sigmoid(0.0)}: the text says {int(sigmoid(0.0) >= 0.5)}, the code says "
        f"{int(sigmoid(0.0) > 0.5)}. And z = {tiny:g} is above 0, but its probability as a float is {sigmoid(tiny)}, "
        f"not above 0.5: the score holds more information than the probability. On the twenty points all rules agree: "
        f"{int(((sigmoid(z) >= 0.5) != kinds).sum())} differ.",
    )


def the_derivative(page: Page) -> None:
    """How fast the sigmoid rises."""
    p = sigmoid(GRID)
    decay = np.exp(-GRID)
    step = 1e-5
    measured = (sigmoid(GRID + step) - sigmoid(GRID - step)) / (2 * step)
    page.text(r"""
        ## How steep it is

        Learning requires how the probability changes when the score does. Write
        $\sigma(z) = (1 + e^{-z})^{-1}$ and use the chain rule twice:

        $$\frac{d \sigma}{d z} = -(1 + e^{-z})^{-2} \cdot \frac{d}{dz} (1 + e^{-z}) = -(1 + e^{-z})^{-2} \cdot (-e^{-z})
        = \frac{e^{-z}}{(1 + e^{-z})^2}$$

        This is a product of two fractions that we know, $\sigma(z)$ and $\sigma(-z)$:

        $$\frac{d \sigma}{d z} = \frac{1}{1 + e^{-z}} \cdot \frac{e^{-z}}{1 + e^{-z}} = \sigma(z) \sigma(-z)
        = \sigma(z) (1 - \sigma(z))$$
    """)
    forms = np.array([decay / (1 + decay) ** 2, p * (1 - p), p * sigmoid(-GRID)])
    page.identity("I-05", float(np.ptp(forms, axis=0).max()), f"{len(GRID):,} scores.")
    page.figure(
        "sigmoid-derivative",
        draw_derivative,
        r"The sigmoid and its derivative. Far from 0 the derivative vanishes: a confident prediction hardly moves.",
        "An S-shaped curve from 0 to 1, and below it a bell-shaped curve with its top, 0.25, at score 0.",
    )
    page.text(rf"""
        It is largest at 0, where it is {forms.max():g}. Differences of the sigmoid say the same: with $h$ = {step:g},
        $(\sigma(z + h) - \sigma(z - h)) / 2h$ is within {np.abs(measured - forms[0]).max():.0e} of it.
    """)


def on_a_computer(page: Page) -> None:
    """Saturation, and an array of the wrong shape."""
    scores = (10.0, 20.0, 30.0, 40.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [(z, 1 - float(sigmoid(z)), float(sigmoid(-z)), float(logit(sigmoid(z)))) for z in scores]
        z = 40.0
        lost = [-(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z))) for y in (1.0, 0.0)]
    kept = numerics.binary_cross_entropy_from_scores([1, 0], [z, z])
    labels, half = np.zeros((150, 1)), np.full((1, 150), 0.5)
    cost = -(labels * np.log(half) + (1 - labels) * np.log(1 - half))
    page.text(r"""
        ## On a computer

        A float keeps about 16 digits. Near 0 that is plenty: $\sigma(-40)$ is a small number like any other. Near 1 it
        is not: the next float below 1 is about $10^{-16}$ away, and $1 - \sigma(z)$ is rounded to a multiple of that.
        So never compute $1 - p$ from a $p$: take $\sigma(-z)$, and keep the score for as long as you can.
    """)
    page.table(
        ("score $z$", r"$1 - \sigma(z)$", r"$\sigma(-z)$", r"logit of $\sigma(z)$"),
        rows,
        "The same quantity twice, and the score computed back from a probability near 1",
    )
    page.erratum(
        "000-15",
        wrong=r"The sigmoid of 100 is treated as 1, the cost code takes $\log(1 - \hat y)$ of such numbers, and "
        r"it does "
        "not check the shape of y.",
        right="The cost from the score, which never takes the logarithm of 0: "
        "`numerics.binary_cross_entropy_from_scores(y, z)`. And labels of shape (150,).",
        shown=f"At a score of {z:g} the code's cost is {lost[0]} for a label 1 (0 times infinity) and {lost[1]} for a "
        f"label 0; the right costs are {kept[0]:.2g} and {kept[1]:g} nats. Labels of shape {labels.shape} against "
        f"probabilities of shape {half.shape} silently make an array of shape {cost.shape}, and a mean cost of "
        f"{cost.mean():.4f} becomes {cost.sum() / len(labels):.2f}.",
    )


def two_tables(page: Page) -> None:
    """Document 003 prints two tables of six flowers; a question to end with."""
    fits = [fitted_sigmoid(lengths, KINDS) for lengths in (LENGTHS, OTHER_LENGTHS)]
    page.erratum(
        "003-9",
        wrong="Two tables of six flowers, with petals of 1.4, 1, 1.5, 3, 3.8, 4.1 cm and of 1.4, 1.3, 1.5, 4.5, 4.1, "
        "4.6 cm, stand for the same example.",
        right="They are two data sets. This page uses the first. The step that the document works out by hand uses one "
        "flower, of 1.4 cm and label 0, which both contain.",
        shown=f"Fitted with the same penalty, the cut lies at {cut_of(fits[0]):.3f} cm for the first and at "
        f"{cut_of(fits[1]):.3f} cm for the second; the slopes are {fits[0].coef_[0, 0]:.3f} and "
        f"{fits[1].coef_[0, 0]:.3f} per centimetre.",
    )
    page.question(
        "A model says 0.8 for a flower. The next flower's score is higher by 1. What does the model say for it?",
        ("0.9", f"{sigmoid(logit(0.8) + 1):.3f}", "1.8, so it has to be cut off at 1"),
        1,
        f"The odds are multiplied by $e$: from {0.8 / 0.2:.3g} to {0.8 / 0.2 * np.e:.3f}, and "
        f"{0.8 / 0.2 * np.e:.3f} to 1 is a probability of {sigmoid(logit(0.8) + 1):.3f}.",
    )


def fitted_line(lengths: Array, kinds: Array) -> LinearRegression:
    """Least squares of 0 and 1."""
    return LinearRegression().fit(lengths[:, None], kinds)


def fitted_sigmoid(lengths: Array, kinds: Array) -> LogisticRegression:
    """Logistic regression with a small penalty."""
    return LogisticRegression(C=10).fit(lengths[:, None], kinds)


def with_two_large() -> tuple[Array, Array]:
    """The six flowers and two large ones of kind B."""
    return np.append(LENGTHS, TWO_LARGE), np.append(KINDS, np.ones(2, int))


def cut_of(model: LinearRegression | LogisticRegression) -> float:
    """Petal length at which the prediction is one half."""
    level = 0.5 if isinstance(model, LinearRegression) else 0.0
    return float((level - np.ravel(model.intercept_)[0]) / np.ravel(model.coef_)[0])


def random_scores() -> tuple[Array, Array]:
    """Scores 0.5 + x of twenty random points, and the classes that document 002 makes of them."""
    z = 0.5 + np.random.default_rng(0).normal(size=20)
    return z, (z > 0).astype(int)


def by_kind() -> dict[str, tuple[Array, Array]]:
    """The six flowers as two groups of points."""
    return {name: (LENGTHS[chosen], KINDS[chosen]) for name, chosen in (("kind A", KINDS == 0), ("kind B", KINDS == 1))}


def draw_lines(line: LinearRegression, tilted: LinearRegression) -> Figure:
    """The lines of six and of eight flowers."""
    from polytome.plots.charts import points_with_curves

    groups = by_kind() | {"two large, kind B": (TWO_LARGE, np.ones(2))}
    lines = {"line of six": lambda x: line.predict(x[:, None]), "line of eight": lambda x: tilted.predict(x[:, None])}
    half = {"one half": 0.5}
    return points_with_curves(groups, lines, x_label="petal length (cm)", y_label="kind (A: 0, B: 1)", levels=half)


def draw_line_and_sigmoid(line: LinearRegression, model: LogisticRegression) -> Figure:
    """Line and sigmoid through the six flowers."""
    from polytome.plots.charts import points_with_curves

    names: dict[str, Any] = {"x_label": "petal length (cm)", "y_label": "kind, or its probability"}
    through = {"line": lambda x: line.predict(x[:, None]), "sigmoid": lambda x: model.predict_proba(x[:, None])[:, 1]}
    return points_with_curves(by_kind(), through, levels={"one half": 0.5}, **names)


def draw_logit() -> Figure:
    """Log odds against probability."""
    from polytome.plots.charts import curves

    p = numerics.sigmoid(np.linspace(-6, 6, 400))
    return curves({"logit": (p, logit(p))}, x_label="probability $p$", y_label="log odds", levels={"0": 0.0})


def draw_derivative() -> Figure:
    """The sigmoid and its derivative."""
    from polytome.plots.charts import curves

    z = np.linspace(-7.5, 7.5, 400)
    p = sigmoid(z)
    series = {r"$\sigma(z)$": (z, p), r"$d\sigma/dz$": (z, p * (1 - p))}
    return curves(series, x_label="score $z$", y_label="value", levels={"0.25": 0.25})


def draw_cut_off(z: Array, kinds: Array) -> Figure:
    """Points on the sigmoid, by class, and the cut-off."""
    from polytome.plots.drawing import GREY, INK, chart, mark, new_figure
    from polytome.plots.labels import key_above

    @chart
    def draw() -> Figure:
        figure, (axes,) = new_figure()
        wide = np.linspace(-7.5, 7.5, 400)
        (curve,) = axes.plot(wide, sigmoid(wide), color=INK, linewidth=1)
        cut = axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
        points = [
            axes.plot(z[kinds == kind], sigmoid(z[kinds == kind]), linestyle="none", zorder=3, **mark(kind))[0]
            for kind in (0, 1)
        ]
        axes.set(xlabel="score $z$", ylabel=r"probability $\hat y$")
        key_above(figure, {"class 0": points[0], "class 1": points[1], "sigmoid": curve, "cut-off 0.5": cut})
        return figure

    return draw()


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
