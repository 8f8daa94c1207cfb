"""Notation: what each document calls and lays out differently, and how to convert it.

All five documents; the errata of document 001 about the sum and the mean of a loss. Method: Golub
and Van Loan, Matrix Computations, 2013, section 1.1 (products and their shapes); Cover and Thomas,
Elements of Information Theory, 2006, section 2.1 (units of entropy).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.plots.drawing import GREY, INK, PALETTE, chart, new_figure, tint
from polytome.tables.datasets import load_dataset
from polytome.teaching import layouts
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

N_FLOWERS = 5  # so that 5 samples, 4 features and 3 classes cannot be confused
RATE = 0.1


def lesson(page: Page) -> None:
    """Fill the page."""
    letters(page)
    X, coefficients = five_flowers()
    where_things_stand(page)
    the_same_scores(page, X, coefficients)
    converters(page, X, coefficients)
    labels(page)
    units(page)
    sums_and_means(page)


def letters(page: Page) -> None:
    """The same letter for different things, and the reverse."""
    page.text(r"""
        The five documents describe the same models, each in its own notation. Read side by side they seem to contradict
        each other: $n$ counts samples in one, features in another, classes in a third. This page is the map. Convert
        whatever an exercise gives you first, and compute in one notation only.

        ## Letters
    """)
    page.table(
        ("what", "000", "001", "002", "003", "004", "here"),
        [
            ("samples", "$m$", "$n$", "$n$", "–", "–", "$n$"),
            ("features", "$n$", "$m$", "$d$", "–", "–", "$d$"),
            ("classes", "$K$", "$k$", "$K$", "–", "$n$", "$K$"),
            ("one class", "$k$", "$j, k, t$", "$c$", "$i$", "$i, j, c$", "$k$"),
            ("classes start at", "1", "1", "1", "0", "1", "0"),
            ("scores", "$z, s_k$", "$z$", "$z$", "$z$", "$z$", "$z$"),
            ("probabilities", r"$\hat p, \hat y$", "$a$", r"$\hat y$", r"$\hat y$", r"$\hat y$", r"$\hat y, p$"),
            ("weights", r"$W, \theta$", r"$w, W$", "$w, W$", r"$\theta$", "–", "$W$"),
            ("learning rate", r"$\gamma$", r"$\eta$", r"$\lambda$", r"$\eta$", "–", r"$\eta$"),
            ("sample number i", "$x^{(i)}$", "$x^{[i]}$", "$x_i$", "$x$", "$x$", "row $i$ of $X$"),
        ],
        "What each document calls it",
    )
    page.text(r"""
        Three letters need a warning. $n$ has three meanings. $\lambda$, the learning rate of document 002, is the
        strength of a penalty nearly everywhere else. And $k$ is in document 001 both the number of classes and a class.
        A product such as $\theta^\top x$ shows no separate intercept: it is in $\theta$, and a 1 is in $x$.
    """)


def five_flowers() -> tuple[Array, Array]:
    """Five flowers, (5, 4), and coefficients of three classes, (5, 3), intercepts in the last
    row."""
    X = load_dataset("iris").X[:: 150 // N_FLOWERS]
    return X, np.random.default_rng(0).normal(size=(X.shape[1] + 1, 3)).round(1)


def where_things_stand(page: Page) -> None:
    """Rows or columns, and the place of the intercept."""
    page.text(r"""
        ## Where things stand

        Shapes cause more errors than letters. A sample is a row in documents 001 and 002, as it is here, and a column
        in documents 000 and 003. The intercept stands apart, on top, or (in the solvers of Polytome) below.
    """)
    page.table(
        ("document", "samples", "weights", "intercept", "scores"),
        [
            ("000", "$(d, n)$, one per column", "$(d, K)$", "apart, $(K,)$", r"$W^\top X + b$: $(K, n)$"),
            ("001", "$(n, d)$, one per row", "$(K, d)$", "apart, $(K,)$", r"$X W^\top + b$: $(n, K)$"),
            ("002", "$(n, d + 1)$, a 1 first", "$(d + 1, K)$", "first row of $W$", "$X W$: $(n, K)$"),
            ("003", "$(d + 1, 1)$, a 1 on top", "$(d + 1, K)$", r"first row of $\theta$", r"$\theta^\top x$: $(K, 1)$"),
            ("004", "–", "–", "–", "$z$: $(K,)$"),
            ("here", "$(n, d)$, one per row", "$(d, K)$", "apart; last row", "$X W + b$: $(n, K)$"),
        ],
        "Shapes for $n$ samples, $d$ features and $K$ classes",
    )
    page.figure(
        "layouts",
        draw_layouts,
        "The product that gives the scores of 5 samples (document 003: of 1) with 4 features and 3 classes. One sample "
        "is blue wherever it stands, intercepts and the ones that they weigh are orange.",
        "Five products of matrices drawn as grids of cells, one for each document. In documents 000 and 003 a sample "
        "is a column, in 001, 002 and here a row; the intercept is a separate column, a row, or a first row.",
    )


def scores_000(X: Array, W: Array, b: Array) -> Array:
    """Document 000: samples in columns."""
    return W.T @ X + b[:, None]


def scores_001(X: Array, W: Array, b: Array) -> Array:
    """Document 001: weights in rows."""
    return X @ W.T + b


def scores_002(X: Array, W: Array) -> Array:
    """Document 002: a column of ones, intercepts in the first row."""
    return X @ W


def scores_003(x: Array, theta: Array) -> Array:
    """Document 003: one sample as a column with a 1 on top."""
    return theta.T @ x


def the_same_scores(page: Page, X: Array, coefficients: Array) -> None:
    """Each document's formula on its own arrays; converted back, the scores are the same."""
    W, b = layouts.split_weights(coefficients)
    ours = X @ W + b
    first = layouts.intercept_first(coefficients)
    columns = [layouts.column_from_row(row[None]) for row in X]
    theirs = {
        "000": layouts.rows_from_columns(scores_000(layouts.columns_from_rows(X), W, b)),
        "001": scores_001(X, *layouts.split_coef(coefficients)),
        "002": scores_002(layouts.with_ones(X), first),
        "003": np.vstack([layouts.rows_from_columns(scores_003(x, first)) for x in columns]),
    }
    page.text(r"""
        ## The same scores

        Five flowers and one set of weights, laid out as each document has them, each put into that document's own
        formula. Converted back, the scores are those of $X W + b$.
    """)
    page.code(scores_000, scores_001, scores_002, scores_003)
    page.table(
        ("document", "scores of the first flower", "largest difference to ours"),
        [
            (name, ", ".join(f"{score:.2f}" for score in scores[0]), f"{np.abs(scores - ours).max():.1g}")
            for name, scores in theirs.items()
        ],
        "Scores by each document's formula",
    )


