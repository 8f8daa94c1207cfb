"""Coefficients that go on learning from rows which are not kept.

    P(W) = sum_i s_i loss(x_i W, y_i) / S + penalty(W)     over the distinct rows i that have come

Two models of the rows that have gone, by the number of coefficients (`Quadratic`, `Steps`), and one
idea about rows that come again: when all of them do, in any order, that is a *pass*. Rows that come
again do not count twice; they make the model of them exact.

- Few coefficients: each batch leaves its second-order model, and the coefficients minimise the
  models of all batches. A pass sums the models at one point, so that its end is a Newton step.
- Many: steps of AdaGrad, their average, and from the second pass on the gradient of the last pass,
  which takes the noise out of the steps (SVRG).

References: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12, 2011; Johnson and Zhang,
Accelerating stochastic gradient descent using predictive variance reduction, NeurIPS 2013; Polyak
and Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30, 1992.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.curvature.hessian_factor import factor_hessian
from polytome.errors import DataError
from polytome.losses import Softmax
from polytome.numerics import softmax
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows
from polytome.rows.identities import Seen

Array = NDArray[Any]

__all__ = ["MOST_QUADRATIC", "Batch", "Pass", "Quadratic", "Running", "Steps"]

MOST_QUADRATIC = 1024
"""Most coefficients whose curvature is kept whole: 8 MiB of float64."""
_ROWS_PER_STEP = 100
_STEP = 0.15  # the first step of a coefficient, over the size of its column
_SCORE_STEP = 20.0  # the most that first steps move the scores of a row
_USUAL_ENTRIES = 10.0
_AVERAGE_POWER = 3  # the weight of a step in the average: the number of rows before it, to this power
_FIRST_SQUARES_OF_PASSES = 1e-2  # of those before: without its noise a gradient is that much smaller
_MISSED_ROWS = 20.0  # how many rows of a class must be overdue for it to be represented by its mean
_LARGEST_RATIO = 1e8  # of an entry to the rest of its column
_LARGEST_ENTRY = 1e100  # of a scaled column: its square, summed, stays within float64


@dataclass(frozen=True)
class Batch:
    """Rows as they come.

    Attributes:
        X: an array or CSR, divided by nothing.
        codes: the class of each row, in the order in which classes arrived.
        weight: of each row, positive.
        places: of each row in the data as given, for messages.
        identities: of each row, as from `identities`.
        scale: what each column is multiplied by.
        fit_intercept: whether there is an intercept.
        n_threads: threads that share the work.
    """

    X: Any
    codes: Array
    weight: Array
    places: Array
    identities: Array
    scale: Array
    fit_intercept: bool = True
    n_threads: int | None = None

    def objective(self, n_classes: int, rows: Array | slice = slice(None)) -> Objective:
        """The loss of some of the rows, without a penalty."""
        X: Any = self.X[rows]
        data = as_rows(X, self.codes[rows], self.weight[rows], n_threads=self.n_threads)
        columns = replace(data.columns, scale=self.scale)
        return Objective(Softmax(n_classes), NoPenalty(), data.with_columns(columns).at(np.float64), self.fit_intercept)

    def dense_or_sparse(self, rows: Array | slice) -> Any:
        """Some rows, scaled, in float64."""
        X: Any = self.X[rows]
        if _is_sparse(X):
            return sparse.csr_matrix(X.multiply(self.scale[None, :]), dtype=np.float64)
        return X.astype(np.float64) * self.scale


@dataclass(frozen=True)
class Pass:
    """Rows that come again: their sums at one point.

    Attributes:
        seen: the rows so far.
        anchor: coefficients, (n_features + 1, n_outputs).
        gradient: the sum of the gradients there, of the same shape.
        hessian: the sum of their Hessians, (size, size); (0, 0) where there are many coefficients.
    """

    seen: Seen
    anchor: Array
    gradient: Array
    hessian: Array


@dataclass(frozen=True)
class Quadratic:
    """The rows that have gone as `w' hessian w / 2 - linear' w`, coefficients ordered output by
    output.

    Attributes:
        hessian: shape (size, size).
        linear: shape (size,).
        gram: the weighted sum of x x', x with a 1 at its end, (n_features + 1, n_features + 1).
    """

    hessian: Array
    linear: Array
    gram: Array


@dataclass(frozen=True)
class Steps:
    """Stochastic steps, and sums that stand for rows that have gone.

    Attributes:
        iterate: coefficients after the last step.
        squares: sums of squared gradients, of the same shape.
        clock: rows that steps were made of.
        averaged: the same since the average began.
        entries: of each column, how many are not zero, (n_features + 1,).
        column_squares: of each column, the sum of its squares.
        class_sums: of each class and column, the weighted sum, (n_outputs, n_features + 1).
        last_seen: of each class, the clock when its last row came.
        anchor: coefficients at which the whole gradient is known; (0, 0) if it is at none.
        gradient: the mean gradient there.
    """

    iterate: Array
    squares: Array
    clock: float
    averaged: float
    entries: Array
    column_squares: Array
    class_sums: Array
    last_seen: Array
    anchor: Array = field(default_factory=lambda: np.zeros((0, 0)))
    gradient: Array = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Running:
    """All that is known of the rows that have come; a batch makes another one of it.

    Attributes:
        coefficients: of scaled columns, (n_features + 1, n_outputs), intercept last.
        class_weight: the weight of each class among the distinct rows, (n_outputs,).
        seen: the distinct rows.
        passes: how often all of them have come, but for the first time.
        model: of the rows that have gone.
        again: rows that are coming again, if there are any.
    """

    coefficients: Array
    class_weight: Array
    seen: Seen
    passes: int
    model: Quadratic | Steps
    again: Pass | None = None

    @classmethod
    def begin(cls, n_features: int) -> Running:
        """Before the first row: no classes yet."""
        side = n_features + 1
        empty: Array = np.zeros((side, 0))
        model = Quadratic(np.zeros((0, 0)), np.zeros(0), np.zeros((side, side)))
        if side > MOST_QUADRATIC:
            return cls(empty, np.zeros(0), Seen(), 0, _first_steps(empty))
        return cls(empty, np.zeros(0), Seen(), 0, model)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.coefficients) - 1

    @property
    def n_classes(self) -> int:
        """Number of classes of which rows have come."""
        return int(self.coefficients.shape[1])

    def grown(self, n_features: int, n_classes: int, fit_intercept: bool) -> Running:
        """With further columns, and further classes behind those that there are."""
        state = self
        if (n_features, n_classes) == (self.n_features, self.n_classes):
            return state
        if state.again is not None:
            state = state._refuted()
        is_few = (n_features + 1) * n_classes <= MOST_QUADRATIC
        if isinstance(state.model, Quadratic) and not is_few:
            state = replace(state, model=_steps_of(state))
        more = n_features - self.n_features
        if isinstance(state.model, Quadratic):
            quadratic = _wider_quadratic(state.model, self.n_classes, more)
            for K in range(self.n_classes, n_classes):
                quadratic = _with_class(quadratic, K, fit_intercept)
            model: Quadratic | Steps = quadratic
        else:
            model = _grown_steps(state.model, more, n_classes - self.n_classes)
        coefficients = _grown(state.coefficients, more, n_classes - self.n_classes)
        class_weight = np.append(self.class_weight, np.zeros(n_classes - self.n_classes))
        return replace(state, coefficients=coefficients, class_weight=class_weight, model=model)

    def after(self, batch: Batch, ridge: Array) -> Running:
        """With the rows of a batch.

        Args:
            batch: at least one row.
            ridge: the penalty of each column times the sum of the weights, (n_features + 1, 1), 0
                for the intercept.

        Raises:
            DataError: an entry is so large that it would be all that is left of its column.
        """
        _refuse_outliers(self, batch)
        known = self.seen.knows(batch.identities) if self.seen.n_rows else False
        comes_again = self.again is not None if known is None else known
        state = self._passed(batch, ridge) if comes_again else self._with_new(batch, ridge)
        ordered: Running = _in_order(state)
        return ordered

    def _with_new(self, batch: Batch, ridge: Array) -> Running:
        """With rows that never came before."""
        state = self if self.again is None else self._refuted()
        seen = state.seen.plus(batch.identities, batch.weight)
        totals = state.class_weight + np.bincount(batch.codes, batch.weight, state.n_classes)
        state = replace(state, seen=seen, class_weight=totals)
        return state._learned(batch, ridge) if state.n_classes > 1 else state._counted(batch)

    def _counted(self, batch: Batch) -> Running:
        """With rows of the only class there is yet: they teach nothing but what columns are."""
        if isinstance(self.model, Quadratic):
            return replace(self, model=replace(self.model, gram=self.model.gram + _gram(batch)))
        rows = np.arange(len(batch.codes))
        model = _with_columns(self.model, batch.dense_or_sparse(rows), batch, rows)
        return replace(self, model=replace(model, clock=model.clock + len(rows)))

    def _learned(self, batch: Batch, ridge: Array) -> Running:
        """With rows that are new."""
        if isinstance(self.model, Steps):
            return self._stepped(batch, ridge, counts=True)
        model, objective = self.model, batch.objective(self.n_classes)
        W, _, gradient, hessian = _minimum(model, objective, ridge, self.coefficients)
        linear = model.linear + hessian @ _flat(W) - _flat(gradient)
        model = Quadratic(model.hessian + hessian, linear, model.gram + _gram(batch))
        return replace(self, coefficients=W, model=model)

    def _passed(self, batch: Batch, ridge: Array) -> Running:
        """With rows that came before."""
        if self.n_classes == 1:
            return self
        if (again := self.again) is None:
            few = isinstance(self.model, Quadratic)
            size = self.coefficients.size if few else 0
            again = Pass(Seen(), self.coefficients, np.zeros_like(self.coefficients), np.zeros((size, size)))
        objective = batch.objective(self.n_classes)
        seen = again.seen.plus(batch.identities, batch.weight)
        if isinstance(self.model, Quadratic):
            _, gradient, blocks = objective.derivatives(again.anchor)
            hessian = again.hessian + blocks[0] * objective.total_weight
        else:
            (_, gradient), hessian = objective.value_and_gradient(again.anchor), again.hessian
        again = Pass(seen, again.anchor, again.gradient + gradient * objective.total_weight, hessian)
        state = replace(self, again=again)
        if isinstance(state.model, Steps):
            state = state._stepped(batch, ridge, counts=False)
        if seen.n_rows < self.seen.n_rows:
            return state if isinstance(state.model, Steps) else state._between(objective, ridge)
        state = state._completed() if seen.equals(self.seen) else state._refuted()
        if isinstance(state.model, Quadratic):
            return replace(state, coefficients=_solved(state.model, objective, ridge, state.coefficients))
        return state

    def _between(self, objective: Objective, ridge: Array) -> Running:
        """Coefficients in the middle of a pass: what has come again in the place of its share of
        the old model."""
        model, again = self.model, self.again
        assert isinstance(model, Quadratic)
        assert again is not None
        left = 1 - again.seen.weight / self.seen.weight
        newer = _model_of(again, model.gram)
        mixed = Quadratic(left * model.hessian + newer.hessian, left * model.linear + newer.linear, model.gram)
        return replace(self, coefficients=_solved(mixed, objective, ridge, self.coefficients))

    def _completed(self) -> Running:
        """After a whole pass."""
        again = self.again
        assert again is not None
        state = replace(self, again=None, passes=self.passes + 1)
        if isinstance(self.model, Quadratic):
            return replace(state, model=_model_of(again, self.model.gram))
        model = replace(self.model, anchor=again.anchor, gradient=again.gradient / self.seen.weight)
        if not self.model.anchor.size:
            model = replace(model, squares=model.squares * _FIRST_SQUARES_OF_PASSES)
        return replace(state, model=model)

    def _refuted(self) -> Running:
        """After rows that seemed to come again, and were others."""
        again = self.again
        assert again is not None
        state = replace(self, again=None, seen=self.seen.joined(again.seen))
        if isinstance(self.model, Quadratic):
            newer = _model_of(again, self.model.gram)
            model = self.model
            mixed = Quadratic(model.hessian + newer.hessian, model.linear + newer.linear, model.gram)
            return replace(state, model=mixed)
        return replace(state, model=replace(self.model, anchor=np.zeros((0, 0)), gradient=np.zeros((0, 0))))

    def _stepped(self, batch: Batch, ridge: Array, *, counts: bool) -> Running:
        """After steps along the gradients of a few rows each, in an order that the rows decide."""
        model, average = self.model, self.coefficients
        assert isinstance(model, Steps)
        order = np.argsort(batch.identities, kind="stable")
        for start in range(0, len(order), _ROWS_PER_STEP):
            rows = np.sort(order[start : start + _ROWS_PER_STEP])
            model, average = _step(self, model, average, batch, rows, ridge, counts)
        return replace(self, model=model, coefficients=average)


def _step(
    state: Running, model: Steps, average: Array, batch: Batch, rows: Array, ridge: Array, counts: bool
) -> tuple[Steps, Array]:
    """One step, and the average after it."""
    objective, weight = batch.objective(state.n_classes, rows), batch.weight[rows]
    if counts:
        model = _with_columns(model, batch.dense_or_sparse(rows), batch, rows)
    clock = model.clock + len(rows)
    present = np.bincount(batch.codes[rows], minlength=state.n_classes) > 0
    last_seen = np.where(present, clock, model.last_seen)
    # A row counts by its weight, as compared with the mean weight so far.
    share = state.seen.n_rows / state.seen.weight * float(weight.sum()) / len(rows)
    _, gradient = objective.value_and_gradient(model.iterate)
    if model.anchor.size:
        _, there = objective.value_and_gradient(model.anchor)
        gradient = (gradient - there) * share + model.gradient
    else:
        gradient = gradient * share
        shares = state.class_weight / state.class_weight.sum()
        missed = (shares * (clock - last_seen) >= _MISSED_ROWS) & (model.class_sums[:, -1] > 0)
        overdue = np.where(missed, shares, 0.0)
        if overdue.any():
            gradient = gradient * (1 - overdue.sum()) + _of_means(state, model, overdue, batch.fit_intercept)
    # Steps are those of centred columns: the intercept's is then the only one in the direction of the means.
    means = _column_means(model) if batch.fit_intercept else np.zeros(len(gradient) - 1)
    gradient[:-1] -= np.outer(means, gradient[-1])
    gradient += ridge / state.seen.weight * model.iterate
    squares = model.squares + gradient * gradient
    first = min(_STEP, _SCORE_STEP * model.entries[-1] / model.entries.sum())
    reach = (first / _sizes(model))[:, None]
    step = np.divide(reach * gradient, np.sqrt(squares), out=np.zeros_like(gradient), where=squares > 0)
    step[-1] -= means @ step[:-1]
    iterate = model.iterate - step
    averaged = model.averaged + len(rows)
    # The sum of t^p up to `averaged` is about averaged^(p + 1) / (p + 1).
    newest = min(1.0, (_AVERAGE_POWER + 1) * len(rows) / averaged)
    average = average + newest * (iterate - average)
    model = replace(model, iterate=iterate, squares=squares, clock=clock, averaged=averaged, last_seen=last_seen)
    return model, average


def _column_means(model: Steps) -> Array:
    """The weighted mean of each column."""
    sums = model.class_sums.sum(axis=0)
    means: Array = sums[:-1] / (sums[-1] or 1.0)
    return means


def _sizes(model: Steps) -> Array:
    """The root mean square of the entries of each column that are not 0, some entries of a usual
    column added: a few small ones say little about how large others will be."""
    found = model.entries > 0
    usual = np.median(model.column_squares[found] / model.entries[found])
    sizes: Array = np.sqrt((model.column_squares + _USUAL_ENTRIES * usual) / (model.entries + _USUAL_ENTRIES))
    return sizes


def _of_means(state: Running, model: Steps, shares: Array, fit_intercept: bool) -> Array:
    """The gradient of classes whose rows no longer come, from their means and the variance of the
    columns.

    Were the columns of a class independent and normal, this would be the gradient of a bound on its
    mean loss, `log sum_k exp(mean scores_k + variance of scores_k / 2)` with scores as compared with
    the class's own.
    """
    weight = model.class_sums[:, -1:]
    means = model.class_sums / np.where(weight > 0, weight, 1.0)
    mean_square = (weight * means * means).sum(axis=0) / weight.sum()
    variance = np.maximum(model.column_squares / model.entries[-1] - mean_square, 0.0)[:, None]
    gradient = np.zeros_like(model.iterate)
    for k in np.flatnonzero(shares):
        difference = model.iterate - model.iterate[:, [k]]
        # Beyond some hundreds all of the gradient is one class's; its size must stay finite.
        spread = np.minimum((variance * difference * difference).sum(axis=0) / 2, _MOST_SPREAD)
        p = softmax((means[k] @ difference + spread)[None, :], axis=1)[0]
        of_class = p * (means[k][:, None] + np.where(spread < _MOST_SPREAD, variance * difference, 0.0))
        of_class[:, k] = 0.0
        of_class[:, k] = -of_class.sum(axis=1)
        gradient += shares[k] * of_class
    if not fit_intercept:
        gradient[-1] = 0.0
    return gradient


_MOST_SPREAD = 100.0


def _with_columns(model: Steps, X: Any, batch: Batch, rows: Array) -> Steps:
    """With what further rows say about the columns, and the classes' parts of them."""
    weight, codes = batch.weight[rows], batch.codes[rows]
    squares, entries, _ = _column_sums(X)
    sums = model.class_sums.copy()
    for k in np.unique(codes):
        own = codes == k
        sums[k, :-1] += weight[own] @ X[own]
        sums[k, -1] += weight[own].sum()
    return replace(
        model,
        entries=model.entries + np.append(entries, len(rows)),
        column_squares=model.column_squares + np.append(squares, len(rows)),
        class_sums=sums,
    )


