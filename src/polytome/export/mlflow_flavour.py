"""A flavour of MLflow: models that its tracking keeps and `mlflow models serve` answers with.

The folder of a model holds the file of `polytome.save`, which is not executed, and MLflow's own
descriptions. Whatever loads it finds columns by name and fills missing cells as the model does.

Reference:
    MLflow, https://mlflow.org/docs/latest/ml/model/: custom flavours, `python_function`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from polytome._version import __version__
from polytome.errors import ArgumentError, FileError, MissingExtraError
from polytome.evaluation.explain import feature_names
from polytome.files.model_file import save
from polytome.files.sources import open_model
from polytome.models.fitted_source import source_of
from polytome.plain.values import plain

if TYPE_CHECKING:
    from polytome.models.model import Model
    from polytome.tables.encoder import Column

__all__ = ["check_tracking", "load_model", "log_model", "log_run", "save_model"]

_FILE = "model.safetensors"
_FLAVOUR = "polytome"
_LONGEST_PARAMETER = 500
_EXAMPLE_TERMS = 3


def save_model(model: Model, path: str | PathLike[str], mlflow_model: Any = None) -> None:
    """Write a model as a folder that MLflow loads and serves.

    Args:
        model: fitted, of any kind that has a file.
        path: the folder, which does not exist or is empty.
        mlflow_model: MLflow's description of it, where MLflow itself calls this function.

    Raises:
        FileError: the folder holds something, or cannot be written.
        MissingExtraError: mlflow is not installed.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> save_model(model, "model")  # doctest: +SKIP
        >>> mlflow.pyfunc.load_model("model").predict(pandas.DataFrame({"feature_0": [3.0]}))  # doctest: +SKIP
    """
    mlflow = _mlflow()
    folder = Path(path)
    if folder.is_dir() and any(folder.iterdir()):
        raise FileError(f"{folder}: holds something already; name an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    # MLflow runs a model by what these files ask for.
    needs = [f"polytome=={__version__}", "mlflow-skinny", "pandas"]
    (folder / "requirements.txt").write_text("\n".join(needs) + "\n")
    (folder / "python_env.yaml").write_text("dependencies:\n- -r requirements.txt\n")
    save(model, folder / _FILE)
    described = mlflow.models.Model() if mlflow_model is None else mlflow_model
    described.signature = _signature(model)
    example = folder / "input_example.json"
    example.write_text(json.dumps(_example(model)))
    described.saved_input_example_info = {
        "artifact_path": example.name,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    described.add_flavor(_FLAVOUR, polytome_version=__version__, data=_FILE)
    mlflow.pyfunc.add_to_model(described, loader_module=__name__, data=_FILE, python_env="python_env.yaml")
    described.save(folder / "MLmodel")


def log_model(model: Model, name: str = "model", **options: Any) -> Any:
    """Log a model to the active run of MLflow, or to a new one.

    Args:
        model: fitted.
        name: of the model in the run.
        options: of `mlflow.models.Model.log`, such as `registered_model_name`.

    Returns:
        MLflow's `ModelInfo`, whose `model_uri` loads it.

    Raises:
        MissingExtraError: mlflow is not installed.
    """
    import polytome.export.mlflow_flavour as flavour

    return _mlflow().models.Model.log(artifact_path=None, name=name, flavor=flavour, model=model, **options)


def load_model(uri: str) -> Any:
    """Read the model itself, with its certificate, from what `log_model` or `save_model` wrote.

    Args:
        uri: of MLflow, such as `runs:/RUN/model`, or a folder.

    Raises:
        FileError: there is no such model, or it was not written by this flavour.
        MissingExtraError: mlflow is not installed.
    """
    _mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        file = Path(download_artifacts(artifact_uri=uri)) / _FILE
    except (MlflowException, OSError) as error:
        raise FileError(f"{uri}: cannot be fetched ({_first_line(error)}); check the address") from error
    if not file.is_file():
        raise FileError(f"{uri}: holds no {_FILE}; name a model that log_model or save_model wrote")
    return open_model(file)


def check_tracking(uri: str) -> None:
    """Check before long work that a server or a store of MLflow answers.

    Args:
        uri: of its tracking; empty for the one that MLflow's own settings name.

    Raises:
        FileError: it does not.
        MissingExtraError: mlflow is not installed.
    """
    with _told(uri):
        _mlflow().MlflowClient(tracking_uri=uri or None).search_experiments(max_results=1)


def log_run(uri: str, facts: Mapping[str, Any], model: Model, write_report: Callable[[Path], object]) -> str:
    """Keep a training as a run of MLflow: settings, metrics, certificate, report and model.

    Args:
        uri: of its tracking; empty for the one that MLflow's own settings name.
        facts: what is known of the training, as `polytome.files.runs.keep_run` takes it.
        model: what came of it.
        write_report: writes a report on it to a path.

    Returns:
        The identifier of the run.

    Raises:
        FileError: the run cannot be kept.
        MissingExtraError: mlflow is not installed.
    """
    mlflow, told = _mlflow(), plain(dict(facts))
    with _told(uri), TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(uri or None)
        write_report(Path(folder, "report.html"))
        Path(folder, "run.json").write_text(json.dumps(told, indent=1))
        Path(folder, "certificate.json").write_text(json.dumps(told["certificate"], indent=1))
        with mlflow.start_run() as run:
            settings = {**told["settings"], "data": told["data"]["name"]}
            mlflow.log_params({name: str(value)[:_LONGEST_PARAMETER] for name, value in settings.items()})
            mlflow.log_metrics(_metrics(told))
            mlflow.set_tags({"command": told["command"], "data_sha256": told["data_sha256"]})
            mlflow.log_artifacts(folder)
            log_model(model)
        return str(run.info.run_id)


class _Served:
    """A model as MLflow calls it."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Any, params: Mapping[str, Any] | None = None) -> Any:
        """A frame of the column `prediction`, and `probability_CLASS` for each class."""
        import pandas

        model = self.model
        if source_of(model).encoder is None:
            names = [name for name in feature_names(model) if name not in rows]
            if names:
                raise ArgumentError(f"rows lack the column {names[0]!r}")
            rows = rows[list(feature_names(model))].to_numpy(dtype=np.float64)
        found = {"prediction": np.asarray(model.predict(rows)).tolist()}
        if model.has_probabilities:
            probabilities = np.asarray(model.predict_proba(rows))
            found |= {f"probability_{label}": probabilities[:, k] for k, label in enumerate(model.classes_.tolist())}
        return pandas.DataFrame(found)


