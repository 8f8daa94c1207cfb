"""The setting `bounds`: what the coefficients of each column are within."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.models.certain_outputs import Outputs
from polytome.models.fitted import feature_names_in
from polytome.models.settings import real_number
from polytome.passes import Columns
from polytome.penalties import L2, Bounded, ElasticNet, NoPenalty, Penalty, WeightedL2
from polytome.plain.names import close_name
from polytome.tables.frames import listing

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

Array = NDArray[Any]
Bounds = tuple[Any, Any] | ArrayLike | Mapping[Any, Any] | None
"""None, a pair (low, high) of numbers or of one number for each column, one pair for each column,
or pairs by the names or places of columns (no bounds for those not named)."""

__all__ = [
    "Bounds",
    "at_bound",
    "bounded",
    "bounds_as_saved",
    "bounds_of",
    "bounds_text",
    "check_bounds",
    "check_bounds_of_certain",
    "check_named_bounds",
    "within_bounds",
]

_NO_BOUNDS = (-np.inf, np.inf)
_NEEDS = (
    "needs None, a pair (low, high), one pair for each column (n_features, 2), or pairs by the names or places of "
    "columns"
)


def check_bounds(given: Any, has_groups: bool = False) -> None:
    """Raises ArgumentError unless the bounds can be used; the data tell whether they fit the
    columns.

    Args:
        given: the setting.
        has_groups: whether the penalty has norms of groups.

    Example:
        >>> check_bounds((1, 0))
        Traceback (most recent call last):
        polytome.errors.ArgumentError: bounds are from 1 to 0: the lower bound is above the upper one
        >>> check_bounds({"age": (0, None)})
    """
    if given is None:
        return
    if has_groups:
        raise ArgumentError(
            "bounds and groups: coefficients of groups, which are 0 together, have no bounds of their own; leave one "
            "of them out"
        )
    if isinstance(given, Mapping):
        for key, pair in given.items():
            is_place = isinstance(key, Integral) and not isinstance(key, bool)
            if not (isinstance(key, str) or is_place):
                raise ArgumentError(f"bounds has the key {key!r}: needs names of columns, or their places")
            _pair(pair, f"bounds[{key!r}]")
        return
    _table(given)


def check_named_bounds(given: Any, encoder: Encoder | None) -> None:
    """Raises ArgumentError where bounds by name name a column that a table does not have.

    Example:
        >>> from polytome.tables.encoder import Column, Encoder
        >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="error")
        >>> check_named_bounds({"aeg": (0, 1)}, encoder)
        Traceback (most recent call last):
        polytome.errors.ArgumentError: bounds names 'aeg', which is not a column of X: it has 'age'; did you mean 'age'?
    """
    if isinstance(given, Mapping):
        _by_key(given, None if encoder is None else encoder.column_widths)


def bounds_of(estimator: Any, n_features: int, encoder: Encoder | None = None) -> tuple[Array, Array] | None:
    """The lower and the upper bound of each feature's coefficients, float64 (n_features,) both;
    None where there are none.

    Args:
        estimator: with or without the setting; fitted to a frame if bounds are by the names of its
            columns.
        n_features: of X.
        encoder: of the table that X was made of, whose columns are named then: a category's bounds
            are those of each of its features, but for levels beside its steps.

    Raises:
        ArgumentError: they are for more or fewer columns, or for ones that X does not have.

    Example:
        >>> from polytome import LogisticRegression
        >>> bounds_of(LogisticRegression(bounds={1: (0, None)}), 3)
        (array([-inf,   0., -inf]), array([inf, inf, inf]))
    """
    given = vars(estimator).get("bounds")
    if given is None:
        return None
    if isinstance(given, Mapping):
        names = feature_names_in(estimator)
        columns = None if names is None else [(str(name), 1) for name in names]
        if encoder is not None:
            columns = encoder.column_widths
        if columns is None and not any(isinstance(key, str) for key in given):
            columns = [("", 1)] * n_features
        low, high = _by_key(given, columns)
        if encoder is not None:
            low[encoder.beside_steps], high[encoder.beside_steps] = _NO_BOUNDS
    else:
        low, high = _table(given)
        if len(low) not in (1, n_features):
            raise ArgumentError(f"bounds has pairs for {len(low):,} columns, X has {n_features:,}: give one for each")
        low, high = (np.array(np.broadcast_to(each, (n_features,))) for each in (low, high))
    return None if np.isneginf(low).all() and np.isposinf(high).all() else (low, high)


def bounded(estimator: Any, penalty: Penalty, n_features: int, columns: Columns | None = None) -> Penalty:
    """A penalty within an estimator's bounds, if it has some.

    Bounds are of coefficients as a user sees them, those of a penalty of coefficients of scaled
    columns. These are divided, and rounded to the outside: so whatever is proved of the least
    penalty among them holds among the former.

    Args:
        estimator: with or without bounds.
        penalty: of scaled columns.
        n_features: of X.
        columns: how they are scaled; None for not at all.

    Raises:
        ArgumentError: a column without a penalty has one finite bound; or the bounds do not fit.
    """
    if (found := bounds_of(estimator, n_features)) is None:
        return penalty
    assert isinstance(penalty, NoPenalty | L2 | WeightedL2 | ElasticNet)  # groups are refused beside bounds
    low, high = found
    own = np.broadcast_to(np.asarray(penalty.weights).reshape(-1), (n_features,))
    is_half = (own == 0) & (np.isfinite(low) != np.isfinite(high))
    if is_half.any():
        column = int(np.argmax(is_half))
        raise ArgumentError(
            f"bounds of column {_name(estimator, column)} are from {low[column]:g} to {high[column]:g}, and it has no "
            "penalty: without one nothing is proved beyond a bound that is infinite; give both bounds, or a weak "
            "penalty such as C=1e6"
        )
    if columns is not None and (columns.scale != 1).any():
        low, high = (
            np.where((each == 0) | np.isinf(each), each, np.nextafter(each / columns.scale, outward))
            for each, outward in ((low, -np.inf), (high, np.inf))
        )
    return Bounded(penalty, low, high)


def within_bounds(bounds: tuple[Array, Array] | None, coefficients: Array) -> Array:
    """Coefficients (n_outputs, n_features) with those that rounding moved past a bound brought back
    to it, in their own type."""
    if bounds is None:
        return coefficients
    (low, high), dtype = _in_type(bounds, coefficients.dtype), coefficients.dtype
    if dtype != np.float64 and (low > high).any():
        return coefficients  # no number of this type is within
    return np.clip(coefficients, low, high)


def at_bound(bounds: tuple[Array, Array], coefficients: Array) -> Array:
    """Which coefficients are equal to one of their bounds, as near as their type has it."""
    low, high = _in_type(bounds, coefficients.dtype)
    found: Array = (coefficients == low) | (coefficients == high)
    return found


def _in_type(bounds: tuple[Array, Array], dtype: Any) -> tuple[Array, Array]:
    """Bounds in another floating type, rounded to the inside."""
    ends = []
    for limit, inward, is_past in zip(bounds, (np.inf, -np.inf), (np.less, np.greater), strict=True):
        with np.errstate(over="ignore"):
            short = limit.astype(dtype)
        ends.append(np.where(is_past(short, limit), np.nextafter(short, dtype.type(inward)), short))
    return ends[0], ends[1]


def check_bounds_of_certain(estimator: Any, n_features: int, outputs: Outputs) -> None:
    """Raises ArgumentError where outputs have no rows to learn from, so that their coefficients are
    0, which is not within bounds."""
    found = bounds_of(estimator, n_features)
    if found is None or len(outputs.learned) == len(outputs.certain):
        return
    is_past = (found[0] > 0) | (found[1] < 0)
    if is_past.any():
        column = int(np.argmax(is_past))
        raise ArgumentError(
            f"bounds of column {_name(estimator, column)} are from {found[0][column]:g} to {found[1][column]:g}, "
            "without 0, and a class has no rows of positive weight, so that its coefficients would be 0: leave that "
            "class out"
        )


def bounds_text(bounds: tuple[Array, Array] | None) -> str:
    """What coefficients are within, in words; "none" where there are no bounds.

    Example:
        >>> bounds_text((np.zeros(2), np.full(2, np.inf))), bounds_text((np.zeros(2), np.array([1.0, 2.0])))
        ('0 <= W', 'bounds of 2 of 2 columns')
    """
    if bounds is None:
        return "none"
    low, high = bounds
    if (low == low[0]).all() and (high == high[0]).all():
        below = "" if np.isneginf(low[0]) else f"{low[0]:g} <= "
        return below + "W" + ("" if np.isposinf(high[0]) else f" <= {high[0]:g}")
    count = int((np.isfinite(low) | np.isfinite(high)).sum())
    return f"bounds of {count:,} of {len(low):,} columns"


def bounds_as_saved(given: Any) -> Any:
    """The setting as plain values: None, a pair of numbers, triples (column, low, high), or an
    array of pairs, (n_features, 2).

    Example:
        >>> bounds_as_saved((0, None)), bounds_as_saved({"age": (0, 1)})
        ([0.0, inf], [['age', 0.0, 1.0]])
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        keys = [key if isinstance(key, str) else int(key) for key in given]
        return [[key, *_pair(pair, "bounds")] for key, pair in zip(keys, given.values(), strict=True)]
    if isinstance(given, tuple) and len(given) == 2 and all(np.ndim(each) == 0 for each in given):
        return list(_pair(given, "bounds"))
    return np.stack(_table(given), axis=1)


