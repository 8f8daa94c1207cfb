"""Threads of native passes: the same bits for any number, errors and Ctrl-C come through, and a
fork does no harm."""

from __future__ import annotations

import os
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from compiled import loss_of_scores, value_and_gradient
from polytome.losses import Softmax
from polytome.objective import Objective
from polytome.passes import Block
from polytome.penalties import L2
from polytome.rows import as_rows

pytestmark = pytest.mark.usefixtures("each_instruction_set")

N, D = 403, 37  # several tiles and a rest of each


def rows_of(X, target):
    return Block(X, np.dtype(float), target, np.ones(len(target)))


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_threads_change_no_bit_and_parts_are_summed_in_order(storage, rng):
    whole = rows_of(storage(rng.normal(size=(N, D))), rng.integers(0, 3, N))
    raw = rng.normal(size=(D + 1, 3))
    ends = np.sort(rng.integers(0, N, 30))
    ends[-1] = N
    parts = [
        value_and_gradient(Softmax(3), rows_of(whole.stored[start:end], whole.target[start:end]), raw)
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    value, gradient = np.float64(0.0), np.zeros(raw.shape)
    for part in parts:
        value, gradient = value + part[0], gradient + part[1]
    for n_threads in (1, 2, 3, 50):
        for _ in range(5):
            got = value_and_gradient(Softmax(3), whole, raw, ends, n_threads)
            assert got[0] == value
            assert_array_equal(got[1], gradient)


@pytest.mark.parametrize("soft", [False, True])
def test_known_scores_are_shared_by_threads_without_changing_a_bit(soft, rng):
    target = rng.dirichlet(np.ones(3), N) if soft else rng.integers(0, 3, N)
    block = replace(rows_of(rng.normal(size=(N, 3)), target), weight=np.where(rng.random(N) < 0.2, 0.0, rng.random(N)))
    b, ends = rng.normal(size=3), np.append(np.sort(rng.integers(0, N, 30)), N)
    want = None
    for n_threads in (1, 2, 3, 50):
        made = loss_of_scores(Softmax(3), block, b, ends, n_threads, with_residuals=True)
        got = tuple(part.tobytes() for part in made)
        want = want or got
        assert got == want


def test_an_error_in_any_thread_is_raised(rng):
    target = rng.integers(0, 3, N)
    target[N // 2] = 7
    block, known = rows_of(rng.normal(size=(N, D)), target), rows_of(np.zeros((N, 3)), target)
    for n_threads in (1, 3):
        with pytest.raises(IndexError, match="class code"):
            value_and_gradient(Softmax(3), block, np.zeros((D + 1, 3)), np.arange(1, N + 1), n_threads)
        with pytest.raises(IndexError, match="class code"):
            loss_of_scores(Softmax(3), known, np.zeros(3), np.arange(1, N + 1), n_threads)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that signal")
def test_a_long_pass_is_interrupted():
    def interrupt(*_):
        raise TimeoutError

    n, K = 2**16, 2000  # one row, repeated without taking memory: many seconds of work
    X = np.broadcast_to(np.ones(2000), (n, 2000))
    block = Block(X, np.dtype(float), np.zeros(n, int), np.ones(n))

    def interrupted():
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        value_and_gradient(Softmax(K), block, np.zeros((2001, K)), np.arange(64, n + 1, 64), 2)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(TimeoutError):
            interrupted()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_makes_passes(rng):
    rows = as_rows(rng.normal(size=(N, D)), rng.integers(0, 3, N)).with_ends(range(10, N, 10))
    rows = replace(rows, n_threads=2)
    objective = Objective(Softmax(3), L2(1.0), rows)
    W = rng.normal(size=(D + 1, 3))
    want, _ = objective.value_and_gradient(W)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BLAS may have threads; this process has none of its own
        child = os.fork()
    if child == 0:
        os.write(writing, np.float64(objective.value_and_gradient(W)[0]).tobytes())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        assert np.frombuffer(answer.read()) == want
    os.waitpid(child, 0)
