"""Three classical neurons with one output: the perceptron, Adaline, and a sigmoid trained on its
squared error.

All share one model, `z = x w + b`, and one loop, `polytome.solvers.train`. They differ in the loss
that the loop descends on and in the score above which they predict 1. Labels are 0 and 1, and all
coefficients start at zero.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array

from polytome.errors import ArgumentError, DataError
from polytome.losses import Loss, Squared
from polytome.losses.neurons import PerceptronLoss, SquaredSigmoid
from polytome.models.cells import readable_features
from polytome.models.features import checked_features, refuse_nonfinite
from polytome.models.fitted_source import FittedSource
from polytome.models.labels import is_soft, label_column
from polytome.models.model import Model
from polytome.models.predictions import scores_of
from polytome.models.settings import check_common_settings, check_whole_number, real_number
from polytome.numerics import log_sigmoid, sigmoid
from polytome.objective import Objective, all_scores
from polytome.passes import Columns, RowSquares
from polytome.penalties import NoPenalty
from polytome.rows import as_rows, on_host, sound_sparse
from polytome.solvers import GradientDescent, Solver, StochasticGradientDescent, Stop
from polytome.solvers.choose import seed_from
from polytome.solvers.driver import Epoch, train

Array = NDArray[Any]

__all__ = ["Adaline", "Perceptron", "SigmoidNeuron", "perceptron_bound"]


class Neuron(ClassifierMixin, Model):  # type: ignore[misc]  # scikit-learn is untyped
    """What the neurons share: everything but the loss, the steps, and the score above which they
    predict 1."""

    _loss: Loss
    _kind: str
    _threshold = 0.0

    epochs: int
    callback: Callable[[Epoch], object] | None

    classes_: Array
    coef_: Array
    intercept_: Array
    losses_: Array
    history_: tuple[Epoch, ...]
    n_iter_: int
    stop_: Stop
    _n_outputs = 1

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return self._kind

    @abstractmethod
    def _solver(self) -> Solver:
        """How the coefficients change."""

    def fit(self, X: Any, y: Any) -> Self:
        """Train for `epochs` epochs, or until one changes nothing.

        Args:
            X: shape (n, d). NumPy of any real type and order, memory maps, SciPy sparse, pandas or
                polars.
            y: 0 or 1 for each row.

        Returns:
            The trained neuron. Where its loss grew instead of falling, a `ConvergenceWarning` names
            the remedy.

        Raises:
            DataError: X or y cannot be used; the message names the place.
            ArgumentError: a setting cannot be used.
        """
        check_common_settings(self)
        check_whole_number("epochs", self.epochs, 1)
        solver = self._solver()
        X = on_host(checked_features(self, X, y))
        refuse_nonfinite(X, self)
        self.classes_, target = _zeros_and_ones(y, type(self).__name__)
        # Steps of a few rows would search a whole CSC matrix for each of them.
        rows = as_rows(X if isinstance(X, np.ndarray) else sound_sparse(X).tocsr(), target)
        objective = Objective(self._loss, NoPenalty(), rows)
        training = train(objective, solver, np.zeros(objective.shape), epochs=self.epochs, callback=self.callback)
        self.coef_ = np.ascontiguousarray(training.coefficients[:-1].T)
        self.intercept_ = training.coefficients[-1].copy()
        self.history_, self.stop_ = training.history, training.stop
        self.source_ = FittedSource()
        self.losses_ = np.array([epoch.running for epoch in training.history])
        self.n_iter_ = len(training.history)
        if not self.stop_.succeeded and self.stop_ is not Stop.INTERRUPTED:
            warnings.warn(f"{type(self).__name__}: {self.stop_.value}", ConvergenceWarning, stacklevel=2)
        return self

    def decision_function(self, X: Any) -> Array:
        """`X @ coef_.T + intercept_` less the score that separates the classes: positive where 1 is
        predicted."""
        distance: Array = scores_of(self, X)[:, 0] - self._threshold
        return distance

    def predict(self, X: Any) -> Array:
        """0 or 1 for each row, in the type of the labels of training, shape (n,)."""
        codes = (self.decision_function(X) > 0).astype(int)
        predicted: Array = self.classes_[codes]
        return predicted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = False
        return tags


class Perceptron(Neuron):
    """Rosenblatt's perceptron: a row on the wrong side is added to the coefficients (label 1) or
    subtracted (label 0).

    A row counts as 1 where `z = x w + b > 0`; at `z = 0` it counts as 0. The steps are those of
    descent on `PerceptronLoss`, one row at a time, with rate 1: another rate would only change the
    unit of `w` and `b`. Where a hyperplane separates the classes, an epoch without mistakes comes
    after at most `perceptron_bound` mistakes in all, and ends the training. Where none does, the
    coefficients never settle.

    Args:
        epochs: most passes over the rows.
        shuffle: whether each epoch visits the rows in a new random order.
        random_state: seed or RandomState of that order; None for 0, so that a fit repeats itself.
        callback: called with an `Epoch` after each epoch; a true return value ends the training.

    Attributes:
        coef_, intercept_: shapes (1, d) and (1,), float64.
        classes_: the two labels, shape (2,).
        losses_: mean perceptron loss of the rows before their own step, one per epoch.
        history_: one `Epoch` per epoch.
        n_iter_: number of epochs.
        stop_: why the training ended: `UNCHANGED` where the last epoch made no mistake.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> model = Perceptron(shuffle=False).fit(X, [0, 0, 0, 1])
        >>> model.predict(X), model.coef_, model.intercept_
        (array([0, 0, 0, 1]), array([[2., 1.]]), array([-2.]))
        >>> model.mistakes_, model.stop_.name
        (array([1, 3, 3, 2, 1, 0]), 'UNCHANGED')

    Reference: Rosenblatt, The perceptron, Psychological Review 65, 1958.
    """

    _loss = PerceptronLoss()
    _kind = "perceptron"

    def __init__(
        self,
        *,
        epochs: int = 100,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Epoch], object] | None = None,
    ) -> None:
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state
        self.callback = callback

    @property
    def mistakes_(self) -> Array:
        """Rows that were on the wrong side before their own step, one count per epoch."""
        # Every mistake moves the intercept, so each is a step that changed the coefficients.
        return np.array([epoch.updates for epoch in self.history_])

    def _solver(self) -> Solver:
        return StochasticGradientDescent(1.0, batch_size=1, seed=seed_from(self.random_state), shuffle=self.shuffle)


class _Descending(Neuron):
    """A neuron that descends on a smooth loss at a chosen rate, some rows at a time."""

    def __init__(
        self,
        *,
        learning_rate: float | None = 0.01,
        epochs: int = 20,
        batch_size: int | None = 1,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Epoch], object] | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.random_state = random_state
        self.callback = callback

    def _solver(self) -> Solver:
        if self.learning_rate is not None and not 0 < real_number(self.learning_rate) < np.inf:
            raise ArgumentError(f"learning_rate={self.learning_rate!r}: needs None or a positive finite number")
        if self.batch_size is None:
            return GradientDescent(self.learning_rate)
        return StochasticGradientDescent(
            self.learning_rate, batch_size=self.batch_size, seed=seed_from(self.random_state), shuffle=self.shuffle
        )


class Adaline(_Descending):
    """Adaptive linear neuron: linear regression of the labels 0 and 1, which predicts 1 where
    `z = x w + b > 1/2`.

    Descends on half the mean squared error, `sum_i (z_i - y_i)^2 / (2 n)`; a step for one row is
    `w -= rate (z - y) x` (Widrow and Hoff's rule). For a small rate and many epochs the
    coefficients approach those of `polytome.models.linear.LinearRegression`. A rate is small if it
    is well below 2 over the squared norm of a row, so scale columns of large numbers first.

    Args:
        learning_rate: how far a step goes along the mean gradient of its rows; None for a rate at
            which no step of these rows goes too far.
        epochs: passes over the rows.
        batch_size: rows per step; None for all at once.
        shuffle: whether each epoch visits the rows in a new random order.
        random_state: seed or RandomState of that order; None for 0, so that a fit repeats itself.
        callback: called with an `Epoch` after each epoch; a true return value ends the training.

    Attributes:
        coef_, intercept_: `w`, shape (1, d), and `b`, shape (1,), float64.
        classes_: the two labels, shape (2,).
        losses_: half the mean squared error, each row's from before its own step; one per epoch.
        history_: one `Epoch` per epoch.
        n_iter_: number of epochs.
        stop_: why the training ended.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> model = Adaline(learning_rate=0.1, epochs=100).fit([[-1.0], [-0.5], [0.5], [1.0]], [0, 0, 1, 1])
        >>> model.predict([[-0.1], [0.1]])
        array([0, 1])

    Reference: Widrow and Hoff, Adaptive switching circuits, IRE WESCON convention record 4, 1960.
    """

    _loss = Squared()
    _kind = "adaptive linear neuron"
    _threshold = 0.5


class SigmoidNeuron(_Descending):
    """A sigmoid neuron trained on its mean squared error `sum_i (a_i - y_i)^2 / n`,
    `a = sigmoid(x w + b)`.

    It predicts 1 where `a > 1/2`, that is where `x w + b > 0`. The loss is not convex (see
    `SquaredSigmoid`): where it ends depends on where it starts, and a row that is wrong with
    certainty has almost no gradient. `LogisticRegression` has the same predictions to choose from
    and neither flaw.

    Args:
        learning_rate: how far a step goes along the mean gradient of its rows; None for a rate at
            which no step of these rows goes too far.
        epochs: passes over the rows.
        batch_size: rows per step; None for all at once.
        shuffle: whether each epoch visits the rows in a new random order.
        random_state: seed or RandomState of that order; None for 0, so that a fit repeats itself.
        callback: called with an `Epoch` after each epoch; a true return value ends the training.

    Attributes:
        coef_, intercept_: shapes (1, d) and (1,), float64.
        classes_: the two labels, shape (2,).
        losses_: mean squared error, each row's from before its own step; one per epoch.
        history_: one `Epoch` per epoch.
        n_iter_: number of epochs.
        stop_: why the training ended.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> model = SigmoidNeuron(learning_rate=1.0).fit([[-1.0], [-0.5], [0.5], [1.0]], [0, 0, 1, 1])
        >>> model.predict([[-0.1], [0.1]])
        array([0, 1])

    Reference: Brier, Verification of forecasts expressed in terms of probability, Monthly Weather
    Review 78, 1950.
    """

    has_probabilities = True
    _loss = SquaredSigmoid()
    _kind = "sigmoid neuron"

    def predict_proba(self, X: Any) -> Array:
        """Probability of 0 and of 1, shape (n, 2)."""
        scores = self.decision_function(X)[:, None]
        return sigmoid(np.hstack([-scores, scores]))

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of the probabilities, finite even where a probability is below the smallest
        float."""
        scores = self.decision_function(X)[:, None]
        return log_sigmoid(np.hstack([-scores, scores]))


def perceptron_bound(X: Any, y: Any, coef: Any, intercept: Any) -> float:
    """Most mistakes a perceptron can make on rows that a hyperplane separates: `(R / gamma)^2`,
    whatever their order.

    `R` is the largest norm of a row with a 1 appended (the bias is a coefficient of that 1), and
    `gamma` the smallest distance of such a row from the hyperplane. Every separating hyperplane
    gives a bound; the one of largest `gamma` gives the best.

    Args:
        X: the rows, shape (n, d), dense or sparse.
        y: 0 or 1 for each row.
        coef: normal of the hyperplane, shape (d,) or (1, d).
        intercept: its offset: one number.

    Returns:
        The bound on the sum of `mistakes_` over any number of epochs.

    Raises:
        ArgumentError: the hyperplane does not separate the rows.

    Example:
        >>> X, y = [[-1.0], [1.0]], [0, 1]
        >>> perceptron_bound(X, y, coef=[1.0], intercept=0.0)
        2.0
        >>> int(Perceptron().fit(X, y).mistakes_.sum())
        1

    Reference: Novikoff, On convergence proofs on perceptrons, Symposium on the Mathematical Theory
    of Automata, 1962.
    """
    _, target = _zeros_and_ones(y, "perceptron_bound")
    rows = as_rows(check_array(readable_features(X), accept_sparse="csr", dtype="numeric"), target)
    plane = np.append(np.ravel(coef), np.ravel(intercept)).astype(np.float64)[:, None]
    (squares,) = rows.reduce(RowSquares(Columns.identity(rows.n_features)))
    squared_norms, scores = squares + 1.0, np.where(rows.target == 1, 1.0, -1.0) * all_scores(rows, plane)[:, 0]
    if not scores.min() > 0:
        row = int(scores.argmin())
        raise ArgumentError(
            f"coef and intercept do not separate the classes: row {row} is not on its side of the plane"
        )
    return float(squared_norms.max() * np.vdot(plane, plane) / scores.min() ** 2)


def _zeros_and_ones(y: Any, name: str) -> tuple[Array, Array]:
    """The two classes as they were given, and 0.0 or 1.0 for each row."""
    if is_soft(y):
        raise DataError(f"y has shape {np.shape(y)}: {name} needs one label, 0 or 1, for each row")
    y = label_column(y)
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise DataError(f"the labels in y cannot be sorted ({error}): {name} needs the labels 0 and 1") from error
    labels = classes.tolist()
    wrong = [code for code, label in enumerate(labels) if label not in (0, 1)]
    if wrong:
        row = int(np.isin(codes, wrong).argmax())
        found = f"y[{row}] = {labels[codes[row]]!r}"
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            raise DataError(f"{found}: {name} needs 0 and 1; cut a continuous y in two, as in (y > 0.5).astype(int)")
        if len(labels) > 2:
            raise DataError(
                f"{found} is one of {len(labels)} classes. Only binary classification is supported by {name}, with "
                f"labels 0 and 1: wrap it, sklearn.multiclass.OneVsRestClassifier({name}())"
            )
        raise DataError(f"{found}: {name} needs the labels 0 and 1, for example (y == {labels[-1]!r}).astype(int)")
    if len(labels) < 2:
        raise DataError(f"y has only one class, {labels[0]!r}: {name} needs rows of both classes, 0 and 1")
    return classes, codes.astype(np.float64)
