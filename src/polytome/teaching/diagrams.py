"""Diagrams of neurons, of layers, and of the chain rule over two paths.

Left to right, as the computation goes. A circle is a number, a grey one is given; a dashed circle
is the constant 1 that the intercept weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import GREY, LINE_STYLES, PALETTE, WARM_INK, tint
from polytome.plots.labels import text_size, wrapped
from polytome.teaching.sketch import Node, Sketch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Activation = Literal["identity", "sigmoid", "step"]

__all__ = ["layer", "neuron", "two_layer_network"]

_BLUE, _VERMILLION = PALETTE[:2]
_GIVEN, _COMPUTED = "#eeeeee", tint(_BLUE, 0.15)
_ROW = 0.64  # inches from one input to the next
_MOST = 8  # inputs or outputs; if there are more, some in the middle are left out

# The formula of an activation, with the name of its result left open, and its curve on [-1, 1].
_ACTIVATIONS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "identity": ("${} = z$", lambda t: t),
    "sigmoid": (r"${} = \sigma(z)$", lambda t: np.tanh(4 * t)),
    "step": ("${} = 1$ if $z > 0$,\nelse $0$", lambda t: np.where(t > 0, 1.0, -1.0)),
}


def neuron(
    inputs: Sequence[str],
    weights: Sequence[str],
    *,
    activation: Activation,
    bias: str | None = "$b$",
    threshold: str | None = None,
    learns_from: Literal["activation", "label"] | None = None,
) -> Figure:
    """Draw one neuron: weighted sum, activation, perhaps a threshold, result.

    Linear regression is the identity without threshold, ADALINE the identity with one, logistic
    regression the sigmoid with one; these learn from the activation. The perceptron is the step and
    learns from the label.

    Args:
        inputs: names of the inputs; `"..."` stands for those left out.
        weights: names of their weights, one for each input; that of `"..."` is not shown.
        activation: what is computed from the weighted sum z.
        bias: name of the intercept; None if there is none.
        threshold: above it the label is 1; None where the activation is the result.
        learns_from: where the error that changes the weights is taken; None leaves it out.

    Raises:
        ArgumentError: there are not as many weights as inputs, no inputs, or no such activation.

    Example:
        >>> figure = neuron(["$x_1$", "$x_2$"], ["$w_1$", "$w_2$"], activation="sigmoid", threshold="0.5")
        >>> [text.get_text() for text in figure.axes[0].texts][-2:]
        ['$z$', '$a$']

    Reference:
        Widrow and Hoff, "Adaptive switching circuits", IRE WESCON (1960): ADALINE, which learns
        before the threshold.
    """
    if len(inputs) != len(weights) or not inputs:
        raise ArgumentError(f"inputs, weights: {len(inputs)} and {len(weights)}; give at least one, as many of both")
    if activation not in _ACTIVATIONS:
        raise ArgumentError(f"activation: {activation!r}; give one of {', '.join(_ACTIVATIONS)}")
    names = ([("1", bias)] if bias is not None else []) + list(zip(inputs, weights, strict=True))
    steps = _steps(activation, bias is not None, threshold)
    middles = _middles(steps, [name for name, _ in names])
    top = _ROW * (len(names) - 1) / 2
    sketch = Sketch()
    total = sketch.node(middles[1], 0, r"$\Sigma$", size=14, fill=_COMPUTED)
    sources = []
    for row, (name, weight) in enumerate(names):
        if name == "...":
            sketch.text(middles[0], top - _ROW * row, "⋮", size=14)
            continue
        dashed = bias is not None and row == 0
        sources.append(sketch.node(middles[0], top - _ROW * row, name, fill=_GIVEN, dashed=dashed))
        sketch.arrow(sources[-1], total, label=weight)
    chain = [total, _curve_node(sketch, middles[2], _ACTIVATIONS[activation][1])]
    if threshold is not None:
        chain.append(_curve_node(sketch, middles[3], _ACTIVATIONS["step"][1]))
    chain.append(sketch.node(middles[-1], 0, r"$\hat y$", shape="box"))
    for source, target, name in zip(chain, chain[1:], ["$z$", "$a$" if threshold else "", ""], strict=False):
        sketch.arrow(source, target, label=name)
    bottom = -max(top, 0.25) - 0.1
    if learns_from is not None:
        bottom -= 0.25
        error = "$y - a$" if learns_from == "activation" and threshold else r"$y - \hat y$"
        place = chain[1] if learns_from == "activation" else chain[-1]
        x = (max(source.right[0] for source in sources) + total.left[0]) / 2
        _draw_error(sketch, place, total, (x, -top * (1 - x / total.x) - 0.08), bottom, error)
    for middle, (heading, formula) in zip(middles, steps, strict=True):
        sketch.text(middle, max(top, 0.25) + 0.5, heading, color=GREY)
        sketch.text(middle, bottom - 0.32, formula)
    return sketch.figure()


def layer(
    n_inputs: int,
    n_outputs: int,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    softmax: bool = True,
    bias: bool = True,
) -> Figure:
    """Draw a layer in which every input reaches every output: softmax regression, or one sigmoid
    for each output.

    If there are more than eight inputs or outputs, some in the middle are left out. The number of
    parameters stands below.

    Args:
        n_inputs: the number of features.
        n_outputs: the number of classes.
        input_names: one per feature, written left of it.
        output_names: one per class, written right of its probability.
        softmax: the outputs share one softmax; otherwise each has its own sigmoid.
        bias: there is a constant input 1 with its own weights.

    Raises:
        ArgumentError: a number below 1, or a wrong number of names.

    Example:
        >>> figure = layer(4, 3, output_names=["setosa", "versicolor", "virginica"])
        >>> [text.get_text() for text in figure.axes[0].texts if "parameters" in text.get_text()]
        ['(4 + 1) × 3 = 15 parameters']
    """
    for name, n, names in (("input", n_inputs, input_names), ("output", n_outputs, output_names)):
        if n < 1 or (names is not None and len(names) != n):
            found = "no names" if names is None else f"{len(names)} names"
            raise ArgumentError(f"n_{name}s: {n}, with {found}; give at least 1, and one name for each")
    sketch = Sketch()
    heights = _heights(n_inputs, bias)
    sources = []
    for j, y in heights.items():
        if j is None:
            sketch.text(0, y, "⋮", size=14)
            continue
        symbol = "1" if j < 0 else f"$x_{{{j + 1}}}$"
        sources.append(sketch.node(0, y, symbol, fill=_GIVEN, dashed=j < 0))
        if input_names is not None and j >= 0:
            sketch.text(-0.4, y, wrapped(input_names[j], 20), align="right")
    _draw_outputs(sketch, sources, _heights(n_outputs, False), softmax, output_names)
    inside = f"({n_inputs} + 1)" if bias else f"{n_inputs}"
    lowest = min(min(heights.values()), min(_heights(n_outputs, False).values()))
    count = (n_inputs + bias) * n_outputs
    sketch.text(1.0, lowest - 0.5, f"{inside} × {n_outputs} = {count} parameter{'s' if count > 1 else ''}", color=GREY)
    return sketch.figure()


def two_layer_network() -> Figure:
    """Draw the two paths on which a weight of the first layer changes the loss, and the chain rule
    that adds them.

    Example:
        >>> len(two_layer_network().axes)
        1

    Reference:
        Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.5.2: the chain rule over
        several paths.
    """
    sketch = Sketch()
    columns = [0.0, 1.7, 3.8, 5.3, 6.4]
    x = [sketch.node(columns[0], y, f"$x_{j}$", fill=_GIVEN) for j, y in ((1, 0.8), (2, -0.8))]
    first = [sketch.node(columns[1], y, f"$a_{j}^{{(1)}}$", fill=_COMPUTED) for j, y in ((1, 0.8), (2, -0.8))]
    second = [sketch.node(columns[2], y, f"$a_{j}^{{(2)}}$", fill=_COMPUTED) for j, y in ((1, 0.8), (2, -0.8))]
    output = sketch.node(columns[3], 0, "$o$", fill=_COMPUTED)
    loss = sketch.node(columns[4], 0, "$l$")
    for sources, targets in ((x, first), (first, second)):
        for source, target in ((sources[0], targets[1]), (sources[1], targets[0]), (sources[1], targets[1])):
            if (source, target) != (first[0], second[1]):
                sketch.arrow(source, target, color="#aaaaaa")
    sketch.text((columns[0] + columns[1]) / 2, 1.0, "$w_{1,1}^{(1)}$", size=12)
    paths = ((_BLUE, _BLUE, "-"), (_VERMILLION, WARM_INK, LINE_STYLES[1]))
    for k, (color, ink, dashes) in enumerate(paths):
        shift = 0.035 if k == 0 else -0.035
        looks = {"color": color, "label_color": ink, "linestyle": dashes, "width": 2.0}
        sketch.arrow(x[0], first[0], shift=shift, **looks)
        sketch.arrow(first[0], second[k], label=rf"$\partial a_{k + 1}^{{(2)}} / \partial a_1^{{(1)}}$", **looks)
        sketch.arrow(second[k], output, label=rf"$\partial o / \partial a_{k + 1}^{{(2)}}$", **looks)
        sketch.arrow(output, loss, shift=shift, **looks)
    _draw_chain_rule(sketch, paths)
    return sketch.figure()


def _draw_chain_rule(sketch: Sketch, paths: Sequence[tuple[str, str, Any]]) -> None:
    """The derivative as a sum of one product per path, each underlined as its path is drawn."""
    x, y = -0.25, -1.75
    x += sketch.text(x, y, r"$\dfrac{\partial l}{\partial w_{1,1}^{(1)}}\;=$", size=12, align="left")[0] + 0.15
    for k, (color, ink, dashes) in enumerate(paths, start=1):
        if k > 1:
            x += sketch.text(x, y, "$+$", size=12, align="left")[0] + 0.15
        hidden = rf"a_{k}^{{(2)}}"
        ratios = (("l", "o"), ("o", hidden), (hidden, "a_1^{(1)}"), ("a_1^{(1)}", "w_{1,1}^{(1)}"))
        product = r"\;".join(rf"\dfrac{{\partial {above}}}{{\partial {below}}}" for above, below in ratios)
        wide, high = sketch.text(x, y, f"${product}$", size=12, align="left", color=ink)
        sketch.line(
            [(x, y - high / 2 - 0.08), (x + wide, y - high / 2 - 0.08)], color=color, linestyle=dashes, width=2.0
        )
        x += wide + 0.15


def _steps(activation: Activation, with_bias: bool, threshold: str | None) -> list[tuple[str, str]]:
    """Heading and formula of every step of a neuron."""
    weighted_sum = r"$z = \sum_j\, w_j x_j" + (" + b$" if with_bias else "$")
    formula = _ACTIVATIONS[activation][0].format("a" if threshold else r"\hat y")
    steps = [("inputs", ""), ("weighted sum", weighted_sum), (f"activation:\n{activation}", formula)]
    if threshold:
        steps.append(("threshold", rf"$\hat y = 1$ if $a > {threshold}$," + "\nelse $0$"))
    if threshold or activation == "step":
        return [*steps, ("label", "")]
    return [*steps, ("probability" if activation == "sigmoid" else "prediction", "")]


def _middles(steps: Sequence[tuple[str, str]], names: Sequence[str]) -> list[float]:
    """Positions of the steps, so that neither headings nor formulas touch and arrows have room for
    their labels."""
    wide = [max(text_size(text)[0] for text in step if text) / 72 for step in steps]
    first = max(0.5, *(text_size(name, 12)[0] / 72 + 0.22 for name in names)) / 2
    middles = [0.0, max(wide[0] / 2, first) + 1.45]
    for before, after in pairwise(wide[1:]):
        middles.append(middles[-1] + max((before + after) / 2 + 0.25, 1.1))
    return middles


def _curve_node(sketch: Sketch, x: float, curve: Callable[[Array], Array]) -> Node:
    """A circle with a small curve in it."""
    node = sketch.node(x, 0, "", fill=_COMPUTED)
    t = np.linspace(-1, 1, 81)
    sketch.line(list(zip(x + 0.15 * t, 0.12 * curve(t), strict=True)), width=1.6)
    return node


def _draw_error(
    sketch: Sketch, place: Node, total: Node, weights: tuple[float, float], bottom: float, error: str
) -> None:
    """A dashed line from where the error is taken, below everything, back to the weights."""
    corners = [(place.x, place.bottom), (place.x, bottom), (weights[0], bottom), weights]
    sketch.line(corners, color=_VERMILLION, linestyle=LINE_STYLES[1], head=True)
    sketch.text((total.x + place.x) / 2, bottom + 0.12, f"error {error}", color=WARM_INK)


def _heights(n: int, with_bias: bool) -> dict[int | None, float]:
    """Height of each number of a column, the constant 1 as number -1 on top; None stands for those
    left out."""
    shown: list[int | None] = [*range(n)] if n <= _MOST else [0, 1, 2, None, n - 1]
    rows = ([-1] if with_bias else []) + shown
    return {row: _ROW * ((len(rows) - 1) / 2 - place) for place, row in enumerate(rows)}


def _draw_outputs(
    sketch: Sketch,
    sources: Sequence[Node],
    heights: dict[int | None, float],
    softmax: bool,
    names: Sequence[str] | None,
) -> None:
    """Scores, one softmax for all or a sigmoid for each, and probabilities."""
    shared = None
    if softmax:
        tall = max(heights.values()) - min(heights.values()) + 0.5
        shared = sketch.node(3.25, 0, "softmax", shape="box", height=tall, fill=_COMPUTED)
    for k, y in heights.items():
        if k is None:
            for x in (2.0, 4.6) if softmax else (2.0, 3.25, 4.6):
                sketch.text(x, y, "⋮", size=14)
            continue
        score = sketch.node(2.0, y, f"$z_{{{k}}}$", fill=_COMPUTED)
        for source in sources:
            sketch.arrow(source, score, color=GREY, width=0.9)
        result = sketch.node(4.6, y, rf"$\hat y_{{{k}}}$", shape="box")
        if shared is None:
            squashed = sketch.node(3.25, y, r"$\sigma$", fill=_COMPUTED)
            sketch.arrow(score, squashed)
            sketch.arrow(squashed, result)
        else:
            sketch.arrow(score, (shared.left[0], y))
            sketch.arrow((shared.right[0], y), result)
        if names is not None:
            sketch.text(4.95, y, wrapped(names[k], 24), align="left")
