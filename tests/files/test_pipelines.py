"""Pipelines of scikit-learn that end in a model of Polytome, in one file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from polytome import LogisticRegression, OneVsRest, load, load_pipeline, save_pipeline
from polytome.errors import ArgumentError, FileError
from polytome.files.saved_steps import known_steps

RANDOM = np.random.default_rng(0)
NUMBERS = np.abs(RANDOM.normal(size=(60, 4))).round(3)
LABELS = np.where(NUMBERS[:, 0] + RANDOM.normal(size=60) > 0.8, "yes", "no")
WORDS = ["good", "bad", "fine", "awful", "day", "night", "Ærø"]
TEXTS = [" ".join(RANDOM.choice(WORDS, 6)) for _ in range(60)]
HOLES = np.where(RANDOM.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS)
CELLS = np.array([[RANDOM.choice(["a", "b", "c"]), None if j % 7 == 0 else "x" * (j % 3)] for j in range(60)], object)
PLACES = [{"city": WORDS[j % 5], "size": float(j)} for j in range(60)]

STEPS: list[tuple[Any, Any]] = [
    (StandardScaler(), NUMBERS),
    (StandardScaler(with_mean=False), sparse.csr_matrix(NUMBERS)),
    (make_pipeline(MinMaxScaler((0, 2)), RobustScaler()), NUMBERS),
    (make_pipeline(MaxAbsScaler(), Normalizer("l1")), sparse.csr_array(NUMBERS)),
    (make_pipeline(FunctionTransformer(np.log1p, feature_names_out="one-to-one"), PowerTransformer()), NUMBERS),
    (make_pipeline(Binarizer(threshold=0.3), VarianceThreshold()), NUMBERS),
    (KBinsDiscretizer(3, encode="onehot"), NUMBERS),
    (QuantileTransformer(n_quantiles=20), NUMBERS),
    (make_pipeline(PolynomialFeatures(2), PCA(3, whiten=True)), NUMBERS),
    (make_pipeline(SimpleImputer(add_indicator=True), TruncatedSVD(2, random_state=0)), HOLES),
    (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5), CELLS),
    (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), CELLS),
    (CountVectorizer(ngram_range=(1, 2), stop_words=["day"], dtype=np.float32), TEXTS),
    (TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), sublinear_tf=True), TEXTS),
    (make_pipeline(HashingVectorizer(n_features=64), TfidfTransformer()), TEXTS),
    (DictVectorizer(), PLACES),
    (FeatureHasher(16), PLACES),
    (FeatureUnion([("words", CountVectorizer()), ("letters", CountVectorizer(analyzer="char"))]), TEXTS),
]


def saved(pipeline: Pipeline, path: Any) -> Pipeline:
    save_pipeline(pipeline, path)
    return load_pipeline(path)


@pytest.mark.parametrize(("step", "X"), STEPS, ids=[str(j) for j in range(len(STEPS))])
def test_a_pipeline_comes_back_to_the_last_bit(step: Any, X: Any, tmp_path: Any) -> None:
    pipeline = make_pipeline(step, LogisticRegression()).fit(X, LABELS)
    again = saved(pipeline, tmp_path / "p.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), pipeline.predict_proba(X))
    assert again[-1].certificate_ == pipeline[-1].certificate_
    once_more = saved(again, tmp_path / "q.safetensors")
    np.testing.assert_array_equal(once_more.predict_proba(X), pipeline.predict_proba(X))


def test_each_class_that_is_named_is_tried(tmp_path: Any) -> None:
    tried = set()

    def see(step: Any) -> None:
        tried.add(type(step).__name__)
        for _, each in getattr(step, "steps", getattr(step, "transformer_list", [])):
            see(each)

    for step, _ in STEPS:
        see(step)
    assert {*known_steps()} - tried == {"ColumnTransformer", "MissingIndicator"}  # in the tests below


def test_columns_of_a_frame(tmp_path: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": HOLES[:, 0], "hours": NUMBERS[:, 1], "job": CELLS[:, 0], "said": TEXTS})
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "hours"]),
            ("jobs", OneHotEncoder(handle_unknown="ignore"), ["job"]),
            ("texts", TfidfVectorizer(), "said"),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("model", LogisticRegression(C=0.5))]).fit(frame, LABELS)
    again = saved(pipeline, tmp_path / "p.safetensors")
    np.testing.assert_array_equal(again.predict_proba(frame), pipeline.predict_proba(frame))
    assert again[:-1].get_feature_names_out().tolist() == pipeline[:-1].get_feature_names_out().tolist()
    other = frame.assign(job="never seen", age=np.nan)[["said", "job", "hours", "age"]]
    np.testing.assert_array_equal(again.predict_proba(other), pipeline.predict_proba(other))
    with pytest.raises(ValueError, match="age"):
        again.predict(frame.drop(columns="age"))


def test_columns_by_their_type_and_what_remains(tmp_path: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": HOLES[:, 0], "hours": NUMBERS[:, 1], "job": CELLS[:, 0]})
    columns = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_exclude=np.number)),
        (SimpleImputer(), ["age"]),
        remainder="passthrough",
    ).set_output(transform="pandas")
    columns.set_params(onehotencoder__sparse_output=False)
    pipeline = make_pipeline(columns, None, "passthrough", LogisticRegression()).fit(frame, LABELS)
    again = saved(pipeline, tmp_path / "p.safetensors")
    np.testing.assert_array_equal(again.predict_proba(frame), pipeline.predict_proba(frame))
    assert again[:-1].transform(frame).equals(pipeline[:-1].transform(frame))


def test_a_saved_pipeline_can_be_fitted_again(tmp_path: Any) -> None:
    pipeline = make_pipeline(PCA(2), OneVsRest()).fit(NUMBERS, LABELS)
    again = saved(pipeline, tmp_path / "p.safetensors").fit(NUMBERS[:50], LABELS[:50])
    fresh = make_pipeline(PCA(2), OneVsRest()).fit(NUMBERS[:50], LABELS[:50])
    np.testing.assert_array_equal(again.predict_proba(NUMBERS), fresh.predict_proba(NUMBERS))


def double(X: Any) -> Any:
    """A function of the user's own."""
    return 2 * X


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer of the user's own."""

    def fit(self, X: Any, y: Any = None) -> Own:
        """Learn nothing."""
        return self

    def transform(self, X: Any) -> Any:
        """Change nothing."""
        return X


