"""The setting `groups`: which coefficients are zero together, or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.models.settings import real_number

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

Array = NDArray[Any]
Groups = Literal["classes", "columns"] | Sequence[int] | Sequence[str] | Array | None
"""None (each coefficient by itself), "classes", "columns", or the label of each column's group."""

__all__ = [
    "Groups",
    "check_group_ratio",
    "check_groups",
    "group_labels",
    "group_names",
    "group_ratio_of",
    "groups_of",
    "groups_text",
]

_NAMES = ("classes", "columns")
_NEEDS = "None, 'classes', 'columns', or one label (a whole number or text) for each column"


def check_groups(given: Any, l1_ratio: float, has_penalty: bool) -> None:
    """Raises ArgumentError unless the setting can be used; the data tell whether it fits the
    columns.

    Args:
        given: the setting.
        l1_ratio: the share of norms in the penalty.
        has_penalty: whether there is a penalty at all.

    Example:
        >>> check_groups("rows", 1.0, True)
        Traceback (most recent call last):
        polytome.errors.ArgumentError: groups='rows': needs None, 'classes', 'columns', or one label (a whole number ...
    """
    if given is None:
        return
    group_labels(given)
    if has_penalty and not l1_ratio > 0:
        raise ArgumentError(
            "groups has no effect where l1_ratio is 0, since squares leave nothing out: give l1_ratio=1 (norms of "
            "groups alone) or a share between"
        )


def check_group_ratio(given: Any, has_groups: bool) -> None:
    """Raises ArgumentError unless the share of norms beside absolute values can be used.

    Args:
        given: the setting.
        has_groups: whether there are groups.

    Example:
        >>> check_group_ratio(0.5, False)
        Traceback (most recent call last):
        polytome.errors.ArgumentError: group_ratio=0.5 has no effect without groups: give groups, or leave it at 1
    """
    ratio = real_number(given)
    if isinstance(given, bool) or not 0 <= ratio <= 1:
        raise ArgumentError(f"group_ratio={given!r}: needs a number above 0, and at most 1 (norms of groups alone)")
    if ratio == 0:
        raise ArgumentError(
            "group_ratio=0: leaves nothing of the norms of groups; for absolute values alone leave groups out, else "
            "give a number above 0, and at most 1"
        )
    if ratio < 1 and not has_groups:
        raise ArgumentError(f"group_ratio={given!r} has no effect without groups: give groups, or leave it at 1")


def group_ratio_of(estimator: Any) -> float:
    """The share of norms beside absolute values in an estimator's penalty; 1 where it has no such
    setting.

    Example:
        >>> from polytome import LogisticRegression
        >>> group_ratio_of(LogisticRegression(groups="classes", group_ratio=0.5))
        0.5
    """
    return float(vars(estimator).get("group_ratio", 1.0))


def group_labels(given: Any) -> str | list[int] | list[str]:
    """The setting as plain values: a name, or a list of labels.

    Raises:
        ArgumentError: it is none of these.

    Example:
        >>> group_labels(np.array([0, 0, 1])), group_labels("classes")
        ([0, 0, 1], 'classes')
    """
    if isinstance(given, str):
        if given not in _NAMES:
            raise ArgumentError(f"groups={given!r}: needs {_NEEDS}")
        return given
    if isinstance(given, dict | set) or not hasattr(given, "__len__"):
        raise ArgumentError(f"groups={given!r}: needs {_NEEDS}")
    labels: Any = given.tolist() if hasattr(given, "tolist") else list(given)
    for column, label in enumerate(labels):
        if not (isinstance(label, str) or _is_whole(label)):
            raise ArgumentError(f"groups[{column}] is {label!r}: needs a whole number or text, the label of a group")
    if any(isinstance(label, str) for label in labels) and not all(isinstance(label, str) for label in labels):
        raise ArgumentError("groups holds whole numbers and text: needs labels of one kind")
    plain: list[int] | list[str] = labels if labels and isinstance(labels[0], str) else [int(each) for each in labels]
    return plain


def _is_whole(label: Any) -> bool:
    """Whether it is a whole number that a file keeps."""
    return type(label) is not bool and isinstance(label, Integral) and -(2**63) <= int(label) < 2**63


def groups_of(estimator: Any, n_features: int, encoder: Encoder | None = None) -> Array | None:
    """The number of each feature's group, from 0 on in the order of columns, (n_features,); None
    where the estimator has no groups.

    Args:
        estimator: with or without the setting.
        n_features: of X.
        encoder: of the table that X was made of: all features of one of its columns are one group
            of "columns".

    Raises:
        ArgumentError: there are more or fewer labels than columns.

    Example:
        >>> from polytome import LogisticRegression
        >>> groups_of(LogisticRegression(groups=["size", "size", "age"]), 3)
        array([0, 0, 1])
    """
    given = vars(estimator).get("groups")
    if given is None:
        return None
    labels = group_labels(given)
    if labels == "columns" and encoder is not None:
        return np.repeat(np.arange(len(encoder.columns)), [column.width for column in encoder.columns])
    if isinstance(labels, str):
        return np.arange(n_features)
    if len(labels) != n_features:
        raise ArgumentError(
            f"groups has {len(labels):,} labels, X has {n_features:,} columns: give the label of a group for each"
        )
    places: dict[int | str, int] = {}
    return np.array([places.setdefault(label, len(places)) for label in labels])


def group_names(estimator: Any, groups: Array) -> list[str]:
    """What the groups of a fitted model are called: by the labels that were given, or as the
    columns of the table.

    Args:
        estimator: with groups.
        groups: the number of each feature's group, as `groups_of` gives it.

    Example:
        >>> from polytome import LogisticRegression
        >>> model = LogisticRegression(groups=["size", "size", "age"])
        >>> group_names(model, groups_of(model, 3)), group_names(LogisticRegression(groups=[7, 7]), np.array([0, 0]))
        (['size', 'age'], ['group 7'])
    """
    labels = group_labels(vars(estimator)["groups"])
    if isinstance(labels, str):
        encoder = estimator.source_.encoder
        features: Any = vars(estimator).get("feature_names_in_")
        if encoder is not None:
            return [column.name for column in encoder.columns]
        return [f"column {j}" if features is None else str(features[j]) for j in range(len(groups))]
    _, first = np.unique(groups, return_index=True)
    return [label if isinstance(label := labels[place], str) else f"group {label}" for place in first.tolist()]


def groups_text(groups: Array | None) -> str:
    """How many groups a penalty has, in words; "none" where it has none, "classes" where each
    column is one.

    Example:
        >>> groups_text(np.array([0, 0, 1])), groups_text(np.array([0, 1])), groups_text(None)
        ('2 groups of 3 columns', 'classes', 'none')
    """
    if groups is None:
        return "none"
    n_groups = int(groups.max()) + 1
    return "classes" if n_groups == len(groups) else f"{n_groups:,} groups of {len(groups):,} columns"
