"""A process that only decodes images: a decoder that hangs is ended with it.

Repeatedly it reads a line of JSON and the bytes of an image, and answers with a line of JSON and
the bytes of the form that the model needs. It ends when there is nothing more to read.
"""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

from polytome.errors import PolytomeError

__all__ = ["READY", "decode_all", "work"]

READY = b"ready\n"
"""The first thing it writes, once it has loaded what it needs."""
_MOST_MEMORY = 3 << 30
"""Bytes of address space: an image of the largest size takes about half of them."""


def work() -> None:
    """Decode what comes from standard input until it ends."""
    import polytome.tables.images  # noqa: F401  (takes a second, and the server itself does not need it)

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    except (ImportError, OSError, ValueError):  # not every system has such a limit
        pass
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    decode_all(sys.stdin.buffer, sys.stdout.buffer)


def decode_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Decode the images of a stream, one after the other.

    Args:
        questions: for each image a line
            `{"shape": [height, width], "full": number, "bytes": count}` and its bytes.
        answers: for each image a line `{"type": name, "bytes": count}` and the pixels, or
            `{"error": words}`.

    Example:
        >>> import io
        >>> answers = io.BytesIO()
        >>> decode_all(io.BytesIO(b'{"shape": [8, 8], "full": 16.0, "bytes": 3}\\nabc'), answers)
        >>> answers.getvalue()
        b'{"error": "image: is not a PNG, JPEG, GIF, BMP or WebP image, or its head is damaged"}\\n'
    """
    from polytome.tables.images import training_form

    while line := questions.readline():
        question = json.loads(line)
        pixels = b""
        try:
            form = training_form(questions.read(question["bytes"]), tuple(question["shape"]), question["full"])
            pixels = form.tobytes()
            answer = {"type": form.dtype.str, "bytes": len(pixels)}
        except PolytomeError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "image: needs too much memory to decode; save it smaller"}
        answers.write(json.dumps(answer).encode() + b"\n" + pixels)
        answers.flush()
