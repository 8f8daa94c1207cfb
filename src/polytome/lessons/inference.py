"""Inference: from one 2 x 2 table by hand to errors, tests, intervals, separation and effects.

Method: Agresti, Categorical Data Analysis, 2013, chapters 2, 3 and 5; Hosmer, Lemeshow and
Sturdivant, Applied Logistic Regression, 2013, chapters 1 to 3; Woolf, On estimating the relation
between blood group and disease, Annals of Human Genetics 19, 1955; Firth, Bias reduction of maximum
likelihood estimates, Biometrika 80, 1993; Heinze and Schemper, A solution to the problem of
separation in logistic regression, Statistics in Medicine 21, 2002.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm
from sklearn.exceptions import ConvergenceWarning

from polytome.errors import PolytomeError
from polytome.inference import LogisticResult, fit_firth, summarize
from polytome.models.logistic import LogisticRegression
from polytome.numerics import log_sigmoid, sigmoid, softplus
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

ASPIRIN = np.array([[189, 10845], [104, 10933]])
"""Heart attacks, and none, with placebo and with aspirin: Agresti, An Introduction to Categorical
Data Analysis, 2007, table 2.3; first in the New England Journal of Medicine 318, 1988, page 262."""

VESSELS = np.array([[13, 0], [17, 49]])
"""High and low grade of a tumour, with and without new vessels: counted from the 79 rows of the
endometrial cancer study that Heinze and Schemper 2002 analyse."""

HOURS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
PASSED = np.array([0, 0, 1, 0, 1, 1])
COLUMN = "feature_0"
LEVEL = 0.95
N_ROWS, N_NOISE, N_STUDIES = 100, 20, 1000


def lesson(page: Page) -> None:
    """Fill the page."""
    one_table(page)
    information_by_hand(page)
    tests_by_hand(page)
    profile(page)
    separation(page)
    effects(page)
    not_after_selection(page)
    questions(page)


def log_odds_ratio(table: Array) -> float:
    """The log of the ratio of the odds in the first and in the second row."""
    (a, b), (c, d) = table
    return float(np.log((a / b) / (c / d)))


def woolf_error(table: Array) -> float:
    """Its standard error: each cell adds the inverse of its count."""
    return float(np.sqrt((1 / table).sum()))


def fit_table(table: Array) -> LogisticResult:
    """The logistic model of a table: does the first row have other odds than the second?"""
    in_first_row, happened, counts = rows_of(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separation is what the lesson is about
        model = LogisticRegression(C=np.inf).fit(in_first_row, happened, counts)
    return summarize(model, in_first_row, happened, weights=counts, weights_are="frequencies")


def rows_of(table: Array) -> tuple[Array, Array, Array]:
    """For each cell that is not empty: in the first row or not, happened or not, how often."""
    in_first_row, happened = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([1, 0, 1, 0])
    counted = table.ravel() > 0
    return in_first_row[counted], happened[counted], table.ravel()[counted]


def one_table(page: Page) -> None:
    """Odds, their ratio, its logarithm, and how far it may be from the truth."""
    (a, b), (c, d) = ASPIRIN
    result = fit_table(ASPIRIN)
    slope, error = log_odds_ratio(ASPIRIN), woolf_error(ASPIRIN)
    z = norm.ppf((1 + LEVEL) / 2)
    low, high = np.exp([slope - z * error, slope + z * error])
    page.text(f"""
        ## One table

        Does aspirin prevent heart attacks? {ASPIRIN.sum():,} physicians took part in a study of five years; chance
        decided who got aspirin and who a placebo, and they did not know which.
    """)
    page.table(
        ("group", "heart attack", "none", "odds"),
        [("placebo", int(a), int(b), f"{a / b:.5f}"), ("aspirin", int(c), int(d), f"{c / d:.5f}")],
        "The Physicians' Health Study (Agresti 2007, table 2.3)",
    )
    page.text(rf"""
        **Odds** are one count divided by the other: {a} to {b:,}. The **odds ratio** compares the groups:

        $$\frac{{{a} / {b}}}{{{c} / {d}}} = {np.exp(slope):.3f}$$

        The odds of a heart attack were {np.exp(slope):.2f} times as high with placebo. Its logarithm is
        {slope:.4f}; 0 would mean no difference. A logistic model with one column, 1 for placebo and 0 for aspirin, has
        the log odds of aspirin as its intercept and this number as its coefficient.

        Another {ASPIRIN.sum():,} physicians would have given other counts. How much could the number vary? Woolf's
        answer of 1955:

        $$\sqrt{{\frac{{1}}{{{a}}} + \frac{{1}}{{{b}}} + \frac{{1}}{{{c}}} + \frac{{1}}{{{d}}}}} =
        {error:.5f}$$

        Each cell adds the inverse of its count. So the small counts decide; the thousands of healthy physicians add
        almost nothing.
    """)
    page.code(log_odds_ratio, woolf_error)
    page.table(
        ("", "coefficient", "standard error"),
        [
            ("by hand", f"{slope:.8f}", f"{error:.8f}"),
            ("the model", f"{result.coefficients[0, 1]:.8f}", f"{result.standard_errors[0, 1]:.8f}"),
        ],
        "The table by hand, and as a logistic model of four weighted rows",
    )
    page.text(rf"""
        An interval for the log odds ratio is the estimate, {z:.2f} standard errors up and down. Back on the scale of
        odds it goes from {low:.2f} to {high:.2f}. It does not contain 1.
    """)


def log_likelihood(intercept: float, slope: float) -> float:
    """The log of the probability of what the six students did."""
    scores = intercept + slope * HOURS
    return float((PASSED * scores - softplus(scores)).sum())


def information(intercept: float, slope: float) -> Array:
    """Minus the second derivatives of the log-likelihood."""
    p = sigmoid(intercept + slope * HOURS)
    v = p * (1 - p)
    return np.array([[v.sum(), (v * HOURS).sum()], [(v * HOURS).sum(), (v * HOURS**2).sum()]])


def six_students() -> LogisticResult:
    """The fit of passing on hours."""
    model = LogisticRegression(C=np.inf).fit(HOURS[:, None], PASSED)
    return summarize(model, HOURS[:, None], PASSED)


def information_by_hand(page: Page) -> None:
    """The information matrix, its inverse, and the standard errors."""
    result = six_students()
    intercept, slope = result.coefficients[0]
    matrix = information(intercept, slope)
    covariance = np.linalg.inv(matrix)
    errors = np.sqrt(np.diag(covariance))
    p = sigmoid(intercept + slope * HOURS)
    page.text(rf"""
        ## Information

        What Woolf did for four counts, Fisher's information does for any column. Six students studied for 1 to 6
        hours. The fit is the intercept {intercept:.4f} and the coefficient {slope:.4f} per hour. A row with the
        probability $p$ tells $p (1 - p)$ about its score: most where $p$ is one half, almost nothing where the outcome
        was certain.
    """)
    page.table(
        ("hours", "passed", "$p$", "$v = p (1 - p)$", "$v x$", "$v x^2$"),
        [
            (f"{x:g}", str(y), *(f"{number:.4f}" for number in (pi, v, v * x, v * x * x)))
            for x, y, pi, v in zip(HOURS, PASSED, p, p * (1 - p), strict=True)
        ]
        + [("sum", "", "", *(f"{number:.4f}" for number in (matrix[0, 0], matrix[0, 1], matrix[1, 1])))],
        "The three sums are the information matrix",
    )
    page.text(r"""
        The matrix holds minus the second derivatives of the log-likelihood. A sharp peak has large ones: then the data
        leave little room. Its inverse is the covariance of the coefficients, and the roots of the diagonal are the
        standard errors:

        $$I = \sum_i v_i (1, x_i)^\top (1, x_i), \qquad \mathrm{errors} = \sqrt{\mathrm{diag}(I^{-1})}$$
    """)
    page.code(information)
    page.table(
        ("", "intercept", "hours"),
        [
            ("by hand", *(f"{number:.6f}" for number in errors)),
            ("the model", *(f"{number:.6f}" for number in result.standard_errors[0])),
        ],
        "Standard errors",
    )


def tests_by_hand(page: Page) -> None:
    """Wald, likelihood ratio and score: three ways to ask one question."""
    result = six_students()
    intercept, slope = result.coefficients[0]
    error = np.sqrt(np.linalg.inv(information(intercept, slope))[1, 1])
    null = float(np.log(PASSED.mean() / (1 - PASSED.mean())))
    pull = float((HOURS * (PASSED - PASSED.mean())).sum())
    room = float(PASSED.mean() * (1 - PASSED.mean()) * ((HOURS - HOURS.mean()) ** 2).sum())
    by_hand = {
        "wald": (slope / error) ** 2,
        "likelihood-ratio": 2 * (log_likelihood(intercept, slope) - log_likelihood(null, 0.0)),
        "score": pull**2 / room,
    }
    page.text(rf"""
        ## Three tests

        Do hours matter at all? If not, the true coefficient is 0. Three tests measure how badly 0 fits. Each looks
        at the log-likelihood, a hill with its top at {slope:.4f}, from another place.

        - **Wald** stands on the top and asks how many standard errors away 0 is:
          $({slope:.4f} / {error:.4f})^2$.
        - **Likelihood ratio** compares heights: twice the top, {log_likelihood(intercept, slope):.4f}, less the height
          at 0, {log_likelihood(null, 0.0):.4f}.
        - **Score** stands at 0 and asks how steep the hill is there. The slope is $\sum x (y - \bar y) = {pull:g}$;
          its variance is $\bar y (1 - \bar y) \sum (x - \bar x)^2 = {room:g}$; the square of the one divided by the
          other is the test.

        If 0 is right, each is about as large as the square of a standard normal number: above
        {chi2.ppf(LEVEL, 1):.2f} in one of twenty cases.
    """)
    page.table(
        ("test", "by hand", "the model", "p"),
        [
            (name, f"{value:.6f}", f"{found.statistic:.6f}", f"{found.p_value:.4f}")
            for name, value in by_hand.items()
            for found in [result.test(COLUMN, name)]
        ],
        "Is the coefficient of hours 0?",
    )
    expected = np.outer(ASPIRIN.sum(axis=1), ASPIRIN.sum(axis=0)) / ASPIRIN.sum()
    pearson = float(((ASPIRIN - expected) ** 2 / expected).sum())
    of_table = fit_table(ASPIRIN)
    found = {name: of_table.test(COLUMN, name).statistic for name in by_hand}
    page.text(rf"""
        Six students are few, so the three differ, and none rejects 0. With the {ASPIRIN.sum():,} physicians they
        nearly agree: {found["wald"]:.2f}, {found["likelihood-ratio"]:.2f} and {found["score"]:.2f}. The last one is
        an old friend: Pearson's $\sum (\mathrm{{observed}} - \mathrm{{expected}})^2 / \mathrm{{expected}}$ of the
        table is {pearson:.2f} too. The score test of a 2 x 2 table *is* Pearson's.
    """)


def best_given(slope: float) -> float:
    """The log-likelihood with the best intercept for this slope."""
    room = 20 + 6 * abs(slope)
    best = brentq(lambda b: (PASSED - sigmoid(b + slope * HOURS)).sum(), -room, room, xtol=1e-13)
    return log_likelihood(float(best), slope)


def profile_ends() -> tuple[float, float]:
    """The outermost slopes that are not rejected."""
    top = six_students().coefficients[0, 1]
    height = best_given(top) - chi2.ppf(LEVEL, 1) / 2

    def above(slope: float) -> float:
        return best_given(slope) - height

    return float(brentq(above, -5, top, xtol=1e-12)), float(brentq(above, top, 12, xtol=1e-12))


def profile(page: Page) -> None:
    """An interval is all that a test does not reject."""
    result = six_students()
    slope, error = float(result.coefficients[0, 1]), float(result.standard_errors[0, 1])
    ends = profile_ends()
    found = result.confidence_intervals(method="profile", terms=COLUMN)
    wald = slope - norm.ppf(0.975) * error, slope + norm.ppf(0.975) * error
    page.text(rf"""
        ## An interval is a test, turned round

        A test asks about one value, 0. Ask it about every value: the 95 % interval holds all those that it does
        not reject. For Wald that is the estimate, {norm.ppf(0.975):.2f} errors up and down. For the likelihood ratio,
        fix the slope at a value, let the intercept do its best, and look at how far the hill has fallen: values
        that lose less than {chi2.ppf(LEVEL, 1) / 2:.2f} are in. This height, as a function of the slope, is the
        **profile** of the likelihood.
    """)
    page.figure(
        "profile-likelihood",
        lambda: draw_profile(slope, error),
        "The profile log-likelihood, and Wald's parabola, which has the same top and the same curvature there. Where "
        "each crosses the dashed line, its interval ends.",
        "Two curves with a common top at 1.21: a parabola, and the profile, which falls faster to the left and more "
        "slowly to the right; a dashed line 1.92 below the top.",
    )
    page.code(best_given, profile_ends)
    page.table(
        ("interval for hours", "from", "to"),
        [
            ("Wald", f"{wald[0]:.6f}", f"{wald[1]:.6f}"),
            ("profile, by hand", f"{ends[0]:.6f}", f"{ends[1]:.6f}"),
            ("profile, the model", f"{found['lower'][0]:.6f}", f"{found['upper'][0]:.6f}"),
        ],
        "95 % intervals",
    )
    page.text("""
        The hill is not symmetric: a very large slope is easier to believe than a negative one. The profile knows, and
        Wald's parabola does not. With many rows the two are the same.
    """)


def separation(page: Page) -> None:
    """A zero in the table: what goes to infinity, and what one half does."""
    (a, b), (c, d) = VESSELS
    result, added = fit_table(VESSELS), log_odds_ratio(VESSELS + 0.5)
    lower = float(result.confidence_intervals(method="profile", terms=COLUMN)["lower"][0])
    ratio = result.test(COLUMN, "likelihood-ratio")
    firth = firth_of(VESSELS)
    page.text(rf"""
        ## A zero in the table

        {VESSELS.sum()} women with a tumour of the uterus: had new blood vessels grown, and was the tumour of a high
        grade? All {a} with new vessels had one.
    """)
    page.table(
        ("new vessels", "high grade", "low grade", "odds"),
        [("yes", int(a), int(b), "infinite"), ("no", int(c), int(d), f"{c / d:.4f}")],
        "The endometrial cancer study (Heinze and Schemper 2002)",
    )
    page.text(rf"""
        By hand, the odds ratio has a zero below the line. The model meets the same: the larger its coefficient, the
        better the fit, for ever. That is **separation**: one value of the column belongs to one class only. Many
        programs stop somewhere on the way and print a number, with an enormous standard error. The number means
        nothing. Polytome's estimate is {result.coefficients[0, 1]:+g}, and its table says why.

        The likelihood still knows a lot. It rises to a height that it never reaches; so an interval has one end. The
        profile interval goes from {lower:.3f} to infinity, and the likelihood-ratio test of 0 gives
        {ratio.statistic:.2f}, p = {ratio.p_value:.0e}. So there is little doubt that new vessels go with a high grade.
        Only how strongly, at most, these rows cannot say.
    """)
    page.figure(
        "separation",
        draw_separation,
        "The log-likelihood of the table rises for ever, to the dashed line. With Firth's penalty it has a top.",
        "Two curves over the log odds ratio: one rises and becomes flat at a dashed line, the other has a maximum "
        "near 4.3 and falls.",
    )
    page.text(rf"""
        Firth's remedy of 1993 takes away the first-order bias of the estimate. For a 2 x 2 table it is as simple as
        can be: **add one half to every cell**. Then

        $$\log \frac{{{a + 0.5:g} \cdot {d + 0.5:g}}}{{{b + 0.5:g} \cdot {c + 0.5:g}}} = {added:.6f}$$
    """)
    page.table(
        ("", "log odds ratio", "profile 95 % from", "to"),
        [
            ("maximum likelihood", f"{result.coefficients[0, 1]:+g}", f"{lower:.4f}", "+inf"),
            ("one half added, by hand", f"{added:.6f}", "", ""),
            ("Firth's method", f"{firth[0]:.6f}", f"{firth[1]:.4f}", f"{firth[2]:.4f}"),
        ],
        "New vessels and a high grade",
    )


def firth_of(table: Array) -> tuple[float, float, float]:
    """Firth's estimate of a table's log odds ratio, with its profile interval."""
    in_first_row, happened, counts = rows_of(table)
    result = fit_firth(in_first_row, happened, weights=counts, weights_are="frequencies")
    ends = result.confidence_intervals(method="profile", terms=COLUMN)
    return float(result.coefficients[0, 1]), float(ends["lower"][0]), float(ends["upper"][0])


def average_effect(intercept: float, slope: float) -> float:
    """What one hour more does to the probability, on average."""
    p = sigmoid(intercept + slope * HOURS)
    return float((p * (1 - p) * slope).mean())


def effects(page: Page) -> None:
    """From odds back to probabilities."""
    result = six_students()
    intercept, slope = result.coefficients[0]
    p = sigmoid(intercept + slope * HOURS)
    risks = ASPIRIN[:, 0] / ASPIRIN.sum(axis=1)
    found = result.effects(COLUMN)
    of_table = fit_table(ASPIRIN).effects(COLUMN)
    page.text(rf"""
        ## What it means for a probability

        An odds ratio is hard to feel. What does an hour do to the *probability*? The derivative of the sigmoid is
        $p (1 - p)$, so for each student it is $p (1 - p)$ times {slope:.4f}. That differs from student to student;
        its mean is the **average marginal effect**.
    """)
    page.table(
        ("hours", "$p$", "effect of one more hour"),
        [(f"{x:g}", f"{pi:.4f}", f"{pi * (1 - pi) * slope:.4f}") for x, pi in zip(HOURS, p, strict=True)]
        + [("mean", "", f"{average_effect(intercept, slope):.4f}")],
    )
    page.code(average_effect)
    page.text(rf"""
        The model says {float(found.values.ravel()[0]):.4f}, with a standard error of
        {float(found.standard_errors.ravel()[0]):.4f}. In words: an hour is worth about
        {100 * average_effect(intercept, slope):.0f} percentage points, more in the middle and less at the ends.

        For a column of 0 and 1 it is the difference of two probabilities. Of a hundred with a placebo
        {100 * risks[0]:.2f} had a heart attack, with aspirin {100 * risks[1]:.2f}. The difference is
        {100 * (risks[0] - risks[1]):.2f} percentage points, and the model says
        {100 * float(of_table.values.ravel()[0]):.2f}. An odds ratio of
        {np.exp(log_odds_ratio(ASPIRIN)):.2f} sounds like much, and a difference of less than one point like little.
        Both are true. Report both.
    """)


def z_of_columns(X: Array, y: Array) -> Array:
    """The signed root of the score test of each column by itself."""
    centred = X - X.mean(axis=0)
    pull = (centred * (y - y.mean())[:, None]).sum(axis=0)
    return np.asarray(pull / np.sqrt(y.mean() * (1 - y.mean()) * (centred**2).sum(axis=0)))


def selected_studies() -> dict[str, float]:
    """How often noise is called significant, by how the column was chosen."""
    rng = np.random.default_rng(0)
    limit = norm.ppf(0.975)
    hits = {"named beforehand": 0, "the best of 20": 0, "the best of 20, tested on other rows": 0}
    for _ in range(N_STUDIES):
        X, y = rng.normal(size=(N_ROWS, N_NOISE)), rng.permutation(np.arange(N_ROWS) % 2)
        z = np.abs(z_of_columns(X, y))
        half = N_ROWS // 2
        best_of_half = int(np.abs(z_of_columns(X[:half], y[:half])).argmax())
        fresh = np.abs(z_of_columns(X[half:], y[half:]))[best_of_half]
        for name, value in zip(hits, (z[0], z.max(), fresh), strict=True):
            hits[name] += int(value > limit)
    return {name: count / N_STUDIES for name, count in hits.items()}


def not_after_selection(page: Page) -> None:
    """Why a chosen column, or a penalised one, has no such test."""
    shares = selected_studies()
    expected = 1 - LEVEL**N_NOISE
    try:
        summarize(LogisticRegression(C=1.0).fit(HOURS[:, None], PASSED), HOURS[:, None], PASSED)
        said = "nothing"
    except PolytomeError as refusal:
        said = str(refusal)
    page.text(f"""
        ## Not after a choice, and not after a penalty

        All this holds for a model that was fixed before the data were seen. Suppose there are {N_NOISE} columns of
        pure noise, {N_ROWS} rows, and a p-value below 5 % is called a discovery. Here are {N_STUDIES:,} such studies.
    """)
    page.code(z_of_columns)
    page.figure(
        "chosen-columns",
        lambda: draw_selected(shares),
        f"Share of {N_STUDIES:,} studies of noise that report a discovery.",
        "Three bars: about five per cent for a column named beforehand, more than sixty for the best of twenty, and "
        "about five for the best of twenty tested on other rows.",
    )
    page.text(f"""
        Whoever picks the best column and then tests it on the same rows finds something in
        {shares["the best of 20"]:.0%} of the studies; $1 - 0.95^{{{N_NOISE}}} = {expected:.2f}$ was to be expected.
        Testing on rows that did not help to choose repairs it: {shares["the best of 20, tested on other rows"]:.0%}.
        A lasso chooses columns too, and the same holds for its choice.

        A penalty does one thing more: it makes coefficients smaller on purpose. An estimate that is too small by an
        unknown amount has no interval of the usual kind. So the table is refused:

        *{said}*

        What to do instead: fit without a penalty where rows are many; use Firth's method where they are few;
        choose and test on different rows.
    """)


def questions(page: Page) -> None:
    """Three questions, with answers that are computed."""
    tenfold = woolf_error(ASPIRIN * np.array([1, 10])) / woolf_error(ASPIRIN)
    page.text("## Questions")
    page.question(
        "Ten times as many healthy physicians in both groups, and the same numbers of heart attacks: what happens to "
        "the standard error of the log odds ratio?",
        ("It is divided by 10.", "It is divided by the root of 10.", "It hardly changes."),
        2,
        f"It is multiplied by {tenfold:.3f}. The heart attacks, {ASPIRIN[0, 0]} and {ASPIRIN[1, 0]}, decide.",
    )
    by_half = woolf_error(4 * ASPIRIN) / woolf_error(ASPIRIN)
    page.question(
        "A study is to be repeated so that the interval of the log odds ratio is half as wide. How many times as many "
        "people are needed?",
        ("2", "4", "8"),
        1,
        f"Errors fall with the root of the counts: four times the counts multiply the error by {by_half:g}.",
    )
    page.question(
        "A program prints the coefficient 18.2 with a standard error of 3,100. What has happened?",
        (
            "The column does not matter, as p is 0.995.",
            "The classes are separated, and the estimate is infinite.",
            "The column should be standardised.",
        ),
        1,
        "The program stopped on its way to infinity. Wald's test cannot see it; the likelihood-ratio test can.",
    )


@np.errstate(all="raise")
def profile_of_table(slope: float, half: float) -> float:
    """The best log-likelihood of the vessels' table beside a log odds ratio, with Firth's penalty
    times twice `half`."""
    (a, b), (c, d) = VESSELS + half
    best = brentq(
        lambda at: (a + b) * sigmoid(at + slope) - a + (c + d) * sigmoid(at) - c, -60, 60, xtol=1e-13, maxiter=500
    )
    scores = np.array([best + slope, best])
    yes, no = log_sigmoid(scores), log_sigmoid(-scores)
    return float(a * yes[0] + b * no[0] + c * yes[1] + d * no[1])


def draw_profile(slope: float, error: float) -> Figure:
    """The profile and Wald's parabola, both from the top down."""
    from polytome.plots.charts import curves

    at = np.linspace(-1.2, 4.8, 241)
    top = best_given(slope)
    series = {
        "profile": (at, np.array([best_given(float(value)) - top for value in at])),
        "Wald": (at, -(((at - slope) / error) ** 2) / 2),
    }
    level = {f"{chi2.ppf(LEVEL, 1) / 2:.2f} below the top": -chi2.ppf(LEVEL, 1) / 2}
    return curves(
        series,
        x_label="coefficient of hours",
        y_label="log-likelihood, less its maximum",
        levels=level,
        y_limits=(-4.5, 0.3),
    )


def draw_separation() -> Figure:
    """The profile of a table with a zero, and with Firth's penalty."""
    from polytome.plots.charts import curves

    at = np.linspace(0.5, 9, 171)
    plain = np.array([profile_of_table(float(value), 0.0) for value in at])
    firth = np.array([profile_of_table(float(value), 0.5) for value in at])
    (_, _), (c, d) = VESSELS
    limit = float(c * np.log(c / (c + d)) + d * np.log(d / (c + d)))
    series = {"log-likelihood": (at, plain - limit), "with Firth's penalty": (at, firth - firth.max())}
    return curves(
        series,
        x_label="log odds ratio of new vessels",
        y_label="log-likelihood, less its supremum",
        levels={"never reached": 0.0},
        y_limits=(-8, 0.6),
    )


def draw_selected(shares: dict[str, float]) -> Figure:
    """Three shares as bars."""
    from polytome.plots.bars import bars

    return bars(list(shares), {"": list(shares.values())}, value_label="share of studies", name_label="tested column")


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
