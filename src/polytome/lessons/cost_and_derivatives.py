"""Cost and derivatives: where the logarithm comes from, and why its derivative is p - y.

Documents 000 (cost function, gradient), 001 (likelihood, learning rule), 002 (binary cross-entropy
and its three derivatives), 004 (the derivative with respect to the score). Method: Bishop, Pattern
Recognition and Machine Learning, 2006, section 4.3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Logistic, Loss
from polytome.losses.neurons import SquaredSigmoid
from polytome.teaching import layouts
from polytome.teaching.page import Page
from polytome.teaching.tracing import trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

STEPS, RATE = 50, 0.01
P, Y = 0.8, 1.0  # a prediction and its label: the example of several errata
V = np.array([0.1, -0.2, 0.3, -0.4, 0.05])  # weights of four features, and a bias


def lesson(page: Page) -> None:
    """Fill the page."""
    from sklearn.datasets import load_iris

    X, species = load_iris(return_X_y=True)
    y = (species == 2).astype(float)
    likelihood(page, X, y)
    the_logarithm(page)
    squares_or_logarithms(page)
    three_derivatives(page)
    one_step(page)
    by_the_weights(page, X, y)
    all_samples(page, X, y)
    fifty_steps(page, X, y)
    slips(page)
    chains_and_shapes(page, X)


def cost(y: Any, p: Any) -> Any:
    """Minus the logarithm of the label's probability, in nats."""
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def gradient(X: Array, y: Array, w: Array, b: float) -> Array:
    """Of the mean cost, with respect to the weights and, last, the bias."""
    error = numerics.sigmoid(X @ w + b) - y
    return np.append(X.T @ error, error.sum()) / len(y)


def costs_of_steps(X: Array, y: Array, error: Any) -> list[float]:
    """Mean costs along the descent; `error` stands where p - y belongs."""
    w, b, costs = np.zeros(X.shape[1]), 0.0, []
    for _ in range(STEPS + 1):
        z = X @ w + b
        each = numerics.binary_cross_entropy_from_scores(y, z)
        costs.append(float(each.mean()))
        wrong_by = error(numerics.sigmoid(z), y)
        w, b = w - RATE * X.T @ wrong_by / len(y), b - RATE * wrong_by.mean()
    return costs


def likelihood(page: Page, X: Array, y: Array) -> None:
    """From the probability of all labels to a mean cost."""
    p, many = np.random.default_rng(0).uniform(0.05, 0.95, size=len(y)), 5000
    page.text(rf"""
        A logistic neuron turns the features of a sample into a probability $p = \sigma(z)$ that its label $y$ is 1. The
        label 0 then has the probability $1 - p$. Which weights are good? Those that give a high probability to the
        labels that were really seen. One formula covers both labels, since a number to the power 0 is 1. Samples are
        taken to be independent, so the probability of all $n$ labels is a product, the **likelihood**:

        $$P(y) = p^y (1 - p)^{{1 - y}}, \qquad
        P(y_1, \dots, y_n) = \prod_{{i=1}}^{{n}} p_i^{{y_i}} (1 - p_i)^{{1 - y_i}}$$

        A long product is smaller than any float: $0.8^{{{many}}}$ is computed as {0.8**many:g}. Its logarithm is
        harmless ({many * np.log(0.8):.1f}), turns the product into a sum, and is largest for the same weights. Change
        its sign, so that less is better, and take the mean. That is the **cost**, log loss or binary cross-entropy:

        $$J = -\frac{{1}}{{n}} \sum_{{i=1}}^{{n}} \left( y_i \log(p_i) + (1 - y_i) \log(1 - p_i) \right)$$
    """)
    page.code(cost)
    minus_log = -np.log(np.prod(p**y * (1 - p) ** (1 - y)))
    page.identity("I-22", abs(float(minus_log - cost(y, p).sum())), f"{len(y)} labels, random probabilities.")
    rest = cost(y[1:], p[1:]).sum()
    together = numerics.softmax(np.array([[1.0, 2.0], [1.0, 5.0]]))[:, 0]
    page.erratum(
        "001-6",
        wrong=r"The gradient ends in $\partial L / \partial w_i$; the likelihood starts at $y^{[i]}$; a class is "
        r"$t \in \{j, \dots, k\}$; and $P(y = t \mid z_t)$ names one score.",
        right=r"$\partial L / \partial w_m$, $y^{[1]}$, $t \in \{1, \dots, k\}$, and $P(y = t \mid z)$, all scores.",
        shown=f"{X.shape[1]} weights and a bias have {len(gradient(X, y, V[:-1], V[-1]))} derivatives. The sum above, "
        f"{cost(y, p).sum():.4f}, is {rest:.4f} without the first label. By softmax, a score of 1 has the probability "
        f"{together[0]:.4f} beside a 2 and {together[1]:.4f} beside a 5.",
    )


