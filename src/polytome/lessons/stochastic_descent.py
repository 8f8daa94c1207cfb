"""Stochastic descent: one flower per step, the cost and benefit of its noise, and a band of seeds.

Document 002 (logistic regression on two species of iris, and the experiment with learning rates).
Method: Robbins and Monro, A stochastic approximation method, Annals of Mathematical Statistics 22,
1951; Bottou, Curtis and Nocedal, Optimization methods for large-scale machine learning, SIAM Review
60, 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Logistic
from polytome.models.logistic import LogisticRegression
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.plots.drawing import chart
from polytome.rows import as_rows
from polytome.solvers import StochasticGradientDescent, Stop
from polytome.solvers.driver import Training, train
from polytome.tables.datasets import load_dataset
from polytome.teaching import layouts
from polytome.teaching.documents import numbers
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Runs = tuple[Array, Array]

RUNS = 1000
EPOCHS = 20
LEARNING_RATE = 0.01
RATES = (0.1, 0.01, 0.001, 0.0001)
SIZES = {"batch": 100, "mini-batch": 10, "stochastic": 1}


def lesson(page: Page) -> None:
    """Fill the page."""
    iris = load_dataset("iris")
    kept = iris.y != "virginica"
    X, y = layouts.with_ones(iris.X[kept]), (iris.y[kept] == "versicolor").astype(float)
    the_data(page, iris.X, X, y)
    start: Array = np.random.default_rng(0).normal(size=X.shape[1:])
    training = library_run(X, y, start, size=1, epochs=EPOCHS)
    one_flower_per_step(page, X, y, start, training)
    three_sizes(page, X, y, start)
    the_band(page, X, y, training)
    learning_rates(page, X, y)
    perfect(page, X, y, iris.X, iris.y)


def epoch(w: Array, X: Array, y: Array, order: Array, size: int) -> Array:
    """Weights after each step of an epoch: row k follows k steps."""
    path = [w]
    for k in range(0, len(order), size):
        some = order[k : k + size]
        errors = numerics.sigmoid(X[some] @ path[-1]) - y[some]
        path.append(path[-1] - LEARNING_RATE * X[some].T @ errors / len(some))
    return np.stack(path)


def library_run(X: Array, y: Array, w: Array, size: int, epochs: int) -> Training:
    """From weights w by Polytome's solver, for which the bias stands last."""
    objective = objective_of(X, y)
    solver = StochasticGradientDescent(LEARNING_RATE, batch_size=size, seed=0)
    start = layouts.intercept_last(w[:, None])
    return train(objective, solver, start, epochs=epochs)


def epoch_of_runs(W: Array, X: Array, y: Array, orders: Array, rate: float) -> Runs:
    """One epoch of many runs: weights (runs, d + 1), and mean losses met."""
    met = np.zeros(len(W))
    for i in orders.T:  # the next flower of every run
        z = (W * X[i]).sum(axis=1)
        met += numerics.binary_cross_entropy_from_scores(y[i], z)
        W = W - rate * (numerics.sigmoid(z) - y[i])[:, None] * X[i]
    return W, met / orders.shape[1]


def many_runs(X: Array, y: Array, rate: float) -> Runs:
    """From random starts in random orders: weights, and losses (epochs, runs)."""
    rng = np.random.default_rng(0)
    W, losses = rng.normal(size=(RUNS, X.shape[1])), []
    rows = np.tile(np.arange(len(y)), (RUNS, 1))
    for _ in range(EPOCHS):
        W, met = epoch_of_runs(W, X, y, rng.permuted(rows, axis=1), rate)
        losses.append(met)
    return W, np.stack(losses)


def objective_of(X: Array, y: Array) -> Objective:
    """The mean loss on rows that begin with a 1."""
    return Objective(Logistic(), NoPenalty(), as_rows(layouts.without_ones(X), y))


def the_data(page: Page, features: Array, X: Array, y: Array) -> None:
    """Two species, and a 1 in front of every row."""
    n, d = features.shape
    page.text(rf"""
        ## Two species

        Logistic regression distinguishes two classes, so document 002 leaves one species of iris out: {len(y)} flowers
        remain, setosa (label 0) and versicolor (label 1). A 1 in front of each row makes the bias a weight like the
        others: $z = x w$ with $w_0$ the bias.
    """)
    page.number("S2-02", [n, d])
    page.number("S2-03", [X.shape, y.shape])


