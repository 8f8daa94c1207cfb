"""Pages that draw, and the gallery of examples: their Python runs when the documentation is built.

On a page that draws, each display stands below the lines that made it. An example is a script; its
page shows its words, its lines, what it printed, and the displays that it made.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import runpy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytome.plots.display import Display
from polytome.plots.drawing import svg_bytes

EXAMPLES = Path(__file__).parent.parent / "examples"
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def with_figures(markdown: str, folder: str) -> tuple[str, dict[str, bytes]]:
    """The page with a picture after each block of Python whose last expression is a display.

    Args:
        markdown: of the page; its blocks share their names, as the cells of a notebook do.
        folder: of the pictures, relative to the page.

    Returns:
        The page, and path -> SVG.
    """
    names: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}

    def drawn(block: re.Match[str]) -> str:
        value = last_value(block.group(1), names)
        if not isinstance(value, Display):
            return block.group()
        path = f"{folder}/{len(pictures) + 1}-{type(value).__name__.removesuffix('Display').lower()}.svg"
        pictures[path] = svg_bytes(value.figure_)
        return f"{block.group()}\n![{alternative(value)}]({path})\n"

    return BLOCK.sub(drawn, markdown), pictures


def last_value(code: str, names: dict[str, Any]) -> Any:
    """Runs code in a namespace; the value of its last line where that is an expression, else
    None."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<page>", "exec"), names)  # the page is a part of this repository
    return None if last is None else eval(compile(ast.Expression(last.value), "<page>", "eval"), names)


def alternative(display: Display) -> str:
    """What a display shows, in words that Markdown leaves as they are."""
    return re.sub(r"([\[\]<>_*`\\])", r"\\\1", display.description())


@dataclass(frozen=True)
class Example:
    """A script of the gallery.

    Attributes:
        path: where it is.
        title: the first line of its documentation.
        words: the rest of it, in Markdown.
        code: what follows the documentation.
    """

    path: Path
    title: str
    words: str
    code: str

    @property
    def name(self) -> str:
        """Of its page."""
        return self.path.stem


def examples() -> list[Example]:
    """The gallery, in the order of the names of its files."""
    found = []
    for path in sorted(EXAMPLES.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        title, _, words = (ast.get_docstring(tree) or "").partition("\n\n")
        code = "\n".join(text.splitlines()[tree.body[0].end_lineno :]).strip()
        found.append(Example(path, title.rstrip("."), words, code))
    return found


def run_example(path: Path) -> tuple[str, list[Display]]:
    """Runs a script in a folder of its own; what it printed, and the displays among its names."""
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        names = runpy.run_path(str(path), run_name="__main__")
    displays = {id(value): value for value in names.values() if isinstance(value, Display)}
    return printed.getvalue(), list(displays.values())


def gallery_pages() -> dict[str, str | bytes]:
    """The pages of the gallery and their pictures: path -> content. The scripts run now."""
    found: dict[str, str | bytes] = {}
    rows = []
    for example in examples():
        printed, displays = run_example(example.path)
        lines = [f"# {example.title}", "", example.words, "", "```python", example.code, "```", ""]
        if printed:
            lines += ["It prints:", "", "```text", printed.rstrip(), "```", ""]
        for place, display in enumerate(displays, 1):
            picture = f"{example.name}-{place}.svg"
            found[f"examples/{picture}"] = svg_bytes(display.figure_)
            lines += [f"![{alternative(display)}]({picture})", ""]
        found[f"examples/{example.name}.md"] = "\n".join([*lines, f"The file: `examples/{example.path.name}`."]) + "\n"
        rows.append(f"| [{example.title}]({example.name}.md) | {first_sentence(example.words)} |")
    head = [
        "# Examples",
        "",
        "Short scripts, each about one thing. They need no arguments and bring their data. What stands below the lines "
        "of each is what it printed and drew when these pages were made.",
        "",
        "| example | what it shows |",
        "|---|---|",
    ]
    found["examples/index.md"] = "\n".join([*head, *rows]) + "\n"
    return found


def first_sentence(words: str) -> str:
    """Of a text, on one line."""
    return re.split(r"(?<=[.:?!])\s", words.replace("\n", " "), maxsplit=1)[0].rstrip(":")
