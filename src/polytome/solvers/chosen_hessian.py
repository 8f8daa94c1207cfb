"""The Hessian of the loss with respect to chosen coefficients, as passes over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, block_scores

Array = NDArray[Any]

__all__ = ["Chosen", "ChosenHessian"]

_LEFT_OUT = 0.05  # of the mean of p_k p_l: rows with less are left out of a coarse product of two classes
_COARSE_LIFT = 1e-6  # of the diagonal, beyond what float32 loses


@dataclass(frozen=True)
class Chosen:
    """Where chosen coefficients are.

    Attributes:
        features: the columns that any output has chosen.
        places: of each output its columns among these, and the intercept's, which comes after them.
        numbers: of each block of a Hessian its coefficients, as places in the ravelled transpose.
    """

    features: Array
    places: tuple[Array, ...]
    numbers: list[Array]

    @classmethod
    def of(cls, objective: Objective, chosen: Array) -> Chosen:
        """Where those are that are marked, of the shape of the coefficients."""
        (n_columns, _), loss = objective.shape, objective.loss
        features = np.flatnonzero(chosen[:-1].any(axis=1))
        columns = np.append(features, n_columns - 1)
        places = tuple(np.flatnonzero(chosen[columns, k]) for k in range(loss.n_outputs))
        flat = [k * n_columns + columns[own] for k, own in enumerate(places)]
        return cls(features, places, flat if loss.separable else [np.concatenate(flat)])

    def hessian(
        self, objective: Objective, W: Array, is_coarse: bool, added: tuple[Array, ...] | None = None
    ) -> tuple[Array, ...]:
        """The Hessian of the mean loss, in blocks, or where some places are added its columns for
        these."""
        loss, rows, total = objective.loss, objective.rows, objective.total_weight
        first = self.places[0]
        if loss.is_cross_entropy and not loss.separable and all(np.array_equal(first, own) for own in self.places):
            # Of whole groups the products of columns are needed once for each two classes.
            new = None if added is None else first[added[0]]
            (grams,) = rows.reduce(_PairedHessian(loss, rows.columns, W, self.features, first, new, is_coarse))
            grams /= total
            if is_coarse:
                at = np.arange(len(first)) if added is None else added[0], np.arange(grams.shape[2])
                grams[:, at[0], at[1]] *= 1 + _COARSE_LIFT
            return (_of_all_classes(grams, loss.n_outputs),)
        a_pass = ChosenHessian(loss, rows.columns, W, self.features, self.places, added)
        return tuple(H / total for H in rows.reduce(a_pass))


@dataclass(frozen=True, eq=False)
class ChosenHessian:
    """The Hessian of the loss with respect to chosen coefficients, weighted and added up: one
    matrix for each output of a separable loss, else one for all.

    Args:
        loss: a loss of `polytome.losses`.
        columns: how the columns are standardised.
        W: coefficients for standardised columns, float64.
        features: the columns that any output has chosen.
        places: of each output's own columns among these; the intercept comes after them.
        added: of each output those of its places that are wanted with all, for a border of a matrix
            whose rest is known; None for the whole.
    """

    loss: Loss
    columns: Columns
    W: Array
    features: Array
    places: tuple[Array, ...]
    added: tuple[Array, ...] | None = None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The matrices, or borders, of one block."""
        loss, features = self.loss, self.features
        outputs = loss.outputs_of(block.target)
        raw = self.columns.to_raw(self.W)
        m, u = loss.curvature(block_scores(block, raw[:, outputs]), block.target)
        X = _standardized(block, self.columns, features)
        weight, own_outputs = block.weight, np.arange(loss.n_outputs)[outputs].tolist()
        if self.added is not None:
            return self._border(X, weight, np.maximum(m, 0.0), u, own_outputs)
        grams = [np.zeros((len(own), len(own))) for own in self.places]
        for k, m_k in zip(own_outputs, m.T, strict=True):
            own = X[:, self.places[k]] * np.sqrt(weight * np.maximum(m_k, 0.0))[:, None]
            grams[k] = own.T @ own
        if u is None:
            return tuple(grams)
        root = np.sqrt(weight)[:, None] * u
        coupled = np.hstack([X[:, own] * root[:, k, None] for k, own in enumerate(self.places)])
        return (block_diag(*grams) - coupled.T @ coupled,)

    def _border(self, X: Array, weight: Array, m: Array, u: Array | None, outputs: list[int]) -> Sums:
        """The products of all with what is added: each column is read once for each output."""
        assert self.added is not None
        new = [own[of_new] for own, of_new in zip(self.places, self.added, strict=True)]
        if u is None:
            borders = [np.zeros((len(own), len(of_new))) for own, of_new in zip(self.places, new, strict=True)]
            for k, m_k in zip(outputs, m.T, strict=True):
                borders[k] = X[:, self.places[k]].T @ (X[:, new[k]] * (weight * m_k)[:, None])
            return tuple(borders)
        ends = np.cumsum([0, *map(len, new)])
        spread = np.hstack([X[:, of_new] * (weight * u[:, k])[:, None] for k, of_new in enumerate(new)])
        rows = []
        for k, own in enumerate(self.places):
            weighted, inside = -u[:, k, None] * spread, slice(ends[k], ends[k + 1])
            weighted[:, inside] += X[:, new[k]] * (weight * m[:, k])[:, None]
            rows.append(X[:, own].T @ weighted)
        return (np.vstack(rows),)


