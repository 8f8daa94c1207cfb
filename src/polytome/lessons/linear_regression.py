"""Linear regression: the best line through points, and how a computer can lose it to rounding.

Documents 002 (normal equation, pseudo-inverse, twenty random points) and 003 (area and price of
four houses). Method: Golub and Van Loan, Matrix Computations, 2013, sections 5.3 and 5.5; Higham,
Accuracy and Stability of Numerical Algorithms, 2002, chapter 20.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.models.linear import LinearRegression
from polytome.teaching import layouts
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

AREA = np.array([6.7, 4.6, 3.5, 5.5])
PRICE = np.array([9.1, 5.9, 4.6, 6.7])
GUESSES = ((1.0, 1.0), (1.5, -0.5), (2.0, -3.0))
TRUE_WEIGHTS = np.array([0.5, 1.0])
FIRST_TIMES = (0, 100, 10_000, 1_000_000, 100_000_000, 1_700_000_000)


def lesson(page: Page) -> None:
    """Fill the page."""
    a_line_is_a_guess(page)
    how_wrong(page)
    the_bottom(page)
    many_features(page)
    toy_points(page)
    with_the_library(page)
    the_same_column_twice(page)
    lost_digits(page)
    one_far_house(page)


def mean_squared_error(y: Array, predicted: Array) -> float:
    """Mean of the squared differences, in squared units of y."""
    return float(np.mean((y - predicted) ** 2))


def best_line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and intercept of the line with the smallest mean squared error."""
    dx, dy = x - x.mean(), y - y.mean()
    w = (dx @ dy) / (dx @ dx)
    return float(w), float(y.mean() - w * x.mean())


def normal_equations(X: Array, y: Array) -> Array:
    """The weights that solve X'X w = X'y, as document 002 does it."""
    return np.linalg.inv(X.T @ X) @ X.T @ y


def pseudo_inverse(X: Array, y: Array) -> Array:
    """The shortest of all weights with the smallest error."""
    return np.linalg.pinv(X) @ y


def orthogonal_factors(X: Array, y: Array) -> Array:
    """With X = Q R, where Q'Q = 1 and R is a triangle: R w = Q'y."""
    Q, R = np.linalg.qr(X)
    return np.linalg.solve(R, Q.T @ y)


def a_line_is_a_guess(page: Page) -> None:
    """Four houses, and what a model is."""
    page.text(r"""
        Four houses were sold. For each we know the area $x$ and the price $y$ (document 003 gives no units). What would
        a house cost whose area is between theirs?

        The simplest **model** that can answer is a straight line. It has two **parameters**, a slope $w$ (the weight)
        and an intercept $b$ (the bias):

        $$\hat y = w x + b$$

        The hat says: this is a prediction, not what was paid. **Learning** means to choose $w$ and $b$ so that the
        predictions come close to the prices.

        How to read these pages: every number on them was computed while the page was made. Where one of the five
        source documents prints a number, or states a formula that can be checked, a box compares the two. The functions
        shown are the ones that were run.
    """)
    page.figure(
        "area-price",
        draw_houses,
        "Four houses and the line that this lesson is about to find. The grey strokes are what it leaves unexplained.",
        "Scatter of four points, price against area, with a rising line; a short stroke joins each point to it.",
    )


def how_wrong(page: Page) -> None:
    """Residuals, squares, and their mean."""
    n, lines = len(AREA), [*GUESSES, best_line(AREA, PRICE)]
    page.text(rf"""
        ## How wrong is a line?

        The difference $y_i - \hat y_i$ for house $i$ is its **residual**. Residuals may be positive or negative, so
        their sum could be 0 for a bad line. Squares cannot cancel. Their sum over the $n = {n}$ houses is the *sum of
        squared errors* (SSE), and their mean is the *mean squared error* (MSE):

        $$\operatorname{{SSE}} = \sum_{{i=1}}^{{n}} (y_i - \hat y_i)^2, \qquad
        \operatorname{{MSE}} = \frac{{1}}{{n}} \operatorname{{SSE}}$$

        The number $n$ is fixed, so the same line makes both smallest. Three guesses, and the best line:
    """)
    page.code(mean_squared_error)
    errors = [mean_squared_error(PRICE, w * AREA + b) for w, b in lines]
    page.table(
        ("slope $w$", "intercept $b$", "SSE", "MSE"),
        [(*line, n * error, error) for line, error in zip(lines, errors, strict=True)],
        "Squared errors of four lines, in squared units of the price; the last is the best",
    )