def one_flower_per_step(page: Page, X: Array, y: Array, start: Array, training: Training) -> None:
    """The update, one seeded run of it, and what its printed loss is."""
    page.text(rf"""
        ## One flower per step

        Batch descent looks at every flower before it takes a step. **Stochastic** descent takes a step after each one,
        along the gradient of that flower's loss alone. With $x_i$ as a column the step is

        $$w \leftarrow w - \eta \, (\hat y_i - y_i) \, x_i$$

        A pass over all flowers is an epoch; each epoch visits them in a new random order. Document 002 makes {EPOCHS}
        epochs with $\eta = {LEARNING_RATE}$ from random weights (standard normal), and prints the mean over the epoch
        of the loss that each flower had just **before** its own step: the running loss. Here is such a run of
        Polytome's solver; `size` is the number of flowers per step.
    """)
    page.code(library_run)
    history = training.history
    page.table(
        ("epoch", "running loss (nats)", "loss at the end of the epoch (nats)"),
        [(e.number, e.running, e.objective) for e in history if e.number in (1, 2, 5, 10, EPOCHS)],
        "One run, seed 0",
    )
    drawn = np.random.default_rng(0).integers(len(y), size=(RUNS, len(y)))
    missed = np.mean([len(y) - len(np.unique(row)) for row in drawn])
    page.erratum(
        "002-8",
        wrong="Each step samples a flower, and the loss of an epoch is reported.",
        right="The code walks through a shuffled list: every flower once per epoch. And what it reports is the running "
        "loss, from before the steps, not the loss of the weights that the epoch ends with.",
        shown=f"Of {len(y)} flowers drawn one by one, an epoch would miss {missed:.1f} on average ({RUNS:,} epochs). "
        f"In the first epoch above the running loss is {history[0].running:.4f} nats, but the weights at its end have "
        f"{history[0].objective:.4f}.",
    )
    step = step_with_penalty(X[0], y[0], start, 0.01, 0.1)
    mixed = step_with_penalty(X[0], y[0], start, 0.1, 0.1)
    page.erratum(
        "002-2",
        wrong=r"The learning rate is usually called $\lambda$ in deep learning.",
        right=r"It is usually called $\eta$ or $\alpha$; $\lambda$ is the strength of a penalty on the weights.",
        shown=r"A step needs both, $w - \eta \, ((\hat y - y) \, x + \lambda w)$. With $\eta = 0.01$ and "
        rf"$\lambda = 0.1$ the first flower moves the weights above by {step:.4f}; with one letter for both, 0.1, by "
        f"{mixed:.4f}.",
    )


def step_with_penalty(x: Array, label: float, w: Array, rate: float, strength: float) -> float:
    """Length of the step that one row makes under a penalty."""
    gradient = (numerics.sigmoid(x @ w) - label) * x + strength * w
    return float(np.linalg.norm(rate * gradient))


def three_sizes(page: Page, X: Array, y: Array, start: Array) -> None:
    """Batch, mini-batch and stochastic descent from the same start, in the same order."""
    page.text(f"""
        ## All, some, or one

        Between the whole batch and a single flower lie the **mini-batches** of a few flowers. The gradient is the mean
        over the flowers of the step. The function gives the weights after every step of an epoch; started from the same
        weights, with the same order of flowers and the same rate, {LEARNING_RATE}, the three sizes differ only in how
        often they step.
    """)
    page.code(epoch)
    order = np.random.default_rng(0).permutation(len(y))
    paths = {name: epoch(start, X, y, order, size) for name, size in SIZES.items()}
    rows = []
    for name, size in SIZES.items():
        by_library = library_run(X, y, start, size, epochs=1)
        apart = np.abs(layouts.intercept_first(by_library.coefficients)[:, 0] - paths[name][-1]).max()
        updates = by_library.history[0].updates or 1
        rows.append((name, size, updates, by_library.history[0].objective, f"{apart:.1g}"))
    page.table(
        ("descent", "flowers per step", "steps", "loss after the epoch (nats)", "library differs by"),
        rows,
        "One epoch",
    )
    page.figure(
        "three-sizes",
        lambda: draw_paths(X, y, paths),
        "Loss of all flowers after each step of one epoch. Single flowers pull back and forth, but many short-sighted "
        "steps get further than one well-informed one.",
        "Three curves of the loss against the number of flowers seen: batch descent has two points only, mini-batches "
        "fall in ten steps, and stochastic descent zigzags down to the lowest loss.",
    )
    steps = {name: len(path) - 1 for name, path in paths.items()}
    page.erratum(
        "002-1",
        wrong="A step that uses a small batch of flowers is called batch gradient descent.",
        right="It is mini-batch gradient descent; batch descent uses all flowers in every step.",
        shown=f"One epoch over {len(y)} flowers has {steps['batch']} step of batch descent, {steps['mini-batch']} of "
        f"mini-batch descent with {SIZES['mini-batch']} flowers, and {steps['stochastic']} of stochastic descent.",
    )


