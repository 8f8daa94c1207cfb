"""A path of fits as values for JSON and tensors, and its way back: what its points have in common
once, and each point checked as a model is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.files.tensor_files import Tensors
from polytome.plain.kinds import (
    LARGEST,
    LARGEST_COUNT,
    Kind,
    brief,
    listed,
    mapped,
    optional,
    real,
    record,
    refuse,
    whole,
)
from polytome.plain.kinds import text as text_kind
from polytome.plain.values import plain

if TYPE_CHECKING:
    from polytome.models.path import RegularizationPath

Array = NDArray[Any]

__all__ = ["PATH", "PATH_KIND", "path_from_saved", "path_to_saved"]

PATH_KIND = "RegularizationPath"
"""The kind of a file that holds a path."""

_OF_POINT = ("objective", "certificate", "stop", "n_iter", "solver", "separation")
_STACKED = ("coef", "intercept", "proved_zero")
_OF_PATH = ("strengths", "deviance_explained", "divisors")
_SETTINGS = (
    *("l1_ratio", "fit_intercept", "class_weight", "scale", "penalty_weights", "bounds"),
    *("groups", "group_ratio"),
    *("solver", "tol", "max_iter"),
)


def _anything(value: Any, what: str) -> Any:
    return value


PATH: dict[str, Kind] = {
    "format_version": whole(1, LARGEST_COUNT),
    "checksum": text_kind(64),
    "library_version": text_kind(100),
    "kind": text_kind(100),
    "path": record(
        {
            "n_strengths": whole(1, LARGEST_COUNT),
            "min_ratio": optional(real(0, 1)),
            "strength_max": real(0, LARGEST),
            "is_given": whole(0, 1),
        }
    ),
    "model": mapped(_anything),
    "points": listed(mapped(_anything)),
}
"""What each value of a path's file may be; models are checked where they are put together."""


def path_to_saved(
    path: RegularizationPath, model_to_saved: Callable[[Any], tuple[dict[str, Any], Tensors]]
) -> tuple[dict[str, Any], Tensors]:
    """What the file keeps: values for JSON, and tensors.

    Args:
        path: a fitted path.
        model_to_saved: what a file keeps of a model.
    """
    parts = [model_to_saved(path.model_at(point)) for point in range(len(path.strengths_))]
    common, tensors = parts[0]
    saved: dict[str, Any] = {name: common[name] for name in ("format_version", "library_version")}
    saved["kind"] = PATH_KIND
    saved["path"] = plain(
        {
            "n_strengths": int(path.n_strengths),
            "min_ratio": path.min_ratio,
            "strength_max": path.strength_max_,
            "is_given": int(path.strengths is not None),
        }
    )
    heads = ("format_version", "library_version", "kind")
    saved["model"] = {name: value for name, value in common.items() if name not in (*_OF_POINT, *heads)}
    saved["points"] = [{name: part[name] for name in _OF_POINT} | {"C": part["parameters"]["C"]} for part, _ in parts]
    kept = {name: tensor for name, tensor in tensors.items() if name not in (*_STACKED, "history")}
    for name in _STACKED:
        if name in tensors:
            kept[name] = np.array([part[name] for _, part in parts])
    kept["history"] = np.vstack([part["history"] for _, part in parts])
    kept["history_ends"] = np.cumsum([len(part["history"]) for _, part in parts])
    for name in _OF_PATH:
        kept[name] = getattr(path, f"{name}_")
    return saved, kept


def path_from_saved(
    saved: dict[str, Any], tensors: Tensors, model_from_saved: Callable[[dict[str, Any], Tensors], Any]
) -> RegularizationPath:
    """The path, after each of its points has been checked.

    Args:
        saved: what a file kept.
        tensors: likewise.
        model_from_saved: the model of a point, checked.

    Raises:
        FileError: they are damaged.
    """
    from polytome.models.path import RegularizationPath

    n = len(saved["points"])
    ends = _checked_tensors(tensors, n)
    shared = {name: tensor for name, tensor in tensors.items() if not _is_of_points(name)}
    points = []
    for place, point in enumerate(saved["points"]):
        if set(point) != {*_OF_POINT, "C"} or not isinstance(saved["model"].get("parameters"), dict):
            refuse(f"points[{place}] has {brief(sorted(point))}")
        own: dict[str, Any] = {name: saved[name] for name in ("format_version", "library_version", "checksum")}
        own |= saved["model"] | {name: point[name] for name in _OF_POINT} | {"kind": "LogisticRegression"}
        own["parameters"] = saved["model"]["parameters"] | {"C": point["C"]}
        of_point = {name: tensors[name][place] for name in _STACKED if name in tensors}
        of_point["history"] = tensors["history"][ends[place] : ends[place + 1]]
        points.append(model_from_saved(own, shared | of_point))
    first, about = points[0], saved["path"]
    path = RegularizationPath(
        n_strengths=about["n_strengths"],
        min_ratio=about["min_ratio"],
        strengths=tensors["strengths"] if about["is_given"] else None,
        **{name: getattr(first, name) for name in _SETTINGS},
    )
    path.keep_points(points, about["strength_max"], *(tensors[name] for name in _OF_PATH))
    return path


def _is_of_points(name: str) -> bool:
    return name in (*_STACKED, *_OF_PATH, "history", "history_ends")


def _checked_tensors(tensors: Tensors, n: int) -> list[int]:
    """Where each point's history begins and ends.

    Raises:
        FileError: there are no points, or tensors do not fit them.
    """
    lacking = {"coef", "intercept", "history", "history_ends", *_OF_PATH} - set(tensors)
    if lacking or not n:
        refuse(f"a path of {n} points lacks the tensors {brief(sorted(lacking))}")
    dimensions = {
        "coef": 3,
        "intercept": 2,
        "proved_zero": 3,
        "history_ends": 1,
        "strengths": 1,
        "deviance_explained": 1,
    }
    for name, count in dimensions.items():
        if name in tensors and (tensors[name].ndim != count or len(tensors[name]) != n):
            refuse(f"the tensor {name} has shape {tensors[name].shape}, and there are {n} points")
    for name in _OF_PATH:
        tensor = tensors[name]
        if tensor.dtype != np.float64 or not np.isfinite(tensor).all():
            refuse(f"the tensor {name} is not of finite float64 numbers")
    if tensors["divisors"].shape != tensors["coef"].shape[2:]:
        refuse(f"the tensor divisors has shape {tensors['divisors'].shape}")
    strengths, ends = tensors["strengths"], tensors["history_ends"]
    if not ((strengths > 0).all() and (np.diff(strengths) < 0).all()):
        refuse("the strengths do not fall")
    found = [0, *(ends.tolist() if ends.dtype.kind == "i" else [])]
    if len(found) != n + 1 or not all(a < b for a, b in pairwise(found)):
        refuse("history_ends does not rise")
    if tensors["history"].ndim != 2 or found[-1] != len(tensors["history"]):
        refuse(f"history has shape {tensors['history'].shape}, and should have {found[-1]} lines")
    return found
