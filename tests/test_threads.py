"""The number of threads comes from the environment, else from the cores; BLAS keeps to one while asked to."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from polytome.errors import ArgumentError
from polytome.rows import as_rows
from polytome.threads import available_threads, one_blas_thread


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
