"""Offsets: numbers that each row adds to its scores before the loss sees them.

A row's offset is known beforehand, as its label is, so it travels with the label: the target of
`WithOffset(loss)` has both, as `with_offset` puts them together, and wherever rows are cut, drawn,
copied or sent, the offset goes with them. Nothing else changes. As a function of scores without the
offset, `loss(z + o, y)` is as convex, as smooth and as self-concordant as `loss(z, y)`, and its
conjugate is `loss*(R) - <o, R>`.

Reference: McCullagh and Nelder, Generalized Linear Models, 1989, section 6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses.loss import Loss

Array = NDArray[Any]

__all__ = ["WithOffset", "labels_of", "offset_of", "with_offset"]

_MAX_STEPS = 200
_MAX_HALVINGS = 60
_NULL_SLOPE = 1e-8  # mean residuals: what it may leave
_NULL_DECREMENT = 1e-15  # of the loss: what Newton's method for the null model leaves undone


def with_offset(target: Array, offset: Array) -> Array:
    """A target of `WithOffset`: labels and offsets of the same rows, one record for each row.

    Args:
        target: of the loss that sees the sums, an entry or a row for each row.
        offset: shape (n, n_outputs), float64.

    Example:
        >>> target = with_offset(np.array([0, 1]), np.array([[0.5], [-1.0]]))
        >>> labels_of(target), offset_of(target[1:])
        (array([0, 1]), array([[-1.]]))
    """
    fields: Any = [("label", target.dtype, target.shape[1:]), ("offset", np.float64, offset.shape[1:])]
    records = np.empty(len(target), np.dtype(fields, align=True))
    records["label"], records["offset"] = target, offset
    return records


def labels_of(target: Array) -> Array:
    """The labels of a target, which has perhaps no offset."""
    return target if target.dtype.names is None else target["label"]


def offset_of(target: Array) -> Array | None:
    """The offsets of a target, (n, n_outputs); None where it has none."""
    return None if target.dtype.names is None else target["offset"]


@dataclass(frozen=True)
class WithOffset:
    """The loss of scores to which each row adds its offset: `loss(z + o, y)`.

    Args:
        loss: of the sums. All of its outputs count for every row.

    Example:
        >>> from polytome.losses import Logistic
        >>> target = with_offset(np.array([1]), np.array([[2.0]]))
        >>> value, _ = WithOffset(Logistic()).value_and_gradient(np.array([[-2.0]]), target)
        >>> bool(value[0] == np.log(2))
        True
    """

    loss: Loss

    @property
    def n_outputs(self) -> int:
        """As without an offset."""
        return self.loss.n_outputs

    @property
    def separable(self) -> bool:
        """As without an offset."""
        return self.loss.separable

    @property
    def smoothness(self) -> float:
        """As without an offset."""
        return self.loss.smoothness

    @property
    def has_certificate(self) -> bool:
        """As without an offset."""
        return self.loss.has_certificate

    @property
    def is_cross_entropy(self) -> bool:
        """As without an offset: `mean` then takes the sums."""
        return self.loss.is_cross_entropy

    @property
    def self_concordance(self) -> float | None:
        """As without an offset."""
        return self.loss.self_concordance

    @property
    def largest_residual(self) -> float:
        """As without an offset."""
        return self.loss.largest_residual

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """Those of the sums."""
        return self.loss.value_and_gradient(scores + target["offset"], target["label"])

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """That of the sums."""
        return self.loss.curvature(scores + target["offset"], target["label"])

    def mean(self, scores: Array) -> Array:
        """The predictions of sums: of scores with their offset in them."""
        return self.loss.mean(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """Those of the sums."""
        return self.loss.exact_residuals(scores + target["offset"], target["label"])

    def conjugate(self, dual: Array, target: Array) -> Array:
        """`loss*(R) - <o, R>`."""
        inner = (target["offset"] * dual).sum(axis=1)
        return np.asarray(self.loss.conjugate(dual, target["label"]) - inner)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """The best intercepts beside the offsets, by Newton's method: there is no closed form.

        From the intercepts that are best if each row has the mean offset. Steps are no longer than
        the offsets are large, and halved until they descend; where all rows are certain and there
        is no curvature, the slopes of separate outputs are bisected.
        """
        label, offset = target["label"], target["offset"]
        total = weight.sum()
        start = self.loss.null_scores(label, weight)
        if not np.isfinite(start).all():  # an output that never occurs
            return start
        scores = start - weight @ offset / total

        def evaluate(scores: Array) -> tuple[float, Array]:
            value, residual = self.loss.value_and_gradient(offset + scores, label)
            return float(weight @ value) / total, weight @ residual / total

        reach = 1.0 + float(np.abs(offset).max()) + float(np.abs(scores).max())
        (value, slope), is_best = evaluate(scores), False
        for _ in range(_MAX_STEPS):
            step = -self._inverse_hessian(offset + scores, label, weight / total) @ slope
            step *= min(1.0, reach / max(float(np.abs(step).max()), 1e-300))
            decrement = -float(slope @ step)
            if is_best := not decrement > _NULL_DECREMENT * value:
                break
            for _ in range(_MAX_HALVINGS):
                found, found_slope = evaluate(scores + step)
                # Where values differ by rounding alone, the slope decides.
                if found < value or (found == value and found_slope @ found_slope < slope @ slope):
                    break
                step = step / 2
            else:
                break
            scores, value, slope = scores + step, found, found_slope
        if self.separable and not is_best and np.abs(slope).max() > _NULL_SLOPE:
            low, high = scores - 4 * reach, scores + 4 * reach
            for _ in range(_MAX_STEPS):
                scores = (low + high) / 2
                is_high = evaluate(scores)[1] > 0
                low, high = np.where(is_high, low, scores), np.where(is_high, scores, high)
        return np.asarray(self.loss.canonical(scores[np.newaxis])[0])

    def _inverse_hessian(self, sums: Array, label: Array, share: Array) -> Array:
        """Of the mean loss with respect to the intercepts; where the curvature is gone, a long step
        takes its place, to be halved."""
        m, u = self.loss.curvature(sums, label)
        hessian = np.diag(share @ m)
        if u is not None:
            hessian -= (u * share[:, None]).T @ u
            hessian += hessian.diagonal().mean() / len(hessian)  # the same change to each is none
        diagonal = np.sqrt(np.maximum(hessian.diagonal(), 1e-30))
        eigenvalues, directions = np.linalg.eigh(hessian / diagonal[:, None] / diagonal)
        directions = directions / diagonal[:, None]
        return np.asarray(directions / np.maximum(eigenvalues, 1e-14) @ directions.T)

    def room(self, target: Array, weight: Array) -> Array:
        """As without an offset: it depends on the labels alone.

        What the dual point that this promises costs is more, by no more than the offsets' sizes:
        `polytome.certificates.rounding` adds them to those of the scores."""
        return self.loss.room(target["label"], weight)

    def margin(self, scores: Array, target: Array) -> Array:
        """As without an offset: beside growing multiples of the scores it does not matter."""
        return self.loss.margin(scores, target["label"])

    def canonical(self, coefficients: Array) -> Array:
        """As without an offset."""
        return self.loss.canonical(coefficients)