StandardScalerOfOurs = type("StandardScaler", (StandardScaler,), {})


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (make_pipeline(Own(), LogisticRegression()), "the step 'own' is a Own, which cannot be saved without code"),
        (make_pipeline(StandardScalerOfOurs(), LogisticRegression()), "the step 'standardscaler' is a StandardScaler"),
        (make_pipeline(FunctionTransformer(double), LogisticRegression()), "functiontransformer.func is 'double'"),
        (make_pipeline(StandardScaler(), Peer()), "model is a LogisticRegression: only models of Polytome"),
        (LogisticRegression(), "pipeline is a LogisticRegression: a Pipeline of scikit-learn is expected"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_its_name(pipeline: Any, message: str, tmp_path: Any) -> None:
    pipeline.fit(NUMBERS, LABELS)
    path = tmp_path / "p.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(ArgumentError, match=message):
        save_pipeline(pipeline, path)
    assert path.read_bytes() == b"old"


def test_a_pipeline_without_a_fit_is_refused(tmp_path: Any) -> None:
    with pytest.raises(NotFittedError):
        save_pipeline(make_pipeline(StandardScaler(), LogisticRegression()), tmp_path / "p.safetensors")


@pytest.fixture
def written(tmp_path: Any) -> Any:
    path = tmp_path / "p.safetensors"
    columns = make_column_transformer((StandardScaler(), [0, 1]), remainder="passthrough")
    save_pipeline(make_pipeline(columns, LogisticRegression()).fit(NUMBERS, LABELS), path)
    return path


def test_files_of_models_and_of_pipelines_are_told_apart(written: Any, tmp_path: Any) -> None:
    with pytest.raises(FileError, match=r"p.safetensors: holds a pipeline; read it with load_pipeline"):
        load(written)
    other = tmp_path / "model.safetensors"
    LogisticRegression().fit(NUMBERS, LABELS).save(other)
    with pytest.raises(FileError, match="metadata lack 'polytome_pipeline'"):
        load_pipeline(other)


def test_damaged_files_are_refused(written: Any) -> None:
    whole = written.read_bytes()
    random = np.random.default_rng(1)
    for place in random.integers(0, len(whole), 60).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(0, 8))
        written.write_bytes(bytes(damaged))
        with pytest.raises(FileError, match=r"p\.safetensors: "):
            load_pipeline(written)
    written.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="cut short"):
        load_pipeline(written)


