"""The objective, and a lower bound of its minimum, in ball arithmetic: what `polytome.verify` is sure of.

A ball is a number of many digits with a radius, and every operation widens the radius by what it rounds: the real
result is inside, always. So what is shown with balls is shown of the real numbers that the given floats are. Nothing
here is used by a solver or by the certificate of a fit, and nothing of theirs is used here.

Let y_i be the label of row i (a distribution over the K classes, or for models of sigmoids one number from 0 to 1 per
output), s_i its weight, S their sum, z_i = x_i W + b its scores, d_j the divisor of column j (1 without `scale`) and

    P(W, b) = sum_i s_i loss(z_i, y_i) / S + strength / 2 * sum_jk (d_j W_jk)^2,    strength = 1 / (C S)

*The bound.* For every distribution q the logarithm of a sum of exponentials is at least `H(q) + <q, z>`, with H the
entropy: it is their largest value (Gibbs). So for any q_i, and with `G = sum_i s_i x_i' (q_i - y_i) / S`,

    P(W, b) >= sum_i s_i H(q_i) / S + <G, W> + <b, sum_i s_i (q_i - y_i) / S> + strength / 2 * sum_jk (d_j W_jk)^2

If `sum_i s_i (q_i - y_i) = 0`, the intercept drops out. The smallest value over W is found by completing squares, and

    P(W, b) >= D = sum_i s_i H(q_i) / S - sum_jk (G_jk / d_j)^2 / (2 strength)       for all W and b.

*The q.* Any coefficients, the witness, give predictions p_i. They miss the condition by `r = sum_i s_i (p_i - y_i) / S`.
With u the mean of the labels and t from 0 to 1 take

    q_i = (1 - t) p_i + t v,        v = u - r (1 - t) / t

Then `sum_i s_i (q_i - y_i) / S = (1 - t) r + t (v - u) = 0`: an identity of real numbers, whatever their balls. What has
to be checked is that v is a distribution: its entries add up to 1 because those of u do and those of r to 0, and they
are not negative if t is large enough, which the balls decide. The bound is sharp if the witness is near the optimum.
A sigmoid is the same with two classes, and each output of such a model has a t and v of its own.

References: Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Transactions on
Computers 66, 2017; Boyd and Vandenberghe, Convex Optimization, 2004, section 5.2; Tucker, Validated Numerics, 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[Any]
Ball = Any  # of python-flint, which has no types

__all__ = ["BallProblem", "Block", "exact", "precision"]

_BLOCK_ENTRIES = 2**16


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Ball arithmetic with so many bits."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def exact(number: float) -> Ball:
    """The rational number that a float is."""
    return fmpq(*float(number).as_integer_ratio())


@dataclass(frozen=True)
class Block:
    """A few rows in balls: their features (a matrix, or the stored entries of each row), labels and weights."""

    X: Any
    y: list[list[Ball]]
    weight: list[Ball]
    own: list[list[bool]] | None

    def takes_part(self, row: int, output: int) -> bool:
        """Whether a row counts for an output."""
        return self.own is None or self.own[row][output]


@dataclass
class BallProblem:
    """What a model minimised, as exact numbers.

    Attributes:
        X: (n, d) dense, or CSR; every number is taken as it is.
        y: (n, m) labels: distributions (softmax), or a number from 0 to 1 for each output (sigmoids).
        weight: (n,) weights of the rows.
        C: inverse strength of the penalty; `inf` for none.
        softmax: whether the outputs are the classes of one softmax, or sigmoids on their own.
        fit_intercept: whether there is an intercept.
        own: (n, m) which outputs a row takes part in; None for all.
        factor: (n,) place of each row in `factors`, by which its weight is multiplied; None for no factors.
        factors: exact rational numbers.
        scale: None, "standard", or positive numbers (d,).
    """

    X: Any
    y: Array
    weight: Array
    C: float
    softmax: bool
    fit_intercept: bool
    own: Array | None = None
    factor: Array | None = None
    factors: list[Any] = field(default_factory=list)
    scale: Any = None
    progress: Any = None

    def __post_init__(self) -> None:
        self._kept: tuple[int, list[Block]] | None = None
        self._constants: dict[int, tuple[Ball, list[Ball]]] = {}

    @property
    def n_outputs(self) -> int:
        """Columns of the labels."""
        return int(self.y.shape[1])

    # The data in balls -------------------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        """All rows; a small problem is converted once."""
        n_rows, n_features = self.X.shape
        size = max(1, _BLOCK_ENTRIES // max(n_features if not sparse.issparse(self.X) else 64, 1))
        if n_rows > size:
            for start in range(0, n_rows, size):
                if self.progress is not None:
                    self.progress(start, n_rows)
                yield self._block(slice(start, start + size))
            return
        if self._kept is None or self._kept[0] != ctx.prec:
            self._kept = ctx.prec, [self._block(slice(0, n_rows))]
        yield from self._kept[1]

    def _block(self, rows: slice) -> Block:
        part = self.X[rows]
        X: Any
        if sparse.issparse(part):
            ends = part.indptr.tolist()
            columns, entries = part.indices.tolist(), _plain(part.data).tolist()
            X = [
                [(j, arb(x)) for j, x in zip(columns[a:b], entries[a:b], strict=True)]
                for a, b in zip(ends, ends[1:], strict=False)
            ]
        else:
            X = arb_mat(_plain(part).tolist())
        y = [[arb(v) for v in row] for row in self.y[rows].tolist()]
        if self.softmax and self.y.dtype.kind == "f":  # probabilities add up to 1 but for their rounding
            totals = [sum(row, arb(0)) for row in y]
            y = [[v / total for v in row] for row, total in zip(y, totals, strict=True)]
        weight = [arb(s) for s in self.weight[rows].tolist()]
        if self.factor is not None:
            factors = [arb(f) for f in self.factors]
            weight = [s * factors[k] for s, k in zip(weight, self.factor[rows].tolist(), strict=True)]
        own = None if self.own is None else self.own[rows].tolist()
        return Block(X, y, weight, own)

    @property
    def total_weight(self) -> Ball:
        """S."""
        return self._constant()[0]

    @property
    def divisors(self) -> list[Ball]:
        """What each column is divided by before the penalty looks at its coefficient."""
        return self._constant()[1]

    @property
    def strength(self) -> Ball:
        """`1 / (C S)`; 0 without penalty."""
        return arb(0) if np.isinf(self.C) else 1 / (arb(self.C) * self.total_weight)

    def _constant(self) -> tuple[Ball, list[Ball]]:
        if ctx.prec not in self._constants:
            total = sum((s for block in self.blocks() for s in block.weight), arb(0))
            if self.scale is None:
                divisors = [arb(1)] * self.X.shape[1]
            elif isinstance(self.scale, str):
                divisors = self._deviations(total)
            else:
                divisors = [arb(v) for v in np.asarray(self.scale, dtype=np.float64).tolist()]
            self._constants[ctx.prec] = total, divisors
        return self._constants[ctx.prec]

    def _deviations(self, total: Ball) -> list[Ball]:
        """Weighted standard deviations, around the first row that counts; 1 for a constant column."""
        counting = np.flatnonzero(self.weight > 0)
        first = self.X[[int(counting[0])]]
        first = _plain(first.toarray() if sparse.issparse(first) else first)[0]
        stored = self.X[counting]
        differs = np.zeros(self.X.shape[1], dtype=bool)
        for start in range(0, len(counting), 4096):
            part = stored[start : start + 4096]
            part = part.toarray() if sparse.issparse(part) else part
            differs |= (_plain(part) != first).any(axis=0)
        origin = [arb(v) for v in first.tolist()]
        sums, squares = [arb(0)] * len(origin), [arb(0)] * len(origin)
        for block in self.blocks():
            is_list = isinstance(block.X, list)
            rows = (_full(row, len(origin)) for row in block.X) if is_list else block.X.tolist()
            for s, row in zip(block.weight, rows, strict=True):
                for j, (x, x0) in enumerate(zip(row, origin, strict=True)):
                    if differs[j]:
                        weighted = s * (x - x0)
                        sums[j] += weighted
                        squares[j] += weighted * (x - x0)
        return [
            ((square - part * part / total) / total).sqrt() if moves else arb(1)
            for square, part, moves in zip(squares, sums, differs, strict=True)
        ]

    # The objective and the bound ---------------------------------------------------------------------------------

    def value(self, W: Ball, b: list[Ball]) -> Ball:
        """P, at coefficients (d, m) and intercepts."""
        loss = sum((s * v for block in self.blocks() for s, v in self._losses(block, W, b)), arb(0))
        return loss / self.total_weight + self.penalty(W)

    def penalty(self, W: Ball) -> Ball:
        """`strength / 2 * sum_jk (d_j W_jk)^2`."""
        strength = self.strength
        if np.isinf(self.C):
            return arb(0)
        squares = arb(0)
        for divisor, row in zip(self.divisors, W.tolist(), strict=True):
            squares += divisor * divisor * sum((w * w for w in row), arb(0))
        return strength / 2 * squares

    def bound(self, W: Ball, b: list[Ball]) -> Ball:
        """D, at the predictions of a witness, mixed so that the intercept drops out: not above any value of P."""
        mixing = [(arb(0), arb(0))] * self.n_outputs
        if self.fit_intercept:
            mixing = self._mixing(W, b)
        entropy, G = arb(0), [[arb(0)] * self.n_outputs for _ in range(self.X.shape[1])]
        for block in self.blocks():
            residuals = []
            for i, (p, rest) in enumerate(self.predictions(block, W, b)):
                s, y = block.weight[i], block.y[i]
                q = [(1 - t) * pk + t * v for pk, (t, v) in zip(p, mixing, strict=True)]
                if self.softmax:
                    entropy += s * sum((_entropy_term(qk) for qk in q), arb(0))
                else:
                    others = [(1 - t) * pk + t * (1 - v) for pk, (t, v) in zip(rest, mixing, strict=True)]
                    own = [k for k in range(self.n_outputs) if block.takes_part(i, k)]
                    entropy += s * sum((_entropy_term(q[k]) + _entropy_term(others[k]) for k in own), arb(0))
                residuals.append([s * block.takes_part(i, k) * (q[k] - y[k]) for k in range(self.n_outputs)])
            _add_products(G, block.X, residuals)
        total, squares = self.total_weight, arb(0)
        for divisor, row in zip(self.divisors, G, strict=True):
            squares += sum((g * g for g in row), arb(0)) / (divisor * divisor)
        return entropy / total - squares / (total * total * 2 * self.strength)

    def _mixing(self, W: Ball, b: list[Ball]) -> list[tuple[Ball, Ball]]:
        """t and the entry of v for each output."""
        miss, labels, share = self._intercept_sums(W, b)
        if self.softmax:
            t = _smallest_mixing(list(zip(miss, labels, strict=True)))
            v = [u - r * (1 - t) / t for r, u in zip(miss, labels, strict=True)]
            if not all(entry >= 0 for entry in v):
                t, v = arb(1), labels
            return [(t, entry) for entry in v]
        result = []
        for r, u, m in zip(miss, labels, share, strict=True):
            t = _smallest_mixing([(r, u), (-r, m - u)])
            v = (u - r * (1 - t) / t) / m
            if not (v >= 0 and v <= 1):
                t, v = arb(1), u / m
            result.append((t, v))
        return result

    def _intercept_sums(self, W: Ball, b: list[Ball]) -> tuple[list[Ball], list[Ball], list[Ball]]:
        """For each output: what the predictions miss, the labels, and the weights of the rows that take part; each
        over S."""
        miss, labels, share = ([arb(0)] * self.n_outputs for _ in range(3))
        for block in self.blocks():
            for i, (p, _) in enumerate(self.predictions(block, W, b)):
                s = block.weight[i]
                for k, (pk, yk) in enumerate(zip(p, block.y[i], strict=True)):
                    if block.takes_part(i, k):
                        miss[k] += s * (pk - yk)
                        labels[k] += s * yk
                        share[k] += s
        total = self.total_weight
        return tuple([value / total for value in sums] for sums in (miss, labels, share))  # type: ignore[return-value]

    def null(self) -> Ball:
        """The objective of the best intercept alone; without intercept, that of no coefficients at all."""
        n_features = self.X.shape[1]
        zero = arb_mat(n_features, self.n_outputs), [arb(0)] * self.n_outputs
        if not self.fit_intercept:
            return self.value(*zero)
        _, labels, share = self._intercept_sums(*zero)
        if self.softmax:
            return sum((_entropy_term(u) for u in labels), arb(0))
        # The entropy of a share u of m, m times.
        return sum(
            (m * (_entropy_term(u / m) + _entropy_term(1 - u / m)) for u, m in zip(labels, share, strict=True)), arb(0)
        )

    def margin(self, W: Ball, b: list[Ball]) -> Ball:
        """The smallest score by which a row of positive weight is on its right side: negative if one is not.

        Labels that are no certainties have no side: with one of them the margin is minus 1.
        """
        smallest = arb("inf")
        for block in self.blocks():
            for i, z in enumerate(self.scores(block, W, b)):
                if not block.weight[i] > 0:
                    continue
                for k, (yk, zk) in enumerate(zip(block.y[i], z, strict=True)):
                    if not block.takes_part(i, k):
                        continue
                    if not (yk == 0 or yk == 1):
                        return arb(-1)
                    if not self.softmax:
                        smallest = min(smallest, zk if yk == 1 else -zk, key=_lower_end)
                    elif yk == 1:
                        others = (zk - other for m, other in enumerate(z) if m != k)
                        smallest = min(smallest, *others, key=_lower_end)
        return smallest

    def scores(self, block: Block, W: Ball, b: list[Ball]) -> list[list[Ball]]:
        """`x_i W + b`."""
        if isinstance(block.X, list):
            table = W.tolist()
            result = []
            for row in block.X:
                z = list(b)
                for j, x in row:
                    for k, w in enumerate(table[j]):
                        z[k] += x * w
                result.append(z)
            return result
        products: list[list[Ball]] = (block.X * W).tolist()
        return [[z + c for z, c in zip(row, b, strict=True)] for row in products]

    def _losses(self, block: Block, W: Ball, b: list[Ball]) -> Iterator[tuple[Ball, Ball]]:
        """Weight and loss of each row."""
        for i, z in enumerate(self.scores(block, W, b)):
            y = block.y[i]
            if self.softmax:
                place = max(range(len(z)), key=lambda k: z[k].mid())
                below = [zk - z[place] for zk in z]
                sums = sum((zk.exp() for k, zk in enumerate(below) if k != place), arb(0))
                loss = sums.log1p() - sum((yk * zk for yk, zk in zip(y, below, strict=True)), arb(0))
            else:
                loss = arb(0)
                for k, (yk, zk) in enumerate(zip(y, z, strict=True)):
                    if block.takes_part(i, k):
                        # log(1 + e^z) - y z, with the sign that does not overflow and cancels nothing
                        loss += (-zk).exp().log1p() + (1 - yk) * zk if zk > 0 else zk.exp().log1p() - yk * zk
            yield block.weight[i], loss

    def predictions(self, block: Block, W: Ball, b: list[Ball]) -> Iterator[tuple[list[Ball], list[Ball]]]:
        """Probabilities of each row, and one minus them, which of sigmoids is without cancellation."""
        for z in self.scores(block, W, b):
            if self.softmax:
                top = max(zk.mid() for zk in z)
                e = [(zk - top).exp() for zk in z]
                total = sum(e, arb(0))
                p = [ek / total for ek in e]
                yield p, [1 - pk for pk in p]
            else:
                yield [1 / (1 + (-zk).exp()) for zk in z], [1 / (1 + zk.exp()) for zk in z]


def _plain(values: Array) -> Array:
    """Numbers of a type whose `tolist` is exact: 64-bit floats, or whole numbers."""
    if values.dtype.kind == "f":
        return values.astype(np.float64, copy=False)
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _full(row: list[tuple[int, Ball]], n_features: int) -> list[Ball]:
    """The row with its zeros."""
    values = [arb(0)] * n_features
    for j, x in row:
        values[j] += x
    return values


def _lower_end(ball: Ball) -> Ball:
    return ball.lower()


def _entropy_term(q: Ball) -> Ball:
    """`-q log q` of a probability, or 0, which is not above it, where the ball reaches down to 0."""
    return -q * q.log() if q > 0 else arb(0)


def _smallest_mixing(pairs: list[tuple[Ball, Ball]]) -> Ball:
    """An exact t so large that `u - r (1 - t) / t` is at least about u / 2 for all pairs (r, u), and not much larger."""
    largest = arb(2) ** -ctx.prec
    for r, u in pairs:
        if r > 0 or r.contains(0):
            if not u > 0:
                return arb(1)
            ratio = (2 * r / u).abs_upper()
            largest = ratio if ratio > largest else largest
    t = (largest / (1 + largest)).upper()
    return t if t < 1 else arb(1)


def _add_products(G: list[list[Ball]], X: Any, residuals: list[list[Ball]]) -> None:
    """Adds `X' residuals`."""
    if isinstance(X, list):
        for row, residual in zip(X, residuals, strict=True):
            for j, x in row:
                g = G[j]
                for k, r in enumerate(residual):
                    g[k] += x * r
        return
    for g, more in zip(G, (X.transpose() * arb_mat(residuals)).tolist(), strict=True):
        for k, value in enumerate(more):
            g[k] += value
