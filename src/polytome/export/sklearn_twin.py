"""scikit-learn: a fitted estimator with the same predictions (a twin), and a Polytome model of
scikit-learn's fit.

The twin of a model without categories and filled cells is a
`sklearn.linear_model.LogisticRegression`; the twin of a model of a table is a `Pipeline` that takes
a data frame with the table's columns.

As a file the twin is a Python program: literal numbers and the function below that assembles them.
It can be read, and it works with the installed version of scikit-learn. Neither is true of a
pickle: it runs whatever its author wrote as soon as it is opened, and scikit-learn does not promise
to open pickles of another version.
"""

from __future__ import annotations

import inspect
import json
import pprint
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, MissingExtraError
from polytome.evaluation.explain import feature_names
from polytome.export.agreement import Agreement, checked_agreement, encoded, sample_cells
from polytome.export.form import Form, form_of
from polytome.export.imported import certify_as_given, imported_model
from polytome.files.atomic_files import atomic_output, check_writable
from polytome.models.calibration import calibrated_coefficients
from polytome.models.fitted import feature_names_in
from polytome.models.peer_settings import own_settings
from polytome.models.predictions import dense_coefficients
from polytome.tables.frames import MISSING_WORDS

if TYPE_CHECKING:
    from polytome.models.logistic import LogisticRegression

__all__ = ["from_sklearn", "to_sklearn", "write_sklearn"]

_MOST_COEFFICIENTS = 1_000_000
_ALLOWED = 1e-10
_OF_THE_FIT = ("scale", "penalty_weights", "class_weight")  # settings that no twin has


def to_sklearn(model: LogisticRegression) -> Any:
    """A fitted scikit-learn estimator with the same `predict`, and for classes `predict_proba` and
    `decision_function`.

    Args:
        model: a fitted `LogisticRegression`. Its `C` and `fit_intercept` are passed on; a new fit
            of the twin would know nothing of its `scale`, `penalty_weights` and `class_weight`, and
            so be another model: the coefficients refer to the columns as given, which scikit-learn
            would penalise alike.

    Returns:
        A `sklearn.linear_model.LogisticRegression`, a `OneVsRestClassifier` of them for a
        `OneVsRest`, or a `LinearRegression` for one of that name; if the model encodes a table a
        `Pipeline` that takes its data frame: categories as text, whole numbers or booleans, missing
        cells as NaN, None or `pandas.NA`.

    Raises:
        ArgumentError: the model cannot be exported.
        MissingExtraError: the model encodes a table, and pandas is not installed.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> twin = to_sklearn(model)
        >>> type(twin).__module__.partition(".")[0], twin.predict([[2.5]])
        ('sklearn', array(['yes'], dtype='<U3'))
    """
    try:
        return build(**_parts(model, form_of(model)))
    except ModuleNotFoundError as error:
        raise MissingExtraError("a table's twin takes data frames and needs pandas: pip install pandas") from error


def write_sklearn(model: LogisticRegression, path: str | PathLike[str]) -> Agreement:
    """Write a Python program that makes `to_sklearn(model)`: `from NAME import estimator`.

    Args:
        model: a fitted `LogisticRegression` of at most a million coefficients.
        path: the file.

    Returns:
        How closely the twin agreed with the model on rows drawn from its ranges.

    Raises:
        ArgumentError: the model cannot be exported, or is too large for a program.
        FileError: the file cannot be written.
    """
    path, form = check_writable(path), form_of(model)
    if form.coefficients.size > _MOST_COEFFICIENTS:
        raise ArgumentError(
            f"{form.coefficients.size:,} coefficients are too many for a program in text (at most "
            f"{_MOST_COEFFICIENTS:,}): use polytome.export.to_sklearn in Python, or write_torch"
        )
    agreement = _agreement(model, form)
    with atomic_output(path) as stream:
        stream.write(_program(model, form, agreement).encode())
    return agreement


def from_sklearn(
    estimator: Any, X: Any = None, y: Any = None, *, tol: float = 1e-4, sample_weight: Any = None
) -> LogisticRegression:
    """A model of what scikit-learn has fitted and, given the data, how far it is from the optimum.

    Args:
        estimator: a fitted `sklearn.linear_model.LogisticRegression`.
        X: rows that it was fitted to, (n, d); None for no certificate.
        y: their labels.
        tol: the tolerance to judge by.
        sample_weight: the weights of the rows in that fit.

    Returns:
        A fitted model with the same predictions. Without X and y it has no `certificate_`,
        `objective_` and `stop_`. The certificate is about the usual objective, whose intercept is
        not penalised: what the solver "liblinear" loses by penalising it counts as distance.

    Raises:
        ArgumentError: the estimator is of another kind, fits one class against the rest, or has an
            L1 penalty and data are given for a certificate.
        DataError: X or y does not fit the estimator.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression as Theirs
        >>> X, y = load_iris(return_X_y=True)
        >>> theirs = Theirs(max_iter=1000).fit(X, y)
        >>> print(from_sklearn(theirs, X, y).certificate_)  # doctest: +ELLIPSIS
        Proved: the objective 0.1... is within ... of its minimum (... % of the null model's; 0.01 % was asked for...).
    """
    _check_estimator(estimator)
    model = imported_model(
        _their_scores(estimator),
        estimator.classes_,
        C=np.inf if getattr(estimator, "penalty", "l2") is None else float(estimator.C),
        fit_intercept=bool(estimator.fit_intercept),
        class_weight=estimator.class_weight,
        tol=tol,
    )
    if hasattr(estimator, "feature_names_in_"):
        model.feature_names_in_ = estimator.feature_names_in_
    if (X is None) != (y is None):
        raise ArgumentError("X and y belong together: give both for a certificate, or neither")
    if X is not None:
        if not _has_l2(estimator):
            raise ArgumentError(
                "the estimator has an L1 penalty; this version certifies L2 or no penalty: leave X and y out"
            )
        certify_as_given(model, X, y, sample_weight, f"scikit-learn, {estimator.solver}")
    return model


