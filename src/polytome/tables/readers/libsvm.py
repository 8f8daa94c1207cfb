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

from polytome import native
from polytome.errors import DataError
from polytome.tables.frames import EXACT, NumberCells
from polytome.tables.readers.arrays import COLUMN_BYTES
from polytome.tables.readers.opening import START_BYTES, InputFile

__all__ = ["Lines", "joined_labels", "looks_like_libsvm", "parse_lines", "read_libsvm"]

_PIECE = 1 << 23
_LARGEST_INDEX = 2**31 - 1
_ENTRY_BYTES = 24
"""What an entry or a label takes: a value and a column, and their copy when pieces are """
_TEXT_BYTES = 80
"""Bytes that a label takes while it is text, until all labels are known."""
_LONG_WORD = 40
_COMMENT = re.compile(rb"#[^\n]*")
_LINE = re.compile(rb"\s*[-+.\deE]+(?:\s+\d+:\S+)+\s*(?:#.*)?")


class Lines(NamedTuple):
    """Some lines as numbers."""

    labels: NDArray[Any]
    """float64, or texts as objects where a whole number is too large for it."""
    lengths: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]
    head: int
    """Entries that belong to the last row of the piece before."""


def looks_like_libsvm(start: bytes) -> bool:
    """Tell whether text begins with a line of libsvm."""
    if len(start) == START_BYTES and b"\n" not in start:  # a word that is cut is not part of the line
        start = start.rpartition(b" ")[0]
    lines = [line for line in start.splitlines()[:20] if line.strip() and not line.startswith(b"#")]
    return bool(lines) and _LINE.fullmatch(lines[0]) is not None


def read_libsvm(path: Path | InputFile, n_features: int | None = None) -> tuple[sparse.csr_array, NDArray[Any]]:
    """Read a libsvm file piece by piece.

    Args:
        path: the file, plain, gzip or bzip2.
        n_features: the number of columns; None takes the largest index. A test file may stay below
            it, never above.

    Returns:
        X `(n, n_features)` CSR float64, and the labels `(n,)` as numbers, or as text where one of
            them is a whole number that float64 does not hold.

    Raises:
        DataError: a line is malformed or holds an index above `n_features`; the message names the
            line.
        FileError: the file cannot be read, or needs more memory than is allowed, such as for an
            index by far too large.

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
    file = InputFile.of(path)
    pieces: list[Lines] = []
    place = _Place(1, None)
    taken = 0
    with file.opened() as stream:
        for text in _pieces(file, stream):
            piece = _parse(text, place.last)
            widest = 0 if piece is None else int(piece.columns.max(initial=-1)) + 1
            if piece is None or (n_features is not None and widest > n_features):
                raise DataError(_explain(file, text, place, n_features))
            if n_features is None:
                line = place.line + text.count(b"\n", 0, max(0, text.find(b"%d:" % widest)))
                file.allowance.check(f"{file}, line {line}", COLUMN_BYTES * widest, f"index {widest}")
            taken += _ENTRY_BYTES * (len(piece.values) + len(piece.labels))
            taken += _TEXT_BYTES * len(piece.labels) * (piece.labels.dtype.kind == "O")
            file.allowance.check(file, taken, "its contents")
            pieces.append(piece)
            place = place.after(text)
    return _joined(file, pieces, n_features)


class _Place(NamedTuple):
    """Where a piece of text begins: in which line, and, where that began before, after which index
    (0 for none)."""

    line: int
    last: int | None

    def after(self, text: bytes) -> _Place:
        """Where the next piece begins."""
        newlines = text.count(b"\n")
        last = text[text.rfind(b"\n") + 1 :].rsplit(None, 1)[-1:]
        if last:
            index, colon, _ = last[0].partition(b":")
            return _Place(self.line + newlines, int(float(index)) if colon else 0)
        return _Place(self.line + newlines, None if newlines else self.last)


def _joined(file: InputFile, pieces: list[Lines], n_features: int | None) -> tuple[sparse.csr_array, NDArray[Any]]:
    """All pieces as one array."""
    if not any(len(piece.labels) for piece in pieces):
        raise DataError(f"{file}: no line holds a row; each needs the form 'label index:value ...'")
    labels = joined_labels(file, [piece.labels for piece in pieces])
    lengths, columns, values = (np.concatenate(parts) for parts in zip(*(p[1:4] for p in pieces), strict=True))
    widest = int(columns.max(initial=-1)) + 1
    if n_features is None and not widest:
        raise DataError(f"{file}: every row is empty; each line needs the form 'label index:value ...'")
    row = 0
    for piece in pieces:
        if piece.head:
            lengths[row - 1] += piece.head
        row += len(piece.labels)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(labels), widest if n_features is None else n_features)
    X: sparse.csr_array[np.float64] = sparse.csr_array((values, columns, ends), shape=shape)
    return X, labels


def _pieces(file: InputFile, stream: IO[bytes]) -> Iterator[bytes]:
    """Cut text between lines; where a line is longer than a piece, between words."""
    rest = b""
    for piece in _uncommented(stream):
        text = rest + piece
        end = 1 + (text.rfind(b"\n") if b"\n" in piece else max(text.rfind(b" "), text.rfind(b"\t")))
        rest = text[end:]
        if not end and len(rest) > _PIECE:
            raise DataError(f"{file}: holds a word of more than {_PIECE >> 20} MiB, so this is not libsvm text")
        if end:
            yield text[:end]
    if rest.strip():
        yield rest + b"\n"


def _uncommented(stream: IO[bytes]) -> Iterator[bytes]:
    """Read text in pieces, without comments from # to the end of a line."""
    commented = False
    while piece := stream.read(_PIECE):
        if commented or b"#" in piece:
            piece = (b"#" if commented else b"") + piece
            commented = b"\n" not in piece[piece.rfind(b"#") :]
            piece = _COMMENT.sub(b"", piece)
        yield piece


