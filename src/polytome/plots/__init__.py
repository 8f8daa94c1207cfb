"""Figures: displays of fitted models in the style of scikit-learn, and the layout and charts that
they share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytome.plots.boundaries import DecisionRegionsDisplay, SigmoidDisplay, SimplexDisplay
    from polytome.plots.coefficients import CoefficientsDisplay
    from polytome.plots.effects import EffectDisplay
    from polytome.plots.forest import ForestDisplay
    from polytome.plots.influence import InfluenceDisplay, ResidualsDisplay
    from polytome.plots.paths import CrossValidationDisplay, PathDisplay
    from polytome.plots.quality import CalibrationDisplay, ConfusionDisplay
    from polytome.plots.ranking import PrecisionRecallDisplay, RocDisplay
    from polytome.plots.reasons import ContributionsDisplay
    from polytome.plots.stability import StabilityDisplay
    from polytome.plots.training import ConvergenceDisplay, LearningRatesDisplay, RegularizationDisplay

__all__ = [
    "CalibrationDisplay",
    "CoefficientsDisplay",
    "ConfusionDisplay",
    "ContributionsDisplay",
    "ConvergenceDisplay",
    "CrossValidationDisplay",
    "DecisionRegionsDisplay",
    "EffectDisplay",
    "ForestDisplay",
    "InfluenceDisplay",
    "LearningRatesDisplay",
    "PathDisplay",
    "PrecisionRecallDisplay",
    "RegularizationDisplay",
    "ResidualsDisplay",
    "RocDisplay",
    "SigmoidDisplay",
    "SimplexDisplay",
    "StabilityDisplay",
]

_HOMES = {
    "CalibrationDisplay": "quality",
    "CoefficientsDisplay": "coefficients",
    "ConfusionDisplay": "quality",
    "ContributionsDisplay": "reasons",
    "ConvergenceDisplay": "training",
    "CrossValidationDisplay": "paths",
    "DecisionRegionsDisplay": "boundaries",
    "EffectDisplay": "effects",
    "ForestDisplay": "forest",
    "InfluenceDisplay": "influence",
    "LearningRatesDisplay": "training",
    "PathDisplay": "paths",
    "PrecisionRecallDisplay": "ranking",
    "RegularizationDisplay": "training",
    "ResidualsDisplay": "influence",
    "RocDisplay": "ranking",
    "SigmoidDisplay": "boundaries",
    "SimplexDisplay": "boundaries",
    "StabilityDisplay": "stability",
}


def __getattr__(name: str) -> Any:
    """A display, imported when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
