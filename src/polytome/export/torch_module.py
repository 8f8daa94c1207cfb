"""PyTorch: the model as a linear layer that returns scores, and its numbers as a safetensors file.

The layer returns scores, not probabilities, as PyTorch's losses expect:
`torch.nn.functional.cross_entropy(scores, codes)` to train on, `scores.softmax(1)` for
probabilities, `scores.argmax(1)` for the place of the class. There is one score for each class,
even with two classes (the first is 0), so the same program serves any number of classes.

The file is read with `module.load_state_dict(safetensors.torch.load_file(path))`; no pickle is
involved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, MissingExtraError
from polytome.evaluation.explain import feature_names
from polytome.export.form import form_of
from polytome.export.imported import certify_as_given, imported_model
from polytome.files.atomic_files import atomic_output
from polytome.files.tensor_files import read_tensors

if TYPE_CHECKING:
    from polytome.models.logistic import LogisticRegression

Array = NDArray[Any]

__all__ = ["from_torch", "to_torch", "write_torch"]


def to_torch(model: LogisticRegression) -> Any:
    """A float64 `torch.nn.Linear` that turns rows (n, d) into scores (n, K).

    Rows of a table are encoded first: `model.encoder_.encode(frame)`.

    Args:
        model: a fitted `LogisticRegression`.

    Raises:
        ArgumentError: the model cannot be exported.
        MissingExtraError: PyTorch is not installed.
    """
    form = form_of(model)
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError('PyTorch modules need torch: pip install "polytome[torch]"') from error
    shape = form.coefficients.shape[::-1]
    # Without it PyTorch would draw random numbers, and so change the results of a program with a
    # seed.
    module = torch.nn.utils.skip_init(torch.nn.Linear, *shape, dtype=torch.float64)
    module.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in _state(model).items()})
    return module


def write_torch(model: LogisticRegression, path: str | PathLike[str]) -> None:
    """Write the state of `to_torch(model)`, the tensors `weight` (K, d) and `bias` (K,), as a
    safetensors file.

    PyTorch need not be installed. The file's metadata hold classes, features, objective and
    certificate as text.

    Args:
        model: a fitted `LogisticRegression`.
        path: the file.

    Raises:
        ArgumentError: the model cannot be exported.
        FileError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_torch(model, Path(folder, "state.safetensors"))
        ...     again = from_torch(Path(folder, "state.safetensors"), ["no", "yes"])
        >>> bool((again.coef_ == model.coef_).all())
        True
    """
    from safetensors.numpy import save

    form = form_of(model)
    facts = {"classes": json.dumps(form.classes), "features": json.dumps(feature_names(model))}
    content = save(_state(model), form.facts | facts)
    with atomic_output(path) as stream:
        stream.write(content)


def from_torch(
    source: Any,
    classes: Any,
    X: Any = None,
    y: Any = None,
    *,
    C: float = 1.0,
    tol: float = 1e-4,
    sample_weight: Any = None,
) -> LogisticRegression:
    """A model from a linear layer that PyTorch has trained and, given the data, how far it is from
    the optimum.

    Args:
        source: a module with one linear layer (inside `Sequential` or not), its state dict, or a
            safetensors file of it. The layer must return scores: one for each class, or for two
            classes one for the second.
        classes: the labels in the order of the scores.
        X: rows that it was trained on, (n, d); None for no certificate.
        y: their labels.
        C: the inverse strength of the penalty to judge by, as in `LogisticRegression`.
        tol: the tolerance to judge by.
        sample_weight: one weight per row.

    Returns:
        A fitted model. Without X and y it has no `certificate_`, `objective_` and `stop_`.

    Raises:
        ArgumentError: there is not exactly one linear layer, or it does not fit the classes.
        DataError: X or y does not fit the layer.
        FileError: the file cannot be read.

    Example:
        >>> state = {"weight": np.array([[-1.0], [1.0]]), "bias": np.array([1.5, -1.5])}
        >>> model = from_torch(state, ["no", "yes"], [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> model.predict_proba([[1.5]]), model.certificate_.holds
        (array([[0.5, 0.5]]), False)
    """
    weight, bias = _layer(_tensors(source))
    settings = {"C": C, "tol": tol, "fit_intercept": bias is not None}
    model = imported_model((weight, np.zeros(len(weight)) if bias is None else bias), classes, **settings)
    if (X is None) != (y is None):
        raise ArgumentError("X and y belong together: give both for a certificate, or neither")
    if X is not None:
        certify_as_given(model, X, y, sample_weight, "PyTorch")
    return model


def _state(model: LogisticRegression) -> dict[str, Array]:
    """The tensors as PyTorch calls them."""
    form = form_of(model)
    return {"weight": np.ascontiguousarray(form.coefficients), "bias": form.intercepts}


def _tensors(source: Any) -> dict[str, Array]:
    """Names and numbers of a module, a state dict or a file."""
    if isinstance(source, str | PathLike):
        return read_tensors(source)[1]
    state = source.state_dict() if hasattr(source, "state_dict") else source
    if not isinstance(state, Mapping):
        raise ArgumentError(
            f"source is a {type(source).__name__}: needs a module, its state dict or a safetensors file"
        )
    return {
        str(name): np.asarray(values.detach().cpu().double().numpy() if hasattr(values, "detach") else values)
        for name, values in state.items()
    }


def _layer(tensors: dict[str, Array]) -> tuple[Array, Array | None]:
    """Weight and bias of the only linear layer."""
    kinds = {name: name.rpartition(".")[2] for name in tensors}
    weights = [values for name, values in tensors.items() if kinds[name] == "weight"]
    biases = [values for name, values in tensors.items() if kinds[name] == "bias"]
    if len(weights) != 1 or weights[0].ndim != 2 or len(biases) > 1 or len(tensors) != len(weights) + len(biases):
        raise ArgumentError(
            f"source has the tensors {sorted(tensors)[:8]}: needs one linear layer, a 'weight' of two dimensions and "
            "perhaps a 'bias'; a network with more layers is not a logistic regression"
        )
    return weights[0], biases[0] if biases else None
