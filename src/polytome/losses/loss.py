"""What an objective asks of a loss."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Loss"]


class Loss(Protocol):
    """What an objective asks of a loss: values, derivatives, the inverse link and the convex conjugate."""

    @property
    def n_outputs(self) -> int:
        """Number of scores per row."""
        ...

    @property
    def separable(self) -> bool:
        """Whether the loss is a sum over outputs, each of which depends on its own score alone."""
        ...

    @property
    def smoothness(self) -> float:
        """A bound on the largest eigenvalue of the Hessian with respect to the scores of one row."""
        ...

    def outputs_of(self, target: Array) -> slice | Array:
        """The outputs that affect rows of these targets; the methods below take scores of these, or of all."""
        ...

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """Loss of each row, shape (n,), and its gradient with respect to the scores, shape (n, n_outputs)."""
        ...

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m`, `u` of the Hessian `diag(m) - u u'` of each row; `u` is None where it is zero (separable losses)."""
        ...

    def mean(self, scores: Array) -> Array:
        """The predicted mean (the probabilities), shape (n, n_outputs)."""
        ...

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """The gradient once more, as arrays of its shape that add up to it: only the mean in them is rounded."""
        ...

    def conjugate(self, dual: Array, target: Array) -> Array:
        """Convex conjugate of each row's loss at `dual`, shape (n,); `inf` outside its domain."""
        ...

    def null_scores(self, target: Array, weight: Array) -> Array:
        """The scores of the null model, the best intercept alone, shape (n_outputs,)."""
        ...

    def room(self, target: Array, weight: Array) -> Array:
        """How far one prediction for all rows can move the mean residual of each output to either side, (n_outputs,):
        used to make a dual point feasible that is not quite so."""
        ...

    def margin(self, scores: Array, target: Array) -> Array:
        """The margin of each row, how far it is on its right side: for each output of a separable loss, shape (n,
        n_outputs), else for all outputs together, shape (n, 1); `-inf` where no side is right (soft labels)."""
        ...

    def canonical(self, coefficients: Array) -> Array:
        """The representative of least norm among coefficients that give the same predictions."""
        ...
