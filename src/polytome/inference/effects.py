"""What a change of a variable does to the probabilities of classes, with errors by the delta
method.

The effect of a number is the derivative of the probability with respect to it, of what has two
values or levels the difference between them. Averaged over the rows as they are, or with some
variables set to values, or at the means of all variables.

References: Agresti, Categorical Data Analysis, 2013, section 5.4; Williams, Using the margins
command to estimate and interpret adjusted predictions and marginal effects, Stata Journal 12, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.inference.design import Design
from polytome.inference.display import Summary, number, p_text
from polytome.inference.estimate import Estimate, two_sided, width_of
from polytome.inference.frames import frame_of
from polytome.inference.predicted import Multinomial, Ordered
from polytome.inference.result import About
from polytome.inference.sample import Sample
from polytome.inference.variables import Change, Variables, settings_at, variables_of
from polytome.plain.values import plain

Array = NDArray[Any]

__all__ = ["Effects", "effects_of", "predictions_of"]

_NEGLIGIBLE = 0.1
"""Of a standard error: by how much infinite estimates may change a value that has one."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects, or predicted probabilities; prints in 80 columns, and shows itself in notebooks.

    Attributes:
        title: what they are, and where they are taken.
        rows: for each its variable, its contrast and its class.
        values: one for each of `rows`.
        covariance: of the values, by the delta method.
        frame: the library of the data's frame.
        df: degrees of freedom of the errors; infinite but for errors by cluster.
    """

    title: str
    rows: tuple[tuple[str, str, Any], ...]
    values: Array
    covariance: Array
    frame: str | None = None
    df: Array | float = np.inf

    @property
    def standard_errors(self) -> Array:
        """One for each value."""
        with np.errstate(invalid="ignore"):
            errors: Array = np.sqrt(np.diag(self.covariance))
        return errors

    def _columns(self, level: float = 0.95) -> dict[str, Array]:
        errors = self.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            z = self.values / errors
        width = width_of(level, self.df) * errors
        return {
            "effect": self.values,
            "std_error": errors,
            "z": z,
            "p_value": two_sided(z, self.df),
            "lower": self.values - width,
            "upper": self.values + width,
        }

    @property
    def table(self) -> Any:
        """A frame of the data's library: a row for each effect."""
        variables, contrasts, classes = zip(*self.rows, strict=True)
        names: dict[str, Any] = {"variable": list(variables), "contrast": list(contrasts), "class": list(classes)}
        return frame_of(names | self._columns(), self.frame)

    def summary(self, level: float = 0.95) -> Summary:
        """The table to be shown."""
        columns = self._columns(level)
        groups: dict[str, list[tuple[str, ...]]] = {}
        several = len({each for _, _, each in self.rows}) > 1
        for i, (variable, contrast, each) in enumerate(self.rows):
            values = [columns[name][i] for name in ("effect", "std_error", "z", "p_value", "lower", "upper")]
            z = "NA" if np.isnan(values[2]) else f"{values[2]:.3f}"
            effect, error, lower, upper = (number(values[place], 4) for place in (0, 1, 4, 5))
            cells = (effect, error, z, p_text(values[3]), lower, upper)
            name = f"{variable} {contrast}".strip()
            groups.setdefault(f"class {each}" if several else "", []).append((name, *cells))
        statistic = "z" if np.isinf(self.df).all() else "t"
        headings = ("", "effect", "std. error", statistic, "p", f"{100 * level:g} % from", "to")
        whole = tuple((heading, tuple(rows)) for heading, rows in groups.items())
        return Summary(self.title, (), headings, whole, ())

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def to_json(self, level: float = 0.95) -> dict[str, Any]:
        """The same for programs.

        Args:
            level: of the intervals.
        """
        columns = self._columns(level)
        effects = [
            {"variable": variable, "contrast": contrast, "class": plain(each)}
            | {name: plain(values[i]) for name, values in columns.items()}
            for i, (variable, contrast, each) in enumerate(self.rows)
        ]
        return {"title": self.title, "level": level, "effects": effects}


def effects_of(
    estimate: Estimate,
    sample: Sample,
    design: Design | None,
    variables: Sequence[str] | None,
    at: Any,
    about: About,
    *,
    is_ordered: bool = False,
) -> Effects:
    """The effects of variables.

    Args:
        estimate: of classes against the sample's first one.
        sample: the rows.
        design: what makes columns of data; None where columns are variables.
        variables: of which; all, if None.
        at: "average", "means", or values of variables.
        about: what the table says about itself.
        is_ordered: whether the classes are in order, with thresholds between them.
    """
    known = Variables(sample, design)
    chosen = variables_of(sample, design) if variables is None else list(variables)
    for name in chosen:
        known.check(name)
    changes = [change for name in chosen for change in known.changes(name)]
    if not changes:
        raise ArgumentError("effects: the model has no variable")
    return _computed(estimate, known, changes, at, about, "Effects on the probability", is_ordered)


