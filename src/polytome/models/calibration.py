"""How the probabilities of a fitted model are corrected: by a temperature, for other shares of the
classes, or by tables of what happened to held-out rows.

Coefficients and certificate stay those of the fit: what is corrected is what scores are worth.

References:
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML (2017):
    temperatures; King and Zeng, "Logistic regression in rare events data", Political Analysis 9
    (2001): other shares of the classes; Zadrozny and Elkan, "Transforming classifier scores into
    accurate multiclass probability estimates", KDD (2002): tables, one for each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["Calibration", "calibrated_coefficients", "calibration_of"]

_HOTTEST = 1e100
"""The largest temperature, and one divided by the smallest."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a model's scores are worth: `model.calibration_ = calibration` corrects its
    probabilities.

    Either `softmax(scores / temperature + shift)`, or tables. `polytome.recalibrate` learns one
    from held-out rows, and `polytome.corrected_prior` makes one for other shares of the classes.

    Attributes:
        temperature: what scores are divided by; above 1 it makes probabilities less sure.
        shift: (K,) what is added to the score of each class; None for nothing.
        table: (m, 3) lines of a class's place, a log-probability of the model and the corrected
            probability; both ascend within a class, and between lines it is interpolated. The
            probabilities of more than two classes are divided by their sum; of two classes the
            table is of the second. None for no tables.
        reason: how it was found.

    Raises:
        ArgumentError: a number cannot be used.

    Example:
        >>> Calibration(temperature=2.0).scores(np.array([[4.0]]))
        array([[2.]])
    """

    temperature: float = 1.0
    shift: Array | None = None
    table: Array | None = None
    reason: str = "given"

    def __post_init__(self) -> None:
        try:
            temperature = float(self.temperature)
        except (TypeError, ValueError):
            temperature = np.nan
        if not 1 / _HOTTEST <= temperature <= _HOTTEST:
            raise ArgumentError(f"temperature={self.temperature!r}: needs a positive number")
        object.__setattr__(self, "temperature", temperature)
        if self.shift is not None:
            shift = _numbers(self.shift, "shift", 1)
            if len(shift) < 2:
                raise ArgumentError(f"shift has {len(shift)} numbers: give one for each class")
            object.__setattr__(self, "shift", shift)
        if self.table is not None:
            if temperature != 1 or self.shift is not None:
                raise ArgumentError("table: stands alone; leave temperature and shift out")
            object.__setattr__(self, "table", _checked_table(self.table))

    @property
    def is_table(self) -> bool:
        """Whether probabilities are looked up; else scores are changed, and they follow."""
        return self.table is not None

    @property
    def n_classes(self) -> int | None:
        """Of how many classes it is; None where it suits any number."""
        if self.table is not None:
            highest = int(self.table[:, 0].max())
            return highest + 1
        return None if self.shift is None else len(self.shift)

    def scores(self, scores: Array) -> Array:
        """The corrected scores; those of a table stay as they are.

        Args:
            scores: shape (n, K), or (n, 1) for two classes.
        """
        return scores / self.temperature + self.shifts(scores.shape[1])

    def shifts(self, n_outputs: int) -> Array:
        """What is added to each of so many scores: of two classes that share one, the difference.

        Example:
            >>> Calibration(shift=[1.0, 3.0]).shifts(1)
            array([2.])
        """
        if self.shift is None:
            return np.zeros(n_outputs)
        return np.diff(self.shift) if n_outputs == 1 else self.shift

    def probabilities(self, log_probabilities: Array) -> Array:
        """The probabilities that the tables say, shape (n, K).

        Args:
            log_probabilities: of the model without a correction, shape (n, K).

        Example:
            >>> steps = Calibration(table=[[1, -2.0, 0.1], [1, -1.0, 0.5]])
            >>> steps.probabilities(np.array([[-0.17, -1.5]]))
            array([[0.7, 0.3]])
        """
        assert self.table is not None
        found: Array = np.empty_like(log_probabilities, dtype=np.float64)
        places = self.table[:, 0]
        for k in range(1 if found.shape[1] == 2 else 0, found.shape[1]):
            own = self.table[places == k]
            found[:, k] = np.interp(log_probabilities[:, k], own[:, 1], own[:, 2])
        if found.shape[1] == 2:
            # The table's numbers are neither 0 nor 1, and hardly ever near them: nothing cancels.
            found[:, 0] = 1 - found[:, 1]
        else:
            found /= found.sum(axis=1, keepdims=True)
        return found

    def sentence(self, classes: Sequence[Any]) -> str:
        """What is done to the probabilities, and how that was found.

        Args:
            classes: the labels.

        Example:
            >>> Calibration(temperature=2.0).sentence(["no", "yes"])
            'scores are divided by the temperature 2: given'
        """
        if self.table is not None:
            of = f"of {classes[1]}" if len(classes) == 2 else "of each class, divided by their sum"
            return f"probabilities {of} are read from a table of {len(self.table):,} lines: {self.reason}"
        parts = [] if self.temperature == 1 else [f"scores are divided by the temperature {self.temperature:.6g}"]
        if self.shift is not None:
            if len(classes) == 2:
                change = float(self.shift[1] - self.shift[0])
                parts.append(f"{change:+.6g} is added to the log odds of {classes[1]}")
            else:
                parts.append("each class's score has a number added")
        return f"{', and '.join(parts) or 'scores stay as they are'}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "temperature": self.temperature,
            "shift": None if self.shift is None else self.shift.tolist(),
            "table": None if self.table is None else self.table.tolist(),
            "reason": self.reason,
        }


def calibration_of(model: object) -> Calibration | None:
    """The correction of a model's probabilities; None where it has none.

    Example:
        >>> calibration_of(object()) is None
        True
    """
    found: Calibration | None = getattr(model, "__dict__", {}).get("_calibration")
    return found


def calibrated_coefficients(model: object, coef: Array, intercept: Array) -> tuple[Array, Array]:
    """The coefficients and intercepts whose scores probabilities are made of: those of the fit,
    divided by the temperature and shifted.

    Args:
        model: fitted.
        coef: its coefficients, (n_outputs, d).
        intercept: its intercepts, (n_outputs,).

    Example:
        >>> calibrated_coefficients(object(), np.eye(1), np.zeros(1))
        (array([[1.]]), array([0.]))
    """
    calibration = calibration_of(model)
    if calibration is None or calibration.is_table:
        return coef, intercept
    return coef / calibration.temperature, calibration.scores(intercept[None])[0]


def _numbers(values: Any, name: str, dimensions: int) -> NDArray[np.float64]:
    """Finite numbers as an array that cannot be changed."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name}: are not numbers ({error})") from error
    if found.ndim != dimensions or not found.size:
        raise ArgumentError(f"{name} has shape {found.shape}: needs {dimensions} dimensions, and numbers in them")
    if not np.isfinite(found).all():
        raise ArgumentError(f"{name} holds {found[~np.isfinite(found)][0]}: needs finite numbers")
    found.flags.writeable = False
    return found


def _checked_table(values: Any) -> NDArray[np.float64]:
    """The tables of all classes one below the other, each ascending."""
    table = _numbers(values, "table", 2)
    if table.shape[1] != 3:
        raise ArgumentError(f"table has {table.shape[1]} columns: needs class, log-probability and probability")
    places, at, probabilities = table.T
    known = np.unique(places)
    of_two = known.tolist() == [1.0]
    if not of_two and (len(known) < 3 or known.tolist() != list(range(len(known)))):
        raise ArgumentError("table: needs lines of class 1 for two classes, or of every class from 0 for more")
    if (np.diff(places) < 0).any():
        raise ArgumentError("table: its classes do not ascend")
    if not ((probabilities > 0) & (probabilities < 1)).all() or not (at <= 0).all():
        raise ArgumentError("table: needs probabilities between 0 and 1, and logarithms of such")
    same = np.diff(places) == 0
    if (np.diff(at)[same] <= 0).any() or (np.diff(probabilities)[same] < 0).any():
        raise ArgumentError("table: the numbers of a class do not ascend")
    return table
