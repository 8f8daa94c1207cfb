"""Read libsvm text: one row a line, `label index:value ...`, indices counted from 1 and ascending.

Reference:
    Chang and Lin, "LIBSVM: a library for support vector machines", ACM TIST 2 (2011).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import DataError
from polytome.frames import EXACT, NumberCells
from polytome.readers.opening import opened

__all__ = ["looks_like_libsvm", "read_libsvm"]

_PIECE = 1 << 23
_LARGEST_INDEX = 2**31 - 1
_LINE = re.compile(rb"\s*[-+.\deE]+(?:\s+\d+:\S+)+\s*(?:#.*)?")


class _Piece(NamedTuple):
    """Some whole lines as numbers."""

    labels: NDArray[Any]  # float64, or text where a whole number is too large for it
    lengths: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]


def looks_like_libsvm(start: bytes) -> bool:
    """Tell whether text begins with a line of libsvm."""
    lines = [line for line in start.splitlines()[:20] if line.strip() and not line.startswith(b"#")]
    return bool(lines) and _LINE.fullmatch(lines[0]) is not None


def read_libsvm(path: Path, n_features: int | None = None) -> tuple[sparse.csr_array, NDArray[Any]]:
    """Read a libsvm file piece by piece.

    Args:
        path: the file, plain, gzip or bzip2.
        n_features: the number of columns; None takes the largest index. A test file may stay below it, never
            above.

    Returns:
        X `(n, n_features)` CSR float64, and the labels `(n,)` as numbers, or as text where one of them is a whole
            number that float64 does not hold.

    Raises:
        DataError: a line is malformed or holds an index above `n_features`; the message names the line.
        FileError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "two.svm")
        ...     _ = path.write_text("+1 1:0.5 3:2\\n-1 2:1\\n")
        ...     X, y = read_libsvm(path)
        >>> X.toarray(), y
        (array([[0.5, 0. , 2. ],
               [0. , 1. , 0. ]]), array([ 1., -1.]))
    """
    pieces = []
    first_line = 1
    with opened(path) as stream:
        for text in _whole_lines(stream):
            piece = _parse(text)
            if piece is None or (n_features is not None and piece.columns.max(initial=-1) >= n_features):
                raise DataError(_explain(path, text, first_line, n_features))
            pieces.append(piece)
            first_line += text.count(b"\n")
    joined = _Piece(
        labels=_joined_labels([piece.labels for piece in pieces]),
        lengths=np.concatenate([piece.lengths for piece in pieces]),
        columns=np.concatenate([piece.columns for piece in pieces]),
        values=np.concatenate([piece.values for piece in pieces]),
    )
    if not len(joined.labels):
        raise DataError(f"{path}: no line holds a row; each needs the form 'label index:value ...'")
    widest = int(joined.columns.max(initial=-1)) + 1
    if n_features is None and widest == 0:
        raise DataError(f"{path}: every row is empty; each line needs the form 'label index:value ...'")
    ends = np.concatenate([[0], np.cumsum(joined.lengths)])
    shape = (len(joined.labels), widest if n_features is None else n_features)
    X: sparse.csr_array[np.float64] = sparse.csr_array((joined.values, joined.columns, ends), shape=shape)
    return X, joined.labels


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Cut a stream into pieces that end with a line."""
    rest = b""
    while piece := stream.read(_PIECE):
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += piece
    if rest.strip():
        yield rest + b"\n"


