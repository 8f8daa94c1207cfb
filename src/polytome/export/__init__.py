"""Models for use without Polytome, with the same predictions.

`to_X` gives a model in another form, and `write_X` writes it to a file; `from_X` makes a model of
what another library has learnt and, given the data, says how far that is from the optimum.

| form | what it needs at run time | cells of a table |
|---|---|---|
| ONNX | onnxruntime or another runtime | texts and numbers by name |
| PyTorch | torch | encoded rows |
| scikit-learn | scikit-learn | a data frame |
| C header | a C99 compiler | numbers, and codes of levels |
| SQL | a database with `exp` | columns by name |

Every form gives one score per class, whose softmax gives the probabilities; with two classes the
first has score 0. A row that the model would refuse (a missing cell that it does not fill, a level
that it never saw) must not be classified silently: its probabilities are NaN (NULL in SQL), or
scikit-learn raises an error.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytome.export.agreement import Agreement
    from polytome.export.c_header import to_c, write_c
    from polytome.export.onnx_graph import to_onnx, write_onnx
    from polytome.export.skl2onnx_converter import register_with_skl2onnx
    from polytome.export.sklearn_twin import from_sklearn, to_sklearn, write_sklearn
    from polytome.export.sql_query import to_sql, write_sql
    from polytome.export.torch_module import from_torch, to_torch, write_torch

__all__ = [
    "Agreement",
    "from_sklearn",
    "from_torch",
    "register_with_skl2onnx",
    "to_c",
    "to_onnx",
    "to_sklearn",
    "to_sql",
    "to_torch",
    "write_c",
    "write_onnx",
    "write_sklearn",
    "write_sql",
    "write_torch",
]

_HOMES = {
    "Agreement": "polytome.export.agreement",
    "from_sklearn": "polytome.export.sklearn_twin",
    "from_torch": "polytome.export.torch_module",
    "register_with_skl2onnx": "polytome.export.skl2onnx_converter",
    "to_c": "polytome.export.c_header",
    "to_onnx": "polytome.export.onnx_graph",
    "to_sklearn": "polytome.export.sklearn_twin",
    "to_sql": "polytome.export.sql_query",
    "to_torch": "polytome.export.torch_module",
    "write_c": "polytome.export.c_header",
    "write_onnx": "polytome.export.onnx_graph",
    "write_sklearn": "polytome.export.sklearn_twin",
    "write_sql": "polytome.export.sql_query",
    "write_torch": "polytome.export.torch_module",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used: each form needs its own libraries."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
