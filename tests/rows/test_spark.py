"""Rows in the partitions of a Spark data frame: the bits of one process, or one clear sentence."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import determinism
from polytome import LinearRegression, LogisticRegression, open_rows
from polytome.errors import ArgumentError, ClusterError, DataError
from polytome.passes import ProductOfColumns, Scores
from polytome.rows import StreamedRows
from polytome.rows.elsewhere import ArrayPart
from polytome.rows.spark import SparkRows, SparkWorkers, answers

sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
if shutil.which("java") is None:
    pytest.skip("Java is not installed", allow_module_level=True)

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Two processes of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        options = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.driver.host": "127.0.0.1"}
        builder = sql.SparkSession.builder.master("local[2]")
        for name, value in {**options, "spark.driver.bindAddress": "127.0.0.1"}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


def frame_of(rng: np.random.Generator, n_rows: int = 300) -> pandas.DataFrame:
    x, hue = rng.normal(size=(n_rows, 2)), rng.choice(["red", "blue"], n_rows)
    y = np.array(["a", "b", "c"])[np.argmax(np.column_stack([x, x[:, 0]]) + rng.gumbel(size=(n_rows, 3)), axis=1)]
    y[:100] = "a"  # one class in a partition
    return pandas.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "hue": hue, "y": y})


def collected(spread: Any) -> pandas.DataFrame:
    return pandas.DataFrame([row.asDict() for row in spread.collect()])


def encoded(frame: pandas.DataFrame) -> Any:
    return np.column_stack([frame[["x0", "x1"]].to_numpy(), frame["hue"] == "blue", frame["hue"] == "red"]).astype(
        float
    )


def test_a_data_frame(spark: Any, rng: np.random.Generator) -> None:
    frame = frame_of(rng)
    spread = spark.createDataFrame(frame).coalesce(1).repartition(3)
    table = open_rows(spread, target="y", categories=["hue"])
    assert [part.n_rows for part in table.X.parts] == [100, 100, 100]
    here = replace(
        table.X, workers=None, parts=tuple(ArrayPart(tuple(each.read()), "held", 0) for each in table.X.parts)
    )
    held = np.vstack([X for part in here.parts for X in part.read()])

    rows, twin = (StreamedRows.of(X, table.codes) for X in (table.X, here))
    assert isinstance(rows, SparkRows)
    residuals, chosen = rng.normal(size=(300, 3)), np.array([3, 120, 299])
    for got, want in zip(
        rows.with_target(residuals).reduce(ProductOfColumns()),
        twin.with_target(residuals).reduce(ProductOfColumns()),
        strict=True,
    ):
        assert_array_equal(got, want)
    assert_array_equal(rows.subset(chosen, np.ones(3)).X, held[chosen])

    model = LogisticRegression(tol=1e-3).fit(table)
    twin_model = LogisticRegression(tol=1e-3).fit(replace(table, X=here))
    assert model.certificate_.holds
    assert_array_equal(model.coef_, twin_model.coef_)
    in_memory = LogisticRegression(tol=1e-3).fit(held, table.classes[table.codes])
    assert_allclose(model.coef_, in_memory.coef_, atol=1e-10)

    predicted = model.predict(spread)
    assert predicted.columns == [*frame.columns, "prediction"]
    found = collected(predicted)
    assert_array_equal(found["prediction"], model.predict(encoded(found)))
    probable = collected(model.predict_proba(spread))
    assert_array_equal(probable[[f"probability_{label}" for label in "abc"]], model.predict_proba(encoded(probable)))
    with pytest.raises(ArgumentError, match="X has a column 'prediction' already"):
        model.predict(predicted)
    with pytest.raises(ArgumentError, match=r"rows in memory are needed: .*toPandas"):
        LinearRegression().fit(spread, frame["x0"])
    with pytest.raises(ArgumentError, match="has no such column"):
        LogisticRegression().fit(spread, "z")


def test_a_missing_cell(spark: Any, rng: np.random.Generator) -> None:
    frame = frame_of(rng, 120)
    frame.loc[7, "x1"] = None
    spread = spark.createDataFrame(frame).coalesce(1)
    with pytest.raises(DataError, match=r"partition 0, row 8, column 'x1': the cell is missing"):
        LogisticRegression().fit(spread, "y")


def test_a_worker_with_another_version(spark: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_rows(spark.createDataFrame(frame_of(rng, 120)).coalesce(1), target="y", categories=["hue"])
    monkeypatch.setattr("polytome.rows.elsewhere.__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"a worker has polytome .*, and 0\.0\.1 is here; install"):
        StreamedRows.of(table.X, table.codes).reduce(Scores(np.zeros((5, 1))))


def test_a_worker_without_a_module_and_one_that_takes_too_long(spark: Any) -> None:
    def lacking(batches: Any) -> Iterator[tuple[int, int]]:
        import a_module_that_no_executor_has  # noqa: F401

        yield from ()

    def sleeping(batches: Any) -> Iterator[tuple[int, int]]:
        import time

        time.sleep(5)
        yield from ()

    frame = spark.range(1)
    with pytest.raises(
        ClusterError, match=r"an executor of Spark cannot compute: ModuleNotFoundError: .*PYSPARK_PYTHON"
    ):
        answers(frame, lacking)
    with pytest.raises(ClusterError, match=r"Spark has not finished a pass within 0\.5 s"):
        answers(frame, sleeping, seconds=0.5)
    assert SparkWorkers(frame).job_seconds > 600


def test_what_the_page_on_determinism_promises(spark: Any, tmp_path: Path) -> None:
    path, settings = determinism.write_rows(tmp_path, wide=False), determinism.SETTINGS["newton"]
    spread = spark.createDataFrame(pandas.read_parquet(path)).repartition(3)
    rows = open_rows(spread, target="y", weight="w")
    assert len(rows.X.parts) == 3
    found = {"in memory": determinism.in_memory(path, settings)}
    found["in files"] = LogisticRegression(**settings).fit(open_rows(path, target="y", weight="w"))
    determinism.check({**found, "in a Spark data frame": LogisticRegression(**settings).fit(rows)})
