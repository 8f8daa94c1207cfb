"""The methods of a model that do the work of a higher floor: the single place where a lower floor
names a higher one.

`model.save(...)` writes a file, and files stand on models. So that no import goes up, the name of
the function and of its home stand here as text, and are resolved when the method is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["higher"]

_HOMES = {
    "draw_path": "polytome.plots.paths",
    "draw_stability": "polytome.plots.stability",
    "make_report": "polytome.report",
    "record_training": "polytome.files.training_record",
    "save": "polytome.files.model_file",
    "summary": "polytome.report.notebook",
}


def higher(name: str) -> Any:
    """A function of a higher floor.

    Example:
        >>> higher("save").__module__
        'polytome.files.model_file'
    """
    return getattr(import_module(_HOMES[name]), name)
