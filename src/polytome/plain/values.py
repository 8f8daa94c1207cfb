"""Values as JSON can hold them: for what is printed, served, shown by the playground and written
into model files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from polytome.errors import ArgumentError

__all__ = ["plain", "refuse_constant"]


def plain(value: Any, *, words: bool = False) -> Any:
    """Turn a value into what JSON can hold: arrays into lists, NumPy's numbers into Python's.

    Args:
        value: None, a number, text, an array, or lists, tuples and dicts of them.
        words: whether infinities and NaN become the texts "inf", "-inf" and "nan", from which they
            can be read again; else they become None.

    Raises:
        ArgumentError: the value is something else.

    Example:
        >>> import numpy as np
        >>> plain({"C": np.inf, "tol": np.float64(0.5), "coef": np.array([1.0, np.nan])})
        {'C': None, 'tol': 0.5, 'coef': [1.0, None]}
        >>> plain((1, -np.inf), words=True)
        [1, '-inf']
    """
    if hasattr(value, "tolist"):  # an array or one of its numbers
        return _from_array(value, words)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if words else None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item, words=words) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item, words=words) for key, item in value.items()}
    raise ArgumentError(f"{value!r:.60} is a {type(value).__name__}, which JSON cannot hold")


def refuse_constant(name: str, remedy: str = "") -> NoReturn:
    """What a decoder does with NaN and infinities, as its `parse_constant`: Python reads them, and
    JSON has none.

    Example:
        >>> import json
        >>> json.loads("[NaN]", parse_constant=refuse_constant)
        Traceback (most recent call last):
        ValueError: NaN is not a JSON number
    """
    raise ValueError(f"{name} is not a JSON number{remedy}")


def _from_array(value: Any, words: bool) -> Any:
    """Lists; where all numbers are finite, without a look at each."""
    import numpy as np  # is there already: the command line does without it as long as it can

    listed = value.tolist()
    is_finite = value.dtype.kind in "biuSU" or (value.dtype.kind == "f" and bool(np.isfinite(value).all()))
    return listed if is_finite else plain(listed, words=words)
