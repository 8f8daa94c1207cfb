"""Statistics of fits without a penalty: tables of coefficients with standard errors, tests,
intervals and effects."""

from polytome.inference.bootstrapping import Bootstrap, bootstrap
from polytome.inference.brant import BrantTest
from polytome.inference.effects import Effects
from polytome.inference.estimate import Estimate, Refit
from polytome.inference.firth_result import FirthResult, FirthStatistics, fit_firth
from polytome.inference.fitted_classifier import summarize
from polytome.inference.formula import diagnose_formula, fit_formula
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.marginal_effects import to_marginaleffects
from polytome.inference.median_result import MedianResult
from polytome.inference.ordered_result import OrderedResult, fit_ordered
from polytome.inference.result import About, Result
from polytome.inference.statistics import FitStatistics
from polytome.inference.tested import Test

__all__ = [
    "About",
    "Bootstrap",
    "BrantTest",
    "Effects",
    "Estimate",
    "FirthResult",
    "FirthStatistics",
    "FitStatistics",
    "LogisticResult",
    "MedianResult",
    "OrderedResult",
    "Refit",
    "Result",
    "Test",
    "bootstrap",
    "diagnose_formula",
    "fit_firth",
    "fit_formula",
    "fit_ordered",
    "summarize",
    "to_marginaleffects",
]
