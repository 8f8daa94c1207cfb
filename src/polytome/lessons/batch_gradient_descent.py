"""Batch gradient descent: Iris-Virginica learned from scratch, with every flower in every step.

Document 000 (the Iris example from scratch, with samples in columns).
Method: Boyd and Vandenberghe, Convex Optimization, 2004, section 9.3; Cauchy 1847.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Logistic
from polytome.models.logistic import LogisticRegression
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows
from polytome.solvers import GradientDescent
from polytome.teaching import layouts
from polytome.teaching.documents import numbers
from polytome.teaching.page import Page
from polytome.teaching.tracing import walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Descent = tuple[Array, float, list[float]]

LEARNING_RATE = 0.1
STEPS = 5000
SHOWN_EVERY = 1000
OTHER_RATES = (0.01, 0.05, 0.1, 0.2, 0.5)


def lesson(page: Page) -> None:
    """Fill the page."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows, y = iris["data"], (iris["target"] == 2).astype(int)
    X = layouts.columns_from_rows(rows)
    the_flowers(page, iris)
    the_labels(page, rows, y)
    the_model(page, X, y)
    the_derivatives(page, X, y)
    weights, bias, costs = descend(X, y, LEARNING_RATE, STEPS)
    the_descent(page, X, y, costs)
    the_end(page, X, y, weights, bias)
    in_rows(page, rows, y, weights, bias)
    how_far(page, rows, y, costs)


def start_at_zero(n_features: int) -> tuple[Array, float]:
    """Weights, a column of zeros, and a bias of zero."""
    return np.zeros((n_features, 1)), 0.0


def probabilities(W: Array, b: float, X: Array) -> Array:
    """Of label 1, one for each column of X, shape (1, samples)."""
    return numerics.sigmoid(W.T @ X + b)


def mean_cost(W: Array, b: float, X: Array, y: Array) -> float:
    """Mean over the samples of -log p (label 1) or -log(1 - p) (label 0)."""
    scores = (W.T @ X + b)[0]
    return float(numerics.binary_cross_entropy_from_scores(y, scores).mean())


def derivatives(W: Array, b: float, X: Array, y: Array) -> tuple[Array, float]:
    """Of the mean cost, with respect to the weights, shape (features, 1), and to the bias."""
    errors = probabilities(W, b, X) - y
    return X @ errors.T / len(y), float(errors.mean())


def descend(X: Array, y: Array, rate: float, steps: int) -> Descent:
    """Weights, bias, and the cost before each step and after the last."""
    W, b = start_at_zero(len(X))
    costs = [mean_cost(W, b, X, y)]
    for _ in range(steps):
        by_weights, by_bias = derivatives(W, b, X, y)
        W, b = W - rate * by_weights, b - rate * by_bias
        costs.append(mean_cost(W, b, X, y))
    return W, b, costs


def the_flowers(page: Page, iris: Any) -> None:
    """What is measured, and what the data set holds."""
    names = ", ".join(str(name) for name in iris["feature_names"])
    page.text(f"""
        ## The flowers

        Three species of iris were measured: {len(iris["data"])} flowers, {np.bincount(iris["target"])[0]} of each.
        The measurements of a flower are its features: {names}. The question is whether a flower is an Iris-Virginica:
        yes or no, label 1 or 0. Two classes, so one probability is enough.
    """)
    page.number("S0-01", list(iris))
    page.number("S0-02", iris["data"].shape)
    page.figure(
        "iris-petals",
        lambda: draw_flowers(iris["data"], iris["target"], iris["target_names"]),
        "Petals alone distinguish most flowers. Where virginica and versicolor touch, a probability is the honest "
        "answer.",
        "Scatter of petal width against petal length: setosa far off at the lower left, versicolor in the middle, "
        "virginica at the upper right, overlapping a little with versicolor.",
    )


def the_labels(page: Page, rows: Array, y: Array) -> None:
    """The vector of labels."""
    page.text("""
        The label comes from a comparison: `(target == 2)` is true for virginica. One flower is one row of the table of
        features; its label is one number.
    """)
    page.number("S0-03", str(y.shape))
    page.number("S0-04", rows[0])
    page.number("S0-05", y)


