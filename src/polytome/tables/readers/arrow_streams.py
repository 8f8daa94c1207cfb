"""Read unchecked Arrow streams and files: what they claim is examined before it is decoded.

A few kilobytes of a compressed stream can decode to more than the memory holds, and so can a column
of nulls, which takes no bytes at any length. So the messages of the stream are examined first:
their rows and decompressed bytes are counted; the decoded data are validated to the last index
before anything reads them.

Reference:
    The Arrow columnar format, https://arrow.apache.org/docs/format/Columnar.html: messages are
    tables of FlatBuffers, of which `Message.fbs` names the fields;
    https://flatbuffers.dev/internals/ says how they are laid out. A file is a stream between the
    mark ARROW1, with an index of its batches at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.columnar import VALUE_BYTES, checked_frame, import_pyarrow
from polytome.tables.readers.opening import InputFile, library_errors

if TYPE_CHECKING:
    import pyarrow

__all__ = ["claims_of_batches", "count_stream_rows", "parse_arrow_stream", "read_arrow_file"]

_MOST_VIEWED = 4
"""How many times the bytes of a stream all its views may refer to together."""
_HEADER = 2  # fields of Message, DictionaryBatch and RecordBatch, by their places
_DICTIONARY_DATA = 1
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_FILE_MARK = b"ARROW1"
_FILE_HEAD = 8  # the mark, and two bytes that fill it up
_STREAM = "Arrow stream"


class _Claims(NamedTuple):
    """What the head of a message says about its batch."""

    rows: int
    buffers: tuple[tuple[int, int], ...]
    """Where each buffer begins in the body of the message, and its bytes."""
    is_compressed: bool


def parse_arrow_stream(data: bytes, source: str) -> Frame:
    """Read an Arrow stream that is in memory, such as the body of a request.

    Args:
        data: the stream, not compressed. Count its rows first, see `count_stream_rows`.
        source: what messages call it.

    Raises:
        FileError: it is not an Arrow stream, is damaged or compressed, names a column twice or
            holds no rows.
        DataError: a column that is needed holds neither numbers nor text.
        MissingExtraError: pyarrow is not installed.
    """
    import_pyarrow(source)
    from pyarrow import ipc

    count_stream_rows(data, source)
    with library_errors(source, _STREAM):
        table = ipc.open_stream(data).read_all()
    return checked_frame(table, source, _STREAM, _MOST_VIEWED * len(data))


def count_stream_rows(data: bytes, source: str) -> int:
    """Count the rows of a stream without decoding them.

    Args:
        data: the stream.
        source: what messages call it.

    Raises:
        FileError: it is not an Arrow stream, or compressed.
        MissingExtraError: pyarrow is not installed.
    """
    import_pyarrow(source)
    rows = 0
    for kind, claims, _ in _batches(data, source):
        if claims.is_compressed:
            raise FileError(f"{source}: is a compressed Arrow stream; write it without compression")
        rows += abs(claims.rows) if kind == "record batch" else 0
    return rows


def read_arrow_file(file: InputFile) -> Frame:
    """Read an Arrow file (Feather) or a file that holds a stream; either may be compressed.

    Args:
        file: the file.

    Raises:
        FileError: it is damaged, or needs more memory than is allowed; or as for `checked_frame`.
    """
    pyarrow = import_pyarrow(str(file))
    from pyarrow import ipc

    data = pyarrow.py_buffer(file.contents())
    stream, batches = data, None
    if data.slice(0, len(_FILE_MARK)).to_pybytes() == _FILE_MARK:  # it holds a stream, and that is what is read
        with library_errors(file, "Arrow file"):
            batches = ipc.open_file(data).num_record_batches
        stream = data.slice(_FILE_HEAD)
    with library_errors(file, "Arrow file"):
        n_columns = len(ipc.open_stream(stream).schema)
    rows = unpacked = found = 0
    for kind, claims, body in _batches(stream, str(file)):
        unpacked += sum(_unpacked_size(body, *buffer, claims.is_compressed) for buffer in claims.buffers)
        rows += abs(claims.rows)
        found += kind == "record batch"
        file.allowance.check(file, unpacked + rows * n_columns * VALUE_BYTES, f"{rows:,} rows or more")
    if batches not in (None, found):
        raise FileError(
            f"{file}: damaged Arrow file (it holds {found} batches of {batches}); download or write it again"
        )
    with library_errors(file, "Arrow file"):
        table = ipc.open_stream(stream).read_all()
    return checked_frame(table, str(file), "Arrow file", file.allowance.size)


def claims_of_batches(stream: Any, source: str) -> Iterator[tuple[str, int, int]]:
    """What the batches of a stream claim, of which one at a time is in memory: whether it is of a
    dictionary or of rows, the rows, and their bytes when decoded.

    Raises:
        FileError: it is not an Arrow stream, or damaged.
    """
    for kind, claims, body in _batches(stream, source):
        unpacked = sum(_unpacked_size(body, *buffer, claims.is_compressed) for buffer in claims.buffers)
        yield kind, abs(claims.rows), unpacked + abs(claims.rows) * VALUE_BYTES


def _batches(stream: Any | pyarrow.Buffer, source: str) -> Iterator[tuple[str, _Claims, pyarrow.Buffer]]:
    """The batches of a stream as they are claimed: whether of a dictionary or of rows, the claims,
    and the body."""
    from pyarrow import ipc

    with library_errors(source, _STREAM):
        reader = ipc.MessageReader.open_stream(stream)
    while True:
        with library_errors(source, _STREAM):
            try:
                message = reader.read_next_message()
            except StopIteration:
                return
            kind, metadata, body = message.type, message.metadata.to_pybytes(), message.body
        if kind in ("record batch", "dictionary"):
            try:
                claims = _claims(metadata, kind == "dictionary")
            except struct.error as error:  # a reference beyond the end
                raise FileError(f"{source}: damaged {_STREAM} ({error}); download or write it again") from error
            yield kind, claims, body


def _unpacked_size(body: pyarrow.Buffer, offset: int, length: int, is_compressed: bool) -> int:
    """What a buffer takes in memory; a compressed one begins with this number."""
    if not is_compressed or length < 8 or not 0 <= offset <= body.size - 8:
        return max(length, 0)
    claimed = int(np.frombuffer(body.slice(offset, 8), dtype="<i8")[0])
    return length if claimed < 0 else claimed


def _claims(message: bytes, is_dictionary: bool) -> _Claims:
    """Read the head of a batch."""
    batch = _table(message, _field(message, _table(message, 0), _HEADER))
    if is_dictionary:
        batch = _table(message, _field(message, batch, _DICTIONARY_DATA))
    length = _field(message, batch, _LENGTH)
    rows = struct.unpack_from("<q", message, length)[0] if length else 0
    place = _field(message, batch, _BUFFERS)
    buffers: tuple[tuple[int, int], ...] = ()
    if place:
        first = _table(message, place)
        count = struct.unpack_from("<I", message, first)[0]
        numbers = struct.unpack_from(f"<{2 * count}q", message, first + 4)
        buffers = tuple(zip(numbers[0::2], numbers[1::2], strict=True))
    return _Claims(rows, buffers, bool(_field(message, batch, _COMPRESSION)))


def _table(message: bytes, reference: int) -> int:
    """Where the table begins to which a reference points."""
    return reference + int(struct.unpack_from("<I", message, reference)[0])


def _field(message: bytes, table: int, place: int) -> int:
    """Where a field of a table is; 0 where the table leaves it out."""
    layout = table - int(struct.unpack_from("<i", message, table)[0])
    size = int(struct.unpack_from("<H", message, layout)[0])
    entry = 4 + 2 * place
    offset = int(struct.unpack_from("<H", message, layout + entry)[0]) if entry < size else 0
    return table + offset if offset else 0