def the_bottom(page: Page) -> None:
    """One feature: the parabola, and where its slope is zero."""
    w, b = best_line(AREA, PRICE)
    dx, dy = AREA - AREA.mean(), PRICE - PRICE.mean()
    page.text(rf"""
        ## The bottom of a parabola

        For any slope the best intercept is the one that makes the residuals add up to 0. Such a line runs through the
        middle of the points, $\bar x = {AREA.mean():.4g}$, $\bar y = {PRICE.mean():.4g}$. So measure everything from
        there: $\Delta x_i = x_i - \bar x$ and $\Delta y_i = y_i - \bar y$. Only the slope is left to choose, and the
        cost is a parabola in it:

        $$\operatorname{{SSE}}(w) = \sum_i (\Delta y_i - w \Delta x_i)^2$$
    """)
    page.figure(
        "parabola",
        draw_parabola,
        f"Every slope with its best intercept. At the bottom, $w = {w:.4f}$, the curve neither falls nor rises.",
        "A parabola: mean squared error against slope, with a marked lowest point near slope 1.37.",
    )
    page.text(r"""
        At the bottom the derivative is zero. The derivative of a square is twice the inside, times the derivative of
        the inside:

        $$\frac{d \operatorname{SSE}}{d w} = -2 \sum_i \Delta x_i (\Delta y_i - w \Delta x_i) = 0
        \qquad \text{so} \qquad w = \frac{\sum_i \Delta x_i \Delta y_i}{\sum_i \Delta x_i^2}$$
    """)
    page.table(
        ("$x$", "$y$", r"$\Delta x$", r"$\Delta y$", r"$\Delta x \, \Delta y$", r"$\Delta x^2$"),
        [
            *zip(AREA, PRICE, dx, dy, dx * dy, dx**2, strict=True),
            ("sum", "", round(abs(dx.sum()), 12), round(abs(dy.sum()), 12), dx @ dy, dx @ dx),
        ],
        "By hand",
    )
    page.text(rf"""
        So $w = {dx @ dy:.4f} / {dx @ dx:.4f} = {w:.4f}$ and $b = \bar y - w \bar x = {b:.4f}$. A house of area 5 should
        cost ${w:.4f} \cdot 5 {b:+.4f} = {5 * w + b:.4f}$.
    """)
    page.code(best_line)


def many_features(page: Page) -> None:
    """The same with matrices."""
    X, y = layouts.with_ones(AREA[:, None]), PRICE
    weights = normal_equations(X, y)
    page.text(r"""
        ## More features: matrices

        A house has more than an area. With $d$ features per house there are $d$ weights and a bias, and matrices keep
        the formulas short. Put the houses in rows of a matrix $X$. A leading column of ones turns the bias into one
        more weight, since $1 \cdot b = b$ (document 002 puts it first; the library keeps the bias last).

        $$\hat y = X w, \qquad \operatorname{SSE} = (y - X w)^\top (y - X w)$$
    """)
    page.table(
        ("array", "shape", "here", "holds"),
        [
            ("$X$", "$(n, d + 1)$", str(X.shape), "a row for each house: 1, then its features"),
            ("$w$", "$(d + 1,)$", str(weights.shape), "the bias, then a weight for each feature"),
            (r"$y$, $\hat y$", "$(n,)$", str(y.shape), "prices, predicted prices"),
        ],
        "Shapes",
    )
    page.text(r"""
        As before, the derivative has to be zero, now for every weight:

        $$\frac{\partial \operatorname{SSE}}{\partial w} = -2 X^\top (y - X w) = 0
        \qquad \text{so} \qquad X^\top X w = X^\top y$$

        These are the **normal equations**: as many equations as weights, linear in $w$. *Normal* means at right angles.
        $X^\top (y - X w) = 0$ says that the residuals are at right angles to every column of $X$. For the column of
        ones this means that they add up to 0.
    """)
    page.code(normal_equations)
    page.table(
        (r"$X^\top X$", r"$X^\top y$", "$w$: bias, slope"),
        [(X.T @ X, X.T @ y, weights)],
        "The four houses: the same line as by hand",
    )


