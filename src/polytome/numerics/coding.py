"""Prefix codes: messages as bits, without loss and without separators, and how few bits suffice.

A code is a dictionary from symbols to words of zeros and ones. If no word is the beginning of
another, bits can be read in one way only. No such code needs fewer bits per symbol, on average,
than the entropy in bits (`polytome.numerics.entropy` with `base=2`); the best one, Huffman's, needs
less than one bit more, unless one symbol is certain. This is where entropy and cross-entropy get
their meaning: so many bits a day report the weather of a city.

Probabilities are a mapping from symbols to numbers, or a sequence of numbers, whose symbols are
then 0, 1, 2, ...
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterable, Mapping
from itertools import pairwise
from numbers import Real
from operator import itemgetter
from typing import Any

from polytome.errors import ArgumentError, DataError

__all__ = ["average_length", "decode", "encode", "huffman", "kraft_sum"]


def huffman(probabilities: Mapping[Any, float] | Iterable[float]) -> dict[Any, str]:
    """An optimal prefix code: no other one has a smaller `sum_k p_k length_k`.

    The two least probable groups of symbols are joined repeatedly; each time their words grow by
    one bit. Among equally probable ones the later symbol joins first, and a symbol before a group,
    which keeps the longest word short. Only the lengths come from this. The words are the canonical
    ones: counted upwards, shorter words first, symbols of equal length in the order given. So the
    code is the same on every run and every machine.

    Args:
        probabilities: at least two, not negative, with sum 1. A symbol of probability 0 gets a word
            too.

    Returns:
        A word for each symbol, in the order given.

    Raises:
        ArgumentError: there are fewer than two symbols, or the probabilities are not valid.

    Example:
        >>> huffman({"Fine": 0.6, "Cloudy": 0.38, "Rainy": 0.01, "Snow": 0.01})
        {'Fine': '0', 'Cloudy': '10', 'Rainy': '110', 'Snow': '111'}

    Reference: Huffman, A method for the construction of minimum-redundancy codes, Proceedings of
        the IRE 40, 1952; Schwartz and Kallick, Generating a canonical prefix encoding,
        Communications of the ACM 7, 1964.
    """
    return _canonical_words(_optimal_lengths(_distribution(probabilities)))


def average_length(code: Mapping[Any, str], probabilities: Mapping[Any, float] | Iterable[float]) -> float:
    """Mean number of bits per symbol, `sum_k p_k length_k`.

    Args:
        code: a word for each symbol; it need not be a prefix code.
        probabilities: of the same symbols.

    Returns:
        Bits per symbol. With a prefix code, never below the entropy.

    Raises:
        ArgumentError: a symbol has a word and no probability or the reverse, there are fewer than
            two, or a word or a probability is not valid.

    Example:
        >>> average_length({"A": "0", "B": "10", "C": "11"}, {"A": 0.5, "B": 0.25, "C": 0.25})
        1.5

    Reference: Cover and Thomas, Elements of Information Theory, 2006, section 5.1.
    """
    _check_words(code)
    p = _distribution(probabilities)
    for symbol in code:
        if symbol not in p:
            raise ArgumentError(
                f"symbol {symbol!r} has a word but is missing from probabilities: give it one (0 will do)"
            )
    for symbol in p:
        if symbol not in code:
            raise ArgumentError(f"symbol {symbol!r} has a probability but no word in the code: give it a word")
    return math.fsum(p[symbol] * len(word) for symbol, word in code.items())


def kraft_sum(code: Mapping[Any, str]) -> float:
    """Kraft sum `sum_k 2^-length_k`, the share of all bit strings that the words use up.

    It is at most 1 for every prefix code, and exactly 1 where no word can be added or shortened, as
    in Huffman's.

    Raises:
        ArgumentError: a word is not made of zeros and ones.

    Example:
        >>> kraft_sum({"A": "0", "B": "10", "C": "11"}), kraft_sum({"A": "00", "B": "01"})
        (1.0, 0.5)

    Reference: Cover and Thomas, Elements of Information Theory, 2006, section 5.2.
    """
    _check_words(code)
    return math.fsum(2.0 ** -len(word) for word in code.values())


def encode(symbols: Iterable[Hashable], code: Mapping[Any, str]) -> str:
    """The words of the symbols, one after another.

    Args:
        symbols: the messages in order.
        code: a prefix code.

    Returns:
        A string of zeros and ones.

    Raises:
        ArgumentError: `code` is not a prefix code.
        DataError: a symbol has no word.

    Example:
        >>> encode(["Fine", "Cloudy", "Fine"], {"Fine": "0", "Cloudy": "10", "Rainy": "11"})
        '0100'
    """
    _check_prefix_free(code)
    words = []
    for position, symbol in enumerate(symbols):
        if symbol not in code:
            raise DataError(f"symbols[{position}] = {symbol!r} has no word in the code: give it one, or leave it out")
        words.append(code[symbol])
    return "".join(words)


def decode(bits: str, code: Mapping[Any, str]) -> list[Any]:
    """The symbols whose words make up the bits: the inverse of `encode`.

    Args:
        bits: a string of zeros and ones.
        code: a prefix code, so that a word is known to be complete as soon as it is.

    Returns:
        The symbols in order.

    Raises:
        ArgumentError: `code` is not a prefix code.
        DataError: `bits` holds another character, begins no word somewhere, or ends inside a word.

    Example:
        >>> decode("0100", {"Fine": "0", "Cloudy": "10", "Rainy": "11"})
        ['Fine', 'Cloudy', 'Fine']
    """
    _check_prefix_free(code)
    _check_bits(bits)
    symbol_of = {word: symbol for symbol, word in code.items()}
    beginnings = {word[:length] for word in symbol_of for length in range(len(word))}
    symbols, start = [], 0
    for stop in range(1, len(bits) + 1):
        read = bits[start:stop]
        if read in symbol_of:
            symbols.append(symbol_of[read])
            start = stop
        elif read not in beginnings:
            raise DataError(
                f"bits[{start}:{stop}] = {read!r}: no word begins like this; the bits belong to another code"
            )
    if start < len(bits):
        raise DataError(f"bits end inside a word: {bits[start:]!r}, from position {start} on, is only its beginning")
    return symbols


def _distribution(probabilities: Mapping[Any, float] | Iterable[float]) -> dict[Any, float]:
    """The probability of each of at least two symbols, checked."""
    p = dict(probabilities if isinstance(probabilities, Mapping) else enumerate(probabilities))
    if len(p) < 2:
        raise ArgumentError(
            f"probabilities has {len(p)} symbol(s): a code needs at least two (a single message needs no bits, because "
            "it is known beforehand)"
        )
    for symbol, value in p.items():
        if not (isinstance(value, Real) and 0 <= float(value) <= 1):
            raise ArgumentError(
                f"probabilities[{symbol!r}] = {value!r}: needs a number from 0 to 1 (divide counts by their sum)"
            )
    total = math.fsum(p.values())
    if abs(total - 1) > 1e-8:  # as strict as `entropy`, so that distributions with a code have an entropy
        raise ArgumentError(f"probabilities sum to {total:.10g}, not to 1: scale them so that they do")
    return {symbol: float(value) for symbol, value in p.items()}


def _optimal_lengths(p: Mapping[Any, float]) -> dict[Any, int]:
    """Huffman's word lengths."""
    lengths = dict.fromkeys(p, 0)
    # The second entry breaks ties: symbols count down from 0, groups count up from 1.
    heap = [(value, -order, [symbol]) for order, (symbol, value) in enumerate(p.items())]
    heapq.heapify(heap)
    for order in range(1, len(p)):
        first, _, rarest = heapq.heappop(heap)
        second, _, next_rarest = heapq.heappop(heap)
        group = rarest + next_rarest
        for symbol in group:
            lengths[symbol] += 1
        heapq.heappush(heap, (first + second, order, group))
    return lengths


