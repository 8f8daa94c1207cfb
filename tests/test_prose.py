"""Prose wraps at 100 columns: comments, docstrings and Markdown. Code, examples, tables and
formulas may be wider."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WIDTH = 100
FOLDERS = ("src", "tests", "benchmarks", "examples", "docs")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
GENERATED = {"benchmarks.md"}  # by `python -m benchmarks`
WRITTEN = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED)
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *WRITTEN]


def docstring_lines(source: str) -> Iterator[tuple[int, str]]:
    """The lines of docstrings that are prose: not those of an example, up to the next empty
    line."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if not isinstance(node.value.value, str):
            continue
        is_example = False
        for number in range(node.lineno, node.end_lineno + 1):
            text = lines[number - 1].strip()
            is_example = bool(text) and (is_example or text.startswith(">>>"))
            if not is_example:
                yield number, lines[number - 1]


def comment_lines(source: str, mark: str) -> Iterator[tuple[int, str]]:
    """The lines that are a comment alone."""
    for number, line in enumerate(source.splitlines(), start=1):
        if line.lstrip().startswith(mark):
            yield number, line


def markdown_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of paragraphs and lists: not of code, tables, formulas, headings, HTML and
    definitions of links."""
    in_code = in_formula = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("```"):
            in_code = not in_code
        elif stripped.startswith("$$"):
            in_formula = in_formula != (stripped.count("$$") % 2 == 1)
        elif not (in_code or in_formula or line.startswith("    ") or re.match(r"[|#<]|\[[^\]]+\]:", stripped)):
            yield number, line


def too_long(lines: Iterator[tuple[int, str]]) -> list[str]:
    """Those beyond the width that could be broken: more than one word, and none a link."""
    return [
        f"{number}: {line}"
        for number, line in lines
        if len(line) > WIDTH and len(line.split()) > 1 and not re.search(r"https?://|\]\(", line)
    ]


def test_comments_and_docstrings_wrap() -> None:
    found = []
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        if max(map(len, source.splitlines()), default=0) <= WIDTH:
            continue  # to parse all of them takes seconds
        lines = too_long(docstring_lines(source)) + too_long(comment_lines(source, "#"))
        found += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    for path in sorted((ROOT / "src").rglob("*.[hc]pp")):
        lines = too_long(comment_lines(path.read_text(encoding="utf-8"), "//"))
        found += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_pages_wrap(page: Path) -> None:
    assert not too_long(markdown_lines(page.read_text(encoding="utf-8")))


def test_a_long_line_of_prose_is_found() -> None:
    """And none that is an example, a table, code, a formula or a link."""
    words = "long " * 25
    assert len(too_long(docstring_lines(f'"""{words}"""'))) == 1
    assert len(too_long(docstring_lines(f'"""Short.\n\n{words}\n"""'))) == 1
    assert too_long(docstring_lines(f'"""Short.\n\n>>> {words}\n{words}\n"""')) == []
    assert len(too_long(comment_lines(f"    # {words}\n", "#"))) == 1
    assert too_long(comment_lines(f"x = 1  # {words}\n", "#")) == []
    assert len(too_long(markdown_lines(f"- {words}\n"))) == 1
    code = f"```text\n{words}\n```\n| {words} |\n$$\n{words}\n$$\n# {words}\n[a](b) {words}"
    assert too_long(markdown_lines(code)) == []
