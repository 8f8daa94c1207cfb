"""Programs in C around an exported header, compiled strictly."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytome.export import write_c

COMPILER = shutil.which("cc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
# Reads rows of float64 from stdin; writes for each the class and the probabilities.
PROGRAM = """
#include <stdio.h>
#include "model.h"

int main(void)
{
    double row[POLYTOME_COLUMNS], answer[1 + POLYTOME_CLASSES];
    while (fread(row, sizeof(double), POLYTOME_COLUMNS, stdin) == POLYTOME_COLUMNS) {
        answer[0] = polytome_predict(row, answer + 1);
        fwrite(answer, sizeof(double), 1 + POLYTOME_CLASSES, stdout);
    }
    return 0;
}
"""
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def compiled(model: Any, program: str, folder: Path, options: tuple[str, ...] = STRICT) -> Path:
    """A program around the model's header."""
    write_c(model, folder / "model.h")
    (folder / "main.c").write_text(program)
    subprocess.run([COMPILER, *options, "main.c", "-o", "main", "-lm"], cwd=folder, check=True)
    return folder / "main"


def answers(model: Any, rows: np.ndarray, folder: Path) -> np.ndarray:
    """For each row the class, and the probabilities or numbers, as the compiled header computes
    them."""
    program = compiled(model, PROGRAM, folder)
    content = np.ascontiguousarray(rows, dtype=np.float64).tobytes()
    run = subprocess.run([program], input=content, capture_output=True, check=True)
    return np.frombuffer(run.stdout).reshape(len(rows), -1)
