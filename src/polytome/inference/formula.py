"""From a formula and a table to the table of coefficients."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, MissingExtraError
from polytome.inference.arrays import places_in_order
from polytome.inference.covariance import clusters_from
from polytome.inference.firth_result import FirthResult, check_covariance_known, check_weights_known, firth
from polytome.inference.formula_text import inside_offset, names_in, refuse_code, short_name
from polytome.inference.frames import kind_of_frame
from polytome.inference.hypotheses import nearest
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.maximum_likelihood import (
    Asked,
    check_asked,
    maximum_likelihood,
    places_after,
    refuse_one_class,
    weights_checked,
)
from polytome.inference.median_result import median
from polytome.inference.ordered_result import OrderedResult, order_of, ordered
from polytome.inference.sample import Sample
from polytome.models.diagnose import Diagnosis, diagnose
from polytome.tables.columns import NamedColumns
from polytome.tables.frames import EXACT, listing

Array = NDArray[Any]

__all__ = ["FormulaDesign", "diagnose_formula", "fit_formula"]

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
        wanted, there = list(self.data.columns), _column_names(data)
        absent = [name for name in wanted if name not in there]
        if absent:
            raise DataError(f"X has no column {listing(absent)}: give the variables of the fit")
        frame = _pandas(data, wanted)
        for name in wanted:
            gaps = np.flatnonzero(np.asarray(frame[name].isna()))
            if len(gaps):
                raise DataError(f"X: {name!r} is missing in row {gaps[0]}: fill it in, or leave the row out")
            if str(frame[name].dtype) != "category":
                frame[name] = _plain(frame[name])
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
        offset = self.offset_of(_pandas(data, list(self.data.columns))) if self.offsets else None
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
        response, right, offsets = _parsed(formula, list(self.data.columns))
        if response != result.about.response:
            raise ArgumentError(f"formula {formula!r}: it predicts {response!r}, this model {result.about.response!r}")
        variables = _variables(right, formula, offsets)
        for name in variables:
            if name not in self.data.columns:
                raise ArgumentError(
                    f"formula {formula!r}: {name!r} is not a variable of this model, in which it must be nested"
                    f"{nearest(name, list(self.data.columns))}"
                )
        design, X, columns, terms = _columns(right, self.data[variables], formula, offsets)
        offset = _offset(design, formula)
        sample = replace(result.sample, X=X, names=columns, fit_intercept=design.has_intercept, offset=offset)
        fit = {FirthResult: firth, OrderedResult: ordered}.get(type(result), maximum_likelihood)
        return fit(sample, Asked(response, formula=formula, terms=terms, design=design, offset=", ".join(offsets)))

    def _codes(self) -> list[tuple[str, list[str]]]:
        """The factors of the terms that are more than a name, with their variables."""
        factors = {factor.expr: factor for term in self.spec.formula for factor in term.factors}
        codes = [code for code, factor in factors.items() if factor.eval_method.value == "python"]
        codes += [f"I({code})" for code, _ in self.offsets if code not in self.data.columns]
        return [(code, _names_of(code, "")) for code in codes]


@overload
def fit_formula(
    formula: str,
    data: Any,
    *,
    method: Literal["ordered"],
    reference: Any = None,
    order: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
    covariance: str | None = None,
    clusters: Any = None,
    missing: str = "drop",
) -> OrderedResult: ...


@overload
def fit_formula(
    formula: str,
    data: Any,
    *,
    method: str = "maximum-likelihood",
    reference: Any = None,
    order: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
    covariance: str | None = None,
    clusters: Any = None,
    missing: str = "drop",
) -> LogisticResult: ...


def fit_formula(
    formula: str,
    data: Any,
    *,
    method: str = "maximum-likelihood",
    reference: Any = None,
    order: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
    covariance: str | None = None,
    clusters: Any = None,
    missing: str = "drop",
) -> LogisticResult | OrderedResult:
    """Fit a logistic or softmax regression, or one of ordered classes, and make its table.

    Args:
        formula: `"response ~ terms"`: names of columns, `a:b` and `a*b` for interactions, `log(a)`,
            `I(a**2)`, `poly(a, 2)`, splines `bs(a, df=4)`, `cr(a, df=4)`, categories
            `C(a, Treatment("low"))` or with the contrasts `Sum`, `Helmert`, `Poly`, `Diff`; `.` for
            all other columns; names with blanks in backticks; `0` or `-1` for no intercept;
            `offset(log(time))` for what is added with the coefficient 1 to the log odds, of more
            than two classes to those of each class against the reference.
        data: a frame of pandas, polars or Arrow, or a mapping from names to columns.
        method: "maximum-likelihood"; "firth" for bias-reduced estimates, which are finite where
            classes are separated; "median" for such with medians at the truth instead of means, of
            two classes, with Wald tests alone; "ordered" for ordered classes with proportional
            odds.
        reference: the class that the others are compared with; the first, if None.
        order: with method="ordered" the classes from the lowest to the highest; needed unless the
            response holds numbers, or is categorical.
        weights: the name of a column, or a number for each row.
        weights_are: "frequencies" (a row stands for so many equal ones), "importance" or "sampling"
            (of a survey); needed with weights.
        covariance: "observed", "HC0", "HC1", "HC2", "HC3", "robust" (Stata's), "cluster",
            "cluster-HC1", or, for few clusters, "CR2" or "CR3"; None for "observed", with clusters
            for "cluster", with sampling weights for "robust".
        clusters: the name of a column, or two names.
        missing: "drop" leaves out rows where something that is used is missing, and counts them;
            "error" refuses them.

    Returns:
        The table. Text becomes categories, compared with their first level; a column that is a sum
        of those before it is not estimated.

    Raises:
        ArgumentError: the formula or another argument cannot be used.
        DataError: the data cannot be used.
        MissingExtraError: formulaic is not installed.

    Example:
        >>> data = {"passed": ["no", "no", "yes", "no", "yes", "yes"], "hours": [1, 2, 3, 4, 5, 6]}
        >>> result = fit_formula("passed ~ hours", data)
        >>> print(result.test("hours", "likelihood-ratio"))
        likelihood ratio test of hours: chi2(1) = 3.3618, p = 0.0667

    References: Chambers and Hastie, Statistical Models in S, 1992, chapter 2; McCullagh and Nelder,
    Generalized Linear Models, 1989, chapters 4 and 5.
    """
    kind = check_asked(covariance, clusters, weights, weights_are)
    _check_method(method, kind, reference, order, weights, weights_are)
    if missing not in ("drop", "error"):
        raise ArgumentError(f"missing={missing!r}: needs 'drop' or 'error'")
    data = _collected(data)
    names = _column_names(data)
    beside = [name for name in (weights, *_listed(clusters)) if isinstance(name, str)]
    others = data.variables if isinstance(data, NamedColumns) else names
    response, right, offsets = _parsed(formula, [name for name in others if name not in beside])
    variables = _variables(right, formula, offsets)
    _refuse_unknown([response, *variables], names, "formula")
    for what, given in (("weights", [weights]), ("clusters", _listed(clusters))):
        _refuse_unknown([name for name in given if isinstance(name, str)], names, what)
    frame = _pandas(data, list(dict.fromkeys([response, *variables, *beside])))
    n_dropped = int(frame.isna().any(axis=1).sum())
    frame, numbers, weight, grouped = _complete(frame, formula, missing, weights, weights_are, clusters)
    classes, codes = _response(frame, response)
    if method == "ordered":
        if order is None and str(frame[response].dtype) != "category":
            order_of(tuple(classes), response)
        places = places_in_order(classes, classes if order is None else order, response)
    else:
        places = places_after(classes, reference, response)
    place = np.empty(len(places), dtype=np.intp)
    place[places] = np.arange(len(places))
    design, X, columns, terms = _columns(right, frame[variables], formula, offsets)
    sample = Sample(
        X,
        columns,
        design.has_intercept,
        place[codes],
        tuple(classes[k] for k in places),
        weight,
        numbers,
        weights_are,
        _offset(design, formula),
        grouped.codes[0] if grouped is not None and len(grouped.codes) == 1 else None,
    )
    asked = Asked(response, kind, grouped, formula, terms, kind_of_frame(data), n_dropped, design, ", ".join(offsets))
    result: LogisticResult | OrderedResult = _METHODS[method](sample, asked)
    return result


_METHODS: dict[str, Callable[[Sample, Asked], Any]] = {
    "maximum-likelihood": maximum_likelihood,
    "firth": firth,
    "median": median,
    "ordered": ordered,
}


def _check_method(method: Any, covariance: str, reference: Any, order: Any, weights: Any, weights_are: Any) -> None:
    """Raises ArgumentError for what a method does not have."""
    if method not in _METHODS:
        raise ArgumentError(f"method={method!r}: needs one of {', '.join(_METHODS)}")
    if order is not None and method != "ordered":
        raise ArgumentError(f"order is for method='ordered', not {method!r}")
    if method == "maximum-likelihood":
        return
    check_weights_known(weights, weights_are)
    check_covariance_known(covariance, method)
    if reference is not None and method == "ordered":
        raise ArgumentError(f"reference={reference!r}: ordered classes have an order instead; use order=")


def diagnose_formula(formula: str, data: Any) -> Diagnosis:
    """Say, before any fit, whether the classes are separated by a formula's columns, and which of
    these are sums of others; rows with gaps are left out.

    Args:
        formula: as `fit_formula` has it.
        data: as `fit_formula` has it.

    Raises:
        ArgumentError: the formula cannot be used.
        DataError: the data cannot be used.

    Example:
        >>> print(diagnose_formula("ill ~ exposed", {"ill": ["no", "yes", "yes"], "exposed": [0, 0, 1]}))
        Separated in part: in 1 of 3 rows a class can be ruled out for certain.
        No finite estimate:
          'exposed'  to +infinity
    """
    data = _collected(data)
    names = _column_names(data)
    response, right, offsets = _parsed(formula, list(data.variables if isinstance(data, NamedColumns) else names))
    variables = _variables(right, formula, offsets)
    _refuse_unknown([response, *variables], names, "formula")
    frame = _pandas(data, list(dict.fromkeys([response, *variables])))
    frame = _complete(frame, formula, "drop", None, None, None)[0]
    classes, codes = _response(frame, response)
    design, X, columns, _ = _columns(right, frame[variables], formula, offsets)
    found = diagnose(_pandas_library().DataFrame(X, columns=columns), codes, fit_intercept=design.has_intercept)
    return replace(found, classes=tuple(classes))


def _refuse_unknown(wanted: Sequence[str], names: Sequence[str], what: str) -> None:
    """Raises ArgumentError for a column that is not there."""
    for name in wanted:
        if name not in names:
            raise ArgumentError(f"{what}: there is no column {name!r}{nearest(name, names)}")


def _formulaic() -> Any:
    try:
        import formulaic
    except ImportError as error:
        raise MissingExtraError('formulas need formulaic: pip install "polytome[stats]"') from error
    return formulaic


def _context() -> dict[str, Any]:
    """What a formula can call beside formulaic's own functions."""
    return {"sqrt": np.sqrt, "log1p": np.log1p, "abs": np.abs}


def _parsed(formula: Any, available: list[str]) -> tuple[str, Any, list[str]]:
    """The response's column, the terms, and what stands in each `offset(...)`."""
    library = _formulaic()
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


def _variables(terms: Any, formula: str, offsets: Sequence[str]) -> list[str]:
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


def _offset(design: FormulaDesign, formula: str) -> Array | None:
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


def _columns(
    terms: Any, data: Any, formula: str, offsets: Sequence[str]
) -> tuple[FormulaDesign, Array, tuple[str, ...], dict[str, Sequence[int]]]:
    """The design, its columns without the intercept's, their names and the places of terms."""
    library = _formulaic()
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
            made = _formulaic().model_matrix(
                f"0 + I({code})", data, output="numpy", context=_context(), na_action="ignore"
            )
    except Exception as error:  # what evaluates a formula raises errors of many kinds
        raise ArgumentError(f"formula {formula!r}: offset({code}): {_first_line(error)}") from error
    if made.shape[1] != 1:
        raise ArgumentError(
            f"formula {formula!r}: offset({code}) makes {made.shape[1]} columns; it needs one of numbers"
        )
    return made.model_spec


def _response(frame: Any, name: str) -> tuple[list[Any], Array]:
    """The classes in order (of a categorical column, its own), and the place of each row's."""
    column = frame[name]
    if str(column.dtype) == "category":
        classes, codes = list(column.cat.categories), np.asarray(column.cat.codes, dtype=np.intp)
    else:
        values = np.asarray(column)
        if values.dtype.kind == "f":
            broken = np.flatnonzero(values != np.round(values))
            if len(broken):
                raise DataError(
                    f"{name} holds numbers that are measured, such as {values[broken[0]]:g}: a classifier needs classes"
                )
            values = values.astype(np.int64)
        found, codes = np.unique(values, return_inverse=True)
        classes = found.tolist()
    refuse_one_class(classes, name)
    return classes, codes.astype(np.intp)


def _complete(
    frame: Any, formula: str, missing: str, weights: Any, weights_are: str | None, clusters: Any
) -> tuple[Any, Array, Array, Any]:
    """The rows in which nothing that is used is missing and the weight is not 0, their numbers,
    weights and clusters."""
    gaps: Array = np.asarray(frame.isna())
    wrong: Any = gaps.any(axis=1)
    if wrong.any() and missing == "error":
        row, column = map(int, np.argwhere(gaps)[0])
        raise DataError(
            f"{frame.columns[column]!r} is missing in row {row} (rows with gaps: {int(wrong.sum()):,}): fill it in, or "
            "leave such rows out with missing='drop'"
        )
    given = np.asarray(frame[weights], dtype=object) if isinstance(weights, str) else weights
    if given is not None and len(given) == len(wrong):
        given = np.where(wrong, 0.0, np.asarray(given, dtype=object))
    weight = weights_checked(given, weights_are, len(frame), weights if isinstance(weights, str) else "weights")
    keep: Array = ~wrong & (weight > 0)
    if not keep.any():
        raise DataError(f"formula {formula!r}: no row is left; in each something that is used is missing")
    columns, names = [], []
    for j, one in enumerate(_listed(clusters)):
        values = np.asarray(frame[one]) if isinstance(one, str) else np.asarray(one)
        if values.shape != (len(frame),):
            raise DataError(f"clusters has shape {values.shape}: give one value for each of {len(frame):,} rows")
        columns.append(values)
        names.append(one if isinstance(one, str) else f"clusters[{j}]")
    frame = frame[keep].reset_index(drop=True)
    for name in frame.columns:
        if str(frame[name].dtype) == "category":
            frame[name] = frame[name].cat.remove_unused_categories()
        else:
            frame[name] = _plain(frame[name])
    grouped = clusters_from(columns, names, keep) if columns else None
    return frame, np.flatnonzero(keep), weight[keep], grouped


def _listed(clusters: Any) -> list[Any]:
    """The columns of clusters: names or arrays."""
    if clusters is None:
        return []
    if isinstance(clusters, list | tuple) and all(isinstance(one, str) or np.ndim(one) == 1 for one in clusters):
        return list(clusters)
    if not isinstance(clusters, str) and np.ndim(clusters) == 2:
        return list(np.asarray(clusters).T)
    return [clusters]


def _plain(column: Any) -> Any:
    """A column without gaps as numbers, booleans or text of NumPy."""
    pandas = _pandas_library()
    values = column.to_numpy()
    name, kind = column.name, str(column.dtype)
    if values.dtype.kind in "mM":
        raise DataError(f"column {name!r} holds dates or durations: make a number of them, such as the year")
    if values.dtype.kind == "O":
        found = {type(value) for value in values.tolist()}
        if found <= {str}:
            return pandas.Series(values.astype(str).astype(object), name=name)
        if found <= {bool, np.bool_}:
            return pandas.Series(values.astype(bool), name=name)
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            shown = listing(sorted(each.__name__ for each in found), form=str)
            raise DataError(f"column {name!r} holds {shown}: it needs numbers, or text") from error
    if kind.startswith(("str", "string")) or values.dtype.kind in "UST":
        return pandas.Series(values.astype(str).astype(object), name=name)
    if values.dtype.kind == "b":
        return pandas.Series(values, name=name)
    values = values.astype(np.float64) if values.dtype.kind != "i" else values
    if values.dtype.kind == "f" and (values == np.round(values)).all() and np.abs(values).max(initial=0) <= EXACT:
        values = values.astype(np.int64)  # a level is called 2, not 2.0, though its column had gaps
    return pandas.Series(values, name=name)


def _pandas_library() -> Any:
    _formulaic()  # which brings pandas
    import pandas

    return pandas


def _collected(data: Any) -> Any:
    """A lazy frame of polars, computed."""
    return data.collect() if kind_of_frame(data) == "polars" and hasattr(data, "collect") else data


def _column_names(data: Any) -> list[str]:
    """The names of a table's columns."""
    if isinstance(data, NamedColumns):
        return list(data.names)
    if kind_of_frame(data) == "pyarrow":
        return list(data.column_names)
    names = data.keys() if isinstance(data, Mapping) else getattr(data, "columns", None)
    if names is None or len(names) == 0:
        raise DataError(
            f"data is {type(data).__name__}: give a frame of pandas, polars or Arrow, or a mapping from names to "
            "columns"
        )
    return [str(name) for name in names]


def _pandas(data: Any, names: list[str]) -> Any:
    """Some columns as a pandas frame."""
    pandas, kind = _pandas_library(), kind_of_frame(data)
    if isinstance(data, NamedColumns):
        return pandas.DataFrame({name: data.column(name) for name in names})
    if kind == "polars":
        return pandas.DataFrame({name: _from_polars(data[name], pandas) for name in names})
    if kind == "pyarrow":
        return data.select(names).to_pandas()
    if kind == "pandas":
        frame = data.copy(deep=False)
        frame.columns = [str(name) for name in frame.columns]
        doubled = [name for name in names if list(frame.columns).count(name) > 1]
        if doubled:
            raise DataError(f"data has several columns {doubled[0]!r}: give each a name of its own")
        return frame[names].reset_index(drop=True)
    lengths = {name: len(data[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns differ in length: {lengths}")
    return pandas.DataFrame({name: list(data[name]) for name in names})


def _from_polars(column: Any, pandas: Any) -> Any:
    """A column of polars with its levels in order, and None where it is missing."""
    kind = str(column.dtype)
    if kind.startswith("Enum"):
        return pandas.Categorical(column.to_list(), categories=column.dtype.categories.to_list())
    if kind.startswith(("String", "Boolean", "Categorical")) or column.null_count():
        values = column.to_list()  # the levels of a Categorical have no order of their own
        return pandas.Series(values, dtype=object if column.dtype.is_numeric() is False else None)
    return column.to_numpy()


def _first_line(error: Exception) -> str:
    text = _MARKS.sub("", str(error)).strip()
    return " ".join(text.split())[:300] or type(error).__name__