def the_logarithm(page: Page) -> None:
    """The two curves."""
    page.text(r"""
        ## What a prediction costs

        For one sample one of the two terms is left: $-\log(p)$ if the label is 1, $-\log(1 - p)$ if it is 0. The
        logarithm is the natural one, and the unit is the nat. Being right with certainty costs nothing, half and half
        costs $\log(2)$, and being wrong with certainty costs without limit.
    """)
    page.table(
        ("$p$", "cost if $y = 1$ (nats)", "cost if $y = 0$ (nats)"),
        [(p, float(cost(1, p)), float(cost(0, p))) for p in (0.01, 0.1, 0.5, 0.9, 0.99)],
        "Cost of a prediction",
    )
    page.figure(
        "log-costs",
        draw_costs,
        "The cost of a predicted probability for each label.",
        "Two curves over probabilities from 0 to 1: one falls from infinity to 0, the other is its mirror image.",
    )
    page.erratum(
        "001-2",
        wrong=r"The loss of one example: $L = -y \log(\sigma(z)) + (1 - y) \log(1 - \sigma(z))$.",
        right=r"$L = -y \log(\sigma(z)) - (1 - y) \log(1 - \sigma(z))$.",
        shown=f"A label 0 that is given the probability 0.99 of being a 1 costs {cost(0, 0.99):.3f} nats. With the "
        f"plus it would cost {np.log(1 - 0.99):.3f}: the more wrong, the better.",
    )


def squares_or_logarithms(page: Page) -> None:
    """Why not the mean squared error."""
    z = np.array([[10.0]])
    (square,), flat = SquaredSigmoid().value_and_gradient(z, np.zeros(1))
    (nats,), steady = Logistic().value_and_gradient(z, np.zeros(1))
    page.text(r"""
        ## Why not squares?

        The squared error $(p - y)^2$ is a cost too (the last lesson drew both). As a prediction becomes more and more
        wrong, the logarithm rises with the score, while the square levels off at 1. From there no step seems to
        help: its derivative with respect to the score vanishes where it is needed most.
    """)
    page.figure(
        "squares-and-logarithms",
        draw_pulls,
        "How strongly each cost pulls at the score of a sample with the label 0.",
        "Derivatives against score: the logarithm's rises to 1, the square's rises a little and falls back to 0.",
    )
    page.erratum(
        "002-5",
        wrong="The mean squared error does not penalise a confident prediction that is wrong.",
        right="It does, by at most 1. What is missing is the pull: its derivative vanishes.",
        shown=f"At z = {z[0, 0]:g} and y = 0 the squared error is {square:.4f} and its derivative {flat[0, 0]:.1e}; "
        f"the log loss is {nats:.4f} nats and its derivative {steady[0, 0]:.5f}.",
    )


def three_derivatives(page: Page) -> None:
    """The chain from the weight to the loss."""
    page.text(r"""
        ## Three derivatives

        To lower the cost we need to know how it changes with each weight. A weight acts in three stages, from weight to
        score to probability to loss, and the **chain rule** multiplies the derivatives of the stages:

        $$\frac{\partial L}{\partial w_j} = \frac{\partial L}{\partial p} \cdot \frac{d p}{d z} \cdot
        \frac{\partial z}{\partial w_j}$$

        First, the loss with respect to the probability. The derivative of $\log(p)$ is $1/p$, that of $\log(1 - p)$ is
        $-1 / (1 - p)$:

        $$\frac{\partial L}{\partial p} = -\frac{y}{p} + \frac{1 - y}{1 - p} = \frac{-y (1 - p) + (1 - y) p}{p (1 - p)}
        = \frac{p - y}{p (1 - p)}$$

        Second, the sigmoid, from the lesson before last: $d p / d z = p (1 - p)$. That is the denominator of the first,
        and the two cancel:

        $$\frac{\partial L}{\partial z} = p - y$$

        Prediction minus label: the result could not be simpler. This is what makes the logarithm and the sigmoid a
        pair. Third, the score $z = w_1 x_1 + \dots + w_d x_d + b$: with respect to $w_j$ it is $x_j$, and to $b$ it is
        1.
    """)
    labels = np.array([[0.0], [1.0]])
    p = np.linspace(0.05, 0.95, 91)
    z = np.linspace(-6, 6, 121)
    by_p = slope(lambda p: cost(labels, p), p) - (p - labels) / (p * (1 - p))
    page.identity("I-11", float(np.abs(by_p).max()), "Probabilities from 0.05 to 0.95, both labels.")
    by_z = slope(lambda z: cost(labels, numerics.sigmoid(z)), z) - (numerics.sigmoid(z) - labels)
    page.identity("I-10", float(np.abs(by_z).max()), "Scores from -6 to 6, both labels.")


