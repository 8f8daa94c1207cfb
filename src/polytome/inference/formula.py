"""From a formula and a table to the table of coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.arrays import places_in_order
from polytome.inference.firth_result import check_covariance_known, check_weights_known, firth
from polytome.inference.formula_data import (
    as_pandas,
    collected,
    column_names,
    complete_rows,
    listed,
    pandas_library,
    response_of,
)
from polytome.inference.formula_design import finite_offset, made_columns, parsed, variables_in
from polytome.inference.frames import kind_of_frame
from polytome.inference.hypotheses import nearest
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.maximum_likelihood import Asked, check_asked, maximum_likelihood, places_after
from polytome.inference.median_result import median
from polytome.inference.ordered_result import OrderedResult, order_of, ordered
from polytome.inference.sample import Sample
from polytome.models.diagnose import Diagnosis, diagnose
from polytome.tables.columns import NamedColumns

Array = NDArray[Any]

__all__ = ["diagnose_formula", "fit_formula"]


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
    data = collected(data)
    names = column_names(data)
    beside = [name for name in (weights, *listed(clusters)) if isinstance(name, str)]
    others = data.variables if isinstance(data, NamedColumns) else names
    response, right, offsets = parsed(formula, [name for name in others if name not in beside])
    variables = variables_in(right, formula, offsets)
    _refuse_unknown([response, *variables], names, "formula")
    for what, given in (("weights", [weights]), ("clusters", listed(clusters))):
        _refuse_unknown([name for name in given if isinstance(name, str)], names, what)
    frame = as_pandas(data, list(dict.fromkeys([response, *variables, *beside])))
    n_dropped = int(frame.isna().any(axis=1).sum())
    frame, numbers, weight, grouped = complete_rows(frame, formula, missing, weights, weights_are, clusters)
    classes, codes = response_of(frame, response)
    if method == "ordered":
        if order is None and str(frame[response].dtype) != "category":
            order_of(tuple(classes), response)
        places = places_in_order(classes, classes if order is None else order, response)
    else:
        places = places_after(classes, reference, response)
    place = np.empty(len(places), dtype=np.intp)
    place[places] = np.arange(len(places))
    design, X, columns, terms = made_columns(right, frame[variables], formula, offsets)
    sample = Sample(
        X,
        columns,
        design.has_intercept,
        place[codes],
        tuple(classes[k] for k in places),
        weight,
        numbers,
        weights_are,
        finite_offset(design, formula),
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
    data = collected(data)
    names = column_names(data)
    response, right, offsets = parsed(formula, list(data.variables if isinstance(data, NamedColumns) else names))
    variables = variables_in(right, formula, offsets)
    _refuse_unknown([response, *variables], names, "formula")
    frame = as_pandas(data, list(dict.fromkeys([response, *variables])))
    frame = complete_rows(frame, formula, "drop", None, None, None)[0]
    classes, codes = response_of(frame, response)
    design, X, columns, _ = made_columns(right, frame[variables], formula, offsets)
    found = diagnose(pandas_library().DataFrame(X, columns=columns), codes, fit_intercept=design.has_intercept)
    return replace(found, classes=tuple(classes))


def _refuse_unknown(wanted: Sequence[str], names: Sequence[str], what: str) -> None:
    """Raises ArgumentError for a column that is not there."""
    for name in wanted:
        if name not in names:
            raise ArgumentError(f"{what}: there is no column {name!r}{nearest(name, names)}")
