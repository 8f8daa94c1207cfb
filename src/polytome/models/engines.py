"""One objective in the words of several programs: what scikit-learn, glmnet, Spark, statsmodels,
liblinear and PyTorch call its numbers.

All of them minimise a loss of rows plus a penalty. They differ in whether losses are summed or
averaged, in what a column is divided by before its coefficient is penalised, in what they call the
strength and the share of absolute values, and in whether the intercept is penalised. In between
stands `_Penalised`: mean loss plus

    sum_j (l1 w_j |d_j b_j| + l2 / 2 w_j (d_j b_j)^2)

with d_j the deviation (with 1/n) of column j where columns are standardised, else 1. Where the
classes of a column are a group, the norm of their coefficients takes the place of absolute values.

References: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models via
coordinate descent, Journal of Statistical Software 33, 2010, section 2; Fan, Chang, Hsieh, Wang and
Lin, LIBLINEAR: a library for large linear classification, JMLR 9, 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.models.bounds import bounds_as_saved, bounds_of
from polytome.models.fitted_source import source_of
from polytome.models.groups import group_labels, group_ratio_of
from polytome.models.labels import row_weights
from polytome.models.logistic import LogisticRegression
from polytome.models.peer_settings import l1_ratio_of, own_settings
from polytome.models.settings import real_number
from polytome.plain.values import plain
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["ObjectiveInWords", "explain_objective", "fit_like"]

_OWN = "polytome"


@dataclass(frozen=True)
class _Sizes:
    """What a translation needs to know of the data: the sum of the weights of the rows, that of
    their squares (None where it is not known), and the number of classes."""

    total: float
    squares: float | None
    n_classes: int

    @property
    def spread(self) -> float:
        """By how much a deviation with `n - 1` is larger than one with n; of weighted rows, with
        `S - sum_i s_i^2 / S` than with S."""
        if self.squares is None:
            raise ArgumentError("Spark's deviations depend on the weights of the rows: give sample_weight")
        return float(np.sqrt(self.total / (self.total - self.squares / self.total)))


@dataclass(frozen=True)
class _Penalised:
    """A penalty on the scale of the mean loss, and what else of the objective has a name."""

    l1: float
    l2: float
    is_standardised: bool = False
    divisors: Any = None
    weights: Any = None
    fit_intercept: bool = True
    label_smoothing: float = 0.0
    groups: Any = None
    group_ratio: float = 1.0
    bounds: Any = None

    @property
    def strength(self) -> float:
        return self.l1 + self.l2

    @property
    def l1_ratio(self) -> float:
        return self.l1 / self.strength if self.strength else 0.0

    def settings(self, sizes: _Sizes) -> dict[str, Any]:
        """Those of `LogisticRegression`."""
        return {
            "C": 1 / (self.strength * sizes.total) if self.strength else np.inf,
            "l1_ratio": self.l1_ratio,
            "scale": "standard" if self.is_standardised else self.divisors,
            "penalty_weights": self.weights,
            "groups": self.groups,
            "group_ratio": self.group_ratio,
            "bounds": self.bounds,
            "fit_intercept": self.fit_intercept,
            "label_smoothing": self.label_smoothing,
        }


@dataclass(frozen=True)
class ObjectiveInWords:
    """An objective as several programs state it.

    Attributes:
        polytome: the settings of `LogisticRegression`.
        parameters: for each program that has this objective, its parameters by their own names.
        notes: what to know of a program: why it has not this objective, or what has to be done
            beside its parameters.

    Example:
        >>> print(explain_objective("glmnet", n_rows=100, lambda_=0.01, alpha=0.5, standardize=False))
        polytome     C=1, l1_ratio=0.5
        scikit-learn C=1, l1_ratio=0.5, solver='saga'
        glmnet       family='binomial', alpha=0.5, lambda_=0.01, standardize=False
        Spark        regParam=0.01, elasticNetParam=0.5, standardization=False
        statsmodels  model='GLM', method='elastic_net', alpha=0.01, L1_wt=0.5
                     (alpha is 0 for the column of ones)
        liblinear    it has no elastic net
        PyTorch      it has no absolute values
    """

    polytome: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    notes: dict[str, str]

    def __str__(self) -> str:
        """A line for each program, and its note below."""
        usual = LogisticRegression().get_params()
        own = {
            name: value
            for name, value in self.polytome.items()
            if np.ndim(value) > 0 or name == "C" or value != usual[name]
        }
        lines = [f"{_OWN:<12} {_told(own)}"]
        for name in _WRITERS:
            found, note = self.parameters.get(name), self.notes.get(name)
            lines.append(f"{name:<12} {note if found is None else _told(found)}")
            lines += [f"{'':<12} ({note})"] if found is not None and note else []
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values for JSON; what is infinite is None."""
        found: dict[str, Any] = plain({"polytome": self.polytome, "parameters": self.parameters, "notes": self.notes})
        return found


