"""Pages that draw: their Python runs when the documentation is built, and each display stands below its lines."""

from __future__ import annotations

import ast
import re
from typing import Any

from polytome.plots.display import Display
from polytome.plots.drawing import svg_bytes

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
        words = re.sub(r"([\[\]<>_*`\\])", r"\\\1", value.description())
        return f"{block.group()}\n![{words}]({path})\n"

    return BLOCK.sub(drawn, markdown), pictures


def last_value(code: str, names: dict[str, Any]) -> Any:
    """Runs code in a namespace; the value of its last line where that is an expression, else None."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<page>", "exec"), names)  # the page is a part of this repository
    return None if last is None else eval(compile(ast.Expression(last.value), "<page>", "eval"), names)
