"""Coefficients that go on learning from rows which are not kept.

    P(W) = sum_i s_i loss(x_i W, y_i) / S + penalty(W)     over the distinct rows i that have come

Two models of the rows that have gone, by the number of coefficients (`Quadratic`, `Steps`), and one
idea about rows that come again: when all of them do, in any order, that is a *pass*. Rows that come
again do not count twice; they make the model of them exact.

- Few coefficients: each batch leaves its second-order model, and the coefficients minimise the
  models of all batches. A pass sums the models at one point, so that its end is a Newton step.
- Many: steps of AdaGrad, their average, and from the second pass on the gradient of the last pass,
  which takes the noise out of the steps (SVRG).

Some of the rows may be kept (`Kept`), for where classes come one after the other: they then stand
for the rows of their classes that have gone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.objective import Objective
from polytome.rows.identities import Seen
from polytome.solvers.running_batch import Batch, column_sums, is_sparse
from polytome.solvers.running_kept import Kept
from polytome.solvers.running_quadratic import Quadratic, flat, gram_of, minimum, none_of, solved, wider, with_class
from polytome.solvers.running_steps import (
    FIRST_SQUARES_OF_PASSES,
    ROWS_PER_STEP,
    Steps,
    first_steps,
    grown,
    grown_steps,
    overdue_shares,
    step_along,
    steps_of,
    with_columns,
)

Array = NDArray[Any]

__all__ = ["MOST_QUADRATIC", "Pass", "Running"]

MOST_QUADRATIC = 1024
"""Most coefficients whose curvature is kept whole: 8 MiB of float64."""
_NOWHERE: Array = np.zeros((0, 0))
_LARGEST_RATIO = 1e8  # of an entry to the rest of its column
_LARGEST_ENTRY = 1e100  # of a scaled column: its square, summed, stays within float64


@dataclass(frozen=True)
class Pass:
    """Rows that come again: their sums at one point.

    Attributes:
        seen: the rows so far.
        class_weight: the weight of each class among them, (n_outputs,).
        anchor: coefficients, (n_features + 1, n_outputs).
        gradient: the sum of the gradients there, of the same shape.
        hessian: the sum of their Hessians, (size, size); (0, 0) where there are many coefficients.
    """

    seen: Seen
    class_weight: Array
    anchor: Array
    gradient: Array
    hessian: Array


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
        kept: some of the rows, where they may be kept.
    """

    coefficients: Array
    class_weight: Array
    seen: Seen
    passes: int
    model: Quadratic | Steps
    again: Pass | None = None
    kept: Kept | None = None

    @classmethod
    def begin(cls, n_features: int, most_kept: int = 0) -> Running:
        """Before the first row: no classes yet.

        Args:
            n_features: columns.
            most_kept: how many rows may be kept.
        """
        side = n_features + 1
        empty: Array = np.zeros((side, 0))
        kept = Kept.begin(most_kept, n_features) if most_kept else None
        if side > MOST_QUADRATIC:
            return cls(empty, np.zeros(0), Seen(), 0, first_steps(empty), kept=kept)
        model = Quadratic(np.zeros((0, 0)), np.zeros(0), np.zeros((side, side)))
        return cls(empty, np.zeros(0), Seen(), 0, model, kept=kept)

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
            state = replace(state, model=steps_of(state.model, state.coefficients, state.seen))
        more = n_features - self.n_features
        if isinstance(state.model, Quadratic):
            quadratic = wider(state.model, self.n_classes, more)
            for K in range(self.n_classes, n_classes):
                quadratic = with_class(quadratic, K, fit_intercept)
            model: Quadratic | Steps = quadratic
        else:
            model = grown_steps(state.model, more, n_classes - self.n_classes)
        coefficients = grown(state.coefficients, more, n_classes - self.n_classes)
        class_weight = np.append(self.class_weight, np.zeros(n_classes - self.n_classes))
        kept = state.kept
        if kept is not None:
            arrival = state.seen.n_rows if n_classes > self.n_classes else kept.arrival
            kept = replace(kept.widened(n_features), arrival=arrival)
        return replace(state, coefficients=coefficients, class_weight=class_weight, model=model, kept=kept)

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
        comes_again = (
            comes_again and self.n_classes > 1
        )  # rows of one class teach nothing, so a pass is not told from more
        state = self._passed(batch, ridge) if comes_again else self._with_new(batch, ridge)
        ordered: Running = _in_order(state)
        return ordered

    def _with_new(self, batch: Batch, ridge: Array) -> Running:
        """With rows that never came before."""
        state = self if self.again is None else self._refuted()
        seen = state.seen.plus(batch.identities, batch.weight)
        totals = state.class_weight + np.bincount(batch.codes, batch.weight, state.n_classes)
        kept = None if state.kept is None else state.kept.plus(batch)
        state = replace(state, seen=seen, class_weight=totals, kept=kept)
        return state._learned(batch, ridge) if state.n_classes > 1 else state._counted(batch)

    def _counted(self, batch: Batch) -> Running:
        """With rows of the only class there is yet: they teach nothing but what columns are."""
        if isinstance(self.model, Quadratic):
            return replace(self, model=replace(self.model, gram=self.model.gram + gram_of(batch)))
        rows = np.arange(len(batch.codes))
        model = with_columns(self.model, batch.dense_or_sparse(rows), batch, rows)
        return replace(self, model=replace(model, clock=model.clock + len(rows)))

    def _learned(self, batch: Batch, ridge: Array) -> Running:
        """With rows that are new."""
        if isinstance(self.model, Steps):
            return self._stepped(batch, ridge, counts=True)
        model, objective, kept = self.model, batch.objective(self.n_classes), self.kept
        gram = model.gram + gram_of(batch)
        if kept is not None and self.seen.n_rows - kept.arrival <= kept.most:
            # What the old rows say about a class that they came before was a guess, and the kept
            # ones know it.
            model, objective = none_of(model), kept.objective(self.class_weight, batch)
        W, _, gradient, hessian = minimum(model, objective, ridge, self.coefficients)
        linear = model.linear + hessian @ flat(W) - flat(gradient)
        return replace(self, coefficients=W, model=Quadratic(model.hessian + hessian, linear, gram))

    def _passed(self, batch: Batch, ridge: Array) -> Running:
        """With rows that came before."""
        if (again := self.again) is None:
            few = isinstance(self.model, Quadratic)
            size = self.coefficients.size if few else 0
            W, none = self.coefficients, np.zeros(self.n_classes)
            again = Pass(Seen(), none, W, np.zeros_like(W), np.zeros((size, size)))
        objective = batch.objective(self.n_classes)
        seen = again.seen.plus(batch.identities, batch.weight)
        if isinstance(self.model, Quadratic):
            _, gradient, blocks = objective.derivatives(again.anchor)
            hessian = again.hessian + blocks[0] * objective.total_weight
        else:
            (_, gradient), hessian = objective.value_and_gradient(again.anchor), again.hessian
        weights = again.class_weight + np.bincount(batch.codes, batch.weight, self.n_classes)
        again = Pass(seen, weights, again.anchor, again.gradient + gradient * objective.total_weight, hessian)
        state = replace(self, again=again)
        if isinstance(state.model, Steps):
            state = state._stepped(batch, ridge, counts=False)
        if seen.n_rows < self.seen.n_rows:
            return state if isinstance(state.model, Steps) else state._between(objective, ridge)
        state = state._completed() if seen.equals(self.seen) else state._refuted()
        if isinstance(state.model, Quadratic):
            return replace(state, coefficients=solved(state.model, objective, ridge, state.coefficients))
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
        return replace(self, coefficients=solved(mixed, objective, ridge, self.coefficients))

    def _completed(self) -> Running:
        """After a whole pass."""
        again = self.again
        assert again is not None
        state = replace(self, again=None, passes=self.passes + 1)
        if isinstance(self.model, Quadratic):
            return replace(state, model=_model_of(again, self.model.gram))
        if self.kept is None and overdue_shares(self.model, self.class_weight, None).any():
            # Classes come in turn, so no batch is like all rows, and its noise is not what the
            # gradient takes away; together with rows that are kept it is.
            return replace(state, model=replace(self.model, anchor=_NOWHERE, gradient=_NOWHERE))
        model = replace(self.model, anchor=again.anchor, gradient=again.gradient / self.seen.weight)
        if not self.model.anchor.size:
            model = replace(model, squares=model.squares * FIRST_SQUARES_OF_PASSES)
        return replace(state, model=model)

    def _refuted(self) -> Running:
        """After rows that seemed to come again, and were others."""
        again = self.again
        assert again is not None
        class_weight = self.class_weight + again.class_weight
        state = replace(self, again=None, seen=self.seen.joined(again.seen), class_weight=class_weight)
        if isinstance(self.model, Quadratic):
            # They were like those before, so their sums grow in proportion.
            model, newer = self.model, _model_of(again, self.model.gram)
            gram = model.gram * (1 + again.seen.weight / self.seen.weight)
            return replace(state, model=Quadratic(model.hessian + newer.hessian, model.linear + newer.linear, gram))
        growth = np.divide(class_weight, self.class_weight, out=np.ones_like(class_weight), where=self.class_weight > 0)
        sums = self.model.class_sums * growth[:, None]
        return replace(state, model=replace(self.model, class_sums=sums, anchor=_NOWHERE, gradient=_NOWHERE))

    def _stepped(self, batch: Batch, ridge: Array, *, counts: bool) -> Running:
        """After steps along the gradients of a few rows each, in an order that the rows decide."""
        model, average = self.model, self.coefficients
        assert isinstance(model, Steps)
        order = np.argsort(batch.identities, kind="stable")
        for start in range(0, len(order), ROWS_PER_STEP):
            rows = np.sort(order[start : start + ROWS_PER_STEP])
            model, average = step_along(
                model, average, batch, rows, ridge, self.seen, self.class_weight, self.kept, counts=counts
            )
        return replace(self, model=model, coefficients=average)


def _refuse_outliers(state: Running, batch: Batch) -> None:
    """Raises DataError for an entry beside which the rest of its column would count for nothing."""
    X = batch.dense_or_sparse(slice(None))
    with np.errstate(over="ignore", invalid="ignore"):
        squares, entries, largest = column_sums(X, but_largest=True)
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
        dense = np.asarray(entries.toarray() if is_sparse(entries) else entries, dtype=np.float64).ravel()
        row = int(np.abs(dense).argmax())
        what = f"the other numbers in this column are about {typical[column] / batch.scale[column]:.2g}"
        if largest[column] > _LARGEST_ENTRY:
            what = f"numbers up to {_LARGEST_ENTRY:g} can be learned from"
        raise DataError(
            f"X[{int(batch.places[row])}, {column}] is {dense[row]:.6g}, and {what}: correct it, or leave the row out; "
            "nothing was learned from this batch"
        )


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


def _model_of(again: Pass, gram: Array) -> Quadratic:
    """The second-order model of rows at one point."""
    return Quadratic(again.hessian, again.hessian @ flat(again.anchor) - flat(again.gradient), gram)