def _refuse_outliers(state: Running, batch: Batch) -> None:
    """Raises DataError for an entry beside which the rest of its column would count for nothing."""
    X = batch.dense_or_sparse(slice(None))
    with np.errstate(over="ignore", invalid="ignore"):
        squares, entries, largest = _column_sums(X, but_largest=True)
        if isinstance(state.model, Steps):
            old_squares, old_entries = state.model.column_squares[:-1], state.model.entries[:-1]
        else:
            mean_weight = state.seen.weight / max(state.seen.n_rows, 1)
            old_squares = state.model.gram.diagonal()[:-1] / (mean_weight or 1.0)
            old_entries = np.full(state.n_features, float(state.seen.n_rows))
        others, count = old_squares + squares, old_entries + entries
        typical = np.sqrt(np.divide(others, count, out=np.zeros_like(others), where=count > 0))
        beyond = (largest > _LARGEST_ENTRY) | ((typical > 0) & (largest > _LARGEST_RATIO * typical))
    if beyond.any():
        column = int(beyond.argmax())
        entries = batch.X[:, [column]]
        dense = np.asarray(entries.toarray() if _is_sparse(entries) else entries, dtype=np.float64).ravel()
        row = int(np.abs(dense).argmax())
        what = f"the other numbers in this column are about {typical[column] / batch.scale[column]:.2g}"
        if largest[column] > _LARGEST_ENTRY:
            what = f"numbers up to {_LARGEST_ENTRY:g} can be learned from"
        raise DataError(
            f"X[{int(batch.places[row])}, {column}] is {dense[row]:.6g}, and {what}: correct it, or leave the row out; "
            "nothing was learned from this batch"
        )


