"""Four neurons: one weighted sum, and four ways to learn from it.

Document 001 (recap of the second homework, the perceptron, the logistic neuron). Method:
Rosenblatt, The perceptron, 1958; Novikoff, On convergence proofs on perceptrons, 1962; Widrow and
Hoff, Adaptive switching circuits, 1960.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import Logistic, Loss, Squared
from polytome.losses.neurons import PerceptronLoss, SquaredSigmoid
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.models.neurons import Adaline, Perceptron, SigmoidNeuron, perceptron_bound
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

EPOCHS = 2000


class Mistake(NamedTuple):
    """A flower on the wrong side when its turn came, and the weights after it was added or
    subtracted."""

    epoch: int
    row: int
    error: int
    w: Array


Mistakes = list[Mistake]


def lesson(page: Page) -> None:
    """Fill the page."""
    easy, (petals, y) = two_species(0, (0, 1)), two_species(1, (2, 3))
    hard = (petals - petals.mean(axis=0)) / petals.std(axis=0), y
    one_picture(page)
    the_perceptron(page, *easy)
    mistakes_of_perceptrons(page, easy, hard)
    why_it_ends(page, *easy)
    adaline(page, *hard)
    sigmoid_neuron(page, *hard)
    logistic_neuron(page)
    side_by_side(page, *hard)


def perceptron(X: Array, y: Array, epochs: int, seed: Any = None) -> Mistakes:
    """Add a row that should be 1 and is not, subtract one that should be 0."""
    X = np.column_stack([X, np.ones(len(X))])  # the bias weighs a constant 1
    w = np.zeros(X.shape[1])
    mistakes: Mistakes = []
    rng = np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        before = len(mistakes)
        for i in range(len(y)) if seed is None else rng.permutation(len(y)):
            error = int(y[i]) - int(X[i] @ w > 0)
            if error:
                w = w + error * X[i]
                mistakes.append(Mistake(epoch, int(i), error, w))
        if len(mistakes) == before:
            break
    return mistakes


def gradient_by_loop(X: Array, y: Array, w: Array, b: float) -> Array:
    """Of the mean squared error, one sample after the other; the bias last."""
    by_w, by_b = np.zeros(len(w)), 0.0
    for i in range(len(y)):
        a = 1 / (1 + np.exp(-(X[i] @ w + b)))
        by_z = -2 * (y[i] - a) * a * (1 - a)
        by_w += X[i] * by_z
        by_b += by_z
    return np.append(by_w, by_b) / len(y)


def gradient_at_once(X: Array, y: Array, w: Array, b: float) -> Array:
    """The same with arrays."""
    a = numerics.sigmoid(X @ w + b)
    by_z = -2 / len(y) * (y - a) * a * (1 - a)
    return np.append(X.T @ by_z, by_z.sum())


def one_picture(page: Page) -> None:
    """What all neurons have in common."""
    page.text(r"""
        A **neuron**, as these models are called for historical reasons, takes the features $x_1, \dots, x_m$ of a
        sample and does up to three things with them.

        1. It forms a **weighted sum** $z = x_1 w_1 + \dots + x_m w_m + b$, the *net input* or score.
        2. It applies an **activation** to the sum: $a = \sigma(z)$ with some function $\sigma$.
        3. If a yes or no is wanted, a **threshold** turns the activation into the label $\hat y = 0$ or $1$.

        Four neurons of document 001 differ in the activation, in what they compare with the true label $y$, and in the
        loss. All change $w_j$ against the derivative of the loss, which is the last column times $x_j$. Only the
        perceptron learns from the label. The others cannot, since a step has the derivative 0 wherever it has one.
    """)
    page.table(
        ("neuron", "activation", "compares $y$ with", "loss of one sample", r"$\partial$ loss $/ \partial z$"),
        [
            ("perceptron", "step", "the label", r"$(\hat y - y) z$", r"$\hat y - y$"),
            ("ADALINE", "identity", "the sum", r"$\frac{1}{2} (z - y)^2$", "$z - y$"),
            ("sigmoid neuron", "sigmoid", "the activation", "$(a - y)^2$", "$2 (a - y) a (1 - a)$"),
            ("logistic neuron", "sigmoid", "the activation", r"$-y \log(a) - (1 - y) \log(1 - a)$", "$a - y$"),
        ],
        "Four neurons",
    )


def the_perceptron(page: Page, X: Array, y: Array) -> None:
    """The rule, by hand and with the library."""
    page.text(r"""
        ## The perceptron

        Its activation is a step: 1 where $z > 0$, else 0. The rule is short. Take a sample; if the label is right, do
        nothing. If it should have been 1, add its features to the weights and 1 to the bias. If it should have been 0,
        subtract them. One pass through all samples is an **epoch**; an epoch without an error ends the training. With
        the error $y - \hat y$, which is 1, 0 or $-1$:

        $$w \leftarrow w + (y - \hat y) x, \qquad b \leftarrow b + (y - \hat y)$$
    """)
    add_neuron(page, "step", None, "perceptron", "The perceptron learns from its label.")
    page.code(perceptron)
    centred = X - X.mean(axis=0)
    mistakes = perceptron(centred, y, EPOCHS)
    page.table(
        ("epoch", "flower", "label", "predicted", "$w$ after", "$b$ after"),
        [(m.epoch, m.row, int(y[m.row]), int(y[m.row]) - m.error, m.w[:-1], m.w[-1]) for m in mistakes],
        "All mistakes before setosa (0) and versicolor (1) are separated by their sepals, in cm from the mean",
    )
    library = Perceptron(shuffle=False).fit(centred, y)
    apart = np.abs(np.append(library.coef_[0], library.intercept_) - mistakes[-1].w).max()
    page.text(f"`Perceptron(shuffle=False)` of the library makes the same mistakes (weights {apart:.1g} apart).")
    page.erratum(
        "001-7",
        wrong="The perceptron starts with $w = 0^{m-1}$, one weight fewer than there are features.",
        right="$w = 0^m$: one weight for each of the $m$ features, since the bias is kept apart.",
        shown=f"Weights of shape {X[0, :-1].shape} cannot be multiplied by a flower of shape {X[0].shape}.",
    )


def mistakes_of_perceptrons(page: Page, easy: tuple[Array, Array], hard: tuple[Array, Array]) -> None:
    """Mistakes per epoch where a line separates, and where none does."""
    ending, endless = per_epoch(*easy, EPOCHS), per_epoch(*hard, EPOCHS // 4)
    page.text(f"""
        ## When it does not end

        Sepals of setosa and versicolor can be separated by a line. As they are measured, without subtracting the mean
        and in random order, the rule needs {len(ending)} epochs for it. Petals of versicolor and virginica overlap.
        There is no line to find, some flower is always wrong, and the weights never come to rest: of the last
        hundred epochs the best makes {min(endless[-100:])} mistakes and the worst {max(endless[-100:])}.
    """)
    page.figure(
        "mistakes-per-epoch",
        lambda: draw_mistakes({"setosa, versicolor": ending, "versicolor, virginica": endless}),
        "Mistakes in each epoch. The first perceptron comes to zero and stops; the second cannot.",
        "Two jagged curves of mistakes against epochs on a logarithmic axis; one ends at zero, the other near seven.",
    )


def why_it_ends(page: Page, X: Array, y: Array) -> None:
    """Novikoff's bound."""
    rows = []
    for name, columns in (("as measured", X), ("from the mean", X - X.mean(axis=0))):
        plane = LogisticRegression(C=1e6).fit(columns, y)
        bound = perceptron_bound(columns, y, plane.coef_, plane.intercept_)
        radius = np.sqrt((columns**2).sum(axis=1).max() + 1)
        rows.append((name, radius, radius / np.sqrt(bound), len(perceptron(columns, y, EPOCHS)), int(bound)))
    page.text(r"""
        ## Why it ends

        Put the constant 1 at the end of each sample, and the bias at the end of the weights: $v = (w, b)$. Let $u$ be
        weights of length 1 that separate the classes, with every sample at least $\gamma$ on its own side, and $R$ the
        largest length of a sample. After $k$ mistakes two things are known.

        - Each mistake moves $v$ along $u$ by at least $\gamma$, so the length of $v$ is at least $k \gamma$.
        - Each mistake adds a sample, with its sign, that points away from $v$ (that made it a mistake). So the square
          of the length grows by at most $R^2$, and the length is at most $\sqrt{k} R$.

        Both hold only while $k \gamma \le \sqrt{k} R$, that is, for at most $(R / \gamma)^2$ mistakes, whatever the
        order (Novikoff's theorem, 1962). The bound is far from tight, but it names what matters: long samples and a
        narrow gap make many mistakes. Subtracting the mean shortens the samples, and costs nothing.
    """)
    heads = ("sepals", "$R$", r"$\gamma$", "mistakes", r"bound $(R / \gamma)^2$")
    page.table(heads, rows, "The same flowers, measured from zero and from their mean")