def fit_like(
    engine: str,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    offset: Any = None,
    *,
    tol: float = 1e-4,
    **parameters: Any,
) -> LogisticRegression:
    """Fit the objective that another program's parameters state.

    Args:
        engine: "scikit-learn", "glmnet", "spark", "statsmodels", "liblinear" or "pytorch".
        X: features, as for `LogisticRegression.fit`; without a column of ones.
        y: labels.
        sample_weight: one weight per row.
        offset: what is added to the scores of the rows.
        tol: of the certificate.
        parameters: of that program, by its own names (`lambda_` for glmnet's lambda, `_` for a
            dot); where one is left out, its default there.

    Returns:
        The fitted model, which has the settings that mean the same here.

    Raises:
        ArgumentError: the program has no such parameter, or another objective than a
            `LogisticRegression` has; the message says how they differ.

    Example:
        >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 1, 0, 1]
        >>> fit_like("glmnet", X, y, lambda_=0.05, alpha=0).C
        5.0
    """
    weight = row_weights(sample_weight, len(y) if hasattr(y, "__len__") else X.shape[0])
    sizes = _Sizes(float(weight.sum()), float(weight @ weight), _n_classes(y))
    found = _read(engine, parameters, sizes)
    if isinstance(found.weights, np.ndarray) and found.weights.shape != (np.shape(X)[1],):
        raise ArgumentError(f"{len(found.weights)} numbers were given for {np.shape(X)[1]} columns of X")
    model = LogisticRegression(**found.settings(sizes), tol=tol)
    return model.fit(X, y, sample_weight=sample_weight, offset=offset)


def explain_objective(
    model: Any,
    /,
    *,
    n_rows: int | None = None,
    n_classes: int | None = None,
    sample_weight: Any = None,
    **parameters: Any,
) -> ObjectiveInWords:
    """State an objective in the words of several programs.

    Args:
        model: a fitted `LogisticRegression`; a `LogisticRegression` of scikit-learn; or the name of
            a program, as for `fit_like`, with its parameters.
        n_rows: of the data, which sums of losses depend on; a fitted model of Polytome knows it.
        n_classes: of the data; 2 if None, or what a fitted model knows.
        sample_weight: of the rows, if they do not have the weight 1; then `n_rows` may be left out.
        parameters: of the program that is named.

    Returns:
        What each program calls this objective, and which have not got it.

    Raises:
        ArgumentError: the number of rows is not known, or the model or the parameters have no
            objective that can be translated.

    Example:
        >>> from polytome import load_dataset
        >>> iris = load_dataset("iris")
        >>> found = explain_objective(LogisticRegression(C=2).fit(iris.X, iris.y))
        >>> round(found.parameters["PyTorch"]["weight_decay"], 6)
        0.003333
    """
    if isinstance(model, str):
        sizes = _given_sizes(n_rows, sample_weight, n_classes)
        return _in_words(_read(model, parameters, sizes), sizes)
    if parameters:
        raise ArgumentError(
            f"{listing(sorted(parameters))}: parameters are for the name of a program, such as 'glmnet'"
        )
    if isinstance(model, LogisticRegression):
        formula = vars(model).get("objective_")
        if formula is None:
            sizes = _given_sizes(n_rows, sample_weight, n_classes)
            return _in_words(_own(model, 1 / (float(own_settings(model)["C"]) * sizes.total), sizes), sizes)
        unit = formula.n_rows if formula.total_weight == formula.n_rows and sample_weight is None else None
        squares = unit if sample_weight is None else float((row_weights(sample_weight, formula.n_rows) ** 2).sum())
        sizes = _Sizes(formula.total_weight, squares, formula.n_classes)
        return _in_words(_own(model, formula.strength, sizes), sizes)
    if type(model).__module__.startswith("sklearn.") and type(model).__name__ == "LogisticRegression":
        classes = getattr(model, "classes_", None)
        n_classes = n_classes if classes is None or n_classes is not None else len(classes)
        sizes = _given_sizes(n_rows, sample_weight, n_classes)
        names = [name for name in _PARAMETERS["scikit-learn"] if hasattr(model, name)]
        return _in_words(_read("scikit-learn", {name: getattr(model, name) for name in names}, sizes), sizes)
    raise ArgumentError(
        f"model is a {type(model).__name__}: needs a LogisticRegression of Polytome or scikit-learn, or one of "
        f"{listing(list(_PARAMETERS))} with its parameters"
    )


