"""Rows that workers of a Dask cluster read or hold: the bits of one process, or one clear
sentence."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask_parts
import numpy as np
import pandas
import pytest
from dask_parts import Made
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

import determinism
from polytome import LinearRegression, LogisticRegression, OneVsRest, open_rows
from polytome.errors import ArgumentError, ClusterError, DataError
from polytome.evaluation.metrics import evaluate
from polytome.files.row_cache import cached
from polytome.files.streamed import fit_streamed, hold_out_streamed
from polytome.losses import Softmax
from polytome.passes import Columns, ProductOfColumns, RowSquares, Scores, ValueAndGradient
from polytome.rows import Stream, StreamedRows
from polytome.rows.dask import DaskRows, DaskWorkers, opened_workers
from polytome.rows.elsewhere import ArrayPart, labels_of, message_of, sums_there

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
dataframe = pytest.importorskip("dask.dataframe")
arrays = pytest.importorskip("dask.array")

# Dask's own sockets and processes, when a worker or a whole cluster ends.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def workers() -> Iterator[DaskWorkers]:
    """Two processes."""
    with opened_workers("2") as found, found.client.as_current():
        yield found


@contextmanager
def threads(n_workers: int) -> Iterator[Any]:
    """A client of workers that are threads of this process."""
    settings = {"n_workers": n_workers, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**settings, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def one_worker() -> Iterator[DaskWorkers]:
    """A thread of this process."""
    with threads(1) as client:
        yield DaskWorkers(client)


def made(counts: list[int], **faults: Any) -> Stream:
    parts = tuple(Made(seed, count, **faults) for seed, count in enumerate(counts))
    return Stream(parts, 5, 100, False, 5 * sum(counts), np.dtype(float))


def problem(stream: Stream, rng: np.random.Generator) -> tuple[Any, Any]:
    n_rows = stream.shape[0]
    y = rng.integers(0, 3, n_rows).astype(np.int8)
    y[: n_rows // 3] = 1  # parts of one class
    return y, rng.uniform(0, 3, n_rows)


def sums(rows: StreamedRows, rng: np.random.Generator) -> list[Any]:
    """What some passes make of all rows, and all else that rows are asked for."""
    raw = rng.normal(size=(rows.n_features + 1, 3))
    columns = Columns(*rows.moments())
    found = [*rows.reduce(ValueAndGradient(Softmax(3), raw)), *rows.at(np.float32).reduce(Scores(raw))]
    found += [*rows.with_columns(columns).reduce(RowSquares(columns))]
    found += [*rows.with_target(rng.normal(size=(rows.n_rows, 3))).reduce(ProductOfColumns())]
    chosen = np.sort(rng.permutation(rows.n_rows)[:40])
    X = rows.subset(chosen, rows.weight[chosen]).X
    return [*found, X.toarray() if sparse.issparse(X) else X, next(rows.blocks()).target]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_the_bits_of_one_process(
    is_sparse: bool, workers: DaskWorkers, one_worker: DaskWorkers, rng: np.random.Generator
) -> None:
    stream = made([0, 250, 1, 0, 400, 30, 0])
    if is_sparse:
        cut = [sparse.csr_matrix(np.vstack([*part.read(), np.empty((0, 5))]).clip(0)) for part in stream.parts]
        parts = tuple(ArrayPart.of(X, "some") for X in cut)
        stream = replace(stream, parts=parts, is_sparse=True, n_entries=sum(X.nnz for X in cut), piece_rows=400)
    y, weight = problem(stream, rng)
    here = StreamedRows.of(stream, y, weight, n_threads=2)
    wanted = sums(here, np.random.default_rng(5))
    for each in (workers, one_worker):
        there = StreamedRows.of(replace(stream, workers=each), y, weight)
        assert isinstance(there, DaskRows)
        for got, want in zip(sums(there, np.random.default_rng(5)), wanted, strict=True):
            assert_array_equal(got, want)


def test_a_large_pass_is_sent_as_a_task_and_equal_weights_as_one_number(
    workers: DaskWorkers, rng: np.random.Generator
) -> None:
    stream = Stream(
        tuple(ArrayPart.of(rng.normal(size=(40, 9_000)), "wide") for _ in range(2)),
        9_000,
        40,
        False,
        1,
        np.dtype(float),
    )
    y = rng.integers(0, 3, 80)
    for seed in range(2):
        a_pass = ValueAndGradient(Softmax(3), np.random.default_rng(seed).normal(size=(9_001, 3)))
        rows = StreamedRows.of(replace(stream, workers=workers), y)
        for got, want in zip(rows.reduce(a_pass), StreamedRows.of(stream, y).reduce(a_pass), strict=True):
            assert_array_equal(got, want)
    assert labels_of(y, rows.weight, None)[1] == 1.0
    many = StreamedRows.of(replace(made([1_500_000]), workers=workers), np.zeros(1_500_000), np.ones(1_500_000))
    assert isinstance(many, DaskRows)
    assert len(many.labels_there) == 1  # of 24 MB, and Dask does not warn of it


def test_workers_killed_in_the_middle_of_passes(workers: DaskWorkers, rng: np.random.Generator, tmp_path: Path) -> None:
    counts = [300, 200, 300, 200]
    y, weight = problem(made(counts), rng)
    passes = [ValueAndGradient(Softmax(3), rng.normal(size=(6, 3))) for _ in range(4)]
    wanted = [StreamedRows.of(made(counts), y, weight).reduce(each) for each in passes]
    traps = [tmp_path / f"{number}" for number in range(2)]
    parts = list(made(counts, seconds=0.05).parts)
    for number, trap in enumerate(traps):
        parts[number] = replace(parts[number], trap=str(trap))
    rows = StreamedRows.of(replace(made(counts), parts=tuple(parts), workers=workers), y, weight)
    found = [rows.reduce(each) for each in passes]
    assert all(trap.exists() for trap in traps)
    for one, other in zip(found, wanted, strict=True):
        for got, want in zip(one, other, strict=True):
            assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("refuse", DataError, r"^part 0: the disk is gone$"),
        ("memory", ClusterError, "too little memory for one of the parts; give it more, or smaller row groups"),
    ],
)
def test_what_a_part_raises(
    fault: str, error: type[Exception], said: str, workers: DaskWorkers, rng: np.random.Generator
) -> None:
    stream = replace(made([100, 100], fault=fault), workers=workers)
    with pytest.raises(error, match=said):
        StreamedRows.of(stream, np.zeros(200)).reduce(Scores(np.zeros((6, 1))))


def test_a_part_that_ends_every_worker(workers: DaskWorkers) -> None:
    workers.client.run_on_scheduler(dask_parts.allow_failures, number=0)
    stream = replace(made([100], fault="die"), workers=workers)
    with pytest.raises(ClusterError, match="died, one after the other, perhaps because it does not fit"):
        StreamedRows.of(stream, np.zeros(100)).reduce(Scores(np.zeros((6, 1))))
    workers.client.run_on_scheduler(dask_parts.allow_failures, number=10)


def test_no_part_within_the_time_limit(one_worker: DaskWorkers) -> None:
    stream = replace(made([100], seconds=4.0), workers=DaskWorkers(one_worker.client, part_seconds=0.5))
    with pytest.raises(ClusterError, match=r"have finished no part for 0.5 s, and 1 are left; .* part_seconds="):
        StreamedRows.of(stream, np.zeros(100)).reduce(Scores(np.zeros((6, 1))))


def test_a_cluster_without_workers() -> None:
    said = r"has had no worker for 0.5 s; start some with dask worker inproc://"
    with threads(0) as client, pytest.raises(ClusterError, match=said):
        DaskWorkers(client, workers_seconds=0.5)


def test_a_worker_without_the_package_or_with_another_version(workers: DaskWorkers) -> None:
    workers.client.wait_for_workers(2, timeout=600)
    one = min(workers.client.scheduler_info(n_workers=-1)["workers"])
    for module, version, said in (
        ("polytome", "0.0.1", f"worker {one} has polytome 0.0.1, and .* is here; install polytome=="),
        ("numpy", "1.0", f"worker {one} has numpy 1.0, and .* is here; install numpy=="),
        ("polytome", None, f"worker {one} cannot compute: .*polytome.*; install polytome=="),
    ):
        (before,) = workers.client.run(dask_parts.pretend, module, version, workers=[one]).values()
        with pytest.raises(ClusterError, match=said):
            DaskWorkers(workers.client)
        workers.client.run(dask_parts.pretend, module, before, workers=[one])
    DaskWorkers(workers.client)


def test_a_scheduler_with_another_version(workers: DaskWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(asked: Any) -> dict[str, str]:
        return asked() | {"polytome": "0.0.1"}

    monkeypatch.setattr(workers.client, "run_on_scheduler", other)
    with pytest.raises(ClusterError, match=r"^the scheduler has polytome 0\.0\.1, and .* is here; install polytome=="):
        DaskWorkers(workers.client)


def test_a_worker_that_joins_with_another_version(workers: DaskWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.rows.elsewhere.__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"a worker has polytome .*, and 0\.0\.1 is here"):
        StreamedRows.of(replace(made([9]), workers=workers), np.zeros(9)).reduce(Scores(np.zeros((6, 1))))


def test_rows_that_come_out_in_another_order_when_they_are_computed_again(rng: np.random.Generator) -> None:
    X = rng.normal(size=(10, 5))
    part, other = ArrayPart.of(X, "partition 3"), ArrayPart.of(X[::-1], "partition 3")
    stream = Stream((part,), 5, 10, False, 50, X.dtype)
    rows = StreamedRows.of(stream, np.zeros(10))
    message = message_of(rows, Scores(np.ones((6, 1))), importlib.import_module("pickle").dumps)
    labels = labels_of(rows.target, rows.weight, part.checksum)
    assert_array_equal(sums_there(part, labels, message, 1)[0], rows.reduce(Scores(np.ones((6, 1))))[0])
    with pytest.raises(ClusterError, match="partition 3: has come out with other values, or in another order"):
        sums_there(other, labels, message, 1)


@pytest.mark.parametrize("client", [None, "tcp://127.0.0.1:8786", 3])
def test_what_is_no_client(client: Any) -> None:
    with pytest.raises(ArgumentError, match=r"needs a distributed\.Client"):
        DaskWorkers(client)


def test_a_score_needs_rows_in_memory() -> None:
    import dask.array

    X, y = np.arange(8.0)[:, None], np.arange(8) % 3
    for kind in (LogisticRegression, OneVsRest):
        model = kind().fit(X, y)
        assert model.score(X, y) == (model.predict(X) == y).mean()
        with pytest.raises(ArgumentError, match=r"here rows in memory are needed: X\.compute"):
            model.score(dask.array.from_array(X), y)


def test_names_of_workers() -> None:
    for name in ("0", "-1", "many", "1.5"):
        with (
            pytest.raises(ArgumentError, match="needs a number of processes, or the address of a scheduler"),
            opened_workers(name),
        ):
            pass


def frame_of(rng: np.random.Generator, n_rows: int = 600) -> pandas.DataFrame:
    x, hue = rng.normal(size=(n_rows, 3)), rng.choice(["red", "blue", "green"], n_rows)
    y = np.array(["a", "b", "c"])[np.argmax(x + rng.gumbel(size=x.shape), axis=1)]
    y[:100], y[-3:] = "a", "d"  # one class in a partition, and one that no other partition has
    return pandas.DataFrame({f"x{j}": x[:, j] for j in range(3)} | {"hue": pandas.Categorical(hue), "y": y})


def encoded(frame: pandas.DataFrame) -> Any:
    hues = [frame["hue"] == hue for hue in ("blue", "green", "red")]
    return np.column_stack([frame[["x0", "x1", "x2"]].to_numpy(), *hues]).astype(float)


def test_files_by_a_client(workers: DaskWorkers, rng: np.random.Generator, tmp_path: Path) -> None:
    frame = frame_of(rng)
    for place in range(3):
        frame.iloc[200 * place : 200 * (place + 1)].to_parquet(tmp_path / f"{place}.parquet", row_group_size=70)
    here = LogisticRegression().fit(open_rows(tmp_path, target="y"))
    there = LogisticRegression().fit(open_rows(tmp_path, target="y", workers=workers.client))
    held = LogisticRegression().fit(encoded(frame), frame["y"])
    assert_array_equal(there.coef_, here.coef_)
    assert there.certificate_.to_json() == here.certificate_.to_json()
    assert there.certificate_.holds
    assert_allclose(there.coef_, held.coef_, atol=1e-10)
    there.save(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("ending", "target", "settings"),
    [("csv", "y", {}), ("svm", None, {"l1_ratio": 0.5, "C": 0.1}), ("npy", "last", {"C": np.inf})],
)
def test_files_of_other_kinds_with_test_rows_a_copy_and_a_checkpoint(
    ending: str,
    target: str | None,
    settings: dict[str, float],
    workers: DaskWorkers,
    rng: np.random.Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in range(3):
        x, path = rng.normal(size=(100, 3)), tmp_path / f"{place}.{ending}"
        y = np.argmax(x + rng.gumbel(size=x.shape), axis=1)
        if ending == "csv":
            pandas.DataFrame(x).assign(y=y).to_csv(path, index=False)
        elif ending == "svm":
            dump_svmlight_file(x, y, str(path), zero_based=False)
        else:
            np.save(path, np.column_stack([x, y]))
    (tmp_path / "copies").mkdir()
    monkeypatch.chdir(tmp_path)  # the workers began in another folder
    here = hold_out_streamed(open_rows(tmp_path / f"*.{ending}", target=target), 0.2)
    there = hold_out_streamed(open_rows(f"*.{ending}", target=target, workers=workers), 0.2)
    wanted, path = fit_streamed(LogisticRegression(**settings), here), tmp_path / "fit.checkpoint"
    for rows in (there, cached(there, "copies"), here):  # each goes on from the sums of those before
        found = fit_streamed(LogisticRegression(**settings), rows, checkpoint=path)
        assert_array_equal(found.coef_, wanted.coef_)
        assert found.certificate_.to_json() == wanted.certificate_.to_json()
        assert_array_equal(fit_streamed(LogisticRegression(**settings), rows).coef_, wanted.coef_)


def test_a_data_frame(workers: DaskWorkers, rng: np.random.Generator) -> None:
    frame = frame_of(rng)
    spread = dataframe.from_pandas(frame, npartitions=4)
    spread = dataframe.concat([spread, spread[spread["x0"] > 100]])  # and some empty partitions
    model = LogisticRegression().fit(spread, "y")
    held = LogisticRegression().fit(encoded(frame), frame["y"])
    assert model.certificate_.holds
    assert model.classes_.tolist() == ["a", "b", "c", "d"]
    assert model.encoder_.feature_names[3:] == ("hue=blue", "hue=green", "hue=red")
    assert_allclose(model.coef_, held.coef_, atol=1e-10)
    lazy = model.predict(spread), model.predict_proba(spread), model.decision_function(spread)
    found = [each.compute() for each in lazy]
    for series, got in zip(("predict", "predict_proba", "decision_function"), found, strict=True):
        assert_array_equal(got.to_numpy(), getattr(model, series)(encoded(frame)))
    assert found[1].columns.tolist() == [f"probability_{label}" for label in "abcd"]
    assert_array_equal(found[0].index, frame.index)
    with pytest.raises(ArgumentError, match="predictions are made of a Dask data frame or array"):
        model.predict(spread["x0"])
    with pytest.raises(ArgumentError, match=r"y is NoneType: .* the name of the column of labels"):
        LogisticRegression().fit(spread)
    with pytest.raises(ArgumentError, match="has no such column"):
        LogisticRegression().fit(spread, "z")
    frame.loc[306, "x1"] = np.nan
    with pytest.raises(DataError, match=r"partition 2, row 7, column 'x1'.*: the cell is missing"):
        OneVsRest().fit(dataframe.from_pandas(frame, npartitions=4), "y")
    with pytest.raises(DataError, match=r"column 'hue': its categories are not known; use frame\.categorize"):
        LogisticRegression().fit(spread.assign(hue=spread["hue"].astype(str).astype("category")), "y")


def test_a_data_frame_has_a_checkpoint_of_its_values_and_neither_test_rows_nor_a_copy(
    one_worker: DaskWorkers, rng: np.random.Generator, tmp_path: Path
) -> None:
    frame, path = frame_of(rng), tmp_path / "fit.checkpoint"
    with one_worker.client.as_current():
        rows = open_rows(dataframe.from_pandas(frame, npartitions=3), target="y")
        wanted = LogisticRegression().fit(rows)
        for _ in range(2):
            assert_array_equal(fit_streamed(LogisticRegression(), rows, checkpoint=path).coef_, wanted.coef_)
        frame.loc[len(frame) // 2 :, "x0"] *= -3  # the first rows, of which a fit takes medians, stay as they are
        other = open_rows(dataframe.from_pandas(frame, npartitions=3), target="y")
        with pytest.raises(ArgumentError, match="is the checkpoint of another fit, with other values"):
            fit_streamed(LogisticRegression(), other, checkpoint=path)
        with pytest.raises(ArgumentError, match=r"test_fraction=0.2: rows of a Dask data frame lie with workers"):
            hold_out_streamed(rows, 0.2)
        with pytest.raises(ArgumentError, match="a copy is made of rows in files"):
            cached(rows, tmp_path)


def test_an_array(workers: DaskWorkers, rng: np.random.Generator) -> None:
    X, weight = rng.normal(size=(500, 4)), rng.uniform(0.5, 2, 500)
    y = (X[:, 0] + rng.normal(size=500) > 0).astype(int)
    spread = arrays.from_array(X, chunks=(130, 3))
    model = LogisticRegression().fit(spread, arrays.from_array(y, chunks=100), weight)
    held = LogisticRegression().fit(X, y, weight)
    assert_allclose(model.coef_, held.coef_, atol=1e-10)
    for method in ("predict", "predict_proba", "decision_function", "predict_log_proba"):
        assert_array_equal(getattr(held, method)(spread).compute(), getattr(held, method)(X))
    few = arrays.from_array(X, chunks=(250, 4)).map_blocks(sparse.csr_matrix)
    assert_allclose(LogisticRegression().fit(few, y, weight).coef_, held.coef_, atol=1e-10)
    X[300, 2] = np.nan
    with pytest.raises(DataError, match="chunk 1 of X: contains nan at row 50 of it, column 2"):
        LogisticRegression().fit(arrays.from_array(X, chunks=250), y)
    with pytest.raises(DataError, match="X has 500 rows and y 499"):
        LogisticRegression().fit(spread, y[1:])
    for what in (lambda: LinearRegression().fit(spread, y), lambda: evaluate(held, spread, y)):
        with pytest.raises(ArgumentError, match=r"rows in memory are needed: X\.compute"):
            what()
    with pytest.raises(ArgumentError, match="rows in memory"):
        LogisticRegression(solver="dual").fit(spread, y)


@pytest.mark.parametrize("wide", [False, True])
def test_what_the_page_on_determinism_promises(
    wide: bool, workers: DaskWorkers, one_worker: DaskWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 70)
    path, settings = determinism.write_rows(tmp_path, wide=wide), determinism.SETTINGS["newton"]
    found = {"in memory": determinism.in_memory(path, settings)}
    ways = {"in files": None, "in files, one Dask worker": one_worker, "in files, two Dask workers": workers}
    for name, who in ways.items():
        rows = open_rows(path, target="y", weight="w", workers=who)
        assert len(rows.X.parts) > 1
        found[name] = LogisticRegression(**settings).fit(rows)
    determinism.check(found)


def test_weights_of_a_data_frame(workers: DaskWorkers, tmp_path: Path) -> None:
    path = determinism.write_rows(tmp_path, wide=False)
    frame = dataframe.from_pandas(pandas.read_parquet(path), npartitions=3)
    rows = open_rows(frame, target="y", weight="w", workers=workers)
    assert_array_equal(rows.weight, pandas.read_parquet(path)["w"])
    model = LogisticRegression(tol=1e-9).fit(rows)
    assert_allclose(model.coef_, determinism.in_memory(path, {"tol": 1e-9}).coef_, atol=1e-10)
