"""The documents: their examples run, their links lead somewhere, the built site is complete and needs no network."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest

import polytome
from polytome import Stop

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_EXAMPLES = [page for page in PAGES if "```pycon" in page.read_text(encoding="utf-8")]
NEED_DATA = {"tutorial-mnist.md"}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=[pytest.mark.data] * (page.name in NEED_DATA)) for page in WITH_EXAMPLES],
)
def test_examples_run(page: Path) -> None:
    if page.name in NEED_DATA and not os.environ.get("POLYTOME_DATA"):
        pytest.skip("POLYTOME_DATA is not set")
    blocks = re.findall(r"^```pycon\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).attempted == len(test.examples) > 0
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    made = ("reference/", "lessons/", "cli.md")  # by docs/hooks.py; mkdocs checks these
    assert not [link for link in links if not link.startswith(made) and not (page.parent / link).exists()]


def test_every_reason_to_stop_is_explained() -> None:
    text = (ROOT / "docs" / "certificate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == {stop.name for stop in Stop}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents, built strictly."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    search_path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search_path, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/hooks.py as mkdocs loads it."""
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("documents_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_public_name(site: Path, hooks: ModuleType) -> None:
    documented = hooks.documented_names(site / "objects.inv")
    assert {f"polytome.{name}" for name in polytome.__all__} <= documented
    for module, (summary, names) in hooks.public_modules().items():
        assert summary, module
        assert (site / "reference" / f"{module}.html").exists()
        assert {f"{module}.{name}" for name in names} <= documented, module


def test_a_page_that_draws_shows_its_displays(site: Path) -> None:
    text = (site / "howto-plots.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img alt="([^"]+)" src="(images/howto-plots/[^"]+\.svg)"', text)
    assert len(pictures) == 15
    for words, path in pictures:
        assert words.endswith(".")
        assert (site / path).read_bytes().startswith(b"<?xml")


def test_the_page_of_the_command_line_has_every_command(site: Path) -> None:
    text = (site / "cli.html").read_text(encoding="utf-8")
    for command in ("train", "predict", "evaluate", "explain", "datasets"):
        assert f"Usage: polytome {command} " in text
    assert "--test-fraction" in text


def test_an_incomplete_reference_is_refused(tmp_path: Path, hooks: ModuleType) -> None:
    (tmp_path / "objects.inv").write_bytes(b"1\n2\n3\n4\n" + zlib.compress(b"polytome.load py:function 1 x -\n"))
    with pytest.raises(Exception, match=r"without an entry.*polytome\.LogisticRegression"):
        hooks.refuse_undocumented(tmp_path)


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        "<img alt=x src=http://example.org/a.png>",
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(tmp_path: Path, hooks: ModuleType, tag: str) -> None:
    (tmp_path / "page.html").write_text(f"<html><a href='https://example.org'>a link may</a>{tag}</html>")
    with pytest.raises(Exception, match=r"page\.html loads something from elsewhere"):
        hooks.refuse_foreign(tmp_path)
