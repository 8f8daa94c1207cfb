"""What other modules see of a fitted model, and the two parts that may be absent."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.models.fitted_source import FittedSource

if TYPE_CHECKING:
    from polytome.certificates.certificate import Certificate
    from polytome.models.formula import Formula
    from polytome.solvers import Choice, Progress, Stop

Array = NDArray[Any]
Outputs = Literal["classes", "pairs", "labels", "numbers"]
"""What the scores of a model belong to: classes that exclude each other
(one score for two of them), pairs of classes, labels that do not exclude each other, or numbers to
be predicted."""

AnyModel = TypeVar("AnyModel")

__all__ = [
    "NO_CERTIFICATE",
    "Fitted",
    "Outputs",
    "certificate_of",
    "feature_names_in",
    "learns_in_parts",
    "nameless",
    "refuse_without_classes",
]

NO_CERTIFICATE = (
    "learns by partial_fit and has no certificate, as nothing is proved about rows that are gone: distance_to_batch(X, "
    "y) gives the one for any data"
)
"""What a sentence says of a model that `partial_fit` has made."""


class Fitted(Protocol):
    """A fitted classifier as readers of models use it; `certificate_of` and `feature_names_in` say
    what may be absent.

    Attributes:
        outputs: what the rows of `coef_` belong to.
        has_probabilities: whether it says how probable its classes are, and not only which one it
            predicts.
        classes_: the labels, (K,).
        coef_: coefficients, one row for each output.
        intercept_: one number for each output.
        objective_: the minimised formula with its numbers.
        certificate_: how far the objective is from its minimum.
        stop_: why the fit stopped.
        history_: one `Progress` per iteration.
        n_iter_: number of iterations, shape (1,).
        solver_: what ran, and why; a text where the model comes from a file.
        source_: what a table or an image brought.
        n_features_in_: number of features.
        scale: the setting of that name.
        class_weight: the setting of that name.
        fit_intercept: the setting of that name.
    """

    outputs: ClassVar[Outputs]
    has_probabilities: ClassVar[bool]
    classes_: Array
    coef_: Array
    intercept_: Array
    objective_: Formula
    certificate_: Certificate
    stop_: Stop
    history_: tuple[Progress, ...]
    n_iter_: Array
    solver_: Choice
    source_: FittedSource
    n_features_in_: int
    scale: Any
    class_weight: Any
    fit_intercept: bool

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings."""
        ...

    def predict(self, X: Any) -> Array:
        """The class of each row."""
        ...

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class."""
        ...

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of the probabilities."""
        ...

    def decision_function(self, X: Any) -> Array:
        """The scores."""
        ...


def certificate_of(model: Any) -> Certificate | None:
    """The certificate of a model; None where it has none: it is not fitted, or nothing is proved of
    its kind.

    Example:
        >>> from polytome import LinearRegression
        >>> certificate_of(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])) is None
        True
    """
    certificate: Certificate | None = vars(model).get("certificate_")
    return certificate


def learns_in_parts(model: Any) -> bool:
    """Whether `partial_fit` has made a model: it has a state, and no certificate.

    Example:
        >>> from polytome import LogisticRegression
        >>> learns_in_parts(LogisticRegression().partial_fit([[0.0], [1.0]], [0, 1]))
        True
    """
    return "state_" in vars(model)


def feature_names_in(model: Any) -> Array | None:
    """The names of the frame that a model was fitted to; None where it had none, as in
    scikit-learn.

    Example:
        >>> from polytome import LinearRegression
        >>> feature_names_in(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])) is None
        True
    """
    names: Array | None = vars(model).get("feature_names_in_")
    return names


def nameless(model: AnyModel) -> AnyModel:
    """The same model, but for the names of its frame: rows that are made here have no names, and
    would cause warnings.

    Example:
        >>> from polytome import LinearRegression
        >>> feature_names_in(nameless(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))) is None
        True
    """
    if feature_names_in(model) is None:
        return model
    twin = copy(model)
    del vars(twin)["feature_names_in_"]
    return twin


def refuse_without_classes(model: Any, need: str) -> None:
    """Raises ArgumentError for a model that does not put each row into one class.

    Args:
        model: of any kind.
        need: what is asked for, and why that takes classes: the start of the message.

    Example:
        >>> from polytome import LinearRegression
        >>> refuse_without_classes(LinearRegression(), "a confusion matrix counts classes")
        Traceback (most recent call last):
        polytome.errors.ArgumentError: a confusion matrix counts classes, and LinearRegression predicts numbers: ...
    """
    if model.outputs in ("labels", "numbers"):
        what = "several labels for a row" if model.outputs == "labels" else "numbers"
        raise ArgumentError(
            f"{need}, and {type(model).__name__} predicts {what}: use a classifier, or judge it with its own methods, "
            "model.score(X, y) and model.predict(X)"
        )
