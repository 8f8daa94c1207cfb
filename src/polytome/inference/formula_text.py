"""What a formula may hold: names of columns, numbers, and functions of a list. Nothing else is
given to what evaluates it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from polytome.errors import ArgumentError
from polytome.inference.hypotheses import nearest

__all__ = ["FUNCTIONS", "inside_offset", "names_in", "refuse_code", "short_name"]

FUNCTIONS = (
    *("abs", "bs", "C", "cc", "center", "cr", "cs", "Diff", "exp", "Helmert", "I", "log", "log10", "log1p", "log2"),
    *("Poly", "poly", "scale", "sqrt", "standardize", "Sum", "Treatment"),
)
"""The functions that a formula may call."""
_OF_NUMPY = ("abs", "exp", "log", "log10", "log1p", "log2", "sqrt")
_CONTRASTS = ("SAS", "backward", "diff", "forward", "helmert", "poly", "sum", "treatment")
_NODES = (
    *(ast.Expression, ast.Call, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.keyword, ast.Load),
    *(ast.List, ast.Tuple, ast.operator, ast.unaryop, ast.cmpop),
)
_IN_C = re.compile(r"C\(\s*`?([^`,()]+?)`?\s*(?:,.*)?\)(\[.*\])?", re.DOTALL)


def names_in(code: str, formula: str) -> Iterator[str]:
    """The names of columns in a factor of a formula, which has passed `refuse_code`.

    Example:
        >>> sorted(names_in("C(ses, Treatment('low'))", "")), list(names_in("bs(age, df=4)", ""))
        (['ses'], ['age'])
    """
    tree = _tree(code, formula)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    of = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    codings = {id(each) for node in ast.walk(tree) if isinstance(node, ast.Call) for each in _codings(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in called | of | codings:
            yield node.id


def _codings(call: ast.Call) -> list[ast.expr]:
    """How `C(column, coding)` codes its levels."""
    is_category = isinstance(call.func, ast.Name) and call.func.id == "C"
    return [*call.args[1:], *(keyword.value for keyword in call.keywords)] if is_category else []


def refuse_code(code: str, formula: str) -> None:
    """Raises ArgumentError for a factor that is more than arithmetic and known functions of
    columns.

    Example:
        >>> refuse_code("log(age) + 1", "")
        >>> refuse_code("lag(age)", "y ~ lag(age)")
        Traceback (most recent call last):
        polytome.errors.ArgumentError: formula 'y ~ lag(age)': there is no function 'lag'; did you mean 'log'?
    """
    tree = _tree(code, formula)
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in allowed:
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home, name = node.value.id, node.attr
            if (home == "np" and name in _OF_NUMPY) or (home == "contr" and name in _CONTRASTS):
                allowed |= {id(node.value)}
                continue
            _refuse(formula, f"{home}.{name} is not one of its functions")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "offset":
                _refuse(formula, "offset() stands by itself between plus signs, as in 'y ~ x + offset(log(t))'")
            if node.func.id not in FUNCTIONS:
                _refuse(formula, f"there is no function {node.func.id!r}{nearest(node.func.id, FUNCTIONS)}")
            allowed.add(id(node.func))
        elif not isinstance(node, _NODES):
            _refuse(formula, f"{ast.unparse(node) if isinstance(node, ast.expr) else code!r} cannot stand in it")


def inside_offset(code: str, formula: str) -> str | None:
    """What stands in the brackets of `offset(...)`; None of another factor.

    Example:
        >>> inside_offset("offset(log(time))", ""), inside_offset("log(time)", "")
        ('log(time)', None)
    """
    node = _tree(code, formula).body
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "offset"):
        return None
    if len(node.args) != 1 or node.keywords:
        _refuse(formula, "offset() takes one column, or a function of columns")
    return code.strip()[len("offset") :].strip()[1:-1].strip()


def short_name(name: str) -> str:
    """A column's name as tables show it: the category and its level, without how it was coded.

    Example:
        >>> short_name("C(ses, Treatment('low'))[T.middle]:write"), short_name("ses[T.high]")
        ('ses[middle]:write', 'ses[high]')
        >>> short_name("C(ses, contr.sum)[S.high]"), short_name("bs(age, df=4)[1]")
        ('ses[S.high]', 'bs(age, df=4)[1]')
    """
    return ":".join(map(_short_factor, _factors(name)))


def _short_factor(factor: str) -> str:
    if found := _IN_C.fullmatch(factor):
        factor = found[1] + (found[2] or "")
    return re.sub(r"\[T\.(.*)\]$", r"[\1]", factor, flags=re.DOTALL)


def _factors(name: str) -> list[str]:
    """The parts of an interaction: between colons outside of brackets."""
    parts, depth = [""], 0
    for letter in name:
        depth += (letter in "([") - (letter in ")]")
        if letter == ":" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _tree(code: str, formula: str) -> ast.Expression:
    try:
        # Names in backticks are any text, and stand for columns.
        return ast.parse(re.sub(r"`[^`]*`", "_", code).strip(), mode="eval")
    except SyntaxError:
        _refuse(formula, f"{code!r} cannot be read")
        raise


def _refuse(formula: str, why: str) -> None:
    raise ArgumentError(f"formula {formula!r}: {why}")
