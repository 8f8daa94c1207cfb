"""`OneVsOne`: one binary model per pair of classes, on the rows of those two; each casts a vote."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.losses.pairwise import PairwiseSigmoids
from polytome.models.certain_outputs import CERTAIN, Outputs
from polytome.models.certified import BinaryModels
from polytome.models.fitting import Problem, check_settings, keep_fit, minimum_of, planned
from polytome.models.partitions import by_partition
from polytome.models.penalty_weights import numbered_weights
from polytome.models.predictions import scores_of
from polytome.models.streamed import encoder_in, keep_encoder, opened
from polytome.rows import as_rows, rows_of

Array = NDArray[Any]

__all__ = ["OneVsOne"]


class OneVsOne(BinaryModels):
    """One binary logistic regression per pair of classes, on the rows of those two; each casts a
    vote.

    All `K (K - 1) / 2` models are trained together: a row takes part in the K - 1 pairs of its
    class, in one pass over X per step, and no row is copied for a pair. The class with the most
    votes wins; confidence breaks ties: the sum over a class's pairs of the scores for it.

    Args:
        C: inverse strength of each model's penalty; `numpy.inf` for none. Intercepts are never
            penalised.
        l1_ratio: the share of absolute values in the penalty, as in `LogisticRegression`; the rest
            are squares. Above 0 there is a `proved_zero_`.
        fit_intercept: whether to fit intercepts.
        scale: what columns are divided by before their coefficients are penalised, as in
            `LogisticRegression`.
        penalty_weights: what the penalty of each column is multiplied by, as in
            `LogisticRegression`.
        bounds: what coefficients are within, those of all pairs alike, as in `LogisticRegression`:
            a positive one counts for the second class of its pair.
        groups: which coefficients are 0 together, as in `LogisticRegression`, those of all models:
            a column is in the models of all pairs or of none.
        group_ratio: the share of norms of groups beside absolute values, as in
            `LogisticRegression`.
        solver: "auto", or as in `LogisticRegression`.
        tol: the fit stops when the sum of the objectives is proved to be within `tol` times that of
            the null models.
        max_iter: most iterations.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        callback: called with a `Progress` at each iteration; a true return value stops the fit.

    Attributes:
        classes_: the labels, sorted, shape (K,).
        pairs_: positions in `classes_` of the two classes of each model, shape (P, 2), the smaller
            first.
        coef_, intercept_: (P, d) and (P,); a positive score counts for the second class of the
            pair.
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of
            them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0], [0.4], [2.0], [2.2], [4.0], [4.4]])
        >>> model = OneVsOne(C=10.0).fit(X, ["a", "a", "b", "b", "c", "c"])
        >>> model.pairs_.tolist()
        [[0, 1], [0, 2], [1, 2]]
        >>> model.predict([[2.1]]), model.votes([[2.1]])
        (array(['b'], dtype='<U1'), array([[1, 2, 0]]))

    References: Hastie and Tibshirani, Classification by pairwise coupling, The Annals of Statistics
    26, 1998.
    """

    outputs = "pairs"
    pairs_: Array

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit all the models until the certificate holds; arguments, result and errors as in
        `OneVsRest.fit`."""
        check_settings(self)
        X, y = opened(X, y)
        given = X
        X, labels, weight = self._checked(X, y, sample_weight)
        counting, places = labels.counting(weight) if self.fit_intercept else (labels, np.arange(len(labels.classes)))
        target, n_classes = counting.target, len(labels.classes)
        pairs = PairwiseSigmoids(n_classes).pairs
        # Between a class that counts and one that does not, the first is certain; between two that
        # do not, nothing is.
        counts = np.isin(pairs, places)
        certain = CERTAIN * (counts[:, 1].astype(float) - counts[:, 0])
        loss = PairwiseSigmoids(len(places)) if len(places) > 1 else None
        rows = rows_of(X, target, weight)
        if isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
            # In blocks of one class only the K - 1 scores of its pairs are computed, so its rows
            # come together once.
            order = np.argsort(target, kind="stable")
            held = as_rows(X[order], target[order], weight[order])
            rows = held.with_ends(np.cumsum(np.bincount(target)).tolist())
        outputs = Outputs(np.flatnonzero(counts.all(axis=1)), certain)
        self.pairs_ = pairs
        with numbered_weights(self, encoder_in(given)):
            plan = planned(self, X, Problem(loss, rows, outputs, "one_vs_one", labels.classes))
        keep_fit(self, plan, minimum_of(self, plan))
        keep_encoder(self, given)
        return self

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "one logistic regression per pair of classes"

    @property
    def _n_outputs(self) -> int:
        return len(self.pairs_)

    def _output_name(self, output: int) -> str:
        first, second = self.classes_[self.pairs_[output]]
        return f"{first} against {second}"

    def votes(self, X: Any) -> Array:
        """How many pairs each class wins in each row, shape (n, K), whole numbers from 0 to K - 1.

        A score of 0 is a vote for the first class of its pair.
        """
        return self._votes_and_confidence(scores_of(self, X))[0]

    @by_partition
    def decision_function(self, X: Any) -> Array:
        """Votes plus a confidence between -1/3 and 1/3, shape (n, K); for two classes the score,
        shape (n,)."""
        scores = scores_of(self, X)
        if scores.shape[1] == 1:
            return scores[:, 0]
        votes, confidence = self._votes_and_confidence(scores)
        decision: Array = votes + confidence / (3 * (np.abs(confidence) + 1))
        return decision

    @by_partition
    def predict(self, X: Any) -> Array:
        """The class with the most votes, and among these the most confidence, shape (n,)."""
        decision = self.decision_function(X)
        codes = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        predicted: Array = self.classes_[codes]
        return predicted

    def _votes_and_confidence(self, scores: Array) -> tuple[Array, Array]:
        # One column per class: +1 where it is the second of a pair, -1 where it is the first.
        sides = np.zeros((len(self.pairs_), len(self.classes_)))
        models = np.arange(len(self.pairs_))
        sides[models, self.pairs_[:, 1]], sides[models, self.pairs_[:, 0]] = 1.0, -1.0
        wins = scores > 0
        votes = wins @ (sides > 0).astype(int) + ~wins @ (sides < 0).astype(int)
        return votes, scores @ sides
