"""Penalties: diamond and disc, soft thresholding by hand, the path of Iris, and what a zero means.

Method: Hoerl and Kennard, Ridge regression, Technometrics 12, 1970; Tibshirani, Regression
shrinkage and selection via the lasso, Journal of the Royal Statistical Society B 58, 1996; Zou and
Hastie, Regularization and variable selection via the elastic net, the same B 67, 2005; Hastie,
Tibshirani and Friedman, The Elements of Statistical Learning, 2009, sections 3.4 and 7.10.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from polytome.models.cross_validation import LogisticRegressionCV
from polytome.models.logistic import LogisticRegression
from polytome.models.path import RegularizationPath
from polytome.numerics import sigmoid, softplus
from polytome.plots.drawing import chart
from polytome.tables.datasets import Dataset, load_dataset
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

HOURS = np.array([1, 2, 3, 4, 5, 6])
SLEEP = np.array([8, 5, 9, 6, 8, 6])
PASSED = np.array([0, 0, 1, 0, 1, 1])
CORNER = 0.1  # the strength at which two coefficients are drawn
LEFT_OUT = 0.3  # a strength at which one measurement of Iris is left


def lesson(page: Page) -> None:
    """Fill the page."""
    iris = load_dataset("iris")
    flat_valley(page, iris)
    diamond_and_disc(page, iris)
    by_hand(page)
    the_condition(page, iris)
    largest_strength(page)
    path_of_iris(page, iris)
    equal_columns(page, iris)
    choosing(page)
    misreadings(page, iris)
    questions(page)


def standardised(X: Array) -> Array:
    """Columns with mean 0 and standard deviation 1."""
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


def two_species(iris: Dataset, columns: slice) -> tuple[Array, Array]:
    """Versicolor (0) and virginica (1): two standardised measurements, and the labels."""
    kept = iris.y != "setosa"
    return standardised(iris.X[kept, columns]), (iris.y[kept] == "virginica").astype(int)


def best_intercepts(scores: Array, y: Array) -> Array:
    """For each row of scores the number which, added to them, makes the mean log loss smallest."""
    room = np.abs(scores).max(axis=1) + np.abs(np.log(y.mean() / (1 - y.mean())))
    low, high = -room, room
    for _ in range(40):  # the mean of p - y rises with the intercept, and is 0 at the best one
        middle = (low + high) / 2
        too_high = sigmoid(scores + middle[:, None]).mean(axis=1) > y.mean()
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return np.asarray((low + high) / 2)


def mean_log_loss(W: Array, X: Array, y: Array) -> Array:
    """The mean log loss of each row of two coefficients, with the best intercept."""
    scores = W @ X.T
    scores += best_intercepts(scores, y)[:, None]
    return np.asarray((softplus(scores) - y * scores).mean(axis=1))


SAMPLES = {"A": (7, 6), "B": (6, 2), "C": (9, 2), "D": (8, 1)}
"""Every so many-th flower, from which one on; the last sample is separated."""


def flat_valley(page: Page, iris: Dataset) -> None:
    """Few flowers: the loss hardly says which coefficients are right."""
    X, y = two_species(iris, slice(2, 4))
    rows, kept = [], []
    for name, (every, first) in SAMPLES.items():
        few = np.arange(len(y)) % every == first
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last sample has no minimum
            fits = LogisticRegression(C=np.inf).fit(X[few], y[few]), LogisticRegression(C=1.0).fit(X[few], y[few])
        losses = [
            float(-np.log(model.predict_proba(X[~few])[np.arange((~few).sum()), y[~few]]).mean()) for model in fits
        ]
        free = "no minimum" if fits[0].certificate_.objective < 1e-3 else coefficients(fits[0])
        rows.append((f"{name}, {few.sum()}", free, f"{losses[0]:.2f}", coefficients(fits[1]), f"{losses[1]:.2f}"))
        kept.append((few, fits))
    page.text("""
        ## A flat valley

        Why change the loss at all? Because few rows hardly say where its minimum is. Take a few flowers of two
        species, versicolor and virginica, with two measurements: length and width of the petal, standardised. The
        picture shows the mean log loss for every pair of coefficients.
    """)
    few, (free_fit, held_fit) = kept[0]
    page.figure(
        "flat-valley",
        lambda: draw_valley(X[few], y[few], free_fit.coef_[0], held_fit.coef_[0]),
        "The mean log loss of sample A, and the same with a penalty. Each line is one height; the star is the minimum.",
        "Two contour plots over two coefficients: on the left a long flat valley whose minimum lies far out; on the "
        "right, with the penalty, round closed contours about a minimum near zero.",
    )
    page.text(r"""
        On the left the floor of the valley is long and flat. Points far apart fit these flowers almost equally well,
        and other flowers move the minimum a long way. A **penalty** is a price for large coefficients,
        added to the loss. It lifts the far end of the valley:

        $$\frac{1}{n} \sum_{i=1}^{n} -\log p(y_i \mid x_i) + \lambda \left( a \sum_j |w_j| +
        \frac{1 - a}{2} \sum_j w_j^2 \right), \qquad \lambda = \frac{1}{C n}$$

        With $a = 0$ it is a sum of squares, called L2 or ridge; with $a = 1$ a sum of absolute values, called L1 or
        lasso; between them an elastic net. In Polytome $a$ is `l1_ratio`. The intercept is free.
    """)
    page.table(
        ("sample", "no penalty", "loss elsewhere", "squares, C = 1", "loss elsewhere"),
        rows,
        "Coefficients from four small samples, and the mean log loss (nats) of all other flowers",
    )
    page.text(f"""
        Without a penalty the coefficients wander along the valley. Sample D has no minimum at all: its flowers can be
        told apart perfectly, so larger coefficients are always better. Where the program stopped, the other flowers
        cost {rows[-1][2]} nats each; a coin would cost {np.log(2):.2f}. With the penalty all four samples nearly
        agree. That has a price: for A, B and C this strength is a little too much, and the other flowers are predicted
        a little worse. How strong a penalty should be is a question for later.
    """)


def coefficients(model: LogisticRegression) -> str:
    """The two coefficients of a model, in short."""
    return ", ".join(f"{w:.2f}" for w in model.coef_[0])


def diamond_and_disc(page: Page, iris: Dataset) -> None:
    """Where contours touch the penalty's shape."""
    X, y = two_species(iris, slice(0, 2))
    fits = {name: at_strength(X, y, CORNER, ratio) for name, ratio in (("diamond", 1.0), ("disc", 0.0))}
    free = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    lasso, ridge = fits["diamond"].coef_[0], fits["disc"].coef_[0]
    page.text(rf"""
        ## Diamond and disc

        Take all {len(y)} flowers, and the two measurements of the sepal. A price on coefficients works like a budget:
        the penalised minimum has the smallest loss among all coefficients that cost no more than it does. With
        absolute values, the coefficients within a budget form a diamond; with squares, a disc. The best point of
        each is where a contour of the loss just touches it.
    """)
    page.figure(
        "diamond-and-disc",
        lambda: draw_budgets(X, y, free.coef_[0], lasso, ridge),
        f"Contours of the mean log loss, computed, and both budgets at the strength {CORNER}. The thick contour "
        "touches the diamond at a corner, where one coefficient is exactly 0; it touches the disc elsewhere.",
        "Two contour plots over the coefficients of sepal length and sepal width. On the left a diamond, touched by "
        "a contour at its right corner; on the right a disc, touched by a contour above its rightmost point.",
    )
    page.table(
        ("penalty", "sepal length", "sepal width"),
        [
            ("none", *free.coef_[0].tolist()),
            ("absolute values (diamond)", *lasso.tolist()),
            ("squares (disc)", *ridge.tolist()),
        ],
        f"Coefficients at the minimum; strength {CORNER} for both penalties",
    )
    page.text("""
        A diamond has corners, and they lie on the axes. So a contour often meets it at a corner first: then a
        coefficient is 0, exactly, and its column is left out. A disc has no corners. It makes both coefficients
        smaller, and hits 0 only by accident.
    """)


