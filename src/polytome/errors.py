"""Every error Polytome raises on purpose.

    PolytomeError(ValueError)
        ArgumentError      an argument has a value that cannot be used
        ClusterError       workers were lost, took too long, or lack what is needed
        DataError          an array, a table or its labels cannot be used
            DataTypeError    ... because it is, or holds, something other than numbers
        FileError          a file is missing, truncated, damaged, foreign or too new
        MissingExtraError  an optional dependency is not installed

A message names the argument, column, row, line or file, what was found there, and the remedy.
Numerical outcomes (no convergence, separation) are never errors: they are members of
`polytome.Stop`. A message is one line that can be shown, whatever the names of columns, files or
classes contain: line ends become blanks, and control characters are written as Python escapes them.
"""

import unicodedata

__all__ = [
    "ArgumentError",
    "ClusterError",
    "DataError",
    "DataTypeError",
    "FileError",
    "MissingExtraError",
    "PolytomeError",
]


_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Control characters, direction marks, half surrogate pairs, ends of lines and paragraphs."""


class PolytomeError(ValueError):
    """Base of every error that Polytome raises on purpose.

    Example:
        >>> str(PolytomeError("class 'a\\nb\\t': not known"))
        "class 'a b\\\\t': not known"
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_one_line(each) if isinstance(each, str) else each for each in arguments))


def _one_line(text: str) -> str:
    text = " ".join(text.splitlines()) if "\n" in text else text
    if text.isprintable():
        return text
    return "".join(repr(each)[1:-1] if unicodedata.category(each) in _NOT_SHOWN else each for each in text)


class ArgumentError(PolytomeError):
    """An argument has a value that cannot be used."""


class ClusterError(PolytomeError):
    """Workers of a cluster were lost, took too long, or lack what is needed."""


class DataError(PolytomeError):
    """An array, a table or its labels cannot be used."""


class DataTypeError(DataError, TypeError):
    """An array or table cannot be used because it is, or holds, something other than numbers."""


class FileError(PolytomeError):
    """A file is missing, truncated, damaged, foreign, or written by a newer version."""


class MissingExtraError(PolytomeError, ImportError):
    """An optional dependency is not installed; the message names the extra that installs it."""
