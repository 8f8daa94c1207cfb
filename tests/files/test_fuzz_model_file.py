"""Model files that someone has changed, at random or on purpose: each loads as an equal model or is
refused.

A few seconds with a fixed seed; POLYTOME_FUZZ_SECONDS=60 runs that long with a new seed, which a
failure shows.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from safetensors.numpy import save

import exported_models
from polytome import (
    Adaline,
    LinearRegression,
    LogisticRegression,
    MultilabelLogistic,
    OneVsOne,
    OneVsRest,
    Perceptron,
    RegularizationPath,
    SigmoidNeuron,
    load,
)
from polytome.errors import PolytomeError
from polytome.files import model_file
from polytome.files.sources import fit_source, hold_out, one_against_rest, open_source
from polytome.files.tensor_files import read_tensors
from polytome.models.fitted import certificate_of

SECONDS = float(os.environ.get("POLYTOME_FUZZ_SECONDS", 0))
SEED = int(os.environ.get("POLYTOME_FUZZ_SEED", random.SystemRandom().randrange(2**32) if SECONDS else 7))
CASES = 10**9 if SECONDS else 150
MOST_SECONDS, MOST_BYTES = 10.0, 2**26  # of processor time

HOSTILE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64, 10**400, -(10**400)),
    *(1e308, -1e308, 5e-324, "inf", "-inf", "nan", "", "a", "\0", "a\0", "\ud800", "\udfff\ud800", "x" * 100_000),
    *([], [[]], [None], [0, 1], ["a", "b"], [1] * 10_000, {}, {"a": 1}, {"": None}, "proof", "tensor", "standard"),
    *("<U99999", "<U2147483647", "|O", "<i8", ">U3", "<U0", "|S9", "<M8[s]", "<f16", "|V9", "<U-1", "CERTIFIED"),
]
TENSORS: list[Any] = [
    *(np.zeros(0), np.zeros((0, 4)), np.zeros((3, 0)), np.zeros((2, 2, 2)), np.float64(1), np.full((3, 4), np.nan)),
    *(np.full(3, np.inf), np.full((3, 5), -1.0), np.full((9, 5), 1e300), np.zeros((3, 4), np.float32), np.eye(3)),
    *(np.array([True, False]), np.array([-1, 2, 3]), np.full(3, 2**63 - 1), np.zeros((5, 2), np.int64), np.ones(4)),
    *(np.zeros((3, 4), np.uint8), np.full((2, 2), 2**62), np.arange(3.0), np.ones(200_000), np.float16([1, 2, 3])),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, np.ndarray]]]:
    """The metadata and tensors of a few models, which together have every part that a file can
    have."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    weights = {"class_weight": {0: 2.0, 1: 0.5}, "scale": [1.0, 2.0, 3.0, 4.0]}
    kept = [
        fit_source(LogisticRegression(), hold_out(open_source("iris"), 0.2), command="polytome train iris"),
        exported_models.hostile(folder, binary=True),
        fit_source(LogisticRegression(C=0.01, tol=0.1), open_source("digits")),
        LogisticRegression(**weights).fit(X, rng.integers(0, 2, 60)),
        LogisticRegression(C=np.inf).fit(X, rng.integers(0, 3, 60) > 0),
        LogisticRegression().fit(X, np.array(["a", 7, 2.5], dtype=object).astype(str)[rng.integers(0, 3, 60)]),
        fit_source(OneVsRest(), open_source("iris")),
        OneVsOne(scale=[1.0, 2.0, 3.0, 4.0]).fit(X, np.array(["a", "b", "c"])[rng.integers(0, 3, 60)]),
        MultilabelLogistic().fit(X, pandas.DataFrame(rng.integers(0, 2, (60, 2)), columns=["sun", "rain"])),
        LinearRegression().fit(X, X @ [1.0, 2.0, 3.0, 4.0]),
        LinearRegression(fit_intercept=False).fit(X, rng.normal(size=(60, 2))),
        Perceptron(epochs=5, random_state=0).fit(X, X[:, 0] > 0),
        Adaline(batch_size=None, learning_rate=None).fit(X, rng.integers(0, 2, 60)),
        fit_source(SigmoidNeuron(random_state=0), one_against_rest(open_source("iris"), "setosa")),
        *partial_models(rng),
        LogisticRegression(l1_ratio=0.5, groups=[0, 0, 1, 1], label_smoothing=0.1).fit(X, rng.integers(0, 3, 60)),
        LogisticRegression(bounds={1: (0, None), 3: (-0.1, 0.1)}).fit(X, rng.integers(0, 3, 60)),
        LogisticRegression(bounds=[[0, 1], [0, 1], [0, 1], [-1, 0]]).fit(X, rng.integers(0, 2, 60)),
        LogisticRegression().fit(X, rng.integers(0, 2, 60), offset=X[:, 0]).offset_as_columns(),
        RegularizationPath(n_strengths=3).fit(X, rng.integers(0, 3, 60)),
    ]
    found = []
    for place, model in enumerate(kept):
        model.save(folder / f"{place}.safetensors")
        found.append(read_tensors(folder / f"{place}.safetensors", "polytome"))
    return found