def at_strength(X: Array, y: Array, strength: float, l1_ratio: float) -> LogisticRegression:
    """The fit at a strength, to many digits."""
    return LogisticRegression(C=1 / (strength * len(y)), l1_ratio=l1_ratio, tol=1e-10).fit(X, y)


def soft_threshold(a: float, strength: float) -> float:
    """The w that minimises (w - a)^2 / 2 + strength |w|."""
    return a - min(max(a, -strength), strength)


def ridge_shrinkage(a: float, strength: float) -> float:
    """The w that minimises (w - a)^2 / 2 + strength w^2 / 2."""
    return a / (1 + strength)


def by_trial(a: float, strength: float) -> float:
    """The best of 60,001 values between -3 and 3."""
    w = np.linspace(-3, 3, 60_001)
    return float(w[np.argmin((w - a) ** 2 / 2 + strength * np.abs(w))])


def by_hand(page: Page) -> None:
    """One coefficient: three cases."""
    strength, values = 0.5, (2.0, 0.8, 0.5, 0.3, -0.4, -1.2)
    page.text(r"""
        ## One coefficient by hand

        Replace the loss by the simplest curve with a minimum at $a$:

        $$\frac{1}{2} (w - a)^2 + \lambda |w|$$

        Look at the slope. Right of 0 it is $w - a + \lambda$, which is 0 at $w = a - \lambda$, if that is positive.
        Left of 0 it is $w - a - \lambda$, which is 0 at $w = a + \lambda$, if that is negative. And if
        $|a| \le \lambda$, the curve rises from 0 to both sides: the minimum is 0 itself. The three cases
        together are called **soft thresholding**.
    """)
    page.code(soft_threshold, ridge_shrinkage, by_trial)
    page.table(
        ("$a$", "by the rule", "by trial", "with a square instead"),
        [(a, soft_threshold(a, strength), by_trial(a, strength), ridge_shrinkage(a, strength)) for a in values],
        rf"What becomes of $a$ at $\lambda = {strength}$",
    )
    page.figure(
        "soft-thresholding",
        lambda: draw_thresholds(strength),
        "Absolute values subtract a fixed amount and stop at 0. Squares divide, and never arrive there.",
        "Three lines through zero: the line without a penalty, a flatter straight line for squares, and for absolute "
        "values a line that is zero between -0.5 and 0.5 and parallel to the first outside.",
    )


