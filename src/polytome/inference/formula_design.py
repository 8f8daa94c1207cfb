"""How a formula makes columns, of the rows that were used and of others."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.inference.firth_result import FirthResult, firth
from polytome.inference.formula_data import as_pandas, column_names, formulaic_library, plain_column
from polytome.inference.formula_text import inside_offset, names_in, refuse_code, short_name
from polytome.inference.hypotheses import nearest
from polytome.inference.maximum_likelihood import Asked, maximum_likelihood
from polytome.inference.ordered_result import OrderedResult, ordered
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["FormulaDesign", "finite_offset", "made_columns", "parsed", "variables_in"]

_LARGEST = 1e150
_MARKS = re.compile(r"\x1b\[[0-9;]*m|[⧛⧚]")


@dataclass(frozen=True, eq=False)
class FormulaDesign:
    """How a formula makes columns.

    Attributes:
        spec: formulaic's, with the levels and the knots that it has learned.
        data: the variables of the rows that were used, a pandas frame.
        has_intercept: whether the first column is the intercept's.
        offsets: of each `offset(...)` what stands in it, and how it is made.
    """

    spec: Any
    data: Any
    has_intercept: bool
    offsets: tuple[tuple[str, Any], ...] = ()

    def columns_of(self, data: Any) -> Array:
        """The columns, without the intercept's, of other values of the variables."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = np.asarray(self.spec.get_model_matrix(data, context=_context()), dtype=np.float64)
        return made[:, int(self.has_intercept) :]

    def offset_of(self, data: Any) -> Array | None:
        """The offset of other values of the variables; None of a model without one."""
        if not self.offsets:
            return None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = [spec.get_model_matrix(data, context=_context()) for _, spec in self.offsets]
        return np.asarray(sum(np.asarray(each, dtype=np.float64)[:, 0] for each in made))

    def columns_of_new(self, data: Any) -> Array:
        """The columns, without the intercept's, of rows that were not fitted: a frame of any
        library.

        Raises:
            DataError: a variable is not there, or misses a value, or has a level that the fit had
                not.
        """
        wanted, there = list(self.data.columns), column_names(data)
        absent = [name for name in wanted if name not in there]
        if absent:
            raise DataError(f"X has no column {listing(absent)}: give the variables of the fit")
        frame = as_pandas(data, wanted)
        for name in wanted:
            gaps = np.flatnonzero(np.asarray(frame[name].isna()))
            if len(gaps):
                raise DataError(f"X: {name!r} is missing in row {gaps[0]}: fill it in, or leave the row out")
            if str(frame[name].dtype) != "category":
                frame[name] = plain_column(frame[name])
            if self.is_category(name):
                known = set(self.data[name])
                row = next((row for row, value in enumerate(frame[name]) if value not in known), None)
                if row is not None:
                    raise DataError(
                        f"X: {name!r} is {frame[name].iloc[row]!r} in row {row}, which is none of the fit's levels, "
                        f"{listing(sorted(known, key=str))}"
                    )
        return self.columns_of(frame)

    def offset_of_new(self, data: Any) -> Array | None:
        """The offset of such rows, whose columns have been checked; None of a model without one.

        Raises:
            DataError: it is not finite in some row.
        """
        offset = self.offset_of(as_pandas(data, list(self.data.columns))) if self.offsets else None
        if offset is not None and not np.isfinite(offset).all():
            row = int(np.argmin(np.isfinite(offset)))
            of = ", ".join(code for code, _ in self.offsets)
            raise DataError(f"X: the offset {of} is {offset[row]} in row {row}: every value must be a finite number")
        return offset

    def is_category(self, name: str) -> bool:
        """Whether a variable's values are levels: text, or in `C(...)`."""
        if str(self.data[name].dtype) == "category" or self.data[name].dtype.kind not in "biuf":
            return True
        return any(code.startswith("C(") and name in names for code, names in self._codes())

    def first_level(self, name: str, levels: Sequence[Any]) -> Any:
        """The level whose column is left out, or else the first."""
        for code, names in self._codes():
            base = re.search(r"""(?:reatment|SAS)\((?:base\s*=\s*)?['"]?([^'")]+)['"]?\)""", code)
            if base and name in names:
                return next((level for level in levels if str(level) == base[1]), levels[0])
        return levels[0]

    def is_linear_in(self, name: str) -> bool:
        """Whether a variable stands in no function."""
        return not any(name in names for _, names in self._codes())

    def fit_smaller(self, result: Any, formula: str) -> Any:
        """The result of another formula of the same variables, for the same rows."""
        response, right, offsets = parsed(formula, list(self.data.columns))
        if response != result.about.response:
            raise ArgumentError(f"formula {formula!r}: it predicts {response!r}, this model {result.about.response!r}")
        variables = variables_in(right, formula, offsets)
        for name in variables:
            if name not in self.data.columns:
                raise ArgumentError(
                    f"formula {formula!r}: {name!r} is not a variable of this model, in which it must be nested"
                    f"{nearest(name, list(self.data.columns))}"
                )
        design, X, columns, terms = made_columns(right, self.data[variables], formula, offsets)
        offset = finite_offset(design, formula)
        sample = replace(result.sample, X=X, names=columns, fit_intercept=design.has_intercept, offset=offset)
        fit = {FirthResult: firth, OrderedResult: ordered}.get(type(result), maximum_likelihood)
        return fit(sample, Asked(response, formula=formula, terms=terms, design=design, offset=", ".join(offsets)))

    def _codes(self) -> list[tuple[str, list[str]]]:
        """The factors of the terms that are more than a name, with their variables."""
        factors = {factor.expr: factor for term in self.spec.formula for factor in term.factors}
        codes = [code for code, factor in factors.items() if factor.eval_method.value == "python"]
        codes += [f"I({code})" for code, _ in self.offsets if code not in self.data.columns]
        return [(code, _names_of(code, "")) for code in codes]


