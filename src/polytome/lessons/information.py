"""Information: bits, codes, entropy, cross-entropy and divergence, from the weather of Tokyo.

Documents 000 (entropy and cross-entropy as code lengths), 004 (cross-entropy, discrete and
continuous). Method: Shannon 1948; Cover and Thomas, Elements of Information Theory, 2006, chapters
2, 5 and 8.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from polytome import numerics
from polytome.numerics.coding import average_length, decode, huffman, kraft_sum
from polytome.teaching.layouts import bits_from_nats
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Weather = dict[str, float]

CODE = {"Fine": "0", "Cloudy": "10", "Rainy": "110", "Snow": "111"}
TOKYO = {"Fine": 0.6, "Cloudy": 0.38, "Rainy": 0.01, "Snow": 0.01}
WET = {"Fine": 0.1, "Cloudy": 0.1, "Rainy": 0.4, "Snow": 0.4}
HALVES = {"Fine": 0.5, "Cloudy": 0.25, "Rainy": 0.125, "Snow": 0.125}
WEATHERS = {"mostly fine": TOKYO, "mostly wet": WET, "halves": HALVES}
TREE = "A tree from left to right: each branching has a 0 and a 1, each end a kind of weather with its probability."
ANIMALS = ["dog", "fox", "horse", "eagle", "squirrel"]
DOG = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
UNTRAINED = np.array([0.4, 0.3, 0.05, 0.05, 0.2])
TRAINED = np.array([0.98, 0.01, 0.0, 0.0, 0.01])


def lesson(page: Page) -> None:
    """Fill the page."""
    words(page)
    averages(page)
    how_few(page)
    entropy_itself(page)
    wrong_code(page)
    two_distributions(page)
    animals(page)
    without_gaps(page)


def bits(weather: Weather) -> float:
    """Entropy: the mean of -log2 of the probability."""
    return float(numerics.entropy(list(weather.values()), base=2))


def cost(p: ArrayLike, q: ArrayLike, base: float | None = None) -> float:
    """Cross-entropy of one distribution and one belief, as a number; nats without a base."""
    return float(numerics.cross_entropy(p, q, base=base))


def bits_per_message(weather: Weather, n: int) -> float:
    """Mean length of the best code for blocks of n messages, per message."""
    blocks = {}
    for block in itertools.product(weather, repeat=n):
        blocks[block] = math.prod(weather[message] for message in block)
    return average_length(huffman(blocks), blocks) / n


def words(page: Page) -> None:
    """One bit, two bits, and words of different length."""
    page.text("""
        ## Messages as bits

        Tokyo repeatedly reports its weather to New York. The line carries only zeros and ones: bits. With one bit
        for each report there are two messages, say "fine" and "not fine". With two bits there are four. Or the words
        differ in length, the most frequent message getting the shortest:
    """)
    page.table(
        ("message", "one bit", "two bits", "different lengths"),
        [(m, "01"[k > 0], format(k, "02b"), CODE[m]) for k, m in enumerate(CODE)],
        "Three codes for four kinds of weather; the first loses what kind of bad weather it is",
    )
    page.text("""
        How does New York know where a word ends? No word is the beginning of another one: a **prefix code**. In the
        tree, walk from the left, one branch for each bit. Where a message stands, a word is complete; start again.
    """)
    caption = "The code as a tree. A circle holds the probability of all that lies to its right."
    page.figure("code-tree", lambda: draw_tree(CODE, TOKYO), caption, TREE)
    page.number("S0-20", decode("010110111", CODE))
    page.number("S0-21", decode("110010111", CODE))


def averages(page: Page) -> None:
    """The mean number of bits, and how to lower it."""
    page.text(rf"""
        ## Bits per message

        How long is a message on average? Weigh the length of each word by the probability of its message:
        $\sum_m P(m) \, \text{{length}}(m)$. Let the probability of fine weather be {TOKYO["Fine"]}, of clouds
        {TOKYO["Cloudy"]}, of rain and snow {TOKYO["Rainy"]} each:
    """)
    page.number("S0-22", average_length(CODE, TOKYO))
    page.text("""
        For weather that is mostly wet the same code is bad, because frequent messages have long words. Give them the
        short ones instead:
    """)
    page.number("S0-23", average_length(CODE, WET))
    best = huffman(WET)
    page.number("S0-24", average_length(best, WET))
    page.text("""
        This is the best that any code with a word for each message can do. Huffman's rule finds it: join the two least
        probable messages into one; treat it as a message; repeat until one is left. Then read the words off the tree.
        `polytome.numerics.coding.huffman` does this.
    """)
    page.figure("huffman-tree", lambda: draw_tree(best, WET), "Huffman's code for the wet weather.", TREE)
    page.figure(
        "weathers",
        draw_weathers,
        "Three kinds of weather. The third is what the words 0, 10, 110, 111 fit exactly. It is a guess: document "
        "000 mentions rain with 12.5 %, but its picture is lost.",
        "Bars of the probabilities of fine, cloudy, rainy and snow in three distributions: mostly fine, mostly wet, "
        "and one half, one quarter and two eighths.",
    )


def how_few(page: Page) -> None:
    """The information in one message."""
    n = np.arange(2, 65)
    uniform = [float(numerics.entropy(np.full(k, 1 / k), base=2)) for k in n]
    error = float(np.abs([np.log2(n) + np.log2(1 / n), np.log2(n) - uniform]).max())
    five = dict.fromkeys("ABCDE", 0.2)
    page.text(r"""
        ## How few bits are enough?

        Eight messages, all equally probable, need words of three bits, since $2^3 = 8$: in general $\log_2 N$ bits
        for $N$ messages. Each has the probability $P = 1/N$, so the same can be said of a single message:

        $$\log_2 N = -\log_2 \frac{1}{N} = -\log_2 P$$

        This is the **information** in a message of probability $P$, or its surprise. What is certain carries none. What
        is rare carries much, because it rules out so much else.
    """)
    page.number("S0-25", [float(np.log2(8)), uniform[8 - 2]])
    page.identity("I-29", error, "All N from 2 to 64.")
    page.number("S0-26", sum(p for message, p in HALVES.items() if message != "Rainy"))
    page.erratum(
        "000-13",
        wrong=r"$N$ values need $\log_2 N$ bits and no more.",
        right=r"A word has a whole number of bits: $\lceil \log_2 N \rceil$ for words of one length. Only long blocks "
        r"of messages come close to $\log_2 N$ for each.",
        shown=f"For five messages log2 5 = {np.log2(5):.4f} bits. Words of one length have {math.ceil(np.log2(5))}, "
        f"Huffman's {bits_per_message(five, 1):.4f} on average, in blocks of three {bits_per_message(five, 3):.4f}.",
    )


def entropy_itself(page: Page) -> None:
    """The mean information, and the theorem about codes."""
    page.text(r"""
        ## Entropy

        The mean information of a message is the **entropy** of its distribution. A message that never occurs counts 0,
        the limit of $P \log P$:

        $$H(P) = -\sum_m P(m) \log_2 P(m)$$

        No prefix code needs fewer bits on average, and Huffman's needs less than one bit more (Shannon). Word lengths
        cannot all be short: for every prefix code the sum of $2^{-\text{length}}$ over its words is at most 1 (Kraft).
    """)
    page.table(
        ("weather", "entropy", "Huffman", "two bits each", "Kraft sum of Huffman"),
        [(n, bits(w), average_length(huffman(w), w), 2.0, kraft_sum(huffman(w))) for n, w in WEATHERS.items()],
        "Bits per message",
    )
    broken = 0.0
    for p in np.random.default_rng(0).dirichlet(np.full(6, 0.5), size=300):
        code = huffman(p)
        broken = max(broken, kraft_sum(code) - 1, float(numerics.entropy(p, base=2)) - average_length(code, p))
    page.identity("I-30", broken, "Huffman's codes of 300 random distributions of six messages.")
    page.text(f"""
        Is this the best possible? For the mostly fine weather {average_length(CODE, TOKYO):.2f} bits are the best with
        a word for
        each message, but the entropy is less. "Fine" carries only {-math.log2(0.6):.3f} bits, and a word has at least
        one. Give words to blocks of messages, and the waste is shared:
    """)
    page.code(bits_per_message)
    page.table(("messages in a block", "bits per message"), [(n, bits_per_message(TOKYO, n)) for n in (1, 2, 3, 4, 5)])
    page.figure(
        "binary-entropy",
        draw_binary_entropy,
        "Entropy of two messages. Nothing is less predictable than a fair coin: one bit.",
        "An arch over the probability from 0 to 1: zero at both ends, one bit at one half.",
    )


def wrong_code(page: Page) -> None:
    """A code stands for a distribution; cross-entropy is the cost of the wrong one."""
    p, q = list(TOKYO.values()), list(HALVES.values())
    paid, gap = cost(p, q, 2), float(numerics.kl_divergence(p, q, base=2))
    page.text(rf"""
        ## The code for the wrong weather

        A word of length $\ell$ is right for a message of probability $2^{{-\ell}}$. So the words 0, 10, 110, 111 stand
        for a belief $Q$: one half, one quarter, one eighth, one eighth. Whoever holds it expects {bits(HALVES):.2f}
        bits per message, the entropy of $Q$. But the weather follows $P$, and lengths are paid with its probabilities:

        $$H(P, Q) = -\sum_m P(m) \log_2 Q(m) = {paid:.2f}$$

        That is the **cross-entropy**. With $P$ known, {bits(TOKYO):.4f} bits would have been enough. The difference
        of {gap:.4f} bits is the price of the wrong belief, the Kullback-Leibler divergence of $Q$ from $P$. The
        expectation $H(Q)$ of the holder, which document 000 calls an estimated entropy, says nothing about either.
    """)
    rng = np.random.default_rng(1)
    P, Q = rng.dirichlet(np.ones(5), size=1000), rng.dirichlet(np.ones(5), size=1000)
    cross, own = numerics.cross_entropy(P, Q), numerics.entropy(P)
    broken = max((own - cross).max(), np.abs(numerics.cross_entropy(P, P) - own).max())
    page.identity("I-23", float(broken), "1,000 random pairs of distributions, and each with itself.")
    page.identity("I-24", float(np.abs(numerics.kl_divergence(P, Q) - (cross - own)).max()), "The same pairs.")
    page.figure(
        "cross-entropy",
        draw_cross_entropy,
        "Two messages, the first in 70 of 100 cases. What is paid for a belief is least, and equal to the entropy, "
        "where the belief is right. What the holder of the belief expects is another matter.",
        "A curve of cross-entropy over the believed probability with its lowest point at 0.7, an arch of what is "
        "expected that touches it there, and a dashed line at the entropy.",
    )
    page.number("S4-03", cost([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]))
    page.erratum(
        "004-9",
        wrong="Cross-entropy is an expected number of bits, with a logarithm that is the natural one in the loss.",
        right=r"Bits need $\log_2$; the natural logarithm gives nats. One nat is $1/\log 2$ bits.",
        shown=f"In words for four equally probable messages any weather costs {cost(p, [1 / 4] * 4):.4f} nats, that is "
        f"{cost(p, [1 / 4] * 4, 2):g} bits; one nat is {bits_from_nats(1.0):.4f} bits.",
    )


def two_distributions(page: Page) -> None:
    """What is lowest when, and independent messages."""
    p, q, halves = (np.array(list(weather.values())) for weather in (TOKYO, WET, HALVES))
    page.erratum(
        "004-10",
        wrong="Cross-entropy is least where the distributions are equal.",
        right=r"Over $Q$, for a fixed $P$. For a fixed $Q$ it is least where $P$ always takes the likeliest value of "
        r"$Q$: $-\log \max Q$. And its gradient is $\hat y - y$ only for labels that sum to 1 (lesson Jacobians).",
        shown=f"With the mostly fine weather as $Q$: at $P = Q$ it is {cost(p, p):.4f} nats, for always fine weather "
        f"{cost(np.eye(4)[p.argmax()], p):.4f}.",
    )
    rng = np.random.default_rng(2)
    first = rng.dirichlet(np.ones(3), size=(2, 200))
    second = rng.dirichlet(np.ones(4), size=(2, 200))
    joint = (first[..., :, np.newaxis] * second[..., np.newaxis, :]).reshape(2, 200, 12)
    of_joint, *of_each = (numerics.cross_entropy(*pair) for pair in (joint, first, second))
    page.identity(
        "I-25",
        float(np.abs(of_joint - sum(of_each)).max()),
        "200 random pairs of distributions of three and of four values.",
    )
    both = cost(np.outer(p, q).ravel(), np.outer(halves, halves).ravel(), 2)
    page.erratum(
        "004-7",
        wrong='The heading "independent random variables" is followed by the definition again.',
        right=r"$H(P_1 P_2, Q_1 Q_2) = H(P_1, Q_1) + H(P_2, Q_2)$: independent messages cost the sum.",
        shown=f"Two cities with independent weather, one mostly fine, one mostly wet, and the first code for both: "
        f"{both:.2f} bits for a pair of messages, {cost(p, halves, 2):.2f} and {cost(q, halves, 2):.2f} for each.",
    )


def animals(page: Page) -> None:
    """Labels as distributions, and cross-entropy as a loss."""
    entropies = numerics.entropy(np.eye(5))
    untrained, trained = cost(DOG, UNTRAINED), cost(DOG, TRAINED)
    q = np.random.default_rng(3).dirichlet(np.ones(5), size=200)
    labels = np.arange(200) % 5
    of_labels = np.abs(numerics.cross_entropy(np.eye(5)[labels], q) + np.log(q[np.arange(200), labels])).max()
    page.text(r"""
        ## The loss of a classifier

        A picture shows a dog. Its label is a distribution too: dog with probability 1, the other animals with 0. Such
        a label leaves no uncertainty, so its entropy is 0. The classifier's answer is the belief $Q$, and the
        cross-entropy of label and answer is the loss: minus the logarithm of what the answer gives to "dog". Losses are
        in nats, as usual, with the natural logarithm.
    """)
    page.number("S0-27", entropies)
    page.number("S0-28", untrained)
    page.number("S0-29", trained)
    page.identity("I-28", float(max(entropies.max(), of_labels)), "200 random answers.")
    page.figure(
        "animals",
        draw_animals,
        f"The label, and answers before and after training: {untrained:.3f} and {trained:.3f} nats.",
        "Bars for five animals. The label is all dog; the untrained answer gives dog 0.4, the trained one 0.98.",
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        naive = -(DOG * np.log(TRAINED)).sum()
    page.erratum(
        "000-11",
        wrong=r"$Q_1$ with the four entries 0.98, 0.01, 0, 0.01, and $P_i(i)$ in the sum.",
        right=r"Five entries, $Q_1 = (0.98, 0.01, 0, 0, 0.01)$; $P_1(i)$; and $0 \log 0$ is 0, its limit.",
        shown=f"The sum beside it has {DOG.size} terms. Typed as it stands it gives {naive} with the right $Q_1$; "
        f"`numerics.cross_entropy` gives {trained:.4f}.",
    )
    page.erratum(
        "000-12",
        wrong="Code lengths are in bits and losses in nats, and nothing says so.",
        right="Name the unit, or the base of the logarithm.",
        shown=f"{untrained:.3f} nats are {bits_from_nats(untrained):.3f} bits; {trained:.4f} nats are "
        f"{bits_from_nats(trained):.4f} bits.",
    )


def without_gaps(page: Page) -> None:
    """Densities: integrals, and an entropy that may be negative."""
    x, dx = np.linspace(-15, 15, 30_001, retstep=True)
    p, q = normal(x, 0, 1), normal(x, 1, 2)
    integral = -float((p * np.log(q)).sum() * dx)
    differential = float(entr(normal(x, 0, 0.1)).sum() * dx)
    page.text(r"""
        ## Densities

        A length in cm can take any value; it has a density $p(x)$ instead of probabilities. The sum becomes an
        integral. For two normal densities it has a closed form, here for mean 0, variance 1, against mean 1,
        variance 4:

        $$-\int p(x) \log q(x) \, dx = \frac{1}{2} \log(2 \pi \cdot 4) + \frac{1 + 1}{2 \cdot 4}$$
    """)
    error = abs(integral - 0.5 * math.log(2 * math.pi * 4) - (1 + 1) / (2 * 4))
    page.identity("I-26", error, f"{integral:.6f} nats, by a sum over 30,001 points.")
    page.erratum(
        "000-17",
        wrong="The entropy of a continuous variable is a least mean length of messages, like that of a discrete one.",
        right=r"$-\int p \log p \, dx$ is another quantity, the differential entropy. It depends on the unit of $x$ "
        "and may be negative, as no length can.",
        shown=f"For a normal density with standard deviation 0.1 it is {differential:.4f} nats.",
    )
    page.erratum(
        "004-6",
        wrong=r"$-\sum_x p(x) \log q(x) \, dx$ for discrete values.",
        right=r"$-\sum_x p(x) \log q(x)$: probabilities need no width; only densities do.",
        shown=f"The sum for the mostly fine weather is {bits(TOKYO):.4f} bits; times a width of 0.5 it would be "
        f"{0.5 * bits(TOKYO):.4f}, below what any code can reach. The integral above needs its width: without it the "
        f"sum over the points is {integral / dx:.0f}.",
    )


def normal(x: Array, mean: float, deviation: float) -> Array:
    """The normal density."""
    density: Array = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))
    return density


def draw_tree(code: dict[str, str], weather: Weather) -> Figure:
    """The tree of a code."""
    from polytome.teaching.graphs import code_tree

    return code_tree(code, weather)


def draw_weathers() -> Figure:
    """The three distributions side by side."""
    from polytome.plots.bars import bars

    series = {name: list(weather.values()) for name, weather in WEATHERS.items()}
    return bars(list(CODE), series, value_label="probability", name_label="message")


def draw_binary_entropy() -> Figure:
    """Entropy of (p, 1 - p)."""
    from polytome.plots.charts import curves

    p = np.linspace(0, 1, 401)
    series = {"": (p, numerics.entropy(np.column_stack([p, 1 - p]), base=2))}
    return curves(series, x_label="probability $p$ of one of two messages", y_label="entropy (bits)")


def draw_cross_entropy() -> Figure:
    """What is paid and what is expected, by belief."""
    from polytome.plots.charts import curves

    q = np.linspace(0.02, 0.98, 300)
    belief = np.column_stack([q, 1 - q])
    truth = np.broadcast_to([0.7, 0.3], belief.shape)
    series = {
        "paid: $H(P, Q)$": (q, numerics.cross_entropy(truth, belief, base=2)),
        "expected: $H(Q)$": (q, numerics.entropy(belief, base=2)),
    }
    level = {"needed: $H(P)$": float(numerics.entropy([0.7, 0.3], base=2))}
    return curves(series, x_label="believed probability $q$", y_label="bits per message", levels=level)


def draw_animals() -> Figure:
    """The label and two answers."""
    from polytome.plots.bars import bars

    series = {"label $P$": DOG, "untrained answer $Q$": UNTRAINED, "trained answer $Q$": TRAINED}
    return bars(ANIMALS, series, value_label="probability", name_label="animal")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
