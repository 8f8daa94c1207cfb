"""Rows are recognised, whatever order and matrix they come in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from polytome.rows.identities import WATCHED, Seen, identities

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(40, 6)), 1) * (RNG.random((40, 6)) < 0.5)
LABELS, WEIGHT = RNG.integers(0, 2**60, 40).astype(np.uint64), RNG.random(40)


@pytest.mark.parametrize(
    "other", [sparse.csr_matrix(X), np.asfortranarray(X), np.hstack([X, np.zeros((40, 2))]), np.where(X == 0, -0.0, X)]
)
def test_equal_rows_have_equal_identities(other: np.ndarray) -> None:
    assert (identities(X, LABELS, WEIGHT) == identities(other, LABELS, WEIGHT)).all()


def test_integers_are_what_they_are_as_floats() -> None:
    pixels = RNG.integers(0, 256, (40, 6))
    bytes_ = identities(pixels.astype(np.uint8), LABELS, WEIGHT)
    assert (bytes_ == identities(pixels.astype(np.float32), LABELS, WEIGHT)).all()
    assert len(np.unique(bytes_)) == 40


def test_features_places_labels_and_weights_all_count() -> None:
    own = identities(X, LABELS, WEIGHT)
    assert (own != identities(X, LABELS + np.uint64(1), WEIGHT)).all()
    assert (own != identities(X, LABELS, WEIGHT + 1)).all()
    moved = np.roll(X, 1, axis=1)
    assert (own != identities(moved, LABELS, WEIGHT))[(moved != X).any(axis=1)].all()


def test_the_same_rows_are_equal_in_any_order_and_parts() -> None:
    rows, order = identities(X, LABELS, WEIGHT), RNG.permutation(40)
    whole, parts = Seen().plus(rows, WEIGHT), Seen()
    for part in np.array_split(order, 7):
        parts = parts.plus(rows[part], WEIGHT[part])
    assert whole.equals(parts)
    assert (whole.watched == parts.watched).all()
    assert parts.weight == pytest.approx(whole.weight)
    assert not whole.equals(Seen().plus(rows[:-1], WEIGHT[:-1]))


def test_of_many_rows_a_sample_is_watched() -> None:
    rows = RNG.integers(0, 2**63, 20_000).astype(np.uint64)
    seen = Seen().plus(rows, np.ones(20_000))
    assert len(seen.watched) == WATCHED
    assert seen.knows(rows[:500]) is True
    assert seen.knows(RNG.integers(0, 2**63, 500).astype(np.uint64)) is False
    assert seen.knows(np.array([2**64 - 1], dtype=np.uint64)) is None
