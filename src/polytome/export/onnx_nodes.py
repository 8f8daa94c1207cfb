"""The parts of an ONNX graph, as they are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Precision = Literal["float64", "float32"]
"""The type of numbers in a graph: of its inputs, its arithmetic and its probabilities."""

__all__ = ["DOMAINS", "Nodes", "Precision"]

DOMAINS = {"LabelEncoder": "ai.onnx.ml", "Tokenizer": "com.microsoft"}
"""Of the operators that are not of ONNX's main set."""
_OUTPUTS = ("label", "probabilities", "scores", "prediction")


class Nodes:
    """Nodes and constants as they are added; a node's output has the node's name.

    Args:
        onnx: the package.
        columns: the names of the columns, which inputs have.
        precision: of all numbers.
    """

    def __init__(self, onnx: Any, columns: Sequence[str], precision: Precision) -> None:
        self.onnx, self.precision = onnx, precision
        self.number_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(precision))
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: dict[str, Any] = {}
        self.told: list[Any] = []
        self.n_unused = 0
        # A column may have any name: names inside the graph begin with a text that no column begins
        # with.
        self.prefix = "/"
        while any(column.startswith(self.prefix) for column in columns):
            self.prefix += "/"
        self.axis = self.constant(np.array([1]), "axis")

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        return self.nodes_of(operator, inputs, (name,), **attributes)[0]

    def nodes_of(self, operator: str, inputs: list[str], names: tuple[str, ...], **attributes: Any) -> list[str]:
        """Add a node of several outputs and return their names."""
        outputs = [name if name in _OUTPUTS else self.prefix + name for name in names]
        domain = DOMAINS.get(operator, "")
        self.nodes.append(
            self.onnx.helper.make_node(operator, inputs, outputs, outputs[0], domain=domain, **attributes)
        )
        return outputs

    def tell(self, name: str, element: int) -> None:
        """Say the type of a matrix that an operator makes which ONNX does not know."""
        self.told.append(self.onnx.helper.make_tensor_value_info(name, element, [None, None]))

    def unused(self, name: str) -> str:
        """A name with a number that makes it differ from all that were asked for."""
        self.n_unused += 1
        return f"{name}_{self.n_unused}"

    def constant(self, values: Array, name: str) -> str:
        """Add a constant and return its name; numbers with a fraction get the graph's precision."""
        name = self.prefix + name
        if values.dtype.kind == "f":
            values = values.astype(self.precision)
        self.constants.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def input(self, name: str, element: int, width: int) -> str:
        """Add an input of shape (n, width) and return its name, which differs from all others."""
        while name in self.inputs or name in ("", *_OUTPUTS):
            name += "_"
        self.inputs[name] = self.onnx.helper.make_tensor_value_info(name, element, ["n", width])
        return name