def _load_pyfunc(path: str) -> _Served:
    """What MLflow calls to load a model."""
    return _Served(open_model(path))


def _signature(model: Model) -> Any:
    """The columns of the rows and their types."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    columns = [
        ColSpec("double" if column is not None and column.kind == "number" else "string", name)
        for name, column in _columns(model).items()
    ]
    return ModelSignature(inputs=Schema(columns))


def _example(model: Model) -> dict[str, Any]:
    """A row that may be sent, as MLflow keeps it."""
    encoder, training = source_of(model).encoder, source_of(model).training
    means = {}
    if training is not None:
        names = feature_names(model) if encoder is None else encoder.feature_names
        means = dict(zip(names, np.asarray(training.mean).tolist(), strict=True))
    columns = _columns(model)
    row = [_example_cell(name, column, means.get(name, 0.0)) for name, column in columns.items()]
    return {"columns": list(columns), "data": [row]}


def _example_cell(name: str, column: Column | None, mean: float) -> float | str:
    if column is None:
        return "2020-01-31"  # a date, of which the model reads parts
    if column.terms is not None:
        return " ".join(column.terms.words[:_EXAMPLE_TERMS])
    return column.levels[0] if column.levels else float(f"{mean:.4g}")


def _columns(model: Model) -> dict[str, Column | None]:
    """What rows bring, by name; None for a date, or a number that is written with marks."""
    from polytome.tables.encoder import Column

    encoder = source_of(model).encoder
    if encoder is None:
        return {name: Column(name, "number") for name in feature_names(model)}
    marked = {each.name for each in encoder.numbers}
    known = {column.name: column for column in encoder.read_columns if column.name not in marked}
    return {name: known.get(name) for name in encoder.source_names}


def _metrics(told: Mapping[str, Any]) -> dict[str, float]:
    """All numbers of an evaluation and of the certificate that are no texts or tables."""
    values = {**(told["metrics"] or {}), "seconds": told["seconds"]}
    values |= {f"certificate_{name}": value for name, value in told["certificate"].items()}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Raise what MLflow raises as an error of Polytome."""
    _mlflow()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except ModuleNotFoundError as error:  # of a store, which mlflow-skinny lacks
        raise MissingExtraError(
            f'MLflow needs {error.name}, which is not installed: pip install "polytome[mlflow]"'
        ) from error
    except (MlflowException, OSError) as error:
        place = uri or os.environ.get("MLFLOW_TRACKING_URI", "its default")
        raise FileError(f"mlflow:{place}: cannot be used ({_first_line(error)}); check the address") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300].rstrip(".")


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.models
        import mlflow.pyfunc
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'MLflow needs {error.name}, which is not installed: pip install "polytome[mlflow]"'
        ) from error
    return mlflow
