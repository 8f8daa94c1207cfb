"""Read small files that were damaged at random, in this process: whoever starts it sees it crash,
hang or swell.

    python tests/reader_fuzzer.py SEED FOLDER (COUNT | SECONDSs)

It writes each file into FOLDER before it reads it, and prints what went wrong as JSON. Where it
ends on a signal or on a hang, FOLDER/current names the file.
"""

from __future__ import annotations

import bz2
import faulthandler
import gzip
import io
import json
import resource
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet
from scipy import sparse

from file_makers import CSV, IMAGES, idx_bytes, npy_bytes, npz_bytes
from image_makers import encoded, stroke
from polytome.errors import PolytomeError
from polytome.tables.images import IMAGE_SUFFIXES, training_form
from polytome.tables.readers.arrow_files import read_columnar
from polytome.tables.readers.delimited import read_delimited
from polytome.tables.table import read_table

MOST_SECONDS = 60
MOST_BYTES = 3 << 30
_SIZES = [0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1]
_WORDS = [b"nan", b"1e999", b"9" * 5000, b"\0", b'"', b"'", b"#", b"\n", b"\r", b"sep=;\n", b",", b":", b" ", b"\xff"]
_WORDS += [b"2147483647:1", b"\xef\xbb\xbf", b"(", b"[" * 90, b"1_0", "\u0663".encode(), b"-", b"+1 ", b"\t" * 40]


def _table() -> pa.Table:
    text = ["x", "yy", None, "z", "x", "yy"]
    return pa.table(
        {
            "number": [1.5, None, 2.0, 1.0, 3.0, 4.0],
            "whole": pa.array([1, 2, 3, 4, 5, 6], pa.uint16()),
            "truth": [True, False, None, True, True, False],
            "text": text,
            "coded": pa.array(text).dictionary_encode(),
            "large": pa.array(text, pa.large_string()),
            "codes": pa.array([7, 8, 7, 8, 7, 8], pa.int64()).dictionary_encode(),
            "list": [[1], [2, 3], None, [], [4], [5]],
            "label": list("ababab"),
        }
    )


def _columnar() -> dict[str, bytes]:
    files = {}
    for compression in ("none", "snappy", "zstd", "gzip"):
        stream = io.BytesIO()
        parquet.write_table(_table(), stream, compression=compression, use_dictionary=compression != "none")
        files[f"{compression}.parquet"] = stream.getvalue()
    for compression in ("uncompressed", "lz4", "zstd"):
        stream = io.BytesIO()
        feather.write_feather(_table(), stream, compression=compression)
        files[f"{compression}.feather"] = stream.getvalue()
    viewed = _table().append_column("view", pa.array(list("abcabc")).cast(pa.string_view()))
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, viewed.schema) as writer:
        writer.write_table(viewed)
    files["stream.arrow"] = stream.getvalue()
    return files


def _arrays() -> dict[str, bytes]:
    X = np.arange(12.0).reshape(6, 2)
    stream = io.BytesIO()
    sparse.save_npz(stream, sparse.csr_array(X))
    column = io.BytesIO()
    sparse.save_npz(column, sparse.csc_array(X), compressed=False)
    return {
        "dense.npy": npy_bytes(X),
        "swapped.npy": npy_bytes(X.astype(">f4")),
        "words.npz": npz_bytes(X=X, y=np.array(list("abcabc"))),
        "bytes.npz": npz_bytes(X=X > 1, y=np.array([b"a", b"bc"] * 3)),
        "csr.npz": stream.getvalue(),
        "csc.npz": column.getvalue(),
        "some-images-idx3-ubyte": idx_bytes(IMAGES),
    }


def _texts() -> dict[str, bytes]:
    quoted = 'name;"size"\n"a;b";1\n"c ""d""";2.5\n"two\nlines";3\n'
    rows = "".join(f"{label} 1:1 3:{label} 700:.5 # note\n" for label in (1, 2) * 4)
    return {
        "people.csv": CSV.encode(),
        "people.tsv": CSV.replace(",", "\t").replace("red", '"red').encode(),
        "quoted.csv": quoted.encode(),
        "blanks.txt": CSV.replace(",", " ").encode(),
        "rows.svm": rows.encode(),
    }