def adaline(page: Page, X: Array, y: Array) -> None:
    """Learning from the sum: least squares on labels."""
    target = LinearRegression().fit(X, y)
    rows = []
    for epochs in (10, 100, 1000):
        model = Adaline(learning_rate=None, batch_size=None, epochs=epochs).fit(X, y)
        rows.append((epochs, *model.coef_[0], model.intercept_[0], float(np.abs(model.coef_ - target.coef_).max())))
    page.text(r"""
        ## ADALINE: learn before the threshold

        The *adaptive linear neuron* compares $y$ with the sum $z$ itself. Every sample then teaches something, not only
        the wrong ones, and there is a best answer even where no line separates. Its threshold is $1/2$, midway between
        the labels. Without the threshold it is **linear regression**, and its fault is that of the line in the previous
        lesson: a sample far on its right side, with a sum of 3 where 1 is wanted, counts as a large error.
    """)
    add_neuron(page, "identity", "1/2", "adaline", "ADALINE learns from the sum, and cuts it afterwards.")
    add_neuron(page, "identity", None, "linear-regression", "Linear regression: the same neuron without a threshold.")
    page.table(
        ("epochs", "weight of length", "weight of width", "bias", "distance from least squares"),
        [*rows, ("least squares", *target.coef_, target.intercept_, 0.0)],
        "ADALINE on petals of versicolor (0) and virginica (1), each column less its mean and over its spread",
    )