def one_step(page: Page) -> None:
    """All numbers of one step for one flower."""
    step = trace(Logistic(), x=[3.0], y=1, coefficients=[[1.0], [-4.0]], learning_rate=0.5)
    page.text("""
        ## One step with numbers

        A petal of 3 cm, label 1; the weights say no. `polytome.teaching.tracing.trace` writes down one step of
        descent: subtract the learning rate times the derivative. (The *mean* is the predicted probability.)
    """)
    rows = [(f"${row.latex}$", row.name, row.formula or "given", row.value) for row in step.rows()]
    page.table(("symbol", "what it is", "formula", "value"), rows, "One step on one flower")


def by_the_weights(page: Page, X: Array, y: Array) -> None:
    """The error times the feature, and a misprint of it."""
    p, measured = numerics.sigmoid(X @ V[:-1] + V[-1]), measured_derivatives(X, y, V)
    printed = (1 - p)[:, None] * X
    flower = 100
    page.text(r"""
        ## By the weights

        The derivative with respect to a weight is the error times its feature, and to the bias, the error alone:

        $$\frac{\partial L}{\partial w_j} = (p - y) x_j, \qquad \frac{\partial L}{\partial b} = p - y$$
    """)
    page.identity("I-20-erratum", float(np.abs(printed - measured[:, :-1]).max()), "Every flower, at weights not zero.")
    page.erratum(
        "000-1",
        wrong=r"The derivative is $(1 - \hat y) x_j$, and $1 - \hat y$ for the bias, in the steps of stochastic "
        r"descent "
        "and in both lines headed derivative.",
        right=r"$(\hat y - y) x_j$ and $\hat y - y$, as the document's vectorised lines have it.",
        shown=f"For flower {flower} (label {y[flower]:g}, p = {p[flower]:.4f}) differences give "
        f"{measured[flower, 0]:.4f} for the first weight. The right form gives {(p - y)[flower] * X[flower, 0]:.4f}, "
        f"the printed one {printed[flower, 0]:.4f}: a step the wrong way.",
    )
    page.erratum(
        "000-3",
        wrong=r"$\partial J / \partial \theta_i$ on the left with $x_j$ on the right; and a bias $b_{j,[n]}$.",
        right=r"$\partial J / \partial \theta_j$; and $b_{[n]}$, since there is one bias.",
        shown=f"For the same flower the derivative for the first weight, {measured[flower, 0]:.4f}, needs the first "
        f"feature; with the second it would be {(p - y)[flower] * X[flower, 1]:.4f}.",
    )


