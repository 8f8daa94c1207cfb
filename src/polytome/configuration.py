"""What an installation of Polytome computes with, for bug reports and questions of speed."""

from __future__ import annotations

import platform
from importlib.metadata import version

__all__ = ["show_config"]


def show_config() -> None:
    """Print versions, how many threads a pass uses, and whether compiled code or NumPy does the
    passes over the rows.

    Raises:
        ArgumentError: an environment variable that this reads has a value that cannot be used.

    Example:
        >>> show_config()  # doctest: +ELLIPSIS
        polytome ...
        python ...
        numpy ...
        scipy ...
        scikit-learn ...
        threads ...
        passes ...
    """
    from polytome.threads import available_threads

    facts = {name: version(name) for name in ("polytome", "numpy", "scipy", "scikit-learn")}
    facts |= {"python": platform.python_version(), "threads": str(available_threads()), "passes": _passes()}
    for name in ("polytome", "python", "numpy", "scipy", "scikit-learn", "threads", "passes"):
        print(f"{name:13} {facts[name]}")


def _passes() -> str:
    """What does the passes over the rows, and why."""
    from polytome import native

    offered, chosen = native.instruction_sets(), native.instruction_set()
    if not offered:
        return "NumPy (the extension was not built: a C++20 compiler was missing at installation)"
    if chosen is None:
        return f"NumPy (POLYTOME_NATIVE=0; built for {', '.join(offered)})"
    return f"native, {chosen} (built for this processor: {', '.join(offered)})"
