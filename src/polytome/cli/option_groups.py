"""Options that travel together, each group declared once: a command takes it as one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from polytome.cli.bounds import bounds_from
from polytome.cli.column_options import Ids, MinLevelCount, Names, Numbers, names_of, numbers_of
from polytome.cli.option_values import dates_of, groups_from, references_from, scale_of, weights_of
from polytome.cli.options import (
    BoundsOption,
    Categories,
    ClassWeight,
    Dates,
    Drop,
    GroupRatio,
    GroupsName,
    Header,
    Intercept,
    InverseStrength,
    L1Ratio,
    LabelSmoothing,
    MaxIter,
    Missing,
    MissingMark,
    Offset,
    PenaltyWeights,
    ReadLimit,
    References,
    Scale,
    SolverName,
    Tolerance,
    Unknown,
    WeightColumn,
)
from polytome.cli.text_options import Encoding

__all__ = ["FitOptions", "PenaltyOptions", "TableOptions", "Without", "with_single_options"]


class Without(tuple[str, ...]):
    """Fields of a group that a command has no options for, as in `Annotated[Group,
    Without(["field"])]`."""


@dataclass(frozen=True)
class PenaltyOptions:
    """Which penalty, and how strong."""

    C: InverseStrength = 1.0
    l1_ratio: L1Ratio = 0.0
    groups: GroupsName = None
    group_ratio: GroupRatio = 1.0
    scale: Scale = None

    def settings(self) -> dict[str, Any]:
        """These options as the estimator takes them."""
        groups, scale = groups_from(self.groups), scale_of(self.scale)
        return {
            "C": self.C,
            "l1_ratio": self.l1_ratio,
            "groups": groups,
            "group_ratio": self.group_ratio,
            "scale": scale,
        }


@dataclass(frozen=True)
class FitOptions:
    """What else is minimised, and how."""

    penalty_weights: PenaltyWeights = None
    bounds: BoundsOption = None
    class_weight: ClassWeight = None
    weight: WeightColumn = None
    label_smoothing: LabelSmoothing = 0.0
    offset: Offset = None
    intercept: Intercept = True
    tol: Tolerance = 1e-4
    max_iter: MaxIter = 10_000
    solver: SolverName = "auto"

    def settings(self) -> dict[str, Any]:
        """These options as all estimators take them; columns of weights and offsets are the
        table's, and smoothed labels not for every one."""
        return {
            "penalty_weights": weights_of(self.penalty_weights),
            "bounds": bounds_from(self.bounds),
            "class_weight": self.class_weight,
            "fit_intercept": self.intercept,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "solver": self.solver,
        }


@dataclass(frozen=True)
class TableOptions:
    """How a table to train on is read."""

    missing: Missing = None
    missing_mark: MissingMark = None
    unknown: Unknown = None
    header: Header = "auto"
    read_limit: ReadLimit = None
    encoding: Encoding = None
    drop: Drop = None
    categories: Categories = None
    date: Dates = None
    reference: References = None
    ids: Ids = None
    numbers: Numbers = None
    names: Names = None
    min_level_count: MinLevelCount = 1

    def reading(self, settings: dict[str, Any]) -> dict[str, Any]:
        """These options as tables are read by them, whole or piece by piece, for a fit with these
        settings."""
        from polytome.files.training import references_for

        return {
            "missing": self.missing,
            "marks": self.missing_mark,
            "unknown": self.unknown,
            "header": self.header,
            "drop": self.drop or (),
            "categories": self.categories or (),
            "dates": dates_of(self.date),
            "references": references_for(settings, references_from(self.reference)),
            "ids": self.ids or (),
            "numbers": numbers_of(self.numbers),
            "names": names_of(self.names),
            "min_level_count": self.min_level_count,
        }

    def whole(self) -> dict[str, Any]:
        """Those that are for whole tables alone, as they are read by them."""
        return {"read_limit": self.read_limit, "encoding": self.encoding}

    def refused_piecewise(self) -> dict[str, object]:
        """The same as `refuse_beside_streams` takes them."""
        return {"--read-limit": self.read_limit, "--encoding": self.encoding}


def with_single_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command that takes each option by itself, in place of the groups that `command` takes.

    The help lists the options of a group where the group stands among the parameters.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, tuple[str, ...]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        kind, left_out = hint, Without()
        if get_origin(hint) is Annotated and isinstance(get_args(hint)[1], Without):
            kind, left_out = get_args(hint)
        if not is_dataclass(kind):
            alone = parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(alone)
            continue
        inner = get_type_hints(kind, include_extras=True)
        taken = tuple(field.name for field in fields(kind) if field.name not in left_out)
        groups[parameter.name] = (kind, taken)
        defaults = {field.name: field.default for field in fields(kind)}
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=inner[name])
            for name in taken
        ]

    @wraps(command)
    def single(**values: Any) -> None:
        made = {name: kind(**{field: values.pop(field) for field in taken}) for name, (kind, taken) in groups.items()}
        command(**values, **made)

    vars(single)["__signature__"] = inspect.Signature(parameters)
    single.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return single
