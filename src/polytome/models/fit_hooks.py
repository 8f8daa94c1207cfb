"""scikit-learn's callbacks (`set_callbacks`, from version 1.9): one task for the fit, and in it one
for each iteration.

As in scikit-learn, an iteration's task begins before it is known whether there will be another
iteration: the last one ends empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective
from polytome.solvers import Progress, Solution
from polytome.solvers.iterates import Iterate

Array = NDArray[Any]
Seen = TypeVar("Seen")

__all__ = ["HAS_CALLBACKS", "both", "minimize_with_hooks"]

HAS_CALLBACKS = find_spec("sklearn.callback") is not None
"""Whether this version of scikit-learn has callbacks."""


def minimize_with_hooks(
    estimator: Any, data: Mapping[str, Any], objective: Objective, classes: Array, minimise: Callable[..., Solution]
) -> Solution:
    """Call `minimise(see, callback)` inside the tasks that the estimator's callbacks see.

    Args:
        estimator: what is being fitted, with callbacks.
        data: X, y and metadata, as the callbacks are given them.
        objective: what is minimised.
        classes: the labels, which a model made of an iterate needs in order to predict.
        minimise: takes what sees the driver's iterates, and its callback.
    """
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    def run(estimator: Any) -> Solution:
        most = max(int(estimator.max_iter), 1) + 1
        fit = CallbackSupportMixin._init_callback_context(estimator, max_subtasks=most)
        fit.call_on_fit_task_begin(estimator=estimator, **data)
        tasks = _Tasks(estimator, fit, data, objective, classes)
        solution = minimise(tasks.see, tasks.visit)
        tasks.end()
        parts = tasks.attributes(solution.coefficients)
        fit.call_on_fit_task_end(estimator=estimator, **data, reconstruction_attributes=parts)
        return solution

    solution: Solution = with_callbacks(run)(estimator)
    return solution


class _Tasks:
    """The tasks of the iterations: each ends where the next begins."""

    def __init__(self, estimator: Any, fit: Any, data: Mapping[str, Any], objective: Objective, classes: Array) -> None:
        self.estimator, self.fit, self.data = estimator, fit, data
        self.objective, self.classes = objective, classes
        self.last: Iterate | None = None
        self.task: Any = None

    def see(self, iterate: Iterate) -> None:
        """What is shown to the next `visit`."""
        self.last = iterate

    def visit(self, progress: Progress) -> bool:
        """The driver's callback: ends the task of the iteration that led here, and begins the next
        one."""
        iterate, self.last = self.last, None
        parts = None if iterate is None else (lambda: self._model_at(iterate))
        state = {"estimator": self.estimator, **self.data, "reconstruction_attributes": parts}
        stop = self.task is not None and bool(self.task.call_on_fit_task_end(**state))
        self.task = self.fit.subcontext(task_name="iteration")
        self.task.call_on_fit_task_begin(**state)
        return stop

    def end(self) -> None:
        """Ends the last task, which is empty."""
        if self.task is not None:
            self.task.call_on_fit_task_end(estimator=self.estimator)

    def _model_at(self, iterate: Iterate) -> dict[str, Array]:
        """What a fit that stopped here would return: with the intercept made exact."""
        return self.attributes(iterate.certify(self.objective, self.estimator.tol)[1])

    def attributes(self, W: Array) -> dict[str, Array]:
        """The fitted attributes that predictions need."""
        coef, intercept = self.objective.rows.columns.as_given(W)
        return {"coef_": np.ascontiguousarray(coef), "intercept_": intercept, "classes_": self.classes}


def both(
    first: Callable[[Seen], object] | None, second: Callable[[Seen], object] | None
) -> Callable[[Seen], object] | None:
    """One callback that calls two; either can stop the fit."""
    if first is None or second is None:
        return first or second

    def call(seen: Seen) -> object:
        answers = first(seen), second(seen)
        return any(bool(answer) for answer in answers)

    return call
