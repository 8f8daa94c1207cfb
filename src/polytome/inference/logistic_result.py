"""The table of a logistic or softmax regression without a penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polytome.inference.effects import Effects, effects_of, predictions_of
from polytome.inference.frames import frame_of
from polytome.inference.likelihood import Likelihood, Maximum
from polytome.inference.residuals import (
    ClassificationTable,
    classification_of,
    dfbeta_of,
    hosmer_lemeshow_of,
    influence_of,
    pearson_of,
    residuals_of,
)
from polytome.inference.result import Result
from polytome.inference.sample import Sample
from polytome.inference.tested import Test
from polytome.models.diagnose import Diagnosis, diagnose

Array = NDArray[Any]

__all__ = ["LogisticResult"]


@dataclass(frozen=True, eq=False)
class LogisticResult(Result):
    """A table of coefficients with the rows that it was estimated from.

    Attributes:
        sample: these rows.
        likelihood: theirs, with the columns that are estimated.
        best: its maximum.
        has_influence: whether what each row does to the fit is known.
    """

    has_influence: ClassVar[bool] = True
    sample: Sample
    likelihood: Likelihood
    best: Maximum

    def effects(self, variables: str | Sequence[str] | None = None, *, at: Any = "average") -> Effects:
        """What a change of a variable does to the probability of each class.

        Of a number the derivative, of a category (or of what is only 0 or 1) the difference between
        each level and the first. For two classes the effects are on the probability of the one that
        the table is about; for more there is one for each class, and they sum to zero.

        Args:
            variables: of which; all, if None.
            at: "average" over the rows as they are, at the "means" of the variables, or values that
                some are set to, as in `{"age": [30, 50]}`, the others being as they are.

        Raises:
            ArgumentError: there is no such variable, level or place.
        """
        chosen = [variables] if isinstance(variables, str) else variables
        return effects_of(self.estimate, self.sample, self.design, chosen, at, self.about)

    def predictions(self, *, at: Any = "average") -> Effects:
        """The mean probability of each class, with the variables as `effects` has them."""
        return predictions_of(self.estimate, self.sample, self.design, at, self.about)

    def diagnose(self) -> Diagnosis:
        """What stands between these rows and finite, unique coefficients: classes that are
        separated, and columns that are sums of others."""
        X: Any = self.sample.X
        found = diagnose(X, self.sample.codes, fit_intercept=self.sample.fit_intercept)
        return replace(found, classes=self.sample.classes, feature_names=self.sample.names)

    def residuals(self, kind: str = "deviance", *, seed: int = 0) -> Array:
        """What is left of each row.

        Args:
            kind: "deviance", "pearson", "standardised" (the deviance's, over the root of one less
                the leverage), "standardised-pearson", or "quantile" (normal where the model is
                right).
            seed: of the random numbers of quantile residuals.

        Returns:
            (n,), in the order of `sample.numbers`; for more than two classes Pearson's have a
            column for each class.
        """
        return residuals_of(self.likelihood, self.best, self.sample, kind, seed)

    def influence(self) -> Any:
        """What each row does to the fit, as a frame: its number, class, leverage and Cook's
        distance."""
        leverage, cook = influence_of(self.likelihood, self.best, self.sample)
        classes = [self.sample.classes[code] for code in self.sample.codes.tolist()]
        columns: dict[str, Any] = {"row": self.sample.numbers, "class": classes, "leverage": leverage, "cook": cook}
        return frame_of(columns, self.about.frame)

    def dfbeta(self, *, standardised: bool = False) -> Array:
        """By how much each row moves the coefficients: what they are less what they would be
        without it, by one step of Newton's method.

        Args:
            standardised: whether the changes are divided by standard errors.

        Returns:
            (n, n_coefficients), columns in the order of `labels`; NaN for those not estimated.
        """
        changes = np.full((len(self.sample.weight), self.coefficients.size), np.nan)
        changes[:, self.estimate.estimated] = dfbeta_of(self.likelihood, self.best, self.sample)
        return changes / self.standard_errors.ravel() if standardised else changes

    def hosmer_lemeshow(self, groups: int = 10) -> Test:
        """Hosmer and Lemeshow's test of the fit; for more than two classes Fagerland's, with the
        reference apart.

        Args:
            groups: how many groups by probability, with ends at quantiles; groups of equal
                probability are one.
        """
        return hosmer_lemeshow_of(self.likelihood, self.best, self.sample, groups)

    def pearson(self) -> Test:
        """Pearson's test of the fit, for patterns of columns that several rows share."""
        return pearson_of(self.likelihood, self.best, self.sample)

    def classification_table(self, threshold: float = 0.5) -> ClassificationTable:
        """How often each class is predicted as which, for the rows of the fit.

        Args:
            threshold: of two classes, from which probability on the second is predicted.
        """
        return classification_of(self.likelihood, self.best, self.sample, threshold)
