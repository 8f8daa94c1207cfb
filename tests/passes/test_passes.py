"""Passes: immutable records that can be sent elsewhere, whose definition is what compiled code
computes."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome import native, passes
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.passes import (
    Block,
    CentredSquares,
    CentredSums,
    Columns,
    CurvatureSums,
    Derivatives,
    Gram,
    Grams,
    HessianOfKnownScores,
    HessianOfScores,
    HessianProduct,
    LossOfScores,
    OffsetsOfEntries,
    ProductOfColumns,
    ProofSums,
    RowSquares,
    Scores,
    SquaresOfEntries,
    StoredTwice,
    Traces,
    ValueAndGradient,
)
from polytome.penalties import L2
from polytome.rows import arrays as array_rows
from polytome.rows import as_rows
from registry import LOSSES

N, D, K = 200, 6, 3


def all_passes(rng: np.random.Generator) -> dict[str, Any]:
    """One of each, for rows of D columns and K classes."""
    raw, direction = rng.normal(size=(2, D + 1, K))
    columns, near = Columns(rng.normal(size=D), rng.uniform(0.5, 2, D)), rng.normal(size=D)
    loss = Softmax(K)
    made = [
        CentredSquares(near, loss, raw),
        CentredSums(near),
        CurvatureSums(loss, raw, columns),
        Derivatives(loss, raw, columns, True),
        Gram(columns, True),
        Grams(columns, True),
        HessianOfScores(loss, raw),
        HessianProduct(loss, raw, direction),
        OffsetsOfEntries(near),
        ProofSums(loss, raw, columns, rng.normal(size=(1, K - 1, 5, D + 1)), np.full(K, 1e-12), False),
        RowSquares(columns),
        Scores(raw),
        SquaresOfEntries(near),
        StoredTwice(),
        Traces(loss, raw),
        ValueAndGradient(loss, raw),
    ]
    return {type(one).__name__: one for one in made}


def other_passes(rng: np.random.Generator) -> dict[str, Any]:
    """Those whose rows are scores, or whose targets are residuals."""
    b = rng.normal(size=D)
    made = [LossOfScores(Softmax(D), b, True), HessianOfKnownScores(Softmax(D), b), ProductOfColumns()]
    return {type(one).__name__: one for one in made}


NAMES = list(all_passes(np.random.default_rng(0)))
OTHERS = list(other_passes(np.random.default_rng(0)))
ONLY = {"sparse": ["OffsetsOfEntries", "SquaresOfEntries", "StoredTwice"], "dense": ["CentredSums"]}


def rows_of(rng: np.random.Generator, is_sparse: bool) -> Any:
    X = rng.normal(size=(N, D)) * (rng.random((N, D)) < 0.6)
    weight = np.where(rng.random(N) < 0.2, 0.0, rng.uniform(0.1, 5, N))
    return as_rows(sparse.csr_matrix(X) if is_sparse else X, rng.integers(0, K, N), weight)


def test_every_pass_of_the_package_is_tested_here() -> None:
    public = {name for name in passes.__all__ if hasattr(getattr(passes, name), "of_block")} - {"Pass"}
    assert public == set(NAMES + OTHERS)
    assert set(native.TWINS) <= {getattr(passes, name) for name in public}


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_a_pass_is_an_immutable_record_that_can_be_sent(name: str, rng: np.random.Generator) -> None:
    one = (all_passes(rng) | other_passes(rng))[name]
    assert is_dataclass(one)
    for field in fields(one):
        with pytest.raises(FrozenInstanceError):
            setattr(one, field.name, None)
    sent = pickle.loads(pickle.dumps(one))
    X = rng.integers(0, 3, (5, D)).astype(float)
    target = rng.normal(size=(5, 2)) if name == "ProductOfColumns" else np.arange(5) % K
    is_sparse = name in ONLY["sparse"]
    block = Block(sparse.csr_matrix(X) if is_sparse else X, np.dtype(float), target, np.ones(5))
    for got, want in zip(sent.of_block(block), one.of_block(block), strict=True):
        assert_array_equal(got, want)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_whoever_adds_up_makes_what_the_definition_makes(
    name: str, is_sparse: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in ONLY["dense" if is_sparse else "sparse"]:
        pytest.skip(f"{name} is of {'dense' if is_sparse else 'sparse'} rows")
    rows, one = rows_of(rng, is_sparse), all_passes(rng)[name]
    by_definition = one.of_block(rows.whole)
    if name not in ("Grams", "ProofSums"):  # which have something of each block
        monkeypatch.setattr(array_rows, "_BLOCK_BYTES", 1)
    results = []
    for chosen in (native.instruction_set(), None):
        monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
        for n_threads in (1, 3):
            cut = as_rows(rows.X, rows.target, rows.weight, n_threads=n_threads)
            results.append(cut.reduce(one))
    for made in results:
        assert len(made) == len(by_definition)
        for got, want in zip(made, by_definition, strict=True):
            assert_allclose(got, want, rtol=1e-10, atol=1e-10)


def test_rows_and_objectives_can_be_sent_after_a_pass(rng: np.random.Generator) -> None:
    """What is bound to this process stays behind."""
    for is_sparse in (False, True):
        objective = Objective(Softmax(K), L2(0.1), rows_of(rng, is_sparse))
        W = rng.normal(size=objective.shape)
        value, gradient = objective.value_and_gradient(W)
        sent = pickle.loads(pickle.dumps(objective))
        again, its_gradient = sent.value_and_gradient(W)
        assert again == value
        assert_array_equal(its_gradient, gradient)


def test_a_loss_that_compiled_code_does_not_know_is_asked_for_once(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is consulted once for a pass, not once for each block."""

    class Own(Softmax):
        pass

    asked = []
    find = native.work_of
    monkeypatch.setattr(native, "work_of", lambda a_pass, rows: asked.append(a_pass) or find(a_pass, rows))
    monkeypatch.setattr(array_rows, "_BLOCK_BYTES", 1)
    rows = rows_of(rng, False)
    assert len(list(rows.blocks())) > 5
    for loss in (Own(K), Softmax(K)):
        asked.clear()
        Objective(loss, L2(0.1), rows).value_and_gradient(np.zeros((D + 1, K)))
        assert len(asked) == 1


@pytest.mark.parametrize("name", ["softmax", "logistic", "sigmoids", "squared"])
def test_traces_are_the_weights_of_curvature(name: str, rng: np.random.Generator) -> None:
    loss, target = LOSSES[name](rng, N)
    rows = as_rows(rng.normal(size=(N, D)), target)
    raw = rng.normal(size=(D + 1, loss.n_outputs))
    (traces,) = rows.reduce(Traces(loss, raw))
    p = loss.mean(rows.X @ raw[:-1] + raw[-1])
    expected = np.full(N, float(loss.n_outputs)) if name == "squared" else (p * (1 - p)).sum(axis=1)
    assert_allclose(traces, expected, rtol=1e-10, atol=1e-13)


def test_scores_of_no_coefficients_convert_no_rows() -> None:
    block = Block(sparse.csr_matrix((3, 2)), np.dtype(np.float32), np.zeros(3), np.ones(3))
    (scores,) = Scores(np.array([[0.0], [0.0], [2.5]])).of_block(block)
    assert_array_equal(scores, np.full((3, 1), 2.5))
    assert "_kept_X" not in vars(block)
    assert Logistic().n_outputs == scores.shape[1]
