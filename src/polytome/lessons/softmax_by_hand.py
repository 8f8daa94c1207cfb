"""Softmax by hand: one training step of softmax regression with every intermediate number.

Documents 003 (model from the table, the step in scalars and in arrays), 002 (softmax regression in
matrix form). Method: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.5; Bishop,
Pattern Recognition and Machine Learning, 2006, section 4.3.4.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Softmax
from polytome.teaching import layouts
from polytome.teaching.page import Page
from polytome.teaching.tracing import Trace, trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Pair = tuple[float, float]

PETAL_LENGTH = 1.4  # cm, of a flower of class 0
THETA = np.array([[0.1, 0.05], [0.2, -0.1]])  # a column per class: bias above weight
LEARNING_RATE = 0.1
Y = (1.0, 0.0)  # its label, one-hot
COLUMN, LABEL = np.array([[1.0], [PETAL_LENGTH]]), np.array([Y]).T  # the same flower in arrays
LAYERS = (
    ("One feature, two classes.", 1, 2),
    ("A third class adds an output.", 1, 3),
    ("A second feature adds an input.", 2, 3),
    ("All four measurements of Iris.", 4, 3),
)
FLOWERS = np.array(  # sepal length, sepal width, petal length, petal width in cm; label
    [
        [5.1, 3.5, 1.4, 0.2, 0],
        [4.9, 3.0, 1.4, 0.2, 0],
        [4.7, 3.2, 1.3, 0.2, 0],
        [6.4, 3.2, 4.5, 1.5, 1],
        [6.9, 3.1, 4.9, 1.5, 1],
        [5.5, 2.3, 4.0, 1.3, 1],
        [4.9, 2.5, 4.5, 1.7, 2],
        [7.3, 2.9, 6.3, 1.8, 2],
        [6.7, 2.5, 5.8, 1.8, 2],
    ]
)


def lesson(page: Page) -> None:
    """Fill the page."""
    model_from_table(page)
    forwards(page)
    backwards(page)
    new_numbers(page)
    in_arrays(page)
    the_gradient(page)
    by_the_library(page)


def forward(x: float, theta: Array) -> tuple[Pair, Pair]:
    """Scores and probabilities of the two classes for one flower."""
    (b0, b1), (w0, w1) = theta
    z0, z1 = x * w0 + b0, x * w1 + b1
    total = math.exp(z0) + math.exp(z1)
    p0, p1 = math.exp(z0) / total, math.exp(z1) / total
    return (z0, z1), (p0, p1)


def backward(x: float, y: Pair, p: Pair) -> tuple[Array, Array]:
    """Derivatives of the loss in the biases (as in the scores), and in the weights."""
    by_scores = np.subtract(p, y)
    return by_scores, x * by_scores


def step(x: Array, y: Array, theta: Array, learning_rate: float) -> tuple[float, Array]:
    """Loss before a step, and theta after it."""
    z = theta.T @ x
    exponentials = np.exp(z - z.max())
    p = exponentials / exponentials.sum()
    loss = -(y.T @ np.log(p)).item()
    gradient = x @ (p - y).T
    return loss, theta - learning_rate * gradient


def n_parameters(n_features: int, n_classes: int) -> int:
    """A weight for each feature and a bias, for each class."""
    return (n_features + 1) * n_classes


def model_from_table(page: Page) -> None:
    """The table of the data determines the size of the model."""
    page.text("""
        ## From the table to the model

        The number of features is the number of inputs; the number of classes is the number of scores that come out.
        Every class weighs every feature and adds a bias, a number that it starts from. Weights and biases are what is
        learned; together they are the parameters of the model.
    """)
    page.code(n_parameters)
    for words, d, K in LAYERS:
        alternative = f"Diagram: the constant 1 and {d} feature(s), each joined to {K} scores; one softmax for all."
        page.figure(f"layer-{d}-{K}", partial(draw_layer, d, K), words, alternative)
    page.number("S3-13", [n_parameters(d, K) for _, d, K in LAYERS])
    places = iris_places()
    page.number("S3-14", len(places) == len(FLOWERS), f"Found in rows {', '.join(map(str, places))}.")
    page.erratum(
        "003-2",
        wrong="The heading over a table of two features says that there are four.",
        right="Two features and three classes.",
        shown=f"Petal length and petal width with {np.unique(FLOWERS[:, -1]).size} classes need "
        f"{n_parameters(2, 3)} parameters; four features would need {n_parameters(4, 3)}.",
    )


def forwards(page: Page) -> None:
    """From a flower to its loss."""
    b0, b1, w0, w1 = THETA.ravel()
    page.text(rf"""
        ## Forwards: from the flower to the loss

        Take the smallest model: one feature, the petal length $x$ in cm, and two classes. Class 0 has the weight
        $w_0 = {w0:g}$ and the bias $b_0 = {b0:g}$, class 1 has $w_1 = {w1:g}$ and $b_1 = {b1:g}$. These are starting
        values; nothing is learned yet. Now comes a flower with $x = {PETAL_LENGTH}$ that belongs to class 0. As a
        one-hot label: $y_0 = 1$, $y_1 = 0$. Three lines lead to the loss $L$:

        $$z_i = x w_i + b_i, \qquad \hat y_i = \frac{{e^{{z_i}}}}{{e^{{z_0}} + e^{{z_1}}}}, \qquad
        L = -y_0 \log \hat y_0 - y_1 \log \hat y_1$$
    """)
    page.code(forward)
    (z0, z1), (p0, p1) = forward(PETAL_LENGTH, THETA)
    page.number("S3-06", p0)
    page.text(rf"""
        Put in the numbers. $z_0 = {PETAL_LENGTH} \cdot {w0:g} + {b0:g} = {z0:g}$ and
        $z_1 = {PETAL_LENGTH} \cdot ({w1:g}) + {b1:g} = {z1:g}$. Softmax turns them into $\hat y_0 = {p0:.4f}$ and
        $\hat y_1 = {p1:.4f}$. The true class is 0, so only its probability counts: the loss is
        $-\log({p0:.4f}) = {-math.log(p0):.4f}$ nats. A perfect model would have $\hat y_0 = 1$ and a loss of 0.
    """)


def backwards(page: Page) -> None:
    """From the loss to the derivatives."""
    by_scores, by_weights = backward(PETAL_LENGTH, Y, forward(PETAL_LENGTH, THETA)[1])
    page.text(r"""
        ## Backwards: who is to blame?

        How does the loss change when a parameter changes a little? That is its derivative. For softmax followed by
        this loss, the derivative in a score is strikingly short: probability minus label. (The lesson *Jacobians*
        derives it.) A bias is added to the score, so it has the same derivative; a weight is multiplied by $x$ first:

        $$\frac{\partial L}{\partial z_i} = \frac{\partial L}{\partial b_i} = \hat y_i - y_i, \qquad
        \frac{\partial L}{\partial w_i} = x (\hat y_i - y_i)$$
    """)
    page.code(backward)
    page.number("S3-07", by_scores)
    page.number("S3-08", by_weights)
    page.text("""
        For class 0 both are negative: raising its bias or weight would lower the loss. For class 1 they are positive.
        The two add up to zero, because what one class gains in probability the other loses.
    """)
    page.figure(
        "softmax-graph-scalars",
        draw_scalar_graph,
        "The step in scalars. Grey boxes are given, blue ones computed from left to right. The numbers on the arrows "
        "flow back from right to left: how much the loss changes along this path. The label is class 0, so nothing "
        r"flows back through $\hat y_1$. Where two numbers arrive at a score, take the sum.",
        "Computational graph: biases, weights and petal length lead to two scores, these to two probabilities, and "
        "these to the loss. The arrow from the probability of class 1 to the loss carries zero.",
    )


def new_numbers(page: Page) -> None:
    """The parameters after the step, and its effect."""
    z, p = forward(PETAL_LENGTH, THETA)
    theta = THETA - LEARNING_RATE * np.vstack(backward(PETAL_LENGTH, Y, p))
    new_z, new_p = forward(PETAL_LENGTH, theta)
    loss, loss_after = -math.log(p[0]), -math.log(new_p[0])
    page.text(rf"""
        ## The step

        Go a little against the derivatives: subtract {LEARNING_RATE} times the derivative from each parameter. The
        factor is the learning rate $\eta$. Written as a table with a column per class, biases above weights:

        $$\theta = \begin{{bmatrix}} b_0 & b_1 \\ w_0 & w_1 \end{{bmatrix}}, \qquad
        \theta_{{\text{{new}}}} = \theta - \eta \frac{{\partial L}}{{\partial \theta}}$$
    """)
    page.number("S3-09", theta)
    page.number("S3-10", loss_after < loss, f"From {loss:.4f} to {loss_after:.4f} nats.")
    page.figure(
        "softmax-step-bars",
        lambda: draw_before_after({"score": (z, new_z), "probability": (p, new_p)}),
        "The step raised the score of the true class and lowered the other one. So its probability grew.",
        "Two panels of bars before and after the step: the score of class 0 rises and that of class 1 falls; the "
        f"probability of class 0 goes from {p[0]:.3f} to {new_p[0]:.3f}.",
    )
    page.identity("I-36", direction_error(), "No derivative has the wrong sign either; 100 random pairs of scores.")
    p1 = p[1]
    page.erratum(
        "003-3",
        wrong=r"$\partial L/\partial w = \mp 0.539$, and a new $\theta$ with the entries 0.011, 0.253 and -0.153.",
        right="Keep all digits until the end, then round.",
        shown=f"{round(p1, 3)} times {PETAL_LENGTH} is {round(p1, 3) * PETAL_LENGTH:.3f}, but "
        f"{p1:.6f} times {PETAL_LENGTH} is {p1 * PETAL_LENGTH:.6f}. The new entries, rounded, are "
        f"{theta[0, 1]:.3f}, {theta[1, 0]:.3f} and {theta[1, 1]:.3f}; cut off after three digits they are "
        f"{', '.join(f'{math.trunc(1000 * entry) / 1000:g}' for entry in (theta[0, 1], theta[1, 0], theta[1, 1]))}.",
    )


def in_arrays(page: Page) -> None:
    """The same step as five lines of arrays, for any number of features and classes."""
    page.text(r"""
        ## The same in arrays

        Eight scalar formulas for two classes would be forty for ten. With arrays the step has five lines whatever the
        numbers of features and classes. Put a 1 on top of the features, so that the bias becomes a weight like the
        others. Then $\mathbf{x}$ has the shape (features + 1, 1), $\theta$ (features + 1, classes), and
        $\mathbf{z}$, $\hat{\mathbf{y}}$ and the one-hot $\mathbf{y}$ (classes, 1):

        $$\mathbf{z} = \theta^\top \mathbf{x}, \quad \hat{\mathbf{y}} = \operatorname{softmax}(\mathbf{z}), \quad
        L = -\mathbf{y}^\top \log \hat{\mathbf{y}}, \quad
        \nabla_\theta L = \mathbf{x} (\hat{\mathbf{y}} - \mathbf{y})^\top, \quad \theta - \eta \nabla_\theta L$$
    """)
    page.code(step)
    by_scalars = np.vstack(backward(PETAL_LENGTH, Y, forward(PETAL_LENGTH, THETA)[1]))
    _, theta = step(COLUMN, LABEL, THETA, LEARNING_RATE)
    page.text(f"""
        For the flower above the new parameters differ from those of the scalar formulas by
        {np.abs(theta - THETA + LEARNING_RATE * by_scalars).max():.1g} at most: round-off.
    """)
    page.figure(
        "softmax-graph-arrays",
        draw_array_graph,
        "The second round in arrays, with the parameters that the first step made.",
        "Computational graph: the column x and the matrix theta lead to the vector z, this to y hat, and y hat with "
        "the label y to the loss.",
    )
    z = np.array([0.5, -0.2, 0.1])
    exponentials = np.exp(z)
    page.erratum(
        "003-1",
        wrong=r"$\sum_{j=0}^{1} e^{z_j}$ below the softmax, in summaries of a model with three classes.",
        right=r"$\sum_{j=0}^{K-1} e^{z_j}$, over all $K$ classes.",
        shown=f"For the scores 0.5, -0.2 and 0.1 the printed sum gives probabilities that add up to "
        f"{(exponentials / exponentials[:2].sum()).sum():.4f}; the full sum, to "
        f"{(exponentials / exponentials.sum()).sum():.4f}.",
    )


def the_gradient(page: Page) -> None:
    """Column times row, and the check by differences."""
    page.text(r"""
        ## Column times row

        The gradient is an outer product: a column times a row. Entry $(j, i)$ is feature $j$ times the error of class
        $i$. So it has the shape of $\theta$, as it must, to be subtracted from it. For Iris with a 1 on top:
    """)
    rng = np.random.default_rng(2)
    x, y = np.vstack([[1.0], rng.normal(size=(4, 1))]), numerics.one_hot([1], 3).T
    theta = rng.normal(size=(5, 3))
    gradient = x @ (numerics.softmax(theta.T @ x, axis=0) - y).T
    page.number("S2-07", gradient.shape)
    page.text("""
        Is the formula right? Change one parameter by a little, up and down, and see by how much the loss changes: that
        needs no formula for the derivative at all.
    """)
    page.code(differences)
    page.identity("I-19", float(np.abs(differences(x, y, theta) - gradient).max()), "Four features, three classes.")
    exponentials = np.exp(theta.T @ np.hstack([x, 2 * x]))
    page.erratum(
        "002-4",
        wrong=r"The sum below the softmax runs over $i$ and $j$; and the weights are first a $K \times M$ matrix with "
        r"$M$ the features and a bias, later $(d + 1) \times K$.",
        right=r"The sum runs over the classes $j$ of one sample. One shape for the weights: here $(d + 1) \times K$.",
        shown=f"For two samples the sum over both leaves each with probabilities that add up to "
        f"{' and '.join(f'{total:.3f}' for total in (exponentials / exponentials.sum()).sum(axis=0))}, instead of 1. "
        f"$K \\times M$ would be {theta.T.shape}; the code uses {theta.shape}.",
    )


def by_the_library(page: Page) -> None:
    """The trace of the library."""
    taken = library_step()
    difference = layouts.intercept_first(taken.coefficients) - step(COLUMN, LABEL, THETA, LEARNING_RATE)[1]
    page.text("""
        ## Polytome shows the step

        `polytome.teaching.tracing.trace` takes one step with any of the library's losses and keeps every number.
        Here rows are samples, and the intercept (the bias) stands in the last row; `polytome.teaching.layouts`
        converts. `print` shows such a table in any terminal:
    """)
    page.code(library_step)
    page.table(
        ("symbol", "what it is", "formula", "shape", "value"),
        [(f"${row.latex}$", row.name, row.formula, str(row.shape), row.value) for row in taken.rows()],
    )
    page.text(f"""
        The new parameters differ from those of the five lines above by {np.abs(difference).max():.1g} at most. To train
        a model is to repeat such steps, with other flowers.
    """)


def library_step() -> Trace:
    """The step of this lesson, by the library."""
    coefficients = layouts.intercept_last(THETA)
    return trace(Softmax(2), [PETAL_LENGTH], 0, coefficients, LEARNING_RATE)


def differences(x: Array, y: Array, theta: Array, change: float = 1e-5) -> Array:
    """Gradient of the loss in theta, from central differences."""
    gradient = np.zeros_like(theta)
    for place in np.ndindex(*theta.shape):
        shift = np.zeros_like(theta)
        shift[place] = change
        up, down = (step(x, y, theta + sign * shift, 0.0)[0] for sign in (1, -1))
        gradient[place] = (up - down) / (2 * change)
    return gradient


def direction_error(change: float = 1e-5) -> float:
    """Largest error of the derivatives of the first probability, or of their signs, at random
    scores."""
    worst = 0.0
    for z in np.random.default_rng(3).normal(size=(100, 2)):
        p = numerics.softmax(z)
        for place, formula in enumerate((p[0] * p[1], -p[0] * p[1])):
            shift = change * np.eye(2)[place]
            found = float(numerics.softmax(z + shift)[0] - numerics.softmax(z - shift)[0]) / (2 * change)
            worst = max(worst, abs(found - formula), 0.0 if found * (1 - 2 * place) > 0 else 1.0)
    return worst


def iris_places() -> list[int]:
    """Where the nine flowers of the table stand in Iris; those that do not are left out."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = np.column_stack([iris["data"], iris["target"]])
    found = [np.flatnonzero((rows == flower).all(axis=1)) for flower in FLOWERS]
    return [int(places[0]) for places in found if places.size]