def _standardized(block: Block, columns: Columns, features: Array) -> Array:
    """Standardized columns of a block, and a column of ones, float64."""
    chosen: Any = block.X[:, features]
    dense = chosen.toarray() if hasattr(chosen, "toarray") else chosen
    X = np.ones((len(block.weight), len(features) + 1))
    np.subtract(dense, columns.shift[features], out=X[:, :-1])
    X[:, :-1] *= columns.scale[features]
    return X


@dataclass(frozen=True, eq=False)
class _PairedHessian:
    """The Hessian of a softmax with respect to the coefficients of all classes of chosen columns,
    weighted and added up, as a product of columns for each two classes k < l:

        diag(p) - p p' = sum_{k < l} p_k p_l (e_k - e_l) (e_k - e_l)'

    In a coarse one rows whose p_k p_l is next to nothing are left out of the product of k and l,
    and products are made in float32: what is left is still a sum of squares, for a step's model and
    nothing else.

    Args:
        loss: a softmax, perhaps with an offset.
        columns: how the columns are standardised.
        W: coefficients for standardised columns, float64.
        features: the chosen columns.
        places: those of each class among these; the intercept comes after them.
        added: of these places those that are wanted with all, for a border; None for all.
        is_coarse: whether digits and rows that hardly count may be left out.
    """

    loss: Loss
    columns: Columns
    W: Array
    features: Array
    places: Array
    added: Array | None = None
    is_coarse: bool = False
    joined = 0

    def of_block(self, block: Block) -> Sums:
        raw = self.columns.to_raw(self.W)
        _, p = self.loss.curvature(block_scores(block, raw), block.target)
        assert p is not None
        X, new = _standardized(block, self.columns, self.features), self.added
        X = X if len(self.places) == X.shape[1] else X[:, self.places]
        is_new: Any = slice(None) if new is None else np.searchsorted(self.places, new)
        if self.is_coarse:
            X = X.astype(np.float32)
        n_classes = p.shape[1]
        grams = np.empty((n_classes * (n_classes - 1) // 2, X.shape[1], X[:, is_new].shape[1]))
        for place, (k, other) in enumerate(combinations(range(n_classes), 2)):
            share, own = block.weight * p[:, k] * p[:, other], X
            if self.is_coarse:
                counts = np.flatnonzero(share > _LEFT_OUT * share.mean())
                share, own = share[counts], X[counts]
            own = own * np.sqrt(share).astype(X.dtype)[:, None]
            grams[place] = own.T @ (own if new is None else own[:, is_new])
        return (grams,)


def _of_all_classes(grams: Array, n_classes: int) -> Array:
    """The Hessian, or its columns, of products for each two classes."""
    _, n, n_new = grams.shape
    found = np.zeros((n_classes, n, n_classes, n_new))
    for gram, (k, other) in zip(grams, combinations(range(n_classes), 2), strict=True):
        found[k, :, k] += gram
        found[other, :, other] += gram
        found[k, :, other] = found[other, :, k] = -gram
    return found.reshape(n_classes * n, n_classes * n_new)
