"""ONNX: the model as a graph that onnxruntime and others run, from the cells of a table to the
label.

    number columns  -> [fill missing] -> MatMul ------+
    category        -> LabelEncoder -> Gather --------+-> Sum -> scores -> Softmax -> probabilities
    text            -> counts of its terms -> MatMul -+            |
    intercepts ---------------------------------------+            +-> ArgMax -> Gather -> label

The coefficients of a category are a table with a row for each level: looking a row up is the
product with a one-hot vector. One more row serves levels that training never saw: zeros, or NaN
where the model refuses them.

Reference:
    Open Neural Network Exchange, https://onnx.ai/onnx/operators/: operator sets ai.onnx 21 and
    ai.onnx.ml 3.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, MissingExtraError
from polytome.export.agreement import Agreement, Cells, checked_agreement, given_cells, sample_cells
from polytome.export.form import Form, form_of
from polytome.export.onnx_nodes import DOMAINS, Nodes, Precision
from polytome.export.onnx_text import add_text
from polytome.files.atomic_files import atomic_output, check_writable
from polytome.tables.encoder import Column
from polytome.tables.frames import MISSING_WORDS
from polytome.tables.terms import Term

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Precision", "to_onnx", "write_onnx"]

_OPSET, _ML_OPSET, _IR_VERSION = 21, 3, 10
"""The newest that every version of onnxruntime in the extra reads (1.18); later sets have no useful
new operator."""
_ALLOWED = {"float64": 1e-10, "float32": 1e-3}
_LARGEST_FILE = 2**31 - 2**20


def write_onnx(
    model: Fitted, path: str | PathLike[str], *, precision: Precision = "float64", rows: Any = None
) -> Agreement:
    """Write a model as an ONNX file, after checking that onnxruntime predicts the same with it.

    Inputs: where all columns are numbers one matrix `X` of shape (n, d), in the order of the
    property `columns`; else one input of shape (n, 1) for each column, by its name, numbers or
    texts (a missing text is empty). Outputs: `label`, (n,), `probabilities` and `scores`, (n, K),
    with `probabilities = softmax(scores)`. A row that the model refuses gets NaN, and the label of
    the property `refused_label`. A linear model has the output `prediction`, (n, K).

    Args:
        model: a fitted `LogisticRegression`; the encoder of its table becomes part of the graph.
        path: the file.
        precision: of the input and of all arithmetic: "float64", or "float32" for half the size.
        rows: rows to compare on, as a data frame, a dict of columns or an (n, d) array; None draws
            some.

    Returns:
        How closely both agreed. The file's metadata contain it, with objective and certificate.

    Raises:
        ArgumentError: the model cannot be exported, or the file's predictions would differ.
        FileError: the file cannot be written.
        MissingExtraError: onnx or onnxruntime is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     agreement = write_onnx(model, Path(folder, "model.onnx"))
        >>> agreement.largest_difference < 1e-12, agreement.n_labels_differ
        (True, 0)
    """
    path = check_writable(path)
    form = form_of(model, decides=True, reads_text=True)
    proto = to_onnx(model, precision=precision)
    runtime = _import("onnxruntime")
    cells = sample_cells(model, form) if rows is None else given_cells(model, form, rows)
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = ["prediction", "prediction"] if form.link == "identity" else ["label", "probabilities"]
    found = session.run(wanted, _feed(session, cells, precision))
    agreement = checked_agreement(
        model, form, cells, tuple(found), f"onnxruntime {runtime.__version__}", _ALLOWED[precision]
    )
    _import("onnx").helper.set_model_props(
        proto, {entry.key: entry.value for entry in proto.metadata_props} | {"agreement": str(agreement)}
    )
    with atomic_output(path) as stream:
        stream.write(proto.SerializeToString())
    return agreement


def to_onnx(model: Fitted, *, precision: Precision = "float64") -> Any:
    """The model as an `onnx.ModelProto`, checked by `onnx.checker`; see `write_onnx` for inputs and
    outputs.

    Args:
        model: a fitted `LogisticRegression`.
        precision: "float64" or "float32".

    Raises:
        ArgumentError: the model cannot be exported, or would need more than the 2 GiB of a protobuf
            message.
        MissingExtraError: onnx is not installed.
    """
    if precision not in _ALLOWED:
        raise ArgumentError(f"precision={precision!r}: choose 'float64' or 'float32'")
    form = form_of(model, decides=True, reads_text=True)
    size = form.coefficients.size * np.dtype(precision).itemsize
    if size > _LARGEST_FILE:
        raise ArgumentError(
            f"{form.coefficients.size:,} coefficients in {precision} need {size / 2**30:.1f} GiB, and an ONNX file "
            "holds at most 2 GiB; use precision='float32', or PyTorch's safetensors"
        )
    onnx = _import("onnx")
    graph = _Graph(onnx, form, precision)
    graph.add_scores()
    graph.add_outputs()
    proto = graph.proto()
    onnx.checker.check_model(proto, full_check=True)
    return proto


class _Graph(Nodes):
    """A model's nodes, from the cells of a row to its label."""

    def __init__(self, onnx: Any, form: Form, precision: Precision) -> None:
        super().__init__(onnx, [column.name for column in form.columns], precision)
        self.form = form
        self.codes: dict[str, str] = {}
        """Of each category the node of its levels' places, for what is made of it."""
        self.filled = ""
        """The node of the numbers, after missing ones are filled."""

    def add_scores(self) -> None:
        """From the cells of the rows to one score for each class."""
        form = self.form
        parts = [self.constant(form.intercepts[None, :], "intercepts")]
        if form.is_matrix:
            parts.append(self._numbers(self.input("X", self.number_type, len(form.columns)), form.coefficients))
        else:
            parts.extend(self._columns())
        self.node("Sum", parts, "scores")

    def add_outputs(self) -> None:
        """From scores to probabilities and the label; NaN among the scores of a row gives a special
        label."""
        form = self.form
        if form.link == "identity":
            self.node("Identity", ["scores"], "prediction")
            return
        linked = "scores"
        if form.link == "rest":
            linked = self._log_sigmoids()
        self.node("Softmax", [linked], "probabilities", axis=1)
        compared = "scores"
        if form.cut is not None:
            compared = self.node("Sub", ["scores", self.constant(np.array([0.0, form.cut]), "cut")], "compared")
        best = self.node("ArgMax", [compared], "best", axis=1, keepdims=0)
        total = self.node("ReduceSum", ["scores", self.axis], "total", keepdims=0)
        refused = self.node("IsNaN", [total], "refused")
        last = self.constant(np.array(len(form.classes)), "last")
        place = self.node("Where", [refused, last, best], "place")
        labels = np.array([*form.classes, _refused_label(form)])
        if labels.dtype.kind == "U":
            labels = labels.astype(object)
        self.node("Gather", [self.constant(labels, "labels"), place], "label")

    def _log_sigmoids(self) -> str:
        """The logarithms of the sigmoids of the scores, `min(s, 0) - log(1 + exp(-|s|))`: no
        exponential overflows."""
        zero, one = self.constant(np.array([0.0]), "zero"), self.constant(np.array([1.0]), "one")
        below = self.node("Min", ["scores", zero], "below")
        far = self.node("Neg", [self.node("Abs", ["scores"], "sizes")], "far")
        over_one = self.node("Add", [self.node("Exp", [far], "exponentials"), one], "over_one")
        return self.node("Sub", [below, self.node("Log", [over_one], "corrections")], "logarithms")

    def proto(self) -> Any:
        """The finished model."""
        make, form = self.onnx.helper, self.form
        types = self.onnx.TensorProto
        label = types.INT64 if isinstance(form.classes[0], int) else types.STRING
        outputs = [] if form.link == "identity" else [make.make_tensor_value_info("label", label, ["n"])]
        for name in ("prediction",) if form.link == "identity" else ("probabilities", "scores"):
            outputs.append(make.make_tensor_value_info(name, self.number_type, ["n", len(form.classes)]))
        graph = make.make_graph(
            self.nodes, "polytome", list(self.inputs.values()), outputs, self.constants, value_info=self.told
        )
        operators = [make.make_opsetid("", _OPSET), make.make_opsetid("ai.onnx.ml", _ML_OPSET)]
        operators += [make.make_opsetid(DOMAINS["Tokenizer"], 1)] if self.told else []
        proto = make.make_model(graph, producer_name="polytome", opset_imports=operators, ir_version=_IR_VERSION)
        proto.producer_version = form.facts["polytome_version"]
        facts = {
            "classes": json.dumps(form.classes),
            "columns": json.dumps([column.name for column in form.columns]),
            "refused_label": str(_refused_label(form)),
        }
        make.set_model_props(proto, form.facts | facts)
        return proto

    def _columns(self) -> list[str]:
        """The shares of the columns of a table in the scores: those of its numbers together, and of
        each category."""
        shares, cells, weights = [], [], []
        for place, (column, coefficients) in enumerate(self.form.placed_columns):
            if column.kind == "number":
                cells.append(self.input(column.name, self.number_type, 1))
                weights.append(coefficients)
            elif column.kind == "text":
                shares.append(add_text(self, column, coefficients, place))
            else:
                shares.append(self._category(column, coefficients, place))
        if cells:
            shares.append(self._numbers(self.node("Concat", cells, "numbers", axis=1), np.hstack(weights)))
        return shares + self._terms()

    def _terms(self) -> list[str]:
        """The shares of what is made of other columns."""
        shares, numbers, weights = [], [], []
        for place, (column, term, coefficients) in enumerate(self.form.placed_terms):
            if term.kind == "cross":
                shares.append(self._cross(column, term, coefficients, place))
            else:
                numbers.append(self._term(term, f"term_{place}"))
                weights.append(coefficients)
        if not numbers:
            return shares
        made = self.node("Concat", numbers, "terms", axis=1)
        refused = self.node("IsInf", [made], "terms_refused")
        made = self.node("Where", [refused, self.constant(np.array(np.nan), "refused_term"), made], "terms_or_not")
        matrix = np.ascontiguousarray(np.hstack(weights).T)
        return [*shares, self.node("MatMul", [made, self.constant(matrix, "term_coefficients")], "term_products")]

    def _number(self, name: str, of: str) -> str:
        """One of the filled numbers, (n, 1)."""
        names = [column.name for column in self.form.columns if column.kind == "number"]
        place = self.constant(np.array([names.index(name)]), f"{of}_place")
        return self.node("Gather", [self.filled, place], f"{of}_number", axis=1)

    def _term(self, term: Term, name: str) -> str:
        """A number that is made of others, (n, 1)."""
        first = self._number(term.of[0], f"{name}_of")
        if term.kind == "product":
            return self.node("Mul", [first, self._number(term.of[1], f"{name}_by")], name)
        if term.kind == "power":
            power = first
            for exponent in range(2, term.place + 1):
                power = self.node("Mul", [power, first], f"{name}_{exponent}")
            return power
        if term.kind == "levels":
            column = next(column for column in self.form.columns if column.name == term.of[1])
            code = self.constant(np.array(column.levels.index(str(term.level))), f"{name}_level")
            here = self.node("Equal", [self.codes[column.name], code], f"{name}_here")
            return self.node("Where", [here, first, self.constant(np.array(0.0), f"{name}_none")], name)
        bend = term.bend
        last = self.constant(np.array(bend.last), f"{name}_last")
        up_to = self.node("Min", [first, last], f"{name}_up_to")
        beyond = self.node("Relu", [self.node("Sub", [first, last], f"{name}_after")], f"{name}_beyond")
        parts = [self.node("Mul", [beyond, self.constant(np.array(bend.slope), f"{name}_slope")], f"{name}_line")]
        for knot, factor, side in ((bend.first, bend.rise, "rise"), (bend.before, -bend.fall, "fall")):
            over = self.node("Sub", [up_to, self.constant(np.array(knot), f"{name}_{side}_knot")], f"{name}_{side}_at")
            over = self.node("Relu", [over], f"{name}_{side}_over")
            square = self.node("Mul", [over, over], f"{name}_{side}_square")
            cube = self.node("Mul", [square, over], f"{name}_{side}_cube")
            parts.append(
                self.node("Mul", [cube, self.constant(np.array(factor), f"{name}_{side}_by")], f"{name}_{side}")
            )
        return self.node("Sum", parts, name)

    def _cross(self, column: Column, term: Term, coefficients: Array, place: int) -> str:
        """The share of pairs of levels: nothing for a pair that is not known, or where a level is
        not."""
        first, second = (self.form.columns[source] for source in self.form.sources(term))
        known = {level: k for k, level in enumerate(column.levels)}
        pairs = np.full((len(first.levels) + 2, len(second.levels) + 2), len(column.levels))
        for i, one in enumerate(first.levels):
            for j, other in enumerate(second.levels):
                if one in first.coded and other in second.coded:
                    pairs[i, j] = known.get(f"{one}*{other}", len(column.levels))
        width = self.constant(np.array(pairs.shape[1]), f"cross_{place}_width")
        start = self.node("Mul", [self.codes[first.name], width], f"cross_{place}_start")
        at = self.node("Add", [start, self.codes[second.name]], f"cross_{place}_at")
        code = self.node("Gather", [self.constant(pairs.ravel(), f"cross_{place}_pairs"), at], f"cross_{place}_code")
        table = self.constant(np.vstack([coefficients.T, np.zeros(len(coefficients))]), f"cross_{place}_coefficients")
        row = self.node("Gather", [table, code], f"cross_{place}_row", axis=0)
        return self.node("Squeeze", [row, self.axis], f"cross_{place}_share")

    def _numbers(self, cells: str, coefficients: Array) -> str:
        """The share of the number columns in the scores."""
        fills = self.form.fills
        if not np.isnan(fills).all():
            missing = self.node("IsNaN", [cells], "missing")
            cells = self.node("Where", [missing, self.constant(fills[None, :], "fills"), cells], "filled")
        self.filled = cells
        return self.node(
            "MatMul", [cells, self.constant(np.ascontiguousarray(coefficients.T), "coefficients")], "products"
        )

    def _category(self, column: Column, coefficients: Array, place: int) -> str:
        """The share of one category in the scores: the row of coefficients of its level."""
        unseen = np.zeros(len(coefficients)) if self.form.unknown == "zero" else np.full(len(coefficients), np.nan)
        refused = np.full(len(coefficients), np.nan)
        table = self.constant(np.vstack([coefficients.T, unseen, refused]), f"coefficients_{place}")
        codes = {level: code for code, level in enumerate(column.levels)}
        gap = len(column.levels) + 1 if column.fill is None else codes.get(str(column.fill), len(column.levels))
        codes = dict.fromkeys(sorted({*MISSING_WORDS, *self.form.marks}), gap) | codes
        code = self.node(
            "LabelEncoder",
            [self.input(column.name, self.onnx.TensorProto.STRING, 1)],
            f"code_{place}",
            keys_strings=list(codes),
            values_int64s=list(codes.values()),
            default_int64=len(column.levels),
        )
        self.codes[column.name] = code
        row = self.node("Gather", [table, code], f"row_{place}", axis=0)
        return self.node("Squeeze", [row, self.axis], f"share_{place}")


def _refused_label(form: Form) -> int | str:
    """The label of a row that the model refuses, which is not a class."""
    if isinstance(form.classes[0], str):
        label = ""
        while label in form.classes:
            label += "?"
        return label
    return min(0, *(int(label) for label in form.classes)) - 1


def _feed(session: Any, cells: Cells, precision: Precision) -> dict[str, Array]:
    """The inputs for onnxruntime, by name and in their types."""
    names = [entry.name for entry in session.get_inputs()]
    if isinstance(cells, np.ndarray):
        return {names[0]: cells.astype(precision)}
    feed = {}
    for name, values in zip(names, cells, strict=True):
        if values.dtype == object:
            values = np.array(["" if value is None else value for value in values], dtype=object)
        else:
            values = values.astype(precision)
        feed[name] = values[:, None]
    return feed


def _import(package: str) -> Any:
    """Raises MissingExtraError where a package of the extra is not installed."""
    from importlib import import_module

    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'ONNX needs {package}, which is not installed: pip install "polytome[onnx]"'
        ) from error
