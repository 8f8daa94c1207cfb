"""Softmax regression in PyTorch: the same numbers from a linear layer, cross-entropy and SGD.

Document 003 (its program for PyTorch, which prints no output). Method: Paszke et al., PyTorch: an
imperative style, high-performance deep learning library, NeurIPS 2019.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Softmax
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows
from polytome.solvers import GradientDescent
from polytome.teaching import layouts
from polytome.teaching.page import Page
from polytome.teaching.tracing import walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Run = tuple[list[float], Array]

LEARNING_RATE = 0.1
EPOCHS = 100
TABLE = """Petal_Length,Label
1.4,0
1.3,0
1.5,0
4.5,1
4.1,1
4.6,1
"""
START = layouts.intercept_last([[0.1, 0.05], [0.2, -0.1]])


def lesson(page: Page) -> None:
    """Fill the page."""
    X, y = reading(page)
    same_model(page)
    losses, W = by_polytome(X, y, START)
    ours(page, losses, W)
    if find_spec("torch"):
        theirs(page, X, y, losses, W)
    else:
        page.skip("PyTorch is not installed; with it (`pip install torch`) its numbers stand here too.")
    what_was_learned(page, X, y, W)


def read_flowers(text: str) -> tuple[Array, Array]:
    """Features (n, 1) and labels (n,) from a table with a header."""
    lines = StringIO(text)
    table = np.genfromtxt(lines, dtype=float, delimiter=",", skip_header=1)
    return table[:, :1], table[:, 1].astype(int)


def by_polytome(X: Array, y: Array, start: Array) -> Run:
    """The loss before each step, and the coefficients after the last."""
    objective = Objective(Softmax(2), NoPenalty(), as_rows(X, y))
    solver = GradientDescent(LEARNING_RATE)
    path = list(walk(objective, solver, start, steps=EPOCHS))
    return [iterate.value for iterate in path[:-1]], path[-1].coefficients


def by_torch(X: Array, y: Array, start: Array) -> Run:
    """The same by PyTorch, in the precision of X."""
    import torch

    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    layer = torch.nn.Linear(X.shape[1], start.shape[1], dtype=rows.dtype)
    coef, intercept = layouts.split_coef(start)
    layer.weight.data = rows.new_tensor(coef)
    layer.bias.data = rows.new_tensor(intercept)
    descent = torch.optim.SGD(layer.parameters(), lr=LEARNING_RATE)
    losses = []
    for _ in range(EPOCHS):
        loss: Any = torch.nn.functional.cross_entropy(layer(rows), labels)
        losses.append(loss.item())
        descent.zero_grad()
        loss.backward()
        descent.step()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return losses, layouts.join_coef(weight, bias)


def reading(page: Page) -> tuple[Array, Array]:
    """The six flowers, and why reading them may go wrong."""
    X, y = read_flowers(TABLE)
    page.text(f"""
        ## Reading six flowers

        The last page of document 003 is a program: softmax regression in PyTorch. It reads a file that does not come
        with the document; but its {len(y)} rows stand in the text, a petal length (cm) and a label each. Reading them
        as numbers of one type gives a matrix, from which columns can be cut.
    """)
    page.code(read_flowers)
    guessed = np.genfromtxt(StringIO(TABLE), dtype=None, delimiter=",", skip_header=1)
    page.number("S3-17", {1: "one-dimensional", 2: "two-dimensional"}[guessed.ndim])
    try:
        guessed[:, 0:1]
        outcome = "is accepted"
    except IndexError as error:
        outcome = f"fails: {error}"
    page.erratum(
        "003-6",
        wrong="`np.genfromtxt(..., dtype=None)`, and then columns from `iris[:, 0:1]`.",
        right="`dtype=float`. With `dtype=None` NumPy guesses a type for each column; a column of numbers with a "
        "decimal point and one of whole numbers become an array of records, which has no columns to cut.",
        shown=f"The guessed array has the shape {guessed.shape} and the fields {', '.join(guessed.dtype.names or ())}; "
        f"cutting it {outcome}. Read as `float` the shape is {(len(y), X.shape[1] + 1)}.",
    )
    return X, y


def same_model(page: Page) -> None:
    """What the parts of the program are called here."""
    page.text("""
        ## The same model in other words

        PyTorch builds a model from parts. Each part of the program has its counterpart:
    """)
    page.table(
        ("PyTorch", "is", "here"),
        [
            ("`nn.Linear(1, 2)`", "scores; weight (2, 1) and bias (2,)", "`layouts.join_coef`: (2, 2), bias last"),
            ("`nn.CrossEntropyLoss()`", "softmax and mean loss, from **scores**", "`Softmax(2)` in an `Objective`"),
            ("`loss.backward()`", "the gradient, by the chain rule", "`objective.value_and_gradient`"),
            ("`optim.SGD(..., lr=0.1)`", "one step along it", "`GradientDescent(0.1)`"),
        ],
    )
    page.figure(
        "linear-layer",
        draw_layer,
        "The model: one feature, two scores, one softmax. `nn.Linear` is the part left of the softmax; the loss "
        "contains the softmax, so the model must not apply another.",
        "Diagram of a layer with a constant input 1, one input, two scores, a softmax and two probabilities, with the "
        "number of its parameters.",
    )
    page.text("""
        Although the optimiser is called SGD, nothing is stochastic: all flowers are in every step, because the program
        gives it the whole table. The gradients are set to zero before each step, since `backward` adds to them.
    """)


def ours(page: Page, losses: list[float], W: Array) -> None:
    """The run of Polytome's solver."""
    first = layouts.intercept_first(START)
    page.text(f"""
        ## One hundred steps

        The document starts from random weights and prints nothing. To have something to compare, start where the
        worked step of the same document starts: biases {first[0, 0]:g} and {first[0, 1]:g}, weights {first[1, 0]:g} and
        {first[1, 1]:g}. In {EPOCHS} steps with the rate {LEARNING_RATE} the mean loss falls from {losses[0]:.4f} to
        {losses[-1]:.4f} nats.
    """)
    page.code(by_polytome)
    page.number("S3-16", [losses[0], losses[-1], *layouts.intercept_first(W).ravel()])