def sigmoid_neuron(page: Page, X: Array, y: Array) -> None:
    """A sigmoid between sum and error: the chain rule, programmed in two ways."""
    page.text(r"""
        ## The sigmoid neuron

        Put a sigmoid between the sum and the error, as in the second homework of document 001. The activation stays
        between 0 and 1, like the labels, and being very right no longer costs anything. The loss of $n$ samples is
        $L = \frac{1}{n} \sum_i (y_i - a_i)^2$. A weight acts on it in three stages, $w_j \to z \to a \to L$, and the
        **chain rule** multiplies the derivatives of the stages. For one sample:

        $$\frac{\partial L}{\partial w_j} = \frac{\partial L}{\partial a} \cdot \frac{d a}{d z} \cdot
        \frac{\partial z}{\partial w_j} = -2 (y - a) \cdot a (1 - a) \cdot x_j$$

        For $n$ samples take the mean. A program can go through them one at a time, or do them all at once:

        $$\nabla_w L = X^\top \left( -\frac{2}{n} (y - a) \odot a \odot (1 - a) \right)$$

        The sign $\odot$ multiplies entry by entry, and the 1 is a vector of $n$ ones. $X^\top$ has the shape $(m, n)$,
        the bracket $(n,)$, the result $(m,)$: one number per weight.
    """)
    add_neuron(page, "sigmoid", "1/2", "sigmoid", "The sigmoid neuron, and the logistic neuron: one drawing for both.")
    page.code(gradient_by_loop, gradient_at_once)
    w, b = np.random.default_rng(0).normal(size=2), 0.3
    loop, at_once = gradient_by_loop(X, y, w, b), gradient_at_once(X, y, w, b)
    measured = differences(lambda v: np.mean((y - numerics.sigmoid(X @ v[:-1] + v[-1])) ** 2), np.append(w, b))
    apart = float(np.abs(loop - at_once).max())
    page.identity(
        "I-21",
        max(apart, float(np.abs(loop - measured).max())),
        f"At random weights; loop and arrays differ by {apart:.0e}.",
    )
    two_errata(page, X, y, apart)


