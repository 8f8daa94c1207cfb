"""Iris-Virginica with a library: what a fit proves, and how a fold rule moved one flower.

Document 000 (scikit-learn's LogisticRegression on Iris-Virginica, judged by cross-validation).
Method: Stone, Cross-validatory choice and assessment of statistical predictions, Journal of the
Royal Statistical Society B 36, 1974; Boyd and Vandenberghe, Convex Optimization, 2004, section
9.1.2 (the bound behind the certificate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from polytome.certificates.careful import certify_given
from polytome.evaluation.metrics import confusion_matrix
from polytome.losses import Logistic
from polytome.models.logistic import LogisticRegression
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.plots.drawing import chart
from polytome.rows import as_rows
from polytome.tables.datasets import load_dataset
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

FOLDS = 3
FLOWER = [4.9, 3.2, 1.3, 0.2]


def lesson(page: Page) -> None:
    """Fill the page."""
    iris = load_dataset("iris")
    X, y = iris.X, (iris.y == "virginica").astype(int)
    the_fit(page, X, y, iris.feature_names)
    one_sentinel(page)
    three_flowers(page, X, y)
    unseen_flowers(page)
    before = predict_unseen(X, y, folds_before(y, FOLDS))
    today = predict_unseen(X, y, folds_today(y, FOLDS))
    two_rules(page, X, y, before, today)
    one_flower(page, X, y, before, today)
    old_programs(page)


def folds_before(y: Array, k: int) -> Array:
    """The rule before scikit-learn 0.22: cut each class into k parts separately."""
    folds = np.empty(len(y), dtype=int)
    for label in np.unique(y):
        for fold, rows in enumerate(np.array_split(np.flatnonzero(y == label), k)):
            folds[rows] = fold
    return folds


def folds_today(y: Array, k: int) -> Array:
    """The rule since: deal the sorted labels like cards, and count each."""
    folds = np.empty(len(y), dtype=int)
    for label in np.unique(y):
        counts = [(np.sort(y)[fold::k] == label).sum() for fold in range(k)]
        folds[y == label] = np.repeat(np.arange(k), counts)
    return folds


def predict_unseen(X: Array, y: Array, folds: Array) -> Array:
    """Each flower's probability, by a model that never saw its fold."""
    probability = np.empty(len(y))
    for fold in np.unique(folds):
        seen, unseen = folds != fold, folds == fold
        model = LogisticRegression().fit(X[seen], y[seen])
        probability[unseen] = model.predict_proba(X[unseen])[:, 1]
    return probability


def precision_and_recall(y: Array, predicted: Array) -> tuple[float, float]:
    """Hits divided by all predicted as 1, and hits divided by all that are 1."""
    hits = (predicted & (y == 1)).sum()
    return float(hits / predicted.sum()), float(hits / y.sum())


def the_fit(page: Page, X: Array, y: Array, names: tuple[str, ...]) -> None:
    """The estimator, its objective and its proof."""
    model = LogisticRegression(tol=1e-12).fit(X, y)
    rough = LogisticRegression().fit(X, y)
    page.text(rf"""
        ## The fit

        Document 000 trains scikit-learn's `LogisticRegression` to tell Iris-Virginica from the other two species, with
        all four measurements. Polytome's estimator of the same name minimises the same: the mean log loss over
        $m = {len(y)}$ flowers, plus a penalty that keeps the weights $w$ small. The bias is free, and $C$ is 1:

        $$\frac{{1}}{{m}} \sum_{{i=1}}^{{m}} -\log p(y_i \mid x_i) + \frac{{\lVert w \rVert^2}}{{2 C m}}$$

        The penalty gives this function positive curvature everywhere. So it has exactly one minimum, and the slope at a
        point bounds how far below it the minimum can lie. That is the certificate of a fit:

        *{rough.certificate_}*

        Asked for more with `tol=1e-12`, the estimator gives the minimum to all digits.
    """)
    page.number("S0-07b", [*model.coef_[0], model.intercept_[0]])
    page.table(
        ("measurement", "weight (per cm)", "scikit-learn", "difference"),
        [
            (name.removesuffix(" (cm)"), ours, theirs, f"{abs(ours - theirs):.1g}")
            for name, ours, theirs in zip(names, model.coef_[0], peer(X, y), strict=True)
        ],
        "Weights at the minimum",
    )


