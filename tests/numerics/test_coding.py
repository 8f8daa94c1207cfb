"""Prefix codes against brute force, the entropy, and the numbers of document 000."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytome.errors import ArgumentError, DataError
from polytome.numerics import entropy
from polytome.numerics.coding import average_length, decode, encode, huffman, kraft_sum

WEATHER = {"Fine": 0.6, "Cloudy": 0.38, "Rainy": 0.01, "Snow": 0.01}
OTHER_CITY = {"Fine": 0.1, "Cloudy": 0.1, "Rainy": 0.4, "Snow": 0.4}
CODE = {"Fine": "0", "Cloudy": "10", "Rainy": "110", "Snow": "111"}

counts = st.lists(st.integers(0, 100), min_size=2, max_size=30).filter(any)
few_counts = st.lists(st.integers(0, 12), min_size=2, max_size=6).filter(any)


def shares(counts):
    """Counts as probabilities."""
    return [count / sum(counts) for count in counts]


def all_lengths(n):
    """Every multiset of n word lengths, ascending, that a prefix code can have (Kraft's
    inequality)."""
    for lengths in combinations_with_replacement(range(1, n), n):
        if sum(2 ** (n - length) for length in lengths) <= 2**n:
            yield lengths


def cost(counts, lengths):
    """Bits for all messages: the longest words for the rarest symbols."""
    return sum(count * length for count, length in zip(sorted(counts, reverse=True), sorted(lengths), strict=True))


def test_the_weather_of_document_000():
    assert huffman(WEATHER) == CODE
    assert list(huffman(WEATHER)) == list(WEATHER)
    assert average_length(CODE, WEATHER) == pytest.approx(1.42, rel=1e-15)
    assert average_length(CODE, OTHER_CITY) == pytest.approx(2.7, rel=1e-15)
    better = huffman(OTHER_CITY)
    assert [len(word) for word in better.values()] == [3, 3, 1, 2]
    assert average_length(better, OTHER_CITY) == pytest.approx(1.8, rel=1e-15)


def test_no_code_beats_the_entropies_of_document_000():
    assert entropy(list(WEATHER.values()), base=2) == pytest.approx(1.1055093773, abs=5e-11)
    assert entropy(list(OTHER_CITY.values()), base=2) == pytest.approx(1.7219280949, abs=5e-11)


@pytest.mark.parametrize(
    ("bits", "messages"),
    [("010110111", ["Fine", "Cloudy", "Rainy", "Snow"]), ("110010111", ["Rainy", "Fine", "Cloudy", "Snow"]), ("", [])],
)
def test_messages_of_document_000(bits, messages):
    assert decode(bits, CODE) == messages
    assert encode(messages, CODE) == bits


def test_eight_equal_messages_take_three_bits_each():
    assert list(huffman([1 / 8] * 8).values()) == ["000", "001", "010", "011", "100", "101", "110", "111"]


def test_a_sequence_has_the_symbols_0_1_2():
    assert huffman([0.25, 0.5, 0.25]) == {0: "10", 1: "0", 2: "11"}
    assert huffman(np.array([0.25, 0.5, 0.25])) == huffman([0.25, 0.5, 0.25])
    assert average_length(huffman([0.25, 0.5, 0.25]), [0.25, 0.5, 0.25]) == 1.5


def test_a_certain_symbol_still_takes_a_bit():
    assert huffman([1.0, 0.0]) == {0: "0", 1: "1"}
    assert average_length(huffman([1, 0, 0]), [1, 0, 0]) == 1


@given(counts)
def test_words_use_up_every_bit_string_and_cost_less_than_the_entropy_and_a_bit(counts):
    p = shares(counts)
    code = huffman(p)
    assert kraft_sum(code) == 1
    bits = average_length(code, p)
    H = float(entropy(p, base=2))
    assert bits >= H - 1e-12
    assert bits < H + 1 or max(p) == 1


@given(few_counts)
def test_no_prefix_code_is_shorter(counts):
    lengths = [len(word) for word in huffman(shares(counts)).values()]
    spent = sum(count * length for count, length in zip(counts, lengths, strict=True))
    assert spent == min((cost(counts, other) for other in all_lengths(len(counts))), default=sum(counts))


@given(few_counts)
def test_among_the_shortest_codes_the_longest_word_is_short(counts):
    counts = [*counts, 128 - sum(counts)]  # probabilities, and their sums, are then exact
    lengths = [len(word) for word in huffman(shares(counts)).values()]
    optimal = [other for other in all_lengths(len(counts)) if cost(counts, other) == cost(counts, lengths)]
    assert max(lengths) == min(map(max, optimal))


@given(counts)
def test_words_are_canonical(counts):
    words = list(huffman(shares(counts)).values())
    for i, word in enumerate(words):
        for j, other in enumerate(words):
            if counts[i] > counts[j] or (counts[i] == counts[j] and i < j):
                assert len(word) <= len(other)
            if len(word) == len(other) and i < j:
                assert word < other
    longest = max(map(len, words))
    in_order = sorted(words, key=lambda word: (len(word), word))
    # Words count upwards without a hole, as fractions of the unit interval.
    assert [int(word.ljust(longest, "0"), 2) for word in in_order] == list(
        np.cumsum([0] + [2 ** (longest - len(word)) for word in in_order[:-1]])
    )


@given(counts, st.data())
def test_decoding_undoes_encoding(counts, draw):
    code = huffman({f"symbol {k}": share for k, share in enumerate(shares(counts))})
    messages = draw.draw(st.lists(st.sampled_from(list(code)), max_size=40))
    assert decode(encode(messages, code), code) == messages


def test_a_hundred_thousand_bits_of_a_skewed_code():
    p = [2.0**-k for k in range(1, 60)] + [2.0**-59]
    code = huffman(p)
    assert kraft_sum(code) == 1
    assert average_length(code, p) == pytest.approx(float(entropy(p, base=2)), rel=1e-15)
    messages = list(range(60)) * 50
    assert decode(encode(messages, code), code) == messages


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ({"Fine": 1.0}, r"1 symbol\(s\).*needs no bits"),
        ({}, r"0 symbol\(s\)"),
        ([0, 0], "sum to 0, not to 1"),
        ({"Fine": 0.5, "Rainy": -0.5}, r"\['Rainy'\] = -0.5: needs a number from 0 to 1"),
        ({"Fine": 0.5, "Rainy": float("nan")}, r"\['Rainy'\] = nan"),
        ([0.5, float("inf")], r"\[1\] = inf"),
        ([0.5, "0.5"], r"\[1\] = '0.5'"),
        ([3, 1], r"\[0\] = 3.*divide counts by their sum"),
        ([0.5, 0.4], "sum to 0.9, not to 1: scale them"),
    ],
)
def test_probabilities_that_are_none(probabilities, message):
    with pytest.raises(ArgumentError, match=message):
        huffman(probabilities)


@pytest.mark.parametrize("word", ["", "012", "a", None, 10])
def test_words_that_are_none(word):
    code = {"Fine": "0", "Rainy": word}
    for use in (kraft_sum, lambda c: average_length(c, [1]), lambda c: encode([], c), lambda c: decode("", c)):
        with pytest.raises(ArgumentError, match=r"code\['Rainy'\] = .*: needs a word made of the characters 0 and 1"):
            use(code)


@pytest.mark.parametrize("code", [{"A": "1", "B": "01", "C": "011"}, {"C": "011", "A": "00", "B": "01"}])
def test_a_code_that_can_be_read_in_two_ways(code):
    for use in (lambda: encode(["A"], code), lambda: decode("01", code)):
        with pytest.raises(ArgumentError, match="'01' of 'B' begins the word '011' of 'C'"):
            use()


def test_two_symbols_with_one_word():
    with pytest.raises(ArgumentError, match="'0' of 'A' begins the word '0' of 'B'"):
        encode(["A"], {"A": "0", "B": "0"})


@given(st.dictionaries(st.integers(), st.text("01", min_size=1, max_size=4), min_size=2, max_size=6))
def test_codes_are_refused_exactly_where_a_word_begins_another(code):
    clash = any(a != b and code[b].startswith(code[a]) for a in code for b in code)
    if clash:
        with pytest.raises(ArgumentError, match="not prefix-free"):
            decode("", code)
    else:
        assert decode("".join(code.values()), code) == list(code)
        assert kraft_sum(code) <= 1


def test_symbols_and_words_must_match():
    with pytest.raises(DataError, match=r"symbols\[1\] = 'Hail' has no word"):
        encode(["Fine", "Hail"], CODE)
    with pytest.raises(ArgumentError, match="'Snow' has a word but is missing"):
        average_length(CODE, {"Fine": 0.5, "Cloudy": 0.25, "Rainy": 0.25})
    with pytest.raises(ArgumentError, match="'Hail' has a probability but no word"):
        average_length(CODE, {**WEATHER, "Hail": 0.0})


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ("01011", "end inside a word: '11', from position 3 on"),
        ("0 10", r"bits\[1\] = ' '"),
        ("01012", r"bits\[4\] = '2'"),
        ("01٠", r"bits\[2\]"),
    ],
)
def test_bits_that_hold_no_messages(bits, message):
    with pytest.raises(DataError, match=message):
        decode(bits, CODE)


def test_bits_of_another_code_are_found_where_no_word_begins_so():
    with pytest.raises(DataError, match=r"bits\[2:4\] = '11': no word begins like this"):
        decode("001100", {"A": "00", "B": "01", "C": "100"})
