"""What `partial_fit` goes on from as values for JSON and tensors, and their way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.files.saved_kept import KEPT, KEPT_TENSORS, kept_from_saved, kept_to_saved
from polytome.plain.kinds import LARGEST, LARGEST_COUNT, Kind, flag, listed, optional, real, record, refuse, text, whole
from polytome.rows.identities import WATCHED, Seen
from polytome.solvers.running import MOST_QUADRATIC, Pass, Running
from polytome.solvers.running_quadratic import Quadratic
from polytome.solvers.running_steps import Steps

if TYPE_CHECKING:
    from polytome.models.partial import PartialState

Array = NDArray[Any]

__all__ = ["LATER_IN_STATE", "STATE", "STATE_TENSORS", "state_from_saved", "state_to_saved"]

_SEEN: dict[str, Kind] = {
    "n_rows": whole(0, LARGEST_COUNT),
    "weight": real(0, LARGEST),
    "total": whole(0, 2**64 - 1),
}
STATE: dict[str, Kind] = {
    "arrived": listed(whole(0, LARGEST_COUNT)),
    "n_classes": whole(1, LARGEST_COUNT),
    "names": optional(listed(text(nul=True))),
    "fit_intercept": flag,
    "passes": whole(0, LARGEST_COUNT),
    "clock": real(0, LARGEST),
    "averaged": real(0, LARGEST),
    "seen": record(_SEEN),
    "again": optional(record(_SEEN)),
    "kept": optional(record(KEPT)),
}
"""What each value of a state may be."""
LATER_IN_STATE = {"kept": None}
"""What files need not have, since there was a time without it."""
_OF_ALL = ("coefficients", "class_weight", "watched", "divisors")
_OF_QUADRATIC = tuple(field.name for field in fields(Quadratic))
_OF_STEPS = tuple(field.name for field in fields(Steps) if field.name not in ("clock", "averaged"))
_OF_AGAIN = ("again_watched", "again_class_weight", "again_anchor", "again_gradient", "again_hessian")
STATE_TENSORS = frozenset(f"state_{name}" for name in (*_OF_ALL, *_OF_QUADRATIC, *_OF_STEPS, *_OF_AGAIN, *KEPT_TENSORS))
"""The names of all tensors that a state can have."""
_KEPT_NAMES = frozenset(f"state_{name}" for name in KEPT_TENSORS)
_NOT_NEGATIVE = ("class_weight", "again_class_weight", "squares", "entries", "column_squares", "last_seen")


def state_to_saved(state: PartialState, classes: Array) -> tuple[dict[str, Any], dict[str, Array]]:
    """A state as values for JSON, and its tensors.

    Args:
        state: of the model.
        classes: those of the model, sorted.
    """
    running, again = state.running, state.running.again
    steps = running.model if isinstance(running.model, Steps) else None
    saved = {
        "arrived": np.searchsorted(classes, state.classes).tolist(),
        "n_classes": len(classes),
        "names": None if state.names is None else list(state.names),
        "fit_intercept": state.fit_intercept,
        "passes": running.passes,
        "clock": 0.0 if steps is None else steps.clock,
        "averaged": 0.0 if steps is None else steps.averaged,
        "seen": _seen_to_saved(running.seen),
        "again": None if again is None else _seen_to_saved(again.seen),
    }
    tensors = {
        "coefficients": running.coefficients,
        "class_weight": running.class_weight,
        "watched": running.seen.watched,
        "divisors": state.scale,
    }
    tensors |= {name: getattr(running.model, name) for name in (_OF_QUADRATIC if steps is None else _OF_STEPS)}
    if again is not None:
        parts = again.seen.watched, again.class_weight, again.anchor, again.gradient, again.hessian
        tensors |= dict(zip(_OF_AGAIN, parts, strict=True))
    if running.kept is not None:
        saved["kept"], of_kept = kept_to_saved(running.kept)
        tensors |= of_kept
    return saved, {f"state_{name}": tensor for name, tensor in tensors.items()}


def state_from_saved(
    saved: dict[str, Any], tensors: Mapping[str, Array], classes: Array, n_features: int
) -> PartialState:
    """A state, once all its parts fit each other.

    Args:
        saved: as `STATE` wants it.
        tensors: those of the file by name.
        classes: those of the model, sorted.
        n_features: of the model.

    Raises:
        FileError: they do not.
    """
    from polytome.models.partial import PartialState

    arrived, side = saved["arrived"], n_features + 1
    K = len(arrived)
    if not 1 <= K <= len(classes) or len(set(arrived)) < K or max(arrived) >= len(classes):
        refuse(f"state.arrived does not name {K} different classes of {len(classes)}")
    if (names := saved["names"]) is not None and (len(names) != n_features or len(set(names)) < n_features):
        refuse(f"state.names are not {n_features} different names")
    size, is_few = side * K, side * K <= MOST_QUADRATIC
    shapes: dict[str, tuple[int, ...]] = {"coefficients": (side, K), "class_weight": (K,), "divisors": (n_features,)}
    if is_few:
        shapes |= {"hessian": (size, size), "linear": (size,), "gram": (side, side)}
    else:
        shapes |= {"iterate": (side, K), "squares": (side, K), "class_sums": (K, side), "last_seen": (K,)}
        shapes |= {"entries": (side,), "column_squares": (side,)}
        is_empty = "state_anchor" in tensors and tensors["state_anchor"].shape == (0, 0)
        shapes |= dict.fromkeys(("anchor", "gradient"), (0, 0) if is_empty else (side, K))
    if saved["again"] is not None:
        shapes |= dict.fromkeys(("again_anchor", "again_gradient"), (side, K))
        shapes["again_class_weight"] = (K,)
        shapes["again_hessian"] = (size, size) if is_few else (0, 0)
    needed = {f"state_{name}" for name in (*shapes, "watched", *(["again_watched"] if saved["again"] else []))}
    of_kept = {name.removeprefix("state_"): tensors[name] for name in tensors if name in _KEPT_NAMES}
    found = {name for name in tensors if name in STATE_TENSORS} - _KEPT_NAMES
    if saved["kept"] is None and of_kept:
        refuse(f"its state has the tensors {sorted(of_kept)} of kept rows, and keeps none")
    if found != needed:
        refuse(f"its state has the tensors {sorted(found)}, and should have {sorted(needed)}"[:500])
    parts = {name: _checked(tensors, name, shape) for name, shape in shapes.items()}
    if not (parts["divisors"] > 0).all():
        refuse("the tensor state_divisors does not hold positive numbers")
    seen = _seen(saved["seen"], tensors["state_watched"], "state_watched")
    if not seen.n_rows or not seen.weight > 0:
        refuse("a state without rows")
    again = None
    if saved["again"] is not None:
        some = _seen(saved["again"], tensors["state_again_watched"], "state_again_watched")
        if not (0 < some.n_rows < seen.n_rows and some.weight > 0):
            refuse("state.again has more rows than there are, or none")
        again = Pass(some, *(parts[name] for name in _OF_AGAIN[1:]))
    model: Quadratic | Steps
    if is_few:
        model = Quadratic(*(parts[name] for name in _OF_QUADRATIC))
    else:
        if not (parts["entries"][-1] > 0 and saved["clock"] > 0):
            refuse("a state without steps")
        model = Steps(
            clock=float(saved["clock"]), averaged=float(saved["averaged"]), **{k: parts[k] for k in _OF_STEPS}
        )
    kept = None
    if saved["kept"] is not None:
        kept = kept_from_saved(saved["kept"], of_kept, n_features, K, seen.n_rows)
    running = Running(parts["coefficients"], parts["class_weight"], seen, saved["passes"], model, again, kept)
    names = None if names is None else tuple(names)
    return PartialState(running, classes[arrived], names, parts["divisors"], saved["fit_intercept"])


def _seen_to_saved(seen: Seen) -> dict[str, Any]:
    return {"n_rows": seen.n_rows, "weight": seen.weight, "total": seen.total}


def _seen(saved: dict[str, Any], watched: Array, name: str) -> Seen:
    """Rows that have come; those that are watched are sorted and as many as they can be."""
    if watched.dtype != np.uint64 or watched.ndim != 1 or not 0 < len(watched) <= WATCHED:
        refuse(f"the tensor {name} is {watched.dtype} of shape {watched.shape}")
    if len(watched) > saved["n_rows"] or not (watched[1:] > watched[:-1]).all():
        refuse(f"the tensor {name} does not hold different numbers in order, one for a row")
    return Seen(saved["n_rows"], float(saved["weight"]), saved["total"], watched)


def _checked(tensors: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    tensor = tensors[f"state_{name}"]
    if tensor.dtype != np.float64 or tensor.shape != shape or not np.isfinite(tensor).all():
        refuse(f"the tensor state_{name} is not float64, finite and of shape {shape}")
    if name in _NOT_NEGATIVE and (tensor < 0).any():
        refuse(f"the tensor state_{name} holds negative numbers")
    return tensor