def all_samples(page: Page, X: Array, y: Array) -> None:
    """The mean over all samples, in two layouts."""
    columns = layouts.columns_from_rows(X)
    error = numerics.sigmoid(V[:-1] @ columns + V[-1])[None] - y[None]
    by_columns = np.append(columns @ error.T / len(y), error.mean())
    gap = np.abs(by_columns - measured_derivatives(X, y, V).mean(axis=0)).max()
    apart = np.abs(by_columns - gradient(X, y, V[:-1], V[-1])).max()
    mean = costs_of_steps(X, y, lambda p, y: p - y)
    total = costs_of_steps(X, y, lambda p, y: len(y) * (p - y))
    page.text(r"""
        ## By all samples at once

        The cost is a mean, so its gradient is the mean of the samples' gradients. With samples in the rows of $X$ one
        product does all of it. Document 000 has them in columns; then the product is the other way round.

        $$\nabla_w J = \frac{1}{n} X^\top (p - y) \quad \text{(rows)}, \qquad
        \nabla_w J = \frac{1}{m} X (\hat Y - Y)^\top \quad \text{(columns)}$$
    """)
    page.code(gradient)
    page.identity("I-20", float(gap), f"Rows and columns differ by {apart:.0e}.")
    page.erratum(
        "002-9",
        wrong="Gradient descent is said to go along the sum of the errors; elsewhere it is their mean.",
        right=r"Either will do, but the learning rate depends on it: the sum with $\eta$ is the mean with $n \eta$.",
        shown=f"With {len(y)} flowers the sum is {len(y)} times as long. At a rate of {RATE:g}, {STEPS} steps along "
        f"the mean end at a cost of {mean[-1]:.4f} nats, along the sum at {total[-1]:.4f}.",
    )


def fifty_steps(page: Page, X: Array, y: Array) -> None:
    """Descent with the right derivative and with the two misprints."""
    runs = {
        "p - y": costs_of_steps(X, y, lambda p, y: p - y),
        "1 - p (document 000)": costs_of_steps(X, y, lambda p, y: 1 - p),
        "y - p (document 001)": costs_of_steps(X, y, lambda p, y: y - p),
    }
    right, first, second = (costs[-1] for costs in runs.values())
    page.text(rf"""
        ## Fifty steps

        A wrong sign is easy to print and hard to see. A descent shows it at once. From weights of zero, where every
        $p$ is one half and the cost is $\log(2) = {np.log(2):.4f}$, take {STEPS} steps at a rate of {RATE:g} with each
        of three errors. With $p - y$ the cost falls to {right:.4f}. With $1 - p$, as document 000 prints it, it rises
        to {first:.3f}, and with $y - p$, as document 001 does, to {second:.3f}.
    """)
    page.code(costs_of_steps)
    page.identity("I-38", max(0.0, right - np.log(2), np.log(2) - first, np.log(2) - second))
    page.figure(
        "right-and-misprinted",
        lambda: draw_runs(runs),
        "Mean cost of Iris-Virginica against its rivals while descending. If a cost rises, look for a sign.",
        "Three curves of cost against step: one falls slowly from 0.69, two climb past 9.",
    )


def slips(page: Page) -> None:
    """Signs and lost formulas."""
    by_p = slope(lambda p: cost(Y, p), P)
    by_z = slope(lambda z: cost(Y, numerics.sigmoid(z)), numerics.logit(P))
    example = f"For a label {Y:g} and p = {P:g}"
    page.text("## Slips of sign, name and shape")
    page.erratum(
        "001-1",
        wrong=r"$\partial L / \partial a = y/a - (1 - y)/(1 - a)$ on two slides; $\partial L / \partial z = y - a$ and "
        r"$\partial L / \partial w_j = (y - a) x_j$ on all.",
        right=r"The signs are the other way: $a - y$ and $(a - y) x_j$. What is added to the weights is $(y - a) x_j$.",
        shown=f"{example}, differences give {by_p:.4f} for the first (printed: {Y / P - (1 - Y) / (1 - P):.4f}) and "
        f"{by_z:.4f} for the second (printed: {Y - P:.4f}).",
    )
    page.erratum(
        "002-11",
        wrong="Of the three derivatives two have lost their formulas; only the third is printed.",
        right=r"$\partial L / \partial \hat y = (\hat y - y) / (\hat y (1 - \hat y))$ and "
        r"$\partial \hat y / \partial z = \hat y (1 - \hat y)$.",
        shown=f"{example} they are {(P - Y) / (P * (1 - P)):.4f} and {P * (1 - P):.4f}; their product is "
        f"{(P - Y) / (P * (1 - P)) * P * (1 - P):.4f}, and p - y is {P - Y:.4f}.",
    )
    page.erratum(
        "004-5",
        wrong=r"The numerator $\hat y (1 - y) - y (1 - \hat y)$ becomes $\hat y - y + y \hat y - y \hat y$, with a "
        "bracket too many and the signs of the products exchanged.",
        right=r"$\hat y - \hat y y - y + y \hat y = \hat y - y$. The exchange does no harm, since the products cancel.",
        shown=f"{example} the products are {-P * Y:g} and {Y * P:g}. The numerator is {P * (1 - Y) - Y * (1 - P):.4f}.",
    )
    scores = np.array([1.0, 2.0, 3.0])
    p, own = numerics.softmax(scores), numerics.softmax_jacobian(scores).diagonal()
    page.erratum(
        "002-10",
        wrong=r"$\delta L / \delta w$; a case where the target class is the predicted class; the name Means Squared "
        r"Error; and $\hat y$ as the predicted label.",
        right=r"$\partial L / \partial w$; output and score have the same index; mean squared error; $\hat y$ is a "
        "probability, or a vector of them.",
        shown=f"Softmax of the scores 1, 2, 3 is {p.round(4).tolist()}, the label would be {p.argmax()}. Whatever the "
        f"target, the derivative of each in its own score is p (1 - p), within {np.abs(own - p * (1 - p)).max():.0e}.",
    )