def rewritten(path: Any, change: Any) -> None:
    """The file with other steps, under the checksum that belongs to them."""
    from safetensors.numpy import save

    from polytome.files.model_file import checksum_of
    from polytome.files.tensor_files import read_tensors

    text, tensors = read_tensors(path, "polytome_pipeline")
    model, _ = read_tensors(path, "polytome")
    saved = json.loads(text)
    saved.pop("checksum")
    change(saved)
    of_steps = {name: tensor for name, tensor in tensors.items() if name.startswith("step.")}
    saved["checksum"] = checksum_of(saved, of_steps)
    path.write_bytes(save(tensors, {"polytome": model, "polytome_pipeline": json.dumps(saved)}))


@pytest.mark.parametrize(
    "step",
    [
        ["transformer", "Popen", {"args": "true"}, {}],
        ["transformer", "StandardScaler", {"copy": True, "evil": 1}, {}],
        ["transformer", "StandardScaler", {}, {"transform": 1}],
        ["transformer", "StandardScaler", {}, {"__class__": 1}],
        ["transformer", "FunctionTransformer", {"func": ["function", "system"]}, {}],
        ["transformer", "StandardScaler", {}, {"mean_": ["array", "absent", [2], False]}],
        ["transformer", "StandardScaler", {}, {"mean_": ["array", "step.0", [10**9], True]}],
        ["transformer", "StandardScaler", {}, {"mean_": ["cells", "|O", [7], []]}],
        ["transformer", "StandardScaler", {}, {"mean_": ["cells", "<U999999999", [0], []]}],
        ["transformer", "StandardScaler", {}, {"mean_": ["csr", True, [1, 1], [["list", []]] * 3]}],
        ["transformer", "StandardScaler", {}, {"mean_": ["dict", [[["list", []], 1]]]}],
        ["number", "<f8", "0x1p3"],
        ["type", "eval"],
        {"a": 1},
        7,
        [],
    ],
)
def test_nothing_but_known_values_is_read(step: Any, written: Any) -> None:
    rewritten(written, lambda saved: saved["steps"].__setitem__(0, step))
    with pytest.raises(FileError, match=r"p\.safetensors: damaged or foreign"):
        load_pipeline(written)


def test_steps_in_steps_end_somewhere(written: Any) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = ["list", [deep]]
    rewritten(written, lambda saved: saved["steps"].__setitem__(0, deep))
    with pytest.raises(FileError, match="nested too deeply"):
        load_pipeline(written)


def test_another_release_of_scikit_learn_is_told(written: Any) -> None:
    rewritten(written, lambda saved: saved.update(scikit_learn="0.99"))
    with pytest.warns(InconsistentVersionWarning, match="from version 0.99"):
        load_pipeline(written)


def test_a_newer_format_is_told(written: Any) -> None:
    rewritten(written, lambda saved: saved.update(format_version=2))
    with pytest.raises(FileError, match="its pipeline has format 2, not 1; upgrade Polytome"):
        load_pipeline(written)
