"""Before any fit: whether coefficients without a penalty would have finite estimates, and which
columns are sums of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.aliases import Alias
from polytome.certificates.recession_cone import UndecidedError
from polytome.models.features import checked_features, refuse_foreign_arrays
from polytome.models.fitted import feature_names_in
from polytome.models.fitting import objective_of
from polytome.models.labels import hard_labels, row_weights
from polytome.models.logistic import LogisticRegression
from polytome.models.separation import (
    Separation,
    aliases_in,
    infinite_by_group,
    infinite_to_json,
    separation_of,
    why_not_looked_for,
)
from polytome.models.streamed import encoder_in, streamed_data

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

Array = NDArray[Any]

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What stands between some data and finite, unique coefficients; prints as a few lines.

    Attributes:
        n_rows: rows that were looked at.
        feature_names: of the columns.
        classes: the labels.
        aliases: columns that are sums of others and a constant.
        separation: the coefficients without a finite estimate; None where there are none.
        not_looked_for: why it is not known whether the classes are separated, as that was not
            looked for or not decided; empty where it is.

    Example:
        >>> print(diagnose([[0.0], [0.0], [1.0]], ["no", "yes", "yes"]))
        Separated in part: in 1 of 3 rows a class can be ruled out for certain.
        No finite estimate:
          'feature_0'  to +infinity
    """

    n_rows: int
    feature_names: tuple[str, ...]
    classes: tuple[Any, ...]
    aliases: tuple[Alias, ...]
    separation: Separation | None
    not_looked_for: str = ""

    def __str__(self) -> str:
        return "\n".join([*self._about_separation(), *self._about_aliases()])

    def _name(self, column: int) -> str:
        return self.feature_names[column]

    def _about_separation(self) -> list[str]:
        found = self.separation
        if self.not_looked_for:
            return [f"Whether the classes are separated is not known: {self.not_looked_for}."]
        if found is None:
            return ["Not separated: no direction was found along which all losses fall."]
        if found.is_complete:
            lines = [f"Separated completely: each of {self.n_rows:,} rows can be given its own class for certain."]
        else:
            where = f"in {found.n_separated:,} of {self.n_rows:,} rows"
            lines = [f"Separated in part: {where} a class can be ruled out for certain."]
        lines.append("No finite estimate:")
        return lines + [
            f"  {', '.join(map(repr, names))}  {about}"
            for names, about in infinite_by_group(found, self._name, self.classes)
        ]

    def _about_aliases(self) -> list[str]:
        if not self.aliases:
            return []
        return ["Sums of other columns:", *(f"  {self._formula(alias)}" for alias in self.aliases)]

    def _formula(self, alias: Alias) -> str:
        terms = [(factor, repr(self.feature_names[j])) for j, factor in alias.others]
        said = [f"{'-' if factor < 0 else '+'} {_factor(abs(factor))}{name}" for factor, name in terms]
        constant = round(alias.constant, 9)
        if constant or not said:
            said.append(f"{'-' if constant < 0 else '+'} {abs(constant):.6g}")
        return f"{self.feature_names[alias.column]!r} = {' '.join(said).removeprefix('+ ')}"

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        found, extent = self.separation, "not known" if self.not_looked_for else "no"
        if found is not None:
            extent = "completely" if found.is_complete else "in part"
        return {
            "n_rows": self.n_rows,
            "separated": extent,
            "n_separated": 0 if found is None else found.n_separated,
            "infinite": [] if found is None else infinite_to_json(found, self._name, self.classes),
            "aliases": [
                {
                    "feature": self.feature_names[alias.column],
                    "sum_of": {self.feature_names[j]: factor for j, factor in alias.others},
                    "constant": alias.constant,
                }
                for alias in self.aliases
            ],
        }


def _factor(size: float) -> str:
    """What stands before a name: nothing for one."""
    return "" if abs(size - 1) < 1e-9 else f"{size:.6g} "


def diagnose(
    X: Any, y: Any = None, *, sample_weight: Any = None, fit_intercept: bool = True, encoder: Encoder | None = None
) -> Diagnosis:
    """Say whether the classes are separated, which coefficients would have no finite estimate
    without a penalty, and which columns are sums of others.

    What separates is proved without rounding. That nothing does is what linear programmes in
    float64 found.

    Args:
        X: shape (n, d), as `LogisticRegression.fit` takes it; or rows from `polytome.open_rows`,
            which are read again for each of some linear programmes.
        y: one label per row, of at least two classes.
        sample_weight: rows of weight 0 do not count.
        fit_intercept: whether the model would have an intercept.
        encoder: where X comes from a table, what names its columns.

    Raises:
        DataError: X, y or sample_weight cannot be used.

    Example:
        >>> X = [[0.0, 1.0, 2.0], [1.0, 3.0, 3.0], [2.0, 0.0, 4.0], [3.0, 5.0, 5.0]]
        >>> print(diagnose(X, ["no", "yes", "no", "yes"]))
        Separated completely: each of 4 rows can be given its own class for certain.
        No finite estimate:
          'feature_1'  to +infinity
          'feature_0'  in either direction
        Sums of other columns:
          'feature_2' = 'feature_0' + 2

    References: Albert and Anderson, On the existence of maximum likelihood estimates in logistic
    regression models, Biometrika 71, 1984; Konis, Linear programming algorithms for detecting
    separated data in binary logistic regression models, 2007.
    """
    model = LogisticRegression(C=np.inf, fit_intercept=fit_intercept)
    encoder = encoder_in(X) if encoder is None else encoder
    if (streamed := streamed_data(model, X, y, sample_weight)) is not None:
        X, labels, weight = streamed
    else:
        refuse_foreign_arrays(X)
        X = checked_features(model, X, y)
        labels, weight = hard_labels(y), row_weights(sample_weight, X.shape[0])
    problem = model._problem(X, labels, weight)
    objective = objective_of(model, X, problem)
    given: Any = encoder.feature_names if encoder is not None else feature_names_in(model)
    names = (f"feature_{j}" for j in range(X.shape[1])) if given is None else map(str, given)
    aliases = aliases_in(objective)
    reason = "" if problem.loss is None else why_not_looked_for(objective, aliases)
    separation = None
    if problem.loss is not None and not reason:
        try:
            separation = separation_of(objective, problem.outputs.learned, aliases)
        except UndecidedError as error:
            reason = str(error)
    return Diagnosis(
        n_rows=int((weight > 0).sum()),
        feature_names=tuple(names),
        classes=tuple(labels.classes.tolist()),
        aliases=aliases,
        separation=separation,
        not_looked_for=reason,
    )
