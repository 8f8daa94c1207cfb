"""Columns of text: which terms occur in a text, and how often, as sparse numbers.

Terms are those of scikit-learn's vectorizers: words, runs of words, or runs of characters. Each
term that training saw is a feature, or with `hashing` a number computed from the term, which needs
no list of terms. With `tfidf` a count is multiplied by the term's inverse document frequency,
`log((1 + n) / (1 + d)) + 1` for a term in d of n texts, and the features of a text are divided by
their Euclidean norm.

Reference:
    Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), section 6.2.
    Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import compress, count, pairwise, repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError
from polytome.plain.kinds import LARGEST_COUNT, brief, choice, flag, listed, optional, record, refuse, whole
from polytome.tables.frames import Cells
from polytome.tables.text_tokens import Numbers, numbered_tokens

__all__ = [
    "ANALYZERS",
    "MOST_TERMS",
    "TermCounts",
    "TextOptions",
    "TextTerms",
    "is_text_tensor",
    "learn_terms",
    "looks_like_text",
    "text_tensors",
]

MOST_TERMS = 1_000_000
"""Different terms of a column that are kept of texts that are read piece by piece."""
ANALYZERS = ("word", "char", "char_wb")
"""What terms are made of: words, characters, or characters within words."""
_LONGEST_NGRAM = 50
_MOST_HASHES = 2**26
_LONGEST_NAMES = 2**27
"""Characters of the names of one column's features in a file: each repeats the column's name."""
_KINDS = {
    "analyzer": choice(*ANALYZERS),
    "ngrams": listed(whole(1, _LONGEST_NGRAM), 2),
    "lowercase": flag,
    "min_count": whole(1, LARGEST_COUNT),
    "max_features": optional(whole(1, LARGEST_COUNT)),
    "hashing": optional(whole(1, _MOST_HASHES)),
    "tfidf": flag,
}
_MOST_TERM_BYTES = 2**26  # of those that are kept of texts read piece by piece
_LOOKED_AT = 1000
_FEWEST_BLANKS = 2
_PARTS = ("words", "ends", "idf")

Array = NDArray[Any]


@dataclass(frozen=True)
class TextOptions:
    """How a text becomes numbers, in the words of scikit-learn's vectorizers.

    Attributes:
        analyzer: what terms are made of: "word" (two or more letters, digits or underscores),
            "char", or "char_wb", characters of one word with a blank at its ends.
        ngrams: the shortest and the longest run of words, or characters, that is a term.
        lowercase: whether upper and lower case are the same.
        min_count: a term that occurs in fewer of the training texts is left out.
        max_features: only so many terms are kept, those that occur most often; None for all.
        hashing: the number of features that terms are hashed to, instead of one for each term; None
            for no hashing. Different terms may share a feature.
        tfidf: whether counts are multiplied by inverse document frequencies and divided by the norm
            of their row.

    Raises:
        ArgumentError: a value cannot be used, or two contradict each other.

    Example:
        >>> TextOptions(ngrams=(1, 2)).hashing is None
        True
        >>> TextOptions(hashing=2**18, min_count=2)
        Traceback (most recent call last):
        polytome.errors.ArgumentError: min_count=2: hashing keeps no terms that could be counted; leave one of them out
    """

    analyzer: Literal["word", "char", "char_wb"] = "word"
    ngrams: tuple[int, int] = (1, 1)
    lowercase: bool = True
    min_count: int = 1
    max_features: int | None = None
    hashing: int | None = None
    tfidf: bool = True

    def __post_init__(self) -> None:
        if self.analyzer not in ANALYZERS:
            raise ArgumentError(f"analyzer={self.analyzer!r}: choose one of {', '.join(ANALYZERS)}")
        low, high = self.ngrams
        if not 1 <= low <= high <= _LONGEST_NGRAM:
            raise ArgumentError(
                f"ngrams={low},{high}: needs the shortest and the longest run, from 1 to {_LONGEST_NGRAM}, such as 1,2"
            )
        for name, most in (("min_count", LARGEST_COUNT), ("max_features", LARGEST_COUNT), ("hashing", _MOST_HASHES)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise ArgumentError(f"{name}={value}: needs a whole number from 1 to {most:,}")
        if self.hashing is not None and (self.min_count > 1 or self.max_features is not None):
            given = f"min_count={self.min_count}" if self.min_count > 1 else f"max_features={self.max_features}"
            raise ArgumentError(f"{given}: hashing keeps no terms that could be counted; leave one of them out")

    def vectorizer(self) -> Any:
        """The vectorizer of scikit-learn that makes terms of texts, and hashes them where that is
        asked for."""
        from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

        given = {"analyzer": self.analyzer, "ngram_range": self.ngrams, "lowercase": self.lowercase}
        if self.hashing is None:
            return CountVectorizer(**given)
        return HashingVectorizer(**given, n_features=self.hashing, norm=None)


@dataclass(frozen=True, eq=False)
class TextTerms:
    """What a column of text has taught: its terms, and how rare they are.

    Two are equal if they turn every text into the same numbers under the same names.

    Attributes:
        options: how a text becomes numbers.
        words: the terms in sorted order, one for each feature; none with hashing.
        idf: (d,) inverse document frequencies; None without `tfidf`.

    Example:
        >>> from polytome.tables.frames import TextCells
        >>> terms = learn_terms(TextCells.of(["red car", "blue car"]), TextOptions(tfidf=False), "cars")
        >>> terms.words, terms.encode(TextCells.of(["a red, red car"])).toarray()
        (('blue', 'car', 'red'), array([[0., 1., 2.]]))
    """

    options: TextOptions
    words: tuple[str, ...] = ()
    idf: NDArray[np.float64] | None = None
    _counted: list[tuple[Any, sparse.csr_array]] = field(default_factory=list, repr=False)
    """The counts of the texts that it was learned from, until they are asked for the first time."""

    def __eq__(self, other: object) -> bool:
        """Whether options, terms and frequencies are equal."""
        if not isinstance(other, TextTerms):
            return NotImplemented
        same = self.options == other.options and self.words == other.words
        return same and np.array_equal(
            np.zeros(0) if self.idf is None else self.idf, np.zeros(0) if other.idf is None else other.idf
        )

    def __hash__(self) -> int:
        """Equal terms have equal hashes."""
        return hash((self.options, self.words))

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be made again, so that equal terms have equal pickles."""
        return {"options": self.options, "words": self.words, "idf": self.idf, "_counted": []}

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.words) if self.options.hashing is None else self.options.hashing

    def names(self, column: str) -> tuple[str, ...]:
        """The names of the features, `column: term`, or `column: #7` of the hash 7."""
        words: Iterable[str] = self.words if self.options.hashing is None else map("#{}".format, range(self.width))
        return tuple(f"{column}: {word}" for word in words)

    def encode(self, cells: Cells) -> sparse.csr_array:
        """Turn texts into numbers.

        Args:
            cells: n texts, or missing cells, which are empty texts; terms that training never saw
                count for nothing.

        Returns:
            `(n, width)` float64.
        """
        is_learned = bool(self._counted) and self._counted[0][0] is cells
        X = self._counted.pop()[1] if is_learned else self._count(_texts_of(cells))
        if self.idf is None:
            return X
        from sklearn.preprocessing import normalize

        X.data *= self.idf[X.indices]
        return sparse.csr_array(normalize(X, copy=False))

    def _count(self, texts: Sequence[str]) -> sparse.csr_array:
        """How often each term occurs in each text."""
        if self.options.hashing is not None:
            return _hashed(self._vectorizer, texts)
        place = self._places
        rows, ids = _numbered(texts, self.options, self._analyze, lambda tokens: map(place.get, tokens, repeat(-1)))
        known = ids >= 0
        return _counts(rows[known], ids[known], (len(texts), self.width))

    @cached_property
    def _vectorizer(self) -> Any:
        return self.options.vectorizer()

    @cached_property
    def _analyze(self) -> Any:
        return self._vectorizer.build_analyzer()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    def to_json(self, place: int, tensors: dict[str, Array]) -> dict[str, Any]:
        """Return plain JSON values, and put the arrays that belong to them among the tensors, under
        names with the column's place in them."""
        if self.options.hashing is None:
            encoded = [word.encode() for word in self.words]
            tensors[_tensor(place, "words")] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
            tensors[_tensor(place, "ends")] = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        if self.idf is not None:
            tensors[_tensor(place, "idf")] = self.idf
        return {**asdict(self.options), "ngrams": list(self.options.ngrams)}

    @classmethod
    def from_json(cls, data: object, column: str, place: int, tensors: Mapping[str, Array], what: str) -> TextTerms:
        """Rebuild terms from what `to_json` returned, checking everything.

        Raises:
            FileError: something is absent, superfluous, of the wrong type or contradictory.
        """
        found = record(_KINDS)(data, what)
        try:
            options = TextOptions(**{**found, "ngrams": tuple(found["ngrams"])})
        except ArgumentError as error:
            refuse(f"{what}: {error}")
        given = {part for part in _PARTS if _tensor(place, part) in tensors}
        needed = ({"words", "ends"} if options.hashing is None else set()) | ({"idf"} if options.tfidf else set())
        if given != needed:
            refuse(f"{what} needs the tensors {brief(sorted(needed))} of its column, and has {brief(sorted(given))}")
        words: tuple[str, ...] = ()
        if options.hashing is None:
            words = _words_of(tensors[_tensor(place, "words")], tensors[_tensor(place, "ends")], what)
            if len(words) * len(column) > _LONGEST_NAMES:
                refuse(f"{what} has {len(words)} terms of a column with a long name, which each of them repeats")
        terms = cls(options, words, tensors[_tensor(place, "idf")] if options.tfidf else None)
        if terms.idf is not None and not (
            terms.idf.dtype == np.float64 and terms.idf.shape == (terms.width,) and _are_positive(terms.idf)
        ):
            refuse(f"the tensor {_tensor(place, 'idf')} is not one positive number for each of {terms.width} terms")
        return terms