def draw_layer(n_features: int, n_classes: int) -> Figure:
    """A diagram of the model with given numbers of nodes."""
    from polytome.teaching.diagrams import layer

    measured = {1: ["petal length"], 2: ["petal length", "petal width"]}
    names = measured.get(n_features, ["sepal length", "sepal width", "petal length", "petal width"])
    return layer(n_features, n_classes, input_names=names, output_names=[f"class {k}" for k in range(n_classes)])


def draw_scalar_graph() -> Figure:
    """The step in scalars, with the derivatives on the arrows."""
    from polytome.teaching.graphs import computational_graph

    (z0, z1), p = forward(PETAL_LENGTH, THETA)
    by_scores, by_weights = backward(PETAL_LENGTH, Y, p)
    keys = ["b0", "w0", "x", "w1", "b1", "z0", "z1", "p0", "p1", "L"]
    (b0, b1), (w0, w1) = THETA
    values = dict(zip(keys, [b0, w0, PETAL_LENGTH, w1, b1, z0, z1, *p, -math.log(p[0])], strict=True))
    into_p = {("z0", "p0"): -p[1], ("z0", "p1"): 0.0, ("z1", "p0"): p[1], ("z1", "p1"): 0.0}
    gradients = {("b0", "z0"): by_scores[0], ("w0", "z0"): by_weights[0], ("w1", "z1"): by_weights[1]}
    gradients |= {("b1", "z1"): by_scores[1], **into_p, ("p0", "L"): -1 / p[0], ("p1", "L"): 0.0}
    symbols = {key: f"${key[0]}_{key[1]}$" for key in values if len(key) == 2}
    symbols |= {"x": "$x$", "L": "$L$", "p0": r"$\hat y_0$", "p1": r"$\hat y_1$"}
    edges = [*gradients, ("x", "z0"), ("x", "z1")]
    columns = [keys[:5], keys[5:7], keys[7:9], keys[9:]]
    return computational_graph(columns, edges, values, gradients=gradients, symbols=symbols)


