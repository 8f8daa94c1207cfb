"""From `fit` to the arithmetic: as few calls as `docs/rule.md` says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

from polytome import LogisticRegression, native
from polytome.losses import Softmax
from polytome.solvers import LBFGS

RULE = Path(__file__).parents[2] / "docs" / "rule.md"


def calls_since_fit() -> list[str]:
    """The functions between `fit` and the caller of this one, outermost first."""
    frame, names = sys._getframe(2), []
    while frame is not None and frame.f_code is not LogisticRegression.fit.__code__:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    assert frame is not None, "not called from fit"
    return names[::-1]


def told() -> dict[str, list[str]]:
    """The two paths as the page names them."""
    text = RULE.read_text(encoding="utf-8")
    return {
        path: re.findall(r"`(\w+)`", line)
        for path, line in re.findall(r"^- (Compiled|NumPy): (.*(?:\n  .*)*)$", text, flags=re.MULTILINE)
    }


@pytest.mark.skipif(native.instruction_set() is None, reason="NumPy does the work")
def test_compiled_code_is_reached_in_six_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[list[str]] = []
    find = native.work_of

    def watched(a_pass: Any, held: Any) -> Any:
        work = find(a_pass, held)
        if type(a_pass).__name__ != "ValueAndGradient":
            return work

        def compute() -> Any:
            paths.append(calls_since_fit())
            return work.compute()

        return native.Whole(compute, work.results)

    monkeypatch.setattr(native, "work_of", watched)
    LogisticRegression(solver=LBFGS()).fit(*load_iris(return_X_y=True))
    assert min(paths, key=len) == told()["Compiled"]
    assert len(told()["Compiled"]) <= 6


def test_numpy_reaches_the_loss_in_eight_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[list[str]] = []
    compute = Softmax.value_and_gradient

    def watched(self: Softmax, scores: Any, target: Any) -> Any:
        names = calls_since_fit() if sys._getframe(1).f_code.co_name == "of_block" else []
        paths.extend([names] if names else [])
        return compute(self, scores, target)

    monkeypatch.setattr(native, "instruction_set", lambda: None)
    monkeypatch.setattr(Softmax, "value_and_gradient", watched)
    LogisticRegression(solver=LBFGS()).fit(*load_iris(return_X_y=True))
    assert min(paths, key=len) == told()["NumPy"]
    assert len(told()["NumPy"]) <= 8