def _parse(text: bytes) -> _Piece | None:
    """Read whole lines at once; None when any of them is malformed, which `_explain` then names."""
    text = re.sub(rb"#[^\n]*", b"", text) if b"#" in text else text
    raw = np.frombuffer(text, dtype=np.uint8)
    blank = raw <= ord(" ")
    starts = np.flatnonzero(~blank & np.concatenate([[True], blank[:-1]]))
    colons = np.flatnonzero(raw == ord(":"))
    line_of_token = np.searchsorted(np.flatnonzero(raw == ord("\n")), starts)
    leads_line = np.diff(line_of_token, prepend=-1) > 0
    # Every token but a line's first must hold exactly one colon, and the first none.
    if not np.array_equal(np.searchsorted(starts, colons, side="right") - 1, np.flatnonzero(~leads_line)):
        return None
    numbers = _numbers(text.replace(b":", b" "))
    if numbers is None or len(numbers) != len(starts) + len(colons) or not np.isfinite(numbers).all():
        return None
    firsts = np.flatnonzero(leads_line)
    lengths = np.diff(firsts, append=len(starts)) - 1
    label_places = firsts + np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(firsts) else firsts
    pairs = np.delete(numbers, label_places)
    indices, values = pairs[0::2], pairs[1::2]
    row = np.repeat(np.arange(len(lengths)), lengths)
    ascending = (np.diff(indices) > 0) | (np.diff(row) > 0)
    whole = (indices == np.floor(indices)) & (indices >= 1) & (indices <= _LARGEST_INDEX)
    if not (ascending.all() and whole.all()):
        return None
    labels = numbers[label_places]
    if (np.abs(labels) >= EXACT).any():  # rounding may have led there
        words = text.split()
        labels = np.array([_exact(words[place].decode()) for place in firsts])
    return _Piece(labels, lengths, (indices - 1).astype(np.int32), values)


def _joined_labels(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The labels of all pieces, as text if those of one are."""
    if any(part.dtype.kind == "U" for part in parts):
        parts = [
            part if part.dtype.kind == "U" else np.array([_exact(str(label)) for label in part.tolist()])
            for part in parts
        ]
    return np.concatenate(parts)


def _exact(word: str) -> str:
    """Spell a number so that equal ones are equal and whole ones keep all digits."""
    try:
        return str(int(word))
    except ValueError:
        return NumberCells(np.array([float(word)])).text(0)


def _numbers(text: bytes) -> NDArray[np.float64] | None:
    """Read numbers between blanks; None when a word is no number."""
    try:
        return np.array(text.split(), dtype=np.bytes_).astype(np.float64)
    except ValueError:
        return None


def _explain(path: Path, text: bytes, first_line: int, n_features: int | None) -> str:
    """Say which line is wrong, what it holds and what to do."""
    for number, line in enumerate(text.split(b"\n"), start=first_line):
        trouble = _trouble(line.partition(b"#")[0].decode("utf-8", errors="replace").split(), n_features)
        if trouble:
            return f"{path}, line {number}: {trouble}"
    return f"{path}, lines from {first_line}: not libsvm text; each line needs the form 'label index:value ...'"


def _trouble(tokens: list[str], n_features: int | None) -> str | None:
    """Find what is wrong with one line."""
    if tokens and not _is_finite(tokens[0]):
        return f"label {tokens[0]!r} is not a number; a line needs the form 'label index:value ...'"
    before = 0
    for token in tokens[1:]:
        index, colon, value = token.partition(":")
        if not colon:
            return f"{token!r} has no colon; a line needs the form 'label index:value ...'"
        if index == "qid":
            return f"{token!r} marks a ranking query; remove the qid entries"
        if not index.isdecimal():
            return f"index {index!r} in {token!r} is not a whole number from 1"
        if not _is_finite(value):
            return f"value {value!r} in {token!r} is not a finite number"
        if int(index) == 0:
            return f"index 0 in {token!r}; indices are counted from 1: add one to every index of this file"
        if int(index) > _LARGEST_INDEX:
            return f"index {index} in {token!r} is above the largest possible, {_LARGEST_INDEX}"
        if int(index) <= before:
            word = "twice" if int(index) == before else f"after index {before}"
            return f"index {index} comes {word}; sort the indices of each line and keep each once"
        if n_features is not None and int(index) > n_features:
            return (
                f"index {index} is above the {n_features} features expected; "
                "is this file from the same data set as the model?"
            )
        before = int(index)
    return None


def _is_finite(word: str) -> bool:
    """Tell whether a word spells a finite number as the fast reader takes it."""
    numbers = _numbers(word.encode())
    return numbers is not None and len(numbers) == 1 and bool(np.isfinite(numbers).all())
