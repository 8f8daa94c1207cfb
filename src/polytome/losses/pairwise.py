"""The loss of one-vs-one: every pair of classes has a binary model, all of them trained together.

A row of class c belongs only to the K - 1 pairs that contain c. So the K (K - 1) / 2 binary
problems are one separable problem over the same rows: one pass over X serves them all, and no rows
are copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import IndependentSigmoids
from polytome.numerics import sigmoid
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["PairwiseSigmoids"]


@dataclass(frozen=True)
class PairwiseSigmoids:
    """Sum over the pairs of classes that a row's class is in of the binary cross-entropy of that
    pair.

    Outputs are the pairs (i, j), i < j, in lexicographic order; a positive score counts for j.
    `target` is an integer code 0..K-1 per row, shape (n,). Rows of one class need the scores of
    their K - 1 pairs only.

    Args:
        n_classes: K, at least 2.

    Example:
        >>> loss = PairwiseSigmoids(3)
        >>> loss.pairs.tolist()
        [[0, 1], [0, 2], [1, 2]]
        >>> loss.value_and_gradient(np.zeros((1, 3)), np.array([1]))[1]
        array([[-0.5,  0. ,  0.5]])

    Reference: Hastie and Tibshirani, Classification by pairwise coupling, The Annals of Statistics
    26, 1998.
    """

    n_classes: int
    separable = True
    smoothness = 0.25
    has_certificate = True
    is_cross_entropy = True
    self_concordance = 1.0
    largest_residual = 1.0

    @property
    def n_outputs(self) -> int:
        """K (K - 1) / 2."""
        return self.n_classes * (self.n_classes - 1) // 2

    @property
    @kept
    def pairs(self) -> Array:
        """The two classes of each output, shape (n_outputs, 2)."""
        return np.stack(np.triu_indices(self.n_classes, 1), axis=1)

    @property
    @kept
    def _own(self) -> tuple[Array, Array]:
        """For each class the outputs that it is in, and whether it is the second of their classes;
        (K, K - 1) both."""
        outputs = np.array([np.flatnonzero((self.pairs == c).any(axis=1)) for c in range(self.n_classes)])
        is_second = self.pairs[outputs, 1] == np.arange(self.n_classes)[:, None]
        return outputs, is_second.astype(np.float64)

    @property
    @kept
    def _binary(self) -> IndependentSigmoids:
        return IndependentSigmoids(self.n_classes - 1)

    def outputs_of(self, target: Array) -> slice | Array:
        """The K - 1 pairs of a class, if all rows are of this class; else all pairs."""
        same = len(target) > 0 and bool((target == target[0]).all())
        return self._own[0][target[0]] if same else slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`softplus(z) - y z` summed over the row's own pairs, and `p - y` there, 0 elsewhere."""
        outputs, is_second = self._own
        if scores.shape[1] < self.n_outputs:
            return self._binary.value_and_gradient(scores, is_second[target])
        own = outputs[target]
        value, inside = self._binary.value_and_gradient(np.take_along_axis(scores, own, 1), is_second[target])
        return value, _spread(inside, own, self.n_outputs)

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = p (1 - p)` in the row's own pairs, 0 elsewhere; no rank-one part."""
        if scores.shape[1] < self.n_outputs:
            return self._binary.curvature(scores, target)
        own = self._own[0][target]
        inside, _ = self._binary.curvature(np.take_along_axis(scores, own, 1), target)
        return _spread(inside, own, self.n_outputs), None

    def mean(self, scores: Array) -> Array:
        """`sigmoid(z)`: the probability of the second class of each pair, shape (n, n_outputs)."""
        return sigmoid(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """`p - y` in the row's own pairs, 0 elsewhere."""
        outputs, is_second = self._own
        own = outputs[target]
        parts = self._binary.exact_residuals(np.take_along_axis(scores, own, 1), is_second[target])
        return [_spread(part, own, self.n_outputs) for part in parts]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """Minus the binary entropies of `q = dual + y` in the row's own pairs; `inf` outside [0,
        1], or if any other pair has a dual that is not 0."""
        outputs, is_second = self._own
        own = outputs[target]
        inside = np.take_along_axis(dual, own, 1)
        outside = dual.copy()
        np.put_along_axis(outside, own, 0.0, 1)
        value = self._binary.conjugate(inside, is_second[target])
        return np.where((outside == 0).all(axis=1), value, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Log odds of the second class against the first, by the weight of their rows."""
        total = np.bincount(target, weights=weight, minlength=self.n_classes)
        with np.errstate(divide="ignore"):
            logarithm = np.log(total)
        scores: Array = logarithm[self.pairs[:, 1]] - logarithm[self.pairs[:, 0]]
        return scores

    def room(self, target: Array, weight: Array) -> Array:
        """The share of the weight that the rarer class of each pair has."""
        total = np.bincount(target, weights=weight, minlength=self.n_classes)
        found: Array = total[self.pairs].min(axis=1) / weight.sum()
        return found

    def margin(self, scores: Array, target: Array) -> Array:
        """The score for the row's class in its own pairs, `inf` in the others, where no side is
        wrong."""
        outputs, is_second = self._own
        own = outputs[target]
        margin = np.full(scores.shape, np.inf)
        np.put_along_axis(margin, own, self._binary.margin(np.take_along_axis(scores, own, 1), is_second[target]), 1)
        return margin

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves: no two give the same predictions."""
        return coefficients


def _spread(inside: Array, own: Array, n_outputs: int) -> Array:
    """Values at the row's own outputs, zeros at the others."""
    everywhere = np.zeros((len(inside), n_outputs))
    np.put_along_axis(everywhere, own, inside, 1)
    return everywhere
