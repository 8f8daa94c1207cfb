"""The arithmetic of logistic and softmax regression: arrays in, arrays out.

Stable elementary functions, entropies and divergences, and the Jacobians of the softmax and of its
losses.
"""

from polytome.numerics.elementary import (
    log_sigmoid,
    log_softmax,
    logit,
    logsumexp,
    one_hot,
    sigmoid,
    softmax,
    softplus,
)
from polytome.numerics.entropies import (
    as_distributions,
    binary_cross_entropy,
    binary_cross_entropy_from_scores,
    cross_entropy,
    cross_entropy_from_scores,
    entropy,
    kl_divergence,
    looks_like_probabilities,
)
from polytome.numerics.jacobians import (
    cross_entropy_softmax_gradient,
    cross_entropy_softmax_layer_gradient,
    softmax_jacobian,
    softmax_jacobian_product,
    softmax_layer_jacobian,
    softmax_layer_jacobian_product,
    softmax_layer_transposed_jacobian_product,
)

__all__ = [
    "as_distributions",
    "binary_cross_entropy",
    "binary_cross_entropy_from_scores",
    "cross_entropy",
    "cross_entropy_from_scores",
    "cross_entropy_softmax_gradient",
    "cross_entropy_softmax_layer_gradient",
    "entropy",
    "kl_divergence",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "looks_like_probabilities",
    "one_hot",
    "sigmoid",
    "softmax",
    "softmax_jacobian",
    "softmax_jacobian_product",
    "softmax_layer_jacobian",
    "softmax_layer_jacobian_product",
    "softmax_layer_transposed_jacobian_product",
    "softplus",
]
