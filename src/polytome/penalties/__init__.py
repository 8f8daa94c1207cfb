"""Penalties: functions of the coefficients of the features, never of the intercept."""

from polytome.penalties.ridge import L2, NoPenalty, Penalty

__all__ = ["L2", "NoPenalty", "Penalty"]
