"""Plots of paths with groups: their names, their norms, and how many are left."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytome import RegularizationPath
from polytome.models.groups import group_names, groups_of
from polytome.plots.paths import PathDisplay

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("groups", "names", "counted"),
    [
        ("classes", ["a", "b", "c", "d"], "columns"),
        (["size", "size", "age", "age"], ["size", "age"], "groups"),
        ([7, 3, 3, 7], ["group 7", "group 3"], "groups"),
    ],
)
def test_a_line_is_a_group(n_classes: int, groups: Any, names: list[str], counted: str) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 4)), columns=["a", "b", "c", "d"])
    y = np.argmax(X.to_numpy()[:, :n_classes] + rng.gumbel(size=(80, n_classes)), axis=1)
    path = RegularizationPath(groups=groups, n_strengths=5, min_ratio=0.05, scale="standard").fit(X, y)
    display = PathDisplay.from_path(path)
    assert list(display.names) == names
    assert display.counted == counted
    numbers = groups_of(path.model_at(0), 4)
    assert group_names(path.model_at(0), numbers) == names
    squares = ((path.coefs_ * path.divisors_) ** 2).sum(axis=1)
    norms = np.sqrt(np.array([np.bincount(numbers, point) for point in squares]))
    np.testing.assert_allclose(np.abs(display.coefficients), norms)
    assert display.n_active.tolist() == (norms > 0).sum(axis=1).tolist()
    assert f"the number of {counted} that are not 0 goes from 0 to {len(names)}" in display.description()
    assert f"{counted} that are not 0" in {child.get_xlabel() for child in display.ax_[0].child_axes}
