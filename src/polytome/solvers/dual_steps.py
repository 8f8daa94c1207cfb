"""What dual coordinate ascent does to one row: the best new prediction while all other rows keep
theirs.

A row's dual variable is a prediction q, a distribution over the classes (or a probability for each
output). With z the scores of the row under the present coefficients and c how far they follow a
change of q (`s_i ||x_i||^2 / (S lambda)`), the new q maximises

    entropy(q) + <z, q> - c/2 ||q - q_old||^2

so that `log q + c q = z + c q_old - mu` for the softmax loss, mu making q sum to one, and
`logit q + c q = z + c q_old` for sigmoids. Predictions come and go as the scores u that give them
(log q, logit q), in which nothing underflows.

References: Shalev-Shwartz and Zhang, Stochastic dual coordinate ascent methods for regularized loss
minimization, JMLR 14, 2013; Yu, Huang and Lin, Dual coordinate descent methods for logistic
regression and maximum entropy models, Machine Learning 85, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics import log_softmax, sigmoid

Array = NDArray[Any]

__all__ = ["sigmoid_step", "softmax_step"]


def softmax_step(scores: Array, dual: Array, curvature: Array) -> Array:
    """The logarithms of the best new distributions, shape (n, K): `l + c e^l = z + c e^u - mu`.

    Args:
        scores: z of each row, shape (n, K).
        dual: u, the logarithms of its present distribution, shape (n, K).
        curvature: c of each row, shape (n,), zero or positive.

    Example:
        >>> u = np.log([[0.5, 0.5]])
        >>> np.exp(softmax_step(np.array([[1.0, 0.0]]), u, np.array([0.0]))).round(3)  # free to be softmax(z)
        array([[0.731, 0.269]])
        >>> np.exp(softmax_step(np.array([[1.0, 0.0]]), u, np.array([10.0]))).round(3)
        array([[0.542, 0.458]])
    """
    c = curvature[:, None]
    right_side = scores + c * np.exp(dual)
    log_q = log_softmax(scores, axis=1)
    for _ in range(30):
        q = np.exp(log_q)
        residual = log_q + c * q - right_side
        inverse_slope = q / (1.0 + c * q)
        mu = (q.sum(axis=1) - 1.0 - (inverse_slope * residual).sum(axis=1)) / inverse_slope.sum(axis=1)
        residual += mu[:, None]
        step = -residual / (1.0 + c * q)
        # A long step may raise a class that hardly counted before.
        settled = (step.max(axis=1) <= 1.0) & ((q * np.abs(step)).sum(axis=1) <= 1e-4)
        # The left side is convex in l, so that a step to the right goes too far; log((right_side -
        # l) / c) does as well, and is the nearer of the two where the second term rules.
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.log1p(np.maximum(-residual, 0.0) / (c * q))
        step = np.where((step > 1.0) & (bound < step), bound, step)
        log_q = np.minimum(log_q + step, 0.0)
        if settled.all():
            break
    return log_softmax(log_q, axis=1)


def sigmoid_step(scores: Array, dual: Array, curvature: Array) -> Array:
    """The log odds of the best new probabilities, shape (n, n_outputs):
    `u + c sigmoid(u) = z + c sigmoid(u_old)`.

    Newton's method between bounds that close in on the one solution, which are bisected where it
    does not converge fast.

    Args:
        scores: z of each row, shape (n, n_outputs).
        dual: u_old, the log odds of its present probabilities, shape (n, n_outputs).
        curvature: c of each row, shape (n,), zero or positive.

    Example:
        >>> u = sigmoid_step(np.array([[3.0]]), np.array([[0.0]]), np.array([8.0]))
        >>> round(float(u[0, 0] + 8 * sigmoid(u)[0, 0]), 9)  # 3 + 8 sigmoid(0)
        7.0
    """
    c, q = curvature[:, None], sigmoid(dual)
    lower, upper = scores - c * sigmoid(-dual), scores + c * q
    u, last_residual = np.clip(dual, lower, upper), np.inf
    for _ in range(100):
        p = sigmoid(u)
        residual = u + c * (p - q) - scores
        lower, upper = np.where(residual < 0, u, lower), np.where(residual > 0, u, upper)
        newton = u - residual / (1.0 + c * p * sigmoid(-u))
        newton_helps = (np.abs(residual) <= 0.5 * last_residual) & (newton >= lower) & (newton <= upper)
        next_u = np.where(newton_helps, newton, 0.5 * (lower + upper))
        change = np.abs(next_u - u).max()
        u, last_residual = next_u, np.abs(residual)
        if not change > 1e-6:
            break
    return u
