"""Small files of every kind, made in memory for the tests of the readers."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

ROWS = [("25", "red", "low"), ("31.5", "blue", "high"), ("-4e2", "red", "low"), ("7", "green", "high")]
CSV = "age,colour,income\n" + "".join(",".join(row) + "\n" for row in ROWS)
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([3, 1, 3, 1], dtype=np.uint8)


def arrow_table() -> pa.Table:
    ages, colours, incomes = zip(*ROWS, strict=True)
    return pa.table(
        {
            "age": [float(age) for age in ages],
            "colour": pa.array(colours).dictionary_encode(),
            "income": pa.array(incomes, pa.large_string()),
        }
    )


def npy_bytes(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npz_bytes(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def idx_bytes(array: np.ndarray, mark: bytes = b"\0\0\x08") -> bytes:
    return mark + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def parquet_bytes(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def feather_bytes(table: pa.Table, compression: str | None = None) -> bytes:
    stream = io.BytesIO()
    feather.write_feather(table, stream, compression=compression)
    return stream.getvalue()


def zipped(**members: bytes | str) -> bytes:
    """A zip archive of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()
