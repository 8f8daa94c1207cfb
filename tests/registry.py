"""What there is of each kind: adding a loss, a penalty, a storage or a solver here adds its tests.

for name in LOSSES:
    loss, target = LOSSES[name](rng, n_rows)
X = REPRESENTATIONS[name](integers(rng, n, d), tmp_path);  dense twin: twin(name, dense)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.penalties import L2, NoPenalty, Penalty, WeightedL2
from polytome.solvers import LBFGS, GradientDescent, Newton, RowSpace, Solver, StochasticGradientDescent

Array = np.ndarray[Any, Any]

# A loss, and random targets for it: every class occurs once n >= 3.
LOSSES: dict[str, Callable[[np.random.Generator, int], tuple[Loss, Array]]] = {
    "softmax": lambda rng, n: (Softmax(3), rng.permutation(np.arange(n) % 3)),
    "softmax-soft": lambda rng, n: (Softmax(3), rng.dirichlet(np.ones(3), n)),
    "softmax-two": lambda rng, n: (Softmax(2), rng.permutation(np.arange(n) % 2)),
    "logistic": lambda rng, n: (Logistic(), rng.permutation(np.arange(n) % 2)),
    "logistic-soft": lambda rng, n: (Logistic(), rng.random(n)),
    "sigmoids": lambda rng, n: (IndependentSigmoids(2), rng.permuted((np.arange(n) % 2)[:, None].repeat(2, 1), axis=0)),
    "sigmoids-soft": lambda rng, n: (IndependentSigmoids(2), rng.random((n, 2))),
    "pairwise": lambda rng, n: (PairwiseSigmoids(3), rng.permutation(np.arange(n) % 3)),
    "squared": lambda rng, n: (Squared(), rng.normal(size=n)),
    "squared-two": lambda rng, n: (Squared(2), rng.normal(size=(n, 2))),
}

# Those of weights are for four columns.
PENALTIES: dict[str, Penalty] = {
    "l2": L2(0.3),
    "l2-weak": L2(1e-6),
    "l2-weighted": WeightedL2(0.3, [1.0, 4.0, 0.25, 1e-3]),
    "l2-unpenalised": WeightedL2(0.3, [1.0, 0.0, 2.0, 0.0]),
    "none": NoPenalty(),
}

# Each is exact on every objective that has a minimum; the last two take many passes.
SOLVERS: dict[str, Solver] = {
    "newton": Newton(),
    "newton-sampled": Newton(sample=100),
    "lbfgs": LBFGS(),
    "lbfgs-short": LBFGS(memory=3, rebuild=()),
    "lbfgs-then-newton": LBFGS(then=Newton(), then_after=3),
    "row-space": RowSpace(Newton()),
    "gradient-descent": GradientDescent(),
    "sgd": StochasticGradientDescent(batch_size=32, decay=1e-3),
}

Representation = Callable[[Array, Path], Any]


def integers(rng: np.random.Generator, n: int, d: int) -> Array:
    """Whole numbers 0..9 as float64, about 60 % zeros: every numeric type holds them exactly."""
    return (rng.integers(1, 10, (n, d)) * (rng.random((n, d)) < 0.4)).astype(np.float64)


def twin(name: str, dense: Array) -> Array:
    """The float64 array that a representation of `dense` stands for."""
    return (dense > 0).astype(np.float64) if "bool" in name else dense


def _read_only(dense: Array, folder: Path) -> Array:
    X = dense.copy()
    X.flags.writeable = False
    return X


def _memory_map(dense: Array, folder: Path) -> Array:
    np.save(folder / "X.npy", dense)
    mapped: Array = np.load(folder / "X.npy", mmap_mode="r")
    return mapped


def _strided(dense: Array, folder: Path) -> Array:
    wide = np.full((2 * dense.shape[0], 3 * dense.shape[1]), np.nan)
    wide[::-2, ::3] = dense
    return wide[::-2, ::3]


def _csr(dense: Array, index: type = np.int32) -> Any:
    X = sparse.csr_matrix(dense)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def _unsorted(dense: Array, folder: Path) -> Any:
    X = sparse.csr_matrix(dense)
    for start, stop in zip(X.indptr, X.indptr[1:], strict=False):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    return sparse.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)


def _stored_twice(dense: Array, compressed: type) -> Any:
    """Each entry as the sum of two: one less than it, and one."""
    X = sparse.csr_matrix(dense) if compressed is sparse.csr_matrix else sparse.csc_matrix(dense)
    data = np.stack([X.data - 1, np.ones_like(X.data)], axis=1).ravel()
    return compressed((data, X.indices.repeat(2), 2 * X.indptr), shape=X.shape)


def _stored_zeros(dense: Array, folder: Path) -> Any:
    n, d = dense.shape
    return sparse.csr_matrix((dense.ravel(), np.tile(np.arange(d), n), np.arange(n + 1) * d), shape=dense.shape)


def _of_type(dtype: Any) -> Representation:
    return lambda dense, folder: dense.astype(dtype)


_INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">i4"]
_FLOATS = ["float16", "float32", "longdouble", ">f8"]

DENSE: dict[str, Representation] = {
    "c-order": lambda dense, folder: np.ascontiguousarray(dense),
    "fortran-order": lambda dense, folder: np.asfortranarray(dense),
    "read-only": _read_only,
    "memory-map": _memory_map,
    "strided": _strided,
    **{name: _of_type(name) for name in _FLOATS + _INTEGERS},
    "bool": lambda dense, folder: dense > 0,
}

SPARSE: dict[str, Representation] = {
    "csr-matrix": lambda dense, folder: sparse.csr_matrix(dense),
    "csr-array": lambda dense, folder: sparse.csr_array(dense),
    "csc-matrix": lambda dense, folder: sparse.csc_matrix(dense),
    "csc-array": lambda dense, folder: sparse.csc_array(dense),
    "coo-matrix": lambda dense, folder: sparse.coo_matrix(dense),
    "coo-array": lambda dense, folder: sparse.coo_array(dense),
    "csr-int64-index": lambda dense, folder: _csr(dense, np.int64),
    "csr-float32": lambda dense, folder: sparse.csr_matrix(dense.astype(np.float32)),
    "csr-int8": lambda dense, folder: sparse.csr_matrix(dense.astype(np.int8)),
    "csc-uint8": lambda dense, folder: sparse.csc_matrix(dense.astype(np.uint8)),
    "csr-bool": lambda dense, folder: sparse.csr_matrix(dense > 0),
    "csr-unsorted": _unsorted,
    "csr-stored-zeros": _stored_zeros,
    "csr-stored-twice": lambda dense, folder: _stored_twice(dense, sparse.csr_matrix),
    "csc-stored-twice": lambda dense, folder: _stored_twice(dense, sparse.csc_matrix),
}

REPRESENTATIONS = DENSE | SPARSE
