"""The command `polytome`: train, predict, evaluate, explain, datasets.

The commands compute nothing: they call library functions and show what these return. scikit-learn
and NumPy are imported when a command runs, so that `polytome --help` answers at once.

Exit status: 0 done; 1 an error, reported in one line; 2 a wrong option; 3 no certificate that
holds, under `--strict`; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA = ("typer", "rich", "click")


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        from polytome.cli.app import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        sys.exit(f'Error: the command line needs {package}, which is not installed: pip install "polytome[cli]"')
    except KeyboardInterrupt:  # the commands, which set this later, are not imported yet
        sys.exit(130)