def build(
    classes: list[object],
    coef: list[list[float]],
    intercept: list[float],
    link: str,
    settings: dict[str, object],
    columns: list[tuple[str, list[str], float | str | None, str | None]] | None,
    unknown: str,
    missing: list[str],
    feature_names: list[str] | None,
) -> object:
    """Assemble a fitted estimator. This function is part of the written programs: it imports all it
    needs."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, LabelBinarizer, OneHotEncoder
    from sklearn.utils import check_array

    def known(estimator: object, **attributes: object) -> object:
        names = {} if feature_names is None else {"feature_names_in_": np.array(feature_names, dtype=object)}
        vars(estimator).update(attributes | names | {"n_features_in_": np.array(coef).shape[-1]})
        return estimator

    def classifier_of(classes: list[object], coef: list[list[float]], intercept: list[float]) -> object:
        parts = {"classes_": np.array(classes), "coef_": np.array(coef), "intercept_": np.array(intercept)}
        return known(LogisticRegression(**settings), n_iter_=np.array([0]), **parts)

    if link == "identity":
        estimator = known(LinearRegression(**settings), coef_=np.array(coef), intercept_=np.array(intercept))
    elif link == "rest":
        binary = [classifier_of([0, 1], [row], [start]) for row, start in zip(coef, intercept, strict=True)]
        binarizer = LabelBinarizer(sparse_output=True).fit(classes)
        fitted = {"estimators_": binary, "label_binarizer_": binarizer, "classes_": binarizer.classes_}
        estimator = known(OneVsRestClassifier(LogisticRegression(**settings)), **fitted)
    else:
        estimator = classifier_of(classes, coef, intercept)
    if columns is None:
        return estimator
    import pandas

    def step(function: object, **options: object) -> object:
        return FunctionTransformer(function, kw_args=options, feature_names_out="one-to-one")

    steps, example = [], {}
    each = pandas.DataFrame.map if hasattr(pandas.DataFrame, "map") else pandas.DataFrame.applymap
    for place, (name, levels, fill, reference) in enumerate(columns):
        if levels:  # whole numbers (with gaps they are fractions), booleans and categories are texts here
            texts: dict[str, object] = {text: np.nan for text in missing if text not in levels}
            for level in levels:
                spelled = level.capitalize() if level.lower() in ("true", "false") else f"{level}.0"
                if spelled not in levels:
                    texts[spelled] = level
            parts = [
                step(pandas.DataFrame.astype, dtype=object),
                step(each, func=str, na_action="ignore"),
                step(each, func=str.strip, na_action="ignore"),
                step(pandas.DataFrame.replace, to_replace=texts),
                step(pandas.DataFrame.fillna, value=np.nan if fill is None else fill),
                step(check_array, dtype=object),  # refuses a missing cell that nothing fills
                OneHotEncoder(
                    categories=[np.array(levels, dtype=object)],
                    drop=None if reference is None else np.array([reference], dtype=object),
                    handle_unknown="ignore" if unknown == "zero" else "error",
                ),
            ]
        else:
            parts = [step(pandas.DataFrame.fillna, value=np.nan), step(pandas.DataFrame.astype, dtype="float64")]
            parts += [] if fill is None else [SimpleImputer(strategy="constant", fill_value=fill)]
        steps.append((f"column {place}", make_pipeline(*parts), [name]))
        example[name] = np.array(levels[:1], dtype=object) if levels else np.zeros(1)
    # Nothing is learnt from the example: levels and fills are given, but scikit-learn must have
    # seen the columns.
    encoder = ColumnTransformer(steps).fit(pandas.DataFrame(example))
    return make_pipeline(encoder, estimator)


def _parts(model: LogisticRegression, form: Form) -> dict[str, Any]:
    """The arguments of `build`, all of them plain values."""
    if form.terms:
        raise ArgumentError(
            f"the model cannot be exported to scikit-learn: it makes {form.terms[0].name!r} of other columns, and the "
            "program has no step for that; export to ONNX, C or SQL"
        )
    encodes = not form.is_matrix or not np.isnan(form.fills).all()
    names = feature_names_in(model)
    labels = form.classes if form.link == "identity" else model.classes_.tolist()
    settings = {name: value for name, value in own_settings(model).items() if name in ("C", "fit_intercept")}
    kinds = {"C": float, "fit_intercept": bool}
    coef, intercept = calibrated_coefficients(model, dense_coefficients(model), np.asarray(model.intercept_))
    return {
        "classes": [label.item() if isinstance(label, np.generic) else label for label in labels],
        "coef": _of_levels(coef, form).tolist(),
        "intercept": intercept.tolist(),
        "link": form.link,
        "settings": {name: kinds[name](value) for name, value in settings.items()},
        "columns": [(c.name, list(c.levels), c.fill, c.reference) for c in form.columns] if encodes else None,
        "unknown": form.unknown,
        "missing": sorted(MISSING_WORDS),
        "feature_names": None if names is None else [str(name) for name in names],
    }


def _of_levels(coef: NDArray[np.float64], form: Form) -> NDArray[np.float64]:
    """Coefficients of levels in the place of those of steps between them, which scikit-learn does
    not have."""
    parts, start = [], 0
    for column in form.columns:
        part = coef[..., start : start + column.width]
        start += column.width
        if column.steps:
            part = np.delete(column.by_level(part), column.levels.index(column.steps[0]), axis=-1)
        parts.append(part)
    return np.concatenate(parts, axis=-1)


def _agreement(model: LogisticRegression, form: Form) -> Agreement:
    """The twin beside the model on rows drawn from the model's ranges."""
    import sklearn

    twin, cells = to_sklearn(model), sample_cells(model, form)
    rows: Any = encoded(model, cells)
    for each in (twin, *vars(twin).get("estimators_", ())):
        vars(each).pop("feature_names_in_", None)  # rows without names would cause warnings
    if hasattr(twin, "steps"):
        import pandas

        columns = cells.T if isinstance(cells, np.ndarray) else cells
        rows = pandas.DataFrame({c.name: values for c, values in zip(form.columns, columns, strict=True)})
    if form.link == "identity":
        numbers = twin.predict(rows)
        found = numbers, numbers.reshape(len(numbers), -1)
    else:
        found = twin.predict(rows), twin.predict_proba(rows)
    return checked_agreement(model, form, cells, found, f"scikit-learn {sklearn.__version__}", _ALLOWED)