def gradient(model: LogisticRegression, X: Array, y: Array) -> Array:
    """The slope of the mean log loss along each coefficient."""
    return np.asarray(X.T @ (model.predict_proba(X)[:, 1] - y) / len(y))


def the_condition(page: Page, iris: Dataset) -> None:
    """What must hold at a minimum."""
    kept = iris.y != "setosa"
    X, y = standardised(iris.X[kept]), (iris.y[kept] == "virginica").astype(int)
    model = at_strength(X, y, CORNER, 1.0)
    slopes = gradient(model, X, y)
    rows = []
    for name, w, slope in zip(measurements(iris), model.coef_[0], slopes, strict=True):
        rule = (
            rf"$-\lambda$ times its sign: {-CORNER * np.sign(w):g}" if w else rf"at most $\lambda$ = {CORNER} in size"
        )
        rows.append((name, float(w), f"{slope:.6f}", rule))
    n_zero = int((model.coef_ == 0).sum())
    page.text(r"""
        ## The condition at the minimum

        The same holds in many dimensions. At 0 the function $|w|$ has no single slope: every number from $-1$ to 1 is
        the slope of a line that touches it there from below. Such a number is called a **subgradient**. With $g_j$,
        the slope of the mean loss along $w_j$, a point is a minimum exactly when

        $$g_j = -\lambda \, \mathrm{sign}(w_j) \quad \text{where } w_j \ne 0, \qquad
        |g_j| \le \lambda \quad \text{where } w_j = 0$$

        In words: a column that is kept pulls with exactly the force $\lambda$. A column that is left out pulls too
        weakly to pay its price.
    """)
    page.code(gradient)
    page.table(
        ("measurement", "coefficient", "slope of the loss", "must be"),
        rows,
        rf"All four measurements, standardised, $\lambda = {CORNER}$: {n_zero} of 4 are left out",
    )


def pull_at_zero(column: Array, y: Array) -> float:
    """How strongly a column pulls while all coefficients are 0."""
    return float(abs((column * (y - y.mean())).mean()))