def _is_sparse(X: Any) -> bool:
    return bool(sparse.issparse(X))


def _column_sums(X: Any, *, but_largest: bool = False) -> tuple[Array, Array, Array]:
    """Of each column the sum of its squares, how many entries are not 0, and the largest magnitude;
    the first two of all entries but the largest, if that is asked for."""
    if _is_sparse(X):
        X = X.tocsr()
        largest = np.asarray(abs(X).max(axis=0).toarray(), dtype=np.float64).ravel()
        entries, columns = X.data, X.indices
    else:
        largest = np.abs(X).max(axis=0, initial=0.0)
        entries, columns = X, slice(None)
    counted = (np.abs(entries) < largest[columns]) if but_largest else True
    counted = counted & (entries != 0)
    squares = np.where(counted, entries * entries, 0.0)
    if _is_sparse(X):
        size = len(largest)
        return np.bincount(columns, squares, size), np.bincount(columns, counted, size).astype(np.float64), largest
    return squares.sum(axis=0), counted.sum(axis=0, dtype=np.float64), largest


def _in_order(record: Any) -> Any:
    """A record with all its arrays in C order, as a file has them: products depend on it in their
    last bits."""
    changed = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if isinstance(value, np.ndarray):
            changed[each.name] = np.ascontiguousarray(value)
        elif is_dataclass(value):
            changed[each.name] = _in_order(value)
    return replace(record, **changed)


