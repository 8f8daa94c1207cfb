"""Penalties: functions of the coefficients of the features, never of the intercept. One family a
file."""

from polytome.penalties.bounded import Bounded, strength_and_ratio, without_bounds
from polytome.penalties.contract import Penalty, by_column
from polytome.penalties.elastic_net import ElasticNet
from polytome.penalties.group_lasso import GroupLasso, group_lasso_text
from polytome.penalties.nothing import NoPenalty
from polytome.penalties.ridge import L2, WeightedL2

__all__ = [
    "L2",
    "Bounded",
    "ElasticNet",
    "GroupLasso",
    "NoPenalty",
    "Penalty",
    "WeightedL2",
    "by_column",
    "group_lasso_text",
    "strength_and_ratio",
    "without_bounds",
]