def largest_strength(page: Page) -> None:
    """The strength at which nothing is left, on six rows."""
    path = RegularizationPath(n_strengths=2).fit(np.column_stack([HOURS, SLEEP]), PASSED)
    pulls = [pull_at_zero(HOURS, PASSED), pull_at_zero(SLEEP, PASSED)]
    largest = max(pulls)
    fits = [
        LogisticRegression(C=1 / (6 * strength), l1_ratio=1, tol=1e-10).fit(np.column_stack([HOURS, SLEEP]), PASSED)
        for strength in (1.01 * largest, 0.99 * largest)
    ]
    page.text(r"""
        ## The strength at which nothing is left

        When is every coefficient 0? When no column pulls more strongly than $\lambda$ at 0. There each row has the
        same probability, the share of ones. So the largest useful strength can be computed by hand. Six students:
        hours of study, hours of sleep, passed or not. Half of them passed, so $y - \bar y$ is $\pm 1/2$.
    """)
    difference = PASSED - PASSED.mean()
    page.table(
        ("hours", "sleep", "passed", r"$y - \bar y$", "hours times it", "sleep times it"),
        [
            *zip(
                *(column.tolist() for column in (HOURS, SLEEP, PASSED)),
                *(column.tolist() for column in (difference, HOURS * difference, SLEEP * difference)),
                strict=True,
            ),
            ("", "", "", "sum", float((HOURS * difference).sum()), float((SLEEP * difference).sum())),
        ],
    )
    page.code(pull_at_zero)
    page.text(rf"""
        Divided by six rows: hours pull with {pulls[0]:.4f}, sleep with {pulls[1]:.4f}. So the largest strength is
        {largest:.4f}, and the program agrees: `strength_max_` of the path is {path.strength_max_:.4f}. One per cent
        above it the coefficient of hours is {fits[0].coef_[0, 0]:g}; one per cent below it is
        {fits[1].coef_[0, 0]:.4f}.
    """)


def path_of_iris(page: Page, iris: Dataset) -> None:
    """Strength after strength, with a proof for each."""
    path = RegularizationPath(l1_ratio=1, n_strengths=50, scale="standard", tol=1e-6).fit(iris.X, iris.y)
    enters = entry_strengths(path)
    order = np.argsort(-enters)
    gap = max(found.gap / found.null_objective for found in path.certificates_)
    held = sum(found.holds for found in path.certificates_)
    page.text(r"""
        ## The path of Iris

        Nobody knows the right strength beforehand. So begin where nothing is left, and go down step by step; each fit
        starts where the one before ended. Three species now: softmax, with three coefficients for each measurement.
        `scale="standard"` puts the same price on all four measurements.
    """)
    page.figure(
        "path-of-iris",
        lambda: draw_path_of(path, measurements(iris)),
        "The path from the strongest penalty (left) to a weak one. Above, how many of twelve coefficients are not 0.",
        "Norms of the coefficients of four measurements against C and against their sum: petal length leaves zero "
        "first, then petal width, sepal width, and late sepal length.",
    )
    page.table(
        ("measurement", "comes in at the strength", "at C"),
        [(measurements(iris)[j], float(enters[j]), f"{1 / (enters[j] * len(iris.y)):.3g}") for j in order],
        f"When each measurement comes in, on a grid of {len(path.strengths_)} strengths",
    )
    page.text(f"""
        Each point of the path has its own proof. All {held} of {len(path.certificates_)} hold: no fit is
        further than {gap:.0e} of the null model's loss from its minimum. A drawing of a path cannot show that.
    """)


def entry_strengths(path: RegularizationPath) -> Array:
    """For each column the largest strength of the path at which it has a coefficient."""
    present = np.abs(path.coefs_).max(axis=1) > 0
    return np.asarray(path.strengths_[present.argmax(axis=0)])


def equal_columns(page: Page, iris: Dataset) -> None:
    """The same column twice."""
    kept = iris.y != "setosa"
    width, y = standardised(iris.X[kept, 3:]), (iris.y[kept] == "virginica").astype(int)
    twice = np.hstack([width, width])
    nearly = np.hstack([width, standardised(width + np.random.default_rng(0).normal(scale=0.1, size=width.shape))])
    page.text("""
        ## Two equal columns

        Give the model the petal's width twice. Squares prefer equal shares: half and half cost half as much as one
        alone, since two times a quarter is a half. To absolute values every split costs the same, so there is a whole
        line of minima, and which one a program returns means nothing. The elastic net has a share of squares, which
        decides: half and half again.
    """)
    rows = []
    for name, ratio in (("squares", 0.0), ("elastic net, half and half", 0.5), ("absolute values", 1.0)):
        same, near = at_strength(twice, y, CORNER, ratio), at_strength(nearly, y, CORNER, ratio)
        rows.append((name, same.coef_[0].round(4), near.coef_[0].round(4)))
    page.table(
        ("penalty", "the same column twice", "the second one measured less well"),
        rows,
        f"Coefficients of two columns at the strength {CORNER}",
    )
    total = float(at_strength(twice, y, CORNER, 1.0).coef_.sum())
    costs = [float(mean_log_loss(np.array([[s * total, (1 - s) * total]]), twice, y)[0]) for s in (0.0, 0.3, 1.0)]
    page.text(f"""
        Check the line of minima: the splits 0 to 100, 30 to 70 and 100 to 0 of {total:.4f} have the mean log losses
        {costs[0]:.6f}, {costs[1]:.6f} and {costs[2]:.6f}. In the last column of the table the second width has some
        noise. Now the columns are not equal, and the minimum is a single point: the lasso picks the better one. That
        is what it does with groups of similar columns. It is short to read, and it hides that the others were almost
        as good.
    """)


