"""Which coefficients of a fit without a penalty have no finite estimate, because the classes are
separated, and which columns are sums of others.

A separated fit still has a certificate: its objective is next to the infimum. But the coefficients
that grow without bound along the way say nothing: they are as large as the tolerance lets them be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.aliases import Alias, aliases_of
from polytome.certificates.certain_classes import labels_by_output
from polytome.certificates.curvature_proof import is_exact_in_float64
from polytome.certificates.recession import ANY_SIGN, recession_of
from polytome.certificates.recession_cone import MOST_UNKNOWNS, UndecidedError
from polytome.losses import labels_of, offset_of
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.models.fitted import Fitted, feature_names_in
from polytome.models.fitted_source import source_of
from polytome.objective import Objective, all_scores
from polytome.plain.values import plain
from polytome.rows import StreamedRows
from polytome.rows.blocks import Storage
from polytome.solvers.memory import memory_left
from polytome.tables.frames import listing as quoted_listing

Array = NDArray[Any]

__all__ = [
    "Infinite",
    "Separation",
    "aliases_in",
    "infinite_by_group",
    "infinite_to_json",
    "separation_of",
    "separation_sentence",
    "separation_to_json",
    "unpenalised_columns",
    "why_not_looked_for",
]

_MOST_COLUMNS = 400
_MOST_LABELS = 10**7
_BYTES_OF_LABEL = 80  # scores, differences, and what is asked of each
_SHOWN = 5
_ENDS = {1: "to +infinity", -1: "to -infinity", 0: "in either direction"}


@dataclass(frozen=True)
class Infinite:
    """A coefficient without a finite estimate.

    Attributes:
        column: its number.
        of: the class that it speaks for, by its place in `classes_` (of a model with one binary
            problem for each label, the label).
        against: the classes that it is compared with, by their places; none where these are all
            others.
        sign: 1 where it grows without bound, -1 where it falls, 0 where it does either.
    """

    column: int
    of: int
    against: tuple[int, ...]
    sign: int


@dataclass(frozen=True)
class Separation:
    """Classes that coefficients without a penalty can tell apart for certain, in some rows at
    least: proved without rounding.

    Attributes:
        n_separated: rows from which some class is excluded with a probability that tends to 1.
        is_complete: whether every row is given its own class so.
        infinite: the coefficients without a finite estimate, column by column.
    """

    n_separated: int
    is_complete: bool
    infinite: tuple[Infinite, ...]


def separation_of(
    objective: Objective,
    learned: Array,
    aliases: tuple[Alias, ...] | None = None,
    coefficients: Array | None = None,
) -> Separation | None:
    """What separates the classes of a problem whose coefficients, or some of them, have no penalty.

    None where nothing does, and where it is not looked for: see `why_not_looked_for`. Rows that
    stay in their files are read again for each of some linear programmes.

    Args:
        objective: what was minimised.
        learned: the places of its outputs among those of the model.
        aliases: what `aliases_in` has found of it, where that was asked.
        coefficients: of a fit, shape `objective.shape`, where there was one.

    Raises:
        UndecidedError: neither was shown, of any of the problems of the objective.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> X, y = np.array([[0.0], [0.0], [1.0]]), np.array([0, 1, 1])  # whoever has a one is of class 1
        >>> separation_of(Objective(Logistic(), NoPenalty(), as_rows(X, y)), np.array([0]))
        Separation(n_separated=1, is_complete=False, infinite=(Infinite(column=0, of=1, against=(0,), sign=1),))
    """
    rows, free = objective.rows, unpenalised_columns(objective)
    if not (isinstance(rows, Storage | StreamedRows) and objective.loss.is_cross_entropy):
        return None
    if why_not_looked_for(objective, aliases):
        return None
    aliases = aliases_in(objective) if aliases is None else aliases
    if isinstance(rows, StreamedRows):  # scores of all rows are not for a checkpoint
        rows = replace(rows, stream=replace(rows.stream, journal=None))
    used = np.setdiff1d(free, [alias.column for alias in aliases])
    infinite: list[Infinite] = []
    separated, is_complete, undecided = np.zeros(rows.n_rows, dtype=bool), True, None
    raw = None if coefficients is None else rows.columns.to_raw(coefficients)
    scores = None if raw is None else all_scores(rows, raw)
    if scores is not None and (offset := offset_of(rows.target)) is not None:
        scores += offset
    for k, (target, places) in enumerate(_problems(objective, learned)):
        own, own_raw = scores, raw
        if objective.loss.separable:  # the other class of each problem has no scores
            own, own_raw = (None if each is None else each[:, [k]] * [0.0, 1.0] for each in (scores, raw))
        try:
            found = recession_of(rows, target, used, objective.fit_intercept, own, own_raw)
        except UndecidedError as error:
            found, undecided = None, error
        if found is None:
            is_complete = False
            continue
        separated[found.separated] = True
        is_complete &= found.is_complete
        infinite += _named(found.signs, places)
    if not separated.any():
        if undecided is not None:
            raise undecided
        return None
    return Separation(int(separated.sum()), is_complete, tuple(sorted(infinite, key=lambda each: each.column)))


def why_not_looked_for(objective: Objective, aliases: tuple[Alias, ...] | None = None) -> str:
    """Why it is not looked for what separates the classes; empty where it is, or where that has no
    meaning.

    Args:
        objective: what is minimised.
        aliases: what `aliases_in` has found of it, where that was asked.
    """
    rows, loss = objective.rows, objective.loss
    if not loss.is_cross_entropy:
        return ""
    free, n_classes = len(unpenalised_columns(objective)), max(2, loss.n_outputs)
    if free > _MOST_COLUMNS:
        return f"{free:,} columns have no penalty, and at most {_MOST_COLUMNS} are looked at"
    if not isinstance(rows, Storage | StreamedRows):
        return "the rows are not in the memory of this machine"
    if free and not is_exact_in_float64(rows):
        return "float64 rounds some of the numbers in the columns, and a proof would be of rounded ones"
    n_labels = rows.n_rows * n_classes
    if n_labels > _MOST_LABELS:
        return f"{rows.n_rows:,} rows times {n_classes} classes are more than the {_MOST_LABELS:,} that are looked at"
    if isinstance(rows, StreamedRows):
        if rows.stream.workers is not None:
            return "the rows lie with workers"
        needed, left = _BYTES_OF_LABEL * n_labels, memory_left(rows.stream.memory)
        if left is not None and needed > left:
            return f"that would take {needed / 1e6:,.0f} MB, and {left / 1e6:,.0f} MB are left"
    outputs = 1 if loss.separable else n_classes - 1
    if (free + objective.fit_intercept) * outputs > MOST_UNKNOWNS:
        aliases = aliases_in(objective) if aliases is None else aliases
        unknowns = (free - len(aliases) + objective.fit_intercept) * outputs
        if unknowns > MOST_UNKNOWNS:
            return f"{unknowns:,} coefficients have no penalty, and at most {MOST_UNKNOWNS} are looked at"
    return ""


def unpenalised_columns(objective: Objective) -> Array:
    """The columns whose coefficients have no penalty."""
    if objective.penalty.is_nothing:
        return np.arange(objective.rows.n_features)
    return objective.unpenalised


def aliases_in(objective: Objective) -> tuple[Alias, ...]:
    """The columns without a penalty that are sums of others."""
    free = unpenalised_columns(objective)
    return aliases_of(objective.rows, free, objective.fit_intercept) if 0 < len(free) <= _MOST_COLUMNS else ()


def _problems(objective: Objective, learned: Array) -> Iterator[tuple[Array, list[tuple[int, ...]]]]:
    """The targets of each problem of its own, and the places of its classes in the model; one place
    where the other class is all others."""
    loss, target = objective.loss, labels_of(objective.rows.target)
    if not loss.separable:
        yield target, [(int(place),) for place in learned]
        return
    labels = labels_by_output(loss, target)
    for k, own in enumerate(labels.T):
        is_hard = ((own == 0) | (own == 1) | (own == -1)).all()
        asked = own.astype(np.intp) if is_hard else np.column_stack([1 - own, own])
        if isinstance(loss, PairwiseSigmoids):
            yield asked, [(int(each),) for each in loss.pairs[k]]
        elif loss.n_outputs == 1:
            yield asked, [(0,), (1,)]
        else:
            yield asked, [(), (int(learned[k]),)]


def _named(signs: Array, places: list[tuple[int, ...]]) -> Iterator[Infinite]:
    """What each column says of which classes, each pair once."""
    K = signs.shape[1]
    for column in np.flatnonzero(signs.any(axis=(1, 2))):
        if K == 2:
            sign = int(signs[column, 1, 0])
            yield Infinite(int(column), places[1][0], places[0], 0 if sign == ANY_SIGN else sign)
            continue
        for a in range(K):
            for sign, wanted in ((1, signs[column, a] == 1), (0, (signs[column, a] == ANY_SIGN) & (np.arange(K) > a))):
                if wanted.any():
                    against = tuple(places[b][0] for b in np.flatnonzero(wanted))
                    yield Infinite(int(column), places[a][0], against, sign)


def separation_sentence(model: Fitted) -> str:
    """Which coefficients of a model have no finite estimate, or that this is not known; empty
    where there is none.

    Example:
        >>> import warnings
        >>> from polytome.models.logistic import LogisticRegression
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # it says the same
        ...     model = LogisticRegression(C=np.inf).fit([[0.0], [0.0], [1.0]], [0, 1, 1])
        >>> separation_sentence(model)[:88]
        'No finite coefficients are optimal: in 1 of 3 rows a class can be ruled out for certain,'
    """
    found: Separation | None = vars(model).get("separation_")
    if found is None:
        reason = vars(model).get("separation_unknown_")
        return f"Whether the classes are separated is not known: {reason}." if reason else ""
    n_rows = model.objective_.n_rows
    where = f"all {n_rows:,} rows" if found.n_separated == n_rows else f"{found.n_separated:,} of {n_rows:,} rows"
    return (
        f"No finite coefficients are optimal: in {where} a class can be ruled out for certain, by coefficients that "
        f"grow without bound: {_infinite_text(found, model)}. Their values are as large as the tolerance lets them be; "
        "use a penalty (a finite C), or leave these columns out."
    )


def separation_to_json(model: Fitted) -> dict[str, Any] | None:
    """What `separation_sentence` says, with names; None where nothing was found."""
    found: Separation | None = vars(model).get("separation_")
    if found is None:
        reason = vars(model).get("separation_unknown_")
        return {"not_looked_for": reason} if reason else None
    infinite = infinite_to_json(found, _names_of(model), _labels_of(model))
    return {"n_separated": found.n_separated, "is_complete": found.is_complete, "infinite": infinite}


def infinite_to_json(separation: Separation, name: Callable[[int], str], labels: Any) -> list[dict[str, Any]]:
    """The coefficients without a finite estimate, with names."""
    return [
        {
            "feature": name(each.column),
            "of": plain(labels[each.of]),
            "against": [plain(labels[place]) for place in each.against],
            "sign": each.sign,
        }
        for each in separation.infinite
    ]


def _labels_of(model: Fitted) -> Any:
    return vars(model)["labels_"] if model.outputs == "labels" else model.classes_


def _names_of(model: Fitted) -> Callable[[int], str]:
    encoder, frame_names = source_of(model).encoder, feature_names_in(model)
    names = encoder.feature_names if encoder is not None else frame_names
    return lambda column: f"feature_{column}" if names is None else str(names[column])


def _infinite_text(separation: Separation, model: Fitted) -> str:
    """The coefficients without a finite estimate, as a message names them: the first of them."""
    told = [
        f"{quoted_listing(names, _SHOWN)} ({about})"
        for names, about in infinite_by_group(separation, _names_of(model), _labels_of(model))
    ]
    more = len(told) - _SHOWN
    return "; ".join(told[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def infinite_by_group(
    separation: Separation, name: Callable[[int], str], labels: Any
) -> Iterator[tuple[list[str], str]]:
    """Names of columns whose coefficients do the same, and what: of more than two classes, which
    are compared."""
    for (_, of, against, sign), group in groupby(sorted(separation.infinite, key=_group), key=_group):
        others = " and ".join(str(labels[place]) for place in against) or "the others"
        pair = "" if against and len(labels) == 2 else f"{labels[of]} against {others}, "
        yield [name(each.column) for each in group], f"{pair}{_ENDS[sign]}"


def _group(infinite: Infinite) -> tuple[bool, int, tuple[int, ...], int]:
    """What a message says once for several columns; first what has one direction."""
    return infinite.sign == 0, infinite.of, infinite.against, infinite.sign
