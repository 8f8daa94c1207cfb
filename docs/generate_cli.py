"""The page "Command line", made from the command line's own `--help` whenever the documents are
built."""

from __future__ import annotations

from typer.main import get_command
from typer.testing import CliRunner

from polytome.cli.app import app

INTRODUCTION = """\
# Command line

The command `polytome` comes with the extra `cli`: `pip install "polytome[cli]"`. `python -m polytome` is the same.
This page is what `polytome --help` and `polytome COMMAND --help` print.
"""


def commands() -> list[str]:
    """The names of the commands, in the order in which `polytome --help` lists them."""
    return list(get_command(app).commands)  # type: ignore[attr-defined]


def help_of(*command: str) -> str:
    """What a command prints when it is asked for help, 80 columns wide."""
    result = CliRunner().invoke(
        app, [*command, "--help"], prog_name="polytome", terminal_width=80, catch_exceptions=False
    )
    if result.exit_code != 0:
        raise RuntimeError(f"polytome {' '.join(command)} --help: exit status {result.exit_code}: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def page() -> str:
    """The whole page in Markdown: the command itself, then each of its commands."""
    sections = [INTRODUCTION, f"```text\n{help_of()}\n```\n"]
    sections += [f"## polytome {command}\n\n```text\n{help_of(command)}\n```\n" for command in commands()]
    return "\n".join(sections)
