"""MNIST: handwritten digits from file to prediction, and what scaling does to a fit.

Documents 000 (softmax regression on MNIST with scikit-learn) and 001 (what the files hold, images
as arrays). Data and method: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to
document recognition, Proceedings of the IEEE 86, 1998; Hastie, Tibshirani and Friedman, The
Elements of Statistical Learning, 2009, 3.4.1.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.evaluation.metrics import Evaluation, confused_pairs, evaluate
from polytome.models.logistic import LogisticRegression
from polytome.plots.bars import bars
from polytome.plots.drawing import PALETTE, chart, new_figure
from polytome.plots.matrices import heat_map, image_grid, weight_images
from polytome.tables.datasets import is_here, load_dataset
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Statistics = tuple[Array, Array]
"""Mean and standard deviation of each pixel."""

ITERATIONS = 100  # what scikit-learn, and so document 000, allows
NUMBERS = ("S0-15", "S0-16", "S0-17", "S0-18", "S0-19", "S1-10", "S1-11", "S1-12", "S1-13")


@dataclass(frozen=True)
class Digits:
    """Images as rows, labels 0 to 9, in training and test parts; `item` is the test image to
    examine."""

    name: str
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    shape: tuple[int, int]
    brightest: float
    item: int

    @property
    def is_mnist(self) -> bool:
        """Whether these are the digits of the documents."""
        return self.name == "MNIST"


def lesson(page: Page) -> None:
    """Fill the page."""
    digits = load(page)
    what_there_is(page, digits)
    images_as_arrays(page, digits)
    unsorted, digits = digits, in_order(digits)
    sorting(page, unsorted, digits)
    statistics = moments(digits.X)
    model = the_fit(page, digits, statistics)
    scaling_of_test_images(page, digits, statistics, model)
    one_image(page, digits, model)
    rare_pixels(page, digits, statistics, model)


def load(page: Page) -> Digits:
    """MNIST if it is on this machine, else the small digits of scikit-learn; never from the
    network."""
    if is_here("mnist"):
        data = load_dataset("mnist")
        X_test, y_test = np.asarray(data.X_test), np.asarray(data.y_test)
        return Digits("MNIST", data.X, data.y, X_test, y_test, (28, 28), 255.0, item=4000)
    page.skip(
        "MNIST is not on this machine: name its folder in POLYTOME_DATA, or download it once with "
        '`polytome.load_dataset("mnist")`.',
        NUMBERS,
    )
    page.text("Meanwhile this page shows the 8 by 8 digits of scikit-learn.")
    small = load_dataset("digits")
    X, y, X_test, y_test = small.X[:1500], small.y[:1500], small.X[1500:], small.y[1500:]
    return Digits("The set of small digits", X, y, X_test, y_test, (8, 8), 16.0, item=100)


def what_there_is(page: Page, digits: Digits) -> None:
    """How many images, of which digits."""
    X = np.concatenate([digits.X, digits.X_test])
    y = np.concatenate([digits.y, digits.y_test])
    counts, of_training = np.bincount(y), np.bincount(digits.y)
    height, width = digits.shape
    page.text(rf"""
        ## The images

        {digits.name} has {len(digits.X):,} images of handwritten digits to learn from and {len(digits.X_test):,} to
        test with, each of {height} by {width} pixels. A pixel is a whole number from 0 (paper) to
        {digits.brightest:g} (ink). What looks like a digit to us is a row of {X.shape[1]} numbers to a program.
    """)
    first = [int(np.flatnonzero(digits.y == digit)[0]) for digit in range(10)]
    page.figure(
        "mnist-digits",
        lambda: image_grid(digits.X[first].reshape(-1, *digits.shape), [str(digit) for digit in range(10)]),
        "The first image of each digit.",
        "Ten small images of handwriting, the digits 0 to 9.",
    )
    sevens = np.flatnonzero(digits.y == 7)[:10]
    page.figure(
        "mnist-sevens",
        lambda: image_grid(digits.X[sevens].reshape(-1, *digits.shape), [f"image {row}" for row in sevens]),
        "Ten sevens: upright and slanted, with a bar and without.",
        "Ten images of the digit 7, each written by another hand.",
    )
    if digits.is_mnist:
        page.number("S0-15", [X.shape, y.shape])
        page.number("S1-12", [idx_bytes(array) for array in as_stored(digits)])
        page.number("S1-10", counts)
    page.erratum(
        "001-8",
        wrong="A balanced data set with 10,000 images per digit.",
        right="About a tenth of the images each: 6,000 of the 60,000 training images of MNIST, 7,000 of all 70,000; "
        "and only roughly.",
        shown=f"In the training part the rarest digit has {of_training.min():,} images, the most "
        f"frequent {of_training.max():,}; in all {counts.sum():,} images they have {counts.min():,} and "
        f"{counts.max():,}.",
    )


def as_stored(digits: Digits) -> list[Array]:
    """The arrays of the four files."""
    images = [X.reshape(-1, *digits.shape) for X in (digits.X, digits.X_test)]
    return [images[0], digits.y, images[1], digits.y_test]


def idx_bytes(array: Array) -> int:
    """Size of an IDX file: a mark of 4 bytes, 4 bytes per dimension, a byte per value."""
    return 4 + 4 * array.ndim + array.size


def images_as_arrays(page: Page, digits: Digits) -> None:
    """Four dimensions for a convolution, two for a linear model."""
    page.text(r"""
        ## Images as arrays

        Libraries for networks keep a batch of images in four dimensions, number of images, colours, height and width
        (NCHW); there is one colour here. A linear model does not know which pixels are neighbours: it takes the rows of
        pixels one after another as one long row of features. Nothing is lost, and `reshape` turns one into the other.
    """)
    page.figure(
        "mnist-flattening",
        lambda: draw_flattening(digits.X[digits.y == 3][0].reshape(digits.shape)),
        "An image and its pixels one after the other. Row 10 of the image is orange in both."
        if digits.is_mnist
        else "An image and its pixels one after the other. Row 3 of the image is orange in both.",
        "Left a handwritten three with one row of pixels marked; right its brightness against the number of the pixel.",
    )
    if digits.is_mnist:
        batch, labels = digits.X[:128].reshape(128, 1, *digits.shape), digits.y[:128]
        page.number("S1-13", [batch.shape, labels.shape, batch[0].shape])
        row = digits.X[57983].reshape(digits.shape)[7] / digits.brightest
        page.number("S1-11", row[row > 0])


def by_label(labels: Array) -> Array:
    """Positions, sorted by label and then by position."""
    pairs = sorted((label, position) for position, label in enumerate(labels))
    return np.array(pairs)[:, 1]


def in_order(digits: Digits) -> Digits:
    """Test images by label; training images shuffled, so that no part of them lacks a digit."""
    shuffled = np.random.default_rng(0).permutation(len(digits.y))
    ordered = by_label(digits.y_test)
    X, y, X_test, y_test = digits.X[shuffled], digits.y[shuffled], digits.X_test[ordered], digits.y_test[ordered]
    return Digits(digits.name, X, y, X_test, y_test, digits.shape, digits.brightest, digits.item)


def sorting(page: Page, before: Digits, after: Digits) -> None:
    """Test image 4000 depends on the order."""
    item = after.item
    page.text(rf"""
        ## Sorting and shuffling

        Document 000 sorts the images by label, in training and test part separately, and then shuffles the training
        images again. Sorting decides what "test image {item}" is; the order of the training images does not matter to
        a fit that sees all of them in each step.
    """)
    page.code(by_label)
    if after.is_mnist:
        page.number("S0-18", after.y_test[item])
        page.number("S0-16", [after.X.shape, after.y.shape, after.X_test.shape, after.y_test.shape])
    n, n_test = len(before.y), len(before.y_test)
    page.erratum(
        "000-6",
        wrong="The shapes printed for labels are those of images, and 100,000 stands for 10,000.",
        right="Labels have one dimension: (150,) for Iris, (60000,) and (10000,) here.",
        shown=f"Here `y` has the shape {after.y.shape} and `y_test` {after.y_test.shape}.",
    )
    page.erratum(
        "000-8",
        wrong="`sort_by_target` sorts the test images by the labels of the training images and puts labels where "
        "images belong; the program around it has lost letters (`[; 1]`, `(=10)`, `Thisshow`).",
        right="Four assignments: images and labels of the first 60,000 by `reorder_train`, images and labels of the "
        "rest by `reorder_test + 60000`, which comes from `target[60000:]`; then `[:, 1]`, `C=10`, `plt.imshow`.",
        shown=f"Sorted by their own labels, test image {item} is number {by_label(before.y_test)[item]} of the test "
        f"images, a {after.y_test[item]}; unsorted it is a {before.y_test[item]}. As printed, positions up to "
        f"{n + n - 1:,} would be read of {n + n_test:,}.",
    )


def the_fit(page: Page, digits: Digits, statistics: Statistics) -> LogisticRegression:
    """Document 000's model, for as many iterations."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(C=10, scale="standard", max_iter=ITERATIONS).fit(digits.X, digits.y)
    factor, power = f"{1 / (20 * len(digits.y)):.1e}".split("e")
    page.text(rf"""
        ## The fit

        Pixels are brought to mean 0 and standard deviation 1, so that the penalty treats all alike. The means and
        deviations come from the training images. Polytome needs no copy of the images for that: with
        `scale="standard"` the weights are scaled instead, and the model still takes pixels. $C = 10$ is a weak
        penalty: added to the mean loss of {len(digits.y):,} images is
        $\frac{{1}}{{2 C n}} \lVert W \rVert^2 = {factor} \cdot 10^{{{int(power)}}} \, \lVert W \rVert^2$.
    """)
    page.number("S0-19b", settings_of_old(), "The arguments of the document, and defaults for the rest.")
    if digits.is_mnist:
        page.number("S0-17", [standardised(X, *statistics).shape for X in (digits.X, digits.X_test)])
    said = f'A warning said so: "{str(caught[0].message).partition(". ")[0]}."' if caught else ""
    page.text(f"""
        Document 000 allows {ITERATIONS} iterations and treats their result as the solution. Here they are the limit
        too, and the certificate says what was reached: *{model.certificate_}* {said}
        Of the training images {model.score(digits.X, digits.y):.2%} are classified right, of the test images
        {model.score(digits.X_test, digits.y_test):.2%}.
    """)
    return model


