"""Every cross-entropy with labels of a dozen rows: codes, and probabilities where it takes them."""

from __future__ import annotations

import numpy as np

from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.losses.pairwise import PairwiseSigmoids

CODES = np.arange(12) % 3
SOFT = np.random.default_rng(0).dirichlet(np.ones(3), 12)
CROSS_ENTROPIES = [
    (Softmax(3), CODES),
    (Softmax(3), SOFT),
    (Logistic(), CODES % 2),
    (Logistic(), SOFT[:, 0]),
    (IndependentSigmoids(3), SOFT),
    (PairwiseSigmoids(3), CODES),
]
