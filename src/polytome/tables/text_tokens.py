"""The tokens of texts as numbers: some texts at a time, and those of ASCII without a step of Python
for each token.

A word of scikit-learn's analyzer is a longest run of two or more letters, digits and underscores.
In ASCII such a run of at most 16 characters is two machine words: equal tokens are found by sorting
their hashes, and are then compared, so a collision changes the time that is taken and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbers", "numbered_tokens"]

_BLOCK_TEXTS = 256
_WORD_BYTES = 8
_IS_WORD = np.array([chr(byte).isalnum() or chr(byte) == "_" for byte in range(128)])
_FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(_WORD_BYTES + 1)], dtype=np.uint64)
"""A mask of the first n bytes of a machine word, as little-endian bytes stand in it."""
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)

Numbers = Callable[[list[str]], Iterable[int]]
"""Gives each of some tokens its number."""


def numbered_tokens(
    texts: Sequence[str], analyze: Callable[[str], list[str]], numbers: Numbers, *, are_words: bool, lowercase: bool
) -> tuple[NDArray[np.int64], NDArray[np.intc]]:
    """The tokens of texts as the place of the text and a number for each token, in no certain
    order.

    Args:
        texts: n texts.
        analyze: returns the tokens of a text.
        numbers: gives tokens their numbers; it is asked for the same token several times.
        are_words: whether tokens are single words, as scikit-learn's analyzer finds them.
        lowercase: whether `analyze` makes a text lower case first.

    Example:
        >>> known = {"red": 0, "car": 1}
        >>> places, ids = numbered_tokens(["red car", "a car"], str.split, lambda tokens: map(known.get, tokens),
        ...                               are_words=True, lowercase=False)
        >>> sorted(zip(places.tolist(), ids.tolist()))
        [(0, 0), (0, 1), (1, 1)]
    """
    places: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    ids: list[NDArray[np.intc]] = [np.empty(0, dtype=np.intc)]
    for top in range(0, len(texts), _BLOCK_TEXTS):
        tokens: list[str] = []
        lengths, others, plain = list[int](), list[int](), list[int]()
        for place, text in enumerate(texts[top : top + _BLOCK_TEXTS], start=top):
            if are_words and text.isascii():
                plain.append(place)
                continue
            before = len(tokens)
            tokens += analyze(text)
            lengths.append(len(tokens) - before)
            others.append(place)
        places.append(np.repeat(np.array(others, dtype=np.int64), lengths))
        ids.append(np.fromiter(numbers(tokens), dtype=np.intc, count=len(tokens)))
        if plain:
            some = [texts[place].lower() if lowercase else texts[place] for place in plain]
            counts, found = _ascii_words(some, numbers)
            places.append(np.repeat(np.array(plain, dtype=np.int64), counts))
            ids.append(found)
    return np.concatenate(places), np.concatenate(ids)


def _ascii_words(texts: list[str], numbers: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intc]]:
    """How many words each text of ASCII has, and the number of each word, in their order."""
    joined = "\n".join(texts)
    content = np.frombuffer(joined.encode("ascii") + bytes(2 * _WORD_BYTES), dtype=np.uint8)
    is_word = np.zeros(len(joined) + 2, dtype=np.int8)
    is_word[1:-1] = _IS_WORD[content[: len(joined)]]
    edges = np.flatnonzero(np.diff(is_word))
    starts, ends = edges[::2], edges[1::2]
    is_kept = ends - starts >= 2
    starts, ends = starts[is_kept], ends[is_kept]
    last = np.cumsum([len(text) + 1 for text in texts])
    counts = np.diff(np.searchsorted(starts, last), prepend=0)
    sizes = ends - starts
    # At each byte the eight that begin there.
    windows = np.ndarray((len(joined) + _WORD_BYTES + 1,), dtype="<u8", buffer=content, strides=(1,))
    first = windows[starts] & _FIRST_BYTES[np.minimum(sizes, _WORD_BYTES)]
    second = windows[np.minimum(starts + _WORD_BYTES, len(joined))]
    second &= _FIRST_BYTES[np.clip(sizes - _WORD_BYTES, 0, _WORD_BYTES)]
    hashes = (first ^ (first >> np.uint64(29))) * _ODD[0] + second * _ODD[1]
    _, some, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    same = some[inverse]
    are_equal = (sizes <= 2 * _WORD_BYTES) & (sizes[same] == sizes)
    are_equal &= (first[same] == first) & (second[same] == second)
    spelled = [joined[start:end] for start, end in zip(starts[some].tolist(), ends[some].tolist(), strict=True)]
    ids = np.fromiter(numbers(spelled), dtype=np.intc, count=len(spelled))[inverse]
    if not are_equal.all():
        odd = np.flatnonzero(~are_equal)
        longer = [joined[start:end] for start, end in zip(starts[odd].tolist(), ends[odd].tolist(), strict=True)]
        ids[odd] = np.fromiter(numbers(longer), dtype=np.intc, count=len(longer))
    return counts, ids