def _images() -> dict[str, bytes]:
    kinds = {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF", ".bmp": "BMP", ".webp": "WEBP"}
    return {f"image{suffix}": encoded(stroke(60, 40), kind) for suffix, kind in kinds.items()}


def good_files() -> dict[str, bytes]:
    """Small valid files of every format."""
    return {**_columnar(), **_arrays(), **_texts(), **_images()}


def damaged(data: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Bytes with a few changes of several kinds."""
    raw = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 6]))):
        place = int(rng.integers(len(raw) + 1))
        size = int(rng.choice([1, 2, 4, 8, 40]))
        way = int(rng.integers(8))
        if way <= 1 and place < len(raw):
            raw[place] ^= 1 << int(rng.integers(8))
        elif way == 2:
            raw[place : place + size] = rng.bytes(size)
        elif way == 3:  # a length, in either order of bytes
            width = int(rng.choice([2, 4, 8]))
            value = _SIZES[rng.integers(len(_SIZES))] % (1 << 8 * width)
            raw[place : place + width] = value.to_bytes(width, ["little", "big"][rng.integers(2)])
        elif way == 4:
            del raw[place : place + (size if rng.integers(4) else len(raw))]
        elif way == 5:
            raw[place:place] = _WORDS[rng.integers(len(_WORDS))]
        elif way == 6:
            other = others[rng.integers(len(others))]
            start = int(rng.integers(len(other)))
            raw[place : place + size] = other[start : start + size]
        else:
            raw[place:place] = raw[max(0, place - size) : place] * int(rng.choice([1, 2, 50]))
    return bytes(raw)


def _inside_zip(data: bytes, change: Callable[[bytes], bytes], rng: np.random.Generator) -> bytes:
    """The archive with one member changed and its checksums right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = list(members)[rng.integers(len(members))]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, change(content) if name == chosen else content)
    return stream.getvalue()


def damaged_file(files: dict[str, bytes], rng: np.random.Generator) -> tuple[str, bytes]:
    """One of the files, damaged: outside, or within what packs it."""
    name = list(files)[rng.integers(len(files))]
    others = list(files.values())

    def change(content: bytes) -> bytes:
        return damaged(content, others, rng)

    data = files[name]
    if name.endswith(".npz") and rng.integers(3):
        return name, _inside_zip(data, change, rng)
    packing = int(rng.integers(12))
    if packing == 0:
        return f"{name}.gz", gzip.compress(change(data)) if rng.integers(2) else change(gzip.compress(data))
    if packing == 1:
        return f"{name}.bz2", bz2.compress(change(data)) if rng.integers(2) else change(bz2.compress(data))
    if packing == 2:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, change(data))
        packed = stream.getvalue()
        return f"{name}.zip", change(packed) if rng.integers(2) else packed
    return name, change(data)


def read_all(path: Path) -> None:
    """Read a file in each way that it is read, and look at everything in it."""
    plain = [part for part in path.suffixes if part not in (".gz", ".bz2", ".zip")]
    if path.suffix in IMAGE_SUFFIXES:
        training_form(path)
        return
    if plain and plain[-1] in (".parquet", ".feather", ".arrow", ".csv", ".tsv", ".txt"):
        frame = (read_columnar if plain[-1] in (".parquet", ".feather", ".arrow") else read_delimited)(path)
        useless = []
        for name, cells in zip(frame.names, frame.cells, strict=True):
            try:
                cells.numbers(), cells.words(), cells.text(len(cells) - 1)
            except PolytomeError:  # a column of lists; others can be used
                useless.append(name)
        frame.place(frame.n_rows - 1)
        read_table(path, target="last", missing="mean", drop=useless)
    else:
        table = read_table(path)
        float(np.abs(table.X.astype(np.float64)).sum())
        if table.y is not None:
            np.unique(table.y)


def main(seed: int, folder: Path, limit: str) -> None:
    """Damage and read until the limit; see the text of the module."""
    rng = np.random.default_rng(seed)
    files = good_files()
    until = time.monotonic() + float(limit[:-1]) if limit.endswith("s") else np.inf
    count = 0
    refused = 0
    failures = []
    before = peak()
    while time.monotonic() < until and (until < np.inf or count < int(limit)):
        count += 1
        name, data = damaged_file(files, rng)
        path = folder / name
        path.write_bytes(data)
        (folder / "current").write_text(f"{count} {name}")
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        wrong = None
        try:
            read_all(path)
        except PolytomeError as error:
            refused += 1
            if path.name not in str(error) or "\n" in str(error):
                wrong = f"a message without the file's name, or of several lines: {error}"
        except Exception:
            wrong = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        if peak() > max(before, MOST_BYTES):
            before = peak()
            wrong = f"took {before >> 20} MiB"
        if wrong:
            kept = folder / f"wrong-{count}-{name}"
            path.rename(kept)
            failures.append({"file": str(kept), "wrong": wrong})
        else:
            path.unlink()
    print(json.dumps({"count": count, "refused": refused, "failures": failures}))


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    faulthandler.enable()
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
