"""What dual coordinate ascent does to one row: the best new prediction while all other rows keep theirs.

A row's dual variable is a prediction q, a distribution over the classes (or a probability for each output). With z the
scores of the row under the present coefficients and c how far they follow a change of q (`s_i ||x_i||^2 / (S lambda)`),
the new q maximises

    entropy(q) + <z, q> - c/2 ||q - q_old||^2

so that `log q + c q = z + c q_old - mu` for the softmax loss, mu making q sum to one, and `logit q + c q = z + c q_old`
for sigmoids. Predictions come and go as the scores u that give them (log q, logit q), in which nothing underflows.

References: Shalev-Shwartz and Zhang, Stochastic dual coordinate ascent methods for regularized loss minimization, JMLR
14, 2013; Yu, Huang and Lin, Dual coordinate descent methods for logistic regression and maximum entropy models, Machine
Learning 85, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics import log_softmax, sigmoid

Array = NDArray[Any]

__all__ = ["sigmoid_step", "softmax_step"]


def softmax_step(scores: Array, dual: Array, bend: Array) -> Array:
    """The logarithms of the best new distributions, shape (n, K): `l + c e^l = z + c e^u - mu`.

    Args:
        scores: z of each row, shape (n, K).
        dual: u, the logarithms of its present distribution, shape (n, K).
        bend: c of each row, shape (n,), zero or positive.

    Example:
        >>> u = np.log([[0.5, 0.5]])
        >>> np.exp(softmax_step(np.array([[1.0, 0.0]]), u, np.array([0.0]))).round(3)  # free to be softmax(z)
        array([[0.731, 0.269]])
        >>> np.exp(softmax_step(np.array([[1.0, 0.0]]), u, np.array([10.0]))).round(3)
        array([[0.542, 0.458]])
    """
    c = bend[:, None]
    wanted = scores + c * np.exp(dual)
    new = log_softmax(scores, axis=1)
    for _ in range(30):
        q = np.exp(new)
        off = new + c * q - wanted
        share = q / (1.0 + c * q)
        mu = (q.sum(axis=1) - 1.0 - (share * off).sum(axis=1)) / share.sum(axis=1)
        off += mu[:, None]
        step = -off / (1.0 + c * q)
        # A long step may bring up a class that hardly counted before.
        settled = (step.max(axis=1) <= 1.0) & ((q * np.abs(step)).sum(axis=1) <= 1e-4)
        # The left side is convex in l, so that a step to the right goes too far; log((wanted - l) / c) does as well,
        # and is the nearer of the two where the second term rules.
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.log1p(np.maximum(-off, 0.0) / (c * q))
        step = np.where((step > 1.0) & (bound < step), bound, step)
        new = np.minimum(new + step, 0.0)
        if settled.all():
            break
    return log_softmax(new, axis=1)


def sigmoid_step(scores: Array, dual: Array, bend: Array) -> Array:
    """The log-odds of the best new probabilities, shape (n, n_outputs): `u + c sigmoid(u) = z + c sigmoid(u_old)`.

    Newton's method between bounds that close in on the one solution, halving them where it does not pay.

    Args:
        scores: z of each row, shape (n, n_outputs).
        dual: u_old, the log-odds of its present probabilities, shape (n, n_outputs).
        bend: c of each row, shape (n,), zero or positive.

    Example:
        >>> u = sigmoid_step(np.array([[3.0]]), np.array([[0.0]]), np.array([8.0]))
        >>> round(float(u[0, 0] + 8 * sigmoid(u)[0, 0]), 9)  # 3 + 8 sigmoid(0)
        7.0
    """
    c, q = bend[:, None], sigmoid(dual)
    low, high = scores - c * sigmoid(-dual), scores + c * q
    u, before = np.clip(dual, low, high), np.inf
    for _ in range(100):
        now = sigmoid(u)
        off = u + c * (now - q) - scores
        low, high = np.where(off < 0, u, low), np.where(off > 0, u, high)
        newton = u - off / (1.0 + c * now * sigmoid(-u))
        pays = (np.abs(off) <= 0.5 * before) & (newton >= low) & (newton <= high)
        there = np.where(pays, newton, 0.5 * (low + high))
        moved = np.abs(there - u).max()
        u, before = there, np.abs(off)
        if not moved > 1e-6:
            break
    return u