def _first_steps(coefficients: Array) -> Steps:
    side, n_outputs = coefficients.shape
    columns, classes = np.zeros(side), np.zeros((n_outputs, side))
    return Steps(coefficients, np.zeros_like(coefficients), 0.0, 0.0, columns, columns, classes, np.zeros(n_outputs))


def _steps_of(state: Running) -> Steps:
    """Steps that go on from a quadratic model, as if they had made it."""
    model, W = state.model, state.coefficients
    assert isinstance(model, Quadratic)
    if not state.seen.n_rows:
        return _first_steps(W)
    diagonal = model.hessian.diagonal().reshape(W.T.shape).T
    n_rows, squares = float(state.seen.n_rows), model.gram.diagonal() * state.seen.n_rows / state.seen.weight
    # The mean square of a gradient is about the curvature; a step's is that of the mean of some rows.
    return Steps(
        W,
        diagonal / _ROWS_PER_STEP**2,
        n_rows,
        n_rows,
        np.full(len(W), n_rows),
        squares,
        model.gram[-1:] if W.shape[1] == 1 else np.zeros(W.T.shape),
        np.full(W.shape[1], n_rows),
    )


def _grown(W: Array, columns: int, classes: int) -> Array:
    """With zeros for further columns, before the intercept, and for further classes."""
    wider = np.insert(W, [len(W) - 1] * columns, 0.0, axis=0)
    return np.concatenate([wider, np.zeros((len(wider), classes))], axis=1)