def the_band(page: Page, X: Array, y: Array, training: Training) -> None:
    """A thousand runs, between which the document's must lie."""
    page.text(f"""
        ## A thousand runs

        The document prints no random seed, so its run cannot be repeated digit by digit. But it can be placed: {RUNS:,}
        runs, each with its own random start and orders, give the range of what may happen. They are
        computed side by side, a row of weights for each run.
    """)
    page.code(epoch_of_runs, many_runs)
    _, losses = many_runs(X, y, LEARNING_RATE)
    printed = np.array(numbers()["S2-04"].printed)
    page.number("S2-04", (losses.min(axis=1), losses.max(axis=1)))
    last = 100 * (losses[-1] < printed[-1]).mean()
    page.figure(
        "loss-by-epoch",
        lambda: draw_band(losses, {"seed 0": [e.running for e in training.history], "document 002": printed}),
        f"Running losses of {RUNS:,} runs. The document's run ends lower than {100 - last:.0f} % of them.",
        "Loss against epoch on a logarithmic scale: a band of all runs, a darker band of the middle ninety per cent, "
        "and inside it two curves, the document's run and the run with seed 0.",
    )


def learning_rates(page: Page, X: Array, y: Array) -> None:
    """The experiment with four rates, a thousand times."""
    found = {}
    for rate in RATES:
        W, _ = many_runs(X, y, rate)
        found[rate] = 100 * ((X @ W.T > 0) == y[:, None]).mean(axis=0)
    page.text(f"""
        ## How long a step?

        The document tries four learning rates, {EPOCHS} epochs each from random weights, and then counts the flowers on
        the right side of one half. Here is its experiment {RUNS:,} times. What do you expect of a very small rate?
    """)
    page.number("S2-05", ([v.min() for v in found.values()], [v.max() for v in found.values()]))
    page.figure(
        "accuracy-by-rate",
        lambda: draw_accuracies(found, numbers()["S2-05"].printed),
        f"Accuracy on the training flowers after {EPOCHS} epochs. Lines reach from the lowest to the highest of all "
        "runs, thick ones hold the middle half; the squares beside them are the document's runs.",
        "Four vertical ranges by learning rate: at 0.1 and 0.01 all runs have 100 per cent, at 0.001 most have, at "
        "0.0001 the runs spread from 0 to 100 per cent around 50.",
    )
    small = found[RATES[-1]]
    page.text(f"""
        With the smallest rate {EPOCHS * len(y):,} steps hardly lead away from the random start, and random weights are
        as good as a coin: half of the runs end at {np.median(small):.0f} % or below. The model has not learned the
        wrong thing; it has not learned yet. Two runs of the same program differ because start and order are random: at
        the rate {RATES[2]} half of the runs reach {np.median(found[RATES[2]]):.0f} %, one in twenty stays below
        {np.percentile(found[RATES[2]], 5):.0f} %, and the worst ends at {found[RATES[2]].min():.0f} %.
    """)


def perfect(page: Page, X: Array, y: Array, features: Array, species: Array) -> None:
    """What 100 per cent on the training flowers does and does not mean."""
    norms = [np.median(np.linalg.norm(many_runs(X, y, rate)[0], axis=1)) for rate in RATES[:2]]
    lengths = {C: norm_of_fit(X, y, C) for C in (1.0, 1e3, 1e6)}
    trained, tested = on_new_flowers(features, species)
    page.text(r"""
        ## Is 100 % perfect?

        A plane separates these two species, with room to spare. Then the loss has no minimum: doubling all weights
        leaves every flower on its side and makes the model more certain, so the loss falls again, and so on without
        end. The
        weights of a long enough descent grow without bound. An L2 penalty, $\lambda \lVert w \rVert^2 / 2$, puts an
        end to it; in `LogisticRegression` the number `C` is large where the penalty is weak.
    """)
    page.table(
        ("C", "length of the weights"), [(f"{C:,.0f}", norm) for C, norm in lengths.items()], "The weaker the penalty"
    )
    page.erratum(
        "002-12",
        wrong="An accuracy of 100 % looks like the end of the training, and like a perfect model.",
        right="It is the accuracy on the same flowers that were learned from, and these two species can be separated "
        "by a plane. Weights go on growing, runs differ with their random start and order, and new flowers may be "
        "misclassified nevertheless.",
        shown=f"After {EPOCHS} epochs half of the runs have weights longer than {norms[1]:.2f} at the rate {RATES[1]} "
        f"and longer than {norms[0]:.2f} at {RATES[0]}, all with 100 %. Without a penalty `LogisticRegression` reports "
        f"`{separated(X, y).name}`. Where species lie closer, versicolor and virginica, models that get all of 20 "
        f"training flowers right get {100 * tested:.1f} % of the other {trained} right.",
    )


