"""Coordinate descent on a Gram matrix: compiled code and NumPy agree in every bit, and find the
minimum."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from polytome import native
from polytome.native.descent import Box, Groups, descend, descend_in_groups


def model(rng, size):
    A = rng.normal(size=(2 * size, size))
    return A.T @ A / size, rng.normal(size=size) * 3, rng.uniform(0, 2, size), rng.normal(size=size)


@pytest.mark.skipif(not native.instruction_sets(), reason="the extension is not built")
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_compiled_code_and_numpy_have_the_same_bits(rng, size):
    for tolerance in (0.0, 1e-3):
        H, gradient, corner, start = model(rng, size)
        found = []
        for compiled in (False, True):
            w, g = start.copy(), gradient.copy()
            sweeps = descend(compiled, H, corner, g, w, 50, tolerance)
            found.append((w, g, sweeps))
        assert_array_equal(found[0][0], found[1][0])
        assert_array_equal(found[0][1], found[1][1])
        assert found[0][2] == found[1][2]
        box, found = box_of(rng, size), []
        for compiled in (False, True):
            w, g = np.clip(start, box.lower, box.upper), gradient.copy()
            found.append((w, g, descend(compiled, H, corner, g, w, 50, tolerance, box)))
        assert_array_equal(found[0][0], found[1][0])
        assert_array_equal(found[0][1], found[1][1])
        assert found[0][2] == found[1][2]


def box_of(rng, size):
    ends = np.sort(rng.normal(size=(2, size)), axis=0)
    lower, upper = np.where(rng.random(size) < 0.3, -np.inf, ends[0]), np.where(rng.random(size) < 0.3, np.inf, ends[1])
    return Box(lower, upper, np.ones(size))


def test_what_it_finds_in_a_box_is_least(rng):
    H, gradient, corner, start = model(rng, 12)
    box = box_of(rng, 12)
    corner[:4], start = 0.0, np.clip(start, box.lower, box.upper)
    w, g = start.copy(), gradient.copy()
    native.gram_descent(H, corner, g, w, 2000, 1e-13, box)
    np.testing.assert_allclose(g, gradient + H @ (w - start), atol=1e-10)
    assert ((w >= box.lower) & (w <= box.upper)).all()
    left, right = g + np.where(w > 0, corner, -corner), g + np.where(w < 0, -corner, corner)
    assert (left[w > box.lower] <= 1e-9).all()
    assert (right[w < box.upper] >= -1e-9).all()
    assert ((w == box.lower) | (w == box.upper)).any()


def test_what_it_finds_is_least(rng):
    H, gradient, corner, start = model(rng, 12)
    w, g = start.copy(), gradient.copy()
    native.gram_descent(H, corner, g, w, 2000, 1e-12)
    np.testing.assert_allclose(g, gradient + H @ (w - start), atol=1e-10)
    assert (np.abs(g[w == 0]) <= corner[w == 0] + 1e-10).all()
    np.testing.assert_allclose(g[w != 0], (-corner * np.sign(w))[w != 0], atol=1e-9)
    assert (w == 0).any()


def groups_of(rng, size):
    starts = [0, *sorted(rng.choice(np.arange(1, size), size // 3, replace=False)), size] if size > 1 else [0, 1]
    return np.array(starts, dtype=np.int64)


@pytest.mark.skipif(not native.instruction_sets(), reason="the extension is not built")
@pytest.mark.parametrize("size", [1, 2, 7, 40])
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_compiled_code_and_numpy_agree_on_groups(rng, size, share):
    H, gradient, _, start = model(rng, size)
    starts = groups_of(rng, size)
    groups, corner, found = Groups.of(H, starts), rng.uniform(0.5, 3, len(starts) - 1), []
    absolute = share * rng.integers(0, 2, len(corner))
    for compiled in (False, True):
        w, g = start.copy(), gradient.copy()
        sweeps = descend_in_groups(compiled, H, groups, corner, absolute, g, w, 3, 0.0)
        found.append((w, g, sweeps))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-10)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-10)
    assert_array_equal(found[0][0] == 0, found[1][0] == 0)
    assert found[0][2] == found[1][2]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_what_it_finds_in_groups_is_least(rng, flat, share):
    H, gradient, _, start = model(rng, 12)
    if flat:
        H[:3, :3] = 1.0  # one direction of the first group has curvature
        H[:3, 3:] = H[3:, :3] = 0.0
        gradient[:3] = -9.0
    starts = np.array([0, 3, 4, 8, 12])
    corner, w, g = np.array([0.5, 2.0, 90.0, 1.0]), start.copy(), gradient.copy()
    absolute = share * np.array([0.2, 1.0, 90.0, 1.0])
    native.group_descent(H, Groups.of(H, starts), corner, absolute, g, w, 3000, 1e-13)
    np.testing.assert_allclose(g, gradient + H @ (w - start), atol=1e-9)
    for first, end, c, a in zip(starts, starts[1:], corner, absolute, strict=False):
        own, slope = w[first:end], g[first:end]
        norm = np.linalg.norm(own)
        if norm == 0:
            assert np.linalg.norm(np.maximum(np.abs(slope) - a, 0)) <= c + 1e-9
        else:
            left = slope + c * own / norm
            np.testing.assert_allclose((left + a * np.sign(own))[own != 0], 0, atol=1e-6)
            assert (np.abs(left[own == 0]) <= a + 1e-6).all()
    assert not w[4:8].any()
    assert w[:3].any()


def test_a_group_of_one_is_a_coordinate(rng):
    H, gradient, corner, start = model(rng, 9)
    one, other = (start.copy(), gradient.copy()), (start.copy(), gradient.copy())
    native.gram_descent(H, corner, one[1], one[0], 4, 0.0)
    native.group_descent(H, Groups.of(H, np.arange(10)), corner, np.zeros(9), other[1], other[0], 4, 0.0)
    np.testing.assert_allclose(one[0], other[0], atol=1e-12)


def test_a_coordinate_without_curvature_stays(rng):
    w, g = np.array([2.0, 1.0]), np.array([1.0, 1.0])
    assert native.gram_descent(np.diag([0.0, 2.0]), np.zeros(2), g, w, 3, 0.0) == 2
    np.testing.assert_array_equal(w, [2.0, 0.5])


@pytest.mark.skipif(not native.instruction_sets(), reason="the extension is not built")
def test_arrays_of_other_shapes_are_refused():
    from polytome.native.stored_rows import _passes

    two, three = np.zeros(2), np.zeros(3)
    for H, corner, g, w in [(np.eye(3), two, two, two), (np.eye(2), three, two, two), (np.ones((2, 3)), two, two, two)]:
        with pytest.raises(ValueError, match="need one side"):
            _passes.gram_descent(H, corner, two, two, two, g, w, 1, 0.0)
    for place in range(3):
        box = [three if place == other else two for other in range(3)]
        with pytest.raises(ValueError, match="need one side"):
            _passes.gram_descent(np.eye(2), two, *box, two.copy(), two.copy(), 1, 0.0)
    for starts, bases in [([0, 1], np.ones(1)), ([0, 2, 2], np.ones(4)), ([1, 2], np.ones(1)), ([0, 2], np.ones(1))]:
        places, corner = np.array(starts, dtype=np.int64), np.ones(len(starts) - 1)
        parts = places, corner, 0 * corner, bases, two.copy()
        with pytest.raises(ValueError, match="starts"):
            _passes.group_descent(np.eye(2), *parts, two.copy(), two.copy(), 1, 0.0)
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        _passes.gram_descent(np.eye(2), two, two, two, two, frozen, two.copy(), 1, 0.0)