def _context() -> dict[str, Any]:
    """What a formula can call beside formulaic's own functions."""
    return {"sqrt": np.sqrt, "log1p": np.log1p, "abs": np.abs}


def parsed(formula: Any, available: list[str]) -> tuple[str, Any, list[str]]:
    """The response's column, the terms, and what stands in each `offset(...)`."""
    library = formulaic_library()
    if not isinstance(formula, str) or formula.count("~") != 1:
        raise ArgumentError(f"formula={formula!r}: needs the form 'response ~ terms'")
    left, _, right = formula.partition("~")
    response = left.strip()
    if response.startswith("`") and response.endswith("`"):
        response = response[1:-1]
    elif not response.isidentifier():
        raise ArgumentError(
            f"formula {formula!r}: its left side must be the name of a column of classes, in backticks if it has blanks"
        )
    if not right.strip():
        raise ArgumentError(f"formula {formula!r}: it has no terms; '{response} ~ 1' has the intercept alone")
    if "|" in right:
        raise ArgumentError(f"formula {formula!r}: '|' has no meaning here")
    others = [name for name in available if name != response]
    try:
        terms = library.Formula(right, _context={"__formulaic_variables_available__": others})
    except Exception as error:  # formulaic raises errors of many kinds for what cannot be read
        raise ArgumentError(f"formula {formula!r}: {_first_line(error)}") from error
    offsets, others = [], []
    for term in terms:
        codes = [factor.expr for factor in term.factors if factor.eval_method.value == "python"]
        offset = inside_offset(codes[0], formula) if codes and len(term.factors) == 1 else None
        for code in codes if offset is None else [offset]:
            refuse_code(code, formula)
        if offset is None:
            others.append(term)
        else:
            offsets.append(offset)
    return response, library.Formula(others) if offsets else terms, offsets


