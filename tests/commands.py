"""Polytome's command line, called as its user would call it in a terminal of 80 columns."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from polytome.cli.app import app


def run(*words: object) -> Result:
    """What came of `polytome WORDS`."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(word) for word in words])


def done(*words: object) -> str:
    """What a command that succeeds writes."""
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout
