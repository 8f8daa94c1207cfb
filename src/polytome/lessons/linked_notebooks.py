"""Linked notebooks: the programs that document 001 links to, run again, and biases that never
moved.

Document 001 links to notebooks and a table of losses by its author (course STAT 479, 2019). Method:
Matsumoto and Nishimura, Mersenne Twister, ACM Transactions on Modeling and Computer Simulation 8,
1998; Bezdek et al., Will the real iris data please stand up?, IEEE Transactions on Fuzzy Systems
7, 1999.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.errors import FileError
from polytome.losses import Logistic, Softmax
from polytome.models.neurons import SigmoidNeuron
from polytome.objective import Objective, all_scores
from polytome.penalties import NoPenalty
from polytome.rows import Columns, Rows, as_rows
from polytome.solvers import GradientDescent, Iterate, StochasticGradientDescent
from polytome.tables.datasets import Dataset, load_dataset
from polytome.teaching import layouts
from polytome.teaching.page import Page
from polytome.teaching.tracing import walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Costs = list[float]

GET_DATA = "Set POLYTOME_DATA to a folder that holds it."
PIXELS = Columns(shift=np.zeros(784), scale=np.full(784, 1 / 255))
SCORES = np.array([[-0.3, -0.5, -0.5], [-0.4, -0.1, -0.5], [-0.3, -0.94, -0.5], [-0.99, -0.88, -0.5]])
LABELS, LOSSES = np.array([0, 1, 2, 2]), [0.9698, 0.8801, 1.0527, 0.8314]


class Parts(NamedTuple):
    """Training rows and test rows, both standardised by the training rows."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array

    def shares_right(self, W: Array) -> tuple[float, float]:
        """Shares of the rows that coefficients predict right, in both parts."""
        pairs = (self.X, self.y), (self.X_test, self.y_test)
        learned, tested = (float((predicted(X @ W[:-1] + W[-1]) == y).mean()) for X, y in pairs)
        return learned, tested


def lesson(page: Page) -> None:
    """Fill the page."""
    toy_data(page)
    shuffles(page)
    two_biases(page)
    squared_error(page)
    digits(page)
    names_of_losses(page)


def standardised(X: Array, y: Array, learn: Array, test: Array, ddof: int) -> Parts:
    """Both parts in standard deviations from the mean of the training rows."""
    mean, deviation = X[learn].mean(axis=0), X[learn].std(axis=0, ddof=ddof)
    return Parts((X[learn] - mean) / deviation, y[learn], (X[test] - mean) / deviation, y[test])


def compare(page: Page, caption: str, rows: list[tuple[str, Any, Any]]) -> None:
    """A table of what a notebook prints beside what was computed."""
    pairs = [(what, np.asarray(printed), np.round(computed, 4)) for what, printed, computed in rows]
    apart = [f"{np.abs(np.subtract(printed, computed)).max():.1g}" for _, printed, computed in rows]
    cells = [(what, printed[()], computed[()], a) for (what, printed, computed), a in zip(pairs, apart, strict=True)]
    page.table(("what", "printed", "computed", "differ by"), cells, caption)


def toy_data(page: Page) -> None:
    """Logistic regression on 100 points, with the summed gradient."""
    page.text("""
        ## Logistic regression on toy data

        The notebook `logistic-regression` trains on 75 of 100 points in the plane and tests on the other 25. It
        descends along the **sum** of all gradients with the rate 0.1. Polytome's solver descends along their mean; with
        the rate multiplied by the number of points the steps are the same.
    """)
    page.code(summed_descent)
    folder = os.environ.get("POLYTOME_DATA")
    file = Path(folder or ".", "course", "toydata.txt")
    if not (folder and file.is_file()):
        page.skip(f"The file course/toydata.txt of this notebook is not here. {GET_DATA}")
        return
    table = np.loadtxt(file)
    order = np.arange(len(table))
    np.random.RandomState(123).shuffle(order)
    parts = standardised(table[:, :2], table[:, 2], order[25:], order[:25], ddof=0)
    path = summed_descent(parts.X, parts.y, rate=0.1, epochs=30)
    W = path[-1].coefficients
    right = [parts.shares_right(path[epoch].coefficients)[0] for epoch in (1, 30)]
    compare(
        page,
        "After 30 epochs",
        [
            ("weights and bias", [5.0453, 3.4349, -0.7931], W[:, 0]),
            ("cost after epochs 1 and 30 (nats)", [0.055, 0.032], [path[1].value, path[30].value]),
            ("share right after epochs 1 and 30", [0.973, 1.0], right),
            ("share right in the test", 0.96, parts.shares_right(W)[1]),
        ],
    )
    page.figure(
        "toy-data",
        lambda: draw_regions(parts, W, ("label 0", "label 1"), ("first feature", "second feature")),
        "The 75 points of the training, and the line that was learned from them.",
        "Two groups of points in the plane and a straight border between them.",
    )


