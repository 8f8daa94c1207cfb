"""Compiled sums of a proof by the curvature against their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from polytome.losses import IndependentSigmoids, Logistic, Softmax, WithOffset, with_offset
from polytome.native import StoredRows, instruction_sets
from polytome.native.twins import TWINS
from polytome.passes import Columns, ProofSums
from polytome.rows import as_rows

STORED = {
    "float64": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "columns first": np.asfortranarray,
    "csr": sparse.csr_array,
}


def drawn(loss: Any, n: int, d: int, stored: str, *, soft: bool = False, offset: bool = False) -> tuple[ProofSums, Any]:
    rng = np.random.default_rng([n, d, loss.n_outputs])
    K, joint = loss.n_outputs, isinstance(loss, Softmax)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-2, 3, d)
    X[rng.random(X.shape) < 0.4] = 0.0
    y: Any = rng.integers(0, K, n) if joint else rng.integers(0, 2, n if K == 1 else (n, K))
    if soft:
        y = rng.dirichlet(np.ones(K), n)
    weight = rng.random(n) * (rng.random(n) < 0.8)
    weight[0] = 1.0
    rows = as_rows(STORED[stored](X), y, weight)
    if offset:
        loss, rows = WithOffset(loss), rows.with_target(with_offset(rows.target, rng.normal(size=(n, K))))
    parts, own = (1, K - 1) if joint else (K, 1)
    size = own * (d + 1)
    T = np.tril(rng.normal(size=(parts, size, size))).reshape(parts, size, own, d + 1).swapaxes(1, 2)
    columns = Columns(rng.normal(size=d), rng.random(d) + 0.5)
    W = 0.3 * rng.normal(size=(d + 1, K))
    return ProofSums(loss, W, columns, np.ascontiguousarray(T), rng.random(K) * 1e-9, soft), rows.at(np.float64).whole


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize("loss", [Logistic(), Softmax(2), Softmax(5), IndependentSigmoids(3)], ids=str)
@pytest.mark.parametrize("stored", STORED)
def test_the_compiled_sums_are_those_of_the_definition(instructions: str, loss: Any, stored: str) -> None:
    twin = TWINS[ProofSums]
    for n, d in ((1, 1), (7, 3), (130, 9), (70, 40)):
        kinds = [{}, {"offset": True}, *([{"soft": True}] if isinstance(loss, Softmax) else [])]
        for kind in kinds:
            a_pass, block = drawn(loss, n, d, stored, **kind)
            rows = StoredRows.of_single(block, 1)
            assert twin.suits(a_pass, rows)
            found, wanted = twin.work(instructions, a_pass, rows).of_block(block), a_pass.of_block(block)  # type: ignore[union-attr]
            # A gradient may cancel: what it is made of does not.
            assert_allclose(found[0], wanted[0], rtol=0, atol=1e-12 * np.abs(wanted[1]).max())
            for one, other in zip(found[1:], wanted[1:], strict=True):
                assert np.shape(one) == np.shape(other)
                assert_allclose(one, other, rtol=1e-8, atol=1e-300)


def test_pieces_of_a_block_add_up() -> None:
    a_pass, block = drawn(Logistic(), 9_000, 30, "float64")
    whole = a_pass._of_piece(block)
    for one, other in zip(a_pass.of_block(block), whole, strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-9)