def _parse(text: bytes, last: int | None) -> Lines | None:
    """Read text at once; None when anything in it is malformed, which `_explain` then names.

    It goes on with a line after the index `last`, or begins one where that is None.
    """
    if last is None and (found := native.libsvm_lines(text)) is not None:
        return Lines(*found, head=0)
    raw = np.frombuffer(text, dtype=np.uint8)
    blank = raw <= ord(" ")
    starts = np.flatnonzero(~blank & np.concatenate([[True], blank[:-1]]))
    colons = np.flatnonzero(raw == ord(":"))
    line_of_token = np.searchsorted(np.flatnonzero(raw == ord("\n")), starts)
    leads_line = np.diff(line_of_token, prepend=-1 if last is None else 0) > 0
    # Every token but a line's first must hold exactly one colon, and the first none.
    if not np.array_equal(np.searchsorted(starts, colons, side="right") - 1, np.flatnonzero(~leads_line)):
        return None
    numbers = _plain_numbers(raw, blank)
    numbers = _numbers(text.replace(b":", b" ")) if numbers is None else numbers
    if numbers is None or len(numbers) != len(starts) + len(colons) or not np.isfinite(numbers).all():
        return None
    firsts = np.flatnonzero(leads_line)
    lengths = np.diff(firsts, append=len(starts)) - 1
    head = int(firsts[0]) if len(firsts) else len(starts)
    label_places = 2 * firsts - np.arange(len(firsts))
    pairs = np.delete(numbers, label_places)
    indices, values = pairs[0::2], pairs[1::2]
    row = np.repeat(np.arange(-1, len(lengths)), np.concatenate([[head], lengths]))
    ascending = (np.diff(indices) > 0) | (np.diff(row) > 0)
    whole = (indices == np.floor(indices)) & (indices >= 1) & (indices <= _LARGEST_INDEX)
    if not (ascending.all() and whole.all()) or (last is not None and head and indices[0] <= last):
        return None
    labels = numbers[label_places]
    if (np.abs(labels) >= EXACT).any():  # possibly by rounding
        words = text.split()
        labels = np.array([_exact(words[place].decode()) for place in firsts], dtype=np.object_)
    return Lines(labels, lengths, (indices - 1).astype(np.int32), values, head)


