"""What a change of a variable does to the probabilities of classes, with errors by the delta
method.

The effect of a number is the derivative of the probability with respect to it, of what has two
values or levels the difference between them. Averaged over the rows as they are, or with some
variables set to values, or at the means of all variables.

References: Agresti, Categorical Data Analysis, 2013, section 5.4; Williams, Using the margins
command to estimate and interpret adjusted predictions and marginal effects, Stata Journal 12, 2012.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.inference.design import Design
from polytome.inference.display import Summary, number, p_text
from polytome.inference.estimate import Estimate, two_sided, width_of
from polytome.inference.frames import frame_of
from polytome.inference.hypotheses import nearest
from polytome.inference.ordered import class_probabilities
from polytome.inference.result import About
from polytome.inference.sample import Sample
from polytome.numerics import sigmoid
from polytome.plain.values import plain
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["Effects", "effects_of", "predictions_of", "probabilities_of", "variable_of", "variables_of"]

_BLOCK_ENTRIES = 2**20
_SMALL_STEP = 1e-4
"""Of a standard deviation: between the values by which a transformation is differentiated."""
_MOST_VALUES = 500
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


@dataclass(frozen=True, eq=False)
class _Change:
    """How columns change: what is set to make them, and what they are differentiated by.

    With `variable` None nothing changes, and probabilities are wanted.
    """

    variable: str
    contrast: str
    low: Any = None
    high: Any = None

    @property
    def is_derivative(self) -> bool:
        return self.low is None and self.high is None and self.contrast != ""


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
    source = _Source(sample, design)
    chosen = [name for name in source.names if name not in sample.made_of] if variables is None else list(variables)
    for name in chosen:
        source.check(name)
    changes = [change for name in chosen for change in source.changes(name)]
    if not changes:
        raise ArgumentError("effects: the model has no variable")
    return _computed(estimate, source, changes, at, about, "Effects on the probability", is_ordered)


def predictions_of(
    estimate: Estimate, sample: Sample, design: Design | None, at: Any, about: About, *, is_ordered: bool = False
) -> Effects:
    """The probabilities of the classes."""
    change = _Change("probability", "")
    return _computed(estimate, _Source(sample, design), [change], at, about, "The probability", is_ordered)


def variables_of(sample: Sample, design: Design | None) -> list[str]:
    """The names of the variables that can change alone."""
    return [name for name in _Source(sample, design).names if name not in sample.made_of]


def variable_of(sample: Sample, design: Design | None, name: str) -> tuple[list[Any] | None, Any]:
    """The levels of a variable, or None of a number; and its value in each row.

    Raises:
        ArgumentError: there is no such variable.
    """
    source = _Source(sample, design)
    source.check(name)
    return source.levels(name), source.values(name)


def probabilities_of(coefficients: Array, X: Array, n_classes: int, *, has_offset: bool, is_ordered: bool) -> Array:
    """The probability of each class for rows, (n, K).

    Args:
        coefficients: (n_equations, n_terms), as in a table.
        X: (n, d), with the intercept's column first and the offset last, where there are any; of
            ordered classes with a first one that is not used.
        n_classes: K.
        has_offset: whether there is an offset.
        is_ordered: whether the classes are ordered.

    Example:
        >>> probabilities_of(np.zeros((2, 1)), np.ones((1, 1)), 3, has_offset=False, is_ordered=False).round(2)
        array([[0.33, 0.33, 0.33]])
    """
    if is_ordered:
        return _Ordered(coefficients[0], n_classes, has_offset).probabilities(X)
    return _Multinomial(coefficients, has_offset).probabilities(X)


class _Source:
    """The rows of a sample by their variables."""

    def __init__(self, sample: Sample, design: Design | None) -> None:
        self.sample, self.design = sample, design
        self.names: list[str] = list(sample.names) if design is None else [str(name) for name in design.data.columns]

    def check(self, name: str) -> None:
        if name not in self.names:
            raise ArgumentError(f"effects: no variable is {name!r}{nearest(name, self.names)}")
        if (term := self.sample.made_of.get(name)) is not None:
            raise ArgumentError(
                f"effects: {name!r} does not change alone, as {term!r} changes with it; fit_formula has effects of "
                "such terms"
            )

    def values(self, name: str) -> Any:
        if self.design is not None:
            return self.design.data[name]
        column = self.sample.X[:, [self.names.index(name)]]
        return np.asarray(column.toarray() if hasattr(column, "toarray") else column).ravel()

    def levels(self, name: str) -> list[Any] | None:
        """The levels of a category or of what has only the values 0 and 1; None for numbers."""
        values = self.values(name)
        if str(values.dtype) == "category":
            return list(values.cat.categories)
        column = np.asarray(values)
        if column.dtype.kind in "biuf":
            found = np.unique(column[:1_000_000]).tolist()
            is_category = self.design is not None and self.design.is_category(name)
            if is_category:
                return list(np.unique(column).tolist())
            return found if set(found) == {0, 1} and not ((column != 0) & (column != 1)).any() else None
        return sorted(set(column.tolist()))

    def changes(self, name: str) -> Iterator[_Change]:
        levels = self.levels(name)
        if levels is None:
            yield _Change(name, "dP/dx")
            return
        first = levels[0] if self.design is None else self.design.first_level(name, levels)
        for level in levels:
            if level != first:
                yield _Change(name, f"{_level(level)} - {_level(first)}", first, level)

    def blocks(self, settings: Mapping[str, Any], change: _Change) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Weights, columns at the low and the high value, and their derivatives; of each block."""
        first = int(self.sample.fit_intercept)
        size = max(_BLOCK_ENTRIES // max(self.sample.X.shape[1], 1), 1)
        for start in range(0, len(self.sample.weight), size):
            piece = slice(start, start + size)
            weight = self.sample.weight[piece]
            low = self._made(piece, {**settings, **self._set(change, change.low)})
            high = low if change.high is None else self._made(piece, {**settings, **self._set(change, change.high)})
            slope = self._slope(piece, settings, change) if change.is_derivative else np.zeros((0, 0))
            if first:
                ones = np.ones((len(weight), 1))
                low, high = np.hstack([ones, low]), np.hstack([ones, high])
                slope = np.hstack([0 * ones, slope]) if change.is_derivative else slope
            yield weight, low, high, slope

    def _set(self, change: _Change, value: Any) -> dict[str, Any]:
        return {} if value is None else {change.variable: value}

    def _made(self, piece: slice, settings: Mapping[str, Any]) -> Array:
        if self.design is not None:
            data = self.design.data.iloc[piece].copy()
            for name, value in settings.items():
                data[name] = _like(data[name], value)
            made, offset = self.design.columns_of(data), self.design.offset_of(data)
            return made if offset is None else np.column_stack([made, offset])
        block: Any = self.sample.X[piece]
        made = np.array(block.toarray() if hasattr(block, "toarray") else block, dtype=np.float64)
        for name, value in settings.items():
            made[:, self.names.index(name)] = value
        return made

    def _slope(self, piece: slice, settings: Mapping[str, Any], change: _Change) -> Array:
        """The derivatives of the columns with respect to a number."""
        name = change.variable
        if self.design is None:
            slope = np.zeros((len(self.sample.weight[piece]), len(self.names)))
            slope[:, self.names.index(name)] = 1.0
            return slope
        whole = np.asarray(self.design.data[name], dtype=np.float64)
        own = np.full(len(whole[piece]), float(settings[name])) if name in settings else whole[piece]
        if self.design.is_linear_in(name):
            return self._made(piece, {**settings, name: own + 1.0}) - self._made(piece, {**settings, name: own})
        step = _SMALL_STEP * (float(whole.std()) or 1.0)
        # A spline is not known beyond the values that it was made for.
        low, high = np.maximum(own - step, whole.min()), np.minimum(own + step, whole.max())
        low, high = np.minimum(low, own), np.maximum(high, own)
        change_of_columns = self._made(piece, {**settings, name: high}) - self._made(piece, {**settings, name: low})
        return np.asarray(change_of_columns / (high - low)[:, None])


def _like(column: Any, value: Any) -> Any:
    """A value, or one for each row, of the type of a column."""
    if str(column.dtype) == "category":
        return column.iloc[:0].astype(column.dtype).reindex(column.index).fillna(value)
    return value


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _computed(
    estimate: Estimate,
    source: _Source,
    changes: Sequence[_Change],
    at: Any,
    about: About,
    what: str,
    is_ordered: bool,
) -> Effects:
    settings, names = _settings(source, at)
    beta = estimate.coefficients if estimate.finite is None else estimate.finite
    classes = source.sample.classes
    shown = [1] if len(classes) == 2 else list(range(len(classes)))
    rows: list[tuple[str, str, Any]] = []
    values, jacobians, rests = [], [], []
    # An infinite estimate has no error: a value has one where it would be nearly the same if such
    # an estimate were 0, as it matters for few rows.
    has_offset = source.sample.offset is not None
    link = _Ordered(beta[0], len(classes), has_offset) if is_ordered else _Multinomial(beta, has_offset)
    nearly = np.where(np.isinf(estimate.coefficients), 0.0, beta)
    other = replace(link, beta=nearly[0] if is_ordered else nearly)
    is_endless = bool(np.isinf(estimate.coefficients).any())
    for setting, name in zip(settings, names, strict=True):
        for change in changes:
            if change.variable in setting and not change.is_derivative and change.contrast:
                continue
            at_means = isinstance(at, str) and at == "means"
            value, jacobian = _effect(link, source, setting, change, at_means=at_means)
            without = _effect(other, source, setting, change, at_means=at_means)[0] if is_endless else value
            for k in shown:
                contrast = change.contrast if name == "" else f"{change.contrast} at {name}".strip()
                rows.append((change.variable, contrast, classes[k]))
                values.append(value[k])
                jacobians.append(jacobian[k])
                rests.append(abs(without[k] - value[k]))
    if not rows:
        raise ArgumentError("at: it sets all the variables whose effects are asked for")
    J = np.array(jacobians)
    used = estimate.estimated
    if is_endless:
        used = used[np.isfinite(estimate.coefficients.ravel()[used])]
    covariance = J[:, used] @ estimate.covariance[np.ix_(used, used)] @ J[:, used].T
    with np.errstate(invalid="ignore"):
        lost = np.array(rests) > _NEGLIGIBLE * np.sqrt(np.diag(covariance))
    covariance[lost] = covariance[:, lost] = np.nan
    where = {"average": "averaged over the rows", "means": "at the means of the variables"}
    place = where[at] if isinstance(at, str) else "averaged over the rows, with variables set"
    of = f"{about.response} = {classes[1]}" if len(classes) == 2 else f"each class of {about.response}"
    df = estimate.df_of(J)
    return Effects(f"{what} of {of}, {place}", tuple(rows), np.array(values), covariance, about.frame, df)


def _settings(source: _Source, at: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Which variables are set to what, one after the other, and what each is called."""
    if isinstance(at, str):
        if at not in ("average", "means"):
            raise ArgumentError(f"at={at!r}: needs 'average', 'means', or a mapping from variables to values")
        if at == "means" and source.sample.made_of:
            name, term = next(iter(source.sample.made_of.items()))
            raise ArgumentError(
                f"at='means': the mean of {term!r} is not that which the mean of {name!r} gives; use 'average'"
            )
        return [{}], [""]
    if not isinstance(at, Mapping) or not at:
        raise ArgumentError(f"at={at!r}: needs 'average', 'means', or a mapping from variables to values")
    lists: list[list[Any]] = []
    for name, given in at.items():
        source.check(name)
        values = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
        levels = source.levels(name)
        if levels is not None and set(levels) != {0, 1}:
            known = {str(level): level for level in levels}
            for value in values:
                if str(value) not in known:
                    raise ArgumentError(f"at: {name} has no level {value!r}; there are {listing(levels)}")
            values = [known[str(value)] for value in values]
        else:
            values = [_number(name, value) for value in values]
        lists.append(values)
    settings = [dict(zip(at, each, strict=True)) for each in product(*lists)]
    if len(settings) > _MOST_VALUES:
        raise ArgumentError(f"at: {len(settings):,} combinations of values; at most {_MOST_VALUES} are taken")
    return settings, [", ".join(f"{name} = {_level(value)}" for name, value in each.items()) for each in settings]


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ArgumentError(f"at: {name} = {value!r} is not a number")
    return number


@dataclass(frozen=True, eq=False)
class _Multinomial:
    """Probabilities of classes against the first.

    Attributes:
        beta: (n_equations, n_terms).
        has_offset: whether the columns end with the offset, whose coefficient is 1.
    """

    beta: Array
    has_offset: bool

    @property
    def n_classes(self) -> int:
        return len(self.beta) + 1

    @property
    def _whole(self) -> Array:
        return np.column_stack([self.beta, np.ones(len(self.beta))]) if self.has_offset else self.beta

    def probabilities(self, X: Array) -> Array:
        """Of each class, (n, K)."""
        return _probabilities(X, self._whole)

    def mean(self, weight: Array, X: Array) -> tuple[Array, Array]:
        """The sum of the probabilities of each class, and its derivatives."""
        beta = self._whole
        P, jacobian = _probabilities(X, beta), np.zeros((self.n_classes, *beta.shape))
        for m in range(1, self.n_classes):
            turned = P * ((np.arange(self.n_classes) == m) - P[:, [m]])
            jacobian[:, m - 1] = (turned * weight[:, None]).T @ X
        return weight @ P, self._flat(jacobian)

    def derivative(self, weight: Array, X: Array, slope: Array) -> tuple[Array, Array]:
        """The same of what the probabilities change by where columns change by a slope."""
        beta, K = self._whole, self.n_classes
        P, jacobian = _probabilities(X, beta), np.zeros((K, *beta.shape))
        own = np.column_stack([np.zeros(len(slope)), slope @ beta.T])
        away = own - (P * own).sum(axis=1, keepdims=True)
        for m in range(1, K):
            turned = P * ((np.arange(K) == m) - P[:, [m]])
            by_score = turned * away - P * (P[:, m] * away[:, m])[:, None]
            jacobian[:, m - 1] = (by_score * weight[:, None]).T @ X + (turned * weight[:, None]).T @ slope
        return weight @ (P * away), self._flat(jacobian)

    def _flat(self, jacobian: Array) -> Array:
        kept = jacobian[:, :, :-1] if self.has_offset else jacobian
        return kept.reshape(self.n_classes, -1)


@dataclass(frozen=True, eq=False)
class _Ordered:
    """Probabilities of ordered classes: `P(class <= j) = sigmoid(t_j - x'b)`.

    Attributes:
        beta: the coefficients of the columns, which begin with one that is not used (the
            intercept's), then the thresholds t.
        n_classes: the classes.
        has_offset: whether the columns end with the offset, which is added to x'b.
    """

    beta: Array
    n_classes: int
    has_offset: bool

    def probabilities(self, X: Array) -> Array:
        """Of each class, (n, K)."""
        return class_probabilities(self._along(X), self.beta[self._n_slopes :])

    @property
    def _n_slopes(self) -> int:
        return len(self.beta) - (self.n_classes - 1)

    def _along(self, X: Array) -> Array:
        """`x'b` of columns, or of what they change by, with the offset."""
        own = X[:, 1 : 1 + self._n_slopes] @ self.beta[: self._n_slopes]
        return np.asarray(own + X[:, -1]) if self.has_offset else np.asarray(own)

    def mean(self, weight: Array, X: Array) -> tuple[Array, Array]:
        """The sum of the probabilities of each class, and its derivatives."""
        P = self.probabilities(X)
        X, _, first, _ = self._at(X)
        by_score = -np.diff(first, axis=1)
        jacobian = np.column_stack([(by_score * weight[:, None]).T @ X, self._by_thresholds(weight @ first[:, 1:-1])])
        return weight @ P, jacobian

    def derivative(self, weight: Array, X: Array, slope: Array) -> tuple[Array, Array]:
        """The same of what the probabilities change by where columns change by a slope."""
        change = self._along(slope)
        X, slope, first, second = self._at(X, slope)
        by_score, twice = -np.diff(first, axis=1), np.diff(second, axis=1)
        scaled = weight * change
        to_slopes = (twice * scaled[:, None]).T @ X + (by_score * weight[:, None]).T @ slope
        return scaled @ by_score, np.column_stack([to_slopes, -self._by_thresholds(scaled @ second[:, 1:-1])])

    def _at(self, X: Array, slope: Array | None = None) -> tuple[Array, Array, Array, Array]:
        """Columns without the intercept's, and the first and second derivatives of the sigmoid at
        each threshold, 0 beyond the outer ones."""
        own = slice(1, 1 + self._n_slopes)
        u = self.beta[self._n_slopes :] - self._along(X)[:, None]
        X = X[:, own]
        first = sigmoid(u) * sigmoid(-u)
        second = first * (sigmoid(-u) - sigmoid(u))
        nothing = np.zeros((len(X), 1))
        padded = [np.hstack([nothing, each, nothing]) for each in (first, second)]
        return X, X if slope is None else slope[:, own], padded[0], padded[1]

    def _by_thresholds(self, sums: Array) -> Array:
        """A threshold moves the classes below and above it against each other."""
        K = self.n_classes
        return np.asarray(np.eye(K, K - 1) * sums - np.eye(K, K - 1, -1) * sums)


def _effect(
    link: _Multinomial | _Ordered, source: _Source, settings: Mapping[str, Any], change: _Change, *, at_means: bool
) -> tuple[Array, Array]:
    """The value for each class, and its derivatives with respect to all coefficients."""
    if at_means:
        settings = {**_means(source, change), **settings}
    blocks = source.blocks(settings, change)
    if at_means:
        blocks = iter([_averaged(blocks)])
    total, value, jacobian = 0.0, np.zeros(link.n_classes), np.zeros((link.n_classes, 1))
    for weight, low, high, slope in blocks:
        total += float(weight.sum())
        if change.is_derivative:
            parts = [(1.0, link.derivative(weight, low, slope))]
        else:
            parts = [(1.0, link.mean(weight, high))]
            if change.contrast:
                parts.append((-1.0, link.mean(weight, low)))
        for sign, (own, by_coefficients) in parts:
            value, jacobian = value + sign * own, jacobian + sign * by_coefficients
    if total == 0:
        raise DataError("effects: no row has weight")
    return value / total, jacobian / total


def _probabilities(X: Array, beta: Array) -> Array:
    scores = np.column_stack([np.zeros(len(X)), X @ beta.T])
    scores -= scores.max(axis=1, keepdims=True)
    parts = np.exp(scores)
    probabilities: Array = parts / parts.sum(axis=1, keepdims=True)
    return probabilities


def _means(source: _Source, change: _Change) -> dict[str, float]:
    """The means of the variables that are numbers; categories stay, and their columns are
    averaged."""
    if source.design is None:
        return {}  # columns are variables, which `_averaged` averages
    weight, found = source.sample.weight, {}
    for name in source.names:
        values = source.design.data[name]
        if np.asarray(values).dtype.kind in "biuf" and not source.design.is_category(name):
            found[name] = float(np.average(np.asarray(values, dtype=np.float64), weights=weight))
    if change.contrast and not change.is_derivative:
        found.pop(change.variable, None)
    return found


def _averaged(blocks: Iterator[tuple[Array, Array, Array, Array]]) -> tuple[Array, Array, Array, Array]:
    """One row: the weighted means of columns."""
    total, sums = 0.0, None
    for weight, *parts in blocks:
        total += float(weight.sum())
        own = [weight @ part if part.size else part for part in parts]
        sums = own if sums is None else [a + b for a, b in zip(sums, own, strict=True)]
    assert sums is not None
    low, high, slope = (np.atleast_2d(each / total) if each.size else each for each in sums)
    return np.ones(1), low, high, slope