def two_errata(page: Page, X: Array, y: Array, apart: float) -> None:
    """Signs and shapes in document 001's loop and formulas."""
    values = {round(byte / 255, 4) for byte in range(256)}
    page.erratum(
        "001-9",
        wrong=r"The loop prints $\pm$ in four lines ($L$ and three derivatives). An excerpt of pixels, whole numbers "
        "over 255, holds 0.6375, and one of its rows has 27 values.",
        right="`+=`: each sample adds its share. The pixel is 160 / 255 = 0.6275, and a row has 28.",
        shown=f"With `+=` the loop gives the gradient of the arrays to within {apart:.0e}. Of 256 possible pixels "
        f"{'one' if 0.6375 in values else 'none'} rounds to 0.6375; 160 / 255 rounds to {160 / 255:.4f}.",
    )
    (n, m), a = X.shape, numerics.sigmoid(X.sum(axis=1, keepdims=True))
    late = ((-2 / n * (y[:, None] - a) * a * (1 - a).T) @ X).T
    page.erratum(
        "001-5",
        wrong=r"$x_j \in \mathbb{R}^{m \times 1}$; a derivative that is an entrywise product of vectors; and "
        r"$( \dots \odot (1 - \sigma(z))^\top X )^\top$, where only the last factor is transposed.",
        right=r"$x_j \in \mathbb{R}^n$, one entry per sample. The derivative is the inner product of $x_j$ with the "
        r"bracket, and for all weights $X^\top ( \dots )$, with a vector of ones for the 1: the document's last line.",
        shown=f"With n = {n} and m = {m} the late transpose makes an array of shape {late.shape}; the gradient has the "
        f"shape {(X.T @ y).shape}. An entrywise product has {n} numbers, one derivative is one.",
    )


def logistic_neuron(page: Page) -> None:
    """The same neuron with another loss."""
    page.text(r"""
        ## The logistic neuron

        It has the same sum and the same sigmoid, and another loss: minus the logarithm of the probability that it gave
        to the true label. The factor $a (1 - a)$, nearly 0 where the sigmoid is flat, disappears from the derivative;
        the next lesson shows how. What that changes can be seen: four losses of a sample with the label 1.
    """)
    page.figure(
        "four-losses",
        draw_losses,
        "Left of 0 the label is wrong. There the sigmoid's squared error flattens out: a certain error "
        "teaches nothing. ADALINE's rises again on the right.",
        "Four curves: a hinge (perceptron), a parabola (ADALINE), an S (sigmoid), and a smooth curve (logistic).",
    )


def side_by_side(page: Page, X: Array, y: Array) -> None:
    """All four on the flowers that no line separates."""
    neurons: dict[str, Any] = {
        "perceptron": Perceptron(epochs=50).fit(X, y),
        "ADALINE": Adaline(learning_rate=None, batch_size=None, epochs=1000).fit(X, y),
        "sigmoid neuron": SigmoidNeuron(learning_rate=None, batch_size=None, epochs=1000).fit(X, y),
        "logistic neuron": LogisticRegression(C=1e4).fit(X, y),
    }
    rows = []
    for name, model in neurons.items():
        costs: tuple[Any, Any] = ("no probabilities", "no probabilities")
        if hasattr(model, "predict_proba"):
            p = model.predict_proba(X)[:, 1]
            costs = ((p - y) ** 2).mean(), numerics.binary_cross_entropy(y, p).mean()
        rows.append((name, int((model.predict(X) != y).sum()), *costs))
    page.text(f"""
        ## Side by side

        All four on the petals of {len(y)} flowers, versicolor against virginica. The logistic neuron is
        `LogisticRegression(C=1e4)`, with a penalty too small to matter. *{neurons["logistic neuron"].certificate_}*
        Each of the two sigmoids is best at the cost that it minimises:
    """)
    page.table(("neuron", "mistakes", "mean squared error", "log loss (nats)"), rows, "On the flowers learned from")
    page.figure(
        "decision-lines",
        lambda: draw_decisions(X, y, neurons),
        "Where each neuron changes from versicolor to virginica. The perceptron's line is its last, not its best.",
        "Petal width against petal length: two species that overlap, and four falling lines between them.",
    )


