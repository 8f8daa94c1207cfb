"""Options that are declared once for all commands that take them."""

from dataclasses import dataclass
from inspect import signature
from typing import Annotated

import pytest
from typer.main import get_command

from commands import run
from polytome.cli.app import app
from polytome.cli.option_groups import Without, with_single_options

COMMANDS = list(get_command(app).commands)


@dataclass(frozen=True)
class Wheels:
    count: Annotated[int, "how many"] = 4
    size: float = 16.0
    spare: bool = False


def test_the_options_of_a_group_stand_where_the_group_does_and_arrive_as_one_value():
    got = []

    @with_single_options
    def drive(where: str, *, speed: int = 50, wheels: Annotated[Wheels, Without(["spare"])], late: bool = False):
        """Drive there."""
        got.append((where, speed, wheels, late))

    found = signature(drive).parameters
    assert list(found) == ["where", "speed", "count", "size", "late"]
    assert found["count"].annotation == Annotated[int, "how many"]
    assert [parameter.default for parameter in list(found.values())[1:]] == [50, 4, 16.0, False]
    drive(where="home", speed=30, count=3, size=20.0, late=True)
    assert got == [("home", 30, Wheels(3, 20.0), True)]
    assert drive.__doc__ == "Drive there."


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_eighty_columns(command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert [line for line in shown.stdout.split("\n") if len(line) > 80] == []
