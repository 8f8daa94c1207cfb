"""The C header, compiled without a warning, computes what the model computes; names and levels
cannot break it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exported_models as models
from c_programs import COMPILER, STRICT, answers, compiled, needs_compiler
from polytome import LogisticRegression
from polytome.errors import ArgumentError, FileError
from polytome.export import c_header, to_c, write_c

NAMES = """
#include <stdio.h>
#include "model.h"

int main(void)
{
    int k;
    for (k = 0; k < POLYTOME_CLASSES; k++)
        printf("%s%c", polytome_class_names[k], 0);
    for (k = 0; k < POLYTOME_COLUMNS; k++)
        printf("%s%c", polytome_column_names[k], 0);
    return 0;
}
"""


def predicted(model: LogisticRegression, rows: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    answer = answers(model, rows, folder)
    return answer[:, 0].astype(int), answer[:, 1:]


def coded(model: LogisticRegression, rows: dict[str, list[Any]]) -> np.ndarray:
    """Cells as a user of the header gives them: codes for levels, NaN for what is missing."""
    columns = []
    for column in model.encoder_.columns:
        codes = {level: code for code, level in enumerate(column.levels)}
        cells = rows[column.name]
        if column.kind == "category":
            cells = [None if cell is None else codes.get(cell, -1) for cell in cells]
        columns.append([np.nan if cell is None else cell for cell in cells])
    return np.array(columns, dtype=np.float64).T


@needs_compiler
@pytest.mark.parametrize("make", [models.iris, models.virginica, models.digits])
def test_probabilities_and_classes_are_those_of_the_model(make: Any, tmp_path: Path) -> None:
    model = make()
    X = np.random.default_rng(3).uniform(0, 8, size=(500, model.n_features_in_))
    codes, probabilities = predicted(model, X, tmp_path)
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(model.classes_[codes], model.predict(X))


@needs_compiler
def test_small_probabilities_keep_their_digits_and_large_scores_do_not_overflow(tmp_path: Path) -> None:
    model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    codes, found = predicted(model, np.array([[60.0], [-60.0], [5000.0], [0.0]]), tmp_path)
    np.testing.assert_allclose(found[:2], [[np.exp(-60), 1], [1, np.exp(-60)]], rtol=1e-14)
    assert found[2].tolist() == [0, 1]
    assert codes.tolist() == [1, 0, 1, 0]


@needs_compiler
@pytest.mark.parametrize("binary", [False, True])
def test_a_table_comes_in_as_numbers_and_codes(binary: bool, tmp_path: Path) -> None:
    model = models.hostile(tmp_path, binary=binary)
    codes, probabilities = predicted(model, coded(model, models.hostile_rows()), tmp_path)
    X = models.encoded_rows(model, models.hostile_rows())
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-13)
    np.testing.assert_array_equal(model.classes_[codes], model.predict(X))


@needs_compiler
def test_what_the_model_refuses_gets_nan_and_no_class(tmp_path: Path) -> None:
    model = models.hostile(tmp_path, missing="drop", unknown="error")
    codes, probabilities = predicted(model, coded(model, models.hostile_rows()), tmp_path)
    assert codes[0] >= 0
    assert np.isfinite(probabilities[0]).all()
    assert codes[1:].tolist() == [-1] * 4
    assert np.isnan(probabilities[1:]).all()
    zero = models.hostile(tmp_path, missing="drop", unknown="zero")
    codes, _ = predicted(zero, coded(zero, models.hostile_rows()), tmp_path)
    assert [code >= 0 for code in codes] == [True, False, False, False, True]
    codes, probabilities = predicted(models.iris(), np.array([[1, np.inf, 1, 1], [np.nan, 1, 1, 1]]), tmp_path)
    assert codes.tolist() == [-1, -1]
    assert np.isnan(probabilities).all()


@needs_compiler
def test_names_come_back_as_they_were_whatever_they_hold(tmp_path: Path) -> None:
    names = ['"; system("rm")//', "*/ x", "??/", "a\\", "line\nfeed", "tab\t0", "ünï 中", "%s", "/* y"]
    X = np.random.default_rng(0).normal(size=(20, len(names)))
    model = LogisticRegression().fit(X, np.resize(['no "way" */', "??= yes\\"], 20))
    model.feature_names_in_ = np.array(names, dtype=object)
    program = compiled(model, NAMES, tmp_path)
    printed = subprocess.run([program], capture_output=True, check=True).stdout.decode().split("\0")
    assert printed[:-1] == [*model.classes_.tolist(), *names]


@needs_compiler
def test_two_models_fit_into_one_program_and_into_cpp(tmp_path: Path) -> None:
    write_c(models.iris(), tmp_path / "iris.h", prefix="iris")
    write_c(models.hostile(tmp_path), tmp_path / "kind.h", prefix="Kind_2")
    (tmp_path / "main.c").write_text(
        '#include "iris.h"\n#include "kind.h"\n#include "iris.h"\nint main() { return 0; }\n'
    )
    subprocess.run([COMPILER, *STRICT, "-Wno-strict-prototypes", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    if shutil.which("c++"):
        options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-x", "c++"]
        subprocess.run(["c++", *options, "main.c", "-o", "main"], cwd=tmp_path, check=True)


def test_the_header_says_what_it_is() -> None:
    text = to_c(models.iris())
    for fact in (str(models.iris().certificate_), str(models.iris().objective_)):
        assert fact in text
    assert "eval" not in text


def test_what_cannot_be_exported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("", "2x", "a b", "x;", "é"):
        with pytest.raises(ArgumentError, match="needs a letter, followed by"):
            to_c(models.iris(), prefix=prefix)
    with pytest.raises(FileError, match="no folder"):
        write_c(models.iris(), tmp_path / "absent" / "model.h")
    monkeypatch.setattr(c_header, "_MOST_COEFFICIENTS", 639)
    with pytest.raises(ArgumentError, match=r"640 coefficients are too many .* export to ONNX"):
        to_c(models.digits())


@needs_compiler
@pytest.mark.data
def test_adult_with_its_missing_cells(tmp_path: Path) -> None:
    model, _ = models.adult()
    cells = models.adult_cells(5000)
    codes, probabilities = predicted(model, coded(model, cells), tmp_path)
    X = models.encoded_rows(model, cells)
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(model.classes_[codes], model.predict(X))


@needs_compiler
@pytest.mark.data
def test_mnist(tmp_path: Path) -> None:
    model, X = models.mnist()
    codes, probabilities = predicted(model, X, tmp_path)
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(model.classes_[codes], model.predict(X))
