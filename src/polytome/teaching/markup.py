"""Markdown with LaTeX as HTML, and code in colours, for pages and flashcards."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from polytome.teaching.formulas import mathml

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["code_html", "code_styles", "html", "html_for_mathjax", "inline_html"]


def html(markdown: str) -> str:
    r"""Markdown as HTML, formulas as MathML.

    Example:
        >>> html("The **sigmoid** of $0$")[:38]
        '<p>The <strong>sigmoid</strong> of <ma'
    """
    return str(_converter(_as_mathml).render(markdown))


def inline_html(markdown: str) -> str:
    """One paragraph of Markdown as HTML without the paragraph.

    Example:
        >>> inline_html("at most *once*")
        'at most <em>once</em>'
    """
    return str(_converter(_as_mathml).renderInline(markdown))


def html_for_mathjax(markdown: str) -> str:
    r"""Markdown as HTML, formulas left to MathJax between the marks that Anki knows.

    Example:
        >>> html_for_mathjax("at $x_0$").strip()
        '<p>at \\(x_0\\)</p>'
    """
    return str(_converter(_as_mathjax).render(markdown))


def code_html(source: str) -> str:
    """Python source as HTML with classes for syntax colours."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    text: str = highlight(source, PythonLexer(), HtmlFormatter(cssclass="code"))
    return text.replace("<pre>", '<pre tabindex="0">', 1)


def code_styles(light: str = "", dark: str = "") -> str:
    """The colours of `code_html` under two selectors, or, without them, by the reader's system."""
    from pygments.formatters import HtmlFormatter

    in_light = HtmlFormatter(style="xcode", cssclass="code").get_style_defs(f"{light} .code".strip())
    in_dark = HtmlFormatter(style="github-dark", cssclass="code").get_style_defs(f"{dark} .code".strip())
    return f"{in_light}\n{in_dark if dark else f'@media screen and (prefers-color-scheme: dark) {{{in_dark}}}'}"


def _as_mathml(latex: str, display: bool) -> str:
    return mathml(latex, display=display)


def _as_mathjax(latex: str, display: bool) -> str:
    text = escape(latex.strip(), quote=False)
    return rf"\[{text}\]" if display else rf"\({text}\)"


@cache
def _converter(formula: Callable[[str, bool], str]) -> MarkdownIt:
    """A CommonMark parser with tables and formulas; raw HTML is not passed on."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def inline(_renderer: Any, tokens: Any, index: int, *_: Any) -> str:
        return formula(tokens[index].content, False)

    def display(_renderer: Any, tokens: Any, index: int, *_: Any) -> str:
        return f'<div class="formula" tabindex="0">{formula(tokens[index].content, True)}</div>\n'

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.use(dollarmath_plugin, double_inline=True)
    parser.add_render_rule("math_inline", inline)
    parser.add_render_rule("math_inline_double", display)
    parser.add_render_rule("math_block", display)
    return parser
