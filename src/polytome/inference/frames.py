"""Tables as frames of the library that the data came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from polytome.errors import MissingExtraError

__all__ = ["FRAMES", "frame_of", "kind_of_frame"]

FRAMES = ("pandas", "polars", "pyarrow")
"""The libraries of frames, in the order in which they are looked for."""


def kind_of_frame(data: Any) -> str | None:
    """The library of a frame; None for anything else."""
    home = type(data).__module__.partition(".")[0]
    return home if home in FRAMES else None


def frame_of(columns: Mapping[str, Sequence[Any]], kind: str | None = None) -> Any:
    """A frame of a library, or of the first that is installed.

    Example:
        >>> frame_of({"term": ["age"], "coefficient": [0.5]}, "pandas")
          term  coefficient
        0  age          0.5
    """
    for name in FRAMES if kind is None else (kind,):
        try:
            library = import_module(name)
        except ImportError:
            continue
        return (library.table if name == "pyarrow" else library.DataFrame)(dict(columns))
    raise MissingExtraError("a frame needs pandas, polars or pyarrow: pip install 'polytome[stats]'")