def learn_terms(cells: Cells, options: TextOptions, where: str) -> TextTerms:
    """Learn from the texts of a column what its terms are.

    Args:
        cells: n texts; a missing cell is an empty text.
        options: how a text becomes numbers.
        where: what messages call the column.

    Raises:
        DataError: no term is left.
    """
    texts = _texts_of(cells)
    if options.hashing is not None:
        counts = _hashed(options.vectorizer(), texts)
        terms = TextTerms(options, (), _idf(counts) if options.tfidf else None)
    else:
        words, counts = _learned(texts, options, where)
        terms = TextTerms(options, words, _idf(counts) if options.tfidf else None)
    terms._counted.append((cells, counts))
    return terms


def _texts_of(cells: Cells) -> list[str]:
    """The cells of a column as texts, empty where one is missing."""
    codes, words = cells.words()
    spelled = [*words, ""]  # code -1 points at its last entry
    return [spelled[code] for code in codes.tolist()]


def is_text_tensor(name: str) -> bool:
    """Whether a tensor of a model file belongs to a column of text.

    Example:
        >>> is_text_tensor("text_0_words"), is_text_tensor("text")
        (True, False)
    """
    kind, *rest = name.split("_")
    return kind == "text" and len(rest) == 2 and rest[0].isdecimal() and rest[1] in _PARTS