def converters(page: Page, X: Array, coefficients: Array) -> None:
    """Every converter with its inverse, on the five flowers."""
    row = X[:1]
    W, b = layouts.split_weights(coefficients)
    coef, intercept = layouts.split_coef(coefficients)
    pairs: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
        ("000", layouts.rows_from_columns, layouts.columns_from_rows, (X.T,)),
        ("002", layouts.without_ones, layouts.with_ones, (np.hstack([np.ones((len(X), 1)), X]),)),
        ("003", layouts.row_from_column, layouts.column_from_row, (np.vstack([np.ones((1, 1)), row.T]),)),
        ("004", layouts.row_from_vector, layouts.vector_from_row, (X[0],)),
        ("000", layouts.join_weights, layouts.split_weights, (W, b)),
        ("001", layouts.join_coef, layouts.split_coef, (coef, intercept)),
        ("002, 003", layouts.intercept_last, layouts.intercept_first, (np.roll(coefficients, 1, axis=0),)),
    ]
    page.text("""
        ## Converters

        `polytome.teaching.layouts` has a function for each way, and its inverse. An array of another shape than the
        function needs raises an error that names both shapes, so that a transposed array cannot slip through.
    """)
    rows = []
    for document, there, back, arrays in pairs:
        converted = there(*arrays)
        returned = back(converted)
        returned = returned if isinstance(returned, tuple) else (returned,)
        same = all(np.array_equal(before, after) for before, after in zip(arrays, returned, strict=True))
        shapes = " and ".join(str(array.shape) for array in arrays)
        rows.append((document, f"`{there.__name__}`", f"{shapes} → {converted.shape}", f"`{back.__name__}`", same))
    page.table(("document", "to Polytome", "shapes", "back", "the same again"), rows, "Five flowers, there and back")