def summed_descent(X: Array, y: Array, rate: float, epochs: int) -> list[Iterate]:
    """Before the first epoch and after each: cost and coefficients."""
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, y))
    solver = GradientDescent(layouts.sum_from_mean(rate, len(y)))
    return list(walk(objective, solver, steps=epochs))


def predicted(scores: Array) -> Array:
    """The label of the highest score of each row; of a single score, whether it is above 0."""
    return (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)


def torch_order(generator: np.random.RandomState, n: int) -> Array:
    """What torch.randperm(n) gives with the same seed."""
    order = np.arange(n)
    draws = generator.randint(2**32, size=n - 1, dtype=np.uint32)
    for i, draw in enumerate(draws):
        other = i + int(draw) % (n - i)  # any place from here to the end
        order[[i, other]] = order[[other, i]]
    return order


def uci_iris() -> tuple[Array, Array]:
    """The measurements as in the file iris.data, and codes of the species."""
    iris = load_dataset("iris")
    X, codes = iris.X.copy(), np.unique(iris.y, return_inverse=True)[1]
    X[[34, 37]] = [4.9, 3.1, 1.5, 0.1]
    return X, codes


def shuffled_twice(X: Array, y: Array, share_to_learn: float) -> Parts:
    """The notebooks' split: shuffled, and the same order applied again."""
    order = torch_order(np.random.RandomState(123), len(y))
    rows = order[order]
    cut = int(share_to_learn * len(y))
    return standardised(X, y, rows[:cut], rows[cut:], ddof=1)


def shuffles(page: Page) -> None:
    """Shuffles of PyTorch without PyTorch, and two files of the same flowers."""
    changed = np.flatnonzero((uci_iris()[0] != load_dataset("iris").X).any(axis=1))
    page.text(f"""
        ## The same shuffles, the same flowers

        The next notebooks shuffle with PyTorch and a seed of 123. PyTorch and NumPy's `RandomState` draw from the same
        generator, the Mersenne Twister, so a few lines give PyTorch's permutations without it. The notebooks shuffle
        the rows, and then pick them by the same order once more; both must be done to get their rows. They also read
        Iris from the file `iris.data`, in which flowers {" and ".join(map(str, changed))} (counted from 0) differ from
        Fisher's table, which scikit-learn has.
    """)
    page.code(torch_order, shuffled_twice)


def softmax_descent(X: Array, Y: Array, right: bool) -> tuple[Array, Array, Costs]:
    """With the right gradient of the biases, or the notebook's."""
    W = np.zeros((X.shape[1], Y.shape[1]))
    b = np.zeros(Y.shape[1])
    costs = []
    for _ in range(50):
        errors = numerics.softmax(X @ W + b, axis=1) - Y
        by_bias = errors.sum(axis=0) if right else errors.sum()
        W, b = W - 0.1 * X.T @ errors / len(X), b - 0.1 * by_bias / len(X)
        costs.append(numerics.cross_entropy_from_scores(Y, X @ W + b).mean())
    return W, b, costs


def two_biases(page: Page) -> None:
    """Softmax regression on two columns of Iris, with a faulty and a right gradient."""
    X, y = uci_iris()
    parts = shuffled_twice(X[:, [1, 3]], y, 0.8)
    Y = numerics.one_hot(parts.y, 3)
    wrong_W, wrong_b, wrong_costs = softmax_descent(parts.X, Y, right=False)
    W, b, costs = softmax_descent(parts.X, Y, right=True)
    fisher = shuffled_twice(load_dataset("iris").X[:, [1, 3]], y, 0.8)
    moved = np.abs(softmax_descent(fisher.X, Y, right=True)[0] - W).max()
    page.text(f"""
        ## Two softmax regressions that should agree

        The notebook `softmax-regression_scratch` trains on sepal width and petal width of {len(parts.y)} flowers twice:
        from scratch, and with PyTorch's own gradient. Rate 0.1, 50 epochs, all flowers in every step. The two results
        differ. Why? (The two flowers of the file matter too: with Fisher's, a weight would move by {moved:.4f}.)
    """)
    page.code(softmax_descent)
    compare(
        page,
        "From scratch: errors summed over flowers and classes",
        [
            ("weights", [[0.5582, -1.0240], [-0.5462, 0.0258], [-0.0119, 0.9982]], wrong_W.T),
            ("biases", [0, 0, 0], wrong_b),
            ("cost after epochs 1 and 50 (nats)", [1.055, 0.481], [wrong_costs[0], wrong_costs[-1]]),
            ("shares right in training, test", [0.858, 0.8], parts.shares_right(np.vstack([wrong_W, wrong_b]))),
        ],
    )
    compare(
        page,
        "PyTorch's gradient: errors summed over flowers",
        [
            ("weights", [[0.5585, -1.0257], [-0.5483, 0.0316], [-0.0102, 0.9941]], W.T),
            ("biases", [-0.0553, 0.0340, 0.0213], b),
            ("cost after epochs 1 and 50 (nats)", [1.055, 0.479], [costs[0], costs[-1]]),
        ],
    )
    why_they_differ(page, parts, numerics.softmax(parts.X @ wrong_W + wrong_b, axis=1) - Y, np.vstack([W, b]))


