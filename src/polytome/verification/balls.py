"""The objective, and a lower bound on its minimum, in ball arithmetic: the proofs behind
`polytome.verify`.

A ball is a number of many digits with a radius, and every operation widens the radius by its
rounding error: the exact result always lies inside. So what is shown with balls holds for the real
numbers that the given floats are. No solver and no certificate of a fit uses anything here, and
nothing of theirs is used here.

Let y_i be the label of row i (a distribution over the K classes, or for models of sigmoids one
number from 0 to 1 per output), s_i its weight, S their sum, o_i its offset (0 without any), z_i =
x_i W + b + o_i its scores, r_j the square of the divisor of column j (1 without `scale`) times its
penalty weight (1 without any), and

    P(W, b) = sum_i s_i loss(z_i, y_i) / S + strength / 2 * sum_jk r_j W_jk^2
    strength = 1 / (C S)

*The bound.* For every distribution q the logarithm of a sum of exponentials is at least
`H(q) + <q, z>`, with H the entropy: it is their largest value (Gibbs). So for any q_i, and with
`G = sum_i s_i x_i' (q_i - y_i) / S`,

    P(W, b) >= sum_i s_i (H(q_i) + <q_i - y_i, o_i>) / S + <G, W> + <b, sum_i s_i (q_i - y_i) / S>
               + strength / 2 * sum_jk r_j W_jk^2

If `sum_i s_i (q_i - y_i) = 0`, the intercept drops out. The smallest value over W is found by
completing squares, and

    P(W, b) >= D = sum_i s_i (H(q_i) + <q_i - y_i, o_i>) / S - sum_jk G_jk^2 / (2 strength r_j)

for all W and b.

A column of weight 0 drops out as the intercept does, if `G_jk = 0`: then `ball_tilt` makes the q.

With a share a of absolute values the penalty is `strength sum_jk w_j (a d_j |W_jk| + (1 - a) / 2
d_j^2 W_jk^2)`, w_j the penalty weight and d_j the divisor. A coefficient gains from G only as far
as `e_jk = |G_jk| - strength a w_j d_j` is positive: with squares at most `e_jk^2 / (2 strength (1 -
a) w_j d_j^2)`. And as losses are not negative, only coefficients with `strength a sum_jk w_j d_j
|W_jk| <= P` at any known value of P matter, so that all of them gain at most the largest
`e_jk / (w_j d_j)` times that value over `strength a`. D has the smaller of the two in the place of
the squares.

With groups the norm of `d_j W_jk` over the p columns and all outputs of a group, times `sqrt(p)`,
takes the place of its absolute values, and `e_g`, the norm of `G_jk / d_j` less `strength a w_g
sqrt(p)`, that of the e_jk: at most `e_g^2 / (2 strength (1 - a) w_g)` is gained with squares, and
by size the largest `e_g / (w_g sqrt(p))` counts.

A share of absolute values beside the norms takes `e_jk = |G_jk| / d_j - v h_jk` from the slopes
first, h_jk being what it multiplies `d_j |W_jk|` with, and v = 1; the norm of what is left counts
where it is positive. By size the v at which that norm is v times the group's corner: a multiple v
of the whole penalty, of which only v - 1 is gained.

With bounds each coefficient gains at most what it can within them (`ball_box`), and a column
without a penalty drops out only if it has none.

*The q.* Any coefficients, the witness, give predictions p_i. They miss the condition by
`r = sum_i s_i (p_i - y_i) / S`. With u the mean of the labels and t from 0 to 1 take

    q_i = (1 - t) p_i + t v,        v = u - r (1 - t) / t

Then `sum_i s_i (q_i - y_i) / S = (1 - t) r + t (v - u) = 0`: an identity of real numbers, whatever
their balls. What has to be checked is that v is a distribution: its entries add up to 1 because
those of u do and those of r to 0, and they are not negative if t is large enough, which the balls
decide. The bound is sharp if the witness is near the optimum. A sigmoid is the same with two
classes, and each output of such a model has a t and v of its own. Under absolute values alone the
bound is sharper with `a q_i + (1 - a) y_i` in the place of q_i, whose gradient is `a G`: with an a
of a little less than 1 it is within the corners.

References: Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Transactions on Computers 66, 2017; Boyd and Vandenberghe, Convex Optimization, 2004, section 5.2;
Tucker, Validated Numerics, 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, softmax

from polytome.verification.ball_box import gains_in_box, zeros_in_box
from polytome.verification.ball_tilt import Tilt
from polytome.verification.exact_data import Ball, Block, ExactData

__all__ = ["BallProblem", "DualPoint"]

Array = NDArray[Any]
DualPoint = tuple[Ball, list[list[Ball]]]
"""The mean entropy of predictions, and the gradient that their residuals have, row by row."""
_LEAST_BESIDE_OFFSETS = 1e-9  # nats
_NULL_STEPS = 10
_EXCESS_STEPS = 60


class BallProblem(ExactData):
    """The objective of a model on its data, and lower bounds on its minimum.

    Coefficients are balls too: a matrix (d, m), and a list of m intercepts.
    """

    def value(self, W: Ball, b: list[Ball]) -> Ball:
        """P, at coefficients (d, m) and intercepts."""
        loss = sum((s * v for block in self.blocks() for s, v in self._losses(block, W, b)), arb(0))
        return loss / self.total_weight + self.penalty(W)

    def penalty(self, W: Ball) -> Ball:
        """`strength / 2 * sum_jk r_j W_jk^2`, and with absolute values `strength a sum_jk w_j d_j
        |W_jk|`."""
        strength = self.strength
        if np.isinf(self.C):
            return arb(0)
        squares = arb(0)
        for ridge, row in zip(self.ridges, W.tolist(), strict=True):
            squares += ridge * sum((w * w for w in row), arb(0))
        found = strength / 2 * squares
        if self.l1_ratio > 0 and self.groups is not None:
            table = [[d * w for w in row] for d, row in zip(self.divisors, W.tolist(), strict=True)]
            for root, weight, norm in self.grouped(table).values():
                found += self.of_norms * weight * root * norm
        if self.has_sizes:
            for size, row in zip(self.sizes, W.tolist(), strict=True):
                found += self.of_sizes * size * sum((abs(w) for w in row), arb(0))
        return found

    def bound(self, W: Ball, b: list[Ball], reached: Ball = None) -> Ball:
        """D, at predictions of a witness that are changed so that what is not penalised drops out:
        P is never below it.

        Minus infinity where no such change is found.

        Args:
            W: the witness.
            b: its intercepts.
            reached: a value that P has somewhere; that at the witness if None.
        """
        dual = self.dual_point(W, b)
        if dual is None:
            return arb("-inf")
        is_asked = reached is None and (self.l1_ratio > 0 or self.bounds is not None)
        return self.value_of(dual, self.value(W, b).upper() if is_asked else reached)

    def dual_point(self, W: Ball, b: list[Ball], multiple: Ball = 1) -> DualPoint | None:
        """The mean entropy of those predictions, and their gradient; None where no such change is
        found.

        Args:
            W: the witness.
            b: its intercepts.
            multiple: a number from 0 to 1, that residuals and gradient are multiplied by: the
                predictions are moved towards the labels.
        """
        mixing, tilt = [(arb(0), arb(0))] * self.n_outputs, None
        if self.free:
            tilt = Tilt.of(self, lambda block: self.predictions(block, W, b))
            if tilt is None:
                return None
        elif self.fit_intercept:
            mixing = self._mixing(W, b)
        entropy, G = arb(0), [[arb(0)] * self.n_outputs for _ in range(self.X.shape[1])]
        for block in self.blocks():
            residuals = []
            for i, (p, rest) in enumerate(self.predictions(block, W, b)):
                s, y = block.weight[i], block.y[i]
                q = [(1 - t) * pk + t * v for pk, (t, v) in zip(p, mixing, strict=True)]
                others = [(1 - t) * pk + t * (1 - v) for pk, (t, v) in zip(rest, mixing, strict=True)]
                if tilt is not None:
                    if (tilted := tilt.moved(block, i, p, rest)) is None:
                        return None
                    q, others = tilted
                if multiple != 1:
                    q = [multiple * qk + (1 - multiple) * yk for qk, yk in zip(q, y, strict=True)]
                    others = [multiple * ok + (1 - multiple) * (1 - yk) for ok, yk in zip(others, y, strict=True)]
                if self.softmax:
                    entropy += s * sum((_entropy_term(qk) for qk in q), arb(0))
                else:
                    own = [k for k in range(self.n_outputs) if block.takes_part(i, k)]
                    entropy += s * sum((_entropy_term(q[k]) + _entropy_term(others[k]) for k in own), arb(0))
                residuals.append([s * block.takes_part(i, k) * (q[k] - y[k]) for k in range(self.n_outputs)])
                if block.offset is not None:
                    entropy += sum((r * o for r, o in zip(residuals[-1], block.offset[i], strict=True)), arb(0))
            _add_products(G, block.X, residuals)
        total = self.total_weight
        return entropy / total, [[g / total for g in row] for row in G]

    def feasible_multiple(self, dual: DualPoint) -> Ball:
        """The multiple of a dual point whose gradient is within the corners of absolute values, if
        no squares and no bounds are beside them, about; 1 where none is needed."""
        found = arb(1)
        if not self.l1_ratio > 0 or self.l1_ratio < 1 or self.bounds is not None:
            return found
        free, slopes = set(self.free), [[g / d for g in row] for row, d in zip(dual[1], self.divisors, strict=True)]
        corners = [self.strength * size / d for size, d in zip(self.sizes, self.divisors, strict=True)]
        sizes = [(c, abs(g)) for j, c in enumerate(corners) if j not in free for g in slopes[j]]
        if self.groups is not None:
            grouped = self.grouped(slopes).values()
            sizes = [(self.strength * root * weight, norm) for root, weight, norm in grouped if weight > 0]
        for corner, size in sizes:
            if size > 0 and not size < corner:
                found = min(found, (corner / size).lower())
        return found.mid()

    def value_of(self, dual: DualPoint, reached: Ball) -> Ball:
        """D at a dual point; see `bound`."""
        (entropy, G), free = dual, set(self.free)
        if self.bounds is not None:
            return entropy - gains_in_box(self, G, reached)
        if self.l1_ratio > 0:
            return entropy - self._gains(G, free, reached)
        squares = arb(0)
        for j, (ridge, row) in enumerate(zip(self.ridges, G, strict=True)):
            if j not in free:
                squares += sum((g * g for g in row), arb(0)) / ridge
        return entropy - squares / (2 * self.strength)

    def zeros(self, dual: DualPoint, excess: Ball) -> Array:
        """Which coefficients are 0 wherever P is least, (d, m), boolean.

        As the loss is smooth with the constant L (1/2 of a softmax, 1/4 of a sigmoid), D falls from
        its maximum at least as `||q - q*||^2 / (2 L)`, of which the mean over the rows is taken. So
        `||q - q*||^2 <= 2 L excess`, and by the inequality of Cauchy and Schwarz the gradient at
        the optimum is within the root of that times the columns' deviations. A coefficient whose
        gradient there is less than its corner is 0, and so is a group.

        Args:
            dual: a dual point.
            excess: how far D is, at most, from a value that P has somewhere.
        """
        found = np.zeros((self.X.shape[1], self.n_outputs), dtype=bool)
        radius = (2 * excess.upper() * arb(1) / (2 if self.softmax else 4)).sqrt() if excess.upper() > 0 else arb(0)
        spreads, free = self.spreads(), set(self.free)
        if self.bounds is not None:
            return zeros_in_box(self, dual[1], [radius * spread for spread in spreads])
        away = [radius * spread / d for spread, d in zip(spreads, self.divisors, strict=True)]
        slopes = [[g / d for g in row] for row, d in zip(dual[1], self.divisors, strict=True)]
        if self.has_sizes:
            for j, (size, d) in enumerate(zip(self.sizes, self.divisors, strict=True)):
                inside = [bool(abs(g) + away[j] < self.of_sizes * size / d) for g in slopes[j]]
                found[j] = [is_inside and j not in free for is_inside in inside]
        if self.groups is None:
            return found
        moved = self.grouped([[each] for each in away])
        for group, (root, weight, norm) in self.grouped(self._beyond(slopes, arb(1))).items():
            if norm + moved[group][2] < self.of_norms * root * weight:
                found[[j for j, own in enumerate(self.groups) if own == group]] = True
        return found

    def _beyond(self, slopes: list[list[Ball]], multiple: Ball) -> list[list[Ball]]:
        """What is left of the sizes of slopes, divided by divisors, beyond a multiple of what
        absolute values beside norms are multiplied by; no less than 0."""
        if not self.has_sizes:
            return slopes
        corners = [multiple * self.of_sizes * size / d for size, d in zip(self.sizes, self.divisors, strict=True)]
        return [
            [max(abs(g) - corner, arb(0), key=lambda ball: ball.upper()) for g in row]
            for corner, row in zip(corners, slopes, strict=True)
        ]

    def _gains(self, G: list[list[Ball]], free: set[int], reached: Ball) -> Ball:
        """What coefficients can gain from a gradient, at most, under a penalty of absolute values:
        by the squares beside them, or by the bound on their sizes that a value of P is."""
        ratio, strength = arb(float(self.l1_ratio)), self.strength
        squares, steepest = arb(0), arb(0)
        if self.groups is not None:
            table = [[g / d for g in row] for d, row in zip(self.divisors, G, strict=True)]
            for root, weight, norm in self.grouped(self._beyond(table, arb(1))).values():
                beyond = norm - self.of_norms * weight * root
                if not beyond < 0:
                    beyond = beyond.upper()
                    steepest = max(steepest, (beyond / (weight * root)).upper())
                    squares += beyond * beyond / (2 * strength * (1 - ratio) * weight) if ratio < 1 else arb("inf")
            by_size = (steepest * reached / self.of_norms).upper()
            if self.has_sizes and steepest > 0:
                by_size = min(by_size, (self._excess(table) * reached).upper())
            return min(squares.upper(), by_size)
        for j, (size, ridge) in enumerate(zip(self.sizes, self.ridges, strict=True)):
            if j in free:
                continue
            for g in G[j]:
                beyond = abs(g) - strength * ratio * size
                if not beyond < 0:
                    beyond = beyond.upper()
                    steepest = max(steepest, (beyond / size).upper())
                    squares += beyond * beyond / (2 * strength * ridge) if ridge > 0 else arb("inf")
        return min(squares.upper(), (steepest * reached / (strength * ratio)).upper())

    def _excess(self, slopes: list[list[Ball]]) -> Ball:
        """By how much of itself the whole of norms and absolute values would have to be more, at
        most, so that slopes gain nothing from it: found by trying."""
        excess, owners = arb(0), self.groups or []
        for group, (root, weight, _) in self.grouped(slopes).items():
            corner = self.of_norms * weight * root
            ratios = [abs(g) / corner for row, own in zip(slopes, owners, strict=True) if own == group for g in row]
            excess = max(excess, _least_excess(ratios, self.of_sizes * weight / corner))
        return excess

    def _mixing(self, W: Ball, b: list[Ball]) -> list[tuple[Ball, Ball]]:
        """t and the entry of v for each output."""
        misses, (labels, share) = self._misses(W, b), self._labels()
        if self.softmax:
            t = _smallest_mixing(list(zip(misses, labels, strict=True)))
            v = [u - r * (1 - t) / t for r, u in zip(misses, labels, strict=True)]
            if not all(entry >= 0 for entry in v):
                t, v = arb(1), labels
            return [(t, entry) for entry in v]
        result = []
        for r, u, m in zip(misses, labels, share, strict=True):
            t = _smallest_mixing([(r, u), (-r, m - u)])
            v = (u - r * (1 - t) / t) / m
            if not (v >= 0 and v <= 1):
                t, v = arb(1), u / m
            result.append((t, v))
        return result

    def _misses(self, W: Ball, b: list[Ball]) -> list[Ball]:
        """For each output the weighted sum of predictions minus labels, over S."""
        misses = [arb(0)] * self.n_outputs
        for block in self.blocks():
            for i, (p, _) in enumerate(self.predictions(block, W, b)):
                for k, (pk, yk) in enumerate(zip(p, block.y[i], strict=True)):
                    misses[k] += block.weight[i] * block.takes_part(i, k) * (pk - yk)
        return [value / self.total_weight for value in misses]

    def _labels(self) -> tuple[list[Ball], list[Ball]]:
        """For each output the sum of the labels, and that of the weights of rows that take part;
        both over S."""
        labels, share = ([arb(0)] * self.n_outputs for _ in range(2))
        for block in self.blocks():
            for i, (s, y) in enumerate(zip(block.weight, block.y, strict=True)):
                for k in range(self.n_outputs):
                    if block.takes_part(i, k):
                        labels[k] += s * y[k]
                        share[k] += s
        total = self.total_weight
        return [u / total for u in labels], [m / total for m in share]

    def null(self) -> Ball:
        """The objective of the best intercept alone; without an intercept, that of all
        coefficients 0. Where it would be 0, since one class has all the weight, log 2."""
        if self.fit_intercept and self._is_certain():
            return arb(2).log()
        if self.offset is not None:
            return self._null_beside(self.offset)
        labels, share = self._labels()
        if self.softmax:
            return sum((_entropy_term(u) for u in labels), arb(0)) if self.fit_intercept else arb(self.n_outputs).log()
        if not self.fit_intercept:
            return sum(share, arb(0)) * arb(2).log()
        # The entropy of a share u of m, m times.
        return sum(
            (m * (_entropy_term(u / m) + _entropy_term(1 - u / m)) for u, m in zip(labels, share, strict=True)), arb(0)
        )

    def _null_beside(self, offset: Array) -> Ball:
        """The least objective of intercepts beside the offsets, or 1e-9 nats if that is more: what
        intercepts found in floats reach, and a lower bound, in one ball."""
        W, b = arb_mat(1, self.n_outputs), self._null_intercepts(offset)
        of_penalty: dict[str, Any] = {"scale": None, "penalty_weights": None, "groups": None, "C": 1.0, "l1_ratio": 0.0}
        of_penalty["bounds"] = None
        alone = replace(self, X=np.zeros((self.X.shape[0], 1)), **of_penalty)
        reached = alone.value(W, b)
        found = reached.union(alone.bound(W, b)) if self.fit_intercept else reached
        least = arb(_LEAST_BESIDE_OFFSETS)
        return found if found > least else least if found < least else found.union(least)

    def _null_intercepts(self, offset: Array) -> list[Ball]:
        """The best intercepts beside the offsets, found in floats."""
        weight = np.array([float(s) for block in self.blocks() for s in block.weight])
        y = np.array([[float(v) for v in row] for block in self.blocks() for row in block.y])

        def of_intercepts(b: Array) -> tuple[float, Array]:
            z = offset + b
            if self.softmax:
                return float(weight @ (logsumexp(z, axis=1) - (y * z).sum(axis=1))), weight @ (softmax(z, axis=1) - y)
            return float(weight @ (np.logaddexp(0, z) - y * z).sum(axis=1)), weight @ (expit(z) - y)

        if not self.fit_intercept:
            return [arb(0)] * self.n_outputs
        weight /= weight.sum()
        found = minimize(of_intercepts, np.zeros(self.n_outputs), jac=True, method="BFGS", options={"gtol": 1e-9})
        b = found.x
        for _ in range(_NULL_STEPS):  # from values that differ by rounding, by slopes
            p = softmax(offset + b, axis=1) if self.softmax else expit(offset + b)
            hessian = np.diag(weight @ p) - (p * weight[:, None]).T @ p
            curvature = hessian if self.softmax else np.diag(weight @ (p * expit(-offset - b)))
            step = np.linalg.lstsq(curvature, weight @ (p - y), rcond=1e-12)[0]
            if not np.abs(step).max() < 1.0:
                break
            b = b - step
        return [arb(each) for each in b.tolist()]

    def _is_certain(self) -> bool:
        """Whether each output has one label in all rows that count."""
        counts = self.weight > 0
        if self.factor is not None:
            counts &= np.array([bool(factor > 0) for factor in self.factors])[self.factor]
        y = self.y[counts]
        if self.softmax:
            return int((y != 0).any(axis=0).sum()) == 1
        takes_part = np.ones(y.shape, dtype=bool) if self.own is None else self.own[counts]
        return all(
            bool((own == 0).all() or (own == 1).all())
            for own in (y[takes_part[:, k], k] for k in range(self.n_outputs))
        )

    def margin(self, W: Ball, b: list[Ball]) -> Ball:
        """The smallest score by which a row of positive weight is on its right side; negative if a
        row is not.

        Labels that are not certainties have no side: with one of them the margin is minus 1.
        """
        smallest = arb("inf")
        for block in self.blocks():
            for i, z in enumerate(self._products(block, W, b)):  # beside growing scores offsets do not matter
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
        """`x_i W + b + o_i`."""
        products = self._products(block, W, b)
        if block.offset is None:
            return products
        return [[z + o for z, o in zip(*rows, strict=True)] for rows in zip(products, block.offset, strict=True)]

    def _products(self, block: Block, W: Ball, b: list[Ball]) -> list[list[Ball]]:
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
                own = [k for k in range(len(z)) if block.takes_part(i, k)]
                place = max(own, key=lambda k: z[k].mid())
                sums = sum(((z[k] - z[place]).exp() for k in own if k != place), arb(0))
                loss = sums.log1p() - sum((y[k] * (z[k] - z[place]) for k in own), arb(0))
            else:
                loss = arb(0)
                for k, (yk, zk) in enumerate(zip(y, z, strict=True)):
                    if block.takes_part(i, k):
                        # log(1 + e^z) - y z, with the sign that does not overflow and cancels
                        # nothing
                        loss += (-zk).exp().log1p() + (1 - yk) * zk if zk > 0 else zk.exp().log1p() - yk * zk
            yield block.weight[i], loss

    def predictions(self, block: Block, W: Ball, b: list[Ball]) -> Iterator[tuple[list[Ball], list[Ball]]]:
        """Probabilities of each row, and one minus them, for sigmoids without cancellation."""
        for i, z in enumerate(self.scores(block, W, b)):
            if self.softmax:
                top = max(zk.mid() for k, zk in enumerate(z) if block.takes_part(i, k))
                e = [(zk - top).exp() if block.takes_part(i, k) else arb(0) for k, zk in enumerate(z)]
                total = sum(e, arb(0))
                p = [ek / total for ek in e]
                yield p, [1 - pk for pk in p]
            else:
                yield [1 / (1 + (-zk).exp()) for zk in z], [1 / (1 + zk.exp()) for zk in z]


def _lower_end(ball: Ball) -> Ball:
    return ball.lower()


def _entropy_term(q: Ball) -> Ball:
    """`-q log q` of a probability, or 0, which is not above it, where the ball reaches down
    to 0."""
    return -q * q.log() if q > 0 else arb(0)


def _least_excess(ratios: list[Ball], corner: Ball) -> Ball:
    """No less than the e of 0 or more at which what is left of ratios beyond `(1 + e) corner` is no
    longer than `1 + e`: by Newton's method, which on a convex function stays below, and a little
    more."""
    excess = arb(0)
    for _ in range(_EXCESS_STEPS):
        left = [(ratio - (1 + excess) * corner).upper() for ratio in ratios]
        left = [each for each in left if each > 0]
        norm = sum((each * each for each in left), arb(0)).sqrt()
        above = norm - 1 - excess
        if above <= 0:
            return excess
        slope = 1 + corner * sum(left, arb(0)) / norm
        excess = (excess + above.upper() / slope * (1 + arb(2) ** -30) + 4 * above.rad()).upper()
    return arb("inf")


def _smallest_mixing(pairs: list[tuple[Ball, Ball]]) -> Ball:
    """An exact t, as small as may be, for which `u - r (1 - t) / t` is at least about u / 2 for all
    pairs (r, u)."""
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
    for g, product_row in zip(G, (X.transpose() * arb_mat(residuals)).tolist(), strict=True):
        for k, value in enumerate(product_row):
            g[k] += value
