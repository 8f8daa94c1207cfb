"""Rows that are a torch tensor: they stay on their device, and are added up there.

A pass that stands in the one table below is made in torch, block by block; products in the rows'
precision, everything else and all sums in float64. Any other pass moves one block at a time to the
host, where its definition is computed as for any rows. torch is imported when a tensor comes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import DataError, DataTypeError, MissingExtraError
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.passes import (
    Block,
    CentredSums,
    Columns,
    CurvatureSums,
    Derivatives,
    HessianOfScores,
    HessianProduct,
    Pass,
    RowSquares,
    Scores,
    Sums,
    Traces,
    ValueAndGradient,
)
from polytome.rows.arrays import block_rows
from polytome.rows.blocks import Facts, Storage
from polytome.rows.sparse import csr_parts
from polytome.threads import kept

Array = NDArray[Any]
Tensor = Any
"""A torch tensor: the package can be imported without torch."""

__all__ = ["DeviceMatrix", "TensorRows", "csr_tensor", "on_host", "without_library"]

_DEVICE_BLOCK_BYTES = 2**27  # on a device each call takes as long as reading some megabytes
_MAX_BLOCK_ROWS = 2**15
_CPU = 1  # what DLPack calls the processor


@dataclass(frozen=True, eq=False)
class DeviceMatrix:
    """A tensor of two dimensions, dense or CSR, as `TensorRows` holds it.

    What is asked for by an index comes as NumPy or SciPy have it; `take` leaves it on the device.

    Attributes:
        tensor: without gradients.
    """

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n_rows, n_features = self.tensor.shape
        return int(n_rows), int(n_features)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    @kept
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the entries; float32 holds those of bfloat16."""
        name = str(self.tensor.dtype).removeprefix("torch.")
        return np.dtype("float32" if name == "bfloat16" else name)

    @property
    def is_sparse(self) -> bool:
        """Whether it is CSR."""
        return "sparse" in str(self.tensor.layout)

    @property
    def n_entries(self) -> int:
        """Entries that are stored."""
        return int(self.tensor.values().numel() if self.is_sparse else self.tensor.numel())

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        tensor = self.tensor
        parts = [tensor.values(), tensor.col_indices(), tensor.crow_indices()] if self.is_sparse else [tensor]
        return sum(int(part.numel()) * int(part.element_size()) for part in parts)

    def __getitem__(self, chosen: Any) -> Any:
        return on_host(self.take(chosen).tensor)

    def take(self, chosen: Any) -> DeviceMatrix:
        """Some of the rows, by a slice or by their numbers, on the same device."""
        tensor = self.tensor
        if not self.is_sparse:
            return DeviceMatrix(tensor[chosen if isinstance(chosen, slice) else _numbers(chosen, tensor.device)])
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(len(self))
            bounds = tensor.crow_indices()[start : stop + 1] if step == 1 else None
            if bounds is not None:
                own = slice(int(bounds[0]), int(bounds[-1]))
                parts = bounds - bounds[0], tensor.col_indices()[own], tensor.values()[own]
                return DeviceMatrix(csr_tensor(*parts, (stop - start, self.shape[1])))
            chosen = np.arange(start, stop, step)
        numbers = _numbers(chosen, tensor.device)
        starts, lengths = tensor.crow_indices()[:-1][numbers], tensor.crow_indices().diff()[numbers]
        bounds = _torch().cat([lengths.new_zeros(1), lengths.cumsum(0)])
        shifted = (starts - bounds[:-1]).repeat_interleave(lengths)
        places = shifted + _torch().arange(int(bounds[-1]), device=tensor.device, dtype=shifted.dtype)
        parts = bounds, tensor.col_indices()[places], tensor.values()[places]
        return DeviceMatrix(csr_tensor(*parts, (len(numbers), self.shape[1])))


