"""What a model was trained on and with: the facts that a report or a page needs once the data are
gone.

A record holds sums and extremes, never a row, and is saved in the model file. `sources.fit_source`
and the command `polytome train` make one; `fit` alone does not, since reading the data again takes
time: call `record_training`.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome._version import __version__
from polytome.errors import DataError
from polytome.evaluation.metrics import class_codes, one_label_each
from polytome.evaluation.settled import (
    centre_bounds,
    centred_lengths,
    cost_of_change,
    most_changes,
    prediction_rounding,
    score_radius,
    settled_scores,
)
from polytome.models.fitted import certificate_of, refuse_without_classes
from polytome.models.fitted_source import DividedBy, TrainingRecord
from polytome.numerics.totals import class_totals

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted
    from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["data_hash", "record_streamed_training", "record_training"]

_BLOCK_ENTRIES = 2**21
_BLOCK_ROWS = 2**14


def record_training(
    model: Fitted,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    source: str | None = None,
    notes: tuple[str, ...] = (),
    command: str | None = None,
    test_fraction: float | None = None,
    seed: int | None = None,
    n_test_rows: int = 0,
    seconds: float = np.nan,
    divided_by: DividedBy | None = None,
) -> TrainingRecord:
    """Read the data of a fit again and record the facts about it.

    Args:
        model: fitted on these data. It is left as it is; assign the record to `model.training_` to
            keep it in its file.
        X: features as given to `fit`, shape (n, d).
        y: labels as given to `fit`, shape (n,).
        sample_weight: as given to `fit`.
        source: this and the other arguments as in `TrainingRecord`.
        notes: as in `TrainingRecord`.
        command: as in `TrainingRecord`.
        test_fraction: as in `TrainingRecord`.
        seed: as in `TrainingRecord`.
        n_test_rows: as in `TrainingRecord`.
        seconds: as in `TrainingRecord`.
        divided_by: as in `TrainingRecord`.

    Raises:
        ArgumentError: the model has no classes.
        DataError: X does not suit the model, or y does not hold one of its classes for each row.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = np.array([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0]]), ["no", "yes", "yes"]
        >>> record = record_training(LogisticRegression().fit(X, y), X, y)
        >>> record.class_counts, record.mean, record.constant
        (array([1, 2]), array([1., 7.]), array([1]))
    """
    # These import scikit-learn, which reading a model file does not need.
    from polytome.models.features import checked_rows
    from polytome.models.labels import Labels, class_weights, row_weights

    refuse_without_classes(model, "a record of training counts the rows of each class")
    # What is proved of predictions is proved of one distribution for each row, and that is what
    # these losses learn.
    certificate = certificate_of(model)
    is_proved = certificate is not None and model.objective_.loss in ("softmax", "logistic")
    log_probabilities = model.predict_log_proba(X) if is_proved else None
    X = checked_rows(model, X)
    y = one_label_each(y, X.shape[0])
    codes = class_codes(y, model.classes_)
    if (codes < 0).any():
        row = int(np.argmin(codes))
        raise DataError(
            f"y holds {y[row : row + 1].tolist()[0]!r} in row {row}, which is not one of the model's classes"
        )
    low, mean, high, deviation = _extremes(X)
    constant = np.flatnonzero(low == high).astype(np.int64)
    weight = row_weights(sample_weight, len(codes))
    weight = class_weights(vars(model).get("class_weight"), Labels(model.classes_, codes), weight)
    divisor, penalised = _divisors(model, X, weight)
    could_change, bounds = None, np.zeros((0, 0))
    if log_probabilities is not None:
        could_change, bounds = _settle(model, X, codes, log_probabilities, weight, mean, divisor, penalised)
    return TrainingRecord(
        source=source,
        data_sha256=data_hash(X, y),
        n_rows=int(X.shape[0]),
        class_counts=class_totals(codes, np.broadcast_to(1.0, len(codes)), len(model.classes_)).astype(np.int64),
        notes=tuple(notes),
        low=low,
        mean=mean,
        high=high,
        constant=constant,
        duplicates=_duplicates(X, constant),
        divisor=divisor,
        could_change=could_change,
        centre_bounds=bounds,
        command=command,
        test_fraction=test_fraction,
        seed=seed,
        n_test_rows=n_test_rows,
        versions=_versions(),
        seconds=seconds,
        deviation=deviation,
        divided_by=divided_by,
    )


def record_streamed_training(
    model: Fitted, table: StreamedTable, *, command: str | None = None, seconds: float = np.nan
) -> TrainingRecord:
    """The same of rows that stay in their files: one more reading, of sparse rows three; and those
    that deviations take, where columns are divided by them.

    What it says of the data is what the record of the same rows in memory says. How many
    predictions could change is not looked at.

    Args:
        model: fitted on these rows.
        table: the rows, as `polytome.open_rows` gave them.
        command: as in `TrainingRecord`.
        seconds: as in `TrainingRecord`.
    """
    from polytome.models.labels import Labels, class_weights

    labels = Labels(table.classes, table.codes)
    weight = class_weights(vars(model).get("class_weight"), labels, table.weights)
    found = (_sparse_columns if table.X.is_sparse else _dense_columns)(table)
    constant = np.flatnonzero(found.low == found.high).astype(np.int64)
    return TrainingRecord(
        source=table.name,
        data_sha256=found.sha256,
        n_rows=table.n_rows,
        class_counts=table.class_counts,
        notes=table.notes,
        low=found.low,
        mean=np.clip(found.mean, found.low, found.high),
        high=found.high,
        constant=constant,
        duplicates=_equal_columns(found.keys, constant),
        divisor=_divisors(model, table.X, weight)[0],
        could_change=None,
        centre_bounds=np.zeros((0, 0)),
        command=command,
        test_fraction=table.test_fraction,
        seed=table.seed,
        n_test_rows=0 if table.test is None else table.test.n_rows,
        versions=_versions(),
        seconds=seconds,
        deviation=_deviation(found.squares, found.mean - found.centre, table.n_rows, constant),
    )


class _Columns(NamedTuple):
    """What readings of a stream tell of its columns: extremes, the sum of squares around a centre,
    the hash of all, and a key that equal ones share."""

    low: Array
    mean: Array
    high: Array
    squares: Array
    centre: Array
    sha256: str
    keys: list[bytes]


def _dense_columns(table: StreamedTable) -> _Columns:
    """The columns of dense rows: one reading."""
    X = table.X
    digest = hashlib.sha256(_header(X, "dense"))
    hashes = [hashlib.blake2b(digest_size=16) for _ in range(X.n_features)]
    low, high, mean = np.full(X.n_features, np.inf), np.full(X.n_features, -np.inf), np.zeros(X.n_features)
    squares, centre = np.zeros(X.n_features), np.zeros(X.n_features)
    for number, (_, piece) in enumerate(X.pieces(range(len(X.parts)))):
        centre = piece[0].astype(np.float64) if number == 0 else centre
        squares += _squares(piece, centre)
        low, high = np.minimum(low, piece.min(axis=0)), np.maximum(high, piece.max(axis=0))
        mean += piece.sum(axis=0) / table.n_rows
        digest.update(_bytes(piece))
        _update_hashes(hashes, piece)
    _update_labels(digest, table)
    return _Columns(low, mean, high, squares, centre, digest.hexdigest(), [each.digest() for each in hashes])


def _sparse_columns(table: StreamedTable) -> _Columns:
    """The columns of sparse rows: three readings, since the hash of all takes in lengths of rows,
    places and values one after the other."""
    X, everything = table.X, range(len(table.X.parts))
    low, high, mean = np.full(X.n_features, np.inf), np.full(X.n_features, -np.inf), np.zeros(X.n_features)
    random, sums, end = np.random.default_rng(0), np.zeros((X.n_features, 2)), 0
    squares = np.zeros(X.n_features)
    digest = hashlib.sha256(_header(X, "sparse"))
    digest.update(_bytes(np.zeros(1, dtype=np.int64)))
    for _, piece in X.pieces(everything):
        squares += np.asarray(piece.multiply(piece).sum(axis=0)).ravel()
        low = np.minimum(low, piece.min(axis=0).toarray().ravel())
        high = np.maximum(high, piece.max(axis=0).toarray().ravel())
        mean += np.asarray(piece.sum(axis=0)).ravel() / table.n_rows
        digest.update((end + piece.indptr[1:].astype(np.int64)).astype("<i8").tobytes())
        end += int(piece.indptr[-1])
        # Equal columns have equal sums, to the last bit, and others hardly ever.
        sums += piece.T @ random.random((piece.shape[0], 2))
    for _, piece in X.pieces(everything):
        digest.update(piece.indices.astype("<i8").tobytes())
    for _, piece in X.pieces(everything):
        digest.update(_bytes(piece.data))
    _update_labels(digest, table)
    centre = np.zeros(X.n_features)
    return _Columns(low, mean, high, squares, centre, digest.hexdigest(), [key.tobytes() for key in sums])


def _update_labels(digest: Any, table: StreamedTable) -> None:
    """Take in the labels as JSON has them, a few at a time."""
    for start in range(0, table.n_rows, _BLOCK_ROWS):
        some = json.dumps(table.classes[table.codes[start : start + _BLOCK_ROWS]].tolist())[1:-1]
        digest.update(f"{', ' if start else '['}{some}".encode())
    digest.update(b"]")


def _divisors(model: Fitted, X: Any, weight: Array) -> tuple[Array, Array]:
    """What each feature was divided by before the penalty looked at its coefficient, and whether it
    has a penalty."""
    from polytome.models.features import divisors_of, feature_scale
    from polytome.models.offsets import offset_places
    from polytome.models.penalty_weights import penalty_weights_of
    from polytome.rows import rows_of

    divisor, penalised = np.ones(X.shape[1]), np.ones(X.shape[1])
    if "scale" in vars(model):  # neurons have no penalty
        if isinstance(model.scale, str):
            divisor = 1 / feature_scale(model, rows_of(X, np.broadcast_to(0.0, X.shape[0]), weight), X).columns.scale
        else:  # no column's deviation matters, which would take two readings
            divisor = divisors_of(model.scale, divisor)
        weights = penalty_weights_of(model, X.shape[1])
        certificate = certificate_of(model)
        if weights is not None and not (certificate is not None and certificate.strength == 0):
            penalised = np.sign(weights)
            divisor = divisor * np.sqrt(np.where(weights > 0, weights, 1.0))
        penalised[list(offset_places(model))] = 0.0
    return divisor, penalised


def _header(X: Any, storage: str) -> bytes:
    """What a hash of features begins with: how they are stored, their type and their shape."""
    dtype = np.dtype(X.dtype)
    return f"{storage} {dtype.kind}{dtype.itemsize} {tuple(X.shape)}\n".encode()


def data_hash(X: Any, y: Any) -> str:
    """SHA-256 of features and labels: equal for equal numbers of the same type, on every machine
    and in any layout.

    Args:
        X: shape (n, d); an array, or a sparse matrix, of which the entries that are not zero count.
        y: labels, shape (n,).

    Returns:
        64 hexadecimal digits.

    Example:
        >>> X = np.array([[0.0, 1.0], [2.0, 3.0]])
        >>> data_hash(X, [0, 1]) == data_hash(np.asfortranarray(X), [0, 1]) != data_hash(X, [1, 0])
        True
    """
    digest = hashlib.sha256(_header(X, "sparse" if sparse.issparse(X) else "dense"))
    if sparse.issparse(X):
        rows = _canonical(X, "csr")
        for part in (rows.indptr.astype("<i8"), rows.indices.astype("<i8"), rows.data):
            digest.update(_bytes(part))
    else:
        for block in _blocks(X):
            digest.update(_bytes(block))
    digest.update(json.dumps(np.asarray(y).tolist()).encode())
    return digest.hexdigest()


def _settle(
    model: Fitted,
    X: Any,
    codes: Array,
    log_probabilities: Array,
    weight: Array,
    mean: Array,
    divisor: Array,
    penalised: Array,
) -> tuple[int | None, Array]:
    """What the certificate proves about predictions, while the training rows are available; see
    `polytome.evaluation.settled`."""
    from polytome.models.predictions import dense_coefficients

    certificate, formula = model.certificate_, model.objective_
    budget = certificate.gap * formula.total_weight
    proved = certificate.kind == "proof" and not certificate.is_of_separation and np.isfinite(budget)
    rounding = prediction_rounding(dense_coefficients(model), model.intercept_, X)
    losses = -log_probabilities[np.arange(len(codes)), codes]
    if not proved or not _is_of_fit(model, losses, weight, rounding, divisor, penalised):
        return None, np.zeros((0, 0))
    # Where a coefficient can be anywhere, only what divergences cost is known.
    if not (penalised.all() and np.isfinite(certificate.coefficient_bound)):
        return most_changes(cost_of_change(log_probabilities, rounding), weight, budget), np.zeros((0, 0))
    radius = score_radius(certificate.coefficient_bound, model.coef_.shape[0])
    reach = radius * centred_lengths(X, mean if formula.fit_intercept else np.zeros_like(mean), divisor)
    bounds = np.zeros((len(model.classes_),) * 2)
    if formula.fit_intercept:
        bounds = centre_bounds(log_probabilities, reach, weight, budget, rounding)
    cost = np.empty(len(reach))
    for start in range(0, len(reach), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        settled = settled_scores(log_probabilities[part], reach[part], bounds, rounding[part])
        cost[part] = np.where(settled, np.inf, cost_of_change(log_probabilities[part], rounding[part]))
    return most_changes(cost, weight, budget), bounds


def _is_of_fit(model: Fitted, losses: Array, weight: Array, rounding: Array, divisor: Array, penalised: Array) -> bool:
    """Whether rows with these losses and weights give the objective of the fit: if not, its rows
    had their own weights, soft labels, or were others."""
    certificate, total = model.certificate_, model.objective_.total_weight
    if not np.isclose(weight.sum(), total, rtol=1e-9):
        return False
    penalty = certificate.modulus / 2 * np.sum(penalised * (model.coef_ * divisor) ** 2)
    if certificate.l1_ratio > 0:
        from polytome.models.fitted_source import source_of
        from polytome.models.groups import group_ratio_of, groups_of
        from polytome.models.penalty_weights import penalty_weights_of

        weights = penalty_weights_of(model, model.n_features_in_)
        roots = penalised if weights is None else np.sqrt(weights)  # the divisor has the other one
        corners = certificate.strength * certificate.l1_ratio * roots
        groups = groups_of(model, model.n_features_in_, source_of(model).encoder)
        sizes, of_norms = np.sum(corners * np.abs(model.coef_ * divisor)), group_ratio_of(model)
        if groups is None:
            penalty += sizes
        else:
            squares = np.bincount(groups, ((corners * model.coef_ * divisor) ** 2).sum(axis=0))
            penalty += of_norms * np.sqrt(np.bincount(groups) * squares).sum() + (1 - of_norms) * sizes
    off = weight @ rounding / total + certificate.rounding + 1e-9 * (certificate.objective + certificate.null_objective)
    return bool(abs(weight @ losses / total + penalty - certificate.objective) <= off)


def _extremes(X: Any) -> tuple[Array, Array, Array, Array]:
    """Smallest value, mean, largest value and standard deviation of each column, float64."""
    n_rows, n_features = X.shape
    squares, centre = np.zeros(n_features), np.zeros(n_features)
    if sparse.issparse(X):
        columns = _canonical(X, "csc").astype(np.float64)
        low, high = (found.toarray().ravel() for found in (columns.min(axis=0), columns.max(axis=0)))
        mean = np.asarray(columns.sum(axis=0)).ravel() / n_rows
        squares = np.asarray(columns.multiply(columns).sum(axis=0)).ravel()
        return low, np.clip(mean, low, high), high, _deviation(squares, mean, n_rows, low == high)
    low, high, mean = np.full(n_features, np.inf), np.full(n_features, -np.inf), np.zeros(n_features)
    for number, block in enumerate(_blocks(X)):
        numbers = block.astype(np.float64)
        centre = numbers[0] if number == 0 else centre
        squares += _squares(numbers, centre)
        low, high = np.minimum(low, numbers.min(axis=0)), np.maximum(high, numbers.max(axis=0))
        mean += numbers.sum(axis=0) / n_rows
    return low, np.clip(mean, low, high), high, _deviation(squares, mean - centre, n_rows, low == high)


def _squares(block: Array, centre: Array) -> Array:
    """The sum of squares of each column around a row of the data, which cancels less than around
    zero."""
    distance = block - centre
    with np.errstate(over="ignore"):
        found: Array = np.einsum("ij,ij->j", distance, distance)
    return found


def _deviation(squares: Array, mean: Array, n_rows: int, constant: Array) -> Array:
    """The standard deviation of each column from its sum of squares and its mean around the same
    centre; of a constant column exactly zero, beyond the range of float64 the largest number."""
    with np.errstate(over="ignore", invalid="ignore"):
        variance = np.maximum(squares / n_rows - mean**2, 0.0)
    variance[constant] = 0.0
    found: Array = np.nan_to_num(np.sqrt(variance), nan=np.finfo(np.float64).max)
    return found


def _duplicates(X: Any, constant: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of equal columns, found by a 128-bit hash of each; constant columns are left out."""
    return _equal_columns(_column_hashes(X), constant)


