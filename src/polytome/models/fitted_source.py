"""What a table or an image brought to a fit, as one value, so that no later fit inherits part of
it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

Part = TypeVar("Part")

__all__ = ["DividedBy", "FittedSource", "HeldOut", "PartOfSource", "TrainingRecord", "column_beside", "source_of"]


@dataclass(frozen=True)
class DividedBy:
    """How a column of a source decided which of its rows were held out.

    Attributes:
        kind: "group" where rows of one value stayed together, "time" where the latest were chosen.
        column: its name.
        fraction: how many of the rows were to be held out.
        seed: of the choice of groups.
    """

    kind: Literal["group", "time"]
    column: str
    fraction: float
    seed: int


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What is known of a fit besides its result. Features are counted as the model counts them,
    encoded.

    `polytome.files.training_record.record_training` makes one.

    Attributes:
        source: the name of the data set or the path of the file; None for data from Python.
        data_sha256: of features and labels, 64 hexadecimal digits; see `data_hash`.
        n_rows: training rows.
        class_counts: rows of each class, in the order of `classes_`, (K,) int64.
        notes: what the reader of the data noticed, such as rows left out for a missing cell.
        low: smallest value of each feature, (d,) float64.
        mean: of each feature, (d,) float64.
        high: largest value of each feature, (d,) float64.
        constant: positions of the features that never change, (c,) int64.
        divisor: what each feature was divided by before its coefficient was penalised, (d,)
            float64.
        duplicates: positions of each feature that equals an earlier one in every row, beside the
            first such one, (m, 2) int64 with the earlier one first; constant features are not
            repeated here.
        could_change: the most training rows whose predicted class could be another one at the exact
            minimum, as proved by `polytome.evaluation.settled`; None where nothing is proved (an
            estimate, weights of rows, or rows that stay in their files).
        centre_bounds: how far the difference of each two scores may be from that at the minimum
            where every feature has its mean, (K, K) float64; (0, 0) where nothing is proved.
        command: the command line; None for a fit from Python.
        test_fraction: the share of each class that was held out of the source; None where none was
            chosen.
        seed: of that choice; None where none was made.
        n_test_rows: rows held out, or brought by the source as test rows.
        versions: of the libraries and of Python, by name.
        seconds: that `fit` took, from its call to its end; NaN where it was not measured, and in
            what was pickled.
        deviation: standard deviation of each feature, each row counting once, (d,) float64; None in
            files of earlier versions.
        divided_by: the column by which rows were held out; None where none decided it, and in files
            of earlier versions.
    """

    source: str | None
    data_sha256: str
    n_rows: int
    class_counts: NDArray[np.int64]
    notes: tuple[str, ...]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    constant: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    divisor: NDArray[np.float64]
    could_change: int | None
    centre_bounds: NDArray[np.float64]
    command: str | None
    test_fraction: float | None
    seed: int | None
    n_test_rows: int
    versions: dict[str, str]
    seconds: float
    deviation: NDArray[np.float64] | None = None
    divided_by: DividedBy | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the time, which differs from run to run: equal fits have equal pickles, and equal
        `joblib.hash`."""
        return vars(self) | {"seconds": np.nan}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows of a source that a model was not trained on, to judge it by.

    Attributes:
        X: features, (n, d); or a `StreamedTable` of rows that stay in their files.
        y: labels, (n,); None for a `StreamedTable`, which has them.
        name: what a report calls these rows.
        row_names: the number of each row in its source, from 1; None counts them here.
        weight: of each row, (n,); None for equal ones.
    """

    X: Any
    y: Any
    name: str
    row_names: NDArray[Any] | None = None
    weight: NDArray[Any] | None = None


@dataclass(frozen=True)
class FittedSource:
    """What a model remembers of the source that it was fitted to; nothing of rows that came from
    Python.

    Attributes:
        encoder: how the columns of its table became features.
        image_shape: height and width of its images.
        positive: the label that the model distinguishes from all others.
        training: what the data were.
        held_out: rows that were not trained on. Neither files nor pickles of the model have them.

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
    held_out: HeldOut | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without rows: a model that is sent on does not take data with it."""
        return vars(self) | {"held_out": None}


class PartOfSource(Generic[Part]):
    """A part of a model's `source_` under a name of its own, with `_` at its end; absent where the
    source has none.

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
        part = getattr(source_of(model), self._part)
        if part is None:
            raise AttributeError(f"this {owner.__name__} has no {self._name}: its source brought none", name=self._name)
        return part

    def __set__(self, model: object, value: Part | None) -> None:
        changed: dict[str, Any] = {self._part: value}
        vars(model)["source_"] = replace(source_of(model), **changed)


def source_of(model: object) -> FittedSource:
    """What a model's source brought: empty before a fit, and for an estimator of another library.

    Example:
        >>> source_of(object())
        FittedSource(encoder=None, image_shape=None, positive=None, training=None)
    """
    source: FittedSource = getattr(model, "__dict__", {}).get("source_", FittedSource())
    return source


def column_beside(model: object) -> str | None:
    """The column by which rows of a model's source were held out; None where none decided it."""
    record = source_of(model).training
    return None if record is None or record.divided_by is None else record.divided_by.column
