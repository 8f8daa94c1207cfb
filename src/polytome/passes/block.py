"""What a pass is given: a few rows as they are stored, and how their columns are centred and
scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["Block", "Columns"]


@dataclass(frozen=True)
class Block:
    """A few rows in raw units: as they are `stored` (array, CSR or CSC), their targets and
    weights."""

    stored: Any
    precision: np.dtype[Any]
    target: Array
    weight: Array

    @property
    @kept
    def X(self) -> Any:
        """The rows in the precision of the products, converted when first asked for."""
        stored: Any = self.stored
        if sparse.issparse(self.stored):
            return stored.astype(self.precision, copy=False)
        return np.ascontiguousarray(stored, dtype=self.precision)


@dataclass(frozen=True)
class Columns:
    """Implicit columns `(raw - shift) * scale`: the storage is never touched, the coefficients are.

    `raw @ V + v0` with `V, v0 = to_raw(W)` equals `standardised @ W + w0`, and `from_raw` is the
    transpose of that map, so it turns a gradient with respect to raw coefficients into one with
    respect to standardised coefficients.

    Args:
        shift: subtracted from each column, shape (n_features,).
        scale: multiplies each column, shape (n_features,).

    Example:
        >>> columns = Columns(np.array([2.0]), np.array([10.0]))
        >>> columns.to_raw(np.array([[1.0], [0.5]]))
        array([[ 10. ],
               [-19.5]])
    """

    shift: Array
    scale: Array

    @classmethod
    def identity(cls, n_features: int) -> Columns:
        """Columns as they are stored."""
        return cls(np.zeros(n_features), np.ones(n_features))

    def to_raw(self, W: Array) -> Array:
        """Coefficients (n_features + 1, n_outputs) for raw columns, intercept last."""
        raw = np.empty_like(W)
        np.multiply(W[:-1], self.scale[:, None], out=raw[:-1])
        raw[-1] = W[-1] - self.shift @ raw[:-1]
        return raw

    def as_given(self, W: Array) -> tuple[Array, Array]:
        """Coefficients for raw columns as a user sees them: (n_outputs, n_features), and the
        intercepts.

        They lie in memory as W does, and are W's own where columns are not scaled.
        """
        coefficients = W[:-1].T if (self.scale == 1.0).all() else W[:-1].T * self.scale
        return coefficients, W[-1] - (self.shift * self.scale) @ W[:-1]

    def from_raw(self, gradient: Array) -> Array:
        """Gradient with respect to standardised coefficients from the one with respect to raw
        coefficients."""
        result = np.empty_like(gradient)
        np.subtract(gradient[:-1], np.multiply.outer(self.shift, gradient[-1]), out=result[:-1])
        result[:-1] *= self.scale[:, None]
        result[-1] = gradient[-1]
        return result

    def from_raw_coefficients(self, V: Array) -> Array:
        """The inverse of `to_raw`: standardised coefficients from raw ones."""
        W: Array = V / np.append(self.scale, 1.0)[:, None]
        W[-1] = V[-1] + self.shift @ V[:-1]
        return W

    def apply(self, X: Array) -> Array:
        """The standardised columns of a dense block, in its precision: the only place where they
        are formed."""
        standardised: Array = X - self.shift.astype(X.dtype, copy=False)
        standardised *= self.scale.astype(X.dtype, copy=False)
        return standardised

    def dense(self, block: Block) -> Array:
        """The standardised columns of a block as a dense array."""
        return self.apply(block.X.toarray() if sparse.issparse(block.stored) else block.X)

    def with_intercept(self, block: Block, fit_intercept: bool = True) -> Array:
        """The same in float64, and the intercept's column last: ones, or zeros where there is no
        intercept."""
        X = np.full((len(block.weight), len(self.shift) + 1), float(fit_intercept))
        X[:, :-1] = self.dense(block)
        return X
