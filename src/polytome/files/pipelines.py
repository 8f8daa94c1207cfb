"""A pipeline of scikit-learn that ends in a model of Polytome, in one safetensors file.

The file is that of the model (`polytome.files.model_file`), with the transformers before it: a
second text of its metadata, and tensors whose names begin with `step.`. As in the file of a model,
nothing in it is ever executed.
"""

from __future__ import annotations

import json
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.files.model_file import checksum_of, content_of, model_from
from polytome.files.saved_steps import STEP_TENSOR, step_from_saved, step_to_saved
from polytome.files.tensor_files import Tensors, read_texts_and_tensors
from polytome.plain.kinds import DAMAGED, brief, refuse
from polytome.plain.values import refuse_constant

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["load_pipeline", "save_pipeline"]

_KEY = "polytome_pipeline"
_FORMAT_VERSION = 1


def save_pipeline(pipeline: Pipeline, path: str | PathLike[str]) -> None:
    """Write a fitted pipeline that ends in a model of Polytome to one file, whole or not at all.

    Transformers may be scikit-learn's usual ones: of columns (`ColumnTransformer`), categories,
    scales, missing values, texts, polynomials and splines, `PCA` and `TruncatedSVD`.

    Args:
        pipeline: fitted.
        path: the file; an existing one is replaced only when the new one is complete.

    Raises:
        ArgumentError: this is no such pipeline, or a step, or a setting of it, is not made of
            values alone (such as a function); the message names the step.
        FileError: the file cannot be written; an existing one is unchanged.
        sklearn.exceptions.NotFittedError: the model has not been fitted.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from polytome import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]
        >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_pipeline(pipeline, Path(folder, "pipeline.safetensors"))
        ...     again = load_pipeline(Path(folder, "pipeline.safetensors"))
        >>> bool((again.predict_proba(X) == pipeline.predict_proba(X)).all())
        True
    """
    from safetensors.numpy import save as to_bytes
    from sklearn import __version__ as peer_version
    from sklearn.pipeline import Pipeline

    if type(pipeline) is not Pipeline:
        raise ArgumentError(f"pipeline is a {type(pipeline).__name__}: a Pipeline of scikit-learn is expected")
    names = [name for name, _ in pipeline.steps]
    model_text, tensors = content_of(pipeline.steps[-1][1])
    of_steps: Tensors = {}
    saved = {
        "format_version": _FORMAT_VERSION,
        "scikit_learn": peer_version,
        "names": names,
        "steps": [
            step if step is None or isinstance(step, str) else step_to_saved(step, name, of_steps)
            for name, step in pipeline.steps[:-1]
        ],
        "transform_input": getattr(pipeline, "transform_input", None),
    }
    try:
        _from_saved(saved, of_steps, None)  # whatever is written can be read back
    except FileError as error:
        raise ArgumentError(f"the pipeline cannot be saved: {str(error).removeprefix(DAMAGED)}") from error
    text = json.dumps({**saved, "checksum": checksum_of(saved, of_steps)}, allow_nan=False)
    content = to_bytes(tensors | of_steps, {"polytome": model_text, _KEY: text})
    with atomic_output(path) as stream:
        stream.write(content)


def load_pipeline(path: str | PathLike[str]) -> Pipeline:
    """Read a pipeline that `save_pipeline` wrote.

    Args:
        path: the file.

    Returns:
        The fitted pipeline: it predicts what the saved one did, to the last bit. Under another
        release of scikit-learn than the one it was saved by, `InconsistentVersionWarning` is given,
        as scikit-learn does.

    Raises:
        FileError: the file is missing, damaged, in a newer format, or holds no pipeline; the
            message names the file and what is wrong.

    Example:
        >>> load_pipeline("absent.safetensors")
        Traceback (most recent call last):
        polytome.errors.FileError: absent.safetensors: no such file; check the path
    """
    (text, model_text), tensors = read_texts_and_tensors(path, (_KEY, "polytome"))
    of_steps = {name: tensors.pop(name) for name in [*tensors] if name.startswith(STEP_TENSOR)}
    try:
        saved = json.loads(text, parse_constant=refuse_constant)
        if not isinstance(saved, dict) or {*saved} != {*_MEMBERS}:
            refuse("its pipeline is not described as one")
        if (version := saved["format_version"]) != _FORMAT_VERSION:
            raise FileError(f"its pipeline has format {brief(version)}, not {_FORMAT_VERSION}; upgrade Polytome")
        if saved.pop("checksum") != checksum_of(saved, of_steps):
            refuse("the checksum does not match the content; copy the file again")
        found = _from_saved(saved, of_steps, model_from(model_text, tensors))
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: {DAMAGED}its pipeline cannot be read ({error})") from error
    _warn_of_another_release(saved["scikit_learn"])
    return found


_MEMBERS = ("format_version", "scikit_learn", "names", "steps", "transform_input", "checksum")


def _from_saved(saved: dict[str, Any], tensors: Tensors, model: Any) -> Pipeline:
    from sklearn.pipeline import Pipeline

    names, steps = saved["names"], saved["steps"]
    if not (isinstance(names, list) and isinstance(steps, list) and len(names) == len(steps) + 1):
        refuse(f"its steps have the names {brief(names)}")
    if not all(isinstance(name, str) for name in names):
        refuse(f"its steps have the names {brief(names)}")
    made = [step if step is None or step == "passthrough" else step_from_saved(step, tensors) for step in steps]
    found = Pipeline([*zip(names, [*made, model], strict=True)])
    if saved["transform_input"] is not None:
        found.set_params(transform_input=saved["transform_input"])
    return found


def _warn_of_another_release(version: Any) -> None:
    """Say, as scikit-learn does, that transformers of another release may not work alike."""
    from sklearn import __version__
    from sklearn.exceptions import InconsistentVersionWarning

    if version != __version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name="Pipeline", current_sklearn_version=__version__, original_sklearn_version=str(version)
            ),
            stacklevel=3,
        )
