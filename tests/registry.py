"""What there is of each kind: adding a loss, a penalty, a storage or a solver here adds its tests.

for name in LOSSES:
    loss, target = LOSSES[name](rng, n_rows)
X = REPRESENTATIONS[name](integers(rng, n, d), tmp_path);  dense twin: twin(name, dense)
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from scipy import sparse

from column_store import ColumnStore, ColumnStoreRows
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.penalties import L2, ElasticNet, GroupLasso, NoPenalty, Penalty, WeightedL2
from polytome.rows import ArrayRows, DeviceMatrix, SparseRows, Storage, TensorRows, as_rows
from polytome.solvers import LBFGS, GradientDescent, Newton, RowSpace, Solver, StochasticGradientDescent

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LossCase:
    """A loss with random targets for so many rows: every class occurs once n >= 3.

    Attributes:
        make: the loss and the targets.
        exact: the value and the gradient of one row, from scores and target as lists of mpmath
            numbers, one for each output that counts for it.
    """

    make: Callable[[np.random.Generator, int], tuple[Loss, Array]]
    exact: Callable[[list[Any], list[Any]], tuple[Any, list[Any]]]

    def __call__(self, rng: np.random.Generator, n: int) -> tuple[Loss, Array]:
        return self.make(rng, n)


def _exact_softmax(z: list[Any], y: list[Any]) -> tuple[Any, list[Any]]:
    grown = [mpmath.exp(a) for a in z]
    y = [t / mpmath.fsum(y) for t in y]  # a distribution, but for rounding
    value = mpmath.log(mpmath.fsum(grown)) - mpmath.fdot(z, y)
    return value, [e / mpmath.fsum(grown) - t for e, t in zip(grown, y, strict=True)]


def _exact_sigmoids(z: list[Any], y: list[Any]) -> tuple[Any, list[Any]]:
    grown = [mpmath.exp(a) for a in z]
    value = mpmath.fsum(mpmath.log(1 + e) for e in grown) - mpmath.fdot(z, y)
    return value, [e / (1 + e) - t for e, t in zip(grown, y, strict=True)]


def _exact_squared(z: list[Any], y: list[Any]) -> tuple[Any, list[Any]]:
    gradient = [a - t for a, t in zip(z, y, strict=True)]
    return mpmath.fsum(each**2 for each in gradient) / 2, gradient


LOSSES: dict[str, LossCase] = {
    "softmax": LossCase(lambda rng, n: (Softmax(3), rng.permutation(np.arange(n) % 3)), _exact_softmax),
    "softmax-soft": LossCase(lambda rng, n: (Softmax(3), rng.dirichlet(np.ones(3), n)), _exact_softmax),
    "softmax-two": LossCase(lambda rng, n: (Softmax(2), rng.permutation(np.arange(n) % 2)), _exact_softmax),
    "logistic": LossCase(lambda rng, n: (Logistic(), rng.permutation(np.arange(n) % 2)), _exact_sigmoids),
    "logistic-soft": LossCase(lambda rng, n: (Logistic(), rng.random(n)), _exact_sigmoids),
    "sigmoids": LossCase(
        lambda rng, n: (IndependentSigmoids(2), rng.permuted((np.arange(n) % 2)[:, None].repeat(2, 1), axis=0)),
        _exact_sigmoids,
    ),
    "sigmoids-soft": LossCase(lambda rng, n: (IndependentSigmoids(2), rng.random((n, 2))), _exact_sigmoids),
    "pairwise": LossCase(lambda rng, n: (PairwiseSigmoids(3), rng.permutation(np.arange(n) % 3)), _exact_sigmoids),
    "squared": LossCase(lambda rng, n: (Squared(), rng.normal(size=n)), _exact_squared),
    "squared-two": LossCase(lambda rng, n: (Squared(2), rng.normal(size=(n, 2))), _exact_squared),
}

# Those of weights are for four columns.
PENALTIES: dict[str, Penalty] = {
    "l2": L2(0.3),
    "l2-weak": L2(1e-6),
    "l2-weighted": WeightedL2(0.3, [1.0, 4.0, 0.25, 1e-3]),
    "l2-unpenalised": WeightedL2(0.3, [1.0, 0.0, 2.0, 0.0]),
    "none": NoPenalty(),
}

# Only the proximal Newton's method minimises these.
PENALTIES_WITH_REST: dict[str, Penalty] = {
    "elastic-net": ElasticNet(0.5, 0.4),
    "elastic-net-weighted": ElasticNet(0.5, 0.9, [1.0, 4.0, 0.25, 1e-3]),
    "elastic-net-unpenalised": ElasticNet(0.5, 0.2, [1.0, 0.0, 2.0, 0.0]),
    "lasso": ElasticNet(0.5, 1.0),
    "lasso-unpenalised": ElasticNet(0.5, 1.0, [1.0, 0.0, 2.0, 0.0]),
    "group-lasso": GroupLasso(0.5, 1.0, [0, 1, 1, 2]),
    "grouped-elastic-net-weighted": GroupLasso(0.5, 0.9, [7, 3, 3, 5], [4.0, 0.25, 0.25, 0.0]),
    "sparse-group-lasso": GroupLasso(0.5, 1.0, [0, 1, 1, 2], group_ratio=0.6),
    "sparse-grouped-elastic-net-weighted": GroupLasso(0.5, 0.9, [7, 3, 3, 5], [4.0, 0.25, 0.25, 0.0], 0.2),
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


def of_each(names: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Below `given`: each example goes through all of these as `name`.

    To draw an example takes longer than to look at it, so one is not drawn for each name again.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)
        drawn = signature.replace(parameters=[each for each in signature.parameters.values() if each.name != "name"])

        @wraps(test)
        def tests(*args: Any, **settings: Any) -> None:
            example = drawn.bind(*args, **settings).arguments
            for name in names:
                try:
                    test(name=name, **example)
                except Exception as error:
                    error.add_note(f"of {name!r}")
                    raise

        tests.__signature__ = drawn  # type: ignore[attr-defined]
        return tests

    return decorate


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

# Neither an array nor a sparse matrix: what else a child of `Storage` may hold.
OTHER: dict[str, Representation] = {"column-store": lambda dense, folder: ColumnStore(tuple(dense.T.copy()))}


def _on_device(dense: Array, dtype: str) -> DeviceMatrix:
    import torch

    return DeviceMatrix(torch.from_numpy(dense).to(getattr(torch, dtype)))


TENSORS: dict[str, Representation] = {}
if find_spec("torch") is not None:
    TENSORS = {
        "tensor": lambda dense, folder: _on_device(dense, "float64"),
        "tensor-bfloat16": lambda dense, folder: _on_device(dense, "bfloat16"),
    }

REPRESENTATIONS = DENSE | SPARSE
"""What estimators take as X."""


@dataclass(frozen=True)
class RowsCase:
    """What becomes of a matrix: its class, and how many blocks `many_blocks` of the tests cuts 403
    rows of it into."""

    kind: type[Storage]
    blocks: int
    as_rows: Callable[..., Storage] = as_rows


def _of_columns(X: Any, *args: Any, **settings: Any) -> Storage:
    return ColumnStoreRows.of(X, *args, **settings)


ROWS: dict[str, RowsCase] = {
    **{name: RowsCase(ArrayRows, 26) for name in DENSE},
    **{name: RowsCase(SparseRows, 1 if name.startswith("csc") else 6) for name in SPARSE},
    **{name: RowsCase(ColumnStoreRows, 26, _of_columns) for name in OTHER},
    **{name: RowsCase(TensorRows, 26) for name in TENSORS},
}
"""What the tests of rows go through: `ROWS[name].as_rows(STORED[name](dense, folder), target)`."""
STORED = REPRESENTATIONS | OTHER | TENSORS
