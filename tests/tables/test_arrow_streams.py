"""Arrow streams from clients of whom nothing is known."""

import numpy as np
import pytest

from polytome.errors import FileError, PolytomeError
from polytome.tables.frames import Frame, NumberCells

pa = pytest.importorskip("pyarrow")
from polytome.tables.readers.arrow_streams import count_stream_rows, parse_arrow_stream  # noqa: E402
from polytome.tables.readers.columnar import cells_of_arrow  # noqa: E402

HAS_VIEWS = hasattr(pa, "string_view")  # since pyarrow 16


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def everything(frame):
    return {name: (frame[name].words(), frame[name].numbers().tolist()) for name in frame.names}


def test_every_kind_of_column_that_holds_numbers_or_text():
    table = pa.table(
        {
            "float": [1.5, None, 2.0],
            "whole": pa.array([1, 2, 3], pa.uint8()),
            "truth": [True, False, None],
            "text": ["red", None, "2"],
            "coded": pa.array(["red", "blue", None]).dictionary_encode(),
            "coded number": pa.array([7, 8, 7], pa.int64()).dictionary_encode(),
            "view": pa.array(["a", "b", "a"]).cast(pa.string_view() if HAS_VIEWS else pa.string()),
        }
    )
    data = stream(table)
    assert count_stream_rows(data, "body") == 3
    frame = parse_arrow_stream(data, "body")
    assert frame.names == tuple(table.column_names)
    np.testing.assert_array_equal(frame["float"].numbers(), [1.5, np.nan, 2.0])
    np.testing.assert_array_equal(frame["coded number"].numbers(), [7, 8, 7])
    codes, words = frame["coded"].words()
    assert [words[code] if code >= 0 else None for code in codes] == ["red", "blue", None]
    codes, words = frame["view"].words()
    assert [words[code] for code in codes] == ["a", "b", "a"]


def test_text_in_codes_of_several_batches():
    """Each batch may have words of its own."""
    batches = [pa.array(words).dictionary_encode() for words in (["red", "blue"], ["green", None, "red"])]
    frame = parse_arrow_stream(stream(pa.table({"colour": pa.chunked_array(batches).unify_dictionaries()})), "body")
    codes, words = frame["colour"].words()
    assert [words[code] if code >= 0 else None for code in codes] == ["red", "blue", "green", None, "red"]


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_compressed_stream_is_refused_before_it_fills_the_memory(compression):
    data = stream(pa.table({"a": np.zeros(1_000_000)}), compression=compression)
    assert len(data) < 100_000
    with pytest.raises(FileError, match="compressed Arrow stream; write it without"):
        count_stream_rows(data, "body")
    with pytest.raises(FileError, match="compressed"):
        parse_arrow_stream(
            stream(pa.table({"a": pa.array(["x"]).dictionary_encode()}), compression=compression), "body"
        )


def test_rows_that_take_no_bytes_are_counted():
    data = stream(pa.table({"a": pa.nulls(100_000)}))
    assert len(data) < 1000
    assert count_stream_rows(data, "body") == 100_000


def test_one_long_text_that_is_shown_very_often():
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, dtype=np.int8)), pa.array(["x" * 1_000_000]))
    frame = parse_arrow_stream(stream(pa.table({"a": coded})), "body")  # 50 GB, were it written out
    assert len(frame["a"].words()[1]) == 1


@pytest.mark.skipif(not HAS_VIEWS, reason="this pyarrow has no views of texts")
def test_one_long_text_that_is_viewed_very_often():
    _, view, text = pa.array(["y" * 1_000_000]).cast(pa.string_view()).buffers()
    views = pa.py_buffer(view.to_pybytes()[:16] * 50_000)
    often = pa.Array.from_buffers(pa.string_view(), 50_000, [None, views, text])
    with pytest.raises(FileError, match="over and over"):
        parse_arrow_stream(stream(pa.table({"a": often})), "body")


def test_damaged_streams_are_refused_in_words():
    """Bytes changed at random: a frame or a FileError, nothing else."""
    rng = np.random.default_rng(0)
    text = ["x", "yy", None, "z", "x"]
    table = pa.table({"a": np.arange(5.0), "b": text, "c": pa.array(text).dictionary_encode()})
    good = stream(table)
    refused = []
    for _ in range(1500):
        data = bytearray(good)
        for place in rng.integers(len(data), size=rng.integers(1, 6)):
            data[place] = rng.integers(256)
        try:
            if count_stream_rows(bytes(data), "body") < 1000:
                everything(parse_arrow_stream(bytes(data), "body"))
        except PolytomeError as error:
            refused.append(str(error))
    assert len(refused) > 500
    assert all(words.startswith("body") for words in refused)
    for length in range(0, len(good) // 2, 7):
        with pytest.raises(FileError, match="body"):
            parse_arrow_stream(good[:length], "body")


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("gap", [[], [None]])
def test_numbers_of_every_type_in_any_chunks(kind: str, gap: list[None]) -> None:
    """As Arrow itself converts them; a missing one is NaN."""
    dtype = np.dtype(kind)
    some = [np.array([1, 2, 100], dtype=dtype), np.array([7], dtype=dtype), np.array([], dtype=dtype)]
    column = pa.chunked_array([pa.array([*chunk, *gap], type=pa.from_numpy_dtype(dtype)) for chunk in some])
    found = cells_of_arrow("t", "x", column).numbers()
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, column.cast(pa.float64()).to_numpy())
    np.testing.assert_array_equal(cells_of_arrow("t", "x", column.slice(1, 2)).numbers(), found[1:3])


def test_a_frame_finds_the_first_of_equal_names() -> None:
    frame = Frame(("a", "b", "a"), tuple(NumberCells(np.array([float(k)])) for k in range(3)), "t")
    assert [frame[name].numbers().tolist() for name in ("a", "b")] == [[0.0], [1.0]]
    assert [frame.select(["b"])["b"].numbers().tolist()] == [[1.0]]
