"""How columns are made of data."""

from __future__ import annotations

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