def why_they_differ(page: Page, parts: Parts, errors: Array, W: Array) -> None:
    """The sum that is always zero, and the right model."""
    objective = Objective(Softmax(3), NoPenalty(), as_rows(parts.X, parts.y))
    *_, last = walk(objective, GradientDescent(0.1), steps=50)
    page.erratum(
        "001-11",
        wrong="The gradient of the biases is the sum of all errors: over the flowers and over the classes. And the "
        "axes of the figures are called sepal length and petal length.",
        right="Each class has its own bias, so the bias's gradient is the sum of that class's errors, "
        "`errors.sum(axis=0)`. "
        "The columns are sepal width and petal width.",
        shown=f"The errors of a flower add up to 0, since probabilities and label both add up to 1: their grand sum is "
        f"{errors.sum():.0e}, while by class they are {', '.join(f'{e:.3f}' for e in errors.sum(axis=0))}. So the "
        f"biases never moved. The right gradient and Polytome's solver differ by "
        f"{np.abs(W - last.coefficients).max():.0e}.",
    )
    page.figure(
        "width-regions",
        lambda: draw_regions(parts, W, ("setosa", "versicolor", "virginica"), ("sepal width", "petal width")),
        "The flowers and regions of the right model, with the right names at the axes.",
        "The plane of sepal width and petal width in three regions; versicolor and virginica overlap.",
    )


