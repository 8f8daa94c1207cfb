"""Softmax regression on Iris: three species by stochastic descent, and how far from the minimum.

Document 002 (softmax regression exercise), 001 (the gradient of the summed loss). Method: Bishop,
Pattern Recognition and Machine Learning, 2006, section 4.3.4; Robbins and Monro, A stochastic
approximation method, Annals of Mathematical Statistics 22, 1951.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Softmax
from polytome.models.logistic import LogisticRegression
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows
from polytome.solvers import StochasticGradientDescent
from polytome.solvers.driver import Training, train
from polytome.tables.datasets import load_dataset
from polytome.teaching import layouts
from polytome.teaching.documents import numbers
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from polytome.tables.datasets import Dataset

Array = NDArray[Any]
Runs = tuple[Array, Array]

RUNS = 1000
EPOCHS = 100
LEARNING_RATE = 0.01
SEED = 2


def lesson(page: Page) -> None:
    """Fill the page."""
    iris = load_dataset("iris")
    codes = np.unique(iris.y, return_inverse=True)[1]
    X, Y = layouts.with_ones(iris.X), numerics.one_hot(codes, 3)
    start: Array = np.random.default_rng(0).normal(size=(X.shape[1], Y.shape[1]))
    the_shapes(page, X, Y)
    the_step(page, X, Y, start)
    training = library_run(iris.X, codes, start)
    the_band(page, X, Y, training)
    how_far(page, iris, codes, training)
    what_was_learned(page, iris)


def step(W: Array, x: Array, y: Array) -> Array:
    """One flower's step: weights (5, 3), its row (5,), its one-hot label (3,)."""
    p = numerics.softmax(x @ W)
    return W - LEARNING_RATE * np.outer(x, p - y)


def library_run(X: Array, y: Array, start: Array, epochs: int = EPOCHS) -> Training:
    """The same by Polytome, for which the biases stand last."""
    objective = objective_of(X, y)
    solver = StochasticGradientDescent(LEARNING_RATE, seed=0)
    return train(objective, solver, layouts.intercept_last(start), epochs=epochs)


def epoch_of_runs(W: Array, X: Array, Y: Array, orders: Array) -> Runs:
    """One epoch of many runs at once: weights (5, 3, runs), and mean losses."""
    met = np.zeros(W.shape[-1])
    for i in orders.T:  # the next flower of every run
        x, y = X.T[:, i], Y.T[:, i]
        z = (W * x[:, None]).sum(axis=0)
        z -= z.max(axis=0)
        exponentials = np.exp(z)
        total = exponentials.sum(axis=0)
        met += np.log(total) - (y * z).sum(axis=0)
        W = W - LEARNING_RATE * x[:, None] * (exponentials / total - y)
    return W, met / orders.shape[1]


def many_runs(X: Array, Y: Array) -> Array:
    """Losses of runs from random starts in random orders, shape (epochs, runs)."""
    rng = np.random.default_rng(SEED)
    W, losses = rng.normal(size=(X.shape[1], Y.shape[1], RUNS)), []
    rows = np.tile(np.arange(len(X)), (RUNS, 1))
    for _ in range(EPOCHS):
        W, met = epoch_of_runs(W, X, Y, rng.permuted(rows, axis=1))
        losses.append(met)
    return np.array(losses)


def objective_of(X: Array, codes: Array) -> Objective:
    """The mean softmax loss without a penalty."""
    return Objective(Softmax(3), NoPenalty(), as_rows(X, codes))


def the_shapes(page: Page, X: Array, Y: Array) -> None:
    """A column of weights for each species, and the gradient."""
    n, columns = X.shape
    page.text(r"""
        ## A score for each species

        Two classes need one score; three get one each. The weights of a species are a column of $W$, and all scores of
        a flower come from one product: $z = x W$. Softmax turns them into probabilities $\hat y$ that add up to 1. The
        label is one-hot: a 1 at the species of the flower, zeros elsewhere.
    """)
    page.table(
        ("array", "shape", "holds"),
        [
            ("$X$", str(X.shape), "a row for each flower, beginning with a 1 for the bias"),
            ("$Y$", str(Y.shape), "one-hot labels"),
            ("$W$", str((columns, Y.shape[1])), "a column for each species, bias on top"),
            (r"$\hat Y$", str((n, Y.shape[1])), "probabilities; every row adds up to 1"),
        ],
    )
    page.text(r"""
        The loss of a flower is minus the logarithm of the probability of its true species. Its gradient is the outer
        product of the row and the error, one number for every weight:

        $$\nabla_W L = x^\top (\hat y - y)$$

        Document 001 writes the gradient for all flowers at once, with one **row** of weights for each class and without
        the 1, and for the **sum** of the losses instead of their mean: $\nabla_W L = -(X^\top (Y - A))^\top$ with
        $A = \hat Y$. Checked by moving each weight a little to both sides:
    """)
    error = error_of_gradient(X[::5, 1:], Y[::5])
    page.identity("I-18", error, f"Largest error of {Y.shape[1] * (columns - 1)} derivatives on {n // 5} flowers.")


