"""Logistic and softmax regression where every fit comes with a proof of how good it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytome.certificate import Certificate
    from polytome.configuration import show_config
    from polytome.datasets import load_dataset
    from polytome.errors import PolytomeError
    from polytome.estimators import LogisticRegression
    from polytome.linear_regression import LinearRegression
    from polytome.model_file import load
    from polytome.multiclass import MultilabelLogistic, OneVsOne, OneVsRest
    from polytome.neurons import Adaline, Perceptron, SigmoidNeuron
    from polytome.solvers import Progress, Stop
    from polytome.tables import read_table

__version__ = "0.1.0"

__all__ = [
    "Adaline",
    "Certificate",
    "LinearRegression",
    "LogisticRegression",
    "MultilabelLogistic",
    "OneVsOne",
    "OneVsRest",
    "Perceptron",
    "PolytomeError",
    "Progress",
    "SigmoidNeuron",
    "Stop",
    "load",
    "load_dataset",
    "read_table",
    "show_config",
]

_HOMES = {
    "Adaline": "polytome.neurons",
    "Certificate": "polytome.certificate",
    "LinearRegression": "polytome.linear_regression",
    "LogisticRegression": "polytome.estimators",
    "MultilabelLogistic": "polytome.multiclass",
    "OneVsOne": "polytome.multiclass",
    "OneVsRest": "polytome.multiclass",
    "Perceptron": "polytome.neurons",
    "PolytomeError": "polytome.errors",
    "Progress": "polytome.solvers",
    "SigmoidNeuron": "polytome.neurons",
    "Stop": "polytome.solvers",
    "load": "polytome.model_file",
    "load_dataset": "polytome.datasets",
    "read_table": "polytome.tables",
    "show_config": "polytome.configuration",
}


def _refuse_subinterpreters() -> None:
    """Raises ImportError in any interpreter but the first of a process: NumPy and threadpoolctl hang in others."""
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


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for (PEP 562): scikit-learn alone takes most of a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
