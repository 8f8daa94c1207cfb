"""Coordinate descent on a Gram matrix: compiled code and NumPy agree in every bit, and find the
minimum."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from polytome import native
from polytome.native.descent import descend


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


def test_what_it_finds_is_least(rng):
    H, gradient, corner, start = model(rng, 12)
    w, g = start.copy(), gradient.copy()
    native.gram_descent(H, corner, g, w, 2000, 1e-12)
    np.testing.assert_allclose(g, gradient + H @ (w - start), atol=1e-10)
    assert (np.abs(g[w == 0]) <= corner[w == 0] + 1e-10).all()
    np.testing.assert_allclose(g[w != 0], (-corner * np.sign(w))[w != 0], atol=1e-9)
    assert (w == 0).any()


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
            _passes.gram_descent(H, corner, g, w, 1, 0.0)
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        _passes.gram_descent(np.eye(2), two, frozen, two.copy(), 1, 0.0)
