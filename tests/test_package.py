"""The package as a stranger meets it: what an import costs, what is public, and that README, CI and
hooks agree."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import polytome

ROOT = Path(__file__).parent.parent
SLOW_TO_IMPORT = ("matplotlib", "pandas", "polars", "pyarrow", "rich", "safetensors", "sklearn", "typer")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(polytome.__path__, "polytome.")
    if not module.name.startswith("polytome.cli") and module.name != "polytome.__main__"
)


def _lines(name: str) -> list[str]:
    return [line.strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]


def _start_commands() -> list[str]:
    """The commands in the section "Start" of the README."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Start\n")[1].split("\n## ")[0]
    return [block.strip() for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL)]


def _loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after a statement, and Polytome's own
    modules."""
    program = f"{statement}; import sys; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = run.stdout.split()
    return {name.partition(".")[0] for name in names} | {name for name in names if name.startswith("polytome.")}


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = _loaded_after("import polytome")
    assert "polytome" in loaded
    assert not loaded & {*SLOW_TO_IMPORT, "numpy", "scipy"}
    assert {name for name in loaded if name.startswith("polytome.")} == {"polytome._version"}


@pytest.mark.parametrize(
    "statement",
    [
        "from polytome import Certificate, PolytomeError, Progress, Stop, load, load_dataset, read_table",
        "from polytome import certificates, losses, numerics, penalties, rows, solvers",
    ],
)
def test_what_needs_no_estimator_loads_numpy_and_scipy_only(statement: str) -> None:
    loaded = _loaded_after(statement)
    assert {"numpy", "scipy"} <= loaded
    assert not loaded & set(SLOW_TO_IMPORT)


def test_public_names_are_sorted_and_come_from_their_homes() -> None:
    assert polytome.__all__ == sorted(set(polytome.__all__))
    assert list(polytome._HOMES) == polytome.__all__
    for name, home in polytome._HOMES.items():
        assert getattr(polytome, name) is getattr(importlib.import_module(home), name)
        assert name in importlib.import_module(home).__all__
    assert set(polytome.__all__) <= set(dir(polytome))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        polytome.nothing  # noqa: B018


def test_type_checkers_see_the_same_names_in_the_same_homes() -> None:
    tree = ast.parse(Path(str(polytome.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == polytome._HOMES


@pytest.mark.parametrize("name", MODULES)
def test_public_names_of_a_module_exist_once_and_classes_and_functions_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), name
    public = getattr(module, "__all__", [])
    assert len(public) == len(set(public))
    for attribute in public:
        value = getattr(module, attribute)
        if isinstance(value, type) or type(value).__name__ == "function":
            assert (value.__doc__ or "").strip(), f"{name}.{attribute}"


def test_the_core_has_four_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert names == {"numpy", "scipy", "scikit-learn", "safetensors"}


def test_the_change_log_and_the_citation_know_this_version() -> None:
    assert f"## [{polytome.__version__}]" in "\n".join(_lines("CHANGELOG.md"))
    assert f"version: {polytome.__version__}" in _lines("CITATION.cff")


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    set_up, run_tests = _start_commands()
    script = [line for line in _lines(".ci/run") if line and not line.startswith("#")]
    assert set_up in script
    assert script[-1] == run_tests
    assert {set_up, run_tests} <= set(_lines("CONTRIBUTING.md"))


def test_the_hooks_before_a_commit_run_what_ci_runs() -> None:
    entries = [line.removeprefix("entry: ") for line in _lines(".pre-commit-config.yaml") if line.startswith("entry:")]
    checks = [entry for entry in entries if "pytest" not in entry]
    assert len(checks) == 4
    assert set(checks) <= set(_lines(".ci/run"))
    assert [entry for entry in entries if "pytest" in entry] == ["python -m pytest -q @tests/quick.txt"]
    quick = _lines("tests/quick.txt")
    assert quick == sorted(set(quick))
    assert not [file for file in quick if not (ROOT / file).is_file()]


def test_no_file_names_a_path_of_somebody_s_machine() -> None:
    path = re.compile(r"(?<![\w.~>])/(?:work|opt|root|home|Users|mnt)/[\w.]")
    kinds = {".py", ".md", ".toml", ".yml", ".yaml", ".css"}
    folders = [ROOT / name for name in ("src", "tests", "docs", "benchmarks")]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in kinds]
    files += [file for file in ROOT.iterdir() if file.suffix in kinds] + [ROOT / ".ci" / "run"]
    assert len(files) > 50
    found = [f"{file.name}: {hit.group()}" for file in files if (hit := path.search(file.read_text(encoding="utf-8")))]
    assert not found


def test_a_subinterpreter_is_told_why_it_cannot() -> None:
    """NumPy loads once in a process; what it says about that names no remedy."""
    interpreters = pytest.importorskip("_xxsubinterpreters")
    script = "from polytome import LogisticRegression"
    program = f"""
import numpy, _xxsubinterpreters
try:
    _xxsubinterpreters.run_string(_xxsubinterpreters.create(), {script!r})
except _xxsubinterpreters.RunFailedError as error:
    print(error)
"""
    assert interpreters is not None
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert "ImportError" in found.stdout
    assert "processes instead" in found.stdout
