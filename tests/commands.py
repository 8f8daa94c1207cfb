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


# A command that presses Ctrl-C itself, at an iterate, for all processes of its session as a
# terminal does. By the clock the key might be pressed before there is an iterate, or after the fit.
PRESSES_CTRL_C = """
import os, signal
from polytome.cli import main
from polytome.solvers import GradientDescent

plain = GradientDescent.iterates
def iterates(self, objective, start):
    for number, iterate in enumerate(plain(self, objective, start)):
        if number == 5:
            os.killpg(os.getpgrp(), signal.SIGINT)
        yield iterate
GradientDescent.iterates = iterates
main()
"""
