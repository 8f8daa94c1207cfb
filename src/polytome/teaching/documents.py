"""What the five source documents print, compared with what the lessons compute.

`facts.json` holds the numbers that the documents print, the identities that they state, and their
errata. A lesson computes; this module compares. A number that a document does not print (its output
is lost, or it asks without answering) is compared with a reference computed elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from polytome.errors import ArgumentError
from polytome.plain.values import plain

__all__ = [
    "DOCUMENTS",
    "Erratum",
    "Identity",
    "Number",
    "Verdict",
    "errata",
    "identities",
    "judge_identity",
    "judge_number",
    "numbers",
]

DOCUMENTS = {
    "000": "Logistic Regression, slides by Ngo Huy Bien",
    "001": "Logistic Regression and Multi-class Classification, slides by Sebastian Raschka (STAT 479), 2019",
    "002": "Linear and Logistic Regression, lesson 1 of the Philips deep learning course",
    "003": "Softmax Regression, slides by Quang-Vinh Dinh (AI VIET NAM)",
    "004": "Cross-entropy loss, a note with flashcards",
}
"""The source documents by the numbers that stand for them."""

Rule = Literal["equal", "contains", "close", "relative", "within"]
Outcome = Literal["agrees", "fault of the document", "disagrees", "not computed"]


@dataclass(frozen=True)
class Number:
    """A number, list or table that a document prints.

    Attributes:
        id: its name, such as "S0-11"; the first digit is the document's.
        document: "000" to "004".
        what: what it is.
        printed: as printed; None if the document prints nothing legible.
        rule: how it is compared: "equal", "contains" (computed contains printed), "close" and
            "relative" (to within `tolerance`), or "within" (printed lies between the computed
            lowest and highest).
        note: what a reader should know.
        tolerance: for the rules that need one.
        right: what should have been printed, if the document is wrong.
        reference: an independent computation, if the document prints nothing.
        fault: what is wrong in the document; empty if nothing is.
    """

    id: str
    document: str
    what: str
    printed: Any
    rule: Rule
    note: str = ""
    tolerance: float = 0.0
    right: Any = None
    reference: Any = None
    fault: str = ""


@dataclass(frozen=True)
class Identity:
    """An identity that a document states.

    Attributes:
        id: its name, such as "I-01".
        document: the documents that state it.
        statement: the identity.
        check: how it is checked.
        holds: False for a misprint, which is meant to fail.
        bound: the largest error at which it counts as true.
        right: the right form of a misprint.
    """

    id: str
    document: str
    statement: str
    check: str
    holds: bool
    bound: float
    right: str = ""


@dataclass(frozen=True)
class Erratum:
    """An error of a document: its name ("000-1") and kind."""

    id: str
    kind: Literal["mathematics", "printing", "old library", "trap"]


@dataclass(frozen=True)
class Verdict:
    """The verdict of a computation on a number or an identity.

    Attributes:
        id: of the number or identity.
        document: the document it stands in.
        what: what it is.
        printed: what the document prints, or the identity's bound on the error.
        computed: what a lesson computed, or the identity's error.
        outcome: "agrees", "fault of the document" (and the right value was computed), "disagrees",
            or "not computed".
        note: what a reader should know.
    """

    id: str
    document: str
    what: str
    printed: Any
    computed: Any
    outcome: Outcome
    note: str


@cache
def _facts() -> dict[str, list[dict[str, Any]]]:
    facts: dict[str, list[dict[str, Any]]] = json.loads(
        files("polytome.teaching").joinpath("facts.json").read_text(encoding="utf-8")
    )
    return facts


def numbers() -> dict[str, Number]:
    """The numbers by their names, in the order of the documents.

    Example:
        >>> numbers()["S0-28"].printed
        0.916
    """
    return {entry["id"]: Number(**entry) for entry in _facts()["numbers"]}


def identities() -> dict[str, Identity]:
    """The identities by their names.

    Example:
        >>> identities()["I-24"].statement
        'KL = cross-entropy - entropy'
    """
    return {entry["id"]: Identity(**entry) for entry in _facts()["identities"]}


def errata() -> dict[str, Erratum]:
    """The errata by their names.

    Example:
        >>> len(errata()), errata()["000-1"].kind
        (61, 'mathematics')
    """
    return {entry["id"]: Erratum(**entry) for entry in _facts()["errata"]}


def judge_number(name: str, computed: Any, note: str = "") -> Verdict:
    """Compare what was computed with what a document prints.

    Args:
        name: of the number, such as "S0-11".
        computed: of the same shape as what is printed; for the rule "within" a pair, lowest and
            highest.
        note: added to the note of the number.

    Raises:
        ArgumentError: there is no such number.

    Example:
        >>> judge_number("S0-28", 0.9163).outcome
        'agrees'
        >>> judge_number("S0-17", [[60000, 784], [10000, 784]]).outcome
        'fault of the document'
    """
    number = _named(name, numbers())
    target = number.right if number.fault else number.reference if number.printed is None else number.printed
    found = plain(computed, words=True)
    agrees = _agrees(number, found, target)
    outcome: Outcome = "disagrees" if not agrees else "fault of the document" if number.fault else "agrees"
    missing = "Nothing legible is printed; compared with an independent computation." if number.printed is None else ""
    notes = " ".join(part for part in (number.fault, missing, number.note, note) if part)
    return Verdict(name, number.document, number.what, number.printed, found, outcome, notes)


def judge_identity(name: str, error: float, note: str = "") -> Verdict:
    """Compare the error of an identity with its bound; a misprint must exceed it.

    Raises:
        ArgumentError: there is no such identity.

    Example:
        >>> judge_identity("I-24", 1e-16).outcome, judge_identity("I-24", 0.1).outcome
        ('agrees', 'disagrees')
        >>> judge_identity("I-14-erratum", 4.3).outcome
        'fault of the document'
    """
    identity = _named(name, identities())
    true = bool(error <= identity.bound)
    outcome: Outcome = "disagrees" if true is not identity.holds else "agrees" if true else "fault of the document"
    notes = " ".join(part for part in (identity.right, f"Checked by: {identity.check}.", note) if part)
    return Verdict(name, identity.document, identity.statement, identity.bound, float(error), outcome, notes)


def not_computed(names: Iterable[str], why: str) -> list[Verdict]:
    """The verdicts on numbers that could not be computed, for a reason."""
    known = numbers()
    return [
        Verdict(name, known[name].document, known[name].what, known[name].printed, None, "not computed", why)
        for name in names
    ]


def _agrees(number: Number, computed: Any, target: Any) -> bool:
    if number.rule == "equal":
        return bool(computed == target)
    if number.rule == "contains":
        return set(target) <= set(computed)
    wanted = _floats(target)
    if number.rule == "within":
        lowest, highest = _floats(computed[0]), _floats(computed[1])
        return wanted.shape == lowest.shape and bool(((lowest <= wanted) & (wanted <= highest)).all())
    found = _floats(computed)
    settings = {"rtol": number.tolerance, "atol": 0.0} if number.rule == "relative" else {"atol": number.tolerance}
    settings.setdefault("rtol", 0.0)
    return found.shape == wanted.shape and bool(np.isclose(found, wanted, equal_nan=True, **settings).all())


def _floats(value: Any) -> Any:
    """An array of float64; JSON holds infinity and NaN as words."""
    return np.array(value, dtype=object).astype(np.float64)


def _named(name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise ArgumentError(f"{name!r}: no such entry in facts.json; there are {', '.join(known)}")
    return known[name]