def norm_of_fit(X: Array, y: Array, C: float) -> float:
    """Length of the fitted weights without the bias."""
    return float(np.linalg.norm(LogisticRegression(C=C).fit(layouts.without_ones(X), y).coef_))


def separated(X: Array, y: Array) -> Stop:
    """Why a fit without a penalty stops on classes that can be separated."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=np.inf).fit(layouts.without_ones(X), y).stop_


def on_new_flowers(features: Array, species: Array) -> tuple[int, float]:
    """How many flowers were kept for testing, and the mean share right among models that are
    perfect in training."""
    X = features[species != "setosa"]
    y = (species[species != "setosa"] == "virginica").astype(int)
    rng, shares = np.random.default_rng(0), []
    for _ in range(20):
        order = rng.permutation(len(y))
        seen, new = order[:20], order[20:]
        model = LogisticRegression(C=100.0).fit(X[seen], y[seen])
        if (model.predict(X[seen]) == y[seen]).all():
            shares.append((model.predict(X[new]) == y[new]).mean())
    return len(new), float(np.mean(shares))


def draw_paths(X: Array, y: Array, paths: dict[str, Array]) -> Figure:
    """Loss of all rows after each step, against the rows seen."""
    from polytome.plots.charts import curves

    series = {}
    for name, path in paths.items():
        losses = [numerics.binary_cross_entropy_from_scores(y, X @ w).mean() for w in path]
        series[name] = (SIZES[name] * np.arange(len(path)), losses)
    return curves(series, x_label="flowers seen", y_label="loss (nats)")


@chart
def draw_band(losses: Array, single: dict[str, Any]) -> Figure:
    """All runs as a band, the middle ninety per cent darker, and single runs as curves with their
    names."""
    from matplotlib.ticker import MaxNLocator

    from polytome.plots.drawing import PALETTE, new_figure, stroke, tint
    from polytome.plots.labels import EndLabel, label_ends

    figure, (axes,) = new_figure()
    epochs = np.arange(1, len(losses) + 1)
    middle = np.percentile(losses, [5, 95], axis=1)
    colours = tint(PALETTE[0], 0.18), tint(PALETTE[0], 0.4)
    axes.fill_between(epochs, losses.min(axis=1), losses.max(axis=1), color=colours[0], linewidth=0)
    axes.fill_between(epochs, *middle, color=colours[1], linewidth=0)
    ends = [
        EndLabel("all runs", epochs[-1], losses[-1].max(), PALETTE[0]),
        EndLabel("90 % of them", epochs[-1], middle[1, -1], PALETTE[0]),
    ]
    for place, (name, values) in enumerate(single.items()):
        axes.plot(epochs, values, **stroke(place + 1))
        ends.append(EndLabel(name, epochs[-1], float(values[-1]), stroke(place + 1)["color"]))
    axes.set(xlabel="epoch", ylabel="running loss (nats)", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    label_ends(axes, ends)
    return figure


@chart
def draw_accuracies(found: dict[float, Array], printed: list[float]) -> Figure:
    """Ranges of the accuracy by learning rate, with the document's runs."""
    from polytome.plots.drawing import PALETTE, mark, new_figure
    from polytome.plots.labels import key_above

    figure, (axes,) = new_figure()
    for rate, values in found.items():
        low, lower, upper, high = np.percentile(values, [0, 25, 75, 100])
        (all_runs,) = axes.plot([rate, rate], [low, high], color=PALETTE[0], linewidth=1.2, marker="_", markersize=12)
        (half,) = axes.plot([rate, rate], [lower, upper], color=PALETTE[0], linewidth=7, solid_capstyle="butt")
        looks = mark(0) | {"linestyle": "none", "markersize": 8, "markerfacecolor": "white"}
        (median,) = axes.plot([rate], [np.median(values)], **looks)
    beside = 1.25 * np.array(list(found))
    (document,) = axes.plot(beside, printed, **mark(1), linestyle="none", markersize=7)
    axes.set(xlabel="learning rate", ylabel="accuracy on the training flowers (%)", xscale="log")
    axes.margins(x=0.08)
    key_above(figure, {"all runs": all_runs, "middle half": half, "median": median, "document 002": document})
    return figure


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
