"""The floors of docs/rule.md: no import goes up, and none go round in a circle, lazy and type-only
ones included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "polytome"
Imports = dict[str, set[str]]
"""For each module the modules that it imports, by their names within the package."""


def floors_of(page: str) -> dict[str, int]:
    """The floor of each name in the first column of the table of floors, from the ground up."""
    _, _, table = page.partition("| floor |")
    lines = re.findall(r"^\| (`.*?`) \|", table.partition("\n\n")[0], flags=re.MULTILINE)
    return {name: floor for floor, line in enumerate(lines) for name in re.findall(r"`(\w+)`", line)}


def modules_of(package: Path) -> dict[str, str]:
    """The text of each module, by its name within the package; a folder stands for its `__init__`,
    a stub for an extension."""
    found = {}
    for path in sorted((*package.rglob("*.py"), *package.rglob("*.pyi"))):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path.read_text()
    return found


def imports_of(sources: dict[str, str], folders: set[str]) -> Imports:
    """The imports of each module, wherever they stand in it; `folders` are those modules that are
    an `__init__`."""
    return {
        name: {module_named(imported, sources) for imported in _imported(name, text, folders)} - {name}
        for name, text in sources.items()
    }


def module_named(imported: str, sources: Iterable[str]) -> str:
    """The module that holds an imported name: the name itself, or what is before its last dot."""
    within = imported.removeprefix("polytome").removeprefix(".")
    while within and within not in sources:
        within = within.rpartition(".")[0]
    return within or "__init__"


def _imported(name: str, text: str, folders: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "polytome")
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                here = ["polytome", *name.split(".")]
                parents = here[: len(here) - node.level + (name in folders)]
                origin = ".".join([*parents, *filter(None, [origin])])
            if origin.split(".")[0] == "polytome":
                yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in (
            getattr(node.func, "id", None),
            getattr(node.func, "attr", None),
        ):
            yield from (
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("polytome.")
            )


def going_up(imports: Imports, floors: dict[str, int]) -> set[tuple[str, str]]:
    """The pairs of an importing module and one on a higher floor that it imports."""
    return {
        (name, imported)
        for name, those in imports.items()
        for imported in those
        if floors[imported.split(".")[0]] > floors[name.split(".")[0]]
    }


def circle_in(imports: Imports) -> list[str]:
    """Modules of which each imports the next, and the last is the first; empty if there are
    none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


FLOORS = floors_of((ROOT / "docs" / "rule.md").read_text(encoding="utf-8"))
SOURCES = modules_of(PACKAGE)


@pytest.fixture(scope="module")
def imports() -> Imports:
    """Of the package."""
    folders = {name for name in SOURCES if (PACKAGE / name.replace(".", "/") / "__init__.py").exists()}
    return imports_of(SOURCES, folders)


def test_every_module_stands_on_a_floor_and_every_floor_holds_modules() -> None:
    assert {name.split(".")[0] for name in SOURCES} == set(FLOORS)


def test_no_import_goes_up(imports: Imports) -> None:
    assert going_up(imports, FLOORS) == set()


def test_no_imports_go_round_in_a_circle(imports: Imports) -> None:
    assert circle_in(imports) == []


def test_no_folders_import_each_other(imports: Imports) -> None:
    between: Imports = {folder: set() for folder in FLOORS}
    for name, those in imports.items():
        folder = name.split(".")[0]
        between[folder] |= {each.split(".")[0] for each in those} - {folder}
    assert circle_in(between) == []


@pytest.mark.parametrize(
    "line",
    [
        "import polytome.cli.app",
        "from polytome.cli.app import main",
        "from polytome.cli import app",
        "from polytome import cli",
        "from ..cli import app",
        "from .. import cli",
        "def later():\n    from polytome.cli.app import main",
        "if TYPE_CHECKING:\n    from polytome.cli import app",
        "import_module('polytome.cli.app')",
        "importlib.import_module('polytome.cli')",
    ],
)
def test_every_form_of_an_import_is_seen(line: str) -> None:
    sources = {"rows": "", "rows.sparse": line, "cli": "", "cli.app": ""}
    imports = imports_of(sources, {"rows", "cli"})
    (imported,) = imports["rows.sparse"]
    assert imported in ("cli", "cli.app")
    assert going_up(imports, {"rows": 0, "cli": 1}) == {("rows.sparse", imported)}


def test_relative_imports_of_a_folder_are_its_own() -> None:
    imports = imports_of({"rows": "from . import sparse\nfrom .sparse import X", "rows.sparse": ""}, {"rows"})
    assert imports["rows"] == {"rows.sparse"}


def test_a_name_of_the_package_is_its_init() -> None:
    imports = imports_of({"__init__": "", "rows": "from polytome import load"}, {"rows"})
    assert going_up(imports, {"rows": 0, "__init__": 1}) == {("rows", "__init__")}


def test_a_circle_is_named_in_its_order() -> None:
    circle = circle_in({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()})
    assert circle in (["b", "c", "b"], ["c", "b", "c"])
