"""Fitted transformers of scikit-learn as values for JSON and tensors, and their way back.

A transformer of a known class is its settings and what it has learned. Both are made of a few kinds
of values (numbers, texts, arrays, types, and lists, dictionaries and transformers of these); what
is of another kind, such as a function, is refused by the name of the step. Reading sets attributes
of an object of a known class: nothing that a file holds is called.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from polytome.errors import ArgumentError
from polytome.files.tensor_files import Tensors
from polytome.plain.kinds import brief, refuse

__all__ = ["STEP_TENSOR", "known_steps", "step_from_saved", "step_to_saved"]

STEP_TENSOR = "step."
"""How the names of their tensors begin."""

_CLASSES = {
    "ColumnTransformer": "sklearn.compose",
    "FeatureUnion": "sklearn.pipeline",
    "Pipeline": "sklearn.pipeline",
    "FunctionTransformer": "sklearn.preprocessing",
    "OneHotEncoder": "sklearn.preprocessing",
    "OrdinalEncoder": "sklearn.preprocessing",
    "StandardScaler": "sklearn.preprocessing",
    "MinMaxScaler": "sklearn.preprocessing",
    "MaxAbsScaler": "sklearn.preprocessing",
    "RobustScaler": "sklearn.preprocessing",
    "Normalizer": "sklearn.preprocessing",
    "Binarizer": "sklearn.preprocessing",
    "KBinsDiscretizer": "sklearn.preprocessing",
    "PolynomialFeatures": "sklearn.preprocessing",
    "PowerTransformer": "sklearn.preprocessing",
    "QuantileTransformer": "sklearn.preprocessing",
    "SimpleImputer": "sklearn.impute",
    "MissingIndicator": "sklearn.impute",
    "CountVectorizer": "sklearn.feature_extraction.text",
    "TfidfVectorizer": "sklearn.feature_extraction.text",
    "TfidfTransformer": "sklearn.feature_extraction.text",
    "HashingVectorizer": "sklearn.feature_extraction.text",
    "DictVectorizer": "sklearn.feature_extraction",
    "FeatureHasher": "sklearn.feature_extraction",
    "VarianceThreshold": "sklearn.feature_selection",
    "PCA": "sklearn.decomposition",
    "TruncatedSVD": "sklearn.decomposition",
}
_TYPES: dict[str, type] = {kind.__name__: kind for kind in (bool, int, float, str, object)}
_NUMBERS: dict[str, type] = {
    name: getattr(np, name) for name in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8")
} | {name: getattr(np, name) for name in ("number", "integer", "floating", "bool_", "object_", "str_")}
_FUNCTIONS: dict[str, np.ufunc] = {
    name: getattr(np, name)
    for name in ("absolute", "cbrt", "exp", "expm1", "log", "log10", "log1p", "log2", "sign", "sqrt", "square", "tanh")
}
"""Of NumPy, of one number each."""
_DTYPE = re.compile(r"\|[bO]1?|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]U\d{1,9}")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DEEPEST = 50


def known_steps() -> list[str]:
    """The names of the classes that can be saved.

    Example:
        >>> "StandardScaler" in known_steps()
        True
    """
    return sorted(_CLASSES)


def step_to_saved(step: Any, name: str, tensors: Tensors) -> Any:
    """What JSON keeps of a transformer; arrays of numbers are added to the tensors.

    Args:
        step: fitted.
        name: of the step, for messages.
        tensors: that are kept so far.

    Raises:
        ArgumentError: its class, or a value of it, cannot be saved; the message says where.
    """
    kind = type(step)
    if _class_of(kind.__name__) is not kind:
        raise ArgumentError(
            f"the step {name!r} is a {kind.__name__}, which cannot be saved without code; use one of "
            f"{', '.join(known_steps())}, or keep the step out of the pipeline"
        )
    settings = step.get_params(deep=False)
    learned = {key: value for key, value in vars(step).items() if key not in settings}
    return [
        "transformer",
        kind.__name__,
        {key: _to_saved(value, f"{name}.{key}", tensors) for key, value in settings.items()},
        {key: _to_saved(value, f"{name}.{key}", tensors) for key, value in learned.items()},
    ]


def _to_saved(value: Any, name: str, tensors: Tensors) -> Any:
    """A value as itself where JSON has it, else as a list that begins with its kind."""
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        return ["float", value.hex()]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["number", value.dtype.str, value.item().hex() if value.dtype.kind == "f" else value.item()]
    if isinstance(value, np.str_):
        return str(value)
    if isinstance(value, np.dtype):
        return ["dtype", value.str]
    if isinstance(value, type):
        if value in (*_TYPES.values(), *_NUMBERS.values()):
            return ["type", value.__name__]
    elif isinstance(value, np.ufunc) and value.__name__ in _FUNCTIONS:
        return ["function", value.__name__]
    elif type(value).__name__ == "make_column_selector":
        chosen = (value.pattern, value.dtype_include, value.dtype_exclude)
        return ["selector", [_to_saved(each, name, tensors) for each in chosen]]
    elif isinstance(value, list | tuple):
        return [type(value).__name__, [_to_saved(each, f"{name}[{j}]", tensors) for j, each in enumerate(value)]]
    elif isinstance(value, set | frozenset):
        return [type(value).__name__, [_to_saved(each, name, tensors) for each in sorted(value, key=str)]]
    elif isinstance(value, dict):
        return ["dict", [[_to_saved(key, name, tensors), _to_saved(value[key], f"{name}[{key!r}]", tensors)]
                         for key in value]]  # fmt: skip
    elif isinstance(value, slice):
        return ["slice", [_to_saved(each, name, tensors) for each in (value.start, value.stop, value.step)]]
    elif isinstance(value, np.ndarray):
        return _array_to_saved(value, name, tensors)
    elif sparse.issparse(value):
        matrix: Any = value
        found = matrix.tocsr()
        parts = [_array_to_saved(each, name, tensors) for each in (found.data, found.indices, found.indptr)]
        return ["csr", isinstance(value, sparse.sparray), list(map(int, found.shape)), parts]
    elif hasattr(value, "get_params"):
        return step_to_saved(value, name, tensors)
    what = getattr(value, "__name__", type(value).__name__)
    raise ArgumentError(
        f"{name} is {what!r}, which cannot be saved without code; use what scikit-learn names by a text, or do this "
        "before the pipeline"
    )


def _array_to_saved(value: Any, name: str, tensors: Tensors) -> Any:
    if value.dtype.kind in "biuf":
        place = f"{STEP_TENSOR}{len([each for each in tensors if each.startswith(STEP_TENSOR)])}"
        # The order of the numbers in memory decides the last bits of a product.
        by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
        tensors[place] = np.ascontiguousarray(value.T if by_columns else value)
        return ["array", place, list(value.shape), by_columns]
    if value.dtype.kind in "OU":
        cells = [_to_saved(each, name, tensors) for each in value.ravel().tolist()]
        return ["cells", value.dtype.str, list(value.shape), cells]
    raise ArgumentError(f"{name} is an array of {value.dtype}, which cannot be saved; use numbers or texts")


def step_from_saved(saved: Any, tensors: Tensors, depth: int = 0) -> Any:
    """The transformer that `step_to_saved` described.

    Raises:
        FileError: no transformer can have been described so.
    """
    value = _from_saved(saved, tensors, depth)
    if not hasattr(value, "get_params"):
        refuse(f"a step is {brief(saved)}")
    return value


def _from_saved(saved: Any, tensors: Tensors, depth: int) -> Any:
    if saved is None or isinstance(saved, bool | str | int):
        return saved
    if depth > _DEEPEST:
        refuse("its steps are nested too deeply")
    try:
        return _value(saved, tensors, depth)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        refuse(f"a value of a step is {brief(saved)} ({error})")


def _value(saved: Any, tensors: Tensors, depth: int) -> Any:
    kind, *rest = saved
    each = [_from_saved(one, tensors, depth + 1) for one in rest[0]] if kind in _COLLECTIONS else []
    match kind:
        case "float":
            return float.fromhex(rest[0])
        case "number":
            number = float.fromhex(rest[1]) if isinstance(rest[1], str) else rest[1]
            return _dtype(rest[0]).type(number)
        case "dtype":
            return _dtype(rest[0])
        case "type":
            return {**_TYPES, **_NUMBERS}[rest[0]]
        case "function":
            return _FUNCTIONS[rest[0]]
        case "selector":
            from sklearn.compose import make_column_selector

            pattern, included, excluded = each
            return make_column_selector(pattern, dtype_include=included, dtype_exclude=excluded)
        case "list" | "tuple" | "set" | "frozenset":
            return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](each)
        case "slice":
            return slice(*each)
        case "dict":
            return {
                _from_saved(key, tensors, depth + 1): _from_saved(value, tensors, depth + 1) for key, value in rest[0]
            }
        case "array":
            place, shape, by_columns = rest
            return tensors[place].reshape(shape[::-1]).T if by_columns else tensors[place].reshape(shape)
        case "cells":
            found = np.empty(len(rest[2]), dtype=_dtype(rest[0]))
            found[:] = [_from_saved(one, tensors, depth + 1) for one in rest[2]]
            return found.reshape(rest[1])
        case "csr":
            make: Any = sparse.csr_array if rest[0] else sparse.csr_matrix
            matrix = make(tuple(_from_saved(one, tensors, depth + 1) for one in rest[2]), shape=tuple(rest[1]))
            matrix.check_format()
            return matrix
        case "transformer":
            name, settings, learned = rest
            return _transformer(name, settings, learned, tensors, depth)
        case _:
            refuse(f"a value of a step is of the kind {brief(kind)}")


_COLLECTIONS = ("list", "tuple", "set", "frozenset", "slice", "selector")


def _transformer(name: str, settings: Any, learned: Any, tensors: Tensors, depth: int) -> Any:
    """An object of a known class, with its settings and what it has learned."""
    kind = _class_of(name)
    if kind is None:
        refuse(f"a step is a {brief(name)}, which no file has")
    known = kind().get_params(deep=False) if name not in _NEED_STEPS else dict.fromkeys(_NEED_STEPS[name])
    if not set(settings) <= set(known):
        refuse(f"settings of a {name} are {brief(sorted(settings))}")
    values = {key: _from_saved(value, tensors, depth + 1) for key, value in settings.items()}
    found: Any = kind(**values)
    for key, value in learned.items():
        # An attribute must not hide a method, or what a class says of itself.
        if not _ATTRIBUTE.fullmatch(key) or key.startswith("__") or hasattr(kind, key):
            refuse(f"a {name} has learned {brief(key)}")
        vars(found)[key] = _from_saved(value, tensors, depth + 1)
    return found


_NEED_STEPS = {
    "Pipeline": ("steps", "memory", "verbose", "transform_input"),
    "FeatureUnion": ("transformer_list", "n_jobs", "transformer_weights", "verbose", "verbose_feature_names_out"),
    "ColumnTransformer": (
        "transformers",
        "remainder",
        "sparse_threshold",
        "n_jobs",
        "transformer_weights",
        "verbose",
        "verbose_feature_names_out",
        "force_int_remainder_cols",
    ),
}
"""Classes that cannot be made without their steps, and what may be set of them."""


def _class_of(name: Any) -> Any:
    """The known class of a name; None for any other."""
    home = _CLASSES.get(name) if isinstance(name, str) else None
    return None if home is None else getattr(import_module(home), name)


def _dtype(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        refuse(f"a type of a step is {brief(name)}")
    return np.dtype(name)
