"""Graphs with numbers in them: a computation with its gradients, and the tree of a binary code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.plots.drawing import PALETTE, WARM_INK, tint
from polytome.plots.labels import literal, short, text_size
from polytome.teaching.sketch import Sketch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

__all__ = ["code_tree", "computational_graph"]

_GIVEN, _COMPUTED = "#eeeeee", tint(PALETTE[0], 0.15)
_MOST = 12  # numbers of an array that a box shows
_LEAF, _STEP = 0.5, 0.95  # inches from leaf to leaf and from one digit of the code to the next


def computational_graph(
    columns: Sequence[Sequence[str]],
    edges: Sequence[tuple[str, str]],
    values: Mapping[str, ArrayLike],
    *,
    gradients: Mapping[tuple[str, str], float] | None = None,
    symbols: Mapping[str, str] | None = None,
) -> Figure:
    """Draw a computation with its numbers: boxes with a symbol and a value, arrows, gradients on
    the arrows.

    Grey boxes are given, blue ones computed. The gradients are written in vermilion: what flows
    back along an arrow.

    Args:
        columns: keys of the quantities, from what is given to the result; each column from top to
            bottom.
        edges: pairs of keys: the second is computed from the first.
        values: key -> number, vector or matrix. A quantity without value shows its symbol alone.
        gradients: edge -> derivative of the result by the first quantity, as far as it comes
            through the second.
        symbols: key -> how it is written; the key itself if it is missing.

    Raises:
        ArgumentError: a key stands in no column or in two places, or a gradient belongs to no edge.

    Example:
        >>> values, gradients = {"x": 1.4, "z": 0.38}, {("x", "z"): 0.1}
        >>> figure = computational_graph([["x"], ["z"]], [("x", "z")], values, gradients=gradients)
        >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
        ['x\\n1.4', 'z\\n0.38', '0.1']

    Reference:
        Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
        Nature 323 (1986).
    """
    gradients, symbols = gradients or {}, symbols or {}
    _check(columns, edges, values, gradients)
    texts = {}
    for column in columns:
        for key in column:
            symbol = symbols.get(key, key)
            texts[key] = f"{symbol}\n{_written(values[key])}" if key in values else symbol
    sizes = {key: np.array(text_size(text, 11)) / 72 for key, text in texts.items()}
    widest = max((text_size(short(value))[0] / 72 for value in gradients.values()), default=0.0)
    row = max(size[1] for size in sizes.values()) + 0.5
    sketch, nodes, x = Sketch(), {}, 0.0
    for column in columns:
        half = max(sizes[key][0] for key in column) / 2 + 0.11
        x += half
        for place, key in enumerate(column):
            y = row * ((len(column) - 1) / 2 - place)
            fill = _COMPUTED if any(key == target for _, target in edges) else _GIVEN
            nodes[key] = sketch.node(x, y, texts[key], shape="box", size=11, fill=fill)
        x += half + 0.8 + 1.2 * widest
    for edge in edges:
        label = short(gradients[edge]) if edge in gradients else ""
        start, end = (nodes[key] for key in edge)
        sketch.arrow(start.right, end.left, label=label, label_color=WARM_INK)
    return sketch.figure()


def code_tree(codes: Mapping[str, str], probabilities: Mapping[str, float]) -> Figure:
    """Draw the tree of a prefix code: 0 and 1 on the path to each symbol, its probability and code
    word beside it.

    A circle holds the probability of everything to its right; Huffman's code repeatedly joins the
    two smallest.

    Args:
        codes: symbol -> its code word of zeros and ones.
        probabilities: symbol -> its probability.

    Raises:
        ArgumentError: a code word is empty, has other digits or begins another one, or the symbols
            differ.

    Example:
        >>> figure = code_tree({"Fine": "0", "Rainy": "10", "Snow": "11"}, {"Fine": 0.5, "Rainy": 0.25, "Snow": 0.25})
        >>> [text.get_text() for text in figure.axes[0].texts if "P" in text.get_text()]
        ['P = 0.5, code 0', 'P = 0.25, code 10', 'P = 0.25, code 11']

    Reference:
        Huffman, "A method for the construction of minimum-redundancy codes", Proceedings of the IRE
        40 (1952).
    """
    ordered = _prefix_code(codes, probabilities)
    prefixes = sorted({word[:length] for word in ordered for length in range(len(word))}, key=len, reverse=True)
    heights = {word: -_LEAF * row for row, word in enumerate(ordered)}
    totals = {word: probabilities[symbol] for word, symbol in ordered.items()}
    sketch, nodes = Sketch(), {}
    for word, symbol in ordered.items():
        name = literal(symbol)
        left = _STEP * len(word) - 0.25
        middle = left + max(0.5, text_size(name, 11)[0] / 72 + 0.22) / 2
        nodes[word] = sketch.node(middle, heights[word], name, shape="box", size=11, fill=_COMPUTED)
        text = f"P = {short(totals[word])}, code {word}"
        sketch.text(nodes[word].right[0] + 0.12, heights[word], text, align="left")
    for prefix in prefixes:
        children = [prefix + digit for digit in "01" if prefix + digit in nodes]
        heights[prefix] = sum(heights[child] for child in children) / len(children)
        totals[prefix] = sum(totals[child] for child in children)
        nodes[prefix] = sketch.node(_STEP * len(prefix), heights[prefix], short(totals[prefix]), size=9)
        for child in children:
            end = nodes[child].left
            sketch.arrow(nodes[prefix], end, label=child[-1], head=False)
    return sketch.figure()


def _check(
    columns: Sequence[Sequence[str]],
    edges: Sequence[tuple[str, str]],
    values: Mapping[str, ArrayLike],
    gradients: Mapping[tuple[str, str], float],
) -> None:
    """Every key has one place, and every gradient an edge."""
    keys = [key for column in columns for key in column]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice or not all(columns) or not keys:
        raise ArgumentError(
            f"columns: {twice or 'one is empty'}; put every quantity into one column, and leave none empty"
        )
    unknown = sorted(({key for edge in edges for key in edge} | set(values)) - set(keys))
    if unknown:
        raise ArgumentError(f"columns: {unknown} stand in none of them; add them to one")
    loose = sorted(set(gradients) - set(edges))
    if loose:
        raise ArgumentError(f"gradients: {loose} are not edges; name the pairs as in edges")


def _written(value: ArrayLike) -> str:
    """A number, a vector or the rows of a matrix; of a large array the shape."""
    array = np.asarray(value, dtype=np.float64)
    if array.size > _MOST:
        return " × ".join(map(str, array.shape)) + " numbers"
    if array.ndim < 2:
        return short(float(array)) if array.ndim == 0 else f"[{', '.join(short(number) for number in array)}]"
    return "\n".join(_written(row) for row in array)


def _prefix_code(codes: Mapping[str, str], probabilities: Mapping[str, float]) -> dict[str, str]:
    """Code word -> symbol in the order of the tree, the zero first; checked."""
    if not codes or set(codes) != set(probabilities):
        raise ArgumentError("codes, probabilities: their symbols differ, or there are none; give both for each symbol")
    for symbol, word in codes.items():
        if not word or set(word) - {"0", "1"}:
            raise ArgumentError(f"codes[{symbol!r}]: {word!r}; give a word of zeros and ones")
    ordered = sorted((word, symbol) for symbol, word in codes.items())
    for (word, symbol), (next_word, other) in pairwise(ordered):
        if next_word.startswith(word):
            raise ArgumentError(f"codes: {word!r} of {symbol!r} begins {next_word!r} of {other!r}; give a prefix code")
    return dict(ordered)