def labels(page: Page) -> None:
    """Class codes and one-hot rows."""
    codes = np.array([0, 2, 1])
    page.text("""
        ## Labels

        A class is a number (in formulas from 1, in programs from 0), a name, or a **one-hot** row: as many entries as
        classes, a 1 in the place of the class and 0 elsewhere. For two classes the number itself, 0 or 1, does the
        same. Polytome's estimators take names or numbers as they are; `numerics.one_hot` makes rows.
    """)
    page.table(("class", "one-hot row"), list(zip(codes.tolist(), numerics.one_hot(codes, 3), strict=True)))


def units(page: Page) -> None:
    """Bits and nats."""
    weather = np.array([0.6, 0.38, 0.01, 0.01])
    nats = float(numerics.entropy(weather))
    bits = float(numerics.entropy(weather, base=2))
    page.text(rf"""
        ## Logarithms

        Lengths of codes are in **bits**, with logarithms of base 2; losses are in **nats**, with natural ones. Document
        000 changes from the first to the second without saying so, and document 004 says bits where its formula gives
        nats. One bit is $\log 2 \approx {np.log(2):.4f}$ nats. The weather of document 000 has an entropy of
        {bits:.4f} bits, or {nats:.4f} nats; `layouts.bits_from_nats` makes {layouts.bits_from_nats(nats):.4f} of the
        second, and `nats_from_bits` goes back.
    """)


def sums_and_means(page: Page) -> None:
    """The scale of a cost, and the learning rate that goes with it."""
    iris = load_dataset("iris")
    X, Y = layouts.with_ones(iris.X), numerics.one_hot(np.repeat([0, 1, 2], 50), 3)
    n = len(X)
    W = np.zeros((X.shape[1], 3))
    gradient = summed_gradient(X, Y, W)
    page.text(rf"""
        ## Sum or mean

        A loss over $n$ samples is their sum (document 001) or their mean (document 000, and here); documents 002 and
        003 step after each sample and need neither. The minimum is in the same place, but the gradient of the sum is
        $n$ times as long, so a learning rate belongs to one of the two. Softmax regression on the {n} flowers of Iris,
        weights 0, one step with $\eta = {RATE}$. `layouts.mean_from_sum` and `sum_from_mean` convert losses and
        gradients:
    """)
    page.code(summed_gradient)
    after = {rate: mean_loss(X, Y, W - rate * gradient) for rate in (RATE, RATE / n)}
    mean_step = mean_loss(X, Y, W - RATE * layouts.mean_from_sum(gradient, n))
    norm = float(np.linalg.norm(gradient))
    page.table(
        ("loss", "learning rate", "length of the gradient", "mean loss after the step (nats)"),
        [
            ("sum", f"{RATE}", norm, after[RATE]),
            ("sum", f"{RATE} / {n}", norm, after[RATE / n]),
            ("mean", f"{RATE}", norm / n, mean_step),
        ],
        f"One step; before it the mean loss is $\\log 3 \\approx {mean_loss(X, Y, W):.4f}$",
    )
    page.erratum(
        "001-12",
        wrong=r"The gradient $-(X^\top (Y - A))^\top$ beside programs and other slides that divide the loss by $n$.",
        right=r"It belongs to the sum of the losses. The mean's is $-\frac{1}{n} (X^\top (Y - A))^\top$; with the sum "
        r"divide the learning rate by $n$ instead.",
        shown=f"From a mean loss of {mean_loss(X, Y, W):.4f} nats one step with the summed gradient and the rate "
        f"{RATE} leads to {after[RATE]:.4f}, with the mean's gradient to {mean_step:.4f}. The sum with the rate "
        f"{RATE} / {n} leads to {after[RATE / n]:.4f} too.",
    )