def _table(given: Any) -> tuple[Array, Array]:
    """Bounds that are not by column: (1,) for one pair of numbers, else one for each column."""
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise ArgumentError(f"bounds={given!r}: {_NEEDS}")
    if isinstance(given, tuple) and len(given) == 2:
        if all(each is None or np.ndim(each) == 0 for each in given):
            pair = _pair(given, "bounds")
            return np.array(pair[:1]), np.array(pair[1:])
        try:
            ends = [np.ravel(_numbers(each, infinite)) for each, infinite in zip(given, _NO_BOUNDS, strict=True)]
            low, high = np.broadcast_arrays(*ends)
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"bounds={given!r}: {_NEEDS}") from error
    else:
        try:
            rows = [tuple(row) for row in given]
            ends = [_numbers([row[place] for row in rows], infinite) for place, infinite in enumerate(_NO_BOUNDS)]
            low, high = ends
        except (ValueError, TypeError, IndexError) as error:
            raise ArgumentError(f"bounds={given!r}: {_NEEDS}") from error
        if not rows or any(len(row) != 2 for row in rows):
            raise ArgumentError(f"bounds has shape {np.shape(given)}: {_NEEDS}")
    for column, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        _check_pair(least, most, f"bounds of column {column}")
    return low, high


def _numbers(values: Any, infinite: float) -> Array:
    """Float64 of real numbers, or None for no bound; NaN of anything else."""
    flat = np.asarray(values, dtype=object)
    if flat.ndim > 1:
        raise ValueError
    found = [infinite if each is None else real_number(each) for each in np.ravel(flat).tolist()]
    return np.array(found, dtype=np.float64)