def the_model(page: Page, X: Array, y: Array) -> None:
    """Score, probability, cost, and their shapes in document 000's layout."""
    n, m = X.shape
    page.text(rf"""
        ## The model

        Each feature gets a weight. The weighted sum plus a bias is the score $z$, and the sigmoid turns it into a
        probability $\hat y$. Document 000 puts one flower in each **column** of $X$, so that one product gives all
        scores:

        $$Z = W^\top X + b, \qquad \hat Y = \sigma(Z), \qquad \sigma(z) = \frac{{1}}{{1 + e^{{-z}}}}$$

        The cost is the mean over the $m = {m}$ flowers of minus the logarithm of the probability that the model gave to
        the true label (in nats, since the logarithm is natural):

        $$J = -\frac{{1}}{{m}} \sum_{{i=1}}^{{m}} \left( y_i \log \hat y_i + (1 - y_i) \log(1 - \hat y_i) \right)$$
    """)
    page.table(
        ("array", "shape", "holds"),
        [
            ("$X$", str((n, m)), "a column for each flower, a row for each feature"),
            ("$y$", str(y.shape), "a label for each flower"),
            ("$W$", str((n, 1)), "a weight for each feature"),
            ("$b$", "a number", "the bias"),
            (r"$Z$, $\hat Y$", str((1, m)), "a score and a probability for each flower"),
        ],
        "Samples in columns: the layout of document 000",
    )
    weights, bias, _ = descend(X, y, LEARNING_RATE, 100)
    flower = 145
    z = float((weights.T @ X + bias)[0, flower])
    p = float(numerics.sigmoid(z))
    page.figure(
        "logistic-graph",
        lambda: draw_graph(X[:, flower], y[flower], weights, bias),
        rf"Flower {flower}, a virginica, after 100 steps of the descent below. From left to right the cost is "
        rf"computed; on the arrows stand the derivatives of the cost, which flow back. At $z$ it is $\hat y - y = "
        f"{p:.3f} - {y[flower]} = {p - y[flower]:.3f}$.",
        "Computational graph: features, weights and bias give the score, the score the probability, and probability "
        "and label the cost, each with its value.",
    )


def the_derivatives(page: Page, X: Array, y: Array) -> None:
    """Where all starts, and the first derivatives."""
    weights, bias = start_at_zero(len(X))
    p = probabilities(weights, bias, X)
    page.text(rf"""
        ## The derivatives

        The chain rule leads from the cost of one flower back to a weight in three factors:

        $$\frac{{\partial L}}{{\partial \hat y}} \cdot \frac{{\partial \hat y}}{{\partial z}} \cdot
        \frac{{\partial z}}{{\partial w_j}} = \frac{{\hat y - y}}{{\hat y (1 - \hat y)}} \cdot \hat y (1 - \hat y)
        \cdot x_j = (\hat y - y) \, x_j$$

        What remains is the error times the feature. The mean over all flowers is one product:

        $$\nabla_W J = \frac{{1}}{{m}} X (\hat Y - Y)^\top, \qquad
        \frac{{\partial J}}{{\partial b}} = \frac{{1}}{{m}} \sum_{{i=1}}^{{m}} (\hat y_i - y_i)$$

        With all weights zero, every score is 0 and every probability {p[0, 0]:g}: the model knows nothing, and its cost
        is $\log 2 \approx {np.log(2):.6f}$ nats, that of a coin.
    """)
    page.code(start_at_zero, probabilities, mean_cost, derivatives)
    page.number("S0-09", weights)
    by_weights, by_bias = derivatives(weights, bias, X, y)
    page.number("S0-10", [*by_weights[:, 0], by_bias, mean_cost(weights, bias, X, y)])
    some_weights, some_bias, _ = descend(X, y, LEARNING_RATE, 100)
    by_weights, by_bias = derivatives(some_weights, some_bias, X, y)
    single = float((probabilities(some_weights, some_bias, X) * y).sum() / len(y))
    page.erratum(
        "000-4",
        wrong="`dW = 1.0/m*np.sum(yhat.y)`, the same again for `db`, and a dictionary with the key `dM`.",
        right="`dW = 1.0/m*np.dot(X, (yhat-y).T)`, `db = 1.0/m*np.sum(yhat-y)`, and the key `dW`.",
        shown=f"An array has {'an' if hasattr(p, 'y') else 'no'} attribute `y`. Read as a product, after 100 steps the "
        f"line gives one number, {single:.6f}, for both; correct are {by_weights.size} derivatives with respect "
        f"to the weights, the "
        f"first {by_weights[0, 0]:.6f}, and {by_bias:.6f} with respect to the bias.",
    )


