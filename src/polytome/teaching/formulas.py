"""Formulas, written once in LaTeX: as MathML for browsers, as plain characters for terminals.

MathML needs no script and no font from elsewhere, and screen readers read it. A terminal has one
line of characters: fractions become quotients, single indices and powers small digits and letters
where Unicode has them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = ["FORMULA", "mathml", "plain", "with_plain_formulas"]

FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|(?<![\\$])\$(?P<inline>[^$\n]+?)\$(?!\d)", re.DOTALL)
"""Display and inline formulas in Markdown."""

# The converter sets "log a" without the space that distinguishes it from "loga".
_NAME_BEFORE_LETTER = re.compile(r'(?<!<msub>)<mi>(log|ln|exp)</mi>(?=<m)(?!<mo stretchy="false">&#x00028;)')
_RAISED = str.maketrans("0123456789+-=()niTxyk", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀˣʸᵏ")
_SMALL = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀˣʸᵏ₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_LOWERED = str.maketrans("0123456789+-=()aeijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")


def mathml(latex: str, *, display: bool = False) -> str:
    """A formula as a MathML element, with its LaTeX as the alternative text.

    Example:
        >>> mathml("x^2").startswith("<math")
        True
    """
    from latex2mathml.converter import convert

    element: str = convert(latex.strip(), display="block" if display else "inline")
    return _NAME_BEFORE_LETTER.sub(r'<mrow><mi>\1</mi><mspace width="0.17em"/></mrow>', element)


def plain(latex: str) -> str:
    r"""A formula as one line of characters.

    Example:
        >>> plain(r"\frac{e^{z_i}}{\sum_j e^{z_j}}")
        'e^{zᵢ}/(∑ⱼ e^{zⱼ})'
    """
    latex = latex.strip().replace(r"\operatorname", r"\mathrm")
    latex = re.sub(r"\\ne(?![a-zA-Z])", r"\\neq", latex)
    latex = re.sub(r"(\\(?:log|ln|exp|max|min|arg))\s*(?=[a-zA-Z\\])(?!\\left)", r"\1\\ ", latex)
    latex = re.sub(r"(\\[a-zA-Z]+) (?=[=<>])", r"\1\\ ", latex)  # a macro takes the space behind it
    latex = re.sub(r"(\\(?:le|ge|leq|geq|neq|approx|pm)) ", r"\1\\ ", latex)
    text: str = _converter().latex_to_text(latex)
    text = re.sub(r"_(\w|\{[\w+\-=()]{1,3}\})", lambda found: _small(found, _LOWERED, "_"), text)
    text = re.sub(r"\^(\w|⊤|\{[\w+\-=()]{1,3}\})", lambda found: _small(found, _RAISED, "^"), text)
    text = re.sub(rf"([∑∏∫][{_SMALL}]*)(?=\w)(?![{_SMALL}^_])", r"\1 ", text)
    return re.sub(r"[ \t]+", " ", text.replace("^⊤", "ᵀ")).strip()


def with_plain_formulas(markdown: str) -> str:
    r"""Markdown whose formulas are plain characters; display formulas stand on separate lines.

    Example:
        >>> with_plain_formulas(r"The slope is $\sigma(z)\sigma(-z)$.")
        'The slope is `σ(z)σ(-z)`.'
    """

    def replace(found: re.Match[str]) -> str:
        if found["display"]:
            lines = "\n".join(f"    {line.strip()}" for line in plain(found["display"]).splitlines())
            return f"\n\n{lines}\n\n"
        return f"`{plain(found['inline'])}`"

    return FORMULA.sub(replace, markdown)


def _small(found: re.Match[str], table: dict[int, int], sign: str) -> str:
    """An index or power in small characters, if Unicode has them all."""
    body = found[1].strip("{}")
    if all(ord(character) in table for character in body):
        return body.translate(table)
    return sign + (body if len(body) == 1 else f"{{{body}}}")


@cache
def _converter() -> Any:
    """pylatexenc, set to keep groups of several characters together and to bracket compound
    fractions."""
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

    def inside(node: Any, converter: Any) -> str:
        text = str(converter.nodelist_to_text([node]))
        return text[1:-1] if text.startswith("{") and text.endswith("}") else text

    def fraction(node: Any, l2tobj: Any) -> str:
        above, below = (inside(argument, l2tobj) for argument in node.nodeargd.argnlist[-2:])
        return f"{_bracketed(above)}/{_bracketed(below)}"

    def name(node: Any, l2tobj: Any) -> str:
        return inside(node.nodeargd.argnlist[-1], l2tobj)

    context = get_default_latex_context_db()
    context.add_context_category(
        "polytome",
        prepend=True,
        macros=[
            *(MacroTextSpec(macro, simplify_repl=fraction) for macro in ("frac", "tfrac", "dfrac")),
            *(MacroTextSpec(macro, simplify_repl=name) for macro in ("text", "mathrm", "mathbf")),
            MacroTextSpec("qquad", simplify_repl="   "),
            MacroTextSpec("quad", simplify_repl="  "),
        ],
    )
    return LatexNodes2Text(context, keep_braced_groups=True, keep_braced_groups_minlen=2, math_mode="text")


def _bracketed(text: str) -> str:
    """A numerator or denominator, in brackets if it has several parts."""
    return f"({text})" if re.search(r"[^\w^{},_.∂∇()|'\[\]-]", text.strip()) else text