def predictions_of(
    estimate: Estimate, sample: Sample, design: Design | None, at: Any, about: About, *, is_ordered: bool = False
) -> Effects:
    """The probabilities of the classes."""
    change = Change("probability", "")
    return _computed(estimate, Variables(sample, design), [change], at, about, "The probability", is_ordered)


def _computed(
    estimate: Estimate,
    variables: Variables,
    changes: Sequence[Change],
    at: Any,
    about: About,
    what: str,
    is_ordered: bool,
) -> Effects:
    settings, names = settings_at(variables, at)
    asked = [
        (setting, change, name)
        for setting, name in zip(settings, names, strict=True)
        for change in changes
        if change.variable not in setting or change.is_derivative or not change.contrast
    ]
    if not asked:
        raise ArgumentError("at: it sets all the variables whose effects are asked for")
    beta = estimate.coefficients if estimate.finite is None else estimate.finite
    classes = variables.sample.classes
    shown = [1] if len(classes) == 2 else list(range(len(classes)))
    # An infinite estimate has no error: a value has one where it would be nearly the same if such
    # an estimate were 0, as it matters for few rows.
    has_offset = variables.sample.offset is not None
    link = Ordered(beta[0], len(classes), has_offset) if is_ordered else Multinomial(beta, has_offset)
    nearly = np.where(np.isinf(estimate.coefficients), 0.0, beta)
    is_endless = bool(np.isinf(estimate.coefficients).any())
    links = [link, replace(link, beta=nearly[0] if is_ordered else nearly)] if is_endless else [link]
    tasks = [(setting, change) for setting, change, _ in asked]
    found = _averages(links, variables, tasks, at_means=isinstance(at, str) and at == "means")
    rows = []
    for _, change, name in asked:
        contrast = change.contrast if name == "" else f"{change.contrast} at {name}".strip()
        rows += [(change.variable, contrast, classes[k]) for k in shown]
    values = np.concatenate([value[shown] for value, _ in found[0]])
    J = np.concatenate([jacobian[shown] for _, jacobian in found[0]])
    rests = np.abs(np.concatenate([value[shown] for value, _ in found[-1]]) - values)
    used = estimate.estimated
    if is_endless:
        used = used[np.isfinite(estimate.coefficients.ravel()[used])]
    covariance = J[:, used] @ estimate.covariance[np.ix_(used, used)] @ J[:, used].T
    with np.errstate(invalid="ignore"):
        lost = rests > _NEGLIGIBLE * np.sqrt(np.diag(covariance))
    covariance[lost] = covariance[:, lost] = np.nan
    where = {"average": "averaged over the rows", "means": "at the means of the variables"}
    place = where[at] if isinstance(at, str) else "averaged over the rows, with variables set"
    of = f"{about.response} = {classes[1]}" if len(classes) == 2 else f"each class of {about.response}"
    df = estimate.df_of(J)
    return Effects(f"{what} of {of}, {place}", tuple(rows), values, covariance, about.frame, df)


def _averages(
    links: Sequence[Multinomial | Ordered],
    variables: Variables,
    tasks: Sequence[tuple[Mapping[str, Any], Change]],
    *,
    at_means: bool,
) -> list[list[tuple[Array, Array]]]:
    """For each link and each task, of variables that are set and a change, the value for each class
    and its derivatives with respect to all coefficients: of all tasks in one reading of the
    rows."""
    if at_means:
        tasks = [({**variables.means(change), **setting}, change) for setting, change in tasks]
    total = float(variables.sample.weight.sum())
    if total == 0:
        raise DataError("effects: no row has weight")
    sums: dict[int, tuple[Array, ...]] = {}
    for rows in variables.blocks():
        for place, (setting, change) in enumerate(tasks):
            columns = rows.columns(setting, change)
            if at_means:
                terms = tuple(rows.weight @ each if each.size else each for each in columns)
            else:
                terms = _sums(links, rows.weight, columns, change)
            before = sums.get(place)
            sums[place] = terms if before is None else tuple(a + b for a, b in zip(before, terms, strict=True))
    if at_means:
        for place, of_columns in sums.items():
            means = [np.atleast_2d(each / total) if each.size else each for each in of_columns]
            sums[place] = _sums(links, np.ones(1), means, tasks[place][1])
        total = 1.0
    return [
        [(sums[place][2 * k] / total, sums[place][2 * k + 1] / total) for place in range(len(tasks))]
        for k in range(len(links))
    ]


def _sums(
    links: Sequence[Multinomial | Ordered], weight: Array, columns: Sequence[Array], change: Change
) -> tuple[Array, ...]:
    """Of each link the sum over rows of what is asked for, and its derivatives."""
    low, high, slope = columns
    found: list[Array] = []
    for link in links:
        if change.is_derivative:
            found += link.derivative(weight, low, slope)
        elif change.contrast:
            (upper, by_upper), (lower, by_lower) = link.mean(weight, high), link.mean(weight, low)
            found += [upper - lower, by_upper - by_lower]
        else:
            found += link.mean(weight, high)
    return tuple(found)