def _grown_steps(model: Steps, columns: int, classes: int) -> Steps:
    at = [len(model.entries) - 1] * columns
    last_seen = np.append(model.last_seen, np.full(classes, model.clock))
    sums = np.insert(model.class_sums, at, 0.0, axis=1)
    return Steps(
        _grown(model.iterate, columns, classes),
        _grown(model.squares, columns, classes),
        model.clock,
        0.0 if classes else model.averaged,
        np.insert(model.entries, at, 0.0),
        np.insert(model.column_squares, at, 0.0),
        np.concatenate([sums, np.zeros((classes, sums.shape[1]))]),
        last_seen,
    )


def _wider_quadratic(model: Quadratic, n_classes: int, columns: int) -> Quadratic:
    """With further columns, which were 0 in all rows that have gone."""
    side = len(model.gram)
    if not columns:
        return model
    H = model.hessian.reshape(n_classes, side, n_classes, side)
    at = [side - 1] * columns
    H = np.insert(np.insert(H, at, 0.0, axis=1), at, 0.0, axis=3)
    size = n_classes * (side + columns)
    linear = np.insert(model.linear.reshape(n_classes, side), at, 0.0, axis=1).ravel()
    gram = np.insert(np.insert(model.gram, at, 0.0, axis=0), at, 0.0, axis=1)
    return Quadratic(H.reshape(size, size), linear, gram)


