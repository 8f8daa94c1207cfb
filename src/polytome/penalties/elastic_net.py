"""The elastic net: absolute values and squares of the coefficients; the lasso where there are no
squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["ElasticNet"]

_UNIT = 2.0**-53
_SMALLEST = 2.0**-1022  # below, a product is rounded, perhaps to 0
_ROUNDED_UP = 1 + 2.0**-50  # more than a division and a root can have lost


@dataclass(frozen=True, eq=False)
class ElasticNet:
    """`strength * sum_j weights_j (l1_ratio ||W_j||_1 + (1 - l1_ratio) / 2 ||W_j||^2)`, on the
    mean-loss scale: `C = 1 / (strength * sum of weights of rows)`, as scikit-learn means both.

    Args:
        strength: positive and finite.
        l1_ratio: above 0 and at most 1, which is the lasso; for 0 there are `L2` and `WeightedL2`.
        weights: None for 1, or one for each column, finite, zero or more, not all of them zero;
            kept as (n_features, 1).

    Raises:
        ArgumentError: one of them cannot be used.

    Example:
        >>> penalty = ElasticNet(0.5, 0.5)
        >>> penalty.value(np.array([[2.0], [-1.0]])), penalty.prox(np.array([[2.0], [0.1]]), 1.0).ravel()
        (1.375, array([1.75, 0.  ]))
        >>> ElasticNet(0.5, 1.0).conjugate(np.array([[0.4], [-0.6]]))
        inf

    References: Tibshirani, Regression shrinkage and selection via the lasso, Journal of the Royal
    Statistical Society B 58, 1996; Zou and Hastie, Regularization and variable selection via the
    elastic net, the same journal, B 67, 2005.
    """

    strength: float
    l1_ratio: float
    weights: float | Array
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = True
    is_rotation_invariant: ClassVar[bool] = False

    def __init__(self, strength: float, l1_ratio: float, weights: ArrayLike | None = None) -> None:
        if not (np.isfinite(strength) and strength > 0):
            raise ArgumentError(
                f"ElasticNet(strength={strength}): needs a positive finite number; for no penalty use NoPenalty()"
            )
        if not 0 < l1_ratio <= 1:
            raise ArgumentError(
                f"ElasticNet(l1_ratio={l1_ratio}): needs a number above 0, and at most 1; for 0 use L2 or WeightedL2"
            )
        if strength * l1_ratio < _SMALLEST:
            raise ArgumentError(
                f"ElasticNet(strength={strength}, l1_ratio={l1_ratio}): multiplies absolute values by less than "
                f"{_SMALLEST:.3g}, which floats cannot hold; needs a larger l1_ratio, or for squares alone L2 or "
                "WeightedL2"
            )
        column: float | Array = 1.0
        if weights is not None:
            column = np.asarray(weights, dtype=np.float64).reshape(-1, 1)
            if not (np.isfinite(column).all() and (column >= 0).all() and column.any()):
                raise ArgumentError(
                    "ElasticNet(weights=...): needs finite numbers, zero or more, not all of them zero; for no penalty "
                    "use NoPenalty()"
                )
        object.__setattr__(self, "strength", float(strength))
        object.__setattr__(self, "l1_ratio", float(l1_ratio))
        object.__setattr__(self, "weights", column)

    @property
    def text(self) -> str:
        """The formula, without the part of a ratio of 1."""
        sums = ("||W||^2", "||W||_1") if isinstance(self.weights, float) else ("||W_j||^2", "||W_j||_1")
        inside = f"{self.l1_ratio:.6g} {sums[1]} + {1 - self.l1_ratio:.6g}/2 {sums[0]}"
        if self.l1_ratio == 1:
            inside = sums[1]
        if not isinstance(self.weights, float):
            return f"{self.strength:.6g} sum_j w_j {inside if self.l1_ratio == 1 else f'({inside})'}"
        return f"{self.strength:.6g} {inside if self.l1_ratio == 1 else f'({inside})'}"

    @property
    def quadratic(self) -> float | Array:
        """`strength * (1 - l1_ratio) * weights`."""
        return self.modulus * self.weights

    @property
    def modulus(self) -> float:
        """`strength * (1 - l1_ratio)`."""
        return self.strength * (1 - self.l1_ratio)

    @property
    def corner(self) -> float | Array:
        """`strength * l1_ratio * weights`: what each absolute value is multiplied by."""
        return self.strength * self.l1_ratio * self.weights

    def value(self, coefficients: Array) -> float:
        """The penalty; never negative."""
        weighted = self.weights * np.abs(coefficients)
        squares = 0.5 * self.modulus * float(np.vdot(weighted, np.abs(coefficients))) if self.modulus else 0.0
        return self.strength * self.l1_ratio * float(weighted.sum()) + squares

    def prox(self, coefficients: Array, step: float) -> Array:
        """`sign(W) max(|W| - step * strength * l1_ratio * weights, 0)`."""
        found: Array = np.sign(coefficients) * np.maximum(np.abs(coefficients) - step * self.corner, 0.0)
        return found

    def conjugate(self, dual: Array) -> float:
        """`sum_jk max(|dual_jk| - corner_j, 0)^2 / (2 quadratic_j)`; infinite where something is
        left and there is no square."""
        beyond = np.maximum(np.abs(dual) - self.corner, 0.0)
        quadratic = np.broadcast_to(self.quadratic, beyond.shape)
        if (beyond[quadratic == 0] > 0).any():
            return np.inf
        return float((beyond * beyond / np.where(quadratic > 0, quadratic, 1.0)).sum()) / 2

    def feasible_multiple(self, dual: Array) -> float:
        """1, unless there is an entry without a square: then the largest that leaves nothing of it
        beyond its corner."""
        size = np.abs(dual)
        quadratic, corner = (np.broadcast_to(each, size.shape) for each in (self.quadratic, self.corner))
        beyond = (quadratic == 0) & (size > corner)
        return float((corner[beyond] / size[beyond]).min(initial=1.0)) * (1 - 2.0**-50 * bool(beyond.any()))

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """That of minus the gradient from `quadratic W + corner sign(W)`, whose sign is any number
        from -1 to 1 at 0, for each coefficient."""
        smooth = gradient + self.quadratic * coefficients
        at_corner = np.maximum(np.abs(smooth) - self.corner, 0.0)
        return np.where(coefficients == 0, at_corner, np.abs(smooth + self.corner * np.sign(coefficients)))

    def dual_norm(self, gradient: Array) -> float:
        """The Frobenius norm of `gradient / sqrt(weights)`, without the columns of weight 0;
        rounded up."""
        if isinstance(self.weights, float):
            return float(np.linalg.norm(gradient))
        penalised = self.weights[:, 0] > 0
        return float(np.linalg.norm(gradient[penalised] / np.sqrt(self.weights[penalised]))) * _ROUNDED_UP

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """A bound without cancellation, the smaller of two.

        With c the gradient clipped to the corners, and w the coefficients that it asks for,
        `w = -sign(G) max(|G| - corner, 0) / quadratic`, the part of a coefficient is a sum of terms
        that are not negative, `(corner |W| + c W) + quadratic / 2 (W - w)^2`, and convex in G.

        Coefficients of at most the largest penalty have `sum_jk weights_j |W_jk| <= largest /
        (strength * l1_ratio)`; so what the gradient exceeds the corners by, at most, times that is
        all that they can gain from it.
        """
        penalised = slice(None) if isinstance(self.weights, float) else self.weights[:, 0] > 0
        W, G = coefficients[penalised], gradient[penalised]
        weights = np.broadcast_to(self.weights, coefficients.shape)[penalised]
        corner, quadratic = self.strength * self.l1_ratio * weights, self.modulus * weights
        size, excess = np.abs(W), np.abs(G)
        error = np.broadcast_to(error, coefficients.shape)[penalised] + 8 * _UNIT * excess
        rounding = 1 + (2 * W.size + 80) * _UNIT
        by_squares = np.inf
        if self.modulus > 0:
            parts = [_part(W, G + side * error, corner, quadratic) for side in (-1, 1)]
            by_squares = float(np.maximum(*parts).sum())
        excess += error - corner
        excess /= weights
        beyond = max(float(excess.max(initial=0.0)), 0.0)
        gains = size * (corner + np.sign(W) * G) + error * size + 0.5 * quadratic * size * size
        scale = float((size * (corner + np.abs(G))).sum()) + float((quadratic * size * size).sum())
        by_size = float(gains.sum()) + beyond * largest / (self.strength * self.l1_ratio) * rounding
        by_size = max(by_size, 0.0) + (rounding - 1) * scale
        return min(by_squares, by_size) * rounding

    def proved_zeros(self, gradient: Array, error: Array, radius: Array) -> Array:
        """Which coefficients are 0 at every minimum, if the loss's gradient there is near; boolean.

        Args:
            gradient: of the loss, near that of a dual point, (n_features, n_outputs).
            error: how far the dual point's may be from it, entry by entry.
            radius: how far in all outputs together a column's gradient at the minimum may be from
                the dual point's, in the Euclidean norm, (n_features,).
        """
        farthest = (np.abs(gradient) + error + radius[:, None]) * (1 + 24 * _UNIT)
        corner = np.broadcast_to(self.corner, farthest.shape)
        found: Array = (corner > 0) & (farthest < corner)
        return found

    def centre(self, coefficients: Array) -> Array:
        """The median, or what is between it and the mean; the mean where a column has no weight.

        Where more than one number is best, the one next to 0: coefficients that are as good as any
        stay as they are.

        Reference: Li and Osher, Coordinate descent optimization for l1 minimization, Inverse
        Problems and Imaging 3, 2009 (the median of numbers and kinks).
        """
        n = coefficients.shape[1]
        ordered, mean = np.sort(coefficients, axis=1), coefficients.mean(axis=1, keepdims=True)
        if self.modulus > 0:
            kinks = self.l1_ratio / (1 - self.l1_ratio) * (n - 2 * np.arange(n + 1)) / n
            found = np.median(np.hstack([ordered, mean + kinks]), axis=1)[:, None]
        else:
            found = np.clip(0.0, ordered[:, (n - 1) // 2, None], ordered[:, n // 2, None])
        centre: Array = np.where(np.asarray(self.weights) > 0, found, mean)
        return centre


def _part(W: Array, G: Array, corner: Array, quadratic: Array) -> Array:
    """Each coefficient's part of `penalty(W) + penalty*(-G) + <W, G>`."""
    clipped = np.clip(G, -corner, corner)
    asked = (clipped - G) / quadratic
    part: Array = np.abs(W) * (corner + np.sign(W) * clipped) + 0.5 * quadratic * (W - asked) ** 2
    return part