def error_of_gradient(X: Array, Y: Array) -> float:
    """Largest difference between document 001's formula and central differences of the summed
    loss."""
    W = np.random.default_rng(1).normal(scale=0.3, size=(Y.shape[1], X.shape[1]))

    def summed_loss(W: Array) -> float:
        return float(numerics.cross_entropy_from_scores(Y, X @ W.T).sum())

    formula = -(X.T @ (Y - numerics.softmax(X @ W.T, axis=1))).T
    h, differences = 1e-5, np.zeros_like(W)
    for place in np.ndindex(W.shape):
        shift = np.zeros_like(W)
        shift[place] = h
        differences[place] = (summed_loss(W + shift) - summed_loss(W - shift)) / (2 * h)
    return float(np.abs(formula - differences).max())


def the_step(page: Page, X: Array, Y: Array, start: Array) -> None:
    """One flower's step, and an epoch of them against the library."""
    codes = Y.argmax(axis=1)
    W = start
    for i in np.random.default_rng(0).permutation(len(X)):
        W = step(W, X[i], Y[i])
    by_library = layouts.intercept_first(library_run(X[:, 1:], codes, start, epochs=1).coefficients)
    page.text("""
        ## One flower per step

        Stochastic descent takes a flower, and makes its true species a little more probable. All species move: the
        weights of the true one towards the flower, those of the others away from it, each by its own error.
    """)
    page.code(step, library_run)
    page.text(f"""
        Over one epoch of {len(X)} steps, from the same random start and in the same order, the two differ by
        {np.abs(W - by_library).max():.1g} at most.
    """)


def the_band(page: Page, X: Array, Y: Array, training: Training) -> None:
    """The document's curve among a thousand."""
    page.text(f"""
        ## A hundred epochs, a thousand times

        Document 002 makes {EPOCHS} epochs with the rate {LEARNING_RATE} from standard normal weights. It prints the
        running loss of each epoch (every flower's loss before its own step), but no random seed. So here are {RUNS:,}
        runs at once, each with its own start and orders; the document's losses must lie between the lowest and the
        highest.
    """)
    page.code(epoch_of_runs)
    losses, printed = many_runs(X, Y), np.array(numbers()["S2-06"].printed)
    page.number("S2-06", (losses.min(axis=1), losses.max(axis=1)))
    below = 100 * (losses < printed[:, None]).mean(axis=1)
    running = [epoch.running for epoch in training.history]
    page.figure(
        "softmax-loss-by-epoch",
        lambda: draw_losses(losses, running, printed),
        f"Running losses. The document's run has a lucky start, lower than {100 - below[1]:.1f} % of all runs in "
        f"epoch 2. Its luckiest epoch, {below.argmin() + 1}, beats all but {RUNS * below.min() / 100:.0f} runs, its "
        f"last {100 - below[-1]:.0f} % of them.",
        "Loss against epoch on a logarithmic scale: a wide band that narrows quickly, and two jagged curves in it, the "
        "document's run and the run with seed 0.",
    )
    rises = int((np.diff(running) > 0).sum())
    page.text(f"""
        The run of Polytome's solver ends at {running[-1]:.3f} nats, the document's at {printed[-1]:.3f}, and all runs
        between {losses[-1].min():.3f} and {losses[-1].max():.3f}: about 0.1, as the document asks. Both curves are
        jagged. In {rises} of {EPOCHS - 1} epochs the solver's running loss rose, because with a constant rate every
        flower pulls the weights in its own direction forever.
    """)