def one_standard_error(means: Array, errors: Array) -> int:
    """The first, so the strongest, whose loss is close to the smallest."""
    best = means.argmin()
    return int(np.flatnonzero(means <= means[best] + errors[best])[0])


def choosing(page: Page) -> None:
    """Cross-validation and the rule of one standard error."""
    tumours = load_dataset("breast-cancer")
    search = LogisticRegressionCV(Cs=np.geomspace(0.05, 20, 16), l1_ratios=[1.0], cv=5, scale="standard", rule="1se")
    search.fit(tumours.X, tumours.y)
    means, errors = -search.mean_scores_[0], search.standard_errors_[0]
    best, chosen = int(means.argmin()), one_standard_error(means, errors)
    n_kept = [int(np.count_nonzero(search.coefs_paths_[:, 0, at, 0, :-1], axis=1).mean()) for at in (best, chosen)]
    page.text(f"""
        ## Choosing the strength

        Which strength predicts best? Ask rows that the fit has not seen. In cross-validation the rows are
        divided into folds; each fold is predicted by fits to the others. Here are {len(tumours.y)} tumours with
        {tumours.X.shape[1]} measurements each, benign or malignant.
    """)
    page.figure(
        "one-standard-error",
        lambda: draw_choice(search),
        "Loss of held-out rows by strength, with one standard error up and down. Star: the best mean. Diamond: the "
        "strongest penalty below the dashed line.",
        "Held-out log loss against C: it falls steeply, is flat near its smallest value, and rises again; a diamond "
        "left of a star.",
    )
    page.code(one_standard_error)
    page.table(
        ("rule", "C", "held-out log loss", "standard error", "columns kept (mean)"),
        [
            (name, f"{search.Cs_[at]:.3f}", f"{means[at]:.4f}", f"{errors[at]:.4f}", kept)
            for name, at, kept in zip(("min", "1se"), (best, chosen), n_kept, strict=True)
        ],
    )
    agrees = "the same" if np.isclose(search.C_, search.Cs_[chosen]) else "another one"
    page.text(f"""
        The lowest mean is itself uncertain: other folds would move it. The **rule of one standard error** takes the
        strongest penalty that cannot be told from the best, here C = {search.Cs_[chosen]:.3g}. The program's own
        rule chooses {agrees}. The model is simpler and predicts about as well.
    """)
    zeros_that_are_proved(page, tumours, float(search.C_))


def zeros_that_are_proved(page: Page, tumours: Dataset, C: float) -> None:
    """A zero of the fit, and a zero of every optimum."""
    rows = []
    for tol in (1e-2, 1e-4, 1e-8):
        model = LogisticRegression(C=C, l1_ratio=1, scale="standard", tol=tol).fit(tumours.X, tumours.y)
        n_zero, n_proved = int((model.coef_ == 0).sum()), int(model.proved_zero_.sum())
        rows.append((f"{tol:g}", n_zero, n_proved, f"{model.certificate_.gap:.1e}"))
    page.text("""
        ### Is this zero really a zero?

        A program stops near the minimum. A coefficient that is 0 there could be a little more at the minimum itself.
        `proved_zero_` says which are 0 at every exact minimum. It rests on the certificate: if the loss is within a
        known gap of its minimum, the slopes are known up to a bound, and a slope whose bound stays below $\\lambda$
        belongs to a zero. The smaller the gap, the more zeros are proved.
    """)
    page.table(
        ("`tol`", "coefficients that are 0", "of them proved", "gap (nats)"),
        rows,
        f"{tumours.X.shape[1]} measurements of tumours, C = {C:.3g}",
    )