def the_descent(page: Page, X: Array, y: Array, costs: list[float]) -> None:
    """The loop, its costs, and the learning rate that the document does not print."""
    page.text(rf"""
        ## The descent

        The derivatives point uphill. So take a step in the other direction: the derivatives times the learning rate
        $\eta$ (document 000 writes $\gamma$). Then repeat. It is called **batch** descent because each step uses
        the whole batch of flowers:

        $$W \leftarrow W - \eta \nabla_W J, \qquad b \leftarrow b - \eta \frac{{\partial J}}{{\partial b}}$$

        Below are {STEPS:,} steps with $\eta = {LEARNING_RATE}$; a cost is taken before its step.
    """)
    page.code(descend)
    page.number("S0-11", costs[:STEPS:SHOWN_EVERY])
    page.text("""
        The document does not print the learning rate. But a rate leaves its mark in the costs: of several common rates,
        one gives the printed digits. Longer steps are faster here, but the longest ones leap across the valley at
        first: their costs go up before they go down.
    """)
    printed = numbers()["S0-11"].printed[1]
    found = [(rate, descend(X, y, rate, SHOWN_EVERY)[2]) for rate in OTHER_RATES]
    page.table(
        ("learning rate", "highest cost", f"cost before step {SHOWN_EVERY:,}", f"is it {printed}?"),
        [(rate, max(path), f"{path[-1]:.6f}", f"{path[-1]:.6f}" == f"{printed:.6f}") for rate, path in found],
        "Costs in nats at several learning rates",
    )


def the_end(page: Page, X: Array, y: Array, weights: Array, bias: float) -> None:
    """Weights after the last step, and how well they predict."""
    accuracy = share_right(X, y, weights, bias)
    page.text(f"""
        ## What was learned

        After the last step {100 * accuracy:g} % of the flowers are on the right side of one half. Petals count for
        virginica (positive weights), sepals against it.
    """)
    page.number("S0-12", [*weights[:, 0], bias])
    page.number("S0-12b", [accuracy, mean_cost(weights, bias, X, y)])
    printed = np.array(numbers()["S0-12"].printed)
    as_printed, printed_bias = printed[:-1, None], float(printed[-1])
    page.erratum(
        "000-5",
        wrong=f"The weights after the last step are {', '.join(f'{weight:.8g}' for weight in printed[:-1])}; the first "
        "ones are five zeros; iteration 1000 is listed twice.",
        right=f"{', '.join(f'{weight:+.8f}' for weight in weights[:, 0])}, from four zeros.",
        shown=f"With the printed weights the cost would be {mean_cost(as_printed, printed_bias, X, y):.3f} nats and "
        f"{100 * share_right(X, y, as_printed, printed_bias):.0f} % of the flowers right; with the right ones they are "
        f"{mean_cost(weights, bias, X, y):.3f} nats and {100 * accuracy:.0f} %.",
    )


def share_right(X: Array, y: Array, W: Array, b: float) -> float:
    """Share of the samples whose probability is on the right side of one half."""
    return float(((probabilities(W, b, X)[0] > 0.5) == y).mean())


def with_the_library(rows: Array, y: Array) -> tuple[Array, Array]:
    """The same steps by Polytome, which takes samples in rows."""
    objective = Objective(Logistic(), NoPenalty(), as_rows(rows, y))
    *_, last = walk(objective, GradientDescent(LEARNING_RATE), steps=STEPS)
    return layouts.split_weights(last.coefficients)


