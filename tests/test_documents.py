"""The documents: their examples run, their links lead somewhere, the built site is complete and
needs no network."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import polytome
from polytome import Stop
from polytome.certificates.certificate import Certificate
from polytome.verification.findings import Verification

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *DECISIONS]
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
    links = re.findall(r"\]\((?!https?:)([^)#:\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    made = ("reference/", "lessons/", "examples/", "decisions/index.md", "cli.md")  # by the hooks
    unmade = [link for link in links if not link.removeprefix("../").startswith(made)]
    assert not [link for link in unmade if not (page.parent / link).exists()]


def test_every_reason_to_stop_is_explained() -> None:
    text = (ROOT / "docs" / "certificate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == {stop.name for stop in Stop}


def test_every_key_that_json_has_is_explained() -> None:
    certificate = Certificate(0.25, 1e-5, 1.0, 1e-4, "proof", 0.1)
    keys = {"certificate.md": set(certificate.to_json()), "howto-verify.md": {"model", "source"}}
    keys["howto-verify.md"] |= {field.name for field in fields(Verification)}
    for page, names in keys.items():
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        explained = " ".join(re.findall(r"^\| (`[a-z0-9_`, ]+`) \|", text, re.MULTILINE))
        assert names <= set(re.findall(r"`(\w+)`", explained)), page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents, built strictly; where POLYTOME_SITE names a folder, they have just been built
    there."""
    if built := os.environ.get("POLYTOME_SITE"):
        return Path(built)
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
    modules = hooks.public_modules()
    pages = {page.stem for page in (site / "reference").glob("*.html")}
    assert pages == {"index", *modules}
    for module, (summary, names) in modules.items():
        assert summary, module
        assert {f"{module}.{name}" for name in names} <= documented, module


def test_what_readers_are_told_to_import_is_in_the_reference(hooks: ModuleType) -> None:
    modules = set(hooks.public_modules())
    assert not [name for name in modules if any(part.startswith("_") for part in name.split("."))]
    told: dict[str, str] = {}
    for page in [*PAGES, *(ROOT / "examples").glob("*.py")]:
        for module, names in re.findall(
            r"^(?:>>> )?from (polytome[\w.]*) import ([\w, ]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            inner = {f"polytome.{name}" for name in re.split(r",\s*", names)} & modules  # from polytome import plots
            told |= dict.fromkeys(inner or {module}, page.name)
    assert len(told) > 15
    assert not {module: page for module, page in told.items() if module not in modules}


def test_decisions_are_complete_and_in_order(hooks: ModuleType) -> None:
    every = hooks.decisions()
    assert [int(name[:3]) for name in every] == list(range(1, len(every) + 1))
    for name, (_, status, subject) in every.items():
        text = (ROOT / "docs" / "decisions" / name).read_text(encoding="utf-8")
        assert re.search(r"^\*\*Decision\.\*\*", text, re.MULTILINE), name
        assert re.search(r"^\*\*Why\.\*\*", text, re.MULTILINE), name
        assert re.search(r"^\*\*(?:Evidence\.|Rejected, with evidence)\*\*", text, re.MULTILINE), name
        assert subject in {"the frame", "the mathematics", "speed", "for people"}, name
        successor = re.fullmatch(r"accepted|superseded by \[\d{3}\]\((.+)\)", status)
        assert successor, name
        if successor[1]:
            assert every[successor[1]][1] == "accepted", name


def test_a_decision_without_a_status_is_refused(
    tmp_path: Path, hooks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs" / "decisions"
    folder.mkdir(parents=True)
    (folder / "001-first.md").write_text("# 1. First\n\n**Status:** accepted  \n**Subject:** speed\n\nWhat.\n")
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    assert hooks.decisions() == {"001-first.md": ("1. First", "accepted", "speed")}
    (folder / "002-second.md").write_text("# 2. Second\n\nWhat.\n")
    with pytest.raises(Exception, match=r"002-second\.md: must begin with"):
        hooks.decisions()


def test_the_picture_of_the_house_is_that_of_its_imports(tmp_path: Path, hooks: ModuleType) -> None:
    house = importlib.import_module("house")
    package = tmp_path / "toy"
    texts = {
        "__init__.py": "from toy.roof import door",
        "ground.py": '"""The ground."""',
        "middle/__init__.py": '"""The middle."""',
        "middle/inner.py": "try:\n    import toy.ground\nexcept ImportError:\n    pass\nimport toy.middle",
        "side/__init__.py": '"""The side & more."""\nfrom toy import ground, middle\nimport toyed.roof',
        "roof/__init__.py": '"""The roof."""\nfrom toy.side import x\n\n\ndef later():\n    from toy.ground import y',
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    read = house.read_house(package)
    assert read.floors() == [["ground"], ["middle"], ["side"], ["roof"]]
    assert read.arrows() == [("middle", "ground"), ("roof", "side"), ("side", "middle")]
    assert read.upward() == []
    assert house.upward_in_words(read) == "No import goes up."
    drawn = house.picture(read)
    assert drawn.count('class="arrow"') == 3
    assert "<title>side: The side &amp; more.</title>" in drawn
    assert "From the ground: ground; middle; side; roof. No import goes up." in drawn
    assert "| `side` | The side & more. | `ground`, `middle` |" in house.table(read)

    for late in ("def later():\n    import toy.roof", "if TYPE_CHECKING:\n    from toy.roof import z"):
        (package / "ground.py").write_text(f'"""The ground."""\n{late}')
        read = house.read_house(package)
        assert read.floors() == [["ground"], ["middle"], ["side"], ["roof"]]
        assert read.upward() == [("ground", "roof")]
        assert house.upward_in_words(read) == "Those that still go up are dashed: `ground` imports `roof`."
        assert house.picture(read).count('class="arrow up"') == 1
    (package / "ground.py").write_text('"""The ground."""\nimport toy.middle')
    assert house.read_house(package).floors() == [["ground", "middle"], ["side"], ["roof"]]


def test_the_page_of_the_house_shows_every_folder(site: Path) -> None:
    text = (site / "house.html").read_text(encoding="utf-8")
    folders = [path.parent.name for path in (ROOT / "src" / "polytome").glob("*/__init__.py")]
    assert len(folders) > 20
    assert not [folder for folder in folders if f">{folder}</text>" not in text]


def test_the_gallery_shows_each_example_with_what_it_drew(site: Path) -> None:
    names = [path.stem for path in (ROOT / "examples").glob("*.py")]
    index = (site / "examples" / "index.html").read_text(encoding="utf-8")
    assert 12 <= len(names) <= 15
    for name in names:
        assert f'href="{name}.html"' in index
        assert "It prints:" in (site / "examples" / f"{name}.html").read_text(encoding="utf-8")
    drawn = list((site / "examples").glob("*.svg"))
    assert len(drawn) == 6
    for picture in drawn:
        page = (site / "examples" / f"{picture.stem.rpartition('-')[0]}.html").read_text(encoding="utf-8")
        assert re.search(rf'<img alt="[^"]+\." src="{picture.name}"', page)


def test_a_page_that_draws_shows_its_displays(site: Path) -> None:
    text = (site / "howto-plots.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img alt="([^"]+)" src="(images/howto-plots/[^"]+\.svg)"', text)
    assert len(pictures) == 19
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
