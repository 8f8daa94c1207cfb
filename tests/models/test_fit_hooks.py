"""scikit-learn's callbacks: told of the fit and of each of its iterations, with a model that
predicts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression
from polytome.models.fit_hooks import HAS_CALLBACKS
from polytome.solvers import Stop

X, y = load_iris(return_X_y=True)
TWO = y > 0


class Recorder:
    """A callback of scikit-learn's that keeps what it is told."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.told: list[tuple[str, Any]] = []
        self.stop_after = stop_after

    def setup(self, estimator: Any, context: Any) -> None:
        self.told.append(("setup", None))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.told.append(("teardown", None))

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None, y: Any = None) -> None:
        self.told.append((f"begin {context.task_name}", None if X is None else X.shape))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> bool:
        self.told.append((f"end {context.task_name}", fitted_estimator))
        ended = sum(what == "end iteration" for what, _ in self.told)
        return self.stop_after is not None and ended >= self.stop_after


@pytest.mark.skipif(not HAS_CALLBACKS, reason="this scikit-learn has no callbacks (they came with 1.9)")
class TestCallbacks:
    @pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg", "gradient-descent"])
    @pytest.mark.parametrize("target", [TWO, y], ids=["two", "three"])
    def test_are_told_of_every_iteration(self, solver: str, target: Any) -> None:
        settings = {"solver": solver, "tol": 1e-3, "scale": "standard"}
        plain, recorder = LogisticRegression(**settings).fit(X, target), Recorder()
        model = LogisticRegression(**settings).set_callbacks(recorder).fit(X, target)
        assert model.coef_.tobytes() == plain.coef_.tobytes()
        n_iter = int(model.n_iter_[0])
        names = [name for name, _ in recorder.told]
        assert names[:3] == ["setup", "begin fit", "begin iteration"]
        assert names[-2:] == ["end fit", "teardown"]
        assert names.count("begin iteration") == names.count("end iteration") == n_iter + 1
        models = [told for name, told in recorder.told if name == "end iteration"]
        assert models[-1] is None
        for at, seen in list(enumerate(models[:-1], 1))[-3:]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                stopped = LogisticRegression(**settings, max_iter=at).fit(X, target)
            np.testing.assert_allclose(seen.predict_proba(X), stopped.predict_proba(X), rtol=1e-6)

    def test_a_true_answer_stops_the_fit(self) -> None:
        model = LogisticRegression(solver="lbfgs", tol=1e-12).set_callbacks(Recorder(stop_after=2)).fit(X, y)
        assert model.stop_ is Stop.INTERRUPTED
        assert model.n_iter_.tolist() == [2]

    def test_are_torn_down_where_a_fit_fails(self) -> None:
        recorder = Recorder()

        def broken(_: Any) -> bool:
            raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            LogisticRegression(callback=broken).set_callbacks(recorder).fit(X, y)
        assert recorder.told[-1] == ("teardown", None)

    def test_none_is_the_usual_fit_again(self) -> None:
        model = LogisticRegression().set_callbacks(Recorder()).set_callbacks()
        assert "_skl_callbacks" not in vars(model)
        assert model.fit(X, y).certificate_.holds

    def test_what_is_no_callback_is_refused(self) -> None:
        with pytest.raises(TypeError, match="FitCallback"):
            LogisticRegression().set_callbacks(print)
