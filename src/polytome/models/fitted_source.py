"""What a table or an image brought to a fit, as one value, so that no later fit inherits a part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from polytome.files.training_record import TrainingRecord
    from polytome.tables.encoder import Encoder

Part = TypeVar("Part")

__all__ = ["FittedSource", "PartOfSource"]


@dataclass(frozen=True)
class FittedSource:
    """What a model remembers of the source that it was fitted to; nothing of rows that came from Python.

    Attributes:
        encoder: how the columns of its table became features.
        image_shape: height and width of its images.
        positive: the label that the model tells from all others.
        training: what the data were.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> from polytome.files.sources import fit_source, open_source
        >>> model = fit_source(LogisticRegression(), open_source("digits"))
        >>> model.source_.image_shape, model.fit([[0.0], [1.0]], [0, 1]).source_.image_shape
        ((8, 8), None)
    """

    encoder: Encoder | None = None
    image_shape: tuple[int, int] | None = None
    positive: str | None = None
    training: TrainingRecord | None = None


class PartOfSource(Generic[Part]):
    """A part of a model's `source_` under a name of its own, with `_` at its end; absent where the source has none.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        >>> model.image_shape_ = (1, 1)
        >>> model.source_.image_shape, hasattr(model, "encoder_")
        ((1, 1), False)
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._part = name, name.removesuffix("_")

    @overload
    def __get__(self, model: None, owner: type) -> PartOfSource[Part]: ...

    @overload
    def __get__(self, model: object, owner: type) -> Part: ...

    def __get__(self, model: object | None, owner: type) -> Any:
        """The part; raises AttributeError where there is none, so that `hasattr` tells."""
        if model is None:
            return self
        part = getattr(_source_of(model), self._part)
        if part is None:
            raise AttributeError(f"this {owner.__name__} has no {self._name}: its source brought none", name=self._name)
        return part

    def __set__(self, model: object, value: Part | None) -> None:
        changed: dict[str, Any] = {self._part: value}
        vars(model)["source_"] = replace(_source_of(model), **changed)


def _source_of(model: object) -> FittedSource:
    """That of a model, empty before a fit and in models from elsewhere."""
    source: FittedSource = vars(model).get("source_", FittedSource())
    return source