def draw_array_graph() -> Figure:
    """The second round in arrays."""
    from polytome.teaching.graphs import computational_graph

    _, theta = step(COLUMN, LABEL, THETA, LEARNING_RATE)
    z = theta.T @ COLUMN
    values = {"x": COLUMN, "theta": theta, "z": z, "p": numerics.softmax(z, axis=0), "y": LABEL}
    values["L"] = step(COLUMN, LABEL, theta, LEARNING_RATE)[0]
    symbols = {"x": r"$\mathbf{x}$", "theta": r"$\theta$", "z": r"$\mathbf{z}$", "L": "$L$"}
    symbols |= {"p": r"$\hat{\mathbf{y}}$", "y": r"$\mathbf{y}$"}
    columns = [["x", "theta"], ["z"], ["p", "y"], ["L"]]
    edges = [("x", "z"), ("theta", "z"), ("z", "p"), ("p", "L"), ("y", "L")]
    return computational_graph(columns, edges, values, symbols=symbols)


def draw_before_after(values: dict[str, tuple[Pair, Pair]]) -> Figure:
    """Scores and probabilities before and after the step."""
    from polytome.plots.bars import bar_panels

    names = ["class 0, before", "class 0, after", "class 1, before", "class 1, after"]
    return bar_panels(names, {label: np.ravel(pair, "F") for label, pair in values.items()}, name_label="class")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
