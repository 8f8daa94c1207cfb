"""The gallery of examples: each script runs as it is, without arguments, and says what it is there
to say."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "02_table_in_the_terminal": ["typer", "rich", "pyarrow"],
    "05_choose_the_penalty": ["matplotlib"],
    "06_calibration": ["matplotlib"],
    "10_explain_a_prediction": ["matplotlib", "pandas"],
    "11_save_and_export": ["onnx", "onnxruntime", "pandas"],
    "12_report": ["matplotlib", "jinja2"],
    "13_verify_a_proof": ["flint"],
}
SAYS = {
    "01_first_fit": r"Proved: .*\nstopped because: CERTIFIED\n.*virginica +0\.76",
    "02_table_in_the_terminal": r"\$ polytome train.*Certificate +Proved.*prediction,probability_no.*town=Lyon",
    "03_sparse_text": r"Proved: .*right on the other half: (?:[7-9]\d|100)%",
    "04_class_weights": r"class_weight=None.*class_weight=balanced.*eights found: 8\d%",
    "05_choose_the_penalty": r"best: C = 10\n",
    "06_calibration": r"C = 1e\+06: .* log-loss 1\.\d+\nC = 3: .* log-loss 0\.\d+",
    "07_softmax_or_one_vs_rest": r"LogisticRegression .*proof.*OneVsRest .*proof.*OneVsOne .* - .*proof",
    "08_soft_labels": r"ten readers, soft labels +9\d\.\d% right\none reader, hard labels +8\d\.\d% right",
    "09_settled_predictions": r"tol = 0\.01: .* 0\.0% .*tol = 1e-08: .* 99\.\d% .*changes 0\n",
    "10_explain_a_prediction": r"predicted: class_1.* makes it class_2",
    "11_save_and_export": r"after loading: True\nthe same certificate: True.*iris\.onnx.*\"probability_setosa\"",
    "12_report": r"digits\.html: \d{3} KiB.* are predicted correctly.*is proved",
    "13_verify_a_proof": r"^confirmed\n.*\nrefuted\n$",
    "14_warm_start": r"all rows, warm: +\d iterations",
    "15_columns_of_any_size": r"scale=None.*probability: \d\.\de-01.*scale='standard'.*probability: \d\.\de-\d\d",
}
DRAW = {"05_choose_the_penalty": 1, "06_calibration": 2, "10_explain_a_prediction": 1, "12_report": 2}


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    """docs/gallery.py, which runs the scripts for the documentation as well."""
    pytest.importorskip("matplotlib").use("Agg")
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module("gallery")
    finally:
        sys.path.remove(str(ROOT / "docs"))


def test_every_script_is_expected_to_say_something() -> None:
    assert [script.stem for script in SCRIPTS] == sorted(SAYS)
    assert set(NEEDS) | set(DRAW) <= set(SAYS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_and_says_what_it_is_for(
    script: Path, gallery: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in NEEDS.get(script.stem, []):
        pytest.importorskip(module)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("COLUMNS", "80")
    before = set(ROOT.iterdir()) | set(SCRIPTS[0].parent.iterdir())
    printed, displays = gallery.run_example(script)
    assert re.search(SAYS[script.stem], printed, re.DOTALL), printed
    assert len(displays) == DRAW.get(script.stem, 0)
    assert set(ROOT.iterdir()) | set(SCRIPTS[0].parent.iterdir()) == before  # its files lie in a folder of its own


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_is_short_and_says_what_it_shows(script: Path, gallery: ModuleType) -> None:
    (example,) = (each for each in gallery.examples() if each.path == script)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert 15 <= len(lines) <= 60
    assert max(map(len, lines)) <= 100  # as wide as its page
    assert 5 < len(example.title) < 60
    assert len(example.words.split()) > 20
    assert example.code.count("\n") > 8