def _pair(given: Any, what: str) -> tuple[float, float]:
    """A lower and an upper bound, None being no bound."""
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != 2:
        raise ArgumentError(f"{what} is {given!r}: needs a pair (low, high), None being no bound")
    ends = [infinite if each is None else real_number(each) for each, infinite in zip(given, _NO_BOUNDS, strict=True)]
    if any(isinstance(each, bool) for each in given) or any(np.isnan(ends)):
        raise ArgumentError(f"{what} is {given!r}: needs a pair of numbers (low, high), None being no bound")
    _check_pair(ends[0], ends[1], what)
    return ends[0], ends[1]


def _check_pair(low: float, high: float, what: str) -> None:
    place = f"{what} are" if what == "bounds" or what.startswith("bounds of") else f"{what} is"
    if np.isnan(low) or np.isnan(high):
        raise ArgumentError(f"{place} from {low:g} to {high:g}: needs numbers, None being no bound")
    if low > high:
        raise ArgumentError(f"{place} from {low:g} to {high:g}: the lower bound is above the upper one")
    if low == np.inf or high == -np.inf:
        raise ArgumentError(f"{place} from {low:g} to {high:g}: no coefficient is there; None is no bound")


def _by_key(given: Mapping[Any, Any], columns: list[tuple[str, int]] | None) -> tuple[Array, Array]:
    """The bounds of each feature of these columns."""
    if columns is None:
        raise ArgumentError(
            "bounds names columns, and X has no names of columns: give a table, or pairs by the places of columns"
        )
    names = [name for name, _ in columns]
    places = {name: place for place, name in enumerate(names)}
    low, high = np.full(len(columns), -np.inf), np.full(len(columns), np.inf)
    seen: dict[int, Any] = {}
    for key, pair in given.items():
        if isinstance(key, str):
            if key not in places:
                close = close_name(key, names)
                raise ArgumentError(
                    f"bounds names {key!r}, which is not a column of X: it has {listing(names, 10)}"
                    + (f"; did you mean {close!r}?" if close else "")
                )
            place = places[key]
        else:
            place = int(key)
            if not 0 <= place < len(columns):
                raise ArgumentError(
                    f"bounds has the place {place}, and X has {len(columns):,} columns: places are from 0 to "
                    f"{len(columns) - 1:,}"
                )
        if place in seen:
            raise ArgumentError(f"bounds has {seen[place]!r} and {key!r}, which are one column: leave one of them out")
        seen[place] = key
        low[place], high[place] = _pair(pair, f"bounds[{key!r}]")
    widths = [width for _, width in columns]
    return np.repeat(low, widths), np.repeat(high, widths)


def _name(estimator: Any, column: int) -> str:
    names = feature_names_in(estimator)
    return str(column) if names is None else repr(str(names[column]))
