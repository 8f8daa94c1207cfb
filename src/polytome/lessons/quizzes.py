"""Quizzes: the questions that the documents ask, with answers that are computed.

Document 003 (a quiz of six questions); documents 000, 001 and 002 (questions on slides and in
exercises). Method: Goodfellow, Bengio and Courville, Deep Learning, 2016, sections 6.2 and 8.1;
Cover and Thomas, Elements of Information Theory, 2006, chapter 5.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.numerics.coding import average_length, decode, huffman
from polytome.plots.charts import points_with_curves
from polytome.tables.datasets import load_dataset
from polytome.teaching.diagrams import layer
from polytome.teaching.page import Figure as Drawn
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

CODE = {"Fine": "0", "Cloudy": "10", "Rainy": "110", "Snow": "111"}
DRY = dict(zip(CODE, (0.6, 0.38, 0.01, 0.01), strict=True))
WET = dict(zip(CODE, (0.1, 0.1, 0.4, 0.4), strict=True))
OPTIONS = (3, 5, 12, 15)
RUNS = 200
N_MORE, LARGE = 10, 15.0  # invented flowers, cm


def lesson(page: Page) -> None:
    """Fill the page."""
    page.text("Think before you read on: each answer follows its question, and is computed when this page is made.")
    parameters(page)
    one_hot_and_terms(page)
    outer_product(page)
    two_deltas(page)
    two_programs(page)
    neurons(page)
    outliers(page)
    flowers(page)
    encodings(page)
    drawing_of_question_1(page)


def ask(
    page: Page,
    prompt: str,
    answer: str,
    options: Sequence[object] = (),
    right: object = None,
    figure: Drawn | None = None,
) -> None:
    """Add a question; of the options the one that equals what was computed is right. A figure
    belongs to the answer."""
    place = list(options).index(right) if options else 0
    words = " ".join(prompt.split()), [str(option) for option in options], place, " ".join(answer.split())
    page.question(*words, figure)


def ask_all(page: Page, heading: str, text: str) -> None:
    """Add questions without options below a heading: each is a paragraph, and its answer the next
    one."""
    page.text(f"## {heading}")
    parts = text.strip().split("\n\n")
    for prompt, answer in zip(parts[::2], parts[1::2], strict=True):
        ask(page, prompt, answer)


def parameters(page: Page) -> None:
    """Question 1 of document 003."""
    counts, right = counted_models()
    page.text("## Softmax regression (document 003)")
    ask(
        page,
        "How many parameters does a softmax regression with 4 features and 3 classes have?",
        rf"""Each class has a weight for every feature and one bias: $(4 + 1) \cdot 3 = {counts[4, 3]}$. Without the
        biases it would be {4 * 3}, the trap among the options.""",
        OPTIONS,
        right,
        Drawn(
            "quiz-model",
            "The model with 4 features and 3 classes: an arrow for each parameter.",
            "Four inputs and a constant 1, each joined by an arrow to three scores, which pass through softmax.",
            lambda: layer(4, 3),
        ),
    )


def counted_models() -> tuple[dict[tuple[int, int], int], int]:
    """The parameters of the models that document 003 draws, by features and classes; and the only
    of these numbers among the options of its question."""
    counts = {(d, K): (d + 1) * K for d, K in [(1, 2), (1, 3), (2, 3), (4, 3)]}
    (right,) = {*OPTIONS} & {*counts.values()}
    return counts, right


def drawing_of_question_1(page: Page) -> None:
    """What its document lacks; below all questions, as it has the answer."""
    counts, right = counted_models()
    drawn = ", ".join(f"{count} for {d} and {K}" for (d, K), count in counts.items())
    page.erratum(
        "003-10",
        wrong="The drawing that question 1 asks about is missing.",
        right=f"It must be the model with 4 features and 3 classes: of the options only {right} is the number of "
        "parameters of a model that the document draws.",
        shown=f"$(d + 1) K$ for its four models, by features and classes: {drawn}.",
    )


def one_hot_and_terms(page: Page) -> None:
    """Questions 2 and 3 of document 003."""
    rows = numerics.one_hot(np.repeat([0, 1, 2], 3), 3)
    ask(
        page,
        "Nine flowers, three of each of three species, get one-hot labels. How many entries does the label of "
        "a flower have?",
        f"""One per class, so {rows.shape[1]}. The label of the first flower is `{rows[0].astype(int).tolist()}`, that
        of the last `{rows[-1].astype(int).tolist()}`.""",
        [1, 2, 3, 4],
        rows.shape[1],
    )
    p = numerics.softmax(np.arange(10.0))
    terms = -numerics.one_hot(2, 10) * np.log(p)
    left = int(np.count_nonzero(terms))
    ask(
        page,
        r"""The loss $-\sum_{i=0}^{9} y_i \log \hat y_i$ has ten terms. How many are left for a sample of the third
        category?""",
        rf"""In a one-hot label only the entry of the true class is not 0: {left} term, $-\log \hat y_2$, is left. With
        scores 0 to 9, for instance, the ten terms add up to {terms.sum():.4f}, and that one is {terms[2]:.4f}.""",
        [1, 2, 3, "cannot be said"],
        left,
    )


def outer_product(page: Page) -> None:
    """Question 4 of document 003."""
    data1, data2 = np.array([[1], [2]]), np.array([[3], [4]])
    result = data1.dot(data2.T)
    ask(
        page,
        """`data1` is the column (1, 2) and `data2` the column (3, 4), both of shape (2, 1). What is the shape of
        `data1.dot(data2.T)`?""",
        f"""A column times a row is a matrix with all products, here `{result.tolist()}`. So is the gradient of softmax
        regression for one sample: features times errors.""",
        [(2, 1), (1, 2), (2, 2), "there is an error"],
        result.shape,
    )
    page.number("S3-12", result.shape)


def loss_with(delta: Callable[[int, int], bool], y: int, p: Array, first: int = 0) -> float:
    """Loss of a sample of class y, its sum over two classes counted from `first`."""
    return float(sum(-np.log(p[i - first]) for i in (first, first + 1) if delta(i, y)))


def two_deltas(page: Page) -> None:
    """Question 5 of document 003."""
    p = numerics.softmax([0.38, -0.09])
    wanted = [float(numerics.cross_entropy(numerics.one_hot(y, 2), p)) for y in (0, 1)]
    same = [np.allclose([loss_with(delta, y, p) for y in (0, 1)], wanted) for delta in (operator.eq, operator.ne)]
    options = ["neither", "the first alone", "the second alone", "both"]
    ask(
        page,
        r"""Which $\delta$ makes $-\sum_i \delta(i, y) \log \hat y_i$ the same loss as $-\sum_i y_i \log \hat y_i$ with
        a one-hot label: the first, $\delta = 1$ if $i = y$ and else 0, or the second, $\delta = 0$ if $i = y$ and else
        1?""",
        rf"""The first (Kronecker's delta) picks the term of the true class, as the one-hot label does. With $\hat y$ =
        ({p[0]:.4f}, {p[1]:.4f}) and $y = 0$ it gives {loss_with(operator.eq, 0, p):.4f}; the second picks the other
        class and gives {loss_with(operator.ne, 0, p):.4f}.""",
        options,
        options[same[0] + 2 * same[1]],
    )
    shifted = [loss_with(operator.eq, y, p, first=1) for y in (0, 1)]
    page.erratum(
        "003-4",
        wrong=r"$-\sum_{i=1}^{2} \delta(i, y) \log \hat y_i$ with labels $y$ that are 0 or 1.",
        right=r"$-\sum_{i=0}^{1} \delta(i, y) \log \hat y_i$.",
        shown=f"With sums from 1 to 2 a sample of class 0 has the loss {shifted[0]:g}, whatever the model says, and "
        f"one of class 1 has {shifted[1]:.4f}, that of class 0. Right are {wanted[0]:.4f} and {wanted[1]:.4f}.",
    )


def logarithms_first(y: Array, p: Array) -> float:
    """Program 1: -y' log p."""
    return float(-y.T.dot(np.log(p)).item())


def product_first(y: Array, p: Array) -> float:
    """Program 2: -log(y' p)."""
    return float(-np.log(y.T.dot(p)).item())


def two_programs(page: Page) -> None:
    """Question 6 of document 003."""
    p, sure = np.array([[0.7], [0.3]]), np.array([[1.0], [0.0]])
    one_hot, soft = np.array([[1.0], [0.0]]), np.array([[0.6], [0.4]])
    differences = [abs(logarithms_first(y, p) - product_first(y, p)) for y in (one_hot, one_hot[::-1])]
    page.code(logarithms_first, product_first)
    options = ["program 1 alone", "program 2 alone", "both", "neither"]
    ask(
        page,
        r"Which of these programs computes the loss $-y^\top \log \hat y$ for a one-hot $y$?",
        rf"""With one-hot $y$ the product $y^\top \hat y$ is the probability of the true class, and its logarithm is the
        only term that program 1 keeps: {logarithms_first(one_hot, p):.4f} and {product_first(one_hot, p):.4f} for
        probabilities 0.7 and 0.3 and the first class. They differ where $y$ is not one-hot.""",
        options,
        options[2] if max(differences) < 1e-12 else options[0],
    )
    page.number("S3-15", max(differences))
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = logarithms_first(one_hot, sure)
    page.erratum(
        "003-5",
        wrong="Both programs are called right without a condition.",
        right=r"Both need a one-hot $y$. With a soft label the second computes something else; and the first fails "
        "where a wrong class has probability 0. `numerics.cross_entropy` works for all of them.",
        shown=f"For the label (0.6, 0.4) and probabilities 0.7 and 0.3 they give {logarithms_first(soft, p):.4f} and "
        f"{product_first(soft, p):.4f}. For the label (1, 0) and probabilities 1 and 0 program 1 gives {lost}, "
        f"`numerics.cross_entropy` {numerics.cross_entropy(one_hot[:, 0], sure[:, 0]):g}.",
    )


def neurons(page: Page) -> None:
    """Two questions on the slides of document 001."""
    n, m = 5, 2
    column, X = np.ones((n, 1)), np.ones((n, m))
    ask_all(
        page,
        "Neurons (document 001)",
        rf"""
        In $\frac{{\partial L}}{{\partial a}} \frac{{d a}}{{d z}} \frac{{\partial z}}{{\partial w}}$, the derivative of
        the loss in a weight, why is the middle factor written with a straight d?

        Because $a = \sigma(z)$ depends on $z$ alone, its derivative is an ordinary one. The loss depends on $a$ and
        $y$, and $z$ on all weights and the bias, so their derivatives are partial.

        Spot the problem in the gradient for all samples at once, where vectors are columns with $n$ entries:
        $-\frac{{2}}{{n}} (y - a) \odot \sigma(z) \odot (1 - \sigma(z)) \, x_j^\top$.

        The shapes. A column times the row $x_j^\top$ is a matrix: with $n = {n}$ it has the shape
        `{(column @ column.T).shape}`, where one number is expected. The sum over samples is an inner product,
        $x_j^\top$ first; for all {m} features together $X^\top(\ldots)$ has the shape `{(X.T @ column).shape}`. Also
        $1 - \sigma(z)$ means a vector of ones minus another.
        """,
    )


def outliers(page: Page) -> None:
    """Why a sigmoid: the third question of document 001."""
    line, curve = cutoffs(*petals())
    line_more, curve_more = cutoffs(*petals(N_MORE))
    lost = sum((petals()[0] > line_more) != (petals()[1] == 1))
    ask(
        page,
        r"Why can the sigmoid $a = \sigma(z)$ be better than ADALINE's activation $a = z$, where labels are 0 and 1?",
        f"""It stays between 0 and 1, as the labels do, and saturates: a sample far on its right side costs next to
        nothing. The squared error of a line penalises such a sample for being more than right. For petal lengths of
        versicolor and virginica the line crosses one half at {line:.2f} cm and the sigmoid at {curve:.2f} cm. Add
        {N_MORE} virginicas of {LARGE:g} cm, which should change nothing: the line then crosses at {line_more:.2f} cm
        and gets {lost} of the {len(petals()[1])} real flowers wrong, the sigmoid still at {curve_more:.2f} cm.""",
        figure=Drawn(
            "quiz-outliers",
            f"Fits to the real flowers and {N_MORE} invented ones of {LARGE:g} cm; above one half they answer 1.",
            "Petal length against class 0 or 1. The sigmoid rises steeply between the two species; the line, pulled "
            "down by the invented flowers on the right, crosses one half further to the right.",
            draw_outliers,
        ),
    )


def petals(n_more: int = 0) -> tuple[Array, Array]:
    """Petal lengths in cm of versicolor (0) and virginica (1), and a number of large virginicas."""
    iris = load_dataset("iris")
    labels = (iris.y[50:] == "virginica").astype(float)
    return np.append(iris.X[50:, 2], np.full(n_more, LARGE)), np.append(labels, np.ones(n_more))


def fits(lengths: Array, y: Array) -> tuple[LinearRegression, LogisticRegression]:
    """The least-squares line and the sigmoid."""
    X = lengths[:, None]
    return LinearRegression().fit(X, y), LogisticRegression(C=100.0).fit(X, y)


def cutoffs(lengths: Array, y: Array) -> tuple[float, float]:
    """Where line and sigmoid cross one half, in cm."""
    line, sigmoid = fits(lengths, y)
    return float((0.5 - line.intercept_) / line.coef_[0]), float(-sigmoid.intercept_[0] / sigmoid.coef_[0, 0])


def flowers(page: Page) -> None:
    """The questions of document 002."""
    n, d = load_dataset("iris").X.shape
    found = {rate: accuracies_of_runs(rate) for rate in (0.1, 0.01, 0.001, 0.0001)}
    means = ", ".join(f"{accuracies.mean():.0%} with {rate:g}" for rate, accuracies in found.items())
    seen, unseen = learned_by_heart()
    ask_all(
        page,
        "Flowers and learning rates (document 002)",
        f"""
        How many data points does Iris have, and how many weights does a model for two species have without its bias?

        {n} data points. A weight for each of the {d} measurements, so {d}. Softmax regression for all three species has
        {d * 3}.

        Logistic regression is trained for 20 epochs with learning rates of 0.1, 0.01, 0.001 and 0.0001. What happens to
        the accuracy, and why?

        It falls with the rate, since 20 epochs of small steps do not lead far: the model stays close to its random
        start. Mean training accuracy of {RUNS} runs: {means}. More epochs would help the small rates.

        Why does the experiment end differently each time?

        The first weights and the order of the flowers are random. With a rate of 0.001 the accuracies of {RUNS} runs
        lie between {found[0.001].min():.0%} and {found[0.001].max():.0%}. A fixed seed repeats a run; a fit that goes
        to the minimum, where there is one, does not depend on the start.

        Some runs reach 100 %. Will the model be right on all new flowers?

        Not for certain: these are the flowers that it has learned from. Take versicolor and virginica and learn from
        every tenth of them: the answers are right on {seen:.0%} of these and on {unseen:.0%} of the others. Setosa and
        versicolor lie so far apart that new ones will rarely be wrong, but that is a property of these species.
        """,
    )


def accuracies_of_runs(rate: float, epochs: int = 20) -> Array:
    """Training accuracies of document 002's program, setosa against versicolor, from many random
    starts at once."""
    iris = load_dataset("iris")
    X, y = np.hstack([np.ones((100, 1)), iris.X[:100]]), np.repeat([0.0, 1.0], 50)
    rng = np.random.default_rng(0)
    W = rng.normal(size=(RUNS, 5))
    for _ in range(epochs):
        for rows in rng.permuted(np.tile(np.arange(100), (RUNS, 1)), axis=1).T:
            error = numerics.sigmoid((X[rows] * W).sum(axis=1)) - y[rows]
            W -= rate * error[:, None] * X[rows]
    right: Array = ((W @ X.T > 0) == (y == 1)).mean(axis=1)
    return right


def learned_by_heart() -> tuple[float, float]:
    """Accuracy on every tenth flower of versicolor and virginica, learned from, and on the
    others."""
    iris = load_dataset("iris")
    X, y, seen = iris.X[50:], iris.y[50:], np.arange(100) % 10 == 0
    model = LogisticRegression(C=1e4).fit(X[seen], y[seen])
    return float(model.score(X[seen], y[seen])), float(model.score(X[~seen], y[~seen]))


def written(code: dict[str, str]) -> str:
    """The words of a code."""
    return ", ".join(f"{name} {word}" for name, word in code.items())


def encodings(page: Page) -> None:
    """Questions of document 000 on the weather messages."""
    bits, best = "010110111", huffman(WET)
    limits = [float(numerics.entropy(list(weather.values()), base=2)) for weather in (DRY, WET)]
    lengths = [average_length(huffman(weather), weather) for weather in (DRY, WET)]
    of_eight = {len(word) for word in huffman([1 / 8] * 8).values()}
    ask_all(
        page,
        "Messages about the weather (document 000)",
        rf"""
        Tokyo reports its weather to New York in bits: {written(CODE)}. Does this encoding work: is it clear where each
        word ends in {bits}?

        Yes. No word is the beginning of another, so reading from the left there is one way only:
        {", ".join(decode(bits, CODE))}.

        How long is a message on average, if the four weathers have the probabilities 0.1, 0.1, 0.4 and 0.4?

        The mean of the lengths, each weighted by the probability of its word:
        $0.1 \cdot 1 + 0.1 \cdot 2 + 0.4 \cdot 3 + 0.4 \cdot 3 = {average_length(CODE, WET):.1f}$ bits.

        Can other words make it shorter?

        Yes, short words for probable weathers: with {written(best)} it is {average_length(best, WET):.1f} bits.

        How do we know that no other encoding is shorter on average? Is there a simple way to the smallest size?

        Huffman's procedure repeatedly joins the two least probable messages and leads to the best words for single
        messages. With the probabilities 0.6, 0.38, 0.01, 0.01 they need {lengths[0]:.2f} bits, with 0.1, 0.1, 0.4, 0.4
        {lengths[1]:.2f}. A limit is simpler, the entropy: {limits[0]:.4f} and {limits[1]:.4f} bits. No encoding gets
        below it; one with words for many messages together comes arbitrarily close.

        Eight messages, all equally probable: how many bits does each need?

        $\log_2 8 = {np.log2(8):g}$ bits: there are just enough words of that length. Huffman's words have no other
        length than {", ".join(map(str, of_eight))}.
        """,
    )


def draw_outliers() -> Figure:
    """Line and sigmoid, fitted to the real flowers and those that are added."""
    lengths, y = petals(N_MORE)
    line, sigmoid = fits(lengths, y)
    return points_with_curves(
        {name: (lengths[y == label], y[y == label]) for label, name in enumerate(("versicolor", "virginica"))},
        {
            "line": lambda x: line.predict(x[:, None]),
            "sigmoid": lambda x: sigmoid.predict_proba(x[:, None])[:, 1],
        },
        x_label="petal length (cm)",
        y_label="class, or what is fitted to it",
        levels={"one half": 0.5},
    )


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
