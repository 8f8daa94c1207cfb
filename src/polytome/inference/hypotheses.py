"""Linear hypotheses about coefficients, from text or matrices.

    read = write                     in every class
    [general]read = [vocation]read   in these two
    2 * read + math = 1, write = 0   several, held together
    ses                              all coefficients of a term

Names stand as the table prints them; one that could be misread stands in backticks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.estimate import Estimate
from polytome.plain.names import close_name
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["Hypothesis", "hypothesis_of", "nearest"]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """`A theta = b` for all coefficients, equation by equation, and what a test calls it."""

    A: Array
    b: Array
    text: str


def hypothesis_of(given: Any, estimate: Estimate, terms: Mapping[str, Sequence[int]]) -> Hypothesis:
    """Read a hypothesis.

    Args:
        given: text, several texts, or a matrix with a column for each coefficient in the order of
            the covariance (each row times the coefficients is 0), or a pair of such a matrix and
            the right sides.
        estimate: the coefficients.
        terms: for each term of a formula the places of its coefficients in an equation.

    Raises:
        ArgumentError: it names nothing, cannot be read, or cannot hold.

    Example:
        >>> estimate = Estimate(("a", "b"), ("yes",), np.zeros((1, 2)), np.eye(2), 0.0)
        >>> found = hypothesis_of("2 * a = b + 1", estimate, {})
        >>> found.A.tolist(), found.b.tolist()
        ([[2.0, -1.0]], [1.0])
    """
    if isinstance(given, str) or (
        isinstance(given, list | tuple) and given and all(isinstance(each, str) for each in given)
    ):
        texts = [given] if isinstance(given, str) else list(given)
        found = [row for text in texts for row in _rows_of_text(text, estimate, terms)]
        A, b = np.array([row for row, _ in found]), np.array([right for _, right in found])
        text = ", ".join(text.strip() for text in texts)
    else:
        A, b = _matrix_of(given, estimate)
        text = f"{len(A)} linear {'hypothesis' if len(A) == 1 else 'hypotheses'}"
    _check(A, b, text, estimate)
    return Hypothesis(A, b, text)


def nearest(name: str, known: Sequence[Any]) -> str:
    """Which known name is meant, as the end of a message; some of them where none is near.

    Example:
        >>> nearest("wriet", ["read", "write"])
        "; did you mean 'write'?"
    """
    close = close_name(name, known)
    return (
        f"; did you mean {close!r}?"
        if close is not None
        else f"; there are {listing([str(each) for each in known], 8)}"
    )


def _matrix_of(given: Any, estimate: Estimate) -> tuple[Array, Array]:
    size = estimate.coefficients.size
    matrix, right = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    try:
        A = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
        b = np.zeros(len(A)) if right is None else np.atleast_1d(np.asarray(right, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ArgumentError("hypothesis: give text, or a matrix with a column for each coefficient") from error
    if (
        A.ndim != 2
        or A.shape[0] == 0
        or A.shape[1] != size
        or b.shape != (len(A),)
        or not np.isfinite(A).all()
        or not np.isfinite(b).all()
    ):
        raise ArgumentError(
            f"hypothesis has shape {A.shape} and {b.size} right sides: it needs finite numbers, a row for each "
            f"equation with its right side, and a column for each of {size} coefficients"
        )
    return A, b


def _check(A: Array, b: Array, text: str, estimate: Estimate) -> None:
    labels = estimate.labels
    lost = np.flatnonzero(np.isnan(estimate.coefficients.ravel()) & A.any(axis=0))
    if len(lost):
        raise ArgumentError(
            f"hypothesis {text!r}: {labels[lost[0]][1]!r} is not estimated, as its column is a sum of others"
        )
    if not A.any(axis=1).all():
        raise ArgumentError(f"hypothesis {text!r}: a part of it says nothing about any coefficient")
    if np.linalg.matrix_rank(np.column_stack([A, b])) > np.linalg.matrix_rank(A):
        raise ArgumentError(f"hypothesis {text!r}: its parts contradict each other")


def _rows_of_text(text: str, estimate: Estimate, terms: Mapping[str, Sequence[int]]) -> list[tuple[Array, float]]:
    if text.strip() in terms:
        return _rows_of_term(terms[text.strip()], text, estimate)
    rows: list[tuple[Array, float]] = []
    for statement in _statements(text):
        if statement.strip() in terms:
            rows += _rows_of_term(terms[statement.strip()], text, estimate)
            continue
        sides = [_Side(side, text, estimate, terms).read() for side in statement.split("\0")]
        if len(sides) == 1:
            sides.append([(np.zeros(estimate.coefficients.size), 0.0)])
        for left, right in pairwise(sides):
            rows += _differences(left, right, text)
    return rows


def _rows_of_term(own: Sequence[int], text: str, estimate: Estimate) -> list[tuple[Array, float]]:
    """All coefficients of a term, in every class."""
    E, p = estimate.coefficients.shape
    estimated = set(estimate.estimated.tolist())
    places = [e * p + j for e in range(E) for j in own if e * p + j in estimated]
    if not places:
        raise ArgumentError(f"hypothesis {text!r}: none of its coefficients is estimated")
    return [(np.eye(E * p)[place], 0.0) for place in places]


def _statements(text: str) -> list[str]:
    """The parts between commas, with `=` outside of brackets and quotation marks as a zero
    character."""
    parts, depth, quoted, now = [], 0, False, ""
    for letter in text:
        quoted ^= letter == "`"
        depth += 0 if quoted else (letter in "([") - (letter in ")]")
        if letter in ",;" and not depth and not quoted:
            parts.append(now)
            now = ""
        else:
            now += "\0" if letter == "=" and not depth and not quoted else letter
    return [*parts, now]


def _differences(
    left: list[tuple[Array, float]], right: list[tuple[Array, float]], text: str
) -> list[tuple[Array, float]]:
    """Left less right, for one class or for each."""
    n = max(len(left), len(right))
    if {len(left), len(right)} - {1, n} or (
        len(left) != len(right) and any(row.any() for row, _ in min(left, right, key=len))
    ):
        raise ArgumentError(f"hypothesis {text!r}: name the class of every coefficient, as in [class]name, or of none")
    left, right = left * (n // len(left)), right * (n // len(right))
    return [(a - b, d - c) for (a, c), (b, d) in zip(left, right, strict=True)]


class _Side:
    """One side of an equation: products of numbers and names, added up."""

    def __init__(self, side: str, text: str, estimate: Estimate, terms: Mapping[str, Sequence[int]]) -> None:
        self.rest, self.text, self.estimate, self.terms = side.strip(), text, estimate, terms
        self.names = sorted(estimate.terms, key=len, reverse=True)
        self.classes = {str(each): place for place, each in enumerate(estimate.equations)}

    def read(self) -> list[tuple[Array, float]]:
        """For one class, or for each, the factors of all coefficients and a number."""
        E, p = self.estimate.coefficients.shape
        found: list[tuple[float, int | None, int | None]] = []
        sign, is_first = 1.0, True
        if not self.rest:
            self._refuse("a side of it is empty")
        while self.rest:
            if self.rest[0] in "+-":
                sign = -1.0 if self.rest[0] == "-" else 1.0
                self.rest = self.rest[1:].lstrip()
            elif not is_first:
                self._refuse(f"{self.rest!r} cannot be read")
            found.append(self._product(sign))
            sign, is_first = 1.0, False
        named = {equation for _, equation, term in found if term is not None}
        if None in named and len(named) > 1:
            self._refuse("name the class of every coefficient, as in [class]name, or of none")
        which = range(E) if None in named else [0]
        sides = []
        for e in which:
            row, number = np.zeros(E * p), 0.0
            for factor, equation, term in found:
                if term is None:
                    number += factor
                else:
                    row[(e if equation is None else equation) * p + term] += factor
            sides.append((row, number))
        return sides

    def _product(self, factor: float) -> tuple[float, int | None, int | None]:
        """A product of numbers with at most one name: its factor, class and term."""
        equation, term, divides = None, None, False
        while True:
            name = self._name()
            if name is not None:
                if term is not None or divides:
                    self._refuse("it is not linear")
                equation, term = name
            elif number := _NUMBER.match(self.rest):
                value = float(number[0])
                if divides and value == 0:
                    self._refuse("it divides by 0")
                factor = factor / value if divides else factor * value
                self.rest = self.rest[number.end() :].lstrip()
            else:
                self._refuse_name()
            if not self.rest or self.rest[0] not in "*/":
                return factor, equation, term
            divides = self.rest[0] == "/"
            self.rest = self.rest[1:].lstrip()

    def _name(self) -> tuple[int | None, int] | None:
        """The class and the term that stand next; None where none does."""
        equation, rest = None, self.rest
        for label in sorted(self.classes, key=len, reverse=True):
            if rest.startswith(f"[{label}]"):
                equation, rest = self.classes[label], rest[len(label) + 2 :].lstrip()
                break
        for place, name in sorted(enumerate(self.estimate.terms), key=lambda each: -len(each[1])):
            for written in (f"`{name}`", name):
                after = rest[len(written) :]
                if rest.startswith(written) and not (written[-1].isalnum() and re.match(r"[\w\[(:]", after)):
                    self.rest = after.lstrip()
                    return equation, place
        if equation is not None:
            self.rest = rest
            self._refuse_name()
        return None

    def _refuse_name(self) -> None:
        found = re.match(r"\[([^\]]*)\]", self.rest)
        if found and found[1] not in self.classes:
            self._refuse(f"no class is {found[1]!r}{nearest(found[1], list(self.classes))}")
        word = re.match(r"`[^`]*`|[^\s+*/,;]+", self.rest)
        name = word[0] if word else self.rest
        known = list(dict.fromkeys([*self.estimate.terms, *self.terms]))
        self._refuse(f"no coefficient or term is {name!r}{nearest(name, known)}" if name else "it ends too early")

    def _refuse(self, why: str) -> None:
        raise ArgumentError(f"hypothesis {self.text!r}: {why}")