def settings_of_old() -> dict[str, Any]:
    """The settings of document 000's model by the names of scikit-learn 0.20."""
    from sklearn.linear_model import LogisticRegression as Peer

    today = Peer(C=10, solver="lbfgs").get_params()
    penalty = {0.0: "l2", 1.0: "l1"}[today.pop("l1_ratio")]  # today's name for the choice of penalty
    return {**today, "penalty": penalty, "multi_class": "multinomial"}


def moments(X: Array) -> Statistics:
    """Mean and standard deviation of each pixel, from whole numbers; 1 for a pixel that never
    changes."""
    total = X.sum(axis=0, dtype=np.int64)
    squares = np.einsum("ij,ij->j", X, X, dtype=np.int64)
    mean = total / len(X)
    deviation = np.sqrt(np.maximum(squares / len(X) - mean**2, 0))
    return mean, np.where(deviation > 0, deviation, 1.0)


def standardised(X: Array, mean: Array, deviation: Array) -> Array:
    """Pixels in standard deviations from their means."""
    return (X - mean.astype(np.float32)) / deviation.astype(np.float32)


def scaling_of_test_images(page: Page, digits: Digits, statistics: Statistics, model: LogisticRegression) -> None:
    """Which statistics scale the test images?"""
    mean, deviation = statistics
    W, b = model.coef_ * deviation, model.intercept_ + model.coef_ @ mean  # what the model learned of scaled pixels

    def right(X: Array, y: Array, scaled_by: Statistics) -> float:
        """Share of right answers."""
        return float(((standardised(X, *scaled_by) @ W.T + b).argmax(axis=1) == y).mean())

    X, y = digits.X_test, digits.y_test
    alone = [right(X[y == digit], y[y == digit], moments(X[y == digit])) for digit in range(10)]
    page.erratum(
        "000-7",
        wrong="`scaler.fit_transform(X_test)`: the test images are scaled by their own means and deviations.",
        right="`scaler.transform(X_test)`: by those of the training images, with which the weights were learned.",
        shown=f"Scaled by their own statistics {right(X, y, moments(X)):.2%} of the {len(X):,} test images are "
        f"classified right, by those of the training images {right(X, y, statistics):.2%}. The less the test images "
        "resemble the training images, the worse it gets: where the images of each digit come alone and are scaled by "
        f"their own statistics, {np.mean(alone):.0%}.",
    )


