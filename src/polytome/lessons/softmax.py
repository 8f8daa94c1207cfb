"""Softmax, naive and stable: how scores become probabilities without overflow.

Documents 000 (softmax in NumPy), 003 (softmax and stable softmax), 002
(softmax over the wrong axis). Method: Goodfellow, Bengio and Courville, Deep Learning, 2016,
sections 4.1 and 6.2.2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

SCORES = np.array([1.0, 2.0, 3.0])
HUGE = np.array([1000.0, 1001.0, 1002.0])
UNEVEN = np.array([1.0, 1001.0, 1002.0])


def lesson(page: Page) -> None:
    """Fill the page."""
    what_it_is(page)
    overflow(page)
    shifting(page)
    the_right_axis(page)


def naive_softmax(scores: Array) -> Array:
    """Exponentials over their sum, as the formula says."""
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum()


def stable_softmax(scores: Array) -> Array:
    """The same after subtracting the largest score: no exponential is above 1."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def what_it_is(page: Page) -> None:
    """The formula, and what it does to two vectors."""
    page.text(r"""
        A model with $K$ classes gives each of them a score $z_k$, any real number. Softmax turns the scores into
        probabilities:

        $$S_j = \frac{e^{z_j}}{\sum_{k=1}^{K} e^{z_k}}$$

        The exponential makes every score positive; the sum makes them add up to 1. Larger scores get larger shares, so
        the order of the classes stays as it was.
    """)
    page.code(naive_softmax)
    page.number("S0-13", naive_softmax(SCORES))
    page.number("S0-14", naive_softmax(np.array([2.0, 2.0, 3.0])))
    page.number("S3-01", naive_softmax(SCORES))
    page.figure(
        "softmax-shares",
        draw_shares,
        r"Scores 1, 2, 3 and their softmax. One more: $e \approx 2.72$ times the probability.",
        "Two bar charts: the scores 1, 2 and 3, and the probabilities 0.09, 0.24 and 0.67.",
    )
    rng = np.random.default_rng(0)
    z = rng.normal(scale=3, size=(1000, 5))
    p = numerics.softmax(z, axis=1)
    outside = float(np.maximum(0, np.maximum(-p, p - 1)).max())
    page.identity("I-04", max(outside, float(np.abs(p.sum(axis=1) - 1).max())), "1,000 random vectors of five scores.")
    page.identity("I-37", float((z.argmax(axis=1) != p.argmax(axis=1)).mean()), "Share of rows whose class changes.")


def overflow(page: Page) -> None:
    """Where the formula, typed as it stands, fails."""
    with np.errstate(over="ignore", invalid="ignore"):
        lost = naive_softmax(HUGE)
    limit = np.log(np.finfo(np.float64).max)
    page.text(rf"""
        ## Overflow

        Typed as it stands, the formula breaks down for large scores. The largest number of type float64 is about
        $1.8 \cdot 10^{{308}} = e^{{{limit:.2f}}}$, and beyond it `exp` gives infinity (for float32 beyond
        {np.log(np.finfo(np.float32).max):.2f}). Infinity over infinity is not a number:
    """)
    page.number("S3-02", lost)
    with np.errstate(over="ignore"):
        overflowed = np.exp(np.float64(1000.0))
    page.erratum(
        "000-16",
        wrong=r"`1.0 / (1.0 + np.exp(-z))` and `np.exp(a) / np.sum(np.exp(a))` as they stand, for any score.",
        right="The forms of `polytome.numerics`, which take exponentials of numbers that are not positive only.",
        shown=f"`exp(1000)` is {overflowed}; `numerics.sigmoid(-1000)` is {numerics.sigmoid(-1000.0)} without a "
        f"warning, and `numerics.softmax` of 1000, 1001, 1002 adds up to {numerics.softmax(HUGE).sum():g}.",
    )