def _canonical_words(lengths: Mapping[Any, int]) -> dict[Any, str]:
    """Words of these lengths: each is the one before plus 1, with zeros at the end as it gets
    longer."""
    words = dict.fromkeys(lengths, "")
    number, width = -1, 0
    for symbol in sorted(lengths, key=lambda symbol: lengths[symbol]):  # a stable sort
        number = (number + 1) << (lengths[symbol] - width)
        width = lengths[symbol]
        words[symbol] = format(number, f"0{width}b")
    return words


def _check_words(code: Mapping[Any, str]) -> None:
    """Raises ArgumentError where a word is not made of zeros and ones."""
    for symbol, word in code.items():
        if not (isinstance(word, str) and word and set(word) <= {"0", "1"}):
            raise ArgumentError(f"code[{symbol!r}] = {word!r}: needs a word made of the characters 0 and 1")


def _check_prefix_free(code: Mapping[Any, str]) -> None:
    """Raises ArgumentError where a word is the beginning of another one, naming both."""
    _check_words(code)
    # In lexicographic order, the words that begin with a word follow right after it.
    in_order = sorted(((word, symbol) for symbol, word in code.items()), key=itemgetter(0))
    for (word, symbol), (longer, other) in pairwise(in_order):
        if longer.startswith(word):
            raise ArgumentError(
                f"code is not prefix-free: the word {word!r} of {symbol!r} begins the word {longer!r} of {other!r}, so "
                "that bits could be read in two ways; `huffman` makes a code that is"
            )


def _check_bits(bits: str) -> None:
    """Raises DataError at the first character that is neither 0 nor 1."""
    for position, bit in enumerate(bits):
        if bit not in ("0", "1"):
            raise DataError(f"bits[{position}] = {bit!r}: only the characters 0 and 1 are bits")
