"""The Hessian of a softmax with respect to whole groups, made of products for each two classes."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome import RegularizationPath
from polytome.losses import Softmax, WithOffset, with_offset
from polytome.objective import Objective
from polytome.penalties import GroupLasso
from polytome.rows import as_rows
from polytome.solvers import proximal_newton
from polytome.solvers.chosen_hessian import Chosen, ChosenHessian


@pytest.mark.parametrize("kind", ["dense", "sparse", "offset", "no intercept"])
def test_it_is_the_hessian_of_all_classes_and_a_coarse_one_is_near_and_no_saddle(rng: Any, kind: str) -> None:
    X, y = rng.normal(size=(90, 7)), rng.integers(0, 4, 90)
    loss, target = Softmax(4), y
    if kind == "offset":
        loss, target = WithOffset(Softmax(4)), with_offset(y, rng.normal(size=(90, 4)))
    given = sparse.csr_array(np.where(X > 0.5, X, 0)) if kind == "sparse" else X
    rows = as_rows(given, target, rng.uniform(size=90))
    objective = Objective(loss, GroupLasso(0.1, 1.0, np.arange(7)), rows, kind != "no intercept")
    W, chosen = 0.7 * rng.normal(size=(8, 4)), np.zeros((8, 4), dtype=bool)
    chosen[[1, 3, 4]] = True
    chosen[-1] = kind != "no intercept"
    places = Chosen.of(objective, chosen)
    a_pass = ChosenHessian(loss, rows.columns, W, places.features, places.places)
    (expected,) = (H / objective.total_weight for H in rows.reduce(a_pass))
    (found,) = places.hessian(objective, W, is_coarse=False)
    (coarse,) = places.hessian(objective, W, is_coarse=True)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert 1e-9 < np.linalg.norm(coarse - expected) / np.linalg.norm(expected) < 0.02
    assert np.linalg.eigvalsh(coarse).min() > -1e-12
    new = (np.array([0, 2]),) * 4
    for is_coarse, whole in ((False, found), (True, coarse)):
        (border,) = places.hessian(objective, W, is_coarse, new)
        n = len(whole) // 4
        columns = np.concatenate([k * n + new[0] for k in range(4)])
        assert_allclose(border, whole[:, columns], rtol=1e-4 if is_coarse else 1e-10, atol=1e-8 if is_coarse else 1e-14)


def test_coarse_steps_lead_to_the_same_minima(rng: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X = rng.normal(size=(100, 200))
    y = np.argmax(X[:, :5] + rng.gumbel(size=(100, 5)), axis=1)
    settings: dict[str, Any] = {"groups": "classes", "n_strengths": 4, "min_ratio": 0.5, "tol": 1e-7}
    fine = RegularizationPath(**settings).fit(X, y)
    monkeypatch.setattr(proximal_newton, "_COARSE_OPERATIONS", 0)
    coarse = RegularizationPath(**settings).fit(X, y)
    assert (fine.coefs_ != coarse.coefs_).any()
    for one, other in zip(fine.certificates_, coarse.certificates_, strict=True):
        assert one.holds
        assert other.holds
        assert abs(one.objective - other.objective) <= 1e-7 * one.null_objective
    assert_array_equal(coarse.n_iter_ <= 15, True)