def _own(model: LogisticRegression, strength: float, sizes: _Sizes) -> _Penalised:
    """The penalty of a model of Polytome."""
    ratio = l1_ratio_of(model)
    weights: Any = model.penalty_weights
    if isinstance(weights, Mapping):
        names = vars(model).get("feature_names_in_", ())
        weights = np.array([float(weights.get(name, 1.0)) for name in names]) if len(names) else weights
    is_standard = isinstance(model.scale, str)
    groups = _groups_of(model, sizes) if strength * ratio else None
    return _Penalised(
        strength * ratio,
        strength * (1 - ratio),
        is_standard,
        None if is_standard else model.scale,
        weights,
        bool(model.fit_intercept),
        float(model.label_smoothing),
        groups,
        # Of single coefficients norms are absolute values.
        1.0 if groups is None else group_ratio_of(model),
        _bounds_of(model),
    )


def _groups_of(model: LogisticRegression, sizes: _Sizes) -> Any:
    """Its groups: "classes" where each column is one, and None where each coefficient is."""
    if model.groups is None:
        return None
    labels, formula = group_labels(model.groups), vars(model).get("objective_")
    if formula is not None:
        is_classes = formula.groups == "classes"
    else:
        is_classes = labels == "classes" or (not isinstance(labels, str) and len(set(labels)) == len(labels))
    if is_classes:
        return "classes" if sizes.n_classes > 2 else None
    return labels


def _bounds_of(model: LogisticRegression) -> Any:
    """Its bounds: a number for all columns, or one for each."""
    if model.bounds is None or (isinstance(model.bounds, Mapping) and "n_features_in_" not in vars(model)):
        return model.bounds
    if not isinstance(saved := bounds_as_saved(model.bounds), list | np.ndarray) or len(np.shape(saved)) == 1:
        return None if saved is None else tuple(saved)
    bounds = bounds_of(model, vars(model).get("n_features_in_", len(saved)), source_of(model).encoder)
    return None if bounds is None else (bounds[0].tolist(), bounds[1].tolist())


def _n_classes(y: Any) -> int:
    """How many classes labels have, or rows of probabilities."""
    values = np.asarray(y)
    return values.shape[1] if values.ndim == 2 and values.shape[1] > 1 else len(np.unique(values))


def _given_sizes(n_rows: int | None, sample_weight: Any, n_classes: int | None) -> _Sizes:
    if sample_weight is not None:
        weight = row_weights(sample_weight, len(sample_weight))
        return _Sizes(float(weight.sum()), float(weight @ weight), n_classes or 2)
    if n_rows is None or n_rows < 2:
        raise ArgumentError(f"n_rows={n_rows}: needs the number of rows of the fit: some programs add losses up")
    return _Sizes(float(n_rows), float(n_rows), n_classes or 2)