def toy_points(page: Page) -> None:
    """Document 002's twenty points: without noise the weights come back."""
    X, y, noisy = random_points()
    page.number("S2-01", normal_equations(X, y), "Twenty points of our own: normal random numbers, seed 6.")
    weights = normal_equations(X, noisy)
    page.text(rf"""
        Document 002 draws 20 points exactly on a line with intercept {TRUE_WEIGHTS[0]:g} and slope
        {TRUE_WEIGHTS[1]:g}, and the equations give both back. Real data scatter. With noise of standard deviation 0.5
        added, the fitted line has intercept {weights[0]:.3f} and slope {weights[1]:.3f}: near the true line, but no
        longer the same. No line that is learned from data is the truth; more data bring it closer.
    """)
    page.figure(
        "toy-line",
        lambda: draw_toy(X, noisy),
        "Twenty points with noise. Without it the fitted line would cover the true one.",
        "Scatter of twenty points about two lines, the true one and, a little flatter, the fitted one.",
    )
    gaps = X.T @ (noisy - X @ weights), pseudo_inverse(X, noisy) - weights
    page.identity("I-34", max(float(np.abs(gap).max()) for gap in gaps), "On the twenty points with noise.")


def with_the_library(page: Page) -> None:
    """`LinearRegression` gives the same line."""
    model = LinearRegression().fit(AREA[:, None], PRICE)
    w, b = best_line(AREA, PRICE)
    page.text(f"""
        ## With the library

        `LinearRegression().fit(X, y)` takes `X` with one row per house and no column of ones. It finds
        `coef_` = {model.coef_[0]:.6f} and `intercept_` = {model.intercept_:.6f}, within
        {max(abs(model.coef_[0] - w), abs(model.intercept_ - b)):.0e} of the line by hand. `predict([[5.0]])` gives
        {model.predict([[5.0]])[0]:.4f}. It does not use the normal equations; the rest of this page shows why.
    """)


def the_same_column_twice(page: Page) -> None:
    """Dependent columns: many best answers, and the shortest of them."""
    X = np.column_stack([np.ones(len(AREA)), AREA, AREA])
    w, b = best_line(AREA, PRICE)
    choices = [np.array([b, w, 0.0]), np.array([b, w + 10, -10.0]), pseudo_inverse(X, PRICE)]
    model = LinearRegression().fit(X[:, 1:], PRICE)
    page.text(rf"""
        ## Two columns that say the same

        Suppose that a table holds the area twice. Then only the sum of the two weights matters: any amount may be moved
        from one to the other. $X$ has {X.shape[1]} columns of which {np.linalg.matrix_rank(X)} are independent (its
        *rank*), $X^\top X$ has no inverse, and the normal equations have infinitely many solutions:
    """)
    page.table(
        ("bias", "first weight", "second weight", "SSE", "length of $w$"),
        [(*v, float(((PRICE - X @ v) ** 2).sum()), float(np.linalg.norm(v))) for v in choices],
        "All three are best. The last comes from the pseudo-inverse",
    )
    page.text(rf"""
        The **pseudo-inverse** $X^+$ takes the shortest solution, $w = X^+ y$. Where the columns are independent, it is
        $X^+ = (X^\top X)^{{-1}} X^\top$, the matrix of the normal equations. `LinearRegression` chooses in the same way
        (it does not count the bias in the length): its weights are {model.coef_[0]:.6f} and {model.coef_[1]:.6f}. Its
        `rank_`, {model.rank_}, counts the features only.
    """)
    page.code(pseudo_inverse)


def lost_digits(page: Page) -> None:
    """Nearly dependent columns: what each method keeps."""
    ways = {"$X^\\top X$": normal_equations, "$X^+$": pseudo_inverse, "$Q R$": orthogonal_factors, "library": library}
    kept = [[right_digits(way, first) for way in ways.values()] for first in FIRST_TIMES]
    page.text(rf"""
        ## Columns that say nearly the same

        A thermometer is read once a second, eleven times, and rises by exactly half a degree each time. The computer
        writes down the time in seconds since 1970, about {FIRST_TIMES[-1]:,}. A column of such times is almost a
        multiple of the column of ones. A float keeps about 16 digits, and $X^\top X$ holds the squares of the times:
        their small differences, which are all that matters, are lost to rounding.

        How nearly columns depend on one another is measured by the **condition number** $\kappa$ (here of columns
        divided by their lengths): about $\log_{{10}} \kappa$ digits are lost. The condition number of $X^\top X$ is the
        square of that of $X$. So the normal equations lose twice as many.
    """)
    page.table(
        ("first time (s)", r"$\kappa$ of $X$", *ways),
        [(first, condition(first), *digits) for first, digits in zip(FIRST_TIMES, kept, strict=True)],
        "Right digits of the slope (0: none, or no answer)",
    )
    page.figure(
        "lost-digits",
        lambda: draw_digits(np.array(kept)),
        "The later the clock starts, the fewer digits of the slope are right.",
        "Right digits against the first time: LinearRegression stays level, QR falls, normal equations fall fastest.",
    )
    page.text(r"""
        - The **normal equations** ($X^\top X$) lose two digits where $X$ loses one. In the end nothing is left.
        - The **pseudo-inverse** ($X^+$) works with $X$ itself, but leaves out directions that are $10^{15}$ times
          weaker than the strongest, as rounding. In the end the slope is one of them.
        - **Factors** $X = Q R$, with $Q^\top Q = 1$ and $R$ a triangle, turn the normal equations into
          $R w = Q^\top y$. $X^\top X$ is never formed.
        - `LinearRegression` subtracts the mean of each column first (the slope is the same from everywhere), divides it
          by its spread, and then factors. Nothing is lost.
    """)
    page.code(orthogonal_factors)