def without_library(X: Any) -> Any:
    """X as rows hold it, where another library's array is its owner; everything else as it is.

    A dense tensor that lies where NumPy can read it becomes an array that shares its memory; others
    become a `DeviceMatrix`. So do arrays of other libraries that speak DLPack.

    Raises:
        DataError: it has not two dimensions.
        DataTypeError: its entries are not real numbers.
        MissingExtraError: it lies on a device, and torch is not installed.

    Example:
        >>> without_library([[1.0]])
        [[1.0]]
    """
    if isinstance(X, np.ndarray | DeviceMatrix):
        return X
    if type(X).__module__.partition(".")[0] == "torch" and hasattr(X, "detach"):
        return _of_tensor(X.detach())
    shape = getattr(X, "shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 2 and hasattr(X, "__dlpack__")):
        return X
    if int(X.__dlpack_device__()[0]) == _CPU:
        try:
            return np.from_dlpack(X)
        except (BufferError, RuntimeError, TypeError):
            return X
    try:
        import torch
    except ImportError as error:
        name = f"{type(X).__module__}.{type(X).__name__}"
        raise MissingExtraError(
            f'X is {name} on a device, where torch computes: pip install "polytome[torch]"'
        ) from error
    return _of_tensor(torch.from_dlpack(X))


def _of_tensor(tensor: Tensor) -> Any:
    """A tensor without gradients as an array, or as a matrix on its device."""
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_complex() or tensor.is_quantized or name.startswith("float8"):
        raise DataTypeError(f"X is a tensor of {name}: give real numbers, as X.float()")
    if tensor.dim() != 2:
        raise DataError(f"X is a tensor of {tensor.dim()} dimensions: give one of two, (rows, columns)")
    if "sparse" in str(tensor.layout):
        coalesced = tensor.coalesce() if "coo" in str(tensor.layout) else tensor
        return DeviceMatrix(coalesced if "csr" in str(tensor.layout) else coalesced.to_sparse_csr())
    if tensor.device.type == "cpu" and name != "bfloat16":
        return tensor.numpy(force=True)
    return DeviceMatrix(tensor)


def on_host(values: Any) -> Any:
    """A tensor, or a `DeviceMatrix`, as an array, or as a SciPy matrix if it is CSR; everything
    else as it is.

    Example:
        >>> on_host([1, 2])
        [1, 2]
    """
    if isinstance(values, DeviceMatrix):
        return on_host(values.tensor)
    if not (type(values).__module__.partition(".")[0] == "torch" and hasattr(values, "detach")):
        return values
    tensor = values.detach()
    if "sparse" in str(tensor.layout):
        parts = (tensor.values(), tensor.col_indices(), tensor.crow_indices())
        return sparse.csr_matrix(tuple(map(on_host, parts)), shape=tuple(tensor.shape))
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy(force=True)


def _numbers(chosen: Array, device: Any) -> Tensor:
    """The numbers of rows as a tensor."""
    numbers = np.asarray(chosen)
    wanted = np.flatnonzero(numbers) if numbers.dtype == np.bool_ else numbers.astype(np.int64)
    return _torch().from_numpy(wanted).to(device)


def csr_tensor(bounds: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A CSR tensor, made without torch's warning about such tensors."""
    with warnings.catch_warnings():  # "Sparse CSR tensor support is in beta state"
        warnings.simplefilter("ignore")
        return _torch().sparse_csr_tensor(bounds, columns, values, shape)


@dataclass(frozen=True)
class TensorRows(Storage):
    """Rows of a `DeviceMatrix`.

    Sums are added in the order of the blocks, whose size depends on the device. On a processor the
    same sums have the same bits for one number of torch's threads.

    Example:
        >>> issubclass(TensorRows, Storage)
        True
    """

    @property
    def is_sparse(self) -> bool:
        """Whether blocks are sparse."""
        matrix: DeviceMatrix = self.X
        return matrix.is_sparse

    @property
    @kept
    def facts(self) -> Facts:
        """What is known of them without reading them."""
        matrix: DeviceMatrix = self.X
        lengths = [part.stop - part.start for part in self._parts()]
        return Facts(
            n_rows=self.n_rows,
            n_features=self.n_features,
            is_sparse=self.is_sparse,
            n_entries=matrix.n_entries,
            dtype=matrix.dtype,
            entry_bytes=max(1, matrix.nbytes // max(matrix.n_entries, 1)),
            n_blocks=len(lengths),
            largest_block=max(lengths),
            n_threads=self.n_threads,
            is_resident=True,
        )

    def parts(self) -> list[slice]:
        """Slices as of arrays and of sparse matrices; longer ones where a device is to be kept
        busy."""
        if self.is_sparse:
            return csr_parts(self.n_rows, self.n_features, self.X.n_entries)
        size = block_rows(self.n_features, self.precision)
        if self.X.tensor.device.type != "cpu":
            size = min(max(_DEVICE_BLOCK_BYTES // (self.precision.itemsize * self.n_features), size), _MAX_BLOCK_ROWS)
        return [slice(start, min(start + size, self.n_rows)) for start in range(0, self.n_rows, size)]

    def pick(self, chosen: Array | slice) -> Block:
        """The chosen rows, on the host."""
        return Block(self.X[chosen], self.precision, self.target[chosen], self.weight[chosen])

    def subset(self, chosen: Array, weight: Array) -> Self:
        """A copy of the chosen rows under new weights, on the device."""
        return replace(self, X=self.X.take(chosen), target=self.target[chosen], weight=weight, ends=())

    def reduce(self, a_pass: Pass) -> Sums:
        """The result of a pass for all rows: in torch where the table has it, else block by block
        on the host."""
        twin = _TWINS.get(type(a_pass))
        if twin is None or not twin.suits(a_pass, self):
            return super().reduce(a_pass)
        with _torch().no_grad():
            return _added_up((twin.of_block(a_pass, block) for block in self._tensors()), a_pass.joined)

    def _tensors(self) -> Iterator[TensorBlock]:
        """The blocks on the device."""
        parts = self._parts()
        for place, part in enumerate(parts):
            X, back = self._products[place] if self.is_sparse else (self._converted(part), None)
            yield TensorBlock(X, back, self._targets[part], self._weights[part])

    def _converted(self, part: slice) -> Tensor:
        """Some of the rows in the precision of the products, where that is computed."""
        tensor = self.X.take(part).tensor
        return _moved(tensor, self._exact_device if self._is_exact else tensor.device, self._dtype)

    @property
    @kept
    def _products(self) -> list[tuple[Tensor, Tensor]]:
        """Of sparse rows each block, and its transpose, both by row: then no sum depends on the
        order of threads."""
        blocks = [self._converted(part) for part in self._parts()]
        return [(block, _transposed(block)) for block in blocks]

    @property
    def _is_exact(self) -> bool:
        """Whether products are in float64, as also where torch is allowed to shorten those of
        float32."""
        return self.precision == np.float64 or _torch().get_float32_matmul_precision() != "highest"

    @property
    def _dtype(self) -> Any:
        return _torch().float64 if self._is_exact else _torch().float32

    @property
    def _exact_device(self) -> Any:
        """Where float64 is computed: on the device, or on the processor where that has none."""
        device = self.X.tensor.device
        return _torch().device("cpu") if device.type == "mps" else device

    @property
    @kept
    def _targets(self) -> Tensor:
        target = self.target
        wide = np.ascontiguousarray(target, dtype=np.int64 if target.dtype.kind in "iub" else np.float64)
        return _torch().from_numpy(wide).to(self._exact_device)

    @property
    @kept
    def _weights(self) -> Tensor:
        weight = np.array(self.weight, dtype=np.float64)
        return _torch().from_numpy(weight).to(self._exact_device)


class TensorBlock(NamedTuple):
    """A few rows on their device.

    Attributes:
        X: in the precision of the products.
        back: the transpose of X where it is sparse, by row; None where X itself is transposed.
        target: on the device where float64 is computed.
        weight: likewise.
    """

    X: Tensor
    back: Tensor | None
    target: Tensor
    weight: Tensor

    def tensor(self, values: Array) -> Tensor:
        """Numbers in float64, where that is computed."""
        return _torch().from_numpy(np.ascontiguousarray(values, dtype=np.float64)).to(self.weight.device)

    def times(self, coefficients: Tensor) -> Tensor:
        """X times coefficients, the product in its precision, in float64."""
        return _like(self.X @ _like(coefficients, self.X), self.weight)

    def transposed_times(self, residuals: Tensor) -> Tensor:
        """The transpose of X times residuals."""
        back = self.X.t() if self.back is None else self.back
        return _like(back @ _like(residuals, self.X), self.weight)

    def scores(self, raw: Array) -> Tensor:
        """Scores in float64."""
        coefficients = self.tensor(raw)
        if not raw[:-1].any():
            return coefficients[-1].repeat(len(self.weight), 1)
        return self.times(coefficients[:-1]) + coefficients[-1]

    def standardised(self, columns: Columns) -> Tensor:
        """The standardised columns in the precision of the products."""
        shift, scale = (_like(self.tensor(part), self.X) for part in (columns.shift, columns.scale))
        return (self.X - shift) * scale

    def with_intercept(self, columns: Columns, fit_intercept: bool) -> Tensor:
        """The same in float64, and the intercept's column last."""
        X = _like(self.standardised(columns), self.weight)
        return _torch().cat([X, X.new_full((len(X), 1), float(fit_intercept))], dim=1)


class _LossTwin(NamedTuple):
    """A loss in torch: of scores and targets the value and the gradient of each row; and the `m`
    and `u` of its Hessian `diag(m) - u u'`."""

    value_and_gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    curvature: Callable[[Tensor], tuple[Tensor, Tensor | None]]


def _softmax_value(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """As `Softmax.value_and_gradient`: no form cancels, however certain the prediction."""
    shifted = scores - scores.amax(dim=1, keepdim=True)
    exponentials = shifted.exp()
    if target.dim() == 2:
        total, likeliest = exponentials.sum(dim=1), exponentials == 1.0
        likeliest &= likeliest.cumsum(dim=1) == 1
        value = exponentials.masked_fill(likeliest, 0.0).sum(dim=1).log1p() - (target * shifted).sum(dim=1)
        return value, exponentials / total[:, None] - target
    own_place = target[:, None]
    own = exponentials.gather(1, own_place)[:, 0]
    exponentials.scatter_(1, own_place, 0.0)
    others = exponentials.sum(dim=1)
    total = others + own
    value = _torch().where(own == 1.0, others.log1p(), total.log() - shifted.gather(1, own_place)[:, 0])
    exponentials.scatter_(1, own_place, -others[:, None])
    exponentials /= total[:, None]
    return value, exponentials


def _softmax_curvature(scores: Tensor) -> tuple[Tensor, Tensor | None]:
    p = _torch().softmax(scores, dim=1)
    return p, p


def _sigmoids_value(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """As `IndependentSigmoids.value_and_gradient`."""
    target = target.reshape(scores.shape).to(scores.dtype)
    absent, tail = 1.0 - target, scores.abs().neg().exp().log1p()
    value = (target * (-scores).clamp(min=0) + absent * scores.clamp(min=0) + tail).sum(dim=1)
    return value, absent * scores.sigmoid() - target * (-scores).sigmoid()


def _sigmoids_curvature(scores: Tensor) -> tuple[Tensor, Tensor | None]:
    return scores.sigmoid() * (-scores).sigmoid(), None


def _squared_value(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    residual = scores - target.reshape(scores.shape)
    return (residual * residual).sum(dim=1) / 2, residual


def _squared_curvature(scores: Tensor) -> tuple[Tensor, Tensor | None]:
    return scores.new_ones(scores.shape), None


_LOSSES: Mapping[type, _LossTwin] = {
    IndependentSigmoids: _LossTwin(_sigmoids_value, _sigmoids_curvature),
    Logistic: _LossTwin(_sigmoids_value, _sigmoids_curvature),
    Softmax: _LossTwin(_softmax_value, _softmax_curvature),
    Squared: _LossTwin(_squared_value, _squared_curvature),
}
"""The losses that have a twin in torch."""


def _value_and_gradient(a_pass: ValueAndGradient, block: TensorBlock) -> tuple[Tensor, ...]:
    value, residual = _LOSSES[type(a_pass.loss)].value_and_gradient(block.scores(a_pass.raw), block.target)
    residual *= block.weight[:, None]
    gradient = _torch().cat([block.transposed_times(residual), residual.sum(dim=0, keepdim=True)])
    return block.weight @ value, gradient


def _derivatives(a_pass: Derivatives, block: TensorBlock) -> tuple[Tensor, ...]:
    """Each output's `X' diag(m_k) X`, less the Gram matrix of the rows `u_i (x) x_i`."""
    torch, twin = _torch(), _LOSSES[type(a_pass.loss)]
    X = block.with_intercept(a_pass.columns, a_pass.fit_intercept)
    scores = block.scores(a_pass.columns.to_raw(a_pass.W))
    value, residual = twin.value_and_gradient(scores, block.target)
    gradient = X.t() @ (residual * block.weight[:, None])
    m, u = twin.curvature(scores)
    weights = block.weight[:, None] * m.clamp(min=0.0)
    blocks = torch.stack([(X * each[:, None]).t() @ X for each in weights.t()])
    if u is not None:
        rows = ((u * block.weight.sqrt()[:, None])[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        blocks = (torch.block_diag(*blocks) - rows.t() @ rows)[None]
    return block.weight @ value, gradient, blocks


def _hessian_product(a_pass: HessianProduct, block: TensorBlock) -> tuple[Tensor, ...]:
    m, u = _LOSSES[type(a_pass.loss)].curvature(block.scores(a_pass.raw))
    change = block.scores(a_pass.direction)
    product = m * change
    if u is not None:
        product -= u * (u * change).sum(dim=1, keepdim=True)
    product *= block.weight[:, None]
    return block.transposed_times(product), product.sum(dim=0)


def _hessian_of_scores(weight: Tensor, m: Tensor, u: Tensor | None) -> Tensor:
    hessian = (weight @ m).diag()
    if u is None:
        return hessian
    rooted = u * weight.sqrt()[:, None]
    return hessian - rooted.t() @ rooted


def _traces_of(m: Tensor, u: Tensor | None) -> Tensor:
    trace = m.sum(dim=1) if u is None else m.sum(dim=1) - (u * u).sum(dim=1)
    return trace.clamp(min=0.0)


def _traces(a_pass: Traces, block: TensorBlock) -> tuple[Tensor, ...]:
    return (_traces_of(*_LOSSES[type(a_pass.loss)].curvature(block.scores(a_pass.raw))),)


def _intercept_hessian(a_pass: HessianOfScores, block: TensorBlock) -> tuple[Tensor, ...]:
    curvature = _LOSSES[type(a_pass.loss)].curvature(block.scores(a_pass.raw))
    return (_hessian_of_scores(block.weight, *curvature),)


def _curvature_sums(a_pass: CurvatureSums, block: TensorBlock) -> tuple[Tensor, ...]:
    m, u = _LOSSES[type(a_pass.loss)].curvature(block.scores(a_pass.raw))
    curvature = block.weight[:, None] * (m if u is None else m - u * u)
    X = block.standardised(a_pass.columns)
    means = X.t() @ _like(curvature, X)
    X *= _like((block.weight * _traces_of(m, u)).sqrt(), X)[:, None]
    gram, means = (_like(each, block.weight) for each in (X.t() @ X, means))
    return gram, means, curvature.sum(dim=0), _hessian_of_scores(block.weight, m, u)


def _centred_sums(a_pass: CentredSums, block: TensorBlock) -> tuple[Tensor, ...]:
    centred = _like(block.X, block.weight) - block.tensor(a_pass.near)
    return block.weight @ centred, block.weight @ (centred * centred), block.weight.sum()


def _row_squares(a_pass: RowSquares, block: TensorBlock) -> tuple[Tensor, ...]:
    X = _like(block.standardised(a_pass.columns), block.weight)
    return ((X * X).sum(dim=1),)


class _Twin(NamedTuple):
    """What torch offers for one kind of pass: which rows it suits, and how it is made of a
    block."""

    suits: Callable[[Any, TensorRows], bool]
    of_block: Callable[[Any, TensorBlock], tuple[Tensor, ...]]


def _always(a_pass: Pass, rows: TensorRows) -> bool:
    return True


def _is_dense(a_pass: Pass, rows: TensorRows) -> bool:
    return not rows.is_sparse


def _knows_loss(a_pass: Any, rows: TensorRows) -> bool:
    return type(a_pass.loss) in _LOSSES


def _dense_and_known(a_pass: Any, rows: TensorRows) -> bool:
    return _is_dense(a_pass, rows) and _knows_loss(a_pass, rows)


_TWINS: Mapping[type, _Twin] = {
    CentredSums: _Twin(_is_dense, _centred_sums),
    CurvatureSums: _Twin(_dense_and_known, _curvature_sums),
    Derivatives: _Twin(_dense_and_known, _derivatives),
    HessianOfScores: _Twin(_knows_loss, _intercept_hessian),
    HessianProduct: _Twin(_knows_loss, _hessian_product),
    RowSquares: _Twin(_is_dense, _row_squares),
    Scores: _Twin(_always, lambda a_pass, block: (block.scores(a_pass.raw),)),
    Traces: _Twin(_knows_loss, _traces),
    ValueAndGradient: _Twin(_knows_loss, _value_and_gradient),
}
"""What torch offers; every other pass moves one block at a time to the host."""


def _added_up(results: Iterator[tuple[Tensor, ...]], joined: int) -> Sums:
    """As `passes.added_up`, on the device; the sums leave it once."""
    totals: list[Tensor] = []
    pieces: list[list[Tensor]] = []
    for result in results:
        last = len(result) - joined
        if not (totals or pieces):
            totals, pieces = [term.clone() for term in result[:last]], [[term] for term in result[last:]]
            continue
        for total, term in zip(totals, result[:last], strict=True):
            total += term
        for piece, term in zip(pieces, result[last:], strict=True):
            piece.append(term)
    return tuple(on_host(term) for term in (*totals, *map(_torch().cat, pieces)))


def _like(values: Tensor, other: Tensor) -> Tensor:
    """Values of the type and on the device of another tensor."""
    return _moved(values, other.device, other.dtype)


def _moved(values: Tensor, device: Any, dtype: Any) -> Tensor:
    """Values on another device and of another type, which the device that they leave need not
    have."""
    if values.device.type == "cpu":
        return values.to(dtype).to(device)
    return values.to(device).to(dtype)


def _transposed(block: Tensor) -> Tensor:
    """The transpose of a CSR tensor, as CSR."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return block.t().to_sparse_csr()


def _torch() -> Any:
    """The library, which a tensor has brought."""
    import torch

    return torch
