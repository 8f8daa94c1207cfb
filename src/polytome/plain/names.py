"""The name that was meant, where one is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any

__all__ = ["close_name", "suggested"]

_MOST_COMPARED = 1000  # of a table with very many columns not all are compared: each takes some microseconds


def close_name(name: Any, known: Iterable[Any], cutoff: float = 0.6) -> str | None:
    """The known name that is most like another; None where none is. Capital letters are as small
    ones.

    Args:
        name: as a user wrote it.
        known: the names there are.
        cutoff: how much alike they must be, from 0 to 1.

    Example:
        >>> close_name("wriet", ["read", "write"]), close_name("AGE", ["age"]), close_name("x", ["age"])
        ('write', 'age', None)
    """
    folded = {str(each).casefold(): str(each) for each in islice(known, _MOST_COMPARED)}
    close = get_close_matches(str(name).casefold(), folded, 1, cutoff)
    return folded[close[0]] if close else None


def suggested(name: str, known: Iterable[Any]) -> str:
    """A name that is not known, for a message, with the one that was perhaps meant.

    Example:
        >>> suggested("agee", ["age", "size"]), suggested("x", ["age"])
        ("'agee' (did you mean 'age'?)", "'x'")
    """
    close = close_name(name, known)
    return f"{name!r}" if close is None else f"{name!r} (did you mean {close!r}?)"