def theirs(page: Page, X: Array, y: Array, losses: list[float], W: Array) -> None:
    """The run of PyTorch, in two precisions."""
    page.code(by_torch)
    rows = []
    for precision in (np.float64, np.float32):
        torch_losses, torch_W = by_torch(X.astype(precision), y, START)
        apart = np.abs(np.array(torch_losses) - losses).max(), np.abs(torch_W - W).max()
        rows.append((np.dtype(precision).name, f"{torch_losses[-1]:.12f}", *(f"{distance:.1g}" for distance in apart)))
    page.table(
        ("precision of PyTorch", "last loss (nats)", "losses differ by", "parameters differ by"),
        rows,
        f"PyTorch against Polytome (last loss {losses[-1]:.12f})",
    )
    page.text("""
        In float64 the two agree to the last digits. The document uses float32, the usual precision of neural networks,
        which holds about seven digits. So a difference in the eighth digit is rounding, not another method.
    """)


def what_was_learned(page: Page, X: Array, y: Array, W: Array) -> None:
    """Loss curves from several starts, and the probabilities at the end."""
    starts = np.random.default_rng(0).uniform(-1, 1, size=(3, *W.shape))
    others = [by_polytome(X, y, start)[0] for start in starts]
    right = int(((X @ W[:1] + W[1]).argmax(axis=1) == y).sum())
    page.text(f"""
        ## Where it leads

        {right} of {len(y)} flowers are on their side after {EPOCHS} steps, and the loss still falls. It always will: a
        cut between the two groups separates them perfectly, and larger weights make the model more certain of it.
    """)
    page.figure(
        "torch-losses",
        lambda: draw_losses(by_polytome(X, y, START)[0], others),
        "Loss before each step, from the start above and from random ones as `nn.Linear` draws them (each parameter "
        f"evenly from $-1$ to $1$ for one feature). They end between {min(o[-1] for o in others):.3f} and "
        f"{max(o[-1] for o in others):.3f} nats.",
        "Four falling curves of the loss against the step on a logarithmic scale, starting at different heights and "
        "ending closer together.",
    )
    half = -(W[1, 1] - W[1, 0]) / (W[0, 1] - W[0, 0])
    page.figure(
        "two-probabilities",
        lambda: draw_probabilities(X, y, W),
        f"Both probabilities after {EPOCHS} steps; they cross at {half:.2f} cm, where the scores are equal.",
        "Two curves over petal length: the probability of label 0 falls, that of label 1 rises, crossing at one half; "
        "points at 0 and 1 show the labels of the six flowers.",
    )


def draw_layer() -> Figure:
    """One feature, two classes."""
    from polytome.teaching.diagrams import layer

    return layer(1, 2, input_names=["petal length (cm)"], output_names=["label 0", "label 1"])


def draw_losses(losses: list[float], others: list[list[float]]) -> Figure:
    """Losses by step from several starts."""
    from polytome.plots.charts import curves

    steps = np.arange(EPOCHS)
    series = {"start of the worked step": (steps, losses)}
    series |= {f"random {number}": (steps, values) for number, values in enumerate(others, start=1)}
    return curves(series, x_label="step", y_label="mean loss (nats)", log_y=True)


def draw_probabilities(X: Array, y: Array, W: Array) -> Figure:
    """Labels, and the two probabilities over petal length."""
    from polytome.plots.charts import points_with_curves

    def probability(label: int) -> Any:
        return lambda x: numerics.softmax(x[:, None] * W[0] + W[1], axis=1)[:, label]

    groups = {f"label {label}": (X[y == label, 0], y[y == label]) for label in (0, 1)}
    functions = {f"probability of {label}": probability(label) for label in (0, 1)}
    return points_with_curves(groups, functions, x_label="petal length (cm)", y_label="probability, label")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
