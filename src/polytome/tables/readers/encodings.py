"""How the letters of a text file are encoded: UTF-8, what a mark at its beginning says, or what the
user does."""

from __future__ import annotations

from polytome.errors import ArgumentError, FileError

__all__ = ["as_utf8", "check_encoding"]

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def check_encoding(encoding: str | None) -> None:
    """Refuse the name of no encoding, or of one that does not make text of bytes.

    Raises:
        ArgumentError: it is.
    """
    try:
        b"a".decode("utf-8" if encoding is None else encoding, errors="replace")
    except (LookupError, UnicodeError, ValueError) as error:
        raise ArgumentError(
            f"encoding={encoding!r}: is not the name of an encoding of text; give one such as utf-8, latin-1 or cp1252"
        ) from error


def as_utf8(data: bytes, source: str, encoding: str | None = None) -> bytes:
    """A text in UTF-8, without the mark of an encoding at its beginning.

    Args:
        data: the text.
        source: what messages call it.
        encoding: of it; None is what its mark says, or else UTF-8, which is not checked here.

    Raises:
        ArgumentError: there is no such encoding, or the mark says another one.
        FileError: the text is not encoded so.

    Example:
        >>> as_utf8("Köln".encode("cp1252"), "towns.csv", "cp1252") == as_utf8("Köln".encode("utf-16"), "towns.csv")
        True
    """
    check_encoding(encoding)
    name = (encoding or "utf-8").lower().replace("_", "-")
    if data.startswith(_UTF8_MARK):
        if name not in ("utf-8", "utf8", "utf-8-sig"):
            raise ArgumentError(f"encoding={encoding!r}: {source} begins with the mark of UTF-8; leave the option out")
        return data.removeprefix(_UTF8_MARK)
    if data.startswith(_UTF16_MARKS):
        if encoding is not None and not name.startswith(("utf-16", "utf16", "utf-32", "utf32")):
            raise ArgumentError(f"encoding={encoding!r}: {source} begins with the mark of UTF-16; leave the option out")
        name = name if encoding is not None else "utf-16"
    elif encoding is None:
        return data
    try:
        return data.decode(name).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        place = getattr(error, "start", 0)
        raise FileError(
            f"{source}: byte {place + 1:,}, 0x{data[place]:02x}, is not {name}; name the file's encoding with "
            "--encoding (or encoding=), or save it as UTF-8"
        ) from error