def _with_class(model: Quadratic, K: int, fit_intercept: bool) -> Quadratic:
    """With one more class than K, which none of the rows that have gone belongs to.

    They are modelled as if each class had been as likely to them as any other: the model of their
    loss at coefficients that are all zero.
    """
    side = len(model.gram)
    hessian, linear = np.zeros((K + 1, side, K + 1, side)), np.zeros((K + 1, side))
    hessian[:K, :, :K] = model.hessian.reshape(K, side, K, side)
    linear[:K] = model.linear.reshape(K, side)
    if K:
        q, direction = 1 / (K + 1), np.append(np.full(K, -1 / K), 1.0)
        gram, sums = model.gram.copy(), model.gram[-1].copy()
        if not fit_intercept:
            gram[-1] = gram[:, -1] = sums[-1] = 0.0
        hessian += q * (1 - q) * np.einsum("k,l,ij->kilj", direction, direction, gram)
        linear -= q * np.outer(direction, sums)
    return Quadratic(hessian.reshape((K + 1) * side, -1), linear.ravel(), model.gram)


def _model_of(again: Pass, gram: Array) -> Quadratic:
    """The second-order model of rows at one point."""
    return Quadratic(again.hessian, again.hessian @ _flat(again.anchor) - _flat(again.gradient), gram)