def one_far_house(page: Page) -> None:
    """A question that leads on to the next lesson."""
    page.question(
        "A fifth house has the area 12 and the price 9. Does one point matter much?",
        (),
        0,
        f"The slope falls from {best_line(AREA, PRICE)[0]:.3f} to "
        f"{best_line(np.append(AREA, 12.0), np.append(PRICE, 9.0))[0]:.3f}. Squares count a far point most. That is a "
        "strength if the point is right and a weakness if it is an error. In the next lesson it decides "
        "against the line.",
    )


def random_points() -> tuple[Array, Array, Array]:
    """Twenty random points after a column of ones, their y on the true line, and the same y with
    noise."""
    rng = np.random.default_rng(6)
    X = layouts.with_ones(rng.normal(size=(20, 1)))
    y = X @ TRUE_WEIGHTS
    return X, y, y + rng.normal(scale=0.5, size=20)


def readings(first: int) -> tuple[Array, Array]:
    """Ones and eleven times, and temperatures that rise by 1/2 each second."""
    seconds = np.arange(11.0)
    return layouts.with_ones(first + seconds[:, None]), 20 + seconds / 2


def condition(first: int) -> float:
    """Condition number of the readings, each column divided by its length, to two digits."""
    X, _ = readings(first)
    return float(f"{np.linalg.cond(X / np.linalg.norm(X, axis=0)):.2g}")


def library(X: Array, y: Array) -> Array:
    """Intercept and slope by `LinearRegression`."""
    model = LinearRegression().fit(X[:, 1:], y)
    return np.array([model.intercept_, *model.coef_])


def right_digits(way: Callable[[Array, Array], Array], first: int) -> float:
    """Decimal digits of the slope that are right."""
    try:
        error = abs(way(*readings(first))[1] - 0.5) / 0.5
    except np.linalg.LinAlgError:
        return 0.0
    return round(float(np.clip(-np.log10(max(error, 1e-16)), 0, 16)), 1)


def draw_houses() -> Figure:
    """The four houses, their line and their residuals."""
    from polytome.plots.charts import points_with_curves
    from polytome.plots.drawing import GREY

    w, b = best_line(AREA, PRICE)
    names: dict[str, Any] = {"x_label": "area (unit not given)", "y_label": "price (unit not given)"}
    figure = points_with_curves({"": (AREA, PRICE)}, {"best line": lambda x: w * x + b}, **names)
    figure.axes[0].vlines(AREA, w * AREA + b, PRICE, color=GREY, zorder=1)
    return figure


def draw_parabola() -> Figure:
    """Mean squared error against slope."""
    from polytome.plots.charts import points_with_curves

    def cost(slopes: Array) -> Array:
        return np.array([mean_squared_error(PRICE, PRICE.mean() + w * (AREA - AREA.mean())) for w in slopes])

    best = np.array([best_line(AREA, PRICE)[0]])
    marked = {"": (best, cost(best))}
    return points_with_curves(marked, {"MSE": cost}, x_label="slope $w$", y_label="mean squared error")


def draw_toy(X: Array, y: Array) -> Figure:
    """Points with the true and the fitted line."""
    from polytome.plots.charts import points_with_curves

    true, fitted = TRUE_WEIGHTS, normal_equations(X, y)
    lines = {"true line": lambda x: true[0] + true[1] * x, "fitted line": lambda x: fitted[0] + fitted[1] * x}
    return points_with_curves({"": (X[:, 1], y)}, lines, x_label="$x$ (no unit)", y_label="$y$ (no unit)")


def draw_digits(kept: Array) -> Figure:
    """Right digits against the first time."""
    from polytome.plots.charts import curves

    names = ("normal equations", "pseudo-inverse", "factors $Q R$", "LinearRegression")
    series = {name: (np.maximum(FIRST_TIMES, 1), digits) for name, digits in zip(names, kept.T, strict=True)}
    return curves(series, x_label="first time (s; 1 stands for 0)", y_label="right digits of the slope", log_x=True)


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
