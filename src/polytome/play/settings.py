"""What a user of the playground can choose, checked and bounded: everything that a link to it
carries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from polytome.errors import ArgumentError

__all__ = ["LOSSES", "MOST_BYTES", "MOST_ROWS", "STARTS", "WAYS", "Settings"]

LOSSES = ("logistic", "softmax", "one-vs-rest", "adaline", "sigmoid", "perceptron")
"""What can be descended on, by the name of the model."""

WAYS = ("batch", "mini-batch", "stochastic", "newton", "lbfgs")
"""How one can descend."""

STARTS = ("zeros", "null", "random")
"""Where a run can start, besides a user's own numbers."""

MOST_ROWS = 1000
"""Points that one picture can show."""

MOST_BYTES = 200_000
"""Of a table that is sent along with each request."""

_MOST_NUMBERS = 21  # two weights and an intercept for each of seven classes
_RANGES: dict[str, tuple[float, float]] = {
    "rate": (1e-9, 1e9),
    "decay": (0.0, 1e3),
    "penalty": (0.0, 1e6),
    "spread": (0.0, 10.0),
    "batch": (1, MOST_ROWS),
    "seed": (0, 2**31 - 1),
    "rows": (4, MOST_ROWS),
    "groups": (2, 6),
}
_CHOICES = {"loss": LOSSES, "way": WAYS}


@dataclass(frozen=True)
class Settings:
    """The whole state of a playground.

    Args:
        data: name of the data set; "own" for the table in `csv`, "file" for the one the server was
            started with.
        features: names of one or two columns; empty for those that the data set suggests.
        label: the column of the labels of a user's own table; empty for the last one.
        classes: names of the classes to keep; empty for all.
        one: the class that counts as 1 where there is one output, all others as 0; empty for the
            last one.
        rows: how many points are drawn at random, where they are.
        groups: how many blobs.
        spread: how far such points scatter.
        standardise: whether columns are shifted to mean 0 and divided by their standard deviation.
        loss: one of `LOSSES`.
        penalty: strength of the L2 penalty on the mean-loss scale, 0 for none.
        way: one of `WAYS`.
        rate: the learning rate, of the ways that have one.
        decay: step t has the rate `rate / (1 + decay t)`, where steps are of some rows.
        batch: rows per step of "mini-batch".
        shuffle: whether each epoch visits the rows in a new random order.
        start: one of `STARTS`, or the coefficients as numbers, separated by commas or blanks, the
            weights of each feature and then the intercepts.
        seed: the seed of everything random.
        csv: the text of a user's own table.
        name: the file name of that table.

    Raises:
        ArgumentError: a setting cannot be used; the message names it and says what can be used.

    Example:
        >>> Settings.from_json({"data": "moons", "rate": "0.5"}).rate
        0.5
    """

    data: str = "iris"
    features: tuple[str, ...] = ()
    label: str = ""
    classes: tuple[str, ...] = ()
    one: str = ""
    rows: int = 100
    groups: int = 3
    spread: float = 1.0
    standardise: bool = False
    loss: str = "logistic"
    penalty: float = 0.0
    way: str = "batch"
    rate: float = 0.1
    decay: float = 0.0
    batch: int = 10
    shuffle: bool = True
    start: str = "zeros"
    seed: int = 0
    csv: str = ""
    name: str = "table.csv"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ArgumentError(f"{name}={value:g}: needs a number from {least:g} to {most:g}")
        if len(self.features) > 2 or len(set(self.features)) < len(self.features):
            raise ArgumentError(f"features={', '.join(self.features)}: choose one, or two different ones")
        if len(self.content) > MOST_BYTES:
            raise ArgumentError(f"the table has {len(self.content):,} bytes; at most {MOST_BYTES:,} can be used")
        if self.start not in STARTS:
            self.start_numbers()

    @classmethod
    def from_json(cls, given: Any) -> Settings:
        """Settings from the plain values of a request; what is absent has its default.

        Raises:
            ArgumentError: a name is not known, a value has another type, or cannot be used.
        """
        if not isinstance(given, Mapping):
            raise ArgumentError("the settings are not a JSON object")
        known = {field.name: field.default for field in fields(cls)}
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ArgumentError(f"{unknown[0]!r:.50}: no such setting; they are {', '.join(known)}")
        return cls(**{name: _converted(name, value, known[name]) for name, value in given.items()})

    def to_json(self) -> dict[str, Any]:
        """Every setting except the table itself, as plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def content(self) -> bytes:
        """The table as in a file; half a surrogate pair, which JSON allows, is left for its reader
        to refuse."""
        return self.csv.encode("utf-8", "surrogatepass")

    def start_numbers(self) -> list[float]:
        """The numbers of a user's own start.

        Raises:
            ArgumentError: there are none, too many, or one is not finite.

        Example:
            >>> Settings(start="0.2, -0.1; 0.1 0.05").start_numbers()
            [0.2, -0.1, 0.1, 0.05]
        """
        words = self.start.replace(",", " ").replace(";", " ").split()
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = []
        usable = 0 < len(numbers) <= _MOST_NUMBERS and all(abs(number) <= 1e9 for number in numbers)
        if not usable:
            raise ArgumentError(
                f"start={self.start[:80]!r}: needs {', '.join(STARTS)}, or numbers separated by commas, one for each "
                "parameter, none beyond 1e9"
            )
        return numbers


def _converted(name: str, value: Any, default: Any) -> Any:
    """A value of a request in the type of its setting."""
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ArgumentError(f"{name}: needs a list of names")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise ArgumentError(f"{name}: needs true or false")
    if isinstance(default, str):
        if isinstance(value, str):
            return value
        raise ArgumentError(f"{name}: needs text")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ArgumentError(f"{name}={str(value)[:40]!r}: needs a number")
    if isinstance(default, int) and number != int(number):
        raise ArgumentError(f"{name}={number:g}: needs a whole number")
    return int(number) if isinstance(default, int) else number
