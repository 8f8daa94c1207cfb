"""The model that is served: read from its file, checked, described, and replaced when the file is.

A request takes `ModelFile.current` once and keeps it: a new model replaces it by one assignment,
after it has been read and has predicted a row, and requests in progress finish with the model they
began with.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polytome.errors import FileError
from polytome.files.model_file import load
from polytome.files.sources import encoder_of
from polytome.models.fitted import NO_CERTIFICATE, certificate_of, learns_in_parts, nameless
from polytome.models.fitted_source import source_of
from polytome.plain.values import plain
from polytome.serve.descriptions import describe, full_value
from polytome.tables.encoder import Encoder

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["ModelFile", "ServedModel"]

_log = logging.getLogger("polytome.serve")
_EVERY = 0.5
Signature = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model and what answers need repeatedly.

    Attributes:
        name: of its file.
        model: fitted; its `source_` has an encoder, so that all interfaces refer to the same
            columns.
        encoder: how the columns of a table become its features.
        loaded_at: when it was read.
        full: the value of full ink if a row is an image.
        classes_json: the labels, written once.
        description: what `GET /model` answers.
    """

    name: str
    model: Fitted
    encoder: Encoder
    loaded_at: datetime
    full: float
    classes_json: str
    description: bytes

    @classmethod
    def read(cls, path: Path) -> ServedModel:
        """Read a model, check that it predicts, and prepare everything whose size depends on it.

        Raises:
            FileError: the file is missing, damaged, not a model, or one of a kind that is not
                served.
        """
        model = load(path)
        if learns_in_parts(model):
            raise FileError(
                f"{path}: the model {NO_CERTIFICATE}; what is served are probabilities with their certificate: serve a "
                "model that was fitted to all rows, or use polytome predict"
            )
        if certificate_of(model) is None or model.outputs != "classes" or not model.has_probabilities:
            raise FileError(
                f"{path}: holds a {type(model).__name__}, and what is served are probabilities of classes with their "
                "certificate: serve a LogisticRegression or a OneVsRest, or use polytome predict"
            )
        if vars(model).get("needs_offset_", False):
            raise FileError(
                f"{path}: its rows need an offset beside their columns; save model.offset_as_columns(), which has it "
                "among them, and serve that"
            )
        encoder = encoder_of(model)
        model = nameless(model)  # its encoder finds the columns; the arrays that it makes have no names
        model.source_ = replace(model.source_, encoder=encoder)
        model.predict_proba(np.zeros((1, model.n_features_in_)))
        loaded_at = datetime.now(UTC)
        facts = {**describe(path.name, model), "loaded_at": loaded_at.isoformat(timespec="seconds")}
        classes = json.dumps(model.classes_.tolist())
        description = json.dumps(plain(facts)).encode()
        return cls(path.name, model, encoder, loaded_at, full_value(model), classes, description)

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Height and width where a row is an image."""
        shape: tuple[int, int] | None = source_of(self.model).image_shape
        return shape


class ModelFile:
    """A file whose newest valid content is served.

    Args:
        path: the model file.
        reloaded: called with "done" or "refused" whenever the file has changed.

    Raises:
        FileError: there is no valid model at the start.
    """

    def __init__(self, path: Path, reloaded: Callable[[str], None]) -> None:
        self.path = path
        self._reloaded = reloaded
        self._seen = _signature(path)
        self.current = ServedModel.read(path)

    async def watch(self) -> None:
        """Check the file repeatedly; a change counts once the file has not changed since the last
        check."""
        last = self._seen
        while True:
            await asyncio.sleep(_EVERY)
            found = _signature(self.path)
            if found == last and found != self._seen:
                self._seen = found
                await self._replace()
            last = found

    async def _replace(self) -> None:
        """Take the new content, or keep the old model and say why."""
        try:
            self.current = await asyncio.to_thread(ServedModel.read, self.path)
        except Exception as error:  # whatever error a file causes, the old model is served and the next one is read
            _log.error("%s", f"the model is kept as it was read at {self.current.loaded_at:%H:%M:%S} UTC: {error}")
            self._reloaded("refused")
        else:
            _log.info("%s", f"{self.path} was replaced: {self.current.model.certificate_}")
            self._reloaded("done")


def _signature(path: Path) -> Signature | None:
    """What changes when a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
