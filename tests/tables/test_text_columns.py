"""Columns of text: the matrices of scikit-learn's vectorizers, in a table and back from a file."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from polytome import LogisticRegression, load
from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.explain import contributions
from polytome.files.sources import fit_source, hold_out, open_source, read_for_model
from polytome.tables import text_tokens
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame, TextCells
from polytome.tables.schemas import learn_encoder
from polytome.tables.table import read_table
from polytome.tables.text_columns import TextOptions, TextTerms, learn_terms, looks_like_text
from polytome.tables.text_tokens import numbered_tokens

SPAM = [
    "WINNER! Claim your free prize now, text CLAIM to 80222",
    "Free entry: win a holiday, call 0900 123 today",
    "You have won a £500 voucher, reply YES to claim it",
    "Urgent! Your prize is waiting, call now to claim",
    "Win cash every week, text WIN to 80222 now",
    "Final call: your free ringtone is waiting, reply NOW",
]
HAM = [
    "Are you coming home for dinner tonight?",
    "I am late, the train from Zürich has stopped again",
    "Thanks for the book, I like it a lot",
    "Shall we meet at six near the station?",
    "Can you call mum, she is waiting at home",
    "The meeting was long, see you tomorrow",
]
MESSAGES = [*SPAM, *HAM]
KINDS = [
    ({}, {}),
    ({"tfidf": False}, {}),
    ({"ngrams": (1, 3)}, {"ngram_range": (1, 3)}),
    ({"ngrams": (2, 2), "tfidf": False}, {"ngram_range": (2, 2)}),
    ({"analyzer": "char", "ngrams": (1, 3)}, {"analyzer": "char", "ngram_range": (1, 3)}),
    ({"analyzer": "char_wb", "ngrams": (2, 4), "tfidf": False}, {"analyzer": "char_wb", "ngram_range": (2, 4)}),
    ({"lowercase": False}, {"lowercase": False}),
    ({"min_count": 2}, {"min_df": 2}),
    ({"max_features": 9}, {"max_features": 9}),
    ({"min_count": 2, "max_features": 7, "tfidf": False}, {"min_df": 2, "max_features": 7}),
    ({"hashing": 64}, {"n_features": 64}),
    ({"hashing": 64, "tfidf": False, "ngrams": (1, 2)}, {"n_features": 64, "ngram_range": (1, 2)}),
]


def vectorizer_of(own, given):
    if "hashing" in own:
        hashed = HashingVectorizer(**given, norm=None)
        return make_pipeline(hashed, TfidfTransformer()) if own.get("tfidf", True) else hashed
    return TfidfVectorizer(**given) if own.get("tfidf", True) else CountVectorizer(**given)


def assert_same_matrix(found, expected):
    expected = expected.astype(np.float64)
    expected.sort_indices()
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.indices, expected.indices)
    if (expected.data == expected.data.round()).all():  # counts
        np.testing.assert_array_equal(found.data, expected.data)
    # scikit-learn adds the squares of a row up in another order, that of the first texts.
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-14)


@pytest.mark.parametrize(("own", "given"), KINDS)
def test_a_column_becomes_the_matrix_of_scikit_learns_vectorizer(own, given):
    vectorizer, cells, new = vectorizer_of(own, given), TextCells.of(MESSAGES), ["claim a free dinner", "nothing", ""]
    expected = vectorizer.fit_transform(MESSAGES)
    terms = learn_terms(cells, TextOptions(**own), "here")
    assert_same_matrix(terms.encode(cells), expected)  # as it was counted when it was learned
    assert_same_matrix(terms.encode(cells), expected)  # counted again
    assert_same_matrix(terms.encode(TextCells.of(new)), vectorizer.transform(new))
    if "hashing" not in own:
        assert terms.words == tuple(vectorizer.get_feature_names_out())


@settings(max_examples=25)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.sampled_from(["word", "char", "char_wb"]))
def test_any_text_becomes_the_matrix_of_scikit_learns_vectorizer(texts, analyzer):
    cells = TextCells.of(texts)
    stripped = [cells.text(row) for row in range(len(texts))]
    reference = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2))
    try:
        expected = reference.fit_transform(stripped)
    except ValueError:  # an empty vocabulary
        with pytest.raises(DataError, match="no text holds a"):
            learn_terms(cells, TextOptions(analyzer=analyzer, ngrams=(1, 2)), "here")
        return
    terms = learn_terms(cells, TextOptions(analyzer=analyzer, ngrams=(1, 2)), "here")
    assert terms.words == tuple(reference.get_feature_names_out())
    assert_same_matrix(terms.encode(cells), expected)


WORDS = st.sampled_from(
    ["a", "go", "_x", "Ab1", "eightsss", "ninessssx", "s" * 16, "s" * 17, "s" * 40, "Grüße", "x\x1cy"]
)
GAPS = st.sampled_from([" ", "\n", "-", "", "é", "!\t"])


@settings(max_examples=30)
@given(st.lists(st.lists(st.tuples(WORDS, GAPS), max_size=12), min_size=1, max_size=6), st.booleans())
def test_words_of_every_length_are_those_of_scikit_learns_analyzer(parts, lowercase):
    texts = ["".join(word + gap for word, gap in text) for text in parts]
    analyze = CountVectorizer(lowercase=lowercase).build_analyzer()
    seen: dict[str, int] = {}
    places, ids = numbered_tokens(
        texts,
        analyze,
        lambda tokens: [seen.setdefault(token, len(seen)) for token in tokens],
        are_words=True,
        lowercase=lowercase,
    )
    expected = [(place, seen[token]) for place, text in enumerate(texts) for token in analyze(text)]
    assert sorted(zip(places.tolist(), ids.tolist(), strict=True)) == sorted(expected)


def test_tokens_whose_hashes_are_equal_are_told_apart(monkeypatch):
    monkeypatch.setattr(text_tokens, "_ODD", np.zeros(2, dtype=np.uint64))
    cells = TextCells.of(MESSAGES)
    terms = learn_terms(cells, TextOptions(tfidf=False), "here")
    assert_same_matrix(terms.encode(cells), CountVectorizer().fit_transform(MESSAGES))


@pytest.mark.data
def test_sms_becomes_the_matrix_of_scikit_learns_vectorizer(data):
    lines = (data / "text" / "SMSSpamCollection").read_text("utf-8").splitlines()
    texts = [line.split("\t", 1)[1].strip() for line in lines]
    cells = TextCells.of(texts)
    assert_same_matrix(learn_terms(cells, TextOptions(), "sms").encode(cells), TfidfVectorizer().fit_transform(texts))
    expected = TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(texts)
    assert_same_matrix(learn_terms(cells, TextOptions(ngrams=(1, 2), min_count=2), "sms").encode(cells), expected)


@pytest.fixture
def messages(tmp_path):
    path = tmp_path / "messages.tsv"
    lines = [f"{label}\t{len(text)}\t{text}" for label, texts in (("spam", SPAM), ("ham", HAM)) for text in texts]
    path.write_text("label\tlength\tmessage\n" + "\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    for label, texts in (("ham", HAM), ("spam", SPAM)):
        (tmp_path / "mail" / label).mkdir(parents=True)
        for place, text in enumerate(texts):
            (tmp_path / "mail" / label / f"{place}.txt").write_text(text, "utf-8")
    return tmp_path / "mail"


def test_a_text_stands_between_other_columns_in_the_order_of_the_table():
    columns = {"n": [1.0, 2.0, 3.0], "said": ["go home", "go now", ""], "hue": ["a", "b", "a"], "y": ["p", "q", "p"]}
    encoder, frame, _ = learn_encoder(Frame.of(columns), "y", text=["said"], missing="mean")
    assert encoder.feature_names == ("n", "said: go", "said: home", "said: now", "hue=a", "hue=b")
    X = encoder.encode(frame).toarray()
    expected = TfidfVectorizer().fit_transform(columns["said"]).toarray()
    np.testing.assert_array_equal(X[:, 1:4], expected)
    np.testing.assert_array_equal(X[:, [0, 4, 5]], [[1, 1, 0], [2, 0, 1], [3, 1, 0]])
    tensors: dict = {}
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json(tensors))), tensors)
    assert again == encoder
    assert hash(again) == hash(encoder)
    np.testing.assert_array_equal(again.encode(frame).toarray(), X)


@pytest.mark.parametrize("options", [TextOptions(), TextOptions(ngrams=(1, 2), tfidf=False), TextOptions(hashing=128)])
def test_a_saved_model_predicts_texts_to_the_last_bit(messages, tmp_path, options):
    source = open_source(str(messages), target="label", text=["message"], text_options=options)
    model = fit_source(LogisticRegression(scale=source.scale), source)
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.encoder_ == model.encoder_
    assert again.encoder_.feature_names == model.encoder_.feature_names
    rows = read_for_model(again, str(messages))
    np.testing.assert_array_equal(again.predict_proba(rows.X), model.predict_proba(source.X))
    assert pickle.loads(pickle.dumps(model)).encoder_ == model.encoder_


def test_held_out_texts_teach_no_terms(messages):
    source = hold_out(open_source(str(messages), target="label", text=["message"], drop=["length"]), 0.5)
    kept = set(source.encoder.feature_names)
    whole = set(open_source(str(messages), target="label", text=["message"], drop=["length"]).encoder.feature_names)
    assert kept < whole
    assert len(source.texts) == len(source.y_test) == 6
    assert all(text in MESSAGES for text in source.texts)


def test_tfidf_alone_suits_a_scale_of_one_quarter_and_others_their_own(messages):
    read = {"target": "label", "text": ["message"]}
    assert open_source(str(messages), drop=["length"], **read).scale == 0.25
    assert open_source(str(messages), text_options=TextOptions(tfidf=False), **read).scale is None
    mixed = open_source(str(messages), **read)
    assert mixed.scale.shape == (mixed.X.shape[1],)
    assert set(mixed.scale[1:]) == {0.25}
    assert mixed.scale[0] == 1.0


def test_an_offset_beside_texts_leaves_each_column_its_scale(messages):
    source = open_source(str(messages), target="label", text=["message"])
    model = fit_source(LogisticRegression(scale=source.scale), source, offset=["length"])
    assert model.coef_[0, 0] == 1.0
    np.testing.assert_array_equal(model.scale, source.scale)
    X, length = source.X[:, 1:], source.X[:, [0]].toarray()
    same = LogisticRegression(scale=0.25).fit(X, source.y, offset=length)
    np.testing.assert_allclose(model.coef_[0, 1:], same.coef_[0], rtol=1e-6, atol=1e-9)


def test_only_words_that_occur_contribute(messages):
    source = open_source(str(messages), target="label", text=["message"])
    model = fit_source(LogisticRegression(scale=source.scale), source)
    found = contributions(model, source.X[[0]]).by_column(model.encoder_)
    assert found.features[0] == "length"
    assert {name.removeprefix("message: ") for name in found.features[1:]} == {
        *("winner", "claim", "your", "free", "prize", "now", "text", "to", "80222")
    }
    np.testing.assert_allclose(found.scores, model.decision_function(source.X[[0]]).reshape(1, 1), rtol=1e-12)


def test_a_folder_of_texts_is_a_table(folder, tmp_path):
    source = open_source(str(folder))
    assert source.encoder.feature_names[0] == "text: 0900"
    assert source.y.tolist() == ["ham"] * 6 + ["spam"] * 6
    assert_same_matrix(source.X, TfidfVectorizer().fit_transform([*HAM, *SPAM]))
    model = fit_source(LogisticRegression(scale=source.scale), source)
    model.save(tmp_path / "m.safetensors")
    rows = read_for_model(load(tmp_path / "m.safetensors"), str(folder))
    np.testing.assert_array_equal(model.predict(rows.X), rows.y)
    assert Path(rows.files[7]).name == "1.txt"
    assert Path(rows.files[7]).parent.name == "spam"
    flat = read_for_model(model, str(folder / "spam"), labels=False)
    assert flat.y is None
    assert model.predict(flat.X).tolist() == ["spam"] * 6


def test_a_file_that_is_not_utf_8_is_read_as_latin_1_and_told(folder):
    (folder / "ham" / "0.txt").write_bytes("Grüße aus Köln".encode("latin-1"))
    (folder / "ham" / ".hidden").write_bytes(b"\0")
    (folder / ".git").mkdir()
    source = open_source(str(folder))
    assert "text: köln" in source.encoder.feature_names
    assert source.notes == (
        "1 of 12 files are not UTF-8, such as ham/0.txt, and are read as Latin-1; name another with --encoding",
    )
    assert "text: gr³³e" not in open_source(str(folder), encoding="cp1252").encoder.feature_names


def _empty_subfolder(folder):
    (folder / "other").mkdir()


def _stray(folder):
    (folder / "README").write_text("about these texts")


def _binary(folder):
    (folder / "ham" / "3.txt").write_bytes(b"ab\0cd")


def _picture(folder):
    (folder / "ham" / "3.txt").write_bytes(b"\x89PNG....")


def _latin(folder):
    (folder / "ham" / "3.txt").write_bytes(b"Gr\xfc\xdfe")


def _blank(folder):
    (folder / "ham" / "3.txt").write_text(" \n")


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (_empty_subfolder, {}, r"other: this folder holds no text files; fill it, or remove it"),
        (_stray, {}, r"README: lies outside of the subfolders, whose names are the labels; move it into one, or away"),
        (_binary, {}, r"3.txt: is a binary file \(it holds a zero byte\), not text; remove it"),
        (_picture, {}, r"3.txt: is a file of the kind PNG image, not text"),
        (_latin, {"encoding": "utf-8"}, r"3.txt: byte 3, 0xfc, is not utf-8; name the encoding of the texts"),
        (_latin, {"encoding": "klingon"}, r"encoding='klingon': is not the name of an encoding of text"),
        (_latin, {"encoding": "hex"}, r"encoding='hex': is not the name of an encoding of text"),
        (_blank, {}, r"ham/3.txt, column 'text': the cell is missing; fill it in"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_by_its_place(folder, spoil, options, message):
    spoil(folder)
    with pytest.raises((FileError, ArgumentError, DataError), match=message):
        open_source(str(folder), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": ["massage"]}, r"text='massage': .* has no such column"),
        ({"text": ["label"]}, r"text='label': is also named by --target; name the column once"),
        ({"text": ["message"], "drop": ["message"]}, r"text='message': is also named by --drop"),
        ({"text": ["message"], "categories": ["message"]}, r"text='message': is also named by --categories"),
        ({"text": ["message"], "weight": "message"}, r"column 'message' is|is also named by --weight"),
        ({"text": ["message"], "encoding": "hex"}, r"encoding='hex': is not the name of an encoding"),
        ({"text_options": TextOptions(), "drop": ["message"]}, r"options of texts are given, and no column of text"),
        ({"text": ["message"], "text_options": TextOptions(min_count=99)}, r"no term occurs in 99 texts or more"),
    ],
)
def test_a_wrong_use_of_text_is_refused(messages, options, message):
    with pytest.raises((ArgumentError, DataError), match=message):
        read_table(messages, target="label", **options)


def test_an_empty_cell_is_missing_and_a_mark_is_a_text(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("said,y\n?,a\n,b\ngo home now,a\nNA,b\n")
    with pytest.raises(DataError, match="line 3, column 'said': the cell is missing"):
        read_table(path, target="y", text=["said"])
    filled = read_table(path, target="y", text=["said"], missing="mean")
    assert filled.X.shape == (4, 4)
    assert filled.X[[1]].nnz == 0
    assert read_table(path, target="y", text=["said"], missing="drop").X.shape == (3, 4)


def test_a_column_of_sentences_is_offered_as_text():
    columns = {"said": [f"{text} {place}" for place, text in enumerate(MESSAGES * 2)], "y": ["a", "b"] * 12}
    with pytest.raises(DataError, match="learn from their words with --text said, or leave the column out with --drop"):
        learn_encoder(Frame.of(columns), "y")
    assert not looks_like_text([f"user {place}" for place in range(50)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"analyzer": "words"}, "analyzer='words': choose one of word, char, char_wb"),
        ({"ngrams": (2, 1)}, "ngrams=2,1: needs the shortest and the longest run"),
        ({"ngrams": (0, 1)}, "ngrams=0,1: needs"),
        ({"min_count": 0}, "min_count=0: needs a whole number from 1"),
        ({"max_features": 0}, "max_features=0: needs"),
        ({"hashing": 2**40}, r"hashing=\d+: needs a whole number from 1 to 67,108,864"),
        ({"hashing": 8, "max_features": 3}, "max_features=3: hashing keeps no terms"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        TextOptions(**options)


def _without(name):
    return lambda data, tensors: tensors.pop(f"text_0_{name}")


def _set(name, value):
    return lambda data, tensors: tensors.__setitem__(name, value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without("words"), "needs the tensors"),
        (_without("idf"), "needs the tensors"),
        (_set("text_1_idf", np.ones(3)), "belong to no column of text"),
        (_set("text_00_idf", np.ones(3)), "belong to no column of text"),
        (_set("text_0_idf", np.array([1.0, np.nan])), "not one positive number"),
        (_set("text_0_idf", np.array([1.0, 0.0])), "not one positive number"),
        (_set("text_0_idf", np.ones(3)), "not one positive number for each of 2 terms"),
        (_set("text_0_ends", np.array([2, 5])), "ends of terms that do not divide"),
        (_set("text_0_ends", np.array([4, 4, 6])), "ends of terms that do not divide"),
        (_set("text_0_ends", np.array([-1, 6])), "ends of terms that do not divide"),
        (_set("text_0_ends", np.array([], np.int64)), "not one or more of bytes"),
        (_set("text_0_words", np.frombuffer(b"zzaaaa", np.uint8)), "not different and in sorted order"),
        (_set("text_0_words", np.frombuffer(b"go\xff\xffow"[:6], np.uint8)), "a term that is not text"),
        (lambda data, tensors: data["terms"].update(hashing=-1), "hashing is -1"),
        (lambda data, tensors: data["terms"].update(ngrams=[3, 1]), "ngrams=3,1"),
        (lambda data, tensors: data["terms"].update(analyzer="eval"), "analyzer is 'eval'"),
        (lambda data, tensors: data.update(levels=["a"]), "a column of text has none"),
        (lambda data, tensors: data.update(kind="number"), "a column of a number has none"),
        (lambda data, tensors: data.pop("terms"), "terms is None, not a JSON object"),
    ],
)
def test_a_damaged_vocabulary_is_refused(spoil, message):
    encoder, _, _ = learn_encoder(Frame.of({"said": ["home", "home go"], "y": ["a", "b"]}), "y", text=["said"])
    tensors: dict = {}
    plain = encoder.to_json(tensors)
    assert Encoder.from_json(plain, tensors) == encoder
    tensors["text_0_words"], tensors["text_0_ends"] = tensors["text_0_words"].copy(), tensors["text_0_ends"].copy()
    spoil(plain["columns"][0], tensors)
    with pytest.raises(FileError, match=message):
        Encoder.from_json(plain, tensors)


def test_terms_are_equal_where_they_make_the_same_numbers():
    one, other = (learn_terms(TextCells.of(["a red car", text]), TextOptions(), "here") for text in ("car", "red"))
    assert one.words == other.words
    assert one != other
    assert one == TextTerms(one.options, one.words, one.idf)
    assert one != 1