def variables_in(terms: Any, formula: str, offsets: Sequence[str]) -> list[str]:
    """The columns that terms and offsets use, in their order."""
    found: dict[str, None] = {}
    for term in terms:
        for factor in term.factors:
            if factor.eval_method.value == "lookup":
                found[factor.expr] = None
            elif factor.eval_method.value == "python":
                found |= dict.fromkeys(_names_of(factor.expr, formula))
    for code in offsets:
        found |= dict.fromkeys(_names_of(code, formula))
    return list(found)


def _names_of(code: str, formula: str) -> list[str]:
    """The columns in a factor, in backticks or not."""
    return [*re.findall(r"`([^`]*)`", code), *(name for name in names_in(code, formula) if name != "_")]


def finite_offset(design: FormulaDesign, formula: str) -> Array | None:
    """The offset of the rows that are used, which must be finite."""
    offset = design.offset_of(design.data)
    if offset is not None and not np.isfinite(offset).all():
        row = int(np.argmin(np.isfinite(offset)))
        of = ", ".join(code for code, _ in design.offsets)
        raise DataError(
            f"formula {formula!r}: the offset {of} is {offset[row]} in row {row} of those used; every value must be a "
            "finite number, such as the logarithm of a time above 0"
        )
    return offset


def made_columns(
    terms: Any, data: Any, formula: str, offsets: Sequence[str]
) -> tuple[FormulaDesign, Array, tuple[str, ...], dict[str, Sequence[int]]]:
    """The design, its columns without the intercept's, their names and the places of terms."""
    library = formulaic_library()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = library.model_matrix(terms, data, output="numpy", context=_context(), na_action="ignore")
    except Exception as error:  # what evaluates a formula raises errors of many kinds
        raise ArgumentError(f"formula {formula!r}: {_first_line(error)}") from error
    spec = made.model_spec
    has_intercept = any(str(term) == "1" for term in terms)
    first = int(has_intercept)
    long_names = list(spec.column_names)[first:]
    names = [short_name(name) for name in long_names]
    if len(set(names)) < len(names):
        names = long_names
    places: dict[str, Sequence[int]] = {}
    for term, own in spec.term_indices.items():
        if str(term) != "1":
            places[str(term)] = places[short_name(str(term))] = [j - first for j in own]
    X = np.asarray(made, dtype=np.float64)[:, first:]
    if not np.isfinite(X).all():
        row, column = map(int, np.argwhere(~np.isfinite(X))[0])
        raise DataError(
            f"formula {formula!r}: {names[column]!r} is {X[row, column]} in row {row} of those used; every value must "
            "be a finite number"
        )
    for name, column in zip(names, X.T, strict=True):
        if np.abs(column).max() > _LARGEST:
            raise DataError(f"formula {formula!r}: {name!r} is too large: squares of its values overflow; rescale it")
    made_offsets = tuple((code, _offset_spec(code, data, formula)) for code in offsets)
    return FormulaDesign(spec, data, has_intercept, made_offsets), np.ascontiguousarray(X), tuple(names), places


def _offset_spec(code: str, data: Any, formula: str) -> Any:
    """How an offset is made: formulaic's, of one column of numbers."""
    names = _names_of(code, formula)
    if words := [name for name in names if name in data.columns and data[name].dtype.kind not in "biuf"]:
        raise ArgumentError(f"formula {formula!r}: offset({code}) needs numbers, and {words[0]!r} holds categories")
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = formulaic_library().model_matrix(
                f"0 + I({code})", data, output="numpy", context=_context(), na_action="ignore"
            )
    except Exception as error:  # what evaluates a formula raises errors of many kinds
        raise ArgumentError(f"formula {formula!r}: offset({code}): {_first_line(error)}") from error
    if made.shape[1] != 1:
        raise ArgumentError(
            f"formula {formula!r}: offset({code}) makes {made.shape[1]} columns; it needs one of numbers"
        )
    return made.model_spec


def _first_line(error: Exception) -> str:
    text = _MARKS.sub("", str(error)).strip()
    return " ".join(text.split())[:300] or type(error).__name__
