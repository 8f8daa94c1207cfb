"""The words of the library's errors for a client of the server, which has no command-line
options."""

from __future__ import annotations

import re

__all__ = ["words_for_client"]

_OPTION = re.compile(r"(?<![\w-])--[a-z]")
_ASIDE = re.compile(r" \((?:or )?[^()]*--[a-z][^()]*\)(?=$|,? or )")
_MOST = 2000


def words_for_client(words: str) -> str:
    """An error's words without the remedies that are options of the command line.

    A message says what is wrong and then, after a semicolon, one or more remedies. Remedies that
    name an option are left out: a client can neither restart the server nor retrain its model.

    Args:
        words: of an error of `polytome.errors`.

    Example:
        >>> words_for_client("row 2, column 'age': is missing; fill it in, or choose --missing mean in training")
        "row 2, column 'age': is missing; fill it in"
    """
    place, *remedies = words.split("; ")
    kept = [rest for rest in map(_without_options, remedies) if rest]
    if remedies and not kept:
        kept = ["correct what was sent"]
    return "; ".join([place, *kept])[:_MOST]


def _without_options(remedy: str) -> str:
    """The remedies that name no option."""
    if not _OPTION.search(remedy):
        return remedy
    ways = re.split(r",? or ", _ASIDE.sub("", remedy))
    return ", or ".join(way for way in ways if not _OPTION.search(way))