def chains_and_shapes(page: Page, X: Array) -> None:
    """A chain with a wrong link, and a row where a column belongs."""
    column = np.append(1.0, X[0])[:, None]
    page.erratum(
        "000-2",
        wrong=r"The chain is $\frac{\partial L}{\partial \hat y} \frac{\partial \hat y}{\partial w_j} "
        r"\frac{\partial x}{\partial w_j}$.",
        right=r"$\frac{\partial L}{\partial \hat y} \frac{\partial \hat y}{\partial z} "
        r"\frac{\partial z}{\partial w_j}$, and $\frac{\partial z}{\partial b} = 1$ for the bias.",
        shown=f"Features do not depend on weights: the printed product is 0. The right one, for p = {P:g}, y = {Y:g} "
        f"and x = 2, is {(P - Y) / (P * (1 - P)):.4f} times {P * (1 - P):.4f} times 2, that is {(P - Y) * 2:.4f}.",
    )
    page.erratum(
        "002-3",
        wrong=r"$\partial z / \partial w = x_i^\top$, a row, is subtracted from $w$, a column.",
        right=r"$w - \lambda (\hat y - y) x_i$ with $x_i$ a column.",
        shown=f"A column {column.shape} less a row {column.T.shape} is, without a warning, an array "
        f"{(column - column.T).shape}. The document's `x_i.T` does nothing: of one dimension, the shape stays "
        f"{X[0].T.shape}.",
    )


def slope(function: Callable[[Any], Any], at: Any, h: float = 1e-6) -> Any:
    """Derivative from differences: how much the function changes from at - h to at + h."""
    return (function(at + h) - function(at - h)) / (2 * h)


def measured_derivatives(X: Array, y: Array, v: Array) -> Array:
    """Derivatives of each sample's cost in the weights and the bias v, by differences: a row for
    each sample."""
    rows, h = np.column_stack([X, np.ones(len(X))]), 1e-6
    above, below = ((rows @ v)[:, None] + step * rows for step in (h, -h))
    changes: Array = cost(y[:, None], numerics.sigmoid(above)) - cost(y[:, None], numerics.sigmoid(below))
    return changes / (2 * h)


def draw_costs() -> Figure:
    """Minus the logarithms of p and of 1 - p."""
    from polytome.plots.charts import curves

    p = np.linspace(0.005, 0.995, 400)
    series = {r"$-\log\, p$ ($y = 1$)": (p, cost(1, p)), r"$-\log\,(1 - p)$ ($y = 0$)": (p, cost(0, p))}
    return curves(series, x_label="predicted probability $p$ of label 1", y_label="cost (nats)", y_limits=(0, 5))


def draw_pulls() -> Figure:
    """Derivatives of both losses against the score."""
    from polytome.plots.charts import curves

    z, labels = np.linspace(-6, 8, 400), np.zeros(400)
    losses: dict[str, Loss] = {"logarithm": Logistic(), "squared error": SquaredSigmoid()}
    series = {name: (z, loss.value_and_gradient(z[:, None], labels)[1][:, 0]) for name, loss in losses.items()}
    return curves(series, x_label="score $z$", y_label="derivative of the cost in the score")


def draw_runs(runs: dict[str, list[float]]) -> Figure:
    """Costs over the steps."""
    from polytome.plots.charts import curves

    series = {name: (np.arange(len(costs)), costs) for name, costs in runs.items()}
    return curves(series, x_label="step", y_label="mean cost (nats)", levels={"log 2": float(np.log(2))})


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