def how_far(page: Page, iris: Dataset, codes: Array, training: Training) -> None:
    """The loss at the end of the descent beside that of certified fits."""
    objective = objective_of(iris.X, codes)
    rows = [("stochastic descent", Softmax(3).canonical(training.coefficients))]
    models = {C: LogisticRegression(C=C).fit(iris.X, codes) for C in (1.0, 1e6)}
    rows += [(f"certified fit, C = {C:,.0f}", coefficients_of(model)) for C, model in models.items()]
    losses = {name: objective.value_and_gradient(W)[0] for name, W in rows}
    page.text(rf"""
        ## How far from the minimum?

        A flat curve does not prove a minimum. `LogisticRegression` minimises the mean loss plus a penalty on
        the weights, which is weak where $C$ is large, and stops when it has proved how close it is. With
        $C = 10^6$: *{models[1e6].certificate_}*
    """)
    page.table(
        ("weights from", "loss (nats)", "right (%)", "largest weight"),
        [
            (name, losses[name], 100 * float((scores(iris.X, W).argmax(axis=1) == codes).mean()), np.abs(W[:-1]).max())
            for name, W in rows
        ],
        f"Mean loss without a penalty on the {len(codes)} flowers, share of flowers right, weights per cm",
    )
    end, best = losses["stochastic descent"], min(losses.values())
    page.text(f"""
        There are weights with a loss of {best:.4f} nats, so {EPOCHS} epochs of stochastic descent ended at least
        {end - best:.4f} nats above the smallest possible loss: {end / best:.1f} times as high. The species that are
        hard to distinguish need large weights, and steps of this rate grow them slowly. The number of flowers that are
        right hardly shows it; the loss does, because it measures how certain the model is.
    """)


def coefficients_of(model: LogisticRegression) -> Array:
    """The estimator's coefficients in the shape of an objective's, centred over the classes."""
    return Softmax(3).canonical(layouts.join_coef(model.coef_, model.intercept_))


def scores(X: Array, W: Array) -> Array:
    """Of each species, one row for each flower."""
    weights, biases = layouts.split_weights(W)
    return X @ weights + biases


def what_was_learned(page: Page, iris: Dataset) -> None:
    """Regions of the three species on petals alone, and the weights of all four measurements."""
    petals = LogisticRegression().fit(iris.X[:, 2:], iris.y)
    model = LogisticRegression(scale="standard").fit(iris.X, iris.y)
    page.text("""
        ## What the weights say

        On two measurements the model can be drawn. Between two species the border is where their scores are equal; the
        difference of two linear scores is linear, so every border is a straight line.
    """)
    page.figure(
        "iris-regions",
        lambda: draw_regions(iris, petals),
        f"Petals only: {100 * petals.score(iris.X[:, 2:], iris.y):.1f} % of the flowers lie in the region of their "
        "species.",
        "The plane of petal length and petal width in three regions with straight borders: setosa at the lower left, "
        "versicolor between, virginica at the upper right.",
    )
    page.figure(
        "iris-weights",
        lambda: draw_weights(model, iris),
        "Weights of all four measurements, each multiplied by the standard deviation of its column, so that they can "
        "be compared. Adding one number to the weights of all species would change no probability; here they add up "
        "to 0.",
        "Bars of the weights by measurement, three for each: petals count strongly against setosa and for virginica, "
        "sepal width for setosa; versicolor's weights are small.",
    )


def draw_losses(losses: Array, running: list[float], printed: Array) -> Figure:
    """The band of all runs with two single ones."""
    from polytome.lessons.stochastic_descent import draw_band

    return draw_band(losses, {"seed 0": running, "document 002": printed})


def draw_regions(iris: Dataset, model: LogisticRegression) -> Figure:
    """Regions of the species on petals."""
    from polytome.plots.regions import decision_regions

    return decision_regions(
        iris.X[:, 2:], iris.y, model.predict, x_label="petal length (cm)", y_label="petal width (cm)"
    )


def draw_weights(model: LogisticRegression, iris: Dataset) -> Figure:
    """Standardised weights as bars, one series per species."""
    from polytome.plots.bars import bars

    names = [name.removesuffix(" (cm)") for name in iris.feature_names]
    per_deviation = model.coef_ * iris.X.std(axis=0)
    series = {str(name): row for name, row in zip(model.classes_, per_deviation, strict=True)}
    return bars(names, series, value_label="weight (score per standard deviation)", name_label="measurement")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