def naive_bound(x: Array, y: Array, w: float, b: float, C: float) -> float:
    """The squared slope over twice the curvature, for a centred column, as if there were no
    rounding."""
    residual = expit(w * x + b) - y
    slope = ((x - x.mean()) * residual).mean() + w / (C * len(x))
    return float(slope**2 * C * len(x) / 2)


def one_sentinel(page: Page) -> None:
    """A cell of 1e10 for "missing": a bound for real numbers is false in floats; one that counts
    rounding is true."""
    x = np.array([2.3, 0.5, 1.0, 0.3, -0.5, 1.9, 1e10, -1.0])
    y = np.array([0, 1, 0, 1, 0, 1, 1, 0])
    objective = Objective(Logistic(), L2(1 / len(x)), as_rows(x[:, None], y))
    best = LogisticRegression().fit(x[:, None], y)
    w, b = 0.0011, -0.2883875
    for _ in range(60):  # the intercept at which the naive slope vanishes, by the secant's rule
        slope = [((x - x.mean()) * (expit(w * x + at) - y)).mean() + w / len(x) for at in (b, b + 1e-7)]
        b -= 1e-7 * slope[0] / (slope[1] - slope[0])
    here = certify_given(objective, np.array([[w]]), np.array([b]), 1e-4)
    left = abs((expit(w * x + b) - y).mean())
    page.text(rf"""
        ## A proof has to count its own rounding

        The bound is a theorem about real numbers, and a computer has floats instead. Eight rows of one column, in which
        somebody wrote $10^{{10}}$ for "missing". At $w = {w:g}$ an intercept can be chosen so that the slope of the
        centred column seems to vanish; what is left of the intercept's own equation is {left:.0e}, which seems
        negligible. But this column multiplies it by its mean, $10^9$.
    """)
    page.code(naive_bound)
    page.table(
        ("statement about w = 0.0011", "nats"),
        [
            ("naive bound on the distance from the minimum", f"{naive_bound(x, y, w, b, 1.0):.1e}"),
            ("true distance, at least", f"{here.objective - best.certificate_.objective:.4f}"),
            ("bound that counts rounding and what is left of the intercept's equation", f"{here.gap:.3f}"),
        ],
        "One false proof and one true one",
    )
    page.text(rf"""
        The estimator continues to $w = {best.coef_[0, 0]:.4f}$, and its sentence counts everything that is not exact:
        *{best.certificate_}*
    """)


def peer(X: Array, y: Array) -> Array:
    """The same weights from scikit-learn."""
    from sklearn.linear_model import LogisticRegression as Peer

    weights: Array = Peer(solver="newton-cholesky", tol=1e-12).fit(X, y).coef_[0]
    return weights


def three_flowers(page: Page, X: Array, y: Array) -> None:
    """Predictions for two flowers of the data set and a new one."""
    model = LogisticRegression().fit(X, y)
    flowers = np.vstack([X[[3, 145]], FLOWER])
    page.text("""
        ## Three flowers

        A new flower is predicted from its four measurements. Above one half the answer is 1, virginica; the probability
        says how certain the model is.
    """)
    page.table(
        ("flower", "measurements (cm)", "probability of virginica", "answer"),
        [
            (name, ", ".join(f"{size:g}" for size in flower), f"{p:.2g}", int(answer))
            for name, flower, p, answer in zip(
                ("number 3", "number 145", "a new one"),
                flowers,
                model.predict_proba(flowers)[:, 1],
                model.predict(flowers),
                strict=True,
            )
        ],
    )
    page.number("S0-07", model.predict(flowers))