def _equal_columns(keys: list[bytes], constant: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of columns with equal keys, but for constant ones: the first such column, and
    another."""
    first_with: dict[bytes, int] = {}
    skipped = set(constant.tolist())
    pairs = []
    for column, digest in enumerate(keys):
        if column not in skipped and (first := first_with.setdefault(digest, column)) != column:
            pairs.append((first, column))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _column_hashes(X: Any) -> list[bytes]:
    """One hash for each column, in one reading of the rows."""
    if sparse.issparse(X):
        columns = _canonical(X, "csc")
        ends = columns.indptr.tolist()
        return [
            hashlib.blake2b(columns.indices[start:end].tobytes() + columns.data[start:end].tobytes()).digest()
            for start, end in pairwise(ends)
        ]
    hashes = [hashlib.blake2b(digest_size=16) for _ in range(X.shape[1])]
    for block in _blocks(X):
        _update_hashes(hashes, block)
    return [digest.digest() for digest in hashes]


def _update_hashes(hashes: list[Any], block: Array) -> None:
    """Take in the next rows of each column."""
    cells = np.ascontiguousarray(block.T)
    for digest, column in zip(hashes, cells + np.zeros((), cells.dtype), strict=True):  # -0.0 becomes 0.0
        digest.update(column)


def _canonical(X: Any, layout: str) -> Any:
    """A sparse matrix in canonical form; the caller's is unchanged."""
    matrix = X.asformat(layout, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _blocks(X: Array) -> Iterator[Array]:
    """The rows of an array, a few megabytes at a time."""
    size = max(1, _BLOCK_ENTRIES // max(X.shape[1], 1))
    for start in range(0, X.shape[0], size):
        yield X[start : start + size]


def _bytes(numbers: Array) -> bytes:
    """Numbers row after row, little-endian."""
    return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes()


_installed = cache(version)  # which searches the path and reads all that a package says of itself


def _versions() -> dict[str, str]:
    """What a fit depends on."""
    libraries = {name: _installed(name) for name in ("numpy", "scipy", "scikit-learn")}
    return {"polytome": __version__, **libraries, "python": platform.python_version()}