def misreadings(page: Page, iris: Dataset) -> None:
    """A zero is not "no effect", and scale matters."""
    X, y, names = standardised(iris.X), iris.y, measurements(iris)
    strength = 1 / (LEFT_OUT * len(y))
    full = LogisticRegression(C=strength, l1_ratio=1).fit(X, y)
    without = LogisticRegression(C=strength, l1_ratio=1).fit(np.delete(X, 2, axis=1), y)
    sizes, others = np.abs(full.coef_).max(axis=0), np.insert(np.abs(without.coef_).max(axis=0), 2, np.nan)
    page.text("""
        ## Two misreadings

        **"Its coefficient is 0, so it has no effect."** Iris again, all three species, at a strength at which only
        one measurement is left. Take that one away and fit again:
    """)
    page.table(
        ("measurement", "largest coefficient", "the same without petal length"),
        [
            (name, f"{size:.4f}", "left out by us" if np.isnan(other) else f"{other:.4f}")
            for name, size, other in zip(names, sizes, others, strict=True)
        ],
        f"Standardised, strength {LEFT_OUT}",
    )
    raw = RegularizationPath(n_strengths=50, tol=1e-6).fit(iris.X, y)
    in_mm = RegularizationPath(n_strengths=50, tol=1e-6).fit(iris.X * [1, 10, 1, 1], y)
    page.text(f"""
        Now petal width gets a coefficient of {others[3]:.2f}, where it had 0 before. It was left out because petal
        length had already said almost the same. A zero means: not needed beside the others, at this price.

        **"The penalty treats all columns alike."** It sees numbers, not centimetres. Write the sepal's width in
        millimetres: its numbers become ten times as large, the coefficient that it needs ten times as small, and so
        does its price.
    """)
    page.table(
        ("measurement", "all in cm", "sepal width in mm"),
        [
            (name, f"{one:.4f}", f"{other:.4f}")
            for name, one, other in zip(names, entry_strengths(raw), entry_strengths(in_mm), strict=True)
        ],
        "Strength at which each measurement comes in",
    )
    place = [int(np.argsort(-entry_strengths(path)).tolist().index(1)) + 1 for path in (raw, in_mm)]
    page.text(f"""
        The flowers are the same, and sepal width moved from place {place[0]} to place {place[1]}. Use
        `scale="standard"` unless the units are a choice of yours. One more warning: a penalised coefficient is too
        small on purpose, so that the usual standard errors are wrong for it. What to do about that is in the lesson
        on inference.
    """)


def questions(page: Page) -> None:
    """Three questions, with answers that are computed."""
    page.text("## Questions")
    page.question(
        "The loss alone would put a coefficient at 0.3, its curve is that of one half of a square, and the strength is "
        "0.5. Where does a penalty of absolute values put it?",
        ("-0.2", f"{soft_threshold(0.3, 0.5):g}", f"{ridge_shrinkage(0.3, 0.5):g}"),
        1,
        f"0.3 is less than 0.5 from 0, so it stays at {soft_threshold(0.3, 0.5):g}. It cannot pass 0. "
        f"{ridge_shrinkage(0.3, 0.5):g} would be the answer for squares.",
    )
    page.question(
        "At a lasso's minimum with the strength 0.1 the loss has the slope 0.04 along a coefficient. What is known?",
        ("The coefficient is 0.", "The coefficient is positive.", "The fit has not converged."),
        0,
        "A coefficient that is not 0 has a slope of exactly 0.1 or -0.1. Only a zero may have one between them.",
    )
    doubled = pull_at_zero(2 * HOURS, PASSED) / pull_at_zero(HOURS, PASSED)
    page.question(
        "A column is multiplied by 2. What happens to the strength at which it comes in, if it is the first?",
        ("It is halved.", "Nothing.", f"It is multiplied by {doubled:g}."),
        2,
        f"Its pull at 0 is the mean of $x (y - \\bar y)$, which is multiplied by {doubled:g}: scale matters.",
    )


def measurements(iris: Dataset) -> list[str]:
    """The names without their unit."""
    return [name.removesuffix(" (cm)") for name in iris.feature_names]