def in_rows(page: Page, rows: Array, y: Array, weights: Array, bias: float) -> None:
    """The other layout gives the same."""
    page.text(r"""
        ## Rows instead of columns

        Most libraries, and this one, put a flower in each **row**. Transposing everything changes no number: the scores
        are $X W + b$, the derivatives $X^\top (\hat y - y) / m$. `polytome.teaching.layouts` converts arrays both
        ways, and the solver `GradientDescent` walks the same steps.
    """)
    page.code(with_the_library)
    other_weights, other_bias = with_the_library(rows, y)
    ours, others = np.append(weights, bias), np.append(other_weights, other_bias)
    names = ("sepal length", "sepal width", "petal length", "petal width", "bias")
    page.table(
        ("coefficient of", "columns, from scratch", "rows, library", "difference"),
        [(name, a, b, f"{abs(a - b):.1g}") for name, a, b in zip(names, ours, others, strict=True)],
        f"After {STEPS:,} steps",
    )


def how_far(page: Page, rows: Array, y: Array, costs: list[float]) -> None:
    """The descent has not reached the minimum, which the estimator finds."""
    model = LogisticRegression(C=np.inf, solver="newton", tol=1e-10).fit(rows, y)
    least = model.certificate_.objective
    objective = Objective(Logistic(), NoPenalty(), as_rows(rows, y))
    curvatures = np.linalg.eigvalsh(objective.hessian(layouts.join_coef(model.coef_, model.intercept_)))
    page.figure(
        "cost-by-iteration",
        lambda: draw_costs(costs, least),
        f"The cost falls at {100 * np.mean(np.diff(costs) < 0):.4g} % of the steps, but ever more slowly. The dashed "
        "line is the smallest cost that any weights can have.",
        "Curve of the cost against the iteration on a logarithmic scale: steep at first, then flat, well above a "
        "dashed line; five marked points of document 000 lie on the curve.",
    )
    page.text(rf"""
        ## Is it the bottom?

        No. After {STEPS:,} steps the cost is {costs[-1]:.4f} nats; the smallest possible one is {least:.4f}.
        `LogisticRegression(C=numpy.inf, solver="newton")` finds it in {model.n_iter_[0]} steps of Newton's method.
        Gradient descent crawls because the valley is long and narrow: at its bottom the curvature of the cost is
        {curvatures[-1] / curvatures[0]:,.0f} times as large along one direction as along another. The first forbids
        long steps, and along the other short ones lead nowhere. Newton's method takes the curvature into account.

        The estimator also says how good its answer is: *{model.certificate_}*
    """)


def draw_flowers(rows: Array, species: Array, names: Array) -> Figure:
    """Petals by species."""
    from polytome.plots.charts import points_with_curves

    groups = {str(name): (rows[species == code, 2], rows[species == code, 3]) for code, name in enumerate(names)}
    return points_with_curves(groups, {}, x_label="petal length (cm)", y_label="petal width (cm)")


def draw_graph(x: Array, label: int, weights: Array, bias: float) -> Figure:
    """One flower's path through the model, and the derivatives on the way back."""
    from polytome.teaching.graphs import computational_graph

    z = float(weights[:, 0] @ x) + bias
    p = float(numerics.sigmoid(z))
    cost = float(numerics.binary_cross_entropy_from_scores(label, z))
    error = p - label
    return computational_graph(
        [["x", "w", "b"], ["z"], ["p", "y"], ["J"]],
        [("x", "z"), ("w", "z"), ("b", "z"), ("z", "p"), ("p", "J"), ("y", "J")],
        {"x": x, "w": weights[:, 0], "b": bias, "z": z, "p": p, "y": label, "J": cost},
        gradients={("b", "z"): error, ("z", "p"): error, ("p", "J"): error / (p * (1 - p))},
        symbols={"z": r"$z = w \cdot x + b$", "p": r"$\hat y = \sigma(z)$", "J": "cost (nats)"},
    )


def draw_costs(costs: list[float], least: float) -> Figure:
    """Costs by iteration, with the document's five on them."""
    from polytome.plots.charts import curves

    printed = numbers()["S0-11"].printed
    between = np.full(len(printed), np.nan)  # so that no line joins the points
    return curves(
        {
            "from scratch": (np.arange(len(costs)), costs),
            "document 000": (
                np.arange(0.0, STEPS, SHOWN_EVERY / 2),
                np.column_stack([printed, between]).ravel(),
            ),
        },
        x_label="iteration",
        y_label="cost (nats)",
        levels={"smallest possible": least},
        log_y=True,
    )


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
