"""Where cross-entropy comes from: why an answer costs minus the logarithm of its probability.

Documents 003 (the loss from a different viewpoint), 001 (one-hot encoding), 000
(gradient of the cost). Method: Gneiting and Raftery, Strictly Proper Scoring Rules, Prediction, and
Estimation, Journal of the American Statistical Association 102, 2007; Bishop, Pattern Recognition
and Machine Learning, 2006, section 4.3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.plots.drawing import chart, new_figure, stroke
from polytome.plots.labels import key_above
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Price = Callable[[Array], Array]

PRICES: dict[str, Price] = {
    "$1 - p$": lambda p: 1 - p,
    "$(1 - p)^2$": lambda p: (1 - p) ** 2,
    "$1/p - 1$": lambda p: 1 / p - 1,
    r"$-\log p$": lambda p: -np.log(p),
}
SURE_OF_THE_WRONG = 0.001
PROBABILITIES = np.array([0.2, 0.5, 0.3])
PETAL_LENGTHS = np.array([1.4, 1.3, 1.5, 4.5, 4.1, 4.6, 5.2, 5.6, 5.9])  # cm
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])


def lesson(page: Page) -> None:
    """Fill the page."""
    one_flower(page)
    the_price(page)
    why_the_logarithm(page)
    one_formula(page)
    one_hot(page)
    two_classes(page)
    many_flowers(page)


def polynomial_loss(y: int, p: Array) -> float:
    """Each logarithm has a factor: 1 for its own class, 0 for the others."""
    log_0, log_1, log_2 = np.log(p)
    factor_0, factor_1, factor_2 = label_polynomials(y)
    return float(-factor_0 * log_0 - factor_1 * log_1 - factor_2 * log_2)


def label_polynomials(y: Any) -> tuple[Any, Any, Any]:
    """The three factors of a label, or of an array of them."""
    return (1 - y) * (2 - y) / 2, y * (2 - y), y * (1 - y) / -2


def delta_loss(y: int, p: Array) -> float:
    """The factor is a comparison: 1 if k is the class, otherwise 0."""
    return float(-sum((k == y) * np.log(p[k]) for k in range(len(p))))


def one_hot_loss(y: int, p: Array) -> float:
    """The factors are the entries of a vector, for any number of classes."""
    return float(-(numerics.one_hot(y, len(p)) @ np.log(p)))


def honest_forecast(price: Price, truth: float = 0.7) -> float:
    """The forecast that costs least on average, for an event of this frequency."""
    p = np.linspace(0.001, 0.999, 999)
    mean_price = truth * price(p) + (1 - truth) * price(1 - p)
    return float(p[mean_price.argmin()])


def pull(price: Price, p: float, change: float = 1e-5) -> float:
    """Derivative of the price in the score of the true class, from differences."""
    z = numerics.logit(p)
    up, down = (price(numerics.sigmoid(at)) for at in (z + change, z - change))
    return float(up - down) / (2 * change)


def one_flower(page: Page) -> None:
    """What is wanted from the scores of one flower."""
    page.text(r"""
        ## One flower

        A flower with a petal length of 1.3 cm belongs to class 0. A model gives it two probabilities,
        $\hat y_0$ and $\hat y_1$, by softmax of two scores $z_0$ and $z_1$. The model gets better as $\hat y_0$ grows.
        That happens when $z_0$ is raised, and also when $z_1$ is lowered:

        $$\hat y_0 = \frac{e^{z_0}}{e^{z_0} + e^{z_1}} = \frac{1}{1 + e^{-(z_0 - z_1)}}$$

        With two classes only the difference of the scores counts, so both ways do the same. With three classes they do
        not: lowering the score of one wrong class leaves the other wrong class in the race.
    """)
    page.figure(
        "two-ways-up",
        draw_two_ways,
        "All scores start at 0. Raising the score of the true class wins everything in the end; lowering one of two "
        "rivals wins half.",
        "Three rising curves of the probability of the true class against the change of a score: with two classes from "
        "one half to 1; with three from one third to 1 by raising, and only to one half by lowering.",
    )
    raised, lowered = (float(numerics.softmax([0.3 + up, -0.4 - down])[0]) for up, down in ((1.0, 0.0), (0.0, 1.0)))
    page.question(
        r"Two classes, scores $z_0 = 0.3$ and $z_1 = -0.4$. Is it better for class 0 to raise $z_0$ by 1, or to lower "
        r"$z_1$ by 1?",
        ["raise $z_0$", "lower $z_1$", "both are the same"],
        2,
        rf"Either way the difference grows by 1: $\hat y_0 = {raised:.4f}$ and $\hat y_0 = {lowered:.4f}$.",
    )


def the_price(page: Page) -> None:
    """Candidates for the loss of one flower."""
    page.text(r"""
        ## Which price?

        Now put a price, the loss, on the probability $p$ that the model gave to the true class. At $p = 1$ the model is
        perfect: the price is 0. The smaller $p$, the higher the price. Many functions do that. Four candidates:
    """)
    page.figure(
        "prices",
        draw_prices,
        r"All four fall to 0 at $p = 1$. Towards $p = 0$ two of them stop at 1; the other two rise without bound.",
        "Four falling curves of a price against the probability of the true class: 1 - p, its square, 1/p - 1 and "
        "minus the logarithm of p.",
    )


def why_the_logarithm(page: Page) -> None:
    """Three tests that only one candidate passes."""
    page.text(r"""
        Three tests single one out.

        1. **Two flowers.** They are independent, so the probability of both labels is the product $p q$. A fair price
           for both is the sum of their prices: $f(pq) = f(p) + f(q)$.
        2. **Honesty.** An event happens in 70 of 100 cases. Which forecast costs least on average? It should be 0.7;
           otherwise the price rewards a model for saying something other than it knows.
        3. **Pull.** Learning follows the slope of the price along the score. When the model is certain of a wrong class
           the slope should be large enough to learn from, and no larger than the error: near $-1$.
    """)
    page.code(honest_forecast, pull)
    p, q = np.array(0.5), np.array(0.2)
    page.table(
        ("price", r"$f(pq) - f(p) - f(q)$", "cheapest forecast", rf"slope at $p = {SURE_OF_THE_WRONG}$"),
        [
            (name, float((f(p * q) - f(p) - f(q)).round(12) + 0.0), honest_forecast(f), pull(f, SURE_OF_THE_WRONG))
            for name, f in PRICES.items()
        ],
        f"First test at p = {p} and q = {q}; second test with forecasts from 0.001 to 0.999",
    )
    page.text(r"""
        Only $-\log p$ passes all three. The first test alone decides: among continuous functions, only multiples of the
        logarithm turn products into sums. So the loss of one flower is

        $$L = -\log \hat y_{c}, \qquad c \text{ its true class}$$

        in nats, because the logarithm is the natural one.
    """)


def one_formula(page: Page) -> None:
    """One formula for all labels: polynomials."""
    page.text(r"""
        ## One formula for all labels

        With two classes and a label $y$ that is 0 or 1, one line says both cases. One of the factors is always 0:

        $$L = -y \log \hat y_1 - (1 - y) \log \hat y_0$$

        With three classes and $y = 0, 1, 2$ we can look for factors that do the same: for each class a polynomial in
        $y$ that is 1 at its own label and 0 at the two others.

        $$L = -\frac{(1 - y)(2 - y)}{2} \log \hat y_0 - y (2 - y) \log \hat y_1 - \frac{y (1 - y)}{-2} \log \hat y_2$$
    """)
    page.code(label_polynomials, polynomial_loss, delta_loss, one_hot_loss)
    losses = [[loss(y, PROBABILITIES) for loss in (polynomial_loss, delta_loss, one_hot_loss)] for y in range(3)]
    page.table(
        ("label", "polynomial", "comparison", "one-hot"),
        [(f"$y = {y}$", *row) for y, row in enumerate(losses)],
        f"Loss in nats for the probabilities {', '.join(f'{p:g}' for p in PROBABILITIES)}",
    )
    page.number("S3-11", [polynomial - hot for polynomial, _, hot in losses])
    page.figure(
        "label-polynomials",
        draw_polynomials,
        "The three factors. At the labels 0, 1 and 2 one of them is 1 and the others are 0: these are Lagrange's "
        "polynomials.",
        "Three parabolas over the label from 0 to 2, each with the value 1 at one label and 0 at the two others; "
        "between the labels some are negative.",
    )
    page.text(f"""
        It works, but it is awkward. Every further class adds a factor to every polynomial. And the label is treated as
        a quantity that it is not: half-way between the classes 1 and 2 the factors are
        {", ".join(f"{factor:g}" for factor in label_polynomials(1.5))}, as if class 0 counted negatively.
    """)


def one_hot(page: Page) -> None:
    """One formula for all labels: a vector."""
    page.text(r"""
        ## One-hot labels

        The way out: write the label as a vector with a 1 at the place of the class and 0 elsewhere, its one-hot code.
        Its entries are the factors. The same formula then serves any number of classes $K$:

        $$L = -\sum_{k=0}^{K-1} y_k \log \hat y_k = -\mathbf{y}^\top \log \hat{\mathbf{y}}$$
    """)
    page.number("S1-07", numerics.one_hot([0, 1, 2, 2], 3))
    soft = np.array([0.0, 0.5, 0.5])
    loss = float(numerics.cross_entropy(soft, PROBABILITIES))
    page.text(f"""
        This is the **cross-entropy** of the label and the prediction. Now a label in between has a meaning too. A
        flower that half of the experts call class 1 and half class 2 has the label 0, 0.5, 0.5, and with the
        probabilities above its loss is {loss:.4f} nats, the mean of the losses for the two classes.
        `polytome.numerics.cross_entropy` takes class numbers as well as such vectors.
    """)


def two_classes(page: Page) -> None:
    """The sigmoid and its loss are the case of two classes."""
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(scale=4, size=(1000, 2)), rng.integers(2, size=1000)
    difference = scores[:, 1] - scores[:, 0]
    of_probabilities = np.abs(numerics.softmax(scores)[:, 1] - numerics.sigmoid(difference)).max()
    binary = numerics.binary_cross_entropy_from_scores(labels, difference)
    of_losses = np.abs(numerics.cross_entropy_from_scores(labels, scores) - binary).max()
    page.text(r"""
        ## Two classes again

        Logistic regression has one score and the sigmoid; softmax regression with two classes has two scores. They are
        the same model: the one score is the difference $z_1 - z_0$, the sigmoid of it is $\hat y_1$, and binary
        cross-entropy is cross-entropy with two classes.
    """)
    page.identity("I-27", float(max(of_probabilities, of_losses)), "1,000 random pairs of scores, both labels.")


def many_flowers(page: Page) -> None:
    """The mean over the data, its gradient, and the misprint in it."""
    guesses = np.full(2000, 0.5)
    page.text(rf"""
        ## Many flowers

        The probability of all labels together is the product of the probabilities of each: the likelihood. The best
        parameters make it as large as possible. As a float a product is soon lost: {len(guesses):,} flowers at
        $p = {guesses[0]}$ have the likelihood {guesses.prod():g}. Its logarithm is a sum, and that is
        {np.log(guesses).sum():.1f}. So the cost is the mean of $-\log$ of these probabilities over the $m$ flowers, and
        to lower it is to raise the likelihood. Its gradient in the coefficients of class $k$ is again probability minus
        label, times the features $x$, averaged:

        $$J = -\frac{{1}}{{m}} \sum_{{i=1}}^m \sum_{{k=0}}^{{K-1}} y_k^{{(i)}} \log \hat y_k^{{(i)}}, \qquad
        \nabla_{{\theta_k}} J = \frac{{1}}{{m}} \sum_{{i=1}}^m (\hat y_k^{{(i)}} - y_k^{{(i)}}) x^{{(i)}}$$
    """)
    page.code(mean_cost, gradient)
    theta = np.random.default_rng(1).normal(size=(2, 3))
    X = np.column_stack([np.ones(len(LABELS)), PETAL_LENGTHS])
    targets = numerics.one_hot(LABELS, 3)
    truth = differences(X, targets, theta)
    right = gradient(X, targets, theta)
    wrong = gradient(X, np.full_like(targets, 0.1), theta)
    page.erratum(
        "000-10",
        wrong=r"$\gamma_k^{(i)}$ in the gradient, although $\gamma$ is the learning rate.",
        right=r"$y_k^{(i)}$, the label.",
        shown=f"For nine flowers of three classes the gradient with labels differs from differences of the cost by "
        f"{np.abs(right - truth).max():.1g}; with a learning rate of 0.1 in their place, by "
        f"{np.abs(wrong - truth).max():.2g}.",
    )


def mean_cost(X: Array, targets: Array, theta: Array) -> float:
    """Mean cross-entropy in nats; rows of X are flowers, after a 1."""
    scores = X @ theta
    return float(numerics.cross_entropy_from_scores(targets, scores).mean())


def gradient(X: Array, targets: Array, theta: Array) -> Array:
    """Of the mean cost in theta, a column per class."""
    errors = numerics.softmax(X @ theta) - targets
    return X.T @ errors / len(X)


def differences(X: Array, targets: Array, theta: Array, change: float = 1e-5) -> Array:
    """The same gradient from central differences."""
    found = np.zeros_like(theta)
    for place in np.ndindex(*theta.shape):
        shift = np.zeros_like(theta)
        shift[place] = change
        found[place] = mean_cost(X, targets, theta + shift) - mean_cost(X, targets, theta - shift)
    return found / (2 * change)


def draw_two_ways() -> Figure:
    """Probability of the true class while one score changes."""
    from polytome.plots.charts import curves

    t = np.linspace(0, 8, 200)
    zero = np.zeros_like(t)
    ways = {
        "2 classes, either way": np.column_stack([t, zero]),
        "3 classes, raise $z_0$": np.column_stack([t, zero, zero]),
        "3 classes, lower $z_1$": np.column_stack([zero, -t, zero]),
    }
    series = {name: (t, numerics.softmax(scores)[:, 0]) for name, scores in ways.items()}
    return curves(series, x_label="change of the score", y_label=r"probability $\hat y_0$ of the true class")


@chart
def draw_prices() -> Figure:
    """The candidates on (0, 1]; all end in one point, so their names stand above."""
    figure, (axes,) = new_figure()
    p = np.linspace(0.01, 1, 400)
    lines = {name: axes.plot(p, price(p), **stroke(k))[0] for k, (name, price) in enumerate(PRICES.items())}
    axes.set(xlabel="probability $p$ of the true class", ylabel="price (loss)", xlim=(0, 1), ylim=(0, 4.5))
    key_above(figure, lines)
    return figure


def draw_polynomials() -> Figure:
    """The factors of the three logarithms."""
    from polytome.plots.charts import curves

    y = np.linspace(0, 2, 200)
    series = {rf"of $\log \hat y_{k}$": (y, factor) for k, factor in enumerate(label_polynomials(y))}
    return curves(series, x_label="label $y$", y_label="factor of the logarithm", levels={"0": 0.0, "1": 1.0})


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
