"""The setting `penalty_weights`: what the penalty of each column's coefficients is multiplied
by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.models.bounds import bounds_of, check_bounds
from polytome.models.fitted import feature_names_in
from polytome.models.groups import groups_of
from polytome.models.settings import real_number
from polytome.plain.names import close_name
from polytome.tables.frames import listing

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

Array = NDArray[Any]
PenaltyWeights = ArrayLike | Mapping[str, float] | None
"""None (1 for each column), one number per column, or numbers by the names of columns
(1 for those not named)."""

__all__ = [
    "PenaltyWeights",
    "check_named_weights",
    "check_penalty_weights",
    "numbered_weights",
    "penalty_weights_of",
    "weights_text",
]

_SMALLEST, _LARGEST = 1e-100, 1e100
_NEEDS = f"needs 0 or a number from {_SMALLEST:g} to {_LARGEST:g}"


def check_penalty_weights(given: Any) -> None:
    """Raises ArgumentError unless the weights can be used; the data tell whether they fit the
    columns.

    Example:
        >>> check_penalty_weights([1.0, -2])
        Traceback (most recent call last):
        polytome.errors.ArgumentError: penalty_weights[1] is -2.0: needs 0 or a number from 1e-100 to 1e+100
    """
    if given is None:
        return
    if isinstance(given, Mapping):
        for name, weight in given.items():
            if not isinstance(name, str):
                raise ArgumentError(f"penalty_weights has the key {name!r}: needs names of columns, which are text")
            _check_number(f"penalty_weights[{name!r}]", real_number(weight), weight)
        return
    try:
        numbers = np.asarray(given)
        fits = numbers.ndim == 1 and numbers.dtype.kind in "biuf"
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(
            f"penalty_weights={given!r}: needs None, one number for each column, or numbers by the names of columns"
        )
    usable = (numbers == 0) | ((numbers >= _SMALLEST) & (numbers <= _LARGEST))
    if not usable.all():
        column = int(np.argmin(usable))
        _check_number(f"penalty_weights[{column}]", float(numbers[column]), float(numbers[column]))


def check_named_weights(given: Any, encoder: Encoder | None) -> None:
    """Raises ArgumentError where weights by name name a column that a table does not have, or there
    is no table.

    Example:
        >>> from polytome.tables.encoder import Column, Encoder
        >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="error")
        >>> check_named_weights({"aeg": 0.0}, encoder)
        Traceback (most recent call last):
        polytome.errors.ArgumentError: penalty_weights names 'aeg', which is not a column of X: it has ...
    """
    if isinstance(given, Mapping):
        _by_name(given, None if encoder is None else encoder.column_widths)


def penalty_weights_of(estimator: Any, n_features: int, encoder: Encoder | None = None) -> Array | None:
    """The weight of each feature, float64 (n_features,); None where all are 1.

    Args:
        estimator: with the setting; fitted to a frame if the weights are by the names of its
            columns.
        n_features: of X.
        encoder: of the table that X was made of, whose columns are named then: a category's weight
            is that of each of its features.

    Raises:
        ArgumentError: there are more or fewer weights than columns, or names that no column has.
    """
    given = estimator.penalty_weights
    if given is None:
        return None
    if isinstance(given, Mapping):
        names = feature_names_in(estimator)
        columns = None if names is None else [(str(name), 1) for name in names]
        weights = _by_name(given, columns if encoder is None else encoder.column_widths)
    else:
        weights = np.asarray(given, dtype=np.float64)
        if weights.shape != (n_features,):
            raise ArgumentError(
                f"penalty_weights has shape {weights.shape}, X has {n_features} columns: give one number for each"
            )
    return None if (weights == 1).all() else weights


@contextmanager
def numbered_weights(estimator: Any, encoder: Encoder | None) -> Iterator[None]:
    """For a fit to what an encoder made of a table: weights by the names of its columns are one
    number per feature, and so are groups that are its columns, and bounds by name or place."""
    given, groups, bounds = (vars(estimator).get(name) for name in ("penalty_weights", "groups", "bounds"))
    has_names, has_columns = isinstance(given, Mapping), isinstance(groups, str) and groups == "columns"
    if encoder is None or not (has_names or has_columns or isinstance(bounds, Mapping)):
        yield
        return
    check_penalty_weights(given)
    if isinstance(bounds, Mapping):
        check_bounds(bounds)
        estimator.bounds = bounds_of(estimator, len(encoder.feature_names), encoder)
    if has_names:
        estimator.penalty_weights = penalty_weights_of(estimator, len(encoder.feature_names), encoder)
    if has_columns:
        estimator.groups = groups_of(estimator, len(encoder.feature_names), encoder)
    try:
        yield
    finally:
        estimator.penalty_weights = given
        if isinstance(bounds, Mapping):
            estimator.bounds = bounds
        if has_columns:
            estimator.groups = groups


def weights_text(weights: float | Array | None) -> str:
    """How many weights a penalty has for columns, and how many of them are zero; "none" where it
    has none of its own.

    Example:
        >>> weights_text(np.array([1.0, 0.0])), weights_text(None)
        ('2 given numbers, 1 of them 0', 'none')
    """
    if weights is None or np.ndim(weights) == 0:
        return "none"
    zeros = int((np.asarray(weights) == 0).sum())
    return f"{np.size(weights)} given numbers" + (f", {zeros} of them 0" if zeros else "")


def _by_name(given: Mapping[str, float], columns: list[tuple[str, int]] | None) -> Array:
    """The weight of each feature of these columns."""
    if columns is None:
        raise ArgumentError(
            "penalty_weights names columns, and X has no names of columns: give a table, or one number for each column"
        )
    names = [name for name, _ in columns]
    if unknown := [name for name in given if name not in set(names)]:
        close = close_name(unknown[0], names)
        raise ArgumentError(
            f"penalty_weights names {unknown[0]!r}, which is not a column of X: it has {listing(names, 10)}"
            + (f"; did you mean {close!r}?" if close is not None else "")
        )
    return np.repeat([float(given.get(name, 1.0)) for name in names], [width for _, width in columns])


def _check_number(what: str, number: float, given: Any) -> None:
    if not (number == 0 or _SMALLEST <= number <= _LARGEST):
        raise ArgumentError(f"{what} is {given!r}: {_NEEDS}")
