"""Logistic and softmax regression where every fit comes with a proof of how good it is."""

from __future__ import annotations

from importlib import import_module

from polytome._version import __version__ as __version__

TYPE_CHECKING = False  # as type checkers read it: to import typing takes longer than all the rest here

if TYPE_CHECKING:
    import typing

    from polytome.certificates.certificate import Certificate
    from polytome.configuration import show_config
    from polytome.errors import PolytomeError
    from polytome.evaluation.comparison import Comparison, compare
    from polytome.evaluation.metrics import evaluate
    from polytome.evaluation.recalibration import Recalibration, corrected_prior, recalibrate
    from polytome.evaluation.thresholds import choose_threshold
    from polytome.files.model_file import load
    from polytome.files.pipelines import load_pipeline, save_pipeline
    from polytome.files.training import train
    from polytome.models.calibration import Calibration
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.decision import DecisionRule
    from polytome.models.diagnose import Diagnosis, diagnose
    from polytome.models.engines import explain_objective, fit_like
    from polytome.models.linear import LinearRegression
    from polytome.models.logistic import LogisticRegression
    from polytome.models.multilabel import MultilabelLogistic
    from polytome.models.neurons import Adaline, Perceptron, SigmoidNeuron
    from polytome.models.one_vs_one import OneVsOne
    from polytome.models.one_vs_rest import OneVsRest
    from polytome.models.path import RegularizationPath
    from polytome.models.relaxed import relaxed_refit
    from polytome.models.stability import StabilitySelection
    from polytome.solvers import Progress, Stop
    from polytome.tables.datasets import load_dataset
    from polytome.tables.streams.opening import open_rows
    from polytome.tables.table import read_table
    from polytome.tables.text_columns import TextOptions
    from polytome.verification.checker import verify
    from polytome.verification.findings import Verification

__all__ = [
    "Adaline",
    "Calibration",
    "Certificate",
    "Comparison",
    "DecisionRule",
    "Diagnosis",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultilabelLogistic",
    "OneVsOne",
    "OneVsRest",
    "Perceptron",
    "PolytomeError",
    "Progress",
    "Recalibration",
    "RegularizationPath",
    "SigmoidNeuron",
    "StabilitySelection",
    "Stop",
    "TextOptions",
    "Verification",
    "choose_threshold",
    "compare",
    "corrected_prior",
    "diagnose",
    "evaluate",
    "explain_objective",
    "fit_like",
    "load",
    "load_dataset",
    "load_pipeline",
    "open_rows",
    "read_table",
    "recalibrate",
    "relaxed_refit",
    "save_pipeline",
    "show_config",
    "train",
    "verify",
]

_HOMES = {
    "Adaline": "polytome.models.neurons",
    "Calibration": "polytome.models.calibration",
    "Certificate": "polytome.certificates.certificate",
    "Comparison": "polytome.evaluation.comparison",
    "DecisionRule": "polytome.models.decision",
    "Diagnosis": "polytome.models.diagnose",
    "LinearRegression": "polytome.models.linear",
    "LogisticRegression": "polytome.models.logistic",
    "LogisticRegressionCV": "polytome.models.cross_validation",
    "MultilabelLogistic": "polytome.models.multilabel",
    "OneVsOne": "polytome.models.one_vs_one",
    "OneVsRest": "polytome.models.one_vs_rest",
    "Perceptron": "polytome.models.neurons",
    "PolytomeError": "polytome.errors",
    "Progress": "polytome.solvers",
    "Recalibration": "polytome.evaluation.recalibration",
    "RegularizationPath": "polytome.models.path",
    "SigmoidNeuron": "polytome.models.neurons",
    "StabilitySelection": "polytome.models.stability",
    "Stop": "polytome.solvers",
    "TextOptions": "polytome.tables.text_columns",
    "Verification": "polytome.verification.findings",
    "choose_threshold": "polytome.evaluation.thresholds",
    "compare": "polytome.evaluation.comparison",
    "corrected_prior": "polytome.evaluation.recalibration",
    "diagnose": "polytome.models.diagnose",
    "evaluate": "polytome.evaluation.metrics",
    "explain_objective": "polytome.models.engines",
    "fit_like": "polytome.models.engines",
    "load": "polytome.files.model_file",
    "load_dataset": "polytome.tables.datasets",
    "load_pipeline": "polytome.files.pipelines",
    "open_rows": "polytome.tables.streams.opening",
    "read_table": "polytome.tables.table",
    "recalibrate": "polytome.evaluation.recalibration",
    "relaxed_refit": "polytome.models.relaxed",
    "save_pipeline": "polytome.files.pipelines",
    "show_config": "polytome.configuration",
    "train": "polytome.files.training",
    "verify": "polytome.verification.checker",
}


def _refuse_subinterpreters() -> None:
    """Raises ImportError in any interpreter but the first of a process: NumPy and threadpoolctl
    hang in others."""
    try:
        interpreters = import_module("_interpreters")
    except ImportError:  # before Python 3.13
        try:
            interpreters = import_module("_xxsubinterpreters")
        except ImportError:  # not CPython
            return
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "polytome cannot be used in a subinterpreter, nor can NumPy, which it builds on: import it in the main "
            "interpreter of the process (mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or use processes instead"
        )


_refuse_subinterpreters()


def __getattr__(name: str) -> typing.Any:
    """A public name, imported when it is first used (PEP 562): scikit-learn alone takes most of a
    second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ImportError as error:
        if not any(words in str(error) for words in ("once per process", "subinterpreters")):
            raise
        raise ImportError(
            "polytome cannot run here: only one interpreter of a process can load NumPy, and another one has; use "
            "the main interpreter, threads, or processes instead of subinterpreters"
        ) from error
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
