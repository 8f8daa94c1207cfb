"""Pipelines of scikit-learn that end in a model of Polytome, for skl2onnx: the graph of
`to_onnx` becomes a part of the graph of the pipeline.

Reference:
    sklearn-onnx, https://onnx.ai/sklearn-onnx/: `update_registered_converter`.
"""

from __future__ import annotations

from typing import Any

from polytome.errors import ArgumentError, MissingExtraError
from polytome.export.form import Form, form_of
from polytome.export.onnx_graph import to_onnx
from polytome.models.cross_validation import LogisticRegressionCV
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.models.multilabel import MultilabelLogistic
from polytome.models.neurons import Adaline, Perceptron, SigmoidNeuron
from polytome.models.one_vs_one import OneVsOne
from polytome.models.one_vs_rest import OneVsRest

__all__ = ["register_with_skl2onnx"]

_CLASSIFIERS = (LogisticRegression, LogisticRegressionCV, OneVsRest, SigmoidNeuron)
_REFUSED = (OneVsOne, MultilabelLogistic, Perceptron, Adaline)
"""`form_of` says why, and what to fit instead."""
_OLDEST_SET = 13


def register_with_skl2onnx() -> None:
    """Let `skl2onnx.to_onnx` convert pipelines that end in a model of Polytome.

    A classifier has the outputs `label` and `probabilities`, by skl2onnx's option `zipmap` as a
    list of dictionaries; `LinearRegression` has `variable`. The type of the input, float or double,
    is that of the arithmetic. What `write_onnx` refuses is refused, by the same sentence.

    Raises:
        MissingExtraError: skl2onnx is not installed.

    Example:
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]
        >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        >>> register_with_skl2onnx()  # doctest: +SKIP
        >>> proto = skl2onnx.to_onnx(pipeline, np.array(X), options={"zipmap": False})  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            'pipelines in ONNX need skl2onnx, which is not installed: pip install "polytome[skl2onnx]"'
        ) from error
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    for kind in (*_CLASSIFIERS, *_REFUSED):
        update_registered_converter(kind, f"Polytome{kind.__name__}", _set_shapes, _convert, options=options)
    update_registered_converter(LinearRegression, "PolytomeLinearRegression", _set_shapes, _convert)


def _set_shapes(operator: Any) -> None:
    """Say the types of the outputs."""
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    form = form_of(operator.raw_operator, decides=True)
    label = Int64TensorType([None]) if isinstance(form.classes[0], int) else StringTensorType([None])
    number = _number_type(operator)([None, len(form.classes)])
    types = [number] if form.link == "identity" else [label, number]
    for output, kind in zip(operator.outputs, types, strict=True):
        output.set_type(kind)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the model's graph, with names that differ from all others."""
    from onnx.numpy_helper import to_array
    from skl2onnx.common.data_types import DoubleTensorType

    model = operator.raw_operator
    form = form_of(model, decides=True)
    _refuse_what_does_not_fit(form, container.target_opset)
    is_double = _number_type(operator) is DoubleTensorType
    graph = to_onnx(model, precision="float64" if is_double else "float32").graph
    given, outputs = operator.inputs[0], [output.full_name for output in operator.outputs]
    made = ("prediction",) if form.link == "identity" else ("label", "probabilities")
    names = dict(zip(made, outputs, strict=True))
    names["X"] = scope.get_unique_variable_name("rows")
    number = graph.input[0].type.tensor_type.elem_type
    container.add_node(
        "Cast", [given.full_name], [names["X"]], name=scope.get_unique_operator_name("rows"), op_version=13, to=number
    )
    for name in (*(each.name for each in graph.initializer), *(out for node in graph.node for out in node.output)):
        names.setdefault(name, scope.get_unique_variable_name(name.strip("/")))
    for constant in graph.initializer:
        values = to_array(constant)
        container.add_initializer(names[constant.name], constant.data_type, values.shape, values.ravel().tolist())
    for node in graph.node:
        title = scope.get_unique_operator_name(node.op_type)
        inputs, outputs = ([names[name] for name in part] for part in (node.input, node.output))
        container.add_node(node.op_type, inputs, outputs, op_domain=node.domain, name=title, **_attributes(node))


def _attributes(node: Any) -> dict[str, Any]:
    from onnx.helper import get_attribute_value

    return {each.name: get_attribute_value(each) for each in node.attribute}


def _refuse_what_does_not_fit(form: Form, target_opset: int) -> None:
    if not form.is_matrix:
        raise ArgumentError(
            "the model cannot be converted in a pipeline: it was trained on a table, and reads its columns by itself; "
            "export it with polytome.export.write_onnx"
        )
    if target_opset < _OLDEST_SET:
        raise ArgumentError(f"target_opset={target_opset}: needs at least {_OLDEST_SET}")


def _number_type(operator: Any) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return DoubleTensorType if isinstance(operator.inputs[0].type, DoubleTensorType) else FloatTensorType
