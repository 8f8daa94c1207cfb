"""Entropies against known values, 400-digit arithmetic, their limits and their identities."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polytome.errors import ArgumentError
from polytome.numerics import (
    as_distributions,
    binary_cross_entropy,
    binary_cross_entropy_from_scores,
    cross_entropy,
    cross_entropy_from_scores,
    entropy,
    kl_divergence,
    one_hot,
    sigmoid,
    softmax,
)
from polytome.numerics.entropies import looks_like_probabilities, target_distributions

DTYPES = [np.float16, np.float32, np.float64]

same_every_time = settings(derandomize=True, deadline=None, max_examples=100)
score_pairs = arrays(
    np.float64, st.tuples(st.just(2), st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-30, 30)
)
fractions = arrays(np.float64, 6, elements=st.floats(0, 1))


def exact(value):
    """The number a float stands for, in 400 digits."""
    mpmath.mp.dps = 400
    return mpmath.mpf(float(value))


def test_known_entropies():
    assert entropy([0.25] * 4, base=2) == 2
    assert entropy([0.25] * 4) == pytest.approx(np.log(4), rel=1e-15)
    assert entropy([1 / 2, 1 / 4, 1 / 8, 1 / 8], base=2) == 1.75
    assert entropy([1 / 10] * 10, base=10) == pytest.approx(1, rel=1e-15)


def test_certainty_costs_a_plain_zero():
    certain = [0.0, 1.0]
    costs = [
        entropy([1.0]),
        entropy(certain),
        cross_entropy(certain, certain),
        cross_entropy_from_scores(certain, [-np.inf, 0.0]),
        binary_cross_entropy(1, 1.0),
    ]
    np.testing.assert_array_equal(costs, 0)
    assert not np.signbit(costs).any()


def test_known_cross_entropies_and_divergences():
    # Eight days' weather coded for its true frequencies, and coded as if every kind were as
    # frequent.
    weather, uniform = [1 / 2, 1 / 4, 1 / 8, 1 / 8], [1 / 4] * 4
    assert cross_entropy(weather, weather, base=2) == 1.75
    assert cross_entropy(weather, uniform, base=2) == 2
    assert kl_divergence(weather, uniform, base=2) == pytest.approx(0.25, rel=1e-15)
    np.testing.assert_array_equal(cross_entropy([0, 1, 2, 3], [weather] * 4, base=2), [1, 2, 3, 3])
    assert binary_cross_entropy(1, 0.25, base=2) == 2
    assert binary_cross_entropy(0.5, 0.5, base=2) == 1


def test_zero_times_the_logarithm_of_zero_is_zero():
    assert cross_entropy([1.0, 0.0], [1.0, 0.0]) == 0
    assert kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0
    assert cross_entropy_from_scores([1.0, 0.0], [3.0, -np.inf]) == 0
    np.testing.assert_array_equal(binary_cross_entropy([0, 1], [0.0, 1.0]), [0, 0])
    np.testing.assert_array_equal(binary_cross_entropy_from_scores([0, 1], [-np.inf, np.inf]), [0, 0])


def test_infinite_exactly_where_the_prediction_misses_mass():
    p = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1e-320, 1.0, 0.0]])
    q = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    missed = np.array([True, False, False, True])
    with np.errstate(divide="ignore"):
        scores = np.log(q)
    for cost in (cross_entropy(p, q), kl_divergence(p, q), cross_entropy_from_scores(p, scores)):
        np.testing.assert_array_equal(np.isinf(cost), missed)
    target, predicted = np.array([1e-320, 0.0, 1.0, 0.5]), np.array([0.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(np.isinf(binary_cross_entropy(target, predicted)), [True, False, False, True])
    assert kl_divergence([1.0, 0.0], [5e-324, 1.0]) == pytest.approx(float(-mpmath.log(5e-324)), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [0, 1, 0.3])
def test_binary_cross_entropy_from_scores_is_within_four_ulp(target, dtype):
    far = 1e38 if dtype == np.float32 else 1e300
    chosen = [0, 1e-8, 0.5, 37, 80, 1e3, far]
    scores = np.array([*chosen, *np.negative(chosen)], dtype)
    target = np.full(scores.shape, target, dtype)
    for t, s, got in zip(target, scores, binary_cross_entropy_from_scores(target, scores), strict=True):
        gap = abs(exact(s))
        decay = mpmath.log1p(mpmath.exp(-gap)) if gap < 1e5 else mpmath.mpf(0)
        want = (exact(t) if s < 0 else 1 - exact(t)) * gap + decay
        assert got.dtype == dtype
        assert abs(exact(got) - want) <= 4 * exact(np.spacing(dtype(float(want)))), s


def test_binary_cross_entropy_keeps_probabilities_too_small_for_one_minus_p():
    np.testing.assert_array_equal(binary_cross_entropy([0, 0], [1e-20, 1e-300]), [1e-20, 1e-300])


def test_cross_entropy_from_scores_keeps_both_tails():
    scores = [[37.0, 0.0], [37.0, 0.0], [1e300, -1e300]]
    want = [float(mpmath.log1p(mpmath.exp(-37))), 37 + float(mpmath.log1p(mpmath.exp(-37))), 2e300]
    np.testing.assert_allclose(cross_entropy_from_scores([0, 1, 1], scores), want, rtol=1e-14)


@given(score_pairs)
@same_every_time
def test_cross_entropy_is_entropy_plus_divergence(scores):
    p, q = softmax(scores)
    divergence = kl_divergence(p, q)
    assert (divergence >= 0).all()
    np.testing.assert_allclose(cross_entropy(p, q), entropy(p) + divergence, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(cross_entropy_from_scores(p, scores[1]), cross_entropy(p, q), rtol=1e-13, atol=1e-14)
    assert (entropy(p) <= np.log(p.shape[-1]) + 1e-14).all()
    np.testing.assert_array_equal(kl_divergence(p, p), 0)


def test_divergence_of_near_neighbours_is_not_negative():
    p = softmax(np.random.default_rng(1).normal(size=(100, 5)))
    above = np.nextafter(p, 1)
    assert (kl_divergence(p, above) >= 0).all()
    assert (kl_divergence(above, p) <= 1e-15).all()


@given(fractions, arrays(np.float64, 6, elements=st.floats(-30, 30)))
@same_every_time
def test_binary_cross_entropy_is_the_case_of_two_classes(target, scores):
    pairs = np.stack([np.zeros(6), scores], axis=-1)
    both = np.stack([1 - target, target], axis=-1)
    from_scores = binary_cross_entropy_from_scores(target, scores)
    np.testing.assert_allclose(from_scores, cross_entropy_from_scores(both, pairs), rtol=1e-13)
    near = np.abs(scores) < 10  # beyond, a rounded probability near 1 no longer tells its score
    from_probability = binary_cross_entropy(target[near], sigmoid(scores[near]))
    np.testing.assert_allclose(from_probability, from_scores[near], rtol=1e-10)


@given(score_pairs, st.sampled_from([2, 10, 0.5]))
@same_every_time
def test_the_base_is_a_unit(scores, base):
    p, q = softmax(scores)
    unit = np.log(base)
    for cost in (cross_entropy, kl_divergence):
        np.testing.assert_allclose(cost(p, q, base=base) * unit, cost(p, q), rtol=1e-14)
    np.testing.assert_allclose(entropy(p, base=base) * unit, entropy(p), rtol=1e-14)
    np.testing.assert_allclose(
        cross_entropy_from_scores(p, scores[1], base=base) * unit,
        cross_entropy_from_scores(p, scores[1]),
        rtol=1e-14,
    )
    t, s = p[:, 0], scores[1, :, 0]
    for binary, prediction in ((binary_cross_entropy, q[:, 0]), (binary_cross_entropy_from_scores, s)):
        np.testing.assert_allclose(binary(t, prediction, base=base) * unit, binary(t, prediction), rtol=1e-14)


def test_codes_are_shorthand_for_one_hot_rows_on_every_axis():
    random = np.random.default_rng(0)
    scores = random.normal(size=(3, 4, 5))
    for axis in (0, 1, 2, -1, -2, -3):
        p = softmax(scores, axis)
        codes = random.integers(0, scores.shape[axis], size=np.delete(scores.shape, axis))
        rows = np.moveaxis(one_hot(codes, scores.shape[axis]), -1, axis)
        want = -np.log(np.take_along_axis(p, np.expand_dims(codes, axis), axis)).squeeze(axis)
        for target in (codes, rows, rows.astype(int), rows.astype(bool)):
            np.testing.assert_allclose(cross_entropy(target, p, axis=axis), want, rtol=1e-14)
            np.testing.assert_allclose(cross_entropy_from_scores(target, scores, axis=axis), want, rtol=1e-13)
        last = np.moveaxis(p, axis, -1)
        np.testing.assert_allclose(entropy(p, axis=axis), entropy(last), rtol=1e-14)
        np.testing.assert_allclose(kl_divergence(rows, p, axis=axis), want, rtol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_kept(dtype):
    p = np.array([[0.25, 0.75], [0.5, 0.5]], dtype)
    results = [
        entropy(p, base=2),
        entropy(p[0]),
        cross_entropy([0, 1], p),
        cross_entropy(p, p, base=2),
        cross_entropy(p.astype(np.float16), p),
        cross_entropy_from_scores([0, 1], 2 * p),
        cross_entropy_from_scores(np.eye(2, dtype=bool), 2 * p),
        binary_cross_entropy(p, p),
        binary_cross_entropy([[0, 1], [1, 0]], p, base=2),
        binary_cross_entropy_from_scores(p, p),
        binary_cross_entropy_from_scores(1, p[0, 0]),
        kl_divergence(p, p[::-1]),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert entropy([1, 0]).dtype == np.float64


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounded_softmax_is_a_distribution(dtype):
    scores = np.random.default_rng(0).normal(scale=5, size=(200, 50)).astype(dtype)
    p = softmax(scores)
    assert as_distributions(p, "p") is p


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ([0.5, 0.4], "entries from 0.4 to 0.5, sum 0.9"),
        ([1.5, -0.5], "entries from -0.5 to 1.5, sum 1"),
        ([0.5, 0.5 + 1e-6], "sum 1.000001"),
        ([np.nan, 1.0], "sum nan"),
        ([np.inf, -np.inf], "entries from -inf to inf, sum nan"),
    ],
)
def test_what_is_no_distribution_is_refused_with_row_and_sum(wrong, found):
    right = [0.5, 0.5]
    calls = {
        "probabilities": [lambda: entropy([right, wrong]), lambda: cross_entropy([0, 0], [right, wrong])],
        "target": [
            lambda: cross_entropy([right, wrong], [right, right]),
            lambda: cross_entropy_from_scores([right, wrong], [right, right]),
        ],
        "p": [lambda: kl_divergence([right, wrong], [right, right])],
        "q": [lambda: kl_divergence([right, right], [right, wrong])],
    }
    for name, several in calls.items():
        for call in several:
            with pytest.raises(ArgumentError, match=rf"{name}: row 1 .*is not a distribution: .*{found}\."):
                call()


def test_a_negative_entry_is_refused_though_none_exceeds_one():
    with pytest.raises(ArgumentError, match=r"entries from -0.25 to 0.625, sum 1\."):
        entropy([0.625, 0.625, -0.25])


def test_the_row_is_named_on_any_axis():
    p = np.full((2, 3, 4), 1 / 3)
    p[:, 2, 3] = 1
    with pytest.raises(ArgumentError, match=r"probabilities: row \(0, 3\) .*sum 1.66666.* along axis 1"):
        entropy(p, axis=1)
    with pytest.raises(ArgumentError, match=r"probabilities: the only row is not a distribution: no entries, sum 0"):
        entropy([])
    with pytest.raises(ArgumentError, match=r"probabilities: shape \(2,\) has no axis 1"):
        entropy([0.5, 0.5], axis=1)


def test_shapes_that_do_not_fit_are_refused_with_both():
    p = np.full((3, 2), 0.5)
    for cost in (cross_entropy, cross_entropy_from_scores):
        with pytest.raises(
            ArgumentError, match=r"target: shape \(2,\) does not fit .* shape \(3, 2\).*shape \(3,\) or"
        ):
            cost([0, 1], p)
    with pytest.raises(ArgumentError, match=r"p and q .*same shape; got \(3, 2\) and \(2, 2\)"):
        kl_divergence(p, p[:2])
    with pytest.raises(ArgumentError, match=r"target and probability .*same shape; got \(2,\) and \(3,\)"):
        binary_cross_entropy([0, 1], p[:, 0])
    with pytest.raises(ArgumentError, match=r"target and score .*same shape; got \(\) and \(3,\)"):
        binary_cross_entropy_from_scores(0, p[:, 0])


@pytest.mark.parametrize("cost", [cross_entropy, cross_entropy_from_scores])
def test_bad_codes_are_refused(cost):
    with pytest.raises(ArgumentError, match=r"row 1 .*holds class code 2; codes must be 0 to 1"):
        cost([0, 2], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ArgumentError, match="codes must be integers, got dtype float64"):
        cost([0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]])


def test_binary_entries_outside_the_unit_interval_are_refused():
    with pytest.raises(ArgumentError, match=r"target: row 1 .*holds 2.0, which is not in \[0, 1\]"):
        binary_cross_entropy([1, 2], [0.5, 0.5])
    with pytest.raises(ArgumentError, match=r"probability: row 0 .*holds -0.1, which"):
        binary_cross_entropy([1, 1], [-0.1, 0.5])
    with pytest.raises(ArgumentError, match=r"target: row 1 .*holds nan, which"):
        binary_cross_entropy_from_scores([1, np.nan], [7.0, 0.5])


@pytest.mark.parametrize("base", [0, 1, -2, np.inf, np.nan])
def test_unusable_bases_are_refused(base):
    p = [0.5, 0.5]
    calls = [
        lambda: entropy(p, base=base),
        lambda: cross_entropy(0, p, base=base),
        lambda: cross_entropy_from_scores(0, [2.0, 1.0], base=base),
        lambda: kl_divergence(p, p, base=base),
        lambda: binary_cross_entropy(p, p, base=base),
        lambda: binary_cross_entropy_from_scores(p, p, base=base),
    ]
    for call in calls:
        with pytest.raises(
            ArgumentError, match=f"base: {base} is not usable; give a finite number above 0 other than 1"
        ):
            call()


def test_target_distributions_are_not_copied():
    target = np.array([[0.25, 0.75]], np.float32)
    assert target_distributions(target, (1, 2)) is target


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_probabilities_are_told_from_scores(dtype, axis):
    scores = np.random.default_rng(5).normal(scale=3, size=(40, 30)).astype(dtype)
    assert not looks_like_probabilities(scores, axis=axis)
    assert looks_like_probabilities(softmax(scores, axis), axis=axis)
    assert not looks_like_probabilities(softmax(scores, axis), axis=1 if axis == 0 else 0)


def test_one_row_of_scores_among_probabilities_settles_it():
    rows = softmax(np.random.default_rng(6).normal(size=(20, 4)))
    rows[13] += 1e-3
    assert not looks_like_probabilities(rows)
    assert not looks_like_probabilities(-rows)
    assert not looks_like_probabilities([[0.5, 0.5], [np.nan, 0.5]])


def test_no_row_and_one_class_tell_nothing():
    assert not looks_like_probabilities(np.empty((0, 3)))
    assert not looks_like_probabilities(np.ones((5, 1)))
    with pytest.raises(ArgumentError, match=r"scores: shape \(2,\) has no axis 1"):
        looks_like_probabilities([0.5, 0.5], axis=1)


def test_probabilities_where_scores_belong_are_warned_of_and_a_constant_ends_it():
    scores = np.array([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])
    p = softmax(scores)
    with pytest.warns(UserWarning, match=r"scores: every row is a distribution.*give them to cross_entropy\.") as seen:
        twice = cross_entropy_from_scores([0, 2], p)
    assert seen[0].filename == __file__
    np.testing.assert_allclose(twice, cross_entropy([0, 2], softmax(p)), rtol=1e-14)
    # Warnings are errors here, so these two are without one.
    np.testing.assert_allclose(cross_entropy_from_scores([0, 2], p + 1), twice, rtol=1e-14)
    np.testing.assert_allclose(cross_entropy_from_scores([0, 2], scores), cross_entropy([0, 2], p), rtol=1e-14)
    with pytest.warns(UserWarning, match="every row"):
        cross_entropy_from_scores([0, 2], p.T, axis=0)
