"""`polytome check-sources`: every number and identity of the source documents beside what the
lessons compute."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from polytome.cli.options import Json
from polytome.cli.output import live_line, print_json

if TYPE_CHECKING:
    from polytome.teaching.documents import Verdict

__all__ = ["check_sources"]


def check_sources(as_json: Json = False) -> None:
    """Recompute every number and identity of the source documents.

    Runs all lessons. Each number is shown as printed and as computed; where a
    document is wrong, the correct value is computed and the error named. Exit
    status 1 if any number or identity disagrees.

    \b
    Examples:
      polytome check-sources
      polytome check-sources --json
    """
    from polytome.lessons import catalogue, run_lesson
    from polytome.teaching.documents import identities, numbers

    found: dict[str, Verdict] = {}
    with live_line() as report:
        for lesson in catalogue():
            report(f"running {lesson.name} ({len(found)} of {len(numbers()) + len(identities())} checked)")
            found |= {verdict.id: verdict for verdict in run_lesson(lesson).verdicts}
    groups = {
        "numbers": [found[name] for name in numbers() if name in found],
        "identities": [found[name] for name in identities() if name in found],
    }
    wrong = [verdict.id for verdict in found.values() if verdict.outcome == "disagrees"]
    if as_json:
        print_json({**{name: [asdict(verdict) for verdict in group] for name, group in groups.items()}, "wrong": wrong})
    else:
        _print(groups, wrong)
    if wrong:
        raise typer.Exit(1)


def _print(groups: dict[str, list[Verdict]], wrong: list[str]) -> None:
    from collections import Counter

    from polytome.teaching.terminal import lesson_console, print_verdicts

    console = lesson_console()
    for name, group in groups.items():
        counts = Counter(verdict.outcome for verdict in group)
        parts = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        console.print(f"\n{len(group)} {name}: {parts}", style="bold")
        print_verdicts(console, group)
    if wrong:
        console.print(f"\nDisagreeing: {', '.join(wrong)}", style="bold red")