def one_image(page: Page, digits: Digits, model: LogisticRegression) -> None:
    """Test image 4000."""
    image = digits.X_test[[digits.item]]
    predicted, p = model.predict(image)[0], model.predict_proba(image)[0]
    below = float(np.diff(np.sort(model.decision_function(image)[0]))[-1])
    page.text(rf"""
        ## Test image {digits.item}

        The model predicts that test image {digits.item} is a {predicted}, with probability {p.max():.5f}; its label is
        {digits.y_test[digits.item]}. The next score lies {below:.1f} lower, so the next digit is only
        $e^{{-{below:.1f}}} \approx {np.exp(-below):.5f}$ times as probable.
    """)
    if digits.is_mnist:
        page.number("S0-19", predicted)
    page.figure(
        "mnist-item",
        lambda: image_grid(image.reshape(-1, *digits.shape), [f"predicted: {predicted}"]),
        f"Test image {digits.item}.",
        f"The image of a handwritten digit, predicted to be a {predicted}.",
    )
    page.figure(
        "mnist-probabilities",
        lambda: bars([str(k) for k in range(10)], {"p": p}, value_label="probability", name_label="digit"),
        f"What the model gives each digit for test image {digits.item}.",
        f"Ten bars, nearly all of the probability on {predicted}.",
    )