def looks_like_text(words: Sequence[str]) -> bool:
    """Whether the different values of a column are sentences rather than names: most have several
    words.

    Example:
        >>> looks_like_text(["see you at six", "win a prize"]), looks_like_text(["Ann Lee", "Bo"])
        (True, False)
    """
    some = words[:: max(1, len(words) // _LOOKED_AT)]
    return 2 * sum(word.count(" ") >= _FEWEST_BLANKS for word in some) > len(some)


def text_tensors(place: int) -> tuple[str, ...]:
    """The names of the tensors of a column of text, of which it need not have all.

    Example:
        >>> text_tensors(0)
        ('text_0_words', 'text_0_ends', 'text_0_idf')
    """
    return tuple(_tensor(place, part) for part in _PARTS)


def _tensor(place: int, part: str) -> str:
    return f"text_{place}_{part}"


def _learned(texts: Sequence[str], options: TextOptions, where: str) -> tuple[tuple[str, ...], sparse.csr_array]:
    """The terms that are kept, sorted, and their counts.

    Terms are those of scikit-learn's analyzer; see `numbered_tokens` for how they are counted.
    """
    place: dict[str, int] = {}

    def numbered(tokens: list[str]) -> Iterable[int]:
        place.update(zip(set(tokens).difference(place), count(len(place)), strict=False))
        return map(place.__getitem__, tokens)

    rows, ids = _numbered(texts, options, options.vectorizer().build_analyzer(), numbered)
    _refuse_no_terms(place, options, where)
    terms = sorted(place)  # whatever order a set gave them
    recode = np.empty(len(terms), dtype=np.intc)
    recode[np.fromiter(map(place.__getitem__, terms), dtype=np.intc)] = np.arange(len(terms), dtype=np.intc)
    X = _counts(rows, recode[ids], (len(texts), len(terms)))
    totals = np.asarray(X.sum(axis=0)).ravel().astype(np.int64)
    keep = _kept(np.bincount(X.indices, minlength=len(terms)), totals, options, where)
    words = tuple(compress(terms, keep.tolist()))
    _refuse_unwritable(words, where)
    return words, X if keep.all() else sparse.csr_array(X[:, np.flatnonzero(keep)])


class TermCounts:
    """What is learned of the terms of texts that come some at a time: how many texts have each, and
    how often it occurs. The terms are those that `learn_terms` finds in all of the texts at once.

    Args:
        options: how a text becomes numbers.
        where: what messages call the column.

    Example:
        >>> from polytome.tables.frames import TextCells
        >>> counts = TermCounts(TextOptions(tfidf=False), "cars")
        >>> for text in ("red car", "blue car"):
        ...     counts.see(TextCells.of([text]))
        >>> counts.terms().words, counts.n_entries
        (('blue', 'car', 'red'), 4)
    """

    def __init__(self, options: TextOptions, where: str) -> None:
        self.options, self.where, self.n_texts, self.n_entries = options, where, 0, 0
        self._places: dict[str, int] = {}
        self._bytes = 0
        self._n_with = np.zeros(options.hashing or 0, dtype=np.int64)
        self._totals = np.zeros(0, dtype=np.int64)
        self._vectorizer = options.vectorizer()

    def see(self, cells: Cells) -> None:
        """Count the terms of the next texts.

        Raises:
            DataError: there are more different terms than are kept.
        """
        texts = _texts_of(cells)
        self.n_texts += len(texts)
        if self.options.hashing is not None:
            counts = _hashed(self._vectorizer, texts)
            self._n_with += np.bincount(counts.indices, minlength=self.options.hashing)
            self.n_entries += len(counts.indices)
            return
        rows, ids = _numbered(texts, self.options, self._vectorizer.build_analyzer(), self._numbered)
        if len(self._places) > MOST_TERMS or self._bytes > _MOST_TERM_BYTES:
            most = f"{MOST_TERMS:,}" if len(self._places) > MOST_TERMS else f"{_MOST_TERM_BYTES:,} bytes"
            raise DataError(
                f"{self.where}: holds {len(self._places):,} or more different terms, and {most} of them are kept of "
                "rows that are read piece by piece; hash them, as with --hashing 2^20"
            )
        width = len(self._places)
        self._n_with, self._totals = (
            np.append(each, np.zeros(width - len(each), np.int64)) for each in (self._n_with, self._totals)
        )
        self._n_with += np.bincount(_counts(rows, ids, (len(texts), width)).indices, minlength=width)
        self._totals += np.bincount(ids, minlength=width)

    def _numbered(self, tokens: list[str]) -> Iterable[int]:
        new = set(tokens).difference(self._places)
        self._places.update(zip(new, count(len(self._places)), strict=False))
        self._bytes += sum(map(len, new))
        return map(self._places.__getitem__, tokens)

    def terms(self) -> TextTerms:
        """The terms that all texts have taught.

        Raises:
            DataError: no term is left.
        """
        words: tuple[str, ...] = ()
        n_with = self._n_with
        if self.options.hashing is None:
            _refuse_no_terms(self._places, self.options, self.where)
            terms = sorted(self._places)
            order = np.fromiter(map(self._places.__getitem__, terms), dtype=np.int64)
            keep = _kept(n_with[order], self._totals[order], self.options, self.where)
            words, n_with = tuple(compress(terms, keep.tolist())), n_with[order][keep]
            _refuse_unwritable(words, self.where)
            self.n_entries = int(n_with.sum())
        return TextTerms(self.options, words, _rarity(self.n_texts, n_with) if self.options.tfidf else None)


def _kept(n_with: Array, totals: Array, options: TextOptions, where: str) -> NDArray[np.bool_]:
    """Which terms in sorted order are kept, by how many texts have each, and how often each
    occurs."""
    keep = np.ones(len(n_with), dtype=np.bool_)
    if options.min_count > 1:
        keep = n_with >= options.min_count
        if not keep.any():
            raise DataError(
                f"{where}: no term occurs in {options.min_count} texts or more; ask for fewer with --min-count"
            )
    if options.max_features is not None and keep.sum() > options.max_features:
        # As scikit-learn orders terms that are equally frequent.
        kept = np.flatnonzero(keep)
        keep = np.zeros(len(n_with), dtype=np.bool_)
        keep[kept[np.argsort(-totals[kept])[: options.max_features]]] = True
    return keep


def _refuse_no_terms(places: dict[str, int], options: TextOptions, where: str) -> None:
    if not places:
        what = "word of two letters or more" if options.analyzer == "word" else "run of so many characters"
        raise DataError(f"{where}: no text holds a {what}; is it the right column? Characters: --analyzer char_wb")


def _numbered(
    texts: Sequence[str], options: TextOptions, analyze: Callable[[str], list[str]], numbers: Numbers
) -> tuple[NDArray[np.int64], NDArray[np.intc]]:
    """The place of a text and a number, for each of its terms."""
    are_words = options.analyzer == "word" and options.ngrams == (1, 1)
    return numbered_tokens(texts, analyze, numbers, are_words=are_words, lowercase=options.lowercase)


def _refuse_unwritable(words: Sequence[str], where: str) -> None:
    """Refuse halves of surrogate pairs, which no file can hold."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        word = next(word for word in words if any("\ud800" <= character <= "\udfff" for character in word))
        raise DataError(
            f"{where}: holds {word!r}, half of a surrogate pair, which is not text; decode the texts again"
        ) from None


def _counts(rows: NDArray[np.int64], ids: NDArray[np.intc], shape: tuple[int, int]) -> sparse.csr_array:
    """How often each text has each term, from a pair for each occurrence."""
    short = max(len(ids), *shape) <= np.iinfo(np.int32).max
    X: Any = sparse.coo_array((np.ones(len(ids)), (rows.astype(np.int32 if short else np.int64), ids)), shape=shape)
    counts: sparse.csr_array = X.tocsr()
    counts.sort_indices()
    return counts


def _hashed(vectorizer: Any, texts: Sequence[str]) -> sparse.csr_array:
    X: Any = sparse.csr_array(vectorizer.transform(texts))
    X.sort_indices()
    counts: sparse.csr_array = X
    return counts


def _idf(counts: sparse.csr_array) -> NDArray[np.float64]:
    """`log((1 + n) / (1 + d)) + 1` of a term in d of n texts."""
    n_texts, width = counts.shape
    return _rarity(n_texts, np.bincount(counts.indices, minlength=width))


def _rarity(n_texts: int, n_with: Array) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log((1.0 + n_texts) / (1.0 + n_with)) + 1.0
    return found


def _words_of(content: Array, ends: Array, what: str) -> tuple[str, ...]:
    """Terms from their bytes and the end of each."""
    if content.dtype != np.uint8 or content.ndim != 1 or ends.dtype != np.int64 or ends.ndim != 1 or not len(ends):
        refuse(f"{what} has terms of type {content.dtype} and ends of type {ends.dtype}, not one or more of bytes")
    if ends[0] < 1 or (np.diff(ends) < 1).any() or ends[-1] != len(content):
        refuse(f"{what} has ends of terms that do not divide its {len(content)} bytes")
    whole_text = content.tobytes()
    starts = [0, *ends[:-1].tolist()]
    try:
        words = tuple(whole_text[start:end].decode() for start, end in zip(starts, ends.tolist(), strict=True))
    except UnicodeDecodeError as error:
        refuse(f"{what} has a term that is not text ({error.reason})")
    if any(word >= following for word, following in pairwise(words)):
        refuse(f"{what} has terms that are not different and in sorted order")
    return words


def _are_positive(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())
