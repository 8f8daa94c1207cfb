"""Logits and losses: what goes into which loss, and how to detect softmax applied twice.

Documents 001 (logits, cross-entropy of four examples, the loss-input table that it links to).
Method: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.errors import ArgumentError
from polytome.numerics import looks_like_probabilities
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

SCORES = np.array([[-0.3, -0.5, -0.5], [-0.4, -0.1, -0.5], [-0.3, -0.94, -0.5], [-0.99, -0.88, -0.5]])
LABELS = np.array([0, 1, 2, 2])
PRINTED = np.array(  # document 001's matrix A, rounded to four digits by it
    [[0.3792, 0.3104, 0.3104], [0.3072, 0.4147, 0.2780], [0.4263, 0.2248, 0.3490], [0.2668, 0.2978, 0.4354]]
)
BINARY_SCORES = np.array([2.0, -1.0, 0.5])
BINARY_LABELS = np.array([1, 0, 1])
TAKES = {  # PyTorch's losses
    "cross_entropy": "scores",
    "nll_loss": "log-probabilities",
    "binary_cross_entropy_with_logits": "scores",
    "binary_cross_entropy": "probabilities",
}


def lesson(page: Page) -> None:
    """Fill the page."""
    logits(page)
    four_examples(page)
    which_loss(page)
    the_same_value(page)
    twice(page)
    found_out(page)


def losses_by_hand(Y: Array, A: Array) -> Array:
    """Cross-entropy of each row in nats: one-hot labels Y, probabilities A."""
    return -(Y * np.log(A)).sum(axis=1)


def loss_once(z: Array, label: int) -> float:
    """The correct way."""
    return float(numerics.cross_entropy_from_scores(label, z))


def loss_twice(z: Array, label: int) -> float:
    """With softmax before a loss that has its own."""
    p = numerics.softmax(z)
    return float(numerics.cross_entropy(label, numerics.softmax(p)))


def logits(page: Page) -> None:
    """Scores, log-probabilities, probabilities, labels."""
    page.text(r"""
        ## Four forms of one answer

        The last layer of a model gives a score to each class. Deep learning calls the scores **logits**. The word comes
        from logistic regression, where the score of class 1 is the logit of its probability, $\log(p / (1 - p))$. On
        the way to a label the answer changes its form three times:
    """)
    A = numerics.softmax(SCORES)
    z, log_p = SCORES[0], numerics.log_softmax(SCORES[0])
    page.table(
        ("form", "for one example", "what it is", "adds up to"),
        [
            ("scores (logits)", z, "any real numbers", float(z.sum())),
            ("log-probabilities", log_p, r"scores minus $\log \sum_j e^{z_j}$; none above 0", float(log_p.sum())),
            ("probabilities", A[0], "exponentials of these, from 0 to 1", float(A[0].sum())),
            ("label", np.array([A[0].argmax()]), "place of the largest", ""),
        ],
    )
    page.text("""
        Only for the probabilities does the sum mean anything: it is 1. Mistakes happen because all three are arrays of
        the same shape. A loss cannot tell which one it was given, unless it checks.
    """)
    page.number("S1-06", A)
    page.number("S1-08", PRINTED.argmax(axis=1))


def four_examples(page: Page) -> None:
    """The loss of each example, and of all."""
    Y = numerics.one_hot(LABELS, 3)
    losses = losses_by_hand(Y, PRINTED)
    page.text(r"""
        ## The loss of four examples

        The labels are 0, 1, 2, 2. In each row only the probability of the true class counts:

        $$L^{[i]} = -\sum_j y_j^{[i]} \log a_j^{[i]}$$
    """)
    page.code(losses_by_hand)
    for name, loss in zip(("S1-01", "S1-02", "S1-03", "S1-04"), losses, strict=True):
        page.number(name, loss)
    page.number("S1-05", losses.mean())
    page.figure(
        "four-losses",
        lambda: draw_examples(losses),
        "The matrix A. The loss looks at the outlined cell of each row, that of the true class. The third example has "
        "its largest probability elsewhere: it is classified wrongly and costs most.",
        "Heat map of four rows and three classes with the probabilities; the cell of the true class is outlined, and "
        "each row is named by its class and its loss.",
    )
    of_last_class = -(Y * np.log(PRINTED[:, -1:])).sum()
    page.erratum(
        "001-3",
        wrong=r"$\sum_i \sum_j -y_j \log a_k$, with $k$ the number of classes.",
        right=r"$\sum_i \sum_j -y_j \log a_j$: label and probability of the same class.",
        shown=f"The printed index takes the last class for every example and gives {of_last_class:.4f} instead of "
        f"{losses.sum():.4f}.",
    )
    page.erratum(
        "001-4",
        wrong="The formula adds up the four losses; the value beside it is 0.9335.",
        right="A sum over the examples; 0.9335 is the mean, as PyTorch computes it.",
        shown=f"Sum {losses.sum():.5f}, mean {losses.mean():.5f}. The gradient of the sum is {len(losses)} times as "
        "long, so a learning rate fits only one of the two.",
    )


def which_loss(page: Page) -> None:
    """The table of losses and their inputs."""
    ours = our_losses(SCORES, LABELS, BINARY_SCORES, BINARY_LABELS)
    theirs = torch_losses(SCORES, LABELS, BINARY_SCORES, BINARY_LABELS)
    page.text("""
        ## Which loss takes what

        PyTorch's losses (in `torch.nn.functional`) have names that do not say what they take. Here are the four, with
        the mean over the examples in nats:
    """)
    page.table(
        ("PyTorch", "takes", "our mean", "PyTorch's"),
        [
            (f"`{name}`", takes, float(ours[name].mean()), float(theirs[name].mean()) if theirs else "not installed")
            for name, takes in TAKES.items()
        ],
    )
    if not theirs:
        page.skip("PyTorch is not installed; with it (`pip install torch`) its values stand in the table too.")
    page.text("In `polytome.numerics` the name says it, and no function takes log-probabilities:")
    page.table(
        ("Polytome", "takes", "applies"),
        [
            ("`cross_entropy_from_scores`", "scores", "softmax, logarithm"),
            ("`cross_entropy`", "probabilities", "logarithm"),
            ("`binary_cross_entropy_from_scores`", "scores", "sigmoid, logarithm"),
            ("`binary_cross_entropy`", "probabilities", "logarithm"),
        ],
    )
    pair = numerics.binary_cross_entropy([0, 1], [0.3, 0.7])
    three = numerics.binary_cross_entropy(numerics.one_hot(0, 3), numerics.softmax(SCORES[0]))
    page.erratum(
        "001-10",
        wrong="Both losses, the binary one too, are said to need one-hot labels.",
        right=r"One-hot labels belong to the loss of several classes. The binary loss takes one $y$, 0 or 1, for one "
        "probability.",
        shown=f"With a pair of classes one-hot the binary loss counts everything twice: {pair.sum():.4f} instead of "
        f"{pair[1]:.4f}. For the first example above with its three classes it gives {three.sum():.4f} instead of "
        f"{ours['cross_entropy'][0]:.4f}.",
    )


def the_same_value(page: Page) -> None:
    """Two ways to one value, and which is better."""
    rng = np.random.default_rng(0)
    Z, labels = rng.normal(scale=3, size=(1000, 4)), rng.integers(4, size=1000)
    z, y = rng.normal(scale=2, size=1000), rng.integers(2, size=1000)
    libraries = {"Polytome": our_losses(Z, labels, z, y), "PyTorch": torch_losses(Z, labels, z, y)}
    computed = {name: losses for name, losses in libraries.items() if losses}
    several, binary = (
        max(float(np.abs(losses[one] - losses[other]).max()) for losses in computed.values())
        for one, other in (list(TAKES)[:2], list(TAKES)[2:])
    )
    page.text("""
        Two pairs in the first table are two ways to one value: give scores to one, or apply sigmoid or log-softmax
        first and give the result to the other.
    """)
    page.identity("I-31", binary, f"1,000 random scores, by {' and by '.join(computed)}.")
    page.identity("I-32", several, f"1,000 random rows of four scores, by {' and by '.join(computed)}.")
    page.text(f"""
        Prefer to start from scores. A probability is rounded before its logarithm is taken, and what was rounded away
        is lost. For the score 40 and the label 0 the loss is
        {float(numerics.binary_cross_entropy_from_scores(0, 40.0)):g} nats. Through the probability, which rounds to
        {float(numerics.sigmoid(40.0)):g}, it is {float(numerics.binary_cross_entropy(0, numerics.sigmoid(40.0)))}.
    """)


def twice(page: Page) -> None:
    """What happens when softmax is applied twice."""
    models = {"sure and right": [10.0, 0.0, 0.0], "undecided": [0.0, 0.0, 0.0], "sure and wrong": [0.0, 10.0, 0.0]}
    rows = [
        (name, loss_once(z, 0), loss_twice(z, 0), slope(loss_once, z), slope(loss_twice, z))
        for name, z in ((name, np.array(scores)) for name, scores in models.items())
    ]
    page.text(r"""
        ## Softmax twice

        A frequent mistake: a model ends in softmax, and then its probabilities go to a loss that takes scores
        and applies softmax again. Nothing breaks. The loss even falls. But probabilities lie between 0 and 1, and as
        scores they are nearly equal, so the second softmax can never be certain. With $K$ classes the most that it can
        give the true class is $e / (e + K - 1)$.
    """)
    page.code(loss_once, loss_twice)
    page.table(
        ("the model is", "loss", "loss, twice", "slope", "slope, twice"),
        rows,
        "Three classes, the true one is 0; loss in nats, slope in its score",
    )
    page.figure(
        "softmax-twice",
        draw_twice,
        "Three classes. Applied twice, the loss is flat at both ends: it never comes close to 0, and where the "
        "model is "
        "sure of the wrong class nothing pulls it back.",
        "Two falling curves of the loss against the score of the true class: the right one is a straight line on the "
        "left and reaches zero, the other one levels off on both sides.",
    )
    floors = ", ".join(f"{np.log(1 + (K - 1) / np.e):.3f} for {K}" for K in (2, 3, 10))
    page.text(f"""
        The lowest possible loss is no longer 0 but, in nats, {floors} classes. A training loss that stays
        near such a number is a warning sign.
    """)


def found_out(page: Page) -> None:
    """How the libraries respond to each mistake."""
    p, q = numerics.softmax(SCORES), numerics.sigmoid(BINARY_SCORES)
    theirs = torch_mistakes()
    calls: dict[tuple[str, str], Callable[[], Array]] = {
        ("probabilities", "cross_entropy"): lambda: numerics.cross_entropy_from_scores(LABELS, p),
        ("log-probabilities", "cross_entropy"): lambda: numerics.cross_entropy_from_scores(LABELS, np.log(p)),
        ("scores", "nll_loss"): lambda: numerics.cross_entropy(LABELS, SCORES),
        ("scores", "binary_cross_entropy"): lambda: numerics.binary_cross_entropy(BINARY_LABELS, BINARY_SCORES),
        ("probabilities", "binary_cross_entropy_with_logits"): lambda: numerics.binary_cross_entropy_from_scores(
            BINARY_LABELS, q
        ),
    }
    answers = {key: answer(call) for key, call in calls.items()}
    page.text("""
        ## Found out

        A loss can examine its input. Scores are arbitrary numbers: that all their rows have no negative entry and add
        up to 1, to within round-off, happens by accident only if they were typed by hand. So Polytome warns:
    """)
    page.code(answer)
    page.table(
        ("handed over", "to (PyTorch's name)", "Polytome", "PyTorch"),
        [(*key, said[0], theirs.get(key, "not installed")) for key, said in answers.items()],
        f"Right values: {loss_text(numerics.cross_entropy(LABELS, p))} with three classes, "
        f"{loss_text(numerics.binary_cross_entropy(BINARY_LABELS, q))} with two",
    )
    kinds = {"scores": SCORES, "probabilities": p, "log-probabilities": np.log(p)}
    asked = [f"{'yes' if looks_like_probabilities(values) else 'no'} to {name}" for name, values in kinds.items()]
    page.text(f"""
        The messages of the first and the third row are:

        > {answers["probabilities", "cross_entropy"][1]}

        > {answers["scores", "nll_loss"][1]}

        Log-probabilities in place of scores do no harm, because their exponentials already add up to 1. The last
        mistake cannot be detected: a single number between 0 and 1 may also be a score. To check for yourself, use
        `looks_like_probabilities` in `polytome.numerics`; it says {", ".join(asked)}.
    """)


def answer(call: Callable[[], Array]) -> tuple[str, str]:
    """What a call says: in short, and its words in full."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            value = loss_text(call())
        except ArgumentError as error:
            return "refuses", str(error)
    if heard:
        return f"{value}, and warns", str(heard[0].message)
    return value, ""


