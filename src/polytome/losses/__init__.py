"""The losses: functions of scores and targets alone.

Conventions. `scores` is `X @ W + b`, shape (n, n_outputs), float64. `target` holds one entry or row
per row of scores (see each class). All values are in nats per row, unweighted. A loss never sees
features or coefficients.

The Hessian of every loss here, with respect to the scores of one row, is `diag(m) - u u'`.
`curvature` returns the two arrays, so that a solver can form products, diagonals or whole matrices
without knowing which loss it has.
"""

from polytome.losses.logistic import Logistic
from polytome.losses.loss import Loss
from polytome.losses.offset import WithOffset, labels_of, offset_of, with_offset
from polytome.losses.sigmoids import IndependentSigmoids
from polytome.losses.softmax import Softmax
from polytome.losses.squared import Squared

__all__ = [
    "IndependentSigmoids",
    "Logistic",
    "Loss",
    "Softmax",
    "Squared",
    "WithOffset",
    "labels_of",
    "offset_of",
    "with_offset",
]