def neuron_by_hand(parts: Parts) -> tuple[Array, float, Costs]:
    """Descent on the squared error, ten rows per step, in PyTorch's orders."""
    w, b, costs = np.zeros(parts.X.shape[1]), 0.0, []
    generator = np.random.RandomState(123)
    for _ in range(150):
        order = torch_order(generator, len(parts.y))
        for some in np.split(order, len(order) // 10):
            a = numerics.sigmoid(parts.X[some] @ w + b)
            slopes = 2 * (a - parts.y[some]) * a * (1 - a) / len(some)
            w = w - 0.5 * parts.X[some].T @ slopes
            b = b - 0.5 * slopes.sum()
        a = numerics.sigmoid(parts.X @ w + b)
        costs.append(((a - parts.y) ** 2).mean())
    return w, b, costs


def squared_error(page: Page) -> None:
    """The homework: a sigmoid neuron with squared error on two species."""
    X, y = uci_iris()
    parts = shuffled_twice(X[50:, [1, 2]], (y[50:] == 2).astype(int), 0.7)
    w, b, costs = neuron_by_hand(parts)
    model = SigmoidNeuron(learning_rate=0.5, batch_size=10, epochs=150).fit(parts.X, parts.y)
    by_library = layouts.join_coef(model.coef_, model.intercept_)
    error = float(((model.predict_proba(parts.X)[:, 1] - parts.y) ** 2).mean())
    page.text("""
        ## A neuron with a squared error

        The homework `hw2` asks for a neuron with a sigmoid, trained on the mean squared error of its output: versicolor
        against virginica by sepal width and petal length, steps of ten flowers, rate 0.5, 150 epochs. No solution is
        stored; but a neuron from scratch in PyTorch's orders and the library's in its own should end near each other.
    """)
    page.code(neuron_by_hand)
    page.table(
        ("neuron", "weights", "bias", "squared error", "right", "in the test"),
        [
            ("from scratch", w, b, costs[-1], *parts.shares_right(np.append(w, b)[:, None])),
            ("`SigmoidNeuron`", model.coef_[0], model.intercept_[0], error, *parts.shares_right(by_library)),
        ],
        "After 150 epochs; shares of flowers that are right in training and test",
    )
    page.figure(
        "neuron-error",
        lambda: draw_epochs({"from scratch": costs, "SigmoidNeuron": model.losses_}, "mean squared error"),
        "Mean squared error by epoch. (The notebook's function for it divides by the number of flowers twice.) After "
        "a fast fall it changes only by the noise of the small steps.",
        "Two falling curves of the squared error against the epoch, close to each other.",
    )


def mnist() -> Dataset | None:
    """MNIST, if it is in the data folder; it is never downloaded here."""
    folder = os.environ.get("POLYTOME_DATA")
    try:
        return load_dataset("mnist", data_dir=folder) if folder else None
    except FileError:
        return None


def digits(page: Page) -> None:
    """Softmax regression on MNIST in mini-batches."""
    page.text("""
        ## Digits in mini-batches

        The notebook `softmax-regression-mnist` learns the digits of MNIST: pixels divided by 255, mini-batches of 256
        images, rate 0.1, 25 epochs. Its shuffles are not repeated here; with others the figures still agree closely.
    """)
    page.code(digits_descent)
    data = mnist()
    if data is None or data.X_test is None or data.y_test is None:
        page.skip(f"MNIST is not here, so its notebook is not run. {GET_DATA} `polytome datasets` says how to get it.")
        return
    path = digits_descent(data)
    images, tests = as_rows(data.X, data.y), as_rows(data.X_test, data.y_test)

    def right(rows: Rows, epoch: int) -> float:
        raw = PIXELS.to_raw(path[epoch].coefficients)
        return 100 * float((predicted(all_scores(rows, raw)) == rows.target).mean())

    compare(
        page,
        "MNIST",
        [
            ("cost before the first step (nats)", 2.3026, path[0].value),
            ("right after epochs 1 and 25 (%)", [88.04, 92.19], [right(images, 1), right(images, 25)]),
            ("right in the test (%)", 92.21, right(tests, 25)),
        ],
    )
    page.figure(
        "digits-loss",
        lambda: draw_epochs({"": [i.value for i in path[1:]]}, f"mean loss of {len(data.y):,} images (nats)"),
        f"The mean loss is {path[0].value:.4f} nats before the first step, $\\log 10$, that of ten equal guesses.",
        "A falling curve of the mean loss against the epoch, steep in the first epochs.",
    )


def digits_descent(data: Dataset) -> list[Iterate]:
    """Before the first epoch and after each: loss and coefficients."""
    rows = as_rows(data.X, data.y).with_columns(PIXELS)
    objective = Objective(Softmax(10), NoPenalty(), rows)
    solver = StochasticGradientDescent(0.1, batch_size=256, seed=0)
    return list(walk(objective, solver, steps=25))


def names_of_losses(page: Page) -> None:
    """Cross-entropy from scores and from log-probabilities, and what goes into which loss."""
    from_scores = numerics.cross_entropy_from_scores(numerics.one_hot(LABELS, 3), SCORES)
    from_logs = -numerics.log_softmax(SCORES, axis=1)[np.arange(len(LABELS)), LABELS]
    z, y = SCORES[:, 0], (LABELS == 0).astype(float)
    from_p = numerics.binary_cross_entropy(y, numerics.sigmoid(z))
    apart = np.abs(from_p - numerics.binary_cross_entropy_from_scores(y, z)).max()
    page.text(f"""
        ## What goes into which loss

        The notebook `cross-entropy-pytorch` and a table of its author's say what PyTorch's losses take. `cross_entropy`
        and `binary_cross_entropy_with_logits` take scores and apply the softmax or the sigmoid themselves. `nll_loss`
        takes logarithms of probabilities, `binary_cross_entropy` probabilities. On the four rows of scores of the
        notebook both ways to each loss agree (the binary ones, on the first column, to {apart:.0e}). Starting from
        scores is safer: a probability may round to 0 or 1 before its logarithm is taken.
    """)
    compare(
        page,
        "Losses of the four rows",
        [
            ("from scores (nats)", LOSSES, from_scores),
            ("from log-probabilities", LOSSES, from_logs),
            ("mean", 0.9335, from_scores.mean()),
        ],
    )


def draw_regions(parts: Parts, W: Array, classes: tuple[str, ...], features: tuple[str, str]) -> Figure:
    """The rows of the training on the regions of a model with two features."""
    from polytome.plots.regions import decision_regions

    names = np.array(classes)
    x_label, y_label = (f"{feature} (standard deviations)" for feature in features)
    labels = names[parts.y.astype(int)]
    return decision_regions(
        parts.X, labels, lambda X: names[predicted(X @ W[:-1] + W[-1])], x_label=x_label, y_label=y_label
    )


def draw_epochs(series: dict[str, Any], y_label: str) -> Figure:
    """Curves by epoch, from 1."""
    from polytome.plots.charts import curves

    named = {name: (np.arange(1, len(values) + 1), values) for name, values in series.items()}
    return curves(named, x_label="epoch", y_label=y_label)


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
