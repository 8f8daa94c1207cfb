"""Jacobians: the derivatives behind softmax regression, derived, computed and checked by
differences.

Documents 000 (Jacobians of softmax, of the layer, of the loss), 004 (the gradient), 001
(chain rule over two paths). Method: Goodfellow, Bengio and Courville, Deep Learning, 2016, section
6.5; Griewank and Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.plots.drawing import INK, PALETTE, chart, new_figure, tint
from polytome.plots.matrices import heat_map
from polytome.teaching.diagrams import two_layer_network
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Function = Callable[[Array], Any]
Polynomial = dict[tuple[int, int], int]

F: Polynomial = {(2, 1): 3}  # powers of x and y -> factor: 3 x^2 y
G: Polynomial = {(1, 0): 2, (0, 8): 1}  # 2 x + y^8
SCORES = np.array([1.0, 2.0, 0.5, -1.0])


def lesson(page: Page) -> None:
    """Fill the page."""
    a_matrix(page)
    of_softmax(page)
    misprints_of_softmax(page)
    of_the_loss(page)
    misprints_of_the_loss(page)
    of_a_layer(page)
    two_paths(page)


def derivative(polynomial: Polynomial, place: int) -> Polynomial:
    """Derivative in x (place 0) or y (place 1): the exponent comes down as a factor."""
    result = {}
    for powers, factor in polynomial.items():
        if powers[place]:
            lower = (powers[0] - (place == 0), powers[1] - (place == 1))
            result[lower] = factor * powers[place]
    return result


def written(polynomial: Polynomial) -> str:
    """As it would be typed."""
    terms = []
    for powers, factor in polynomial.items():
        named = [(name, power) for name, power in zip("xy", powers, strict=True) if power]
        parts = [name if power == 1 else f"{name}**{power}" for name, power in named]
        terms.append("*".join([str(factor), *parts]))
    return " + ".join(terms)


def value(polynomial: Polynomial, point: Array) -> float:
    """At a point (x, y)."""
    return float(sum(factor * point[0] ** i * point[1] ** j for (i, j), factor in polynomial.items()))


def differences(function: Function, x: Array, change: float = 1e-5) -> Array:
    """Jacobian from differences: a row per output, a column per input."""
    columns = []
    for place in np.ndindex(*x.shape):
        shift = np.zeros_like(x)
        shift[place] = change
        up, down = function(x + shift), function(x - shift)
        columns.append(np.ravel(up - down) / (2 * change))
    return np.column_stack(columns)


def jacobian_of_softmax(z: Array) -> Array:
    """Probabilities on the diagonal, minus all their products."""
    p = numerics.softmax(z)
    return np.diag(p) - np.outer(p, p)


def loss(z: Array, y: Array) -> float:
    """Cross-entropy in nats of a label y, one-hot or not, and softmax of the scores."""
    return float(-(y * numerics.log_softmax(z)).sum())


def layer_loss(W: Array, x: Array, y: Array) -> float:
    """The same in the weights of a layer, a row per class."""
    return loss(W @ x, y)


def a_matrix(page: Page) -> None:
    """What a Jacobian is, and its shapes."""
    page.text(r"""
        ## A table of derivatives

        A function with several inputs and several outputs has a derivative for each pair: how much does this output
        change when that input changes a little? Put them into a matrix, a row per output, a column per input. That is
        the **Jacobian**. Take $f(x, y) = 3x^2 y$ and $g(x, y) = 2x + y^8$. With respect to $x$, with $y$ held
        fixed, and to $y$, with $x$ held fixed:
    """)
    page.code(derivative, differences)
    jacobian = [[derivative(polynomial, place) for place in (0, 1)] for polynomial in (F, G)]
    worst = 0.0
    for point in np.random.default_rng(0).uniform(-1.2, 1.2, size=(20, 2)):
        found = differences(lambda at: np.array([value(F, at), value(G, at)]), point)
        formula = np.array([[value(entry, point) for entry in row] for row in jacobian])
        worst = max(worst, float(np.abs(found - formula).max()))
    note = f"At 20 random points the formulas differ from central differences by {worst:.1g} at most."
    page.number("S0-30", [[written(entry) for entry in row] for row in jacobian], note)
    page.figure(
        "jacobian-shapes",
        draw_shapes,
        "Possible shapes. A single output has a row, the gradient; a single input has a column.",
        "Four tables of cells: one cell, a row of four, a column of three, and a table of three rows and four columns.",
    )


def of_softmax(page: Page) -> None:
    """The quotient rule, both cases, and properties of the matrix."""
    page.text(r"""
        ## The Jacobian of softmax

        Softmax takes $N$ scores to $N$ probabilities, so its Jacobian is $N \times N$. Write $\Sigma$ for the sum
        $\sum_k e^{a_k}$. Entry $(i, j)$ follows from the quotient rule, $(g / h)' = (g' h - g h') / h^2$, with
        $g = e^{a_i}$ and $h = \Sigma$. The derivative of $\Sigma$ in $a_j$ is $e^{a_j}$. That of $e^{a_i}$ is $e^{a_i}$
        if $i = j$, otherwise 0. So there are two cases:

        $$i = j: \quad \frac{e^{a_i} \Sigma - e^{a_i} e^{a_i}}{\Sigma^2} = S_i (1 - S_i), \qquad
        i \ne j: \quad \frac{0 - e^{a_i} e^{a_j}}{\Sigma^2} = -S_i S_j$$

        With $\delta_{ij} = 1$ for $i = j$ and 0 otherwise both are one formula, and the matrix a short line:

        $$D_j S_i = S_i (\delta_{ij} - S_j), \qquad DS = \operatorname{diag}(S) - S S^\top$$
    """)
    page.code(jacobian_of_softmax)
    page.figure(
        "softmax-jacobian",
        draw_softmax_jacobian,
        "At the scores 1, 2, 0.5, -1. Raising a score helps its own class and takes from all others.",
        "Heat map of a symmetric table, four by four: positive numbers on the diagonal, negative ones elsewhere.",
    )
    Z = np.random.default_rng(1).normal(scale=2, size=(50, 5))
    J = np.array([jacobian_of_softmax(z) for z in Z])
    found = np.array([differences(numerics.softmax, z) for z in Z])
    error = max(np.abs(J - found).max(), np.abs(J - numerics.softmax_jacobian(Z)).max())
    page.identity("I-01", float(error), "50 random vectors of five scores; the library's matrix agrees too.")
    not_zero = [J - J.transpose(0, 2, 1), J.sum(axis=1, keepdims=True), J.sum(axis=2, keepdims=True)]
    flaws = [*(np.abs(array).max() for array in not_zero), -np.linalg.eigvalsh(J).min()]
    wrong_rank = (np.linalg.matrix_rank(J) != 4).any()
    note = "The rank is one less than N because the same number added to all scores changes nothing."
    page.identity("I-02", float(max(*flaws, wrong_rank)), note)


def misprints_of_softmax(page: Page) -> None:
    """Wrong indices and exponents."""
    z, p = SCORES, numerics.softmax(SCORES)
    J = jacobian_of_softmax(z)
    printed = np.where(np.eye(4) == 1, J, -(p**2)[:, np.newaxis])
    page.erratum(
        "000-14",
        wrong=r"$-S_i S_i$ off the diagonal; $S_2 / \partial a_j$; a quotient rule without $h^2$; and $\partial / "
        r"\partial z_i$ in the columns of the general Jacobian.",
        right=r"$-S_j S_i$; $\partial S_i / \partial a_j$; $h(x)^2$ below; and $n$ columns "
        r"$\partial / \partial x_1$ to $\partial / \partial x_n$.",
        shown=f"With the printed products the first row adds up to {printed[0].sum():.4f} and not to 0; differences of "
        f"softmax are up to {np.abs(printed - differences(numerics.softmax, z)).max():.4f} away.",
    )
    total = np.exp(z).sum()
    page.erratum(
        "004-3",
        wrong=r"$\partial \Sigma^{-2} / \partial z_j$ in the product rule, and then $-e^{z_i} / \Sigma^{-2}$.",
        right=r"$\partial \Sigma^{-1} / \partial z_j$, which is $-\Sigma^{-2} e^{z_j}$; so $-e^{z_i} / \Sigma^{2}$ "
        r"times $e^{z_j}$.",
        shown=f"For the derivative of the first probability in the second score the printed exponent gives "
        f"{-np.exp(z[0]) / total**-2 * np.exp(z[1]):.1f}, the right one {-np.exp(z[0]) / total**2 * np.exp(z[1]):.4f}; "
        f"differences give {differences(numerics.softmax, z)[0, 1]:.4f}.",
    )


def of_the_loss(page: Page) -> None:
    """Chain rule: loss to probabilities, probabilities to scores."""
    page.text(r"""
        ## The gradient of the loss

        The loss is $L = -\sum_i y_i \log \hat y_i$ with $\hat y = \operatorname{softmax}(z)$. A score $z_j$ changes all
        probabilities, and each of them the loss. The chain rule adds up all these paths:

        $$\frac{\partial L}{\partial z_j} = \sum_i \frac{\partial L}{\partial \hat y_i} D_j \hat y_i$$

        The first factor is $-y_i / \hat y_i$, the second is $\hat y_i (\delta_{ij} - \hat y_j)$, as above. The
        $\hat y_i$ cancel, and what is left is

        $$\sum_i -y_i (\delta_{ij} - \hat y_j) = -y_j + \hat y_j \sum_i y_i = \hat y_j - y_j$$

        if the label adds up to 1. The gradient is **probability minus label**.
    """)
    page.code(chain)
    rng = np.random.default_rng(2)
    Z = rng.normal(scale=2, size=(50, 4))
    hot = np.eye(4)[rng.integers(4, size=50)]
    soft = rng.dirichlet(np.ones(4), 50)
    direct = [np.abs(chain(y, p) - (p - y)).max() for y, p in zip(hot, numerics.softmax(Z), strict=True)]
    page.identity("I-15", float(max(direct)), "50 random vectors of four scores and a label each.")
    page.identity("I-12", gradient_error(Z, hot), "The same vectors.")
    page.text("""
        Soft labels, say 0.9 and 0.1, also work, as long as they add up to 1. If they add up to another number
        $s$, the gradient is $s$ times the probability, minus the label.
    """)
    page.identity("I-13", gradient_error(Z, soft), "50 random soft labels.")
    scaled = soft * rng.uniform(0.2, 3, size=(50, 1))
    page.identity("I-13b", gradient_error(Z, scaled), "The same labels times random numbers from 0.2 to 3.")


def misprints_of_the_loss(page: Page) -> None:
    """Wrong indices in the derivation."""
    p, y = numerics.softmax(SCORES), np.array([0.1, 0.2, 0.6, 0.1])
    printed = (-(y / p)[:, np.newaxis] * p * (np.eye(4) - p)).sum(axis=0)
    found = differences(lambda z: loss(z, y), SCORES)[0]
    page.text("""
        ## Where an index goes wrong

        In such sums an index is either summed over or free. What slips cost, at the four scores and a soft label:
    """)
    page.identity(
        "I-14-erratum",
        float(np.abs(printed - (p - y)).max()),
        "The scores 1, 2, 0.5, -1, the label 0.1, 0.2, 0.6, 0.1.",
    )
    page.erratum(
        "004-1",
        wrong=r"$\sum_i -\frac{y_i}{\hat y_i} \hat y_j (\delta_{ij} - \hat y_j)$, from "
        r"$\partial \hat y_i / \partial z_j = \hat y_j (\delta_{ij} - \hat y_j)$.",
        right=r"$\sum_i -\frac{y_i}{\hat y_i} \hat y_i (\delta_{ij} - \hat y_j)$, from "
        r"$\partial \hat y_i / \partial z_j = \hat y_i (\delta_{ij} - \hat y_j)$.",
        shown=f"For the second score the printed sum gives {printed[1]:.4f}, the right one {chain(y, p)[1]:.4f}; "
        f"differences give {found[1]:.4f}.",
    )
    page.erratum(
        "004-2",
        wrong=r"The result $\hat y_j - y_i$.",
        right=r"$\hat y_j - y_j$: the index $i$ was summed over and is gone.",
        shown=f"For the second score, differences give {found[1]:.4f}. That is {p[1] - y[1]:.4f}, with its own label; "
        f"with those of the others it would be {', '.join(f'{p[1] - y[i]:.4f}' for i in (0, 2, 3))}.",
    )
    by_p = differences(lambda at: -(y * np.log(at)).sum(), p)[0]
    page.erratum(
        "004-4",
        wrong=r"$\partial L / \partial \hat y_i = -\sum_i \frac{\partial}{\partial \hat y_i} y_i \log \hat y_i$, where "
        "$i$ is both summed over and free.",
        right=r"$-\sum_k \frac{\partial}{\partial \hat y_i} y_k \log \hat y_k = -y_i / \hat y_i$: one term is left.",
        shown=f"Taken literally, the sum is one number for all, {-(y / p).sum():.4f}. Differences give "
        f"{', '.join(f'{entry:.4f}' for entry in by_p)}, as the right form does.",
    )


def of_a_layer(page: Page) -> None:
    """Matrices multiplied: layer and loss."""
    rng = np.random.default_rng(4)
    W = rng.normal(size=(3, 4))
    x = rng.normal(size=4)
    label = 1
    S = numerics.softmax(W @ x)
    D_softmax, D_scores = jacobian_of_softmax(W @ x), np.kron(np.eye(3), x)
    D_layer = D_softmax @ D_scores
    formula = (S[:, None, None] * (np.eye(3) - S)[:, :, None] * x).reshape(3, 12)
    ours = numerics.softmax_layer_jacobian(x, W.T).transpose(0, 2, 1).reshape(3, 12)
    found = differences(lambda at: numerics.softmax(at @ x), W)
    D_loss = -np.eye(3)[[label]] / S
    gradient = D_loss @ D_layer
    page.text(r"""
        ## A layer: multiply the Jacobians

        The scores of a layer are $g(W) = W x$, with a row of $W$ for each of $T$ classes and a column for each of $N$
        features. Now the inputs are all $T N$ weights, row after row. A weight of row $i$ changes score $i$ alone, by
        the feature $x_j$ that it weighs. For a chain of functions the Jacobians are multiplied:

        $$P(W) = S(g(W)), \qquad DP = DS \cdot Dg, \qquad D_{ij} P_t = S_t (\delta_{ti} - S_i) x_j$$

        The loss behind it adds one more factor, and most cancels: $D_{ij} L = (S_i - \delta_{yi}) x_j$, with the label
        $y$.
    """)
    rows = [
        ("$Dg$", str(D_scores.shape), "the scores in the weights; mostly zeros"),
        ("$DS$", str(D_softmax.shape), "softmax in the scores"),
        (r"$DP = DS \cdot Dg$", str(D_layer.shape), "the probabilities in the weights"),
        ("$DL$", str(D_loss.shape), "the loss in the probabilities"),
        (r"$DL \cdot DP$", str(gradient.shape), "the loss in the weights: the gradient"),
    ]
    page.table(("Jacobian", "shape", "derivative of"), rows, "Three classes, four features")
    page.identity("I-16", float(max(np.abs(D_layer - other).max() for other in (formula, ours, found))))
    short = np.outer(S - np.eye(3)[label], x).reshape(1, 12)
    by_loss = differences(partial(layer_loss, x=x, y=np.eye(3)[label]), W)
    page.identity("I-17", float(max(np.abs(gradient - other).max() for other in (short, by_loss))))
    page.text("""
        Why matrices, when there is a short formula? Because multiplication works for any chain of functions. A program
        need not store them: it multiplies a direction through, from the weights to the loss (forward mode) or back
        (reverse mode, backpropagation), as `softmax_layer_jacobian_product` and its transposed do.
    """)


def two_paths(page: Page) -> None:
    """The chain rule over two paths, in softmax regression and in a network."""
    x, W = np.array([0.7, -1.3]), np.array([[0.4, -0.2], [0.1, 0.5]])
    a = numerics.softmax(W @ x)
    error = 0.0
    for y in np.array([[1.0, 0.0], [0.3, 0.7]]):
        paths = -y[0] / a[0] * a[0] * (1 - a[0]) * x[1] + -y[1] / a[1] * (-a[1] * a[0]) * x[1]
        found = differences(partial(layer_loss, x=x, y=y), W)[0, 1]
        error = max(error, abs(paths - found), abs(paths + (y[0] - a[0]) * x[1]))
    page.text(r"""
        ## Two paths

        One derivative by hand, with two classes. The weight $w_{1,2}$ takes the feature $x_2$ to the score $z_1$.
        That score changes both activations, $a_1$ and $a_2$, and both change the loss. Add the two paths:

        $$\frac{\partial L}{\partial w_{1,2}} = \frac{-y_1}{a_1} a_1 (1 - a_1) x_2 + \frac{-y_2}{a_2} (-a_2 a_1) x_2$$

        Since $y_1 + y_2 = 1$, this is $-(y_1 - a_1) x_2$: again error times feature.
    """)
    page.identity("I-33", float(error), "A one-hot label and the soft label 0.3, 0.7, for which neither path is zero.")
    rng = np.random.default_rng(5)
    x = rng.normal(size=2)
    first = rng.normal(size=(2, 2))
    second = rng.normal(size=(2, 2))
    last = rng.normal(size=2)
    by_paths = path_products(x, first, second, last)
    found = differences(lambda W: network_loss(x, W, second, last), first)[0, 0]
    page.figure(
        "two-layers",
        two_layer_network,
        "A weight of the first layer reaches the loss on two paths. Each is a product; the derivative is their sum.",
        "Network of two layers with two coloured paths from a weight to the loss, and the sum of two products.",
    )
    page.code(path_products)
    note = f"{by_paths[0]:.6f} and {by_paths[1]:.6f} add up to {sum(by_paths):.6f}; differences give {found:.6f}."
    page.identity("I-35", abs(sum(by_paths) - found), f"Random weights, in nats: {note}")


def gradient_error(Z: Array, labels: Array) -> float:
    """Largest difference between s p - y, with s the sum of the label y, and differences of the
    loss."""
    found = [differences(partial(loss, y=y), z)[0] for z, y in zip(Z, labels, strict=True)]
    s = labels.sum(axis=1, keepdims=True)
    return float(np.abs(np.array(found) - (s * numerics.softmax(Z) - labels)).max())


def chain(y: Array, p: Array) -> Array:
    """Derivatives of the loss in the probabilities, times those of the probabilities in the
    scores."""
    by_p = -y / p
    return by_p @ (np.diag(p) - np.outer(p, p))


def network_loss(x: Array, first: Array, second: Array, last: Array) -> float:
    """Binary cross-entropy for the label 1 after two sigmoid layers."""
    hidden = numerics.sigmoid(second @ numerics.sigmoid(first @ x))
    return float(numerics.binary_cross_entropy_from_scores(1, last @ hidden))


def path_products(x: Array, first: Array, second: Array, last: Array) -> list[float]:
    """Derivative in the first weight of the first layer, along each path."""
    a1 = numerics.sigmoid(first @ x)
    a2 = numerics.sigmoid(second @ a1)
    o = numerics.sigmoid(last @ a2)
    by_o = -1 / o  # the loss is -log o
    by_a2 = o * (1 - o) * last
    by_a1 = a2 * (1 - a2) * second[:, 0]
    by_w = a1[0] * (1 - a1[0]) * x[0]
    return [float(by_o * by_a2[k] * by_a1[k] * by_w) for k in (0, 1)]


@chart
def draw_shapes() -> Figure:
    """Jacobians of one or more outputs in one or more inputs."""
    from matplotlib.patches import Rectangle

    figure, all_axes = new_figure(height=3.6, rows=2, columns=2)
    inputs, outputs = {1: "one input", 4: "4 inputs"}, {1: "one output", 3: "3 outputs"}
    for axes, (m, n) in zip(all_axes, ((1, 1), (1, 4), (3, 1), (3, 4)), strict=True):
        for row, column in np.ndindex(m, n):
            corner = (column - n / 2, m / 2 - row - 1)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=tint(PALETTE[0], 0.2), edgecolor=INK))
        axes.set(xlim=(-3, 3), ylim=(-1.7, 1.7), aspect="equal", title=f"{outputs[m]}, {inputs[n]}: {m} × {n}")
        axes.set_axis_off()
    return figure


def draw_softmax_jacobian() -> Figure:
    """The Jacobian as coloured cells."""
    outputs = [f"$S_{i}$" for i in range(1, 5)]
    inputs = [f"$a_{j}$" for j in range(1, 5)]
    names: dict[str, Any] = {"row_names": outputs, "column_names": inputs, "row_label": "probability"}
    return heat_map(
        jacobian_of_softmax(SCORES), **names, column_label="score", value_label="derivative of $S_i$ in $a_j$"
    )


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
