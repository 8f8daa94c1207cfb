"""What every fitted model can do: be saved, reported, and shown in a notebook."""

from __future__ import annotations

from abc import abstractmethod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from sklearn.base import BaseEstimator

from polytome.errors import ArgumentError
from polytome.models.fitted import Outputs
from polytome.models.fitted_source import FittedSource, HeldOut, PartOfSource, TrainingRecord
from polytome.models.higher import higher

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

__all__ = ["Model", "Page"]


class Page(Protocol):
    """A finished report: `page.save("report.html")`, or the last line of a notebook's cell.

    Attributes:
        html: the whole page.
    """

    html: str

    @property
    @abstractmethod
    def kind(self) -> str:
        """What a sentence calls this model."""

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model, from nothing of an earlier source."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file."""
        ...


class Model(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model with `source_`, what a table or an image brought; some parts of it have names of
    their own.

    Attributes:
        outputs: what the rows of `coef_` belong to.
        has_probabilities: whether it says how probable its classes are, and not only which one it
            predicts.
    """

    outputs: ClassVar[Outputs] = "classes"
    has_probabilities: ClassVar[bool] = False
    n_features_in_: int
    source_: FittedSource
    encoder_: PartOfSource[Encoder] = PartOfSource()
    image_shape_: PartOfSource[tuple[int, int]] = PartOfSource()
    positive_: PartOfSource[str] = PartOfSource()
    training_: PartOfSource[TrainingRecord] = PartOfSource()
    held_out_: PartOfSource[HeldOut] = PartOfSource()

    @property
    @abstractmethod
    def kind(self) -> str:
        """What a sentence calls this model."""

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model, from nothing of an earlier source."""

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one safetensors file, atomically; `polytome.load` reads it
        back."""
        higher("save")(self, path)

    def _saved_as(self) -> Model:
        """What is saved and reported in its place, where a search for settings made it."""
        return self

    def report(self, X: Any = None, y: Any = None, *, X_train: Any = None, y_train: Any = None) -> Page:
        """Write the report on the fitted model: what was minimised, the certificate, the data, and
        how good it is.

        Args:
            X: features of rows that the model was not fitted to, shape (n, d), or a data frame for
                a model that was trained on a table. None takes the rows that training held out;
                where there are none, the report says nothing about the quality of predictions.
            y: what is to be predicted for them, as in `fit`; None where X is a data frame that has
                the column of labels.
            X_train: features of the training rows, which `training_` then describes; None leaves it
                as it is.
            y_train: their labels.

        Returns:
            The report: `report.save("report.html")`, or the last line of a notebook's cell.

        Raises:
            ArgumentError: features come without labels, or labels without features.
            DataError: rows do not suit the model.
            MissingExtraError: Jinja2, Matplotlib or Pillow is not installed.
        """
        if (X_train is None) != (y_train is None):
            raise ArgumentError("X_train, y_train: the data need both features and labels; give both or neither")
        if X_train is not None:
            self.training_ = higher("record_training")(self, X_train, y_train)
        page: Page = higher("make_report")(self, X, y)
        return page

    def _repr_html_inner(self) -> str:
        return f"{super()._repr_html_inner()}{higher('summary')(self)}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        return {kind: text + higher("summary")(self) if kind == "text/html" else text for kind, text in bundle.items()}
