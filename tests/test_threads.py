"""The number of threads comes from the environment, else from the cores; BLAS keeps to one while
asked to."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier, Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from polytome import LogisticRegression
from polytome.errors import ArgumentError
from polytome.rows import as_rows
from polytome.rows.blocks import in_order
from polytome.threads import available_threads, kept, one_blas_thread


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("POLYTOME_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity of processes")
def test_without_variables_it_is_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5})
    assert available_threads() == 3


@pytest.mark.parametrize(("cores", "threads"), [(6, 6), (None, 1)])
def test_where_affinity_is_unknown_it_is_all_cores(monkeypatch, cores, threads):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert available_threads() == threads


@pytest.mark.parametrize(("text", "threads"), [("3", 3), (" 4 ", 4), ("2,1", 2)])
@pytest.mark.parametrize("name", ["POLYTOME_NUM_THREADS", "OMP_NUM_THREADS"])
def test_a_variable_sets_it(monkeypatch, name, text, threads):
    monkeypatch.setenv(name, text)
    assert available_threads() == threads
    assert as_rows(np.ones((2, 1)), np.zeros(2)).n_threads == threads


def test_the_own_variable_goes_before_that_of_openmp(monkeypatch):
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert available_threads() == 3
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "")
    assert available_threads() == 5


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
@pytest.mark.parametrize("name", ["POLYTOME_NUM_THREADS", "OMP_NUM_THREADS"])
def test_a_variable_that_is_no_positive_number_is_named(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(ArgumentError, match=f"environment variable {name}='{text}'.*positive whole number"):
        available_threads()


def test_blas_keeps_to_one_thread_inside_and_is_given_back_outside():
    before = blas_threads()
    assert before
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


def test_fits_that_overlap_give_the_threads_of_blas_back(two_blas_threads):
    first_runs, second_runs, first_is_done = Event(), Event(), Event()
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    inside = []

    def first():
        def wait(_):
            first_runs.set()
            assert second_runs.wait(600)

        LogisticRegression(callback=wait).fit(X, y)
        first_is_done.set()

    def second():
        def wait(_):
            second_runs.set()
            assert first_is_done.wait(600)
            inside.extend(blas_threads())

        assert first_runs.wait(600)
        LogisticRegression(callback=wait).fit(X, y)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result()
    assert set(inside) == {1}
    assert blas_threads() == two_blas_threads


@pytest.mark.parametrize("seed", range(5))
def test_contexts_that_overlap_in_any_order_are_counted(seed, two_blas_threads):
    """Each context belongs to a thread of its own, and each may open several."""
    rng = np.random.default_rng(seed)
    pools = [ThreadPoolExecutor(1) for _ in range(4)]
    opened = [[] for _ in pools]
    for _ in range(40):
        which = int(rng.integers(len(pools)))
        if opened[which] and rng.random() < 0.55:
            pools[which].submit(opened[which].pop().__exit__, None, None, None).result()
        else:
            context = one_blas_thread()
            pools[which].submit(context.__enter__).result()
            opened[which].append(context)
        assert set(blas_threads()) == ({1} if any(opened) else set(two_blas_threads))
    for pool, contexts in zip(pools, opened, strict=True):
        while contexts:
            pool.submit(contexts.pop().__exit__, None, None, None).result()
        pool.shutdown()
    assert blas_threads() == two_blas_threads


def test_a_fit_that_fails_gives_them_back(two_blas_threads):
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LogisticRegression(callback=fail).fit([[0.0], [1.0], [3.0]], [0, 1, 1])
    assert blas_threads() == two_blas_threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("forks_inside", [False, True])
def test_a_child_has_no_contexts_of_threads_that_it_lacks(forks_inside, two_blas_threads):
    runs, ends = Event(), Event()

    def other():
        with one_blas_thread():
            runs.set()
            ends.wait(600)

    thread = Thread(target=other)
    thread.start()
    assert runs.wait(600)
    with one_blas_thread() if forks_inside else nullcontext(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            right = set(blas_threads()) == ({1} if forks_inside else {2})
            with one_blas_thread():
                right &= set(blas_threads()) == {1}
            os._exit(0 if right else 1)
    ends.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert blas_threads() == two_blas_threads


class Slow:
    def __init__(self, begins, may_end):
        self.begins, self.may_end = begins, may_end

    @property
    @kept
    def value(self):
        self.begins.set()
        assert self.may_end.wait(600)
        return object()


def test_a_kept_value_is_one_for_all_threads():
    now = Event()
    now.set()
    shared = Slow(Event(), now)
    gate = Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: (gate.wait(600), shared.value)[1], range(8)))
    assert {id(each) for each in found} == {id(shared.value)}


def test_a_kept_value_of_one_object_does_not_wait_for_that_of_another():
    slow, now = Slow(Event(), Event()), Event()
    now.set()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: slow.value)
        assert slow.begins.wait(600)
        assert Slow(Event(), now).value is not None
        assert not first.done()
        slow.may_end.set()
        assert first.result(600) is slow.value


def test_a_sum_goes_on_where_the_interpreter_lends_no_more_threads(monkeypatch):
    def refuse(*_):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert list(in_order(lambda part: part**2, range(9), 3)) == [part**2 for part in range(9)]