def two_species(first: int, columns: tuple[int, int]) -> tuple[Array, Array]:
    """Two measurements of two neighbouring species of iris in cm; 1 for the second species."""
    from sklearn.datasets import load_iris

    data, species = load_iris(return_X_y=True)
    chosen = (species == first) | (species == first + 1)
    return data[chosen][:, columns], (species[chosen] == first + 1).astype(int)


def per_epoch(X: Array, y: Array, epochs: int, seed: int = 0) -> list[int]:
    """Mistakes in each epoch in random order; 0 in the last one if it was clean."""
    counts = np.bincount([mistake.epoch for mistake in perceptron(X, y, epochs, seed)])[1:].tolist()
    return counts if len(counts) == epochs else [*counts, 0]


def differences(function: Callable[[Array], Any], v: Array, h: float = 1e-6) -> Array:
    """Derivatives by the entries of v, measured: how much the function changes from v - h to v +
    h."""
    return np.array([(function(v + step) - function(v - step)) / (2 * h) for step in h * np.eye(len(v))])


def add_neuron(page: Page, activation: Any, threshold: str | None, name: str, caption: str) -> None:
    """The drawing of a neuron."""

    def draw() -> Figure:
        from polytome.teaching.diagrams import neuron

        inputs, weights = ["$x_1$", "$x_2$", "...", "$x_m$"], ["$w_1$", "$w_2$", "", "$w_m$"]
        learns: Any = "label" if activation == "step" else "activation"
        return neuron(inputs, weights, activation=activation, threshold=threshold, learns_from=learns)

    page.figure(f"neuron-{name}", draw, caption, f"Inputs with weights, their sum, its {activation}, a result.")


def draw_mistakes(both: dict[str, list[int]]) -> Figure:
    """Mistakes per epoch of two perceptrons."""
    from polytome.plots.charts import curves

    series = {name: (np.arange(len(counts)) + 1, np.array(counts)) for name, counts in both.items()}
    return curves(series, x_label="epoch", y_label="mistakes in the epoch", log_x=True)


def draw_losses() -> Figure:
    """Four losses of a sample with label 1."""
    from polytome.plots.charts import curves

    z = np.linspace(-4, 4, 400)
    names = ("perceptron", "ADALINE", "sigmoid", "logistic")
    losses: list[Loss] = [PerceptronLoss(), Squared(), SquaredSigmoid(), Logistic()]
    values = [loss.value_and_gradient(z[:, None], np.ones(400))[0] for loss in losses]
    series = {name: (z, value) for name, value in zip(names, values, strict=True)}
    return curves(series, x_label="score $z$", y_label="loss for the label 1", y_limits=(-0.1, 5))


def draw_decisions(X: Array, y: Array, neurons: dict[str, Any]) -> Figure:
    """Two species and the line of each neuron: w1 x1 + w2 x2 + level = 0."""
    from polytome.plots.charts import points_with_curves

    def line(model: Any) -> Callable[[Array], Array]:
        (w1, w2), level = model.coef_[0], model.decision_function(np.zeros((1, 2)))[0]
        return lambda x1: -(level + w1 * x1) / w2

    groups = {name: (X[y == code, 0], X[y == code, 1]) for code, name in enumerate(("versicolor", "virginica"))}
    lines = {name: line(model) for name, model in neurons.items()}
    units = "(standard deviations)"
    return points_with_curves(groups, lines, x_label=f"petal length {units}", y_label=f"petal width {units}")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