def loss_text(losses: Array) -> str:
    """The mean, in four digits."""
    return f"{float(losses.mean()):.4f}"


def slope(loss: Callable[[Array, int], float], z: Array, change: float = 1e-5) -> float:
    """Derivative of a loss in the score of class 0, from differences."""
    shift = np.array([change, 0, 0])
    return round((loss(z + shift, 0) - loss(z - shift, 0)) / (2 * change), 6)


def our_losses(Z: Array, y: Array, z: Array, t: Array) -> dict[str, Array]:
    """The losses of the table, of every example; rows of scores Z with labels y, scores z with
    labels t."""
    return {
        "cross_entropy": numerics.cross_entropy_from_scores(y, Z),
        "nll_loss": numerics.logsumexp(Z) - Z[np.arange(len(y)), y],
        "binary_cross_entropy_with_logits": numerics.binary_cross_entropy_from_scores(t, z),
        "binary_cross_entropy": numerics.binary_cross_entropy(t, numerics.sigmoid(z)),
    }


def torch_losses(Z: Array, y: Array, z: Array, t: Array) -> dict[str, Array]:
    """The same by PyTorch; empty where it is not installed."""
    if not find_spec("torch"):
        return {}
    import torch
    from torch.nn import functional

    rows, labels = torch.from_numpy(Z), torch.from_numpy(y)
    scores, targets = torch.from_numpy(z), torch.from_numpy(t).double()
    inputs = {
        "cross_entropy": (rows, labels),
        "nll_loss": (functional.log_softmax(rows, 1), labels),
        "binary_cross_entropy_with_logits": (scores, targets),
        "binary_cross_entropy": (torch.sigmoid(scores), targets),
    }
    return {name: getattr(functional, name)(*pair, reduction="none").numpy() for name, pair in inputs.items()}


