"""Many classes: softmax, one against the rest, each pair, and labels that do not exclude each
other.

Document 001 (one-vs-rest, one-vs-one, multi-label outputs, softmax). Method: Rifkin and Klautau, In
defense of one-vs-all classification, JMLR 5, 2004; Hastie and Tibshirani, Classification by
pairwise coupling, The Annals of Statistics 26, 1998; Bishop, Pattern Recognition and Machine
Learning, 2006, sections 4.1.2 and 4.3.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.models.logistic import LogisticRegression
from polytome.models.multilabel import MultilabelLogistic
from polytome.models.one_vs_one import OneVsOne
from polytome.models.one_vs_rest import OneVsRest
from polytome.tables.datasets import load_dataset
from polytome.teaching.page import Page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Classifier = LogisticRegression | OneVsRest | OneVsOne

C = 10.0
SEPALS, PETALS = slice(0, 2), slice(2, 4)
DOUBTFUL = 70  # a versicolor with the petals of a virginica


def lesson(page: Page) -> None:
    """Fill the page."""
    iris = load_dataset("iris")
    X, y = iris.X[:, PETALS], iris.y
    rest = OneVsRest(C=C).fit(X, y)
    pairs = OneVsOne(C=C).fit(X, y)
    softmax = LogisticRegression(C=C).fit(X, y)
    one_against_the_rest(page, X, y, rest)
    each_pair(page, X, y, pairs)
    a_tie(page, iris.X[:, SEPALS], y)
    one_model(page, X, y, softmax)
    side_by_side(page, X, y, {"one-vs-rest": rest, "one-vs-one": pairs, "softmax": softmax})
    not_exclusive(page, X, y)


def one_against_the_rest(page: Page, X: Array, y: Array, model: OneVsRest) -> None:
    """K questions of yes or no."""
    names = model.classes_.tolist()
    page.text(rf"""
        Logistic regression answers yes or no. Iris has {len(names)} species: {", ".join(names)}. How can yes and no
        choose among many? Petal length and petal width, both in cm, are the features here, so that all can be drawn.

        ## One against the rest

        Ask once for each class: this one, or any other? That makes $K$ binary models for $K$ classes. Each gives a
        score; the largest score, the most confident model, wins.
    """)
    page.figure("one-vs-rest", lambda: regions(X, y, model), REST_CAPTION, REST_ALTERNATIVE)
    scores, codes = model.decision_function(X), np.unique(y, return_inverse=True)[1]
    alone = ((scores > 0) == (codes[:, None] == np.arange(len(names)))).mean(axis=0)
    claims = (scores > 0).sum(axis=1)
    page.table(
        ("model", "right about its own question"),
        [(f"{name} or not", f"{share:.1%}") for name, share in zip(names, alone, strict=True)],
        "The three models by themselves",
    )
    page.text(f"""
        The middle species is hard to tell from the rest by one straight line: flowers on both sides of it are not
        versicolor. So {(claims == 0).sum()} flowers are claimed by no model at all, and {(claims > 1).sum()} by more
        than one. Scores decide where yes and no contradict each other.
    """)


REST_CAPTION = "One against the rest. Each border is where two of the three scores are equal."
REST_ALTERNATIVE = (
    "Petal length against petal width with the 150 flowers, divided into three regions by straight lines."
)


def number_of_pairs(n_classes: int) -> int:
    """Every class meets every other one once."""
    return n_classes * (n_classes - 1) // 2


def each_pair(page: Page, X: Array, y: Array, model: OneVsOne) -> None:
    """K (K - 1) / 2 duels."""
    page.text(r"""
        ## Each pair

        Or give every pair of classes its own model, trained on the flowers of these two only. The models vote,
        and most votes win. There are $K(K-1)/2$ pairs:
    """)
    page.code(number_of_pairs)
    page.number("S1-09", [number_of_pairs(3), number_of_pairs(10)])
    names = model.classes_[model.pairs_]
    n_rows = [int(np.isin(y, pair).sum()) for pair in names]
    wins = model.decision_function(X).argmax(axis=1)
    page.table(
        ("pair", "flowers", r"$w$ (length, width)", "$b$"),
        [
            (f"{first} or {second}", n, model.coef_[k].round(3), float(model.intercept_[k]))
            for k, ((first, second), n) in enumerate(zip(names, n_rows, strict=True))
        ],
        "The models of the pairs; a positive score counts for the second",
    )
    page.figure(
        "one-vs-one",
        lambda: regions(X, y, model),
        "Each pair. Borders follow the line of the pair that decides there.",
        "Petal length against petal width with the 150 flowers, divided into three regions by the lines of the pairs.",
    )
    page.text(f"""
        Ten classes would need {number_of_pairs(10)} models, but each of them sees only a fifth of the rows. `OneVsOne`
        trains all of them together, in one pass over the rows per step. It is right about
        {(model.classes_[wins] == y).sum()} of the {len(y)} flowers.
    """)


def a_tie(page: Page, X: Array, y: Array) -> None:
    """One vote each: what then?"""
    model = OneVsOne(C=C).fit(X, y)
    span = [np.linspace(low, high, 300) for low, high in zip(X.min(axis=0) - 1, X.max(axis=0) + 1, strict=True)]
    plane = np.stack(np.meshgrid(*span), axis=-1).reshape(-1, 2)
    tied = plane[(model.votes(plane) == 1).all(axis=1)]
    page.text(rf"""
        ### A tie

        Three pairs give three votes. Can each class get one? With petals, no. Take the sepals instead: on a fine grid
        over
        their plane, {len(tied):,} of {len(plane):,} points are such ties, where the first class beats the second, the
        second the third, and the third the first. Then **confidence** decides: for each class the sum of the scores of
        its pairs, those against it with a minus.
    """)
    point = tied[len(tied) // 2][None]
    votes = model.votes(point)[0]
    confidence = model.decision_function(point)[0] - votes
    page.table(
        ("class", "votes", "confidence, between -1/3 and 1/3"),
        zip(model.classes_.tolist(), votes.tolist(), confidence.tolist(), strict=True),
        f"A sepal of {point[0, 0]:.2f} by {point[0, 1]:.2f} cm: {model.predict(point)[0]} by confidence",
    )


def one_model(page: Page, X: Array, y: Array, model: LogisticRegression) -> None:
    """Softmax: one model whose outputs compete."""
    page.text(r"""
        ## Softmax: one model

        Softmax regression gives each class a score too, but trains all scores at once so that

        $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$

        is the probability of class $k$. The outputs already compete during training: only differences between scores
        count. There are no yes-or-no questions that could contradict each other, and no votes.
    """)
    page.figure(
        "softmax-regions",
        lambda: regions(X, y, model),
        "Softmax. Each border is where two probabilities are equal.",
        "Petal length against petal width with the 150 flowers, in three regions between two nearly parallel lines.",
    )
    page.text(f"*{model.certificate_}*")


def mean_log_loss(p: Array, codes: Array) -> float:
    """Mean of -log of the probability of the true class, in nats."""
    return float(-np.log(p[np.arange(len(codes)), codes]).mean())


def side_by_side(page: Page, X: Array, y: Array, models: dict[str, Classifier]) -> None:
    """The three on the same flowers."""
    codes = np.unique(y, return_inverse=True)[1]
    page.text("""
        ## Side by side

        All three on the same 150 flowers, with the same penalty. One-vs-rest gives no distribution by itself; its
        probabilities are the three sigmoids divided by their sum. Votes are not probabilities at all.
    """)
    page.code(mean_log_loss)
    rows = []
    for name, model in models.items():
        loss = "none" if isinstance(model, OneVsOne) else f"{mean_log_loss(model.predict_proba(X), codes):.4f}"
        rows.append((name, len(model.coef_), f"{(model.predict(X) == y).mean():.1%}", loss))
    page.table(("method", "models or outputs", "accuracy on the training flowers", "log loss (nats)"), rows)
    flower = X[DOUBTFUL : DOUBTFUL + 1]
    rest, pairs, softmax = (models[name] for name in ("one-vs-rest", "one-vs-one", "softmax"))
    assert isinstance(pairs, OneVsOne)
    assert not isinstance(rest, OneVsOne)
    assert not isinstance(softmax, OneVsOne)
    sigmoids = numerics.sigmoid(rest.decision_function(flower))[0]
    page.table(
        ("class", "sigmoid of its score", "one-vs-rest", "votes", "softmax"),
        [
            (name, float(s), float(r), int(v), float(p))
            for name, s, r, v, p in zip(
                softmax.classes_,
                sigmoids,
                rest.predict_proba(flower)[0],
                pairs.votes(flower)[0],
                softmax.predict_proba(flower)[0],
                strict=True,
            )
        ],
        f"Flower {DOUBTFUL}, a {y[DOUBTFUL]} with a petal of {flower[0, 0]} by {flower[0, 1]} cm",
    )
    page.text(f"""
        The sigmoids add up to {sigmoids.sum():.3f}, not to 1: the three models are independent of each other. Use
        softmax where classes exclude each other and probabilities matter. One-vs-rest is for models that can only be
        binary, and one-vs-one for where training on few rows at a time is cheaper.
    """)


def not_exclusive(page: Page, X: Array, y: Array) -> None:
    """Labels that may occur together."""
    labels = np.column_stack([y != "setosa", y == "virginica"]).astype(int)
    model = MultilabelLogistic(C=C).fit(X, labels)
    p = model.predict_proba(X[DOUBTFUL : DOUBTFUL + 1])[0]
    page.text(r"""
        ## Labels that do not exclude each other

        A photograph may show a dog *and* a cat. Then softmax would be wrong: it would make them compete. Each label
        gets its own sigmoid, and the probabilities need not add up to 1:

        $$a = \sigma(W x + b), \qquad a_l = P(y_l = 1 \mid x)$$

        With $k$ labels and $m$ features, $W$ has the shape $(k, m)$ in document 001. Here two labels for each flower:
        "is not setosa" and "is virginica". A virginica has both, a setosa neither.
    """)
    page.figure(
        "sigmoid-outputs",
        draw_outputs,
        "Two labels, two sigmoids.",
        "Two inputs and a bias, connected to two sigmoid outputs.",
    )
    both = model.predict(X).sum(axis=1)
    page.table(
        ("flower", "not setosa", "virginica", "sum"),
        [(f"number {DOUBTFUL}", float(p[0]), float(p[1]), float(p.sum()))],
        "Probabilities of the labels",
    )
    page.text(f"""
        Of the {len(y)} flowers {(both == 0).sum()} get no label, {(both == 1).sum()} one and {(both == 2).sum()} both.
        Each output was trained as if it were alone: no term of the sum of losses contains two labels.
    """)
    page.figure(
        "multilabel",
        lambda: multilabel_regions(X, labels, model),
        "How many of the two labels a flower gets. The borders are the lines where one of the sigmoids is one half.",
        "Petal length against petal width, divided into three regions: no label, one label, both labels.",
    )


def regions(X: Array, y: Array, model: Classifier) -> Figure:
    """What the model predicts in the plane of the petals."""
    from polytome.plots.regions import decision_regions

    return decision_regions(X, y, model.predict, x_label="petal length (cm)", y_label="petal width (cm)")


def multilabel_regions(X: Array, labels: Array, model: MultilabelLogistic) -> Figure:
    """The number of labels in the plane of the petals."""
    from polytome.plots.regions import decision_regions

    names = np.array(["no label", "one label", "both labels"])

    def count(points: Array) -> Array:
        return names[model.predict(points).sum(axis=1)]

    return decision_regions(
        X, names[labels.sum(axis=1)], count, x_label="petal length (cm)", y_label="petal width (cm)"
    )


def draw_outputs() -> Figure:
    """Two features, two labels."""
    from polytome.teaching.diagrams import layer

    return layer(
        2, 2, input_names=["petal length", "petal width"], output_names=["not setosa", "virginica"], softmax=False
    )


if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