def unseen_flowers(page: Page) -> None:
    """Cross-validation, precision and recall."""
    page.text(rf"""
        ## Flowers that the model has not seen

        How good is the model on new flowers? Asking it about flowers that it learned from would be too kind. In
        **cross-validation** the flowers are divided into {FOLDS} folds. Each fold is judged by a model that learned
        from the others, so every flower is judged by a model that never saw it. Two shares summarise the answers:

        $$\operatorname{{precision}} = \frac{{\text{{hits}}}}{{\text{{all that were called virginica}}}}, \qquad
        \operatorname{{recall}} = \frac{{\text{{hits}}}}{{\text{{all that are virginica}}}}$$
    """)
    page.code(predict_unseen, precision_and_recall)


def two_rules(page: Page, X: Array, y: Array, before: Array, today: Array) -> None:
    """Both fold rules, and what they give."""
    from sklearn.model_selection import StratifiedKFold

    old, new = folds_before(y, FOLDS), folds_today(y, FOLDS)
    differ = [(new[test] != fold).sum() for fold, (_, test) in enumerate(StratifiedKFold(FOLDS).split(X, y))]
    moved = np.flatnonzero(old != new)
    page.text(f"""
        ## Two rules for the folds

        Each fold should hold its share of virginicas. But {(y == 1).sum()} virginicas cannot be divided by {FOLDS}, and
        two rules have been in use for the flowers that are left over. scikit-learn changed from the first to the second
        in version 0.22, so the same call, `cv=3`, has given other folds since. (Our second rule and scikit-learn's
        `StratifiedKFold` disagree about {sum(differ)} flowers.)
    """)
    page.code(folds_before, folds_today)
    sizes = [[int(((folds == fold) & (y == 1)).sum()) for fold in range(FOLDS)] for folds in (old, new)]
    page.table(
        ("rule", "virginicas per fold", "virginicas found", "others called virginica"),
        [
            (name, ", ".join(map(str, counts)), *confusion_matrix(y, (p > 0.5).astype(int), 2)[[1, 0], 1])
            for name, counts, p in zip(("before 0.22", "today"), sizes, (before, today), strict=True)
        ],
    )
    page.number("S0-06", precision_and_recall(y, before > 0.5))
    page.number("S0-06b", precision_and_recall(y, today > 0.5))
    page.figure(
        "two-fold-rules",
        lambda: draw_folds({"before 0.22": old, "today": new}, np.flatnonzero(y == 1), moved),
        f"The fold of each virginica under both rules. Only flowers {' and '.join(map(str, moved))} (rings) change "
        "theirs; the other species keep their folds.",
        "Two rows of 50 marks, one row per rule, in three shapes for the folds; each border between folds lies one "
        "flower further left under today's rule.",
    )


def one_flower(page: Page, X: Array, y: Array, before: Array, today: Array) -> None:
    """The flower whose prediction the rule decides."""
    old, new = folds_before(y, FOLDS), folds_today(y, FOLDS)
    moved = np.flatnonzero(old != new)
    (flower,) = np.flatnonzero((before > 0.5) != (today > 0.5))
    page.text(f"""
        ## One flower decides

        The two pairs of numbers differ by the answer for a single virginica, flower {flower}. It did not move: it is in
        fold {old[flower]} under the old rule and in fold {new[flower]} under today's. But the model that judges it
        learned from others:
    """)
    page.table(
        ("flower", "petal length (cm)", "petal width (cm)", "learned from before 0.22?", "learned from today?"),
        [(int(i), X[i, 2], X[i, 3], old[i] != old[flower], new[i] != new[flower]) for i in (*moved, flower)],
        f"What the model for flower {flower} learned from",
    )
    page.text(f"""
        A virginica with petals as small as its own is now among its teachers, and a larger one no longer is. That
        raised the probability of flower {flower} from {before[flower]:.4f} to {today[flower]:.4f}, across one half. The
        program is the same, and a single teacher was exchanged; yet the recall rose from
        {precision_and_recall(y, before > 0.5)[1]:.2f} to {precision_and_recall(y, today > 0.5)[1]:.2f}. Read such
        numbers, from {len(y)} flowers, with that in mind.
    """)
    page.figure(
        "unseen-probabilities",
        lambda: draw_probabilities(X, y, before, today, int(flower)),
        f"Probability of virginica by a model that had not seen the flower (today's folds). Flower {flower} is shown "
        "under both rules.",
        "Scatter of probability against petal width: others low, virginicas high, a steep rise between 1.4 and 1.8 "
        "cm; two marks for one flower, one just below and one just above one half.",
    )