def plane(x: tuple[float, float], y: tuple[float, float], n: int = 81) -> tuple[Array, Array, Array]:
    """A grid, and its points as rows."""
    across, up = np.linspace(*x, n), np.linspace(*y, n)
    return across, up, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)


def contours(panel: Axes, x: Array, y: Array, heights: Array, levels: list[float]) -> None:
    """Lines of equal height, in grey."""
    from polytome.plots.drawing import GREY

    panel.contour(x, y, heights.reshape(len(y), len(x)), levels=levels, colors=GREY, linewidths=0.8)


@chart
def draw_valley(X: Array, y: Array, free: Array, held: Array) -> Figure:
    """The loss of a few flowers without and with a penalty."""
    from polytome.plots.drawing import PALETTE, new_figure

    figure, panels = new_figure(width=7.0, height=4.1, columns=2)
    across, up, points = plane((-6, 30), (-14, 22))
    loss = mean_log_loss(points, X, y)
    penalised = loss + (points**2).sum(axis=1) / (2 * len(y))
    steps = [0.005, 0.02, 0.06, 0.2, 0.6, 2.0, 6.0]
    for panel, heights, best, title in zip(
        panels, (loss, penalised), (free, held), ("loss alone", "loss and penalty"), strict=True
    ):
        contours(panel, across, up, heights, [float(heights.min()) + step for step in steps])
        panel.plot(*best, "*", color=PALETTE[1], markersize=13)
        panel.set(title=title, xlabel="coefficient of petal length", aspect="equal")
    panels[0].set_ylabel("coefficient of petal width")
    panels[1].tick_params(labelleft=False)  # as on the left
    return figure


@chart
def draw_budgets(X: Array, y: Array, free: Array, lasso: Array, ridge: Array) -> Figure:
    """Contours with a diamond, and with a disc."""
    from polytome.plots.drawing import PALETTE, new_figure, tint

    figure, panels = new_figure(width=7.0, height=3.9, columns=2)
    across, up, points = plane((-0.9, 2.3), (-1.3, 1.5), n=121)
    heights = mean_log_loss(points, X, y)
    lowest = float(mean_log_loss(free[None], X, y)[0])
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    shapes = (np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]]) * np.abs(lasso).sum(), circle * np.hypot(*ridge))
    names = ("absolute values", "squares")
    for place, (panel, shape, touch, name) in enumerate(zip(panels, shapes, (lasso, ridge), names, strict=True)):
        colour = PALETTE[place]
        panel.fill(*shape.T, facecolor=tint(colour), edgecolor=colour, linewidth=1.2)
        contours(panel, across, up, heights, [lowest + step for step in (0.003, 0.012, 0.1, 0.2, 0.35)])
        level = float(mean_log_loss(touch[None], X, y)[0])
        panel.contour(across, up, heights.reshape(len(up), -1), levels=[level], colors=colour, linewidths=2.0)
        panel.plot(*touch, "o", color=colour, markersize=8, zorder=5)
        panel.plot(*free, "k*", markersize=11)
        panel.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        panel.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        panel.set(title=name, xlabel="coefficient of sepal length", aspect="equal")
    panels[0].set_ylabel("coefficient of sepal width")
    panels[1].tick_params(labelleft=False)  # as on the left
    return figure


def draw_path_of(path: RegularizationPath, names: list[str]) -> Figure:
    """The path, with the names of its columns."""
    from polytome.plots.paths import PathDisplay

    norms = np.linalg.norm(path.coefs_ * path.divisors_, axis=1)
    return PathDisplay(path.Cs_, norms, path.n_active_, names, "norm of a column's coefficients").plot().figure_


def draw_thresholds(strength: float) -> Figure:
    """What each penalty makes of a."""
    from polytome.plots.charts import curves

    a = np.linspace(-2, 2, 401)
    series = {
        "no penalty": (a, a),
        "squares": (a, a / (1 + strength)),
        "absolute values": (a, np.array([soft_threshold(float(value), strength) for value in a])),
    }
    return curves(series, x_label="$a$, where the loss alone has its minimum", y_label="$w$, the penalised minimum")


def draw_choice(search: LogisticRegressionCV) -> Figure:
    """The loss of held-out rows by strength."""
    from polytome.plots.paths import CrossValidationDisplay

    return CrossValidationDisplay.from_search(search).figure_


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