def _plain_numbers(raw: NDArray[np.uint8], blank: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The numbers between blanks and colons, where pyarrow is at hand and reads each of them as
    Python does; else None."""
    try:
        import pyarrow
    except ImportError:
        return None
    apart = blank | (raw == ord(":"))
    edges = np.diff(apart, prepend=True, append=True)
    starts, ends = (np.flatnonzero(edges)[place::2] for place in (0, 1))
    if not len(starts):
        return None
    # A plus sign before a digit, which pyarrow does not read.
    after = raw[np.minimum(starts + 1, len(raw) - 1)]
    plus = (raw[starts] == ord("+")) & (after >= ord("0")) & (after <= ord("9")) & (ends > starts + 1)
    apart[starts[plus]] = True
    offsets = np.concatenate([[0], np.cumsum(ends - starts - plus)]).astype(np.int32)
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(raw[~apart])]
    try:
        words = pyarrow.Array.from_buffers(pyarrow.string(), len(starts), buffers)
        numbers: NDArray[np.float64] = words.cast(pyarrow.float64()).to_numpy()
    except pyarrow.ArrowException:
        return None
    return numbers


def joined_labels(file: InputFile, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The labels of all pieces, as text if those of one are."""
    if all(part.dtype.kind == "f" for part in parts):
        return np.concatenate(parts)
    texts = [label if isinstance(label, str) else _exact(repr(label)) for part in parts for label in part.tolist()]
    # An array of texts gives each the room of the longest, four bytes a letter.
    file.allowance.check(file, 4 * max(map(len, texts)) * len(texts), "its labels")
    return np.array(texts)


def _exact(word: str) -> str:
    """Spell a number so that equal ones are equal and whole ones keep all digits."""
    try:
        return str(int(word))
    except ValueError:
        return NumberCells(np.array([float(word)])).text(0)


def _numbers(text: bytes) -> NDArray[np.float64] | None:
    """Read numbers between blanks; None when a word is not a number."""
    words = text.split()
    if max(map(len, words), default=0) <= _LONG_WORD:
        return _converted(words)
    # An array of texts gives each the room of the longest: the few that are long go alone.
    is_long = np.array([len(word) > _LONG_WORD for word in words])
    numbers = np.empty(len(words))
    for place in np.flatnonzero(is_long):
        number = _converted([words[place]])
        if number is None:
            return None
        numbers[place] = number[0]
    short = _converted([word for word in words if len(word) <= _LONG_WORD])
    if short is None:
        return None
    numbers[~is_long] = short
    return numbers


def _converted(words: list[bytes]) -> NDArray[np.float64] | None:
    """Words as numbers; None if one is not a number."""
    try:
        return np.array(words, dtype=np.bytes_).astype(np.float64)
    except ValueError:
        return None


def parse_lines(source: InputFile, text: bytes, line: int, n_features: int | None) -> Lines:
    """Read some whole lines.

    Args:
        source: what messages call the file.
        text: the lines.
        line: the number of the first one.
        n_features: the largest index; None for no limit.

    Raises:
        DataError: a line is malformed or holds a larger index; the message names the line.
    """
    plain = _COMMENT.sub(b"", text) if b"#" in text else text
    found = _parse(plain, None)
    if found is None or (n_features is not None and int(found.columns.max(initial=-1)) >= n_features):
        raise DataError(_explain(source, plain, _Place(line, None), n_features))
    return found


def _explain(file: InputFile, text: bytes, place: _Place, n_features: int | None) -> str:
    """Say which line is wrong, what it holds and what to do."""
    before = place.last
    for number, line in enumerate(text.split(b"\n"), start=place.line):
        trouble = _trouble(line.decode("utf-8", errors="replace").split(), before, n_features)
        if trouble:
            return f"{file}, line {number}: {trouble}"
        before = None
    return f"{file}, lines from {place.line}: not libsvm text; each line needs the form 'label index:value ...'"


def _trouble(tokens: list[str], before: int | None, n_features: int | None) -> str | None:
    """Find what is wrong with one line, or with what of it follows after an index."""
    if before is None:
        if tokens and not _is_finite(tokens[0]):
            return f"label {_short(tokens[0])} is not a number; a line needs the form 'label index:value ...'"
        before, tokens = 0, tokens[1:]
    for token in tokens:
        index, colon, value = token.partition(":")
        if not colon:
            return f"{_short(token)} has no colon; a line needs the form 'label index:value ...'"
        if index == "qid":
            return f"{_short(token)} marks a ranking query; remove the qid entries"
        if not (index.isascii() and index.isdecimal()):
            return f"index {_short(index)} in {_short(token)} is not a whole number from 1"
        if not _is_finite(value):
            return f"value {_short(value)} in {_short(token)} is not a finite number"
        number = int(index) if len(index) < _LONG_WORD else _LARGEST_INDEX + 1
        if number == 0:
            return f"index 0 in {_short(token)}; indices are counted from 1: add one to every index of this file"
        if number > _LARGEST_INDEX:
            return f"index {_short(index)} in {_short(token)} is above the largest possible, {_LARGEST_INDEX}"
        if number <= before:
            word = "twice" if number == before else f"after index {before}"
            return f"index {number} comes {word}; sort the indices of each line and keep each once"
        if n_features is not None and number > n_features:
            return (
                f"index {number} is above the {n_features} features expected; "
                "is this file from the same data set as the model?"
            )
        before = number
    return None


def _short(word: str) -> str:
    """A word in quotation marks; the beginning of a very long one."""
    return repr(word if len(word) <= _LONG_WORD else f"{word[:_LONG_WORD]}...")


def _is_finite(word: str) -> bool:
    """Tell whether a word spells a finite number as the fast reader takes it."""
    numbers = _numbers(word.encode())
    return numbers is not None and len(numbers) == 1 and bool(np.isfinite(numbers).all())