def old_programs(page: Page) -> None:
    """Calls that no longer run or no longer mean the same."""
    import inspect

    import sklearn
    from sklearn import datasets, linear_model

    parameters = inspect.signature(linear_model.LogisticRegression).parameters
    frame = inspect.signature(datasets.fetch_openml).parameters["as_frame"].default
    iterations = parameters["max_iter"].default
    page.text("""
        ## Programs grow old

        The programs of document 000 were right when they were written. Libraries have moved on since.
    """)
    page.table(
        ("in document 000", "is it there today?", "today"),
        [
            ("`np.int`", hasattr(np, "int"), "`int`"),
            ("`fetch_mldata`", hasattr(datasets, "fetch_mldata"), '`polytome.load_dataset("mnist")`'),
            ("`LogisticRegression(multi_class=...)`", "multi_class" in parameters, "leave it out"),
            ("`fetch_openml` gives arrays", frame is False, "`as_frame=False`"),
        ],
        f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}",
    )
    y = (load_dataset("iris").y == "virginica").astype(int)
    page.erratum(
        "000-9",
        wrong="`np.int`, `fetch_mldata`, the argument `multi_class`, `fetch_openml` as a source of arrays, `cv=3` as "
        "if it determined the folds; and lbfgs left at its usual number of iterations, its warning ignored.",
        right="The replacements above, a fold rule that is written down, and a fit that says whether it has converged.",
        shown=f"Today `cv=3` puts {(folds_before(y, FOLDS) != folds_today(y, FOLDS)).sum()} of {len(y)} flowers into "
        f"other folds than the document's library did. scikit-learn stops after {iterations} iterations, converged or "
        f"not; Polytome goes on until its certificate holds, here after "
        f"{LogisticRegression().fit(load_dataset('iris').X, y).n_iter_[0]}.",
    )


@chart
def draw_folds(rules: dict[str, Array], shown: Array, moved: Array) -> Figure:
    """A row of marks per rule, by fold, for the flowers that are shown."""
    from polytome.plots.drawing import INK, mark, new_figure
    from polytome.plots.labels import key_above

    figure, (axes,) = new_figure(height=2.4)
    key = {}
    for row, folds in enumerate(rules.values()):
        for fold in np.unique(folds):
            flowers = shown[folds[shown] == fold]
            looks = mark(int(fold)) | {"linestyle": "none", "markersize": 6}
            (key[f"fold {fold}"],) = axes.plot(flowers, np.full(len(flowers), row), **looks)
        axes.plot(moved, np.full(len(moved), row), "o", markersize=13, markerfacecolor="none", color=INK)
    axes.set_yticks(range(len(rules)), list(rules))
    axes.set(xlabel="number of the flower", ylabel="fold rule", ylim=(1.6, -0.6))
    key_above(figure, key)
    return figure


def draw_probabilities(X: Array, y: Array, before: Array, today: Array, flower: int) -> Figure:
    """Probabilities of unseen flowers by petal width."""
    from polytome.plots.charts import points_with_curves

    width, others = X[:, 3], np.arange(len(y)) != flower
    groups = {
        "not virginica": (width[y == 0], today[y == 0]),
        "virginica": (width[others & (y == 1)], today[others & (y == 1)]),
        f"flower {flower}, before 0.22": ([width[flower]], [before[flower]]),
        f"flower {flower}, today": ([width[flower]], [today[flower]]),
    }
    return points_with_curves(
        groups, {}, x_label="petal width (cm)", y_label="probability of virginica", levels={"one half": 0.5}
    )


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
