"""Outputs that weights leave nothing to learn: a class without weight, or the only one that has
any.

Such an output's best intercept is infinite, so no coefficients are optimal. But the infimum of the
objective is known: it is the minimum of the objective without that output, where the output's own
coefficients are zero. So that is what gets minimised, and the output gets a score of 100 away from
the others, on the right side, for every row: those of the other classes sum to zero, hence the
largest is not negative, and the class has a probability of at most exp(-100). What this adds to the
objective, at most log(1 + exp(-100)) for each output, the certificate says too.

Example:
    >>> from polytome.models.logistic import LogisticRegression
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["a", "b", "a", "c"])
    >>> model = LogisticRegression().fit(X, y, sample_weight=[1, 1, 1, 0])
    >>> model.classes_, model.predict_proba([[9.0]])[0, 2] < 1e-40
    (array(['a', 'b', 'c'], dtype='<U1'), np.True_)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate
from polytome.objective import Objective
from polytome.penalties import Bounded, strength_and_ratio
from polytome.solvers import Choice, Newton, Progress, Solution, Stop

Array = NDArray[Any]

__all__ = ["CERTAIN", "Outputs", "nothing_to_learn"]

CERTAIN = 100.0
"""The distance of a score that is certain; its probability, 4e-44, is still a number, also in
float32."""


@dataclass(frozen=True)
class Outputs:
    """Which outputs of a model an objective has.

    Attributes:
        learned: their places among all outputs of the model.
        certain: the score of each output of the model; of those that are learned, 0.
    """

    learned: Array
    certain: Array

    @classmethod
    def all(cls, count: int) -> Outputs:
        """All outputs of a model are learned."""
        return cls(np.arange(count), np.zeros(count))

    def spread(self, coefficients: Array, intercepts: Array) -> tuple[Array, Array]:
        """Coefficients (n_outputs, n_features) and intercepts of all outputs from those that were
        learned."""
        if len(self.learned) == len(self.certain):
            return coefficients, intercepts
        everywhere, scores = np.zeros((len(self.certain), coefficients.shape[1])), self.certain.copy()
        everywhere[self.learned] = coefficients[: len(self.learned)]
        scores[self.learned] = intercepts[: len(self.learned)]
        return everywhere, scores

    def certificate(self, certificate: Certificate) -> Certificate:
        """The certificate of all outputs, from that of the objective of the learned ones."""
        excess = 2 * np.count_nonzero(self.certain) * float(np.exp(-CERTAIN))  # twice, to be above rounding
        if excess == 0:
            return certificate
        return replace(certificate, objective=certificate.objective + excess / 2, gap=certificate.gap + excess)

    def known_start(self, coefficients: Array, intercepts: Array) -> tuple[Array, Array] | None:
        """The coefficients of a fitted model from which the learned outputs can start; None where
        one was certain then."""
        intercepts = intercepts[self.learned]
        return None if (np.abs(intercepts) == CERTAIN).any() else (coefficients[self.learned], intercepts)


def nothing_to_learn(objective: Objective, tol: float) -> tuple[Choice, Solution]:
    """The fit of an objective that is zero whatever the coefficients, since one class has all the
    weight.

    The null model reaches zero as well; what `tol` is relative to is then log 2, the loss of an
    even guess.
    """
    strength, l1_ratio = strength_and_ratio(objective.penalty)
    has_bounds = isinstance(objective.penalty, Bounded)
    certificate = Certificate(
        0.0, 0.0, float(np.log(2.0)), tol, "proof", strength, l1_ratio=l1_ratio, has_bounds=has_bounds
    )
    history = (Progress(0, 0.0, 0.0, 0.0, 0.0),)
    solution = Solution(np.zeros(objective.shape), Stop.CERTIFIED, certificate, history, 0.0)
    return Choice(Newton(), "nothing to learn: one class has all the weight"), solution