def partial_models(rng: np.random.Generator) -> list[LogisticRegression]:
    """Models that learn in parts: of few coefficients and of many, within a pass."""
    X, y = rng.normal(size=(60, 3)), np.array(["a", "b", "c"])[rng.integers(0, 3, 60)]
    few = LogisticRegression(scale=[1.0, 2.0, 3.0]).partial_fit(X, y, feature_names=["u", "v", "w"])
    few.partial_fit(X[:20], y[:20], feature_names=["u", "v", "w"])
    wide = rng.normal(size=(60, 400))
    many = LogisticRegression().partial_fit(wide, y).partial_fit(wide, y).partial_fit(wide[:9], y[:9])
    return [few, many]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside of a JSON value, a few of each list."""
    if way:
        yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def change_value(dice: random.Random, saved: dict[str, Any]) -> None:
    """One value becomes another, is lost, doubled or joined by one more."""
    *way, last = dice.choice(list(places(saved)))
    inside = saved
    for step in way:
        inside = inside[step]
    kind = dice.randrange(6)
    if kind == 0:
        del inside[last]
    elif kind == 1 and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[last]))
    elif kind == 1:
        inside["more"] = inside[last]
    elif kind == 2 and type(inside[last]) in (int, float):
        number = min(1e300, max(-1e300, inside[last]))  # another change may have put in a number beyond any float
        inside[last] = dice.choice([-number, number + 1, number * 1e6, float(number)])
    elif kind == 3:
        inside[last] = [copy.deepcopy(inside[last])] * dice.choice([1, 2, 50])
    else:
        inside[last] = copy.deepcopy(dice.choice(HOSTILE))


def change_tensor(dice: random.Random, tensors: dict[str, np.ndarray]) -> None:
    """One tensor becomes another, is lost, gets another name, or one number in it changes."""
    name, kind = dice.choice(sorted(tensors)), dice.randrange(5)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[dice.choice([*sorted(tensors), "classes", "scale", "weights"])] = tensors[name]
    elif kind == 2 and tensors[name].size:
        changed = tensors[name].copy()
        number = dice.choice([0, 1, -1, 1e4, np.nan, np.inf] if changed.dtype.kind == "f" else [0, 1, 2, 7])
        changed.flat[dice.randrange(changed.size)] = number
        tensors[name] = changed
    elif kind == 3:
        tensors[name] = np.concatenate([np.atleast_1d(tensors[name])] * 2)
    else:
        tensors[name] = np.asarray(dice.choice(TENSORS))


def with_right_checksum(dice: random.Random, text: str, tensors: dict[str, np.ndarray]) -> bytes:
    """A file whose content was changed by someone who knows the format."""
    saved, tensors = json.loads(text), dict(tensors)
    for _ in range(dice.choice([1, 1, 1, 2, 5])):
        if dice.random() < 0.75:
            change_value(dice, saved)
        else:
            change_tensor(dice, tensors)
    saved["checksum"] = model_file.checksum_of(saved, tensors)
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return save(tensors, {"polytome": json.dumps(saved)})


def with_damage(dice: random.Random, content: bytes) -> bytes:
    """A file that a disk, a network or a thief of bytes has changed."""
    damaged = bytearray(content)
    for _ in range(dice.choice([1, 1, 3, 20])):
        place, kind = dice.randrange(len(damaged)), dice.randrange(4)
        if kind == 0:
            damaged[place] ^= dice.randrange(1, 256)
        elif kind == 1:
            del damaged[place : place + dice.randrange(1, 100)]
        elif kind == 2:
            damaged[place:place] = damaged[: dice.randrange(1, 100)]
        else:
            damaged[place : place + 1] = dice.choice([b"9999999", b"[[[[", b'"', b"-", b"\xff", b"e9", b"\\ud800"])
        if len(damaged) < 2:
            break
    return bytes(damaged)


def assert_loads_well_or_is_refused(path: Path, content: bytes, story: str) -> bool:
    """True where it loads; what loads predicts, and saves to a file that loads as an equal
    model."""
    path.write_bytes(content)
    tracemalloc.start()
    began = time.process_time()
    model, refusal = None, None
    try:
        model = load(path)
    except PolytomeError as error:
        refusal = str(error)
    finally:
        peak, took = tracemalloc.get_traced_memory()[1], time.process_time() - began
        tracemalloc.stop()
    assert peak < MOST_BYTES + 60 * len(content), f"{story}: {peak} bytes for a file of {len(content)}"
    assert took < MOST_SECONDS, f"{story}: {took} seconds"
    if model is None:
        assert str(path) in str(refusal), story
        assert len(str(refusal)) < 2000, story
        return False
    whole = model
    if isinstance(whole, RegularizationPath):
        model = whole.model_at(len(whole.strengths_) - 1)
    row = np.zeros((1, model.n_features_in_))
    known = {}
    if getattr(model, "needs_offset_", False):
        known["offset"] = np.zeros(1 if len(model.coef_) == 1 else (1, len(model.coef_)))
    assert len(model.predict(row, **known)) == 1, story
    if model.has_probabilities:
        assert np.isfinite(model.predict_proba(row, **known)).all(), story
    certificate = certificate_of(model)
    if certificate is not None:
        assert "within" in str(certificate), story
        assert "_loss" in str(model.objective_), story
    again = path.with_suffix(".again")
    whole.save(again)
    _, once = read_tensors(path, "polytome")
    _, twice = read_tensors(again, "polytome")
    assert once.keys() == twice.keys(), story
    assert all(once[name].tobytes() == twice[name].tobytes() for name in once), story
    if whole is model:
        assert certificate_of(load(again)) == certificate or np.isnan(certificate.objective), story
    return True


@pytest.mark.parametrize("way", ["changed by one who knows the format", "damaged"])
def test_a_changed_file_loads_as_an_equal_model_or_is_refused(
    way: str, models: list[tuple[str, dict[str, np.ndarray]]], tmp_path: Path
) -> None:
    began, loaded, tried = time.perf_counter(), 0, 0
    while tried < CASES and (not SECONDS or time.perf_counter() - began < SECONDS / 2):
        dice = random.Random(f"{SEED} {tried}")
        text, tensors = dice.choice(models)
        if way == "damaged":
            content = with_damage(dice, save(tensors, {"polytome": text}))
        else:
            content = with_right_checksum(dice, text, tensors)
        story = f"POLYTOME_FUZZ_SEED={SEED}, case {tried}, {way}"
        loaded += assert_loads_well_or_is_refused(tmp_path / "model.safetensors", content, story)
        tried += 1
    print(f"POLYTOME_FUZZ_SEED={SEED}: {tried} files {way}, {loaded} of them loaded")
    assert tried > 10
    assert loaded < tried


@pytest.mark.parametrize("number", range(19))
def test_every_single_value_is_bounded(
    number: int, models: list[tuple[str, dict[str, np.ndarray]]], tmp_path: Path
) -> None:
    """Each place of the metadata in turn holds what does not belong there."""
    text, tensors = models[number]
    dice = random.Random(SEED + number)
    refused, ways = 0, list(places(json.loads(text)))
    for way in ways:
        saved = json.loads(text)
        inside = saved
        for step in way[:-1]:
            inside = inside[step]
        inside[way[-1]] = copy.deepcopy(dice.choice(HOSTILE))
        saved["checksum"] = saved["checksum"] if way == ("checksum",) else model_file.checksum_of(saved, tensors)
        content = save(tensors, {"polytome": json.dumps(saved)})
        refused += not assert_loads_well_or_is_refused(tmp_path / "model.safetensors", content, f"{way}")
    assert refused > len(ways) / 4