# From their words -------------------------------------------------------------------------------


_PARAMETERS: dict[str, dict[str, Any]] = {
    "scikit-learn": {"C": 1.0, "l1_ratio": 0.0, "penalty": "deprecated", "fit_intercept": True},
    "glmnet": {
        "lambda_": None,
        "alpha": 1.0,
        "standardize": True,
        "intercept": True,
        "family": None,
        "penalty_factor": None,
        "type_multinomial": "ungrouped",
        "lower_limits": -np.inf,
        "upper_limits": np.inf,
    },
    "spark": {
        "regParam": 0.0,
        "elasticNetParam": 0.0,
        "standardization": True,
        "fitIntercept": True,
        "family": "auto",
    },
    "statsmodels": {"alpha": 0.0, "model": "GLM", "method": "elastic_net", "L1_wt": 1.0},
    "liblinear": {"C": 1.0, "penalty": "l2", "bias": -1.0},
    "pytorch": {
        "weight_decay": 0.0,
        "reduction": "mean",
        "label_smoothing": 0.0,
        "bias": True,
        "decays_bias": False,
        "n_outputs": None,
    },
}
"""What each program calls the numbers of its objective, and their defaults there."""


def _read(engine: str, parameters: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    """The penalty that a program's parameters state."""
    name = {"sklearn": "scikit-learn", "torch": "pytorch", "pyspark": "spark"}.get(engine.lower(), engine.lower())
    if name not in _PARAMETERS:
        raise ArgumentError(f"engine={engine!r}: needs one of {listing(list(_PARAMETERS))}")
    unknown = [each for each in parameters if each not in _PARAMETERS[name]]
    if unknown:
        raise ArgumentError(
            f"{name} has no parameter {unknown[0]!r} of its objective; it has {listing(list(_PARAMETERS[name]))}"
        )
    found = _READERS[name](_PARAMETERS[name] | dict(parameters), sizes)
    if not (0 <= found.l1 < np.inf and 0 <= found.l2 < np.inf):
        raise ArgumentError(f"{name}: these parameters make a penalty of strength {found.strength:g}")
    return found


def _number(values: Mapping[str, Any], name: str, most: float = np.inf) -> float:
    """A parameter that is a number, zero or more."""
    number = real_number(values[name])
    if not 0 <= number <= most:
        raise ArgumentError(
            f"{name}={values[name]!r}: needs a number from 0" + (f" to {most:g}" if most < np.inf else "")
        )
    return number


def _choice(values: Mapping[str, Any], name: str, *allowed: Any) -> Any:
    if values[name] not in allowed:
        raise ArgumentError(f"{name}={values[name]!r}: needs {listing([each for each in allowed if each is not None])}")
    return values[name]


def _of_family(found: _Penalised, family: Any, sizes: _Sizes) -> _Penalised:
    """Of two classes a "multinomial" has a score for each: halves of one score, which have half its
    squares, its absolute values, and the norm of a group over the root of 2."""
    if sizes.n_classes > 2:
        if family == "binomial":
            raise ArgumentError(f"family='binomial': y has {sizes.n_classes} classes; use 'multinomial'")
        return found
    if family != "multinomial":
        return replace(found, groups=None)
    if found.bounds is not None:
        raise ArgumentError(
            "limits of a multinomial of two classes are of a score for each, which is another objective than one score "
            "with bounds; give family='binomial'"
        )
    return replace(found, l1=found.l1 / (1.0 if found.groups is None else np.sqrt(2)), l2=found.l2 / 2, groups=None)


def _from_sklearn(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    C, penalty = real_number(values["C"]), _choice(values, "penalty", "deprecated", "l1", "l2", "elasticnet", None)
    if not C > 0:
        raise ArgumentError(f"C={values['C']!r}: needs a positive number")
    ratio = {"l1": 1.0, "l2": 0.0}.get(penalty) if penalty is not None else 0.0
    ratio = _number({"l1_ratio": values["l1_ratio"] or 0.0}, "l1_ratio", 1.0) if ratio is None else ratio
    strength = 0.0 if penalty is None else 1 / (C * sizes.total)
    return _Penalised(strength * ratio, strength * (1 - ratio), fit_intercept=bool(values["fit_intercept"]))


def _from_glmnet(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    if values["lambda_"] is None:
        raise ArgumentError("glmnet fits a path; give the lambda_ of one of its points")
    strength, ratio = _number(values, "lambda_"), _number(values, "alpha", 1.0)
    is_grouped = _choice(values, "type_multinomial", "ungrouped", "grouped") == "grouped"
    weights = values["penalty_factor"]
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1 or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ArgumentError("penalty_factor: needs a number, zero or more, for each column, and not only zeros")
        weights = weights / weights.mean()  # as glmnet does it
    found = _Penalised(
        strength * ratio,
        strength * (1 - ratio),
        bool(values["standardize"]),
        weights=weights,
        fit_intercept=bool(values["intercept"]),
        groups="classes" if is_grouped and strength * ratio else None,
        bounds=_limits(values["lower_limits"], values["upper_limits"]),
    )
    return _of_family(found, _choice(values, "family", None, "binomial", "multinomial"), sizes)


def _limits(lower: Any, upper: Any) -> tuple[Any, Any] | None:
    """glmnet's limits as bounds; None where they are infinite."""
    low, high = (np.asarray(each, dtype=np.float64) for each in (lower, upper))
    if low.ndim > 1 or high.ndim > 1 or not ((low <= 0).all() and (high >= 0).all()):
        raise ArgumentError("lower_limits, upper_limits: glmnet needs numbers of 0 or less, and of 0 or more")
    if np.isinf(low).all() and np.isinf(high).all():
        return None
    return low.tolist(), high.tolist()


def _from_spark(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    strength, ratio = _number(values, "regParam"), _number(values, "elasticNetParam", 1.0)
    is_standardised = bool(values["standardization"])
    # Spark divides columns by deviations with n - 1.
    spread = sizes.spread if is_standardised else 1.0
    l1, l2 = strength * ratio * spread, strength * (1 - ratio) * spread**2
    found = _Penalised(l1, l2, is_standardised, fit_intercept=bool(values["fitIntercept"]))
    return _of_family(found, _choice(values, "family", "auto", "binomial", "multinomial"), sizes)


def _from_statsmodels(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    if sizes.n_classes > 2:
        raise ArgumentError(
            "statsmodels' MNLogit penalises coefficients against a reference class, which is another objective than "
            "the symmetric one"
        )
    model = _choice(values, "model", "GLM", "Logit")
    _choice(values, "method", *(("elastic_net",) if model == "GLM" else ("l1", "l1_cvxopt_cp")))
    alpha, weights = values["alpha"], None
    if np.ndim(alpha) > 0:
        weights = np.asarray(alpha, dtype=np.float64)
        alpha, weights = (float(weights.mean()), weights / weights.mean()) if weights.any() else (0.0, None)
    strength = _number({"alpha": alpha}, "alpha")
    if model == "Logit":  # a sum of losses
        return _Penalised(strength / sizes.total, 0.0, weights=weights)
    ratio = _number(values, "L1_wt", 1.0)
    return _Penalised(strength * ratio, strength * (1 - ratio), weights=weights)


def _from_liblinear(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    if sizes.n_classes > 2:
        raise ArgumentError("liblinear fits one class against the rest: use polytome.OneVsRest, with the same C")
    if real_number(values["bias"]) >= 0:
        raise ArgumentError(
            "liblinear penalises its intercept, which is another objective; the same one: append a column of the "
            "bias to X, and give bias=-1"
        )
    return replace(_from_sklearn({**values, "l1_ratio": 0.0, "fit_intercept": False}, sizes), fit_intercept=False)


def _from_pytorch(values: Mapping[str, Any], sizes: _Sizes) -> _Penalised:
    strength = _number(values, "weight_decay")
    if _choice(values, "reduction", "mean", "sum") == "sum":
        strength /= sizes.total
    if values["decays_bias"] and values["bias"] and strength:
        raise ArgumentError(
            "weight_decay of the bias too is another objective; the same one: give the bias a parameter group with "
            "weight_decay=0, and decays_bias=False"
        )
    smoothing = _number(values, "label_smoothing", 1.0)
    found = _Penalised(0.0, strength, fit_intercept=bool(values["bias"]), label_smoothing=smoothing)
    n_outputs = _choice(values, "n_outputs", None, 1, sizes.n_classes)
    # One output of two classes is a BCEWithLogitsLoss; two are halves of it.
    return _of_family(found, "multinomial" if n_outputs == 2 else None, sizes)


_READERS: dict[str, Callable[[Mapping[str, Any], _Sizes], _Penalised]] = {
    "scikit-learn": _from_sklearn,
    "glmnet": _from_glmnet,
    "spark": _from_spark,
    "statsmodels": _from_statsmodels,
    "liblinear": _from_liblinear,
    "pytorch": _from_pytorch,
}


# Into their words -------------------------------------------------------------------------------


class _LacksError(Exception):
    """Why a program has not an objective."""


def _in_words(found: _Penalised, sizes: _Sizes) -> ObjectiveInWords:
    parameters: dict[str, dict[str, Any]] = {}
    notes: dict[str, str] = {}
    for name, write in _WRITERS.items():
        try:
            if found.label_smoothing and name != "PyTorch":
                raise _LacksError("it does not smooth labels: give rows of probabilities, where it takes them")
            if found.bounds is not None and name == "Spark":
                raise _LacksError("it has bounds beside squares alone, as lowerBoundsOnCoefficients: see its documents")
            if found.bounds is not None and name != "glmnet":
                raise _LacksError("it has no bounds of coefficients")
            if found.groups is not None and found.group_ratio < 1:
                raise _LacksError("it has no absolute values beside norms of groups")
            if found.groups is not None and name != "glmnet":
                raise _LacksError("it has no norms of groups of coefficients")
            parameters[name], note = write(found, sizes)
        except _LacksError as reason:
            note = str(reason)
        if note:
            notes[name] = note
    return ObjectiveInWords(found.settings(sizes), parameters, notes)


def _columns_alike(found: _Penalised) -> None:
    if found.divisors is not None:
        raise _LacksError("it has no divisors of columns: divide X by them first")
    if found.weights is not None:
        raise _LacksError("it has no weights of columns in the penalty")


def _to_sklearn(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    _columns_alike(found)
    written: dict[str, Any] = {"C": found.settings(sizes)["C"]}
    written |= {"l1_ratio": found.l1_ratio, "solver": "saga"} if found.l1 else {}
    written |= {} if found.fit_intercept else {"fit_intercept": False}
    return written, "behind a StandardScaler, which has the same deviations" if found.is_standardised else ""


def _to_glmnet(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    if found.divisors is not None:
        raise _LacksError("it has no divisors of columns: divide X by them first, and give standardize=FALSE")
    if found.groups not in (None, "classes"):
        raise _LacksError("it groups the classes of each column, but no columns")
    weights = None if found.weights is None else np.asarray(found.weights, dtype=np.float64)
    strength = found.strength * (1.0 if weights is None else float(weights.mean()))
    family = "binomial" if sizes.n_classes == 2 else "multinomial"
    written = {"family": family, "alpha": found.l1_ratio, "lambda_": strength, "standardize": found.is_standardised}
    written |= {} if found.fit_intercept else {"intercept": False}
    written |= {} if weights is None else {"penalty_factor": weights.tolist()}
    written |= {} if found.groups is None else {"type_multinomial": "grouped"}
    if isinstance(found.bounds, Mapping):
        raise _LacksError("its limits are in the order of columns, which is not known before a fit")
    low, high = found.bounds or (-np.inf, np.inf)
    if (np.asarray(low) > 0).any() or (np.asarray(high) < 0).any():
        raise _LacksError("its limits have 0 among them")
    written |= {} if np.isneginf(low).all() else {"lower_limits": low}
    written |= {} if np.isposinf(high).all() else {"upper_limits": high}
    return written, ""


def _to_spark(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    _columns_alike(found)
    if found.is_standardised and sizes.squares is None:
        raise _LacksError("its deviations, with n - 1, depend on the weights of the rows: give sample_weight")
    spread = sizes.spread if found.is_standardised else 1.0
    l1, l2 = found.l1 / spread, found.l2 / spread**2
    ratio = l1 / (l1 + l2) if l1 else 0.0
    written = {"regParam": l1 + l2, "elasticNetParam": ratio, "standardization": found.is_standardised}
    written |= {} if found.fit_intercept else {"fitIntercept": False}
    return written, "its deviations are with n - 1" if found.is_standardised else ""


def _to_statsmodels(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    if sizes.n_classes > 2:
        raise _LacksError("its MNLogit penalises coefficients against a reference class: another objective")
    if found.divisors is not None or found.is_standardised:
        raise _LacksError("it does not scale columns: divide X first")
    strength: Any = found.strength
    if found.weights is not None:
        strength = (strength * np.asarray(found.weights, dtype=np.float64)).tolist()
    note = "alpha is 0 for the column of ones" if found.fit_intercept and found.strength else ""
    return {"model": "GLM", "method": "elastic_net", "alpha": strength, "L1_wt": found.l1_ratio}, note


def _to_liblinear(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    if sizes.n_classes > 2:
        raise _LacksError("it fits one class against the rest: another model, here OneVsRest")
    if 0 < found.l1_ratio < 1:
        raise _LacksError("it has no elastic net")
    _columns_alike(found)
    if found.fit_intercept:
        raise _LacksError("it penalises the intercept: another objective, but for fit_intercept=False")
    if not found.strength:
        raise _LacksError("it has always a penalty")
    note = "on columns divided by their deviations first" if found.is_standardised else ""
    return {"C": found.settings(sizes)["C"], "penalty": "l1" if found.l1 else "l2", "bias": -1.0}, note


def _to_pytorch(found: _Penalised, sizes: _Sizes) -> tuple[dict[str, Any], str]:
    if found.l1:
        raise _LacksError("it has no absolute values")
    _columns_alike(found)
    written: dict[str, Any] = {"weight_decay": found.l2, "reduction": "mean"}
    if sizes.n_classes == 2 and found.label_smoothing:  # only losses of two outputs smooth labels
        written |= {"weight_decay": 2 * found.l2, "n_outputs": 2}
    elif sizes.n_classes == 2:
        written |= {"n_outputs": 1}
    written |= {"label_smoothing": found.label_smoothing} if found.label_smoothing else {}
    written |= {} if found.fit_intercept else {"bias": False}
    notes = ["of the bias weight_decay is 0"] if found.fit_intercept and found.strength else []
    notes += ["on columns divided by their deviations first"] if found.is_standardised else []
    return written, "; ".join(notes)


_WRITERS: dict[str, Callable[[_Penalised, _Sizes], tuple[dict[str, Any], str]]] = {
    "scikit-learn": _to_sklearn,
    "glmnet": _to_glmnet,
    "Spark": _to_spark,
    "statsmodels": _to_statsmodels,
    "liblinear": _to_liblinear,
    "PyTorch": _to_pytorch,
}


def _told(values: Mapping[str, Any]) -> str:
    """Parameters as a call has them."""

    def told(value: Any) -> str:
        if isinstance(value, str | bool) or value is None:
            return repr(value)
        if np.ndim(value) > 0:
            return f"[{', '.join(told(each) for each in np.ravel(value).tolist())}]"
        return f"{value:.10g}" if isinstance(value, float | int | np.number) else str(value)

    return ", ".join(f"{name}={told(value)}" for name, value in values.items())