def _program(model: LogisticRegression, form: Form, agreement: Agreement) -> str:
    """The text of the program: facts, the source of `build`, and one call of it with literal
    values."""
    facts = form.facts | {"agreement": str(agreement), "features": json.dumps(feature_names(model))}
    if lost := [name for name in _OF_THE_FIT if vars(model).get(name) is not None]:
        facts["a new fit"] = f"would be another model: it would know nothing of {' and '.join(lost)}"
    values = _parts(model, form).items()
    lines = [
        "# A fitted scikit-learn estimator, written by Polytome: from THIS_FILE import estimator",
        *(f"# {name}: {fact}" for name, fact in facts.items()),
        "from math import inf  # C without a penalty",
        "",
        "",
        inspect.getsource(build),
        "",
        "estimator = build(",
        *(f"    {name}={pprint.pformat(value, width=116, compact=True)}," for name, value in values),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _check_estimator(estimator: Any) -> None:
    """Refuse what is not softmax or logistic regression."""
    from sklearn.linear_model import LogisticRegression as Theirs
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(estimator, Theirs) or isinstance(estimator, LogisticRegressionCV):
        remedy = "; give its last step, and transform X with the others" if hasattr(estimator, "steps") else ""
        raise ArgumentError(
            f"estimator is a {type(estimator).__name__}: needs a sklearn.linear_model.LogisticRegression{remedy}"
        )
    check_is_fitted(estimator)
    # Before version 1.8 scikit-learn could also fit one model for each class against the rest.
    way = getattr(estimator, "multi_class", "auto")
    if len(estimator.classes_) > 2 and (way == "ovr" or estimator.solver == "liblinear"):
        raise ArgumentError(
            "the estimator fits each class against the rest, which is not a softmax regression: fit it with "
            "multi_class='multinomial', or use polytome.OneVsRest"
        )


def _their_scores(estimator: Any) -> tuple[Any, Any]:
    """Coefficients and intercepts whose softmax, or sigmoid for two classes, are the estimator's
    probabilities."""
    # With multi_class="multinomial" (before version 1.8) the scores of two classes are minus and
    # plus the one stored.
    doubled = len(estimator.classes_) == 2 and getattr(estimator, "multi_class", "auto") == "multinomial"
    factor = 2.0 if doubled else 1.0
    coef = np.asarray(dense_coefficients(estimator), np.float64)
    return factor * coef, factor * np.asarray(estimator.intercept_, np.float64)


def _has_l2(estimator: Any) -> bool:
    """Whether the penalty is L2, or there is none."""
    return getattr(estimator, "penalty", "l2") != "l1" and getattr(estimator, "l1_ratio", 0) in (0, None)
