"""What an objective asks of a loss."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Loss"]


class Loss(Protocol):
    """What an objective asks of a loss: values, derivatives, the inverse link and the convex
    conjugate.

    No loss is negative. With scores of any size, 800 and more, all answers are finite (but for the
    conjugate outside its domain) and right to some units in the last place, without cancellation.

    Certificates take the attributes at their word. A fit with a penalty that weighs every column
    gets a proof from `smoothness`, the conjugate and `room`. One without a penalty gets it from
    `self_concordance` and `largest_residual` too, and where one of them is not known, an estimate.
    What moves predictions beyond rounding, for columns without a penalty and in careful
    certificates, knows cross-entropies only (`is_cross_entropy`).
    """

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
        """A bound on the largest eigenvalue of the Hessian with respect to the scores of one row;
        `inf` if there is none, and then there is no certificate."""
        ...

    @property
    def has_certificate(self) -> bool:
        """Whether the loss is convex, as certificates need it; `minimize` and `certify` refuse one
        that is not."""
        ...

    @property
    def is_cross_entropy(self) -> bool:
        """Whether it is the cross-entropy of the probabilities `mean`, under the logistic or the
        softmax link.

        The gradient is then `mean - target`; with more than one output and a rank-one part,
        `m = u = mean`.
        """
        ...

    @property
    def self_concordance(self) -> float | None:
        """The least M, if one is known, so that `|phi'''| <= M r phi''` along every line, phi being
        the loss of a row and r the range of what its scores change by per unit; of one output, the
        size of that change. None: unknown.

        So the second derivative changes by at most `exp(M)` where a score changes by one: 1 for the
        logistic loss and softmax, 0 for the squared loss; there is none for a squared hinge, whose
        second derivative jumps.
        """
        ...

    @property
    def largest_residual(self) -> float:
        """No entry of a gradient with respect to scores is larger in absolute value; `inf` where
        there is no bound."""
        ...

    def outputs_of(self, target: Array) -> slice | Array:
        """The outputs that affect rows of these targets; the methods below take scores of these, or
        of all."""
        ...

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """Loss of each row, shape (n,), and its gradient with respect to the scores, shape
        (n, n_outputs)."""
        ...

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m`, `u` of the Hessian `diag(m) - u u'` of each row; `u` is None where it is zero
        (separable losses).

        Solvers take `m = u` for granted where there is a `u`: probabilities, which sum to one."""
        ...

    def mean(self, scores: Array) -> Array:
        """The predicted mean (the probabilities), shape (n, n_outputs)."""
        ...

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """The gradient once more, as arrays of its shape that add up to it: only the mean in them
        is rounded."""
        ...

    def conjugate(self, dual: Array, target: Array) -> Array:
        """Convex conjugate of each row's loss at `dual`, shape (n,); `inf` outside its domain."""
        ...

    def null_scores(self, target: Array, weight: Array) -> Array:
        """The scores of the null model, the best intercept alone, shape (n_outputs,)."""
        ...

    def room(self, target: Array, weight: Array) -> Array:
        """How far the mean residual of each output can be moved to either side, (n_outputs,): what
        makes a dual point feasible that is not quite so. Zeros are always right, and leave fits
        with an intercept without a proof.

        For every c with `|c_k| <= room_k` (and, where residuals of a row sum to zero,
        `sum_k c_k = 0`) there have to be residuals R of all rows with the weighted mean c, no entry
        beyond 1, and a weighted mean conjugate of at most 0: of a cross-entropy those of one
        prediction for all rows. Or else, as for the squared loss, adding c to the residuals of any
        predictions must cost no more than `max_k (c_k / room_k)^2 / 2` in conjugates."""
        ...

    def margin(self, scores: Array, target: Array) -> Array:
        """The margin of each row, how far it is on its right side: for each output of a separable
        loss, shape (n, n_outputs), else for all outputs together, shape (n, 1); `-inf` where no
        side is right (soft labels).

        Where it is positive for all rows, the loss falls to 0 along growing multiples of the
        scores."""
        ...

    def canonical(self, coefficients: Array) -> Array:
        """The representative of least norm among coefficients that give the same predictions."""
        ...
