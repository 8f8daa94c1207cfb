"""Texts in ONNX: how often each term of a model occurs in a text, by its characters.

    text -> Tokenizer -> LabelEncoder -> codes of characters -> [blanks as one] -> TfIdfVectorizer
         -> counts of terms -> times idf -> divided by their norm -> MatMul -> share in the scores

A term is a run of the codes of its characters, a word with a code for its two ends around it, so
that counting runs of codes counts terms. Upper and lower case have one code. Which characters are
letters or blanks is written into the graph, as this Python knows them: it does not depend on what
the runtime knows of Unicode.

`Tokenizer` is of onnxruntime: no standard operator gives the characters of a text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.export.onnx_nodes import Nodes
from polytome.tables.encoder import Column
from polytome.tables.text_columns import TextTerms

__all__ = ["add_text"]

_BLANK, _OTHER, _FIRST = 0, 1, 2
"""Codes of what stands between words, of a character that no term has, and of the first that one
has."""
_AFTER = -1
"""What stands behind the end of a text that is shorter than others: in no term."""
_PAD = "end"
"""In the place of a character behind the end of a text: more than one character."""
_SIGMA = "\u03a3"
"""The capital letter whose lower case depends on where in a word it stands."""


def add_text(graph: Nodes, column: Column, coefficients: NDArray[np.float64], place: int) -> str:
    """Add what turns a column of text into its share in the scores.

    Args:
        graph: of the model.
        column: of text, with terms that are not hashed.
        coefficients: one row for each class, one number for each term.
        place: of the column, in names.

    Returns:
        The name of the share, (n, K): NaN for a missing text that the model refuses, and where
        lower case is no matter of single characters.
    """
    assert column.terms is not None
    terms, name = column.terms, f"text_{place}"
    text = graph.input(column.name, graph.onnx.TensorProto.STRING, 1)
    flat = graph.node("Squeeze", [text, graph.axis], f"{name}_flat")
    counts = _counts(graph, terms, flat, name)
    if terms.idf is not None:
        counts = graph.node("Mul", [counts, graph.constant(terms.idf, f"{name}_idf")], f"{name}_weighted")
        norm = graph.node("ReduceL2", [counts, graph.axis], f"{name}_length")
        zero, one = (graph.constant(np.array(value), f"{name}_{value:.0f}") for value in (0.0, 1.0))
        norm = graph.node("Where", [graph.node("Equal", [norm, zero], f"{name}_no_term"), one, norm], f"{name}_norm")
        counts = graph.node("Div", [counts, norm], f"{name}_features")
    matrix = graph.constant(np.ascontiguousarray(coefficients.T), f"{name}_coefficients")
    share = graph.node("MatMul", [counts, matrix], f"{name}_products")
    pattern = _refused(terms.options.lowercase, column.fill is None)
    if pattern is None:
        return share
    refused = graph.node("RegexFullMatch", [text], f"{name}_refused", pattern=pattern)
    nan = graph.constant(np.array(np.nan), f"{name}_nan")
    return graph.node("Where", [refused, nan, share], f"{name}_share")


def _counts(graph: Nodes, terms: TextTerms, flat: str, name: str) -> str:
    """How often each term occurs in each text, (n, d)."""
    # One more text, which is left out in the end: of no texts the tokenizer makes no matrix.
    last = graph.constant(np.array(["x"], dtype=object), f"{name}_one_more")
    texts = graph.node("Concat", [flat, last], f"{name}_and_one", axis=0)
    split = {"separators": [""], "mark": 0, "mincharnum": 1, "pad_value": _PAD}
    characters = graph.node("Tokenizer", [texts], f"{name}_characters", **split)
    graph.tell(characters, graph.onnx.TensorProto.STRING)
    codes = _codes_of(terms)
    keys = _keys(codes, lowercase=terms.options.lowercase)
    coded = graph.node(
        "LabelEncoder",
        [characters],
        f"{name}_codes",
        keys_strings=[*keys, _PAD],
        values_int64s=[*keys.values(), _AFTER],
        default_int64=_OTHER,
    )
    runs = _Runs(graph, characters, coded, name)
    made = runs.of_characters() if terms.options.analyzer == "char" else runs.of_words(terms.options.analyzer)
    counted = graph.node("TfIdfVectorizer", [made], f"{name}_counts", **_pool(terms, codes))
    number = graph.node("Cast", [counted], f"{name}_numbers", to=graph.number_type)
    if terms.options.analyzer == "char_wb" and " " in terms.words:
        # Each word has a blank at either end, where the codes of two words share one.
        is_blank = np.array([word == " " for word in terms.words], dtype=np.float64)
        twice = graph.node("Mul", [number, graph.constant(1 + is_blank, f"{name}_twice")], f"{name}_doubled")
        number = graph.node("Sub", [twice, graph.constant(2 * is_blank, f"{name}_ends")], f"{name}_of_words")
    ends = (graph.constant(np.array([value]), f"{name}_{what}") for value, what in ((0, "top"), (-1, "bottom")))
    return graph.node("Slice", [number, *ends, graph.constant(np.array([0]), f"{name}_rows")], f"{name}_terms")


class _Runs:
    """The codes of texts, as runs of which are terms."""

    def __init__(self, graph: Nodes, characters: str, codes: str, name: str) -> None:
        self.graph, self.characters, self.codes, self.name = graph, characters, codes, name

    def of_words(self, analyzer: str) -> str:
        """Words with a blank before, between and after them; of the analyzer "word" those of two
        characters or more."""
        is_inside = self._matches(_class(analyzer == "word"))
        codes, inside = self._with_end(self.codes, _BLANK), self._with_end(is_inside, False)
        word = inside
        if analyzer == "word":
            beside = self.graph.node("Or", [self._before(inside), self._after(inside)], self._name("beside"))
            word = self.graph.node("And", [inside, beside], self._name("inside"))
        blank = self.graph.node("Not", [inside], self._name("blank"))
        ends = self.graph.node("And", [blank, self._before(word)], self._name("ends"))
        kept = self.graph.node("Or", [word, ends], self._name("kept"))
        coded = self._where(inside, codes, self._constant(_BLANK))
        return self._with_start(self._together(coded, kept), _BLANK)

    def of_characters(self) -> str:
        """All characters, two blanks or more as one, and none at the ends: cells have none."""
        graph = self.graph
        inside = self._matches(_class(False))
        blank = self._matches(_blanks())
        again = graph.node("And", [blank, self._before(blank)], self._name("again"))
        many = graph.node("Or", [again, self._after(again)], self._name("many"))
        coded = self._where(many, self._constant(_BLANK), self.codes)
        left = graph.node("Cast", [inside], self._name("ones"), to=graph.onnx.TensorProto.INT64)
        left = graph.node("CumSum", [left, self._constant(1)], self._name("left"), reverse=1)
        later = graph.node("Greater", [left, self._constant(0)], self._name("later"))
        first = graph.node("And", [blank, self._before(inside)], self._name("first"))
        between = graph.node("And", [first, later], self._name("between"))
        kept = graph.node("Or", [inside, between], self._name("kept"))
        return self._with_start(self._together(coded, kept), _AFTER)

    def _together(self, codes: str, kept: str) -> str:
        """The codes that are kept, in their order, without gaps."""
        graph, zero = self.graph, self._constant(0)
        size = graph.node("Size", [graph.node("Gather", [kept, zero], self._name("row"), axis=0)], self._name("size"))
        places = graph.node("Range", [size, zero, self._constant(-1)], self._name("places"))
        order = self._where(kept, places, zero)
        count = graph.node("Reshape", [size, graph.axis], self._name("count"))
        values, at = graph.nodes_of("TopK", [order, count], (self._name("sorted"), self._name("sorted_at")), axis=1)
        moved = graph.node("GatherElements", [codes, at], self._name("moved"), axis=1)
        is_kept = graph.node("Greater", [values, zero], self._name("is_kept"))
        return self._where(is_kept, moved, self._constant(_AFTER))

    def _matches(self, pattern: str) -> str:
        return self.graph.node("RegexFullMatch", [self.characters], self._name("matches"), pattern=pattern)

    def _before(self, flags: str) -> str:
        """For each place the flag before it."""
        return self._cut(self._with_start(flags, False), 0, -1)

    def _after(self, flags: str) -> str:
        """For each place the flag after it."""
        return self._cut(self._with_end(flags, False), 1, sys.maxsize)

    def _with_start(self, values: str, value: int | bool) -> str:
        return self._padded(values, value, (0, 1, 0, 0))

    def _with_end(self, values: str, value: int | bool) -> str:
        return self._padded(values, value, (0, 0, 0, 1))

    def _padded(self, values: str, value: int | bool, widths: tuple[int, ...]) -> str:
        pads = self.graph.constant(np.array(widths), self._name("pads"))
        return self.graph.node("Pad", [values, pads, self._constant(value)], self._name("padded"))

    def _cut(self, values: str, top: int, end: int) -> str:
        ends = (self.graph.constant(np.array([value]), self._name("cut")) for value in (top, end))
        return self.graph.node("Slice", [values, *ends, self.graph.axis], self._name("part"))

    def _where(self, flags: str, yes: str, no: str) -> str:
        return self.graph.node("Where", [flags, yes, no], self._name("where"))

    def _constant(self, value: int | bool) -> str:
        return self.graph.constant(np.array(value), self._name("constant"))

    def _name(self, what: str) -> str:
        """A name that differs from all others."""
        return self.graph.unused(f"{self.name}_{what}")


def _codes_of(terms: TextTerms) -> dict[str, int]:
    """A code for each character of the terms; the blank has the one of what is between words."""
    letters = sorted(set().union(*terms.words) - {" "})
    return {" ": _BLANK} | {letter: code for code, letter in enumerate(letters, start=_FIRST)}


def _keys(codes: dict[str, int], *, lowercase: bool) -> dict[str, int]:
    """The code of each character that may stand in a text, capitals included."""
    if not lowercase:
        return codes
    return {letter: codes[lower] for letter, lower in _lowered().items() if lower in codes}


def _pool(terms: TextTerms, codes: dict[str, int]) -> dict[str, Any]:
    """The terms as runs of codes, in the attributes of TfIdfVectorizer."""
    around = [_BLANK] if terms.options.analyzer == "word" else []
    runs = [[*around, *(codes[letter] for letter in word), *around] for word in terms.words]
    order = sorted(range(len(runs)), key=lambda k: len(runs[k]))
    longest = len(runs[order[-1]])
    sizes = np.array([len(run) for run in runs])
    in_pool = np.cumsum(np.bincount(sizes, minlength=longest + 1) * np.arange(longest + 1))
    return {
        "mode": "TF",
        "min_gram_length": int(sizes.min()),
        "max_gram_length": longest,
        "max_skip_count": 0,
        "ngram_counts": in_pool[:longest].tolist(),
        "ngram_indexes": order,
        "pool_int64s": [code for k in order for code in runs[k]],
    }


def _refused(lowercase: bool, refuses_missing: bool) -> str | None:
    """A pattern of the texts that are not predicted; None if all are."""
    odd = [*(letter for letter, lower in _lowered().items() if len(lower) > 1), _SIGMA] if lowercase else []
    parts = [f".*{_ranges(map(ord, odd))}.*"] if odd else []
    parts += [f"{_blanks()}*"] if refuses_missing else []
    return f"(?s:{'|'.join(parts)})" if parts else None


@cache
def _lowered() -> dict[str, str]:
    """Each character that texts in files may have, and its lower case."""
    letters = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    return {letter: letter.lower() for letter in letters}


@cache
def _class(are_words: bool) -> str:
    """A pattern of the characters of words: letters, digits and underscores, or all but blanks."""
    if are_words:
        return _ranges(ord(letter) for letter in _lowered() if letter.isalnum() or letter == "_")
    return _ranges(ord(letter) for letter in _lowered() if not letter.isspace())


@cache
def _blanks() -> str:
    return _ranges(ord(letter) for letter in _lowered() if letter.isspace())


def _ranges(codes: Iterable[int]) -> str:
    """A pattern of one of some characters."""
    values = np.array(sorted(codes))
    parts = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return "[" + "".join(rf"\x{{{part[0]:x}}}-\x{{{part[-1]:x}}}" for part in parts) + "]"
