"""Rows moved to a device: the same numbers there, or one sentence."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from polytome import LogisticRegression
from polytome.errors import ArgumentError, MissingExtraError
from polytome.models.cost import cost_of_fit
from polytome.rows.devices import check_device, moved_to


def test_without_torch_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "polytome\[torch\]"'):
        check_device("cpu")


def test_other_names_are_refused() -> None:
    for name in ("tpu", "cuda:1", ""):
        with pytest.raises(ArgumentError, match="needs one of cpu, cuda, mps"):
            check_device(name)


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.uint8, sparse.csr_matrix, sparse.csc_array])
def test_the_rows_there_are_those_here(storage: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    dense = rng.integers(0, 3, (40, 5)).astype(float)
    dense.flags.writeable = False  # as of a file that is mapped
    X = storage(dense)
    check_device("cpu")
    there = moved_to(X, "cpu")
    np.testing.assert_array_equal(there.X.to_dense().to(torch.float64).numpy(), dense)
    assert there.n_bytes >= X.nbytes if isinstance(X, np.ndarray) else there.n_bytes > 0
    assert there.free_bytes is None
    y = np.arange(40) % 3
    here = cost_of_fit(LogisticRegression(), X, y)
    cost = cost_of_fit(LogisticRegression(), there.X, y)
    assert (cost.n_rows, cost.n_features, cost.known_from) == (40, 5, here.known_from)
    assert abs(cost.passes[1] - here.passes[1]) <= 2


def test_a_device_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch")
    for name, library in (("cuda", torch.cuda), ("mps", torch.backends.mps)):
        if not library.is_available():
            with pytest.raises(ArgumentError, match="finds none on this machine"):
                check_device(name)
