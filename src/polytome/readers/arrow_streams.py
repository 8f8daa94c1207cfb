"""Read Arrow streams from a client of whom nothing is known: what a stream claims is looked at before it is decoded.

A few kilobytes of a compressed stream can decode to all of the memory, and so can a column of nulls, which takes no
bytes at any length. So the messages of the stream are looked at first: their rows are counted, and compressed ones are
refused.

Reference:
    The Arrow columnar format, https://arrow.apache.org/docs/format/Columnar.html: messages are tables of FlatBuffers,
    of which `Message.fbs` names the fields; https://flatbuffers.dev/internals/ says how they are laid out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from polytome.errors import FileError, PolytomeError
from polytome.frames import Frame
from polytome.readers.columnar import import_pyarrow, table_frame

if TYPE_CHECKING:
    import pyarrow

__all__ = ["count_stream_rows", "parse_arrow_stream"]

_MOST_VIEWED = 4
"""Times the bytes of a stream that all views in it may show together."""
_HEADER = 2  # fields of Message, DictionaryBatch and RecordBatch, by their places
_DICTIONARY_DATA = 1
_LENGTH, _COMPRESSION = 0, 3


def parse_arrow_stream(data: bytes, source: str) -> Frame:
    """Read an Arrow stream that is in memory, such as the body of a request.

    Args:
        data: the stream, not compressed. Count its rows first, see `count_stream_rows`.
        source: what messages call it.

    Raises:
        FileError: it is no Arrow stream, is damaged or compressed, names a column twice or holds no rows.
        DataError: a column that is needed holds neither numbers nor text.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow = import_pyarrow(source)
    from pyarrow import ipc

    count_stream_rows(data, source)
    try:
        table = ipc.open_stream(data).read_all()
        if _viewed_bytes(table) > _MOST_VIEWED * len(data):
            raise FileError(f"{source}: shows the same text over and over; send columns of type string")
        table.validate(full=True)  # lengths, offsets and UTF-8 come from outside
        return table_frame(table, source)
    except PolytomeError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FileError(f"{source}: is a damaged Arrow stream ({error}); write it again") from error


def count_stream_rows(data: bytes, source: str) -> int:
    """Count the rows of a stream without decoding them.

    Args:
        data: the stream.
        source: what messages call it.

    Raises:
        FileError: it is no Arrow stream, or compressed.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow = import_pyarrow(source)
    from pyarrow import ipc

    rows = 0
    try:
        for message in ipc.MessageReader.open_stream(data):
            if message.type in ("record batch", "dictionary"):
                length, compressed = _claims(message.metadata.to_pybytes(), message.type == "dictionary")
                if compressed:
                    raise FileError(f"{source}: is a compressed Arrow stream; write it without compression")
                rows += abs(length) if message.type == "record batch" else 0
    except (pyarrow.ArrowException, OSError, struct.error) as error:
        raise FileError(f"{source}: is no Arrow stream, or a damaged one ({error}); write it again") from error
    return rows


def _viewed_bytes(table: pyarrow.Table) -> int:
    """How long all texts are that columns of views show; views may show one long text as often as they like."""
    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            array = chunk.dictionary if hasattr(chunk, "dictionary") else chunk
            if str(array.type) == "string_view":
                views = np.frombuffer(array.buffers()[1], dtype=np.int32).reshape(
                    -1, 4
                )  # a view begins with its length
                total += int(views[array.offset : array.offset + len(array), 0].sum(dtype=np.int64))
    return total


def _claims(message: bytes, is_dictionary: bool) -> tuple[int, bool]:
    """The number of rows of a batch, and whether it is compressed."""
    batch = _table(message, _field(message, _table(message, 0), _HEADER))
    if is_dictionary:
        batch = _table(message, _field(message, batch, _DICTIONARY_DATA))
    length = _field(message, batch, _LENGTH)
    rows = struct.unpack_from("<q", message, length)[0] if length else 0
    return rows, bool(_field(message, batch, _COMPRESSION))


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