def shifting(page: Page) -> None:
    """The same number, added to every score, changes nothing: so subtract the largest one."""
    page.text(r"""
        ## The same scores, shifted

        Adding $c$ to every score multiplies every exponential, and their sum, by $e^c$, which cancels:

        $$\frac{e^{z_j + c}}{\sum_k e^{z_k + c}} = \frac{e^c e^{z_j}}{e^c \sum_k e^{z_k}} = S_j$$

        So take $c = -\max_k z_k$. Then the largest exponential is $e^0 = 1$ and none can overflow. Some may become 0,
        where their true value is below the smallest float: that loses nothing that a float could hold.
    """)
    page.code(stable_softmax)
    page.number("S3-05", SCORES - SCORES.max())
    page.number("S3-03", stable_softmax(HUGE))
    page.number("S3-04", stable_softmax(UNEVEN))
    z = np.random.default_rng(1).normal(scale=5, size=(200, 4))
    by_hand = np.array([stable_softmax(row) for row in z])
    error = max(float(np.abs(numerics.softmax(z + shift, axis=1) - by_hand).max()) for shift in (0.0, -3.7, 40.0))
    page.identity("I-03", error, "200 random vectors of four scores, shifted by 0, -3.7 and 40.")
    page.erratum(
        "003-7",
        wrong="The training step computes softmax without the shift, although the shift was introduced before; "
        "and the losses are kept as arrays of one number each.",
        right="The shifted form in the training step too, and `float(loss)` in the list.",
        shown=f"With scores 1000, 1001, 1002 the unshifted step has {lost_entries()} probabilities that are NaN; "
        f"the shifted one has {int(np.isnan(stable_softmax(HUGE)).sum())}.",
    )
    page.erratum(
        "003-8",
        wrong=r"$0 \le f(x_i) \le 1$.",
        right=r"$0 < f(x_i) < 1$ for all finite scores and two or more classes; a float may round either way.",
        shown=f"The first of the scores 1, 1001, 1002 has the probability $e^{{{logarithm(UNEVEN):.4f}}}$, not zero; "
        f"as a float it is {stable_softmax(UNEVEN)[0]:g}. `numerics.log_softmax` keeps it.",
    )


def the_right_axis(page: Page) -> None:
    """Rows are samples: sum along the classes."""
    batch = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    columns, rows = numerics.softmax(batch, axis=0), numerics.softmax(batch, axis=1)
    p = rows[0]
    page.text("""
        ## Many samples at once

        With one row of scores per sample the sum runs along the row. Along the columns it would mix samples.
    """)
    page.table(
        ("axis", "result", "sums of the rows"),
        [("0 (wrong)", columns, columns.sum(axis=1)), ("1 (right)", rows, rows.sum(axis=1))],
        "Softmax of the rows (1, 2, 3) and (1, 1, 1)",
    )
    coded, exact = -1 / (p[0] + 1e-8), -1 / p[0]
    page.erratum(
        "002-6",
        wrong=r"`axis=0` in softmax, no shift, and $\log(\hat y + 10^{-8})$ in the loss.",
        right=r"`axis=1` for rows of samples; the shifted form; and the loss from the scores, without a constant.",
        shown=f"Rows of a batch added up to {columns.sum(axis=1)[0]:.4f} and {columns.sum(axis=1)[1]:.4f} above. The "
        rf"constant changes the loss, not the coded gradient: $\partial L/\partial \hat y$ is {coded:.8f} instead of "
        f"{exact:.8f}.",
    )


def lost_entries() -> int:
    """How many probabilities the unshifted form loses."""
    with np.errstate(over="ignore", invalid="ignore"):
        return int(np.isnan(naive_softmax(HUGE)).sum())


def logarithm(scores: Array) -> float:
    """The logarithm of the first probability."""
    return float(numerics.log_softmax(scores)[0])


def draw_shares() -> Figure:
    """Scores and probabilities as bars."""
    from polytome.plots.bars import bar_panels

    panels = {"score": SCORES, "probability": numerics.softmax(SCORES)}
    return bar_panels(["class 1", "class 2", "class 3"], panels, name_label="class")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
