"""Predictions look at the cells of columns whose coefficients are all 0: what is missing there is
named, whatever left the column out."""

import numpy as np
import pytest
from scipy import sparse

from polytome import LinearRegression, LogisticRegression, OneVsRest
from polytome.errors import DataError
from polytome.models import predictions

KINDS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
}
X = np.random.default_rng(0).normal(size=(12, 3))
X[:, 2] = 0.0
CONSTANT = np.ones((12, 3))
THREE, TWO = np.arange(12) % 3, np.arange(12) % 2
MODELS = {
    "a column that is constant": LogisticRegression().fit(X, THREE),
    "the same, of two classes": LogisticRegression().fit(X, TWO),
    "a column that no class is told by": LogisticRegression(l1_ratio=1, C=1.0).fit(X, TWO),
    "all constant": LogisticRegression().fit(CONSTANT, THREE),
    "all constant, two classes": LogisticRegression().fit(CONSTANT, TWO),
    "nothing told": LogisticRegression(l1_ratio=1, C=1e-3).fit(X, TWO),
    "groups of nothing": LogisticRegression(l1_ratio=1, C=1e-3, groups="classes").fit(X, THREE),
    "one against the rest": OneVsRest().fit(CONSTANT, THREE),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_missing_in_an_unused_column_is_named(name, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(predictions.native, "makes_predictions", lambda X: False)
    model = MODELS[name]
    assert not model.coef_[:, 2].any()
    for kind in KINDS.values():
        for value, told in ((np.nan, "NaN"), (-np.inf, "infinity")):
            wrong = X.copy()
            wrong[7, 2] = value
            for method in (model.predict, model.predict_proba, model.predict_log_proba, model.decision_function):
                with pytest.raises(DataError, match=f"X contains {told} at row 7, column 2"):
                    method(kind(wrong))
        assert np.isfinite(model.decision_function(kind(X))).all()


def test_a_linear_regression_looks_too():
    model = LinearRegression().fit(CONSTANT, np.arange(12.0))
    wrong = CONSTANT.copy()
    wrong[7, 2] = np.nan
    with pytest.raises(DataError, match="X contains NaN at row 7, column 2"):
        model.predict(wrong)