def summed_gradient(X: Array, Y: Array, W: Array) -> Array:
    """Gradient of the sum of the losses, (d + 1, K)."""
    A = numerics.softmax(X @ W, axis=1)
    return -(X.T @ (Y - A))


def mean_loss(X: Array, Y: Array, W: Array) -> float:
    """Mean cross-entropy in nats."""
    return float(numerics.cross_entropy_from_scores(Y, X @ W).mean())


# What stands in each product: symbol, rows, columns, where the samples lie, where the intercepts
# lie.
Matrix = tuple[str, int, int, str, str]
PRODUCTS: dict[str, list[Matrix | str]] = {
    "document 000": [(r"$W^\top$", 3, 4, "", ""), ("$X$", 4, 5, "column", ""), "+", ("$b$", 3, 1, "", "all"), "=",
                     ("$Z$", 3, 5, "column", "")],
    "document 001": [("$X$", 5, 4, "row", ""), (r"$W^\top$", 4, 3, "", ""), "+", ("$b$", 1, 3, "", "all"), "=",
                     ("$Z$", 5, 3, "row", "")],
    "document 002": [("$X$", 5, 5, "row", "left"), ("$W$", 5, 3, "", "top"), "=", ("$Z$", 5, 3, "row", "")],
    "document 003": [(r"$\theta^\top$", 3, 5, "", "left"), ("$x$", 5, 1, "column", "top"), "=",
                     ("$z$", 3, 1, "column", "")],
    "here": [("$X$", 5, 4, "row", ""), ("$W$", 4, 3, "", ""), "+", ("$b$", 1, 3, "", "all"), "=",
             ("$Z$", 5, 3, "row", "")],
}  # fmt: skip


@chart
def draw_layouts() -> Figure:
    """Every product as grids of cells."""
    figure, (axes,) = new_figure(6.4, 7.4)
    axes.set_axis_off()
    axes.set_aspect("equal")
    for place, (name, parts) in enumerate(PRODUCTS.items()):
        y = -7.6 * place
        axes.text(0, y, name, va="center", color=GREY)
        x = 7.0
        for part in parts:
            if isinstance(part, str):
                axes.text(x + 0.5, y, part, ha="center", va="center", fontsize=13)
                x += 2.0
            else:
                draw_matrix(axes, x, y, part)
                x += part[2] + 1.0
    axes.set(xlim=(-0.2, 29), ylim=(-7.6 * len(PRODUCTS) + 3.6, 4.2))
    return figure


def draw_matrix(axes: Axes, x: float, y: float, matrix: Matrix) -> None:
    """A grid of cells around a height: the first sample blue, intercepts orange, the symbol and the
    shape around it."""
    from matplotlib.patches import Rectangle

    symbol, rows, columns, sample, intercept = matrix
    top = y + rows / 2
    for row in range(rows):
        for column in range(columns):
            is_intercept = intercept == "all" or (intercept, 0) in (("left", column), ("top", row))
            is_sample = (sample, 0) in (("row", row), ("column", column))
            colour = tint(PALETTE[1], 0.45) if is_intercept else tint(PALETTE[0], 0.5) if is_sample else "#f2f2f2"
            cell = Rectangle((x + column, top - row - 1), 1, 1, facecolor=colour, edgecolor=INK, linewidth=0.7)
            axes.add_patch(cell)
    axes.text(x + columns / 2, top + 0.3, symbol, ha="center", va="bottom", fontsize=11)
    axes.text(x + columns / 2, top - rows - 0.3, f"{rows} × {columns}", ha="center", va="top", fontsize=8, color=GREY)


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