def _flat(W: Array) -> Array:
    """Coefficients in the order of a Hessian: output by output."""
    return W.T.ravel()


def _gram(batch: Batch) -> Array:
    """The weighted sum of x x', x with a 1 at its end."""
    X = batch.dense_or_sparse(slice(None))
    X = np.column_stack([X.toarray() if _is_sparse(X) else X, np.ones(len(batch.codes))])
    gram: Array = (X * batch.weight[:, None]).T @ X
    return gram


_MOST_ITERATIONS, _MOST_HALVINGS = 50, 40


def _minimum(model: Quadratic, objective: Objective, ridge: Array, W: Array) -> tuple[Array, float, Array, Array]:
    """Coefficients that minimise the model of old rows, the loss of new ones and the penalty, by
    Newton's method; and the loss of the new rows there, its gradient and Hessian, all as sums."""
    for _ in range(_MOST_ITERATIONS):
        value, gradient, blocks = objective.derivatives(W)
        total = objective.total_weight
        value, gradient, hessian = value * total, gradient * total, blocks[0] * total
        pulled, here = _gradient(model, ridge, W), value + _value(model, ridge, W)
        slope = gradient + pulled
        step = factor_hessian(objective, _full(model, hessian, ridge)).solve(slope)
        decrement = float(np.vdot(slope, step))
        if not decrement > 1e-6 * total:
            break
        size = 1.0
        for _ in range(_MOST_HALVINGS):
            trial = objective.loss.canonical(W - size * step)
            there, _ = objective.value_and_gradient(trial)
            if there * total + _value(model, ridge, trial) <= here - 1e-4 * size * decrement:
                break
            size /= 2
        else:
            break
        W = trial
    return W, value, gradient, hessian


def _solved(model: Quadratic, objective: Objective, ridge: Array, W: Array) -> Array:
    """Coefficients that minimise the model and the penalty."""
    factor = factor_hessian(objective, _full(model, np.zeros_like(model.hessian), ridge))
    for _ in range(2):  # the second takes away what rounding and the factor's ridge have left
        W = W - factor.solve(_gradient(model, ridge, W))
    return objective.loss.canonical(W)


def _full(model: Quadratic, hessian: Array, ridge: Array) -> Array:
    H = model.hessian + hessian
    H.reshape(-1)[:: len(H) + 1] += np.tile(ridge[:, 0], len(H) // len(ridge))
    return H[None]


def _gradient(model: Quadratic, ridge: Array, W: Array) -> Array:
    flat = model.hessian @ _flat(W) - model.linear
    gradient: Array = flat.reshape(W.T.shape).T + ridge * W
    return gradient


def _value(model: Quadratic, ridge: Array, W: Array) -> float:
    w = _flat(W)
    return float(w @ (model.hessian @ w) / 2 - model.linear @ w + (ridge * W * W).sum() / 2)
