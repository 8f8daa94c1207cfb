"""The table of a logistic or softmax regression without a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from polytome.inference.design import Design
from polytome.inference.likelihood import Likelihood, Maximum
from polytome.inference.result import Result
from polytome.inference.sample import Sample

Array = NDArray[Any]

__all__ = ["LogisticResult"]


@dataclass(frozen=True, eq=False)
class LogisticResult(Result):
    """A table of coefficients with the rows that it was estimated from.

    Attributes:
        sample: these rows.
        likelihood: theirs, with the columns that are estimated.
        best: its maximum.
        design: how columns are made of data; None for a model of columns.
    """

    sample: Sample
    likelihood: Likelihood
    best: Maximum
    design: Design | None = None
