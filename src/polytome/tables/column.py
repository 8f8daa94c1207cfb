"""What one column of a table is, and the features that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.tables.terms import Term
from polytome.tables.text_columns import TextTerms

__all__ = ["MISSING_LEVEL", "OTHER_LEVEL", "Column"]

OTHER_LEVEL = "(other)"
"""The level that stands for all levels that training saw in too few rows, and for unknown ones."""
MISSING_LEVEL = "(missing)"
"""The level that stands for a missing category where `missing="mean"`."""


@dataclass(frozen=True)
class Column:
    """One column of a table as a model knows it.

    Attributes:
        name: its name in the header, or `column_3` without one.
        kind: "number", "category" or "text".
        levels: the levels of a category, sorted; empty for others.
        fill: what replaces a missing cell: a number's training mean, `MISSING_LEVEL` for a
            category, the empty text for a text, None for nothing.
        terms: what a column of text has taught; None for others.
        reference: the level of a category that has no feature, with which the others are compared;
            None where all have one.
        other: the level that stands for every text that is none of the levels, where training put
            rare ones together; None for none.
        steps: the levels of a category in their order, the first of which is the reference, where
            features are steps between them; empty where each level has its own.
        term: how the column is made of others; None for one that a table brings. Levels of a
            category that is made so are those of two others together.
    """

    name: str
    kind: Literal["number", "category", "text"]
    levels: tuple[str, ...] = ()
    fill: float | str | None = None
    terms: TextTerms | None = None
    reference: str | None = None
    other: str | None = None
    steps: tuple[str, ...] = ()
    term: Term | None = None

    @property
    def width(self) -> int:
        """The number of encoded columns it becomes."""
        if self.terms is not None:
            return self.terms.width
        return 1 if self.kind == "number" else len(self.coded)

    @property
    def coded(self) -> tuple[str, ...]:
        """The levels that have a feature: all but the reference, and steps come first, in their
        order."""
        return self.steps[1:] + tuple(level for level in self.levels if level not in (self.reference, *self.steps))

    @property
    def compared_with(self) -> tuple[str | None, ...]:
        """For each feature the level that it is compared with: the reference, of a step the one
        below; None where there is none."""
        return self.steps[:-1] + (self.reference,) * (self.width - max(len(self.steps) - 1, 0))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns; those of a category are `column=level`, those of its
        steps `column>=level`, those of a text `column: term`."""
        if self.terms is not None:
            return self.terms.names(self.name)
        if self.kind == "number":
            return (self.name,)
        return tuple(f"{self.name}{'>=' if level in self.steps else '='}{level}" for level in self.coded)

    def by_level(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients of the features of a category as what each of its levels adds to a score.

        Args:
            values: shape (..., width).

        Example:
            >>> Column("hue", "category", ("blue", "green", "red"), reference="green").by_level(np.array([1.0, 2.0]))
            array([1., 0., 2.])
        """
        if self.reference is None:
            return values
        if not self.steps:
            return np.insert(values, self.levels.index(self.reference), 0.0, axis=-1)
        n_steps = len(self.steps) - 1
        found = np.zeros((*values.shape[:-1], len(self.levels)))
        risen = np.cumsum(values[..., :n_steps], axis=-1)
        for place, level in enumerate(self.coded):
            found[..., self.levels.index(level)] = risen[..., place] if place < n_steps else values[..., place]
        return found

    def shares(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of the rows that has each level.

        Args:
            means: of the features of the column, shape (width,).

        Example:
            >>> sizes = Column("size", "category", ("l", "m", "s"), reference="s", steps=("s", "m", "l"))
            >>> sizes.shares(np.array([0.5, 0.25]))
            array([0.25, 0.25, 0.5 ])
        """
        if self.reference is None:
            return means
        n_steps = max(len(self.steps) - 1, 0)
        own = means.copy()
        own[: max(n_steps - 1, 0)] -= means[1:n_steps]
        found = np.full(len(self.levels), 1.0 - own.sum())
        found[[self.levels.index(level) for level in self.coded]] = own
        return found

    def features_of_levels(self) -> NDArray[np.float64]:
        """The features of a row with each level, (n_levels, width).

        Example:
            >>> Column("size", "category", ("l", "m", "s"), reference="s", steps=("s", "m", "l")).features_of_levels()
            array([[1., 1.],
                   [1., 0.],
                   [0., 0.]])
        """
        return self.by_level(np.eye(self.width)).T

    def level_of(self, features: NDArray[np.float64]) -> str | None:
        """The level of a category in a row; None for one that training never saw.

        Args:
            features: the row's features of this column, shape (width,).
        """
        if not features.any():
            return self.reference
        # Of steps the last that is taken.
        return self.coded[int(np.flatnonzero(features)[-1]) if self.steps else int(features.argmax())]

    def stepped(self, places: NDArray[np.intp]) -> list[NDArray[np.float64]]:
        """Features of rows, one array for each.

        Args:
            places: of each row's level among those that have a feature; -1 for the reference.
        """
        n_steps = len(self.steps) - 1
        is_step = places < n_steps
        return [
            (is_step & (places >= place) if place < n_steps else places == place).astype(np.float64)
            for place in range(self.width)
        ]

    def to_json(self, place: int, tensors: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Plain JSON values of the column; what it does not have is left out, as in files that are
        older than its member.

        Args:
            place: of the column among those of its encoder.
            tensors: receives the arrays that a column of text needs besides.
        """
        return (
            {"name": self.name, "kind": self.kind, "levels": list(self.levels), "fill": self.fill}
            | ({} if self.terms is None else {"terms": self.terms.to_json(place, tensors)})
            | ({} if self.reference is None else {"reference": self.reference})
            | ({} if self.other is None else {"other": self.other})
            | ({"steps": list(self.steps)} if self.steps else {})
            | ({} if self.term is None else {"term": self.term.to_json()})
        )
