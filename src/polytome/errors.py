"""Every error Polytome raises on purpose.

    PolytomeError(ValueError)
        ArgumentError      an argument has a value that cannot be used
        DataError          an array, a table or its labels cannot be used
            DataTypeError    ... since it is, or holds, something of another type than numbers
        FileError          a file is missing, truncated, damaged, foreign or too new
        MissingExtraError  an optional dependency is not installed

A message names the argument, column, row, line or file, what was found there, and the remedy. Numerical outcomes
(no convergence, separation) are never errors: they are members of `polytome.Stop`.
"""

__all__ = ["ArgumentError", "DataError", "DataTypeError", "FileError", "MissingExtraError", "PolytomeError"]


class PolytomeError(ValueError):
    """Base of every error that Polytome raises on purpose."""


class ArgumentError(PolytomeError):
    """An argument has a value that cannot be used."""


class DataError(PolytomeError):
    """An array, a table or its labels cannot be used."""


class DataTypeError(DataError, TypeError):
    """An array or table cannot be used since it is, or holds, something of another type than numbers."""


class FileError(PolytomeError):
    """A file is missing, truncated, damaged, foreign, or written by a newer version."""


class MissingExtraError(PolytomeError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
