"""Lines of libsvm text in compiled code: the bits of Python's numbers, and nothing that Python
would refuse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from polytome import native
from polytome.tables.readers import libsvm

needs_extension = pytest.mark.skipif(not native.instruction_sets(), reason="the extension is not built")


def spellings(rng: np.random.Generator) -> Iterator[str]:
    """Numbers as files have them: short, long, halfway between two floats, tiny, huge."""
    yield from ("0", "-0", "+1", "1.", ".5", "-.5e3", "1E5", "1e-05", "007", "0.1", "1e22", "1e23", "123456789e22")
    yield from ("9007199254740992", "9007199254740993", "9007199254740993e-1", "18446744073709551616", "1e-0000000001")
    yield from ("2.2250738585072014e-308", "4.9e-324", "1.7976931348623157e308", "0.000000000000000000000000000001")
    yield from ("0." + "3" * 40, "1" * 40, "0" * 30 + "1", "8.5" + "0" * 30 + "1", "1.00000005960464477539062500001")
    for value in rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500):
        yield repr(float(value))
        yield f"{value:.{rng.integers(0, 25)}e}"
    for value in rng.random(500):
        yield f"{value:.{rng.integers(1, 20)}f}"


@needs_extension
def test_numbers_are_those_of_python(rng: np.random.Generator) -> None:
    words = list(spellings(rng))
    text = " ".join(["1", *(f"{place}:{word}" for place, word in enumerate(words, 1))]).encode()
    found = native.libsvm_lines(text)
    if found is None:  # a standard library that cannot read long numbers
        words = [word for word in words if len(word) < 10 and "e" not in word.lower()]
        text = " ".join(["1", *(f"{place}:{word}" for place, word in enumerate(words, 1))]).encode()
        found = native.libsvm_lines(text)
    assert found is not None
    assert found[3].tobytes() == np.array([float(word) for word in words]).tobytes()
    assert_array_equal(found[2], np.arange(len(words)))


@needs_extension
def test_lines_are_those_of_python(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["", "  ", "\t1 \r", "-1.5 1:0.5\t7:1e3 \r", " +1 3:2", "0"]
    for _ in range(200):
        places = np.flatnonzero(rng.random(30) < 0.3) + 1
        lines.append(" ".join([f"{rng.integers(3)}", *(f"{place}:{rng.normal():.4g}" for place in places)]))
    for text in ("\n".join(lines), "\n".join([*lines, ""]), "", "\n", "1", "1 2147483647:1"):
        found = native.libsvm_lines(text.encode())
        assert found is not None
        with monkeypatch.context() as patch:
            patch.setattr(native, "libsvm_lines", lambda text: None)
            expected = libsvm._parse(text.encode(), None)
        assert expected is not None
        for ours, theirs in zip(found, expected, strict=False):
            assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


@needs_extension
@pytest.mark.parametrize(
    "line",
    [
        *("1 2:1 1:1", "1 1:1 1:1", "1 0:1", "1 2147483648:1", "1 99999999999999999999:1", "1 1.0:1", "1 -1:1", "1 :1"),
        *("1 1:", "1 1: 2", "1 1:1:1", "1 1", "1:1", "1 1:nan", "1 1:inf", "1 1:1e999", "1 1:0x1", "1 1:1_0", "1 1:1e"),
        *("1 1:--1", "1 1:+-1", "1 1:1.2.3", "1 1:.", "1 1:-", "1 1:1e+", "1 1:1x", "x 1:1", "9007199254740993 1:1"),
        *(
            "1 1:1 # why",
            "1 qid:3 1:1",
            "1 1:1\x0b2:1",
            "1 1:1\x002:1",
            "1 \u0661:1",
            "1,1:1",
            "1 1:1e99999999999999999",
        ),
    ],
)
def test_what_is_not_written_plainly_is_left_to_python(line: str) -> None:
    assert native.libsvm_lines(f"1 1:1\n{line}\n1 1:1".encode()) is None
