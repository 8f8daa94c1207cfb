"""How columns are made of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Design"]


class Design(Protocol):
    """What makes the columns of a model, also of data that are changed."""

    @property
    def data(self) -> Any:
        """The variables of the rows that were used, a pandas frame."""
        ...

    def columns_of(self, data: Any) -> Array:
        """The columns, without the intercept's, of such a frame."""
        ...

    def offset_of(self, data: Any) -> Array | None:
        """The offset of such a frame; None of a model without one."""
        ...

    def columns_of_new(self, data: Any) -> Array:
        """The same of rows that were not fitted, in a frame of any library, which are checked."""
        ...

    def offset_of_new(self, data: Any) -> Array | None:
        """The offset of such rows."""
        ...

    def is_category(self, name: str) -> bool:
        """Whether a variable's values are levels, though they may be numbers."""
        ...

    def first_level(self, name: str, levels: Sequence[Any]) -> Any:
        """The level that the others are compared with."""
        ...

    def is_linear_in(self, name: str) -> bool:
        """Whether the columns change by as much for each step of a variable."""
        ...

    def fit_smaller(self, result: Any, formula: str) -> Any:
        """The result of another formula of the same variables, for the same rows."""
        ...