def torch_mistakes() -> dict[tuple[str, str], str]:
    """How PyTorch responds to the mistakes; empty if it is not installed."""
    if not find_spec("torch"):
        return {}
    import torch
    from torch.nn import functional

    rows, scores = torch.from_numpy(SCORES), torch.from_numpy(BINARY_SCORES)
    forms = {
        "cross_entropy": {"probabilities": rows.softmax(1), "log-probabilities": rows.log_softmax(1)},
        "nll_loss": {"scores": rows},
        "binary_cross_entropy": {"scores": scores},
        "binary_cross_entropy_with_logits": {"probabilities": scores.sigmoid()},
    }
    said = {}
    for name, inputs in forms.items():
        labels = torch.from_numpy(BINARY_LABELS).double() if name.startswith("binary") else torch.from_numpy(LABELS)
        for form, values in inputs.items():
            try:
                said[form, name] = f"{float(getattr(functional, name)(values, labels)):.4f}"
            except RuntimeError:
                said[form, name] = "refuses"
    return said


def draw_examples(losses: Array) -> Figure:
    """The matrix of probabilities with each example's loss."""
    from matplotlib.patches import Rectangle

    from polytome.plots.drawing import PALETTE
    from polytome.plots.matrices import heat_map

    examples = enumerate(zip(LABELS, losses, strict=True))
    figure = heat_map(
        PRINTED,
        row_names=[f"{i + 1}: class {y}, loss {loss:.3f}" for i, (y, loss) in examples],
        column_names=["class 0", "class 1", "class 2"],
        row_label="example",
        column_label="class",
        value_label="probability (loss in nats)",
    )
    for row, label in enumerate(LABELS):
        figure.axes[0].add_patch(Rectangle((label, row), 1, 1, fill=False, edgecolor=PALETTE[1], linewidth=2.5))
    return figure


def draw_twice() -> Figure:
    """The loss against the score of the true class, once and twice."""
    from polytome.plots.charts import curves

    t = np.linspace(-10, 10, 401)
    z = np.column_stack([t, np.zeros_like(t), np.full_like(t, -5.0)])
    series = {
        "softmax once": (t, np.array([loss_once(row, 0) for row in z])),
        "softmax twice": (t, np.array([loss_twice(row, 0) for row in z])),
    }
    floor = {"lowest, twice": float(np.log(1 + 2 / np.e))}
    x_label, y_label = "score of the true class", "loss (nats)"
    return curves(series, x_label=x_label, y_label=y_label, levels=floor, y_limits=(0, 4))


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