def rare_pixels(page: Page, digits: Digits, statistics: Statistics, model: LogisticRegression) -> None:
    """Why the fit is hard, and what is better."""
    mean, deviation = statistics
    brightest = f"{digits.brightest:g}"
    inked = np.count_nonzero(digits.X, axis=0)
    farthest = ((digits.X.max(axis=0) - mean) / deviation).max()
    weak, strong = (LogisticRegression(C=C, scale=digits.brightest).fit(digits.X, digits.y) for C in (1.0, 0.01))
    page.text(rf"""
        ## Pixels that hardly ever change

        What makes this fit hard? {(inked == 0).sum()} pixels, at the border, are paper in all training images;
        {((inked > 0) & (inked <= 10)).sum()} more have ink in ten images or fewer. Dividing by such a pixel's
        tiny deviation exaggerates it: the few drops of ink become numbers up to {farthest:.0f}. The weights of
        these pixels are large steps for single images, and a fit spends its time on them. Dividing all pixels by the
        same number, the brightest, {brightest}, keeps them as small as they are:
    """)
    page.table(
        ("divided by", "$C$", "iterations", "proved gap (nats)", "accuracy", "log loss (nats)"),
        [
            (divisor, each.C, int(each.n_iter_[0]), f"{each.certificate_.gap:.1e}", *judged(each, digits))
            for divisor, each in (("their deviation", model), (brightest, weak), (brightest, strong))
        ],
        "Two scalings, judged on the test images",
    )
    page.text(f"The second fit: *{weak.certificate_}*")
    weights_and_errors(page, digits, weak, strong)


def weights_and_errors(page: Page, digits: Digits, weak: LogisticRegression, strong: LogisticRegression) -> None:
    """What the fits with the right scaling look for, and what they confuse."""
    result = evaluate(weak, digits.X_test, digits.y_test)
    worst = confused_pairs(result.confusion, result.classes, most=3)
    errors = [f"a {pair.true} is predicted as a {pair.predicted}, {pair.n_rows} times" for pair in worst]
    page.figure(
        "mnist-weights",
        lambda: weight_images(
            (strong.coef_ * digits.brightest).reshape(-1, *digits.shape),
            [str(digit) for digit in strong.classes_],
            value_label="weight (score for full ink)",
        ),
        "The weights of the third fit. Ink on blue counts for the digit, ink on orange against it. A strong penalty "
        "spreads the weights evenly over pixels that go together, so one can read them.",
        "Ten images of weights: the 0 has an orange spot in its middle, the 1 a blue stroke.",
    )
    page.figure(
        "mnist-confusion",
        lambda: draw_confusion(result),
        "True and predicted digits of the test images, second fit. What is not on the diagonal is an error.",
        "A ten by ten table of counts with nearly everything on the diagonal.",
    )
    page.text(f"""
        The most frequent errors: {"; ".join(errors)}. A linear model weighs each pixel by itself and cannot recognise
        strokes. That is its limit, and why document 001 points on to networks with hidden layers.
    """)


def judged(model: LogisticRegression, digits: Digits) -> tuple[str, str]:
    """Accuracy and log loss on the test images."""
    result = evaluate(model, digits.X_test, digits.y_test)
    return f"{result.accuracy:.2%}", f"{result.log_loss:.4f}"


def draw_confusion(result: Evaluation) -> Figure:
    """The confusion matrix."""
    names = [str(digit) for digit in result.classes]
    labels = {"row_label": "true digit", "column_label": "predicted digit", "value_label": "number of test images"}
    return heat_map(result.confusion, row_names=names, column_names=names, **labels)


@chart
def draw_flattening(image: Array) -> Figure:
    """An image beside its pixels in a row."""
    height, width = image.shape
    marked = 3 if height < 20 else 10
    figure, (left, right) = new_figure(6.4, 2.8, columns=2)
    left.imshow(image, cmap="gray_r", interpolation="nearest")
    left.axhspan(marked - 0.5, marked + 0.5, color=PALETTE[1], alpha=0.35)
    left.set(xlabel="column", ylabel="row")
    right.fill_between(np.arange(image.size), image.ravel(), step="mid", color=PALETTE[0], linewidth=0)
    right.axvspan(marked * width, (marked + 1) * width, color=PALETTE[1], alpha=0.35)
    right.set(xlabel=f"pixel ({width} · row + column)", ylabel="ink", xlim=(0, image.size))
    return figure


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
