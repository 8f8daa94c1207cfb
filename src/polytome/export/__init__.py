"""Models that travel: the same predictions where Polytome is not installed.

`to_X` gives a model in another form, `write_X` a file of it; `from_X` makes a model of what another library has
learnt, and with data says how far that is from the optimum.

| form | what it needs where it runs | cells of a table |
|---|---|---|
| ONNX | onnxruntime or another runtime | texts and numbers by name |
| PyTorch | torch | encoded rows |
| scikit-learn | scikit-learn | a data frame |
| C header | a C99 compiler | numbers, and codes of levels |
| SQL | a database with `exp` | columns by name |

Every form gives one score per class, whose softmax are the probabilities; of two classes the first has score 0.
A row that the model would refuse (a missing cell that it does not fill, a level that it never saw) must not be
classified in silence: its probabilities are NaN (NULL in SQL), or scikit-learn raises an error.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytome.export.onnx_graph import to_onnx, write_onnx

__all__ = ["to_onnx", "write_onnx"]

_HOMES = {
    "to_onnx": "polytome.export.onnx_graph",
    "write_onnx": "polytome.export.onnx_graph",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: each form needs libraries of its own."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
